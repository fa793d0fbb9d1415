// SPDX-License-Identifier: Apache-2.0
//! When a line of JSON happened, by the few members that tell it: the history asks each line that holds a value, and has
//! no use for the rest. What is answered is what reading the line into an event comes to, or that this is not clear.

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};
use model::time::Timestamp;
use model::zone::Zone;

use crate::time::{Members, epoch_time, iso_time, scalar, string};

use super::json::{Shape, TIME_KEYS};

/// The line must be read to know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unclear;

type Time = Result<Option<Timestamp>, Unclear>;

/// Most members that are looked at; every known name fits once.
const MEMBERS_MAX: usize = 48;

/// A text that is looked for in each line: one search each is several times as fast as one for all.
type Needle = LazyLock<Finder<'static>>;

static TIMESTAMP: Needle = LazyLock::new(|| Finder::new("\"timestamp\""));
static TS: Needle = LazyLock::new(|| Finder::new("\"ts\""));
static EVENT_TYPE: Needle = LazyLock::new(|| Finder::new("\"event_type\""));

/// Whether what tells the time of a line of Suricata's, or of Zeek's, comes once more; a letter of a key may be written as
/// an escape.
fn comes_again(rest: &[u8], time: &Needle) -> bool {
    let is_escaped = |at: usize| rest.get(at..).is_some_and(|rest| memmem::find(rest, b"\\u").is_some());
    memchr::memchr(b'\\', rest).is_some_and(is_escaped)
        || time.find(rest).is_some()
        || EVENT_TYPE.find(rest).is_some()
}

/// The members of an object that matter: key, and what begins with its value.
struct Found<'a> {
    members: [(&'a [u8], &'a [u8]); MEMBERS_MAX],
    count: usize,
}

/// The time of a line that is one object.
pub(super) fn time(line: &[u8], shape: Shape, zone: &Zone) -> Time {
    let inside = line.trim_ascii_start().strip_prefix(b"{").ok_or(Unclear)?;
    let mut found = Found { members: [(b"", b""); MEMBERS_MAX], count: 0 };
    for (key, value) in Members::of(inside) {
        if memchr::memchr(b'\\', key).is_some() {
            return Err(Unclear);
        }
        if is_known(key) {
            *found.members.get_mut(found.count).ok_or(Unclear)? = (key, value);
            found.count += 1;
            if found.is_told(key, value, shape) {
                break;
            }
        }
    }
    found.time(shape, zone)
}

/// Whether a member says when it was, or who wrote it.
fn is_known(key: &[u8]) -> bool {
    matches!(
        key,
        b"@timestamp"
            | b"timestamp"
            | b"time"
            | b"ts"
            | b"eventTime"
            | b"EventTime"
            | b"TimeGenerated"
            | b"createdDateTime"
            | b"CreationTime"
            | b"CreationDate"
            | b"published"
            | b"_time"
            | b"TimeCreated"
            | b"datetime"
            | b"date"
            | b"TimeCreated_SystemTime"
            | b"UtcTime"
            | b"EventReceivedTime"
            | b"activityDateTime"
            | b"__REALTIME_TIMESTAMP"
            | b"event_type"
            | b"_path"
            | b"Event"
            | b"winlog"
            | b"EventID"
            | b"Channel"
            | b"SourceName"
            | b"Provider_Name"
            | b"category"
            | b"properties"
            | b"userPrincipalName"
            | b"appId"
            | b"activityDisplayName"
            | b"Type"
            | b"Operation"
            | b"Workload"
            | b"RecordType"
            | b"eventType"
            | b"actor"
            | b"eventVersion"
            | b"eventSource"
            | b"eventName"
    )
}

