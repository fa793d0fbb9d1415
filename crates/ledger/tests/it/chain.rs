// SPDX-License-Identifier: Apache-2.0
//! The chain of statements about a member's keys: who may extend it, and what counts afterwards.

use std::sync::LazyLock;

use ledger::checkpoint::{Checkpoint, Origin};
use ledger::merkle::EMPTY_ROOT;
use ledger::root::chain::{ChainError, Identity};
use ledger::root::statement::{Authority, Link, Reached, Revoked, Saying, body_hash};
use ledger::root::{Root, RootError};
use model::id::MemberId;
use model::time::Timestamp;
use proptest::prelude::*;
use trust::composite::PrivateKey;
use trust::log_key::{LOG_KEY_BYTES, LogKey};
use trust::member::fingerprint;
use trust::recovery::RecoveryKey;

const START: i64 = 1_700_000_000_000_000;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_bytes(&std::array::from_fn(|at| seed.wrapping_mul(37).wrapping_add(at as u8)))
}

fn log_key(seed: u8) -> LogKey {
    LogKey::from_bytes(&std::array::from_fn::<u8, LOG_KEY_BYTES, _>(|at| seed.wrapping_mul(91) ^ at as u8))
        .unwrap()
}

fn recovery_key(seed: u8) -> RecoveryKey {
    RecoveryKey::generate(&[seed; 48])
}

static RECOVERY: LazyLock<[RecoveryKey; 2]> = LazyLock::new(|| [1, 2].map(recovery_key));

fn time(n: i64) -> Timestamp {
    Timestamp::from_micros(START + n * 1_000_000)
}

/// Root key 1, log key 1, recovery key 0.
fn root() -> Vec<u8> {
    let root_key = key(1);
    let member = MemberId(fingerprint(root_key.public_key()));
    let root = Root {
        member,
        name: "Zuiderlicht".to_owned(),
        country: "NL".to_owned(),
        sector: "semiconductors".to_owned(),
        created: time(0),
        root_key: root_key.public_key().clone(),
        origin: Origin { member: member.0, log: 1 },
        log_keys: log_key(1).public_key().clone(),
        recovery: Some(RECOVERY[0].public_key().hash()),
    };
    root.sign(&root_key, [0; 32])
}

fn identity(statements: &[Vec<u8>]) -> Result<Identity, ChainError> {
    Identity::verify(&root(), statements.iter().map(Vec::as_slice))
}

fn origin(log: u32) -> Origin {
    Origin { member: fingerprint(key(1).public_key()), log }
}

fn after(previous: &[u8], n: i64) -> Link {
    Link { member: MemberId(origin(1).member), previous: body_hash(previous), created: time(n) }
}

fn reached(size: u64) -> Reached {
    Reached { size, root: if size == 0 { EMPTY_ROOT } else { [size as u8; 32] } }
}

fn checkpoint(log: u32, size: u64) -> Checkpoint {
    Checkpoint { origin: origin(log), size, root: reached(size).root }
}

fn delegation(log: u32, log_seed: u8, from: u64, continues: Option<Checkpoint>) -> Saying {
    let keys = Box::new(log_key(log_seed).public_key().clone());
    Saying::Delegation { origin: origin(log), keys, from: reached(from), continues }
}

fn rotation(seed: u8, recovery: Option<&RecoveryKey>) -> Saying {
    let recovery = recovery.map(|key| key.public_key().hash());
    Saying::Rotation { public_key: key(seed).public_key().clone(), recovery }
}

fn by_root(saying: &Saying, link: &Link, seed: u8, new: Option<u8>) -> Vec<u8> {
    saying.sign(link, &Authority::Root(&key(seed)), new.map(key).as_ref(), [0; 32]).unwrap()
}

fn by_recovery(saying: &Saying, link: &Link, nth: usize, new: Option<u8>) -> Vec<u8> {
    saying.sign(link, &Authority::Recovery(&RECOVERY[nth]), new.map(key).as_ref(), [0; 32]).unwrap()
}

