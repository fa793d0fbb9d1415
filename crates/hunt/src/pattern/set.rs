// SPDX-License-Identifier: Apache-2.0
//! Many patterns over many events.
//!
//! Most events concern no pattern. Each observation expression has literals of which one must stand in an
//! event for the expression to hold ([`in_objects`]). All are looked for at once, and only the expressions whose
//! literal was found are asked. Most lines are not even read into events ([`Lines`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aho_corasick::{AhoCorasick, MatchKind};
use model::diagnostic::Diagnostic;
use model::time::Timestamp;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

use super::ast::{Comparison, Expression};
use super::check::each_test;
use super::event::{EVENT_TYPE, objects_of};
use super::fold::folded;
use super::lines::Lines;
use super::literal::{in_line, in_objects};
use super::matching::{Matcher, Span};
use super::observed::Observation;
use super::room::{Room, in_order, size};
use super::search::Patience;
use super::{MatchError, Pattern, PatternError};
use crate::detection::{Detection, Evidence, Level, Means};
use crate::event::{Event, Rewriting, SourceKind};
use crate::limits::{
    EVIDENCE_LINES_MAX, FINDING_TEXT_BYTES_MAX, PATTERN_DETECTIONS_MAX, PATTERN_OBSERVATIONS_MAX,
    PATTERN_REGEX_BYTES_MAX, PATTERN_TRIES_MAX, PATTERN_TRIES_MIN, PATTERNS_KEPT_BYTES_MAX, PATTERNS_MAX,
    PATTERNS_REGEX_BYTES_MAX, PATTERNS_TRIES_MAX,
};
use crate::rule::lowered;

/// An indicator whose pattern is not equality alone.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternIndicator {
    /// STIX id.
    pub id: String,
    /// STIX name.
    pub name: String,
    /// The pattern, or of one that is compiled in part the rest.
    pub pattern: Pattern,
    /// When it begins to hold, if that is known. As of values, earlier traces are found all the same.
    pub valid_from: Option<Timestamp>,
    /// When it ceases to hold.
    pub valid_until: Option<Timestamp>,
}

/// A pattern that is ready.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) indicator: PatternIndicator,
    pub(super) matcher: Matcher,
    /// Judged event by event.
    single: bool,
}

/// Patterns that are hunted for together.
#[derive(Debug)]
pub struct PatternSet {
    pub(super) ready: Vec<Ready>,
    /// The literals, and for each the expressions that it lets in, as (pattern, leaf).
    finder: Option<AhoCorasick>,
    wanted_by: Vec<Vec<(usize, usize)>>,
    /// Expressions without a literal.
    always: Vec<(usize, usize)>,
    /// Types of objects that expressions without a literal speak of; others need no look at all.
    always_types: BTreeSet<String>,
    /// Whether a pattern names fields of events as the logs have them.
    with_fields: bool,
    /// Which lines are read into events for these patterns.
    lines: Lines,
    diagnostics: Vec<Diagnostic>,
    /// Runs that read at this time.
    readers: AtomicUsize,
}

impl PatternSet {
    /// Makes patterns ready; what cannot be matched is a diagnostic.
    pub fn build(indicators: Vec<PatternIndicator>) -> PatternSet {
        PatternSet::build_within(indicators, PATTERNS_REGEX_BYTES_MAX)
    }

    /// The same; the regular expressions of all take so many bytes at most.
    fn build_within(mut indicators: Vec<PatternIndicator>, regex_bytes: usize) -> PatternSet {
        for indicator in &mut indicators {
            indicator.pattern = Pattern::of(folded(indicator.pattern.expression()));
        }
        let fits = smallest_within(&indicators, regex_bytes);
        let mut diagnostics = Vec::new();
        let mut ready: Vec<Ready> = Vec::new();
        for (indicator, fits) in indicators.into_iter().zip(fits) {
            if !fits {
                let what = format!(
                    "the regular expressions of all patterns would take more than {regex_bytes} bytes; those of this \
                     one are among the largest, and it is not matched"
                );
                diagnostics.push(Diagnostic::error("pattern-regexes-too-large", indicator.id, what));
                continue;
            }
            if ready.len() >= PATTERNS_MAX {
                let what = format!("there are more than {PATTERNS_MAX} patterns; the rest is not matched");
                diagnostics.push(Diagnostic::error("too-many-patterns", indicator.id, what));
                break;
            }
            match Matcher::new(&indicator.pattern) {
                Ok(matcher) => {
                    let single = matcher.is_single();
                    ready.push(Ready { indicator, matcher, single });
                }
                Err(error) => {
                    diagnostics.push(Diagnostic::error(
                        "pattern-not-supported",
                        indicator.id,
                        error.to_string(),
                    ));
                }
            }
        }
        let mut set = PatternSet {
            ready,
            finder: None,
            wanted_by: Vec::new(),
            always: Vec::new(),
            always_types: BTreeSet::new(),
            with_fields: false,
            lines: Lines::Every,
            diagnostics,
            readers: AtomicUsize::new(0),
        };
        set.index();
        set
    }

