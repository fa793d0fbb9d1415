// SPDX-License-Identifier: Apache-2.0
//! Correlations over time: matches are put into their order, then counted window by window.
//!
//! Logs come in any order: files of many hosts cover the same days, and lines of one file are now and then out
//! of order. So matches *wait*. In an archive they wait until all is read, or until so many wait that the older
//! half is *settled*; on a live log they wait for a stated time. What is settled is counted in the order of
//! time, then of file and line, however many threads read. A match that comes for a time that is settled
//! already is *late*: it is left out and counted.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use model::time::Timestamp;

use super::correlation::{Correlation, Measure};
use super::window::{Window, span_micros};
use crate::event::{Place, SourceKind};
use crate::limits::{
    CORRELATION_GROUPS_MAX, CORRELATION_KEPT_HITS_MAX, CORRELATION_WAITING_BYTES_MAX,
    CORRELATION_WAITING_HITS_MAX, EVIDENCE_LINES_MAX,
};

/// Between the values of several fields in one text.
pub(super) const BETWEEN: char = '\u{1F}';

/// What is measured of a match.
#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// That it is there.
    Nothing,
    /// A number.
    Number(f64),
    /// A text, in lower case.
    Text(Box<str>),
}

/// A match of a rule that a correlation counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The correlation, by its place among the correlations.
    pub correlation: u32,
    /// The rule, by its place in the correlation.
    pub rule: u16,
    /// When, in microseconds.
    pub time: i64,
    /// Values of the fields that make the group.
    pub group: Box<str>,
    /// What is measured.
    pub measured: Measured,
    /// The log.
    pub file: Arc<str>,
    /// Where in it.
    pub place: Place,
    /// What kind of log.
    pub kind: SourceKind,
    /// The beginning of the line.
    pub text: Box<str>,
}

impl Hit {
    /// The order in which matches are counted. Of one event the later rule goes first, so that it cannot follow
    /// itself.
    fn order(&self) -> impl Ord + '_ {
        (self.time, &*self.file, self.place.line, self.place.offset, Reverse(self.rule), self.correlation)
    }

    fn bytes(&self) -> usize {
        size_of::<Hit>() + self.group.len() + self.text.len()
    }
}

/// A correlation and what rests on it.
pub(super) struct Plan {
    pub correlation: Arc<Correlation>,
    /// Correlations that count it: (which, as which of their rules, by what name).
    pub parents: Vec<(u32, u16, String)>,
}

/// A stretch of time in which a group had enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// The correlation, by its place among the correlations.
    pub correlation: u32,
    /// Values of the fields that make the group.
    pub group: Box<str>,
    /// Time of the first match.
    pub first: Timestamp,
    /// Time of the last.
    pub last: Timestamp,
    /// Matches in all.
    pub matches: u64,
    /// The largest count that was reached.
    pub peak: f64,
    /// Some of what was counted, where texts were.
    pub values: Vec<Box<str>>,
    /// Some of the matches.
    pub evidence: Vec<Hit>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Group {
    pub window: Window,
    pub open: Option<Episode>,
    /// Whether the open episode was reported.
    pub reported: bool,
}

/// What could not be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Matches for a time that was settled already.
    pub late: u64,
    /// Matches of events that tell no time.
    pub untimed: u64,
    /// Matches that lack a field of the group, or the field that is counted.
    pub incomplete: u64,
    /// Matches that found no room to wait, or in a full window.
    pub overflowed: u64,
    /// Groups that were let go of because there were too many.
    pub groups: u64,
}

impl Lost {
    pub(super) fn add(&mut self, other: Lost) {
        self.late += other.late;
        self.untimed += other.untimed;
        self.incomplete += other.incomplete;
        self.overflowed += other.overflowed;
        self.groups += other.groups;
    }
}

/// When matches are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// When all is read: `finish` says so. Episodes are reported when they have ended.
    Archive,
    /// When the newest match is this many microseconds newer. Episodes are reported when they begin.
    Live {
        /// How long a match waits for others that come out of order.
        lateness_micros: i64,
    },
    /// Never: another takes over what waits.
    Worker,
}