#[test]
fn a_rotation_of_the_log_key_counts_from_its_size_on() {
    let a = by_root(&delegation(1, 2, 100, None), &after(&root(), 1), 1, None);
    let now = identity(std::slice::from_ref(&a)).unwrap();
    assert_eq!(now.keys_of(&checkpoint(1, 100)).unwrap(), log_key(1).public_key());
    assert_eq!(now.keys_of(&checkpoint(1, 101)).unwrap(), log_key(2).public_key());
    assert_eq!(now.current(&origin(1)).unwrap().keys, *log_key(2).public_key());
    // The old key signs another history of the size that the member stood for.
    let forked = Checkpoint { root: [9; 32], ..checkpoint(1, 100) };
    assert!(matches!(now.keys_of(&forked), Err(ChainError::Revoked { .. })));
    assert!(matches!(now.keys_of(&checkpoint(2, 1)), Err(ChainError::NotDelegated(_))));
    // Earlier than what is delegated already; the same keys again; another member's log.
    let b = |saying: &Saying| identity(&[a.clone(), by_root(saying, &after(&a, 2), 1, None)]);
    assert!(b(&delegation(1, 3, 150, None)).is_ok());
    assert!(b(&delegation(1, 3, 99, None)).is_err());
    assert!(b(&delegation(1, 1, 150, None)).is_err());
    let Saying::Delegation { keys, from, .. } = delegation(1, 3, 150, None) else { unreachable!() };
    let stranger = Origin { member: [9; 32], log: 1 };
    assert!(b(&Saying::Delegation { origin: stranger, keys, from, continues: None }).is_err());
}

#[test]
fn a_next_log_names_how_far_the_last_had_come() {
    let open = |saying: &Saying| identity(&[by_root(saying, &after(&root(), 1), 1, None)]);
    let now = open(&delegation(2, 2, 0, Some(checkpoint(1, 300)))).unwrap();
    assert_eq!(now.keys_of(&checkpoint(2, 1)).unwrap(), log_key(2).public_key());
    assert_eq!(now.keys_of(&checkpoint(1, 300)).unwrap(), log_key(1).public_key());
    assert_eq!(now.current(&origin(2)).unwrap().continues, Some(checkpoint(1, 300)));
    assert!(open(&delegation(2, 2, 0, None)).is_err());
    assert!(open(&delegation(2, 2, 5, Some(checkpoint(1, 300)))).is_err());
    assert!(open(&delegation(2, 2, 0, Some(checkpoint(2, 300)))).is_err());
    // A log between that the node never heard of.
    assert!(open(&delegation(4, 2, 0, Some(checkpoint(3, 300)))).is_ok());
}

#[test]
fn what_came_before_a_revocation_stays_valid_and_what_came_after_is_refused() {
    let revoked = Saying::Revocation {
        key: Revoked::Log { origin: origin(1), reached: reached(100) },
        effective: time(50),
    };
    let a = by_root(&revoked, &after(&root(), 60), 1, None);
    let b = by_root(&delegation(1, 2, 100, None), &after(&a, 61), 1, None);
    let now = identity(&[a.clone(), b]).unwrap();
    assert!(now.check_entry(&origin(1), 7, time(49)).is_ok());
    assert!(now.check_entry(&origin(1), 7, time(50)).is_err());
    assert!(now.keys_of(&checkpoint(1, 100)).is_ok());
    // With the new keys the log goes on.
    assert_eq!(now.keys_of(&checkpoint(1, 101)).unwrap(), log_key(2).public_key());
    assert!(now.check_entry(&origin(1), 100, time(70)).is_ok());
    // Without new keys nothing beyond counts.
    let only = identity(std::slice::from_ref(&a)).unwrap();
    assert!(matches!(only.keys_of(&checkpoint(1, 101)), Err(ChainError::Revoked { .. })));
    assert!(only.check_entry(&origin(1), 100, time(10)).is_err());
    // New keys do not take over what the member does not stand for.
    assert!(identity(&[a.clone(), by_root(&delegation(1, 2, 99, None), &after(&a, 61), 1, None)]).is_err());
}

#[test]
fn after_a_rotation_the_old_root_key_says_nothing_more() {
    let a = by_root(&rotation(2, None), &after(&root(), 1), 1, Some(2));
    let now = identity(std::slice::from_ref(&a)).unwrap();
    assert_eq!(now.root_key(), Some(key(2).public_key()));
    assert_eq!(now.member(), MemberId(fingerprint(key(1).public_key())));
    let next = |seed| by_root(&delegation(1, 2, 10, None), &after(&a, 2), seed, None);
    assert!(matches!(identity(&[a.clone(), next(1)]), Err(ChainError::Authority { number: 2, .. })));
    assert!(identity(&[a.clone(), next(2)]).is_ok());
    // Not even with a statement that it could have made before.
    let earlier = by_root(&delegation(1, 2, 10, None), &after(&root(), 1), 1, None);
    assert!(matches!(identity(&[a.clone(), earlier]), Err(ChainError::Order { number: 2 })));
    // The new key must sign too; the thief of a root key cannot take the recovery key with it.
    let alone = by_root(&rotation(2, None), &after(&root(), 1), 1, Some(3));
    assert!(matches!(identity(&[alone]), Err(ChainError::Root { source: RootError::Signature, .. })));
    let greedy = by_root(&rotation(2, Some(&RECOVERY[1])), &after(&root(), 1), 1, Some(2));
    assert!(matches!(identity(&[greedy]), Err(ChainError::Authority { .. })));
    let old = by_root(&delegation(1, 2, 10, None), &after(&a, 0), 2, None);
    assert!(matches!(identity(&[a, old]), Err(ChainError::Authority { .. })), "older than the one before");
}

