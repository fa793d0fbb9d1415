// SPDX-License-Identifier: Apache-2.0
//! What a member may do in a community. What it may *have* of it is not a matter of its role.

/// Role of a member in one community.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Reads, and adds records of its own.
    #[default]
    Contributor,
    /// Reads, and adds nothing: an agency that listens, a member on trial.
    Observer,
    /// Contributes, and may take another's object out of the community's collection. The author of the
    /// community is one.
    Steward,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 3] = [Role::Contributor, Role::Observer, Role::Steward];

    /// Name in documents and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Role::Contributor => "contributor",
            Role::Observer => "observer",
            Role::Steward => "steward",
        }
    }

    /// Reads [`Role::name`].
    pub fn parse(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether its holder may add records for the community.
    pub fn may_contribute(self) -> bool {
        self != Role::Observer
    }

    /// Whether its holder may take another's object out of the community's collection.
    pub fn may_remove(self) -> bool {
        self == Role::Steward
    }

    /// Number in the store.
    pub fn code(self) -> i64 {
        match self {
            Role::Contributor => 0,
            Role::Observer => 1,
            Role::Steward => 2,
        }
    }

    /// Role of a stored number; what cannot be read may do least.
    pub fn from_code(code: i64) -> Role {
        Role::ALL.into_iter().find(|role| role.code() == code).unwrap_or(Role::Observer)
    }
}
