// SPDX-License-Identifier: Apache-2.0
//! What was read and not yet judged.
//!
//! A pass over many files meets events in the files' order, not in that of time. So events are first gathered into
//! small facts by the hour, in a way that does not depend on the order in which they come: counts are added, the
//! earliest line is kept, sets are united. Only when an hour is closed are its facts judged, in the order of time.

use std::collections::{BTreeMap, BTreeSet};

use crate::limits::{DETECTOR_FILES_PER_DAY_MAX, DETECTOR_NAME_BYTES_MAX, DETECTOR_NAMES_MAX};
use crate::state::{Bytes, Damaged, Out, State, state};

/// Microseconds of an hour, of a day, and of the span within which like attempts are one fact.
pub(super) const HOUR: i64 = 3_600_000_000;
/// See [`HOUR`].
pub(super) const DAY: i64 = 24 * HOUR;
/// See [`HOUR`].
pub(super) const SPAN: i64 = HOUR / 6;
/// Microseconds of a minute.
pub(super) const MINUTE: i64 = HOUR / 60;

/// A text that was given a number. 0 is no text.
pub(super) type Id = u32;

/// Texts and their numbers. Numbers differ between runs; nothing that comes out depends on them.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    ids: BTreeMap<String, Id>,
    texts: Vec<String>,
}

impl Names {
    /// The number of a text; 0 of an empty one, `None` when there is no room for more.
    pub(super) fn id(&mut self, text: &str) -> Option<Id> {
        let mut text = text;
        if text.len() > DETECTOR_NAME_BYTES_MAX {
            let end = (0..=DETECTOR_NAME_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text = text.get(..end).unwrap_or_default();
        }
        if text.is_empty() {
            return Some(0);
        }
        if let Some(id) = self.ids.get(text) {
            return Some(*id);
        }
        if self.texts.len() >= DETECTOR_NAMES_MAX {
            return None;
        }
        self.texts.push(text.to_owned());
        let id = Id::try_from(self.texts.len()).ok()?;
        self.ids.insert(text.to_owned(), id);
        Some(id)
    }

    /// How many there are; numbers go from 1 to this.
    pub(super) fn len(&self) -> Id {
        Id::try_from(self.texts.len()).unwrap_or(Id::MAX)
    }

    /// The text of a number.
    pub(super) fn text(&self, id: Id) -> &str {
        let at = (id as usize).wrapping_sub(1);
        self.texts.get(at).map_or("", String::as_str)
    }
}

impl State for Names {
    fn write(&self, out: &mut Out<'_>) {
        self.texts.write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Names, Damaged> {
        let texts = Vec::<String>::read(bytes)?;
        let mut ids = BTreeMap::new();
        for (at, text) in texts.iter().enumerate() {
            let id = Id::try_from(at + 1).map_err(|_| Damaged)?;
            if ids.insert(text.clone(), id).is_some() {
                return Err(Damaged);
            }
        }
        Ok(Names { ids, texts })
    }
}

/// What makes attempts alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// Spans of ten minutes since 1970.
    pub span: i64,
    pub user: Id,
    /// Address or computer it came from.
    pub source: Id,
    pub outcome: u8,
    pub service: u8,
    pub legacy: bool,
    pub refresh: bool,
    pub device: Id,
    /// Kind of user agent.
    pub agent: Id,
    pub app: Id,
    pub protocol: Id,
}
state!(Key { span, user, source, outcome, service, legacy, refresh, device, agent, app, protocol });

/// Where a line stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spot {
    pub file: Id,
    pub line: u64,
    pub offset: u64,
}
state!(Spot { file, line, offset });

/// How often, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub first: i64,
    pub last: i64,
    pub count: u64,
    /// The line of the first.
    pub spot: Spot,
}
state!(Seen { first, last, count, spot });

impl Seen {
    pub(super) fn once(time: i64, spot: Spot) -> Seen {
        Seen { first: time, last: time, count: 1, spot }
    }

    /// Unites with what else was seen of the same. The earliest line is kept; of two at one time the one that comes
    /// first by the name of its file.
    pub(super) fn unite(&mut self, other: &Seen, names: &Names) {
        let place = |seen: &Seen| (seen.first, names.text(seen.spot.file), seen.spot.line);
        if place(other) < place(self) {
            self.spot = other.spot;
        }
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count = self.count.saturating_add(other.count);
    }
}

/// What makes changes of accounts alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChangeKey {
    pub time: i64,
    pub user: Id,
    pub actor: Id,
    pub source: Id,
    pub kind: u8,
    pub service: u8,
    pub words: Id,
}
state!(ChangeKey { time, user, actor, source, kind, service, words });

