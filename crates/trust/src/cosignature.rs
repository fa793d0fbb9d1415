// SPDX-License-Identifier: Apache-2.0
//! ML-DSA-44 cosignatures (C2SP tlog-cosignature, type 0x06), by which other C2SP software verifies a
//! quantum-safe line of our checkpoints. ML-DSA-44 is category 2: nothing of ours rests on it alone.

use std::fmt;

use libcrux_ml_dsa::{SigningError, ml_dsa_44};
use zeroize::Zeroize;

use crate::limits::KEY_NAME_BYTES_MAX;

/// Bytes of the seed that a key pair is generated from.
pub const SEED_BYTES: usize = 32;
/// Bytes of a public key (FIPS 204, table 2).
pub const PUBLIC_KEY_BYTES: usize = 1312;
/// Bytes of an ML-DSA-44 signature (FIPS 204, table 2).
pub const SIGNATURE_BYTES: usize = 2420;
/// Bytes of `timestamped_signature`: eight of the time, then the signature.
pub const TIMESTAMPED_BYTES: usize = 8 + SIGNATURE_BYTES;

/// First field of `cosigned_message`.
const LABEL: &[u8; 12] = b"subtree/v1\n\0";
/// The FIPS 204 context: none is specified, so it is empty.
const CONTEXT: &[u8] = b"";

/// The tree that a checkpoint names; `start` of the specification is 0 in a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree<'a> {
    /// Origin line of the log, without newline.
    pub origin: &'a str,
    /// Leaves.
    pub size: u64,
    /// Root hash.
    pub root: [u8; 32],
}

/// A name or an origin does not fit its length byte, or is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cosigner and an origin have 1 to {KEY_NAME_BYTES_MAX} bytes")]
pub struct NameLength;

/// The bytes that are signed: `cosigned_message` of the specification. Public so that another
/// implementation can be tested against it.
///
/// # Errors
/// [`NameLength`].
pub fn signed_bytes(cosigner: &str, timestamp_s: u64, tree: &Tree<'_>) -> Result<Vec<u8>, NameLength> {
    let mut bytes = LABEL.to_vec();
    opaque(&mut bytes, cosigner)?;
    bytes.extend_from_slice(&timestamp_s.to_be_bytes());
    opaque(&mut bytes, tree.origin)?;
    bytes.extend_from_slice(&0u64.to_be_bytes());
    bytes.extend_from_slice(&tree.size.to_be_bytes());
    bytes.extend_from_slice(&tree.root);
    Ok(bytes)
}

/// `opaque text<1..2^8-1>` of RFC 8446, section 3.4.
fn opaque(bytes: &mut Vec<u8>, text: &str) -> Result<(), NameLength> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length > 0).ok_or(NameLength)?;
    bytes.push(length);
    bytes.extend_from_slice(text.as_bytes());
    Ok(())
}

/// An ML-DSA-44 private key; erased when it is dropped and never printed.
pub struct CosignerKey {
    key: Box<ml_dsa_44::MLDSA44SigningKey>,
    public: CosignerPublicKey,
}

impl CosignerKey {
    /// From a seed, which for a new key must be fresh and random.
    pub fn from_seed(seed: &[u8; SEED_BYTES]) -> CosignerKey {
        let mut pair = ml_dsa_44::generate_key_pair(*seed);
        let key = Box::new(pair.signing_key.clone());
        pair.signing_key.as_mut_slice().zeroize();
        CosignerKey { key, public: CosignerPublicKey(Box::new(*pair.verification_key.as_ref())) }
    }

    /// The public key.
    pub fn public_key(&self) -> &CosignerPublicKey {
        &self.public
    }

    /// `timestamped_signature` over a tree, under the cosigner's name. `timestamp_s` counts seconds since
    /// the epoch and must not be 0 for a checkpoint.
    ///
    /// # Errors
    /// [`NameLength`].
    pub fn cosign(
        &self,
        cosigner: &str,
        timestamp_s: u64,
        tree: &Tree<'_>,
        randomness: [u8; 32],
    ) -> Result<[u8; TIMESTAMPED_BYTES], NameLength> {
        let signature = self.sign(&signed_bytes(cosigner, timestamp_s, tree)?, randomness);
        let mut bytes = [0; TIMESTAMPED_BYTES];
        let (time, rest) = bytes.split_at_mut(8);
        time.copy_from_slice(&timestamp_s.to_be_bytes());
        rest.copy_from_slice(&signature);
        Ok(bytes)
    }

    #[expect(clippy::panic, reason = "both failures are impossible for a caller to cause, see below")]
    fn sign(&self, message: &[u8], randomness: [u8; 32]) -> [u8; SIGNATURE_BYTES] {
        match ml_dsa_44::sign(&self.key, message, CONTEXT, randomness) {
            Ok(signature) => *signature.as_ref(),
            // The context is empty, and 814 rejections in a row have a probability below 2^-256: reaching
            // this means a broken processor or library, and nothing may be signed.
            Err(SigningError::ContextTooLongError | SigningError::RejectionSamplingError) => {
                panic!("ML-DSA-44 gave no signature")
            }
        }
    }
}

impl Drop for CosignerKey {
    fn drop(&mut self) {
        self.key.as_mut_slice().zeroize();
    }
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CosignerKey")
    }
}

/// An ML-DSA-44 public key. Every 1,312 bytes are one.
#[derive(Clone, PartialEq, Eq)]
pub struct CosignerPublicKey(Box<[u8; PUBLIC_KEY_BYTES]>);

impl CosignerPublicKey {
    /// Reads 1,312 bytes; `None` for any other number.
    pub fn from_bytes(bytes: &[u8]) -> Option<CosignerPublicKey> {
        <[u8; PUBLIC_KEY_BYTES]>::try_from(bytes).ok().map(|bytes| CosignerPublicKey(Box::new(bytes)))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.0
    }

    /// Whether `signature` is a `timestamped_signature` of this key over the tree, under this name and
    /// with a time.
    pub fn verify(&self, cosigner: &str, tree: &Tree<'_>, signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk::<8>() else { return false };
        let timestamp_s = u64::from_be_bytes(*time);
        let Ok(signature) = <[u8; SIGNATURE_BYTES]>::try_from(signature) else { return false };
        let Ok(message) = signed_bytes(cosigner, timestamp_s, tree) else { return false };
        // Zero says nothing of the newest tree, and the specification ends at 2^63 - 1.
        if timestamp_s == 0 || i64::try_from(timestamp_s).is_err() {
            return false;
        }
        let key = ml_dsa_44::MLDSA44VerificationKey::new(*self.0);
        let signature = ml_dsa_44::MLDSA44Signature::new(signature);
        ml_dsa_44::verify(&key, &message, CONTEXT, &signature).is_ok()
    }
}

impl fmt::Debug for CosignerPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.first_chunk::<8>().map(|bytes| crate::hex::print(bytes)).unwrap_or_default();
        write!(f, "CosignerPublicKey({start}…)")
    }
}
