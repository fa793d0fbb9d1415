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
mod removal;
mod standing;

pub use removal::Removed;

use std::collections::{BTreeSet, HashMap};

use ledger::sql::{EngineError, Flow, Read, Table, TableKind, Tx, Value};
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
    postgres: &[r#"CREATE TABLE collections (id BIGINT PRIMARY KEY, uuid TEXT COLLATE "C" NOT NULL UNIQUE,
         audience TEXT COLLATE "C" NOT NULL, created BIGINT NOT NULL, EXCLUDE USING hash (audience WITH =))"#],
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
        "CREATE INDEX placements_by_type ON placements (collection, type, audience, seq)",
    ],
    postgres: &[
        "CREATE TABLE placements (collection BIGINT NOT NULL, seq BIGINT NOT NULL, record BIGINT NOT NULL, \
         audience BIGINT NOT NULL, type BIGINT NOT NULL, subject BYTEA NOT NULL, version BIGINT NOT NULL, \
         spec BIGINT NOT NULL, sole BIGINT NOT NULL, PRIMARY KEY (collection, seq))",
        "CREATE INDEX placements_by_audience ON placements (collection, audience, seq)",
        "CREATE INDEX placements_by_type ON placements (collection, type, audience, seq)",
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
    postgres: &[
        "CREATE TABLE placed (collection BIGINT NOT NULL, subject BYTEA NOT NULL, version BIGINT NOT NULL, \
         seq BIGINT NOT NULL, record BIGINT NOT NULL, audience BIGINT NOT NULL, spec BIGINT NOT NULL, \
         PRIMARY KEY (collection, subject, version, seq))",
    ],
};

/// Communities as their newest records say. `terms` is the digest of the terms, null where nothing is to be
/// accepted.
pub static COMMUNITIES: Table = Table {
    name: "communities",
    kind: TableKind::View,
    columns: &["uuid", "name", "version", "seq", "author", "terms"],
    sqlite: &[
        "CREATE TABLE communities (uuid TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, \
         seq INTEGER NOT NULL, author BLOB NOT NULL, terms BLOB) STRICT, WITHOUT ROWID",
    ],
    postgres: &[
        r#"CREATE TABLE communities (uuid TEXT COLLATE "C" PRIMARY KEY, name TEXT COLLATE "C" NOT NULL, version BIGINT NOT NULL,
         seq BIGINT NOT NULL, author BYTEA NOT NULL, terms BYTEA)"#,
    ],
};

/// Which terms were accepted, for whom, and who says so.
pub static TERMS_ACCEPTED: Table = Table {
    name: "terms_accepted",
    kind: TableKind::View,
    columns: &["uuid", "member", "author", "digest", "version", "seq"],
    sqlite: &[
        "CREATE TABLE terms_accepted (uuid TEXT NOT NULL, member BLOB NOT NULL, author BLOB NOT NULL, \
         digest BLOB NOT NULL, version INTEGER NOT NULL, seq INTEGER NOT NULL, \
         PRIMARY KEY (uuid, member, author, digest)) STRICT, WITHOUT ROWID",
    ],
    postgres: &[
        r#"CREATE TABLE terms_accepted (uuid TEXT COLLATE "C" NOT NULL, member BYTEA NOT NULL, author BYTEA NOT NULL,
         digest BYTEA NOT NULL, version BIGINT NOT NULL, seq BIGINT NOT NULL,
         PRIMARY KEY (uuid, member, author, digest))"#,
    ],
};

/// Whose client is who.
pub static CLIENTS: Table = Table {
    name: "clients",
    kind: TableKind::View,
    columns: &["of_member", "client", "version", "seq", "ended"],
    sqlite: &[
        "CREATE TABLE clients (of_member BLOB NOT NULL, client BLOB NOT NULL, version INTEGER NOT NULL, \
         seq INTEGER NOT NULL, ended INTEGER NOT NULL, PRIMARY KEY (of_member, client)) STRICT, WITHOUT ROWID",
        "CREATE INDEX clients_by_client ON clients (client, of_member)",
    ],
    postgres: &[
        r#"CREATE TABLE clients (of_member BYTEA NOT NULL, client BYTEA NOT NULL, version BIGINT NOT NULL,
         seq BIGINT NOT NULL, ended BIGINT NOT NULL, PRIMARY KEY (of_member, client))"#,
        "CREATE INDEX clients_by_client ON clients (client, of_member)",
    ],
};

