// SPDX-License-Identifier: Apache-2.0
//! Reading a log: unpacking by content, whole lines in bounded memory.

use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use memchr::{memchr, memchr_iter, memrchr};
use model::diagnostic::Diagnostic;
use sha2::{Digest, Sha256};

use crate::limits::{
    BLOCK_BYTES, FILE_DIAGNOSTICS_MAX, LINE_BYTES_MAX, UNPACK_BYTES_MAX, UNPACK_RATIO_MAX,
    ZSTD_WINDOW_LOG_MAX,
};

/// Bytes of a file's head whose hash tells a file that has grown from another file of the same name.
pub const HEAD_BYTES: usize = 4 * 1024;

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
    /// Lines, the unread ones among them.
    pub lines: u64,
    /// Lines that were not read because they are too long.
    pub unread_lines: u64,
    /// Whether all of it was read: false after a damaged archive, a failed read or a stop.
    pub whole: bool,
    /// What went wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// Formats that are not text and not unpacked: magic bytes, code, name, what to do.
const FOREIGN: &[(&[u8], &str, &str)] = &[
    (b"PK\x03\x04", "a zip archive", "unpack it first: unzip -p FILE | polder hunt -"),
    (b"\xFD7zXZ\x00", "an xz archive", "unpack it first: xz -dc FILE | polder hunt -"),
    (b"BZh", "a bzip2 archive", "unpack it first: bzip2 -dc FILE | polder hunt -"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive", "unpack it first"),
    (
        b"ElfFile\x00",
        "a Windows event log",
        "convert it to JSON lines first, for example with evtx_dump -o jsonl",
    ),
    (b"PAR1", "a Parquet file", "convert it to JSON lines first"),
    (b"\xD4\xC3\xB2\xA1", "a packet capture", "run Zeek or Suricata over it first"),
    (b"\x0A\x0D\x0D\x0A", "a packet capture", "run Zeek or Suricata over it first"),
    (b"\xFF\xFE", "text in UTF-16", "convert it first: iconv -f UTF-16 -t UTF-8 FILE | polder hunt -"),
    (b"\xFE\xFF", "text in UTF-16", "convert it first: iconv -f UTF-16 -t UTF-8 FILE | polder hunt -"),
];

/// A log that is read block by block.
pub struct Source<R: Read> {
    name: String,
    unpack: Unpack<R>,
    packing: Packing,
    /// The beginning of a line whose end was not read yet.
    carry: Vec<u8>,
    /// Inside a line that is too long.
    dropping: bool,
    ended: bool,
    whole: bool,
    offset: u64,
    line: u64,
    lines: u64,
    unread_lines: u64,
    unpacked_bytes: u64,
    diagnostics: Vec<Diagnostic>,
}

impl<R: Read> Source<R> {
    /// Begins to read. `name` is for messages.
    pub fn new(reader: R, name: &str) -> Source<R> {
        let mut tap = Tap::new(reader);
        let mut faults = Vec::new();
        if let Err(error) = tap.sniff() {
            faults.push(Diagnostic::error("read-failed", name, format!("it could not be read: {error}")));
        }
        let (packing, foreign) = recognise(&tap.head);
        let mut source = Source {
            name: name.to_owned(),
            unpack: Unpack::Plain(tap),
            packing,
            carry: Vec::new(),
            dropping: false,
            ended: !faults.is_empty(),
            whole: faults.is_empty(),
            offset: 0,
            line: 1,
            lines: 0,
            unread_lines: 0,
            unpacked_bytes: 0,
            diagnostics: faults,
        };
        if let Some((_, what, fix)) = foreign {
            let message = format!("it is {what}, which is not read");
            source.stop(Diagnostic::error("format-not-supported", name, message).with_fix(*fix));
        }
        source.unpack = match source.unpack {
            Unpack::Plain(tap) => Unpack::new(tap, packing),
            other => other,
        };
        source
    }

    /// The next lines, in the buffer given; `None` at the end.
    pub fn next_block(&mut self, mut buffer: Vec<u8>) -> Option<Block> {
        buffer.clear();
        buffer.append(&mut self.carry);
        loop {
            self.fill(&mut buffer);
            self.drop_long_line(&mut buffer);
            let end = match memrchr(b'\n', &buffer) {
                _ if self.ended => buffer.len(),
                Some(newline) => newline + 1,
                None => 0,
            };
            if end > 0 {
                self.carry = buffer.split_off(end);
                return Some(self.block(buffer));
            }
            if self.ended {
                return None;
            }
        }
    }

    fn block(&mut self, bytes: Vec<u8>) -> Block {
        let newlines = memchr_iter(b'\n', &bytes).count() as u64;
        let lines = newlines + u64::from(bytes.last() != Some(&b'\n'));
        let block = Block { offset: self.offset, first_line: self.line, bytes };
        self.offset += block.bytes.len() as u64;
        self.line += lines;
        self.lines += lines;
        block
    }

    /// What was read. Reads the rest of the file, if there is one, for its hash.
    pub fn finish(mut self) -> ReadFacts {
        if let Err(error) = self.unpack.tap().drain() {
            self.stop_reading(&error);
        }
        let tap = self.unpack.tap();
        ReadFacts {
            bytes: tap.bytes,
            unpacked_bytes: self.unpacked_bytes,
            sha256: std::mem::take(&mut tap.hash).finalize().into(),
            head_sha256: Sha256::digest(&tap.head).into(),
            head: std::mem::take(&mut tap.head),
            packing: self.packing,
            lines: self.lines,
            unread_lines: self.unread_lines,
            whole: self.whole,
            diagnostics: self.diagnostics,
        }
    }

    /// Reads up to a block more.
    fn fill(&mut self, buffer: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        let before = buffer.len();
        let result = (&mut self.unpack).take(BLOCK_BYTES as u64).read_to_end(buffer);
        let read = buffer.len() - before;
        self.unpacked_bytes += read as u64;
        match result {
            Ok(_) => self.ended = read < BLOCK_BYTES,
            Err(error) => self.stop_reading(&error),
        }
        let packed = self.unpack.tap().bytes.max(1);
        let swollen =
            self.unpacked_bytes > UNPACK_BYTES_MAX && self.unpacked_bytes / packed > UNPACK_RATIO_MAX;
        if swollen && self.packing != Packing::Plain {
            let message = format!(
                "it unpacks to more than {UNPACK_RATIO_MAX} times its size; what follows was not read"
            );
            let fix = "unpack it yourself if you trust it, and hunt in the result";
            self.stop(Diagnostic::error("archive-bomb", self.name.clone(), message).with_fix(fix));
        }
    }

    fn stop_reading(&mut self, error: &io::Error) {
        let at = self.unpacked_bytes;
        let diagnostic = match self.packing {
            Packing::Plain => Diagnostic::error(
                "read-failed",
                self.name.clone(),
                format!("it could not be read beyond byte {at}: {error}"),
            ),
            _ => Diagnostic::error(
                "archive-damaged",
                self.name.clone(),
                format!("it cannot be unpacked beyond byte {at}: {error}; what came before was read"),
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

    /// Takes a line that is too long out of the buffer's start. Only the first line can be one: a block is
    /// read behind what is left of the last one, and no line inside a block is longer than the block.
    fn drop_long_line(&mut self, buffer: &mut Vec<u8>) {
        let newline = memchr(b'\n', buffer);
        let length = newline.unwrap_or(buffer.len());
        if !self.dropping && length <= LINE_BYTES_MAX {
            return;
        }
        if !self.dropping {
            self.unread_lines += 1;
            if self.diagnostics.len() < FILE_DIAGNOSTICS_MAX {
                let place = format!("{} line {}", self.name, self.line);
                let message = format!("the line has more than {LINE_BYTES_MAX} bytes and was not read");
                self.diagnostics.push(Diagnostic::warning("line-too-long", place, message));
            }
        }
        let taken = newline.map_or(buffer.len(), |newline| newline + 1);
        buffer.drain(..taken);
        self.offset += taken as u64;
        self.dropping = newline.is_none() && !self.ended;
        if !self.dropping {
            self.line += 1;
            self.lines += 1;
        }
    }
}

/// A format that is not read: how it begins, what it is, what to do.
pub type Foreign = (&'static [u8], &'static str, &'static str);

/// How a file is packed, or that it is of a format that is not read, by its first bytes.
pub fn recognise(head: &[u8]) -> (Packing, Option<&'static Foreign>) {
    match head {
        [0x1F, 0x8B, ..] => (Packing::Gzip, None),
        // A frame, or a skippable one before it, as pzstd writes.
        [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => (Packing::Zstd, None),
        _ => (Packing::Plain, FOREIGN.iter().find(|(magic, _, _)| head.starts_with(magic))),
    }
}

/// A reader that counts and hashes what passes.
struct Tap<R> {
    reader: R,
    bytes: u64,
    hash: Sha256,
    head: Vec<u8>,
    /// How much of the head was handed on.
    handed: usize,
}

impl<R: Read> Tap<R> {
    fn new(reader: R) -> Tap<R> {
        Tap { reader, bytes: 0, hash: Sha256::new(), head: Vec::new(), handed: 0 }
    }

    fn sniff(&mut self) -> io::Result<()> {
        let result = (&mut self.reader).take(HEAD_BYTES as u64).read_to_end(&mut self.head);
        self.hash.update(&self.head);
        self.bytes = self.head.len() as u64;
        result.map(|_| ())
    }

    fn drain(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let waiting = self.head.get(self.handed..).unwrap_or_default();
        if !waiting.is_empty() {
            let count = waiting.len().min(buffer.len());
            buffer.iter_mut().zip(waiting).for_each(|(to, from)| *to = *from);
            self.handed += count;
            return Ok(count);
        }
        let count = self.reader.read(buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }
}

enum Unpack<R: Read> {
    Gzip(Box<MultiGzDecoder<Tap<R>>>),
    Plain(Tap<R>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Tap<R>>>>),
    /// The unpacker itself could not be made.
    Broken(Tap<R>, Option<io::Error>),
}

impl<R: Read> Unpack<R> {
    fn new(tap: Tap<R>, packing: Packing) -> Unpack<R> {
        match packing {
            Packing::Gzip => Unpack::Gzip(Box::new(MultiGzDecoder::new(tap))),
            Packing::Plain => Unpack::Plain(tap),
            Packing::Zstd => match zstd::stream::read::Decoder::try_new(tap) {
                Ok(mut decoder) => match decoder.window_log_max(ZSTD_WINDOW_LOG_MAX) {
                    Ok(()) => Unpack::Zstd(Box::new(decoder)),
                    Err(error) => Unpack::Broken(decoder.finish().into_inner(), Some(error)),
                },
                Err((tap, error)) => Unpack::Broken(tap, Some(error)),
            },
        }
    }

    fn tap(&mut self) -> &mut Tap<R> {
        match self {
            Unpack::Gzip(decoder) => decoder.get_mut(),
            Unpack::Plain(tap) | Unpack::Broken(tap, _) => tap,
            Unpack::Zstd(decoder) => decoder.get_mut().get_mut(),
        }
    }
}

impl<R: Read> Read for Unpack<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Unpack::Gzip(decoder) => decoder.read(buffer),
            Unpack::Plain(tap) => tap.read(buffer),
            Unpack::Zstd(decoder) => decoder.read(buffer),
            Unpack::Broken(_, error) => error.take().map_or(Ok(0), Err),
        }
    }
}
