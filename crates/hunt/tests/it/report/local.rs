// SPDX-License-Identifier: Apache-2.0
//! Drafts, rules and the outbox, in a database in memory.

use std::collections::BTreeSet;

use hunt::detection::{Detection, Level};
use hunt::limits::{APPROVALS_MAX, OUTBOX_TRIES_MAX, OUTBOX_WAITING_MAX, REASON_CHARS_MAX};
use hunt::report::draft::{
    Approval, Candidate, Draft, State, add_approval, approvals, drafts, finding_id, remove_approval,
    write_down,
};
use hunt::report::outbox::{Delivery, Enqueued, due, enqueue, failed, outgoing, retry, sent};
use hunt::report::{Notice, draft, kept, notice, outbox};
use ledger::sql::EngineError;
use model::marking::{Marking, Tlp};
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;
use store::{Schema, Store};

use super::sample;

fn store() -> Store {
    Store::memory(Schema { views: Vec::new(), local: [draft::TABLES, outbox::TABLES].concat() }).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_773_135_000_000_000 + seconds * 1_000_000)
}

#[test]
fn what_became_of_findings_is_kept() {
    let store = store();
    let fresh = Draft::new(sample::ADDRESS_INDICATOR, ObservableKind::Ip, "203.0.113.77");
    assert_eq!(fresh.state, State::New);
    assert_eq!(fresh.id, finding_id(sample::ADDRESS_INDICATOR, ObservableKind::Ip, "203.0.113.77"));
    assert_eq!(fresh.id.len(), 16);
    assert_ne!(fresh.id, finding_id(sample::DOMAIN_INDICATOR, ObservableKind::Ip, "203.0.113.77"));
    let dismissed = Draft {
        state: State::Dismissed,
        reason: format!("own scanner\u{202e}{}", "x".repeat(REASON_CHARS_MAX)),
        changed: at(1),
        ..fresh.clone()
    };
    store.local(|tx| write_down(tx, &dismissed)).unwrap();
    let kept = store.read(drafts).unwrap().remove(&fresh.id).unwrap();
    assert_eq!((kept.state, kept.changed), (State::Dismissed, at(1)));
    assert_eq!(kept.reason.chars().count(), REASON_CHARS_MAX);
    assert!(kept.reason.starts_with("own scanner\\u{202e}x"));
    let shared = Draft {
        state: State::Shared,
        reason: String::new(),
        community: Some("c".to_owned()),
        anonymous: true,
        rule: Some(3),
        sighting: Some("sighting--x".to_owned()),
        changed: at(2),
        ..fresh
    };
    store.local(|tx| write_down(tx, &shared)).unwrap();
    let all = store.read(drafts).unwrap();
    assert_eq!(all.into_values().collect::<Vec<_>>(), [shared], "the new takes the place of the old");
}

/// A person's word on a detection holds for what later hunts tell of the same, until it is graver or taken back.
#[test]
fn a_dismissed_detection_stays_dismissed() {
    let store = Store::memory(Schema { views: Vec::new(), local: kept::TABLES.to_vec() }).unwrap();
    let detection = sample::first_seen();
    let id = kept::detection_id(&detection);
    let keep = |all: &[Detection], second| {
        store.local(|tx| kept::keep(tx, all, &BTreeSet::new(), at(second))).unwrap()
    };
    let dismissal = || {
        let all = store.read(kept::kept).unwrap();
        let one = all.into_iter().find(|one| kept::detection_id(&one.detection) == id).unwrap();
        one.dismissal().map(|said| said.reason.clone())
    };
    let dismiss = |detection: &Detection, why: Option<&str>| {
        store.local(|tx| kept::dismiss(tx, detection, why.map(|why| (why, at(1))))).unwrap()
    };
    assert!(!dismiss(&detection, Some("early")), "it is not kept yet");
    keep(&[detection.clone(), sample::spray()], 0);
    assert_eq!((dismissal(), store.read(kept::dismissed).unwrap().len()), (None, 0));
    assert!(dismiss(&detection, Some("the backup of p.visser")));
    keep(&[Detection { count: 9, last: None, ..detection.clone() }], 2);
    assert_eq!(dismissal().as_deref(), Some("the backup of p.visser"));
    let all = store.read(kept::dismissed).unwrap();
    assert_eq!(all.keys().collect::<Vec<_>>(), [&id]);
    keep(&[Detection { level: Level::High, ..detection.clone() }], 3);
    assert_eq!(dismissal(), None, "it has become graver");
    keep(std::slice::from_ref(&detection), 4);
    assert!(dismissal().is_some() && dismiss(&detection, None));
    assert_eq!((dismissal(), store.read(kept::dismissed).unwrap().len()), (None, 0), "it counts again");
    // What a person said names somebody, too.
    assert!(dismiss(&detection, Some("the backup of p.visser")));
    let account = Observable::parse(ObservableKind::Account, "p.visser").unwrap();
    assert_eq!(store.local(|tx| kept::forget(tx, &account)).unwrap(), 1);
    assert_eq!(store.read(kept::kept).unwrap().len(), 1);
}

