// SPDX-License-Identifier: Apache-2.0
//! The history on a real engine.

use hunt::finding::Finding;
use hunt::history::{Coverage, Recorded, Sighted, TABLES, coverage, record_file, seen};
use hunt::indicator::read_list;
use hunt::run::{Hunt, Options, hunt_input};
use hunt::scan::IndicatorSet;
use ledger::sql::{EngineError, Flow};
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;
use store::{Schema, Store};

fn store() -> Store {
    Store::memory(Schema { views: Vec::new(), local: TABLES.to_vec() }).unwrap()
}

fn hunt(name: &str, log: &[u8], list: &str) -> (Hunt<'static>, Vec<Finding>) {
    let set = IndicatorSet::build(read_list(list.as_bytes(), "list").indicators);
    let mut findings = Vec::new();
    let hunt =
        hunt_input(&mut &*log, name, &set, &Options { history: true, threads: 1 }, &mut |f| findings.push(f));
    (hunt, findings)
}

fn record(store: &Store, name: &str, log: &[u8], list: &str) -> Recorded {
    let (hunt, findings) = hunt(name, log, list);
    store
        .local(|tx| record_file(tx, &hunt.report, &hunt.left.observed, &findings, Timestamp::EPOCH))
        .map_err(|e: EngineError| e)
        .unwrap()
}

fn ask(store: &Store, kind: ObservableKind, text: &str, with_subdomains: bool) -> Sighted {
    let observable = Observable::parse(kind, text).unwrap();
    store.read(|read| seen(read, &observable, with_subdomains)).map_err(|e: EngineError| e).unwrap()
}

fn covered(store: &Store) -> Coverage {
    store.read(coverage).map_err(|e: EngineError| e).unwrap()
}

fn findings_in(store: &Store) -> i64 {
    let mut count = 0;
    store
        .read(|read| {
            read.query("SELECT count(*) FROM hunt_findings", &[], &mut |row| {
                count = row.int(0)?;
                Ok(Flow::Stop)
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    count
}

const MONDAY: &[u8] =
    b"2024-01-01T10:00:00Z 8.8.8.8 www.example.org\n2024-01-01T11:00:00Z 8.8.8.8 example.org\n";
const TUESDAY: &[u8] =
    b"2024-01-02T10:00:00Z 8.8.8.8 my-example.org\n2024-01-02T11:00:00Z 8.8.9.9 10.0.0.1\n";

#[test]
fn ever_seen_says_when_how_often_and_where() {
    let store = store();
    assert_eq!(ask(&store, ObservableKind::Ip, "8.8.8.8", false), Sighted::default());
    assert_eq!(covered(&store), Coverage::default());
    record(&store, "monday.log", MONDAY, "");
    record(&store, "tuesday.log", TUESDAY, "");
    let answer = ask(&store, ObservableKind::Ip, "8.8.8.8", false);
    assert_eq!((answer.count, answer.days, answer.sources.len()), (3, 2, 2));
    assert_eq!(answer.first.unwrap().to_string(), "2024-01-01T10:00:00.000000Z");
    assert_eq!(answer.last.unwrap().to_string(), "2024-01-02T10:00:00.000000Z");
    assert_eq!((answer.sources[0].file.as_str(), answer.sources[0].count), ("monday.log", 2));
    assert_eq!(ask(&store, ObservableKind::Ip, "10.0.0.1", false).count, 0, "internal");
    assert_eq!(ask(&store, ObservableKind::Cidr, "8.8.0.0/16", false).count, 4);
    assert_eq!(ask(&store, ObservableKind::Domain, "example.org", false).count, 1);
    assert_eq!(
        ask(&store, ObservableKind::Domain, "example.org", true).count,
        2,
        "my-example.org is another"
    );
    let coverage = covered(&store);
    assert_eq!((coverage.files, coverage.partial_files, coverage.lines, coverage.unread_lines), (2, 0, 4, 0));
    assert_eq!(coverage.last.unwrap().to_string(), "2024-01-02T11:00:00.000000Z");
}

#[test]
fn the_same_content_never_counts_twice() {
    let store = store();
    assert_eq!(record(&store, "a.log", MONDAY, "8.8.8.8"), Recorded::Added { new_findings: 2 });
    assert_eq!(record(&store, "a.log", MONDAY, "8.8.8.8"), Recorded::Known { new_findings: 0 });
    assert_eq!(
        record(&store, "copy.log", MONDAY, "8.8.8.8\nexample.org"),
        Recorded::Known { new_findings: 2 }
    );
    assert_eq!(ask(&store, ObservableKind::Ip, "8.8.8.8", false).count, 2);
    assert_eq!((covered(&store).files, findings_in(&store)), (1, 4));
}

#[test]
fn a_file_that_has_grown_replaces_itself() {
    let store = store();
    record(&store, "a.log", MONDAY, "8.8.8.8");
    let grown = [MONDAY, TUESDAY].concat();
    assert_eq!(record(&store, "a.log", &grown, "8.8.8.8"), Recorded::Grown { new_findings: 3 });
    assert_eq!(ask(&store, ObservableKind::Ip, "8.8.8.8", false).count, 3);
    assert_eq!((covered(&store).files, findings_in(&store)), (1, 3));
}

#[test]
fn a_rotated_file_keeps_what_its_name_held_before() {
    let store = store();
    let day = |name: &str| {
        (0..200).flat_map(|n| format!("{name} line {n} 8.8.8.8\n").into_bytes()).collect::<Vec<u8>>()
    };
    assert!(day("monday").len() > hunt::reader::HEAD_BYTES);
    record(&store, "a.log", &day("monday"), "");
    assert_eq!(record(&store, "a.log", &day("wednesday"), ""), Recorded::Added { new_findings: 0 });
    assert_eq!(record(&store, "a.log.1", &day("monday"), ""), Recorded::Known { new_findings: 0 });
    assert_eq!(ask(&store, ObservableKind::Ip, "8.8.8.8", false).count, 400);
}

#[test]
fn a_record_that_fails_leaves_nothing() {
    let store = store();
    let (hunt, findings) = hunt("a.log", MONDAY, "8.8.8.8");
    let failed = store.local(|tx| {
        record_file(tx, &hunt.report, &hunt.left.observed, &findings, Timestamp::EPOCH)?;
        Err::<(), _>(EngineError::shape("the test pulls the plug"))
    });
    assert!(failed.is_err());
    assert_eq!((covered(&store).files, findings_in(&store)), (0, 0));
    assert_eq!(record(&store, "a.log", MONDAY, "8.8.8.8"), Recorded::Added { new_findings: 2 });
}

#[test]
fn text_that_holds_nul_is_stored() {
    let store = store();
    assert_eq!(record(&store, "a.log", b"\0 8.8.8.8 \0\n", "8.8.8.8"), Recorded::Added { new_findings: 1 });
}

#[test]
fn a_damaged_file_counts_as_partial() {
    let store = store();
    record(&store, "a.zip", b"PK\x03\x04", "");
    assert_eq!((covered(&store).files, covered(&store).partial_files), (1, 1));
}
