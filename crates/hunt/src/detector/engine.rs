// SPDX-License-Identifier: Apache-2.0
//! Facts in the order of time, and what is remembered of them.

use std::collections::{BTreeMap, BTreeSet};

use model::time::Timestamp;

use super::buffer::{ChangeKey, DAY, HOUR, Hint, Id, Key, Names, Seen, Spot};
use super::catalogue::Detector;
use super::place::{Network, is_inside};
use super::signin::{Outcome, Service};
use super::spray::{Doors, Source};
use super::takeover::Tries;
use super::{Options, habit, spray, takeover, travel};
use crate::detection::{Detection, Evidence, Level, Means};
use crate::event::{Place, SourceKind};
use crate::limits::{
    ATTRIBUTES_PER_ACCOUNT_MAX, DETECTOR_SOURCES_MAX, EVIDENCE_LINES_MAX, RECENT_SIGN_INS_MAX,
};
use crate::state::{Bytes, Damaged, Out, State, state};

impl State for Outcome {
    fn write(&self, out: &mut Out<'_>) {
        self.code().write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Outcome, Damaged> {
        Outcome::from_code(u8::read(bytes)?).ok_or(Damaged)
    }
}

impl State for Service {
    fn write(&self, out: &mut Out<'_>) {
        self.code().write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Service, Damaged> {
        Service::from_code(u8::read(bytes)?).ok_or(Damaged)
    }
}

/// Like attempts of ten minutes, at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub time: i64,
    pub last: i64,
    pub count: u64,
    pub user: Id,
    pub source: Id,
    pub outcome: Outcome,
    pub service: Service,
    pub legacy: bool,
    pub refresh: bool,
    pub device: Id,
    pub agent: Id,
    pub app: Id,
    pub protocol: Id,
    pub spot: Spot,
}
state!(Point {
    time,
    last,
    count,
    user,
    source,
    outcome,
    service,
    legacy,
    refresh,
    device,
    agent,
    app,
    protocol,
    spot
});

impl Point {
    pub(super) fn new(key: &Key, seen: &Seen) -> Option<Point> {
        Some(Point {
            time: seen.first,
            last: seen.last,
            count: seen.count,
            user: key.user,
            source: key.source,
            outcome: Outcome::from_code(key.outcome)?,
            service: Service::from_code(key.service)?,
            legacy: key.legacy,
            refresh: key.refresh,
            device: key.device,
            agent: key.agent,
            app: key.app,
            protocol: key.protocol,
            spot: seen.spot,
        })
    }
}

/// What is known of a source.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Where {
    /// Within the firm's own network.
    pub inside: bool,
    /// An exit of a VPN or proxy, as the operator named it.
    pub exit: bool,
    pub country: Id,
    pub asn: u32,
    pub at: Option<(f64, f64)>,
    pub radius_km: f64,
    pub network: Network,
    /// What "the same place" means: the autonomous system; without one the /24 or /48; inside, the address or computer.
    pub origin: Id,
    /// Whether only the log says where it is: then what sort of network it is is not known.
    pub by_log: bool,
}

/// Kinds of things that an account may be seen with.
pub(super) const ORIGIN: u8 = 1;
/// See [`ORIGIN`].
pub(super) const COUNTRY: u8 = 2;
/// See [`ORIGIN`].
pub(super) const DEVICE: u8 = 3;
/// See [`ORIGIN`].
pub(super) const AGENT: u8 = 4;
/// See [`ORIGIN`].
pub(super) const PROTOCOL: u8 = 5;

/// A place from which a device that was known before signed in.
pub(super) const TRUSTED: u8 = 6;

/// An account that succeeded at least once.
#[derive(Clone, Debug, Default)]
pub(super) struct Profile {
    /// First success.
    pub first: i64,
    /// Last success.
    pub last: i64,
    /// Successes by the hour of the day in UTC.
    pub hours: [u32; 24],
    /// What it was seen with: first and last time.
    pub seen: BTreeMap<(u8, u64), (i64, i64)>,
    /// Successes of the last day, the newest last.
    pub recent: Vec<Point>,
    /// The last success from a place that was new to it.
    pub novel: Option<Point>,
    /// When a detector last spoke.
    pub told: BTreeMap<u8, i64>,
}
state!(Profile { first, last, hours, seen, recent, novel, told });

