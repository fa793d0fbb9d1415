// SPDX-License-Identifier: Apache-2.0
//! STIX 2.1 sightings (section 5.2) with what was observed (section 4.14), out.

use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::millis;

/// Namespace of the ids of cyber-observable objects (STIX 2.1 section 2.9).
const OBSERVABLE_NAMESPACE: Uuid = Uuid::from_u128(0x00ab_edb4_aa42_466c_9c01_fed2_3315_a9b7);

/// Largest count that STIX allows (sections 4.14 and 5.2).
const COUNT_MAX: u64 = 999_999_999;

/// What a sighting says. Nothing of the log line is in it.
#[derive(Clone, Copy, Debug)]
pub struct SightingFacts<'a> {
    /// The value that was seen.
    pub observable: &'a Observable,
    /// STIX id of the indicator that it matched.
    pub indicator_id: &'a str,
    /// STIX id of the identity that saw it, if it is to be named.
    pub identity: Option<&'a str>,
    /// Whether nobody is to find out who saw it: nobody is named, times are whole days, the count is the lower end of a
    /// span, and a value is left out that could tell more than the indicator does (the full name under a domain, a URL,
    /// an account).
    pub anonymous: bool,
    /// The `object_marking_refs` of the indicator: what is said of it goes no further than it does.
    pub marking_refs: &'a [String],
    /// When the sighting is made.
    pub now: Timestamp,
    /// How often it was seen; at least 1 is stated.
    pub count: u64,
    /// When it was seen first and last.
    pub first: Timestamp,
    /// See `first`; an earlier one is taken for the first.
    pub last: Timestamp,
    /// Random UUIDs for the sighting and its observed data.
    pub uuids: [Uuid; 2],
}

/// The objects of a sighting as JSON bytes: the observable, its `observed-data`, the `sighting`, in the
/// order in which each refers only to what came before.
pub fn sighting_objects(facts: &SightingFacts<'_>) -> Vec<Vec<u8>> {
    sighting_values(facts).iter().map(|object| object.to_string().into_bytes()).collect()
}

/// The same as values; an anonymous sighting may have no observable and no `observed-data`.
pub fn sighting_values(facts: &SightingFacts<'_>) -> Vec<Value> {
    let [sighting_uuid, observed_uuid] = facts.uuids;
    let coarse = |time: Timestamp| if facts.anonymous { day_start(time) } else { time };
    let now = millis(coarse(facts.now));
    let count = facts.count.clamp(1, COUNT_MAX);
    let count = if facts.anonymous { span_start(count) } else { count };
    let first = millis(coarse(facts.first.min(facts.last)));
    let last = millis(coarse(facts.last.max(facts.first)));
    let observable = observable_object(facts.observable);
    let observed_id = format!("observed-data--{observed_uuid}");
    let mut observed = json!({
        "type": "observed-data",
        "spec_version": "2.1",
        "id": observed_id,
        "created": now,
        "modified": now,
        "first_observed": first,
        "last_observed": last,
        "number_observed": count,
        "object_refs": [observable.get("id")],
    });
    let mut sighting = json!({
        "type": "sighting",
        "spec_version": "2.1",
        "id": format!("sighting--{sighting_uuid}"),
        "created": now,
        "modified": now,
        "first_seen": first,
        "last_seen": last,
        "count": count,
        "sighting_of_ref": facts.indicator_id,
    });
    if let Some(identity) = facts.identity.filter(|_| !facts.anonymous) {
        set(&mut observed, "created_by_ref", json!(identity));
        set(&mut sighting, "created_by_ref", json!(identity));
        set(&mut sighting, "where_sighted_refs", json!([identity]));
    }
    if !facts.marking_refs.is_empty() {
        set(&mut observed, "object_marking_refs", json!(facts.marking_refs));
        set(&mut sighting, "object_marking_refs", json!(facts.marking_refs));
    }
    if facts.anonymous && tells_more(facts.observable.kind()) {
        return vec![sighting];
    }
    set(&mut sighting, "observed_data_refs", json!([observed_id]));
    vec![observable, observed, sighting]
}

/// Whether a value that was seen can say more than the indicator that it matched.
fn tells_more(kind: ObservableKind) -> bool {
    matches!(
        kind,
        ObservableKind::Account
            | ObservableKind::Domain
            | ObservableKind::Email
            | ObservableKind::Url
            | ObservableKind::UserAgent
    )
}

fn day_start(time: Timestamp) -> Timestamp {
    const DAY_MICROS: i64 = 86_400_000_000;
    Timestamp::from_micros(time.micros().div_euclid(DAY_MICROS).saturating_mul(DAY_MICROS))
}

/// The lower end of the span that a count is in: 1, 2 to 9, 10 to 99, 100 to 999 …
fn span_start(count: u64) -> u64 {
    match count {
        0..=1 => 1,
        2..=9 => 2,
        _ => 10_u64.pow(count.ilog10()),
    }
}

fn set(object: &mut Value, member: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(member.to_owned(), value);
    }
}

/// The cyber-observable object of a value (STIX 2.1 section 6), with its deterministic id.
fn observable_object(observable: &Observable) -> Value {
    let value = match observable.kind() {
        ObservableKind::Url => format!("http://{}", observable.display()),
        _ => observable.display(),
    };
    let (kind, property, content) = match observable.kind() {
        ObservableKind::Account => ("user-account", "account_login", Value::from(value)),
        ObservableKind::Md5 => ("file", "hashes", json!({ "MD5": value })),
        ObservableKind::Sha1 => ("file", "hashes", json!({ "SHA-1": value })),
        ObservableKind::Sha256 => ("file", "hashes", json!({ "SHA-256": value })),
        ObservableKind::Sha384 => ("file", "hashes", json!({ "SHA-384": value })),
        ObservableKind::Sha512 => ("file", "hashes", json!({ "SHA-512": value })),
        // No object of STIX has these as a property of its own: a program that carries them.
        ObservableKind::Ja3 | ObservableKind::Ja4 | ObservableKind::UserAgent => {
            ("software", "name", Value::from(format!("{} {value}", observable.kind())))
        }
        _ => (observable.stix_type(), "value", Value::from(value)),
    };
    // One key, so that serde_json's form is the canonical form of RFC 8785.
    let contributing = json!({ property: content.clone() }).to_string();
    let id = Uuid::new_v5(&OBSERVABLE_NAMESPACE, contributing.as_bytes());
    json!({ "type": kind, "spec_version": "2.1", "id": format!("{kind}--{id}"), property: content })
}
