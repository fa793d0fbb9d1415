// SPDX-License-Identifier: Apache-2.0
//! What people were told of what is recorded. They were told what a notice says that was written down, and what a hunt
//! without notices printed that came to its end. Whatever else is recorded is owed: what a look back found, what was found
//! by a hunt that was stopped or cut off, what a notice had no room for.

use std::collections::BTreeMap;

use ledger::sql::{EngineError, Flow, Read, Tx, Value};

use super::kept;
use super::summary::{Hit, Summary};
use crate::history::{NOBODYS, owed, set_owed};

/// Fills in for a notice what people were told before: `known` of a finding says it from then on. `by` is the number of the
/// process that hunted.
pub fn look_up(read: &mut dyn Read, summary: &mut Summary, by: i64) -> Result<(), EngineError> {
    let owed = owed_of(read, summary)?;
    let mut of_hunt = 0;
    let sql = "SELECT count(*) FROM hunt_findings WHERE owed = ?1 AND owed <> 0";
    read.query(sql, &[Value::Int(by)], &mut |row| {
        of_hunt = u64::try_from(row.int(0)?).unwrap_or(0);
        Ok(Flow::Stop)
    })?;
    let held = owed.iter().filter(|owed| **owed == Some(by)).count() as u64;
    summary.more_known = summary.more_recorded.saturating_sub(of_hunt.saturating_sub(held));
    for (hit, owed) in summary.hits.iter_mut().zip(owed) {
        hit.known = Some(owed == Some(0));
    }
    summary.known_detections = kept::told(read, &summary.detections)?;
    Ok(())
}

/// People were told of all that a summary holds; with `by` of all that this process found.
pub fn mark(tx: &mut dyn Tx, summary: &Summary, by: Option<i64>) -> Result<(), EngineError> {
    if let Some(by) = by {
        let sql = "UPDATE hunt_findings SET owed = 0 WHERE owed = ?1 AND owed <> 0";
        tx.execute(sql, &[Value::Int(by)])?;
    }
    // Of a hunt that was stopped another process found the first part.
    let owed = owed_of(tx.as_read(), summary)?;
    for (Hit { finding, .. }, _) in
        summary.hits.iter().zip(owed).filter(|(_, owed)| owed.is_some_and(|owed| owed != 0))
    {
        let Some(log) = summary.logs.get(&finding.file) else { continue };
        set_owed(tx, *log, finding, 0)?;
    }
    kept::mark_told(tx, &summary.detections)
}

/// This process does not tell what it has found, as there was no room for it: whoever finds it next does.
pub fn leave(tx: &mut dyn Tx, by: i64) -> Result<(), EngineError> {
    let sql = "UPDATE hunt_findings SET owed = ?2 WHERE owed = ?1 AND owed <> 0";
    tx.execute(sql, &[Value::Int(by), Value::Int(NOBODYS)]).map(drop)
}

/// Of each finding who is to tell of it: 0 nobody any more, `None` where it is not recorded.
fn owed_of(read: &mut dyn Read, summary: &Summary) -> Result<Vec<Option<i64>>, EngineError> {
    let mut by_log: BTreeMap<i64, (Vec<usize>, Vec<&Hit>)> = BTreeMap::new();
    for (nth, hit) in summary.hits.iter().enumerate() {
        if let Some(log) = summary.logs.get(&hit.finding.file) {
            let (places, hits) = by_log.entry(*log).or_default();
            places.push(nth);
            hits.push(hit);
        }
    }
    let mut all = vec![None; summary.hits.len()];
    for (log, (places, hits)) in by_log {
        for (nth, owed) in places.into_iter().zip(owed(read, log, &hits)?) {
            if let Some(place) = all.get_mut(nth) {
                *place = owed;
            }
        }
    }
    Ok(all)
}
