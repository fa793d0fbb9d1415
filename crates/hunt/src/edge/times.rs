// SPDX-License-Identifier: Apache-2.0
//! Programs that were changed long after their neighbours: firmware is written at one time, what came in
//! later was not part of it.

use model::time::Timestamp;

use super::known::{LATE_IN, LATE_PROGRAMS};
use super::{Entry, EntryKind, trace};
use crate::detection::{Detection, Level};

/// How long after the median a change is late: four weeks, in microseconds.
pub(crate) const LATE_MICROS: i64 = 2_419_200 * 1_000_000;

/// Fewest entries whose median says when a directory was written.
const ENTRIES_MIN: usize = 3;

/// Late entries of a directory, if it is one in which that means something.
pub(crate) fn late(directory: &str, entries: &[Entry]) -> Vec<Detection> {
    if !LATE_IN.contains(&directory) {
        return Vec::new();
    }
    let Some(median) = median(entries) else { return Vec::new() };
    let mut late = Vec::new();
    for entry in entries.iter().filter(|entry| entry.kind != EntryKind::Directory) {
        let Some(modified) = entry.modified else { continue };
        if modified.micros() - median <= LATE_MICROS {
            continue;
        }
        let path = format!("{directory}/{}", entry.name);
        late.push(detection(&path, modified, Timestamp::from_micros(median)));
    }
    late
}

fn detection(path: &str, modified: Timestamp, median: Timestamp) -> Detection {
    let named = LATE_PROGRAMS.contains(&path);
    let level = if named { Level::Medium } else { Level::Low };
    let days = (modified.micros() - median.micros()) / (86_400 * 1_000_000);
    let which = if named { "a program that the implant replaces" } else { "a file of the firmware" };
    Detection {
        title: format!("{path}, {which}, was changed {days} days after its neighbours"),
        threshold: "changed more than 2419200 seconds (4 weeks) after the median of its directory".to_owned(),
        baseline: format!("the median of the directory is {median}"),
        disproof: "the same file, by its SHA-256, in a clean image of the same firmware".to_owned(),
        ..trace("edge-late-change", level, &["T1554"], path, Some(modified))
    }
    .with_evidence(format!("{path}  changed {modified}"))
}

/// Median of the times of change, in microseconds; the mean of both in the middle.
fn median(entries: &[Entry]) -> Option<i64> {
    let mut times: Vec<i64> = entries.iter().filter_map(|entry| Some(entry.modified?.micros())).collect();
    if times.len() < ENTRIES_MIN {
        return None;
    }
    times.sort_unstable();
    let upper = *times.get(times.len() / 2)?;
    if times.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *times.get(times.len() / 2 - 1)?;
    Some(lower + (upper - lower) / 2)
}
