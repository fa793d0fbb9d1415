// SPDX-License-Identifier: Apache-2.0
//! What is done with one block.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use memchr::{memchr, memchr_iter, memrchr};
use model::observable::ObservableKind;
use model::time::Timestamp;

use super::feed::{feed, told_by_fields};
use super::told::{Fingerprints, Names};
use super::{Keeping, Lookout, Part};
use crate::confirm::Verdict;
use crate::detection::Detection;
use crate::detector::Detectors;
use crate::event::{BlockReader, Event, Place, SourceClass, SourceKinds, UnreadLines};
use crate::finding::finding;
use crate::history::{Flags, Observed, day_of_time};
use crate::indicator::Indicator;
use crate::limits::{HIT_TEXT_BYTES_MAX, HITS_OF_LINE_MAX};
use crate::pattern::{PatternRun, PatternSet};
use crate::reader::Block;
use crate::report::Hit;
use crate::rule::{Engine, about_event};
use crate::scan::{self, Candidate, IndicatorSet, Scanner};
use crate::time::{Timeline, TimesTold, plausible};

/// Of so many lines one is asked for its time, where nobody needs all of them.
const LINES_PER_LOOK: usize = 64;
/// So many lines are asked instead of one that tells no time, as headers and what follows on a line.
const LOOKS_MAX: usize = 16;
/// In a block of no more lines each is asked.
const LINES_ASKED_MAX: usize = 1024;
/// So many lines of a block are read into fields at most to tell what kind of log they are of, where nobody else needs them.
const LINES_OF_KIND_MAX: usize = 64;

/// Why a match of a line that holds more is not judged.
const TOO_MANY: &str = "not judged: a line holds more than 1,000 indicators";
/// Why a finding of a block that has more is left out.
const TOO_DENSE: &str = "not kept: a stretch of the log holds more findings than there is room for";

/// What came of one block; the buffer goes back to the reader.
#[derive(Default)]
pub(super) struct Scanned {
    pub(super) buffer: Vec<u8>,
    pub(super) part: Part,
    pub(super) lines: u64,
    pub(super) left_out: BTreeMap<String, u64>,
    pub(super) unjudged: u64,
    pub(super) timeline: Timeline,
    pub(super) times: TimesTold,
    pub(super) days: BTreeSet<u32>,
    /// Kinds of logs that its lines are of, as far as they were asked.
    pub(super) kinds: SourceKinds,
    pub(super) unparsed: UnreadLines,
}

pub(super) struct Worker<'n, 'a> {
    name: &'n str,
    lookout: Lookout<'a>,
    /// From which offset on observables count; none are collected without it.
    from: Option<u64>,
    pub(super) observed: Observed,
    pub(super) engine: Option<Engine>,
    pub(super) patterns: Option<PatternRun<'a>>,
    pub(super) detectors: Option<Detectors>,
    /// Who needs events of a class: rules, detectors. A log has few classes.
    needed: HashMap<SourceClass, [bool; 2]>,
}

impl<'n, 'a> Worker<'n, 'a> {
    pub(super) fn new(name: &'n str, lookout: &Lookout<'a>, keeping: Option<Keeping>) -> Worker<'n, 'a> {
        let from = keeping.as_ref().map(|keeping| keeping.from);
        Worker {
            name,
            lookout: *lookout,
            from,
            observed: keeping.map(|keeping| keeping.observed).unwrap_or_default(),
            engine: lookout.rules.map(Engine::worker),
            patterns: lookout.patterns.filter(|set| !set.is_empty()).map(PatternRun::new),
            detectors: lookout.detectors.map(|options| Detectors::new(options.clone())),
            needed: HashMap::new(),
        }
    }

    /// One that does the same with nothing observed yet.
    pub(super) fn another(&self) -> Worker<'n, 'a> {
        let keeping = self.from.map(|from| Keeping { observed: self.nothing_observed(), from });
        Worker::new(self.name, &self.lookout, keeping)
    }

    /// Room for what the same history keeps.
    pub(super) fn nothing_observed(&self) -> Observed {
        self.observed.another()
    }

    pub(super) fn scan(&mut self, block: Block, lines: &BlockReader) -> Scanned {
        let mut scanned = Scanned::default();
        // Before the times whose place among the others is not known.
        if self.is_asked_by_event() {
            self.judge(&block, lines, &mut scanned);
        }
        self.hunt(&block, lines, &mut scanned);
        let starts = starts(&block);
        if !self.is_each_line_asked() {
            kinds(&block, &starts, lines, &mut scanned.kinds);
        }
        let sampled = days(&block, &starts, lines, &mut scanned);
        // Where each line that holds a value was asked, that is more.
        if scanned.times.asked == 0 {
            scanned.times = sampled;
        }
        if self.lookout.confirm.is_some() {
            scanned.lines = memchr_iter(b'\n', &block.bytes).count() as u64;
        }
        scanned.buffer = block.bytes;
        scanned
    }

