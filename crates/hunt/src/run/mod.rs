// SPDX-License-Identifier: Apache-2.0
//! One pass over one log: findings, what rules say of its events, and on demand what the history keeps.
//!
//! The thread that reads shows each block to the log's [`Reader`](crate::event::Reader) and hands it to a worker
//! together with the way to read its lines. A worker scans the block for indicators, reads into events the lines
//! that an indicator or a rule needs, and answers with a [`Part`]. Parts come back in the order of the blocks,
//! however many threads there are.

mod threads;
mod worker;

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use model::diagnostic::Diagnostic;
use model::time::Timestamp;

use crate::detection::Detection;
use crate::event::{Reader, SourceClass, UnreadLines};
use crate::finding::Finding;
use crate::history::Observed;
use crate::limits::THREADS_MAX;
use crate::reader::{Block, Packing, ReadFacts, Source};
use crate::rule::Engine;
use crate::scan::IndicatorSet;
use crate::time::{Clock, Timeline};

use worker::{Scanned, Worker};

/// How a log is hunted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether to collect what the history keeps.
    pub history: bool,
    /// Threads that scan, besides the caller's, which reads and unpacks; with 1 the caller scans, too.
    pub threads: usize,
}

/// What is looked for.
#[derive(Clone, Copy)]
pub struct Lookout<'a> {
    /// Indicators.
    pub set: &'a IndicatorSet,
    /// The engine of the rules, from which workers are made.
    pub rules: Option<&'a Engine>,
    /// Raised to stop between two blocks.
    pub stop: &'a AtomicBool,
}

/// What came of a stretch of a log.
#[derive(Debug, Default)]
pub struct Part {
    /// Findings, in the order of the lines.
    pub findings: Vec<Finding>,
    /// What rules said of single lines.
    pub detections: Vec<Detection>,
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
    /// What kind of log it is, by its first lines; single lines may be of another.
    pub class: SourceClass,
    /// Lines, the unread ones among them.
    pub lines: u64,
    /// Lines that were too long to be read.
    pub unread_lines: u64,
    /// Lines that a rule needed and that could not be read into fields, by reason. They were scanned for
    /// indicators all the same.
    pub unparsed: UnreadLines,
    /// Findings.
    pub findings: u64,
    /// Matches that are no findings, because the line is of a time after the indicator ceased to hold.
    pub expired: u64,
    /// Earliest time of a line that was looked at: with a history those with observables, else those with
    /// matches, those that rules needed and the first and last of each block.
    pub first_time: Option<Timestamp>,
    /// Latest time, likewise.
    pub last_time: Option<Timestamp>,
    /// The order of these times: where the log is silent, where its clock jumps.
    pub timeline: Timeline,
    /// Whether all of the file was read.
    pub whole: bool,
    /// Whether it was left because [`Lookout::stop`] was raised.
    pub stopped: bool,
    /// What went wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// The report, and what the log held for the history and for the rules.
pub struct Hunt {
    /// The report.
    pub report: FileReport,
    /// Observables; empty unless [`Options::history`] asked for them.
    pub observed: Observed,
    /// Engines of the workers, for [`Engine::absorb`]; empty without rules.
    pub engines: Vec<Engine>,
}

impl std::fmt::Debug for Hunt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hunt").field("report", &self.report).field("observed", &self.observed.len()).finish()
    }
}

/// Hunts in one log for indicators alone. Findings come in the order of the lines. Faults of the log are
/// diagnostics in the report; what could be read was hunted in.
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
    let lookout = Lookout { set, rules: None, stop: &AtomicBool::new(false) };
    let source = Source::new(reader, name);
    hunt_source(source, name, &Clock::default(), &lookout, options, &mut |part| {
        part.findings.into_iter().for_each(&mut *on_finding);
    })
}

/// Hunts in one log. Parts come in the order of the lines.
pub fn hunt_source<R: Read>(
    mut source: Source<R>,
    name: &str,
    clock: &Clock,
    lookout: &Lookout<'_>,
    options: &Options,
    on_part: &mut dyn FnMut(Part),
) -> Hunt {
    let mut blocks =
        Blocks { source: &mut source, name, clock, reader: None, stop: lookout.stop, stopped: false };
    let mut sum = Sum::default();
    let threads = options.threads.clamp(1, THREADS_MAX);
    let first = Worker::new(name, lookout, options.history);
    let (observed, engines) = if threads == 1 {
        let mut worker = first;
        let mut buffer = Vec::new();
        while let Some((block, lines)) = blocks.next(buffer) {
            buffer = sum.add(worker.scan(block, &lines), on_part);
        }
        worker.into_parts()
    } else {
        threads::scan(&mut blocks, threads, &first, &mut sum, on_part)
    };
    let mut observed = observed;
    let (class, stopped) = (blocks.reader.as_ref().map(Reader::class).unwrap_or_default(), blocks.stopped);
    let mut report = sum.report(name, class, stopped, source.finish());
    report.diagnostics.extend(observed.take_diagnostic(name));
    Hunt { report, observed, engines }
}

/// Blocks of a log, each with the way to read its lines.
struct Blocks<'a, R: Read> {
    source: &'a mut Source<R>,
    name: &'a str,
    clock: &'a Clock,
    /// Made of the first block.
    reader: Option<Reader>,
    stop: &'a AtomicBool,
    stopped: bool,
}

impl<R: Read> Blocks<'_, R> {
    fn next(&mut self, buffer: Vec<u8>) -> Option<(Block, crate::event::BlockReader)> {
        if self.stop.load(Ordering::Relaxed) {
            self.stopped = true;
            return None;
        }
        let block = self.source.next_block(buffer)?;
        let reader =
            self.reader.get_or_insert_with(|| Reader::new(&block.bytes, self.name, self.clock.clone()));
        let lines = reader.block(&block);
        Some((block, lines))
    }
}

/// What came of all blocks so far.
#[derive(Default)]
struct Sum {
    findings: u64,
    expired: u64,
    timeline: Timeline,
    unparsed: UnreadLines,
}

impl Sum {
    /// Hands the part on; answers the buffer.
    fn add(&mut self, scanned: Scanned, on_part: &mut dyn FnMut(Part)) -> Vec<u8> {
        self.findings += scanned.part.findings.len() as u64;
        self.expired += scanned.expired;
        self.timeline.join(&scanned.timeline);
        self.unparsed.join(&scanned.unparsed);
        on_part(scanned.part);
        scanned.buffer
    }

    fn report(self, name: &str, class: SourceClass, stopped: bool, read: ReadFacts) -> FileReport {
        FileReport {
            file: name.to_owned(),
            bytes: read.bytes,
            unpacked_bytes: read.unpacked_bytes,
            sha256: read.sha256,
            head_sha256: read.head_sha256,
            head: read.head,
            packing: read.packing,
            class,
            lines: read.lines,
            unread_lines: read.unread_lines,
            unparsed: self.unparsed,
            findings: self.findings,
            expired: self.expired,
            first_time: self.timeline.first,
            last_time: self.timeline.last,
            timeline: self.timeline,
            whole: read.whole && !stopped,
            stopped,
            diagnostics: read.diagnostics,
        }
    }
}
