// SPDX-License-Identifier: Apache-2.0
//! STIX 2.0 to 2.1, only on output, and labelled so.
//!
//! STIX 2.1 appendix on changes: `spec_version` on each object, `is_family` required on malware,
//! `indicator.pattern_type` and `valid_from`, `labels` of 2.0 become the types of 2.1.

use serde_json::{Map, Value};

/// Property that says what an object was before it was converted.
pub const LABEL: &str = "x_polder_converted_from";

/// Vocabulary that moved from `labels` to a property of its own, by type.
const LABELS_TO: [(&str, &str); 6] = [
    ("indicator", "indicator_types"),
    ("malware", "malware_types"),
    ("report", "report_types"),
    ("threat-actor", "threat_actor_types"),
    ("tool", "tool_types"),
    ("identity", "roles"),
];

/// A STIX 2.0 object as STIX 2.1, with [`LABEL`] set to `2.0`; `None` if it has no counterpart
/// (`observed-data` with embedded objects) or is not an object.
pub fn to_21(body: &[u8]) -> Option<Vec<u8>> {
    let mut object: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let kind = object.get("type")?.as_str()?.to_owned();
    if kind == "observed-data" {
        return None;
    }
    object.insert("spec_version".to_owned(), Value::from("2.1"));
    object.insert(LABEL.to_owned(), Value::from("2.0"));
    if let Some((_, target)) = LABELS_TO.iter().find(|(from, _)| *from == kind)
        && !object.contains_key(*target)
        && let Some(labels) = object.remove("labels")
    {
        object.insert((*target).to_owned(), labels);
    }
    match kind.as_str() {
        "malware" => {
            object.entry("is_family").or_insert(Value::Bool(false));
        }
        "indicator" => {
            object.entry("pattern_type").or_insert(Value::from("stix"));
            if !object.contains_key("valid_from") {
                let created = object.get("created").cloned()?;
                object.insert("valid_from".to_owned(), created);
            }
        }
        _ => {}
    }
    serde_json::to_vec(&object).ok()
}
