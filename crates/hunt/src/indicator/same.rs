// SPDX-License-Identifier: Apache-2.0
//! Entries of lists that say the same: a line that holds the value is one finding, not one for each of them.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash as _, Hasher as _};

use super::Indicator;
use crate::report::is_of_object;

/// What stands between a list and the line of it in the name of an entry.
const LINE: &str = " line ";

/// Leaves one indicator for each value of plain lists, the first. Where other lists hold it as well its name says which.
/// Objects are left as they are: each has an author and a marking of its own.
pub fn merge_entries(indicators: Vec<Indicator>) -> Vec<Indicator> {
    let mut merged: Vec<Indicator> = Vec::with_capacity(indicators.len());
    let mut firsts: HashMap<u64, usize> = HashMap::new();
    let mut others: HashMap<usize, Vec<String>> = HashMap::new();
    for indicator in indicators {
        if is_of_object(&indicator.id) {
            merged.push(indicator);
            continue;
        }
        let mut hasher = DefaultHasher::new();
        (&indicator.observable, indicator.mode).hash(&mut hasher);
        let same = match firsts.entry(hasher.finish()) {
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
        let merged = merge_entries(all);
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
}
