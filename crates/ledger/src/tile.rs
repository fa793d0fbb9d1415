// SPDX-License-Identifier: Apache-2.0
//! The tree in tiles (C2SP tlog-tiles): 256 hashes of one level to a tile, every eighth level of the
//! tree kept. Level 0 holds leaf hashes; each hash of level L is the root of a full tile of level L-1.
//!
//! Stored tiles are trusted: whoever reads them from elsewhere compares the root to a signed checkpoint.

use std::borrow::BorrowMut;
use std::collections::HashMap;
use std::num::NonZeroU8;
use std::ops::Range;

use crate::merkle::{
    EMPTY_ROOT, Hash, ProofRangeError, TREE_SIZE_MAX, consistency_ranges, fold_peaks, inclusion_ranges,
    node_hash, push_peak,
};

/// Hashes in a full tile.
pub const TILE_HASHES: usize = 256;
/// Bytes of a full tile.
pub const TILE_BYTES: usize = TILE_HASHES * HASH_BYTES;
/// Tiles that a [`TileCache`] keeps, of 16 KiB each: 8 MiB.
pub const PROVER_TILES_MAX: usize = 512;

const HASH_BYTES: usize = 32;
/// Levels of the tree that one level of tiles spans: 2^8 = 256.
const TILE_HEIGHT: u32 = 8;
/// Levels of tiles: enough for 2^63 leaves.
const TILE_LEVELS: u8 = 8;

/// Place of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// Level of tiles, 0 for leaf hashes.
    pub level: u8,
    /// Number of the tile in its level, from 0 at the left.
    pub index: u64,
}

impl TileId {
    /// Path of the full tile, `tile/<L>/<N>`.
    pub fn path(self) -> String {
        format!("tile/{}/{}", self.level, index_path(self.index))
    }

    /// Path of the tile when it held `width` hashes, `tile/<L>/<N>.p/<W>`.
    pub fn partial_path(self, width: NonZeroU8) -> String {
        format!("{}.p/{width}", self.path())
    }
}

/// Path of a full bundle of 256 entries, `tile/entries/<N>`.
pub fn entries_path(index: u64) -> String {
    format!("tile/entries/{}", index_path(index))
}

/// Path of a bundle of `width` entries, `tile/entries/<N>.p/<W>`.
pub fn entries_partial_path(index: u64, width: NonZeroU8) -> String {
    format!("{}.p/{width}", entries_path(index))
}

/// Three digits to a group, all groups but the last with an `x` before them.
fn index_path(index: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path.insert_str(0, &format!("x{:03}/", rest % 1000));
        rest /= 1000;
    }
    path
}

/// Where tiles are read from. Closures `FnMut(TileId) -> Result<Option<Vec<u8>>, E>` are readers.
pub trait TileReader {
    /// Why a tile could not be read.
    type Error;

    /// Bytes of the tile, or nothing if there is none: whole hashes, at least those that the tree had
    /// at the asked size. Hashes that were added since do no harm.
    ///
    /// # Errors
    /// Whatever reading can fail with; a missing tile is no error here.
    fn tile(&mut self, id: TileId) -> Result<Option<Vec<u8>>, Self::Error>;
}

impl<F, E> TileReader for F
where
    F: FnMut(TileId) -> Result<Option<Vec<u8>>, E>,
{
    type Error = E;

    fn tile(&mut self, id: TileId) -> Result<Option<Vec<u8>>, E> {
        self(id)
    }
}

/// Why tiles gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError<E> {
    /// A tile is not a row of whole hashes, has more than 256, or fewer than the size promises.
    #[error("tile {} has {found} bytes where {needed} to {TILE_BYTES} in whole hashes are expected", id.path())]
    Bytes {
        /// Which tile.
        id: TileId,
        /// Bytes that the tree's size promises.
        needed: usize,
        /// Bytes that it has.
        found: usize,
    },
    /// A tile that the tree's size promises is not there.
    #[error("tile {} is missing", id.path())]
    Missing {
        /// Which tile.
        id: TileId,
    },
    /// The question makes no sense for this size.
    #[error(transparent)]
    Range(#[from] ProofRangeError),
    /// Reading failed.
    #[error("tile {} could not be read", id.path())]
    Read {
        /// Which tile.
        id: TileId,
        /// Why.
        #[source]
        source: E,
    },
    /// The tree would have more leaves than [`TREE_SIZE_MAX`].
    #[error(transparent)]
    Size(#[from] TreeSizeError),
}

/// A tree of this size is beyond [`TREE_SIZE_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tree has at most {TREE_SIZE_MAX} leaves, and {size} plus {added} are more")]
pub struct TreeSizeError {
    /// Leaves in the tree.
    pub size: u64,
    /// Leaves to be added.
    pub added: usize,
}

/// A tile to be written: full, or partial and to be replaced by its next version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Where.
    pub id: TileId,
    /// 1 to 256 hashes, one after the other.
    pub bytes: Vec<u8>,
}

