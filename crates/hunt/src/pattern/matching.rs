// SPDX-License-Identifier: Apache-2.0
//! Observation expressions over many observations (STIX 2.1 sections 9.4 to 9.6): which observations
//! satisfy a pattern together.
//!
//! A binding gives each observation expression observations of its own. An observation that was made several
//! times stands for as many. Where first and last differ, each is free to have happened at any time between.

use std::ops::ControlFlow;

use model::time::Timestamp;

use super::ast::{Expression, Qualifier};
use super::compare::Asked;
use super::observed::Observation;
use super::{MatchError, Pattern};
use crate::limits::{PATTERN_REPEATS_MAX, PATTERN_TRIES_MAX};

/// Microseconds of a second.
const SECOND: f64 = 1_000_000.0;

/// A pattern that is ready to be matched.
#[derive(Debug)]
pub struct Matcher {
    root: Node,
    leaves: Vec<Asked>,
}

/// An expression whose observations are numbered.
#[derive(Debug)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Followed(Vec<Node>),
    Leaf(usize),
    Repeats(Box<Node>, usize),
    StartStop(Box<Node>, Timestamp, Timestamp),
    Within(Box<Node>, i64),
}

impl Matcher {
    /// Makes a pattern ready. Errors are patterns that the grammar takes and that mean nothing: a day that no
    /// month has, zero seconds, a regular expression that is none.
    pub fn new(pattern: &Pattern) -> Result<Matcher, MatchError> {
        let mut leaves = Vec::new();
        let root = node(pattern.expression(), &mut leaves)?;
        Ok(Matcher { root, leaves })
    }

    /// Whether it is one observation expression, or several of which any one suffices: then each observation
    /// can be judged by itself.
    pub fn is_single(&self) -> bool {
        fn single(node: &Node) -> bool {
            match node {
                Node::Leaf(_) => true,
                Node::Any(parts) => parts.iter().all(single),
                // One observation lies within any time.
                Node::StartStop(inner, ..) | Node::Within(inner, _) => single(inner),
                Node::Repeats(inner, times) => *times == 1 && single(inner),
                Node::All(_) | Node::Followed(_) => false,
            }
        }
        single(&self.root)
    }

    /// The observation expressions, in the order in which they stand.
    pub(crate) fn leaves(&self) -> &[Asked] {
        &self.leaves
    }

    /// Matches observations: the numbers of those that satisfy the pattern together, in rising order, or none.
    ///
    /// ```
    /// use hunt::pattern::{Matcher, Pattern, read_observed};
    ///
    /// let observed = read_observed(br#"{"type":"observed-data","number_observed":3,
    ///   "first_observed":"2024-01-31T08:30:00Z","last_observed":"2024-01-31T08:31:00Z",
    ///   "objects":{"0":{"type":"domain-name","value":"a.example"}}}"#).unwrap();
    /// let observed: Vec<_> = observed.into_iter().map(|(_, observation)| observation).collect();
    /// let matched = |text| Matcher::new(&Pattern::parse(text).unwrap()).unwrap().matched(&observed).unwrap();
    /// assert_eq!(matched("[domain-name:value LIKE '%.example'] REPEATS 3 TIMES"), Some(vec![0]));
    /// assert_eq!(matched("[domain-name:value LIKE '%.example'] REPEATS 4 TIMES"), None);
    /// ```
    pub fn matched(&self, observed: &[Observation]) -> Result<Option<Vec<usize>>, MatchError> {
        let mut hits = Vec::with_capacity(self.leaves.len());
        for leaf in &self.leaves {
            let mut of_leaf = Vec::new();
            for (nth, observation) in observed.iter().enumerate() {
                if leaf.holds(observation)? {
                    of_leaf.push(nth);
                }
            }
            hits.push(of_leaf);
        }
        self.bound(&Spans::of(observed), &hits)
    }

