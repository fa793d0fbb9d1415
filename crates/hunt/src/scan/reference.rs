// SPDX-License-Identifier: Apache-2.0
//! The slow and plain statement of what a match is (law 7): the oracle of the fast scan's tests.
//!
//! Shares no code with the fast scan beyond the definitions of `model::observable`; it works on characters,
//! makes strings and compares each token with each indicator. Not for use on logs.

use std::net::{Ipv4Addr, Ipv6Addr};

use model::observable::{Observable, ObservableKind, address_text, is_ja4, is_word_char, label_to_ascii};

use super::Hit;
use crate::indicator::{Indicator, Mode};

/// The hits of a block, as [`super::Scanner::scan_block`] must report them.
pub fn scan(
    indicators: impl AsRef<[Indicator]>,
    block: &[u8],
    base_offset: u64,
    first_line: u64,
) -> Vec<Hit> {
    let indicators = indicators.as_ref();
    let mut hits = Vec::new();
    let mut start = 0;
    for (number, line) in block.split(|b| *b == b'\n').enumerate() {
        let mut found = Vec::new();
        for reading in readings(line) {
            for token in tokens(&reading) {
                for (index, indicator) in indicators.iter().enumerate() {
                    if let Some(value) = token.matches(indicator) {
                        found.push((index, token.start, token.end, token.kind(indicator), value));
                    }
                }
            }
        }
        // First place, then longest; one for each indicator.
        found.sort_by(|a, b| (a.0, a.1, b.2, &a.4).cmp(&(b.0, b.1, a.2, &b.4)));
        found.dedup_by_key(|hit| hit.0);
        found.sort_by_key(|hit| (hit.1, hit.0));
        let line_start = base_offset + start as u64;
        hits.extend(found.into_iter().map(|(indicator, from, to, kind, value)| Hit {
            line: first_line + number as u64,
            line_start,
            offset: line_start + from as u64,
            len: to - from,
            indicator,
            kind,
            value,
        }));
        start += line.len() + 1;
    }
    hits
}

/// A character of a reading: `None` for a byte that is no UTF-8; and where it stands in the line.
#[derive(Clone, Copy)]
struct Cell {
    c: Option<char>,
    start: usize,
    end: usize,
}

/// The line as it is, without JSON escapes, and without these and percent escapes.
fn readings(line: &[u8]) -> [Vec<Cell>; 3] {
    let raw: Vec<(u8, usize, usize)> = line.iter().enumerate().map(|(i, b)| (*b, i, i + 1)).collect();
    let json = json_unescaped(&raw);
    let percent = percent_unescaped(&json);
    [cells(&raw), cells(&json), cells(&percent)]
}

type Bytes = Vec<(u8, usize, usize)>;

fn digits(bytes: &[(u8, usize, usize)], count: usize) -> Option<u32> {
    let text: String = bytes.get(..count)?.iter().map(|b| char::from(b.0)).collect();
    text.chars().all(|c| c.is_ascii_hexdigit()).then(|| u32::from_str_radix(&text, 16).ok()).flatten()
}

fn json_unescaped(bytes: &Bytes) -> Bytes {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|r| !r.is_empty()) {
        let second = rest.get(1).map(|b| b.0);
        let simple = |c: char| Some((c, 2));
        let escape = match (rest.first().map(|b| b.0), second) {
            (Some(b'\\'), Some(b'b')) => simple('\u{8}'),
            (Some(b'\\'), Some(b'f')) => simple('\u{c}'),
            (Some(b'\\'), Some(b'n')) => simple('\n'),
            (Some(b'\\'), Some(b'r')) => simple('\r'),
            (Some(b'\\'), Some(b't')) => simple('\t'),
            (Some(b'\\'), Some(c @ (b'"' | b'\\' | b'/'))) => simple(char::from(c)),
            (Some(b'\\'), Some(b'u')) => rest.get(2..).and_then(unicode_escape),
            _ => None,
        };
        let taken = escape.map_or(1, |(_, taken)| taken);
        let start = rest.first().map_or(0, |b| b.1);
        let end = rest.get(taken - 1).map_or(start, |b| b.2);
        match escape {
            Some((c, _)) => out.extend(c.to_string().bytes().map(|b| (b, start, end))),
            None => out.extend(rest.first()),
        }
        at += taken;
    }
    out
}

