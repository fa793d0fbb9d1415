// SPDX-License-Identifier: Apache-2.0
//! The tables of findings.

use maud::{Markup, html};
use model::time::Timestamp;

use super::more;
use super::text::{code, log_line, outside};
use crate::limits::{REPORT_FINDINGS_MAX, REPORT_ROWS_MAX};
use crate::report::advice::advice;
use crate::report::group;
use crate::report::summary::{Hit, Summary};
use crate::report::table::{RECORDED_BEFORE, new_first};
use crate::report::words::{counted, grouped, kind_name, second, second_or_dash};

/// Values named in one row.
const VALUES_MAX: usize = 5;

/// Hits by indicator.
pub(super) fn by_indicator(summary: &Summary) -> Markup {
    let groups = group::by_indicator(summary);
    html! {
        @if !groups.is_empty() {
            section aria-labelledby="indicators" {
                h2 #indicators { "Findings by indicator" }
                div.scroll {
                    table.stack {
                        caption { "What was seen of which indicator, most first." }
                        thead { tr {
                            th scope="col" { "Indicator" } th scope="col" { "Seen" } th.n scope="col" { "Findings" }
                            th.n scope="col" { "Hosts" } th scope="col" { "First and last" } th scope="col" { "Author, marking" }
                        } }
                        tbody { @for row in groups.iter().take(REPORT_ROWS_MAX) { (indicator_row(summary, row)) } }
                    }
                }
                (more(groups.len() as u64, groups.len().min(REPORT_ROWS_MAX), "indicator"))
            }
        }
    }
}

fn indicator_row(summary: &Summary, row: &group::ByIndicator<'_>) -> Markup {
    let facts = summary.facts(row.indicator);
    html! {
        tr {
            th.name scope="row" {
                @if facts.name.is_empty() { (code(row.indicator)) } @else { (outside(&facts.name)) }
            }
            td.seen {
                span.soft.small { (row.kind.name()) } " "
                @for (nth, value) in row.values.iter().take(VALUES_MAX).enumerate() {
                    @if nth > 0 { ", " } (code(value))
                }
                @if row.values.len() > VALUES_MAX { " and " (row.values.len() - VALUES_MAX) " more" }
            }
            td.n data-name="Findings" { (grouped(row.count)) }
            @if row.hosts.is_empty() { td.n.none { "–" } } @else { td.n data-name="Hosts" { (row.hosts.len()) } }
            (span(row.first, row.last))
            td.more {
                @if !facts.author.is_empty() { (outside(&facts.author)) br; }
                span.small.soft { (facts.marking.to_string()) }
            }
        }
    }
}

/// Hits by host.
pub(super) fn by_host(summary: &Summary) -> Markup {
    let groups = group::by_host(summary);
    html! {
        @if groups.iter().any(|group| group.host.is_some()) {
            section aria-labelledby="hosts" {
                h2 #hosts { "By host" }
                div.scroll {
                    table.stack {
                        caption { "Own hosts that findings and detections are about, worst first." }
                        thead { tr {
                            th scope="col" { "Host" } th.n scope="col" { "Findings" } th.n scope="col" { "Detections" }
                            th scope="col" { "Worst detection" } th scope="col" { "Seen" } th scope="col" { "First and last" }
                        } }
                        tbody { @for row in groups.iter().take(REPORT_ROWS_MAX) { (host_row(row)) } }
                    }
                }
                (more(groups.len() as u64, groups.len().min(REPORT_ROWS_MAX), "host"))
            }
        }
    }
}

fn host_row(row: &group::ByHost<'_>) -> Markup {
    html! {
        tr {
            th.name scope="row" {
                @match row.host { Some(host) => (outside(host)), None => span.soft { "not told by the line" } }
            }
            td.n data-name="Findings" { (grouped(row.findings)) }
            td.n data-name="Detections" { (grouped(row.detections)) }
            @if let Some(level) = row.level {
                td { span class={ "level " (level.name()) } { (level.name()) } }
            } @else { td.none { "–" } }
            td.seen {
                @for (nth, value) in row.values.iter().take(VALUES_MAX).enumerate() {
                    @if nth > 0 { ", " } (code(value))
                }
                @if row.values.len() > VALUES_MAX { " and " (row.values.len() - VALUES_MAX) " more" }
            }
            (span(row.first, row.last))
        }
    }
}

/// First and last time in one cell.
fn span(first: Option<Timestamp>, last: Option<Timestamp>) -> Markup {
    html! {
        td.t data-name="First and last" {
            (second_or_dash(first)) @if last != first { br; (second_or_dash(last)) }
        }
    }
}

/// The findings in full, as many as fit.
pub(super) fn findings(summary: &Summary) -> Markup {
    let shown = summary.hits.len().min(REPORT_FINDINGS_MAX);
    html! {
        @if summary.hit_count() > 0 {
            section aria-labelledby="findings" {
                h2 #findings { "Findings" }
                p.soft {
                    @if (shown as u64) < summary.hit_count() {
                        "The first " (grouped(shown as u64)) " of " (counted(summary.hit_count(), "finding")) ". "
                    }
                    "Each is a value of an indicator in a line of a log; the value is marked in the line."
                }
                ol.plain { @for hit in new_first(&summary.hits).take(shown) { (finding(summary, hit)) } }
                (more(summary.hit_count(), shown, "finding"))
            }
        }
    }
}

fn finding(summary: &Summary, hit: &Hit) -> Markup {
    let Hit { finding, host, account, source, kept, known, was } = hit;
    let facts = summary.facts(&finding.indicator);
    html! {
        li.card {
            h3 {
                span.soft { (finding.kind.name()) } " " (code(&finding.value))
                @if !facts.name.is_empty() { " · " (outside(&facts.name)) }
            }
            p.small.soft {
                @if let Some(time) = finding.time { (second(time)) } @else { "no time told" } " · "
                @if let Some(host) = host { "host " (outside(host)) " · " }
                @if let Some(account) = account { "account " (outside(account)) " · " }
                (outside(&finding.file)) @if let Some(was) = was { " (was " (outside(was)) ")" } ", " (summary.number_word(&finding.file)) " " (grouped(finding.line)) ", byte " (grouped(finding.offset))
                " · " (kind_name(*source)) " · " (facts.marking.to_string())
                @if !kept.is_empty() { " · kept: " (outside(kept)) }
                @if *known == Some(true) { " · " (RECORDED_BEFORE) }
            }
            (log_line(&finding.text, &finding.value))
            @if finding.lossy || finding.clipped {
                p.small.soft {
                    @if finding.lossy { "Bytes that are no UTF-8 are shown as \u{fffd}. " }
                    @if finding.clipped { "The line is longer than what was kept of it." }
                }
            }
        }
    }
}

/// What to do about each kind of value that was found, each once.
pub(super) fn advice_by_kind(summary: &Summary) -> Vec<(&'static str, &'static str)> {
    let mut seen = Vec::new();
    for hit in &summary.hits {
        let text = advice(hit.finding.kind);
        if !seen.iter().any(|(_, known)| *known == text) {
            seen.push((hit.finding.kind.name(), text));
        }
    }
    seen
}
