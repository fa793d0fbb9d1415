// SPDX-License-Identifier: Apache-2.0
//! Hunts that were stopped, in the data directory: the same command goes on from there.
//!
//! What is kept is of files that are done, so it may lack the newest: they are hunted in again, and the history counts
//! nothing twice. A hunt that asks something else begins anew.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use hunt::reader::HEAD_BYTES;
use hunt::report::FileState;
use hunt::unfinished::{DoneFile, Unfinished};
use model::diagnostic::shown;
use model::id::hex;
use model::time::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::cli;
use crate::failure::Failure;
use crate::keys;
use crate::node::{Node, now};

use super::files::{self, Access};
use super::gather::Gathering;
use super::sought::Quarry;

/// Name of the folder in a data directory.
const FOLDER: &str = "unfinished";
/// How often it is kept how far a hunt has come.
const EVERY: Duration = Duration::from_secs(1);
/// At most one part in so many of the time goes into keeping it.
const COST_SHARE: u32 = 50;
/// How long a stopped hunt can be gone on with; it holds lines of logs.
const DAYS_KEPT: u64 = 30;
/// Stopped hunts that are kept; of more the oldest are dropped.
const KEPT_MAX: usize = 8;
/// Most bytes of one that is read back.
const BYTES_MAX: u64 = 4 << 30;

/// What is known of a hunt since it was begun, which may have been days ago.
pub struct Begun {
    /// What was asked.
    pub asked: [u8; 32],
    pub at: Timestamp,
    /// The newest record whose indicators it looks for.
    pub newest: i64,
    pub done: Vec<DoneFile>,
    spent_before: Duration,
    since: Instant,
}

impl Begun {
    /// How long it has taken in all.
    pub fn spent(&self) -> Duration {
        self.spent_before + self.since.elapsed()
    }
}

/// Keeps how far a hunt has come.
pub struct Keeper {
    pub begun: Begun,
    path: PathBuf,
    /// Held as long as this lives: of two hunts of the same only one is kept.
    lock: File,
    /// Where the files lie that are done.
    places: HashSet<(u64, u64)>,
    kept: Instant,
    cost: Duration,
    /// Whether it was told that it cannot be kept.
    failed: bool,
}

