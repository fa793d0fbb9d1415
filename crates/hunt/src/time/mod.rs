// SPDX-License-Identifier: Apache-2.0
//! The time of a log line.

mod clock;
mod order;
mod told;

use memchr::{memchr, memchr_iter};
use model::time::Timestamp;
use model::zone::Zone;

use crate::limits::TIME_SEARCH_BYTES;

pub use clock::{Clock, Years};
pub use order::{JUMP_SECONDS_MIN, Timeline};
pub use told::{TimesTold, plausible};

/// Keys of a JSON line that hold its time: Zeek, Suricata, Elastic, CloudTrail, Entra, Splunk and others.
const KEYS: &[&[u8]] = &[
    b"ts",
    b"time",
    b"timestamp",
    b"@timestamp",
    b"eventTime",
    b"createdDateTime",
    b"_time",
    b"TimeCreated",
];

/// Smaller numbers are no times since 1970 but durations and counters (1973-03-03).
const EPOCH_SECONDS_MIN: i64 = 100_000_000;

/// No clock of the world is further from UTC: Kiribati's is ahead by 14 hours.
const OFFSET_HOURS_MAX: i64 = 14;

/// The time of a line, as far as its first 16 KiB tell. A time without a zone is taken as UTC;
/// [`line_time_in`] takes it as another zone's.
///
/// JSON: the first of `ts`, `time`, `timestamp`, `@timestamp`, `eventTime`, `createdDateTime`, `_time`,
/// `TimeCreated` at top level that holds seconds, milli-, micro- or nanoseconds since 1970 or an ISO 8601
/// time. Text: an ISO 8601 time or seconds since 1970 at the start, also after a syslog header; a time in
/// brackets as web servers write it; `date=… time=…`.
pub fn line_time(line: &[u8]) -> Option<Timestamp> {
    line_time_in(line, &Zone::UTC)
}

/// The same, with the zone of times that are written without one.
pub fn line_time_in(line: &[u8], zone: &Zone) -> Option<Timestamp> {
    let line = line.get(..TIME_SEARCH_BYTES).unwrap_or(line);
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii_start();
    match line.first()? {
        b'{' => json_time(line.get(1..)?, zone),
        _ => text_time(line, zone),
    }
}

// --- JSON ---

/// Walks the members of the outermost object.
fn json_time(line: &[u8], zone: &Zone) -> Option<Timestamp> {
    Members::of(line).filter(|(key, _)| KEYS.contains(key)).find_map(|(_, value)| match string(value) {
        Some((text, _)) => iso_time(text, zone).or_else(|| epoch_time(text)),
        None => epoch_time(scalar(value)),
    })
}

/// The members of a JSON object: each key as it is written, and what begins with its value. They end where the object
/// does, or where it is broken. What nobody asks for is passed over, not read.
pub(crate) struct Members<'a> {
    rest: &'a [u8],
    /// Whether a value stands before the next key.
    at_value: bool,
}

impl<'a> Members<'a> {
    /// Of what follows the brace that opens an object.
    pub(crate) fn of(inside: &'a [u8]) -> Members<'a> {
        Members { rest: inside, at_value: false }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if std::mem::replace(&mut self.at_value, true) {
            self.rest = skip_value(self.rest)?;
        }
        let (key, after) = string(skip(self.rest, |b| b.is_ascii_whitespace() || b == b','))?;
        let after = skip(after, |b| b.is_ascii_whitespace()).strip_prefix(b":")?;
        self.rest = skip(after, |b| b.is_ascii_whitespace());
        Some((key, self.rest))
    }
}

fn skip(bytes: &[u8], unwanted: impl Fn(u8) -> bool) -> &[u8] {
    let kept = bytes.iter().position(|b| !unwanted(*b)).unwrap_or(bytes.len());
    bytes.get(kept..).unwrap_or_default()
}

/// The inside of a string that begins here, escapes as they stand, and what follows it.
pub(crate) fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = bytes.strip_prefix(b"\"")?;
    for quote in memchr_iter(b'"', inside) {
        let text = inside.get(..quote)?;
        let slashes = text.iter().rev().take_while(|b| **b == b'\\').count();
        if slashes % 2 == 0 {
            return Some((text, inside.get(quote + 1..)?));
        }
    }
    None
}

