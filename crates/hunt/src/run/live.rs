// SPDX-License-Identifier: Apache-2.0
//! A log that is hunted in while it is written.

use std::collections::BTreeSet;

use super::worker::Worker;
use super::{Keeping, Lookout, Part};
use crate::detector::Detectors;
use crate::event::{Reader, SourceKinds, UnreadLines};
use crate::history::Observed;
use crate::pattern::PatternRun;
use crate::reader::Block;
use crate::rule::Engine;
use crate::time::{Clock, Timeline, TimesTold};

/// One log of which lines arrive little by little.
pub struct LiveLog<'n, 'a> {
    name: &'n str,
    worker: Worker<'n, 'a>,
    reader: Reader,
    read: Stretch,
}

/// What was read of a log over some time.
#[derive(Clone, Debug, Default)]
pub struct Stretch {
    /// Lines.
    pub lines: u64,
    /// Of these, those that a rule or a detector needed and that could not be read into fields, by reason.
    pub unparsed: UnreadLines,
    /// The order of their times.
    pub timeline: Timeline,
    /// What the lines tell of their times that were asked for them.
    pub times: TimesTold,
    /// Days since 1970 of which there are lines, in UTC.
    pub days: BTreeSet<u32>,
    /// What kinds of logs these lines are of, as far as they were asked.
    pub kinds: SourceKinds,
}

impl Stretch {
    /// What was read next.
    pub fn join(&mut self, next: &Stretch) {
        self.lines += next.lines;
        self.unparsed.join(&next.unparsed);
        self.timeline.join(&next.timeline);
        self.times.join(&next.times);
        self.days.extend(&next.days);
        self.kinds.join(next.kinds);
    }
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
        LiveLog::read_by(Reader::new(head, name, clock), name, lookout, keeping)
    }

    /// What many send to one listener, of which the beginning is known: see [`Reader::of_listener`].
    pub fn of_listener(
        name: &'n str,
        head: &[u8],
        clock: Clock,
        lookout: &Lookout<'a>,
        keeping: Option<Keeping>,
    ) -> LiveLog<'n, 'a> {
        LiveLog::read_by(Reader::of_listener(head, clock), name, lookout, keeping)
    }

    fn read_by(
        reader: Reader,
        name: &'n str,
        lookout: &Lookout<'a>,
        keeping: Option<Keeping>,
    ) -> LiveLog<'n, 'a> {
        // What detectors remember is of all logs: they are lent for each block.
        let lookout = Lookout { detectors: None, ..*lookout };
        LiveLog { name, worker: Worker::new(name, &lookout, keeping), reader, read: Stretch::default() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Hunts in whole lines. What correlations count is taken over by `engine`. `detectors`, which all logs of a hunt
    /// share, take the events in; when they judge is for their owner to say ([`Detectors::advance`]). A log is given
    /// them with each of its blocks or with none.
    pub fn take(
        &mut self,
        block: Block,
        engine: Option<&mut Engine>,
        detectors: &mut Option<Detectors>,
    ) -> Part {
        let lines = self.reader.block(&block);
        self.read.lines += memchr::memchr_iter(b'\n', &block.bytes).count() as u64;
        std::mem::swap(&mut self.worker.detectors, detectors);
        let mut scanned = self.worker.scan(block, &lines);
        std::mem::swap(&mut self.worker.detectors, detectors);
        self.read.timeline.join(&scanned.timeline);
        self.read.times.join(&scanned.times);
        self.read.unparsed.join(&scanned.unparsed);
        self.read.days.append(&mut scanned.days);
        self.read.kinds.join(scanned.kinds);
        if let (Some(engine), Some(worker)) = (engine, &mut self.worker.engine) {
            engine.absorb(worker, &mut |detection| scanned.part.detections.push(detection));
        }
        scanned.part
    }

    /// What was read since [`LiveLog::take_read`] was last asked.
    pub fn read(&self) -> &Stretch {
        &self.read
    }

    /// What was observed so far, to be recorded.
    pub fn observed(&mut self) -> &mut Observed {
        &mut self.worker.observed
    }

    /// What was read so far, when it is recorded; it begins anew.
    pub fn take_read(&mut self) -> Stretch {
        std::mem::take(&mut self.read)
    }

    /// What patterns of several observations wait for, when nothing more comes; nothing without patterns.
    pub fn take_patterns(&mut self) -> Option<PatternRun<'a>> {
        self.worker.patterns.take()
    }

    /// What kind of log it is.
    pub fn class(&self) -> crate::event::SourceClass {
        self.reader.class()
    }
}
