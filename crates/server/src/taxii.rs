// SPDX-License-Identifier: Apache-2.0
//! TAXII 2.1 over HTTP: who asks, for what, and the answer.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use exchange::filter::{Fields, Wish};
use exchange::query::{self, Collection, Gate, ObjectsPage, Permitted, Question};
use exchange::standing::{self, Standing};
use exchange::token::{self, Credential};
use ledger::sql::Read;
use model::id::CommunityId;
use model::time::Timestamp;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::auth::{Shown, shown};
use crate::body::{Pieces, Waiting};
use crate::limits::{
    ANSWER_BYTES_MAX, CONTENT_BYTES_MAX, FAILURES_BURST, FAILURES_PER_SECOND, READS_MAX, READS_WAITING_MAX,
    REQUESTS_BURST, REQUESTS_PER_SECOND, URI_BYTES_MAX,
};
use crate::media::{TAXII, accepts_taxii};
use crate::rate::{Buckets, address_key};
use crate::refusal::Refusal;
use crate::target::{API_ROOT, Endpoint, query_pairs};
use crate::{Peer, Server, wire};

static ADDED_FIRST: HeaderName = HeaderName::from_static("x-taxii-date-added-first");
static ADDED_LAST: HeaderName = HeaderName::from_static("x-taxii-date-added-last");

/// What all requests share.
pub(crate) struct Shared {
    server: Server,
    reading: Arc<Semaphore>,
    queue: Arc<Semaphore>,
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
            requests: Buckets::new(REQUESTS_BURST, REQUESTS_PER_SECOND),
            failures: Buckets::new(FAILURES_BURST, FAILURES_PER_SECOND),
            waiting: Waiting::default(),
            gate: Gate::default(),
        }
    }
}

/// What a log line says of a request; never a secret, a query or a body.
#[derive(Default)]
struct Note {
    token: Option<(String, String)>,
    objects: usize,
    /// What is to be kept of the credential before the answer goes out.
    standing: Option<(CommunityId, Standing)>,
}

/// An answer before it has header lines of its own.
struct Answer {
    pieces: Vec<Vec<u8>>,
    added: Option<(Timestamp, Timestamp)>,
    objects: usize,
}

impl Answer {
    fn json(shape: &impl Serialize) -> Result<Answer, Refusal> {
        let body = serde_json::to_vec(shape).map_err(|_| Refusal::Internal)?;
        Ok(Answer { pieces: vec![body], added: None, objects: 0 })
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
        Ok(Answer { pieces, added: Some((page.added_first, page.added_last)), objects: page.count })
    }
}

/// Answers one request and writes its line in the log.
pub(crate) async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let begun = Instant::now();
    let (head, _) = request.into_parts();
    let address = head.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
    let (method, path) = (head.method.clone(), head.uri.path().to_owned());
    let (result, note) = match Asked::read(head.method, &head.uri, &head.headers, address) {
        Ok(asked) => run(&shared, asked).await,
        Err(refusal) => (Err(refusal), Note::default()),
    };
    let (id, name) = note.token.as_ref().map_or(("-", "-"), |(id, name)| (id, name));
    let ms = begun.elapsed().as_secs_f64() * 1_000.0;
    let status = result.as_ref().map_or_else(|refusal| refusal.status(), |_| StatusCode::OK).as_u16();
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
            (StatusCode::OK, answer.pieces)
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
struct Asked {
    method: Method,
    endpoint: Option<Endpoint>,
    acceptable: bool,
    query: String,
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
}

