// SPDX-License-Identifier: Apache-2.0
//! Notices that are to be sent: nothing is lost without a trace, and nothing waits without bound.
//!
//! A notice is written down before it is sent, with its channel. What failed is tried again after a growing
//! time; what failed [`OUTBOX_TRIES_MAX`] times waits for a person. Beside it stands what it says where an object that it
//! names may not be named any more. Local state.

use ledger::sql::{EngineError, Flow, Read, Row, Table, TableKind, Tx, Value};
use model::marking::Marking;
use model::observable::Observable;
use model::time::Timestamp;
use sha2::{Digest as _, Sha256};

use super::draft::reason;
use super::notice::{NamedObject, Notice, fanged};
use crate::limits::{OUTBOX_TRIES_MAX, OUTBOX_WAITING_MAX};
use crate::quote::Quotes;

/// The tables.
pub static TABLES: &[&Table] = &[&OUTBOX];

static OUTBOX: Table = Table {
    name: "hunt_outbox",
    kind: TableKind::Local,
    columns: &[
        "id",
        "channel",
        "digest",
        "subject",
        "body",
        "state",
        "tries",
        "next_try",
        "reason",
        "made",
        "changed",
        "objects",
        "bare_subject",
        "bare",
    ],
    sqlite: &[
        "CREATE TABLE hunt_outbox (
            id INTEGER PRIMARY KEY, channel TEXT NOT NULL, digest BLOB NOT NULL, subject TEXT NOT NULL,
            body BLOB NOT NULL, state INTEGER NOT NULL, tries INTEGER NOT NULL, next_try INTEGER NOT NULL,
            reason TEXT NOT NULL, made INTEGER NOT NULL, changed INTEGER NOT NULL,
            objects TEXT NOT NULL DEFAULT '[]', bare_subject TEXT NOT NULL DEFAULT '', bare BLOB NOT NULL DEFAULT x''
        ) STRICT",
        "CREATE UNIQUE INDEX hunt_outbox_once ON hunt_outbox (channel, digest)",
    ],
    postgres: &[
        r#"CREATE TABLE hunt_outbox (
            id BIGINT PRIMARY KEY, channel TEXT COLLATE "C" NOT NULL, digest BYTEA NOT NULL,
            subject TEXT COLLATE "C" NOT NULL, body BYTEA NOT NULL, state BIGINT NOT NULL, tries BIGINT NOT NULL,
            next_try BIGINT NOT NULL, reason TEXT COLLATE "C" NOT NULL, made BIGINT NOT NULL, changed BIGINT NOT NULL,
            objects TEXT COLLATE "C" NOT NULL DEFAULT '[]', bare_subject TEXT COLLATE "C" NOT NULL DEFAULT '',
            bare BYTEA NOT NULL DEFAULT ''
        )"#,
        "CREATE UNIQUE INDEX hunt_outbox_once ON hunt_outbox (channel, digest)",
    ],
};

/// Time until a failed notice is tried again, in microseconds: doubled with each try.
const RETRY_MICROS: i64 = 60_000_000;
/// Longest time between two tries: six hours.
const RETRY_MICROS_MAX: i64 = 6 * 3_600_000_000;

/// Characters of a long value that a notice shows in any case.
const BEGINNING_CHARS: usize = 150;

/// How far a notice has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It held a value that was forgotten, or an earlier program did not write down what it names: its body is erased,
    /// and it is not sent.
    Erased,
    /// It failed as often as it is tried; a person must look.
    GivenUp,
    /// It was taken by whoever it is for.
    Sent,
    /// It is to be sent, or sent again.
    Waiting,
}

/// State, stored number, name. Numbers are stored: append, never change one.
const DELIVERIES: &[(Delivery, i64, &str)] = &[
    (Delivery::Waiting, 0, "waiting"),
    (Delivery::Sent, 1, "sent"),
    (Delivery::GivenUp, 2, "given-up"),
    (Delivery::Erased, 3, "erased"),
];

impl Delivery {
    /// Its name.
    pub fn name(self) -> &'static str {
        DELIVERIES.iter().find(|(delivery, ..)| *delivery == self).map_or("", |(.., name)| *name)
    }
}

