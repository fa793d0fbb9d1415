// SPDX-License-Identifier: Apache-2.0
//! Each target reads its corpus, and then what a seeded mutator makes of it.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fuzzing::mutation::{Random, mutate};
use fuzzing::{TARGETS, target};

/// Least inputs of each target.
const INPUTS_MIN: usize = 20;
/// Largest sum of all inputs.
const CORPUS_BYTES_MAX: u64 = 1536 * 1024;
/// Most mutations of a target; fewer where they take longer than [`MUTATIONS_TIME`], but never below the least.
const MUTATIONS_MAX: usize = 4_000;
const MUTATIONS_MIN: usize = 40;
const MUTATIONS_TIME: Duration = Duration::from_millis(500);

/// One test for each target, so that a failure names it and the floor counts it.
macro_rules! replays {
    ($($name:ident)*) => {
        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { replay(stringify!($name)); })*
    };
}

replays! {
    acceptance account_hashes authorization bundle checkpoint client community cursor drafts entry envelope
    event_json event_table event_text evtx findings framing history_run id indicator_csv indicator_list jcs
    json_lines key log_reader log_time marking marking_definition markings_member media_type merkle_proof note
    observable observed parquet pattern places processes proof query recall request_target revoked root
    root_signed rules scan side_file statements stix_20 stix_object stix_split tiles timestamp token
    unfinished unpack warning_list zip
}

fn replay(name: &str) {
    let inputs = inputs(name);
    assert!(inputs.len() >= INPUTS_MIN, "corpus/{name} has {} inputs, not {INPUTS_MIN}", inputs.len());
    for (path, bytes) in &inputs {
        run(name, bytes, &shown(path));
    }
    let (begun, mut random) = (Instant::now(), Random::new(name.len() as u64));
    for nth in 0..MUTATIONS_MAX {
        if nth >= MUTATIONS_MIN && begun.elapsed() > MUTATIONS_TIME {
            break;
        }
        let (path, input) = &inputs[nth % inputs.len()];
        let (_, other) = &inputs[random.below(inputs.len())];
        run(name, &mutate(input, other, &mut random), &format!("mutation {nth}, of {}", shown(path)));
    }
}

fn shown(path: &Path) -> String {
    path.strip_prefix(corpus()).unwrap_or(path).display().to_string()
}

/// Runs a target; keeps the input that breaks it, to be shrunk and added to the corpus.
fn run(name: &str, bytes: &[u8], what: &str) {
    let fuzz = target(name).unwrap_or_else(|| panic!("TARGETS has no {name}"));
    if catch_unwind(|| fuzz(bytes)).is_err() {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-crash"));
        std::fs::write(&path, bytes).unwrap();
        panic!("{name} breaks on {what}: {}\nkept in {}", bytes.escape_ascii(), path.display());
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The inputs of a target, in the order of their names.
fn inputs(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = corpus().join(name);
    let listed = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn every_target_is_replayed_and_every_corpus_has_a_target() {
    let targets: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(targets, REPLAYED.iter().copied().collect(), "TARGETS and `replays!` differ");
    let folders = std::fs::read_dir(corpus()).unwrap();
    let folders: BTreeSet<String> =
        folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(
        targets,
        folders.iter().map(String::as_str).collect(),
        "TARGETS and the folders of corpus/ differ"
    );
}

#[test]
fn the_corpora_are_small() {
    let mut sum = 0;
    for (name, _) in TARGETS {
        sum += inputs(name).iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
    }
    assert!(sum <= CORPUS_BYTES_MAX, "{sum} bytes of corpora; shrink some inputs");
}

#[test]
fn mutations_are_the_same_everywhere() {
    let (mut one, mut two) = (Random::new(1), Random::new(1));
    let made: Vec<Vec<u8>> = (0..100).map(|_| mutate(b"a telling input", b"another", &mut one)).collect();
    let again: Vec<Vec<u8>> = (0..100).map(|_| mutate(b"a telling input", b"another", &mut two)).collect();
    assert_eq!(made, again);
    let distinct: BTreeSet<&Vec<u8>> = made.iter().collect();
    assert!(distinct.len() > 80, "only {} of 100 mutations differ", distinct.len());
    assert_eq!(Random::new(0).number(), 973_819_730_272_012_410, "the generator is part of what CI repeats");
}
