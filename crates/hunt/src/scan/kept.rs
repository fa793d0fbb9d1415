// SPDX-License-Identifier: Apache-2.0
//! The indicators of a set, packed: a million as strings of their own would need more memory than all the
//! tables that the scan asks. They are asked for once a hit.

use std::collections::HashMap;

use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;

use super::set::map_bytes;
use crate::indicator::{Indicator, Mode};

type Times = (Option<Timestamp>, Option<Timestamp>);

/// Indicators in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Of each: kind, mode, lengths, canonical value, id where it is not the value as displayed.
    bytes: Vec<u8>,
    /// Where each begins.
    starts: Vec<u64>,
    /// Names without the number at their end: a list's are all the same.
    names: Vec<Box<str>>,
    /// Of those that have any.
    times: HashMap<u32, Times>,
}

/// Remembers names while indicators are added.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Box<str>, u64>);

impl Kept {
    /// Room for so many.
    pub(super) fn with_capacity(count: usize) -> Kept {
        Kept { starts: Vec::with_capacity(count), ..Kept::default() }
    }

    /// Number of indicators.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Adds one whose value is displayed as `text`.
    pub(super) fn add(&mut self, indicator: &Indicator, text: &str, known: &mut Names) {
        let times = (indicator.valid_from, indicator.valid_until);
        if times != (None, None)
            && let Ok(index) = u32::try_from(self.len())
        {
            self.times.insert(index, times);
        }
        self.starts.push(self.bytes.len() as u64);
        let canonical = indicator.observable.canonical();
        let id = if indicator.id == text { None } else { Some(indicator.id.as_bytes()) };
        let (name, number) = without_number(&indicator.name);
        let name = match known.0.get(name) {
            Some(index) => *index,
            None => {
                let index = self.names.len() as u64;
                self.names.push(name.into());
                known.0.insert(name.into(), index);
                index
            }
        };
        let (kind, mode) = (indicator.observable.kind().code(), indicator.mode.code());
        let lengths = [canonical.len() as u64, id.map_or(0, |id| id.len() as u64 + 1)];
        for value in [kind as u64, mode as u64, lengths[0], lengths[1], name, number.map_or(0, |n| n + 1)] {
            put(&mut self.bytes, value);
        }
        self.bytes.extend_from_slice(canonical);
        self.bytes.extend_from_slice(id.unwrap_or_default());
    }

    /// Gives back the room that was not needed.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.names.shrink_to_fit();
    }

    /// Memory on the heap, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
            + self.starts.capacity() * size_of::<u64>()
            + self.names.capacity() * size_of::<Box<str>>()
            + self.names.iter().map(|name| name.len()).sum::<usize>()
            + map_bytes(&self.times)
    }

    fn entry(&self, index: usize) -> Option<&[u8]> {
        self.bytes.get(usize::try_from(*self.starts.get(index)?).ok()?..)
    }

    /// What the value of an indicator is.
    pub(super) fn kind(&self, index: usize) -> Option<ObservableKind> {
        ObservableKind::from_code(i64::from(*self.entry(index)?.first()?))
    }

    /// An indicator as it was added.
    pub(super) fn indicator(&self, index: usize) -> Option<Indicator> {
        let mut rest = self.entry(index)?;
        let kind = ObservableKind::from_code(i64::try_from(take(&mut rest)?).ok()?)?;
        let mode = Mode::from_code(i64::try_from(take(&mut rest)?).ok()?)?;
        let canonical_length = usize::try_from(take(&mut rest)?).ok()?;
        let id_length = usize::try_from(take(&mut rest)?).ok()?;
        let name = usize::try_from(take(&mut rest)?).ok()?;
        let number = take(&mut rest)?;
        let (canonical, rest) = rest.split_at_checked(canonical_length)?;
        let observable = Observable::from_canonical(kind, canonical);
        let id = match id_length.checked_sub(1) {
            Some(length) => String::from_utf8(rest.get(..length)?.to_vec()).ok()?,
            None => observable.display(),
        };
        let mut name = self.names.get(name)?.to_string();
        if let Some(number) = number.checked_sub(1) {
            name.push_str(&number.to_string());
        }
        let times = u32::try_from(index).ok().and_then(|index| self.times.get(&index));
        let (valid_from, valid_until) = times.copied().unwrap_or_default();
        Some(Indicator { id, observable, mode, name, valid_from, valid_until })
    }
}

/// A name without the decimal number at its end, and the number, if it can be printed the same again.
fn without_number(name: &str) -> (&str, Option<u64>) {
    let head = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = name.get(head.len()..).unwrap_or_default();
    match digits.parse::<u64>() {
        Ok(number) if number < u64::MAX && number.to_string() == digits => (head, Some(number)),
        _ => (name, None),
    }
}

/// Seven bits a byte, the lowest first; the top bit says that more follow (LEB128).
fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7F).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(value);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = (ObservableKind, String)> {
        use ObservableKind::*;
        prop_oneof![
            any::<[u8; 4]>().prop_map(|a| (Ip, std::net::Ipv4Addr::from(a).to_string())),
            any::<[u16; 8]>().prop_map(|a| (Ip, std::net::Ipv6Addr::from(a).to_string())),
            "[a-z]{1,40}\\.(de|рф)".prop_map(|name| (Domain, name)),
            "[a-z]{1,9}@[a-z]{1,9}\\.nl".prop_map(|mail| (Email, mail)),
            "https://[a-z]{1,9}\\.nl/[a-z]{0,300}".prop_map(|url| (Url, url)),
            "[0-9a-f]{64}".prop_map(|hash| (Sha256, hash)),
            "[A-Za-z/. 0-9]{0,8}x".prop_map(|agent| (UserAgent, agent)),
        ]
    }

    proptest! {
        #[test]
        fn indicators_come_back_as_they_were(
            parts in prop::collection::vec((value(), any::<bool>(), prop::option::of(".{0,9}"), ".{0,3}[0-9]{0,22}", any::<[Option<i32>; 2]>()), 0..20)
        ) {
            let (mut kept, mut names, mut all) = (Kept::with_capacity(0), Names::default(), Vec::new());
            for ((kind, text), exact, id, name, times) in parts {
                let observable = Observable::parse(kind, &text).unwrap();
                let [valid_from, valid_until] =
                    times.map(|t| t.and_then(|t| Timestamp::from_micros(i64::from(t)).into()));
                let mode = if exact { Mode::Exact } else { Mode::WithSubdomains };
                let display = observable.display();
                let id = id.unwrap_or_else(|| display.clone());
                let indicator = Indicator { id, observable, mode, name, valid_from, valid_until };
                kept.add(&indicator, &display, &mut names);
                all.push(indicator);
            }
            let back: Vec<Indicator> = (0..kept.len()).filter_map(|index| kept.indicator(index)).collect();
            let kinds: Vec<_> = (0..kept.len()).filter_map(|index| kept.kind(index)).collect();
            prop_assert_eq!(kinds, all.iter().map(|i| i.observable.kind()).collect::<Vec<_>>());
            prop_assert_eq!(back, all);
            prop_assert_eq!(kept.indicator(kept.len()), None);
        }
    }
}
