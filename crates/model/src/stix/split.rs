// SPDX-License-Identifier: Apache-2.0
//! Cuts a stream into STIX objects without reading it whole.
//!
//! Takes a bundle (STIX 2.1 section 8), a TAXII envelope, an array of objects, one object, or objects one
//! after another (JSON lines). Memory is bounded by the largest object that is kept; what is larger or
//! nested deeper than the limits is passed over with a diagnostic, and what follows is still read.

use std::io::{self, Read};

use memchr::memchr2;

use crate::diagnostic::Diagnostic;
use crate::limits::{BODY_BYTES_MAX, JSON_DEPTH_MAX};

const CHUNK_BYTES: usize = 256 * 1024;
const KEY_BYTES_MAX: usize = 1024;

/// Member of a wrapper that says what the author of its objects signed (`docs/record.md`, signed drafts).
pub const DRAFTS_MEMBER: &str = "x_polder_drafts";

/// One thing found in the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// A part that could not be taken. `counts` tells whether it stood where an object is expected, and
    /// so counts as one that was read.
    Bad {
        /// What was wrong.
        diagnostic: Diagnostic,
        /// Whether it counts as an object read.
        counts: bool,
    },
    /// The [`DRAFTS_MEMBER`] of the wrapper, as received; empty if it is too large or too deep.
    Drafts(Vec<u8>),
    /// The [`super::runs`] member of the wrapper, as received.
    Markings(Vec<u8>),
    /// An object's bytes, cut out unchecked.
    Object(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between top-level values.
    Top,
    /// Inside a top-level object. `start` is where it begins while it may still be an object itself and
    /// is small enough to keep.
    Members { start: Option<u64>, wrapper: bool },
    /// Inside an array of objects; `wrapped` tells whether a wrapper is around it.
    Array { wrapped: bool },
    /// Nothing more.
    Done,
}

enum Scan {
    Ended(u64, u64),
    TooDeep,
    TooLarge,
    Truncated,
}

/// Reads [`Item`]s from a stream. Offsets are those of the stream.
pub struct Splitter<R> {
    source: R,
    buffer: Vec<u8>,
    /// Offset of the buffer's first byte.
    base: u64,
    /// Next byte to look at.
    at: u64,
    /// First byte that must stay in the buffer.
    keep: u64,
    ended: bool,
    /// Top-level values met.
    values: u64,
    /// Of them arrays.
    bare_arrays: u64,
    /// Whether the top-level object at hand holds something nested too deep.
    deep: bool,
    state: State,
    objects: u64,
}

impl<R: Read> Splitter<R> {
    /// Reads from `source`.
    pub fn new(source: R) -> Splitter<R> {
        let (buffer, state) = (Vec::new(), State::Top);
        Splitter {
            source,
            buffer,
            base: 0,
            at: 0,
            keep: 0,
            ended: false,
            values: 0,
            bare_arrays: 0,
            deep: false,
            state,
            objects: 0,
        }
    }

    /// Objects met so far, taken or not.
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// Top-level values met so far: bundles, arrays, objects.
    pub fn values(&self) -> u64 {
        self.values
    }

    /// Whether the last object stood in the `objects` of a bundle or envelope.
    pub fn in_wrapper(&self) -> bool {
        self.state == State::Array { wrapped: true }
    }

    /// Arrays met so far in which objects stand without a bundle or envelope around.
    pub fn bare_arrays(&self) -> u64 {
        self.bare_arrays
    }

    /// The next item, or `None` at the end.
    pub fn next_item(&mut self) -> io::Result<Option<Item>> {
        loop {
            let item = match self.state {
                State::Done => return Ok(None),
                State::Top => self.top()?,
                State::Members { start, wrapper } => self.member(start, wrapper)?,
                State::Array { wrapped } => self.element(wrapped)?,
            };
            if item.is_some() {
                return Ok(item);
            }
        }
    }

    fn top(&mut self) -> io::Result<Option<Item>> {
        self.keep = self.at;
        let byte_order_mark = self.at == 0 && self.starts_with(b"\xEF\xBB\xBF")?;
        if byte_order_mark {
            // RFC 8259 section 8.1: a parser may ignore it.
            self.at = 3;
        }
        let next = self.peek()?;
        self.values += u64::from(next.is_some());
        match next {
            None => {
                self.state = State::Done;
                Ok((self.values == 0)
                    .then(|| self.stop("empty-input", "the input is empty", "name a file with STIX objects")))
            }
            Some(b'{') => {
                self.deep = false;
                self.state = State::Members { start: Some(self.at), wrapper: false };
                self.at += 1;
                Ok(None)
            }
            Some(b'[') => {
                self.at += 1;
                self.bare_arrays += 1;
                self.state = State::Array { wrapped: false };
                Ok(None)
            }
            Some(_) => Ok(Some(self.not_json())),
        }
    }

