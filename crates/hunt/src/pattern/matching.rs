// SPDX-License-Identifier: Apache-2.0
//! Observation expressions over many observations (STIX 2.1 sections 9.4 to 9.6): which observations
//! satisfy a pattern together.
//!
//! A binding gives each observation expression observations of its own. An observation that was made several
//! times stands for as many. Where first and last differ, each is free to have happened at any time between.

use model::time::Timestamp;

use super::ast::{Expression, Qualifier};
use super::compare::Asked;
use super::observed::Observation;
use super::search::{Patience, search};
use super::{MatchError, Pattern};
use crate::limits::{PATTERN_REGEX_BYTES_MAX, PATTERN_REPEATS_MAX};

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
pub(super) enum Node {
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
    /// month has, zero seconds, a regular expression that is none, several that are too large together.
    pub fn new(pattern: &Pattern) -> Result<Matcher, MatchError> {
        if pattern.regex_bytes() > PATTERN_REGEX_BYTES_MAX {
            return Err(MatchError::RegexesTooLarge { limit: PATTERN_REGEX_BYTES_MAX });
        }
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

    #[cfg(test)]
    pub(super) fn root(&self) -> &Node {
        &self.root
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
        self.bound(&Spans::of(observed), &hits, &mut Patience::of_one())
    }

    /// The same, when it is known which observations each leaf holds in. What is searched is taken from `patience`.
    pub(crate) fn bound(
        &self,
        spans: &[Span],
        hits: &[Vec<usize>],
        patience: &mut Patience<'_>,
    ) -> Result<Option<Vec<usize>>, MatchError> {
        if let Some(answer) = quick(&self.root, spans, hits) {
            return Ok(answer);
        }
        if !can_hold(&self.root, spans, hits) {
            return Ok(None);
        }
        search(&self.root, spans, hits, patience)
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
pub(super) fn in_window(span: Span, start: Timestamp, stop: Timestamp) -> bool {
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
/// window that is moved right from there loses that one, and moved left wins none. In a window are those that begin
/// before it ends, but for those that end before it begins.
fn enough(fitting: &[usize], spans: &[Span], times: usize, within: i64) -> Option<Vec<usize>> {
    let span = |nth: &usize| spans.get(*nth).copied();
    let mut by_last: Vec<Span> = fitting.iter().filter_map(span).collect();
    by_last.sort_by_key(|span| span.last);
    let mut by_first: Vec<usize> = fitting.to_vec();
    by_first.sort_by_key(|nth| span(nth).map(|span| span.first));
    let starts = if within == i64::MAX { by_last.get(..1).unwrap_or_default() } else { &by_last };
    let (mut begun, mut ended) = (by_first.iter().filter_map(span).peekable(), by_last.iter().peekable());
    let mut count = 0_u128;
    for start in starts.iter().map(|span| span.last.micros()) {
        let end = start.saturating_add(within);
        while let Some(span) = begun.next_if(|span| span.first.micros() <= end) {
            count += u128::from(span.number);
        }
        while let Some(span) = ended.next_if(|span| span.last.micros() < start) {
            count = count.saturating_sub(u128::from(span.number));
        }
        if count < times as u128 {
            continue;
        }
        let (mut chosen, mut count) = (Vec::new(), 0_u64);
        for nth in &by_first {
            let Some(span) = span(nth).filter(|span| span.last.micros() >= start) else { continue };
            chosen.push(*nth);
            count = count.saturating_add(span.number);
            if count >= times as u64 {
                break;
            }
        }
        chosen.sort_unstable();
        return Some(chosen);
    }
    None
}

/// Whether there are observations enough for an expression, whatever their times: where a leaf has none, or all have
/// fewer than are to be bound, nothing need be searched.
fn can_hold(root: &Node, spans: &[Span], hits: &[Vec<usize>]) -> bool {
    let number = |nth: &usize| spans.get(*nth).map_or(0, |span| span.number);
    let mut all: Vec<usize> = hits.iter().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    let room = all.iter().map(number).fold(0_u64, u64::saturating_add);
    fewest(root, &|leaf| {
        let hits = hits.get(leaf).map_or(&[][..], Vec::as_slice);
        hits.iter().map(number).fold(0_u64, u64::saturating_add)
    })
    .is_some_and(|fewest| fewest <= room)
}

/// How many observations an expression binds at least; `None` where a part of it has too few of its own.
fn fewest(node: &Node, room_of: &dyn Fn(usize) -> u64) -> Option<u64> {
    match node {
        Node::Leaf(leaf) => (room_of(*leaf) > 0).then_some(1),
        Node::Any(parts) => parts.iter().filter_map(|part| fewest(part, room_of)).min(),
        Node::All(parts) | Node::Followed(parts) => {
            parts.iter().try_fold(0_u64, |sum, part| Some(sum.saturating_add(fewest(part, room_of)?)))
        }
        Node::StartStop(inner, ..) | Node::Within(inner, _) => fewest(inner, room_of),
        Node::Repeats(inner, times) => {
            let all = fewest(inner, room_of)?.saturating_mul(*times as u64);
            match **inner {
                Node::Leaf(leaf) => (room_of(leaf) >= all).then_some(all),
                _ => Some(all),
            }
        }
    }
}
