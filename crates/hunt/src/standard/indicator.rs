// SPDX-License-Identifier: Apache-2.0
//! STIX 2.1 indicators (section 4.7), in and out.

use memchr::memmem;
use model::diagnostic::Diagnostic;
use model::id::is_stix_id;
use model::limits::ID_BYTES_MAX;
use model::observable::{Observable, ObservableKind};
use model::stix::{Item, Splitter};
use model::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::marks::Marks;
use super::millis;
use super::pattern::{Compiled, compile};
use crate::confirm::condition::read_conditions;
use crate::indicator::{Indicator, Mode, Reading, excerpt, too_wide};
use crate::limits::{INDICATOR_BYTES_MAX, LIST_BYTES_MAX, LIST_ENTRIES_MAX};
use crate::pattern::{Matcher, PatternIndicator};

/// Namespace of the ids of imported indicators. Drawn once at random, never changed: the same entry must
/// become the same object on every node.
const NAMESPACE: Uuid = Uuid::from_u128(0x6c1f_0d2e_93a5_5b47_8d0e_2f6b_a417_c9d3);

/// Reads one STIX object: the values of an `indicator` that is not revoked, nothing of any other object.
/// Diagnostics: see [`read_object`].
pub fn read_indicator(bytes: &[u8]) -> (Vec<Indicator>, Vec<Diagnostic>) {
    let reading = read_object(bytes);
    (reading.indicators, reading.diagnostics)
}

/// Reads one STIX object: the values, the pattern and the conditions of an `indicator` that is not revoked,
/// nothing of any other object. Diagnostics: `not-json`, `pattern-not-supported`,
/// `pattern-part-not-supported`, `network-too-wide`, `public-suffix`, `condition-not-understood`.
pub fn read_object(bytes: &[u8]) -> Reading {
    let mut reading = Reading::default();
    match serde_json::from_slice::<Value>(bytes) {
        Ok(object) => {
            read_value(&object, "indicator", &mut reading);
        }
        Err(error) => reading.refuse(not_json("indicator", &error)),
    }
    reading
}

/// Reads a bundle, or a TAXII envelope, or a single object: its indicators, and what it says of their markings. `name`
/// is the file's.
pub fn read_bundle(bytes: &[u8], name: &str) -> Reading {
    let mut reading = Reading::default();
    if bytes.len() > LIST_BYTES_MAX {
        let what = format!("the bundle has more than {LIST_BYTES_MAX} bytes");
        reading.refuse(Diagnostic::error("list-too-large", name, what).with_fix("split it"));
        return reading;
    }
    let marks = Marks::of(bytes);
    let mut splitter = Splitter::new(bytes);
    // Reading from memory does not fail.
    while let Ok(Some(item)) = splitter.next_item() {
        let place = format!("{name} object {}", splitter.objects());
        match item {
            Item::Object(object) if memmem::find(&object, b"indicator").is_some() => {
                if reading.indicators.len() + reading.patterns.len() >= LIST_ENTRIES_MAX {
                    let what = format!("more than {LIST_ENTRIES_MAX} indicators; the rest is not read");
                    reading.refuse(Diagnostic::error("list-too-long", name, what).with_fix("split it"));
                    break;
                }
                if object.len() > INDICATOR_BYTES_MAX {
                    let what = format!("more than {INDICATOR_BYTES_MAX} bytes");
                    reading.refuse(Diagnostic::error("object-too-large", place, what).with_fix("split it"));
                    continue;
                }
                match serde_json::from_slice::<Value>(&object) {
                    Ok(object) => {
                        if let Some(id) = read_value(&object, &place, &mut reading)
                            && let Some((marking, refs)) = marks.said(&object, splitter.objects())
                        {
                            reading.markings.add(&id, marking, refs);
                        }
                    }
                    Err(error) => reading.refuse(not_json(&place, &error)),
                }
            }
            Item::Object(_) | Item::Drafts(_) | Item::Markings(_) => {}
            Item::Bad { diagnostic, .. } => reading.refuse(diagnostic),
        }
    }
    reading
}

fn not_json(place: &str, error: &serde_json::Error) -> Diagnostic {
    Diagnostic::error("not-json", place, format!("it is not JSON: {error}"))
}

/// The id under which an object's values are hunted for. It is never like the entry of a list: of an object without an
/// id of its own, or with one that is none, nobody knows who may see it either ([`crate::report::is_of_object`]).
fn object_id(id: &str) -> String {
    let lower = id.to_ascii_lowercase();
    if is_stix_id(id) {
        id.to_owned()
    } else if is_stix_id(&lower) {
        // A UUID is the same in capitals; one spelling for one id.
        lower
    } else {
        format!("indicator--{id}")
    }
}

