// SPDX-License-Identifier: Apache-2.0
//! Many accounts, few tries: from one source, from many, and with names of elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use model::time::Timestamp;

use super::buffer::{DAY, HOUR, Id, MINUTE};
use super::catalogue::{SPRAY_DISTRIBUTED, SPRAY_ONE_SOURCE, STUFFING};
use super::engine::{Engine, ORIGIN, Point, Said, Where, World, source_of};
use super::robust::Robust;
use super::signin::{Outcome, Service};
use crate::detection::Level;
use crate::limits::{EVIDENCE_LINES_MAX, SPRAYED_ACCOUNTS_MAX};
use crate::state::state;

/// Accounts that fail from one source within an hour, and accounts that fail once or twice at a door on a day: this part of
/// those that are known, or the firm of ten whose every account is tried would never be warned.
pub const SPRAY_PART: usize = 4;
/// However few are known, so many. Where most days have no such account (on average fewer than 0.7), five of them fall on one
/// day by chance once in four years (Poisson: 1 of 1,400 days); three would every month.
pub const SPRAY_ACCOUNTS_MIN: usize = 5;
/// However many are known, so many are enough: in no firm do ten people fail at one place that is none of theirs.
pub const SPRAY_ACCOUNTS_ENOUGH: usize = 10;
/// Days with sign-ins after which it is known how large the firm is: all its days of the week.
const SIZE_KNOWN_DAYS: usize = 7;
/// Attempts for each of them: more is brute force.
pub const SPRAY_ATTEMPTS_MAX: u64 = 6;
/// Of these so many must exist, once it is known which do: scanners of the whole internet guess names, and in a small firm, too,
/// `info`, `sales` and `admin` may be among them.
pub const SPRAY_EXISTING_MIN: usize = 5;
/// Accounts from which it is known which exist.
const EXISTING_KNOWN_MIN: usize = 20;
/// The same once it is known how large the firm is. Fewer are those of one machine, not of a firm.
const EXISTING_KNOWN_FEW: usize = 8;
/// Failures count for so long; a source that is quiet for that long has stopped. In microseconds.
const SPRAY_SPAN: i64 = HOUR;
/// A success counts for so long after it, in microseconds.
const SPRAY_SUCCESS_SPAN: i64 = DAY;
/// If more than a third of those who failed come in from the same source at once, people sit behind it.
const OWNERS_SHARE: usize = 3;
/// So many accounts that succeed from one address share it; in a small firm half of its accounts do, at least
/// [`SPRAY_ACCOUNTS_MIN`].
pub(super) const SHARED_USERS: usize = 10;

/// Attempts of an account on a day that are few enough to be part of a slow spray.
pub const SLOW_ATTEMPTS_MAX: u64 = 2;
/// Days of which the usual is worked out.
pub const BASELINE_DAYS: usize = 28;
/// Days of it that must be there.
pub const BASELINE_DAYS_MIN: usize = 14;
/// Median absolute deviations above the median.
pub const BASELINE_DEVIATIONS: u64 = 6;

/// Accounts of one group of stuffing: as many as the firm has, at least the first and at most the second number.
pub const STUFFING_ACCOUNTS_MIN: usize = 15;
/// See [`STUFFING_ACCOUNTS_MIN`].
pub const STUFFING_ACCOUNTS_ENOUGH: usize = 30;
/// Attempts of an account, in tenths.
pub const STUFFING_ATTEMPTS_TENTHS_MAX: u64 = 15;
/// Share of accounts that do not exist, in percent.
pub const STUFFING_UNKNOWN_PERCENT_MIN: usize = 30;

/// What one account tried.
#[derive(Clone, Debug, Default)]
pub(super) struct Tried {
    count: u64,
    last: i64,
    exists: bool,
    point: Option<Point>,
}
state!(Tried { count, last, exists, point });

/// A source of sign-ins.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    pub last: i64,
    /// Accounts that succeeded from it, the first few.
    pub users: BTreeSet<Id>,
    /// Accounts that failed of late, though they are not usually used from there.
    failing: BTreeMap<Id, Tried>,
    swept: i64,
    /// Since when it sprays.
    since: Option<i64>,
    /// Last failure of the spray.
    until: i64,
    /// Who came in, of those who failed and of others to whom the place is new.
    came_in: Vec<Point>,
    /// Whether the spray was told.
    told: bool,
}
state!(Source { last, users, failing, swept, since, until, came_in, told });

