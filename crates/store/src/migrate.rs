// SPDX-License-Identifier: Apache-2.0
//! The format of a database: making it, checking it, bringing it forward.

use ledger::schema::TABLES;
use ledger::sql::{EngineError, Table, TableKind, Tx};

use crate::engine::{Engine, Found};
use crate::open::{OpenError, Place, Schema};
use crate::views::{Standing, UNUSABLE, last_seq, missing, note, standing};

/// Where each view stands.
static VIEWS: Table = Table {
    name: "views",
    kind: TableKind::Local,
    columns: &["name", "version", "cursor"],
    sqlite: &["CREATE TABLE views (name TEXT PRIMARY KEY, version INTEGER NOT NULL, \
         cursor INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID"],
    postgres: &[r#"CREATE TABLE views (name TEXT COLLATE "C" PRIMARY KEY, version BIGINT NOT NULL,
         cursor BIGINT NOT NULL DEFAULT 0)"#],
};

/// A step forward of records and local state, from the format before it. Views have none: they are rebuilt.
/// A step that was released is never changed.
pub(crate) struct Step {
    /// What it does, for whoever waits for it.
    what: &'static str,
    work: Work,
}

enum Work {
    /// Statements, one after the other.
    Statements { sqlite: &'static [&'static str], postgres: &'static [&'static str] },
    /// Statements for a table of a room's local state, which a program without that room does not have.
    Local { table: &'static str, sqlite: &'static [&'static str], postgres: &'static [&'static str] },
    /// What statements cannot say. Tells how much of how much it has done.
    Code(Code),
}

type Code = fn(&mut dyn Tx, &mut dyn FnMut(u64, u64)) -> Result<(), EngineError>;

/// On PostgreSQL there is no database of a format before 5.
const NEVER_THERE: &[&str] = &[];

/// All steps: the first leads from format 1 to format 2. Adding one here makes the next format.
pub(crate) static STEPS: &[Step] = &[
    Step {
        what: "views note how far they have taken records in",
        work: Work::Statements {
            sqlite: &[
                "ALTER TABLE views ADD COLUMN cursor INTEGER NOT NULL DEFAULT 0",
                "UPDATE views SET cursor = (SELECT coalesce(max(seq), 0) FROM records)",
            ],
            postgres: NEVER_THERE,
        },
    },
    Step {
        what: "records can be narrowed and withdrawn",
        work: Work::Statements {
            sqlite: &[
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
            ],
            postgres: NEVER_THERE,
        },
    },
    Step {
        what: "tokens name persons, and say what they may do",
        work: Work::Local {
            table: "tokens",
            sqlite: &[
                "ALTER TABLE tokens ADD COLUMN person TEXT",
                "ALTER TABLE tokens ADD COLUMN rights INTEGER NOT NULL DEFAULT 1",
            ],
            postgres: NEVER_THERE,
        },
    },
    Step { what: "what refers to an observable is found", work: Work::Code(ledger::refs::fill) },
    Step {
        what: "authors' own signatures are kept",
        work: Work::Statements {
            sqlite: &["CREATE TABLE signatures (seq INTEGER PRIMARY KEY, signed INTEGER NOT NULL, \
                       widens INTEGER NOT NULL, signature BLOB NOT NULL) STRICT"],
            postgres: &["CREATE TABLE signatures (seq BIGINT PRIMARY KEY, signed BIGINT NOT NULL, \
                         widens BIGINT NOT NULL, signature BYTEA NOT NULL)"],
        },
    },
    Step {
        what: "the register of log files says what of them was read",
        work: Work::Local {
            table: "hunt_files",
            sqlite: REGISTER_GROWS_SQLITE,
            postgres: REGISTER_GROWS_POSTGRES,
        },
    },
    Step {
        what: "the history of observables moves to runs",
        // The room does that when it first opens the history, and then drops the table.
        work: Work::Local {
            table: "hunt_history",
            sqlite: &[
                "CREATE TABLE hunt_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
                "INSERT INTO hunt_settings VALUES ('old-history', '1')",
            ],
            postgres: &[
                r#"CREATE TABLE hunt_settings (name TEXT COLLATE "C" PRIMARY KEY, value TEXT COLLATE "C" NOT NULL)"#,
                "INSERT INTO hunt_settings VALUES ('old-history', '1')",
            ],
        },
    },
    Step {
        what: "what rules came to is counted by log",
        // Made anew as the room declares it; what was counted before counted repeated hunts again.
        work: Work::Local { table: "hunt_rule_counts", sqlite: COUNTS_BY_LOG, postgres: COUNTS_BY_LOG },
    },
    Step {
        what: "the register of log files says by which zone their times were read",
        work: Work::Local {
            table: "hunt_files",
            sqlite: &["ALTER TABLE hunt_files ADD COLUMN zone TEXT NOT NULL DEFAULT ''"],
            postgres: &[r#"ALTER TABLE hunt_files ADD COLUMN zone TEXT COLLATE "C" NOT NULL DEFAULT ''"#],
        },
    },
    Step {
        what: "findings keep host, account, kind of log and why they were kept",
        work: Work::Local {
            table: "hunt_findings",
            sqlite: FINDINGS_GROW_SQLITE,
            postgres: FINDINGS_GROW_POSTGRES,
        },
    },
    Step {
        what: "what was forgotten is known as such",
        // Until now only the audit said so, under the same keyed names.
        work: Work::Local {
            table: "hunt_audit",
            sqlite: &[
                "CREATE TABLE hunt_forgotten (name TEXT PRIMARY KEY, time INTEGER NOT NULL) STRICT, WITHOUT ROWID",
                FORGOTTEN_OF_AUDIT,
            ],
            postgres: &[
                r#"CREATE TABLE hunt_forgotten (name TEXT COLLATE "C" PRIMARY KEY, time BIGINT NOT NULL)"#,
                FORGOTTEN_OF_AUDIT,
            ],
        },
    },
    Step {
        what: "what hunts detected is kept",
        work: Work::Local {
            table: "hunt_outbox",
            sqlite: &[
                "CREATE TABLE hunt_detections (id BLOB PRIMARY KEY, indicator TEXT NOT NULL, level INTEGER NOT NULL, \
                 told INTEGER NOT NULL, body BLOB NOT NULL) STRICT",
                "CREATE TABLE hunt_sought (id INTEGER PRIMARY KEY, told INTEGER NOT NULL, body BLOB NOT NULL) STRICT",
            ],
            postgres: &[
                r#"CREATE TABLE hunt_detections (id BYTEA PRIMARY KEY, indicator TEXT COLLATE "C" NOT NULL,
                   level BIGINT NOT NULL, told BIGINT NOT NULL, body BYTEA NOT NULL)"#,
                "CREATE TABLE hunt_sought (id BIGINT PRIMARY KEY, told BIGINT NOT NULL, body BYTEA NOT NULL)",
            ],
        },
    },
    Step {
        what: "the register of log files knows a log that was packed since",
        work: Work::Local { table: "hunt_files", sqlite: CONTENT_SQLITE, postgres: CONTENT_POSTGRES },
    },
    Step {
        what: "notices keep what they name, so that what is taken back is not told",
        // Of those that wait nobody knows what they name; what they told can be told again.
        work: Work::Local {
            table: "hunt_outbox",
            sqlite: &[
                "ALTER TABLE hunt_outbox ADD COLUMN objects TEXT NOT NULL DEFAULT '[]'",
                "ALTER TABLE hunt_outbox ADD COLUMN bare_subject TEXT NOT NULL DEFAULT ''",
                "ALTER TABLE hunt_outbox ADD COLUMN bare BLOB NOT NULL DEFAULT x''",
                "UPDATE hunt_outbox SET state = 3, body = x'', digest = CAST('format ' || id AS BLOB), \
                 reason = 'an earlier program did not write down what it names; `polder finding report --notify` tells it anew' \
                 WHERE state = 0 OR state = 2",
            ],
            postgres: &[
                r#"ALTER TABLE hunt_outbox ADD COLUMN objects TEXT COLLATE "C" NOT NULL DEFAULT '[]',
                   ADD COLUMN bare_subject TEXT COLLATE "C" NOT NULL DEFAULT '',
                   ADD COLUMN bare BYTEA NOT NULL DEFAULT ''"#,
                "UPDATE hunt_outbox SET state = 3, body = '', digest = convert_to('format ' || id, 'UTF8'), \
                 reason = 'an earlier program did not write down what it names; `polder finding report --notify` tells it anew' \
                 WHERE state = 0 OR state = 2",
            ],
        },
    },
    Step {
        what: "the register of log files knows a log by its beginning, and what its lines tell of their times",
        work: Work::Local {
            table: "hunt_files",
            sqlite: HEAD_AND_TIMES_SQLITE,
            postgres: HEAD_AND_TIMES_POSTGRES,
        },
    },
    Step {
        what: "the register of log files says of what kinds the lines of a log are",
        work: Work::Local {
            table: "hunt_files",
            sqlite: &["ALTER TABLE hunt_files ADD COLUMN kinds INTEGER NOT NULL DEFAULT 0"],
            postgres: &["ALTER TABLE hunt_files ADD COLUMN kinds BIGINT NOT NULL DEFAULT 0"],
        },
    },
    Step {
        what: "findings say whether people were told of them",
        // Of those that are there nobody knows: they are told once more rather than never.
        work: Work::Local { table: "hunt_findings", sqlite: OWED_SQLITE, postgres: OWED_POSTGRES },
    },
    Step {
        what: "detections say whether people were told of them",
        work: Work::Local {
            table: "hunt_detections",
            sqlite: &["ALTER TABLE hunt_detections ADD COLUMN owed INTEGER NOT NULL DEFAULT 1"],
            postgres: &["ALTER TABLE hunt_detections ADD COLUMN owed BIGINT NOT NULL DEFAULT 1"],
        },
    },
];

const OWED_INDEX: &str = "CREATE INDEX hunt_findings_owed ON hunt_findings (owed) WHERE owed <> 0";

const OWED_SQLITE: &[&str] =
    &["ALTER TABLE hunt_findings ADD COLUMN owed INTEGER NOT NULL DEFAULT 2", OWED_INDEX];

const OWED_POSTGRES: &[&str] =
    &["ALTER TABLE hunt_findings ADD COLUMN owed BIGINT NOT NULL DEFAULT 2", OWED_INDEX];

const HEAD_INDEX: &str = "CREATE INDEX hunt_files_head ON hunt_files (head_sha256)";

/// Of logs that were recorded before nobody counted.
const HEAD_AND_TIMES_SQLITE: &[&str] = &[
    HEAD_INDEX,
    "ALTER TABLE hunt_files ADD COLUMN times_asked INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE hunt_files ADD COLUMN times_untimed INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE hunt_files ADD COLUMN times_set_apart INTEGER NOT NULL DEFAULT 0",
];

const HEAD_AND_TIMES_POSTGRES: &[&str] = &[
    HEAD_INDEX,
    "ALTER TABLE hunt_files ADD COLUMN times_asked BIGINT NOT NULL DEFAULT 0,
       ADD COLUMN times_untimed BIGINT NOT NULL DEFAULT 0,
       ADD COLUMN times_set_apart BIGINT NOT NULL DEFAULT 0",
];

/// What a packed file held nobody wrote down.
const CONTENT_OF_PLAIN: &str =
    "UPDATE hunt_files SET content_sha256 = sha256, content_size = size WHERE packed = 0 AND recorded <> 0";
const CONTENT_INDEX: &str = "CREATE INDEX hunt_files_held ON hunt_files (content_sha256)";

const CONTENT_SQLITE: &[&str] = &[
    "ALTER TABLE hunt_files ADD COLUMN content_sha256 BLOB NOT NULL DEFAULT x''",
    "ALTER TABLE hunt_files ADD COLUMN content_size INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE hunt_files ADD COLUMN packed_path TEXT NOT NULL DEFAULT ''",
    CONTENT_OF_PLAIN,
    CONTENT_INDEX,
];

const CONTENT_POSTGRES: &[&str] = &[
    r#"ALTER TABLE hunt_files ADD COLUMN content_sha256 BYTEA NOT NULL DEFAULT '',
       ADD COLUMN content_size BIGINT NOT NULL DEFAULT 0,
       ADD COLUMN packed_path TEXT COLLATE "C" NOT NULL DEFAULT ''"#,
    CONTENT_OF_PLAIN,
    CONTENT_INDEX,
];

const COUNTS_BY_LOG: &[&str] = &["DROP TABLE hunt_rule_counts", "DROP TABLE IF EXISTS hunt_rule_checkpoint"];

/// Where nothing was erased there was nothing to forget; an empty outcome is of one that was cut short.
const FORGOTTEN_OF_AUDIT: &str = "INSERT INTO hunt_forgotten SELECT what, max(time) FROM hunt_audit \
     WHERE act = 'forget' AND outcome NOT IN ('', '0 times') GROUP BY what";

const REGISTER_GROWS_SQLITE: &[&str] = &[
    "ALTER TABLE hunt_files ADD COLUMN source INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE hunt_files ADD COLUMN log_source TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE hunt_files ADD COLUMN packed INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE hunt_files ADD COLUMN counted_to INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE hunt_files ADD COLUMN merged INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE hunt_files ADD COLUMN unread TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE hunt_files ADD COLUMN days BLOB NOT NULL DEFAULT x''",
    "ALTER TABLE hunt_files ADD COLUMN gap_start INTEGER",
    "ALTER TABLE hunt_files ADD COLUMN gap_seconds INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE hunt_files ADD COLUMN skew_seconds INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE hunt_files ADD COLUMN backward_jumps INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE hunt_files ADD COLUMN reader_version INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE hunt_files ADD COLUMN set_version TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE hunt_files ADD COLUMN worker INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE hunt_files ADD COLUMN fault TEXT NOT NULL DEFAULT ''",
    "DROP INDEX hunt_files_content",
    "CREATE UNIQUE INDEX hunt_files_content ON hunt_files (sha256, size) WHERE state > 0",
];

const REGISTER_GROWS_POSTGRES: &[&str] = &[
    r#"ALTER TABLE hunt_files ADD COLUMN source BIGINT NOT NULL DEFAULT 0,
       ADD COLUMN log_source TEXT COLLATE "C" NOT NULL DEFAULT '', ADD COLUMN packed BIGINT NOT NULL DEFAULT 0,
       ADD COLUMN counted_to BIGINT NOT NULL DEFAULT 0, ADD COLUMN merged BIGINT NOT NULL DEFAULT 0,
       ADD COLUMN unread TEXT COLLATE "C" NOT NULL DEFAULT '', ADD COLUMN days BYTEA NOT NULL DEFAULT '',
       ADD COLUMN gap_start BIGINT, ADD COLUMN gap_seconds BIGINT NOT NULL DEFAULT 0,
       ADD COLUMN skew_seconds BIGINT NOT NULL DEFAULT 0, ADD COLUMN backward_jumps BIGINT NOT NULL DEFAULT 0,
       ADD COLUMN reader_version BIGINT NOT NULL DEFAULT 0,
       ADD COLUMN set_version TEXT COLLATE "C" NOT NULL DEFAULT '', ADD COLUMN worker BIGINT NOT NULL DEFAULT 0,
       ADD COLUMN fault TEXT COLLATE "C" NOT NULL DEFAULT ''"#,
    "DROP INDEX hunt_files_content",
    "CREATE UNIQUE INDEX hunt_files_content ON hunt_files (sha256, size) WHERE state > 0",
];

const FINDINGS_GROW_SQLITE: &[&str] = &[
    "ALTER TABLE hunt_findings ADD COLUMN clipped INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE hunt_findings ADD COLUMN host TEXT",
    "ALTER TABLE hunt_findings ADD COLUMN account TEXT",
    "ALTER TABLE hunt_findings ADD COLUMN source INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE hunt_findings ADD COLUMN kept TEXT NOT NULL DEFAULT ''",
];

const FINDINGS_GROW_POSTGRES: &[&str] =
    &[r#"ALTER TABLE hunt_findings ADD COLUMN clipped BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN host TEXT COLLATE "C", ADD COLUMN account TEXT COLLATE "C",
    ADD COLUMN source BIGINT NOT NULL DEFAULT 0, ADD COLUMN kept TEXT COLLATE "C" NOT NULL DEFAULT ''"#];

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

/// Fills an empty database; refuses one that is not. Tables without a record are of a node that was not
/// finished: they are taken over.
pub(crate) fn create(place: &Place, schema: &Schema) -> Result<(), OpenError> {
    let unfinished = place.write(|engine| match engine.found()? {
        Found::Empty => {
            engine.mark(FORMAT)?;
            make(engine, &VIEWS)?;
            tables(schema).try_for_each(|table| make(engine, table))?;
            let empty = |view: &dyn ledger::view::View| Standing { version: view.version(), cursor: 0 };
            schema.views.iter().try_for_each(|view| note(engine, view.name(), empty(view.as_ref())))?;
            Ok(false)
        }
        Found::Format(FORMAT) if last_seq(engine)? == 0 => Ok(true),
        Found::Format(_) => Err(OpenError::Exists(place.to_string())),
        Found::Other => Err(OpenError::NotOurs(place.to_string())),
    })?;
    if unfinished { Ok(bring_up(place, schema)?) } else { Ok(()) }
}

/// The format of a database that is ours.
fn format(place: &Place, engine: &mut dyn Engine) -> Result<i64, OpenError> {
    match engine.found()? {
        Found::Empty => Err(OpenError::Empty(place.to_string())),
        Found::Format(format) => Ok(format),
        Found::Other => Err(OpenError::NotOurs(place.to_string())),
    }
}

/// Whether the database is ours and of the format that this program writes.
pub(crate) fn check(place: &Place) -> Result<(), OpenError> {
    let (found, known) = (place.read(|engine| format(place, engine))?, FORMAT);
    let place = place.to_string();
    match found.cmp(&known) {
        std::cmp::Ordering::Less => Err(OpenError::Older { place, found, known }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(OpenError::Newer { place, found, known }),
    }
}

/// Brings a database of an earlier format forward, all steps in one transaction.
pub(crate) fn forward(
    place: &Place,
    steps: &[Step],
    told: &mut dyn FnMut(Migrating),
) -> Result<(), OpenError> {
    place.write(|engine| {
        // Read here: another process may have done it meanwhile.
        let found = format(place, engine)?;
        for (format, step) in (2..).zip(steps).filter(|(format, _)| *format > found) {
            let what = step.what;
            told(Migrating { format, what, done: (0, 1) });
            match step.work {
                Work::Statements { sqlite, postgres } => run_all(engine, sqlite, postgres)?,
                Work::Local { table, sqlite, postgres } => {
                    if engine.exists(table)? {
                        run_all(engine, sqlite, postgres)?;
                    }
                }
                Work::Code(run) => {
                    run(engine, &mut |done, of| told(Migrating { format, what, done: (done, of) }))?
                }
            }
            engine.mark(format)?;
        }
        Ok(())
    })
}

fn run_all(
    engine: &mut dyn Engine,
    sqlite: &'static [&'static str],
    postgres: &'static [&'static str],
) -> Result<(), EngineError> {
    engine.statements(sqlite, postgres).iter().try_for_each(|sql| engine.define(sql))
}

/// Makes tables of local state that are new, and notes views that are new or lack a table, so that they
/// are rebuilt. Nothing is written when nothing changed.
pub(crate) fn bring_up(place: &Place, schema: &Schema) -> Result<(), EngineError> {
    let lacking = place.read(|engine| lacking(engine, schema))?;
    if lacking.tables.is_empty() && lacking.views.is_empty() {
        return Ok(());
    }
    place.write(|engine| {
        // Another process may have done it since.
        let lacking = self::lacking(engine, schema)?;
        lacking.tables.into_iter().try_for_each(|table| make(engine, table))?;
        let row = Standing { version: UNUSABLE, cursor: 0 };
        lacking.views.into_iter().try_for_each(|name| note(engine, name, row))
    })
}

struct Lacking {
    tables: Vec<&'static Table>,
    views: Vec<&'static str>,
}

fn lacking(engine: &mut dyn Engine, schema: &Schema) -> Result<Lacking, EngineError> {
    let mut lacking = Lacking { tables: Vec::new(), views: Vec::new() };
    for view in &schema.views {
        let unknown = match standing(engine, view.name())? {
            None => true,
            Some(found) => found.version == view.version() && !missing(engine, view.tables())?.is_empty(),
        };
        if unknown {
            lacking.views.push(view.name());
        }
    }
    for table in &schema.local {
        if !engine.exists(table.name)? {
            lacking.tables.push(*table);
        }
    }
    Ok(lacking)
}

fn make(engine: &mut dyn Engine, table: &Table) -> Result<(), EngineError> {
    engine.statements(table.sqlite, table.postgres).iter().try_for_each(|sql| engine.define(sql))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ledger::sql::{Flow, Value};
    use rusqlite::Connection;

    use super::*;

    fn at_format_1() -> Place {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "PRAGMA application_id = 0x504C4452; PRAGMA user_version = 1;
                 CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
                 INSERT INTO notes VALUES (1, 'a'), (2, 'b');",
            )
            .unwrap();
        Place::Memory(Mutex::new(connection))
    }

    fn format(place: &Place) -> i64 {
        place.read(|engine| super::format(place, engine)).unwrap()
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
        work: Work::Statements {
            sqlite: &["ALTER TABLE notes ADD COLUMN colour INTEGER NOT NULL DEFAULT 3"],
            postgres: NEVER_THERE,
        },
    };
    const DOUBLE: Step = Step { what: "texts are doubled", work: Work::Code(doubled) };
    const BROKEN: Step = Step {
        what: "breaks",
        work: Work::Statements {
            sqlite: &["UPDATE notes SET text = ''", "UPDATE nothing SET a = 1"],
            postgres: NEVER_THERE,
        },
    };

    fn texts(place: &Place) -> Vec<String> {
        let mut texts = Vec::new();
        place
            .read(|engine| {
                engine.query("SELECT text FROM notes ORDER BY id", &[], &mut |row| {
                    texts.push(row.text(0)?.to_owned());
                    Ok(Flow::Continue)
                })
            })
            .map_err(|e: EngineError| e)
            .unwrap();
        texts
    }

    #[test]
    fn steps_run_once_and_in_order() {
        let place = at_format_1();
        let mut told = Vec::new();
        forward(&place, &[ADD], &mut |_| {}).unwrap();
        forward(&place, &[ADD, DOUBLE], &mut |at| told.push((at.format, at.done))).unwrap();
        assert_eq!(told, [(3, (0, 1)), (3, (1, 2)), (3, (2, 2))], "format 2 was there already");
        assert_eq!(texts(&place), ["aa", "bb"]);
        assert_eq!(format(&place), 3);
        forward(&place, &[ADD, DOUBLE], &mut |_| panic!("there is nothing to do")).unwrap();
    }

    #[test]
    fn a_step_that_fails_leaves_everything_as_it_was() {
        let place = at_format_1();
        assert!(forward(&place, &[ADD, DOUBLE, BROKEN], &mut |_| {}).is_err());
        assert_eq!((texts(&place), format(&place)), (vec!["a".into(), "b".into()], 1));
    }

    /// A database that was brought forward has the same tables as one that is made today.
    #[test]
    fn forward_leads_to_what_is_made_today() {
        let made = Place::Memory(Mutex::new(Connection::open_in_memory().unwrap()));
        create(&made, &Schema::default()).unwrap();
        let columns = |place: &Place| {
            let Place::Memory(connection) = place else { panic!("it is in memory") };
            let connection = crate::open::lock(connection);
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
        let today = columns(&made);
        let old = Connection::open_in_memory().unwrap();
        old.execute_batch(include_str!("../tests/golden/format-1.sql")).unwrap();
        let old = Place::Memory(Mutex::new(old));
        forward(&old, STEPS, &mut |_| {}).unwrap();
        assert_eq!(columns(&old), today);
        assert_eq!(format(&old), FORMAT);
    }
}
