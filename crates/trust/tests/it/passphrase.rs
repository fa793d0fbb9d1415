// SPDX-License-Identifier: Apache-2.0
//! Secrets under a passphrase.

use trust::passphrase::{Cost, PassphraseError, Sealed, WrappingKey};

const CHEAP: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

fn key(passphrase: &str) -> WrappingKey {
    WrappingKey::derive(passphrase.as_bytes(), [4; 16], CHEAP).unwrap()
}

#[test]
fn what_was_sealed_opens_with_the_passphrase_alone() {
    let sealed = key("correct horse").seal(b"secret bytes", "root", [9; 24]).unwrap();
    let text = sealed.print();
    assert!(Sealed::recognises(&text) && !text.contains("secret"));
    let read = Sealed::parse(&text).unwrap();
    assert!(key("correct horse").fits(&read));
    assert_eq!(*key("correct horse").open(&read, "root").unwrap(), b"secret bytes");
    for (passphrase, role) in [("correct horsf", "root"), ("", "root"), ("correct horse", "log")] {
        assert_eq!(key(passphrase).open(&read, role), Err(PassphraseError::Wrong), "{passphrase} {role}");
    }
    let other_salt = WrappingKey::derive(b"correct horse", [5; 16], CHEAP).unwrap();
    assert!(!other_salt.fits(&read));
    assert_eq!(other_salt.open(&read, "root"), Err(PassphraseError::Wrong));
}

#[test]
fn any_change_of_a_sealed_file_is_noticed() {
    let text = key("p").seal(&[1; 64], "log", [9; 24]).unwrap().print();
    for at in 0..text.len() {
        for byte in [b'0', b'A', b'b', b'=', b' ', b'\n'] {
            let mut changed = text.clone().into_bytes();
            if changed[at] == byte {
                continue;
            }
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            let Ok(sealed) = Sealed::parse(&changed) else { continue };
            // The header is part of what is sealed, so that a cheaper one does not open it either.
            assert_eq!(key("p").open(&sealed, "log"), Err(PassphraseError::Wrong), "{at}: {changed}");
        }
    }
    assert_eq!(Sealed::parse(&text[..text.len() - 1]), Err(PassphraseError::Unreadable));
    assert_eq!(Sealed::parse(&format!("{text}\n")), Err(PassphraseError::Unreadable));
    assert_eq!(Sealed::parse(&text.replace("key/1", "key/2")), Err(PassphraseError::Unreadable));
}

#[test]
fn a_header_cannot_ask_for_all_memory() {
    for cost in [
        Cost { memory_kib: u32::MAX, ..CHEAP },
        Cost { passes: 65, ..CHEAP },
        Cost { lanes: 65, memory_kib: 1024, passes: 1 },
        Cost { passes: 0, ..CHEAP },
    ] {
        let refused = WrappingKey::derive(b"p", [0; 16], cost).unwrap_err();
        assert_eq!(refused, PassphraseError::Cost, "{cost:?}");
    }
}

/// RFC 9106, section 4, second recommended option.
#[test]
fn the_recommended_cost_is_that_of_the_rfc() {
    let cost = Cost::RECOMMENDED;
    assert_eq!((cost.memory_kib, cost.passes), (65_536, 3));
    assert!(WrappingKey::derive(b"p", [0; 16], cost).is_ok());
}
