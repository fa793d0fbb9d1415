// SPDX-License-Identifier: Apache-2.0
//! Reading a log: unpacking by content, whole lines in bounded memory.
//!
//! What a log is made of is told by its bytes alone, never by its name: gzip and zstd are unpacked; a Windows
//! event log, Parquet, UTF-16, JSON that is not one object a line and CSV with line ends in values become lines of text; the members of a
//! zip archive are logs of their own ([`read_logs`]). What follows sees nothing but lines: places and numbers
//! of lines are those of this text.

mod archive;
mod array;
mod convert;
mod evtx;
mod hash;
mod members;
mod nested;
mod packed;
mod pages;
mod parquet;
mod spool;
mod table;
mod tar;
mod utf16;

use std::io::{self, Read};

use memchr::{memchr, memrchr};
use model::diagnostic::Diagnostic;
use sha2::{Digest, Sha256};

use crate::event::Format;
use crate::limits::{BLOCK_BYTES, FILE_DIAGNOSTICS_MAX, LINE_BYTES_MAX, UNPACK_BYTES_MAX, UNPACK_RATIO_MAX};

use convert::{Peek, Text, Told};
use packed::{Tap, Unpack};
use spool::Spool;

pub use archive::{Input, LogSource, read_logs};
pub use packed::Content;
pub use spool::ReadSeek;

/// Bytes of a file's head whose hash tells a file that has grown from another file of the same name.
pub const HEAD_BYTES: usize = 4 * 1024;

/// So much is read at once: its line ends are counted while it lies in the processor's cache.
const READ_BYTES: usize = 256 * 1024;
/// The same of gzip, whose decoder copies its window of 32 KiB at the end of each read.
const READ_BYTES_GZIP: usize = BLOCK_BYTES;

/// Least room that is made in a buffer.
const ROOM_BYTES_MIN: usize = 64 * 1024;

/// How a file is packed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// gzip, of one member or several (RFC 1952).
    Gzip,
    /// Not packed.
    Plain,
    /// zstd, of one frame or several (RFC 8878).
    Zstd,
}

/// Whole lines of a log.
#[derive(Debug, Default)]
pub struct Block {
    /// The lines; the last one of the log may lack its newline.
    pub bytes: Vec<u8>,
    /// Place in the unpacked stream.
    pub offset: u64,
    /// Number of the first line, from 1.
    pub first_line: u64,
}