/// One account's day at a door.
#[derive(Clone, Debug, Default)]
pub(super) struct SlowTried {
    count: u64,
    point: Option<Point>,
}
state!(SlowTried { count, point });

/// Attempts that have the program or the network in common.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    accounts: BTreeMap<Id, bool>,
    attempts: u64,
    sources: BTreeSet<Id>,
    points: Vec<Point>,
}
state!(Group { accounts, attempts, sources, points });

/// A door's day, and the days before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Doors {
    /// Day of the last sign-in of any outcome.
    pub day: i64,
    slow: BTreeMap<Id, SlowTried>,
    groups: BTreeMap<Id, Group>,
    slow_usual: Vec<u64>,
    group_usual: Vec<u64>,
}
state!(Doors { day, slow, groups, slow_usual, group_usual });

/// How many accounts the firm has, once its logs are long enough to tell.
fn size(engine: &Engine) -> Option<usize> {
    (engine.covered.len() >= SIZE_KNOWN_DAYS).then_some(engine.profiles.len())
}

/// See [`SPRAY_PART`].
fn too_many(engine: &Engine) -> usize {
    size(engine).map_or(SPRAY_ACCOUNTS_ENOUGH, |accounts| {
        (accounts / SPRAY_PART).clamp(SPRAY_ACCOUNTS_MIN, SPRAY_ACCOUNTS_ENOUGH)
    })
}

/// See [`SHARED_USERS`].
pub(super) fn shared_users(engine: &Engine) -> usize {
    size(engine).map_or(SHARED_USERS, |accounts| (accounts / 2).clamp(SPRAY_ACCOUNTS_MIN, SHARED_USERS))
}

/// How [`too_many`] came about.
fn part_words(least: usize, accounts: usize) -> String {
    if least != (accounts / SPRAY_PART).clamp(SPRAY_ACCOUNTS_MIN, SPRAY_ACCOUNTS_ENOUGH) {
        return "the most that is asked for, as the logs are too short to tell how many accounts there are"
            .to_owned();
    }
    format!(
        "a quarter of the {accounts} accounts that are known, but at least {SPRAY_ACCOUNTS_MIN} and at most \
         {SPRAY_ACCOUNTS_ENOUGH}"
    )
}

pub(super) fn failure(engine: &mut Engine, point: &Point, world: &mut World<'_>) {
    let place = world.place(point.source);
    let profile = engine.profiles.get(&point.user);
    let known = engine.profiles.len() >= EXISTING_KNOWN_MIN
        || size(engine).is_some_and(|accounts| accounts >= EXISTING_KNOWN_FEW);
    // As long as few accounts are known, the door's own word counts, where it tells accounts that are there from others.
    let told = !known && !matches!(point.service, Service::Mail | Service::Web);
    let exists = point.outcome != Outcome::NoSuchUser && (profile.is_some() || told);
    if profile.is_some_and(|profile| profile.knows(ORIGIN, u64::from(place.origin))) {
        return;
    }
    if point.source != 0 {
        one_source(engine, point, exists);
    }
    let doors = engine.doors.entry(point.service).or_default();
    doors.day = point.time.div_euclid(DAY);
    if exists && doors.slow.len() < SPRAYED_ACCOUNTS_MAX {
        let tried = doors.slow.entry(point.user).or_default();
        tried.count = tried.count.saturating_add(point.count);
        tried.point.get_or_insert(*point);
    }
    let group = if point.agent == 0 { place.origin } else { point.agent };
    let group = doors.groups.entry(group).or_default();
    group.attempts = group.attempts.saturating_add(point.count);
    if group.accounts.len() < SPRAYED_ACCOUNTS_MAX {
        group.accounts.entry(point.user).or_insert(!exists);
    }
    if group.sources.len() < EVIDENCE_LINES_MAX {
        group.sources.insert(point.source);
    }
    if group.points.len() < EVIDENCE_LINES_MAX {
        group.points.push(*point);
    }
}

