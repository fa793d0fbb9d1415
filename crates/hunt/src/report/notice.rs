// SPDX-License-Identifier: Apache-2.0
//! What people are told at once: that something was found, where, and what to do. No line of a log is in it.

use std::fmt::Write as _;

use model::id::hex;
use model::marking::{Marking, Tlp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::advice::advice;
use super::group::{by_indicator, by_level, named_by};
use super::summary::{Hit, IndicatorFacts, Summary};
use super::table::{basis, verdict};
use super::words::{second, second_or_dash, shortened, visible};
use crate::detection::{Detection, Level, Means};
use crate::limits::{NOTICE_BYTES_MAX, NOTICE_FINDINGS_MAX};

/// Longest name, value or path in a notice, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// Whether an indicator's name, value and author stay on the node: RED is for persons by name, and of an unknown
/// marking nobody knows who may see it. Mail and webhooks reach whoever reads them.
fn is_withheld(facts: &IndicatorFacts) -> bool {
    !facts.shipped && (facts.marking.unknown || facts.marking.tlp == Some(Tlp::Red))
}

/// The marking of the indicator whose pattern a detection is of, where that one stays on the node.
fn withheld_pattern(summary: &Summary, detection: &Detection) -> Option<Marking> {
    if detection.means != Means::Pattern {
        return None;
    }
    let facts = summary.facts(&detection.id);
    is_withheld(&facts).then_some(facts.marking)
}

/// A notice, for whatever way it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about: the same findings and detections have the same key, whenever they are told.
    pub key: String,
    /// One line, for a subject.
    pub subject: String,
    /// The text of a mail.
    pub text: String,
    /// The body of a webhook.
    pub json: Value,
}

/// The notice of a summary, or nothing where nothing was found. Detections below `level_min` are none of it.
/// It carries its label, is at most [`NOTICE_BYTES_MAX`] long, and holds no line of a log: neither a password
/// that a line may hold nor a link that somebody might click (values are written as `evil[.]example`).
pub fn notice(summary: &Summary, level_min: Level) -> Option<Notice> {
    let detections: Vec<&Detection> =
        by_level(summary).into_iter().filter(|detection| detection.level >= level_min).collect();
    if summary.hit_count() == 0 && detections.is_empty() {
        return None;
    }
    let label = summary.label().name();
    let worst = match detections.first() {
        Some(first) => format!("{}: ", first.level.name()),
        None => String::new(),
    };
    let organisation = match summary.organisation.as_str() {
        "" => String::new(),
        name => format!(" for {}", shown(name)),
    };
    Some(Notice {
        key: key(summary, &detections),
        subject: format!("[{label}] {worst}{}{organisation}", verdict(summary).to_lowercase()),
        text: text(summary, &detections, label),
        json: body(summary, &detections, label),
    })
}

/// The findings and detections, without when the report was made.
fn key(summary: &Summary, detections: &[&Detection]) -> String {
    let mut hash = Sha256::new();
    let mut lines: Vec<String> = summary
        .hits
        .iter()
        .map(|Hit { finding: f, .. }| format!("f\n{}\n{}\n{}\n{}", f.file, f.offset, f.indicator, f.value))
        .collect();
    lines.extend(
        detections.iter().map(|d| format!("d\n{}\n{:?}\n{:?}\n{:?}", d.id, d.first, d.last, d.about)),
    );
    lines.sort_unstable();
    lines.iter().for_each(|line| hash.update(format!("{}\n{line}", line.len())));
    hash.update(format!("{} {}", summary.more_hits, summary.more_detections));
    hex(&hash.finalize())
}

fn text(summary: &Summary, detections: &[&Detection], label: &str) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{label}\n\n{}.\n{}", verdict(summary), basis(summary));
    if !detections.is_empty() {
        let _ = writeln!(out, "\nDETECTIONS");
    }
    for detection in detections.iter().take(NOTICE_FINDINGS_MAX) {
        if let Some(marking) = withheld_pattern(summary, detection) {
            let _ =
                writeln!(out, "\n* {}: the pattern of an indicator marked {marking}", detection.level.name());
            let _ = writeln!(out, "  {} lines; the report on the node names it", detection.count);
            continue;
        }
        let about: Vec<String> =
            detection.about.iter().take(5).map(|(kind, value)| format!("{kind} {}", shown(value))).collect();
        let _ = writeln!(out, "\n* {}: {}", detection.level.name(), shown(&detection.title));
        let _ = writeln!(out, "  when: {}  about: {}", second_or_dash(detection.first), about.join(", "));
        let _ = writeln!(out, "  do: {}", shown(&detection.advice));
        let _ = writeln!(out, "  nothing if: {}", shown(&detection.disproof));
    }
    more(&mut out, detections.len(), "detections");
    let groups = by_indicator(summary);
    if !groups.is_empty() {
        let _ = writeln!(out, "\nFINDINGS");
    }
    for group in groups.iter().take(NOTICE_FINDINGS_MAX) {
        let facts = summary.facts(group.indicator);
        if is_withheld(&facts) {
            let _ = writeln!(out, "\n* {}: an indicator marked {}", group.kind.name(), facts.marking);
            let _ = writeln!(out, "  {} times; the report on the node names it", group.count);
            continue;
        }
        let name = if facts.name.is_empty() { group.indicator } else { &facts.name };
        let value = group.values.first().copied().unwrap_or_default();
        let _ = writeln!(out, "\n* {} {}: {}", group.kind.name(), defanged(value), shown(name));
        let _ = writeln!(
            out,
            "  {} times, {} to {}, {}",
            group.count,
            second_or_dash(group.first),
            second_or_dash(group.last),
            facts.marking
        );
        let _ = writeln!(out, "  do: {}", advice(group.kind));
    }
    more(&mut out, groups.len(), "indicators");
    for (what, kind) in [("ACCOUNTS", "account"), ("HOSTS", "host")] {
        // Whom a withheld indicator was found with would tell of it.
        let hits = summary.hits.iter().filter(|hit| !is_withheld(&summary.facts(&hit.finding.indicator)));
        let open = by_level(summary).into_iter().filter(|one| withheld_pattern(summary, one).is_none());
        let names = named_by(hits, open, kind, Level::Medium);
        if !names.is_empty() {
            let shown: Vec<String> =
                names.iter().take(NOTICE_FINDINGS_MAX).map(|one| self::shown(one.name)).collect();
            let _ = writeln!(out, "\n{what} TO LOOK AT: {}", shown.join(", "));
            more(&mut out, names.len(), "names");
        }
    }
    let _ = writeln!(
        out,
        "\nMade by Polder at {} UTC. Times are UTC. The lines of the logs are in the report on the node.\n{label}",
        second(summary.made)
    );
    cut(out)
}

