// SPDX-License-Identifier: Apache-2.0
//! The ML-DSA-65 in use against RustCrypto's, which shares no code with it.

use ml_dsa::{ExpandedSigningKey, MlDsa65, VerifyingKey, signature::Keypair};
use trust::composite::{Signature, Use, mldsa_context, signed_bytes};
use trust::mldsa::{Libcrux, MlDsa65WithContext, PUBLIC_KEY_BYTES, SEED_BYTES, SIGNATURE_BYTES, SignError};

use crate::key;

struct RustCrypto;

impl MlDsa65WithContext for RustCrypto {
    type SigningKey = ExpandedSigningKey<MlDsa65>;

    fn keygen(seed: &[u8; SEED_BYTES]) -> (Self::SigningKey, [u8; PUBLIC_KEY_BYTES]) {
        let key = ExpandedSigningKey::from_seed(&(*seed).into());
        let public = Keypair::verifying_key(&key).encode().into();
        (key, public)
    }

    fn sign(
        key: &Self::SigningKey,
        message: &[u8],
        context: &[u8],
        randomness: [u8; 32],
    ) -> Result<[u8; SIGNATURE_BYTES], SignError> {
        // FIPS 204, algorithm 2: 0x00 for the pure variant, then the length of the context.
        let length = u8::try_from(context.len()).map_err(|_| SignError::ContextTooLong)?;
        let signature = key.sign_internal(&[&[0, length], context, message], &randomness.into());
        Ok(signature.encode().into())
    }

    fn verify(
        public_key: &[u8; PUBLIC_KEY_BYTES],
        message: &[u8],
        context: &[u8],
        signature: &[u8; SIGNATURE_BYTES],
    ) -> bool {
        let key = VerifyingKey::<MlDsa65>::decode(&(*public_key).into());
        ml_dsa::Signature::decode(&(*signature).into())
            .is_some_and(|signature| key.verify_with_context(message, context, &signature))
    }
}

fn seeds() -> impl Iterator<Item = [u8; 32]> {
    (0..6u8).map(|n| std::array::from_fn(|at| n.wrapping_mul(57) ^ at as u8))
}

#[test]
fn both_make_the_same_keys_and_signatures() {
    for seed in seeds() {
        let (ours, our_public) = Libcrux::keygen(&seed);
        let (theirs, their_public) = RustCrypto::keygen(&seed);
        assert_eq!(our_public, their_public);
        for (context, randomness) in [(b"".as_slice(), [0; 32]), (b"some use", seed), (&[1; 255], [2; 32])] {
            let our_signature = Libcrux::sign(&ours, &seed, context, randomness).unwrap();
            assert_eq!(our_signature, RustCrypto::sign(&theirs, &seed, context, randomness).unwrap());
        }
    }
}

#[test]
fn each_verifies_what_the_other_signed() {
    fn check<Signer: MlDsa65WithContext, Verifier: MlDsa65WithContext>(seed: &[u8; 32]) {
        let (key, public) = Signer::keygen(seed);
        let signature = Signer::sign(&key, b"message", b"context", *seed).unwrap();
        assert!(Verifier::verify(&public, b"message", b"context", &signature));
        assert!(!Verifier::verify(&public, b"massage", b"context", &signature));
        assert!(!Verifier::verify(&public, b"message", b"contexT", &signature));
        assert!(!Verifier::verify(&public, b"message", b"", &signature));
    }
    for seed in seeds() {
        check::<Libcrux, RustCrypto>(&seed);
        check::<RustCrypto, Libcrux>(&seed);
    }
}

#[test]
fn both_refuse_the_same_alterations() {
    let (key, public) = Libcrux::keygen(&[8; 32]);
    let signature = Libcrux::sign(&key, b"message", b"", [0; 32]).unwrap();
    // All of the hint (the last 61 bytes), where encodings have been malleable, and samples elsewhere.
    for at in (0..3248).step_by(401).chain(3248..3309) {
        for value in [0, 1, 56] {
            let mut altered = signature;
            altered[at] = value;
            let ours = Libcrux::verify(&public, b"message", b"", &altered);
            assert_eq!(ours, RustCrypto::verify(&public, b"message", b"", &altered), "byte {at} = {value}");
            assert_eq!(ours, altered == signature, "byte {at} = {value}");
        }
    }
}

#[test]
fn a_composite_signature_is_two_plain_ones() {
    let key = key(5);
    let signed = signed_bytes(b"message", Use::Checkpoint.context());
    let signature = key.sign(b"message", Use::Checkpoint, [1; 32]);
    let (mldsa, ed25519) = signature.as_bytes().split_at(SIGNATURE_BYTES);
    let (mldsa_public, ed25519_public) = key.public_key().as_bytes().split_at(PUBLIC_KEY_BYTES);

    let (public, mldsa) = (mldsa_public.try_into().unwrap(), mldsa.try_into().unwrap());
    assert!(RustCrypto::verify(public, &signed, mldsa_context(), mldsa));
    let ed25519_public = ed25519_dalek::VerifyingKey::from_bytes(ed25519_public.try_into().unwrap()).unwrap();
    let ed25519 = ed25519_dalek::Signature::from_slice(ed25519).unwrap();
    assert!(ed25519_public.verify_strict(&signed, &ed25519).is_ok());

    // And put together by the other library, it is the same signature.
    use ed25519_dalek::Signer;
    let (seed, scalar) = key.as_bytes().split_at(32);
    let (theirs, _) = RustCrypto::keygen(seed.try_into().unwrap());
    let mldsa = RustCrypto::sign(&theirs, &signed, mldsa_context(), [1; 32]).unwrap();
    let ed25519 = ed25519_dalek::SigningKey::from_bytes(scalar.try_into().unwrap()).sign(&signed);
    let assembled = [&mldsa[..], &ed25519.to_bytes()].concat();
    assert_eq!(Signature::from_bytes(&assembled).unwrap(), signature);
}
