// SPDX-License-Identifier: Apache-2.0
//! Chance from a seed: the same numbers on every machine, so no function of the platform's own (`ln`, `exp`)
//! is asked.

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A stream of its own for a seed and what it is for, so that one part that draws more does not move the others.
    pub fn new(seed: u64, parts: &[u64]) -> Rng {
        let mut rng = Rng(seed ^ 0x5851_F42D_4C95_7F2D);
        for part in parts {
            rng.0 ^= part.wrapping_mul(0xD6E8_FEB8_6659_FD93);
            rng.number();
        }
        rng
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// A number of `from..to`; `from` where there is none.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + (self.number() % u64::try_from(to - from).unwrap_or(1).max(1)) as i64
    }

    /// True so many times of a thousand.
    pub fn permille(&mut self, permille: u64) -> bool {
        self.below(1_000) < permille
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len() as u64) as usize)
    }

    /// One of several texts; empty where there is none.
    pub fn text<'a>(&mut self, of: &[&'a str]) -> &'a str {
        self.pick(of).copied().unwrap_or_default()
    }

    /// A number with a long tail to the right: half of them lie below `median`, one in forty above `median · ratio³`.
    pub fn tailed(&mut self, median: f64, ratio: f64) -> f64 {
        // Twelve coins are near enough to a bell.
        let steps = (self.number() & 0xFFF).count_ones();
        let mut value = median * (0.9 + 0.2 * (self.below(1_000) as f64 / 1_000.0));
        for _ in 6..steps {
            value *= ratio;
        }
        for _ in steps..6 {
            value /= ratio;
        }
        value
    }
}
