// SPDX-License-Identifier: Apache-2.0
//! The tree against ct-merkle and against itself: from leaves and from tiles, in any batching.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::num::NonZeroU8;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ledger::merkle::{
    self, EMPTY_ROOT, Hash, ProofError, ProofRangeError, TREE_SIZE_MAX, leaf_hash, node_hash, root_of,
    verify_consistency, verify_inclusion,
};
use ledger::tile::{
    self, Appender, PROVER_TILES_MAX, Prover, TILE_BYTES, TILE_HASHES, TileCache, TileError, TileId,
    TileReader, TreeSizeError,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

type Oracle = MemoryBackedTree<Sha256, Vec<u8>>;

fn entry(index: usize) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|index| leaf_hash(&entry(index))).collect()
}

fn oracle(size: usize) -> Oracle {
    let mut tree = Oracle::new();
    (0..size).for_each(|index| tree.push(entry(index)));
    tree
}

fn oracle_root(tree: &Oracle) -> Hash {
    tree.root().as_bytes().as_slice().try_into().unwrap()
}

fn split_hashes(bytes: &[u8]) -> Vec<Hash> {
    assert_eq!(bytes.len() % 32, 0);
    bytes.as_chunks().0.to_vec()
}

/// Tiles in memory, as a database keeps them: the newest version of each.
#[derive(Default, Clone)]
struct Stored {
    tiles: HashMap<TileId, Vec<u8>>,
    reads: Vec<TileId>,
}

impl TileReader for Stored {
    type Error = Infallible;

    fn tile(&mut self, id: TileId) -> Result<Option<Vec<u8>>, Infallible> {
        self.reads.push(id);
        Ok(self.tiles.get(&id).cloned())
    }
}

impl Stored {
    fn write(&mut self, appender: &mut Appender) {
        for tile in appender.take_tiles() {
            assert!((1..=TILE_HASHES).contains(&tile.width()));
            self.tiles.insert(tile.id, tile.bytes);
        }
    }

    fn of(leaves: &[Hash]) -> Self {
        let (mut stored, mut appender) = (Stored::default(), Appender::new());
        appender.append(leaves).unwrap();
        stored.write(&mut appender);
        stored
    }
}

#[test]
fn hashes_are_those_of_rfc_6962() {
    assert_eq!(EMPTY_ROOT, <[u8; 32]>::from(Sha256::digest(b"")));
    assert_eq!(root_of(&[]), EMPTY_ROOT);
    assert_eq!(leaf_hash(b"entry"), <[u8; 32]>::from(Sha256::digest(b"\x00entry")));
    for seed in 0..=255u8 {
        let left: Hash = std::array::from_fn(|at| seed.wrapping_add(at as u8));
        let right: Hash = std::array::from_fn(|at| seed.wrapping_mul(3) ^ (at as u8));
        let general = Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize();
        assert_eq!(node_hash(&left, &right), <[u8; 32]>::from(general));
    }
}

#[test]
fn roots_and_inclusion_proofs_equal_the_oracles() {
    let all = leaves(300);
    let (mut tree, mut tiles, mut cache) = (Oracle::new(), Stored::of(&all), TileCache::new());
    let mut prover = Prover::with_cache(&mut tiles, &mut cache);
    for size in 0..=all.len() {
        let leaves = &all[..size];
        let root = root_of(leaves);
        assert_eq!(root, oracle_root(&tree), "size {size}");
        assert_eq!(root, prover.root(size as u64).unwrap(), "size {size}");
        for (index, leaf) in leaves.iter().enumerate() {
            let proof = prover.inclusion_proof(index as u64, size as u64).unwrap();
            assert_eq!(proof, split_hashes(tree.prove_inclusion(index).as_bytes()), "{index} of {size}");
            // From leaves each proof costs the whole tree: every one up to 100, then every seventh.
            if size <= 100 || index % 7 == 0 || index + 1 == size {
                assert_eq!(proof, merkle::inclusion_proof(leaves, index as u64).unwrap());
            }
            let verdict = verify_inclusion(leaf, index as u64, size as u64, &proof, &root);
            assert_eq!(verdict, Ok(()), "{index} of {size}");
        }
        tree.push(entry(size));
    }
}

