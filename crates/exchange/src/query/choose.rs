// SPDX-License-Identifier: Apache-2.0
//! Which records of an object are served: version and STIX version, judged over everything of the
//! collection that this reader may see, before the page's position counts.

use std::collections::{HashMap, HashSet};

use ledger::sql::{EngineError, Read};
use model::id::SubjectKey;
use model::time::Timestamp;

use super::walk::{Held, Place, Stand, placed};
use crate::filter::{Filters, Spec};
use crate::limits::PROBES_KEPT_MAX;

/// Judges placements one after the other.
pub(super) struct Chooser<'a> {
    place: Place<'a>,
    filters: &'a Filters,
    /// The served placements of objects with several records, so that many versions on one page are not
    /// looked up again for each.
    probed: HashMap<SubjectKey, HashSet<i64>>,
}

impl<'a> Chooser<'a> {
    pub(super) fn new(place: Place<'a>, filters: &'a Filters) -> Chooser<'a> {
        Chooser { place, filters, probed: HashMap::new() }
    }

    /// Whether this permitted placement is served.
    pub(super) fn serves(&mut self, read: &mut dyn Read, stand: &Stand) -> Result<bool, EngineError> {
        if stand.sole {
            let version = Timestamp::from_micros(stand.version);
            let spec = self.filters.specs.as_ref().is_none_or(|specs| specs.contains(&stand.spec));
            return Ok(spec && self.filters.versions.wants(version, version, version));
        }
        if let Some(served) = self.probed.get(&stand.subject) {
            return Ok(served.contains(&stand.seq));
        }
        let served: HashSet<i64> =
            choose(&placed(read, self.place, stand.subject)?, self.filters).into_iter().collect();
        let answer = served.contains(&stand.seq);
        if self.probed.len() >= PROBES_KEPT_MAX {
            self.probed.clear();
        }
        self.probed.insert(stand.subject, served);
        Ok(answer)
    }
}

/// The served placements among the visible ones of one object, given by version and then by order.
///
/// Versions are judged over all of them, so that a superseded one never passes for the newest. Of one
/// version only the earliest record is served: the others are nobody's business. Without a wish only the
/// newest STIX version of what is left of the object is served (TAXII 2.1 section 3.5, MUST).
pub(super) fn choose(visible: &[Held], filters: &Filters) -> Vec<i64> {
    let (Some(oldest), Some(newest)) = (visible.first(), visible.last()) else { return Vec::new() };
    let (oldest, newest) = (Timestamp::from_micros(oldest.version), Timestamp::from_micros(newest.version));
    let mut wanted: Vec<&Held> = visible
        .iter()
        .filter(|held| filters.versions.wants(Timestamp::from_micros(held.version), oldest, newest))
        .collect();
    match (&filters.specs, wanted.iter().map(|held| held.spec).max()) {
        (Some(specs), _) => wanted.retain(|held| specs.contains(&held.spec)),
        (None, Some(newest)) => wanted.retain(|held| held.spec == newest),
        (None, None) => {}
    }
    let mut seen: Vec<(i64, Spec)> = Vec::new();
    wanted.retain(|held| {
        // All records of one version stand side by side, so only its own marks need to be kept.
        seen.retain(|(version, _)| *version == held.version);
        let fresh = !seen.contains(&(held.version, held.spec));
        if fresh {
            seen.push((held.version, held.spec));
        }
        fresh
    });
    wanted.into_iter().map(|held| held.seq).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Versions;

    fn held(seq: i64, version: i64, spec: Spec) -> Held {
        Held { seq, record: seq, audience: 1, version, spec }
    }

    fn chosen(visible: &[Held], versions: Versions, specs: Option<&[Spec]>) -> Vec<i64> {
        let specs = specs.map(|specs| specs.iter().copied().collect());
        choose(visible, &Filters { versions, specs, ..Filters::default() })
    }

    #[test]
    fn keywords_are_judged_over_all_versions() {
        use Spec::Stix21 as V;
        let visible = [held(3, 10, V), held(1, 20, V), held(2, 30, V)];
        let these = |first, last, times: &[i64]| Versions::These {
            first,
            last,
            times: times.iter().map(|t| Timestamp::from_micros(*t)).collect(),
        };
        assert_eq!(chosen(&visible, these(false, true, &[]), None), [2]);
        assert_eq!(chosen(&visible, these(true, false, &[]), None), [3]);
        assert_eq!(chosen(&visible, these(true, true, &[]), None), [3, 2]);
        assert_eq!(chosen(&visible, these(true, false, &[20, 99]), None), [3, 1]);
        assert_eq!(chosen(&visible, Versions::All, None), [3, 1, 2]);
        assert_eq!(chosen(&[], Versions::All, None), [0i64; 0]);
    }

    #[test]
    fn of_one_version_the_earliest_record_is_served() {
        use Spec::Stix21 as V;
        let visible = [held(4, 0, V), held(7, 0, V), held(9, 0, V)];
        assert_eq!(chosen(&visible, Versions::last(), None), [4]);
        assert_eq!(chosen(&visible, Versions::All, None), [4]);
    }

    #[test]
    fn only_the_newest_stix_version_without_a_wish() {
        use Spec::{Stix20, Stix21};
        let visible = [held(1, 10, Stix20), held(2, 10, Stix21), held(3, 10, Stix20), held(4, 20, Stix20)];
        assert_eq!(chosen(&visible, Versions::All, None), [2]);
        assert_eq!(chosen(&visible, Versions::All, Some(&[Stix20])), [1, 4]);
        assert_eq!(chosen(&visible, Versions::All, Some(&[Stix20, Stix21])), [1, 2, 4]);
        // The newest version is there in STIX 2.0 only: that is the latest that can be given.
        assert_eq!(chosen(&visible, Versions::last(), None), [4]);
        // What was superseded is not handed out because another STIX version was asked for.
        assert_eq!(chosen(&visible, Versions::last(), Some(&[Stix21])), [0i64; 0]);
        assert_eq!(chosen(&visible, Versions::All, Some(&[])), [0i64; 0]);
    }
}
