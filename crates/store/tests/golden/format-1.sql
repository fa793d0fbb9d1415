-- The ledger's tables of format 1, as its program made them. Never edited.
PRAGMA application_id = 0x504C4452;
PRAGMA user_version = 1;
CREATE TABLE views (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE audiences (
        id INTEGER PRIMARY KEY, author BLOB NOT NULL, kind INTEGER NOT NULL, marking INTEGER NOT NULL,
        spec TEXT NOT NULL, UNIQUE (author, kind, marking, spec)) STRICT;
CREATE TABLE records (
        seq INTEGER PRIMARY KEY, log INTEGER NOT NULL, idx INTEGER NOT NULL, time INTEGER NOT NULL,
        audience INTEGER NOT NULL, subject BLOB NOT NULL, id TEXT, version INTEGER NOT NULL,
        salts BLOB NOT NULL, entry BLOB NOT NULL) STRICT;
CREATE TABLE bodies (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE subjects (
        subject BLOB NOT NULL, version INTEGER NOT NULL, seq INTEGER NOT NULL, audience INTEGER NOT NULL,
        revoked INTEGER NOT NULL, PRIMARY KEY (subject, version, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE logs (
        id INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, time INTEGER NOT NULL) STRICT;
CREATE TABLE tiles (
        log INTEGER NOT NULL, level INTEGER NOT NULL, tile INTEGER NOT NULL, hashes BLOB NOT NULL,
        PRIMARY KEY (log, level, tile)) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoints (
        log INTEGER NOT NULL, size INTEGER NOT NULL, kept INTEGER NOT NULL, note TEXT NOT NULL,
        PRIMARY KEY (log, size)) STRICT, WITHOUT ROWID;
