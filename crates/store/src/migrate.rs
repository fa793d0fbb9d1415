// SPDX-License-Identifier: Apache-2.0
//! The format of a database: making it, checking it, bringing it forward.

use std::path::Path;

use ledger::schema::TABLES;
use ledger::sql::{EngineError, Table, Tx};
use rusqlite::Connection;

use crate::open::{OpenError, Schema, in_transaction};
use crate::sqlite::{Session, engine_error};
use crate::views::{Standing, UNUSABLE, exists, missing, note, standing};

/// "PLDR" in the header of the file.
const APPLICATION_ID: i64 = 0x504C_4452;

/// A step forward of records and local state, from the format before it. Views have none: they are rebuilt.
/// A step that was released is never changed.
pub(crate) struct Step {
    /// What it does, for whoever waits for it.
    what: &'static str,
    work: Work,
}

enum Work {
    /// Statements, one after the other.
    Sqlite(&'static [&'static str]),
    /// Statements for a table of a room's local state, which a program without that room does not have.
    SqliteLocal(&'static str, &'static [&'static str]),
    /// What statements cannot say. Tells how much of how much it has done.
    Code(Code),
}

type Code = fn(&mut dyn Tx, &mut dyn FnMut(u64, u64)) -> Result<(), EngineError>;

/// All steps: the first leads from format 1 to format 2. Adding one here makes the next format.
pub(crate) static STEPS: &[Step] = &[
    Step {
        what: "views note how far they have taken records in",
        work: Work::Sqlite(&[
            "ALTER TABLE views ADD COLUMN cursor INTEGER NOT NULL DEFAULT 0",
            "UPDATE views SET cursor = (SELECT coalesce(max(seq), 0) FROM records)",
        ]),
    },
    Step {
        what: "records can be narrowed and withdrawn",
        work: Work::Sqlite(&[
            "ALTER TABLE records ADD COLUMN committed INTEGER",
            "CREATE TABLE refs (subject BLOB NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (subject, seq)) \
             STRICT, WITHOUT ROWID",
            "CREATE INDEX refs_by_seq ON refs (seq)",
            "CREATE TABLE tombstones (mac BLOB PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID",
            // A constraint cannot be taken off a table: audiences that name many are too long for its index.
            "CREATE TABLE audiences_3 (id INTEGER PRIMARY KEY, author BLOB NOT NULL, kind INTEGER NOT NULL, \
             marking INTEGER NOT NULL, spec TEXT NOT NULL) STRICT",
            "INSERT INTO audiences_3 SELECT id, author, kind, marking, spec FROM audiences",
            "DROP TABLE audiences",
            "ALTER TABLE audiences_3 RENAME TO audiences",
        ]),
    },
    Step {
        what: "tokens name persons, and say what they may do",
        work: Work::SqliteLocal(
            "tokens",
            &[
                "ALTER TABLE tokens ADD COLUMN person TEXT",
                "ALTER TABLE tokens ADD COLUMN rights INTEGER NOT NULL DEFAULT 1",
            ],
        ),
    },
    Step { what: "what refers to an observable is found", work: Work::Code(ledger::refs::fill) },
];

/// Newest format of records and local state.
pub(crate) const FORMAT: i64 = 1 + STEPS.len() as i64;

/// Where a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrating {
    /// Format that the database gets by the step.
    pub format: i64,
    /// What the step does.
    pub what: &'static str,
    /// Part of the step that is done, of how much.
    pub done: (u64, u64),
}

/// All tables, in the order in which they are made.
pub(crate) fn tables(schema: &Schema) -> impl Iterator<Item = &'static Table> {
    let views = schema.views.iter().flat_map(|v| v.tables().iter().copied());
    TABLES.iter().copied().chain(views.collect::<Vec<_>>()).chain(schema.local.clone())
}

