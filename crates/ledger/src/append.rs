// SPDX-License-Identifier: Apache-2.0
//! Appending a batch: admitted, ordered, hashed, seen by the views and covered by a checkpoint, all in
//! one transaction.

use std::collections::{HashMap, HashSet};

use model::head::{Audience, Head};
use model::id::{MemberId, SubjectKey};
use model::kind::Kind;
use model::marking::{Marking, Tlp};
use model::time::Timestamp;
use policy::{Refusal, Submission, admit};
use sha2::{Digest, Sha256};
use trust::log_key::LogKey;

use crate::act::{self, Change, Changes};
use crate::audience::Heads;
use crate::checkpoint::{Checkpoint, Origin};
use crate::draft::Draft;
use crate::entry::{entry_bytes, signed_entry_bytes};
use crate::held::{Content, Held, Versions, held_versions};
use crate::hosted::Standings;
use crate::logs::row_of;
use crate::merkle::{Hash, leaf_hash};
use crate::recall::RecallError;
use crate::schema::{BODIES, RECORDS, SIGNATURES, SUBJECTS};
use crate::signed::AuthorSignature;
use crate::sql::{EngineError, Flow, Read, Tx, Value};
use crate::tree::extend_tree;
use crate::verify::newest_note;
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
    still_ours(tx.as_read(), signer, drafts)?;
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

/// Refuses to go on with a log whose keys were changed since this process read its own: what it signed would
/// not verify. Only the statement that changes them stands under another key than what is there.
fn still_ours(read: &mut dyn Read, signer: &Signer, drafts: &[Draft]) -> Result<(), EngineError> {
    let changes = [Kind::MEMBER_DELEGATION, Kind::MEMBER_ROTATION, Kind::MEMBER_REVOCATION];
    // What a hosted member says of its own keys changes none of this log's.
    let own = |draft: &Draft| draft.author.0 == signer.origin.member;
    if drafts.iter().any(|draft| own(draft) && changes.contains(&draft.kind)) {
        return Ok(());
    }
    let Some(text) = newest_note(read, row_of(&signer.origin))? else { return Ok(()) };
    let signed = Checkpoint::read_signed(text.as_bytes())
        .is_ok_and(|(note, checkpoint)| checkpoint.verify(&note, signer.key.public_key()).is_ok());
    if signed {
        return Ok(());
    }
    Err(EngineError::Unfit(format!(
        "the newest checkpoint of {} is not signed by the keys that this process has: they were changed meanwhile, \
         so start it again with the present ones; otherwise `polder ledger verify` says more",
        signer.origin
    )))
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
        let mut known = versions.known(read, drafts, draft)?;
        known.withdrawn = withdrawn.contains(&(draft.author, subject.key))
            || any_withdrawn && act::is_withdrawn(read, &signer.tombstone_key, draft.author, &subject.id)?;
        let told = told_before(versions, draft);
        let looser = |h: &&usize| versions.get(**h).is_some_and(|h| h.marking.is_looser_than(draft.marking));
        let looser: Vec<usize> = told.iter().filter(looser).copied().collect();
        let widens = |h: &usize| versions.get(*h).is_some_and(|h| draft.marking.is_looser_than(h.marking));
        let widens = draft.widens && told.iter().all(widens);
        let submission = submission(draft);
        let verdict = match admit(&submission, &known) {
            _ if let Some(refused) = standings.refusal(draft, &signer.origin) => Verdict::Refuse(refused),
            _ if is_held(read, draft)? => Verdict::Known,
            _ if is_recalled(read, heads, draft)? => Verdict::Refuse(Refused::Recalled),
            Err(refusal) => Verdict::Refuse(Refused::Gate(refusal)),
            Ok(new) if !looser.is_empty() && (!new || draft.only_if_new) => {
                for nth in looser {
                    let Some(held) = versions.get_mut(nth) else { continue };
                    held.marking = held.marking.as_strict_as(draft.marking);
                    match held.content {
                        Content::Stored(seq) => {
                            act::add(&mut changes, seq, Change::stricter(draft.marking));
                        }
                        // It comes in this batch, and is as strict as its stricter copy from the beginning.
                        Content::Draft(first) => {
                            if let Some(Some(Verdict::Add(marking))) = verdicts.get_mut(first) {
                                *marking = held.marking;
                            }
                        }
                    }
                }
                Verdict::Narrow
            }
            Ok(false) if !told.is_empty() && !widens => Verdict::Known,
            Ok(true) if draft.only_if_new && !told.is_empty() => Verdict::Known,
            Ok(_) if draft.kind == Kind::RECALL => match act::of_recall(read, heads, draft)? {
                Err(error) => Verdict::Refuse(Refused::Recall(error)),
                Ok((effects, gone)) => {
                    effects.into_iter().for_each(|(seq, change)| act::add(&mut changes, seq, change));
                    withdrawn.extend(gone.into_iter().map(|key| (draft.author, key)));
                    Verdict::Add(draft.marking)
                }
            },
            // The same version for other recipients is a record of its own.
            Ok(_) => match follow_references(draft, &held, &in_batch) {
                // What it refers to keeps it as strict as it is held: nobody more would see it.
                Verdict::Add(marking) if told_alike(&held, subject.key, &told, marking) => Verdict::Known,
                verdict => verdict,
            },
        };
        if let Verdict::Add(marking) = verdict {
            held.entry(subject.key).or_default().push(Held {
                author: draft.author,
                audience: draft.audience.clone(),
                marking,
                version: subject.version,
                revoked: subject.revoked,
                content: Content::Draft(nth),
            });
        }
        if subject.key.is_observable() && matches!(verdict, Verdict::Add(_) | Verdict::Narrow) {
            let told = told_of(&held, &in_batch, subject.key, draft.author);
            let marking = if let Verdict::Add(marking) = verdict { marking } else { draft.marking };
            for (seq, change) in act::of_referrers(read, heads, subject.key, draft.author, &[marking], &told)?
            {
                act::add(&mut changes, seq, change);
            }
        }
        if let Some(slot) = verdicts.get_mut(nth) {
            *slot = Some(verdict);
        }
    }
    // Every draft was judged in one of the three rounds.
    let verdicts = verdicts.into_iter().map(|v| v.unwrap_or(Verdict::Refuse(Refused::RefersFurther)));
    Ok(Judged { verdicts: verdicts.collect(), changes })
}

