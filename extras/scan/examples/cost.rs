// SPDX-License-Identifier: Apache-2.0
//! One scan by one way, for a program that counts instructions (`.ci/cost.py`).
//!
//! ```text
//! cargo build --release --example cost
//! valgrind --tool=callgrind --toggle-collect='*measured_scan*' PROGRAM WAY LOG
//! PROGRAM --list
//! ```
//!
//! WAY is a way that this processor has, with `-seeing` where all observables are handed over; LOG is `usual` or
//! `rare`. Prints the bytes that were scanned, and what came of it. `--list` prints the ways.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a measurement that cannot go on stops")]

#[path = "../../../crates/hunt/benches/made/mod.rs"]
mod made;

use hunt::indicator::read_list;
use hunt::scan::{IndicatorSet, Path, Scanner};

/// Few enough to be read in a second under an emulator; more than the caches' nearest level holds.
const INDICATORS: u64 = 20_000;
/// Many parts and chunks.
const LOG_BYTES: usize = 4 * 1024 * 1024;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let ways = Path::available();
    if args.first().is_some_and(|arg| arg == "--list") {
        return ways.iter().for_each(|path| println!("{}", path.name()));
    }
    let [way, log] = args.as_slice() else {
        panic!("two arguments are needed, WAY and LOG; they are {args:?}")
    };
    let name = way.strip_suffix("-seeing").unwrap_or(way);
    let Some(path) = ways.iter().find(|path| path.name() == name).copied() else {
        panic!("this processor has no way `{name}`; --list prints those that it has")
    };
    let log = match log.as_str() {
        "usual" => made::log(LOG_BYTES, INDICATORS),
        "rare" => made::wide_log(LOG_BYTES, INDICATORS),
        other => panic!("there is no log `{other}`; there are `usual` and `rare`"),
    };
    let set = IndicatorSet::build(read_list(&made::list(INDICATORS), "list").indicators);
    let (hits, seen) = measured_scan(&Scanner::by_path(&set, path), &log, name != way);
    println!("{} bytes, {hits} hits, {seen} seen", log.len());
}

/// What is counted. It stands in the program under its own name.
#[inline(never)]
fn measured_scan(scanner: &Scanner<'_>, log: &[u8], seeing: bool) -> (u64, u64) {
    let (mut hits, mut seen) = (0, 0);
    if seeing {
        scanner.scan_block_seeing(log, 0, 1, &mut |_| hits += 1, &mut |_| seen += 1);
    } else {
        scanner.scan_block(log, 0, 1, &mut |_| hits += 1);
    }
    (hits, seen)
}