impl Profile {
    /// Whether it was seen with something before.
    pub(super) fn knows(&self, kind: u8, value: u64) -> bool {
        self.seen.contains_key(&(kind, value))
    }

    /// Whether a detector may speak again; notes that it did.
    pub(super) fn may_tell(&mut self, detector: u8, now: i64, quiet: i64) -> bool {
        let may = self.told.get(&detector).is_none_or(|last| now - last > quiet);
        if may {
            self.told.insert(detector, now);
        }
        may
    }

    fn learn(&mut self, kind: u8, value: u64, time: i64) {
        if value == 0 {
            return;
        }
        let span = self.seen.entry((kind, value)).or_insert((time, time));
        span.1 = span.1.max(time);
        if self.seen.len() > ATTRIBUTES_PER_ACCOUNT_MAX {
            let oldest = self.seen.iter().min_by_key(|(_, (_, last))| *last).map(|(key, _)| *key);
            if let Some(key) = oldest {
                self.seen.remove(&key);
            }
        }
    }
}

/// All that outlives an hour.
#[derive(Clone, Debug, Default)]
pub(super) struct Engine {
    pub profiles: BTreeMap<Id, Profile>,
    pub sources: BTreeMap<Id, Source>,
    /// Failures of the last hour by account and source.
    pub tries: BTreeMap<(Id, Id), Tries>,
    /// Refused second factors that wait for an approval.
    pub fatigue: BTreeMap<Id, Tries>,
    /// Country → accounts that were seen there, the first few.
    pub countries: BTreeMap<Id, BTreeSet<Id>>,
    /// New places that wait for a known device.
    pub bare: BTreeMap<Id, Point>,
    /// Sources that spray.
    pub spraying: BTreeSet<Id>,
    pub doors: BTreeMap<Service, Doors>,
    /// Days of which there are sign-ins.
    pub covered: BTreeSet<i64>,
}
state!(Engine { profiles, sources, tries, fatigue, countries, bare, spraying, doors, covered });

/// What judging needs besides what it remembers.
pub(super) struct World<'a> {
    pub names: &'a mut Names,
    pub options: &'a Options,
    pub hints: &'a BTreeMap<Id, Hint>,
    pub places: &'a mut BTreeMap<Id, Where>,
    pub out: &'a mut dyn FnMut(Detection),
}

