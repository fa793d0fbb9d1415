// SPDX-License-Identifier: Apache-2.0
//! Identifiers: members, communities, STIX objects.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::limits::ID_BYTES_MAX;

/// An organisation that takes part: SHA-256 of its first root public key. It survives key rotation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub [u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a member id; it has 64 hexadecimal digits, as `polder init` printed it")]
pub struct MemberIdError(String);

impl MemberId {
    /// Reads 64 hexadecimal digits of either case.
    pub fn parse(text: &str) -> Result<MemberId, MemberIdError> {
        let refused = || MemberIdError(text.chars().take(80).collect());
        let bytes = hex_decode(text).ok_or_else(refused)?;
        bytes.try_into().map(MemberId).map_err(|_| refused())
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemberId({self})")
    }
}

/// A community: a named set of members. Its id is also the id of its TAXII collection (UUIDv4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommunityId(pub Uuid);

impl fmt::Display for CommunityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Lower-case hexadecimal digits of bytes.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(nibble)]));
        }
    }
    text
}

/// Bytes of hexadecimal digits of either case; `None` if the text is anything else.
pub fn hex_decode(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    bytes.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// STIX types with a code of their own, in the order of their codes. Codes are stored: append, never
/// insert. 255 is kept for types that are not in this table.
const TYPES: &[&str] = &[
    // STIX 2.1 section 4, domain objects
    "attack-pattern",
    "campaign",
    "course-of-action",
    "grouping",
    "identity",
    "incident",
    "indicator",
    "infrastructure",
    "intrusion-set",
    "location",
    "malware",
    "malware-analysis",
    "note",
    "observed-data",
    "opinion",
    "report",
    "threat-actor",
    "tool",
    "vulnerability",
    // section 5, relationship objects
    "relationship",
    "sighting",
    // section 6, cyber-observable objects
    "artifact",
    "autonomous-system",
    "directory",
    "domain-name",
    "email-addr",
    "email-message",
    "file",
    "ipv4-addr",
    "ipv6-addr",
    "mac-addr",
    "mutex",
    "network-traffic",
    "process",
    "software",
    "url",
    "user-account",
    "windows-registry-key",
    "x509-certificate",
    // section 7, meta objects
    "extension-definition",
    "language-content",
    "marking-definition",
    // custom types of ATT&CK
    "x-mitre-analytic",
    "x-mitre-asset",
    "x-mitre-collection",
    "x-mitre-data-component",
    "x-mitre-data-source",
    "x-mitre-detection-strategy",
    "x-mitre-matrix",
    "x-mitre-tactic",
    // documents of Polder itself
    "x-polder-member",
    "x-polder-community",
    "x-polder-recall",
    "x-polder-acceptance",
    "x-polder-client",
];

const FIRST_OBSERVABLE: u8 = 21;
const LAST_OBSERVABLE: u8 = 38;
const OTHER_TYPE: u8 = 255;

/// Code of a STIX type, or `None` for a type that is not in the table.
pub fn type_code(name: &str) -> Option<u8> {
    TYPES.iter().position(|t| *t == name).map(|i| i as u8)
}

/// Name of a type code.
pub fn type_name(code: u8) -> Option<&'static str> {
    TYPES.get(usize::from(code)).copied()
}

/// The plain subject of a record as 17 bytes: type code, then UUID.
///
/// Of an id whose type is not in the table, or whose second part is not a UUID written in the usual way,
/// the key is 255 and the first 16 bytes of SHA-256 of the id; the record then keeps the id as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectKey(pub [u8; 17]);

impl SubjectKey {
    /// Key of an id.
    pub fn of(id: &str) -> SubjectKey {
        let mut key = [OTHER_TYPE; 17];
        let known = id.split_once("--").and_then(|(kind, rest)| {
            let uuid = Uuid::try_parse(rest).ok()?;
            // Only the form that can be printed again from the key: hyphens, lower case.
            let same = rest.len() == 36 && !rest.bytes().any(|c| c.is_ascii_uppercase());
            same.then_some((type_code(kind)?, uuid))
        });
        match known {
            Some((code, uuid)) => {
                key[0] = code;
                key[1..].copy_from_slice(uuid.as_bytes());
            }
            None => key[1..].copy_from_slice(&Sha256::digest(id.as_bytes())[..16]),
        }
        SubjectKey(key)
    }

    /// The id, if the key alone tells it.
    pub fn id(&self) -> Option<String> {
        let kind = type_name(self.0[0])?;
        let uuid = Uuid::from_slice(&self.0[1..]).ok()?;
        Some(format!("{kind}--{uuid}"))
    }

    /// Code of the type; 255 if it is not in the table.
    pub fn type_code(&self) -> u8 {
        self.0[0]
    }

    /// Whether the id is that of a cyber observable, which may be enumerated from its value (STIX 2.1
    /// section 2.9): such an id is treated as the value itself.
    pub fn is_observable(&self) -> bool {
        (FIRST_OBSERVABLE..=LAST_OBSERVABLE).contains(&self.0[0])
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id() {
            Some(id) => f.write_str(&id),
            None => f.write_str(&hex(&self.0)),
        }
    }
}

/// Whether the text has the shape of a STIX identifier, `type--UUID` (STIX 2.1 section 2.9).
pub fn is_stix_id(id: &str) -> bool {
    let Some((kind, rest)) = id.split_once("--") else { return false };
    id.len() <= ID_BYTES_MAX
        && (1..=250).contains(&kind.len())
        && kind.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        && rest.len() == 36
        // One spelling for one id: with two, what is known of the one would not hold for the other.
        && !rest.bytes().any(|c| c.is_ascii_uppercase())
        && Uuid::try_parse(rest).is_ok()
}
