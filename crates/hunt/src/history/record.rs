// SPDX-License-Identifier: Apache-2.0
//! Recording a file: its runs are written first, then register, runs and findings count in one transaction.
//! After a crash the file is wholly recorded or not at all, and recording it again changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledger::sql::{EngineError, Read, Tx, Value};
use model::time::Timestamp;

use super::base::History;
use super::error::HistoryError;
use super::findings::{owed, set_owed};
use super::folder::RunFolder;
use super::format::{Kinds, RunHead, RunWriter};
use super::month::Month;
use super::observed::{Observed, Part};
use super::register::{self, File, FileFacts, FileState, clean};
use super::rows::{Merged, Stream};
use super::runs::{self, LEVEL_FILE, Run, int};
use super::tables::NOBODYS;
use super::zones;
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
    /// It was recorded before by another zone, and its lines lack one: register and findings tell its times by this one.
    Retimed {
        /// Findings that are new.
        new_findings: u64,
        /// Whether its values are counted by this one, too: they cannot be where they stand with those of others, or
        /// where something would come back that was erased, or go that is kept no more.
        is_counted: bool,
    },
}

impl Recorded {
    /// Findings that were not recorded before.
    pub fn new_findings(self) -> u64 {
        match self {
            Recorded::Added { new_findings }
            | Recorded::Again { new_findings }
            | Recorded::Grown { new_findings }
            | Recorded::Known { new_findings }
            | Recorded::Retimed { new_findings, .. } => new_findings,
        }
    }
}

/// A log that was hunted in, to be recorded.
#[derive(Debug)]
pub struct LogToRecord<'l> {
    /// What is known of it.
    pub facts: &'l FileFacts,
    /// What it held.
    pub observed: Observed,
    /// What was found in it.
    pub findings: &'l [Hit],
}

/// The number of a log in the register and what recording it came to, or why it is not recorded.
pub type Outcome = Result<(i64, Recorded), HistoryError>;

/// What one log adds to a run.
struct OfLog<'c> {
    claim: &'c Claim,
    part: Part,
    /// Where the runs of the part lie.
    folder: Arc<dyn RunFolder>,
}