/// A notice in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its number.
    pub id: i64,
    /// By which way: `mail`, `webhook`.
    pub channel: String,
    /// One line.
    pub subject: String,
    /// What is sent: text for mail, JSON for a webhook. Empty once it was sent.
    pub body: Vec<u8>,
    /// The objects of others that it names.
    pub objects: Vec<NamedObject>,
    /// How far it has come.
    pub delivery: Delivery,
    /// Tries so far.
    pub tries: i64,
    /// When it may be tried (again).
    pub next_try: Timestamp,
    /// Why the last try failed.
    pub reason: String,
    /// When it was written down.
    pub made: Timestamp,
    /// When this last changed.
    pub changed: Timestamp,
}

/// What became of a notice that was to be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits, under this number.
    Added(i64),
    /// [`OUTBOX_WAITING_MAX`] wait already: it was not taken.
    Full,
    /// The same was written down before: nobody is told twice.
    Known,
}

/// Writes a notice down for a channel; `bare` is the body for [`unname`], where it names an object.
pub fn enqueue(
    tx: &mut dyn Tx,
    channel: &str,
    notice: &Notice,
    body: &[u8],
    bare: &[u8],
    now: Timestamp,
) -> Result<Enqueued, EngineError> {
    let digest: [u8; 32] = Sha256::digest(notice.key.as_bytes()).into();
    let known = number(
        tx.as_read(),
        "SELECT count(*) FROM hunt_outbox WHERE channel = ?1 AND digest = ?2",
        &[Value::Text(channel), Value::Blob(&digest)],
    )?;
    if known > 0 {
        return Ok(Enqueued::Known);
    }
    let waiting = number(tx.as_read(), "SELECT count(*) FROM hunt_outbox WHERE state = 0", &[])?;
    if usize::try_from(waiting).unwrap_or(usize::MAX) >= OUTBOX_WAITING_MAX {
        return Ok(Enqueued::Full);
    }
    let id = number(tx.as_read(), "SELECT coalesce(max(id), 0) + 1 FROM hunt_outbox", &[])?;
    let now = Value::Int(now.micros());
    tx.execute(
        "INSERT INTO hunt_outbox (id, channel, digest, subject, body, state, tries, next_try, reason, made, changed,
             objects, bare_subject, bare)
         VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, '', ?6, ?6, ?7, ?8, ?9)",
        &[
            Value::Int(id),
            Value::Text(channel),
            Value::Blob(&digest),
            Value::Text(&reason(&notice.subject)),
            Value::Blob(body),
            now,
            Value::Text(&written(&notice.objects)),
            Value::Text(&reason(notice.bare.as_ref().map_or("", |bare| &bare.subject))),
            Value::Blob(bare),
        ],
    )?;
    Ok(Enqueued::Added(id))
}

/// All notices, oldest first, without their bodies.
pub fn outgoing(read: &mut dyn Read) -> Result<Vec<Outgoing>, EngineError> {
    let mut all = Vec::new();
    read.query(
        "SELECT id, channel, subject, state, tries, next_try, reason, made, changed FROM hunt_outbox ORDER BY id",
        &[],
        &mut |row| {
            all.push(of(row)?);
            Ok(Flow::Continue)
        },
    )?;
    Ok(all)
}

/// The notices that may be tried now, oldest first, at most so many; with `all` those that must still wait, too.
pub fn due(
    read: &mut dyn Read,
    now: Timestamp,
    all: bool,
    channels: &[&str],
    limit: usize,
) -> Result<Vec<Outgoing>, EngineError> {
    let mut due = Vec::new();
    let until = if all { i64::MAX } else { now.micros() };
    read.query(
        "SELECT id, channel, subject, state, tries, next_try, reason, made, changed, body, objects
         FROM hunt_outbox WHERE state = 0 AND next_try <= ?1 ORDER BY id",
        &[Value::Int(until)],
        &mut |row| {
            // What waits for another channel must not stand before what can go.
            if channels.contains(&row.text(1)?) {
                due.push(with_body(row)?);
            }
            Ok(if due.len() < limit { Flow::Continue } else { Flow::Stop })
        },
    )?;
    Ok(due)
}

