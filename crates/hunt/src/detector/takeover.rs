// SPDX-License-Identifier: Apache-2.0
//! Failures and what follows them: brute force, and pushes until somebody gives in.

use super::buffer::{HOUR, Id, MINUTE};
use super::catalogue::{BRUTE_FORCE, MFA_FATIGUE};
use super::engine::{Engine, ORIGIN, Point, Said, Where, World, source_of};
use super::habit;
use crate::detection::Level;
use crate::limits::EVIDENCE_LINES_MAX;
use crate::state::state;
use model::time::Timestamp;

/// Failures within [`BRUTE_FORCE_SPAN`] that a person does not make.
///
/// Why ten: both Entra's smart lock-out and the security baseline of Windows lock after ten, so a person at an
/// unfamiliar place is stopped or gives up before. People of the generator, made after what helpdesks see, try a
/// forgotten password at most eight times and are then locked: nine failures; with ten no run over 1,000 people and 90
/// days spoke of one of them. Attacks that are planted have forty.
pub const BRUTE_FORCE_FAILURES_MIN: u64 = 10;
/// The same for an account that is not known for a week of logs: then every place is unfamiliar, and a telephone with an old
/// password that tries every three minutes fails twenty times an hour.
pub const BRUTE_FORCE_FAILURES_NEW_MIN: u64 = 30;
/// Failures count for so long, in microseconds.
const BRUTE_FORCE_SPAN: i64 = HOUR;
/// Days with logs after which a place is known to be unfamiliar.
const SETTLED_DAYS: i64 = 7;

/// Refused or unanswered requests within [`FATIGUE_SPAN`] that make one tired.
pub const FATIGUE_DENIALS_MIN: u64 = 5;
/// In microseconds.
const FATIGUE_SPAN: i64 = 10 * MINUTE;
/// An approval within this time after them was given in, in microseconds.
const FATIGUE_APPROVAL_SPAN: i64 = HOUR;

/// Like failures, close together.
#[derive(Clone, Debug, Default)]
pub(super) struct Tries {
    pub first: i64,
    pub last: i64,
    pub count: u64,
    /// The first and the latest of them.
    pub points: Vec<Point>,
    /// Whether the threshold was passed.
    pub passed: bool,
}
state!(Tries { first, last, count, points, passed });

impl Tries {
    fn add(&mut self, point: &Point, span: i64) {
        if self.count == 0 || point.time - self.last > span {
            *self = Tries { first: point.time, ..Tries::default() };
        }
        self.last = self.last.max(point.last);
        self.count = self.count.saturating_add(point.count);
        self.points.push(*point);
        if self.points.len() > EVIDENCE_LINES_MAX - 1 {
            // The first says how it began, the rest is the latest.
            self.points.remove(1);
        }
    }

    /// How many fell into the span before a time: a point that began earlier counts whole, being short.
    fn count_since(&self, from: i64) -> u64 {
        self.points.iter().filter(|point| point.last >= from).map(|point| point.count).sum()
    }
}

/// Notes a failure.
pub(super) fn failure(engine: &mut Engine, point: &Point) {
    engine.tries.entry((point.user, point.source)).or_default().add(point, BRUTE_FORCE_SPAN);
}

/// A success: did it come after many failures, from a place that is not the account's?
pub(super) fn after_failures(engine: &mut Engine, point: &Point, place: &Where, world: &mut World<'_>) {
    let sources: Vec<Id> = engine
        .tries
        .range((point.user, 0)..=(point.user, Id::MAX))
        .map(|((_, source), _)| *source)
        .filter(|source| *source == point.source || same_origin(*source, place, world))
        .collect();
    let mut count = 0;
    let mut points = Vec::new();
    for source in sources {
        if let Some(tries) = engine.tries.remove(&(point.user, source)) {
            count += tries.count_since(point.last - BRUTE_FORCE_SPAN);
            points.extend(tries.points);
        }
    }
    let Some(first) = points.iter().map(|point| point.time).min() else { return };
    let profile = engine.profiles.get(&point.user);
    let settled = profile.is_some_and(|profile| habit::is_known(engine, profile, SETTLED_DAYS, first));
    let familiar = profile.is_some_and(|profile| {
        profile.knows(ORIGIN, u64::from(place.origin))
            || point.device != 0 && profile.knows(super::engine::DEVICE, u64::from(point.device))
    });
    let least = if settled { BRUTE_FORCE_FAILURES_MIN } else { BRUTE_FORCE_FAILURES_NEW_MIN };
    if familiar || count < least {
        return;
    }
    let user = world.names.text(point.user).to_owned();
    let from = world.source_words(point.source);
    let mut evidence: Vec<_> = points.iter().map(|point| world.evidence(point)).collect();
    evidence.truncate(EVIDENCE_LINES_MAX - 1);
    evidence.push(world.evidence(point));
    world.tell(
        &BRUTE_FORCE,
        Said {
            title: format!("{user}: signed in from {from} after {count} failures"),
            level: Level::Critical,
            source: source_of(point.service),
            about: vec![
                ("account", user),
                ("address", world.names.text(point.source).to_owned()),
                ("service", point.service.name().to_owned()),
            ],
            first: Some(Timestamp::from_micros(first)),
            last: Some(Timestamp::from_micros(point.last)),
            count: count + 1,
            evidence,
            threshold: format!("{least} failures within an hour before a success from the same place"),
            baseline: if settled {
                "the account was never used from this place before".to_owned()
            } else {
                "there is less than a week of logs since the account is known, so its places are not known yet".to_owned()
            },
        },
    );
}

