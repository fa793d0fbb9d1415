// SPDX-License-Identifier: Apache-2.0
//! The history of a node: its database and its folder of runs, opened together.

mod folder;
mod manage;
mod seen;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hunt::history::{
    Act, Base, FileFacts, History, HistoryError, Keep, LogToRecord, Observed, Outcome, ReadFile, Reading,
    Recorded, RunFolder, Step, Writing, Zeal, audit_name, other_kind,
};
use hunt::report::Hit;
use hunt::report::said::{self, Said};
use hunt::rule::{self, RuleCount};
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;
use rustix::process::getuid;
use store::Store;
use zeroize::Zeroizing;

use folder::FileFolder;
pub use folder::sync;
pub use manage::{forget, run, sources};
pub use seen::seen;

use crate::failure::Failure;
use crate::node::{Node, now, random};

/// How long merging goes on after a hunt; what is left is merged after the next.
const AFTER_HUNT: Duration = Duration::from_secs(5);

/// A node's database as the history needs it.
struct Local<'a>(&'a Store);

impl Base for Local<'_> {
    fn read(&self, work: &mut Reading<'_>) -> Result<(), HistoryError> {
        self.0.read(|read| work(read))
    }

    fn write(&self, work: &mut Writing<'_>) -> Result<(), HistoryError> {
        self.0.local(|tx| work(tx))
    }
}

/// The history of a node, in use by this process.
pub struct Opened<'n> {
    base: Local<'n>,
    folder: Arc<FileFolder>,
    in_use: folder::InUse,
    node: &'n Node,
}

impl<'n> Opened<'n> {
    /// Opens it; the history of an earlier program is taken over first.
    pub fn open(node: &'n Node) -> Result<Opened<'n>, Failure> {
        let folder = Arc::new(FileFolder::open(node)?);
        let in_use = folder.share()?;
        let opened = Opened { base: Local(&node.store), folder, in_use, node };
        let rows = opened.history().take_over(now())?;
        if rows > 0 {
            eprintln!("the history of an earlier program was taken over: {rows} rows are runs now");
        }
        Ok(opened)
    }

    /// The history.
    pub fn history(&self) -> History<'_> {
        History::new(&self.base, &*self.folder)
    }

    /// What it keeps.
    pub fn keep(&self) -> Result<Keep, Failure> {
        let keep = self.history().keep(&[0; 32])?;
        // The key may be under a passphrase: it is asked for only where accounts are kept.
        Ok(if keep.account_key.is_some() { Keep { account_key: Some(*self.key()?), ..keep } } else { keep })
    }

    /// The same for whoever asks: accounts that are no longer kept are found where the history holds any.
    pub fn keep_to_ask(&self, kinds: impl IntoIterator<Item = ObservableKind>) -> Result<Keep, Failure> {
        let keep = self.keep()?;
        let is_asked = kinds.into_iter().any(|kind| kind == ObservableKind::Account);
        let holds_any = || -> Result<bool, Failure> {
            Ok(self.history().runs()?.iter().any(|run| run.facts.kinds.has(ObservableKind::Account)))
        };
        if keep.account_key.is_none() && is_asked && holds_any()? {
            return Ok(Keep { account_key: Some(*self.key()?), ..keep });
        }
        Ok(keep)
    }

    fn key(&self) -> Result<Zeroizing<[u8; 32]>, Failure> {
        self.node.history_key()
    }

    /// Where a hunt collects what the history keeps.
    pub fn observed(&self) -> Result<Observed, Failure> {
        Ok(Observed::new(self.keep()?, Arc::clone(&self.folder) as Arc<dyn RunFolder>))
    }

    /// Records a file.
    pub fn record(
        &self,
        facts: &FileFacts,
        observed: Observed,
        findings: &[Hit],
    ) -> Result<Recorded, HistoryError> {
        self.history().record(&read_file(facts, findings), observed)
    }

    /// Notes what files say of objects that were found, before that is recorded.
    pub fn note(&self, said: &[Said]) -> Result<(), Failure> {
        if said.is_empty() { Ok(()) } else { Ok(self.node.store.local(|tx| said::note(tx, said))?) }
    }

