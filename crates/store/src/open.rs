// SPDX-License-Identifier: Apache-2.0
//! Opening a store, and running work on it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ledger::sql::{EngineError, Read, Table, Tx};
use ledger::view::View;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::engine::Engine;
use crate::migrate::{self, FORMAT, Migrating};
use crate::names::{NEXT, Names, OLD};
use crate::postgresql::{Address, Server};
use crate::rebuild::BATCH_RECORDS_MAX;
use crate::sqlite::{Session, engine_error};
use crate::turn::Turn;
use crate::views;
use crate::wal::{WAL_BYTES_MAX, WAL_CHECKPOINT_PAGES, rein_in};

/// How long a statement waits for another process's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Read-only connections that are kept for the next reader.
const IDLE_READERS_MAX: usize = 4;
/// Page cache of one connection, in KiB: the inner pages of a million records fit.
const READER_CACHE_KIB: i64 = 8_192;
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
    /// Nothing is in it.
    #[error("{0} is empty; `polder init` makes a node in it")]
    Empty(String),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There is a database already.
    #[error("{0} holds a node already; choose another place, or use the node that is there")]
    Exists(String),
    /// Made by a later program.
    #[error(
        "{place} was written by a newer polder (format {found}, this program reads up to {known}); update polder"
    )]
    Newer {
        /// The database.
        place: String,
        /// Its format.
        found: i64,
        /// The newest format that this program reads.
        known: i64,
    },
    /// Made by an earlier program: [`Store::migrate`] brings it forward.
    #[error(
        "{place} is of format {found}, and this program works on format {known}; run any polder command on it"
    )]
    Older {
        /// The database.
        place: String,
        /// Its format.
        found: i64,
        /// The format of this program.
        known: i64,
    },
    /// Not there.
    #[error("there is no database at {0}; run `polder init --data DIR`, or name the right directory")]
    Missing(PathBuf),
    /// Something else's database.
    #[error("{0} holds something that is not polder's; name what `polder init` made, or an empty database")]
    NotOurs(String),
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

/// Where a database is to be found.
#[derive(Clone, Debug)]
pub enum Location {
    /// In this file.
    File(PathBuf),
    /// On a server.
    Postgresql(Box<Address>),
}

impl<P: AsRef<Path> + ?Sized> From<&P> for Location {
    fn from(path: &P) -> Location {
        Location::File(path.as_ref().to_owned())
    }
}

impl From<Address> for Location {
    fn from(address: Address) -> Location {
        Location::Postgresql(Box::new(address))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File(path) => path.display().fmt(f),
            Location::Postgresql(address) => address.fmt(f),
        }
    }
}

/// Where the database is.
pub(crate) enum Place {
    /// A file in WAL mode: readers beside one writer.
    File { path: PathBuf, readers: Mutex<Vec<Connection>>, local: Mutex<Option<Connection>> },
    /// One connection in memory, for tests.
    Memory(Mutex<Connection>),
    /// A server.
    Postgresql(Box<Server>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { path, .. } => path.display().fmt(f),
            Place::Memory(_) => f.write_str("the database in memory"),
            Place::Postgresql(server) => server.address().fmt(f),
        }
    }
}

impl Place {
    /// Whether it is a server's.
    pub(crate) fn is_server(&self) -> bool {
        matches!(self, Place::Postgresql(_))
    }

    /// Keeps the log of a file within bounds, after this process has written to it.
    pub(crate) fn rein_in_the_log(&self) {
        if let Place::File { path, local, .. } = self
            && let Some(connection) = lock(local).as_ref()
        {
            // What is durable stays so; a fault of the disk shows with the next transaction.
            let _ = rein_in(connection, path, WAL_BYTES_MAX);
        }
    }

