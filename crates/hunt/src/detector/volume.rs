// SPDX-License-Identifier: Apache-2.0
//! How much moves: to where, week by week and on one day; and how many files are opened and written.

use std::collections::{BTreeMap, BTreeSet};

use model::time::Timestamp;

use super::buffer::{DAY, Files, Id, Seen, Volumes};
use super::catalogue::{BULK_COLLECTION, CLOUD_UPLOAD, SLOW_EXFILTRATION, STAGING};
use super::crown;
use super::engine::{Said, World};
use super::robust::Robust;
use crate::detection::Level;
use crate::event::SourceKind;
use crate::limits::{DESTINATIONS_MAX, DETECTOR_FILES_PER_DAY_MAX};
use crate::report::words::counted;
use crate::state::state;

const MEGABYTE: u64 = 1_000_000;
/// Bytes to a destination on a day that are remembered.
const REMEMBERED_BYTES_MIN: u64 = 100_000;
/// Weeks that are kept of a destination.
const WEEKS: usize = 12;
/// The weeks that are judged, and how many of them must be too much.
pub const DRIFT_WEEKS: usize = 4;
/// See [`DRIFT_WEEKS`].
pub const DRIFT_WEEKS_MIN: usize = 3;
/// Weeks before them that tell what is usual.
pub const DRIFT_BASE_WEEKS_MIN: usize = 3;
/// Least bytes of a week beyond the usual.
pub const DRIFT_WEEK_BYTES_MIN: u64 = 100 * MEGABYTE;
/// Deviations above the median.
const DEVIATIONS: u64 = 6;
/// Weeks without a break from the beginning of the logs, to a destination of nobody else, that are told once.
pub const LONE_WEEKS: usize = 8;
/// A destination that so many send to is everybody's.
pub const SHARED_SENDERS_MIN: usize = 5;

/// Bytes on one day to a destination that hardly anybody uses.
pub const UPLOAD_BYTES_MIN: u64 = 500 * MEGABYTE;
/// Times the most that the sender ever sent there on a day.
const UPLOAD_TIMES: u64 = 5;
/// Where others send, too, it must be this many times the most that the sender sent anywhere on a day: some upload
/// films every week.
const UPLOAD_TIMES_OWN: u64 = 2;
/// From so many others on.
const UPLOAD_OTHERS_MIN: usize = 2;
/// Days with logs for which a sender must be known.
pub const SENDER_DAYS_MIN: usize = 14;
/// With so many who send or open, that many days show which destinations are everybody's. Fewer show it later: what each does
/// once in a year, somebody of a thousand does every day, and somebody of thirty every fortnight.
const SENDERS_ENOUGH: usize = 120;
/// However few they are, it is known after so many days.
pub const SENDER_DAYS_ENOUGH: usize = 28;

/// Files of a share that are opened on a day, whatever is usual.
pub const COLLECTED_FILES_MIN: u64 = 1_000;
/// The same for a share of the register of crown jewels.
pub const COLLECTED_FILES_CROWN_MIN: u64 = 250;
/// Times the most that the account ever opened on a day.
const COLLECTED_TIMES: u64 = 3;
/// Files written to a share that the account never wrote to.
pub const STAGED_FILES_MIN: u64 = 200;
/// Days of files that tell what is usual.
const FILE_DAYS: usize = 28;
/// Days with files that must be known before fewer than five times the least is too much.
const FILE_DAYS_MIN: usize = 5;

/// What one sends to one destination.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    /// (week, bytes), ascending.
    weeks: Vec<(i64, u64)>,
    most: u64,
    last: Option<Seen>,
    told: i64,
}
state!(Flow { weeks, most, last, told });

/// Whoever sends or opens.
#[derive(Clone, Debug, Default)]
pub(super) struct Mover {
    first: Option<i64>,
    /// Weeks in which it did anything, ascending.
    weeks: Vec<i64>,
    /// Files opened on its last days.
    files: Vec<u64>,
    /// Shares that it wrote to.
    written: BTreeSet<Id>,
    /// Most bytes that it sent to one destination on a day.
    most: u64,
}
state!(Mover { first, weeks, files, written, most });

/// What is remembered of volumes.
#[derive(Clone, Debug, Default)]
pub(super) struct Volume {
    flows: BTreeMap<(Id, Id), Flow>,
    movers: BTreeMap<Id, Mover>,
    /// Share → most files that anybody opened on it, of its last days.
    shares: BTreeMap<Id, Vec<u64>>,
    /// Days of which there is anything.
    days: BTreeSet<i64>,
    /// First week of all.
    begin: Option<i64>,
    /// Week that was judged last.
    judged: i64,
}
state!(Volume { flows, movers, shares, days, begin, judged });

