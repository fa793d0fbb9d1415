// SPDX-License-Identifier: Apache-2.0
//! Walking a collection in its order, behind the gate.
//!
//! One rule chooses the plan. Ids lead straight to their placements. A reader with few ranges (permitted
//! audiences by wanted types) is served by merging them, so that nothing that he may not see is read. With
//! many ranges the walk goes along the order, and after each step what is left of it is weighed against the
//! merge: rows to pass for each one that is served, against one probe for each range. Never
//! `IN (…) ORDER BY`: it sorts all that is permitted for every page.
//!
//! What the number of rows that are read tells (law 1): where the order is walked, how many hidden rows
//! stand between the served ones, never of which type, object or version they are: the choice is made by
//! counts of rows passed and rows served alone.

use std::collections::{BTreeSet, BinaryHeap};

use ledger::sql::{EngineError, Flow, Read, Row, Value};
use model::id::SubjectKey;
use model::time::Timestamp;

use super::choose::Chooser;
use super::gate::{Rows, Way};
use super::merge::{Merge, ranges};
use super::spans;
use crate::filter::{Filters, Spec, Versions};
use crate::limits::{MERGED_ROW_COST, NEWEST_STEPS_MAX, PROBE_COST, RANGES_FEW_MAX, WALK_ROWS};
use crate::view::{subject_key, type_number, type_number_of_id};

/// A placement as the walk meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) seq: i64,
    pub(super) record: i64,
    pub(super) audience: i64,
    pub(super) kind: i64,
    pub(super) subject: SubjectKey,
    pub(super) version: i64,
    pub(super) spec: Spec,
    pub(super) sole: bool,
}

impl Stand {
    fn of(row: &dyn Row) -> Result<Stand, EngineError> {
        Ok(Stand {
            seq: row.int(0)?,
            record: row.int(1)?,
            audience: row.int(2)?,
            kind: row.int(3)?,
            subject: subject_key(row.blob(4)?)?,
            version: row.int(5)?,
            spec: Spec::from_code(row.int(6)?),
            sole: row.int(7)? == 1,
        })
    }
}

/// One collection and what of it one reader may see.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) collection: i64,
    pub(super) permitted: &'a Rows,
    pub(super) way: Way,
}

/// The first `want` placements after `start` that are served for these filters.
pub(super) fn served(
    read: &mut dyn Read,
    place: Place<'_>,
    filters: &Filters,
    start: i64,
    want: usize,
) -> Result<Vec<Stand>, EngineError> {
    if place.permitted.is_empty() {
        return Ok(Vec::new());
    }
    let kinds: Option<BTreeSet<i64>> =
        filters.types.as_ref().map(|types| types.iter().map(|name| type_number(name)).collect());
    let kinds = kinds.as_ref();
    let mut chooser = Chooser::new(place, filters);
    let mut page = Vec::new();
    let mut plan = match &filters.ids {
        Some(ids) => Plan::Ids(of_ids(read, place, ids, start)?),
        None if place.way != Way::Order && ranges(place, kinds) <= RANGES_FEW_MAX => {
            Plan::Merge(Merge::new(place, kinds, start, want))
        }
        None => Plan::Order { position: start, passed: 0 },
    };
    while page.len() < want {
        let left = want - page.len();
        if let Plan::Order { position, passed } = plan
            && merge_is_cheaper(place, kinds, passed, page.len(), left)
        {
            plan = Plan::Merge(Merge::new(place, kinds, position, left));
        }
        let Some(stands) = plan.step(read, place, left.clamp(64, WALK_ROWS))? else { break };
        for stand in stands.iter().filter(|stand| kinds.is_none_or(|kinds| kinds.contains(&stand.kind))) {
            if page.len() < want && may_match(filters, stand) && chooser.serves(read, stand)? {
                page.push(*stand);
            }
        }
    }
    Ok(page)
}

/// Whether the placement can be served at all, before its object's other versions are looked up.
fn may_match(filters: &Filters, stand: &Stand) -> bool {
    let version = match &filters.versions {
        Versions::These { first: false, last: false, times } => {
            times.contains(&Timestamp::from_micros(stand.version))
        }
        _ => true,
    };
    version && filters.specs.as_ref().is_none_or(|specs| specs.contains(&stand.spec))
}