fn body(summary: &Summary, detections: &[&Detection], label: &str) -> Value {
    let findings: Vec<Value> = by_indicator(summary)
        .iter()
        .take(NOTICE_FINDINGS_MAX)
        .map(|group| {
            let facts = summary.facts(group.indicator);
            if is_withheld(&facts) {
                return json!({
                    "indicator": null, "name": null, "author": null, "marking": facts.marking.to_string(),
                    "kind": group.kind.name(), "values": [], "count": group.count, "hosts": [],
                    "first": null, "last": null, "advice": advice(group.kind),
                });
            }
            json!({
                "indicator": shown(group.indicator), "name": shown(&facts.name), "author": shown(&facts.author),
                "marking": facts.marking.to_string(), "kind": group.kind.name(),
                "values": group.values.iter().take(5).map(|value| shown(value)).collect::<Vec<_>>(),
                "count": group.count,
                "hosts": group.hosts.iter().take(5).map(|host| shown(host)).collect::<Vec<_>>(),
                "first": group.first.map(|time| time.to_string()), "last": group.last.map(|time| time.to_string()),
                "advice": advice(group.kind),
            })
        })
        .collect();
    let told: Vec<Value> = detections
        .iter()
        .take(NOTICE_FINDINGS_MAX)
        .map(|detection| {
            if let Some(marking) = withheld_pattern(summary, detection) {
                return json!({
                    "id": null, "title": format!("the pattern of an indicator marked {marking}"),
                    "level": detection.level.name(), "about": [], "first": null, "last": null,
                    "count": detection.count, "techniques": [], "advice": shown(&detection.advice),
                    "disproof": shown(&detection.disproof),
                });
            }
            json!({
                "id": shown(&detection.id), "title": shown(&detection.title), "level": detection.level.name(),
                "about": detection.about.iter().take(5)
                    .map(|(kind, value)| json!({ "kind": kind, "value": shown(value) })).collect::<Vec<_>>(),
                "first": detection.first.map(|time| time.to_string()),
                "last": detection.last.map(|time| time.to_string()),
                "count": detection.count, "techniques": detection.techniques.iter().take(10).collect::<Vec<_>>(),
                "advice": shown(&detection.advice), "disproof": shown(&detection.disproof),
            })
        })
        .collect();
    let mut body = json!({
        "v": 1,
        "type": "hunt-notice",
        "made": summary.made.to_string(),
        "organisation": shown(&summary.organisation),
        "label": label,
        "verdict": verdict(summary),
        "findings_in_all": summary.hit_count(),
        "detections_in_all": summary.detection_count(),
        "partial": summary.is_partial(),
        "findings": findings,
        "detections": told,
    });
    // The counts say how much there is; what does not fit is left out from the end.
    for list in ["findings", "detections"] {
        while body.to_string().len() > NOTICE_BYTES_MAX {
            let rows = body.get_mut(list).and_then(Value::as_array_mut);
            if rows.is_none_or(|rows| rows.pop().is_none()) {
                break;
            }
        }
    }
    body
}

/// `evil[.]example`: a mail program makes no link of it.
fn defanged(value: &str) -> String {
    shown(value).replace('.', "[.]").replace("://", "[://]")
}

/// The text of a mail with its values as they are.
pub(super) fn fanged(text: &str) -> String {
    text.replace("[.]", ".").replace("[://]", "://")
}

fn shown(text: &str) -> String {
    shortened(&visible(text), TEXT_CHARS_MAX).into_owned()
}

fn more(out: &mut String, total: usize, what: &str) {
    if total > NOTICE_FINDINGS_MAX {
        let _ = writeln!(out, "\nand {} more {what}; the report names them", total - NOTICE_FINDINGS_MAX);
    }
}

/// At most [`NOTICE_BYTES_MAX`] bytes, whole characters, and said where something is missing.
fn cut(text: String) -> String {
    const MARK: &str = "\n[cut here; the report has all of it]\n";
    if text.len() <= NOTICE_BYTES_MAX {
        return text;
    }
    let end = text.floor_char_boundary(NOTICE_BYTES_MAX - MARK.len());
    format!("{}{MARK}", text.get(..end).unwrap_or_default())
}
