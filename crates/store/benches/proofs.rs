// SPDX-License-Identifier: Apache-2.0
//! Proofs from the tiles of a log of a million entries in SQLite: `cargo bench -p store --bench proofs`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails by panicking, and prints")]

use std::hint::black_box;
use std::time::Instant;

use ledger::merkle::{Hash, leaf_hash};
use ledger::sql::{EngineError, Value};
use ledger::tile::Appender;
use ledger::tree::Proofs;
use store::{Schema, Store};

const LEAVES: u64 = 1_000_000;
const PROOFS: u64 = 2_000;
/// Coprime to the number of leaves, and far from a multiple of a tile: each proof is of another tile.
const STRIDE: u64 = 387_277;

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(&dir.path().join("polder.db"), Schema::default()).unwrap();
    let mut tree = Appender::new();
    let leaves: Vec<Hash> = (0..LEAVES).map(|n| leaf_hash(&n.to_le_bytes())).collect();
    tree.append(&leaves).unwrap();
    store
        .local(|tx| {
            for tile in tree.take_tiles() {
                let (level, index) = (i64::from(tile.id.level), tile.id.index as i64);
                tx.execute(
                    "INSERT INTO tiles (log, level, tile, hashes) VALUES (1, ?1, ?2, ?3)",
                    &[Value::Int(level), Value::Int(index), Value::Blob(&tile.bytes)],
                )?;
            }
            Ok::<_, EngineError>(())
        })
        .unwrap();
    let each = |name: &str, proof: &mut dyn FnMut(&mut dyn ledger::sql::Read, &mut Proofs, u64)| {
        for round in 0..3 {
            let started = Instant::now();
            store
                .read(|read| {
                    let mut proofs = Proofs::of(1);
                    for n in 0..PROOFS {
                        proof(read, &mut proofs, n * STRIDE % LEAVES);
                    }
                    Ok::<_, EngineError>(())
                })
                .unwrap();
            let us = started.elapsed().as_secs_f64() * 1e6 / PROOFS as f64;
            println!("{name}, round {round}: {us:.1} us a proof");
        }
    };
    each("inclusion, each of another tile", &mut |read, proofs, index| {
        black_box(proofs.inclusion(read, index, LEAVES).unwrap());
    });
    each("inclusion, nothing kept", &mut |read, _, index| {
        black_box(Proofs::of(1).inclusion(read, index, LEAVES).unwrap());
    });
    each("consistency, each of another size", &mut |read, proofs, old| {
        black_box(proofs.consistency(read, old, LEAVES).unwrap());
    });
}
