// SPDX-License-Identifier: Apache-2.0
//! `x_polder_markings`: the effective markings that a bundle or envelope carries beside its objects
//! (`docs/markings.md`).

use model::diagnostic::Diagnostic;
use model::marking::Marking;
use serde_json::Value;

use crate::import::Report;

/// Runs of objects and their markings.
#[derive(Debug, Default)]
pub struct Wrapped {
    runs: Vec<(u64, u64, Marking)>,
    met: bool,
    unreadable: bool,
}

impl Wrapped {
    /// Takes in the member's bytes. What cannot be read restricts every object of the file.
    pub fn add(&mut self, bytes: &[u8], place: &str, report: &mut Report) {
        // Two wrappers in one file: their counts would have to be told apart.
        let runs = if self.met { None } else { read(bytes) };
        self.met = true;
        match runs {
            Some(runs) => self.runs = runs,
            None => {
                self.unreadable = true;
                let message = "`x_polder_markings` cannot be read: all objects stay in the own organisation";
                let fix = "export the file again, or import bundles one by one";
                report.note(Diagnostic::warning("markings-unreadable", place, message).with_fix(fix));
            }
        }
    }

    /// What the wrapper says of the object with this place, from 0.
    pub fn of(&self, ordinal: u64) -> Marking {
        if self.unreadable {
            return Marking { unknown: true, ..Marking::NONE };
        }
        let after = self.runs.partition_point(|(first, _, _)| *first <= ordinal);
        let run = after.checked_sub(1).and_then(|nth| self.runs.get(nth));
        match run {
            Some((_, last, marking)) if *last >= ordinal => *marking,
            // An object that the wrapper forgot is restricted, not free.
            _ if self.met => Marking { unknown: true, ..Marking::NONE },
            _ => Marking::NONE,
        }
    }
}

fn read(bytes: &[u8]) -> Option<Vec<(u64, u64, Marking)>> {
    let list: Vec<Value> = serde_json::from_slice(bytes).ok()?;
    let mut runs = Vec::with_capacity(list.len());
    let mut next = 0;
    for run in list {
        let marking = Marking::parse(run.get("marking")?.as_str()?)?;
        let (first, last) = (run.get("first")?.as_u64()?, run.get("last")?.as_u64()?);
        if first != next || last < first {
            return None;
        }
        next = last.checked_add(1)?;
        runs.push((first, last, marking));
    }
    Some(runs)
}
