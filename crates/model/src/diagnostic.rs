// SPDX-License-Identifier: Apache-2.0
//! What a parser says about the parts it could not take.

use std::borrow::Cow;
use std::fmt;

/// How much a diagnostic weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The part was taken; a person should look.
    Warning,
    /// The part was not taken.
    Error,
}

impl Severity {
    /// The word that is printed.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One bad part of outside data: a stable code, the place, what is wrong and, where one is known, a mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code in kebab case, e.g. `version-conflict`; listed in `docs/diagnostics.md`.
    pub code: &'static str,
    /// Whether the part was taken.
    pub severity: Severity,
    /// Where: an object's id, `object 17`, `line 3`, `byte 4096`.
    pub place: String,
    /// What is wrong, in lower case, without a full stop.
    pub message: String,
    /// What to do, if that is known.
    pub fix: Option<String>,
}

impl Diagnostic {
    /// A part that was not taken.
    pub fn error(code: &'static str, place: impl Into<String>, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            severity: Severity::Error,
            place: place.into(),
            message: message.into(),
            fix: None,
        }
    }

    /// A part that was taken, but that a person should look at.
    pub fn warning(code: &'static str, place: impl Into<String>, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, place, message) }
    }

    /// The same with what to do about it.
    pub fn with_fix(mut self, fix: impl Into<String>) -> Diagnostic {
        self.fix = Some(fix.into());
        self
    }
}

/// Outside text for a terminal: control characters, which could move its cursor or forge a line, are
/// written as escapes.
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, message) = (shown(&self.place), shown(&self.message));
        write!(f, "{} [{}] {place}: {message}", self.severity.name(), self.code)?;
        if let Some(fix) = &self.fix {
            write!(f, "; {}", shown(fix))?;
        }
        Ok(())
    }
}
