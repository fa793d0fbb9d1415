// SPDX-License-Identifier: Apache-2.0
//! Opening a store, and running work on it.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ledger::sql::{EngineError, Read, Table, Tx};
use ledger::view::View;
use rusqlite::{Connection, OpenFlags};

use crate::migrate::{self, FORMAT, Migrating};
use crate::names::{NEXT, Names, OLD};
use crate::rebuild::BATCH_RECORDS_MAX;
use crate::sqlite::{Session, engine_error};
use crate::turn::Turn;
use crate::views;

/// How long a statement waits for another process's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two looks at the lock. SQLite's own pauses grow up to 100 ms, and whoever comes back sooner takes
/// the lock each time.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// Read-only connections that are kept for the next reader.
const IDLE_READERS_MAX: usize = 4;
/// Page cache of one connection, in KiB.
const READER_CACHE_KIB: i64 = 2_048;
/// Page cache of a connection that writes, in KiB.
const WRITER_CACHE_KIB: i64 = 16_384;
/// Prepared statements that a connection keeps.
const STATEMENTS_MAX: usize = 128;

/// What rooms bring along: their views and their local tables.
#[derive(Default)]
pub struct Schema {
    /// Views, in the order in which they take in a batch.
    pub views: Vec<Box<dyn View>>,
    /// Tables of local state.
    pub local: Vec<&'static Table>,
}

/// Whether what was erased can still be read on this machine, outside backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scrub {
    /// It cannot.
    Gone,
    /// It still lies in these places.
    Remains(Vec<String>),
}

/// A store could not be opened or created.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There is a database already.
    #[error("{0} exists already; choose another directory, or use the node that is there")]
    Exists(PathBuf),
    /// Made by a later program.
    #[error(
        "{path} was written by a newer polder (format {found}, this program reads up to {known}); update polder"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this program reads.
        known: i64,
    },
    /// Made by an earlier program: [`Store::migrate`] brings it forward.
    #[error(
        "{path} is of format {found}, and this program works on format {known}; run any polder command on it"
    )]
    Older {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format of this program.
        known: i64,
    },
    /// Not there.
    #[error("there is no database at {0}; run `polder init --data DIR`, or name the right directory")]
    Missing(PathBuf),
    /// Something else's database.
    #[error("{0} is not a database of polder; name the directory that `polder init` made")]
    NotOurs(PathBuf),
}

/// A store: cheap to clone, shared by threads.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) place: Place,
    pub(crate) schema: Schema,
    /// Of each view: its tables while it is built.
    pub(crate) names: Vec<Names>,
    /// Records that a rebuild takes in at once.
    pub(crate) batch: AtomicUsize,
}

pub(crate) enum Place {
    /// A file in WAL mode: readers beside one writer.
    File { path: PathBuf, readers: Mutex<Vec<Connection>>, local: Mutex<Option<Connection>> },
    /// One connection in memory, for tests.
    Memory(Mutex<Connection>),
}

impl Store {
    /// Makes a new database.
    pub fn create(path: &Path, schema: Schema) -> Result<Store, OpenError> {
        if path.exists() {
            return Err(OpenError::Exists(path.to_owned()));
        }
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        migrate::create(&connection, &schema)?;
        drop(connection);
        Store::open(path, schema)
    }

    /// Opens a database that is there; tables of local state that are new are made. Views may be stale or
    /// behind: [`Store::bring_up`] makes them whole, and until then the writer passes them by.
    pub fn open(path: &Path, schema: Schema) -> Result<Store, OpenError> {
        let connection = existing(path)?;
        migrate::check(&connection, path)?;
        migrate::bring_up(&connection, &schema)?;
        Ok(Store::on_file(path, connection, schema))
    }

    /// Opens a database as it is, to look for what is wrong with it: nothing is made or noted.
    pub fn open_as_found(path: &Path, schema: Schema) -> Result<Store, OpenError> {
        let connection = existing(path)?;
        migrate::check(&connection, path)?;
        Ok(Store::on_file(path, connection, schema))
    }

    /// Brings a database of an earlier format forward, in one transaction; one of this format is left alone.
    /// No other process may write meanwhile.
    pub fn migrate(path: &Path, told: &mut dyn FnMut(Migrating)) -> Result<(), OpenError> {
        let connection = existing(path)?;
        match migrate::check(&connection, path) {
            Err(OpenError::Older { .. }) => migrate::forward(&connection, migrate::STEPS, path, told),
            answer => answer,
        }
    }

