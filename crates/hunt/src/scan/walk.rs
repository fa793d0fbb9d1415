// SPDX-License-Identifier: Apache-2.0
//! Finds the tokens in the masks and asks the filter for each.
//!
//! Tokens are found by their ends. Adding the mask of dots to the mask of tokens carries out of each run
//! that holds a dot, into the bit after its last: `ends = (token + dot) & !token` are the ends of the
//! tokens with a dot. The carry out of the last bit goes on with the next word. Where a token begins is
//! counted in the 64 bits before its end; what is longer goes the careful way, and so does what stands
//! beside an escape or a character beyond ASCII, begins or ends with a dot or hyphen, or holds two dots in
//! a row. Everything else is a name or an address as it stands, and needs one question to the filter.

use std::ops::Range;

use model::observable::ObservableKind;

use super::class::{ESCAPE, LETTER, TOKEN, WIDE, class};
use super::fast::{PART_WORDS, Pass};
use super::filter::{bytes_before, hash};
use super::simd::{Masks, WORD_BYTES, Work};

const TOP: u64 = 1 << 63;
/// Colons of an IPv6 address without `::` that stand at most five bytes after another.
const COLONS_LINKED_MIN: u32 = 5;

/// What the masks say of a token.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Shape {
    /// Labels with dots, the last of which begins with a letter.
    #[default]
    Name,
    /// Digits and three dots.
    Quad,
    /// Hexadecimal digits, as many as a hash has.
    Digest,
}

/// A token that waits for the filter's answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Candidate {
    hash: u64,
    /// End, from the start of the part.
    end: u32,
    length: u16,
    shape: Shape,
}

impl Candidate {
    /// Most that a part can hold: a name has three bytes and one after it, and a hash 32.
    pub(super) const PART_MAX: usize = PART_WORDS * (WORD_BYTES / 4 + 2);
}

/// What one word of masks leaves to the next.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Where the next word begins in the chunk.
    at: usize,
    before: Masks,
    dotted_carry: bool,
    worded_carry: bool,
    /// Whether the last word held 16 hexadecimal digits in a row at a multiple of 16.
    hex_lane: bool,
    linked_colons: u32,
    colons_done: usize,
}

/// The masks of a part of a chunk, and what the walk over them needs.
pub(super) struct Walk<'p, 'a> {
    pub pass: &'p mut Pass<'a>,
    pub state: &'p mut State,
    pub masks: &'p [Masks],
}

impl Work for Walk<'_, '_> {
    #[inline(always)]
    fn run(self) {
        if self.pass.seeing { self.walk::<true>() } else { self.walk::<false>() }
    }
}

/// A word of masks and the one before.
struct Near<'m> {
    before: &'m Masks,
    here: &'m Masks,
    /// Where the word begins in the chunk.
    at: usize,
}

/// A token that ends in a word.
struct Ending {
    /// In the chunk.
    end: usize,
    /// Bytes; 64 if it may be longer.
    length: u32,
    /// Its dots: the top bit is its last byte.
    dots: u64,
    /// Whether an escape or a character beyond ASCII stands beside it.
    beside: bool,
    /// Whether it is longer than the masks tell, or holds two dots in a row.
    broken: bool,
    /// Whether the masks alone do not tell what it is.
    odd: bool,
}

impl Ending {
    /// Decides an odd token.
    #[inline]
    fn decide(&self, pass: &mut Pass<'_>) {
        if self.broken { pass.word(self.end) } else { pass.dotted(self.end - self.length as usize..self.end) }
    }
}

/// The 64 bits before bit `end` of a word: the top one is the last.
#[inline(always)]
fn window(before: u64, here: u64, end: u32) -> u64 {
    before >> end | here << 1 << (63 - end)
}

/// Adds with carry.
#[inline(always)]
fn add(a: u64, b: u64, carry: &mut bool) -> u64 {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(u64::from(*carry));
    *carry = first | second;
    sum
}

