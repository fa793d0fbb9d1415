// SPDX-License-Identifier: Apache-2.0
//! What a TAXII client posts (TAXII 2.1 section 5.5): an envelope becomes drafts, and what became of them a
//! status. Good objects go on, each bad one is told by itself.

use std::io;

use ledger::append::Outcome;
use ledger::definitions;
use ledger::draft::Draft;
use ledger::entry::Salts;
use ledger::sql::{EngineError, Read};
use model::diagnostic::Diagnostic;
use model::head::Audience;
use model::id::MemberId;
use model::limits::ID_BYTES_MAX;
use model::marking::Marking;
use model::stix::{Item, Splitter};
use model::time::Timestamp;
use policy::Reader;

use crate::intake::{
    Claim, Creators, Intake, SignedDesk, Survey, Taken, copy_goes_further, created_by_other, narrowed,
    refusal, removed_by_steward,
};
use crate::limits::{ENVELOPE_OBJECTS_MAX, MESSAGE_BYTES_MAX};
use crate::status::{Detail, Status};
use crate::view::Removed;

/// Who posts, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The credential as the gate sees it; its organisation is the author of what comes in, but of what a
    /// hosted member signed.
    pub reader: &'a Reader,
    /// This node's own organisation.
    pub own: MemberId,
    /// Audience of the collection.
    pub audience: &'a Audience,
    /// Clock of the node.
    pub now: Timestamp,
}

/// The envelope cannot be read, so nothing of it is taken (422); or this machine is at fault.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// This machine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It is no envelope.
    #[error("this is no envelope; send {{\"objects\": [...]}} (TAXII 2.1 section 3.7)")]
    NoEnvelope,
    /// Too many objects.
    #[error("the envelope holds more than {ENVELOPE_OBJECTS_MAX} objects; send it in parts")]
    TooMany,
    /// It breaks off, or is no JSON.
    #[error("the envelope cannot be read at {}: {}; nothing of it was taken", .0.place, .0.message)]
    Unreadable(Diagnostic),
}

/// An envelope that was read: what can be appended, and what is to be said of each object.
#[derive(Debug)]
pub struct Posted {
    /// What is to be appended, in order.
    pub drafts: Vec<Draft>,
    parts: Vec<Part>,
}

/// One object of the envelope.
#[derive(Debug)]
struct Part {
    id: String,
    version: Timestamp,
    /// Whether a draft was made of it.
    taken: bool,
    told: Vec<String>,
}

/// An envelope after its first reading: what marks an object may stand behind it.
#[derive(Debug)]
pub struct Envelope {
    survey: Survey,
    /// What is to be said of every object.
    around: Vec<String>,
}

impl Envelope {
    /// Reads all of an envelope of `author` once, and refuses what is none.
    pub fn survey(
        read: &mut dyn Read,
        author: MemberId,
        source: impl io::Read,
    ) -> Result<Envelope, PostError> {
        let definitions = definitions::of_author(read, author)?;
        let mut around = Vec::new();
        let survey =
            Survey::of(source, "envelope", definitions, Marking::NONE, &mut |d| around.push(told(&d)));
        check(&survey)?;
        Ok(Envelope { survey, around })
    }

