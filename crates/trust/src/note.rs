// SPDX-License-Identifier: Apache-2.0
//! C2SP signed notes: text, an empty line, signature lines `— <key name> base64(key id ‖ signature)`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::composite::{PrivateKey, PublicKey, Signature, Use};
use crate::cosignature::{CosignerPublicKey, Tree};
use crate::hex;
use crate::limits::{KEY_NAME_BYTES_MAX, NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};

/// Signature type of a composite line: 0xff (no byte assigned), then a name unlikely to collide
/// (signed-note, 'Signature types').
pub const COMPOSITE_TYPE: &[u8] = b"\xffpolder.composite-mldsa65-ed25519.v1";

/// Signature type of a plain Ed25519 line.
pub const ED25519_TYPE: u8 = 0x01;
/// Signature type of an ML-DSA-44 cosignature (tlog-cosignature).
pub const COSIGNATURE_TYPE: u8 = 0x06;

const LINE_START: &str = "\u{2014} ";
const KEY_ID_BYTES: usize = 4;

/// A well-formed signed note. That it can be read says nothing about who signed it: [`verify_note`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line, of a key that may or may not be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    key_name: String,
    key_id: [u8; KEY_ID_BYTES],
    signature: Vec<u8>,
}

/// Why something is not a signed note, or cannot become part of one. `line` counts signature lines
/// from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The signature is not canonical padded base64.
    #[error("signature line {line} is not base64")]
    Base64 {
        /// Which signature line.
        line: usize,
        /// What the decoder found.
        #[source]
        source: base64::DecodeError,
    },
    /// A control character other than newline.
    #[error("control character 0x{character:02x} at byte {at} of the note")]
    ControlCharacter {
        /// The character's code, below 0x20.
        character: u8,
        /// Byte position, from 0.
        at: usize,
    },
    /// Empty, too long, or with a space, a plus or a control character.
    #[error(
        "{name:?} is not a key name: 1 to {KEY_NAME_BYTES_MAX} bytes without space, plus and control characters"
    )]
    KeyName {
        /// The name that was offered.
        name: String,
    },
    /// A line after the last empty line does not start with an em dash and a space, lacks its name or
    /// its signature, or the last one does not end in a newline.
    #[error("signature line {line} is not an em dash, a key name and a signature")]
    Line {
        /// Which signature line.
        line: usize,
    },
    /// No empty line followed by a signature.
    #[error("the note has no signature")]
    NoSignature,
    /// The text does not end in a newline.
    #[error("the text of the note does not end in a newline")]
    TextEnd,
    /// A signature line holds no byte beyond the key id.
    #[error("the signature by {name:?} is empty")]
    SignatureEmpty {
        /// Name in the signature line.
        name: String,
    },
    /// More than [`NOTE_BYTES_MAX`].
    #[error("a note of {bytes} bytes is longer than {NOTE_BYTES_MAX}")]
    TooLong {
        /// Bytes of the whole note.
        bytes: usize,
    },
    /// More than [`NOTE_SIGNATURES_MAX`] lines.
    #[error("the note has more than {NOTE_SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// Not UTF-8.
    #[error("the note is not UTF-8")]
    Utf8 {
        /// Where it stops being UTF-8.
        #[source]
        source: std::str::Utf8Error,
    },
}

impl NoteSignature {
    /// A line for `signature`, whose format is the key's affair.
    ///
    /// # Errors
    /// [`NoteError::KeyName`], [`NoteError::SignatureEmpty`].
    pub fn new(key_name: &str, key_id: [u8; KEY_ID_BYTES], signature: Vec<u8>) -> Result<Self, NoteError> {
        check_key_name(key_name)?;
        if signature.is_empty() {
            return Err(NoteError::SignatureEmpty { name: key_name.to_owned() });
        }
        Ok(NoteSignature { key_name: key_name.to_owned(), key_id, signature })
    }

    /// Name of the key that is said to have signed.
    pub fn key_name(&self) -> &str {
        &self.key_name
    }

    /// First four bytes of the key's hash: a hint, not an identity.
    pub fn key_id(&self) -> [u8; KEY_ID_BYTES] {
        self.key_id
    }

    /// Bytes after the key id.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    fn parse(line: &str, number: usize) -> Result<Self, NoteError> {
        let malformed = || NoteError::Line { line: number };
        let (key_name, encoded) =
            line.strip_prefix(LINE_START).and_then(|rest| rest.split_once(' ')).ok_or_else(malformed)?;
        let bytes = STANDARD.decode(encoded).map_err(|source| NoteError::Base64 { line: number, source })?;
        let (key_id, signature) = bytes.split_first_chunk().ok_or_else(malformed)?;
        NoteSignature::new(key_name, *key_id, signature.to_vec())
    }

    fn print(&self, out: &mut String) {
        let bytes = [self.key_id.as_slice(), &self.signature].concat();
        out.push_str(LINE_START);
        out.push_str(&self.key_name);
        out.push(' ');
        STANDARD.encode_string(bytes, out);
        out.push('\n');
    }
}