    /// One member of a top-level object. It is a wrapper as soon as it has an array `objects`; otherwise
    /// it is itself an object.
    fn member(&mut self, start: Option<u64>, wrapper: bool) -> io::Result<Option<Item>> {
        self.keep = start.unwrap_or(self.at);
        let next = self.peek()?;
        // White space and commas count too: nothing larger than an object is ever kept.
        let start = start.filter(|start| self.at - start <= BODY_BYTES_MAX as u64 && *start >= self.base);
        self.state = State::Members { start, wrapper };
        match next {
            None => Ok(Some(self.truncated())),
            Some(b'}') => {
                self.at += 1;
                self.state = State::Top;
                if wrapper {
                    return Ok(None);
                }
                self.objects += 1;
                match start {
                    Some(start) if self.at - start <= BODY_BYTES_MAX as u64 => {
                        Ok(Some(Item::Object(self.bytes(start, self.at))))
                    }
                    _ if self.deep => Ok(Some(self.too_deep())),
                    _ => Ok(Some(self.too_large())),
                }
            }
            Some(b',') => {
                self.at += 1;
                Ok(None)
            }
            Some(b'"') => self.named_value(wrapper),
            Some(_) => Ok(Some(self.not_json())),
        }
    }

    fn named_value(&mut self, wrapper: bool) -> io::Result<Option<Item>> {
        let key = match self.scan(KEY_BYTES_MAX.max(self.kept_bytes()))? {
            Scan::Ended(from, to) if to - from <= KEY_BYTES_MAX as u64 => self.bytes(from + 1, to - 1),
            Scan::Truncated => return Ok(Some(self.truncated())),
            Scan::Ended(..) => Vec::new(),
            Scan::TooDeep | Scan::TooLarge => {
                self.state = State::Members { start: None, wrapper };
                Vec::new()
            }
        };
        match self.peek()? {
            Some(b':') => self.at += 1,
            None => return Ok(Some(self.truncated())),
            Some(_) => return Ok(Some(self.not_json())),
        }
        if self.peek()? == Some(b'[') && key == b"objects" {
            self.at += 1;
            self.state = State::Array { wrapped: true };
            return Ok(None);
        }
        let scan = self.scan(BODY_BYTES_MAX)?;
        match scan {
            Scan::Truncated => Ok(Some(self.truncated())),
            Scan::Ended(from, to) if is_ours(&key) => Ok(Some(ours(&key, self.bytes(from, to)))),
            Scan::Ended(..) => Ok(None),
            // What restricts must not go unnoticed because it cannot be read.
            Scan::TooLarge | Scan::TooDeep if is_ours(&key) => {
                self.state = State::Members { start: None, wrapper };
                Ok(Some(ours(&key, Vec::new())))
            }
            Scan::TooLarge => {
                self.state = State::Members { start: None, wrapper };
                Ok(None)
            }
            Scan::TooDeep => {
                self.deep = true;
                self.state = State::Members { start: None, wrapper };
                Ok(None)
            }
        }
    }

    fn element(&mut self, wrapped: bool) -> io::Result<Option<Item>> {
        self.keep = self.at;
        match self.peek()? {
            None => Ok(Some(self.truncated())),
            Some(b',') => {
                self.at += 1;
                Ok(None)
            }
            Some(b']') => {
                self.at += 1;
                self.state = if wrapped { State::Members { start: None, wrapper: true } } else { State::Top };
                Ok(None)
            }
            Some(b'}' | b':') => Ok(Some(self.not_json())),
            Some(first) => {
                self.keep = self.at;
                let scan = self.scan(BODY_BYTES_MAX)?;
                self.objects += u64::from(!matches!(scan, Scan::Truncated));
                Ok(Some(match scan {
                    Scan::Ended(from, to) if first == b'{' => Item::Object(self.bytes(from, to)),
                    Scan::Ended(..) => {
                        let message = "an element of `objects` is not an object";
                        let diagnostic = Diagnostic::error("not-an-object", self.place(), message);
                        Item::Bad { diagnostic: diagnostic.with_fix("take it out"), counts: true }
                    }
                    Scan::TooDeep => self.too_deep(),
                    Scan::TooLarge => self.too_large(),
                    Scan::Truncated => self.truncated(),
                }))
            }
        }
    }

    /// Goes over one value from `at`, which is its first byte. Keeps what lies from `keep` on in the
    /// buffer, until that is more than `bytes_max`.
    fn scan(&mut self, bytes_max: usize) -> io::Result<Scan> {
        let start = self.at;
        let (mut depth, mut deepest, mut in_string, mut too_large) = (0usize, 0usize, false, false);
        loop {
            let seen = (self.at - self.base) as usize;
            let (stop, complete) = scan_bytes(&self.buffer, seen, &mut depth, &mut deepest, &mut in_string);
            self.at = self.base + stop as u64;
            too_large |= self.at - self.keep > bytes_max as u64;
            if complete || (self.ended && depth == 0 && !in_string && self.at > start) {
                return Ok(match (deepest > JSON_DEPTH_MAX, too_large) {
                    (true, _) => Scan::TooDeep,
                    (_, true) => Scan::TooLarge,
                    _ => Scan::Ended(start, self.at),
                });
            }
            if too_large || deepest > JSON_DEPTH_MAX {
                self.keep = self.at;
            }
            if !self.fill()? {
                self.ended = true;
                // A bare number at the very end of the input ends there.
                if depth == 0 && !in_string && self.at > start {
                    continue;
                }
                return Ok(Scan::Truncated);
            }
        }
    }

