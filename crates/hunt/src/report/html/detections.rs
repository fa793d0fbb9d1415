// SPDX-License-Identifier: Apache-2.0
//! The detections: what repeats is one entry. On a screen the rest of it is folded in; paper has the first and the latest,
//! and says where the others are.

use maud::{Markup, html};

use super::more;
use super::text::{code, log_line, outside, screen_line};
use crate::detection::{Detection, Evidence};
use crate::limits::{REPORT_DETECTIONS_MAX, REPORT_EVIDENCE_MAX, REPORT_ROWS_MAX};
use crate::report::except;
use crate::report::fold::{Repeated, named_in, repeated};
use crate::report::summary::Summary;
use crate::report::words::{counted, grouped, kind_name, second_or_dash};

/// The detections, worst first, each with all that a person needs to believe or reject it.
pub(super) fn detections(summary: &Summary) -> Markup {
    let all = repeated(summary);
    let shown = all.get(..all.len().min(REPORT_DETECTIONS_MAX)).unwrap_or_default();
    let told: u64 = shown.iter().map(Repeated::count).sum();
    html! {
        @if summary.detection_count() > 0 {
            section aria-labelledby="detections" {
                h2 #detections { "Detections" }
                p.soft {
                    "What rules and detectors say of the events, worst first, with what would show that it is nothing."
                    @if told > shown.len() as u64 {
                        " What repeats is one entry: " (counted(told, "detection")) " in " (grouped(shown.len() as u64)) "."
                    }
                }
                ol.plain {
                    @for (nth, repeated) in shown.iter().enumerate() {
                        (entry(summary, repeated, nth.checked_sub(1).and_then(|before| shown.get(before))))
                    }
                }
                (more(summary.detection_count(), usize::try_from(told).unwrap_or(usize::MAX), "detection"))
            }
        }
    }
}

/// An entry. What it says as the entry before it does is not printed a second time.
fn entry(summary: &Summary, repeated: &Repeated<'_>, before: Option<&Repeated<'_>>) -> Markup {
    let one = repeated.one;
    let level = one.level.name();
    let before = before.map(|before| before.one).filter(|before| before.id == one.id);
    html! {
        li class={ "card " (level) } {
            h3 { span class={ "level " (level) } { (level) } (outside(&one.title)) }
            dl.facts {
                @if !one.about.is_empty() { dt { "About" } dd { (about(one)) } }
                dt { "When" }
                dd {
                    (second_or_dash(one.first)) " to " (second_or_dash(repeated.last())) ", "
                    (counted(repeated.lines(), "line")) ", " (kind_name(one.source))
                }
                @if let Some(latest) = repeated.latest() {
                    dt { "Repeated" }
                    dd {
                        (repeated.times()) "; the latest at " (second_or_dash(latest.first))
                        @if latest.title != one.title { ": " (outside(&latest.title)) }
                    }
                }
                (fact("Threshold", &one.threshold, before.map(|before| before.threshold.as_str())))
                (fact("Usual here", &one.baseline, before.map(|before| before.baseline.as_str())))
                (fact("Nothing, if", &one.disproof, before.map(|before| before.disproof.as_str())))
                (fact("Do", &one.advice, before.map(|before| before.advice.as_str())))
                @if !one.techniques.is_empty() {
                    dt.again[before.is_some()] { "ATT&CK" }
                    dd.again[before.is_some()] { (one.techniques.join(", ")) }
                }
                dt.again[before.is_some()] { "By" }
                dd.again[before.is_some()] {
                    (code(&one.id)) @if !one.credit.is_empty() { " · " (outside(&one.credit)) }
                }
                @if before.is_some() { dt.print { "Else" } dd.print { "as the entry before" } }
                @if let Some(command) = except::command(summary, repeated) {
                    dt { "If it is known" }
                    dd { "make an exception, with why and until when: " (code(&command.join(" "))) }
                }
            }
            (evidence(summary, one, repeated.latest().is_some()))
            @if let Some(latest) = repeated.latest() { (latest_and_rest(summary, repeated, latest)) }
        }
    }
}

fn fact(name: &str, text: &str, before: Option<&str>) -> Markup {
    let again = before == Some(text);
    html! { @if !text.is_empty() { dt.again[again] { (name) } dd.again[again] { (outside(text)) } } }
}

fn about(detection: &Detection) -> Markup {
    let most = REPORT_EVIDENCE_MAX * 2;
    html! {
        @for (nth, (kind, value)) in detection.about.iter().take(most).enumerate() {
            @if nth > 0 { ", " } span.soft { (kind) } " " (code(value))
        }
        @if detection.about.len() > most { " and " (detection.about.len() - most) " more" }
    }
}

/// Lines that a detection rests on: some on a screen, one on paper.
fn evidence(summary: &Summary, detection: &Detection, is_first: bool) -> Markup {
    let shown = detection.evidence.len().min(REPORT_EVIDENCE_MAX);
    let of = detection.count.max(shown as u64);
    html! {
        @if shown > 0 {
            p.small.soft.near.screen {
                @if is_first { "Evidence of the first, " } @else { "Evidence, " }
                (counted(shown as u64, "line")) " of " (grouped(of))
            }
        }
        @for (nth, line) in detection.evidence.iter().take(shown).enumerate() {
            @if nth == 0 { (evidence_line(summary, detection, line, log_line)) }
            @else { div.screen { (evidence_line(summary, detection, line, screen_line)) } }
        }
    }
}

fn evidence_line(
    summary: &Summary,
    detection: &Detection,
    line: &Evidence,
    print: fn(&str, &str) -> Markup,
) -> Markup {
    html! {
        p.small.soft.near {
            (second_or_dash(line.time)) " · " (outside(&line.file)) ", " (summary.number_word(&line.file)) " " (grouped(line.place.line))
        }
        (print(&line.text, named_in(detection, &line.text)))
    }
}

/// The evidence of the latest, and all between it and the first.
fn latest_and_rest(summary: &Summary, repeated: &Repeated<'_>, latest: &Detection) -> Markup {
    let between = repeated.others.get(..repeated.others.len().saturating_sub(1)).unwrap_or_default();
    html! {
        @if let Some(line) = latest.evidence.first() {
            p.small.soft.near.screen { "Evidence of the latest, 1 line of " (grouped(latest.count.max(1))) }
            (evidence_line(summary, latest, line, log_line))
        }
        @if !between.is_empty() {
            details.rest {
                summary.small { (grouped(between.len() as u64)) " more between the first and the latest" }
                ol.plain { @for one in between.iter().take(REPORT_ROWS_MAX) { (between_row(summary, one, repeated.one)) } }
                (more(between.len() as u64, between.len().min(REPORT_ROWS_MAX), "detection"))
            }
            p.small.soft.near.print {
                (grouped(between.len() as u64)) " more between the first and the latest are not printed; "
                code { "--format json" } " and " code { "--format csv" } " hold them all."
            }
        }
    }
}

fn between_row(summary: &Summary, one: &Detection, first: &Detection) -> Markup {
    html! {
        li.small.near {
            (second_or_dash(one.first)) " to " (second_or_dash(one.last)) ", " (counted(one.count, "line"))
            @if one.title != first.title { ": " (outside(&one.title)) }
            @if let Some(line) = one.evidence.first() {
                span.soft { " · " (outside(&line.file)) ", " (summary.number_word(&line.file)) " " (grouped(line.place.line)) }
                (screen_line(&line.text, named_in(one, &line.text)))
            }
        }
    }
}
