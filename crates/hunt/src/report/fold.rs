// SPDX-License-Identifier: Apache-2.0
//! What repeats, put together: detections that say the same of the same, gaps of one source, files with one fault.
//! Forms for people print these; forms for machines print each one.

use std::collections::{BTreeMap, BTreeSet};

use model::time::Timestamp;

use super::summary::{FileFacts, FileState, Gap, GapReason, SourceCoverage, Summary};
use super::words::{around, counted, day_of};
use crate::detection::{Detection, Level, Means};

/// Detections that say the same of the same: one rule, pattern or detector at one level, about the same accounts, hosts
/// and addresses, for the same reason.
#[derive(Clone, Debug)]
pub struct Repeated<'a> {
    /// The earliest.
    pub one: &'a Detection,
    /// The others, in the order of time.
    pub others: Vec<&'a Detection>,
}

/// Over how much time detections are spread: different days and weeks (from Monday) on which one began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Days, UTC.
    pub days: u64,
    /// Weeks.
    pub weeks: u64,
}

impl<'a> Repeated<'a> {
    /// How many detections it is.
    pub fn count(&self) -> u64 {
        self.others.len() as u64 + 1
    }

    /// The latest, where there is more than one.
    pub fn latest(&self) -> Option<&'a Detection> {
        self.others.last().copied()
    }

    /// All of them, in the order of time.
    pub fn all(&self) -> impl Iterator<Item = &'a Detection> {
        std::iter::once(self.one).chain(self.others.iter().copied())
    }

    /// Lines or attempts of all.
    pub fn lines(&self) -> u64 {
        self.all().map(|detection| detection.count).sum()
    }

    /// Time of the last line of all.
    pub fn last(&self) -> Option<Timestamp> {
        self.all().filter_map(|detection| detection.last).max()
    }

    /// Over how many days and weeks.
    pub fn spread(&self) -> Spread {
        let days: BTreeSet<_> = self.all().filter_map(|detection| detection.first).map(day_of).collect();
        // 1970-01-01 was a Thursday.
        let weeks: BTreeSet<_> = days.iter().map(|day| (i64::from(*day) + 3).div_euclid(7)).collect();
        Spread { days: days.len() as u64, weeks: weeks.len() as u64 }
    }

    /// `51 times on 51 days, in 51 weeks`.
    pub fn times(&self) -> String {
        let Spread { days, weeks } = self.spread();
        let times = counted(self.count(), "time");
        match days {
            0 => times,
            1 => format!("{times} on 1 day"),
            days => format!("{times} on {days} days, in {}", counted(weeks, "week")),
        }
    }
}

/// Detections with the worst first, what repeats put together. Within a level those of one rule stand together, the rule
/// that was first there first.
pub fn repeated(summary: &Summary) -> Vec<Repeated<'_>> {
    type Key<'a> = (Level, Means, &'a str, String, &'a [(&'static str, String)]);
    let mut sorted: Vec<&Detection> = summary.detections.iter().collect();
    sorted.sort_by_key(|detection| detection.first);
    let mut folded: BTreeMap<Key<'_>, Repeated<'_>> = BTreeMap::new();
    let mut begun: BTreeMap<(Level, &str), Option<Timestamp>> = BTreeMap::new();
    for detection in sorted {
        let Detection { level, means, id, title, about, first, .. } = detection;
        begun.entry((*level, id)).or_insert(*first);
        folded
            .entry((*level, *means, id, without_numbers(title), about))
            .and_modify(|same| same.others.push(detection))
            .or_insert(Repeated { one: detection, others: Vec::new() });
    }
    let mut all: Vec<_> = folded.into_values().collect();
    all.sort_by(|a, b| {
        let key = |repeated: &Repeated<'_>| {
            let Detection { level, id, first, .. } = repeated.one;
            (std::cmp::Reverse(*level), begun.get(&(*level, id.as_str())).copied().flatten(), *first)
        };
        let (one, other) = (key(a), key(b));
        (one.0, one.1, &a.one.id, one.2).cmp(&(other.0, other.1, &b.one.id, other.2))
    });
    all
}

/// A text with each number as `#`: what detectors and readers say alike of different days, counts and places.
fn without_numbers(text: &str) -> String {
    let mut alike = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' if alike.ends_with('#') => {}
            '0'..='9' => alike.push('#'),
            other => alike.push(other),
        }
    }
    alike
}

