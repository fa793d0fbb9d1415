// SPDX-License-Identifier: Apache-2.0
//! Tables of indicators: comma-separated values with a header (RFC 4180).

use model::diagnostic::Diagnostic;
use model::observable::{Observable, ObservableKind, kind_of_hash_name, refang};

use super::{Indicator, Reading, excerpt, list_mode, too_wide};
use crate::limits::{CELLS_MAX, LIST_BYTES_MAX, LIST_ENTRIES_MAX, LIST_LINE_BYTES_MAX};

/// Names of the column that holds the value, in the order in which they are looked for.
const VALUE_COLUMNS: &[&str] = &[
    "value",
    "indicator",
    "ioc",
    "ioc_value",
    "observable",
    "artifact",
    "ip",
    "domain",
    "url",
    "hash",
    "sha256",
    "sha1",
    "md5",
];
/// Names of the column that says what it is.
const TYPE_COLUMNS: &[&str] = &["type", "ioc_type", "indicator_type", "kind", "category"];

/// Reads a table whose first row names its columns: one of `value`, `indicator`, `ioc` … is required, one
/// of `type`, `kind` … is used if it is there. Separator is the comma, or the semicolon or tab if the
/// header has these and no comma. Values may be defanged; quoting is that of RFC 4180.
pub fn read_csv(bytes: &[u8], name: &str) -> Reading {
    let mut reading = Reading::default();
    if bytes.len() > LIST_BYTES_MAX {
        reading.refuse(
            Diagnostic::error(
                "list-too-large",
                name,
                format!("the table has more than {LIST_BYTES_MAX} bytes"),
            )
            .with_fix("split it"),
        );
        return reading;
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut rows = Rows { rest: bytes, line: 1, separator: separator(bytes) };
    let header = std::iter::from_fn(|| rows.next()).find(|row| !row.is_blank());
    let Some(columns) = header.as_ref().and_then(|row| Columns::of(&row.cells)) else {
        let what = format!(
            "the first row names no column `{}`",
            VALUE_COLUMNS.get(..3).unwrap_or_default().join("`, `")
        );
        reading
            .refuse(Diagnostic::error("no-value-column", name, what).with_fix("add a first row: value,type"));
        return reading;
    };
    for row in rows.filter(|row| !row.is_blank()) {
        if reading.indicators.len() >= LIST_ENTRIES_MAX {
            let what = format!("the table has more than {LIST_ENTRIES_MAX} rows; the rest is not read");
            reading.refuse(Diagnostic::error("list-too-long", name, what).with_fix("split it"));
            break;
        }
        let place = format!("{name} line {}", row.line);
        match columns.indicator(&row, &place) {
            Ok(indicator) => reading.take([indicator]),
            Err((code, what)) => reading.refuse(Diagnostic::error(code, place, what)),
        }
    }
    reading
}

struct Columns {
    value: usize,
    /// Kind that the value column's own name tells.
    value_kind: Option<ObservableKind>,
    kind: Option<usize>,
}

impl Columns {
    fn of(header: &[String]) -> Option<Columns> {
        let names: Vec<String> =
            header.iter().map(|h| h.trim().trim_start_matches('#').trim().to_ascii_lowercase()).collect();
        let find = |wanted: &[&str]| wanted.iter().find_map(|w| names.iter().position(|n| n == w));
        let value = find(VALUE_COLUMNS)?;
        let value_kind = names.get(value).and_then(|n| kind_of_hash_name(n));
        Some(Columns { value, value_kind, kind: find(TYPE_COLUMNS) })
    }

    fn indicator(&self, row: &Record, place: &str) -> Result<Indicator, (&'static str, String)> {
        if let Some(fault) = row.fault {
            return Err(("bad-quoting", fault.to_owned()));
        }
        let text = row.cells.get(self.value).map(|cell| cell.trim()).filter(|text| !text.is_empty());
        let Some(text) = text else { return Err(("no-value", "the row has no value".to_owned())) };
        if text.len() > LIST_LINE_BYTES_MAX {
            return Err(("line-too-long", format!("the value has more than {LIST_LINE_BYTES_MAX} bytes")));
        }
        let written = self.kind.and_then(|kind| row.cells.get(kind)).map_or("", |cell| cell.trim());
        let refanged = refang(text);
        let observable = match kind_of(written).or(self.value_kind) {
            Some(kind) => {
                Observable::parse(kind, &refanged).map_err(|e| ("not-an-observable", e.to_string()))?
            }
            None => Observable::guess(&refanged).ok_or_else(|| {
                ("not-an-observable", format!("`{}` is not a value that can be hunted for", excerpt(text)))
            })?,
        };
        let mode = list_mode(&observable);
        match too_wide(&observable, mode) {
            Some(refusal) => Err(refusal),
            None => Ok(Indicator {
                id: text.to_owned(),
                observable,
                mode,
                name: place.to_owned(),
                valid_from: None,
                valid_until: None,
            }),
        }
    }
}

/// Kind of the words that lists use in their type column; `None` lets the value speak for itself.
fn kind_of(word: &str) -> Option<ObservableKind> {
    let word = word.to_ascii_lowercase();
    match word.as_str() {
        "account" | "user" | "username" | "user-account" => Some(ObservableKind::Account),
        "domain" | "domain-name" | "fqdn" | "hostname" => Some(ObservableKind::Domain),
        "email" | "email-addr" | "email-src" | "email-dst" => Some(ObservableKind::Email),
        "ja3" | "ja3-fingerprint-md5" => Some(ObservableKind::Ja3),
        "ja4" => Some(ObservableKind::Ja4),
        "url" | "uri" => Some(ObservableKind::Url),
        "user-agent" | "useragent" => Some(ObservableKind::UserAgent),
        word => kind_of_hash_name(word),
    }
}

/// The header decides: what separates there separates everywhere.
fn separator(bytes: &[u8]) -> u8 {
    let header = bytes.split(|b| *b == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    [b',', b';', b'\t'].into_iter().find(|s| header.contains(s)).unwrap_or(b',')
}

/// A row and the line on which it begins.
struct Record {
    line: usize,
    cells: Vec<String>,
    fault: Option<&'static str>,
}

impl Record {
    fn is_blank(&self) -> bool {
        self.fault.is_none() && self.cells.iter().all(|cell| cell.trim().is_empty())
    }
}

struct Rows<'a> {
    rest: &'a [u8],
    line: usize,
    separator: u8,
}

impl Rows<'_> {
    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.line += usize::from(*first == b'\n');
        Some(*first)
    }

    /// The rest of a quoted field, after its first quote.
    fn quoted(&mut self, cell: &mut Vec<u8>) -> Option<&'static str> {
        loop {
            match self.take() {
                None => return Some("a quoted value does not end"),
                Some(b'"') if self.rest.first() == Some(&b'"') => {
                    self.take();
                    cell.push(b'"');
                }
                Some(b'"') => return None,
                // Else one missing quote would swallow the rest of the table.
                Some(_) if cell.len() > LIST_LINE_BYTES_MAX => return Some("a quoted value does not end"),
                Some(byte) => cell.push(byte),
            }
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if self.rest.is_empty() {
            return None;
        }
        let mut record = Record { line: self.line, cells: Vec::new(), fault: None };
        let mut cell = Vec::new();
        loop {
            match self.take() {
                Some(b'"') if cell.is_empty() => record.fault = record.fault.or(self.quoted(&mut cell)),
                Some(byte) if byte == self.separator => push_cell(&mut record, &mut cell),
                None | Some(b'\n') => {
                    if cell.last() == Some(&b'\r') {
                        cell.pop();
                    }
                    push_cell(&mut record, &mut cell);
                    return Some(record);
                }
                Some(byte) => cell.push(byte),
            }
        }
    }
}

fn push_cell(record: &mut Record, cell: &mut Vec<u8>) {
    if record.cells.len() >= CELLS_MAX {
        record.fault = record.fault.or(Some("the row has too many cells"));
        cell.clear();
        return;
    }
    match String::from_utf8(std::mem::take(cell)) {
        Ok(text) => record.cells.push(text),
        Err(_) => {
            record.fault = record.fault.or(Some("the row is not UTF-8"));
            record.cells.push(String::new());
        }
    }
}
