// SPDX-License-Identifier: Apache-2.0
//! The detectors: on what the generator makes, and on single stories.

mod gate;

use std::sync::Arc;

use hunt::detection::Detection;
use hunt::detector::{Detectors, Options, PlaceFiles};
use hunt::event::{Event, Format, Place, SourceClass, SourceKind};
use hunt::time::line_time;
use loggen::{Family, Firm, Line};
use model::time::Timestamp;
use serde_json::{Map, Value};

/// Options with the generator's places.
pub fn options(firm: &Firm) -> Options {
    let mut places = PlaceFiles::default();
    places.add("places.mmdb", firm.places()).unwrap();
    Options { places: Some(Arc::new(places)), ..Options::default() }
}

/// A line as the event that a reader makes of it.
pub fn event(line: &Line, nth: u64) -> Event {
    let text = line.text.as_str();
    let (fields, kind, format) = match line.family {
        Family::Entra | Family::Okta | Family::Windows => {
            (json(text), SourceKind::Authentication, Format::Json)
        }
        Family::EntraAudit => (json(text), SourceKind::Audit, Format::Json),
        Family::Vpn => (pairs(text), SourceKind::Vpn, Format::FortiGate),
        Family::Mail => (syslog(text), SourceKind::Authentication, Format::Syslog),
        Family::Web => (combined(text), SourceKind::WebServer, Format::CombinedLog),
        Family::Http => (zeek(line.family, text), SourceKind::Proxy, Format::ZeekTsv),
        Family::Dns => (zeek(line.family, text), SourceKind::Dns, Format::ZeekTsv),
        Family::Smb => (zeek(line.family, text), SourceKind::File, Format::ZeekTsv),
    };
    let class = SourceClass { kind, format, ..SourceClass::default() };
    let time = match line.family {
        Family::Vpn => Some(Timestamp::from_micros(
            fields["eventtime"].as_str().unwrap().parse::<i64>().unwrap() / 1_000,
        )),
        Family::Okta => Some(Timestamp::parse(fields["published"].as_str().unwrap()).unwrap()),
        Family::EntraAudit => Some(Timestamp::parse(fields["activityDateTime"].as_str().unwrap()).unwrap()),
        _ => line_time(text.as_bytes()),
    };
    Event { place: Place { line: nth, offset: 0 }, time, class, fields }
}

fn json(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap()
}

fn pairs(text: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        fields.insert(key.trim().to_owned(), value.into());
        rest = next;
    }
    fields
}

fn syslog(text: &str) -> Map<String, Value> {
    let message = text.splitn(8, ' ').nth(7).unwrap();
    Map::from_iter([("program".to_owned(), "dovecot".into()), ("message".to_owned(), message.into())])
}

fn combined(text: &str) -> Map<String, Value> {
    let words: Vec<&str> = text.split(' ').collect();
    let agent = text.rsplit('"').nth(1).unwrap();
    let status = text.split("\" ").nth(1).unwrap().split(' ').next().unwrap();
    Map::from_iter([
        ("c-ip".to_owned(), words[0].into()),
        ("cs-username".to_owned(), words[2].into()),
        ("sc-status".to_owned(), status.parse::<u64>().unwrap().into()),
        ("cs-user-agent".to_owned(), agent.into()),
    ])
}

fn zeek(family: Family, text: &str) -> Map<String, Value> {
    let names = family.header().lines().find_map(|l| l.strip_prefix("#fields\t")).unwrap();
    let pairs = names.split('\t').zip(text.split('\t')).filter(|(_, value)| *value != "-");
    pairs.map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

/// Lets detectors see lines, as of one file for each log and day.
pub fn observe(detectors: &mut Detectors, lines: &[Line], date: &str, found: &mut Vec<Detection>) {
    for (nth, line) in lines.iter().enumerate() {
        let name = Family::ALL.iter().find(|(family, ..)| *family == line.family).unwrap().1;
        let event = event(line, nth as u64 + 1);
        if Detectors::needs(&event.class) {
            detectors.observe(&event, &line.text, &format!("{name}-{date}"), &mut |d| found.push(d));
        }
    }
}
