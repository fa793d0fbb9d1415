// SPDX-License-Identifier: Apache-2.0
//! What a reader may read: collections, then pages of objects, manifest entries and versions.
//!
//! Everything here runs behind the gate: [`Permitted`] asks it once for each distinct audience, and no
//! count, header, `more` or cursor is made of anything else.

mod acceptance;
mod choose;
mod gate;
mod merge;
mod page;
mod walk;

use ledger::sql::{EngineError, Flow, Read, Value};
use model::head::Audience;
use model::id::{CommunityId, MemberId};
use model::time::Timestamp;
use policy::{Role, may_open};
use uuid::Uuid;

pub use acceptance::{Accepted, acceptances};
pub use gate::{Gate, Permitted, Way};
pub use page::{
    Entry, ManifestPage, ObjectsPage, Question, VersionsPage, manifest, object, objects, versions,
};

use crate::cursor::CursorError;
use crate::limits::AUDIENCES_PER_READER_MAX;
use crate::standing::{Standing, role};
use crate::view::collection_uuid;

/// Rows that are fetched side by side.
const FETCH_ROWS: usize = 256;
/// A fetch reads the rows between the wanted ones too if there are at most so many for each.
const FETCH_SPREAD_MAX: i64 = 4;

/// A question could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The sender's cursor is not for this question (400).
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// This machine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Absent or hidden; nobody is told which (404).
    #[error("there is no such thing, or this credential may not see it")]
    NotFound,
    /// The organisation has to accept the community's present terms first (403).
    #[error(
        "your organisation has not accepted the present terms of this community; ask its steward for them, who enters \
         that you accept with `polder community accept COMMUNITY --for MEMBER --evidence WHERE`"
    )]
    TermsNotAccepted,
    /// The operator must give the reader several credentials, or the authors fewer audiences (403).
    #[error(
        "this credential may read records of more than {AUDIENCES_PER_READER_MAX} different audiences, the most that \
         one reader is served; ask the operator for a credential with a lower label or fewer communities"
    )]
    TooManyAudiences,
}

/// Cuts a list of row numbers into ascending stretches that lie closely enough to be read as one range.
fn spans(rows: &[i64]) -> impl Iterator<Item = &[i64]> {
    rows.chunk_by(|a, b| *a < *b && *b - *a <= FETCH_SPREAD_MAX)
        .flat_map(|stretch| stretch.chunks(FETCH_ROWS))
}

/// A collection as one reader sees it (TAXII 2.1 section 5.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Its id, a UUIDv4.
    pub uuid: Uuid,
    /// Its title; a community's name is for its members only.
    pub title: String,
    /// What stands in it.
    pub description: &'static str,
    /// Whose collection it is.
    pub audience: Audience,
    /// Since when there is one: the time of a community's first document, which its members know. Of an
    /// organisation's collection nothing tells it but the records in it, seen or not: the epoch.
    pub created: Timestamp,
    /// Whether this credential may read it. A collection that it may neither read nor write is not shown.
    pub can_read: bool,
    /// Whether this credential may write to it: it has the right, and the collection is its organisation's
    /// own or that of a community in which its organisation is.
    pub can_write: bool,
    /// As what the reader stands before it.
    pub standing: Standing,
    /// Its row; `None` for an organisation's own as long as nothing was ever put in.
    row: Option<i64>,
}

/// The collections that the reader may open: the own organisation's first, then in the order of their
/// making.
pub fn collections(read: &mut dyn Read, permitted: &Permitted) -> Result<Vec<Collection>, EngineError> {
    let reader = permitted.reader();
    let own = Audience::Organisation(reader.member);
    // Only what can be open at all is looked at: the cost tells nothing of the other collections.
    let communities = reader.communities.union(&reader.client_communities);
    let mut audiences: Vec<Audience> = communities.copied().map(Audience::Community).collect();
    audiences.extend(permitted.audiences().cloned());
    audiences.sort_unstable();
    audiences.dedup();
    let mut open = Vec::new();
    for audience in audiences.into_iter().filter(|audience| *audience != own) {
        let Some((row, created)) = stored(read, &audience)? else { continue };
        if let Some(collection) = open_collection(read, permitted, audience, Some((row, created)))? {
            open.push(collection);
        }
    }
    open.sort_by_key(|collection| (collection.created, collection.uuid));
    let row = stored(read, &own)?;
    open.splice(0..0, open_collection(read, permitted, own, row)?);
    Ok(open)
}

