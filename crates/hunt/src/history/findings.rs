// SPDX-License-Identifier: Apache-2.0
//! Reading recorded findings back.

use ledger::sql::{EngineError, Flow, Read, Tx, Value};
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

fn known(read: &mut dyn Read, file: i64, findings: &[Hit]) -> Result<Vec<bool>, EngineError> {
    let findings: Vec<&Hit> = findings.iter().collect();
    Ok(owed(read, file, &findings)?.into_iter().map(|owed| owed.is_some()).collect())
}

/// Of each of these findings of a log what its row says of who is to tell of it: 0 once somebody did; `None` where it is not
/// recorded. Reads the places of what is recorded in their order, so that no list of them need be held.
pub(crate) fn owed(
    read: &mut dyn Read,
    file: i64,
    findings: &[&Hit],
) -> Result<Vec<Option<i64>>, EngineError> {
    let mut owed = vec![None; findings.len()];
    let key = |hit: &Hit| -> (i64, String, String) {
        let Finding { offset, indicator, value, .. } = &hit.finding;
        (int(*offset), clean(indicator).into_owned(), clean(value).into_owned())
    };
    let mut keys: Vec<_> = findings.iter().copied().map(key).zip(owed.iter_mut()).collect();
    keys.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut keys = keys.into_iter().peekable();
    let sql = "SELECT byte_offset, indicator, value, owed FROM hunt_findings WHERE file = ?1
         ORDER BY byte_offset, indicator, value";
    read.query(sql, &[Value::Int(file)], &mut |row| {
        let (to, row) = (row.int(3)?, (row.int(0)?, row.text(1)?, row.text(2)?));
        let order = |key: &(i64, String, String)| (key.0, key.1.as_str(), key.2.as_str()).cmp(&row);
        while let Some((key, owed)) = keys.next_if(|(key, _)| order(key).is_le()) {
            *owed = order(&key).is_eq().then_some(to);
        }
        Ok(if keys.peek().is_some() { Flow::Continue } else { Flow::Stop })
    })?;
    Ok(owed)
}

/// Says who is to tell of a finding that people were not told of.
pub(crate) fn set_owed(tx: &mut dyn Tx, file: i64, finding: &Finding, to: i64) -> Result<(), EngineError> {
    tx.execute(
        "UPDATE hunt_findings SET owed = ?5 WHERE file = ?1 AND byte_offset = ?2 AND indicator = ?3 AND value = ?4
         AND owed <> 0",
        &[
            Value::Int(file),
            Value::Int(int(finding.offset)),
            Value::Text(&clean(&finding.indicator)),
            Value::Text(&clean(&finding.value)),
            Value::Int(to),
        ],
    )
    .map(drop)
}
