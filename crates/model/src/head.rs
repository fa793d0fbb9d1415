// SPDX-License-Identifier: Apache-2.0
//! What the gate looks at: the head of a record.

use std::fmt;

use uuid::Uuid;

use crate::id::{CommunityId, MemberId};
use crate::kind::Kind;
use crate::marking::Marking;

/// The first recipients of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// The members of a community.
    Community(CommunityId),
    /// One member's own organisation.
    Organisation(MemberId),
}

impl Audience {
    /// Reads what `Display` prints.
    pub fn parse(text: &str) -> Option<Audience> {
        match text.split_once(':')? {
            ("community", id) => Some(Audience::Community(CommunityId(Uuid::try_parse(id).ok()?))),
            ("organisation", id) => Some(Audience::Organisation(MemberId::parse(id).ok()?)),
            _ => None,
        }
    }
}

/// `community:UUID` or `organisation:MEMBER`; these bytes are what an entry commits to.
impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Audience::Community(id) => write!(f, "community:{id}"),
            Audience::Organisation(id) => write!(f, "organisation:{id}"),
        }
    }
}

/// What the gate decides by: never the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose record it is.
    pub author: MemberId,
    /// What the body is.
    pub kind: Kind,
    /// Effective marking, already combined from object, granular markings, container and envelope.
    pub marking: Marking,
    /// First recipients.
    pub audience: Audience,
}
