// SPDX-License-Identifier: Apache-2.0
//! What one log held.

use std::collections::HashMap;

use model::diagnostic::Diagnostic;
use model::observable::{Observable, ObservableKind, is_external, parse_address};
use model::time::Timestamp;

use crate::indicator::has_known_suffix;
use crate::limits::{DAYS_PER_OBSERVABLE_MAX, OBSERVABLES_PER_FILE_MAX};
use crate::scan::arpa_address;

const DAY_MICROS: i64 = 86_400_000_000;

/// When and how often one observable was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Earliest time, if a line told one.
    pub first: Option<Timestamp>,
    /// Latest time.
    pub last: Option<Timestamp>,
    /// Occurrences.
    pub count: u64,
    /// Days since 1970 on which it was seen, sorted.
    pub days: Vec<u16>,
}

impl Seen {
    fn add(&mut self, time: Option<Timestamp>) {
        self.count += 1;
        let Some(time) = time else { return };
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
        if let Ok(day) = u16::try_from(time.micros().div_euclid(DAY_MICROS)) {
            self.add_day(day);
        }
    }

    fn add_day(&mut self, day: u16) {
        // Logs are in order, mostly: the last day is the one.
        if self.days.last() == Some(&day) {
            return;
        }
        if let Err(at) = self.days.binary_search(&day)
            && self.days.len() < DAYS_PER_OBSERVABLE_MAX
        {
            self.days.insert(at, day);
        }
    }

    /// Joins what two parts of a log, or two logs, say: commutes and associates.
    pub fn merge(&mut self, other: &Seen) {
        self.count += other.count;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = [self.last, other.last].into_iter().flatten().max();
        other.days.iter().for_each(|day| self.add_day(*day));
    }
}

/// The observables of one log that the history keeps.
#[derive(Debug, Default)]
pub struct Observed {
    /// By token in lower case; the shapes of the kinds do not overlap.
    tokens: HashMap<Box<[u8]>, (ObservableKind, Seen)>,
    /// Occurrences for which there was no room.
    lost: u64,
}

impl Observed {
    /// Number of observables.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Adds an occurrence of a token of the scan.
    pub(crate) fn add(&mut self, kind: ObservableKind, token: &[u8], time: Option<Timestamp>) {
        let mut buffer = [0_u8; 256];
        let Some(lower) = buffer.get_mut(..token.len()) else { return };
        lower.copy_from_slice(token);
        lower.make_ascii_lowercase();
        if let Some((_, seen)) = self.tokens.get_mut(&*lower) {
            return seen.add(time);
        }
        if !is_kept(kind, lower) {
            return;
        }
        if self.tokens.len() >= OBSERVABLES_PER_FILE_MAX {
            self.lost += 1;
            return;
        }
        let mut seen = Seen::default();
        seen.add(time);
        self.tokens.insert((&*lower).into(), (kind, seen));
    }

    /// Takes in what another part of the same log held.
    pub(crate) fn merge(&mut self, other: Observed) {
        self.lost += other.lost;
        for (token, (kind, seen)) in other.tokens {
            if self.tokens.len() >= OBSERVABLES_PER_FILE_MAX && !self.tokens.contains_key(&token) {
                self.lost += seen.count;
                continue;
            }
            self.tokens.entry(token).or_insert_with(|| (kind, Seen::default())).1.merge(&seen);
        }
    }

    /// Says so if not all could be kept.
    pub(crate) fn take_diagnostic(&mut self, name: &str) -> Option<Diagnostic> {
        let lost = std::mem::take(&mut self.lost);
        (lost > 0).then(|| {
            let message = format!(
                "it holds more than {OBSERVABLES_PER_FILE_MAX} different observables; {lost} occurrences of others are not in the history"
            );
            Diagnostic::warning("history-full", name, message).with_fix("hunt in smaller files")
        })
    }

    /// The observables in canonical form, in the order of the table's key.
    pub fn sorted(&self) -> Vec<(Observable, Seen)> {
        let mut all: HashMap<Observable, Seen> = HashMap::with_capacity(self.tokens.len());
        for (token, (kind, seen)) in &self.tokens {
            if let Some(observable) = canonical(*kind, token) {
                all.entry(observable).or_default().merge(seen);
            }
        }
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by(|(a, _), (b, _)| (a.kind().code(), a.canonical()).cmp(&(b.kind().code(), b.canonical())));
        all
    }
}

/// A token as an observable; a name under `arpa` is the address that it stands for.
fn canonical(kind: ObservableKind, token: &[u8]) -> Option<Observable> {
    if kind == ObservableKind::Domain
        && let Some(address) = arpa_address(token)
    {
        return Some(Observable::from_address(address));
    }
    Observable::parse(kind, std::str::from_utf8(token).ok()?).ok()
}

/// Whether the history keeps a token.
fn is_kept(kind: ObservableKind, token: &[u8]) -> bool {
    match kind {
        ObservableKind::Ip => {
            std::str::from_utf8(token).ok().and_then(parse_address).is_some_and(is_external)
        }
        ObservableKind::Domain => match arpa_address(token) {
            Some(address) => is_external(address),
            // Keys such as `id.orig_h` and file names are most of what looks like a name.
            None => has_known_suffix(token),
        },
        _ => true,
    }
}
