// SPDX-License-Identifier: Apache-2.0
//! Signed notes: reading, printing, signing, believing.

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use trust::composite::{PublicKey, Use};
use trust::limits::{KEY_NAME_BYTES_MAX, NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};
use trust::note::{
    COMPOSITE_TYPE, Note, NoteError, NoteKey, NoteSignature, VerifyNoteError, key_id, sign_note, verify_note,
};

use crate::key;

const TEXT: &str = "polder/x/1\n42\nroot\n";

fn line(name: &str, id: [u8; 4], signature: &[u8]) -> String {
    format!("\u{2014} {name} {}\n", STANDARD.encode([&id, signature].concat()))
}

fn note_key(name: &str, seed: u8) -> NoteKey {
    NoteKey::new(name, key(seed).public_key().clone()).unwrap()
}

fn signed(name: &str, seed: u8) -> Note {
    sign_note(TEXT, name, &key(seed), Use::Checkpoint, [0; 32]).unwrap()
}

fn line_of(note: &Note) -> NoteSignature {
    note.signatures()[0].clone()
}

/// Same shape as the worked example of the specification: an empty line inside the text, a letter
/// beyond ASCII, one line of a 64-byte signature.
#[test]
fn a_note_of_the_specifications_shape() {
    let printed = format!(
        "one line\nanother:\n\nand a third, d\u{e9}j\u{e0} vu.\n\n{}",
        line("poet.example/winter", [0x36, 0x7b, 0xa0, 0x4b], &[9; 64])
    );
    let note = Note::parse(printed.as_bytes()).unwrap();
    assert_eq!(note.text(), "one line\nanother:\n\nand a third, d\u{e9}j\u{e0} vu.\n");
    let [signature] = note.signatures() else { panic!("{note:?}") };
    assert_eq!(signature.key_name(), "poet.example/winter");
    assert_eq!(signature.key_id(), [0x36, 0x7b, 0xa0, 0x4b]);
    assert_eq!(signature.signature(), [9; 64]);
    assert_eq!(note.print(), printed);
}

/// The public key of the Go checksum database (type 0x01), as published in its verifier key
/// `sum.golang.org+033de0ae+…`.
#[test]
fn key_id_of_a_published_key() {
    let type_and_key = STANDARD.decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8").unwrap();
    assert_eq!(key_id("sum.golang.org", &type_and_key), [0x03, 0x3d, 0xe0, 0xae]);
}

#[test]
fn key_id_of_a_composite_key_covers_name_type_and_key() {
    let known = note_key("a.example", 1);
    let mut type_and_key = vec![0xff];
    type_and_key.extend_from_slice(b"polder.composite-mldsa65-ed25519.v1");
    assert_eq!(type_and_key, COMPOSITE_TYPE);
    type_and_key.extend_from_slice(key(1).public_key().as_bytes());
    assert_eq!(known.id(), key_id("a.example", &type_and_key));
    assert_ne!(known.id(), note_key("b.example", 1).id());
    assert_ne!(known.id(), note_key("a.example", 2).id());
}

#[test]
fn what_is_no_note_is_refused() {
    let good = line("a", [1; 4], &[2]);
    let parse = |text: &str| Note::parse(text.as_bytes());
    assert!(parse(&format!("t\n\n{good}")).is_ok());
    for text in ["", "t", "t\n", "t\n\n", "\n", "\n\n", &good, &format!("\n{good}"), &format!("t\n{good}")] {
        assert_eq!(parse(text), Err(NoteError::NoSignature), "{text:?}");
    }
    assert_eq!(parse(&format!("t\n\n{good}\n")), Err(NoteError::NoSignature));
    assert_eq!(parse(&format!("t\n\n{}", good.trim_end())), Err(NoteError::Line { line: 1 }));
    for bad in ["- a AQEBAQI=\n", "\u{2014}a AQEBAQI=\n", "\u{2014} a\n", "\u{2014}  AQEBAQI=\n", "x\n"] {
        let refused = parse(&format!("t\n\n{good}{bad}"));
        assert!(
            matches!(refused, Err(NoteError::Line { line: 2 } | NoteError::KeyName { .. })),
            "{bad:?} {refused:?}"
        );
    }
    for base64 in ["AQEBAQI", "AQEBAQJ=", "AQEBAQI= ", " AQEBAQI=", "AQEB-QI=", "AQEBAQI=="] {
        let refused = parse(&format!("t\n\n\u{2014} a {base64}\n"));
        assert!(matches!(refused, Err(NoteError::Base64 { line: 1, .. })), "{base64:?} {refused:?}");
    }
    assert_eq!(parse("t\n\n\u{2014} a AQEB\n"), Err(NoteError::Line { line: 1 }));
    let only_id = Err(NoteError::SignatureEmpty { name: "a".to_owned() });
    assert_eq!(parse("t\n\n\u{2014} a AQEBAQ==\n"), only_id);
    assert!(matches!(Note::parse(b"t\xff\n\n"), Err(NoteError::Utf8 { .. })));
}

