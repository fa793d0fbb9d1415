// SPDX-License-Identifier: Apache-2.0
//! Making a view anew from the records.

use ledger::record::each_batch;
use ledger::sql::EngineError;
use ledger::view::View;

use crate::migrate::make;
use crate::open::{Place, Store, in_transaction, lock, writer};
use crate::sqlite::{Session, engine_error};

/// Records that are read and applied at once.
const REBUILD_BATCH: usize = 5_000;

/// Drops the view's tables and folds all records again.
pub(crate) fn rebuild_view(tx: &mut Session<'_>, view: &dyn View) -> Result<(), EngineError> {
    for table in view.tables() {
        let sql = format!("DROP TABLE IF EXISTS {}", table.name);
        tx.0.execute_batch(&sql).map_err(|e| engine_error(&format!("drop {}", table.name), e))?;
        make(tx, table)?;
    }
    each_batch(tx, REBUILD_BATCH, &mut |tx, records| view.apply(tx, records))
}

impl Store {
    /// Rebuilds all views in one transaction.
    pub fn rebuild(&self) -> Result<(), EngineError> {
        let work =
            |tx: &mut Session<'_>| self.views().iter().try_for_each(|view| rebuild_view(tx, view.as_ref()));
        match &self.shared.place {
            Place::Memory(connection) => in_transaction(&lock(connection), "BEGIN IMMEDIATE", work),
            Place::File { path, .. } => in_transaction(&writer(path)?, "BEGIN IMMEDIATE", work),
        }
    }
}
