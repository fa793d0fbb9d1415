// SPDX-License-Identifier: Apache-2.0
//! `key=value` lines: FortiGate's, logfmt, and those of no known maker.

use memchr::{memchr_iter, memchr2, memmem};
use model::time::Timestamp;
use serde_json::{Map, Value};

use crate::limits::FIELDS_MAX;
use crate::time::{Clock, clock_of, date_of, epoch_time, iso_time, number, offset_micros};

use super::reader::Layout;
use super::when::Unclear;
use super::{Event, Format, LogSource, SourceClass, SourceKind, Unread};

type Fields = Map<String, Value>;

/// Bytes at the start of a line in which FortiGate's own fields are looked for.
const FORTIGATE_HEAD_BYTES: usize = 400;
/// Least pairs that make a line one of pairs.
const PAIRS_MIN: usize = 3;

/// Whether a line is FortiGate's: it begins with the date and names the device or the log.
pub(super) fn is_fortigate(line: &[u8]) -> bool {
    let head = line.get(..FORTIGATE_HEAD_BYTES).unwrap_or(line);
    let has = |text: &str| memmem::find(head, text.as_bytes()).is_some();
    head.starts_with(b"date=") && has(" time=") && (has("devid=") || has("devname=") || has("logid="))
}

/// Whether a line consists of pairs.
pub(super) fn is_one(line: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(line) else { return false };
    let named = text.split('=').next().is_some_and(|key| !key.is_empty() && key.bytes().all(is_key_byte));
    named && Pairs(text).take(PAIRS_MIN).count() == PAIRS_MIN
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.@/".contains(&byte)
}

/// A line of FortiOS (FortiOS log message reference). The value of `type` says what it tells about.
pub(super) fn parse_fortigate(line: &[u8], layout: &Layout) -> Result<Event, Unread> {
    if !is_fortigate(line) {
        return Err(Unread::Form);
    }
    let fields = read(line)?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let class = fortigate_class(text("type"), text("subtype"));
    let time = fortigate_time(&fields, &layout.clock);
    Ok(Event { time, class, fields, ..Event::default() })
}

/// A line of pairs of no known maker.
pub(super) fn parse(line: &[u8], layout: &Layout) -> Result<Event, Unread> {
    if is_fortigate(line) {
        return parse_fortigate(line, layout);
    }
    if !is_one(line) {
        return Err(Unread::Form);
    }
    let fields = read(line)?;
    let zone = &layout.clock.zone;
    let time_in = |name: &str| {
        let text = fields.get(name).and_then(Value::as_str)?.as_bytes();
        iso_time(text, zone).or_else(|| epoch_time(text))
    };
    let time =
        ["time", "ts", "timestamp", "t", "@timestamp", "eventtime"].iter().find_map(|name| time_in(name));
    let class = SourceClass { format: Format::KeyValue, ..SourceClass::default() };
    Ok(Event { time: time.or_else(|| split_time(&fields, &layout.clock)), class, fields, ..Event::default() })
}

fn read(line: &[u8]) -> Result<Fields, Unread> {
    let text = String::from_utf8_lossy(line);
    let mut fields = Fields::new();
    read_into(&text, &mut fields);
    match fields.len() {
        0 => Err(Unread::Form),
        count if count > FIELDS_MAX => Err(Unread::TooManyFields),
        _ => Ok(fields),
    }
}

/// All pairs of a text; a key that is there already stays.
pub(super) fn read_into(text: &str, fields: &mut Fields) {
    for (key, value) in Pairs(text).take(FIELDS_MAX + 1) {
        fields.entry(key).or_insert(Value::String(value));
    }
}

/// `key=value` with spaces between; a value with spaces stands in quotes. Words without `=` are skipped.
struct Pairs<'a>(&'a str);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, String);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let equals = self.0.find('=')?;
            let before = self.0.get(..equals)?;
            let key = before.rsplit([' ', '\t', ',', ';']).next()?;
            let rest = self.0.get(equals + 1..)?;
            let (value, after) = match rest.chars().next() {
                Some(quote @ ('"' | '\'')) => quoted(rest.get(1..)?, quote),
                _ => {
                    let end = rest.find([' ', '\t']).unwrap_or(rest.len());
                    (rest.get(..end)?.trim_end_matches([',', ';']).to_owned(), rest.get(end..)?)
                }
            };
            self.0 = after;
            if !key.is_empty() && key.bytes().all(is_key_byte) {
                return Some((key, value));
            }
        }
    }
}

/// Up to the closing quote, which stands at the end or before the next key: FortiOS does not always escape
/// those inside. `\"` and `\\` are undone.
fn quoted(text: &str, quote: char) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        let rest = text.get(at + c.len_utf8()..).unwrap_or_default();
        match c {
            '\\' => match chars.next() {
                Some((_, escaped)) if escaped == quote || escaped == '\\' => value.push(escaped),
                Some((_, other)) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
            c if c == quote && closes(rest) => return (value, rest),
            other => value.push(other),
        }
    }
    (value, "")
}

