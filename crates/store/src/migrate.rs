// SPDX-License-Identifier: Apache-2.0
//! The format of a database: making it, checking it, bringing it up to date.

use ledger::schema::TABLES;
use ledger::sql::{EngineError, Flow, Read, Table, TableKind, Tx, Value};

use crate::engine::{Engine, Found};
use crate::open::{OpenError, Place, Schema};
use crate::rebuild::rebuild_view;

/// Newest format of records and local state.
pub(crate) const FORMAT: i64 = 1;

/// Which version of each view is there.
static VIEWS: Table = Table {
    name: "views",
    kind: TableKind::Local,
    columns: &["name", "version"],
    sqlite: &["CREATE TABLE views (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID"],
    postgres: &[r#"CREATE TABLE views (name TEXT COLLATE "C" PRIMARY KEY, version BIGINT NOT NULL)"#],
};

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
            schema.views.iter().try_for_each(|view| note_version(engine, view.name(), view.version()))?;
            Ok(false)
        }
        Found::Format(FORMAT) if !any_record(engine)? => Ok(true),
        Found::Format(_) => Err(OpenError::Exists(place.to_string())),
        Found::Other => Err(OpenError::NotOurs(place.to_string())),
    })?;
    if unfinished { Ok(bring_up(place, schema)?) } else { Ok(()) }
}

fn any_record(read: &mut dyn Read) -> Result<bool, EngineError> {
    let mut any = false;
    read.query("SELECT seq FROM records LIMIT 1", &[], &mut |_| {
        any = true;
        Ok(Flow::Stop)
    })?;
    Ok(any)
}

/// Whether the database is ours and of a format that this program reads.
pub(crate) fn check(place: &Place) -> Result<(), OpenError> {
    match place.read(|engine| engine.found())? {
        Found::Empty => Err(OpenError::Empty(place.to_string())),
        Found::Format(found) if found > FORMAT => {
            Err(OpenError::Newer { place: place.to_string(), found, known: FORMAT })
        }
        Found::Format(_) => Ok(()),
        Found::Other => Err(OpenError::NotOurs(place.to_string())),
    }
}

/// Makes what is missing and rebuilds views of another version. Nothing is written when nothing changed.
pub(crate) fn bring_up(place: &Place, schema: &Schema) -> Result<(), EngineError> {
    if place.read(|engine| outdated(engine, schema))?.is_nothing() {
        return Ok(());
    }
    place.write(|engine| {
        // Another process may have done it since.
        let Outdated { missing, stale } = outdated(engine, schema)?;
        missing.into_iter().try_for_each(|table| make(engine, table))?;
        for nth in stale {
            if let Some(view) = schema.views.get(nth) {
                rebuild_view(engine, view.as_ref())?;
                note_version(engine, view.name(), view.version())?;
            }
        }
        Ok(())
    })
}

/// Local tables that are missing, and views to rebuild by their place in the schema.
struct Outdated {
    missing: Vec<&'static Table>,
    stale: Vec<usize>,
}

impl Outdated {
    fn is_nothing(&self) -> bool {
        self.missing.is_empty() && self.stale.is_empty()
    }
}

fn outdated(engine: &mut dyn Engine, schema: &Schema) -> Result<Outdated, EngineError> {
    let mut outdated = Outdated { missing: Vec::new(), stale: Vec::new() };
    for (nth, view) in schema.views.iter().enumerate() {
        let mut current = version_of(engine, view.name())? == Some(view.version());
        for table in view.tables() {
            current &= engine.has_table(table.name)?;
        }
        if !current {
            outdated.stale.push(nth);
        }
    }
    for table in &schema.local {
        if !engine.has_table(table.name)? {
            outdated.missing.push(*table);
        }
    }
    Ok(outdated)
}

pub(crate) fn make(engine: &mut dyn Engine, table: &Table) -> Result<(), EngineError> {
    engine.definition(table).iter().try_for_each(|sql| engine.define(sql))
}

fn note_version(tx: &mut dyn Tx, name: &str, version: i64) -> Result<(), EngineError> {
    tx.execute(
        "INSERT INTO views (name, version) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET version = excluded.version",
        &[Value::Text(name), Value::Int(version)],
    )
    .map(|_| ())
}

fn version_of(read: &mut dyn Read, name: &str) -> Result<Option<i64>, EngineError> {
    let mut version = None;
    read.query("SELECT version FROM views WHERE name = ?1", &[Value::Text(name)], &mut |row| {
        version = Some(row.int(0)?);
        Ok(Flow::Stop)
    })?;
    Ok(version)
}

/// Tables that the database should have and has not.
pub(crate) fn missing(engine: &mut dyn Engine, schema: &Schema) -> Result<Vec<&'static str>, EngineError> {
    let mut missing = Vec::new();
    for table in tables(schema) {
        if !engine.has_table(table.name)? {
            missing.push(table.name);
        }
    }
    Ok(missing)
}
