// SPDX-License-Identifier: Apache-2.0
//! What the gate looks at: the head of a record.

use std::collections::BTreeSet;
use std::fmt;

use uuid::Uuid;

use crate::id::{CommunityId, MemberId};
use crate::kind::Kind;
use crate::limits::{AUDIENCE_NAMES_MAX, PERSON_NAME_BYTES_MAX};
use crate::marking::Marking;

/// A person of a member organisation, by the name under which that organisation knows him.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Person {
    /// The organisation.
    pub member: MemberId,
    /// His name there: `a`-`z`, digits, `.`, `_` and `-`.
    pub name: String,
}

impl Person {
    /// A person, if the name can be one.
    pub fn new(member: MemberId, name: &str) -> Option<Person> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-');
        let fits = (1..=PERSON_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain);
        fits.then(|| Person { member, name: name.to_owned() })
    }

    /// Reads `MEMBER/name`.
    pub fn parse(text: &str) -> Option<Person> {
        let (member, name) = text.split_once('/')?;
        Person::new(MemberId::parse(member).ok()?, name)
    }
}

/// `MEMBER/name`.
impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.member, self.name)
    }
}

/// The first recipients of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// The members of a community.
    Community(CommunityId),
    /// These members, 2 to [`AUDIENCE_NAMES_MAX`] of them.
    Members(BTreeSet<MemberId>),
    /// One member's own organisation.
    Organisation(MemberId),
    /// These persons, 1 to [`AUDIENCE_NAMES_MAX`] of them.
    Persons(BTreeSet<Person>),
}

impl Audience {
    /// Reads what `Display` prints, and nothing else: names sorted, none twice.
    pub fn parse(text: &str) -> Option<Audience> {
        let (word, names) = text.split_once(':')?;
        let audience = match word {
            "community" => Audience::Community(CommunityId(Uuid::try_parse(names).ok()?)),
            "members" => Audience::of_members(each(names, |name| MemberId::parse(name).ok())?)?,
            "organisation" => Audience::Organisation(MemberId::parse(names).ok()?),
            "persons" => Audience::of_persons(each(names, Person::parse)?)?,
            _ => return None,
        };
        (audience.to_string() == text).then_some(audience)
    }

    /// These members: one of them alone is an organisation. `None` for none or too many.
    pub fn of_members(members: BTreeSet<MemberId>) -> Option<Audience> {
        match members.len() {
            1 => members.into_iter().next().map(Audience::Organisation),
            2..=AUDIENCE_NAMES_MAX => Some(Audience::Members(members)),
            _ => None,
        }
    }

    /// These persons; `None` for none or too many.
    pub fn of_persons(persons: BTreeSet<Person>) -> Option<Audience> {
        (1..=AUDIENCE_NAMES_MAX).contains(&persons.len()).then_some(Audience::Persons(persons))
    }

    /// Whether nobody is among the first recipients of `self` who is not among those of `other`, as far as
    /// the two texts tell. Who is in a community changes, so it contains itself alone.
    pub fn is_within(&self, other: &Audience) -> bool {
        let members = |audience: &Audience| -> Option<BTreeSet<MemberId>> {
            match audience {
                Audience::Organisation(member) => Some([*member].into()),
                Audience::Members(members) => Some(members.clone()),
                Audience::Persons(persons) => Some(persons.iter().map(|p| p.member).collect()),
                Audience::Community(_) => None,
            }
        };
        match (self, other) {
            (Audience::Persons(few), Audience::Persons(many)) => few.is_subset(many),
            (_, Audience::Persons(_)) => false,
            (few, many) if few == many => true,
            (few, many) => match (members(few), members(many)) {
                (Some(few), Some(many)) => few.is_subset(&many),
                _ => false,
            },
        }
    }
}

fn each<T: Ord>(names: &str, read: impl Fn(&str) -> Option<T>) -> Option<BTreeSet<T>> {
    names.split(',').take(AUDIENCE_NAMES_MAX + 1).map(read).collect()
}

/// `community:UUID`, `organisation:MEMBER`, `members:MEMBER,…` or `persons:MEMBER/name,…`, sorted; these
/// bytes are what an entry commits to.
impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Audience::Community(id) => write!(f, "community:{id}"),
            Audience::Members(members) => list(f, "members", members),
            Audience::Organisation(id) => write!(f, "organisation:{id}"),
            Audience::Persons(persons) => list(f, "persons", persons),
        }
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, word: &str, names: &BTreeSet<T>) -> fmt::Result {
    f.write_str(word)?;
    let mut separator = ':';
    for name in names {
        write!(f, "{separator}{name}")?;
        separator = ',';
    }
    Ok(())
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
