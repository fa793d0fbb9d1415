// SPDX-License-Identifier: Apache-2.0
//! Hunting in what arrives: files that grow, syslog.
//!
//! Findings and detections are printed as they come. Findings are stored every few minutes ([`super::storing`]); what the
//! history keeps of a file is recorded when following ends, by reading the file once more as `polder hunt` does; of
//! syslog, which nobody can read once more, every hour and at the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use hunt::detection::{Detection, Means};
use hunt::detector::{Counts, Detectors};
use hunt::history::Observed;
use hunt::pattern::PatternRun;
use hunt::reader::{Block, Packing, recognise};
use hunt::report::words::second_or_dash;
use hunt::report::{self, FileState, Hit, IndicatorFacts, Summary, kept, said, told};
use hunt::rule::{Engine, Order};
use hunt::run::{Keeping, LiveLog};
use hunt::time::Clock;
use model::diagnostic::shown;
use model::time::Timestamp;
use sha2::Digest as _;

use super::files::head_of;
use super::gather::{DETECTIONS_MAX, Onward, facts_of, is_told, keep_the_gravest};
use super::live::{Chunk, Live, Place};
use super::storing::{Followed, Room, Storing};
use super::tail::{end_of, is_another};
use super::tidings::{Post, Tidings};
use super::{Each, Job, NOT_ASKED, Taking, counted, finding_line, leave_out_withdrawn, record};
use crate::failure::{Exit, Failure};
use crate::finding::approve::approve;
use crate::finding::{Dismissed, fill_indicators};
use crate::history::{Opened, worker};
use crate::node::{Node, now};
use crate::notify::{self, Settings, Told};
use crate::out::say;

/// How long events wait for others that come out of order; so long after an hour detectors judge it.
const LATENESS_MICROS: i64 = 5 * 60 * 1_000_000;
/// When correlations count.
pub const ORDER: Order = Order::Live { lateness_micros: LATENESS_MICROS };
/// With so many findings of a log that wait to be stored they do not wait.
const STORED_AT_ONCE: usize = 10_000;
/// How long nothing is waited for before the stop is looked at.
const WAIT: Duration = Duration::from_millis(200);

/// What is done how often.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// How often what was observed is recorded and runs are merged, in microseconds.
    record_micros: i64,
    /// How often findings are stored, in microseconds.
    store_micros: i64,
    /// How many findings wait in memory.
    room: Room,
}

impl Pace {
    const LIVE: Pace =
        Pace { record_micros: 3_600 * 1_000_000, store_micros: 5 * 60 * 1_000_000, room: Room::LIVE };
}

/// From when on hours are open to events that come late.
pub fn open_since() -> Timestamp {
    Timestamp::from_micros(now().micros() - LATENESS_MICROS)
}

impl<'j> Job<'j> {
    /// Whether files are followed, or syslog taken in.
    pub fn goes_on(&self) -> bool {
        self.args.reading.follow || !self.args.reading.syslog.is_empty()
    }

    /// Where the files that are to be followed were read to; `read` says which they were, by device and inode. What is
    /// packed does not grow by lines.
    pub fn places(
        &self,
        paths: &[PathBuf],
        summary: &Summary,
        read: &HashMap<String, (u64, u64)>,
    ) -> Vec<(PathBuf, Place)> {
        let mut places = Vec::new();
        for path in paths.iter().filter(|path| self.args.reading.follow && path.is_file()) {
            let name = path.display().to_string();
            match head_of(path) {
                Ok(head) if recognise(&head).0 != Packing::Plain => continue,
                Ok(_) => {}
                Err(error) => {
                    eprintln!(
                        "polder: {name}: it cannot be read: {error}; it is followed as soon as it can be"
                    );
                }
            }
            let is_another = is_another(path, read.get(&name));
            if is_another {
                eprintln!(
                    "polder: {name}: it was rotated since it was read; the new one is followed from its beginning; what was \
                     still written to the old one lies under its new name: hunt in that, too"
                );
            }
            // A hunt that went on may have read two of the name: the later counts.
            let read = summary.files.iter().rfind(|file| file.path == name);
            let read_to = match read.map(|file| (&file.state, file.bytes)) {
                _ if is_another => 0,
                Some((FileState::Whole, bytes)) => bytes,
                // Nothing of it was hunted in. What was opened and is no log is none from its beginning, either.
                Some((FileState::NotRead(_), 0)) => 0,
                Some((FileState::Damaged(_) | FileState::NotRead(_), _)) | None => u64::MAX,
            };
            let place = end_of(path, read_to).unwrap_or_else(|(place, error)| {
                eprintln!(
                    "polder: {name}: it cannot be read to its end: {error}; it is followed from line {} on, and lines \
                     after it may be hunted in again",
                    place.lines + 1
                );
                place
            });
            places.push((path.clone(), place));
        }
        places
    }

