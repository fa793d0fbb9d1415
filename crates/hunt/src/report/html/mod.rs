// SPDX-License-Identifier: Apache-2.0
//! One page of HTML that opens from disk: no script, nothing loaded, all text escaped.

mod charts;
mod detections;
mod sections;
mod style;
mod tables;
mod text;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::group::timeline;
use super::summary::Summary;
use super::table::{basis, dismissed, known, verdict};
use super::words::{counted, grouped, second};

pub(super) use style::STYLE;
pub(super) use text::{code, outside};

/// What the page may load: nothing, and no style but its own. Whatever a log smuggles in would have to get
/// past this, too.
fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

/// The report as one HTML page. It is bounded: at most
/// [`REPORT_FINDINGS_MAX`](crate::limits::REPORT_FINDINGS_MAX) findings and
/// [`REPORT_DETECTIONS_MAX`](crate::limits::REPORT_DETECTIONS_MAX) detections are shown in full, the others
/// are counted, and the page says so.
pub fn html(summary: &Summary) -> String {
    let title = format!("Hunt report, {}", second(summary.made).get(..10).unwrap_or_default());
    let body = html! {
        header {
            (top("Polder · hunt report", summary))
            h1 { (verdict(summary)) }
            p.lead { (basis(summary)) }
            @for said in [known(summary), dismissed(summary)].into_iter().flatten() { p.lead { (said) } }
            @if summary.stopped {
                p.lead { "The hunt was stopped before all was read." }
            }
            (figures(summary))
            (contents(summary))
        }
        main {
            (sections::first(summary))
            @if let Some(time) = timeline(summary) {
                section aria-labelledby="timeline" { h2 #timeline { "When" } (charts::timeline(&time)) }
            }
            (tables::by_indicator(summary))
            (tables::by_host(summary))
            (tables::findings(summary))
            (detections::detections(summary))
            (sections::coverage(summary))
            (sections::not_readable(summary))
            (sections::sought(summary))
        }
        footer {
            p {
                "Made by Polder " (env!("CARGO_PKG_VERSION")) " at " (second(summary.made)) " UTC. All times are UTC. "
                "The report holds lines of own logs: it is for the own organisation, and goes no further than its label."
            }
        }
    };
    document("en", &title, &body)
}

/// A whole document around a body.
pub(super) fn document(language: &str, title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang=(language) {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

/// The line above the title: what it is, whose, and who may see it.
fn top(what: &str, summary: &Summary) -> Markup {
    html! {
        div.top {
            span {
                (what)
                @if !summary.organisation.is_empty() { " · " (outside(&summary.organisation)) }
                " · " (second(summary.made)) " UTC"
            }
            span.label { (summary.label().name()) }
        }
    }
}

fn figures(summary: &Summary) -> Markup {
    let figure = |value: u64, one: &str, many: &str, alarm: bool| {
        html! {
            div.alarm[alarm && value > 0] { dt { @if value == 1 { (one) } @else { (many) } } dd { (grouped(value)) } }
        }
    };
    let days: std::collections::BTreeSet<_> =
        summary.coverage.sources.iter().flat_map(|source| &source.days).collect();
    html! {
        dl.figures {
            (figure(summary.hit_count(), "finding", "findings", true))
            (figure(summary.detection_count(), "detection", "detections", true))
            (figure(summary.files.len() as u64, "file", "files", false))
            (figure(summary.lines(), "line", "lines", false))
            (figure(days.len() as u64, "day with a log", "days with a log", false))
            (figure(summary.unread_lines(), "unread line", "unread lines", false))
        }
    }
}

fn contents(summary: &Summary) -> Markup {
    let detections = summary.detection_count() > 0;
    let findings = summary.hit_count() > 0;
    let links: [(&str, &str, bool); 8] = [
        ("first", "What to do", findings || detections),
        ("timeline", "When", timeline(summary).is_some()),
        ("indicators", "By indicator", findings),
        ("findings", "Findings", findings),
        ("detections", "Detections", detections),
        ("coverage", "What was looked at", true),
        ("unread", "What could not be read", true),
        ("sought", "What was looked for", true),
    ];
    html! {
        nav aria-label="Contents" {
            @for (id, name, shown) in links { @if shown { a href=(format!("#{id}")) { (name) } } }
        }
    }
}

/// `and 12 more findings, …`, where a table ends before its data.
fn more(total: u64, shown: usize, noun: &str) -> Markup {
    let left = total.saturating_sub(shown as u64);
    html! {
        @if left > 0 {
            p.small.soft { "And " (counted(left, noun)) " more, counted above and not shown here; the JSON lines and the CSV hold what was kept of them." }
        }
    }
}
