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

use std::io::Write;
use std::time::Instant;

use hunt::indicator::read_list;
use hunt::run::{Options, hunt_input};
use hunt::scan::{IndicatorSet, Path, Scanner};

const LOG_BYTES: usize = 128 * 1024 * 1024;
const WINDOW_BYTES: usize = 64 * 1024 * 1024;
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
    let wide = wide_log();
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

/// A log in which every line holds what is rare in others.
fn wide_log() -> Vec<u8> {
    let mut n = Numbers(11);
    let mut log = Vec::with_capacity(LOG_BYTES + 128 * 1024);
    let names = ["müller", "банк", "例え", "straße", "académie"];
    let mut line = 0_u64;
    while log.len() < LOG_BYTES {
        line += 1;
        let of =
            if line.is_multiple_of(20_000) { n.below(INDICATORS) } else { INDICATORS + n.below(500_000) };
        let host = value(1, of);
        let (a, b) = (n.below(65_536), n.below(65_536));
        let text = match line % 8 {
            0 => format!(
                "{{\"ts\":\"2023-11-14T22:13:20.{:06}Z\",\"src\":\"fe80::{a:x}:{b:x}%eth0\",\"dst\":\"{}\",\"mac\":\"00:1b:{:02x}:{:02x}:33:44\",\"v6\":\"2001:DB8:{a:X}:0:0:{b:X}:0:9\"}}",
                n.below(1_000_000),
                value(3, of),
                n.below(256),
                n.below(256)
            ),
            1 => format!(
                "Nov 14 22:13:20 MAILHUB postfix/smtp[{b}]: to=<user{a}@{}>, relay=MX{}.{}[203.0.113.{}]:25, status=sent",
                host.to_uppercase(),
                a % 9,
                host.to_uppercase(),
                b % 256
            ),
            2 => {
                let name = names[(a % 5) as usize];
                format!(
                    "{{\"query\":\"www.{name}-{b:x}.de\",\"answer\":\"xn--{name}\",\"note\":\"„{host}“ – ok\"}}"
                )
            }
            3 => format!(
                "{{\"EventID\":4688,\"CommandLine\":\"cmd.exe \\/c \\\"curl http:\\/\\/{host}\\/a.bin\\\"\\n\\tC:\\\\Users\\\\u{a}\\\\x.exe\",\"n\":\"\\u003c{host}\\u003e\"}}"
            ),
            4 => format!(
                "10.0.{}.7 - - [14/Nov/2023:22:13:20 +0000] \"GET /r?u=https%3A%2F%2F{host}%2Fa%20b%3Fc%3D{a:x}&n=M%C3%BCnchen HTTP/1.1\" 302 - \"https://{host}/\"",
                a % 256
            ),
            5 => format!(
                "route {}.{}.1.0-{}.{}.1.255 via 192.0.2.{} ttl 64 v1.2.3-rc.{}",
                a % 223,
                b % 256,
                a % 223,
                b % 256,
                b % 256,
                a % 9
            ),
            6 => format!(
                "{{\"hashes\":\"MD5={:032X},SHA256={}\",\"ptr\":\"{}.{}.0.192.in-addr.arpa\"}}",
                u128::from(n.next()) << 64 | u128::from(n.next()),
                value(2, of),
                a % 256,
                b % 256
            ),
            // One line in some thousands is longer than any part.
            _ if line.is_multiple_of(4_095) => {
                format!("{{\"blob\":\"{}\",\"host\":\"{host}\"}}", "QUJD/+==.x-y_".repeat(6_000))
            }
            _ => format!(
                "{{\"k\":{a},\"f\":0.{b},\"url\":\"https://{host}/{a:x}/index.html?v=1.0.{b}\",\"m\":\"a@{host}\"}}"
            ),
        };
        writeln!(log, "{text}").unwrap();
    }
    log
}
