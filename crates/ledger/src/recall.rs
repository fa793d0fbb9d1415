// SPDX-License-Identifier: Apache-2.0
//! Recall: what an author says of records of his own that went out (`docs/record.md`, recall).
//!
//! *Withdraw*: it must not be held; body, subject and salts are erased and a tombstone is left. *Narrow*:
//! fewer may see it from now on. (*Retract*, it was wrong, is a new version with `revoked`.) An act names
//! entries by their place in a log, never by the id of what they are about: the act outlives it.

use model::head::Audience;
use model::id::{CommunityId, MemberId};
use model::jcs;
use model::marking::Marking;
use model::uuid::Uuid;
use serde_json::{Value as Json, json};

use crate::checkpoint::Origin;
use crate::sql::{EngineError, Flow, Read, Value};

/// Most entries that one recall names.
pub const RECALL_ENTRIES_MAX: usize = 10_000;
/// Longest reason in bytes; it has no control characters.
pub const REASON_BYTES_MAX: usize = 2_000;
/// Largest index that canonical JSON keeps exactly (RFC 7493 section 2.2).
const INDEX_MAX: u64 = (1 << 53) - 1;
/// First part of the subject of a recall.
pub const SUBJECT_TYPE: &str = "x-polder-recall";
const VERSION: u64 = 1;

/// What an author wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Fewer may see it from now on: at least as strict as this, and where an audience is given only its.
    Narrow {
        /// At least this strict.
        marking: Marking,
        /// From now on only for these; it must lie within the present audience.
        audience: Option<Audience>,
    },
    /// A steward takes another's object out of the collection of his community; its author goes on holding
    /// it. The ledger keeps the act; who is steward, and what the collection shows, is the exchange room's.
    Remove {
        /// The community.
        community: CommunityId,
    },
    /// It must not be held.
    Withdraw,
}

/// Place of an entry in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryPlace {
    /// The log.
    pub origin: Origin,
    /// Index in its tree, from 0.
    pub index: u64,
}

/// The document of a recall. It holds for every record of the subjects that its entries are about, by the
/// same author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    /// The act.
    pub act: Act,
    /// What it is about.
    pub entries: Vec<EntryPlace>,
    /// Why, for those who held it.
    pub reason: String,
}

/// A recall cannot be carried out: its author must change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecallError {
    /// Not the form of `docs/record.md`.
    #[error("`{0}` of the recall is missing or has the wrong form")]
    Form(&'static str),
    /// An entry is not in a log that is held here.
    #[error("an entry that it names is not held here")]
    NoSuchEntry,
    /// Another's record, or one that is no object that was shared.
    #[error("an entry that it names is not an object of the recall's author")]
    NotOwn,
    /// The entry is not for the community out of whose collection it is to be taken.
    #[error("an entry that it names is not for that community")]
    NotInCommunity,
    /// The audience is not within the present one.
    #[error("the audience to narrow to is not within the present one")]
    NotWithin,
    /// More entries than one recall may name.
    #[error("a recall names 1 to {RECALL_ENTRIES_MAX} entries")]
    TooManyEntries,
}

impl RecallError {
    /// Stable code of the diagnostic.
    pub fn code(self) -> &'static str {
        match self {
            RecallError::Form(_) => "recall-form",
            RecallError::NoSuchEntry => "recall-no-such-entry",
            RecallError::NotInCommunity => "recall-not-in-community",
            RecallError::NotOwn => "recall-not-own",
            RecallError::NotWithin => "recall-not-within",
            RecallError::TooManyEntries => "recall-too-many-entries",
        }
    }
}

