// SPDX-License-Identifier: Apache-2.0
//! The entry: what the tree commits to, for ever (`docs/record.md`).

use std::fmt::Write as _;

use model::head::{Audience, Head};
use model::id::hex;
use model::time::Timestamp;
use sha2::{Digest, Sha256};

/// Largest entry in bytes.
pub const ENTRY_BYTES_MAX: usize = 2 * 1024;
/// Version of an entry that its log alone vouches for.
pub const ENTRY_VERSION: u32 = 1;
/// Version of an entry that names its author's own signature.
pub const SIGNED_ENTRY_VERSION: u32 = 2;
/// Bytes of one salt.
pub const SALT_BYTES: usize = 16;

/// The three salts of an entry: they travel with the body and are erased with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salts {
    /// Salt of the subject.
    pub subject: [u8; SALT_BYTES],
    /// Salt of the body.
    pub body: [u8; SALT_BYTES],
    /// Salt of the audience.
    pub audience: [u8; SALT_BYTES],
}

impl Salts {
    /// Subject, body, audience in 48 bytes.
    pub fn to_bytes(self) -> [u8; 48] {
        let mut bytes = [0; 48];
        bytes[..16].copy_from_slice(&self.subject);
        bytes[16..32].copy_from_slice(&self.body);
        bytes[32..].copy_from_slice(&self.audience);
        bytes
    }

    /// Reads [`Salts::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Salts> {
        let bytes: &[u8; 48] = bytes.try_into().ok()?;
        let part = |from: usize| -> [u8; 16] { std::array::from_fn(|i| bytes[from + i]) };
        Some(Salts { subject: part(0), body: part(16), audience: part(32) })
    }
}

/// SHA-256(salt ‖ bytes).
pub fn salted(salt: &[u8; SALT_BYTES], bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(bytes);
    hash.finalize().into()
}

/// The bytes of a subject: its id, a line feed, its version with six fractional digits.
pub fn subject_bytes(id: &str, version: Timestamp) -> Vec<u8> {
    format!("{id}\n{version}").into_bytes()
}

/// The bytes of an audience.
pub fn audience_bytes(audience: &Audience) -> Vec<u8> {
    audience.to_string().into_bytes()
}

/// The three hashes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitments {
    /// Salted hash of [`subject_bytes`].
    pub subject: [u8; 32],
    /// Salted hash of the body as received.
    pub body: [u8; 32],
    /// Salted hash of [`audience_bytes`].
    pub audience: [u8; 32],
}

impl Commitments {
    /// Hashes subject, body and audience, each with its own salt.
    pub fn new(salts: &Salts, subject: &[u8], body: &[u8], audience: &[u8]) -> Commitments {
        Commitments {
            subject: salted(&salts.subject, subject),
            body: salted(&salts.body, body),
            audience: salted(&salts.audience, audience),
        }
    }
}

/// The entry's bytes: RFC 8785 JSON with exactly the keys of version 1, in their canonical order. All
/// values are ASCII without anything to escape, so the text is canonical as it is written here; a test
/// compares it with a canonicaliser.
pub fn entry_bytes(head: &Head, commitments: &Commitments, time: Timestamp) -> Vec<u8> {
    written(head, commitments, time, "", ENTRY_VERSION)
}

/// The entry of a record that its author signed itself: version 2 has `sig` too, SHA-256 of the signature.
pub fn signed_entry_bytes(
    head: &Head,
    commitments: &Commitments,
    sig: &[u8; 32],
    time: Timestamp,
) -> Vec<u8> {
    written(head, commitments, time, &format!(r#""sig":"{}","#, hex(sig)), SIGNED_ENTRY_VERSION)
}

fn written(head: &Head, commitments: &Commitments, time: Timestamp, sig: &str, version: u32) -> Vec<u8> {
    let mut text = String::with_capacity(560);
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        r#"{{"audience":"{}","author":"{}","body":"{}","kind":"{}","marking":"{}",{sig}"subject":"{}","time":"{time}","v":{version}}}"#,
        hex(&commitments.audience),
        head.author,
        hex(&commitments.body),
        head.kind.name(),
        head.marking,
        hex(&commitments.subject),
    );
    debug_assert!(text.len() <= ENTRY_BYTES_MAX);
    text.into_bytes()
}
