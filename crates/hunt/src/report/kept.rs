// SPDX-License-Identifier: Apache-2.0
//! Detections that hunts told, kept so that a report can be made later; and what the last hunt looked for. Local
//! state, which stays home as findings do.

use std::collections::{BTreeMap, BTreeSet};

use ledger::record;
use ledger::sql::{EngineError, Flow, Read, Table, TableKind, Tx, Value};
use model::id::SubjectKey;
use model::observable::Observable;
use model::time::Timestamp;
use sha2::{Digest as _, Sha256};

use super::said::SAID;
use super::summary::Sought;
use crate::detection::{Detection, Means};
use crate::limits::{DETECTIONS_KEPT_DAYS, DETECTIONS_KEPT_MAX};
use crate::quote::Quotes;
use crate::state::{Bytes, Out, State};

/// The tables.
pub static TABLES: &[&Table] = &[&DETECTIONS, &SOUGHT, &SAID];

static DETECTIONS: Table = Table {
    name: "hunt_detections",
    kind: TableKind::Local,
    columns: &["id", "indicator", "level", "told", "body"],
    sqlite: &["CREATE TABLE hunt_detections (
            id BLOB PRIMARY KEY, indicator TEXT NOT NULL, level INTEGER NOT NULL, told INTEGER NOT NULL,
            body BLOB NOT NULL
        ) STRICT"],
    postgres: &[r#"CREATE TABLE hunt_detections (
            id BYTEA PRIMARY KEY, indicator TEXT COLLATE "C" NOT NULL, level BIGINT NOT NULL, told BIGINT NOT NULL,
            body BYTEA NOT NULL
        )"#],
};

static SOUGHT: Table = Table {
    name: "hunt_sought",
    kind: TableKind::Local,
    columns: &["id", "told", "body"],
    sqlite: &[
        "CREATE TABLE hunt_sought (id INTEGER PRIMARY KEY, told INTEGER NOT NULL, body BLOB NOT NULL) STRICT",
    ],
    postgres: &[
        "CREATE TABLE hunt_sought (id BIGINT PRIMARY KEY, told BIGINT NOT NULL, body BYTEA NOT NULL)",
    ],
};

/// What the same detection has in common, whenever it is told: what says it, of whom, and since when.
fn id_of(detection: &Detection) -> [u8; 32] {
    let Detection { means, id, about, first, .. } = detection;
    Sha256::digest(format!("{means:?}\n{id}\n{about:?}\n{first:?}")).into()
}

fn body_of<T: State>(what: &T) -> Vec<u8> {
    let mut body = Out::kept();
    what.write(&mut body);
    body.into_bytes()
}

fn read_body<T: State>(table: &str, body: &[u8]) -> Result<T, EngineError> {
    let mut bytes = Bytes(body);
    match T::read(&mut bytes) {
        Ok(read) if bytes.0.is_empty() => Ok(read),
        _ => Err(EngineError::shape(format!("{table}.body cannot be read"))),
    }
}

/// Keeps what a hunt told, in place of what was told of the same before. `of_nobody` are the ids of the patterns that
/// came from no ledger: those of others are kept only while the ledger holds them, as [`withdraw`] finds no more what comes
/// after it. Those that were told more than [`DETECTIONS_KEPT_DAYS`] ago go, and of more than [`DETECTIONS_KEPT_MAX`] those
/// that matter least.
pub fn keep(
    tx: &mut dyn Tx,
    detections: &[Detection],
    of_nobody: &BTreeSet<String>,
    now: Timestamp,
) -> Result<(), EngineError> {
    let held = held(tx.as_read(), detections)?;
    for detection in detections {
        // Of what a rule or a detector says nothing can be withdrawn.
        let indicator = match held.get(detection.id.as_str()).filter(|_| detection.means == Means::Pattern) {
            Some(true) => detection.id.as_str(),
            Some(false) if !of_nobody.contains(&detection.id) => continue,
            Some(false) | None => "",
        };
        tx.execute(
            "INSERT INTO hunt_detections (id, indicator, level, told, body) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET indicator = excluded.indicator, level = excluded.level,
                 told = excluded.told, body = excluded.body",
            &[
                Value::Blob(&id_of(detection)),
                Value::Text(indicator),
                Value::Int(detection.level as i64),
                Value::Int(now.micros()),
                Value::Blob(&body_of(detection)),
            ],
        )?;
    }
    let oldest = now.micros().saturating_sub(DETECTIONS_KEPT_DAYS * 86_400_000_000);
    tx.execute("DELETE FROM hunt_detections WHERE told < ?1", &[Value::Int(oldest)])?;
    let mut count = 0;
    tx.query("SELECT count(*) FROM hunt_detections", &[], &mut |row| {
        count = row.int(0)?;
        Ok(Flow::Stop)
    })?;
    if count > DETECTIONS_KEPT_MAX {
        let least = "DELETE FROM hunt_detections WHERE id IN
             (SELECT id FROM hunt_detections ORDER BY level, told, id LIMIT ?1)";
        tx.execute(least, &[Value::Int(count - DETECTIONS_KEPT_MAX)])?;
    }
    Ok(())
}

