// SPDX-License-Identifier: Apache-2.0
//! Only the creator of an object makes versions of it (STIX 2.1 section 3.6).
//!
//! The rule, for whoever sends through a door (`docs/taxii.md`): what another member has shared with the
//! sender under the same id, or what names another member's identity as its creator, is taken only if it is
//! word for word what the sender was given, and then goes no further than that: neither under a looser
//! marking, nor to others than its label lets him pass it on to. Nothing that the sender may not read counts: a
//! refusal must not tell him that it is there (law 1). Observables belong to nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ledger::audience::heads;
use ledger::record;
use ledger::sql::{EngineError, Flow, Read, Value};
use model::head::{Audience, Head};
use model::id::{MemberId, SubjectKey};
use model::marking::{Marking, Tlp};
use model::stix::Object;
use policy::{Exit, Grounds, Reader, release};

use crate::standard::identity::{identity_id, may_be_derived};

/// How an object that comes in stands to what others have shared with its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is what another has shared, word for word, and may be passed on to this audience: under this
    /// marking, or a looser one, it was given.
    Copy(Marking),
    /// It is what another has shared, word for word, and was not given so that this audience may have it.
    Further,
    /// Nobody else has to do with it.
    Free,
    /// Another is its creator.
    Others,
}

/// For whom and under what others' records were given to the sender.
#[derive(Debug)]
struct Given {
    audience: Audience,
    marking: Marking,
}

impl Given {
    fn new(head: Head, grounds: Grounds) -> Given {
        // AMBER goes from a recipient to his clients, and from those to nobody (TLP 2.0).
        let marking = match grounds {
            Grounds::Client if head.marking.label() == Tlp::Amber => {
                head.marking.strictest(Marking::tlp(Tlp::AmberStrict))
            }
            _ => head.marking,
        };
        Given { audience: head.audience, marking }
    }

    /// Whether whoever was given it may pass it on to `audience` (TLP 2.0). CLEAR goes to anyone; GREEN to the
    /// communities of the recipient; what is stricter to his own organisation, and to those alone who were
    /// given it too. RED is for the persons who are named.
    fn may_go_to(&self, audience: &Audience, sender: &Reader) -> bool {
        let label = self.marking.label();
        let own = *audience == Audience::Organisation(sender.member);
        match audience {
            _ if label == Tlp::Clear || lies_within(audience, &self.audience) => true,
            Audience::Community(id) if label == Tlp::Green => sender.communities.contains(id),
            _ => own && label != Tlp::Red,
        }
    }
}

/// Whether all of `inner` are named by `outer`.
fn lies_within(inner: &Audience, outer: &Audience) -> bool {
    match (inner, outer) {
        (Audience::Organisation(member), Audience::Members(members)) => members.contains(member),
        (Audience::Members(some), Audience::Members(all)) => some.is_subset(all),
        (Audience::Persons(some), Audience::Persons(all)) => some.is_subset(all),
        _ => inner == outer,
    }
}

/// Where an object first stands among the sender's records, and among those that others gave him.
#[derive(Clone, Copy, Debug)]
struct First {
    mine: i64,
    theirs: i64,
}

/// What others have shared with one sender.
#[derive(Debug)]
pub struct Creators {
    /// Rows of `audiences` of the sender's own records.
    mine: BTreeSet<i64>,
    /// What of others' records is released to him, and how.
    readable: BTreeMap<i64, Given>,
    /// First records of objects: looked up once, an object may have any number of versions.
    first: HashMap<SubjectKey, First>,
    sender: Reader,
    own: MemberId,
    identities: Option<BTreeSet<String>>,
}

