// SPDX-License-Identifier: Apache-2.0
//! Rules over events: the rules of an event's log source, of those the ones whose needs it fills, of those the
//! ones that hold.

use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use model::time::Timestamp;

use super::about::{about, is_same, kept, kind_of};
use super::correlation::Correlation;
use super::correlator::{BETWEEN, Correlator, Episode, Hit, Lost, Measured, Order, measured};
use super::exception::Exception;
use super::header::Header;
use super::prefilter::Filled;
use super::set::{Route, Rules};
use super::sources::{Facets, facets};
use super::view::View;
use crate::detection::{Detection, Evidence, Means};
use crate::event::{Event, SourceClass};
use crate::limits::{
    CORRELATION_TEXT_BYTES_MAX, EVIDENCE_LINES_MAX, EXCEPTIONS_MAX, FINDING_TEXT_BYTES_MAX, GATHERED_MAX,
};

/// Threshold of a rule that is no correlation.
pub(super) const ONE_EVENT: &str = "one event";

/// How rules are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// When correlations are counted.
    pub order: Order,
    /// Whether matches of one rule about the same account, address, host and process in one file are told as
    /// one detection, with their number. Where not, each match is told at once.
    pub gather: bool,
    /// What is not told.
    pub exceptions: Vec<Exception>,
    /// The time now, by which exceptions end, and beyond which logs that are followed are not counted
    /// ([`Engine::time_is`]).
    pub now: Timestamp,
}

impl Options {
    /// For an archive, without exceptions: matches are gathered, correlations counted when all is read.
    pub fn archive(now: Timestamp) -> Options {
        Options { order: Order::Archive, gather: true, exceptions: Vec::new(), now }
    }
}

/// What a rule came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleCount {
    /// Id of the rule.
    pub id: String,
    /// Matches that were told; of a correlation, its detections.
    pub matches: u64,
    /// Matches that an exception covers.
    pub excepted: u64,
    /// Time of the newest match.
    pub last: Option<Timestamp>,
}

/// What could not be looked at or counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Events that were looked at.
    pub events: u64,
    /// Events of sources for which there is no rule.
    pub without_rules: u64,
    /// Matches that correlations could not count.
    pub lost: Lost,
}

/// Rules being run by one thread.
pub struct Engine {
    pub(super) rules: Arc<Rules>,
    options: Arc<Options>,
    /// Of each rule, then of each correlation: exceptions to it.
    excepted: Arc<[Vec<usize>]>,
    pub(super) correlator: Correlator,
    routes: HashMap<Facets, Arc<Route>>,
    filled: Filled,
    candidates: Vec<usize>,
    /// What rules came to, by their number: most come to nothing, and there is an engine for each file.
    counts: BTreeMap<usize, RuleCount>,
    gathered: HashMap<(u32, u64), Detection>,
    file: Arc<str>,
    events: u64,
    without_rules: u64,
}

impl Engine {
    /// An engine over shared rules.
    pub fn new(rules: Arc<Rules>, options: Options) -> Engine {
        let mut options = options;
        options.exceptions.retain(|exception| exception.until > options.now);
        options.exceptions.truncate(EXCEPTIONS_MAX);
        let of = |header: &Header| -> Vec<usize> {
            let about = |(_, exception): &(usize, &Exception)| exception.is_about(&header.id);
            options.exceptions.iter().enumerate().filter(about).map(|(nth, _)| nth).collect()
        };
        let excepted: Vec<Vec<usize>> = rules.headers().map(of).collect();
        let correlator = Correlator::new(Arc::clone(&rules.plans), options.order, options.now.micros());
        Engine {
            counts: BTreeMap::new(),
            excepted: excepted.into(),
            options: Arc::new(options),
            correlator,
            rules,
            routes: HashMap::new(),
            filled: Filled::default(),
            candidates: Vec::new(),
            gathered: HashMap::new(),
            file: "".into(),
            events: 0,
            without_rules: 0,
        }
    }

    /// An engine for another thread: it matches, and what correlations count waits in it until
    /// [`Engine::absorb`].
    pub fn worker(&self) -> Engine {
        Engine {
            rules: Arc::clone(&self.rules),
            options: Arc::clone(&self.options),
            excepted: Arc::clone(&self.excepted),
            correlator: Correlator::new(Arc::clone(&self.rules.plans), Order::Worker, i64::MAX),
            routes: HashMap::new(),
            filled: Filled::default(),
            candidates: Vec::new(),
            counts: BTreeMap::new(),
            gathered: HashMap::new(),
            file: "".into(),
            events: 0,
            without_rules: 0,
        }
    }

