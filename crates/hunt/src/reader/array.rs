// SPDX-License-Identifier: Apache-2.0
//! JSON that is not one object a line, as lines: the elements of an array, of the one big array in an object
//! (`{"value": […]}`), objects that are spread over lines. In bounded memory: an element is passed on while it
//! is read, with the line ends in it as spaces.

use std::io::{self, Read};

use memchr::memchr2;
use model::diagnostic::Diagnostic;
use serde_json::value::RawValue;

use crate::limits::JSON_PREFIX_BYTES_MAX;

use super::convert::{Made, Told, first_line};

/// Names under which exports keep their records: Graph, CloudTrail, Azure Monitor, Elasticsearch and others.
const WRAPPERS: &[&[u8]] = &[
    b"value", b"Records", b"records", b"events", b"Events", b"data", b"results", b"items", b"logs",
    b"entries", b"rows",
];

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// Whether a log that begins like this has to be cut into lines first: it is not one object a line.
pub(super) fn is_one_document(head: &[u8], whole: bool) -> bool {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    match head.first() {
        Some(b'[') => {
            let rest = head.get(1..).unwrap_or_default().trim_ascii_start();
            matches!(rest.first(), None | Some(b'{')) || whole && rest.trim_ascii_end() == b"]"
        }
        Some(b'{') => {
            let line = first_line(head);
            let ended = line.len() < head.len() || whole;
            let is_object = serde_json::from_slice::<&RawValue>(line).is_ok();
            let alone = whole && head.get(line.len()..).unwrap_or_default().trim_ascii().is_empty();
            match (is_object, ended) {
                // One object a line, or a single one: records wrapped in it, if anything.
                (true, _) => alone && wraps_records(line),
                // A broken line among whole ones is not spread over lines.
                (false, true) => is_spread(head),
                (false, false) => wraps_records(line),
            }
        }
        _ => false,
    }
}

/// An object whose second line goes on where the first one stopped.
fn is_spread(head: &[u8]) -> bool {
    let line = first_line(head).trim_ascii_end();
    matches!(line.last(), Some(b'{' | b'[' | b',')) || line == b"{"
}

/// Whether an array of objects stands at the first level under a name that exports use.
fn wraps_records(bytes: &[u8]) -> bool {
    let mut lines = JsonLines::new(io::empty(), "");
    lines.feed(bytes);
    lines.wrapped
}

/// Whether a byte opens or closes something, or may be left out.
fn is_token(byte: u8) -> bool {
    matches!(byte, b'"' | b'{' | b'}' | b'[' | b']' | b'\n' | b'\r')
}

/// Where in the text a byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Between values of the level whose values become lines.
    Between,
    /// In a value that becomes a line.
    Inside,
    /// In an object that may wrap records: kept until that is known.
    Prefix,
    /// In what follows the wrapped records.
    Rest,
}

/// A reader of JSON that yields one value a line.
pub(super) struct JsonLines<R> {
    inner: R,
    name: String,
    at: At,
    depth: u32,
    /// Depth at which the values stand that become lines, once it is known.
    base: Option<u32>,
    /// Whether records were wrapped in an object.
    wrapped: bool,
    in_string: bool,
    escaped: bool,
    /// Bytes of an object that may wrap records.
    prefix: Vec<u8>,
    /// Where in the prefix the last string begins and ends.
    string: (usize, usize),
    made: Made,
    ended: bool,
    pub(super) told: Told,
}

impl<R: Read> JsonLines<R> {
    pub(super) fn new(inner: R, name: &str) -> JsonLines<R> {
        JsonLines {
            inner,
            name: name.to_owned(),
            at: At::Between,
            depth: 0,
            base: None,
            wrapped: false,
            in_string: false,
            escaped: false,
            prefix: Vec::new(),
            string: (0, 0),
            made: Made::default(),
            ended: false,
            told: Told::default(),
        }
    }

    pub(super) fn inner(&mut self) -> &mut R {
        &mut self.inner
    }

    pub(super) fn inner_ref(&self) -> &R {
        &self.inner
    }

