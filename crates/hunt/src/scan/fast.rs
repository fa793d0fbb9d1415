// SPDX-License-Identifier: Apache-2.0
//! The fast scan: looks only where a token can be, and hands the rare lines that it cannot decide alone
//! to the exact matcher.
//!
//! Four passes over 64 KiB of whole lines, each led by a byte search: dots (names and IPv4 addresses),
//! every 32nd byte (no run of 32 hexadecimal digits avoids all of them), colons (IPv6), and `%`/`\u00`
//! (escapes that may hide a character of a word). The ranges found are offsets within the chunk.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memmem, memrchr};
use model::observable::{ObservableKind, address_text, is_ja4, parse_address};

use super::class::{
    Before, COLON, DIGIT, DOT, GLUE, HEX, LETTER, TOKEN, class, escape_before, hex_pair, is_token,
    word_goes_on,
};
use super::line::{self, LineHit, NAME_BYTES_MAX, ipv6};
use super::set::IndicatorSet;
use super::table::Entry;
use super::{Hit, Seen};

/// Bytes of a chunk; with its tables it stays in the cache of one core.
const CHUNK_BYTES: usize = 64 * 1024;
/// A word is followed so far from a run of digits; beyond that the exact matcher decides.
const REACH_BYTES: usize = 300;
/// Shortest run of digits of a hash.
const DIGEST_DIGITS_MIN: usize = 32;

/// Scans a block.
pub(super) fn scan(
    set: &IndicatorSet,
    block: &[u8],
    base_offset: u64,
    first_line: u64,
    on_hit: &mut dyn FnMut(Hit),
    mut on_seen: Option<&mut dyn FnMut(Seen<'_>)>,
) {
    let mut pass = Pass { set, chunk: &[], found: Vec::new(), undecided: Vec::new(), seen: None };
    if on_seen.is_some() {
        pass.seen = Some(Vec::new());
    }
    let (mut at, mut line) = (0, first_line);
    while let Some(rest) = block.get(at..).filter(|rest| !rest.is_empty()) {
        let chunk = rest.get(..chunk_length(rest)).unwrap_or(rest);
        pass.chunk = chunk;
        pass.run();
        let place = Place { block_at: at, offset: base_offset + at as u64, line };
        pass.report(&place, on_hit, &mut on_seen);
        at += chunk.len();
        if at < block.len() {
            line += memchr_iter(b'\n', chunk).count() as u64;
        }
    }
}

/// Length of the next chunk: whole lines of at most [`CHUNK_BYTES`], or one longer line.
fn chunk_length(rest: &[u8]) -> usize {
    let Some(window) = rest.get(..CHUNK_BYTES) else { return rest.len() };
    let end = memrchr(b'\n', window).or_else(|| memchr(b'\n', rest));
    end.map_or(rest.len(), |newline| newline + 1)
}

/// Where a chunk stands.
struct Place {
    block_at: usize,
    offset: u64,
    line: u64,
}

/// A match that needs no decoding.
struct Found {
    indicator: u32,
    range: Range<usize>,
}

struct Pass<'a> {
    set: &'a IndicatorSet,
    chunk: &'a [u8],
    found: Vec<Found>,
    /// Places in lines that the exact matcher must decide.
    undecided: Vec<usize>,
    seen: Option<Vec<(ObservableKind, Range<usize>)>>,
}