impl<'a> Found<'a> {
    /// The last of a name counts, as it does where the line is read.
    fn get(&self, name: &str) -> Option<&'a [u8]> {
        let members = self.members.get(..self.count).unwrap_or_default();
        members.iter().rev().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| *value)
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn is(&self, name: &str, begins: u8) -> bool {
        self.get(name).is_some_and(|value| value.first() == Some(&begins))
    }

    fn at(&self, name: &str, zone: &Zone) -> Time {
        self.get(name).map_or(Ok(None), |value| time_of(value, zone))
    }

    /// The first of these members that holds a time.
    fn first(&self, names: &[&str], zone: &Zone) -> Time {
        for name in names {
            if let Some(time) = self.at(name, zone)? {
                return Ok(Some(time));
            }
        }
        Ok(None)
    }

    /// Whether nothing behind this member need be looked at: Suricata and Zeek have one place for the time, near the start.
    /// What tells it must not come again, as the last of a name counts.
    fn is_told(&self, key: &[u8], rest: &[u8], shape: Shape) -> bool {
        let time = match (shape, key) {
            (Shape::Suricata, b"timestamp" | b"event_type")
                if self.is("event_type", b'"') && self.has("timestamp") =>
            {
                &TIMESTAMP
            }
            (Shape::Zeek(_), b"ts") if !self.has("event_type") => &TS,
            _ => return false,
        };
        !comes_again(rest, time)
    }

    /// In the order in which `json::event` asks who wrote the line.
    fn time(&self, shape: Shape, zone: &Zone) -> Time {
        let (has, is_text) = (|name| self.has(name), |name| self.is(name, b'"'));
        if is_text("event_type") && has("timestamp") {
            return self.at("timestamp", zone);
        }
        if is_text("_path") || matches!(shape, Shape::Zeek(_)) && has("ts") {
            return self.at("ts", zone);
        }
        if let Some(event) = self.get("Event").filter(|event| event.first() == Some(&b'{')) {
            return time_of(system_time(event)?, zone);
        }
        if self.is("winlog", b'{') {
            return self.at("@timestamp", zone);
        }
        if has("EventID") && ["Channel", "SourceName", "Provider_Name"].into_iter().any(has) {
            return self.first(super::windows::TIMES, zone);
        }
        if is_text("category") && self.is("properties", b'{') {
            let told = self.first(&["time", "timestamp"], zone)?;
            return told.map(Some).ok_or(Unclear);
        }
        let name = if has("createdDateTime") && (has("userPrincipalName") || has("appId")) {
            "createdDateTime"
        } else if has("activityDateTime") && has("activityDisplayName") {
            "activityDateTime"
        } else if is_text("Type") && has("TimeGenerated") {
            "TimeGenerated"
        } else if has("Operation") && (has("Workload") || has("RecordType")) {
            return self.at("CreationTime", &Zone::UTC);
        } else if has("eventType") && has("published") && has("actor") {
            "published"
        } else if has("eventVersion") && has("eventSource") && has("eventName") {
            "eventTime"
        } else if has("__REALTIME_TIMESTAMP") {
            "__REALTIME_TIMESTAMP"
        } else {
            return self.first(TIME_KEYS, zone);
        };
        self.at(name, zone)
    }
}

/// `System.TimeCreated` of an event log's event, as its attribute is written.
fn system_time(event: &[u8]) -> Result<&[u8], Unclear> {
    let system = member(event, b"System")?.ok_or(Unclear)?;
    let attributes = match (member(system, b"TimeCreated")?, member(system, b"TimeCreated_attributes")?) {
        (Some(time), None) => member(time, b"#attributes")?,
        (None, attributes) => attributes,
        (Some(_), Some(_)) => None,
    };
    member(attributes.ok_or(Unclear)?, b"SystemTime")?.ok_or(Unclear)
}

/// A member of the object that begins here. What stands twice, or as an escape, is not clear.
fn member<'a>(object: &'a [u8], name: &[u8]) -> Result<Option<&'a [u8]>, Unclear> {
    let mut found = None;
    for (key, value) in Members::of(object.strip_prefix(b"{").ok_or(Unclear)?) {
        if memchr::memchr(b'\\', key).is_some() || key == name && found.replace(value).is_some() {
            return Err(Unclear);
        }
    }
    Ok(found)
}

/// The value that begins here as a time.
fn time_of(value: &[u8], zone: &Zone) -> Time {
    match string(value) {
        Some((text, _)) if memchr::memchr(b'\\', text).is_some() => Err(Unclear),
        Some((text, _)) => Ok(iso_time(text, zone).or_else(|| epoch_time(text))),
        None => match scalar(value) {
            [b'0'..=b'9', digits @ ..] if memchr::memchr2(b'e', b'E', digits).is_some() => Err(Unclear),
            number => Ok(epoch_time(number)),
        },
    }
}