#[test]
fn the_recovery_key_takes_the_name_back_from_a_thief() {
    // A thief of the root key makes himself root, and delegates to a log key of his own.
    let theft = by_root(&rotation(66, None), &after(&root(), 1), 1, Some(66));
    let abuse = by_root(&delegation(1, 66, 10, None), &after(&theft, 2), 66, None);
    // The member goes on from its root statement.
    let back = by_recovery(&rotation(2, Some(&RECOVERY[1])), &after(&root(), 3), 0, Some(2));
    let now = identity(&[theft.clone(), abuse.clone(), back.clone()]).unwrap();
    assert_eq!(now.root_key(), Some(key(2).public_key()));
    assert_eq!(now.keys_of(&checkpoint(1, 11)).unwrap(), log_key(1).public_key(), "the abuse is void");
    assert_eq!(now.recovery(), Some(RECOVERY[1].public_key().hash()));
    assert_eq!(identity(std::slice::from_ref(&back)).unwrap().head(), now.head());
    // Neither the thief nor the recovery key that was used can go on.
    let thief = by_root(&delegation(1, 67, 10, None), &after(&back, 4), 66, None);
    let again = by_recovery(&rotation(66, Some(&RECOVERY[0])), &after(&root(), 4), 0, Some(66));
    for more in [thief, abuse, again] {
        assert!(identity(&[back.clone(), more]).is_err());
    }
    // The recovery key names root keys, and nothing else.
    let delegates = by_recovery(&delegation(1, 2, 10, None), &after(&root(), 1), 0, None);
    assert!(identity(&[delegates]).is_err());
    let forgets = by_recovery(&rotation(2, None), &after(&root(), 1), 0, Some(2));
    assert!(identity(&[forgets]).is_err());
    let stranger = by_recovery(&rotation(66, Some(&RECOVERY[1])), &after(&root(), 1), 1, Some(66));
    assert!(identity(&[stranger]).is_err());
}

#[test]
fn a_revoked_root_key_waits_for_the_recovery_key() {
    let gone = Saying::Revocation { key: Revoked::Root, effective: time(1) };
    let a = by_root(&gone, &after(&root(), 1), 1, None);
    let now = identity(std::slice::from_ref(&a)).unwrap();
    assert!(now.root_key().is_none() && now.keys_of(&checkpoint(1, 500)).is_ok());
    for saying in [delegation(1, 2, 10, None), rotation(2, None)] {
        let new = matches!(saying, Saying::Rotation { .. }).then_some(2);
        assert!(identity(&[a.clone(), by_root(&saying, &after(&a, 2), 1, new)]).is_err());
    }
    let back = by_recovery(&rotation(2, Some(&RECOVERY[1])), &after(&a, 2), 0, Some(2));
    assert_eq!(identity(&[a, back]).unwrap().root_key(), Some(key(2).public_key()));
}

/// Which key signed a record: that of the moment of signing, unless it was revoked before the record was logged.
#[test]
fn a_record_is_signed_by_the_root_key_of_its_moment() {
    let a = by_root(&rotation(2, None), &after(&root(), 10), 1, Some(2));
    let revocation = Saying::Revocation { key: Revoked::Root, effective: time(20) };
    let b = by_root(&revocation, &after(&a, 30), 2, None);
    let c = by_recovery(&rotation(3, Some(&RECOVERY[1])), &after(&b, 40), 0, Some(3));
    let now = identity(&[a.clone(), b.clone(), c]).unwrap();
    let signer = |signed, logged| now.root_key_at(time(signed), time(logged)).ok().cloned();
    let public = |seed| Some(key(seed).public_key().clone());
    assert_eq!(signer(-1, 1), None, "before there was a key");
    assert_eq!((signer(0, 1), signer(9, 19)), (public(1), public(1)));
    assert_eq!((signer(10, 10), signer(29, 19)), (public(2), public(2)));
    // Logged from the effective time on, or signed while there was none.
    assert_eq!((signer(9, 20), signer(15, 20), signer(15, 99), signer(35, 19)), (None, None, None, None));
    assert_eq!((signer(40, 41), signer(99, 999)), (public(3), public(3)));
    // A thief's rotation, which the recovery key makes void: what he signed is nobody's.
    let thief = by_root(&rotation(9, None), &after(&root(), 10), 1, Some(9));
    let back = by_recovery(&rotation(4, Some(&RECOVERY[1])), &after(&root(), 20), 0, Some(4));
    let now = identity(&[thief, back]).unwrap();
    assert_eq!(now.root_key_at(time(15), time(16)).ok(), public(1).as_ref());
    assert_eq!(now.root_key_at(time(20), time(21)).ok(), public(4).as_ref());
}