    fn index(&mut self) {
        let mut by_literal: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
        let mut in_lines = Some(BTreeSet::new());
        for (nth, ready) in self.ready.iter().enumerate() {
            each_test(ready.indicator.pattern.expression(), &mut |test| {
                self.with_fields |= test.path.object == EVENT_TYPE;
            });
            let mut leaves = Vec::new();
            each_leaf(ready.indicator.pattern.expression(), &mut |comparison| leaves.push(comparison));
            for (leaf, comparison) in leaves.into_iter().enumerate() {
                in_lines = in_lines.zip(in_line(comparison)).map(|(mut all, texts)| {
                    all.extend(texts);
                    all
                });
                match in_objects(comparison) {
                    Some(literals) => {
                        for literal in literals {
                            by_literal.entry(literal).or_default().push((nth, leaf));
                        }
                    }
                    None => {
                        self.always.push((nth, leaf));
                        types(comparison, &mut self.always_types);
                    }
                }
            }
        }
        let finder = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(by_literal.keys());
        match finder {
            Ok(finder) if !by_literal.is_empty() => {
                self.finder = Some(finder);
                self.wanted_by = by_literal.into_values().collect();
            }
            Ok(_) => {}
            // Too many states for the machine: without an index each expression is asked each time.
            Err(_) => self.always.extend(by_literal.into_values().flatten()),
        }
        self.always.sort_unstable();
        self.always.dedup();
        self.lines = in_lines.map_or(Lines::Every, |texts| Lines::holding(&texts));
    }

    /// Whether a line may be part of a match, told from its bytes: where not, its event need not be shown to
    /// [`PatternRun::event`].
    pub(crate) fn concerns(&self, line: &[u8], rewriting: Rewriting) -> bool {
        self.lines.may_match(line, rewriting)
    }

    /// Whether each line is read into an event for these patterns, as of one it is not known what stands in its lines.
    pub fn asks_every_line(&self) -> bool {
        matches!(self.lines, Lines::Every)
    }

    /// Whether this pattern alone makes every line be read into an event: of one of its observations it is not known what
    /// stands in its lines. One that cannot be matched asks for no line.
    pub fn asks_every_line_for(pattern: &Pattern) -> bool {
        let indicator = PatternIndicator {
            id: String::new(),
            name: String::new(),
            pattern: pattern.clone(),
            valid_from: None,
            valid_until: None,
        };
        let set = PatternSet::build(vec![indicator]);
        !set.is_empty() && set.asks_every_line()
    }

    /// The same patterns, asked of every line: for tests and measurements. They find the same.
    pub fn asking_every_line(self) -> PatternSet {
        PatternSet { lines: Lines::Every, ..self }
    }