#[test]
fn wrong_inclusion_proofs_are_refused() {
    for size in (1..=40).chain([64, 65, 255, 256, 257]) {
        let leaves = leaves(size);
        let (root, size) = (root_of(&leaves), size as u64);
        for index in (0..size).step_by(1 + size as usize / 20) {
            let leaf = leaves[index as usize];
            let proof = merkle::inclusion_proof(&leaves, index).unwrap();
            let check =
                |leaf: &Hash, index: u64, proof: &[Hash]| verify_inclusion(leaf, index, size, proof, &root);
            assert_eq!(check(&leaf, index, &proof), Ok(()));
            assert_eq!(check(&leaf, size, &proof), Err(ProofError::Index { index: size, size }));
            assert_eq!(check(&[0; 32], index, &proof), Err(ProofError::Root));
            for other in (0..size).filter(|other| *other != index) {
                assert!(check(&leaf, other, &proof).is_err(), "{other} for {index} of {size}");
            }
            let longer = [proof.as_slice(), &[root]].concat();
            assert_eq!(check(&leaf, index, &longer), Err(ProofError::Length { found: longer.len() }));
            if let Some((_, shorter)) = proof.split_last() {
                assert_eq!(check(&leaf, index, shorter), Err(ProofError::Length { found: shorter.len() }));
            }
            for at in 0..proof.len() {
                let mut altered = proof.clone();
                altered[at][31] ^= 1;
                assert_eq!(check(&leaf, index, &altered), Err(ProofError::Root));
            }
        }
    }
}

#[test]
fn an_inner_node_is_no_leaf() {
    let leaves = leaves(4);
    let inner = node_hash(&leaves[0], &leaves[1]);
    let other = node_hash(&leaves[2], &leaves[3]);
    let root = root_of(&leaves);
    assert_eq!(verify_inclusion(&inner, 0, 2, &[other], &root), Ok(()), "hashes alone cannot tell");
    assert!(verify_inclusion(&inner, 0, 4, &[other], &root).is_err(), "the signed size does");
    let pretended = leaf_hash(&[leaves[0], leaves[1]].concat());
    assert!(verify_inclusion(&pretended, 0, 2, &[other], &root).is_err());
}

#[test]
fn consistency_proofs_equal_the_oracles() {
    let all = leaves(300);
    let roots: Vec<Hash> = (0..=all.len()).map(|size| root_of(&all[..size])).collect();
    for new in (1..=66).chain([100, 127, 128, 129, 200, 255, 256, 257, 299, 300]) {
        let tree = oracle(new);
        let step = if new <= 66 { 1 } else { 7 };
        for old in (1..=new).step_by(step).chain([new]) {
            let proof = merkle::consistency_proof(&all[..new], old as u64).unwrap();
            assert_eq!(proof, split_hashes(tree.prove_consistency(new - old).as_bytes()), "{old} to {new}");
            let verdict = verify_consistency(old as u64, &roots[old], new as u64, &roots[new], &proof);
            assert_eq!(verdict, Ok(()), "{old} to {new}");
        }
    }
}

#[test]
fn wrong_consistency_proofs_are_refused() {
    let all = leaves(70);
    let roots: Vec<Hash> = (0..=all.len()).map(|size| root_of(&all[..size])).collect();
    for new in 2..=all.len() {
        for old in 1..new {
            let proof = merkle::consistency_proof(&all[..new], old as u64).unwrap();
            let check = |old_root: &Hash, new_root: &Hash, proof: &[Hash]| {
                verify_consistency(old as u64, old_root, new as u64, new_root, proof)
            };
            let (from, to) = (&roots[old], &roots[new]);
            assert!(check(&[9; 32], to, &proof).is_err());
            assert_eq!(check(from, &[9; 32], &proof), Err(ProofError::Root));
            assert_eq!(check(from, from, &proof), Err(ProofError::Root));
            let longer = [proof.as_slice(), &[*to]].concat();
            assert_eq!(check(from, to, &longer), Err(ProofError::Length { found: longer.len() }));
            let (_, shorter) = proof.split_last().unwrap();
            assert_eq!(check(from, to, shorter), Err(ProofError::Length { found: shorter.len() }));
            for at in 0..proof.len() {
                let mut altered = proof.clone();
                altered[at][0] ^= 0x80;
                assert!(matches!(check(from, to, &altered), Err(ProofError::Root | ProofError::OldRoot)));
            }
        }
    }
}

