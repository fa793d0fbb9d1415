// SPDX-License-Identifier: Apache-2.0
//! Communities: the newest version of each community's document by its first author.

use ledger::sql::{EngineError, Flow, Tx, Value};
use ledger::view::{Body, Record};
use model::head::Audience;
use model::id::CommunityId;

use super::{COMMUNITY_MEMBERS, collection_made, skip};
use crate::standard::community::{Community, id_of_subject};

/// Takes in one record of a community.
pub(super) fn apply(tx: &mut dyn Tx, record: &Record<'_>) -> Result<(), EngineError> {
    if record.body == Body::Erased {
        tx.execute("DELETE FROM exchange_skipped WHERE seq = ?1", &[Value::Int(record.seq)])?;
    }
    let Some(id) = id_of_subject(record.id) else { return skip(tx, record.seq, "community-subject") };
    let document = match record.body {
        // An erased version still is the newest: an older list of members must not come back by it.
        Body::Erased => None,
        Body::Present(body) => match Community::parse(body) {
            Ok(document) if document.id == id => Some(document),
            Ok(_) => return skip(tx, record.seq, "community-id-differs"),
            Err(error) => return skip(tx, record.seq, error.code()),
        },
    };
    let uuid = id.to_string();
    let order = (record.version.micros(), record.seq);
    let mut known = None;
    let sql = "SELECT author, version, seq FROM communities WHERE uuid = ?1";
    tx.as_read().query(sql, &[Value::Text(&uuid)], &mut |row| {
        known = Some((row.blob(0)? == record.head.author.0, (row.int(1)?, row.int(2)?)));
        Ok(Flow::Stop)
    })?;
    match known {
        // Whoever could write another's community could make himself a member of it.
        Some((false, _)) => return skip(tx, record.seq, "community-author-differs"),
        Some((true, newest)) if newest > order => return Ok(()),
        _ => {}
    }
    collection_made(tx, &Audience::Community(id), Some(record.time))?;
    write(tx, id, document.as_ref(), record)
}

fn write(
    tx: &mut dyn Tx,
    id: CommunityId,
    document: Option<&Community>,
    record: &Record<'_>,
) -> Result<(), EngineError> {
    let uuid = id.to_string();
    let terms = document.filter(|document| document.terms.ask()).map(|document| document.terms.digest());
    tx.execute(
        "INSERT INTO communities (uuid, name, version, seq, author, terms) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (uuid) DO UPDATE SET name = excluded.name, version = excluded.version, seq = excluded.seq, \
         terms = excluded.terms",
        &[
            Value::Text(&uuid),
            Value::Text(document.map_or("", |document| &document.name)),
            Value::Int(record.version.micros()),
            Value::Int(record.seq),
            Value::Blob(&record.head.author.0),
            terms.as_ref().map_or(Value::Null, |digest| Value::Blob(digest)),
        ],
    )?;
    tx.execute("DELETE FROM community_members WHERE uuid = ?1", &[Value::Text(&uuid)])?;
    let Some(document) = document else { return Ok(()) };
    tx.insert_many(&COMMUNITY_MEMBERS, &mut |push| {
        for member in &document.members {
            let role = document.role(*member).unwrap_or_default();
            push(&[Value::Text(&uuid), Value::Blob(&member.0), Value::Int(role.code())])?;
        }
        Ok(())
    })
}
