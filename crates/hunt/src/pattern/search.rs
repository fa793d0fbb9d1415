// SPDX-License-Identifier: Apache-2.0
//! The search for observations that satisfy a pattern together, where no quicker way is known.
//!
//! It binds one expression after the other and goes back where it gets no further. Patterns come from strangers, and
//! their repetitions say how deep it goes: what is to be done, and where to go back to, stand in lists and not on the
//! stack of the program. What it costs is counted in steps: each goal, each observation and each limit that is looked
//! at is one.

use std::sync::atomic::{AtomicBool, Ordering};

use model::time::Timestamp;

use super::MatchError;
use super::matching::{Node, Span, in_window};
use crate::limits::PATTERN_TRIES_MAX;

/// Steps between two looks at whether the hunt was stopped.
const STEPS_UNASKED: u64 = 4_096;
/// More of one observation than any pattern binds; a sum of as many as there may be does not overflow.
const NUMBER_MAX: u64 = 1 << 40;
/// Nothing is left to be done.
const DONE: usize = usize::MAX;

static NEVER: AtomicBool = AtomicBool::new(false);

/// How much may be searched.
pub(crate) struct Patience<'s> {
    /// Steps that are left for this search and those after it. One search takes [`PATTERN_TRIES_MAX`] at most.
    pub(crate) steps: u64,
    /// Raised to stop.
    pub(crate) stop: &'s AtomicBool,
}

impl Patience<'_> {
    /// For one search by itself.
    pub(crate) fn of_one() -> Patience<'static> {
        Patience { steps: PATTERN_TRIES_MAX, stop: &NEVER }
    }
}

