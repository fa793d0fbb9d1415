// SPDX-License-Identifier: Apache-2.0
//! Reading records back.

use model::head::Head;
use model::id::SubjectKey;
use model::jcs::same_content;
use model::time::Timestamp;

use crate::entry::Salts;
use crate::logs::OWN_LOGS_MAX;
use crate::sql::{EngineError, Flow, Read, Row, Value};
use crate::view::{Body, Record};

/// A record with everything that its entry commits to.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Place in the node's order.
    pub seq: i64,
    /// Row of `logs`.
    pub log: i64,
    /// Place in that log.
    pub index: u64,
    /// Time of arrival.
    pub time: Timestamp,
    /// Row of `audiences` that holds now.
    pub audience_row: i64,
    /// Row of `audiences` that the entry commits to.
    pub committed_row: i64,
    /// Key of the subject; of an erased record one that nothing has.
    pub key: SubjectKey,
    /// The subject's id; empty once it was erased.
    pub id: String,
    /// The subject's version.
    pub version: Timestamp,
    /// Salts of the entry; `None` once they were erased.
    pub salts: Option<Salts>,
    /// Bytes of the entry.
    pub entry: Vec<u8>,
    /// Body; `None` once it was erased.
    pub body: Option<Vec<u8>>,
}

/// Key of an erased record: the hash of no id.
const ERASED: SubjectKey = SubjectKey([255; 17]);

fn stored(row: &dyn Row) -> Result<Stored, EngineError> {
    let wrong = |column: &str| {
        EngineError::shape(format!("records.{column} of seq {}", row.int(0).unwrap_or_default()))
    };
    let erased = row.blob(7)?.is_empty();
    let key =
        if erased { ERASED } else { SubjectKey(row.blob(4)?.try_into().map_err(|_| wrong("subject"))?) };
    let id = match row.text_opt(5)? {
        Some(id) => id.to_owned(),
        None if erased => String::new(),
        None => key.id().ok_or_else(|| wrong("id"))?,
    };
    let salts = match erased {
        true => None,
        false => Some(Salts::from_bytes(row.blob(7)?).ok_or_else(|| wrong("salts"))?),
    };
    let audience_row = row.int(3)?;
    Ok(Stored {
        seq: row.int(0)?,
        log: row.int(12)?,
        index: row.int(1)? as u64,
        time: Timestamp::from_micros(row.int(2)?),
        audience_row,
        committed_row: row.int_opt(11)?.unwrap_or(audience_row),
        key,
        id,
        version: Timestamp::from_micros(row.int(6)?),
        salts,
        entry: row.blob(8)?.to_vec(),
        body: match row.int(10)? {
            0 => None,
            _ => Some(row.blob(9)?.to_vec()),
        },
    })
}

/// Whether the record with this `seq` has a body of the same content (RFC 8785); not if it was erased.
pub fn holds(read: &mut dyn Read, seq: i64, body: &[u8]) -> Result<bool, EngineError> {
    let mut same = false;
    read.query("SELECT body FROM bodies WHERE seq = ?1", &[Value::Int(seq)], &mut |row| {
        same = same_content(row.blob(0)?, body);
        Ok(Flow::Stop)
    })?;
    Ok(same)
}

/// Records after `seq` in order, at most `limit`.
pub fn after(read: &mut dyn Read, seq: i64, limit: usize) -> Result<Vec<Stored>, EngineError> {
    batch_after(read, seq, limit, usize::MAX)
}

/// Records after `seq` in order, at most `limit`, and no further one once they are `bytes_max` long.
pub fn batch_after(
    read: &mut dyn Read,
    seq: i64,
    limit: usize,
    bytes_max: usize,
) -> Result<Vec<Stored>, EngineError> {
    let (mut all, mut bytes) = (Vec::new(), 0usize);
    read.query(
        "SELECT r.seq, r.idx, r.time, r.audience, r.subject, r.id, r.version, r.salts, r.entry,
                coalesce(b.body, r.entry), b.seq IS NOT NULL, r.committed, r.log
         FROM records r LEFT JOIN bodies b ON b.seq = r.seq WHERE r.seq > ?1 ORDER BY r.seq LIMIT ?2",
        &[Value::Int(seq), Value::Int(limit as i64)],
        &mut |row| {
            let stored = stored(row)?;
            bytes = bytes.saturating_add(stored.entry.len() + stored.body.as_ref().map_or(0, Vec::len));
            all.push(stored);
            Ok(if bytes < bytes_max { Flow::Continue } else { Flow::Stop })
        },
    )?;
    Ok(all)
}

/// The record with this `seq`.
pub fn at(read: &mut dyn Read, seq: i64) -> Result<Option<Stored>, EngineError> {
    Ok(after(read, seq - 1, 1)?.into_iter().next().filter(|record| record.seq == seq))
}

/// Records of a subject, newest version first; of one version the earliest first.
pub fn of_subject(read: &mut dyn Read, key: SubjectKey) -> Result<Vec<Stored>, EngineError> {
    let mut all = Vec::new();
    read.query(
        "SELECT r.seq, r.idx, r.time, r.audience, r.subject, r.id, r.version, r.salts, r.entry,
                coalesce(b.body, r.entry), b.seq IS NOT NULL, r.committed, r.log
         FROM subjects s JOIN records r ON r.seq = s.seq LEFT JOIN bodies b ON b.seq = r.seq
         WHERE s.subject = ?1 AND r.log <= ?2 ORDER BY s.version DESC, s.seq",
        &[Value::Blob(&key.0), Value::Int(OWN_LOGS_MAX)],
        &mut |row| {
            all.push(stored(row)?);
            Ok(Flow::Continue)
        },
    )?;
    Ok(all)
}

impl Stored {
    /// As views see it.
    pub fn view<'a>(&'a self, head: &'a Head, committed: &'a Head) -> Record<'a> {
        Record {
            seq: self.seq,
            time: self.time,
            audience_row: self.audience_row,
            head,
            committed,
            subject: self.key,
            id: &self.id,
            version: self.version,
            body: self.body.as_deref().map_or(Body::Erased, Body::Present),
        }
    }
}