fn week_of(day: i64) -> i64 {
    // Weeks begin on Mondays; 1970 began on a Thursday.
    (day + 3).div_euclid(7)
}

impl Volume {
    /// One day is whole.
    pub(super) fn end_of_day(&mut self, day: i64, volumes: Volumes, world: &mut World<'_>) {
        let week = week_of(day);
        self.days.insert(day);
        self.begin = Some(self.begin.map_or(week, |begin| begin.min(week)));
        if week > self.judged {
            self.end_of_week(week, world);
            self.judged = week;
        }
        let mut uploads: Vec<_> = volumes.uploads.into_iter().collect();
        uploads.sort_by(|((a, x), _), ((b, y), _)| {
            (world.names.text(*a), world.names.text(*x)).cmp(&(world.names.text(*b), world.names.text(*y)))
        });
        for ((who, to), (bytes, seen)) in uploads {
            if let Some(seen) = seen {
                self.upload(day, (who, to), bytes, seen, world);
            }
        }
        let mut files: Vec<_> = volumes.files.into_iter().collect();
        files.sort_by(|((a, x, v), _), ((b, y, w), _)| {
            (world.names.text(*a), world.names.text(*x), v).cmp(&(
                world.names.text(*b),
                world.names.text(*y),
                w,
            ))
        });
        self.files(day, files, world);
    }

    fn mover(&mut self, who: Id, day: i64) -> &mut Mover {
        let mover = self.movers.entry(who).or_default();
        mover.first = Some(mover.first.map_or(day, |first| first.min(day)));
        let week = week_of(day);
        if mover.weeks.last() != Some(&week) {
            mover.weeks.push(week);
            if mover.weeks.len() > WEEKS {
                mover.weeks.remove(0);
            }
        }
        mover
    }

    /// Whether there are logs of enough days since somebody was first seen.
    fn is_known(&self, first: i64, day: i64) -> bool {
        self.days.range(first..day).take(SENDER_DAYS_MIN).count() >= SENDER_DAYS_MIN
    }

    fn senders(&self, to: Id, since: i64) -> usize {
        let recent = |flow: &Flow| flow.weeks.last().is_some_and(|(week, _)| *week >= since);
        let senders = self.flows.iter().filter(|((_, dest), flow)| *dest == to && recent(flow));
        senders.take(SHARED_SENDERS_MIN).count()
    }

    fn upload(&mut self, day: i64, (who, to): (Id, Id), bytes: u64, seen: Seen, world: &mut World<'_>) {
        let week = week_of(day);
        let first = self.mover(who, day).first.unwrap_or(day);
        if bytes < REMEMBERED_BYTES_MIN {
            return;
        }
        let most = self.flows.get(&(who, to)).map_or(0, |flow| flow.most);
        let days = SENDER_DAYS_MIN * SENDERS_ENOUGH / self.movers.len().max(1);
        let days = days.clamp(SENDER_DAYS_MIN, SENDER_DAYS_ENOUGH);
        if bytes >= UPLOAD_BYTES_MIN
            && self.days.range(first..day).take(days).count() >= days
            && bytes >= most.saturating_mul(UPLOAD_TIMES)
        {
            // All weeks that are kept: what everybody in a small firm uses is used seldom.
            let others = self.senders(to, week - WEEKS as i64);
            let own = self.movers.get(&who).map_or(0, |mover| mover.most);
            let unusual = others < UPLOAD_OTHERS_MIN || bytes >= own.saturating_mul(UPLOAD_TIMES_OWN);
            if others < SHARED_SENDERS_MIN && unusual {
                tell_upload(day, (who, to), bytes, (most, others, first), seen, world);
            }
        }
        if let Some(mover) = self.movers.get_mut(&who) {
            mover.most = mover.most.max(bytes);
        }
        if self.flows.len() >= DESTINATIONS_MAX && !self.flows.contains_key(&(who, to)) {
            return;
        }
        let flow = self.flows.entry((who, to)).or_default();
        flow.most = flow.most.max(bytes);
        flow.last = Some(seen);
        match flow.weeks.last_mut() {
            Some((last, sum)) if *last == week => *sum = sum.saturating_add(bytes),
            _ => flow.weeks.push((week, bytes)),
        }
        if flow.weeks.len() > WEEKS {
            flow.weeks.remove(0);
        }
    }

