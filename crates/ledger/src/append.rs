// SPDX-License-Identifier: Apache-2.0
//! Appending a batch: admitted, ordered, hashed, seen by the views and covered by a checkpoint, all in
//! one transaction.

use std::collections::{HashMap, HashSet};

use model::head::{Audience, Head};
use model::id::{MemberId, SubjectKey};
use model::jcs::same_content;
use model::kind::Kind;
use model::marking::{Marking, Tlp};
use model::time::Timestamp;
use policy::{Known, Refusal, Submission, admit};
use sha2::{Digest, Sha256};
use trust::log_key::LogKey;

use crate::act::{self, Change, Changes};
use crate::audience::Heads;
use crate::checkpoint::{Checkpoint, Origin};
use crate::draft::Draft;
use crate::entry::{entry_bytes, signed_entry_bytes};
use crate::hosted::Standings;
use crate::logs::row_of;
use crate::merkle::{Hash, leaf_hash};
use crate::recall::RecallError;
use crate::schema::{BODIES, RECORDS, SIGNATURES, SUBJECTS};
use crate::signed::AuthorSignature;
use crate::sql::{EngineError, Flow, Read, Tx, Value};
use crate::tree::extend_tree;
use crate::view::{Body, Record, View};

/// What became of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is a record now.
    Added {
        /// Place in the node's order.
        seq: i64,
        /// Place in the node's own log.
        index: u64,
    },
    /// The same version with the same content was there already, for the same audience.
    Known,
    /// It was there already, for the same audience and under a looser marking, which was narrowed to this.
    Narrowed,
    /// It may not be added; the rest of the batch is not touched.
    Refused(Refused),
}

/// Why a draft was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The gate refuses it.
    Gate(Refusal),
    /// It is a recall that cannot be carried out.
    Recall(RecallError),
    /// It was signed before its author recalled something of its subject.
    Recalled,
    /// Its author's keys changed while it was on its way, or the log did.
    KeysChanged,
    /// It is signed by a member that is not, or no longer, hosted here.
    NotHosted,
    /// It refers to an observable that its author holds for other recipients only: the reference would
    /// tell them (law 1).
    RefersFurther,
    /// Its author is hosted here and has a key of its own, which did not sign it.
    Unsigned,
}

/// The keys with which a node signs the checkpoints of its log, and the log's name.
pub struct Signer {
    /// Name of the log and of its keys.
    pub origin: Origin,
    /// Keys that are used for nothing else.
    pub key: LogKey,
    /// Key of the node's tombstones.
    pub tombstone_key: [u8; 32],
}

/// What comes from outside a batch: time and randomness.
pub struct Circumstances {
    /// Clock of the node.
    pub now: Timestamp,
    /// For the signature.
    pub randomness: [u8; 32],
}

/// A batch that was appended.
#[derive(Debug)]
pub struct Appended {
    /// One for each draft, in order.
    pub outcomes: Vec<Outcome>,
    /// The checkpoint that covers the batch; `None` if nothing was added.
    pub checkpoint: Option<Checkpoint>,
    /// Records that were erased: the engine has yet to make their bytes unreadable.
    pub erased: u64,
}