fn rule(tlp_max: Tlp) -> Approval {
    Approval {
        id: 0,
        indicator: None,
        author: None,
        tlp_max,
        community: None,
        anonymous: false,
        draft_only: false,
        reason: "test".to_owned(),
        made: at(0),
    }
}

#[test]
fn a_rule_approves_what_it_names_and_nothing_stricter() {
    let candidate = |marking| Candidate { indicator: "indicator--a", author: Some("identity--b"), marking };
    let of = |tlp| candidate(Marking::tlp(tlp));
    assert!(rule(Tlp::Amber).approves(&of(Tlp::Amber)) && rule(Tlp::Amber).approves(&of(Tlp::Clear)));
    assert!(!rule(Tlp::Amber).approves(&of(Tlp::AmberStrict)));
    assert!(!rule(Tlp::Amber).approves(&candidate(Marking::NONE)), "unmarked is AMBER+STRICT");
    assert!(rule(Tlp::AmberStrict).approves(&candidate(Marking::NONE)));
    assert!(!rule(Tlp::Red).approves(&of(Tlp::Red)), "what is for named persons no rule approves");
    let unknown = Marking { unknown: true, ..Marking::tlp(Tlp::Clear) };
    assert!(!rule(Tlp::AmberStrict).approves(&candidate(unknown)));
    let by = |author: &str| Approval { author: Some(author.to_owned()), ..rule(Tlp::Amber) };
    assert!(by("identity--b").approves(&of(Tlp::Green)) && !by("identity--c").approves(&of(Tlp::Green)));
    let of_one = Approval { indicator: Some("indicator--z".to_owned()), ..rule(Tlp::Amber) };
    assert!(!of_one.approves(&of(Tlp::Green)));
    assert!(!by("identity--b").approves(&Candidate { author: None, ..of(Tlp::Green) }));
}

#[test]
fn rules_are_kept_and_bounded() {
    let store = store();
    for nth in 1..=APPROVALS_MAX {
        let id = store.local(|tx| add_approval(tx, &rule(Tlp::Green))).unwrap();
        assert_eq!(id, Some(nth as i64));
    }
    assert_eq!(store.local(|tx| add_approval(tx, &rule(Tlp::Green))).unwrap(), None, "over the limit");
    assert!(store.local(|tx| remove_approval(tx, 7)).unwrap());
    assert!(!store.local(|tx| remove_approval(tx, 7)).unwrap(), "it is gone");
    let all = store.read(approvals).unwrap();
    assert_eq!(all.len(), APPROVALS_MAX - 1);
    assert_eq!(all[0], Approval { id: 1, ..rule(Tlp::Green) });
}

fn told() -> Notice {
    notice(&sample::firm(), Level::Medium).unwrap()
}

