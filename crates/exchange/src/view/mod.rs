// SPDX-License-Identifier: Apache-2.0
//! The room's view: which collections there are, what stands in them, and who is in which community.
//!
//! `placements` is the order of each collection: the primary key serves the walk along it, the indexes by
//! audience and by type the merge of what one reader may see. `placed` is the same set by object, and tells
//! of an object with several records which are newest and which came first; it is a table and not an index,
//! so that a batch goes in sorted. Types are numbers: `model`'s code, or for other types a number made of
//! the name's hash, so that the same records give the same rows on every node.

mod community;
mod place;

use std::collections::BTreeMap;

use ledger::sql::{EngineError, Flow, Table, TableKind, Tx, Value};
use ledger::view::{Body, Record, View};
use model::head::Audience;
use model::id::{CommunityId, MemberId, type_code};
use model::kind::Kind;
use model::time::Timestamp;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

pub(crate) use place::subject_key;

/// Collections: one for each audience.
pub static COLLECTIONS: Table = Table {
    name: "collections",
    kind: TableKind::View,
    columns: &["id", "uuid", "audience", "created"],
    sqlite: &["CREATE TABLE collections (id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, \
         audience TEXT NOT NULL UNIQUE, created INTEGER NOT NULL) STRICT"],
};

/// The order of each collection.
pub static PLACEMENTS: Table = Table {
    name: "placements",
    kind: TableKind::View,
    columns: &["collection", "seq", "record", "audience", "type", "subject", "version", "spec", "sole"],
    sqlite: &[
        "CREATE TABLE placements (collection INTEGER NOT NULL, seq INTEGER NOT NULL, record INTEGER NOT NULL, \
         audience INTEGER NOT NULL, type INTEGER NOT NULL, subject BLOB NOT NULL, version INTEGER NOT NULL, \
         spec INTEGER NOT NULL, sole INTEGER NOT NULL, PRIMARY KEY (collection, seq)) STRICT, WITHOUT ROWID",
        "CREATE INDEX placements_by_audience ON placements (collection, audience, seq)",
        "CREATE INDEX placements_by_type ON placements (collection, audience, type, seq)",
    ],
};

/// The placements of each object.
pub static PLACED: Table = Table {
    name: "placed",
    kind: TableKind::View,
    columns: &["collection", "subject", "version", "seq", "record", "audience", "spec"],
    sqlite: &[
        "CREATE TABLE placed (collection INTEGER NOT NULL, subject BLOB NOT NULL, version INTEGER NOT NULL, \
         seq INTEGER NOT NULL, record INTEGER NOT NULL, audience INTEGER NOT NULL, spec INTEGER NOT NULL, \
         PRIMARY KEY (collection, subject, version, seq)) STRICT, WITHOUT ROWID",
    ],
};

/// Communities as their newest records say.
pub static COMMUNITIES: Table = Table {
    name: "communities",
    kind: TableKind::View,
    columns: &["uuid", "name", "version", "seq", "author"],
    sqlite: &[
        "CREATE TABLE communities (uuid TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, \
         seq INTEGER NOT NULL, author BLOB NOT NULL) STRICT, WITHOUT ROWID",
    ],
};

/// Members of communities.
pub static COMMUNITY_MEMBERS: Table = Table {
    name: "community_members",
    kind: TableKind::View,
    columns: &["uuid", "member"],
    sqlite: &[
        "CREATE TABLE community_members (uuid TEXT NOT NULL, member BLOB NOT NULL, PRIMARY KEY (uuid, member)) \
         STRICT, WITHOUT ROWID",
        "CREATE INDEX community_members_by_member ON community_members (member, uuid)",
    ],
};

/// Records that the view could not use.
pub static SKIPPED: Table = Table {
    name: "exchange_skipped",
    kind: TableKind::View,
    columns: &["seq", "code"],
    sqlite: &["CREATE TABLE exchange_skipped (seq INTEGER PRIMARY KEY, code TEXT NOT NULL) STRICT"],
};

/// The view's tables.
pub static TABLES: &[&Table] =
    &[&COLLECTIONS, &PLACEMENTS, &PLACED, &COMMUNITIES, &COMMUNITY_MEMBERS, &SKIPPED];

/// The view of the exchange room.
#[derive(Clone, Copy, Debug, Default)]
pub struct CollectionView;

