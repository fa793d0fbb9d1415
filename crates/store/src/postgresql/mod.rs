// SPDX-License-Identifier: Apache-2.0
//! PostgreSQL: connections that are kept, and transactions on them.
//!
//! A client drives its connection on the thread that uses it, and must not end on a thread of an
//! asynchronous server: dropping one there panics. So whoever needs one borrows it, and those that are done
//! with end on a thread of the store's own.

mod address;
mod copy;
mod fault;
mod placeholders;
mod session;
#[cfg(feature = "tls")]
mod tls;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use ::postgres::SimpleQueryMessage;
use ledger::sql::EngineError;

pub use address::{Address, AddressError};
pub(crate) use copy::without_nul;
pub(crate) use session::Connection;

use crate::engine::Engine;
use crate::open::lock;

/// Connections that one process has at once, the writer's besides.
const CONNECTIONS_MAX: usize = 16;
/// Of those, how many are kept for the next who asks.
const IDLE_MAX: usize = 4;
/// How long it is waited for a connection to come back.
const RETURN_TIMEOUT: Duration = Duration::from_secs(30);
/// The oldest server that the statements are written for.
const SERVER_VERSION_MIN: u32 = 15;

/// Everything that one transaction reads is of one moment.
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// One transaction writes at a time, as on SQLite: whoever writes waits for this lock, "PLDR" in ASCII, and
/// the end of his transaction lets it go. What a batch builds on (next `seq`, last time, edge of the tree)
/// is read behind it, statement by statement: a snapshot of before would be of before the lock. Whether the
/// database may be written is left to its own settings.
const BEGIN_WRITE: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_catalog.pg_advisory_xact_lock(1347175506)";
/// What a batch promises needs a commit that waits for the disk.
const SET_UP: &str = "SET lock_timeout = '30s'; SET statement_timeout = 0; SET client_min_messages = warning;
    SELECT pg_catalog.set_config('synchronous_commit', 'on', false)
        WHERE pg_catalog.current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')";
const FACTS: &str = "SELECT pg_catalog.current_setting('server_version_num'),
    pg_catalog.current_setting('server_encoding'), pg_catalog.current_setting('synchronous_commit'),
    pg_catalog.current_schema()";

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Read,
    Write,
}

/// A server, and the connections to it that are kept.
pub(crate) struct Server {
    address: Address,
    idle: Mutex<Vec<Connection>>,
    lent: Mutex<usize>,
    returned: Condvar,
    /// Who writes local state: he waits here rather than with a connection in his hand.
    local: Mutex<()>,
    /// Takes connections that are done with.
    ended: Sender<Connection>,
}

impl Server {
    /// Makes the first connection: a database that cannot be used shows here.
    pub(crate) fn new(address: Address) -> Result<Server, EngineError> {
        let first = connect(&address)?;
        let (ended, done) = channel::<Connection>();
        std::thread::Builder::new()
            .name("connections".to_owned())
            .spawn(move || done.into_iter().for_each(drop))
            .map_err(|e| EngineError::Refused {
                operation: "start a thread".to_owned(),
                source: Box::new(e),
            })?;
        let idle = Mutex::new(vec![first]);
        let (lent, returned, local) = (Mutex::new(0), Condvar::new(), Mutex::new(()));
        Ok(Server { address, idle, lent, returned, local, ended })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Where bytes that were deleted lie until the server gets round to them.
    pub(crate) fn remains(&self) -> Vec<String> {
        let of = &self.address;
        vec![
            format!("dead rows of {of}, until it was vacuumed and their room was used again"),
            format!("the write-ahead log of {of}, until it was recycled, and wherever it is archived"),
            format!("standbys of {of}, until they have followed"),
        ]
    }

    /// Runs `work` on one state of the database.
    pub(crate) fn read<T, E: From<EngineError>>(
        &self,
        work: impl FnOnce(&mut dyn Engine) -> Result<T, E>,
    ) -> Result<T, E> {
        self.begin(Purpose::Read)?.run(work)
    }

    /// Runs `work` in a transaction that writes.
    pub(crate) fn write<T, E: From<EngineError>>(
        &self,
        work: impl FnOnce(&mut dyn Engine) -> Result<T, E>,
    ) -> Result<T, E> {
        let _turn = lock(&self.local);
        self.begin(Purpose::Write)?.run(work)
    }

    /// A transaction has begun. A connection that was kept may have died meanwhile: then nothing of the work
    /// was sent yet, and the next one is tried, at last a new one.
    fn begin(&self, purpose: Purpose) -> Result<Lent<'_>, EngineError> {
        let mut lent = self.lend()?;
        loop {
            let kept = lock(&self.idle).pop();
            let fresh = kept.is_none();
            let mut connection = match kept {
                Some(connection) => connection,
                None => connect(&self.address)?,
            };
            let begun = connection.begin(purpose.begin());
            lent.connection = Some(connection);
            lent.writes = purpose == Purpose::Write;
            match begun {
                Err(EngineError::Unreachable(_)) if !fresh => lent.give_back(),
                Err(error) => return Err(error),
                Ok(()) => return Ok(lent),
            }
        }
    }

