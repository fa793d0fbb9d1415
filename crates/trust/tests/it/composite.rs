// SPDX-License-Identifier: Apache-2.0
//! What must and what must not verify.

use proptest::prelude::*;
use trust::composite::{
    Context, PUBLIC_KEY_BYTES, PrivateKey, PublicKey, PublicKeyError, SIGNATURE_BYTES, Signature, Use,
    VerifyError, signed_bytes,
};
use trust::mldsa;

use crate::key;

const USES: [Use; 4] = [Use::Checkpoint, Use::Export, Use::Record, Use::Root];

fn altered(signature: &Signature, at: usize, mask: u8) -> Signature {
    let mut bytes = *signature.as_bytes();
    bytes[at] ^= mask;
    Signature::from_bytes(&bytes).unwrap()
}

fn joined(mldsa: &Signature, ed25519: &Signature) -> Signature {
    let (head, _) = mldsa.as_bytes().split_at(mldsa::SIGNATURE_BYTES);
    let (_, tail) = ed25519.as_bytes().split_at(mldsa::SIGNATURE_BYTES);
    Signature::from_bytes(&[head, tail].concat()).unwrap()
}

#[test]
fn sizes_are_those_of_the_standard() {
    assert_eq!(trust::composite::PRIVATE_KEY_BYTES, 64);
    assert_eq!(PUBLIC_KEY_BYTES, 1984);
    assert_eq!(SIGNATURE_BYTES, 3373);
}

#[test]
fn a_signature_verifies_for_its_use_alone() {
    let key = key(1);
    for made_for in USES {
        let signature = key.sign(b"message", made_for, [3; 32]);
        for asked_for in USES {
            let verdict = key.public_key().verify(b"message", asked_for, &signature);
            assert_eq!(verdict.is_ok(), made_for == asked_for, "{made_for:?} as {asked_for:?}");
        }
    }
}

#[test]
fn another_message_or_key_is_refused() {
    let signature = key(1).sign(b"message", Use::Record, [3; 32]);
    assert_eq!(key(1).public_key().verify(b"messagf", Use::Record, &signature), Err(VerifyError));
    assert_eq!(key(1).public_key().verify(b"", Use::Record, &signature), Err(VerifyError));
    assert_eq!(key(2).public_key().verify(b"message", Use::Record, &signature), Err(VerifyError));
}

#[test]
fn each_half_alone_is_not_enough() {
    let key = key(1);
    let signature = key.sign(b"message", Use::Record, [3; 32]);
    let verify = |signature: &Signature| key.public_key().verify(b"message", Use::Record, signature);
    assert_eq!(verify(&signature), Ok(()));
    for at in [0, 47, 48, 1000, 3247, 3248, 3308, 3309, 3340, 3341, 3371] {
        assert_eq!(verify(&altered(&signature, at, 1)), Err(VerifyError), "byte {at}");
    }
    let zero = |range: std::ops::Range<usize>| {
        let mut bytes = *signature.as_bytes();
        bytes[range].fill(0);
        Signature::from_bytes(&bytes).unwrap()
    };
    assert_eq!(verify(&zero(0..3309)), Err(VerifyError));
    assert_eq!(verify(&zero(3309..3373)), Err(VerifyError));
}

#[test]
fn halves_of_two_signatures_do_not_mix() {
    let key = key(1);
    let one = key.sign(b"one", Use::Record, [3; 32]);
    let two = key.sign(b"two", Use::Record, [3; 32]);
    for message in [b"one", b"two"] {
        for signature in [joined(&one, &two), joined(&two, &one)] {
            assert_eq!(key.public_key().verify(message, Use::Record, &signature), Err(VerifyError));
        }
    }
    // Halves of two signatures over the same bytes do belong together: only then.
    let again = key.sign(b"one", Use::Record, [4; 32]);
    assert_ne!(one, again);
    assert_eq!(key.public_key().verify(b"one", Use::Record, &joined(&again, &one)), Ok(()));
}

#[test]
fn halves_of_two_keys_do_not_mix() {
    let (a, b) = (key(1), key(2));
    let mixed_key = {
        let mut bytes = *a.as_bytes();
        bytes[32..].copy_from_slice(&b.as_bytes()[32..]);
        PrivateKey::from_bytes(&bytes)
    };
    let mixed = joined(&a.sign(b"message", Use::Root, [0; 32]), &b.sign(b"message", Use::Root, [0; 32]));
    assert_eq!(a.public_key().verify(b"message", Use::Root, &mixed), Err(VerifyError));
    assert_eq!(b.public_key().verify(b"message", Use::Root, &mixed), Err(VerifyError));
    // The draft does not bind the halves to each other, which is why components are never reused.
    assert_eq!(mixed_key.public_key().verify(b"message", Use::Root, &mixed), Ok(()));
}

