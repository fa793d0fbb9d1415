// SPDX-License-Identifier: Apache-2.0
//! Logs that are recorded together say what they say when each is recorded alone.

use std::cell::Cell;

use hunt::event::SourceKind;
use hunt::history::{
    Base, FileState, History, HistoryError, Keep, LogToRecord, Outcome, Reading, Recorded, RunFolder as _,
    Step, Writing, Zeal,
};
use ledger::sql::Value;
use model::observable::ObservableKind;
use model::time::Timestamp;

use super::crash::{content, stopped_everywhere};
use super::support::{NOW, Node};
use super::{MONDAY, TUESDAY, covered, findings_in, merge_all};

/// 2024-02-29: it may grow.
const YOUNG: &[u8] = b"2024-02-29T23:00:00Z 8.8.8.8 www.example.org\n";
const JANUARY_AND_FEBRUARY: &[u8] =
    b"2024-01-31T10:00:00Z 8.8.8.8 a.example.org\n2024-02-01T10:00:00Z 8.8.8.8\nno time 9.9.9.9\n";

const LOGS: [(&str, &[u8]); 4] = [
    ("monday.log", MONDAY),
    ("tuesday.log", TUESDAY),
    ("months.log", JANUARY_AND_FEBRUARY),
    ("young.log", YOUNG),
];

fn together(
    node: &Node,
    history: &History<'_>,
    logs: &[(&str, &[u8])],
) -> Result<Vec<Outcome>, HistoryError> {
    let hunts: Vec<_> =
        logs.iter().map(|(name, log)| node.hunt(name, log, "8.8.8.8", SourceKind::Unknown, 0)).collect();
    let (facts, rest): (Vec<_>, Vec<_>) =
        hunts.into_iter().map(|(facts, hunt, findings)| (facts, (hunt.left.observed, findings))).unzip();
    let (observed, findings): (Vec<_>, Vec<_>) = rest.into_iter().unzip();
    let mut logs: Vec<LogToRecord<'_>> = facts
        .iter()
        .zip(observed)
        .zip(&findings)
        .map(|((facts, observed), findings)| LogToRecord { facts, observed, findings })
        .collect();
    history.record_all(&mut logs, 1, NOW)
}

fn is_added(outcome: &Outcome) -> bool {
    matches!(outcome, Ok((_, Recorded::Added { .. })))
}

#[test]
fn together_or_alone_the_history_is_the_same() {
    let (alone, joint) = (Node::new(), Node::new());
    for (name, log) in LOGS {
        alone.record(name, log, "8.8.8.8").unwrap();
    }
    let outcomes = together(&joint, &joint.history(), &LOGS).unwrap();
    assert!(outcomes.iter().all(is_added), "{outcomes:?}");
    let numbers: Vec<i64> = outcomes.iter().flatten().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(findings_in(&joint), findings_in(&alone));
    // January, February, no month; and the one that may grow.
    assert_eq!(joint.history().runs().unwrap().len(), 4);
    assert_eq!(alone.history().runs().unwrap().len(), 6);
    assert_eq!(joint.count(ObservableKind::Ip, "8.8.8.8"), alone.count(ObservableKind::Ip, "8.8.8.8"));
    let again = together(&joint, &joint.history(), &LOGS).unwrap();
    assert!(again.iter().all(|one| matches!(one, Ok((_, Recorded::Known { new_findings: 0 })))), "{again:?}");
    merge_all(&alone);
    merge_all(&joint);
    assert_eq!(content(&joint), content(&alone));
}

#[test]
fn recording_together_is_all_or_nothing() {
    stopped_everywhere(&|_| {}, &|node| {
        let outcomes = together(node, &node.history(), &LOGS)?;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        Ok(())
    });
}

/// What stands with others in one run cannot be taken back: only what was added counts.
#[test]
fn a_log_that_was_recorded_with_others_grows() {
    let node = Node::new();
    together(&node, &node.history(), &LOGS).unwrap();
    let grown = [MONDAY, b"2024-01-01T12:00:00Z 8.8.8.8\n"].concat();
    let rotated = [YOUNG, b"2024-02-29T23:30:00Z 8.8.8.8\n"].concat();
    let new: &[u8] = b"2024-01-03T10:00:00Z 8.8.8.8\n";
    let logs = [("monday.log", &*grown), ("young.log", &*rotated), ("new.log", new)];
    let outcomes = together(&node, &node.history(), &logs).unwrap();
    let Err(HistoryError::Grown { from, .. }) = outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(from, MONDAY.len() as u64);
    // That of its own is replaced.
    assert!(matches!(outcomes[1], Ok((4, Recorded::Grown { .. }))), "{outcomes:?}");
    assert!(is_added(&outcomes[2]), "the others are recorded all the same: {outcomes:?}");
    node.record_from("monday.log", &grown, "", SourceKind::Unknown, from).unwrap();
    // Of the logs 2, 1, 2 and 1; one more of each that grew, one of the new.
    assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), 6 + 2 + 1);
}

