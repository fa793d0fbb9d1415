// SPDX-License-Identifier: Apache-2.0
//! Zeek's tab-separated logs (Zeek manual, "Zeek TSV format logs"): the header says all.

use model::time::Timestamp;
use serde_json::{Map, Number, Value};

use crate::limits::COLUMNS_MAX;
use crate::time::{epoch_time, number};

use super::network::zeek_class;
use super::when::Unclear;
use super::{Event, Format, SourceClass, Unread};

/// A header as far as it was read.
#[derive(Clone, Debug)]
pub(super) struct Zeek {
    separator: Vec<u8>,
    set_separator: Vec<u8>,
    empty: Vec<u8>,
    unset: Vec<u8>,
    path: Vec<u8>,
    pub(super) names: Vec<String>,
    types: Vec<Type>,
}

/// How a column is written, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Bool,
    /// `double`, `interval`.
    Decimal,
    /// `count`, `int`, `port`.
    Integer,
    /// `set[…]`, `vector[…]`.
    Many(Scalar),
    Text,
    Time,
}

/// What a set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scalar {
    Bool,
    Decimal,
    Integer,
    Text,
}

impl Zeek {
    fn empty() -> Zeek {
        Zeek {
            separator: b"\t".to_vec(),
            set_separator: b",".to_vec(),
            empty: b"(empty)".to_vec(),
            unset: b"-".to_vec(),
            path: Vec::new(),
            names: Vec::new(),
            types: Vec::new(),
        }
    }

    /// The header that begins with this line, the first of a log.
    pub(super) fn begin(line: &[u8]) -> Option<Zeek> {
        let begins = line.starts_with(b"#separator ") || line.starts_with(b"#fields\t");
        begins.then(|| Zeek::empty().after(line)).flatten()
    }

    /// The header as it is after one more line of it; `None` for a comment.
    pub(super) fn after(&self, line: &[u8]) -> Option<Zeek> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(separator) = line.strip_prefix(b"#separator ") {
            // A log that was rotated into the same file begins anew.
            let separator = unescape(separator);
            return (!separator.is_empty()).then(|| Zeek { separator, ..Zeek::empty() });
        }
        let mut zeek = self.clone();
        let (key, value) = split_once(line.strip_prefix(b"#")?, &self.separator)?;
        match key {
            b"set_separator" => zeek.set_separator = unescape(value),
            b"empty_field" => zeek.empty = value.to_vec(),
            b"unset_field" => zeek.unset = value.to_vec(),
            b"path" => zeek.path = value.to_vec(),
            b"fields" => {
                let names = split(value, &self.separator).take(COLUMNS_MAX + 1);
                zeek.names = names.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
                zeek.types.clear();
            }
            b"types" => {
                zeek.types = split(value, &self.separator).take(COLUMNS_MAX + 1).map(type_of).collect()
            }
            _ => return None,
        }
        Some(zeek)
    }

    pub(super) fn class(&self) -> SourceClass {
        zeek_class(&self.path, Format::ZeekTsv)
    }
}

fn type_of(name: &[u8]) -> Type {
    let inner = |prefix: &[u8]| name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(b"]"));
    let scalar = |name: &[u8]| match name {
        b"bool" => Scalar::Bool,
        b"double" | b"interval" | b"time" => Scalar::Decimal,
        b"count" | b"int" | b"port" => Scalar::Integer,
        _ => Scalar::Text,
    };
    match inner(b"set[").or_else(|| inner(b"vector[")) {
        Some(inner) => Type::Many(scalar(inner)),
        None if name == b"time" => Type::Time,
        None => match scalar(name) {
            Scalar::Bool => Type::Bool,
            Scalar::Decimal => Type::Decimal,
            Scalar::Integer => Type::Integer,
            Scalar::Text => Type::Text,
        },
    }
}

