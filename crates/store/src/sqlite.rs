// SPDX-License-Identifier: Apache-2.0
//! The traits of the ledger over rusqlite.

use ledger::sql::{EngineError, Flow, Push, Read, Row, Table, Tx, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, ffi};

use crate::engine::{Engine, Found};
use crate::postgresql::without_nul;

/// "PLDR" in the header of the file.
const APPLICATION_ID: i64 = 0x504C_4452;

/// A transaction that is open on a connection.
pub(crate) struct Session<'c> {
    connection: &'c Connection,
    /// Whether a statement of it failed: then it can only be rolled back.
    failed: bool,
}

struct SqliteRow<'r, 's>(&'r rusqlite::Row<'s>);

impl Row for SqliteRow<'_, '_> {
    fn int(&self, column: usize) -> Result<i64, EngineError> {
        match self.0.get_ref(column) {
            Ok(ValueRef::Integer(int)) => Ok(int),
            other => Err(shape(column, "an integer", other)),
        }
    }

    fn int_opt(&self, column: usize) -> Result<Option<i64>, EngineError> {
        match self.0.get_ref(column) {
            Ok(ValueRef::Null) => Ok(None),
            _ => self.int(column).map(Some),
        }
    }

    fn text(&self, column: usize) -> Result<&str, EngineError> {
        match self.0.get_ref(column) {
            Ok(ValueRef::Text(text)) => std::str::from_utf8(text)
                .map_err(|_| EngineError::shape(format!("column {column} is not UTF-8"))),
            other => Err(shape(column, "text", other)),
        }
    }

    fn text_opt(&self, column: usize) -> Result<Option<&str>, EngineError> {
        match self.0.get_ref(column) {
            Ok(ValueRef::Null) => Ok(None),
            _ => self.text(column).map(Some),
        }
    }

    fn blob(&self, column: usize) -> Result<&[u8], EngineError> {
        match self.0.get_ref(column) {
            Ok(ValueRef::Blob(blob)) => Ok(blob),
            other => Err(shape(column, "bytes", other)),
        }
    }
}

fn shape(column: usize, wanted: &str, got: Result<ValueRef<'_>, rusqlite::Error>) -> EngineError {
    let got = got.map_or_else(|_| "nothing".to_owned(), |v| v.data_type().to_string());
    EngineError::shape(format!("column {column} should be {wanted} and is {got}"))
}

struct Bound<'v>(&'v Value<'v>);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(int) => ValueRef::Integer(*int),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(blob) => ValueRef::Blob(blob),
        }))
    }
}

fn bind(
    statement: &mut rusqlite::Statement<'_>,
    args: &[Value<'_>],
    fault: impl Fn(rusqlite::Error) -> EngineError,
) -> Result<(), EngineError> {
    for (nth, arg) in args.iter().enumerate() {
        if let Value::Text(text) = arg {
            without_nul(text)?;
        }
        statement.raw_bind_parameter(nth + 1, Bound(arg)).map_err(&fault)?;
    }
    Ok(())
}

impl<'c> Session<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Session<'c> {
        Session { connection, failed: false }
    }

    /// Refuses to commit what failed in part.
    pub(crate) fn commit(&self) -> Result<(), EngineError> {
        if self.failed {
            let source = "a statement before it failed".into();
            return Err(EngineError::Refused { operation: "commit".to_owned(), source });
        }
        self.connection.execute_batch("COMMIT").map_err(|e| engine_error("commit", e))
    }

    /// The statement, prepared once for each connection.
    fn statement(&self, sql: &str) -> rusqlite::Result<CachedStatement<'c>> {
        self.connection.prepare_cached(sql)
    }

    fn ask(
        &self,
        sql: &'static str,
        args: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<Flow, EngineError>,
    ) -> Result<(), EngineError> {
        let fault = |error| engine_error("read", error);
        let mut statement = self.statement(sql).map_err(fault)?;
        bind(&mut statement, args, fault)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(fault)? {
            if each(&SqliteRow(row))? == Flow::Stop {
                break;
            }
        }
        Ok(())
    }

    fn change(&self, sql: &'static str, args: &[Value<'_>]) -> Result<u64, EngineError> {
        let fault = |error| engine_error("write", error);
        let mut statement = self.statement(sql).map_err(fault)?;
        bind(&mut statement, args, fault)?;
        statement.raw_execute().map(|n| n as u64).map_err(fault)
    }

    fn insert(
        &self,
        table: &'static Table,
        rows: &mut dyn FnMut(&mut Push<'_>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let fault = |error| engine_error(&format!("insert into {}", table.name), error);
        let marks: Vec<String> = (1..=table.columns.len()).map(|n| format!("?{n}")).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            table.name,
            table.columns.join(", "),
            marks.join(", ")
        );
        let mut statement = self.statement(&sql).map_err(fault)?;
        rows(&mut |values| {
            if values.len() != table.columns.len() {
                return Err(EngineError::shape(format!("{} values for {}", values.len(), table.name)));
            }
            bind(&mut statement, values, fault)?;
            statement.raw_execute().map(|_| ()).map_err(fault)
        })
    }

    fn pragma(&self, name: &str) -> Result<i64, EngineError> {
        self.connection
            .query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
            .map_err(|e| engine_error(&format!("read {name}"), e))
    }
}