fn one_source(engine: &mut Engine, point: &Point, exists: bool) {
    let least = too_many(engine);
    let source = engine.sources.entry(point.source).or_default();
    source.last = source.last.max(point.last);
    if source.since.is_none() && point.time - source.swept > 5 * MINUTE {
        source.failing.retain(|_, tried| point.time - tried.last <= SPRAY_SPAN);
        source.swept = point.time;
    }
    if source.failing.len() >= SPRAYED_ACCOUNTS_MAX && !source.failing.contains_key(&point.user) {
        return;
    }
    let tried = source.failing.entry(point.user).or_default();
    tried.count = tried.count.saturating_add(point.count);
    tried.last = point.last;
    tried.exists |= exists;
    tried.point.get_or_insert(*point);
    source.until = source.until.max(point.last);
    if source.since.is_none() && source.failing.len() >= least {
        let from = point.time - SPRAY_SPAN;
        let few = |tried: &&Tried| tried.last >= from && tried.count <= SPRAY_ATTEMPTS_MAX;
        let accounts = source.failing.values().filter(few).count();
        let existing = source.failing.values().filter(few).filter(|tried| tried.exists).count();
        if accounts >= least && existing >= SPRAY_EXISTING_MIN {
            source.since = source.failing.values().filter(few).filter_map(|t| t.point).map(|p| p.time).min();
            engine.spraying.insert(point.source);
        }
    }
}

/// A success: from a source that sprays, or did so today?
pub(super) fn success(engine: &mut Engine, point: &Point, place: &Where, world: &mut World<'_>) {
    let familiar = engine
        .profiles
        .get(&point.user)
        .is_some_and(|profile| profile.knows(ORIGIN, u64::from(place.origin)));
    let (least, known) = (too_many(engine), engine.profiles.len());
    let Some(source) = engine.sources.get_mut(&point.source) else { return };
    if source.since.is_none() || familiar || point.time - source.until > SPRAY_SUCCESS_SPAN {
        return;
    }
    if source.came_in.len() < SPRAYED_ACCOUNTS_MAX {
        source.came_in.push(*point);
    }
    if source.told {
        let source = source.clone();
        tell_one_source(point.source, &source, (least, known), world);
    }
}

/// Sprays that stopped are told, with all that belongs to them.
pub(super) fn end_of_hour(engine: &mut Engine, end: i64, world: &mut World<'_>) {
    let (least, known) = (too_many(engine), engine.profiles.len());
    let mut over: Vec<Id> = Vec::new();
    let sources = &mut engine.sources;
    engine.spraying.retain(|id| {
        let Some((source, since)) = sources.get_mut(id).and_then(|s| s.since.map(|since| (s, since))) else {
            return false;
        };
        let stopped = end - source.until > SPRAY_SPAN || end - since > DAY;
        if stopped && !source.told {
            over.push(*id);
        } else if end - source.until > SPRAY_SUCCESS_SPAN {
            *source =
                Source { last: source.last, users: std::mem::take(&mut source.users), ..Source::default() };
            return false;
        }
        true
    });
    over.sort_by(|a, b| world.names.text(*a).cmp(world.names.text(*b)));
    for id in over {
        let Some(source) = engine.sources.get_mut(&id) else { continue };
        source.told = true;
        let owners = source
            .came_in
            .iter()
            .filter(|point| {
                source.failing.get(&point.user).is_some_and(|t| point.time - t.last <= SPRAY_SPAN)
            })
            .count();
        if owners * OWNERS_SHARE > source.failing.len() {
            continue;
        }
        let source = source.clone();
        tell_one_source(id, &source, (least, known), world);
    }
}

