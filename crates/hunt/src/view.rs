// SPDX-License-Identifier: Apache-2.0
//! The view of the indicators that the node holds as records.

use ledger::sql::{EngineError, Table, TableKind, Tx, Value};
use ledger::view::{Body, Record, View};
use model::id::type_code;
use model::time::Timestamp;

use crate::indicator::Reading;
use crate::standard::read_object;

/// Values of the indicators among the records, by the record that says them.
#[derive(Clone, Copy, Debug, Default)]
pub struct IndicatorView;

/// One row for each value; a version that says nothing to hunt for (revoked, or not supported) has one row
/// of kind 0, because it ends what older versions say.
static INDICATORS: Table = Table {
    name: "hunt_indicators",
    kind: TableKind::View,
    columns: &[
        "seq",
        "part",
        "subject",
        "id",
        "version",
        "kind",
        "value",
        "mode",
        "name",
        "valid_from",
        "valid_until",
    ],
    sqlite: &[
        "CREATE TABLE hunt_indicators (
            seq INTEGER NOT NULL, part INTEGER NOT NULL, subject BLOB NOT NULL, id TEXT NOT NULL,
            version INTEGER NOT NULL, kind INTEGER NOT NULL, value BLOB NOT NULL, mode INTEGER NOT NULL,
            name TEXT NOT NULL, valid_from INTEGER, valid_until INTEGER,
            PRIMARY KEY (seq, part)
        ) STRICT, WITHOUT ROWID",
        "CREATE INDEX hunt_indicators_subject ON hunt_indicators (subject, version, seq)",
    ],
    postgres: &[
        r#"CREATE TABLE hunt_indicators (
            seq BIGINT NOT NULL, part BIGINT NOT NULL, subject BYTEA NOT NULL, id TEXT COLLATE "C" NOT NULL,
            version BIGINT NOT NULL, kind BIGINT NOT NULL, value BYTEA NOT NULL, mode BIGINT NOT NULL,
            name TEXT COLLATE "C" NOT NULL, valid_from BIGINT, valid_until BIGINT,
            PRIMARY KEY (seq, part)
        )"#,
        "CREATE INDEX hunt_indicators_subject ON hunt_indicators (subject, version, seq)",
    ],
};

/// Patterns that are more than equality. Which version of an indicator counts, its rows in `hunt_indicators` tell.
static PATTERNS: Table = Table {
    name: "hunt_patterns",
    kind: TableKind::View,
    columns: &["seq", "part", "subject", "id", "version", "pattern", "name", "valid_from", "valid_until"],
    sqlite: &["CREATE TABLE hunt_patterns (
            seq INTEGER NOT NULL, part INTEGER NOT NULL, subject BLOB NOT NULL, id TEXT NOT NULL,
            version INTEGER NOT NULL, pattern BLOB NOT NULL, name TEXT NOT NULL, valid_from INTEGER,
            valid_until INTEGER, PRIMARY KEY (seq, part)
        ) STRICT, WITHOUT ROWID"],
    postgres: &[r#"CREATE TABLE hunt_patterns (
            seq BIGINT NOT NULL, part BIGINT NOT NULL, subject BYTEA NOT NULL, id TEXT COLLATE "C" NOT NULL,
            version BIGINT NOT NULL, pattern BYTEA NOT NULL, name TEXT COLLATE "C" NOT NULL, valid_from BIGINT,
            valid_until BIGINT, PRIMARY KEY (seq, part)
        )"#],
};

/// When values of an indicator are legitimate, as JSON.
static CONDITIONS: Table = Table {
    name: "hunt_conditions",
    kind: TableKind::View,
    columns: &["seq", "part", "subject", "id", "version", "condition"],
    sqlite: &["CREATE TABLE hunt_conditions (
            seq INTEGER NOT NULL, part INTEGER NOT NULL, subject BLOB NOT NULL, id TEXT NOT NULL,
            version INTEGER NOT NULL, condition BLOB NOT NULL, PRIMARY KEY (seq, part)
        ) STRICT, WITHOUT ROWID"],
    postgres: &[r#"CREATE TABLE hunt_conditions (
            seq BIGINT NOT NULL, part BIGINT NOT NULL, subject BYTEA NOT NULL, id TEXT COLLATE "C" NOT NULL,
            version BIGINT NOT NULL, condition BYTEA NOT NULL, PRIMARY KEY (seq, part)
        )"#],
};

/// What could not be used of which record.
static SKIPPED: Table = Table {
    name: "hunt_skipped",
    kind: TableKind::View,
    columns: &["seq", "part", "code"],
    sqlite: &["CREATE TABLE hunt_skipped (
            seq INTEGER NOT NULL, part INTEGER NOT NULL, code TEXT NOT NULL, PRIMARY KEY (seq, part)
        ) STRICT, WITHOUT ROWID"],
    postgres: &[r#"CREATE TABLE hunt_skipped (
            seq BIGINT NOT NULL, part BIGINT NOT NULL, code TEXT COLLATE "C" NOT NULL, PRIMARY KEY (seq, part)
        )"#],
};

