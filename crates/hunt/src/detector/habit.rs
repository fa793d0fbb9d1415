// SPDX-License-Identifier: Apache-2.0
//! What an account does for the first time, or when it never does anything.

use super::buffer::{ChangeKey, DAY, HOUR, Seen};
use super::catalogue::{DORMANT, FIRST_SEEN, HOSTING_VPN, LEGACY, MFA_METHOD, ODD_HOUR};
use super::engine::{
    AGENT, COUNTRY, DEVICE, Engine, ORIGIN, PROTOCOL, Point, Profile, Said, TRUSTED, Where, World, source_of,
};
use super::place::Network;
use super::signin::Service;
use crate::detection::Level;
use crate::report::words::{counted, counted_as};

/// Days with logs for which an account must be known before anything can be new to it.
pub const KNOWN_DAYS_MIN: i64 = 14;
/// Days without a success after which an account is dormant.
pub const DORMANT_DAYS_MIN: i64 = 90;
/// Share of these, in percent, of which there must be logs: a gap in the logs is no absence.
pub const DORMANT_COVERED_PERCENT_MIN: i64 = 50;
/// A new place at a door that tells of no device waits so long for a known device from the same place, in
/// microseconds: somebody who travels reads mail there, too.
const BARE_SPAN: i64 = 16 * HOUR;
/// So long where a log that tells of devices was silent meanwhile: lost, or nobody works on that day.
const BARE_SILENT_SPAN: i64 = 3 * DAY;
/// A door that was used within so many days is expected to be used again.
const DOOR_DAYS: i64 = 7;
/// Days for which an account must be known before its hours are.
pub const HOURS_DAYS_MIN: i64 = 28;
/// Successes from which its hours are known.
pub const HOURS_SUCCESSES_MIN: u64 = 60;
/// Share of its successes, in permille, below which an hour is odd: that hour and the two beside it.
pub const HOURS_SHARE_PERMILLE_MAX: u64 = 10;
/// With so many accounts a country is not rare.
pub(super) const COUNTRY_USERS_RARE: usize = 3;
/// A changed second factor is looked at for so long after a new place, in microseconds.
const METHOD_SPAN: i64 = DAY;

const TOLD_FIRST_SEEN: u8 = 3;
const TOLD_LEGACY: u8 = 4;
const TOLD_ODD_HOUR: u8 = 5;
const TOLD_HOSTING: u8 = 6;
const TOLD_METHOD: u8 = 7;

/// What is new about a sign-in.
#[derive(Clone, Copy, Debug, Default)]
struct New {
    origin: bool,
    country: bool,
    /// A registered device that is new, or none where the account has one.
    device: bool,
    agent: bool,
}

impl New {
    fn of(profile: &Profile, point: &Point, place: &Where) -> New {
        let new = |kind: u8, value: u32| value != 0 && !profile.knows(kind, u64::from(value));
        let has_device = || profile.seen.range((DEVICE, 0)..=(DEVICE, u64::MAX)).next().is_some();
        let device = if point.device == 0 {
            matches!(point.service, Service::Entra | Service::Okta) && has_device()
        } else {
            new(DEVICE, point.device)
        };
        New {
            origin: !place.inside && new(ORIGIN, place.origin),
            country: new(COUNTRY, place.country),
            device,
            agent: new(AGENT, point.agent),
        }
    }

    fn place(self) -> bool {
        self.origin || self.country
    }

    /// A registered device that is known outweighs a program that is not.
    fn thing(self, point: &Point) -> bool {
        self.device || (point.device == 0 && self.agent)
    }

    fn words(self, point: &Point, place: &Where, world: &World<'_>) -> String {
        let mut words = Vec::new();
        if self.country {
            words.push(format!("country {}", world.names.text(place.country)));
        }
        if self.origin {
            words.push(format!("network {}", world.names.text(place.origin)));
        }
        match (self.device, point.device) {
            (true, 0) => words.push("no registered device".to_owned()),
            (true, device) => words.push(format!("device {}", world.names.text(device))),
            _ => {}
        }
        if self.agent {
            words.push(format!("program {}", world.names.text(point.agent)));
        }
        words.join(", ")
    }
}

