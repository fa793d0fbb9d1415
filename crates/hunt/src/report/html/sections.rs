// SPDX-License-Identifier: Apache-2.0
//! What to do, the detections, and what the report rests on.

use maud::{Markup, html};

use super::charts::calendar;
use super::more;
use super::tables::advice_by_kind;
use super::text::{code, log_line, outside};
use crate::detection::{Detection, Level};
use crate::limits::{REPORT_DETECTIONS_MAX, REPORT_EVIDENCE_MAX, REPORT_ROWS_MAX};
use crate::report::group::{Named, by_level, named};
use crate::report::kept::detection_id;
use crate::report::summary::{FileState, Summary};
use crate::report::words::{bytes, counted, counted_as, date, duration, grouped, kind_name, second_or_dash};

/// Accounts and hosts named in the first section.
const NAMED_MAX: usize = 12;

/// Accounts and hosts to look at, and how.
pub(super) fn first(summary: &Summary) -> Markup {
    let accounts = named(summary, "account", Level::Medium);
    let hosts = named(summary, "host", Level::Medium);
    let advice = advice_by_kind(summary);
    if accounts.is_empty() && hosts.is_empty() && advice.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="first" {
            h2 #first { "What to do" }
            div.quiet {
                div.two {
                    (names("Accounts to look at", &accounts))
                    (names("Hosts to look at", &hosts))
                }
                @if !advice.is_empty() {
                    h3 { "With what was found" }
                    ul { @for (kind, text) in &advice { li { b { (kind) } ": " (text) "." } } }
                }
            }
        }
    }
}

