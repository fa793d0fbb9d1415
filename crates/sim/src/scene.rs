// SPDX-License-Identifier: Apache-2.0
//! Who and what there is in every history: five members, two communities, ten objects.

use model::head::{Audience, Person};
use model::id::{CommunityId, MemberId};
use model::time::Timestamp;
use uuid::{Builder, Uuid};

/// Members are 1 to 4; 1 has the node and leads both communities. 5 is a stranger.
pub const STRANGER: u8 = 5;
/// Objects are 0 to 9.
pub const OBJECTS: u8 = 10;
/// Versions that an object gets besides the one that revokes it.
pub const VERSIONS: u8 = 3;
/// The version that revokes.
pub const REVOKED: u8 = 9;
/// Audiences are 0 to 6.
pub const AUDIENCES: u8 = 7;
/// The clock when a history begins: 2026-01-01T00:00:00Z.
pub const START: i64 = 1_767_225_600_000_000;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A marking definition, a statement: what refers to it is restricted until it is known.
    Definition,
    /// What can be hunted.
    Indicator,
    /// An observable: its id tells its value.
    Address,
    /// Refers to an address.
    Note,
    /// Nothing special.
    Tool,
}

/// What object `n` is.
pub fn sort(object: u8) -> Sort {
    match object {
        2 | 3 => Sort::Indicator,
        4 | 5 => Sort::Address,
        6 | 7 => Sort::Note,
        8 => Sort::Definition,
        _ => Sort::Tool,
    }
}

/// Member `n`.
pub fn member(n: u8) -> MemberId {
    MemberId([n; 32])
}

/// Community `n`, 1 or 2.
pub fn community(n: u8) -> CommunityId {
    CommunityId(Builder::from_random_bytes([n; 16]).into_uuid())
}

/// The person `jo` of member `n`.
pub fn person(n: u8) -> Person {
    // The name is one.
    Person { member: member(n), name: "jo".to_owned() }
}

/// Audience `n` of what `author` adds.
pub fn audience(n: u8, author: u8) -> Audience {
    match n {
        0 => Audience::Community(community(1)),
        1 => Audience::Community(community(2)),
        2 => Audience::Organisation(member(author)),
        3 => Audience::Organisation(member(3)),
        4 => Audience::Members([member(2), member(3), member(4)].into()),
        5 => Audience::Members([member(3), member(4)].into()),
        _ => Audience::Persons([person(3), person(4)].into()),
    }
}

/// In words, as far as a trace needs it.
pub fn told(n: u8, author: u8) -> String {
    match n {
        0 => "community 1".to_owned(),
        1 => "community 2".to_owned(),
        2 => format!("member {author} alone"),
        3 => "member 3".to_owned(),
        4 => "members 2, 3 and 4".to_owned(),
        5 => "members 3 and 4".to_owned(),
        _ => "jo of member 3 and jo of member 4".to_owned(),
    }
}

/// Id of an object. Its sixteen bytes stand in no other value.
pub fn id(object: u8) -> String {
    let kind = match sort(object) {
        Sort::Address => "ipv4-addr",
        Sort::Definition => "marking-definition",
        Sort::Indicator => "indicator",
        Sort::Note => "note",
        Sort::Tool => "tool",
    };
    format!("{kind}--{}", uuid_of(object))
}

/// The UUID in an object's id.
pub fn uuid_of(object: u8) -> Uuid {
    Builder::from_random_bytes([0xA0 + object; 16]).into_uuid()
}

/// The object that an object refers to by an id that tells a value.
pub fn refers_to(object: u8) -> Option<u8> {
    (sort(object) == Sort::Note).then(|| object - 2)
}

/// Whether its bytes are marked with the definition.
pub fn is_marked(object: u8) -> bool {
    object == 9
}

/// The word that stands in every body of an object and nowhere else.
pub fn word(object: u8) -> String {
    format!("secret{object}of")
}

/// Version of an object's body: observables have none.
pub fn version(object: u8, version: u8) -> Timestamp {
    match sort(object) {
        Sort::Address => Timestamp::EPOCH,
        // 2024-01-01T00:00:00Z, of a definition too: it never changes.
        Sort::Definition => Timestamp::from_micros(1_704_067_200_000_000),
        _ => Timestamp::from_micros(1_704_067_200_000_000 + i64::from(version) * 86_400_000_000),
    }
}

/// The bytes of a version of an object.
pub fn body(object: u8, version: u8) -> Vec<u8> {
    let (id, word) = (id(object), format!("{}{version}", word(object)));
    let revoked = if version == REVOKED { r#""revoked":true,"# } else { "" };
    let dated = format!(
        r#""spec_version":"2.1","id":"{id}",{revoked}"created":"2024-01-01T00:00:00Z","modified":"2024-01-{:02}T00:00:00Z""#,
        version + 1
    );
    match sort(object) {
        Sort::Address => format!(
            r#"{{"type":"ipv4-addr","spec_version":"2.1","id":"{id}","value":"198.51.100.{object}","x_word":"{}"}}"#,
            self::word(object)
        ),
        Sort::Definition => format!(
            r#"{{"type":"marking-definition","spec_version":"2.1","id":"{id}","created":"2024-01-01T00:00:00Z","definition_type":"statement","definition":{{"statement":"{}"}}}}"#,
            self::word(object)
        ),
        Sort::Indicator => format!(
            r#"{{"type":"indicator",{dated},"name":"{word}","pattern":"[ipv4-addr:value = '203.0.113.{object}{version}']","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z"}}"#
        ),
        Sort::Note => format!(
            r#"{{"type":"note",{dated},"content":"{word}","object_refs":["{}"]}}"#,
            self::id(object - 2)
        ),
        Sort::Tool if is_marked(object) => {
            format!(r#"{{"type":"tool",{dated},"name":"{word}","object_marking_refs":["{}"]}}"#, self::id(8))
        }
        Sort::Tool => format!(r#"{{"type":"tool",{dated},"name":"{word}"}}"#),
    }
    .into_bytes()
}
