// SPDX-License-Identifier: Apache-2.0
//! The entry: what the tree commits to, for ever (`docs/record.md`).

use std::fmt::Write as _;

use model::head::{Audience, Head};
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
    written(head, commitments, None, time, ENTRY_VERSION)
}

/// The entry of a record that its author signed itself: version 2 has `sig` too, SHA-256 of the signature.
pub fn signed_entry_bytes(
    head: &Head,
    commitments: &Commitments,
    sig: &[u8; 32],
    time: Timestamp,
) -> Vec<u8> {
    written(head, commitments, Some(sig), time, SIGNED_ENTRY_VERSION)
}

fn written(
    head: &Head,
    commitments: &Commitments,
    sig: Option<&[u8; 32]>,
    time: Timestamp,
    version: u32,
) -> Vec<u8> {
    let mut text = String::with_capacity(560);
    text.push_str(r#"{"audience":""#);
    push_hex(&mut text, &commitments.audience);
    text.push_str(r#"","author":""#);
    push_hex(&mut text, &head.author.0);
    text.push_str(r#"","body":""#);
    push_hex(&mut text, &commitments.body);
    text.push_str(r#"","kind":""#);
    text.push_str(head.kind.name());
    // Writing into a String cannot fail.
    let _ = write!(text, r#"","marking":"{}","#, head.marking);
    if let Some(sig) = sig {
        text.push_str(r#""sig":""#);
        push_hex(&mut text, sig);
        text.push_str(r#"","#);
    }
    text.push_str(r#""subject":""#);
    push_hex(&mut text, &commitments.subject);
    let _ = write!(text, r#"","time":"{time}","v":{version}}}"#);
    debug_assert!(text.len() <= ENTRY_BYTES_MAX);
    text.into_bytes()
}

/// Each record has four hashes to write: a text of its own for each would cost more than the digits.
fn push_hex(text: &mut String, hash: &[u8; 32]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; 64];
    for (two, byte) in digits.chunks_exact_mut(2).zip(hash) {
        two.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    text.extend(std::str::from_utf8(&digits));
}