    /// Goes on with what is written to the files, and with what is sent, until it is stopped. Answers whether
    /// anything was found.
    pub fn follow(
        &self,
        files: &[(PathBuf, Place)],
        onward: Onward,
        node: Option<&Node>,
        settings: Option<&Settings>,
    ) -> Result<bool, Failure> {
        let listen = &self.args.reading.syslog;
        let mut live = Live::start(files, &self.args.paths, listen, &self.stop)?;
        let (files_told, listeners) =
            (counted(files.len() as u64, "file"), counted(listen.len() as u64, "listener"));
        eprintln!("following {files_told} and {listeners}; stop with Ctrl-C");
        std::thread::scope(|scope| {
            let post = node.zip(settings).map(|(node, settings)| Post::start(scope, node, settings));
            let notices = node.zip(settings).zip(post);
            let notices = notices.map(|((node, settings), post)| Notices { node, settings, post });
            let mut following = Following::new(self, onward, node, notices, Pace::LIVE)?;
            let done = following.run(&mut live);
            // What waits is stored whatever happened.
            let finished = following.finish();
            if let (Err(_), Err(besides)) = (&done, &finished) {
                eprintln!("polder: {besides}");
            }
            done.and(finished)?;
            self.record_files(files.iter().map(|(path, _)| path))?;
            let (hits, detections) = following.found;
            eprintln!(
                "{} and {} while following",
                counted(hits, "finding"),
                counted(detections, "detection")
            );
            for (count, noun) in [(following.left_aside.0, "finding"), (following.left_aside.1, "detection")]
            {
                if count > 0 {
                    eprintln!("{} more of what a person dismissed, not told", counted(count, noun));
                }
            }
            Ok(hits + detections > 0)
        })
    }

    /// What files hold now goes into the history.
    pub fn record_files<'p>(&self, files: impl Iterator<Item = &'p PathBuf>) -> Result<(), Failure> {
        // One that was rotated and not begun anew is no fault.
        let paths: Vec<PathBuf> = files.filter(|path| path.is_file()).cloned().collect();
        if self.history.is_none() || paths.is_empty() {
            return Ok(());
        }
        let again = Job { stop: std::sync::Arc::default(), ..*self };
        let lookout = again.lookout();
        let progress = std::sync::Arc::default();
        let (opened, lost) = (Mutex::default(), Mutex::default());
        let streams = BTreeSet::new();
        let observed = Mutex::new(self.history.map(Opened::observed).transpose()?);
        let each = Each {
            job: &again,
            lookout: &lookout,
            threads: 1,
            progress: &progress,
            opened: &opened,
            lost: &lost,
            streams: &streams,
            observed: &observed,
        };
        let mut gathering =
            super::Gathering::new(Summary::new(now()), self.quarry, self.args.quarry.min_level);
        let mut taking = Taking::new(&mut gathering, again.recording(), None);
        each.run(&paths, 1, &mut taking)?;
        taking.unrecorded.map_or(Ok(()), Err)
    }
}

/// Where notices go.
struct Notices<'f> {
    node: &'f Node,
    settings: &'f Settings,
    post: Post,
}

