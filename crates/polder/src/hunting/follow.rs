// SPDX-License-Identifier: Apache-2.0
//! Hunting in what arrives: files that grow, syslog.
//!
//! Findings and detections are printed as they come, and kept. What the history keeps of a file is recorded when
//! following ends, by reading the file once more as `polder hunt` does; of syslog, which nobody can read once more, every
//! hour and at the end.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use hunt::detection::Detection;
use hunt::history::FileFacts;
use hunt::limits::FINDINGS_PER_FILE_MAX;
use hunt::reader::{Block, HEAD_BYTES, Packing, recognise};
use hunt::report::Hit;
use hunt::rule::{self, Engine, Order};
use hunt::run::{Keeping, LiveLog};
use hunt::time::Clock;
use model::diagnostic::shown;
use model::time::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::live::{Chunk, Live, Place};
use super::{Each, Job, Taking, finding_json, finding_line};
use crate::failure::Failure;
use crate::history::Opened;
use crate::node::now;
use crate::out::say;

/// How long a match waits for others that come out of order.
const LATENESS_MICROS: i64 = 5 * 60 * 1_000_000;
/// How often what was observed is recorded.
const RECORD_EVERY_MICROS: i64 = 3_600 * 1_000_000;
/// How long nothing is waited for before the stop is looked at.
const WAIT: Duration = Duration::from_millis(200);

impl Job<'_> {
    /// Where the files end that are to be followed. What is packed does not grow by lines.
    pub fn places(&self, paths: &[PathBuf]) -> Vec<(PathBuf, Place)> {
        if !self.args.reading.follow {
            return Vec::new();
        }
        let plain = |path: &&PathBuf| {
            path.is_file() && head_of(path).is_some_and(|head| recognise(&head).0 == Packing::Plain)
        };
        paths.iter().filter(plain).map(|path| (path.clone(), end_of(path))).collect()
    }

    /// Goes on with what is written to the files, and with what is sent, until it is stopped. Answers whether
    /// anything was found.
    pub fn follow(&self, files: &[(PathBuf, Place)]) -> Result<bool, Failure> {
        let listen = &self.args.reading.syslog;
        let live = Live::start(files, listen, &self.stop)?;
        let (files_told, listeners) =
            (super::counted(files.len() as u64, "file"), super::counted(listen.len() as u64, "listener"));
        eprintln!(
            "following {files_told} and {listeners}, with indicators and rules, without detectors; stop with Ctrl-C"
        );
        let mut following = Following::new(self);
        loop {
            let (chunk, more) = live.next(WAIT);
            if let Some(chunk) = chunk {
                following.take(chunk)?;
            }
            following.record_when_due(false)?;
            if !more {
                break;
            }
        }
        following.finish()?;
        self.record_files(files)?;
        let (hits, detections) = following.found;
        eprintln!(
            "{} and {} while following",
            super::counted(hits, "finding"),
            super::counted(detections, "detection")
        );
        Ok(hits + detections > 0)
    }

    /// What the files held in the end goes into the history.
    fn record_files(&self, files: &[(PathBuf, Place)]) -> Result<(), Failure> {
        if self.history.is_none() || files.is_empty() {
            return Ok(());
        }
        let again = Job { stop: std::sync::Arc::default(), ..*self };
        let lookout = again.lookout();
        let progress = std::sync::Arc::default();
        let opened = Mutex::default();
        let each = Each { job: &again, lookout: &lookout, threads: 1, progress: &progress, opened: &opened };
        let paths: Vec<PathBuf> = files.iter().map(|(path, _)| path.clone()).collect();
        let summary = hunt::report::Summary::new(now());
        let mut gathering = super::Gathering::new(summary, self.quarry, self.args.quarry.min_level);
        each.run(&paths, 1, &mut Taking::new(&mut gathering, None))
    }
}

/// Where a file ends, by whole lines.
fn end_of(path: &Path) -> Place {
    let (mut end, mut at) = (Place::default(), 0_u64);
    let Ok(mut file) = File::open(path) else { return end };
    let mut buffer = vec![0; 1024 * 1024];
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => return end,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return end,
        };
        let part = buffer.get(..count).unwrap_or_default();
        end.lines += memchr::memchr_iter(b'\n', part).count() as u64;
        if let Some(newline) = memchr::memrchr(b'\n', part) {
            end.offset = at + newline as u64 + 1;
        }
        at += count as u64;
    }
}

/// All that is being followed.
struct Following<'f> {
    job: &'f Job<'f>,
    engine: Option<Engine>,
    logs: HashMap<String, Followed<'f>>,
    recorded: Timestamp,
    /// Findings and detections so far.
    found: (u64, u64),
}

struct Followed<'f> {
    log: LiveLog<'f, 'f>,
    /// Of syslog: what was received since it was recorded.
    received: Option<(Sha256, u64)>,
    /// Of syslog: how much of it came.
    at: Place,
    /// Of syslog: what was found since it was recorded.
    findings: Vec<Hit>,
}

