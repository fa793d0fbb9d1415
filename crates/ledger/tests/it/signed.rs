// SPDX-License-Identifier: Apache-2.0
//! What a hosted member signs: its bytes, its file, and whose log it is for.

use ledger::checkpoint::{Checkpoint, Origin};
use ledger::draft::{Draft, Subject};
use ledger::entry::{Commitments, Salts};
use ledger::merkle::EMPTY_ROOT;
use ledger::root::Root;
use ledger::root::chain::{ChainError, Identity};
use ledger::root::said::Said;
use ledger::signed::{AuthorSignature, Drafts, SIGNED_DRAFTS_MAX, SignatureError, SignedDraft, message};
use model::head::{Audience, Head};
use model::id::MemberId;
use model::kind::Kind;
use model::marking::{Marking, Pap, Tlp};
use model::time::Timestamp;
use trust::composite::PrivateKey;
use trust::log_key::{LOG_KEY_BYTES, LogKey};
use trust::member::fingerprint;

const NOW: Timestamp = Timestamp::from_micros(1_770_000_000_000_000);

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_bytes(&std::array::from_fn(|at| seed.wrapping_mul(37).wrapping_add(at as u8)))
}

fn log_key(seed: u8) -> LogKey {
    LogKey::from_bytes(&std::array::from_fn::<u8, LOG_KEY_BYTES, _>(|at| seed.wrapping_mul(91) ^ at as u8))
        .unwrap()
}

fn member(seed: u8) -> MemberId {
    MemberId(fingerprint(key(seed).public_key()))
}

/// Of the member with root key `seed`, whose log, or whose host's log, is that of `host`.
fn said(seed: u8, host: u8, log_seed: u8) -> Said {
    let key = key(seed);
    let root = Root {
        member: member(seed),
        name: "Dijk BV".to_owned(),
        country: "NL".to_owned(),
        sector: "energy".to_owned(),
        created: NOW,
        root_key: key.public_key().clone(),
        origin: Origin { member: member(host).0, log: 1 },
        log_keys: log_key(log_seed).public_key().clone(),
        recovery: Some([5; 32]),
    };
    Said { root: root.sign(&key, [0; 32]), statements: Vec::new() }
}

fn identity(seed: u8, host: u8, log_seed: u8) -> Identity {
    said(seed, host, log_seed).verify().unwrap()
}

fn draft() -> Draft {
    let salts = Salts { subject: [1; 16], body: [2; 16], audience: [3; 16] };
    let marking = Marking { pap: Some(Pap::Green), ..Marking::tlp(Tlp::AmberStrict) };
    let subject = Subject::document("tool--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f".into(), NOW);
    let audience = Audience::Organisation(member(2));
    Draft::new(Kind::STIX_21, subject, b"{}".to_vec(), member(2), audience, marking, salts)
}

fn log() -> Origin {
    Origin { member: member(1).0, log: 1 }
}

#[test]
fn what_is_signed_is_what_it_was() {
    let head = Head { author: MemberId([0x2a; 32]), ..draft().head() };
    let log = Origin { member: [0x2b; 32], log: 3 };
    let message = message(&head, &draft_commitments(), &log, NOW, false);
    let golden = include_str!("../golden/signed-v1/out");
    assert_eq!(String::from_utf8_lossy(&message), golden);
    assert_eq!(model::jcs::canonical(&message).unwrap(), message, "RFC 8785");
}

/// Of fixed bytes: the member ids above follow from keys.
fn draft_commitments() -> Commitments {
    Commitments { subject: [1; 32], body: [2; 32], audience: [3; 32] }
}

#[test]
fn a_signature_holds_for_one_record_in_one_log() {
    let (identity, draft) = (identity(2, 1, 1), draft());
    let signature = AuthorSignature::make(&key(2), &draft, &log(), NOW, [0; 32]);
    let check = |s: &AuthorSignature, head: &Head, c: &Commitments, log: &Origin| {
        s.check(&identity, head, c, log, NOW)
    };
    let (head, c) = (draft.head(), &draft.commitments);
    assert_eq!(check(&signature, &head, c, &log()), Ok(()));
    let forged = Err(SignatureError::Forged);
    let looser = Head { marking: Marking::tlp(Tlp::Green), ..head.clone() };
    let another = Head { author: member(1), ..head.clone() };
    let kind = Head { kind: Kind::STIX_20, ..head.clone() };
    for head in [looser, another, kind] {
        assert_eq!(check(&signature, &head, c, &log()), forged);
    }
    for part in 0..3 {
        let mut c = *c;
        [&mut c.subject, &mut c.body, &mut c.audience][part][0] ^= 1;
        assert_eq!(check(&signature, &head, &c, &log()), forged);
    }
    for other in [Origin { log: 2, ..log() }, Origin { member: member(3).0, log: 1 }] {
        assert_eq!(check(&signature, &head, c, &other), forged);
    }
    let later = AuthorSignature { signed: Timestamp::from_micros(NOW.micros() + 1), ..signature.clone() };
    let wider = AuthorSignature { widens: true, ..signature.clone() };
    let mut halves = signature.clone();
    halves.bytes[0] ^= 1;
    let mut other_half = signature.clone();
    *other_half.bytes.last_mut().unwrap() ^= 1;
    let by_other = AuthorSignature::make(&key(3), &draft, &log(), NOW, [0; 32]);
    for changed in [later, wider, halves, other_half, by_other] {
        assert_eq!(check(&changed, &head, c, &log()), forged);
    }
}

