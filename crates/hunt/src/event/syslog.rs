// SPDX-License-Identifier: Apache-2.0
//! Syslog: RFC 5424, RFC 3164, and the many that are close to it.

use model::time::Timestamp;
use serde_json::{Map, Value};

use crate::time::{clock_of, iso_time, month_of, number};

use super::reader::Layout;
use super::when::Unclear;
use super::{Event, Format, SourceClass, Unread, cef, json, pairs, program};

/// Facilities by number (RFC 5424 section 6.2.1).
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];
/// Severities by number (RFC 5424 section 6.2.1).
const SEVERITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"];
/// Longest tag of RFC 3164 that is taken for one; the RFC has 32, programs with paths write more.
const TAG_BYTES_MAX: usize = 128;

/// What stands before the message.
#[derive(Default)]
struct Head<'a> {
    priority: Option<u16>,
    time: Option<Timestamp>,
    host: &'a str,
    program: &'a str,
    pid: &'a str,
    message_id: &'a str,
    data: Map<String, Value>,
    message: &'a str,
}

/// Whether a line has the header of a syslog message.
pub(super) fn is_one(line: &[u8]) -> bool {
    let (_, rest) = priority(line);
    rest.len() < line.len() || dated(rest).is_some_and(|(_, rest)| host_and_tag(rest).is_some())
}

/// Month and day of a line whose time lacks the year.
pub(super) fn month_and_day(line: &[u8]) -> Option<(i64, i64)> {
    let (_, rest) = priority(line);
    // Cisco's mark of a clock that was not set.
    let rest = rest.strip_prefix(b"*").unwrap_or(rest);
    bsd_date(rest).filter(|date| date.year.is_none()).map(|date| (date.month, date.day))
}

/// One message. What a device put behind the header in a form of its own is read as that.
pub(super) fn parse(line: &[u8], layout: &Layout) -> Result<Event, Unread> {
    let text = String::from_utf8_lossy(line);
    let head = head(&text, layout).ok_or(Unread::Form)?;
    if let Some(mut event) = inner(head.message, layout) {
        event.time = event.time.or(head.time);
        put(&mut event.fields, "host", head.host);
        return Ok(event);
    }
    let mut fields = head.data;
    if let Some(priority) = head.priority {
        let name = |table: &[&'static str], at: u16| table.get(usize::from(at)).copied().unwrap_or_default();
        put(&mut fields, "facility", name(&FACILITIES, priority / 8));
        put(&mut fields, "severity", name(&SEVERITIES, priority % 8));
    }
    put(&mut fields, "host", head.host);
    put(&mut fields, "program", head.program);
    put(&mut fields, "pid", head.pid);
    put(&mut fields, "msgid", head.message_id);
    put(&mut fields, "message", head.message.trim_start());
    let class = program::lift(head.program, head.message, &mut fields);
    let class = SourceClass { format: Format::Syslog, ..class };
    Ok(Event { time: head.time, class, fields, ..Event::default() })
}

/// The time of a message: what a device says in a form of its own goes before the header.
pub(super) fn time(line: &[u8], layout: &Layout) -> Result<Option<Timestamp>, Unclear> {
    let text = String::from_utf8_lossy(line);
    let head = head(&text, layout).ok_or(Unclear)?;
    Ok(inner(head.message, layout).and_then(|event| event.time).or(head.time))
}

fn put(fields: &mut Map<String, Value>, name: &str, value: &str) {
    if !value.is_empty() && value != "-" {
        fields.entry(name).or_insert_with(|| Value::from(value));
    }
}

/// A message that is in the form of a device's own.
fn inner(message: &str, layout: &Layout) -> Option<Event> {
    let message = message.strip_prefix("@cee:").unwrap_or(message).trim_start();
    if message.starts_with("CEF:") {
        return cef::parse(message.as_bytes(), layout).ok();
    }
    if message.starts_with('{') {
        let fields = json::object(message.as_bytes()).ok()?;
        return json::event(fields, json::Shape::Other, &layout.clock).ok();
    }
    if pairs::is_fortigate(message.as_bytes()) {
        return pairs::parse_fortigate(message.as_bytes(), layout).ok();
    }
    None
}

// --- header ---

/// `<34>` and what follows it.
fn priority(line: &[u8]) -> (Option<u16>, &[u8]) {
    let read = || {
        let rest = line.strip_prefix(b"<")?;
        let end = memchr::memchr(b'>', rest.get(..4).unwrap_or(rest))?;
        let value = number(rest.get(..end)?).filter(|value| *value < 192)?;
        Some((u16::try_from(value).ok()?, rest.get(end + 1..)?))
    };
    read().map_or((None, line), |(value, rest)| (Some(value), rest))
}

fn head<'a>(text: &'a str, layout: &Layout) -> Option<Head<'a>> {
    let (priority, rest) = priority(text.as_bytes());
    let rest = text.get(text.len() - rest.len()..)?;
    if priority.is_some()
        && let Some(rest) = rest.strip_prefix("1 ")
    {
        return rfc_5424(rest, layout).map(|head| Head { priority, ..head });
    }
    let rest = rest.strip_prefix('*').unwrap_or(rest);
    let Some((time, after)) = time_of(rest, layout) else {
        // RFC 3164 section 4.3.3: without a valid header all of it is the message.
        return priority.map(|_| Head { priority, message: rest, ..Head::default() });
    };
    let (host, program, pid, message) = match host_and_tag(after.as_bytes()) {
        // What CEF begins with looks like the tag of a program.
        Some(parts) if after.get(parts.program.0..).is_some_and(|text| text.starts_with("CEF:")) => {
            (after.get(..parts.host)?, "", "", after.get(parts.program.0..)?)
        }
        Some(parts) => parts.of(after)?,
        None => {
            let (host, message) = after.split_once(' ').unwrap_or((after, ""));
            (host, "", "", message)
        }
    };
    Some(Head { priority, time, host, program, pid, message, ..Head::default() })
}

