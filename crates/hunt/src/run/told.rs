// SPDX-License-Identifier: Apache-2.0
//! What the place of a value in its line tells of it, for the history. The scan sees shapes: 32 digits may be an MD5 or
//! a JA3, and a word with dots in it a name or that of a file.

use std::collections::HashSet;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use memchr::{memchr_iter, memmem};
use model::observable::{Observable, ObservableKind};
use serde_json::Value;

use crate::event::{BlockReader, Event, Place};
use crate::reader::Block;

/// What a line has in it whose fields tell a fingerprint, unless a header names its columns.
static MARKS: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().ascii_case_insensitive(true).build(["ja3", "ja4"]).ok());

/// The fingerprints of TLS clients that the fields of a block's lines tell.
#[derive(Default)]
pub(super) struct Fingerprints {
    /// Where a line begins, and a JA3 in it.
    ja3: HashSet<(usize, String)>,
}

impl Fingerprints {
    /// Reads the lines that may tell one, from a place in the block on; calls back with each and with the event that
    /// tells it.
    pub(super) fn read(
        block: &Block,
        lines: &BlockReader,
        from: usize,
        each: &mut dyn FnMut(&Observable, usize, &Event),
    ) -> Fingerprints {
        let mut all = Fingerprints::default();
        for (start, end) in marked_lines(block, lines) {
            let line = block.bytes.get(start..end).unwrap_or_default();
            let place = Place { line: 0, offset: block.offset + start as u64 };
            let Some(event) = lines.parse(line, place).ok().flatten().filter(|_| start >= from) else {
                continue;
            };
            each_text("", &event.fields, &mut |path, text| {
                let Some(kind) = fingerprint(path) else { return };
                let Ok(observable) = Observable::parse(kind, text) else { return };
                if kind == ObservableKind::Ja3 {
                    all.ja3.insert((start, observable.display()));
                }
                each(&observable, start, &event);
            });
        }
        all
    }

    /// Whether 32 digits of a line are a JA3, and no MD5.
    pub(super) fn is_ja3(&self, line_start: usize, digits: &[u8]) -> bool {
        !self.ja3.is_empty()
            && str::from_utf8(digits)
                .is_ok_and(|digits| self.ja3.contains(&(line_start, digits.to_ascii_lowercase())))
    }
}

/// Where the lines begin and end that may tell a fingerprint.
fn marked_lines(block: &Block, lines: &BlockReader) -> Vec<(usize, usize)> {
    let bytes = block.bytes.as_slice();
    let ends = memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len()));
    let mut marks = match &*MARKS {
        Some(marks) if !lines.has_column(&|name| fingerprint(name).is_some()) => {
            let mut all = marks.find_iter(bytes).map(|found| found.start()).peekable();
            if all.peek().is_none() {
                return Vec::new();
            }
            Some(all)
        }
        _ => None,
    };
    let (mut start, mut marked) = (0, Vec::new());
    for end in ends {
        let mut is_marked = marks.is_none();
        while let Some(all) = &mut marks
            && all.next_if(|at| *at < end).is_some()
        {
            is_marked = true;
        }
        if is_marked && start < end {
            marked.push((start, end));
        }
        start = end + 1;
    }
    marked
}

/// Which fingerprint a field of this name holds, as a confirmation judges it: those of servers are others.
fn fingerprint(path: &str) -> Option<ObservableKind> {
    let path = path.to_ascii_lowercase();
    if path.contains("ja3") && !path.contains("ja3s") {
        return Some(ObservableKind::Ja3);
    }
    (path.contains("ja4") && !path.contains("ja4s")).then_some(ObservableKind::Ja4)
}

/// Calls back with the path and the text of every field.
fn each_text(path: &str, fields: &serde_json::Map<String, Value>, each: &mut dyn FnMut(&str, &str)) {
    for (name, value) in fields {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        each_text_of(&path, value, each);
    }
}

fn each_text_of(path: &str, value: &Value, each: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(text) => each(path, text.trim()),
        Value::Array(list) => list.iter().for_each(|value| each_text_of(path, value, each)),
        Value::Object(fields) => each_text(path, fields, each),
        _ => {}
    }
}

