// SPDX-License-Identifier: Apache-2.0
//! Verifying a whole log: every entry, every hash, every tile, the newest checkpoint.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use trust::composite::{PublicKey, Use};
use trust::note::{Note, NoteKey, verify_note};

use crate::append::OWN_LOG;
use crate::audience::Heads;
use crate::checkpoint::{Checkpoint, Origin};
use crate::entry::{Commitments, audience_bytes, entry_bytes, subject_bytes};
use crate::merkle::{Hash, leaf_hash};
use crate::record::{Stored, after_within};
use crate::sql::{EngineError, Flow, Read, Value};
use crate::tree;

/// Records that are read at once.
const VERIFY_BATCH: usize = 2_000;
/// Bytes after which a batch is handed over even if it has few records.
const VERIFY_BATCH_BYTES: usize = 2 * 1024 * 1024;
/// Threads that hash while the next batches are read.
const VERIFY_THREADS: usize = 2;
/// Batches on their way: one in each thread's hands and one before each.
const IN_FLIGHT_MAX: usize = 2 * VERIFY_THREADS;
/// Faults that are told one by one; the rest are counted.
pub const FAULTS_MAX: usize = 100;

/// What a verification found.
#[derive(Debug, Default)]
pub struct Report {
    /// Records that were looked at.
    pub records: u64,
    /// Of them without body: withdrawn.
    pub erased: u64,
    /// Size of the log by its newest checkpoint.
    pub size: u64,
    /// Root hash by its newest checkpoint.
    pub root: Hash,
    /// Faults, with place and meaning.
    pub faults: Vec<String>,
    /// Faults beyond [`FAULTS_MAX`].
    pub more_faults: u64,
}

impl Report {
    fn fault(&mut self, text: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(text);
        } else {
            self.more_faults += 1;
        }
    }
}

/// Verifies this node's log against the key of its root statement. Rows are read on the thread that calls
/// and hashed on others; memory is bounded by the bytes of a few batches.
pub fn verify(read: &mut dyn Read, origin: &Origin, log_key: &PublicKey) -> Result<Report, EngineError> {
    let mut report = Report::default();
    let heads = Heads::load(read)?;
    let mut leaves = tree::Builder::default();
    thread::scope(|scope| {
        let lanes: [Lane; VERIFY_THREADS] = std::array::from_fn(|_| lane(scope, &heads));
        let mut in_flight = VecDeque::new();
        let mut next = Batch { rows: Vec::new(), index: 0, time: i64::MIN };
        let mut seq = 0;
        for (batches, checked) in lanes.iter().cycle() {
            next.rows = after_within(read, seq, VERIFY_BATCH, VERIFY_BATCH_BYTES)?;
            let Some(last) = next.rows.last() else { break };
            seq = last.seq;
            let index = next.index + next.rows.len() as u64;
            let behind = Batch { rows: Vec::new(), index, time: last.time.micros() };
            if in_flight.len() == IN_FLIGHT_MAX {
                take(&mut in_flight, &mut report, &mut leaves)?;
            }
            batches.send(std::mem::replace(&mut next, behind)).map_err(|_| ended())?;
            in_flight.push_back(checked);
        }
        while !in_flight.is_empty() {
            take(&mut in_flight, &mut report, &mut leaves)?;
        }
        Ok::<(), EngineError>(())
    })?;
    check_tree(read, leaves, &mut report)?;
    check_checkpoint(read, origin, log_key, &mut report)?;
    Ok(report)
}

type Found = Result<Checked, EngineError>;
/// Where batches go in, and what was found in them comes out in the same order.
type Lane = (SyncSender<Batch>, Receiver<Found>);

/// A thread that checks batches until no more come.
fn lane<'scope>(scope: &'scope thread::Scope<'scope, '_>, heads: &'scope Heads) -> Lane {
    let (batches, work) = sync_channel::<Batch>(IN_FLIGHT_MAX);
    let (results, checked) = sync_channel(IN_FLIGHT_MAX);
    scope.spawn(move || {
        for batch in work {
            // Nobody listens any more after an error of another batch.
            if results.send(batch.check(heads)).is_err() {
                break;
            }
        }
    });
    (batches, checked)
}

/// Waits for the oldest batch and adds what was found in it: faults are told in the order of the records.
fn take(
    in_flight: &mut VecDeque<&Receiver<Found>>,
    report: &mut Report,
    leaves: &mut tree::Builder,
) -> Result<(), EngineError> {
    let Some(oldest) = in_flight.pop_front() else { return Ok(()) };
    let checked = oldest.recv().map_err(|_| ended())??;
    report.records += checked.report.records;
    report.erased += checked.report.erased;
    report.more_faults += checked.report.more_faults;
    checked.report.faults.into_iter().for_each(|fault| report.fault(fault));
    checked.leaves.into_iter().for_each(|leaf| leaves.push(leaf));
    Ok(())
}