/// One collection by its id.
pub fn collection(read: &mut dyn Read, permitted: &Permitted, uuid: &str) -> Result<Collection, QueryError> {
    let own = Audience::Organisation(permitted.reader().member);
    // Only the usual form: other ways to write a UUID are other ids.
    let uuid = Uuid::try_parse(uuid).ok().filter(|_| uuid.len() == 36).ok_or(QueryError::NotFound)?;
    let audience = if uuid == collection_uuid(&own) { own } else { Audience::Community(CommunityId(uuid)) };
    let row = stored(read, &audience)?;
    if let Audience::Community(id) = &audience {
        if permitted.reader().unaccepted.contains(id) {
            return Err(QueryError::TermsNotAccepted);
        }
        if row.is_none() {
            return Err(QueryError::NotFound);
        }
    }
    open_collection(read, permitted, audience, row)?.ok_or(QueryError::NotFound)
}

fn stored(read: &mut dyn Read, audience: &Audience) -> Result<Option<(i64, Timestamp)>, EngineError> {
    let mut found = None;
    let sql = "SELECT id, created FROM collections WHERE audience = ?1";
    read.query(sql, &[Value::Text(&audience.to_string())], &mut |row| {
        found = Some((row.int(0)?, Timestamp::from_micros(row.int(1)?)));
        Ok(Flow::Stop)
    })?;
    Ok(found)
}

fn open_collection(
    read: &mut dyn Read,
    permitted: &Permitted,
    audience: Audience,
    stored: Option<(i64, Timestamp)>,
) -> Result<Option<Collection>, EngineError> {
    let reader = permitted.reader();
    let standing = Standing::of(reader, &audience);
    let released = match stored {
        // Whoever opens it anyway needs no probe.
        Some((row, _)) if standing == Standing::Stranger => holds_released(read, row, permitted, &audience)?,
        _ => false,
    };
    if !may_open(&audience, reader, released) {
        return Ok(None);
    }
    let can_read = permitted.rights.read;
    let can_write = permitted.rights.write
        && standing == Standing::Member
        && match &audience {
            Audience::Community(id) => {
                role(read, *id, reader.member)?.is_some_and(|role| role.may_contribute())
            }
            _ => true,
        };
    if !can_read && !can_write {
        return Ok(None);
    }
    let (title, description) = match &audience {
        Audience::Organisation(_) | Audience::Members(_) | Audience::Persons(_) => {
            ("Own records".to_owned(), "Records for the own organisation")
        }
        Audience::Community(id) if standing == Standing::Member => {
            (name_of(read, *id)?, "Records for the members of this community")
        }
        Audience::Community(_) => {
            ("Released records".to_owned(), "Records that their authors released to others")
        }
    };
    Ok(Some(Collection {
        uuid: collection_uuid(&audience),
        title,
        description,
        audience,
        created: stored.map_or(Timestamp::EPOCH, |(_, created)| created),
        can_read,
        can_write,
        standing,
        row: stored.map(|(row, _)| row),
    }))
}

/// Whether a placement stands in the collection that the gate releases to this reader.
fn holds_released(
    read: &mut dyn Read,
    collection: i64,
    permitted: &Permitted,
    audience: &Audience,
) -> Result<bool, EngineError> {
    for row in permitted.of(audience).keys() {
        let mut found = false;
        let sql = "SELECT 1 FROM placements WHERE collection = ?1 AND audience = ?2 LIMIT 1";
        read.query(sql, &[Value::Int(collection), Value::Int(*row)], &mut |_| {
            found = true;
            Ok(Flow::Stop)
        })?;
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

fn name_of(read: &mut dyn Read, id: CommunityId) -> Result<String, EngineError> {
    Ok(community(read, id)?
        .map(|c| c.name)
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "Community".to_owned()))
}

/// A community as its newest record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommunityRow {
    /// Its id.
    pub id: CommunityId,
    /// Its name.
    pub name: String,
    /// Version of the newest document.
    pub version: Timestamp,
    /// Record of the newest document.
    pub seq: i64,
    /// Who may change it.
    pub author: MemberId,
    /// Its members and their roles.
    pub members: Vec<(MemberId, Role)>,
}

