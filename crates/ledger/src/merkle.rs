// SPDX-License-Identifier: Apache-2.0
//! The Merkle tree of RFC 6962, section 2.1: hashes, proofs and their verification (RFC 9162, section
//! 2.1). Pure and in memory; [`crate::tile`] keeps the same tree in tiles.

use std::ops::Range;

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

/// A SHA-256 hash: of a leaf, of an inner node or of a whole tree.
pub type Hash = [u8; 32];

/// Most leaves of one tree: sizes stay below 2^63 so that they fit a signed SQL integer.
pub const TREE_SIZE_MAX: u64 = i64::MAX as u64;

/// Root of the tree without leaves: SHA-256 of nothing (RFC 6962, section 2.1).
pub const EMPTY_ROOT: Hash = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// `SHA-256(0x00 ‖ entry)`.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    // The 65 bytes always pad to the same two blocks. Filling them here rather than in a general hasher
    // is a third faster, and nearly all of the ledger's hashing ends here.
    // All indices are constants within arrays.
    const BITS: [u8; 2] = (65u16 * 8).to_be_bytes();
    let mut blocks = [[0u8; 64]; 2];
    let [first, second] = &mut blocks;
    let [last_right, end, .., bits_high, bits_low] = second;
    first[0] = 1;
    first[1..33].copy_from_slice(left);
    first[33..64].copy_from_slice(&right[..31]);
    *last_right = right[31];
    *end = 0x80;
    [*bits_high, *bits_low] = BITS;

    let mut state = SHA256_START;
    compress256(&mut state, &blocks);
    let mut hash = [0; 32];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    hash
}

/// Initial state of SHA-256 (FIPS 180-4, section 5.3.3).
const SHA256_START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Root of the tree over these leaf hashes, in O(n).
pub fn root_of(leaves: &[Hash]) -> Hash {
    let mut peaks = Vec::new();
    for (count, leaf) in leaves.iter().enumerate() {
        push_peak(&mut peaks, count, *leaf);
    }
    fold_peaks(peaks.iter().rev()).unwrap_or(EMPTY_ROOT)
}

/// Adds hash number `count` to the roots of the complete subtrees over the hashes before it, which are
/// kept from left to right, each taller than the next.
pub(crate) fn push_peak(peaks: &mut Vec<Hash>, count: usize, hash: Hash) {
    let mut node = hash;
    for _ in 0..count.trailing_ones() {
        if let Some(left) = peaks.pop() {
            node = node_hash(&left, &node);
        }
    }
    peaks.push(node);
}

/// Joins the roots of complete subtrees, given from the rightmost to the leftmost; nothing for none.
pub(crate) fn fold_peaks<'a>(from_right: impl Iterator<Item = &'a Hash>) -> Option<Hash> {
    from_right.copied().reduce(|right, left| node_hash(&left, &right))
}

/// Why no proof can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofRangeError {
    /// The leaf is not in the tree.
    #[error("leaf {index} is not in a tree of {size}")]
    Index {
        /// Index that was asked for, from 0.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// The older tree is larger than the newer.
    #[error("a tree of {old} is not the beginning of a tree of {new}")]
    Sizes {
        /// Leaves in the older tree.
        old: u64,
        /// Leaves in the newer tree.
        new: u64,
    },
}

/// Sibling hashes from the leaf to the root (RFC 6962, section 2.1.1), in O(n).
///
/// # Errors
/// [`ProofRangeError::Index`].
pub fn inclusion_proof(leaves: &[Hash], index: u64) -> Result<Vec<Hash>, ProofRangeError> {
    Ok(hash_ranges(leaves, inclusion_ranges(index, leaves.len() as u64)?))
}

/// Proof that the first `old` leaves were the whole tree once (RFC 6962, section 2.1.2), in O(n).
/// Empty when `old` is 0 or all of them.
///
/// # Errors
/// [`ProofRangeError::Sizes`].
pub fn consistency_proof(leaves: &[Hash], old: u64) -> Result<Vec<Hash>, ProofRangeError> {
    Ok(hash_ranges(leaves, consistency_ranges(old, leaves.len() as u64)?))
}

fn hash_ranges(leaves: &[Hash], ranges: Vec<Range<u64>>) -> Vec<Hash> {
    // The ranges lie within `leaves.len()`, so they fit usize and never miss.
    let part = |range: Range<u64>| leaves.get(range.start as usize..range.end as usize).unwrap_or(&[]);
    ranges.into_iter().map(|range| root_of(part(range))).collect()
}

