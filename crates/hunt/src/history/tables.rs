// SPDX-License-Identifier: Apache-2.0
//! The tables of the history: which files were read, which runs count, what is kept and for how long, who
//! asked. The observables themselves lie in runs.

use ledger::sql::{Table, TableKind};

/// The tables of the history.
pub static TABLES: &[&Table] = &[&FILES, &FINDINGS, &RUNS, &DROPPED, &FORGOTTEN, &SOURCES, &SETTINGS, &AUDIT];

/// What `owed` says of a finding of which people are to be told, where no hunt is about to do that: a look back found it,
/// or an earlier program. The number of a process is odd.
pub const NOBODYS: i64 = 2;

/// The register of log files, by content. `recorded` is 0 until something of the file counts; `kinds` is 0 of what an
/// earlier program read: it is then of the kind `source` alone.
pub(super) static FILES: Table = Table {
    name: "hunt_files",
    kind: TableKind::Local,
    columns: &[
        "id",
        "path",
        "sha256",
        "head_sha256",
        "size",
        "state",
        "lines",
        "unread_lines",
        "findings",
        "first_time",
        "last_time",
        "scanner_version",
        "recorded",
        "source",
        "log_source",
        "packed",
        "counted_to",
        "merged",
        "unread",
        "days",
        "gap_start",
        "gap_seconds",
        "skew_seconds",
        "backward_jumps",
        "reader_version",
        "set_version",
        "worker",
        "fault",
        "zone",
        "content_sha256",
        "content_size",
        "packed_path",
        "times_asked",
        "times_untimed",
        "times_set_apart",
        "kinds",
    ],
    sqlite: &[
        "CREATE TABLE hunt_files (
            id INTEGER PRIMARY KEY, path TEXT NOT NULL, sha256 BLOB NOT NULL, head_sha256 BLOB NOT NULL,
            size INTEGER NOT NULL, state INTEGER NOT NULL, lines INTEGER NOT NULL, unread_lines INTEGER NOT NULL,
            findings INTEGER NOT NULL, first_time INTEGER, last_time INTEGER, scanner_version INTEGER NOT NULL,
            recorded INTEGER NOT NULL, source INTEGER NOT NULL DEFAULT 0, log_source TEXT NOT NULL DEFAULT '',
            packed INTEGER NOT NULL DEFAULT 0, counted_to INTEGER NOT NULL DEFAULT 0,
            merged INTEGER NOT NULL DEFAULT 0, unread TEXT NOT NULL DEFAULT '', days BLOB NOT NULL DEFAULT x'',
            gap_start INTEGER, gap_seconds INTEGER NOT NULL DEFAULT 0, skew_seconds INTEGER NOT NULL DEFAULT 0,
            backward_jumps INTEGER NOT NULL DEFAULT 0, reader_version INTEGER NOT NULL DEFAULT 0,
            set_version TEXT NOT NULL DEFAULT '', worker INTEGER NOT NULL DEFAULT 0, fault TEXT NOT NULL DEFAULT '',
            zone TEXT NOT NULL DEFAULT '', content_sha256 BLOB NOT NULL DEFAULT x'',
            content_size INTEGER NOT NULL DEFAULT 0, packed_path TEXT NOT NULL DEFAULT '',
            times_asked INTEGER NOT NULL DEFAULT 0, times_untimed INTEGER NOT NULL DEFAULT 0,
            times_set_apart INTEGER NOT NULL DEFAULT 0, kinds INTEGER NOT NULL DEFAULT 0
        ) STRICT",
        "CREATE UNIQUE INDEX hunt_files_content ON hunt_files (sha256, size) WHERE state > 0",
        "CREATE INDEX hunt_files_path ON hunt_files (path)",
        "CREATE INDEX hunt_files_held ON hunt_files (content_sha256)",
        "CREATE INDEX hunt_files_head ON hunt_files (head_sha256)",
    ],
    postgres: &[
        r#"CREATE TABLE hunt_files (
            id BIGINT PRIMARY KEY, path TEXT COLLATE "C" NOT NULL, sha256 BYTEA NOT NULL, head_sha256 BYTEA NOT NULL,
            size BIGINT NOT NULL, state BIGINT NOT NULL, lines BIGINT NOT NULL, unread_lines BIGINT NOT NULL,
            findings BIGINT NOT NULL, first_time BIGINT, last_time BIGINT, scanner_version BIGINT NOT NULL,
            recorded BIGINT NOT NULL, source BIGINT NOT NULL DEFAULT 0, log_source TEXT COLLATE "C" NOT NULL DEFAULT '',
            packed BIGINT NOT NULL DEFAULT 0, counted_to BIGINT NOT NULL DEFAULT 0,
            merged BIGINT NOT NULL DEFAULT 0, unread TEXT COLLATE "C" NOT NULL DEFAULT '', days BYTEA NOT NULL DEFAULT '',
            gap_start BIGINT, gap_seconds BIGINT NOT NULL DEFAULT 0, skew_seconds BIGINT NOT NULL DEFAULT 0,
            backward_jumps BIGINT NOT NULL DEFAULT 0, reader_version BIGINT NOT NULL DEFAULT 0,
            set_version TEXT COLLATE "C" NOT NULL DEFAULT '', worker BIGINT NOT NULL DEFAULT 0,
            fault TEXT COLLATE "C" NOT NULL DEFAULT '', zone TEXT COLLATE "C" NOT NULL DEFAULT '',
            content_sha256 BYTEA NOT NULL DEFAULT '', content_size BIGINT NOT NULL DEFAULT 0,
            packed_path TEXT COLLATE "C" NOT NULL DEFAULT '', times_asked BIGINT NOT NULL DEFAULT 0,
            times_untimed BIGINT NOT NULL DEFAULT 0, times_set_apart BIGINT NOT NULL DEFAULT 0,
            kinds BIGINT NOT NULL DEFAULT 0
        )"#,
        "CREATE UNIQUE INDEX hunt_files_content ON hunt_files (sha256, size) WHERE state > 0",
        "CREATE INDEX hunt_files_path ON hunt_files USING hash (path)",
        "CREATE INDEX hunt_files_held ON hunt_files (content_sha256)",
        "CREATE INDEX hunt_files_head ON hunt_files (head_sha256)",
    ],
};