    /// The same, when it is known which observations each leaf holds in.
    pub(crate) fn bound(
        &self,
        spans: &[Span],
        hits: &[Vec<usize>],
    ) -> Result<Option<Vec<usize>>, MatchError> {
        if let Some(answer) = quick(&self.root, spans, hits) {
            return Ok(answer);
        }
        let mut search = Search { spans, hits, bound: Vec::new(), within: Vec::new(), tries: 0 };
        let found = search.each(&self.root, &mut |_| ControlFlow::Break(()));
        if found.is_break() && search.tries <= PATTERN_TRIES_MAX {
            let mut matched = search.bound;
            matched.sort_unstable();
            matched.dedup();
            return Ok(Some(matched));
        }
        if search.tries > PATTERN_TRIES_MAX {
            return Err(MatchError::TooManyTries { limit: PATTERN_TRIES_MAX });
        }
        Ok(None)
    }
}

fn node(expression: &Expression, leaves: &mut Vec<Asked>) -> Result<Node, MatchError> {
    let mut parts = |parts: &[Expression]| {
        parts.iter().map(|part| node(part, leaves)).collect::<Result<Vec<_>, MatchError>>()
    };
    Ok(match expression {
        Expression::All(of) => Node::All(parts(of)?),
        Expression::Any(of) => Node::Any(parts(of)?),
        Expression::Followed(of) => Node::Followed(parts(of)?),
        Expression::Observation(comparison) => {
            leaves.push(Asked::new(comparison)?);
            Node::Leaf(leaves.len() - 1)
        }
        Expression::Qualified(inner, qualifier) => {
            let inner = Box::new(node(inner, leaves)?);
            match qualifier {
                Qualifier::Repeats(times) => {
                    let times = usize::try_from(*times).ok().filter(|times| *times <= PATTERN_REPEATS_MAX);
                    match times {
                        Some(0) => return Err(MatchError::Zero { qualifier: "REPEATS" }),
                        Some(times) => Node::Repeats(inner, times),
                        None => return Err(MatchError::TooManyRepeats { limit: PATTERN_REPEATS_MAX }),
                    }
                }
                Qualifier::Within(seconds) => {
                    let seconds = seconds.as_f64();
                    if seconds <= 0.0 {
                        return Err(MatchError::Zero { qualifier: "WITHIN" });
                    }
                    // A float that is too large becomes the largest integer.
                    Node::Within(inner, (seconds * SECOND).round() as i64)
                }
                Qualifier::StartStop(start, stop) => {
                    let time = |time: &super::ast::Time| {
                        time.time
                            .ok_or_else(|| MatchError::Time { text: crate::indicator::excerpt(&time.text) })
                    };
                    Node::StartStop(inner, time(start)?, time(stop)?)
                }
            }
        }
    })
}

/// When an observation was made, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) number: u64,
}

/// Spans of observations.
pub(crate) struct Spans;

impl Spans {
    fn of(observed: &[Observation]) -> Vec<Span> {
        let span = |o: &Observation| Span { first: o.first, last: o.last, number: o.number };
        observed.iter().map(span).collect()
    }
}

/// Whether a time between first and last lies in the half-open window (section 9.4, START and STOP).
fn in_window(span: Span, start: Timestamp, stop: Timestamp) -> bool {
    start < stop && span.first < stop && span.last >= start
}

/// The common form `[…] REPEATS n TIMES WITHIN s SECONDS`, exactly, without trying combinations: the outer
/// answer is `None` where the expression has another form. Alternatives are asked one after another.
fn quick(node: &Node, spans: &[Span], hits: &[Vec<usize>]) -> Option<Option<Vec<usize>>> {
    if let Node::Any(parts) = node {
        let answers: Option<Vec<_>> = parts.iter().map(|part| quick(part, spans, hits)).collect();
        return answers.map(|answers| answers.into_iter().flatten().next());
    }
    let (mut at, mut times, mut within, mut windows) = (node, 1_usize, i64::MAX, Vec::new());
    let leaf = loop {
        match at {
            Node::Leaf(leaf) => break *leaf,
            Node::StartStop(inner, start, stop) => {
                windows.push((*start, *stop));
                at = inner;
            }
            // Inside a repetition the time holds for each turn, not for all.
            Node::Within(inner, micros) if times == 1 => {
                within = within.min(*micros);
                at = inner;
            }
            Node::Repeats(inner, n) => {
                times = times.checked_mul(*n)?;
                at = inner;
            }
            _ => return None,
        }
    };
    let fits = |nth: &usize| {
        spans
            .get(*nth)
            .is_some_and(|span| windows.iter().all(|(start, stop)| in_window(*span, *start, *stop)))
    };
    let fitting: Vec<usize> = hits.get(leaf)?.iter().copied().filter(fits).collect();
    Some(enough(&fitting, spans, times, within))
}

