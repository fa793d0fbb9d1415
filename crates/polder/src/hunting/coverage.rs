// SPDX-License-Identifier: Apache-2.0
//! What the logs of a hunt can tell of, and what not: the other half of 'nothing was found'.

use std::collections::{BTreeMap, BTreeSet};

use hunt::event::{SourceKind, kinds_shown};
use hunt::history::{File, SeriesKinds, day_of_time};
use hunt::report::{CannotShow, Day, FileFacts, Gap, GapReason, SourceCoverage, Summary};
use hunt::run::FileReport;
use model::observable::ObservableKind;
use model::time::Timestamp;

use crate::failure::Failure;
use crate::history::Opened;
use crate::node::now;

use super::lost::{Log, Lost, with_broken};
use super::{STOPPED, counted};

/// Logs that are named where their kind could not be told.
const NAMED_MAX: usize = 5;

/// Takes the days of a log in, for each kind of log that its lines are of.
pub fn add_days(summary: &mut Summary, report: &FileReport) {
    if !report.days.is_empty() {
        for kind in report.kinds.each() {
            let days = report.days.iter().filter_map(|day| Day::try_from(*day).ok());
            summary.days.entry(kind).or_default().extend(days);
        }
    }
}

/// Takes in of which days there are lines in the logs of a register.
pub fn add_recorded(summary: &mut Summary, files: &[File]) {
    for file in files.iter().filter(|file| file.recorded != Timestamp::EPOCH && !file.days.is_empty()) {
        for kind in file.kinds.each() {
            let days = file.days.iter().flat_map(|(first, last)| *first..=*last);
            summary.days.entry(kind).or_default().extend(days.filter_map(|day| Day::try_from(day).ok()));
        }
    }
}

/// Fills in which days there are of which kind of log, and which kinds of values none of them shows.
pub fn fill(summary: &mut Summary) {
    // Nobody knows what kinds of logs those are that the hunt did not come to.
    let unreached = summary.files.iter().any(is_unreached);
    let why = if unreached { GapReason::NotReached } else { GapReason::NeverHad };
    let quiet = quiet(summary);
    let all: Vec<Log<'_>> = summary.files.iter().map(Log::of_facts).collect();
    for (kind, days) in &summary.days {
        let days: Vec<Day> = days.iter().copied().collect();
        // Of logs whose kind could not be told nobody knows of which days there should be any.
        let is_known = *kind != SourceKind::Unknown;
        let of_kind = summary.files.iter().filter(|file| file.kinds.has(*kind)).map(Log::of_facts).collect();
        let lost = Lost::of(&with_broken(of_kind, &all));
        let gaps = gaps(&days).filter(|_| is_known).flat_map(|gap| left_of(gap, quiet.get(kind)));
        let gaps = gaps.flat_map(|(from, to)| {
            let days = u32::try_from(from).ok().zip(u32::try_from(to).ok());
            days.map_or(Vec::new(), |days| reasons(&lost, days, why))
        });
        let (name, gaps) = (kind.name().to_owned(), gaps.collect());
        let source = SourceCoverage { name, kind: *kind, days, gaps, ..SourceCoverage::default() };
        summary.coverage.sources.push(source);
    }
    let unknown: Vec<&str> = summary
        .files
        .iter()
        .filter(|file| file.kind == SourceKind::Unknown && file.lines > 0)
        .map(|file| file.path.rsplit('/').next().unwrap_or(&file.path))
        .collect();
    let judged = summary.sought.rules > 0 || !summary.sought.detectors.is_empty();
    if judged && !unknown.is_empty() {
        let more = match unknown.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named: Vec<&str> = unknown.iter().take(NAMED_MAX).copied().collect();
        summary.coverage.cannot_show.push(CannotShow {
            what: format!("what rules and detectors look for, in {}{more}", named.join(", ")),
            why: "what kind of log this is could not be told, so it was searched for indicators only"
                .to_owned(),
        });
    }
    let kinds: BTreeSet<SourceKind> = summary.days.keys().copied().collect();
    let unknown = kinds.contains(&SourceKind::Unknown);
    for (kind, count) in &summary.sought.indicators {
        let shown = kinds.iter().any(|source| shows(*source, *kind));
        if !shown && !unknown && !kinds.is_empty() {
            summary.coverage.cannot_show.push(CannotShow {
                what: format!("{} ({})", kind.name(), counted(*count, "indicator")),
                why: format!("none of these logs shows such a value; {} would", showing(*kind)),
            });
        }
    }
}

/// A network is shown where its addresses are.
fn shows(source: SourceKind, kind: ObservableKind) -> bool {
    let kind = if kind == ObservableKind::Cidr { ObservableKind::Ip } else { kind };
    kinds_shown(source).contains(&kind)
}

/// Kinds of logs that show a kind of value.
fn showing(kind: ObservableKind) -> String {
    let all = SourceKind::ALL.iter().filter(|(source, _)| shows(*source, kind));
    let names: Vec<&str> = all.map(|(_, name)| *name).collect();
    if names.is_empty() { "no kind of log".to_owned() } else { names.join(", ") }
}

/// Stretches without days between the first and the last.
fn gaps(days: &[Day]) -> impl Iterator<Item = (Day, Day)> + '_ {
    days.iter().zip(days.iter().skip(1)).filter(|(a, b)| **b > **a + 1).map(|(a, b)| (a + 1, b - 1))
}

