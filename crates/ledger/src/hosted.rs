// SPDX-License-Identifier: Apache-2.0
//! Members that are hosted on this node: what they said of their keys, and whether the host still takes what
//! they sign. All of it are records under the subject of the member's root statement.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use model::id::{MemberId, SubjectKey};
use model::jcs;
use model::kind::Kind;
use serde_json::{Value as Json, json};

use crate::append::Refused;
use crate::audience::Heads;
use crate::checkpoint::Origin;
use crate::draft::Draft;
use crate::record::of_subject;
use crate::root::chain::Identity;
use crate::root::said::Said;
use crate::sql::{EngineError, Flow, Read, Value};

/// Kinds of what a member says of itself and its keys; each is signed in its body.
pub(crate) const OF_KEYS: [Kind; 4] =
    [Kind::MEMBER_ROOT, Kind::MEMBER_DELEGATION, Kind::MEMBER_ROTATION, Kind::MEMBER_REVOCATION];
const VERSION: u64 = 1;

/// Whether a node takes what a member signs (`docs/record.md`, hosting).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hosting {
    /// The member.
    pub member: MemberId,
    /// Whether that has ended.
    pub ended: bool,
}

impl Hosting {
    /// The document in RFC 8785 form.
    pub fn print(&self) -> Vec<u8> {
        let document = json!({ "ended": self.ended, "member": self.member.to_string(), "v": VERSION });
        // Serialising a Value to memory cannot fail, and its text is JSON.
        jcs::canonical(document.to_string().as_bytes()).unwrap_or_default()
    }

    /// Reads the document.
    pub fn parse(body: &[u8]) -> Option<Hosting> {
        let document: Json = serde_json::from_slice(body).ok()?;
        let known = document.get("v").and_then(Json::as_u64) == Some(VERSION);
        let member = MemberId::parse(document.get("member")?.as_str()?).ok()?;
        let ended = document.get("ended")?.as_bool()?;
        known.then_some(Hosting { member, ended })
    }
}

/// Subject of what is said of a member.
pub fn subject_id(member: MemberId) -> String {
    format!("x-polder-member--{member}")
}

/// A member that is hosted here.
#[derive(Clone, Debug)]
pub struct Hosted {
    /// Its keys after all that it said of them.
    pub identity: Identity,
    /// The host takes nothing more of it, but recalls.
    pub ended: bool,
    /// Newest record of what was said: the writer sees by it whether all this still holds.
    pub(crate) as_of: i64,
}

/// What a member whose root statement is held in a log of this node said of itself; `None` if there is none.
pub fn said_by(read: &mut dyn Read, member: MemberId) -> Result<Option<Said>, EngineError> {
    let heads = Heads::load(read)?;
    let mut rows = of_subject(read, SubjectKey::of(&subject_id(member)))?;
    rows.sort_unstable_by_key(|row| row.seq);
    let (mut root, mut statements) = (None, Vec::new());
    for row in rows {
        let head = heads.of(row.committed_row)?;
        match row.body {
            Some(body) if head.author == member && head.kind == Kind::MEMBER_ROOT => {
                root.get_or_insert(body);
            }
            Some(body) if head.author == member && OF_KEYS.contains(&head.kind) => statements.push(body),
            _ => {}
        }
    }
    Ok(root.map(|root| Said { root, statements }))
}

/// A member that `host`, whose node this is, hosts or hosted.
pub fn of(read: &mut dyn Read, host: MemberId, member: MemberId) -> Result<Option<Hosted>, EngineError> {
    let Some(said) = said_by(read, member)?.filter(|_| member != host) else { return Ok(None) };
    let identity = said.verify().map_err(|error| {
        EngineError::shape(format!("what hosted member {member} said of its keys: {error}"))
    })?;
    let heads = Heads::load(read)?;
    let standing = standing(read, &heads, host, member)?;
    Ok(standing.map(|Standing { as_of, ended }| Hosted { identity, ended, as_of }))
}

/// Members whose root statements are held here, but `host` itself.
pub fn all(read: &mut dyn Read, host: MemberId) -> Result<Vec<MemberId>, EngineError> {
    let heads = crate::audience::heads(read)?;
    let roots = heads.into_iter().filter(|(_, head)| head.kind == Kind::MEMBER_ROOT && head.author != host);
    let mut members: Vec<MemberId> = roots.map(|(_, head)| head.author).collect();
    members.sort_unstable();
    members.dedup();
    Ok(members)
}

/// How a member stands with its host, without looking at signatures again.
struct Standing {
    as_of: i64,
    ended: bool,
}

fn standing(
    read: &mut dyn Read,
    heads: &Heads,
    host: MemberId,
    member: MemberId,
) -> Result<Option<Standing>, EngineError> {
    let key = SubjectKey::of(&subject_id(member));
    let (mut as_of, mut has_root, mut hosting) = (0, false, None);
    let sql = "SELECT s.seq, s.audience, b.body, s.version FROM subjects s JOIN bodies b ON b.seq = s.seq \
               WHERE s.subject = ?1 ORDER BY s.version, s.seq";
    read.query(sql, &[Value::Blob(&key.0)], &mut |row| {
        let head = heads.of(row.int(1)?)?;
        let counts = head.author == member && OF_KEYS.contains(&head.kind);
        has_root |= counts && head.kind == Kind::MEMBER_ROOT;
        let by_host = head.author == host && head.kind == Kind::HOSTING;
        if by_host {
            hosting = Hosting::parse(row.blob(2)?);
        }
        if counts || by_host {
            as_of = as_of.max(row.int(0)?);
        }
        Ok(Flow::Continue)
    })?;
    let ended = hosting.is_some_and(|hosting| hosting.ended);
    Ok(has_root.then_some(Standing { as_of, ended }))
}

/// How the authors of a batch stand who are not the node's own member.
#[derive(Default)]
pub(crate) struct Standings(BTreeMap<MemberId, Option<Standing>>);

impl Standings {
    /// Reads them, inside the transaction of the batch.
    pub(crate) fn of(
        read: &mut dyn Read,
        heads: &Heads,
        host: MemberId,
        drafts: &[Draft],
    ) -> Result<Standings, EngineError> {
        let mut all = BTreeMap::new();
        for draft in drafts.iter().filter(|draft| draft.author != host) {
            if let Entry::Vacant(new) = all.entry(draft.author) {
                new.insert(standing(read, heads, host, draft.author)?);
            }
        }
        Ok(Standings(all))
    }

    /// Why a draft cannot become its author's record in this log: what a hosted member says is what it
    /// signed, whoever runs the node.
    pub(crate) fn refusal(&self, draft: &Draft, log: &Origin) -> Option<Refused> {
        let standing = self.0.get(&draft.author).and_then(Option::as_ref);
        match (&draft.signature, standing) {
            (None, None) => None,
            (None, Some(_)) if OF_KEYS.contains(&draft.kind) => None,
            (None, Some(_)) => Some(Refused::Unsigned),
            (Some(_), None) => Some(Refused::NotHosted),
            (Some(_), Some(standing)) if standing.ended && draft.kind != Kind::RECALL => {
                Some(Refused::NotHosted)
            }
            (Some(verified), Some(standing)) => {
                let same = verified.log == *log && verified.as_of == standing.as_of;
                (!same).then_some(Refused::KeysChanged)
            }
        }
    }
}
