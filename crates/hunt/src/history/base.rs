// SPDX-License-Identifier: Apache-2.0
//! The history as a whole: the node's database, which says what counts, and the folder of runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ledger::sql::{Read, Tx};

use super::error::HistoryError;
use super::folder::RunFolder;
use super::format::{OpenRun, RunFacts};
use crate::limits::OPEN_RUNS_MAX;

/// Work that reads.
pub type Reading<'a> = dyn FnMut(&mut dyn Read) -> Result<(), HistoryError> + 'a;
/// Work that writes.
pub type Writing<'a> = dyn FnMut(&mut dyn Tx) -> Result<(), HistoryError> + 'a;

/// The database of a node, as the history needs it: transactions on local state.
pub trait Base {
    /// Runs `work` once on one state of the database.
    fn read(&self, work: &mut Reading<'_>) -> Result<(), HistoryError>;

    /// Runs `work` once in one transaction: all of it counts, and is durable, or nothing does.
    fn write(&self, work: &mut Writing<'_>) -> Result<(), HistoryError>;
}

/// The history of a node.
pub struct History<'a> {
    pub(super) base: &'a dyn Base,
    pub(super) folder: &'a dyn RunFolder,
    /// Runs that are open: whoever asks often does not read their indexes each time.
    open: Mutex<HashMap<String, Arc<OpenRun>>>,
}

impl<'a> History<'a> {
    /// The history that a database and a folder hold together.
    pub fn new(base: &'a dyn Base, folder: &'a dyn RunFolder) -> History<'a> {
        History { base, folder, open: Mutex::default() }
    }

    /// A value read from one state of the database.
    pub(super) fn read<T: Default>(
        &self,
        work: impl FnOnce(&mut dyn Read) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        let (mut work, mut value) = (Some(work), T::default());
        self.base.read(&mut |read| {
            if let Some(work) = work.take() {
                value = work(read)?;
            }
            Ok(())
        })?;
        Ok(value)
    }

    /// A value of one transaction.
    pub(super) fn write<T: Default>(
        &self,
        work: impl FnOnce(&mut dyn Tx) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        let (mut work, mut value) = (Some(work), T::default());
        self.base.write(&mut |tx| {
            if let Some(work) = work.take() {
                value = work(tx)?;
            }
            Ok(())
        })?;
        Ok(value)
    }

    /// A run, opened now or before.
    pub(super) fn open(&self, facts: &RunFacts) -> Result<Arc<OpenRun>, HistoryError> {
        let open = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = open().get(&facts.name) {
            return Ok(Arc::clone(run));
        }
        let run = OpenRun::open(self.folder, facts)?;
        let mut all = open();
        if all.len() >= OPEN_RUNS_MAX {
            all.clear();
        }
        all.insert(facts.name.clone(), Arc::clone(&run));
        Ok(run)
    }
}
