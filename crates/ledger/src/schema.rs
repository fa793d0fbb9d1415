// SPDX-License-Identifier: Apache-2.0
//! The ledger's own tables.

use crate::sql::{Table, TableKind};

/// Distinct heads of records: the gate is asked once for each and reader. The writer, which holds all of
/// them under its lock, sees to it that none stands twice; a spec may be too long for an index.
pub static AUDIENCES: Table = Table {
    name: "audiences",
    kind: TableKind::Records,
    columns: &["id", "author", "kind", "marking", "spec"],
    sqlite: &["CREATE TABLE audiences (
        id INTEGER PRIMARY KEY, author BLOB NOT NULL, kind INTEGER NOT NULL, marking INTEGER NOT NULL,
        spec TEXT NOT NULL) STRICT"],
    postgres: &[r#"CREATE TABLE audiences (
        id BIGINT PRIMARY KEY, author BYTEA NOT NULL, kind BIGINT NOT NULL, marking BIGINT NOT NULL,
        spec TEXT COLLATE "C" NOT NULL)"#],
};

/// Envelopes in the node's order of arrival. `log` and `idx` are the place in a tree; `id` is there only
/// where the key does not tell it. `audience` is what holds now; `committed`, where it is not null, what the
/// entry commits to: narrowing changes the one and not the other. An erased record has empty salts.
pub static RECORDS: Table = Table {
    name: "records",
    kind: TableKind::Records,
    columns: &[
        "seq",
        "log",
        "idx",
        "time",
        "audience",
        "subject",
        "id",
        "version",
        "salts",
        "entry",
        "committed",
    ],
    sqlite: &["CREATE TABLE records (
        seq INTEGER PRIMARY KEY, log INTEGER NOT NULL, idx INTEGER NOT NULL, time INTEGER NOT NULL,
        audience INTEGER NOT NULL, subject BLOB NOT NULL, id TEXT, version INTEGER NOT NULL,
        salts BLOB NOT NULL, entry BLOB NOT NULL, committed INTEGER) STRICT"],
    postgres: &[r#"CREATE TABLE records (
        seq BIGINT PRIMARY KEY, log BIGINT NOT NULL, idx BIGINT NOT NULL, time BIGINT NOT NULL,
        audience BIGINT NOT NULL, subject BYTEA NOT NULL, id TEXT COLLATE "C", version BIGINT NOT NULL,
        salts BYTEA NOT NULL, entry BYTEA NOT NULL, committed BIGINT)"#],
};

/// Bodies, byte for byte as received.
pub static BODIES: Table = Table {
    name: "bodies",
    kind: TableKind::Records,
    columns: &["seq", "body"],
    sqlite: &["CREATE TABLE bodies (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT"],
    postgres: &["CREATE TABLE bodies (seq BIGINT PRIMARY KEY, body BYTEA NOT NULL)"],
};

/// Signatures by authors themselves, of records whose entries name them by `sig`. They cover salted hashes,
/// so they stay when a body is erased.
pub static SIGNATURES: Table = Table {
    name: "signatures",
    kind: TableKind::Records,
    columns: &["seq", "signed", "widens", "signature"],
    sqlite: &["CREATE TABLE signatures (
        seq INTEGER PRIMARY KEY, signed INTEGER NOT NULL, widens INTEGER NOT NULL, signature BLOB NOT NULL) STRICT"],
    postgres: &["CREATE TABLE signatures (
        seq BIGINT PRIMARY KEY, signed BIGINT NOT NULL, widens BIGINT NOT NULL, signature BYTEA NOT NULL)"],
};

