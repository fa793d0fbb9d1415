// SPDX-License-Identifier: Apache-2.0
//! What one can ask of the room: pure decisions that yield drafts of records.

use std::collections::BTreeSet;

use model::head::Audience;
use model::id::{CommunityId, MemberId};
use model::kind::Kind;
use policy::Role;

use crate::limits::EVIDENCE_BYTES_MAX;
use crate::standard::client::ClientOf;
use crate::standard::community::{Community, CommunityError, subject};
use crate::standard::terms::{Acceptance, Terms};

/// A record that is to be written: what the ledger adds is its author, time and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What the body is.
    pub kind: Kind,
    /// The subject's id.
    pub subject: String,
    /// First recipients.
    pub audience: Audience,
    /// The document.
    pub body: Vec<u8>,
}

/// The command cannot be carried out: whoever gave it must change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The member is in the community.
    #[error("{member} is a member of {community} already; nothing to do")]
    AlreadyMember {
        /// Who was to be added.
        member: MemberId,
        /// The community.
        community: CommunityId,
    },
    /// The document would not be one.
    #[error(transparent)]
    Community(#[from] CommunityError),
    /// The note on where an acceptance is kept is too long or cannot be shown.
    #[error("--evidence takes at most {EVIDENCE_BYTES_MAX} bytes without control characters")]
    Evidence,
    /// The member is not in the community.
    #[error("{member} is not a member of {community}; nothing to do")]
    NotAMember {
        /// Who was to be removed.
        member: MemberId,
        /// The community.
        community: CommunityId,
    },
    /// The member has that role.
    #[error("{member} is {} of {community} already; nothing to do", .role.name())]
    SameRole {
        /// Whose role was to change.
        member: MemberId,
        /// The community.
        community: CommunityId,
        /// The role.
        role: Role,
    },
    /// The terms are what they were.
    #[error("these are the present terms of {0}; nothing to do")]
    SameTerms(CommunityId),
}

/// A new community with its first members.
pub fn new_community(
    id: CommunityId,
    name: &str,
    members: BTreeSet<MemberId>,
    terms: &str,
) -> Result<Draft, CommandError> {
    let (name, terms) = (name.into(), Terms::new(terms));
    draft(&Community { id, name, members, roles: Default::default(), terms, other: Default::default() })
}

/// The community of `current` with new terms: nothing of it is released to a member until it accepts them.
pub fn with_terms(current: &[u8], terms: Terms) -> Result<Draft, CommandError> {
    let community = Community::parse(current)?;
    if community.terms.digest() == terms.digest() {
        return Err(CommandError::SameTerms(community.id));
    }
    let version = community.terms.version.saturating_add(1);
    draft(&Community { terms: Terms { version, ..terms }, ..community })
}

/// That `member` accepts the present terms of the community of `current`.
pub fn acceptance(current: &[u8], member: MemberId, evidence: &str) -> Result<Draft, CommandError> {
    let community = Community::parse(current)?;
    let acceptance = Acceptance {
        community: community.id,
        member,
        terms_version: community.terms.version,
        digest: community.terms.digest(),
        evidence: evidence.to_owned(),
    };
    if !acceptance.fits() {
        return Err(CommandError::Evidence);
    }
    Ok(Draft {
        kind: Kind::TERMS_ACCEPTANCE,
        subject: acceptance.subject(),
        audience: Audience::Community(community.id),
        body: acceptance.print(),
    })
}

/// That `client` is, or is no longer, the client of `of`.
pub fn client(client: ClientOf) -> Draft {
    Draft {
        kind: Kind::CLIENT_OF,
        subject: client.subject(),
        audience: Audience::Organisation(client.of),
        body: client.print(),
    }
}

/// The community of `current` (the body of its newest record) with one more member.
pub fn with_member(current: &[u8], member: MemberId) -> Result<Draft, CommandError> {
    let mut community = Community::parse(current)?;
    if !community.members.insert(member) {
        return Err(CommandError::AlreadyMember { member, community: community.id });
    }
    draft(&community)
}

/// The community of `current` (the body of its newest record) with one member less.
pub fn without_member(current: &[u8], member: MemberId) -> Result<Draft, CommandError> {
    let mut community = Community::parse(current)?;
    if !community.members.remove(&member) {
        return Err(CommandError::NotAMember { member, community: community.id });
    }
    community.roles.remove(&member);
    draft(&community)
}

/// The community of `current` with another role for one of its members.
pub fn with_role(current: &[u8], member: MemberId, role: Role) -> Result<Draft, CommandError> {
    let mut community = Community::parse(current)?;
    let id = community.id;
    match community.role(member) {
        None => return Err(CommandError::NotAMember { member, community: id }),
        Some(held) if held == role => return Err(CommandError::SameRole { member, community: id, role }),
        Some(_) => {}
    }
    if role == Role::default() {
        community.roles.remove(&member);
    } else {
        community.roles.insert(member, role);
    }
    draft(&community)
}

fn draft(community: &Community) -> Result<Draft, CommandError> {
    Ok(Draft {
        kind: Kind::COMMUNITY,
        subject: subject(community.id),
        audience: Audience::Community(community.id),
        body: community.print()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn members_come_and_go() {
        let (a, b) = (MemberId([1; 32]), MemberId([2; 32]));
        let id = CommunityId(Uuid::from_u128(0x5f2c_0f3e_8f4b_4c1d_9a55_0c1d_2e3f_4a5b));
        let one = new_community(id, "makers", [a].into(), "").unwrap();
        assert_eq!(one.subject, format!("x-polder-community--{id}"));
        let two = with_member(&one.body, b).unwrap();
        assert_eq!(Community::parse(&two.body).unwrap().members, [a, b].into());
        assert_eq!(with_member(&two.body, b), Err(CommandError::AlreadyMember { member: b, community: id }));
        assert_eq!(without_member(&two.body, b).unwrap(), one);
        assert_eq!(without_member(&one.body, b), Err(CommandError::NotAMember { member: b, community: id }));
    }

    #[test]
    fn a_role_is_given_taken_and_gone_with_the_membership() {
        let (a, b) = (MemberId([1; 32]), MemberId([2; 32]));
        let id = CommunityId(Uuid::from_u128(0x5f2c_0f3e_8f4b_4c1d_9a55_0c1d_2e3f_4a5b));
        let plain = new_community(id, "makers", [a, b].into(), "").unwrap();
        let steward = with_role(&plain.body, b, Role::Steward).unwrap();
        let same = CommandError::SameRole { member: b, community: id, role: Role::Steward };
        assert_eq!(with_role(&steward.body, b, Role::Steward), Err(same));
        assert_eq!(with_role(&steward.body, b, Role::Contributor).unwrap(), plain);
        let gone = without_member(&steward.body, b).unwrap();
        let back = with_member(&gone.body, b).unwrap();
        assert_eq!(back, plain, "who comes back has no role from before");
        let stranger = MemberId([3; 32]);
        let missing = CommandError::NotAMember { member: stranger, community: id };
        assert_eq!(with_role(&plain.body, stranger, Role::Observer), Err(missing));
    }
}
