// SPDX-License-Identifier: Apache-2.0
//! A hunt that was stopped, as bytes: what its logs came to and what waits to be judged when all is read, so that it
//! goes on as if it had never been stopped.
//!
//! What one reads is all that one trusts: bytes that are damaged, or of another program, are refused as a whole.

use std::borrow::Cow;
use std::io::{self, Write};

use model::time::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::detector::Detectors;
use crate::report::Summary;
use crate::state::{Bytes, Out, Raw, State, state};

/// What the bytes begin with; the last digit is their version.
const MAGIC: &[u8; 8] = b"PLDRHU04";
/// What it is without the version.
const FAMILY: &[u8] = b"PLDRHU";

/// A file that was hunted in, told from others as the file system does: it may be renamed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoneFile {
    /// Its name at that time.
    pub path: String,
    /// The device that holds it, and its number there.
    pub place: (u64, u64),
    /// Its bytes, and when it was changed last, in nanoseconds since 1970: other ones say that something was added since.
    pub content: (u64, i64),
    /// SHA-256 of its first [`crate::reader::HEAD_BYTES`] bytes: what has the name or the place of another is told from
    /// one that has grown.
    pub head_sha256: [u8; 32],
}
state!(DoneFile { path, place, content, head_sha256 });

/// The detectors of a hunt.
#[derive(Clone)]
pub enum DetectorState<'s> {
    /// As they are. Only when they are written they become bytes, piece by piece: of years they are hundreds of megabytes.
    Live(&'s Detectors),
    /// As they were written: for [`Detectors::restore`].
    Kept(Vec<u8>),
}

/// A hunt that goes on later.
#[derive(Clone)]
pub struct Unfinished<'s> {
    /// What was asked: SHA-256 of all that decides what the logs come to. With another the rest cannot be used.
    pub asked: [u8; 32],
    /// When it was begun.
    pub begun: Timestamp,
    /// How long it has taken so far, in milliseconds.
    pub spent_millis: u64,
    /// The newest record of the ledger whose indicators it looks for; later ones look back.
    pub newest: i64,
    /// Files that are done.
    pub done: Cow<'s, [DoneFile]>,
    /// Logs in the register, by the name that they have in the summary.
    pub logs: Vec<(String, i64)>,
    /// What these logs hold, by SHA-256 and bytes unpacked, with their names: copies of them count no more.
    pub contents: Vec<(([u8; 32], u64), String)>,
    /// Whether something could not be read.
    pub partial: bool,
    /// What the logs came to.
    pub summary: Cow<'s, Summary>,
    /// [`crate::rule::Engine::checkpoint`].
    pub rules: Option<Vec<u8>>,
    /// [`crate::pattern::PatternRun::checkpoint`].
    pub patterns: Option<Vec<u8>>,
    /// What the detectors remember.
    pub detectors: Option<DetectorState<'s>>,
}

/// Why bytes are no hunt that can be gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// They are no hunt that was stopped, or damaged.
    #[error("what was kept of the stopped hunt cannot be read")]
    Damaged,
    /// They were written by an earlier or a later program.
    #[error("what was kept of the stopped hunt is of another version of this program")]
    OtherVersion,
}

impl Unfinished<'_> {
    /// Writes it as bytes: what they begin with, the hunt, and the SHA-256 of both. Fails as the writer does.
    pub fn write_to(&self, to: &mut dyn Write) -> io::Result<()> {
        let mut summed = Summed { hash: Sha256::new(), to };
        summed.write_all(MAGIC)?;
        let mut out = Out::to(&mut summed);
        self.asked.write(&mut out);
        self.begun.write(&mut out);
        self.spent_millis.write(&mut out);
        self.newest.write(&mut out);
        self.done.len().write(&mut out);
        self.done.iter().for_each(|done| done.write(&mut out));
        self.logs.write(&mut out);
        self.contents.write(&mut out);
        self.partial.write(&mut out);
        self.summary.write(&mut out);
        for state in [&self.rules, &self.patterns] {
            state.is_some().write(&mut out);
            if let Some(state) = state {
                state.len().write(&mut out);
                out.extend_from_slice(state);
            }
        }
        self.detectors.is_some().write(&mut out);
        out.end()?;
        // The rest is theirs, however long it is.
        match &self.detectors {
            Some(DetectorState::Live(detectors)) => detectors.checkpoint(&mut summed)?,
            Some(DetectorState::Kept(bytes)) => summed.write_all(bytes)?,
            None => {}
        }
        let Summed { hash, to } = summed;
        to.write_all(&hash.finalize())
    }

    /// The hunt that such bytes are of.
    pub fn from_bytes(bytes: &[u8]) -> Result<Unfinished<'static>, Unreadable> {
        if !bytes.starts_with(MAGIC) {
            return Err(match bytes.starts_with(FAMILY) {
                true => Unreadable::OtherVersion,
                false => Unreadable::Damaged,
            });
        }
        let (summed, sum) = bytes.split_last_chunk::<32>().ok_or(Unreadable::Damaged)?;
        if <[u8; 32]>::from(Sha256::digest(summed)) != *sum {
            return Err(Unreadable::Damaged);
        }
        let mut left = Bytes(summed.strip_prefix(MAGIC).ok_or(Unreadable::Damaged)?);
        let read = read(&mut left).ok_or(Unreadable::Damaged)?;
        if left.0.is_empty() { Ok(read) } else { Err(Unreadable::Damaged) }
    }
}

fn read(bytes: &mut Bytes<'_>) -> Option<Unfinished<'static>> {
    fn one<T: State>(bytes: &mut Bytes<'_>) -> Option<T> {
        T::read(bytes).ok()
    }
    let raw = |bytes: &mut Bytes<'_>| one::<Option<Raw>>(bytes).map(|raw| raw.map(|raw| raw.0));
    Some(Unfinished {
        asked: one(bytes)?,
        begun: one(bytes)?,
        spent_millis: one(bytes)?,
        newest: one(bytes)?,
        done: Cow::Owned(one(bytes)?),
        logs: one(bytes)?,
        contents: one(bytes)?,
        partial: one(bytes)?,
        summary: Cow::Owned(one(bytes)?),
        rules: raw(bytes)?,
        patterns: raw(bytes)?,
        detectors: match one::<bool>(bytes)? {
            true => Some(DetectorState::Kept(std::mem::take(&mut bytes.0).to_vec())),
            false => None,
        },
    })
}

/// Hands on what is written, and hashes it.
struct Summed<'w> {
    hash: Sha256,
    to: &'w mut dyn Write,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