    /// Whether lines are read into events for anybody.
    fn is_asked_by_event(&self) -> bool {
        self.engine.is_some() || self.patterns.is_some() || self.detectors.is_some() || self.feeds()
    }

    /// Whether of each line it is told, by rules or detectors, what kind of log it is of.
    fn is_each_line_asked(&self) -> bool {
        self.engine.is_some() || self.detectors.is_some()
    }

    /// Whether the history keeps what only events tell.
    fn feeds(&self) -> bool {
        self.from.is_some() && self.observed.wants_events()
    }

    /// The typed scan. What it found counts after the event of its line agrees.
    fn hunt(&mut self, block: &Block, lines: &BlockReader, scanned: &mut Scanned) {
        let (name, lookout) = (self.name, self.lookout);
        let Scanned { part, left_out, unjudged, timeline, times: told, .. } = scanned;
        let mut times: Vec<Option<Timestamp>> = Vec::new();
        let mut at: (u64, Event) = (u64::MAX, Event::default());
        // Of the line that was hit last, and texts of the block's findings in bytes.
        let (mut of_line, mut texts) = (0_usize, 0_usize);
        let mut on_hit = |hit: scan::Hit| {
            let start = usize::try_from(hit.line_start - block.offset).unwrap_or(usize::MAX);
            let line = line_at(&block.bytes, start);
            if at.0 != hit.line_start {
                let place = Place { line: hit.line, offset: hit.line_start };
                at = (hit.line_start, lines.parse(line, place).ok().flatten().unwrap_or_default());
                at.1.time = at.1.time.or_else(|| lines.time(line, place));
                times.push(at.1.time.and_then(plausible));
                of_line = 0;
            }
            of_line += 1;
            if of_line > HITS_OF_LINE_MAX {
                *left_out.entry(TOO_MANY.to_owned()).or_default() += 1;
                *unjudged += 1;
                return;
            }
            let event = &at.1;
            let Some(indicator) = lookout.set.indicator(hit.indicator) else { return };
            match judged(&lookout, &indicator, &hit, event) {
                Verdict::Drop(reason) => *left_out.entry(reason).or_default() += 1,
                Verdict::Keep(kept) => {
                    let mut about = about_event(event);
                    let mut of = |kind| {
                        let nth = about.iter().position(|(k, _)| *k == kind)?;
                        Some(about.swap_remove(nth).1)
                    };
                    let (host, account) = (of("host"), of("account"));
                    let finding = finding(name, line, hit, &indicator.id, event.time);
                    texts += finding.text.len();
                    if texts > HIT_TEXT_BYTES_MAX {
                        *left_out.entry(TOO_DENSE.to_owned()).or_default() += 1;
                        *unjudged += 1;
                        return;
                    }
                    part.hits.push(Hit {
                        finding,
                        host,
                        account,
                        source: event.class.kind,
                        kept,
                        known: None,
                        was: None,
                    });
                }
            }
        };
        let scanner = Scanner::new(lookout.set);
        if let Some(from) = self.from {
            let (observed, mut at) = (&mut self.observed, (usize::MAX, None));
            let from = usize::try_from(from.saturating_sub(block.offset)).unwrap_or(usize::MAX);
            let place = |start: usize| Place { line: 0, offset: block.offset + start as u64 };
            let fingerprints = fingerprints(observed, block, lines, from);
            let mut names = Names::default();
            scanner.scan_block_seeing(
                &block.bytes,
                block.offset,
                block.first_line,
                &mut on_hit,
                &mut |seen| {
                    if seen.line_start < from {
                        return;
                    }
                    let (start, line) = (seen.line_start, line_at(&block.bytes, seen.line_start));
                    if at.0 != start {
                        at = (start, time_told(lines, line, place(start), told));
                        timeline.reach(at.1);
                    }
                    if seen.kind == ObservableKind::Md5 && fingerprints.is_ja3(start, seen.token) {
                        return;
                    }
                    observed.add(seen.kind, seen.token, at.1, &mut || {
                        let mut event = || lines.parse(line, place(start)).ok().flatten();
                        names.tell((start, line), seen.token, &mut event)
                    });
                },
            );
        } else {
            scanner.scan_block(&block.bytes, block.offset, block.first_line, &mut on_hit);
        }
        if !lookout.set.named.is_empty() {
            named(lookout.set, block, lines, &mut on_hit);
            part.hits.sort_by_key(|hit| (hit.finding.line, hit.finding.offset));
        }
        times.into_iter().for_each(|time| timeline.reach(time));
    }

