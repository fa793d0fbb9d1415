// SPDX-License-Identifier: Apache-2.0
//! Indicators and the readers of lists of them.

mod csv;
mod list;
mod same;
mod shipped;
mod suffix;
mod value;

use model::diagnostic::Diagnostic;

pub use csv::read_csv;
pub use list::read_list;
pub(crate) use list::too_wide;
pub use same::merge_entries;
pub use shipped::{SHIPPED, Shipped};
pub(crate) use suffix::has_known_suffix;
pub use value::{Indicator, Mode};
pub(crate) use value::{excerpt, list_mode};

use crate::confirm::condition::Condition;
use crate::pattern::PatternIndicator;
use crate::standard::Markings;

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