    /// How many patterns are hunted for.
    pub fn len(&self) -> usize {
        self.ready.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Patterns that cannot be matched, and why.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Expressions that an observation may satisfy, as (pattern, leaf).
    fn candidates(&self, observation: &Observation) -> BTreeSet<(usize, usize)> {
        let mut candidates = BTreeSet::new();
        let has_type = |object: &Value| {
            object.get("type").and_then(Value::as_str).is_some_and(|kind| self.always_types.contains(kind))
        };
        if observation.objects.values().any(has_type) {
            candidates.extend(self.always.iter().copied());
        }
        let mut hits = 0;
        let mut look_in = |text: &str| {
            for hit in self.finder.iter().flat_map(|finder| finder.find_overlapping_iter(text)) {
                hits += 1;
                if hits > TEXTS_FOUND_MAX {
                    return;
                }
                if let Some(wanted) = self.wanted_by.get(hit.pattern().as_usize()) {
                    candidates.extend(wanted.iter().copied());
                }
            }
        };
        for object in observation.objects.values() {
            each_text(object, &mut |text| {
                look_in(text);
                // LIKE and MATCHES compare in NFC, and cases of ASCII letters are found beyond ASCII: the Kelvin sign.
                if !text.is_ascii() {
                    look_in(lowered(&text.nfc().collect::<String>(), &mut String::new()));
                }
            });
        }
        if hits > TEXTS_FOUND_MAX {
            // Asking all of them takes less than finding out which need not be.
            candidates.extend(self.wanted_by.iter().flatten().copied());
        }
        candidates
    }
}

/// Texts of patterns that are looked at in one event: a hundred that hold each other, in a line of one letter, are found a
/// hundred million times.
const TEXTS_FOUND_MAX: u32 = 100_000;

/// For each pattern whether it is among the smallest whose regular expressions together take so many bytes: one whose own
/// are large must not keep those of others from being matched.
fn smallest_within(indicators: &[PatternIndicator], regex_bytes: usize) -> Vec<bool> {
    let sizes = indicators.iter().map(|indicator| indicator.pattern.regex_bytes());
    let mut rising: Vec<(usize, usize)> = sizes.enumerate().map(|(nth, size)| (size, nth)).collect();
    rising.sort_unstable();
    let (mut fits, mut sum) = (vec![true; indicators.len()], 0_usize);
    for (size, nth) in rising {
        sum = sum.saturating_add(size);
        // What is larger than a single one may be is refused for that.
        let fit = size == 0 || sum <= regex_bytes || size > PATTERN_REGEX_BYTES_MAX;
        fits.get_mut(nth).into_iter().for_each(|fits| *fits = fit);
    }
    fits
}

/// Calls back with each observation expression, in the order of the matcher's leaves.
fn each_leaf<'a>(expression: &'a Expression, each: &mut dyn FnMut(&'a Comparison)) {
    match expression {
        Expression::All(parts) | Expression::Any(parts) | Expression::Followed(parts) => {
            parts.iter().for_each(|part| each_leaf(part, each));
        }
        Expression::Qualified(inner, _) => each_leaf(inner, each),
        Expression::Observation(comparison) => each(comparison),
    }
}

fn each_text(value: &Value, each: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(list) => list.iter().for_each(|value| each_text(value, each)),
        Value::Object(object) => object.values().for_each(|value| each_text(value, each)),
        _ => {}
    }
}

fn types(comparison: &Comparison, into: &mut BTreeSet<String>) {
    match comparison {
        Comparison::All(parts) | Comparison::Any(parts) => parts.iter().for_each(|part| types(part, into)),
        Comparison::Test(test) => {
            into.insert(test.path.object.clone());
        }
    }
}

/// An event that may take part in a pattern of several observations.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) span: Span,
    /// Leaves that hold in it.
    pub(super) leaves: Vec<usize>,
    pub(super) source: SourceKind,
    pub(super) about: Vec<(&'static str, String)>,
    pub(super) evidence: Evidence,
}

/// Matching one run's events, file by file, in any order: patterns of one observation are told at once,
/// the others at the end ([`PatternRun::finish`]).
#[derive(Debug)]
pub struct PatternRun<'a> {
    pub(super) set: &'a PatternSet,
    pub(super) kept: Vec<Vec<Kept>>,
    /// Events that would have been kept for a pattern: over a limit, or without a time.
    pub(super) lost: Vec<u64>,
    /// Detections of a pattern that were told.
    pub(super) told: Vec<u64>,
    pub(super) room: Room<'a>,
}

impl<'a> PatternRun<'a> {
    /// Begins to read a log. What all runs that read keep at once shares one limit.
    pub fn new(set: &'a PatternSet) -> PatternRun<'a> {
        PatternRun::with(set, Some(&set.readers))
    }

    /// Begins to gather what others read, by [`PatternRun::merge`]: it has room of its own.
    pub fn of_all(set: &'a PatternSet) -> PatternRun<'a> {
        PatternRun::with(set, None)
    }

    fn with(set: &'a PatternSet, readers: Option<&'a AtomicUsize>) -> PatternRun<'a> {
        let count = set.ready.len();
        let room = Room::new(count, readers);
        PatternRun { set, kept: vec![Vec::new(); count], lost: vec![0; count], told: vec![0; count], room }
    }

    /// What it matches.
    pub fn set(&self) -> &'a PatternSet {
        self.set
    }

