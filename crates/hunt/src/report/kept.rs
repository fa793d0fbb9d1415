// SPDX-License-Identifier: Apache-2.0
//! Detections that hunts told, kept so that a report can be made later; and what the last hunt looked for. Local
//! state, which stays home as findings do.

use std::collections::{BTreeMap, BTreeSet};

use ledger::record;
use ledger::sql::{EngineError, Flow, Read, Table, TableKind, Tx, Value};
use model::id::{SubjectKey, hex};
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;
use sha2::{Digest as _, Sha256};

use super::draft::reason;
use super::said::SAID;
use super::summary::Sought;
use crate::detection::{Detection, Level, Means};
use crate::limits::{DETECTIONS_KEPT_DAYS, DETECTIONS_KEPT_MAX};
use crate::quote::Quotes;
use crate::state::{Bytes, Out, State, state};

/// The tables.
pub static TABLES: &[&Table] = &[&DETECTIONS, &SOUGHT, &SAID];

/// `told` is when a hunt came to it last. `owed` is 0 once people were told of it, as grave as it is: by a notice, or by a
/// hunt without one that came to its end.
static DETECTIONS: Table = Table {
    name: "hunt_detections",
    kind: TableKind::Local,
    columns: &["id", "indicator", "level", "told", "body", "owed"],
    sqlite: &["CREATE TABLE hunt_detections (
            id BLOB PRIMARY KEY, indicator TEXT NOT NULL, level INTEGER NOT NULL, told INTEGER NOT NULL,
            body BLOB NOT NULL, owed INTEGER NOT NULL DEFAULT 1
        ) STRICT"],
    postgres: &[r#"CREATE TABLE hunt_detections (
            id BYTEA PRIMARY KEY, indicator TEXT COLLATE "C" NOT NULL, level BIGINT NOT NULL, told BIGINT NOT NULL,
            body BYTEA NOT NULL, owed BIGINT NOT NULL DEFAULT 1
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
pub fn id_of(detection: &Detection) -> [u8; 32] {
    let Detection { means, id, about, first, .. } = detection;
    Sha256::digest(format!("{means:?}\n{id}\n{about:?}\n{first:?}")).into()
}

/// Id of a detection as a person names it: 16 hexadecimal digits, the same whenever it is told.
pub fn detection_id(detection: &Detection) -> String {
    hex(id_of(detection).get(..8).unwrap_or_default())
}

/// What a person said of a detection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dismissal {
    /// Why it is nothing.
    pub reason: String,
    /// When that was said.
    pub at: Timestamp,
    /// How grave it was then: one that has become graver is told again.
    pub level: Level,
}
state!(Dismissal { reason, at, level });

/// A detection that is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// As the last hunt told it that did.
    pub detection: Detection,
    /// What a person said of it, whether or not that still counts.
    pub dismissed: Option<Dismissal>,
}

impl Kept {
    /// What a person said of it, where it has not become graver since.
    pub fn dismissal(&self) -> Option<&Dismissal> {
        self.dismissed.as_ref().filter(|dismissed| dismissed.level >= self.detection.level)
    }
}

/// What the body of a detection begins with that was dismissed. That of another begins with what detected, a smaller number.
const DISMISSED: u8 = 0x7F;

fn body_of_kept(detection: &Detection, dismissed: Option<&Dismissal>) -> Vec<u8> {
    let mut body = Out::kept();
    if let Some(dismissed) = dismissed {
        DISMISSED.write(&mut body);
        dismissed.write(&mut body);
    }
    detection.write(&mut body);
    body.into_bytes()
}

