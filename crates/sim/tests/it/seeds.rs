// SPDX-License-Identifier: Apache-2.0
//! The laws over the histories of a thousand seeds. `SIM_SEED=n` runs one of them, `SIM_SEEDS=from..to` a
//! range of one's own.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use sim::Ground;

use crate::server::{Databases, server};

/// What CI runs.
const SEEDS: Range<u64> = 0..1_000;
/// What CI runs on the other engines.
const FEWER: Range<u64> = 0..30;
/// Histories that run side by side.
const THREADS: usize = 2;

fn said(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "which seeds are run is said from outside")]
    std::env::var(name).ok()
}

/// The seeds that the environment asks for, or else these.
fn seeds(otherwise: Range<u64>) -> Range<u64> {
    if let Some(seed) = said("SIM_SEED") {
        let seed = seed.parse().expect("SIM_SEED is a number");
        return seed..seed + 1;
    }
    let Some(range) = said("SIM_SEEDS") else { return otherwise };
    let (from, to) = range.split_once("..").expect("SIM_SEEDS is from..to");
    from.parse().expect("SIM_SEEDS is from..to")..to.parse().expect("SIM_SEEDS is from..to")
}

/// A disk in memory where there is one: what is synced there costs nothing.
fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

/// Runs all of them; the first that fails ends it.
fn run(seeds: Range<u64>, ground: &(dyn Fn() -> Ground + Sync)) {
    let scratch = tempfile::tempdir_in(scratch()).unwrap();
    let next = AtomicU64::new(seeds.start);
    let failed: Vec<String> = thread::scope(|scope| {
        let running: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end {
                            return None;
                        }
                        if let Err(told) = sim::run(seed, scratch.path(), &mut || ground()) {
                            next.store(seeds.end, Ordering::Relaxed);
                            return Some(told);
                        }
                    }
                })
            })
            .collect();
        running.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "\n{}\n", failed.join("\n\n"));
}

#[test]
fn laws_hold_on_a_file() {
    run(seeds(SEEDS), &|| Ground::File);
}

#[test]
fn laws_hold_in_memory() {
    run(seeds(FEWER), &|| Ground::Memory);
}

/// A crash is there the end of a connection in mid-transaction, at whichever statement.
#[test]
fn laws_hold_on_a_server() {
    let Some(server) = server("laws_hold_on_a_server") else { return };
    let databases = Databases::default();
    run(seeds(FEWER), &|| Ground::Postgresql(databases.fresh(&server)));
}
