// SPDX-License-Identifier: Apache-2.0
//! The exact matcher of one line, for lines that the fast scan does not decide alone: escapes inside
//! words, letters beyond ASCII, URLs and e-mail addresses.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use model::observable::{
    Observable, ObservableKind, address_text, is_ja4, is_word_char, label_to_ascii, parse_address,
};

use super::class::{COLON, DOT, HEX, LETTER, class, decode, hex_pair, hex_quad, hex_value, is_token};
use super::fast::arpa_address;
use super::set::IndicatorSet;

/// Longest name (RFC 1035 section 2.3.4).
pub(super) const NAME_BYTES_MAX: usize = 253;
/// Longest local part of an e-mail address (RFC 5321 section 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// Longest scheme that is taken for one.
const SCHEME_BYTES_MAX: usize = 16;

/// A match in a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineHit {
    pub indicator: u32,
    pub start: usize,
    pub end: usize,
    pub kind: ObservableKind,
    pub value: String,
}

/// One hit for each indicator: the first, of these the longest; then in the order of the line.
pub(super) fn settle(hits: &mut Vec<LineHit>) {
    hits.sort_by(|a, b| {
        (a.indicator, a.start, b.end, &a.value).cmp(&(b.indicator, b.start, a.end, &b.value))
    });
    hits.dedup_by_key(|hit| hit.indicator);
    hits.sort_by_key(|hit| (hit.start, hit.indicator));
}

/// What a line holds, besides its hits.
pub(super) type Tokens = Vec<(ObservableKind, Box<[u8]>)>;

/// Finds the indicators of a line in all its readings. `tokens` takes the observables of the last reading.
pub(super) fn scan(set: &IndicatorSet, line: &[u8], hits: &mut Vec<LineHit>, tokens: Option<&mut Tokens>) {
    let raw = Text { bytes: Cow::Borrowed(line), places: None };
    let json = line.contains(&b'\\').then(|| raw.without_json_escapes());
    let base = json.as_ref().unwrap_or(&raw);
    let percent = base.bytes.contains(&b'%').then(|| base.without_percent_escapes());
    let readings: Vec<&Text<'_>> =
        [Some(&raw), json.as_ref(), percent.as_ref()].into_iter().flatten().collect();
    let mut tokens = tokens;
    for (number, text) in readings.iter().enumerate() {
        let last = number + 1 == readings.len();
        let tokens = if last { tokens.take() } else { None };
        Reading { set, text, hits, tokens }.scan();
    }
    settle(hits);
}

/// A line in one reading, and where in the line each of its bytes stood.
struct Text<'a> {
    bytes: Cow<'a, [u8]>,
    /// Place of each byte, then the length of the line; `None` if the bytes are the line's own.
    places: Option<Vec<usize>>,
}

impl Text<'_> {
    fn place(&self, index: usize) -> usize {
        match &self.places {
            Some(places) => places.get(index).or(places.last()).copied().unwrap_or(index),
            None => index,
        }
    }

    /// RFC 8259 section 7. What is no escape stays as it is.
    fn without_json_escapes(&self) -> Text<'static> {
        self.rewrite(b'\\', |rest| {
            let plain = |byte| Some((char::from(byte), 2));
            match rest {
                [b'\\', b'b', ..] => plain(8),
                [b'\\', b'f', ..] => plain(12),
                [b'\\', b'n', ..] => plain(b'\n'),
                [b'\\', b'r', ..] => plain(b'\r'),
                [b'\\', b't', ..] => plain(b'\t'),
                [b'\\', c @ (b'"' | b'\\' | b'/'), ..] => plain(*c),
                [b'\\', b'u', digits @ ..] => {
                    let unit = u32::from(hex_quad(digits)?);
                    match (unit, digits.get(4..)) {
                        (0xD800..=0xDBFF, Some([b'\\', b'u', low @ ..])) => {
                            let low = hex_quad(low).map(u32::from).and_then(|low| low.checked_sub(0xDC00));
                            let whole = low
                                .filter(|low| *low < 0x400)
                                .map(|low| 0x1_0000 + ((unit - 0xD800) << 10) + low);
                            Some(whole.and_then(char::from_u32).map_or(('\u{FFFD}', 6), |c| (c, 12)))
                        }
                        _ => Some((char::from_u32(unit).unwrap_or('\u{FFFD}'), 6)),
                    }
                }
                _ => None,
            }
            .map(|(c, taken)| {
                let mut buffer = [0; 4];
                (c.encode_utf8(&mut buffer).as_bytes().to_vec(), taken)
            })
        })
    }

    /// RFC 3986 section 2.1. What is no escape stays as it is.
    fn without_percent_escapes(&self) -> Text<'static> {
        self.rewrite(b'%', |rest| rest.get(1..).and_then(hex_pair).map(|byte| (vec![byte], 3)))
    }

    /// Replaces what `decode` makes of the bytes that begin with the mark.
    fn rewrite(&self, mark: u8, decode: impl Fn(&[u8]) -> Option<(Vec<u8>, usize)>) -> Text<'static> {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut places = Vec::with_capacity(self.bytes.len() + 1);
        let mut at = 0;
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let decoded = if rest.first() == Some(&mark) { decode(rest) } else { None };
            let (new, taken) = decoded.unwrap_or_else(|| (rest.iter().take(1).copied().collect(), 1));
            places.resize(places.len() + new.len(), self.place(at));
            bytes.extend_from_slice(&new);
            at += taken;
        }
        places.push(self.place(self.bytes.len()));
        Text { bytes: Cow::Owned(bytes), places: Some(places) }
    }
}

