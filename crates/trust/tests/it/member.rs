// SPDX-License-Identifier: Apache-2.0
//! Fingerprints.

use sha2::{Digest, Sha256};
use trust::member::{FingerprintError, fingerprint, fingerprint_hex, parse_fingerprint};

use crate::key;

#[test]
fn a_fingerprint_is_the_hash_of_the_whole_key() {
    let key = key(1);
    let expected: [u8; 32] = Sha256::digest(key.public_key().as_bytes()).into();
    assert_eq!(fingerprint(key.public_key()), expected);
    assert_ne!(fingerprint(crate::key(2).public_key()), expected);
}

#[test]
fn a_fingerprint_has_one_spelling() {
    let bytes: [u8; 32] = std::array::from_fn(|at| (at * 8 + 1) as u8);
    let text = fingerprint_hex(&bytes);
    assert_eq!(text, "0109111921293139414951596169717981899199a1a9b1b9c1c9d1d9e1e9f1f9");
    assert_eq!(parse_fingerprint(&text), Ok(bytes));
    for wrong in [&text.to_uppercase(), &text[2..], &format!("{text}00"), &text.replace('9', "g"), ""] {
        assert_eq!(parse_fingerprint(wrong), Err(FingerprintError), "{wrong}");
    }
    let two_byte_letters = "é".repeat(32);
    assert_eq!(parse_fingerprint(&two_byte_letters), Err(FingerprintError));
}
