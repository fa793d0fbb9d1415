// SPDX-License-Identifier: Apache-2.0
//! What opening, migrating and rebuilding need of an engine besides the traits of the ledger.

use ledger::sql::{EngineError, Tx};

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
    /// Marks the database as ours, and of this format.
    fn mark(&mut self, format: i64) -> Result<(), EngineError>;
    /// Runs one statement of the schema.
    fn define(&mut self, sql: &str) -> Result<(), EngineError>;
    /// Those of the two that are for this engine.
    fn statements(
        &self,
        sqlite: &'static [&'static str],
        postgres: &'static [&'static str],
    ) -> &'static [&'static str];
    /// Whether a table or an index of this name is there.
    fn exists(&mut self, name: &str) -> Result<bool, EngineError>;
    /// From here on this transaction gives up soon when others hold what it wants, with [`EngineError::Busy`],
    /// where readers could be in its way and would have to wait behind it.
    fn give_up_soon(&mut self) -> Result<(), EngineError>;
    /// The engine's own check of itself; empty when all is well. The quick one may leave indexes out.
    fn integrity(&mut self, quick: bool) -> Result<Vec<String>, EngineError>;
}
