// SPDX-License-Identifier: Apache-2.0
//! Making a view anew from the records.

use ledger::record::each_batch;
use ledger::sql::EngineError;
use ledger::view::View;

use crate::engine::Engine;
use crate::migrate::make;
use crate::open::Store;

/// Records that are read and applied at once.
const REBUILD_BATCH: usize = 5_000;

/// Drops the view's tables and folds all records again.
pub(crate) fn rebuild_view(engine: &mut dyn Engine, view: &dyn View) -> Result<(), EngineError> {
    for table in view.tables() {
        engine.define(&format!("DROP TABLE IF EXISTS {}", table.name))?;
        make(engine, table)?;
    }
    each_batch(engine, REBUILD_BATCH, &mut |tx, records| view.apply(tx, records))
}

impl Store {
    /// Rebuilds all views in one transaction.
    pub fn rebuild(&self) -> Result<(), EngineError> {
        self.shared
            .place
            .write(|engine| self.views().iter().try_for_each(|view| rebuild_view(engine, view.as_ref())))
    }
}