/// What was read, once the end is reached.
#[derive(Clone, Debug)]
pub struct ReadFacts {
    /// Bytes of the file as it is stored.
    pub bytes: u64,
    /// Bytes after unpacking.
    pub unpacked_bytes: u64,
    /// SHA-256 of the file as it is stored.
    pub sha256: [u8; 32],
    /// SHA-256 of its first [`HEAD_BYTES`] bytes.
    pub head_sha256: [u8; 32],
    /// These bytes.
    pub head: Vec<u8>,
    /// How it is packed.
    pub packing: Packing,
    /// What a packed file holds; nothing of one that is not packed, and of one that was not unpacked to its end.
    pub content: Option<Content>,
    /// The binary format that its lines were made from: an event log, or Parquet.
    pub made_from: Option<Format>,
    /// Whether its lines are records of the file: a number of one is not that of a line of the file.
    pub by_record: bool,
    /// Lines, the unread ones among them.
    pub lines: u64,
    /// Lines that were not read because they are too long, and records that are damaged.
    pub unread_lines: u64,
    /// Whether all of it was read: false after a damaged archive, a failed read or a stop.
    pub whole: bool,
    /// What went wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// Formats of which nothing is read, wherever they stand: magic bytes, name, what to do.
const FOREIGN: &[Foreign] = &[
    (b"PK\x03\x04", "a zip archive", "unpack it first: unzip -p FILE | polder hunt -"),
    (b"PK\x05\x06", "an empty zip archive", "there is nothing in it"),
    (b"\xFD7zXZ\x00", "an xz archive", "unpack it first: xz -dc FILE | polder hunt -"),
    (b"BZh", "a bzip2 archive", "unpack it first: bzip2 -dc FILE | polder hunt -"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive", "unpack it first"),
    (b"\xD4\xC3\xB2\xA1", "a packet capture", "run Zeek or Suricata over it first"),
    (b"\xA1\xB2\xC3\xD4", "a packet capture", "run Zeek or Suricata over it first"),
    (b"\x0A\x0D\x0D\x0A", "a packet capture", "run Zeek or Suricata over it first"),
];

/// Formats that are read as logs, and not as anything else.
const LOGS_ONLY: &[Foreign] = &[
    (
        b"ElfFile\x00",
        "a Windows event log",
        "convert it to JSON lines first, for example with evtx_dump -o jsonl",
    ),
    (b"PAR1", "a Parquet file", "convert it to JSON lines first"),
    (b"\xFF\xFE", "text in UTF-16", "convert it first: iconv -f UTF-16 -t UTF-8 FILE | polder hunt -"),
    (b"\xFE\xFF", "text in UTF-16", "convert it first: iconv -f UTF-16 -t UTF-8 FILE | polder hunt -"),
];

/// A log that is read block by block.
pub struct Source<R: Read> {
    name: String,
    text: Text<R>,
    packing: Packing,
    /// Whether a fault of reading is one of unpacking: of an archive's member, too.
    unpacked: bool,
    /// The beginning of a line whose end was not read yet.
    carry: Vec<u8>,
    /// Inside a line that is too long.
    dropping: bool,
    ended: bool,
    whole: bool,
    offset: u64,
    line: u64,
    /// Line ends in the buffer that is being filled.
    newlines: u64,
    lines: u64,
    unread_lines: u64,
    unpacked_bytes: u64,
    diagnostics: Vec<Diagnostic>,
}

impl<R: Read> Source<R> {
    /// Begins to read. `name` is for messages. A zip archive holds several logs: [`read_logs`] reads those.
    pub fn new(reader: R, name: &str) -> Source<R> {
        match Source::unless_tar(reader, name) {
            Ok(source) => source,
            Err(peek) => {
                let mut source = Source::of_text(Text::Plain(*peek), name, Packing::Plain, Told::default());
                let fix = "unpack it first: tar -xOf FILE | polder hunt -";
                let message = "it is a tar archive, which is not read here";
                source.stop(Diagnostic::error("format-not-supported", name, message).with_fix(fix));
                source
            }
        }
    }

    /// The same, but a tar archive is handed back: it holds several logs.
    fn unless_tar(reader: R, name: &str) -> Result<Source<R>, Box<Peek<Unpack<R>>>> {
        let mut tap = Tap::new(reader);
        let mut told = Told::default();
        tap.sniff();
        let packing = packing(&tap.head);
        let text = Text::new(Unpack::new(tap, packing), name, &mut told)?;
        let foreign = FOREIGN.iter().find(|(magic, ..)| text.head().starts_with(magic));
        let mut source = Source::of_text(text, name, packing, told);
        if let Some((_, what, fix)) = foreign {
            let message = format!("it is {what}, which is not read");
            source.stop(Diagnostic::error("format-not-supported", name, message).with_fix(*fix));
        }
        Ok(source)
    }

    /// Parquet in a file whose parts can be read in any order, all of which has passed the tap.
    fn of_parquet(spool: Spool, tap: Tap<R>, name: &str) -> Source<R> {
        let mut told = Told::default();
        let text = Text::of_parquet(spool, tap, name, &mut told);
        Source::of_text(text, name, Packing::Plain, told)
    }

    fn of_text(text: Text<R>, name: &str, packing: Packing, told: Told) -> Source<R> {
        let mut source = Source {
            name: name.to_owned(),
            unpacked: packing != Packing::Plain || text.made_from() == Some(Format::Parquet),
            text,
            packing,
            carry: Vec::new(),
            dropping: false,
            ended: false,
            whole: true,
            offset: 0,
            line: 1,
            newlines: 0,
            lines: 0,
            unread_lines: 0,
            unpacked_bytes: 0,
            diagnostics: Vec::new(),
        };
        source.note(told);
        source
    }

    /// The same as a member of an archive.
    fn of_archive(mut self) -> Source<R> {
        self.unpacked = true;
        self
    }

    /// The binary format that the lines are made from: an event log, or Parquet.
    pub fn made_from(&self) -> Option<Format> {
        self.text.made_from()
    }

    /// What a conversion told.
    fn note(&mut self, told: Told) {
        self.whole &= !told.cut;
        self.unread_lines += told.unread;
        self.lines += told.unread;
        let room = FILE_DIAGNOSTICS_MAX.saturating_sub(self.diagnostics.len());
        self.diagnostics.extend(told.diagnostics.into_iter().take(room));
    }

    /// The next lines, in the buffer given; `None` at the end. The buffer of the block before is best: what
    /// it holds is written over.
    pub fn next_block(&mut self, mut buffer: Vec<u8>) -> Option<Block> {
        let mut filled = self.carry.len();
        make_room(&mut buffer, filled);
        if let Some(front) = buffer.get_mut(..filled) {
            front.copy_from_slice(&self.carry);
        }
        self.carry.clear();
        loop {
            filled = self.fill(&mut buffer, filled);
            filled = self.drop_long_line(&mut buffer, filled);
            let text = buffer.get(..filled).unwrap_or_default();
            let end = match memrchr(b'\n', text) {
                _ if self.ended => text.len(),
                Some(newline) => newline + 1,
                None => 0,
            };
            if end > 0 {
                self.carry.extend_from_slice(text.get(end..).unwrap_or_default());
                buffer.truncate(end);
                return Some(self.block(buffer));
            }
            if self.ended {
                return None;
            }
        }
    }

    fn block(&mut self, bytes: Vec<u8>) -> Block {
        // What is carried on holds no line end.
        let lines = std::mem::take(&mut self.newlines) + u64::from(bytes.last() != Some(&b'\n'));
        let block = Block { offset: self.offset, first_line: self.line, bytes };
        self.offset += block.bytes.len() as u64;
        self.line += lines;
        self.lines += lines;
        block
    }

    /// What was read. Reads the rest of the file, if there is one, for its hash.
    pub fn finish(mut self) -> ReadFacts {
        if let Err(error) = self.text.unpack().tap().drain() {
            self.stop_reading(&error);
        }
        self.leave()
    }

    /// What was read until now; the rest is left, and the hash is not that of the file.
    pub fn leave(mut self) -> ReadFacts {
        let made_from = self.text.made_from();
        let by_record = self.text.is_of_records();
        let content = self.text.unpack().content().filter(|_| self.whole);
        let tap = self.text.unpack().tap();
        ReadFacts {
            bytes: tap.bytes,
            unpacked_bytes: self.unpacked_bytes,
            sha256: tap.hash.finish(),
            head_sha256: Sha256::digest(&tap.head).into(),
            head: std::mem::take(&mut tap.head),
            packing: self.packing,
            content,
            made_from,
            by_record,
            lines: self.lines,
            unread_lines: self.unread_lines,
            whole: self.whole,
            diagnostics: self.diagnostics,
        }
    }

    /// Reads up to a block more behind what is filled; answers how much is filled then.
    fn fill(&mut self, buffer: &mut Vec<u8>, filled: usize) -> usize {
        if self.ended {
            return filled;
        }
        let wanted = filled + BLOCK_BYTES;
        let most = if self.packing == Packing::Gzip { READ_BYTES_GZIP } else { READ_BYTES };
        let mut end = filled;
        let result = loop {
            if end == wanted {
                break Ok(());
            }
            if end == buffer.len() {
                // A small log needs no large buffer.
                make_room(buffer, (2 * end).clamp(end + ROOM_BYTES_MIN, wanted.max(end + ROOM_BYTES_MIN)));
            }
            let until = buffer.len().min(wanted).min(end + most);
            match self.text.read(buffer.get_mut(end..until).unwrap_or_default()) {
                Ok(0) => {
                    self.ended = true;
                    break Ok(());
                }
                Ok(count) => {
                    let read = buffer.get(end..end + count).unwrap_or_default();
                    self.newlines += bytecount::count(read, b'\n') as u64;
                    end += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.unpacked_bytes += (end - filled) as u64;
        let told = self.text.told();
        self.note(told);
        if let Err(error) = result {
            self.stop_reading(&error);
        }
        let packed = self.text.unpack().tap().bytes.max(1);
        let swollen =
            self.unpacked_bytes > UNPACK_BYTES_MAX && self.unpacked_bytes / packed > UNPACK_RATIO_MAX;
        if swollen && self.unpacked {
            self.stop(bomb(&self.name));
        }
        end
    }

    fn stop_reading(&mut self, error: &io::Error) {
        let at = self.unpacked_bytes;
        if error.get_ref().is_some_and(|inner| inner.is::<Bomb>()) {
            return self.stop(bomb(&self.name));
        }
        let diagnostic = match self.unpacked {
            false => Diagnostic::error(
                "read-failed",
                self.name.clone(),
                format!("it could not be read beyond byte {at}: {error}"),
            ),
            true => Diagnostic::error(
                "archive-damaged",
                self.name.clone(),
                match at {
                    0 => format!("it cannot be unpacked: {error}; nothing of it was read"),
                    at => {
                        format!("it cannot be unpacked beyond byte {at}: {error}; what came before was read")
                    }
                },
            )
            .with_fix("fetch the file again; it may have been cut short or still be written"),
        };
        self.stop(diagnostic);
    }

    fn stop(&mut self, diagnostic: Diagnostic) {
        self.ended = true;
        self.whole = false;
        self.diagnostics.push(diagnostic);
    }

    /// Takes a line that is too long out of the buffer's start; answers how much is filled then. Only the
    /// first line can be one: a block is read behind what is left of the last one, and no line inside a block
    /// is longer than the block.
    fn drop_long_line(&mut self, buffer: &mut [u8], filled: usize) -> usize {
        let text = buffer.get(..filled).unwrap_or_default();
        let newline = memchr(b'\n', text);
        if !self.dropping && newline.unwrap_or(filled) <= LINE_BYTES_MAX {
            return filled;
        }
        if !self.dropping {
            self.unread_lines += 1;
            if self.diagnostics.len() < FILE_DIAGNOSTICS_MAX {
                let place = format!("{} line {}", self.name, self.line);
                let message = format!("the line has more than {LINE_BYTES_MAX} bytes and was not read");
                self.diagnostics.push(Diagnostic::warning("line-too-long", place, message));
            }
        }
        let taken = newline.map_or(filled, |newline| newline + 1);
        self.newlines -= u64::from(newline.is_some());
        buffer.copy_within(taken..filled, 0);
        self.offset += taken as u64;
        self.dropping = newline.is_none() && !self.ended;
        if !self.dropping {
            self.line += 1;
            self.lines += 1;
        }
        filled - taken
    }
}

/// At least so many bytes, whatever they are: to clear a megabyte for each block would cost some percent.
fn make_room(buffer: &mut Vec<u8>, bytes: usize) {
    if buffer.len() < bytes {
        buffer.resize(bytes, 0);
    }
}

/// What unpacks without end, as the cause of a failed read.
#[derive(Debug, thiserror::Error)]
#[error("it unpacks to more than {UNPACK_RATIO_MAX} times its size")]
struct Bomb;

fn bomb(name: &str) -> Diagnostic {
    let message =
        format!("it unpacks to more than {UNPACK_RATIO_MAX} times its size; what follows was not read");
    let fix = "unpack it yourself if you trust it, and hunt in the result";
    Diagnostic::error("archive-bomb", name, message).with_fix(fix)
}

/// A format that is not read: how it begins, what it is, what to do.
pub type Foreign = (&'static [u8], &'static str, &'static str);

fn packing(head: &[u8]) -> Packing {
    match head {
        [0x1F, 0x8B, ..] => Packing::Gzip,
        // A frame, or a skippable one before it, as pzstd writes.
        [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Packing::Zstd,
        _ => Packing::Plain,
    }
}

/// How a file that is no log is packed, or that it is of a format that is not read, by its first bytes.
pub fn recognise(head: &[u8]) -> (Packing, Option<&'static Foreign>) {
    let packing = packing(head);
    let foreign = || FOREIGN.iter().chain(LOGS_ONLY).find(|(magic, ..)| head.starts_with(magic));
    (packing, if packing == Packing::Plain { foreign() } else { None })
}
