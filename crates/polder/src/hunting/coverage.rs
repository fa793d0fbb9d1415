// SPDX-License-Identifier: Apache-2.0
//! What the logs of a hunt can tell of, and what not: the other half of 'nothing was found'.

use std::collections::{BTreeMap, BTreeSet};

use hunt::event::{SourceKind, kinds_shown};
use hunt::history::{File, FileState, day_of_time};
use hunt::report::{CannotShow, Day, Gap, GapReason, SourceCoverage, Summary};
use hunt::run::FileReport;
use model::observable::ObservableKind;

use crate::failure::Failure;
use crate::history::Opened;
use crate::node::now;

/// Days of which there are lines, by kind of log; and of logs that are there and could not be read.
#[derive(Default)]
pub struct Days(BTreeMap<SourceKind, (BTreeSet<Day>, BTreeSet<Day>)>);

impl Days {
    /// Takes a log in: the days from its first line to its last, without its longest silence.
    pub fn add(&mut self, report: &FileReport) {
        let day = |time| day_of_time(time).and_then(|day| Day::try_from(day).ok());
        let (Some(first), Some(last)) = (report.first_time.and_then(day), report.last_time.and_then(day))
        else {
            return;
        };
        let silent = report.timeline.gap.and_then(|(from, to)| Some((day(from)?, day(to)?)));
        let is_silent = |day: &Day| silent.is_some_and(|(from, to)| *day > from && *day < to);
        let (days, _) = self.0.entry(report.class.kind).or_default();
        days.extend((first..=last).filter(|day| !is_silent(day)));
    }
}

/// Fills in which days there are of which kind of log, and which kinds of values none of them shows.
pub fn fill(summary: &mut Summary, days: &Days) {
    for (kind, (days, _)) in &days.0 {
        let days: Vec<Day> = days.iter().copied().collect();
        let gaps = gaps(&days).map(|(from, to)| Gap { from, to, why: GapReason::NeverHad }).collect();
        let name = kind.name().to_owned();
        summary.coverage.sources.push(SourceCoverage { name, kind: *kind, declared: None, days, gaps });
    }
    let kinds: BTreeSet<SourceKind> = days.0.keys().copied().collect();
    let unknown = kinds.contains(&SourceKind::Unknown);
    for (kind, count) in &summary.sought.indicators {
        let shown = kinds.iter().any(|source| shows(*source, *kind));
        if !shown && !unknown && !kinds.is_empty() {
            summary.coverage.cannot_show.push(CannotShow {
                what: format!("{} ({count} indicators)", kind.name()),
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

/// Adds what a node declared to have, and has not.
pub fn declared(history: &Opened<'_>, summary: &mut Summary) -> Result<(), Failure> {
    let (declared, files) = (history.history().declared()?, history.history().files()?);
    let today = day_of_time(now()).unwrap_or(0);
    for source in declared {
        let (missing, _) = source.gaps(&files, today);
        let ours: Vec<&File> = files.iter().filter(|file| source.is_of(&file.path)).collect();
        let mut days: BTreeSet<Day> = BTreeSet::new();
        for file in &ours {
            if let (Some(first), Some(last)) =
                (file.first.and_then(day_of_time), file.last.and_then(day_of_time))
            {
                days.extend((first..=last).filter_map(|day| Day::try_from(day).ok()));
            }
        }
        let broken = ours.iter().any(|file| file.state != FileState::Done);
        let gap = |(from, to): (u32, u32)| {
            let (from, to) = (Day::try_from(from).ok()?, Day::try_from(to).ok()?);
            let why = if broken { GapReason::NotReadable } else { GapReason::NeverHad };
            days.retain(|day| !(from..=to).contains(day));
            Some(Gap { from, to, why })
        };
        let gaps: Vec<Gap> = missing.into_iter().filter_map(gap).collect();
        summary.coverage.sources.push(SourceCoverage {
            name: source.name.clone(),
            kind: source.source,
            declared: Some(format!("every {}", source.cadence.name())),
            days: days.into_iter().collect(),
            gaps,
        });
    }
    Ok(())
}
