// SPDX-License-Identifier: Apache-2.0
//! From unpacked bytes to lines of text, by what they are: event logs, Parquet, UTF-16, JSON that is not one
//! object a line.

use std::io::{self, Read};

use memchr::memchr;
use model::diagnostic::Diagnostic;

use crate::event::Format;
use crate::limits::{CONVERT_HEAD_BYTES, FILE_DIAGNOSTICS_MAX, SPOOL_BYTES_MAX};

use super::Packing;
use super::array::{JsonLines, is_one_document};
use super::evtx::EvtxLines;
use super::packed::{Tap, Unpack};
use super::parquet::ParquetLines;
use super::spool::{Spool, SpoolError};
use super::table::{Rows, separator};
use super::tar::is_tar;
use super::utf16::{Order, Utf8};

/// What a conversion tells besides the text that it yields.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Records that could not be read, each counted as a line.
    pub(super) unread: u64,
    /// Whether a part is missing.
    pub(super) cut: bool,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Told {
    pub(super) fn add(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < FILE_DIAGNOSTICS_MAX {
            self.diagnostics.push(diagnostic);
        }
    }

    /// A part is missing.
    pub(super) fn miss(&mut self, diagnostic: Diagnostic) {
        self.cut = true;
        self.add(diagnostic);
    }
}

/// A log as text, whatever it was.
pub(super) enum Text<R: Read> {
    Evtx(Box<EvtxLines<Peek<Unpack<R>>>>),
    Json(Box<JsonLines<Text<R>>>),
    /// What Parquet was spooled from tells the facts of the file.
    Parquet(Box<ParquetLines>, Peek<Unpack<R>>),
    Plain(Peek<Unpack<R>>),
    Table(Box<Rows<Text<R>>>),
    Utf16(Box<Utf8<Peek<Unpack<R>>>>),
}

/// What the first bytes are.
enum Shape {
    Evtx,
    Json,
    Parquet,
    Text,
    Utf16(Order, u64),
}

impl<R: Read> Text<R> {
    /// Looks at the first unpacked bytes. A tar archive is no text, and is handed back.
    pub(super) fn new(
        unpack: Unpack<R>,
        name: &str,
        told: &mut Told,
    ) -> Result<Text<R>, Box<Peek<Unpack<R>>>> {
        let peek = Peek::new(unpack, CONVERT_HEAD_BYTES);
        if is_tar(peek.head()) {
            return Err(Box::new(peek));
        }
        Ok(match shape(&peek) {
            Shape::Evtx => Text::Evtx(Box::new(EvtxLines::new(peek, name))),
            Shape::Json => Text::Plain(peek).json(name),
            Shape::Parquet => Text::spool_parquet(peek, name, told),
            Shape::Text => {
                let separator = separator(peek.head());
                Text::Plain(peek).table(separator)
            }
            Shape::Utf16(order, mark) => {
                let text = Utf8::new(peek, order, mark, CONVERT_HEAD_BYTES);
                let json = is_one_document(text.head(), text.is_whole());
                let separator = separator(text.head());
                let text = Text::Utf16(Box::new(text));
                if json { text.json(name) } else { text.table(separator) }
            }
        })
    }

    fn table(self, separator: Option<u8>) -> Text<R> {
        match separator {
            Some(separator) => Text::Table(Box::new(Rows::new(self, separator))),
            None => self,
        }
    }

    fn json(self, name: &str) -> Text<R> {
        Text::Json(Box::new(JsonLines::new(self, name)))
    }

    /// Parquet begins at its end: from a stream all of it is taken into memory first.
    fn spool_parquet(mut peek: Peek<Unpack<R>>, name: &str, told: &mut Told) -> Text<R> {
        match Spool::read(&mut peek, SPOOL_BYTES_MAX) {
            Ok(spool) => Text::Parquet(Box::new(ParquetLines::new(spool, name, told)), peek),
            Err(error) => {
                told.miss(error.diagnostic(name, "a Parquet file"));
                peek.end();
                Text::Plain(peek)
            }
        }
    }

    /// Parquet in a file whose parts can be read in any order.
    pub(super) fn of_parquet(spool: Spool, tap: Tap<R>, name: &str, told: &mut Told) -> Text<R> {
        let peek = Peek::new(Unpack::new(tap, Packing::Plain), 0);
        Text::Parquet(Box::new(ParquetLines::new(spool, name, told)), peek)
    }

    /// The first bytes, as far as they were looked at and are text.
    pub(super) fn head(&self) -> &[u8] {
        match self {
            Text::Plain(peek) => peek.head(),
            _ => &[],
        }
    }

    /// Of which binary format the text was made.
    pub(super) fn made_from(&self) -> Option<Format> {
        match self {
            Text::Evtx(_) => Some(Format::Evtx),
            Text::Json(lines) => lines.inner_ref().made_from(),
            Text::Table(rows) => rows.inner_ref().made_from(),
            Text::Parquet(..) => Some(Format::Parquet),
            Text::Plain(_) | Text::Utf16(_) => None,
        }
    }