/// Appends a batch. Fails only for faults of the engine; then the transaction must be rolled back.
pub fn append(
    tx: &mut dyn Tx,
    signer: &Signer,
    views: &[Box<dyn View>],
    drafts: &[Draft],
    circumstances: &Circumstances,
) -> Result<Appended, EngineError> {
    let mut heads = Heads::load(tx.as_read())?;
    let Judged { verdicts, mut changes } = judge(tx.as_read(), signer, &heads, drafts)?;
    act::follow(tx.as_read(), &heads, &mut changes)?;
    let place = Place::read(tx.as_read(), row_of(&signer.origin), circumstances.now)?;
    let mut outcomes = Vec::with_capacity(drafts.len());
    let mut rows = Vec::with_capacity(drafts.len());
    let mut strides = Strides::new(&circumstances.randomness);
    for (draft, verdict) in drafts.iter().zip(verdicts) {
        let marking = match verdict {
            Verdict::Add(marking) => marking,
            Verdict::Known => {
                outcomes.push(Outcome::Known);
                continue;
            }
            Verdict::Narrow => {
                outcomes.push(Outcome::Narrowed);
                continue;
            }
            Verdict::Refuse(refused) => {
                outcomes.push(Outcome::Refused(refused));
                continue;
            }
        };
        let head = Head { marking, ..draft.head() };
        let nth = rows.len() as i64;
        let time = Timestamp::from_micros(place.time.micros() + strides.next());
        let row = heads.row(tx, &head)?;
        let (entry, committed) = match &draft.signature {
            None => (entry_bytes(&head, &draft.commitments, time), row),
            Some(verified) => {
                // The entry says what was signed; if less may be seen of it, that is as if narrowed at once.
                let said = draft.head();
                let sig = verified.signature.hash();
                (signed_entry_bytes(&said, &draft.commitments, &sig, time), heads.row(tx, &said)?)
            }
        };
        let (seq, index) = (place.seq + nth, place.index + nth as u64);
        outcomes.push(Outcome::Added { seq, index });
        rows.push(NewRow { draft, row, committed, seq, index, time, leaf: leaf_hash(&entry), entry });
    }
    if !rows.is_empty() {
        write_rows(tx, row_of(&signer.origin), &rows)?;
        apply_views(tx, views, &heads, &rows)?;
    }
    let erased = act::carry_out(tx, &signer.tombstone_key, views, &mut heads, &changes)?;
    if rows.is_empty() {
        return Ok(Appended { outcomes, checkpoint: None, erased });
    }
    let leaves: Vec<Hash> = rows.iter().map(|r| r.leaf).collect();
    let last = rows.last().map_or(place.time, |r| r.time);
    let checkpoint = extend_tree(tx, signer, place.index, &leaves, last, circumstances.randomness)?;
    Ok(Appended { outcomes, checkpoint: Some(checkpoint), erased })
}

/// Where the next record goes.
struct Place {
    seq: i64,
    index: u64,
    time: Timestamp,
}

impl Place {
    /// Time runs on by a microsecond from the last record when the clock has not moved, or went back.
    fn read(read: &mut dyn Read, log: i64, now: Timestamp) -> Result<Place, EngineError> {
        let mut place = Place { seq: 1, index: 0, time: now };
        read.query("SELECT size, time FROM logs WHERE id = ?1", &[Value::Int(log)], &mut |row| {
            place.index = row.int(0)? as u64;
            place.time = now.max(Timestamp::from_micros(row.int(1)? + 1));
            Ok(Flow::Stop)
        })?;
        read.query("SELECT seq, time FROM records ORDER BY seq DESC LIMIT 1", &[], &mut |row| {
            place.seq = row.int(0)? + 1;
            place.time = place.time.max(Timestamp::from_micros(row.int(1)? + 1));
            Ok(Flow::Stop)
        })?;
        Ok(place)
    }
}

/// Microseconds from the beginning of a batch, a random step for each record: with a fixed one the times of
/// two visible records would count the hidden ones between them (law 1).
struct Strides {
    state: [u8; 32],
    used: usize,
    micros: i64,
}

impl Strides {
    /// Mean step of 25 microseconds: at 20,000 records a second the times do not run ahead of the clock.
    const STEP_MAX_US: i64 = 50;

    fn new(randomness: &[u8; 32]) -> Strides {
        let state =
            Sha256::new().chain_update(b"polder/strides/v1").chain_update(randomness).finalize().into();
        Strides { state, used: 0, micros: 0 }
    }

