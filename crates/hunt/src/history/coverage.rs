// SPDX-License-Identifier: Apache-2.0
//! What an answer rests on. 'Never seen' means nothing without it: which logs could have shown the value, of
//! which days they are, what is missing, what could not be read, and what retention took away.

use std::collections::{BTreeMap, BTreeSet};

use model::observable::ObservableKind;
use model::time::Timestamp;

use super::base::History;
use super::declared::{self, Declared};
use super::error::HistoryError;
use super::format::RunHead;
use super::month::day_of_time;
use super::observed::Keep;
use super::register::{self, File, FileState};
use super::retain::{self, Dropped};
use super::runs;
use super::series::SeriesKinds;
use super::settings;
use crate::event::{SourceKind, kinds_shown};
use crate::limits::SOURCES_MAX;

/// The scan since which JA4 are kept.
const FINGERPRINTS_SINCE: i64 = 2;

/// What the history rests on, for one kind of value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Files of which something counts.
    pub files: u64,
    /// Files that were damaged or not read to their end.
    pub partial_files: u64,
    /// Lines, the unread ones among them.
    pub lines: u64,
    /// Lines that could not be read.
    pub unread_lines: u64,
    /// Earliest time of a line.
    pub first: Option<Timestamp>,
    /// Latest time of a line.
    pub last: Option<Timestamp>,
    /// Whether values of the kind are kept from now on.
    pub is_kept: bool,
    /// Since when they are no longer kept; nothing where they are, never were, or nobody knows.
    pub unkept_since: Option<Timestamp>,
    /// Files that were recorded while they were not kept: of such values the history knows none of them.
    pub unkept_files: u64,
    /// Whether the value is one that is kept only where its place in a line tells what it is
    /// ([`is_kept_by_place`](super::is_kept_by_place)). For who asks about a value to say.
    pub is_kept_by_place: bool,
    /// Files that an earlier program read, which did not keep such values at all.
    pub older_files: u64,
    /// Kinds of logs that can show such a value.
    pub shows: Vec<SourceCoverage>,
    /// Kinds of logs that cannot: that it is not in them says nothing.
    pub cannot_show: Vec<SourceCoverage>,
    /// Logs of which nobody knows what they tell about; they were searched as text.
    pub unknown: Option<SourceCoverage>,
    /// Declared sources that could show it, and what of them is missing.
    pub missing: Vec<Missing>,
    /// Files that are not, or not wholly, in the answer; at most [`SOURCES_MAX`].
    pub unread: Vec<UnreadFile>,
    /// Files beyond these.
    pub more_unread: u64,
    /// What retention took away of the kind: it was there.
    pub dropped: Vec<Dropped>,
    /// Months and kinds of logs whose runs are damaged, with the number of files that are to be hunted again.
    pub damaged: Vec<(RunHead, u64)>,
    /// Runs that lie in folders of other processes of this node: they were not asked.
    pub elsewhere: u64,
    /// Logs whose values were counted by another zone than their times are told by now, with both: first, last and days of
    /// a value may be off by what lies between them.
    pub other_zones: Vec<OtherZone>,
    /// When the value was erased last, at somebody's wish.
    pub forgotten: Option<Timestamp>,
    /// Of a wide question (a network, a name with all below it): how many values of the kind were erased, of which any
    /// may be one that was asked for.
    pub forgotten_others: u64,
}

/// Logs that lack a zone, were hunted by one and then by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherZone {
    /// The zone by which their values were counted.
    pub counted: String,
    /// The zone by which their times are told.
    pub read: String,
    /// How many they are.
    pub files: u64,
}

/// What there is of one kind of log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCoverage {
    /// Kind of log.
    pub source: SourceKind,
    /// Files with lines of this kind; they may have lines of others, too.
    pub files: u64,
    /// Days since 1970 that have lines: stretches, first and last day.
    pub days: Vec<(u32, u32)>,
    /// Days of which logs of the same name were read, numbers in it aside, without a line of this kind: days on which
    /// nothing of it happened, rather than days without a log.
    pub quiet: BTreeSet<u32>,
}

