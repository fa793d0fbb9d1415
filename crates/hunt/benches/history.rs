// SPDX-License-Identifier: Apache-2.0
//! How large the history is, and how fast it answers.
//!
//! ```text
//! cargo bench -p hunt --bench history                 # 10,000,000 observables over three years, on disk
//! cargo bench -p hunt --bench history -- LOG          # what one log makes: bytes for each observable
//! ```
//!
//! The look-ups of one value open the history anew each time, as the command line does; those that a new
//! indicator makes use one that is open, as a server does. All runs are in the page cache; times are of one
//! processor, as the cores are shared.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on stops"
)]

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use hunt::event::{SourceClass, SourceKind};
use hunt::history::{
    Base, FileFacts, Flags, History, HistoryError, Keep, NewRun, Observed, Question, ReadFile, Reading,
    RunFile, RunFolder, Step, TABLES, Writing, Zeal,
};
use hunt::indicator::{Indicator, Mode, read_list};
use hunt::run::{Keeping, hunt_into};
use hunt::scan::IndicatorSet;
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;
use store::{Schema, Store};

const OBSERVABLES: u64 = 10_000_000;
const FEED: u64 = 1_000_000;
const MONTHS: u64 = 36;
const SOURCES: [SourceKind; 5] =
    [SourceKind::Dns, SourceKind::Endpoint, SourceKind::Flow, SourceKind::Proxy, SourceKind::Vpn];
/// 2019-01-01T00:00:00Z.
const START: u64 = 1_546_300_800;
/// 2023-01-01T00:00:00Z.
const NOW: Timestamp = Timestamp::from_micros(1_672_531_200_000_000);

fn main() {
    let files: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let room = tempfile::tempdir().unwrap();
    let folder = Disk { root: room.path().to_owned(), fresh: AtomicU64::new(0) };
    let base = Memory(Store::memory(Schema { views: Vec::new(), local: TABLES.to_vec() }).unwrap());
    match files.first() {
        Some(log) => one_log(&base, &Arc::new(folder), log),
        None => three_years(&base, &folder),
    }
}

fn read(facts: &FileFacts) -> ReadFile<'_> {
    ReadFile { facts, findings: &[], worker: 1, now: NOW }
}

/// What one log makes.
fn one_log(base: &Memory, folder: &Arc<Disk>, log: &str) {
    let set = IndicatorSet::build(read_list(b"203.0.113.254\n", "list").indicators);
    let bytes = std::fs::read(log).unwrap();
    let mut best = 0.0_f64;
    let mut last = None;
    for _ in 0..3 {
        let observed = Observed::new(Keep::default(), Arc::clone(folder) as Arc<dyn RunFolder>);
        let started = processor_seconds();
        let hunt = hunt_into(&mut &*bytes, log, &set, 1, Some(Keeping { observed, from: 0 }), &mut |_| {});
        best = best.max(bytes.len() as f64 / 1e6 / (processor_seconds() - started));
        last = Some(hunt);
    }
    let hunt = last.unwrap();
    println!("hunted with history: {best:.0} MB/s of one core, {} observables", hunt.left.observed.len());
    let history = History::new(base, &**folder);
    let facts = FileFacts { packed: true, ..FileFacts::of_report(&hunt.report, SourceClass::default()) };
    let started = processor_seconds();
    history.record(&read(&facts), hunt.left.observed).unwrap();
    println!("recorded in {:.2} s", processor_seconds() - started);
    tell_size(&history, "as recorded");
    merge_all(&history);
    tell_size(&history, "merged");
}

/// Ten million observables over three years and five kinds of logs, a tenth of them seen before.
fn three_years(base: &Memory, folder: &Disk) {
    let history = History::new(base, folder);
    let started = processor_seconds();
    let files = MONTHS * SOURCES.len() as u64;
    for file in 0..files {
        let class = SourceClass { kind: SOURCES[(file % 5) as usize], ..SourceClass::default() };
        let mut observed = Observed::default();
        let month = START + file / 5 * 2_630_000;
        for n in file * (OBSERVABLES / files)..(file + 1) * (OBSERVABLES / files) {
            let time = Timestamp::from_micros(((month + mix(n) % 2_400_000) * 1_000_000).cast_signed());
            observed.add_value(&value(n), Some(time), Flags::default());
        }
        let facts = FileFacts {
            path: format!("{file}.log"),
            sha256: [u8::try_from(file).unwrap(); 32],
            size: file,
            packed: true,
            whole: true,
            class,
            ..FileFacts::default()
        };
        history.record(&read(&facts), observed).unwrap();
    }
    println!("{files} files recorded in {:.1} s", processor_seconds() - started);
    tell_size(&history, "as recorded");
    let started = processor_seconds();
    merge_all(&history);
    println!("merged in {:.1} s", processor_seconds() - started);
    tell_size(&history, "merged");
    look_up(base, folder);
}