#[test]
fn a_rewritten_history_has_no_consistency_proof() {
    let honest = leaves(20);
    let mut forged = leaves(33);
    forged[7] = leaf_hash(b"another entry");
    for old in 1..=20usize {
        let proof = merkle::consistency_proof(&forged, old as u64).unwrap();
        let verdict = verify_consistency(old as u64, &root_of(&honest[..old]), 33, &root_of(&forged), &proof);
        assert_eq!(verdict.is_ok(), old <= 7, "old size {old}");
    }
}

#[test]
fn consistency_at_the_borders() {
    let root = root_of(&leaves(5));
    let verify = verify_consistency;
    assert_eq!(verify(0, &EMPTY_ROOT, 5, &root, &[]), Ok(()));
    assert_eq!(verify(0, &EMPTY_ROOT, 0, &EMPTY_ROOT, &[]), Ok(()));
    assert_eq!(verify(0, &EMPTY_ROOT, 5, &root, &[root]), Err(ProofError::Length { found: 1 }));
    assert_eq!(verify(0, &root, 5, &root, &[]), Err(ProofError::OldRoot));
    assert_eq!(verify(5, &root, 5, &root, &[]), Ok(()));
    assert_eq!(verify(5, &root, 5, &root, &[root]), Err(ProofError::Length { found: 1 }));
    assert_eq!(verify(5, &root, 5, &EMPTY_ROOT, &[]), Err(ProofError::OldRoot));
    assert_eq!(verify(6, &root, 5, &root, &[]), Err(ProofError::Sizes { old: 6, new: 5 }));
    assert_eq!(verify(3, &root, 5, &root, &[]), Err(ProofError::Length { found: 0 }));
    assert_eq!(verify(4, &root, 5, &root, &[]), Err(ProofError::Length { found: 0 }));
    let far = u64::MAX;
    for (old, new) in [(1, far), (far - 1, far), (1 << 63, far), ((1 << 63) - 1, 1 << 63)] {
        assert!(verify(old, &root, new, &root, &[root; 70]).is_err(), "{old} to {new}");
        assert!(verify_inclusion(&root, old, new, &[root; 70], &root).is_err());
    }
    let leaves = leaves(5);
    let none = Err(ProofRangeError::Sizes { old: 6, new: 5 });
    assert_eq!(merkle::consistency_proof(&leaves, 6), none);
    let none = Err(ProofRangeError::Index { index: 5, size: 5 });
    assert_eq!(merkle::inclusion_proof(&leaves, 5), none);
    assert_eq!(merkle::inclusion_proof(&[], 0), Err(ProofRangeError::Index { index: 0, size: 0 }));
}

#[test]
fn tile_paths_are_those_of_c2sp() {
    let path = |level, index| TileId { level, index }.path();
    assert_eq!(path(0, 0), "tile/0/000");
    assert_eq!(path(1, 67), "tile/1/067");
    assert_eq!(path(0, 999), "tile/0/999");
    assert_eq!(path(0, 1000), "tile/0/x001/000");
    assert_eq!(path(3, 1_234_067), "tile/3/x001/x234/067");
    assert_eq!(path(0, 1_000_000), "tile/0/x001/x000/000");
    assert_eq!(path(0, u64::MAX), "tile/0/x018/x446/x744/x073/x709/x551/615");
    let width = NonZeroU8::new(112).unwrap();
    assert_eq!(TileId { level: 0, index: 273 }.partial_path(width), "tile/0/273.p/112");
    assert_eq!(tile::entries_path(1_234_067), "tile/entries/x001/x234/067");
}

