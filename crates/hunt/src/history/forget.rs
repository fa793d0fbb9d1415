// SPDX-License-Identifier: Apache-2.0
//! Erasing one value from the history.

use model::observable::Observable;
use model::time::Timestamp;

use super::base::History;
use super::error::HistoryError;
use super::format::{Match, OpenRun, RunWriter};
use super::observed::Keep;
use super::runs::{self, Run};
use crate::limits::RUNS_WITHOUT_FILTER;

/// What erasing came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Runs that held the value and were written anew without it.
    pub runs: u64,
    /// Occurrences that the history no longer knows.
    pub count: u64,
    /// Findings that still quote the value; `erase_findings` takes them away.
    pub findings: u64,
    /// Findings that were taken away.
    pub erased_findings: u64,
    /// Runs that could not be read: they may hold it. They are set aside, and what is hunted again for them
    /// brings back what the logs still hold.
    pub unread: Vec<String>,
}

impl History<'_> {
    /// Erases a value from every run: each that holds it is written anew without it, and all of them take the
    /// place of the old ones at once. The old files go with [`History::sweep`]; only then is it gone.
    ///
    /// Accounts are looked for under their keyed hash. Log files are not touched: hunted again in a grown or
    /// a new file, the value comes back.
    pub fn forget(
        &self,
        observable: &Observable,
        keep: &Keep,
        erase_findings: bool,
        now: Timestamp,
    ) -> Result<Forgotten, HistoryError> {
        let mut forgotten = Forgotten::default();
        // A kind that is no longer kept may have been kept before.
        let mut every = keep.clone();
        every.kinds = every.kinds.with(super::Kinds::one(observable.kind()));
        let (mut old, mut new) = (Vec::new(), Vec::new());
        if let Some(value) = every.stored(observable) {
            for run in self.runs()?.into_iter().filter(|run| run.has(observable.kind())) {
                match self.without(&run, observable, &value, now) {
                    Ok(None) => {}
                    Ok(Some((count, rewritten))) => {
                        forgotten.count += count;
                        old.push(run.facts.name);
                        new.extend(rewritten);
                    }
                    Err(HistoryError::Damaged { name, .. }) => {
                        self.set_aside(&name)?;
                        forgotten.unread.push(name);
                    }
                    Err(other) => return Err(other),
                }
            }
        }
        forgotten.runs = old.len() as u64;
        let texts = [observable.display()];
        let (kept, erased) = self.write(|tx| {
            for name in &old {
                if !runs::take(tx, self.folder.id(), name)? {
                    return Err(HistoryError::Taken { path: name.clone() });
                }
            }
            runs::add(tx, self.folder.id(), &new)?;
            let mut findings = (0, 0);
            for text in &texts {
                let args =
                    [ledger::sql::Value::Int(observable.kind().code()), ledger::sql::Value::Text(text)];
                if erase_findings {
                    findings.1 +=
                        tx.execute("DELETE FROM hunt_findings WHERE kind = ?1 AND value = ?2", &args)?;
                }
                let left = "SELECT count(*) FROM hunt_findings WHERE kind = ?1 AND value = ?2";
                let left = super::register::first_int(tx.as_read(), left, &args)?.unwrap_or(0);
                findings.0 += u64::try_from(left).unwrap_or(0);
            }
            Ok(findings)
        })?;
        (forgotten.findings, forgotten.erased_findings) = (kept, erased);
        Ok(forgotten)
    }

    /// A run written anew without a value, and how often it held it; `None` if it did not. A run with nothing
    /// else in it leaves none.
    fn without(
        &self,
        run: &Run,
        observable: &Observable,
        value: &[u8],
        now: Timestamp,
    ) -> Result<Option<(u64, Option<Run>)>, HistoryError> {
        let kind = observable.kind();
        if OpenRun::may_hold(self.folder, &run.facts, kind, value, value)? == Match::No {
            return Ok(None);
        }
        let open = self.open(&run.facts)?;
        let Some(found) = open.row(kind, value)? else { return Ok(None) };
        let with_filter = self.runs()?.len() > RUNS_WITHOUT_FILTER;
        let mut writer = RunWriter::new(self.folder, run.facts.head, with_filter)?;
        let mut rows = open.rows();
        while let Some(row) = rows.next_row()? {
            if row.key() != found.key() {
                writer.push(&row)?;
            }
        }
        let left = writer.rows() > 0;
        let rewritten = left.then(|| writer.finish()).transpose()?;
        let run = rewritten.map(|facts| Run { facts, level: run.level, files: run.files.clone(), made: now });
        Ok(Some((found.tally.count, run)))
    }
}
