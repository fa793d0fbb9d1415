// SPDX-License-Identifier: Apache-2.0
//! What every engine must do alike.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ledger::append::{Outcome, Refused};
use ledger::audience::Heads;
use ledger::record;
use ledger::sql::{EngineError, Flow, Value};
use ledger::verify::verify;
use model::marking::{Marking, Tlp};
use policy::Refusal;
use store::Store;

use crate::sample::*;

macro_rules! contract {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[test] fn $name() { super::$name(&store::Store::memory(crate::sample::schema()).unwrap()); })+
        }
        mod file {
            $(#[test] fn $name() {
                let dir = tempfile::tempdir().unwrap();
                let store = store::Store::create(&dir.path().join("polder.db"), crate::sample::schema()).unwrap();
                super::$name(&store);
            })+
        }
    };
}

contract!(
    adds_once_and_knows_again,
    an_error_rolls_everything_back,
    a_refused_draft_leaves_its_batch_alone,
    after_a_revocation_nothing_newer,
    batches_add_up_to_one_root,
    definitions_do_not_change,
    modified_before_created_is_refused,
    other_form_of_the_same_content_is_known,
    placeholders_are_numbered_not_ordered,
    references_go_no_further_than_what_they_name,
    the_log_verifies_and_a_changed_body_shows,
    time_never_repeats_when_the_clock_goes_back,
    two_appenders_and_a_reader_that_follows,
);

fn adds_once_and_knows_again(store: &Store) {
    let writer = writer(store, None);
    let all: Vec<String> = (0..50).map(|n| indicator(n, 0, "a")).collect();
    let first = submit(&writer, all.iter().map(|j| green(j)).collect());
    assert_eq!(added(&first), 50);
    let again = submit(&writer, all.iter().map(|j| green(j)).collect());
    assert!(again.iter().all(|o| *o == Outcome::Known));
    let twice_in_one = submit(&writer, vec![green(&indicator(90, 0, "a")), green(&indicator(90, 0, "a"))]);
    assert!(matches!(twice_in_one.as_slice(), [Outcome::Added { .. }, Outcome::Known]));
}

fn other_form_of_the_same_content_is_known(store: &Store) {
    let writer = writer(store, None);
    let json = indicator(1, 0, "a");
    submit(&writer, vec![green(&json)]);
    let spaced = json.replacen(',', " ,\n ", 3);
    assert_eq!(submit(&writer, vec![green(&spaced)]), [Outcome::Known]);
}

fn a_refused_draft_leaves_its_batch_alone(store: &Store) {
    let writer = writer(store, None);
    submit(&writer, vec![green(&indicator(1, 0, "a"))]);
    let outcomes = submit(
        &writer,
        vec![green(&indicator(2, 0, "a")), green(&indicator(1, 0, "b")), green(&indicator(3, 0, "a"))],
    );
    assert!(matches!(outcomes[0], Outcome::Added { seq: 2, index: 1 }));
    assert_eq!(outcomes[1], Outcome::Refused(Refused::Gate(Refusal::VersionConflict)));
    assert!(
        matches!(outcomes[2], Outcome::Added { seq: 3, index: 2 }),
        "a refused one takes no place: {outcomes:?}"
    );
    let older = submit(&writer, vec![green(&indicator(2, 5, "newer")), green(&indicator(2, 3, "between"))]);
    assert_eq!(added(&older), 2, "an older version is stored as one");
}