    /// Takes over what a worker found of a file that is done, and leaves the worker empty. In which order
    /// workers are taken makes no difference. What is dropped instead of taken over is as if it was never read.
    pub fn absorb(&mut self, worker: &mut Engine, emit: &mut dyn FnMut(Detection)) {
        worker.end_file(emit);
        for (rule, other) in std::mem::take(&mut worker.counts) {
            let count = self.counts.entry(rule).or_default();
            count.matches += other.matches;
            count.excepted += other.excepted;
            count.last = count.last.max(other.last);
        }
        self.events += std::mem::take(&mut worker.events);
        self.without_rules += std::mem::take(&mut worker.without_rules);
        let mut episodes = Vec::new();
        self.correlator.absorb(&mut worker.correlator, &mut |episode| episodes.push(episode));
        self.tell(episodes, emit);
    }

    /// Whether an event of this class can concern any rule. Where not, its line need not be read into fields.
    pub fn needs(&self, class: &SourceClass) -> bool {
        self.rules.needs(class)
    }

    /// Looks at one event. `line` is what it was read from. Detections are told at once, or when the file ends.
    pub fn observe(&mut self, event: &Event, line: &[u8], file: &str, emit: &mut dyn FnMut(Detection)) {
        if *self.file != *file {
            self.end_file(emit);
            self.file = file.into();
        }
        self.events += 1;
        let facets = facets(event);
        let route = match self.routes.get(&facets) {
            Some(route) => Arc::clone(route),
            None => {
                let route = self.rules.route(&facets);
                self.routes.insert(facets, Arc::clone(&route));
                route
            }
        };
        if route.rules.is_empty() {
            self.without_rules += 1;
            return;
        }
        let view = View { event, line, names: facets.names };
        let mut candidates = std::mem::take(&mut self.candidates);
        route.prefilter.candidates(&view, &mut self.filled, &mut |nth| candidates.push(nth));
        let rules = Arc::clone(&self.rules);
        for nth in candidates.drain(..) {
            let Some(rule) = route.rules.get(nth).copied() else { continue };
            let Some(entry) = rules.entries.get(rule as usize) else { continue };
            if entry.compiled.matcher.matches(&view) {
                self.matched(rule, &view, emit);
            }
        }
        self.candidates = candidates;
    }

    fn matched(&mut self, rule: u32, view: &View<'_>, emit: &mut dyn FnMut(Detection)) {
        let rules = Arc::clone(&self.rules);
        let Some(entry) = rules.entries.get(rule as usize) else { return };
        if self.is_excepted(rule as usize, view) {
            return;
        }
        let count = self.counts.entry(rule as usize).or_default();
        count.matches += 1;
        count.last = count.last.max(view.event.time);
        for (which, nth) in &entry.feeds {
            self.feed(*which, *nth, view, emit);
        }
        if !entry.told {
            return;
        }
        let about = about(view);
        if !self.options.gather {
            return emit(detection(&entry.header, kept(&about), view, &self.file));
        }
        if self.gathered.len() >= GATHERED_MAX {
            self.end_file(emit);
        }
        let mut hasher = DefaultHasher::new();
        about.hash(&mut hasher);
        match self.gathered.entry((rule, hasher.finish())) {
            Entry::Vacant(vacant) => {
                vacant.insert(detection(&entry.header, kept(&about), view, &self.file));
            }
            // Two subjects of one hash: the second is told by itself.
            Entry::Occupied(occupied) if !is_same(&occupied.get().about, &about) => {
                emit(detection(&entry.header, kept(&about), view, &self.file));
            }
            Entry::Occupied(mut occupied) => {
                let one = occupied.get_mut();
                one.count += 1;
                one.first = [one.first, view.event.time].into_iter().flatten().min();
                one.last = one.last.max(view.event.time);
                if one.evidence.len() < EVIDENCE_LINES_MAX {
                    one.evidence.push(evidence(view, &self.file));
                }
            }
        }
    }

    fn is_excepted(&mut self, which: usize, view: &View<'_>) -> bool {
        let exceptions = self.excepted.get(which).map_or(&[][..], Vec::as_slice);
        let covered =
            exceptions.iter().any(|nth| self.options.exceptions.get(*nth).is_some_and(|e| e.covers(view)));
        if covered {
            self.counts.entry(which).or_default().excepted += 1;
        }
        covered
    }

