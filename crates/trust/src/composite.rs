// SPDX-License-Identifier: Apache-2.0
//! The composite signature id-MLDSA65-Ed25519-SHA512 (LAMPS composite signatures, draft text of
//! 2026-04-28; OID 1.3.6.1.5.5.7.6.48), suite [`crate::SUITE_ID`].
//!
//! It is valid only if its ML-DSA-65 half **and** its Ed25519 half are: forging it needs both broken.
//! Component keys are used nowhere else (draft, key generation): an Ed25519 key for TLS or for a note
//! line of type 0x01 is another key.

use std::fmt;

use ed25519_dalek::Signer;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::limits::CONTEXT_BYTES_MAX;
use crate::mldsa::{self, Libcrux, MlDsa65WithContext, SignError};

type MlDsa = Libcrux;

/// ML-DSA-65 seed, then Ed25519 private key.
pub const PRIVATE_KEY_BYTES: usize = mldsa::SEED_BYTES + 32;
/// ML-DSA-65 public key, then Ed25519 public key.
pub const PUBLIC_KEY_BYTES: usize = mldsa::PUBLIC_KEY_BYTES + 32;
/// ML-DSA-65 signature, then Ed25519 signature.
pub const SIGNATURE_BYTES: usize = mldsa::SIGNATURE_BYTES + 64;

/// First bytes of every composite message (draft, section 'Prefix').
const PREFIX: &[u8] = b"CompositeAlgorithmSignatures2025";
/// Names the algorithm, in the message and as the ML-DSA context (draft, section 'Labels').
const LABEL: &[u8] = b"COMPSIG-MLDSA65-Ed25519-SHA512";

/// What a signature is for. A signature made for one use never verifies for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Use {
    /// The text of a ledger's checkpoint.
    Checkpoint,
    /// A record that leaves the network on its own.
    Export,
    /// A record's entry, by its author's own client.
    Record,
    /// A member's root statement, rotation or revocation.
    Root,
}

impl Use {
    /// The context bytes that stand for this use in the signature.
    pub const fn context(self) -> Context<'static> {
        Context(match self {
            Use::Checkpoint => b"polder/checkpoint/v1",
            Use::Export => b"polder/export/v1",
            Use::Record => b"polder/record/v1",
            Use::Root => b"polder/root/v1",
        })
    }
}

/// Context bytes that fit the one length byte they get in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a>(&'a [u8]);

impl<'a> Context<'a> {
    /// Takes any bytes, for interoperation; the project's own contexts come from [`Use`].
    ///
    /// # Errors
    /// [`ContextTooLong`] above [`CONTEXT_BYTES_MAX`] bytes.
    pub fn new(bytes: &'a [u8]) -> Result<Self, ContextTooLong> {
        if bytes.len() > CONTEXT_BYTES_MAX {
            return Err(ContextTooLong { bytes: bytes.len() });
        }
        Ok(Context(bytes))
    }

    /// The bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// A context does not fit its length byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signature context of {bytes} bytes is longer than {CONTEXT_BYTES_MAX}")]
pub struct ContextTooLong {
    /// Length that was offered.
    pub bytes: usize,
}

/// The bytes that both halves sign: `Prefix ‖ Label ‖ len(ctx) ‖ ctx ‖ SHA-512(message)` (M' of the
/// draft). Public so that another implementation can be tested against it.
pub fn signed_bytes(message: &[u8], context: Context<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PREFIX.len() + LABEL.len() + 1 + context.0.len() + 64);
    bytes.extend_from_slice(PREFIX);
    bytes.extend_from_slice(LABEL);
    // `Context` holds at most 255 bytes, so the cast keeps the value.
    bytes.push(context.0.len() as u8);
    bytes.extend_from_slice(context.0);
    bytes.extend_from_slice(&Sha512::digest(message));
    bytes
}

/// The FIPS 204 context of the ML-DSA half: always the label, never the caller's context.
pub const fn mldsa_context() -> &'static [u8] {
    LABEL
}