/// Character and length of `\uXXXX` or of two of them, from the first digit on.
fn unicode_escape(rest: &[(u8, usize, usize)]) -> Option<(char, usize)> {
    let high = digits(rest, 4)?;
    let follows = rest.get(4).map(|b| b.0) == Some(b'\\') && rest.get(5).map(|b| b.0) == Some(b'u');
    let low = if follows { rest.get(6..).and_then(|low| digits(low, 4)) } else { None };
    if let (0xD800..=0xDBFF, Some(low @ 0xDC00..=0xDFFF)) = (high, low) {
        let units = [high as u16, low as u16];
        let c = char::decode_utf16(units).next().and_then(Result::ok);
        return Some((c.unwrap_or('\u{FFFD}'), 12));
    }
    Some((char::from_u32(high).unwrap_or('\u{FFFD}'), 6))
}

fn percent_unescaped(bytes: &Bytes) -> Bytes {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(first) = bytes.get(at) {
        let byte = if first.0 == b'%' { bytes.get(at + 1..).and_then(|rest| digits(rest, 2)) } else { None };
        match (byte, bytes.get(at + 2)) {
            (Some(byte), Some(last)) => {
                out.push((byte as u8, first.1, last.2));
                at += 3;
            }
            _ => {
                out.push(*first);
                at += 1;
            }
        }
    }
    out
}

fn cells(bytes: &Bytes) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut at = 0;
    while let Some(first) = bytes.get(at) {
        let longest = (1..=4).find_map(|length| {
            let part: Vec<u8> = bytes.get(at..at + length)?.iter().map(|b| b.0).collect();
            let text = String::from_utf8(part).ok()?;
            Some((text.chars().next()?, length))
        });
        let (c, length) = longest.map_or((None, 1), |(c, length)| (Some(c), length));
        let end = bytes.get(at + length - 1).map_or(first.2, |b| b.2);
        cells.push(Cell { c, start: first.1, end });
        at += length;
    }
    cells
}

/// What stands in a reading.
struct Token {
    start: usize,
    end: usize,
    what: What,
}

enum What {
    Address(u128),
    /// Hash or JA4, lower case.
    Digits(String),
    Email(Observable),
    /// Name in A-labels, and whether no label was lost.
    Name(String, bool),
    Url(Observable, String),
}

impl Token {
    /// The value, if the indicator is about it.
    fn matches(&self, indicator: &Indicator) -> Option<String> {
        let observable = &indicator.observable;
        match (&self.what, observable.kind()) {
            (What::Address(address), ObservableKind::Ip) => {
                (observable.address() == Some(*address)).then(|| address_text(*address))
            }
            (What::Address(address), ObservableKind::Cidr) => {
                observable.network()?.contains(*address).then(|| address_text(*address))
            }
            (What::Name(name, whole), ObservableKind::Domain) => {
                let wanted = observable.display();
                let same = match indicator.mode {
                    Mode::Exact => *whole && *name == wanted,
                    Mode::WithSubdomains => *name == wanted || name.ends_with(&format!(".{wanted}")),
                };
                same.then(|| name.clone())
            }
            (What::Email(email), ObservableKind::Email) => (email == observable).then(|| email.display()),
            (What::Url(url, text), ObservableKind::Url) => (url == observable).then(|| text.clone()),
            (
                What::Digits(text),
                ObservableKind::Ja3
                | ObservableKind::Ja4
                | ObservableKind::Md5
                | ObservableKind::Sha1
                | ObservableKind::Sha256
                | ObservableKind::Sha384
                | ObservableKind::Sha512,
            ) => (*text == observable.display()).then(|| text.clone()),
            _ => None,
        }
    }

    fn kind(&self, indicator: &Indicator) -> ObservableKind {
        match self.what {
            What::Address(_) => ObservableKind::Ip,
            _ => indicator.observable.kind(),
        }
    }
}

fn is_word(cell: &Cell) -> bool {
    match cell.c {
        Some(c) if c.is_ascii() => c.is_ascii_alphanumeric() || "._-".contains(c),
        Some(c) => is_word_char(c),
        None => false,
    }
}

fn tokens(cells: &[Cell]) -> Vec<Token> {
    let mut out = Vec::new();
    for (from, to) in runs(cells, is_word) {
        for (from, to) in pieces(cells, from, to) {
            piece(cells, from, to, &mut out);
        }
    }
    let colonish = |cell: &Cell| cell.c.is_some_and(|c| c.is_ascii_hexdigit() || c == ':' || c == '.');
    for (from, to) in runs(cells, colonish) {
        colon_run(cells, from, to, &mut out);
    }
    out
}