    fn kept_bytes(&self) -> usize {
        (self.at - self.keep) as usize + KEY_BYTES_MAX
    }

    /// Next byte that is not white space, without taking it.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let index = (self.at - self.base) as usize;
            let rest = self.buffer.get(index..).unwrap_or_default();
            if let Some(skip) = rest.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
                self.at += skip as u64;
                return Ok(rest.get(skip).copied());
            }
            let nothing_kept = self.keep == self.at;
            self.at = self.base + self.buffer.len() as u64;
            if nothing_kept || self.at - self.keep > BODY_BYTES_MAX as u64 {
                self.keep = self.at;
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    fn starts_with(&mut self, bytes: &[u8]) -> io::Result<bool> {
        while self.buffer.len() < bytes.len() && self.fill()? {}
        Ok(self.buffer.starts_with(bytes))
    }

    /// Reads more, letting go of what lies before `keep`. False at the end of the source.
    fn fill(&mut self) -> io::Result<bool> {
        let drop = (self.keep - self.base) as usize;
        self.buffer.drain(..drop.min(self.buffer.len()));
        self.base = self.keep;
        let old = self.buffer.len();
        self.buffer.resize(old + CHUNK_BYTES, 0);
        let count = loop {
            // `old` is the length before the resize above.
            match self.source.read(self.buffer.get_mut(old..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(old + *count.as_ref().unwrap_or(&0));
        Ok(count? > 0)
    }

    fn bytes(&self, from: u64, to: u64) -> Vec<u8> {
        let range = (from - self.base) as usize..(to - self.base) as usize;
        self.buffer.get(range).map(<[u8]>::to_vec).unwrap_or_default()
    }

    fn place(&self) -> String {
        format!("object {} (before byte {})", self.objects, self.at)
    }

    fn stop(&mut self, code: &'static str, message: &str, fix: &str) -> Item {
        self.state = State::Done;
        let diagnostic = Diagnostic::error(code, format!("byte {}", self.at), message).with_fix(fix);
        Item::Bad { diagnostic, counts: false }
    }

    fn not_json(&mut self) -> Item {
        let fix =
            "check that the file is JSON: a STIX bundle, an array of objects, or objects one after another";
        self.stop("not-json", "this is not JSON, reading stops here", fix)
    }

    fn truncated(&mut self) -> Item {
        let fix = "fetch the file again; whole objects before this place were read";
        self.stop("truncated", &format!("the input ends in the middle, after {} objects", self.objects), fix)
    }

    fn too_deep(&mut self) -> Item {
        let message = format!("nested deeper than {JSON_DEPTH_MAX} levels");
        let diagnostic =
            Diagnostic::error("nested-too-deep", self.place(), message).with_fix("flatten the object");
        Item::Bad { diagnostic, counts: true }
    }

    fn too_large(&mut self) -> Item {
        let message = format!("larger than {BODY_BYTES_MAX} bytes");
        let diagnostic =
            Diagnostic::error("object-too-large", self.place(), message).with_fix("split the object");
        Item::Bad { diagnostic, counts: true }
    }
}

/// Whether a wrapper's member is one that says something of all its objects.
fn is_ours(key: &[u8]) -> bool {
    key == super::runs::MEMBER.as_bytes() || key == DRAFTS_MEMBER.as_bytes()
}

fn ours(key: &[u8], value: Vec<u8>) -> Item {
    if key == DRAFTS_MEMBER.as_bytes() { Item::Drafts(value) } else { Item::Markings(value) }
}

/// Goes on over a value; answers where it stopped, and whether the value ends there.
fn scan_bytes(
    buffer: &[u8],
    from: usize,
    depth: &mut usize,
    deepest: &mut usize,
    in_string: &mut bool,
) -> (usize, bool) {
    let mut i = from;
    loop {
        if *in_string {
            let rest = buffer.get(i..).unwrap_or_default();
            let Some(found) = memchr2(b'"', b'\\', rest) else { return (buffer.len(), false) };
            i += found;
            if rest.get(found) == Some(&b'\\') {
                if i + 1 >= buffer.len() {
                    // The escaped byte has not been read yet: go on from the backslash.
                    return (i, false);
                }
                i += 2;
                continue;
            }
            *in_string = false;
            i += 1;
            if *depth == 0 {
                return (i, true);
            }
        }
        let Some(byte) = buffer.get(i) else { return (buffer.len(), false) };
        match byte {
            b'"' => *in_string = true,
            b'{' | b'[' => {
                *depth += 1;
                *deepest = (*deepest).max(*depth);
            }
            // The end of what is around a bare number or word.
            b'}' | b']' if *depth == 0 => return (i, true),
            b'}' | b']' => {
                *depth -= 1;
                if *depth == 0 {
                    return (i + 1, true);
                }
            }
            b',' | b' ' | b'\n' | b'\r' | b'\t' if *depth == 0 => return (i, true),
            _ => {}
        }
        i += 1;
    }
}
