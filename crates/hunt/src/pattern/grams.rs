// SPDX-License-Identifier: Apache-2.0
//! Whether one of many texts may stand in a line, by every third place of it.
//!
//! An automaton of ten thousand texts looks at each byte of a line, and in memory that no cache holds. Wherever a text of
//! eight bytes stands, one of its three runs of six bytes begins at a place that three divides: it is enough to look those up
//! in a table. What is found there is only a candidate.

use std::collections::HashMap;

/// Shortest text that can be looked for so.
pub(super) const TEXT_BYTES_MIN: usize = 8;
/// Bytes of what is looked up.
const GRAM_BYTES: usize = 6;
/// Every which place of a line is looked at: a text holds so many grams.
const STEP: usize = TEXT_BYTES_MIN - GRAM_BYTES + 1;
const MASK: u64 = (1 << (8 * GRAM_BYTES)) - 1;
/// Makes ASCII letters small; other bytes that fall together by it are only more candidates.
const SMALL: u64 = 0x2020_2020_2020_2020;
/// Slots of the table for each gram: three of four are empty, and a look at one of them is the answer.
const SLOTS_PER_GRAM: usize = 4;

/// The grams of texts, in small letters.
#[derive(Debug)]
pub(super) struct Grams {
    /// The grams by their hash, in the first free slot from there on; 0 is free, as no gram of a text is.
    slots: Box<[u64]>,
    shift: u32,
}

impl Grams {
    /// Of texts of at least [`TEXT_BYTES_MIN`] bytes.
    pub(super) fn of(texts: &[&str]) -> Grams {
        let mut counts: HashMap<u64, u32> = HashMap::new();
        for gram in texts.iter().flat_map(|text| text.as_bytes().windows(GRAM_BYTES)).filter_map(gram) {
            *counts.entry(gram).or_default() += 1;
        }
        // Of each text the part that fewest others share: a common word tells nothing.
        let count = |gram: &u64| counts.get(gram).copied().unwrap_or(0);
        let chosen = texts.iter().filter_map(|text| {
            let windows = text.as_bytes().windows(TEXT_BYTES_MIN);
            windows.map(grams).min_by_key(|grams| grams.iter().map(count).max())
        });
        let mut all: Vec<u64> = chosen.flatten().collect();
        all.sort_unstable();
        all.dedup();
        let slots = (all.len() * SLOTS_PER_GRAM).next_power_of_two().max(2);
        let mut table = Grams { slots: vec![0; slots].into(), shift: u64::BITS - slots.ilog2() };
        for gram in all {
            let free = table.from(gram).find(|at| table.slots.get(*at) == Some(&0));
            if let Some(slot) = free.and_then(|at| table.slots.get_mut(at)) {
                *slot = gram;
            }
        }
        table
    }

    /// Slots from where a gram belongs, all of them.
    fn from(&self, gram: u64) -> impl Iterator<Item = usize> + use<> {
        let (slots, begin) =
            (self.slots.len(), (gram.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize);
        (begin..slots).chain(0..begin)
    }

    fn has(&self, gram: u64) -> bool {
        for at in self.from(gram) {
            match self.slots.get(at) {
                Some(slot) if *slot == gram => return true,
                Some(0) | None => return false,
                Some(_) => {}
            }
        }
        false
    }

    /// Whether one of the texts may stand in a line, in any case.
    pub(super) fn may_stand_in(&self, line: &[u8]) -> bool {
        // Eight bytes are read at a time; a text ends no earlier than the grams in the last eight.
        let whole = line.windows(8).step_by(STEP).filter_map(gram).any(|gram| self.has(gram));
        whole || {
            let last = line.len().saturating_sub(TEXT_BYTES_MIN);
            let from = last - last % STEP;
            let rest = line.get(from..).unwrap_or_default();
            rest.windows(GRAM_BYTES).filter_map(gram).any(|gram| self.has(gram))
        }
    }
}

/// The first bytes of a slice that has enough of them, in small letters.
fn gram(bytes: &[u8]) -> Option<u64> {
    let word = match bytes.first_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => {
            let mut word = [0; 8];
            word.get_mut(..GRAM_BYTES)?.copy_from_slice(bytes.get(..GRAM_BYTES)?);
            u64::from_le_bytes(word)
        }
    };
    Some((word | SMALL) & MASK)
}

/// The grams of eight bytes.
fn grams(window: &[u8]) -> Vec<u64> {
    window.windows(GRAM_BYTES).filter_map(gram).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn grams_are_in_any_case_and_at_any_place() {
        let grams = Grams::of(&["evil.example", "gate.php?id="]);
        for before in 0..20 {
            for after in 0..12 {
                for text in ["EVIL.Example", "/gate.php?ID=1"] {
                    let line = format!("{}{text}{}", "x".repeat(before), "y".repeat(after));
                    assert!(grams.may_stand_in(line.as_bytes()), "{line}");
                }
            }
        }
        assert!(!grams.may_stand_in(b"GET /index.html?page=3 HTTP/1.1 host www.another.test"));
        assert!(!grams.may_stand_in(b""));
    }

    proptest! {
        /// What stands in a line is never passed over.
        #[test]
        fn no_text_is_passed_over(
            texts in prop::collection::vec("[a-cA-C.@ ]{8,12}", 1..40), before in "[a-d]{0,9}", after in "[a-d]{0,9}", nth in any::<prop::sample::Index>()
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let line = format!("{before}{}{after}", texts[nth.index(texts.len())].to_ascii_uppercase());
            prop_assert!(Grams::of(&texts).may_stand_in(line.as_bytes()));
        }
    }
}
