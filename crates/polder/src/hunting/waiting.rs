// SPDX-License-Identifier: Apache-2.0
//! Findings that wait to be stored and have no room in memory, in a file of the data directory.
//!
//! A file belongs to the process that made it for as long as that holds its lock; what a process left behind belongs to
//! whoever comes next. It is removed when all of it is stored, and set aside where some of it cannot be read. A program that is killed in between stores some of it
//! again, which counts nothing twice.

use std::borrow::Cow;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hunt::limits::{FINDINGS_WAITING_PART_BYTES_MAX, FINDINGS_WAITING_PART_MAX};
use hunt::report::Hit;
use hunt::waiting::{Unreadable, Waiting};
use model::id::hex;

use crate::failure::Failure;
use crate::keys;
use crate::node::{Node, random};

/// Name of the folder in a data directory.
const FOLDER: &str = "waiting";
/// How the name of a file ends that is not locked yet.
const NEW: &str = "new";
/// How the name of a file ends of which not all can be read.
const BAD: &str = "bad";
/// Bytes before a part, which say how long it is.
const HEAD_BYTES: u64 = 8;
/// Most bytes of one part that are read back: findings take less than in memory, lines of them not.
const PART_BYTES_MAX: u64 = 4 * FINDINGS_WAITING_PART_BYTES_MAX as u64;

/// About what a finding takes besides its line.
const HIT_BYTES: usize = 512;

/// About what a finding takes in memory.
pub fn bytes_of(hit: &Hit) -> usize {
    HIT_BYTES + hit.finding.text.len()
}

/// A file of findings.
pub struct WaitingFile {
    path: PathBuf,
    /// Locked as long as this lives.
    file: File,
    /// Where the last whole part ends: what failed to be written behind it is written over.
    end: u64,
    /// Findings in it.
    pub findings: u64,
}

impl WaitingFile {
    /// A new one, for this process.
    pub fn make(node: &Node) -> Result<WaitingFile, Failure> {
        let folder = node.dir.root().join(FOLDER);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|e| Failure::io("make", &folder, &e))?;
        let path = folder.join(hex(&random::<8>()));
        let fault = |e: io::Error| Failure::io("make", &path, &e);
        // It has its name only when it is locked: until then another process would take it for left behind.
        let new = path.with_extension(NEW);
        let open = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&new);
        let file = open.map_err(fault)?;
        file.try_lock().map_err(|e| fault(e.into()))?;
        fs::rename(&new, &path).map_err(fault)?;
        keys::sync_parent(&path)?;
        // The folder itself may be new.
        keys::sync_parent(&folder)?;
        Ok(WaitingFile { path, file, end: 0, findings: 0 })
    }

    /// Writes findings of a log behind what is there. Where this fails none of them is in the file.
    pub fn add(
        &mut self,
        log: &str,
        number: Option<i64>,
        is_received: bool,
        findings: &[Hit],
    ) -> Result<(), Failure> {
        let written = (|| {
            let mut end = self.end;
            for part in parts(findings) {
                let waiting = Waiting { log: log.into(), number, is_received, findings: Cow::Borrowed(part) };
                let bytes = waiting.to_bytes();
                self.file.write_all_at(&(bytes.len() as u64).to_le_bytes(), end)?;
                self.file.write_all_at(&bytes, end + HEAD_BYTES)?;
                end += HEAD_BYTES + bytes.len() as u64;
            }
            self.file.sync_all()?;
            Ok(end)
        })();
        match written {
            Ok(end) => {
                self.end = end;
                self.findings += findings.len() as u64;
                Ok(())
            }
            Err(error) => {
                // What is half written is written over by the next; the fault itself is told.
                let _ = self.file.set_len(self.end);
                Err(Failure::io("write", &self.path, &error))
            }
        }
    }

    /// Gives all findings, part by part in the order in which they were written. Answers how many bytes are of no part that
    /// can be read: whoever wrote them was killed or is another program, or they are damaged.
    pub fn each(
        &self,
        take: &mut dyn FnMut(Waiting<'static>) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let (mut at, mut unread) = (0, 0);
        while at < self.end {
            let Some(bytes) = self.part(at)? else { return Ok(unread + self.end - at) };
            let size = HEAD_BYTES + bytes.len() as u64;
            at += size;
            match Waiting::from_bytes(&bytes) {
                Ok(waiting) => take(waiting)?,
                Err(Unreadable) => unread += size,
            }
        }
        Ok(unread)
    }

    /// The part that begins there; `None` if the file ends before it does.
    fn part(&self, at: u64) -> Result<Option<Vec<u8>>, Failure> {
        let fault = |e: io::Error| Failure::io("read", &self.path, &e);
        if self.end - at < HEAD_BYTES {
            return Ok(None);
        }
        let mut head = [0; HEAD_BYTES as usize];
        self.file.read_exact_at(&mut head, at).map_err(fault)?;
        let len = u64::from_le_bytes(head);
        if len > PART_BYTES_MAX || len > self.end - at - HEAD_BYTES {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, at + HEAD_BYTES).map_err(fault)?;
        Ok(Some(bytes))
    }

    /// Not all of it can be read: it is kept for whoever can, and read no more. Answers under which name.
    pub fn set_aside(self) -> Result<PathBuf, Failure> {
        let aside = self.path.with_extension(BAD);
        fs::rename(&self.path, &aside).map_err(|e| Failure::io("set aside", &self.path, &e))?;
        keys::sync_parent(&aside)?;
        Ok(aside)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of it is stored.
    pub fn remove(self) -> Result<(), Failure> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::io("remove", &self.path, &error))
            }
            _ => keys::sync_parent(&self.path),
        }
    }
}

