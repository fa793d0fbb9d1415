// SPDX-License-Identifier: Apache-2.0
//! Status of what was posted (TAXII 2.1 section 4.3): kept for a day for the credential that posted it.

use ledger::sql::{EngineError, Flow, Read, Table, TableKind, Tx, Value};
use model::time::Timestamp;
use uuid::{Builder, Uuid};

use crate::limits::{STATUS_BYTES_MAX, STATUS_HOURS, STATUS_ROW_BYTES, STATUS_SUCCESSES_MAX};

/// Statuses are the node's own. `place` is the end of the row in the stream of all that was ever kept: what
/// lies too far behind its end is forgotten, so the table is bounded without being counted.
pub static STATUSES: Table = Table {
    name: "statuses",
    kind: TableKind::Local,
    columns: &["place", "id", "credential", "requested", "completed", "successes", "failures", "details"],
    sqlite: &[
        "CREATE TABLE statuses (place INTEGER PRIMARY KEY, id TEXT NOT NULL, credential TEXT NOT NULL, \
         requested INTEGER NOT NULL, completed INTEGER NOT NULL, successes INTEGER NOT NULL, \
         failures INTEGER NOT NULL, details BLOB NOT NULL) STRICT",
        "CREATE UNIQUE INDEX statuses_by_id ON statuses (id)",
        "CREATE INDEX statuses_by_completed ON statuses (completed)",
    ],
};

/// What became of one object (section 4.3.1, status-details).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Its id, as far as it could be read.
    pub id: String,
    /// Its version.
    pub version: Timestamp,
    /// What is to be said of it.
    pub message: Option<String>,
}

/// A status; it is complete as soon as there is one, so nothing is ever pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its id, a UUIDv4.
    pub id: Uuid,
    /// When the objects were sent.
    pub requested: Timestamp,
    /// Objects that are held now.
    pub success_count: u64,
    /// Each of them; or none, if there are more than [`STATUS_SUCCESSES_MAX`].
    pub successes: Vec<Detail>,
    /// Objects that were not taken, and why.
    pub failures: Vec<Detail>,
}

impl Status {
    /// A status with a random id.
    pub fn new(
        random: [u8; 16],
        requested: Timestamp,
        mut successes: Vec<Detail>,
        failures: Vec<Detail>,
    ) -> Status {
        let success_count = successes.len() as u64;
        if successes.len() > STATUS_SUCCESSES_MAX {
            // A list is as long as its count, or not there at all.
            successes.clear();
        }
        let id = Builder::from_random_bytes(random).into_uuid();
        Status { id, requested, success_count, successes, failures }
    }
}

/// As details lie in the table: whether it succeeded, id, version, message.
type Row = (bool, String, i64, Option<String>);

/// Keeps a status, and forgets those whose time is over.
pub fn keep(tx: &mut dyn Tx, status: &Status, credential: &str, now: Timestamp) -> Result<(), EngineError> {
    let row =
        |good: bool| move |d: &Detail| -> Row { (good, d.id.clone(), d.version.micros(), d.message.clone()) };
    let rows: Vec<Row> =
        status.successes.iter().map(row(true)).chain(status.failures.iter().map(row(false))).collect();
    let details =
        serde_json::to_vec(&rows).map_err(|e| EngineError::shape(format!("statuses.details: {e}")))?;
    let mut last = 0;
    tx.as_read().query("SELECT place FROM statuses ORDER BY place DESC LIMIT 1", &[], &mut |row| {
        last = row.int(0)?;
        Ok(Flow::Stop)
    })?;
    let place = last + STATUS_ROW_BYTES + details.len() as i64;
    tx.execute(
        "INSERT INTO statuses (place, id, credential, requested, completed, successes, failures, details) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        &[
            Value::Int(place),
            Value::Text(&status.id.to_string()),
            Value::Text(credential),
            Value::Int(status.requested.micros()),
            Value::Int(now.micros()),
            Value::Int(status.success_count as i64),
            Value::Int(status.failures.len() as i64),
            Value::Blob(&details),
        ],
    )?;
    tx.execute("DELETE FROM statuses WHERE completed < ?1", &[Value::Int(oldest(now).micros())])?;
    // The newest stays, however large it is.
    let behind = (place - STATUS_BYTES_MAX).min(place - 1);
    tx.execute("DELETE FROM statuses WHERE place <= ?1", &[Value::Int(behind)])?;
    Ok(())
}

/// A status that this credential was given; `None` for any other, and when its time is over.
pub fn find(
    read: &mut dyn Read,
    id: &str,
    credential: &str,
    now: Timestamp,
) -> Result<Option<Status>, EngineError> {
    let Ok(uuid) = Uuid::try_parse(id) else { return Ok(None) };
    let mut found = None;
    let sql = "SELECT requested, successes, details FROM statuses WHERE id = ?1 AND credential = ?2 AND completed >= ?3";
    let args = [Value::Text(id), Value::Text(credential), Value::Int(oldest(now).micros())];
    read.query(sql, &args, &mut |row| {
        let rows: Vec<Row> = serde_json::from_slice(row.blob(2)?)
            .map_err(|_| EngineError::shape(format!("statuses.details of `{id}`")))?;
        let (good, bad): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|(good, ..)| *good);
        let details = |rows: Vec<Row>| {
            let detail =
                |(_, id, version, message)| Detail { id, version: Timestamp::from_micros(version), message };
            rows.into_iter().map(detail).collect()
        };
        found = Some(Status {
            id: uuid,
            requested: Timestamp::from_micros(row.int(0)?),
            success_count: row.int(1)? as u64,
            successes: details(good),
            failures: details(bad),
        });
        Ok(Flow::Stop)
    })?;
    Ok(found)
}

fn oldest(now: Timestamp) -> Timestamp {
    Timestamp::from_micros(now.micros().saturating_sub(STATUS_HOURS * 3_600 * 1_000_000))
}