impl Read for Session<'_> {
    fn query(
        &mut self,
        sql: &'static str,
        args: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<Flow, EngineError>,
    ) -> Result<(), EngineError> {
        let answer = self.ask(sql, args, each);
        self.failed |= answer.is_err();
        answer
    }
}

impl Tx for Session<'_> {
    fn execute(&mut self, sql: &'static str, args: &[Value<'_>]) -> Result<u64, EngineError> {
        let answer = self.change(sql, args);
        self.failed |= answer.is_err();
        answer
    }

    fn insert_many(
        &mut self,
        table: &'static Table,
        rows: &mut dyn FnMut(&mut Push<'_>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let answer = self.insert(table, rows);
        self.failed |= answer.is_err();
        answer
    }

    fn as_read(&mut self) -> &mut dyn Read {
        self
    }
}

impl Engine for Session<'_> {
    /// The header of the file says whose it is.
    fn found(&mut self) -> Result<Found, EngineError> {
        if self.pragma("application_id")? == APPLICATION_ID {
            return self.pragma("user_version").map(Found::Format);
        }
        let mut found = Found::Empty;
        self.query("SELECT 1 FROM sqlite_schema LIMIT 1", &[], &mut |_| {
            found = Found::Other;
            Ok(Flow::Stop)
        })?;
        Ok(found)
    }

    fn mark(&mut self, format: i64) -> Result<(), EngineError> {
        let mark = |name, value| {
            self.connection.pragma_update(None, name, value).map_err(|e| engine_error("mark the database", e))
        };
        mark("application_id", APPLICATION_ID).and_then(|()| mark("user_version", format))
    }

    fn define(&mut self, sql: &str) -> Result<(), EngineError> {
        self.connection.execute_batch(sql).map_err(|e| engine_error("change the tables", e))
    }

    fn statements(
        &self,
        sqlite: &'static [&'static str],
        _postgres: &'static [&'static str],
    ) -> &'static [&'static str] {
        sqlite
    }

    fn exists(&mut self, name: &str) -> Result<bool, EngineError> {
        let mut found = false;
        self.query("SELECT 1 FROM sqlite_schema WHERE name = ?1", &[Value::Text(name)], &mut |_| {
            found = true;
            Ok(Flow::Stop)
        })?;
        Ok(found)
    }

    /// Readers of a file are in nobody's way.
    fn give_up_soon(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    /// The quick one does not compare indexes with their tables.
    fn integrity(&mut self, quick: bool) -> Result<Vec<String>, EngineError> {
        let mut faults = Vec::new();
        let sql = if quick { "PRAGMA quick_check" } else { "PRAGMA integrity_check" };
        self.query(sql, &[], &mut |row| {
            let line = row.text(0)?;
            if line != "ok" {
                faults.push(line.to_owned());
            }
            Ok(Flow::Continue)
        })?;
        Ok(faults)
    }
}

/// Sorts SQLite's errors by who must act.
pub(crate) fn engine_error(operation: &str, error: rusqlite::Error) -> EngineError {
    let extended = match &error {
        rusqlite::Error::SqliteFailure(failure, _) => failure.extended_code,
        _ => 0,
    };
    let write_failed = [
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_IOERR_FSYNC,
        ffi::SQLITE_IOERR_TRUNCATE,
        ffi::SQLITE_IOERR_SHMOPEN,
        ffi::SQLITE_IOERR_SHMSIZE,
        ffi::SQLITE_IOERR_DIR_FSYNC,
    ]
    .contains(&extended);
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => EngineError::Full(error.to_string()),
        _ if write_failed => EngineError::Full(error.to_string()),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => EngineError::Busy,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => EngineError::Corrupt(error.to_string()),
        _ => EngineError::Refused { operation: operation.to_owned(), source: Box::new(error) },
    }
}