struct Reading<'a, 't> {
    set: &'a IndicatorSet,
    text: &'a Text<'a>,
    hits: &'a mut Vec<LineHit>,
    tokens: Option<&'t mut Tokens>,
}

impl<'a> Reading<'a, '_> {
    fn bytes(&self) -> &'a [u8] {
        &self.text.bytes
    }

    fn slice(&self, range: Range<usize>) -> &'a [u8] {
        self.bytes().get(range).unwrap_or_default()
    }

    fn hit(&mut self, indicator: u32, range: Range<usize>, kind: ObservableKind, value: &str) {
        let (start, end) = (self.text.place(range.start), self.text.place(range.end));
        self.hits.push(LineHit { indicator, start, end, kind, value: value.to_owned() });
    }

    fn hit_chain(&mut self, head: u32, range: &Range<usize>, value: &str) {
        for index in self.set.chain(head).collect::<Vec<_>>() {
            let kind = self.set.kind_of(index).unwrap_or(ObservableKind::Domain);
            self.hit(index, range.clone(), kind, value);
        }
    }

    fn hit_address(&mut self, address: u128, range: &Range<usize>) {
        let mut found = Vec::new();
        self.set.of_address(address, &mut |index| found.push(index));
        for index in found {
            self.hit(index, range.clone(), ObservableKind::Ip, &address_text(address));
        }
    }

    fn see(&mut self, kind: ObservableKind, token: &[u8]) {
        if let Some(tokens) = &mut self.tokens {
            tokens.push((kind, token.into()));
        }
    }

    fn scan(&mut self) {
        let mut at = 0;
        while at < self.bytes().len() {
            let start = at;
            while let Some(length) = self.word_step(at) {
                at += length;
            }
            if at > start {
                self.word(start..at);
            } else {
                at += self.skip_step(at);
            }
        }
        if self.set.has_addresses || self.tokens.is_some() {
            self.colon_runs();
        }
    }

    /// Length of the character of a word here, if one stands here.
    fn word_step(&self, at: usize) -> Option<usize> {
        let rest = self.bytes().get(at..)?;
        let first = *rest.first()?;
        if first < 0x80 {
            return is_token(first).then_some(1);
        }
        decode(rest).filter(|(c, _)| is_word_char(*c)).map(|(_, length)| length)
    }

    /// Length of what stands here and is no word.
    fn skip_step(&self, at: usize) -> usize {
        decode(self.bytes().get(at..).unwrap_or_default()).map_or(1, |(_, length)| length)
    }

    /// Cuts a word at runs of dots.
    fn word(&mut self, word: Range<usize>) {
        let mut start = word.start;
        let mut at = word.start;
        while at < word.end {
            if self.slice(at..word.end).starts_with(b"..") {
                self.piece(start..at);
                while at < word.end && self.bytes().get(at) == Some(&b'.') {
                    at += 1;
                }
                start = at;
            } else {
                at += 1;
            }
        }
        self.piece(start..word.end);
    }

    fn piece(&mut self, piece: Range<usize>) {
        let edge = |byte: &u8| matches!(byte, b'.' | b'-');
        let bytes = self.slice(piece.clone());
        let Some(first) = bytes.iter().position(|b| !edge(b)) else { return };
        let last = bytes.iter().rposition(|b| !edge(b)).unwrap_or(first);
        let piece = piece.start + first..piece.start + last + 1;
        let bytes = self.slice(piece.clone());
        let Some(dot) = bytes.iter().rposition(|b| *b == b'.') else {
            return self.dotless(piece);
        };
        match bytes.get(dot + 1) {
            Some(c) if c.is_ascii_alphabetic() || *c >= 0x80 => self.name(piece),
            _ => self.quads(piece),
        }
    }

    fn dotless(&mut self, piece: Range<usize>) {
        let bytes = self.slice(piece.clone());
        let digest = ObservableKind::of_digest_digits(bytes.len())
            .filter(|_| bytes.iter().all(|b| class(*b) & HEX != 0));
        if let Some(kind) = digest {
            self.see(kind, bytes);
        }
        if digest.is_some() || is_ja4(&bytes.to_ascii_lowercase()) {
            let value = String::from_utf8_lossy(bytes).to_ascii_lowercase();
            if let Some(entry) = self.set.texts.probe(value.as_bytes()) {
                self.hit_chain(entry.exact, &piece, &value);
            }
        }
    }

    fn name(&mut self, piece: Range<usize>) {
        let Some((name, whole)) = ascii_name(self.slice(piece.clone())) else { return };
        self.see(ObservableKind::Domain, name.as_bytes());
        let mut at = 0;
        while let Some(suffix) = name.get(at..).filter(|suffix| suffix.contains('.')) {
            if let Some(entry) = self.set.texts.probe(suffix.as_bytes()) {
                self.hit_chain(entry.with_subdomains, &piece, &name);
                if at == 0 && whole {
                    self.hit_chain(entry.exact, &piece, &name);
                    if entry.host {
                        self.urls(piece.clone(), piece.end, &name);
                        self.email(&piece, &name);
                    }
                }
            }
            at += suffix.find('.').map_or(suffix.len(), |dot| dot + 1);
        }
        if let Some(address) = arpa_address(name.as_bytes()).filter(|_| whole) {
            self.hit_address(address, &piece);
        }
    }

    /// Four octets between hyphens, underscores and letters of other scripts.
    fn quads(&mut self, piece: Range<usize>) {
        let mut start = piece.start;
        while start < piece.end {
            let rest = self.slice(start..piece.end);
            let length = rest.iter().position(|b| matches!(b, b'-' | b'_' | 0x80..)).unwrap_or(rest.len());
            let part = rest.get(..length).unwrap_or_default();
            let first = part.iter().position(|b| *b != b'.').unwrap_or(0);
            let last = part.iter().rposition(|b| *b != b'.').map_or(0, |last| last + 1);
            let quad = part.get(first..last).and_then(|p| std::str::from_utf8(p).ok());
            if let Some(v4) = quad.and_then(|text| text.parse::<Ipv4Addr>().ok()) {
                let address = u128::from(v4.to_ipv6_mapped());
                let range = start + first..start + last;
                self.see(ObservableKind::Ip, self.slice(range.clone()));
                self.hit_address(address, &range);
                if self.set.known_address(address).is_some_and(|known| known.host) {
                    self.urls(range.clone(), range.end, &v4.to_string());
                }
            }
            start += length + 1;
        }
    }

    fn colon_runs(&mut self) {
        let in_run = |b: &u8| class(*b) & (HEX | COLON | DOT) != 0;
        let mut at = 0;
        while at < self.bytes().len() {
            let rest = self.slice(at..self.bytes().len());
            let length = rest.iter().position(|b| !in_run(b)).unwrap_or(rest.len());
            let run = rest.get(..length).unwrap_or_default();
            if run.iter().filter(|b| **b == b':').count() >= 2 {
                self.colon_run(at..at + length);
            }
            at += length + 1;
        }
    }

    fn colon_run(&mut self, run: Range<usize>) {
        let (before, after) = (run.start.checked_sub(1), run.end);
        let Some((range, address)) = ipv6(self.bytes(), run.clone()) else { return };
        self.see(ObservableKind::Ip, self.slice(range.clone()));
        self.hit_address(address, &range);
        let bracketed = range == run
            && before.and_then(|b| self.bytes().get(b)) == Some(&b'[')
            && self.bytes().get(after) == Some(&b']');
        if bracketed && self.set.known_address(address).is_some_and(|known| known.host) {
            let host = format!("[{}]", Ipv6Addr::from(address));
            self.urls(range.start - 1..after + 1, after + 1, &host);
        }
    }

    /// URLs whose host stands in the range.
    fn urls(&mut self, host: Range<usize>, host_end: usize, host_text: &str) {
        let scheme = self.scheme_before(host.start);
        let rest = self.slice(host_end..self.bytes().len());
        let port = match rest {
            [b':', digits @ ..] => {
                let count = digits.iter().take(6).take_while(|b| b.is_ascii_digit()).count();
                if (1..=5).contains(&count) { count + 1 } else { 0 }
            }
            _ => 0,
        };
        let path = rest.get(port..).unwrap_or_default();
        let has_path = matches!(path.first(), Some(b'/' | b'?'));
        if !has_path && scheme.is_none() {
            return;
        }
        let length = if has_path { url_length(path) } else { 0 };
        let start = scheme.unwrap_or(host.start);
        for end in url_ends(path.get(..length).unwrap_or_default()) {
            // `evil.example?` at the end of a question is no URL.
            if end == 0 && scheme.is_none() {
                continue;
            }
            let whole = rest.get(..port + end).unwrap_or_default();
            let Ok(rest_text) = std::str::from_utf8(whole) else { continue };
            let url = Observable::parse(ObservableKind::Url, &format!("{host_text}{rest_text}"));
            let head = url.ok().and_then(|url| self.set.urls.get(url.canonical()).copied());
            if let Some(head) = head {
                let range = start..host_end + port + end;
                let value = String::from_utf8_lossy(self.slice(range.clone())).into_owned();
                self.hit_chain(head, &range, &value);
            }
        }
    }

    /// Start of the scheme, if `scheme://` stands before a place.
    fn scheme_before(&self, at: usize) -> Option<usize> {
        let head = self.slice(0..at).strip_suffix(b"://")?;
        let part = head
            .iter()
            .rev()
            .take(SCHEME_BYTES_MAX)
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
            .count();
        // A scheme begins with a letter (RFC 3986 section 3.1).
        let run = head.get(head.len() - part..).unwrap_or_default();
        let first = run.iter().position(|b| b.is_ascii_alphabetic())?;
        Some(head.len() - part + first)
    }

    /// E-mail addresses whose domain stands in the range.
    fn email(&mut self, domain: &Range<usize>, name: &str) {
        let Some(local_end) = domain.start.checked_sub(1) else { return };
        if self.bytes().get(local_end) != Some(&b'@') {
            return;
        }
        for extended in [false, true] {
            let start = self.local_start(local_end, extended);
            let range = start..domain.end;
            let Ok(local) = std::str::from_utf8(self.slice(start..local_end)) else { continue };
            let Ok(email) = Observable::parse(ObservableKind::Email, &format!("{local}@{name}")) else {
                continue;
            };
            if let Some(head) = self.set.emails.get(email.canonical()).copied() {
                self.hit_chain(head, &range, &email.display());
            }
        }
    }

    fn local_start(&self, end: usize, extended: bool) -> usize {
        let mut start = end;
        while start > 0 && end - start <= LOCAL_BYTES_MAX {
            // The character that ends here; at most four bytes.
            let back =
                (1..=4).find(|n| self.bytes().get(start.wrapping_sub(*n)).is_none_or(|b| b & 0xC0 != 0x80));
            let Some(from) = back.and_then(|n| start.checked_sub(n)) else { break };
            let whole = decode(self.slice(from..start)).filter(|(_, length)| *length == start - from);
            let Some((c, _)) = whole else { break };
            if !is_local(c, extended) {
                break;
            }
            start = from;
        }
        start
    }
}

