// SPDX-License-Identifier: Apache-2.0
//! POST of objects (TAXII 2.1 section 5.5): who may, then the body, then the writer, then the status.

use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use exchange::post::{Envelope, Sender};
use exchange::status;
use ledger::entry::Salts;

use crate::Server;
use crate::limits::SUBMISSION_DRAFTS_MAX;
use crate::media::is_taxii;
use crate::refusal::Refusal;
use crate::target::Endpoint;
use crate::taxii::{Answer, Asked, Caller, Note, Shared, reading};
use crate::upload::Upload;

/// Bytes of the salts of one entry.
const SALTS_BYTES: usize = 48;
/// Salts that are fetched at once.
const SALTS_COUNT: usize = 100;

/// Answers a request that brings objects.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    asked: Arc<Asked>,
    headers: HeaderMap,
    body: &mut Body,
) -> (Result<Answer, Refusal>, Note) {
    let (gate, text) = match asked.token(shared) {
        Ok(text) => (Arc::clone(&asked), text),
        Err(refusal) => return (Err(refusal), Note::default()),
    };
    let shown = text.clone();
    let opened = reading(shared, move |shared| {
        let mut note = Note::default();
        (may_post(shared, &gate, &shown, &mut note), note)
    });
    let (may, note) = opened.await.unwrap_or_else(|refusal| (Err(refusal), Note::default()));
    if let Err(refusal) = may {
        return (Err(refusal), note);
    }
    (receive(shared, asked, text, headers, body).await, note)
}

/// Whether the body is worth receiving: of nobody else's a byte is kept.
fn may_post(shared: &Shared, asked: &Asked, text: &str, note: &mut Note) -> Result<(), Refusal> {
    shared.server.store.read(|read| {
        let credential = Caller::identify(shared, read, asked, text, note)?;
        if !asked.acceptable {
            return Err(Refusal::NotAcceptable);
        }
        let Some(Endpoint::Objects(id)) = &asked.endpoint else { return Err(Refusal::NotFound) };
        Caller::of(shared, read, credential)?.writable(read, id).map(drop)
    })
}

async fn receive(
    shared: &Arc<Shared>,
    asked: Arc<Asked>,
    text: String,
    headers: HeaderMap,
    body: &mut Body,
) -> Result<Answer, Refusal> {
    if !is_readable(&headers) {
        return Err(Refusal::MediaType);
    }
    let place = Arc::clone(&shared.posts).try_acquire_owned().map_err(|_| Refusal::Busy)?;
    let upload = Upload::receive(&shared.uploads, &headers, body).await?;
    let turn = Arc::clone(&shared.writing).acquire_owned().await.map_err(|_| Refusal::Internal)?;
    let work = Arc::clone(shared);
    let task = tokio::task::spawn_blocking(move || {
        // Held here, so that a client that goes away does not free its place before its work is done.
        let _places = (place, turn);
        take_in(&work, &asked, &text, upload)
    });
    task.await.map_err(|_| Refusal::Internal)?
}

fn is_readable(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let taxii = types.next().and_then(|line| line.to_str().ok()).is_some_and(is_taxii);
    let plain = |line: &axum::http::HeaderValue| line.as_bytes().eq_ignore_ascii_case(b"identity");
    taxii && types.next().is_none() && headers.get_all(CONTENT_ENCODING).iter().all(plain)
}

/// Reads the envelope, appends what is good, and keeps the status.
fn take_in(shared: &Shared, asked: &Asked, text: &str, mut upload: Upload) -> Result<Answer, Refusal> {
    let server = &shared.server;
    let requested = (server.now)();
    let mut salts = SaltSource::new(server);
    let (mut posted, credential) = server.store.read::<_, Refusal>(|read| {
        // Asked again: the body may have taken minutes, and the token may be worth nothing by now.
        let credential = exchange::token::authenticate(read, &server.token_key, text)?;
        let caller = Caller::of(shared, read, credential.ok_or(Refusal::Unauthorized)?)?;
        let Some(Endpoint::Objects(id)) = &asked.endpoint else { return Err(Refusal::NotFound) };
        let collection = caller.writable(read, id)?;
        let reader = caller.permitted.reader();
        let sender = Sender { reader, own: server.own, audience: &collection.audience, now: requested };
        let envelope = Envelope::survey(read, reader.member, upload.look())?;
        let posted = envelope.take(read, sender, upload.consume(), &mut || salts.next())?;
        Ok((posted, caller.credential.id))
    })?;
    drop(upload);
    let mut drafts = std::mem::take(&mut posted.drafts);
    let mut pending = Vec::new();
    while !drafts.is_empty() {
        let rest = drafts.split_off(drafts.len().min(SUBMISSION_DRAFTS_MAX));
        let part = std::mem::replace(&mut drafts, rest);
        // The first part asks whether there is room; what belongs to it waits.
        pending.push(match pending.is_empty() {
            true => server.writer.try_submit(part)?,
            false => server.writer.submit(part),
        });
    }
    let mut outcomes = Vec::new();
    for part in pending {
        outcomes.extend(part.wait()?);
    }
    let mut random = [0; 16];
    (server.random)(&mut random);
    let status = posted.status(outcomes, random, requested);
    let now = (server.now)();
    server.store.local(|tx| status::keep(tx, &status, &credential, now))?;
    Answer::accepted(&status)
}

/// Salts from the node's randomness, fetched many at once.
struct SaltSource<'s> {
    server: &'s Server,
    bytes: Vec<u8>,
}

impl<'s> SaltSource<'s> {
    fn new(server: &'s Server) -> SaltSource<'s> {
        SaltSource { server, bytes: Vec::new() }
    }

    fn next(&mut self) -> Salts {
        if self.bytes.len() < SALTS_BYTES {
            self.bytes.resize(SALTS_COUNT * SALTS_BYTES, 0);
            (self.server.random)(&mut self.bytes);
        }
        let at = self.bytes.len() - SALTS_BYTES;
        let salts = Salts::from_bytes(&self.bytes.split_off(at));
        #[expect(clippy::expect_used, reason = "48 bytes were split off, which is what salts are")]
        salts.expect("48 bytes make salts")
    }
}