impl Creators {
    /// For `reader` as the sender, on the node of `own`.
    pub fn of(read: &mut dyn Read, reader: &Reader, own: MemberId) -> Result<Creators, EngineError> {
        let (mine, all): (Vec<_>, Vec<_>) =
            heads(read)?.into_iter().partition(|(_, head)| head.author == reader.member);
        let theirs = all.into_iter().filter(|(_, head)| head.kind.is_stix()).filter_map(|(row, head)| {
            let grounds = release(&head, reader, Exit::Taxii).ok()?;
            Some((row, Given::new(head, grounds)))
        });
        Ok(Creators {
            mine: mine.into_iter().map(|(row, _)| row).collect(),
            readable: theirs.collect(),
            first: HashMap::new(),
            sender: reader.clone(),
            own,
            identities: None,
        })
    }

    /// Whether the sender made or may read what has this row of `audiences`.
    pub fn know(&self, row: i64) -> bool {
        self.mine.contains(&row) || self.readable.contains_key(&row)
    }

    /// How an object stands that is sent for `audience`.
    pub fn claim(
        &mut self,
        read: &mut dyn Read,
        object: &Object,
        body: &[u8],
        audience: &Audience,
    ) -> Result<Claim, EngineError> {
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
        let first = self.first(read, object.key)?;
        // Others who hold it came after him: they passed on what he had made.
        if first.mine < first.theirs && !named {
            return Ok(Claim::Free);
        }
        let mut same = Vec::new();
        let sql = "SELECT seq, audience FROM subjects WHERE subject = ?1 AND version = ?2";
        let args = [Value::Blob(&object.key.0), Value::Int(object.version.micros())];
        read.query(sql, &args, &mut |row| {
            if self.readable.contains_key(&row.int(1)?) {
                same.push((row.int(0)?, row.int(1)?));
            }
            Ok(Flow::Continue)
        })?;
        let (mut copied, mut given): (bool, Option<Marking>) = (false, None);
        for (seq, row) in same {
            let Some(one) = self.readable.get(&row) else { continue };
            if record::holds(read, seq, body)? {
                copied = true;
                if one.may_go_to(audience, &self.sender) {
                    // He may pass it on as freely as he was given it by whom was freest.
                    let both = given.into_iter().chain([one.marking]);
                    given = both.min_by_key(|m| (m.unknown, m.label(), m.pap));
                }
            }
        }
        Ok(match given {
            Some(marking) => Claim::Copy(marking),
            None if copied => Claim::Further,
            None if named || first.theirs < i64::MAX => Claim::Others,
            None => Claim::Free,
        })
    }

    /// Of every version of the object.
    fn first(&mut self, read: &mut dyn Read, subject: SubjectKey) -> Result<First, EngineError> {
        if let Some(first) = self.first.get(&subject) {
            return Ok(*first);
        }
        let mut first = First { mine: i64::MAX, theirs: i64::MAX };
        let sql = "SELECT seq, audience FROM subjects WHERE subject = ?1";
        read.query(sql, &[Value::Blob(&subject.0)], &mut |row| {
            let (seq, audience) = (row.int(0)?, row.int(1)?);
            if self.mine.contains(&audience) {
                first.mine = first.mine.min(seq);
            }
            if self.readable.contains_key(&audience) {
                first.theirs = first.theirs.min(seq);
            }
            Ok(Flow::Continue)
        })?;
        self.first.insert(subject, first);
        Ok(first)
    }

    /// Identities of the members whom the sender knows: of this node, and of his communities.
    fn identities(&mut self, read: &mut dyn Read) -> Result<&BTreeSet<String>, EngineError> {
        if self.identities.is_none() {
            let mut members = BTreeSet::from([self.own]);
            for community in &self.sender.communities {
                let uuid = community.to_string();
                let sql = "SELECT member FROM community_members WHERE uuid = ?1";
                read.query(sql, &[Value::Text(&uuid)], &mut |row| {
                    members.extend(row.blob(0)?.try_into().map(MemberId));
                    Ok(Flow::Continue)
                })?;
            }
            members.remove(&self.sender.member);
            self.identities = Some(members.into_iter().map(identity_id).collect());
        }
        Ok(self.identities.get_or_insert_default())
    }
}
