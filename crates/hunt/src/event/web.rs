// SPDX-License-Identifier: Apache-2.0
//! Access logs of web servers: NCSA common and combined, as Apache and nginx write them. The fields have the
//! names of the W3C's format, for which Sigma's `webserver` rules are written.

use model::time::Timestamp;
use model::zone::Zone;
use serde_json::{Map, Value};

use crate::time::web_time;

use super::reader::Layout;
use super::when::Unclear;
use super::{Event, Format, LogSource, SourceClass, SourceKind, Unread};

pub(super) const CLASS: SourceClass = SourceClass {
    format: Format::CombinedLog,
    kind: SourceKind::WebServer,
    source: LogSource::new("", "webserver", ""),
};

/// `192.0.2.7 - alice [02/Jan/2024:10:00:00 +0000] "GET /a?b HTTP/1.1" 200 12 "referer" "agent"`, also with
/// the virtual host in front (`vhost_combined`).
pub(super) fn parse(line: &[u8], layout: &Layout) -> Result<Event, Unread> {
    let text = String::from_utf8_lossy(line);
    let (head, rest) = text.split_once(" [").ok_or(Unread::Form)?;
    let (time, rest) = rest.split_once("] \"").ok_or(Unread::Form)?;
    let time = web_time(time.as_bytes(), &layout.clock.zone);
    let mut words: Vec<&str> = head.split(' ').collect();
    let host = if words.len() == 4 { Some(words.remove(0)) } else { None };
    let [client, _, user] = words.as_slice() else { return Err(Unread::Form) };
    let (request, rest) = quoted(rest).ok_or(Unread::Form)?;
    let mut rest = rest.trim_start();
    let mut word = || {
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = after;
        word
    };
    let (status, bytes) = (word(), word());
    if !(status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit())) {
        return Err(Unread::Form);
    }
    let mut fields = Map::new();
    let mut put = |name: &str, value: &str| {
        if !value.is_empty() && value != "-" {
            fields.insert(name.to_owned(), Value::from(value));
        }
    };
    put("c-ip", client);
    put("cs-username", user);
    put("cs-host", host.unwrap_or_default());
    request_parts(&request, &mut put);
    put("sc-status", status);
    put("sc-bytes", bytes);
    if let Some((referer, after)) = rest.strip_prefix('"').and_then(quoted) {
        put("cs-referer", &referer);
        if let Some((agent, _)) = after.trim_start().strip_prefix('"').and_then(quoted) {
            put("cs-user-agent", &agent);
        }
    }
    for name in ["sc-status", "sc-bytes"] {
        if let Some(number) =
            fields.get(name).and_then(Value::as_str).and_then(|text| text.parse::<u64>().ok())
        {
            fields.insert(name.to_owned(), Value::from(number));
        }
    }
    Ok(Event { time, class: CLASS, fields, ..Event::default() })
}

/// The time of a line.
pub(super) fn time(line: &[u8], zone: &Zone) -> Result<Option<Timestamp>, Unclear> {
    let at = memchr::memmem::find(line, b" [").ok_or(Unclear)? + 2;
    let ends = line.get(at + 26..).is_some_and(|rest| rest.starts_with(b"] \""));
    let text = line.get(at..at + 26).filter(|_| ends).ok_or(Unclear)?;
    web_time(text, zone).map(Some).ok_or(Unclear)
}

/// Whether a line is one of these.
pub(super) fn is_one(line: &[u8]) -> bool {
    let Some(at) = memchr::memmem::find(line.get(..512).unwrap_or(line), b" [") else { return false };
    let time = line.get(at + 2..at + 2 + 26).unwrap_or_default();
    web_time(time, &model::zone::Zone::UTC).is_some() && line.get(at + 28..at + 31) == Some(b"] \"")
}

fn request_parts(request: &str, put: &mut impl FnMut(&str, &str)) {
    let mut words = request.splitn(2, ' ');
    let (method, rest) = (words.next().unwrap_or_default(), words.next());
    let Some(rest) = rest else { return put("cs-uri", request) };
    // A target may hold spaces that the client did not encode; the protocol is the last word.
    let (target, protocol) = match rest.rsplit_once(' ') {
        Some((target, protocol)) if protocol.starts_with("HTTP/") => (target, protocol),
        _ => (rest, ""),
    };
    put("cs-method", method);
    put("cs-uri", target);
    let (stem, query) = target.split_once('?').unwrap_or((target, ""));
    put("cs-uri-stem", stem);
    put("cs-uri-query", query);
    put("cs-version", protocol);
}

/// Text up to the closing quote. `\"` and `\\` are undone; other escapes (`\x16`) stay as the server wrote
/// them.
fn quoted(text: &str) -> Option<(String, &str)> {
    super::text_until(text, '"', &['"', '\\'])
}
