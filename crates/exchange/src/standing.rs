// SPDX-License-Identifier: Apache-2.0
//! As what a reader stands before a collection, and that a token never rises.
//!
//! A client that follows a cursor has passed over what it could not see. Were its rights to grow, it would
//! never get that (law 4). So a token stays, in each community, what it was at the least when it read there;
//! more rights are a new token, whose cursors start at zero (DESIGN section 4).

use std::collections::BTreeMap;

use ledger::sql::{EngineError, Flow, Read, Table, TableKind, Tx, Value};
use model::head::Audience;
use model::id::{CommunityId, MemberId};
use policy::{Reader, Role};
use uuid::Uuid;

/// As what a reader stands before a community's collection, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Sees what goes to anyone.
    Stranger,
    /// Declared client of a member.
    Client,
    /// Member that has accepted the terms; or the own organisation's collection.
    Member,
}

/// The least standing that a token has read a community's collection with.
pub static TOKEN_STANDING: Table = Table {
    name: "token_standing",
    kind: TableKind::Local,
    columns: &["token", "uuid", "standing"],
    sqlite: &[
        "CREATE TABLE token_standing (token TEXT NOT NULL, uuid TEXT NOT NULL, standing INTEGER NOT NULL, \
               PRIMARY KEY (token, uuid)) STRICT, WITHOUT ROWID",
    ],
    postgres: &[
        r#"CREATE TABLE token_standing (token TEXT COLLATE "C" NOT NULL, uuid TEXT COLLATE "C" NOT NULL, standing BIGINT NOT NULL,
         PRIMARY KEY (token, uuid))"#,
    ],
};

impl Standing {
    /// Standing of a reader before the collection of an audience.
    pub fn of(reader: &Reader, audience: &Audience) -> Standing {
        match audience {
            Audience::Community(id) if reader.communities.contains(id) => Standing::Member,
            Audience::Community(id) if reader.client_communities.contains(id) => Standing::Client,
            Audience::Organisation(member) if *member == reader.member => Standing::Member,
            _ => Standing::Stranger,
        }
    }

    fn of_code(code: i64) -> Standing {
        match code {
            2 => Standing::Member,
            1 => Standing::Client,
            // What cannot be read is the least.
            _ => Standing::Stranger,
        }
    }
}

/// Reads memberships, terms and clients into what the gate looks at.
pub fn of_member(read: &mut dyn Read, mut reader: Reader) -> Result<Reader, EngineError> {
    for (community, accepted) in memberships(read, reader.member)? {
        if accepted {
            reader.communities.insert(community);
        } else {
            reader.unaccepted.insert(community);
        }
    }
    let sql = "SELECT of_member FROM clients WHERE client = ?1 AND ended = 0";
    read.query(sql, &[Value::Blob(&reader.member.0)], &mut |row| {
        reader.client_of.insert(member_of(row.blob(0)?)?);
        Ok(Flow::Continue)
    })?;
    for of in reader.client_of.clone() {
        let theirs = memberships(read, of)?.into_iter().filter(|(_, accepted)| *accepted);
        reader.client_communities.extend(theirs.map(|(community, _)| community));
    }
    reader.client_communities.retain(|c| !reader.communities.contains(c) && !reader.unaccepted.contains(c));
    Ok(reader)
}

/// Holds a token down to what it has read with before.
pub fn held_down(read: &mut dyn Read, token: &str, mut reader: Reader) -> Result<Reader, EngineError> {
    for (community, standing) in kept(read, token)? {
        if standing < Standing::Member && reader.communities.remove(&community) {
            reader.client_communities.insert(community);
        }
        if standing < Standing::Client {
            reader.client_communities.remove(&community);
        }
    }
    Ok(reader)
}

/// What is to be noted before a page of the collection goes out, if anything: a first reading, or a lower
/// standing than was noted.
pub fn to_note(
    read: &mut dyn Read,
    token: &str,
    audience: &Audience,
    standing: Standing,
) -> Result<Option<(CommunityId, Standing)>, EngineError> {
    let Audience::Community(community) = audience else { return Ok(None) };
    let noted = kept(read, token)?.get(community).copied();
    Ok(noted.is_none_or(|noted| standing < noted).then_some((*community, standing)))
}

/// Notes a standing; it never rises.
pub fn note(
    tx: &mut dyn Tx,
    token: &str,
    community: CommunityId,
    standing: Standing,
) -> Result<(), EngineError> {
    tx.execute(
        "INSERT INTO token_standing (token, uuid, standing) VALUES (?1, ?2, ?3) ON CONFLICT (token, uuid) \
         DO UPDATE SET standing = excluded.standing WHERE excluded.standing < token_standing.standing",
        &[Value::Text(token), Value::Text(&community.to_string()), Value::Int(standing as i64)],
    )
    .map(|_| ())
}

/// What was noted of a token.
pub fn kept(read: &mut dyn Read, token: &str) -> Result<BTreeMap<CommunityId, Standing>, EngineError> {
    let mut all = BTreeMap::new();
    let sql = "SELECT uuid, standing FROM token_standing WHERE token = ?1";
    read.query(sql, &[Value::Text(token)], &mut |row| {
        all.insert(community_of(row.text(0)?)?, Standing::of_code(row.int(1)?));
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

/// Communities of a member, and whether their present terms are accepted: by the member itself or, for it,
/// by the author of the community, who accepts his own terms by writing them.
fn memberships(read: &mut dyn Read, member: MemberId) -> Result<Vec<(CommunityId, bool)>, EngineError> {
    let mut all = Vec::new();
    let sql = "SELECT c.uuid, CASE WHEN c.terms IS NULL OR c.author = m.member THEN 1 WHEN EXISTS ( \
               SELECT 1 FROM terms_accepted t WHERE t.uuid = c.uuid AND t.member = m.member \
               AND t.digest = c.terms AND (t.author = m.member OR t.author = c.author)) THEN 1 ELSE 0 END \
               FROM community_members m JOIN communities c ON c.uuid = m.uuid WHERE m.member = ?1";
    read.query(sql, &[Value::Blob(&member.0)], &mut |row| {
        all.push((community_of(row.text(0)?)?, row.int(1)? != 0));
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

/// Role of a member in a community; `None` if it is not in it. The author of a community is its steward.
pub fn role(
    read: &mut dyn Read,
    community: CommunityId,
    member: MemberId,
) -> Result<Option<Role>, EngineError> {
    let mut role = None;
    let sql = "SELECT m.role, c.author FROM community_members m JOIN communities c ON c.uuid = m.uuid \
               WHERE m.uuid = ?1 AND m.member = ?2";
    read.query(sql, &[Value::Text(&community.to_string()), Value::Blob(&member.0)], &mut |row| {
        let author = row.blob(1)? == member.0;
        role = Some(if author { Role::Steward } else { Role::from_code(row.int(0)?) });
        Ok(Flow::Stop)
    })?;
    Ok(role)
}

fn community_of(uuid: &str) -> Result<CommunityId, EngineError> {
    let id = Uuid::try_parse(uuid).map_err(|_| EngineError::shape(format!("a community's uuid `{uuid}`")))?;
    Ok(CommunityId(id))
}

fn member_of(bytes: &[u8]) -> Result<MemberId, EngineError> {
    bytes.try_into().map(MemberId).map_err(|_| EngineError::shape("clients.of_member"))
}