impl<'f> Following<'f> {
    fn new(job: &'f Job<'f>) -> Following<'f> {
        let (rules, options) = &job.quarry.rules;
        let order = Order::Live { lateness_micros: LATENESS_MICROS };
        let options = rule::Options { order, gather: false, ..options.clone() };
        let engine = job.quarry.engine.as_ref().map(|_| Engine::new(std::sync::Arc::clone(rules), options));
        Following { job, engine, logs: HashMap::new(), recorded: now(), found: (0, 0) }
    }

    fn take(&mut self, chunk: Chunk) -> Result<(), Failure> {
        if let Some(notice) = &chunk.notice {
            eprintln!("polder: {}", shown(notice));
        }
        if chunk.bytes.is_empty() {
            return Ok(());
        }
        if !self.logs.contains_key(&chunk.name) {
            let followed = self.begin(&chunk)?;
            self.logs.insert(chunk.name.clone(), followed);
        }
        let Some(followed) = self.logs.get_mut(&chunk.name) else { return Ok(()) };
        let (mut offset, mut first_line) = (chunk.offset, chunk.first_line);
        if chunk.is_received {
            // All senders of a listener make one log.
            (offset, first_line) = (followed.at.offset, followed.at.lines + 1);
            followed.at.offset += chunk.bytes.len() as u64;
            followed.at.lines += memchr::memchr_iter(b'\n', &chunk.bytes).count() as u64;
        }
        if let Some((hash, bytes)) = &mut followed.received {
            hash.update(&chunk.bytes);
            *bytes += chunk.bytes.len() as u64;
        }
        let block = Block { bytes: chunk.bytes, offset, first_line };
        let part = followed.log.take(block, self.engine.as_mut());
        if followed.received.is_some() {
            let room = FINDINGS_PER_FILE_MAX.saturating_sub(followed.findings.len());
            followed.findings.extend(part.hits.iter().take(room).cloned());
        }
        self.tell(&part.hits, &part.detections);
        Ok(())
    }

    fn begin(&self, chunk: &Chunk) -> Result<Followed<'f>, Failure> {
        let is_syslog = chunk.is_received;
        let head = match is_syslog {
            true => chunk.bytes.clone(),
            false => head_of(Path::new(&chunk.name)).unwrap_or_else(|| chunk.bytes.clone()),
        };
        let keeping = match self.job.history.filter(|_| is_syslog) {
            Some(history) => Some(Keeping { observed: history.observed()?, from: 0 }),
            None => None,
        };
        // A log lives as long as the hunt: its name is kept for good.
        let name: &'static str = Box::leak(chunk.name.clone().into_boxed_str());
        let clock = Clock { zone: self.job.zone(), reference: Some(now()), year_turns: Some(0) };
        let log = LiveLog::new(name, &head, clock, &self.job.lookout(), keeping);
        Ok(Followed {
            log,
            received: is_syslog.then(|| (Sha256::new(), 0)),
            findings: Vec::new(),
            at: Place::default(),
        })
    }

    fn tell(&mut self, hits: &[Hit], detections: &[Detection]) {
        self.found.0 += hits.len() as u64;
        self.found.1 += detections.len() as u64;
        for hit in hits {
            if self.job.args.output.json {
                say!("{}", finding_json(hit));
            } else {
                say!("{}", finding_line(hit));
            }
        }
        for detection in detections {
            if self.job.args.output.json {
                say!(
                    "{}",
                    json!({ "type": "detection", "id": detection.id, "title": detection.title,
                    "level": detection.level.name(), "last": detection.last.map(|t| t.to_string()) })
                );
            } else {
                say!("{:<8} {}", detection.level.name().to_uppercase(), shown(&detection.title));
            }
        }
    }

    /// Records what listeners received, once an hour or now.
    fn record_when_due(&mut self, at_once: bool) -> Result<(), Failure> {
        let due = now().micros() - self.recorded.micros() >= RECORD_EVERY_MICROS;
        let Some(history) = self.job.history.filter(|_| due || at_once) else { return Ok(()) };
        self.recorded = now();
        for followed in self.logs.values_mut() {
            record(history, followed)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        let mut detections = Vec::new();
        if let Some(engine) = &mut self.engine {
            engine.finish(&mut |detection| detections.push(detection));
        }
        self.tell(&[], &detections);
        self.record_when_due(true)
    }
}

fn record(history: &Opened<'_>, followed: &mut Followed<'_>) -> Result<(), Failure> {
    let Some((hash, bytes)) = &mut followed.received else { return Ok(()) };
    let (observed, timeline, lines) = followed.log.take_observed();
    if *bytes == 0 {
        return Ok(());
    }
    let sha256: [u8; 32] = std::mem::take(hash).finalize().into();
    let from = timeline.first.or(timeline.last).unwrap_or_else(now);
    let facts = FileFacts {
        path: format!("{} from {from}", followed.log.name()),
        sha256,
        head_sha256: sha256,
        size: *bytes,
        class: followed.log.class(),
        whole: true,
        lines,
        first: timeline.first,
        last: timeline.last,
        counted_to: *bytes,
        ..FileFacts::default()
    };
    *bytes = 0;
    history.record(&facts, observed, &std::mem::take(&mut followed.findings))?;
    Ok(())
}

fn head_of(path: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path).ok()?.take(HEAD_BYTES as u64 * 4).read_to_end(&mut head).ok()?;
    Some(head)
}
