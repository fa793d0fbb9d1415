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
};

/// Bodies, byte for byte as received.
pub static BODIES: Table = Table {
    name: "bodies",
    kind: TableKind::Records,
    columns: &["seq", "body"],
    sqlite: &["CREATE TABLE bodies (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT"],
};

/// Which versions of a subject are held: what `admit` is asked against.
pub static SUBJECTS: Table = Table {
    name: "subjects",
    kind: TableKind::Records,
    columns: &["subject", "version", "seq", "audience", "revoked"],
    sqlite: &["CREATE TABLE subjects (
        subject BLOB NOT NULL, version INTEGER NOT NULL, seq INTEGER NOT NULL, audience INTEGER NOT NULL,
        revoked INTEGER NOT NULL, PRIMARY KEY (subject, version, seq)) STRICT, WITHOUT ROWID"],
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
};

/// What was withdrawn: HMACs under the node's key, never an id.
pub static TOMBSTONES: Table = Table {
    name: "tombstones",
    kind: TableKind::Local,
    columns: &["mac", "seq"],
    sqlite: &["CREATE TABLE tombstones (mac BLOB PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID"],
};

/// Logs whose records are held; row 1 is this node's own.
pub static LOGS: Table = Table {
    name: "logs",
    kind: TableKind::Records,
    columns: &["id", "origin", "size", "time"],
    sqlite: &["CREATE TABLE logs (
        id INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, time INTEGER NOT NULL) STRICT"],
};

/// Tiles of the tree (C2SP tlog-tiles); the last of each level may be partial.
pub static TILES: Table = Table {
    name: "tiles",
    kind: TableKind::Records,
    columns: &["log", "level", "tile", "hashes"],
    sqlite: &["CREATE TABLE tiles (
        log INTEGER NOT NULL, level INTEGER NOT NULL, tile INTEGER NOT NULL, hashes BLOB NOT NULL,
        PRIMARY KEY (log, level, tile)) STRICT, WITHOUT ROWID"],
};

/// Signed checkpoints: the newest, and those that are kept (handed out in a proof, or cosigned).
pub static CHECKPOINTS: Table = Table {
    name: "checkpoints",
    kind: TableKind::Records,
    columns: &["log", "size", "kept", "note"],
    sqlite: &["CREATE TABLE checkpoints (
        log INTEGER NOT NULL, size INTEGER NOT NULL, kept INTEGER NOT NULL, note TEXT NOT NULL,
        PRIMARY KEY (log, size)) STRICT, WITHOUT ROWID"],
};

/// All of them, in the order in which they are created.
pub static TABLES: &[&Table] =
    &[&AUDIENCES, &RECORDS, &BODIES, &SUBJECTS, &REFS, &TOMBSTONES, &LOGS, &TILES, &CHECKPOINTS];