/// Sign-ins and changes of one hour.
#[derive(Clone, Debug, Default)]
pub(super) struct Hour {
    pub sign_ins: BTreeMap<Key, Seen>,
    pub changes: BTreeMap<ChangeKey, Seen>,
}
state!(Hour { sign_ins, changes });

/// Distinct files, as hashes of their names: the smallest so many, so that uniting does not depend on order.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    pub hashes: BTreeSet<u64>,
    pub seen: Option<Seen>,
}
state!(Files { hashes, seen });

impl Files {
    fn add(&mut self, hash: u64) {
        self.hashes.insert(hash);
        if self.hashes.len() > DETECTOR_FILES_PER_DAY_MAX {
            self.hashes.pop_last();
        }
    }

    /// Whether there may have been more than are counted.
    pub(super) fn is_full(&self) -> bool {
        self.hashes.len() >= DETECTOR_FILES_PER_DAY_MAX
    }
}

/// Data that moved on one day.
#[derive(Clone, Debug, Default)]
pub(super) struct Volumes {
    /// (who, to) → bytes and lines.
    pub uploads: BTreeMap<(Id, Id), (u64, Option<Seen>)>,
    /// (who, share, to write) → files.
    pub files: BTreeMap<(Id, Id, bool), Files>,
}
state!(Volumes { uploads, files });

/// Where an identity provider said that an address is: country, autonomous system, degrees in hundredths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hint {
    pub country: Id,
    pub asn: u32,
    pub at: Option<(i64, i64)>,
}
state!(Hint { country, asn, at });

/// All that waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffer {
    pub hours: BTreeMap<i64, Hour>,
    pub days: BTreeMap<i64, Volumes>,
    pub hints: BTreeMap<Id, Hint>,
    /// Facts in `hours` and `days`.
    pub facts: u64,
}
state!(Buffer { hours, days, hints, facts });

impl Buffer {
    pub(super) fn sign_in(&mut self, key: Key, seen: Seen, names: &Names) {
        let hour = self.hours.entry(seen.first.div_euclid(HOUR)).or_default();
        add(&mut hour.sign_ins, key, seen, names, &mut self.facts);
    }

    pub(super) fn change(&mut self, key: ChangeKey, seen: Seen, names: &Names) {
        let hour = self.hours.entry(seen.first.div_euclid(HOUR)).or_default();
        add(&mut hour.changes, key, seen, names, &mut self.facts);
    }

    pub(super) fn upload(&mut self, who: Id, to: Id, bytes: u64, seen: Seen, names: &Names) {
        let day = self.days.entry(seen.first.div_euclid(DAY)).or_default();
        let facts = &mut self.facts;
        let sum = day.uploads.entry((who, to)).or_insert_with(|| {
            *facts += 1;
            (0, None)
        });
        sum.0 = sum.0.saturating_add(bytes);
        unite(&mut sum.1, &seen, names);
    }

    pub(super) fn file(&mut self, key: (Id, Id, bool), hash: u64, seen: Seen, names: &Names) {
        let day = self.days.entry(seen.first.div_euclid(DAY)).or_default();
        let files = day.files.entry(key).or_default();
        let before = files.hashes.len();
        files.add(hash);
        unite(&mut files.seen, &seen, names);
        // Sixteen hashes take the room of a fact, more or less.
        if files.hashes.len() > before && before.is_multiple_of(16) {
            self.facts += 1;
        }
    }

    /// Of two statements about one address the smaller is kept, whichever came first.
    pub(super) fn hint(&mut self, source: Id, hint: Hint, names: &Names) {
        let order =
            |h: &Hint| (h.at.is_none(), h.country == 0, names.text(h.country).to_owned(), h.asn, h.at);
        match self.hints.get_mut(&source) {
            Some(held) if order(&hint) < order(held) => *held = hint,
            Some(_) => {}
            None => {
                self.hints.insert(source, hint);
            }
        }
    }

    /// Without what is of hours before one; says how much that was.
    pub(super) fn since_hour(mut self, hour: i64) -> (u64, Buffer) {
        let hours = self.hours.split_off(&hour);
        let days = self.days.split_off(&hour.div_euclid(24));
        let late = |seen: &Seen| seen.count;
        let lost: u64 = self
            .hours
            .values()
            .map(|hour| {
                hour.sign_ins.values().map(late).sum::<u64>() + hour.changes.values().map(late).sum::<u64>()
            })
            .sum();
        let moved: u64 = self
            .days
            .values()
            .map(|day| {
                let sent: u64 = day.uploads.values().filter_map(|(_, seen)| seen.as_ref().map(late)).sum();
                sent + day.files.values().filter_map(|files| files.seen.as_ref().map(late)).sum::<u64>()
            })
            .sum();
        (lost + moved, Buffer { hours, days, ..self })
    }