#[test]
fn tiles_of_every_size_give_the_roots_and_proofs_of_the_leaves() {
    let all = leaves(520);
    let mut tiles = Stored::of(&all);
    let mut prover = Prover::new(&mut tiles);
    for size in 0..=all.len() {
        let from_tiles = prover.root(size as u64).unwrap();
        assert_eq!(from_tiles, root_of(&all[..size]), "size {size}");
    }
    for size in [1, 2, 3, 127, 254, 255, 256, 257, 258, 300, 511, 512, 513, 520] {
        for index in (0..size as u64).step_by(if size < 300 { 1 } else { 3 }) {
            let expected = merkle::inclusion_proof(&all[..size], index).unwrap();
            let proof = prover.inclusion_proof(index, size as u64).unwrap();
            assert_eq!(proof, expected, "{index} of {size}");
        }
        for old in (0..=size as u64).step_by(if size < 300 { 1 } else { 3 }) {
            let expected = merkle::consistency_proof(&all[..size], old).unwrap();
            assert_eq!(prover.consistency_proof(old, size as u64).unwrap(), expected, "{old} to {size}");
        }
    }
}

/// Leaf hashes that cost nothing, for large trees.
fn synthetic(count: u64) -> Vec<Hash> {
    (0..count)
        .map(|index| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&index.to_le_bytes());
            hash
        })
        .collect()
}

#[test]
fn two_full_levels_of_tiles() {
    let all = synthetic(65_537);
    for size in 65_535..=65_537u64 {
        let now = &all[..size as usize];
        let mut tiles = Stored::of(now);
        let root = tile::root(&mut tiles, size).unwrap();
        assert_eq!(root, root_of(now));
        assert!(tiles.reads.len() <= 8, "{}", tiles.reads.len());
        for index in [0, 255, 256, 32_768, 65_279, 65_280, size - 1] {
            tiles.reads.clear();
            let proof = tile::inclusion_proof(&mut tiles, index, size).unwrap();
            assert!(tiles.reads.len() <= 6, "{index} of {size}: {:?}", tiles.reads);
            assert_eq!(verify_inclusion(&now[index as usize], index, size, &proof, &root), Ok(()));
            assert_eq!(proof, merkle::inclusion_proof(now, index).unwrap(), "{index} of {size}");
        }
        for old in [1, 256, 257, 65_279, 65_280, size - 1, size] {
            tiles.reads.clear();
            let proof = tile::consistency_proof(&mut tiles, old, size).unwrap();
            assert!(tiles.reads.len() <= 6, "{old} to {size}: {:?}", tiles.reads);
            assert_eq!(proof, merkle::consistency_proof(now, old).unwrap(), "{old} to {size}");
            let old_root = root_of(&all[..old as usize]);
            assert_eq!(verify_consistency(old, &old_root, size, &root, &proof), Ok(()));
        }
    }
}

#[test]
fn one_append_gives_each_tile_once_and_full_ones_once_for_ever() {
    let all = synthetic(65_536 + 300);
    let mut appender = Appender::new();
    appender.append(&all[..65_000]).unwrap();
    let first = appender.take_tiles();
    assert_eq!(appender.take_tiles(), []);
    appender.append(&[]).unwrap();
    assert_eq!(appender.take_tiles(), []);
    appender.append(&all[65_000..]).unwrap();
    let second = appender.take_tiles();

    let ids = |tiles: &[tile::Tile]| tiles.iter().map(|tile| tile.id).collect::<Vec<_>>();
    for ids in [ids(&first), ids(&second)] {
        let mut unique = ids.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), ids.len());
    }
    let full = |tiles: &[tile::Tile]| tiles.iter().filter(|tile| tile.bytes.len() == TILE_BYTES).count();
    // 253 full tiles of leaves; then 4 more, the first of level 1, and partial ones on levels 0, 1, 2.
    assert_eq!((full(&first), first.len()), (253, 255));
    assert_eq!((full(&second), second.len()), (5, 8));
    assert_eq!(second.last().unwrap().id, TileId { level: 2, index: 0 });
    let whole = Stored::of(&all);
    let mut piecewise = Stored::default();
    first.into_iter().chain(second).for_each(|tile| drop(piecewise.tiles.insert(tile.id, tile.bytes)));
    assert_eq!(piecewise.tiles, whole.tiles);
}