/// Findings, each once for a file, place and indicator. What an earlier program recorded tells neither host nor
/// account, kind of log nor why it was kept. `owed` is 0 once people were told: by a notice, or by a hunt without one that
/// came to its end. Until then it is the number of the process that found it last, [`NOBODYS`] where that is to tell
/// nobody.
static FINDINGS: Table = Table {
    name: "hunt_findings",
    kind: TableKind::Local,
    columns: &[
        "file",
        "byte_offset",
        "indicator",
        "value",
        "kind",
        "line",
        "time",
        "text",
        "lossy",
        "clipped",
        "host",
        "account",
        "source",
        "kept",
        "owed",
    ],
    sqlite: &[
        "CREATE TABLE hunt_findings (
            file INTEGER NOT NULL, byte_offset INTEGER NOT NULL, indicator TEXT NOT NULL, value TEXT NOT NULL,
            kind INTEGER NOT NULL, line INTEGER NOT NULL, time INTEGER, text TEXT NOT NULL, lossy INTEGER NOT NULL,
            clipped INTEGER NOT NULL DEFAULT 0, host TEXT, account TEXT, source INTEGER NOT NULL DEFAULT 0,
            kept TEXT NOT NULL DEFAULT '', owed INTEGER NOT NULL DEFAULT 2,
            PRIMARY KEY (file, byte_offset, indicator, value)
        ) STRICT, WITHOUT ROWID",
        "CREATE INDEX hunt_findings_owed ON hunt_findings (owed) WHERE owed <> 0",
    ],
    postgres: &[
        r#"CREATE TABLE hunt_findings (
            file BIGINT NOT NULL, byte_offset BIGINT NOT NULL, indicator TEXT COLLATE "C" NOT NULL, value TEXT COLLATE "C" NOT NULL,
            kind BIGINT NOT NULL, line BIGINT NOT NULL, time BIGINT, text TEXT COLLATE "C" NOT NULL, lossy BIGINT NOT NULL,
            clipped BIGINT NOT NULL DEFAULT 0, host TEXT COLLATE "C", account TEXT COLLATE "C",
            source BIGINT NOT NULL DEFAULT 0, kept TEXT COLLATE "C" NOT NULL DEFAULT '',
            owed BIGINT NOT NULL DEFAULT 2
        )"#,
        "CREATE UNIQUE INDEX hunt_findings_once ON hunt_findings
         (file, byte_offset, indicator, sha256(decode(replace(value, '\\', '\\\\'), 'escape')))",
        "CREATE INDEX hunt_findings_owed ON hunt_findings (owed) WHERE owed <> 0",
    ],
};

