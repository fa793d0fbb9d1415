// SPDX-License-Identifier: Apache-2.0
//! Pictures as inline SVG. Words stand beside them as HTML, so that they keep their size on a phone and can
//! be read aloud.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};
use model::time::Timestamp;

use super::text::outside;
use crate::limits::REPORT_STRIPS_MAX;
use crate::report::group::Timeline;
use crate::report::summary::{Coverage, Day, GapReason, SourceCoverage};
use crate::report::words::{civil, counted, date, kind_name, second, visible};

/// Height of the bars' picture, in its own units.
const BARS_HEIGHT: u64 = 100;
/// Longest period that is drawn as one strip, in days; a longer one has a strip for each year.
const STRIP_DAYS_MAX: i64 = 366;

/// Bars of findings upwards and a row of marks for detections below.
pub(crate) fn timeline(time: &Timeline) -> Markup {
    let most =
        time.buckets.iter().map(|bucket| bucket.findings.max(bucket.detections)).max().unwrap_or(0).max(1);
    let width = time.buckets.len() as u64 * 10;
    let mut bars = String::new();
    let mut bar = |x: u64, wide: u64, count: u64, class: &str| {
        if count > 0 {
            // The least bar is still seen beside the highest.
            let height = (count * BARS_HEIGHT / most).max(3);
            let _ = write!(
                bars,
                r#"<rect class="{class}" x="{x}" y="{}" width="{wide}" height="{height}"/>"#,
                BARS_HEIGHT - height
            );
        }
    };
    for (nth, bucket) in (0_u64..).zip(&time.buckets) {
        let both = bucket.findings > 0 && bucket.detections > 0;
        let (x, wide) = (nth * 10 + 1, if both { 4 } else { 8 });
        bar(x, wide, bucket.findings, "f-hit");
        bar(if both { x + 4 } else { x }, wide, bucket.detections, "f-det");
    }
    let end = time.from.micros().saturating_add(time.step.saturating_mul(time.buckets.len() as i64));
    let busiest = time
        .buckets
        .iter()
        .enumerate()
        .max_by_key(|(nth, bucket)| (bucket.findings + bucket.detections, std::cmp::Reverse(*nth)));
    let busiest = busiest.map(|(nth, bucket)| {
        let at =
            Timestamp::from_micros(time.from.micros().saturating_add(time.step.saturating_mul(nth as i64)));
        (at, bucket.findings + bucket.detections)
    });
    html! {
        figure {
            svg.bars role="img" aria-labelledby="timeline-words" viewBox=(format!("0 0 {width} {BARS_HEIGHT}"))
                preserveAspectRatio="none" height="120" { (PreEscaped(bars)) }
            (axis(time.from.micros(), end))
            ul.key aria-hidden="true" {
                li { (swatch("f-hit")) "findings" }
                li { (swatch("f-det")) "detections, at their first line" }
            }
            figcaption.soft #timeline-words {
                "One bar for each " (time.step_name) ", the highest stands for " (most) ". "
                @if let Some((at, count)) = busiest {
                    "Most came in the one from " (second(at)) " UTC: " (count) ". "
                }
                @if time.timeless > 0 { (counted(time.timeless, "entry")) " without a time not drawn." }
            }
        }
    }
}

/// Four moments under a picture.
fn axis(from: i64, to: i64) -> Markup {
    let at = |share: i64| Timestamp::from_micros(from + (to - from) / 3 * share);
    // Within three days the hour matters, over longer spans the date alone.
    let short = to - from <= 3 * 86_400_000_000;
    let word = |time: Timestamp| {
        let text = second(time);
        let (day, minute) = (text.get(..10).unwrap_or_default(), text.get(5..16).unwrap_or_default());
        if short { minute.to_owned() } else { day.to_owned() }
    };
    html! {
        div.axis {
            span.first { (word(at(0))) }
            span.wide.third { (word(at(1))) }
            span.wide.thirds { (word(at(2))) }
            span.last { (word(Timestamp::from_micros(to))) }
        }
    }
}

fn swatch(class: &str) -> Markup {
    html! { svg viewBox="0 0 12 12" { rect class=(class) width="12" height="12" rx="2" {} } }
}