/// Of whom a detection is about what stands in a line of its evidence: the first that does, or nothing.
pub fn named_in<'a>(detection: &'a Detection, line: &str) -> &'a str {
    let mut values = detection.about.iter().map(|(_, value)| value.as_str());
    values.find(|value| !around(line, value, value.len()).matched.is_empty()).unwrap_or_default()
}

/// Logs that are named where a gap is told.
const GAP_FILES_MAX: usize = 5;

/// Gaps of one source for one reason.
#[derive(Clone, Debug)]
pub struct Gaps<'a> {
    /// The source.
    pub source: &'a SourceCoverage,
    /// Why there is nothing.
    pub why: GapReason,
    /// The gaps, as the source has them.
    pub gaps: Vec<&'a Gap>,
}

impl Gaps<'_> {
    /// Days in all.
    pub fn days(&self) -> u64 {
        let days = |gap: &&Gap| i64::from(gap.to) - i64::from(gap.from) + 1;
        u64::try_from(self.gaps.iter().map(days).sum::<i64>()).unwrap_or_default()
    }

    /// Why there is nothing, with the logs that may be of these days.
    pub fn words(&self) -> String {
        let mut files: Vec<String> = Vec::new();
        for file in self.gaps.iter().flat_map(|gap| &gap.files) {
            if files.len() < GAP_FILES_MAX && !files.contains(file) {
                files.push(file.clone());
            }
        }
        Gap { from: 0, to: 0, why: self.why, files }.words()
    }
}

/// The gaps of all sources.
pub fn gaps(summary: &Summary) -> Vec<Gaps<'_>> {
    let mut all: Vec<Gaps<'_>> = Vec::new();
    for source in &summary.coverage.sources {
        let from = all.len();
        for gap in &source.gaps {
            let of_source = all.get_mut(from..).unwrap_or_default();
            match of_source.iter_mut().find(|gaps| gaps.why == gap.why) {
                Some(gaps) => gaps.gaps.push(gap),
                None => all.push(Gaps { source, why: gap.why, gaps: vec![gap] }),
            }
        }
    }
    all
}

/// Files with one fault.
#[derive(Clone, Debug)]
pub struct Fault<'a> {
    /// The files.
    pub files: Vec<Faulty<'a>>,
}

/// A file with a fault.
#[derive(Clone, Debug)]
pub struct Faulty<'a> {
    /// The file.
    pub file: &'a FileFacts,
    /// What is wrong: in all files of a fault the same but for numbers.
    pub why: String,
    /// Lines that were not read for it; none where it is no fault of lines.
    pub unread: u64,
}

impl Fault<'_> {
    /// What is wrong, as the first file has it.
    pub fn why(&self) -> &str {
        self.files.first().map_or("", |one| one.why.as_str())
    }

    /// Whether what is wrong with the others has other numbers.
    pub fn differs(&self) -> bool {
        self.files.iter().any(|one| one.why != self.why())
    }

    /// Lines of these files.
    pub fn lines(&self) -> u64 {
        self.files.iter().map(|one| one.file.lines).sum()
    }

    /// Lines of these files that were not read for it.
    pub fn unread(&self) -> u64 {
        self.files.iter().map(|one| one.unread).sum()
    }
}

/// What is wrong with files, with their lines and with the times of these, each fault once.
pub fn faults(summary: &Summary) -> Vec<Fault<'_>> {
    let mut all: Vec<Fault<'_>> = Vec::new();
    let mut known: BTreeMap<(bool, String), usize> = BTreeMap::new();
    for file in &summary.files {
        let state = match &file.state {
            FileState::Damaged(why) => Some(format!("damaged, {why}")),
            FileState::NotRead(why) => Some(format!("not read, {why}")),
            FileState::Whole => file.is_empty().then(|| "empty, there is no line in it".to_owned()),
        };
        let state = state.map(|why| (why, 0));
        let odd = file.odd_times(summary.made).into_iter().map(|why| (why, 0));
        for (why, unread) in state.into_iter().chain(file.unread.iter().cloned()).chain(odd) {
            let nth = *known.entry((unread > 0, without_numbers(&why))).or_insert(all.len());
            if nth == all.len() {
                all.push(Fault { files: Vec::new() });
            }
            if let Some(fault) = all.get_mut(nth) {
                fault.files.push(Faulty { file, why, unread });
            }
        }
    }
    all
}
