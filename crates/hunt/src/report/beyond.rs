// SPDX-License-Identifier: Apache-2.0
//! Findings beyond those that a summary holds one by one: how many of each indicator and value, so that sightings
//! state what was seen and not what was kept.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;

use super::draft::finding_id;
use crate::finding::Finding;
use crate::limits::TALLIES_MAX;
use crate::state::state;

/// How often one value of an indicator was found, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Findings.
    pub count: u64,
    /// Time of the first that tells one.
    pub first: Option<Timestamp>,
    /// Time of the last that tells one.
    pub last: Option<Timestamp>,
}
state!(Tally { count, first, last });

impl Tally {
    /// Takes another one in.
    pub fn add(&mut self, other: Tally) {
        self.count += other.count;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = self.last.max(other.last);
    }
}

/// Indicator, kind and value.
type Key = (String, ObservableKind, String);

/// Findings that were counted and not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beyond {
    tallies: BTreeMap<Key, Tally>,
    /// Findings of further indicators and values, beyond [`TALLIES_MAX`]: of these only the number is known.
    uncounted: u64,
}
state!(Beyond { tallies, uncounted });

impl Beyond {
    /// Counts a finding.
    pub fn count(&mut self, finding: &Finding) {
        let key = (finding.indicator.clone(), finding.kind, finding.value.clone());
        self.add(key, Tally { count: 1, first: finding.time, last: finding.time });
    }

    /// Takes in what another one counted.
    pub fn unite(&mut self, other: Beyond) {
        other.tallies.into_iter().for_each(|(key, tally)| self.add(key, tally));
        self.uncounted += other.uncounted;
    }

    fn add(&mut self, key: Key, tally: Tally) {
        let has_room = self.tallies.len() < TALLIES_MAX;
        match self.tallies.entry(key) {
            Entry::Occupied(known) => known.into_mut().add(tally),
            Entry::Vacant(fresh) if has_room => {
                fresh.insert(tally);
            }
            Entry::Vacant(_) => self.uncounted += tally.count,
        }
    }

    /// What was counted of each indicator and value; one that cannot be read as its kind is left out.
    pub fn tallies(&self) -> impl Iterator<Item = (&str, Observable, Tally)> {
        self.tallies.iter().filter_map(|((indicator, kind, value), tally)| {
            Some((indicator.as_str(), Observable::parse(*kind, value).ok()?, *tally))
        })
    }

    /// The indicators that were found.
    pub fn indicators(&self) -> impl Iterator<Item = &str> {
        self.tallies.keys().map(|(indicator, ..)| indicator.as_str())
    }

    /// Findings of indicators and values of which only the number is known.
    pub fn uncounted(&self) -> u64 {
        self.uncounted
    }

    /// Takes the findings out whose id ([`finding_id`]) is named; answers how many.
    pub fn take_out(&mut self, is_out: &dyn Fn(&str) -> bool) -> u64 {
        let mut taken = 0;
        self.tallies.retain(|(indicator, kind, value), tally| {
            let value = Observable::parse(*kind, value).map_or_else(|_| value.clone(), |seen| seen.display());
            let out = is_out(&finding_id(indicator, *kind, &value));
            taken += if out { tally.count } else { 0 };
            !out
        });
        taken
    }
}
