// SPDX-License-Identifier: Apache-2.0
//! What is hunted for, and lists of values.

#[path = "../../../crates/hunt/src/indicator/list.rs"]
mod list;
#[path = "../../../crates/hunt/src/indicator/suffix.rs"]
mod suffix;
#[path = "../../../crates/hunt/src/indicator/value.rs"]
mod value;

use model::diagnostic::Diagnostic;

pub use list::read_list;
pub use value::{Indicator, Mode};
pub(crate) use value::{excerpt, list_mode};

/// What was made of a list of values: a list holds no patterns and no conditions.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// What can be hunted for.
    pub indicators: Vec<Indicator>,
    /// What was not taken, and why.
    pub diagnostics: Vec<Diagnostic>,
    /// Entries that were taken.
    pub taken: u64,
}

impl Reading {
    pub(crate) fn take(&mut self, indicators: impl IntoIterator<Item = Indicator>) {
        self.taken += 1;
        self.indicators.extend(indicators);
    }

    pub(crate) fn refuse(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}
