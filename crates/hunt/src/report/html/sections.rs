// SPDX-License-Identifier: Apache-2.0
//! What to do, and what the report rests on.

use maud::{Markup, html};

use super::charts::calendar;
use super::more;
use super::tables::advice_by_kind;
use super::text::{code, outside};
use crate::detection::Level;
use crate::limits::REPORT_ROWS_MAX;
use crate::report::fold::{Fault, Faulty, Gaps, faults, gaps};
use crate::report::group::{Named, named};
use crate::report::summary::Summary;
use crate::report::words::{bytes, counted, counted_as, date, duration, grouped};

/// Accounts and hosts named in the first section.
const NAMED_MAX: usize = 12;
/// Files with one fault that are named beside it; the others are folded in.
const FILES_NAMED: usize = 3;

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

/// Sources by days, with gaps.
pub(super) fn coverage(summary: &Summary) -> Markup {
    let coverage = &summary.coverage;
    let (drawn, left_out) = calendar(coverage);
    let missing: Vec<_> = coverage.sources.iter().filter(|source| source.is_missing()).collect();
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
            @if !summary.copies.is_empty() {
                p.small.soft {
                    "Logs that hold the same as another count once: "
                    @for (nth, (copy, of)) in summary.copies.iter().take(REPORT_ROWS_MAX).enumerate() {
                        @if nth > 0 { ", " }
                        (outside(copy)) " is " (outside(of))
                    }
                    @if summary.copies.len() > REPORT_ROWS_MAX { " and " (counted((summary.copies.len() - REPORT_ROWS_MAX) as u64, "file")) " more" }
                    "."
                }
            }
            @for (source, day) in coverage.sources.iter().filter(|source| source.days.is_empty())
                .filter_map(|source| Some((source, source.expected_from?))).take(REPORT_ROWS_MAX) {
                p.small.soft { (outside(&source.name)) ": none is due yet, it is expected from " (date(day)) " on." }
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
            (gap_table(summary))
        }
    }
}

fn gap_table(summary: &Summary) -> Markup {
    let all = gaps(summary);
    html! {
        @if !all.is_empty() {
            div.scroll {
                table.stack {
                    caption { "Days without a log, by source and reason." }
                    thead { tr {
                        th scope="col" { "Source" } th.n scope="col" { "Days" } th scope="col" { "When" } th scope="col" { "Why" }
                    } }
                    tbody { @for row in all.iter().take(REPORT_ROWS_MAX) { (gap_row(row)) } }
                }
            }
            (more(all.len() as u64, all.len().min(REPORT_ROWS_MAX), "row"))
        }
    }
}

fn gap_row(row: &Gaps<'_>) -> Markup {
    html! {
        tr {
            th.source scope="row" { (outside(&row.source.name)) }
            td.n data-name="Days" { (grouped(row.days())) }
            td.seen.spans data-name="When" {
                @for (nth, gap) in row.gaps.iter().take(REPORT_ROWS_MAX).enumerate() {
                    @if nth > 0 { ", " }
                    span.t { (date(gap.from)) @if gap.to != gap.from { " to " (date(gap.to)) } }
                }
                @if row.gaps.len() > REPORT_ROWS_MAX { ", and " (counted((row.gaps.len() - REPORT_ROWS_MAX) as u64, "gap")) " more" }
            }
            td.more.why { (outside(&row.words())) }
        }
    }
}

/// Files and lines that could not be read, and matches that were left out.
pub(super) fn not_readable(summary: &Summary) -> Markup {
    let bad = faults(summary);
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
                        tbody { @for fault in bad.iter().take(REPORT_ROWS_MAX) { (fault_row(fault)) } }
                    }
                }
                (more(bad.len() as u64, bad.len().min(REPORT_ROWS_MAX), "row"))
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

fn fault_row(fault: &Fault<'_>) -> Markup {
    let (named, others) = fault.files.split_at_checked(FILES_NAMED).unwrap_or((&fault.files, &[]));
    html! {
        tr {
            th.name.files scope="row" {
                @for (nth, one) in named.iter().enumerate() { @if nth > 0 { br; } (outside(&one.file.path)) }
                @if !others.is_empty() { (other_files(fault, others)) }
            }
            td.n data-name="Lines" { (grouped(fault.lines())) }
            td.n data-name="Not read" { (grouped(fault.unread())) }
            td.why {
                (outside(fault.why()))
                @if fault.differs() { span.soft { "; in the other files with other numbers" } }
            }
        }
    }
}

fn other_files(fault: &Fault<'_>, others: &[Faulty<'_>]) -> Markup {
    let differs = fault.differs();
    let count = counted(others.len() as u64, "file");
    html! {
        details.rest {
            summary { "and " (count) " more" }
            @for one in others.iter().take(REPORT_ROWS_MAX) {
                p.small {
                    (outside(&one.file.path))
                    @if one.unread > 0 { span.soft { " · " (counted(one.unread, "line")) " not read" } }
                    @if differs { span.soft { " · " (outside(&one.why)) } }
                }
            }
            (more(others.len() as u64, others.len().min(REPORT_ROWS_MAX), "file"))
        }
        p.small.soft.print { "and " (count) " more, not printed; " code { "--format json" } " names them all" }
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
