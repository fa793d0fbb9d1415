// SPDX-License-Identifier: Apache-2.0
//! The format of a database: making it, checking it, bringing it up to date.

use std::path::Path;

use ledger::schema::TABLES;
use ledger::sql::{EngineError, Flow, Read, Table, Tx, Value};
use rusqlite::Connection;

use crate::open::{OpenError, Schema, in_transaction};
use crate::rebuild::rebuild_view;
use crate::sqlite::{Session, engine_error};

/// Newest format of records and local state.
pub(crate) const FORMAT: i64 = 1;
/// "PLDR" in the header of the file.
const APPLICATION_ID: i64 = 0x504C_4452;

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
            "CREATE TABLE views (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID",
            &[],
        )?;
        tables(schema).try_for_each(|table| make(tx, table))?;
        schema.views.iter().try_for_each(|view| note_version(tx, view.name(), view.version()))
    })
}

/// Whether the file is ours and of a format that this program reads.
pub(crate) fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let pragma = |name: &str| {
        connection
            .query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
            .map_err(|e| engine_error(&format!("read {name} of {}", path.display()), e))
    };
    if pragma("application_id")? != APPLICATION_ID {
        return Err(OpenError::NotOurs(path.to_owned()));
    }
    let found = pragma("user_version")?;
    if found > FORMAT {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: FORMAT });
    }
    Ok(())
}

/// Makes what is missing and rebuilds views of another version. Nothing is written when nothing changed.
pub(crate) fn bring_up(connection: &Connection, schema: &Schema) -> Result<(), EngineError> {
    let mut session = Session(connection);
    let stale: Vec<_> = {
        let mut stale = Vec::new();
        for view in &schema.views {
            let mut current = version_of(&mut session, view.name())? == Some(view.version());
            for table in view.tables() {
                current &= exists(&mut session, table.name)?;
            }
            if !current {
                stale.push(view);
            }
        }
        stale
    };
    let mut missing = Vec::new();
    for table in &schema.local {
        if !exists(&mut session, table.name)? {
            missing.push(*table);
        }
    }
    if stale.is_empty() && missing.is_empty() {
        return Ok(());
    }
    in_transaction(connection, "BEGIN IMMEDIATE", |tx| {
        missing.into_iter().try_for_each(|table| make(tx, table))?;
        for view in stale {
            rebuild_view(tx, view.as_ref())?;
            note_version(tx, view.name(), view.version())?;
        }
        Ok(())
    })
}

pub(crate) fn make(tx: &mut Session<'_>, table: &Table) -> Result<(), EngineError> {
    table.sqlite.iter().try_for_each(|sql| {
        tx.0.execute_batch(sql).map_err(|e| engine_error(&format!("make {}", table.name), e))
    })
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

fn exists(read: &mut dyn Read, table: &str) -> Result<bool, EngineError> {
    let mut found = false;
    read.query(
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1",
        &[Value::Text(table)],
        &mut |_| {
            found = true;
            Ok(Flow::Stop)
        },
    )?;
    Ok(found)
}

/// Tables that the database should have and has not.
pub(crate) fn missing(read: &mut dyn Read, schema: &Schema) -> Result<Vec<&'static str>, EngineError> {
    let mut missing = Vec::new();
    for table in tables(schema) {
        if !exists(read, table.name)? {
            missing.push(table.name);
        }
    }
    Ok(missing)
}