fn same_origin(source: Id, place: &Where, world: &mut World<'_>) -> bool {
    !place.inside && place.origin != 0 && world.place(source).origin == place.origin
}

/// A request for a second factor was refused, or not answered.
pub(super) fn denied(engine: &mut Engine, point: &Point) {
    let tries = engine.fatigue.entry(point.user).or_default();
    tries.add(point, FATIGUE_SPAN);
    if tries.count_since(point.last - FATIGUE_SPAN) >= FATIGUE_DENIALS_MIN {
        tries.passed = true;
    }
}

/// A success: did somebody give in?
pub(super) fn after_denials(engine: &mut Engine, point: &Point, world: &mut World<'_>) {
    let given_in = engine.fatigue.get(&point.user).is_some_and(|tries| {
        tries.passed && point.last > tries.first && point.time - tries.last <= FATIGUE_APPROVAL_SPAN
    });
    if !given_in {
        return;
    }
    // Somebody who refuses from elsewhere may at the same time work at the usual place.
    let same_way =
        |other: &Point| other.source == point.source || same_origin(other.source, &Where::default(), world);
    let asked_from_here =
        engine.fatigue.get(&point.user).is_some_and(|tries| tries.points.iter().any(same_way));
    let approved = asked_from_here || point.outcome == super::signin::Outcome::MfaApproved;
    if !approved {
        return;
    }
    if let Some(tries) = engine.fatigue.remove(&point.user) {
        tell_fatigue(point.user, &tries, Some(point), world);
    }
}

fn tell_fatigue(user: Id, tries: &Tries, approval: Option<&Point>, world: &mut World<'_>) {
    let Some(point) = tries.points.first() else { return };
    let user = world.names.text(user).to_owned();
    let mut evidence: Vec<_> = tries.points.iter().map(|point| world.evidence(point)).collect();
    evidence.truncate(EVIDENCE_LINES_MAX - 1);
    evidence.extend(approval.map(|approval| world.evidence(approval)));
    let title = match approval {
        Some(_) => format!("{user}: a second factor was approved after {} were refused", tries.count),
        None => format!("{user}: {} requests for a second factor were refused", tries.count),
    };
    world.tell(&MFA_FATIGUE, Said {
        title,
        level: if approval.is_some() { Level::Critical } else { Level::Medium },
        source: source_of(point.service),
        about: vec![
            ("account", user),
            ("address", world.names.text(point.source).to_owned()),
            ("service", point.service.name().to_owned()),
        ],
        first: Some(Timestamp::from_micros(tries.first)),
        last: Some(Timestamp::from_micros(approval.map_or(tries.last, |approval| approval.last))),
        count: tries.count,
        evidence,
        threshold: format!(
            "{FATIGUE_DENIALS_MIN} refused or unanswered requests in ten minutes; critical with an approval within an \
             hour"
        ),
        baseline: String::new(),
    });
}

/// Forgets failures that are over, and tells of refusals that nobody gave in to.
pub(super) fn end_of_hour(engine: &mut Engine, end: i64, world: &mut World<'_>) {
    engine.tries.retain(|_, tries| end - tries.last <= BRUTE_FORCE_SPAN);
    let mut over: Vec<(Id, Tries)> = Vec::new();
    engine.fatigue.retain(|user, tries| {
        let kept = end - tries.last <= FATIGUE_APPROVAL_SPAN;
        if !kept && tries.passed {
            over.push((*user, std::mem::take(tries)));
        }
        kept
    });
    over.sort_by(|(a, _), (b, _)| world.names.text(*a).cmp(world.names.text(*b)));
    for (user, tries) in over {
        tell_fatigue(user, &tries, None, world);
    }
}
