// SPDX-License-Identifier: Apache-2.0
//! How fast the scan is, on one core, and that it is right on the way.
//!
//! ```text
//! cargo bench -p hunt --bench scan                      # logs of its own, 100,000 indicators
//! cargo bench -p hunt --bench scan -- LIST LOG          # files, e.g. those of another generator
//! valgrind --tool=callgrind --toggle-collect='hunt::scan::fast::scan*' PROGRAM --once LIST LOG
//! ```
//!
//! The last counts instructions of one scan; PROGRAM is what `cargo bench --no-run` names.
//!
//! Prints MB (10^6 bytes) per second of processor time. Of the scan, by each way that the processor has:
//! the best and the median of all windows of 64 MiB in five rounds; the same while it hands over all
//! observables; whole files with their hash, with and without the history. Last the scan of a log with
//! what is rare in others: IPv6, capitals, names in other scripts, escapes, URLs, lines beyond 32 KiB.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on stops"
)]

use std::time::Instant;

use hunt::indicator::read_list;
use hunt::run::{Options, hunt_input};
use hunt::scan::{IndicatorSet, Path, Scanner};

mod made;

const LOG_BYTES: usize = 128 * 1024 * 1024;
const WINDOW_BYTES: usize = 64 * 1024 * 1024;
const INDICATORS: u64 = 100_000;
const ROUNDS: usize = 5;

fn main() {
    let files: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let (list, log) = match files.as_slice() {
        [list, log, ..] => (std::fs::read(list).unwrap(), std::fs::read(log).unwrap()),
        _ => (made::list(INDICATORS), made::log(LOG_BYTES, INDICATORS)),
    };
    let started = Instant::now();
    let set = IndicatorSet::build(read_list(&list, "list").indicators);
    println!(
        "{} indicators, built in {:.2} s, {:.1} MiB in the set; log of {} bytes",
        set.len(),
        started.elapsed().as_secs_f64(),
        set.heap_bytes() as f64 / 1024.0 / 1024.0,
        log.len()
    );
    if std::env::args().any(|arg| arg == "--once") {
        let mut hits = 0;
        Scanner::new(&set).scan_block(&log, 0, 1, &mut |_| hits += 1);
        return println!("scanned once, {}: {hits} hits", Path::fastest().name());
    }
    for path in Path::available() {
        print_scan(&set, path, &log, path.name());
    }
    let mut seen = 0_u64;
    let (best, median) = rates(&log, |window| {
        Scanner::new(&set).scan_block_seeing(window, 0, 1, &mut |_| {}, &mut |_| seen += 1);
    });
    println!("scan, seeing: best {best:.0}, median {median:.0} MB/s, {} observables", seen / ROUNDS as u64);
    for history in [false, true] {
        let options = Options { threads: 1, history };
        let mut observables = 0;
        let speed = rate(&log, || {
            let hunt = hunt_input(&mut &*log, "log", &set, &options, &mut |_| {});
            observables = hunt.left.observed.len();
        });
        println!("file with SHA-256, history {history}: {speed:.0} MB/s, {observables} kept");
    }
    let wide = made::wide_log(LOG_BYTES, INDICATORS);
    print_scan(&set, Path::fastest(), &wide, "log of rare things");
    let mut seen = 0_u64;
    let (best, median) = rates(&wide, |window| {
        Scanner::new(&set).scan_block_seeing(window, 0, 1, &mut |_| {}, &mut |_| seen += 1);
    });
    println!(
        "the same, seeing: best {best:.0}, median {median:.0} MB/s, {} observables",
        seen / ROUNDS as u64
    );
}

fn print_scan(set: &IndicatorSet, path: Path, log: &[u8], name: &str) {
    let scanner = Scanner::by_path(set, path);
    let (mut lines, mut hits) = (std::collections::BTreeSet::new(), 0);
    let (best, median) = rates(log, |window| scanner.scan_block(window, 0, 1, &mut |_| {}));
    scanner.scan_block(log, 0, 1, &mut |hit| {
        hits += 1;
        lines.insert(hit.line);
    });
    println!("scan, {name}: best {best:.0}, median {median:.0} MB/s, {hits} hits in {} lines", lines.len());
}

/// Best and median rate over the windows of all rounds.
fn rates(log: &[u8], mut scan: impl FnMut(&[u8])) -> (f64, f64) {
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        let mut rest = log;
        while !rest.is_empty() {
            let end = rest.get(WINDOW_BYTES..).and_then(|after| after.iter().position(|b| *b == b'\n'));
            let (window, after) = rest.split_at(end.map_or(rest.len(), |end| WINDOW_BYTES + end + 1));
            all.push(rate(window, || scan(window)));
            rest = after;
        }
    }
    all.sort_by(f64::total_cmp);
    (all[all.len() - 1], all[all.len() / 2])
}

/// MB per second of processor time of this thread, because the cores are shared; of wall time where the
/// system does not tell.
fn rate(log: &[u8], scan: impl FnOnce()) -> f64 {
    let processor_seconds = || -> Option<f64> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
    };
    let (before, started) = (processor_seconds(), Instant::now());
    scan();
    let seconds = match (before, processor_seconds()) {
        (Some(before), Some(after)) => after - before,
        _ => started.elapsed().as_secs_f64(),
    };
    log.len() as f64 / 1e6 / seconds
}
