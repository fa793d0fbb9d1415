// SPDX-License-Identifier: Apache-2.0
//! Recalls: what an author does to all his records of one object, whoever had them; and what a steward takes
//! out of his community's collection.

use ledger::audience::Heads;
use ledger::draft::{Draft, Subject};
use ledger::entry::Salts;
use ledger::recall::{Act, EntryPlace, RECALL_ENTRIES_MAX, Recall, SUBJECT_TYPE, places};
use ledger::sql::{EngineError, Flow, Read, Value};
use model::head::{Audience, Head};
use model::id::{CommunityId, MemberId, SubjectKey};
use model::kind::Kind;
use model::marking::Marking;
use model::time::Timestamp;
use uuid::Builder;

use crate::query::Permitted;
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
            let had: Vec<_> = self.records.iter().filter(|(_, head)| head.audience == *audience).collect();
            drafts.extend(announced(self.author, audience, &had, act, reason, now, fill));
        }
        drafts
    }
}

/// Records of an object that stand in the collection of a community, whoever their authors are.
#[derive(Clone, Debug)]
pub struct Standing {
    community: CommunityId,
    records: Vec<(EntryPlace, Head)>,
}

impl Standing {
    /// Finds those that the gate releases to a steward.
    pub fn of(
        read: &mut dyn Read,
        permitted: &Permitted,
        community: CommunityId,
        id: &str,
    ) -> Result<Standing, EngineError> {
        let heads = Heads::load(read)?;
        let audience = Audience::Community(community);
        let mut records = Vec::new();
        let sql = "SELECT l.origin, r.idx, r.audience FROM subjects s JOIN records r ON r.seq = s.seq \
                   JOIN logs l ON l.id = r.log WHERE s.subject = ?1 ORDER BY r.seq";
        read.query(sql, &[Value::Blob(&SubjectKey::of(id).0)], &mut |row| {
            if permitted.of(&audience).contains_key(&row.int(2)?) {
                let origin = row.text(0)?.parse().map_err(|_| EngineError::shape("logs.origin"))?;
                let index = u64::try_from(row.int(1)?).map_err(|_| EngineError::shape("records.idx"))?;
                records.push((EntryPlace { origin, index }, heads.of(row.int(2)?)?.clone()));
            }
            Ok(Flow::Continue)
        })?;
        Ok(Standing { community, records })
    }

    /// The records by which `steward` takes them out of the collection.
    pub fn removal(
        &self,
        steward: MemberId,
        reason: &str,
        now: Timestamp,
        fill: &mut dyn FnMut(&mut [u8]),
    ) -> Vec<Draft> {
        let (community, records) = (self.community, self.records.iter().collect::<Vec<_>>());
        let audience = Audience::Community(community);
        announced(steward, &audience, &records, &Act::Remove { community }, reason, now, fill)
    }
}

/// Records of an act for one audience that had what it is about, marked as strictly as that.
fn announced(
    author: MemberId,
    audience: &Audience,
    had: &[&(EntryPlace, Head)],
    act: &Act,
    reason: &str,
    now: Timestamp,
    fill: &mut dyn FnMut(&mut [u8]),
) -> Vec<Draft> {
    let marking = had.iter().map(|(_, head)| head.marking).reduce(Marking::as_strict_as);
    let marking = marking.unwrap_or(Marking::NONE);
    let one = |some: &[&(EntryPlace, Head)]| {
        let entries = some.iter().map(|(place, _)| *place).collect();
        let document = Recall { act: act.clone(), entries, reason: reason.to_owned() };
        let [id, subject, body, salted_audience] = [(); 4].map(|()| {
            let mut bytes = [0; 16];
            fill(&mut bytes);
            bytes
        });
        let salts = Salts { subject, body, audience: salted_audience };
        let id = format!("{SUBJECT_TYPE}--{}", Builder::from_random_bytes(id).into_uuid());
        let (kind, subject, body) = (Kind::RECALL, Subject::document(id, now), document.print());
        Draft::new(kind, subject, body, author, audience.clone(), marking, salts)
    };
    had.chunks(RECALL_ENTRIES_MAX).map(one).collect()
}