    /// A place that is there.
    fn found(location: Location) -> Result<Place, OpenError> {
        match location {
            Location::File(path) if !path.is_file() => Err(OpenError::Missing(path)),
            Location::File(path) => Ok(Place::file(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?),
            Location::Postgresql(address) => Ok(Place::Postgresql(Box::new(Server::new(*address)?))),
        }
    }

    fn file(path: PathBuf, flags: OpenFlags) -> Result<Place, EngineError> {
        let local = Mutex::new(Some(connect(&path, flags)?));
        Ok(Place::File { path, readers: Mutex::new(Vec::new()), local })
    }

    /// Runs `work` on one state of the database.
    pub(crate) fn read<T, E: From<EngineError>>(
        &self,
        work: impl FnOnce(&mut dyn Engine) -> Result<T, E>,
    ) -> Result<T, E> {
        match self {
            Place::Memory(connection) => in_transaction(&lock(connection), "BEGIN", work),
            Place::Postgresql(server) => server.read(work),
            Place::File { path, readers, .. } => {
                let idle = lock(readers).pop();
                let connection = match idle {
                    Some(connection) => connection,
                    None => reader(path)?,
                };
                let answer = in_transaction(&connection, "BEGIN", work);
                let mut idle = lock(readers);
                if idle.len() < IDLE_READERS_MAX {
                    idle.push(connection);
                }
                answer
            }
        }
    }

    /// Runs `work` in a transaction that writes: one at a time, whichever process asks.
    pub(crate) fn write<T, E: From<EngineError>>(
        &self,
        work: impl FnOnce(&mut dyn Engine) -> Result<T, E>,
    ) -> Result<T, E> {
        match self {
            Place::Memory(connection) => in_transaction(&lock(connection), "BEGIN IMMEDIATE", work),
            Place::Postgresql(server) => server.write(work),
            Place::File { path, local, .. } => {
                let mut slot = lock(local);
                let _turn = Turn::take(path)?;
                let connection = match slot.take() {
                    Some(connection) => connection,
                    None => self::writer(path)?,
                };
                let answer = in_transaction(&connection, "BEGIN IMMEDIATE", work);
                *slot = Some(connection);
                answer
            }
        }
    }
}

impl Store {
    /// Makes a new database: a file, or the tables in an empty database of a server.
    pub fn create(location: impl Into<Location>, schema: Schema) -> Result<Store, OpenError> {
        let place = match location.into() {
            Location::File(path) if path.exists() => {
                return Err(OpenError::Exists(path.display().to_string()));
            }
            Location::File(path) => {
                Place::file(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?
            }
            server => Place::found(server)?,
        };
        migrate::create(&place, &schema)?;
        Ok(Store::at(place, schema))
    }

    /// Opens a database that is there; tables of local state that are new are made. Views may be stale or
    /// behind: [`Store::bring_up`] makes them whole, and until then the writer passes them by.
    pub fn open(location: impl Into<Location>, schema: Schema) -> Result<Store, OpenError> {
        let place = Place::found(location.into())?;
        migrate::check(&place)?;
        migrate::bring_up(&place, &schema)?;
        Ok(Store::at(place, schema))
    }

    /// Opens a database as it is, to look for what is wrong with it: nothing is made or noted.
    pub fn open_as_found(location: impl Into<Location>, schema: Schema) -> Result<Store, OpenError> {
        let place = Place::found(location.into())?;
        migrate::check(&place)?;
        Ok(Store::at(place, schema))
    }

    /// Brings a database of an earlier format forward, in one transaction; one of this format is left alone.
    /// No other process may write meanwhile.
    pub fn migrate(location: impl Into<Location>, told: &mut dyn FnMut(Migrating)) -> Result<(), OpenError> {
        let place = Place::found(location.into())?;
        match migrate::check(&place) {
            Err(OpenError::Older { .. }) => migrate::forward(&place, migrate::STEPS, told),
            answer => answer,
        }
    }

    /// The format of databases that this program works on.
    pub fn newest_format() -> i64 {
        FORMAT
    }

    fn at(place: Place, schema: Schema) -> Store {
        let names = schema.views.iter().map(|view| Names::next(view.tables())).collect();
        Store {
            shared: Arc::new(Shared { place, schema, names, batch: AtomicUsize::new(BATCH_RECORDS_MAX) }),
        }
    }

    /// A store in memory, for tests.
    pub fn memory(schema: Schema) -> Result<Store, OpenError> {
        let connection = Connection::open_in_memory().map_err(|e| engine_error("open memory", e))?;
        set_up(&connection, WRITER_CACHE_KIB)?;
        let place = Place::Memory(Mutex::new(connection));
        migrate::create(&place, &schema)?;
        Ok(Store::at(place, schema))
    }

    /// Runs `work` on one state of the database, read-only.
    pub fn read<T, E: From<EngineError>>(
        &self,
        work: impl FnOnce(&mut dyn Read) -> Result<T, E>,
    ) -> Result<T, E> {
        self.shared.place.read(|engine| work(engine))
    }

    /// Runs `work` in a transaction that writes local state. Records are appended by the writer alone.
    pub fn local<T, E: From<EngineError>>(
        &self,
        work: impl FnOnce(&mut dyn Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        self.shared.place.write(|engine| work(engine))
    }

    /// Makes the bytes of what was erased unreadable: they are overwritten in the file (`secure_delete`), and
    /// the write-ahead log, which still holds them, is emptied. Tables of views that the writer passed by still
    /// hold them too.
    pub fn scrub(&self) -> Result<Scrub, EngineError> {
        let mut places = self.shared.place.read(|engine| views::passed_by(engine, self.views()))?;
        match &self.shared.place {
            Place::File { path, .. } => places.extend(empty_log(path)?),
            Place::Memory(_) => {}
            Place::Postgresql(server) => places.extend(server.remains()),
        }
        Ok(if places.is_empty() { Scrub::Gone } else { Scrub::Remains(places) })
    }

    /// Runs `work` in a transaction that no append runs beside.
    pub(crate) fn appending<T>(
        &self,
        work: impl FnOnce(&mut dyn Engine) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        // There is one writing transaction at a time, whatever it writes and on every engine.
        self.shared.place.write(work)
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
        self.shared.place.read(|engine| views::missing(engine, &self.tables()))
    }

    /// Tables of half-built views and of views that were switched away.
    pub fn left_over_tables(&self) -> Result<Vec<String>, EngineError> {
        self.shared.place.read(|engine| {
            let mut left_over = Vec::new();
            for table in self.views().iter().flat_map(|view| view.tables()) {
                for name in [format!("{}{NEXT}", table.name), format!("{}{OLD}", table.name)] {
                    if engine.exists(&name)? {
                        left_over.push(name);
                    }
                }
            }
            Ok(left_over)
        })
    }

    /// The engine's own check of itself; empty when all is well. The quick one does not compare the indexes
    /// of a file with their tables.
    pub fn integrity(&self, quick: bool) -> Result<Vec<String>, EngineError> {
        self.shared.place.read(|engine| engine.integrity(quick))
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
    work: impl FnOnce(&mut dyn Engine) -> Result<T, E>,
) -> Result<T, E> {
    let guard = RollBack { connection };
    connection.execute_batch(begin).map_err(|e| engine_error("begin", e))?;
    let mut session = Session::new(connection);
    let answer = work(&mut session)?;
    session.commit()?;
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

/// Empties the write-ahead log; a place if that cannot be done now.
fn empty_log(path: &Path) -> Result<Option<String>, EngineError> {
    let held = writer(path)?
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        .map_err(|e| engine_error("empty the write-ahead log", e))?;
    Ok((held != 0).then(|| {
        format!(
            "the write-ahead log of {}, which a reader holds; it is emptied when the last polder on it ends",
            path.display()
        )
    }))
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, EngineError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|e| engine_error(&format!("open {}", path.display()), e))?;
    // SQLite looks at the file only now: say which one is damaged.
    set_up(&connection, WRITER_CACHE_KIB).map_err(|error| match error {
        EngineError::Corrupt(what) => EngineError::Corrupt(format!("{}: {what}", path.display())),
        other => other,
    })?;
    Ok(connection)
}

/// A connection that writes.
pub(crate) fn writer(path: &Path) -> Result<Connection, EngineError> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

pub(crate) fn reader(path: &Path) -> Result<Connection, EngineError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|e| engine_error(&format!("open {}", path.display()), e))?;
    common(&connection, READER_CACHE_KIB)?;
    Ok(connection)
}

fn common(connection: &Connection, cache_kib: i64) -> Result<(), EngineError> {
    let fault = |e| engine_error("set up the connection", e);
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
    // Without this guarantee SQLite looks at the bound values while it plans, and so compiles a statement
    // anew whenever other values are bound: for each range of a page and each probe of an import.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(fault)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "cache_size", -cache_kib).map_err(fault)
}

/// DESIGN section 6: WAL with FULL, so that what was answered survives a power cut as far as the disk
/// keeps its word; `secure_delete`, because erasure must be real; a large checkpoint interval.
fn set_up(connection: &Connection, cache_kib: i64) -> Result<(), EngineError> {
    let fault = |e| engine_error("set up the connection", e);
    common(connection, cache_kib)?;
    // Takes hold only in an empty database: bodies of a few kilobytes then fit on one page.
    connection.pragma_update(None, "page_size", 8_192).map_err(fault)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(fault)?;
    for (name, value) in [("synchronous", "FULL"), ("secure_delete", "ON")] {
        connection.execute_batch(&format!("PRAGMA {name} = {value}")).map_err(fault)?;
    }
    connection.pragma_update(None, "wal_autocheckpoint", WAL_CHECKPOINT_PAGES).map_err(fault)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn statements_are_compiled_once_whatever_is_bound() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let writing =
            connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE).unwrap();
        writing.execute_batch("CREATE TABLE t (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID").unwrap();
        for connection in [&writing, &reader(&path).unwrap()] {
            let sql = "SELECT b FROM t WHERE a = ?1 AND b > ?2 AND b <= ?3 ORDER BY b LIMIT ?4";
            let mut statement = connection.prepare(sql).unwrap();
            for n in 0..10 {
                assert!(!statement.exists([n, n + 1, n + 2, n + 3]).unwrap());
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        }
    }
}
