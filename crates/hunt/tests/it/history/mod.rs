// SPDX-License-Identifier: Apache-2.0
//! The history on a real engine.

mod crash;
mod format;
mod keeping;
mod laws;
mod limits;
mod places;
mod support;
mod together;

use std::sync::atomic::Ordering;

use hunt::event::SourceKind;
use hunt::history::{Added, Coverage, HistoryError, Keep, ReadFile, Recorded, Sighted, Step, Zeal};
use ledger::sql::{EngineError, Flow, Value};
use model::observable::ObservableKind;

use support::{NOW, Node};

const MONDAY: &[u8] =
    b"2024-01-01T10:00:00Z 8.8.8.8 www.example.org\n2024-01-01T11:00:00Z 8.8.8.8 example.org\n";
const TUESDAY: &[u8] =
    b"2024-01-02T10:00:00Z 8.8.8.8 my-example.org\n2024-01-02T11:00:00Z 8.8.9.9 10.0.0.1\n";

fn covered(node: &Node) -> Coverage {
    node.history().coverage(ObservableKind::Ip, &Keep::default(), NOW).unwrap()
}

fn findings_in(node: &Node) -> i64 {
    let mut count = 0;
    node.store
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

fn merge_all(node: &Node) {
    while node.history().merge_step(Zeal::All, NOW).unwrap() != Step::Idle {}
}

#[test]
fn ever_seen_says_when_how_often_and_where() {
    let node = Node::new();
    assert_eq!(node.ask(ObservableKind::Ip, "8.8.8.8", false), Sighted::default());
    assert_eq!((covered(&node).files, covered(&node).shows.len()), (0, 0));
    node.record("monday.log", MONDAY, "").unwrap();
    node.record("tuesday.log", TUESDAY, "").unwrap();
    for merged in [false, true] {
        if merged {
            merge_all(&node);
            assert_eq!(node.history().runs().unwrap().len(), 2, "one for addresses, one for names");
        }
        let answer = node.ask(ObservableKind::Ip, "8.8.8.8", false);
        assert_eq!((answer.seen.count, answer.seen.days.len(), answer.values), (3, 2, 1));
        assert_eq!(answer.seen.first.unwrap().to_string(), "2024-01-01T10:00:00.000000Z");
        assert_eq!(answer.seen.last.unwrap().to_string(), "2024-01-02T10:00:00.000000Z");
        let (sources, more) = node.history().sources(&answer).unwrap();
        assert_eq!((sources.len(), more, sources[0].file.as_str()), (2, 0, "monday.log"));
        assert_eq!(sources[0].seen.as_ref().map(|seen| seen.count), (!merged).then_some(2));
        assert_eq!(node.count(ObservableKind::Ip, "10.0.0.1"), 0, "internal");
        let network = node.ask(ObservableKind::Cidr, "8.8.0.0/16", false);
        assert_eq!((network.seen.count, network.values), (4, 2));
        assert_eq!(node.count(ObservableKind::Domain, "example.org"), 1);
        let names = node.ask(ObservableKind::Domain, "example.org", true);
        assert_eq!((names.seen.count, names.values), (2, 2), "my-example.org is another");
    }
    let coverage = covered(&node);
    assert_eq!((coverage.files, coverage.partial_files, coverage.lines, coverage.unread_lines), (2, 0, 4, 0));
    assert_eq!(coverage.last.unwrap().to_string(), "2024-01-02T11:00:00.000000Z");
    assert!(!coverage.has_holes());
}

#[test]
fn the_same_content_never_counts_twice() {
    let node = Node::new();
    assert_eq!(node.record("a.log", MONDAY, "8.8.8.8").unwrap(), Recorded::Added { new_findings: 2 });
    assert_eq!(node.record("a.log", MONDAY, "8.8.8.8").unwrap(), Recorded::Known { new_findings: 0 });
    merge_all(&node);
    assert_eq!(
        node.record("copy.log", MONDAY, "8.8.8.8\nexample.org").unwrap(),
        Recorded::Known { new_findings: 2 }
    );
    assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), 2);
    assert_eq!((covered(&node).files, findings_in(&node)), (1, 4));
}