/// What [`due`] tells of one notice, if it may still be tried.
pub fn waiting(read: &mut dyn Read, id: i64) -> Result<Option<Outgoing>, EngineError> {
    let mut found = None;
    read.query(
        "SELECT id, channel, subject, state, tries, next_try, reason, made, changed, body, objects
         FROM hunt_outbox WHERE id = ?1 AND state = 0",
        &[Value::Int(id)],
        &mut |row| {
            found = Some(with_body(row)?);
            Ok(Flow::Stop)
        },
    )?;
    Ok(found)
}

/// The notices that are not sent yet, or were given up, and name objects: which ones.
pub fn naming(read: &mut dyn Read) -> Result<Vec<(i64, Vec<NamedObject>)>, EngineError> {
    let mut all = Vec::new();
    read.query(
        "SELECT id, objects FROM hunt_outbox WHERE (state = 0 OR state = 2) AND objects <> '[]' ORDER BY id",
        &[],
        &mut |row| {
            all.push((row.int(0)?, objects(row.text(1)?)?));
            Ok(Flow::Continue)
        },
    )?;
    Ok(all)
}

/// An object that a notice names may not be named any more: what it said is erased, and it says what it says without
/// any of them. Answers whether it was there.
pub fn unname(tx: &mut dyn Tx, id: i64, now: Timestamp) -> Result<bool, EngineError> {
    let sql = "UPDATE hunt_outbox SET subject = bare_subject, body = bare, objects = '[]', bare_subject = '', bare = ?2,
         changed = ?3 WHERE id = ?1 AND (state = 0 OR state = 2) AND objects <> '[]'";
    Ok(tx.execute(sql, &[Value::Int(id), Value::Blob(b""), Value::Int(now.micros())])? > 0)
}

/// It was taken. Its body is not kept.
pub fn sent(tx: &mut dyn Tx, id: i64, now: Timestamp) -> Result<(), EngineError> {
    tx.execute(
        "UPDATE hunt_outbox SET state = 1, tries = tries + 1, body = ?2, reason = '', changed = ?3, objects = '[]',
             bare_subject = '', bare = ?2
         WHERE id = ?1 AND state = 0",
        &[Value::Int(id), Value::Blob(b""), Value::Int(now.micros())],
    )
    .map(|_| ())
}

/// A try failed. It is tried again after a minute, two, four … six hours; answers whether it ever will be.
pub fn failed(tx: &mut dyn Tx, notice: &Outgoing, why: &str, now: Timestamp) -> Result<bool, EngineError> {
    let tries = notice.tries + 1;
    let again = tries < OUTBOX_TRIES_MAX;
    let wait = RETRY_MICROS.checked_shl(u32::try_from(tries - 1).unwrap_or(0)).unwrap_or(RETRY_MICROS_MAX);
    let next = now.micros().saturating_add(wait.min(RETRY_MICROS_MAX));
    // While it was tried it may have been erased, and then it stays so.
    let waits = tx.execute(
        "UPDATE hunt_outbox SET state = ?2, tries = ?3, next_try = ?4, reason = ?5, changed = ?6
         WHERE id = ?1 AND state = 0",
        &[
            Value::Int(notice.id),
            Value::Int(if again { 0 } else { 2 }),
            Value::Int(tries),
            Value::Int(next),
            Value::Text(&reason(why)),
            Value::Int(now.micros()),
        ],
    )? > 0;
    Ok(waits && again)
}

