// SPDX-License-Identifier: Apache-2.0
//! By which zones the times of logs are told, and their values counted, where their lines lack one.

use ledger::sql::{EngineError, Flow, Tx, Value};
use model::time::Timestamp;

use super::base::History;
use super::error::HistoryError;
use super::register::{File, FileFacts, clean, grown_from, of_content, ranges_blob};
use super::runs::int;

/// Stands between the zones by which the parts of a log were counted that has grown.
const COUNTED_BY_PARTS: &str = ", ";

/// The zone by which the times of a log are told, and that by which its values were counted, as the register keeps them:
/// one, or where they differ both, with a blank between.
pub(super) fn zones(stored: &str) -> (&str, &str) {
    stored.split_once(' ').unwrap_or((stored, stored))
}

impl File {
    /// Whether its lines tell other times than are recorded, as they lack a zone and are read by another now.
    pub(super) fn is_retimed_by(&self, facts: &FileFacts) -> bool {
        facts.may_retime
            && self.is_of_other_zone(facts)
            && (self.first, self.last) != (facts.first, facts.last)
    }

    /// The same of one that has grown since, which ends later anyway, whether its times may be told anew or not.
    pub(super) fn began_otherwise(&self, facts: &FileFacts) -> bool {
        self.is_of_other_zone(facts) && self.first != facts.first
    }

    fn is_of_other_zone(&self, facts: &FileFacts) -> bool {
        !self.zone.is_empty() && self.zone != facts.zone
    }

    /// The zones of a log of which another part is counted by that of `facts` now, as the register keeps them.
    pub(super) fn zones_with_part(&self, facts: &FileFacts) -> String {
        let mut counted: Vec<&str> = self.counted_zone.split(COUNTED_BY_PARTS).collect();
        counted.push(&facts.zone);
        counted.sort_unstable();
        counted.dedup();
        match counted.as_slice() {
            [_] => facts.zone.clone(),
            _ => format!("{} {}", facts.zone, counted.join(COUNTED_BY_PARTS)),
        }
    }
}

impl History<'_> {
    /// By which zone the log that was recorded last under this name was read; empty if nobody knows any more.
    pub fn zone_of(&self, path: &str) -> Result<String, HistoryError> {
        self.read(|read| {
            let mut found = String::new();
            let sql = "SELECT zone FROM hunt_files WHERE (path = ?1 OR packed_path = ?1) AND recorded <> 0
                 ORDER BY recorded DESC, id DESC LIMIT 1";
            read.query(sql, &[Value::Text(&clean(path))], &mut |row| {
                zones(row.text(0)?).0.clone_into(&mut found);
                Ok(Flow::Stop)
            })?;
            Ok(found)
        })
    }

    /// The zones by which logs were read, by each name under which they were met, in the order in which they were recorded;
    /// nothing where all are UTC.
    pub fn zones_by_name(&self) -> Result<Vec<(String, String)>, HistoryError> {
        self.read(|read| {
            let mut all = Vec::new();
            let sql = "SELECT path, packed_path, zone FROM hunt_files WHERE recorded <> 0 AND zone <> ''
                 AND EXISTS (SELECT 1 FROM hunt_files WHERE recorded <> 0 AND zone NOT IN ('', 'UTC'))
                 ORDER BY recorded, id";
            read.query(sql, &[], &mut |row| {
                let (path, met, zone) = (row.text(0)?, row.text(1)?, zones(row.text(2)?).0);
                let names = [path, met].into_iter().filter(|name| !name.is_empty());
                all.extend(names.map(|name| (name.to_owned(), zone.to_owned())));
                Ok(Flow::Continue)
            })?;
            Ok(all)
        })
    }

    /// The zone by which what is recorded of a log was read, where its lines tell other times by the one of `facts`.
    pub fn recorded_by_another_zone(&self, facts: &FileFacts) -> Result<Option<String>, HistoryError> {
        self.read(|read| {
            let file = match of_content(read, facts)? {
                None => grown_from(read, facts)?.filter(|file| file.began_otherwise(facts)),
                file => file.filter(|file| {
                    file.is_of_other_zone(facts) && (file.first, file.last) != (facts.first, facts.last)
                }),
            };
            Ok(file.filter(|file| file.recorded != Timestamp::EPOCH).map(|file| file.zone))
        })
    }
}

/// The times of a file are told by another zone from now on; `is_counted`: what was counted of it is, too.
pub(super) fn retime(
    tx: &mut dyn Tx,
    file: &File,
    facts: &FileFacts,
    is_counted: bool,
) -> Result<(), EngineError> {
    let zone = match &file.counted_zone {
        counted if !is_counted && *counted != facts.zone => format!("{} {counted}", facts.zone),
        _ => facts.zone.clone(),
    };
    let time = |time: Option<Timestamp>| Value::int_or_null(time.map(Timestamp::micros));
    tx.execute(
        "UPDATE hunt_files SET zone = ?2, first_time = ?3, last_time = ?4, days = ?5, gap_start = ?6, gap_seconds = ?7
         WHERE id = ?1",
        &[
            Value::Int(file.id),
            Value::Text(&clean(&zone)),
            time(facts.first),
            time(facts.last),
            Value::Blob(&ranges_blob(&facts.covered())),
            time(facts.longest_gap.map(|(start, _)| start)),
            Value::Int(int(facts.longest_gap.map_or(0, |(_, seconds)| seconds))),
        ],
    )
    .map(drop)
}

/// Writes down the zones of a log, as [`File::zones_with_part`] makes them.
pub(super) fn put_zones(tx: &mut dyn Tx, file: i64, zones: &str) -> Result<(), EngineError> {
    let args = [Value::Int(file), Value::Text(&clean(zones))];
    tx.execute("UPDATE hunt_files SET zone = ?2 WHERE id = ?1", &args).map(drop)
}