    /// Weeks before `week` are whole: do some flows grow beyond what they were, and beyond those of others?
    fn end_of_week(&mut self, week: i64, world: &mut World<'_>) {
        let oldest = week - WEEKS as i64;
        self.flows.retain(|_, flow| flow.weeks.last().is_some_and(|(last, _)| *last >= oldest));
        let mut by_destination: BTreeMap<Id, Vec<u64>> = BTreeMap::new();
        for ((_, to), flow) in &self.flows {
            let recent = flow.weeks.iter().filter(|(w, _)| (week - DRIFT_WEEKS as i64..week).contains(w));
            let sums: Vec<u64> = recent.map(|(_, bytes)| *bytes).collect();
            if !sums.is_empty() {
                by_destination.entry(*to).or_default().push(Robust::of(&sums).median);
            }
        }
        let mut found: Vec<((Id, Id), Drift)> = self
            .flows
            .iter()
            .filter(|(_, flow)| flow.told == 0 || week - flow.told >= 8)
            .filter_map(|(key, flow)| Some((*key, self.drift(*key, flow, week, &by_destination)?)))
            .collect();
        found.sort_by(|((a, x), _), ((b, y), _)| {
            (world.names.text(*a), world.names.text(*x)).cmp(&(world.names.text(*b), world.names.text(*y)))
        });
        for (key, drift) in found {
            if let Some(flow) = self.flows.get_mut(&key) {
                flow.told = week;
                tell_drift(key, flow, &drift, world);
            }
        }
    }

    fn drift(
        &self,
        (who, to): (Id, Id),
        flow: &Flow,
        week: i64,
        peers: &BTreeMap<Id, Vec<u64>>,
    ) -> Option<Drift> {
        let of = |w: i64| flow.weeks.iter().find(|(week, _)| *week == w).map_or(0, |(_, bytes)| *bytes);
        let mover = self.movers.get(&who)?;
        let active: Vec<i64> = mover.weeks.iter().copied().filter(|w| *w < week).collect();
        let (base, judged) = active.split_at_checked(active.len().checked_sub(DRIFT_WEEKS)?)?;
        let judged: Vec<u64> = judged.iter().map(|w| of(*w)).collect();
        let total: u64 = judged.iter().sum();
        let others = peers.get(&to).map_or(0, Vec::len).saturating_sub(1);
        let crowd = Robust::of(peers.get(&to).map_or(&[], Vec::as_slice));
        let beyond_others = |bytes: u64| {
            others + 1 < SHARED_SENDERS_MIN
                || bytes > crowd.median + DEVIATIONS * crowd.deviation.max(crowd.median / 4)
        };
        if base.len() < DRIFT_BASE_WEEKS_MIN {
            return None;
        }
        let base_sums: Vec<u64> = base.iter().map(|w| of(*w)).collect();
        let usual = Robust::of(&base_sums);
        let limit =
            usual.median + (DEVIATIONS * usual.deviation.max(usual.median / 4)).max(DRIFT_WEEK_BYTES_MIN);
        let limit = limit.max(highest(base_sums) / 2 * 3);
        let beyond = judged.iter().filter(|bytes| **bytes > limit && beyond_others(**bytes)).count();
        // One great day is another detector's.
        let spread = flow.most * 2 < total;
        if beyond >= DRIFT_WEEKS_MIN && spread {
            return Some(Drift { total, limit, usual, others, crowd, lone: false });
        }
        // From the beginning, without a break, to where nobody else sends: there is no before to compare with.
        let begin = self.begin?;
        let lone = others == 0
            && flow.told == 0
            && (begin..begin + LONE_WEEKS as i64).all(|w| of(w) >= DRIFT_WEEK_BYTES_MIN)
            && week - begin < WEEKS as i64;
        lone.then_some(Drift { total, limit, usual, others, crowd, lone: true })
    }

