// SPDX-License-Identifier: Apache-2.0
//! TAXII 2.1 over HTTP: who asks, for what, and the answer.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, EXPECT, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use exchange::filter::{Fields, Wish};
use exchange::query::{self, Collection, Gate, ObjectsPage, Permitted, Question};
use exchange::standing::{self, Standing};
use exchange::status::{self, Status};
use exchange::token::{self, Credential};
use exchange::view::CollectionView;
use ledger::definitions::DefinitionView;
use ledger::sql::Read;
use ledger::view::View as _;
use model::id::CommunityId;
use model::time::Timestamp;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::auth::{Shown, shown};
use crate::body::{Pieces, Waiting};
use crate::limits::{
    ANSWER_BYTES_MAX, CONTENT_BYTES_MAX, FAILURES_BURST, FAILURES_PER_SECOND, POSTS_MAX, POSTS_WAITING_MAX,
    READS_MAX, READS_WAITING_MAX, REQUESTS_BURST, REQUESTS_PER_SECOND, URI_BYTES_MAX, WRITE_COST,
};
use crate::media::{TAXII, accepts_taxii};
use crate::rate::{Buckets, address_key};
use crate::refusal::Refusal;
use crate::target::{API_ROOT, Endpoint, query_pairs};
use crate::upload::{Budget, drain};
use crate::{Peer, Server, delete, post, wire};

static ADDED_FIRST: HeaderName = HeaderName::from_static("x-taxii-date-added-first");
static ADDED_LAST: HeaderName = HeaderName::from_static("x-taxii-date-added-last");

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) server: Server,
    reading: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// Places for those who write, from the first byte of what they send.
    pub(crate) posts: Arc<Semaphore>,
    /// Places for those whose objects are taken in at the same time.
    pub(crate) writing: Arc<Semaphore>,
    /// Bytes that clients are sending.
    pub(crate) uploads: Budget,
    requests: Buckets<(String, IpAddr)>,
    failures: Buckets<IpAddr>,
    waiting: Waiting,
    gate: Gate,
}

impl Shared {
    pub(crate) fn new(server: Server) -> Shared {
        Shared {
            server,
            reading: Arc::new(Semaphore::new(READS_MAX)),
            queue: Arc::new(Semaphore::new(READS_MAX + READS_WAITING_MAX)),
            posts: Arc::new(Semaphore::new(POSTS_MAX + POSTS_WAITING_MAX)),
            writing: Arc::new(Semaphore::new(POSTS_MAX)),
            uploads: Budget::default(),
            requests: Buckets::new(REQUESTS_BURST, REQUESTS_PER_SECOND),
            failures: Buckets::new(FAILURES_BURST, FAILURES_PER_SECOND),
            waiting: Waiting::default(),
            gate: Gate::default(),
        }
    }
}

/// What a log line says of a request; never a secret, a query or a body.
#[derive(Default)]
pub(crate) struct Note {
    token: Option<(String, String)>,
    objects: usize,
    /// What is to be kept of the credential before the answer goes out.
    standing: Option<(CommunityId, Standing)>,
}

/// An answer before it has header lines of its own.
pub(crate) struct Answer {
    status: StatusCode,
    pieces: Vec<Vec<u8>>,
    added: Option<(Timestamp, Timestamp)>,
    objects: usize,
}

impl Answer {
    fn json(shape: &impl Serialize) -> Result<Answer, Refusal> {
        let body = serde_json::to_vec(shape).map_err(|_| Refusal::Internal)?;
        Ok(Answer { status: StatusCode::OK, pieces: vec![body], added: None, objects: 0 })
    }

    /// Nothing to be said (section 5.7).
    pub(crate) fn empty() -> Answer {
        Answer { status: StatusCode::OK, pieces: Vec::new(), added: None, objects: 0 }
    }

    /// The status of what was posted, the answer to the POST itself (section 5.5).
    pub(crate) fn accepted(status: &Status) -> Result<Answer, Refusal> {
        let objects = status.success_count as usize;
        Ok(Answer { status: StatusCode::ACCEPTED, objects, ..Answer::json(&wire::StatusShape::new(status))? })
    }

    fn added(self, first: Timestamp, last: Timestamp, objects: usize) -> Answer {
        Answer { added: Some((first, last)), objects, ..self }
    }