/// A community, for its operator; not behind the gate.
pub fn community(read: &mut dyn Read, id: CommunityId) -> Result<Option<CommunityRow>, EngineError> {
    let uuid = id.to_string();
    let mut found = None;
    let sql = "SELECT name, version, seq, author FROM communities WHERE uuid = ?1";
    read.query(sql, &[Value::Text(&uuid)], &mut |row| {
        found = Some(CommunityRow {
            id,
            name: row.text(0)?.to_owned(),
            version: Timestamp::from_micros(row.int(1)?),
            seq: row.int(2)?,
            author: member_of(row.blob(3)?)?,
            members: Vec::new(),
        });
        Ok(Flow::Stop)
    })?;
    let Some(mut community) = found else { return Ok(None) };
    let sql = "SELECT member, role FROM community_members WHERE uuid = ?1 ORDER BY member";
    read.query(sql, &[Value::Text(&uuid)], &mut |row| {
        let member = member_of(row.blob(0)?)?;
        let author = member == community.author;
        let role = if author { Role::Steward } else { Role::from_code(row.int(1)?) };
        community.members.push((member, role));
        Ok(Flow::Continue)
    })?;
    Ok(Some(community))
}

/// All communities, for the operator; not behind the gate.
pub fn communities(read: &mut dyn Read) -> Result<Vec<CommunityRow>, EngineError> {
    let mut ids = Vec::new();
    read.query("SELECT uuid FROM communities ORDER BY uuid", &[], &mut |row| {
        let uuid = row.text(0)?;
        let id =
            Uuid::try_parse(uuid).map_err(|_| EngineError::shape(format!("communities.uuid `{uuid}`")))?;
        ids.push(CommunityId(id));
        Ok(Flow::Continue)
    })?;
    let mut all = Vec::with_capacity(ids.len());
    for id in ids {
        all.extend(community(read, id)?);
    }
    Ok(all)
}

/// The newest document of a community, to be changed by a command.
pub fn community_document(read: &mut dyn Read, id: CommunityId) -> Result<Option<Vec<u8>>, EngineError> {
    let mut document = None;
    let sql = "SELECT b.body FROM communities c JOIN bodies b ON b.seq = c.seq WHERE c.uuid = ?1";
    read.query(sql, &[Value::Text(&id.to_string())], &mut |row| {
        document = Some(row.blob(0)?.to_vec());
        Ok(Flow::Stop)
    })?;
    Ok(document)
}

/// Declared clients of a member, for the operator; not behind the gate.
pub fn clients(read: &mut dyn Read, of: MemberId) -> Result<Vec<MemberId>, EngineError> {
    let mut all = Vec::new();
    let sql = "SELECT client FROM clients WHERE of_member = ?1 AND ended = 0 ORDER BY client";
    read.query(sql, &[Value::Blob(&of.0)], &mut |row| {
        all.push(member_of(row.blob(0)?)?);
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

fn member_of(bytes: &[u8]) -> Result<MemberId, EngineError> {
    bytes.try_into().map(MemberId).map_err(|_| EngineError::shape("a member id is not 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_numbers_are_cut_into_close_ascending_stretches() {
        let cut = |rows: &[i64]| spans(rows).map(<[i64]>::to_vec).collect::<Vec<_>>();
        assert_eq!(cut(&[1, 2, 6, 11, 10]), [vec![1, 2, 6], vec![11], vec![10]]);
        assert_eq!(cut(&[]), Vec::<Vec<i64>>::new());
        let many: Vec<i64> = (0..FETCH_ROWS as i64 + 1).collect();
        assert_eq!(cut(&many).iter().map(Vec::len).collect::<Vec<_>>(), [FETCH_ROWS, 1]);
    }
}