#[test]
fn any_change_in_a_statement_shows() {
    let a = by_root(&delegation(1, 2, 100, None), &after(&root(), 1), 1, None);
    let text = String::from_utf8(a).unwrap();
    for (from, to) in [
        ("member-delegation", "member-revocation"),
        ("\"size\":100", "\"size\":101"),
        ("/1\"", "/2\""),
        ("\"v\":1", "\"v\":2"),
        ("\"v\":1", "\"v\":1,\"x\":1"),
        ("\"created\":\"2023", "\"created\":\"2024"),
        ("\"previous\":\"", "\"previous\":\"0"),
        ("\"signature\":\"", "\"signature\":\"A"),
        ("{\"signature\"", "[\"signature\""),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert!(identity(&[changed.into_bytes()]).is_err(), "{from}");
    }
    // Left out, doubled, or of another member.
    let b = by_root(&delegation(1, 3, 200, None), &after(text.as_bytes(), 2), 1, None);
    assert!(identity(&[text.clone().into_bytes(), b.clone()]).is_ok());
    assert!(identity(std::slice::from_ref(&b)).is_err());
    assert!(identity(&[text.clone().into_bytes(), b.clone(), b]).is_err());
    let other = Link { member: MemberId([9; 32]), ..after(&root(), 1) };
    assert!(identity(&[by_root(&delegation(1, 2, 100, None), &other, 1, None)]).is_err());
}

/// What somebody tries.
#[derive(Clone, Debug)]
enum Attempt {
    Delegate { signer: u8, stale: bool },
    Rotate { signer: u8, to: u8, stale: bool },
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let seed = 1u8..6;
    let delegate = (seed.clone(), prop::bool::weighted(0.1))
        .prop_map(|(signer, stale)| Attempt::Delegate { signer, stale });
    let rotate = (seed.clone(), seed, prop::bool::weighted(0.1))
        .prop_map(|(signer, to, stale)| Attempt::Rotate { signer, to, stale });
    prop::collection::vec(prop_oneof![delegate, rotate], 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whoever has not the root key of the moment extends no chain, whatever was said before: an old key, a
    /// key that will come, a statement that follows an older one.
    #[test]
    fn only_the_root_key_of_the_moment_extends_a_chain(attempts in attempts()) {
        let mut now = identity(&[]).unwrap();
        let (mut current, mut bodies, mut size) = (1u8, vec![root()], 0u64);
        for (n, attempt) in attempts.iter().enumerate() {
            let (signer, stale) = match attempt {
                Attempt::Delegate { signer, stale } | Attempt::Rotate { signer, stale, .. } => (*signer, *stale),
            };
            let stale = stale && bodies.len() > 1;
            let before = bodies[bodies.len() - if stale { 2 } else { 1 }].clone();
            let link = after(&before, n as i64 + 1);
            let body = match attempt {
                Attempt::Delegate { .. } => {
                    by_root(&delegation(1, 10 + n as u8, size + 10, None), &link, signer, None)
                }
                Attempt::Rotate { to, .. } => by_root(&rotation(*to, None), &link, signer, Some(*to)),
            };
            let taken = now.extend(&body);
            prop_assert_eq!(taken.is_ok(), signer == current && !stale, "{:?}: {:?}", attempt, taken);
            if taken.is_ok() {
                bodies.push(body);
                match attempt {
                    Attempt::Delegate { .. } => size += 10,
                    Attempt::Rotate { to, .. } => current = *to,
                }
            }
            let expected = key(current);
            prop_assert_eq!(now.root_key(), Some(expected.public_key()));
            prop_assert_eq!(now.member().0, origin(1).member);
        }
        // Whoever is shown the chain comes to the same keys, and every size has one key.
        let again = identity(&bodies[1..]).unwrap();
        prop_assert_eq!(again.head(), now.head());
        for size in 1..size + 20 {
            prop_assert_eq!(again.keys_of(&checkpoint(1, size)).ok(), now.keys_of(&checkpoint(1, size)).ok());
        }
    }
}