impl Tile {
    /// Hashes in the tile, 1 to 256.
    pub fn width(&self) -> usize {
        self.bytes.len() / HASH_BYTES
    }
}

/// The right edge of a tree, to which leaves are appended. Holds at most eight partial tiles, whatever
/// the size; appending costs one node hash a leaf and the root a few dozen more.
#[derive(Debug, Clone)]
pub struct Appender {
    size: u64,
    levels: [EdgeTile; TILE_LEVELS as usize],
    full: Vec<Tile>,
}

/// The partial tile at the right end of a level.
#[derive(Debug, Clone, Default)]
struct EdgeTile {
    bytes: Vec<u8>,
    // Roots of the complete subtrees within the tile, so that nothing is hashed twice.
    peaks: Vec<Hash>,
    changed: bool,
}

impl EdgeTile {
    fn push(&mut self, hash: Hash) {
        push_peak(&mut self.peaks, self.bytes.len() / HASH_BYTES, hash);
        self.bytes.extend_from_slice(&hash);
        self.changed = true;
    }

    /// Empties the tile if it is full; its bytes and its root, which belongs to the level above.
    fn take_full(&mut self) -> Option<(Vec<u8>, Hash)> {
        if self.bytes.len() < TILE_BYTES {
            return None;
        }
        let root = self.peaks.pop()?;
        self.peaks.clear();
        self.changed = false;
        Some((std::mem::take(&mut self.bytes), root))
    }
}

impl Default for Appender {
    fn default() -> Self {
        Self::new()
    }
}

impl Appender {
    /// The edge of the empty tree.
    pub fn new() -> Self {
        Appender { size: 0, levels: Default::default(), full: Vec::new() }
    }

    /// The edge of a stored tree: reads its partial tiles, at most eight. Compare [`Appender::root`]
    /// with the last checkpoint before anything is appended.
    ///
    /// # Errors
    /// [`TileError`] when a partial tile is missing, too short or cannot be read.
    pub fn load<R: TileReader>(reader: &mut R, size: u64) -> Result<Self, TileError<R::Error>> {
        if size > TREE_SIZE_MAX {
            return Err(TreeSizeError { size, added: 0 }.into());
        }
        let mut appender = Appender { size, ..Self::new() };
        for (level, edge) in (0..TILE_LEVELS).zip(&mut appender.levels) {
            let (id, width) = edge_of(level, size);
            if width == 0 {
                continue;
            }
            for hash in hashes(&read_tile(reader, id, width)?).take(width) {
                edge.push(hash);
            }
            edge.changed = false;
        }
        Ok(appender)
    }

    /// Leaves in the tree, with those just appended.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree, with the leaves just appended.
    pub fn root(&self) -> Hash {
        let from_right = self.levels.iter().flat_map(|edge| edge.peaks.iter().rev());
        fold_peaks(from_right).unwrap_or(EMPTY_ROOT)
    }

    /// Appends leaf hashes in their order. All or none.
    ///
    /// # Errors
    /// [`TreeSizeError`] when the tree would grow beyond [`TREE_SIZE_MAX`].
    pub fn append(&mut self, leaves: &[Hash]) -> Result<(), TreeSizeError> {
        if leaves.len() as u64 > TREE_SIZE_MAX - self.size {
            return Err(TreeSizeError { size: self.size, added: leaves.len() });
        }
        for leaf in leaves {
            self.push(*leaf);
        }
        Ok(())
    }

