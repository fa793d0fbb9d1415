// SPDX-License-Identifier: Apache-2.0
//! Recording a file: its runs are written first, then register, runs and findings count in one transaction.
//! After a crash the file is wholly recorded or not at all, and recording it again changes nothing.

use std::collections::BTreeSet;

use ledger::sql::{EngineError, Tx, Value};
use model::time::Timestamp;

use super::base::History;
use super::error::HistoryError;
use super::format::{Kinds, RunHead, RunWriter};
use super::month::Month;
use super::observed::Observed;
use super::register::{self, File, FileFacts, FileState, clean};
use super::row::Sources;
use super::rows::Merged;
use super::runs::{self, LEVEL_FILE, Run, int};
use crate::limits::FINDINGS_PER_FILE_MAX;
use crate::report::Hit;

/// What adding findings to those of a file came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// How many were not there yet.
    pub new: u64,
    /// For how many there was no room.
    pub left: u64,
}

/// What recording came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The content was not known.
    Added {
        /// Findings that are new.
        new_findings: u64,
    },
    /// A run that held what the file says was damaged; what was missing is there again.
    Again {
        /// Findings that are new.
        new_findings: u64,
    },
    /// The same file with more in it: what was recorded of its shorter form is replaced, or added to.
    Grown {
        /// Findings that are new; of a file that is replaced all of them.
        new_findings: u64,
    },
    /// The content was recorded before, under this or another path: its observables are counted already.
    /// Findings of other indicators are added.
    Known {
        /// Findings that are new.
        new_findings: u64,
    },
}

impl Recorded {
    /// Findings that were not recorded before.
    pub fn new_findings(self) -> u64 {
        match self {
            Recorded::Added { new_findings }
            | Recorded::Again { new_findings }
            | Recorded::Grown { new_findings }
            | Recorded::Known { new_findings } => new_findings,
        }
    }
}

/// What is to be done with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Claim {
    /// Everything in it counts.
    Add(i64),
    /// Only what damaged runs held: months and kinds.
    Again(i64, Vec<(Month, Kinds)>),
    Known(i64),
    /// It takes the place of its shorter form.
    Replace(i64),
    /// What was added to it counts.
    Tail(i64),
}

impl Claim {
    fn file(&self) -> i64 {
        match self {
            Claim::Add(file)
            | Claim::Again(file, _)
            | Claim::Known(file)
            | Claim::Replace(file)
            | Claim::Tail(file) => *file,
        }
    }
}

/// A file that was read, to be recorded.
#[derive(Clone, Copy, Debug)]
pub struct ReadFile<'r> {
    /// What is known of it; from `facts.from` on where only a part of it was read.
    pub facts: &'r FileFacts,
    /// What was found in it.
    pub findings: &'r [Hit],
    /// Any number but 0 that only this process has.
    pub worker: i64,
    /// The time now.
    pub now: Timestamp,
}

