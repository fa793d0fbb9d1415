// SPDX-License-Identifier: Apache-2.0
//! Points in time, to the microsecond.

use std::fmt;
use std::str::FromStr;

/// A point in time: microseconds since 1970-01-01T00:00:00Z, UTC, without leap seconds.
///
/// STIX allows any number of fractional digits (STIX 2.1 section 3.2, timestamp); times are floored to
/// the microsecond, so that `.1Z` and `.100Z` are one time. Years 0001 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a time; write it as 2024-01-31T08:30:00Z")]
pub struct TimestampError(String);

impl Timestamp {
    /// 1970-01-01T00:00:00Z: the version of objects that have none (cyber observables).
    pub const EPOCH: Timestamp = Timestamp(0);
    /// 0001-01-01T00:00:00Z, the earliest that can be written.
    pub const MIN: Timestamp = Timestamp(-62_135_596_800_000_000);
    /// 9999-12-31T23:59:59.999999Z, the latest that can be written.
    pub const MAX: Timestamp = Timestamp(253_402_300_799_999_999);

    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// From year, month, day, hour, minute and second of UTC; `None` for what no calendar or clock shows. A
    /// leap second is the last second of its minute.
    pub fn from_civil(date: (i64, i64, i64), clock: (i64, i64, i64)) -> Option<Timestamp> {
        let (year, month, day) = date;
        let (hour, minute, second) = clock;
        let second = second - i64::from(second == 60);
        let real = (1..=9_999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..60).contains(&second);
        let seconds = (days_from_civil(year, month, day) * 24 + hour) * 3_600 + minute * 60 + second;
        real.then_some(Timestamp(seconds * 1_000_000))
    }

    /// Year, month and day of it in UTC.
    pub fn date(self) -> (i64, i64, i64) {
        civil_from_days(self.0.div_euclid(86_400_000_000))
    }

    /// Reads an RFC 3339 time with 0 to 9 fractional digits, either case, `Z` or an offset.
    pub fn parse(text: &str) -> Result<Timestamp, TimestampError> {
        if let Some(micros) = parse_plain(text.as_bytes()) {
            return Ok(Timestamp(micros));
        }
        let refused = || TimestampError(text.chars().take(64).collect());
        // jiff reads more than RFC 3339: a bare date, hours alone, a decimal comma, a zone's name.
        if !is_rfc_3339(text.as_bytes()) {
            return Err(refused());
        }
        let time: jiff::Timestamp = text.parse().map_err(|_| refused())?;
        // A time before the epoch is floored too, towards the past.
        let micros = time.as_nanosecond().div_euclid(1_000);
        let time = i64::try_from(micros).map(Timestamp).map_err(|_| refused())?;
        if (Timestamp::MIN..=Timestamp::MAX).contains(&time) { Ok(time) } else { Err(refused()) }
    }
}

/// The shape of RFC 3339 section 5.6, in either case, with at most nine digits of a fraction.
fn is_rfc_3339(text: &[u8]) -> bool {
    let Some((head, rest)) = text.split_first_chunk::<19>() else { return false };
    let shaped = head.iter().enumerate().all(|(at, byte)| match at {
        4 | 7 => *byte == b'-',
        10 => matches!(byte, b'T' | b't'),
        13 | 16 => *byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let digits = rest.strip_prefix(b".").map(|f| f.iter().take_while(|b| b.is_ascii_digit()).count());
    let zone = match digits {
        None => rest,
        Some(1..=9) => rest.get(1 + digits.unwrap_or(0)..).unwrap_or_default(),
        Some(_) => return false,
    };
    shaped
        && match zone {
            [b'Z' | b'z'] => true,
            [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()),
            _ => false,
        }
}

/// The form nearly all feeds use, `2024-01-31T08:30:00.123Z`, read without a general parser.
fn parse_plain(b: &[u8]) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        b.get(range)?.iter().try_fold(0i64, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')))
    };
    let fixed = b.len() >= 20
        && b.len() <= 30
        && matches!(
            (b.get(4)?, b.get(7)?, b.get(10)?, b.get(13)?, b.get(16)?),
            (b'-', b'-', b'T', b':', b':')
        )
        && b.last() == Some(&b'Z');
    if !fixed {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if year < 1
        || !(1..=12).contains(&month)
        || !(1..=days_in(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let mut fraction = 0;
    if b.len() > 20 {
        let digits = b.len() - 21;
        if *b.get(19)? != b'.' || digits == 0 {
            return None;
        }
        let kept = digits.min(6);
        fraction = number(20..20 + kept)? * 10i64.pow(6 - kept as u32);
        number(20..20 + digits)?;
    }
    Some(
        ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60_000_000
            + second * 1_000_000
            + fraction,
    )
}

/// Days of a month from 1 to 12.
fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a day count from 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z - era * 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

impl FromStr for Timestamp {
    type Err = TimestampError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Timestamp::parse(text)
    }
}

/// Exactly six fractional digits and `Z`, as TAXII 2.1 section 2 asks.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0.div_euclid(86_400_000_000), self.0.rem_euclid(86_400_000_000));
        let (year, month, day) = civil_from_days(days);
        let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        if !(0..=9_999).contains(&year) {
            return write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z");
        }
        // Two times stand in each entry: the general formatter would cost more than their hashes.
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let parts = [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, hour),
            (14, 2, minute),
            (17, 2, second),
            (20, 6, micros),
        ];
        for (from, digits, number) in parts {
            let mut left = number;
            for digit in text.iter_mut().skip(from).take(digits).rev() {
                *digit = b'0' + (left % 10) as u8;
                left /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}
