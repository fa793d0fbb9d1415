// SPDX-License-Identifier: Apache-2.0
//! A STIX 2.1 bundle of sightings, each under the marking of its indicator.

use std::collections::BTreeMap;

use model::marking::{Marking, Tlp};
use model::observable::Observable;
use serde_json::{Value, json};
use uuid::Uuid;

use super::summary::{IndicatorFacts, Summary};
use crate::command::{Sight, sights_with};
use crate::limits::STIX_SIGHTINGS_MAX;
use crate::standard::{SightingFacts, sighting_values};

/// Who saw what a bundle tells.
#[derive(Clone, Copy, Debug)]
pub enum Witness<'a> {
    /// Nobody is to find out: counts are spans, times are days.
    Anonymous,
    /// This identity object.
    Named(&'a Value),
    /// There is no identity to name; counts and times are as they are.
    Unnamed,
}

/// What [`stix`] answers.
#[derive(Clone, Debug)]
pub struct StixFile {
    /// The bundle as JSON.
    pub bytes: Vec<u8>,
    /// Sightings in it.
    pub sightings: usize,
    /// Findings that no sighting can be made of, because their indicator is the entry of a list and no
    /// object, and sightings beyond [`STIX_SIGHTINGS_MAX`].
    pub left_out: u64,
    /// Of these the findings of which nobody knows any more of which indicator they are: sightings in the bundle may
    /// count too few for as many.
    pub uncounted: u64,
}

/// The `object_marking_refs` of a sighting: those of the indicator, but of TLP only the one label that counts
/// (two would contradict each other), which is AMBER+STRICT where the indicator has none.
pub fn sighting_markings(facts: &IndicatorFacts) -> Vec<String> {
    let mut refs: Vec<String> =
        facts.marking_refs.iter().filter(|id| Tlp::from_stix_id(id).is_none()).cloned().collect();
    refs.push(facts.marking.label().stix_id().to_owned());
    refs
}

/// The findings, those that are only counted among them, as a STIX 2.1 bundle of `sighting`, `observed-data` and
/// observables. `uuid_of` gives the same id for the same name; an anonymous one must not be guessable, so its key
/// belongs into it.
pub fn stix(summary: &Summary, witness: Witness<'_>, uuid_of: &dyn Fn(&str) -> Uuid) -> StixFile {
    let all = sights_with(summary.hits.iter().map(|hit| &hit.finding), &summary.beyond, summary.made);
    let mut told: u64 = all.iter().take(STIX_SIGHTINGS_MAX).map(|sight| sight.count).sum();
    let identity = match witness {
        Witness::Named(identity) => Some(identity),
        Witness::Anonymous | Witness::Unnamed => None,
    };
    let anonymous = matches!(witness, Witness::Anonymous);
    let identity_id = identity.and_then(|object| object.get("id")?.as_str());
    let mut observables: BTreeMap<String, (Value, Marking)> = BTreeMap::new();
    let (mut objects, mut sightings) = (Vec::new(), 0);
    let fresh = IndicatorFacts::default();
    for sight in all.iter().take(STIX_SIGHTINGS_MAX) {
        let facts = summary.indicators.get(&sight.indicator).unwrap_or(&fresh);
        // What its author's marking means is not known here: it goes nowhere.
        if facts.marking.unknown || model::id::is_stix_id(&sight.indicator) && std::ptr::eq(facts, &fresh) {
            told -= sight.count;
            continue;
        }
        sightings += 1;
        let refs = sighting_markings(facts);
        let uuids = ["sighting", "observed-data"].map(|kind| uuid_of(&sight_name(kind, sight)));
        let facts_of_it = sight.facts(identity_id, &refs, summary.made, uuids);
        for object in sighting_values(&SightingFacts { anonymous, ..facts_of_it }) {
            if is_observable(&object) {
                // One value may be what several indicators are about: it is marked as the strictest of them.
                let id = object.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
                let known = observables.entry(id).or_insert((object, facts.marking));
                known.1 = known.1.as_strict_as(facts.marking);
            } else {
                objects.push(object);
            }
        }
    }
    let observables = observables.into_values().map(|(mut object, marking)| {
        if let Value::Object(members) = &mut object {
            members.insert("object_marking_refs".to_owned(), json!([marking.label().stix_id()]));
        }
        object
    });
    let before = if objects.is_empty() { None } else { identity.cloned() };
    let objects: Vec<Value> = before.into_iter().chain(observables).chain(objects).collect();
    let bundle = match objects.is_empty() {
        // A bundle has no empty list (STIX 2.1 section 8).
        true => json!({ "type": "bundle", "id": bundle_id(summary, uuid_of) }),
        false => json!({ "type": "bundle", "id": bundle_id(summary, uuid_of), "objects": objects }),
    };
    StixFile {
        bytes: bundle.to_string().into_bytes(),
        sightings,
        left_out: summary.hit_count().saturating_sub(told),
        uncounted: summary.beyond.uncounted(),
    }
}

/// What the id of a sighting, or of its observed data, is made of: the same findings make the same one.
pub(crate) fn sight_name(kind: &str, sight: &Sight) -> String {
    let Sight { indicator, observable, count, last, .. } = sight;
    format!("{kind}\n{indicator}\n{}\n{count}\n{last}", Observable::display(observable))
}

fn bundle_id(summary: &Summary, uuid_of: &dyn Fn(&str) -> Uuid) -> String {
    format!("bundle--{}", uuid_of(&format!("bundle\n{}", summary.made)))
}

fn is_observable(object: &Value) -> bool {
    !matches!(object.get("type").and_then(Value::as_str), Some("observed-data" | "sighting"))
}