impl SourceCoverage {
    /// How many days have lines.
    pub fn day_count(&self) -> u64 {
        self.days.iter().map(|(first, last)| u64::from(last - first) + 1).sum()
    }

    /// Days between the first and the last of which no log was read.
    pub fn gaps(&self) -> impl Iterator<Item = (u32, u32)> {
        let between = self.days.iter().zip(self.days.iter().skip(1));
        between.flat_map(|((_, last), (first, _))| without(&self.quiet, last + 1, first - 1))
    }
}

/// A declared source, and the days of which it has nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The declaration.
    pub declared: Declared,
    /// Files that were hunted of it.
    pub files: u64,
    /// Stretches without lines, first and last day.
    pub gaps: Vec<(u32, u32)>,
}

/// A file that is not wholly in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadFile {
    /// Its path.
    pub path: String,
    /// How far the work on it has come.
    pub state: FileState,
    /// Lines that could not be read, by reason.
    pub unread: String,
    /// What went wrong.
    pub fault: String,
}

impl Coverage {
    /// Whether the value may have been there without being seen: 'never' is then not the whole answer.
    pub fn has_holes(&self) -> bool {
        !self.is_kept
            || self.is_kept_by_place
            || self.older_files > 0
            || self.unkept_files > 0
            || !self.unread.is_empty()
            || !self.missing.is_empty()
            || !self.dropped.is_empty()
            || !self.damaged.is_empty()
            || self.elsewhere > 0
            || self.forgotten.is_some()
            || self.forgotten_others > 0
    }
}

impl History<'_> {
    /// What an answer about a kind of value rests on, as of `now`.
    pub fn coverage(
        &self,
        kind: ObservableKind,
        keep: &Keep,
        now: Timestamp,
    ) -> Result<Coverage, HistoryError> {
        // A network is shown where its addresses are.
        let kind = if kind == ObservableKind::Cidr { ObservableKind::Ip } else { kind };
        let folder = self.folder.id();
        let is_kept = keep.kinds.has(kind);
        let (mut older_files, mut unkept) = (0, Vec::new());
        let (files, sources, dropped, aside, elsewhere) = self.read(|read| {
            let files = register::files(read)?;
            if kind == ObservableKind::Ja4 {
                older_files = register::files_before(read, FINGERPRINTS_SINCE)?;
            }
            unkept = settings::unkept(read, kind, is_kept)?;
            let (sources, dropped) = (declared::declared(read)?, retain::dropped(read)?);
            Ok((files, sources, dropped, runs::aside(read)?, runs::elsewhere(read, folder)?))
        })?;
        let since = unkept.last().filter(|(since, end)| end.is_none() && *since != Timestamp::EPOCH);
        let unkept_since = since.map(|(since, _)| *since);
        let mut coverage = Coverage { is_kept, unkept_since, elsewhere, older_files, ..Coverage::default() };
        coverage.unkept_files = recorded_within(&files, &unkept);
        coverage.add_files(&files);
        for source in by_source(&files) {
            if source.source == SourceKind::Unknown {
                coverage.unknown = Some(source);
            } else if kinds_shown(source.source).contains(&kind) {
                coverage.shows.push(source);
            } else {
                coverage.cannot_show.push(source);
            }
        }
        let today = day_of_time(now).unwrap_or(0);
        let could_show =
            |d: &Declared| d.source == SourceKind::Unknown || kinds_shown(d.source).contains(&kind);
        let missing = sources.into_iter().filter(could_show).filter_map(|declared| {
            let (gaps, files) = declared.gaps(&files, today);
            let is_missing = files == 0 && declared.expected_from(today).is_none();
            (is_missing || !gaps.is_empty()).then_some(Missing { declared, files, gaps })
        });
        coverage.missing = missing.collect();
        coverage.dropped = dropped.into_iter().filter(|class| class.kind == kind).collect();
        let damaged = aside.into_iter().filter(|run| run.kinds.has(kind));
        coverage.damaged = damaged.map(|run| (run.head, run.files.len() as u64)).collect();
        Ok(coverage)
    }
}