/// The host vouches for its log; a hosted member for what it signed, and for nothing else there.
#[test]
fn a_hosted_member_does_not_vouch_for_its_hosts_log() {
    let (host, hosted) = (identity(1, 1, 1), identity(2, 1, 1));
    assert!(hosted.root.is_hosted() && !host.root.is_hosted());
    assert!(hosted.is_hosted_by(&host) && !host.is_hosted_by(&host) && !host.is_hosted_by(&hosted));
    assert!(!identity(2, 3, 1).is_hosted_by(&host), "another log");
    assert!(!identity(2, 1, 4).is_hosted_by(&host), "the same name, other keys");
    let checkpoint = Checkpoint { origin: log(), size: 0, root: EMPTY_ROOT };
    assert!(host.keys_of(&checkpoint).is_ok());
    assert!(matches!(hosted.keys_of(&checkpoint), Err(ChainError::NotDelegated(_))));
    assert!(matches!(hosted.check_entry(&log(), 0, NOW), Err(ChainError::NotDelegated(_))));
    // Version 2 is of who has the log, version 3 of who is hosted, and nothing in between.
    let text = |seed, host| String::from_utf8(said(seed, host, 1).root).unwrap();
    assert!(text(1, 1).contains("\"v\":2") && text(2, 1).contains("\"v\":3"));
    let file = said(2, 1, 1);
    assert_eq!(Said::parse(file.print().as_bytes()), Ok(file));
    for bad in [
        "",
        "{}",
        "[]",
        "{\"format\":\"polder-statements/1\"}",
        "{\"format\":\"polder-proof/1\",\"root\":\"x\"}",
    ] {
        assert!(Said::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

fn drafts(count: usize) -> Drafts {
    let draft = draft();
    let signature = AuthorSignature { signed: NOW, widens: false, bytes: vec![7; 5] };
    let one = SignedDraft::of(&draft, signature);
    Drafts { author: member(2), log: log(), signed: NOW, drafts: vec![one; count] }
}

#[test]
fn drafts_are_read_as_they_are_printed() {
    let mut all = drafts(3);
    all.drafts[1].widens = true;
    let id = "x-polder-recall--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f".to_owned();
    all.drafts[2] = SignedDraft { kind: Kind::RECALL, id: Some(id), ..all.drafts[2].clone() };
    let good = all.print().to_string();
    assert_eq!(Drafts::parse(good.as_bytes()), Ok(all));
    for (from, to) in [
        ("{", "["),
        ("\"v\":1", "\"v\":2"),
        ("\"author\":\"", "\"author\":\"x"),
        ("\"log\":\"polder", "\"log\":\"other"),
        ("\"signed\":\"2", "\"signed\":\"x"),
        ("\"drafts\":[", "\"drafts\":[1,"),
        ("\"kind\":\"stix-2.1\"", "\"kind\":\"community\""),
        ("\"kind\":\"stix-2.1\"", "\"kind\":\"recall\""),
        ("\"kind\":\"recall\"", "\"kind\":\"stix-2.1\""),
        ("x-polder-recall--8", "x-polder-member--8"),
        ("\"marking\":\"TLP", "\"marking\":\"tlp"),
        ("\"audience\":\"organisation", "\"audience\":\"everybody"),
        ("\"salts\":\"01", "\"salts\":\""),
        ("\"signature\":\"", "\"signature\":\"?"),
        ("\"widens\":true", "\"widens\":1"),
    ] {
        assert!(good.contains(from), "{from}");
        assert!(Drafts::parse(good.replacen(from, to, 1).as_bytes()).is_err(), "{from}");
    }
    for (count, fits) in [(SIGNED_DRAFTS_MAX, true), (SIGNED_DRAFTS_MAX + 1, false)] {
        assert_eq!(Drafts::parse(drafts(count).print().to_string().as_bytes()).is_ok(), fits);
    }
}
