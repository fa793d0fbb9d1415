// SPDX-License-Identifier: Apache-2.0
//! The recovery key: SLH-DSA-SHA2-128s (FIPS 205), suite [`crate::RECOVERY_SUITE_ID`]. It rests on the hash
//! alone, so that what breaks the root key does not break the way back. Kept offline, used once or never.

use std::fmt;

use sha2::{Digest, Sha256};
use slh_dsa::{Sha2_128s, Signature, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

/// Bytes from which a key is generated: SK.seed, SK.prf, PK.seed.
pub const SEED_BYTES: usize = 48;
/// Bytes of a private key: the seeds, then PK.root.
pub const PRIVATE_KEY_BYTES: usize = 64;
/// Bytes of a public key.
pub const PUBLIC_KEY_BYTES: usize = 32;
/// Bytes of a signature (FIPS 205, table 2).
pub const SIGNATURE_BYTES: usize = 7856;

/// The FIPS 205 context: a recovery key signs nothing else.
const CONTEXT: &[u8] = b"polder/recovery/v1";

/// A recovery private key; erased when it is dropped and never printed.
pub struct RecoveryKey(SigningKey<Sha2_128s>);

/// Bytes are not a recovery key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a recovery key has {PRIVATE_KEY_BYTES} bytes, of which the last {PUBLIC_KEY_BYTES} are its public key"
)]
pub struct RecoveryKeyError;

impl RecoveryKey {
    /// From fresh random bytes; hashes for some tens of milliseconds.
    pub fn generate(seed: &[u8; SEED_BYTES]) -> RecoveryKey {
        let (secret, public) = seed.split_at(32);
        let (sk_seed, sk_prf) = secret.split_at(16);
        RecoveryKey(SigningKey::slh_keygen_internal(sk_seed, sk_prf, public))
    }

    /// Reads the bytes of [`RecoveryKey::to_bytes`].
    ///
    /// # Errors
    /// [`RecoveryKeyError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<RecoveryKey, RecoveryKeyError> {
        SigningKey::try_from(bytes).map(RecoveryKey).map_err(|_| RecoveryKeyError)
    }

    /// The 64 bytes, to be written where private keys are kept and nowhere else.
    pub fn to_bytes(&self) -> Zeroizing<[u8; PRIVATE_KEY_BYTES]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// The public key.
    pub fn public_key(&self) -> RecoveryPublicKey {
        let key: &VerifyingKey<Sha2_128s> = self.0.as_ref();
        RecoveryPublicKey(key.to_bytes().into())
    }

    /// Signs; takes about a second. `randomness` hedges.
    ///
    /// # Errors
    /// [`RecoveryKeyError`] never: the context is short.
    pub fn sign(&self, message: &[u8], randomness: [u8; 16]) -> Result<Vec<u8>, RecoveryKeyError> {
        let signature = self.0.try_sign_with_context(message, CONTEXT, Some(&randomness));
        signature.map(|signature| signature.to_bytes().to_vec()).map_err(|_| RecoveryKeyError)
    }
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoveryKey(of {:?})", self.public_key())
    }
}

/// A recovery public key. Its hash stands in the root statement; the key itself is shown when it is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecoveryPublicKey([u8; PUBLIC_KEY_BYTES]);

impl RecoveryPublicKey {
    /// Any 32 bytes.
    pub fn from_bytes(bytes: [u8; PUBLIC_KEY_BYTES]) -> RecoveryPublicKey {
        RecoveryPublicKey(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.0
    }

    /// SHA-256 of the bytes: what stands in the root statement.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    /// Whether the signature is this key's.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = VerifyingKey::<Sha2_128s>::try_from(self.0.as_slice());
        let signature = Signature::<Sha2_128s>::try_from(signature);
        match (key, signature) {
            (Ok(key), Ok(signature)) => key.try_verify_with_context(message, CONTEXT, &signature).is_ok(),
            _ => false,
        }
    }
}

impl fmt::Debug for RecoveryPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoveryPublicKey({})", crate::hex::print(&self.0))
    }
}