/// Characters of a local part: those in use, or all of RFC 5322 section 3.2.3.
fn is_local(c: char, extended: bool) -> bool {
    match c {
        '.' | '_' | '+' | '-' => true,
        c if c.is_ascii() => c.is_ascii_alphanumeric() || extended && "!#$%&'*/=?^`{|}~".contains(c),
        c => is_word_char(c),
    }
}

/// A piece as a name in lower-case A-labels, and whether it is the whole of it: labels are taken from the
/// right until one cannot be written in ASCII. `None` if fewer than two are left or the name is too long.
fn ascii_name(piece: &[u8]) -> Option<(String, bool)> {
    let text = std::str::from_utf8(piece).ok()?;
    let (name, whole) = if text.is_ascii() {
        (text.to_ascii_lowercase(), true)
    } else {
        let mut labels: Vec<Cow<'_, str>> = text.rsplit('.').map_while(label_to_ascii).collect();
        let whole = labels.len() == text.split('.').count();
        labels.reverse();
        (labels.join("."), whole)
    };
    (name.len() <= NAME_BYTES_MAX && name.contains('.')).then_some((name, whole))
}

/// The IPv6 address of a longest run of hexadecimal digits, colons and dots, and where it stands.
pub(super) fn ipv6(bytes: &[u8], run: Range<usize>) -> Option<(Range<usize>, u128)> {
    let (mut start, mut end) = (run.start, run.end);
    let text = |start, end| bytes.get(start..end).unwrap_or_default();
    while text(start, end).first() == Some(&b'.') {
        start += 1;
    }
    while text(start, end).last() == Some(&b'.') {
        end -= 1;
    }
    if let [b':', next, ..] = text(start, end)
        && *next != b':'
    {
        start += 1;
    }
    if let [.., before, b':'] = text(start, end)
        && *before != b':'
    {
        end -= 1;
    }
    let letter = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|b| class(*b) & LETTER != 0);
    let glued = start == run.start && letter(start.checked_sub(1)) || end == run.end && letter(Some(end));
    let text = text(start, end);
    // The longest written form has 45 bytes: `0000:0000:0000:0000:0000:ffff:255.255.255.255`.
    if glued || text.len() > 45 || !text.contains(&b':') {
        return None;
    }
    let address = match text.contains(&b'.') {
        true => parse_address(std::str::from_utf8(text).ok()?),
        false => groups(text),
    };
    address.map(|address| (start..end, address))
}