    /// Records several logs together.
    pub fn record_all(&self, logs: &mut [LogToRecord<'_>]) -> Result<Vec<Outcome>, HistoryError> {
        self.history().record_all(logs, worker(), now())
    }

    /// Records what cannot be read once more; what was observed is kept where that fails.
    pub fn record_or_keep(
        &self,
        facts: &FileFacts,
        observed: &mut Observed,
        findings: &[Hit],
    ) -> Result<Recorded, HistoryError> {
        self.history().record_or_keep(&read_file(facts, findings), observed)
    }

    /// Says what rules came to in logs of the register, by their numbers.
    pub fn count(&self, logs: &[(i64, Vec<RuleCount>)]) -> Result<(), Failure> {
        if logs.is_empty() {
            return Ok(());
        }
        Ok(self
            .node
            .store
            .local(|tx| logs.iter().try_for_each(|(log, counts)| rule::put_counts(tx, *log, counts)))?)
    }

    /// Merges while it may go on, in bounded steps; drops what is over, and removes what counts no more.
    pub fn tidy(&self, zeal: Zeal, mut goes_on: impl FnMut() -> bool) -> Result<(), Failure> {
        while goes_on() {
            match self.history().merge_step(zeal, now())? {
                Step::Idle => break,
                Step::Merged { .. } => {}
                Step::SetAside { files } => eprintln!(
                    "a run of the history is damaged and was set aside; {files} files are to be hunted again"
                ),
            }
        }
        let rows = self.history().retain(now())?;
        if rows > 0 {
            eprintln!("{rows} rows of the history were older than they are kept, and are gone");
        }
        self.sweep().map(drop)
    }

    /// What is due after a hunt. Nobody waits for it who has stopped the hunt.
    pub fn tidy_after_hunt(&self, stop: &AtomicBool) -> Result<(), Failure> {
        let begun = Instant::now();
        self.tidy(Zeal::WhenItPays, || !stop.load(Ordering::Relaxed) && begun.elapsed() < AFTER_HUNT)
    }

    /// Removes files of runs that count no more, unless another process may be reading them; answers whether it
    /// could.
    pub fn sweep(&self) -> Result<bool, Failure> {
        self.in_use.alone(|| Ok(self.history().sweep().map(drop)?))
    }

    /// How a value stands in the audit.
    fn audit_name(&self, observable: &Observable, is_forgotten: bool) -> Result<String, Failure> {
        audit_name(observable, is_forgotten, || self.key().map(|key| *key))
    }

    /// When a value was forgotten last. The key may be under a passphrase: it is asked for only where a value of the
    /// kind was forgotten.
    fn forgotten(&self, observable: &Observable) -> Result<Option<Timestamp>, Failure> {
        let mut last = None;
        // 32 digits were forgotten under whichever kind was named.
        for value in std::iter::once(observable).chain(&other_kind(observable)) {
            if self.history().forgotten_of(value.kind())? > 0 {
                last = last.max(self.history().forgotten(&self.audit_name(value, true)?)?);
            }
        }
        Ok(last)
    }

    fn audit(&self, act: Act, what: &str, purpose: &str) -> Result<i64, Failure> {
        Ok(self.history().audit(&who(), act, what, purpose, now())?)
    }
}

/// A number that only this process has: those of the system are the same in two containers on one database.
/// The number of this process: odd, and no other process has it.
pub fn worker() -> i64 {
    static WORKER: OnceLock<i64> = OnceLock::new();
    // 0 is nobody's.
    *WORKER.get_or_init(|| i64::from_le_bytes(random()) | 1)
}

/// A file that this process read just now.
fn read_file<'r>(facts: &'r FileFacts, findings: &'r [Hit]) -> ReadFile<'r> {
    ReadFile { facts, findings, worker: worker(), now: now() }
}

/// Keeps runs from being removed, for as long as it lives, and names them.
pub struct InUse {
    folder: FileFolder,
    _shared: folder::InUse,
}

impl InUse {
    /// Names and paths of the runs, for a backup.
    pub fn parts(&self) -> Result<Vec<(String, PathBuf)>, Failure> {
        self.folder.parts()
    }
}

/// Keeps the runs of a node from being removed.
pub fn in_use(node: &Node) -> Result<InUse, Failure> {
    let folder = FileFolder::open(node)?;
    let shared = folder.share()?;
    Ok(InUse { folder, _shared: shared })
}

/// Who runs this program, as the system knows him.
#[expect(clippy::disallowed_methods, reason = "the name of the user, beside the number that counts")]
fn who() -> String {
    let uid = getuid().as_raw();
    match std::env::var("USER") {
        Ok(name) if !name.is_empty() => format!("{name} (uid {uid})"),
        _ => format!("uid {uid}"),
    }
}

/// Reads a date, `2019-02-03`, as the time at which it begins.
fn date(text: &str) -> Result<Timestamp, Failure> {
    let day = hunt::history::parse_day(text)
        .ok_or_else(|| Failure::usage(format!("`{text}` is no date; write it as 2019-02-03")))?;
    Ok(Timestamp::from_micros(i64::from(day) * 86_400_000_000))
}