/// Whether merging all ranges costs less than to go on along the order, as dense as it was so far. The
/// first step is always a walk: nothing is known before it.
fn merge_is_cheaper(
    place: Place<'_>,
    kinds: Option<&BTreeSet<i64>>,
    passed: usize,
    served: usize,
    left: usize,
) -> bool {
    match place.way {
        Way::Order => return false,
        Way::Ranges => return true,
        Way::Cheapest => {}
    }
    let walk = left.saturating_mul(passed) / served.max(1);
    let merge = ranges(place, kinds).saturating_mul(PROBE_COST) + left.saturating_mul(MERGED_ROW_COST);
    passed > 0 && merge < walk
}

enum Plan {
    /// Along the order: where it stands, and how many rows it has passed.
    Order { position: i64, passed: usize },
    /// One range for each permitted audience, or each of its wanted types.
    Merge(Merge),
    /// The placements of the wanted ids.
    Ids(Vec<Stand>),
}

impl Plan {
    /// The next permitted placements, in order; `None` at the end.
    fn step(
        &mut self,
        read: &mut dyn Read,
        place: Place<'_>,
        rows: usize,
    ) -> Result<Option<Vec<Stand>>, EngineError> {
        match self {
            Plan::Order { position, passed } => along(read, place, position, passed, rows),
            Plan::Merge(merge) => {
                let seqs = merge.step(read, place.collection, rows)?;
                Ok((!seqs.is_empty()).then_some(stands(read, place.collection, &seqs)?))
            }
            Plan::Ids(stands) => Ok((!stands.is_empty()).then(|| std::mem::take(stands))),
        }
    }
}

fn along(
    read: &mut dyn Read,
    place: Place<'_>,
    position: &mut i64,
    passed: &mut usize,
    rows: usize,
) -> Result<Option<Vec<Stand>>, EngineError> {
    let mut stands = Vec::new();
    let mut met = 0;
    read.query(
        "SELECT seq, record, audience, type, subject, version, spec, sole FROM placements \
         WHERE collection = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
        &[Value::Int(place.collection), Value::Int(*position), Value::Int(rows as i64)],
        &mut |row| {
            met += 1;
            *position = row.int(0)?;
            if place.permitted.contains_key(&row.int(2)?) {
                stands.push(Stand::of(row)?);
            }
            Ok(Flow::Continue)
        },
    )?;
    *passed += met;
    Ok((met > 0).then_some(stands))
}

/// The placements with these ascending numbers.
fn stands(read: &mut dyn Read, collection: i64, seqs: &[i64]) -> Result<Vec<Stand>, EngineError> {
    let mut stands = Vec::with_capacity(seqs.len());
    for chunk in spans(seqs) {
        let (Some(first), Some(last)) = (chunk.first(), chunk.last()) else { continue };
        let mut wanted = chunk.iter().peekable();
        read.query(
            "SELECT seq, record, audience, type, subject, version, spec, sole FROM placements \
             WHERE collection = ?1 AND seq >= ?2 AND seq <= ?3 ORDER BY seq",
            &[Value::Int(collection), Value::Int(*first), Value::Int(*last)],
            &mut |row| {
                let seq = row.int(0)?;
                if wanted.next_if(|wanted| **wanted == seq).is_some() {
                    stands.push(Stand::of(row)?);
                }
                Ok(Flow::Continue)
            },
        )?;
    }
    if stands.len() != seqs.len() {
        return Err(EngineError::shape("an index of placements points to a row that is not there"));
    }
    Ok(stands)
}

/// The permitted placements of some ids after `start`, in order.
fn of_ids(
    read: &mut dyn Read,
    place: Place<'_>,
    ids: &BTreeSet<String>,
    start: i64,
) -> Result<Vec<Stand>, EngineError> {
    let mut stands = Vec::new();
    for id in ids {
        let (subject, kind) = (SubjectKey::of(id), type_number_of_id(id));
        for held in placed(read, place, subject)? {
            if held.seq > start {
                let Held { seq, record, audience, version, spec } = held;
                // Whether it stands alone does not matter here: the chooser looks again.
                stands.push(Stand { seq, record, audience, kind, subject, version, spec, sole: false });
            }
        }
    }
    stands.sort_unstable_by_key(|stand| stand.seq);
    stands.dedup_by_key(|stand| stand.seq);
    Ok(stands)
}

/// A placement of one object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) seq: i64,
    pub(super) record: i64,
    pub(super) audience: i64,
    pub(super) version: i64,
    pub(super) spec: Spec,
}