/// Answers the id of what was taken.
fn read_value(object: &Value, place: &str, reading: &mut Reading) -> Option<String> {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let revoked = object.get("revoked").and_then(Value::as_bool).unwrap_or(false);
    if text("type") != Some("indicator") || revoked {
        return None;
    }
    // A longer one is none, and would end up in messages.
    let place = text("id").filter(|id| id.len() <= ID_BYTES_MAX).unwrap_or(place).to_owned();
    // STIX 2.0 has no `pattern_type`: its patterns are STIX patterns.
    let pattern_type = text("pattern_type").unwrap_or("stix");
    let Some(pattern) = text("pattern") else {
        reading.refuse(Diagnostic::error("pattern-missing", place, "the indicator has no pattern"));
        return None;
    };
    if pattern_type != "stix" {
        let pattern_type = excerpt(pattern_type);
        let what = format!("a pattern of type `{pattern_type}` cannot be matched against a raw log");
        reading.refuse(Diagnostic::error("pattern-not-supported", place, what));
        return None;
    }
    let Compiled { wanted, rest, bad } = match compile(pattern) {
        Ok(compiled) => compiled,
        Err(error) => {
            reading.refuse(Diagnostic::error("pattern-not-supported", place, error.to_string()));
            return None;
        }
    };
    let id = object_id(&place);
    let mut lost: Vec<Diagnostic> = bad.iter().map(|error| part_lost(&place, error)).collect();
    let time = |key: &str| text(key).and_then(|t| Timestamp::parse(t).ok());
    let (valid_from, valid_until) = (time("valid_from"), time("valid_until"));
    let name = text("name").unwrap_or_default().to_owned();
    let mut indicators = Vec::with_capacity(wanted.len());
    for (observable, mode) in wanted {
        match too_wide(&observable, mode) {
            Some((code, what)) => lost.push(Diagnostic::error(code, place.clone(), what)),
            None => {
                let (id, name) = (id.clone(), name.clone());
                indicators.push(Indicator { id, observable, mode, name, valid_from, valid_until });
            }
        }
    }
    let mut patterns = Vec::new();
    if let Some(pattern) = rest {
        match Matcher::new(&pattern) {
            Ok(_) => {
                patterns.push(PatternIndicator { id: id.clone(), name, pattern, valid_from, valid_until })
            }
            Err(error) => lost.push(part_lost(&place, &error)),
        }
    }
    if indicators.is_empty() && patterns.is_empty() {
        let whole = |d: Diagnostic| match d.code {
            "pattern-part-not-supported" => Diagnostic::error("pattern-not-supported", d.place, d.message),
            _ => d,
        };
        // A pattern of nothing at all is refused by the parser.
        if let Some(diagnostic) = lost.into_iter().next().map(whole) {
            reading.refuse(diagnostic);
        }
        return None;
    }
    lost.into_iter().for_each(|diagnostic| reading.note(diagnostic));
    let (conditions, not_understood) = read_conditions(object, &id);
    not_understood.into_iter().for_each(|diagnostic| reading.note(diagnostic));
    reading.conditions.extend(conditions);
    reading.patterns.extend(patterns);
    reading.take(indicators);
    Some(id)
}

fn part_lost(id: &str, error: &dyn std::fmt::Display) -> Diagnostic {
    Diagnostic::warning("pattern-part-not-supported", id, error.to_string())
        .with_fix("the other alternatives are hunted for")
}

/// Who imports a list, and when.
#[derive(Clone, Copy, Debug)]
pub struct IndicatorAuthor<'a> {
    /// STIX id of the importer's identity: `created_by_ref`.
    pub identity: &'a str,
    /// Time of the import: `created`, `modified` and, unless the indicator knows better, `valid_from`.
    pub now: Timestamp,
}

/// The STIX 2.1 indicator of an entry of a list, as JSON bytes. A pattern made here compiles back to the same
/// value and mode. Whose list it was and where it lay on this machine is nobody else's.
pub fn indicator_object(indicator: &Indicator, id: &str, author: &IndicatorAuthor<'_>) -> Vec<u8> {
    let now = millis(author.now);
    let mut object = json!({
        "type": "indicator",
        "spec_version": "2.1",
        "id": id,
        "created_by_ref": author.identity,
        "created": now,
        "modified": now,
        "name": indicator.observable.display(),
        "indicator_types": ["malicious-activity"],
        "pattern": pattern(&indicator.observable, indicator.mode),
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": indicator.valid_from.map_or(now.clone(), millis),
    });
    if let Some(until) = indicator.valid_until {
        object["valid_until"] = Value::from(millis(until));
    }
    object.to_string().into_bytes()
}

/// What an entry of a list is, whatever list it stands in: `kind NUL canonical NUL mode`.
pub fn indicator_name(observable: &Observable, mode: Mode) -> Vec<u8> {
    let mut name = observable.kind().name().as_bytes().to_vec();
    name.push(0);
    name.extend_from_slice(observable.canonical());
    name.extend_from_slice(&[0, mode.code() as u8]);
    name
}

/// An id that follows from `secret`, a keyed hash of [`indicator_name`], alone: the same entry of two imports
/// is one object, and nobody without the key finds the value of an id. It has the form of a UUIDv4, which
/// STIX 2.1 section 2.9 asks of what has no deterministic id by the standard.
pub fn indicator_id(secret: [u8; 32]) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&secret[..16]);
    format!("indicator--{}", uuid::Builder::from_random_bytes(bytes).into_uuid())
}

/// The id of earlier programs: UUIDv5 in Polder's namespace over [`indicator_name`]. Anybody can compute it
/// from a value that he guesses, so a record that names it tells the value.
pub fn guessable_indicator_id(observable: &Observable, mode: Mode) -> String {
    format!("indicator--{}", Uuid::new_v5(&NAMESPACE, &indicator_name(observable, mode)))
}

fn pattern(observable: &Observable, mode: Mode) -> String {
    let path = observable.stix_path();
    let value = quote(&observable.display());
    match (observable.kind(), mode) {
        (ObservableKind::Domain, Mode::WithSubdomains) => {
            format!("[{path} = '{value}' OR {path} LIKE '%.{value}']")
        }
        (ObservableKind::Cidr, _) => format!("[{path} ISSUBSET '{value}']"),
        // The scheme is not part of the canonical form, and others compare strings.
        (ObservableKind::Url, _) => format!("[{path} = 'http://{value}' OR {path} = 'https://{value}']"),
        _ => format!("[{path} = '{value}']"),
    }
}

/// A value inside a string literal of a pattern (STIX 2.1 section 9.4).
fn quote(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\'', "\\'")
}