/// Takes the lowest bit.
#[inline(always)]
fn take(bits: &mut u64) -> Option<u32> {
    let at = bits.trailing_zeros();
    let any = *bits != 0;
    *bits &= bits.wrapping_sub(1);
    any.then_some(at)
}

impl Near<'_> {
    #[inline(always)]
    fn ending(&self, token: u64, token_before: u64, bit: u32) -> Ending {
        let length = (!window(token_before, token, bit)).leading_zeros();
        // Of 64 bytes none are its own for certain.
        let own = !(u64::MAX >> (length & 63));
        let dots = window(self.before.dot, self.here.dot, bit) & own;
        let edges = dots & (TOP | TOP >> (length.wrapping_sub(1) & 63));
        let doubled = dots & dots << 1;
        // The byte after the token, and the one before it.
        let beside = self.here.special >> bit
            | window(self.before.special, self.here.special, bit) >> (63_u32.wrapping_sub(length) & 63);
        let beside = beside & 1 != 0;
        let broken = length == 64 || doubled != 0;
        let odd = broken || edges != 0 || beside;
        Ending { end: self.at + bit as usize, length, dots, beside, broken, odd }
    }
}

impl Walk<'_, '_> {
    #[inline(always)]
    fn walk<const SEEING: bool>(self) {
        let Walk { pass, state, masks } = self;
        let set = pass.set;
        let wants_digests = set.has_digests || SEEING;
        let wants_colons = set.has_addresses || SEEING;
        let part_at = state.at;
        let mut asked = Asked { count: 0, part_at };
        let mut before = state.before;
        for here in masks {
            let near = Near { before: &before, here, at: state.at };
            let first_seen = pass.seen.len();
            let (token, token_before) = (here.token(), before.token());
            let ends = add(token, here.dot, &mut state.dotted_carry) & !token;
            let worded = add(token, here.worded, &mut state.worded_carry) & !token;
            let mut names = ends & worded;
            while let Some(bit) = take(&mut names) {
                asked.name::<SEEING>(pass, near.ending(token, token_before, bit));
            }
            let mut numbers = ends & !worded;
            while let Some(bit) = take(&mut numbers) {
                asked.number::<SEEING>(pass, near.ending(token, token_before, bit));
            }
            if wants_digests {
                let lane = has_full_lane(here.hex);
                if lane | state.hex_lane {
                    asked.digests::<SEEING>(pass, &near);
                }
                state.hex_lane = lane;
            }
            if wants_colons {
                near.colons(pass, state);
            }
            if here.escape != 0 {
                let mut escapes = here.escape;
                while let Some(bit) = take(&mut escapes) {
                    pass.escape(near.at + bit as usize);
                }
            }
            if set.has_ja4 {
                let mut seconds = here.underscore & (here.underscore << 13 | before.underscore >> 51);
                while let Some(bit) = take(&mut seconds) {
                    pass.underscores(near.at + bit as usize);
                }
            }
            if SEEING && pass.seen.len() > first_seen + 1 {
                let tail = pass.seen.get_mut(first_seen..).unwrap_or_default();
                tail.sort_unstable_by_key(|(_, range)| range.start);
            }
            before = *here;
            state.at += WORD_BYTES;
        }
        state.before = before;
        asked.answer(pass);
    }
}

/// Whether one of the four lanes of 16 bits is full; a run of 31 bits and more fills one.
#[inline(always)]
fn has_full_lane(bits: u64) -> bool {
    let holes = !bits;
    holes.wrapping_sub(0x0001_0001_0001_0001) & !holes & 0x8000_8000_8000_8000 != 0
}

/// The questions of a part.
struct Asked {
    count: usize,
    part_at: usize,
}

