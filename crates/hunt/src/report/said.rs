// SPDX-License-Identifier: Apache-2.0
//! What files of indicators said of the markings of the objects that were found, and what the ledger said of them then:
//! it may hold them no more, and a report that is made later goes by the same. Local state, which stays home as findings do; it names ids alone.

use std::collections::BTreeSet;

use ledger::audience::Heads;
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
/// file's. Of an object that the ledger holds its word is noted as well: when it is withdrawn, what was found of it is
/// told no looser than before. Where files say nothing of such a one nothing need be noted.
pub fn note(tx: &mut dyn Tx, all: &[Said]) -> Result<(), EngineError> {
    let (mut earlier, mut heads) = (None, None);
    for Said { indicator, marking: said } in all {
        let held = of_ledger(tx.as_read(), &mut heads, indicator)?;
        let before = noted(tx.as_read(), indicator)?;
        if said.is_none() && held.is_some() && before.is_none() {
            continue;
        }
        let unsaid = if held.is_some() { Marking::NONE } else { UNKNOWN };
        let (mut marking, mut refs) = said.clone().unwrap_or((unsaid, Vec::new()));
        match before {
            Some((before, of_before)) => {
                marking = marking.strictest(before);
                refs.extend(of_before);
            }
            None if held.is_some() => {}
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
        if let Some((of_ledger, more)) = held {
            // Where it is unmarked there the label of a file says no more who may have it.
            marking = marking.as_strict_as(of_ledger);
            refs.extend(more);
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

/// What the ledger says of an object, all records of it combined: its marking, and the `object_marking_refs` of its
/// newest version; `None` where it holds none. `heads` are loaded once.
fn of_ledger(
    read: &mut dyn Read,
    heads: &mut Option<Heads>,
    id: &str,
) -> Result<Option<(Marking, Vec<String>)>, EngineError> {
    let rows = record::of_subject(read, SubjectKey::of(id))?;
    if rows.is_empty() {
        return Ok(None);
    }
    let known = match heads.take() {
        Some(known) => known,
        None => Heads::load(read)?,
    };
    let known = heads.insert(known);
    let mut marking: Option<Marking> = None;
    for row in &rows {
        let of_row = known.of(row.audience_row)?.marking;
        marking = Some(marking.map_or(of_row, |marking| marking.as_strict_as(of_row)));
    }
    let body = rows.iter().find_map(|row| row.body.as_deref());
    let body: serde_json::Value = body.and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    let refs = body.get("object_marking_refs").and_then(serde_json::Value::as_array);
    let refs = refs.into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect();
    Ok(marking.map(|marking| (marking, refs)))
}

/// What findings and detections by patterns are recorded of.
fn found_before(read: &mut dyn Read) -> Result<BTreeSet<String>, EngineError> {
    let patterns = kept(read)?.into_iter().filter(|one| one.detection.means == Means::Pattern);
    let mut found: BTreeSet<String> = patterns.map(|one| one.detection.id).collect();
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
