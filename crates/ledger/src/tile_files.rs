// SPDX-License-Identifier: Apache-2.0
//! A log as the files of C2SP tlog-tiles: tiles of hashes, which say nothing of what was logged but how
//! much; and bundles of entries, which are behind the gate (`docs/proof.md`).

use std::num::NonZeroU8;

use crate::merkle::leaf_hash;
use crate::sql::{EngineError, Flow, Read, Value};
use crate::tile::{TILE_HASHES, TileId, entries_partial_path, entries_path};
use crate::tree;

/// Levels of tiles: enough for 2^63 leaves.
const LEVELS: u8 = 8;
const HASH_BYTES: usize = 32;

/// Takes one file: its path below the log's prefix, and its bytes.
pub type Give<'g, E> = dyn FnMut(String, &[u8]) -> Result<(), E> + 'g;

/// All tiles of the tree of the first `size` leaves, cut to that size.
pub fn tiles<E: From<EngineError>>(
    read: &mut dyn Read,
    log: i64,
    size: u64,
    give: &mut Give<'_, E>,
) -> Result<(), E> {
    for level in 0..LEVELS {
        let hashes = size >> (8 * u32::from(level));
        for index in 0..hashes.div_ceil(TILE_HASHES as u64) {
            let id = TileId { level, index };
            // At most 256 hashes remain: the cast keeps the value.
            let width = (hashes - index * TILE_HASHES as u64).min(TILE_HASHES as u64) as usize;
            let bytes = tree::tile(read, log, id)?;
            let bytes = bytes.as_deref().and_then(|bytes| bytes.get(..width * HASH_BYTES));
            let bytes = bytes.ok_or_else(|| EngineError::shape(format!("tile {} of the log", id.path())))?;
            let path = match partial(width) {
                Some(width) => id.partial_path(width),
                None => id.path(),
            };
            give(path, bytes)?;
        }
    }
    Ok(())
}

/// Width of a tile that is not full.
fn partial(width: usize) -> Option<NonZeroU8> {
    u8::try_from(width).ok().and_then(NonZeroU8::new)
}

/// Entries of one bundle, with the row of `audiences` of each.
#[derive(Debug, Default)]
pub struct Bundle {
    /// Path below the log's prefix.
    pub path: String,
    /// Each entry after its length in two bytes, big-endian.
    pub bytes: Vec<u8>,
    /// Rows of `audiences`, without repetition: the gate is asked for each before the bundle is given.
    pub audiences: Vec<i64>,
}

/// Bundle number `index` of the first `size` entries. An entry is at most 2 KiB, so its length fits.
pub fn bundle(read: &mut dyn Read, log: i64, index: u64, size: u64) -> Result<Bundle, EngineError> {
    let first = index * TILE_HASHES as u64;
    let width = size.saturating_sub(first).min(TILE_HASHES as u64);
    let path = match partial(width as usize) {
        Some(width) => entries_partial_path(index, width),
        None => entries_path(index),
    };
    let mut bundle = Bundle { path, ..Bundle::default() };
    let mut leaves = Vec::with_capacity(TILE_HASHES);
    let sql =
        "SELECT idx, entry, audience FROM records WHERE log = ?1 AND idx >= ?2 AND idx < ?3 ORDER BY idx";
    let args = [Value::Int(log), Value::Int(first as i64), Value::Int((first + width) as i64)];
    read.query(sql, &args, &mut |row| {
        let entry = row.blob(1)?;
        let length =
            u16::try_from(entry.len()).map_err(|_| EngineError::shape("records.entry is too long"))?;
        bundle.bytes.extend_from_slice(&length.to_be_bytes());
        bundle.bytes.extend_from_slice(entry);
        leaves.push((row.int(0)?, leaf_hash(entry)));
        let audience = row.int(2)?;
        if !bundle.audiences.contains(&audience) {
            bundle.audiences.push(audience);
        }
        Ok(Flow::Continue)
    })?;
    // Whoever reads the bundle hashes its entries into the tile: what does not fit is not given out.
    let tile = tree::tile(read, log, TileId { level: 0, index })?.unwrap_or_default();
    let agree = leaves.len() as u64 == width
        && leaves
            .iter()
            .zip(tile.as_chunks::<HASH_BYTES>().0)
            .zip(first..)
            .all(|((leaf, hash), place)| leaf.1 == *hash && leaf.0 as u64 == place);
    if agree { Ok(bundle) } else { Err(EngineError::shape(format!("entries and tile of {}", bundle.path))) }
}