    fn next(&mut self) -> i64 {
        let micros = self.micros;
        if self.used == self.state.len() {
            self.state = Sha256::digest(self.state).into();
            self.used = 0;
        }
        let byte = self.state.get(self.used).copied().unwrap_or(0);
        self.used += 1;
        self.micros += 1 + i64::from(byte) % Self::STEP_MAX_US;
        micros
    }
}

struct NewRow<'d> {
    draft: &'d Draft,
    row: i64,
    committed: i64,
    seq: i64,
    index: u64,
    time: Timestamp,
    leaf: Hash,
    entry: Vec<u8>,
}

enum Verdict {
    Add(Marking),
    Known,
    Narrow,
    Refuse(Refused),
}

/// What becomes of the drafts, and what they change of records that are held.
struct Judged {
    verdicts: Vec<Verdict>,
    changes: Changes,
}

/// A version of a subject that is held or comes earlier in the batch.
struct Held {
    author: MemberId,
    audience: Audience,
    marking: Marking,
    version: Timestamp,
    revoked: bool,
    content: Content,
}

#[derive(Clone, Copy)]
enum Content {
    Draft(usize),
    Stored(i64),
}

fn judge(
    read: &mut dyn Read,
    signer: &Signer,
    heads: &Heads,
    drafts: &[Draft],
) -> Result<Judged, EngineError> {
    let mut held = held_versions(read, heads, drafts)?;
    let in_batch = observables_in_batch(drafts);
    let mut verdicts: Vec<Option<Verdict>> = drafts.iter().map(|_| None).collect();
    let mut changes = Changes::new();
    let mut withdrawn = HashSet::new();
    let any_withdrawn = act::any_withdrawn(read)?;
    let standings = Standings::of(read, heads, MemberId(signer.origin.member), drafts)?;
    // Recalls first: what they withdraw does not come again in the same batch. Then observables: what refers
    // to one must know whether it was admitted.
    let of_rank = |rank: u8| drafts.iter().enumerate().filter(move |(_, d)| self::rank(d) == rank);
    for (nth, draft) in of_rank(0).chain(of_rank(1)).chain(of_rank(2)) {
        let subject = &draft.subject;
        let versions = held.entry(subject.key).or_default();
        let mut known = known(read, drafts, draft, versions)?;
        known.withdrawn = withdrawn.contains(&(draft.author, subject.key))
            || any_withdrawn && act::is_withdrawn(read, &signer.tombstone_key, draft.author, &subject.id)?;
        let told = versions.iter().filter(|h| h.author == draft.author && h.audience == draft.audience);
        let told_any = told.clone().next().is_some();
        let told_this: Vec<(Marking, Content)> =
            told.filter(|h| h.version == subject.version).map(|h| (h.marking, h.content)).collect();
        let looser_held = told_this.iter().any(|(held, _)| held.is_looser_than(draft.marking));
        let widens = draft.widens && told_this.iter().all(|(held, _)| draft.marking.is_looser_than(*held));
        let submission = Submission {
            author: draft.author,
            kind: draft.kind,
            body_bytes: draft.body.len(),
            created: subject.created,
            version: subject.version,
            is_marking_definition: subject.is_marking_definition,
            has_modified: subject.has_modified,
        };
        let verdict = match admit(&submission, &known) {
            _ if let Some(refused) = standings.refusal(draft, &signer.origin) => Verdict::Refuse(refused),
            _ if is_held(read, draft)? => Verdict::Known,
            _ if is_recalled(read, heads, draft)? => Verdict::Refuse(Refused::Recalled),
            Err(refusal) => Verdict::Refuse(Refused::Gate(refusal)),
            Ok(false) if looser_held => {
                for (_, content) in &told_this {
                    if let Content::Stored(seq) = content {
                        let change = Change::Narrow { marking: draft.marking, audience: None };
                        act::add(&mut changes, *seq, change);
                    }
                }
                Verdict::Narrow
            }
            Ok(false) if !told_this.is_empty() && !widens => Verdict::Known,
            Ok(true) if draft.only_if_new && told_any => Verdict::Known,
            Ok(_) if draft.kind == Kind::RECALL => match act::of_recall(read, heads, draft)? {
                Err(error) => Verdict::Refuse(Refused::Recall(error)),
                Ok((effects, gone)) => {
                    effects.into_iter().for_each(|(seq, change)| act::add(&mut changes, seq, change));
                    withdrawn.extend(gone.into_iter().map(|key| (draft.author, key)));
                    Verdict::Add(draft.marking)
                }
            },
            // The same version for other recipients is a record of its own.
            Ok(_) => follow_references(draft, &held, &in_batch),
        };
        if let Verdict::Add(marking) = verdict {
            if subject.key.is_observable() {
                for seq in act::referrers(read, heads, subject.key, draft.author, marking)? {
                    act::add(&mut changes, seq, Change::Narrow { marking, audience: None });
                }
            }
            held.entry(subject.key).or_default().push(Held {
                author: draft.author,
                audience: draft.audience.clone(),
                marking,
                version: subject.version,
                revoked: subject.revoked,
                content: Content::Draft(nth),
            });
        }
        if let Some(slot) = verdicts.get_mut(nth) {
            *slot = Some(verdict);
        }
    }
    // Every draft was judged in one of the three rounds.
    let verdicts = verdicts.into_iter().map(|v| v.unwrap_or(Verdict::Refuse(Refused::RefersFurther)));
    Ok(Judged { verdicts: verdicts.collect(), changes })
}

