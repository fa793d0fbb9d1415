// SPDX-License-Identifier: Apache-2.0
//! `x_polder_markings`: the effective markings that a bundle or envelope carries beside its objects
//! (`docs/markings.md`).

use model::diagnostic::Diagnostic;
use model::marking::Marking;
use model::stix::runs::{self, Run};

use super::Note;

/// Runs of objects and their markings.
#[derive(Debug, Default)]
pub(super) struct Wrapped {
    runs: Vec<Run>,
    met: bool,
    unreadable: bool,
}

impl Wrapped {
    /// Takes in the member's bytes. What cannot be read restricts every object of the file.
    pub(super) fn add(&mut self, bytes: &[u8], place: &str, note: Note<'_>) {
        let runs = if self.met { None } else { runs::parse(bytes) };
        self.met = true;
        match runs {
            Some(runs) => self.runs = runs,
            None => self.refuse(place, note),
        }
    }

    /// The file holds several documents: whose objects the list counts cannot be told.
    pub(super) fn refuse_in_company(&mut self, place: &str, note: Note<'_>) {
        if self.met {
            self.refuse(place, note);
        }
    }

    fn refuse(&mut self, place: &str, note: Note<'_>) {
        if !self.unreadable {
            let message = "`x_polder_markings` cannot be read, or stands in one of several documents: all objects \
                           stay in the own organisation";
            let fix = "export the file again, or import bundles one by one";
            note(Diagnostic::warning("markings-unreadable", place, message).with_fix(fix));
        }
        self.unreadable = true;
    }

    /// What the wrapper says of the object with this place, from 0.
    pub(super) fn of(&self, ordinal: u64) -> Marking {
        if self.unreadable {
            return Marking { unknown: true, ..Marking::NONE };
        }
        let ordinal = usize::try_from(ordinal).unwrap_or(usize::MAX);
        let after = self.runs.partition_point(|run| run.first <= ordinal);
        match after.checked_sub(1).and_then(|nth| self.runs.get(nth)) {
            Some(run) if run.last >= ordinal => run.marking,
            // An object that the wrapper forgot is restricted, not free.
            _ if self.met => Marking { unknown: true, ..Marking::NONE },
            _ => Marking::NONE,
        }
    }
}