/// Longest runs of cells that have a property.
fn runs(cells: &[Cell], has: impl Fn(&Cell) -> bool) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (i, cell) in cells.iter().enumerate() {
        match runs.last_mut() {
            _ if !has(cell) => {}
            Some((_, end)) if *end == i => *end = i + 1,
            _ => runs.push((i, i + 1)),
        }
    }
    runs
}

fn char_at(cells: &[Cell], at: usize) -> Option<char> {
    cells.get(at).and_then(|cell| cell.c)
}

fn char_before(cells: &[Cell], at: usize) -> Option<char> {
    at.checked_sub(1).and_then(|before| char_at(cells, before))
}

fn text(cells: &[Cell], from: usize, to: usize) -> String {
    cells.get(from..to).unwrap_or_default().iter().filter_map(|cell| cell.c).collect()
}

/// What runs of dots leave of a word, without dots and hyphens at the ends.
fn pieces(cells: &[Cell], from: usize, to: usize) -> Vec<(usize, usize)> {
    let mut cuts = vec![];
    let mut start = from;
    let mut at = from;
    while at < to {
        let dots = (at..to).take_while(|i| char_at(cells, *i) == Some('.')).count();
        if dots >= 2 {
            cuts.push((start, at));
            start = at + dots;
        }
        at += dots.max(1);
    }
    cuts.push((start, to));
    cuts.into_iter()
        .map(|(from, to)| trim(cells, from, to, &['.', '-']))
        .filter(|(from, to)| from < to)
        .collect()
}

fn trim(cells: &[Cell], mut from: usize, mut to: usize, edges: &[char]) -> (usize, usize) {
    let is_edge = |at: usize| char_at(cells, at).is_some_and(|c| edges.contains(&c));
    while from < to && is_edge(from) {
        from += 1;
    }
    while from < to && is_edge(to - 1) {
        to -= 1;
    }
    (from, to)
}

fn push(cells: &[Cell], from: usize, to: usize, what: What, out: &mut Vec<Token>) {
    let (Some(first), Some(last)) = (cells.get(from), to.checked_sub(1).and_then(|at| cells.get(at))) else {
        return;
    };
    out.push(Token { start: first.start, end: last.end, what });
}

fn piece(cells: &[Cell], from: usize, to: usize, out: &mut Vec<Token>) {
    let whole = text(cells, from, to);
    let Some((_, label)) = whole.rsplit_once('.') else {
        let lower = whole.to_ascii_lowercase();
        let is_hash =
            [32, 40, 64, 96, 128].contains(&lower.len()) && lower.chars().all(|c| c.is_ascii_hexdigit());
        if is_hash || is_ja4(lower.as_bytes()) {
            push(cells, from, to, What::Digits(lower), out);
        }
        return;
    };
    if label.starts_with(|c: char| c.is_ascii_alphabetic() || !c.is_ascii()) {
        name(cells, from, to, &whole, out);
    } else {
        quads(cells, from, to, out);
    }
}

fn name(cells: &[Cell], from: usize, to: usize, text: &str, out: &mut Vec<Token>) {
    let mut labels = Vec::new();
    let mut lost = false;
    for label in text.rsplit('.') {
        let ascii =
            if text.is_ascii() { Some(label.to_ascii_lowercase().into()) } else { label_to_ascii(label) };
        match ascii {
            Some(ascii) if !lost => labels.insert(0, ascii.to_string()),
            _ => lost = true,
        }
    }
    let name = labels.join(".");
    if labels.len() < 2 || name.len() > 253 {
        return;
    }
    if !lost {
        if let Some(address) = reversed_address(&labels) {
            push(cells, from, to, What::Address(address), out);
        }
        urls(cells, from, to, &name, out);
        emails(cells, from, to, &name, out);
    }
    push(cells, from, to, What::Name(name, !lost), out);
}

fn reversed_address(labels: &[String]) -> Option<u128> {
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    match labels.as_slice() {
        [d, c, b, a, "in-addr", "arpa"] => {
            format!("{a}.{b}.{c}.{d}").parse::<Ipv4Addr>().ok().map(|v4| u128::from(v4.to_ipv6_mapped()))
        }
        [nibbles @ .., "ip6", "arpa"] if nibbles.len() == 32 && nibbles.iter().all(|n| n.len() == 1) => {
            let digits: String = nibbles.iter().rev().copied().collect();
            digits
                .chars()
                .all(|c| c.is_ascii_hexdigit())
                .then(|| u128::from_str_radix(&digits, 16).ok())
                .flatten()
        }
        _ => None,
    }
}

