// SPDX-License-Identifier: Apache-2.0
//! The three lines under a checkpoint, and the cosignature against an implementation that shares no code.

use ml_dsa::{ExpandedSigningKey, MlDsa44, VerifyingKey, signature::Keypair};
use trust::composite::{self, Use};
use trust::cosignature::{CosignerKey, Tree, signed_bytes};
use trust::log_key::{LOG_KEY_BYTES, LogKey, LogPublicKeyError, LogPublicKeys};
use trust::note::{Note, NoteError, NoteSignature, VerifyNoteError, key_id, verify_note, verify_note_of};

const NAME: &str = "polder/x/1";
const TEXT: &str = "polder/x/1\n42\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";
const TREE: Tree<'static> = Tree { origin: NAME, size: 42, root: [7; 32] };

fn log_key(seed: u8) -> LogKey {
    LogKey::from_bytes(&std::array::from_fn::<u8, LOG_KEY_BYTES, _>(|at| seed.wrapping_mul(31) ^ at as u8))
        .unwrap()
}

fn signed(key: &LogKey) -> Note {
    key.sign_note(TEXT, &TREE, Use::Checkpoint, 1_700_000_000, [3; 32]).unwrap()
}

fn check(note: &Note, keys: &LogPublicKeys) -> Result<usize, VerifyNoteError> {
    verify_note_of(note, Some(&TREE), &keys.note_keys(NAME).unwrap(), Use::Checkpoint)
}

fn with_lines(lines: Vec<NoteSignature>) -> Note {
    Note::new(TEXT, lines).unwrap()
}

#[test]
fn a_checkpoint_has_three_lines_and_the_composite_counts() {
    let key = log_key(1);
    let note = signed(&key);
    let lengths: Vec<usize> = note.signatures().iter().map(|line| line.signature().len()).collect();
    assert_eq!(lengths, [64, composite::SIGNATURE_BYTES, 8 + 2420]);
    assert_eq!(check(&note, key.public_key()), Ok(1));

    let others = key.public_key().others.as_ref().unwrap();
    let ids: Vec<[u8; 4]> = note.signatures().iter().map(NoteSignature::key_id).collect();
    assert_eq!(ids[0], key_id(NAME, &[&[0x01], others.ed25519.as_bytes().as_slice()].concat()));
    assert_eq!(ids[2], key_id(NAME, &[&[0x06], others.cosigner.as_bytes().as_slice()].concat()));

    // The others alone are not enough, whichever is missing of them does no harm.
    let [first, second, third] = note.signatures() else { panic!("{note:?}") };
    let none = Err(VerifyNoteError::NoKnownSignature);
    assert_eq!(check(&with_lines(vec![first.clone(), third.clone()]), key.public_key()), none);
    assert_eq!(check(&with_lines(vec![second.clone()]), key.public_key()), Ok(1));
}

#[test]
fn one_line_that_is_wrong_refuses_the_note() {
    let key = log_key(1);
    let note = signed(&key);
    for nth in 0..3 {
        for at in [0, 20, 63] {
            let mut lines = note.signatures().to_vec();
            let mut bytes = lines[nth].signature().to_vec();
            bytes[at] ^= 1;
            lines[nth] = NoteSignature::new(NAME, lines[nth].key_id(), bytes).unwrap();
            let refused = check(&with_lines(lines), key.public_key());
            assert!(matches!(refused, Err(VerifyNoteError::BadSignature { .. })), "line {nth}, byte {at}");
        }
    }
    // Of another key under the same name: unknown, so ignored.
    let mut lines = signed(&log_key(2)).signatures().to_vec();
    lines.extend(note.signatures().iter().cloned());
    assert_eq!(check(&with_lines(lines), key.public_key()), Ok(1));
}

#[test]
fn a_cosignature_is_over_name_tree_and_time() {
    let key = CosignerKey::from_seed(&[9; 32]);
    let public = key.public_key();
    let line = key.cosign(NAME, 1_700_000_000, &TREE, [1; 32]).unwrap();
    assert!(public.verify(NAME, &TREE, &line));
    assert!(!public.verify("polder/x/2", &TREE, &line));
    for other in
        [Tree { origin: "polder/y/1", ..TREE }, Tree { size: 43, ..TREE }, Tree { root: [8; 32], ..TREE }]
    {
        assert!(!public.verify(NAME, &other, &line));
    }
    let mut later = line;
    later[7] ^= 1;
    assert!(!public.verify(NAME, &TREE, &later));
    // A checkpoint's time is never zero.
    let timeless = key.cosign(NAME, 0, &TREE, [1; 32]).unwrap();
    assert!(!public.verify(NAME, &TREE, &timeless));
    assert!(!public.verify(NAME, &TREE, &line[..100]));
    assert!(key.cosign("", 1, &TREE, [1; 32]).is_err());
    assert!(key.cosign(&"n".repeat(256), 1, &TREE, [1; 32]).is_err());
    // A note whose text names no tree cannot carry one.
    let log = log_key(1);
    let known = log.public_key().note_keys(NAME).unwrap();
    assert!(verify_note(&signed(&log), &known, Use::Checkpoint).is_err());
}

