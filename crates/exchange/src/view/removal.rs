// SPDX-License-Identifier: Apache-2.0
//! What a steward takes out of his community's collection. The records stay where they are otherwise: they
//! are their authors', who alone withdraw them.

use std::collections::HashSet;

use ledger::recall::{Act, Recall, seq_of};
use ledger::sql::{EngineError, Flow, Read, Tx, Value};
use ledger::view::{Body, Record};
use model::head::Audience;
use model::id::SubjectKey;

use super::{collection_number, first_int, place, skip};
use crate::standing::role;

/// Takes in a recall: of the acts only the removal is the view's; the others come as erased and narrowed
/// records.
pub(super) fn apply(tx: &mut dyn Tx, record: &Record<'_>) -> Result<(), EngineError> {
    let Body::Present(body) = record.body else { return Ok(()) };
    let Ok(Recall { act: Act::Remove { community }, entries, .. }) = Recall::parse(body) else {
        return Ok(());
    };
    // As the roles are at this place in the order of all records.
    let role = role(tx.as_read(), community, record.head.author)?;
    if !role.is_some_and(|role| role.may_remove()) {
        return skip(tx, record.seq, "removal-not-steward");
    }
    let audience = Audience::Community(community).to_string();
    let Some(collection) = collection_number(tx.as_read(), &audience)? else { return Ok(()) };
    for entry in &entries {
        let Some(seq) = seq_of(tx.as_read(), entry)? else { continue };
        let sql =
            "INSERT INTO removed (collection, seq) VALUES (?1, ?2) ON CONFLICT (collection, seq) DO NOTHING";
        tx.execute(sql, &[Value::Int(collection), Value::Int(seq)])?;
        place::erase(tx, collection, seq)?;
    }
    Ok(())
}

/// Leaves out the collections from which the record at `seq` was removed.
pub(super) fn without_removed(
    tx: &mut dyn Tx,
    collections: &mut Vec<i64>,
    seq: i64,
) -> Result<(), EngineError> {
    let mut left = Vec::new();
    for collection in collections.drain(..) {
        let sql = "SELECT 1 FROM removed WHERE collection = ?1 AND seq = ?2";
        if first_int(tx, sql, &[Value::Int(collection), Value::Int(seq)])?.is_none() {
            left.push(collection);
        }
    }
    *collections = left;
    Ok(())
}

/// Objects that a steward took out of one collection: no version of them is taken into it again.
#[derive(Clone, Debug, Default)]
pub struct Removed(HashSet<SubjectKey>);

impl Removed {
    /// Of the collection of an audience, as far as their rows of `audiences` are `known` to who asks: what
    /// he never saw was, for him, not taken out. What was withdrawn since has no subject any more.
    pub fn of(
        read: &mut dyn Read,
        audience: &Audience,
        known: impl Fn(i64) -> bool,
    ) -> Result<Removed, EngineError> {
        let mut removed = Removed::default();
        let Some(collection) = collection_number(read, &audience.to_string())? else { return Ok(removed) };
        let sql = "SELECT r.subject, r.audience FROM removed x JOIN records r ON r.seq = x.seq \
                   WHERE x.collection = ?1";
        read.query(sql, &[Value::Int(collection)], &mut |row| {
            if known(row.int(1)?) && !row.blob(0)?.is_empty() {
                removed.0.insert(place::subject_key(row.blob(0)?)?);
            }
            Ok(Flow::Continue)
        })?;
        Ok(removed)
    }

    /// Whether this object was removed.
    pub fn contains(&self, key: &SubjectKey) -> bool {
        self.0.contains(key)
    }
}