fn submission(draft: &Draft) -> Submission {
    let subject = &draft.subject;
    Submission {
        author: draft.author,
        kind: draft.kind,
        body_bytes: draft.body.len(),
        created: subject.created,
        version: subject.version,
        is_marking_definition: subject.is_marking_definition,
        has_modified: subject.has_modified,
    }
}

/// Whether one of these records of a subject is no stricter than a new one of the same version would be.
fn told_alike(
    held: &HashMap<SubjectKey, Versions>,
    key: SubjectKey,
    told: &[usize],
    marking: Marking,
) -> bool {
    let held = |nth: &usize| held.get(&key).and_then(|versions| versions.get(*nth));
    told.iter().filter_map(held).any(|held| !marking.is_looser_than(held.marking))
}

/// Records of the draft's subject that its author made for the same audience before: of the same version, or
/// of any where one is enough.
fn told_before(versions: &Versions, draft: &Draft) -> Vec<usize> {
    let same = |nth: &usize| versions.get(*nth).is_some_and(|held| held.audience == draft.audience);
    match draft.only_if_new {
        true => versions.numbers_of(draft.author).filter(same).collect(),
        false => versions.at(draft.author, draft.subject.version).into_iter().filter(same).collect(),
    }
}

/// Under which markings and to whom an author has told of an observable, or tells in this batch.
fn told_of(
    held: &HashMap<SubjectKey, Versions>,
    in_batch: &Observables<'_>,
    key: SubjectKey,
    author: MemberId,
) -> Vec<(Marking, Audience)> {
    let coming = in_batch.get(&key).into_iter().flatten().filter(|d| d.author == author);
    let stored = held.get(&key).into_iter().flat_map(|versions| versions.of(author));
    stored
        .map(|h| (h.marking, h.audience.clone()))
        .chain(coming.map(|d| (d.marking, d.audience.clone())))
        .collect()
}

/// In which round a draft is judged.
fn rank(draft: &Draft) -> u8 {
    match (draft.kind == Kind::RECALL, draft.subject.key.is_observable()) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
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
    held: &HashMap<SubjectKey, Versions>,
    in_batch: &Observables<'_>,
) -> Verdict {
    let mut marking = draft.marking;
    for key in &draft.observable_refs {
        let stored = || held.get(key).into_iter().flat_map(|versions| versions.of(draft.author));
        let coming = in_batch.get(key).into_iter().flatten().filter(|d| d.author == draft.author);
        let all: Vec<(Marking, &Audience)> = stored()
            .map(|h| (h.marking, &h.audience))
            .chain(coming.map(|d| (d.marking, &d.audience)))
            .collect();
        // An observable that was refused was told to nobody; of observables that name each other the later
        // ones are not judged yet.
        let mut heard: Vec<(Marking, &Audience)> = stored().map(|h| (h.marking, &h.audience)).collect();
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
