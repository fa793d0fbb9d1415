// SPDX-License-Identifier: Apache-2.0
//! JSON lines: everything that a summary holds, one object a line. `docs/report.md` has the members.

use std::io::{self, Write};

use model::id::hex;
use serde_json::{Value, json};

use super::advice::advice;
use super::summary::{FileFacts, FileState, Hit, SourceCoverage, Summary};
use super::words::{date, format_name, kind_name};
use crate::detection::{Detection, Means};

/// Version of the lines. Members are only ever added within a version.
pub const LINES_VERSION: u64 = 1;

/// Writes a summary as JSON lines. The first has the type `report`; the last has the type `end` and the
/// number of lines before it, so that a file which was cut off is noticed.
pub fn json_lines(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let mut lines = 0_u64;
    let mut say = |value: Value| {
        lines += 1;
        writeln!(out, "{value}")
    };
    say(head(summary))?;
    summary.hits.iter().try_for_each(|hit| say(finding_line(summary, hit)))?;
    summary.detections.iter().try_for_each(|detection| say(detection_line(summary, detection)))?;
    summary.files.iter().try_for_each(|facts| say(file(facts)))?;
    for (copy, of) in &summary.copies {
        say(json!({ "type": "copy", "file": copy, "of": of }))?;
    }
    summary.coverage.sources.iter().try_for_each(|facts| say(source(facts)))?;
    for cannot in &summary.coverage.cannot_show {
        say(json!({ "type": "cannot-show", "what": cannot.what, "why": cannot.why }))?;
    }
    for (why, count) in &summary.left_out {
        say(json!({ "type": "left-out", "why": why, "count": count }))?;
    }
    writeln!(out, "{}", json!({ "type": "end", "lines": lines }))
}

fn head(summary: &Summary) -> Value {
    let sought = &summary.sought;
    let kinds: serde_json::Map<String, Value> =
        sought.indicators.iter().map(|(kind, count)| (kind.name().to_owned(), json!(count))).collect();
    let period = summary.period();
    json!({
        "type": "report",
        "v": LINES_VERSION,
        "made": summary.made.to_string(),
        "organisation": summary.organisation,
        "label": summary.label().name(),
        "findings": summary.hit_count(),
        "more_findings": summary.more_hits,
        "known_findings": summary.known_hits(),
        "dismissed": summary.dismissed,
        "detections": summary.detection_count(),
        "more_detections": summary.more_detections,
        "files": summary.files.len(),
        "lines": summary.lines(),
        "unread_lines": summary.unread_lines(),
        "bytes": summary.bytes,
        "first": period.map(|(first, _)| first.to_string()),
        "last": period.map(|(_, last)| last.to_string()),
        "duration_ms": u64::try_from(summary.duration.as_millis()).unwrap_or(u64::MAX),
        "bytes_per_second": summary.rate(),
        "stopped": summary.stopped,
        "partial": summary.is_partial(),
        "sought": {
            "indicators": kinds,
            "origins": sought.origins,
            "patterns": sought.patterns,
            "rules": sought.rules,
            "rules_refused": sought.rules_refused.iter()
                .map(|(why, count)| json!({ "why": why, "count": count })).collect::<Vec<_>>(),
            "detectors": sought.detectors.iter()
                .map(|(name, what)| json!({ "name": name, "what": what })).collect::<Vec<_>>(),
            "notes": sought.notes,
        },
    })
}

/// A finding as a line of the report; `summary` knows its indicator.
pub fn finding_line(summary: &Summary, hit: &Hit) -> Value {
    let Hit { finding, host, account, source, kept, known, was } = hit;
    let facts = summary.facts_of(finding);
    let marking = summary.facts(&finding.indicator).marking;
    json!({
        "type": "finding",
        "file": finding.file,
        "line": finding.line,
        "offset": finding.offset,
        "time": finding.time.map(|time| time.to_string()),
        "kind": finding.kind.name(),
        "value": finding.value,
        "indicator": finding.indicator,
        "name": facts.map(|facts| facts.name.as_str()),
        "author": facts.map(|facts| facts.author.as_str()),
        "marking": marking.to_string(),
        "host": host,
        "account": account,
        "source": kind_name(*source),
        "kept": kept,
        "known": known,
        "was": was,
        "text": finding.text,
        "lossy": finding.lossy,
        "clipped": finding.clipped,
        "advice": advice(finding.kind),
    })
}

/// A detection as a line of the report; `summary` knows its indicator where it is of a pattern.
pub fn detection_line(summary: &Summary, detection: &Detection) -> Value {
    let evidence: Vec<Value> = detection
        .evidence
        .iter()
        .map(|line| {
            json!({
                "file": line.file, "line": line.place.line, "offset": line.place.offset,
                "time": line.time.map(|time| time.to_string()), "text": line.text,
            })
        })
        .collect();
    json!({
        "type": "detection",
        "means": means_name(detection.means),
        "id": detection.id,
        "title": detection.title,
        "level": detection.level.name(),
        "techniques": detection.techniques,
        "credit": detection.credit,
        "marking": summary.marking_of(detection).to_string(),
        "source": kind_name(detection.source),
        "about": detection.about.iter()
            .map(|(kind, value)| json!({ "kind": kind, "value": value })).collect::<Vec<_>>(),
        "first": detection.first.map(|time| time.to_string()),
        "last": detection.last.map(|time| time.to_string()),
        "count": detection.count,
        "evidence": evidence,
        "threshold": detection.threshold,
        "baseline": detection.baseline,
        "disproof": detection.disproof,
        "advice": detection.advice,
    })
}

/// What detected, as a word.
pub(super) fn means_name(means: Means) -> &'static str {
    match means {
        Means::Detector => "detector",
        Means::Pattern => "pattern",
        Means::Rule => "rule",
    }
}

fn file(facts: &FileFacts) -> Value {
    let (state, why) = match &facts.state {
        FileState::Damaged(why) => ("damaged", Some(why)),
        FileState::NotRead(why) => ("not-read", Some(why)),
        FileState::Whole => ("whole", None),
    };
    json!({
        "type": "file",
        "file": facts.path,
        "bytes": facts.bytes,
        "sha256": facts.sha256.map(|hash| hex(&hash)),
        "lines": facts.lines,
        "unread": facts.unread.iter()
            .map(|(why, count)| json!({ "why": why, "count": count })).collect::<Vec<_>>(),
        "times": {
            "asked": facts.times.asked,
            "untimed": facts.times.untimed,
            "set_apart": facts.times.set_apart,
        },
        "first": facts.first.map(|time| time.to_string()),
        "last": facts.last.map(|time| time.to_string()),
        "source": kind_name(facts.kind),
        "sources": facts.kinds.each().map(kind_name).collect::<Vec<_>>(),
        "format": facts.format.map(format_name),
        "numbers": if facts.by_record { "record" } else { "line" },
        "state": state,
        "why": why,
    })
}

fn source(facts: &SourceCoverage) -> Value {
    let gaps: Vec<Value> = facts
        .gaps
        .iter()
        .map(|gap| {
            json!({ "from": date(gap.from), "to": date(gap.to), "why": gap.why.name(), "files": gap.files })
        })
        .collect();
    json!({
        "type": "source",
        "name": facts.name,
        "kind": kind_name(facts.kind),
        "declared": facts.declared,
        "days": facts.days.len(),
        "first": facts.days.first().map(|day| date(*day)),
        "last": facts.days.last().map(|day| date(*day)),
        "gaps": gaps,
        "expected_from": facts.expected_from.map(date),
    })
}
