// SPDX-License-Identifier: Apache-2.0
//! DELETE of an object (TAXII 2.1 section 5.7): its author withdraws it; a steward of the community takes
//! another's out of its collection.

use std::sync::Arc;

use exchange::filter::Wish;
use exchange::query::{self, Question};
use exchange::recall::{OwnRecords, Standing};
use exchange::standing::role;
use ledger::append::{Outcome, Refused};
use ledger::recall::Act;
use model::head::Audience;
use store::Scrub;

use crate::refusal::Refusal;
use crate::target::{Endpoint, query_pairs};
use crate::taxii::{Answer, Asked, Caller, Note, Shared};

/// Why, as the record of the withdrawal says.
const WITHDRAWN: &str = "deleted through TAXII";
/// Why, as the record of the removal says.
const REMOVED: &str = "taken out of the collection by a steward through TAXII";

/// Answers a request that takes an object back.
pub(crate) async fn run(shared: &Arc<Shared>, asked: Asked) -> (Result<Answer, Refusal>, Note) {
    let text = match asked.token(shared) {
        Ok(text) => text,
        Err(refusal) => return (Err(refusal), Note::default()),
    };
    let places = (Arc::clone(&shared.posts).try_acquire_owned(), Arc::clone(&shared.writing).acquire_owned());
    let (Ok(place), Ok(turn)) = (places.0, places.1.await) else {
        return (Err(Refusal::Busy), Note::default());
    };
    let work = Arc::clone(shared);
    let task = tokio::task::spawn_blocking(move || {
        let _places = (place, turn);
        let mut note = Note::default();
        (withdraw(&work, &asked, &text, &mut note), note)
    });
    task.await.unwrap_or_else(|_| (Err(Refusal::Internal), Note::default()))
}

fn withdraw(shared: &Shared, asked: &Asked, text: &str, note: &mut Note) -> Result<Answer, Refusal> {
    let server = &shared.server;
    let drafts = server.store.read::<_, Refusal>(|read| {
        let credential = Caller::identify(shared, read, asked, text, note)?;
        let Some(Endpoint::Object(collection, id)) = &asked.endpoint else { return Err(Refusal::NotFound) };
        let caller = Caller::of(shared, read, credential)?;
        let collection = caller.writable(read, collection)?;
        if !collection.can_read {
            return Err(Refusal::MayNotRead);
        }
        whole(&asked.query)?;
        let (permitted, credential) = (&caller.permitted, caller.credential.id.as_str());
        let cursor_key = &server.cursor_key;
        let question = Question { permitted, collection: &collection, credential, cursor_key };
        // What he may not see is not there, whoever's it is.
        query::versions(read, &question, id, &Wish::default())?;
        let member = permitted.reader().member;
        let (now, fill) = ((server.now)(), &mut |bytes: &mut [u8]| (server.random)(bytes));
        let own = OwnRecords::of(read, member, id)?;
        if own.stand_in(&collection.audience) {
            return Ok(own.recall(&Act::Withdraw, WITHDRAWN, now, fill));
        }
        let Audience::Community(community) = collection.audience else { return Err(Refusal::NotAuthor) };
        if !role(read, community, member)?.is_some_and(|role| role.may_remove()) {
            return Err(Refusal::NotAuthor);
        }
        Ok(Standing::of(read, permitted, community, id)?.removal(member, REMOVED, now, fill))
    })?;
    let outcomes = server.writer.try_submit(drafts)?.wait()?;
    if outcomes.contains(&Outcome::Refused(Refused::Unsigned)) {
        return Err(Refusal::SignsItself);
    }
    if !outcomes.iter().all(|outcome| matches!(outcome, Outcome::Added { .. })) {
        return Err(Refusal::Internal);
    }
    if let Scrub::Remains(places) = server.store.scrub()? {
        tracing::warn!(?places, "what was withdrawn can still be read there");
    }
    Ok(Answer::empty())
}

/// A withdrawal is of the object, with all its versions: of a part of them it says nothing.
fn whole(query: &str) -> Result<(), Refusal> {
    let pairs = query_pairs(query).map_err(|_| Refusal::BadQuery)?;
    let part = pairs
        .iter()
        .any(|(name, value)| (name == "match[version]" && value != "all") || name == "match[spec_version]");
    if part { Err(Refusal::VersionsTogether) } else { Ok(()) }
}
