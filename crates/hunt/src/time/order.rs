// SPDX-License-Identifier: Apache-2.0
//! The order of a log's times: what it covers, where it is silent, where its clock jumps.

use model::time::Timestamp;

/// A step back of at least so many seconds is a jump of the clock; smaller ones come from lines that several
/// threads write.
pub const JUMP_SECONDS_MIN: i64 = 300;

/// What the times of successive lines tell of a log. Parts of a log are joined in their order.
///
/// ```
/// use hunt::time::Timeline;
///
/// let at = |text: &str| Some(text.parse().unwrap());
/// let mut log = Timeline::default();
/// log.add(at("2024-01-01T00:00:00Z"));
/// log.add(None);
/// log.add(at("2024-01-03T00:00:00Z"));
/// log.add(at("2024-01-02T00:00:00Z"));
/// assert_eq!((log.timed, log.untimed, log.jumps_back), (3, 1, 1));
/// assert_eq!(log.longest_gap_seconds(), 2 * 86_400);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Earliest time.
    pub first: Option<Timestamp>,
    /// Latest time.
    pub last: Option<Timestamp>,
    /// Lines with a time.
    pub timed: u64,
    /// Lines without, or with one that is no date.
    pub untimed: u64,
    /// Steps back by [`JUMP_SECONDS_MIN`] or more from the line before.
    pub jumps_back: u64,
    /// The longest such step, in microseconds.
    pub jump_micros_max: i64,
    /// The two successive times with the longest silence between them.
    pub gap: Option<(Timestamp, Timestamp)>,
    begins: Option<Timestamp>,
    ends: Option<Timestamp>,
}

impl Timeline {
    /// The next line's time.
    pub fn add(&mut self, time: Option<Timestamp>) {
        match time {
            None => self.untimed += 1,
            Some(time) => {
                self.join(&Timeline {
                    first: Some(time),
                    last: Some(time),
                    timed: 1,
                    begins: Some(time),
                    ends: Some(time),
                    ..Timeline::default()
                });
            }
        }
    }

    /// A time that some line told, without its place among the others: it moves the first and the last.
    pub fn reach(&mut self, time: Option<Timestamp>) {
        self.first = self.first.into_iter().chain(time).min();
        self.last = self.last.max(time);
    }

    /// The next part of the same log.
    pub fn join(&mut self, next: &Timeline) {
        if let (Some(before), Some(after)) = (self.ends, next.begins) {
            let back = before.micros().saturating_sub(after.micros());
            if back >= JUMP_SECONDS_MIN * 1_000_000 {
                self.jumps_back += 1;
                self.jump_micros_max = self.jump_micros_max.max(back);
            }
        }
        // Silence is counted from the latest time so far: a clock that was set back and forth is not silent.
        if let (Some(before), Some(after)) = (self.last, next.begins)
            && after > before
        {
            self.widen((before, after));
        }
        if let Some(gap) = next.gap {
            self.widen(gap);
        }
        self.first = self.first.into_iter().chain(next.first).min();
        self.last = self.last.max(next.last);
        self.timed += next.timed;
        self.untimed += next.untimed;
        self.jumps_back += next.jumps_back;
        self.jump_micros_max = self.jump_micros_max.max(next.jump_micros_max);
        self.begins = self.begins.or(next.begins);
        self.ends = next.ends.or(self.ends);
    }

    fn widen(&mut self, gap: (Timestamp, Timestamp)) {
        let length = |(from, to): (Timestamp, Timestamp)| to.micros().saturating_sub(from.micros());
        if self.gap.is_none_or(|longest| length(gap) > length(longest)) {
            self.gap = Some(gap);
        }
    }

    /// The longest silence between two successive lines, in seconds.
    pub fn longest_gap_seconds(&self) -> i64 {
        self.gap.map_or(0, |(from, to)| to.micros().saturating_sub(from.micros()) / 1_000_000)
    }
}