    /// Reads the same envelope a second time and takes its objects.
    pub fn take(
        self,
        read: &mut dyn Read,
        sender: Sender<'_>,
        source: impl io::Read,
        salts: &mut dyn FnMut() -> Salts,
    ) -> Result<Posted, EngineError> {
        let (author, envelope) = (sender.reader.member, Marking::NONE);
        let creators = Creators::of(read, sender.reader, sender.own)?;
        let mut desk = Desk {
            removed: Removed::of(read, sender.audience, |row| creators.know(row))?,
            creators,
            intake: Intake { author, audience: sender.audience, envelope, survey: &self.survey },
            around: &self.around,
            posted: Posted { drafts: Vec::new(), parts: Vec::new() },
        };
        if self.survey.bare.is_some() {
            return Ok(desk.posted);
        }
        let mut signed = match &self.survey.drafts {
            None => None,
            Some(signed) => {
                Some(SignedDesk::open(read, sender.own, sender.reader, &self.survey, signed, sender.now)?)
            }
        };
        let mut splitter = Splitter::new(source);
        while let Ok(Some(item)) = splitter.next_item() {
            match (item, &mut signed) {
                (Item::Object(bytes), None) => desk.object(read, bytes, splitter.objects(), salts)?,
                (Item::Object(_), Some(Err(reason))) => {
                    let place = format!("object {}", splitter.objects());
                    desk.failed(&Diagnostic { place, ..reason.clone() });
                }
                (Item::Object(bytes), Some(Ok(signed))) => {
                    desk.signed(read, signed, bytes, splitter.objects())?;
                }
                (Item::Bad { diagnostic, counts: true }, _) => desk.failed(&diagnostic),
                (Item::Bad { .. } | Item::Drafts(_) | Item::Markings(_), _) => {}
            }
        }
        Ok(desk.posted)
    }
}

impl Posted {
    /// The status of the envelope: `outcomes` are those of the drafts, in order.
    pub fn status(
        self,
        outcomes: impl IntoIterator<Item = Outcome>,
        random: [u8; 16],
        requested: Timestamp,
    ) -> Status {
        let mut outcomes = outcomes.into_iter();
        let (mut successes, mut failures) = (Vec::new(), Vec::new());
        for part in self.parts {
            let Part { id, version, taken, mut told } = part;
            let good = match taken.then(|| outcomes.next()).flatten() {
                Some(Outcome::Added { .. } | Outcome::Known) => true,
                Some(Outcome::Narrowed) => {
                    told.push(self::told(&narrowed(&id)));
                    true
                }
                Some(Outcome::Refused(refused)) => {
                    // What was said of an object that is not taken after all helps nobody.
                    told = vec![self::told(&refusal(&id, refused))];
                    false
                }
                None => false,
            };
            let message = (!told.is_empty()).then(|| told.join(" | "));
            let list = if good { &mut successes } else { &mut failures };
            list.push(Detail { id, version, message });
        }
        Status::new(random, requested, successes, failures)
    }
}

/// Whether what was read is one envelope, all of it.
fn check(survey: &Survey) -> Result<(), PostError> {
    if let Some(fault) = &survey.fault {
        return Err(PostError::Unreadable(fault.clone()));
    }
    let bare = survey.bare.as_deref().is_some_and(|bytes| !is_empty_envelope(bytes));
    if survey.values != 1 || survey.bare_arrays > 0 || bare {
        return Err(PostError::NoEnvelope);
    }
    if survey.objects > ENVELOPE_OBJECTS_MAX {
        return Err(PostError::TooMany);
    }
    Ok(())
}

/// An envelope may have no `objects` at all (section 3.7); an object that lost its envelope is none.
fn is_empty_envelope(bytes: &[u8]) -> bool {
    let members: Result<std::collections::BTreeMap<String, serde::de::IgnoredAny>, _> =
        serde_json::from_slice(bytes);
    members.is_ok_and(|members| members.keys().all(|name| name == "more" || name == "next"))
}

/// The second pass.
struct Desk<'a> {
    creators: Creators,
    intake: Intake<'a>,
    removed: Removed,
    around: &'a [String],
    posted: Posted,
}

