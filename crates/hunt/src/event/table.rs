// SPDX-License-Identifier: Apache-2.0
//! Tables under a line of names: CSV (RFC 4180), also with semicolons or tabs.

use model::time::Timestamp;
use serde_json::{Map, Value};

use crate::limits::COLUMNS_MAX;
use crate::time::{Clock, clock_of, date_of, epoch_time, iso_time};

use super::cloud::{entra_row, is_entra_export, is_purview_export, purview_row};
use super::reader::Layout;
use super::when::Unclear;
use super::{Event, Format, LogSource, SourceClass, SourceKind, Unread};

/// Longest name of a column.
const NAME_BYTES_MAX: usize = 200;
/// Most words of it.
const NAME_WORDS_MAX: usize = 8;

/// The names of the columns.
#[derive(Clone, Debug)]
pub(super) struct Header {
    line: Vec<u8>,
    separator: u8,
    pub(super) names: Vec<String>,
    export: Export,
}

/// Exports whose columns mean something to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Export {
    EntraSignIns,
    Other,
    Purview,
}

impl Header {
    /// A header, if the first line is one and the others have as many values.
    pub(super) fn recognise(lines: &[&[u8]]) -> Option<Header> {
        let (first, rest) = lines.split_first()?;
        [b',', b';', b'\t'].into_iter().find_map(|separator| {
            let names = cells(first, separator)?;
            let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
            let named = names.len() >= 2
                && names.len() <= COLUMNS_MAX
                && distinct.len() == names.len()
                && names.iter().all(|name| is_name(name));
            let fits = |line: &&&[u8]| cells(line, separator).is_some_and(|row| row.len() == names.len());
            let agree = rest.iter().filter(fits).count();
            // One line alone is no table: nothing shows that it names anything.
            if !named || agree == 0 || agree * 2 < rest.len() {
                return None;
            }
            let export = if is_entra_export(&names) {
                Export::EntraSignIns
            } else if is_purview_export(&names) {
                Export::Purview
            } else {
                Export::Other
            };
            Some(Header { line: first.to_vec(), separator, names, export })
        })
    }

    pub(super) fn class(&self) -> SourceClass {
        let (kind, source) = match self.export {
            Export::EntraSignIns => (SourceKind::Authentication, LogSource::new("azure", "", "signinlogs")),
            Export::Other => (SourceKind::Unknown, LogSource::default()),
            Export::Purview => (SourceKind::Audit, LogSource::new("m365", "", "audit")),
        };
        SourceClass { format: Format::Csv, kind, source }
    }

    /// Whether a line is it.
    pub(super) fn is(&self, line: &[u8]) -> bool {
        line == self.line
    }

    /// Whether all rows are of one class.
    pub(super) fn is_of_one_class(&self) -> bool {
        self.export != Export::Purview
    }
}

/// The separator of lines that are a header and rows under it.
pub(crate) fn separator_of_table(lines: &[&[u8]]) -> Option<u8> {
    Header::recognise(lines).map(|header| header.separator)
}

/// Names are words, not values: no number, no address, no time.
fn is_name(name: &str) -> bool {
    let lettered = name.chars().any(char::is_alphabetic);
    let clean = !name.chars().any(|c| c.is_control() || matches!(c, '=' | '{' | '}' | '"'));
    // Sentences have commas, too.
    let short = name.trim() == name && name.split(' ').count() <= NAME_WORDS_MAX;
    lettered
        && clean
        && short
        && name.len() <= NAME_BYTES_MAX
        && iso_time(name.as_bytes(), &Default::default()).is_none()
}

/// A row under the header. Columns without a value are left out.
pub(super) fn parse(header: &Header, line: &[u8], layout: &Layout) -> Result<Option<Event>, Unread> {
    if header.is(line) {
        return Ok(None);
    }
    let row = cells(line, header.separator).ok_or(Unread::Columns)?;
    if row.len() != header.names.len() {
        return Err(Unread::Columns);
    }
    let mut fields = Map::with_capacity(row.len());
    for (name, value) in header.names.iter().zip(row) {
        if !value.is_empty() {
            fields.insert(name.clone(), Value::String(value));
        }
    }
    let mut event = match header.export {
        Export::EntraSignIns => entra_row(fields),
        Export::Other => {
            let time = time_of(header, &fields, &layout.clock);
            Event { time, fields, ..Event::default() }
        }
        Export::Purview => purview_row(fields),
    };
    if header.is_of_one_class() {
        event.class = header.class();
    }
    event.class.format = Format::Csv;
    Ok(Some(event))
}