#[test]
fn a_file_that_has_grown_replaces_itself() {
    let node = Node::new();
    node.record("a.log", MONDAY, "8.8.8.8").unwrap();
    let grown = [MONDAY, TUESDAY].concat();
    assert_eq!(node.record("a.log", &grown, "8.8.8.8").unwrap(), Recorded::Grown { new_findings: 3 });
    assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), 3);
    assert_eq!((covered(&node).files, findings_in(&node)), (1, 3));
    node.restart();
}

/// Once what it held is merged with others, only what was added may count.
#[test]
fn a_merged_file_that_has_grown_is_hunted_from_where_it_ended() {
    let node = Node::new();
    node.record("a.log", MONDAY, "8.8.8.8").unwrap();
    merge_all(&node);
    let grown = [MONDAY, TUESDAY].concat();
    let Err(HistoryError::Grown { from, .. }) = node.record("a.log", &grown, "8.8.8.8") else {
        panic!("the whole of it would count what is counted")
    };
    assert_eq!(from, MONDAY.len() as u64);
    for wrong in [from - 1, from + 1] {
        assert!(node.record_from("a.log", &grown, "", SourceKind::Unknown, wrong).is_err());
    }
    let again = node.record_from("a.log", &grown, "8.8.8.8", SourceKind::Unknown, from).unwrap();
    assert_eq!(again, Recorded::Grown { new_findings: 1 });
    assert_eq!(node.record("a.log", &grown, "").unwrap(), Recorded::Known { new_findings: 0 });
    merge_all(&node);
    let answer = node.ask(ObservableKind::Ip, "8.8.8.8", false);
    assert_eq!((answer.seen.count, answer.files.len()), (3, 1));
    assert_eq!((covered(&node).files, findings_in(&node)), (1, 3));
}

#[test]
fn a_rotated_file_keeps_what_its_name_held_before() {
    let node = Node::new();
    let day = |name: &str| {
        (0..200).flat_map(|n| format!("{name} line {n} 8.8.8.8\n").into_bytes()).collect::<Vec<u8>>()
    };
    assert!(day("monday").len() > hunt::reader::HEAD_BYTES);
    node.record("a.log", &day("monday"), "").unwrap();
    assert_eq!(node.record("a.log", &day("wednesday"), "").unwrap(), Recorded::Added { new_findings: 0 });
    assert_eq!(node.record("a.log.1", &day("monday"), "").unwrap(), Recorded::Known { new_findings: 0 });
    assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), 400);
}

#[test]
fn text_that_holds_nul_is_stored() {
    let node = Node::new();
    assert_eq!(
        node.record("a.log", b"\0 8.8.8.8 \0\n", "8.8.8.8").unwrap(),
        Recorded::Added { new_findings: 1 }
    );
}

#[test]
fn a_damaged_file_counts_as_partial() {
    let node = Node::new();
    node.record("a.zip", b"PK\x03\x04", "").unwrap();
    let coverage = covered(&node);
    assert_eq!((coverage.files, coverage.partial_files), (1, 1));
    assert!(coverage.has_holes());
    assert_eq!(coverage.unread[0].path, "a.zip");
}

/// Merging stops at the month and at the class; a log that may still grow is left alone.
#[test]
fn runs_merge_no_further_than_month_and_class() {
    let node = Node::new();
    let february = b"2024-02-02T10:00:00Z 8.8.8.8 a.example.org\nno time 9.9.9.9\n";
    node.record_as("a.log", MONDAY, "", SourceKind::Dns).unwrap();
    node.record_as("b.log", TUESDAY, "", SourceKind::Vpn).unwrap();
    node.record_as("c.log", february, "", SourceKind::Dns).unwrap();
    node.record_as("today.log", b"2024-02-29T23:00:00Z 8.8.8.8\n", "", SourceKind::Dns).unwrap();
    merge_all(&node);
    let mut told: Vec<String> = node
        .history()
        .runs()
        .unwrap()
        .iter()
        .map(|run| {
            let kinds: Vec<&str> = run.facts.kinds.each().map(|kind| kind.name()).collect();
            format!(
                "{} {} {} {}",
                run.facts.head.month,
                run.facts.head.source.name(),
                kinds.join("+"),
                run.level
            )
        })
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "2024-01 dns domain 1",
            "2024-01 dns ip 1",
            "2024-01 vpn domain 1",
            "2024-01 vpn ip 1",
            "2024-02 dns domain 1",
            "2024-02 dns ip 0",
            "2024-02 dns ip 1",
            "none dns ip 1",
        ]
    );
    assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), 5);
    assert_eq!(node.count(ObservableKind::Ip, "9.9.9.9"), 1);
    node.restart();
}

