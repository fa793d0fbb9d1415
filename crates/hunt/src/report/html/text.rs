// SPDX-License-Identifier: Apache-2.0
//! Outside text in a page: escaped by the templates, what cannot be seen made visible, and kept from turning
//! the direction of what stands around it.

use maud::{Markup, html};

use crate::limits::{REPORT_LINE_CHARS_MAX, REPORT_PRINTED_CHARS_MAX};
use crate::report::words::{around, grouped, is_hidden, shortened};

/// Characters of a name, a path or a reason.
const NAME_CHARS_MAX: usize = 300;

/// A short outside text: a name, a value, a path, a reason.
pub(crate) fn outside(text: &str) -> Markup {
    let short = shortened(text, NAME_CHARS_MAX);
    html! { bdi { (runs(&short)) } }
}

/// The same in the type of code.
pub(crate) fn code(text: &str) -> Markup {
    let short = shortened(text, NAME_CHARS_MAX);
    html! { bdi.code { (runs(&short)) } }
}

/// A line of a log with the value marked in it; of a long line the part around the value, and how much was
/// left out. Paper has as much of it as says it.
pub(crate) fn log_line(line: &str, value: &str) -> Markup {
    let is_long = line.chars().nth(REPORT_PRINTED_CHARS_MAX).is_some();
    html! {
        div.log.screen[is_long] dir="auto" { (piece(line, value, REPORT_LINE_CHARS_MAX)) }
        @if is_long { div.log.print dir="auto" { (piece(line, value, REPORT_PRINTED_CHARS_MAX)) } }
    }
}

/// The same where the line is not printed.
pub(crate) fn screen_line(line: &str, value: &str) -> Markup {
    html! { div.log dir="auto" { (piece(line, value, REPORT_LINE_CHARS_MAX)) } }
}

fn piece(line: &str, value: &str, chars_max: usize) -> Markup {
    let part = around(line, value, chars_max);
    html! {
        @if part.skipped > 0 { span.cut { "[" (grouped(part.skipped)) " characters before] " } }
        (runs(part.before))
        @if !part.matched.is_empty() { mark { (runs(part.matched)) } }
        (runs(part.after))
        @if part.cut > 0 { span.cut { " [" (grouped(part.cut)) " more characters]" } }
    }
}

/// Text with each run of hidden characters as escapes that can be told from what the log itself says.
fn runs(text: &str) -> Markup {
    let mut rest = text;
    let mut pieces: Vec<(bool, &str)> = Vec::new();
    while let Some(first) = rest.chars().next() {
        let hidden = is_hidden(first);
        let end = rest.find(|c| is_hidden(c) != hidden).unwrap_or(rest.len());
        let (piece, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        pieces.push((hidden, piece));
        rest = after;
    }
    html! {
        @for (hidden, piece) in pieces {
            @if hidden { span.esc { (piece.escape_default()) } } @else { (piece) }
        }
    }
}