/// The first column, from left, that is named for a time and holds one; else a date and a clock in columns of their own;
/// else the first column that holds a time.
fn time_of(header: &Header, fields: &Map<String, Value>, clock: &Clock) -> Option<Timestamp> {
    let text = |name: &String| fields.get(name).and_then(Value::as_str).map(str::as_bytes);
    let named = || header.names.iter().filter(|name| is_named_for_time(name)).filter_map(text);
    named()
        .find_map(|text| iso_time(text, &clock.zone).or_else(|| epoch_time(text)))
        .or_else(|| split_time(&mut named(), clock))
        .or_else(|| header.names.iter().filter_map(text).find_map(|text| iso_time(text, &clock.zone)))
}

fn is_named_for_time(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // Dutch and German exports: `datum`, `tijd`, `zeit`.
    ["time", "date", "datum", "tijd", "zeit"].iter().any(|part| name.contains(part)) || name == "ts"
}

/// `2024-01-02` in one column and `03:04:05` in another.
fn split_time(values: &mut dyn Iterator<Item = &[u8]>, clock: &Clock) -> Option<Timestamp> {
    let (mut date, mut time) = (None, None);
    for value in values {
        date = date.or_else(|| date_of(value));
        time = time
            .or_else(|| clock_of(value.get(..8)?).filter(|_| !value.get(8).is_some_and(u8::is_ascii_digit)));
    }
    clock.zone.at(date?, time?)
}

/// The time of a row, by the columns that are named for one.
pub(super) fn time(header: &Header, line: &[u8], layout: &Layout) -> Result<Option<Timestamp>, Unclear> {
    if header.is(line) {
        return Ok(None);
    }
    if header.export != Export::Other {
        return Err(Unclear);
    }
    let zone = &layout.clock.zone;
    let (mut rest, mut nth) = (line, 0);
    while let Some(name) = header.names.get(nth) {
        let quoted = rest.strip_prefix(b"\"");
        let (end, skipped) = match quoted {
            Some(inside) => (memchr::memchr(b'"', inside).ok_or(Unclear)?, 2),
            None => (memchr::memchr(header.separator, rest).unwrap_or(rest.len()), 0),
        };
        let value = quoted.unwrap_or(rest).get(..end).unwrap_or_default();
        if is_named_for_time(name)
            && let Some(time) = iso_time(value, zone).or_else(|| epoch_time(value))
        {
            return Ok(Some(time));
        }
        // A quote in a quoted value is for those who read it whole.
        rest =
            rest.get(end + skipped..).unwrap_or_default().strip_prefix(&[header.separator]).ok_or(Unclear)?;
        nth += 1;
    }
    Err(Unclear)
}

/// The values of one line, quotes undone; `None` if there are too many, or a quote is left open.
fn cells(line: &[u8], separator: u8) -> Option<Vec<String>> {
    let mut row = Vec::new();
    let mut rest = line;
    loop {
        let (cell, after) = match rest.strip_prefix(b"\"") {
            Some(inside) => quoted(inside, separator)?,
            None => {
                let end = memchr::memchr(separator, rest).unwrap_or(rest.len());
                (String::from_utf8_lossy(rest.get(..end)?).into_owned(), rest.get(end..)?)
            }
        };
        row.push(cell);
        match after.strip_prefix(&[separator]) {
            None => return Some(row),
            Some(_) if row.len() > COLUMNS_MAX => return None,
            Some(after) => rest = after,
        }
    }
}

/// A value up to its closing quote, and what follows: the separator or nothing. `""` is a quote; what some
/// programs write between a closing quote and the separator belongs to the value.
fn quoted(text: &[u8], separator: u8) -> Option<(String, &[u8])> {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        let quote = memchr::memchr(b'"', rest)?;
        value.extend_from_slice(rest.get(..quote)?);
        rest = rest.get(quote + 1..)?;
        if let Some(after) = rest.strip_prefix(b"\"") {
            value.push(b'"');
            rest = after;
            continue;
        }
        let end = memchr::memchr(separator, rest).unwrap_or(rest.len());
        value.extend_from_slice(rest.get(..end)?);
        return Some((String::from_utf8_lossy(&value).into_owned(), rest.get(end..)?));
    }
}