/// What is kept, the gravest first.
pub fn kept(read: &mut dyn Read) -> Result<Vec<Detection>, EngineError> {
    let mut all = Vec::new();
    read.query("SELECT body FROM hunt_detections ORDER BY level DESC, id", &[], &mut |row| {
        all.push(read_body("hunt_detections", row.blob(0)?)?);
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

/// Of each indicator whose pattern detected something, whether the ledger holds it.
fn held<'d>(
    read: &mut dyn Read,
    detections: &'d [Detection],
) -> Result<BTreeMap<&'d str, bool>, EngineError> {
    let patterns = detections.iter().filter(|one| one.means == Means::Pattern);
    let ids: BTreeSet<&str> = patterns.map(|one| one.id.as_str()).collect();
    ids.into_iter().map(|id| Ok((id, is_held(read, id)?))).collect()
}

/// Takes out what patterns detected that came from the ledger and that it holds no more: they were withdrawn while they were
/// hunted for. `of_nobody` are the ids of those that came from no ledger. Answers how many detections.
pub fn leave_out_withdrawn(
    read: &mut dyn Read,
    detections: &mut Vec<Detection>,
    of_nobody: &BTreeSet<String>,
) -> Result<u64, EngineError> {
    let withdrawn: BTreeSet<String> = held(read, detections)?
        .into_iter()
        .filter(|(id, is_held)| !is_held && !of_nobody.contains(*id))
        .map(|(id, _)| id.to_owned())
        .collect();
    let before = detections.len();
    detections.retain(|one| one.means != Means::Pattern || !withdrawn.contains(&one.id));
    Ok((before - detections.len()) as u64)
}

/// Whether the ledger holds an object: of what it does not nothing can be withdrawn.
fn is_held(read: &mut dyn Read, id: &str) -> Result<bool, EngineError> {
    Ok(record::of_subject(read, SubjectKey::of(id))?.iter().any(|row| row.body.is_some()))
}

/// Erases what patterns of indicators made that the ledger held then, and does not hold now: it says the pattern and its
/// name. Answers how many detections.
pub fn withdraw(tx: &mut dyn Tx) -> Result<u64, EngineError> {
    let mut erased = 0;
    for indicator in indicators(tx.as_read())? {
        if !is_held(tx.as_read(), &indicator)? {
            let sql = "DELETE FROM hunt_detections WHERE indicator = ?1";
            erased += tx.execute(sql, &[Value::Text(&indicator)])?;
        }
    }
    Ok(erased)
}

/// The indicators that the ledger held whose patterns made detections that are kept.
fn indicators(read: &mut dyn Read) -> Result<Vec<String>, EngineError> {
    let mut all = Vec::new();
    let sql = "SELECT DISTINCT indicator FROM hunt_detections WHERE indicator <> '' ORDER BY indicator";
    read.query(sql, &[], &mut |row| {
        all.push(row.text(0)?.to_owned());
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

/// Keeps what the last hunt looked for besides indicators: rules, patterns, detectors.
pub fn keep_sought(tx: &mut dyn Tx, sought: &Sought, now: Timestamp) -> Result<(), EngineError> {
    let body = body_of(&(sought.patterns, sought.rules, sought.detectors.clone()));
    tx.execute(
        "INSERT INTO hunt_sought (id, told, body) VALUES (1, ?1, ?2)
         ON CONFLICT (id) DO UPDATE SET told = excluded.told, body = excluded.body",
        &[Value::Int(now.micros()), Value::Blob(&body)],
    )?;
    Ok(())
}

/// What the last hunt looked for besides indicators, and when; `None` before the first.
pub fn sought(read: &mut dyn Read) -> Result<Option<(Timestamp, Sought)>, EngineError> {
    let mut found = None;
    read.query("SELECT told, body FROM hunt_sought", &[], &mut |row| {
        let (patterns, rules, detectors) = read_body("hunt_sought", row.blob(1)?)?;
        let sought = Sought { patterns, rules, detectors, ..Sought::default() };
        found = Some((Timestamp::from_micros(row.int(0)?), sought));
        Ok(Flow::Stop)
    })?;
    Ok(found)
}

/// Erases the detections that name or quote a value; answers how many.
pub fn forget(tx: &mut dyn Tx, observable: &Observable) -> Result<u64, EngineError> {
    let quotes = Quotes::of(observable);
    let mut ids = Vec::new();
    tx.query("SELECT id, body FROM hunt_detections", &[], &mut |row| {
        let detection: Detection = read_body("hunt_detections", row.blob(1)?)?;
        let mut texts = detection.about.iter().map(|(_, value)| value);
        let mut lines = detection.evidence.iter().map(|line| &line.text);
        let told = [&detection.title, &detection.threshold, &detection.baseline];
        if texts.any(|text| quotes.are_in(text))
            || lines.any(|line| quotes.are_in(line))
            || told.into_iter().any(|text| quotes.are_in(text))
        {
            ids.push(row.blob(0)?.to_vec());
        }
        Ok(Flow::Continue)
    })?;
    for id in &ids {
        tx.execute("DELETE FROM hunt_detections WHERE id = ?1", &[Value::Blob(id)])?;
    }
    Ok(ids.len() as u64)
}
