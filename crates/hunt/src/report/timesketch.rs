// SPDX-License-Identifier: Apache-2.0
//! JSON lines for Timesketch: `message`, `datetime` and `timestamp_desc` are what it asks of a line
//! (its guide "Import from JSON or CSV"); the other members become fields to search in.

use std::io::{self, Write};

use model::time::Timestamp;
use serde_json::{Value, json};

use super::advice::title;
use super::lines::json_line;
use super::summary::{Hit, Summary};
use super::words::kind_name;
use crate::detection::Detection;

/// Writes findings and detections as Timesketch JSON lines. What has no time has no place on a timeline and
/// is left out; answers how many were.
pub fn timesketch(summary: &Summary, out: &mut dyn Write) -> io::Result<u64> {
    let mut timeless = summary.more_hits + summary.more_detections;
    for hit in &summary.hits {
        match hit.finding.time {
            Some(time) => json_line(&finding(summary, hit, time), out)?,
            None => timeless += 1,
        }
    }
    for detection in &summary.detections {
        let ends =
            [(detection.first, "First line of a detection"), (detection.last, "Last line of a detection")];
        if detection.first.is_none() {
            timeless += 1;
        }
        // One line suffices where both ends are one moment.
        let ends = ends.iter().take(if detection.first == detection.last { 1 } else { 2 });
        for (time, what) in ends {
            if let Some(time) = time {
                json_line(&self::detection(summary, detection, *time, what), out)?;
            }
        }
    }
    Ok(timeless)
}

/// ISO 8601 with an offset, as the guide's examples have it.
fn datetime(time: Timestamp) -> String {
    let text = time.to_string();
    format!("{}+00:00", text.trim_end_matches('Z'))
}

fn finding(summary: &Summary, hit: &Hit, time: Timestamp) -> Value {
    let finding = &hit.finding;
    let facts = summary.facts(&finding.indicator);
    json!({
        "message": format!("{}: {}", title(hit, &facts.name), finding.text),
        "datetime": datetime(time),
        "timestamp": time.micros(),
        "timestamp_desc": "Indicator seen in a log",
        "data_type": "polder:finding",
        "source": kind_name(hit.source),
        "hostname": hit.host,
        "username": hit.account,
        "observable_kind": finding.kind.name(),
        "observable": finding.value,
        "indicator": finding.indicator,
        "indicator_name": facts.name,
        "indicator_author": facts.author,
        "marking": facts.marking.to_string(),
        "filename": finding.file,
        "line": finding.line,
        "tag": ["polder-finding"],
    })
}

fn detection(summary: &Summary, detection: &Detection, time: Timestamp, what: &str) -> Value {
    let about = |kind: &str| super::group::about(detection, kind).collect::<Vec<_>>().join(", ");
    json!({
        "message": format!("{}: {}", detection.level.name(), detection.title),
        "datetime": datetime(time),
        "timestamp": time.micros(),
        "timestamp_desc": what,
        "data_type": "polder:detection",
        "source": kind_name(detection.source),
        "hostname": about("host"),
        "username": about("account"),
        "level": detection.level.name(),
        "rule": detection.id,
        "credit": detection.credit,
        "marking": summary.marking_of(detection).to_string(),
        "techniques": detection.techniques,
        "count": detection.count,
        "threshold": detection.threshold,
        "baseline": detection.baseline,
        "disproof": detection.disproof,
        "advice": detection.advice,
        "tag": ["polder-detection", detection.level.name()],
    })
}
