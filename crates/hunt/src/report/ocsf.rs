// SPDX-License-Identifier: Apache-2.0
//! OCSF 1.3.0 Detection Finding (class 2004), one event a line. `docs/report.md` has the mapping.

use std::io::{self, Write};
use std::net::IpAddr;

use model::id::hex;
use model::observable::ObservableKind;
use model::time::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::advice::{advice, title};
use super::group::about;
use super::lines::{json_line, means_name};
use super::summary::{Hit, Summary};
use super::words::kind_name;
use crate::detection::{Detection, Level, Means};

/// Version of the schema.
const SCHEMA_VERSION: &str = "1.3.0";
/// Detection Finding.
const CLASS: u64 = 2004;
/// Findings.
const CATEGORY: u64 = 2;
/// A finding was created.
const ACTIVITY_CREATE: u64 = 1;
/// `status_id`: new, not looked at.
const STATUS_NEW: u64 = 1;

/// Writes findings and detections as OCSF events.
pub fn ocsf(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    for hit in &summary.hits {
        json_line(&finding(summary, hit), out)?;
    }
    summary.detections.iter().try_for_each(|d| json_line(&detection(summary, d), out))
}

fn event(summary: &Summary, severity: Level, info: Value) -> Map<String, Value> {
    let (severity_id, severity) = severity_of(severity);
    let Value::Object(event) = json!({
        "activity_id": ACTIVITY_CREATE,
        "activity_name": "Create",
        "category_uid": CATEGORY,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "type_uid": CLASS * 100 + ACTIVITY_CREATE,
        "type_name": "Detection Finding: Create",
        "severity_id": severity_id,
        "severity": severity,
        "status_id": STATUS_NEW,
        "status": "New",
        "time": millis(summary.made),
        "metadata": {
            "version": SCHEMA_VERSION,
            "product": { "name": "Polder", "vendor_name": "Polder", "version": env!("CARGO_PKG_VERSION") },
        },
        "finding_info": info,
    }) else {
        return Map::new();
    };
    event
}

fn finding(summary: &Summary, hit: &Hit) -> Value {
    let finding = &hit.finding;
    let facts = summary.facts(&finding.indicator);
    let place = format!("{}\n{}\n{}\n{}", finding.file, finding.offset, finding.indicator, finding.value);
    let info = json!({
        "uid": uid("finding", &place),
        "title": title(hit, &facts.name),
        "desc": format!("an indicator was seen in line {} of {}", finding.line, finding.file),
        "created_time": millis(summary.made),
        "first_seen_time": finding.time.map(millis),
        "last_seen_time": finding.time.map(millis),
        "data_sources": [kind_name(hit.source)],
        "types": ["indicator"],
        // An exact value on a list is a rule of the simplest sort.
        "analytic": { "type_id": 1, "type": "Rule", "uid": finding.indicator, "name": facts.name },
    });
    let mut event = event(summary, Level::High, without_nulls(info));
    let (type_id, type_name) = observable_type(finding.kind);
    event.insert("message".to_owned(), json!(title(hit, &facts.name)));
    let mut observables = vec![observable("evidences[].data.value", type_id, type_name, &finding.value)];
    observables.extend(hit.host.iter().map(|host| observable("device.hostname", 1, "Hostname", host)));
    observables.extend(hit.account.iter().map(|a| observable("evidences[].user.name", 4, "User Name", a)));
    event.insert("observables".to_owned(), Value::Array(observables));
    let mut evidence = Map::new();
    evidence.insert(
        "data".to_owned(),
        json!({
            "file": finding.file, "line": finding.line, "offset": finding.offset, "text": finding.text,
            "kind": finding.kind.name(), "value": finding.value,
        }),
    );
    if let Some(account) = &hit.account {
        evidence.insert("user".to_owned(), json!({ "name": account }));
    }
    event.insert("evidences".to_owned(), json!([evidence]));
    if let Some(host) = &hit.host {
        put_device(&mut event, host);
    }
    event.insert("remediation".to_owned(), json!({ "desc": advice(finding.kind) }));
    event.insert(
        "unmapped".to_owned(),
        json!({ "marking": facts.marking.to_string(), "author": facts.author, "kept": hit.kept }),
    );
    Value::Object(event)
}