    fn envelope(page: ObjectsPage) -> Result<Answer, Refusal> {
        let (before, after) = wire::envelope_ends(&page).map_err(|_| Refusal::Internal)?;
        let mut pieces = Vec::with_capacity(page.pieces.len() + 2);
        pieces.push(before);
        pieces.extend(page.pieces);
        pieces.push(after);
        let added = Some((page.added_first, page.added_last));
        Ok(Answer { status: StatusCode::OK, pieces, added, objects: page.count })
    }
}

/// Answers one request and writes its line in the log.
pub(crate) async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let begun = Instant::now();
    let (head, mut body) = request.into_parts();
    let address = head.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
    let (method, path) = (head.method.clone(), head.uri.path().to_owned());
    // Whoever asks before he sends is told at once; polling the body would tell him to go on.
    let asks_first = head.headers.contains_key(EXPECT);
    let (result, note) = match Asked::read(head.method, &head.uri, &head.headers, address) {
        Ok(asked) if asked.posts() => post::run(&shared, Arc::new(asked), head.headers, &mut body).await,
        Ok(asked) if asked.deletes() => delete::run(&shared, asked).await,
        Ok(asked) => run(&shared, asked).await,
        Err(refusal) => (Err(refusal), Note::default()),
    };
    if result.is_err() && !asks_first {
        // A client that still sends may otherwise find its connection broken and the answer lost.
        drain(&mut body, note.token.is_some()).await;
    }
    let (id, name) = note.token.as_ref().map_or(("-", "-"), |(id, name)| (id, name));
    let ms = begun.elapsed().as_secs_f64() * 1_000.0;
    let status = result.as_ref().map_or_else(Refusal::status, |answer| answer.status).as_u16();
    let objects = note.objects;
    match &result {
        Ok(_) => tracing::info!(%method, path, status, token = id, name, %address, objects, ms, "request"),
        Err(Refusal::Engine(error)) => {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%method, path, status, token = id, name, %address, %error, cause, ms, "request failed");
        }
        Err(refusal) => {
            tracing::warn!(%method, path, status, token = id, name, %address, reason = %refusal, ms, "request refused");
        }
    }
    respond(result, &shared.waiting)
}

