// SPDX-License-Identifier: Apache-2.0
//! The list of runs that count.

use std::collections::BTreeSet;

use ledger::sql::{EngineError, Flow, Read, Row, Tx, Value};
use model::observable::ObservableKind;
use model::time::Timestamp;

use super::base::History;
use super::error::HistoryError;
use super::format::{Kinds, RunFacts, RunHead};
use super::month::Month;
use super::register::first_int;
use super::tables::RUNS;
use crate::event::SourceKind;
use crate::limits::RUNS_WITHOUT_FILTER;

/// A run of one file and month, with all kinds.
pub(super) const LEVEL_FILE: i64 = 0;
/// A run of one month and retention class: one kind of value, one kind of log.
pub(super) const LEVEL_MERGED: i64 = 1;

const STATE_LIVE: i64 = 1;
const STATE_ASIDE: i64 = 2;

/// A run that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What it is.
    pub facts: RunFacts,
    /// 0: of one file; 1: merged, of one retention class.
    pub level: i64,
    /// Files whose observables it holds.
    pub files: BTreeSet<i64>,
    /// When it was made.
    pub made: Timestamp,
}

impl Run {
    /// Whether values of a kind may be in it.
    pub fn has(&self, kind: ObservableKind) -> bool {
        self.facts.kinds.has(kind)
    }
}

/// A run that was set aside: what it held is missing until its files were hunted again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Its name.
    pub name: String,
    /// Month and kind of log.
    pub head: RunHead,
    /// Kinds of its values.
    pub kinds: Kinds,
    /// Files that are still to be hunted again.
    pub files: BTreeSet<i64>,
}

const COLUMNS_LIVE: &str =
    "SELECT name, level, month, source, kinds, row_count, bytes, checks, filter_at, filter_bytes, files, made
     FROM hunt_runs WHERE folder = ?1 AND state = 1 ORDER BY name";

