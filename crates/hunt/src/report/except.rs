// SPDX-License-Identifier: Apache-2.0
//! How to except what a rule tells again and again of the same, as a command for a person who knows that it is nothing.

use serde_json::{Map, Value};

use super::fold::{Repeated, repeated};
use super::summary::Summary;
use super::words::{date, day_of, is_hidden};
use crate::detection::Means;
use crate::limits::EXCEPTION_OFFERED_FROM;
use crate::rule::field_names;

/// How long an exception that is offered holds, in days.
const EXCEPTED_DAYS: i32 = 90;
/// Longest command that is offered, in characters: a report shows it whole or not at all.
const COMMAND_CHARS_MAX: usize = 280;

/// The command that excepts what is repeated, in parts that a line must not break: where a rule told it more often than
/// [`EXCEPTION_OFFERED_FROM`] times, and an exception can say it, as each of whom it is about is a field of its lines.
/// Detectors and patterns have no exceptions.
pub(super) fn command(summary: &Summary, repeated: &Repeated<'_>) -> Option<Vec<String>> {
    let rule = repeated.one;
    if rule.means != Means::Rule || repeated.count() <= EXCEPTION_OFFERED_FROM || rule.about.is_empty() {
        return None;
    }
    let line = rule.evidence.first().map(|line| line.text.as_str())?;
    let mut parts = vec!["polder rules except".to_owned(), argument(&rule.id)?];
    for (kind, value) in &rule.about {
        parts.push(argument(&format!("{}={value}", field(kind, value, line)?))?);
    }
    let until = date(day_of(summary.made).saturating_add(EXCEPTED_DAYS));
    parts.extend(["--data DIR".to_owned(), "--reason WHY".to_owned(), format!("--until {until}")]);
    let length = parts.iter().map(|part| part.chars().count() + 1).sum::<usize>();
    (length <= COMMAND_CHARS_MAX).then_some(parts)
}

/// Of all that an exception can be made for what was told most often, with the command, and how many others there are.
pub(super) fn foremost(summary: &Summary) -> Option<(Repeated<'_>, Vec<String>, u64)> {
    let all = repeated(summary).into_iter();
    let mut offered: Vec<_> =
        all.filter_map(|repeated| command(summary, &repeated).map(|parts| (repeated, parts))).collect();
    offered.sort_by_key(|(repeated, _)| std::cmp::Reverse(repeated.count()));
    let others = (offered.len() as u64).saturating_sub(1);
    offered.into_iter().next().map(|(repeated, parts)| (repeated, parts, others))
}

/// A command in lines of at most so many columns that a shell takes as one; `None` where a part is longer.
pub(super) fn in_lines(parts: &[String], columns: usize) -> Option<Vec<String>> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        // The blank and the backslash at the end of a line.
        let room = columns.saturating_sub(part.chars().count() + 2);
        match lines.last_mut() {
            Some(line) if line.chars().count() < room => {
                line.push(' ');
                line.push_str(part);
            }
            _ if part.chars().count() + 2 > columns => return None,
            _ => lines.push(part.clone()),
        }
    }
    let last = lines.len().saturating_sub(1);
    lines.iter_mut().take(last).for_each(|line| line.push_str(" \\"));
    Some(lines)
}

/// What the line calls a value of a kind. Only a name under which the value stands there as it is: the exception must cover
/// what was told, and no other.
fn field(kind: &str, value: &str, line: &str) -> Option<&'static str> {
    let fields: Option<Map<String, Value>> = serde_json::from_str(line).ok();
    field_names(kind).iter().copied().find(|name| match &fields {
        Some(fields) => fields.get(*name).and_then(Value::as_str) == Some(value),
        None => holds_pair(line, name, value),
    })
}

/// Whether `name=value` or `name="value"` stands in a line, with nothing about it that would make it another.
fn holds_pair(line: &str, name: &str, value: &str) -> bool {
    let is_end = |c: char| c.is_whitespace() || c == ',';
    [format!("{name}=\"{value}\""), format!("{name}={value}")].iter().any(|pair| {
        line.match_indices(pair.as_str()).any(|(at, _)| {
            let before = line.get(..at).unwrap_or_default().chars().next_back();
            let after = line.get(at + pair.len()..).unwrap_or_default().chars().next();
            before.is_none_or(is_end) && after.is_none_or(is_end)
        })
    })
}

/// A text as one argument of a shell; `None` where it would not be that text there, or says more than itself: a value is
/// whatever somebody wrote into a log.
fn argument(text: &str) -> Option<String> {
    // PowerShell ends a text at any of these quotes.
    let is_odd = |c: char| matches!(c, '\'' | '*' | '\u{2018}'..='\u{201B}') || is_hidden(c);
    if text.is_empty() || text.starts_with('-') || text.contains(is_odd) {
        return None;
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "=._:@/-".contains(c);
    Some(if text.chars().all(is_plain) { text.to_owned() } else { format!("'{text}'") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_in_lines_is_one_to_a_shell() {
        let parts = ["polder rules except", "c9f06993", "'user=a b'", "--data DIR"].map(str::to_owned);
        for columns in 21..60 {
            let lines = in_lines(&parts, columns).unwrap();
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{columns}: {lines:?}");
            assert_eq!(lines.join("\n").replace(" \\\n", " "), parts.join(" "), "{columns}");
        }
        assert_eq!(in_lines(&parts, 20), None);
    }

    #[test]
    fn a_value_of_a_log_is_one_argument_or_none() {
        for (text, wanted) in [
            ("IpAddress=10.0.0.250", Some("IpAddress=10.0.0.250")),
            ("user=a b; rm -rf $HOME", Some("'user=a b; rm -rf $HOME'")),
            ("User=FIRM\\a.jansen", Some("'User=FIRM\\a.jansen'")),
            ("user='$(id)'", None),
            ("user=*", None),
            ("user=a\u{202e}b", None),
            ("user=a\nb", None),
            ("--data", None),
            ("", None),
        ] {
            assert_eq!(argument(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn a_field_is_named_where_the_value_stands_in_it() {
        let json = r#"{"Computer":"SRV05","IpAddress":"10.0.0.25","TargetUserName":"10.0.0.250","Port":1}"#;
        assert_eq!(field("address", "10.0.0.25", json), Some("IpAddress"));
        assert_eq!(field("address", "10.0.0.250", json), None, "another field holds it");
        assert_eq!(field("host", "SRV05", json), Some("Computer"));
        assert_eq!(field("value", "1", json), None, "a kind without names");
        let pairs = r#"devname="gate1" xuser=bob user="a.jansen" remip=10.0.0.250 action=deny"#;
        assert_eq!(field("account", "a.jansen", pairs), Some("user"));
        assert_eq!(field("account", "bob", pairs), None, "xuser is another field");
        assert_eq!(field("address", "10.0.0.25", pairs), None, "the value goes on");
        assert_eq!(field("address", "10.0.0.250", pairs), Some("remip"));
    }
}
