// SPDX-License-Identifier: Apache-2.0
//! The hit-rate cap: an indicator that matches a large part of a source says more about the indicator.

use std::collections::BTreeMap;

use model::diagnostic::Diagnostic;

use crate::limits::{HIT_RATE_LINES_MIN, HIT_RATE_PER_CENT_MAX};

/// Counts the matches of each indicator in one source (one log, or one kind of log of one run).
///
/// ```
/// use hunt::confirm::rate::HitRate;
///
/// let mut rate = HitRate::default();
/// rate.lines(10_000);
/// let kept = (0..1_000).filter(|_| rate.hit(7)).count();
/// assert_eq!(kept, 301, "with the first match above 3 % the indicator is paused");
/// assert_eq!(rate.suspects("proxy.log", &|_| "indicator--7".to_owned()).len(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HitRate {
    lines: u64,
    hits: BTreeMap<usize, u64>,
    paused: BTreeMap<usize, u64>,
}

impl HitRate {
    /// More lines were read.
    pub fn lines(&mut self, count: u64) {
        self.lines += count;
    }

    /// A line matched the indicator of this index in the set. Answers whether it still counts as a finding; not,
    /// once the indicator has matched more than [`HIT_RATE_PER_CENT_MAX`] in a hundred of at least
    /// [`HIT_RATE_LINES_MIN`] lines.
    pub fn hit(&mut self, indicator: usize) -> bool {
        let hits = self.hits.entry(indicator).or_default();
        *hits += 1;
        if self.paused.contains_key(&indicator) {
            return false;
        }
        if self.lines >= HIT_RATE_LINES_MIN && *hits * 100 > self.lines * HIT_RATE_PER_CENT_MAX {
            self.paused.insert(indicator, *hits);
        }
        true
    }

    /// Adds what another counted of the same source.
    pub fn merge(&mut self, other: &HitRate) {
        self.lines += other.lines;
        for (indicator, hits) in &other.hits {
            *self.hits.entry(*indicator).or_default() += hits;
        }
        for (indicator, at) in &other.paused {
            self.paused.entry(*indicator).or_insert(*at);
        }
    }

    /// Indicators that matched too much, as diagnostics `indicator-suspect`; `name` tells the indicator of an index.
    pub fn suspects(&self, source: &str, name: &dyn Fn(usize) -> String) -> Vec<Diagnostic> {
        self.paused
            .keys()
            .map(|indicator| {
                let hits = self.hits.get(indicator).copied().unwrap_or(0);
                let tenths = hits * 1_000 / self.lines.max(1);
                let what = format!(
                    "indicator {} matched {hits} of {} lines ({}.{} %): it is suspect, and paused for this source",
                    name(*indicator),
                    self.lines,
                    tenths / 10,
                    tenths % 10
                );
                Diagnostic::warning("indicator-suspect", source, what)
                    .with_fix("tell its author, or take it out of the set")
            })
            .collect()
    }
}