/// Fields that hold names, by the last part of their path, in lower case and without `-` and `_`.
const NAME_FIELDS: &[&str] = &[
    "answer",
    "answers",
    "computer",
    "computername",
    "cshost",
    "desthost",
    "desthostname",
    "destinationdomain",
    "destinationhost",
    "destinationhostname",
    "dhost",
    "dnshostname",
    "dnsname",
    "domain",
    "domainname",
    "dsthost",
    "dsthostname",
    "dstname",
    "dvchost",
    "ehlo",
    "fqdn",
    "helo",
    "host",
    "hostname",
    "qname",
    "query",
    "queryname",
    "queryresults",
    "rdata",
    "registereddomain",
    "remotehost",
    "rhost",
    "rrname",
    "sandns",
    "scomputername",
    "servername",
    "shost",
    "sni",
    "sourcehost",
    "sourcehostname",
    "srchost",
    "srchostname",
    "srcname",
    "targetservername",
    "workstationname",
];

/// What a field `name` must be of to hold such a name: `dns.question.name`.
const NAMED: &[&str] = &["device", "dns", "host", "question", "server"];

/// Whether a field holds names; nothing where only the path to it tells.
fn holds_names(path: &str) -> Option<bool> {
    let plain = |part: &str| part.to_ascii_lowercase().replace(['-', '_'], "");
    let mut parts = path.rsplit('.');
    let leaf = plain(parts.next().unwrap_or_default());
    match parts.next() {
        _ if NAME_FIELDS.contains(&leaf.as_str()) => Some(true),
        Some(parent) if leaf == "name" => Some(NAMED.contains(&plain(parent).as_str())),
        None if leaf == "name" => None,
        _ => Some(false),
    }
}

/// Whether words with dots in them stand in their line where names stand. A line is read into fields when its bytes do
/// not tell, and once.
#[derive(Default)]
pub(super) struct Names {
    /// Where the last line that was read begins, and the names that its fields hold.
    read: Option<(usize, HashSet<String>)>,
}

impl Names {
    /// Whether a word of a line is a name; `event` reads the line.
    pub(super) fn tell(
        &mut self,
        (line_start, line): (usize, &[u8]),
        word: &[u8],
        event: &mut dyn FnMut() -> Option<Event>,
    ) -> bool {
        let told = match place_in(line, word) {
            Some(at) => told_by_place(line, at, word.len()),
            None => told_by_bytes(line, word),
        };
        if let Some(told) = told {
            return told;
        }
        if self.read.as_ref().is_none_or(|(start, _)| *start != line_start) {
            let names = event().map(|event| names_of(&event)).unwrap_or_default();
            self.read = Some((line_start, names));
        }
        let word = str::from_utf8(word).map(str::to_ascii_lowercase);
        word.is_ok_and(|word| self.read.as_ref().is_some_and(|(_, names)| names.contains(&word)))
    }
}

/// The names that an event's fields for names hold, in lower case.
fn names_of(event: &Event) -> HashSet<String> {
    let mut names = Vec::new();
    each_text("", &event.fields, &mut |path, text| {
        if holds_names(path) == Some(true) {
            let words = text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '.' | '_')));
            let words = words.filter(|word| word.contains('.'));
            names.extend(words.filter_map(|word| Observable::parse(ObservableKind::Domain, word).ok()));
        }
    });
    names.into_iter().map(|name| name.display().to_ascii_lowercase()).collect()
}

/// Where in a line a word stands that is a part of it: each time that it stands there it is asked for by itself, and
/// looking for it would take longer than all else.
fn place_in(line: &[u8], word: &[u8]) -> Option<usize> {
    let at = word.as_ptr().addr().checked_sub(line.as_ptr().addr())?;
    (line.get(at..at.checked_add(word.len())?)? == word).then_some(at)
}

/// As [`told_by_bytes`], of a word at one place.
fn told_by_place(line: &[u8], at: usize, length: usize) -> Option<bool> {
    let before = line.get(..at)?;
    let after = line.get(at + length..)?;
    let ends = after.strip_prefix(b".").unwrap_or(after).first().is_none_or(|byte| !in_word(byte));
    if ends && !before.last().is_some_and(in_word) { told_at(before, after) } else { None }
}

fn in_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | 0x80..)
}

/// Whether the bytes around a word say that it is a name (of a host in a URL or a mail address, in a field for names), or
/// that it is none (part of a path, the key of a field, in another field); nothing where they do not tell.
fn told_by_bytes(line: &[u8], word: &[u8]) -> Option<bool> {
    let mut told = None;
    let mut is_open = true;
    for at in memmem::find_iter(line, word) {
        let before = line.get(..at).unwrap_or_default();
        let after = line.get(at + word.len()..).unwrap_or_default();
        let ends = after.strip_prefix(b".").unwrap_or(after).first().is_none_or(|byte| !in_word(byte));
        if !ends || before.last().is_some_and(in_word) {
            continue;
        }
        match told_at(before, after) {
            Some(true) => return Some(true),
            Some(false) if told.is_none() => (told, is_open) = (Some(false), false),
            Some(false) => {}
            None => return None,
        }
    }
    if is_open { None } else { told }
}