/// The time at the start and the text behind it; the time is `None` if it lacks the year and none is known.
fn time_of<'a>(text: &'a str, layout: &Layout) -> Option<(Option<Timestamp>, &'a str)> {
    let (length, rest) = dated(text.as_bytes())?;
    let rest = text.get(text.len() - rest.len()..)?;
    let zone = &layout.clock.zone;
    let time = match bsd_date(text.as_bytes()) {
        Some(date) => {
            date.year.or(layout.year).and_then(|year| zone.at((year, date.month, date.day), date.clock))
        }
        None => iso_time(text.as_bytes().get(..length)?, zone),
    };
    Some((time, rest))
}

/// Length of the time at the start, and what follows it and a space.
fn dated(text: &[u8]) -> Option<(usize, &[u8])> {
    let length = match bsd_date(text) {
        Some(date) => {
            // What stands between the clock and the next space: a fraction, a colon (Cisco).
            let rest = text.get(date.length..)?;
            date.length + memchr::memchr(b' ', rest).unwrap_or(rest.len())
        }
        None => {
            let end = memchr::memchr(b' ', text)?;
            let word = text.get(..end)?;
            let shaped = word.len() >= 19 && word.get(4) == Some(&b'-') && word.get(13) == Some(&b':');
            shaped.then_some(end)?
        }
    };
    let rest = text.get(length..)?;
    Some((length, rest.strip_prefix(b" ").unwrap_or(rest)))
}

/// A date as the C library prints it, which lacks the year.
struct BsdDate {
    month: i64,
    day: i64,
    year: Option<i64>,
    clock: (i64, i64, i64),
    /// Up to the end of the clock.
    length: usize,
}

/// `Jan  2 03:04:05`, also with the year behind the day.
fn bsd_date(text: &[u8]) -> Option<BsdDate> {
    let month = month_of(text.first_chunk::<3>()?)?;
    let (day, rest) = match text.get(3..)? {
        [b' ', b' ', d, b' ', rest @ ..] => (number(&[*d])?, rest),
        [b' ', d1, d2, b' ', rest @ ..] => (number(&[*d1, *d2])?, rest),
        [b' ', d, b' ', rest @ ..] => (number(&[*d])?, rest),
        _ => return None,
    };
    let (year, rest) = match rest {
        [y1, y2, y3, y4, b' ', rest @ ..] if y3.is_ascii_digit() => {
            (Some(number(&[*y1, *y2, *y3, *y4])?), rest)
        }
        _ => (None, rest),
    };
    let clock = clock_of(rest.get(..8)?)?;
    Some(BsdDate { month, day, year, clock, length: text.len() - rest.len() + 8 })
}

