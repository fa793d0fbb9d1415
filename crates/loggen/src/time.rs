// SPDX-License-Identifier: Apache-2.0
//! Times as logs write them. All times are microseconds since 1970 in UTC.

/// Microseconds of a second, a minute, an hour and a day.
pub const SECOND: i64 = 1_000_000;
/// See [`SECOND`].
pub const MINUTE: i64 = 60 * SECOND;
/// See [`SECOND`].
pub const HOUR: i64 = 60 * MINUTE;
/// See [`SECOND`].
pub const DAY: i64 = 24 * HOUR;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Year, month and day of a number of days since 1970.
pub fn civil(days: i64) -> (i64, u8, u8) {
    // The calendar repeats every 146,097 days; years are counted from 1 March.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u8;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u8;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// Days since 1970 of a date.
pub fn days_of(year: i64, month: u8, day: u8) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let m = i64::from(month);
    let doy = (153 * (if m > 2 { m - 3 } else { m + 9 }) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// 0 is Monday.
pub fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7)
}

/// Where clocks are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summer {
    /// From the last Sunday of March to the last of October, at 01:00 UTC.
    Europe,
    /// Never.
    None,
    /// From the second Sunday of March to the first of November.
    America,
}

/// Hours east of Greenwich at a time, where winter has `winter`.
pub fn offset_hours(time: i64, winter: i64, summer: Summer) -> i64 {
    let (year, ..) = civil(time.div_euclid(DAY));
    let last_sunday = |month, days| {
        let end = days_of(year, month, days);
        end - (weekday(end) + 1) % 7
    };
    let nth_sunday = |month, nth: i64| {
        let first = days_of(year, month, 1);
        first + (6 - weekday(first)) + 7 * (nth - 1)
    };
    let (from, to) = match summer {
        Summer::None => return winter,
        Summer::Europe => (last_sunday(3, 31) * DAY + HOUR, last_sunday(10, 31) * DAY + HOUR),
        Summer::America => {
            (nth_sunday(3, 2) * DAY + (2 - winter) * HOUR, nth_sunday(11, 1) * DAY + (1 - winter) * HOUR)
        }
    };
    winter + i64::from((from..to).contains(&time))
}

fn clock(time: i64) -> (i64, i64, i64, i64) {
    let of_day = time.rem_euclid(DAY);
    (of_day / HOUR, of_day / MINUTE % 60, of_day / SECOND % 60, of_day % SECOND)
}

/// `2024-01-31`.
pub fn date(time: i64) -> String {
    let (y, m, d) = civil(time.div_euclid(DAY));
    format!("{y:04}-{m:02}-{d:02}")
}

/// `2024-01-31T08:30:00.123456Z`.
pub fn iso(time: i64) -> String {
    let (h, m, s, micros) = clock(time);
    format!("{}T{h:02}:{m:02}:{s:02}.{micros:06}Z", date(time))
}

/// `08:30:00`.
pub fn hms(time: i64) -> String {
    let (h, m, s, _) = clock(time);
    format!("{h:02}:{m:02}:{s:02}")
}

/// `31/Jan/2024:08:30:00 +0000`, as web servers write it.
pub fn clf(time: i64) -> String {
    let (y, m, d) = civil(time.div_euclid(DAY));
    let month = MONTHS.get(usize::from(m) - 1).copied().unwrap_or_default();
    format!("{d:02}/{month}/{y:04}:{} +0000", hms(time))
}

/// `1706690000.123456`, as Zeek writes it.
pub fn epoch(time: i64) -> String {
    format!("{}.{:06}", time.div_euclid(SECOND), time.rem_euclid(SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_is_right() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(days_of(2024, 2, 29)), (2024, 2, 29));
        assert_eq!(days_of(2024, 3, 1) - days_of(2024, 2, 28), 2);
        assert_eq!(weekday(days_of(2024, 3, 31)), 6);
        let noon = days_of(2024, 1, 31) * DAY + 8 * HOUR + 30 * MINUTE;
        assert_eq!(iso(noon), "2024-01-31T08:30:00.000000Z");
        assert_eq!(clf(noon), "31/Jan/2024:08:30:00 +0000");
    }

    #[test]
    fn clocks_change_when_they_do() {
        let at = |m, d, h| days_of(2024, m, d) * DAY + h * HOUR;
        assert_eq!(offset_hours(at(3, 31, 0), 1, Summer::Europe), 1);
        assert_eq!(offset_hours(at(3, 31, 1), 1, Summer::Europe), 2);
        assert_eq!(offset_hours(at(10, 27, 1), 1, Summer::Europe), 1);
        assert_eq!(offset_hours(at(3, 10, 9), -8, Summer::America), -8);
        assert_eq!(offset_hours(at(3, 10, 10), -8, Summer::America), -7);
        assert_eq!(offset_hours(at(7, 1, 0), 8, Summer::None), 8);
    }
}
