// SPDX-License-Identifier: Apache-2.0
//! Tokens: how a service of a member shows who it is (DESIGN section 9).
//!
//! A token is `polder_<id>_<secret>`. The id is public, names the row, and may stand in logs; of the
//! secret only a keyed hash is kept. A token's rights may shrink (revocation) but never grow: a higher
//! ceiling is a new token with cursors of its own.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ledger::sql::{EngineError, Flow, Read, Row, Table, TableKind, Tx, Value};
use model::head::Person;
use model::id::{MemberId, hex};
use model::marking::Tlp;
use model::time::Timestamp;
use policy::Reader;
use subtle::ConstantTimeEq;
use trust::mac::mac;

use crate::limits::{NAME_BYTES_MAX, TOKENS_MAX};
use crate::standing::{self, TOKEN_STANDING};

/// Bytes of a token's public id.
pub const ID_BYTES: usize = 6;
/// Bytes of a token's secret.
pub const SECRET_BYTES: usize = 32;
const PREFIX: &str = "polder_";

/// Tokens are the node's own: in the backup, never shared, never derived.
pub static TOKENS: Table = Table {
    name: "tokens",
    kind: TableKind::Local,
    columns: &["id", "name", "member", "ceiling", "mac", "created", "revoked", "person"],
    sqlite: &[
        "CREATE TABLE tokens (id TEXT PRIMARY KEY, name TEXT NOT NULL, member BLOB NOT NULL, \
         ceiling INTEGER NOT NULL, mac BLOB NOT NULL, created INTEGER NOT NULL, revoked INTEGER, person TEXT) \
         STRICT, WITHOUT ROWID",
        // The rule that a name stands for one working token holds on every engine and for every writer.
        "CREATE UNIQUE INDEX tokens_by_name ON tokens (name) WHERE revoked IS NULL",
    ],
};

/// The room's local state.
pub static LOCAL_TABLES: &[&Table] = &[&TOKENS, &TOKEN_STANDING];

/// A new token.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// What people call it; unique among the working ones.
    pub name: &'a str,
    /// The organisation whose service it is for.
    pub member: MemberId,
    /// This node's own organisation.
    pub own: MemberId,
    /// Highest label that it may be given. Without it AMBER+STRICT for the own organisation, GREEN for
    /// others.
    pub ceiling: Option<Tlp>,
    /// The person who alone uses it; only such a token may be given RED.
    pub person: Option<&'a str>,
}

/// The token cannot be issued: the operator must ask differently, or this machine is at fault.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// This machine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The public id is taken; 48 random bits met.
    #[error("the random id `{0}` is taken; run the command again")]
    IdTaken(String),
    /// The name cannot be shown.
    #[error("a token's name has 1 to {NAME_BYTES_MAX} bytes and no control characters")]
    Name,
    /// The name is in use.
    #[error("a token named `{name}` works already (id {id}); take another name, or revoke it first")]
    NameTaken {
        /// The name.
        name: String,
        /// Id of the token that has it.
        id: String,
    },
    /// RED goes to named persons.
    #[error("TLP:RED goes to named persons only; name one with --person, or take AMBER+STRICT or lower")]
    Red,
    /// The person's name cannot be one.
    #[error("a person's name has 1 to 64 of a-z, 0-9, `.`, `_` and `-`")]
    Person,
    /// Too many tokens.
    #[error("this node has {TOKENS_MAX} tokens, the most it keeps")]
    TooMany,
}

/// Issues a token; the answer is its text, which is shown once and kept nowhere.
pub fn issue(
    tx: &mut dyn Tx,
    key: &[u8; 32],
    order: &Order<'_>,
    id: [u8; ID_BYTES],
    secret: [u8; SECRET_BYTES],
    now: Timestamp,
) -> Result<String, IssueError> {
    let default = if order.member == order.own { Tlp::AmberStrict } else { Tlp::Green };
    let ceiling = order.ceiling.unwrap_or(default);
    if ceiling == Tlp::Red && order.person.is_none() {
        return Err(IssueError::Red);
    }
    if order.person.is_some_and(|name| Person::new(order.member, name).is_none()) {
        return Err(IssueError::Person);
    }
    if order.name.is_empty() || order.name.len() > NAME_BYTES_MAX || order.name.chars().any(char::is_control)
    {
        return Err(IssueError::Name);
    }
    let id = hex(&id);
    let read = tx.as_read();
    if let Some(working) = id_of_name(read, order.name)? {
        return Err(IssueError::NameTaken { name: order.name.to_owned(), id: working });
    }
    if find(read, &id)?.is_some() {
        return Err(IssueError::IdTaken(id));
    }
    if list(read)?.len() >= TOKENS_MAX {
        return Err(IssueError::TooMany);
    }
    tx.execute(
        "INSERT INTO tokens (id, name, member, ceiling, mac, created, revoked, person) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7)",
        &[
            Value::Text(&id),
            Value::Text(order.name),
            Value::Blob(&order.member.0),
            Value::Int(i64::from(ceiling.rank())),
            Value::Blob(&mac(key, &[id.as_bytes(), &secret])),
            Value::Int(now.micros()),
            Value::text_or_null(order.person),
        ],
    )?;
    Ok(format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret)))
}

/// Who stands behind a token that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The token's public id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The organisation.
    pub member: MemberId,
    /// Highest label that it may be given.
    pub ceiling: Tlp,
    /// The person who alone uses it.
    pub person: Option<String>,
}

