// SPDX-License-Identifier: Apache-2.0
//! One account in two places.

use super::buffer::{DAY, HOUR};
use super::catalogue::{IMPOSSIBLE_TRAVEL, TWO_COUNTRIES};
use super::engine::{Engine, ORIGIN, Point, Profile, Said, Where, World, source_of};
use super::place::{Network, distance_km};
use crate::detection::Level;

/// Faster than an airliner, in kilometres an hour.
pub const TRAVEL_SPEED_KMH_MAX: f64 = 900.0;
/// What is nearer is not looked at: databases of places err by that much. After both radii were subtracted.
pub const TRAVEL_DISTANCE_KM_MIN: f64 = 500.0;
/// Turn by turn within this time, in microseconds.
const TURNS_SPAN: i64 = 2 * HOUR;
/// Changes of country within [`TURNS_SPAN`]: there, back, and there again.
pub const TURNS_MIN: usize = 3;
/// Numbers of these detectors in a profile's memory of what was told.
const TOLD_TRAVEL: u8 = 1;
const TOLD_TURNS: u8 = 2;

/// Whether a sign-in says where a person is.
fn tells_place(engine: &Engine, profile: &Profile, point: &Point, place: &Where) -> bool {
    // A log does not tell which networks carry telephones and which are exits: where there is nothing but its word, a
    // network that the account has come from before says nothing.
    let is_usual = place.by_log && profile.knows(ORIGIN, u64::from(place.origin));
    // Behind an address that many share the person may be anywhere; a renewed token tells of a device.
    told_place(profile, place) && !is_usual && !point.refresh && !engine.is_shared(point.source)
}

pub(super) fn judge(
    engine: &Engine,
    profile: &mut Profile,
    point: &Point,
    place: &Where,
    world: &mut World<'_>,
) {
    if !tells_place(engine, profile, point, place) {
        return;
    }
    let earlier: Vec<(Point, Where)> = profile
        .recent
        .iter()
        .filter(|earlier| point.time - earlier.last <= DAY)
        .map(|earlier| (*earlier, world.place(earlier.source)))
        .filter(|(_, at)| told_place(profile, at))
        .collect();
    impossible(profile, point, place, &earlier, world);
    turns(profile, point, place, &earlier, world);
}

/// The other place may be shared: an office is, and whoever came from there was there.
fn told_place(profile: &Profile, place: &Where) -> bool {
    let carried = place.network == Network::Mobile && profile.knows(ORIGIN, u64::from(place.origin));
    !(place.inside || place.exit || carried)
}

fn impossible(
    profile: &mut Profile,
    point: &Point,
    place: &Where,
    earlier: &[(Point, Where)],
    world: &mut World<'_>,
) {
    let Some(here) = place.at else { return };
    // A carrier's addresses are placed anywhere in its country.
    let carriers = |at: &Where| {
        at.country == place.country && (at.network == Network::Mobile || place.network == Network::Mobile)
    };
    let others = earlier.iter().filter(|(_, at)| at.origin != place.origin && !carriers(at));
    let fastest = others.filter_map(|(before, at)| {
        let km = distance_km(at.at?, here) - at.radius_km - place.radius_km;
        // Two sign-ins of one second are a minute apart at least, or the speed says nothing.
        let hours = ((point.time - before.last).max(HOUR / 60) as f64) / HOUR as f64;
        (km > TRAVEL_DISTANCE_KM_MIN && km / hours > TRAVEL_SPEED_KMH_MAX).then_some((before, km, hours))
    });
    let Some((before, km, hours)) = fastest.max_by(|a, b| (a.1 / a.2).total_cmp(&(b.1 / b.2))) else {
        return;
    };
    if !profile.may_tell(TOLD_TRAVEL, point.time, DAY) {
        return;
    }
    let user = world.names.text(point.user).to_owned();
    let (there, here) = (world.source_words(before.source), world.source_words(point.source));
    let evidence = vec![world.evidence(before), world.evidence(point)];
    world.tell(&IMPOSSIBLE_TRAVEL, Said {
        title: format!("{user}: {there}, and {:.0} minutes later {here}, {km:.0} km away", hours * 60.0),
        level: Level::High,
        source: source_of(point.service),
        about: vec![("account", user), ("address", world.names.text(point.source).to_owned())],
        evidence,
        threshold: format!(
            "more than {TRAVEL_SPEED_KMH_MAX:.0} km/h over more than {TRAVEL_DISTANCE_KM_MIN:.0} km after the radii of \
             both places are subtracted; this was {:.0} km/h",
            km / hours
        ),
        baseline: "exits of VPNs, addresses that many accounts share, the account's own mobile carrier and renewed tokens \
                   are left out"
            .to_owned(),
        ..Said::default()
    });
}

fn turns(
    profile: &mut Profile,
    point: &Point,
    place: &Where,
    earlier: &[(Point, Where)],
    world: &mut World<'_>,
) {
    if place.country == 0 {
        return;
    }
    let mut path: Vec<(&Point, u32)> = earlier
        .iter()
        .filter(|(before, at)| point.time - before.last <= TURNS_SPAN && at.country != 0)
        .map(|(before, at)| (before, at.country))
        .collect();
    path.push((point, place.country));
    let changes = path.windows(2).filter(|pair| matches!(pair, [(_, a), (_, b)] if a != b)).count();
    let countries: std::collections::BTreeSet<u32> = path.iter().map(|(_, country)| *country).collect();
    if changes < TURNS_MIN || countries.len() != 2 || !profile.may_tell(TOLD_TURNS, point.time, DAY) {
        return;
    }
    let user = world.names.text(point.user).to_owned();
    let points: Vec<Point> = path.iter().map(|(point, _)| **point).collect();
    let evidence = points.iter().map(|point| world.evidence(point)).collect();
    let mut names: Vec<&str> = countries.iter().map(|country| world.names.text(*country)).collect();
    names.sort_unstable();
    let title = format!("{user}: used from {} turn by turn", names.join(" and "));
    world.tell(&TWO_COUNTRIES, Said {
        title,
        level: Level::High,
        source: source_of(point.service),
        about: vec![("account", user), ("address", world.names.text(point.source).to_owned())],
        evidence,
        threshold: format!("{TURNS_MIN} changes between two countries within two hours; this was {changes}"),
        baseline: "exits of VPNs, addresses that many accounts share and the account's own mobile carrier are left out"
            .to_owned(),
        ..Said::default()
    });
}