    fn files(&mut self, day: i64, all: Vec<((Id, Id, bool), Files)>, world: &mut World<'_>) {
        let mut read: BTreeMap<Id, u64> = BTreeMap::new();
        let mut most_on: BTreeMap<Id, u64> = BTreeMap::new();
        for ((who, share, write), files) in all {
            let count = files.hashes.len() as u64;
            let Some(seen) = files.seen else { continue };
            let first = self.mover(who, day).first.unwrap_or(day);
            let known = self.is_known(first, day);
            let begun = self.is_known(i64::MIN, day);
            let Some(mover) = self.movers.get_mut(&who) else { continue };
            let crowned = crown::holds(&world.options.crown, world.names.text(share));
            let day_of = Day { day, who, share, count, full: files.is_full(), seen, crowned };
            if write {
                let new = mover.written.insert(share);
                if new && count >= STAGED_FILES_MIN && known {
                    tell_staging(&day_of, mover, world);
                }
                continue;
            }
            let usual = Robust::of(&mover.files);
            let most = mover.files.iter().copied().max().unwrap_or(0);
            let least = if crowned { COLLECTED_FILES_CROWN_MIN } else { COLLECTED_FILES_MIN };
            let limit = usual.median + 8 * usual.deviation.max(usual.median / 10).max(5);
            let enough = if mover.files.len() < FILE_DAYS_MIN {
                // Somebody who is not known yet: others tell what is usual there.
                let others = self.shares.get(&share).and_then(|days| days.iter().max()).copied().unwrap_or(0);
                count >= least * 5 || count >= least && count > others * COLLECTED_TIMES
            } else {
                count >= least && count > limit && count > most * COLLECTED_TIMES
            };
            if enough && begun {
                tell_collection(&day_of, (least, limit, most, &usual), world);
            }
            for (all, id) in [(&mut read, who), (&mut most_on, share)] {
                let most = all.entry(id).or_default();
                *most = (*most).max(count);
            }
        }
        for (who, count) in read {
            if let Some(mover) = self.movers.get_mut(&who) {
                remember(&mut mover.files, count);
            }
        }
        for (share, count) in most_on {
            remember(self.shares.entry(share).or_default(), count);
        }
    }
}

fn remember(days: &mut Vec<u64>, count: u64) {
    days.push(count);
    if days.len() > FILE_DAYS {
        days.remove(0);
    }
}

/// The highest of some weeks; the second where there are enough of them that one may be an odd one.
fn highest(mut weeks: Vec<u64>) -> u64 {
    weeks.sort_unstable_by(|a, b| b.cmp(a));
    weeks.get(usize::from(weeks.len() >= 5)).copied().unwrap_or(0)
}

struct Drift {
    total: u64,
    limit: u64,
    usual: Robust,
    others: usize,
    crowd: Robust,
    lone: bool,
}

struct Day {
    day: i64,
    who: Id,
    share: Id,
    count: u64,
    full: bool,
    seen: Seen,
    crowned: bool,
}

/// `1.5 GB`, `45 MB`.
fn amount(bytes: u64) -> String {
    if bytes >= 1_000 * MEGABYTE {
        format!("{}.{} GB", bytes / (1_000 * MEGABYTE), bytes / (100 * MEGABYTE) % 10)
    } else {
        format!("{} MB", bytes / MEGABYTE)
    }
}

fn whom(who: &str) -> &'static str {
    if who.parse::<std::net::IpAddr>().is_ok() { "address" } else { "account" }
}

/// `2026-03-02` of a day.
pub(super) fn date(day: i64) -> String {
    let text = Timestamp::from_micros(day * DAY).to_string();
    text.get(..10).unwrap_or_default().to_owned()
}

fn tell_drift((who, to): (Id, Id), flow: &Flow, drift: &Drift, world: &mut World<'_>) {
    let (who, to) = (world.names.text(who).to_owned(), world.names.text(to).to_owned());
    let span = |week: i64| Timestamp::from_micros((week * 7 - 3) * DAY);
    let weeks: Vec<&(i64, u64)> = flow.weeks.iter().rev().take(DRIFT_WEEKS).collect();
    let title = if drift.lone {
        format!("{who}: only this one sends to {to}, every week since the logs begin")
    } else {
        format!(
            "{who}: {} to {to} in {DRIFT_WEEKS} weeks, more than usual in most of them",
            amount(drift.total)
        )
    };
    let last = flow.last.map(|seen| (seen.spot, seen.first));
    let evidence = last.map(|(spot, time)| {
        world.line(spot, time, format!("{who} sent to {to}; the first line of the latest day"))
    });
    world.tell(&SLOW_EXFILTRATION, Said {
        title,
        level: if drift.lone { Level::Low } else { Level::High },
        source: SourceKind::Proxy,
        about: vec![(whom(&who), who), ("destination", to)],
        first: weeks.last().map(|(week, _)| span(*week)),
        last: weeks.first().map(|(week, _)| span(*week + 1)),
        count: weeks.len() as u64,
        evidence: evidence.into_iter().collect(),
        threshold: format!(
            "{DRIFT_WEEKS_MIN} of {DRIFT_WEEKS} weeks above {} (median + {DEVIATIONS} deviations of the weeks before, at \
             least {} more, and half as much again as the highest of them), and above what others send there",
            amount(drift.limit),
            amount(DRIFT_WEEK_BYTES_MIN)
        ),
        baseline: format!(
            "weeks before: median {}, median absolute deviation {}; {} others send there, their median is {} a week",
            amount(drift.usual.median),
            amount(drift.usual.deviation),
            drift.others,
            amount(drift.crowd.median)
        ),
    });
}

