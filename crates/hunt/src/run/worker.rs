// SPDX-License-Identifier: Apache-2.0
//! What is done with one block.

use std::collections::HashMap;

use memchr::memchr;
use model::time::Timestamp;

use super::{Lookout, Part};
use crate::event::{BlockReader, Event, Place, SourceClass, UnreadLines};
use crate::finding::finding;
use crate::history::Observed;
use crate::reader::Block;
use crate::rule::Engine;
use crate::scan::{Hit, Scanner};
use crate::time::{Timeline, line_time};

/// What came of one block; the buffer goes back to the reader.
pub(super) struct Scanned {
    pub(super) buffer: Vec<u8>,
    pub(super) part: Part,
    pub(super) expired: u64,
    pub(super) timeline: Timeline,
    pub(super) unparsed: UnreadLines,
}

pub(super) struct Worker<'a> {
    name: &'a str,
    lookout: &'a Lookout<'a>,
    history: bool,
    observed: Observed,
    engine: Option<Engine>,
    /// Whether any rule needs events of a class; a log has few.
    needed: HashMap<SourceClass, bool>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(name: &'a str, lookout: &'a Lookout<'a>, history: bool) -> Worker<'a> {
        let engine = lookout.rules.map(Engine::worker);
        Worker { name, lookout, history, observed: Observed::default(), engine, needed: HashMap::new() }
    }

    /// One that does the same with nothing observed yet.
    pub(super) fn another(&self) -> Worker<'a> {
        Worker::new(self.name, self.lookout, self.history)
    }

    pub(super) fn into_parts(self) -> (Observed, Vec<Engine>) {
        (self.observed, self.engine.into_iter().collect())
    }

    pub(super) fn scan(&mut self, block: Block, lines: &BlockReader) -> Scanned {
        let mut part = Part::default();
        let (mut timeline, mut unparsed) = (Timeline::default(), UnreadLines::default());
        // Before the times whose place is not known.
        self.judge(&block, lines, &mut part, &mut timeline, &mut unparsed);
        let expired = self.hunt(&block, lines, &mut part, &mut timeline);
        timeline.reach(line_time(line_at(&block.bytes, 0)));
        timeline.reach(line_time(last_line(&block.bytes)));
        Scanned { buffer: block.bytes, part, expired, timeline, unparsed }
    }

    /// The typed scan; answers how many matches are of a time when their indicator no longer held.
    fn hunt(&mut self, block: &Block, lines: &BlockReader, part: &mut Part, timeline: &mut Timeline) -> u64 {
        let bytes = &block.bytes;
        let (name, set, mut expired) = (self.name, self.lookout.set, 0);
        let mut hit_times: Vec<Option<Timestamp>> = Vec::new();
        let mut at: (u64, Option<Event>) = (u64::MAX, None);
        let mut on_hit = |hit: Hit| {
            let start = usize::try_from(hit.line_start - block.offset).unwrap_or(usize::MAX);
            let line = line_at(bytes, start);
            if at.0 != hit.line_start {
                let place = Place { line: hit.line, offset: hit.line_start };
                at = (hit.line_start, lines.parse(line, place).ok().flatten());
            }
            let time = at.1.as_ref().and_then(|event| event.time).or_else(|| line_time(line));
            hit_times.push(time);
            let Some(indicator) = set.indicators().get(hit.indicator) else { return };
            match (time, indicator.valid_until) {
                (Some(time), Some(until)) if time >= until => expired += 1,
                _ => part.findings.push(finding(name, line, hit, &indicator.id, time)),
            }
        };
        let scanner = Scanner::new(set);
        if self.history {
            let (observed, mut at) = (&mut self.observed, (usize::MAX, None));
            scanner.scan_block_seeing(bytes, block.offset, block.first_line, &mut on_hit, &mut |seen| {
                if at.0 != seen.line_start {
                    at = (seen.line_start, line_time(line_at(bytes, seen.line_start)));
                    timeline.reach(at.1);
                }
                observed.add(seen.kind, seen.token, at.1);
            });
        } else {
            scanner.scan_block(bytes, block.offset, block.first_line, &mut on_hit);
        }
        hit_times.into_iter().for_each(|time| timeline.reach(time));
        expired
    }

    /// Reads into events what rules need, and asks them.
    fn judge(
        &mut self,
        block: &Block,
        lines: &BlockReader,
        part: &mut Part,
        timeline: &mut Timeline,
        unparsed: &mut UnreadLines,
    ) {
        let Some(engine) = &mut self.engine else { return };
        let mut place = Place { line: block.first_line, offset: block.offset };
        let mut rest = block.bytes.as_slice();
        while !rest.is_empty() {
            let end = memchr(b'\n', rest).unwrap_or(rest.len());
            let line = rest.get(..end).unwrap_or_default();
            let needed = lines
                .class_of(line, place)
                .is_none_or(|class| *self.needed.entry(class).or_insert_with(|| engine.needs(&class)));
            if needed {
                match lines.parse(line, place) {
                    Ok(Some(event)) => {
                        timeline.add(event.time);
                        engine.observe(&event, line, self.name, &mut |found| part.detections.push(found));
                    }
                    Ok(None) => {}
                    Err(reason) => unparsed.add(reason, place.line),
                }
            }
            rest = rest.get(end + 1..).unwrap_or_default();
            place = Place { line: place.line + 1, offset: place.offset + end as u64 + 1 };
        }
    }
}

/// The line that begins at a place, without its newline.
fn line_at(bytes: &[u8], start: usize) -> &[u8] {
    let rest = bytes.get(start..).unwrap_or_default();
    rest.get(..memchr(b'\n', rest).unwrap_or(rest.len())).unwrap_or_default()
}

fn last_line(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    line_at(bytes, memchr::memrchr(b'\n', bytes).map_or(0, |newline| newline + 1))
}
