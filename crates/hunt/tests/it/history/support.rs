// SPDX-License-Identifier: Apache-2.0
//! A node's database in memory, a folder that fails when it is told to, and logs.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hunt::event::{SourceClass, SourceKind};
use hunt::history::{
    Base, FileFacts, History, HistoryError, Keep, MemoryFolder, NewRun, Observed, Question, ReadFile,
    Reading, Recorded, RunFile, RunFolder, Sighted, TABLES, Writing,
};
use hunt::indicator::read_list;
use hunt::report::Hit;
use hunt::run::{Hunt, Keeping, hunt_into};
use hunt::scan::IndicatorSet;
use ledger::sql::EngineError;
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;
use store::{Schema, Store};

/// A node: database and folder.
pub struct Node {
    pub store: Store,
    pub folder: Arc<Failing>,
    /// How many more transactions succeed; each beyond them is rolled back when all its work is done.
    pub transactions: AtomicI64,
}

impl Node {
    pub fn new() -> Node {
        Node {
            store: Store::memory(Schema { views: Vec::new(), local: TABLES.to_vec() }).unwrap(),
            folder: Arc::default(),
            transactions: AtomicI64::new(i64::MAX),
        }
    }

    pub fn history(&self) -> History<'_> {
        History::new(self, &*self.folder)
    }

    pub fn observed(&self) -> Observed {
        Observed::new(Keep::default(), Arc::clone(&self.folder) as Arc<dyn RunFolder>)
    }

    pub fn record(&self, name: &str, log: &[u8], list: &str) -> Result<Recorded, HistoryError> {
        self.record_as(name, log, list, SourceKind::Unknown)
    }

    pub fn record_as(
        &self,
        name: &str,
        log: &[u8],
        list: &str,
        kind: SourceKind,
    ) -> Result<Recorded, HistoryError> {
        self.record_from(name, log, list, kind, 0)
    }

    pub fn record_from(
        &self,
        name: &str,
        log: &[u8],
        list: &str,
        kind: SourceKind,
        from: u64,
    ) -> Result<Recorded, HistoryError> {
        let (facts, hunt, findings) = self.hunt(name, log, list, kind, from);
        self.history()
            .record(&ReadFile { facts: &facts, findings: &findings, worker: 1, now: NOW }, hunt.left.observed)
    }

    pub fn hunt(
        &self,
        name: &str,
        log: &[u8],
        list: &str,
        kind: SourceKind,
        from: u64,
    ) -> (FileFacts, Hunt<'static>, Vec<Hit>) {
        let set = IndicatorSet::build(read_list(list.as_bytes(), "list").indicators);
        let mut findings = Vec::new();
        let keeping = Keeping { observed: self.observed(), from };
        let hunt = hunt_into(&mut &*log, name, &set, 1, Some(keeping), &mut |f| findings.push(Hit::of(f)));
        let class = SourceClass { kind, ..SourceClass::default() };
        let facts = FileFacts { from, ..FileFacts::of_report(&hunt.report, class) };
        (facts, hunt, findings)
    }

    pub fn ask(&self, kind: ObservableKind, text: &str, with_subdomains: bool) -> Sighted {
        let observable = Observable::parse(kind, text).unwrap();
        self.history().seen(&Question { observable, with_subdomains }, &Keep::default()).unwrap()
    }

    pub fn count(&self, kind: ObservableKind, text: &str) -> u64 {
        self.ask(kind, text, false).seen.count
    }

    /// Stops the process: what was committed stays, leftovers are swept.
    pub fn restart(&self) {
        self.transactions.store(i64::MAX, Ordering::Relaxed);
        self.folder.writes.store(i64::MAX, Ordering::Relaxed);
        self.history().sweep().unwrap();
        let mut listed: Vec<String> =
            self.history().runs().unwrap().into_iter().map(|run| run.facts.name).collect();
        let mut there = self.folder.list().unwrap();
        listed.sort();
        there.sort();
        assert_eq!(listed, there, "what counts is there, and nothing else");
    }
}

/// 2024-03-01T00:00:00Z
pub const NOW: Timestamp = Timestamp::from_micros(1_709_251_200_000_000);

impl Base for Node {
    fn read(&self, work: &mut Reading<'_>) -> Result<(), HistoryError> {
        self.store.read(|read| work(read))
    }

    fn write(&self, work: &mut Writing<'_>) -> Result<(), HistoryError> {
        self.store.local(|tx| {
            work(tx)?;
            if self.transactions.fetch_sub(1, Ordering::Relaxed) <= 0 {
                return Err(EngineError::shape("the test pulls the plug").into());
            }
            Ok(())
        })
    }
}

/// A folder in memory whose disk fills after so many writes.
#[derive(Debug)]
pub struct Failing {
    pub inner: MemoryFolder,
    pub writes: AtomicI64,
}

impl Default for Failing {
    fn default() -> Failing {
        Failing { inner: MemoryFolder::default(), writes: AtomicI64::new(i64::MAX) }
    }
}

impl Failing {
    fn spend(&self) -> io::Result<()> {
        if self.writes.fetch_sub(1, Ordering::Relaxed) > 0 {
            Ok(())
        } else {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
}

impl RunFolder for Failing {
    fn id(&self) -> &str {
        self.inner.id()
    }

    fn fresh_name(&self) -> String {
        self.inner.fresh_name()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn RunFile>> {
        self.inner.open(name)
    }

    fn create(&self) -> io::Result<Box<dyn NewRun>> {
        self.spend()?;
        // The test holds the folder longer than any run.
        let left = self.writes.load(Ordering::Relaxed);
        Ok(Box::new(NewFailing { inner: self.inner.create()?, left }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.spend()?;
        self.inner.remove(name)
    }

    fn set_aside(&self, name: &str) -> io::Result<()> {
        self.spend()?;
        self.inner.set_aside(name)
    }
}

struct NewFailing {
    inner: Box<dyn NewRun>,
    left: i64,
}

impl Write for NewFailing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left <= 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl NewRun for NewFailing {
    fn commit(self: Box<Self>, name: &str) -> io::Result<()> {
        if self.left <= 1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.inner.commit(name)
    }
}
