// SPDX-License-Identifier: Apache-2.0
//! The view of the indicators among the records.

use hunt::indicator::read_list;
use hunt::query::{conditions, held_under_guessable_ids, indicators, patterns, skipped};
use hunt::standard::guessable_indicator_id;
use hunt::view::IndicatorView;
use ledger::sql::{EngineError, Value};
use ledger::view::{Body, Record, View};
use model::head::{Audience, Head};
use model::id::{MemberId, SubjectKey};
use model::kind::Kind;
use model::marking::Marking;
use model::time::Timestamp;
use store::{Schema, Store};

const A: &str = "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f";
const B: &str = "indicator--00000000-0000-4000-8000-000000000001";

fn body(pattern: &str, more: &str) -> String {
    format!(
        "{{\"type\":\"indicator\",\"pattern\":\"{pattern}\",\"pattern_type\":\"stix\",\"id\":\"{A}\"{more}}}"
    )
}

/// `(seq, id, version, body)`; an empty body is an erased one.
type Row<'a> = (i64, &'a str, i64, &'a str);

fn apply(store: &Store, rows: &[Row<'_>]) {
    let member = MemberId([7; 32]);
    let head = Head {
        author: member,
        kind: Kind::STIX_21,
        marking: Marking::NONE,
        audience: Audience::Organisation(member),
    };
    let records: Vec<Record<'_>> = rows
        .iter()
        .map(|(seq, id, version, body)| Record {
            seq: *seq,
            time: Timestamp::from_micros(*seq),
            audience_row: 1,
            head: &head,
            committed: &head,
            subject: SubjectKey::of(id),
            id,
            version: Timestamp::from_micros(*version),
            body: if body.is_empty() { Body::Erased } else { Body::Present(body.as_bytes()) },
        })
        .collect();
    store.local(|tx| IndicatorView.apply(tx, &records)).map_err(|e: EngineError| e).unwrap();
}

fn store() -> Store {
    Store::memory(Schema { views: vec![Box::new(IndicatorView)], local: Vec::new() }).unwrap()
}

fn hunted(store: &Store) -> Vec<String> {
    let all = store.read(indicators).map_err(|e: EngineError| e).unwrap();
    all.iter().map(|i| i.observable.display()).collect()
}

fn codes(store: &Store) -> Vec<(String, u64)> {
    store.read(skipped).map_err(|e: EngineError| e).unwrap()
}

#[test]
fn the_newest_version_is_hunted() {
    let store = store();
    let (one, two) =
        (body("[ipv4-addr:value = '1.1.1.1']", ""), body("[ipv4-addr:value IN ('2.2.2.2', '3.3.3.3')]", ""));
    apply(&store, &[(1, A, 10, &one)]);
    assert_eq!(hunted(&store), ["1.1.1.1"]);
    apply(&store, &[(2, A, 20, &two), (3, B, 5, &one)]);
    assert_eq!(hunted(&store), ["2.2.2.2", "3.3.3.3", "1.1.1.1"]);
    apply(&store, &[(4, A, 15, &one)]);
    assert_eq!(
        hunted(&store),
        ["2.2.2.2", "3.3.3.3", "1.1.1.1"],
        "an older version that arrives late changes nothing"
    );
}

#[test]
fn a_revoked_or_unusable_version_ends_the_older_ones() {
    let store = store();
    let one = body("[ipv4-addr:value = '1.1.1.1']", "");
    apply(&store, &[(1, A, 10, &one), (2, B, 10, &one)]);
    apply(
        &store,
        &[
            (3, A, 20, &body("[ipv4-addr:value = '1.1.1.1']", ",\"revoked\":true")),
            (4, B, 20, &body("[file:name MATCHES '(']", "")),
        ],
    );
    assert_eq!(hunted(&store), [""; 0]);
    assert_eq!(codes(&store), [("pattern-not-supported".to_owned(), 1)]);
}

#[test]
fn an_erased_record_leaves_nothing() {
    let store = store();
    let (one, bad) = (body("[ipv4-addr:value = '1.1.1.1']", ""), body("[file:name MATCHES '(']", ""));
    apply(&store, &[(1, A, 10, &one), (2, B, 10, &bad)]);
    apply(&store, &[(1, A, 10, ""), (2, B, 10, "")]);
    assert_eq!((hunted(&store).len(), codes(&store).len()), (0, 0));
    // In one batch with what it erases, as a rebuild may see it.
    apply(&store, &[(3, A, 30, &one), (3, A, 30, "")]);
    assert_eq!(hunted(&store), [""; 0]);
}

#[test]
fn patterns_and_conditions_are_kept_beside_the_values() {
    let store = store();
    let legitimate =
        r#","x_polder_legitimate":[{"pattern":"[network-traffic:dst_port = 541]","reason":"r"}]"#;
    let mixed = body("[ipv4-addr:value = '1.1.1.1' OR file:name LIKE '%.scr']", legitimate);
    apply(&store, &[(1, A, 10, &mixed), (2, B, 10, &body("[process:name = 'x'] WITHIN 5 SECONDS", ""))]);
    let held = || {
        let patterns = store.read(patterns).map_err(|e: EngineError| e).unwrap();
        let conditions = store.read(conditions).map_err(|e: EngineError| e).unwrap();
        let patterns: Vec<_> = patterns.iter().map(|p| format!("{} {}", p.id, p.pattern)).collect();
        (patterns, conditions.iter().map(|c| c.indicator.clone()).collect::<Vec<_>>())
    };
    let second = format!("{B} [process:name = 'x'] WITHIN 5 SECONDS");
    assert_eq!(held(), (vec![format!("{A} [file:name LIKE '%.scr']"), second.clone()], vec![A.to_owned()]));
    assert_eq!((hunted(&store), codes(&store).len()), (vec!["1.1.1.1".to_owned()], 0));
    apply(&store, &[(3, A, 20, &body("[ipv4-addr:value = '1.1.1.1']", ""))]);
    assert_eq!(held(), (vec![second], Vec::new()), "a newer version ends both");
    apply(&store, &[(2, B, 10, "")]);
    assert_eq!(held(), (Vec::new(), Vec::new()));
}

#[test]
fn other_records_are_left_alone() {
    let store = store();
    apply(&store, &[(1, "tool--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f", 10, "{}")]);
    assert_eq!((hunted(&store).len(), codes(&store).len()), (0, 0));
}

/// Only what the own organisation itself holds under an id that anybody can compute keeps it.
#[test]
fn entries_of_an_earlier_program_are_found_by_their_ids() {
    let store = store();
    let list = read_list(b"203.0.113.7\nevil.example\n198.51.100.9\n", "L").indicators;
    let ids: Vec<String> = list.iter().map(|i| guessable_indicator_id(&i.observable, i.mode)).collect();
    let [own, other] = [MemberId([7; 32]), MemberId([8; 32])];
    let add = |nth: usize, seq: i64, author: MemberId| {
        let head = Head {
            author,
            kind: Kind::STIX_21,
            marking: Marking::NONE,
            audience: Audience::Organisation(author),
        };
        store
            .local(|tx| {
                let mut heads = ledger::audience::Heads::load(tx.as_read())?;
                let row = heads.row(tx, &head)?;
                let key = SubjectKey::of(&ids[nth]);
                let sql = "INSERT INTO subjects (subject, version, seq, audience, revoked) VALUES (?1, 1, ?2, ?3, 0)";
                tx.execute(sql, &[Value::Blob(&key.0), Value::Int(seq), Value::Int(row)])
            })
            .map_err(|e: EngineError| e)
            .unwrap();
    };
    let held = || {
        let held = store.read(|read| held_under_guessable_ids(read, own, &list));
        held.map_err(|e: EngineError| e).unwrap()
    };
    add(0, 1, other);
    assert!(held().is_empty(), "another's is not ours");
    add(0, 2, own);
    add(1, 3, own);
    assert_eq!(held(), ids.iter().take(2).cloned().collect());
}