fn tell_one_source(id: Id, source: &Source, (least, known): (usize, usize), world: &mut World<'_>) {
    let mut points: Vec<Point> = source.failing.values().filter_map(|tried| tried.point).collect();
    points.sort_by(|a, b| (a.time, world.names.text(a.user)).cmp(&(b.time, world.names.text(b.user))));
    let Some(first) = points.first().copied() else { return };
    let attempts: u64 = source.failing.values().map(|tried| tried.count).sum();
    let accounts = source.failing.len();
    let existing = source.failing.values().filter(|tried| tried.exists).count();
    let from = world.source_words(id);
    let came_in: Vec<&str> = source.came_in.iter().map(|point| world.names.text(point.user)).collect();
    let came_in: BTreeSet<String> = came_in.into_iter().map(str::to_owned).collect();
    let band = if attempts <= accounts as u64 * 3 / 2 { "once, like stuffing" } else { "a few times" };
    let mut title = format!("{from}: {accounts} accounts tried {band}, at {}", first.service.name());
    let mut about = vec![("address", world.names.text(id).to_owned())];
    if !came_in.is_empty() {
        let names: Vec<&str> = came_in.iter().map(String::as_str).collect();
        title.push_str(&format!("; signed in: {}", names.join(", ")));
        about.extend(came_in.iter().take(EVIDENCE_LINES_MAX).map(|name| ("account", name.clone())));
    }
    about.push(("service", first.service.name().to_owned()));
    let mut evidence: Vec<_> =
        points.iter().take(EVIDENCE_LINES_MAX / 2).map(|point| world.evidence(point)).collect();
    evidence.extend(source.came_in.iter().take(EVIDENCE_LINES_MAX / 2).map(|point| world.evidence(point)));
    let last = source.came_in.iter().map(|point| point.last).max().unwrap_or(source.until);
    world.tell(&SPRAY_ONE_SOURCE, Said {
        title,
        level: if came_in.is_empty() { Level::High } else { Level::Critical },
        source: source_of(first.service),
        about,
        first: Some(Timestamp::from_micros(first.time)),
        last: Some(Timestamp::from_micros(last.max(source.until))),
        count: attempts + source.came_in.len() as u64,
        evidence,
        threshold: format!(
            "{least} accounts ({}) failing within an hour, at most {SPRAY_ATTEMPTS_MAX} attempts each, at least \
             {SPRAY_EXISTING_MIN} of them known to exist; critical with a success from there within 24 hours",
            part_words(least, known)
        ),
        baseline: format!("none of the {accounts} accounts was used from there before; {existing} are known to exist"),
    });
}

/// The day at each door.
pub(super) fn end_of_day(engine: &mut Engine, day: i64, world: &mut World<'_>) {
    let (least, known) = (too_many(engine), engine.profiles.len());
    let listed = size(engine).map_or(STUFFING_ACCOUNTS_ENOUGH, |accounts| {
        accounts.clamp(STUFFING_ACCOUNTS_MIN, STUFFING_ACCOUNTS_ENOUGH)
    });
    for (service, doors) in &mut engine.doors {
        // A day without any sign-in at this door is one without logs.
        if doors.day == day {
            distributed(*service, doors, (least, known), world);
            stuffing(*service, doors, listed, world);
        }
        if doors.day <= day {
            doors.slow.clear();
            doors.groups.clear();
        }
    }
}

fn remember(usual: &mut Vec<u64>, value: u64) {
    usual.push(value);
    if usual.len() > BASELINE_DAYS {
        usual.remove(0);
    }
}

fn distributed(service: Service, doors: &mut Doors, (least, known): (usize, usize), world: &mut World<'_>) {
    let few: Vec<Point> = doors
        .slow
        .values()
        .filter(|t| t.count <= SLOW_ATTEMPTS_MAX)
        .filter_map(|tried| tried.point)
        .collect();
    let usual = Robust::of(&doors.slow_usual);
    // Where days hardly differ, what is too many for the firm is too many.
    let beyond = (BASELINE_DEVIATIONS * usual.deviation).max(BASELINE_DEVIATIONS.min(least as u64 - 1));
    let limit = usual.median + beyond;
    let enough = doors.slow_usual.len() >= BASELINE_DAYS_MIN;
    let count = few.len() as u64;
    // What was an attack is no part of what is usual.
    remember(&mut doors.slow_usual, count.min(limit));
    let mut sources: BTreeMap<Id, usize> = BTreeMap::new();
    for point in &few {
        *sources.entry(point.source).or_default() += 1;
    }
    let one = sources.values().copied().max().unwrap_or(0);
    if !enough || count <= limit || few.len() < least || one * 2 > few.len() {
        return;
    }
    let mut points = few;
    points.sort_by(|a, b| (a.time, world.names.text(a.user)).cmp(&(b.time, world.names.text(b.user))));
    let date = super::volume::date(doors.day);
    let common = in_common(&points, world);
    let mut about = vec![("service", service.name().to_owned())];
    about.extend(common.iter().cloned());
    let words: Vec<String> = common.iter().map(|(kind, value)| format!("{kind} {value}")).collect();
    let mut title = format!("{}: {count} accounts failed once or twice on {date}", service.name());
    title.push_str(&format!(", from {} sources", sources.len()));
    if !words.is_empty() {
        title.push_str(&format!("; most have in common: {}", words.join(", ")));
    }
    let evidence = points.iter().take(EVIDENCE_LINES_MAX).map(|point| world.evidence(point)).collect();
    world.tell(&SPRAY_DISTRIBUTED, Said {
        title,
        level: Level::High,
        source: source_of(service),
        about,
        first: points.first().map(|point| Timestamp::from_micros(point.time)),
        last: points.last().map(|point| Timestamp::from_micros(point.last)),
        count,
        evidence,
        threshold: format!(
            "more than {limit} accounts on a day that fail at most {SLOW_ATTEMPTS_MAX} times from places that are not \
             theirs (median + {BASELINE_DEVIATIONS} deviations, or {beyond} more), and at least {least} ({})",
            part_words(least, known)
        ),
        baseline: format!(
            "on the {} days before: median {}, median absolute deviation {}",
            doors.slow_usual.len().saturating_sub(1),
            usual.median,
            usual.deviation
        ),
    });
}

