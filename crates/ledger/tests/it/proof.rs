// SPDX-License-Identifier: Apache-2.0
//! Proofs and root statements of every version that was released go on verifying.

use ledger::checkpoint::Origin;
use ledger::proof::{CheckError, Proof};
use ledger::root::{Root, RootError};
use model::id::MemberId;
use model::time::Timestamp;
use trust::composite::PrivateKey;
use trust::log_key::{LOG_KEY_BYTES, LogKey};
use trust::member::fingerprint;

/// Made by the first release: a root statement of version 1, a checkpoint with one line.
const FIRST: &[u8] = include_bytes!("../golden/proof-v1/in");

#[test]
fn a_proof_of_the_first_release_verifies() {
    let proof = Proof::parse(FIRST).unwrap();
    let proved = proof.check().unwrap();
    assert_eq!(
        proved.root.member.to_string(),
        "f9f91b26cb671dfd0b6c4ec0d093ecc630a78160ea85a90aa4fd6f829e8523ea"
    );
    assert!(proved.root.log_keys.others.is_none() && proved.root.recovery.is_none());
    assert_eq!((proved.checkpoint.size, proof.checkpoint.lines().count()), (2, 5));
    assert_eq!(proof.print().as_bytes(), FIRST);
}

fn root(key: &PrivateKey, log: &LogKey) -> Root {
    let member = MemberId(fingerprint(key.public_key()));
    Root {
        member,
        name: "Zuiderlicht".to_owned(),
        country: "NL".to_owned(),
        sector: "semiconductors".to_owned(),
        created: Timestamp::from_micros(1_700_000_000_000_000),
        root_key: key.public_key().clone(),
        origin: Origin { member: member.0, log: 1 },
        log_keys: log.public_key().clone(),
        recovery: log.public_key().others.is_some().then_some([6; 32]),
    }
}

#[test]
fn a_root_statement_names_the_three_keys_and_the_recovery_key() {
    let key = PrivateKey::from_bytes(&[1; 64]);
    let bytes: [u8; LOG_KEY_BYTES] = std::array::from_fn(|at| at as u8);
    for log in [LogKey::from_bytes(&bytes).unwrap(), LogKey::from_bytes(&bytes[..64]).unwrap()] {
        let said = root(&key, &log);
        let body = said.sign(&key, [0; 32]);
        let read = Root::verify(&body).unwrap();
        assert_eq!(&read.log_keys, log.public_key());
        assert_eq!((read.recovery, read.member, read.origin), (said.recovery, said.member, said.origin));
        let text = String::from_utf8(body.clone()).unwrap();
        assert!(text.ends_with(if read.recovery.is_some() { r#""v":2}}"# } else { r#""v":1}}"# }), "{text}");
        // Another key, and every member changed.
        assert!(matches!(
            Root::verify(&said.sign(&PrivateKey::from_bytes(&[2; 64]), [0; 32])),
            Err(RootError::Signature)
        ));
        for (from, to) in
            [("Zuiderlicht", "Zuiderlichu"), ("NL", "BE"), (r#""v":2"#, r#""v":1"#), ("/1\"", "/2\"")]
        {
            let changed = text.replacen(from, to, 1);
            assert!(changed == text || Root::verify(changed.as_bytes()).is_err(), "{from}");
        }
    }
}

#[test]
fn a_statement_for_the_log_of_another_member_is_refused() {
    let key = PrivateKey::from_bytes(&[1; 64]);
    let log = LogKey::from_bytes(&[3; 64]).unwrap();
    let mut said = root(&key, &log);
    said.origin.member = [9; 32];
    assert!(matches!(Root::verify(&said.sign(&key, [0; 32])), Err(RootError::Unreadable("log"))));
}

#[test]
fn a_checkpoint_with_a_line_that_is_wrong_is_refused() {
    let mut proof = Proof::parse(FIRST).unwrap();
    let keep = proof.checkpoint.clone();
    // A line by a key that nobody knows does no harm; a changed one by the known key does.
    proof.checkpoint = format!("{keep}\u{2014} witness.example AAAAAAAA\n");
    assert!(proof.check().is_ok());
    let line = keep.lines().last().unwrap();
    proof.checkpoint = format!("{keep}{}\n", line.replace("AA", "AB").replace("BB", "BC"));
    assert!(matches!(proof.check(), Err(CheckError::Signature(_))));
}