    /// Takes an event of a log; `line` is its text. Answers what it shows by itself.
    pub fn event(&mut self, file: &str, line: &str, event: &Event) -> Vec<Detection> {
        if self.set.is_empty() {
            return Vec::new();
        }
        let observation = objects_of(event, Timestamp::EPOCH, self.set.with_fields);
        let mut by_pattern: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (nth, leaf) in self.set.candidates(&observation) {
            let asked = self.set.ready.get(nth).and_then(|ready| ready.matcher.leaves().get(leaf));
            // A value of the log that cannot be compared is no match here.
            if asked.is_some_and(|asked| asked.holds(&observation).unwrap_or(false)) {
                by_pattern.entry(nth).or_default().push(leaf);
            }
        }
        let mut detections = Vec::new();
        for (nth, leaves) in by_pattern {
            let Some(ready) = self.set.ready.get(nth) else { continue };
            if event.time.zip(ready.indicator.valid_until).is_some_and(|(time, until)| time >= until) {
                continue;
            }
            let kept = keep(file, line, event, &observation, leaves);
            if ready.single && self.holds_alone(ready, &kept) {
                self.tell(nth, ready, &[kept], &mut detections);
            } else if !ready.single {
                self.store(nth, event, kept);
            }
        }
        detections
    }

    fn holds_alone(&self, ready: &Ready, kept: &Kept) -> bool {
        let hits = hits_of(ready, std::slice::from_ref(kept));
        matches!(ready.matcher.bound(&[kept.span], &hits, &mut Patience::of_one()), Ok(Some(_)))
    }

    fn store(&mut self, nth: usize, event: &Event, kept: Kept) {
        let (Some(all), Some(lost)) = (self.kept.get_mut(nth), self.lost.get_mut(nth)) else { return };
        let refused = event.time.is_none() || all.len() >= PATTERN_OBSERVATIONS_MAX;
        if refused || !self.room.take(nth, size(&kept)) {
            *lost += 1;
        } else {
            all.push(kept);
            self.make_room();
        }
    }

    fn tell(&mut self, nth: usize, ready: &Ready, kept: &[Kept], into: &mut Vec<Detection>) {
        let Some(told) = self.told.get_mut(nth) else { return };
        *told += 1;
        if *told <= PATTERN_DETECTIONS_MAX {
            into.push(detection(ready, kept));
        }
    }

    /// Takes over what another run of the same set kept, as of another thread.
    pub fn merge(&mut self, other: PatternRun<'a>) {
        for (mine, theirs) in self.kept.iter_mut().zip(other.kept) {
            mine.extend(theirs);
        }
        for (mine, theirs) in self.lost.iter_mut().zip(other.lost) {
            *mine += theirs;
        }
        for (mine, theirs) in self.told.iter_mut().zip(other.told) {
            *mine += theirs;
        }
        self.room.unite(&other.room);
        self.make_room();
    }

    /// Ends: what events show together, and what was left out.
    pub fn finish(self) -> (Vec<Detection>, Vec<Diagnostic>) {
        self.finish_unless(&AtomicBool::new(false))
    }

    /// The same. Where `stop` comes to be raised, patterns whose answer takes long are given up, and told; where it is
    /// raised already, all of them take little.
    pub fn finish_unless(mut self, stop: &AtomicBool) -> (Vec<Detection>, Vec<Diagnostic>) {
        let (mut detections, mut diagnostics) = (Vec::new(), Vec::new());
        let (never, is_stopped) = (AtomicBool::new(false), stop.load(Ordering::Relaxed));
        let (mut left, stop) =
            if is_stopped { (PATTERN_TRIES_MAX, &never) } else { (PATTERNS_TRIES_MAX, stop) };
        for (nth, ready) in self.set.ready.iter().enumerate() {
            let mut kept = self.kept.get_mut(nth).map(std::mem::take).unwrap_or_default();
            in_order(&mut kept);
            if kept.len() > PATTERN_OBSERVATIONS_MAX {
                let over = kept.len() - PATTERN_OBSERVATIONS_MAX;
                kept.truncate(PATTERN_OBSERVATIONS_MAX);
                if let Some(lost) = self.lost.get_mut(nth) {
                    *lost += over as u64;
                }
            }
            // One that takes all there is must not keep the answers of the others from being known.
            let mut patience = Patience { steps: left.max(PATTERN_TRIES_MIN), stop };
            let steps = patience.steps;
            let bound = self.bind_all(nth, ready, kept, &mut patience, &mut detections);
            left = left.saturating_sub(steps - patience.steps);
            if let Err(error) = bound {
                let what = error.to_string();
                diagnostics.push(Diagnostic::warning("pattern-gave-up", ready.indicator.id.clone(), what));
            }
            diagnostics.extend(self.lost_and_untold(nth, ready));
        }
        (detections, diagnostics)
    }

