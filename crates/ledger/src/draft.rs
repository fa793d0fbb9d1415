// SPDX-License-Identifier: Apache-2.0
//! A record before it has its place.

use model::head::{Audience, Head};
use model::id::{MemberId, SubjectKey};
use model::kind::Kind;
use model::marking::Marking;
use model::stix::{Object, SpecVersion};
use model::time::Timestamp;

use crate::entry::{Commitments, Salts, audience_bytes, subject_bytes};
use crate::signed::Verified;
use crate::sql::{EngineError, Flow, Read, Value};

/// What is to be appended: parsed and hashed, so that the writer only writes.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Whose record it becomes.
    pub author: MemberId,
    /// What the body is.
    pub kind: Kind,
    /// First recipients.
    pub audience: Audience,
    /// Marking from the object, its container and the envelope.
    pub marking: Marking,
    /// Subject.
    pub subject: Subject,
    /// Observables that the object refers to.
    pub observable_refs: Vec<SubjectKey>,
    /// Bytes as received.
    pub body: Vec<u8>,
    /// Salts of the entry.
    pub salts: Salts,
    /// Hashes of the entry.
    pub commitments: Commitments,
    /// Append only if the author holds no version of the subject for this audience; otherwise it is known.
    pub only_if_new: bool,
    /// Append even if the same version is held for the same audience under a stricter marking: from now on
    /// more may see it. Without this an import that is repeated would undo a narrowing.
    pub widens: bool,
    /// The author's own signature, verified, where the author is hosted here and its key is its own.
    pub signature: Option<Box<Verified>>,
}

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Key of the id.
    pub key: SubjectKey,
    /// The id.
    pub id: String,
    /// The version.
    pub version: Timestamp,
    /// `created`, where there is one.
    pub created: Option<Timestamp>,
    /// Whether the object carries `modified`.
    pub has_modified: bool,
    /// Whether this version revokes the object.
    pub revoked: bool,
    /// Whether it is a marking definition.
    pub is_marking_definition: bool,
}

impl Draft {
    /// A STIX object as it was received. `marking` is what its container and envelope say together with
    /// its own.
    pub fn stix(
        object: Object,
        body: Vec<u8>,
        author: MemberId,
        audience: Audience,
        marking: Marking,
        salts: Salts,
    ) -> Draft {
        let kind = match object.spec {
            SpecVersion::V20 => Kind::STIX_20,
            SpecVersion::V21 => Kind::STIX_21,
        };
        let subject = Subject {
            key: object.key,
            version: object.version,
            created: object.created,
            has_modified: object.has_modified,
            revoked: object.revoked,
            is_marking_definition: object.definition.is_some(),
            id: object.id,
        };
        let refs = object.observable_refs;
        Draft { observable_refs: refs, ..Draft::new(kind, subject, body, author, audience, marking, salts) }
    }

    /// A document of another kind.
    pub fn new(
        kind: Kind,
        subject: Subject,
        body: Vec<u8>,
        author: MemberId,
        audience: Audience,
        marking: Marking,
        salts: Salts,
    ) -> Draft {
        let commitments = Commitments::new(
            &salts,
            &subject_bytes(&subject.id, subject.version),
            &body,
            &audience_bytes(&audience),
        );
        let observable_refs = Vec::new();
        Draft {
            author,
            kind,
            audience,
            marking,
            subject,
            observable_refs,
            body,
            salts,
            commitments,
            only_if_new: false,
            widens: false,
            signature: None,
        }
    }

    /// What its entry says in plain.
    pub fn head(&self) -> Head {
        let Draft { author, kind, marking, .. } = *self;
        Head { author, kind, marking, audience: self.audience.clone() }
    }
}

impl Subject {
    /// Subject of a document that takes the place of the author's newest of this id. Views go by the version,
    /// so it comes after that one even where the clock went back.
    pub fn next_document(
        read: &mut dyn Read,
        author: MemberId,
        id: String,
        now: Timestamp,
    ) -> Result<Subject, EngineError> {
        let mut version = now;
        read.query(
            "SELECT s.version FROM subjects s JOIN audiences a ON a.id = s.audience \
             WHERE s.subject = ?1 AND a.author = ?2 ORDER BY s.version DESC LIMIT 1",
            &[Value::Blob(&SubjectKey::of(&id).0), Value::Blob(&author.0)],
            &mut |row| {
                version = now.max(Timestamp::from_micros(row.int(0)?.saturating_add(1)));
                Ok(Flow::Stop)
            },
        )?;
        Ok(Subject::document(id, version))
    }

    /// Subject of a document that is not a STIX object.
    pub fn document(id: String, version: Timestamp) -> Subject {
        Subject {
            key: SubjectKey::of(&id),
            id,
            version,
            created: None,
            has_modified: false,
            revoked: false,
            is_marking_definition: false,
        }
    }
}