fn after_a_revocation_nothing_newer(store: &Store) {
    let writer = writer(store, None);
    let revoked = indicator(1, 5, "a").replace(r#""name""#, r#""revoked":true,"name""#);
    submit(&writer, vec![green(&indicator(1, 0, "a")), green(&revoked)]);
    assert_eq!(
        submit(&writer, vec![green(&indicator(1, 9, "back again"))]),
        [Outcome::Refused(Refused::Gate(Refusal::Revoked))]
    );
    assert_eq!(added(&submit(&writer, vec![green(&indicator(1, 3, "older"))])), 1);
    let same_batch = submit(
        &writer,
        vec![
            green(&indicator(2, 0, "a")),
            green(&indicator(2, 5, "a").replace(r#""name""#, r#""revoked":true,"name""#)),
            green(&indicator(2, 9, "a")),
        ],
    );
    assert_eq!(same_batch[2], Outcome::Refused(Refused::Gate(Refusal::Revoked)), "seen within the batch too");
}

fn modified_before_created_is_refused(store: &Store) {
    let writer = writer(store, None);
    let json = indicator(1, 0, "a").replace("\"created\":\"2024", "\"created\":\"2025");
    assert_eq!(
        submit(&writer, vec![green(&json)]),
        [Outcome::Refused(Refused::Gate(Refusal::ModifiedBeforeCreated))]
    );
}

fn definitions_do_not_change(store: &Store) {
    let writer = writer(store, None);
    let json = |created: &str, text: &str| {
        format!(
            r#"{{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--00000000-0000-4000-8000-000000000001","created":"{created}","definition_type":"statement","definition":{{"statement":"{text}"}}}}"#
        )
    };
    assert_eq!(added(&submit(&writer, vec![green(&json("2024-01-01T00:00:00Z", "a"))])), 1);
    for changed in [json("2024-01-01T00:00:00Z", "b"), json("2025-01-01T00:00:00Z", "a")] {
        assert_eq!(
            submit(&writer, vec![green(&changed)]),
            [Outcome::Refused(Refused::Gate(Refusal::MarkingDefinitionChanged))]
        );
    }
}

fn time_never_repeats_when_the_clock_goes_back(store: &Store) {
    let mut hours = [5i64, 5, 2, 9].into_iter();
    let writer = writer_at(store, None, move || hours.next().unwrap_or(0) * 3_600_000_000);
    for n in 0..5 {
        submit(&writer, vec![green(&indicator(n * 2, 0, "a")), green(&indicator(n * 2 + 1, 0, "a"))]);
    }
    let rows = store.read(|read| record::after(read, 0, 100)).unwrap();
    assert_eq!(rows.len(), 10);
    assert!(rows.windows(2).all(|w| w[0].time < w[1].time && w[0].seq < w[1].seq));
}

fn batches_add_up_to_one_root(store: &Store) {
    let writer = writer(store, None);
    let mut n = 0;
    for size in [1u32, 255, 1, 256, 3, 300] {
        submit(&writer, (n..n + size).map(|n| green(&indicator(n, 0, "a"))).collect());
        n += size;
    }
    let report = store.read(|read| verify(read, &signer().origin, key().public_key())).unwrap();
    assert_eq!((report.records, report.size), (u64::from(n), u64::from(n)));
    assert_eq!(report.faults, Vec::<String>::new());
}

fn the_log_verifies_and_a_changed_body_shows(store: &Store) {
    let writer = writer(store, None);
    submit(&writer, (0..300).map(|n| green(&indicator(n, 0, "a"))).collect());
    let verified = || store.read(|read| verify(read, &signer().origin, key().public_key())).unwrap();
    assert_eq!(verified().faults, Vec::<String>::new());
    let harm =
        |sql: &'static str| store.local(|tx| tx.execute(sql, &[])).map_err(|e: EngineError| e).unwrap();
    harm("UPDATE bodies SET body = x'7b7d' WHERE seq = 17");
    assert!(verified().faults.iter().any(|f| f.contains("record 17")), "{:?}", verified().faults);
    harm("UPDATE audiences SET marking = 1");
    assert_eq!(verified().faults.len(), 100, "a loosened marking shows in every entry");
    harm("UPDATE tiles SET hashes = x'00' WHERE level = 1");
    assert!(store.read(|read| verify(read, &signer().origin, key().public_key())).is_err());
}

fn an_error_rolls_everything_back(store: &Store) {
    let failed: Result<(), EngineError> = store.local(|tx| {
        tx.execute(
            "INSERT INTO audiences (id, author, kind, marking, spec) VALUES (1, x'00', 1, 0, 'x')",
            &[],
        )?;
        tx.execute(
            "INSERT INTO audiences (id, author, kind, marking, spec) VALUES (1, x'00', 1, 0, 'x')",
            &[],
        )?;
        Ok(())
    });
    assert!(failed.is_err());
    let mut count = -1;
    store
        .read(|read| {
            read.query("SELECT count(*) FROM audiences", &[], &mut |row| {
                count = row.int(0)?;
                Ok(Flow::Stop)
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    assert_eq!(count, 0);
    let writer = writer(store, None);
    assert_eq!(added(&submit(&writer, vec![green(&indicator(1, 0, "a"))])), 1, "the store works on");
}

/// In SQLite `$1` would be a name numbered by first appearance; `?2` before `?1` must still be the second.
fn placeholders_are_numbered_not_ordered(store: &Store) {
    let mut got = (0, 0);
    store
        .read(|read| {
            read.query("SELECT ?2, ?1", &[Value::Int(1), Value::Int(2)], &mut |row| {
                got = (row.int(0)?, row.int(1)?);
                Ok(Flow::Continue)
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    assert_eq!(got, (2, 1));
}

/// Law 1: the id of an address is its value, so what refers to it is as strict as the address.
fn references_go_no_further_than_what_they_name(store: &Store) {
    let writer = writer(store, None);
    let address = r#"{"type":"ipv4-addr","spec_version":"2.1","id":"ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd","value":"198.51.100.3"}"#;
    let observed = |n: u32| {
        format!(
            r#"{{"type":"observed-data","spec_version":"2.1","id":"observed-data--00000000-0000-4000-8000-{n:012x}","created":"2024-01-01T00:00:00Z","modified":"2024-01-01T00:00:00Z","first_observed":"2024-01-01T00:00:00Z","last_observed":"2024-01-01T00:00:00Z","number_observed":1,"object_refs":["ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd"]}}"#
        )
    };
    let marked = |json: &str, tlp| draft(json, OWN, community(1), Marking::tlp(tlp));
    // The reference stands before the address in one batch, and after it in another.
    submit(&writer, vec![marked(&observed(1), Tlp::Clear), marked(address, Tlp::Amber)]);
    submit(&writer, vec![marked(&observed(2), Tlp::Green)]);
    let labels = |store: &Store| {
        store
            .read(|read| {
                let heads = Heads::load(read)?;
                record::after(read, 0, 10)?
                    .iter()
                    .map(|r| Ok((r.id.clone(), heads.of(r.audience_row)?.marking.label())))
                    .collect::<Result<Vec<_>, EngineError>>()
            })
            .unwrap()
    };
    assert!(labels(store).iter().all(|(_, label)| *label == Tlp::Amber), "{:?}", labels(store));
    let elsewhere = draft(&observed(3), OWN, community(2), Marking::tlp(Tlp::Amber));
    assert_eq!(submit(&writer, vec![elsewhere]), [Outcome::Refused(Refused::RefersFurther)]);
    let partner = draft(&observed(3), PARTNER, community(2), Marking::tlp(Tlp::Green));
    assert_eq!(
        added(&submit(&writer, vec![partner])),
        1,
        "another author is bound by his own markings alone"
    );
}

/// Law 4 at the root: whoever follows `seq` misses nothing and sees nothing twice.
fn two_appenders_and_a_reader_that_follows(store: &Store) {
    let writer = writer(store, None);
    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let appenders: Vec<_> = (0..2u32)
            .map(|half| {
                let writer = &writer;
                scope.spawn(move || {
                    for n in 0..100 {
                        let n = half * 1_000 + n;
                        assert_eq!(added(&submit(writer, vec![green(&indicator(n, 0, "a"))])), 1);
                    }
                })
            })
            .collect();
        let follower = scope.spawn(|| {
            let (mut seen, mut cursor) = (Vec::new(), 0);
            loop {
                let last_round = done.load(Ordering::SeqCst);
                let rows = store.read(|read| record::after(read, cursor, 7)).unwrap();
                if let Some(last) = rows.last() {
                    cursor = last.seq;
                    seen.extend(rows.into_iter().map(|r| r.id));
                } else if last_round {
                    return seen;
                }
            }
        });
        appenders.into_iter().for_each(|a| a.join().unwrap());
        done.store(true, Ordering::SeqCst);
        follower.join().unwrap()
    });
    assert_eq!(seen.len(), 200);
    assert_eq!(seen.iter().collect::<std::collections::HashSet<_>>().len(), 200);
}