    /// Takes in what another buffer holds, whose numbers are translated.
    pub(super) fn unite(&mut self, other: Buffer, names: &Names, id: &dyn Fn(Id) -> Id) {
        let spot = |seen: &Seen| Seen { spot: Spot { file: id(seen.spot.file), ..seen.spot }, ..*seen };
        for hour in other.hours.into_values() {
            for (key, seen) in hour.sign_ins {
                let key = Key {
                    user: id(key.user),
                    source: id(key.source),
                    device: id(key.device),
                    agent: id(key.agent),
                    app: id(key.app),
                    protocol: id(key.protocol),
                    ..key
                };
                self.sign_in(key, spot(&seen), names);
            }
            for (key, seen) in hour.changes {
                let key = ChangeKey {
                    user: id(key.user),
                    actor: id(key.actor),
                    source: id(key.source),
                    words: id(key.words),
                    ..key
                };
                self.change(key, spot(&seen), names);
            }
        }
        for day in other.days.into_values() {
            for ((who, to), (bytes, seen)) in day.uploads {
                if let Some(seen) = seen {
                    self.upload(id(who), id(to), bytes, spot(&seen), names);
                }
            }
            for ((who, share, write), files) in day.files {
                let Some(seen) = files.seen.as_ref().map(spot) else { continue };
                let key = (id(who), id(share), write);
                for (nth, hash) in files.hashes.iter().enumerate() {
                    // What was counted is counted once, not once for each file.
                    let seen = if nth == 0 { seen } else { Seen { count: 0, ..seen } };
                    self.file(key, *hash, seen, names);
                }
            }
        }
        for (source, hint) in other.hints {
            self.hint(id(source), Hint { country: id(hint.country), ..hint }, names);
        }
    }
}

fn add<K: Ord>(map: &mut BTreeMap<K, Seen>, key: K, seen: Seen, names: &Names, facts: &mut u64) {
    match map.get_mut(&key) {
        Some(held) => held.unite(&seen, names),
        None => {
            *facts += 1;
            map.insert(key, seen);
        }
    }
}

fn unite(held: &mut Option<Seen>, seen: &Seen, names: &Names) {
    match held {
        Some(held) => held.unite(seen, names),
        None => *held = Some(*seen),
    }
}

/// A stable hash of a file's name, whatever its case.
pub(super) fn hash_of(text: &str) -> u64 {
    let mut sum = Sum::default();
    sum.add(text.bytes().map(|byte| byte.to_ascii_lowercase()));
    sum.end()
}

/// A sum of bytes against damage, not against forgery: FNV-1a, mixed.
pub(super) struct Sum(u64);

impl Default for Sum {
    fn default() -> Sum {
        Sum(0xCBF2_9CE4_8422_2325)
    }
}

impl Sum {
    pub(super) fn of(bytes: &[u8]) -> u64 {
        let mut sum = Sum::default();
        sum.add(bytes.iter().copied());
        sum.end()
    }

    pub(super) fn add(&mut self, bytes: impl Iterator<Item = u8>) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    pub(super) fn end(self) -> u64 {
        (self.0 ^ self.0 >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_up_to_its_limit() {
        let mut names = Names::default();
        let edge = "x".repeat(DETECTOR_NAME_BYTES_MAX);
        let id = names.id(&edge).unwrap();
        assert_eq!(names.text(id), edge);
        assert_eq!(names.id(&format!("{edge}y")), Some(id), "what is over the edge is cut off");
        let wide = names.id(&"é".repeat(DETECTOR_NAME_BYTES_MAX)).unwrap();
        assert_eq!(names.text(wide).len(), DETECTOR_NAME_BYTES_MAX);
        assert_eq!((names.id(""), names.text(0)), (Some(0), ""));
    }

    #[test]
    fn files_beyond_the_limit_are_not_told_apart_in_whatever_order_they_come() {
        let count = DETECTOR_FILES_PER_DAY_MAX as u64 + 5;
        let (mut up, mut down) = (Files::default(), Files::default());
        for nth in 0..count - 6 {
            up.add(hash_of(&nth.to_string()));
        }
        assert!(!up.is_full());
        (count - 6..count).for_each(|nth| up.add(hash_of(&nth.to_string())));
        (0..count).rev().for_each(|nth| down.add(hash_of(&nth.to_string())));
        assert!(up.is_full());
        assert_eq!(up.hashes.len(), DETECTOR_FILES_PER_DAY_MAX);
        assert_eq!(up.hashes, down.hashes);
    }
}
