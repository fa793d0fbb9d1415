// SPDX-License-Identifier: Apache-2.0
//! Secrets at rest under a passphrase: Argon2id (RFC 9106) makes a wrapping key of it, XChaCha20-Poly1305
//! seals each secret with it. Two lines of text: a header with everything that opening needs but the
//! passphrase, and the sealed bytes.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

/// Bytes of the salt of a passphrase.
pub const SALT_BYTES: usize = 16;
/// Bytes of the nonce of one secret.
pub const NONCE_BYTES: usize = 24;
/// Largest sealed file that is read.
pub const SEALED_BYTES_MAX: usize = 4 * 1024;
/// Most memory that a header may ask for.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// Most passes, and most lanes, that a header may ask for.
const ROUNDS_MAX: u32 = 64;

/// First word of a header.
const FORMAT: &str = "polder-key/1";

/// What a guess at the passphrase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// RFC 9106, section 4, the second recommended option, with one lane: 64 MiB, about a fifth of a second.
    pub const RECOMMENDED: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
}

/// A key that a passphrase makes; erased when it is dropped.
pub struct WrappingKey {
    key: Zeroizing<[u8; 32]>,
    salt: [u8; SALT_BYTES],
    cost: Cost,
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappingKey")
    }
}

/// A secret was not opened or sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// The header asks for more than this program gives.
    #[error("its header asks for more memory or passes than are allowed")]
    Cost,
    /// The bytes do not open.
    #[error("the passphrase is wrong, or the file was changed")]
    Wrong,
    /// Not a sealed secret.
    #[error("it is not a sealed key file of a version that this program reads")]
    Unreadable,
}

impl WrappingKey {
    /// The slow step, once for all secrets with one salt.
    ///
    /// # Errors
    /// [`PassphraseError::Cost`].
    pub fn derive(
        passphrase: &[u8],
        salt: [u8; SALT_BYTES],
        cost: Cost,
    ) -> Result<WrappingKey, PassphraseError> {
        let allowed =
            cost.memory_kib <= MEMORY_KIB_MAX && cost.passes <= ROUNDS_MAX && cost.lanes <= ROUNDS_MAX;
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32));
        let (true, Ok(params)) = (allowed, params) else { return Err(PassphraseError::Cost) };
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase, &salt, &mut *key)
            .map_err(|_| PassphraseError::Cost)?;
        Ok(WrappingKey { key, salt, cost })
    }

    /// Whether the sealed secret was sealed under the same salt and cost.
    pub fn fits(&self, sealed: &Sealed) -> bool {
        self.salt == sealed.salt && self.cost == sealed.cost
    }

    /// Seals a secret for one role (`log`, `root` …): it opens for no other. The nonce must be fresh.
    ///
    /// # Errors
    /// Never for secrets of [`SEALED_BYTES_MAX`] bytes or less.
    pub fn seal(
        &self,
        secret: &[u8],
        role: &str,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<Sealed, PassphraseError> {
        let mut sealed = Sealed { cost: self.cost, salt: self.salt, nonce, bytes: Vec::new() };
        let aad = sealed.aad(role);
        sealed.bytes = self
            .cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: secret, aad: aad.as_bytes() })
            .map_err(|_| PassphraseError::Unreadable)?;
        Ok(sealed)
    }

    /// Opens what [`WrappingKey::seal`] made for this role.
    ///
    /// # Errors
    /// [`PassphraseError::Wrong`].
    pub fn open(&self, sealed: &Sealed, role: &str) -> Result<Zeroizing<Vec<u8>>, PassphraseError> {
        let aad = sealed.aad(role);
        self.cipher()
            .decrypt(&XNonce::from(sealed.nonce), Payload { msg: &sealed.bytes, aad: aad.as_bytes() })
            .map(Zeroizing::new)
            .map_err(|_| PassphraseError::Wrong)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.key))
    }
}

/// A sealed secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// What a guess costs.
    pub cost: Cost,
    /// Salt of the passphrase.
    pub salt: [u8; SALT_BYTES],
    nonce: [u8; NONCE_BYTES],
    bytes: Vec<u8>,
}

impl Sealed {
    /// Whether a file is a sealed secret of any version.
    pub fn recognises(text: &str) -> bool {
        text.starts_with("polder-key/")
    }

    /// The file.
    pub fn print(&self) -> String {
        format!("{}\n{}\n", self.header(), STANDARD.encode(&self.bytes))
    }

    /// Reads the file, strictly.
    ///
    /// # Errors
    /// [`PassphraseError::Unreadable`].
    pub fn parse(text: &str) -> Result<Sealed, PassphraseError> {
        Sealed::read(text).filter(|sealed| sealed.print() == text).ok_or(PassphraseError::Unreadable)
    }

    fn read(text: &str) -> Option<Sealed> {
        let mut lines = text.lines();
        let (header, bytes) = (lines.next()?, lines.next()?);
        let words: Vec<&str> = header.split(' ').collect();
        let [FORMAT, "argon2id", memory, passes, lanes, salt, "xchacha20poly1305", nonce] = words[..] else {
            return None;
        };
        let number = |word: &str, name: &str| word.strip_prefix(name)?.parse::<u32>().ok();
        let cost = Cost {
            memory_kib: number(memory, "m=")?,
            passes: number(passes, "t=")?,
            lanes: number(lanes, "p=")?,
        };
        Some(Sealed {
            cost,
            salt: STANDARD.decode(salt).ok()?.try_into().ok()?,
            nonce: STANDARD.decode(nonce).ok()?.try_into().ok()?,
            bytes: STANDARD.decode(bytes).ok()?,
        })
    }

    fn header(&self) -> String {
        let Cost { memory_kib, passes, lanes } = self.cost;
        let (salt, nonce) = (STANDARD.encode(self.salt), STANDARD.encode(self.nonce));
        format!("{FORMAT} argon2id m={memory_kib} t={passes} p={lanes} {salt} xchacha20poly1305 {nonce}")
    }

    fn aad(&self, role: &str) -> String {
        format!("{}\n{role}", self.header())
    }
}
