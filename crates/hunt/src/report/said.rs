// SPDX-License-Identifier: Apache-2.0
//! What files of indicators said of the markings of the objects that were found: no ledger holds them, and a report that
//! is made later goes by the same. Local state, which stays home as findings do; it names ids alone.

use std::collections::BTreeSet;

use ledger::record;
use ledger::sql::{EngineError, Flow, Read, Table, TableKind, Tx, Value};
use model::id::SubjectKey;
use model::marking::Marking;

use super::kept::kept;
use crate::detection::Means;
use crate::state::{Bytes, Out, State};

pub(super) static SAID: Table = Table {
    name: "hunt_said",
    kind: TableKind::Local,
    columns: &["indicator", "marking", "refs"],
    sqlite: &[
        "CREATE TABLE hunt_said (indicator TEXT PRIMARY KEY, marking INTEGER NOT NULL, refs BLOB NOT NULL)
         STRICT, WITHOUT ROWID",
    ],
    postgres: &[r#"CREATE TABLE hunt_said (indicator TEXT COLLATE "C" PRIMARY KEY, marking BIGINT NOT NULL,
         refs BYTEA NOT NULL)"#],
};

/// What was said of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its STIX id.
    pub indicator: String,
    /// Its marking and its `object_marking_refs`; `None` where the files say nothing of it.
    pub marking: Option<(Marking, Vec<String>)>,
}

/// Nobody said anything that can be understood.
const UNKNOWN: Marking = Marking { unknown: true, ..Marking::NONE };

/// Notes what was said of objects, before what was found of them is recorded. Said twice, the strictest counts. Where
/// something was found of one before of which nothing is noted, its marking stays unknown: that may have been another
/// file's. Of an object that the ledger holds nothing else need be said.
pub fn note(tx: &mut dyn Tx, all: &[Said]) -> Result<(), EngineError> {
    let mut earlier = None;
    for Said { indicator, marking: said } in all {
        let is_held = !record::of_subject(tx.as_read(), SubjectKey::of(indicator))?.is_empty();
        if said.is_none() && is_held {
            continue;
        }
        let (mut marking, mut refs) = said.clone().unwrap_or((UNKNOWN, Vec::new()));
        match noted(tx.as_read(), indicator)? {
            Some((before, of_before)) => {
                marking = marking.strictest(before);
                refs.extend(of_before);
            }
            None if is_held => {}
            None => {
                let found = match earlier.take() {
                    Some(found) => found,
                    None => found_before(tx.as_read())?,
                };
                if found.contains(indicator) {
                    marking = marking.strictest(UNKNOWN);
                }
                earlier = Some(found);
            }
        }
        refs.sort_unstable();
        refs.dedup();
        let mut body = Out::kept();
        refs.write(&mut body);
        let body = body.into_bytes();
        tx.execute(
            "INSERT INTO hunt_said (indicator, marking, refs) VALUES (?1, ?2, ?3)
             ON CONFLICT (indicator) DO UPDATE SET marking = excluded.marking, refs = excluded.refs",
            &[Value::Text(indicator), Value::Int(marking.code()), Value::Blob(&body)],
        )?;
    }
    Ok(())
}

/// What findings and detections by patterns are recorded of.
fn found_before(read: &mut dyn Read) -> Result<BTreeSet<String>, EngineError> {
    let patterns = kept(read)?.into_iter().filter(|one| one.means == Means::Pattern);
    let mut found: BTreeSet<String> = patterns.map(|one| one.id).collect();
    read.query("SELECT DISTINCT indicator FROM hunt_findings", &[], &mut |row| {
        found.insert(row.text(0)?.to_owned());
        Ok(Flow::Continue)
    })?;
    Ok(found)
}

fn noted(read: &mut dyn Read, id: &str) -> Result<Option<(Marking, Vec<String>)>, EngineError> {
    let mut found = None;
    let sql = "SELECT marking, refs FROM hunt_said WHERE indicator = ?1";
    read.query(sql, &[Value::Text(id)], &mut |row| {
        let mut bytes = Bytes(row.blob(1)?);
        let refs =
            State::read(&mut bytes).map_err(|_| EngineError::shape("hunt_said.refs cannot be read"))?;
        found = Some((Marking::from_code(row.int(0)?), refs));
        Ok(Flow::Stop)
    })?;
    Ok(found)
}

/// What files said of the marking of an object and of its `object_marking_refs`; `None` where none said anything.
pub fn said(read: &mut dyn Read, id: &str) -> Result<Option<(Marking, Vec<String>)>, EngineError> {
    let says = |(marking, refs): &(Marking, Vec<String>)| marking.tlp.is_some() || !refs.is_empty();
    Ok(noted(read, id)?.filter(says))
}