    fn lend(&self) -> Result<Lent<'_>, EngineError> {
        let waited = self
            .returned
            .wait_timeout_while(lock(&self.lent), RETURN_TIMEOUT, |lent| *lent >= CONNECTIONS_MAX);
        let (mut count, timeout) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        if timeout.timed_out() {
            let told = format!("all {CONNECTIONS_MAX} of this process are in use");
            return Err(EngineError::NoConnections(told));
        }
        *count += 1;
        Ok(Lent { server: self, connection: None, writes: false })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for connection in lock(&self.idle).drain(..) {
            // The thread lives as long as there is someone to send to it.
            let _ = self.ended.send(connection);
        }
    }
}

impl Purpose {
    fn begin(self) -> &'static str {
        match self {
            Purpose::Read => BEGIN_READ,
            Purpose::Write => BEGIN_WRITE,
        }
    }
}

/// A connection that is in use. Dropped, it is rolled back and goes back, or to its end.
struct Lent<'s> {
    server: &'s Server,
    connection: Option<Connection>,
    writes: bool,
}

impl Lent<'_> {
    fn run<T, E: From<EngineError>>(
        mut self,
        work: impl FnOnce(&mut dyn Engine) -> Result<T, E>,
    ) -> Result<T, E> {
        let writes = self.writes;
        let Some(connection) = &mut self.connection else {
            return Err(EngineError::NoConnections("none was begun on".to_owned()).into());
        };
        let answer = work(connection)?;
        connection.commit(writes)?;
        Ok(answer)
    }

    fn give_back(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        connection.roll_back();
        let mut idle = lock(&self.server.idle);
        if connection.is_sound() && idle.len() < IDLE_MAX {
            idle.push(connection);
        } else {
            let _ = self.server.ended.send(connection);
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.give_back();
        *lock(&self.server.lent) -= 1;
        self.server.returned.notify_one();
    }
}

/// The writer's own connection, made when it is needed and made anew when it is lost.
pub(crate) struct Writing {
    address: Address,
    connection: Option<Connection>,
}

impl Writing {
    pub(crate) fn new(address: &Address) -> Writing {
        Writing { address: address.clone(), connection: None }
    }

    /// Runs `work` in a transaction that writes.
    pub(crate) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Engine) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut connection = self.begun()?;
        let answer = work(&mut connection).and_then(|answer| connection.commit(true).map(|()| answer));
        connection.roll_back();
        self.connection = Some(connection).filter(Connection::is_sound);
        answer
    }

    /// Lets the server count what is in its tables. That only helps it to plan: where it fails all goes on
    /// as before, and a connection that died of it shows with the next transaction.
    pub(crate) fn analyze(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.analyze();
        }
    }

    fn begun(&mut self) -> Result<Connection, EngineError> {
        if let Some(mut kept) = self.connection.take() {
            match kept.begin(BEGIN_WRITE) {
                // It died while it waited; nothing was sent yet.
                Err(EngineError::Unreachable(_)) => drop(kept),
                Err(error) => {
                    kept.roll_back();
                    self.connection = Some(kept).filter(Connection::is_sound);
                    return Err(error);
                }
                Ok(()) => return Ok(kept),
            }
        }
        let mut fresh = connect(&self.address)?;
        fresh.begin(BEGIN_WRITE)?;
        Ok(fresh)
    }
}

/// A new connection to a database that can be used.
fn connect(address: &Address) -> Result<Connection, EngineError> {
    let mut client = address.connect()?;
    let fault = |e: ::postgres::Error| fault::engine_error("set up the connection", &e);
    client.batch_execute(SET_UP).map_err(fault)?;
    let rows = client.simple_query(FACTS).map_err(fault)?;
    let facts = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some([0, 1, 2, 3].map(|column| row.get(column).unwrap_or_default())),
        _ => None,
    });
    let [version, encoding, synchronous_commit, schema] = facts.unwrap_or_default();
    let unfit = |why: String| Err(EngineError::Unfit(format!("{address}: {why}")));
    if version.parse::<u32>().unwrap_or(0) / 10_000 < SERVER_VERSION_MIN {
        return unfit(format!(
            "the server is older than PostgreSQL {SERVER_VERSION_MIN} (it says {version}); update it"
        ));
    }
    if encoding != "UTF8" {
        return unfit(format!(
            "its encoding is {encoding}; make another with `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`"
        ));
    }
    if !["on", "remote_apply"].contains(&synchronous_commit) {
        return unfit(format!("synchronous_commit is {synchronous_commit} and cannot be set to on"));
    }
    if schema.is_empty() {
        return unfit("the role has no schema to make tables in; set its search_path".to_owned());
    }
    Ok(Connection::new(client))
}
