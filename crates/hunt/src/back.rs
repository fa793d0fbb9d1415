// SPDX-License-Identifier: Apache-2.0
//! New indicators look back: which of them the history was not asked about yet.

use ledger::sql::{EngineError, Flow, Read, Tx, Value};

use crate::history::{set_setting, setting};
use crate::indicator::Indicator;
use crate::query::indicator;

/// Name of the setting that holds the newest record that was looked up.
const CURSOR: &str = "looked-back";

/// The indicators that arrived since the last look back, at most about `limit`, and the newest record among them;
/// `None` when there is none.
pub fn new_indicators(
    read: &mut dyn Read,
    limit: usize,
) -> Result<(Vec<Indicator>, Option<i64>), EngineError> {
    let cursor = setting(read, CURSOR)?.and_then(|text| text.parse().ok()).unwrap_or(0);
    let (mut indicators, mut upto) = (Vec::new(), None);
    read.query(
        "SELECT i.id, i.kind, i.value, i.mode, i.name, i.valid_from, i.valid_until, i.seq FROM hunt_indicators i
         WHERE i.seq > ?1 ORDER BY i.seq, i.part",
        &[Value::Int(cursor)],
        &mut |row| {
            let seq = row.int(7)?;
            // A record is taken wholly or not at all.
            if indicators.len() >= limit && upto != Some(seq) {
                return Ok(Flow::Stop);
            }
            upto = Some(seq);
            if row.int(1)? != 0 {
                indicators.push(indicator(row)?);
            }
            Ok(Flow::Continue)
        },
    )?;
    Ok((indicators, upto))
}

/// Notes that all records up to this one were looked up.
pub fn looked_back(tx: &mut dyn Tx, upto: i64) -> Result<(), EngineError> {
    set_setting(tx, CURSOR, &upto.to_string())
}

/// The newest record that says what to hunt for; 0 if there is none.
pub fn newest(read: &mut dyn Read) -> Result<i64, EngineError> {
    let mut newest = 0;
    read.query("SELECT seq FROM hunt_indicators ORDER BY seq DESC LIMIT 1", &[], &mut |row| {
        newest = row.int(0)?;
        Ok(Flow::Stop)
    })?;
    Ok(newest)
}

/// Has records behind this one looked up again: what was hunted in meanwhile was not in the history yet.
pub fn look_back_from(tx: &mut dyn Tx, seq: i64) -> Result<(), EngineError> {
    let cursor = setting(tx.as_read(), CURSOR)?.and_then(|text| text.parse().ok()).unwrap_or(0);
    if seq < cursor { looked_back(tx, seq) } else { Ok(()) }
}
