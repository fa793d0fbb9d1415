// SPDX-License-Identifier: Apache-2.0
//! One row of the history: what a month says of a value. Rows of one value and month merge in any order and
//! any grouping to the same row, which is what makes merging runs safe.

use std::collections::BTreeSet;

use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;

use super::month::{DAY_SECONDS, Month};
use crate::limits::SOURCES_PER_ROW_MAX;

/// When, how often and how one value was seen in one month. Times are whole seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Earliest second; 0 in [`Month::NONE`].
    pub first: u32,
    /// Latest second; 0 in [`Month::NONE`].
    pub last: u32,
    /// Occurrences.
    pub count: u64,
    /// Days of the month on which it was seen: bit 0 is the first.
    pub days: u32,
    /// What is known of direction and answer.
    pub flags: Flags,
}

impl Tally {
    /// One occurrence, at a second since 1970 or at no time that is told.
    pub fn once(second: Option<u32>, flags: Flags) -> (Month, Tally) {
        let Some(second) = second else {
            return (Month::NONE, Tally { count: 1, flags, ..Tally::default() });
        };
        let month = Month::of_second(second);
        let days = 1 << (second / DAY_SECONDS - month.first_day());
        (month, Tally { first: second, last: second, count: 1, days, flags })
    }

    /// Takes in what another part of the same month says: commutes and associates.
    pub fn merge(&mut self, other: &Tally) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count = self.count.saturating_add(other.count);
        self.days |= other.days;
        self.flags = Flags(self.flags.0 | other.flags.0);
    }
}

/// Direction and answer of what was seen, where a log tells them: a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// From inside to outside.
    pub const OUTBOUND: Flags = Flags(1);
    /// From outside to inside.
    pub const INBOUND: Flags = Flags(2);
    /// It was answered.
    pub const ANSWERED: Flags = Flags(4);
    /// It was denied.
    pub const DENIED: Flags = Flags(8);

    /// Bits with their names.
    pub const NAMES: [(Flags, &str); 4] = [
        (Flags::OUTBOUND, "outbound"),
        (Flags::INBOUND, "inbound"),
        (Flags::ANSWERED, "answered"),
        (Flags::DENIED, "denied"),
    ];

    /// Names of the bits that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Flags::NAMES.iter().filter(move |(flag, _)| self.0 & flag.0 != 0).map(|(_, name)| *name)
    }

    /// Both.
    pub fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// The files in which a value was seen, by their ids in the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sources {
    /// These, sorted, each once, at most [`SOURCES_PER_ROW_MAX`].
    Few(Vec<i64>),
    /// More than that: any file of the kind and the month may hold it.
    Many,
}

impl Sources {
    /// One file.
    pub fn one(file: i64) -> Sources {
        Sources::Few(vec![file])
    }

    /// Union; commutes and associates, as more than the limit stays more.
    pub fn merge(&mut self, other: &Sources) {
        let (Sources::Few(mine), Sources::Few(theirs)) = (&mut *self, other) else {
            *self = Sources::Many;
            return;
        };
        if theirs.iter().all(|file| mine.binary_search(file).is_ok()) {
            return;
        }
        let union: BTreeSet<i64> = mine.iter().chain(theirs).copied().collect();
        *self = if union.len() > SOURCES_PER_ROW_MAX {
            Sources::Many
        } else {
            Sources::Few(union.into_iter().collect())
        };
    }
}

/// One row of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Kind of the value.
    pub kind: ObservableKind,
    /// Its canonical bytes; for accounts the keyed hash of them.
    pub value: Vec<u8>,
    /// When and how often.
    pub tally: Tally,
    /// Where.
    pub sources: Sources,
}

impl Row {
    /// The order of runs: by code of the kind, then by the bytes of the value.
    pub fn key(&self) -> (i64, &[u8]) {
        (self.kind.code(), &self.value)
    }

    /// Takes in another row of the same key and month.
    pub fn merge(&mut self, other: &Row) {
        self.tally.merge(&other.tally);
        self.sources.merge(&other.sources);
    }

    /// The value for people; keyed values stay what they are.
    pub fn observable(&self) -> Observable {
        Observable::from_canonical(self.kind, &self.value)
    }
}

/// Different days, by month: bit 0 of a month is its first day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Days(Vec<(Month, u32)>);

impl Days {
    fn add(&mut self, month: Month, days: u32) {
        if days == 0 {
            return;
        }
        match self.0.binary_search_by_key(&month, |(month, _)| *month) {
            Ok(at) => self.0.get_mut(at).into_iter().for_each(|(_, known)| *known |= days),
            Err(at) => self.0.insert(at, (month, days)),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.iter().map(|(_, days)| days.count_ones() as usize).sum()
    }

    /// Whether there is none: no line told a time.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The days since 1970, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|(month, days)| {
            (0..31).filter(move |bit| days >> bit & 1 == 1).map(move |bit| month.first_day() + bit)
        })
    }
}

/// When and how often one value was seen over all months: what an answer is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Earliest time, if a line told one; whole seconds.
    pub first: Option<Timestamp>,
    /// Latest time.
    pub last: Option<Timestamp>,
    /// Occurrences.
    pub count: u64,
    /// Days on which it was seen.
    pub days: Days,
    /// Direction and answer, as far as logs told.
    pub flags: Flags,
}

impl Seen {
    /// Takes in what a month says: commutes and associates.
    pub fn add(&mut self, month: Month, tally: &Tally) {
        self.count = self.count.saturating_add(tally.count);
        self.flags = self.flags.with(tally.flags);
        if month == Month::NONE {
            return;
        }
        let time = |second: u32| Timestamp::from_micros(i64::from(second) * 1_000_000);
        let (first, last) = (time(tally.first), time(tally.last));
        self.first = Some(self.first.map_or(first, |known| known.min(first)));
        self.last = Some(self.last.map_or(last, |known| known.max(last)));
        self.days.add(month, tally.days);
    }
}
