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

/// Outside text for a terminal: characters that could move its cursor, forge a line or change how others are
/// shown are written as escapes.
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut seen = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) { seen.extend(c.escape_default()) } else { seen.push(c) }
    }
    Cow::Owned(seen)
}

/// JSON for a terminal: what a text in it hides is written as an escape, which means the same to whoever reads JSON.
pub fn json_shown(json: &str) -> Cow<'_, str> {
    // The others JSON escapes itself; outside of its texts they are its layout.
    let is_raw = |c: char| c >= '\u{7f}' && is_hidden(c);
    if !json.chars().any(is_raw) {
        return Cow::Borrowed(json);
    }
    let mut seen = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_raw(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| seen.push_str(&format!("\\u{unit:04x}")));
        } else {
            seen.push(c);
        }
    }
    Cow::Owned(seen)
}

/// Whether a character shows nothing, or changes how others are shown.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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
