// SPDX-License-Identifier: Apache-2.0
//! What a bundle says of the markings of its indicators: `object_marking_refs`, granular markings, definitions in the
//! bundle, and Polder's own `x_polder_markings` (`docs/markings.md`).

use std::collections::HashMap;

use memchr::memmem;
use model::id::SubjectKey;
use model::marking::Marking;
use model::stix::runs::{self, Run};
use model::stix::{Definitions, Item, Object, Splitter};
use serde_json::Value;

const UNKNOWN: Marking = Marking { unknown: true, ..Marking::NONE };

/// Markings of objects that no ledger holds, by their ids.
#[derive(Clone, Debug, Default)]
pub struct Markings {
    /// A bundle may have millions of objects under few markings.
    of: HashMap<SubjectKey, usize>,
    kinds: Vec<(Marking, Vec<String>)>,
    known: HashMap<(Marking, Vec<String>), usize>,
}

impl Markings {
    /// What was said of an object: its marking and its `object_marking_refs`. `None` where nothing was.
    pub fn of(&self, id: &str) -> Option<(Marking, &[String])> {
        let kind = self.of.get(&SubjectKey::of(id))?;
        self.kinds.get(*kind).map(|(marking, refs)| (*marking, refs.as_slice()))
    }

    /// Takes in what was said of an object; said twice, the strictest counts.
    pub(crate) fn add(&mut self, id: &str, marking: Marking, refs: Vec<String>) {
        self.put(SubjectKey::of(id), marking, refs);
    }

    /// Takes in all that others say.
    pub fn extend(&mut self, others: &Markings) {
        for (key, kind) in &others.of {
            if let Some((marking, refs)) = others.kinds.get(*kind) {
                self.put(*key, *marking, refs.clone());
            }
        }
    }

    fn put(&mut self, key: SubjectKey, mut marking: Marking, mut refs: Vec<String>) {
        if let Some((held, of_held)) = self.of.get(&key).and_then(|kind| self.kinds.get(*kind)) {
            marking = marking.strictest(*held);
            refs.extend(of_held.iter().cloned());
        }
        refs.sort_unstable();
        refs.dedup();
        let kind = (marking, refs);
        let nth = *self.known.entry(kind.clone()).or_insert(self.kinds.len());
        if nth == self.kinds.len() {
            self.kinds.push(kind);
        }
        self.of.insert(key, nth);
    }
}

/// What marks the objects of a bundle, wherever in it that stands.
#[derive(Default)]
pub(super) struct Marks {
    definitions: Definitions,
    runs: Option<Vec<Run>>,
    /// The list beside the objects was met, and cannot be read or belongs to one of several documents.
    unreadable: bool,
}

impl Marks {
    pub fn of(bundle: &[u8]) -> Marks {
        let mut marks = Marks::default();
        let mut splitter = Splitter::new(bundle);
        // Reading from memory does not fail.
        while let Ok(Some(item)) = splitter.next_item() {
            match item {
                // One that is written otherwise is not understood: what it marks is then restricted.
                Item::Object(bytes) if memmem::find(&bytes, b"\"marking-definition\"").is_some() => {
                    let object = Object::parse(&bytes, "", &mut Vec::new());
                    if let Some((id, definition)) = object.and_then(|o| Some((o.id, o.definition?))) {
                        marks.definitions.add(&id, definition);
                    }
                }
                Item::Markings(bytes) => match runs::parse(&bytes) {
                    Some(runs) if marks.runs.is_none() => marks.runs = Some(runs),
                    _ => marks.unreadable = true,
                },
                Item::Object(_) | Item::Drafts(_) | Item::Bad { .. } => {}
            }
        }
        marks.unreadable |= marks.runs.is_some() && splitter.values() > 1;
        marks
    }

    /// What is said of an object that stands at this place of the bundle, counted from 1. Where nothing is, `None`: of
    /// what nobody marked it is not known who may see it.
    pub fn said(&self, object: &Value, place: u64) -> Option<(Marking, Vec<String>)> {
        let own = object.get("object_marking_refs");
        let (refs, readable) = own.map_or((Vec::new(), true), |own| texts(own, Some));
        let granular = object.get("granular_markings");
        // One without a marking says a language.
        let (parts, parts_readable) =
            granular.map_or((Vec::new(), true), |all| texts(all, |one| one.get("marking_ref")));
        let mut marking = self.definitions.combine(refs.iter().chain(&parts).map(String::as_str));
        marking = marking.strictest(self.around(place));
        if !(readable && parts_readable) {
            marking = marking.strictest(UNKNOWN);
        }
        if refs.is_empty() && marking == Marking::NONE {
            return None;
        }
        // Without a label nobody says who may see it.
        let unknown = marking.unknown || marking.tlp.is_none();
        Some((Marking { unknown, ..marking }, refs))
    }

    fn around(&self, place: u64) -> Marking {
        if self.unreadable {
            return UNKNOWN;
        }
        let Some(runs) = &self.runs else { return Marking::NONE };
        let nth = usize::try_from(place.saturating_sub(1)).unwrap_or(usize::MAX);
        let run = runs.partition_point(|run| run.first <= nth).checked_sub(1).and_then(|run| runs.get(run));
        // One that the list forgot is restricted, not free.
        run.filter(|run| nth <= run.last).map_or(UNKNOWN, |run| run.marking)
    }
}

/// The texts that `part` finds in the elements of a list, and whether all of it can be read.
fn texts<'v>(list: &'v Value, part: impl Fn(&'v Value) -> Option<&'v Value>) -> (Vec<String>, bool) {
    let Some(list) = list.as_array() else { return (Vec::new(), false) };
    let found: Vec<Option<&str>> = list.iter().filter_map(&part).map(Value::as_str).collect();
    let readable = found.iter().all(Option::is_some);
    (found.into_iter().flatten().map(str::to_owned).collect(), readable)
}