    /// The format of databases that this program works on.
    pub fn newest_format() -> i64 {
        FORMAT
    }

    fn on_file(path: &Path, connection: Connection, schema: Schema) -> Store {
        let (readers, local) = (Mutex::new(Vec::new()), Mutex::new(Some(connection)));
        Store::at(Place::File { path: path.to_owned(), readers, local }, schema)
    }

    fn at(place: Place, schema: Schema) -> Store {
        let names = schema.views.iter().map(|view| Names::next(view.tables())).collect();
        Store {
            shared: Arc::new(Shared { place, schema, names, batch: AtomicUsize::new(BATCH_RECORDS_MAX) }),
        }
    }

    /// A store in memory, for tests.
    pub fn memory(schema: Schema) -> Result<Store, OpenError> {
        let mut connection = Connection::open_in_memory().map_err(|e| engine_error("open memory", e))?;
        set_up(&mut connection, WRITER_CACHE_KIB)?;
        migrate::create(&connection, &schema)?;
        Ok(Store::at(Place::Memory(Mutex::new(connection)), schema))
    }

    /// Runs `work` on one state of the database, read-only.
    pub fn read<T, E: From<EngineError>>(
        &self,
        work: impl FnOnce(&mut dyn Read) -> Result<T, E>,
    ) -> Result<T, E> {
        match &self.shared.place {
            Place::Memory(connection) => in_transaction(&lock(connection), "BEGIN", |tx| work(tx)),
            Place::File { path, readers, .. } => {
                let idle = lock(readers).pop();
                let connection = match idle {
                    Some(connection) => connection,
                    None => reader(path)?,
                };
                let answer = in_transaction(&connection, "BEGIN", |tx| work(tx));
                let mut idle = lock(readers);
                if idle.len() < IDLE_READERS_MAX {
                    idle.push(connection);
                }
                answer
            }
        }
    }

    /// Runs `work` in a transaction that writes local state. Records are appended by the writer alone.
    pub fn local<T, E: From<EngineError>>(
        &self,
        work: impl FnOnce(&mut dyn Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        match &self.shared.place {
            Place::Memory(connection) => in_transaction(&lock(connection), "BEGIN IMMEDIATE", |tx| work(tx)),
            Place::File { path, local, .. } => {
                let mut slot = lock(local);
                let _turn = Turn::take(path)?;
                let connection = match slot.take() {
                    Some(connection) => connection,
                    None => self::writer(path)?,
                };
                let answer = in_transaction(&connection, "BEGIN IMMEDIATE", |tx| work(tx));
                *slot = Some(connection);
                answer
            }
        }
    }

    /// Makes the bytes of what was erased unreadable: they are overwritten in the file (`secure_delete`), and
    /// the write-ahead log, which still holds them, is emptied.
    pub fn scrub(&self) -> Result<Scrub, EngineError> {
        let Place::File { path, .. } = &self.shared.place else { return Ok(Scrub::Gone) };
        let connection = self::writer(path)?;
        let held = connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
            .map_err(|e| engine_error("empty the write-ahead log", e))?;
        Ok(match held {
            0 => Scrub::Gone,
            _ => Scrub::Remains(vec![format!(
                "the write-ahead log of {}, which a reader holds; it is emptied when the last polder on it ends",
                path.display()
            )]),
        })
    }

    /// Runs `work` in a transaction that no append runs beside.
    pub(crate) fn appending<T>(
        &self,
        work: impl FnOnce(&mut dyn Tx) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        // SQLite has one writing transaction at a time, whatever it writes.
        self.local(work)
    }

    /// The views.
    pub fn views(&self) -> &[Box<dyn View>] {
        &self.shared.schema.views
    }

    /// All tables: of the ledger, of the views and of local state.
    pub fn tables(&self) -> Vec<&'static Table> {
        migrate::tables(&self.shared.schema).collect()
    }

