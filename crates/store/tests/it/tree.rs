// SPDX-License-Identifier: Apache-2.0
//! Proofs and files of a stored log, against the tree that is computed from its leaves.

use std::collections::BTreeMap;

use ledger::logs::{own_log, own_logs};
use ledger::merkle::{self, Hash, leaf_hash, root_of, verify_consistency};
use ledger::sql::EngineError;
use ledger::tile::TileId;
use ledger::{record, tile, tile_files, tree};
use store::Store;

use crate::sample::*;

/// Sizes around the borders of tiles, and all small ones.
const LEAVES: u32 = 530;

fn grown() -> (Store, Vec<Hash>) {
    let store = Store::memory(schema()).unwrap();
    let writer = writer(&store, None);
    let mut n = 0;
    for batch in [1, 2, 5, 60, 187, 1, 1, 200, 73] {
        let drafts = (n..n + batch).map(|n| green(&indicator(n, 0, "a"))).collect();
        assert_eq!(added(&submit(&writer, drafts)), batch as usize);
        n += batch;
    }
    assert_eq!(n, LEAVES);
    let leaves = store.read(|read| {
        let rows = record::after(read, 0, n as usize)?;
        Ok::<_, EngineError>(rows.iter().map(|row| leaf_hash(&row.entry)).collect())
    });
    (store, leaves.unwrap())
}

#[test]
fn stored_tiles_prove_what_the_leaves_prove() {
    let (store, leaves) = grown();
    let sizes: Vec<u64> =
        (0..70).chain([127, 128, 129, 255, 256, 257, 258, 511, 512, 513, u64::from(LEAVES)]).collect();
    store
        .read(|read| {
            let log = own_log(read)?;
            let mut proofs = tree::Proofs::of(log);
            for new in &sizes {
                let all = &leaves[..*new as usize];
                assert_eq!(proofs.root(read, *new)?, root_of(all));
                for old in sizes.iter().filter(|old| *old <= new) {
                    let proof = proofs.consistency(read, *old, *new)?;
                    assert_eq!(proof, merkle::consistency_proof(all, *old).unwrap(), "{old} to {new}");
                    let from = root_of(&leaves[..*old as usize]);
                    assert_eq!(verify_consistency(*old, &from, *new, &root_of(all), &proof), Ok(()));
                }
                for index in sizes.iter().filter(|index| *index < new) {
                    let proof = proofs.inclusion(read, *index, *new)?;
                    assert_eq!(proof, merkle::inclusion_proof(all, *index).unwrap(), "{index} of {new}");
                }
            }
            Ok::<_, EngineError>(())
        })
        .unwrap();
}

#[test]
fn the_files_of_a_log_are_its_tree() {
    let (store, leaves) = grown();
    for size in [1, 255, 256, 257, 512, u64::from(LEAVES)] {
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        store
            .read(|read| {
                tile_files::tiles::<EngineError>(read, 1, size, &mut |path, bytes| {
                    files.insert(path, bytes.to_vec());
                    Ok(())
                })
            })
            .unwrap();
        // A client finds a tile by its path alone, partial ones by the width that the size gives.
        let mut reader = |id: TileId| {
            let hashes = size >> (8 * u32::from(id.level));
            let width = (hashes - id.index * 256).min(256);
            let path = match u8::try_from(width).ok().and_then(std::num::NonZeroU8::new) {
                Some(width) => id.partial_path(width),
                None => id.path(),
            };
            Ok::<_, String>(files.get(&path).cloned())
        };
        assert_eq!(tile::root(&mut reader, size).unwrap(), root_of(&leaves[..size as usize]), "{size}");
    }
}

#[test]
fn bundles_hold_the_entries_behind_the_tiles() {
    let (store, leaves) = grown();
    let size = u64::from(LEAVES);
    let mut entries = Vec::new();
    for (index, path) in ["tile/entries/000", "tile/entries/001", "tile/entries/002.p/18"].iter().enumerate()
    {
        let bundle = store.read(|read| tile_files::bundle(read, 1, index as u64, size)).unwrap();
        assert_eq!((bundle.path.as_str(), bundle.audiences.len()), (*path, 1));
        let mut rest = bundle.bytes.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
            entries.push(leaf_hash(entry));
            rest = after;
        }
    }
    assert_eq!(entries, leaves);
}

#[test]
fn a_bundle_that_does_not_fit_its_tile_is_not_given() {
    let (store, _) = grown();
    store
        .local(|tx| tx.execute("UPDATE records SET entry = ?1 WHERE idx = 300", &[blob(b"{}")]))
        .map_err(|e: EngineError| e)
        .unwrap();
    assert!(store.read(|read| tile_files::bundle(read, 1, 0, u64::from(LEAVES))).is_ok());
    assert!(store.read(|read| tile_files::bundle(read, 1, 1, u64::from(LEAVES))).is_err());
}

fn blob(bytes: &[u8]) -> ledger::sql::Value<'_> {
    ledger::sql::Value::Blob(bytes)
}

#[test]
fn own_logs_are_those_of_the_node() {
    let (store, _) = grown();
    let logs = store.read(own_logs).unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!((logs[0].origin, logs[0].size), (signer().origin, u64::from(LEAVES)));
    assert_eq!(Store::memory(schema()).unwrap().read(own_log).unwrap(), 1);
}
