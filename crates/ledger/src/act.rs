// SPDX-License-Identifier: Apache-2.0
//! Carrying out what narrows or withdraws records, inside the transaction of the batch.
//!
//! What a record's envelope says from then on is kept in `records.audience`; what its entry commits to stays
//! in `records.committed`. Views are told of a change as if the record had been erased and had come again
//! at its old place, so that the fold of all records gives the same tables.

use std::collections::BTreeMap;

use model::head::{Audience, Head};
use model::id::{CommunityId, MemberId, SubjectKey};
use model::marking::{Marking, Tlp};
use trust::mac::{mac, push_part};

use crate::audience::Heads;
use crate::draft::Draft;
use crate::recall::{Act, EntryPlace, Recall, RecallError, seq_of};
use crate::record::{Stored, at};
use crate::sql::{EngineError, Flow, Read, Tx, Value};
use crate::view::{Body, Record, View};

/// Records whose bodies are in memory at once.
const CHANGES_AT_ONCE: usize = 64;

/// What is to be done to one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// As strict as each of these: [`Marking::as_strict_as`] does not join them beforehand.
    Narrow {
        markings: Vec<Marking>,
        audience: Option<Audience>,
    },
    Withdraw,
}

impl Change {
    /// As strict as `marking`, and for the same recipients.
    pub(crate) fn stricter(marking: Marking) -> Change {
        Change::Narrow { markings: vec![marking], audience: None }
    }
}

fn as_strict_as_all(marking: Marking, all: &[Marking]) -> Marking {
    all.iter().fold(marking, |marking, other| marking.as_strict_as(*other))
}

/// Changes by record, in the order of `seq`.
pub(crate) type Changes = BTreeMap<i64, Change>;

/// Adds a change; of several for one record all hold.
pub(crate) fn add(changes: &mut Changes, seq: i64, change: Change) {
    let merged = match (changes.remove(&seq), change) {
        (None, change) => change,
        (Some(Change::Withdraw), _) | (_, Change::Withdraw) => Change::Withdraw,
        (Some(Change::Narrow { markings: mut all, audience: a }), Change::Narrow { markings, audience }) => {
            // Of two audiences the narrower holds; two that do not lie within each other cannot both come
            // from one present audience except as its parts, and then the later is taken.
            let audience = match (a, audience) {
                (Some(a), Some(b)) if a.is_within(&b) => Some(a),
                (a, b) => b.or(a),
            };
            all.extend(markings.into_iter().filter(|marking| !all.contains(marking)).collect::<Vec<_>>());
            Change::Narrow { markings: all, audience }
        }
    };
    changes.insert(seq, merged);
}

/// What a recall does to which records: all of the subjects that its entries are about, by its author.
/// Entries that are erased already have nothing left to do.
pub(crate) fn of_recall(
    read: &mut dyn Read,
    heads: &Heads,
    draft: &Draft,
) -> Result<Result<(Changes, Vec<SubjectKey>), RecallError>, EngineError> {
    let recall = match Recall::parse(&draft.body) {
        Ok(recall) => recall,
        Err(error) => return Ok(Err(error)),
    };
    if let Act::Remove { community } = recall.act {
        return of_removal(read, heads, &recall.entries, community);
    }
    let (mut changes, mut subjects) = (Changes::new(), Vec::new());
    for place in &recall.entries {
        let Some(seq) = seq_of(read, place)? else { return Ok(Err(RecallError::NoSuchEntry)) };
        let Some(named) = at(read, seq)? else { return Ok(Err(RecallError::NoSuchEntry)) };
        let head = heads.of(named.audience_row)?;
        if head.author != draft.author || !head.kind.is_stix() {
            return Ok(Err(RecallError::NotOwn));
        }
        if named.salts.is_none() || subjects.contains(&named.key) {
            continue;
        }
        subjects.push(named.key);
        for (seq, row) in of_author(read, heads, named.key, draft.author)? {
            let change = match &recall.act {
                Act::Remove { .. } => continue,
                Act::Withdraw => Change::Withdraw,
                Act::Narrow { marking, audience } => {
                    let present = heads.of(row)?;
                    let own = Audience::Organisation(draft.author);
                    if audience.as_ref().is_some_and(|a| *a != own && !lies_within(a, present)) {
                        return Ok(Err(RecallError::NotWithin));
                    }
                    Change::Narrow { markings: vec![*marking], audience: audience.clone() }
                }
            };
            add(&mut changes, seq, change);
        }
    }
    if recall.act != Act::Withdraw {
        subjects.clear();
    }
    Ok(Ok((changes, subjects)))
}