/// Runs the request on a blocking thread: so many at a time, so many waiting, the rest is sent away.
async fn run(shared: &Arc<Shared>, asked: Asked) -> (Result<Answer, Refusal>, Note) {
    let token = match &asked.shown {
        Shown::Token(token) => token.clone(),
        Shown::Nothing => return (Err(Refusal::Unauthorized), Note::default()),
        Shown::Unreadable => return (Err(failed(shared, asked.address)), Note::default()),
    };
    let Ok(queued) = Arc::clone(&shared.queue).try_acquire_owned() else {
        return (Err(Refusal::Busy), Note::default());
    };
    let Ok(reading) = Arc::clone(&shared.reading).acquire_owned().await else {
        return (Err(Refusal::Internal), Note::default());
    };
    if shared.waiting.bytes() > ANSWER_BYTES_MAX {
        return (Err(Refusal::Busy), Note::default());
    }
    let work = Arc::clone(shared);
    let task = tokio::task::spawn_blocking(move || {
        // Held here, so that a client that goes away does not free its place before its work is done.
        let _places = (queued, reading);
        let mut note = Note::default();
        let result = work.server.store.read(|read| answer(&work, read, &asked, &token, &mut note));
        let kept = result.and_then(|answer| keep(&work, &note).map(|()| answer));
        (kept, note)
    });
    task.await.unwrap_or((Err(Refusal::Internal), Note::default()))
}

/// From here on this token never sees more of the collection than it does now.
fn keep(shared: &Shared, note: &Note) -> Result<(), Refusal> {
    let (Some((community, least)), Some((token, _))) = (note.standing, &note.token) else { return Ok(()) };
    Ok(shared.server.store.local(|tx| standing::note(tx, token, community, least))?)
}

/// A failed authentication counts against its address. Whoever shows a working token is never locked
/// out by others behind the same address: the secret is too long to be guessed at any rate.
fn failed(shared: &Shared, address: IpAddr) -> Refusal {
    match shared.failures.take(&address, Instant::now()) {
        Ok(()) => Refusal::Unauthorized,
        Err(wait) => Refusal::TooManyFailures(seconds(wait)),
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + 1
}

/// All of one request, in one read transaction: who asks, whether he may, and the answer.
fn answer(
    shared: &Shared,
    read: &mut dyn Read,
    asked: &Asked,
    text: &str,
    note: &mut Note,
) -> Result<Answer, Refusal> {
    let Some(credential) = token::authenticate(read, &shared.server.token_key, text)? else {
        return Err(failed(shared, asked.address));
    };
    note.token = Some((credential.id.clone(), credential.name.clone()));
    let key = (credential.id.clone(), asked.address);
    shared.requests.take(&key, Instant::now()).map_err(|wait| Refusal::TooManyRequests(seconds(wait)))?;
    let endpoint = asked.endpoint.as_ref().ok_or(Refusal::NotFound)?;
    let answer = match (&asked.method, endpoint) {
        (&Method::GET | &Method::HEAD, _) if !asked.acceptable => Err(Refusal::NotAcceptable),
        (&Method::GET | &Method::HEAD, _) => {
            let reader = token::reader(read, &credential)?;
            let permitted = shared.gate.ask(read, &reader)?;
            get(shared, read, endpoint, &permitted, &credential, &asked.query, note)
        }
        (&Method::POST, Endpoint::Objects(c)) | (&Method::DELETE, Endpoint::Object(c, _)) => {
            let reader = token::reader(read, &credential)?;
            let permitted = shared.gate.ask(read, &reader)?;
            // Section 5.4 and 5.7: 404 where it may not be read either, else 403.
            let collection = query::collection(read, &permitted, c)?;
            Err(if collection.can_read { Refusal::Forbidden } else { Refusal::NotFound })
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
    permitted: &Permitted,
    credential: &Credential,
    query: &str,
    note: &mut Note,
) -> Result<Answer, Refusal> {
    let title = &shared.server.title;
    let mut open = |read: &mut dyn Read, id: &str| -> Result<Collection, Refusal> {
        let collection = query::collection(read, permitted, id)?;
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
        // Nothing is written through TAXII yet, so there is no status to tell.
        Endpoint::Status(_) => Err(Refusal::NotFound),
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