/// What is to be done.
#[derive(Clone, Copy)]
enum Goal<'a> {
    Bind(&'a Node),
    /// The rest of an `AND`.
    All(&'a [Node]),
    /// The rest of a `FOLLOWEDBY`. The part before it is bound from a place on; `latest` is the latest beginning
    /// before that.
    Followed(&'a [Node], usize, Option<Timestamp>),
    /// A turn is bound from a place on.
    Repeated(Turn<'a>, usize),
    Turns(Turns),
    /// The innermost limit of time ends: what is bound from here on is not under it.
    EndLimit,
}

/// Turns of a repetition that are left, in rising order of their first observation: another order binds the same.
#[derive(Clone, Copy)]
struct Turn<'a> {
    inner: &'a Node,
    times: usize,
    /// The first observation of the turn before.
    from: usize,
}

/// Turns that are left of a repetition of one leaf.
#[derive(Clone, Copy)]
struct Turns {
    leaf: usize,
    times: u64,
    /// Where in the leaf's observations they begin. An observation that was made several times stands for as many.
    at: usize,
    /// How many observations are free from there on.
    room: u64,
}

/// A limit of time on what is bound.
#[derive(Clone, Copy)]
enum Limit {
    Window(Timestamp, Timestamp),
    /// Microseconds; the earliest end and the latest beginning of what is bound under it.
    Within(i64, i64, i64),
}

impl Limit {
    /// With one more observation. More of them make it only harder.
    fn with(self, span: Span) -> Option<Limit> {
        match self {
            Limit::Window(start, stop) => in_window(span, start, stop).then_some(self),
            Limit::Within(micros, last, first) => {
                let (last, first) = (last.min(span.last.micros()), first.max(span.first.micros()));
                (first <= last.saturating_add(micros)).then_some(Limit::Within(micros, last, first))
            }
        }
    }
}

/// Where to go back to, and how it was there.
struct Choice<'a> {
    other: Other<'a>,
    after: usize,
    goals: usize,
    bound: usize,
    limits: Vec<Limit>,
}

/// What else there is.
enum Other<'a> {
    Parts(&'a [Node]),
    Turns(Turns),
}

struct Search<'a> {
    spans: &'a [Span],
    hits: &'a [Vec<usize>],
    /// Observations, one for each that an expression took; one that was made n times may stand n times.
    bound: Vec<usize>,
    /// How often each observation is bound.
    used: Vec<u64>,
    /// Under which what is bound next lies, the innermost last.
    limits: Vec<Limit>,
    /// Each with the one that comes after it.
    goals: Vec<(Goal<'a>, usize)>,
    choices: Vec<Choice<'a>>,
    steps: u64,
}

/// Searches; answers the numbers of the observations in rising order.
pub(super) fn search(
    root: &Node,
    spans: &[Span],
    hits: &[Vec<usize>],
    patience: &mut Patience<'_>,
) -> Result<Option<Vec<usize>>, MatchError> {
    let mut search = Search {
        spans,
        hits,
        bound: Vec::new(),
        used: vec![0; spans.len()],
        limits: Vec::new(),
        goals: Vec::new(),
        choices: Vec::new(),
        steps: 0,
    };
    let found = search.run(root, patience.steps.min(PATTERN_TRIES_MAX), patience.stop);
    patience.steps = patience.steps.saturating_sub(search.steps);
    if !found? {
        return Ok(None);
    }
    let mut matched = search.bound;
    matched.sort_unstable();
    matched.dedup();
    Ok(Some(matched))
}

impl<'a> Search<'a> {
    fn run(&mut self, root: &'a Node, limit: u64, stop: &AtomicBool) -> Result<bool, MatchError> {
        let mut asked = 0;
        let mut next = Some(self.goal(Goal::Bind(root), DONE));
        loop {
            self.steps += 1;
            if self.steps > limit {
                return Err(MatchError::TooManyTries { limit });
            }
            if self.steps - asked > STEPS_UNASKED {
                asked = self.steps;
                if stop.load(Ordering::Relaxed) {
                    return Err(MatchError::Stopped);
                }
            }
            next = match next {
                Some(DONE) => return Ok(true),
                Some(goal) => self.take(goal),
                None => match self.choices.pop() {
                    None => return Ok(false),
                    Some(choice) => self.go_back(choice),
                },
            };
        }
    }

    fn goal(&mut self, goal: Goal<'a>, after: usize) -> usize {
        self.goals.push((goal, after));
        self.goals.len() - 1
    }

    /// Takes up a goal; answers the next, or none where it gets no further.
    fn take(&mut self, goal: usize) -> Option<usize> {
        let (goal, after) = *self.goals.get(goal)?;
        match goal {
            Goal::Bind(node) => self.bind(node, after),
            Goal::All(parts) => match parts.split_first() {
                None => Some(after),
                Some((part, rest)) => {
                    let after = self.goal(Goal::All(rest), after);
                    self.bind(part, after)
                }
            },
            Goal::Followed(rest, middle, latest) => self.followed(rest, middle, latest, after),
            Goal::Repeated(turn, begin) => {
                let first = self.bound.get(begin).copied().filter(|first| *first >= turn.from)?;
                let left = Turn { times: turn.times - 1, from: first, ..turn };
                Some(self.repeat(left, after))
            }
            Goal::Turns(turns) => self.turn(turns, after),
            Goal::EndLimit => {
                self.limits.pop();
                Some(after)
            }
        }
    }

    fn bind(&mut self, node: &'a Node, after: usize) -> Option<usize> {
        match node {
            Node::Leaf(leaf) => self.turn(Turns { leaf: *leaf, times: 1, at: 0, room: u64::MAX }, after),
            Node::Any(parts) => self.any(parts, after),
            Node::All(parts) => Some(self.goal(Goal::All(parts), after)),
            Node::Followed(parts) => {
                let (part, rest) = parts.split_first()?;
                let after = self.goal(Goal::Followed(rest, self.bound.len(), None), after);
                Some(self.goal(Goal::Bind(part), after))
            }
            Node::Repeats(inner, times) => match **inner {
                Node::Leaf(leaf) => {
                    let hits = self.hits.get(leaf).map_or(&[][..], Vec::as_slice);
                    self.steps += hits.len() as u64;
                    let room = hits.iter().map(|nth| self.free(*nth)).sum();
                    self.turn(Turns { leaf, times: *times as u64, at: 0, room }, after)
                }
                _ => Some(self.repeat(Turn { inner, times: *times, from: 0 }, after)),
            },
            Node::StartStop(inner, start, stop) => {
                self.limits.push(Limit::Window(*start, *stop));
                let after = self.goal(Goal::EndLimit, after);
                Some(self.goal(Goal::Bind(inner), after))
            }
            Node::Within(inner, micros) => {
                self.limits.push(Limit::Within(*micros, i64::MAX, i64::MIN));
                let after = self.goal(Goal::EndLimit, after);
                Some(self.goal(Goal::Bind(inner), after))
            }
        }
    }

    fn any(&mut self, parts: &'a [Node], after: usize) -> Option<usize> {
        let (part, rest) = parts.split_first()?;
        if !rest.is_empty() {
            self.choose(Other::Parts(rest), after);
        }
        Some(self.goal(Goal::Bind(part), after))
    }

    /// The latest beginning before must not be after the earliest end of what follows.
    fn followed(
        &mut self,
        rest: &'a [Node],
        middle: usize,
        latest: Option<Timestamp>,
        after: usize,
    ) -> Option<usize> {
        let part = self.bound.get(middle..).unwrap_or_default();
        self.steps += part.len() as u64;
        let spans = || part.iter().filter_map(|nth| self.spans.get(*nth));
        let earliest = spans().map(|span| span.last).min();
        if earliest.is_some() && latest > earliest {
            return None;
        }
        let latest = latest.max(spans().map(|span| span.first).max());
        let Some((part, rest)) = rest.split_first() else { return Some(after) };
        let after = self.goal(Goal::Followed(rest, self.bound.len(), latest), after);
        Some(self.goal(Goal::Bind(part), after))
    }

    fn repeat(&mut self, turn: Turn<'a>, after: usize) -> usize {
        if turn.times == 0 {
            return after;
        }
        let after = self.goal(Goal::Repeated(turn, self.bound.len()), after);
        self.goal(Goal::Bind(turn.inner), after)
    }

    /// One turn of a leaf: the first of its observations that is free and within the limits.
    fn turn(&mut self, mut turns: Turns, after: usize) -> Option<usize> {
        let hits: &'a [usize] = self.hits.get(turns.leaf)?;
        while turns.room >= turns.times {
            let nth = *hits.get(turns.at)?;
            let free = self.free(nth);
            self.steps += 1 + self.limits.len() as u64;
            let span = self.spans.get(nth).filter(|_| free > 0);
            let with = |span: &Span| self.limits.iter().map(|limit| limit.with(*span)).collect();
            let limits: Option<Vec<Limit>> = span.and_then(with);
            let other = Turns { at: turns.at + 1, room: turns.room - free, ..turns };
            let Some(limits) = limits else {
                turns = other;
                continue;
            };
            if other.room >= other.times && other.at < hits.len() {
                self.choose(Other::Turns(other), after);
            }
            self.limits = limits;
            self.bound.push(nth);
            self.used.get_mut(nth).into_iter().for_each(|used| *used += 1);
            return Some(match turns.times - 1 {
                0 => after,
                times => self.goal(Goal::Turns(Turns { times, room: turns.room - 1, ..turns }), after),
            });
        }
        None
    }

    /// How often an observation may still be bound.
    fn free(&self, nth: usize) -> u64 {
        let number = self.spans.get(nth).map_or(0, |span| span.number.min(NUMBER_MAX));
        number.saturating_sub(self.used.get(nth).copied().unwrap_or(0))
    }

    fn choose(&mut self, other: Other<'a>, after: usize) {
        // They are copied: what is remembered is bounded as the steps are.
        self.steps += self.limits.len() as u64;
        let (goals, bound) = (self.goals.len(), self.bound.len());
        self.choices.push(Choice { other, after, goals, bound, limits: self.limits.clone() });
    }

    fn go_back(&mut self, choice: Choice<'a>) -> Option<usize> {
        for nth in self.bound.drain(choice.bound..) {
            self.used.get_mut(nth).into_iter().for_each(|used| *used -= 1);
        }
        self.goals.truncate(choice.goals);
        self.limits = choice.limits;
        match choice.other {
            Other::Parts(parts) => self.any(parts, choice.after),
            Other::Turns(turns) => self.turn(turns, choice.after),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::{Matcher, Observation, Pattern, read_observed};
    use super::*;

    /// Things with a number, made at a second and for so long, so often.
    fn things(made: &[(u64, u64, u64)]) -> Vec<Observation> {
        let time = |second: u64| format!("2024-01-31T08:{:02}:{:02}Z", second / 60, second % 60);
        let one = |(nth, (at, long, number)): (usize, &(u64, u64, u64))| {
            json!({
                "type": "observed-data", "first_observed": time(*at), "last_observed": time(at + long),
                "number_observed": number, "objects": { "0": { "type": "thing", "n": nth } },
            })
        };
        let all: Vec<_> = made.iter().enumerate().map(one).collect();
        let read = read_observed(serde_json::Value::from(all).to_string().as_bytes()).unwrap();
        read.into_iter().map(|(_, observation)| observation).collect()
    }

    fn matcher(pattern: &str) -> Matcher {
        Matcher::new(&Pattern::parse(pattern).unwrap()).unwrap()
    }

    /// Two indicators of a stranger ended every hunt: the search went one level deeper on the stack with each turn of a
    /// repetition and each qualifier.
    #[test]
    fn a_pattern_of_many_turns_does_not_overflow_the_stack() {
        let often = things(&[(0, 0, 1_000_000), (1, 0, 1)]);
        let matched = |pattern: &str| matcher(pattern).matched(&often);
        assert_eq!(matched("[thing:n = 0] REPEATS 50000 TIMES AND [thing:n = 1]"), Ok(Some(vec![0, 1])));
        let within = " WITHIN 99999 SECONDS".repeat(14);
        let deep = format!("([thing:n = 0]{within} REPEATS 9000 TIMES) AND [thing:n = 1]");
        assert_eq!(matched(&deep), Ok(Some(vec![0, 1])));
        let many = vec!["[thing:n = 0]"; 20_000].join(" AND ");
        assert_eq!(matched(&many), Ok(Some(vec![0])));
    }

    /// Each try of an indicator of a stranger looked at all that was bound: one took more than ten minutes.
    #[test]
    fn a_pattern_that_cannot_hold_is_not_searched_for_minutes() {
        let many: Vec<_> = (0..3_000).map(|second| (second, 0, 1)).collect();
        let many = things(&many);
        let matched = |pattern: &str| matcher(pattern).matched(&many);
        let begun = std::time::Instant::now();
        assert_eq!(
            matched("([thing:n >= 0] REPEATS 1500 TIMES) AND ([thing:n >= 0] REPEATS 1501 TIMES)"),
            Ok(None)
        );
        assert_eq!(matched("([thing:n >= 0] REPEATS 2900 TIMES) AND [never:n = 0]"), Ok(None));
        let halves = "([thing:n >= 0] REPEATS 1500 TIMES) AND ([thing:n >= 1] REPEATS 1500 TIMES)";
        assert!(matches!(matched(halves), Err(MatchError::TooManyTries { .. }) | Ok(_)));
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_search_ends_when_its_steps_do_or_when_it_is_stopped() {
        let made: Vec<_> = (0..60).map(|second| (second, 0, 1)).collect();
        let observed = things(&made);
        let spans: Vec<Span> =
            observed.iter().map(|o| Span { first: o.first, last: o.last, number: o.number }).collect();
        let matcher = matcher("([thing:n < 60] FOLLOWEDBY [thing:n > 40]) REPEATS 20 TIMES");
        let hits = [(0..60).collect(), (41..60).collect()];
        let stop = AtomicBool::new(false);
        let mut patience = Patience { steps: 10_000, stop: &stop };
        let given_up = matcher.bound(&spans, &hits, &mut patience);
        assert_eq!((given_up, patience.steps), (Err(MatchError::TooManyTries { limit: 10_000 }), 0));
        stop.store(true, Ordering::Relaxed);
        let mut patience = Patience { steps: u64::MAX, stop: &stop };
        assert_eq!(matcher.bound(&spans, &hits, &mut patience), Err(MatchError::Stopped));
    }

    /// All ways to bind an expression after what is bound, however many.
    fn ways(node: &Node, spans: &[Span], hits: &[Vec<usize>], bound: &[usize]) -> Vec<Vec<usize>> {
        let after = |ways: Vec<Vec<usize>>, node: &Node| -> Vec<Vec<usize>> {
            ways.iter().flat_map(|way| self::ways(node, spans, hits, way)).collect()
        };
        let begin = bound.len();
        let all = |way: &[usize]| way[begin..].iter().map(|nth| spans[*nth]).collect::<Vec<_>>();
        match node {
            Node::Leaf(leaf) => {
                let free = |nth: &usize| {
                    bound.iter().filter(|one| *one == nth).count() < spans[*nth].number as usize
                };
                hits[*leaf].iter().filter(|nth| free(nth)).map(|nth| [bound, &[*nth]].concat()).collect()
            }
            Node::Any(parts) => parts.iter().flat_map(|part| ways(part, spans, hits, bound)).collect(),
            Node::All(parts) => parts.iter().fold(vec![bound.to_vec()], after),
            Node::Followed(parts) => parts.iter().fold(vec![bound.to_vec()], |ways, part| {
                let each = ways.iter().flat_map(|way| {
                    let latest = all(way).iter().map(|span| span.first).max();
                    let middle = way.len();
                    let mut longer = self::ways(part, spans, hits, way);
                    longer
                        .retain(|longer| latest <= longer[middle..].iter().map(|nth| spans[*nth].last).min());
                    longer
                });
                each.collect()
            }),
            Node::Repeats(inner, times) => {
                (0..*times).fold(vec![bound.to_vec()], |ways, _| after(ways, inner))
            }
            Node::StartStop(inner, start, stop) => {
                let mut ways = ways(inner, spans, hits, bound);
                ways.retain(|way| all(way).iter().all(|span| in_window(*span, *start, *stop)));
                ways
            }
            Node::Within(inner, micros) => {
                let mut ways = ways(inner, spans, hits, bound);
                ways.retain(|way| {
                    let last = all(way).iter().map(|span| span.last.micros()).min().unwrap();
                    all(way).iter().all(|span| span.first.micros() <= last + micros)
                });
                ways
            }
        }
    }

    fn expression() -> impl Strategy<Value = String> {
        let leaf = (prop::sample::select(&["<", ">=", "="][..]), 0..4_u8)
            .prop_map(|(op, n)| format!("[thing:n {op} {n}]"));
        leaf.prop_recursive(3, 5, 2, |inner| {
            prop_oneof![
                (inner.clone(), prop::sample::select(&["AND", "OR", "FOLLOWEDBY"][..]), inner.clone())
                    .prop_map(|(a, with, b)| format!("({a} {with} {b})")),
                (inner.clone(), 1..4_u8).prop_map(|(a, times)| format!("({a} REPEATS {times} TIMES)")),
                (inner.clone(), 1..4_u8).prop_map(|(a, within)| format!("({a} WITHIN {within} SECONDS)")),
                (inner, 0..4_u8, 0..6_u8).prop_map(|(a, start, stop)| {
                    format!("({a} START t'2024-01-31T08:00:0{start}Z' STOP t'2024-01-31T08:00:0{stop}Z')")
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

        /// Whether a pattern holds, by the search and by the quicker ways, is what all ways together say.
        #[test]
        fn a_pattern_holds_where_any_way_to_bind_it_does(
            pattern in expression(), made in prop::collection::vec((0..5_u64, 0..3_u64, 1..3_u64), 1..5)
        ) {
            let observed = things(&made);
            let spans: Vec<Span> =
                observed.iter().map(|o| Span { first: o.first, last: o.last, number: o.number }).collect();
            let matcher = matcher(&pattern);
            let holds = |leaf: &super::super::compare::Asked| {
                (0..observed.len()).filter(|nth| leaf.holds(&observed[*nth]).unwrap()).collect::<Vec<_>>()
            };
            let hits: Vec<Vec<usize>> = matcher.leaves().iter().map(holds).collect();
            let ways = ways(matcher.root(), &spans, &hits, &[]);
            let found = matcher.matched(&observed).unwrap();
            prop_assert_eq!(found.is_some(), !ways.is_empty(), "{}", pattern);
            let searched = search(matcher.root(), &spans, &hits, &mut Patience::of_one()).unwrap();
            prop_assert_eq!(searched.is_some(), !ways.is_empty(), "{}", pattern);
            if let Some(found) = searched {
                let is_one = ways.iter().any(|way| {
                    let mut way = way.clone();
                    way.sort_unstable();
                    way.dedup();
                    way == found
                });
                prop_assert!(is_one, "{} {:?}", pattern, found);
            }
        }
    }
}