#[test]
fn control_characters_are_refused_anywhere() {
    for character in (0..0x20u8).filter(|character| *character != b'\n') {
        let at_start = [&[character], b"t\n\n".as_slice(), line("a", [1; 4], &[2]).as_bytes()].concat();
        assert_eq!(Note::parse(&at_start), Err(NoteError::ControlCharacter { character, at: 0 }));
        let text = format!("t{}\n", char::from(character));
        let refused = sign_note(&text, "a", &key(1), Use::Checkpoint, [0; 32]);
        assert_eq!(refused, Err(NoteError::ControlCharacter { character, at: 1 }));
    }
    assert_eq!(sign_note("t", "a", &key(1), Use::Checkpoint, [0; 32]), Err(NoteError::TextEnd));
}

#[test]
fn key_names_are_checked_on_both_ways() {
    let longest = "n".repeat(KEY_NAME_BYTES_MAX);
    for name in ["a", "example.org/log-1", "d\u{e9}p\u{f4}t", &longest] {
        assert!(NoteSignature::new(name, [0; 4], vec![1]).is_ok(), "{name:?}");
        assert!(Note::parse(format!("t\n\n{}", line(name, [0; 4], &[1])).as_bytes()).is_ok());
    }
    let too_long = "n".repeat(KEY_NAME_BYTES_MAX + 1);
    for name in ["", "a b", "a+b", "a\u{a0}b", "a\u{2003}b", "a\u{7f}", "a\nb", &too_long] {
        let refused = NoteSignature::new(name, [0; 4], vec![1]);
        assert!(matches!(refused, Err(NoteError::KeyName { .. })), "{name:?}");
        assert!(Note::parse(format!("t\n\n{}", line(name, [0; 4], &[1])).as_bytes()).is_err(), "{name:?}");
    }
}

#[test]
fn limits_hold_at_and_over_the_edge() {
    let lines = |count: usize| line("a", [1; 4], &[2]).repeat(count);
    let parse = |count: usize| Note::parse(format!("t\n\n{}", lines(count)).as_bytes());
    let full = parse(NOTE_SIGNATURES_MAX).unwrap();
    assert_eq!(full.signatures().len(), 100);
    assert_eq!(parse(NOTE_SIGNATURES_MAX + 1), Err(NoteError::TooManySignatures));
    let one_more = NoteSignature::new("a", [1; 4], vec![2]).unwrap();
    assert_eq!(full.with_signature(one_more), Err(NoteError::TooManySignatures));
    assert_eq!(Note::new("t\n", vec![]), Err(NoteError::NoSignature));

    let sixteen_largest: Vec<_> =
        (0..16).map(|_| NoteSignature::new("a", [1; 4], vec![7; 4_900]).unwrap()).collect();
    assert!(Note::parse(Note::new("t\n", sixteen_largest).unwrap().print().as_bytes()).is_ok());

    let filled = |bytes: usize| {
        let end = format!("\n\n{}", line("a", [1; 4], &[2]));
        "t".repeat(bytes - end.len()) + &end
    };
    let largest = Note::parse(filled(NOTE_BYTES_MAX).as_bytes()).unwrap();
    assert_eq!(largest.print().len(), NOTE_BYTES_MAX);
    let too_long = NoteError::TooLong { bytes: NOTE_BYTES_MAX + 1 };
    assert_eq!(Note::parse(filled(NOTE_BYTES_MAX + 1).as_bytes()), Err(too_long.clone()));
    let text = format!("t{}", largest.text());
    assert_eq!(Note::new(&text, largest.signatures().to_vec()), Err(too_long));
}

#[test]
fn a_signed_note_is_believed_after_a_round_trip() {
    let note = Note::parse(signed("a.example", 1).print().as_bytes()).unwrap();
    assert_eq!(note.text(), TEXT);
    assert_eq!(verify_note(&note, &[note_key("a.example", 1)], Use::Checkpoint), Ok(1));
    for use_ in [Use::Export, Use::Record, Use::Root] {
        let refused = verify_note(&note, &[note_key("a.example", 1)], use_);
        assert!(matches!(refused, Err(VerifyNoteError::BadSignature { .. })), "{use_:?}");
    }
}

#[test]
fn unknown_keys_are_ignored_but_do_not_count() {
    let note = signed("a.example", 1);
    for known in [&[][..], &[note_key("b.example", 1)], &[note_key("a.example", 2)]] {
        assert_eq!(verify_note(&note, known, Use::Checkpoint), Err(VerifyNoteError::NoKnownSignature));
    }
    let garbage = NoteSignature::new("c.example", [0; 4], vec![1, 2, 3]).unwrap();
    let same_name = NoteSignature::new("a.example", [0; 4], vec![1, 2, 3]).unwrap();
    let note = note.with_signature(garbage).unwrap().with_signature(same_name).unwrap();
    assert_eq!(verify_note(&note, &[note_key("a.example", 1)], Use::Checkpoint), Ok(1));
}

