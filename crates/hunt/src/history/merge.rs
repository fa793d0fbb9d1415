// SPDX-License-Identifier: Apache-2.0
//! Merging runs, in the background and in bounded steps. Runs of files become runs of a month and a retention
//! class; runs of a class become one. Never further: retention drops whole runs.

use std::collections::{BTreeMap, BTreeSet};

use ledger::sql::{EngineError, Tx};
use model::observable::ObservableKind;
use model::time::Timestamp;

use super::base::History;
use super::error::HistoryError;
use super::format::{Kinds, RunFacts, RunHead, RunWriter};
use super::register;
use super::rows::{Merged, Stream};
use super::runs::{self, LEVEL_FILE, LEVEL_MERGED, Run};
use crate::limits::{MERGE_RUNS_MAX, MERGE_RUNS_MIN};

/// What one step of merging did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is nothing to merge.
    Idle,
    /// Runs were merged.
    Merged {
        /// How many.
        runs: u64,
        /// Into how many.
        into: u64,
        /// Rows that were written.
        rows: u64,
    },
    /// A run was damaged and is set aside; its files are to be hunted again.
    SetAside {
        /// Files that are to be hunted again.
        files: u64,
    },
}

/// How eagerly runs are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zeal {
    /// All that can be, down to one run for each class and month.
    All,
    /// When enough runs wait that it pays.
    WhenItPays,
}

/// What one step merges.
struct Job {
    head: RunHead,
    /// The class, or all kinds of runs of files.
    kind: Option<ObservableKind>,
    runs: Vec<Run>,
}

impl History<'_> {
    /// One step: merges at most [`MERGE_RUNS_MAX`] runs of one month, in memory that does not depend on their
    /// size. Runs of a plain file that may still grow are left for a day. Call it until it is idle, or once in a
    /// while; killed at any moment it has done all of a step or nothing.
    pub fn merge_step(&self, zeal: Zeal, now: Timestamp) -> Result<Step, HistoryError> {
        let (runs, growing) = self.read(|read| {
            let files = register::files(read)?.into_iter();
            let young = files.filter(|file| {
                !file.merged && !register::is_settled(file.packed, file.last, file.recorded, now)
            });
            Ok((runs::live(read, self.folder.id())?, young.map(|file| file.id).collect::<BTreeSet<i64>>()))
        })?;
        match plan(runs, &growing, zeal) {
            Some(job) => self.merge(&job, now),
            None => Ok(Step::Idle),
        }
    }

    /// Merges the runs of files of a month, whatever waits: so that a class of it can be dropped.
    pub(super) fn merge_files_of(&self, head: RunHead, now: Timestamp) -> Result<Step, HistoryError> {
        let mut runs = self.runs()?;
        runs.retain(|run| run.level == LEVEL_FILE && run.facts.head == head);
        runs.truncate(MERGE_RUNS_MAX);
        if runs.is_empty() { Ok(Step::Idle) } else { self.merge(&Job { head, kind: None, runs }, now) }
    }

    fn merge(&self, job: &Job, now: Timestamp) -> Result<Step, HistoryError> {
        let written = match self.write_merged(job, now) {
            Err(HistoryError::Damaged { name, .. }) => {
                return Ok(Step::SetAside { files: self.set_aside(&name)? });
            }
            written => written?,
        };
        let into = written.len() as u64;
        let rows = written.iter().map(|run| run.facts.rows).sum();
        let took = self.write(|tx| {
            for run in &job.runs {
                if !runs::take(tx, self.folder.id(), &run.facts.name)? {
                    // Somebody else merged or dropped it meanwhile: what was written is swept.
                    return Err(HistoryError::Taken { path: run.facts.name.clone() });
                }
            }
            mark_merged(tx, &job.runs)?;
            Ok(runs::add(tx, self.folder.id(), &written)?)
        });
        match took {
            Err(HistoryError::Taken { .. }) => Ok(Step::Idle),
            took => took.map(|()| Step::Merged { runs: job.runs.len() as u64, into, rows }),
        }
    }

    /// Writes a run for each kind. Where the rows are those of an input, so are bytes and name, and the list
    /// names the same run anew.
    fn write_merged(&self, job: &Job, now: Timestamp) -> Result<Vec<Run>, HistoryError> {
        let streams = job.runs.iter().map(|run| match job.kind {
            Some(kind) => Stream::run_of(self.folder, &run.facts, kind),
            None => Stream::run(self.folder, &run.facts),
        });
        let mut rows = Merged::new(streams.collect::<Result<_, _>>()?)?;
        let with_filter = self.are_many(job.runs.len())?;
        let mut written = Vec::new();
        let mut writer: Option<(ObservableKind, RunWriter)> = None;
        let mut end = |writer: Option<(ObservableKind, RunWriter)>| -> Result<(), HistoryError> {
            if let Some((kind, writer)) = writer {
                written.push(merged(writer.finish()?, kind, &job.runs, now));
            }
            Ok(())
        };
        while let Some(row) = rows.next_row()? {
            if writer.as_ref().is_none_or(|(kind, _)| *kind != row.kind) {
                end(writer.take())?;
                writer = Some((row.kind, RunWriter::new(self.folder, job.head, with_filter)?));
            }
            if let Some((_, writer)) = &mut writer {
                writer.push(&row)?;
            }
        }
        end(writer)?;
        Ok(written)
    }
}

fn merged(facts: RunFacts, kind: ObservableKind, from: &[Run], now: Timestamp) -> Run {
    let with_kind = from.iter().filter(|run| run.has(kind));
    let files = with_kind.flat_map(|run| run.files.iter().copied()).collect();
    Run { facts, level: LEVEL_MERGED, files, made: now }
}

fn mark_merged(tx: &mut dyn Tx, runs: &[Run]) -> Result<(), EngineError> {
    let files: BTreeSet<i64> =
        runs.iter().filter(|run| run.level == LEVEL_FILE).flat_map(|run| run.files.iter().copied()).collect();
    files.into_iter().try_for_each(|file| register::mark_merged(tx, file))
}

/// What to merge next: runs of files first, the oldest month first; then runs of one class, smaller ones of
/// like size together, so that a row is written again only each time that its run has grown manifold.
fn plan(runs: Vec<Run>, growing: &BTreeSet<i64>, zeal: Zeal) -> Option<Job> {
    let (least, tiers) = match zeal {
        Zeal::All => (1, false),
        Zeal::WhenItPays => (MERGE_RUNS_MIN, true),
    };
    let mut of_files: BTreeMap<RunHead, Vec<Run>> = BTreeMap::new();
    let mut of_class: BTreeMap<(RunHead, Kinds, u32), Vec<Run>> = BTreeMap::new();
    for run in runs {
        if run.level == LEVEL_FILE {
            if run.files.is_disjoint(growing) {
                of_files.entry(run.facts.head).or_default().push(run);
            }
        } else {
            let tier = if tiers { run.facts.rows.max(1).ilog2() / 3 } else { 0 };
            of_class.entry((run.facts.head, run.facts.kinds, tier)).or_default().push(run);
        }
    }
    if let Some((head, mut runs)) = of_files.into_iter().find(|(_, runs)| runs.len() >= least) {
        runs.truncate(MERGE_RUNS_MAX);
        return Some(Job { head, kind: None, runs });
    }
    // Merging one run with itself changes nothing.
    let (key, mut runs) = of_class.into_iter().find(|(_, runs)| runs.len() >= least.max(2))?;
    runs.sort_by_key(|run| run.facts.rows);
    runs.truncate(MERGE_RUNS_MAX);
    Some(Job { head: key.0, kind: key.1.each().next(), runs })
}