static TABLES: &[&Table] = &[&INDICATORS, &PATTERNS, &CONDITIONS, &SKIPPED];

/// What a record yields.
struct Derived<'a> {
    record: &'a Record<'a>,
    reading: Reading,
}

impl View for IndicatorView {
    fn name(&self) -> &'static str {
        "hunt_indicators"
    }

    fn version(&self) -> i64 {
        2
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn skipped(&self) -> Option<&'static str> {
        Some("SELECT code, count(DISTINCT seq) FROM hunt_skipped GROUP BY code ORDER BY code")
    }

    fn apply(&self, tx: &mut dyn Tx, records: &[Record<'_>]) -> Result<(), EngineError> {
        let mut derived = Vec::new();
        for record in records.iter().filter(|record| is_indicator(record)) {
            match record.body {
                Body::Present(body) => {
                    derived.push(Derived { record, reading: read_object(body) });
                }
                Body::Erased => {
                    // The record may be of this batch.
                    derived.retain(|d| d.record.seq != record.seq);
                    for sql in [
                        "DELETE FROM hunt_indicators WHERE seq = ?1",
                        "DELETE FROM hunt_patterns WHERE seq = ?1",
                        "DELETE FROM hunt_conditions WHERE seq = ?1",
                        "DELETE FROM hunt_skipped WHERE seq = ?1",
                    ] {
                        tx.execute(sql, &[Value::Int(record.seq)])?;
                    }
                }
            }
        }
        insert_indicators(tx, &derived)?;
        insert_patterns(tx, &derived)?;
        insert_conditions(tx, &derived)?;
        tx.insert_many(&SKIPPED, &mut |push| {
            for d in &derived {
                for (part, said) in (0..).zip(&d.reading.diagnostics) {
                    push(&[Value::Int(d.record.seq), Value::Int(part), Value::Text(said.code)])?;
                }
            }
            Ok(())
        })
    }
}

fn is_indicator(record: &Record<'_>) -> bool {
    record.head.kind.is_stix() && Some(record.subject.type_code()) == type_code("indicator")
}

fn insert_indicators(tx: &mut dyn Tx, derived: &[Derived<'_>]) -> Result<(), EngineError> {
    tx.insert_many(&INDICATORS, &mut |push| {
        for Derived { record, reading } in derived {
            let indicators = &reading.indicators;
            let mut row =
                |part: i64, kind: i64, value: &[u8], mode: i64, name: &str, times: [Option<Timestamp>; 2]| {
                    let [from, until] = times.map(|time| Value::int_or_null(time.map(Timestamp::micros)));
                    push(&[
                        Value::Int(record.seq),
                        Value::Int(part),
                        Value::Blob(&record.subject.0),
                        Value::Text(record.id),
                        Value::Int(record.version.micros()),
                        Value::Int(kind),
                        Value::Blob(value),
                        Value::Int(mode),
                        Value::Text(name),
                        from,
                        until,
                    ])
                };
            if indicators.is_empty() {
                row(0, 0, &[], 0, "", [None, None])?;
            }
            for (part, i) in (0..).zip(indicators) {
                let name = i.name.replace('\0', "\u{FFFD}");
                let times = [i.valid_from, i.valid_until];
                row(part, i.observable.kind().code(), i.observable.canonical(), i.mode.code(), &name, times)?;
            }
        }
        Ok(())
    })
}

fn insert_patterns(tx: &mut dyn Tx, derived: &[Derived<'_>]) -> Result<(), EngineError> {
    tx.insert_many(&PATTERNS, &mut |push| {
        for Derived { record, reading } in derived {
            for (part, indicator) in (0..).zip(&reading.patterns) {
                let (pattern, name) =
                    (indicator.pattern.to_string(), indicator.name.replace('\0', "\u{FFFD}"));
                let times = [indicator.valid_from, indicator.valid_until];
                let [from, until] = times.map(|time| Value::int_or_null(time.map(Timestamp::micros)));
                push(&[
                    Value::Int(record.seq),
                    Value::Int(part),
                    Value::Blob(&record.subject.0),
                    Value::Text(record.id),
                    Value::Int(record.version.micros()),
                    Value::Blob(pattern.as_bytes()),
                    Value::Text(&name),
                    from,
                    until,
                ])?;
            }
        }
        Ok(())
    })
}

fn insert_conditions(tx: &mut dyn Tx, derived: &[Derived<'_>]) -> Result<(), EngineError> {
    tx.insert_many(&CONDITIONS, &mut |push| {
        for Derived { record, reading } in derived {
            for (part, condition) in (0..).zip(&reading.conditions) {
                let condition = condition.to_json().to_string();
                push(&[
                    Value::Int(record.seq),
                    Value::Int(part),
                    Value::Blob(&record.subject.0),
                    Value::Text(record.id),
                    Value::Int(record.version.micros()),
                    Value::Blob(condition.as_bytes()),
                ])?;
            }
        }
        Ok(())
    })
}
