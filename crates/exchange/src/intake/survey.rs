// SPDX-License-Identifier: Apache-2.0
//! The first pass over an input: what marks its objects, wherever in the input it stands.

use std::collections::HashMap;
use std::io::Read;

use ledger::signed::Drafts;
use memchr::memmem;
use model::diagnostic::Diagnostic;
use model::id::SubjectKey;
use model::marking::Marking;
use model::stix::{DRAFTS_MEMBER, Definitions, Item, Object, Splitter};

use super::Note;
use super::wrapper::Wrapped;

/// Rounds in which a marking goes on from observable to observable (a file in a directory on a host).
const REFERENCE_ROUNDS_MAX: usize = 16;

/// What the second pass must know of the whole input.
#[derive(Debug, Default)]
pub struct Survey {
    wrapped: Wrapped,
    definitions: Definitions,
    observables: HashMap<SubjectKey, Marking>,
    /// Elements met where an object is expected, good or bad.
    pub objects: u64,
    /// Top-level values met: bundles, arrays, objects.
    pub values: u64,
    /// The first object that stands in no wrapper's `objects`; empty if it was a bad one.
    pub bare: Option<Vec<u8>>,
    /// Arrays of objects that stand in no wrapper.
    pub bare_arrays: u64,
    /// What the author of the objects signed of them, where the input says so.
    pub drafts: Option<Signed>,
    /// What ended the reading before the end.
    pub fault: Option<Diagnostic>,
}

/// What stands beside the objects of what their author signed.
#[derive(Debug)]
pub enum Signed {
    /// One draft for each object.
    Drafts(Box<Drafts>),
    /// Nothing that can be read.
    Unreadable,
}

/// An observable that was met, before all definitions are known.
struct Met {
    object: Object,
    ordinal: u64,
}

impl Survey {
    /// Reads the input, which `place` names. What is wrong with its objects is told by the second pass.
    pub fn of(
        source: impl Read,
        place: &str,
        definitions: Definitions,
        envelope: Marking,
        note: Note<'_>,
    ) -> Survey {
        let mut survey = Survey { definitions, ..Survey::default() };
        let mut met = Vec::new();
        let mut splitter = Splitter::new(source);
        loop {
            let item = match splitter.next_item() {
                Ok(Some(item)) => item,
                Ok(None) => break,
                Err(error) => {
                    survey.fault = Some(Diagnostic::error("unreadable", place, error.to_string()));
                    break;
                }
            };
            match &item {
                _ if splitter.in_wrapper() || survey.bare.is_some() => {}
                Item::Object(bytes) => survey.bare = Some(bytes.clone()),
                Item::Bad { counts: true, .. } => survey.bare = Some(Vec::new()),
                Item::Bad { .. } | Item::Drafts(_) | Item::Markings(_) => {}
            }
            survey.objects = splitter.objects();
            match item {
                Item::Drafts(bytes) => survey.sign(&bytes, place, note),
                Item::Markings(bytes) => survey.wrapped.add(&bytes, place, note),
                Item::Object(bytes) if may_matter(&bytes) => {
                    let Some(object) = Object::parse(&bytes, "", &mut Vec::new()) else { continue };
                    if let Some(definition) = object.definition {
                        survey.definitions.add(&object.id, definition);
                    } else if object.key.is_observable() {
                        met.push(Met { object, ordinal: splitter.objects() });
                    }
                }
                Item::Bad { diagnostic, counts: false } => survey.fault = Some(diagnostic),
                Item::Bad { .. } | Item::Object(_) => {}
            }
        }
        survey.values = splitter.values();
        survey.bare_arrays = splitter.bare_arrays();
        if survey.values > 1 {
            survey.wrapped.refuse_in_company(place, note);
            if matches!(survey.drafts, Some(Signed::Drafts(_))) {
                survey.sign(&[], place, note);
            }
        }
        survey.mark_observables(&met, envelope);
        survey
    }

    /// Takes in what was signed. What cannot be read, or stands there twice or beside other documents, leaves
    /// no object that may be taken: none of them is the sender's own.
    fn sign(&mut self, bytes: &[u8], place: &str, note: Note<'_>) {
        let drafts = if self.drafts.is_none() {
            Drafts::parse(bytes).map_err(|e| e.to_string())
        } else {
            Err(format!("`{DRAFTS_MEMBER}` stands there twice, or in one of several documents"))
        };
        self.drafts = Some(match drafts {
            Ok(drafts) => Signed::Drafts(Box::new(drafts)),
            Err(message) => {
                let fix = "send the file as `polder hosted sign` wrote it";
                note(Diagnostic::error("drafts-unreadable", place, message).with_fix(fix));
                Signed::Unreadable
            }
        });
    }

    /// What an object's own properties, the wrapper and the envelope say.
    pub(super) fn marking(&self, object: &Object, ordinal: u64, envelope: Marking) -> Marking {
        let around = self.wrapped.of(ordinal.saturating_sub(1));
        object.marking(&self.definitions).strictest(around).strictest(envelope)
    }

    /// The marking as strict as those of the observables of this file that the object refers to.
    pub(super) fn with_references(&self, object: &Object, marking: Marking) -> Marking {
        let named = object.observable_refs.iter().filter_map(|key| self.observables.get(key));
        named.fold(marking, |marking, other| marking.as_strict_as(*other))
    }

    /// Whether the object carries a marking that is not understood.
    pub(super) fn misses_definition(&self, object: &Object) -> bool {
        object.marking(&self.definitions).unknown
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