    /// Hands a match to a correlation.
    fn feed(&mut self, which: u32, nth: u16, view: &View<'_>, emit: &mut dyn FnMut(Detection)) {
        if self.is_excepted(self.rules.entries.len() + which as usize, view) {
            return;
        }
        let Some(time) = view.event.time else {
            self.correlator.lost.untimed += 1;
            return;
        };
        let rules = Arc::clone(&self.rules);
        let Some(plan) = rules.plans.get(which as usize) else { return };
        let name = plan.correlation.rules.get(usize::from(nth)).map_or("", String::as_str);
        let Some((group, measured)) = counted(&plan.correlation, name, view) else {
            self.correlator.lost.incomplete += 1;
            return;
        };
        let hit = Hit {
            correlation: which,
            rule: nth,
            time: time.micros(),
            group,
            measured,
            file: Arc::clone(&self.file),
            place: view.event.place,
            kind: view.event.class.kind,
            text: clipped(view.line, CORRELATION_TEXT_BYTES_MAX).into_boxed_str(),
        };
        let mut episodes = Vec::new();
        self.correlator.push(hit, &mut |episode| episodes.push(episode));
        self.tell(episodes, emit);
    }

    fn tell(&mut self, episodes: Vec<Episode>, emit: &mut dyn FnMut(Detection)) {
        for episode in episodes {
            let which = episode.correlation as usize;
            let Some(entry) = self.rules.correlations.get(which) else { continue };
            let Some(plan) = self.rules.plans.get(which) else { continue };
            if !entry.told {
                continue;
            }
            let count = self.counts.entry(self.rules.entries.len() + which).or_default();
            count.matches += 1;
            count.last = count.last.max(Some(episode.last));
            emit(of_episode(&entry.header, &plan.correlation, episode));
        }
    }

    /// Tells what was gathered of a file.
    pub fn end_file(&mut self, emit: &mut dyn FnMut(Detection)) {
        let mut all: Vec<((u32, u64), Detection)> = self.gathered.drain().collect();
        all.sort_by(|((a, _), x), ((b, _), y)| (x.first, a, &x.about).cmp(&(y.first, b, &y.about)));
        all.into_iter().for_each(|(_, detection)| emit(detection));
    }

    /// All is read: tells what was gathered, counts what waits. The engine can go on with newer logs.
    pub fn finish(&mut self, emit: &mut dyn FnMut(Detection)) -> Summary {
        self.end_file(emit);
        let mut episodes = Vec::new();
        self.correlator.finish(&mut |episode| episodes.push(episode));
        self.tell(episodes, emit);
        self.summary()
    }

    /// Says what time it is, for logs that are followed. Lines of a clock that is ahead wait for their time to come:
    /// else one of them would make all that follows late.
    pub fn time_is(&mut self, now: Timestamp) {
        self.correlator.now = now.micros();
    }

    /// How many matches were ahead of the time by more than matches wait for others.
    pub fn ahead(&self) -> u64 {
        self.correlator.ahead
    }

    /// How many matches wait for others that come out of order.
    pub fn waiting(&self) -> usize {
        self.correlator.waiting.len()
    }

    /// Counts the matches that wait: for logs that are followed, when none came for so long that no older one is waited
    /// for.
    pub fn settle(&mut self, emit: &mut dyn FnMut(Detection)) {
        let mut episodes = Vec::new();
        self.correlator.settle_all(&mut |episode| episodes.push(episode));
        self.tell(episodes, emit);
    }

    /// Counts what happened before `since`, and makes an engine over the same rules that goes on from there for logs that
    /// are followed: what this one counted within the windows of correlations counts on. What happened between `since` and
    /// `now` is told by both: by this one when it finishes.
    pub fn hand_on(
        &mut self,
        since: Timestamp,
        now: Timestamp,
        order: Order,
        emit: &mut dyn FnMut(Detection),
    ) -> Engine {
        let mut episodes = Vec::new();
        let correlator = self
            .correlator
            .hand_on(since.micros(), now.micros(), order, &mut |episode| episodes.push(episode));
        self.tell(episodes, emit);
        let options = Options { order, gather: false, ..(*self.options).clone() };
        Engine { correlator, ..Engine::new(Arc::clone(&self.rules), options) }
    }