#[test]
fn bad_tiles_are_reported_not_believed() {
    let all = leaves(300);
    let good = Stored::of(&all);
    let edge = TileId { level: 0, index: 1 };
    let with = |bytes: Option<Vec<u8>>| {
        let mut tiles = good.clone();
        match bytes {
            Some(bytes) => drop(tiles.tiles.insert(edge, bytes)),
            None => drop(tiles.tiles.remove(&edge)),
        }
        tiles
    };
    let edge_bytes = good.tiles[&edge].clone();
    assert_eq!(edge_bytes.len(), 44 * 32);

    let missing = || TileError::Missing { id: edge };
    assert_eq!(Appender::load(&mut with(None), 300).unwrap_err(), missing());
    assert_eq!(tile::root(&mut with(None), 300), Err(missing()));
    for found in [0, 31, 43 * 32, 44 * 32 + 1, TILE_BYTES + 32] {
        let mut bytes = edge_bytes.clone();
        bytes.resize(found, 0);
        let wrong = || TileError::Bytes { id: edge, needed: 44 * 32, found };
        assert_eq!(Appender::load(&mut with(Some(bytes.clone())), 300).unwrap_err(), wrong());
        assert_eq!(tile::root(&mut with(Some(bytes)), 300), Err(wrong()));
    }
    let mut failing = |_| Err("disk on fire");
    let failed = TileError::Read { id: TileId { level: 1, index: 0 }, source: "disk on fire" };
    assert_eq!(tile::root(&mut failing, 256), Err(failed));
    let mut whole = good.clone();
    let out_of_range = TileError::Range(ProofRangeError::Index { index: 300, size: 300 });
    assert_eq!(tile::inclusion_proof(&mut whole, 300, 300), Err(out_of_range));
    let beyond = tile::inclusion_proof(&mut whole, 0, 301).unwrap_err();
    assert_eq!(beyond, TileError::Bytes { id: edge, needed: 45 * 32, found: 44 * 32 });

    let mut changed = edge_bytes;
    changed[5] ^= 1;
    assert_ne!(tile::root(&mut with(Some(changed)), 300).unwrap(), root_of(&all));
}

#[test]
fn a_tree_stops_at_its_largest_size() {
    // A reader whose every tile is full of the same hash stands for a log of any size.
    let mut endless = |_| Ok::<_, Infallible>(Some(vec![7; TILE_BYTES]));
    let mut appender = Appender::load(&mut endless, TREE_SIZE_MAX - 1).unwrap();
    let two = TreeSizeError { size: TREE_SIZE_MAX - 1, added: 2 };
    assert_eq!(appender.append(&[[7; 32]; 2]), Err(two));
    assert_eq!(appender.size(), TREE_SIZE_MAX - 1);
    assert_eq!(appender.append(&[[7; 32]]), Ok(()));
    assert_eq!(appender.root(), tile::root(&mut endless, TREE_SIZE_MAX).unwrap());
    let full = TreeSizeError { size: TREE_SIZE_MAX, added: 1 };
    assert_eq!(appender.append(&[[7; 32]]), Err(full));
    let beyond = Appender::load(&mut endless, TREE_SIZE_MAX + 1).unwrap_err();
    assert_eq!(beyond, TileError::Size(TreeSizeError { size: TREE_SIZE_MAX + 1, added: 0 }));
}