/// The leaves under each hash of an inclusion proof, in the proof's order. A range starts at a multiple
/// of the power of two that is not below its length, as RFC 6962 divides trees.
pub(crate) fn inclusion_ranges(index: u64, size: u64) -> Result<Vec<Range<u64>>, ProofRangeError> {
    if index >= size {
        return Err(ProofRangeError::Index { index, size });
    }
    let mut ranges = Vec::with_capacity(64);
    let mut tree = 0..size;
    while tree.end - tree.start > 1 {
        let middle = split(&tree);
        if index < middle {
            ranges.push(middle..tree.end);
            tree.end = middle;
        } else {
            ranges.push(tree.start..middle);
            tree.start = middle;
        }
    }
    ranges.reverse();
    Ok(ranges)
}

/// The leaves under each hash of a consistency proof, in the proof's order (SUBPROOF of RFC 6962).
pub(crate) fn consistency_ranges(old: u64, new: u64) -> Result<Vec<Range<u64>>, ProofRangeError> {
    if old > new {
        return Err(ProofRangeError::Sizes { old, new });
    }
    if old == 0 {
        return Ok(Vec::new());
    }
    let mut ranges = Vec::with_capacity(64);
    let mut tree = 0..new;
    while old != tree.end {
        let middle = split(&tree);
        if old <= middle {
            ranges.push(middle..tree.end);
            tree.end = middle;
        } else {
            ranges.push(tree.start..middle);
            tree.start = middle;
        }
    }
    // The old tree itself needs no hash: the verifier has its root.
    if tree.start != 0 {
        ranges.push(tree);
    }
    ranges.reverse();
    Ok(ranges)
}

/// Where RFC 6962 divides a tree of at least two leaves: after the largest power of two below its size.
fn split(tree: &Range<u64>) -> u64 {
    tree.start + (1 << (tree.end - tree.start - 1).ilog2())
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf is not in the tree.
    #[error("leaf {index} is not in a tree of {size}")]
    Index {
        /// Index that the proof is said to be for, from 0.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// More or fewer hashes than a proof for these sizes has.
    #[error("the proof has the wrong number of hashes, {found}")]
    Length {
        /// Hashes in the proof.
        found: usize,
    },
    /// The proof leads to another root of the older tree.
    #[error("the proof does not lead to the root of the older tree")]
    OldRoot,
    /// The proof leads to another root.
    #[error("the proof does not lead to the root of the tree")]
    Root,
    /// The older tree is larger than the newer.
    #[error("a tree of {old} is not the beginning of a tree of {new}")]
    Sizes {
        /// Leaves in the older tree.
        old: u64,
        /// Leaves in the newer tree.
        new: u64,
    },
}

/// Checks that the leaf with this hash is number `index` (from 0) in the tree of `size` leaves with this
/// root (RFC 9162, section 2.1.3.2).
///
/// # Errors
/// [`ProofError`]; one hash too many or too few is refused.
pub fn verify_inclusion(
    leaf_hash: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Index { index, size });
    }
    let wrong_length = ProofError::Length { found: proof.len() };
    // fn, sn and r of the RFC.
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf_hash);
    for sibling in proof {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            let levels = levels_without_sibling(node);
            (node, last) = (node >> levels, last >> levels);
        } else {
            hash = node_hash(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(wrong_length);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree of `old` leaves with root `old_root` is the beginning of the tree of `new`
/// leaves with root `new_root` (RFC 9162, section 2.1.4.2). The tree of 0 leaves begins every tree and
/// takes an empty proof (C2SP tlog-witness).
///
/// # Errors
/// [`ProofError`]; a root that is not the one for its size's proof, or a hash too many or too few.
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Sizes { old, new });
    }
    if old == 0 || old == new {
        return verify_without_proof(old, old_root, new_root, proof);
    }
    let wrong_length = ProofError::Length { found: proof.len() };
    // A complete older tree is itself the first node of the path; the proof leaves it out.
    let (start, path) = match proof.split_first() {
        Some(_) if old.is_power_of_two() => (old_root, proof),
        Some((first, rest)) => (first, rest),
        None => return Err(wrong_length),
    };
    // fn, sn, fr and sr of the RFC.
    let complete = (old - 1).trailing_ones();
    let (mut node, mut last) = ((old - 1) >> complete, (new - 1) >> complete);
    let (mut old_hash, mut new_hash) = (*start, *start);
    for sibling in path {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            let levels = levels_without_sibling(node);
            (node, last) = (node >> levels, last >> levels);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(wrong_length);
    }
    if old_hash != *old_root {
        return Err(ProofError::OldRoot);
    }
    if new_hash == *new_root { Ok(()) } else { Err(ProofError::Root) }
}

fn verify_without_proof(
    old: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if !proof.is_empty() {
        return Err(ProofError::Length { found: proof.len() });
    }
    let expected = if old == 0 { &EMPTY_ROOT } else { new_root };
    if old_root == expected { Ok(()) } else { Err(ProofError::OldRoot) }
}

/// Levels on which a node on the right edge has no sibling: RFC 9162 skips them until the node's number
/// is odd or zero. None for an odd number.
fn levels_without_sibling(node: u64) -> u32 {
    if node == 0 { 0 } else { node.trailing_zeros() }
}