/// The permitted placements of one object: by version, and in one version by order.
pub(super) fn placed(
    read: &mut dyn Read,
    place: Place<'_>,
    subject: SubjectKey,
) -> Result<Vec<Held>, EngineError> {
    let mut all = Vec::new();
    read.query(
        "SELECT seq, record, audience, version, spec FROM placed WHERE collection = ?1 AND subject = ?2 \
         ORDER BY version, seq",
        &[Value::Int(place.collection), Value::Blob(&subject.0)],
        &mut |row| {
            let audience = row.int(2)?;
            if place.permitted.contains_key(&audience) {
                all.push(Held {
                    seq: row.int(0)?,
                    record: row.int(1)?,
                    audience,
                    version: row.int(3)?,
                    spec: Spec::from_code(row.int(4)?),
                });
            }
            Ok(Flow::Continue)
        },
    )?;
    Ok(all)
}

/// The newest placement that some request of this reader is answered with. A later record of a version
/// that he has already is never served, so its time is not told either.
pub(super) fn newest_served(read: &mut dyn Read, place: Place<'_>) -> Result<Option<i64>, EngineError> {
    let filters = Filters::everything();
    let mut chooser = Chooser::new(place, &filters);
    if place.way != Way::Ranges && place.permitted.len() > RANGES_FEW_MAX {
        // Among many audiences the newest row is seldom hidden; one step back is less than a probe for each.
        for stand in newest(read, place)? {
            if chooser.serves(read, &stand)? {
                return Ok(Some(stand.seq));
            }
        }
    }
    let mut candidates = BinaryHeap::new();
    for audience in place.permitted.keys() {
        candidates
            .extend(newest_below(read, place, *audience, i64::MAX)?.map(|stand| (stand.seq, *audience)));
    }
    for _ in 0..NEWEST_STEPS_MAX {
        let Some((seq, audience)) = candidates.pop() else { break };
        let Some(stand) = newest_below(read, place, audience, seq + 1)? else { break };
        if chooser.serves(read, &stand)? {
            return Ok(Some(seq));
        }
        candidates.extend(newest_below(read, place, audience, seq)?.map(|stand| (stand.seq, audience)));
    }
    Ok(None)
}

/// The permitted placements among the last of the order, newest first.
fn newest(read: &mut dyn Read, place: Place<'_>) -> Result<Vec<Stand>, EngineError> {
    let mut stands = Vec::new();
    read.query(
        "SELECT seq, record, audience, type, subject, version, spec, sole FROM placements \
         WHERE collection = ?1 ORDER BY seq DESC LIMIT ?2",
        &[Value::Int(place.collection), Value::Int(WALK_ROWS as i64)],
        &mut |row| {
            if place.permitted.contains_key(&row.int(2)?) {
                stands.push(Stand::of(row)?);
            }
            Ok(Flow::Continue)
        },
    )?;
    Ok(stands)
}

/// Two statements: asked for more than the index holds, SQLite walks the order instead.
fn newest_below(
    read: &mut dyn Read,
    place: Place<'_>,
    audience: i64,
    below: i64,
) -> Result<Option<Stand>, EngineError> {
    let mut found = None;
    read.query(
        NEWEST_OF_AUDIENCE,
        &[Value::Int(place.collection), Value::Int(audience), Value::Int(below)],
        &mut |row| {
            found = Some(row.int(0)?);
            Ok(Flow::Stop)
        },
    )?;
    Ok(stands(read, place.collection, found.as_slice())?.pop())
}

const NEWEST_OF_AUDIENCE: &str = "SELECT seq FROM placements WHERE collection = ?1 AND audience = ?2 \
                                  AND seq < ?3 ORDER BY seq DESC LIMIT 1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::merge::{OF_AUDIENCE, OF_TYPE};

    #[test]
    fn ranges_are_read_from_their_indexes_alone() {
        let schema = store::Schema { views: vec![Box::new(crate::view::CollectionView)], local: Vec::new() };
        let store = store::Store::memory(schema).unwrap();
        for (sql, args, index) in [
            (OF_AUDIENCE, 4, "placements_by_audience (collection=? AND audience=? AND seq>?)"),
            (OF_TYPE, 5, "placements_by_type (collection=? AND type=? AND audience=? AND seq>?)"),
            (NEWEST_OF_AUDIENCE, 3, "placements_by_audience (collection=? AND audience=? AND seq<?)"),
        ] {
            let explain: &'static str = format!("EXPLAIN QUERY PLAN {sql}").leak();
            let mut plan = Vec::new();
            let explained = store.read(|read| {
                read.query(explain, &[Value::Int(1); 5][..args], &mut |row| {
                    plan.push(row.text(3)?.to_owned());
                    Ok(Flow::Continue)
                })
            });
            explained.unwrap();
            assert_eq!(plan, [format!("SEARCH placements USING COVERING INDEX {index}")]);
        }
    }
}
