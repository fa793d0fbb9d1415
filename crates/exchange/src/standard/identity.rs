// SPDX-License-Identifier: Apache-2.0
//! The STIX identity that stands for a member (STIX 2.1 section 4.5): its id follows from the member's, so
//! that every node knows whose it is.

use model::id::MemberId;
use uuid::{Uuid, Version};

/// Namespace of ids that Polder derives (UUIDv5).
pub const NAMESPACE: Uuid = Uuid::from_u128(0x8d5c_1f0a_52b6_4e0e_9d5e_7a2b_6c1f_4e11);

/// Id of a member's identity.
pub fn identity_id(member: MemberId) -> String {
    format!("identity--{}", Uuid::new_v5(&NAMESPACE, &member.0))
}

/// Whether an id can be one of those: most are not, and need no look at the members.
pub fn may_be_derived(id: &str) -> bool {
    let uuid = id.strip_prefix("identity--").and_then(|uuid| Uuid::try_parse(uuid).ok());
    uuid.is_some_and(|uuid| uuid.get_version() == Some(Version::Sha1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_from_members() {
        let id = identity_id(MemberId([7; 32]));
        assert!(may_be_derived(&id));
        assert_ne!(id, identity_id(MemberId([8; 32])));
        assert!(!may_be_derived("identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5"));
        assert!(!may_be_derived("identity--x"));
    }
}