impl Recall {
    /// The document in RFC 8785 form.
    pub fn print(&self) -> Vec<u8> {
        let entries: Vec<Json> = self
            .entries
            .iter()
            .map(|entry| json!({ "index": entry.index, "log": entry.origin.to_string() }))
            .collect();
        let mut document = json!({ "entries": entries, "reason": self.reason, "v": VERSION });
        match &self.act {
            Act::Withdraw => document["act"] = json!("withdraw"),
            Act::Remove { community } => {
                document["act"] = json!("remove");
                document["community"] = json!(community.to_string());
            }
            Act::Narrow { marking, audience } => {
                document["act"] = json!("narrow");
                document["marking"] = json!(marking.to_string());
                if let Some(audience) = audience {
                    document["audience"] = json!(audience.to_string());
                }
            }
        }
        // Serialising a Value to memory cannot fail, and its text is JSON.
        jcs::canonical(document.to_string().as_bytes()).unwrap_or_default()
    }

    /// Reads a recall's document; properties that this program does not know are passed over.
    ///
    /// # Errors
    /// [`RecallError`] for the first thing that is wrong.
    pub fn parse(body: &[u8]) -> Result<Recall, RecallError> {
        let document: Json = serde_json::from_slice(body).map_err(|_| RecallError::Form("document"))?;
        let text =
            |name: &'static str| document.get(name).and_then(Json::as_str).ok_or(RecallError::Form(name));
        if document.get("v").and_then(Json::as_u64) != Some(VERSION) {
            return Err(RecallError::Form("v"));
        }
        let act = match text("act")? {
            "withdraw" => Act::Withdraw,
            "remove" => {
                let uuid = Uuid::try_parse(text("community")?).map(CommunityId).ok();
                // Other spellings of a UUID would be other documents of the same act.
                let uuid = uuid.filter(|id| text("community").is_ok_and(|text| id.to_string() == text));
                Act::Remove { community: uuid.ok_or(RecallError::Form("community"))? }
            }
            "narrow" => Act::Narrow {
                marking: Marking::parse(text("marking")?).ok_or(RecallError::Form("marking"))?,
                audience: match document.get("audience") {
                    None => None,
                    Some(value) => {
                        let audience = value.as_str().and_then(Audience::parse);
                        Some(audience.ok_or(RecallError::Form("audience"))?)
                    }
                },
            },
            _ => return Err(RecallError::Form("act")),
        };
        let reason = text("reason")?.to_owned();
        // It is shown to people, on terminals too.
        if reason.len() > REASON_BYTES_MAX || reason.contains(char::is_control) {
            return Err(RecallError::Form("reason"));
        }
        let listed = document.get("entries").and_then(Json::as_array).ok_or(RecallError::Form("entries"))?;
        if !(1..=RECALL_ENTRIES_MAX).contains(&listed.len()) {
            return Err(RecallError::TooManyEntries);
        }
        let place = |value: &Json| {
            let origin = value.get("log")?.as_str()?.parse().ok()?;
            // RFC 8785 prints a larger number as the nearest that a double holds: another entry.
            let index = value.get("index")?.as_u64().filter(|index| *index <= INDEX_MAX)?;
            Some(EntryPlace { origin, index })
        };
        let entries = listed.iter().map(place).collect::<Option<Vec<_>>>();
        Ok(Recall { act, entries: entries.ok_or(RecallError::Form("entries"))?, reason })
    }
}

/// `seq` of the record at a place; `None` if it is not held here.
///
/// Within one log `seq` and index rise together, so halving finds it and no index on places is needed.
pub fn seq_of(read: &mut dyn Read, place: &EntryPlace) -> Result<Option<i64>, EngineError> {
    let mut log = None;
    let origin = place.origin.to_string();
    read.query("SELECT id, size FROM logs WHERE origin = ?1", &[Value::Text(&origin)], &mut |row| {
        log = Some((row.int(0)?, row.int(1)?));
        Ok(Flow::Stop)
    })?;
    let Ok(wanted) = i64::try_from(place.index) else { return Ok(None) };
    let Some((log, _)) = log.filter(|(_, size)| wanted < *size) else { return Ok(None) };
    let mut newest = 0;
    read.query("SELECT seq FROM records ORDER BY seq DESC LIMIT 1", &[], &mut |row| {
        newest = row.int(0)?;
        Ok(Flow::Stop)
    })?;
    let (mut low, mut high) = (1, newest);
    while low <= high {
        let middle = low + (high - low) / 2;
        let mut found = None;
        read.query(
            "SELECT seq, idx FROM records WHERE seq >= ?1 AND log = ?2 ORDER BY seq LIMIT 1",
            &[Value::Int(middle), Value::Int(log)],
            &mut |row| {
                found = Some((row.int(0)?, row.int(1)?));
                Ok(Flow::Stop)
            },
        )?;
        match found {
            Some((seq, index)) if index == wanted => return Ok(Some(seq)),
            Some((seq, index)) if index < wanted => low = seq + 1,
            _ => high = middle - 1,
        }
    }
    Ok(None)
}