impl View for CollectionView {
    fn name(&self) -> &'static str {
        "exchange"
    }

    fn version(&self) -> i64 {
        2
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn apply(&self, tx: &mut dyn Tx, records: &[Record<'_>]) -> Result<(), EngineError> {
        let mut of_audience = BTreeMap::new();
        let mut fresh = Vec::new();
        for record in records {
            match record.head.kind {
                Kind::COMMUNITY => community::apply(tx, record)?,
                Kind::MEMBER_ROOT => {
                    collection_of(tx, &Audience::Organisation(record.head.author), record.time)?;
                }
                kind if kind.is_stix() => {
                    let collection = match of_audience.get(&record.audience_row) {
                        Some(collection) => *collection,
                        None => {
                            let collection = collection_of(tx, &record.head.audience, record.time)?;
                            of_audience.insert(record.audience_row, collection);
                            collection
                        }
                    };
                    match record.body {
                        // Placements of the batch so far must be there before one of them is taken away.
                        Body::Erased => {
                            place::insert(tx, &mut fresh)?;
                            place::erase(tx, collection, record.seq)?;
                        }
                        Body::Present(_) => fresh.push(place::Placement::of(collection, record)),
                    }
                }
                _ => {}
            }
        }
        place::insert(tx, &mut fresh)
    }
}

/// The collection of an audience, made if it is new.
fn collection_of(tx: &mut dyn Tx, audience: &Audience, created: Timestamp) -> Result<i64, EngineError> {
    let text = audience.to_string();
    if let Some(id) = first_int(tx, "SELECT id FROM collections WHERE audience = ?1", &[Value::Text(&text)])?
    {
        return Ok(id);
    }
    let last = first_int(tx, "SELECT id FROM collections ORDER BY id DESC LIMIT 1", &[])?;
    let id = last.unwrap_or(0) + 1;
    tx.execute(
        "INSERT INTO collections (id, uuid, audience, created) VALUES (?1, ?2, ?3, ?4)",
        &[
            Value::Int(id),
            Value::Text(&collection_uuid(audience).to_string()),
            Value::Text(&text),
            Value::Int(created.micros()),
        ],
    )?;
    Ok(id)
}

fn skip(tx: &mut dyn Tx, seq: i64, code: &str) -> Result<(), EngineError> {
    tx.execute(
        "INSERT INTO exchange_skipped (seq, code) VALUES (?1, ?2)",
        &[Value::Int(seq), Value::Text(code)],
    )?;
    Ok(())
}

fn first_int(tx: &mut dyn Tx, sql: &'static str, args: &[Value<'_>]) -> Result<Option<i64>, EngineError> {
    let mut found = None;
    tx.as_read().query(sql, args, &mut |row| {
        found = Some(row.int(0)?);
        Ok(Flow::Stop)
    })?;
    Ok(found)
}

/// Id of the collection of an audience: a community's own id, or for an organisation one that follows
/// from its member id and has the form of a UUIDv4, which TAXII 2.1 section 5.2 demands.
pub fn collection_uuid(audience: &Audience) -> Uuid {
    match audience {
        Audience::Community(CommunityId(uuid)) => *uuid,
        Audience::Organisation(MemberId(member)) => {
            let hash = Sha256::new().chain_update(b"polder/collection/").chain_update(member).finalize();
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&hash[..16]);
            Builder::from_random_bytes(bytes).into_uuid()
        }
    }
}

/// Number of the type of an id.
pub(crate) fn type_number_of_id(id: &str) -> i64 {
    type_number(id.split_once("--").map_or("", |(name, _)| name))
}

/// Number of a type: `model`'s code, or from 1000 on a number that follows from the name.
pub(crate) fn type_number(name: &str) -> i64 {
    match type_code(name) {
        Some(code) => i64::from(code),
        None => {
            let hash = Sha256::digest(name.as_bytes());
            let number = hash.iter().take(7).fold(0i64, |number, byte| number << 8 | i64::from(*byte));
            1_000 + number
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collection_ids_have_the_form_of_version_4() {
        for n in 0..50 {
            let audience = Audience::Organisation(MemberId([n; 32]));
            let uuid = collection_uuid(&audience);
            assert_eq!((uuid.get_version_num(), uuid.get_variant()), (4, uuid::Variant::RFC4122));
            assert_eq!(uuid, collection_uuid(&audience));
        }
        assert_ne!(
            collection_uuid(&Audience::Organisation(MemberId([1; 32]))),
            collection_uuid(&Audience::Organisation(MemberId([2; 32])))
        );
    }

    #[test]
    fn types_are_numbers() {
        assert_eq!(type_number_of_id("attack-pattern--x"), 0);
        assert_eq!(type_number("attack-pattern"), 0);
        assert!(type_number("x-acme") >= 1_000);
        assert_ne!(type_number("x-acme"), type_number("x-acmf"));
        assert_eq!(type_number_of_id("no id"), type_number(""));
    }
}