/// Whether a value may end before this.
fn closes(rest: &str) -> bool {
    let next = rest.trim_start_matches([' ', '\t', ',', ';']);
    if next.is_empty() || next.len() == rest.len() {
        return next.is_empty();
    }
    // A bare word between pairs is no reason to go on, but half of a quoted text is.
    let word = next.split([' ', '\t']).next().unwrap_or_default();
    word.contains('=') || !word.contains(['"', '\''])
}

// --- FortiGate ---

/// `eventtime` (seconds, or nanoseconds since FortiOS 6.2) says it without a zone; else date and time with
/// `tz`, or in the zone that was given.
fn fortigate_time(fields: &Fields, clock: &Clock) -> Option<Timestamp> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    text("eventtime").and_then(|text| epoch_time(text.as_bytes())).or_else(|| split_time(fields, clock))
}

/// `date=2024-01-02 time=03:04:05 tz="+0100"`.
fn split_time(fields: &Fields, clock: &Clock) -> Option<Timestamp> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let date = date_of(text("date")?.as_bytes())?;
    let time = clock_of(text("time")?.as_bytes().get(..8)?)?;
    shown_time(date, time, text("tz").map(str::as_bytes), clock)
}

/// What a clock showed, with the offset that it is written with or in the zone that was given.
fn shown_time(
    date: (i64, i64, i64),
    time: (i64, i64, i64),
    offset: Option<&[u8]>,
    clock: &Clock,
) -> Option<Timestamp> {
    match offset {
        Some([sign @ (b'+' | b'-'), h1, h2, m1, m2]) => {
            let east = offset_micros((*sign, number(&[*h1, *h2])?, number(&[*m1, *m2])?))?;
            let shown = Timestamp::from_civil(date, time)?;
            let time = Timestamp::from_micros(shown.micros() - east);
            (Timestamp::MIN..=Timestamp::MAX).contains(&time).then_some(time)
        }
        _ => clock.zone.at(date, time),
    }
}

/// The time of a FortiGate line by its bytes alone, as long as no text in quotes can hold what looks like it.
pub(super) fn time(line: &[u8], clock: &Clock) -> Result<Option<Timestamp>, Unclear> {
    let value = |key: &str| {
        let Some(at) = memmem::find(line, key.as_bytes()) else { return Ok(None) };
        let (before, after) = (line.get(..at).unwrap_or_default(), line.get(at + key.len()..));
        let quotes = memchr_iter(b'"', before).count();
        if quotes % 2 == 1 || memchr2(b'\\', b'\'', before).is_some() {
            return Err(Unclear);
        }
        let after = after.unwrap_or_default();
        let after = after.strip_prefix(b"\"").unwrap_or(after);
        Ok(after.get(..memchr2(b'"', b' ', after).unwrap_or(after.len())))
    };
    if !is_fortigate(line) {
        return Err(Unclear);
    }
    if let Some(time) = value(" eventtime=")?.and_then(epoch_time) {
        return Ok(Some(time));
    }
    let date = line.get(b"date=".len()..).unwrap_or_default();
    let date = date.strip_prefix(b"\"").unwrap_or(date);
    let date = date.get(..10).and_then(date_of).ok_or(Unclear)?;
    let time = value(" time=")?.and_then(|text| clock_of(text.get(..8)?)).ok_or(Unclear)?;
    Ok(shown_time(date, time, value(" tz=")?, clock))
}

/// The class of a line by its bytes alone.
pub(super) fn class_of(line: &[u8]) -> Option<SourceClass> {
    let value = |key: &str| {
        let at = memmem::find(line, key.as_bytes())? + key.len();
        let rest = line.get(at..)?;
        let rest = rest.strip_prefix(b"\"").unwrap_or(rest);
        let end = memchr::memchr2(b'"', b' ', rest).unwrap_or(rest.len());
        std::str::from_utf8(rest.get(..end)?).ok()
    };
    let subtype = value(" subtype=").unwrap_or_default();
    is_fortigate(line).then(|| value(" type=").map(|kind| fortigate_class(kind, subtype))).flatten()
}

fn fortigate_class(kind: &str, subtype: &str) -> SourceClass {
    let (category, service, kind) = match (kind, subtype) {
        ("traffic", _) => ("firewall", "traffic", SourceKind::Flow),
        ("event", "vpn") => ("", "event", SourceKind::Vpn),
        ("event", "user") => ("", "event", SourceKind::Authentication),
        ("event", _) => ("", "event", SourceKind::Audit),
        ("utm" | "webfilter", "webfilter" | "") => ("proxy", "utm", SourceKind::Proxy),
        ("utm" | "dns", "dns" | "dns-query" | "dns-response") => ("dns", "utm", SourceKind::Dns),
        ("utm", "ssl") => ("", "utm", SourceKind::Tls),
        ("utm", "emailfilter") => ("", "utm", SourceKind::Email),
        ("utm", "app-ctrl") => ("", "utm", SourceKind::Flow),
        ("utm", _) => ("", "utm", SourceKind::Ids),
        _ => ("", "", SourceKind::Unknown),
    };
    SourceClass { format: Format::FortiGate, kind, source: LogSource::new("fortigate", category, service) }
}