fn ended() -> EngineError {
    EngineError::shape("a thread of the verification ended before its work")
}

/// Records with what is known of the ones before them.
struct Batch {
    rows: Vec<Stored>,
    /// Where the first of them must stand in the log.
    index: u64,
    /// When the record before them arrived.
    time: i64,
}

/// What was found in one batch, and the hashes of its entries.
struct Checked {
    report: Report,
    leaves: Vec<Hash>,
}

impl Batch {
    fn check(&self, heads: &Heads) -> Result<Checked, EngineError> {
        let mut report = Report::default();
        let mut leaves = Vec::with_capacity(self.rows.len());
        let mut time = self.time;
        for (row, expected) in self.rows.iter().zip(self.index..) {
            if row.index != expected {
                report
                    .fault(format!("record {}: index {} where {expected} was expected", row.seq, row.index));
            }
            if row.time.micros() <= time {
                report.fault(format!("record {}: its time does not come after the one before it", row.seq));
            }
            time = row.time.micros();
            check_row(row, heads, &mut report)?;
            leaves.push(leaf_hash(&row.entry));
            report.records += 1;
        }
        Ok(Checked { report, leaves })
    }
}

/// The entry is built again from what the columns say and compared with the stored bytes.
fn check_row(row: &Stored, heads: &Heads, report: &mut Report) -> Result<(), EngineError> {
    let head = heads.of(row.committed_row)?;
    let (body, salts) = match (&row.body, &row.salts) {
        (Some(body), Some(salts)) => (body, salts),
        (None, None) => {
            report.erased += 1;
            return Ok(());
        }
        _ => {
            report.fault(format!("record {}: body and salts were not erased together", row.seq));
            return Ok(());
        }
    };
    let subject = subject_bytes(&row.id, row.version);
    let commitments = Commitments::new(salts, &subject, body, &audience_bytes(&head.audience));
    if entry_bytes(head, &commitments, row.time) != row.entry {
        report.fault(format!("record {} ({}): entry, envelope and body do not agree", row.seq, row.id));
    }
    Ok(())
}

fn check_tree(read: &mut dyn Read, leaves: tree::Builder, report: &mut Report) -> Result<(), EngineError> {
    let size = tree::size(read)?;
    if size != report.records {
        report.fault(format!("the log counts {size} entries, {} records are there", report.records));
        return Ok(());
    }
    let root = leaves.root();
    if tree::root_at(read, size)? != root {
        report.fault("the tiles of the tree do not agree with the entries".to_owned());
    }
    report.size = size;
    report.root = root;
    Ok(())
}

fn check_checkpoint(
    read: &mut dyn Read,
    origin: &Origin,
    log_key: &PublicKey,
    report: &mut Report,
) -> Result<(), EngineError> {
    let Some(text) = newest_note(read)? else {
        report.fault("there is no checkpoint".to_owned());
        return Ok(());
    };
    let Ok(note) = Note::parse(text.as_bytes()) else {
        report.fault("the newest checkpoint cannot be read".to_owned());
        return Ok(());
    };
    let key = NoteKey::new(&origin.to_string(), log_key.clone());
    let signed = key
        .map_err(|e| e.to_string())
        .and_then(|key| verify_note(&note, &[key], Use::Checkpoint).map_err(|e| e.to_string()));
    if let Err(error) = signed {
        report.fault(format!("the newest checkpoint's signature fails: {error}"));
    }
    match Checkpoint::parse(note.text()) {
        Ok(c) if c.origin == *origin && c.size == report.size && c.root == report.root => {}
        Ok(c) => report.fault(format!("the newest checkpoint says size {} and another root or log", c.size)),
        Err(_) => report.fault("the newest checkpoint's text cannot be read".to_owned()),
    }
    Ok(())
}

/// Text of the newest signed checkpoint of this node's log.
pub fn newest_note(read: &mut dyn Read) -> Result<Option<String>, EngineError> {
    let mut note = None;
    let sql = "SELECT note FROM checkpoints WHERE log = ?1 ORDER BY size DESC LIMIT 1";
    read.query(sql, &[Value::Int(OWN_LOG)], &mut |row| {
        note = Some(row.text(0)?.to_owned());
        Ok(Flow::Stop)
    })?;
    Ok(note)
}
