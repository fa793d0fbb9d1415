// SPDX-License-Identifier: Apache-2.0
//! ML-DSA-65 (FIPS 204) with a context string, behind a trait so that the library can be changed
//! without touching what is signed.

use libcrux_ml_dsa::ml_dsa_65;
use zeroize::Zeroize;

/// Bytes of the seed that a key pair is generated from (FIPS 204, algorithm 1, xi).
pub const SEED_BYTES: usize = 32;
/// Bytes of a public key (FIPS 204, table 2).
pub const PUBLIC_KEY_BYTES: usize = 1952;
/// Bytes of a signature (FIPS 204, table 2).
pub const SIGNATURE_BYTES: usize = 3309;

/// An ML-DSA-65 implementation that takes the context of FIPS 204, section 5.2 ("pure" signing).
pub trait MlDsa65WithContext {
    /// The private key in the form the implementation signs fastest with. Must erase itself when
    /// dropped and must not show its bytes.
    type SigningKey: Send + Sync;

    /// ML-DSA.KeyGen from a given seed: always the same key pair for the same seed.
    fn keygen(seed: &[u8; SEED_BYTES]) -> (Self::SigningKey, [u8; PUBLIC_KEY_BYTES]);

    /// ML-DSA.Sign, hedged with `randomness` (all zero gives the deterministic variant).
    ///
    /// # Errors
    /// [`SignError`] when the context is longer than 255 bytes or when no attempt of the rejection
    /// loop succeeded.
    fn sign(
        key: &Self::SigningKey,
        message: &[u8],
        context: &[u8],
        randomness: [u8; 32],
    ) -> Result<[u8; SIGNATURE_BYTES], SignError>;

    /// ML-DSA.Verify. Any bytes are accepted as input, and false means no more than 'not valid'.
    fn verify(
        public_key: &[u8; PUBLIC_KEY_BYTES],
        message: &[u8],
        context: &[u8],
        signature: &[u8; SIGNATURE_BYTES],
    ) -> bool;
}

/// Why ML-DSA-65 gave no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The context does not fit its length byte.
    #[error("the ML-DSA context is longer than 255 bytes")]
    ContextTooLong,
    /// All 814 attempts were rejected: below 2^-256 for honest input (FIPS 204, appendix C).
    #[error("ML-DSA rejected every signing attempt")]
    Rejected,
}

/// The implementation in use: libcrux, with AVX2 or NEON where the processor has it.
#[derive(Debug, Clone, Copy)]
pub struct Libcrux;

/// An expanded libcrux key. Boxed, so that moving it leaves no copy behind.
pub struct LibcruxSigningKey(Box<ml_dsa_65::MLDSA65SigningKey>);

impl Drop for LibcruxSigningKey {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl MlDsa65WithContext for Libcrux {
    type SigningKey = LibcruxSigningKey;

    fn keygen(seed: &[u8; SEED_BYTES]) -> (LibcruxSigningKey, [u8; PUBLIC_KEY_BYTES]) {
        let mut pair = ml_dsa_65::generate_key_pair(*seed);
        let key = LibcruxSigningKey(Box::new(pair.signing_key.clone()));
        pair.signing_key.as_mut_slice().zeroize();
        (key, *pair.verification_key.as_ref())
    }

    fn sign(
        key: &LibcruxSigningKey,
        message: &[u8],
        context: &[u8],
        randomness: [u8; 32],
    ) -> Result<[u8; SIGNATURE_BYTES], SignError> {
        use libcrux_ml_dsa::SigningError as E;
        ml_dsa_65::sign(&key.0, message, context, randomness).map(|signature| *signature.as_ref()).map_err(
            |error| match error {
                E::ContextTooLongError => SignError::ContextTooLong,
                E::RejectionSamplingError => SignError::Rejected,
            },
        )
    }

    fn verify(
        public_key: &[u8; PUBLIC_KEY_BYTES],
        message: &[u8],
        context: &[u8],
        signature: &[u8; SIGNATURE_BYTES],
    ) -> bool {
        let public_key = ml_dsa_65::MLDSA65VerificationKey::new(*public_key);
        let signature = ml_dsa_65::MLDSA65Signature::new(*signature);
        ml_dsa_65::verify(&public_key, message, context, &signature).is_ok()
    }
}