fn respond(result: Result<Answer, Refusal>, waiting: &Waiting) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TAXII));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let (status, pieces) = match result {
        Ok(answer) => {
            if let Some((first, last)) = answer.added {
                for (name, time) in [(&ADDED_FIRST, first), (&ADDED_LAST, last)] {
                    headers
                        .extend(HeaderValue::try_from(time.to_string()).map(|value| (name.clone(), value)));
                }
            }
            (answer.status, answer.pieces)
        }
        Err(refusal) => {
            for (name, value) in refusal.headers() {
                headers.extend(HeaderValue::try_from(value).map(|value| (name, value)));
            }
            (refusal.status(), vec![error_body(&refusal)])
        }
    };
    let mut response = Response::new(Body::new(Pieces::new(pieces, waiting)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn error_body(refusal: &Refusal) -> Vec<u8> {
    let status = refusal.status();
    let shape = wire::ErrorShape {
        title: status.canonical_reason().unwrap_or("Error"),
        description: refusal.description(),
        http_status: status.as_str(),
    };
    // Three texts can always be written; an empty body would still carry the status.
    serde_json::to_vec(&shape).unwrap_or_default()
}

/// A request as far as it can be read without the store.
pub(crate) struct Asked {
    method: Method,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) acceptable: bool,
    pub(crate) query: String,
    shown: Shown,
    address: IpAddr,
}

impl Asked {
    fn read(
        method: Method,
        uri: &axum::http::Uri,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Result<Asked, Refusal> {
        let query = uri.query().unwrap_or_default();
        if uri.path().len() + query.len() > URI_BYTES_MAX {
            return Err(Refusal::TargetTooLong);
        }
        let accept = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
        Ok(Asked {
            method,
            endpoint: Endpoint::parse(uri.path()),
            acceptable: accepts_taxii(accept),
            query: query.to_owned(),
            shown: shown(headers),
            address: address_key(address),
        })
    }

    /// Whether the request brings objects.
    fn posts(&self) -> bool {
        self.method == Method::POST && matches!(self.endpoint, Some(Endpoint::Objects(_)))
    }

    /// Whether the request takes an object back.
    fn deletes(&self) -> bool {
        self.method == Method::DELETE && matches!(self.endpoint, Some(Endpoint::Object(..)))
    }

    /// The text of the token that was shown.
    pub(crate) fn token(&self, shared: &Shared) -> Result<String, Refusal> {
        match &self.shown {
            Shown::Token(token) => Ok(token.clone()),
            Shown::Nothing => Err(Refusal::Unauthorized),
            Shown::Unreadable => Err(failed(shared, self.address)),
        }
    }
}

async fn run(shared: &Arc<Shared>, asked: Asked) -> (Result<Answer, Refusal>, Note) {
    let token = match asked.token(shared) {
        Ok(token) => token,
        Err(refusal) => return (Err(refusal), Note::default()),
    };
    let done = reading(shared, move |shared| {
        let mut note = Note::default();
        let result = shared.server.store.read(|read| answer(shared, read, &asked, &token, &mut note));
        let kept = result.and_then(|answer| keep(shared, &note).map(|()| answer));
        (kept, note)
    });
    done.await.unwrap_or_else(|refusal| (Err(refusal), Note::default()))
}

/// Runs work that reads the store on a blocking thread: so many at a time, so many waiting, the rest is
/// sent away.
pub(crate) async fn reading<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let queued = Arc::clone(&shared.queue).try_acquire_owned().map_err(|_| Refusal::Busy)?;
    let reading = Arc::clone(&shared.reading).acquire_owned().await.map_err(|_| Refusal::Internal)?;
    if shared.waiting.bytes() > ANSWER_BYTES_MAX {
        return Err(Refusal::Busy);
    }
    let shared = Arc::clone(shared);
    let task = tokio::task::spawn_blocking(move || {
        // Held here, so that a client that goes away does not free its place before its work is done.
        let _places = (queued, reading);
        work(&shared)
    });
    task.await.map_err(|_| Refusal::Internal)
}

/// From here on this token never sees more of the collection than it does now.
fn keep(shared: &Shared, note: &Note) -> Result<(), Refusal> {
    let (Some((community, least)), Some((token, _))) = (note.standing, &note.token) else { return Ok(()) };
    Ok(shared.server.store.local(|tx| standing::note(tx, token, community, least))?)
}

/// A failed authentication counts against its address. Whoever shows a working token is never locked
/// out by others behind the same address: the secret is too long to be guessed at any rate.
fn failed(shared: &Shared, address: IpAddr) -> Refusal {
    match shared.failures.take(&address, 1, Instant::now()) {
        Ok(()) => Refusal::Unauthorized,
        Err(wait) => Refusal::TooManyFailures(seconds(wait)),
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + 1
}

/// Who asks, and what the gate releases to him.
pub(crate) struct Caller {
    pub(crate) credential: Credential,
    pub(crate) permitted: Permitted,
}

impl Caller {
    /// Finds out who asks, and counts the request against his limits.
    pub(crate) fn identify(
        shared: &Shared,
        read: &mut dyn Read,
        asked: &Asked,
        text: &str,
        note: &mut Note,
    ) -> Result<Credential, Refusal> {
        let Some(credential) = token::authenticate(read, &shared.server.token_key, text)? else {
            return Err(failed(shared, asked.address));
        };
        note.token = Some((credential.id.clone(), credential.name.clone()));
        let key = (credential.id.clone(), asked.address);
        let reads = matches!(asked.method, Method::GET | Method::HEAD);
        let cost = if reads { 1 } else { WRITE_COST };
        let taken = shared.requests.take(&key, cost, Instant::now());
        taken.map_err(|wait| Refusal::TooManyRequests(seconds(wait)))?;
        Ok(credential)
    }

    /// Asks the gate.
    pub(crate) fn of(
        shared: &Shared,
        read: &mut dyn Read,
        credential: Credential,
    ) -> Result<Caller, Refusal> {
        let reader = token::reader(read, &credential)?;
        let permitted = shared.gate.ask(read, &reader)?.with_rights(credential.rights);
        Ok(Caller { credential, permitted })
    }

    /// A collection that he may write to; 404 where he may not read it either, else 403 (section 5.5).
    pub(crate) fn writable(&self, read: &mut dyn Read, id: &str) -> Result<Collection, Refusal> {
        let collection = query::collection(read, &self.permitted, id)?;
        if collection.can_write { Ok(collection) } else { Err(Refusal::MayNotWrite) }
    }
}

/// All of one request, in one read transaction: who asks, whether he may, and the answer.
fn answer(
    shared: &Shared,
    read: &mut dyn Read,
    asked: &Asked,
    text: &str,
    note: &mut Note,
) -> Result<Answer, Refusal> {
    let credential = Caller::identify(shared, read, asked, text, note)?;
    let endpoint = asked.endpoint.as_ref().ok_or(Refusal::NotFound)?;
    // What follows rests on these views, and their tables may be of another version.
    for view in [CollectionView.name(), DefinitionView.name()] {
        if let Some(progress) = shared.server.store.rebuilding(read, view)? {
            return Err(Refusal::Rebuilding(progress.percent()));
        }
    }
    let answer = match (&asked.method, endpoint) {
        (&Method::GET | &Method::HEAD, _) if !asked.acceptable => Err(Refusal::NotAcceptable),
        (&Method::GET | &Method::HEAD, _) => {
            let caller = Caller::of(shared, read, credential)?;
            get(shared, read, endpoint, &caller, &asked.query, note)
        }
        _ => Err(Refusal::Method(endpoint.methods())),
    }?;
    note.objects = answer.objects;
    Ok(answer)
}

fn get(
    shared: &Shared,
    read: &mut dyn Read,
    endpoint: &Endpoint,
    caller: &Caller,
    query: &str,
    note: &mut Note,
) -> Result<Answer, Refusal> {
    let title = &shared.server.title;
    let Caller { credential, permitted } = caller;
    let mut open = |read: &mut dyn Read, id: &str| -> Result<Collection, Refusal> {
        let collection = query::collection(read, permitted, id)?;
        if !collection.can_read {
            return Err(Refusal::MayNotRead);
        }
        note.standing = standing::to_note(read, &credential.id, &collection.audience, collection.standing)?;
        Ok(collection)
    };
    let question = |collection| Question {
        permitted,
        collection,
        credential: &credential.id,
        cursor_key: &shared.server.cursor_key,
    };
    match endpoint {
        Endpoint::Discovery => {
            Answer::json(&wire::Discovery { title, default: API_ROOT, api_roots: [API_ROOT] })
        }
        Endpoint::ApiRoot => Answer::json(&wire::ApiRoot::new(title, CONTENT_BYTES_MAX)),
        Endpoint::Status(id) => {
            let status = status::find(read, id, &credential.id, (shared.server.now)())?;
            Answer::json(&wire::StatusShape::new(&status.ok_or(Refusal::NotFound)?))
        }
        Endpoint::Collections => Answer::json(&wire::Collections::new(&query::collections(read, permitted)?)),
        Endpoint::Collection(c) => {
            Answer::json(&wire::CollectionShape::new(&query::collection(read, permitted, c)?))
        }
        Endpoint::Manifest(c) => {
            let collection = open(read, c)?;
            let wish = wish(query, Fields::Collection)?;
            let page = query::manifest(read, &question(&collection), &wish)?;
            let (first, last, count) = (page.added_first, page.added_last, page.entries.len());
            Ok(Answer::json(&wire::Manifest::new(&page))?.added(first, last, count))
        }
        Endpoint::Objects(c) => {
            let collection = open(read, c)?;
            let wish = wish(query, Fields::Collection)?;
            Answer::envelope(query::objects(read, &question(&collection), &wish)?)
        }
        Endpoint::Object(c, id) => {
            let collection = open(read, c)?;
            let wish = wish(query, Fields::Object)?;
            Answer::envelope(query::object(read, &question(&collection), id, &wish)?)
        }
        Endpoint::Versions(c, id) => {
            let collection = open(read, c)?;
            let wish = wish(query, Fields::Versions)?;
            let page = query::versions(read, &question(&collection), id, &wish)?;
            let (first, last, count) = (page.added_first, page.added_last, page.versions.len());
            Ok(Answer::json(&wire::Versions::new(&page))?.added(first, last, count))
        }
    }
}

fn wish(query: &str, fields: Fields) -> Result<Wish, Refusal> {
    let pairs = query_pairs(query).map_err(|_| Refusal::BadQuery)?;
    Ok(Wish::parse(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())), fields)?)
}
