// SPDX-License-Identifier: Apache-2.0
//! Limits of the history, each at its edge and over it.

use hunt::event::SourceKind;
use hunt::history::{Keep, Question, Step, Zeal};
use hunt::limits::{
    MERGE_RUNS_MAX, MERGE_RUNS_MIN, RUNS_WITHOUT_FILTER, SETTLED_SECONDS, SOURCES_PER_ROW_MAX,
};
use model::observable::Observable;
use model::time::Timestamp;

use super::merge_all;
use super::support::{NOW, Node};

/// So many logs of one month that all hold one address.
fn logs(node: &Node, count: usize) {
    for n in node.history().files().unwrap().len()..count {
        let log = format!("2024-01-02T10:00:{:02}Z 8.8.8.8 h{n}.example.org\n", n % 60);
        node.record_as(&format!("{n}.log"), log.as_bytes(), "", SourceKind::Dns).unwrap();
    }
}

/// A row names so many files; of more it only says that they are many, and then every file of its kind and month
/// may hold the value.
#[test]
fn a_row_names_few_files() {
    let node = Node::new();
    let other = b"2024-01-02T10:00:00Z nothing here\n";
    node.record_as("other-kind.log", other, "", SourceKind::Vpn).unwrap();
    node.record_as("other-month.log", b"2024-02-02T10:00:00Z 9.9.9.9\n", "", SourceKind::Dns).unwrap();
    let question = Question { observable: Observable::guess("8.8.8.8").unwrap(), with_subdomains: false };
    for (files, many) in [(SOURCES_PER_ROW_MAX, 0), (SOURCES_PER_ROW_MAX + 1, 1)] {
        logs(&node, files + 2);
        merge_all(&node);
        let answer = node.history().seen(&question, &Keep::default()).unwrap();
        assert_eq!((answer.seen.count, answer.many.len()), (files as u64, many));
        let (sources, more) = node.history().sources(&answer).unwrap();
        assert_eq!((sources.len(), more), (files, 0), "named, or of the kind and month");
        assert!(sources.iter().all(|source| !source.file.starts_with("other")));
    }
}

#[test]
fn one_step_merges_so_many_runs() {
    let node = Node::new();
    logs(&node, MERGE_RUNS_MAX + 1);
    let step = node.history().merge_step(Zeal::All, NOW).unwrap();
    assert_eq!(step, Step::Merged { runs: MERGE_RUNS_MAX as u64, into: 2, rows: MERGE_RUNS_MAX as u64 + 1 });
    merge_all(&node);
    assert_eq!(node.history().runs().unwrap().len(), 2);
}

#[test]
fn unasked_only_so_many_are_merged() {
    let node = Node::new();
    logs(&node, MERGE_RUNS_MIN - 1);
    assert_eq!(node.history().merge_step(Zeal::WhenItPays, NOW).unwrap(), Step::Idle);
    logs(&node, MERGE_RUNS_MIN);
    assert!(matches!(
        node.history().merge_step(Zeal::WhenItPays, NOW).unwrap(),
        Step::Merged { into: 2, .. }
    ));
}

#[test]
fn only_beyond_so_many_runs_is_a_filter_worth_its_bytes() {
    let node = Node::new();
    logs(&node, RUNS_WITHOUT_FILTER + 1);
    let with_filter = node.history().runs().unwrap().iter().filter(|run| run.facts.filter.1 > 0).count();
    assert_eq!(with_filter, 1);
}

/// A log that may still grow is not merged.
#[test]
fn a_log_is_settled_after_a_day() {
    let last = NOW.micros() - SETTLED_SECONDS * 1_000_000;
    for (micros, merges) in [(last + 1_000_000, false), (last, true)] {
        let node = Node::new();
        let log = format!("{} 8.8.8.8\n", Timestamp::from_micros(micros));
        node.record("a.log", log.as_bytes(), "").unwrap();
        let step = node.history().merge_step(Zeal::All, NOW).unwrap();
        assert_eq!(step != Step::Idle, merges, "{log}");
    }
}
