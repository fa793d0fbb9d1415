// SPDX-License-Identifier: Apache-2.0
//! Verifying a whole log: every entry, every hash, every tile, the newest checkpoint.

use trust::composite::{PublicKey, Use};
use trust::note::{Note, NoteKey, verify_note};

use crate::append::OWN_LOG;
use crate::audience::Heads;
use crate::checkpoint::{Checkpoint, Origin};
use crate::entry::{Commitments, audience_bytes, entry_bytes, subject_bytes};
use crate::merkle::{Hash, leaf_hash};
use crate::record::{Stored, after};
use crate::sql::{EngineError, Flow, Read, Value};
use crate::tree;

/// Records that are read at once.
const VERIFY_BATCH: usize = 2_000;
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

/// Verifies this node's log against the key of its root statement.
pub fn verify(read: &mut dyn Read, origin: &Origin, log_key: &PublicKey) -> Result<Report, EngineError> {
    let mut report = Report::default();
    let heads = Heads::load(read)?;
    let mut leaves = tree::Builder::default();
    let (mut seq, mut time) = (0, i64::MIN);
    loop {
        let rows = after(read, seq, VERIFY_BATCH)?;
        let Some(last) = rows.last() else { break };
        seq = last.seq;
        for row in &rows {
            if row.index != report.records {
                report.fault(format!(
                    "record {}: index {} where {} was expected",
                    row.seq, row.index, report.records
                ));
            }
            if row.time.micros() <= time {
                report.fault(format!("record {}: its time does not come after the one before it", row.seq));
            }
            time = row.time.micros();
            check_row(row, &heads, &mut report)?;
            leaves.push(leaf_hash(&row.entry));
            report.records += 1;
        }
    }
    check_tree(read, leaves, &mut report)?;
    check_checkpoint(read, origin, log_key, &mut report)?;
    Ok(report)
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
