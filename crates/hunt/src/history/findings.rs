// SPDX-License-Identifier: Apache-2.0
//! Reading recorded findings back.

use ledger::sql::{EngineError, Flow, Read, Value};
use model::observable::ObservableKind;
use model::time::Timestamp;

use crate::event::SourceKind;
use crate::finding::Finding;
use crate::report::Hit;

/// Findings that are recorded, by file and place; with `indicator` only those of that one.
pub fn findings(read: &mut dyn Read, indicator: Option<&str>) -> Result<Vec<Hit>, EngineError> {
    let mut all = Vec::new();
    let sql = "SELECT f.path, g.line, g.byte_offset, g.time, g.kind, g.value, g.indicator, g.text, g.lossy, g.clipped,
         g.host, g.account, g.source, g.kept FROM hunt_findings g JOIN hunt_files f ON f.id = g.file
         WHERE g.indicator = ?1 OR ?1 IS NULL ORDER BY f.path, g.byte_offset, g.indicator, g.value";
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
        all.push(Hit {
            finding,
            host: row.text_opt(10)?.map(str::to_owned),
            account: row.text_opt(11)?.map(str::to_owned),
            source: SourceKind::from_code(row.int(12)?).unwrap_or_default(),
            kept: row.text(13)?.to_owned(),
        });
        Ok(Flow::Continue)
    })?;
    Ok(all)
}
