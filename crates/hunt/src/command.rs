// SPDX-License-Identifier: Apache-2.0
//! What one can ask of the room: pure decisions that yield objects for records.

use std::collections::{BTreeMap, HashSet};

use model::observable::Observable;
use model::time::Timestamp;
use uuid::Uuid;

use crate::finding::Finding;
use crate::indicator::Indicator;
use crate::report::{Beyond, Tally};
use crate::standard::{IndicatorAuthor, SightingFacts, indicator_object};

/// An object for a record: its STIX id and its JSON bytes.
pub type Object = (String, Vec<u8>);

/// Makes records of a list: one indicator object for each different entry, in the order of the list. A
/// node that imports them finds what the list itself finds. `id_of` gives the same id for the same value and
/// mode, whatever else the entry says ([`crate::standard::indicator_id`]).
pub fn import_list(
    indicators: &[Indicator],
    author: &IndicatorAuthor<'_>,
    id_of: &dyn Fn(&Indicator) -> String,
) -> Vec<Object> {
    let mut made = HashSet::new();
    indicators
        .iter()
        .map(|indicator| (id_of(indicator), indicator))
        .filter(|(id, _)| made.insert(id.clone()))
        .map(|(id, indicator)| {
            let object = indicator_object(indicator, &id, author);
            (id, object)
        })
        .collect()
}

/// Findings of one indicator and value, summed up for a sighting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// STIX id of the indicator.
    pub indicator: String,
    /// The value that was seen.
    pub observable: Observable,
    /// Findings.
    pub count: u64,
    /// Time of the first; of the sighting itself, if no line told its time.
    pub first: Timestamp,
    /// Time of the last.
    pub last: Timestamp,
}

impl Sight {
    /// The facts of the sighting, by an identity; with `None` they are those of an anonymous one.
    pub fn facts<'a>(
        &'a self,
        identity: Option<&'a str>,
        marking_refs: &'a [String],
        now: Timestamp,
        uuids: [Uuid; 2],
    ) -> SightingFacts<'a> {
        SightingFacts {
            observable: &self.observable,
            indicator_id: &self.indicator,
            identity,
            anonymous: identity.is_none(),
            marking_refs,
            now,
            count: self.count,
            first: self.first,
            last: self.last,
            uuids,
        }
    }
}

/// Sums findings up, by indicator and value. Findings of entries of a plain list are left out: there is no
/// object to which a sighting could refer.
pub fn sights<'a>(findings: impl IntoIterator<Item = &'a Finding>, now: Timestamp) -> Vec<Sight> {
    sights_with(findings, &Beyond::default(), now)
}

/// As [`sights`], with findings of which only the number is known.
pub fn sights_with<'a: 'b, 'b>(
    findings: impl IntoIterator<Item = &'a Finding>,
    beyond: &'b Beyond,
    now: Timestamp,
) -> Vec<Sight> {
    let one = |finding: &'a Finding| {
        let tally = Tally { count: 1, first: finding.time, last: finding.time };
        Some((finding.indicator.as_str(), finding.observable()?, tally))
    };
    let mut sums: BTreeMap<(&'b str, Observable), Tally> = BTreeMap::new();
    let kept = findings.into_iter().filter(|f| model::id::is_stix_id(&f.indicator)).filter_map(one);
    let counted = beyond.tallies().filter(|(indicator, ..)| model::id::is_stix_id(indicator));
    for (indicator, observable, tally) in kept.chain(counted) {
        sums.entry((indicator, observable)).or_default().add(tally);
    }
    sums.into_iter()
        .map(|((indicator, observable), Tally { count, first, last })| Sight {
            indicator: indicator.to_owned(),
            observable,
            count,
            first: first.unwrap_or(now),
            last: last.unwrap_or(now),
        })
        .collect()
}
