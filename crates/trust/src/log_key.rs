// SPDX-License-Identifier: Apache-2.0
//! The keys of one log, and the three lines that they leave under its checkpoints: Ed25519 (0x01) for
//! software that knows no other, the composite, which ours counts, and an ML-DSA-44 cosignature (0x06)
//! under the log's own name. The three are independent: none is a part of another.

use ed25519_dalek::Signer;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::composite::{self, PrivateKey, PublicKey, PublicKeyError, Use};
use crate::cosignature::{self, CosignerKey, CosignerPublicKey, Tree};
use crate::note::{Note, NoteError, NoteKey, NoteSignature};

/// Bytes of a log key: composite, Ed25519, seed of ML-DSA-44.
pub const LOG_KEY_BYTES: usize = composite::PRIVATE_KEY_BYTES + 32 + cosignature::SEED_BYTES;

/// The private keys of a log. A log made before there were three lines has the composite key alone.
pub struct LogKey {
    composite: PrivateKey,
    others: Option<Others>,
    public: LogPublicKeys,
}

struct Others {
    ed25519: ed25519_dalek::SigningKey,
    cosigner: CosignerKey,
}

/// Bytes are not as long as a log key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a log key has {LOG_KEY_BYTES} bytes, or {} when it is of the first kind, not {found}",
    composite::PRIVATE_KEY_BYTES
)]
pub struct LogKeyLength {
    /// Bytes that were offered.
    pub found: usize,
}

impl LogKey {
    /// Reads [`LOG_KEY_BYTES`] bytes, or those of a composite key alone. For a new key all bytes must be
    /// fresh and random.
    ///
    /// # Errors
    /// [`LogKeyLength`].
    pub fn from_bytes(bytes: &[u8]) -> Result<LogKey, LogKeyLength> {
        let wrong = || LogKeyLength { found: bytes.len() };
        let (composite, rest) =
            bytes.split_first_chunk::<{ composite::PRIVATE_KEY_BYTES }>().ok_or_else(wrong)?;
        let composite = PrivateKey::from_bytes(composite);
        if rest.is_empty() {
            let public = LogPublicKeys { composite: composite.public_key().clone(), others: None };
            return Ok(LogKey { composite, others: None, public });
        }
        let (ed25519, seed) = rest.split_first_chunk::<32>().ok_or_else(wrong)?;
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.try_into().map_err(|_| wrong())?);
        let others = Others {
            ed25519: ed25519_dalek::SigningKey::from_bytes(ed25519),
            cosigner: CosignerKey::from_seed(&seed),
        };
        let public = LogPublicKeys {
            composite: composite.public_key().clone(),
            others: Some(OtherPublicKeys {
                ed25519: others.ed25519.verifying_key(),
                cosigner: others.cosigner.public_key().clone(),
            }),
        };
        Ok(LogKey { composite, others: Some(others), public })
    }

    /// The public keys.
    pub fn public_key(&self) -> &LogPublicKeys {
        &self.public
    }

    /// A note over `text`, which names `tree`, with a line by each key. `randomness` must be fresh.
    ///
    /// # Errors
    /// [`NoteError`] when the text or the name cannot stand in a note.
    pub fn sign_note(
        &self,
        text: &str,
        tree: &Tree<'_>,
        use_: Use,
        timestamp_s: u64,
        randomness: [u8; 32],
    ) -> Result<Note, NoteError> {
        let name = tree.origin;
        let note = crate::note::sign_note(text, name, &self.composite, use_, randomness)?;
        let Some(others) = &self.others else { return Ok(note) };
        let [ed25519, cosigner] = self.public.other_note_keys(name)?.ok_or(NoteError::NoSignature)?;
        let signature = others.ed25519.sign(text.as_bytes()).to_bytes().to_vec();
        let first = NoteSignature::new(name, ed25519.id(), signature)?;
        // Each key's hedge is its own.
        let hedge = Sha256::new().chain_update(b"polder/cosign/v1").chain_update(randomness).finalize();
        let signature = others
            .cosigner
            .cosign(name, timestamp_s, tree, hedge.into())
            .map_err(|_| NoteError::KeyName { name: name.to_owned() })?;
        let last = NoteSignature::new(name, cosigner.id(), signature.to_vec())?;
        let lines = std::iter::once(first).chain(note.signatures().iter().cloned()).chain([last]);
        Note::new(text, lines.collect())
    }
}

/// The public keys of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPublicKeys {
    /// The key that counts.
    pub composite: PublicKey,
    /// The keys of the two other lines; none for a log that was made before there were three.
    pub others: Option<OtherPublicKeys>,
}

/// Public keys of the lines that other software verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherPublicKeys {
    /// Of the line 0x01.
    pub ed25519: ed25519_dalek::VerifyingKey,
    /// Of the line 0x06.
    pub cosigner: CosignerPublicKey,
}

/// Bytes are not the public keys of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogPublicKeyError {
    /// The composite key cannot be read.
    #[error(transparent)]
    Composite(#[from] PublicKeyError),
    /// Not 1,312 bytes.
    #[error("an ML-DSA-44 public key has {} bytes", cosignature::PUBLIC_KEY_BYTES)]
    Cosigner,
    /// Not a point of large order.
    #[error("the Ed25519 public key is not a point of the curve of large order")]
    Ed25519,
    /// A component key has two uses.
    #[error("the Ed25519 key of a log is also the Ed25519 half of its composite key")]
    Shared,
}

impl LogPublicKeys {
    /// From the bytes of a composite key alone.
    ///
    /// # Errors
    /// [`LogPublicKeyError::Composite`].
    pub fn composite_alone(composite: &[u8]) -> Result<LogPublicKeys, LogPublicKeyError> {
        Ok(LogPublicKeys { composite: PublicKey::from_bytes(composite)?, others: None })
    }

    /// From the bytes of all three.
    ///
    /// # Errors
    /// [`LogPublicKeyError`]: also when the Ed25519 key is one half of the composite, whose component keys
    /// must be used nowhere else.
    pub fn all(
        composite: &[u8],
        ed25519: &[u8],
        cosigner: &[u8],
    ) -> Result<LogPublicKeys, LogPublicKeyError> {
        let composite = PublicKey::from_bytes(composite)?;
        let bytes: &[u8; 32] = ed25519.try_into().map_err(|_| LogPublicKeyError::Ed25519)?;
        let ed25519 = ed25519_dalek::VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak());
        let ed25519 = ed25519.ok_or(LogPublicKeyError::Ed25519)?;
        let cosigner = CosignerPublicKey::from_bytes(cosigner).ok_or(LogPublicKeyError::Cosigner)?;
        if composite.as_bytes().ends_with(bytes) {
            return Err(LogPublicKeyError::Shared);
        }
        Ok(LogPublicKeys { composite, others: Some(OtherPublicKeys { ed25519, cosigner }) })
    }

    /// All keys, under the name by which their lines are known.
    ///
    /// # Errors
    /// [`NoteError::KeyName`].
    pub fn note_keys(&self, name: &str) -> Result<Vec<NoteKey>, NoteError> {
        let mut keys = vec![NoteKey::new(name, self.composite.clone())?];
        keys.extend(self.other_note_keys(name)?.into_iter().flatten());
        Ok(keys)
    }

    fn other_note_keys(&self, name: &str) -> Result<Option<[NoteKey; 2]>, NoteError> {
        let Some(others) = &self.others else { return Ok(None) };
        let ed25519 = NoteKey::ed25519(name, others.ed25519)?;
        Ok(Some([ed25519, NoteKey::cosigner(name, others.cosigner.clone())?]))
    }
}