/// Erases the bodies that hold a value which is forgotten; answers how many. Such a notice is not sent, nor told
/// again under the same key.
pub fn forget(tx: &mut dyn Tx, observable: &Observable, now: Timestamp) -> Result<u64, EngineError> {
    let quotes = Quotes::of(observable);
    // A long value stands in a notice with its end cut off: what begins like it is erased with it.
    let written = observable.display().to_ascii_lowercase();
    let beginning = written.char_indices().nth(BEGINNING_CHARS).and_then(|(end, _)| written.get(..end));
    let mut ids = Vec::new();
    tx.query("SELECT id, body, bare FROM hunt_outbox WHERE state = 0 OR state = 2", &[], &mut |row| {
        let text = format!("{}\n{}", text_of(row.blob(1)?), text_of(row.blob(2)?));
        if quotes.are_in(&text)
            || beginning.is_some_and(|beginning| text.to_ascii_lowercase().contains(beginning))
        {
            ids.push(row.int(0)?);
        }
        Ok(Flow::Continue)
    })?;
    for id in &ids {
        let args = [
            Value::Int(*id),
            Value::Blob(b""),
            Value::Text("it held a value that was forgotten"),
            Value::Int(now.micros()),
        ];
        let sql = "UPDATE hunt_outbox SET state = 3, body = ?2, reason = ?3, changed = ?4, objects = '[]',
             bare_subject = '', bare = ?2 WHERE id = ?1";
        tx.execute(sql, &args)?;
    }
    Ok(ids.len() as u64)
}

/// What a body says, as it was before it was written for a mail or as JSON.
fn text_of(body: &[u8]) -> String {
    if let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) {
        let mut all = String::new();
        strings(&json, &mut all);
        return all;
    }
    fanged(&String::from_utf8_lossy(body))
}

fn strings(json: &serde_json::Value, all: &mut String) {
    match json {
        serde_json::Value::String(text) => {
            all.push_str(text);
            all.push('\n');
        }
        serde_json::Value::Array(rows) => rows.iter().for_each(|row| strings(row, all)),
        serde_json::Value::Object(members) => members.values().for_each(|member| strings(member, all)),
        _ => {}
    }
}

/// Lets a notice that was given up be tried again; whether there is one.
pub fn retry(tx: &mut dyn Tx, id: i64, now: Timestamp) -> Result<bool, EngineError> {
    let args = [Value::Int(id), Value::Int(now.micros())];
    let sql = "UPDATE hunt_outbox SET state = 0, tries = 0, next_try = ?2, changed = ?2 WHERE id = ?1 AND state = 2";
    Ok(tx.execute(sql, &args)? > 0)
}

/// Objects as they are stored: id, marking, whether the ledger held it.
fn written(objects: &[NamedObject]) -> String {
    let rows: Vec<(&str, i64, bool)> =
        objects.iter().map(|one| (one.id.as_str(), one.marking.code(), one.held)).collect();
    serde_json::json!(rows).to_string()
}

fn objects(text: &str) -> Result<Vec<NamedObject>, EngineError> {
    let rows: Vec<(String, i64, bool)> = serde_json::from_str(text)
        .map_err(|error| EngineError::shape(format!("hunt_outbox.objects: {error}")))?;
    let of = |(id, code, held)| NamedObject { id, marking: Marking::from_code(code), held };
    Ok(rows.into_iter().map(of).collect())
}

fn with_body(row: &dyn Row) -> Result<Outgoing, EngineError> {
    Ok(Outgoing { body: row.blob(9)?.to_vec(), objects: objects(row.text(10)?)?, ..of(row)? })
}

fn of(row: &dyn Row) -> Result<Outgoing, EngineError> {
    let state = row.int(3)?;
    Ok(Outgoing {
        id: row.int(0)?,
        channel: row.text(1)?.to_owned(),
        subject: row.text(2)?.to_owned(),
        body: Vec::new(),
        objects: Vec::new(),
        delivery: DELIVERIES
            .iter()
            .find(|(_, code, _)| *code == state)
            .map(|(delivery, ..)| *delivery)
            .ok_or_else(|| EngineError::shape(format!("hunt_outbox.state is {state}")))?,
        tries: row.int(4)?,
        next_try: Timestamp::from_micros(row.int(5)?),
        reason: row.text(6)?.to_owned(),
        made: Timestamp::from_micros(row.int(7)?),
        changed: Timestamp::from_micros(row.int(8)?),
    })
}

fn number(read: &mut dyn Read, sql: &'static str, args: &[Value<'_>]) -> Result<i64, EngineError> {
    let mut found = 0;
    read.query(sql, args, &mut |row| {
        found = row.int(0)?;
        Ok(Flow::Stop)
    })?;
    Ok(found)
}