/// Finds the credential of a token's text; `None` for anything that is not a working token.
///
/// An unknown id costs the same hash and comparison as a known one.
pub fn authenticate(
    read: &mut dyn Read,
    key: &[u8; 32],
    text: &str,
) -> Result<Option<Credential>, EngineError> {
    let Some((id, secret)) = split(text) else { return Ok(None) };
    let row = find(read, id)?;
    let given = mac(key, &[id.as_bytes(), &secret]);
    let (kept, usable) = match &row {
        Some((token, kept)) => (kept.as_slice(), token.revoked.is_none()),
        None => ([0u8; 32].as_slice(), false),
    };
    let same: bool = given.as_slice().ct_eq(kept).into();
    let token = row.map(|(token, _)| token).filter(|_| same && usable);
    Ok(token.map(|t| Credential {
        id: t.id,
        name: t.name,
        member: t.member,
        ceiling: t.ceiling,
        person: t.person,
    }))
}

/// A token as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Public id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The organisation.
    pub member: MemberId,
    /// Highest label that it may be given.
    pub ceiling: Tlp,
    /// When it was issued.
    pub created: Timestamp,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// The person who alone uses it.
    pub person: Option<String>,
}

/// All tokens, oldest first, also the revoked ones.
pub fn list(read: &mut dyn Read) -> Result<Vec<Token>, EngineError> {
    let mut tokens = Vec::new();
    let sql = "SELECT id, name, member, ceiling, created, revoked, person FROM tokens ORDER BY created, id";
    read.query(sql, &[], &mut |row| {
        tokens.push(token_of(row)?);
        Ok(Flow::Continue)
    })?;
    Ok(tokens)
}

/// Revokes the working token with this id or name; `None` if there is none.
pub fn revoke(tx: &mut dyn Tx, id_or_name: &str, now: Timestamp) -> Result<Option<Token>, EngineError> {
    let working = list(tx.as_read())?.into_iter().filter(|token| token.revoked.is_none());
    // A name that looks like another token's id must not shield that token.
    let (by_id, by_name): (Vec<Token>, Vec<Token>) = working
        .filter(|token| token.id == id_or_name || token.name == id_or_name)
        .partition(|token| token.id == id_or_name);
    let Some(mut token) = by_id.into_iter().chain(by_name).next() else { return Ok(None) };
    tx.execute(
        "UPDATE tokens SET revoked = ?2 WHERE id = ?1",
        &[Value::Text(&token.id), Value::Int(now.micros())],
    )?;
    token.revoked = Some(now);
    Ok(Some(token))
}

/// What the gate needs to know of a credential: its organisation, ceiling and communities, as they are
/// in this transaction.
pub fn reader(read: &mut dyn Read, credential: &Credential) -> Result<Reader, EngineError> {
    let service = Reader::service(credential.member, credential.ceiling);
    let reader = standing::of_member(read, Reader { person: credential.person.clone(), ..service })?;
    standing::held_down(read, &credential.id, reader)
}

fn split(text: &str) -> Option<(&str, [u8; SECRET_BYTES])> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_at_checked(2 * ID_BYTES)?;
    if !id.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let secret = URL_SAFE_NO_PAD.decode(secret.strip_prefix('_')?).ok()?;
    Some((id, secret.try_into().ok()?))
}

fn find(read: &mut dyn Read, id: &str) -> Result<Option<(Token, Vec<u8>)>, EngineError> {
    let mut found = None;
    let sql = "SELECT id, name, member, ceiling, created, revoked, person, mac FROM tokens WHERE id = ?1";
    read.query(sql, &[Value::Text(id)], &mut |row| {
        found = Some((token_of(row)?, row.blob(7)?.to_vec()));
        Ok(Flow::Stop)
    })?;
    Ok(found)
}

fn id_of_name(read: &mut dyn Read, name: &str) -> Result<Option<String>, EngineError> {
    let mut id = None;
    let sql = "SELECT id FROM tokens WHERE name = ?1 AND revoked IS NULL";
    read.query(sql, &[Value::Text(name)], &mut |row| {
        id = Some(row.text(0)?.to_owned());
        Ok(Flow::Stop)
    })?;
    Ok(id)
}

fn token_of(row: &dyn Row) -> Result<Token, EngineError> {
    let id = row.text(0)?.to_owned();
    let wrong = |column: &str| EngineError::shape(format!("tokens.{column} of `{id}`"));
    let member = row.blob(2)?.try_into().map(MemberId).map_err(|_| wrong("member"))?;
    let rank = usize::try_from(row.int(3)?).map_err(|_| wrong("ceiling"))?;
    let person = row.text_opt(6)?.map(str::to_owned);
    let ceiling = Tlp::ALL.get(rank).copied().filter(|t| *t != Tlp::Red || person.is_some());
    let ceiling = ceiling.ok_or_else(|| wrong("ceiling"))?;
    Ok(Token {
        name: row.text(1)?.to_owned(),
        member,
        ceiling,
        created: Timestamp::from_micros(row.int(4)?),
        revoked: row.int_opt(5)?.map(Timestamp::from_micros),
        person,
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_shape_is_a_token() {
        let secret = URL_SAFE_NO_PAD.encode([0xff; 32]);
        let good = format!("polder_0123456789ab_{secret}");
        assert_eq!(good.len(), 7 + 12 + 1 + 43);
        assert_eq!(split(&good), Some(("0123456789ab", [0xff; 32])));
        for bad in [
            "".to_owned(),
            "polder_".to_owned(),
            format!("Polder_0123456789ab_{secret}"),
            format!("polder_0123456789AB_{secret}"),
            format!("polder_0123456789ab{secret}"),
            format!("polder_0123456789a_{secret}"),
            format!("polder_0123456789ab_{secret}A"),
            format!("polder_0123456789ab_{}", &secret[1..]),
            format!("polder_0123456789ab_{secret}="),
            "polder_01234567é9ab_x".to_owned(),
        ] {
            assert_eq!(split(&bad), None, "{bad}");
        }
    }
}
