// SPDX-License-Identifier: Apache-2.0
//! JSON objects, one a line: who wrote them is told by the names that stand in them.

use memchr::memmem;
use model::time::Timestamp;
use serde_json::{Map, Value};

use crate::limits::FIELDS_MAX;
use crate::time::{Clock, epoch_time, iso_time};

use super::cloud;
use super::network::{is_zeek_path, suricata_class, zeek_class};
use super::reader::Layout;
use super::{Event, Format, LogSource, SourceClass, SourceKind, Unread, program, windows};

/// What most lines of a log are: it saves looking, and tells a class before a line is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shape {
    /// One class for all lines.
    Fixed(SourceClass),
    #[default]
    Other,
    Suricata,
    Windows,
    /// Lines that do not name their log (`_path`), of this one if it is known.
    Zeek(Option<SourceClass>),
}

/// Keys that hold a time when nothing better is known; the first that does counts.
pub(super) const TIME_KEYS: &[&str] = &[
    "@timestamp",
    "timestamp",
    "time",
    "ts",
    "eventTime",
    "EventTime",
    "TimeGenerated",
    "createdDateTime",
    "CreationTime",
    "CreationDate",
    "published",
    "_time",
    "TimeCreated",
    "datetime",
    "date",
];

/// A line that is one object.
pub(super) fn parse(line: &[u8], layout: &Layout) -> Result<Event, Unread> {
    let fields = object(line)?;
    let shape = match &layout.form {
        super::reader::Form::Json(shape) => *shape,
        _ => Shape::Other,
    };
    event(fields, shape, &layout.clock)
}

/// A JSON object. Bytes that are no UTF-8 are replaced: file names of hosts may hold any.
pub(super) fn object(line: &[u8]) -> Result<Map<String, Value>, Unread> {
    let fields: Map<String, Value> = match serde_json::from_slice(line) {
        Ok(fields) => fields,
        Err(_) if std::str::from_utf8(line).is_err() => {
            serde_json::from_str(&String::from_utf8_lossy(line)).map_err(|_| Unread::Json)?
        }
        Err(_) => return Err(Unread::Json),
    };
    if fields.len() > FIELDS_MAX { Err(Unread::TooManyFields) } else { Ok(fields) }
}

/// What an object tells.
pub(super) fn event(fields: Map<String, Value>, shape: Shape, clock: &Clock) -> Result<Event, Unread> {
    if let Some(kind) = fields.get("event_type").and_then(Value::as_str)
        && fields.contains_key("timestamp")
    {
        let class = suricata_class(kind.as_bytes());
        return Ok(Event { time: time_at(&fields, "timestamp", clock), class, fields, ..Event::default() });
    }
    if let Some(class) = zeek(&fields, shape) {
        return Ok(Event { time: time_at(&fields, "ts", clock), class, fields, ..Event::default() });
    }
    let fields = match windows::read(fields, clock)? {
        Ok(event) => return Ok(event),
        Err(fields) => fields,
    };
    let fields = match cloud::read(fields, clock) {
        Ok(event) => return Ok(event),
        Err(fields) => fields,
    };
    if fields.contains_key("__REALTIME_TIMESTAMP") {
        return Ok(journal(fields, clock));
    }
    let class = SourceClass { format: Format::Json, ..SourceClass::default() };
    Ok(Event { time: any_time(&fields, clock), class, fields, ..Event::default() })
}

/// A line of Zeek's, if it is one.
fn zeek(fields: &Map<String, Value>, shape: Shape) -> Option<SourceClass> {
    if let Some(path) = fields.get("_path").and_then(Value::as_str) {
        return Some(zeek_class(path.as_bytes(), Format::Json));
    }
    match shape {
        Shape::Zeek(class) if fields.contains_key("ts") => {
            Some(class.or_else(|| zeek_by_names(fields)).unwrap_or_else(|| zeek_class(b"", Format::Json)))
        }
        _ => None,
    }
}

/// Which of Zeek's logs has fields of these names.
fn zeek_by_names(fields: &Map<String, Value>) -> Option<SourceClass> {
    const TELLING: &[(&str, &str)] = &[
        ("conn_state", "conn"),
        ("qtype_name", "dns"),
        ("rcode_name", "dns"),
        ("trans_depth", "http"),
        ("ssl_history", "ssl"),
        ("cipher", "ssl"),
        ("certificate.serial", "x509"),
        ("mime_type", "files"),
        ("auth_attempts", "ssh"),
        ("mailfrom", "smtp"),
        ("request_type", "kerberos"),
    ];
    let (_, path) = TELLING.iter().find(|(name, _)| fields.contains_key(*name))?;
    Some(zeek_class(path.as_bytes(), Format::Json))
}

