// SPDX-License-Identifier: Apache-2.0
//! Days that may lie in logs that could not be read: a log that was handed in is not one that was never had.

use std::collections::{BTreeMap, BTreeSet};

use hunt::history::{self, days_named, series_of};
use hunt::report::{FileFacts, FileState};

use super::STOPPED;

/// Logs that a gap names.
const FILES_NAMED_MAX: usize = 5;
/// Days that a log may lie apart from the day in its name.
const DAYS_APART_MAX: i64 = 366;

/// A log of a source, as far as its days go.
#[derive(Clone, Copy, Debug)]
pub struct Log<'l> {
    /// Its path.
    pub path: &'l str,
    /// First and last day of its lines, where any is known.
    pub span: Option<(u32, u32)>,
    /// Whether part of it could not be read.
    pub is_broken: bool,
}

impl<'l> Log<'l> {
    /// A log of a summary.
    pub fn of_facts(file: &'l FileFacts) -> Log<'l> {
        let day = |time: Option<_>| time.and_then(history::day_of_time);
        let is_broken = match &file.state {
            FileState::Damaged(_) => true,
            FileState::NotRead(why) => why != STOPPED,
            FileState::Whole => file.tells_nothing(),
        };
        Log { path: &file.path, span: day(file.first).zip(day(file.last)), is_broken }
    }

    /// A log of the register. Lines that were read and are in no known form are no damage.
    pub fn of_register(file: &'l history::File) -> Log<'l> {
        let tells_nothing =
            file.lines > 0 && file.first.is_none() && file.source == hunt::event::SourceKind::Unknown;
        let is_broken = match file.state {
            history::FileState::Done => tells_nothing,
            history::FileState::Partial => !file.fault.is_empty() || file.unread_lines == 0 || tells_nothing,
            history::FileState::Again | history::FileState::Failed | history::FileState::Running => true,
        };
        let span = file.days.first().zip(file.days.last()).map(|((first, _), (_, last))| (*first, *last));
        Log { path: &file.path, span, is_broken }
    }
}

/// Of all logs those of a source, of which these are known to be: and those beside them that could not be read and have a
/// name like theirs.
pub fn with_broken<'l>(known: Vec<Log<'l>>, all: &[Log<'l>]) -> Vec<Log<'l>> {
    let whole = known.iter().filter(|log| !log.is_broken);
    let series: BTreeSet<String> = whole.map(|log| series_of(log.path)).collect();
    let paths: BTreeSet<&str> = known.iter().map(|log| log.path).collect();
    let is_like =
        |log: &&Log<'_>| log.is_broken && !paths.contains(log.path) && series.contains(&series_of(log.path));
    let like: Vec<Log<'_>> = all.iter().filter(is_like).copied().collect();
    known.into_iter().chain(like).collect()
}

/// Days of which the same is known: the first, the last, and some logs that may be of them.
type Stretch<'l> = ((u32, u32), Vec<&'l str>);

/// Days that may lie in what could not be read of a source's logs. How many days a log holds, and how they lie to the day
/// in its name, is known from those of the source that were read whole.
#[derive(Default)]
pub struct Lost<'l> {
    /// In order, each with the first logs by name, of all that may be of them: no more are told of a gap.
    days: Vec<Stretch<'l>>,
    /// Longest gap that logs of which nothing is known may explain: neither a line of theirs nor their name tells a day.
    undated: u32,
    undated_logs: BTreeSet<&'l str>,
}

impl<'l> Lost<'l> {
    /// Of the logs of a source.
    pub fn of(logs: &[Log<'l>]) -> Lost<'l> {
        let whole = || logs.iter().filter(|log| !log.is_broken);
        let lengths = whole().filter_map(|log| log.span).map(|(first, last)| last - first + 1);
        let length = lengths.max().unwrap_or(1);
        let apart = apart(whole());
        let mut lost = Lost::default();
        let mut dated = Vec::new();
        for log in logs.iter().filter(|log| log.is_broken) {
            let days = match (log.span, days_named(log.path)) {
                // It breaks off: it goes on for no more days than a log holds.
                (Some((first, last)), _) => (last, first.saturating_add(length - 1)),
                (None, Some((first, last))) if first == last => {
                    (moved(first, apart.0), moved(first, apart.1))
                }
                (None, Some(days)) => days,
                (None, None) => {
                    lost.undated = lost.undated.saturating_add(length);
                    lost.undated_logs.insert(log.path);
                    continue;
                }
            };
            dated.push((days, log.path));
        }
        lost.days = stretches(&dated);
        lost
    }

    /// A gap cut where the reason changes, each part with the logs that may be of it; none of what was never had.
    pub fn parts(&self, (from, to): (u32, u32)) -> Vec<((u32, u32), Vec<String>)> {
        let mut parts: Vec<((u32, u32), BTreeSet<&str>)> = Vec::new();
        let begin = self.days.partition_point(|((_, last), _)| *last < from);
        let of_gap = self.days.iter().skip(begin).take_while(|((first, _), _)| *first <= to);
        if to - from < self.undated {
            let named = of_gap.flat_map(|(_, logs)| logs).chain(&self.undated_logs).copied();
            parts.push(((from, to), named.collect()));
        } else {
            let mut next = from;
            for ((first, last), logs) in of_gap {
                let (first, last) = (from.max(*first), to.min(*last));
                match parts.last_mut() {
                    Some((days, before)) if first == next => {
                        days.1 = last;
                        before.extend(logs);
                        first_names(before);
                    }
                    _ => {
                        if first > next {
                            parts.push(((next, first - 1), BTreeSet::new()));
                        }
                        parts.push(((first, last), logs.iter().copied().collect()));
                    }
                }
                next = last.saturating_add(1);
            }
            if next <= to {
                parts.push(((next, to), BTreeSet::new()));
            }
        }
        let named =
            |logs: BTreeSet<&str>| logs.into_iter().take(FILES_NAMED_MAX).map(str::to_owned).collect();
        parts.into_iter().map(|(days, logs)| (days, named(logs))).collect()
    }
}

fn first_names(names: &mut BTreeSet<&str>) {
    while names.len() > FILES_NAMED_MAX {
        names.pop_last();
    }
}

/// The days of logs, cut where one begins or ends: a log may be of ten thousand days, and there may be thousands of logs.
fn stretches<'l>(logs: &[((u32, u32), &'l str)]) -> Vec<Stretch<'l>> {
    // Where a log begins, and the day after its last; what ends at a day comes before what begins there.
    let mut edges: Vec<(u32, bool, &str)> = Vec::with_capacity(2 * logs.len());
    for ((first, last), path) in logs.iter().filter(|((first, last), _)| first <= last) {
        edges.push((*first, true, path));
        edges.push((last.saturating_add(1), false, path));
    }
    edges.sort_unstable();
    let mut open: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut all, mut since) = (Vec::<Stretch<'l>>::new(), 0);
    for (day, begins, path) in edges {
        if day > since && !open.is_empty() {
            let named: Vec<&str> = open.keys().take(FILES_NAMED_MAX).copied().collect();
            match all.last_mut() {
                Some(((_, last), before)) if *before == named && last.saturating_add(1) == since => {
                    *last = day - 1;
                }
                _ => all.push(((since, day - 1), named)),
            }
        }
        since = day;
        let logs = open.entry(path).or_default();
        *logs = if begins { *logs + 1 } else { logs.saturating_sub(1) };
        if *logs == 0 {
            open.remove(path);
        }
    }
    all
}