/// So many observations of these that can all have been made within a time.
///
/// If any choice of them can, one can whose window begins at the earliest end of an observation in it: a
/// window that is moved right from there loses that one, and moved left wins none.
fn enough(fitting: &[usize], spans: &[Span], times: usize, within: i64) -> Option<Vec<usize>> {
    let span = |nth: &usize| spans.get(*nth).copied();
    let mut starts: Vec<i64> = fitting.iter().filter_map(|nth| Some(span(nth)?.last.micros())).collect();
    starts.sort_unstable();
    starts.dedup();
    if within == i64::MAX {
        starts.truncate(1);
    }
    let mut by_first: Vec<usize> = fitting.to_vec();
    by_first.sort_by_key(|nth| span(nth).map(|span| span.first));
    for start in starts {
        let end = start.saturating_add(within);
        let mut chosen = Vec::new();
        let mut count = 0_u64;
        for nth in &by_first {
            let Some(span) = span(nth) else { continue };
            if span.first.micros() > end {
                break;
            }
            if span.last.micros() >= start {
                chosen.push(*nth);
                count = count.saturating_add(span.number);
            }
            if count >= times as u64 {
                chosen.sort_unstable();
                return Some(chosen);
            }
        }
    }
    None
}

/// What is bound so far, and under which limits of time.
struct Search<'a> {
    spans: &'a [Span],
    hits: &'a [Vec<usize>],
    /// Observations, one for each that an expression took; one that was made n times may stand n times.
    bound: Vec<usize>,
    /// Where in `bound` an expression begins that must lie within so many microseconds.
    within: Vec<(usize, i64)>,
    tries: u64,
}