/// Fills an empty database.
pub(crate) fn create(connection: &Connection, schema: &Schema) -> Result<(), EngineError> {
    let fault = |e| engine_error("mark the database", e);
    in_transaction(connection, "BEGIN IMMEDIATE", |tx| {
        tx.0.pragma_update(None, "application_id", APPLICATION_ID).map_err(fault)?;
        tx.0.pragma_update(None, "user_version", FORMAT).map_err(fault)?;
        tx.execute(
            "CREATE TABLE views (name TEXT PRIMARY KEY, version INTEGER NOT NULL, cursor INTEGER NOT NULL DEFAULT 0) \
             STRICT, WITHOUT ROWID",
            &[],
        )?;
        tables(schema).try_for_each(|table| make(tx, table))?;
        let empty = |view: &dyn ledger::view::View| Standing { version: view.version(), cursor: 0 };
        schema.views.iter().try_for_each(|view| note(tx, view.name(), empty(view.as_ref())))
    })
}

/// Whether the file is ours, and its format.
pub(crate) fn format(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let pragma = |name: &str| {
        connection
            .query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
            .map_err(|e| engine_error(&format!("read {name} of {}", path.display()), e))
    };
    if pragma("application_id")? != APPLICATION_ID {
        return Err(OpenError::NotOurs(path.to_owned()));
    }
    Ok(pragma("user_version")?)
}

/// Whether the file is ours and of the format that this program writes.
pub(crate) fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let (found, known, path) = (format(connection, path)?, FORMAT, path.to_owned());
    match found.cmp(&known) {
        std::cmp::Ordering::Less => Err(OpenError::Older { path, found, known }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(OpenError::Newer { path, found, known }),
    }
}

/// Brings a database of an earlier format forward, all steps in one transaction.
pub(crate) fn forward(
    connection: &Connection,
    steps: &[Step],
    path: &Path,
    told: &mut dyn FnMut(Migrating),
) -> Result<(), OpenError> {
    in_transaction(connection, "BEGIN IMMEDIATE", |tx| {
        // Read here: another process may have done it meanwhile.
        let found = format(tx.0, path)?;
        for (format, step) in (2..).zip(steps).filter(|(format, _)| *format > found) {
            let what = step.what;
            told(Migrating { format, what, done: (0, 1) });
            match step.work {
                Work::Sqlite(all) => run_all(tx, all)?,
                Work::SqliteLocal(table, all) => {
                    if exists(tx, table)? {
                        run_all(tx, all)?;
                    }
                }
                Work::Code(run) => {
                    run(tx, &mut |done, of| told(Migrating { format, what, done: (done, of) }))?
                }
            }
            let fault = |e| engine_error("mark the database", e);
            tx.0.pragma_update(None, "user_version", format).map_err(fault)?;
        }
        Ok(())
    })
}