/// Which versions of a subject are held: what `admit` is asked against.
pub static SUBJECTS: Table = Table {
    name: "subjects",
    kind: TableKind::Records,
    columns: &["subject", "version", "seq", "audience", "revoked"],
    sqlite: &["CREATE TABLE subjects (
        subject BLOB NOT NULL, version INTEGER NOT NULL, seq INTEGER NOT NULL, audience INTEGER NOT NULL,
        revoked INTEGER NOT NULL, PRIMARY KEY (subject, version, seq)) STRICT, WITHOUT ROWID"],
    postgres: &["CREATE TABLE subjects (
        subject BYTEA NOT NULL, version BIGINT NOT NULL, seq BIGINT NOT NULL, audience BIGINT NOT NULL,
        revoked BIGINT NOT NULL, PRIMARY KEY (subject, version, seq))"],
};

/// Which records refer to an observable: its id is its value, so they may go no further than it (law 1).
pub static REFS: Table = Table {
    name: "refs",
    kind: TableKind::Records,
    columns: &["subject", "seq"],
    sqlite: &[
        "CREATE TABLE refs (subject BLOB NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (subject, seq)) \
         STRICT, WITHOUT ROWID",
        "CREATE INDEX refs_by_seq ON refs (seq)",
    ],
    postgres: &[
        "CREATE TABLE refs (subject BYTEA NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (subject, seq))",
        "CREATE INDEX refs_by_seq ON refs (seq)",
    ],
};

/// What was withdrawn: HMACs under the node's key, never an id.
pub static TOMBSTONES: Table = Table {
    name: "tombstones",
    kind: TableKind::Local,
    columns: &["mac", "seq"],
    sqlite: &["CREATE TABLE tombstones (mac BLOB PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID"],
    postgres: &["CREATE TABLE tombstones (mac BYTEA PRIMARY KEY, seq BIGINT NOT NULL)"],
};

/// Logs whose records are held; row 1 is this node's own.
pub static LOGS: Table = Table {
    name: "logs",
    kind: TableKind::Records,
    columns: &["id", "origin", "size", "time"],
    sqlite: &["CREATE TABLE logs (
        id INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, time INTEGER NOT NULL) STRICT"],
    postgres: &[r#"CREATE TABLE logs (
        id BIGINT PRIMARY KEY, origin TEXT COLLATE "C" NOT NULL UNIQUE, size BIGINT NOT NULL, time BIGINT NOT NULL)"#],
};

/// Tiles of the tree (C2SP tlog-tiles); the last of each level may be partial.
pub static TILES: Table = Table {
    name: "tiles",
    kind: TableKind::Records,
    columns: &["log", "level", "tile", "hashes"],
    sqlite: &["CREATE TABLE tiles (
        log INTEGER NOT NULL, level INTEGER NOT NULL, tile INTEGER NOT NULL, hashes BLOB NOT NULL,
        PRIMARY KEY (log, level, tile)) STRICT, WITHOUT ROWID"],
    postgres: &["CREATE TABLE tiles (
        log BIGINT NOT NULL, level BIGINT NOT NULL, tile BIGINT NOT NULL, hashes BYTEA NOT NULL,
        PRIMARY KEY (log, level, tile))"],
};

/// Signed checkpoints: the newest, and those that are kept (handed out in a proof, or cosigned).
pub static CHECKPOINTS: Table = Table {
    name: "checkpoints",
    kind: TableKind::Records,
    columns: &["log", "size", "kept", "note"],
    sqlite: &["CREATE TABLE checkpoints (
        log INTEGER NOT NULL, size INTEGER NOT NULL, kept INTEGER NOT NULL, note TEXT NOT NULL,
        PRIMARY KEY (log, size)) STRICT, WITHOUT ROWID"],
    postgres: &[r#"CREATE TABLE checkpoints (
        log BIGINT NOT NULL, size BIGINT NOT NULL, kept BIGINT NOT NULL, note TEXT COLLATE "C" NOT NULL,
        PRIMARY KEY (log, size))"#],
};

/// All of them, in the order in which they are created.
pub static TABLES: &[&Table] =
    &[&AUDIENCES, &RECORDS, &BODIES, &SIGNATURES, &SUBJECTS, &REFS, &TOMBSTONES, &LOGS, &TILES, &CHECKPOINTS];
