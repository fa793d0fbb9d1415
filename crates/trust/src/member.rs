// SPDX-License-Identifier: Apache-2.0
//! How a member is named: by the hash of its first root public key, which survives every rotation.

use sha2::{Digest, Sha256};

use crate::composite::PublicKey;
use crate::hex;

/// SHA-256 of the 1,984 bytes of a composite public key. Of a member's *first* root key it is the
/// member id; of any other it is only a fingerprint.
pub fn fingerprint(key: &PublicKey) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// A fingerprint as 64 lower-case hexadecimal digits.
pub fn fingerprint_hex(fingerprint: &[u8; 32]) -> String {
    hex::print(fingerprint)
}

/// Reads what [`fingerprint_hex`] prints; any other spelling is refused.
///
/// # Errors
/// [`FingerprintError`] unless the text is 64 lower-case hexadecimal digits.
pub fn parse_fingerprint(text: &str) -> Result<[u8; 32], FingerprintError> {
    hex::parse(text).ok_or(FingerprintError)
}

/// A fingerprint is not spelled as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 64 lower-case hexadecimal digits")]
pub struct FingerprintError;
