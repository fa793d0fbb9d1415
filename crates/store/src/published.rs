// SPDX-License-Identifier: Apache-2.0
//! The side file: the newest checkpoint that this node has let out.
//!
//! A database that was rolled back to an earlier copy would sign another history under sizes that are
//! known outside. The side file lies beside the database, is synced before a checkpoint goes out, and only
//! grows; a database that is behind it, or has another root at its size, is refused.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use ledger::checkpoint::{Checkpoint, Origin};
use ledger::logs::row_of;
use ledger::sql::EngineError;
use ledger::tree;

use crate::Store;

/// Largest side file that is read.
const SIDE_FILE_BYTES_MAX: u64 = 4_096;

/// The database and the side file do not agree, or the side file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    /// The database was rolled back.
    #[error(
        "{path}: this node has published its log up to size {published}, but the database holds {held}: it was rolled \
         back to an earlier copy. Signing now would fork the log, so nothing was started. Put the newer database back, \
         or a backup of at least that size"
    )]
    Behind {
        /// The side file.
        path: PathBuf,
        /// Size that was published.
        published: u64,
        /// Size of the database's log.
        held: u64,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Another history.
    #[error(
        "{path}: at size {size} the database has another root than the one this node published: it holds another \
         history. Nothing was started. Put the right database back"
    )]
    Forked {
        /// The side file.
        path: PathBuf,
        /// The size.
        size: u64,
    },
    /// The side file is gone.
    #[error(
        "{path} is missing although the log holds {held} records: without it a database that was rolled back cannot be \
         told. Put it back from the newest backup; if it is lost and you are sure that this database is the newest, \
         `polder ledger publish` writes it anew"
    )]
    Missing {
        /// The side file.
        path: PathBuf,
        /// Size of the database's log.
        held: u64,
    },
    /// Reading or writing failed.
    #[error(
        "cannot {what} {path}; what was appended is kept, but not let out. Make room and run the command again"
    )]
    Io {
        /// What was tried.
        what: &'static str,
        /// The side file.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// Not a checkpoint.
    #[error(
        "{path} does not hold a checkpoint; restore it from the newest backup, it keeps the log from forking"
    )]
    Unreadable {
        /// The side file.
        path: PathBuf,
    },
}

/// The side file of a node.
#[derive(Clone, Debug)]
pub struct SideFile {
    path: PathBuf,
}

impl SideFile {
    /// At this path.
    pub fn new(path: impl Into<PathBuf>) -> SideFile {
        SideFile { path: path.into() }
    }

    /// What was published last; `None` on a node that never published.
    pub fn newest(&self) -> Result<Option<Checkpoint>, PublishedError> {
        let mut text = String::new();
        match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io("read", error)),
            Ok(file) => {
                file.take(SIDE_FILE_BYTES_MAX).read_to_string(&mut text).map_err(|e| self.io("read", e))?;
            }
        }
        let unreadable = || PublishedError::Unreadable { path: self.path.clone() };
        Checkpoint::parse(&text).map(Some).map_err(|_| unreadable())
    }

    /// Notes that a checkpoint goes out: synced when this returns. A smaller one changes nothing.
    pub fn publish(&self, checkpoint: &Checkpoint) -> Result<(), PublishedError> {
        let lock_path = self.path.with_extension("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(|e| self.io("lock", e))?;
        // Two processes may publish at once; the file must only grow.
        lock.lock().map_err(|e| self.io("lock", e))?;
        // A later log takes the place of one that cannot go on, whatever their sizes.
        let order = |checkpoint: &Checkpoint| (checkpoint.origin.log, checkpoint.size);
        if self.newest()?.is_some_and(|newest| order(&newest) >= order(checkpoint)) {
            return Ok(());
        }
        self.replace(&checkpoint.print()).map_err(|e| self.io("write", e))
    }

    /// Publishes what the database holds: before it is handed out, and where the operator says that this
    /// database is the newest.
    pub fn publish_held(&self, store: &Store, origin: Origin) -> Result<Checkpoint, PublishedError> {
        let checkpoint = store.read(|read| {
            let log = row_of(&origin);
            let size = tree::size(read, log)?;
            Ok::<_, PublishedError>(Checkpoint { origin, size, root: tree::root_at(read, log, size)? })
        })?;
        self.publish(&checkpoint)?;
        Ok(checkpoint)
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        let parent = self.path.parent().unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()
    }

    fn io(&self, what: &'static str, source: io::Error) -> PublishedError {
        PublishedError::Io { what, path: self.path.clone(), source }
    }

    /// Refuses a database that is behind what was published, or holds another history.
    pub fn check(&self, store: &Store) -> Result<(), PublishedError> {
        let newest = self.newest()?;
        store.read(|read| {
            let log = newest.map_or(1, |published| row_of(&published.origin));
            let held = tree::size(read, log)?;
            let Some(published) = newest else {
                // The first record is durable a moment before the side file is there.
                let path = self.path.clone();
                return if held > 1 { Err(PublishedError::Missing { path, held }) } else { Ok(()) };
            };
            if held < published.size {
                let path = self.path.clone();
                return Err(PublishedError::Behind { path, published: published.size, held });
            }
            let root = tree::root_at(read, log, published.size)?;
            if root != published.root {
                return Err(PublishedError::Forked { path: self.path.clone(), size: published.size });
            }
            Ok(())
        })
    }
}
