// SPDX-License-Identifier: Apache-2.0
//! One pass over one log: findings, and on demand what the history keeps.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

use memchr::memchr;
use model::diagnostic::Diagnostic;
use model::time::Timestamp;

use crate::finding::{Finding, finding};
use crate::history::Observed;
use crate::limits::THREADS_MAX;
use crate::reader::{Block, Packing, ReadFacts, Source};
use crate::scan::{IndicatorSet, Scanner};
use crate::time::line_time;

/// Blocks that wait or are worked on, for each thread.
const BLOCKS_PER_THREAD: usize = 3;

/// How a log is hunted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether to collect what the history keeps.
    pub history: bool,
    /// Threads that scan, besides the caller's, which reads and unpacks; with 1 the caller scans, too.
    pub threads: usize,
}

/// What one pass over one log came to.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// The log, as it was named.
    pub file: String,
    /// Bytes as stored.
    pub bytes: u64,
    /// Bytes after unpacking.
    pub unpacked_bytes: u64,
    /// SHA-256 of the file as stored.
    pub sha256: [u8; 32],
    /// SHA-256 of its first [`crate::reader::HEAD_BYTES`] bytes.
    pub head_sha256: [u8; 32],
    /// These bytes: whether a longer file is a shorter one that has grown.
    pub head: Vec<u8>,
    /// How it is packed.
    pub packing: Packing,
    /// Lines, the unread ones among them.
    pub lines: u64,
    /// Lines that were too long to be read.
    pub unread_lines: u64,
    /// Findings.
    pub findings: u64,
    /// Matches that are no findings, because the line is of a time after the indicator ceased to hold.
    pub expired: u64,
    /// Earliest time of a line that was looked at: with a history those with observables, else those with
    /// matches and the first and last of each block.
    pub first_time: Option<Timestamp>,
    /// Latest time, likewise.
    pub last_time: Option<Timestamp>,
    /// Whether all of the file was read.
    pub whole: bool,
    /// What went wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// The report, and what the log held for the history.
#[derive(Debug)]
pub struct Hunt {
    /// The report.
    pub report: FileReport,
    /// Observables; empty unless [`Options::history`] asked for them.
    pub observed: Observed,
}

/// Hunts in one log. Findings come in the order of the lines. Faults of the log are diagnostics in the
/// report; what could be read was hunted in.
///
/// ```
/// use hunt::run::{Options, hunt_input};
///
/// let list = hunt::indicator::read_list(b"203.0.113.7", "list");
/// let set = hunt::scan::IndicatorSet::build(list.indicators);
/// let log = b"2024-01-02T03:04:05Z accepted 203.0.113.7\n";
/// let mut found = Vec::new();
/// let options = Options { history: false, threads: 1 };
/// let hunt = hunt_input(&mut &log[..], "vpn.log", &set, &options, &mut |finding| found.push(finding));
/// assert_eq!((hunt.report.lines, hunt.report.findings), (1, 1));
/// assert_eq!(found[0].time.unwrap().to_string(), "2024-01-02T03:04:05.000000Z");
/// ```
pub fn hunt_input(
    reader: &mut dyn Read,
    name: &str,
    set: &IndicatorSet,
    options: &Options,
    on_finding: &mut dyn FnMut(Finding),
) -> Hunt {
    hunt_into(reader, name, set, options, Observed::default(), 0, on_finding)
}

