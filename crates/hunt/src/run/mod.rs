// SPDX-License-Identifier: Apache-2.0
//! One pass over one log: findings, what rules say of its events, and on demand what the history keeps.
//!
//! The thread that reads shows each block to the log's [`Reader`](crate::event::Reader) and hands it to a worker
//! together with the way to read its lines. A worker scans the block for indicators, reads into events the lines
//! that an indicator or a rule needs, and answers with a [`Part`]. Parts come back in the order of the blocks,
//! however many threads there are.

mod feed;
mod live;
mod threads;
mod told;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use model::diagnostic::{Diagnostic, Severity};
use model::time::Timestamp;

use crate::confirm::Confirm;
use crate::confirm::rate::HitRate;
use crate::detection::Detection;
use crate::detector::{self, Detectors};
use crate::event::{Reader, SourceClass, SourceKinds, UnreadLines};
use crate::finding::Finding;
use crate::history::Observed;
use crate::limits::{LEFT_OUT_REASONS_MAX, THREADS_MAX};
use crate::pattern::{PatternRun, PatternSet};
use crate::reader::{Block, Content, Packing, ReadFacts, Source};
use crate::report::Hit;
use crate::rule::Engine;
use crate::scan::IndicatorSet;
use crate::time::{Clock, Timeline, TimesTold};

pub use live::{LiveLog, Stretch};
use worker::{Scanned, Worker};

/// Why a match of an indicator that matches a large part of a log is no finding.
const PAUSED: &str = "the indicator matched so much of the log that it is suspect";

/// What stands for reasons beyond [`LEFT_OUT_REASONS_MAX`].
const OTHER: &str = "for other reasons";

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
    /// Makes findings of matches, or rejects them; without it each match is one.
    pub confirm: Option<&'a Confirm>,
    /// Patterns that are more than equality.
    pub patterns: Option<&'a PatternSet>,
    /// The engine of the rules, from which workers are made.
    pub rules: Option<&'a Engine>,
    /// What the detectors are told besides events; without it none runs.
    pub detectors: Option<&'a detector::Options>,
    /// Raised to stop between two blocks.
    pub stop: &'a AtomicBool,
}

/// What came of a stretch of a log.
#[derive(Debug, Default)]
pub struct Part {
    /// Findings, in the order of the lines.
    pub hits: Vec<Hit>,
    /// What rules and patterns said of single lines.
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
    /// What a packed file holds; nothing of one that is not packed, and of one that was not unpacked to its end.
    pub content: Option<Content>,
    /// What kind of log it is, by its first lines; single lines may be of another.
    pub class: SourceClass,
    /// What kinds of logs its lines are of, that of `class` among them: a security log of Windows tells of sign-ins, files
    /// and processes. Without rules and detectors only some lines are asked.
    pub kinds: SourceKinds,
    /// Whether its lines are records of the file: a number of one is not that of a line of the file.
    pub by_record: bool,
    /// Lines, the unread ones among them.
    pub lines: u64,
    /// Lines that were too long to be read.
    pub unread_lines: u64,
    /// Lines that a rule or a pattern needed and that could not be read into fields, by reason. They were scanned for
    /// indicators all the same.
    pub unparsed: UnreadLines,
    /// Findings.
    pub findings: u64,
    /// Matches that were not judged, because a line or a stretch holds too many; they are in `left_out`, too.
    pub unjudged: u64,
    /// Matches that are no findings, by reason.
    pub left_out: BTreeMap<String, u64>,
    /// Earliest time of a line that was looked at: with a history those with observables, else those with
    /// matches, those that rules or patterns needed and the first and last of each block.
    pub first_time: Option<Timestamp>,
    /// Latest time, likewise.
    pub last_time: Option<Timestamp>,
    /// What the lines tell of their times that were asked for them: with a history those with observables, else some.
    pub times: TimesTold,
    /// Days since 1970 of which it has lines, ascending, in UTC.
    pub days: Vec<u32>,
    /// The order of these times: where the log is silent, where its clock jumps.
    pub timeline: Timeline,
    /// Whether all of the file was read.
    pub whole: bool,
    /// Whether it was left because [`Lookout::stop`] was raised.
    pub stopped: bool,
    /// What went wrong.
    pub diagnostics: Vec<Diagnostic>,
}

