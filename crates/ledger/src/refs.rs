// SPDX-License-Identifier: Apache-2.0
//! Which records refer to an observable.

use model::diagnostic::Diagnostic;
use model::id::SubjectKey;
use model::stix::Object;

use crate::audience::Heads;
use crate::record::after;
use crate::schema::REFS;
use crate::sql::{EngineError, Flow, Tx, Value};

/// Records that are read at once.
const BATCH: usize = 2_000;

/// Fills `refs` from the bodies: a database of format 2 has none. Tells how many records of how many are
/// read.
pub fn fill(tx: &mut dyn Tx, told: &mut dyn FnMut(u64, u64)) -> Result<(), EngineError> {
    let heads = Heads::load(tx.as_read())?;
    let (mut seq, mut of) = (0, 0);
    tx.as_read().query("SELECT coalesce(max(seq), 0) FROM records", &[], &mut |row| {
        of = row.int(0)?;
        Ok(Flow::Stop)
    })?;
    loop {
        let rows = after(tx.as_read(), seq, BATCH)?;
        let Some(last) = rows.last() else { return Ok(()) };
        seq = last.seq;
        let mut refs: Vec<(SubjectKey, i64)> = Vec::new();
        for row in &rows {
            let (Some(body), true) = (&row.body, heads.of(row.audience_row)?.kind.is_stix()) else {
                continue;
            };
            if let Some(object) = Object::parse(body, &row.id, &mut Vec::<Diagnostic>::new()) {
                refs.extend(object.observable_refs.into_iter().map(|key| (key, row.seq)));
            }
        }
        write(tx, refs)?;
        told(seq.unsigned_abs(), of.unsigned_abs());
    }
}

/// Writes which record refers to what; each pair once.
pub(crate) fn write(tx: &mut dyn Tx, mut refs: Vec<(SubjectKey, i64)>) -> Result<(), EngineError> {
    refs.sort_unstable();
    refs.dedup();
    tx.insert_many(&REFS, &mut |push| {
        refs.iter().try_for_each(|(key, seq)| push(&[Value::Blob(&key.0), Value::Int(*seq)]))
    })
}
