// SPDX-License-Identifier: Apache-2.0
//! Stopped at every step, the history is what it would have been: the disk fills, a transaction fails, a run is
//! damaged.

use std::sync::atomic::Ordering;

use hunt::event::SourceKind;
use hunt::history::{FileState, HistoryError, Keep, Recorded, Row, RunFolder as _, Step, Zeal};
use model::observable::ObservableKind;

use super::support::{NOW, Node};
use super::{MONDAY, TUESDAY, covered, merge_all};

/// Everything that the runs say, month by month.
pub fn content(node: &Node) -> Vec<(String, Row)> {
    let mut all = Vec::new();
    for run in node.history().runs().unwrap() {
        let open = hunt::history::OpenRun::open(&*node.folder, &run.facts).unwrap();
        let mut rows = open.rows();
        while let Some(row) = rows.next_row().unwrap() {
            all.push((run.facts.head.month.to_string(), row));
        }
    }
    all.sort_by(|(a, row_a), (b, row_b)| (a, row_a.key()).cmp(&(b, row_b.key())));
    all
}

/// Lets `work` fail at each write to the folder and at each transaction in turn; after a restart the same work,
/// done again, leads to the same history.
pub fn stopped_everywhere(prepare: &dyn Fn(&Node), work: &dyn Fn(&Node) -> Result<(), HistoryError>) {
    let whole = Node::new();
    prepare(&whole);
    work(&whole).unwrap();
    let expected = content(&whole);
    assert!(!expected.is_empty());
    for of_folder in [true, false] {
        let mut failed = 0;
        for step in 0.. {
            let node = Node::new();
            prepare(&node);
            let budget = if of_folder { &node.folder.writes } else { &node.transactions };
            budget.store(step, Ordering::Relaxed);
            let first = work(&node);
            node.restart();
            if first.is_ok() {
                assert_eq!(content(&node), expected, "step {step}");
                break;
            }
            failed += 1;
            work(&node).unwrap_or_else(|e| panic!("step {step}: {e}"));
            node.restart();
            assert_eq!(content(&node), expected, "step {step}, done again");
        }
        assert!(failed > 0, "nothing failed");
    }
}

#[test]
fn recording_is_all_or_nothing() {
    let two_months =
        b"2024-01-31T10:00:00Z 8.8.8.8 a.example.org\n2024-02-01T10:00:00Z 8.8.8.8\nno time 9.9.9.9\n";
    stopped_everywhere(&|_| {}, &|node| node.record("a.log", two_months, "8.8.8.8").map(drop));
}

#[test]
fn growing_is_all_or_nothing() {
    let grown = [MONDAY, TUESDAY].concat();
    let prepare = |node: &Node| {
        node.record("a.log", MONDAY, "").unwrap();
    };
    stopped_everywhere(&prepare, &|node| node.record("a.log", &grown, "").map(drop));
}

#[test]
fn merging_is_all_or_nothing() {
    let prepare = |node: &Node| {
        node.record("a.log", MONDAY, "").unwrap();
        node.record("b.log", TUESDAY, "").unwrap();
    };
    stopped_everywhere(&prepare, &|node| {
        while node.history().merge_step(Zeal::All, NOW)? != Step::Idle {}
        Ok(())
    });
}

#[test]
fn forgetting_is_all_or_nothing() {
    let prepare = |node: &Node| {
        node.record("a.log", MONDAY, "").unwrap();
        node.record("b.log", TUESDAY, "").unwrap();
        merge_all(node);
    };
    let value = model::observable::Observable::guess("8.8.8.8").unwrap();
    stopped_everywhere(&prepare, &|node| {
        node.history().forget(&value, "ip x", &Keep::default(), false, NOW).map(drop)?;
        assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), 0);
        Ok(())
    });
}

