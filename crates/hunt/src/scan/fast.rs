// SPDX-License-Identifier: Apache-2.0
//! The fast scan: looks only where a token can be, and hands the rare lines that it cannot decide alone
//! to the exact matcher.
//!
//! A block is cut into chunks of whole lines, a chunk into parts whose bytes are classified 64 at a time
//! (`simd`). `walk` finds in the masks where the tokens are and asks the filter for each; what passes, and
//! what the masks do not tell, is decided here. The ranges found are offsets within the chunk.

use std::ops::Range;

use memchr::{memchr, memmem, memrchr};
use model::observable::{ObservableKind, is_ja4};

use super::class::{
    Before, COLON, DIGIT, DOT, GLUE, HEX, LETTER, class, escape_before, hex_pair, is_token, word_goes_on,
};
use super::line::{NAME_BYTES_MAX, ipv6};
use super::report::{Lines, Place};
use super::set::IndicatorSet;
use super::simd::{Masks, Path, WORD_BYTES};
use super::table::Entry;
use super::walk::{Candidate, Shape, State, Walk};
use super::{Hit, Seen};

/// Bytes of a chunk.
const CHUNK_BYTES: usize = 64 * 1024;
/// Words of a part: its bytes and masks stay in the nearest cache.
pub(super) const PART_WORDS: usize = 128;
/// A word is followed so far from a run of digits; beyond that the exact matcher decides.
const REACH_BYTES: usize = 300;

/// Scans a block.
pub(super) fn scan(
    set: &IndicatorSet,
    path: Path,
    block: &[u8],
    base_offset: u64,
    first_line: u64,
    on_hit: &mut dyn FnMut(Hit),
    mut on_seen: Option<&mut dyn FnMut(Seen<'_>)>,
) {
    let mut pass = Pass::new(set, path, on_seen.is_some());
    let mut lines = Lines::new(block, first_line);
    let mut at = 0;
    while let Some(rest) = block.get(at..).filter(|rest| !rest.is_empty()) {
        let chunk = rest.get(..chunk_length(rest)).unwrap_or(rest);
        pass.chunk = chunk;
        pass.run();
        let place = Place { block_at: at, offset: base_offset + at as u64 };
        pass.report(&place, &mut lines, on_hit, &mut on_seen);
        at += chunk.len();
    }
}

/// Length of the next chunk: whole lines of at most [`CHUNK_BYTES`], or one longer line.
fn chunk_length(rest: &[u8]) -> usize {
    let Some(window) = rest.get(..CHUNK_BYTES) else { return rest.len() };
    let end = memrchr(b'\n', window).or_else(|| memchr(b'\n', rest));
    end.map_or(rest.len(), |newline| newline + 1)
}

/// A match that needs no decoding.
pub(super) struct Found {
    pub indicator: u32,
    pub range: Range<usize>,
}

/// What is known of a chunk.
pub(super) struct Pass<'a> {
    pub set: &'a IndicatorSet,
    path: Path,
    pub chunk: &'a [u8],
    pub found: Vec<Found>,
    /// Places in lines that the exact matcher must decide.
    pub undecided: Vec<usize>,
    /// Whether all addresses, names and hashes are wanted.
    pub seeing: bool,
    pub seen: Vec<(ObservableKind, Range<usize>)>,
    /// Room for the questions of a part to the filter.
    pub candidates: Vec<Candidate>,
    /// Room for the masks of a part.
    masks: Vec<Masks>,
}

impl<'a> Pass<'a> {
    fn new(set: &'a IndicatorSet, path: Path, seeing: bool) -> Pass<'a> {
        Pass {
            set,
            path,
            chunk: &[],
            found: Vec::new(),
            undecided: Vec::new(),
            seeing,
            seen: Vec::new(),
            candidates: vec![Candidate::default(); Candidate::PART_MAX],
            masks: vec![Masks::default(); PART_WORDS],
        }
    }

    pub(super) fn slice(&self, range: Range<usize>) -> &'a [u8] {
        self.chunk.get(range).unwrap_or_default()
    }

