// SPDX-License-Identifier: Apache-2.0
//! The history: observables ever seen in own logs, and the register of the files that it rests on.
//!
//! Local state: in the backup, never shared, never derived. Kept by default are external addresses, domain
//! names under a top-level domain that exists, and hashes.

mod findings;
mod observed;
mod query;
mod record;

use ledger::sql::{Table, TableKind};

pub use findings::findings;
pub use observed::{Observed, Seen};
pub use query::{Coverage, Sighted, Source, coverage, seen};
pub use record::{Recorded, record_file};

/// Raised when the scan or the readers see more or less than before: files of an older one may be hunted
/// again.
pub const SCANNER_VERSION: i64 = 1;

/// The tables of the history.
pub static TABLES: &[&Table] = &[&FILES, &HISTORY, &FINDINGS];

/// The register of log files, by content.
static FILES: Table = Table {
    name: "hunt_files",
    kind: TableKind::Local,
    columns: &[
        "id", "path", "sha256", "head_sha256", "size", "state", "lines", "unread_lines", "findings", "first_time",
        "last_time", "scanner_version", "recorded",
    ],
    sqlite: &[
        "CREATE TABLE hunt_files (
            id INTEGER PRIMARY KEY, path TEXT NOT NULL, sha256 BLOB NOT NULL, head_sha256 BLOB NOT NULL,
            size INTEGER NOT NULL, state INTEGER NOT NULL, lines INTEGER NOT NULL, unread_lines INTEGER NOT NULL,
            findings INTEGER NOT NULL, first_time INTEGER, last_time INTEGER, scanner_version INTEGER NOT NULL,
            recorded INTEGER NOT NULL
        ) STRICT",
        "CREATE UNIQUE INDEX hunt_files_content ON hunt_files (sha256, size)",
        "CREATE INDEX hunt_files_path ON hunt_files (path)",
    ],
    postgres: &[
        r#"CREATE TABLE hunt_files (
            id BIGINT PRIMARY KEY, path TEXT COLLATE "C" NOT NULL, sha256 BYTEA NOT NULL, head_sha256 BYTEA NOT NULL,
            size BIGINT NOT NULL, state BIGINT NOT NULL, lines BIGINT NOT NULL, unread_lines BIGINT NOT NULL,
            findings BIGINT NOT NULL, first_time BIGINT, last_time BIGINT, scanner_version BIGINT NOT NULL,
            recorded BIGINT NOT NULL
        )"#,
        "CREATE UNIQUE INDEX hunt_files_content ON hunt_files (sha256, size)",
        "CREATE INDEX hunt_files_path ON hunt_files USING hash (path)",
    ],
};

/// One row for each value and file. `days` are the days since 1970 on which it was seen, two bytes each.
static HISTORY: Table = Table {
    name: "hunt_history",
    kind: TableKind::Local,
    columns: &["kind", "value", "file", "first_time", "last_time", "times", "days"],
    sqlite: &[
        "CREATE TABLE hunt_history (
            kind INTEGER NOT NULL, value BLOB NOT NULL, file INTEGER NOT NULL, first_time INTEGER,
            last_time INTEGER, times INTEGER NOT NULL, days BLOB NOT NULL,
            PRIMARY KEY (kind, value, file)
        ) STRICT, WITHOUT ROWID",
        "CREATE INDEX hunt_history_file ON hunt_history (file)",
    ],
    postgres: &[
        "CREATE TABLE hunt_history (
            kind BIGINT NOT NULL, value BYTEA NOT NULL, file BIGINT NOT NULL, first_time BIGINT,
            last_time BIGINT, times BIGINT NOT NULL, days BYTEA NOT NULL
        )",
        "CREATE UNIQUE INDEX hunt_history_once ON hunt_history (kind, sha256(value), file)",
        "CREATE INDEX hunt_history_value ON hunt_history USING hash (value)",
        // What is asked for by range (addresses, names under a domain) is short.
        "CREATE INDEX hunt_history_range ON hunt_history (kind, value) WHERE length(value) <= 512",
        "CREATE INDEX hunt_history_file ON hunt_history (file)",
    ],
};

/// Findings, each once for a file, place and indicator.
static FINDINGS: Table = Table {
    name: "hunt_findings",
    kind: TableKind::Local,
    columns: &["file", "byte_offset", "indicator", "value", "kind", "line", "time", "text", "lossy"],
    sqlite: &["CREATE TABLE hunt_findings (
            file INTEGER NOT NULL, byte_offset INTEGER NOT NULL, indicator TEXT NOT NULL, value TEXT NOT NULL,
            kind INTEGER NOT NULL, line INTEGER NOT NULL, time INTEGER, text TEXT NOT NULL, lossy INTEGER NOT NULL,
            PRIMARY KEY (file, byte_offset, indicator, value)
        ) STRICT, WITHOUT ROWID"],
    postgres: &[
        r#"CREATE TABLE hunt_findings (
            file BIGINT NOT NULL, byte_offset BIGINT NOT NULL, indicator TEXT COLLATE "C" NOT NULL, value TEXT COLLATE "C" NOT NULL,
            kind BIGINT NOT NULL, line BIGINT NOT NULL, time BIGINT, text TEXT COLLATE "C" NOT NULL, lossy BIGINT NOT NULL
        )"#,
        "CREATE UNIQUE INDEX hunt_findings_once ON hunt_findings
         (file, byte_offset, indicator, sha256(decode(replace(value, '\\', '\\\\'), 'escape')))",
    ],
};