impl Note {
    /// A note of given text and at least one signature line; signs and verifies nothing.
    ///
    /// # Errors
    /// [`NoteError`] when the result could not be parsed again.
    pub fn new(text: &str, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        check_text(text)?;
        let note = Note { text: text.to_owned(), signatures };
        note.check_limits()?;
        Ok(note)
    }

    /// Reads a note, strictly: what this accepts, [`Note::print`] gives back byte for byte.
    ///
    /// # Errors
    /// [`NoteError`] for the first thing that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { bytes: bytes.len() });
        }
        let note = str::from_utf8(bytes).map_err(|source| NoteError::Utf8 { source })?;
        check_controls(note)?;

        // The text may have empty lines of its own: the last one in the note divides. Searching for its
        // second newline lets that newline's predecessor belong to the text.
        let (text, lines) = note
            .rfind("\n\n")
            .and_then(|at| note.split_at_checked(at + 1))
            .and_then(|(text, rest)| Some((text, rest.strip_prefix('\n')?)))
            .ok_or(NoteError::NoSignature)?;
        if lines.is_empty() {
            return Err(NoteError::NoSignature);
        }
        let mut signatures = Vec::new();
        for (index, line) in lines.split_inclusive('\n').enumerate() {
            if index == NOTE_SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            let line = line.strip_suffix('\n').ok_or(NoteError::Line { line: index + 1 })?;
            signatures.push(NoteSignature::parse(line, index + 1)?);
        }
        Ok(Note { text: text.to_owned(), signatures })
    }

    /// The bytes of the note, which are UTF-8.
    pub fn print(&self) -> String {
        let mut out = String::with_capacity(self.printed_bytes());
        out.push_str(&self.text);
        out.push('\n');
        for signature in &self.signatures {
            signature.print(&mut out);
        }
        out
    }

    /// The signed text with its last newline, to be ignored until [`verify_note`] succeeded.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines in their order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// The same note with one more line at its end.
    ///
    /// # Errors
    /// [`NoteError::TooManySignatures`], [`NoteError::TooLong`].
    pub fn with_signature(mut self, signature: NoteSignature) -> Result<Self, NoteError> {
        self.signatures.push(signature);
        self.check_limits()?;
        Ok(self)
    }

    fn check_limits(&self) -> Result<(), NoteError> {
        if self.signatures.is_empty() {
            return Err(NoteError::NoSignature);
        }
        if self.signatures.len() > NOTE_SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        match self.printed_bytes() {
            bytes if bytes > NOTE_BYTES_MAX => Err(NoteError::TooLong { bytes }),
            _ => Ok(()),
        }
    }

    fn printed_bytes(&self) -> usize {
        let line = |signature: &NoteSignature| {
            let base64 = (KEY_ID_BYTES + signature.signature.len()).div_ceil(3) * 4;
            LINE_START.len() + signature.key_name.len() + 1 + base64 + 1
        };
        self.text.len() + 1 + self.signatures.iter().map(line).sum::<usize>()
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    check_controls(text)?;
    if text.ends_with('\n') { Ok(()) } else { Err(NoteError::TextEnd) }
}

fn check_controls(text: &str) -> Result<(), NoteError> {
    match text.bytes().enumerate().find(|(_, byte)| *byte < 0x20 && *byte != b'\n') {
        Some((at, character)) => Err(NoteError::ControlCharacter { character, at }),
        None => Ok(()),
    }
}

fn check_key_name(name: &str) -> Result<(), NoteError> {
    let forbidden = |character: char| character.is_whitespace() || character.is_control() || character == '+';
    if name.is_empty() || name.len() > KEY_NAME_BYTES_MAX || name.contains(forbidden) {
        return Err(NoteError::KeyName { name: name.chars().take(KEY_NAME_BYTES_MAX).collect() });
    }
    Ok(())
}

/// The recommended key id: `SHA-256(name ‖ 0x0A ‖ type ‖ public key)[:4]`, type and key given as one.
pub fn key_id(name: &str, type_and_public_key: &[u8]) -> [u8; KEY_ID_BYTES] {
    let hash = Sha256::new().chain_update(name).chain_update(b"\n").chain_update(type_and_public_key);
    let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
    [a, b, c, d]
}

