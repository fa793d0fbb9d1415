// SPDX-License-Identifier: Apache-2.0
//! An exact table of texts behind a filter. Case is folded; the texts are tokens.

/// No entry.
const EMPTY: u32 = u32::MAX;
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const MULTIPLY: u64 = 0xBF58_476D_1CE4_E5B9;
const FINISH: u64 = 0x94D0_49BB_1331_11EB;
/// Sets bit 5 of each byte. It folds letters, leaves digits, dot and hyphen alone, and turns `_` into
/// 0x7F, which no token holds: so different tokens stay different.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// Hash of a token, case folded.
#[inline]
pub(super) fn hash(token: &[u8]) -> u64 {
    let mut h = SEED ^ (token.len() as u64).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let (chunks, rest) = token.as_chunks::<8>();
    for chunk in chunks {
        h = mix(h, u64::from_le_bytes(*chunk));
    }
    if !rest.is_empty() {
        h = mix(h, tail(token, rest));
    }
    h = h.wrapping_mul(FINISH);
    h ^ (h >> 29)
}

#[inline(always)]
fn mix(h: u64, word: u64) -> u64 {
    let h = (h ^ (word | FOLD)).wrapping_mul(MULTIPLY);
    h ^ (h >> 32)
}

/// The last bytes as one word; loads that overlap are faster than a loop over single bytes.
#[inline(always)]
fn tail(token: &[u8], rest: &[u8]) -> u64 {
    if let Some(last) = token.last_chunk::<8>() {
        return u64::from_le_bytes(*last);
    }
    if let (Some(first), Some(last)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
    }
    rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Whether two tokens are the same, case folded.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x | 0x20 == y | 0x20)
}

/// What is known of one text: heads of chains of indicators, and what else is worth looking at there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Chain of indicators that match only the whole token.
    pub exact: u32,
    /// Chain of indicators that match it as the end of a longer name, too.
    pub with_subdomains: u32,
    /// URLs or e-mail addresses of this host are in the set.
    pub host: bool,
}

impl Entry {
    /// Nothing known.
    pub(super) const NONE: Entry = Entry { exact: EMPTY, with_subdomains: EMPTY, host: false };
}

/// Whether a chain ends here.
#[inline]
pub(super) fn is_end(link: u32) -> bool {
    link == EMPTY
}

/// Texts and their entries.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// One word for each key, four bits set.
    filter: Vec<u64>,
    /// Open addressing, linear probing; hash and index apart, because most probes end at the hash.
    hashes: Vec<u64>,
    slots: Vec<u32>,
    keys: Vec<u8>,
    /// End of each key in `keys`, and its entry.
    entries: Vec<(u32, Entry)>,
}

impl Table {
    /// A table for at most so many texts.
    pub(super) fn with_capacity(texts: usize) -> Table {
        let words = (texts / 4).next_power_of_two().max(64);
        // At most three quarters full, and one always empty.
        let slots = (texts / 3 * 4 + 4).next_power_of_two();
        Table {
            filter: vec![0; words],
            hashes: vec![0; slots],
            slots: vec![EMPTY; slots],
            keys: Vec::new(),
            entries: Vec::with_capacity(texts),
        }
    }

    /// The entry of a text, made if it is new. `None` if the table is full.
    pub(super) fn entry(&mut self, key: &[u8]) -> Option<&mut Entry> {
        let h = hash(key);
        let found = self.find(h, key);
        let index = match found {
            Ok(index) => index,
            Err(slot) => {
                // One slot always stays empty, or a probe would never end.
                if self.entries.len() + 1 >= self.slots.len() {
                    return None;
                }
                let index = self.entries.len();
                self.keys.extend_from_slice(key);
                self.entries.push((u32::try_from(self.keys.len()).ok()?, Entry::NONE));
                *self.hashes.get_mut(slot)? = h;
                *self.slots.get_mut(slot)? = u32::try_from(index).ok()?;
                let word = word_of(h, self.filter.len());
                *self.filter.get_mut(word)? |= bits_of(h);
                index
            }
        };
        self.entries.get_mut(index).map(|(_, entry)| entry)
    }