impl Asked {
    /// Asks for a token by its key, the last bytes of it; `whether` it is a question at all.
    #[inline(always)]
    fn ask(&mut self, pass: &mut Pass<'_>, hash: u64, token: Range<usize>, shape: Shape, whether: bool) {
        pass.set.filter.fetch(hash);
        let (end, length) = ((token.end - self.part_at) as u32, token.len() as u16);
        match pass.candidates.get_mut(self.count) {
            Some(slot) => *slot = Candidate { hash, end, length, shape },
            None if whether => pass.passed(token, shape),
            None => {}
        }
        self.count += usize::from(whether);
    }

    /// A token with a dot, and with a letter, hyphen or underscore.
    #[inline(always)]
    fn name<const SEEING: bool>(&mut self, pass: &mut Pass<'_>, token: Ending) {
        let (end, length) = (token.end, token.length as usize);
        let last = bytes_before(pass.chunk, end);
        let label = token.dots.leading_zeros();
        let hyphen = last.last() == Some(&b'-') || pass.byte(end.wrapping_sub(length)) == b'-';
        if token.odd || hyphen {
            return token.decide(pass);
        }
        let worded = class(pass.byte(end.wrapping_sub(label as usize))) & LETTER != 0;
        if !worded {
            // Three dots are the least that an address glued to something has.
            if token.dots.count_ones() >= 3 {
                token.decide(pass);
            }
            return;
        }
        if SEEING {
            pass.seen.push((ObservableKind::Domain, end - length..end));
        }
        // Without its last dot: the last but one, or none, begins the key.
        let others = token.dots & !(TOP >> (label & 63));
        let key = length.min(others.leading_zeros() as usize);
        self.ask(pass, hash(&last, key), end - length..end, Shape::Name, true);
    }

    /// A token of digits and dots.
    #[inline(always)]
    fn number<const SEEING: bool>(&mut self, pass: &mut Pass<'_>, token: Ending) {
        let (end, length) = (token.end, token.length as usize);
        let dots = token.dots.count_ones();
        if token.odd {
            // It has the dots of an address, or may go on as a name beyond what stands beside it.
            if dots >= 3 || length == 64 || token.beside {
                token.decide(pass);
            }
            return;
        }
        let fits = dots == 3 && length <= 15;
        let last = bytes_before(pass.chunk, end);
        let may_lie_in_network = !pass.set.networks.is_empty();
        if SEEING || may_lie_in_network {
            if !fits {
                return;
            }
            let Some(address) = quad(&last, token.dots, token.length) else { return };
            if SEEING {
                pass.seen.push((ObservableKind::Ip, end - length..end));
            }
            if may_lie_in_network && pass.set.networks.may_hold_v4(address) {
                return pass.passed(end - length..end, Shape::Quad);
            }
        }
        self.ask(pass, hash(&last, length), end - length..end, Shape::Quad, fits);
    }

    /// Runs of 32 hexadecimal digits and more that end in a word.
    #[inline(always)]
    fn digests<const SEEING: bool>(&mut self, pass: &mut Pass<'_>, near: &Near<'_>) {
        let (here, before) = (near.here.hex, near.before.hex);
        let mut runs = u128::from(here) << 64 | u128::from(before);
        for shift in [1, 2, 4, 8, 16] {
            runs &= runs << shift;
        }
        let mut ends = (runs << 1 >> 64) as u64 & !here;
        while let Some(bit) = take(&mut ends) {
            let end = near.at + bit as usize;
            let mut length = (!window(before, here, bit)).leading_zeros() as usize;
            if length == 64 {
                let rest = pass.slice(0..end - length);
                length += rest.iter().rev().take_while(|b| b.is_ascii_hexdigit()).count();
            }
            let run = end - length..end;
            let beside = class(pass.byte(run.start.wrapping_sub(1))) | class(pass.byte(end));
            if beside & (TOKEN | ESCAPE | WIDE) != 0 {
                pass.around(run);
            } else if let Some(kind) = ObservableKind::of_digest_digits(length) {
                if SEEING {
                    pass.seen.push((kind, run.clone()));
                }
                self.ask(pass, hash(&bytes_before(pass.chunk, end), length), run, Shape::Digest, true);
            }
        }
    }

