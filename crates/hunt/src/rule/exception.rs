// SPDX-License-Identifier: Apache-2.0
//! Exceptions: matches that a person has said are nothing, for a reason and until a day.

use model::time::Timestamp;

use super::view::{View, scalar};
use crate::limits::EXCEPTION_CONDITIONS_MAX;

/// An exception to a rule, or to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Id of the rule; `*` for all.
    pub rule: String,
    /// Fields of the event and what they must be, all of them; `*` in a value stands for anything, case makes
    /// no difference.
    pub conditions: Vec<(String, String)>,
    /// Why.
    pub reason: String,
    /// Until when it holds.
    pub until: Timestamp,
    /// Who said so.
    pub by: String,
}

/// Why something is no exception.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExceptionError {
    /// A condition is not `field=value`.
    #[error("`{0}` is no condition; write field=value")]
    Condition(String),
    /// It would silence all rules.
    #[error("an exception to all rules needs a condition; write field=value")]
    Everything,
    /// It has ended.
    #[error("an exception needs a day in the future until which it holds")]
    Ended,
    /// It says no reason.
    #[error("an exception needs a reason")]
    Reason,
    /// It has too many conditions.
    #[error("an exception has at most {EXCEPTION_CONDITIONS_MAX} conditions, this one has {0}")]
    TooMany(usize),
}

impl Exception {
    /// An exception with all that it needs, judged at `now`.
    pub fn new(
        rule: &str,
        conditions: &[String],
        reason: &str,
        until: Timestamp,
        by: &str,
        now: Timestamp,
    ) -> Result<Exception, ExceptionError> {
        if reason.trim().is_empty() {
            return Err(ExceptionError::Reason);
        }
        if until <= now {
            return Err(ExceptionError::Ended);
        }
        if conditions.len() > EXCEPTION_CONDITIONS_MAX {
            return Err(ExceptionError::TooMany(conditions.len()));
        }
        if rule == "*" && conditions.is_empty() {
            return Err(ExceptionError::Everything);
        }
        let split = |text: &String| match text.split_once('=') {
            Some((field, value)) if !field.trim().is_empty() && !value.is_empty() => {
                Ok((field.trim().to_owned(), value.to_owned()))
            }
            _ => Err(ExceptionError::Condition(text.clone())),
        };
        Ok(Exception {
            rule: rule.to_owned(),
            conditions: conditions.iter().map(split).collect::<Result<_, _>>()?,
            reason: reason.trim().to_owned(),
            until,
            by: by.to_owned(),
        })
    }

    /// Whether it is about this rule.
    pub fn is_about(&self, rule: &str) -> bool {
        self.rule == "*" || self.rule.eq_ignore_ascii_case(rule)
    }

    /// Whether it covers this event.
    pub(super) fn covers(&self, view: &View<'_>) -> bool {
        self.conditions.iter().all(|(field, wanted)| {
            let mut any = false;
            view.each_value(field, &mut |value| {
                any = any || scalar(value).is_some_and(|text| is_like(&text, wanted));
            });
            any
        })
    }
}

/// Whether a text is like a pattern in which `*` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.to_lowercase(), pattern.to_lowercase());
    let Some((first, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = rest.split('*').collect();
    let Some((last, middle)) = parts.split_last() else { return true };
    for part in middle {
        let Some(at) = text.find(part) else { return false };
        text = text.get(at + part.len()..).unwrap_or_default();
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (text, pattern) in [
            ("abc", "ABC"),
            ("abc", "a*"),
            ("abc", "*c"),
            ("abc", "*b*"),
            ("abc", "*"),
            ("", "*"),
            ("aXbXc", "a*b*c"),
            ("svc-backup$", "svc-*$"),
        ] {
            assert!(is_like(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in [("abc", "ab"), ("abc", "b*"), ("ab", "a*b*b"), ("", "?"), ("aa", "aa*a")] {
            assert!(!is_like(text, pattern), "{text} {pattern}");
        }
    }
}
