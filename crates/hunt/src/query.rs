// SPDX-License-Identifier: Apache-2.0
//! What can be asked of the room's view.

use std::collections::HashSet;

use ledger::audience::Heads;
use ledger::sql::{EngineError, Flow, Read, Row, Value};
use model::id::{MemberId, SubjectKey};
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;

use crate::confirm::condition::Condition;
use crate::indicator::{Indicator, Mode};
use crate::pattern::{Pattern, PatternIndicator};
use crate::standard::guessable_indicator_id;

/// All indicators that the node holds: of each, what its newest version says; in the order in which they arrived.
pub fn indicators(read: &mut dyn Read) -> Result<Vec<Indicator>, EngineError> {
    let mut indicators = Vec::new();
    read.query(
        "SELECT i.id, i.kind, i.value, i.mode, i.name, i.valid_from, i.valid_until FROM hunt_indicators i
         WHERE i.kind <> 0 AND NOT EXISTS (SELECT 1 FROM hunt_indicators newer WHERE newer.subject = i.subject
             AND (newer.version > i.version OR newer.version = i.version AND newer.seq > i.seq))
         ORDER BY i.seq, i.part",
        &[],
        &mut |row| {
            indicators.push(indicator(row)?);
            Ok(Flow::Continue)
        },
    )?;
    Ok(indicators)
}

pub(crate) fn indicator(row: &dyn Row) -> Result<Indicator, EngineError> {
    let (kind, mode) = (row.int(1)?, row.int(3)?);
    let wrong = |what: &str, code: i64| EngineError::shape(format!("hunt_indicators.{what} is {code}"));
    let kind = ObservableKind::from_code(kind).ok_or_else(|| wrong("kind", kind))?;
    Ok(Indicator {
        id: row.text(0)?.to_owned(),
        observable: Observable::from_canonical(kind, row.blob(2)?),
        mode: Mode::from_code(mode).ok_or_else(|| wrong("mode", mode))?,
        name: row.text(4)?.to_owned(),
        valid_from: row.int_opt(5)?.map(Timestamp::from_micros),
        valid_until: row.int_opt(6)?.map(Timestamp::from_micros),
    })
}

/// Ids of an earlier program ([`guessable_indicator_id`]) under which `own` holds entries of a list. They keep
/// them, or every entry would be there twice.
pub fn held_under_guessable_ids(
    read: &mut dyn Read,
    own: MemberId,
    list: &[Indicator],
) -> Result<HashSet<String>, EngineError> {
    let heads = Heads::load(read)?;
    let mut held = HashSet::new();
    for indicator in list {
        let id = guessable_indicator_id(&indicator.observable, indicator.mode);
        let key = SubjectKey::of(&id);
        let mut found = false;
        let sql = "SELECT audience FROM subjects WHERE subject = ?1";
        read.query(sql, &[Value::Blob(&key.0)], &mut |row| {
            found = heads.of(row.int(0)?)?.author == own;
            Ok(if found { Flow::Stop } else { Flow::Continue })
        })?;
        if found {
            held.insert(id);
        }
    }
    Ok(held)
}

/// The patterns of the indicators that the node holds, of each what its newest version says.
pub fn patterns(read: &mut dyn Read) -> Result<Vec<PatternIndicator>, EngineError> {
    let mut patterns = Vec::new();
    read.query(
        "SELECT p.id, p.pattern, p.name, p.valid_from, p.valid_until FROM hunt_patterns p
         WHERE NOT EXISTS (SELECT 1 FROM hunt_indicators newer WHERE newer.subject = p.subject
             AND (newer.version > p.version OR newer.version = p.version AND newer.seq > p.seq))
         ORDER BY p.seq, p.part",
        &[],
        &mut |row| {
            let wrong = |what: String| EngineError::shape(format!("hunt_patterns.pattern: {what}"));
            let text = std::str::from_utf8(row.blob(1)?).map_err(|e| wrong(e.to_string()))?;
            patterns.push(PatternIndicator {
                id: row.text(0)?.to_owned(),
                pattern: Pattern::parse(text).map_err(|e| wrong(e.to_string()))?,
                name: row.text(2)?.to_owned(),
                valid_from: row.int_opt(3)?.map(Timestamp::from_micros),
                valid_until: row.int_opt(4)?.map(Timestamp::from_micros),
            });
            Ok(Flow::Continue)
        },
    )?;
    Ok(patterns)
}

/// The conditions of the indicators that the node holds, of each what its newest version says.
pub fn conditions(read: &mut dyn Read) -> Result<Vec<Condition>, EngineError> {
    let mut conditions = Vec::new();
    read.query(
        "SELECT c.id, c.condition FROM hunt_conditions c
         WHERE NOT EXISTS (SELECT 1 FROM hunt_indicators newer WHERE newer.subject = c.subject
             AND (newer.version > c.version OR newer.version = c.version AND newer.seq > c.seq))
         ORDER BY c.seq, c.part",
        &[],
        &mut |row| {
            let wrong = |what: String| EngineError::shape(format!("hunt_conditions.condition: {what}"));
            let value = serde_json::from_slice(row.blob(1)?).map_err(|e| wrong(e.to_string()))?;
            conditions.push(Condition::from_json(&value, row.text(0)?).map_err(wrong)?);
            Ok(Flow::Continue)
        },
    )?;
    Ok(conditions)
}

/// Records that the view could not use wholly, by code: how many.
pub fn skipped(read: &mut dyn Read) -> Result<Vec<(String, u64)>, EngineError> {
    let mut codes = Vec::new();
    read.query("SELECT code, count(*) FROM hunt_skipped GROUP BY code ORDER BY code", &[], &mut |row| {
        codes.push((row.text(0)?.to_owned(), u64::try_from(row.int(1)?).unwrap_or(0)));
        Ok(Flow::Continue)
    })?;
    Ok(codes)
}