/// In which round a draft is judged.
fn rank(draft: &Draft) -> u8 {
    match (draft.kind == Kind::RECALL, draft.subject.key.is_observable()) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
}

/// What the author holds of the draft's subject.
fn known(
    read: &mut dyn Read,
    drafts: &[Draft],
    draft: &Draft,
    versions: &[Held],
) -> Result<Known, EngineError> {
    let mut known = Known::default();
    for held in versions.iter().filter(|h| h.author == draft.author) {
        known.held = true;
        if held.revoked {
            known.revoked_at = known.revoked_at.max(Some(held.version));
        }
        if held.version == draft.subject.version && known.same_version != Some(false) {
            let same = match held.content {
                Content::Draft(nth) => drafts.get(nth).is_some_and(|d| same_content(&d.body, &draft.body)),
                Content::Stored(seq) => same_as_stored(read, seq, &draft.body)?,
            };
            known.same_version = Some(same);
        }
    }
    Ok(known)
}

/// Whether the very signature is held already: what was signed once is one record, and sending it again
/// does not undo what its author did to that since.
fn is_held(read: &mut dyn Read, draft: &Draft) -> Result<bool, EngineError> {
    let Some(verified) = &draft.signature else { return Ok(false) };
    let mut held = false;
    read.query(
        "SELECT g.signature FROM subjects s JOIN signatures g ON g.seq = s.seq WHERE s.subject = ?1",
        &[Value::Blob(&draft.subject.key.0)],
        &mut |row| {
            held |= row.blob(0)? == verified.signature.bytes;
            Ok(if held { Flow::Stop } else { Flow::Continue })
        },
    )?;
    Ok(held)
}