/// All that is being followed.
struct Following<'f> {
    job: &'f Job<'f>,
    node: Option<&'f Node>,
    notices: Option<Notices<'f>>,
    tidings: Tidings,
    engine: Option<Engine>,
    detectors: Option<Detectors>,
    /// Which detections were told when following began; what runs on of it is above.
    onward: Onward,
    /// What the detectors had left out when following began.
    before: Counts,
    /// Whether it was told that some come too late for the detectors, that there is no room for more, that some come too
    /// late for correlations, and that some are ahead.
    left_out_told: [bool; 4],
    logs: HashMap<String, Followed<'f>>,
    storing: Storing<'f>,
    /// What was detected and is not stored yet.
    detected: Vec<Detection>,
    /// Where what the history keeps of syslog is collected; asked for once, as the database may be away when a log begins.
    observed: Option<Observed>,
    pace: Pace,
    /// Matches that wait in the engine, and since when there are so many.
    waiting: (usize, Timestamp),
    recorded: Timestamp,
    stored: Timestamp,
    /// Objects of which it is noted what files say.
    noted: BTreeSet<String>,
    /// What is known of indicators that were found.
    indicators: BTreeMap<String, IndicatorFacts>,
    /// Findings and detections so far.
    found: (u64, u64),
    /// What persons have dismissed, as of when findings were last stored.
    dismissed: Dismissed,
    /// Findings of it so far.
    left_aside: (u64, u64),
    /// Whether a fault was told that is not over yet.
    is_faulty: bool,
}

