// SPDX-License-Identifier: Apache-2.0
//! The two traits through which everything reaches its tables, and the declaration of a table.
//!
//! Statements are the common subset of SQLite and PostgreSQL with `?1, ?2 …` as placeholders; values are
//! Null, Int, Text without NUL and Blob; booleans are 0 and 1. A NULL has the type of the place where its
//! placeholder first stands: `name = ?1 OR ?1 IS NULL`, never the other way round. After an error a
//! transaction is dead: it is not committed.

/// An argument of a statement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// SQL NULL; never ordered by.
    Null,
    /// 64-bit integer; booleans are 0 and 1.
    Int(i64),
    /// Text without NUL.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

impl<'a> Value<'a> {
    /// `Null` for `None`.
    pub fn text_or_null(text: Option<&'a str>) -> Value<'a> {
        text.map_or(Value::Null, Value::Text)
    }

    /// `Null` for `None`.
    pub fn int_or_null(int: Option<i64>) -> Value<'a> {
        int.map_or(Value::Null, Value::Int)
    }
}

/// A row of an answer. Columns count from 0. A column of another type than asked for is a
/// [`EngineError::Shape`].
pub trait Row {
    /// An integer.
    fn int(&self, column: usize) -> Result<i64, EngineError>;
    /// An integer or NULL.
    fn int_opt(&self, column: usize) -> Result<Option<i64>, EngineError>;
    /// Text.
    fn text(&self, column: usize) -> Result<&str, EngineError>;
    /// Text or NULL.
    fn text_opt(&self, column: usize) -> Result<Option<&str>, EngineError>;
    /// Bytes.
    fn blob(&self, column: usize) -> Result<&[u8], EngineError>;
}

/// Whether a query goes on after a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Next row.
    Continue,
    /// No more rows are wanted.
    Stop,
}

/// Reading. On a read-only connection each query sees one state; inside a transaction all do.
pub trait Read {
    /// Runs a query and hands over each row.
    fn query(
        &mut self,
        sql: &'static str,
        args: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<Flow, EngineError>,
    ) -> Result<(), EngineError>;
}

/// Hands over one row to [`Tx::insert_many`].
pub type Push<'a> = dyn FnMut(&[Value<'_>]) -> Result<(), EngineError> + 'a;

/// A transaction that writes.
pub trait Tx: Read {
    /// Runs a statement; answers the number of rows that it changed.
    fn execute(&mut self, sql: &'static str, args: &[Value<'_>]) -> Result<u64, EngineError>;

    /// Inserts many rows, the values in the order of the table's columns. `rows` calls the push function
    /// it is given once for each row. Rows in key order are fastest. A row whose key is there is a fault.
    fn insert_many(
        &mut self,
        table: &'static Table,
        rows: &mut dyn FnMut(&mut Push<'_>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError>;

    /// The same transaction for reading.
    fn as_read(&mut self) -> &mut dyn Read;
}

/// What a table holds (DESIGN section 1): each table is declared as exactly one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// The node's own: in the backup, never shared, never derived.
    Local,
    /// The shared truth.
    Records,
    /// Derived from records: can be dropped and rebuilt.
    View,
}

/// Declaration of a table: kind, columns and the statements that create it on each engine.
#[derive(Debug)]
pub struct Table {
    /// Name in the database.
    pub name: &'static str,
    /// What it holds.
    pub kind: TableKind,
    /// Columns in the order of [`Tx::insert_many`].
    pub columns: &'static [&'static str],
    /// Statements for SQLite: the STRICT table, then its indexes.
    pub sqlite: &'static [&'static str],
    /// Statements for PostgreSQL: the same columns as BIGINT, BYTEA and TEXT in the order of bytes
    /// (`COLLATE "C"`). An index row has room for about 2,700 bytes: longer values are indexed by a hash.
    pub postgres: &'static [&'static str],
}

/// A fault of the engine or of this machine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another process holds the write lock.
    #[error(
        "another process writes to the database and did not let go in 30 s; wait for it to end, or stop it, and run this again"
    )]
    Busy,
    /// A file of the database is not what it should be.
    #[error("the database is damaged: {0}; restore the newest backup, and keep this file to look into")]
    Corrupt(String),
    /// The server does not let this node in, or not do what it must.
    #[error("the database server refuses this node ({0}); check the connection string and the role's rights")]
    Denied(String),
    /// No room on the disk, or the file size limit is reached.
    #[error(
        "no room to write the database ({0}); free some space and run the command again, nothing was half written"
    )]
    Full(String),
    /// The server, or this process, has no connection left.
    #[error(
        "the database has no connection to spare ({0}); wait, stop other clients, or raise max_connections of the server"
    )]
    NoConnections(String),
    /// A standby, or a database that was set so.
    #[error("the database takes no writing ({0}); connect to the primary, or let it be written again")]
    ReadOnly(String),
    /// The engine refused for another reason.
    #[error("the database refused to {operation}")]
    Refused {
        /// What was tried.
        operation: String,
        /// The engine's own word.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A stored value is not of the type or form that was expected.
    #[error("a stored value has the wrong form: {0}; run `polder doctor`")]
    Shape(String),
    /// The connection was lost while a commit was under way.
    #[error(
        "the connection to the database was lost while it committed ({0}): what was sent may be there; send it again, \
         what is there is reported as known"
    )]
    Uncertain(String),
    /// The database is not of the kind that is needed.
    #[error("the database cannot be used: {0}")]
    Unfit(String),
    /// The server does not answer.
    #[error(
        "the database server cannot be reached ({0}); start it, or check the connection string, and run this again"
    )]
    Unreachable(String),
}

impl EngineError {
    /// A stored value of the wrong form: `what` names table, column and key.
    pub fn shape(what: impl Into<String>) -> EngineError {
        EngineError::Shape(what.into())
    }
}
