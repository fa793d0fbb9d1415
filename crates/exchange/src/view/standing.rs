// SPDX-License-Identifier: Apache-2.0
//! Who has accepted which terms, and whose client is who.

use ledger::sql::{EngineError, Flow, Tx, Value};
use ledger::view::{Body, Record};

use super::skip;
use crate::standard::client::ClientOf;
use crate::standard::terms::Acceptance;

/// Takes in an acceptance of terms. The member itself says it, or the author of the community for it; which
/// of them may is looked at when it is asked whether terms are accepted, because the community may come later.
pub(super) fn accept(tx: &mut dyn Tx, record: &Record<'_>) -> Result<(), EngineError> {
    let Body::Present(body) = record.body else { return Ok(()) };
    let Some(acceptance) = Acceptance::parse(body).filter(|a| a.subject() == record.id) else {
        return skip(tx, record.seq, "acceptance-form");
    };
    tx.execute(
        "INSERT INTO terms_accepted (uuid, member, author, digest, version, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (uuid, member, author, digest) DO NOTHING",
        &[
            Value::Text(&acceptance.community.to_string()),
            Value::Blob(&acceptance.member.0),
            Value::Blob(&record.head.author.0),
            Value::Blob(&acceptance.digest),
            Value::Int(i64::from(acceptance.terms_version)),
            Value::Int(record.seq),
        ],
    )?;
    Ok(())
}

/// Takes in who is whose client; the newest version counts.
pub(super) fn client(tx: &mut dyn Tx, record: &Record<'_>) -> Result<(), EngineError> {
    let Body::Present(body) = record.body else { return Ok(()) };
    let Some(client) = ClientOf::parse(body).filter(|c| c.subject() == record.id) else {
        return skip(tx, record.seq, "client-form");
    };
    if client.of != record.head.author {
        return skip(tx, record.seq, "client-author-differs");
    }
    let key = [Value::Blob(&client.of.0), Value::Blob(&client.client.0)];
    let order = (record.version.micros(), record.seq);
    let mut known = None;
    let sql = "SELECT version, seq FROM clients WHERE of_member = ?1 AND client = ?2";
    tx.as_read().query(sql, &key, &mut |row| {
        known = Some((row.int(0)?, row.int(1)?));
        Ok(Flow::Stop)
    })?;
    if known.is_some_and(|newest| newest > order) {
        return Ok(());
    }
    let [of, whom] = key;
    tx.execute(
        "INSERT INTO clients (of_member, client, version, seq, ended) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (of_member, client) DO UPDATE SET version = excluded.version, seq = excluded.seq, \
         ended = excluded.ended",
        &[of, whom, Value::Int(order.0), Value::Int(order.1), Value::Int(i64::from(client.ended))],
    )?;
    Ok(())
}
