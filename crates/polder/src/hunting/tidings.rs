// SPDX-License-Identifier: Apache-2.0
//! Notices of what is found while following: gathered, so that a flood makes one, and sent by a thread of their own, so
//! that no mail server keeps lines from being read.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Scope;
use std::time::Duration;

use hunt::detection::Detection;
use hunt::report::{Hit, Summary};
use model::time::Timestamp;

use crate::node::Node;
use crate::notify::{Settings, send, tell_failure};

/// What was found waits so long for more, in microseconds.
const SPAN_MICROS: i64 = 60_000_000;
/// With so many findings and detections it does not wait.
const ENOUGH: usize = 100;
/// Least time between two notices, in microseconds.
const QUIET_MICROS: i64 = 5 * 60_000_000;
/// Findings that are held for a notice; of more the number is told. As many detections.
const HELD_MAX: usize = 10_000;
/// How often notices that failed are looked after.
const LOOK: Duration = Duration::from_secs(30);

/// What is to be told in the next notice.
#[derive(Default)]
pub struct Tidings {
    /// When the first of it came.
    since: Option<Timestamp>,
    /// When the last notice was made.
    last: Option<Timestamp>,
    hits: Vec<Hit>,
    more_hits: u64,
    detections: Vec<Detection>,
    more_detections: u64,
}

impl Tidings {
    /// More was found.
    pub fn take(&mut self, hits: &[Hit], detections: &[Detection], now: Timestamp) {
        if hits.is_empty() && detections.is_empty() {
            return;
        }
        self.since.get_or_insert(now);
        self.more_hits += held(&mut self.hits, hits);
        self.more_detections += held(&mut self.detections, detections);
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// Whether it is time for a notice.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let Some(since) = self.since else { return false };
        let passed = |from: Timestamp, micros| {
            // A clock that was set back must not hold notices up for long.
            let passed = now.micros() - from.micros();
            passed >= micros || passed < 0
        };
        let enough = self.hits.len() + self.detections.len() >= ENOUGH || passed(since, SPAN_MICROS);
        enough && self.last.is_none_or(|last| passed(last, QUIET_MICROS))
    }

    /// Hands all of it over into a summary, for a notice that is made now; answers whether there was anything.
    pub fn hand_over(&mut self, summary: &mut Summary, now: Timestamp) -> bool {
        if self.since.is_none() {
            return false;
        }
        let Tidings { hits, more_hits, detections, more_detections, .. } = std::mem::take(self);
        (summary.hits, summary.more_hits) = (hits, more_hits);
        (summary.detections, summary.more_detections) = (detections, more_detections);
        self.last = Some(now);
        true
    }

    /// The notice could not be made: all of it waits for the next.
    pub fn give_back(&mut self, summary: Summary, now: Timestamp) {
        self.take(&summary.hits, &summary.detections, now);
        self.more_hits += summary.more_hits;
        self.more_detections += summary.more_detections;
    }
}

/// Holds as many as there is room for; answers how many more there were.
fn held<T: Clone>(all: &mut Vec<T>, more: &[T]) -> u64 {
    let room = HELD_MAX.saturating_sub(all.len());
    all.extend(more.iter().take(room).cloned());
    more.len().saturating_sub(room) as u64
}

/// Sends notices in the background.
pub struct Post {
    wake: Sender<()>,
}

impl Post {
    /// Begins. When it is dropped, what was written down is tried once more; the scope then ends.
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        node: &'env Node,
        settings: &'env Settings,
    ) -> Post {
        let (wake, woken) = channel();
        scope.spawn(move || send_when_woken(node, settings, &woken));
        Post { wake }
    }

    /// There is something to send.
    pub fn wake(&self) {
        // The thread ends only when this is dropped.
        let _ = self.wake.send(());
    }
}

fn send_when_woken(node: &Node, settings: &Settings, woken: &Receiver<()>) {
    let mut told = BTreeSet::new();
    let mut faults = BTreeSet::new();
    loop {
        let woke = woken.recv_timeout(LOOK);
        // One after the other until one fails: a server that is gone must not hold the end up for each of them.
        loop {
            match send(node, settings, false, 1) {
                Ok(tried) => match tried.into_iter().next() {
                    None => break,
                    Some((id, None)) => eprintln!("notice {id} was sent"),
                    Some((id, Some(why))) => {
                        if told.insert(id) {
                            tell_failure(id, &why);
                        }
                        break;
                    }
                },
                Err(fault) => {
                    if faults.insert(fault.message.clone()) {
                        eprintln!("polder: {fault}; notices wait until it is over");
                    }
                    break;
                }
            }
        }
        if woke == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use hunt::detection::{Level, Means};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000 + seconds * 1_000_000)
    }

    fn some(count: usize) -> Vec<Detection> {
        let one = Detection {
            means: Means::Detector,
            id: "spray-one-source".to_owned(),
            title: String::new(),
            level: Level::High,
            techniques: Vec::new(),
            credit: String::new(),
            source: hunt::event::SourceKind::Authentication,
            about: Vec::new(),
            first: None,
            last: None,
            count: 1,
            evidence: Vec::new(),
            threshold: String::new(),
            baseline: String::new(),
            disproof: String::new(),
            advice: String::new(),
        };
        vec![one; count]
    }

    #[test]
    fn a_flood_makes_one_notice_in_five_minutes() {
        let mut tidings = Tidings::default();
        assert!(!tidings.is_due(at(0)));
        tidings.take(&[], &some(1), at(0));
        assert!(!tidings.is_due(at(59)) && tidings.is_due(at(60)), "it waits for more");
        tidings.take(&[], &some(ENOUGH), at(1));
        assert!(tidings.is_due(at(1)), "enough came");
        let mut summary = Summary::new(at(1));
        assert!(tidings.hand_over(&mut summary, at(1)));
        assert_eq!(summary.detection_count(), 101);
        // The flood goes on.
        tidings.take(&[], &some(2 * HELD_MAX), at(2));
        assert!(!tidings.is_due(at(300)) && tidings.is_due(at(301)));
        assert!(tidings.is_due(at(-10_000)), "the clock was set back");
        assert!(tidings.hand_over(&mut summary, at(301)));
        assert_eq!((summary.detections.len(), summary.detection_count()), (HELD_MAX, 2 * HELD_MAX as u64));
        assert!(!tidings.hand_over(&mut summary, at(302)), "nothing came since");
    }
}
