// SPDX-License-Identifier: Apache-2.0
//! What leaves in a file: the newest version of each object that the gate releases to the reader.

use std::collections::HashMap;

use ledger::audience::heads;
use ledger::sql::{EngineError, Flow, Read, Value};
use model::head::Head;
use model::id::SubjectKey;
use model::marking::Marking;
use policy::{Exit, Reader, release};

/// One object of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Record whose body is written.
    pub seq: i64,
    /// Effective marking: the strictest of all records of this version that the reader may have.
    pub marking: Marking,
    /// Whether the body is STIX 2.0.
    pub is_20: bool,
}

/// Chooses the objects, in the order of arrival. The gate is asked once for each distinct head.
pub fn select(read: &mut dyn Read, reader: &Reader) -> Result<Vec<Exported>, EngineError> {
    let permitted: HashMap<i64, Head> = heads(read)?
        .into_iter()
        .filter(|(_, head)| head.kind.is_stix() && release(head, reader, Exit::Export).is_ok())
        .collect();
    let mut newest: HashMap<SubjectKey, (i64, Exported)> = HashMap::new();
    let sql = "SELECT r.seq, r.audience, r.subject, r.version FROM records r
               WHERE EXISTS (SELECT 1 FROM bodies b WHERE b.seq = r.seq) ORDER BY r.seq";
    read.query(sql, &[], &mut |row| {
        let Some(head) = permitted.get(&row.int(1)?) else { return Ok(Flow::Continue) };
        let key: [u8; 17] = row.blob(2)?.try_into().map_err(|_| EngineError::shape("records.subject"))?;
        let (seq, version) = (row.int(0)?, row.int(3)?);
        let is_20 = head.kind == model::kind::Kind::STIX_20;
        let new = Exported { seq, marking: head.marking, is_20 };
        newest
            .entry(SubjectKey(key))
            .and_modify(|(held, exported)| match version.cmp(held) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => exported.marking = stricter(exported.marking, head.marking),
                std::cmp::Ordering::Greater => (*held, *exported) = (version, new),
            })
            .or_insert((version, new));
        Ok(Flow::Continue)
    })?;
    let mut chosen: Vec<Exported> = newest.into_values().map(|(_, exported)| exported).collect();
    chosen.sort_unstable_by_key(|exported| exported.seq);
    Ok(chosen)
}

/// Unmarked is AMBER+STRICT here too, not nothing.
fn stricter(a: Marking, b: Marking) -> Marking {
    let labelled = |m: Marking| Marking { tlp: Some(m.label()), ..m };
    labelled(a).strictest(labelled(b))
}

/// Takes one body.
pub type EachBody<'f> = dyn FnMut(&Exported, &[u8]) -> Result<Flow, EngineError> + 'f;

/// Hands over the body of each record.
pub fn bodies(read: &mut dyn Read, chosen: &[Exported], each: &mut EachBody<'_>) -> Result<(), EngineError> {
    for exported in chosen {
        let mut flow = Flow::Stop;
        read.query("SELECT body FROM bodies WHERE seq = ?1", &[Value::Int(exported.seq)], &mut |row| {
            flow = each(exported, row.blob(0)?)?;
            Ok(Flow::Stop)
        })?;
        if flow == Flow::Stop {
            break;
        }
    }
    Ok(())
}