fn told_at(before: &[u8], after: &[u8]) -> Option<bool> {
    match before.split_last()? {
        (b'@', _) => return Some(true),
        (b'/', scheme) => {
            // JSON may write `:\/\/`.
            let scheme = scheme.strip_suffix(b"\\").unwrap_or(scheme);
            let scheme = scheme.strip_suffix(b"/").unwrap_or_default();
            let scheme = scheme.strip_suffix(b"\\").unwrap_or(scheme);
            return Some(scheme.ends_with(b":"));
        }
        (b'\\', _) => return Some(false),
        _ => {}
    }
    let unquoted = |bytes: &'_ [u8]| bytes.strip_suffix(b"\"").map(|rest| rest.len());
    let Some(inner) = unquoted(before) else {
        let rest = before.strip_suffix(b"=")?;
        return key_of(rest).and_then(|key| holds_names(&key));
    };
    // A string in JSON, or in JSON within JSON.
    let rest = before.get(..inner)?;
    let rest = rest.strip_suffix(b"\\").unwrap_or(rest);
    let closed = after.strip_prefix(b"\\").unwrap_or(after);
    if let Some(rest) = closed.strip_prefix(b"\"")
        && rest.trim_ascii_start().first() == Some(&b':')
    {
        return Some(false);
    }
    if let Some(rest) = rest.strip_suffix(b"=") {
        return key_of(rest).and_then(|key| holds_names(&key));
    }
    let rest = rest.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
    let rest = rest.strip_suffix(b"\"")?;
    key_of(rest.strip_suffix(b"\\").unwrap_or(rest)).and_then(|key| holds_names(&key))
}

/// The key that some bytes end with.
fn key_of(bytes: &[u8]) -> Option<String> {
    let is_of_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let start = bytes.iter().rposition(|byte| !is_of_key(byte)).map_or(0, |at| at + 1);
    let key = bytes.get(start..).filter(|key| !key.is_empty())?;
    std::str::from_utf8(key).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_around_a_word_tell_whether_it_is_a_name() {
        let told = |line: &str| told_by_bytes(line.as_bytes(), b"c2.evil.corp");
        let part = r#"{"Image":"c2.evil.corp"} to c2.evil.corp"#.as_bytes();
        assert_eq!(place_in(part, part.get(10..22).unwrap()), Some(10));
        assert_eq!(place_in(part, b"c2.evil.corp"), None, "the same bytes elsewhere");
        assert_eq!((told_by_place(part, 10, 12), told_by_place(part, 28, 12)), (Some(false), None));
        for (line, wanted) in [
            (r#"{"query":"c2.evil.corp"}"#, Some(true)),
            (r#"{"server_name" : "c2.evil.corp."}"#, Some(true)),
            (r#"{"m":"{\"host\":\"c2.evil.corp\"}"}"#, Some(true)),
            (r#"{"Image":"c2.evil.corp"}"#, Some(false)),
            (r#"{"c2.evil.corp":"x"}"#, Some(false)),
            (r#"{"path":"C:\\x\\c2.evil.corp"}"#, Some(false)),
            (r#"{"name":"c2.evil.corp"}"#, None),
            (r#"{"answers":["a.corp","c2.evil.corp"]}"#, None),
            ("GET /c2.evil.corp HTTP/1.1", Some(false)),
            ("GET http://c2.evil.corp/x", Some(true)),
            (r#"{"u":"http:\/\/c2.evil.corp\/x"}"#, Some(true)),
            ("to=<a@c2.evil.corp>", Some(true)),
            ("hostname=c2.evil.corp a=1", Some(true)),
            (r#"hostname="c2.evil.corp""#, Some(true)),
            ("file=c2.evil.corp", Some(false)),
            ("file=c2.evil.corp host=c2.evil.corp", Some(true)),
            ("file=c2.evil.corp and c2.evil.corp", None),
            ("a c2.evil.corp b", None),
            ("xc2.evil.corp c2.evil.corp.nl", None),
        ] {
            assert_eq!(told(line), wanted, "{line}");
        }
    }

    #[test]
    fn fields_for_names_are_known_by_their_path() {
        for (path, wanted) in [
            ("query", Some(true)),
            ("dns.rrname", Some(true)),
            ("Server_Name", Some(true)),
            ("dns.question.name", Some(true)),
            ("process.name", Some(false)),
            ("name", None),
            ("uri", Some(false)),
        ] {
            assert_eq!(holds_names(path), wanted, "{path}");
        }
    }
}