/// The runs that count, and those that were set aside as damaged (`state` 2) until their files were hunted
/// again. `files` are the ids of the files whose observables it holds.
pub(super) static RUNS: Table = Table {
    name: "hunt_runs",
    kind: TableKind::Local,
    columns: &[
        "folder",
        "name",
        "level",
        "month",
        "source",
        "kinds",
        "row_count",
        "bytes",
        "checks",
        "filter_at",
        "filter_bytes",
        "files",
        "state",
        "made",
    ],
    sqlite: &["CREATE TABLE hunt_runs (
            folder TEXT NOT NULL, name TEXT NOT NULL, level INTEGER NOT NULL, month INTEGER NOT NULL,
            source INTEGER NOT NULL, kinds INTEGER NOT NULL, row_count INTEGER NOT NULL, bytes INTEGER NOT NULL,
            checks BLOB NOT NULL, filter_at INTEGER NOT NULL, filter_bytes INTEGER NOT NULL, files BLOB NOT NULL,
            state INTEGER NOT NULL, made INTEGER NOT NULL, PRIMARY KEY (folder, name)
        ) STRICT"],
    postgres: &[r#"CREATE TABLE hunt_runs (
            folder TEXT COLLATE "C" NOT NULL, name TEXT COLLATE "C" NOT NULL, level BIGINT NOT NULL, month BIGINT NOT NULL,
            source BIGINT NOT NULL, kinds BIGINT NOT NULL, row_count BIGINT NOT NULL, bytes BIGINT NOT NULL,
            checks BYTEA NOT NULL, filter_at BIGINT NOT NULL, filter_bytes BIGINT NOT NULL, files BYTEA NOT NULL,
            state BIGINT NOT NULL, made BIGINT NOT NULL, PRIMARY KEY (folder, name)
        )"#],
};

/// What retention took away: it was there, which is another answer than that it never was.
pub(super) static DROPPED: Table = Table {
    name: "hunt_dropped",
    kind: TableKind::Local,
    columns: &["month", "kind", "source", "row_count", "dropped"],
    sqlite: &["CREATE TABLE hunt_dropped (
            month INTEGER NOT NULL, kind INTEGER NOT NULL, source INTEGER NOT NULL, row_count INTEGER NOT NULL,
            dropped INTEGER NOT NULL, PRIMARY KEY (month, kind, source)
        ) STRICT, WITHOUT ROWID"],
    postgres: &["CREATE TABLE hunt_dropped (
            month BIGINT NOT NULL, kind BIGINT NOT NULL, source BIGINT NOT NULL, row_count BIGINT NOT NULL,
            dropped BIGINT NOT NULL, PRIMARY KEY (month, kind, source)
        )"],
};

/// What was erased at somebody's wish, and when last: kind and keyed hash, never the value.
pub(super) static FORGOTTEN: Table = Table {
    name: "hunt_forgotten",
    kind: TableKind::Local,
    columns: &["name", "time"],
    sqlite: &[
        "CREATE TABLE hunt_forgotten (name TEXT PRIMARY KEY, time INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    ],
    postgres: &[r#"CREATE TABLE hunt_forgotten (name TEXT COLLATE "C" PRIMARY KEY, time BIGINT NOT NULL)"#],
};

/// Logs that are expected, and how often.
pub(super) static SOURCES: Table = Table {
    name: "hunt_sources",
    kind: TableKind::Local,
    columns: &["name", "source", "pattern", "cadence", "since_day"],
    sqlite: &["CREATE TABLE hunt_sources (
            name TEXT PRIMARY KEY, source INTEGER NOT NULL, pattern TEXT NOT NULL, cadence INTEGER NOT NULL,
            since_day INTEGER
        ) STRICT, WITHOUT ROWID"],
    postgres: &[r#"CREATE TABLE hunt_sources (
            name TEXT COLLATE "C" PRIMARY KEY, source BIGINT NOT NULL, pattern TEXT COLLATE "C" NOT NULL,
            cadence BIGINT NOT NULL, since_day BIGINT
        )"#],
};

/// What is kept, and for how many months.
pub(super) static SETTINGS: Table = Table {
    name: "hunt_settings",
    kind: TableKind::Local,
    columns: &["name", "value"],
    sqlite: &[
        "CREATE TABLE hunt_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    ],
    postgres: &[
        r#"CREATE TABLE hunt_settings (name TEXT COLLATE "C" PRIMARY KEY, value TEXT COLLATE "C" NOT NULL)"#,
    ],
};

/// Who asked the history for what, and why.
pub(super) static AUDIT: Table = Table {
    name: "hunt_audit",
    kind: TableKind::Local,
    columns: &["id", "time", "who", "act", "what", "purpose", "outcome"],
    sqlite: &["CREATE TABLE hunt_audit (
            id INTEGER PRIMARY KEY, time INTEGER NOT NULL, who TEXT NOT NULL, act TEXT NOT NULL, what TEXT NOT NULL,
            purpose TEXT NOT NULL, outcome TEXT NOT NULL
        ) STRICT"],
    postgres: &[r#"CREATE TABLE hunt_audit (
            id BIGINT PRIMARY KEY, time BIGINT NOT NULL, who TEXT COLLATE "C" NOT NULL, act TEXT COLLATE "C" NOT NULL,
            what TEXT COLLATE "C" NOT NULL, purpose TEXT COLLATE "C" NOT NULL, outcome TEXT COLLATE "C" NOT NULL
        )"#],
};
