// SPDX-License-Identifier: Apache-2.0
//! The text of a checkpoint (C2SP tlog-checkpoint): origin, size and root, one line each. Extension
//! lines are refused: cosignatures of type 0x06 do not cover them.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use trust::composite::Use;
use trust::cosignature::Tree;
use trust::log_key::{LogKey, LogPublicKeys};
use trust::note::{Note, NoteError, VerifyNoteError, verify_note_of};

use crate::merkle::{EMPTY_ROOT, Hash, TREE_SIZE_MAX};

/// First part of every origin.
const ORIGIN_START: &str = "polder/";

/// The name of a log: `polder/<member id>/<n>`. It holds no host, which may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// Member that owns the log: the fingerprint of its first root public key.
    pub member: [u8; 32],
    /// Which of the member's logs; a restored node that cannot catch up opens the next.
    pub log: u32,
}

/// A text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Does not have the three parts `polder/<member>/<log>`.
    #[error("an origin is polder/<member id>/<log number>")]
    Form,
    /// The member id is not 64 lower-case hexadecimal digits.
    #[error("the member id in an origin is 64 lower-case hexadecimal digits")]
    Member,
    /// The log number is not a decimal below 2^32 without leading zeros.
    #[error("the log number in an origin is decimal, below 2^32 and without leading zeros")]
    Log,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ORIGIN_START)?;
        for byte in self.member {
            write!(f, "{byte:02x}")?;
        }
        write!(f, "/{}", self.log)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (member, log) =
            text.strip_prefix(ORIGIN_START).and_then(|rest| rest.split_once('/')).ok_or(OriginError::Form)?;
        let member = parse_member(member).ok_or(OriginError::Member)?;
        let log = parse_decimal(log).and_then(|log| u32::try_from(log).ok()).ok_or(OriginError::Log)?;
        Ok(Origin { member, log })
    }
}

fn parse_member(text: &str) -> Option<[u8; 32]> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if text.len() != 64 {
        return None;
    }
    let mut member = [0; 32];
    for (byte, pair) in member.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = pair.iter().try_fold(0, |value, digit| Some(value << 4 | nibble(*digit)?))?;
    }
    Some(member)
}

/// Digits alone, no sign, no leading zero except in `0` itself: one spelling for each number.
fn parse_decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if digits && !leading_zero { text.parse().ok() } else { None }
}

/// What a log commits to: that these many entries, in this order, have this root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// Leaves in the tree, at most [`TREE_SIZE_MAX`].
    pub size: u64,
    /// Root of the tree over the first `size` leaves.
    pub root: Hash,
}

/// A text is not a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// A tree of size 0 has only one root, SHA-256 of nothing, and this is another.
    #[error("the checkpoint of an empty tree does not have the root of the empty tree")]
    EmptyRoot,
    /// Lines after the root.
    #[error("the checkpoint has extension lines")]
    Extension,
    /// Fewer than three lines, or the last does not end in a newline.
    #[error("a checkpoint is three lines, each with a newline at its end")]
    Lines,
    /// The first line names no log of this network.
    #[error("the origin of the checkpoint cannot be read")]
    Origin {
        /// What is wrong with it.
        #[source]
        source: OriginError,
    },
    /// The third line is not the padded base64 of 32 bytes.
    #[error("the root of the checkpoint is not 32 bytes in base64")]
    Root,
    /// The second line is not a decimal up to [`TREE_SIZE_MAX`] without leading zeros.
    #[error("the size of the checkpoint is not a decimal below 2^63 without leading zeros")]
    Size,
}

impl Checkpoint {
    /// The three lines, to be signed as the text of a note.
    pub fn print(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Reads the text of a note, strictly: what this accepts, [`Checkpoint::print`] gives back.
    ///
    /// # Errors
    /// [`CheckpointError`] for the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let line = |text| str::split_once(text, '\n').ok_or(CheckpointError::Lines);
        let (origin, rest) = line(text)?;
        let (size, rest) = line(rest)?;
        let (root, rest) = line(rest)?;
        if !rest.is_empty() {
            return Err(CheckpointError::Extension);
        }
        let origin = origin.parse().map_err(|source| CheckpointError::Origin { source })?;
        let size = parse_decimal(size).filter(|size| *size <= TREE_SIZE_MAX).ok_or(CheckpointError::Size)?;
        let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok());
        let root = root.ok_or(CheckpointError::Root)?;
        if size == 0 && root != EMPTY_ROOT {
            return Err(CheckpointError::EmptyRoot);
        }
        Ok(Checkpoint { origin, size, root })
    }

    /// The note: the text, and a line by each key of the log. `timestamp_s` is the time in seconds, which
    /// only the cosignature says.
    ///
    /// # Errors
    /// [`NoteError`] only for an origin that is no key name, which [`Origin`] never prints.
    pub fn sign(&self, key: &LogKey, timestamp_s: u64, randomness: [u8; 32]) -> Result<Note, NoteError> {
        let origin = self.origin.to_string();
        let tree = Tree { origin: &origin, size: self.size, root: self.root };
        key.sign_note(&self.print(), &tree, Use::Checkpoint, timestamp_s, randomness)
    }

    /// Reads a note and believes nothing yet: the checkpoint that it claims, to be verified with the keys of
    /// the log that it names.
    ///
    /// # Errors
    /// [`SignedError::Note`], [`SignedError::Text`].
    pub fn read_signed(note: &[u8]) -> Result<(Note, Checkpoint), SignedError> {
        let note = Note::parse(note).map_err(|source| SignedError::Note { source })?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|source| SignedError::Text { source })?;
        Ok((note, checkpoint))
    }

    /// Checks the note from which this was read: the composite line must be there, and no line by a known
    /// key may be wrong.
    ///
    /// # Errors
    /// [`SignedError::Signature`].
    pub fn verify(&self, note: &Note, keys: &LogPublicKeys) -> Result<(), SignedError> {
        let origin = self.origin.to_string();
        let tree = Tree { origin: &origin, size: self.size, root: self.root };
        let known = keys.note_keys(&origin).map_err(|source| SignedError::Note { source })?;
        verify_note_of(note, Some(&tree), &known, Use::Checkpoint)
            .map(|_| ())
            .map_err(|source| SignedError::Signature { source })
    }
}

/// A signed checkpoint cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// Not a signed note.
    #[error("it is not a signed note: {source}")]
    Note {
        /// What is wrong.
        source: NoteError,
    },
    /// A signature is missing or wrong.
    #[error("{source}")]
    Signature {
        /// Which.
        source: VerifyNoteError,
    },
    /// The text is not a checkpoint.
    #[error("its text is not a checkpoint: {source}")]
    Text {
        /// What is wrong.
        source: CheckpointError,
    },
}
