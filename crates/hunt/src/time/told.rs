// SPDX-License-Identifier: Apache-2.0
//! What lines tell of when they happened, and how many tell nothing that can be used.

use model::time::Timestamp;

use crate::limits::{TIMES_FROM_SECOND, TIMES_UNTIL_SECOND};

/// A time that a log can be of: whoever sums up times leaves others out, or one clock that was never set would stretch
/// what a log covers over centuries.
pub fn plausible(time: Timestamp) -> Option<Timestamp> {
    (TIMES_FROM_SECOND..TIMES_UNTIL_SECOND).contains(&time.micros().div_euclid(1_000_000)).then_some(time)
}

/// Of the lines that were asked when they happened: how many, and what was wrong.
///
/// ```
/// use hunt::time::TimesTold;
///
/// let mut told = TimesTold::default();
/// let usual = Some("2024-01-02T00:00:00Z".parse().unwrap());
/// assert_eq!(told.add(usual), usual);
/// assert_eq!(told.add(Some("9999-12-31T23:59:59Z".parse().unwrap())), None);
/// assert_eq!(told.add(None), None);
/// assert_eq!(told, TimesTold { asked: 3, untimed: 1, set_apart: 1 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimesTold {
    /// Lines that were asked, without headers.
    pub asked: u64,
    /// Those without a time that can be read.
    pub untimed: u64,
    /// Those with one that no log is of ([`plausible`]).
    pub set_apart: u64,
}

impl TimesTold {
    /// What one line tells; answers it if it counts.
    pub fn add(&mut self, time: Option<Timestamp>) -> Option<Timestamp> {
        let counts = time.and_then(plausible);
        self.asked += 1;
        self.untimed += u64::from(time.is_none());
        self.set_apart += u64::from(time.is_some() && counts.is_none());
        counts
    }

    /// What another part of the log tells.
    pub fn join(&mut self, other: &TimesTold) {
        self.asked += other.asked;
        self.untimed += other.untimed;
        self.set_apart += other.set_apart;
    }
}