fn detection(summary: &Summary, detection: &Detection) -> Value {
    let key = format!("{}\n{:?}\n{:?}\n{:?}", detection.id, detection.first, detection.last, detection.about);
    let (type_id, type_name) = match detection.means {
        Means::Detector => (2, "Behavioral"),
        Means::Pattern | Means::Rule => (1, "Rule"),
    };
    let attacks: Vec<Value> = detection.techniques.iter().map(|id| attack(id)).collect();
    let info = json!({
        "uid": uid("detection", &key),
        "title": detection.title,
        "desc": detection.threshold,
        "created_time": millis(summary.made),
        "first_seen_time": detection.first.map(millis),
        "last_seen_time": detection.last.map(millis),
        "data_sources": [kind_name(detection.source)],
        "types": [means_name(detection.means)],
        "analytic": { "type_id": type_id, "type": type_name, "uid": detection.id, "name": detection.title },
        "attacks": attacks,
    });
    let mut event = event(summary, detection.level, without_nulls(info));
    event.insert("message".to_owned(), json!(detection.title));
    event.insert("count".to_owned(), json!(detection.count.max(1)));
    for (member, time) in [("start_time", detection.first), ("end_time", detection.last)] {
        if let Some(time) = time {
            event.insert(member.to_owned(), json!(millis(time)));
        }
    }
    let (subjects, observables): (Vec<Value>, Vec<Value>) = subjects(detection).unzip();
    if !observables.is_empty() {
        event.insert("observables".to_owned(), Value::Array(observables));
    }
    let evidences: Vec<Value> = detection
        .evidence
        .iter()
        .map(|e| json!({ "data": { "file": e.file, "line": e.place.line, "offset": e.place.offset, "text": e.text } }))
        .chain(subjects)
        .collect();
    if !evidences.is_empty() {
        event.insert("evidences".to_owned(), Value::Array(evidences));
    }
    if let Some(host) = about(detection, "host").next() {
        put_device(&mut event, host);
    }
    if !detection.advice.is_empty() {
        event.insert("remediation".to_owned(), json!({ "desc": detection.advice }));
    }
    event.insert(
        "unmapped".to_owned(),
        json!({
            "marking": summary.marking_of(detection).to_string(), "baseline": detection.baseline,
            "disproof": detection.disproof, "credit": detection.credit,
        }),
    );
    Value::Object(event)
}

/// Whom a detection is about: each as an artefact, and the observable that points to it.
fn subjects(detection: &Detection) -> impl Iterator<Item = (Value, Value)> {
    let hosts = about(detection, "host").map(|host| {
        (json!({ "device": device(host) }), observable("evidences[].device.hostname", 1, "Hostname", host))
    });
    // What a log calls an address may be a name.
    let addresses = about(detection, "address").map(|text| match text.parse::<IpAddr>() {
        Ok(_) => (
            json!({ "src_endpoint": { "ip": text } }),
            observable("evidences[].src_endpoint.ip", 2, "IP Address", text),
        ),
        Err(_) => (
            json!({ "src_endpoint": { "hostname": text } }),
            observable("evidences[].src_endpoint.hostname", 1, "Hostname", text),
        ),
    });
    let accounts = about(detection, "account").map(|name| {
        (json!({ "user": { "name": name } }), observable("evidences[].user.name", 4, "User Name", name))
    });
    hosts.chain(addresses).chain(accounts)
}

fn device(hostname: &str) -> Value {
    json!({ "hostname": hostname, "type_id": 0, "type": "Unknown" })
}

/// An own host that the event is about. The class has that member by a profile alone, which must be named.
fn put_device(event: &mut Map<String, Value>, hostname: &str) {
    event.insert("device".to_owned(), device(hostname));
    if let Some(Value::Object(metadata)) = event.get_mut("metadata") {
        metadata.insert("profiles".to_owned(), json!(["host"]));
    }
}

/// A technique of ATT&CK; one with a dot is a sub-technique.
fn attack(id: &str) -> Value {
    match id.split_once('.') {
        Some((technique, _)) => {
            json!({ "technique": { "uid": technique }, "sub_technique": { "uid": id } })
        }
        None => json!({ "technique": { "uid": id } }),
    }
}

fn observable(name: &str, type_id: u64, type_name: &str, value: &str) -> Value {
    json!({ "name": name, "type_id": type_id, "type": type_name, "value": value })
}

fn severity_of(level: Level) -> (u64, &'static str) {
    match level {
        Level::Informational => (1, "Informational"),
        Level::Low => (2, "Low"),
        Level::Medium => (3, "Medium"),
        Level::High => (4, "High"),
        Level::Critical => (5, "Critical"),
    }
}

/// `type_id` of an observable; 99 where the schema has no type for it.
fn observable_type(kind: ObservableKind) -> (u64, &'static str) {
    match kind {
        ObservableKind::Account => (4, "User Name"),
        ObservableKind::Cidr => (12, "Subnet"),
        ObservableKind::Domain => (1, "Hostname"),
        ObservableKind::Email => (5, "Email Address"),
        ObservableKind::Ip => (2, "IP Address"),
        ObservableKind::Ja3 => (99, "JA3"),
        ObservableKind::Ja4 => (99, "JA4"),
        ObservableKind::Md5
        | ObservableKind::Sha1
        | ObservableKind::Sha256
        | ObservableKind::Sha384
        | ObservableKind::Sha512 => (8, "Hash"),
        ObservableKind::Url => (6, "URL String"),
        ObservableKind::UserAgent => (16, "HTTP User-Agent"),
    }
}

/// The same finding has the same id in every report.
fn uid(what: &str, key: &str) -> String {
    let hash = Sha256::new().chain_update(what).chain_update("\n").chain_update(key).finalize();
    hex(hash.get(..16).unwrap_or_default())
}

/// OCSF's `timestamp_t`: milliseconds since 1970.
fn millis(time: Timestamp) -> i64 {
    time.micros().div_euclid(1_000)
}

/// Members without a value are left out: the schema knows no null.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().filter(|(_, v)| !v.is_null() && *v != json!([])).collect(),
        other => other,
    }
}
