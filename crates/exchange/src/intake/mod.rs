// SPDX-License-Identifier: Apache-2.0
//! Objects on their way in, the same for a file and a TAXII envelope: a first pass finds what marks them,
//! wherever it stands ([`Survey`]); a second takes them one by one ([`Intake`]).

mod creator;
mod signed;
mod survey;
mod wrapper;

use ledger::append::Refused;
use ledger::draft::Draft;
use ledger::entry::Salts;
use model::diagnostic::Diagnostic;
use model::head::Audience;
use model::id::MemberId;
use model::marking::Marking;
use model::stix::Object;

pub use creator::{Claim, Creators};
pub(crate) use signed::created_by_other;
pub use signed::{SignedDesk, Taken};
pub use survey::{Signed, Survey};

/// Takes a diagnostic.
pub type Note<'n> = &'n mut dyn FnMut(Diagnostic);

/// Whose objects come in, for whom, and what is known of all of them.
#[derive(Clone, Copy, Debug)]
pub struct Intake<'a> {
    /// Whose records they become.
    pub author: MemberId,
    /// First recipients.
    pub audience: &'a Audience,
    /// What the envelope says of all; never loosens.
    pub envelope: Marking,
    /// What the first pass found.
    pub survey: &'a Survey,
}

impl Intake<'_> {
    /// Checks an object's bytes, the `ordinal`-th of the input from 1, and says how it is marked. `None` if
    /// it cannot be taken; the last diagnostic tells why.
    pub fn object(&self, bytes: &[u8], ordinal: u64, note: Note<'_>) -> Option<(Object, Marking)> {
        let mut diagnostics = Vec::new();
        let object = Object::parse(bytes, &format!("object {ordinal}"), &mut diagnostics);
        diagnostics.into_iter().for_each(&mut *note);
        let object = object?;
        if self.survey.misses_definition(&object) {
            let message = "carries a marking that is not understood: it stays in the own organisation";
            let fix = "send its marking definition first, or beside it";
            note(Diagnostic::warning("marking-unknown", object.id.clone(), message).with_fix(fix));
        }
        let marking = self.survey.marking(&object, ordinal, self.envelope);
        let marking = self.survey.with_references(&object, marking);
        Some((object, marking))
    }

    /// The draft of an object that was taken.
    pub fn draft(&self, object: Object, marking: Marking, bytes: Vec<u8>, salts: Salts) -> Draft {
        Draft::stix(object, bytes, self.author, self.audience.clone(), marking, salts)
    }
}

/// What became of an object that the ledger refused.
pub fn refusal(id: &str, refused: Refused) -> Diagnostic {
    match refused {
        Refused::Gate(refusal) => {
            Diagnostic::error(refusal.code(), id, refusal.to_string()).with_fix(refusal.fix())
        }
        Refused::Recall(error) => Diagnostic::error(error.code(), id, error.to_string())
            .with_fix("make the recall anew with `polder recall`"),
        Refused::KeysChanged => {
            let message = "its author's keys, or the log, changed while it was on its way";
            Diagnostic::error("author-key", id, message)
                .with_fix("send it again; if that fails, sign it again")
        }
        Refused::NotHosted => {
            Diagnostic::error("hosting-ended", id, "its author is not hosted here any more")
                .with_fix("ask who runs the node")
        }
        Refused::Recalled => {
            let message = "its author signed it before narrowing what is held of it";
            Diagnostic::error("signed-before-recall", id, message).with_fix("its author signs it again")
        }
        Refused::RefersFurther => {
            let message = "refers to an observable that you hold for other recipients only";
            Diagnostic::error("refers-further", id, message).with_fix("share the observable with them first")
        }
        Refused::Unsigned => {
            let message = "its author has a key of its own, and did not sign it";
            Diagnostic::error("unsigned", id, message)
                .with_fix("its author signs it with `polder hosted sign`")
        }
    }
}

/// What is told of an object that a steward took out of the collection into which it is sent again.
pub fn removed_by_steward(id: &str) -> Diagnostic {
    let message =
        "a steward took this object out of the community's collection, and it is not taken into it again";
    let fix = "ask the steward; if it belongs there after all, send a copy with an id of its own";
    Diagnostic::error("removed-by-steward", id, message).with_fix(fix)
}

/// What is told of a copy of another member's object for recipients to whom its marking does not let the
/// copier pass it on.
pub fn copy_goes_further(id: &str) -> Diagnostic {
    let message = "another member shared this object with other recipients, and its marking does not let you \
                   pass it on to these";
    Diagnostic::error("copy-goes-further", id, message).with_fix("ask its author to share it with them")
}

/// What is told of an object that was held under a looser marking.
pub fn narrowed(id: &str) -> Diagnostic {
    let message = "was held under a looser marking, and is as strict as this says now";
    let fix = "whoever has read it has it: `polder recall --narrow` makes a record of it";
    Diagnostic::warning("marking-narrowed", id, message).with_fix(fix)
}
