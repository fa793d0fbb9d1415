// SPDX-License-Identifier: Apache-2.0
//! The kinds of record, in one table.

use crate::limits::BODY_BYTES_MAX;

/// What a record's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(u16);

/// One row of the table of kinds.
#[derive(Debug)]
pub struct KindFacts {
    /// Number in the store; never used again for anything else.
    pub code: u16,
    /// Name in the ledger's entries.
    pub name: &'static str,
    /// The standard that the body follows.
    pub standard: &'static str,
    /// Largest body in bytes.
    pub body_bytes_max: usize,
    /// Whether such a record may leave the node at all.
    pub shareable: bool,
}

const TABLE: &[KindFacts] = &[
    KindFacts {
        code: 1,
        name: "member-root",
        standard: "docs/record.md, root statement",
        body_bytes_max: 64 * 1024,
        shareable: true,
    },
    KindFacts {
        code: 2,
        name: "community",
        standard: "docs/record.md, community",
        body_bytes_max: 1024 * 1024,
        shareable: true,
    },
    KindFacts {
        code: 3,
        name: "stix-2.1",
        standard: "STIX 2.1 OS with errata 01",
        body_bytes_max: BODY_BYTES_MAX,
        shareable: true,
    },
    KindFacts {
        code: 4,
        name: "stix-2.0",
        standard: "STIX 2.0 CS01, stored as received",
        body_bytes_max: BODY_BYTES_MAX,
        shareable: true,
    },
    KindFacts {
        code: 5,
        name: "recall",
        standard: "docs/record.md, recall",
        body_bytes_max: 1024 * 1024,
        shareable: true,
    },
    KindFacts {
        code: 6,
        name: "terms-acceptance",
        standard: "docs/record.md, acceptance of terms",
        body_bytes_max: 64 * 1024,
        shareable: true,
    },
    KindFacts {
        code: 7,
        name: "client-of",
        standard: "docs/record.md, client",
        body_bytes_max: 64 * 1024,
        shareable: true,
    },
    KindFacts {
        code: 20,
        name: "member-delegation",
        standard: "docs/record.md, statements about keys",
        body_bytes_max: 64 * 1024,
        shareable: true,
    },
    KindFacts {
        code: 21,
        name: "member-rotation",
        standard: "docs/record.md, statements about keys",
        body_bytes_max: 64 * 1024,
        shareable: true,
    },
    KindFacts {
        code: 22,
        name: "member-revocation",
        standard: "docs/record.md, statements about keys",
        body_bytes_max: 64 * 1024,
        shareable: true,
    },
    KindFacts {
        code: 23,
        name: "hosting",
        standard: "docs/record.md, hosting",
        body_bytes_max: 64 * 1024,
        shareable: true,
    },
];

impl Kind {
    /// A member's root statement.
    pub const MEMBER_ROOT: Kind = Kind(1);
    /// A community: its name, terms and members.
    pub const COMMUNITY: Kind = Kind(2);
    /// A STIX 2.1 object.
    pub const STIX_21: Kind = Kind(3);
    /// A STIX 2.0 object, as received.
    pub const STIX_20: Kind = Kind(4);
    /// An author's act on records of his own: withdraw or narrow.
    pub const RECALL: Kind = Kind(5);
    /// A member accepts a community's terms.
    pub const TERMS_ACCEPTANCE: Kind = Kind(6);
    /// A member declares who its client is.
    pub const CLIENT_OF: Kind = Kind(7);
    /// A member's root key delegates to a log.
    pub const MEMBER_DELEGATION: Kind = Kind(20);
    /// A member's root key gives way to another.
    pub const MEMBER_ROTATION: Kind = Kind(21);
    /// A member's key is worth nothing from a time on.
    pub const MEMBER_REVOCATION: Kind = Kind(22);
    /// A node says whether it takes what a member signed itself.
    pub const HOSTING: Kind = Kind(23);

    /// Kind of a stored number; numbers that this program does not know are kept as they are.
    pub const fn from_code(code: u16) -> Kind {
        Kind(code)
    }

    /// The stored number.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Kind of a name in an entry, if it is known here.
    pub fn from_name(name: &str) -> Option<Kind> {
        TABLE.iter().find(|f| f.name == name).map(|f| Kind(f.code))
    }

    /// The row of the table; `None` for a kind from a newer program.
    pub fn facts(self) -> Option<&'static KindFacts> {
        TABLE.iter().find(|f| f.code == self.0)
    }

    /// Name in entries; `unknown-kind` for a kind from a newer program.
    pub fn name(self) -> &'static str {
        self.facts().map_or("unknown-kind", |f| f.name)
    }

    /// Whether the body is a STIX object.
    pub fn is_stix(self) -> bool {
        self == Kind::STIX_21 || self == Kind::STIX_20
    }
}
