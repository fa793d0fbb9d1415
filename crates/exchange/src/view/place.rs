// SPDX-License-Identifier: Apache-2.0
//! Placements: where records stand in the collections' orders.

use std::collections::{BTreeMap, BTreeSet};

use ledger::sql::{EngineError, Flow, Tx, Value};
use ledger::view::Record;
use model::id::SubjectKey;
use model::kind::Kind;

use super::{PLACED, PLACEMENTS, first_int, type_number_of_id};
use crate::filter::Spec;

/// Subjects asked about in one statement.
const SUBJECTS_PER_LOOKUP: usize = 32;

/// A placement that is to be written.
pub(super) struct Placement {
    collection: i64,
    seq: i64,
    audience: i64,
    kind: i64,
    subject: SubjectKey,
    version: i64,
    spec: Spec,
    sole: bool,
}

impl Placement {
    /// The placement of a record in the collection of its audience.
    pub(super) fn of(collection: i64, record: &Record<'_>) -> Placement {
        // Code 255 says only that the key does not tell the type; the id does.
        let code = record.subject.type_code();
        let kind = if code == u8::MAX { type_number_of_id(record.id) } else { i64::from(code) };
        Placement {
            collection,
            seq: record.seq,
            audience: record.audience_row,
            kind,
            subject: record.subject,
            version: record.version.micros(),
            spec: if record.head.kind == Kind::STIX_20 { Spec::Stix20 } else { Spec::Stix21 },
            sole: true,
        }
    }
}

/// Writes placements, given in the order of their `seq`, and empties the list.
pub(super) fn insert(tx: &mut dyn Tx, fresh: &mut Vec<Placement>) -> Result<(), EngineError> {
    // One record goes in often, ten thousand at once on import: both in key order.
    fresh.sort_unstable_by_key(|p| (p.collection, p.subject, p.version, p.seq));
    clear_sole(tx, fresh)?;
    tx.insert_many(&PLACED, &mut |push| {
        for p in fresh.iter() {
            push(&[
                Value::Int(p.collection),
                Value::Blob(&p.subject.0),
                Value::Int(p.version),
                Value::Int(p.seq),
                Value::Int(p.seq),
                Value::Int(p.audience),
                Value::Int(p.spec.code()),
            ])?;
        }
        Ok(())
    })?;
    fresh.sort_unstable_by_key(|p| (p.collection, p.seq));
    tx.insert_many(&PLACEMENTS, &mut |push| {
        for p in fresh.iter() {
            push(&[
                Value::Int(p.collection),
                Value::Int(p.seq),
                Value::Int(p.seq),
                Value::Int(p.audience),
                Value::Int(p.kind),
                Value::Blob(&p.subject.0),
                Value::Int(p.version),
                Value::Int(p.spec.code()),
                Value::Int(i64::from(p.sole)),
            ])?;
        }
        Ok(())
    })?;
    fresh.clear();
    Ok(())
}

/// Clears `sole` on the objects of the sorted list that have, or get, a second record in a collection.
fn clear_sole(tx: &mut dyn Tx, fresh: &mut [Placement]) -> Result<(), EngineError> {
    let mut subjects: BTreeMap<i64, Vec<SubjectKey>> = BTreeMap::new();
    for p in fresh.iter() {
        let list = subjects.entry(p.collection).or_default();
        if list.last() != Some(&p.subject) {
            list.push(p.subject);
        }
    }
    for (collection, subjects) in subjects {
        let known = known_subjects(tx, collection, &subjects)?;
        for p in fresh.iter_mut().filter(|p| p.collection == collection && known.contains(&p.subject)) {
            p.sole = false;
        }
    }
    for pair in fresh.chunk_by_mut(|a, b| (a.collection, a.subject) == (b.collection, b.subject)) {
        if pair.len() > 1 {
            pair.iter_mut().for_each(|p| p.sole = false);
        }
    }
    Ok(())
}