    /// Each time that the pattern holds, by events of its own.
    fn bind_all(
        &mut self,
        nth: usize,
        ready: &Ready,
        mut kept: Vec<Kept>,
        patience: &mut Patience<'_>,
        into: &mut Vec<Detection>,
    ) -> Result<(), MatchError> {
        while !kept.is_empty() && self.told.get(nth).is_some_and(|told| *told < PATTERN_DETECTIONS_MAX) {
            let spans: Vec<Span> = kept.iter().map(|kept| kept.span).collect();
            let hits = hits_of(ready, &kept);
            let Some(bound) = ready.matcher.bound(&spans, &hits, patience)? else { break };
            let bound: BTreeSet<usize> = bound.into_iter().collect();
            let (mut shown, mut rest) = (Vec::new(), Vec::new());
            for (at, kept) in kept.into_iter().enumerate() {
                if bound.contains(&at) { shown.push(kept) } else { rest.push(kept) }
            }
            self.tell(nth, ready, &shown, into);
            kept = rest;
        }
        Ok(())
    }

    fn lost_and_untold(&self, nth: usize, ready: &Ready) -> Vec<Diagnostic> {
        let id = || ready.indicator.id.clone();
        let mut diagnostics = Vec::new();
        let lost = self.lost.get(nth).copied().unwrap_or(0);
        if lost > 0 {
            let short = match self.room.short.get(nth).copied().unwrap_or(0) {
                0 => String::new(),
                short => format!(
                    "; for {short} of them there was no room, as the events of all patterns together took more than \
                     {PATTERNS_KEPT_BYTES_MAX} bytes"
                ),
            };
            let what = format!(
                "{lost} events that could take part in this pattern were left out: they tell no time, or are too many, \
                 more than {PATTERN_OBSERVATIONS_MAX}{short}; where the pattern is not told, it may have held all the same"
            );
            diagnostics.push(
                Diagnostic::warning("pattern-events-left-out", id(), what).with_fix("narrow the pattern"),
            );
        }
        let told = self.told.get(nth).copied().unwrap_or(0);
        if told > PATTERN_DETECTIONS_MAX {
            let what =
                format!("the pattern matched {told} times; the first {PATTERN_DETECTIONS_MAX} are told");
            diagnostics
                .push(Diagnostic::warning("pattern-too-common", id(), what).with_fix("narrow the pattern"));
        }
        diagnostics
    }
}

/// For each leaf the events in which it holds.
fn hits_of(ready: &Ready, kept: &[Kept]) -> Vec<Vec<usize>> {
    let mut hits = vec![Vec::new(); ready.matcher.leaves().len()];
    for (at, kept) in kept.iter().enumerate() {
        for leaf in &kept.leaves {
            if let Some(hits) = hits.get_mut(*leaf) {
                hits.push(at);
            }
        }
    }
    hits
}

fn keep(file: &str, line: &str, event: &Event, observation: &Observation, leaves: Vec<usize>) -> Kept {
    let mut end = line.len().min(FINDING_TEXT_BYTES_MAX);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    let text = line.get(..end).unwrap_or_default().to_owned();
    Kept {
        span: Span { first: observation.first, last: observation.last, number: 1 },
        leaves,
        source: event.class.kind,
        about: about(event, observation),
        evidence: Evidence { file: file.to_owned(), place: event.place, time: event.time, text },
    }
}