/// A file that could not be read is a hole in what was looked at, until it is read.
#[test]
fn what_could_not_be_read_is_told_until_it_is() {
    let node = Node::new();
    let history = node.history();
    node.record("a.log", MONDAY, "").unwrap();
    history.fail("b.log", "it went away").unwrap();
    history.fail("b.log", "it may not be read").unwrap();
    let told = || {
        let files = history.files().unwrap().into_iter();
        files.map(|file| (file.path, file.state.name(), file.fault)).collect::<Vec<_>>()
    };
    let done = ("a.log".to_owned(), "done", String::new());
    assert_eq!(told(), [done.clone(), ("b.log".to_owned(), "failed", "it may not be read".to_owned())]);
    assert!(covered(&node).has_holes());
    node.record("b.log", TUESDAY, "").unwrap();
    assert_eq!(told(), [done, ("b.log".to_owned(), "done", String::new())]);
    assert!(!covered(&node).has_holes());
    // What was recorded still counts when the file cannot be read the next time.
    let count = node.count(ObservableKind::Ip, "8.8.8.8");
    history.fail("a.log", "it may not be read").unwrap();
    assert!(covered(&node).has_holes());
    assert_eq!((count > 0, node.count(ObservableKind::Ip, "8.8.8.8")), (true, count));
}

/// What was observed of a log that nobody can read once more was lost when the database or the disk failed.
#[test]
fn what_cannot_be_recorded_waits() {
    for of_folder in [true, false] {
        for budget in 0.. {
            let node = Node::new();
            let (facts, mut hunt, findings) = node.hunt("a.log", MONDAY, "8.8.8.8", SourceKind::Unknown, 0);
            let budgets = if of_folder { &node.folder.writes } else { &node.transactions };
            budgets.store(budget, Ordering::Relaxed);
            let observed = &mut hunt.left.observed;
            let mut record = || {
                node.history().record_or_keep(
                    &ReadFile { facts: &facts, findings: &findings, worker: 1, now: NOW },
                    observed,
                )
            };
            let fails = record().is_err();
            node.restart();
            if fails {
                record().unwrap();
            }
            assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), 2, "after {budget}");
            assert_eq!((findings_in(&node), observed.is_empty()), (findings.len() as i64, true));
            if !fails {
                break;
            }
        }
    }
}

/// While following, findings are added in parts: each part was kept up to the limit of a file.
#[test]
fn the_limit_on_findings_of_a_file_holds_over_all_parts() {
    let node = Node::new();
    node.record("a.log", MONDAY, "").unwrap();
    let (_, _, findings) = node.hunt("a.log", MONDAY, "8.8.8.8", SourceKind::Unknown, 0);
    assert_eq!(findings.len(), 2);
    let file = node.history().recorded_as("a.log").unwrap().unwrap();
    let nearly = hunt::limits::FINDINGS_PER_FILE_MAX as i64 - 1;
    node.store
        .local(|tx| tx.execute("UPDATE hunt_files SET findings = ?1", &[Value::Int(nearly)]))
        .map_err(|e: EngineError| e)
        .unwrap();
    let added = node.history().add_findings_to(file, &findings, 1).unwrap();
    assert_eq!((added, findings_in(&node)), (Added { new: 1, left: 1 }, 1));
}

/// Two processes with the same file: it counts once.
#[test]
fn who_was_overtaken_does_not_count() {
    let node = Node::new();
    let (facts, hunt, _) = node.hunt("a.log", MONDAY, "", SourceKind::Unknown, 0);
    let (_, other, _) = node.hunt("a.log", MONDAY, "", SourceKind::Unknown, 0);
    assert!(matches!(
        node.history()
            .record(&ReadFile { facts: &facts, findings: &[], worker: 1, now: NOW }, hunt.left.observed)
            .unwrap(),
        Recorded::Added { .. }
    ));
    assert!(matches!(
        node.history()
            .record(&ReadFile { facts: &facts, findings: &[], worker: 2, now: NOW }, other.left.observed)
            .unwrap(),
        Recorded::Known { .. }
    ));
    assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), 2);
}
