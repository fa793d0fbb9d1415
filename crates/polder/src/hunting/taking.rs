// SPDX-License-Identifier: Apache-2.0
//! What comes of the files, on its way into the history and the report.
//!
//! A file that was read waits for some others, if it is small: what is written down of each is little, and making it
//! durable takes as long as that of a large one. All that wait are recorded together, and count together.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hunt::detection::Detection;
use hunt::history::names_before_rotation;
use hunt::limits::HELD_BYTES_MAX;
use hunt::report::{Beyond, FileState, Hit};
use hunt::rule::RuleCount;
use hunt::run::{FileReport, Hunt, Part};
use model::time::Timestamp;

use super::gather::{self, Gathering};
use super::record::{self, Again, Logged, Recording};
use super::unfinished::{Identity, Keeper};
use super::waiting::bytes_of;
use super::zones::{ToldZones, Zones};
use crate::failure::{Exit, Failure};
use crate::history::Opened;
use crate::node::now;

/// Files that wait at most to be recorded together.
const WAITING_FILES_MAX: usize = 128;
/// Bytes that they may have unpacked, and their findings with them.
const WAITING_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How long one may wait for others, when one more comes.
const WAITING_TIME_MAX: Duration = Duration::from_secs(1);

/// What came of the file whose turn it is. It is taken in when the file ends: of one that is stopped nothing may count
/// that counts again when it is gone on with.
#[derive(Default)]
pub struct OfFile {
    hits: Vec<Hit>,
    bytes: usize,
    /// Findings of logs that were marked.
    marked: usize,
    more_hits: u64,
    beyond: Beyond,
    detections: Vec<Detection>,
    more_detections: u64,
}

impl OfFile {
    pub fn add(&mut self, part: Part) {
        let bytes: usize = part.hits.iter().map(bytes_of).sum();
        if self.bytes.saturating_add(bytes) > HELD_BYTES_MAX {
            self.more_hits += part.hits.len() as u64;
            part.hits.iter().for_each(|hit| self.beyond.count(&hit.finding));
        } else {
            self.bytes += bytes;
            self.hits.extend(part.hits);
        }
        self.detections.extend(part.detections);
        if self.detections.len() >= 2 * gather::DETECTIONS_MAX {
            self.more_detections += gather::keep_the_gravest(&mut self.detections);
        }
    }
}

impl OfFile {
    /// Drops what came of a log.
    fn drop_log(&mut self, log: &str) {
        self.hits.retain(|hit| hit.finding.file != log);
        let is_elsewhere =
            |told: &Detection| told.evidence.is_empty() || told.evidence.iter().any(|line| line.file != log);
        self.detections.retain(is_elsewhere);
    }

    /// Marks the findings of a log that an earlier hunt recorded; each log has its findings one after the other.
    fn mark(&mut self, log: &str, known: &[bool]) {
        if known.is_empty() {
            return;
        }
        let left = self.hits.get_mut(self.marked..).unwrap_or_default();
        let before = left.iter().take_while(|hit| hit.finding.file != log).count();
        let of_log = left.iter_mut().skip(before).take_while(|hit| hit.finding.file == log);
        of_log.zip(known).for_each(|(hit, known)| hit.known = Some(*known));
        self.marked += before + known.len();
    }
}

/// A file that was read to its end.
pub struct ReadFile<'q> {
    pub path: PathBuf,
    /// What it was when it was opened.
    pub opened: Option<Identity>,
    /// Of each log in it.
    pub hunts: Vec<Hunt<'q>>,
    pub of_file: OfFile,
}

impl ReadFile<'_> {
    fn bytes(&self) -> u64 {
        let unpacked: u64 = self.hunts.iter().map(|hunt| hunt.report.unpacked_bytes).sum();
        unpacked.saturating_add(self.of_file.bytes as u64)
    }
}

/// What the files hold that wait, and what they are called: which of two logs of one content, one beginning or one name
/// counts is known when the other is recorded.
#[derive(Default)]
struct Alike {
    contents: HashSet<gather::Contents>,
    heads: HashSet<[u8; 32]>,
    names: HashSet<String>,
    names_before: HashSet<String>,
}

impl Alike {
    /// Whether a log of a file is like one of those that wait.
    fn has(&self, file: &ReadFile<'_>) -> bool {
        !self.names.is_empty()
            && file.hunts.iter().any(|hunt| {
                let FileReport { file: name, head_sha256, .. } = &hunt.report;
                self.contents.contains(&gather::contents(&hunt.report))
                    || self.heads.contains(head_sha256)
                    || self.names_before.contains(name)
                    || names_before_rotation(name).iter().any(|before| self.names.contains(before))
            })
    }