    /// What was looked at so far.
    pub fn summary(&self) -> Summary {
        Summary { events: self.events, without_rules: self.without_rules, lost: self.correlator.lost }
    }

    /// Whether this is the id of a correlation, which counts over logs and is of none.
    pub fn is_correlation(&self, id: &str) -> bool {
        self.rules.correlations.iter().any(|one| one.header.id == id)
    }

    /// What each rule came to since this was last asked; rules that came to nothing are left out.
    pub fn take_counts(&mut self) -> Vec<RuleCount> {
        if self.counts.is_empty() {
            return Vec::new();
        }
        let ids: Vec<&str> = self.rules.headers().map(|header| header.id.as_str()).collect();
        let counts = std::mem::take(&mut self.counts).into_iter();
        counts
            .filter_map(|(rule, count)| Some(RuleCount { id: (*ids.get(rule)?).to_owned(), ..count }))
            .collect()
    }
}

/// The group of a match and what is measured of it.
fn counted(correlation: &Correlation, rule: &str, view: &View<'_>) -> Option<(Box<str>, Measured)> {
    let joined = |fields: &[String]| -> Option<String> {
        let mut text = String::new();
        for (nth, field) in fields.iter().enumerate() {
            let value = view.text(correlation.field_of(field, rule)).filter(|v| !v.is_empty() && v != "-")?;
            if nth > 0 {
                text.push(BETWEEN);
            }
            text.push_str(&value);
        }
        Some(text)
    };
    let group = joined(&correlation.group_by)?.into_boxed_str();
    Some((group, measured(correlation.measure, joined(&correlation.fields)?)?))
}

fn detection(header: &Header, about: Vec<(&'static str, String)>, view: &View<'_>, file: &str) -> Detection {
    Detection {
        source: view.event.class.kind,
        about,
        first: view.event.time,
        last: view.event.time,
        count: 1,
        evidence: vec![evidence(view, file)],
        threshold: ONE_EVENT.to_owned(),
        ..of_header(header)
    }
}

fn of_header(header: &Header) -> Detection {
    Detection {
        means: Means::Rule,
        id: header.id.clone(),
        title: header.title.clone(),
        level: header.level,
        techniques: header.techniques.clone(),
        credit: header.credit(),
        source: crate::event::SourceKind::Unknown,
        about: Vec::new(),
        first: None,
        last: None,
        count: 0,
        evidence: Vec::new(),
        threshold: String::new(),
        baseline: String::new(),
        disproof: header.falsepositives.join("; "),
        advice: header.advice.clone(),
    }
}

fn evidence(view: &View<'_>, file: &str) -> Evidence {
    Evidence {
        file: file.to_owned(),
        place: view.event.place,
        time: view.event.time,
        text: clipped(view.line, FINDING_TEXT_BYTES_MAX),
    }
}

fn of_episode(header: &Header, correlation: &Correlation, episode: Episode) -> Detection {
    let values = episode.group.split(BETWEEN).map(str::to_owned);
    let about = correlation.group_by.iter().map(|field| kind_of(field)).zip(values).collect();
    let mut threshold = format!("{}; reached: {}", correlation.in_words(), episode.peak);
    if !episode.values.is_empty() {
        let values: Vec<String> = episode.values.iter().map(|v| v.replace(BETWEEN, "/")).collect();
        threshold.push_str(&format!("; {}", values.join(", ")));
    }
    let evidence = episode.evidence.iter().map(|hit| Evidence {
        file: hit.file.to_string(),
        place: hit.place,
        time: Some(Timestamp::from_micros(hit.time)),
        text: hit.text.to_string(),
    });
    Detection {
        source: episode.evidence.last().map(|hit| hit.kind).unwrap_or_default(),
        about,
        first: Some(episode.first),
        last: Some(episode.last),
        count: episode.matches,
        evidence: evidence.collect(),
        threshold,
        ..of_header(header)
    }
}

/// The beginning of a line, whole characters, without its end; what is left out is shown to be.
fn clipped(line: &[u8], bytes_max: usize) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut end = line.len().min(bytes_max);
    while end < line.len() && end > 0 && line.get(end).is_some_and(|byte| byte & 0xC0 == 0x80) {
        end -= 1;
    }
    let mut text = String::from_utf8_lossy(line.get(..end).unwrap_or_default()).into_owned();
    if end < line.len() {
        text.push('…');
    }
    text
}
