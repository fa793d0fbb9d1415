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
    fn add_day(&mut self, day: u16) {
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
    tokens: HashMap<Box<[u8]>, Tally>,
    /// Tokens that are not kept, by hash: the same field names stand in every line.
    refused: Vec<Box<[u8]>>,
    /// Occurrences for which there was no room.
    lost: u64,
}

/// Remembered tokens that are not kept.
const REFUSED_SLOTS: usize = 1024;

/// [`Seen`] while a log is read. The last day stands beside the count, because most lines are of the same
/// day as the one before, and looking into the list would cost a cache miss each.
#[derive(Debug)]
struct Tally {
    kind: ObservableKind,
    last_day: Option<u16>,
    seen: Seen,
}

impl Tally {
    fn new(kind: ObservableKind) -> Tally {
        Tally { kind, last_day: None, seen: Seen::default() }
    }

    fn add(&mut self, time: Option<Timestamp>) {
        self.seen.count += 1;
        let Some(time) = time else { return };
        self.seen.first = Some(self.seen.first.map_or(time, |first| first.min(time)));
        self.seen.last = Some(self.seen.last.map_or(time, |last| last.max(time)));
        let day = u16::try_from(time.micros().div_euclid(DAY_MICROS)).ok();
        if day != self.last_day
            && let Some(day) = day
        {
            self.last_day = Some(day);
            self.seen.add_day(day);
        }
    }
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
        if kind == ObservableKind::Ip && INTERNAL.iter().any(|prefix| token.starts_with(prefix)) {
            return;
        }
        let mut buffer = [0_u8; 256];
        let Some(lower) = buffer.get_mut(..token.len()) else { return };
        lower.copy_from_slice(token);
        lower.make_ascii_lowercase();
        if let Some(tally) = self.tokens.get_mut(&*lower) {
            return tally.add(time);
        }
        if !self.is_kept(kind, lower) {
            return;
        }
        if self.tokens.len() >= OBSERVABLES_PER_FILE_MAX {
            self.lost += 1;
            return;
        }
        let mut tally = Tally::new(kind);
        tally.add(time);
        self.tokens.insert((&*lower).into(), tally);
    }

    /// Whether the history keeps a token.
    fn is_kept(&mut self, kind: ObservableKind, token: &[u8]) -> bool {
        let slot = token.iter().fold(0_usize, |h, b| h.wrapping_mul(31).wrapping_add(usize::from(*b)))
            % REFUSED_SLOTS;
        if self.refused.get(slot).is_some_and(|refused| **refused == *token) {
            return false;
        }
        let kept = is_kept(kind, token);
        if !kept {
            self.refused.resize(REFUSED_SLOTS, Box::default());
            if let Some(refused) = self.refused.get_mut(slot) {
                *refused = token.into();
            }
        }
        kept
    }

    /// Takes in what another part of the same log held.
    pub(crate) fn merge(&mut self, other: Observed) {
        self.lost += other.lost;
        for (token, tally) in other.tokens {
            if self.tokens.len() >= OBSERVABLES_PER_FILE_MAX && !self.tokens.contains_key(&token) {
                self.lost += tally.seen.count;
                continue;
            }
            self.tokens.entry(token).or_insert_with(|| Tally::new(tally.kind)).seen.merge(&tally.seen);
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
        for (token, tally) in &self.tokens {
            if let Some(observable) = canonical(tally.kind, token) {
                all.entry(observable).or_default().merge(&tally.seen);
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

/// Beginnings of most internal addresses in logs; the others are parsed.
const INTERNAL: &[&[u8]] = &[b"10.", b"127.", b"192.168."];

/// Whether a token is worth keeping: external, and a name under a top-level domain that exists.
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
