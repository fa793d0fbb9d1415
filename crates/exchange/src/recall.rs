// SPDX-License-Identifier: Apache-2.0
//! Recalls: what an author does to all his records of one object, whoever had them.

use ledger::audience::Heads;
use ledger::draft::{Draft, Subject};
use ledger::entry::Salts;
use ledger::recall::{Act, EntryPlace, RECALL_ENTRIES_MAX, Recall, SUBJECT_TYPE, places};
use ledger::sql::{EngineError, Read};
use model::head::{Audience, Head};
use model::id::{MemberId, SubjectKey};
use model::kind::Kind;
use model::marking::Marking;
use model::time::Timestamp;
use uuid::Builder;

use crate::view::collections_of;

/// Records of one object by one author that are not erased: their places, and what holds for them.
#[derive(Clone, Debug)]
pub struct OwnRecords {
    author: MemberId,
    records: Vec<(EntryPlace, Head)>,
}

impl OwnRecords {
    /// Finds them.
    pub fn of(read: &mut dyn Read, author: MemberId, id: &str) -> Result<OwnRecords, EngineError> {
        let heads = Heads::load(read)?;
        let mut records = Vec::new();
        for (place, row) in places(read, author, SubjectKey::of(id))? {
            let head = heads.of(row)?;
            if head.kind.is_stix() {
                records.push((place, head.clone()));
            }
        }
        Ok(OwnRecords { author, records })
    }

    /// Those that somebody names, who has no node to look them up.
    pub fn named(author: MemberId, records: Vec<(EntryPlace, Head)>) -> OwnRecords {
        OwnRecords { author, records }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.records.len()
    }

    /// Whether one of them stands in the collection of an audience.
    pub fn stand_in(&self, audience: &Audience) -> bool {
        self.records.iter().any(|(_, head)| collections_of(&head.audience).contains(audience))
    }

    /// One record of the act for each audience that had the object, so that all of them hear of it.
    /// `fill` gives random bytes.
    pub fn recall(
        &self,
        act: &Act,
        reason: &str,
        now: Timestamp,
        fill: &mut dyn FnMut(&mut [u8]),
    ) -> Vec<Draft> {
        let mut audiences: Vec<&Audience> = self.records.iter().map(|(_, head)| &head.audience).collect();
        audiences.sort_unstable();
        audiences.dedup();
        let mut drafts = Vec::new();
        for audience in audiences {
            let had = self.records.iter().filter(|(_, head)| head.audience == *audience);
            let marking = had.clone().map(|(_, head)| head.marking).reduce(Marking::as_strict_as);
            let entries: Vec<EntryPlace> = had.map(|(place, _)| *place).collect();
            for some in entries.chunks(RECALL_ENTRIES_MAX) {
                let document = Recall { act: act.clone(), entries: some.to_vec(), reason: reason.to_owned() };
                let [id, subject, body, salted_audience] = [(); 4].map(|()| {
                    let mut bytes = [0; 16];
                    fill(&mut bytes);
                    bytes
                });
                let salts = Salts { subject, body, audience: salted_audience };
                let id = format!("{SUBJECT_TYPE}--{}", Builder::from_random_bytes(id).into_uuid());
                let marking = marking.unwrap_or(Marking::NONE);
                let (kind, subject, body) = (Kind::RECALL, Subject::document(id, now), document.print());
                drafts.push(Draft::new(kind, subject, body, self.author, audience.clone(), marking, salts));
            }
        }
        drafts
    }
}
