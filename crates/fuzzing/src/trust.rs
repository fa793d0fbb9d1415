// SPDX-License-Identifier: Apache-2.0
//! Signed notes, public keys, signatures, fingerprints.

use std::sync::LazyLock;

use ledger::checkpoint::Origin;
use trust::composite::{PUBLIC_KEY_BYTES, PrivateKey, PublicKey, SIGNATURE_BYTES, Signature, Use};
use trust::limits::{KEY_NAME_BYTES_MAX, NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};
use trust::member::{fingerprint, fingerprint_hex, parse_fingerprint};
use trust::note::{Note, NoteKey, sign_note, verify_note};

use crate::broken;

/// The key under which `corpus/note` holds valid notes.
static KEY: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::from_bytes(&[7; 64]));
const KEY_NAME: &str = "example.org/log";
const SIGNED_TEXT: &str = "any text\n";

pub(crate) fn note(data: &[u8]) {
    let Ok(note) = Note::parse(data) else { return };
    assert_eq!(note.print().as_bytes(), data, "a note has one spelling");
    assert!(data.len() <= NOTE_BYTES_MAX && note.signatures().len() <= NOTE_SIGNATURES_MAX);
    assert!(!note.signatures().is_empty() && note.text().ends_with('\n'));
    for line in note.signatures() {
        assert!((1..=KEY_NAME_BYTES_MAX).contains(&line.key_name().len()) && !line.signature().is_empty());
    }
    let Ok(key) = NoteKey::new(KEY_NAME, KEY.public_key().clone()) else { broken("the key has a good name") };
    if let Ok(count) = verify_note(&note, &[key], Use::Checkpoint) {
        assert_eq!((count, note.text()), (1, SIGNED_TEXT), "only one text was ever signed");
        let Ok(signed) = sign_note(SIGNED_TEXT, KEY_NAME, &KEY, Use::Checkpoint, [0; 32]) else {
            broken("the text can be signed")
        };
        assert_eq!(signed.text(), note.text());
    }
}

pub(crate) fn key(data: &[u8]) {
    if let Ok(key) = PublicKey::from_bytes(data) {
        assert_eq!((key.as_bytes().as_slice(), data.len()), (data, PUBLIC_KEY_BYTES));
        let text = fingerprint_hex(&fingerprint(&key));
        assert_eq!(parse_fingerprint(&text), Ok(fingerprint(&key)));
    }
    if let Ok(signature) = Signature::from_bytes(data) {
        assert_eq!((signature.as_bytes().as_slice(), data.len()), (data, SIGNATURE_BYTES));
        assert!(KEY.public_key().verify(b"never signed", Use::Record, &signature).is_err(), "a forgery");
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(bytes) = parse_fingerprint(text) {
        assert_eq!(fingerprint_hex(&bytes), text, "a fingerprint has one spelling");
    }
    if let Ok(origin) = text.parse::<Origin>() {
        assert_eq!(origin.to_string(), text, "an origin has one spelling");
    }
}