/// A composite private key. Its bytes are erased when it is dropped and never printed.
pub struct PrivateKey {
    bytes: Box<Zeroizing<[u8; PRIVATE_KEY_BYTES]>>,
    // Expanded once: expanding the seed costs about as much as a signature.
    mldsa: <MlDsa as MlDsa65WithContext>::SigningKey,
    ed25519: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl PrivateKey {
    /// From 32 bytes ML-DSA-65 seed and 32 bytes Ed25519 key. Any bytes are a key; for a new one they
    /// must be fresh and random, both halves.
    pub fn from_bytes(bytes: &[u8; PRIVATE_KEY_BYTES]) -> Self {
        let bytes = Box::new(Zeroizing::new(*bytes));
        let (mut seed, mut scalar) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        let (head, tail) = bytes.split_at(mldsa::SEED_BYTES);
        seed.copy_from_slice(head);
        scalar.copy_from_slice(tail);

        let (mldsa, mldsa_public) = MlDsa::keygen(&seed);
        let ed25519 = ed25519_dalek::SigningKey::from_bytes(&scalar);
        let public = PublicKey::from_parts(mldsa_public, ed25519.verifying_key());
        PrivateKey { bytes, mldsa, ed25519, public }
    }

    /// The 64 bytes, to be written where private keys are kept and nowhere else.
    pub fn as_bytes(&self) -> &[u8; PRIVATE_KEY_BYTES] {
        &self.bytes
    }

    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message` for one use. `randomness` hedges ML-DSA (FIPS 204, section 3.4): fresh for each
    /// signature; a repeated value does not endanger the key.
    pub fn sign(&self, message: &[u8], use_: Use, randomness: [u8; 32]) -> Signature {
        self.sign_with_context(message, use_.context(), randomness)
    }

    /// [`PrivateKey::sign`] with any context, for interoperation.
    pub fn sign_with_context(&self, message: &[u8], context: Context<'_>, randomness: [u8; 32]) -> Signature {
        let signed = signed_bytes(message, context);
        let mldsa = sign_mldsa(&self.mldsa, &signed, randomness);
        let ed25519 = self.ed25519.sign(&signed).to_bytes();

        let mut bytes = Box::new([0; SIGNATURE_BYTES]);
        let (head, tail) = bytes.split_at_mut(mldsa::SIGNATURE_BYTES);
        head.copy_from_slice(&mldsa);
        tail.copy_from_slice(&ed25519);
        Signature(bytes)
    }
}

#[expect(clippy::panic, reason = "both failures are impossible for a caller to cause, see below")]
fn sign_mldsa(
    key: &<MlDsa as MlDsa65WithContext>::SigningKey,
    signed: &[u8],
    randomness: [u8; 32],
) -> [u8; mldsa::SIGNATURE_BYTES] {
    match MlDsa::sign(key, signed, LABEL, randomness) {
        Ok(signature) => signature,
        // The label has 30 bytes, and 814 rejections in a row have a probability below 2^-256 whatever
        // the message: reaching this means a broken processor or library, and nothing may be signed.
        Err(error @ (SignError::ContextTooLong | SignError::Rejected)) => panic!("{error}"),
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {:?})", self.public)
    }
}

/// A composite public key whose Ed25519 half is a point of large order.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    bytes: Box<[u8; PUBLIC_KEY_BYTES]>,
    mldsa: Box<[u8; mldsa::PUBLIC_KEY_BYTES]>,
    // Decompressed once: it costs a tenth of a verification.
    ed25519: ed25519_dalek::VerifyingKey,
}

/// Why bytes are not a composite public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// The last 32 bytes are no point of the curve.
    #[error("the Ed25519 half of the public key is not a point of the curve")]
    Ed25519Point,
    /// The point has small order: signatures that fit many messages could be made for it.
    #[error("the Ed25519 half of the public key has small order")]
    Ed25519SmallOrder,
    /// Not [`PUBLIC_KEY_BYTES`] bytes.
    #[error("a composite public key has {PUBLIC_KEY_BYTES} bytes, not {found}")]
    Length {
        /// Bytes that were offered.
        found: usize,
    },
}

impl PublicKey {
    /// Reads ML-DSA-65 public key ‖ Ed25519 public key.
    ///
    /// # Errors
    /// [`PublicKeyError`] when the length or the Ed25519 half is wrong. Every 1,952 bytes are an
    /// ML-DSA-65 public key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let wrong_length = || PublicKeyError::Length { found: bytes.len() };
        let (mldsa, ed25519) =
            bytes.split_first_chunk::<{ mldsa::PUBLIC_KEY_BYTES }>().ok_or_else(wrong_length)?;
        let ed25519: &[u8; 32] = ed25519.try_into().map_err(|_| wrong_length())?;

        let point =
            ed25519_dalek::VerifyingKey::from_bytes(ed25519).map_err(|_| PublicKeyError::Ed25519Point)?;
        if point.is_weak() {
            return Err(PublicKeyError::Ed25519SmallOrder);
        }
        Ok(Self::from_parts(*mldsa, point))
    }

    fn from_parts(mldsa: [u8; mldsa::PUBLIC_KEY_BYTES], ed25519: ed25519_dalek::VerifyingKey) -> Self {
        let mut bytes = Box::new([0; PUBLIC_KEY_BYTES]);
        let (head, tail) = bytes.split_at_mut(mldsa::PUBLIC_KEY_BYTES);
        head.copy_from_slice(&mldsa);
        tail.copy_from_slice(ed25519.as_bytes());
        PublicKey { bytes, mldsa: Box::new(mldsa), ed25519 }
    }

    /// The 1,984 bytes.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.bytes
    }

    /// Checks that `signature` was made over `message` for this use by the holder of this key.
    ///
    /// # Errors
    /// [`VerifyError`], the same whichever half is wrong.
    pub fn verify(&self, message: &[u8], use_: Use, signature: &Signature) -> Result<(), VerifyError> {
        self.verify_with_context(message, use_.context(), signature)
    }

    /// [`PublicKey::verify`] with any context, for interoperation.
    ///
    /// # Errors
    /// [`VerifyError`], the same whichever half is wrong.
    pub fn verify_with_context(
        &self,
        message: &[u8],
        context: Context<'_>,
        signature: &Signature,
    ) -> Result<(), VerifyError> {
        let signed = signed_bytes(message, context);
        let (mldsa, ed25519) = signature.halves();
        let mldsa_valid = MlDsa::verify(&self.mldsa, &signed, LABEL, mldsa);
        let ed25519_valid = self.ed25519.verify_strict(&signed, &ed25519).is_ok();
        // Both are always computed and joined without a branch on the first: neither the answer nor
        // its time says which half failed.
        if mldsa_valid & ed25519_valid { Ok(()) } else { Err(VerifyError) }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", crate::member::fingerprint_hex(&crate::member::fingerprint(self)))
    }
}

/// The signature is not valid for this key, message and use. Deliberately says no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the composite signature is not valid")]
pub struct VerifyError;

/// A composite signature: 3,373 bytes, not yet known to be valid.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature(Box<[u8; SIGNATURE_BYTES]>);

/// Bytes are not as long as a composite signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a composite signature has {SIGNATURE_BYTES} bytes, not {found}")]
pub struct SignatureLength {
    /// Bytes that were offered.
    pub found: usize,
}

impl Signature {
    /// Takes ML-DSA-65 signature ‖ Ed25519 signature.
    ///
    /// # Errors
    /// [`SignatureLength`] unless there are exactly [`SIGNATURE_BYTES`] bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignatureLength> {
        let bytes: [u8; SIGNATURE_BYTES] =
            bytes.try_into().map_err(|_| SignatureLength { found: bytes.len() })?;
        Ok(Signature(Box::new(bytes)))
    }

    /// The 3,373 bytes.
    pub fn as_bytes(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.0
    }

    fn halves(&self) -> (&[u8; mldsa::SIGNATURE_BYTES], ed25519_dalek::Signature) {
        let mut mldsa = &[0; mldsa::SIGNATURE_BYTES];
        let mut ed25519 = &[0; 64];
        // Both chunks exist: the array has exactly the sum of their lengths. Were it otherwise, zeros
        // would be checked, which no key verifies.
        if let Some((head, tail)) = self.0.split_first_chunk()
            && let Some(last) = tail.first_chunk()
        {
            (mldsa, ed25519) = (head, last);
        }
        (mldsa, ed25519_dalek::Signature::from_bytes(ed25519))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.first_chunk::<8>().map(|bytes| crate::hex::print(bytes)).unwrap_or_default();
        write!(f, "Signature({start}…)")
    }
}