type Flow = ControlFlow<()>;
type Then<'t, 'a> = dyn FnMut(&mut Search<'a>) -> Flow + 't;

impl<'a> Search<'a> {
    /// Calls back with each way to bind an expression after what is bound already.
    fn each(&mut self, node: &Node, then: &mut Then<'_, 'a>) -> Flow {
        match node {
            Node::Leaf(leaf) => self.each_leaf(*leaf, 0, then),
            Node::Any(parts) => {
                for part in parts {
                    self.each(part, then)?;
                }
                Flow::Continue(())
            }
            Node::All(parts) => self.each_all(parts, then),
            Node::Followed(parts) => self.each_followed(parts, self.bound.len(), then),
            Node::Repeats(inner, times) => self.each_repeat(inner, *times, 0, then),
            Node::StartStop(inner, start, stop) => {
                let begin = self.bound.len();
                self.each(inner, &mut |search| {
                    let all = search.spans_from(begin).all(|span| in_window(span, *start, *stop));
                    if all { then(search) } else { Flow::Continue(()) }
                })
            }
            Node::Within(inner, micros) => {
                let limit = (self.bound.len(), *micros);
                self.within.push(limit);
                let flow = self.each(inner, &mut |search| {
                    // What is bound after this expression is not under its limit.
                    search.within.pop();
                    let flow = then(search);
                    search.within.push(limit);
                    flow
                });
                self.within.pop();
                flow
            }
        }
    }

    fn spans_from(&self, begin: usize) -> impl Iterator<Item = Span> {
        let bound = self.bound.get(begin..).unwrap_or_default();
        bound.iter().filter_map(|nth| self.spans.get(*nth).copied())
    }

    /// Observations of a leaf from a number on. Those of one number are alike: one that is free stands for all.
    fn each_leaf(&mut self, leaf: usize, from: usize, then: &mut Then<'_, 'a>) -> Flow {
        let hits: &'a [usize] = self.hits.get(leaf).map_or(&[], Vec::as_slice);
        for &nth in hits.get(hits.partition_point(|nth| *nth < from)..).unwrap_or_default() {
            self.tries += 1;
            if self.tries > PATTERN_TRIES_MAX {
                return Flow::Break(());
            }
            let number = self.spans.get(nth).map_or(0, |span| span.number);
            let used = self.bound.iter().filter(|bound| **bound == nth).count() as u64;
            if used >= number {
                continue;
            }
            self.bound.push(nth);
            if self.can_be_within() {
                then(self)?;
            }
            self.bound.pop();
        }
        Flow::Continue(())
    }

    /// Whether all limits of time can still be kept; more observations make it only harder.
    fn can_be_within(&self) -> bool {
        self.within.iter().all(|(begin, micros)| {
            let earliest_last = self.spans_from(*begin).map(|span| span.last.micros()).min();
            let latest_first = self.spans_from(*begin).map(|span| span.first.micros()).max();
            match (earliest_last, latest_first) {
                (Some(last), Some(first)) => first <= last.saturating_add(*micros),
                _ => true,
            }
        })
    }

    fn each_all(&mut self, parts: &[Node], then: &mut Then<'_, 'a>) -> Flow {
        match parts.split_first() {
            None => then(self),
            Some((part, rest)) => self.each(part, &mut |search| search.each_all(rest, then)),
        }
    }

    /// The latest beginning before must not be after the earliest end of what follows.
    fn each_followed(&mut self, parts: &[Node], begin: usize, then: &mut Then<'_, 'a>) -> Flow {
        let Some((part, rest)) = parts.split_first() else { return then(self) };
        let middle = self.bound.len();
        self.each(part, &mut |search| {
            let before = search.bound.get(begin..middle).unwrap_or_default();
            let firsts = before.iter().filter_map(|nth| search.spans.get(*nth)).map(|span| span.first);
            let latest = firsts.max();
            let earliest = search.spans_from(middle).map(|span| span.last).min();
            if latest > earliest && earliest.is_some() {
                return Flow::Continue(());
            }
            search.each_followed(rest, begin, then)
        })
    }

    /// Turns of a repetition in rising order of their first observation: another order binds the same.
    fn each_repeat(&mut self, inner: &Node, times: usize, from: usize, then: &mut Then<'_, 'a>) -> Flow {
        if times == 0 {
            return then(self);
        }
        if let Node::Leaf(leaf) = inner {
            if !self.has_room(*leaf, from, times) {
                return Flow::Continue(());
            }
            return self.each_leaf(*leaf, from, &mut |search| {
                let from = search.bound.last().copied().unwrap_or(0);
                search.each_repeat(inner, times - 1, from, then)
            });
        }
        let begin = self.bound.len();
        self.each(inner, &mut |search| match search.bound.get(begin).copied() {
            Some(first) if first >= from => search.each_repeat(inner, times - 1, first, then),
            _ => Flow::Continue(()),
        })
    }

    /// Whether a leaf has so many observations from a number on that are not bound yet.
    fn has_room(&self, leaf: usize, from: usize, times: usize) -> bool {
        let hits = self.hits.get(leaf).map_or(&[][..], Vec::as_slice);
        let mut room = 0_u64;
        for nth in hits.get(hits.partition_point(|nth| *nth < from)..).unwrap_or_default() {
            let number = self.spans.get(*nth).map_or(0, |span| span.number);
            let used = self.bound.iter().filter(|bound| *bound == nth).count() as u64;
            room = room.saturating_add(number.saturating_sub(used));
            if room >= times as u64 {
                return true;
            }
        }
        false
    }
}
