// SPDX-License-Identifier: Apache-2.0
//! The node's own logs. There is one, until a restored node cannot catch up with what it published and
//! opens the next (`docs/backup.md`): then the older ones stand still, and the newest grows.

use crate::checkpoint::Origin;
use crate::sql::{EngineError, Flow, Read, Value};

/// Rows of `logs` up to this one are the node's own, by the number in their origin. Logs of others come above.
pub const OWN_LOGS_MAX: i64 = 1_000;

/// Row of an own log: the number in its origin.
pub fn row_of(origin: &Origin) -> i64 {
    i64::from(origin.log)
}

/// Row of the newest own log, the only one that grows; 1 before the first record.
pub fn own_log(read: &mut dyn Read) -> Result<i64, EngineError> {
    Ok(own_logs(read)?.last().map_or(1, |log| row_of(&log.origin)))
}

/// A log of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnLog {
    /// Its name.
    pub origin: Origin,
    /// Entries in it.
    pub size: u64,
}

/// All own logs, the oldest first.
pub fn own_logs(read: &mut dyn Read) -> Result<Vec<OwnLog>, EngineError> {
    let mut logs = Vec::new();
    let sql = "SELECT id, origin, size FROM logs WHERE id <= ?1 ORDER BY id";
    read.query(sql, &[Value::Int(OWN_LOGS_MAX)], &mut |row| {
        let id = row.int(0)?;
        let origin: Option<Origin> = row.text(1)?.parse().ok();
        let origin = origin
            .filter(|origin| row_of(origin) == id)
            .ok_or_else(|| EngineError::shape(format!("logs.origin of row {id}")))?;
        logs.push(OwnLog { origin, size: row.int(2)? as u64 });
        Ok(Flow::Continue)
    })?;
    Ok(logs)
}
