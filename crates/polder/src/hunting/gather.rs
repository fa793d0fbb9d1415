// SPDX-License-Identifier: Apache-2.0
//! What comes of all logs together, for the report.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hunt::detection::{ABOUT, Detection, Level, Means};
use hunt::detector::Detectors;
use hunt::event::{SourceKind, SourceKinds};
use hunt::pattern::PatternRun;
use hunt::report::said::Said;
use hunt::report::{FileFacts, FileState, Hit, IndicatorFacts, Summary};
use hunt::rule::{Engine, RuleCount};
use hunt::run::{FileReport, Left};
use hunt::time::TimesTold;
use hunt::unfinished::{DetectorState, Unfinished};

use model::time::Timestamp;

use super::coverage;
use super::follow;
use super::sought::Quarry;
use super::unfinished::Begun;
use crate::failure::Failure;
use crate::node::now;

/// Findings that a report holds; of more the number is told.
const HITS_MAX: usize = 200_000;
/// Detections that a report holds; of more the number is told.
pub const DETECTIONS_MAX: usize = 50_000;

/// Code of what patterns had no room for.
const LEFT_OUT: &str = "pattern-events-left-out";

/// What came of all logs.
pub struct Gathered {
    pub summary: Summary,
    /// What correlations came to, by the number of the log of the last line.
    pub counts: BTreeMap<(i64, String), RuleCount>,
    /// What following goes on from; as it was asked for.
    pub onward: Onward,
    /// Why not all of it is in the history.
    pub unrecorded: Option<Failure>,
}

/// What following goes on from: what detectors and correlations remember of the files.
#[derive(Default)]
pub struct Onward {
    pub detectors: Option<Detectors>,
    pub engine: Option<Engine>,
    /// Detections of hours that were still open: they were told at this level, and come again when the hour is over.
    pub told: BTreeMap<Told, Level>,
    /// Device and inode of the files that were read, by their names: what else has the name since is a new log.
    pub places: HashMap<String, (u64, u64)>,
}

impl Onward {
    /// Whether a detection was told before, and as grave as it is now: one that has become graver is told again.
    pub fn knows(&self, detection: &Detection) -> bool {
        self.told.get(&told(detection)).is_some_and(|level| *level >= detection.level)
    }

    /// Remembers what is told. What is below the level that is told was seen by nobody.
    fn remember(&mut self, detection: &Detection, min_level: Option<Level>) {
        if is_told(detection, min_level) {
            let level = self.told.entry(told(detection)).or_insert(detection.level);
            *level = detection.level.max(*level);
        }
    }
}