impl Keeper {
    /// Finds out whether these arguments were hunted with before and stopped; what was kept then is answered, too.
    /// `None` where the same is under way in another process, or where what is read cannot be read twice.
    pub fn open(
        node: &Node,
        args: &cli::Hunt,
        quarry: &Quarry,
        newest: i64,
    ) -> Result<Option<(Keeper, Option<Unfinished<'static>>)>, Failure> {
        if args.paths.is_empty() || args.paths.iter().any(|path| path == Path::new("-")) {
            return Ok(None);
        }
        let folder = node.dir.root().join(FOLDER);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|e| Failure::io("make", &folder, &e))?;
        tidy(&folder)?;
        let path = folder.join(name(args));
        let Some(lock) = lock(&path.with_extension("lock"))? else {
            eprintln!(
                "another process hunts in the same logs for the same; how far this one comes is not kept"
            );
            return Ok(None);
        };
        let found = if args.reading.anew { None } else { read(&path, &quarry.asked)? };
        let begun = Begun {
            asked: quarry.asked,
            at: found.as_ref().map_or_else(now, |found| found.begun),
            newest: found.as_ref().map_or(newest, |found| found.newest),
            done: found.as_ref().map(|found| found.done.to_vec()).unwrap_or_default(),
            spent_before: Duration::from_millis(found.as_ref().map_or(0, |found| found.spent_millis)),
            since: Instant::now(),
        };
        let places = begun.done.iter().map(|done| done.place).collect();
        let keeper =
            Keeper { begun, path, lock, places, kept: Instant::now(), cost: Duration::ZERO, failed: false };
        Ok(Some((keeper, found)))
    }

    /// Leaves out the files that are done, whatever they are named today. One that has grown since is told, in the report
    /// too: what is new in it is for the next hunt. What only has the name or the place of one that is done is read, and
    /// so is what could not be read before.
    pub fn leave_out_done(&self, paths: &mut Vec<PathBuf>, gathering: &mut Gathering<'_>) {
        let done = &self.begun.done;
        let by_place: HashMap<_, &DoneFile> = done.iter().map(|done| (done.place, done)).collect();
        let by_path: HashMap<_, &DoneFile> = done.iter().map(|done| (done.path.as_str(), done)).collect();
        let mut grown = Vec::new();
        paths.retain(|path| {
            let name = path.display().to_string();
            let Ok(file) = files::open(path, Access::Named) else { return true };
            let Ok(facts) = file.metadata() else { return true };
            let (place, content) = identity(&facts);
            for known in [by_place.get(&place), by_path.get(name.as_str())].into_iter().flatten() {
                if known.content == content {
                    return false;
                }
                let head = head_of(&file, known.content.0);
                // Of one that was empty nothing was read.
                if known.content.0 > 0
                    && content.0 > known.content.0
                    && head.is_ok_and(|head| head == known.head_sha256)
                {
                    grown.push(name);
                    return false;
                }
            }
            true
        });
        let left: HashSet<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let was_not_read = |state: &FileState| matches!(state, FileState::NotRead(_));
        gathering.summary.files.retain(|file| !was_not_read(&file.state) || !left.contains(&file.path));
        for name in grown {
            let why =
                "it has grown since it was read, before the hunt was stopped; hunt again for what is new";
            eprintln!("{}: {why}", shown(&name));
            gathering.not_read(name, why.to_owned());
        }
    }

    /// A file is done.
    pub fn done(&mut self, path: &Path, identity: Identity) {
        let Identity { place, content, head_sha256 } = identity;
        if self.places.insert(place) {
            self.begun.done.push(DoneFile { path: path.display().to_string(), place, content, head_sha256 });
        }
    }

    /// Keeps how far it has come, if that is due.
    pub fn keep_if_due(&mut self, gathering: &Gathering<'_>) {
        if self.kept.elapsed() >= EVERY.max(self.cost * COST_SHARE) {
            self.keep(gathering);
        }
    }

    /// Keeps how far it has come. What fails is told once: the hunt goes on without.
    pub fn keep(&mut self, gathering: &Gathering<'_>) {
        let begun = Instant::now();
        if let Err(failure) = write(&self.path, &gathering.unfinished(&self.begun))
            && !self.failed
        {
            self.failed = true;
            eprintln!("polder: {failure}; if this hunt is stopped, it begins anew");
        }
        (self.kept, self.cost) = (Instant::now(), begun.elapsed());
    }

    /// Whether it can be gone on with later.
    pub fn is_kept(&self) -> bool {
        self.path.exists()
    }

    /// The hunt came to its end, and its report is written.
    pub fn finish(self) -> Result<(), Failure> {
        remove(&self.path)?;
        remove(&self.path.with_extension("lock"))?;
        drop(self.lock);
        Ok(())
    }
}

/// What became of the hunts that keep lines of logs.
pub struct Dropped {
    /// Those that were stopped, and cannot be gone on with now.
    pub stopped: u64,
    /// Those under way: they keep what they have in mind, lines that were just erased among it, until they end.
    pub under_way: u64,
}

/// Drops what all hunts have kept, for it holds lines of logs; answers how many hunts.
pub fn drop_all(node: &Node) -> Result<Dropped, Failure> {
    let folder = node.dir.root().join(FOLDER);
    let mut kept = 0;
    let mut dropped = Dropped { stopped: 0, under_way: 0 };
    for (path, _) in all(&folder)? {
        if !is_under_way(&path.with_extension("lock"))? {
            dropped.stopped += 1;
        }
        remove(&path)?;
        kept += 1;
    }
    if kept > 0 {
        keys::sync_parent(&folder.join(FOLDER))?;
    }
    for (path, _) in entries(&folder)?.into_iter().filter(|(path, _)| is_lock(path)) {
        dropped.under_way += u64::from(is_under_way(&path)?);
    }
    Ok(dropped)
}

/// What an open file is.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Its device, and its number there.
    pub place: (u64, u64),
    content: (u64, i64),
    head_sha256: [u8; 32],
}

impl Identity {
    /// Of a file that was just opened.
    pub fn of(file: &File) -> io::Result<Identity> {
        let (place, content) = identity(&file.metadata()?);
        Ok(Identity { place, content, head_sha256: head_of(file, content.0)? })
    }
}

/// The hash of the beginning of a file that has so many bytes. What cannot be read at a place has none.
fn head_of(file: &File, len: u64) -> io::Result<[u8; 32]> {
    let mut head = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(HEAD_BYTES)];
    file.read_exact_at(&mut head, 0)?;
    Ok(Sha256::digest(&head).into())
}

