// SPDX-License-Identifier: Apache-2.0
//! What the logs of a hunt can tell of, and what not: the other half of 'nothing was found'.

use std::collections::BTreeSet;

use hunt::event::{SourceKind, kinds_shown};
use hunt::history::{File, FileState, day_of_time};
use hunt::report::{CannotShow, Day, Gap, GapReason, SourceCoverage, Summary};
use hunt::run::FileReport;
use model::observable::ObservableKind;

use crate::failure::Failure;
use crate::history::Opened;
use crate::node::now;

use super::counted;

/// Logs that are named where their kind could not be told.
const NAMED_MAX: usize = 5;

/// Takes the days of a log in.
pub fn add_days(summary: &mut Summary, report: &FileReport) {
    if !report.days.is_empty() {
        let days = report.days.iter().filter_map(|day| Day::try_from(*day).ok());
        summary.days.entry(report.class.kind).or_default().extend(days);
    }
}

/// Fills in which days there are of which kind of log, and which kinds of values none of them shows.
pub fn fill(summary: &mut Summary) {
    for (kind, days) in &summary.days {
        let days: Vec<Day> = days.iter().copied().collect();
        let gaps = gaps(&days).map(|(from, to)| Gap { from, to, why: GapReason::NeverHad }).collect();
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
