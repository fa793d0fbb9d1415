// SPDX-License-Identifier: Apache-2.0
//! Indicators and the readers of lists of them.

mod csv;
mod list;
mod shipped;
mod suffix;

use model::diagnostic::Diagnostic;
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;

pub use csv::read_csv;
pub use list::read_list;
pub use shipped::{SHIPPED, Shipped};
pub(crate) use suffix::has_known_suffix;

use crate::confirm::condition::Condition;
use crate::limits::{NETWORK_V4_PREFIX_MIN, NETWORK_V6_PREFIX_MIN};
use crate::pattern::PatternIndicator;
use crate::standard::Markings;

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

/// What a reader made of a list.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// What can be hunted for.
    pub indicators: Vec<Indicator>,
    /// Patterns that are more than equality, to be matched against events.
    pub patterns: Vec<PatternIndicator>,
    /// When values of these indicators are legitimate.
    pub conditions: Vec<Condition>,
    /// What a bundle says of the markings of its indicators.
    pub markings: Markings,
    /// What was not taken, and why; at most `DIAGNOSTICS_MAX`, the rest are only counted.
    pub diagnostics: Vec<Diagnostic>,
    /// Entries that the list holds, taken or not; comments and empty lines are none.
    pub entries: u64,
    /// Entries that were taken.
    pub taken: u64,
    /// Entries that were not.
    pub refused: u64,
}

impl Reading {
    /// Counts an entry that was taken and keeps its indicators.
    pub(crate) fn take(&mut self, indicators: impl IntoIterator<Item = Indicator>) {
        self.entries += 1;
        self.taken += 1;
        self.indicators.extend(indicators);
    }

    /// Counts an entry that was not taken.
    pub(crate) fn refuse(&mut self, diagnostic: Diagnostic) {
        self.entries += 1;
        self.refused += 1;
        self.note(diagnostic);
    }

    /// Keeps a diagnostic while there is room.
    pub(crate) fn note(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < model::limits::DIAGNOSTICS_MAX {
            self.diagnostics.push(diagnostic);
        }
    }
}

/// Why a value is not hunted for although it can be read: it would match half of the world. Answers the
/// code and what is wrong.
pub(crate) fn too_wide(observable: &Observable, mode: Mode) -> Option<(&'static str, String)> {
    match observable.kind() {
        ObservableKind::Cidr => {
            let network = observable.network()?;
            let shortest = if network.is_v4() { NETWORK_V4_PREFIX_MIN } else { NETWORK_V6_PREFIX_MIN };
            let wide = network.written_prefix() < shortest;
            wide.then(|| {
                ("network-too-wide", format!("`{network}` is a large part of the internet; /{shortest} is the widest that is hunted for"))
            })
        }
        ObservableKind::Domain if mode == Mode::WithSubdomains => {
            let name = observable.display();
            suffix::is_public(&name).then(|| {
                ("public-suffix", format!("`{name}` is a public suffix: names of many owners end with it"))
            })
        }
        _ => None,
    }
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
