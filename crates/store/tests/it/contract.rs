// SPDX-License-Identifier: Apache-2.0
//! What every engine must do alike.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ledger::append::{Circumstances, Outcome, Refused, Signer};
use ledger::audience::Heads;
use ledger::draft::{Draft, Subject};
use ledger::entry::Salts;
use ledger::recall::{Act, Recall, places};
use ledger::record;
use ledger::sql::{EngineError, Flow, Read, Tx, Value};
use ledger::verify::verify;
use model::head::{Audience, Head};
use model::kind::Kind;
use model::marking::{Marking, Tlp};
use model::time::Timestamp;
use policy::{Refusal, VERSIONS_PER_OBJECT_MAX};
use store::Store;
use trust::log_key::{LOG_KEY_BYTES, LogKey};

use crate::hosted::hosted_members_sign_themselves;
use crate::sample::*;

/// Tests of one store on each engine, and tests of several processes (each with a store of its own) on the
/// engines that have them.
macro_rules! contract {
    (one: $($one:ident),+; several: $($several:ident),+ $(,)?) => {
        mod memory {
            $(#[test] fn $one() { super::$one(&store::Store::memory(crate::sample::schema()).unwrap()); })+
        }
        mod file {
            fn with(test: impl FnOnce(&dyn Fn() -> store::Store)) {
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path().join("polder.db");
                drop(store::Store::create(&path, crate::sample::schema()).unwrap());
                test(&|| store::Store::open(&path, crate::sample::schema()).unwrap());
            }
            $(#[test] fn $one() { with(|open| super::$one(&open())); })+
            $(#[test] fn $several() { with(|open| super::$several(open)); })+
        }
        mod postgresql {
            fn with(test: &str, run: impl FnOnce(&dyn Fn() -> store::Store)) {
                let Some(database) = crate::server::database(&format!("store/postgresql/{test}")) else { return };
                drop(database.create());
                run(&|| database.open());
            }
            $(#[test] fn $one() { with(stringify!($one), |open| super::$one(&open())); })+
            $(#[test] fn $several() { with(stringify!($several), |open| super::$several(open)); })+
        }
    };
}

contract!(
    one: adds_once_and_knows_again,
    a_log_is_not_continued_with_other_keys,
    an_error_ends_its_transaction,
    an_error_rolls_everything_back,
    a_null_has_no_type,
    a_refused_draft_leaves_its_batch_alone,
    after_a_revocation_nothing_newer,
    batches_add_up_to_one_root,
    definitions_do_not_change,
    hosted_members_sign_themselves,
    modified_before_created_is_refused,
    other_form_of_the_same_content_is_known,
    placeholders_are_numbered_not_ordered,
    many_versions_of_one_object_come_in_at_once,
    references_go_no_further_than_what_they_name,
    the_stricter_of_two_copies_in_one_batch_counts,
    what_is_taken_once_is_narrowed_by_a_stricter_label,
    what_refers_to_an_observable_follows_it_home,
    rows_are_read_until_no_more_are_wanted,
    text_has_no_nul,
    text_is_ordered_by_its_bytes,
    the_log_verifies_and_a_changed_body_shows,
    time_never_repeats_when_the_clock_goes_back,
    two_appenders_and_a_reader_that_follows,
    values_come_back_as_they_went_in,
    what_is_counted_is_an_integer;
    several: a_reader_sees_one_moment,
    a_reopened_store_goes_on,
    local_writers_wait_for_each_other,
    two_processes_append_and_a_third_follows,
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
    let harm = |sql: &'static str, args: &[Value<'_>]| {
        store.local(|tx| tx.execute(sql, args)).map_err(|e: EngineError| e).unwrap()
    };
    harm("UPDATE bodies SET body = ?1 WHERE seq = 17", &[Value::Blob(b"{}")]);
    assert!(verified().faults.iter().any(|f| f.contains("record 17")), "{:?}", verified().faults);
    harm("UPDATE audiences SET marking = 1", &[]);
    assert_eq!(verified().faults.len(), 100, "a loosened marking shows in every entry");
    harm("UPDATE tiles SET hashes = ?1 WHERE level = 1", &[Value::Blob(&[0])]);
    assert!(store.read(|read| verify(read, &signer().origin, key().public_key())).is_err());
}

fn audience(tx: &mut dyn Tx, id: i64) -> Result<u64, EngineError> {
    tx.execute(
        "INSERT INTO audiences (id, author, kind, marking, spec) VALUES (?1, ?2, 1, 0, 'x')",
        &[Value::Int(id), Value::Blob(&[0])],
    )
}

fn int(store: &Store, sql: &'static str, args: &[Value<'_>]) -> i64 {
    let mut int = None;
    store
        .read(|read| {
            read.query(sql, args, &mut |row| {
                int = Some(row.int(0)?);
                Ok(Flow::Stop)
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    int.unwrap()
}

/// What goes on after an error is not committed: half of a batch would be there.
fn an_error_ends_its_transaction(store: &Store) {
    let swallowed: Result<(), EngineError> = store.local(|tx| {
        audience(tx, 1)?;
        assert!(audience(tx, 1).is_err());
        let _ = audience(tx, 2);
        Ok(())
    });
    assert!(matches!(swallowed, Err(EngineError::Refused { .. })), "{swallowed:?}");
    assert_eq!(int(store, "SELECT count(*) FROM audiences", &[]), 0);
    let too_few: Result<(), EngineError> =
        store.local(|tx| tx.insert_many(&SCRATCH, &mut |push| push(&[Value::Int(1)])));
    assert!(matches!(too_few, Err(EngineError::Shape(_))), "{too_few:?}");
    let own: Result<(), EngineError> = store.local(|tx| {
        tx.insert_many(&SCRATCH, &mut |push| {
            (0..20_000)
                .try_for_each(|n| push(&[Value::Int(n), Value::Null, Value::Text("a row"), Value::Null]))?;
            Err(EngineError::shape("the caller's own"))
        })
    });
    assert!(matches!(own, Err(EngineError::Shape(_))), "{own:?}");
    let wrong: Result<(), EngineError> = store.local(|tx| {
        tx.insert_many(&SCRATCH, &mut |push| {
            push(&[Value::Int(1), Value::Text("1x"), Value::Null, Value::Null])
        })
    });
    assert!(wrong.is_err(), "text in a column of integers");
    assert_eq!(int(store, "SELECT count(*) FROM scratch", &[]), 0);
}

fn values_come_back_as_they_went_in(store: &Store) {
    let text = "é 'quoted' \\ $1 ?1 \u{10ffff}";
    let rows: [[Value<'_>; 4]; 4] = [
        [Value::Int(1), Value::Int(i64::MIN), Value::Text(text), Value::Blob(&[0, 255, 1])],
        [Value::Int(2), Value::Int(i64::MAX), Value::Text(""), Value::Blob(&[])],
        [Value::Int(3), Value::Null, Value::Null, Value::Null],
        [Value::Int(4), Value::Int(-1), Value::Text("x"), Value::Null],
    ];
    store
        .local(|tx| {
            tx.insert_many(&SCRATCH, &mut |push| rows[..2].iter().try_for_each(|row| push(row)))?;
            for row in &rows[2..] {
                tx.execute("INSERT INTO scratch (n, int, text, blob) VALUES (?1, ?2, ?3, ?4)", row)?;
            }
            tx.insert_many(&SCRATCH, &mut |_| Ok(()))
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    let mut count = 0;
    store
        .read(|read| {
            read.query("SELECT n, int, text, blob FROM scratch ORDER BY n", &[], &mut |row| {
                let wanted = &rows[count];
                count += 1;
                assert_eq!(Value::Int(row.int(0)?), wanted[0]);
                assert_eq!(Value::int_or_null(row.int_opt(1)?), wanted[1]);
                assert_eq!(Value::text_or_null(row.text_opt(2)?), wanted[2]);
                if wanted[3] == Value::Null {
                    assert!(matches!(row.blob(3), Err(EngineError::Shape(_))));
                } else {
                    assert_eq!(Value::Blob(row.blob(3)?), wanted[3]);
                }
                assert!(matches!(row.int(2), Err(EngineError::Shape(_))), "text is no integer");
                assert!(matches!(row.text(0), Err(EngineError::Shape(_))), "an integer is no text");
                assert!(row.int(9).is_err(), "no such column");
                Ok(Flow::Continue)
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    assert_eq!(count, 4);
}

/// One statement, once with a value and once with NULL in the same place.
fn a_null_has_no_type(store: &Store) {
    let set = |value: Value<'_>, column: &'static str| {
        store
            .local(|tx| {
                tx.execute("DELETE FROM scratch", &[])?;
                tx.execute("INSERT INTO scratch (n) VALUES (1)", &[])?;
                tx.execute(column, &[Value::Int(1), value])
            })
            .map_err(|e: EngineError| e)
            .unwrap()
    };
    let changes = [
        (Value::Int(7), "UPDATE scratch SET int = ?2 WHERE n = ?1"),
        (Value::Text("x"), "UPDATE scratch SET text = ?2 WHERE n = ?1"),
        (Value::Blob(b"x"), "UPDATE scratch SET blob = ?2 WHERE n = ?1"),
    ];
    for (value, change) in changes {
        assert_eq!((set(value, change), set(Value::Null, change), set(value, change)), (1, 1, 1));
    }
    let optional = "SELECT count(*) FROM scratch WHERE text = ?1 OR ?1 IS NULL";
    set(Value::Text("x"), "UPDATE scratch SET text = ?2 WHERE n = ?1");
    let found = [Value::Null, Value::Text("x"), Value::Text("y")].map(|value| int(store, optional, &[value]));
    assert_eq!(found, [1, 1, 0]);
}

fn text_has_no_nul(store: &Store) {
    let bound: Result<u64, EngineError> =
        store.local(|tx| tx.execute("INSERT INTO scratch (n, text) VALUES (1, ?1)", &[Value::Text("a\0b")]));
    assert!(matches!(bound, Err(EngineError::Shape(_))), "{bound:?}");
    let many: Result<(), EngineError> = store.local(|tx| {
        tx.insert_many(&SCRATCH, &mut |push| {
            push(&[Value::Int(1), Value::Null, Value::Text("a\0b"), Value::Null])
        })
    });
    assert!(matches!(many, Err(EngineError::Shape(_))), "{many:?}");
}

pub fn text_is_ordered_by_its_bytes(store: &Store) {
    let words = ["", "A", "B", "Z", "_", "a", "a b", "ab", "z", "é", "\u{ffff}", "\u{10000}"];
    store
        .local(|tx| {
            tx.insert_many(&SCRATCH, &mut |push| {
                words.iter().rev().zip(1..).try_for_each(|(word, n)| {
                    push(&[Value::Int(n), Value::Null, Value::Text(word), Value::Null])
                })
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    let mut found = Vec::new();
    store
        .read(|read| {
            read.query("SELECT text FROM scratch ORDER BY text", &[], &mut |row| {
                found.push(row.text(0)?.to_owned());
                Ok(Flow::Continue)
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    assert_eq!(found, words);
    assert_eq!(int(store, "SELECT count(*) FROM scratch WHERE text > ?1", &[Value::Text("Z")]), 8);
}

/// Conditions, sums and literals have other types on PostgreSQL; a row gives integers.
fn what_is_counted_is_an_integer(store: &Store) {
    assert_eq!(int(store, "SELECT sum(n) IS NULL FROM scratch", &[]), 1);
    store
        .local(|tx| {
            tx.insert_many(&SCRATCH, &mut |push| {
                (1..=3)
                    .try_for_each(|n| push(&[Value::Int(n), Value::Int(n << 60), Value::Null, Value::Null]))
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    let told = [
        ("SELECT 1 FROM scratch", 1),
        ("SELECT count(*) FROM scratch", 3),
        ("SELECT sum(int) FROM scratch", 6 << 60),
        ("SELECT sum(n) FROM scratch WHERE n > 1", 5),
        ("SELECT coalesce(max(n), 0) + 1 FROM scratch", 4),
        ("SELECT n = 2 FROM scratch WHERE n = 2", 1),
        ("SELECT text IS NOT NULL FROM scratch", 0),
    ];
    for (sql, value) in told {
        assert_eq!(int(store, sql, &[]), value, "{sql}");
    }
}

fn rows_are_read_until_no_more_are_wanted(store: &Store) {
    store
        .local(|tx| {
            tx.insert_many(&SCRATCH, &mut |push| {
                (0..10_000)
                    .try_for_each(|n| push(&[Value::Int(n), Value::Null, Value::Text("a row"), Value::Null]))
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    let sums = store
        .read(|read| {
            let mut sums = Vec::new();
            for wanted in [1, 3, 10_000] {
                let (mut sum, mut count) = (0, 0);
                read.query("SELECT n FROM scratch ORDER BY n", &[], &mut |row| {
                    sum += row.int(0)?;
                    count += 1;
                    Ok(if count == wanted { Flow::Stop } else { Flow::Continue })
                })?;
                sums.push(sum);
            }
            Ok::<_, EngineError>(sums)
        })
        .unwrap();
    assert_eq!(sums, [0, 3, 49_995_000]);
}

fn an_error_rolls_everything_back(store: &Store) {
    let failed: Result<(), EngineError> =
        store.local(|tx| audience(tx, 1).and_then(|_| audience(tx, 1)).map(|_| ()));
    assert!(failed.is_err());
    assert_eq!(int(store, "SELECT count(*) FROM audiences", &[]), 0);
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

/// The same with a store, and so a connection and a writer, for each process: what a batch builds on must be
/// read behind the lock.
fn two_processes_append_and_a_third_follows(open: &dyn Fn() -> Store) {
    const EACH: u32 = 150;
    let (stores, follower) = ([open(), open()], open());
    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let appenders: Vec<_> = stores
            .iter()
            .zip(0..)
            .map(|(store, half)| {
                scope.spawn(move || {
                    let writer = writer(store, None);
                    for n in 0..EACH {
                        let n = half * 1_000 + n;
                        assert_eq!(added(&submit(&writer, vec![green(&indicator(n, 0, "a"))])), 1);
                    }
                })
            })
            .collect();
        let follower = scope.spawn(|| {
            let (mut seen, mut cursor) = (Vec::new(), 0);
            loop {
                let last_round = done.load(Ordering::SeqCst);
                let rows = follower.read(|read| record::after(read, cursor, 7)).unwrap();
                if let Some(last) = rows.last() {
                    cursor = last.seq;
                    seen.extend(rows.into_iter().map(|r| (r.seq, r.time, r.id)));
                } else if last_round {
                    return seen;
                }
            }
        });
        let ended: Vec<_> = appenders.into_iter().map(|a| a.join()).collect();
        done.store(true, Ordering::SeqCst);
        let seen = follower.join().unwrap();
        assert!(ended.iter().all(Result::is_ok), "an appender failed");
        seen
    });
    assert_eq!(seen.len(), 2 * EACH as usize);
    assert!(
        seen.windows(2).all(|w| w[0].0 + 1 == w[1].0 && w[0].1 < w[1].1),
        "a gap, or a time that repeats"
    );
    assert_eq!(seen.iter().map(|(_, _, id)| id).collect::<std::collections::HashSet<_>>().len(), seen.len());
    let report = open().read(|read| verify(read, &signer().origin, key().public_key())).unwrap();
    assert_eq!((report.records, report.faults), (2 * u64::from(EACH), Vec::new()));
}

/// A count taken before another process writes is the count after it, as long as the reading goes on.
fn a_reader_sees_one_moment(open: &dyn Fn() -> Store) {
    let (store, other) = (open(), open());
    let count = |read: &mut dyn Read| {
        let mut count = 0;
        read.query("SELECT count(*) FROM records", &[], &mut |row| {
            count = row.int(0)?;
            Ok(Flow::Stop)
        })?;
        Ok::<i64, EngineError>(count)
    };
    let counts = store
        .read(|read| {
            let before = count(read)?;
            submit(&writer(&other, None), vec![green(&indicator(1, 0, "a"))]);
            Ok::<_, EngineError>((before, count(read)?))
        })
        .unwrap();
    assert_eq!(counts, (0, 0));
    assert_eq!(store.read(count).unwrap(), 1);
}

/// What was written by one process is there for the next, and the log goes on from it.
fn a_reopened_store_goes_on(open: &dyn Fn() -> Store) {
    for round in 0..4u32 {
        let store = open();
        let writer = writer(&store, None);
        submit(&writer, (0..100).map(|n| green(&indicator(round * 100 + n, 0, "a"))).collect());
        drop(writer);
        let report = store.read(|read| verify(read, &signer().origin, key().public_key())).unwrap();
        assert_eq!((report.records, report.faults.len()), (u64::from(round + 1) * 100, 0));
    }
}

/// Reading the highest number and writing the next is one act, whoever else does it.
fn local_writers_wait_for_each_other(open: &dyn Fn() -> Store) {
    let stores = [open(), open()];
    thread::scope(|scope| {
        for store in &stores {
            scope.spawn(move || {
                for _ in 0..50 {
                    store
                        .local(|tx| {
                            let mut next = 0;
                            tx.query("SELECT coalesce(max(n), 0) + 1 FROM scratch", &[], &mut |row| {
                                next = row.int(0)?;
                                Ok(Flow::Stop)
                            })?;
                            tx.execute("INSERT INTO scratch (n) VALUES (?1)", &[Value::Int(next)])
                        })
                        .map_err(|e: EngineError| e)
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(int(&stores[0], "SELECT max(n) FROM scratch", &[]), 100);
}

const ADDRESS: &str = r#"{"type":"ipv4-addr","spec_version":"2.1","id":"ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd","value":"198.51.100.3"}"#;
const SEEN: &str = r#"{"type":"observed-data","spec_version":"2.1","id":"observed-data--00000000-0000-4000-8000-000000000001","created":"2024-01-01T00:00:00Z","modified":"2024-01-01T00:00:00Z","first_observed":"2024-01-01T00:00:00Z","last_observed":"2024-01-01T00:00:00Z","number_observed":1,"object_refs":["ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd"]}"#;

/// Heads of the records of an object, in order.
fn heads_of(store: &Store, json: &str) -> Vec<Head> {
    let key = draft(json, OWN, own(), Marking::NONE).subject.key;
    store
        .read(|read| {
            let heads = Heads::load(read)?;
            let rows = record::of_subject(read, key)?;
            rows.iter()
                .map(|row| heads.of(row.audience_row).cloned())
                .collect::<Result<Vec<_>, EngineError>>()
        })
        .unwrap()
}

/// The time of a batch grew with the square of the versions of one object.
fn many_versions_of_one_object_come_in_at_once(store: &Store) {
    let writer = writer(store, None);
    let many = VERSIONS_PER_OBJECT_MAX as u32;
    let minute = |n: u32| {
        let (day, rest) = (1 + n / 1_440, n % 1_440);
        indicator(1, rest, "").replace("modified\":\"2024-01-01", &format!("modified\":\"2024-01-{day:02}"))
    };
    let began = std::time::Instant::now();
    let outcomes = submit(&writer, (0..=many).map(|n| green(&minute(n))).collect());
    assert_eq!(added(&outcomes), many as usize);
    let full = Outcome::Refused(Refused::Gate(Refusal::TooManyVersions));
    assert_eq!(outcomes.last(), Some(&full));
    assert_eq!(submit(&writer, vec![green(&minute(5)), green(&minute(many + 1))]), [Outcome::Known, full]);
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}

/// It was answered as narrowed, and the looser copy stood.
fn the_stricter_of_two_copies_in_one_batch_counts(store: &Store) {
    let writer = writer(store, None);
    let both = |json: &str| {
        let as_marked = |tlp| draft(json, OWN, community(1), Marking::tlp(tlp));
        submit(&writer, vec![as_marked(Tlp::Green), as_marked(Tlp::AmberStrict)])
    };
    for json in [&indicator(1, 0, ""), ADDRESS] {
        let outcomes = both(json);
        assert!(matches!(outcomes.as_slice(), [Outcome::Added { .. }, Outcome::Narrowed]), "{outcomes:?}");
        let labels: Vec<_> = heads_of(store, json).iter().map(|head| head.marking).collect();
        assert_eq!(labels, [Marking::tlp(Tlp::AmberStrict)]);
    }
}

/// A list that is imported again makes versions of its own time, so none was compared.
fn what_is_taken_once_is_narrowed_by_a_stricter_label(store: &Store) {
    let writer = writer(store, None);
    let once = |minute: u32, tlp| {
        let draft = draft(&indicator(1, minute, ""), OWN, community(1), Marking::tlp(tlp));
        submit(&writer, vec![Draft { only_if_new: true, ..draft }])[0]
    };
    assert!(matches!(once(0, Tlp::Green), Outcome::Added { .. }));
    assert_eq!(once(1, Tlp::AmberStrict), Outcome::Narrowed);
    assert_eq!(once(2, Tlp::Green), Outcome::Known);
    let labels: Vec<_> = heads_of(store, &indicator(1, 0, "")).iter().map(|head| head.marking).collect();
    assert_eq!(labels, [Marking::tlp(Tlp::AmberStrict)]);
}

/// Whether the address is narrowed, withdrawn, or comes later for fewer: who may not have it has nothing that
/// names it.
fn what_refers_to_an_observable_follows_it_home(store: &Store) {
    let writer = writer(store, None);
    let amber = Marking::tlp(Tlp::Amber);
    let share = |json: &str, to: Audience, marking| {
        assert_eq!(added(&submit(&writer, vec![draft(json, OWN, to, marking)])), 1, "{json}");
    };
    let recall = |json: &str, n: i64, act: Act| {
        let key = draft(json, OWN, own(), amber).subject.key;
        let entries = store.read(|read| places(read, OWN, key)).unwrap();
        let entries = entries.into_iter().map(|(place, _)| place).collect();
        let body = Recall { act, entries, reason: String::new() }.print();
        let subject = Subject::document(format!("x-polder-recall--{n}"), Timestamp::from_micros(n));
        let salts = Salts { subject: [1; 16], body: [2; 16], audience: [3; 16] };
        let recall = Draft::new(Kind::RECALL, subject, body, OWN, own(), amber, salts);
        assert_eq!(added(&submit(&writer, vec![recall])), 1);
    };
    let head = |json: &str| heads_of(store, json).pop().unwrap();
    let of = |n: u8, json: &str| {
        json.replace("0001\"", &format!("000{n}\"")).replace("6742dd", &format!("67420{n}"))
    };
    // It names an address of which nothing is known yet, and then an unmarked one for the own organisation.
    share(SEEN, community(1), amber);
    share(ADDRESS, own(), Marking::NONE);
    assert_eq!((head(SEEN).audience, head(SEEN).marking.unknown), (own(), true));
    // An unmarked one for the same community.
    share(&of(2, SEEN), community(1), Marking::tlp(Tlp::AmberStrict));
    share(&of(2, ADDRESS), community(1), Marking::NONE);
    assert!(head(&of(2, SEEN)).marking.unknown);
    // The community was told of these, until they are narrowed and withdrawn.
    for n in [3, 4] {
        share(&of(n, ADDRESS), community(1), amber);
        share(&of(n, SEEN), community(1), amber);
        assert_eq!(head(&of(n, SEEN)).audience, community(1));
    }
    recall(&of(3, ADDRESS), 3, Act::Narrow { marking: amber, audience: Some(own()) });
    recall(&of(4, ADDRESS), 4, Act::Withdraw);
    for n in [3, 4] {
        assert_eq!((head(&of(n, SEEN)).audience, head(&of(n, SEEN)).marking), (own(), amber));
    }
}

/// Another directory of the same database had changed the keys, and what this process signed did not verify.
fn a_log_is_not_continued_with_other_keys(store: &Store) {
    submit(&writer(store, None), vec![green(&indicator(1, 0, ""))]);
    let other = Signer { key: LogKey::from_bytes(&[9; LOG_KEY_BYTES]).unwrap(), ..signer() };
    let circumstances = || Circumstances { now: Timestamp::from_micros(1), randomness: [0; 32] };
    let stranger = store.writer(other, None, circumstances).unwrap();
    // What another member says of its own keys does not change those of this log.
    let subject = Subject::document("x-polder-member--p".to_owned(), Timestamp::from_micros(1));
    let salts = Salts { subject: [1; 16], body: [2; 16], audience: [3; 16] };
    let (kind, marking) = (Kind::MEMBER_ROTATION, Marking::tlp(Tlp::Clear));
    let rotation = Draft::new(kind, subject, b"{}".to_vec(), PARTNER, own(), marking, salts);
    for more in [vec![], vec![rotation]] {
        let drafts = [vec![green(&indicator(2, 0, ""))], more].concat();
        let refused = stranger.submit(drafts).wait().unwrap_err();
        let store::SubmitError::Engine(error) = refused else { panic!("{refused:?}") };
        assert!(matches!(&*error, EngineError::Unfit(why) if why.contains("start it again")), "{error}");
    }
    assert_eq!(added(&submit(&writer(store, None), vec![green(&indicator(3, 0, ""))])), 1);
}
