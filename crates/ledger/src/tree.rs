// SPDX-License-Identifier: Apache-2.0
//! The node's own tree in its tables: tiles, size, checkpoints.

use model::time::Timestamp;

use crate::append::Signer;
use crate::checkpoint::Checkpoint;
use crate::logs::row_of;
use crate::merkle::Hash;
use crate::schema::CHECKPOINTS;
use crate::sql::{EngineError, Flow, Read, Tx, Value};
use crate::tile::{Appender, Prover, TILE_HASHES, TileCache, TileError, TileId};

/// Collects leaf hashes and tells the root over them: what a verification compares with the tiles.
#[derive(Default)]
pub struct Builder {
    tree: Appender,
}

impl Builder {
    /// Adds the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        // Refuses only beyond 2^63 leaves.
        let _ = self.tree.append(&[leaf]);
        // The tiles themselves are not wanted here.
        if self.tree.size().is_multiple_of(TILE_HASHES as u64) {
            drop(self.tree.take_tiles());
        }
    }

    /// Leaves.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Root over all leaves.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }
}

/// Size of a log.
pub fn size(read: &mut dyn Read, log: i64) -> Result<u64, EngineError> {
    let mut size = 0;
    read.query("SELECT size FROM logs WHERE id = ?1", &[Value::Int(log)], &mut |row| {
        size = row.int(0)? as u64;
        Ok(Flow::Stop)
    })?;
    Ok(size)
}

/// Root of the first `size` leaves of a log, from its tiles.
pub fn root_at(read: &mut dyn Read, log: i64, size: u64) -> Result<Hash, EngineError> {
    Proofs::of(log).root(read, size)
}

/// Proofs of one log, from its tiles. Keeps tiles that were read, so that the next proof reads and hashes
/// only its leaves' tile: use one for as many proofs as there are, on connections that see committed tiles
/// only.
pub struct Proofs {
    log: i64,
    cache: TileCache,
}

impl Proofs {
    /// Of this row of `logs`.
    pub fn of(log: i64) -> Proofs {
        Proofs { log, cache: TileCache::new() }
    }

    /// Root of the first `size` leaves.
    pub fn root(&mut self, read: &mut dyn Read, size: u64) -> Result<Hash, EngineError> {
        let mut reader = |id: TileId| tile(read, self.log, id);
        Prover::with_cache(&mut reader, &mut self.cache).root(size).map_err(fault)
    }

    /// Sibling hashes of a leaf in the tree of the first `size` leaves (RFC 6962, section 2.1.1).
    pub fn inclusion(
        &mut self,
        read: &mut dyn Read,
        index: u64,
        size: u64,
    ) -> Result<Vec<Hash>, EngineError> {
        let mut reader = |id: TileId| tile(read, self.log, id);
        Prover::with_cache(&mut reader, &mut self.cache).inclusion_proof(index, size).map_err(fault)
    }

    /// That the tree of `old` leaves is the beginning of the tree of `new` (RFC 6962, section 2.1.2).
    pub fn consistency(&mut self, read: &mut dyn Read, old: u64, new: u64) -> Result<Vec<Hash>, EngineError> {
        let mut reader = |id: TileId| tile(read, self.log, id);
        Prover::with_cache(&mut reader, &mut self.cache).consistency_proof(old, new).map_err(fault)
    }
}

/// Bytes of a stored tile.
pub(crate) fn tile(read: &mut dyn Read, log: i64, id: TileId) -> Result<Option<Vec<u8>>, EngineError> {
    let mut bytes = None;
    read.query(
        "SELECT hashes FROM tiles WHERE log = ?1 AND level = ?2 AND tile = ?3",
        &[Value::Int(log), Value::Int(i64::from(id.level)), Value::Int(id.index as i64)],
        &mut |row| {
            bytes = Some(row.blob(0)?.to_vec());
            Ok(Flow::Stop)
        },
    )?;
    Ok(bytes)
}

fn fault(error: TileError<EngineError>) -> EngineError {
    match error {
        TileError::Read { source, .. } => source,
        other => EngineError::shape(format!("the tiles of the log: {other}")),
    }
}

/// Appends leaves, writes the tiles that changed, and signs the checkpoint: all in this transaction.
pub(crate) fn extend_tree(
    tx: &mut dyn Tx,
    signer: &Signer,
    size: u64,
    leaves: &[Hash],
    time: Timestamp,
    randomness: [u8; 32],
) -> Result<Checkpoint, EngineError> {
    let log = row_of(&signer.origin);
    let mut tree = {
        let read = tx.as_read();
        let mut reader = |id: TileId| tile(read, log, id);
        Appender::load(&mut reader, size).map_err(fault)?
    };
    tree.append(leaves).map_err(|e| EngineError::shape(e.to_string()))?;
    for tile in tree.take_tiles() {
        tx.execute(
            "INSERT INTO tiles (log, level, tile, hashes) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (log, level, tile) DO UPDATE SET hashes = excluded.hashes",
            &[
                Value::Int(log),
                Value::Int(i64::from(tile.id.level)),
                Value::Int(tile.id.index as i64),
                Value::Blob(&tile.bytes),
            ],
        )?;
    }
    let checkpoint = Checkpoint { origin: signer.origin, size: tree.size(), root: tree.root() };
    let origin = signer.origin.to_string();
    tx.execute(
        "INSERT INTO logs (id, origin, size, time) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET size = excluded.size, time = excluded.time",
        &[
            Value::Int(log),
            Value::Text(&origin),
            Value::Int(checkpoint.size as i64),
            Value::Int(time.micros()),
        ],
    )?;
    // The batch's own time, which runs on from record to record: seconds since the epoch, never 0.
    let timestamp_s = u64::try_from(time.micros() / 1_000_000).unwrap_or(0).max(1);
    let note = checkpoint
        .sign(&signer.key, timestamp_s, randomness)
        .map_err(|e| EngineError::shape(format!("the checkpoint cannot stand in a note: {e}")))?;
    // Of the checkpoints that nobody was given only the newest is kept.
    tx.execute("DELETE FROM checkpoints WHERE log = ?1 AND kept = 0", &[Value::Int(log)])?;
    tx.insert_many(&CHECKPOINTS, &mut |push| {
        let (size, note) = (Value::Int(checkpoint.size as i64), note.print());
        push(&[Value::Int(log), size, Value::Int(0), Value::Text(&note)])
    })?;
    Ok(checkpoint)
}

/// Notes that a checkpoint was handed out in a proof, so that it is kept.
pub fn keep_checkpoint(tx: &mut dyn Tx, log: i64, size: u64) -> Result<(), EngineError> {
    tx.execute(
        "UPDATE checkpoints SET kept = 1 WHERE log = ?1 AND size = ?2",
        &[Value::Int(log), Value::Int(size as i64)],
    )
    .map(|_| ())
}