/// Whether an account is known for so many days with logs.
pub(super) fn is_known(engine: &Engine, profile: &Profile, days: i64, now: i64) -> bool {
    // The calendar first: it is cheap, and mostly enough to say no.
    let (from, to) = (profile.first.div_euclid(DAY), now.div_euclid(DAY));
    to - from >= days && engine.covered.range(from..to).take(days as usize).count() as i64 >= days
}

pub(super) fn judge(
    engine: &mut Engine,
    profile: &mut Profile,
    point: &Point,
    place: &Where,
    world: &mut World<'_>,
) {
    dormant(engine, profile, point, world);
    if point.refresh || place.exit {
        return;
    }
    let new = New::of(profile, point, place);
    let legacy_new = point.legacy && !profile.knows(PROTOCOL, u64::from(point.protocol));
    if !(new.place() || new.device || new.agent || legacy_new)
        || !is_known(engine, profile, KNOWN_DAYS_MIN, point.time)
    {
        return;
    }
    if new.place() && !engine.is_shared(point.source) {
        profile.novel = Some(*point);
    }
    first_seen(engine, profile, point, place, new, world);
    legacy(profile, point, new, world);
    odd_hour(engine, profile, point, new, world);
    hosting(profile, point, place, new, world);
}

fn about(point: &Point, world: &World<'_>) -> Vec<(&'static str, String)> {
    vec![
        ("account", world.names.text(point.user).to_owned()),
        ("address", world.names.text(point.source).to_owned()),
        ("service", point.service.name().to_owned()),
    ]
}

fn first_seen(
    engine: &mut Engine,
    profile: &mut Profile,
    point: &Point,
    place: &Where,
    new: New,
    world: &mut World<'_>,
) {
    if engine.is_shared(point.source) {
        return;
    }
    // One thing that is new is everyday: a hotel, a new telephone. A door that tells of no device says only where from,
    // so there only a place where nobody of the firm ever is counts, and only if no known device comes from there, too.
    if point.device == 0 && point.agent == 0 {
        if new.origin
            && new.country
            && is_rare(engine, place)
            && !profile.knows(TRUSTED, u64::from(place.origin))
        {
            engine.bare.entry(point.user).or_insert(*point);
        }
    } else if new.place() && new.thing(point) {
        tell_first_seen(is_rare(engine, place), profile, point, place, new, world);
    }
}

fn is_rare(engine: &Engine, place: &Where) -> bool {
    engine.countries.get(&place.country).is_none_or(|users| users.len() < COUNTRY_USERS_RARE)
}

/// New places that waited for a known device.
pub(super) fn end_of_hour(engine: &mut Engine, end: i64, world: &mut World<'_>) {
    let mut over = Vec::new();
    let doors = &engine.doors;
    // A known device may have come from there, unseen.
    let was_silent = |point: &Point| {
        let day = point.time.div_euclid(DAY);
        let last = |door: &Service| doors.get(door).map(|door| door.day);
        [Service::Entra, Service::Okta]
            .iter()
            .filter_map(last)
            .any(|last| (day - DOOR_DAYS..day).contains(&last))
    };
    engine.bare.retain(|_, point| {
        let waited = end - point.time;
        if waited >= BARE_SPAN && !point.refresh {
            // What waits here renews no token: the mark says that it waits longer, when the silence may be over.
            point.refresh = was_silent(point);
        }
        let kept = waited < if point.refresh { BARE_SILENT_SPAN } else { BARE_SPAN };
        if !kept {
            over.push(Point { refresh: false, ..*point });
        }
        kept
    });
    over.sort_by(|a, b| (a.time, world.names.text(a.user)).cmp(&(b.time, world.names.text(b.user))));
    for point in over {
        let place = world.place(point.source);
        let Some(profile) = engine.profiles.get_mut(&point.user) else { continue };
        if !profile.knows(TRUSTED, u64::from(place.origin)) {
            let new = New { origin: true, country: true, ..New::default() };
            tell_first_seen(true, profile, &point, &place, new, world);
        }
    }
}