/// Whether its author signed a draft of a subject before he narrowed what is held of it: what he had said
/// before, and nobody had brought, must not undo that.
fn is_recalled(read: &mut dyn Read, heads: &Heads, draft: &Draft) -> Result<bool, EngineError> {
    let Some(verified) = draft.signature.as_ref().filter(|_| draft.kind != Kind::RECALL) else {
        return Ok(false);
    };
    let mut narrowed = false;
    let sql = "SELECT r.audience FROM subjects s JOIN records r ON r.seq = s.seq \
               WHERE s.subject = ?1 AND r.committed IS NOT NULL";
    read.query(sql, &[Value::Blob(&draft.subject.key.0)], &mut |row| {
        narrowed |= heads.of(row.int(0)?)?.author == draft.author;
        Ok(Flow::Continue)
    })?;
    if !narrowed {
        return Ok(false);
    }
    let mut recalled = false;
    let sql = "SELECT r.audience FROM signatures g JOIN records r ON r.seq = g.seq WHERE g.signed >= ?1";
    read.query(sql, &[Value::Int(verified.signature.signed.micros())], &mut |row| {
        let head = heads.of(row.int(0)?)?;
        recalled |= head.author == draft.author && head.kind == Kind::RECALL;
        Ok(Flow::Continue)
    })?;
    Ok(recalled)
}

fn same_as_stored(read: &mut dyn Read, seq: i64, body: &[u8]) -> Result<bool, EngineError> {
    let mut same = false;
    read.query("SELECT body FROM bodies WHERE seq = ?1", &[Value::Int(seq)], &mut |row| {
        same = same_content(row.blob(0)?, body);
        Ok(Flow::Stop)
    })?;
    Ok(same)
}

/// Versions of every subject and observable that the batch names, read in key order.
fn held_versions(
    read: &mut dyn Read,
    heads: &Heads,
    drafts: &[Draft],
) -> Result<HashMap<SubjectKey, Vec<Held>>, EngineError> {
    let mut any = false;
    read.query("SELECT seq FROM records LIMIT 1", &[], &mut |_| {
        any = true;
        Ok(Flow::Stop)
    })?;
    let mut held: HashMap<SubjectKey, Vec<Held>> = HashMap::with_capacity(drafts.len());
    if !any {
        return Ok(held);
    }
    let mut keys: Vec<SubjectKey> =
        drafts.iter().flat_map(|d| d.observable_refs.iter().copied().chain([d.subject.key])).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let sql = "SELECT version, seq, audience, revoked FROM subjects WHERE subject = ?1";
        read.query(sql, &[Value::Blob(&key.0)], &mut |row| {
            let head = heads.of(row.int(2)?)?;
            held.entry(key).or_default().push(Held {
                author: head.author,
                audience: head.audience.clone(),
                marking: head.marking,
                version: Timestamp::from_micros(row.int(0)?),
                revoked: row.int(3)? != 0,
                content: Content::Stored(row.int(1)?),
            });
            Ok(Flow::Continue)
        })?;
    }
    Ok(held)
}

type Observables<'d> = HashMap<SubjectKey, Vec<&'d Draft>>;

/// Observables of the batch, wherever in it they stand: a bundle may name a sighting before its address.
fn observables_in_batch(drafts: &[Draft]) -> Observables<'_> {
    let mut map: Observables<'_> = HashMap::new();
    for draft in drafts.iter().filter(|d| d.subject.key.is_observable()) {
        map.entry(draft.subject.key).or_default().push(draft);
    }
    map
}

/// An object that refers to an observable goes no further than its author's strictest marking of it, and
/// not beyond the recipients whom its author told of it.
fn follow_references(
    draft: &Draft,
    held: &HashMap<SubjectKey, Vec<Held>>,
    in_batch: &Observables<'_>,
) -> Verdict {
    let mut marking = draft.marking;
    for key in &draft.observable_refs {
        let stored = held.get(key).into_iter().flatten().filter(|h| h.author == draft.author);
        let coming = in_batch.get(key).into_iter().flatten().filter(|d| d.author == draft.author);
        let all: Vec<(Marking, &Audience)> = stored
            .map(|h| (h.marking, &h.audience))
            .chain(coming.map(|d| (d.marking, &d.audience)))
            .collect();
        // An observable that was refused was told to nobody; of observables that name each other the later
        // ones are not judged yet.
        let admitted = held.get(key).into_iter().flatten().filter(|h| h.author == draft.author);
        let mut heard: Vec<(Marking, &Audience)> = admitted.map(|h| (h.marking, &h.audience)).collect();
        if draft.subject.key.is_observable() {
            heard.clone_from(&all);
        }
        let told = heard.iter().any(|(m, audience)| **audience == draft.audience || m.label() == Tlp::Clear);
        if !all.is_empty() && !told {
            return Verdict::Refuse(Refused::RefersFurther);
        }
        marking = all.into_iter().fold(marking, |marking, (other, _)| marking.as_strict_as(other));
    }
    Verdict::Add(marking)
}