fn names(title: &str, all: &[Named<'_>]) -> Markup {
    html! {
        @if !all.is_empty() { div {
            h3 { (title) }
            ul {
                @for one in all.iter().take(NAMED_MAX) {
                    li {
                        b { (outside(one.name)) } " "
                        span class={ "level " (one.level.name()) } { (one.level.name()) }
                        @for (nth, title) in one.titles.iter().take(3).enumerate() {
                            @if nth > 0 { "; " } (outside(title))
                        }
                        @if one.findings > 0 {
                            @if !one.titles.is_empty() { "; " } (counted(one.findings, "finding"))
                        }
                    }
                }
                @if all.len() > NAMED_MAX { li.soft { "and " (all.len() - NAMED_MAX) " more, in the tables below" } }
            }
        } }
    }
}

/// The detections, worst first, each with all that a person needs to believe or reject it.
pub(super) fn detections(summary: &Summary) -> Markup {
    let all = by_level(summary);
    let shown = all.len().min(REPORT_DETECTIONS_MAX);
    html! {
        @if summary.detection_count() > 0 {
            section aria-labelledby="detections" {
                h2 #detections { "Detections" }
                p.soft { "What rules and detectors say of the events, worst first, with what would show that it is nothing." }
                ol.plain { @for detection in all.iter().take(shown) { (one(summary, detection)) } }
                (more(summary.detection_count(), shown, "detection"))
            }
        }
    }
}

fn one(summary: &Summary, detection: &Detection) -> Markup {
    let level = detection.level.name();
    let fact = |name: &str, text: &str| {
        html! { @if !text.is_empty() { dt { (name) } dd { (outside(text)) } } }
    };
    let shown = detection.evidence.len().min(REPORT_EVIDENCE_MAX);
    html! {
        li class={ "card " (level) } {
            h3 { span class={ "level " (level) } { (level) } (outside(&detection.title)) }
            dl.facts {
                @if !detection.about.is_empty() {
                    dt { "About" }
                    dd {
                        @for (nth, (kind, value)) in detection.about.iter().take(REPORT_EVIDENCE_MAX * 2).enumerate() {
                            @if nth > 0 { ", " } span.soft { (kind) } " " (code(value))
                        }
                        @if detection.about.len() > REPORT_EVIDENCE_MAX * 2 {
                            " and " (detection.about.len() - REPORT_EVIDENCE_MAX * 2) " more"
                        }
                    }
                }
                dt { "When" }
                dd {
                    (second_or_dash(detection.first)) " to " (second_or_dash(detection.last)) ", "
                    (counted(detection.count, "line")) ", " (kind_name(detection.source))
                }
                (fact("Threshold", &detection.threshold))
                (fact("Usual here", &detection.baseline))
                (fact("Nothing, if", &detection.disproof))
                (fact("Do", &detection.advice))
                @if !detection.techniques.is_empty() { dt { "ATT&CK" } dd { (detection.techniques.join(", ")) } }
                dt { "By" }
                dd { (code(&detection.id)) @if !detection.credit.is_empty() { " · " (outside(&detection.credit)) } }
                dt { "Id" }
                dd { (code(&detection_id(detection))) }
            }
            @if shown > 0 {
                p.small.soft.near {
                    "Evidence, " (counted(shown as u64, "line")) " of " (grouped(detection.count.max(shown as u64)))
                }
            }
            @for line in detection.evidence.iter().take(shown) {
                p.small.soft.near {
                    (second_or_dash(line.time)) " · " (outside(&line.file)) ", " (summary.number_word(&line.file)) " " (grouped(line.place.line))
                }
                (log_line(&line.text, ""))
            }
        }
    }
}

/// Sources by days, with gaps.
pub(super) fn coverage(summary: &Summary) -> Markup {
    let coverage = &summary.coverage;
    let (drawn, left_out) = calendar(coverage);
    let missing: Vec<_> = coverage.sources.iter().filter(|source| source.days.is_empty()).collect();
    let gaps: Vec<_> = coverage.sources.iter().flat_map(|s| s.gaps.iter().map(move |gap| (s, gap))).collect();
    html! {
        section aria-labelledby="coverage" {
            h2 #coverage { "What was looked at" }
            p {
                (counted(summary.files.len() as u64, "file")) ", " (counted(summary.lines(), "line")) ", " (bytes(summary.bytes))
                @if let Some(rate) = summary.rate() { ", read in " (duration(summary.duration)) " (" (bytes(rate)) " a second)" }
                ". What was not given is not in it."
            }
            @if !coverage.sources.is_empty() { (drawn) }
            @let by_record: Vec<&str> = summary.by_record().collect();
            @if !by_record.is_empty() {
                p.small.soft {
                    "Not written one event a line, so that numbers of lines in them are those of records: "
                    @for (nth, path) in by_record.iter().take(REPORT_ROWS_MAX).enumerate() { @if nth > 0 { ", " } (outside(path)) }
                    @if by_record.len() > REPORT_ROWS_MAX { " and " (counted((by_record.len() - REPORT_ROWS_MAX) as u64, "file")) " more" }
                    "."
                }
            }
            @if left_out > 0 { p.small.soft { "And " (counted(left_out as u64, "strip")) " more, not drawn." } }
            @if !missing.is_empty() || !coverage.cannot_show.is_empty() {
                h3.later { "What these logs cannot show" }
                ul {
                    @for source in missing.iter().take(REPORT_ROWS_MAX) {
                        li {
                            b { (outside(&source.name)) } ": no log of it was had"
                            @if let Some(cadence) = &source.declared { ", though it is expected " (outside(cadence)) }
                        }
                    }
                    @for cannot in coverage.cannot_show.iter().take(REPORT_ROWS_MAX) {
                        li { b { (outside(&cannot.what)) } ": " (outside(&cannot.why)) }
                    }
                }
            }
            @if !gaps.is_empty() {
                div.scroll {
                    table.stack {
                        caption { "Days without a log, by source." }
                        thead { tr {
                            th scope="col" { "Source" } th scope="col" { "From" } th scope="col" { "To" } th.n scope="col" { "Days" } th scope="col" { "Why" }
                        } }
                        tbody {
                            @for (source, gap) in gaps.iter().take(REPORT_ROWS_MAX) {
                                tr {
                                    th scope="row" { (outside(&source.name)) }
                                    td.t data-name="From" { (date(gap.from)) }
                                    td.t data-name="to" { (date(gap.to)) }
                                    td.n data-name="Days" { (i64::from(gap.to) - i64::from(gap.from) + 1) }
                                    td.more { (gap.why.words()) }
                                }
                            }
                        }
                    }
                }
                (more(gaps.len() as u64, gaps.len().min(REPORT_ROWS_MAX), "gap"))
            }
        }
    }
}

/// Files and lines that could not be read, and matches that were left out.
pub(super) fn not_readable(summary: &Summary) -> Markup {
    let bad: Vec<_> = summary
        .files
        .iter()
        .filter(|file| {
            let odd = || !file.odd_times(summary.made).is_empty();
            file.state != FileState::Whole || file.unread_lines() > 0 || file.is_empty() || odd()
        })
        .collect();
    html! {
        section aria-labelledby="unread" {
            h2 #unread { "What could not be read" }
            @if bad.is_empty() { p { "Every file was read to its end, and every line of it." } }
            @else {
                div.scroll {
                    table.stack {
                        caption { "Files that were not read whole, lines that were not read, and times that cannot be." }
                        thead { tr {
                            th scope="col" { "File" } th.n scope="col" { "Lines" } th.n scope="col" { "Not read" } th scope="col" { "Why" }
                        } }
                        tbody {
                            @for file in bad.iter().take(REPORT_ROWS_MAX) {
                                tr {
                                    th.name scope="row" { (outside(&file.path)) }
                                    td.n data-name="Lines" { (grouped(file.lines)) }
                                    td.n data-name="Not read" { (grouped(file.unread_lines())) }
                                    td {
                                        @match &file.state {
                                            FileState::Damaged(why) => p { "damaged: " (outside(why)) },
                                            FileState::NotRead(why) => p { "not read at all: " (outside(why)) },
                                            FileState::Whole => @if file.is_empty() { p { "empty: there is no line in it" } },
                                        }
                                        @for (why, count) in &file.unread { p { (counted(*count, "line")) ": " (outside(why)) } }
                                        @for odd in file.odd_times(summary.made) { p { (odd) } }
                                    }
                                }
                            }
                        }
                    }
                }
                (more(bad.len() as u64, bad.len().min(REPORT_ROWS_MAX), "file"))
            }
            @if !summary.left_out.is_empty() {
                h3.later { "Matches that are no findings" }
                ul {
                    @for (why, count) in summary.left_out.iter().take(REPORT_ROWS_MAX) {
                        li { (counted_as(*count, "match", "matches")) ": " (outside(why)) }
                    }
                }
            }
        }
    }
}

/// What was looked for, and how.
pub(super) fn sought(summary: &Summary) -> Markup {
    let sought = &summary.sought;
    html! {
        section aria-labelledby="sought" {
            h2 #sought { "What was looked for" }
            @if sought.is_empty() { p { "Nothing: there was no indicator, no rule and no detector." } }
            dl.facts {
                dt { "Indicators" }
                dd {
                    (grouped(sought.indicator_count()))
                    @for (nth, (kind, count)) in sought.indicators.iter().enumerate() {
                        @if nth == 0 { ": " } @else { ", " } (grouped(*count)) " " (kind.name())
                    }
                }
                dt { "Patterns" } dd { (grouped(sought.patterns)) }
                dt { "Rules" }
                dd {
                    (grouped(sought.rules))
                    @for (why, count) in sought.rules_refused.iter().take(REPORT_ROWS_MAX) {
                        br; (counted(*count, "rule")) " not used: " (outside(why))
                    }
                }
                @if !sought.detectors.is_empty() {
                    dt { "Detectors" }
                    dd { @for (name, what) in &sought.detectors { (code(name)) " " (outside(what)) br; } }
                }
                @if !sought.origins.is_empty() {
                    dt { "From" }
                    dd { @for (nth, origin) in sought.origins.iter().take(REPORT_ROWS_MAX).enumerate() { @if nth > 0 { ", " } (outside(origin)) } }
                }
                @if !sought.notes.is_empty() {
                    dt { "Mind" }
                    dd { @for note in sought.notes.iter().take(REPORT_ROWS_MAX) { (outside(note)) br; } }
                }
            }
        }
    }
}
