// SPDX-License-Identifier: Apache-2.0
//! Objects whose author signed them itself: a member that is hosted here, whoever brings them.
//!
//! The signature says author, kind, marking, audience and log; nothing of that is taken from the door. What
//! must hold besides is what holds for every sender: the audience is one that the author may share with, the
//! object is not another's, and it is marked no stricter by its own bytes than was signed.

use ledger::checkpoint::Origin;
use ledger::draft::{Draft, Subject};
use ledger::hosted::{self, Hosted};
use ledger::logs::own_logs;
use ledger::signed::{AuthorSignature, Drafts, SignedDraft};
use ledger::sql::{EngineError, Read};
use model::diagnostic::Diagnostic;
use model::head::Audience;
use model::id::MemberId;
use model::kind::Kind;
use model::marking::Tlp;
use model::time::Timestamp;
use policy::Reader;

use super::{Claim, Creators, Intake, Note, Signed, Survey, copy_goes_further};
use crate::standing;
use crate::view::collections_of;

/// What became of one signed object.
pub enum Taken {
    /// It can be appended.
    Draft(Box<Draft>),
    /// It cannot.
    Refused(Diagnostic),
}

/// Takes the signed objects of one input.
pub struct SignedDesk<'s> {
    survey: &'s Survey,
    drafts: &'s Drafts,
    hosted: Hosted,
    log: Origin,
    creators: Creators,
    reader: Reader,
    now: Timestamp,
}

