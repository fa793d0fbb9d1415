// SPDX-License-Identifier: Apache-2.0
//! Reading recorded findings back.

use ledger::sql::{EngineError, Flow, Read, Value};
use model::observable::ObservableKind;
use model::time::Timestamp;

use super::base::History;
use super::error::HistoryError;
use super::register::{self, FileFacts, clean};
use super::runs::int;
use crate::event::SourceKind;
use crate::finding::Finding;
use crate::report::Hit;

/// Findings that are recorded, by file and place; with `indicator` only those of that one. A log is told by the name under
/// which it was met last.
pub fn findings(read: &mut dyn Read, indicator: Option<&str>) -> Result<Vec<Hit>, EngineError> {
    let mut all = Vec::new();
    let sql = "SELECT CASE WHEN f.packed_path = '' THEN f.path ELSE f.packed_path END AS place, g.line, g.byte_offset, g.time, g.kind, g.value, g.indicator, g.text, g.lossy, g.clipped,
         g.host, g.account, g.source, g.kept, f.path FROM hunt_findings g JOIN hunt_files f ON f.id = g.file
         WHERE g.indicator = ?1 OR ?1 IS NULL ORDER BY place, g.byte_offset, g.indicator, g.value";
    read.query(sql, &[Value::text_or_null(indicator)], &mut |row| {
        let kind = row.int(4)?;
        let finding = Finding {
            file: row.text(0)?.to_owned(),
            line: u64::try_from(row.int(1)?).unwrap_or(0),
            offset: u64::try_from(row.int(2)?).unwrap_or(0),
            time: row.int_opt(3)?.map(Timestamp::from_micros),
            kind: ObservableKind::from_code(kind)
                .ok_or_else(|| EngineError::shape(format!("hunt_findings.kind is {kind}")))?,
            value: row.text(5)?.to_owned(),
            indicator: row.text(6)?.to_owned(),
            // Only a running hunt has a set in which to count.
            indicator_index: usize::MAX,
            text: row.text(7)?.to_owned(),
            lossy: row.int(8)? != 0,
            clipped: row.int(9)? != 0,
        };
        let was = Some(row.text(14)?).filter(|was| *was != finding.file).map(str::to_owned);
        all.push(Hit {
            finding,
            host: row.text_opt(10)?.map(str::to_owned),
            account: row.text_opt(11)?.map(str::to_owned),
            source: SourceKind::from_code(row.int(12)?).unwrap_or_default(),
            kept: row.text(13)?.to_owned(),
            known: None,
            was,
        });
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

/// What is recorded already of a log that was hunted in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLog {
    /// When something of it was recorded last.
    pub recorded: Timestamp,
    /// Of each finding whether it is among what is recorded of it, by indicator, value and place in the content.
    pub findings: Vec<bool>,
}

impl History<'_> {
    /// Which findings of a log are recorded, of it or of its shorter form; `None` if neither is recorded.
    pub fn known_findings(
        &self,
        facts: &FileFacts,
        findings: &[Hit],
    ) -> Result<Option<KnownLog>, HistoryError> {
        self.read(|read| {
            let file = match register::of_content(read, facts)? {
                None => register::grown_from(read, facts)?,
                file => file,
            };
            let Some(file) = file.filter(|file| file.recorded != Timestamp::EPOCH) else { return Ok(None) };
            Ok(Some(KnownLog { recorded: file.recorded, findings: known(read, file.id, findings)? }))
        })
    }
}

/// Reads the places of what is recorded in their order, so that no list of them need be held.
fn known(read: &mut dyn Read, file: i64, findings: &[Hit]) -> Result<Vec<bool>, EngineError> {
    let mut known = vec![false; findings.len()];
    let key = |hit: &Hit| -> (i64, String, String) {
        let Finding { offset, indicator, value, .. } = &hit.finding;
        (int(*offset), clean(indicator).into_owned(), clean(value).into_owned())
    };
    let mut keys: Vec<_> = findings.iter().map(key).zip(known.iter_mut()).collect();
    keys.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut keys = keys.into_iter().peekable();
    let sql = "SELECT byte_offset, indicator, value FROM hunt_findings WHERE file = ?1
         ORDER BY byte_offset, indicator, value";
    read.query(sql, &[Value::Int(file)], &mut |row| {
        let row = (row.int(0)?, row.text(1)?, row.text(2)?);
        let order = |key: &(i64, String, String)| (key.0, key.1.as_str(), key.2.as_str()).cmp(&row);
        while let Some((key, is_known)) = keys.next_if(|(key, _)| order(key).is_le()) {
            *is_known = order(&key).is_eq();
        }
        Ok(if keys.peek().is_some() { Flow::Continue } else { Flow::Stop })
    })?;
    Ok(known)
}
