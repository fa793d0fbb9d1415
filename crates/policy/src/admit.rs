// SPDX-License-Identifier: Apache-2.0
//! May this be added?

use std::fmt;

use model::id::MemberId;
use model::kind::Kind;
use model::time::Timestamp;

/// Most records of one object by one author: its versions, and each version for other recipients. What comes
/// in is compared with all of them.
pub const VERSIONS_PER_OBJECT_MAX: u64 = 10_000;

/// What is to be added, as far as the gate cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Who adds it.
    pub author: MemberId,
    /// What the body is.
    pub kind: Kind,
    /// Size of the body.
    pub body_bytes: usize,
    /// `created` of the object, where it has one.
    pub created: Option<Timestamp>,
    /// Version of the object.
    pub version: Timestamp,
    /// Whether the object is a marking definition, which never changes.
    pub is_marking_definition: bool,
    /// Whether the object carries `modified`.
    pub has_modified: bool,
}

/// What is known of the subject among the author's records, read in the same transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// How many records of it are held.
    pub versions: u64,
    /// A record with the same version: whether its content is the same.
    pub same_version: Option<bool>,
    /// Version at which the object was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Whether its author has withdrawn it.
    pub withdrawn: bool,
}

/// Why a record is not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `modified` lies before `created`.
    ModifiedBeforeCreated,
    /// A marking definition cannot change.
    MarkingDefinitionChanged,
    /// The object was revoked, which is for ever.
    Revoked,
    /// The body is larger than its kind allows.
    TooLarge,
    /// As many records of the object are held as may be.
    TooManyVersions,
    /// The kind is not known.
    UnknownKind,
    /// The same id and version is held with other content.
    VersionConflict,
    /// Its author has withdrawn it.
    Withdrawn,
}

impl Refusal {
    /// Stable code of the diagnostic.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::ModifiedBeforeCreated => "modified-before-created",
            Refusal::MarkingDefinitionChanged => "marking-definition-changed",
            Refusal::Revoked => "revoked",
            Refusal::TooLarge => "object-too-large",
            Refusal::TooManyVersions => "too-many-versions",
            Refusal::UnknownKind => "unknown-kind",
            Refusal::VersionConflict => "version-conflict",
            Refusal::Withdrawn => "withdrawn",
        }
    }

    /// What the author can do.
    pub fn fix(self) -> &'static str {
        match self {
            Refusal::ModifiedBeforeCreated => "set `modified` to `created` or later",
            Refusal::MarkingDefinitionChanged => "make a new marking definition with an id of its own",
            Refusal::Revoked => "make a new object with an id of its own",
            Refusal::TooLarge => "split the object",
            Refusal::TooManyVersions => "withdraw the object, and make a new one with an id of its own",
            Refusal::UnknownKind => "run a newer polder",
            Refusal::VersionConflict => "raise `modified`, or give a changed copy an id of its own",
            Refusal::Withdrawn => "make a new object with an id of its own, if it may be held after all",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::ModifiedBeforeCreated => "`modified` lies before `created`",
            Refusal::MarkingDefinitionChanged => "marking definitions cannot change (STIX 2.1 section 7.2.1)",
            Refusal::Revoked => "the object was revoked, which is permanent (STIX 2.1 section 3.6)",
            Refusal::TooLarge => "the body is larger than its kind allows",
            Refusal::TooManyVersions => "as many versions and copies of this object are held as may be",
            Refusal::UnknownKind => "this kind of record is not known here",
            Refusal::VersionConflict => "the same id and version is held with other content",
            Refusal::Withdrawn => "its author has withdrawn it, and it is not taken again",
        })
    }
}

/// Decides whether a record is added. `Ok(true)`: add it; `Ok(false)`: it is already known.
pub fn admit(submission: &Submission, known: &Known) -> Result<bool, Refusal> {
    let facts = submission.kind.facts().ok_or(Refusal::UnknownKind)?;
    if submission.body_bytes > facts.body_bytes_max {
        return Err(Refusal::TooLarge);
    }
    if known.withdrawn {
        return Err(Refusal::Withdrawn);
    }
    if submission.created.is_some_and(|created| submission.version < created) {
        return Err(Refusal::ModifiedBeforeCreated);
    }
    if submission.is_marking_definition && submission.has_modified {
        return Err(Refusal::MarkingDefinitionChanged);
    }
    match known.same_version {
        Some(true) => return Ok(false),
        Some(false) if submission.is_marking_definition => return Err(Refusal::MarkingDefinitionChanged),
        Some(false) => return Err(Refusal::VersionConflict),
        None => {}
    }
    if submission.is_marking_definition && known.versions > 0 {
        return Err(Refusal::MarkingDefinitionChanged);
    }
    if known.versions >= VERSIONS_PER_OBJECT_MAX {
        return Err(Refusal::TooManyVersions);
    }
    if known.revoked_at.is_some_and(|at| submission.version > at) {
        return Err(Refusal::Revoked);
    }
    Ok(true)
}