/// A key under the name by which its note lines are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    id: [u8; KEY_ID_BYTES],
    key: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Composite(PublicKey),
    Cosigner(CosignerPublicKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl NoteKey {
    /// Trusts a composite key to sign as `name`: the only sort that counts.
    ///
    /// # Errors
    /// [`NoteError::KeyName`].
    pub fn new(name: &str, public_key: PublicKey) -> Result<Self, NoteError> {
        let type_and_key = [COMPOSITE_TYPE, public_key.as_bytes()].concat();
        NoteKey::of(name, &type_and_key, Material::Composite(public_key))
    }

    /// Knows an Ed25519 key (type 0x01): its line must be valid where it stands, but does not count.
    ///
    /// # Errors
    /// [`NoteError::KeyName`].
    pub fn ed25519(name: &str, key: ed25519_dalek::VerifyingKey) -> Result<Self, NoteError> {
        let type_and_key = [&[ED25519_TYPE], key.as_bytes().as_slice()].concat();
        NoteKey::of(name, &type_and_key, Material::Ed25519(key))
    }

    /// Knows a cosigner's ML-DSA-44 key (type 0x06): its line must be valid where it stands, but does not
    /// count.
    ///
    /// # Errors
    /// [`NoteError::KeyName`].
    pub fn cosigner(name: &str, key: CosignerPublicKey) -> Result<Self, NoteError> {
        let type_and_key = [&[COSIGNATURE_TYPE], key.as_bytes().as_slice()].concat();
        NoteKey::of(name, &type_and_key, Material::Cosigner(key))
    }

    fn of(name: &str, type_and_key: &[u8], key: Material) -> Result<Self, NoteError> {
        check_key_name(name)?;
        Ok(NoteKey { name: name.to_owned(), id: key_id(name, type_and_key), key })
    }

    /// The name in signature lines.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key id in signature lines.
    pub fn id(&self) -> [u8; KEY_ID_BYTES] {
        self.id
    }

    /// Whether this key made the line under the text. A cosignature is over the tree that the text names:
    /// without one it cannot be told to be valid, so it is not.
    fn verifies(&self, text: &str, tree: Option<&Tree<'_>>, use_: Use, signature: &[u8]) -> bool {
        match &self.key {
            Material::Composite(key) => Signature::from_bytes(signature)
                .is_ok_and(|signature| key.verify(text.as_bytes(), use_, &signature).is_ok()),
            Material::Cosigner(key) => tree.is_some_and(|tree| key.verify(&self.name, tree, signature)),
            Material::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(text.as_bytes(), &signature).is_ok()),
        }
    }

    fn made(&self, line: &NoteSignature) -> bool {
        self.id == line.key_id && self.name == line.key_name
    }
}

/// A note over `text` with one composite signature line.
///
/// # Errors
/// [`NoteError`] when the text or the name cannot stand in a note.
pub fn sign_note(
    text: &str,
    key_name: &str,
    key: &PrivateKey,
    use_: Use,
    randomness: [u8; 32],
) -> Result<Note, NoteError> {
    // Before signing: nothing is signed that could not be published.
    check_text(text)?;
    let known = NoteKey::new(key_name, key.public_key().clone())?;
    let signature = key.sign(text.as_bytes(), use_, randomness);
    let line = NoteSignature::new(&known.name, known.id, signature.as_bytes().to_vec())?;
    Note::new(text, vec![line])
}

/// Why a note must not be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyNoteError {
    /// Two different known keys share name and id, so nobody can say who signed.
    #[error("two known keys are called {name:?} with key id {}", hex::print(id))]
    AmbiguousKey {
        /// Their common name.
        name: String,
        /// Their common key id.
        id: [u8; KEY_ID_BYTES],
    },
    /// A line names a known key and its signature is not valid: the whole note is refused.
    #[error("the signature by the known key {name:?} (key id {}) is not valid", hex::print(id))]
    BadSignature {
        /// The known key's name.
        name: String,
        /// The known key's id.
        id: [u8; KEY_ID_BYTES],
    },
    /// No line is by a known composite key.
    #[error("no known composite key signed the note")]
    NoKnownSignature,
}

/// [`verify_note_of`] for a text that names no tree.
///
/// # Errors
/// [`VerifyNoteError`]; one bad signature by a known key is enough.
pub fn verify_note(note: &Note, known: &[NoteKey], use_: Use) -> Result<usize, VerifyNoteError> {
    verify_note_of(note, None, known, use_)
}

/// Checks every line by a known key and ignores the others; returns **how many known composite keys**
/// signed (at least 1). Two lines by one key count once, so the number can be held against a quorum; lines
/// of other sorts never count, but one that is not valid refuses the note. `tree` is what the text names.
///
/// # Errors
/// [`VerifyNoteError`]; one bad signature by a known key is enough.
pub fn verify_note_of(
    note: &Note,
    tree: Option<&Tree<'_>>,
    known: &[NoteKey],
    use_: Use,
) -> Result<usize, VerifyNoteError> {
    let mut verified: Vec<&NoteKey> = Vec::new();
    for line in &note.signatures {
        let mut candidates = known.iter().filter(|key| key.made(line));
        let Some(key) = candidates.next() else { continue };
        let (name, id) = (|| key.name.clone(), key.id);
        if candidates.any(|other| other != key) {
            return Err(VerifyNoteError::AmbiguousKey { name: name(), id });
        }
        if !key.verifies(&note.text, tree, use_, &line.signature) {
            return Err(VerifyNoteError::BadSignature { name: name(), id });
        }
        if matches!(key.key, Material::Composite(_)) && !verified.contains(&key) {
            verified.push(key);
        }
    }
    if verified.is_empty() { Err(VerifyNoteError::NoKnownSignature) } else { Ok(verified.len()) }
}
