// SPDX-License-Identifier: Apache-2.0
//! Windows events, however they were brought into JSON: from an event log's XML, by Winlogbeat, flat by
//! NXLog and the like.

use model::time::Timestamp;
use serde_json::{Map, Value};

use crate::limits::{FIELDS_MAX, LIFT_DEPTH_MAX};
use crate::time::Clock;

use super::json::{after, string_after, time_at, time_of};
use super::windows_class::{class, class_from_parts};
use super::{Event, Format, SourceClass, Unread};

type Fields = Map<String, Value>;

/// Names that tell what an event is, and when it was: nothing that the event's own data says replaces them.
const TELLING: &[&str] = &[
    "Channel",
    "Computer",
    "EventID",
    "EventRecordID",
    "Provider_Name",
    "TimeCreated",
    "TimeCreated_SystemTime",
];

/// Where collectors that write one level put the time, the best first.
pub(super) const TIMES: &[&str] =
    &["TimeCreated_SystemTime", "@timestamp", "TimeCreated", "EventTime", "UtcTime", "EventReceivedTime"];

/// A Windows event, or the fields as they were.
pub(super) fn read(mut fields: Fields, clock: &Clock) -> Result<Result<Event, Fields>, Unread> {
    let is_system = |value: &Value| value.get("System").is_some_and(Value::is_object);
    if fields.get("Event").is_some_and(is_system) {
        let Some(Value::Object(event)) = fields.remove("Event") else { return Ok(Err(fields)) };
        return flatten(event, clock).map(Ok);
    }
    if fields.get("winlog").is_some_and(Value::is_object) {
        return beat(fields, clock).map(Ok);
    }
    let named = |name: &str| fields.contains_key(name);
    if named("EventID") && (named("Channel") || named("SourceName") || named("Provider_Name")) {
        return Ok(Ok(flat(fields, clock)));
    }
    Ok(Err(fields))
}

/// The class of a line by its bytes alone.
pub(super) fn class_of(line: &[u8]) -> Option<SourceClass> {
    let channel = string_after(line, b"\"Channel\":").or_else(|| string_after(line, b"\"channel\":"))?;
    let id = event_id_in(line);
    // What happened to a registry key stands in the event.
    class_from_parts(std::str::from_utf8(channel).ok()?, id?)
        .filter(|class| class.source.category != "registry_event")
}

/// The number behind `EventID`, also in its `#text`, or behind Winlogbeat's `event_id`.
fn event_id_in(line: &[u8]) -> Option<u32> {
    let value = after(line, b"\"EventID\":").or_else(|| after(line, b"\"event_id\":"))?;
    let value = match value.first()? {
        b'{' => after(value, b"\"#text\":")?,
        _ => value,
    };
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(value.get(..digits)?).ok()?.parse().ok()
}

// --- from XML ---

/// Makes one level of an event's tree: the children of `System` as they are named, attributes as
/// `Name_Attribute`, whatever `EventData`, `UserData` and others hold lifted.
fn flatten(event: Fields, clock: &Clock) -> Result<Event, Unread> {
    let mut flat = Fields::new();
    let mut parts = event;
    if let Some(Value::Object(system)) = parts.remove("System") {
        for (name, value) in system {
            child(&mut flat, name, value, 0);
        }
    }
    for (name, value) in parts {
        if !is_dropped(&name) {
            lift(&mut flat, name, value, 0);
        }
    }
    if flat.len() > FIELDS_MAX {
        return Err(Unread::TooManyFields);
    }
    let time = flat.get("TimeCreated_SystemTime").and_then(|value| time_of(value, clock));
    Ok(finish(flat, time))
}

/// Keys that belong to the writing of XML, not to the event.
fn is_dropped(name: &str) -> bool {
    name.starts_with('#') || name.ends_with("_attributes")
}

