// SPDX-License-Identifier: Apache-2.0
//! Observations: what a pattern is matched against, as observed-data of STIX 2.0 (part 2 section 2.9) and
//! 2.1 (section 4.14).

use std::collections::BTreeMap;

use model::time::Timestamp;
use serde_json::{Map, Value};

use super::lex::is_time;
use crate::indicator::excerpt;
use crate::limits::{OBSERVED_DATA_BYTES_MAX, OBSERVED_DATA_MAX};

/// What was observed at one time: cyber-observable objects by the ids under which they refer to each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The objects.
    pub objects: BTreeMap<String, Value>,
    /// Beginning of the time in which it was observed.
    pub first: Timestamp,
    /// Its end.
    pub last: Timestamp,
    /// How often, at least once.
    pub number: u64,
}

/// An observation with the id of its observed-data object; empty in STIX 2.0 where none is given.
pub type NamedObservation = (String, Observation);

/// Observed data that cannot be matched against.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ObservedError {
    /// It is not JSON.
    #[error("the observed data is not JSON: {0}")]
    NotJson(String),
    /// A limit is passed.
    #[error("the observed data has more than {limit} {what}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// A property is missing or is not what the standard says.
    #[error("{place}: {property} {problem}")]
    Property {
        /// Which object.
        place: String,
        /// Which property.
        property: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
}

/// Types that are objects of the ledger rather than of an observation; a pattern does not see them.
const NO_OBSERVABLES: &[&str] = &[
    "attack-pattern",
    "bundle",
    "campaign",
    "course-of-action",
    "extension-definition",
    "grouping",
    "identity",
    "incident",
    "indicator",
    "infrastructure",
    "intrusion-set",
    "language-content",
    "location",
    "malware",
    "malware-analysis",
    "marking-definition",
    "note",
    "observed-data",
    "opinion",
    "relationship",
    "report",
    "sighting",
    "threat-actor",
    "tool",
    "vulnerability",
];

/// Reads observed data: one or a list of observed-data objects of STIX 2.0, or bundles of STIX 2.1 whose
/// observed-data objects name others by `object_refs`, also of another bundle of the list.
///
/// ```
/// let observed = br#"{"type":"observed-data","first_observed":"2024-01-31T08:30:00Z",
///   "last_observed":"2024-01-31T08:30:00Z","number_observed":1,"objects":{"0":{"type":"url","value":"http://a.example/"}}}"#;
/// assert_eq!(hunt::pattern::read_observed(observed).unwrap().len(), 1);
/// ```
pub fn read_observed(bytes: &[u8]) -> Result<Vec<NamedObservation>, ObservedError> {
    if bytes.len() > OBSERVED_DATA_BYTES_MAX {
        return Err(ObservedError::TooLarge { what: "bytes", limit: OBSERVED_DATA_BYTES_MAX });
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let value: Value = serde_json::from_slice(bytes).map_err(|e| ObservedError::NotJson(e.to_string()))?;
    let parts = match value {
        Value::Array(parts) => parts,
        one => vec![one],
    };
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for part in parts {
        let Value::Object(mut object) = part else {
            return Err(property("the list", "its elements", "are not all objects"));
        };
        let objects = object.remove("objects");
        match (text(&object, "type"), objects) {
            (Some("bundle"), Some(Value::Array(objects))) => new.extend(objects),
            (Some("bundle"), _) => return Err(property("bundle", "objects", "is missing or no list")),
            (_, Some(Value::Object(objects))) => old.push((object, objects)),
            (_, _) => new.push(Value::Object(object)),
        }
    }
    if old.len() + new.len() > OBSERVED_DATA_MAX {
        return Err(ObservedError::TooLarge { what: "objects", limit: OBSERVED_DATA_MAX });
    }
    let mut read = Vec::with_capacity(old.len());
    for (nth, (object, objects)) in old.into_iter().enumerate() {
        let place = text(&object, "id").map_or_else(|| format!("observed-data {}", nth + 1), str::to_owned);
        let name = text(&object, "id").unwrap_or_default().to_owned();
        read.push((name, observation(&object, objects.into_iter().collect(), &place)?));
    }
    read.extend(of_bundles(new)?);
    Ok(read)
}

/// Observations of STIX 2.1: each observed-data object with the objects that it refers to.
fn of_bundles(objects: Vec<Value>) -> Result<Vec<NamedObservation>, ObservedError> {
    let mut observed = Vec::new();
    let mut by_id: BTreeMap<String, Value> = BTreeMap::new();
    for object in objects {
        let Value::Object(object) = object else {
            return Err(property("bundle", "objects", "holds something that is no object"));
        };
        match text(&object, "type") {
            Some("observed-data") => observed.push(object),
            Some(kind) if NO_OBSERVABLES.contains(&kind) => {}
            Some(_) => {
                let id =
                    text(&object, "id").ok_or_else(|| property("bundle", "id", "of an object is missing"))?;
                by_id.insert(id.to_owned(), Value::Object(object));
            }
            None => return Err(property("bundle", "type", "of an object is missing")),
        }
    }
    let mut read = Vec::with_capacity(observed.len());
    for object in observed {
        let place = text(&object, "id").unwrap_or("observed-data").to_owned();
        let Some(Value::Array(refs)) = object.get("object_refs") else {
            return Err(property(&place, "object_refs", "is missing or no list"));
        };
        let named = refs.iter().filter_map(Value::as_str);
        let objects = named.filter_map(|id| by_id.get_key_value(id)).map(|(id, o)| (id.clone(), o.clone()));
        let objects = objects.collect();
        read.push((place.clone(), observation(&object, objects, &place)?));
    }
    Ok(read)
}

fn observation(
    object: &Map<String, Value>,
    objects: BTreeMap<String, Value>,
    place: &str,
) -> Result<Observation, ObservedError> {
    let time = |key: &'static str| {
        let text = text(object, key).ok_or_else(|| property(place, key, "is missing"))?;
        let time = Some(text).filter(|text| is_time(text)).and_then(|text| super::lex::time(text).time);
        time.ok_or_else(|| property(place, key, "is no time"))
    };
    let (first, last) = (time("first_observed")?, time("last_observed")?);
    if first > last {
        return Err(property(place, "last_observed", "is before first_observed"));
    }
    let number = object.get("number_observed").and_then(Value::as_u64).filter(|number| *number > 0);
    let number = number.ok_or_else(|| property(place, "number_observed", "is not at least 1"))?;
    Ok(Observation { objects, first, last, number })
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

fn property(place: &str, property: &'static str, problem: &'static str) -> ObservedError {
    // The id is whatever the file says: it may be long, or move a cursor.
    ObservedError::Property { place: excerpt(place), property, problem }
}