/// `cosigned_message` of C2SP tlog-cosignature, field by field.
#[test]
fn the_bytes_of_a_cosignature_are_those_of_the_specification() {
    let bytes = signed_bytes("w", 0x0102, &Tree { origin: "log", size: 5, root: [7; 32] }).unwrap();
    let mut expected = b"subtree/v1\n\0".to_vec();
    expected.extend([1, b'w', 0, 0, 0, 0, 0, 0, 1, 2, 3, b'l', b'o', b'g']);
    expected.extend([0; 8]);
    expected.extend([0, 0, 0, 0, 0, 0, 0, 5]);
    expected.extend([7; 32]);
    assert_eq!(bytes, expected);
}

#[test]
fn cosignatures_equal_those_of_rust_crypto() {
    for seed in 0..4u8 {
        let seed = [seed; 32];
        let ours = CosignerKey::from_seed(&seed);
        let theirs = ExpandedSigningKey::<MlDsa44>::from_seed(&seed.into());
        let their_public: VerifyingKey<MlDsa44> = Keypair::verifying_key(&theirs);
        assert_eq!(their_public.encode().as_slice(), ours.public_key().as_bytes());

        let message = signed_bytes(NAME, 77, &TREE).unwrap();
        let line = ours.cosign(NAME, 77, &TREE, seed).unwrap();
        // FIPS 204, algorithm 2: 0x00 for the pure variant, 0x00 for the length of the empty context.
        let signature = theirs.sign_internal(&[&[0, 0], &message], &seed.into());
        assert_eq!(signature.encode().as_slice(), &line[8..]);
        let encoded: [u8; 2420] = line[8..].try_into().unwrap();
        let decoded = ml_dsa::Signature::<MlDsa44>::decode(&encoded.into()).unwrap();
        assert!(their_public.verify_with_context(&message, b"", &decoded));
        assert!(!their_public.verify_with_context(&message, b"x", &decoded));
    }
}

#[test]
fn a_log_key_of_the_first_kind_signs_one_line() {
    let bytes = [5; composite::PRIVATE_KEY_BYTES];
    let key = LogKey::from_bytes(&bytes).unwrap();
    assert!(key.public_key().others.is_none());
    let note = signed(&key);
    assert_eq!(note.signatures().len(), 1);
    assert_eq!(check(&note, key.public_key()), Ok(1));
    for length in [0, 1, 63, 65, 96, 127, 129] {
        assert!(LogKey::from_bytes(&vec![5; length]).is_err(), "{length}");
    }
}

#[test]
fn component_keys_are_used_once() {
    let one = log_key(1);
    let others = one.public_key().others.clone().unwrap();
    let composite = one.public_key().composite.as_bytes();
    let all = |ed25519: &[u8], cosigner: &[u8]| LogPublicKeys::all(composite, ed25519, cosigner);
    assert_eq!(all(others.ed25519.as_bytes(), others.cosigner.as_bytes()).as_ref(), Ok(one.public_key()));
    let half = &composite[composite.len() - 32..];
    assert_eq!(all(half, others.cosigner.as_bytes()), Err(LogPublicKeyError::Shared));
    assert_eq!(all(&[0; 32], others.cosigner.as_bytes()), Err(LogPublicKeyError::Ed25519));
    assert_eq!(all(&[1; 31], others.cosigner.as_bytes()), Err(LogPublicKeyError::Ed25519));
    assert_eq!(all(others.ed25519.as_bytes(), &[0; 1311]), Err(LogPublicKeyError::Cosigner));
}

#[test]
fn sixteen_signatures_and_more_are_read() {
    let key = log_key(1);
    let mut lines = signed(&key).signatures().to_vec();
    for n in 0..30u8 {
        lines.push(NoteSignature::new("witness.example", [n, 1, 2, 3], vec![n; 2428]).unwrap());
    }
    let note = with_lines(lines);
    let again = Note::parse(note.print().as_bytes()).unwrap();
    assert_eq!(check(&again, key.public_key()), Ok(1));
}

#[test]
fn nothing_is_signed_that_could_not_be_published() {
    let refused = log_key(1).sign_note("no newline", &TREE, Use::Checkpoint, 1, [0; 32]);
    assert_eq!(refused, Err(NoteError::TextEnd));
    let spaced = Tree { origin: "a b", ..TREE };
    assert!(log_key(1).sign_note(TEXT, &spaced, Use::Checkpoint, 1, [0; 32]).is_err());
}