/// A removal changes no record, whoever its author is: it must be about what the community has.
fn of_removal(
    read: &mut dyn Read,
    heads: &Heads,
    entries: &[EntryPlace],
    community: CommunityId,
) -> Result<Result<(Changes, Vec<SubjectKey>), RecallError>, EngineError> {
    for place in entries {
        let Some(seq) = seq_of(read, place)? else { return Ok(Err(RecallError::NoSuchEntry)) };
        let Some(named) = at(read, seq)? else { return Ok(Err(RecallError::NoSuchEntry)) };
        let head = heads.of(named.audience_row)?;
        if !head.kind.is_stix() || head.audience != Audience::Community(community) {
            return Ok(Err(RecallError::NotInCommunity));
        }
    }
    Ok(Ok((Changes::new(), Vec::new())))
}

/// Whether nobody sees a record under this audience who did not see it before. RED for organisations is
/// released to none of their people: naming some of them would be widening.
fn lies_within(audience: &Audience, present: &Head) -> bool {
    let is_persons = |audience: &Audience| matches!(audience, Audience::Persons(_));
    let names = is_persons(audience) && !is_persons(&present.audience);
    audience.is_within(&present.audience) && !(names && present.marking.label() == Tlp::Red)
}

/// `seq` and effective head of a subject's records by one author.
fn of_author(
    read: &mut dyn Read,
    heads: &Heads,
    key: SubjectKey,
    author: MemberId,
) -> Result<Vec<(i64, i64)>, EngineError> {
    let mut rows = Vec::new();
    let sql = "SELECT seq, audience FROM subjects WHERE subject = ?1 ORDER BY seq";
    read.query(sql, &[Value::Blob(&key.0)], &mut |row| {
        if heads.of(row.int(1)?)?.author == author {
            rows.push((row.int(0)?, row.int(1)?));
        }
        Ok(Flow::Continue)
    })?;
    Ok(rows)
}

/// What becomes of an author's records that refer to an observable of his, whose id is its value (law 1): they
/// are as strict as `markings`, and none is for others than those whom he has `told` of it.
pub(crate) fn of_referrers(
    read: &mut dyn Read,
    heads: &Heads,
    key: SubjectKey,
    author: MemberId,
    markings: &[Marking],
    told: &[(Marking, Audience)],
) -> Result<Vec<(i64, Change)>, EngineError> {
    let own = Audience::Organisation(author);
    let mut found = Vec::new();
    let sql = "SELECT x.seq, r.audience FROM refs x JOIN records r ON r.seq = x.seq WHERE x.subject = ?1";
    read.query(sql, &[Value::Blob(&key.0)], &mut |row| {
        let head = heads.of(row.int(1)?)?;
        let heard = |(marking, audience): &(Marking, Audience)| {
            *audience == head.audience || marking.label() == Tlp::Clear
        };
        let further = head.audience != own && !told.iter().any(heard);
        if head.author == author && (further || as_strict_as_all(head.marking, markings) != head.marking) {
            let audience = further.then(|| own.clone());
            found.push((row.int(0)?, Change::Narrow { markings: markings.to_vec(), audience }));
        }
        Ok(Flow::Continue)
    })?;
    Ok(found)
}