impl<'a> Pass<'a> {
    fn slice(&self, range: Range<usize>) -> &'a [u8] {
        self.chunk.get(range).unwrap_or_default()
    }

    fn byte(&self, at: usize) -> u8 {
        self.chunk.get(at).copied().unwrap_or(b'\n')
    }

    fn run(&mut self) {
        self.found.clear();
        self.undecided.clear();
        if let Some(seen) = &mut self.seen {
            seen.clear();
        }
        self.dots();
        if self.set.has_digests || self.seen.is_some() {
            self.digit_runs();
        }
        if self.set.has_addresses || self.seen.is_some() {
            self.colons();
        }
        if self.set.has_ja4 {
            self.underscores();
        }
        self.escapes();
    }

    // --- names and IPv4 addresses ---

    fn dots(&mut self) {
        let chunk = self.chunk;
        let mut at = 0;
        while let Some(found) = chunk.get(at..).and_then(|rest| memchr(b'.', rest)) {
            let dot = at + found;
            let (back, classes_before) = token_length_back(self.slice(at..dot));
            let start = dot - back;
            let (length, classes, doubled) = piece_length(self.slice(dot..chunk.len()));
            let end = dot + length;
            at = end;
            if doubled {
                at += chunk.get(end..).map_or(0, |dots| dots.iter().take_while(|b| **b == b'.').count());
            }
            if length > 0 {
                self.dotted(start..end, classes | classes_before);
            }
        }
    }

    /// A piece with a dot, with its edges still on.
    #[inline]
    fn dotted(&mut self, piece: Range<usize>, classes: u8) {
        if word_goes_on(self.chunk, piece.end) {
            return self.undecided.push(piece.start);
        }
        match escape_before(self.chunk, piece.start) {
            Before::Nothing => self.dotted_token(piece, classes, true),
            Before::Skip(bytes) => {
                self.dotted_token(piece.clone(), classes, false);
                self.dotted_token((piece.start + bytes).min(piece.end)..piece.end, classes, true);
            }
            Before::Decode => self.undecided.push(piece.start),
        }
    }

    #[inline]
    fn dotted_token(&mut self, piece: Range<usize>, classes: u8, see: bool) {
        let piece = self.trim(piece);
        let token = self.slice(piece.clone());
        let Some(dot) = token.iter().rposition(|b| *b == b'.') else { return };
        let label = token.get(dot + 1..).unwrap_or_default();
        if label.first().is_some_and(|b| class(*b) & LETTER != 0) {
            self.name(piece, label, see);
        } else if classes & !(DIGIT | DOT) == 0 {
            self.quad(piece, see);
        } else {
            self.glued_quads(piece, see);
        }
    }

    fn trim(&self, piece: Range<usize>) -> Range<usize> {
        let (mut start, mut end) = (piece.start, piece.end);
        while start < end && matches!(self.byte(start), b'.' | b'-') {
            start += 1;
        }
        while start < end && matches!(self.byte(end - 1), b'.' | b'-') {
            end -= 1;
        }
        start..end
    }

    fn name(&mut self, piece: Range<usize>, label: &[u8], see: bool) {
        let token = self.slice(piece.clone());
        if token.len() > NAME_BYTES_MAX {
            return;
        }
        if let (Some(seen), true) = (&mut self.seen, see) {
            seen.push((ObservableKind::Domain, piece.clone()));
        }
        let arpa = self.set.has_addresses && label.eq_ignore_ascii_case(b"arpa");
        if arpa && let Some(address) = arpa_address(token) {
            self.address(address, &piece);
        }
        if !self.set.labels.has(label) {
            return;
        }
        let mut at = 0;
        while let Some(suffix) = token.get(at..) {
            let Some(dot) = suffix.iter().position(|b| *b == b'.') else { break };
            if let Some(entry) = self.set.texts.probe(suffix) {
                self.chain(entry.with_subdomains, &piece);
                if at == 0 {
                    self.whole(entry, &piece);
                }
            }
            at += dot + 1;
        }
    }

    /// Digits and dots only.
    #[inline]
    fn quad(&mut self, piece: Range<usize>, see: bool) {
        let token = self.slice(piece.clone());
        if !(7..=15).contains(&token.len()) {
            return;
        }
        if self.seen.is_none() && self.set.networks.is_empty() {
            // Equal to the text of an indicator means well formed, so nothing needs to be parsed.
            if let Some(entry) = self.set.texts.probe(token) {
                self.whole(entry, &piece);
            }
            return;
        }
        let Some(address) = parse_quad(token) else { return };
        if let (Some(seen), true) = (&mut self.seen, see) {
            seen.push((ObservableKind::Ip, piece.clone()));
        }
        if self.set.networks.may_hold_v4(address) {
            self.address(0xFFFF << 32 | u128::from(address), &piece);
        }
        if let Some(entry) = self.set.texts.probe(token) {
            self.whole(entry, &piece);
        }
    }

    fn glued_quads(&mut self, piece: Range<usize>, see: bool) {
        let mut start = piece.start;
        while start < piece.end {
            let rest = self.slice(start..piece.end);
            let length = rest.iter().position(|b| class(*b) & GLUE != 0).unwrap_or(rest.len());
            let part = self.trim(start..start + length);
            if self.slice(part.clone()).iter().all(|b| class(*b) & (DIGIT | DOT) != 0) {
                self.quad(part, see);
            }
            start += length + 1;
        }
    }

    // --- hashes ---

    fn digit_runs(&mut self) {
        let chunk = self.chunk;
        let is_hex = |b: &u8| class(*b) & HEX != 0;
        let mut done = 0;
        let mut at = DIGEST_DIGITS_MIN - 1;
        while let Some(byte) = chunk.get(at) {
            if at >= done && is_hex(byte) {
                let before = self.slice(done..at);
                let start = done + before.iter().rposition(|b| !is_hex(b)).map_or(0, |last| last + 1);
                let after = self.slice(at..chunk.len());
                let end = at + after.iter().position(|b| !is_hex(b)).unwrap_or(after.len());
                if end - start >= DIGEST_DIGITS_MIN {
                    self.around(start..end);
                }
                done = end;
            }
            at += DIGEST_DIGITS_MIN;
        }
    }

    /// The piece around a run of its bytes, if it is a hash or a JA4.
    fn around(&mut self, run: Range<usize>) {
        let Some(start) = self.reach_back(run.start) else { return self.undecided.push(run.start) };
        let Some(end) = self.reach_on(run.end) else { return self.undecided.push(run.start) };
        if word_goes_on(self.chunk, end) {
            return self.undecided.push(run.start);
        }
        match escape_before(self.chunk, start) {
            Before::Nothing => self.dotless(start..end, true),
            Before::Skip(bytes) => {
                self.dotless(start..end, false);
                self.dotless((start + bytes).min(end)..end, true);
            }
            Before::Decode => self.undecided.push(run.start),
        }
    }

    fn reach_back(&self, from: usize) -> Option<usize> {
        let mut start = from;
        while start > 0 && is_token(self.byte(start - 1)) {
            let two = self.byte(start - 1) == b'.'
                && (self.byte(start) == b'.' || start > 1 && self.byte(start - 2) == b'.');
            if two {
                break;
            }
            start -= 1;
            if from - start > REACH_BYTES {
                return None;
            }
        }
        Some(start)
    }

    fn reach_on(&self, from: usize) -> Option<usize> {
        let mut end = from;
        while is_token(self.byte(end)) && self.slice(end..end + 2) != b".." {
            end += 1;
            if end - from > REACH_BYTES {
                return None;
            }
        }
        Some(end)
    }

    fn dotless(&mut self, piece: Range<usize>, see: bool) {
        let piece = self.trim(piece);
        let token = self.slice(piece.clone());
        let digest = ObservableKind::of_digest_digits(token.len())
            .filter(|_| token.iter().all(|b| class(*b) & HEX != 0));
        if let (Some(seen), Some(kind), true) = (&mut self.seen, digest, see) {
            seen.push((kind, piece.clone()));
        }
        if (digest.is_some() || is_ja4(&token.to_ascii_lowercase()))
            && let Some(entry) = self.set.texts.probe(token)
        {
            self.chain(entry.exact, &piece);
        }
    }

    /// The first underscore of a JA4 stands 13 bytes before the second, 10 after the start.
    fn underscores(&mut self) {
        let chunk = self.chunk;
        for at in memchr_iter(b'_', chunk) {
            if chunk.get(at + 13) == Some(&b'_') && at >= 10 && chunk.len() >= at + 26 {
                let run = at - 10..at + 26;
                if self.slice(run.clone()).iter().all(|b| class(*b) & TOKEN != 0) {
                    self.around(run);
                }
            }
        }
    }

    // --- IPv6 addresses ---

    fn colons(&mut self) {
        let chunk = self.chunk;
        let in_run = |b: &u8| class(*b) & (HEX | COLON | DOT) != 0;
        // Six colons at most five bytes apart, or two together: clock times and MAC addresses have fewer.
        let (mut last, mut chain, mut done) = (0, 0, 0);
        for at in memchr_iter(b':', chunk) {
            if at < done {
                continue;
            }
            let gap = at - last;
            chain = if gap <= 5 { chain + 1 } else { 1 };
            let double = gap == 1 && at > 0;
            last = at;
            if !double && chain < 6 {
                continue;
            }
            let before = self.slice(done..at);
            let start = done + before.iter().rposition(|b| !in_run(b)).map_or(0, |last| last + 1);
            let after = self.slice(at..chunk.len());
            let end = at + after.iter().position(|b| !in_run(b)).unwrap_or(after.len());
            done = end;
            chain = 0;
            self.colon_run(start..end);
        }
    }

    fn colon_run(&mut self, run: Range<usize>) {
        // `\n`, `\u000a` and `%0A` before the run: their last bytes may look like its first, or like a
        // letter that is glued to it.
        let head = self.slice(run.start.saturating_sub(6)..run.start);
        let glued = head.iter().rposition(|b| !is_token(*b)).and_then(|last| head.get(last));
        if matches!(glued, Some(b'\\' | b'%')) {
            return self.undecided.push(run.start);
        }
        let (before, after) = (run.start.checked_sub(1).map(|b| self.byte(b)), self.byte(run.end));
        let Some((range, address)) = ipv6(self.chunk, run) else { return };
        if let Some(seen) = &mut self.seen {
            seen.push((ObservableKind::Ip, range.clone()));
        }
        if before == Some(b'[') && after == b']' && self.set.addresses.get(&address).is_some_and(|e| e.host) {
            self.undecided.push(range.start);
        }
        self.address(address, &range);
    }

    // --- escapes ---

    fn escapes(&mut self) {
        let chunk = self.chunk;
        for at in memchr_iter(b'%', chunk) {
            let rest = self.slice(at + 1..at + 3);
            match hex_pair(rest) {
                Some(b':') if self.set.has_addresses && self.colon_matters(at) => self.undecided.push(at),
                Some(byte) if is_token(byte) => self.undecided.push(at),
                _ => {}
            }
        }
        for at in memmem::find_iter(chunk, b"\\u00") {
            match hex_pair(self.slice(at + 4..at + 6)) {
                Some(b':') if self.set.has_addresses => self.undecided.push(at),
                Some(byte) if is_token(byte) || byte == b'%' => self.undecided.push(at),
                _ => {}
            }
        }
    }

    /// Whether the `%3A` here can be a colon of an IPv6 address: another colon or a digit on either side.
    fn colon_matters(&self, at: usize) -> bool {
        let before = at.checked_sub(1).map_or(b' ', |b| self.byte(b));
        let after = self.byte(at + 3);
        let may = |b: u8| class(b) & (HEX | COLON) != 0 || matches!(b, b'%' | b'\\');
        class(before) & (HEX | COLON) != 0
            && (may(after) || before == b'A' || before == b'a' || before == b':')
            || class(after) & COLON != 0
            || self.slice(at + 3..at + 6).eq_ignore_ascii_case(b"%3a")
    }

    // --- hits ---

    fn whole(&mut self, entry: Entry, piece: &Range<usize>) {
        if entry.host {
            self.undecided.push(piece.start);
        }
        self.chain(entry.exact, piece);
    }

    fn chain(&mut self, head: u32, piece: &Range<usize>) {
        for indicator in self.set.chain(head) {
            self.found.push(Found { indicator, range: piece.clone() });
        }
    }

    fn address(&mut self, address: u128, range: &Range<usize>) {
        let found = &mut self.found;
        self.set.of_address(address, &mut |indicator| found.push(Found { indicator, range: range.clone() }));
    }

    /// Hands over what the passes found, line by line.
    fn report(
        &mut self,
        place: &Place,
        on_hit: &mut dyn FnMut(Hit),
        on_seen: &mut Option<&mut dyn FnMut(Seen<'_>)>,
    ) {
        let undecided = self.line_starts();
        if !self.found.is_empty() || !undecided.is_empty() {
            self.report_hits(place, &undecided, on_hit, on_seen);
        }
        let (Some(mut seen), Some(on_seen)) = (self.seen.take(), on_seen.as_mut()) else { return };
        // By line: each pass left a sorted run, and whoever collects them looks at each line once.
        seen.sort_by_key(|(_, range)| range.start);
        let mut line = 0..0;
        for (kind, range) in &seen {
            if !line.contains(&range.start) {
                line = self.line_of(range.start);
            }
            if undecided.binary_search(&line.start).is_err() {
                let token = self.slice(range.clone());
                on_seen(Seen { kind: *kind, token, line_start: place.block_at + line.start });
            }
        }
        self.seen = Some(seen);
    }

    /// Starts of the undecided lines, each once, in order.
    fn line_starts(&mut self) -> Vec<usize> {
        self.undecided.sort_unstable();
        let mut starts: Vec<usize> = Vec::new();
        let mut end = 0;
        for at in &self.undecided {
            if *at >= end || starts.is_empty() {
                let line = self.line_of(*at);
                end = line.end;
                starts.push(line.start);
            }
        }
        starts
    }

    /// The line, with its newline, in which a place lies.
    fn line_of(&self, at: usize) -> Range<usize> {
        let start = memrchr(b'\n', self.slice(0..at)).map_or(0, |newline| newline + 1);
        let end = memchr(b'\n', self.slice(at..self.chunk.len()));
        start..end.map_or(self.chunk.len(), |newline| at + newline + 1)
    }

    fn report_hits(
        &mut self,
        place: &Place,
        undecided: &[usize],
        on_hit: &mut dyn FnMut(Hit),
        on_seen: &mut Option<&mut dyn FnMut(Seen<'_>)>,
    ) {
        let mut found = std::mem::take(&mut self.found);
        found.sort_unstable_by_key(|f| f.range.start);
        let mut found = found.into_iter().peekable();
        let mut undecided = undecided.iter().copied().peekable();
        let (mut counted, mut number) = (0, place.line);
        let mut hits: Vec<LineHit> = Vec::new();
        while let Some(at) = earliest(found.peek().map(|f| f.range.start), undecided.peek().copied()) {
            let line = self.line_of(at);
            hits.clear();
            while let Some(f) = found.next_if(|f| f.range.start < line.end) {
                hits.push(self.line_hit(&f, line.start));
            }
            if undecided.next_if_eq(&line.start).is_some() {
                hits.clear();
                self.decide(line.clone(), place, &mut hits, on_seen);
            }
            line::settle(&mut hits);
            number += memchr_iter(b'\n', self.slice(counted..line.start)).count() as u64;
            counted = line.start;
            let line_start = place.offset + line.start as u64;
            for hit in hits.drain(..) {
                on_hit(Hit {
                    line: number,
                    line_start,
                    offset: line_start + hit.start as u64,
                    len: hit.end - hit.start,
                    indicator: hit.indicator as usize,
                    kind: hit.kind,
                    value: hit.value,
                });
            }
        }
    }

    /// Gives a line to the exact matcher.
    fn decide(
        &self,
        line: Range<usize>,
        place: &Place,
        hits: &mut Vec<LineHit>,
        on_seen: &mut Option<&mut dyn FnMut(Seen<'_>)>,
    ) {
        let bytes = self.slice(line.clone());
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let mut tokens = Vec::new();
        line::scan(self.set, bytes, hits, on_seen.is_some().then_some(&mut tokens));
        if let Some(on_seen) = on_seen {
            for (kind, token) in &tokens {
                on_seen(Seen { kind: *kind, token, line_start: place.block_at + line.start });
            }
        }
    }

    fn line_hit(&self, found: &Found, line_start: usize) -> LineHit {
        let token = self.slice(found.range.clone());
        let lower = String::from_utf8_lossy(token).to_ascii_lowercase();
        let indicator = self.set.indicators().get(found.indicator as usize);
        let kind = indicator.map_or(ObservableKind::Ip, |i| i.observable.kind());
        let (kind, value) = match kind {
            ObservableKind::Cidr | ObservableKind::Ip => {
                let address = parse_address(&lower).or_else(|| arpa_address(token));
                (ObservableKind::Ip, address.map_or(lower, address_text))
            }
            kind => (kind, lower),
        };
        let (start, end) = (found.range.start - line_start, found.range.end - line_start);
        LineHit { indicator: found.indicator, start, end, kind, value }
    }
}

fn earliest(a: Option<usize>, b: Option<usize>) -> Option<usize> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// How far a token without dots reaches back from the end of the bytes, and which classes its bytes have.
#[inline]
fn token_length_back(bytes: &[u8]) -> (usize, u8) {
    let mut classes = 0;
    for (length, byte) in bytes.iter().rev().enumerate() {
        let c = class(*byte);
        if c & TOKEN == 0 {
            return (length, classes);
        }
        classes |= c;
    }
    (bytes.len(), classes)
}

/// How far a piece goes on from its first dot, which classes its bytes have, and whether a run of dots
/// ends it. Length 0: the dot itself begins the run.
#[inline]
fn piece_length(rest: &[u8]) -> (usize, u8, bool) {
    let (mut classes, mut dot_before) = (0, false);
    for (at, byte) in rest.iter().enumerate() {
        let c = class(*byte);
        if c & TOKEN == 0 {
            return (at, classes, false);
        }
        if c & DOT != 0 {
            if dot_before {
                return (at - 1, classes, true);
            }
            dot_before = true;
        } else {
            dot_before = false;
        }
        classes |= c;
    }
    (rest.len(), classes, false)
}

/// Four octets without leading zeros.
fn parse_quad(token: &[u8]) -> Option<u32> {
    std::str::from_utf8(token).ok()?.parse::<std::net::Ipv4Addr>().ok().map(u32::from)
}

/// The address of a reversed name: `4.3.2.1.in-addr.arpa` (RFC 1035 section 3.5), or 32 nibbles under
/// `ip6.arpa` (RFC 3596 section 2.5).
pub(crate) fn arpa_address(name: &[u8]) -> Option<u128> {
    let lower = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    if let Some(octets) = lower.strip_suffix(".in-addr.arpa") {
        let forward = octets.rsplit('.').collect::<Vec<_>>().join(".");
        return parse_quad(forward.as_bytes()).map(|v4| 0xFFFF << 32 | u128::from(v4));
    }
    let nibbles = lower.strip_suffix(".ip6.arpa")?;
    let (mut address, mut count) = (0, 0);
    for nibble in nibbles.rsplit('.') {
        let digit = (nibble.len() == 1).then(|| u128::from_str_radix(nibble, 16).ok()).flatten()?;
        address = address << 4 | digit;
        count += 1;
        if count > 32 {
            return None;
        }
    }
    (count == 32).then_some(address)
}
