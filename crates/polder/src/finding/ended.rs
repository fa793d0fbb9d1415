// SPDX-License-Identifier: Apache-2.0
//! Detections that are kept: which of them count no more, and who says so.

use std::collections::HashMap;

use hunt::detection::{Detection, Means};
use hunt::report::draft::State;
use hunt::report::kept::{self, Kept, detection_id};
use hunt::report::{Ended, EndedBy, Summary};
use hunt::rule::{self, Covered, Exception, covered};
use ledger::sql::{EngineError, Read};

use super::Revoked;
use crate::failure::Failure;
use crate::node::{Node, now};
use crate::out::say;

/// What ends detections, as the node knows it now.
struct Ending {
    switches: HashMap<String, bool>,
    exceptions: Vec<Exception>,
    revoked: Revoked,
}

/// What is to be said of a detection.
enum Verdict {
    Counts,
    /// It counts; an exception may cover it.
    Undecided,
    Ended(EndedBy, String),
}

/// Adds the detections that are kept to a summary: those that count to what was found, the others to what has ended.
/// Answers how many count though an exception may cover them.
pub fn tell(read: &mut dyn Read, summary: &mut Summary) -> Result<u64, EngineError> {
    let exceptions = rule::exceptions(read)?.into_iter().map(|(_, exception)| exception);
    let mut ending = Ending {
        switches: rule::switches(read)?,
        exceptions: exceptions.filter(|exception| exception.until > now()).collect(),
        revoked: Revoked::default(),
    };
    let mut undecided = 0;
    for kept in kept::kept(read)? {
        match ending.verdict(read, &kept)? {
            Verdict::Ended(why, reason) => {
                let (id, by) = (detection_id(&kept.detection), kept.detection.id);
                summary.ended.push(Ended { id, by, why, reason });
                continue;
            }
            Verdict::Undecided => undecided += 1,
            Verdict::Counts => {}
        }
        summary.detections.push(kept.detection);
    }
    Ok(undecided)
}

impl Ending {
    fn verdict(&mut self, read: &mut dyn Read, kept: &Kept) -> Result<Verdict, EngineError> {
        let ended = |why, reason: &str| Ok(Verdict::Ended(why, reason.to_owned()));
        let detection = &kept.detection;
        if let Some(dismissal) = kept.dismissal() {
            return ended(EndedBy::Dismissed, &dismissal.reason);
        }
        match detection.means {
            Means::Detector => Ok(Verdict::Counts),
            Means::Pattern if self.revoked.has(read, &detection.id)? => ended(EndedBy::Revoked, ""),
            Means::Pattern => Ok(Verdict::Counts),
            Means::Rule if self.switches.get(&detection.id) == Some(&false) => {
                ended(EndedBy::SwitchedOff, "")
            }
            Means::Rule => match covered(detection, &self.exceptions) {
                Covered::By(exception) => ended(EndedBy::Exception, &exception.reason),
                Covered::No => Ok(Verdict::Counts),
                Covered::Unknown => Ok(Verdict::Undecided),
            },
        }
    }
}

/// The kept detection of an id, or of its beginning if that is enough to tell which; `None` where there is none.
pub fn find(node: &Node, id: &str) -> Result<Option<Kept>, Failure> {
    if id.len() < 4 {
        return Ok(None);
    }
    let mut like = node.store.read(|read| kept::like(read, id))?.into_iter();
    match (like.next(), like.next()) {
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("several detections begin with `{id}`; write more of the id")))
        }
        (found, _) => Ok(found),
    }
}

/// Writes down that a detection is nothing; with `None` that it counts again.
pub fn dismiss(node: &Node, detection: &Detection, reason: Option<&str>) -> Result<(), Failure> {
    let id = detection_id(detection);
    if !node.store.local(|tx| kept::dismiss(tx, detection, reason.map(|reason| (reason, now()))))? {
        return Err(Failure::not_found(format!(
            "{id} is not kept any more; `polder finding report` shows what is"
        )));
    }
    let state = if reason.is_some() { State::Dismissed } else { State::New };
    say!("{id} is {}: {}", state.name(), hunt::report::words::visible(&detection.title));
    Ok(())
}
