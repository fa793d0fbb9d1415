// SPDX-License-Identifier: Apache-2.0
//! Views that are made anew: beside the one that answers, from where a crash left it, with appends between.

use std::path::Path;

use ledger::sql::{EngineError, Flow, Table, TableKind, Tx, Value};
use ledger::view::{Body, Record, View};
use proptest::prelude::*;
use store::{Rebuilt, Schema, Scrub, Store};

use crate::sample::*;

/// What the view makes of a record: version 2 says it louder.
static SAID: Table = Table {
    name: "said",
    kind: TableKind::View,
    columns: &["seq", "id", "times"],
    sqlite: &[
        "CREATE TABLE said (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, times INTEGER NOT NULL) STRICT",
        "CREATE INDEX said_by_id ON said (id, seq)",
    ],
    postgres: &[
        r#"CREATE TABLE said (seq BIGINT PRIMARY KEY, id TEXT COLLATE "C" NOT NULL, times BIGINT NOT NULL)"#,
        "CREATE INDEX said_by_id ON said (id, seq)",
    ],
};

static SAID_SKIPPED: Table = Table {
    name: "said_skipped",
    kind: TableKind::View,
    columns: &["seq", "code"],
    sqlite: &["CREATE TABLE said_skipped (seq INTEGER PRIMARY KEY, code TEXT NOT NULL) STRICT"],
    postgres: &[r#"CREATE TABLE said_skipped (seq BIGINT PRIMARY KEY, code TEXT COLLATE "C" NOT NULL)"#],
};

static TABLES: &[&Table] = &[&SAID, &SAID_SKIPPED];

struct SaidView {
    version: i64,
}

impl View for SaidView {
    fn name(&self) -> &'static str {
        "said"
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn skipped(&self) -> Option<&'static str> {
        Some("SELECT code, count(*) FROM said_skipped GROUP BY code ORDER BY code")
    }

    /// Uses every way of a transaction: a query on its own table, a statement, many rows.
    fn apply(&self, tx: &mut dyn Tx, records: &[Record<'_>]) -> Result<(), EngineError> {
        for record in records {
            if record.body == Body::Erased {
                tx.execute("DELETE FROM said WHERE said.seq = ?1", &[Value::Int(record.seq)])?;
                continue;
            }
            if record.seq % 5 == 0 {
                tx.insert_many(&SAID_SKIPPED, &mut |push| {
                    push(&[Value::Int(record.seq), Value::Text("fifth")])
                })?;
                continue;
            }
            let mut times = 1;
            tx.as_read().query(
                "SELECT count(*) FROM said WHERE id = ?1",
                &[Value::Text(record.id)],
                &mut |row| {
                    times += row.int(0)?;
                    Ok(Flow::Stop)
                },
            )?;
            let id = if self.version == 1 { record.id.to_owned() } else { record.id.to_uppercase() };
            tx.insert_many(&SAID, &mut |push| {
                push(&[Value::Int(record.seq), Value::Text(&id), Value::Int(times)])
            })?;
        }
        Ok(())
    }
}

fn at_version(version: i64) -> Schema {
    Schema { views: vec![Box::new(SaidView { version })], local: Vec::new() }
}

fn said(store: &Store) -> Vec<(i64, String, i64)> {
    let mut rows = Vec::new();
    store
        .read(|read| {
            read.query("SELECT seq, id, times FROM said ORDER BY seq", &[], &mut |row| {
                rows.push((row.int(0)?, row.text(1)?.to_owned(), row.int(2)?));
                Ok(Flow::Continue)
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    rows
}

fn objects(store: &Store) -> Vec<String> {
    let mut names = Vec::new();
    store
        .read(|read| {
            let sql = "SELECT name FROM sqlite_schema WHERE name LIKE 'said%' ORDER BY name";
            read.query(sql, &[], &mut |row| {
                names.push(row.text(0)?.to_owned());
                Ok(Flow::Continue)
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    names
}

fn append(store: &Store, ids: std::ops::Range<u32>, minute: u32) {
    let writer = writer(store, None);
    submit(&writer, ids.map(|n| green(&indicator(n, minute, "a"))).collect());
}

fn whole(store: &Store) {
    assert_eq!(store.bring_up(&mut |_| Flow::Continue).unwrap(), Rebuilt::Done);
}

fn file(dir: &Path, version: i64) -> Store {
    let path = dir.join("polder.db");
    if path.exists() {
        Store::open(&path, at_version(version))
    } else {
        Store::create(&path, at_version(version))
    }
    .unwrap()
}

/// The old view answers until the switch, and the writer keeps it.
#[test]
fn the_old_view_answers_while_the_new_one_is_built() {
    let dir = tempfile::tempdir().unwrap();
    for store in [Store::memory(at_version(1)).unwrap(), file(dir.path(), 1)] {
        append(&store, 0..30, 0);
        store.rebuild_in_batches_of(3);
        let mut seen = Vec::new();
        let mut n = 30;
        store
            .rebuild("said", &mut |progress| {
                seen.push(progress.percent());
                append(&store, n..n + 3, 0);
                n += 3;
                assert_eq!(said(&store).len() + skipped(&store), n as usize, "the old one is kept");
                assert_eq!(store.read(|read| store.rebuilding(read, "said")).unwrap(), None, "and answers");
                Flow::Continue
            })
            .unwrap();
        assert!(seen.len() > 4 && seen.windows(2).all(|w| w[0] < w[1]), "{seen:?}");
        assert_eq!(said(&store).len() + skipped(&store), n as usize);
        append(&store, n..n + 3, 0);
        assert_eq!(said(&store).len() + skipped(&store), n as usize + 3, "the new one is kept");
        assert!(store.left_over_tables().unwrap().is_empty());
        assert_eq!(store.view_reports().unwrap()[0].skipped, [("fifth".to_owned(), (n as u64 + 3) / 5)]);
    }
}

fn skipped(store: &Store) -> usize {
    store.view_reports().unwrap()[0].skipped.iter().map(|(_, count)| *count as usize).sum()
}

/// Index names take turns, and a third rebuild finds the first name free again.
#[test]
fn a_view_is_rebuilt_again_and_again() {
    let store = Store::memory(at_version(1)).unwrap();
    append(&store, 0..20, 0);
    let (kept, made) = (said(&store), objects(&store));
    for round in 1..5 {
        store.rebuild_all(&mut |_| Flow::Continue).unwrap();
        assert_eq!(said(&store), kept);
        let expected = if round % 2 == 0 { made.clone() } else { with_other_index(&made) };
        assert_eq!(objects(&store), expected, "round {round}");
    }
}

fn with_other_index(made: &[String]) -> Vec<String> {
    made.iter()
        .map(|name| if name == "said_by_id" { "said_by_id__next".to_owned() } else { name.clone() })
        .collect()
}

/// A program whose code has a new version: nobody asks the old tables, the writer leaves them alone, and
/// what comes meanwhile is not lost.
#[test]
fn a_new_version_is_built_from_the_records() {
    let dir = tempfile::tempdir().unwrap();
    append(&file(dir.path(), 1), 0..30, 0);
    let store = file(dir.path(), 2);
    assert_eq!(store.stale_views().unwrap(), ["said"]);
    let progress = || store.read(|read| store.rebuilding(read, "said")).unwrap();
    assert_eq!(progress().unwrap().percent(), 0);
    append(&store, 30..40, 0);
    assert_eq!(said(&store).len(), 24, "version 1 is not written by version 2");
    store.rebuild_in_batches_of(10);
    let mut percents = Vec::new();
    store
        .bring_up(&mut |told| {
            percents.push(told.percent());
            assert_eq!(progress(), Some(told));
            append(&store, 40..45, 0);
            Flow::Continue
        })
        .unwrap();
    assert_eq!(percents, [50, 88], "of 40, then of 45 records");
    assert_eq!(progress(), None);
    assert!(said(&store).iter().all(|(_, id, _)| id.starts_with("INDICATOR")));
    assert_eq!(said(&store).len(), 36);
    append(&store, 45..49, 0);
    assert_eq!(said(&store).len(), 40, "from here on it is kept");
}

/// Law 2: however a build is cut into batches, stopped and begun again by another process, and whatever is
/// appended between, the view equals the one that was kept.
fn stop_and_go(batch: usize, acts: &[(u8, u8)], reopen: &dyn Fn(Store) -> Store) {
    let mut store = reopen(Store::memory(at_version(1)).unwrap());
    append(&store, 0..20, 0);
    let mut next = 20;
    let mut acts = acts.iter();
    loop {
        store.rebuild_in_batches_of(batch);
        let ended = store
            .rebuild("said", &mut |_| {
                let (count, stop) = acts.next().copied().unwrap_or((0, 1));
                // Older objects come again in a new version: rows that build on earlier ones.
                append(&store, 0..u32::from(count % 3), next);
                append(&store, next..next + u32::from(count % 2), 0);
                next += u32::from(count % 2);
                if stop % 3 == 0 { Flow::Stop } else { Flow::Continue }
            })
            .unwrap();
        if ended == Rebuilt::Done {
            break;
        }
        assert!(!store.left_over_tables().unwrap().is_empty());
        store = reopen(store);
    }
    assert!(store.left_over_tables().unwrap().is_empty());
    let rebuilt = said(&store);
    let kept = Store::memory(at_version(1)).unwrap();
    refill(&store, &kept);
    assert_eq!(rebuilt, said(&kept));
}

/// Hands every record of one store to another, one at a time.
fn refill(from: &Store, to: &Store) {
    let rows = from.read(|read| ledger::record::after(read, 0, 10_000)).unwrap();
    let writer = writer(to, None);
    for row in rows {
        submit(&writer, vec![green(std::str::from_utf8(&row.body.unwrap()).unwrap())]);
    }
}

/// The same on a file, which another process opens after each stop.
#[test]
fn stopped_and_begun_again_by_another_process() {
    let dir = tempfile::tempdir().unwrap();
    stop_and_go(5, &[(1, 0), (2, 1), (3, 0)], &|store| {
        drop(store);
        file(dir.path(), 1)
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stopped_and_begun_again_it_equals_the_kept_one(
        batch in 1usize..9,
        acts in prop::collection::vec((any::<u8>(), any::<u8>()), 1..12),
    ) {
        stop_and_go(batch, &acts, &|store| store);
    }
}

/// A batch ends at its bytes too.
#[test]
fn a_batch_is_bounded_by_its_bytes() {
    let store = Store::memory(at_version(1)).unwrap();
    append(&store, 0..10, 0);
    let two = store.read(|read| {
        let one = ledger::record::batch_after(read, 0, 10, 1)?;
        assert_eq!(one.len(), 1, "a record that is larger than the limit is a batch of its own");
        let bytes = one[0].entry.len() + one[0].body.as_ref().unwrap().len();
        ledger::record::batch_after(read, 0, 10, bytes + 1)
    });
    assert_eq!(two.map_err(|e: EngineError| e).unwrap().len(), 2);
}

/// A missing table makes the view stale when the store is opened; the writer goes on without it.
#[test]
fn a_missing_table_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = file(dir.path(), 1);
    append(&store, 0..12, 0);
    let kept = said(&store);
    store.local(|tx| tx.execute("DROP TABLE said_skipped", &[])).map_err(|e: EngineError| e).unwrap();
    drop(store);
    let found = Store::open_as_found(&dir.path().join("polder.db"), at_version(1)).unwrap();
    assert_eq!(found.view_reports().unwrap()[0].missing, ["said_skipped"]);
    drop(found);
    let store = file(dir.path(), 1);
    assert_eq!(store.stale_views().unwrap(), ["said"]);
    append(&store, 12..14, 0);
    whole(&store);
    assert_eq!(said(&store)[..kept.len()], kept);
    assert_eq!((said(&store).len(), skipped(&store)), (12, 2));
}

/// Another program, or another version of it, appends without knowing the view: nothing is missed later.
#[test]
fn what_another_program_appended_is_caught_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = file(dir.path(), 1);
    append(&store, 0..12, 0);
    let stranger = Store::open(&dir.path().join("polder.db"), Schema::default()).unwrap();
    append(&stranger, 12..20, 0);
    assert_eq!(store.view_reports().unwrap()[0].behind, 8);
    append(&store, 20..22, 0);
    assert_eq!(store.view_reports().unwrap()[0].behind, 10, "no gap: what comes later waits too");
    store.rebuild_in_batches_of(3);
    whole(&store);
    assert_eq!((said(&store).len(), skipped(&store)), (18, 4));
    assert_eq!(store.view_reports().unwrap()[0].behind, 0);
}

fn rename(store: &Store, sql: &'static str) {
    store.local(|tx| tx.execute(sql, &[])).map_err(|e: EngineError| e).unwrap();
}

/// A rebuild that ended between its switch and its tidying up: the writer carries no erasure into what it left.
#[test]
fn a_table_that_was_switched_away_is_no_place_for_what_is_erased() {
    let dir = tempfile::tempdir().unwrap();
    let store = file(dir.path(), 1);
    append(&store, 0..12, 0);
    assert_eq!(store.scrub().unwrap(), Scrub::Gone);
    rename(&store, "CREATE TABLE said__old (seq INTEGER PRIMARY KEY, id TEXT, times INTEGER)");
    let Scrub::Remains(places) = store.scrub().unwrap() else { panic!("said__old was not told") };
    assert!(places.len() == 1 && places[0].contains("said__old"), "{places:?}");
    // All views answer, and it goes all the same.
    whole(&store);
    assert_eq!(store.left_over_tables().unwrap(), Vec::<String>::new());
    assert_eq!(store.scrub().unwrap(), Scrub::Gone);
    // Another version's tables do not hear of an erasure either.
    let newer = file(dir.path(), 2);
    let Scrub::Remains(places) = newer.scrub().unwrap() else { panic!("the old version was not told") };
    assert_eq!(places.len(), 2, "{places:?}");
    whole(&newer);
    assert_eq!(newer.scrub().unwrap(), Scrub::Gone);
}

/// An older program that comes back after the switch makes its own version again.
#[test]
fn back_to_the_older_version() {
    let dir = tempfile::tempdir().unwrap();
    append(&file(dir.path(), 1), 0..7, 0);
    let newer = file(dir.path(), 2);
    whole(&newer);
    let older = file(dir.path(), 1);
    append(&older, 7..9, 0);
    assert_eq!(newer.view_reports().unwrap()[0].behind, 2);
    whole(&older);
    assert!(said(&older).iter().all(|(_, id, _)| id.starts_with("indicator")));
    assert_eq!(said(&older).len(), 8);
}