/// Which of the sorted `subjects` stand in the collection already; those that stood alone no longer do.
fn known_subjects(
    tx: &mut dyn Tx,
    collection: i64,
    subjects: &[SubjectKey],
) -> Result<BTreeSet<SubjectKey>, EngineError> {
    let mut known: BTreeMap<SubjectKey, (i64, usize)> = BTreeMap::new();
    // A first import fills an empty collection: one probe instead of one for each object.
    let filled =
        first_int(tx, "SELECT 1 FROM placed WHERE collection = ?1 LIMIT 1", &[Value::Int(collection)])?;
    if filled.is_none() {
        return Ok(BTreeSet::new());
    }
    for chunk in subjects.chunks(SUBJECTS_PER_LOOKUP) {
        let mut args = [Value::Int(collection); 1 + SUBJECTS_PER_LOOKUP];
        // A short chunk repeats its last subject: the statement has a fixed number of places.
        let padded = chunk.iter().chain(chunk.last().into_iter().cycle());
        for (arg, subject) in args.iter_mut().skip(1).zip(padded) {
            *arg = Value::Blob(&subject.0);
        }
        let sql = "SELECT subject, seq FROM placed WHERE collection = ?1 AND subject IN (?2, ?3, ?4, ?5, ?6, ?7, \
                   ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, \
                   ?27, ?28, ?29, ?30, ?31, ?32, ?33)";
        tx.as_read().query(sql, &args, &mut |row| {
            let entry = known.entry(subject_key(row.blob(0)?)?).or_insert((row.int(1)?, 0));
            entry.1 += 1;
            Ok(Flow::Continue)
        })?;
    }
    for (seq, _) in known.values().filter(|(_, records)| *records == 1) {
        set_sole(tx, collection, *seq, false)?;
    }
    Ok(known.into_keys().collect())
}

/// Takes the placement of an erased record away.
pub(super) fn erase(tx: &mut dyn Tx, collection: i64, seq: i64) -> Result<(), EngineError> {
    let mut gone = None;
    let sql = "SELECT subject, version FROM placements WHERE collection = ?1 AND seq = ?2";
    tx.as_read().query(sql, &[Value::Int(collection), Value::Int(seq)], &mut |row| {
        gone = Some((subject_key(row.blob(0)?)?, row.int(1)?));
        Ok(Flow::Stop)
    })?;
    let Some((subject, version)) = gone else { return Ok(()) };
    tx.execute(
        "DELETE FROM placements WHERE collection = ?1 AND seq = ?2",
        &[Value::Int(collection), Value::Int(seq)],
    )?;
    let (collection, subject) = (Value::Int(collection), Value::Blob(&subject.0));
    tx.execute(
        "DELETE FROM placed WHERE collection = ?1 AND subject = ?2 AND version = ?3 AND seq = ?4",
        &[collection, subject, Value::Int(version), Value::Int(seq)],
    )?;
    let mut left = Vec::new();
    let sql = "SELECT seq FROM placed WHERE collection = ?1 AND subject = ?2 LIMIT 2";
    tx.as_read().query(sql, &[collection, subject], &mut |row| {
        left.push(row.int(0)?);
        Ok(Flow::Continue)
    })?;
    match (collection, left.as_slice()) {
        // As if the erased record had never come: the one that is left stands alone.
        (Value::Int(collection), [seq]) => set_sole(tx, collection, *seq, true),
        _ => Ok(()),
    }
}

fn set_sole(tx: &mut dyn Tx, collection: i64, seq: i64, sole: bool) -> Result<(), EngineError> {
    tx.execute(
        "UPDATE placements SET sole = ?3 WHERE collection = ?1 AND seq = ?2",
        &[Value::Int(collection), Value::Int(seq), Value::Int(i64::from(sole))],
    )?;
    Ok(())
}

pub(crate) fn subject_key(bytes: &[u8]) -> Result<SubjectKey, EngineError> {
    bytes.try_into().map(SubjectKey).map_err(|_| EngineError::shape("placements.subject"))
}
