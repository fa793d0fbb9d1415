// SPDX-License-Identifier: Apache-2.0
//! Merging the ranges of the permitted audiences: what a reader may not see is not read.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

use ledger::sql::{EngineError, Flow, Read, Value};

use super::walk::Place;
use crate::limits::{RANGE_ROWS_MIN, WALK_ROWS};

// Only what the indexes hold is asked for: otherwise SQLite walks the order, and all that is hidden in it.
pub(super) const OF_AUDIENCE: &str = "SELECT seq FROM placements WHERE collection = ?1 AND audience = ?2 AND seq > ?3 \
                           ORDER BY seq LIMIT ?4";
pub(super) const OF_TYPE: &str = "SELECT seq FROM placements WHERE collection = ?1 AND audience = ?2 AND seq > ?3 \
                       AND type = ?5 ORDER BY seq LIMIT ?4";

/// The placements of one audience, and of one type if types are wanted, fetched a little at a time.
struct Range {
    audience: i64,
    kind: Option<i64>,
    position: i64,
    waiting: VecDeque<i64>,
    /// Rows of the next fetch; doubled by each, so that a long range is not fetched in small bites.
    ahead: usize,
    ended: bool,
}

impl Range {
    fn fill(&mut self, read: &mut dyn Read, collection: i64) -> Result<(), EngineError> {
        let args = [
            Value::Int(collection),
            Value::Int(self.audience),
            Value::Int(self.position),
            Value::Int(self.ahead as i64),
            Value::Int(self.kind.unwrap_or(0)),
        ];
        let (sql, args) = match self.kind {
            Some(_) => (OF_TYPE, &args[..]),
            None => (OF_AUDIENCE, &args[..4]),
        };
        let mut met = 0;
        read.query(sql, args, &mut |row| {
            met += 1;
            self.position = row.int(0)?;
            self.waiting.push_back(self.position);
            Ok(Flow::Continue)
        })?;
        self.ended = met < self.ahead;
        self.ahead = (self.ahead * 2).min(WALK_ROWS);
        Ok(())
    }
}

/// How many ranges the page of these types has.
pub(super) fn ranges(place: Place<'_>, kinds: Option<&BTreeSet<i64>>) -> usize {
    place.permitted.len().saturating_mul(kinds.map_or(1, BTreeSet::len))
}

/// The merge of all ranges behind a position.
pub(super) struct Merge {
    ranges: Vec<Range>,
    /// The next `seq` of each range that has one.
    heads: BinaryHeap<Reverse<(i64, usize)>>,
    begun: bool,
}

impl Merge {
    /// `want` is how many rows will be asked for: each range begins with its share of them.
    pub(super) fn new(place: Place<'_>, kinds: Option<&BTreeSet<i64>>, position: i64, want: usize) -> Merge {
        let share = want / ranges(place, kinds).max(1);
        let ahead = (share + share / 4 + RANGE_ROWS_MIN).min(WALK_ROWS);
        let range = |audience: i64, kind: Option<i64>| Range {
            audience,
            kind,
            position,
            waiting: VecDeque::new(),
            ahead,
            ended: false,
        };
        let audiences = place.permitted.keys();
        let ranges = match kinds {
            None => audiences.map(|audience| range(*audience, None)).collect(),
            // Side by side as they lie in the index.
            Some(kinds) => kinds
                .iter()
                .flat_map(|kind| audiences.clone().map(|audience| range(*audience, Some(*kind))))
                .collect(),
        };
        Merge { ranges, heads: BinaryHeap::new(), begun: false }
    }

    /// The next `rows` placements in order; fewer only at the end.
    pub(super) fn step(
        &mut self,
        read: &mut dyn Read,
        collection: i64,
        rows: usize,
    ) -> Result<Vec<i64>, EngineError> {
        if !self.begun {
            self.begun = true;
            for (nth, range) in self.ranges.iter_mut().enumerate() {
                range.fill(read, collection)?;
                self.heads.extend(range.waiting.front().map(|seq| Reverse((*seq, nth))));
            }
        }
        let mut seqs = Vec::with_capacity(rows);
        while seqs.len() < rows {
            let Some(Reverse((_, nth))) = self.heads.pop() else { break };
            let Some(range) = self.ranges.get_mut(nth) else { break };
            seqs.extend(range.waiting.pop_front());
            if range.waiting.is_empty() && !range.ended {
                range.fill(read, collection)?;
            }
            self.heads.extend(range.waiting.front().map(|seq| Reverse((*seq, nth))));
        }
        Ok(seqs)
    }
}