/// A full disk leaves a file that failed, and the rest as it was.
#[test]
fn a_full_disk_is_told() {
    let node = Node::new();
    node.record("a.log", MONDAY, "").unwrap();
    node.folder.writes.store(0, Ordering::Relaxed);
    let error = node.record("b.log", TUESDAY, "").unwrap_err();
    assert!(matches!(&error, HistoryError::Folder { .. }), "{error}");
    assert!(error.to_string().contains("mend that"), "{error}");
    let files = node.history().files().unwrap();
    assert_eq!(files.iter().map(|file| file.state).collect::<Vec<_>>(), [FileState::Done, FileState::Failed]);
    assert!(covered(&node).has_holes());
    node.restart();
    assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), 2);
    assert_eq!(node.record("b.log", TUESDAY, "").unwrap(), Recorded::Added { new_findings: 0 });
    assert!(!covered(&node).has_holes());
}

type Damage = fn(&mut Vec<u8>);

/// Every byte of a run is under a checksum: whichever is changed, it is noticed, named and set aside; the rest
/// answers; and its files, hunted again, bring back what it held and count nothing twice.
#[test]
fn a_damaged_run_is_set_aside_and_comes_back() {
    let damages: [(&str, Damage); 5] = [
        ("a bit of a page", |run| run[8] ^= 1),
        ("a bit of the middle", |run| {
            let at = run.len() / 2;
            run[at] ^= 0x10;
        }),
        ("a bit of the footer", |run| {
            let at = run.len() - 9;
            run[at] ^= 1;
        }),
        ("the end", |run| run.truncate(run.len() - 1)),
        ("everything", Vec::clear),
    ];
    for merged in [false, true] {
        for (what, damage) in damages {
            let node = Node::new();
            node.record_as("a.log", MONDAY, "", SourceKind::Proxy).unwrap();
            node.record_as("b.log", TUESDAY, "", SourceKind::Vpn).unwrap();
            if merged {
                merge_all(&node);
            }
            let expected = content(&node);
            let runs = node.history().runs().unwrap();
            let of_proxy = |run: &&hunt::history::Run| {
                run.has(ObservableKind::Ip) && run.facts.head.source == SourceKind::Proxy
            };
            let name = runs.iter().find(of_proxy).unwrap().facts.name.clone();
            let mut bytes = node.folder.inner.bytes(&name).unwrap();
            damage(&mut bytes);
            node.folder.inner.put(&name, bytes);

            let answer = node.ask(ObservableKind::Ip, "8.8.8.8", false);
            assert_eq!((answer.seen.count, answer.unread.len()), (1, 1), "{what}: the other run answers");
            assert_eq!((&answer.unread[0].name, answer.unread[0].head.source), (&name, SourceKind::Proxy));
            assert_eq!(node.history().set_aside(&name).unwrap(), 1);
            assert_eq!(node.history().set_aside(&name).unwrap(), 0, "only once");
            assert!(!node.folder.list().unwrap().contains(&name));
            let coverage = covered(&node);
            assert!(coverage.has_holes() && coverage.damaged.len() == 1, "{what}");
            assert_eq!(coverage.unread[0].state, FileState::Again);
            node.restart();

            let again = node.record_as("a.log", MONDAY, "", SourceKind::Proxy).unwrap();
            assert_eq!(again, Recorded::Again { new_findings: 0 });
            assert!(!covered(&node).has_holes(), "{what}");
            assert_eq!(content(&node), expected, "{what}");
        }
    }
}

#[test]
fn merging_sets_a_damaged_run_aside() {
    let node = Node::new();
    node.record("a.log", MONDAY, "").unwrap();
    node.record("b.log", TUESDAY, "").unwrap();
    let name = node.history().runs().unwrap()[0].facts.name.clone();
    node.folder.inner.put(&name, b"PAR1PAR1".to_vec());
    assert_eq!(node.history().merge_step(Zeal::All, NOW).unwrap(), Step::SetAside { files: 1 });
    merge_all(&node);
    assert_eq!(covered(&node).damaged.len(), 1);
}

/// A run of a later program is not misread.
#[test]
fn a_run_that_is_missing_is_named() {
    let node = Node::new();
    node.record("a.log", MONDAY, "").unwrap();
    let name = node.history().runs().unwrap()[0].facts.name.clone();
    node.folder.inner.remove(&name).unwrap();
    let answer = node.ask(ObservableKind::Ip, "8.8.8.8", false);
    assert_eq!(answer.unread[0].reason, "it is missing");
}