fn look_up(base: &Memory, folder: &Disk) {
    let keep = Keep::default();
    let one = |n: u64| Question { observable: value(n), with_subdomains: false };
    let mut hits = 0;
    timed("one value, history opened for it", 1_000, |nth| {
        let history = History::new(base, folder);
        // Every second is absent.
        let asked = mix(nth) % OBSERVABLES + nth % 2 * 10 * OBSERVABLES;
        hits += u64::from(history.seen(&one(asked), &keep).unwrap().seen.count > 0);
    });
    println!("  {hits} of 1000 seen");
    let history = History::new(base, folder);
    let indicator = |observable: Observable, mode| Indicator {
        id: String::new(),
        observable,
        mode,
        name: String::new(),
        valid_from: None,
        valid_until: None,
    };
    let look_back = |what: &str, make: &dyn Fn(u64) -> Indicator| {
        timed(what, 1_000, |nth| {
            history.look_back(&[make(nth)], &keep, usize::MAX).unwrap();
        });
    };
    let pick = |nth: u64| mix(nth) % OBSERVABLES + nth % 2 * 10 * OBSERVABLES;
    look_back("new indicator, exact", &|nth| indicator(value(pick(nth)), Mode::Exact));
    look_back("new indicator, domain with subdomains", &|nth| {
        indicator(value(pick(nth) / 10 * 10 + 5), Mode::WithSubdomains)
    });
    look_back("new indicator, network /24", &|nth| {
        let address = value(pick(nth) / 10 * 10).display();
        let network = format!("{}.0/24", address.rsplit_once('.').unwrap().0);
        indicator(Observable::guess(&network).unwrap(), Mode::Exact)
    });
    let feed: Vec<Indicator> = (0..FEED)
        .map(|n| indicator(value(pick(n)), if n % 3 == 0 { Mode::WithSubdomains } else { Mode::Exact }))
        .collect();
    let started = processor_seconds();
    let history = History::new(base, folder);
    let found = history.look_back(&feed, &keep, usize::MAX).unwrap().found;
    println!("feed of {FEED}: {:.2} s, {} seen", processor_seconds() - started, found.len());
}

/// The mean in processor time, the rest by the clock, which says less where the cores are shared.
fn timed(what: &str, times: u64, mut work: impl FnMut(u64)) {
    let before = processor_seconds();
    let mut all: Vec<f64> = (0..times)
        .map(|nth| {
            let started = Instant::now();
            work(nth);
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let mean = (processor_seconds() - before) * 1e3 / times as f64;
    all.sort_by(f64::total_cmp);
    let at = |part: f64| all[((all.len() - 1) as f64 * part) as usize];
    println!("{what}: {mean:.2} ms of processor; by the clock p50 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99));
}

fn merge_all(history: &History<'_>) {
    while history.merge_step(Zeal::All, NOW).unwrap() != Step::Idle {}
    history.sweep().unwrap();
}

fn tell_size(history: &History<'_>, what: &str) {
    let runs = history.runs().unwrap();
    let (rows, bytes) = runs.iter().fold((0, 0), |(r, b), run| (r + run.facts.rows, b + run.facts.bytes));
    println!(
        "{what}: {} runs, {rows} rows, {bytes} bytes, {:.2} bytes each",
        runs.len(),
        bytes as f64 / rows as f64
    );
}

fn mix(n: u64) -> u64 {
    let z = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

/// Of ten values six are addresses, three names, one a SHA-256; a tenth of all come again.
fn value(n: u64) -> Observable {
    let n = if mix(n ^ 77).is_multiple_of(10) { n / 100 * 100 % 1_000_000 + n % 10 } else { n };
    let h = mix(n);
    let text = match n % 10 {
        0..=4 | 9 => {
            format!("{}.{}.{}.{}", 11 + h % 80, h >> 8 & 255, h >> 16 & 255, 1 + (h >> 24 & 255) % 254)
        }
        5..=7 => format!(
            "h{:x}.{:x}.example.{}",
            h & 0xFFF,
            h >> 16 & 0xFF_FFFF,
            ["com", "net", "nl"][(h >> 60) as usize % 3]
        ),
        _ => format!("{h:016x}{:016x}{:016x}{:016x}", mix(h), mix(h + 1), mix(h + 2)),
    };
    let kind = match n % 10 {
        0..=4 | 9 => ObservableKind::Ip,
        5..=7 => ObservableKind::Domain,
        _ => ObservableKind::Sha256,
    };
    Observable::parse(kind, &text).unwrap()
}

/// Processor time of this thread, because the cores are shared; wall time where the system does not tell.
fn processor_seconds() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    told.and_then(|text| Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)).unwrap_or(0.0)
}

struct Memory(Store);

impl Base for Memory {
    fn read(&self, work: &mut Reading<'_>) -> Result<(), HistoryError> {
        self.0.read(|read| work(read))
    }

    fn write(&self, work: &mut Writing<'_>) -> Result<(), HistoryError> {
        self.0.local(|tx| work(tx))
    }
}

/// A folder on disk.
struct Disk {
    root: PathBuf,
    fresh: AtomicU64,
}

impl RunFolder for Disk {
    fn id(&self) -> &str {
        "bench"
    }

    fn fresh_name(&self) -> String {
        format!("part-{}", self.fresh.fetch_add(1, Ordering::Relaxed))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(&self.root)?
            .map(|entry| entry.map(|e| e.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn RunFile>> {
        let file = File::open(self.root.join(name))?;
        let bytes = file.metadata()?.len();
        Ok(Box::new(OnDisk(file, bytes)))
    }

    fn create(&self) -> io::Result<Box<dyn NewRun>> {
        let path = self.root.join(format!("new-{}", self.fresh.fetch_add(1, Ordering::Relaxed)));
        Ok(Box::new(New(BufWriter::new(File::create(&path)?), path)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.root.join(name))
    }

    fn set_aside(&self, name: &str) -> io::Result<()> {
        panic!("{name} is damaged")
    }
}

struct OnDisk(File, u64);

impl RunFile for OnDisk {
    fn len(&self) -> u64 {
        self.1
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(into, offset)
    }
}

struct New(BufWriter<File>, PathBuf);

impl Write for New {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl NewRun for New {
    fn commit(mut self: Box<Self>, name: &str) -> io::Result<()> {
        self.0.flush()?;
        self.0.get_ref().sync_all()?;
        let folder = self.1.parent().unwrap_or(Path::new("."));
        std::fs::rename(&self.1, folder.join(name))
    }
}
