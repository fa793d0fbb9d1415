// SPDX-License-Identifier: Apache-2.0
//! Recording a file: register, history and findings in one transaction, so that nothing counts twice.

use ledger::sql::{EngineError, Flow, Tx, Value};
use model::time::Timestamp;
use sha2::{Digest, Sha256};

use super::{HISTORY, Observed, SCANNER_VERSION};
use crate::finding::Finding;
use crate::limits::FINDINGS_PER_FILE_MAX;
use crate::run::FileReport;

/// What recording came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The content was not known.
    Added {
        /// Findings that are new.
        new_findings: u64,
    },
    /// The same file with more in it: what was recorded of its shorter form is replaced.
    Grown {
        /// Findings of the whole file, those of its shorter form among them.
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
            | Recorded::Grown { new_findings }
            | Recorded::Known { new_findings } => new_findings,
        }
    }
}

/// State of a file in the register.
const STATE_DONE: i64 = 1;
/// Damaged, or not read to its end.
const STATE_PARTIAL: i64 = 2;

/// Records one file. All of it belongs in one transaction, the caller's: after a crash the file is wholly
/// recorded or not at all, and recording it again changes nothing.
pub fn record_file(
    tx: &mut dyn Tx,
    report: &FileReport,
    observed: &Observed,
    findings: &[Finding],
    now: Timestamp,
) -> Result<Recorded, EngineError> {
    let size = int(report.bytes);
    let known = find_id(
        tx,
        "SELECT id FROM hunt_files WHERE sha256 = ?1 AND size = ?2",
        &[Value::Blob(&report.sha256), Value::Int(size)],
    )?;
    if let Some(file) = known {
        let new_findings = add_findings(tx, file, findings)?;
        add_to_file(tx, file, new_findings)?;
        return Ok(Recorded::Known { new_findings });
    }
    let grown = shorter_form(tx, report)?;
    if let Some(file) = grown {
        for sql in [
            "DELETE FROM hunt_findings WHERE file = ?1",
            "DELETE FROM hunt_history WHERE file = ?1",
            "DELETE FROM hunt_files WHERE id = ?1",
        ] {
            tx.execute(sql, &[Value::Int(file)])?;
        }
    }
    let file = add_file(tx, report, now)?;
    add_history(tx, file, observed)?;
    let new_findings = add_findings(tx, file, findings)?;
    add_to_file(tx, file, new_findings)?;
    Ok(if grown.is_some() { Recorded::Grown { new_findings } } else { Recorded::Added { new_findings } })
}

/// The longest recorded file of this name that the new one begins with. A log that is rotated keeps its
/// name but not its head; a recorded file that is no longer than the head is compared whole.
fn shorter_form(tx: &mut dyn Tx, report: &FileReport) -> Result<Option<i64>, EngineError> {
    let mut found = None;
    tx.query(
        "SELECT id, size, sha256, head_sha256 FROM hunt_files WHERE path = ?1 AND size < ?2 ORDER BY size DESC",
        &[Value::Text(&clean(&report.file)), Value::Int(int(report.bytes))],
        &mut |row| {
            let size = usize::try_from(row.int(1)?).unwrap_or(usize::MAX);
            let same = match report.head.get(..size) {
                Some(head) => Sha256::digest(head).as_slice() == row.blob(2)?,
                None => row.blob(3)? == report.head_sha256,
            };
            found = same.then_some(row.int(0)?);
            Ok(if same { Flow::Stop } else { Flow::Continue })
        },
    )?;
    Ok(found)
}

fn find_id(tx: &mut dyn Tx, sql: &'static str, args: &[Value<'_>]) -> Result<Option<i64>, EngineError> {
    let mut id = None;
    tx.query(sql, args, &mut |row| {
        id = Some(row.int(0)?);
        Ok(Flow::Stop)
    })?;
    Ok(id)
}

fn add_file(tx: &mut dyn Tx, report: &FileReport, now: Timestamp) -> Result<i64, EngineError> {
    let id = find_id(tx, "SELECT coalesce(max(id), 0) + 1 FROM hunt_files", &[])?.unwrap_or(1);
    let time = |time: Option<Timestamp>| Value::int_or_null(time.map(Timestamp::micros));
    tx.execute(
        "INSERT INTO hunt_files (id, path, sha256, head_sha256, size, state, lines, unread_lines, findings, first_time, last_time, scanner_version, recorded)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, ?11, ?12)",
        &[
            Value::Int(id),
            Value::Text(&clean(&report.file)),
            Value::Blob(&report.sha256),
            Value::Blob(&report.head_sha256),
            Value::Int(int(report.bytes)),
            Value::Int(if report.whole { STATE_DONE } else { STATE_PARTIAL }),
            Value::Int(int(report.lines)),
            Value::Int(int(report.unread_lines)),
            time(report.first_time),
            time(report.last_time),
            Value::Int(SCANNER_VERSION),
            Value::Int(now.micros()),
        ],
    )?;
    Ok(id)
}

fn add_history(tx: &mut dyn Tx, file: i64, observed: &Observed) -> Result<(), EngineError> {
    let rows = observed.sorted();
    tx.insert_many(&HISTORY, &mut |push| {
        for (observable, seen) in &rows {
            let days: Vec<u8> = seen.days.iter().flat_map(|day| day.to_be_bytes()).collect();
            push(&[
                Value::Int(observable.kind().code()),
                Value::Blob(observable.canonical()),
                Value::Int(file),
                Value::int_or_null(seen.first.map(Timestamp::micros)),
                Value::int_or_null(seen.last.map(Timestamp::micros)),
                Value::Int(int(seen.count)),
                Value::Blob(&days),
            ])?;
        }
        Ok(())
    })
}

/// Adds the findings that are not there yet; answers how many.
fn add_findings(tx: &mut dyn Tx, file: i64, findings: &[Finding]) -> Result<u64, EngineError> {
    let mut added = 0;
    for finding in findings.iter().take(FINDINGS_PER_FILE_MAX) {
        added += tx.execute(
            "INSERT INTO hunt_findings (file, byte_offset, indicator, value, kind, line, time, text, lossy)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
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
            ],
        )?;
    }
    Ok(added)
}

fn add_to_file(tx: &mut dyn Tx, file: i64, findings: u64) -> Result<(), EngineError> {
    let args = [Value::Int(file), Value::Int(int(findings))];
    tx.execute("UPDATE hunt_files SET findings = findings + ?2 WHERE id = ?1", &args).map(|_| ())
}

/// Text without NUL, which the engines do not take.
fn clean(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text.into() }
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