    /// Decides what the filter lets pass.
    #[inline(always)]
    fn answer(self, pass: &mut Pass<'_>) {
        for nth in 0..self.count {
            let Some(candidate) = pass.candidates.get(nth).copied() else { break };
            if pass.set.filter.passes(candidate.hash) {
                let end = self.part_at + candidate.end as usize;
                pass.passed(end - usize::from(candidate.length)..end, candidate.shape);
            }
        }
    }
}

impl Near<'_> {
    /// Colons that may be of an IPv6 address: two together, or enough that stand near each other. Clock
    /// times and MAC addresses have fewer, and the members of JSON stand farther apart.
    #[inline(always)]
    fn colons(&self, pass: &mut Pass<'_>, state: &mut State) {
        let (here, before) = (self.here.colon, self.before.colon);
        let both = u128::from(here) << 64 | u128::from(before);
        let after = both << 1;
        let after = after | after << 1;
        let after = after | after << 2 | both << 5;
        let linked = here & (after >> 64) as u64;
        let double = here & (here << 1 | before >> 63);
        let count = linked.count_ones();
        let mut colons =
            if double != 0 || count + state.linked_colons >= COLONS_LINKED_MIN { linked } else { 0 };
        state.linked_colons = count;
        while let Some(bit) = take(&mut colons) {
            let at = self.at + bit as usize;
            if at >= state.colons_done {
                state.colons_done = pass.colon(at, state.colons_done);
            }
        }
    }
}

/// Four octets without leading zeros, given the last 16 bytes and the dots of a token of digits and three
/// dots, none at its ends or beside another, with at most 15 bytes.
#[inline(always)]
fn quad(last: &[u8; 16], dots: u64, length: u32) -> Option<u32> {
    let mut dots = dots;
    let mut value = 0;
    let mut fault = false;
    let mut after = 0_u32;
    for shift in [0, 8, 16, 24] {
        // Bytes from the end of the token to the dot before the octet, or to the token's start.
        let dot = dots.leading_zeros().min(length);
        dots &= !(TOP >> (dot & 63));
        let digits = dot - after;
        let digit = |nth: u32| {
            let byte = last[15_u32.wrapping_sub(after + nth) as usize & 15];
            u32::from(byte.wrapping_sub(b'0')) * u32::from(nth < digits)
        };
        let octet = digit(0) + 10 * digit(1) + 100 * digit(2);
        let first = last[15_u32.wrapping_sub(dot.wrapping_sub(1)) as usize & 15];
        fault |= digits > 3 || octet > 255 || (digits > 1 && first == b'0');
        value |= (octet & 255) << shift;
        after = dot + 1;
    }
    (!fault).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quad_of(text: &str) -> Option<u32> {
        let dots = text
            .bytes()
            .rev()
            .enumerate()
            .filter(|(_, b)| *b == b'.')
            .fold(0, |dots, (at, _)| dots | TOP >> at);
        let padded = format!("9999999999999999{text}");
        quad(&bytes_before(padded.as_bytes(), padded.len()), dots, text.len() as u32)
    }

    #[test]
    fn octets_are_read_as_the_standard_library_reads_them() {
        let octets =
            ["0", "1", "9", "01", "10", "99", "00", "100", "255", "256", "260", "999", "010", "1000"];
        for a in octets {
            for b in octets {
                for text in [format!("{a}.{b}.7.8"), format!("7.8.{a}.{b}"), format!("7.{a}.{b}.8")] {
                    let wanted = text.parse::<std::net::Ipv4Addr>().ok().map(u32::from);
                    assert_eq!(quad_of(&text), wanted, "{text}");
                }
            }
        }
    }

    #[test]
    fn a_run_of_31_bits_fills_a_lane() {
        for at in 0..=33 {
            assert!(has_full_lane(((1 << 31) - 1) << at), "{at}");
        }
        assert!(!has_full_lane(0x7FFF_FFFE_7FFF_FFFE));
    }
}
