// SPDX-License-Identifier: Apache-2.0
//! When a line of JSON happened, by the few members that tell it: the history asks each line that holds a value, and has
//! no use for the rest. What is answered is what reading the line into an event comes to, or that this is not clear.

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

/// The members of an object that matter: key, and what begins with its value.
struct Found<'a> {
    members: [(&'a [u8], &'a [u8]); MEMBERS_MAX],
    count: usize,
}

/// The time of a line that is one object.
pub(super) fn time(line: &[u8], shape: Shape, zone: &Zone) -> Time {
    let inside = line.trim_ascii_start().strip_prefix(b"{").ok_or(Unclear)?;
    // These two have one place for it, near the start: nothing behind it is looked at.
    let only: Option<&[u8]> = match shape {
        Shape::Suricata => Some(b"timestamp"),
        Shape::Zeek(_) => Some(b"ts"),
        _ => None,
    };
    let mut found = Found { members: [(b"", b""); MEMBERS_MAX], count: 0 };
    for (key, value) in Members::of(inside) {
        if Some(key) == only
            && let Ok(Some(time)) = time_of(value, zone)
        {
            return Ok(Some(time));
        }
        if key == b"Event"
            && let Some(time) = system_time(value)
        {
            return time_of(time, zone);
        }
        if memchr::memchr(b'\\', key).is_some() {
            return Err(Unclear);
        }
        if is_known(key) {
            *found.members.get_mut(found.count).ok_or(Unclear)? = (key, value);
            found.count += 1;
        }
    }
    found.time(zone)
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

    /// In the order in which `json::event` asks who wrote the line.
    fn time(&self, zone: &Zone) -> Time {
        let (has, is_text) = (|name| self.has(name), |name| self.is(name, b'"'));
        if is_text("event_type") && has("timestamp") {
            return self.at("timestamp", zone);
        }
        if is_text("_path") {
            return self.at("ts", zone);
        }
        if self.is("Event", b'{') {
            return Err(Unclear);
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
fn system_time(event: &[u8]) -> Option<&[u8]> {
    let system = member(event, b"System")?;
    let attributes = member(system, b"TimeCreated")
        .and_then(|time| member(time, b"#attributes"))
        .or_else(|| member(system, b"TimeCreated_attributes"))?;
    member(attributes, b"SystemTime")
}

/// A member of the object that begins here.
fn member<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    Members::of(object.strip_prefix(b"{")?).find(|(key, _)| *key == name).map(|(_, value)| value)
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
