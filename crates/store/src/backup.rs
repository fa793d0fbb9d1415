// SPDX-License-Identifier: Apache-2.0
//! A copy of the database at one moment, while others read and write it.

use std::path::Path;

use ledger::checkpoint::Checkpoint;
use ledger::logs::{own_logs, row_of};
use ledger::sql::EngineError;
use ledger::tree;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::Store;
use crate::open::{Place, lock, reader};
use crate::sqlite::{Session, engine_error};

/// All pages at once: one step sees one state, and in WAL mode holds up nobody.
const ALL_PAGES: std::ffi::c_int = -1;

impl Store {
    /// Copies the database to a new file; answers how far each own log reaches in the copy, the oldest
    /// first.
    pub fn backup(&self, to: &Path) -> Result<Vec<Checkpoint>, EngineError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut copy = Connection::open_with_flags(to, flags)
            .map_err(|e| engine_error(&format!("open {}", to.display()), e))?;
        match &self.shared.place {
            Place::File { path, .. } => copy_all(&reader(path)?, &mut copy)?,
            Place::Memory(connection) => copy_all(&lock(connection), &mut copy)?,
            Place::Postgresql(_) => {
                let source =
                    "it is on a PostgreSQL server; use pg_basebackup or pg_dump (docs/backup.md)".into();
                return Err(EngineError::Refused { operation: "copy the database".to_owned(), source });
            }
        }
        let mut session = Session::new(&copy);
        own_logs(&mut session)?
            .into_iter()
            .map(|log| {
                let root = tree::root_at(&mut session, row_of(&log.origin), log.size)?;
                Ok(Checkpoint { origin: log.origin, size: log.size, root })
            })
            .collect()
    }
}

fn copy_all(from: &Connection, to: &mut Connection) -> Result<(), EngineError> {
    let fault = |e| engine_error("copy the database", e);
    let backup = Backup::new(from, to).map_err(fault)?;
    match backup.step(ALL_PAGES).map_err(fault)? {
        StepResult::Done => Ok(()),
        _ => Err(EngineError::Busy),
    }
}