impl FileReport {
    /// Why reading ended before the end; nothing of a log that was read whole, or that was stopped.
    pub fn ended_by(&self) -> Option<&str> {
        // What was told first may be of a line.
        let fault = self.diagnostics.iter().rfind(|told| told.severity == Severity::Error && !self.whole);
        fault.map(|told| told.message.as_str())
    }
}

/// The report, and what is left of the log.
pub struct Hunt<'a> {
    /// The report.
    pub report: FileReport,
    /// For the history, the rules, the patterns and the detectors of the whole hunt.
    pub left: Left<'a>,
}

/// What the workers on a log leave behind when it ends.
#[derive(Default)]
pub struct Left<'a> {
    /// Observables; empty unless [`Options::history`] asked for them.
    pub observed: Observed,
    /// For [`Engine::absorb`]; empty without rules.
    pub engines: Vec<Engine>,
    /// What patterns of several observations wait for, for [`PatternRun::merge`]; empty without patterns.
    pub patterns: Vec<PatternRun<'a>>,
    /// For [`Detectors::unite`]; empty without detectors.
    pub detectors: Vec<Detectors>,
}

impl<'a> Left<'a> {
    fn by(worker: Worker<'_, 'a>) -> Left<'a> {
        let Worker { observed, engine, mut patterns, detectors, .. } = worker;
        patterns.iter_mut().for_each(PatternRun::end);
        Left {
            observed,
            engines: engine.into_iter().collect(),
            patterns: patterns.into_iter().collect(),
            detectors: detectors.into_iter().collect(),
        }
    }

    fn join(&mut self, other: Left<'a>) {
        self.observed.merge(other.observed);
        self.engines.extend(other.engines);
        self.patterns.extend(other.patterns);
        self.detectors.extend(other.detectors);
    }
}

impl std::fmt::Debug for Hunt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hunt")
            .field("report", &self.report)
            .field("observed", &self.left.observed.len())
            .finish()
    }
}

/// Where observables go.
pub struct Keeping {
    /// What is collected so far; it says what is kept, and where it goes when it is too much.
    pub observed: Observed,
    /// Offset in the unpacked stream of the first line that counts: what lies before was counted earlier.
    pub from: u64,
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
) -> Hunt<'static> {
    let keeping = options.history.then(|| Keeping { observed: Observed::default(), from: 0 });
    hunt_into(reader, name, set, options.threads, keeping, on_finding)
}

/// The same; what the history keeps is collected as `keeping` says.
pub fn hunt_into(
    reader: &mut dyn Read,
    name: &str,
    set: &IndicatorSet,
    threads: usize,
    keeping: Option<Keeping>,
    on_finding: &mut dyn FnMut(Finding),
) -> Hunt<'static> {
    let stop = AtomicBool::new(false);
    let lookout = Lookout { set, confirm: None, patterns: None, rules: None, detectors: None, stop: &stop };
    let source = Source::new(reader, name);
    let mut on_part = |part: Part| part.hits.into_iter().for_each(|hit| on_finding(hit.finding));
    let hunt = hunt_source(source, name, &Clock::default(), &lookout, threads, keeping, &mut on_part);
    Hunt { report: hunt.report, left: Left { observed: hunt.left.observed, ..Left::default() } }
}