/// The state of all correlations.
pub(super) struct Correlator {
    pub plans: Arc<[Plan]>,
    pub order: Order,
    pub waiting: Vec<Hit>,
    waiting_bytes: usize,
    /// Everything before this is settled.
    pub horizon: i64,
    /// Time of the newest match; a clock that is ahead of ours does not move it.
    pub newest: i64,
    /// The time it is, of logs that are followed; of others the end of all time.
    pub now: i64,
    /// Matches that came from further ahead than matches wait for others.
    pub ahead: u64,
    pub groups: HashMap<(u32, Box<str>), Group>,
    next_sweep: i64,
    pub lost: Lost,
}

/// How far time goes on between two looks for groups that have ended.
const SWEEP_MICROS: i64 = 60 * 1_000_000;

impl Correlator {
    /// `now` counts of logs that are followed.
    pub fn new(plans: Arc<[Plan]>, order: Order, now: i64) -> Correlator {
        Correlator {
            now: if matches!(order, Order::Live { .. }) { now } else { i64::MAX },
            ahead: 0,
            plans,
            order,
            waiting: Vec::new(),
            waiting_bytes: 0,
            horizon: i64::MIN,
            newest: i64::MIN,
            groups: HashMap::new(),
            next_sweep: i64::MIN,
            lost: Lost::default(),
        }
    }

    /// Takes a match, in any order.
    pub fn push(&mut self, hit: Hit, found: &mut dyn FnMut(Episode)) {
        if hit.time < self.horizon {
            self.lost.late += 1;
            return;
        }
        let full = self.waiting.len() >= CORRELATION_WAITING_HITS_MAX
            || self.waiting_bytes >= CORRELATION_WAITING_BYTES_MAX;
        // What is ahead waits for its time to come, however many there are of it.
        if full && (self.order == Order::Worker || hit.time > self.now) {
            self.lost.overflowed += 1;
            return;
        }
        self.newest = self.newest.max(hit.time.min(self.now));
        self.waiting_bytes += hit.bytes();
        let time = hit.time;
        self.waiting.push(hit);
        match self.order {
            Order::Live { lateness_micros } => {
                self.ahead += u64::from(time > self.now.saturating_add(lateness_micros));
                let until = self.newest.saturating_sub(lateness_micros);
                // Sorting at each match would cost more than waiting a little longer.
                if until.saturating_sub(self.horizon) > lateness_micros / 8 {
                    self.settle(until, found);
                }
            }
            Order::Archive if full => {
                self.waiting.sort_by(|a, b| a.order().cmp(&b.order()));
                let middle = self.waiting.get(self.waiting.len() / 2).map_or(self.newest, |hit| hit.time);
                self.settle(middle.saturating_add(1), found);
            }
            Order::Archive | Order::Worker => {}
        }
    }

    /// Matches that wait, from a checkpoint.
    pub fn wait_for(&mut self, hits: Vec<Hit>) {
        self.waiting_bytes = hits.iter().map(Hit::bytes).sum();
        self.waiting = hits;
    }

    /// Takes over what waits with a worker.
    pub fn absorb(&mut self, worker: &mut Correlator, found: &mut dyn FnMut(Episode)) {
        worker.waiting_bytes = 0;
        for hit in std::mem::take(&mut worker.waiting) {
            self.push(hit, found);
        }
        self.lost.add(std::mem::take(&mut worker.lost));
    }

    /// Counts what happened before `since`, and hands all on to one that goes on from there. What happened up to `now`
    /// waits with both; what is later comes from a clock that is ahead, and would make all that follows late.
    pub fn hand_on(
        &mut self,
        since: i64,
        now: i64,
        order: Order,
        found: &mut dyn FnMut(Episode),
    ) -> Correlator {
        let before = self.waiting.iter().map(|hit| hit.time).filter(|time| *time < since).max();
        let horizon = self.horizon.max(before.unwrap_or(i64::MIN)).min(since);
        self.settle(since, found);
        let mut onward = Correlator::new(Arc::clone(&self.plans), order, now);
        onward.groups.clone_from(&self.groups);
        for group in onward.groups.values_mut() {
            // Whoever hands it on tells it when it finishes.
            group.reported |= group.open.is_some();
            group.window.overflowed = 0;
        }
        onward.wait_for(self.waiting.iter().filter(|hit| hit.time <= now).cloned().collect());
        let newest = onward.waiting.iter().map(|hit| hit.time).max();
        (onward.horizon, onward.newest) = (horizon, newest.unwrap_or(horizon).max(horizon));
        onward
    }