/// What is to be done with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Claim {
    /// Everything in it counts.
    Add(i64),
    /// Only what damaged runs held: months and kinds.
    Again(i64, Vec<(Month, Kinds)>),
    Known(i64),
    /// It is known, and its times are others now; whether what it holds counts anew.
    Retime(i64, bool),
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
            | Claim::Retime(file, _)
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
        let ReadFile { facts, findings, worker, now } = *file;
        let mut logs = [LogToRecord { facts, observed: std::mem::take(observed), findings }];
        let recorded = self.record_all(&mut logs, worker, now);
        let [log] = logs;
        *observed = log.observed;
        let taken = || HistoryError::Taken { path: facts.path.clone() };
        recorded?.pop().ok_or_else(taken)?.map(|(_, recorded)| recorded)
    }

    /// Records several logs in two transactions, whatever their number: what each holds on the disk costs more than
    /// what a small log says. Of logs of the same content, or of the same name, only one may be among them.
    ///
    /// Answers for each its number and what recording it came to, or why it is not recorded
    /// ([`HistoryError::Grown`], [`HistoryError::Taken`]): the others are all the same.
    pub fn record_all(
        &self,
        logs: &mut [LogToRecord<'_>],
        worker: i64,
        now: Timestamp,
    ) -> Result<Vec<Outcome>, HistoryError> {
        let mut claims: Vec<Result<Claim, HistoryError>> = Vec::new();
        self.base.write(&mut |tx| {
            claims.clear();
            for log in logs.iter() {
                let claim = match self.claim_content(tx, log, worker) {
                    Err(fault) if !fault.is_of_one_log() => return Err(fault),
                    Ok(claim) if claims.iter().flatten().any(|other| other.file() == claim.file()) => {
                        Err(HistoryError::Taken { path: log.facts.path.clone() })
                    }
                    claim => claim,
                };
                claims.push(claim);
            }
            Ok(())
        })?;
        let recorded = self.write_and_commit(&mut claims, logs, worker, now);
        if let Err(fault) = &recorded {
            for claim in claims.iter().flatten() {
                // The database may be what fails: then the file is found running, and recorded when it comes again.
                let _ = self.give_up(claim, worker, &fault.to_string());
            }
        }
        recorded
    }

    fn write_and_commit(
        &self,
        claims: &mut Vec<Result<Claim, HistoryError>>,
        logs: &mut [LogToRecord<'_>],
        worker: i64,
        now: Timestamp,
    ) -> Result<Vec<Outcome>, HistoryError> {
        let mut parts = Vec::new();
        for (claim, log) in claims.iter().zip(logs.iter_mut()) {
            let is_counted = |claim: &Claim| !matches!(claim, Claim::Known(_) | Claim::Retime(_, false));
            let is_wanted = claim.as_ref().is_ok_and(is_counted);
            parts.push(if is_wanted { log.observed.months()? } else { BTreeMap::new() });
        }
        loop {
            let again = if claims.len() > 1 { parts.clone() } else { Vec::new() };
            let written = self.write_runs(claims, logs, std::mem::replace(&mut parts, again), now)?;
            let (mut outcomes, mut taken) = (Vec::new(), None);
            let done = self.base.write(&mut |tx| {
                outcomes.clear();
                for (nth, (claim, log)) in claims.iter().zip(logs.iter()).enumerate() {
                    let Ok(claim) = claim else { continue };
                    taken = Some(nth);
                    outcomes.push((claim.file(), self.commit(tx, claim, log, worker, now)?));
                }
                runs::add(tx, self.folder.id(), &written)?;
                Ok(mark_joint(tx, &written)?)
            });
            match (done, taken.and_then(|nth| claims.get_mut(nth))) {
                // Its rows are among those of the others in what was written: all of it is written again without.
                (Err(fault @ HistoryError::Taken { .. }), Some(claim)) => *claim = Err(fault),
                (Err(fault), _) => return Err(fault),
                (Ok(()), _) => {
                    let mut outcomes = outcomes.into_iter();
                    let taken = || HistoryError::Taken { path: String::new() };
                    return Ok(std::mem::take(claims)
                        .into_iter()
                        .map(|claim| claim.and_then(|_| outcomes.next().ok_or_else(taken)))
                        .collect());
                }
            }
        }
    }

    /// Adds findings to a log whose content is recorded already; answers how many are new, `None` if it is not. `by` is the
    /// number of the process that is about to tell of them, [`NOBODYS`](super::NOBODYS) where none is.
    pub fn add_findings(
        &self,
        facts: &FileFacts,
        findings: &[Hit],
        by: i64,
    ) -> Result<Option<u64>, HistoryError> {
        self.write(|tx| {
            let known = register::of_content(tx.as_read(), facts)?;
            let Some(file) = known.filter(|file| file.recorded != Timestamp::EPOCH) else { return Ok(None) };
            Ok(Some(count_findings(tx, file.id, (findings, &[]), by)?.new))
        })
    }

    /// Adds findings to a log that is recorded and grows: `file` is its number, as [`History::recorded_as`] said.
    /// Recording what it has grown to puts all findings of it in their place. `by` is as for [`History::add_findings`].
    pub fn add_findings_to(&self, file: i64, findings: &[Hit], by: i64) -> Result<Added, HistoryError> {
        self.write(|tx| Ok(count_findings(tx, file, (findings, &[]), by)?))
    }

    fn claim_content(
        &self,
        tx: &mut dyn Tx,
        log: &LogToRecord<'_>,
        worker: i64,
    ) -> Result<Claim, HistoryError> {
        let facts = log.facts;
        let known = register::of_content(tx.as_read(), facts)?;
        let claim = match known {
            Some(file) if file.state == FileState::Again => {
                let lost = runs::aside(tx.as_read())?.into_iter().filter(|run| run.files.contains(&file.id));
                Claim::Again(file.id, lost.map(|run| (run.head.month, run.kinds)).collect())
            }
            Some(file) if file.recorded != Timestamp::EPOCH && file.is_retimed_by(facts) => {
                Claim::Retime(file.id, can_count_anew(tx.as_read(), &file, log.observed.kinds())?)
            }
            Some(file) if file.recorded != Timestamp::EPOCH => Claim::Known(file.id),
            Some(file) => Claim::Add(file.id),
            None => match register::grown_from(tx.as_read(), facts)? {
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

    /// Writes the runs of logs: one of a month for all that can grow no more, as merging would make it, and one of
    /// its own for each other.
    fn write_runs(
        &self,
        claims: &[Result<Claim, HistoryError>],
        logs: &[LogToRecord<'_>],
        parts: Vec<BTreeMap<Month, Part>>,
        now: Timestamp,
    ) -> Result<Vec<Run>, HistoryError> {
        let with_filter = self.are_many(0)?;
        let mut heads: BTreeMap<(RunHead, Option<usize>), Vec<OfLog<'_>>> = BTreeMap::new();
        for (nth, ((claim, log), months)) in claims.iter().zip(logs).zip(parts).enumerate() {
            let Ok(claim) = claim else { continue };
            let is_settled = register::is_settled(log.facts.packed, log.facts.last, now, now);
            let alone = (!matches!(claim, Claim::Add(_)) || !is_settled).then_some(nth);
            for (month, part) in months {
                let head = RunHead { month, source: log.facts.class.kind };
                let folder = log.observed.folder();
                heads.entry((head, alone)).or_default().push(OfLog { claim, part, folder });
            }
        }
        let mut written = Vec::new();
        for ((head, _), logs) in heads {
            written.extend(self.write_run(head, logs, with_filter, now)?);
        }
        Ok(written)
    }

    fn write_run(
        &self,
        head: RunHead,
        logs: Vec<OfLog<'_>>,
        with_filter: bool,
        now: Timestamp,
    ) -> Result<Option<Run>, HistoryError> {
        let mut writer = RunWriter::new(self.folder, head, with_filter)?;
        let mut files = BTreeSet::new();
        let mut streams = Vec::new();
        let mut lost = None;
        for OfLog { claim, part, folder } in logs {
            files.insert(claim.file());
            streams.push(Stream::of_file(claim.file(), Merged::new(part.streams(&*folder)?)?));
            if let Claim::Again(_, of) = claim {
                lost = Some(of);
            }
        }
        let mut rows = Merged::new(streams)?;
        while let Some(row) = rows.next_row()? {
            let is_of = |(month, kinds): &(Month, Kinds)| *month == head.month && kinds.has(row.kind);
            if lost.is_none_or(|lost| lost.iter().any(is_of)) {
                writer.push(&row)?;
            }
        }
        if writer.rows() == 0 {
            return Ok(None);
        }
        Ok(Some(Run { facts: writer.finish()?, level: LEVEL_FILE, files, made: now }))
    }

    fn commit(
        &self,
        tx: &mut dyn Tx,
        claim: &Claim,
        log: &LogToRecord<'_>,
        worker: i64,
        now: Timestamp,
    ) -> Result<Recorded, HistoryError> {
        let (file, facts) = (claim.file(), log.facts);
        let ours = register::file(tx.as_read(), file)?.filter(|row| row.worker == worker);
        let ours = ours.ok_or_else(|| HistoryError::Taken { path: facts.path.clone() })?;
        let mut told = Vec::new();
        match claim {
            Claim::Known(_) => {
                tx.execute("UPDATE hunt_files SET worker = 0 WHERE id = ?1", &[Value::Int(file)])?;
                register::note_place(tx, &ours, facts)?;
                register::note_kinds(tx, &ours, facts)?;
            }
            Claim::Retime(_, is_counted) => {
                if *is_counted {
                    runs::take_of_file(tx, file)?;
                }
                zones::retime(tx, &ours, facts, *is_counted)?;
                retime_findings(tx, file, log.findings)?;
                tx.execute("UPDATE hunt_files SET worker = 0 WHERE id = ?1", &[Value::Int(file)])?;
                register::note_place(tx, &ours, facts)?;
                register::note_kinds(tx, &ours, facts)?;
            }
            Claim::Add(_) | Claim::Again(..) => register::describe(tx, file, facts, facts.counted_to, now)?,
            Claim::Replace(_) => {
                // All of it is read, found and counted by one zone.
                runs::take_of_file(tx, file)?;
                // What was told of the shorter form is told.
                let findings: Vec<&Hit> = log.findings.iter().collect();
                let owed = owed(tx.as_read(), file, &findings)?;
                told = owed.into_iter().map(|owed| owed == Some(0)).collect();
                tx.execute("DELETE FROM hunt_findings WHERE file = ?1", &[Value::Int(file)])?;
                tx.execute("UPDATE hunt_files SET findings = 0 WHERE id = ?1", &[Value::Int(file)])?;
                register::describe(tx, file, facts, facts.counted_to, now)?;
            }
            Claim::Tail(_) => {
                register::describe(tx, file, facts, facts.counted_to.max(ours.counted_to), now)?;
                if ours.began_otherwise(facts) || ours.counted_zone.as_str() != ours.zone {
                    zones::put_zones(tx, file, &ours.zones_with_part(facts))?;
                }
                if facts.may_retime && ours.began_otherwise(facts) {
                    retime_findings(tx, file, log.findings)?;
                }
            }
        }
        if let Claim::Again(..) = claim {
            runs::found_again(tx, file)?;
        }
        let new_findings = count_findings(tx, file, (log.findings, &told), worker)?.new;
        Ok(match claim {
            Claim::Add(_) => Recorded::Added { new_findings },
            Claim::Again(..) => Recorded::Again { new_findings },
            Claim::Known(_) => Recorded::Known { new_findings },
            Claim::Retime(_, is_counted) => Recorded::Retimed {
                new_findings,
                // It may be the zone by which it was counted first.
                is_counted: *is_counted || ours.counted_zone == facts.zone,
            },
            Claim::Replace(_) | Claim::Tail(_) if facts.may_retime && ours.began_otherwise(facts) => {
                Recorded::Retimed { new_findings, is_counted: matches!(claim, Claim::Replace(_)) }
            }
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

/// A log whose rows stand with those of others in one run cannot be taken back alone.
fn mark_joint(tx: &mut dyn Tx, written: &[Run]) -> Result<(), EngineError> {
    let joint = written.iter().filter(|run| run.files.len() > 1);
    let files: BTreeSet<i64> = joint.flat_map(|run| run.files.iter().copied()).collect();
    files.into_iter().try_for_each(|file| register::mark_merged(tx, file))
}

/// Removes the runs that what is recorded, or given up, was written to on the way.
fn remove_spilled(observed: &Observed) {
    let folder = observed.folder();
    for part in observed.spilled() {
        // What stays is swept later.
        let _ = folder.remove(part);
    }
}

/// Whether what a log holds can take the place of what was counted of it. What was erased or is over must not come back,
/// and what is kept no more must not go.
fn can_count_anew(read: &mut dyn Read, file: &File, kept: Kinds) -> Result<bool, EngineError> {
    let lacks = "SELECT 1 WHERE EXISTS (SELECT 1 FROM hunt_forgotten) OR EXISTS (SELECT 1 FROM hunt_dropped)";
    let is_whole = register::first_int(read, lacks, &[])?.is_none();
    let is_alone = !file.merged && matches!(file.state, FileState::Done | FileState::Partial);
    Ok(is_alone && is_whole && runs::kinds_of_file(read, file.id)?.each().all(|kind| kept.has(kind)))
}

/// The findings of a log tell the times that it tells now.
fn retime_findings(tx: &mut dyn Tx, file: i64, findings: &[Hit]) -> Result<(), EngineError> {
    for Hit { finding, .. } in findings {
        tx.execute(
            "UPDATE hunt_findings SET time = ?5 WHERE file = ?1 AND byte_offset = ?2 AND indicator = ?3 AND value = ?4",
            &[
                Value::Int(file),
                Value::Int(int(finding.offset)),
                Value::Text(&clean(&finding.indicator)),
                Value::Text(&clean(&finding.value)),
                Value::int_or_null(finding.time.map(Timestamp::micros)),
            ],
        )?;
    }
    Ok(())
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

/// Adds findings to those of a file and counts them; with them whether people were told of each, where that is known.
fn count_findings(
    tx: &mut dyn Tx,
    file: i64,
    findings: (&[Hit], &[bool]),
    by: i64,
) -> Result<Added, EngineError> {
    let kept = register::first_int(
        tx.as_read(),
        "SELECT findings FROM hunt_files WHERE id = ?1",
        &[Value::Int(file)],
    )?;
    let kept = u64::try_from(kept.unwrap_or(0)).unwrap_or(0);
    let room = (FINDINGS_PER_FILE_MAX as u64).saturating_sub(kept);
    let added = add_findings(tx, file, findings, room, by)?;
    let args = [Value::Int(file), Value::Int(int(added.new))];
    tx.execute("UPDATE hunt_files SET findings = findings + ?2 WHERE id = ?1", &args)?;
    Ok(added)
}

/// Adds the findings that are not there yet, as far as there is room for more. Of those that are there, and that people
/// were not told of, whoever finds them again is about to tell.
fn add_findings(
    tx: &mut dyn Tx,
    file: i64,
    (findings, told): (&[Hit], &[bool]),
    room: u64,
    by: i64,
) -> Result<Added, EngineError> {
    let mut added = 0;
    let owed = "SELECT 1 WHERE EXISTS (SELECT 1 FROM hunt_findings WHERE file = ?1 AND owed <> 0)";
    let is_any_owed = register::first_int(tx.as_read(), owed, &[Value::Int(file)])?.is_some();
    let takes_over = by != NOBODYS && is_any_owed;
    let mut left = 0;
    for (nth, Hit { finding, host, account, source, kept, .. }) in findings.iter().enumerate() {
        if takes_over {
            set_owed(tx, file, finding, by)?;
        }
        if added >= room {
            left += 1;
            if takes_over {
                continue;
            }
            left = (findings.len() - nth) as u64;
            break;
        }
        let owed = if told.get(nth) == Some(&true) { 0 } else { by };
        let (host, account) = (host.as_deref().map(clean), account.as_deref().map(clean));
        added += tx.execute(
            "INSERT INTO hunt_findings (file, byte_offset, indicator, value, kind, line, time, text, lossy, clipped,
             host, account, source, kept, owed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) ON CONFLICT DO NOTHING",
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
                Value::Int(owed),
            ],
        )?;
    }
    Ok(Added { new: added, left })
}