/// An IPv6 address without octets (RFC 4291 section 2.2, forms 1 and 2): most of those in logs, and several
/// times faster than the parser of the standard library, which tries an IPv4 address at each group.
fn groups(text: &[u8]) -> Option<u128> {
    let (mut value, mut count, mut gap) = (0_u128, 0_u32, None);
    let (mut group, mut digits, mut colons) = (0, 0, 0);
    for (at, byte) in text.iter().enumerate() {
        if let Some(digit) = hex_value(*byte) {
            if digits == 4 || colons == 1 && at == 1 {
                return None;
            }
            group = group << 4 | u128::from(digit);
            digits += 1;
            colons = 0;
        } else if *byte == b':' && colons < 2 {
            if digits > 0 {
                value = value << 16 | group;
                count += 1;
                (group, digits) = (0, 0);
            } else if colons == 1 {
                if gap.is_some() {
                    return None;
                }
                gap = Some(count);
            }
            colons += 1;
        } else {
            return None;
        }
    }
    if digits > 0 {
        value = value << 16 | group;
        count += 1;
    } else if colons != 2 {
        return None;
    }
    match gap {
        None => (count == 8).then_some(value),
        Some(before) => {
            // The gap stands for one group at least.
            let after = count.checked_sub(before).filter(|_| count < 8)?;
            let low = value & !u128::MAX.checked_shl(16 * after).unwrap_or(0);
            let high = value.checked_shr(16 * after).unwrap_or(0);
            Some(high.checked_shl(16 * (8 - before)).unwrap_or(0) | low)
        }
    }
}