    /// Counts what waits, though nothing newer came; but for what is ahead.
    pub fn settle_all(&mut self, found: &mut dyn FnMut(Episode)) {
        self.settle(self.now.saturating_add(1), found);
        self.horizon = self.newest;
    }

    /// Counts what waits for times before `until`.
    fn settle(&mut self, until: i64, found: &mut dyn FnMut(Episode)) {
        let (mut ready, waiting): (Vec<Hit>, Vec<Hit>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|hit| hit.time < until);
        self.waiting = waiting;
        self.waiting_bytes = self.waiting.iter().map(Hit::bytes).sum();
        ready.sort_by(|a, b| a.order().cmp(&b.order()));
        for hit in ready {
            self.horizon = self.horizon.max(hit.time);
            if self.horizon >= self.next_sweep {
                self.sweep(found);
            }
            self.count(hit, found);
        }
        self.horizon = self.horizon.max(until);
    }

    fn count(&mut self, hit: Hit, found: &mut dyn FnMut(Episode)) {
        let plans = Arc::clone(&self.plans);
        let Some(plan) = plans.get(hit.correlation as usize) else { return };
        let key = (hit.correlation, hit.group.to_lowercase().into_boxed_str());
        let group = self.groups.entry(key).or_default();
        group.window.push(hit.clone(), &plan.correlation);
        if !group.window.is_enough(&plan.correlation) {
            close(group, found);
            return;
        }
        let peak = group.window.count(&plan.correlation);
        if let Some(open) = &mut group.open {
            open.last = Timestamp::from_micros(hit.time);
            open.matches += 1;
            open.peak = open.peak.max(peak);
            if let Measured::Text(text) = &hit.measured
                && open.values.len() < EVIDENCE_LINES_MAX
                && !open.values.contains(text)
            {
                open.values.push(text.clone());
            }
            if open.evidence.len() < EVIDENCE_LINES_MAX {
                open.evidence.push(hit);
            }
            return;
        }
        let episode = begun(group, &hit, peak);
        group.reported = matches!(self.order, Order::Live { .. });
        if group.reported {
            found(episode.clone());
        }
        group.open = Some(episode);
        for (parent, rule, name) in &plan.parents {
            let Some(of) = plans.get(*parent as usize) else { continue };
            match passed_on(&hit, &plan.correlation, &of.correlation, name) {
                Some((group, measured)) => {
                    self.count(
                        Hit { correlation: *parent, rule: *rule, group, measured, ..hit.clone() },
                        found,
                    );
                }
                None => self.lost.incomplete += 1,
            }
        }
    }

    /// Lets go of groups whose last match is too old to count with another.
    fn sweep(&mut self, found: &mut dyn FnMut(Episode)) {
        self.next_sweep = self.horizon.saturating_add(SWEEP_MICROS);
        let (plans, horizon) = (Arc::clone(&self.plans), self.horizon);
        let mut ended = Vec::new();
        self.groups.retain(|(correlation, _), group| {
            let span = plans.get(*correlation as usize).map_or(0, |plan| span_micros(&plan.correlation));
            let newest = group.window.hits.back().map_or(i64::MIN, |hit| hit.time);
            let alive = newest >= horizon.saturating_sub(span);
            if !alive {
                self.lost.overflowed += group.window.overflowed;
                close(group, &mut |episode| ended.push(episode));
            }
            alive
        });
        let kept: usize = self.groups.values().map(|group| group.window.hits.len()).sum();
        if self.groups.len() > CORRELATION_GROUPS_MAX || kept > CORRELATION_KEPT_HITS_MAX {
            self.forget(&mut |episode| ended.push(episode));
        }
        tell(ended, found);
    }