/// Whom an event is about: its host, accounts and addresses.
fn about(event: &Event, observation: &Observation) -> Vec<(&'static str, String)> {
    let hosts = ["Computer", "ComputerName", "devname", "host.name"].iter();
    let host = hosts.filter_map(|name| event.text(name)).next();
    let mut about: Vec<_> = host.map(|host| ("host", host.into_owned())).into_iter().collect();
    for object in observation.objects.values() {
        let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
        let found = match object.get("type").and_then(Value::as_str) {
            Some("ipv4-addr" | "ipv6-addr") => text("value").map(|value| ("address", value)),
            Some("domain-name") => text("value").map(|value| ("domain", value)),
            Some("user-account") => text("account_login").map(|value| ("account", value)),
            _ => None,
        };
        about.extend(found);
    }
    about.sort();
    about.dedup();
    about
}

fn detection(ready: &Ready, kept: &[Kept]) -> Detection {
    let indicator = &ready.indicator;
    let times = || kept.iter().filter_map(|kept| kept.evidence.time);
    let mut about: Vec<_> = kept.iter().flat_map(|kept| kept.about.iter().cloned()).collect();
    about.sort();
    about.dedup();
    let name = if indicator.name.is_empty() { &indicator.id } else { &indicator.name };
    Detection {
        means: Means::Pattern,
        id: indicator.id.clone(),
        title: format!("pattern of indicator: {name}"),
        level: Level::High,
        techniques: Vec::new(),
        credit: String::new(),
        source: kept.first().map(|kept| kept.source).unwrap_or_default(),
        about,
        first: times().min(),
        last: times().max(),
        count: kept.len() as u64,
        evidence: kept.iter().take(EVIDENCE_LINES_MAX).map(|kept| kept.evidence.clone()).collect(),
        threshold: crate::indicator::excerpt(&indicator.pattern.to_string()),
        baseline: String::new(),
        disproof:
            "the indicator's author says what the pattern stands for; a legitimate use of the same values or \
                   programs would show that it is nothing"
                .to_owned(),
        advice: "look at the lines and at what the same host and account did around them".to_owned(),
    }
}

impl PatternIndicator {
    /// An indicator of a pattern's text.
    pub fn parse(id: &str, name: &str, pattern: &str) -> Result<PatternIndicator, PatternError> {
        Ok(PatternIndicator {
            id: id.to_owned(),
            name: name.to_owned(),
            pattern: Pattern::parse(pattern)?,
            valid_from: None,
            valid_until: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One indicator of 33 KB took half a gigabyte: each expression had a limit, and their sum had none.
    #[test]
    fn a_pattern_of_many_costly_expressions_is_refused() {
        let pattern = |times: usize| {
            let one = |nth: usize| format!("[x:y MATCHES '(a|b|c){{1,900}}x{nth}']");
            Pattern::parse(&(0..times).map(one).collect::<Vec<_>>().join(" OR ")).unwrap()
        };
        assert!(Matcher::new(&pattern(20)).is_ok());
        let error = Matcher::new(&pattern(800)).unwrap_err();
        assert_eq!(error, MatchError::RegexesTooLarge { limit: PATTERN_REGEX_BYTES_MAX });
        let like = vec!["[x:y LIKE 'a%']"; 5_000].join(" OR ");
        assert!(Matcher::new(&Pattern::parse(&like).unwrap()).is_err(), "LIKE is one, too");
    }

    /// Whoever sends a large one does not keep those of others from being matched.
    #[test]
    fn of_too_many_costly_patterns_the_largest_are_left_out() {
        let indicator = |id: &str, pattern: &str| PatternIndicator::parse(id, "n", pattern).unwrap();
        let all = [
            indicator("large", r"[process:name MATCHES '^\\w{12}$']"),
            indicator("plain", "[process:name = 'a'] AND [process:name = 'b']"),
            indicator("small", "[process:name MATCHES '^a+$']"),
            indicator("also-large", r"[process:name MATCHES '^\\w{10}$']"),
        ];
        let room = all[3].pattern.regex_bytes() + all[2].pattern.regex_bytes();
        let set = PatternSet::build_within(all.to_vec(), room);
        let ready: Vec<_> = set.ready.iter().map(|ready| ready.indicator.id.as_str()).collect();
        assert_eq!(ready, ["plain", "small", "also-large"]);
        let said: Vec<_> = set.diagnostics().iter().map(|d| (d.code, d.place.as_str())).collect();
        assert_eq!(said, [("pattern-regexes-too-large", "large")]);
    }
}
