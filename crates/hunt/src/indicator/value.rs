// SPDX-License-Identifier: Apache-2.0
//! What is hunted for: a value and how much of a name it is about.
//!
//! Knows neither patterns nor events, so that the scan can be built without them (`extras/scan`).

use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;

/// How much of a name an indicator is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// The value itself.
    Exact,
    /// A domain and every name under it.
    WithSubdomains,
}

impl Mode {
    /// The stored number.
    pub fn code(self) -> i64 {
        match self {
            Mode::Exact => 0,
            Mode::WithSubdomains => 1,
        }
    }

    /// Mode of a stored number.
    pub fn from_code(code: i64) -> Option<Mode> {
        [Mode::Exact, Mode::WithSubdomains].into_iter().find(|m| m.code() == code)
    }
}

/// A value to hunt for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indicator {
    /// The STIX id, or the entry of the list as it was written. One STIX indicator may yield several. Of an object
    /// without a good id it is what it has, or its place, behind `indicator--`.
    pub id: String,
    /// The value.
    pub observable: Observable,
    /// Whether names below a domain match, too.
    pub mode: Mode,
    /// The STIX name, or the list and line that it came from.
    pub name: String,
    /// When it begins to hold, if that is known. Not used to hide findings: a trace from before is a find.
    pub valid_from: Option<Timestamp>,
    /// When it ceases to hold: a line that is known to be of that time or later is no finding.
    pub valid_until: Option<Timestamp>,
}

/// Mode of an entry of a plain list: a domain matches with its subdomains, anything else by itself.
pub(crate) fn list_mode(observable: &Observable) -> Mode {
    match observable.kind() {
        ObservableKind::Domain => Mode::WithSubdomains,
        _ => Mode::Exact,
    }
}

/// At most 80 characters of outside text, for a message.
pub(crate) fn excerpt(text: &str) -> String {
    let short: String = text.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}