/// Where host, program, process number and message lie in what follows the time.
struct Tag {
    host: usize,
    program: (usize, usize),
    pid: (usize, usize),
    message: usize,
}

impl Tag {
    fn of<'a>(&self, text: &'a str) -> Option<(&'a str, &'a str, &'a str, &'a str)> {
        let message = text.get(self.message..)?;
        Some((
            text.get(..self.host)?,
            text.get(self.program.0..self.program.1)?,
            text.get(self.pid.0..self.pid.1)?,
            message.strip_prefix(' ').unwrap_or(message),
        ))
    }
}

/// `host program[123]: message` (RFC 3164 sections 4.1.2 and 4.1.3). Cisco writes `%ASA-6-302013: message`
/// with or without a host, and a colon more before it.
fn host_and_tag(text: &[u8]) -> Option<Tag> {
    let host = match text.first()? {
        b'%' => 0,
        _ => memchr::memchr(b' ', text).filter(|at| *at > 0)?,
    };
    let between = text.get(host..)?;
    let spaces = between.iter().take_while(|b| **b == b' ').count();
    let colon = if between.get(spaces..)?.starts_with(b": %") { 2 } else { 0 };
    let begin = host + spaces + colon;
    let rest = text.get(begin..)?;
    let rest = rest.get(..rest.len().min(TAG_BYTES_MAX))?;
    let length = rest.iter().position(|b| matches!(b, b':' | b'[' | b' ')).filter(|length| *length > 0)?;
    let end = begin + length;
    match text.get(end)? {
        b':' => Some(Tag { host, program: (begin, end), pid: (end, end), message: end + 1 }),
        b'[' => {
            let inside = text.get(end + 1..)?;
            let close = memchr::memchr(b']', inside.get(..32).unwrap_or(inside))?;
            let after = end + 1 + close + 1;
            let message = if text.get(after) == Some(&b':') { after + 1 } else { after };
            Some(Tag { host, program: (begin, end), pid: (end + 1, end + 1 + close), message })
        }
        _ => None,
    }
}

/// RFC 5424 section 6, behind the version: `TIME HOST APP PROCID MSGID [data] message`.
fn rfc_5424<'a>(text: &'a str, layout: &Layout) -> Option<Head<'a>> {
    let mut words = text.splitn(6, ' ');
    let mut next = || words.next();
    let (time, host, program, pid, message_id) = (next()?, next()?, next()?, next()?, next()?);
    let rest = next().unwrap_or_default();
    let (data, message) = match rest.strip_prefix('-') {
        Some(message) => (Map::new(), message),
        None => structured_data(rest),
    };
    let message = message.strip_prefix(' ').unwrap_or(message);
    Some(Head {
        time: iso_time(time.as_bytes(), &layout.clock.zone),
        host,
        program,
        pid,
        message_id,
        data,
        // RFC 5424 section 6.4: the message may begin with a byte order mark.
        message: message.strip_prefix('\u{feff}').unwrap_or(message),
        ..Head::default()
    })
}

/// `[id name="value" …][…]` (section 6.3) as one object an id, and what follows. What is broken belongs to
/// the message.
fn structured_data(text: &str) -> (Map<String, Value>, &str) {
    let mut elements = Map::new();
    let mut rest = text;
    while let Some((id, element, after)) = element(rest) {
        elements.insert(id.to_owned(), Value::Object(element));
        rest = after;
    }
    (elements, rest)
}

fn element(text: &str) -> Option<(&str, Map<String, Value>, &str)> {
    let inside = text.strip_prefix('[')?;
    let length = inside.find([' ', ']'])?;
    let (id, mut rest) = inside.split_at_checked(length).filter(|(id, _)| !id.is_empty())?;
    let mut values = Map::new();
    loop {
        rest = rest.trim_start_matches(' ');
        if let Some(after) = rest.strip_prefix(']') {
            return Some((id, values, after));
        }
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        values.insert(name.to_owned(), Value::from(value));
        rest = after;
    }
}

/// Text up to the closing quote, with `\"`, `\\` and `\]` undone.
fn quoted(text: &str) -> Option<(String, &str)> {
    super::text_until(text, '"', &['"', '\\', ']'])
}
