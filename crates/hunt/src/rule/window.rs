// SPDX-License-Identifier: Apache-2.0
//! The window of one group of one correlation.

use std::collections::{BTreeMap, VecDeque};

use super::correlation::{Condition, Correlation, Measure};
use super::correlator::{Hit, Measured};
use crate::limits::WINDOW_HITS_MAX;

/// Matches of a group that are no older than the time span, and what is counted over them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// The matches, oldest first.
    pub hits: VecDeque<Hit>,
    /// How often each text stands in the window.
    distinct: BTreeMap<Box<str>, u32>,
    /// The numbers in the window, sorted.
    numbers: Vec<f64>,
    /// How many matches of each rule.
    rules: Vec<u32>,
    /// Of each rule in the order of the correlation: when the latest chain that ends with it began.
    chains: Vec<Option<i64>>,
    /// Matches that were left out because the window was full.
    pub overflowed: u64,
}

impl Window {
    /// Takes a match in, the newest so far, and lets go of those that are too old.
    pub fn push(&mut self, hit: Hit, correlation: &Correlation) {
        let span = span_micros(correlation);
        while self.hits.front().is_some_and(|oldest| oldest.time < hit.time.saturating_sub(span)) {
            self.pop();
        }
        if self.hits.len() >= WINDOW_HITS_MAX {
            self.overflowed += 1;
            self.pop();
        }
        match &hit.measured {
            Measured::Nothing => {}
            Measured::Number(number) => {
                let at = self.numbers.partition_point(|other| other < number);
                self.numbers.insert(at, *number);
            }
            Measured::Text(text) => *self.distinct.entry(text.clone()).or_insert(0) += 1,
        }
        let rule = usize::from(hit.rule);
        if self.rules.len() < correlation.rules.len() {
            self.rules.resize(correlation.rules.len(), 0);
            self.chains.resize(correlation.rules.len(), None);
        }
        if let Some(count) = self.rules.get_mut(rule) {
            *count += 1;
        }
        if correlation.measure == Measure::TemporalOrdered {
            self.chain(rule, hit.time);
        }
        self.hits.push_back(hit);
    }

    /// A match of the first rule begins a chain; one of a later rule goes on with the latest chain that has
    /// come to the rule before it.
    fn chain(&mut self, rule: usize, time: i64) {
        let before = match rule.checked_sub(1) {
            None => Some(time),
            Some(before) => self.chains.get(before).copied().flatten(),
        };
        if let (Some(began), Some(chain)) = (before, self.chains.get_mut(rule)) {
            *chain = Some(chain.map_or(began, |other| other.max(began)));
        }
    }

    fn pop(&mut self) {
        let Some(hit) = self.hits.pop_front() else { return };
        match &hit.measured {
            Measured::Nothing => {}
            Measured::Number(number) => {
                let at = self.numbers.partition_point(|other| other < number);
                if at < self.numbers.len() {
                    self.numbers.remove(at);
                }
            }
            Measured::Text(text) => {
                if let Some(count) = self.distinct.get_mut(text) {
                    *count -= 1;
                    if *count == 0 {
                        self.distinct.remove(text);
                    }
                }
            }
        }
        if let Some(count) = self.rules.get_mut(usize::from(hit.rule)) {
            *count = count.saturating_sub(1);
        }
    }

    /// What is counted now: matches, values, or how many rules matched.
    pub fn count(&self, correlation: &Correlation) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^52 matches")]
        let whole = |count: usize| count as f64;
        match correlation.measure {
            Measure::EventCount => whole(self.hits.len()),
            Measure::ValueCount => whole(self.distinct.len()),
            Measure::Temporal => whole(self.rules.iter().filter(|count| **count > 0).count()),
            Measure::TemporalOrdered => whole(self.chains.iter().filter(|chain| chain.is_some()).count()),
            Measure::ValueSum => self.numbers.iter().sum(),
            Measure::ValueAvg if self.numbers.is_empty() => 0.0,
            Measure::ValueAvg => self.numbers.iter().sum::<f64>() / whole(self.numbers.len()),
            Measure::ValuePercentile(rank) => percentile(&self.numbers, rank),
        }
    }

    /// Whether it is enough.
    pub fn is_enough(&self, correlation: &Correlation) -> bool {
        let matched = |nth: usize| self.rules.get(nth).is_some_and(|count| *count > 0);
        let Some(newest) = self.hits.back() else { return false };
        match (&correlation.condition, correlation.measure) {
            (_, Measure::TemporalOrdered) => {
                let oldest = newest.time.saturating_sub(span_micros(correlation));
                self.chains.last().copied().flatten().is_some_and(|began| began >= oldest)
            }
            (Condition::Rules(expression), _) => expression
                .holds(&|name| correlation.rules.iter().position(|rule| rule == name).is_some_and(matched)),
            (Condition::Threshold(all), Measure::Temporal) if correlation.wants_all(all) => {
                (0..correlation.rules.len()).all(matched)
            }
            (Condition::Threshold(all), _) => {
                let count = self.count(correlation);
                #[expect(clippy::cast_precision_loss, reason = "thresholds are small")]
                all.iter().all(|(comparison, threshold)| comparison.holds(count, *threshold as f64))
            }
        }
    }

    /// Of each rule of an ordered correlation, when the latest chain that ends with it began.
    pub fn chains(&self) -> &[Option<i64>] {
        &self.chains
    }

    /// Sets what [`Window::chains`] told; `None` where it does not fit.
    pub fn set_chains(&mut self, chains: Vec<Option<i64>>) -> Option<()> {
        (chains.len() == self.rules.len()).then(|| self.chains = chains)
    }

    /// Values that were counted, in their order.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.distinct.keys().map(|text| &**text)
    }
}

/// The window in microseconds.
pub fn span_micros(correlation: &Correlation) -> i64 {
    i64::try_from(correlation.timespan_seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

/// Linear interpolation between the two nearest ranks of sorted numbers.
fn percentile(sorted: &[f64], rank: u8) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    #[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^52 matches")]
    let place = f64::from(rank.min(100)) / 100.0 * last as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the last place"
    )]
    let below = place.floor() as usize;
    let low = sorted.get(below).copied().unwrap_or(0.0);
    let high = sorted.get(below + 1).copied().unwrap_or(low);
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_between_ranks() {
        assert_eq!(percentile(&[], 50), 0.0);
        assert_eq!(percentile(&[7.0], 95), 7.0);
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0], 50), 2.5);
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0], 100), 4.0);
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0], 0), 1.0);
    }
}
