// SPDX-License-Identifier: Apache-2.0
//! The filter that a token must pass before anything is done for it: no token of the set is ever stopped,
//! of the others less than one in a hundred passes.
//!
//! Asked by *key*: of an IPv4 address or hash the whole token, of an IPv6 address its 16 bytes (the folding
//! of case makes some of them alike, which lets more pass), of a name its last two labels, whatever
//! stands before them. So one question does for a name with all that it lies under.

use super::simd::prefetch;

/// Bytes of a key that are hashed: its last ones.
const KEY_BYTES: usize = 16;
const FIRST: u64 = 0x9E37_79B9_7F4A_7C15;
const SECOND: u64 = 0xBF58_476D_1CE4_E5B9;
/// Sets bit 5 of each byte, which folds the case of a token; see `table`.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// For a key of so many bytes, which bytes of the two last words are its own.
static OWN: [[u64; 2]; KEY_BYTES + 1] = own();

const fn own() -> [[u64; 2]; KEY_BYTES + 1] {
    let mut own = [[0; 2]; KEY_BYTES + 1];
    let mut bytes = 1;
    while bytes <= KEY_BYTES {
        let mask = u128::MAX << (8 * (KEY_BYTES - bytes));
        own[bytes] = [mask as u64, (mask >> 64) as u64];
        bytes += 1;
    }
    own
}

/// The 16 bytes before a place; zeros where there are fewer.
#[inline(always)]
pub(super) fn bytes_before(bytes: &[u8], end: usize) -> [u8; KEY_BYTES] {
    let start = end.wrapping_sub(KEY_BYTES);
    match bytes.get(start..end).and_then(|before| before.first_chunk()) {
        Some(before) => *before,
        None => first_bytes(bytes, end),
    }
}

#[cold]
fn first_bytes(bytes: &[u8], end: usize) -> [u8; KEY_BYTES] {
    let mut before = [0; KEY_BYTES];
    let own = bytes.get(end.saturating_sub(KEY_BYTES)..end).unwrap_or_default();
    for (slot, byte) in before.iter_mut().rev().zip(own.iter().rev()) {
        *slot = *byte;
    }
    before
}

/// Hash of a key of so many bytes, given the last of them; case is folded.
#[inline(always)]
pub(super) fn hash(last: &[u8; KEY_BYTES], length: usize) -> u64 {
    let last = u128::from_le_bytes(*last);
    let [own_low, own_high] = OWN.get(length.min(KEY_BYTES)).copied().unwrap_or_default();
    let low = (last as u64 | FOLD) & own_low;
    let high = ((last >> 64) as u64 | FOLD) & own_high;
    let length = (length as u64).wrapping_mul(SECOND);
    let product = u128::from(low ^ FIRST ^ length) * u128::from(high ^ SECOND);
    product as u64 ^ (product >> 64) as u64
}

/// A Bloom filter whose four bits of a key lie in one word: one load answers.
#[derive(Debug)]
pub(super) struct Filter {
    words: Vec<u64>,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter::with_capacity(0)
    }
}

impl Filter {
    /// A filter for about so many keys: 16 to 32 bits for each.
    pub(super) fn with_capacity(keys: usize) -> Filter {
        Filter { words: vec![0; (keys / 4).next_power_of_two().max(64)] }
    }

    /// Memory on the heap, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    /// Lets an IPv4 address or hash pass by its text, an IPv6 address by its 16 bytes.
    pub(super) fn admit(&mut self, text: &[u8]) {
        self.admit_key(text);
    }

    /// Lets a name and all names that it, or a part of it of two labels, lies above pass.
    pub(super) fn admit_name(&mut self, name: &[u8]) {
        self.admit_key(last_two_labels(name));
    }

    /// Whether a name, or one that it lies under, may be one of the set's.
    pub(super) fn passes_name(&self, name: &[u8]) -> bool {
        let key = last_two_labels(name);
        self.passes(hash(&bytes_before(key, key.len()), key.len()))
    }

    fn admit_key(&mut self, key: &[u8]) {
        let h = hash(&bytes_before(key, key.len()), key.len());
        let index = self.word_of(h);
        if let Some(word) = self.words.get_mut(index) {
            *word |= bits_of(h);
        }
    }

    #[inline(always)]
    fn word_of(&self, h: u64) -> usize {
        (h >> 24) as usize & self.words.len().wrapping_sub(1)
    }

    /// Whether a key of this hash may be one of the set's.
    #[inline(always)]
    pub(super) fn passes(&self, h: u64) -> bool {
        let bits = bits_of(h);
        self.words.get(self.word_of(h)).is_some_and(|word| word & bits == bits)
    }

    /// Brings near what [`Filter::passes`] will look at for this hash.
    #[inline(always)]
    pub(super) fn fetch(&self, h: u64) {
        prefetch(&self.words, self.word_of(h));
    }
}

fn last_two_labels(name: &[u8]) -> &[u8] {
    let mut dots = name.iter().enumerate().rev().filter(|(_, byte)| **byte == b'.');
    let start = dots.nth(1).map_or(0, |(dot, _)| dot + 1);
    name.get(start..).unwrap_or(name)
}

#[inline(always)]
fn bits_of(h: u64) -> u64 {
    1 << (h & 63) | 1 << (h >> 6 & 63) | 1 << (h >> 12 & 63) | 1 << (h >> 18 & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(filter: &Filter, text: &[u8], key: usize) -> bool {
        filter.passes(hash(&bytes_before(text, text.len()), key))
    }

    #[test]
    fn what_was_admitted_passes_in_any_case_and_place() {
        let mut filter = Filter::with_capacity(10);
        filter.admit(b"1.2.3.4");
        filter.admit_name(b"c2.evil.example");
        filter.admit_name(b"a-very-long-label-indeed.example");
        assert!(passes(&filter, b"1.2.3.4", 7));
        assert!(passes(&filter, b"in a text 1.2.3.4", 7));
        assert!(passes(&filter, b"x.y.EVIL.Example", 12));
        assert!(passes(&filter, b"www.a-very-long-label-indeed.example", 32));
        assert!(!passes(&filter, b"1.2.3.5", 7));
        assert!(!passes(&filter, b"11.2.3.4", 8));
    }

    #[test]
    fn few_others_pass() {
        let mut filter = Filter::with_capacity(10_000);
        (0..10_000).for_each(|n| filter.admit(format!("10.0.{}.{}", n / 100, n % 100).as_bytes()));
        let passed = (0..100_000)
            .filter(|n| {
                let text = format!("172.{}.{}.9", n / 256, n % 256);
                passes(&filter, text.as_bytes(), text.len())
            })
            .count();
        assert!(passed < 1_000, "{passed} of 100,000");
    }
}
