// SPDX-License-Identifier: Apache-2.0
//! The traits of the ledger over rusqlite.

use ledger::sql::{EngineError, Flow, Push, Read, Row, Table, Tx, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ffi};

/// A connection that reads, or a transaction that is open on it.
pub(crate) struct Session<'c>(pub(crate) &'c Connection);

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

fn bind(statement: &mut rusqlite::Statement<'_>, args: &[Value<'_>]) -> rusqlite::Result<()> {
    for (nth, arg) in args.iter().enumerate() {
        statement.raw_bind_parameter(nth + 1, Bound(arg))?;
    }
    Ok(())
}

impl Read for Session<'_> {
    fn query(
        &mut self,
        sql: &'static str,
        args: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<Flow, EngineError>,
    ) -> Result<(), EngineError> {
        let fault = |error| engine_error("read", error);
        let mut statement = self.0.prepare_cached(sql).map_err(fault)?;
        bind(&mut statement, args).map_err(fault)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(fault)? {
            if each(&SqliteRow(row))? == Flow::Stop {
                break;
            }
        }
        Ok(())
    }
}

impl Tx for Session<'_> {
    fn execute(&mut self, sql: &'static str, args: &[Value<'_>]) -> Result<u64, EngineError> {
        let fault = |error| engine_error("write", error);
        let mut statement = self.0.prepare_cached(sql).map_err(fault)?;
        bind(&mut statement, args).map_err(fault)?;
        statement.raw_execute().map(|n| n as u64).map_err(fault)
    }

    fn insert_many(
        &mut self,
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
        let mut statement = self.0.prepare_cached(&sql).map_err(fault)?;
        rows(&mut |values| {
            if values.len() != table.columns.len() {
                return Err(EngineError::shape(format!("{} values for {}", values.len(), table.name)));
            }
            bind(&mut statement, values).map_err(fault)?;
            statement.raw_execute().map(|_| ()).map_err(fault)
        })
    }

    fn as_read(&mut self) -> &mut dyn Read {
        self
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