/// Findings in parts that are written and read at once.
fn parts(findings: &[Hit]) -> impl Iterator<Item = &[Hit]> {
    let mut rest = findings;
    std::iter::from_fn(move || {
        let (mut count, mut bytes) = (0, 0);
        for hit in rest {
            bytes += bytes_of(hit);
            if count > 0 && (count >= FINDINGS_WAITING_PART_MAX || bytes > FINDINGS_WAITING_PART_BYTES_MAX) {
                break;
            }
            count += 1;
        }
        let (part, behind) = rest.split_at_checked(count)?;
        rest = behind;
        (!part.is_empty()).then_some(part)
    })
}

/// Removes what was set aside, for it quotes lines of logs; answers how many files.
pub fn drop_set_aside(node: &Node) -> Result<u64, Failure> {
    let mut dropped = 0;
    for path in entries(node)?.into_iter().filter(|path| has_end(path, BAD)) {
        fs::remove_file(&path).map_err(|e| Failure::io("remove", &path, &e))?;
        keys::sync_parent(&path)?;
        dropped += 1;
    }
    Ok(dropped)
}

fn has_end(path: &Path, end: &str) -> bool {
    path.extension().is_some_and(|extension| extension == end)
}

/// The files of the folder; what else is there is none of ours.
fn entries(node: &Node) -> Result<Vec<PathBuf>, Failure> {
    let folder = node.dir.root().join(FOLDER);
    let fault = |e: io::Error| Failure::io("list", &folder, &e);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fault(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(fault)?;
        match entry.file_type() {
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            Ok(_) => {}
            // Whoever made it has stored it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fault(error)),
        }
    }
    Ok(files)
}

/// What processes left behind that are gone, and how many files belong to processes under way.
pub fn left_behind(node: &Node) -> Result<(Vec<WaitingFile>, u64), Failure> {
    let (mut left, mut under_way) = (Vec::new(), 0);
    for path in entries(node)?.into_iter().filter(|path| !has_end(path, NEW) && !has_end(path, BAD)) {
        let open = OpenOptions::new().read(true).write(true).open(&path);
        let file = match open {
            Ok(file) => file,
            // Whoever made it has stored it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Failure::io("read", &path, &error)),
        };
        match file.try_lock() {
            Ok(()) if path.exists() => {
                let end = file.metadata().map_err(|e| Failure::io("read", &path, &e))?.len();
                left.push(WaitingFile { path, file, end, findings: 0 });
            }
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => under_way += 1,
            Err(TryLockError::Error(error)) => return Err(Failure::io("lock", &path, &error)),
        }
    }
    left.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((left, under_way))
}
