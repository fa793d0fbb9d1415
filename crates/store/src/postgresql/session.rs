// SPDX-License-Identifier: Apache-2.0
//! The traits of the ledger over a connection to PostgreSQL.

use std::collections::HashMap;
use std::io::Write as _;

use ::postgres::fallible_iterator::FallibleIterator as _;
use ::postgres::types::{FromSql, ToSql, Type};
use ::postgres::{Client, CopyInWriter, Statement};
use ledger::sql::{EngineError, Flow, Push, Read, Row, Table, Tx, Value};

use super::copy::{Rows, without_nul};
use super::fault::engine_error;
use super::placeholders::numbered;
use crate::engine::{Engine, Found};

/// Prepared statements that a connection keeps; beyond that it begins anew.
const STATEMENTS_MAX: usize = 512;
/// Bytes of rows that are sent at once.
const COPY_CHUNK_BYTES: usize = 256 * 1024;

/// A statement and the types that it was prepared for: of its arguments, or of the columns that it fills.
type Prepared = (Box<[Type]>, Statement);

/// A connection, and the transaction that is open on it.
pub(crate) struct Connection {
    pub(super) client: Client,
    /// By text; of one text there are as many as there are ways to mix values and NULLs.
    statements: HashMap<&'static str, Vec<Prepared>>,
    /// By table.
    copies: HashMap<&'static str, Prepared>,
    /// Whether a transaction is open.
    pub(super) open: bool,
    /// Whether a statement of it failed: then it can only be rolled back.
    failed: bool,
}

impl Connection {
    pub(super) fn new(client: Client) -> Connection {
        let (statements, copies) = (HashMap::new(), HashMap::new());
        Connection { client, statements, copies, open: false, failed: false }
    }

    pub(super) fn begin(&mut self, sql: &str) -> Result<(), EngineError> {
        // Set before it is sent: half of it may have been done.
        self.open = true;
        self.failed = false;
        self.client.batch_execute(sql).map_err(|e| engine_error("begin", &e))
    }

    /// A COMMIT whose answer does not come may have been done.
    pub(super) fn commit(&mut self, writes: bool) -> Result<(), EngineError> {
        if self.failed {
            self.roll_back();
            let source = "a statement before it failed".into();
            return Err(EngineError::Refused { operation: "commit".to_owned(), source });
        }
        match self.client.batch_execute("COMMIT").map_err(|e| engine_error("commit", &e)) {
            Ok(()) => {
                self.open = false;
                Ok(())
            }
            Err(EngineError::Unreachable(why)) if writes => Err(EngineError::Uncertain(why)),
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    /// Outside of a transaction.
    pub(super) fn analyze(&mut self) {
        let _ = self.client.batch_execute("ANALYZE");
    }

    pub(super) fn roll_back(&mut self) {
        // A connection on which this fails stays open, and is not used again.
        if self.open && self.client.batch_execute("ROLLBACK").is_ok() {
            self.open = false;
        }
    }

    /// Whether the next transaction can begin on it.
    pub(super) fn is_sound(&self) -> bool {
        !self.open && !self.client.is_closed()
    }

    /// The statement, prepared for values of these types.
    fn statement(&mut self, sql: &'static str, args: &[Value<'_>]) -> Result<Statement, EngineError> {
        let fits = |types: &[Type]| {
            types.len() == args.len() && types.iter().zip(args).all(|(t, arg)| *t == type_of(arg))
        };
        let kept = self.statements.get(sql).and_then(|all| all.iter().find(|(types, _)| fits(types)));
        if let Some((_, statement)) = kept {
            return Ok(statement.clone());
        }
        if self.statements.values().map(Vec::len).sum::<usize>() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        let types: Box<[Type]> = args.iter().map(type_of).collect();
        let statement = self.prepare(&numbered(sql), &types)?;
        self.statements.entry(sql).or_default().push((types, statement.clone()));
        Ok(statement)
    }

    fn prepare(&mut self, sql: &str, types: &[Type]) -> Result<Statement, EngineError> {
        self.client.prepare_typed(sql, types).map_err(|e| engine_error("prepare a statement", &e))
    }

    /// COPY into the table, and the types of its columns.
    fn copy(&mut self, table: &'static Table) -> Result<Prepared, EngineError> {
        if let Some(kept) = self.copies.get(table.name) {
            return Ok(kept.clone());
        }
        let columns = table.columns.join(", ");
        let select = self.prepare(&format!("SELECT {columns} FROM {}", table.name), &[])?;
        let types: Box<[Type]> = select.columns().iter().map(|column| column.type_().clone()).collect();
        let copy =
            self.prepare(&format!("COPY {} ({columns}) FROM STDIN (FORMAT binary)", table.name), &[])?;
        let prepared = (types, copy);
        self.copies.insert(table.name, prepared.clone());
        Ok(prepared)
    }

    fn ask(
        &mut self,
        sql: &'static str,
        args: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<Flow, EngineError>,
    ) -> Result<(), EngineError> {
        check(args)?;
        let statement = self.statement(sql, args)?;
        let fault = |error| engine_error("read", &error);
        let params = args.iter().zip(statement.params()).map(|(arg, column)| param(arg, column));
        let mut rows = self.client.query_raw(&statement, params).map_err(fault)?;
        while let Some(row) = rows.next().map_err(fault)? {
            if each(&PostgresRow(&row))? == Flow::Stop {
                break;
            }
        }
        Ok(())
    }

    fn change(&mut self, sql: &'static str, args: &[Value<'_>]) -> Result<u64, EngineError> {
        check(args)?;
        let statement = self.statement(sql, args)?;
        let params: Vec<_> =
            args.iter().zip(statement.params()).map(|(arg, column)| param(arg, column)).collect();
        self.client.execute(&statement, &params).map_err(|e| engine_error("write", &e))
    }

