// SPDX-License-Identifier: Apache-2.0
//! What is known of a log's clock from outside the log: its zone, and about when it was written.

use model::time::Timestamp;
use model::zone::Zone;

/// How far a log's clock may be ahead of the reference: a day covers any time zone.
const AHEAD_MICROS_MAX: i64 = 26 * 3_600 * 1_000_000;
/// A step back by so many months or more is taken as the turn of a year; a shorter one as a clock set back.
const TURN_MONTHS_MIN: i64 = 2;

/// What is known of a log's clock from outside the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// The zone of times that are written without one.
    pub zone: Zone,
    /// A time that the log's last line is about at and not after: when the file was last modified, or when it
    /// is read. Without it lines that lack a year have no time.
    pub reference: Option<Timestamp>,
    /// How often the year turns from the log's first line to its last, if that was counted before
    /// ([`Years::count`]); without it the first line is taken to be of the year before the reference.
    pub year_turns: Option<u32>,
}

/// Follows the year through lines that lack it (RFC 3164 section 4.1.2).
///
/// ```
/// use hunt::time::{Clock, Years};
///
/// let reference = Some("2024-01-02T00:00:00Z".parse().unwrap());
/// let mut years = Years::new(&Clock { reference, ..Clock::default() });
/// assert_eq!(years.follow(12, 31), Some(2023));
/// assert_eq!(years.follow(1, 1), Some(2024));
/// assert_eq!(years.follow(12, 31), Some(2023), "a line that came late");
/// ```
#[derive(Clone, Debug)]
pub struct Years {
    reference: Option<Timestamp>,
    expected_turns: Option<u32>,
    year: Option<i64>,
    month: i64,
    /// Only lines of January have come since the year turned.
    just_turned: bool,
    turns: u32,
}

impl Years {
    /// Before the first line.
    pub fn new(clock: &Clock) -> Years {
        Years {
            reference: clock.reference,
            expected_turns: clock.year_turns,
            year: None,
            month: 0,
            just_turned: false,
            turns: 0,
        }
    }

    /// Before the first line of a log whose turns of the year are only counted.
    pub fn counting() -> Years {
        Years { year: Some(0), ..Years::new(&Clock::default()) }
    }

    /// How often the year has turned.
    pub fn count(&self) -> u32 {
        self.turns
    }

    /// The year of a line of this month and day, which comes after all that were asked for before.
    pub fn follow(&mut self, month: i64, day: i64) -> Option<i64> {
        if self.month == 0 {
            self.year = self.year.or_else(|| self.first_year(month, day));
            self.month = month;
            return self.year;
        }
        let year = self.year?;
        if self.just_turned && month == 12 {
            return Some(year - 1);
        }
        if self.month - month >= TURN_MONTHS_MIN && self.may_turn(year + 1, month, day) {
            self.turns += 1;
            self.year = Some(year + 1);
            self.just_turned = month == 1;
            self.month = month;
            return self.year;
        }
        if month > self.month {
            self.month = month;
            self.just_turned = false;
        }
        self.year
    }

    /// The latest year in which the first line is not after the reference, less the turns that will come.
    fn first_year(&self, month: i64, day: i64) -> Option<i64> {
        let (year, ..) = self.reference?.date();
        let latest = (year - 1..=year + 1).rev().find(|year| !self.is_after(*year, month, day))?;
        // The last line's year is the reference's; the first line's is so many turns before.
        Some(self.expected_turns.map_or(latest, |turns| latest.min(year - i64::from(turns))))
    }

    fn may_turn(&self, year: i64, month: i64, day: i64) -> bool {
        self.reference.is_none() || !self.is_after(year, month, day)
    }

    fn is_after(&self, year: i64, month: i64, day: i64) -> bool {
        let Some(reference) = self.reference else { return false };
        let limit = reference.micros().saturating_add(AHEAD_MICROS_MAX);
        // February 29 of a year without one is no date of that year.
        Timestamp::from_civil((year, month, day), (0, 0, 0)).is_none_or(|time| time.micros() > limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn years(reference: &str, turns: Option<u32>) -> Years {
        let reference = Some(reference.parse().unwrap());
        Years::new(&Clock { reference, year_turns: turns, ..Clock::default() })
    }

    #[test]
    fn the_first_line_is_not_after_the_reference() {
        assert_eq!(years("2024-03-01T00:00:00Z", None).follow(2, 28), Some(2024));
        assert_eq!(years("2024-03-01T00:00:00Z", None).follow(3, 2), Some(2024), "a clock ahead by a day");
        assert_eq!(years("2024-03-01T00:00:00Z", None).follow(3, 4), Some(2023));
        assert_eq!(years("2023-12-31T23:59:00Z", None).follow(1, 1), Some(2024), "east of Greenwich");
        assert_eq!(years("2025-03-01T00:00:00Z", None).follow(2, 29), Some(2024));
        assert_eq!(Years::new(&Clock::default()).follow(2, 28), None);
    }

    #[test]
    fn the_year_turns_with_the_months() {
        let mut log = years("2024-02-01T00:00:00Z", None);
        let seen: Vec<_> =
            [(11, 30), (12, 31), (1, 1), (12, 31), (1, 2), (2, 1)].map(|(m, d)| log.follow(m, d)).into();
        assert_eq!(seen, [2023, 2023, 2024, 2023, 2024, 2024].map(Some));
        assert_eq!(log.count(), 1);
        let mut back = years("2024-06-15T00:00:00Z", None);
        assert_eq!([(6, 1), (5, 31), (6, 2)].map(|(m, d)| back.follow(m, d)), [Some(2024); 3]);
    }

    #[test]
    fn a_log_of_several_years_is_counted_first() {
        let lines = [(5, 1), (11, 1), (2, 1), (12, 1), (3, 1)];
        let mut counting = Years::counting();
        for (month, day) in lines {
            counting.follow(month, day);
        }
        assert_eq!(counting.count(), 2);
        let mut log = years("2024-03-02T00:00:00Z", Some(2));
        assert_eq!(lines.map(|(m, d)| log.follow(m, d)), [2022, 2022, 2023, 2023, 2024].map(Some));
        // Uncounted, a turn into the future is not taken.
        let mut log = years("2024-03-02T00:00:00Z", None);
        assert_eq!(lines.map(|(m, d)| log.follow(m, d)), [2023, 2023, 2024, 2024, 2024].map(Some));
    }
}