/// The number or word that begins here.
pub(crate) fn scalar(bytes: &[u8]) -> &[u8] {
    bytes.get(..scalar_length(bytes)).unwrap_or_default()
}

fn scalar_length(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|b| matches!(b, b',' | b'}' | b']') || b.is_ascii_whitespace())
        .unwrap_or(bytes.len())
}

fn skip_value(bytes: &[u8]) -> Option<&[u8]> {
    if let Some((_, after)) = string(bytes) {
        return Some(after);
    }
    if !matches!(bytes.first()?, b'{' | b'[') {
        let length = scalar_length(bytes);
        // At the end of the object nothing is skipped, and the walk ends.
        return (length > 0).then(|| bytes.get(length..)).flatten();
    }
    let (mut rest, mut depth) = (bytes, 0);
    loop {
        match rest.first()? {
            b'"' => {
                rest = string(rest)?.1;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        rest = rest.get(1..)?;
        if depth == 0 {
            return Some(rest);
        }
    }
}

// --- text ---

fn text_time(line: &[u8], zone: &Zone) -> Option<Timestamp> {
    let start = after_syslog_header(line);
    let start = match start.first() {
        Some(b'"' | b'[') => start.get(1..)?,
        _ => start,
    };
    iso_time(start, zone)
        .or_else(|| leading_epoch(start))
        .or_else(|| bracketed_time(line, zone))
        .or_else(|| date_and_time(line, zone))
}

/// After `<34>1 ` (RFC 5424 section 6.2), or `<34>`.
fn after_syslog_header(line: &[u8]) -> &[u8] {
    let after = || {
        let end = memchr(b'>', line.get(..6).unwrap_or(line))?;
        let digits = line.get(1..end)?;
        let priority = line.first() == Some(&b'<') && digits.iter().all(u8::is_ascii_digit);
        let rest = priority.then(|| line.get(end + 1..)).flatten()?;
        Some(rest.strip_prefix(b"1 ").unwrap_or(rest))
    };
    after().unwrap_or(line)
}

/// `1600000000.123456` before a tab, space or comma: Zeek's and Squid's tables.
fn leading_epoch(line: &[u8]) -> Option<Timestamp> {
    let length = line.iter().position(|b| !b.is_ascii_digit() && *b != b'.')?;
    let number = line.get(..length).filter(|n| n.len() >= 10)?;
    matches!(line.get(length), Some(b'\t' | b' ' | b',')).then(|| epoch_time(number)).flatten()
}

/// `[02/Jan/2024:10:00:00 +0000]`.
fn bracketed_time(line: &[u8], zone: &Zone) -> Option<Timestamp> {
    memchr_iter(b'[', line).find_map(|at| web_time(line.get(at + 1..at + 27)?, zone))
}

/// `02/Jan/2024:10:00:00 +0000`, as web servers write it.
pub(crate) fn web_time(text: &[u8], zone: &Zone) -> Option<Timestamp> {
    let [d1, d2, b'/', m1, m2, m3, b'/', y1, y2, y3, y4, b':', clock @ ..] = text else { return None };
    let (day, month) = (number(&[*d1, *d2])?, month_of(&[*m1, *m2, *m3])?);
    let date = (number(&[*y1, *y2, *y3, *y4])?, month, day);
    zoned(date, clock_of(clock.get(..8)?)?, 0, clock.get(8..)?, zone)
}

/// `date=2024-01-02 time=10:00:00`, as FortiGate writes it.
fn date_and_time(line: &[u8], zone: &Zone) -> Option<Timestamp> {
    let after = |key: &[u8]| memchr::memmem::find(line, key).and_then(|at| line.get(at + key.len()..));
    let bare = |bytes| skip(bytes, |b| b == b'"');
    let date = date_of(bare(after(b"date=")?).get(..10)?)?;
    zone.at(date, clock_of(bare(after(b" time=")?).get(..8)?)?)
}

// --- both ---

/// Seconds since 1970, or milli-, micro- or nanoseconds if the number is too large for seconds.
pub(crate) fn epoch_time(bytes: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 19 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let micros = micros_of(fraction.as_bytes());
    match whole {
        ..EPOCH_SECONDS_MIN => None,
        EPOCH_SECONDS_MIN..100_000_000_000 => Some(Timestamp::from_micros(whole * 1_000_000 + micros)),
        100_000_000_000..100_000_000_000_000 => Some(Timestamp::from_micros(whole * 1_000 + micros / 1_000)),
        100_000_000_000_000..100_000_000_000_000_000 => Some(Timestamp::from_micros(whole)),
        _ => Some(Timestamp::from_micros(whole / 1_000)),
    }
}

/// `2024-01-31T08:30:00`, with `T` or a space, a fraction after `.` or `,`, and `Z`, `+01:00`, `+0100`,
/// `+01` or nothing: then it is the zone's. What follows does not matter.
pub(crate) fn iso_time(bytes: &[u8], zone: &Zone) -> Option<Timestamp> {
    let bytes = bytes.get(..bytes.len().min(40))?;
    let date = date_of(bytes.get(..10)?)?;
    let clock = clock_of(bytes.get(11..19)?)?;
    if !matches!(bytes.get(10)?, b'T' | b't' | b' ') {
        return None;
    }
    let mut rest = bytes.get(19..).unwrap_or_default();
    let mut micros = 0;
    if let [b'.' | b',', fraction @ ..] = rest {
        let length = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if length > 0 {
            micros = micros_of(fraction.get(..length)?);
            rest = fraction.get(length..)?;
        }
    }
    zoned(date, clock, micros, rest, zone)
}

/// A date and clock with what says their zone behind them.
fn zoned(
    date: (i64, i64, i64),
    clock: (i64, i64, i64),
    micros: i64,
    rest: &[u8],
    zone: &Zone,
) -> Option<Timestamp> {
    let time = match (rest.first(), offset(rest)) {
        (Some(b'Z' | b'z'), _) => Timestamp::from_civil(date, clock)?,
        (_, Some(offset)) => {
            let time = Timestamp::from_civil(date, clock)?;
            Timestamp::from_micros(time.micros().checked_sub(offset_micros(offset)?)?)
        }
        _ => zone.at(date, clock)?,
    };
    let time = Timestamp::from_micros(time.micros().checked_add(micros)?);
    // At both ends of time an offset leads to years that cannot be written.
    (Timestamp::MIN..=Timestamp::MAX).contains(&time).then_some(time)
}

/// Digits and nothing else, as a number.
pub(crate) fn number(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits.iter().try_fold(0_i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

/// Digits behind a decimal point as microseconds.
fn micros_of(fraction: &[u8]) -> i64 {
    fraction
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .chain(std::iter::repeat(&b'0'))
        .take(6)
        .fold(0, |n, b| n * 10 + i64::from(b - b'0'))
}

/// `2024-01-31`.
pub(crate) fn date_of(text: &[u8]) -> Option<(i64, i64, i64)> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    Some((number(&[*y1, *y2, *y3, *y4])?, number(&[*m1, *m2])?, number(&[*d1, *d2])?))
}

/// `08:30:00`.
pub(crate) fn clock_of(text: &[u8]) -> Option<(i64, i64, i64)> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = text else { return None };
    Some((number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?))
}

/// `Jan` to `Dec` in any case, as 1 to 12.
pub(crate) fn month_of(name: &[u8; 3]) -> Option<i64> {
    const MONTHS: &[u8; 36] = b"janfebmaraprmayjunjulaugsepoctnovdec";
    let name = name.map(|b| b.to_ascii_lowercase());
    MONTHS.as_chunks::<3>().0.iter().position(|month| *month == name).map(|at| at as i64 + 1)
}

/// Sign, hours and minutes of an offset from UTC that stands here. Behind a space it has all four digits: what follows a
/// time there may be a word of its own, as the `-` of a value that is not told.
fn offset(rest: &[u8]) -> Option<(u8, i64, i64)> {
    let (spaced, rest) = match rest {
        [b' ', rest @ ..] => (true, rest),
        _ => (false, rest),
    };
    let (sign, digits) = match rest {
        [sign @ (b'+' | b'-'), digits @ ..] => (*sign, digits),
        _ => return None,
    };
    let two = |at: usize| number(digits.get(at..at + 2)?);
    let hours = two(0)?;
    let at = if digits.get(2) == Some(&b':') { 3 } else { 2 };
    let ends = !digits.get(at + 2).is_some_and(u8::is_ascii_digit);
    match two(at) {
        Some(minutes) => Some((sign, hours, minutes)).filter(|_| ends || !spaced),
        None => Some((sign, hours, 0)).filter(|_| !spaced),
    }
}

/// Microseconds east of Greenwich; `None` for what is no clock's: such a time is not known.
pub(crate) fn offset_micros((sign, hours, minutes): (u8, i64, i64)) -> Option<i64> {
    let east = (hours * 60 + minutes) * if sign == b'-' { -1 } else { 1 };
    (minutes < 60 && hours <= OFFSET_HOURS_MAX).then_some(east * 60_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: &str) -> Option<String> {
        line_time(line.as_bytes()).map(|t| t.to_string())
    }

    #[test]
    fn each_form_is_read() {
        let expected = Some("2020-09-13T12:26:40.500000Z".to_owned());
        for line in [
            r#"{"_path":"conn","ts":1600000000.500000,"uid":"C"}"#,
            r#"{"a":{"ts":1},"b":["x\"}",{}],"timestamp":"2020-09-13T12:26:40.500000+0000"}"#,
            r#"{"time":"2020-09-13T14:26:40.5+02:00"}"#,
            r#"{ "@timestamp" : "2020-09-13T12:26:40.500Z" }"#,
            r#"{"eventTime":"2020-09-13 12:26:40,500"}"#,
            r#"{"_time":"1600000000.5"}"#,
            r#"{"time":7,"ts":"yesterday","createdDateTime":"2020-09-13T12:26:40.5000000Z"}"#,
            r#"{"ts":1600000000500}"#,
            r#"{"ts":1600000000500000}"#,
            r#"{"ts":1600000000500000000}"#,
            "2020-09-13T12:26:40.5Z host app: text",
            "2020-09-13 12:26:40.500 +0000 text",
            "<34>1 2020-09-13T12:26:40.5Z host app",
            "\"2020-09-13T12:26:40.5Z\",1.2.3.4",
            "1600000000.500000\tCx\t1.2.3.4",
        ] {
            assert_eq!(at(line), expected, "{line}");
        }
        assert_eq!(
            at("1.2.3.4 - - [13/Sep/2020:14:26:40 +0200] \"GET /[a] HTTP/1.1\" 200"),
            Some("2020-09-13T12:26:40.000000Z".to_owned())
        );
        assert_eq!(
            at("date=2020-09-13 time=12:26:40 devname=\"fw\""),
            Some("2020-09-13T12:26:40.000000Z".to_owned())
        );
    }

    #[test]
    fn what_is_no_time_is_none() {
        for line in [
            "",
            "{",
            "{}",
            "{\"ts\":",
            "{\"ts\":\"",
            "{\"ts\":-1}",
            "{\"time\":12.5}",
            "plain",
            "[13/Foo/2020:14:26:40 +0200]",
            "2020-13-01T00:00:00Z",
            "{\"a\":{\"ts\":1600000000}}",
            // Years 0 and 10000.
            "0001-01-01T00:00:00+13:59 text",
            "9999-12-31T23:59:59-13:59 text",
            // An offset that no clock has.
            "2026-03-02T08:00:00+99:00 text",
            "2026-03-02T08:00:00+0199 text",
            "2026-03-02 08:00:00 +9900 text",
        ] {
            assert_eq!(at(line), None, "{line}");
        }
    }

    /// `-` for a value that is not told was taken as an offset, and the given zone left aside.
    #[test]
    fn a_dash_behind_a_time_is_no_offset() {
        let zone = Zone::parse("Europe/Amsterdam").unwrap();
        for line in
            ["2024-01-02 04:00:00 - GET /", "2024-01-02 04:00:00 -404 x", "2024-01-02 03:00:00 +0000 x"]
        {
            let time = line_time_in(line.as_bytes(), &zone).unwrap();
            assert_eq!(time.to_string(), "2024-01-02T03:00:00.000000Z", "{line}");
        }
    }
}
