// SPDX-License-Identifier: Apache-2.0
//! Verifying a whole log: every entry, every hash, every tile, the newest checkpoint.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use trust::log_key::LogPublicKeys;

use crate::audience::Heads;
use crate::checkpoint::{Checkpoint, Origin};
use crate::entry::{Commitments, audience_bytes, entry_bytes, signed_entry_bytes, subject_bytes};
use crate::logs::{OWN_LOGS_MAX, OwnLog, own_logs, row_of};
use crate::merkle::{Hash, leaf_hash};
use crate::record::{Stored, batch_after};
use crate::signatures::{self, Authors};
use crate::signed::AuthorSignature;
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
    /// Size of the newest log by its newest checkpoint.
    pub size: u64,
    /// Root hash of the newest log by its newest checkpoint.
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

/// Keys that had to sign a checkpoint, or why there are none.
pub type KeysOf<'k> = dyn Fn(&Checkpoint) -> Result<LogPublicKeys, String> + 'k;

/// [`verify_all`] for a node with one log that always had the same keys.
pub fn verify(read: &mut dyn Read, origin: &Origin, log_keys: &LogPublicKeys) -> Result<Report, EngineError> {
    let keys = |checkpoint: &Checkpoint| {
        let own = checkpoint.origin == *origin;
        if own { Ok(log_keys.clone()) } else { Err(format!("{} is not {origin}", checkpoint.origin)) }
    };
    verify_all(read, &keys)
}

/// Verifies all logs of this node: every entry, every tile, and the newest checkpoint of each. Rows are read
/// on the thread that calls and hashed on others; memory is bounded by the bytes of a few batches.
pub fn verify_all(read: &mut dyn Read, keys: &KeysOf<'_>) -> Result<Report, EngineError> {
    let mut report = Report::default();
    let mut logs = check_records(read, &mut report)?;
    let own = own_logs(read)?;
    if let Some(log) = logs.keys().find(|log| own.iter().all(|own| row_of(&own.origin) != **log)) {
        report.fault(format!("there are records of log {log}, which the node does not have"));
    }
    if own.is_empty() {
        report.fault("there is no log".to_owned());
    }
    for log in own {
        let leaves = logs.remove(&row_of(&log.origin)).unwrap_or_default();
        check_tree(read, &log, &leaves, &mut report)?;
        check_checkpoint(read, &log.origin, keys, &mut report)?;
    }
    Ok(report)
}

/// Trees of the own logs, by their numbers.
type Trees = BTreeMap<i64, tree::Builder>;

fn check_records(read: &mut dyn Read, report: &mut Report) -> Result<Trees, EngineError> {
    let heads = Heads::load(read)?;
    let mut authors = Authors::of(read)?;
    let (mut sizes, mut trees) = (BTreeMap::new(), Trees::new());
    thread::scope(|scope| {
        let lanes: [Lane; VERIFY_THREADS] = std::array::from_fn(|_| lane(scope, &heads));
        let mut in_flight = VecDeque::new();
        let (mut seq, mut time) = (0, i64::MIN);
        for (batches, checked) in lanes.iter().cycle() {
            let mut rows = batch_after(read, seq, VERIFY_BATCH, VERIFY_BATCH_BYTES)?;
            let Some(last) = rows.last() else { break };
            let signatures = signatures::between(read, seq, last.seq)?;
            seq = last.seq;
            rows.retain(|row| row.log <= OWN_LOGS_MAX);
            let mut faults = Vec::new();
            for row in &rows {
                let head = heads.of(row.committed_row)?;
                if let Some(fault) = authors.fault(read, row, head, signatures.get(&row.seq))? {
                    faults.push(format!("record {}: {fault}", row.seq));
                }
            }
            let expected = rows.iter().map(|row| next_of(&mut sizes, row.log)).collect();
            let newest = rows.last().map_or(time, |row| row.time.micros());
            if in_flight.len() == IN_FLIGHT_MAX {
                take(&mut in_flight, report, &mut trees)?;
            }
            batches.send(Batch { rows, expected, time, signatures, faults }).map_err(|_| ended())?;
            time = newest;
            in_flight.push_back(checked);
        }
        while !in_flight.is_empty() {
            take(&mut in_flight, report, &mut trees)?;
        }
        Ok(trees)
    })
}

/// Where the next record of a log must stand in it.
fn next_of(sizes: &mut BTreeMap<i64, u64>, log: i64) -> u64 {
    let size = sizes.entry(log).or_default();
    *size += 1;
    *size - 1
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
    trees: &mut Trees,
) -> Result<(), EngineError> {
    let Some(oldest) = in_flight.pop_front() else { return Ok(()) };
    let checked = oldest.recv().map_err(|_| ended())??;
    report.records += checked.report.records;
    report.erased += checked.report.erased;
    report.more_faults += checked.report.more_faults;
    checked.report.faults.into_iter().for_each(|fault| report.fault(fault));
    checked.leaves.into_iter().for_each(|(log, leaf)| trees.entry(log).or_default().push(leaf));
    Ok(())
}