    /// Reads into events what rules, patterns and detectors need, and asks them.
    fn judge(&mut self, block: &Block, lines: &BlockReader, scanned: &mut Scanned) {
        let feeds = self.feeds();
        let patterns = self.patterns.as_ref().map(PatternRun::set);
        let mut place = Place { line: block.first_line, offset: block.offset };
        let mut rest = block.bytes.as_slice();
        while !rest.is_empty() {
            let end = memchr(b'\n', rest).unwrap_or(rest.len());
            let line = rest.get(..end).unwrap_or_default();
            let class = lines.class_of(line, place);
            let [by_rules, by_detectors] = self.needs(class);
            if let Some(class) = class {
                scanned.kinds.add(class.kind);
            }
            let by_patterns = patterns.is_some_and(|set| set.concerns(line, lines.rewriting(place)));
            if by_rules || by_detectors || by_patterns || feeds {
                match lines.parse(line, place) {
                    Ok(Some(event)) => {
                        scanned.kinds.add(event.class.kind);
                        // What stands between the few lines that patterns pick is not silence.
                        let time = event.time.and_then(plausible);
                        let is_each = by_rules
                            || by_detectors
                            || feeds
                            || patterns.is_some_and(PatternSet::asks_every_line);
                        if is_each {
                            scanned.timeline.add(time)
                        } else {
                            scanned.timeline.reach(time)
                        }
                        if feeds && self.from.is_some_and(|from| place.offset >= from) {
                            feed(&mut self.observed, &event);
                        }
                        let judges = [by_rules, by_detectors, by_patterns];
                        self.ask(&event, line, judges, &mut |found| scanned.part.detections.push(found));
                    }
                    Ok(None) => {}
                    Err(reason) => scanned.unparsed.add(reason, place.line),
                }
            }
            rest = rest.get(end + 1..).unwrap_or_default();
            place = Place { line: place.line + 1, offset: place.offset + end as u64 + 1 };
        }
    }

    /// Whether rules, and detectors, need the event of a line of a class, if it tells one.
    fn needs(&mut self, class: Option<SourceClass>) -> [bool; 2] {
        let engine = self.engine.as_ref();
        let has_detectors = self.detectors.is_some();
        match class {
            None => [engine.is_some(), has_detectors],
            Some(class) => *self.needed.entry(class).or_insert_with(|| {
                let by_rules = engine.is_some_and(|engine| engine.needs(&class));
                [by_rules, has_detectors && Detectors::needs(&class)]
            }),
        }
    }

    fn ask(
        &mut self,
        event: &Event,
        line: &[u8],
        [by_rules, by_detectors, by_patterns]: [bool; 3],
        found: &mut dyn FnMut(Detection),
    ) {
        if by_rules && let Some(engine) = &mut self.engine {
            engine.observe(event, line, self.name, found);
        }
        if !by_detectors && !by_patterns {
            return;
        }
        let text = String::from_utf8_lossy(line);
        if by_detectors && let Some(detectors) = &mut self.detectors {
            detectors.observe(event, &text, self.name, found);
        }
        if by_patterns && let Some(patterns) = &mut self.patterns {
            patterns.event(self.name, &text, event).into_iter().for_each(found);
        }
    }
}

/// Adds the fingerprints that fields tell to the history.
fn fingerprints(observed: &mut Observed, block: &Block, lines: &BlockReader, from: usize) -> Fingerprints {
    if !observed.wants_digits() {
        return Fingerprints::default();
    }
    Fingerprints::read(block, lines, from, &mut |fingerprint, start, event| {
        let place = Place { line: 0, offset: block.offset + start as u64 };
        let time = event.time.or_else(|| lines.time(line_at(&block.bytes, start), place));
        observed.add_value(fingerprint, time, Flags::default());
    })
}

/// Accounts and user agents: a line that holds the bytes of one is read, and a field must be it.
fn named(set: &IndicatorSet, block: &Block, lines: &BlockReader, on_hit: &mut dyn FnMut(scan::Hit)) {
    let bytes = block.bytes.as_slice();
    let mut place = Place { line: block.first_line, offset: block.offset };
    // The line of the last candidate: where it ends, its event, the values that were asked of it.
    let (mut end, mut event, mut asked) = (0, None, HashSet::new());
    for Candidate { at, len, value } in set.named.candidates(bytes) {
        if at >= end {
            let head = bytes.get(..at).unwrap_or_default();
            let start = memrchr(b'\n', head).map_or(0, |newline| newline + 1);
            let before = usize::try_from(place.offset - block.offset).unwrap_or(usize::MAX);
            let passed = bytes.get(before..start).unwrap_or_default();
            place.line += bytecount::count(passed, b'\n') as u64;
            place.offset = block.offset + start as u64;
            let line = line_at(bytes, start);
            (end, event) = (start + line.len() + 1, lines.parse(line, place).ok().flatten());
            asked.clear();
        }
        let Some(event) = &event else { continue };
        // Its bytes may stand in the line a hundred thousand times.
        if !asked.insert(value.number()) {
            continue;
        }
        let mut holds = None;
        told_by_fields(event, &mut |kind, field| {
            if holds.is_none() && kind == value.kind && value.is(field) {
                holds = Some(field.trim().to_owned());
            }
        });
        let Some(field) = holds else { continue };
        for indicator in set.of_named(value) {
            on_hit(scan::Hit {
                line: place.line,
                line_start: place.offset,
                offset: block.offset + at as u64,
                len,
                indicator,
                kind: value.kind,
                value: field.clone(),
            });
        }
    }
}

