// SPDX-License-Identifier: Apache-2.0
//! Indicators that say the same: a line that holds the value is one finding, not one for each of them.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher as _};

use model::marking::{Marking, Tlp};

use super::{Indicator, Mode};
use crate::report::is_of_object;
use crate::standard::Markings;

/// What stands between a list and the line of it in the name of an entry.
const LINE: &str = " line ";

/// Leaves one indicator for each value of plain lists, the first. Where other lists hold it as well its name says which.
/// Of what the ledger says, too (the first `of_ledger` are its), its indicator is left: `markings` then says of it what
/// the others' do, so that the strictest counts. Other objects are left as they are: each has an author and a marking of
/// its own.
pub fn merge_entries(
    mut indicators: Vec<Indicator>,
    of_ledger: usize,
    markings: &mut Markings,
) -> Vec<Indicator> {
    let of_files = indicators.split_off(of_ledger.min(indicators.len()));
    let mut merged = indicators;
    let held = Held::of(&merged, &of_files);
    merged.reserve(of_files.len());
    let mut firsts: HashMap<u64, usize> = HashMap::new();
    let mut others: HashMap<usize, Vec<String>> = HashMap::new();
    for indicator in of_files {
        if held.takes_in(&mut merged, &indicator, markings) {
            continue;
        }
        if is_of_object(&indicator.id) {
            merged.push(indicator);
            continue;
        }
        let same = match firsts.entry(hash_of(&(&indicator.observable, indicator.mode))) {
            Entry::Occupied(first) => {
                Some(*first.get()).zip(merged.get(*first.get())).filter(|(_, one)| is_same(one, &indicator))
            }
            Entry::Vacant(vacant) => {
                vacant.insert(merged.len());
                None
            }
        };
        match same {
            None => merged.push(indicator),
            Some((_, first)) if list_of(first) == list_of(&indicator) => {}
            Some((nth, _)) => {
                let (lists, list) = (others.entry(nth).or_default(), list_of(&indicator));
                if !lists.iter().any(|known| known == list) {
                    lists.push(list.to_owned());
                }
            }
        }
    }
    for (nth, lists) in others {
        if let Some(first) = merged.get_mut(nth) {
            // What ends in the same number of a line is kept in less room.
            first.name = format!("also in {}; {}", lists.join(", "), first.name);
        }
    }
    merged
}

/// The ledger's indicators of values that files name, too: their places.
struct Held {
    /// By id and value.
    objects: HashMap<u64, usize>,
    /// By value: the one that is about the most.
    values: HashMap<u64, usize>,
}

impl Held {
    fn of(ledger: &[Indicator], of_files: &[Indicator]) -> Held {
        // A ledger may hold millions, of which files name a few.
        let mut values: HashMap<u64, usize> =
            of_files.iter().map(|one| (hash_of(&one.observable), usize::MAX)).collect();
        let mut objects = HashMap::new();
        for (nth, one) in ledger.iter().enumerate() {
            let Some(place) = values.get_mut(&hash_of(&one.observable)) else { continue };
            objects.insert(hash_of(&(&one.id, &one.observable)), nth);
            if ledger.get(*place).is_none_or(|before| covers(one, before)) {
                *place = nth;
            }
        }
        Held { objects, values }
    }

    /// Whether one of the ledger's stands for an indicator of a file from now on.
    fn takes_in(&self, ledger: &mut [Indicator], other: &Indicator, markings: &mut Markings) -> bool {
        let is_about = |one: &&mut Indicator| one.observable == other.observable;
        let place = self.objects.get(&hash_of(&(&other.id, &other.observable)));
        if let Some(one) = place.and_then(|nth| ledger.get_mut(*nth)).filter(is_about)
            && one.id == other.id
            && has_mode_of(one, other)
        {
            // Two versions of one object: what either says holds. Of its marking `markings` knows already.
            one.valid_until = one.valid_until.zip(other.valid_until).map(|(a, b)| a.max(b));
            return true;
        }
        let place = self.values.get(&hash_of(&other.observable));
        let Some(one) = place.and_then(|nth| ledger.get_mut(*nth)).filter(|one| covers(one, other)) else {
            return false;
        };
        let (marking, refs) = match markings.of(&other.id) {
            Some((marking, refs)) => (marking, refs.to_vec()),
            // What nobody marked is kept as if it were marked so; of an object it is not known.
            None => {
                let unknown = is_of_object(&other.id);
                (Marking { unknown, ..Marking::tlp(Tlp::AmberStrict) }, Vec::new())
            }
        };
        markings.add(&one.id, marking, refs);
        true
    }
}