impl World<'_> {
    /// Where a source is; looked up once.
    pub(super) fn place(&mut self, source: Id) -> Where {
        if let Some(place) = self.places.get(&source) {
            return *place;
        }
        let place = self.look_up(source);
        self.places.insert(source, place);
        place
    }

    fn look_up(&mut self, source: Id) -> Where {
        let text = self.names.text(source).to_owned();
        let Ok(address) = text.parse::<std::net::IpAddr>() else {
            // A computer's name.
            return Where { inside: true, origin: source, ..Where::default() };
        };
        if is_inside(address) {
            return Where { inside: true, origin: source, ..Where::default() };
        }
        let exit = self.options.exits.iter().any(|block| block.holds(address));
        let told = self.options.places.as_ref().and_then(|places| places.find(address));
        let mut place = Where { exit, ..Where::default() };
        match told {
            Some(told) => {
                place.country = told.country.and_then(|code| self.names.id(&code)).unwrap_or(0);
                place.asn = told.asn.unwrap_or(0);
                (place.at, place.radius_km, place.network) = (told.at, told.radius_km, told.network);
            }
            None => {
                if let Some(hint) = self.hints.get(&source) {
                    place.country = hint.country;
                    place.asn = hint.asn;
                    place.at = hint.at.map(|(n, e)| (n as f64 / 100.0, e as f64 / 100.0));
                    place.radius_km = HINT_RADIUS_KM;
                    place.by_log = true;
                }
            }
        }
        let origin = if place.asn == 0 { neighbourhood(address) } else { format!("AS{}", place.asn) };
        place.origin = self.names.id(&origin).unwrap_or(0);
        place
    }

    /// A source in words: `203.0.113.9 (NL, AS64500)`.
    pub(super) fn source_words(&mut self, source: Id) -> String {
        let place = self.place(source);
        let name = self.names.text(source);
        if name.is_empty() {
            return "an unknown source".to_owned();
        }
        match (place.inside, place.country, place.asn) {
            (true, ..) | (_, 0, 0) => name.to_owned(),
            (_, 0, asn) => format!("{name} (AS{asn})"),
            (_, country, 0) => format!("{name} ({})", self.names.text(country)),
            (_, country, asn) => format!("{name} ({}, AS{asn})", self.names.text(country)),
        }
    }

    /// A point as a line of evidence: what was read of the line, since the line itself is not kept.
    pub(super) fn evidence(&mut self, point: &Point) -> Evidence {
        let from = self.source_words(point.source);
        let mut text = format!(
            "{}: {} at {} from {from}",
            self.names.text(point.user),
            point.outcome.words(),
            point.service.name()
        );
        for (word, id) in [("by", point.app), ("over", point.protocol), ("with device", point.device)] {
            if id != 0 {
                text.push_str(&format!(" {word} {}", self.names.text(id)));
            }
        }
        if point.count > 1 {
            text.push_str(&format!(", {} times until {}", point.count, Timestamp::from_micros(point.last)));
        }
        self.line(point.spot, point.time, text)
    }

    /// A line of evidence.
    pub(super) fn line(&self, spot: Spot, time: i64, text: String) -> Evidence {
        Evidence {
            file: self.names.text(spot.file).to_owned(),
            place: Place { line: spot.line, offset: spot.offset },
            time: Some(Timestamp::from_micros(time)),
            text,
        }
    }

    /// Hands a detection out.
    pub(super) fn tell(&mut self, detector: &Detector, said: Said) {
        let mut evidence = said.evidence;
        evidence.sort_by(|a, b| (a.time, &a.file, a.place).cmp(&(b.time, &b.file, b.place)));
        let first = said.first.or_else(|| evidence.iter().filter_map(|line| line.time).min());
        let last = said.last.or_else(|| evidence.iter().filter_map(|line| line.time).max());
        let count = said.count.max(evidence.len() as u64);
        evidence.truncate(EVIDENCE_LINES_MAX);
        (self.out)(Detection {
            means: Means::Detector,
            id: detector.id.to_owned(),
            title: said.title,
            level: said.level,
            techniques: detector.techniques.iter().map(|t| (*t).to_owned()).collect(),
            credit: String::new(),
            source: said.source,
            about: said.about,
            first,
            last,
            count,
            evidence,
            threshold: said.threshold,
            baseline: said.baseline,
            disproof: detector.disproof.to_owned(),
            advice: detector.advice.to_owned(),
        });
    }
}

/// Identity providers round coordinates to a town.
const HINT_RADIUS_KM: f64 = 50.0;