#[test]
fn a_prover_follows_a_growing_log_and_reads_each_tile_once() {
    let all = leaves(700);
    let (mut appender, mut tiles) = (Appender::new(), Stored::default());
    appender.append(&all[..270]).unwrap();
    tiles.write(&mut appender);
    let grown = std::cell::RefCell::new(tiles);
    let reads = std::cell::Cell::new(0);
    let mut reader = |id: TileId| {
        reads.set(reads.get() + 1);
        grown.borrow_mut().tile(id)
    };
    let mut cache = TileCache::new();
    let mut prover = Prover::with_cache(&mut reader, &mut cache);
    for size in [270, 290, 700] {
        if appender.size() < size {
            appender.append(&all[appender.size() as usize..size as usize]).unwrap();
            grown.borrow_mut().write(&mut appender);
        }
        let now = &all[..size as usize];
        for index in 0..size {
            let expected = merkle::inclusion_proof(now, index).unwrap();
            assert_eq!(prover.inclusion_proof(index, size).unwrap(), expected, "{index} of {size}");
        }
        assert_eq!(prover.root(size).unwrap(), root_of(now));
    }
    // Three tiles at 270 (two of leaves, one above), and one more read for each that had to grow.
    assert!(reads.get() <= 9, "{} reads", reads.get());
}

#[test]
fn a_cache_forgets_leaf_tiles_before_it_grows_too_large() {
    let size = (PROVER_TILES_MAX as u64 + 30) * 256;
    let mut reads: HashMap<TileId, usize> = HashMap::new();
    let mut reader = |id| {
        *reads.entry(id).or_default() += 1;
        Ok::<_, Infallible>(Some(vec![7; TILE_BYTES]))
    };
    let mut cache = TileCache::new();
    let at_start = tile::inclusion_proof(&mut reader, 0, size).unwrap();
    for index in (0..size).step_by(256).chain([0]) {
        // Provers come and go, the cache stays.
        let mut prover = Prover::with_cache(&mut reader, &mut cache);
        assert_eq!(prover.inclusion_proof(index, size).unwrap().first(), at_start.first());
    }
    assert_eq!(Prover::with_cache(&mut reader, &mut cache).inclusion_proof(0, size).unwrap(), at_start);
    cache.clear();
    assert_eq!(Prover::with_cache(&mut reader, &mut cache).inclusion_proof(0, size).unwrap(), at_start);

    // Leaf tile 0: alone, at first, after it was forgotten, after `clear`. Upper tiles: never forgotten.
    assert_eq!(reads[&TileId { level: 0, index: 0 }], 4);
    assert_eq!(reads[&TileId { level: 0, index: 1 }], 1);
    assert_eq!(reads[&TileId { level: 1, index: 0 }], 3);
    assert_eq!(reads[&TileId { level: 1, index: 1 }], 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_batching_gives_one_tree(
        batches in prop::collection::vec((0usize..400, any::<bool>()), 1..8),
    ) {
        let total = batches.iter().map(|(count, _)| count).sum();
        let all = leaves(total);
        let (mut stored, mut appender, mut at) = (Stored::default(), Appender::new(), 0);
        for (count, reload) in batches {
            appender.append(&all[at..at + count]).unwrap();
            at += count;
            prop_assert_eq!(appender.size(), at as u64);
            prop_assert_eq!(appender.root(), root_of(&all[..at]));
            stored.write(&mut appender);
            if reload {
                appender = Appender::load(&mut stored, at as u64).unwrap();
                prop_assert_eq!(appender.root(), root_of(&all[..at]));
                prop_assert_eq!(appender.take_tiles(), vec![]);
            }
        }
        prop_assert_eq!(stored.tiles, Stored::of(&all).tiles);
    }

    #[test]
    fn any_two_sizes_are_consistent(old in 1usize..600, more in 0usize..600) {
        let all = leaves(old + more);
        let (old, new) = (old as u64, (old + more) as u64);
        let proof = tile::consistency_proof(&mut Stored::of(&all), old, new).unwrap();
        prop_assert_eq!(&proof, &merkle::consistency_proof(&all, old).unwrap());
        let (from, to) = (root_of(&all[..old as usize]), root_of(&all));
        prop_assert_eq!(verify_consistency(old, &from, new, &to, &proof), Ok(()));
    }

    #[test]
    fn any_proof_can_be_verified(
        index: u64, size: u64, old: u64, root: Hash, proof in prop::collection::vec(any::<Hash>(), 0..70),
    ) {
        prop_assert!(verify_inclusion(&[1; 32], index, size, &proof, &root).is_err());
        prop_assert!(verify_consistency(old, &[1; 32], size, &root, &proof).is_err());
    }
}
