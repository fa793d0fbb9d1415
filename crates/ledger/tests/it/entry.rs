// SPDX-License-Identifier: Apache-2.0
//! The entry's bytes are for ever: one golden file for each `v` (DESIGN section 4).

use ledger::entry::{
    Commitments, ENTRY_BYTES_MAX, Salts, audience_bytes, entry_bytes, signed_entry_bytes, subject_bytes,
};
use model::head::{Audience, Head};
use model::id::MemberId;
use model::kind::Kind;
use model::marking::{Marking, Pap, Tlp};
use model::time::Timestamp;

fn sample() -> (Head, Commitments, Timestamp) {
    let member = MemberId([0x2a; 32]);
    let head = Head {
        author: member,
        kind: Kind::STIX_21,
        marking: Marking { pap: Some(Pap::Green), ..Marking::tlp(Tlp::AmberStrict) },
        audience: Audience::Organisation(member),
    };
    let salts = Salts { subject: [1; 16], body: [2; 16], audience: [3; 16] };
    let version = Timestamp::parse("2024-02-06T09:00:00.123Z").unwrap();
    let subject = subject_bytes("indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f", version);
    let commitments = Commitments::new(&salts, &subject, b"{\"a\":1}", &audience_bytes(&head.audience));
    (head, commitments, Timestamp::parse("2026-11-21T22:00:00.000001Z").unwrap())
}

#[test]
fn version_1_is_what_it_was() {
    let (head, commitments, time) = sample();
    let golden = include_bytes!("../golden/entry-v1/out");
    assert_eq!(
        String::from_utf8_lossy(&entry_bytes(&head, &commitments, time)),
        String::from_utf8_lossy(golden)
    );
}

#[test]
fn version_2_is_what_it_was() {
    let (head, commitments, time) = sample();
    let entry = signed_entry_bytes(&head, &commitments, &[0xc5; 32], time);
    assert_eq!(
        String::from_utf8_lossy(&entry),
        String::from_utf8_lossy(include_bytes!("../golden/entry-v2/out"))
    );
    assert_eq!(model::jcs::canonical(&entry).unwrap(), entry, "RFC 8785");
    let value: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&entry).unwrap();
    let keys: Vec<&str> = value.keys().map(String::as_str).collect();
    assert_eq!(keys, ["audience", "author", "body", "kind", "marking", "sig", "subject", "time", "v"]);
}

#[test]
fn is_canonical_json_with_exactly_its_keys() {
    let (head, commitments, time) = sample();
    let entry = entry_bytes(&head, &commitments, time);
    assert_eq!(model::jcs::canonical(&entry).unwrap(), entry, "RFC 8785");
    let value: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&entry).unwrap();
    let keys: Vec<&str> = value.keys().map(String::as_str).collect();
    assert_eq!(keys, ["audience", "author", "body", "kind", "marking", "subject", "time", "v"]);
}

/// Each of the three commitments has a salt of its own, so equal bytes do not show as equal, and an id that
/// can be guessed (an address) cannot be confirmed from an entry (mutant `entry without salt`).
#[test]
fn every_commitment_is_salted() {
    let salts = |n: u8| Salts { subject: [n; 16], body: [n + 1; 16], audience: [n + 2; 16] };
    let (one, two) =
        (Commitments::new(&salts(1), b"x", b"x", b"x"), Commitments::new(&salts(9), b"x", b"x", b"x"));
    assert_ne!(one.subject, one.body);
    assert_ne!(one.body, one.audience);
    assert_ne!(one.subject, two.subject);
    assert_ne!(one.body, two.body);
    assert_ne!(one.audience, two.audience);
    use sha2::{Digest, Sha256};
    let plain: [u8; 32] = Sha256::digest(b"x").into();
    assert!(![one.subject, one.body, one.audience].contains(&plain));
    let mut salted = vec![2u8; 16];
    salted.push(b'x');
    assert_eq!(one.body, <[u8; 32]>::from(Sha256::digest(&salted)), "SHA-256(salt16 || bytes)");
}

#[test]
fn the_longest_entry_is_within_its_limit() {
    let (mut head, commitments, time) = sample();
    for tlp in Tlp::ALL {
        head.marking = Marking { tlp: Some(tlp), pap: Some(Pap::Amber), unknown: true };
        assert!(entry_bytes(&head, &commitments, time).len() <= ENTRY_BYTES_MAX);
        assert!(signed_entry_bytes(&head, &commitments, &[9; 32], time).len() <= ENTRY_BYTES_MAX);
    }
}

#[test]
fn salts_survive_their_bytes() {
    let salts = Salts { subject: [1; 16], body: [2; 16], audience: [3; 16] };
    assert_eq!(Salts::from_bytes(&salts.to_bytes()), Some(salts));
    assert_eq!(Salts::from_bytes(&[0; 47]), None);
}