fn moved(day: u32, days: i64) -> u32 {
    u32::try_from(i64::from(day).saturating_add(days)).unwrap_or(day)
}

/// How first and last day of most logs lie to the day in their name: a log that is rotated at night is named after the day
/// after.
fn apart<'l>(logs: impl Iterator<Item = &'l Log<'l>>) -> (i64, i64) {
    let mut counts: BTreeMap<(i64, i64), u64> = BTreeMap::new();
    for log in logs {
        let Some(((first, last), (day, end))) = log.span.zip(days_named(log.path)) else { continue };
        let from = |other: u32| i64::from(other) - i64::from(day);
        if day == end && from(first).abs().max(from(last).abs()) <= DAYS_APART_MAX {
            *counts.entry((from(first), from(last))).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map_or((0, 0), |(apart, _)| apart)
}

#[cfg(test)]
mod tests {
    use hunt::history::parse_day;

    use super::*;

    fn day(text: &str) -> u32 {
        parse_day(text).unwrap()
    }

    fn log(path: &str, span: Option<(u32, u32)>, is_broken: bool) -> Log<'_> {
        Log { path, span, is_broken }
    }

    fn whole<'l>(path: &'l str, on: &str) -> Log<'l> {
        log(path, Some((day(on), day(on))), false)
    }

    /// One damaged log made all gaps of its source "there, but not readable".
    #[test]
    fn a_damaged_log_explains_no_more_days_than_a_log_holds() {
        let logs = [log("a", Some((2, 3)), false), log("b", Some((5, 5)), true)];
        let lost = Lost::of(&logs);
        assert_eq!(lost.parts((3, 4)), [((3, 4), vec![])]);
        assert_eq!(lost.parts((6, 9)), [((6, 6), vec!["b".to_owned()]), ((7, 9), vec![])]);
        let undated = Lost::of(&[log("a", Some((2, 3)), false), log("b", None, true)]);
        assert_eq!(undated.parts((2, 3)), [((2, 3), vec!["b".to_owned()])]);
        assert_eq!(undated.parts((2, 4)), [((2, 4), vec![])]);
    }

    /// What the name of a log says of its days was not looked at.
    #[test]
    fn a_log_that_cannot_be_read_is_of_the_day_in_its_name() {
        let logs = [
            whole("dns-2024-02-02.log.gz", "2024-02-01"),
            whole("dns-2024-02-05.log", "2024-02-04"),
            log("dns-2024-02-03.log.zst", None, true),
        ];
        let lost = Lost::of(&logs);
        let gap = (day("2024-02-02"), day("2024-02-03"));
        let name = vec!["dns-2024-02-03.log.zst".to_owned()];
        assert_eq!(lost.parts(gap), [((gap.0, gap.0), name), ((gap.1, gap.1), vec![])]);
    }

    #[test]
    fn only_what_is_named_alike_may_be_of_a_source() {
        let known = vec![whole("l/dns-2024-02-01.log", "2024-02-01")];
        let broken = log("l/dns-2024-02-02.log.gz", None, true);
        let all =
            [broken, log("l/vpn-2024-02-02.log", None, true), whole("l/dns-2024-02-04.log", "2024-02-04")];
        let found: Vec<&str> = with_broken(known, &all).iter().map(|log| log.path).collect();
        assert_eq!(found, ["l/dns-2024-02-01.log", "l/dns-2024-02-02.log.gz"]);
    }

    /// One whole log with lines of 1990 and of 2026 made each broken one 13,000 days, and each day kept all their names.
    #[test]
    fn broken_logs_of_many_days_are_kept_as_ranges() {
        let paths: Vec<String> = (0..600).map(|nth| format!("{nth:03}.log")).collect();
        let broken = |(nth, path): (u32, _)| log(path, Some((20_000 + nth, 20_000 + nth)), true);
        let mut logs = vec![log("old", Some((7_000, 20_000)), false)];
        logs.extend((0..).zip(&paths).map(|(nth, path)| broken((nth, path.as_str()))));
        let lost = Lost::of(&logs);
        assert!(lost.days.len() <= 2 * logs.len(), "{}", lost.days.len());
        assert!(lost.days.iter().all(|(_, names)| names.len() <= FILES_NAMED_MAX));
        let names = |from: usize| paths[from..(from + FILES_NAMED_MAX).min(600)].to_vec();
        assert_eq!(lost.parts((20_001, 33_000)), [((20_001, 33_000), names(0))]);
        // The log that began last goes on longest.
        let last = 20_599 + 13_000;
        assert_eq!(
            lost.parts((last - 1, last + 1)),
            [((last - 1, last), names(598)), ((last + 1, last + 1), vec![])]
        );
        assert_eq!(
            lost.parts((19_999, 20_000)),
            [((19_999, 19_999), vec![]), ((20_000, 20_000), names(0)[..1].to_vec())]
        );
    }

    /// What is kept as ranges says of each day what a set of names a day says.
    #[test]
    fn ranges_say_what_days_say() {
        let mut state = 7u32;
        let mut next = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % below
        };
        for _ in 0..300 {
            let paths: Vec<String> = (0..next(12)).map(|nth| format!("{}.log", nth % 9)).collect();
            let mut logs: Vec<((u32, u32), &str)> = Vec::new();
            for path in &paths {
                let day = next(40);
                logs.push(((day, day + next(9)), path));
            }
            let lost = Lost { days: stretches(&logs), ..Lost::default() };
            let (from, length) = (next(40), next(20));
            let mut wanted: Vec<((u32, u32), BTreeSet<&str>)> = Vec::new();
            for day in from..=from + length {
                let of_day: BTreeSet<&str> = logs
                    .iter()
                    .filter(|((a, b), _)| (*a..=*b).contains(&day))
                    .map(|(_, path)| *path)
                    .collect();
                match wanted.last_mut() {
                    Some((days, before)) if before.is_empty() == of_day.is_empty() => {
                        days.1 = day;
                        before.extend(of_day);
                    }
                    _ => wanted.push(((day, day), of_day)),
                }
            }
            let named =
                |names: BTreeSet<&str>| names.into_iter().take(FILES_NAMED_MAX).map(str::to_owned).collect();
            let wanted: Vec<((u32, u32), Vec<String>)> =
                wanted.into_iter().map(|(days, names)| (days, named(names))).collect();
            assert_eq!(lost.parts((from, from + length)), wanted);
        }
    }
}