    fn add(&mut self, file: &ReadFile<'_>) {
        for hunt in &file.hunts {
            self.contents.insert(gather::contents(&hunt.report));
            self.heads.insert(hunt.report.head_sha256);
            self.names_before.extend(names_before_rotation(&hunt.report.file));
            self.names.insert(hunt.report.file.clone());
        }
    }
}

/// Where what comes of the files goes.
pub struct Taking<'t, 'q> {
    pub gathering: &'t mut Gathering<'q>,
    /// Where logs are recorded, and the zones by which times that lack one were read.
    pub history: Option<(&'t Opened<'t>, &'t Zones)>,
    /// `None` where it is not to be kept how far the hunt has come, or no more.
    pub keeper: Option<&'t mut Keeper>,
    /// The keeper after the hunt was stopped.
    pub stopped: Option<&'t mut Keeper>,
    /// What came so far of the file whose turn it is.
    pub of_file: OfFile,
    /// When the hunt was begun, which may have been stopped since: what was recorded later is its own.
    begun: Timestamp,
    /// Why what was read since is not in the history: the hunt goes on, and is gone on with later from there.
    pub unrecorded: Option<Failure>,
    zones: ToldZones,
    waiting: Vec<ReadFile<'q>>,
    alike: Alike,
    waiting_bytes: u64,
    since: Instant,
}

impl<'t, 'q> Taking<'t, 'q> {
    pub fn new(
        gathering: &'t mut Gathering<'q>,
        history: Option<(&'t Opened<'t>, &'t Zones)>,
        keeper: Option<&'t mut Keeper>,
    ) -> Taking<'t, 'q> {
        Taking {
            gathering,
            history,
            begun: keeper.as_ref().map_or_else(now, |keeper| keeper.begun.at),
            keeper,
            stopped: None,
            of_file: OfFile::default(),
            unrecorded: None,
            zones: ToldZones::default(),
            waiting: Vec::new(),
            alike: Alike::default(),
            waiting_bytes: 0,
            since: Instant::now(),
        }
    }

    /// Says of how many logs the times are others than an earlier hunt recorded, and by which zones logs were read that this
    /// one was not asked for.
    pub fn tell_zones(&self) {
        self.zones.tell();
    }

    /// A file came to its end. It waits for others, unless enough wait.
    pub fn read(&mut self, file: ReadFile<'q>, again: &Again<'_, 'q>) -> Result<(), Failure> {
        if self.alike.has(&file) {
            self.settle(again)?;
        }
        if self.waiting.is_empty() {
            self.since = Instant::now();
        }
        self.waiting_bytes = self.waiting_bytes.saturating_add(file.bytes());
        self.alike.add(&file);
        self.waiting.push(file);
        if self.waiting.len() >= WAITING_FILES_MAX
            || self.waiting_bytes >= WAITING_BYTES_MAX
            || self.since.elapsed() >= WAITING_TIME_MAX
        {
            self.settle(again)?;
        }
        Ok(())
    }

    /// The hunt was stopped: what comes from here on is not to be kept, it is hunted in again.
    pub fn stop(&mut self, again: &Again<'_, 'q>) -> Result<(), Failure> {
        self.settle(again)?;
        if let Some(keeper) = self.keeper.take() {
            keeper.keep(self.gathering);
            self.stopped = Some(keeper);
        }
        Ok(())
    }

    /// A part of an archive that could not be read, or that it could not be read to its end, when the rest of it was.
    pub fn part_not_read(&mut self, place: String, state: FileState) -> Result<(), Failure> {
        let why = match &state {
            FileState::Damaged(why) | FileState::NotRead(why) => why.as_str(),
            FileState::Whole => "",
        };
        let noted = self
            .history
            .as_ref()
            .map_or(Ok(()), |(history, _)| record::not_read(history, Path::new(&place), why));
        if let Err(failure) = noted {
            self.go_on_without(failure)?;
        }
        self.gathering.nothing_of(place, state);
        Ok(())
    }

    /// A file that cannot be read.
    pub fn not_read(
        &mut self,
        path: PathBuf,
        opened: Option<Identity>,
        why: String,
        again: &Again<'_, 'q>,
    ) -> Result<(), Failure> {
        let of_file = std::mem::take(&mut self.of_file);
        self.settle(again)?;
        let noted =
            self.history.as_ref().map_or(Ok(()), |(history, _)| record::not_read(history, &path, &why));
        if let Err(failure) = noted {
            self.go_on_without(failure)?;
        }
        self.gathering.not_read(path.display().to_string(), why);
        self.take(of_file);
        self.done(path, opened);
        self.keep_if_due();
        Ok(())
    }

    /// Takes in all that wait: their logs are recorded, what was found in them is told.
    pub fn settle(&mut self, again: &Again<'_, 'q>) -> Result<(), Failure> {
        let mut waiting = std::mem::take(&mut self.waiting);
        self.alike = Alike::default();
        self.waiting_bytes = 0;
        if waiting.is_empty() {
            return Ok(());
        }
        let mut logged = match self.record(&mut waiting, again) {
            Ok(logged) => logged.into_iter(),
            Err(failure) => self.go_on_without(failure)?,
        };
        let mut counts: Vec<(i64, Vec<RuleCount>)> = Vec::new();
        for ReadFile { path, opened, hunts, mut of_file } in waiting {
            let (logs, mut copies) = (hunts.len(), Vec::new());
            for mut hunt in hunts {
                let logged = if hunt.report.stopped { None } else { logged.next() };
                let logged = logged.unwrap_or_default();
                if let Some((_, zones)) = &self.history {
                    self.zones.count(&logged, zones, &path);
                }
                let Logged { number, known, .. } = logged;
                of_file.mark(&hunt.report.file, &known);
                if self.gathering.is_copy(&hunt.report) {
                    copies.push(hunt.report.file);
                    continue;
                }
                let of_log = self.gathering.end(&hunt.report, &mut hunt.left, number);
                counts.extend(number.map(|number| (number, of_log)));
            }
            if logs > 0 && copies.len() == logs {
                // With what was too much to be held, of which it is not known in which log it was.
                of_file = OfFile::default();
            }
            copies.iter().for_each(|copy| of_file.drop_log(copy));
            self.take(of_file);
            self.done(path, opened);
        }
        let counted = self.history.as_ref().map_or(Ok(()), |(history, _)| history.count(&counts));
        if let Err(failure) = counted {
            self.go_on_without(failure)?;
        }
        self.keep_if_due();
        Ok(())
    }

    /// The history cannot be written: the disk is full, the database is away. What is found is told all the same.
    /// What was kept before stays, for a hunt that goes on from there.
    fn go_on_without(&mut self, failure: Failure) -> Result<std::vec::IntoIter<Logged>, Failure> {
        if !matches!(failure.exit, Exit::Machine | Exit::Unreachable) {
            return Err(failure);
        }
        eprintln!(
            "polder: {failure}; the hunt goes on, and what is read from here on is not recorded: the same command does \
             that when this is mended"
        );
        self.unrecorded = Some(failure);
        (self.history, self.keeper) = (None, None);
        Ok(Vec::new().into_iter())
    }

    /// Records the logs of files that came to their end.
    fn record(
        &mut self,
        waiting: &mut [ReadFile<'q>],
        again: &Again<'_, 'q>,
    ) -> Result<Vec<Logged>, Failure> {
        let Some((history, zones)) = &self.history else { return Ok(Vec::new()) };
        history.note(&self.gathering.said_of(waiting.iter().flat_map(|file| &file.of_file.hits)))?;
        let mut recordings = Vec::new();
        for ReadFile { path, hunts, of_file, .. } in waiting {
            // The logs of a file are read one after the other, so that the findings of each stand together.
            let of_logs = of_file.hits.chunk_by(|a, b| a.finding.file == b.finding.file);
            let mut of_logs: HashMap<&str, &[Hit]> =
                of_logs.filter_map(|hits| Some((hits.first()?.finding.file.as_str(), hits))).collect();
            let zone = zones.of_file(path);
            for hunt in hunts.iter_mut().filter(|hunt| !hunt.report.stopped) {
                let observed = std::mem::take(&mut hunt.left.observed);
                let findings = of_logs.remove(hunt.report.file.as_str()).unwrap_or_default();
                recordings.push(Recording::new(
                    path,
                    &hunt.report,
                    observed,
                    findings,
                    &zone,
                    zones.is_given(),
                ));
            }
        }
        record::record(history, recordings, self.begun, again)
    }

    /// Takes in what was found in a file.
    fn take(&mut self, of_file: OfFile) {
        self.gathering.hits(of_file.hits);
        self.gathering.summary.more_hits += of_file.more_hits;
        self.gathering.summary.beyond.unite(of_file.beyond);
        self.gathering.summary.more_detections += of_file.more_detections;
        of_file.detections.into_iter().for_each(|detection| self.gathering.detection(detection));
    }

    /// A file is done.
    fn done(&mut self, path: PathBuf, opened: Option<Identity>) {
        let Some(identity) = opened else { return };
        self.gathering.done(&path, identity.place);
        if let Some(keeper) = &mut self.keeper {
            keeper.done(&path, identity);
        }
    }

    /// How far the hunt has come is kept from time to time: when nothing is taken in by half.
    fn keep_if_due(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.keep_if_due(self.gathering);
        }
    }
}
