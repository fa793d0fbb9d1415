// SPDX-License-Identifier: Apache-2.0
//! The node that is tested: the real store, ledger and rooms over a real database, and the ways in which it
//! is crashed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use exchange::token::LOCAL_TABLES;
use exchange::view::CollectionView;
use hunt::view::IndicatorView;
use ledger::append::{Circumstances, Outcome, Signer};
use ledger::checkpoint::Origin;
use ledger::definitions::DefinitionView;
use ledger::draft::Draft;
use ledger::sql::Flow;
use model::time::Timestamp;
use store::postgresql::Address;
use store::published::SideFile;
use store::{Location, Schema, Scrub, Store, SubmitError, Writer};
use trust::log_key::{LOG_KEY_BYTES, LogKey};

use crate::broken::{Ran, holds};
use crate::deed::Crash;
use crate::rng::Rng;
use crate::scene::{START, member};

/// Microseconds between two looks at the clock.
const TICK_US: i64 = 1_000_000;
/// Bytes of a page of the database.
const PAGE_BYTES: usize = 8_192;

/// On what the node stands.
#[derive(Clone, Debug)]
pub enum Ground {
    /// SQLite on a file, in a folder of its own.
    File,
    /// SQLite in memory: it cannot crash, as nothing would be left.
    Memory,
    /// A database of its own on a server, by its connection string.
    Postgresql(String),
}

/// The log whose checkpoints the node signs.
pub fn origin() -> Origin {
    Origin { member: member(1).0, log: 1 }
}

/// Its keys: the same in every history.
pub fn log_key() -> Ran<LogKey> {
    LogKey::from_bytes(&[5; LOG_KEY_BYTES]).map_err(|error| std::io::Error::other(error).into())
}

fn schema() -> Schema {
    Schema {
        views: vec![Box::new(DefinitionView), Box::new(CollectionView), Box::new(IndicatorView)],
        local: LOCAL_TABLES.to_vec(),
    }
}

/// What lies in the node's folder at one moment.
#[derive(Clone, Debug, Default)]
pub struct Files {
    database: Vec<u8>,
    wal: Vec<u8>,
    side: Option<Vec<u8>>,
}

/// A running node.
pub struct Node {
    ground: Ground,
    dir: PathBuf,
    store: Store,
    writer: Option<Writer>,
    clock: Arc<AtomicI64>,
}

impl Node {
    /// A new one. `dir` is empty, and its own.
    pub fn new(ground: Ground, dir: &Path) -> Ran<Node> {
        let store = match &ground {
            Ground::File => Store::create(&dir.join("db"), schema())?,
            Ground::Memory => Store::memory(schema())?,
            Ground::Postgresql(string) => Store::create(address(string)?, schema())?,
        };
        let clock = Arc::new(AtomicI64::new(START));
        let mut node = Node { ground, dir: dir.to_owned(), store, writer: None, clock };
        node.writer = Some(node.start_writer()?);
        Ok(node)
    }

    /// One on a file that is there already. `dir` is empty, and its own.
    pub fn on(files: &Files, clock: Timestamp, dir: &Path) -> Ran<Node> {
        let store = Store::memory(Schema::default())?;
        let clock = Arc::new(AtomicI64::new(clock.micros()));
        let mut node = Node { ground: Ground::File, dir: dir.to_owned(), store, writer: None, clock };
        node.start(files)?;
        Ok(node)
    }

    fn start_writer(&self) -> Ran<Writer> {
        let signer = Signer { origin: origin(), key: log_key()?, tombstone_key: [4; 32] };
        let clock = Arc::clone(&self.clock);
        let circumstances = move || {
            let now = clock.fetch_add(TICK_US, Ordering::SeqCst);
            Circumstances { now: Timestamp::from_micros(now), randomness: Rng::new(now as u64).bytes() }
        };
        Ok(self.store.writer(signer, Some(self.side()), circumstances)?)
    }

    /// The side file.
    pub fn side(&self) -> SideFile {
        SideFile::new(self.dir.join("published"))
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What the node's clock says.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.clock.fetch_add(TICK_US, Ordering::SeqCst))
    }

    /// Sets the clock forward or back.
    pub fn turn_clock(&self, days: i64) {
        self.clock.fetch_add(days * 86_400_000_000, Ordering::SeqCst);
    }

    /// Hands a batch to the writer and waits for its answer.
    pub fn submit(&self, drafts: Vec<Draft>) -> Result<Vec<Outcome>, SubmitError> {
        self.writer.as_ref().map_or(Err(SubmitError::Stopped), |writer| writer.submit(drafts).wait())
    }

    /// Makes the bytes of what was erased unreadable; a receipt may go out only after that.
    pub fn scrub(&self) -> Ran<()> {
        let scrub = self.store.scrub()?;
        let gone = matches!((&scrub, &self.ground), (Scrub::Gone, _) | (_, Ground::Postgresql(_)));
        holds(6, || format!("nobody reads, so nothing remains: {scrub:?}"), gone)
    }

    /// Whether it stands on a server.
    pub fn on_server(&self) -> bool {
        matches!(self.ground, Ground::Postgresql(_))
    }

    /// Whether it can be started again.
    pub fn can_restart(&self) -> bool {
        !matches!(self.ground, Ground::Memory)
    }