impl History<'_> {
    /// Records one file, or a part of it.
    ///
    /// A file that has grown since what it held was merged with others is refused ([`HistoryError::Grown`]): it
    /// is hunted again from where the error says.
    pub fn record(&self, file: &ReadFile<'_>, mut observed: Observed) -> Result<Recorded, HistoryError> {
        let recorded = self.try_record(file, &mut observed);
        remove_spilled(&observed);
        recorded
    }

    /// As [`History::record`], of what cannot be read once more: `observed` stays as it is where this fails, to be
    /// recorded later, and begins anew where it does not.
    pub fn record_or_keep(
        &self,
        file: &ReadFile<'_>,
        observed: &mut Observed,
    ) -> Result<Recorded, HistoryError> {
        let mut copy = observed.copy()?;
        let recorded = self.try_record(file, &mut copy)?;
        remove_spilled(observed);
        *observed = observed.another();
        Ok(recorded)
    }

    fn try_record(&self, file: &ReadFile<'_>, observed: &mut Observed) -> Result<Recorded, HistoryError> {
        let path = &file.facts.path;
        let mut claim = None;
        self.base.write(&mut |tx| {
            claim = Some(self.claim_content(tx, file.facts, file.worker)?);
            Ok(())
        })?;
        let claim = claim.ok_or_else(|| HistoryError::Taken { path: path.clone() })?;
        let recorded = self.write_runs(&claim, file.facts, observed, file.now).and_then(|runs| {
            let mut done = None;
            self.base.write(&mut |tx| {
                done = Some(self.commit(tx, &claim, file, &runs)?);
                Ok(())
            })?;
            done.ok_or_else(|| HistoryError::Taken { path: path.clone() })
        });
        if let Err(fault) = &recorded {
            // The database may be what fails: then the file is found running, and recorded when it comes again.
            let _ = self.give_up(&claim, file.worker, &fault.to_string());
        }
        recorded
    }

    /// Adds findings to a log whose content is recorded already; answers how many are new, `None` if it is not.
    pub fn add_findings(&self, facts: &FileFacts, findings: &[Hit]) -> Result<Option<u64>, HistoryError> {
        self.write(|tx| {
            let known = register::of_content(tx.as_read(), facts)?;
            let Some(file) = known.filter(|file| file.recorded != Timestamp::EPOCH) else { return Ok(None) };
            Ok(Some(count_findings(tx, file.id, findings)?.new))
        })
    }

    /// Adds findings to a log that is recorded and grows: `file` is its number, as [`History::recorded_as`] said.
    /// Recording what it has grown to puts all findings of it in their place.
    pub fn add_findings_to(&self, file: i64, findings: &[Hit]) -> Result<Added, HistoryError> {
        self.write(|tx| Ok(count_findings(tx, file, findings)?))
    }

    fn claim_content(&self, tx: &mut dyn Tx, facts: &FileFacts, worker: i64) -> Result<Claim, HistoryError> {
        let known = register::of_content(tx.as_read(), facts)?;
        let claim = match known {
            Some(file) if file.state == FileState::Again => {
                let lost = runs::aside(tx.as_read())?.into_iter().filter(|run| run.files.contains(&file.id));
                Claim::Again(file.id, lost.map(|run| (run.head.month, run.kinds)).collect())
            }
            Some(file) if file.recorded != Timestamp::EPOCH => Claim::Known(file.id),
            Some(file) => Claim::Add(file.id),
            None => match register::shorter_form(tx.as_read(), facts)? {
                Some(shorter) => grown(&shorter, facts)?,
                None if facts.from > 0 => {
                    return Err(HistoryError::Grown { path: facts.path.clone(), from: 0 });
                }
                None => Claim::Add(register::begin(tx, facts, worker)?),
            },
        };
        let args = [Value::Int(claim.file()), Value::Int(worker)];
        tx.execute("UPDATE hunt_files SET worker = ?2 WHERE id = ?1", &args)?;
        Ok(claim)
    }

    fn write_runs(
        &self,
        claim: &Claim,
        facts: &FileFacts,
        observed: &mut Observed,
        now: Timestamp,
    ) -> Result<Vec<Run>, HistoryError> {
        if matches!(claim, Claim::Known(_)) {
            return Ok(Vec::new());
        }
        let with_filter = self.are_many(0)?;
        let (file, folder) = (claim.file(), observed.folder());
        let mut written = Vec::new();
        for (month, part) in observed.months()? {
            let head = RunHead { month, source: facts.class.kind };
            let mut rows = Merged::new(part.streams(&*folder)?)?;
            let mut writer = RunWriter::new(self.folder, head, with_filter)?;
            while let Some(mut row) = rows.next_row()? {
                let wanted = match claim {
                    Claim::Again(_, lost) => {
                        lost.iter().any(|(of, kinds)| *of == month && kinds.has(row.kind))
                    }
                    _ => true,
                };
                if wanted {
                    row.sources = Sources::one(file);
                    writer.push(&row)?;
                }
            }
            if writer.rows() > 0 {
                let files = BTreeSet::from([file]);
                written.push(Run { facts: writer.finish()?, level: LEVEL_FILE, files, made: now });
            }
        }
        Ok(written)
    }

    fn commit(
        &self,
        tx: &mut dyn Tx,
        claim: &Claim,
        read: &ReadFile<'_>,
        written: &[Run],
    ) -> Result<Recorded, HistoryError> {
        let ReadFile { facts, findings, worker, now } = *read;
        let file = claim.file();
        let ours = register::file(tx.as_read(), file)?.filter(|row| row.worker == worker);
        let ours = ours.ok_or_else(|| HistoryError::Taken { path: facts.path.clone() })?;
        match claim {
            Claim::Known(_) => {
                tx.execute("UPDATE hunt_files SET worker = 0 WHERE id = ?1", &[Value::Int(file)])?;
            }
            Claim::Add(_) | Claim::Again(..) => register::describe(tx, file, facts, facts.counted_to, now)?,
            Claim::Replace(_) => {
                runs::take_of_file(tx, file)?;
                tx.execute("DELETE FROM hunt_findings WHERE file = ?1", &[Value::Int(file)])?;
                tx.execute("UPDATE hunt_files SET findings = 0 WHERE id = ?1", &[Value::Int(file)])?;
                register::describe(tx, file, facts, facts.counted_to, now)?;
            }
            Claim::Tail(_) => {
                register::describe(tx, file, facts, facts.counted_to.max(ours.counted_to), now)?
            }
        }
        if let Claim::Again(..) = claim {
            runs::found_again(tx, file)?;
        }
        runs::add(tx, self.folder.id(), written)?;
        let new_findings = count_findings(tx, file, findings)?.new;
        Ok(match claim {
            Claim::Add(_) => Recorded::Added { new_findings },
            Claim::Again(..) => Recorded::Again { new_findings },
            Claim::Known(_) => Recorded::Known { new_findings },
            Claim::Replace(_) | Claim::Tail(_) => Recorded::Grown { new_findings },
        })
    }

    fn give_up(&self, claim: &Claim, worker: i64, fault: &str) -> Result<(), HistoryError> {
        self.write(|tx| {
            let args = [Value::Int(claim.file()), Value::Int(worker), Value::Text(&clean(fault))];
            let failed =
                "UPDATE hunt_files SET state = 4, fault = ?3 WHERE id = ?1 AND worker = ?2 AND recorded = 0";
            tx.execute(failed, &args)?;
            tx.execute("UPDATE hunt_files SET worker = 0 WHERE id = ?1 AND worker = ?2", &args[..2])?;
            Ok(())
        })
    }
}

