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

/// Days that may lie in what could not be read of a source's logs. How many days a log holds, and how they lie to the day
/// in its name, is known from those of the source that were read whole.
#[derive(Default)]
pub struct Lost<'l> {
    days: BTreeMap<u32, BTreeSet<&'l str>>,
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
        for log in logs.iter().filter(|log| log.is_broken) {
            let days = match (log.span, days_named(log.path)) {
                // It breaks off: it goes on for no more days than a log holds.
                (Some((first, last)), _) => last..=first.saturating_add(length - 1),
                (None, Some((first, last))) if first == last => moved(first, apart.0)..=moved(first, apart.1),
                (None, Some((first, last))) => first..=last,
                (None, None) => {
                    lost.undated = lost.undated.saturating_add(length);
                    lost.undated_logs.insert(log.path);
                    continue;
                }
            };
            for day in days {
                lost.days.entry(day).or_default().insert(log.path);
            }
        }
        lost
    }

    /// A gap cut where the reason changes, each part with the logs that may be of it; none of what was never had.
    pub fn parts(&self, (from, to): (u32, u32)) -> Vec<((u32, u32), Vec<String>)> {
        let all = to - from < self.undated;
        let mut parts: Vec<((u32, u32), BTreeSet<&str>)> = Vec::new();
        for day in from..=to {
            let mut logs = self.days.get(&day).cloned().unwrap_or_default();
            if all {
                logs.extend(&self.undated_logs);
            }
            match parts.last_mut() {
                Some(((_, last), before)) if before.is_empty() == logs.is_empty() => {
                    *last = day;
                    before.extend(logs);
                }
                _ => parts.push(((day, day), logs)),
            }
        }
        let named =
            |logs: BTreeSet<&str>| logs.into_iter().take(FILES_NAMED_MAX).map(str::to_owned).collect();
        parts.into_iter().map(|(days, logs)| (days, named(logs))).collect()
    }
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
}