/// The time of a line, counted; `None` too for one that counts for no day.
fn time_told(lines: &BlockReader, line: &[u8], place: Place, told: &mut TimesTold) -> Option<Timestamp> {
    let time = lines.time(line, place);
    if time.is_none() && lines.is_header(line, place) { None } else { told.add(time) }
}

/// Where the lines of a block begin.
fn starts(block: &Block) -> Vec<usize> {
    let ends = memchr_iter(b'\n', &block.bytes).map(|newline| newline + 1);
    std::iter::once(0).chain(ends).filter(|start| *start < block.bytes.len()).collect()
}

/// What kinds of logs the lines of a block are of: every so many lines one is asked.
fn kinds(block: &Block, starts: &[usize], lines: &BlockReader, kinds: &mut SourceKinds) {
    let step = if starts.len() <= LINES_ASKED_MAX { 1 } else { LINES_PER_LOOK };
    let mut read = 0;
    for start in starts.iter().copied().step_by(step) {
        let (line, place) =
            (line_at(&block.bytes, start), Place { line: 0, offset: block.offset + start as u64 });
        match lines.class_of(line, place) {
            Some(class) => kinds.add(class.kind),
            None if read < LINES_OF_KIND_MAX => {
                read += 1;
                let event = lines.parse(line, place).ok().flatten();
                event.into_iter().for_each(|event| kinds.add(event.class.kind));
            }
            None => {}
        }
    }
}

/// Which days a block has lines of: every so many lines one is asked, and all those between two whose days lie apart. The
/// first and the last that tell their time are among them. Answers what those tell that were asked.
fn days(block: &Block, starts: &[usize], lines: &BlockReader, scanned: &mut Scanned) -> TimesTold {
    let mut told = TimesTold::default();
    let mut time = |nth: usize| {
        let start = *starts.get(nth)?;
        let place = Place { line: 0, offset: block.offset + start as u64 };
        time_told(lines, line_at(&block.bytes, start), place, &mut told)
    };
    let Some(last) = starts.len().checked_sub(1) else { return told };
    let mut before: Option<(usize, u32)> = None;
    let step = if last < LINES_ASKED_MAX { 1 } else { LINES_PER_LOOK };
    for look in (0..=last).step_by(step).chain((last % step != 0).then_some(last)) {
        // What is asked instead lies between this look and the next; of the last line, before it.
        let tries = if look == 0 { step } else { LOOKS_MAX.min(step) };
        let found = if look == last {
            ((last + 1).saturating_sub(tries)..=last).rev().find_map(|nth| Some((nth, time(nth)?)))
        } else {
            (look..last.min(look + tries)).find_map(|nth| Some((nth, time(nth)?)))
        };
        let Some((nth, at)) = found else { continue };
        scanned.timeline.reach(Some(at));
        let Some(day) = day_of_time(at) else { continue };
        if let Some((from, earlier)) = before.filter(|(_, earlier)| earlier.abs_diff(day) > 1) {
            let between = (from + 1..nth).filter_map(|nth| time(nth).and_then(day_of_time));
            scanned.days.extend(between);
            scanned.days.insert(earlier);
        }
        scanned.days.insert(day);
        before = Some((nth, day));
    }
    told
}

/// Whether a match is a finding. Without a confirmation only the time counts for which the indicator holds.
fn judged(lookout: &Lookout<'_>, indicator: &Indicator, hit: &scan::Hit, event: &Event) -> Verdict {
    match (lookout.confirm, event.time, indicator.valid_until) {
        (Some(confirm), ..) => confirm.confirm(indicator, &hit.value, event),
        (None, Some(time), Some(until)) if time >= until => {
            Verdict::Drop(format!("the indicator ceased to hold at {until}"))
        }
        _ => Verdict::Keep(String::new()),
    }
}

/// The line that begins at a place, without its newline.
fn line_at(bytes: &[u8], start: usize) -> &[u8] {
    let rest = bytes.get(start..).unwrap_or_default();
    rest.get(..memchr(b'\n', rest).unwrap_or(rest.len())).unwrap_or_default()
}