    /// Memory on the heap, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        (self.filter.capacity() + self.hashes.capacity()) * size_of::<u64>()
            + self.slots.capacity() * size_of::<u32>()
            + self.keys.capacity()
            + self.entries.capacity() * size_of::<(u32, Entry)>()
    }

    /// Gives back the room that was not needed.
    pub(super) fn shrink(&mut self) {
        self.keys.shrink_to_fit();
        self.entries.shrink_to_fit();
    }

    /// What is known of a token.
    #[inline]
    pub(super) fn probe(&self, token: &[u8]) -> Option<Entry> {
        let h = hash(token);
        let bits = bits_of(h);
        if self.filter.get(word_of(h, self.filter.len())).is_none_or(|word| word & bits != bits) {
            return None;
        }
        self.find(h, token).ok().and_then(|index| self.entries.get(index)).map(|(_, entry)| *entry)
    }

    /// Index of the entry, or the slot where it would go.
    fn find(&self, h: u64, key: &[u8]) -> Result<usize, usize> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = (h >> 8) as usize & mask;
        loop {
            let index = self.slots.get(slot).copied().unwrap_or(EMPTY);
            if index == EMPTY {
                return Err(slot);
            }
            let index = index as usize;
            if self.hashes.get(slot) == Some(&h) && self.key(index).is_some_and(|k| same(k, key)) {
                return Ok(index);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn key(&self, index: usize) -> Option<&[u8]> {
        let start = match index.checked_sub(1) {
            Some(before) => self.entries.get(before)?.0,
            None => 0,
        };
        self.keys.get(start as usize..self.entries.get(index)?.0 as usize)
    }
}

#[inline(always)]
fn word_of(h: u64, words: usize) -> usize {
    (h >> 24) as usize & words.wrapping_sub(1)
}

#[inline(always)]
fn bits_of(h: u64) -> u64 {
    1 << (h & 63) | 1 << (h >> 6 & 63) | 1 << (h >> 12 & 63) | 1 << (h >> 18 & 63)
}

/// A small set of labels; a label that is not in it cannot end a name that is.
#[derive(Debug, Default)]
pub(super) struct Labels {
    slots: Vec<u64>,
}

impl Labels {
    /// Of the labels' hashes.
    pub(super) fn of(hashes: &std::collections::HashSet<u64>) -> Labels {
        let mut slots = vec![0; (4 * hashes.len().max(1)).next_power_of_two()];
        let mask = slots.len() - 1;
        for h in hashes {
            let mut slot = *h as usize & mask;
            // Four times as many slots as labels: there is always a free one.
            while slots.get(slot).is_some_and(|s| *s != 0) {
                slot = (slot + 1) & mask;
            }
            if let Some(free) = slots.get_mut(slot) {
                *free = *h;
            }
        }
        Labels { slots }
    }

    /// Whether the label may be in the set.
    #[inline]
    pub(super) fn has(&self, label: &[u8]) -> bool {
        let h = hash(label);
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = h as usize & mask;
        loop {
            match self.slots.get(slot) {
                Some(0) | None => return false,
                Some(found) if *found == h => return true,
                Some(_) => slot = (slot + 1) & mask,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_in_any_case_and_never_in_part() {
        let mut table = Table::with_capacity(3);
        table.entry(b"evil.example").unwrap().exact = 7;
        table.entry(b"a_b.example").unwrap().exact = 8;
        assert_eq!(table.probe(b"EVIL.Example").map(|e| e.exact), Some(7));
        assert_eq!(table.probe(b"evil.exampl"), None);
        assert_eq!(table.probe(b"a-b.example"), None);
        assert_eq!(table.probe(b"A_B.example").map(|e| e.exact), Some(8));
    }

    #[test]
    fn a_full_table_refuses_and_still_answers() {
        let mut table = Table::with_capacity(1);
        let added = (0..100).filter(|n| table.entry(format!("k{n}").as_bytes()).is_some()).count();
        assert!(added < 100);
        assert_eq!(table.probe(b"not there"), None);
    }
}