/// What makes a detection the same as another: what detected, about whom, from when.
pub type Told = (String, Vec<(&'static str, String)>, Option<Timestamp>);

/// See [`Told`].
fn told(detection: &Detection) -> Told {
    (detection.id.clone(), detection.about.clone(), detection.first)
}

/// Takes in what comes of the logs, one after the other.
pub struct Gathering<'q> {
    pub summary: Summary,
    quarry: &'q Quarry,
    engine: Option<Engine>,
    patterns: Option<PatternRun<'q>>,
    detectors: Option<Detectors>,
    min_level: Option<Level>,
    /// Logs by their names, with their numbers in the register.
    logs: HashMap<String, i64>,
    /// Logs that were taken in, by what they hold.
    contents: HashMap<Contents, String>,
    /// Device and inode of the files that are done, by their names.
    places: HashMap<String, (u64, u64)>,
    /// Objects of which it is noted what files say.
    noted: BTreeSet<String>,
    /// Whether something could not be read or recorded.
    pub partial: bool,
}

impl<'q> Gathering<'q> {
    /// Nothing came yet.
    pub fn new(summary: Summary, quarry: &'q Quarry, min_level: Option<Level>) -> Gathering<'q> {
        Gathering {
            summary,
            quarry,
            engine: quarry.engine.as_ref().map(|_| engine_of(quarry)),
            patterns: (!quarry.patterns.is_empty()).then(|| PatternRun::of_all(&quarry.patterns)),
            detectors: quarry.detectors.clone().map(Detectors::new),
            min_level,
            logs: HashMap::new(),
            contents: HashMap::new(),
            places: HashMap::new(),
            noted: BTreeSet::new(),
            partial: quarry.partial,
        }
    }

    /// Goes on from where a hunt was stopped that asked the same. One whose state cannot be read is as it was.
    pub fn go_on(&mut self, from: Unfinished<'_>) -> Result<(), String> {
        let mut engine = self.engine.as_ref().map(|_| engine_of(self.quarry));
        if let (Some(engine), Some(state)) = (&mut engine, &from.rules) {
            engine.restore(state).map_err(|e| e.to_string())?;
        }
        let (mut patterns, mut newer) = (None, 0);
        if let (Some(_), Some(state)) = (&self.patterns, &from.patterns) {
            let (run, new) = PatternRun::restore(&self.quarry.patterns, state).map_err(|e| e.to_string())?;
            (patterns, newer) = (Some(run), new);
        }
        let mut detectors = None;
        if let (Some(options), Some(state)) = (&self.quarry.detectors, &from.detectors) {
            detectors = Some(match state {
                DetectorState::Kept(state) => {
                    Detectors::restore(options.clone(), state).map_err(|e| e.to_string())?
                }
                DetectorState::Live(live) => (*live).clone(),
            });
        }
        self.engine = engine.or(self.engine.take());
        self.patterns = patterns.or(self.patterns.take());
        self.detectors = detectors.or(self.detectors.take());
        let mine = std::mem::replace(&mut self.summary, from.summary.into_owned());
        (self.summary.made, self.summary.organisation, self.summary.sought) =
            (mine.made, mine.organisation, mine.sought);
        for (id, facts) in &mut self.summary.indicators {
            *facts = facts_of(id, std::mem::take(&mut facts.name), self.quarry);
        }
        let notes = &mut self.summary.sought.notes;
        let began = from.begun.to_string()[..16].replace('T', " ");
        notes.push(format!("this hunt was begun on {began} UTC, was stopped, and went on from there"));
        if newer > 0 {
            notes.push(format!(
                "{newer} patterns came after it was begun; the logs that were read until it was stopped were not asked about \
                 them"
            ));
        }
        self.logs = from.logs.into_iter().collect();
        self.contents = from.contents.into_iter().collect();
        // Of two under one name the later counts.
        self.places.extend(from.done.into_owned().into_iter().map(|done| (done.path, done.place)));
        self.partial |= from.partial;
        Ok(())
    }

    /// What is needed to go on later.
    pub fn unfinished<'s>(&'s self, begun: &'s Begun) -> Unfinished<'s> {
        let logs = self.logs.iter().map(|(name, number)| (name.clone(), *number));
        Unfinished {
            asked: begun.asked,
            begun: begun.at,
            spent_millis: u64::try_from(begun.spent().as_millis()).unwrap_or(u64::MAX),
            newest: begun.newest,
            done: Cow::Borrowed(&begun.done),
            logs: logs.collect(),
            contents: self.contents.iter().map(|(held, name)| (*held, name.clone())).collect(),
            partial: self.partial,
            summary: Cow::Borrowed(&self.summary),
            rules: self.engine.as_ref().map(Engine::checkpoint),
            patterns: self.patterns.as_ref().map(PatternRun::checkpoint),
            detectors: self.detectors.as_ref().map(DetectorState::Live),
        }
    }

    /// What files say of the indicators of findings of which nothing was noted yet in this hunt.
    pub fn said_of<'h>(&mut self, hits: impl Iterator<Item = &'h Hit>) -> Vec<Said> {
        let fresh = hits.map(|hit| &hit.finding.indicator).filter(|id| !self.noted.contains(*id));
        let said = self.quarry.said_of(fresh);
        self.noted.extend(said.iter().map(|said| said.indicator.clone()));
        said
    }

    pub fn hits(&mut self, hits: Vec<Hit>) {
        for hit in &hits {
            let id = &hit.finding.indicator;
            if !self.summary.indicators.contains_key(id)
                && let Some(indicator) = self.quarry.set.indicator(hit.finding.indicator_index)
            {
                let facts = facts_of(id, indicator.name, self.quarry);
                self.summary.indicators.insert(id.clone(), facts);
            }
        }
        let room = HITS_MAX.saturating_sub(self.summary.hits.len());
        self.summary.more_hits += hits.len().saturating_sub(room) as u64;
        hits.iter().skip(room).for_each(|hit| self.summary.beyond.count(&hit.finding));
        self.summary.more_recorded += hits.iter().skip(room).filter(|hit| hit.known.is_some()).count() as u64;
        self.summary.hits.extend(hits.into_iter().take(room));
    }

    pub fn detection(&mut self, detection: Detection) {
        debug_assert!(detection.about.iter().all(|(kind, _)| ABOUT.contains(kind)), "{:?}", detection.about);
        if !is_told(&detection, self.min_level) {
            return;
        }
        if detection.means == Means::Pattern {
            let facts = || facts_of(&detection.id, String::new(), self.quarry);
            self.summary.indicators.entry(detection.id.clone()).or_insert_with(facts);
        }
        self.summary.detections.push(detection);
        if self.summary.detections.len() >= 2 * DETECTIONS_MAX {
            self.keep_the_gravest();
        }
    }

    fn keep_the_gravest(&mut self) {
        self.summary.more_detections += keep_the_gravest(&mut self.summary.detections);
    }

    /// Whether a log holds the same as one that was taken in, packed or not: then what came of it counts already, and it
    /// is told as a copy. Of one that is empty or was left nobody can say so.
    pub fn is_copy(&mut self, report: &FileReport) -> bool {
        if report.stopped || report.lines == 0 {
            return false;
        }
        match self.contents.entry(contents(report)) {
            Entry::Occupied(known) => {
                self.summary.copies.push((report.file.clone(), known.get().clone()));
                true
            }
            Entry::Vacant(new) => {
                new.insert(report.file.clone());
                false
            }
        }
    }

    /// A log came to its end; `number` is its number in the register. Answers what rules came to in it.
    pub fn end(&mut self, report: &FileReport, left: &mut Left<'q>, number: Option<i64>) -> Vec<RuleCount> {
        let mut found = Vec::new();
        if let Some(number) = number {
            self.logs.insert(report.file.clone(), number);
        }
        if let Some(engine) = &mut self.engine {
            for worker in &mut left.engines {
                engine.absorb(worker, &mut |detection| found.push(detection));
            }
        }
        if let Some(patterns) = &mut self.patterns {
            left.patterns.drain(..).for_each(|run| patterns.merge(run));
        }
        if let Some(detectors) = &mut self.detectors {
            left.detectors.drain(..).for_each(|other| detectors.unite(other));
        }
        found.into_iter().for_each(|detection| self.detection(detection));
        self.partial |= !report.whole || report.unread_lines > 0 || report.unjudged > 0;
        self.summary.bytes += report.unpacked_bytes;
        self.summary.stopped |= report.stopped;
        for (reason, count) in &report.left_out {
            *self.summary.left_out.entry(reason.clone()).or_default() += count;
        }
        coverage::add_days(&mut self.summary, report);
        self.summary.files.push(facts(report));
        self.engine.as_mut().map(Engine::take_counts).unwrap_or_default()
    }

    /// A file is done; `place` is its device and its number there.
    pub fn done(&mut self, path: &Path, place: (u64, u64)) {
        self.places.insert(path.display().to_string(), place);
    }

    /// A log that could not be read at all.
    pub fn not_read(&mut self, path: String, why: String) {
        self.nothing_of(path, FileState::NotRead(why));
    }

    /// What stands in the report though no line of it was read.
    pub fn nothing_of(&mut self, path: String, state: FileState) {
        self.partial = true;
        let empty = FileFacts {
            path,
            bytes: 0,
            sha256: None,
            lines: 0,
            unread: Vec::new(),
            times: TimesTold::default(),
            first: None,
            last: None,
            kind: SourceKind::Unknown,
            kinds: SourceKinds::default(),
            format: None,
            by_record: false,
            state,
        };
        self.summary.files.push(empty);
    }

    /// All logs were read: what counts over time is judged. With `follow_since` it is handed on as it stands for what
    /// happens from then on. Where `stop` is raised, patterns that take long are given up.
    pub fn finish(mut self, follow_since: Option<Timestamp>, stop: &AtomicBool) -> Gathered {
        let mut onward = Onward { places: std::mem::take(&mut self.places), ..Onward::default() };
        let mut found = Vec::new();
        if let Some(engine) = &mut self.engine {
            if let Some(since) = follow_since {
                let detection = &mut |detection| found.push(detection);
                onward.engine = Some(engine.hand_on(since, now(), follow::ORDER, detection));
            }
            let summary = engine.finish(&mut |detection| {
                onward.remember(&detection, self.min_level);
                found.push(detection);
            });
            let lost = summary.lost.late + summary.lost.overflowed;
            if lost > 0 {
                self.summary.sought.notes.push(format!(
                    "{lost} matches came too late or were too many to be counted by correlations"
                ));
            }
        }
        if let Some(patterns) = self.patterns.take() {
            let was_stopped = stop.load(Ordering::Relaxed);
            let (detections, said) = patterns.finish_unless(stop);
            let gave_up = said.iter().any(|diagnostic| diagnostic.code == "pattern-gave-up");
            self.partial |= gave_up && !was_stopped && stop.load(Ordering::Relaxed);
            found.extend(detections);
            said.iter().for_each(|d| eprintln!("{d}"));
            let cut: Vec<&str> =
                said.iter().filter(|d| d.code == LEFT_OUT).map(|d| d.place.as_str()).collect();
            if let [first, rest @ ..] = cut.as_slice() {
                let others =
                    if rest.is_empty() { String::new() } else { format!(" and {} others", rest.len()) };
                self.summary.sought.notes.push(format!(
                    "events of the pattern {first}{others} were left out (they tell no time, or were too many): where it is \
                     not told, that does not say that it never held"
                ));
            }
        }
        if let Some(detectors) = &mut self.detectors {
            if let Some(since) = follow_since {
                // What `finish` closes stays closed: the hour that is not over yet would be, too.
                detectors.advance(since, &mut |detection| found.push(detection));
                onward.detectors = Some(detectors.clone());
            }
            detectors.finish(&mut |detection| {
                onward.remember(&detection, self.min_level);
                found.push(detection);
            });
            detectors.take_faults().iter().for_each(|diagnostic| eprintln!("{diagnostic}"));
            let counts = detectors.counts();
            if counts.late + counts.dropped > 0 {
                self.summary.sought.notes.push(format!(
                    "{} sign-ins and movements came too late and {} were too many for the detectors; they were not judged",
                    counts.late, counts.dropped
                ));
            }
        }
        let counts = self.counted(&found);
        found.into_iter().for_each(|detection| self.detection(detection));
        self.keep_the_gravest();
        coverage::fill(&mut self.summary);
        // Of nothing that was read nothing can be said.
        self.summary.incomplete = self.partial || self.summary.lines() == 0;
        self.summary.logs = self.logs.into_iter().collect();
        Gathered { summary: self.summary, counts, onward, unrecorded: None }
    }

    /// What correlations came to. A hunt that goes on later counts them then.
    fn counted(&self, found: &[Detection]) -> BTreeMap<(i64, String), RuleCount> {
        let mut counts: BTreeMap<(i64, String), RuleCount> = BTreeMap::new();
        for detection in found.iter().filter(|one| one.means == Means::Rule && !self.summary.stopped) {
            let log = detection.evidence.last().and_then(|line| self.logs.get(&line.file));
            let Some(log) = log else { continue };
            let count = counts.entry((*log, detection.id.clone())).or_default();
            count.id.clone_from(&detection.id);
            count.matches += 1;
            count.last = count.last.max(detection.last);
        }
        counts
    }
}

/// What a log holds: SHA-256 and bytes, unpacked.
pub type Contents = ([u8; 32], u64);

/// What a log holds, packed or not.
pub fn contents(report: &FileReport) -> Contents {
    report.content.as_ref().map_or((report.sha256, report.bytes), |held| (held.sha256, held.bytes))
}

/// The gravest first, in a level by time: what a reader acts on. Answers how many are beyond the limit.
pub fn keep_the_gravest(all: &mut Vec<Detection>) -> u64 {
    all.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| (a.first, &a.id).cmp(&(b.first, &b.id))));
    let over = all.len().saturating_sub(DETECTIONS_MAX) as u64;
    all.truncate(DETECTIONS_MAX);
    over
}