/// A line of values under the header. Unset fields are left out.
pub(super) fn parse(zeek: &Zeek, line: &[u8]) -> Result<Option<Event>, Unread> {
    if line.first() == Some(&b'#') {
        return Ok(None);
    }
    if zeek.names.is_empty() || zeek.names.len() > COLUMNS_MAX || zeek.set_separator.is_empty() {
        return Err(Unread::Header);
    }
    let mut fields = Map::with_capacity(zeek.names.len());
    let mut time: Option<Timestamp> = None;
    let mut values = split(line, &zeek.separator);
    for (nth, name) in zeek.names.iter().enumerate() {
        let Some(value) = values.next() else { return Err(Unread::Columns) };
        if value == zeek.unset {
            continue;
        }
        let kind = zeek.types.get(nth).copied().unwrap_or(Type::Text);
        if name == "ts" {
            time = epoch_time(value);
        }
        fields.insert(name.clone(), zeek.value(kind, value));
    }
    if values.next().is_some() {
        return Err(Unread::Columns);
    }
    Ok(Some(Event { time, class: zeek.class(), fields, ..Event::default() }))
}

/// The time of a line of values.
pub(super) fn time(zeek: &Zeek, line: &[u8]) -> Result<Option<Timestamp>, Unclear> {
    if line.first() == Some(&b'#') {
        return Ok(None);
    }
    let nth = zeek.names.iter().position(|name| name == "ts").ok_or(Unclear)?;
    let value = split(line, &zeek.separator).nth(nth).ok_or(Unclear)?;
    if value == zeek.unset { Ok(None) } else { epoch_time(value).map(Some).ok_or(Unclear) }
}

impl Zeek {
    fn value(&self, kind: Type, value: &[u8]) -> Value {
        let scalar = match kind {
            Type::Many(_) if value == self.empty => return Value::Array(Vec::new()),
            Type::Many(scalar) => {
                let parts = split(value, &self.set_separator);
                return Value::Array(parts.map(|part| self.scalar(scalar, part)).collect());
            }
            Type::Bool => Scalar::Bool,
            Type::Decimal | Type::Time => Scalar::Decimal,
            Type::Integer => Scalar::Integer,
            Type::Text => Scalar::Text,
        };
        self.scalar(scalar, value)
    }

    fn scalar(&self, kind: Scalar, value: &[u8]) -> Value {
        if value == self.empty {
            return Value::String(String::new());
        }
        let read = match kind {
            Scalar::Bool => match value {
                b"T" => Some(Value::Bool(true)),
                b"F" => Some(Value::Bool(false)),
                _ => None,
            },
            Scalar::Decimal => std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok())
                .and_then(Number::from_f64)
                .map(Value::Number),
            Scalar::Integer => match value {
                [b'-', digits @ ..] => number(digits).map(|n| Value::from(-n)),
                digits => number(digits).map(Value::from),
            },
            Scalar::Text => None,
        };
        read.unwrap_or_else(|| Value::String(text(value)))
    }
}

/// Text with `\x09` undone; bytes that are no UTF-8 are replaced.
fn text(value: &[u8]) -> String {
    if memchr::memchr(b'\\', value).is_none() {
        return String::from_utf8_lossy(value).into_owned();
    }
    String::from_utf8_lossy(&unescape(value)).into_owned()
}

/// Undoes `\xHH`.
fn unescape(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let escaped = match after {
            [b'x', a, b, ..] if *first == b'\\' => digit(*a).zip(digit(*b)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                plain.push((high * 16 + low) as u8);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

fn split_once<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(text, separator)?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

/// Parts between separators of one byte or more.
fn split<'a>(text: &'a [u8], separator: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(text);
    let one = match separator {
        [byte] => Some(*byte),
        _ => None,
    };
    std::iter::from_fn(move || {
        let text = rest?;
        let found = match one {
            Some(byte) => memchr::memchr(byte, text),
            None => memchr::memmem::find(text, separator),
        };
        match found {
            Some(at) => {
                rest = text.get(at + separator.len()..);
                text.get(..at)
            }
            None => rest.take(),
        }
    })
}