fn tell_first_seen(
    rare: bool,
    profile: &mut Profile,
    point: &Point,
    place: &Where,
    new: New,
    world: &mut World<'_>,
) {
    if !profile.may_tell(TOLD_FIRST_SEEN, point.time, DAY) {
        return;
    }
    let evidence = vec![world.evidence(point)];
    let what = new.words(point, place, world);
    let known = (point.time - profile.first) / DAY;
    let seen = |kind: u8| profile.seen.range((kind, 0)..=(kind, u64::MAX)).count() as u64;
    let baseline = format!(
        "the account is known for {} with {}, {}, {} and {}",
        counted(u64::try_from(known).unwrap_or(0), "day"),
        counted(seen(ORIGIN), "network"),
        counted_as(seen(COUNTRY), "country", "countries"),
        counted(seen(DEVICE), "device"),
        counted(seen(AGENT), "program")
    );
    world.tell(&FIRST_SEEN, Said {
        title: format!("{}: signed in with what was never seen with it: {what}", world.names.text(point.user)),
        level: if new.country && rare { Level::High } else { Level::Medium },
        source: source_of(point.service),
        about: about(point, world),
        count: point.count,
        evidence,
        threshold: format!(
            "place and device or program both new to an account known for more than {KNOWN_DAYS_MIN} days; where no \
             device is told, a country where fewer than {COUNTRY_USERS_RARE} accounts were seen"
        ),
        baseline,
        ..Said::default()
    });
}

fn legacy(profile: &mut Profile, point: &Point, new: New, world: &mut World<'_>) {
    let first = point.legacy && !profile.knows(PROTOCOL, u64::from(point.protocol));
    if !first || !profile.may_tell(TOLD_LEGACY, point.time, DAY) {
        return;
    }
    let evidence = vec![world.evidence(point)];
    let known = (point.time - profile.first) / DAY;
    world.tell(
        &LEGACY,
        Said {
            title: format!(
                "{}: signed in by {} for the first time",
                world.names.text(point.user),
                world.names.text(point.protocol)
            ),
            level: if new.place() { Level::High } else { Level::Medium },
            source: source_of(point.service),
            about: about(point, world),
            count: point.count,
            evidence,
            threshold: format!("first use by an account known for more than {KNOWN_DAYS_MIN} days"),
            baseline: format!("not once in the {known} days for which the account is known"),
            ..Said::default()
        },
    );
}

fn odd_hour(engine: &Engine, profile: &mut Profile, point: &Point, new: New, world: &mut World<'_>) {
    if !(new.place() || new.device) || !is_known(engine, profile, HOURS_DAYS_MIN, point.time) {
        return;
    }
    let total: u64 = profile.hours.iter().map(|count| u64::from(*count)).sum();
    let hour = (point.time.rem_euclid(DAY) / HOUR) as usize;
    // The hours beside it count: clocks are changed, and people are late.
    let near: u64 = [hour + 23, hour, hour + 1]
        .iter()
        .map(|hour| profile.hours.get(hour % 24).map_or(0, |count| u64::from(*count)))
        .sum();
    let odd = total >= HOURS_SUCCESSES_MIN && near * 1_000 < total * HOURS_SHARE_PERMILLE_MAX;
    if !odd || !new.thing(point) || !profile.may_tell(TOLD_ODD_HOUR, point.time, DAY) {
        return;
    }
    let evidence = vec![world.evidence(point)];
    world.tell(&ODD_HOUR, Said {
        title: format!("{}: signed in at {hour:02} h UTC, when it never is used", world.names.text(point.user)),
        level: Level::Medium,
        source: source_of(point.service),
        about: about(point, world),
        count: point.count,
        evidence,
        threshold: format!(
            "less than {HOURS_SHARE_PERMILLE_MAX} permille of the account's sign-ins within an hour of this one, from a \
             place or device new to it"
        ),
        baseline: format!("{near} of {total} sign-ins were at this hour or beside it"),
        ..Said::default()
    });
}

