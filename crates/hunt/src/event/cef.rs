// SPDX-License-Identifier: Apache-2.0
//! ArcSight Common Event Format, version 0 and 1 (Micro Focus, "Implementing ArcSight CEF").

use model::time::Timestamp;
use serde_json::{Map, Value};

use crate::limits::FIELDS_MAX;
use crate::time::{Clock, clock_of, epoch_time, iso_time, month_of, number};

use super::reader::Layout;
use super::{Event, Format, LogSource, SourceClass, SourceKind, Unread};

/// Names of the seven parts before the extension.
const HEAD: [&str; 7] = [
    "cefVersion",
    "deviceVendor",
    "deviceProduct",
    "deviceVersion",
    "deviceEventClassId",
    "name",
    "severity",
];

/// Keys of the extension that hold when it happened, the best first.
const TIMES: [&str; 4] = ["rt", "end", "start", "deviceCustomDate1"];

/// One event that begins with `CEF:`.
pub(super) fn parse(line: &[u8], layout: &Layout) -> Result<Event, Unread> {
    let text = String::from_utf8_lossy(line);
    let rest = text.strip_prefix("CEF:").ok_or(Unread::Form)?;
    let mut fields = Map::new();
    let mut rest = rest;
    for name in HEAD {
        let (value, after) = part(rest).ok_or(Unread::Form)?;
        fields.insert(name.to_owned(), Value::from(value));
        rest = after;
    }
    for (key, value) in Extension(rest) {
        fields.insert(key.to_owned(), Value::from(value));
        if fields.len() > FIELDS_MAX {
            return Err(Unread::TooManyFields);
        }
    }
    label(&mut fields);
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let time = TIMES.iter().find_map(|key| time_of(text(key)?, &layout.clock));
    let mut class =
        class(text("deviceVendor").unwrap_or_default(), text("deviceProduct").unwrap_or_default());
    if class.kind == SourceKind::Unknown {
        class.kind = kind_by_keys(&fields);
    }
    Ok(Event { time, class, fields, ..Event::default() })
}

/// Text up to the next bar, with `\|` and `\\` undone.
fn part(text: &str) -> Option<(String, &str)> {
    super::text_until(text, '|', &['|', '\\'])
}

/// `key=value key=value`: a value goes on until a space, a key and an equals sign that is not escaped.
struct Extension<'a>(&'a str);

impl<'a> Iterator for Extension<'a> {
    type Item = (&'a str, String);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = self.0.split_once('=')?;
        let key = key.trim_start();
        let mut end = rest.len();
        // The word before an equals sign, from its space on.
        let mut space = None;
        for (at, byte) in rest.bytes().enumerate() {
            match byte {
                b' ' => space = Some(at),
                b'=' => {
                    let name = space.and_then(|space| rest.get(space + 1..at)).unwrap_or_default();
                    if let Some(space) = space.take().filter(|_| is_key(name)) {
                        end = space;
                        break;
                    }
                }
                _ => {}
            }
        }
        self.0 = rest.get(end..).unwrap_or_default();
        Some((key, unescape(rest.get(..end)?.trim_end())))
    }
}

fn is_key(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-[]".contains(&b))
}

/// Undoes `\=`, `\\`, `\n` and `\r`.
fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut value = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            value.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => value.push('\n'),
            Some('r') => value.push('\r'),
            Some(escaped @ ('=' | '\\' | '|')) => value.push(escaped),
            Some(other) => value.extend(['\\', other]),
            None => value.push('\\'),
        }
    }
    value
}

/// A device's own fields are also offered under the names that it gives them: `cs1Label=Rule cs1=7`.
fn label(fields: &mut Map<String, Value>) {
    let named: Vec<(String, Value)> = fields
        .iter()
        .filter_map(|(key, label)| {
            let value = fields.get(key.strip_suffix("Label")?)?;
            Some((label.as_str()?.to_owned(), value.clone()))
        })
        .collect();
    for (name, value) in named {
        fields.entry(name).or_insert(value);
    }
}

/// Milliseconds since 1970, `MMM dd yyyy HH:mm:ss` or an ISO time.
fn time_of(text: &str, clock: &Clock) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if let Some(time) = epoch_time(bytes).or_else(|| iso_time(bytes, &clock.zone)) {
        return Some(time);
    }
    let mut words = text.split_ascii_whitespace();
    let month = month_of(words.next()?.as_bytes().first_chunk::<3>()?)?;
    let (day, year) = (number(words.next()?.as_bytes())?, number(words.next()?.as_bytes())?);
    clock.zone.at((year, month, day), clock_of(words.next()?.as_bytes().get(..8)?)?)
}

/// What an event of an unknown maker tells about: the keys of the extension mean the same with all of them.
fn kind_by_keys(fields: &Map<String, Value>) -> SourceKind {
    let has = |name: &str| fields.contains_key(name);
    let connects = has("src") && has("dst");
    match () {
        () if connects && has("request") => SourceKind::Proxy,
        () if connects && ["spt", "dpt", "proto"].into_iter().any(has) => SourceKind::Flow,
        () => SourceKind::Unknown,
    }
}

/// What makers' products tell about, as far as their names say.
fn class(vendor: &str, product: &str) -> SourceClass {
    let (vendor, product) = (vendor.to_ascii_lowercase(), product.to_ascii_lowercase());
    let (name, category, kind) = match (vendor.as_str(), product.as_str()) {
        ("fortinet", _) => ("fortigate", "firewall", SourceKind::Flow),
        ("palo alto networks", _) => ("paloalto", "firewall", SourceKind::Flow),
        ("check point", _) => ("checkpoint", "firewall", SourceKind::Flow),
        ("cisco", "asa") => ("cisco", "firewall", SourceKind::Flow),
        ("zscaler", _) => ("zscaler", "proxy", SourceKind::Proxy),
        ("microsoft", "microsoft windows") => ("windows", "", SourceKind::Endpoint),
        ("trend micro" | "crowdstrike" | "sentinelone", _) => ("", "", SourceKind::Ids),
        _ => ("", "", SourceKind::Unknown),
    };
    SourceClass { format: Format::Cef, kind, source: LogSource::new(name, category, "") }
}