/// Hunts in one log. Parts come in the order of the lines.
pub fn hunt_source<'a, R: Read>(
    mut source: Source<R>,
    name: &str,
    clock: &Clock,
    lookout: &Lookout<'a>,
    threads: usize,
    keeping: Option<Keeping>,
    on_part: &mut dyn FnMut(Part),
) -> Hunt<'a> {
    let mut blocks =
        Blocks { source: &mut source, name, clock, reader: None, stop: lookout.stop, stopped: false };
    let mut sum = Sum { suspects: lookout.confirm.map(|_| HitRate::default()), ..Sum::default() };
    let threads = threads.clamp(1, THREADS_MAX);
    let first = Worker::new(name, lookout, keeping);
    let mut left = if threads == 1 {
        let mut worker = first;
        let mut buffer = Vec::new();
        while let Some((block, lines)) = blocks.next(buffer) {
            buffer = sum.add(worker.scan(block, &lines), on_part);
        }
        Left::by(worker)
    } else {
        threads::scan(&mut blocks, threads, &first, &mut sum, on_part)
    };
    let (class, stopped) = (blocks.reader.as_ref().map(Reader::class).unwrap_or_default(), blocks.stopped);
    let suspects = sum.suspects.take();
    let read = if stopped { source.leave() } else { source.finish() };
    let mut report = sum.report(name, class, stopped, read);
    report.diagnostics.extend(left.observed.take_diagnostic(name));
    if let Some(rate) = suspects {
        let id = |nth: usize| lookout.set.indicator(nth).map_or_else(String::new, |i| i.id);
        report.diagnostics.extend(rate.suspects(name, &id));
    }
    Hunt { report, left }
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
        let made_from = self.source.made_from();
        let reader = self.reader.get_or_insert_with(|| {
            let reader = Reader::new(&block.bytes, self.name, self.clock.clone());
            match made_from {
                Some(format) => reader.made_from(format),
                None => reader,
            }
        });
        let lines = reader.block(&block);
        Some((block, lines))
    }
}

/// What came of all blocks so far.
#[derive(Default)]
struct Sum {
    findings: u64,
    unjudged: u64,
    left_out: BTreeMap<String, u64>,
    /// Which indicators match so much that they say nothing; counted in the order of the lines.
    suspects: Option<HitRate>,
    timeline: Timeline,
    times: TimesTold,
    days: BTreeSet<u32>,
    kinds: SourceKinds,
    unparsed: UnreadLines,
}

impl Sum {
    /// Hands the part on; answers the buffer.
    fn add(&mut self, mut scanned: Scanned, on_part: &mut dyn FnMut(Part)) -> Vec<u8> {
        if let Some(rate) = &mut self.suspects {
            rate.lines(scanned.lines);
            let before = scanned.part.hits.len();
            scanned.part.hits.retain(|hit| rate.hit(hit.finding.indicator_index));
            let paused = before - scanned.part.hits.len();
            if paused > 0 {
                *self.left_out.entry(PAUSED.to_owned()).or_default() += paused as u64;
            }
        }
        self.findings += scanned.part.hits.len() as u64;
        self.unjudged += scanned.unjudged;
        for (reason, count) in scanned.left_out {
            let known = self.left_out.len() < LEFT_OUT_REASONS_MAX || self.left_out.contains_key(&reason);
            *self.left_out.entry(if known { reason } else { OTHER.to_owned() }).or_default() += count;
        }
        self.timeline.join(&scanned.timeline);
        self.times.join(&scanned.times);
        self.days.extend(scanned.days);
        self.kinds.join(scanned.kinds);
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
            content: read.content,
            class,
            kinds: self.kinds.of_log(class.kind),
            by_record: read.by_record,
            lines: read.lines,
            unread_lines: read.unread_lines,
            unparsed: self.unparsed,
            findings: self.findings,
            unjudged: self.unjudged,
            left_out: self.left_out,
            first_time: self.timeline.first,
            last_time: self.timeline.last,
            times: self.times,
            days: self.days.into_iter().collect(),
            timeline: self.timeline,
            whole: read.whole && !stopped,
            stopped,
            diagnostics: read.diagnostics,
        }
    }
}