fn hosting(profile: &mut Profile, point: &Point, place: &Where, new: New, world: &mut World<'_>) {
    let remote = point.service == Service::Vpn || {
        let app = world.names.text(point.app).to_lowercase();
        app.contains("citrix") || app.contains("vpn") || app.contains("netscaler")
    };
    if !remote || place.network != Network::Hosting || !new.origin {
        return;
    }
    if !profile.may_tell(TOLD_HOSTING, point.time, DAY) {
        return;
    }
    let evidence = vec![world.evidence(point)];
    let from = world.source_words(point.source);
    world.tell(
        &HOSTING_VPN,
        Said {
            title: format!("{}: remote access from rented servers, {from}", world.names.text(point.user)),
            level: Level::High,
            source: source_of(point.service),
            about: about(point, world),
            count: point.count,
            evidence,
            threshold: "a network that rents out servers, new to the account".to_owned(),
            baseline: format!(
                "not once in the {} days for which the account is known",
                (point.time - profile.first) / DAY
            ),
            ..Said::default()
        },
    );
}

fn dormant(engine: &Engine, profile: &Profile, point: &Point, world: &mut World<'_>) {
    let gap = point.time - profile.last;
    if gap < DORMANT_DAYS_MIN * DAY {
        return;
    }
    let (from, to) = (profile.last.div_euclid(DAY) + 1, point.time.div_euclid(DAY));
    let covered = engine.covered.range(from..to).count();
    if covered as i64 * 100 < (to - from) * DORMANT_COVERED_PERCENT_MIN {
        return;
    }
    let evidence = vec![world.evidence(point)];
    world.tell(&DORMANT, Said {
        title: format!("{}: used again after {} days", world.names.text(point.user), gap / DAY),
        level: Level::High,
        source: source_of(point.service),
        about: about(point, world),
        count: point.count,
        evidence,
        threshold: format!(
            "no success for {DORMANT_DAYS_MIN} days, of at least {DORMANT_COVERED_PERCENT_MIN} % of which there are logs"
        ),
        baseline: format!("of the {} days between, {covered} have sign-ins of anybody", gap / DAY),
        ..Said::default()
    });
}

/// A second factor was changed: was the account just used from a place that was never seen with it?
pub(super) fn method_change(engine: &mut Engine, key: &ChangeKey, seen: &Seen, world: &mut World<'_>) {
    if key.kind != super::CHANGE_MFA {
        return;
    }
    let place = world.place(key.source);
    let Some(mut profile) = engine.profiles.remove(&key.user) else { return };
    if is_known(engine, &profile, KNOWN_DAYS_MIN, key.time) {
        judge_method(&mut profile, key, seen, &place, world);
    }
    engine.profiles.insert(key.user, profile);
}

fn judge_method(profile: &mut Profile, key: &ChangeKey, seen: &Seen, place: &Where, world: &mut World<'_>) {
    let novel = profile.novel.filter(|novel| (0..=METHOD_SPAN).contains(&(key.time - novel.time)));
    // The change itself may come from a place that was never signed in from.
    let from_new = key.source != 0
        && !place.inside
        && !place.exit
        && place.origin != 0
        && !profile.knows(ORIGIN, u64::from(place.origin));
    let own_act = key.actor == 0 || key.actor == key.user;
    if (novel.is_none() && !(from_new && own_act)) || !profile.may_tell(TOLD_METHOD, key.time, DAY) {
        return;
    }
    let user = world.names.text(key.user).to_owned();
    let from = world.source_words(key.source);
    let words = world.names.text(key.words).to_owned();
    let mut evidence: Vec<_> = novel.iter().map(|novel| world.evidence(novel)).collect();
    evidence.push(world.line(seen.spot, key.time, format!("{user}: {words} from {from}")));
    let mut about = vec![("account", user.clone())];
    let source = if key.source == 0 { novel.map_or(0, |novel| novel.source) } else { key.source };
    about.push(("address", world.names.text(source).to_owned()));
    world.tell(
        &MFA_METHOD,
        Said {
            title: format!(
                "{user}: a second factor was changed after a sign-in from a place never seen with it"
            ),
            level: Level::High,
            source: crate::event::SourceKind::Audit,
            about,
            evidence,
            threshold: "a change within 24 hours of a first-seen network or country, or itself from one"
                .to_owned(),
            baseline: "the account is known for more than 14 days without this place".to_owned(),
            ..Said::default()
        },
    );
}