/// Whether an indicator finds all that another does: of the same value, of as many names, for as long.
fn covers(one: &Indicator, other: &Indicator) -> bool {
    let lasts = match (one.valid_until, other.valid_until) {
        (None, _) => true,
        (Some(one), Some(other)) => one >= other,
        (Some(_), None) => false,
    };
    one.observable == other.observable && has_mode_of(one, other) && lasts
}

fn has_mode_of(one: &Indicator, other: &Indicator) -> bool {
    one.mode == other.mode || one.mode == Mode::WithSubdomains
}

fn hash_of(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

fn is_same(one: &Indicator, other: &Indicator) -> bool {
    let facts = |of: &Indicator| (of.mode, of.valid_from, of.valid_until);
    one.observable == other.observable && facts(one) == facts(other)
}

/// The list that an entry came from.
fn list_of(entry: &Indicator) -> &str {
    entry.name.rsplit_once(LINE).map_or(entry.name.as_str(), |(list, _)| list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indicator::read_list;

    #[test]
    fn the_same_value_in_lists_is_one_indicator() {
        let lists = [
            ("a.txt", "203.0.113.7\nevil[.]example\n203.0.113.7 # again\nEVIL.example\n"),
            ("b.txt", "198.51.100.9\nevil.example\n"),
            ("a.txt", "203.0.113.7\n"),
            ("c.txt", "evil.example\nhttp://evil.example/\n"),
        ];
        let all = lists.iter().flat_map(|(name, text)| read_list(text.as_bytes(), name).indicators);
        let mut all: Vec<Indicator> = all.collect();
        let object =
            Indicator { id: "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f".to_owned(), ..all[0].clone() };
        all.extend([object.clone(), object]);
        let merged = merge_entries(all, 0, &mut Markings::default());
        let named: Vec<(&str, &str)> =
            merged.iter().map(|one| (one.id.as_str(), one.name.as_str())).collect();
        let object = ("indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f", "a.txt line 1");
        assert_eq!(
            named,
            [
                ("203.0.113.7", "a.txt line 1"),
                ("evil[.]example", "also in b.txt, c.txt; a.txt line 2"),
                ("198.51.100.9", "b.txt line 1"),
                ("http://evil.example/", "c.txt line 2"),
                object,
                object,
            ]
        );
    }

    /// A line counted twice where the ledger and a file said the same.
    #[test]
    fn what_the_ledger_says_too_is_one_indicator_with_the_stricter_marking() {
        let list = |text: &str| read_list(text.as_bytes(), "a.txt").indicators;
        let id = |nth: u32| format!("indicator--8e2e2d2b-17d4-4cbf-938f-{nth:012}");
        let until = |micros| Some(model::time::Timestamp::from_micros(micros));
        let object = |nth, value: &str, valid_until| Indicator {
            id: id(nth),
            name: "its name".to_owned(),
            valid_until,
            ..list(value).remove(0)
        };
        let ledger = [
            object(1, "203.0.113.1", None),
            object(2, "203.0.113.2", None),
            object(3, "203.0.113.3", until(5)),
            object(4, "203.0.113.4", until(5)),
            Indicator { mode: Mode::Exact, ..object(5, "evil.example", None) },
        ];
        let mut markings = Markings::default();
        markings.add(&id(12), Marking::tlp(Tlp::Red), vec!["m".to_owned()]);
        let files = [
            list("203.0.113.1\n").remove(0),
            object(12, "203.0.113.2", until(9)),
            object(13, "203.0.113.2", None),
            // It lasts longer than the ledger's, and is another.
            list("203.0.113.3\n").remove(0),
            // It is a later version of the ledger's.
            object(4, "203.0.113.4", until(7)),
            // It is about more names.
            list("evil.example\n").remove(0),
        ];
        let merged = merge_entries([&ledger[..], &files[..]].concat(), ledger.len(), &mut markings);
        let [one, two, three, four, name] = ledger;
        let four = Indicator { valid_until: until(7), ..four };
        assert_eq!(merged, [one, two, three, four, name, files[3].clone(), files[5].clone()]);
        let unmarked = Marking::tlp(Tlp::AmberStrict);
        assert_eq!(markings.of(&id(1)), Some((unmarked, &[][..])));
        let red = Marking { unknown: true, ..Marking::tlp(Tlp::Red) };
        assert_eq!(markings.of(&id(2)), Some((red, &["m".to_owned()][..])));
        assert_eq!(markings.of(&id(4)), None);
    }
}
