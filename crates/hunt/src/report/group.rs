// SPDX-License-Identifier: Apache-2.0
//! Findings and detections put together: by indicator, by host, by time, and whom they are about.

use std::collections::{BTreeMap, BTreeSet};

use model::observable::ObservableKind;
use model::time::Timestamp;

use super::summary::{Hit, Summary};
use super::words::start_of;
use crate::detection::{Detection, Level};

/// All findings of one indicator.
#[derive(Clone, Debug)]
pub struct ByIndicator<'a> {
    /// The indicator: its STIX id, or the entry of a list.
    pub indicator: &'a str,
    /// Kind of what was seen.
    pub kind: ObservableKind,
    /// Values that were seen; of a domain with its subdomains these are several.
    pub values: BTreeSet<&'a str>,
    /// Hosts that the lines tell.
    pub hosts: BTreeSet<&'a str>,
    /// Files in which it was seen.
    pub files: BTreeSet<&'a str>,
    /// Findings.
    pub count: u64,
    /// Time of the first.
    pub first: Option<Timestamp>,
    /// Time of the last.
    pub last: Option<Timestamp>,
}

/// Findings by indicator, most first.
pub fn by_indicator(summary: &Summary) -> Vec<ByIndicator<'_>> {
    by_indicator_of(summary.hits.iter())
}

/// As [`by_indicator`], of these findings alone.
pub(super) fn by_indicator_of<'a>(hits: impl Iterator<Item = &'a Hit>) -> Vec<ByIndicator<'a>> {
    let mut groups: BTreeMap<&str, ByIndicator<'_>> = BTreeMap::new();
    for Hit { finding, host, .. } in hits {
        let group = groups.entry(&finding.indicator).or_insert_with(|| ByIndicator {
            indicator: &finding.indicator,
            kind: finding.kind,
            values: BTreeSet::new(),
            hosts: BTreeSet::new(),
            files: BTreeSet::new(),
            count: 0,
            first: None,
            last: None,
        });
        group.values.insert(&finding.value);
        group.hosts.extend(host.as_deref());
        group.files.insert(&finding.file);
        group.count += 1;
        group.first = earliest(group.first, finding.time);
        group.last = group.last.max(finding.time);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

/// All that was found on one host.
#[derive(Clone, Debug, Default)]
pub struct ByHost<'a> {
    /// The host; `None` for lines that tell none.
    pub host: Option<&'a str>,
    /// Findings.
    pub findings: u64,
    /// Detections about it.
    pub detections: u64,
    /// The highest level among the detections.
    pub level: Option<Level>,
    /// Values that were seen.
    pub values: BTreeSet<&'a str>,
    /// Time of the first.
    pub first: Option<Timestamp>,
    /// Time of the last.
    pub last: Option<Timestamp>,
}

/// Findings and detections by host, most first; the lines that tell no host come last.
pub fn by_host(summary: &Summary) -> Vec<ByHost<'_>> {
    let mut groups: BTreeMap<Option<&str>, ByHost<'_>> = BTreeMap::new();
    for hit in &summary.hits {
        let host = hit.host.as_deref();
        let group = groups.entry(host).or_insert_with(|| ByHost { host, ..ByHost::default() });
        group.findings += 1;
        group.values.insert(&hit.finding.value);
        group.first = earliest(group.first, hit.finding.time);
        group.last = group.last.max(hit.finding.time);
    }
    for detection in &summary.detections {
        for host in about(detection, "host") {
            let host = Some(host);
            let group = groups.entry(host).or_insert_with(|| ByHost { host, ..ByHost::default() });
            group.detections += 1;
            group.level = group.level.max(Some(detection.level));
            group.first = earliest(group.first, detection.first);
            group.last = group.last.max(detection.last);
        }
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|g| (g.host.is_none(), std::cmp::Reverse((g.level, g.findings + g.detections))));
    groups
}

/// Whom or what of one kind a detection is about.
pub fn about<'a>(detection: &'a Detection, kind: &'a str) -> impl Iterator<Item = &'a str> {
    detection.about.iter().filter(move |(of, _)| *of == kind).map(|(_, value)| value.as_str())
}

/// Detections with the worst first.
pub fn by_level(summary: &Summary) -> Vec<&Detection> {
    let mut all: Vec<&Detection> = summary.detections.iter().collect();
    all.sort_by_key(|detection| (std::cmp::Reverse(detection.level), detection.first));
    all
}

/// Why a person should look at an account or a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// Account or device.
    pub name: &'a str,
    /// The highest level of what is about it. A finding counts as high: an indicator is somebody's word that
    /// this is bad.
    pub level: Level,
    /// Findings.
    pub findings: u64,
    /// Titles of the detections about it, each once, worst first.
    pub titles: Vec<&'a str>,
    /// Techniques of ATT&CK that these detections name, each once, worst first.
    pub techniques: Vec<&'a str>,
}

