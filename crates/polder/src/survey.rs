// SPDX-License-Identifier: Apache-2.0
//! The first pass over a file: what marks its objects, wherever in the file it stands.

use std::collections::HashMap;
use std::io::Read;

use memchr::memmem;
use model::id::SubjectKey;
use model::marking::Marking;
use model::stix::{Definitions, Item, Object, Splitter};

use crate::import::Report;
use crate::wrapper::Wrapped;

/// Rounds in which a marking goes on from observable to observable (a file in a directory on a host).
const REFERENCE_ROUNDS_MAX: usize = 16;

/// What the second pass must know of the whole file.
#[derive(Default)]
pub struct Survey {
    /// Markings that the wrapper carries.
    pub wrapped: Wrapped,
    /// Marking definitions of the author and of the file.
    pub definitions: Definitions,
    observables: HashMap<SubjectKey, Marking>,
}

/// An observable that was met, before all definitions are known.
struct Met {
    object: Object,
    ordinal: u64,
}

impl Survey {
    /// Reads the file. What is wrong with it is told by the second pass.
    pub fn of(source: impl Read, definitions: Definitions, envelope: Marking, report: &mut Report) -> Survey {
        let mut survey = Survey { definitions, ..Survey::default() };
        let mut met = Vec::new();
        let mut splitter = Splitter::new(source);
        let place = report.file.clone();
        while let Ok(Some(item)) = splitter.next_item() {
            match item {
                Item::Markings(bytes) => survey.wrapped.add(&bytes, &place, report),
                Item::Object(bytes) if may_matter(&bytes) => {
                    let Some(object) = Object::parse(&bytes, "", &mut Vec::new()) else { continue };
                    if let Some(definition) = object.definition {
                        survey.definitions.add(&object.id, definition);
                    } else if object.key.is_observable() {
                        met.push(Met { object, ordinal: splitter.objects() });
                    }
                }
                Item::Bad { .. } | Item::Object(_) => {}
            }
        }
        if splitter.values() > 1 {
            survey.wrapped.refuse_in_company(&place, report);
        }
        survey.mark_observables(&met, envelope);
        survey
    }

    /// What an object's own properties, the wrapper and the envelope say.
    pub fn marking(&self, object: &Object, ordinal: u64, envelope: Marking) -> Marking {
        let around = self.wrapped.of(ordinal.saturating_sub(1));
        object.marking(&self.definitions).strictest(around).strictest(envelope)
    }

    /// The marking as strict as those of the observables of this file that the object refers to.
    pub fn with_references(&self, object: &Object, marking: Marking) -> Marking {
        let named = object.observable_refs.iter().filter_map(|key| self.observables.get(key));
        named.fold(marking, |marking, other| marking.as_strict_as(*other))
    }

    fn mark_observables(&mut self, met: &[Met], envelope: Marking) {
        for Met { object, ordinal } in met {
            let marking = self.marking(object, *ordinal, envelope);
            let held = self.observables.entry(object.key).or_insert(marking);
            // One id under several markings: the strictest counts for what refers to it.
            *held = held.as_strict_as(marking);
        }
        for _ in 0..REFERENCE_ROUNDS_MAX {
            let mut changed = false;
            for Met { object, .. } in met.iter().filter(|m| !m.object.observable_refs.is_empty()) {
                let Some(held) = self.observables.get(&object.key).copied() else { continue };
                let raised = self.with_references(object, held);
                changed |= raised != held;
                self.observables.insert(object.key, raised);
            }
            if !changed {
                break;
            }
        }
    }
}

/// Marking definitions, and observables, which have no `modified`: few objects of a feed are either, and
/// only these are read twice. An escape in a name hides nothing: what is found is only what may matter.
fn may_matter(bytes: &[u8]) -> bool {
    memmem::find(bytes, b"\"modified\"").is_none() || memmem::find(bytes, b"\"marking-definition\"").is_some()
}