impl Desk<'_> {
    fn object(
        &mut self,
        read: &mut dyn Read,
        bytes: Vec<u8>,
        ordinal: u64,
        salts: &mut dyn FnMut() -> Salts,
    ) -> Result<(), EngineError> {
        let mut notes = Vec::new();
        let Some((object, marking)) = self.intake.object(&bytes, ordinal, &mut |d| notes.push(d)) else {
            if let Some(reason) = notes.last() {
                self.failed(reason);
            }
            return Ok(());
        };
        if self.removed.contains(&object.key) {
            let refused = removed_by_steward(&object.id);
            self.part(object.id, object.version, false, vec![told(&refused)]);
            return Ok(());
        }
        let marking = match self.creators.claim(read, &object, &bytes, self.intake.audience)? {
            Claim::Copy(given) => marking.as_strict_as(given),
            Claim::Free => marking,
            Claim::Further => {
                let refused = copy_goes_further(&object.id);
                self.part(object.id, object.version, false, vec![told(&refused)]);
                return Ok(());
            }
            Claim::Others => {
                let refused = created_by_other(&object.id);
                self.part(object.id, object.version, false, vec![told(&refused)]);
                return Ok(());
            }
        };
        if marking.tlp.is_none() && matches!(self.intake.audience, Audience::Community(_)) {
            notes.push(unmarked(&object.id));
        }
        let said = self.around.iter().cloned().chain(notes.iter().map(told)).collect();
        let draft = self.intake.draft(object, marking, bytes, salts());
        self.part(draft.subject.id.clone(), draft.subject.version, true, said);
        self.posted.drafts.push(draft);
        Ok(())
    }

    /// An object that its author signed itself.
    fn signed(
        &mut self,
        read: &mut dyn Read,
        signed: &mut SignedDesk<'_>,
        bytes: Vec<u8>,
        ordinal: u64,
    ) -> Result<(), EngineError> {
        let mut notes = Vec::new();
        match signed.take(read, bytes, ordinal, Some(self.intake.audience), &mut |d| notes.push(d))? {
            Taken::Refused(reason) => self.failed(&reason),
            Taken::Draft(draft) if self.removed.contains(&draft.subject.key) => {
                self.failed(&removed_by_steward(&draft.subject.id));
            }
            Taken::Draft(draft) => {
                let said = self.around.iter().cloned().chain(notes.iter().map(told)).collect();
                self.part(draft.subject.id.clone(), draft.subject.version, true, said);
                self.posted.drafts.push(*draft);
            }
        }
        Ok(())
    }

    /// An object that could not even be read: its version is not known.
    fn failed(&mut self, reason: &Diagnostic) {
        // The place is the id, where that could be read.
        self.part(reason.place.clone(), Timestamp::EPOCH, false, vec![told(reason)]);
    }

    fn part(&mut self, mut id: String, version: Timestamp, taken: bool, told: Vec<String>) {
        cut(&mut id, ID_BYTES_MAX);
        self.posted.parts.push(Part { id, version, taken, told });
    }
}

/// A diagnostic as the message of one object: code, what is wrong, what to do.
fn told(diagnostic: &Diagnostic) -> String {
    let Diagnostic { code, message, fix, .. } = diagnostic;
    let mut text = format!("{code}: {message}");
    if let Some(fix) = fix {
        text.push_str("; ");
        text.push_str(fix);
    }
    cut(&mut text, MESSAGE_BYTES_MAX);
    text
}

fn cut(text: &mut String, bytes_max: usize) {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
}

fn unmarked(id: &str) -> Diagnostic {
    let message = "carries no TLP: it stays in the own organisation and is not shared with the community";
    let fix = "send a new version with a TLP marking";
    Diagnostic::warning("unmarked-stays", id, message).with_fix(fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        let cut_to = |text: &str, n| {
            let mut text = text.to_owned();
            cut(&mut text, n);
            text
        };
        assert_eq!(cut_to("abc", 3), "abc");
        assert_eq!(cut_to("abcd", 3), "abc");
        assert_eq!(cut_to("aé", 2), "a");
        assert_eq!(cut_to("é", 1), "");
    }

    #[test]
    fn an_empty_envelope_is_one() {
        for good in ["{}", "{\"more\": false}", "{\"next\":\"x\"}"] {
            assert!(is_empty_envelope(good.as_bytes()), "{good}");
        }
        for bad in ["{\"objects\":1}", "{\"type\":\"tool\"}", "[]", "{", "{\"id\":1,\"more\":true}"] {
            assert!(!is_empty_envelope(bad.as_bytes()), "{bad}");
        }
    }
}