fn ended() -> EngineError {
    EngineError::shape("a thread of the verification ended before its work")
}

/// Records with what is known of the ones before them.
struct Batch {
    rows: Vec<Stored>,
    /// Where each of them must stand in its log.
    expected: Vec<u64>,
    /// When the record before them arrived.
    time: i64,
    /// Signatures of their authors, by `seq`.
    signatures: BTreeMap<i64, AuthorSignature>,
    /// What is wrong with who said them: found while they were read.
    faults: Vec<String>,
}

/// What was found in one batch, and the hashes of its entries with the numbers of their logs.
struct Checked {
    report: Report,
    leaves: Vec<(i64, Hash)>,
}

impl Batch {
    fn check(&self, heads: &Heads) -> Result<Checked, EngineError> {
        let mut report = Report::default();
        self.faults.iter().for_each(|fault| report.fault(fault.clone()));
        let mut leaves = Vec::with_capacity(self.rows.len());
        let mut time = self.time;
        for (row, expected) in self.rows.iter().zip(&self.expected) {
            if row.index != *expected {
                report
                    .fault(format!("record {}: index {} where {expected} was expected", row.seq, row.index));
            }
            if row.time.micros() <= time {
                report.fault(format!("record {}: its time does not come after the one before it", row.seq));
            }
            time = row.time.micros();
            check_row(row, heads, self.signatures.get(&row.seq), &mut report)?;
            leaves.push((row.log, leaf_hash(&row.entry)));
            report.records += 1;
        }
        Ok(Checked { report, leaves })
    }
}

/// The entry is built again from what the columns say and compared with the stored bytes.
fn check_row(
    row: &Stored,
    heads: &Heads,
    signature: Option<&AuthorSignature>,
    report: &mut Report,
) -> Result<(), EngineError> {
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
    let entry = match signature {
        None => entry_bytes(head, &commitments, row.time),
        Some(signature) => signed_entry_bytes(head, &commitments, &signature.hash(), row.time),
    };
    if entry != row.entry {
        report.fault(format!("record {} ({}): entry, envelope and body do not agree", row.seq, row.id));
    }
    Ok(())
}

fn check_tree(
    read: &mut dyn Read,
    log: &OwnLog,
    leaves: &tree::Builder,
    report: &mut Report,
) -> Result<(), EngineError> {
    if log.size != leaves.size() {
        let found = leaves.size();
        report.fault(format!("the log counts {} entries, {found} records are there", log.size));
        return Ok(());
    }
    let root = leaves.root();
    if tree::root_at(read, row_of(&log.origin), log.size)? != root {
        report.fault("the tiles of the tree do not agree with the entries".to_owned());
    }
    report.size = log.size;
    report.root = root;
    Ok(())
}

fn check_checkpoint(
    read: &mut dyn Read,
    origin: &Origin,
    keys: &KeysOf<'_>,
    report: &mut Report,
) -> Result<(), EngineError> {
    let Some(text) = newest_note(read, row_of(origin))? else {
        report.fault("there is no checkpoint".to_owned());
        return Ok(());
    };
    let (note, checkpoint) = match Checkpoint::read_signed(text.as_bytes()) {
        Ok(both) => both,
        Err(error) => {
            report.fault(format!("the newest checkpoint cannot be read: {error}"));
            return Ok(());
        }
    };
    let signed =
        keys(&checkpoint).and_then(|keys| checkpoint.verify(&note, &keys).map_err(|e| e.to_string()));
    if let Err(error) = signed {
        report.fault(format!("the newest checkpoint's signature fails: {error}"));
    }
    if checkpoint != (Checkpoint { origin: *origin, size: report.size, root: report.root }) {
        report.fault(format!("the newest checkpoint says size {} and another root or log", checkpoint.size));
    }
    Ok(())
}

/// Text of the newest signed checkpoint of a log.
pub fn newest_note(read: &mut dyn Read, log: i64) -> Result<Option<String>, EngineError> {
    let sql = "SELECT note FROM checkpoints WHERE log = ?1 ORDER BY size DESC LIMIT 1";
    one_note(read, sql, &[Value::Int(log)])
}

/// Text of the signed checkpoint of a log at a size, if it is kept.
pub fn note_at(read: &mut dyn Read, log: i64, size: u64) -> Result<Option<String>, EngineError> {
    let sql = "SELECT note FROM checkpoints WHERE log = ?1 AND size = ?2";
    one_note(read, sql, &[Value::Int(log), Value::Int(size as i64)])
}

fn one_note(
    read: &mut dyn Read,
    sql: &'static str,
    args: &[Value<'_>],
) -> Result<Option<String>, EngineError> {
    let mut note = None;
    read.query(sql, args, &mut |row| {
        note = Some(row.text(0)?.to_owned());
        Ok(Flow::Stop)
    })?;
    Ok(note)
}