    fn push(&mut self, leaf: Hash) {
        self.size += 1;
        let mut hash = leaf;
        for (level, edge) in (0..TILE_LEVELS).zip(&mut self.levels) {
            edge.push(hash);
            let Some((bytes, root)) = edge.take_full() else { return };
            // It became full with this leaf, so it ends where the tree ends.
            let index = (self.size >> (TILE_HEIGHT * (u32::from(level) + 1))) - 1;
            self.full.push(Tile { id: TileId { level, index }, bytes });
            hash = root;
        }
    }

    /// Every tile that changed since loading or since the last call, each once and whole: the full ones,
    /// then the partial ones at the edge. To be written before a checkpoint of this size is published.
    pub fn take_tiles(&mut self) -> Vec<Tile> {
        let mut tiles = std::mem::take(&mut self.full);
        for (level, edge) in (0..TILE_LEVELS).zip(&mut self.levels) {
            if std::mem::take(&mut edge.changed) {
                let (id, _) = edge_of(level, self.size);
                tiles.push(Tile { id, bytes: edge.bytes.clone() });
            }
        }
        tiles
    }
}

/// The tile at the right end of a level and how many hashes it holds, 0 to 255.
fn edge_of(level: u8, size: u64) -> (TileId, usize) {
    let hashes = size >> (TILE_HEIGHT * u32::from(level));
    let id = TileId { level, index: hashes >> TILE_HEIGHT };
    (id, (hashes % TILE_HASHES as u64) as usize)
}

fn hashes(bytes: &[u8]) -> impl Iterator<Item = Hash> {
    bytes.as_chunks().0.iter().copied()
}

fn read_tile<R: TileReader>(
    reader: &mut R,
    id: TileId,
    width: usize,
) -> Result<Vec<u8>, TileError<R::Error>> {
    let read = reader.tile(id).map_err(|source| TileError::Read { id, source })?;
    let bytes = read.ok_or(TileError::Missing { id })?;
    let (needed, found) = (width * HASH_BYTES, bytes.len());
    if !(needed..=TILE_BYTES).contains(&found) || found % HASH_BYTES != 0 {
        return Err(TileError::Bytes { id, needed, found });
    }
    Ok(bytes)
}

/// Tiles that were read and hashed, kept from one [`Prover`] to the next: at most [`PROVER_TILES_MAX`].
/// They stay true while the log grows, but not when tiles are replaced by others: a cache that saw tiles
/// of a transaction that was rolled back must be cleared.
#[derive(Default)]
pub struct TileCache {
    tiles: HashMap<TileId, FoldedTile>,
}

impl TileCache {
    /// Holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.tiles.clear();
    }

    fn insert(&mut self, id: TileId, tile: FoldedTile) {
        if self.tiles.len() >= PROVER_TILES_MAX {
            // Every proof needs the few tiles of the upper levels.
            self.tiles.retain(|id, _| id.level > 0);
        }
        if self.tiles.len() >= PROVER_TILES_MAX {
            self.tiles.clear();
        }
        self.tiles.insert(id, tile);
    }
}

/// Answers from tiles, each read and hashed once while the cache keeps it, however many proofs need it.
pub struct Prover<'a, R, C = TileCache> {
    reader: &'a mut R,
    cache: C,
}

/// A tile and all nodes within it, except its root, which is a hash of the level above.
struct FoldedTile {
    width: usize,
    // Row after row: the tile's hashes, then their parents, up to eight rows.
    nodes: Vec<Hash>,
}

impl FoldedTile {
    fn new(bytes: &[u8]) -> Self {
        let width = bytes.len() / HASH_BYTES;
        let mut nodes = Vec::with_capacity(2 * width);
        nodes.extend(hashes(bytes));
        let mut row = 0..width;
        for _ in 1..TILE_HEIGHT {
            let parents = nodes.len();
            for pair in row.clone().step_by(2) {
                if let Some([left, right]) = nodes.get(pair..row.end).and_then(|nodes| nodes.first_chunk()) {
                    nodes.push(node_hash(left, right));
                }
            }
            row = parents..nodes.len();
        }
        FoldedTile { width, nodes }
    }

    fn node(&self, row: u32, at: usize) -> Option<Hash> {
        let start: usize = (0..row).map(|row| self.width >> row).sum();
        if at >= self.width >> row {
            return None;
        }
        self.nodes.get(start + at).copied()
    }
}

impl<'a, R: TileReader> Prover<'a, R> {
    /// With a cache of its own; reads nothing yet.
    pub fn new(reader: &'a mut R) -> Self {
        Prover { reader, cache: TileCache::new() }
    }
}