    fn insert<'s>(
        &'s mut self,
        table: &'static Table,
        rows: &mut dyn FnMut(&mut Push<'_>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let operation = format!("insert into {}", table.name);
        let (types, copy) = self.copy(table)?;
        let fault = |error: std::io::Error| match error.downcast::<::postgres::Error>() {
            Ok(error) => engine_error(&operation, &error),
            Err(error) => EngineError::Unreachable(error.to_string()),
        };
        let started = |client: &mut Option<&'s mut Client>, writer: &mut Option<CopyInWriter<'s>>| {
            if let Some(client) = client.take() {
                *writer = Some(client.copy_in(&copy).map_err(|e| engine_error(&operation, &e))?);
            }
            Ok::<(), EngineError>(())
        };
        let (mut client, mut writer) = (Some(&mut self.client), None);
        let (mut waiting, mut any) = (Rows::new(), false);
        rows(&mut |values| {
            waiting.push(&types, values)?;
            any = true;
            if waiting.bytes.len() < COPY_CHUNK_BYTES {
                return Ok(());
            }
            started(&mut client, &mut writer)?;
            let sent = writer.as_mut().map_or(Ok(()), |writer| writer.write_all(&waiting.bytes));
            waiting.bytes.clear();
            sent.map_err(fault)
        })?;
        if !any {
            return Ok(());
        }
        waiting.end();
        started(&mut client, &mut writer)?;
        let Some(mut writer) = writer else { return Ok(()) };
        writer.write_all(&waiting.bytes).map_err(fault)?;
        writer.finish().map(|_| ()).map_err(|e| engine_error(&operation, &e))
    }
}

fn type_of(value: &Value<'_>) -> Type {
    match value {
        // The server tells it from where the value stands.
        Value::Null => Type::UNKNOWN,
        Value::Int(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Blob(_) => Type::BYTEA,
    }
}

fn param<'v>(value: &'v Value<'_>, column: &Type) -> &'v (dyn ToSql + Sync) {
    match value {
        Value::Null if *column == Type::INT8 => &None::<i64>,
        Value::Null if *column == Type::BYTEA => &None::<&[u8]>,
        Value::Null => &None::<&str>,
        Value::Int(int) => int,
        Value::Text(text) => text,
        Value::Blob(blob) => blob,
    }
}

fn check(args: &[Value<'_>]) -> Result<(), EngineError> {
    args.iter().try_for_each(|arg| match arg {
        Value::Text(text) => without_nul(text),
        _ => Ok(()),
    })
}

impl Read for Connection {
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

impl Tx for Connection {
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

impl Engine for Connection {
    /// The mark is a table of one row: PostgreSQL's files have no header of ours.
    fn found(&mut self) -> Result<Found, EngineError> {
        if self.exists("polder_format")? {
            let mut found = Found::Other;
            self.query("SELECT format FROM polder_format", &[], &mut |row| {
                found = Found::Format(row.int(0)?);
                Ok(Flow::Stop)
            })?;
            return Ok(found);
        }
        let mut found = Found::Empty;
        let sql = "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = current_schema() LIMIT 1";
        self.query(sql, &[], &mut |_| {
            found = Found::Other;
            Ok(Flow::Stop)
        })?;
        Ok(found)
    }

    fn mark(&mut self, format: i64) -> Result<(), EngineError> {
        if self.exists("polder_format")? {
            self.execute("DELETE FROM polder_format", &[])?;
        } else {
            self.define("CREATE TABLE polder_format (format BIGINT NOT NULL)")?;
        }
        self.execute("INSERT INTO polder_format (format) VALUES (?1)", &[Value::Int(format)]).map(|_| ())
    }

    fn define(&mut self, sql: &str) -> Result<(), EngineError> {
        self.copies.clear();
        let answer = self.client.batch_execute(sql).map_err(|e| engine_error("change the tables", &e));
        self.failed |= answer.is_err();
        answer
    }

    fn statements(
        &self,
        _sqlite: &'static [&'static str],
        postgres: &'static [&'static str],
    ) -> &'static [&'static str] {
        postgres
    }

    fn exists(&mut self, name: &str) -> Result<bool, EngineError> {
        let mut found = false;
        self.query(
            "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = current_schema() AND c.relname = ?1",
            &[Value::Text(name)],
            &mut |_| {
                found = true;
                Ok(Flow::Stop)
            },
        )?;
        Ok(found)
    }

    /// Whoever waits for an exclusive lock holds up all readers that come after him.
    fn give_up_soon(&mut self) -> Result<(), EngineError> {
        self.define("SET LOCAL lock_timeout = '200ms'")
    }

    /// What the server can tell of itself: settings that keep its word about what is durable, and indexes
    /// that it has given up.
    fn integrity(&mut self, _quick: bool) -> Result<Vec<String>, EngineError> {
        let mut faults = Vec::new();
        self.query(
            "SELECT name FROM pg_catalog.pg_settings
             WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name",
            &[],
            &mut |row| {
                faults.push(format!("{} is off: a power cut may lose or damage what was kept", row.text(0)?));
                Ok(Flow::Continue)
            },
        )?;
        self.query(
            "SELECT c.relname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = current_schema() AND NOT (i.indisvalid AND i.indisready) ORDER BY c.relname",
            &[],
            &mut |row| {
                faults.push(format!("index {} is not valid: run REINDEX", row.text(0)?));
                Ok(Flow::Continue)
            },
        )?;
        Ok(faults)
    }
}

struct PostgresRow<'r>(&'r ::postgres::Row);