/// The same; what the history keeps is collected in `observed`, which says what that is and where it goes when it
/// is too much, from the lines on that begin at byte `from` of the unpacked stream.
pub fn hunt_into(
    reader: &mut dyn Read,
    name: &str,
    set: &IndicatorSet,
    options: &Options,
    observed: Observed,
    from: u64,
    on_finding: &mut dyn FnMut(Finding),
) -> Hunt {
    let mut source = Source::new(reader, name);
    let mut sum = Sum::default();
    let threads = options.threads.clamp(1, THREADS_MAX);
    let mut worker = Worker { name, set, history: options.history, observed, from };
    let observed = if threads == 1 {
        let mut buffer = Vec::new();
        while let Some(block) = source.next_block(buffer) {
            let scanned = worker.scan(block);
            buffer = sum.add(scanned, on_finding);
        }
        worker.observed
    } else {
        scan_in_threads(&mut source, threads, &worker, &mut sum, on_finding)
    };
    let mut observed = observed;
    let mut report = sum.report(name, source.finish());
    report.diagnostics.extend(observed.take_diagnostic(name));
    Hunt { report, observed }
}

/// Blocks go round: the caller reads them, a worker scans each, the caller hands the findings on in order.
fn scan_in_threads<R: Read>(
    source: &mut Source<R>,
    threads: usize,
    worker: &Worker<'_>,
    sum: &mut Sum,
    on_finding: &mut dyn FnMut(Finding),
) -> Observed {
    let (to_workers, blocks) = sync_channel::<(u64, Block)>(threads * BLOCKS_PER_THREAD);
    let (to_caller, scanned) = channel::<Answer>();
    let blocks = Mutex::new(blocks);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (blocks, to_caller) = (&blocks, to_caller.clone());
                scope.spawn(move || work(worker.another(), blocks, &to_caller))
            })
            .collect();
        drop(to_caller);
        hand_round(source, &to_workers, &scanned, threads * BLOCKS_PER_THREAD, sum, on_finding);
        drop(to_workers);
        let mut observed = worker.observed.another();
        for handle in workers {
            match handle.join() {
                Ok(part) => observed.merge(part),
                // A fault of the program: go on falling, as if the caller had scanned the block itself.
                Err(fault) => std::panic::resume_unwind(fault),
            }
        }
        observed
    })
}

/// The number of a block and what came of it; `None` from a worker that fell.
type Answer = Option<(u64, Scanned)>;

/// Tells the caller that a worker fell, or it would wait for its block for ever.
struct Alarm<'a>(&'a Sender<Answer>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Without a caller there is nobody to tell.
            let _ = self.0.send(None);
        }
    }
}

fn work(
    mut worker: Worker<'_>,
    blocks: &Mutex<Receiver<(u64, Block)>>,
    to_caller: &Sender<Answer>,
) -> Observed {
    let _alarm = Alarm(to_caller);
    loop {
        let next = blocks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, block)) = next else { return worker.observed };
        if to_caller.send(Some((number, worker.scan(block)))).is_err() {
            return worker.observed;
        }
    }
}

fn hand_round<R: Read>(
    source: &mut Source<R>,
    to_workers: &SyncSender<(u64, Block)>,
    scanned: &Receiver<Answer>,
    in_flight_max: usize,
    sum: &mut Sum,
    on_finding: &mut dyn FnMut(Finding),
) {
    let mut waiting: BTreeMap<u64, Scanned> = BTreeMap::new();
    let mut buffers: Vec<Vec<u8>> = Vec::new();
    let (mut sent, mut done) = (0_u64, 0_u64);
    let mut at_end = false;
    while !at_end || done < sent {
        // Counting those that wait for an earlier block, too, bounds the memory.
        while !at_end && sent - done < in_flight_max as u64 {
            let block = source.next_block(buffers.pop().unwrap_or_default());
            match block.map(|block| to_workers.send((sent, block))) {
                Some(Ok(())) => sent += 1,
                _ => at_end = true,
            }
        }
        if done == sent {
            continue;
        }
        let Ok(Some((number, part))) = scanned.recv() else { return };
        waiting.insert(number, part);
        while let Some(part) = waiting.remove(&done) {
            buffers.push(sum.add(part, on_finding));
            done += 1;
        }
    }
}

/// What came of one block; the buffer goes back to the reader.
struct Scanned {
    buffer: Vec<u8>,
    findings: Vec<Finding>,
    expired: u64,
    times: Times,
}

