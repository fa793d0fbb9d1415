// SPDX-License-Identifier: Apache-2.0
//! What the logs of a hunt can tell of, and what not: the other half of 'nothing was found'.

use std::collections::BTreeSet;

use hunt::event::{SourceKind, kinds_shown};
use hunt::history::{File, FileState, day_of_time};
use hunt::report::{CannotShow, Day, FileFacts, Gap, GapReason, SourceCoverage, Summary};
use hunt::run::FileReport;
use model::observable::ObservableKind;
use model::time::Timestamp;

use crate::failure::Failure;
use crate::history::Opened;
use crate::node::now;

use super::{STOPPED, counted};

/// Logs that are named where their kind could not be told.
const NAMED_MAX: usize = 5;

/// Takes the days of a log in.
pub fn add_days(summary: &mut Summary, report: &FileReport) {
    if !report.days.is_empty() {
        let days = report.days.iter().filter_map(|day| Day::try_from(*day).ok());
        summary.days.entry(report.class.kind).or_default().extend(days);
    }
}

/// Takes in of which days there are lines in the logs of a register.
pub fn add_recorded(summary: &mut Summary, files: &[File]) {
    for file in files.iter().filter(|file| file.recorded != Timestamp::EPOCH && !file.days.is_empty()) {
        let days = file.days.iter().flat_map(|(first, last)| *first..=*last);
        summary.days.entry(file.source).or_default().extend(days.filter_map(|day| Day::try_from(day).ok()));
    }
}

/// Fills in which days there are of which kind of log, and which kinds of values none of them shows.
pub fn fill(summary: &mut Summary) {
    // Nobody knows what kinds of logs those are that the hunt did not come to.
    let unreached = summary.files.iter().any(is_unreached);
    let why = if unreached { GapReason::NotReached } else { GapReason::NeverHad };
    for (kind, days) in &summary.days {
        let days: Vec<Day> = days.iter().copied().collect();
        // Of logs whose kind could not be told nobody knows of which days there should be any.
        let is_known = *kind != SourceKind::Unknown;
        let gaps = gaps(&days).filter(|_| is_known).map(|(from, to)| Gap { from, to, why }).collect();
        let name = kind.name().to_owned();
        summary.coverage.sources.push(SourceCoverage { name, kind: *kind, declared: None, days, gaps });
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
        let lost = Lost::of(&ours);
        let gaps = missing.into_iter().flat_map(|gap| {
            lost.parts(gap).into_iter().filter_map(|((from, to), is_lost)| {
                let why = match (is_lost, unreached) {
                    (true, _) => GapReason::NotReadable,
                    (false, true) => GapReason::NotReached,
                    (false, false) => GapReason::NeverHad,
                };
                Some(Gap { from: Day::try_from(from).ok()?, to: Day::try_from(to).ok()?, why })
            })
        });
        let gaps: Vec<Gap> = gaps.collect();
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
        });
    }
    Ok(())
}

/// Days that may lie in what could not be read of a source's logs. How many days a log holds is known from those of the
/// source that were read whole: one that breaks off goes on for no more.
#[derive(Default)]
struct Lost {
    days: BTreeSet<u32>,
    /// Longest gap that logs of which nothing is known may explain: no line of theirs tells a day.
    undated: u32,
}

impl Lost {
    fn of(files: &[&File]) -> Lost {
        let span = |file: &File| Some((file.days.first()?.0, file.days.last()?.1));
        let whole = files.iter().filter(|file| !is_broken(file)).filter_map(|file| span(file));
        let length = whole.map(|(first, last)| last - first + 1).max().unwrap_or(1);
        let mut lost = Lost::default();
        for file in files.iter().filter(|file| is_broken(file)) {
            match span(file) {
                Some((first, last)) => lost.days.extend(last..=first.saturating_add(length - 1)),
                None => lost.undated = lost.undated.saturating_add(length),
            }
        }
        lost
    }

    /// A gap cut where the reason changes, and whether it is this.
    fn parts(&self, (from, to): (u32, u32)) -> Vec<((u32, u32), bool)> {
        let all = to - from < self.undated;
        let mut parts: Vec<((u32, u32), bool)> = Vec::new();
        for day in from..=to {
            let is_lost = all || self.days.contains(&day);
            match parts.last_mut() {
                Some(((_, last), was_lost)) if *was_lost == is_lost => *last = day,
                _ => parts.push(((day, day), is_lost)),
            }
        }
        parts
    }
}

/// Whether part of a log could not be read. Lines that were read and are in no known form are another matter.
fn is_broken(file: &File) -> bool {
    match file.state {
        FileState::Done => false,
        FileState::Partial => !file.fault.is_empty() || file.unread_lines == 0,
        FileState::Again | FileState::Failed | FileState::Running => true,
    }
}

#[cfg(test)]
mod tests {
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
                format: None,
                by_record: false,
                state,
            }];
            fill(&mut summary);
            assert_eq!(summary.coverage.sources[0].gaps, [Gap { from: 3, to: 4, why }]);
        }
    }

    /// One damaged log made all gaps of its source "there, but not readable".
    #[test]
    fn a_damaged_log_explains_no_more_days_than_a_log_holds() {
        let lost = Lost { days: [5, 6].into(), undated: 0 };
        assert_eq!(lost.parts((2, 3)), [((2, 3), false)]);
        assert_eq!(lost.parts((6, 9)), [((6, 6), true), ((7, 9), false)]);
        let undated = Lost { days: BTreeSet::new(), undated: 2 };
        assert_eq!(undated.parts((2, 3)), [((2, 3), true)]);
        assert_eq!(undated.parts((2, 4)), [((2, 4), false)]);
    }
}
