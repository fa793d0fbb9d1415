// SPDX-License-Identifier: Apache-2.0
//! How fast the scan is, on one core, and that it is right on the way.
//!
//! ```text
//! cargo bench -p hunt --bench scan                      # a log of its own, 100,000 indicators
//! cargo bench -p hunt --bench scan -- LIST LOG          # files, e.g. those of another generator
//! ```
//!
//! Prints MB (10^6 bytes) per second of processor time: the best of five rounds of the scan, the same while
//! it hands over all observables, and whole files with their hash, with and without the history.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on stops"
)]

use std::io::Write;
use std::time::Instant;

use hunt::indicator::read_list;
use hunt::run::{Options, hunt_input};
use hunt::scan::{IndicatorSet, Scanner};

const LOG_BYTES: usize = 128 * 1024 * 1024;
const INDICATORS: u64 = 100_000;
const ROUNDS: usize = 5;

fn main() {
    let files: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let (list, log) = match files.as_slice() {
        [list, log, ..] => (std::fs::read(list).unwrap(), std::fs::read(log).unwrap()),
        _ => (made_list(), made_log()),
    };
    let started = Instant::now();
    let set = IndicatorSet::build(read_list(&list, "list").indicators);
    println!(
        "{} indicators, built in {:.2} s; log of {} bytes",
        set.len(),
        started.elapsed().as_secs_f64(),
        log.len()
    );
    let scanner = Scanner::new(&set);
    let (mut lines, mut hits) = (std::collections::BTreeSet::new(), 0);
    let best = (0..ROUNDS)
        .map(|_| {
            lines.clear();
            hits = 0;
            rate(&log, || {
                scanner.scan_block(&log, 0, 1, &mut |hit| {
                    hits += 1;
                    lines.insert(hit.line);
                });
            })
        })
        .fold(0.0, f64::max);
    println!("scan: {best:.0} MB/s, {hits} hits in {} lines", lines.len());
    let mut seen = 0_u64;
    let best = (0..2)
        .map(|_| {
            seen = 0;
            rate(&log, || scanner.scan_block_seeing(&log, 0, 1, &mut |_| {}, &mut |_| seen += 1))
        })
        .fold(0.0, f64::max);
    println!("scan, seeing: {best:.0} MB/s, {seen} observables");
    for history in [false, true] {
        let options = Options { threads: 1, history };
        let mut observables = 0;
        let speed = rate(&log, || {
            let hunt = hunt_input(&mut &*log, "log", &set, &options, &mut |_| {});
            observables = hunt.left.observed.len();
        });
        println!("file with SHA-256, history {history}: {speed:.0} MB/s, {observables} kept");
    }
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

/// A fixed sequence of numbers (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn value(kind: u64, of: u64) -> String {
    let n = Numbers(of).next();
    match kind {
        0 => format!("{}.{}.{}.{}", 11 + n % 90, n >> 8 & 255, n >> 16 & 255, n >> 24 & 255),
        1 => format!(
            "w{:x}.{}.example.{}",
            n & 0xFFFF,
            n >> 16 & 0xFFF,
            ["com", "net", "nl", "de", "tw"][(n >> 40) as usize % 5]
        ),
        2 => format!("{:016x}{n:016x}{:016x}{:016x}", n ^ 1, n ^ 2, n ^ 3),
        _ => format!("2001:db8:{:x}:{:x}::{:x}", n & 0xFFFF, n >> 16 & 0xFFFF, n >> 32 & 0xFFFF),
    }
}

fn made_list() -> Vec<u8> {
    (0..INDICATORS).flat_map(|n| format!("{}\n", value(n % 4, n)).into_bytes()).collect()
}

fn made_log() -> Vec<u8> {
    let mut n = Numbers(7);
    let mut log = Vec::with_capacity(LOG_BYTES + 1024);
    let mut line = 0_u64;
    while log.len() < LOG_BYTES {
        line += 1;
        // Every 20,000th line holds a value of the list; the others hold values beyond it.
        let of =
            if line.is_multiple_of(20_000) { n.below(INDICATORS) } else { INDICATORS + n.below(500_000) };
        let (kind, time) = (of % 4, 1_700_000_000 + line / 50);
        let text = match line % 5 {
            0 => format!(
                "{{\"ts\":{time}.25,\"uid\":\"C{:x}\",\"id.orig_h\":\"10.0.{}.{}\",\"id.resp_h\":\"{}\",\"id.resp_p\":443,\"proto\":\"tcp\"}}",
                n.next(),
                n.below(256),
                n.below(256),
                value(kind, of)
            ),
            1 => format!(
                "{{\"time\":\"2023-11-14T22:13:20Z\",\"url\":\"https:\\/\\/{}\\/a%20b?c={:x}\",\"agent\":\"Mozilla/5.0 (Windows NT 10.0; Win64)\"}}",
                value(kind, of),
                n.next()
            ),
            2 => format!(
                "10.1.{}.9 - user{} [14/Nov/2023:22:13:20 +0000] \"GET /{:x}.js?v=1.2.{} HTTP/1.1\" 200 {} \"{}\"",
                n.below(256),
                n.below(9_999),
                n.next(),
                n.below(99),
                n.below(99_999),
                value(kind, of)
            ),
            3 => format!(
                "{{\"EventID\":1,\"Image\":\"C:\\\\Windows\\\\System32\\\\svchost.exe\",\"Hashes\":\"SHA256={}\",\"CommandLine\":\"x -k {:x}\"}}",
                value(2, of - of % 4 + 2),
                n.next()
            ),
            _ => format!(
                "2023-11-14T22:13:20.123+00:00 fw-{} kernel: DROP SRC={} DST=192.168.{}.{} LEN=60 TTL=64 ID={} PROTO=TCP",
                n.below(9),
                value(kind, of),
                n.below(256),
                n.below(256),
                n.below(65_536)
            ),
        };
        writeln!(log, "{text}").unwrap();
    }
    log
}
