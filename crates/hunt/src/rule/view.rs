// SPDX-License-Identifier: Apache-2.0
//! An event as a rule sees it: by the names that rules use, over the fields that the log has.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::names::Names;
use crate::event::{Event, Format};

/// Deepest nesting of an event's objects that is looked into.
const DEPTH_MAX: usize = 32;

/// A borrowed event with its log's names and the line that it was read from.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The event.
    pub event: &'a Event,
    /// The line as it stood in the log.
    pub line: &'a [u8],
    /// How the log calls what rules ask for.
    pub names: &'a Names,
}

impl<'a> View<'a> {
    /// The values of a field: as it stands, or by a path with dots that leads through objects and into each
    /// member of a list, or by a name that this log has for it.
    pub fn each_value(&self, name: &str, found: &mut dyn FnMut(&'a Value)) {
        let fields = &self.event.fields;
        if let Some(value) = fields.get(name) {
            return found(value);
        }
        let mut any = false;
        follow(fields, name, 0, &mut |value| {
            any = true;
            found(value);
        });
        if any {
            return;
        }
        for other in self.names.of(name) {
            follow(fields, other, 0, &mut |value| {
                any = true;
                found(value);
            });
            if any {
                return;
            }
        }
    }

    /// The first value of a field as text; null and objects are none.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut first = None;
        self.each_value(name, &mut |value| {
            if first.is_none() {
                first = scalar(value);
            }
        });
        first
    }

    /// Every text in the event; of formats without structure the whole line too.
    pub fn each_text(&self, found: &mut dyn FnMut(&str)) {
        for value in self.event.fields.values() {
            each_string(value, 0, found);
        }
        if is_prose(self.event.class.format) {
            found(&String::from_utf8_lossy(self.line));
        }
    }
}

/// Formats whose lines a keyword may stand in across fields.
fn is_prose(format: Format) -> bool {
    matches!(
        format,
        Format::Cef
            | Format::CombinedLog
            | Format::FortiGate
            | Format::KeyValue
            | Format::Syslog
            | Format::Text
            | Format::W3c
    )
}

fn each_string(value: &Value, depth: usize, found: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => found(text),
        Value::Array(values) if depth < DEPTH_MAX => {
            values.iter().for_each(|value| each_string(value, depth + 1, found));
        }
        Value::Object(fields) if depth < DEPTH_MAX => {
            fields.values().for_each(|value| each_string(value, depth + 1, found));
        }
        _ => {}
    }
}

/// Follows a path from an object. A key that has dots itself goes before the path.
fn follow<'a>(fields: &'a Map<String, Value>, path: &str, depth: usize, found: &mut dyn FnMut(&'a Value)) {
    if let Some(value) = fields.get(path) {
        return found(value);
    }
    let Some((name, rest)) = path.split_once('.') else { return };
    if let Some(value) = fields.get(name) {
        follow_value(value, rest, depth + 1, found);
    }
}

fn follow_value<'a>(value: &'a Value, path: &str, depth: usize, found: &mut dyn FnMut(&'a Value)) {
    match value {
        Value::Object(fields) if depth < DEPTH_MAX => follow(fields, path, depth, found),
        Value::Array(values) if depth < DEPTH_MAX => {
            values.iter().for_each(|value| follow_value(value, path, depth + 1, found));
        }
        _ => {}
    }
}

/// A value as text: strings as they are, numbers and truth values as they are written.
pub fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(match number.as_i64() {
            Some(whole) => whole.to_string(),
            None => number.as_f64().unwrap_or(f64::NAN).to_string(),
        })),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