/// Removes the runs that what is recorded, or given up, was written to on the way.
fn remove_spilled(observed: &Observed) {
    let folder = observed.folder();
    for part in observed.spilled() {
        // What stays is swept later.
        let _ = folder.remove(part);
    }
}

/// What a file that has grown comes to.
fn grown(shorter: &File, facts: &FileFacts) -> Result<Claim, HistoryError> {
    if facts.from == 0 && !shorter.merged {
        return Ok(Claim::Replace(shorter.id));
    }
    if facts.from == shorter.counted_to && facts.from > 0 {
        return Ok(Claim::Tail(shorter.id));
    }
    Err(HistoryError::Grown { path: facts.path.clone(), from: shorter.counted_to })
}

/// Adds findings to those of a file and counts them.
fn count_findings(tx: &mut dyn Tx, file: i64, findings: &[Hit]) -> Result<Added, EngineError> {
    let kept = register::first_int(
        tx.as_read(),
        "SELECT findings FROM hunt_files WHERE id = ?1",
        &[Value::Int(file)],
    )?;
    let kept = u64::try_from(kept.unwrap_or(0)).unwrap_or(0);
    let added = add_findings(tx, file, findings, (FINDINGS_PER_FILE_MAX as u64).saturating_sub(kept))?;
    let args = [Value::Int(file), Value::Int(int(added.new))];
    tx.execute("UPDATE hunt_files SET findings = findings + ?2 WHERE id = ?1", &args)?;
    Ok(added)
}

/// Adds the findings that are not there yet, as far as there is room for more.
fn add_findings(tx: &mut dyn Tx, file: i64, findings: &[Hit], room: u64) -> Result<Added, EngineError> {
    let mut added = 0;
    for (nth, Hit { finding, host, account, source, kept }) in findings.iter().enumerate() {
        if added >= room {
            return Ok(Added { new: added, left: (findings.len() - nth) as u64 });
        }
        let (host, account) = (host.as_deref().map(clean), account.as_deref().map(clean));
        added += tx.execute(
            "INSERT INTO hunt_findings (file, byte_offset, indicator, value, kind, line, time, text, lossy, clipped,
             host, account, source, kept)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ON CONFLICT DO NOTHING",
            &[
                Value::Int(file),
                Value::Int(int(finding.offset)),
                Value::Text(&clean(&finding.indicator)),
                Value::Text(&clean(&finding.value)),
                Value::Int(finding.kind.code()),
                Value::Int(int(finding.line)),
                Value::int_or_null(finding.time.map(Timestamp::micros)),
                Value::Text(&clean(&finding.text)),
                Value::Int(i64::from(finding.lossy)),
                Value::Int(i64::from(finding.clipped)),
                Value::text_or_null(host.as_deref()),
                Value::text_or_null(account.as_deref()),
                Value::Int(source.code().into()),
                Value::Text(&clean(kept)),
            ],
        )?;
    }
    Ok(Added { new: added, left: 0 })
}