impl Coverage {
    fn add_files(&mut self, files: &[File]) {
        for file in files {
            if file.recorded != Timestamp::EPOCH {
                self.files += 1;
                self.partial_files += u64::from(file.state != FileState::Done);
                self.lines += file.lines;
                self.unread_lines += file.unread_lines;
                self.first = [self.first, file.first].into_iter().flatten().min();
                self.last = [self.last, file.last].into_iter().flatten().max();
            }
            if file.state != FileState::Done {
                let File { path, state, unread, fault, .. } = file.clone();
                self.unread.push(UnreadFile { path, state, unread, fault });
            }
        }
        let mut zones: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for file in files.iter().filter(|file| file.zone != file.counted_zone) {
            *zones.entry((&file.counted_zone, &file.zone)).or_default() += 1;
        }
        let other = |((counted, read), files): ((&str, &str), u64)| OtherZone {
            counted: counted.to_owned(),
            read: read.to_owned(),
            files,
        };
        self.other_zones = zones.into_iter().map(other).collect();
        self.unread.sort_by(|a, b| a.path.cmp(&b.path));
        self.more_unread = self.unread.len().saturating_sub(SOURCES_MAX) as u64;
        self.unread.truncate(SOURCES_MAX);
    }
}

/// The stretches of days that are left of one where these are taken out.
fn without(days: &BTreeSet<u32>, from: u32, to: u32) -> Vec<(u32, u32)> {
    let mut left: Vec<(u32, u32)> = Vec::new();
    let mut begin = from;
    for day in days.range(from..=to) {
        if *day > begin {
            left.push((begin, day - 1));
        }
        begin = day + 1;
    }
    if begin <= to {
        left.push((begin, to));
    }
    left
}

/// How many files were first recorded within stretches of time.
fn recorded_within(files: &[File], spans: &[(Timestamp, Option<Timestamp>)]) -> u64 {
    let is_within =
        |time: Timestamp| spans.iter().any(|(from, to)| *from <= time && to.is_none_or(|to| time < to));
    files.iter().filter(|file| file.recorded != Timestamp::EPOCH && is_within(file.recorded)).count() as u64
}

/// Files and days by kind of log: a log whose lines are of several counts for each.
fn by_source(files: &[File]) -> Vec<SourceCoverage> {
    let recorded = || files.iter().filter(|file| file.recorded != Timestamp::EPOCH);
    let mut all: BTreeMap<SourceKind, (u64, Vec<(u32, u32)>)> = BTreeMap::new();
    let mut series = SeriesKinds::default();
    for file in recorded() {
        series.add(&file.path, file.kinds);
        for kind in file.kinds.each() {
            let (count, days) = all.entry(kind).or_default();
            *count += 1;
            days.extend_from_slice(&file.days);
        }
    }
    let mut quiet: BTreeMap<SourceKind, BTreeSet<u32>> = BTreeMap::new();
    for file in recorded() {
        for kind in series.lacking(&file.path, file.kinds) {
            quiet.entry(kind).or_default().extend(file.days.iter().flat_map(|(first, last)| *first..=*last));
        }
    }
    let coverage = |(source, (files, mut days)): (SourceKind, (u64, Vec<(u32, u32)>))| {
        days.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::new();
        for (first, last) in days {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = (*end).max(last),
                _ => joined.push((first, last)),
            }
        }
        SourceCoverage { source, files, days: joined, quiet: quiet.remove(&source).unwrap_or_default() }
    };
    all.into_iter().map(coverage).collect()
}
