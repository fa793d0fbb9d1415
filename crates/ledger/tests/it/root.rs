// SPDX-License-Identifier: Apache-2.0
//! Root statements: a member may be hostile too.

use ledger::checkpoint::Origin;
use ledger::root::{NAME_BYTES_MAX, Root, RootError};
use model::id::MemberId;
use model::time::Timestamp;
use trust::composite::PrivateKey;
use trust::log_key::LogPublicKeys;
use trust::member::fingerprint;

fn verify(name: &str, country: &str, sector: &str) -> Result<(), RootError> {
    let key = PrivateKey::from_bytes(&[7; 64]);
    let member = fingerprint(key.public_key());
    let root = Root {
        member: MemberId(member),
        name: name.to_owned(),
        country: country.to_owned(),
        sector: sector.to_owned(),
        created: Timestamp::EPOCH,
        root_key: key.public_key().clone(),
        origin: Origin { member, log: 1 },
        log_keys: LogPublicKeys::composite_alone(key.public_key().as_bytes()).unwrap(),
        recovery: None,
    };
    Root::verify(&root.sign(&key, [0; 32])).map(|_| ())
}

#[test]
fn a_signed_statement_says_nothing_that_cannot_be_shown() {
    assert_eq!(verify("Example Chips", "NL", "semiconductors"), Ok(()));
    assert_eq!(verify(&"n".repeat(NAME_BYTES_MAX), "NL", "s"), Ok(()));
    assert_eq!(verify(&"n".repeat(NAME_BYTES_MAX + 1), "NL", "s"), Err(RootError::Unreadable("name")));
    assert_eq!(verify("", "NL", "s"), Err(RootError::Unreadable("name")));
    assert_eq!(verify("a\u{1b}[2Jb", "NL", "s"), Err(RootError::Unreadable("name")));
    assert_eq!(verify("a", "N\n", "s"), Err(RootError::Unreadable("country")));
    assert_eq!(verify("a", "NL", "\r"), Err(RootError::Unreadable("sector")));
}