/// Narrowing or withdrawing an observable narrows what refers to it; what refers to that in turn follows.
pub(crate) fn follow(read: &mut dyn Read, heads: &Heads, changes: &mut Changes) -> Result<(), EngineError> {
    let mut open: Vec<i64> = changes.keys().copied().collect();
    while let Some(seq) = open.pop() {
        let Some(record) = at(read, seq)? else { continue };
        if !record.key.is_observable() {
            continue;
        }
        let author = heads.of(record.audience_row)?.author;
        let (mut told, mut markings) = (Vec::new(), Vec::new());
        for (seq, row) in of_author(read, heads, record.key, author)? {
            let head = heads.of(row)?;
            let (narrowed, audience) = match changes.get(&seq) {
                Some(Change::Narrow { markings, audience }) => {
                    (as_strict_as_all(head.marking, markings), audience.clone())
                }
                Some(Change::Withdraw) | None => (head.marking, None),
            };
            markings.push(narrowed);
            // What is withdrawn was told to nobody any more.
            if changes.get(&seq) != Some(&Change::Withdraw) {
                told.push((narrowed, audience.unwrap_or_else(|| head.audience.clone())));
            }
        }
        markings.dedup();
        for (referrer, change) in of_referrers(read, heads, record.key, author, &markings, &told)? {
            let before = changes.get(&referrer).cloned();
            add(changes, referrer, change);
            if changes.get(&referrer) != before.as_ref() {
                open.push(referrer);
            }
        }
    }
    Ok(())
}

/// Carries out changes, some records at a time. Answers how many were erased.
pub(crate) fn carry_out(
    tx: &mut dyn Tx,
    key: &[u8; 32],
    views: &[Box<dyn View>],
    heads: &mut Heads,
    changes: &Changes,
) -> Result<u64, EngineError> {
    let mut erased = 0;
    let all: Vec<(&i64, &Change)> = changes.iter().collect();
    for some in all.chunks(CHANGES_AT_ONCE) {
        erased += carry_out_some(tx, key, views, heads, some)?;
    }
    Ok(erased)
}

fn carry_out_some(
    tx: &mut dyn Tx,
    key: &[u8; 32],
    views: &[Box<dyn View>],
    heads: &mut Heads,
    changes: &[(&i64, &Change)],
) -> Result<u64, EngineError> {
    let (mut gone, mut moved): (Vec<Stored>, Vec<(Stored, i64)>) = (Vec::new(), Vec::new());
    for (seq, change) in changes {
        let Some(record) = at(tx.as_read(), **seq)? else { continue };
        if record.salts.is_none() {
            continue;
        }
        match change {
            Change::Withdraw => gone.push(record),
            Change::Narrow { markings, audience } => {
                let held = heads.of(record.audience_row)?.clone();
                let audience = audience.clone().unwrap_or_else(|| held.audience.clone());
                let marking = as_strict_as_all(held.marking, markings);
                let head = Head { marking, audience, ..held.clone() };
                if head != held {
                    let row = heads.row(tx, &head)?;
                    moved.push((record, row));
                }
            }
        }
    }
    let erased = gone.iter().chain(moved.iter().map(|(record, _)| record));
    tell(tx, views, heads, erased.map(|record| (record, Body::Erased)))?;
    for record in &gone {
        erase(tx, key, heads.of(record.audience_row)?.author, record)?;
    }
    for (record, row) in &mut moved {
        set_audience(tx, record, *row)?;
    }
    let back = moved.iter().map(|(record, _)| record);
    tell(tx, views, heads, back.map(|r| (r, r.body.as_deref().map_or(Body::Erased, Body::Present))))?;
    Ok(gone.len() as u64)
}

/// Tells the views of records that are gone, or are there again.
fn tell<'r>(
    tx: &mut dyn Tx,
    views: &[Box<dyn View>],
    heads: &Heads,
    records: impl Iterator<Item = (&'r Stored, Body<'r>)>,
) -> Result<(), EngineError> {
    let records = records
        .map(|(record, body)| {
            let (head, committed) = (heads.of(record.audience_row)?, heads.of(record.committed_row)?);
            Ok(Record { body, ..record.view(head, committed) })
        })
        .collect::<Result<Vec<_>, EngineError>>()?;
    if records.is_empty() {
        return Ok(());
    }
    views.iter().try_for_each(|view| view.apply(tx, &records))
}