fn read_kept(body: &[u8]) -> Result<Kept, EngineError> {
    let (dismissed, detection) = match body.split_first() {
        Some((&DISMISSED, rest)) => {
            let mut bytes = Bytes(rest);
            let dismissed = Dismissal::read(&mut bytes)
                .map_err(|_| EngineError::shape("hunt_detections.body cannot be read".to_owned()))?;
            (Some(dismissed), bytes.0)
        }
        _ => (None, body),
    };
    Ok(Kept { detection: read_body("hunt_detections", detection)?, dismissed })
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

/// Of which of these people were told, when they are kept: by what is the same of a detection whenever it is told.
pub fn told(read: &mut dyn Read, detections: &[Detection]) -> Result<BTreeSet<[u8; 32]>, EngineError> {
    let mut told = BTreeSet::new();
    let sql = "SELECT id FROM hunt_detections WHERE id = ?1 AND level >= ?2 AND owed = 0";
    for detection in detections {
        let id = id_of(detection);
        read.query(sql, &[Value::Blob(&id), Value::Int(detection.level as i64)], &mut |_| {
            told.insert(id);
            Ok(Flow::Stop)
        })?;
    }
    Ok(told)
}

/// People were told of these.
pub(super) fn mark_told(tx: &mut dyn Tx, detections: &[Detection]) -> Result<(), EngineError> {
    let sql = "UPDATE hunt_detections SET owed = 0 WHERE id = ?1 AND level <= ?2 AND owed <> 0";
    for detection in detections {
        tx.execute(sql, &[Value::Blob(&id_of(detection)), Value::Int(detection.level as i64)])?;
    }
    Ok(())
}

/// Keeps what a hunt told, in place of what was told of the same before; what a person said of it stays. `of_nobody` are the ids of the patterns that
/// came from no ledger: those of others are kept only while the ledger holds them, as [`withdraw`] finds no more what comes
/// after it. Those that were told more than [`DETECTIONS_KEPT_DAYS`] ago go, and of more than [`DETECTIONS_KEPT_MAX`] those
/// that matter least.
pub fn keep(
    tx: &mut dyn Tx,
    detections: &[Detection],
    of_nobody: &BTreeSet<String>,
    now: Timestamp,
) -> Result<(), EngineError> {
    let said = dismissed(tx.as_read())?;
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
                 told = excluded.told, body = excluded.body,
                 owed = CASE WHEN excluded.level > hunt_detections.level THEN 1 ELSE hunt_detections.owed END",
            &[
                Value::Blob(&id_of(detection)),
                Value::Text(indicator),
                Value::Int(detection.level as i64),
                Value::Int(now.micros()),
                Value::Blob(&body_of_kept(detection, said.get(&detection_id(detection)))),
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
pub fn kept(read: &mut dyn Read) -> Result<Vec<Kept>, EngineError> {
    let mut all = Vec::new();
    read.query("SELECT body FROM hunt_detections ORDER BY level DESC, id", &[], &mut |row| {
        all.push(read_kept(row.blob(0)?)?);
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

/// What persons said of detections, by their ids.
pub fn dismissed(read: &mut dyn Read) -> Result<BTreeMap<String, Dismissal>, EngineError> {
    let mut all = BTreeMap::new();
    let sql = "SELECT body FROM hunt_detections WHERE substr(body, 1, 1) = ?1";
    read.query(sql, &[Value::Blob(&[DISMISSED])], &mut |row| {
        let Kept { detection, dismissed } = read_kept(row.blob(0)?)?;
        all.extend(dismissed.map(|dismissed| (detection_id(&detection), dismissed)));
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

/// The kept detections whose id begins so.
pub fn like(read: &mut dyn Read, id: &str) -> Result<Vec<Kept>, EngineError> {
    Ok(kept(read)?.into_iter().filter(|kept| detection_id(&kept.detection).starts_with(id)).collect())
}

/// Writes down that a detection is nothing, and why; with `None` that it counts again. Answers whether it is kept.
pub fn dismiss(
    tx: &mut dyn Tx,
    detection: &Detection,
    why: Option<(&str, Timestamp)>,
) -> Result<bool, EngineError> {
    let why = why.map(|(text, at)| Dismissal { reason: reason(text), at, level: detection.level });
    let body = body_of_kept(detection, why.as_ref());
    let sql = "UPDATE hunt_detections SET body = ?2 WHERE id = ?1";
    Ok(tx.execute(sql, &[Value::Blob(&id_of(detection)), Value::Blob(&body)])? > 0)
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

/// What is kept of what a hunt looked for. An earlier program kept the first three alone.
type Asked = (u64, u64, Vec<(String, String)>, (Vec<(ObservableKind, u64)>, Vec<String>));

/// Keeps what the last hunt looked for: indicators by kind and where they are from, rules, patterns, detectors.
pub fn keep_sought(tx: &mut dyn Tx, sought: &Sought, now: Timestamp) -> Result<(), EngineError> {
    let Sought { indicators, origins, patterns, rules, detectors, .. } = sought.clone();
    let asked: Asked = (patterns, rules, detectors, (indicators, origins));
    let body = body_of(&asked);
    tx.execute(
        "INSERT INTO hunt_sought (id, told, body) VALUES (1, ?1, ?2)
         ON CONFLICT (id) DO UPDATE SET told = excluded.told, body = excluded.body",
        &[Value::Int(now.micros()), Value::Blob(&body)],
    )?;
    Ok(())
}

/// What the last hunt looked for, and when; `None` before the first. Where an earlier program kept it, it has no origins,
/// and the indicators are not known.
pub fn sought(read: &mut dyn Read) -> Result<Option<(Timestamp, Sought)>, EngineError> {
    let mut found = None;
    read.query("SELECT told, body FROM hunt_sought", &[], &mut |row| {
        let body = row.blob(1)?;
        let asked: Result<Asked, EngineError> = read_body("hunt_sought", body);
        let (patterns, rules, detectors, (indicators, origins)) = match asked {
            Ok(asked) => asked,
            Err(_) => {
                let (patterns, rules, detectors) = read_body("hunt_sought", body)?;
                (patterns, rules, detectors, Default::default())
            }
        };
        let sought = Sought { indicators, origins, patterns, rules, detectors, ..Sought::default() };
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
        let Kept { detection, dismissed } = read_kept(row.blob(1)?)?;
        let mut texts = detection.about.iter().map(|(_, value)| value);
        let mut lines = detection.evidence.iter().map(|line| &line.text);
        let said = dismissed.as_ref().map(|dismissed| &dismissed.reason);
        let told = [&detection.title, &detection.threshold, &detection.baseline];
        let mut told = told.into_iter().chain(said);
        if texts.any(|text| quotes.are_in(text))
            || lines.any(|line| quotes.are_in(line))
            || told.any(|text| quotes.are_in(text))
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