impl<'f> Following<'f> {
    fn new(
        job: &'f Job<'f>,
        mut onward: Onward,
        node: Option<&'f Node>,
        notices: Option<Notices<'f>>,
        pace: Pace,
    ) -> Result<Following<'f>, Failure> {
        let (engine, detectors) = (onward.engine.take(), onward.detectors.take());
        Ok(Following {
            job,
            storing: Storing::new(job, node, pace.room),
            detected: Vec::new(),
            observed: job.history.map(Opened::observed).transpose()?,
            pace,
            node,
            notices,
            tidings: Tidings::default(),
            engine,
            before: detectors.as_ref().map(Detectors::counts).unwrap_or_default(),
            detectors,
            onward,
            left_out_told: [false; 4],
            logs: HashMap::new(),
            waiting: (0, now()),
            recorded: now(),
            stored: now(),
            noted: BTreeSet::new(),
            indicators: BTreeMap::new(),
            found: (0, 0),
            dismissed: Dismissed::default(),
            left_aside: (0, 0),
            is_faulty: false,
        })
    }

    /// Asks what persons have dismissed: it is not told.
    fn learn_dismissed(&mut self) -> Result<(), Failure> {
        if let Some(node) = self.node {
            self.dismissed = node.store.read(|read| Dismissed::of(read))?;
        }
        Ok(())
    }

    /// Takes in what comes until it is stopped.
    fn run(&mut self, live: &mut Live) -> Result<(), Failure> {
        self.learn_dismissed()?;
        loop {
            let (chunk, more) = live.next(WAIT);
            if let Some(chunk) = chunk {
                self.take(chunk)?;
            }
            self.do_what_is_due()?;
            if !more {
                return Ok(());
            }
        }
    }

    /// A fault of this machine or of the server may be over later: it is told once, and what waits is tried again when
    /// it is due.
    fn endure(&mut self, done: Result<(), Failure>) -> Result<(), Failure> {
        match done {
            Err(fault) if matches!(fault.exit, Exit::Machine | Exit::Unreachable) => {
                if !std::mem::replace(&mut self.is_faulty, true) {
                    eprintln!(
                        "polder: {fault}; following goes on, and what was found waits until this is over"
                    );
                }
                Ok(())
            }
            done => done,
        }
    }

    fn take(&mut self, chunk: Chunk) -> Result<(), Failure> {
        if let Some(notice) = &chunk.notice {
            eprintln!("polder: {}", shown(notice));
        }
        if chunk.bytes.is_empty() {
            return Ok(());
        }
        if !self.logs.contains_key(&chunk.name) {
            let mut followed = self.begin(&chunk);
            // Where the database is away it is asked when findings are stored.
            let asked = self.job.history.map_or(Ok(()), |history| followed.ask(history));
            self.endure(asked)?;
            self.logs.insert(chunk.name.clone(), followed);
        }
        let Some(followed) = self.logs.get_mut(&chunk.name) else { return Ok(()) };
        let (mut offset, mut first_line) = (chunk.offset, chunk.first_line);
        if chunk.is_received {
            // All senders of a listener make one log.
            (offset, first_line) = (followed.at.offset, followed.at.lines + 1);
            followed.at.offset += chunk.bytes.len() as u64;
            followed.at.lines += memchr::memchr_iter(b'\n', &chunk.bytes).count() as u64;
        } else if offset == 0 && chunk.back == 0 {
            // Another file under the name: what was found in the one before is its own.
            followed.part_with(self.job.history.is_some());
        }
        if let Some((hash, bytes)) = &mut followed.received {
            hash.update(&chunk.bytes);
            *bytes += chunk.bytes.len() as u64;
        }
        let block = Block { bytes: chunk.bytes, offset, first_line };
        let part = followed.log.take(block, self.engine.as_mut(), &mut self.detectors);
        let counts = self.engine.as_mut().map(Engine::take_counts).unwrap_or_default();
        let is_correlation = |id: &str| self.engine.as_ref().is_some_and(|engine| engine.is_correlation(id));
        for count in counts {
            // Those of a file are counted when it is recorded; a correlation is of no log.
            if followed.received.is_some() && !is_correlation(&count.id) {
                let sum = followed.counts.entry(count.id.clone()).or_default();
                sum.matches += count.matches;
                sum.excepted += count.excepted;
                sum.last = sum.last.max(count.last);
                sum.id = count.id;
            }
        }
        if let Some(history) = self.job.history {
            let fresh =
                part.hits.iter().map(|hit| &hit.finding.indicator).filter(|id| !self.noted.contains(*id));
            let said = self.job.quarry.said_of(fresh);
            let noted = history.note(&said);
            if noted.is_ok() {
                self.noted.extend(said.into_iter().map(|said| said.indicator));
            }
            self.endure(noted)?;
        }
        let Some(followed) = self.logs.get_mut(&chunk.name) else { return Ok(()) };
        if self.storing.take(followed, chunk.back, &part.hits) >= STORED_AT_ONCE && !self.is_faulty {
            let stored = self.storing.store_log(followed, true).map(drop);
            self.endure(stored)?;
        }
        self.storing.make_room(&mut self.logs);
        self.tell(&part.hits, part.detections)
    }

    fn begin(&self, chunk: &Chunk) -> Followed<'f> {
        let path = Path::new(&chunk.name);
        let head = match chunk.is_received {
            true => chunk.bytes.clone(),
            // It may have been rotated away since.
            false => head_of(path).unwrap_or_else(|_| chunk.bytes.clone()),
        };
        let observed = self.observed.as_ref().filter(|_| chunk.is_received);
        let keeping = observed.map(|observed| Keeping { observed: observed.another(), from: 0 });
        // A log lives as long as the hunt: its name is kept for good.
        let name: &'static str = Box::leak(chunk.name.clone().into_boxed_str());
        let zone = self.job.zones.of_file(path);
        let clock = Clock { zone, reference: Some(now()), year_turns: Some(0) };
        let begin = if chunk.is_received { LiveLog::of_listener } else { LiveLog::new };
        let log = begin(name, &head, clock, &self.job.lookout(), keeping);
        Followed::new(log, record::name_of(path), chunk.is_received)
    }

    /// Prints what was found, and takes it in for the next notice.
    fn tell(&mut self, hits: &[Hit], detections: Vec<Detection>) -> Result<(), Failure> {
        let least = self.job.args.quarry.min_level;
        let is_new = |detection: &Detection| is_told(detection, least) && !self.onward.knows(detection);
        let mut detections: Vec<Detection> = detections.into_iter().filter(is_new).collect();
        let all = hits.len();
        let hits: Vec<Hit> = hits.iter().filter(|hit| !self.dismissed.has(hit)).cloned().collect();
        self.left_aside.0 += (all - hits.len()) as u64;
        if self.node.is_some() {
            // What was dismissed as well: a hunt has told it again.
            self.detected.extend(detections.iter().cloned());
            // While the database is away; a report tells no more.
            if self.detected.len() >= 2 * DETECTIONS_MAX {
                keep_the_gravest(&mut self.detected);
            }
        }
        let all = detections.len();
        detections.retain(|detection| self.dismissed.of_detection(detection).is_none());
        self.left_aside.1 += (all - detections.len()) as u64;
        if hits.is_empty() && detections.is_empty() {
            return Ok(());
        }
        self.found.0 += hits.len() as u64;
        self.found.1 += detections.len() as u64;
        if self.job.args.output.json {
            let summary = self.summary_of(&hits, &detections)?;
            hits.iter().for_each(|hit| say!("{}", report::finding_line(&summary, hit)));
            detections.iter().for_each(|detection| say!("{}", report::detection_line(&summary, detection)));
        } else {
            hits.iter().for_each(|hit| say!("{}", finding_line(hit)));
            detections.iter().for_each(print);
        }
        if let Some(notices) = &self.notices {
            detections.retain(|detection| detection.level >= notices.settings.level_min);
            self.tidings.take(&hits, &detections, now());
        }
        Ok(())
    }

    /// A summary that knows the indicators of these findings and patterns.
    fn summary_of(&mut self, hits: &[Hit], detections: &[Detection]) -> Result<Summary, Failure> {
        let (mut summary, mut fresh) = (Summary::new(now()), Summary::new(now()));
        for hit in hits {
            let id = &hit.finding.indicator;
            match self.indicators.get(id) {
                Some(facts) => drop(summary.indicators.insert(id.clone(), facts.clone())),
                None => fresh.hits.push(hit.clone()),
            }
        }
        for one in detections.iter().filter(|one| one.means == Means::Pattern) {
            match self.indicators.get(&one.id) {
                Some(facts) => drop(summary.indicators.insert(one.id.clone(), facts.clone())),
                None => fresh.detections.push(one.clone()),
            }
        }
        if !fresh.hits.is_empty() || !fresh.detections.is_empty() {
            // What is not known is told all the same; its marking is then unknown.
            let known = self.know(&mut fresh);
            if known.is_ok() {
                self.indicators.extend(fresh.indicators.clone());
            }
            self.endure(known)?;
            summary.indicators.extend(fresh.indicators);
        }
        Ok(summary)
    }

    /// Fills in what is known of the indicators that a summary names, as of now.
    fn know(&self, summary: &mut Summary) -> Result<(), Failure> {
        let quarry = self.job.quarry;
        for hit in &summary.hits {
            let (id, nth) = (&hit.finding.indicator, hit.finding.indicator_index);
            if !summary.indicators.contains_key(id)
                && let Some(indicator) = quarry.set.indicator(nth)
            {
                summary.indicators.insert(id.clone(), facts_of(id, indicator.name, quarry));
            }
        }
        for one in summary.detections.iter().filter(|one| one.means == Means::Pattern) {
            let facts = || facts_of(&one.id, String::new(), quarry);
            summary.indicators.entry(one.id.clone()).or_insert_with(facts);
        }
        let Some(node) = self.node else { return Ok(()) };
        fill_indicators(node, summary)?;
        quarry.take_out_withdrawn_names(summary);
        Ok(())
    }

    fn do_what_is_due(&mut self) -> Result<(), Failure> {
        let now = now();
        self.judge(open_since())?;
        if now.micros() - self.recorded.micros() >= self.pace.record_micros {
            // Nothing is on its way into the history then that could be swept.
            let tidied =
                |()| self.job.history.map_or(Ok(()), |history| history.tidy_after_hunt(&self.job.stop));
            let recorded = self.record().and_then(tidied);
            self.endure(recorded)?;
        }
        if now.micros() - self.stored.micros() >= self.pace.store_micros {
            let stored = self.store();
            self.is_faulty &= stored.is_err();
            self.endure(stored)?;
        }
        if self.tidings.is_due(now) {
            let sent = self.send();
            self.endure(sent)?;
        }
        Ok(())
    }

    /// Lets correlations count what nothing more is waited for, and detectors judge the hours that are over.
    fn judge(&mut self, until: Timestamp) -> Result<(), Failure> {
        let mut found = Vec::new();
        let [late_told, dropped_told, uncounted_told, ahead_told] = &mut self.left_out_told;
        if let Some(engine) = &mut self.engine {
            engine.time_is(now());
            // By its own clock a log may lag: only what came counts, and when.
            let waiting = engine.waiting();
            if waiting != self.waiting.0 {
                self.waiting = (waiting, now());
            } else if waiting > 0 && self.waiting.1 <= until {
                engine.settle(&mut |detection| found.push(detection));
                // What is ahead waits on.
                self.waiting = (engine.waiting(), now());
            }
            if engine.summary().lost.late > 0 && !std::mem::replace(uncounted_told, true) {
                eprintln!(
                    "polder: matches come later than correlations wait for them, and are not counted: hunt in these logs \
                     again, and look whether their clocks are right and --tz fits"
                );
            }
            if engine.ahead() > 0 && !std::mem::replace(ahead_told, true) {
                eprintln!(
                    "polder: lines come whose time is yet to come; correlations count them when it has come, or when \
                     following ends: look whether the clocks of these logs are right and --tz fits"
                );
            }
        }
        let Some(detectors) = &mut self.detectors else { return self.tell(&[], found) };
        detectors.advance(until, &mut |detection| found.push(detection));
        let counts = detectors.counts();
        if counts.late > self.before.late && !std::mem::replace(late_told, true) {
            eprintln!(
                "polder: sign-ins and movements come of which the hour is over; the detectors judge an hour 5 minutes \
                 after it and leave out what comes later: hunt in these logs again, and look whether their clocks are \
                 right and --tz fits"
            );
        }
        if counts.dropped > self.before.dropped && !std::mem::replace(dropped_told, true) {
            eprintln!(
                "polder: the detectors have no room for more accounts and places, and leave out what is new: stop and \
                 start again"
            );
        }
        self.tell(&[], found)
    }

    /// Records what listeners received.
    fn record(&mut self) -> Result<(), Failure> {
        self.recorded = now();
        self.storing.record(&mut self.logs)
    }

    /// Stores the findings that wait.
    fn store(&mut self) -> Result<(), Failure> {
        self.stored = now();
        if let (Some(node), false) = (self.node, self.detected.is_empty()) {
            let patterns = self.detected.iter().filter(|one| one.means == Means::Pattern);
            let said = self.job.quarry.said_of(patterns.map(|one| &one.id));
            node.store.local(|tx| {
                said::note(tx, &said)?;
                kept::keep(tx, &self.detected, &self.job.quarry.patterns_of_nobody, now())
            })?;
            self.detected.clear();
        }
        let (stored, done) = self.storing.store(&mut self.logs);
        done?;
        if let (Some(node), true) = (self.node, stored) {
            for approved in approve(node)? {
                eprintln!("{}", approved.in_words());
            }
        }
        self.learn_dismissed()
    }

    /// Writes a notice down of what was found since the last one, and has it sent.
    fn send(&mut self) -> Result<(), Failure> {
        let Some(Notices { node, settings, .. }) = self.notices else { return Ok(()) };
        let mut summary = Summary::new(now());
        if !self.tidings.hand_over(&mut summary, now()) {
            return Ok(());
        }
        summary.organisation.clone_from(&node.root.name);
        summary.sought = self.job.quarry.sought.clone();
        summary.files = self.logs.values().map(facts).collect();
        summary.files.sort_by(|a, b| a.path.cmp(&b.path));
        let is_full = &mut || Ok(());
        let written =
            self.know(&mut summary).and_then(|()| notify::write_down(node, &summary, settings, is_full));
        if let (Ok(Told::Written | Told::NoRoom), Some(notices)) = (&written, &self.notices) {
            notices.post.wake();
        }
        match written {
            // All that is stored of this process was handed over, now or before.
            Ok(Told::Written) => node.store.local(|tx| told::mark(tx, &summary, Some(worker())))?,
            Ok(Told::Nothing) => {}
            Ok(Told::NoRoom) => self.tidings.give_back(summary, now()),
            Err(fault) => {
                self.tidings.give_back(summary, now());
                return Err(fault);
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        let mut found = Vec::new();
        if let Some(engine) = &mut self.engine {
            let lost = engine.finish(&mut |detection| found.push(detection)).lost;
            if lost.late + lost.overflowed > 0 {
                eprintln!(
                    "polder: {} matches came too late and {} were too many to be counted by correlations",
                    lost.late, lost.overflowed
                );
            }
        }
        if !self.job.quarry.patterns.is_empty() {
            let mut patterns = PatternRun::of_all(&self.job.quarry.patterns);
            self.logs
                .values_mut()
                .filter_map(|one| one.log.take_patterns())
                .for_each(|run| patterns.merge(run));
            let (mut detections, said) = patterns.finish_unless(&self.job.stop);
            if let Some(node) = self.node
                && let Err(failure) = leave_out_withdrawn(node, self.job.quarry, &mut detections)
            {
                eprintln!("polder: {failure}; {NOT_ASKED}");
            }
            found.extend(detections);
            said.iter().for_each(|diagnostic| eprintln!("{diagnostic}"));
        }
        if let Some(detectors) = &mut self.detectors {
            detectors.finish(&mut |detection| found.push(detection));
            detectors.take_faults().iter().for_each(|diagnostic| eprintln!("{diagnostic}"));
            let counts = detectors.counts();
            let (late, dropped) = (counts.late - self.before.late, counts.dropped - self.before.dropped);
            if late + dropped > 0 {
                eprintln!(
                    "polder: {late} sign-ins and movements came too late and {dropped} were too many for the detectors; \
                     they were not judged"
                );
            }
        }
        // One that fails does not keep the others from being done.
        let told = self.tell(&[], found);
        let (recorded, stored, sent) = (self.record(), self.store(), self.send());
        // What could not be stored now is not to be lost.
        let kept = self.storing.end(&mut self.logs);
        told.and(recorded).and(stored).and(kept).and(sent)?;
        match self.node {
            // It was printed, or it is in notices.
            Some(node) if self.tidings.is_empty() => {
                let summary = Summary::new(now());
                Ok(node.store.local(|tx| told::mark(tx, &summary, Some(worker())))?)
            }
            _ => Ok(()),
        }
    }
}

/// A detection for a person, in two lines.
fn print(detection: &Detection) {
    say!("{:<8} {}", detection.level.name().to_uppercase(), shown(&detection.title));
    let line = detection.evidence.first().map(|line| format!("  {}:{}", shown(&line.file), line.place.line));
    say!(
        "         {} to {}, {}{}",
        second_or_dash(detection.first),
        second_or_dash(detection.last),
        counted(detection.count, "line"),
        line.unwrap_or_default()
    );
}

/// What a notice rests on of a log: what was read of it since following began.
fn facts(followed: &Followed<'_>) -> report::FileFacts {
    let class = followed.log.class();
    let mut read = followed.before.clone();
    read.join(followed.log.read());
    report::FileFacts {
        path: followed.log.name().to_owned(),
        bytes: 0,
        sha256: None,
        lines: read.lines,
        unread: read.unparsed.iter().map(|(reason, count, _)| (reason.to_string(), count)).collect(),
        times: read.times,
        first: read.timeline.first,
        last: read.timeline.last,
        kind: class.kind,
        kinds: read.kinds.of_log(class.kind),
        format: Some(class.format),
        by_record: false,
        state: FileState::Whole,
    }
}

#[cfg(test)]
mod tests;