#[derive(Clone, Copy, Default)]
struct Times {
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Times {
    fn add(&mut self, time: Option<Timestamp>) {
        if let Some(time) = time {
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
            self.last = Some(self.last.map_or(time, |last| last.max(time)));
        }
    }
}

struct Worker<'a> {
    name: &'a str,
    set: &'a IndicatorSet,
    history: bool,
    observed: Observed,
    from: u64,
}

impl<'a> Worker<'a> {
    /// One that does the same with nothing observed yet.
    fn another(&self) -> Worker<'a> {
        Worker { observed: self.observed.another(), ..*self }
    }

    fn scan(&mut self, block: Block) -> Scanned {
        let bytes = &block.bytes;
        let (mut findings, mut expired, mut times) = (Vec::new(), 0, Times::default());
        let (name, set) = (self.name, self.set);
        let mut on_hit = |hit: crate::scan::Hit| {
            let start = usize::try_from(hit.line_start - block.offset).unwrap_or(usize::MAX);
            let line = line_at(bytes, start);
            let time = line_time(line);
            times.add(time);
            let Some(indicator) = set.indicators().get(hit.indicator) else { return };
            match (time, indicator.valid_until) {
                (Some(time), Some(until)) if time >= until => expired += 1,
                _ => findings.push(finding(name, line, hit, &indicator.id, time)),
            }
        };
        let scanner = Scanner::new(set);
        let mut seen_times = Times::default();
        if self.history {
            let (observed, mut at) = (&mut self.observed, (usize::MAX, None));
            let from = usize::try_from(self.from.saturating_sub(block.offset)).unwrap_or(usize::MAX);
            scanner.scan_block_seeing(bytes, block.offset, block.first_line, &mut on_hit, &mut |seen| {
                if seen.line_start < from {
                    return;
                }
                if at.0 != seen.line_start {
                    at = (seen.line_start, line_time(line_at(bytes, seen.line_start)));
                    seen_times.add(at.1);
                }
                observed.add(seen.kind, seen.token, at.1);
            });
        } else {
            scanner.scan_block(bytes, block.offset, block.first_line, &mut on_hit);
        }
        times.add(seen_times.first);
        times.add(seen_times.last);
        times.add(line_time(line_at(bytes, 0)));
        times.add(line_time(last_line(bytes)));
        Scanned { buffer: block.bytes, findings, expired, times }
    }
}

/// The line that begins at a place, without its newline.
fn line_at(bytes: &[u8], start: usize) -> &[u8] {
    let rest = bytes.get(start..).unwrap_or_default();
    rest.get(..memchr(b'\n', rest).unwrap_or(rest.len())).unwrap_or_default()
}

fn last_line(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    line_at(bytes, memchr::memrchr(b'\n', bytes).map_or(0, |newline| newline + 1))
}

#[derive(Default)]
struct Sum {
    findings: u64,
    expired: u64,
    times: Times,
}

impl Sum {
    /// Hands the findings on; answers the buffer.
    fn add(&mut self, part: Scanned, on_finding: &mut dyn FnMut(Finding)) -> Vec<u8> {
        self.findings += part.findings.len() as u64;
        self.expired += part.expired;
        self.times.add(part.times.first);
        self.times.add(part.times.last);
        part.findings.into_iter().for_each(on_finding);
        part.buffer
    }

    fn report(self, name: &str, read: ReadFacts) -> FileReport {
        FileReport {
            file: name.to_owned(),
            bytes: read.bytes,
            unpacked_bytes: read.unpacked_bytes,
            sha256: read.sha256,
            head_sha256: read.head_sha256,
            head: read.head,
            packing: read.packing,
            lines: read.lines,
            unread_lines: read.unread_lines,
            findings: self.findings,
            expired: self.expired,
            first_time: self.times.first,
            last_time: self.times.last,
            whole: read.whole,
            diagnostics: read.diagnostics,
        }
    }
}
