// SPDX-License-Identifier: Apache-2.0
//! Lines of no known form, and lines of a known form in a log of another.

use model::time::Timestamp;
use model::zone::Zone;
use serde_json::{Map, Value};

use super::reader::Layout;
use super::when::Unclear;
use super::{Event, Format, SourceClass, Unread, cef, json, pairs, syslog, web};

/// Control characters in a line of text, tab aside, at which it is taken for binary.
const CONTROLS_MAX: usize = 8;

/// The form of a line that tells it by itself.
pub(super) fn sniff(line: &[u8]) -> Option<Format> {
    let pairs = || pairs::is_one(line.trim_ascii_start()).then_some(Format::KeyValue);
    sniff_whole(line).or_else(pairs)
}

/// The same, but for pairs: these stand in the text of many lines.
fn sniff_whole(line: &[u8]) -> Option<Format> {
    let line = line.trim_ascii_start();
    match line.first()? {
        b'{' => Some(Format::Json),
        b'C' if line.starts_with(b"CEF:") => Some(Format::Cef),
        b'd' if pairs::is_fortigate(line) => Some(Format::FortiGate),
        _ if web::is_one(line) => Some(Format::CombinedLog),
        _ if syslog::is_one(line) => Some(Format::Syslog),
        _ => None,
    }
}

/// A line that did not read in its log's own form, in the form that it tells by itself.
pub(super) fn parse_any(line: &[u8], layout: &Layout) -> Option<Event> {
    let line = line.trim_ascii_start();
    match sniff_whole(line)? {
        Format::Json => json::parse(line, layout).ok(),
        Format::Cef => cef::parse(line, layout).ok(),
        Format::FortiGate => pairs::parse_fortigate(line, layout).ok(),
        Format::CombinedLog => web::parse(line, layout).ok(),
        Format::Syslog => syslog::parse(line, layout).ok(),
        _ => None,
    }
}

/// A line in the form that it tells by itself, pairs too, or else as text.
pub(super) fn parse_each(line: &[u8], layout: &Layout) -> Result<Event, Unread> {
    match sniff(line) {
        Some(Format::KeyValue) => {
            pairs::parse(line.trim_ascii_start(), layout).or_else(|_| parse(line, layout))
        }
        _ => parse(line, layout),
    }
}

/// The time of a line that tells no form by itself.
pub(super) fn time(line: &[u8], zone: &Zone) -> Result<Option<Timestamp>, Unclear> {
    match sniff_whole(line) {
        Some(_) => Err(Unclear),
        None => Ok(crate::time::line_time_in(line, zone)),
    }
}

/// The time of a line in the form that it tells by itself.
pub(super) fn time_each(line: &[u8], layout: &Layout) -> Result<Option<Timestamp>, Unclear> {
    match sniff(line) {
        Some(Format::Syslog) => syslog::time(line.trim_ascii_start(), layout),
        Some(_) => Err(Unclear),
        None => time(line, &layout.clock.zone),
    }
}

/// A line of text as one field, `message`.
pub(super) fn parse(line: &[u8], layout: &Layout) -> Result<Event, Unread> {
    if is_binary(line) {
        return Err(Unread::Binary);
    }
    if let Some(event) = parse_any(line, layout) {
        return Ok(event);
    }
    let mut fields = Map::new();
    fields.insert("message".to_owned(), Value::from(String::from_utf8_lossy(line)));
    let time = crate::time::line_time_in(line, &layout.clock.zone);
    let class = SourceClass { format: Format::Text, ..SourceClass::default() };
    Ok(Event { time, class, fields, ..Event::default() })
}

/// Whether a line holds what no text does.
fn is_binary(line: &[u8]) -> bool {
    if line.contains(&0) {
        return true;
    }
    // Escape sequences of terminals are control characters, too.
    line.iter().filter(|b| **b < 0x20 && **b != b'\t' && **b != 0x1B).take(CONTROLS_MAX).count()
        == CONTROLS_MAX
}