impl<'s> SignedDesk<'s> {
    /// For an input that says what was signed; the answer may be a reason why none of its objects is taken.
    /// `own` is the member whose node this is, `sender` who brings the input: the author, or the host.
    pub fn open(
        read: &mut dyn Read,
        own: MemberId,
        sender: &Reader,
        survey: &'s Survey,
        signed: &'s Signed,
        now: Timestamp,
    ) -> Result<Result<SignedDesk<'s>, Diagnostic>, EngineError> {
        let refused = |code, message: &str, fix: &str| {
            Ok(Err(Diagnostic::error(code, "x_polder_drafts", message).with_fix(fix)))
        };
        let Signed::Drafts(drafts) = signed else {
            let fix = "send the file as `polder hosted sign` wrote it";
            return refused("drafts-unreadable", "what its author signed cannot be read", fix);
        };
        if sender.member != drafts.author && sender.member != own {
            let fix = "its author sends it, or who runs the node";
            return refused("signed-by-other", "it is signed by another member than the sender", fix);
        }
        let Some(hosted) = hosted::of(read, own, drafts.author)? else {
            let fix = "who runs the node takes its statement with `polder hosted accept`";
            return refused("not-hosted", "its author is not hosted here", fix);
        };
        let Some(log) = own_logs(read)?.last().map(|log| log.origin) else {
            return Err(EngineError::shape("there is no log"));
        };
        let reader = match sender.member == drafts.author {
            true => sender.clone(),
            false => standing::of_member(read, Reader::service(drafts.author, Tlp::AmberStrict))?,
        };
        let creators = Creators::of(read, &reader, own)?;
        Ok(Ok(SignedDesk { survey, drafts, hosted, log, creators, reader, now }))
    }

    /// Takes the `ordinal`-th object of the input, from 1. At a door of one collection, `into` is its audience.
    pub fn take(
        &mut self,
        read: &mut dyn Read,
        bytes: Vec<u8>,
        ordinal: u64,
        into: Option<&Audience>,
        note: Note<'_>,
    ) -> Result<Taken, EngineError> {
        let nth = usize::try_from(ordinal.saturating_sub(1)).unwrap_or(usize::MAX);
        let refused = |code, place: &str, message: &str, fix: &str| {
            Ok(Taken::Refused(Diagnostic::error(code, place, message).with_fix(fix)))
        };
        let place = format!("object {ordinal}");
        let Some(signed) = self.drafts.drafts.get(nth) else {
            let fix = "send the file as `polder hosted sign` wrote it";
            return refused("draft-missing", &place, "nothing says that its author signed it", fix);
        };
        let draft = match self.draft(read, signed, bytes, ordinal, note)? {
            Ok(draft) => draft,
            Err(reason) => return Ok(Taken::Refused(reason)),
        };
        let id = draft.subject.id.clone();
        if into.is_some_and(|into| !collections_of(&draft.audience).contains(into)) {
            let fix = "send it to the collection for which it was signed";
            return refused("signed-for-others", &id, "it is signed for other recipients", fix);
        }
        if !self.may_share(read, &draft.audience)? {
            let message = "its author is not in the community for which it is signed, has not accepted its terms, or \
                           is an observer of it";
            return refused(
                "not-a-member",
                &id,
                message,
                "the host adds it with `polder community add`, and `community accept --for`",
            );
        }
        let (signed_at, widens, bytes) = (self.drafts.signed, signed.widens, signed.signature.clone());
        let signature = AuthorSignature { signed: signed_at, widens, bytes };
        match self.hosted.admit(draft, signature, &self.drafts.log, &self.log, self.now) {
            Ok(draft) => Ok(Taken::Draft(Box::new(draft))),
            Err(error) => refused(error.code(), &id, &error.to_string(), error.fix()),
        }
    }

    fn may_share(&self, read: &mut dyn Read, audience: &Audience) -> Result<bool, EngineError> {
        match audience {
            Audience::Community(id) if self.reader.communities.contains(id) => {
                let role = standing::role(read, *id, self.drafts.author)?;
                Ok(role.is_some_and(|role| role.may_contribute()))
            }
            Audience::Community(_) => Ok(false),
            Audience::Organisation(_) | Audience::Members(_) | Audience::Persons(_) => Ok(true),
        }
    }

    /// The draft as it was signed, still without its signature.
    fn draft(
        &mut self,
        read: &mut dyn Read,
        signed: &SignedDraft,
        bytes: Vec<u8>,
        ordinal: u64,
        note: Note<'_>,
    ) -> Result<Result<Draft, Diagnostic>, EngineError> {
        let (author, audience) = (self.drafts.author, &signed.audience);
        if let (Kind::RECALL, Some(id)) = (signed.kind, &signed.id) {
            let subject = Subject::document(id.clone(), self.drafts.signed);
            let (audience, marking) = (audience.clone(), signed.marking);
            return Ok(Ok(Draft::new(signed.kind, subject, bytes, author, audience, marking, signed.salts)));
        }
        let intake = Intake { author, audience, envelope: signed.marking, survey: self.survey };
        let mut last = None;
        let taken = intake.object(&bytes, ordinal, &mut |diagnostic| {
            last = Some(diagnostic.clone());
            note(diagnostic);
        });
        let Some((object, marking)) = taken else {
            let unreadable =
                || Diagnostic::error("not-stix", format!("object {ordinal}"), "it is no STIX object");
            return Ok(Err(last.unwrap_or_else(unreadable)));
        };
        let least = match self.creators.claim(read, &object, &bytes, audience)? {
            Claim::Copy(given) => marking.as_strict_as(given),
            Claim::Free => marking,
            Claim::Further => return Ok(Err(copy_goes_further(&object.id))),
            Claim::Others => return Ok(Err(created_by_other(&object.id))),
        };
        // The entry says what was signed: what says more of itself is not what its author was shown.
        if signed.marking.is_looser_than(least) {
            let message = format!("it is signed as {}, and is to be {least} at least", signed.marking);
            let fix = "sign it again as it is marked, or with --tlp where it is another's";
            return Ok(Err(Diagnostic::error("signed-looser", object.id, message).with_fix(fix)));
        }
        Ok(Ok(intake.draft(object, signed.marking, bytes, signed.salts)))
    }
}

/// Another member is the creator of the object.
pub(crate) fn created_by_other(id: &str) -> Diagnostic {
    let message = "another member is the creator of this object, and only the creator makes versions of it \
                   (STIX 2.1 section 3.6)";
    let fix = "send it word for word as it was shared, or give a changed copy an id and creator of its own";
    Diagnostic::error("created-by-other", id, message).with_fix(fix)
}