fn engine_of(quarry: &Quarry) -> Engine {
    Engine::new(Arc::clone(&quarry.rules.0), quarry.rules.1.clone())
}

/// Rules are told by their own choice; detectors by the level.
pub fn is_told(detection: &Detection, min_level: Option<Level>) -> bool {
    detection.means != Means::Detector || detection.level >= min_level.unwrap_or(Level::Medium)
}

fn facts(report: &FileReport) -> FileFacts {
    let mut unread: Vec<(String, u64)> =
        report.unparsed.iter().map(|(reason, count, _)| (reason.to_string(), count)).collect();
    if report.unread_lines > 0 {
        unread.push((hunt::event::Unread::TooLong.to_string(), report.unread_lines));
    }
    let state = if report.whole {
        FileState::Whole
    } else if report.stopped {
        FileState::NotRead(super::STOPPED.to_owned())
    } else {
        let why = report.ended_by().unwrap_or("damaged").to_owned();
        if report.lines == report.unread_lines { FileState::NotRead(why) } else { FileState::Damaged(why) }
    };
    FileFacts {
        path: report.file.clone(),
        bytes: report.bytes,
        sha256: Some(report.sha256),
        lines: report.lines,
        unread,
        times: report.times,
        first: report.first_time,
        last: report.last_time,
        kind: report.class.kind,
        kinds: report.kinds,
        format: Some(report.class.format),
        by_record: report.by_record,
        state,
    }
}

/// What is known of an indicator before a node fills in what its ledger says besides.
pub fn facts_of(id: &str, name: String, quarry: &Quarry) -> IndicatorFacts {
    let unsaid = IndicatorFacts { name, shipped: quarry.shipped, ..IndicatorFacts::unmarked_or_unknown(id) };
    match quarry.markings.of(id) {
        Some((marking, refs)) => IndicatorFacts { marking, marking_refs: refs.to_vec(), ..unsaid },
        None => unsaid,
    }
}