fn set_audience(tx: &mut dyn Tx, record: &mut Stored, row: i64) -> Result<(), EngineError> {
    let seq = Value::Int(record.seq);
    let committed = Value::Int(record.committed_row);
    tx.execute(
        "UPDATE records SET audience = ?2, committed = ?3 WHERE seq = ?1",
        &[seq, Value::Int(row), committed],
    )?;
    tx.execute(
        "UPDATE subjects SET audience = ?4 WHERE subject = ?1 AND version = ?2 AND seq = ?3",
        &[Value::Blob(&record.key.0), Value::Int(record.version.micros()), seq, Value::Int(row)],
    )?;
    record.audience_row = row;
    Ok(())
}

/// Erases body, subject and salts of a record: without the salts its entry tells nobody what it was about.
/// The tombstone keeps it from coming again, and does not tell what it was either.
fn erase(tx: &mut dyn Tx, key: &[u8; 32], author: MemberId, record: &Stored) -> Result<(), EngineError> {
    let seq = Value::Int(record.seq);
    tx.execute("DELETE FROM bodies WHERE seq = ?1", &[seq])?;
    tx.execute(
        "DELETE FROM subjects WHERE subject = ?1 AND version = ?2 AND seq = ?3",
        &[Value::Blob(&record.key.0), Value::Int(record.version.micros()), seq],
    )?;
    for (subject, seq) in references(tx.as_read(), record.seq)? {
        tx.execute(
            "DELETE FROM refs WHERE subject = ?1 AND seq = ?2",
            &[Value::Blob(&subject), Value::Int(seq)],
        )?;
    }
    tx.execute(
        "UPDATE records SET subject = ?2, id = NULL, version = 0, salts = ?2 WHERE seq = ?1",
        &[seq, Value::Blob(&[])],
    )?;
    tx.execute(
        "INSERT INTO tombstones (mac, seq) VALUES (?1, ?2) ON CONFLICT (mac) DO NOTHING",
        &[Value::Blob(&tombstone(key, author, &record.id)), seq],
    )
    .map(|_| ())
}

fn references(read: &mut dyn Read, seq: i64) -> Result<Vec<(Vec<u8>, i64)>, EngineError> {
    let mut rows = Vec::new();
    read.query("SELECT subject, seq FROM refs WHERE seq = ?1", &[Value::Int(seq)], &mut |row| {
        rows.push((row.blob(0)?.to_vec(), row.int(1)?));
        Ok(Flow::Continue)
    })?;
    Ok(rows)
}

/// HMAC of what was withdrawn: whoever does not have the node's key cannot try ids.
pub(crate) fn tombstone(key: &[u8; 32], author: MemberId, id: &str) -> [u8; 32] {
    let mut bytes = Vec::new();
    push_part(&mut bytes, b"polder/tombstone/v1");
    push_part(&mut bytes, &author.0);
    push_part(&mut bytes, id.as_bytes());
    mac(key, &[&bytes])
}

/// Whether a subject was withdrawn by this author. `any` is false while no tombstone stands here.
pub(crate) fn is_withdrawn(
    read: &mut dyn Read,
    key: &[u8; 32],
    author: MemberId,
    id: &str,
) -> Result<bool, EngineError> {
    let mut found = false;
    let mac = tombstone(key, author, id);
    read.query("SELECT seq FROM tombstones WHERE mac = ?1", &[Value::Blob(&mac)], &mut |_| {
        found = true;
        Ok(Flow::Stop)
    })?;
    Ok(found)
}

/// Whether any tombstone stands here: without one no draft need be asked about.
pub(crate) fn any_withdrawn(read: &mut dyn Read) -> Result<bool, EngineError> {
    let mut any = false;
    read.query("SELECT seq FROM tombstones LIMIT 1", &[], &mut |_| {
        any = true;
        Ok(Flow::Stop)
    })?;
    Ok(any)
}
