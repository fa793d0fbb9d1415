// SPDX-License-Identifier: Apache-2.0
//! Room for the events that patterns of several observations wait with. Each pattern has a limit of its own; thousands of
//! them that a common line matches would still take all memory, so all together have one, too.
//!
//! When it is passed, those patterns that keep most give up their latest events, until half of the room is free. A
//! pattern that few lines match loses nothing by what another's lines take.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::set::{Kept, PatternRun};
use crate::limits::PATTERNS_KEPT_BYTES_MAX;

/// What the kept events take, by pattern.
#[derive(Debug)]
pub(super) struct Room<'a> {
    /// Bytes of each pattern.
    bytes: Vec<usize>,
    sum: usize,
    /// Most bytes of one pattern: lowered each time that room is made.
    most: usize,
    /// Events of each pattern that found no room.
    pub(super) short: Vec<u64>,
    limit: usize,
    /// How many runs that read share the limit.
    readers: Option<&'a AtomicUsize>,
}

impl<'a> Room<'a> {
    /// Room for a number of patterns; shared with the other readers, if it is one of several.
    pub(super) fn new(patterns: usize, readers: Option<&'a AtomicUsize>) -> Room<'a> {
        if let Some(readers) = readers {
            readers.fetch_add(1, Ordering::Relaxed);
        }
        let limit = PATTERNS_KEPT_BYTES_MAX;
        Room { bytes: vec![0; patterns], sum: 0, most: limit, short: vec![0; patterns], limit, readers }
    }

    fn limit(&self) -> usize {
        let readers = self.readers.map_or(1, |readers| readers.load(Ordering::Relaxed));
        self.limit / readers.max(1)
    }

    /// Takes room for one more event of a pattern; whether there is any.
    pub(super) fn take(&mut self, nth: usize, size: usize) -> bool {
        let Some(bytes) = self.bytes.get_mut(nth) else { return false };
        let fits = bytes.saturating_add(size) <= self.most;
        if fits {
            *bytes += size;
            self.sum += size;
        } else if let Some(short) = self.short.get_mut(nth) {
            *short += 1;
        }
        fits
    }

    /// Takes over what another run's events take.
    pub(super) fn unite(&mut self, other: &Room<'_>) {
        for (mine, theirs) in self.bytes.iter_mut().zip(&other.bytes) {
            *mine += theirs;
        }
        for (mine, theirs) in self.short.iter_mut().zip(&other.short) {
            *mine += theirs;
        }
        self.sum += other.sum;
    }

    /// The most that a pattern may take so that all fit into half of the room.
    fn lower(&self) -> usize {
        let mut rising = self.bytes.clone();
        rising.sort_unstable();
        let (mut left, mut patterns) = (self.limit() / 2, rising.len());
        for bytes in rising {
            let share = left / patterns.max(1);
            if bytes > share {
                return share.min(self.most);
            }
            left -= bytes;
            patterns -= 1;
        }
        self.most
    }
}

impl Room<'_> {
    /// The log is read: what waits to be taken over takes no share from those that read.
    pub(super) fn leave(&mut self) {
        if let Some(readers) = self.readers.take() {
            readers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl PatternRun<'_> {
    /// Nothing more is read for it: it waits to be [merged](PatternRun::merge).
    pub(crate) fn end(&mut self) {
        self.room.leave();
    }

    /// Where the events of all patterns take too much, those that take most give up their latest.
    pub(super) fn make_room(&mut self) {
        if self.room.sum <= self.room.limit() {
            return;
        }
        let most = self.room.lower();
        self.room.most = most;
        let all = self.kept.iter_mut().zip(&mut self.lost);
        let of_room = self.room.bytes.iter_mut().zip(&mut self.room.short);
        for ((kept, lost), (bytes, short)) in all.zip(of_room) {
            if *bytes <= most {
                continue;
            }
            in_order(kept);
            let mut taken = 0;
            let fitting = kept.iter().take_while(|kept| {
                taken += size(kept);
                taken <= most
            });
            let fitting = fitting.count();
            let cut = (kept.len() - fitting) as u64;
            kept.truncate(fitting);
            kept.shrink_to_fit();
            let left = kept.iter().map(size).sum();
            self.room.sum -= *bytes - left;
            *bytes = left;
            *short += cut;
            *lost += cut;
        }
    }

    /// Room for what was kept already.
    pub(super) fn measure(&mut self) {
        self.room.bytes = self.kept.iter().map(|kept| kept.iter().map(size).sum()).collect();
        self.room.sum = self.room.bytes.iter().sum();
        self.make_room();
    }
}

/// Events in the order of time: runs end in any order, and the answer must not depend on it.
pub(super) fn in_order(kept: &mut [Kept]) {
    kept.sort_by(|a, b| {
        let key = |k: &Kept| (k.span.first, k.evidence.place);
        key(a)
            .0
            .cmp(&key(b).0)
            .then_with(|| a.evidence.file.cmp(&b.evidence.file))
            .then(key(a).1.cmp(&key(b).1))
    });
}

/// Bytes of memory that an event takes, about.
pub(super) fn size(kept: &Kept) -> usize {
    let about: usize =
        kept.about.iter().map(|(_, value)| size_of::<(&'static str, String)>() + value.capacity()).sum();
    let leaves = kept.leaves.len() * size_of::<usize>();
    size_of::<Kept>() + about + leaves + kept.evidence.file.len() + kept.evidence.text.len()
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;
    use serde_json::json;

    use super::super::{PatternIndicator, PatternSet};
    use super::*;
    use crate::event::{Event, Place};

    /// Patterns that any line of one program matches, and one that few do.
    fn set(common: usize) -> PatternSet {
        let one = |nth: usize| {
            let pattern = format!("[process:name = 'common'] AND [process:name = 'never{nth}']");
            PatternIndicator::parse(&format!("common{nth}"), "n", &pattern).unwrap()
        };
        let rare = "[process:name = 'rare'] FOLLOWEDBY [process:name = 'after']";
        let rare = PatternIndicator::parse("rare", "n", rare).unwrap();
        PatternSet::build((0..common).map(one).chain([rare]).collect())
    }

    fn event(nth: u64, name: &str) -> Event {
        Event {
            place: Place { line: nth, offset: nth * 100 },
            time: Some(Timestamp::from_micros(1_700_000_000_000_000 + nth as i64 * 1_000_000)),
            fields: serde_json::from_value(json!({ "Image": format!("/bin/{name}") })).unwrap(),
            ..Event::default()
        }
    }

    fn read(run: &mut PatternRun<'_>, lines: u64) {
        let line = "x".repeat(1_000);
        run.event("a.log", &line, &event(0, "rare"));
        for nth in 1..lines {
            run.event("a.log", &line, &event(nth, "common"));
            assert!(run.room.sum <= run.room.limit(), "after {nth} lines {}", run.room.sum);
        }
        run.event("a.log", &line, &event(lines, "after"));
    }

    fn taken(run: &PatternRun<'_>) -> usize {
        run.kept.iter().flatten().map(size).sum()
    }

    /// Each pattern kept 10,000 events, and a feed of 10,000 patterns took all memory.
    #[test]
    fn events_of_all_patterns_together_take_no_more_than_there_is_room() {
        let set = set(50);
        let mut run = PatternRun::of_all(&set);
        run.room.limit = 1_000_000;
        run.room.most = 1_000_000;
        read(&mut run, 400);
        assert_eq!(taken(&run), run.room.sum);
        assert!(run.room.sum > 250_000, "room is not left unused: {}", run.room.sum);
        let lines: Vec<u64> = run.kept[7].iter().map(|kept| kept.evidence.place.line).collect();
        let first = 1..=lines.len() as u64;
        assert!(lines.len() > 3 && lines.iter().copied().eq(first), "the earliest are kept: {lines:?}");
        let again = PatternRun::restore(&set, &run.checkpoint()).unwrap().0;
        assert_eq!((again.room.sum, &again.room.bytes), (run.room.sum, &run.room.bytes));
        let (found, said) = run.finish();
        // Which few lines match is not lost by it.
        assert_eq!(found.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["rare"]);
        assert_eq!(said.len(), 50, "each of those that were cut is named, and the other is not");
        assert!(said.iter().all(|said| said.code == "pattern-events-left-out" && said.place != "rare"));
        let lost = 399 - lines.len();
        let words = format!("{lost} events that could take part in this pattern were left out");
        assert!(said[7].message.starts_with(&words), "{}", said[7]);
        assert!(said[7].message.contains("all patterns together"), "{}", said[7]);
        assert!(said[7].message.contains("it may have held"), "{}", said[7]);
    }

    #[test]
    fn runs_that_read_at_once_share_the_room_and_merged_ones_keep_to_it() {
        let set = set(20);
        let (mut one, mut other) = (PatternRun::new(&set), PatternRun::new(&set));
        let alone = PatternRun::of_all(&set);
        assert_eq!(
            (one.room.limit(), alone.room.limit()),
            (PATTERNS_KEPT_BYTES_MAX / 2, PATTERNS_KEPT_BYTES_MAX)
        );
        for run in [&mut one, &mut other] {
            run.room.limit = 1_000_000;
            read(run, 100);
        }
        drop(alone);
        let mut whole = PatternRun::of_all(&set);
        whole.room.limit = 600_000;
        whole.merge(one);
        assert_eq!(other.room.limit(), 1_000_000, "the one is over");
        whole.merge(other);
        assert_eq!(taken(&whole), whole.room.sum);
        assert!(whole.room.sum <= 600_000, "{}", whole.room.sum);
        let (found, said) = whole.finish();
        assert!(found.iter().any(|found| found.id == "rare"));
        assert_eq!(said.len(), 20);
    }

    /// Logs that are read and wait to be taken over had their share still: a log that came after them lost its events.
    #[test]
    fn logs_that_wait_take_no_share_of_the_room() {
        let readers = AtomicUsize::new(0);
        let reads = || Room::new(1, Some(&readers));
        let mut waiting: Vec<Room<'_>> = (0..100).map(|_| reads()).collect();
        let reading = reads();
        assert_eq!(reading.limit(), PATTERNS_KEPT_BYTES_MAX / 101);
        waiting.iter_mut().for_each(Room::leave);
        assert_eq!(reading.limit(), PATTERNS_KEPT_BYTES_MAX);
        drop((waiting, reading));
        assert_eq!(readers.load(Ordering::Relaxed), 0);
    }
}
