// SPDX-License-Identifier: Apache-2.0
//! May this reader have it?

use std::collections::BTreeSet;
use std::fmt;

use model::head::{Audience, Head};
use model::id::{CommunityId, MemberId};
use model::marking::Tlp;

/// Who asks, as far as the gate cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The organisation that the reader belongs to.
    pub member: MemberId,
    /// Highest label that this credential may be given.
    pub ceiling: Tlp,
    /// Communities of which the reader's organisation is a member.
    pub communities: BTreeSet<CommunityId>,
    /// Whether a named person asks, not a service, feed or file.
    pub person: bool,
}

impl Reader {
    /// A service of a member that is in no community yet.
    pub fn service(member: MemberId, ceiling: Tlp) -> Reader {
        Reader { member, ceiling, communities: BTreeSet::new(), person: false }
    }
}

/// The door through which a record would leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A file that the operator writes.
    Export,
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
    /// The reader is in the community that the record is for.
    Community,
    /// The record is for the reader's organisation.
    Recipient,
}

/// Why a reader may not have a record. For logs and for the author, never for the reader: it tells that
/// something is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The label is above what the credential may be given.
    AboveCeiling,
    /// The kind of record never leaves a node, or is not known here.
    KindStays,
    /// TLP:RED goes to named persons only.
    NamedPersonsOnly,
    /// The reader is neither author nor recipient.
    NotARecipient,
    /// A marking is not understood here: it stays with the author's organisation.
    UnknownMarking,
    /// Nothing says a label: it stays with the author's organisation, whomever it was meant for.
    Unmarked,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::AboveCeiling => "its label is above the ceiling of the credential",
            Reason::KindStays => "this kind of record does not leave the node",
            Reason::NamedPersonsOnly => "TLP:RED goes to named persons only",
            Reason::NotARecipient => "the reader is not among its recipients",
            Reason::Unmarked => "nothing marks it, so it stays with its author",
            Reason::UnknownMarking => "a marking is not understood here, so it stays with its author",
        })
    }
}

/// Decides whether `reader` may have a record with this head through `exit`.
///
/// The rules, strictest first (DESIGN section 2, marking and audience): a kind that stays, RED, the
/// credential's ceiling, what is not understood, the author's own, what nobody marked, then the recipients.
pub fn release(head: &Head, reader: &Reader, exit: Exit) -> Result<Grounds, Reason> {
    let shareable = head.kind.facts().is_some_and(|facts| facts.shareable);
    if !shareable {
        return Err(Reason::KindStays);
    }
    let label = head.marking.label();
    let own = reader.member == head.author;
    // Files and proofs can be handed on by whoever holds them, so no person stands behind them.
    let person = reader.person && exit == Exit::Taxii;
    if label == Tlp::Red && !(person && own) {
        return Err(Reason::NamedPersonsOnly);
    }
    if label > reader.ceiling {
        return Err(Reason::AboveCeiling);
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
    if label == Tlp::Clear {
        return Ok(Grounds::Clear);
    }
    match &head.audience {
        Audience::Community(id) if reader.communities.contains(id) => Ok(Grounds::Community),
        Audience::Organisation(member) if *member == reader.member => Ok(Grounds::Recipient),
        Audience::Community(_) | Audience::Organisation(_) => Err(Reason::NotARecipient),
    }
}

/// Whether a reader may open the collection of an audience at all, before any record is asked for.
///
/// An organisation's private collection is its own. A community's is its members', and for others it
/// exists only if the gate releases one of its records to them, which the caller finds out.
pub fn may_open(audience: &Audience, reader: &Reader, holds_released: bool) -> bool {
    match audience {
        Audience::Community(id) => reader.communities.contains(id) || holds_released,
        Audience::Organisation(member) => *member == reader.member,
    }
}
