// SPDX-License-Identifier: Apache-2.0
//! CSV whose quoted values hold line ends (RFC 4180 section 2, rule 6): these become spaces, so that a row is
//! a line. No byte is added or removed: places in the text stay those of the file.

use std::io::{self, Read};

use memchr::memchr;

use crate::event::separator_of_table;
use crate::limits::{CELL_BYTES_MAX, RECOGNISE_LINES_MAX};

use super::convert::Made;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// The separator of a log that begins with a header and rows under it.
pub(super) fn separator(head: &[u8]) -> Option<u8> {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    if matches!(head.first(), None | Some(b'{' | b'[' | b'<' | b'#')) || !head.contains(&b'\n') {
        return None;
    }
    [b',', b';', b'\t'].into_iter().find(|separator| {
        let first = head.get(..memchr(b'\n', head).unwrap_or(head.len())).unwrap_or_default();
        if memchr(*separator, first).is_none() {
            return false;
        }
        let mut rows = Rows::new(head, *separator);
        rows.cut = true;
        let mut text = Vec::new();
        // Reading from memory does not fail.
        let _ = rows.read_to_end(&mut text);
        let lines: Vec<&[u8]> = text
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.is_empty())
            .take(RECOGNISE_LINES_MAX)
            .collect();
        separator_of_table(&lines) == Some(*separator)
    })
}

/// A reader of a table that yields a row a line.
pub(super) struct Rows<R> {
    inner: R,
    separator: u8,
    /// A quoted value that is not closed yet, from its quote on.
    open: Vec<u8>,
    /// The byte before the next one; a line end before the first.
    before: u8,
    /// The last byte was a quote, which may close the value.
    closing: bool,
    made: Made,
    /// More follows that is not read: what is open at the end is a value.
    cut: bool,
    /// Whether lines were joined, so that a row's number is not that of its line.
    joined: bool,
}

impl<R: Read> Rows<R> {
    pub(super) fn new(inner: R, separator: u8) -> Rows<R> {
        Rows {
            inner,
            separator,
            open: Vec::new(),
            before: b'\n',
            closing: false,
            made: Made::default(),
            cut: false,
            joined: false,
        }
    }

    pub(super) fn is_joined(&self) -> bool {
        self.joined
    }

    pub(super) fn inner(&mut self) -> &mut R {
        &mut self.inner
    }

    pub(super) fn inner_ref(&self) -> &R {
        &self.inner
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = if self.open.is_empty() { self.outside(rest) } else { self.inside(rest) };
        }
    }

    /// Up to a quote that opens a value: one behind a separator or a line end.
    fn outside<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let quote = memchr(b'"', bytes).unwrap_or(bytes.len());
        let (text, rest) = bytes.split_at_checked(quote).unwrap_or((bytes, &[]));
        self.made.bytes.extend_from_slice(text);
        self.before = text.last().copied().unwrap_or(self.before);
        let Some((quote, after)) = rest.split_first() else { return rest };
        if self.before == self.separator || self.before == b'\n' {
            self.open.push(*quote);
        } else {
            self.made.bytes.push(*quote);
        }
        self.before = *quote;
        after
    }

    /// Up to a quote, which closes the value unless another one follows.
    fn inside<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if std::mem::take(&mut self.closing) {
            if bytes.first() != Some(&b'"') {
                self.close(true);
                return bytes;
            }
            self.open.push(b'"');
            return bytes.get(1..).unwrap_or_default();
        }
        let room = CELL_BYTES_MAX.saturating_sub(self.open.len()).max(1);
        let within = bytes.get(..room).unwrap_or(bytes);
        let quote = memchr(b'"', within);
        let end = quote.map_or(within.len(), |quote| quote + 1);
        let (text, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
        self.open.extend_from_slice(text);
        self.before = text.last().copied().unwrap_or(self.before);
        self.closing = quote.is_some();
        if !self.closing && self.open.len() >= CELL_BYTES_MAX {
            // A quote that opens nothing: lines stay as they are.
            self.close(false);
        }
        rest
    }

    fn close(&mut self, quoted: bool) {
        if quoted {
            for byte in self.open.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
                self.joined |= *byte == b'\n';
                *byte = b' ';
            }
        }
        self.made.bytes.append(&mut self.open);
    }
}

impl<R: Read> Read for Rows<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.made.is_empty() && !buffer.is_empty() {
            self.made.clear();
            let mut bytes = vec![0; READ_BYTES];
            match self.inner.read(&mut bytes) {
                Ok(0) if self.open.is_empty() => return Ok(0),
                Ok(0) => {
                    let quoted = std::mem::take(&mut self.closing) || self.cut;
                    self.close(quoted);
                }
                Ok(count) => self.feed(bytes.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.made.hand(buffer))
    }
}