fn tell_upload(
    day: i64,
    (who, to): (Id, Id),
    bytes: u64,
    (most, others, first): (u64, usize, i64),
    seen: Seen,
    world: &mut World<'_>,
) {
    let (who, to) = (world.names.text(who).to_owned(), world.names.text(to).to_owned());
    let requests = counted(seen.count, "request");
    let text = format!("{who} sent {} to {to} in {requests}", amount(bytes));
    let evidence = vec![world.line(seen.spot, seen.first, text)];
    world.tell(
        &CLOUD_UPLOAD,
        Said {
            title: format!("{who}: {} to {to} on {}", amount(bytes), date(day)),
            level: Level::High,
            source: SourceKind::Proxy,
            about: vec![(whom(&who), who), ("destination", to)],
            first: Some(Timestamp::from_micros(seen.first)),
            last: Some(Timestamp::from_micros(seen.last)),
            count: seen.count,
            evidence,
            threshold: format!(
                "{} on a day, {UPLOAD_TIMES} times the most that was ever sent there, after {SENDER_DAYS_MIN} \
             to {SENDER_DAYS_ENOUGH} days with logs (the fewer senders the more), to where fewer than \
             {SHARED_SENDERS_MIN} others send; where {UPLOAD_OTHERS_MIN} do, {UPLOAD_TIMES_OWN} times the most that the \
             sender ever sent anywhere",
                amount(UPLOAD_BYTES_MIN)
            ),
            baseline: format!(
                "known for {} days; most on a day to this destination {}; others who send there: {others}",
                day - first,
                amount(most)
            ),
        },
    );
}

fn tell_collection(of: &Day, (least, limit, most, usual): (u64, u64, u64, &Robust), world: &mut World<'_>) {
    let (who, share) = (world.names.text(of.who).to_owned(), world.names.text(of.share).to_owned());
    let more = if of.full { format!("at least {DETECTOR_FILES_PER_DAY_MAX}") } else { of.count.to_string() };
    let crown = if of.crowned { ", which is a crown jewel" } else { "" };
    let text = format!("{who} opened {more} files on {share}; the first of them");
    let evidence = vec![world.line(of.seen.spot, of.seen.first, text)];
    world.tell(&BULK_COLLECTION, Said {
        title: format!("{who}: opened {more} files on {share}{crown}, on {}", date(of.day)),
        level: if of.crowned { Level::Critical } else { Level::High },
        source: SourceKind::File,
        about: vec![(whom(&who), who), ("share", share)],
        first: Some(Timestamp::from_micros(of.seen.first)),
        last: Some(Timestamp::from_micros(of.seen.last)),
        count: of.seen.count,
        evidence,
        threshold: format!(
            "{least} files of a share on a day, above {limit} (median + 8 deviations) and {COLLECTED_TIMES} times the \
             most before; where less than {FILE_DAYS_MIN} days are known, {COLLECTED_TIMES} times the most of anybody \
             there"
        ),
        baseline: format!(
            "on days with files: median {}, median absolute deviation {}, most {most}",
            usual.median, usual.deviation
        ),
    });
}

fn tell_staging(of: &Day, mover: &Mover, world: &mut World<'_>) {
    let (who, share) = (world.names.text(of.who).to_owned(), world.names.text(of.share).to_owned());
    let text = format!("{who} wrote {} files to {share}; the first of them", of.count);
    let evidence = vec![world.line(of.seen.spot, of.seen.first, text)];
    let known = of.day - mover.first.unwrap_or(of.day);
    world.tell(
        &STAGING,
        Said {
            title: format!("{who}: wrote {} files to {share} on {}, never before", of.count, date(of.day)),
            level: Level::High,
            source: SourceKind::File,
            about: vec![(whom(&who), who), ("share", share)],
            first: Some(Timestamp::from_micros(of.seen.first)),
            last: Some(Timestamp::from_micros(of.seen.last)),
            count: of.seen.count,
            evidence,
            threshold: format!("{STAGED_FILES_MIN} files on the first day of writing to a share"),
            baseline: format!(
                "known for {known} days, wrote to {} other shares",
                mover.written.len().saturating_sub(1)
            ),
        },
    );
}