/// systemd's journal in JSON (systemd.journal-fields(7)).
fn journal(mut fields: Map<String, Value>, clock: &Clock) -> Event {
    let time = time_at(&fields, "__REALTIME_TIMESTAMP", clock);
    let own = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let (program, message) =
        (own("SYSLOG_IDENTIFIER").unwrap_or_default(), own("MESSAGE").unwrap_or_default());
    let source = program::lift(&program, &message, &mut fields);
    let class = SourceClass { format: Format::Json, ..source };
    Event { time, class, fields, ..Event::default() }
}

// --- time ---

/// The time in a field: text in ISO 8601 or RFC 3339, or a number since 1970.
pub(super) fn time_at(fields: &Map<String, Value>, name: &str, clock: &Clock) -> Option<Timestamp> {
    time_of(fields.get(name)?, clock)
}

/// A value as time.
pub(super) fn time_of(value: &Value, clock: &Clock) -> Option<Timestamp> {
    match value {
        Value::String(text) => iso_time(text.as_bytes(), &clock.zone).or_else(|| epoch_time(text.as_bytes())),
        Value::Number(number) => match number.as_i64() {
            Some(_) => epoch_time(number.to_string().as_bytes()),
            // Six digits: more than a double holds of a second now.
            None => epoch_time(format!("{:.6}", number.as_f64()?).as_bytes()),
        },
        _ => None,
    }
}

fn any_time(fields: &Map<String, Value>, clock: &Clock) -> Option<Timestamp> {
    TIME_KEYS.iter().find_map(|name| time_at(fields, name, clock))
}

// --- shape ---

impl Shape {
    /// By a log's first lines.
    pub(super) fn recognise(lines: &[&[u8]], name: &str) -> Shape {
        let clock = Clock::default();
        let objects: Vec<Map<String, Value>> =
            lines.iter().take(8).filter_map(|line| object(line).ok()).collect();
        let Some(first) = objects.first() else { return Shape::Other };
        if looks_like_zeek(first) {
            let class = zeek_path_of_name(name).map(|path| zeek_class(path, Format::Json));
            return Shape::Zeek(class.or_else(|| zeek_by_names(first)));
        }
        let classes: Vec<SourceClass> = objects
            .into_iter()
            .filter_map(|fields| event(fields, Shape::Other, &clock).ok())
            .map(|event| event.class)
            .collect();
        match classes.as_slice() {
            [first, ..] if first.source.product == "suricata" => Shape::Suricata,
            [first, ..] if first.source.product == "windows" => Shape::Windows,
            [first, rest @ ..] if rest.iter().all(|class| class == first) => match first.source.product {
                "azure" | "m365" | "okta" | "aws" => Shape::Fixed(*first),
                _ => Shape::Other,
            },
            _ => Shape::Other,
        }
    }

    pub(super) fn class(self) -> Option<SourceClass> {
        match self {
            Shape::Fixed(class) | Shape::Zeek(Some(class)) => Some(class),
            _ => None,
        }
    }

    /// The class of a line by one search in its bytes. A line that is written in an unusual way is not told.
    pub(super) fn class_of(self, line: &[u8]) -> Option<SourceClass> {
        match self {
            // The vendor's audit logs mix sign-ins and changes.
            Shape::Fixed(_) | Shape::Other => None,
            Shape::Suricata => string_after(line, b"\"event_type\":").map(suricata_class),
            Shape::Windows => windows::class_of(line),
            Shape::Zeek(class) => match string_after(line, b"\"_path\":") {
                Some(path) => Some(zeek_class(path, Format::Json)),
                None => class,
            },
        }
    }
}

/// The string behind a key, escapes as they stand.
pub(super) fn string_after<'a>(line: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let rest = after(line, key)?.strip_prefix(b"\"")?;
    rest.get(..memchr::memchr(b'"', rest)?)
}

/// What stands behind a key.
pub(super) fn after<'a>(line: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = memmem::find(line, key)? + key.len();
    Some(line.get(at..)?.trim_ascii_start())
}

fn looks_like_zeek(fields: &Map<String, Value>) -> bool {
    let named = |name: &str| fields.contains_key(name);
    named("_path") || named("ts") && (named("id.orig_h") || named("uid") || named("fuid"))
}

/// `conn` of `logs/conn.2024-01-02.log`.
fn zeek_path_of_name(name: &str) -> Option<&[u8]> {
    let file = name.rsplit(['/', '\\', '!']).next()?;
    let stem = file.split('.').next()?.as_bytes();
    is_zeek_path(stem).then_some(stem)
}

/// A class of a product without more.
pub(super) fn of_product(product: &'static str, service: &'static str, kind: SourceKind) -> SourceClass {
    SourceClass { format: Format::Json, kind, source: LogSource::new(product, "", service) }
}
