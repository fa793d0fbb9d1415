// SPDX-License-Identifier: Apache-2.0
//! Events: lines of a log, read into fields.
//!
//! The scan finds bytes; what a line *means* is told by its event. An indicator's hit becomes a finding, a rule
//! matches, a detector counts only on events. Fields keep the names that the log's own format gives them,
//! because rules are written for those.

mod cef;
mod class;
mod cloud;
mod code;
mod json;
mod network;
mod pairs;
mod program;
mod reader;
mod syslog;
mod table;
mod text;
mod unread;
mod w3c;
mod web;
mod when;
mod windows;
mod windows_class;
mod zeek;

use model::time::Timestamp;
use serde_json::{Map, Value};

pub use class::{Format, LogSource, SourceClass, SourceKind, SourceKinds, kinds_shown};
pub(crate) use reader::Rewriting;
pub use reader::{BlockReader, Read, Reader, count_years};
pub(crate) use table::separator_of_table;
pub use unread::{Unread, UnreadLines};

/// Where in a log an event stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the line, or of the record in a binary log, from 1.
    pub line: u64,
    /// Offset of its first byte in the unpacked stream.
    pub offset: u64,
}

/// A line of a log as fields.
///
/// ```
/// use hunt::event::Event;
///
/// let mut event = Event::default();
/// event.fields = serde_json::from_str(r#"{"id": {"orig_h": "192.0.2.7"}, "user": "a"}"#).unwrap();
/// assert_eq!(event.text("user").as_deref(), Some("a"));
/// assert_eq!(event.text("id.orig_h").as_deref(), Some("192.0.2.7"), "a dot leads into an object");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// Where it stands.
    pub place: Place,
    /// When it happened, in UTC; `None` if the line does not tell.
    pub time: Option<Timestamp>,
    /// What kind of log it is from.
    pub class: SourceClass,
    /// Its fields. Nested objects stay nested.
    pub fields: Map<String, Value>,
}

impl Event {
    /// A field by its name: as it stands, or else by a path of names with dots between.
    pub fn field(&self, name: &str) -> Option<&Value> {
        if let Some(value) = self.fields.get(name) {
            return Some(value);
        }
        let mut names = name.split('.');
        let mut value = self.fields.get(names.next()?)?;
        for name in names {
            value = value.as_object()?.get(name)?;
        }
        Some(value)
    }

    /// A field as text: strings as they are, numbers and truth values as they are written. Empty text, `-` and
    /// null say that the field is not there.
    pub fn text(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        match self.field(name)? {
            Value::String(text) if text.is_empty() || text == "-" => None,
            Value::String(text) => Some(text.as_str().into()),
            Value::Number(number) => Some(number.to_string().into()),
            Value::Bool(truth) => Some(if *truth { "true" } else { "false" }.into()),
            Value::Array(_) | Value::Null | Value::Object(_) => None,
        }
    }
}

/// Text up to `end`, and what follows it. A backslash before one of `escaped` is undone; before anything else it stays.
fn text_until<'a>(text: &'a str, end: char, escaped: &[char]) -> Option<(String, &'a str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == end => return Some((value, text.get(at + c.len_utf8()..)?)),
            '\\' => match chars.next()?.1 {
                c if escaped.contains(&c) => value.push(c),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    None
}
