// SPDX-License-Identifier: Apache-2.0
//! Only the creator of an object makes versions of it (STIX 2.1 section 3.6).
//!
//! The rule, for whoever sends through a door (`docs/taxii.md`): what another member has shared with the
//! sender under the same id, or what names another member's identity as its creator, is taken only if it is
//! word for word what the sender was given, and then goes no further than that. Nothing that the sender may
//! not read counts: a refusal must not tell him that it is there (law 1). Observables belong to nobody.

use std::collections::{BTreeMap, BTreeSet};

use ledger::audience::heads;
use ledger::sql::{EngineError, Flow, Read, Value};
use model::id::{CommunityId, MemberId};
use model::jcs::same_content;
use model::marking::Marking;
use model::stix::Object;
use policy::{Exit, Reader, release};

use crate::standard::identity::{identity_id, may_be_derived};

/// How an object that comes in stands to what others have shared with its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is what another has shared, word for word; under this marking, or a looser one, it was given.
    Copy(Marking),
    /// Nobody else has to do with it.
    Free,
    /// Another is its creator.
    Others,
}

/// What others have shared with one sender.
#[derive(Debug)]
pub struct Creators {
    /// Rows of `audiences` of the sender's own records.
    mine: BTreeSet<i64>,
    readable: BTreeMap<i64, Marking>,
    communities: BTreeSet<CommunityId>,
    sender: MemberId,
    own: MemberId,
    identities: Option<BTreeSet<String>>,
}

impl Creators {
    /// For `reader` as the sender, on the node of `own`.
    pub fn of(read: &mut dyn Read, reader: &Reader, own: MemberId) -> Result<Creators, EngineError> {
        let (mine, all): (Vec<_>, Vec<_>) =
            heads(read)?.into_iter().partition(|(_, head)| head.author == reader.member);
        let theirs = all
            .into_iter()
            .filter(|(_, head)| head.kind.is_stix() && release(head, reader, Exit::Taxii).is_ok());
        Ok(Creators {
            mine: mine.into_iter().map(|(row, _)| row).collect(),
            readable: theirs.map(|(row, head)| (row, head.marking)).collect(),
            communities: reader.communities.clone(),
            sender: reader.member,
            own,
            identities: None,
        })
    }

    /// Whether the sender made or may read what has this row of `audiences`.
    pub fn know(&self, row: i64) -> bool {
        self.mine.contains(&row) || self.readable.contains_key(&row)
    }

    /// How an object stands.
    pub fn claim(&mut self, read: &mut dyn Read, object: &Object, body: &[u8]) -> Result<Claim, EngineError> {
        if object.key.is_observable() {
            return Ok(Claim::Free);
        }
        let named = match &object.created_by_ref {
            Some(identity) if may_be_derived(identity) => self.identities(read)?.contains(identity),
            _ => false,
        };
        if self.readable.is_empty() {
            return Ok(if named { Claim::Others } else { Claim::Free });
        }
        let (mut others, mut same) = (named, Vec::new());
        let (mut first_of_mine, mut first_of_theirs) = (i64::MAX, i64::MAX);
        let sql = "SELECT version, seq, audience FROM subjects WHERE subject = ?1";
        read.query(sql, &[Value::Blob(&object.key.0)], &mut |row| {
            if self.mine.contains(&row.int(2)?) {
                first_of_mine = first_of_mine.min(row.int(1)?);
            }
            let Some(marking) = self.readable.get(&row.int(2)?) else { return Ok(Flow::Continue) };
            first_of_theirs = first_of_theirs.min(row.int(1)?);
            others = true;
            if row.int(0)? == object.version.micros() {
                same.push((row.int(1)?, *marking));
            }
            Ok(Flow::Continue)
        })?;
        // Others who hold it came after him: they passed on what he had made.
        if first_of_mine < first_of_theirs && !named {
            return Ok(Claim::Free);
        }
        let mut given: Option<Marking> = None;
        for (seq, marking) in same {
            if holds(read, seq, body)? {
                // He may pass it on as freely as he was given it by whom was freest.
                given = given.into_iter().chain([marking]).min_by_key(|m| (m.unknown, m.label(), m.pap));
            }
        }
        Ok(match given {
            Some(marking) => Claim::Copy(marking),
            None if others => Claim::Others,
            None => Claim::Free,
        })
    }

    /// Identities of the members whom the sender knows: of this node, and of his communities.
    fn identities(&mut self, read: &mut dyn Read) -> Result<&BTreeSet<String>, EngineError> {
        if self.identities.is_none() {
            let mut members = BTreeSet::from([self.own]);
            for community in &self.communities {
                let uuid = community.to_string();
                let sql = "SELECT member FROM community_members WHERE uuid = ?1";
                read.query(sql, &[Value::Text(&uuid)], &mut |row| {
                    members.extend(row.blob(0)?.try_into().map(MemberId));
                    Ok(Flow::Continue)
                })?;
            }
            members.remove(&self.sender);
            self.identities = Some(members.into_iter().map(identity_id).collect());
        }
        Ok(self.identities.get_or_insert_default())
    }
}

fn holds(read: &mut dyn Read, seq: i64, body: &[u8]) -> Result<bool, EngineError> {
    let mut same = false;
    read.query("SELECT body FROM bodies WHERE seq = ?1", &[Value::Int(seq)], &mut |row| {
        same = same_content(row.blob(0)?, body);
        Ok(Flow::Stop)
    })?;
    Ok(same)
}