/// Bytes of a URL's path and query: up to a space, quote or other delimiter.
fn url_length(path: &[u8]) -> usize {
    let mut at = 0;
    while let Some(rest) = path.get(at..).filter(|rest| !rest.is_empty()) {
        match decode(rest) {
            Some((c, length)) if is_url(c) => at += length,
            _ => break,
        }
    }
    at
}

fn is_url(c: char) -> bool {
    match c {
        '"' | '\'' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}' => false,
        c if c.is_ascii() => c.is_ascii_graphic(),
        c => is_word_char(c),
    }
}

/// Where a URL may end: as far as it goes, before punctuation that belongs to the sentence, and before a
/// comma that belongs to the table.
fn url_ends(path: &[u8]) -> Vec<usize> {
    let sentence = |b: &u8| matches!(b, b'.' | b',' | b';' | b':' | b'!' | b'?' | b')' | b']');
    let trimmed = path.iter().rposition(|b| !sentence(b)).map_or(0, |last| last + 1);
    let comma = path.iter().position(|b| *b == b',').unwrap_or(path.len());
    let mut ends = vec![path.len(), trimmed, comma];
    ends.dedup();
    ends
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agrees(text: &str) -> Result<(), TestCaseError> {
        let wanted = text.parse::<Ipv6Addr>().ok().map(u128::from);
        prop_assert_eq!(groups(text.as_bytes()), wanted, "{}", text);
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(5_000), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn groups_are_read_as_the_standard_library_reads_them(
            text in "([0-9a-fA-F]{0,5}:){0,9}[0-9a-fA-F]{0,5}",
            parts in prop::collection::vec(prop::sample::select(&["1", "0", "ffff", "12345", ":", "::"][..]), 0..18),
            address in any::<[u16; 8]>(),
            kept in any::<u8>(),
        ) {
            agrees(&text)?;
            agrees(&parts.concat())?;
            // Addresses with zeros are printed with a gap.
            let mut address = address;
            address.iter_mut().enumerate().for_each(|(at, group)| if kept >> at & 1 == 0 { *group = 0 });
            let printed = Ipv6Addr::from(address).to_string();
            if !printed.contains('.') {
                agrees(&printed)?;
            }
        }
    }
}
