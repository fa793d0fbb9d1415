// SPDX-License-Identifier: Apache-2.0
//! The recovery key.

use std::sync::LazyLock;

use trust::recovery::{RecoveryKey, RecoveryPublicKey, SIGNATURE_BYTES};

static KEY: LazyLock<RecoveryKey> =
    LazyLock::new(|| RecoveryKey::generate(&std::array::from_fn(|n| n as u8)));

#[test]
fn a_recovery_signature_is_over_the_message_by_the_key() {
    let signature = KEY.sign(b"message", [1; 16]).unwrap();
    assert_eq!(signature.len(), SIGNATURE_BYTES);
    let public = KEY.public_key();
    assert!(public.verify(b"message", &signature));
    assert!(!public.verify(b"massage", &signature));
    for at in [0, 16, 4_000, SIGNATURE_BYTES - 1] {
        let mut altered = signature.clone();
        altered[at] ^= 1;
        assert!(!public.verify(b"message", &altered), "byte {at}");
    }
    assert!(!public.verify(b"message", &signature[1..]));
    assert!(!RecoveryPublicKey::from_bytes([7; 32]).verify(b"message", &signature));
    // Hedged: another signature of the same message is as good.
    let again = KEY.sign(b"message", [2; 16]).unwrap();
    assert!(again != signature && public.verify(b"message", &again));
}

/// FIPS 205, algorithm 18: the private key is SK.seed, SK.prf, and the public key, PK.seed and PK.root.
#[test]
fn a_recovery_key_is_its_seeds_and_its_root() {
    let bytes = KEY.to_bytes();
    let seeds: [u8; 48] = std::array::from_fn(|n| n as u8);
    assert_eq!(bytes[..48], seeds);
    assert_eq!(bytes[32..], *KEY.public_key().as_bytes());
    let again = RecoveryKey::from_bytes(&*bytes).unwrap();
    assert_eq!(again.public_key(), KEY.public_key());
    assert!(RecoveryKey::from_bytes(&bytes[1..]).is_err());
    assert!(!format!("{:?}", *KEY).contains("000102"), "no secret is printed");
}