/// A node whose second transaction finds that another process has taken a log.
struct Thief<'n> {
    node: &'n Node,
    path: &'n str,
    writes: Cell<u32>,
}

impl Base for Thief<'_> {
    fn read(&self, work: &mut Reading<'_>) -> Result<(), HistoryError> {
        self.node.read(work)
    }

    fn write(&self, work: &mut Writing<'_>) -> Result<(), HistoryError> {
        self.writes.set(self.writes.get() + 1);
        if self.writes.get() == 2 {
            self.node.write(&mut |tx| {
                let taken = "UPDATE hunt_files SET worker = 2 WHERE path = ?1";
                tx.execute(taken, &[Value::Text(self.path)])?;
                Ok(())
            })?;
        }
        self.node.write(work)
    }
}

#[test]
fn one_that_another_process_took_keeps_none_of_the_others_from_being_recorded() {
    let node = Node::new();
    let thief = Thief { node: &node, path: "tuesday.log", writes: Cell::new(0) };
    let outcomes = together(&node, &History::new(&thief, &*node.folder), &LOGS).unwrap();
    assert!(matches!(outcomes[1], Err(HistoryError::Taken { .. })), "{outcomes:?}");
    for nth in [0, 2, 3] {
        assert!(is_added(&outcomes[nth]), "{outcomes:?}");
    }
    let states: Vec<FileState> = node.history().files().unwrap().iter().map(|file| file.state).collect();
    assert_eq!(states[1], FileState::Running, "it is the other's");
    node.restart();
    // Nothing of what was first written with it counts.
    assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), 5);
    assert_eq!(node.count(ObservableKind::Ip, "8.8.9.9"), 0);
    node.record("tuesday.log", TUESDAY, "8.8.8.8").unwrap();
    assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), 6);
}

#[test]
fn of_two_logs_of_one_content_one_is_recorded() {
    let node = Node::new();
    let logs = [("a.log", MONDAY), ("copy.log", MONDAY), ("b.log", TUESDAY)];
    let outcomes = together(&node, &node.history(), &logs).unwrap();
    assert!(is_added(&outcomes[0]) && is_added(&outcomes[2]), "{outcomes:?}");
    assert!(matches!(outcomes[1], Err(HistoryError::Taken { .. })), "{outcomes:?}");
    assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), 3);
}

#[test]
fn a_damaged_run_of_several_logs_comes_back() {
    let node = Node::new();
    together(&node, &node.history(), &LOGS).unwrap();
    let whole = node.count(ObservableKind::Ip, "8.8.8.8");
    let joint = node.history().runs().unwrap().into_iter().find(|run| run.files.len() == 3).unwrap();
    assert_eq!(node.history().set_aside(&joint.facts.name).unwrap(), 3);
    assert!(covered(&node).has_holes());
    let outcomes = together(&node, &node.history(), &LOGS).unwrap();
    let again = outcomes.iter().filter(|one| matches!(one, Ok((_, Recorded::Again { .. })))).count();
    assert_eq!(again, 3, "{outcomes:?}");
    assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), whole);
    assert!(!covered(&node).has_holes());
}

/// Retention drops a class of a month that stands in a run of several logs.
#[test]
fn a_class_in_a_run_of_several_logs_can_be_dropped() {
    let node = Node::new();
    together(&node, &node.history(), &LOGS).unwrap();
    node.history().set_retention(None, None, Some(1)).unwrap();
    // 2025-03-01T00:00:00Z
    let later = Timestamp::from_micros(1_740_787_200_000_000);
    assert!(node.history().retain(later).unwrap() > 0);
    assert_eq!(node.ask(ObservableKind::Domain, "example.org", true).seen.count, 0);
    let step = node.history().merge_step(Zeal::WhenItPays, later).unwrap();
    assert_eq!(step, Step::Idle);
    assert!(node.folder.list().is_ok());
    assert!(node.history().files().unwrap().iter().all(|file| file.state == FileState::Done));
    let keep = Keep::default();
    assert!(node.history().coverage(ObservableKind::Ip, &keep, later).is_ok());
}
