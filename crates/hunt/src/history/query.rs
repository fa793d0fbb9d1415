// SPDX-License-Identifier: Apache-2.0
//! "Ever seen?", and what the answer rests on.

use std::collections::BTreeMap;

use ledger::sql::{EngineError, Flow, Read, Row, Value};
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;

use super::observed::Seen;
use crate::limits::SOURCES_MAX;

/// What the history knows of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sighted {
    /// Earliest time, if a line told one.
    pub first: Option<Timestamp>,
    /// Latest time.
    pub last: Option<Timestamp>,
    /// Occurrences; 0: never seen in what [`coverage`] names.
    pub count: u64,
    /// Different days on which it was seen.
    pub days: u64,
    /// The files in which it was seen, by path, at most [`SOURCES_MAX`].
    pub sources: Vec<Source>,
    /// Files beyond these.
    pub more_sources: u64,
}

/// One file in which a value was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The log, as it was named.
    pub file: String,
    /// Earliest time there.
    pub first: Option<Timestamp>,
    /// Latest time there.
    pub last: Option<Timestamp>,
    /// Occurrences there.
    pub count: u64,
}

/// What the history rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Files.
    pub files: u64,
    /// Files that were damaged or not read to their end.
    pub partial_files: u64,
    /// Earliest time of a line.
    pub first: Option<Timestamp>,
    /// Latest time of a line.
    pub last: Option<Timestamp>,
    /// Lines, the unread ones among them.
    pub lines: u64,
    /// Lines that were too long to be read.
    pub unread_lines: u64,
}

/// When, how often and where a value was seen. A network asks for all addresses in it; a domain asked
/// `with_subdomains` for itself and all names under it. Values of kinds that the history does not keep
/// were never seen.
pub fn seen(
    read: &mut dyn Read,
    observable: &Observable,
    with_subdomains: bool,
) -> Result<Sighted, EngineError> {
    const ONE: &str = "SELECT h.first_time, h.last_time, h.times, h.days, f.path FROM hunt_history h
         JOIN hunt_files f ON f.id = h.file WHERE h.kind = ?1 AND h.value = ?2";
    // The length is that of the index on PostgreSQL; no address or name is longer.
    const RANGE: &str = "SELECT h.first_time, h.last_time, h.times, h.days, f.path FROM hunt_history h
         JOIN hunt_files f ON f.id = h.file WHERE h.kind = ?1 AND h.value >= ?2 AND h.value <= ?3
         AND length(h.value) <= 512";
    let mut total = Total::default();
    if let Some(network) = observable.network() {
        let (first, last) = (network.first().to_be_bytes(), network.last().to_be_bytes());
        let kind = Value::Int(ObservableKind::Ip.code());
        read.query(RANGE, &[kind, Value::Blob(&first), Value::Blob(&last)], &mut |row| total.add(row))?;
        return Ok(total.finish());
    }
    let kind = Value::Int(observable.kind().code());
    read.query(ONE, &[kind, Value::Blob(observable.canonical())], &mut |row| total.add(row))?;
    if with_subdomains && observable.kind() == ObservableKind::Domain {
        // `nl.nxp.` up to before `nl.nxp/`, the next byte after the dot.
        let mut first = observable.canonical().to_vec();
        let mut last = first.clone();
        first.push(b'.');
        last.push(b'/');
        read.query(RANGE, &[kind, Value::Blob(&first), Value::Blob(&last)], &mut |row| total.add(row))?;
    }
    Ok(total.finish())
}

/// Sums rows up.
#[derive(Default)]
struct Total {
    all: Seen,
    files: BTreeMap<String, Seen>,
}

impl Total {
    fn add(&mut self, row: &dyn Row) -> Result<Flow, EngineError> {
        let part = Seen {
            first: row.int_opt(0)?.map(Timestamp::from_micros),
            last: row.int_opt(1)?.map(Timestamp::from_micros),
            count: u64::try_from(row.int(2)?).unwrap_or(0),
            days: row.blob(3)?.as_chunks::<2>().0.iter().map(|day| u16::from_be_bytes(*day)).collect(),
        };
        self.all.merge(&part);
        let in_file = Seen { days: Vec::new(), ..part };
        self.files.entry(row.text(4)?.to_owned()).or_default().merge(&in_file);
        Ok(Flow::Continue)
    }

    fn finish(self) -> Sighted {
        let more_sources = self.files.len().saturating_sub(SOURCES_MAX) as u64;
        let sources = self.files.into_iter().take(SOURCES_MAX).map(|(file, seen)| Source {
            file,
            first: seen.first,
            last: seen.last,
            count: seen.count,
        });
        Sighted {
            first: self.all.first,
            last: self.all.last,
            count: self.all.count,
            days: self.all.days.len() as u64,
            sources: sources.collect(),
            more_sources,
        }
    }
}

/// What the history rests on.
pub fn coverage(read: &mut dyn Read) -> Result<Coverage, EngineError> {
    let mut coverage = Coverage::default();
    let count = |row: &dyn Row, column| {
        row.int_opt(column).map(|n| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
    };
    read.query(
        "SELECT count(*), sum(CASE WHEN state = 1 THEN 0 ELSE 1 END), min(first_time), max(last_time), sum(lines), sum(unread_lines)
         FROM hunt_files",
        &[],
        &mut |row| {
            coverage = Coverage {
                files: count(row, 0)?,
                partial_files: count(row, 1)?,
                first: row.int_opt(2)?.map(Timestamp::from_micros),
                last: row.int_opt(3)?.map(Timestamp::from_micros),
                lines: count(row, 4)?,
                unread_lines: count(row, 5)?,
            };
            Ok(Flow::Stop)
        },
    )?;
    Ok(coverage)
}