    /// Tables that should be there and are not.
    pub fn missing_tables(&self) -> Result<Vec<&'static str>, EngineError> {
        self.read(|read| views::missing(read, &self.tables()))
    }

    /// Tables of half-built views and of views that were switched away.
    pub fn left_over_tables(&self) -> Result<Vec<String>, EngineError> {
        self.read(|read| {
            let mut left_over = Vec::new();
            for table in self.views().iter().flat_map(|view| view.tables()) {
                for name in [format!("{}{NEXT}", table.name), format!("{}{OLD}", table.name)] {
                    if views::exists(read, &name)? {
                        left_over.push(name);
                    }
                }
            }
            Ok(left_over)
        })
    }

    /// SQLite's own check of the file's pages; empty when all is well. The quick one does not compare
    /// indexes with their tables.
    pub fn integrity(&self, quick: bool) -> Result<Vec<String>, EngineError> {
        let sql = if quick { "PRAGMA quick_check" } else { "PRAGMA integrity_check" };
        self.read(|read| {
            let mut faults = Vec::new();
            read.query(sql, &[], &mut |row| {
                let line = row.text(0)?;
                if line != "ok" {
                    faults.push(line.to_owned());
                }
                Ok(ledger::sql::Flow::Continue)
            })?;
            Ok(faults)
        })
    }
}

/// A lock whose holder panicked still guards a sound connection: its transaction was rolled back.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` between `begin` and COMMIT; rolls back when it fails.
pub(crate) fn in_transaction<T, E: From<EngineError>>(
    connection: &Connection,
    begin: &'static str,
    work: impl FnOnce(&mut Session<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let guard = RollBack { connection };
    connection.execute_batch(begin).map_err(|e| engine_error("begin", e))?;
    let answer = work(&mut Session(connection))?;
    connection.execute_batch("COMMIT").map_err(|e| engine_error("commit", e))?;
    std::mem::forget(guard);
    Ok(answer)
}

/// Rolls back unless it is forgotten, on an error and on a panic alike.
struct RollBack<'c> {
    connection: &'c Connection,
}

impl Drop for RollBack<'_> {
    fn drop(&mut self) {
        if !self.connection.is_autocommit() {
            // SQLite may have rolled back by itself; then there is nothing to do.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}

fn existing(path: &Path) -> Result<Connection, OpenError> {
    if !path.is_file() {
        return Err(OpenError::Missing(path.to_owned()));
    }
    Ok(connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, EngineError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)
        .map_err(|e| engine_error(&format!("open {}", path.display()), e))?;
    // SQLite looks at the file only now: say which one is damaged.
    set_up(&mut connection, WRITER_CACHE_KIB).map_err(|error| match error {
        EngineError::Corrupt(what) => EngineError::Corrupt(format!("{}: {what}", path.display())),
        other => other,
    })?;
    Ok(connection)
}

/// A connection that writes.
pub(crate) fn writer(path: &Path) -> Result<Connection, EngineError> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

fn reader(path: &Path) -> Result<Connection, EngineError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)
        .map_err(|e| engine_error(&format!("open {}", path.display()), e))?;
    common(&mut connection, READER_CACHE_KIB)?;
    Ok(connection)
}

/// Asked by SQLite before each further attempt to take a lock.
fn wait_a_moment(attempts: i32) -> bool {
    std::thread::sleep(BUSY_PAUSE);
    BUSY_PAUSE * attempts.unsigned_abs() < BUSY_TIMEOUT
}

fn common(connection: &mut Connection, cache_kib: i64) -> Result<(), EngineError> {
    let fault = |e| engine_error("set up the connection", e);
    connection.busy_handler(Some(wait_a_moment)).map_err(fault)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "cache_size", -cache_kib).map_err(fault)
}

/// DESIGN section 6: WAL with FULL, so that what was answered survives a power cut as far as the disk
/// keeps its word; `secure_delete`, because erasure must be real; a large checkpoint interval.
fn set_up(connection: &mut Connection, cache_kib: i64) -> Result<(), EngineError> {
    let fault = |e| engine_error("set up the connection", e);
    common(connection, cache_kib)?;
    // Takes hold only in an empty database: bodies of a few kilobytes then fit on one page.
    connection.pragma_update(None, "page_size", 8_192).map_err(fault)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(fault)?;
    for (name, value) in [("synchronous", "FULL"), ("secure_delete", "ON"), ("wal_autocheckpoint", "16000")] {
        connection.execute_batch(&format!("PRAGMA {name} = {value}")).map_err(fault)?;
    }
    Ok(())
}