    /// Whether what is a line here is a record there: its number is not that of a line of the file.
    pub(super) fn is_of_records(&self) -> bool {
        match self {
            Text::Evtx(_) | Text::Json(_) | Text::Parquet(..) => true,
            Text::Table(rows) => rows.is_joined(),
            Text::Plain(_) | Text::Utf16(_) => false,
        }
    }

    /// What was found since it was last asked.
    pub(super) fn told(&mut self) -> Told {
        match self {
            Text::Evtx(lines) => std::mem::take(&mut lines.told),
            Text::Json(lines) => {
                let mut told = std::mem::take(&mut lines.told);
                let inner = lines.inner().told();
                told.cut |= inner.cut;
                told.unread += inner.unread;
                told.diagnostics.extend(inner.diagnostics);
                told
            }
            Text::Parquet(lines, _) => std::mem::take(&mut lines.told),
            Text::Plain(_) => Told::default(),
            Text::Table(rows) => rows.inner().told(),
            Text::Utf16(text) => std::mem::take(&mut text.told),
        }
    }

    pub(super) fn unpack(&mut self) -> &mut Unpack<R> {
        match self {
            Text::Evtx(lines) => &mut lines.inner().inner,
            Text::Json(lines) => lines.inner().unpack(),
            Text::Parquet(_, peek) | Text::Plain(peek) => &mut peek.inner,
            Text::Table(rows) => rows.inner().unpack(),
            Text::Utf16(text) => &mut text.inner().inner,
        }
    }
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Text::Evtx(lines) => lines.read(buffer),
            Text::Json(lines) => lines.read(buffer),
            Text::Parquet(lines, _) => lines.read(buffer),
            Text::Plain(peek) => peek.read(buffer),
            Text::Table(rows) => rows.read(buffer),
            Text::Utf16(text) => text.read(buffer),
        }
    }
}

fn shape<R: Read>(peek: &Peek<R>) -> Shape {
    match peek.head() {
        [b'E', b'l', b'f', b'F', b'i', b'l', b'e', 0, ..] => Shape::Evtx,
        [b'P', b'A', b'R', b'1', ..] => Shape::Parquet,
        [0xFF, 0xFE, ..] => Shape::Utf16(Order::Little, 2),
        [0xFE, 0xFF, ..] => Shape::Utf16(Order::Big, 2),
        // PowerShell's `>` marks it; what other programs write without a mark is told by its zeros.
        [b'{' | b'[' | b'"' | b'#', 0, second, 0, ..] if *second != 0 => Shape::Utf16(Order::Little, 0),
        head if is_one_document(head, peek.is_whole()) => Shape::Json,
        _ => Shape::Text,
    }
}

// --- looking ahead ---

/// A reader whose first bytes were looked at.
pub(super) struct Peek<R> {
    pub(super) inner: R,
    head: Vec<u8>,
    handed: usize,
    whole: bool,
    /// What came after the head.
    error: Option<io::Error>,
    ended: bool,
}

impl<R: Read> Peek<R> {
    pub(super) fn new(mut inner: R, bytes: usize) -> Peek<R> {
        let mut head = Vec::new();
        let result = (&mut inner).take(bytes as u64).read_to_end(&mut head);
        let whole = result.is_ok() && head.len() < bytes;
        Peek { inner, head, handed: 0, whole, error: result.err(), ended: false }
    }

    /// The first bytes.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Whether they are all.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Yields nothing more.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }
}

impl<R: Read> Read for Peek<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        let waiting = self.head.get(self.handed..).unwrap_or_default();
        if !waiting.is_empty() {
            let count = waiting.len().min(buffer.len());
            if let (Some(to), Some(from)) = (buffer.get_mut(..count), waiting.get(..count)) {
                to.copy_from_slice(from);
            }
            self.handed += count;
            return Ok(count);
        }
        match self.error.take() {
            Some(error) => Err(error),
            None => self.inner.read(buffer),
        }
    }
}

/// Text that was made and waits to be read.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) bytes: Vec<u8>,
    handed: usize,
}

impl Made {
    pub(super) fn is_empty(&self) -> bool {
        self.handed == self.bytes.len()
    }

    /// Empty again, to be filled.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.handed = 0;
    }

    pub(super) fn hand(&mut self, buffer: &mut [u8]) -> usize {
        let waiting = self.bytes.get(self.handed..).unwrap_or_default();
        let count = waiting.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), waiting.get(..count)) {
            to.copy_from_slice(from);
        }
        self.handed += count;
        count
    }
}

/// The first line of some bytes.
pub(super) fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.get(..memchr(b'\n', bytes).unwrap_or(bytes.len())).unwrap_or_default()
}

impl SpoolError {
    /// Told of a file of this sort.
    pub(super) fn diagnostic(&self, name: &str, what: &str) -> Diagnostic {
        match self {
            SpoolError::Read(error) => {
                Diagnostic::error("read-failed", name, format!("it could not be read: {error}"))
            }
            SpoolError::TooLarge => Diagnostic::error(
                "not-seekable",
                name,
                format!(
                    "it is {what} of more than {SPOOL_BYTES_MAX} bytes that comes from a pipe or an archive"
                ),
            )
            .with_fix("save it as a file and hunt in that: it is not read from front to back"),
        }
    }
}