    #[inline(always)]
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.chunk.get(at).copied().unwrap_or(b'\n')
    }

    #[inline(always)]
    pub(super) fn see(&mut self, kind: ObservableKind, range: Range<usize>) {
        if self.seeing {
            self.seen.push((kind, range));
        }
    }

    /// Classifies the chunk part by part, and walks over the classes.
    fn run(&mut self) {
        self.found.clear();
        self.undecided.clear();
        self.seen.clear();
        let (words, rest) = self.chunk.as_chunks::<WORD_BYTES>();
        let mut masks = std::mem::take(&mut self.masks);
        let mut state = State::default();
        for part in words.chunks(PART_WORDS) {
            self.path.classify(part, &mut masks);
            let masks = masks.get(..part.len()).unwrap_or_default();
            self.path.run(Walk { pass: self, state: &mut state, masks });
        }
        // The end of the chunk ends its last token, whether a newline stands there or not.
        let mut last = [[b'\n'; WORD_BYTES]];
        last.as_flattened_mut().iter_mut().zip(rest).for_each(|(slot, byte)| *slot = *byte);
        self.path.classify(&last, &mut masks);
        self.path.run(Walk { pass: self, state: &mut state, masks: masks.get(..1).unwrap_or_default() });
        self.masks = masks;
    }

    // --- names and IPv4 addresses ---

    /// The word that ends at a place: for what the masks alone do not decide.
    #[cold]
    #[inline(never)]
    pub(super) fn word(&mut self, end: usize) {
        let head = self.slice(0..end);
        let length = head.iter().rev().take_while(|b| is_token(**b)).count();
        let mut at = end - length;
        while at < end {
            let rest = self.slice(at..end);
            let piece = memmem::find(rest, b"..").unwrap_or(rest.len());
            if rest.get(..piece).is_some_and(|piece| piece.contains(&b'.')) {
                self.dotted(at..at + piece);
            }
            at += piece;
            at += self.slice(at..end).iter().take_while(|b| **b == b'.').count();
        }
    }

    /// A piece with a dot, with its edges still on.
    #[cold]
    #[inline(never)]
    pub(super) fn dotted(&mut self, piece: Range<usize>) {
        if word_goes_on(self.chunk, piece.end) {
            return self.undecided.push(piece.start);
        }
        match escape_before(self.chunk, piece.start) {
            Before::Nothing => self.dotted_token(piece, true),
            Before::Skip(bytes) => {
                self.dotted_token(piece.clone(), false);
                self.dotted_token((piece.start + bytes).min(piece.end)..piece.end, true);
            }
            Before::Decode => self.undecided.push(piece.start),
        }
    }

    /// The same without the escapes around it.
    fn dotted_token(&mut self, piece: Range<usize>, see: bool) {
        let piece = self.trim(piece);
        let token = self.slice(piece.clone());
        let Some(dot) = token.iter().rposition(|b| *b == b'.') else { return };
        let label = token.get(dot + 1..).unwrap_or_default();
        if label.first().is_some_and(|b| class(*b) & LETTER != 0) {
            if token.len() > NAME_BYTES_MAX {
                return;
            }
            if see {
                self.see(ObservableKind::Domain, piece.clone());
            }
            if self.set.filter.passes_name(token) {
                self.name(piece, label);
            }
        } else if token.iter().all(|b| class(*b) & (DIGIT | DOT) != 0) {
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

    /// A name that passed the filter.
    fn name(&mut self, piece: Range<usize>, label: &[u8]) {
        let token = self.slice(piece.clone());
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
        let Some(address) = parse_quad(token) else { return };
        if see {
            self.see(ObservableKind::Ip, piece.clone());
        }
        let address = 0xFFFF << 32 | u128::from(address);
        let known = self.set.known_address(address);
        if known.is_some_and(|known| known.host) {
            self.undecided.push(piece.start);
        }
        if self.set.networks.may_hold_v4(address as u32) {
            self.address(address, &piece);
        } else if let Some(known) = known {
            self.chain(known.exact, &piece);
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

    /// A token that passed the filter, and is no more and no less than it seems.
    #[cold]
    #[inline(never)]
    pub(super) fn passed(&mut self, token: Range<usize>, shape: Shape) {
        match shape {
            Shape::Name => {
                let bytes = self.slice(token.clone());
                let label = bytes.iter().rposition(|b| *b == b'.').and_then(|dot| bytes.get(dot + 1..));
                self.name(token, label.unwrap_or_default());
            }
            Shape::Quad => self.quad(token, false),
            Shape::Digest => self.dotless(token, false),
        }
    }

    /// The piece around a run of its bytes, if it is a hash or a JA4.
    #[cold]
    #[inline(never)]
    pub(super) fn around(&mut self, run: Range<usize>) {
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
        if let (Some(kind), true) = (digest, see) {
            self.see(kind, piece.clone());
        }
        if (digest.is_some() || is_ja4(&token.to_ascii_lowercase()))
            && let Some(entry) = self.set.texts.probe(token)
        {
            self.chain(entry.exact, &piece);
        }
    }

    /// Around the second underscore of what may be a JA4: it stands 13 bytes after the first, and that 10
    /// after the start.
    #[cold]
    #[inline(never)]
    pub(super) fn underscores(&mut self, second: usize) {
        let Some(start) = second.checked_sub(23) else { return };
        let run = start..start + 36;
        if run.end <= self.chunk.len() && self.slice(run.clone()).iter().all(|b| is_token(*b)) {
            self.around(run);
        }
    }

    // --- IPv6 addresses ---

    /// The run of digits, colons and dots around a colon, if it begins at `done` or later; answers its end.
    #[cold]
    #[inline(never)]
    pub(super) fn colon(&mut self, at: usize, done: usize) -> usize {
        let in_run = |b: &u8| class(*b) & (HEX | COLON | DOT) != 0;
        let before = self.slice(done..at);
        let start = done + before.iter().rposition(|b| !in_run(b)).map_or(0, |last| last + 1);
        let after = self.slice(at..self.chunk.len());
        let end = at + after.iter().position(|b| !in_run(b)).unwrap_or(after.len());
        self.colon_run(start..end);
        end
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
        self.see(ObservableKind::Ip, range.clone());
        if before == Some(b'[')
            && after == b']'
            && self.set.known_address(address).is_some_and(|known| known.host)
        {
            self.undecided.push(range.start);
        }
        self.address(address, &range);
    }

    // --- escapes ---

    /// An escape that may stand for a character of a word, or for a colon of an address.
    pub(super) fn escape(&mut self, at: usize) {
        let rest = self.slice(at..self.chunk.len());
        let matters = match rest {
            [b'%', digits @ ..] => match hex_pair(digits) {
                Some(b':') => self.set.has_addresses && self.colon_matters(at),
                byte => byte.is_some_and(is_token),
            },
            [b'\\', b'u', b'0', b'0', digits @ ..] => match hex_pair(digits) {
                Some(b':') => self.set.has_addresses,
                byte => byte.is_some_and(|byte| is_token(byte) || byte == b'%'),
            },
            _ => false,
        };
        // Of an even number of backslashes the last one is itself escaped.
        let slashes = || self.slice(0..at).iter().rev().take_while(|b| **b == b'\\').count();
        if matters && (rest.first() == Some(&b'%') || slashes() % 2 == 0) {
            self.undecided.push(at);
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
}

/// Four octets without leading zeros.
fn parse_quad(token: &[u8]) -> Option<u32> {
    let (mut address, mut octet, mut digits, mut dots) = (0, 0, 0, 0);
    for byte in token {
        match byte {
            b'0'..=b'9' if digits == 0 || octet > 0 => {
                octet = octet * 10 + u32::from(byte - b'0');
                digits += 1;
                if octet > 255 {
                    return None;
                }
            }
            b'.' if digits > 0 && dots < 3 => {
                address = address << 8 | octet;
                (octet, digits) = (0, 0);
                dots += 1;
            }
            _ => return None,
        }
    }
    (dots == 3 && digits > 0).then_some(address << 8 | octet)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn octets_are_read_as_the_standard_library_reads_them(text in "[0-9]{0,4}(\\.[0-9]{0,3}){0,4}|[0-9.]{0,9}") {
            let wanted = text.parse::<std::net::Ipv4Addr>().ok().map(u32::from);
            prop_assert_eq!(parse_quad(text.as_bytes()), wanted);
        }
    }
}
