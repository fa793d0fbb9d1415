// SPDX-License-Identifier: Apache-2.0
//! What is usual, told so that a few odd days do not change it.

/// Median and median absolute deviation, unscaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Robust {
    pub median: u64,
    pub deviation: u64,
}

impl Robust {
    /// Of any numbers; 0 of none. Of two in the middle the lower one is the median.
    pub(super) fn of(values: &[u64]) -> Robust {
        let median = middle(values.to_vec());
        let deviation = middle(values.iter().map(|value| value.abs_diff(median)).collect());
        Robust { median, deviation }
    }
}

fn middle(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    let at = values.len().saturating_sub(1) / 2;
    values.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_odd_day_does_not_change_what_is_usual() {
        assert_eq!(Robust::of(&[1, 2, 3, 4, 1_000]), Robust { median: 3, deviation: 1 });
        assert_eq!(Robust::of(&[]), Robust::default());
        assert_eq!(Robust::of(&[5, 5, 5, 9]), Robust { median: 5, deviation: 0 });
    }
}
