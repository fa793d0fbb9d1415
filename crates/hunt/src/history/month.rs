// SPDX-License-Identifier: Apache-2.0
//! Months of the UTC calendar: no run reaches beyond one, so that retention can drop whole runs.

use std::fmt;

use model::time::Timestamp;

/// Seconds of a day.
pub(crate) const DAY_SECONDS: u32 = 86_400;

/// A month of the UTC calendar, or [`Month::NONE`] for lines that tell no time.
///
/// ```
/// use hunt::history::Month;
///
/// let month = Month::parse("2019-02").unwrap();
/// assert_eq!((month.to_string(), month.days()), ("2019-02".to_owned(), 28));
/// assert_eq!(month.later(11).to_string(), "2020-01");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(u16);

impl Month {
    /// Of what was seen in lines that tell no time, or one before 1970 or after 2105.
    pub const NONE: Month = Month(0);

    /// The month of a second since 1970.
    pub fn of_second(second: u32) -> Month {
        Month::of_day(second / DAY_SECONDS)
    }

    /// The month of a day since 1970.
    pub fn of_day(day: u32) -> Month {
        let (year, month, _) = civil(day);
        Month::of_civil(year, month)
    }

    fn of_civil(year: u32, month: u32) -> Month {
        Month(u16::try_from(year.saturating_sub(1970) * 12 + month).unwrap_or(u16::MAX))
    }

    /// The stored number: months since 1969-12; 0 is [`Month::NONE`].
    pub fn code(self) -> i64 {
        i64::from(self.0)
    }

    /// Month of a stored number.
    pub fn from_code(code: i64) -> Option<Month> {
        let month = Month(u16::try_from(code).ok()?);
        (month <= Month::of_second(u32::MAX)).then_some(month)
    }

    /// Reads `2019-02`, or `none`.
    pub fn parse(text: &str) -> Option<Month> {
        if text == "none" {
            return Some(Month::NONE);
        }
        let (year, month) = text.split_once('-')?;
        let digits = |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return None;
        }
        let (year, month): (u32, u32) = (year.parse().ok()?, month.parse().ok()?);
        let ok = (1970..=2105).contains(&year) && (1..=12).contains(&month);
        ok.then(|| Month::of_civil(year, month))
    }

    /// The first day, since 1970; 0 for [`Month::NONE`].
    pub fn first_day(self) -> u32 {
        let Some(months) = u32::from(self.0).checked_sub(1) else { return 0 };
        day_of(1970 + months / 12, months % 12 + 1)
    }

    /// How many days it has; 0 for [`Month::NONE`].
    pub fn days(self) -> u32 {
        if self == Month::NONE { 0 } else { self.later(1).first_day() - self.first_day() }
    }

    /// The month so many months later.
    pub fn later(self, months: u16) -> Month {
        Month(self.0.saturating_add(months))
    }

    /// The month so many months earlier; never [`Month::NONE`], which is older than none.
    pub fn earlier(self, months: u16) -> Month {
        Month(self.0.saturating_sub(months).max(1))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u32::from(self.0).checked_sub(1) {
            None => f.write_str("none"),
            Some(months) => write!(f, "{:04}-{:02}", 1970 + months / 12, months % 12 + 1),
        }
    }
}

/// A time as seconds since 1970, which is how finely the history keeps it; `None` outside of 1970 to 2105.
pub(crate) fn second_of(time: Timestamp) -> Option<u32> {
    u32::try_from(time.micros().div_euclid(1_000_000)).ok()
}

/// The day of a time since 1970.
pub fn day_of_time(time: Timestamp) -> Option<u32> {
    second_of(time).map(|second| second / DAY_SECONDS)
}

/// A day since 1970 as `2019-02-03`.
pub fn day_text(day: u32) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Reads `2019-02-03` as a day since 1970.
pub fn parse_day(text: &str) -> Option<u32> {
    let (head, day) = text.rsplit_once('-')?;
    let month = Month::parse(head).filter(|month| *month != Month::NONE)?;
    let day: u32 =
        Some(day).filter(|day| day.len() == 2 && day.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    (1..=month.days()).contains(&day).then(|| month.first_day() + day - 1)
}

/// Year, month and day of a day since 1970 (proleptic Gregorian; eras of 400 years that begin in March).
fn civil(day: u32) -> (u32, u32, u32) {
    let z = day + 719_468;
    let era = z / 146_097;
    let of_era = z % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u32::from(month <= 2), month, day)
}

/// The first day of a month, since 1970.
fn day_of(year: u32, month: u32) -> u32 {
    let year = year - u32::from(month <= 2);
    let (era, of_era) = (year / 400, year % 400);
    let shifted = (month + 9) % 12;
    let of_year = (153 * shifted + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_until_2105_has_its_month() {
        let (mut month, mut last) = (Month::of_day(0), 0);
        assert_eq!((month.to_string().as_str(), month.code()), ("1970-01", 1));
        for day in 0..=u32::MAX / DAY_SECONDS {
            let now = Month::of_day(day);
            if now != month {
                assert_eq!((now, now.first_day(), month.days()), (month.later(1), day, day - last));
                (month, last) = (now, day);
            }
            assert_eq!(parse_day(&day_text(day)), (now.to_string().as_str() < "2106").then_some(day));
        }
        assert_eq!(day_text(10_957 + 59), "2000-02-29");
        assert_eq!(parse_day("2001-02-29"), None);
        assert_eq!(Month::NONE.first_day(), 0);
        assert_eq!(Month::from_code(1 << 14), None);
    }
}
