// SPDX-License-Identifier: Apache-2.0
//! Walking a collection in its order, behind the gate.
//!
//! One rule chooses the plan. Ids lead straight to their placements. Otherwise the walk goes along the
//! order; when the gate has refused [`WALK_REFUSED_MAX`] rows of it, this reader sees little here, and
//! the page is finished by merging the permitted audiences' own ranges. Never `IN (…) ORDER BY`: it
//! sorts all that is permitted for every page.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use ledger::sql::{EngineError, Flow, Read, Row, Value};
use model::id::SubjectKey;
use model::marking::Marking;

use super::choose::Chooser;
use crate::filter::{Filters, Spec};
use crate::limits::{
    AUDIENCES_PER_READER_MAX, MERGE_ROWS_MIN, NEWEST_STEPS_MAX, WALK_REFUSED_MAX, WALK_ROWS,
};
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
    pub(super) permitted: &'a BTreeMap<i64, Marking>,
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
    let wanted = |stand: &Stand| kinds.as_ref().is_none_or(|kinds| kinds.contains(&stand.kind));
    let mut chooser = Chooser::new(place, filters);
    let mut plan = match &filters.ids {
        Some(ids) => Plan::Ids(of_ids(read, place, ids, start)?),
        None => Plan::Order { position: start, refused: 0 },
    };
    let mut page = Vec::new();
    while page.len() < want {
        let step = want.saturating_sub(page.len()).clamp(64, WALK_ROWS);
        let Some(stands) = plan.step(read, place, step)? else { break };
        for stand in stands.iter().filter(|stand| wanted(stand)) {
            if page.len() < want && chooser.serves(read, stand)? {
                page.push(*stand);
            }
        }
    }
    Ok(page)
}

enum Plan {
    /// Along the order.
    Order { position: i64, refused: usize },
    /// One range for each permitted audience.
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
        let Plan::Order { position, refused } = self else {
            return match self {
                Plan::Merge(merge) => merge.step(read, place, rows),
                Plan::Ids(stands) if !stands.is_empty() => Ok(Some(std::mem::take(stands))),
                _ => Ok(None),
            };
        };
        let mut stands = Vec::new();
        let mut met = 0;
        read.query(
            "SELECT seq, record, audience, type, subject, version, spec, sole FROM placements \
             WHERE collection = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
            &[Value::Int(place.collection), Value::Int(*position), Value::Int(rows as i64)],
            &mut |row| {
                met += 1;
                *position = row.int(0)?;
                match place.permitted.contains_key(&row.int(2)?) {
                    true => stands.push(Stand::of(row)?),
                    false => *refused += 1,
                }
                Ok(Flow::Continue)
            },
        )?;
        if met == 0 {
            return Ok(None);
        }
        if *refused >= WALK_REFUSED_MAX && place.permitted.len() <= AUDIENCES_PER_READER_MAX {
            *self = Plan::Merge(Merge::new(*position, place));
        }
        Ok(Some(stands))
    }
}

/// The range of one audience, fetched a little at a time.
struct Range {
    audience: i64,
    position: i64,
    waiting: VecDeque<Stand>,
    ended: bool,
}

struct Merge {
    ranges: Vec<Range>,
    /// The next `seq` of each range that has one.
    heads: BinaryHeap<Reverse<(i64, usize)>>,
    begun: bool,
}

impl Merge {
    fn new(position: i64, place: Place<'_>) -> Merge {
        let range =
            |audience: &i64| Range { audience: *audience, position, waiting: VecDeque::new(), ended: false };
        Merge { ranges: place.permitted.keys().map(range).collect(), heads: BinaryHeap::new(), begun: false }
    }

    fn step(
        &mut self,
        read: &mut dyn Read,
        place: Place<'_>,
        rows: usize,
    ) -> Result<Option<Vec<Stand>>, EngineError> {
        let ahead = (rows / self.ranges.len().max(1)).max(MERGE_ROWS_MIN);
        if !self.begun {
            self.begun = true;
            for nth in 0..self.ranges.len() {
                self.fill(read, place, nth, ahead)?;
            }
        }
        let mut stands = Vec::new();
        while stands.len() < rows {
            let Some(Reverse((_, nth))) = self.heads.pop() else { break };
            let Some(range) = self.ranges.get_mut(nth) else { break };
            stands.extend(range.waiting.pop_front());
            match range.waiting.front() {
                Some(next) => self.heads.push(Reverse((next.seq, nth))),
                None => self.fill(read, place, nth, ahead)?,
            }
        }
        Ok((!stands.is_empty()).then_some(stands))
    }

    fn fill(
        &mut self,
        read: &mut dyn Read,
        place: Place<'_>,
        nth: usize,
        ahead: usize,
    ) -> Result<(), EngineError> {
        let Some(range) = self.ranges.get_mut(nth).filter(|range| !range.ended) else { return Ok(()) };
        read.query(
            "SELECT seq, record, audience, type, subject, version, spec, sole FROM placements \
             WHERE collection = ?1 AND audience = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4",
            &[
                Value::Int(place.collection),
                Value::Int(range.audience),
                Value::Int(range.position),
                Value::Int(ahead as i64),
            ],
            &mut |row| {
                range.waiting.push_back(Stand::of(row)?);
                Ok(Flow::Continue)
            },
        )?;
        range.ended = range.waiting.len() < ahead;
        if let (Some(first), Some(last)) = (range.waiting.front(), range.waiting.back()) {
            range.position = last.seq;
            self.heads.push(Reverse((first.seq, nth)));
        }
        Ok(())
    }
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

fn newest_below(
    read: &mut dyn Read,
    place: Place<'_>,
    audience: i64,
    below: i64,
) -> Result<Option<Stand>, EngineError> {
    let mut found = None;
    read.query(
        "SELECT seq, record, audience, type, subject, version, spec, sole FROM placements \
         WHERE collection = ?1 AND audience = ?2 AND seq < ?3 ORDER BY seq DESC LIMIT 1",
        &[Value::Int(place.collection), Value::Int(audience), Value::Int(below)],
        &mut |row| {
            found = Some(Stand::of(row)?);
            Ok(Flow::Stop)
        },
    )?;
    Ok(found)
}