/// A child of `System`: its text under its name, its attributes behind it.
fn child(flat: &mut Fields, name: String, value: Value, depth: usize) {
    let Value::Object(mut parts) = value else {
        // Attributes that the converter keeps apart: `Provider_attributes`.
        if !is_dropped(&name) {
            put(flat, name, value);
        }
        return;
    };
    if let Some(name) = name.strip_suffix("_attributes") {
        return attributes(flat, name, parts);
    }
    if let Some(Value::Object(list)) = parts.remove("#attributes") {
        attributes(flat, &name, list);
    }
    if let Some(text) = parts.remove("#text") {
        put(flat, name, text);
    } else if depth < LIFT_DEPTH_MAX {
        for (name, value) in parts {
            child(flat, name, value, depth + 1);
        }
    }
}

fn attributes(flat: &mut Fields, name: &str, list: Fields) {
    for (attribute, value) in list {
        put(flat, format!("{name}_{attribute}"), value);
    }
}

/// Data of an event: what is nested comes up, however deep.
fn lift(flat: &mut Fields, name: String, value: Value, depth: usize) {
    let Value::Object(mut parts) = value else { return put(flat, name, value) };
    if depth >= LIFT_DEPTH_MAX {
        return put(flat, name, Value::Object(parts));
    }
    if let Some(name) = name.strip_suffix("_attributes") {
        return attributes(flat, name, parts);
    }
    if let Some(Value::Object(list)) = parts.remove("#attributes") {
        attributes(flat, &name, list);
    }
    if let Some(text) = parts.remove("#text") {
        put(flat, name, text);
    }
    for (name, value) in parts {
        if !name.starts_with('#') {
            lift(flat, name, value, depth + 1);
        }
    }
}

/// Puts a field, and once more without the spaces in its name: rules are written for either.
fn put(flat: &mut Fields, name: String, value: Value) {
    if TELLING.contains(&name.as_str()) && flat.contains_key(&name) {
        return;
    }
    if name.contains(' ') {
        let joined: String = name.split(' ').collect();
        if !TELLING.contains(&joined.as_str()) || !flat.contains_key(&joined) {
            flat.insert(joined, value.clone());
        }
    }
    flat.insert(name, value);
}

// --- by collectors ---

/// Winlogbeat and Elastic Agent: the event lies in `winlog`.
fn beat(mut fields: Fields, clock: &Clock) -> Result<Event, Unread> {
    let time = time_at(&fields, "@timestamp", clock);
    let Some(Value::Object(log)) = fields.get("winlog") else { return Err(Unread::Form) };
    let log = log.clone();
    const NAMES: &[(&str, &str)] = &[
        ("channel", "Channel"),
        ("event_id", "EventID"),
        ("provider_name", "Provider_Name"),
        ("computer_name", "Computer"),
        ("record_id", "EventRecordID"),
    ];
    for (theirs, name) in NAMES {
        if let Some(value) = log.get(*theirs) {
            fields.entry(*name).or_insert_with(|| number_of(value));
        }
    }
    for data in ["event_data", "user_data"] {
        if let Some(Value::Object(data)) = log.get(data) {
            for (name, value) in data.clone() {
                lift(&mut fields, name, value, 0);
            }
        }
    }
    if fields.len() > FIELDS_MAX {
        return Err(Unread::TooManyFields);
    }
    Ok(finish(fields, time))
}

/// NXLog and others: all in one level, some names of their own.
fn flat(mut fields: Fields, clock: &Clock) -> Event {
    const NAMES: &[(&str, &str)] =
        &[("SourceName", "Provider_Name"), ("ProviderName", "Provider_Name"), ("Hostname", "Computer")];
    for (theirs, name) in NAMES {
        if let Some(value) = fields.get(*theirs).cloned() {
            fields.entry(*name).or_insert(value);
        }
    }
    if let Some(id) = fields.get_mut("EventID") {
        *id = number_of(id);
    }
    let time = TIMES.iter().find_map(|name| time_at(&fields, name, clock));
    finish(fields, time)
}

/// Text of digits as a number: some collectors quote the event's number.
fn number_of(value: &Value) -> Value {
    match value.as_str().and_then(|text| text.parse::<u32>().ok()) {
        Some(number) => Value::from(number),
        None => value.clone(),
    }
}

fn finish(mut fields: Fields, time: Option<Timestamp>) -> Event {
    if let Some(id) = fields.get_mut("EventID") {
        *id = number_of(id);
    }
    let class = SourceClass { format: Format::Json, ..class(&fields) };
    Event { time, class, fields, ..Event::default() }
}