fn write_rows(tx: &mut dyn Tx, log: i64, rows: &[NewRow<'_>]) -> Result<(), EngineError> {
    tx.insert_many(&RECORDS, &mut |push| {
        rows.iter().try_for_each(|r| {
            let subject = &r.draft.subject;
            let other_id = if subject.key.id().is_some() { None } else { Some(subject.id.as_str()) };
            push(&[
                Value::Int(r.seq),
                Value::Int(log),
                Value::Int(r.index as i64),
                Value::Int(r.time.micros()),
                Value::Int(r.row),
                Value::Blob(&subject.key.0),
                Value::text_or_null(other_id),
                Value::Int(subject.version.micros()),
                Value::Blob(&r.draft.salts.to_bytes()),
                Value::Blob(&r.entry),
                if r.committed == r.row { Value::Null } else { Value::Int(r.committed) },
            ])
        })
    })?;
    let refs = rows.iter().flat_map(|r| r.draft.observable_refs.iter().map(|key| (*key, r.seq)));
    crate::refs::write(tx, refs.collect())?;
    tx.insert_many(&BODIES, &mut |push| {
        rows.iter().try_for_each(|r| push(&[Value::Int(r.seq), Value::Blob(&r.draft.body)]))
    })?;
    write_signatures(tx, rows)?;
    let mut sorted: Vec<&NewRow<'_>> = rows.iter().collect();
    sorted.sort_unstable_by_key(|r| (r.draft.subject.key, r.draft.subject.version, r.seq));
    tx.insert_many(&SUBJECTS, &mut |push| {
        sorted.iter().try_for_each(|r| {
            push(&[
                Value::Blob(&r.draft.subject.key.0),
                Value::Int(r.draft.subject.version.micros()),
                Value::Int(r.seq),
                Value::Int(r.row),
                Value::Int(i64::from(r.draft.subject.revoked)),
            ])
        })
    })
}

fn write_signatures(tx: &mut dyn Tx, rows: &[NewRow<'_>]) -> Result<(), EngineError> {
    let signed = |row: &NewRow<'_>| row.draft.signature.is_some();
    if !rows.iter().any(signed) {
        return Ok(());
    }
    tx.insert_many(&SIGNATURES, &mut |push| {
        rows.iter().try_for_each(|r| {
            let Some(verified) = &r.draft.signature else { return Ok(()) };
            let AuthorSignature { signed, widens, bytes } = &verified.signature;
            push(&[
                Value::Int(r.seq),
                Value::Int(signed.micros()),
                Value::Int(i64::from(*widens)),
                Value::Blob(bytes),
            ])
        })
    })
}

fn apply_views(
    tx: &mut dyn Tx,
    views: &[Box<dyn View>],
    heads: &Heads,
    rows: &[NewRow<'_>],
) -> Result<(), EngineError> {
    let records = rows
        .iter()
        .map(|r| {
            Ok(Record {
                seq: r.seq,
                time: r.time,
                audience_row: r.row,
                head: heads.of(r.row)?,
                committed: heads.of(r.committed)?,
                subject: r.draft.subject.key,
                id: &r.draft.subject.id,
                version: r.draft.subject.version,
                body: Body::Present(&r.draft.body),
            })
        })
        .collect::<Result<Vec<Record<'_>>, EngineError>>()?;
    views.iter().try_for_each(|view| view.apply(tx, &records))
}