/// The accounts (or with `host` the devices) that findings and detections of at least a level are about,
/// worst first.
pub fn named<'a>(summary: &'a Summary, kind: &'a str, level_min: Level) -> Vec<Named<'a>> {
    named_by(summary.hits.iter(), by_level(summary).into_iter(), kind, level_min)
}

/// As [`named`], of these findings and detections alone, the worst detection first.
pub(super) fn named_by<'a>(
    hits: impl Iterator<Item = &'a Hit>,
    detections: impl Iterator<Item = &'a Detection>,
    kind: &'a str,
    level_min: Level,
) -> Vec<Named<'a>> {
    let mut groups: BTreeMap<&str, Named<'_>> = BTreeMap::new();
    let fresh = |name| Named {
        name,
        level: Level::Informational,
        findings: 0,
        titles: Vec::new(),
        techniques: Vec::new(),
    };
    for detection in detections.filter(|detection| detection.level >= level_min) {
        for name in about(detection, kind) {
            let group = groups.entry(name).or_insert_with(|| fresh(name));
            group.level = group.level.max(detection.level);
            if !group.titles.contains(&detection.title.as_str()) {
                group.titles.push(&detection.title);
            }
            for technique in &detection.techniques {
                if !group.techniques.contains(&technique.as_str()) {
                    group.techniques.push(technique);
                }
            }
        }
    }
    for hit in hits {
        let name = if kind == "host" { &hit.host } else { &hit.account };
        if let Some(name) = name.as_deref() {
            let group = groups.entry(name).or_insert_with(|| fresh(name));
            group.level = group.level.max(Level::High);
            group.findings += 1;
        }
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|named| std::cmp::Reverse((named.level, named.titles.len(), named.findings)));
    groups
}

/// What happened in one span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Findings.
    pub findings: u64,
    /// Detections, at their first line.
    pub detections: u64,
}

/// Findings and detections over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Start of the first bucket.
    pub from: Timestamp,
    /// Length of a bucket in microseconds.
    pub step: i64,
    /// What a bucket is called: `hour`, `day`, `week`, `30 days`.
    pub step_name: &'static str,
    /// The buckets.
    pub buckets: Vec<Bucket>,
    /// Findings and detections without a time.
    pub timeless: u64,
}

/// Most bars that can be told apart on a page.
const BUCKETS_MAX: i64 = 120;
const HOUR: i64 = 3_600_000_000;
const STEPS: &[(i64, &str)] = &[
    (HOUR / 60, "minute"),
    (HOUR / 6, "10 minutes"),
    (HOUR, "hour"),
    (6 * HOUR, "6 hours"),
    (24 * HOUR, "day"),
    (7 * 24 * HOUR, "week"),
    (30 * 24 * HOUR, "30 days"),
    (360 * 24 * HOUR, "360 days"),
];

/// Findings and detections over time, in steps that fit a page; nothing where none has a time.
pub fn timeline(summary: &Summary) -> Option<Timeline> {
    let findings = || summary.hits.iter().map(|hit| hit.finding.time);
    let detections = || summary.detections.iter().map(|detection| detection.first);
    let times = || findings().chain(detections());
    let (first, last) = (times().flatten().min()?, times().flatten().max()?);
    let (step, step_name) = STEPS
        .iter()
        .copied()
        .find(|(step, _)| (last.micros() - first.micros()) / step < BUCKETS_MAX - 1)
        // Timestamps from the year 1 to 9999: wider than any log, and still bounded below.
        .unwrap_or((3_600 * 24 * HOUR, "3,600 days"));
    let from = first.micros().div_euclid(step) * step;
    let count = usize::try_from((last.micros() - from) / step + 1).unwrap_or(1);
    let mut buckets = vec![Bucket::default(); count.min(1_200)];
    let mut timeless = 0;
    let mut add = |time: Option<Timestamp>, to: fn(&mut Bucket) -> &mut u64| {
        let nth = time.and_then(|time| usize::try_from((time.micros() - from) / step).ok());
        match nth.and_then(|nth| buckets.get_mut(nth)) {
            Some(bucket) => *to(bucket) += 1,
            None => timeless += 1,
        }
    };
    findings().for_each(|time| add(time, |bucket| &mut bucket.findings));
    detections().for_each(|time| add(time, |bucket| &mut bucket.detections));
    let from = Timestamp::from_micros(from.max(start_of(i32::MIN).micros()));
    Some(Timeline { from, step, step_name, buckets, timeless })
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