#[test]
fn a_notice_is_sent_once_and_tried_again_until_it_is() {
    let store = store();
    let add = |channel: &str| store.local(|tx| enqueue(tx, channel, &told(), b"body", b"", at(0))).unwrap();
    assert_eq!(add("mail"), Enqueued::Added(1));
    assert_eq!(add("mail"), Enqueued::Known, "nobody is told twice");
    assert_eq!(add("webhook"), Enqueued::Added(2));
    let of_webhook = store.read(|read| due(read, at(0), false, &["webhook"], 1)).unwrap();
    assert_eq!(
        of_webhook.iter().map(|one| one.id).collect::<Vec<_>>(),
        [2],
        "another channel's do not stand before it"
    );
    let waiting = |now, all| store.read(|read| due(read, now, all, &["mail", "webhook"], 10)).unwrap();
    assert_eq!(waiting(at(0), false).iter().map(|one| one.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        store.read(|read| due(read, at(0), false, &["mail", "webhook"], 1)).unwrap().len(),
        1,
        "at most so many"
    );
    store.local(|tx| sent(tx, 1, at(1))).unwrap();

    let mut clock = 1;
    for nth in 1..=OUTBOX_TRIES_MAX {
        let one = waiting(at(clock), false).remove(0);
        assert_eq!((one.tries, one.body.as_slice()), (nth - 1, &b"body"[..]));
        let again = store.local(|tx| failed(tx, &one, "it answers 500", at(clock))).unwrap();
        assert_eq!(again, nth < OUTBOX_TRIES_MAX);
        if again {
            assert!(waiting(at(clock + 59), false).is_empty(), "not before a minute");
            assert_eq!(waiting(at(clock), true).len(), 1, "but when asked for");
        }
        clock += 6 * 3_600;
    }
    let all = store.read(outgoing).unwrap();
    assert_eq!([all[0].delivery, all[1].delivery], [Delivery::Sent, Delivery::GivenUp]);
    assert_eq!((all[1].reason.as_str(), all[1].tries), ("it answers 500", OUTBOX_TRIES_MAX));
    assert!(waiting(at(clock), true).is_empty());
    assert!(!store.local(|tx| retry(tx, 1, at(clock))).unwrap(), "what was sent is not sent again");
    assert!(store.local(|tx| retry(tx, 2, at(clock))).unwrap());
    assert_eq!(waiting(at(clock), false)[0].tries, 0);
}

/// A notice that holds a value which is forgotten is neither sent nor told again; the others wait on.
#[test]
fn a_notice_of_a_forgotten_value_is_erased() {
    let store = store();
    let long = format!("https://evil.example/{}", "x".repeat(300));
    let cut: String = long.chars().take(199).collect();
    let bodies: [(&str, Vec<u8>); 5] = [
        ("mail", b"* domain evil[.]example: bad".to_vec()),
        ("webhook", br#"{"values":["evil.example"],"hosts":["dom\\anna"]}"#.to_vec()),
        ("mail", b"* domain www[.]evil[.]example: bad\nACCOUNTS TO LOOK AT: dom\\anna".to_vec()),
        ("mail", format!("* url {}\u{2026}", cut.replace('.', "[.]").replace("://", "[://]")).into_bytes()),
        ("mail", b"sent".to_vec()),
    ];
    for (nth, (channel, body)) in bodies.iter().enumerate() {
        let one = Notice { key: nth.to_string(), ..told() };
        store.local(|tx| enqueue(tx, channel, &one, body, b"", at(0))).unwrap();
    }
    store.local(|tx| sent(tx, 5, at(1))).unwrap();
    let forget = |kind, value: &str| {
        let value = model::observable::Observable::parse(kind, value).unwrap();
        store.local(|tx| outbox::forget(tx, &value, at(2))).unwrap()
    };
    let waiting = || {
        let all = store.read(|read| due(read, at(9), true, &["mail", "webhook"], 10)).unwrap();
        all.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!((forget(ObservableKind::Domain, "absent.example"), waiting()), (0, vec![1, 2, 3, 4]));
    assert_eq!((forget(ObservableKind::Url, &long), waiting()), (1, vec![1, 2, 3]));
    assert_eq!((forget(ObservableKind::Domain, "evil.example"), waiting()), (2, vec![3]));
    assert_eq!((forget(ObservableKind::Account, "dom\\anna"), waiting()), (1, vec![]));
    let all = store.read(outgoing).unwrap();
    assert_eq!([all[0].delivery, all[4].delivery], [Delivery::Erased, Delivery::Sent]);
    assert!(!store.local(|tx| retry(tx, 1, at(3))).unwrap(), "what was erased cannot be sent");
    let again = Notice { key: "0".to_owned(), ..told() };
    assert_eq!(store.local(|tx| enqueue(tx, "mail", &again, b"x", b"", at(3))).unwrap(), Enqueued::Known);
}

/// A value is forgotten while a notice of it is being tried: what comes of the try does not bring the notice back.
#[test]
fn a_notice_erased_while_it_is_tried_stays_erased() {
    let store = store();
    for (channel, ends_well) in [("mail", false), ("webhook", true)] {
        store.local(|tx| enqueue(tx, channel, &told(), b"* domain evil[.]example: bad", b"", at(0))).unwrap();
        let one = store.read(|read| due(read, at(0), false, &[channel], 1)).unwrap().remove(0);
        let value = model::observable::Observable::parse(ObservableKind::Domain, "evil.example").unwrap();
        assert_eq!(store.local(|tx| outbox::forget(tx, &value, at(1))).unwrap(), 1);
        if ends_well {
            store.local(|tx| sent(tx, one.id, at(2))).unwrap();
        } else {
            assert!(!store.local(|tx| failed(tx, &one, "it answers 500", at(2))).unwrap());
        }
        let delivery = store.read(outgoing).unwrap().pop().unwrap().delivery;
        assert_eq!(delivery, Delivery::Erased, "{channel}");
        assert!(store.read(|read| due(read, at(99_999), true, &[channel], 1)).unwrap().is_empty());
    }
}

#[test]
fn an_outbox_does_not_grow_without_bound() {
    let store = store();
    let add = |tx: &mut dyn ledger::sql::Tx, nth: usize| {
        enqueue(tx, "mail", &Notice { key: nth.to_string(), ..told() }, b"", b"", at(0))
    };
    store
        .local(|tx| {
            for nth in 1..=OUTBOX_WAITING_MAX {
                assert_eq!(add(tx, nth)?, Enqueued::Added(nth as i64));
            }
            assert_eq!(add(tx, 0)?, Enqueued::Full);
            sent(tx, 5, at(1))?;
            assert_eq!(add(tx, 0)?, Enqueued::Added(OUTBOX_WAITING_MAX as i64 + 1));
            Ok::<_, EngineError>(())
        })
        .unwrap();
}