impl<'a, R: TileReader> Prover<'a, R, &'a mut TileCache> {
    /// With a cache that outlives it, of the same log; reads nothing yet.
    pub fn with_cache(reader: &'a mut R, cache: &'a mut TileCache) -> Self {
        Prover { reader, cache }
    }
}

impl<R: TileReader, C: BorrowMut<TileCache>> Prover<'_, R, C> {
    /// Root of the first `size` leaves.
    ///
    /// # Errors
    /// [`TileError`] when a tile is missing, too short or cannot be read.
    pub fn root(&mut self, size: u64) -> Result<Hash, TileError<R::Error>> {
        if size == 0 { Ok(EMPTY_ROOT) } else { self.subtree(0..size) }
    }

    /// Sibling hashes of leaf `index` in the tree of the first `size` leaves, from the leaf to the root.
    ///
    /// # Errors
    /// [`TileError::Range`] when the leaf is not in the tree; the others as for [`Prover::root`].
    pub fn inclusion_proof(&mut self, index: u64, size: u64) -> Result<Vec<Hash>, TileError<R::Error>> {
        inclusion_ranges(index, size)?.into_iter().map(|range| self.subtree(range)).collect()
    }

    /// Proof that the tree of the first `old` leaves is the beginning of the tree of the first `new`.
    ///
    /// # Errors
    /// [`TileError::Range`] when `old` is larger; the others as for [`Prover::root`].
    pub fn consistency_proof(&mut self, old: u64, new: u64) -> Result<Vec<Hash>, TileError<R::Error>> {
        consistency_ranges(old, new)?.into_iter().map(|range| self.subtree(range)).collect()
    }

    /// Root over a range of leaves, not empty, that starts at a multiple of the power of two not below
    /// its length: complete subtrees of falling height, left to right.
    fn subtree(&mut self, range: Range<u64>) -> Result<Hash, TileError<R::Error>> {
        let mut end = range.end;
        let mut from_right = Vec::with_capacity(64);
        while end > range.start {
            let height = (end - range.start).trailing_zeros();
            from_right.push(self.node(height, (end >> height) - 1)?);
            end -= 1 << height;
        }
        Ok(fold_peaks(from_right.iter()).unwrap_or(EMPTY_ROOT))
    }

    /// Root of the complete subtree number `index` of those that are 2^`height` leaves wide.
    fn node(&mut self, height: u32, index: u64) -> Result<Hash, TileError<R::Error>> {
        let row = height % TILE_HEIGHT;
        let in_row = TILE_HASHES as u64 >> row;
        // Heights are below 64 and what remains of a division by 256 is below 256: no cast cuts.
        let id = TileId { level: (height / TILE_HEIGHT) as u8, index: index / in_row };
        let at = (index % in_row) as usize;
        if let Some(node) = self.cache.borrow().tiles.get(&id).and_then(|tile| tile.node(row, at)) {
            return Ok(node);
        }
        // Not read yet, or read before the log grew this far.
        let width = (at + 1) << row;
        let bytes = read_tile(self.reader, id, width)?;
        let tile = FoldedTile::new(&bytes);
        let node = tile.node(row, at);
        self.cache.borrow_mut().insert(id, tile);
        // `read_tile` saw to the width; were it otherwise, this is the error to give.
        node.ok_or(TileError::Bytes { id, needed: width * HASH_BYTES, found: bytes.len() })
    }
}

/// Root of the first `size` leaves. Reads at most eight tiles.
///
/// # Errors
/// As [`Prover::root`].
pub fn root<R: TileReader>(reader: &mut R, size: u64) -> Result<Hash, TileError<R::Error>> {
    Prover::new(reader).root(size)
}

/// One inclusion proof; reads at most two tiles a level. For many, use a [`Prover`].
///
/// # Errors
/// As [`Prover::inclusion_proof`].
pub fn inclusion_proof<R: TileReader>(
    reader: &mut R,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, TileError<R::Error>> {
    Prover::new(reader).inclusion_proof(index, size)
}

/// One consistency proof; reads at most two tiles a level.
///
/// # Errors
/// As [`Prover::consistency_proof`].
pub fn consistency_proof<R: TileReader>(
    reader: &mut R,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, TileError<R::Error>> {
    Prover::new(reader).consistency_proof(old, new)
}
