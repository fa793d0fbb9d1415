// SPDX-License-Identifier: Apache-2.0
//! Keys and signatures: the composite ML-DSA-65 + Ed25519 signature over bytes, and the lines it
//! leaves under a signed note. Every signature carries one suite id, [`SUITE_ID`].
//!
//! Must not know: HTTP, SQL, rooms, and what a checkpoint says. It signs bytes and note text; what
//! they mean is decided elsewhere. Time and randomness are arguments.
//!
//! ```
//! use trust::{composite::{PrivateKey, Use}, note::{self, NoteKey}};
//!
//! let key = PrivateKey::from_bytes(&[7; 64]); // 64 fresh random bytes in real life
//! let signature = key.sign(b"an entry", Use::Record, [0; 32]);
//! assert!(key.public_key().verify(b"an entry", Use::Record, &signature).is_ok());
//! assert!(key.public_key().verify(b"an entry", Use::Root, &signature).is_err());
//!
//! let note = note::sign_note("any text\n", "example.org/log", &key, Use::Checkpoint, [0; 32])?;
//! let known = [NoteKey::new("example.org/log", key.public_key().clone())?];
//! assert_eq!(note::verify_note(&note, &known, Use::Checkpoint)?, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod composite;
mod hex;
pub mod limits;
pub mod mac;
pub mod member;
pub mod mldsa;
pub mod note;

/// The registry's id of the composite signature in [`composite`].
pub const SUITE_ID: &str = "sig/1";