#[test]
fn one_bad_signature_of_a_known_key_spoils_the_note() {
    let known = [note_key("a.example", 1), note_key("b.example", 2)];
    let good = signed("a.example", 1);
    let other_text = sign_note("other\n", "b.example", &key(2), Use::Checkpoint, [0; 32]).unwrap();
    let bad = VerifyNoteError::BadSignature { name: "b.example".to_owned(), id: known[1].id() };

    let both = good.clone().with_signature(line_of(&signed("b.example", 2))).unwrap();
    assert_eq!(verify_note(&both, &known, Use::Checkpoint), Ok(2));
    let spoiled = good.clone().with_signature(line_of(&other_text)).unwrap();
    assert_eq!(verify_note(&spoiled, &known, Use::Checkpoint), Err(bad.clone()));
    assert_eq!(verify_note(&spoiled, &known[..1], Use::Checkpoint), Ok(1));

    let short = NoteSignature::new("b.example", known[1].id(), vec![0; 3372]).unwrap();
    let spoiled = good.with_signature(short).unwrap();
    assert_eq!(verify_note(&spoiled, &known, Use::Checkpoint), Err(bad));

    let changed = Note::parse(both.print().replacen("42", "43", 1).as_bytes()).unwrap();
    assert!(matches!(
        verify_note(&changed, &known, Use::Checkpoint),
        Err(VerifyNoteError::BadSignature { .. })
    ));
}

#[test]
fn a_key_counts_once() {
    let note = signed("a.example", 1);
    let again = sign_note(TEXT, "a.example", &key(1), Use::Checkpoint, [1; 32]).unwrap();
    let note = note.with_signature(line_of(&again)).unwrap();
    let known = [note_key("a.example", 1), note_key("a.example", 1)];
    assert_eq!(verify_note(&note, &known, Use::Checkpoint), Ok(1));
    let spoiled = NoteSignature::new("a.example", known[0].id(), vec![0; 3373]).unwrap();
    let note = note.with_signature(spoiled).unwrap();
    assert!(verify_note(&note, &known, Use::Checkpoint).is_err());
}

/// A public key whose ML-DSA half is a number: any bytes are one.
fn numbered_key(number: u32) -> PublicKey {
    let mut bytes = *key(1).public_key().as_bytes();
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    PublicKey::from_bytes(&bytes).unwrap()
}

/// Key ids have 32 bits, so a collision is quickly found; these numbers are one.
#[test]
fn two_known_keys_of_one_name_and_id_are_refused() {
    let [a, b] = [40_310, 80_964].map(|n| NoteKey::new("a.example", numbered_key(n)).unwrap());
    assert_eq!(a.id(), b.id());
    assert_ne!(a, b);
    let line = NoteSignature::new("a.example", a.id(), vec![1]).unwrap();
    let note = Note::new(TEXT, vec![line]).unwrap();
    let ambiguous = VerifyNoteError::AmbiguousKey { name: "a.example".to_owned(), id: a.id() };
    assert_eq!(verify_note(&note, &[a, b], Use::Checkpoint), Err(ambiguous));
}

fn any_name() -> impl Strategy<Value = String> {
    "[^\\s\\p{Cc}+]{1,20}"
}

fn any_signature() -> impl Strategy<Value = NoteSignature> {
    (any_name(), any::<[u8; 4]>(), prop::collection::vec(any::<u8>(), 1..90))
        .prop_map(|(name, id, bytes)| NoteSignature::new(&name, id, bytes).unwrap())
}

proptest! {
    #[test]
    fn parse_after_print_is_the_same_note(
        text in "([^\\x00-\\x1f]{0,12}\n){1,6}",
        signatures in prop::collection::vec(any_signature(), 1..20),
    ) {
        let note = Note::new(&text, signatures).unwrap();
        prop_assert_eq!(Note::parse(note.print().as_bytes()), Ok(note));
    }

    #[test]
    fn print_after_parse_is_the_same_bytes(
        bytes in "[a\n\u{2014} +]{0,12}(\n\n)?(\u{2014} [ab+]{1,2} [A-D]{5,9}={0,2}\n){0,3}",
    ) {
        if let Ok(note) = Note::parse(bytes.as_bytes()) {
            prop_assert_eq!(note.print(), bytes);
        }
    }

    #[test]
    fn any_bytes_can_be_parsed(bytes: Vec<u8>) {
        if let Ok(note) = Note::parse(&bytes) {
            prop_assert_eq!(note.print().into_bytes(), bytes);
        }
    }
}