/// The days of each source as strips, a day a field; answers how many strips were left out too.
pub(crate) fn calendar(coverage: &Coverage) -> (Markup, usize) {
    let days = || {
        let gaps = |s: &SourceCoverage| s.gaps.iter().flat_map(|gap| [gap.from, gap.to]).collect::<Vec<_>>();
        coverage.sources.iter().flat_map(move |s| {
            s.days.first().into_iter().chain(s.days.last()).copied().chain(gaps(s)).collect::<Vec<_>>()
        })
    };
    let (Some(first), Some(last)) = (days().min(), days().max()) else {
        return (html! { p.soft { "No source has a day that is known." } }, 0);
    };
    let spans = spans(first, last);
    let rows = coverage.sources.iter().flat_map(|source| spans.iter().map(move |span| (source, *span)));
    let total = rows.clone().count();
    let drawn = html! {
        figure role="group" aria-label="Calendar of days by source" {
            @for (source, span) in rows.take(REPORT_STRIPS_MAX) {
                div.strip {
                    div.who {
                        (outside(&source.name))
                        span.soft {
                            @if !says_kind(source) { " " (kind_name(source.kind)) }
                            @if spans.len() > 1 { " · " (civil(span.0).0) }
                        }
                    }
                    (strip(source, span))
                    div.days { (had(source, span)) }
                }
            }
            div.strip { div.field { (days_axis(&spans)) } }
            ul.key {
                li { (swatch("f-had")) "a log of the day was read" }
                li { (swatch("f-gap")) "never had" }
                li { (swatch("f-bad")) "there, but not readable" }
                @if coverage.sources.iter().any(|s| s.gaps.iter().any(|gap| gap.why == GapReason::NotReached)) {
                    li { (swatch("f-left")) "not known, the hunt was stopped" }
                }
                li { (swatch("f-gone")) "deleted by retention" }
                li { (swatch("f-out")) "outside of what is expected" }
            }
        }
    };
    (drawn, total.saturating_sub(REPORT_STRIPS_MAX))
}

/// Whether a source's name says already what kind it is.
fn says_kind(source: &SourceCoverage) -> bool {
    source.name.to_lowercase().contains(&kind_name(source.kind).to_lowercase())
}

/// One span for all days, or one for each year.
fn spans(first: Day, last: Day) -> Vec<(Day, Day)> {
    if i64::from(last) - i64::from(first) < STRIP_DAYS_MAX {
        return vec![(first, last)];
    }
    let mut spans = Vec::new();
    let mut from = first.saturating_sub(days_into_year(first));
    while from <= last && spans.len() <= REPORT_STRIPS_MAX {
        let next = from + if is_leap(civil(from).0) { 366 } else { 365 };
        spans.push((from, next - 1));
        from = next;
    }
    spans
}

fn days_into_year(day: Day) -> Day {
    // At most 365 steps back; the year of the day tells where to stop.
    let year = civil(day).0;
    (0..366).rev().find(|back| civil(day.saturating_sub(*back)).0 == year).unwrap_or(0)
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn had(source: &SourceCoverage, span: (Day, Day)) -> String {
    let days = source.days.iter().filter(|day| (span.0..=span.1).contains(day)).count();
    counted(days as u64, "day")
}

/// Runs of equal days, drawn as one field each: a year of whole days is one.
fn strip(source: &SourceCoverage, (from, to): (Day, Day)) -> Markup {
    let width = i64::from(to) - i64::from(from) + 1;
    let mut fields = String::new();
    let mut field = |first: Day, last: Day, class: &str| {
        let (first, last) = (first.max(from), last.min(to));
        if first <= last {
            let (x, wide) = (i64::from(first) - i64::from(from), i64::from(last) - i64::from(first) + 1);
            let _ = write!(fields, r#"<rect class="{class}" x="{x}" width="{wide}" height="10"/>"#);
        }
    };
    field(from, to, "f-out");
    for gap in &source.gaps {
        let class = match gap.why {
            GapReason::Deleted => "f-gone",
            GapReason::NeverHad => "f-gap",
            GapReason::NotReached => "f-left",
            GapReason::NotReadable => "f-bad",
        };
        field(gap.from, gap.to, class);
    }
    let mut run: Option<(Day, Day)> = None;
    for day in source.days.iter().copied() {
        run = match run {
            Some((first, last)) if i64::from(day) <= i64::from(last) + 1 => Some((first, day)),
            Some((first, last)) => {
                field(first, last, "f-had");
                Some((day, day))
            }
            None => Some((day, day)),
        };
    }
    if let Some((first, last)) = run {
        field(first, last, "f-had");
    }
    let words =
        format!("{}: {} from {} to {}", visible(&source.name), had(source, (from, to)), date(from), date(to));
    html! {
        div.field {
            svg role="img" aria-label=(words) viewBox=(format!("0 0 {width} 10")) preserveAspectRatio="none" height="14"
                shape-rendering="crispEdges" { (PreEscaped(fields)) }
        }
    }
}

fn days_axis(spans: &[(Day, Day)]) -> Markup {
    let several = spans.len() > 1;
    let (from, to) = spans.first().copied().unwrap_or_default();
    html! {
        div.axis {
            @if several {
                @for (place, month) in [("first", "Jan"), ("second", "Apr"), ("half", "Jul"), ("fourth", "Oct")] {
                    span class=(place) { (month) }
                }
                span.last { "Dec" }
            } @else {
                span.first { (date(from)) }
                @if to - from > 20 { span.wide.half { (date(from + (to - from) / 2)) } }
                @if to > from { span.last { (date(to)) } }
            }
        }
    }
}