fn neighbourhood(address: std::net::IpAddr) -> String {
    match address {
        std::net::IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        std::net::IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

/// What a detector says, without what is the same each time.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub title: String,
    pub level: Level,
    pub source: SourceKind,
    pub about: Vec<(&'static str, String)>,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub count: u64,
    pub evidence: Vec<Evidence>,
    pub threshold: String,
    pub baseline: String,
}

/// Kind of log in which a door's sign-ins stand.
pub(super) fn source_of(service: Service) -> SourceKind {
    match service {
        Service::Vpn => SourceKind::Vpn,
        Service::Web => SourceKind::WebServer,
        _ => SourceKind::Authentication,
    }
}

impl Engine {
    /// Judges one fact. Facts come in the order of time.
    pub(super) fn judge(&mut self, point: &Point, world: &mut World<'_>) {
        match point.outcome {
            Outcome::Success | Outcome::MfaApproved => self.success(point, world),
            Outcome::BadPassword
            | Outcome::Disabled
            | Outcome::Expired
            | Outcome::Locked
            | Outcome::NoSuchUser => {
                takeover::failure(self, point);
                spray::failure(self, point, world);
            }
            Outcome::MfaDenied => takeover::denied(self, point),
            // Others ask for a factor by interrupting a sign-in, as often as a program repeats it; Okta sends a push.
            Outcome::MfaRequired if point.service == Service::Okta => {}
            Outcome::MfaRequired | Outcome::BlockedByPolicy | Outcome::Other => {}
        }
    }

    fn success(&mut self, point: &Point, world: &mut World<'_>) {
        let place = world.place(point.source);
        self.covered.insert(point.time.div_euclid(DAY));
        takeover::after_failures(self, point, &place, world);
        takeover::after_denials(self, point, world);
        spray::success(self, point, &place, world);
        if let Some(mut profile) = self.profiles.remove(&point.user) {
            travel::judge(self, &mut profile, point, &place, world);
            habit::judge(self, &mut profile, point, &place, world);
            self.profiles.insert(point.user, profile);
        }
        self.learn(point, &place);
    }

    fn learn(&mut self, point: &Point, place: &Where) {
        self.doors.entry(point.service).or_default().day = point.time.div_euclid(DAY);
        let fresh = Profile { first: point.time, last: point.time, ..Profile::default() };
        let profile = self.profiles.entry(point.user).or_insert(fresh);
        profile.last = profile.last.max(point.last);
        let hour = point.time.rem_euclid(DAY) / HOUR;
        if let Some(count) = profile.hours.get_mut(hour as usize) {
            *count = count.saturating_add(1);
        }
        if profile.knows(DEVICE, u64::from(point.device)) {
            profile.learn(TRUSTED, u64::from(place.origin), point.last);
        }
        profile.learn(ORIGIN, u64::from(place.origin), point.last);
        profile.learn(COUNTRY, u64::from(place.country), point.last);
        profile.learn(DEVICE, u64::from(point.device), point.last);
        profile.learn(AGENT, u64::from(point.agent), point.last);
        if point.legacy {
            profile.learn(PROTOCOL, u64::from(point.protocol), point.last);
        }
        if !point.refresh && !place.inside {
            profile.recent.retain(|earlier| point.time - earlier.last <= DAY);
            profile.recent.push(*point);
            if profile.recent.len() > RECENT_SIGN_INS_MAX {
                profile.recent.remove(0);
            }
        }
        if place.country != 0 {
            let users = self.countries.entry(place.country).or_default();
            if users.len() < habit::COUNTRY_USERS_RARE {
                users.insert(point.user);
            }
        }
        let source = self.sources.entry(point.source).or_default();
        source.last = source.last.max(point.last);
        if source.users.len() < spray::SHARED_USERS {
            source.users.insert(point.user);
        }
    }

    /// Judges a change of an account.
    pub(super) fn change(&mut self, key: &ChangeKey, seen: &Seen, world: &mut World<'_>) {
        habit::method_change(self, key, seen, world);
    }

    /// What is over at the end of an hour is told.
    pub(super) fn end_of_hour(&mut self, end: i64, world: &mut World<'_>) {
        takeover::end_of_hour(self, end, world);
        spray::end_of_hour(self, end, world);
        habit::end_of_hour(self, end, world);
    }

    /// What is told by the day.
    pub(super) fn end_of_day(&mut self, day: i64, world: &mut World<'_>) {
        spray::end_of_day(self, day, world);
        // More sources than can be kept: those that were quiet longest go first.
        while self.sources.len() > DETECTOR_SOURCES_MAX {
            let mut times: Vec<i64> = self.sources.values().map(|source| source.last).collect();
            times.sort_unstable();
            let cut = times.get(times.len() / 10).copied().unwrap_or(i64::MAX);
            self.sources.retain(|_, source| source.last > cut);
        }
    }

    /// Whether many accounts come out of one address: a gateway, an office, a carrier.
    pub(super) fn is_shared(&self, source: Id) -> bool {
        let least = spray::shared_users(self);
        self.sources.get(&source).is_some_and(|s| s.users.len() >= least)
    }
}