/// The runs of a folder that count.
pub(super) fn live(read: &mut dyn Read, folder: &str) -> Result<Vec<Run>, EngineError> {
    let mut all = Vec::new();
    read.query(COLUMNS_LIVE, &[Value::Text(folder)], &mut |row| {
        all.push(run_of(row)?);
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

fn run_of(row: &dyn Row) -> Result<Run, EngineError> {
    let unsigned = |column| row.int(column).map(|n| u64::try_from(n).unwrap_or(0));
    Ok(Run {
        facts: RunFacts {
            name: row.text(0)?.to_owned(),
            head: head_of(row, 2)?,
            kinds: Kinds(row.int(4)?),
            rows: unsigned(5)?,
            bytes: unsigned(6)?,
            checks: row.blob(7)?.to_vec(),
            filter: (unsigned(8)?, unsigned(9)?),
        },
        level: row.int(1)?,
        files: files_of(row.blob(10)?),
        made: Timestamp::from_micros(row.int(11)?),
    })
}

fn head_of(row: &dyn Row, column: usize) -> Result<RunHead, EngineError> {
    let (month, source) = (row.int(column)?, row.int(column + 1)?);
    let month =
        Month::from_code(month).ok_or_else(|| EngineError::shape(format!("hunt_runs.month is {month}")))?;
    Ok(RunHead { month, source: SourceKind::from_code(source).unwrap_or_default() })
}

/// Runs of all folders that were set aside.
pub(super) fn aside(read: &mut dyn Read) -> Result<Vec<Aside>, EngineError> {
    let mut all = Vec::new();
    read.query(
        "SELECT name, month, source, kinds, files FROM hunt_runs WHERE state = 2 ORDER BY name",
        &[],
        &mut |row| {
            let (head, files) = (head_of(row, 1)?, files_of(row.blob(4)?));
            all.push(Aside { name: row.text(0)?.to_owned(), head, kinds: Kinds(row.int(3)?), files });
            Ok(Flow::Continue)
        },
    )?;
    Ok(all)
}

/// How many runs lie in folders of other processes of this node.
pub(super) fn elsewhere(read: &mut dyn Read, folder: &str) -> Result<u64, EngineError> {
    let mut count = 0;
    read.query(
        "SELECT count(*) FROM hunt_runs WHERE folder <> ?1 AND state = 1",
        &[Value::Text(folder)],
        &mut |row| {
            count = u64::try_from(row.int(0)?).unwrap_or(0);
            Ok(Flow::Stop)
        },
    )?;
    Ok(count)
}

/// Adds runs to those that count.
pub(super) fn add(tx: &mut dyn Tx, folder: &str, runs: &[Run]) -> Result<(), EngineError> {
    let mut sorted: Vec<&Run> = runs.iter().collect();
    sorted.sort_by(|a, b| a.facts.name.cmp(&b.facts.name));
    tx.insert_many(&RUNS, &mut |push| {
        for run in &sorted {
            let RunFacts { name, head, kinds, rows, bytes, checks, filter } = &run.facts;
            push(&[
                Value::Text(folder),
                Value::Text(name),
                Value::Int(run.level),
                Value::Int(head.month.code()),
                Value::Int(head.source.code().into()),
                Value::Int(kinds.0),
                Value::Int(int(*rows)),
                Value::Int(int(*bytes)),
                Value::Blob(checks),
                Value::Int(int(filter.0)),
                Value::Int(int(filter.1)),
                Value::Blob(&files_blob(&run.files)),
                Value::Int(STATE_LIVE),
                Value::Int(run.made.micros()),
            ])?;
        }
        Ok(())
    })
}

/// Takes a run off the list; answers whether it counted until now.
pub(super) fn take(tx: &mut dyn Tx, folder: &str, name: &str) -> Result<bool, EngineError> {
    let args = [Value::Text(folder), Value::Text(name), Value::Int(STATE_LIVE)];
    Ok(tx.execute("DELETE FROM hunt_runs WHERE folder = ?1 AND name = ?2 AND state = ?3", &args)? > 0)
}

/// Takes the runs of one file alone off the list, in whatever folder.
pub(super) fn take_of_file(tx: &mut dyn Tx, file: i64) -> Result<(), EngineError> {
    let files = files_blob(&BTreeSet::from([file]));
    let args = [Value::Int(LEVEL_FILE), Value::Blob(&files), Value::Int(STATE_LIVE)];
    tx.execute("DELETE FROM hunt_runs WHERE level = ?1 AND files = ?2 AND state = ?3", &args).map(|_| ())
}

/// Which kinds of values stand in the runs of one file alone.
pub(super) fn kinds_of_file(read: &mut dyn Read, file: i64) -> Result<Kinds, EngineError> {
    let files = files_blob(&BTreeSet::from([file]));
    let args = [Value::Int(LEVEL_FILE), Value::Blob(&files), Value::Int(STATE_LIVE)];
    let mut all = Kinds::default();
    let sql = "SELECT kinds FROM hunt_runs WHERE level = ?1 AND files = ?2 AND state = ?3";
    read.query(sql, &args, &mut |row| {
        all = all.with(Kinds(row.int(0)?));
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

/// A file was hunted again: it is missing from no run that was set aside.
pub(super) fn found_again(tx: &mut dyn Tx, file: i64) -> Result<(), EngineError> {
    for mut run in aside(tx.as_read())?.into_iter().filter(|run| run.files.contains(&file)) {
        run.files.remove(&file);
        let (name, files) = (Value::Text(&run.name), files_blob(&run.files));
        if run.files.is_empty() {
            tx.execute("DELETE FROM hunt_runs WHERE name = ?1 AND state = 2", &[name])?;
        } else {
            tx.execute(
                "UPDATE hunt_runs SET files = ?2 WHERE name = ?1 AND state = 2",
                &[name, Value::Blob(&files)],
            )?;
        }
    }
    Ok(())
}

impl History<'_> {
    /// Sets a damaged run aside: it no longer counts, and its files are to be hunted again. Answers how many.
    pub fn set_aside(&self, name: &str) -> Result<u64, HistoryError> {
        let folder = self.folder.id();
        let files = self.write(|tx| {
            let Some(run) = live(tx.as_read(), folder)?.into_iter().find(|run| run.facts.name == name) else {
                return Ok(0);
            };
            let args = [Value::Text(folder), Value::Text(name), Value::Int(STATE_ASIDE)];
            tx.execute("UPDATE hunt_runs SET state = ?3 WHERE folder = ?1 AND name = ?2", &args)?;
            for file in &run.files {
                tx.execute("UPDATE hunt_files SET state = 5 WHERE id = ?1", &[Value::Int(*file)])?;
            }
            Ok(run.files.len() as u64)
        })?;
        self.folder.set_aside(name).map_err(HistoryError::folder("set aside", name))?;
        Ok(files)
    }

    /// Removes what lies in the folder and counts no more, or never did: runs that a crash left, runs that were
    /// merged. Only for who is alone: others may be about to list what they wrote. Answers how many.
    pub fn sweep(&self) -> Result<u64, HistoryError> {
        let names = self.folder.list().map_err(HistoryError::folder("list", "runs"))?;
        let live: BTreeSet<String> = self
            .read(|read| Ok(live(read, self.folder.id())?))?
            .into_iter()
            .map(|run| run.facts.name)
            .collect();
        let mut removed = 0;
        for name in names.iter().filter(|name| !live.contains(*name)) {
            self.folder.remove(name).map_err(HistoryError::folder("remove", name))?;
            removed += 1;
        }
        Ok(removed)
    }

    /// The runs that count.
    pub fn runs(&self) -> Result<Vec<Run>, HistoryError> {
        self.read(|read| Ok(live(read, self.folder.id())?))
    }

    /// Whether a new run needs a filter: beside so many others that a question would else open all of them. It is
    /// asked for each log, so that it must not read them all.
    pub(super) fn are_many(&self, besides: usize) -> Result<bool, HistoryError> {
        let limit = RUNS_WITHOUT_FILTER.saturating_add(besides);
        let sql =
            "SELECT count(*) FROM (SELECT 1 FROM hunt_runs WHERE folder = ?1 AND state = 1 LIMIT ?2) AS runs";
        let args = [Value::Text(self.folder.id()), Value::Int(int(limit as u64))];
        let count = self.read(|read| Ok(first_int(read, sql, &args)?))?;
        Ok(count.is_some_and(|count| usize::try_from(count).is_ok_and(|count| count >= limit)))
    }
}

/// A set of files as stored: the difference to the one before, seven bits a byte, the lowest first.
fn files_blob(files: &BTreeSet<i64>) -> Vec<u8> {
    let (mut blob, mut last) = (Vec::new(), 0);
    for file in files {
        let mut step = file.wrapping_sub(last).cast_unsigned();
        last = *file;
        while step >= 0x80 {
            blob.push((step & 0x7F) as u8 | 0x80);
            step >>= 7;
        }
        blob.push(step as u8);
    }
    blob
}

fn files_of(blob: &[u8]) -> BTreeSet<i64> {
    let (mut files, mut last, mut step, mut shift) = (BTreeSet::new(), 0_i64, 0_u64, 0);
    for byte in blob {
        step |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
        shift += 7;
        if byte & 0x80 == 0 {
            last = last.wrapping_add(step.cast_signed());
            files.insert(last);
            (step, shift) = (0, 0);
        }
    }
    files
}

pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_files_comes_back() {
        for files in [vec![], vec![1], vec![1, 2, 300, i64::MAX], vec![127, 128, 16_384]] {
            let files: BTreeSet<i64> = files.into_iter().collect();
            assert_eq!(files_of(&files_blob(&files)), files);
        }
    }
}
