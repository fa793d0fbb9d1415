// SPDX-License-Identifier: Apache-2.0
//! Retention: whole runs of a month and class are dropped, and it is kept in mind that they were there.

use std::collections::{BTreeMap, BTreeSet};

use ledger::sql::{EngineError, Flow, Read, Tx, Value};
use model::observable::ObservableKind;
use model::time::Timestamp;

use super::base::History;
use super::error::HistoryError;
use super::format::RunHead;
use super::merge::Step;
use super::month::{Month, second_of};
use super::runs::{self, LEVEL_FILE, Run, int};
use super::settings::Retentions;
use crate::event::SourceKind;

/// What retention took away, of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Kind of value.
    pub kind: ObservableKind,
    /// Kind of log.
    pub source: SourceKind,
    /// Months, the oldest first.
    pub months: BTreeSet<Month>,
    /// Rows that were dropped.
    pub rows: u64,
}

impl History<'_> {
    /// Drops every month that a class is kept no longer. Months of files whose runs hold several classes are
    /// merged first. Answers how many rows are gone; their files are removed by [`History::sweep`].
    pub fn retain(&self, now: Timestamp) -> Result<u64, HistoryError> {
        let this_month = second_of(now).map_or(Month::NONE, Month::of_second);
        let limits = self.retentions()?;
        let is_over = |kind: ObservableKind, head: &RunHead| {
            let months = limits.months(kind, head.source);
            // What tells no time cannot be known to be older than it may get: it goes by when it was recorded.
            head.month != Month::NONE && months.is_some_and(|months| head.month < this_month.earlier(months))
        };
        for head in self.mixed(&is_over)? {
            while self.merge_files_of(head, now)? != Step::Idle {}
        }
        self.write(|tx| {
            let mut rows = 0;
            for run in runs::live(tx.as_read(), self.folder.id())? {
                let kind = run.facts.kinds.each().next().filter(|_| run.facts.kinds.is_one());
                if let Some(kind) =
                    kind.filter(|kind| is_over(*kind, &run.facts.head) || is_old(&run, *kind, &limits, now))
                {
                    runs::take(tx, self.folder.id(), &run.facts.name)?;
                    note(tx, &run, kind, now)?;
                    rows += run.facts.rows;
                }
            }
            Ok(rows)
        })
    }

    /// Months of files in which something is over.
    fn mixed(
        &self,
        is_over: &dyn Fn(ObservableKind, &RunHead) -> bool,
    ) -> Result<BTreeSet<RunHead>, HistoryError> {
        let mixed =
            self.runs()?.into_iter().filter(|run| run.level == LEVEL_FILE && !run.facts.kinds.is_one());
        let over = mixed.filter(|run| run.facts.kinds.each().any(|kind| is_over(kind, &run.facts.head)));
        Ok(over.map(|run| run.facts.head).collect())
    }
}

/// Whether a run that tells no time was made longer ago than its class is kept.
fn is_old(run: &Run, kind: ObservableKind, limits: &Retentions, now: Timestamp) -> bool {
    let (made, this_month) = (month_of(run.made), month_of(now));
    let months = limits.months(kind, run.facts.head.source);
    run.facts.head.month == Month::NONE && months.is_some_and(|months| made < this_month.earlier(months))
}

fn month_of(time: Timestamp) -> Month {
    second_of(time).map_or(Month::NONE, Month::of_second)
}

fn note(tx: &mut dyn Tx, run: &Run, kind: ObservableKind, now: Timestamp) -> Result<(), EngineError> {
    let key = [run.facts.head.month.code(), kind.code(), run.facts.head.source.code().into()].map(Value::Int);
    let [month, kind, source] = key;
    let args = [month, kind, source, Value::Int(int(run.facts.rows)), Value::Int(now.micros())];
    let again = "UPDATE hunt_dropped SET row_count = row_count + ?4, dropped = ?5 WHERE month = ?1 AND kind = ?2 AND source = ?3";
    if tx.execute(again, &args)? == 0 {
        tx.execute(
            "INSERT INTO hunt_dropped (month, kind, source, row_count, dropped) VALUES (?1, ?2, ?3, ?4, ?5)",
            &args,
        )?;
    }
    Ok(())
}

/// What retention took away, by class.
pub(super) fn dropped(read: &mut dyn Read) -> Result<Vec<Dropped>, EngineError> {
    let mut classes: BTreeMap<(i64, i64), Dropped> = BTreeMap::new();
    read.query(
        "SELECT month, kind, source, row_count FROM hunt_dropped ORDER BY kind, source, month",
        &[],
        &mut |row| {
            let (month, kind, source) = (row.int(0)?, row.int(1)?, row.int(2)?);
            if let (Some(month), Some(kind_of_value)) =
                (Month::from_code(month), ObservableKind::from_code(kind))
            {
                let class = classes.entry((kind, source)).or_insert_with(|| Dropped {
                    kind: kind_of_value,
                    source: SourceKind::from_code(source).unwrap_or_default(),
                    months: BTreeSet::new(),
                    rows: 0,
                });
                class.months.insert(month);
                class.rows += u64::try_from(row.int(3)?).unwrap_or(0);
            }
            Ok(Flow::Continue)
        },
    )?;
    Ok(classes.into_values().collect())
}