    /// Lets go of the half of the groups that was silent for longest.
    fn forget(&mut self, found: &mut dyn FnMut(Episode)) {
        let newest = |group: &Group| group.window.hits.back().map_or(i64::MIN, |hit| hit.time);
        let mut times: Vec<i64> = self.groups.values().map(newest).collect();
        times.sort_unstable();
        let middle = times.get(times.len() / 2).copied().unwrap_or(i64::MAX);
        let before = self.groups.len();
        self.groups.retain(|_, group| {
            let kept = newest(group) > middle;
            if !kept {
                self.lost.overflowed += group.window.overflowed;
                close(group, found);
            }
            kept
        });
        self.lost.groups += (before - self.groups.len()) as u64;
    }

    /// Counts all that waits, and reports what has not ended.
    pub fn finish(&mut self, found: &mut dyn FnMut(Episode)) {
        self.settle_all(found);
        // What is ahead, too: its time does not come any more.
        self.settle(i64::MAX, found);
        self.horizon = self.newest;
        self.sweep(found);
        let mut open = Vec::new();
        for group in self.groups.values_mut() {
            if let Some(episode) = &group.open
                && !group.reported
            {
                open.push(episode.clone());
                group.reported = true;
            }
            self.lost.overflowed += std::mem::take(&mut group.window.overflowed);
        }
        tell(open, found);
    }
}

/// Groups lie in a map in no order; what is reported has one.
fn tell(mut episodes: Vec<Episode>, found: &mut dyn FnMut(Episode)) {
    episodes.sort_by(|a, b| (a.first, a.correlation, &a.group).cmp(&(b.first, b.correlation, &b.group)));
    episodes.into_iter().for_each(found);
}

fn close(group: &mut Group, found: &mut dyn FnMut(Episode)) {
    if let Some(episode) = group.open.take()
        && !group.reported
    {
        found(episode);
    }
    group.reported = false;
}

fn begun(group: &Group, hit: &Hit, peak: f64) -> Episode {
    let hits = &group.window.hits;
    let first = hits.front().map_or(hit.time, |first| first.time);
    let mut evidence: Vec<Hit> = hits.iter().take(EVIDENCE_LINES_MAX).cloned().collect();
    // The match that made it enough is always shown.
    if hits.len() > EVIDENCE_LINES_MAX {
        evidence.pop();
        evidence.push(hit.clone());
    }
    Episode {
        correlation: hit.correlation,
        group: hit.group.clone(),
        first: Timestamp::from_micros(first),
        last: Timestamp::from_micros(hit.time),
        matches: hits.len() as u64,
        peak,
        values: group.window.values().take(EVIDENCE_LINES_MAX).map(Box::from).collect(),
        evidence,
    }
}

/// What a correlation's match is to the one that counts it: of the fields only those that make its group.
fn passed_on(hit: &Hit, from: &Correlation, to: &Correlation, name: &str) -> Option<(Box<str>, Measured)> {
    let values: Vec<&str> = hit.group.split(BETWEEN).collect();
    let value = |field: &String| {
        let field = to.field_of(field, name);
        values.get(from.group_by.iter().position(|by| by == field)?).copied()
    };
    let joined = |fields: &[String]| -> Option<String> {
        Some(fields.iter().map(value).collect::<Option<Vec<_>>>()?.join(&BETWEEN.to_string()))
    };
    let group = joined(&to.group_by)?.into_boxed_str();
    Some((group, measured(to.measure, joined(&to.fields)?)?))
}

/// What is measured of a text.
pub(super) fn measured(measure: Measure, text: String) -> Option<Measured> {
    Some(match measure {
        Measure::EventCount | Measure::Temporal | Measure::TemporalOrdered => Measured::Nothing,
        Measure::ValueCount => Measured::Text(text.to_lowercase().into_boxed_str()),
        Measure::ValueAvg | Measure::ValuePercentile(_) | Measure::ValueSum => {
            Measured::Number(text.trim().parse().ok().filter(|number: &f64| number.is_finite())?)
        }
    })
}
