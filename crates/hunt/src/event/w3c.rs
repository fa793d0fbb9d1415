// SPDX-License-Identifier: Apache-2.0
//! W3C extended log file format (W3C WD-logfile), as IIS and proxies write it.

use model::time::Timestamp;
use model::zone::Zone;
use serde_json::{Map, Value};

use crate::limits::COLUMNS_MAX;
use crate::time::{Clock, clock_of, date_of};

use super::reader::Layout;
use super::when::Unclear;
use super::{Event, Format, LogSource, SourceClass, SourceKind, Unread};

pub(super) const CLASS: SourceClass = SourceClass {
    format: Format::W3c,
    kind: SourceKind::WebServer,
    source: LogSource::new("", "webserver", ""),
};

/// The directives so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub(super) names: Vec<String>,
    /// `#Date:`, for logs that write the clock alone.
    date: Option<(i64, i64, i64)>,
}

impl Fields {
    /// The directives that begin with this line, the first of a log.
    pub(super) fn begin(line: &[u8]) -> Option<Fields> {
        let known: [&[u8]; 4] = [b"#Software:", b"#Version:", b"#Fields:", b"#Date:"];
        let begins = known.iter().any(|directive| line.starts_with(directive));
        begins.then(|| Fields::default().after(line).unwrap_or_default())
    }

    /// The directives after one more line of them; `None` if it changes nothing.
    pub(super) fn after(&self, line: &[u8]) -> Option<Fields> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(date) = line.strip_prefix(b"#Date:") {
            let date = date_of(date.trim_ascii_start().get(..10)?)?;
            return Some(Fields { date: Some(date), ..self.clone() });
        }
        let names = String::from_utf8_lossy(line.strip_prefix(b"#Fields:")?).into_owned();
        let names = names.split_ascii_whitespace().take(COLUMNS_MAX + 1).map(str::to_owned).collect();
        Some(Fields { names, ..self.clone() })
    }

    fn time(&self, fields: &Map<String, Value>, clock: &Clock) -> Option<Timestamp> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::as_bytes);
        let date = text("date").and_then(date_of).or(self.date)?;
        // The format's times are UTC; where the server was told to write local ones, `--tz` says so.
        clock.zone.at(date, clock_of(text("time")?.get(..8)?)?)
    }
}

/// A line of values under `#Fields:`. `-` says that there is none.
pub(super) fn parse(header: &Fields, line: &[u8], layout: &Layout) -> Result<Option<Event>, Unread> {
    if line.first() == Some(&b'#') {
        return Ok(None);
    }
    if header.names.is_empty() || header.names.len() > COLUMNS_MAX {
        return Err(Unread::Header);
    }
    let text = String::from_utf8_lossy(line);
    let mut values = Values(&text);
    let mut fields = Map::with_capacity(header.names.len() + 2);
    for name in &header.names {
        let Some(value) = values.next() else { return Err(Unread::Columns) };
        if value == "-" {
            continue;
        }
        if let Some(alias) = alias(name) {
            // IIS writes a header's spaces as plus signs.
            fields.insert(alias, Value::from(value.replace('+', " ")));
        }
        fields.insert(name.clone(), Value::from(value));
    }
    if values.next().is_some() {
        return Err(Unread::Columns);
    }
    let time = header.time(&fields, &layout.clock);
    for name in
        ["sc-status", "sc-substatus", "sc-win32-status", "sc-bytes", "cs-bytes", "time-taken", "s-port"]
    {
        if let Some(number) =
            fields.get(name).and_then(Value::as_str).and_then(|text| text.parse::<u64>().ok())
        {
            fields.insert(name.to_owned(), Value::from(number));
        }
    }
    Ok(Some(Event { time, class: CLASS, fields, ..Event::default() }))
}

/// The time of a line of values.
pub(super) fn time(header: &Fields, line: &[u8], zone: &Zone) -> Result<Option<Timestamp>, Unclear> {
    if line.first() == Some(&b'#') {
        return Ok(None);
    }
    let place = |wanted: &str| header.names.iter().position(|name| name == wanted);
    let (date, time) = (place("date"), place("time").ok_or(Unclear)?);
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let (mut on, mut at) = (header.date.filter(|_| date.is_none()), None);
    for nth in 0..=time.max(date.unwrap_or(0)) {
        let word = words.next().filter(|word| word.first() != Some(&b'"')).ok_or(Unclear)?;
        if Some(nth) == date {
            on = date_of(word);
        } else if nth == time {
            at = word.get(..8).and_then(clock_of);
        }
    }
    let (on, at) = on.zip(at).ok_or(Unclear)?;
    Ok(zone.at(on, at))
}

/// `cs(User-Agent)` as rules write it: `cs-user-agent`.
fn alias(name: &str) -> Option<String> {
    let (side, header) = name.strip_suffix(')')?.split_once('(')?;
    Some(format!("{side}-{}", header.to_ascii_lowercase()))
}

/// Words, or text in quotes with `""` for a quote.
struct Values<'a>(&'a str);

impl Iterator for Values<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let text = self.0.trim_start_matches([' ', '\t']);
        if text.is_empty() {
            self.0 = "";
            return None;
        }
        if let Some(inside) = text.strip_prefix('"')
            && let Some((value, rest)) = quoted(inside)
        {
            self.0 = rest;
            return Some(value);
        }
        let end = text.find([' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end)?;
        self.0 = rest;
        Some(value.to_owned())
    }
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        value.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                value.push('"');
                rest = more;
            }
            None => return Some((value, after)),
        }
    }
}
