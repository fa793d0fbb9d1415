// SPDX-License-Identifier: Apache-2.0
//! A log that is hunted in while it is written.

use super::worker::Worker;
use super::{Keeping, Lookout, Part};
use crate::event::Reader;
use crate::history::Observed;
use crate::reader::Block;
use crate::rule::Engine;
use crate::time::{Clock, Timeline};

/// One log of which lines arrive little by little.
pub struct LiveLog<'n, 'a> {
    name: &'n str,
    worker: Worker<'n, 'a>,
    reader: Reader,
    timeline: Timeline,
    lines: u64,
}

impl<'n, 'a> LiveLog<'n, 'a> {
    /// A log of which the beginning is known: its header names the values of later lines.
    pub fn new(
        name: &'n str,
        head: &[u8],
        clock: Clock,
        lookout: &Lookout<'a>,
        keeping: Option<Keeping>,
    ) -> LiveLog<'n, 'a> {
        // What only counts over time is for the whole hunt, not for one log.
        let lookout = Lookout { detectors: None, ..*lookout };
        LiveLog {
            name,
            worker: Worker::new(name, &lookout, keeping),
            reader: Reader::new(head, name, clock),
            timeline: Timeline::default(),
            lines: 0,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Hunts in whole lines. What correlations count is taken over by `engine`.
    pub fn take(&mut self, block: Block, engine: Option<&mut Engine>) -> Part {
        let lines = self.reader.block(&block);
        self.lines += memchr::memchr_iter(b'\n', &block.bytes).count() as u64;
        let mut scanned = self.worker.scan(block, &lines);
        self.timeline.join(&scanned.timeline);
        if let (Some(engine), Some(worker)) = (engine, &mut self.worker.engine) {
            engine.absorb(worker, &mut |detection| scanned.part.detections.push(detection));
        }
        scanned.part
    }

    /// What was observed so far, to be recorded; it begins anew.
    pub fn take_observed(&mut self) -> (Observed, Timeline, u64) {
        let fresh = self.worker.nothing_observed();
        let observed = std::mem::replace(&mut self.worker.observed, fresh);
        (observed, std::mem::take(&mut self.timeline), std::mem::take(&mut self.lines))
    }

    /// What kind of log it is.
    pub fn class(&self) -> crate::event::SourceClass {
        self.reader.class()
    }
}
