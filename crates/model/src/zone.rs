// SPDX-License-Identifier: Apache-2.0
//! Time zones: for times that are written without one.

use std::fmt;
use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use crate::time::Timestamp;

/// The zones of the IANA database as it was when the program was built: the same answer on every machine,
/// and no file is read.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Where clocks show what a log's times say.
///
/// ```
/// use model::zone::Zone;
///
/// let zone = Zone::parse("Europe/Amsterdam").unwrap();
/// let summer = zone.at((2024, 7, 1), (12, 0, 0)).unwrap();
/// assert_eq!(summer.to_string(), "2024-07-01T10:00:00.000000Z");
/// assert_eq!(Zone::parse("+02:00").unwrap().at((2024, 7, 1), (12, 0, 0)), Some(summer));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone(Inner);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Inner {
    /// Seconds east of Greenwich.
    Fixed(i32),
    Named(TimeZone),
    #[default]
    Utc,
}

/// The text is no zone.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a time zone; write an offset such as +01:00, or a name such as Europe/Amsterdam")]
pub struct ZoneError(String);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone(Inner::Utc);

    /// `UTC`, `Z`, an offset as `+01:00`, `+0100` or `+01`, or a name of the IANA database in any case.
    pub fn parse(text: &str) -> Result<Zone, ZoneError> {
        let refused = || ZoneError(text.chars().take(64).collect());
        match text {
            "UTC" | "utc" | "Z" | "z" => return Ok(Zone::UTC),
            _ if text.starts_with(['+', '-']) => {
                return offset_seconds(text).map(Zone::fixed).ok_or_else(refused);
            }
            _ => {}
        }
        let zone = ZONES.get(text).map_err(|_| refused())?;
        Ok(Zone(Inner::Named(zone)))
    }

    /// Seconds east of Greenwich, within a day.
    fn fixed(seconds: i32) -> Zone {
        if seconds == 0 { Zone::UTC } else { Zone(Inner::Fixed(seconds)) }
    }

    /// The time at which clocks there show this date and clock; `None` if there is no such date or clock.
    /// Where clocks are set back and show it twice it is the first time; where they are set forward and
    /// never show it, the time that would have been, had they not been set yet (RFC 5545 section 3.3.5).
    pub fn at(&self, date: (i64, i64, i64), clock: (i64, i64, i64)) -> Option<Timestamp> {
        let shown = Timestamp::from_civil(date, clock)?;
        let shift = match &self.0 {
            Inner::Utc => return Some(shown),
            Inner::Fixed(seconds) => i64::from(*seconds),
            Inner::Named(zone) => offset_of(zone, date, clock)?,
        };
        let time = Timestamp::from_micros(shown.micros().checked_sub(shift * 1_000_000)?);
        (Timestamp::MIN..=Timestamp::MAX).contains(&time).then_some(time)
    }
}

/// As [`Zone::parse`] reads it: `UTC`, `+02:00`, `Europe/Amsterdam`.
impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Utc => f.write_str("UTC"),
            Inner::Fixed(seconds) => {
                let (sign, minutes) = (if *seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            // All come from the database, and have a name in it.
            Inner::Named(zone) => f.write_str(zone.iana_name().unwrap_or("UTC")),
        }
    }
}

/// Seconds east of Greenwich in a named zone, when clocks there show this.
fn offset_of(zone: &TimeZone, date: (i64, i64, i64), clock: (i64, i64, i64)) -> Option<i64> {
    let small = |number: i64| i8::try_from(number).ok();
    let year = i16::try_from(date.0).ok()?;
    let second = small(clock.2.min(59))?;
    let (month, day, hour, minute) = (small(date.1)?, small(date.2)?, small(clock.0)?, small(clock.1)?);
    let shown = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let offset: Offset = match zone.to_ambiguous_timestamp(shown).offset() {
        jiff::tz::AmbiguousOffset::Unambiguous { offset } => offset,
        jiff::tz::AmbiguousOffset::Fold { before, .. } | jiff::tz::AmbiguousOffset::Gap { before, .. } => {
            before
        }
    };
    Some(i64::from(offset.seconds()))
}

/// `+01:00`, `+0100` or `+01`; less than a day.
fn offset_seconds(text: &str) -> Option<i32> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest.len() {
        2 => (rest, "00"),
        4 => rest.split_at_checked(2)?,
        5 => rest.split_once(':').filter(|(hours, _)| hours.len() == 2)?,
        _ => return None,
    };
    let number = |text: &str, most: i32| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<i32>().ok()).flatten().filter(|number| *number <= most)
    };
    Some(sign * (number(hours, 23)? * 3_600 + number(minutes, 59)? * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str, date: (i64, i64, i64), clock: (i64, i64, i64)) -> Option<String> {
        Zone::parse(zone).unwrap().at(date, clock).map(|time| time.to_string())
    }

    #[test]
    fn offsets_and_names_are_zones() {
        let expected = Some("2024-01-31T08:30:00.000000Z".to_owned());
        for zone in ["+01:00", "+0100", "+01", "Europe/Amsterdam", "europe/amsterdam", "CET"] {
            assert_eq!(at(zone, (2024, 1, 31), (9, 30, 0)), expected, "{zone}");
        }
        assert_eq!(at("-03:30", (2024, 1, 31), (5, 0, 0)), expected);
        assert_eq!(at("UTC", (2024, 1, 31), (8, 30, 0)), expected);
        for bad in ["", "+", "+1", "+24:00", "+01:60", "+1:000", "Mars/Olympus", "../etc/passwd", "+\u{e9}1"]
        {
            assert!(Zone::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_zone_is_written_as_it_is_read() {
        for (written, shown) in [
            ("z", "UTC"),
            ("+00:00", "UTC"),
            ("+0530", "+05:30"),
            ("-03:30", "-03:30"),
            ("europe/amsterdam", "Europe/Amsterdam"),
            ("CET", "CET"),
        ] {
            let zone = Zone::parse(written).unwrap();
            assert_eq!(zone.to_string(), shown);
            assert_eq!(Zone::parse(shown), Ok(zone));
        }
    }

    #[test]
    fn clocks_that_are_set_show_a_time_twice_or_never() {
        let zone = "Europe/Amsterdam";
        assert_eq!(at(zone, (2024, 10, 27), (2, 30, 0)).unwrap(), "2024-10-27T00:30:00.000000Z");
        assert_eq!(at(zone, (2024, 3, 31), (2, 30, 0)).unwrap(), "2024-03-31T01:30:00.000000Z");
    }

    #[test]
    fn what_no_calendar_shows_is_no_time() {
        assert_eq!(at("UTC", (2023, 2, 29), (0, 0, 0)), None);
        assert_eq!(at("UTC", (2024, 2, 29), (24, 0, 0)), None);
        assert_eq!(at("+14:00", (1, 1, 1), (0, 0, 0)), None, "before year 1");
        assert_eq!(at("Asia/Tokyo", (2016, 12, 31), (23, 59, 60)).unwrap(), "2016-12-31T14:59:59.000000Z");
    }
}
