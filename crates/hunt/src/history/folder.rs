// SPDX-License-Identifier: Apache-2.0
//! Where runs lie. The room knows no file system: whoever opens the history hands in a folder.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A place that holds runs by name. Names are short, lower case, without a separator.
pub trait RunFolder: Send + Sync {
    /// Which folder it is, for ever: several processes on one database have a folder each.
    fn id(&self) -> &str;

    /// A name that no run ever had, for a part that is kept for a while.
    fn fresh_name(&self) -> String;

    /// Names of all that lies in it, also of what was never committed, in no order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a run for reading. What is open stays readable when it is removed.
    fn open(&self, name: &str) -> io::Result<Box<dyn RunFile>>;

    /// Begins a new run.
    fn create(&self) -> io::Result<Box<dyn NewRun>>;

    /// Removes a run; one that is not there is no fault.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Takes a damaged run out of the way and keeps it, under a name that [`RunFolder::list`] does not give.
    /// One that is not there is no fault.
    fn set_aside(&self, name: &str) -> io::Result<()>;
}

/// A run that is open for reading.
pub trait RunFile: Send + Sync {
    /// Bytes of it.
    fn len(&self) -> u64;

    /// Whether it is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `into` from a place; an end before that is an error of kind `UnexpectedEof`.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
}

/// A run that is being written. Dropped without [`NewRun::commit`] it is gone.
pub trait NewRun: Write + Send {
    /// Makes it durable, then gives it its name, then makes the name durable. A run of the same name is
    /// replaced: names follow from the content.
    fn commit(self: Box<Self>, name: &str) -> io::Result<()>;
}

/// A folder in memory, for tests and for hunting without a node.
#[derive(Clone, Debug, Default)]
pub struct MemoryFolder {
    runs: Arc<Mutex<Runs>>,
    fresh: Arc<AtomicU64>,
}

type Runs = BTreeMap<String, Arc<Vec<u8>>>;

impl MemoryFolder {
    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of a run.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.runs().get(name).map(|run| run.to_vec())
    }

    /// Puts bytes under a name, as a disk that forgets would.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        self.runs().insert(name.to_owned(), Arc::new(bytes));
    }
}

/// Ending of what was set aside.
pub const ASIDE: &str = ".damaged";

fn absent(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no run {name}"))
}

impl RunFolder for MemoryFolder {
    fn id(&self) -> &str {
        "memory"
    }

    fn fresh_name(&self) -> String {
        format!("part-{}", self.fresh.fetch_add(1, Ordering::Relaxed))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.runs().keys().filter(|name| !name.ends_with(ASIDE)).cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn RunFile>> {
        let run = self.runs().get(name).cloned().ok_or_else(|| absent(name))?;
        Ok(Box::new(MemoryRun(run)))
    }

    fn create(&self) -> io::Result<Box<dyn NewRun>> {
        Ok(Box::new(NewMemoryRun { bytes: Vec::new(), folder: self.clone() }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.runs().remove(name);
        Ok(())
    }

    fn set_aside(&self, name: &str) -> io::Result<()> {
        let mut runs = self.runs();
        if let Some(run) = runs.remove(name) {
            runs.insert(format!("{name}{ASIDE}"), run);
        }
        Ok(())
    }
}

struct MemoryRun(Arc<Vec<u8>>);

impl RunFile for MemoryRun {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let part =
            usize::try_from(offset).ok().and_then(|start| self.0.get(start..start.checked_add(into.len())?));
        into.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

struct NewMemoryRun {
    bytes: Vec<u8>,
    folder: MemoryFolder,
}

impl Write for NewMemoryRun {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewRun for NewMemoryRun {
    fn commit(self: Box<Self>, name: &str) -> io::Result<()> {
        let NewMemoryRun { bytes, folder } = *self;
        folder.put(name, bytes);
        Ok(())
    }
}