    fn base(&self) -> u32 {
        self.base.unwrap_or(0)
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if self.at == At::Inside && !self.escaped && (self.in_string || self.depth > self.base()) {
                // Most bytes open and close nothing.
                let plain = match self.in_string {
                    true => memchr2(b'"', b'\\', rest).unwrap_or(rest.len()),
                    false => rest.iter().position(|byte| is_token(*byte)).unwrap_or(rest.len()),
                };
                if plain > 0 {
                    let (text, after) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
                    self.put_text(text);
                    rest = after;
                    continue;
                }
            }
            self.byte(*first);
            rest = rest.get(1..).unwrap_or_default();
        }
    }

    /// Text inside a value; a line end in a string is a fault of the writer, but no end of the value.
    fn put_text(&mut self, text: &[u8]) {
        let from = self.made.bytes.len();
        self.made.bytes.extend_from_slice(text);
        if memchr2(b'\n', b'\r', text).is_some() {
            let made = self.made.bytes.iter_mut().skip(from);
            made.filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        }
    }

    fn byte(&mut self, byte: u8) {
        if self.in_string {
            self.keep(byte);
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.in_string = false;
                    self.string.1 = self.prefix.len();
                }
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => {
                self.open_value();
                self.in_string = true;
                self.string.0 = self.prefix.len();
                self.keep(byte);
            }
            b'{' | b'[' => self.open(byte),
            b'}' | b']' => self.close(byte),
            b',' if self.at == At::Inside && self.depth == self.base() => self.end_value(),
            b',' if self.at == At::Between => {}
            b' ' | b'\t' | b'\r' | b'\n' => self.space(byte),
            // A byte order mark.
            0xEF | 0xBB | 0xBF if self.at == At::Between && self.depth == 0 => {}
            _ => {
                self.open_value();
                self.keep(byte);
            }
        }
    }

    /// White space between tokens: after a bare word at the lines' level it ends the value.
    fn space(&mut self, byte: u8) {
        match self.at {
            At::Inside if self.depth == self.base() => self.end_value(),
            At::Inside if byte == b'\n' || byte == b'\r' => {}
            At::Inside => self.made.bytes.push(byte),
            At::Prefix if byte == b'\n' || byte == b'\r' => {}
            At::Prefix => self.keep(byte),
            At::Between | At::Rest => {}
        }
    }

    fn open_value(&mut self) {
        if self.at == At::Between {
            self.at = At::Inside;
        }
    }

    fn open(&mut self, byte: u8) {
        self.depth = self.depth.saturating_add(1);
        match self.at {
            At::Between if self.depth == 1 && byte == b'[' => self.base = Some(1),
            At::Between if self.depth == 1 => {
                self.at = At::Prefix;
                self.prefix.clear();
                self.keep(byte);
            }
            At::Prefix if self.depth == 2 && byte == b'[' && self.is_wrapper() => {
                self.base = Some(2);
                self.wrapped = true;
                self.at = At::Between;
                self.prefix.clear();
            }
            _ => {
                self.open_value();
                self.keep(byte);
            }
        }
    }

    /// Whether the array that begins here stands behind a name that exports use.
    fn is_wrapper(&self) -> bool {
        let (from, to) = self.string;
        let name = self.prefix.get(from + 1..to.saturating_sub(1)).unwrap_or_default();
        let between = self.prefix.get(to..).unwrap_or_default();
        WRAPPERS.contains(&name) && between.trim_ascii() == b":"
    }

    fn close(&mut self, byte: u8) {
        self.depth = self.depth.saturating_sub(1);
        match self.at {
            At::Between | At::Rest if self.depth == 0 => {
                self.base = None;
                self.at = At::Between;
            }
            At::Between if self.depth < self.base() => {
                // The end of the wrapped array: what follows belongs to its wrapper.
                self.at = At::Rest;
            }
            At::Between | At::Rest => {}
            At::Inside if self.depth < self.base() => {
                // A bare word before the end of the array.
                self.end_value();
                self.at = if self.depth == 0 { At::Between } else { At::Rest };
                if self.depth == 0 {
                    self.base = None;
                }
            }
            At::Inside => {
                self.keep(byte);
                if self.depth == self.base() {
                    self.end_value();
                }
            }
            At::Prefix => {
                self.keep(byte);
                if self.depth == 0 {
                    self.pass_prefix();
                    self.end_value();
                }
            }
        }
    }

    fn keep(&mut self, byte: u8) {
        match self.at {
            At::Between | At::Rest => {}
            At::Inside => self.made.bytes.push(if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }),
            At::Prefix => {
                self.prefix.push(byte);
                if self.prefix.len() > JSON_PREFIX_BYTES_MAX {
                    self.pass_prefix();
                }
            }
        }
    }

    /// The object wraps nothing: it is a line itself.
    fn pass_prefix(&mut self) {
        let prefix = std::mem::take(&mut self.prefix);
        self.at = At::Inside;
        self.put_text(&prefix);
    }

    fn end_value(&mut self) {
        self.made.bytes.push(b'\n');
        self.at = At::Between;
    }

    fn finish(&mut self) {
        self.ended = true;
        let open = self.depth > 0 || self.in_string;
        if self.at == At::Prefix {
            self.pass_prefix();
        }
        if self.at == At::Inside {
            self.end_value();
        }
        if open {
            let message = "it ends within an array or an object; what came before was read";
            let diagnostic = Diagnostic::error("json-cut", self.name.clone(), message)
                .with_fix("fetch the file again; it may have been cut short or still be written");
            self.told.miss(diagnostic);
        }
    }
}

impl<R: Read> Read for JsonLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.made.is_empty() && !self.ended && !buffer.is_empty() {
            self.made.clear();
            let mut bytes = vec![0; READ_BYTES];
            match self.inner.read(&mut bytes) {
                Ok(0) => self.finish(),
                Ok(count) => self.feed(bytes.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.finish();
                    return Err(error);
                }
            }
        }
        Ok(self.made.hand(buffer))
    }
}