fn quads(cells: &[Cell], from: usize, to: usize, out: &mut Vec<Token>) {
    let inside = cells.get(from..to).unwrap_or_default();
    let in_part = |cell: &Cell| cell.c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '.');
    for (start, end) in runs(inside, in_part) {
        let (start, end) = trim(cells, from + start, from + end, &['.']);
        if let Ok(v4) = text(cells, start, end).parse::<Ipv4Addr>() {
            push(cells, start, end, What::Address(u128::from(v4.to_ipv6_mapped())), out);
            urls(cells, start, end, &v4.to_string(), out);
        }
    }
}

fn colon_run(cells: &[Cell], run_from: usize, run_to: usize, out: &mut Vec<Token>) {
    let (mut from, mut to) = trim(cells, run_from, run_to, &['.']);
    if char_at(cells, from) == Some(':') && char_at(cells, from + 1) != Some(':') {
        from += 1;
    }
    if to > from && char_before(cells, to) == Some(':') && char_before(cells, to - 1) != Some(':') {
        to -= 1;
    }
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic());
    if from == run_from && letter(char_before(cells, from)) || to == run_to && letter(char_at(cells, to)) {
        return;
    }
    let written = text(cells, from, to);
    if !written.contains(':') || to <= from {
        return;
    }
    let Ok(v6) = written.parse::<Ipv6Addr>() else { return };
    push(cells, from, to, What::Address(u128::from(v6)), out);
    if char_before(cells, run_from) == Some('[')
        && char_at(cells, run_to) == Some(']')
        && from == run_from
        && to == run_to
    {
        urls(cells, from - 1, to + 1, &format!("[{v6}]"), out);
    }
}

/// URLs whose host stands in the cells.
fn urls(cells: &[Cell], from: usize, to: usize, host: &str, out: &mut Vec<Token>) {
    let start = scheme_start(cells, from);
    let digits =
        (to + 1..to + 7).take_while(|i| char_at(cells, *i).is_some_and(|c| c.is_ascii_digit())).count();
    let has_port = char_at(cells, to) == Some(':') && (1..=5).contains(&digits);
    let path = if has_port { to + 1 + digits } else { to };
    let mut end = path;
    if matches!(char_at(cells, path), Some('/' | '?')) {
        while char_at(cells, end).is_some_and(|c| match c {
            '"' | '\'' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}' => false,
            c if c.is_ascii() => c > ' ' && c != '\u{7f}',
            c => is_word_char(c),
        }) {
            end += 1;
        }
    }
    let trimmed = last_plain(cells, path, end);
    let comma = (path..end).find(|i| char_at(cells, *i) == Some(',')).unwrap_or(end);
    for end in [end, trimmed, comma] {
        if end == path && start.is_none() {
            continue;
        }
        let url = format!("{host}{}", text(cells, to, end));
        if let Ok(url) = Observable::parse(ObservableKind::Url, &url) {
            let first = start.unwrap_or(from);
            push(cells, first, end, What::Url(url, text(cells, first, end)), out);
        }
    }
}

/// End of the cells without punctuation of a sentence at their end.
fn last_plain(cells: &[Cell], from: usize, to: usize) -> usize {
    let plain = |i: &usize| char_at(cells, *i).is_some_and(|c| !".,;:!?)]".contains(c));
    (from..to).rev().find(plain).map_or(from, |last| last + 1)
}

fn scheme_start(cells: &[Cell], host: usize) -> Option<usize> {
    let end = host.checked_sub(3).filter(|end| text(cells, *end, host) == "://")?;
    let mut start = end;
    while end - start < 16
        && char_before(cells, start).is_some_and(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    {
        start -= 1;
    }
    (start..end).find(|i| char_at(cells, *i).is_some_and(|c| c.is_ascii_alphabetic()))
}

fn emails(cells: &[Cell], from: usize, to: usize, name: &str, out: &mut Vec<Token>) {
    let Some(at) = from.checked_sub(1).filter(|at| char_at(cells, *at) == Some('@')) else { return };
    for more in ["", "!#$%&'*/=?^`{|}~"] {
        let is_local = |c: char| match c {
            c if c.is_ascii() => c.is_ascii_alphanumeric() || "._+-".contains(c) || more.contains(c),
            c => is_word_char(c),
        };
        let mut start = at;
        while char_before(cells, start).is_some_and(is_local) {
            start -= 1;
        }
        let email = format!("{}@{name}", text(cells, start, at));
        if let Ok(email) = Observable::parse(ObservableKind::Email, &email) {
            push(cells, start, to, What::Email(email), out);
        }
    }
}