/// Places of a subject's records by one author that are not erased: what a recall of it names.
pub fn places(
    read: &mut dyn Read,
    author: MemberId,
    key: model::id::SubjectKey,
) -> Result<Vec<(EntryPlace, i64)>, EngineError> {
    let mut found = Vec::new();
    read.query(
        "SELECT l.origin, r.idx, r.audience, a.author FROM subjects s JOIN records r ON r.seq = s.seq \
         JOIN logs l ON l.id = r.log JOIN audiences a ON a.id = r.audience WHERE s.subject = ?1 ORDER BY r.seq",
        &[Value::Blob(&key.0)],
        &mut |row| {
            if row.blob(3)? == author.0 {
                let origin = row.text(0)?.parse().map_err(|_| EngineError::shape("logs.origin"))?;
                let index = u64::try_from(row.int(1)?).map_err(|_| EngineError::shape("records.idx"))?;
                found.push((EntryPlace { origin, index }, row.int(2)?));
            }
            Ok(Flow::Continue)
        },
    )?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use model::marking::Tlp;

    use super::*;

    fn sample(act: Act) -> Recall {
        let origin = Origin { member: [7; 32], log: 1 };
        let entries = vec![EntryPlace { origin, index: 3 }, EntryPlace { origin, index: 12 }];
        Recall { act, entries, reason: "a customer's address".into() }
    }

    #[test]
    fn what_is_printed_can_be_read() {
        let narrow = |audience| Act::Narrow { marking: Marking::tlp(Tlp::Amber), audience };
        let community = CommunityId(Uuid::from_u128(7));
        for act in [
            Act::Withdraw,
            Act::Remove { community },
            narrow(None),
            narrow(Some(Audience::Organisation(MemberId([7; 32])))),
        ] {
            let recall = sample(act);
            assert_eq!(Recall::parse(&recall.print()), Ok(recall));
        }
    }

    #[test]
    fn bad_documents_are_refused() {
        let good = String::from_utf8(sample(Act::Withdraw).print()).unwrap();
        for (from, to, error) in [
            ("{", "[", RecallError::Form("document")),
            ("\"v\":1", "\"v\":2", RecallError::Form("v")),
            ("withdraw", "forget", RecallError::Form("act")),
            ("withdraw", "narrow", RecallError::Form("marking")),
            ("\"index\":3", "\"index\":-3", RecallError::Form("entries")),
            // The largest index that RFC 8785 prints as itself, and one more.
            ("\"index\":3", "\"index\":9007199254740992", RecallError::Form("entries")),
            ("/1\"", "/01\"", RecallError::Form("entries")),
            ("a customer", "a\\u001b[2J customer", RecallError::Form("reason")),
            ("\"reason\"", "\"reasons\"", RecallError::Form("reason")),
        ] {
            assert_eq!(Recall::parse(good.replacen(from, to, 1).as_bytes()), Err(error), "{from}");
        }
        let none = Recall { entries: Vec::new(), ..sample(Act::Withdraw) };
        assert_eq!(Recall::parse(&none.print()), Err(RecallError::TooManyEntries));
        let one = sample(Act::Withdraw).entries[0];
        for (count, fits) in [(RECALL_ENTRIES_MAX, true), (RECALL_ENTRIES_MAX + 1, false)] {
            let many = Recall { entries: vec![one; count], ..sample(Act::Withdraw) };
            assert_eq!(Recall::parse(&many.print()).is_ok(), fits);
        }
    }
}