/// Members of communities.
pub static COMMUNITY_MEMBERS: Table = Table {
    name: "community_members",
    kind: TableKind::View,
    columns: &["uuid", "member", "role"],
    sqlite: &[
        "CREATE TABLE community_members (uuid TEXT NOT NULL, member BLOB NOT NULL, role INTEGER NOT NULL, \
         PRIMARY KEY (uuid, member)) STRICT, WITHOUT ROWID",
        "CREATE INDEX community_members_by_member ON community_members (member, uuid)",
    ],
    postgres: &[
        r#"CREATE TABLE community_members (uuid TEXT COLLATE "C" NOT NULL, member BYTEA NOT NULL, role BIGINT NOT NULL,
         PRIMARY KEY (uuid, member))"#,
        "CREATE INDEX community_members_by_member ON community_members (member, uuid)",
    ],
};

/// What stewards took out of their collections: such a record does not come back into it.
pub static REMOVED: Table = Table {
    name: "removed",
    kind: TableKind::View,
    columns: &["collection", "seq"],
    sqlite: &["CREATE TABLE removed (collection INTEGER NOT NULL, seq INTEGER NOT NULL, \
               PRIMARY KEY (collection, seq)) STRICT, WITHOUT ROWID"],
    postgres: &[
        "CREATE TABLE removed (collection BIGINT NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (collection, seq))",
    ],
};