impl<'r> PostgresRow<'r> {
    fn get<T: FromSql<'r>>(&self, column: usize, wanted: &str) -> Result<T, EngineError> {
        self.0.try_get(column).map_err(|_| {
            let got = self.0.columns().get(column).map_or("nothing", |c| c.type_().name());
            EngineError::shape(format!("column {column} should be {wanted} and is NULL or {got}"))
        })
    }
}

impl Row for PostgresRow<'_> {
    fn int(&self, column: usize) -> Result<i64, EngineError> {
        self.get::<Int>(column, "an integer").map(|int| int.0)
    }

    fn int_opt(&self, column: usize) -> Result<Option<i64>, EngineError> {
        self.get::<Option<Int>>(column, "an integer").map(|int| int.map(|int| int.0))
    }

    fn text(&self, column: usize) -> Result<&str, EngineError> {
        self.get(column, "text")
    }

    fn text_opt(&self, column: usize) -> Result<Option<&str>, EngineError> {
        self.get(column, "text")
    }

    fn blob(&self, column: usize) -> Result<&[u8], EngineError> {
        self.get(column, "bytes")
    }
}

/// Whatever PostgreSQL makes of an integer: a condition is a boolean there, a literal has four bytes, and a
/// sum of BIGINTs is NUMERIC.
struct Int(i64);

impl<'a> FromSql<'a> for Int {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Int, Box<dyn std::error::Error + Sync + Send>> {
        match *ty {
            Type::BOOL => bool::from_sql(ty, raw).map(|is| Int(i64::from(is))),
            Type::INT2 => i16::from_sql(ty, raw).map(|int| Int(i64::from(int))),
            Type::INT4 => i32::from_sql(ty, raw).map(|int| Int(i64::from(int))),
            Type::NUMERIC => whole(raw).map(Int).ok_or_else(|| "not a whole number of 64 bits".into()),
            _ => i64::from_sql(ty, raw).map(Int),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::BOOL | Type::INT2 | Type::INT4 | Type::INT8 | Type::NUMERIC)
    }
}

/// NUMERIC on the wire: count of digits, weight of the first, sign, scale, then digits to the base of 10,000.
fn whole(raw: &[u8]) -> Option<i64> {
    let (words, []) = raw.as_chunks::<2>() else { return None };
    let words: Vec<i64> = words.iter().map(|word| i64::from(i16::from_be_bytes(*word))).collect();
    let [count, weight, sign, 0, digits @ ..] = words.as_slice() else { return None };
    if *count != i64::try_from(digits.len()).ok()? || ![0, 0x4000].contains(sign) {
        return None;
    }
    let mut value = 0i64;
    for nth in 0..=*weight {
        let digit = usize::try_from(nth).ok().and_then(|nth| digits.get(nth)).copied().unwrap_or(0);
        value = value.checked_mul(10_000)?.checked_sub(digit)?;
    }
    if *sign == 0 { value.checked_neg() } else { Some(value) }
}

#[cfg(test)]
mod tests {
    use super::whole;

    fn numeric(words: &[i16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn sums_are_whole_numbers() {
        for (words, value) in [
            (&[0, 0, 0, 0][..], Some(0)),
            (&[1, 0, 0, 0, 7], Some(7)),
            (&[1, 1, 0, 0, 7], Some(70_000)),
            (&[2, 1, 0x4000, 0, 1, 2], Some(-10_002)),
            (&[5, 4, 0, 0, 922, 3372, 368, 5477, 5807], Some(i64::MAX)),
            (&[5, 4, 0x4000, 0, 922, 3372, 368, 5477, 5808], Some(i64::MIN)),
            (&[5, 4, 0, 0, 922, 3372, 368, 5477, 5808], None),
            (&[1, -1, 0, 1, 5000], None),
            (&[0, 0, -16384, 0], None),
            (&[2, 0, 0, 0, 1], None),
        ] {
            assert_eq!(whole(&numeric(words)), value, "{words:?}");
        }
    }
}