    /// Whether what it writes can be cut.
    pub fn has_files(&self) -> bool {
        matches!(self.ground, Ground::File)
    }

    /// All bytes on the disk, where law 6 looks.
    pub fn bytes(&self) -> Ran<Vec<(&'static str, Vec<u8>)>> {
        if !self.has_files() {
            return Ok(Vec::new());
        }
        let files = self.files()?;
        Ok(vec![("the database", files.database), ("the write-ahead log", files.wal)])
    }

    /// What lies there now.
    pub fn files(&self) -> Ran<Files> {
        let read = |name: &str| match fs::read(self.dir.join(name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        };
        let side = read("published")?;
        if !self.has_files() {
            return Ok(Files { side, ..Files::default() });
        }
        let (database, wal) = (read("db")?.unwrap_or_default(), read("db-wal")?.unwrap_or_default());
        Ok(Files { database, wal, side })
    }

    /// Stops it, in good order or not: what lies in the folder afterwards is said by [`Node::start`].
    pub fn stop(&mut self) {
        self.writer = None;
    }

    /// Starts it on these files, as `polder serve` does: migrate, open, ask the side file, bring up the views.
    pub fn start(&mut self, files: &Files) -> Ran<()> {
        self.put(files)?;
        let location = self.location()?;
        Store::migrate(location.clone(), &mut |_| {})?;
        self.store = Store::open(location, schema())?;
        self.side().check(&self.store)?;
        self.store.bring_up(&mut |_| Flow::Continue)?;
        self.writer = Some(self.start_writer()?);
        Ok(())
    }

    /// Whether a node on these files refuses to start because it would fork its log.
    pub fn refuses(&mut self, files: &Files) -> Ran<bool> {
        self.put(files)?;
        let store = Store::open(self.location()?, schema())?;
        let refused = self.side().check(&store).is_err();
        self.store = store;
        Ok(refused)
    }

    /// Puts an older database under the present side file.
    pub fn rolled_back(old: &Files, present: &Files) -> Files {
        Files { side: present.side.clone(), ..old.clone() }
    }

    fn location(&self) -> Ran<Location> {
        Ok(match &self.ground {
            Ground::Postgresql(string) => address(string)?.into(),
            _ => (&self.dir.join("db")).into(),
        })
    }

    fn put(&mut self, files: &Files) -> Ran<()> {
        // Connections that are still open would write to what is put there.
        self.store = Store::memory(Schema::default())?;
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        if self.has_files() {
            fs::write(self.dir.join("db"), &files.database)?;
            fs::write(self.dir.join("db-wal"), &files.wal)?;
        }
        if let Some(side) = &files.side {
            fs::write(self.dir.join("published"), side)?;
        }
        Ok(())
    }

    /// Lays a half-written side file where the next one is made.
    pub fn half_published(&self) -> Ran<()> {
        Ok(fs::write(self.dir.join("published.new"), "polder/")?)
    }
}

fn address(string: &str) -> Ran<Address> {
    Address::parse(string).map_err(|error| std::io::Error::other(error).into())
}

/// Whether a batch is there after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum There {
    /// It was not acknowledged, and its commit was under way.
    Maybe,
    /// Nothing of it reached the disk.
    No,
    /// Its commit was over.
    Yes,
}

/// What a crash leaves of the moments before a batch, after its commit and after its sweeping, and whether
/// the batch must be in it.
///
/// SQLite writes a batch to the write-ahead log at its commit, one byte after the other, and syncs it before
/// it answers: what a kill leaves is a beginning of the new bytes with the old ones behind them, what a power
/// cut leaves may have its length without its content. Sweeping moves pages into the database first, and
/// cuts the log when they are synced.
pub fn left_by(crash: Crash, moments: [&Files; 3], salt: u64) -> (Files, There) {
    let [before, written, swept] = moments;
    match crash {
        Crash::Before => (before.clone(), There::No),
        Crash::Killed(cut) | Crash::PowerCut(cut) => {
            let begin = before.wal.iter().zip(&written.wal).take_while(|(a, b)| a == b).count();
            let end = begin + (written.wal.len() - begin) * usize::from(cut) / 1_000;
            let mut wal = written.wal[..end].to_vec();
            if let Crash::PowerCut(_) = crash {
                wal.resize(written.wal.len().max(before.wal.len()), 0);
            } else if before.wal.len() > end {
                wal.extend_from_slice(&before.wal[end..]);
            }
            (Files { wal, ..before.clone() }, There::Maybe)
        }
        Crash::Unpublished => (Files { side: before.side.clone(), ..written.clone() }, There::Yes),
        Crash::Unanswered => (written.clone(), There::Yes),
        Crash::Sweeping if swept.wal.is_empty() && !written.wal.is_empty() => {
            let mut rng = Rng::new(salt);
            let mut database = swept.database.clone();
            for (nth, page) in database.chunks_mut(PAGE_BYTES).enumerate() {
                let old = written.database.get(nth * PAGE_BYTES..(nth + 1) * PAGE_BYTES);
                if let Some(old) = old.filter(|_| rng.percent(50)) {
                    page.copy_from_slice(old);
                }
            }
            (Files { database, ..written.clone() }, There::Yes)
        }
        Crash::Sweeping | Crash::After => (swept.clone(), There::Yes),
    }
}
