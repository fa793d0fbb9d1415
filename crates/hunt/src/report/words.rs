// SPDX-License-Identifier: Apache-2.0
//! Numbers, times and outside text, as people read them.

use std::borrow::Cow;
use std::time::Duration;

use model::time::Timestamp;

use super::summary::Day;
use crate::event::{Format, SourceKind};

const DAY_MICROS: i64 = 86_400_000_000;

/// Outside text with what cannot be seen made visible: control characters, and the format characters that
/// turn the direction of writing or have no width, as `\u{202e}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    model::diagnostic::shown(text)
}

pub use model::diagnostic::is_hidden;

/// At most so many characters of a text, with an ellipsis where there were more.
pub fn shortened(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars_max) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let kept = text.char_indices().nth(chars_max.saturating_sub(1)).map_or(0, |(at, _)| at);
            Cow::Owned(format!("{}…", text.get(..kept).unwrap_or_default()))
        }
    }
}

/// Part of a line around a value: what stands before it, the value as it stands there, what comes after,
/// and how many characters were left out at either end. Without the value: the beginning.
pub fn around<'a>(line: &'a str, value: &str, chars_max: usize) -> Part<'a> {
    let at = find(line, value).unwrap_or((0, 0));
    let (before, rest) = line.split_at_checked(at.0).unwrap_or(("", line));
    let (matched, after) = rest.split_at_checked(at.1).unwrap_or(("", rest));
    let (matched, cut) = split_chars(matched, chars_max);
    let room = chars_max.saturating_sub(matched.chars().count());
    // A line that fits is shown whole; else the match stands in the middle, as far as both sides have so much.
    let (had_before, had_after) = (before.chars().count(), after.chars().count() + cut.chars().count());
    let keep_before = had_before.min((room / 2).max(room.saturating_sub(had_after)));
    let skipped = had_before - keep_before;
    let start = before.char_indices().nth(skipped).map_or(before.len(), |(at, _)| at);
    let (kept_after, _) = if cut.is_empty() { split_chars(after, room - keep_before) } else { ("", "") };
    Part {
        skipped: skipped as u64,
        before: before.get(start..).unwrap_or_default(),
        matched,
        after: kept_after,
        cut: (had_after - kept_after.chars().count()) as u64,
    }
}

/// What [`around`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Characters left out at the beginning.
    pub skipped: u64,
    /// Before the value.
    pub before: &'a str,
    /// The value.
    pub matched: &'a str,
    /// After the value.
    pub after: &'a str,
    /// Characters left out at the end.
    pub cut: u64,
}

/// Place and length of a value in a line, without regard to the case of ASCII letters.
fn find(line: &str, value: &str) -> Option<(usize, usize)> {
    let (line, value) = (line.as_bytes(), value.as_bytes());
    if value.is_empty() {
        return None;
    }
    let at = line.windows(value.len()).position(|window| window.eq_ignore_ascii_case(value))?;
    Some((at, value.len()))
}

fn split_chars(text: &str, chars: usize) -> (&str, &str) {
    let at = text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at);
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// `1 file`, `1,234 files`.
pub fn counted(count: u64, noun: &str) -> String {
    counted_as(count, noun, &format!("{noun}s"))
}

/// The same for a noun with another plural.
pub fn counted_as(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// A number with commas between thousands.
pub fn grouped(number: u64) -> String {
    separated(number, ',')
}

/// A number with a mark between thousands.
pub fn separated(number: u64, mark: char) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(mark);
        }
        text.push(digit);
    }
    text
}

/// `2026-03-01 12:00:05`, in UTC.
pub fn second(time: Timestamp) -> String {
    time.to_string().get(..19).unwrap_or_default().replace('T', " ")
}

/// The same; a dash where no time is known.
pub fn second_or_dash(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "–".to_owned(), second)
}

/// `2026-03-01`.
pub fn date(day: Day) -> String {
    start_of(day).to_string().get(..10).unwrap_or_default().to_owned()
}

/// Day of a time.
pub fn day_of(time: Timestamp) -> Day {
    // A Timestamp ends with the year 9999: its days fit.
    i32::try_from(time.micros().div_euclid(DAY_MICROS)).unwrap_or_default()
}

/// The first moment of a day.
pub fn start_of(day: Day) -> Timestamp {
    let micros = i64::from(day).saturating_mul(DAY_MICROS);
    Timestamp::from_micros(micros.clamp(Timestamp::MIN.micros(), Timestamp::MAX.micros()))
}

/// Year, month and day of the month of a day.
pub fn civil(day: Day) -> (i32, u32, u32) {
    let (year, month, day) = start_of(day).date();
    let number = |part: i64| u32::try_from(part).unwrap_or_default();
    (i32::try_from(year).unwrap_or_default(), number(month), number(day))
}

/// `12.5 GB`, by thousands.
pub fn bytes(count: u64) -> String {
    let mut unit = ("B", 1_u64);
    for (name, size) in [("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000)] {
        if count >= size {
            unit = (name, size);
        }
    }
    let (name, size) = unit;
    let (whole, tenth) = (count / size, count % size * 10 / size);
    if size == 1 || whole >= 100 {
        format!("{} {name}", grouped(whole))
    } else {
        format!("{whole}.{tenth} {name}")
    }
}

/// `3 h 12 min`, `4.2 s`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{}.{} s", seconds, duration.subsec_millis() / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", grouped(seconds / 3600), seconds % 3600 / 60),
    }
}

/// What a kind of log is called.
pub fn kind_name(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Audit => "audit",
        SourceKind::Authentication => "sign-ins",
        SourceKind::Dns => "DNS",
        SourceKind::Email => "mail",
        SourceKind::Endpoint => "hosts",
        SourceKind::File => "files",
        SourceKind::Flow => "connections",
        SourceKind::Ids => "alerts",
        SourceKind::Proxy => "web proxy",
        SourceKind::Tls => "TLS",
        SourceKind::Unknown => "unknown",
        SourceKind::Vpn => "VPN",
        SourceKind::WebServer => "web server",
    }
}

/// What a format is called.
pub fn format_name(format: Format) -> &'static str {
    match format {
        Format::Cef => "CEF",
        Format::CombinedLog => "combined log",
        Format::Csv => "CSV",
        Format::Evtx => "EVTX",
        Format::FortiGate => "FortiGate",
        Format::Json => "JSON",
        Format::KeyValue => "key=value",
        Format::Parquet => "Parquet",
        Format::Syslog => "syslog",
        Format::Text => "text",
        Format::W3c => "W3C",
        Format::ZeekTsv => "Zeek",
    }
}