#[test]
fn a_component_signature_under_another_label_is_refused() {
    use trust::mldsa::{Libcrux, MlDsa65WithContext};
    let key = key(1);
    let genuine = key.sign(b"message", Use::Record, [0; 32]);
    let seed = key.as_bytes()[..32].try_into().unwrap();
    let (mldsa_key, _) = Libcrux::keygen(&seed);
    let signed = signed_bytes(b"message", Use::Record.context());
    for (context, accepted) in [
        (trust::composite::mldsa_context(), true),
        (b"COMPSIG-MLDSA44-Ed25519-SHA512".as_slice(), false),
        (b"".as_slice(), false),
        (b"polder/record/v1".as_slice(), false),
    ] {
        let mldsa = Libcrux::sign(&mldsa_key, &signed, context, [9; 32]).unwrap();
        let bytes = [&mldsa[..], &genuine.as_bytes()[3309..]].concat();
        let verdict =
            key.public_key().verify(b"message", Use::Record, &Signature::from_bytes(&bytes).unwrap());
        assert_eq!(verdict.is_ok(), accepted, "{context:?}");
    }
    let too_long = Libcrux::sign(&mldsa_key, &signed, &[0; 256], [9; 32]);
    assert_eq!(too_long.err(), Some(trust::mldsa::SignError::ContextTooLong));
}

#[test]
fn contexts_are_told_apart_at_their_borders() {
    let key = key(1);
    let longest = [7; 255];
    let contexts = [b"".as_slice(), b"a", b"ab", b"\0", &longest];
    for made in contexts {
        let made = Context::new(made).unwrap();
        let signature = key.sign_with_context(b"m", made, [0; 32]);
        for asked in contexts {
            let asked = Context::new(asked).unwrap();
            let verdict = key.public_key().verify_with_context(b"m", asked, &signature);
            assert_eq!(verdict.is_ok(), made == asked);
        }
    }
    assert_eq!(Context::new(&[7; 256]).unwrap_err().bytes, 256);
}

#[test]
fn the_signed_bytes_are_the_drafts() {
    use sha2::{Digest, Sha512};
    let expected = [
        b"CompositeAlgorithmSignatures2025COMPSIG-MLDSA65-Ed25519-SHA512".as_slice(),
        b"\x10polder/record/v1",
        &Sha512::digest(b"message"),
    ]
    .concat();
    assert_eq!(signed_bytes(b"message", Use::Record.context()), expected);
}

#[test]
fn signing_is_a_function_of_its_arguments() {
    let sign = |randomness| key(1).sign(b"message", Use::Record, randomness);
    assert_eq!(sign([5; 32]), sign([5; 32]));
    assert_ne!(sign([5; 32]), sign([6; 32]));
}

#[test]
fn bytes_that_are_no_key_or_signature_are_refused() {
    let good = *key(1).public_key().as_bytes();
    assert_eq!(&PublicKey::from_bytes(&good).unwrap(), key(1).public_key());
    for length in [0, 1952, 1983] {
        let refused = PublicKey::from_bytes(&good[..length]);
        assert_eq!(refused, Err(PublicKeyError::Length { found: length }));
    }
    let long = [good.as_slice(), &[0]].concat();
    assert_eq!(PublicKey::from_bytes(&long), Err(PublicKeyError::Length { found: 1985 }));

    let with_point = |point: [u8; 32]| PublicKey::from_bytes(&[&good[..1952], &point].concat());
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(with_point(identity), Err(PublicKeyError::Ed25519SmallOrder));
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    assert_eq!(with_point(off_curve), Err(PublicKeyError::Ed25519Point));

    assert_eq!(Signature::from_bytes(&[0; 3372]).unwrap_err().found, 3372);
    assert_eq!(Signature::from_bytes(&[0; 3374]).unwrap_err().found, 3374);
}

#[test]
fn a_private_key_is_not_shown() {
    let key = PrivateKey::from_bytes(&[0xa7; 64]);
    let shown = format!("{key:?} {key:#?}");
    for form in ["a7a7", "167, 167", "0xa7"] {
        assert!(!shown.contains(form), "{shown}");
    }
    assert_eq!(key.as_bytes(), &[0xa7; 64]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_signed_verifies_and_one_flipped_bit_does_not(
        seed: u8,
        message: Vec<u8>,
        randomness: [u8; 32],
        at in 0..SIGNATURE_BYTES,
        bit in 0..8u8,
    ) {
        let key = key(seed);
        let signature = key.sign(&message, Use::Export, randomness);
        prop_assert_eq!(key.public_key().verify(&message, Use::Export, &signature), Ok(()));
        let altered = altered(&signature, at, 1u8 << bit);
        prop_assert_eq!(key.public_key().verify(&message, Use::Export, &altered), Err(VerifyError));
    }

    #[test]
    fn any_bytes_can_be_verified(bytes in prop::collection::vec(any::<u8>(), SIGNATURE_BYTES)) {
        let signature = Signature::from_bytes(&bytes).unwrap();
        prop_assert_eq!(key(1).public_key().verify(b"m", Use::Root, &signature), Err(VerifyError));
    }
}
