// SPDX-License-Identifier: Apache-2.0
//! What may be added.

use model::id::MemberId;
use model::kind::Kind;
use model::time::Timestamp;
use policy::{Known, Refusal, Submission, admit};

fn at(hour: i64) -> Timestamp {
    Timestamp::from_micros(hour * 3_600_000_000)
}

fn submission() -> Submission {
    Submission {
        author: MemberId([1; 32]),
        kind: Kind::STIX_21,
        body_bytes: 100,
        created: Some(at(1)),
        version: at(2),
        is_marking_definition: false,
        has_modified: true,
    }
}

#[test]
fn new_known_and_conflicting() {
    assert_eq!(admit(&submission(), &Known::default()), Ok(true));
    let known = |same| Known { versions: 1, same_version: same, revoked_at: None, withdrawn: false };
    assert_eq!(admit(&submission(), &known(None)), Ok(true), "another version");
    assert_eq!(admit(&submission(), &known(Some(true))), Ok(false));
    assert_eq!(admit(&submission(), &known(Some(false))), Err(Refusal::VersionConflict));
}

#[test]
fn the_largest_body_of_its_kind_and_one_byte_more() {
    let max = Kind::STIX_21.facts().unwrap().body_bytes_max;
    let sized = |body_bytes| admit(&Submission { body_bytes, ..submission() }, &Known::default());
    assert_eq!(sized(max), Ok(true));
    assert_eq!(sized(max + 1), Err(Refusal::TooLarge));
    let unknown = Submission { kind: Kind::from_code(999), ..submission() };
    assert_eq!(admit(&unknown, &Known::default()), Err(Refusal::UnknownKind));
}

#[test]
fn times_and_revocation() {
    let early = Submission { version: at(0), ..submission() };
    assert_eq!(admit(&early, &Known::default()), Err(Refusal::ModifiedBeforeCreated));
    let same = Submission { version: at(1), ..submission() };
    assert_eq!(admit(&same, &Known::default()), Ok(true), "modified = created is the first version");
    let revoked =
        |hour| Known { versions: 1, same_version: None, revoked_at: Some(at(hour)), withdrawn: false };
    assert_eq!(admit(&submission(), &revoked(1)), Err(Refusal::Revoked));
    assert_eq!(admit(&submission(), &revoked(3)), Ok(true), "an older version is stored as one");
}

#[test]
fn marking_definitions_never_change() {
    let definition = Submission { is_marking_definition: true, has_modified: false, ..submission() };
    assert_eq!(admit(&definition, &Known::default()), Ok(true));
    let modified = Submission { has_modified: true, ..definition.clone() };
    assert_eq!(admit(&modified, &Known::default()), Err(Refusal::MarkingDefinitionChanged));
    for same_version in [None, Some(false)] {
        let known = Known { versions: 1, same_version, revoked_at: None, withdrawn: false };
        assert_eq!(admit(&definition, &known), Err(Refusal::MarkingDefinitionChanged));
    }
    assert_eq!(
        admit(
            &definition,
            &Known { versions: 1, same_version: Some(true), revoked_at: None, withdrawn: false }
        ),
        Ok(false)
    );
}

/// What its author has withdrawn is not taken again, whatever it is.
#[test]
fn what_was_withdrawn_does_not_come_again() {
    let known = Known { withdrawn: true, ..Known::default() };
    assert_eq!(admit(&submission(), &known), Err(Refusal::Withdrawn));
    let held = Known { versions: 1, same_version: Some(true), withdrawn: true, ..Known::default() };
    assert_eq!(admit(&submission(), &held), Err(Refusal::Withdrawn));
}