fn run_all(tx: &mut dyn Tx, all: &[&'static str]) -> Result<(), EngineError> {
    all.iter().try_for_each(|sql| tx.execute(sql, &[]).map(|_| ()))
}

/// Makes tables of local state that are new, and notes views that are new or lack a table, so that they
/// are rebuilt. Nothing is written when nothing changed.
pub(crate) fn bring_up(connection: &Connection, schema: &Schema) -> Result<(), EngineError> {
    let mut session = Session(connection);
    let mut unusable = Vec::new();
    for view in &schema.views {
        let unknown = match standing(&mut session, view.name())? {
            None => true,
            Some(found) => {
                found.version == view.version() && !missing(&mut session, view.tables())?.is_empty()
            }
        };
        if unknown {
            unusable.push(view.name());
        }
    }
    let mut absent = Vec::new();
    for table in &schema.local {
        if !exists(&mut session, table.name)? {
            absent.push(*table);
        }
    }
    if unusable.is_empty() && absent.is_empty() {
        return Ok(());
    }
    in_transaction(connection, "BEGIN IMMEDIATE", |tx| {
        absent.into_iter().try_for_each(|table| make(tx, table))?;
        let row = Standing { version: UNUSABLE, cursor: 0 };
        unusable.into_iter().try_for_each(|name| note(tx, name, row))
    })
}

fn make(tx: &mut Session<'_>, table: &Table) -> Result<(), EngineError> {
    table.sqlite.iter().try_for_each(|sql| {
        tx.0.execute_batch(sql).map_err(|e| engine_error(&format!("make {}", table.name), e))
    })
}

#[cfg(test)]
mod tests {
    use ledger::sql::{Flow, Read, Value};

    use super::*;

    fn at_format_1() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "PRAGMA application_id = 0x504C4452; PRAGMA user_version = 1;
                 CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
                 INSERT INTO notes VALUES (1, 'a'), (2, 'b');",
            )
            .unwrap();
        connection
    }

    /// Doubles each text, to show that code runs and tells.
    fn doubled(tx: &mut dyn Tx, told: &mut dyn FnMut(u64, u64)) -> Result<(), EngineError> {
        let mut ids = Vec::new();
        tx.query("SELECT id FROM notes ORDER BY id", &[], &mut |row| {
            ids.push(row.int(0)?);
            Ok(Flow::Continue)
        })?;
        for (nth, id) in (1..).zip(&ids) {
            tx.execute("UPDATE notes SET text = text || text WHERE id = ?1", &[Value::Int(*id)])?;
            told(nth, ids.len() as u64);
        }
        Ok(())
    }

    const ADD: Step = Step {
        what: "notes have colours",
        work: Work::Sqlite(&["ALTER TABLE notes ADD COLUMN colour INTEGER NOT NULL DEFAULT 3"]),
    };
    const DOUBLE: Step = Step { what: "texts are doubled", work: Work::Code(doubled) };
    const BROKEN: Step = Step {
        what: "breaks",
        work: Work::Sqlite(&["UPDATE notes SET text = ''", "UPDATE nothing SET a = 1"]),
    };

    fn texts(connection: &Connection) -> Vec<String> {
        let mut texts = Vec::new();
        Session(connection)
            .query("SELECT text FROM notes ORDER BY id", &[], &mut |row| {
                texts.push(row.text(0)?.to_owned());
                Ok(Flow::Continue)
            })
            .unwrap();
        texts
    }

    #[test]
    fn steps_run_once_and_in_order() {
        let connection = at_format_1();
        let (path, mut told) = (Path::new("x"), Vec::new());
        forward(&connection, &[ADD], path, &mut |_| {}).unwrap();
        forward(&connection, &[ADD, DOUBLE], path, &mut |at| told.push((at.format, at.done))).unwrap();
        assert_eq!(told, [(3, (0, 1)), (3, (1, 2)), (3, (2, 2))], "format 2 was there already");
        assert_eq!(texts(&connection), ["aa", "bb"]);
        assert_eq!(format(&connection, path).unwrap(), 3);
        forward(&connection, &[ADD, DOUBLE], path, &mut |_| panic!("there is nothing to do")).unwrap();
    }

    #[test]
    fn a_step_that_fails_leaves_everything_as_it_was() {
        let connection = at_format_1();
        assert!(forward(&connection, &[ADD, DOUBLE, BROKEN], Path::new("x"), &mut |_| {}).is_err());
        assert_eq!(
            (texts(&connection), format(&connection, Path::new("x")).unwrap()),
            (vec!["a".into(), "b".into()], 1)
        );
    }

    /// A database that was brought forward has the same tables as one that is made today.
    #[test]
    fn forward_leads_to_what_is_made_today() {
        let connection = Connection::open_in_memory().unwrap();
        create(&connection, &Schema::default()).unwrap();
        let columns = |connection: &Connection| {
            let mut statement = connection
                .prepare("SELECT m.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_schema m, pragma_table_info(m.name) c ORDER BY 1, 2")
                .unwrap();
            let rows = statement.query_map([], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, String>(2)?,
                    row.get::<_, i64>(3)?,
                    row.get::<_, i64>(4)?,
                ))
            });
            rows.unwrap().map(Result::unwrap).collect::<Vec<_>>()
        };
        let today = columns(&connection);
        let old = Connection::open_in_memory().unwrap();
        old.execute_batch(include_str!("../tests/golden/format-1.sql")).unwrap();
        forward(&old, STEPS, Path::new("x"), &mut |_| {}).unwrap();
        assert_eq!(columns(&old), today);
        assert_eq!(format(&old, Path::new("x")).unwrap(), FORMAT);
    }
}