/// Records that the view could not use.
pub static SKIPPED: Table = Table {
    name: "exchange_skipped",
    kind: TableKind::View,
    columns: &["seq", "code"],
    sqlite: &["CREATE TABLE exchange_skipped (seq INTEGER PRIMARY KEY, code TEXT NOT NULL) STRICT"],
    postgres: &[r#"CREATE TABLE exchange_skipped (seq BIGINT PRIMARY KEY, code TEXT COLLATE "C" NOT NULL)"#],
};

/// The view's tables.
pub static TABLES: &[&Table] = &[
    &COLLECTIONS,
    &PLACEMENTS,
    &PLACED,
    &COMMUNITIES,
    &COMMUNITY_MEMBERS,
    &TERMS_ACCEPTED,
    &CLIENTS,
    &REMOVED,
    &SKIPPED,
];

/// Placements that are held before they are inserted, except for the last record's.
const PLACEMENTS_AT_ONCE: usize = 100_000;

/// Largest number of a collection.
const COLLECTION_NUMBER_MAX: i64 = (1 << 47) - 1;

/// The view of the exchange room.
#[derive(Clone, Copy, Debug, Default)]
pub struct CollectionView;

impl View for CollectionView {
    fn name(&self) -> &'static str {
        "exchange"
    }

    fn version(&self) -> i64 {
        5
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn skipped(&self) -> Option<&'static str> {
        Some("SELECT code, count(*) FROM exchange_skipped GROUP BY code ORDER BY code")
    }

    fn apply(&self, tx: &mut dyn Tx, records: &[Record<'_>]) -> Result<(), EngineError> {
        let mut collections: HashMap<&Audience, Vec<i64>> = HashMap::new();
        let mut fresh = Vec::new();
        for record in records {
            match record.head.kind {
                Kind::COMMUNITY => community::apply(tx, record)?,
                Kind::TERMS_ACCEPTANCE => standing::accept(tx, record)?,
                Kind::CLIENT_OF => standing::client(tx, record)?,
                Kind::RECALL => {
                    // What it is about may have come in the same batch.
                    place::insert(tx, &mut fresh)?;
                    removal::apply(tx, record)?;
                }
                Kind::MEMBER_ROOT => {
                    collection_made(tx, &Audience::Organisation(record.head.author), None)?;
                }
                kind if kind.is_stix() => {
                    // A collection is there from the first record that was meant for it, wherever that stands
                    // now: so it is when the view is built anew.
                    for audience in [&record.committed.audience, &record.head.audience] {
                        if !collections.contains_key(audience) {
                            let made = collections_of(audience);
                            let made = made.iter().map(|a| collection_made(tx, a, None));
                            collections.insert(audience, made.collect::<Result<_, _>>()?);
                        }
                    }
                    let of = |audience| collections.get(audience).map_or(&[][..], Vec::as_slice);
                    let (now, first) = (of(&record.head.audience), of(&record.committed.audience));
                    // What was narrowed comes into no collection in which it did not stand: its place there
                    // would lie behind the cursors of those who follow it.
                    let narrowed = record.head != record.committed;
                    let mut placed_in: Vec<i64> =
                        now.iter().copied().filter(|id| !narrowed || first.contains(id)).collect();
                    if narrowed {
                        removal::without_removed(tx, &mut placed_in, record.seq)?;
                    }
                    match record.body {
                        // Placements of the batch so far must be there before one of them is taken away.
                        Body::Erased => {
                            place::insert(tx, &mut fresh)?;
                            placed_in.iter().try_for_each(|id| place::erase(tx, *id, record.seq))?;
                        }
                        Body::Present(_) => {
                            fresh.extend(placed_in.iter().map(|id| place::Placement::of(*id, record)));
                            // A record for a thousand members has a thousand places.
                            if fresh.len() >= PLACEMENTS_AT_ONCE {
                                place::insert(tx, &mut fresh)?;
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        place::insert(tx, &mut fresh)
    }
}

/// Whose collections a record for this audience stands in: the community's, or those of the organisations
/// that are named, also by their persons.
pub fn collections_of(audience: &Audience) -> Vec<Audience> {
    match audience {
        Audience::Community(_) | Audience::Organisation(_) => vec![audience.clone()],
        Audience::Members(members) => members.iter().copied().map(Audience::Organisation).collect(),
        Audience::Persons(persons) => {
            let members: BTreeSet<MemberId> = persons.iter().map(|person| person.member).collect();
            members.into_iter().map(Audience::Organisation).collect()
        }
    }
}

/// The collection of an audience, made if it is new. Its number follows from the audience, so that it is the
/// same whatever was withdrawn or narrowed in the meantime.
///
/// `created` is the time of a community's document. No other record dates a collection: readers are told
/// the date, and it must not tell of a record that is hidden from them.
fn collection_made(
    tx: &mut dyn Tx,
    audience: &Audience,
    created: Option<Timestamp>,
) -> Result<i64, EngineError> {
    let undated = Timestamp::EPOCH.micros();
    let created = created.map_or(undated, Timestamp::micros);
    let text = audience.to_string();
    let mut number = [0; 8];
    number.copy_from_slice(&Sha256::digest(text.as_bytes())[..8]);
    // 47 bits keep the key short, and that two of 10,000 audiences meet is one chance in three million.
    let mut id = i64::from_be_bytes(number) & COLLECTION_NUMBER_MAX;
    loop {
        let mut held = None;
        let sql = "SELECT audience, created FROM collections WHERE id = ?1";
        tx.as_read().query(sql, &[Value::Int(id)], &mut |row| {
            held = Some((row.text(0)? == text, row.int(1)?));
            Ok(Flow::Stop)
        })?;
        match held {
            Some((true, at)) if created == undated || at != undated && at <= created => return Ok(id),
            Some((true, _)) => {
                let args = [Value::Int(id), Value::Int(created)];
                tx.execute("UPDATE collections SET created = ?2 WHERE id = ?1", &args)?;
                return Ok(id);
            }
            Some((false, _)) => id = (id + 1) & COLLECTION_NUMBER_MAX,
            None => break,
        }
    }
    tx.execute(
        "INSERT INTO collections (id, uuid, audience, created) VALUES (?1, ?2, ?3, ?4)",
        &[
            Value::Int(id),
            Value::Text(&collection_uuid(audience).to_string()),
            Value::Text(&text),
            Value::Int(created),
        ],
    )?;
    Ok(id)
}

/// Number of the collection of an audience, if there is one.
pub(crate) fn collection_number(read: &mut dyn Read, audience: &str) -> Result<Option<i64>, EngineError> {
    let mut number = None;
    let sql = "SELECT id FROM collections WHERE audience = ?1";
    read.query(sql, &[Value::Text(audience)], &mut |row| {
        number = Some(row.int(0)?);
        Ok(Flow::Stop)
    })?;
    Ok(number)
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
/// from its member id and has the form of a UUIDv4, which TAXII 2.1 section 5.2 demands. (Other audiences have
/// no collection of their own.)
pub fn collection_uuid(audience: &Audience) -> Uuid {
    let hash = match audience {
        Audience::Community(CommunityId(uuid)) => return *uuid,
        Audience::Organisation(MemberId(member)) => {
            Sha256::new().chain_update(b"polder/collection/").chain_update(member).finalize()
        }
        other => Sha256::new().chain_update(b"polder/collection/").chain_update(other.to_string()).finalize(),
    };
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Builder::from_random_bytes(bytes).into_uuid()
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