/// Whether another process holds the lock of a hunt.
fn is_under_way(lock: &Path) -> Result<bool, Failure> {
    let fault = |e: io::Error| Failure::io("lock", lock, &e);
    let file = match File::open(lock) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(fault(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(fault(error)),
    }
}

/// What tells a file from others, and what tells that it has changed.
fn identity(facts: &fs::Metadata) -> ((u64, u64), (u64, i64)) {
    let changed = facts.mtime().saturating_mul(1_000_000_000).saturating_add(facts.mtime_nsec());
    ((facts.dev(), facts.ino()), (facts.len(), changed))
}

/// The name under which a hunt is kept: the same for the same arguments.
fn name(args: &cli::Hunt) -> String {
    let paths: Vec<PathBuf> =
        args.paths.iter().map(|path| fs::canonicalize(path).unwrap_or_else(|_| path.clone())).collect();
    let told = format!("{paths:?}\n{:?}\n{:?}", args.quarry, args.reading.tz);
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(Sha256::digest(told));
    hex(&[a, b, c, d, e, f, g, h])
}

/// Stopped hunts with the time at which they were kept, the newest first.
fn all(folder: &Path) -> Result<Vec<(PathBuf, SystemTime)>, Failure> {
    let mut all = entries(folder)?;
    all.retain(|(path, _)| !is_lock(path));
    all.sort_by_key(|(_, kept)| std::cmp::Reverse(*kept));
    Ok(all)
}

fn is_lock(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "lock")
}

/// The files of a folder, with the time at which each was written.
fn entries(folder: &Path) -> Result<Vec<(PathBuf, SystemTime)>, Failure> {
    let fault = |e: io::Error| Failure::io("list", folder, &e);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fault(error)),
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.map_err(fault)?;
        match entry.metadata().and_then(|facts| facts.modified()) {
            Ok(written) => all.push((entry.path(), written)),
            // A hunt that has just ended took it away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fault(error)),
        }
    }
    Ok(all)
}

/// Drops what is too old or too much.
fn tidy(folder: &Path) -> Result<(), Failure> {
    let days = Duration::from_secs(DAYS_KEPT * 24 * 60 * 60);
    for (nth, (path, kept)) in all(folder)?.into_iter().enumerate() {
        if nth >= KEPT_MAX || kept.elapsed().is_ok_and(|age| age > days) {
            remove(&path)?;
            remove(&path.with_extension("lock"))?;
        }
    }
    Ok(())
}

fn lock(path: &Path) -> Result<Option<File>, Failure> {
    let fault = |e: io::Error| Failure::io("lock", path, &e);
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = open.map_err(fault)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(fault(error)),
    }
}

/// What was kept, if it asked the same. What cannot be used is told and left for the next to replace.
fn read(path: &Path, asked: &[u8; 32]) -> Result<Option<Unfinished<'static>>, Failure> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::io("read", path, &error)),
    };
    let mut bytes = Vec::new();
    let unpacked = zstd::Decoder::new(file).and_then(|packed| packed.take(BYTES_MAX).read_to_end(&mut bytes));
    let read = unpacked.map_err(|e| e.to_string());
    let read = read.and_then(|_| Unfinished::from_bytes(&bytes).map_err(|e| e.to_string()));
    match read {
        Ok(found) if found.asked == *asked => Ok(Some(found)),
        Ok(found) => {
            let began = &found.begun.to_string()[..10];
            eprintln!(
                "a hunt in these logs was stopped on {began}; rules, lists or settings have changed since, so it begins anew"
            );
            Ok(None)
        }
        Err(why) => {
            eprintln!("{}: {why}; the hunt begins anew", path.display());
            Ok(None)
        }
    }
}

/// Writes it beside the old one and puts it in its place.
fn write(path: &Path, unfinished: &Unfinished<'_>) -> Result<(), Failure> {
    let new = path.with_extension("new");
    let done = (|| {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        let mut packed = zstd::Encoder::new(file, 1)?;
        unfinished.write_to(&mut packed)?;
        packed.finish()?.sync_all()?;
        fs::rename(&new, path)
    })();
    if done.is_err() {
        // What is half written helps nobody; the fault itself is told.
        let _ = fs::remove_file(&new);
    }
    done.map_err(|e| Failure::io("write", path, &e))
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::io("remove", path, &error)),
        _ => Ok(()),
    }
}
