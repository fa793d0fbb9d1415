// SPDX-License-Identifier: Apache-2.0
//! What opening, migrating and rebuilding need of an engine besides the traits of the ledger.

use ledger::sql::{EngineError, Table, Tx};

/// What a database is found to be before anything is read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing is in it.
    Empty,
    /// Ours, of this format.
    Format(i64),
    /// Something else's.
    Other,
}

/// A transaction on one engine.
pub(crate) trait Engine: Tx {
    /// What is there.
    fn found(&mut self) -> Result<Found, EngineError>;
    /// Marks the database as ours.
    fn mark(&mut self, format: i64) -> Result<(), EngineError>;
    /// Runs one statement of the schema.
    fn define(&mut self, sql: &str) -> Result<(), EngineError>;
    /// The statements that make a table here.
    fn definition(&self, table: &Table) -> &'static [&'static str];
    /// Whether a table is there.
    fn has_table(&mut self, name: &str) -> Result<bool, EngineError>;
    /// The engine's own check of itself; empty when all is well.
    fn integrity(&mut self) -> Result<Vec<String>, EngineError>;
}