/// Whether the hunt was stopped before it came to a log, or to its end.
fn is_unreached(file: &FileFacts) -> bool {
    file.state == hunt::report::FileState::NotRead(STOPPED.to_owned())
}

/// Adds what a node declared to have, and has not.
pub fn declared(history: &Opened<'_>, summary: &mut Summary) -> Result<(), Failure> {
    let (declared, files) = (history.history().declared()?, history.history().files()?);
    let today = day_of_time(now()).unwrap_or(0);
    for source in declared {
        let (missing, _) = source.gaps(&files, today);
        let ours: Vec<&File> = files.iter().filter(|file| source.is_of(&file.path)).collect();
        let days: BTreeSet<u32> =
            ours.iter().flat_map(|file| &file.days).flat_map(|(a, b)| *a..=*b).collect();
        let unreached = summary.files.iter().any(|file| is_unreached(file) && source.is_of(&file.path));
        let why = if unreached { GapReason::NotReached } else { GapReason::NeverHad };
        let logs: Vec<Log<'_>> = ours.iter().map(|file| Log::of_register(file)).collect();
        let lost = Lost::of(&logs);
        let gaps: Vec<Gap> = missing.into_iter().flat_map(|gap| reasons(&lost, gap, why)).collect();
        let is_missed = |day: &Day| gaps.iter().any(|gap| (gap.from..=gap.to).contains(day));
        summary.coverage.sources.push(SourceCoverage {
            name: source.name.clone(),
            kind: source.source,
            declared: Some(format!("every {}", source.cadence.name())),
            days: days
                .into_iter()
                .filter_map(|day| Day::try_from(day).ok())
                .filter(|day| !is_missed(day))
                .collect(),
            gaps,
            expected_from: source.expected_from(today).and_then(|day| Day::try_from(day).ok()),
        });
    }
    Ok(())
}

/// A gap cut where the reason changes; `why` is that of what is in no log.
fn reasons(lost: &Lost<'_>, gap: (u32, u32), why: GapReason) -> Vec<Gap> {
    let parts = lost.parts(gap).into_iter().filter_map(|((from, to), files)| {
        let why = if files.is_empty() { why } else { GapReason::NotReadable };
        Some(Gap { from: Day::try_from(from).ok()?, to: Day::try_from(to).ok()?, why, files })
    });
    parts.collect()
}

/// By kind of log: days of which logs of the same source were read that have no line of this kind. Nothing of it happened
/// on them, which is no gap.
fn quiet(summary: &Summary) -> BTreeMap<SourceKind, BTreeSet<Day>> {
    let mut series = SeriesKinds::default();
    summary.files.iter().for_each(|file| series.add(&file.path, file.kinds));
    let mut quiet: BTreeMap<SourceKind, BTreeSet<Day>> = BTreeMap::new();
    for file in &summary.files {
        let day = |time: Option<Timestamp>| Day::try_from(day_of_time(time?)?).ok();
        let Some((first, last)) = day(file.first).zip(day(file.last)) else { continue };
        // Days between them of which there is no line of it are a gap all the same.
        let days: BTreeSet<Day> = summary
            .days
            .iter()
            .filter(|(kind, _)| file.kinds.of_log(file.kind).has(**kind))
            .flat_map(|(_, days)| days.range(first.min(last)..=last).copied())
            .collect();
        for kind in series.lacking(&file.path, file.kinds) {
            quiet.entry(kind).or_default().extend(&days);
        }
    }
    quiet
}

/// The stretches of days that are left of a gap where these are taken out.
fn left_of((from, to): (Day, Day), days: Option<&BTreeSet<Day>>) -> Vec<(Day, Day)> {
    let mut left: Vec<(Day, Day)> = Vec::new();
    let mut begin = from;
    for day in days.into_iter().flat_map(|days| days.range(from..=to)) {
        if *day > begin {
            left.push((begin, *day - 1));
        }
        begin = *day + 1;
    }
    if begin <= to {
        left.push((begin, to));
    }
    left
}

#[cfg(test)]
mod tests {
    use hunt::event::SourceKinds;
    use hunt::time::TimesTold;

    use super::*;

    /// The logs that a stopped hunt did not come to were called "never had".
    #[test]
    fn a_stopped_hunt_does_not_say_what_was_never_had() {
        let mut summary = Summary::new(Timestamp::EPOCH);
        summary.days.insert(SourceKind::Dns, [1, 2, 5].into());
        for (state, why) in [
            (hunt::report::FileState::Whole, GapReason::NeverHad),
            (hunt::report::FileState::NotRead(STOPPED.to_owned()), GapReason::NotReached),
        ] {
            summary.coverage.sources.clear();
            summary.files = vec![FileFacts {
                path: "dns.log".to_owned(),
                bytes: 0,
                sha256: None,
                lines: 0,
                unread: Vec::new(),
                times: TimesTold::default(),
                first: None,
                last: None,
                kind: SourceKind::Dns,
                kinds: SourceKinds::default().of_log(SourceKind::Dns),
                format: None,
                by_record: false,
                state,
            }];
            fill(&mut summary);
            assert_eq!(summary.coverage.sources[0].gaps, [Gap { from: 3, to: 4, why, files: Vec::new() }]);
        }
    }
}
