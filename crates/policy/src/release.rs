// SPDX-License-Identifier: Apache-2.0
//! May this reader have it?

use std::collections::BTreeSet;
use std::fmt;

use model::head::{Audience, Head, Person};
use model::id::{CommunityId, MemberId};
use model::marking::{Pap, Tlp};

/// Who asks, as far as the gate cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The organisation that the reader belongs to.
    pub member: MemberId,
    /// Highest label that this credential may be given.
    pub ceiling: Tlp,
    /// Communities of which the reader's organisation is a member, and whose terms it has accepted.
    pub communities: BTreeSet<CommunityId>,
    /// Communities of which the reader's organisation is a member without having accepted the present terms:
    /// nothing of them is released to it, or it would miss later what it could not see meanwhile.
    pub unaccepted: BTreeSet<CommunityId>,
    /// Communities of the members whose declared client the reader's organisation is.
    pub client_communities: BTreeSet<CommunityId>,
    /// Members that have declared the reader's organisation their client.
    pub client_of: BTreeSet<MemberId>,
    /// The person of that organisation who asks; `None` for a service, feed or file.
    pub person: Option<String>,
}

impl Reader {
    /// A service of a member that is in no community and nobody's client.
    pub fn service(member: MemberId, ceiling: Tlp) -> Reader {
        Reader {
            member,
            ceiling,
            communities: BTreeSet::new(),
            unaccepted: BTreeSet::new(),
            client_communities: BTreeSet::new(),
            client_of: BTreeSet::new(),
            person: None,
        }
    }

    /// Who asks, as an audience names him.
    fn named(&self) -> Option<Person> {
        Person::new(self.member, self.person.as_deref()?)
    }
}

/// The door through which a record would leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A list by which machines act: a block list, an RPZ zone.
    BlockList,
    /// A file that the operator writes.
    Export,
    /// A look-up that others can notice.
    Lookup,
    /// A proof that stands alone and can be handed on.
    Proof,
    /// TAXII 2.1.
    Taxii,
}

/// Why a reader may have a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grounds {
    /// It is the author's own.
    Author,
    /// TLP:CLEAR may go to anyone.
    Clear,
    /// The reader is the declared client of a recipient, and the label lets it pass on.
    Client,
    /// The reader is in the community that the record is for.
    Community,
    /// The record is for this person.
    Person,
    /// The record is for the reader's organisation.
    Recipient,
}

/// Why a reader may not have a record. For logs and for the author, never for the reader: it tells that
/// something is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The label is above what the credential may be given.
    AboveCeiling,
    /// Its permissible actions do not cover what this exit is for.
    ActionsNotPermitted,
    /// The kind of record never leaves a node, or is not known here.
    KindStays,
    /// TLP:RED goes to named persons only.
    NamedPersonsOnly,
    /// The reader is neither author nor recipient.
    NotARecipient,
    /// The reader's organisation has not accepted the present terms of the community.
    TermsNotAccepted,
    /// A marking is not understood here: it stays with the author's organisation.
    UnknownMarking,
    /// Nothing says a label: it stays with the author's organisation, whomever it was meant for.
    Unmarked,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::AboveCeiling => "its label is above the ceiling of the credential",
            Reason::ActionsNotPermitted => "its PAP does not permit acting on it where others notice",
            Reason::KindStays => "this kind of record does not leave the node",
            Reason::NamedPersonsOnly => "TLP:RED goes to named persons only",
            Reason::NotARecipient => "the reader is not among its recipients",
            Reason::TermsNotAccepted => "the reader has not accepted the present terms of the community",
            Reason::Unmarked => "nothing marks it, so it stays with its author",
            Reason::UnknownMarking => "a marking is not understood here, so it stays with its author",
        })
    }
}

/// Decides whether `reader` may have a record with this head through `exit`.
///
/// The rules, strictest first (DESIGN section 2, marking and audience): a kind that stays, RED, the
/// credential's ceiling, permissible actions, what is not understood, the author's own, what nobody marked,
/// terms that are not accepted, CLEAR, then the recipients, then their clients.
pub fn release(head: &Head, reader: &Reader, exit: Exit) -> Result<Grounds, Reason> {
    let shareable = head.kind.facts().is_some_and(|facts| facts.shareable);
    if !shareable {
        return Err(Reason::KindStays);
    }
    let label = head.marking.label();
    let own = reader.member == head.author;
    // Files and proofs can be handed on by whoever holds them, so no person stands behind them.
    let person = reader.named().filter(|_| exit == Exit::Taxii);
    let named = matches!((&head.audience, &person), (Audience::Persons(all), Some(p)) if all.contains(p));
    if label == Tlp::Red && !(named || own && person.is_some()) {
        return Err(Reason::NamedPersonsOnly);
    }
    if label > reader.ceiling {
        return Err(Reason::AboveCeiling);
    }
    if matches!(exit, Exit::BlockList | Exit::Lookup) && head.marking.pap > Some(Pap::Green) {
        return Err(Reason::ActionsNotPermitted);
    }
    if head.marking.unknown {
        return if own { Ok(Grounds::Author) } else { Err(Reason::UnknownMarking) };
    }
    if own {
        return Ok(Grounds::Author);
    }
    if head.marking.tlp.is_none() {
        return Err(Reason::Unmarked);
    }
    if matches!(&head.audience, Audience::Community(id) if reader.unaccepted.contains(id)) {
        return Err(Reason::TermsNotAccepted);
    }
    if label == Tlp::Clear {
        return Ok(Grounds::Clear);
    }
    recipient(&head.audience, reader, named, label <= Tlp::Amber).ok_or(Reason::NotARecipient)
}

/// Whether the reader is among the first recipients, or is the declared client of one where the label lets
/// recipients pass a record on to clients (TLP 2.0, AMBER).
fn recipient(audience: &Audience, reader: &Reader, named: bool, clients: bool) -> Option<Grounds> {
    let (first, grounds, client) = match audience {
        Audience::Community(id) => {
            (reader.communities.contains(id), Grounds::Community, reader.client_communities.contains(id))
        }
        Audience::Members(members) => (
            members.contains(&reader.member),
            Grounds::Recipient,
            reader.client_of.iter().any(|of| members.contains(of)),
        ),
        Audience::Organisation(member) => {
            (*member == reader.member, Grounds::Recipient, reader.client_of.contains(member))
        }
        Audience::Persons(_) => (named, Grounds::Person, false),
    };
    match (first, clients && client) {
        (true, _) => Some(grounds),
        (false, true) => Some(Grounds::Client),
        (false, false) => None,
    }
}

/// Whether a reader may open the collection of an audience at all, before any record is asked for.
///
/// An organisation's private collection is its own; what names members or persons stands in theirs. A
/// community's is its members', and for others it exists only if the gate releases one of its records to
/// them, which the caller finds out.
pub fn may_open(audience: &Audience, reader: &Reader, holds_released: bool) -> bool {
    match audience {
        Audience::Community(id) if reader.unaccepted.contains(id) => false,
        Audience::Community(id) => {
            reader.communities.contains(id) || reader.client_communities.contains(id) || holds_released
        }
        Audience::Organisation(member) => *member == reader.member,
        Audience::Members(_) | Audience::Persons(_) => false,
    }
}