/// Program, application, provider, where at least half of the attempts share it.
fn in_common(points: &[Point], world: &mut World<'_>) -> Vec<(&'static str, String)> {
    let mut common = Vec::new();
    let origins: Vec<Id> = points.iter().map(|point| world.place(point.source).origin).collect();
    let agents: Vec<Id> = points.iter().map(|point| point.agent).collect();
    let apps: Vec<Id> = points.iter().map(|point| point.app).collect();
    for (kind, values) in [("user-agent", agents), ("application", apps), ("network", origins)] {
        let mut counts: BTreeMap<Id, usize> = BTreeMap::new();
        for value in values.iter().filter(|value| **value != 0) {
            *counts.entry(*value).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(id, count)| (*count, world.names.text(*id).to_owned()));
        if let Some((id, _)) = most.filter(|(_, count)| count * 2 >= points.len()) {
            common.push((kind, world.names.text(id).to_owned()));
        }
    }
    common
}

fn stuffing(service: Service, doors: &mut Doors, listed: usize, world: &mut World<'_>) {
    let most = doors.groups.values().map(|group| group.accounts.len() as u64).max().unwrap_or(0);
    let usual = Robust::of(&doors.group_usual);
    let limit = (usual.median + BASELINE_DEVIATIONS * usual.deviation.max(1)).max(listed as u64 - 1);
    remember(&mut doors.group_usual, most.min(limit));
    let mut groups: Vec<(Id, &Group)> = doors.groups.iter().map(|(id, group)| (*id, group)).collect();
    groups.sort_by(|(a, _), (b, _)| world.names.text(*a).cmp(world.names.text(*b)));
    for (id, group) in groups {
        let accounts = group.accounts.len();
        let unknown = group.accounts.values().filter(|unknown| **unknown).count();
        let speaks = accounts as u64 > limit
            && group.attempts * 10 <= accounts as u64 * STUFFING_ATTEMPTS_TENTHS_MAX
            && unknown * 100 >= accounts * STUFFING_UNKNOWN_PERCENT_MIN
            && accounts - unknown >= SPRAY_EXISTING_MIN;
        if speaks {
            tell_stuffing(service, id, group, unknown, (limit, &usual), world);
        }
    }
}

fn tell_stuffing(
    service: Service,
    id: Id,
    group: &Group,
    unknown: usize,
    (limit, usual): (u64, &Robust),
    world: &mut World<'_>,
) {
    let accounts = group.accounts.len();
    let common = world.names.text(id).to_owned();
    let mut sources: Vec<String> = group.sources.iter().map(|id| world.names.text(*id).to_owned()).collect();
    sources.sort();
    let mut about = vec![("service", service.name().to_owned())];
    about.extend(sources.into_iter().filter(|text| !text.is_empty()).map(|text| ("address", text)));
    let evidence = group.points.iter().map(|point| world.evidence(point)).collect();
    world.tell(&STUFFING, Said {
        title: format!(
            "{}: {accounts} accounts tried {} times in all, {unknown} of them do not exist; in common: {common}",
            service.name(),
            group.attempts
        ),
        level: Level::High,
        source: source_of(service),
        about,
        count: group.attempts,
        evidence,
        threshold: format!(
            "more than {limit} accounts on a day with a program or network in common, at most {}.{} attempts each, at \
             least {STUFFING_UNKNOWN_PERCENT_MIN} % that do not exist",
            STUFFING_ATTEMPTS_TENTHS_MAX / 10,
            STUFFING_ATTEMPTS_TENTHS_MAX % 10
        ),
        baseline: format!(
            "largest group on a day before: median {} accounts, median absolute deviation {}",
            usual.median, usual.deviation
        ),
        ..Said::default()
    });
}
