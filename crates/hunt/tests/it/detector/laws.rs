// SPDX-License-Identifier: Apache-2.0
//! Laws: order does not matter, nor does a restart, nor how files are spread over threads.

use hunt::detection::Detection;
use hunt::detector::{CheckpointError, Detectors, Options};
use loggen::{Firm, Plan};
use model::time::Timestamp;
use proptest::prelude::*;

use super::{logs, observe_log, options};

fn firm() -> Firm {
    Firm::new(Plan { seed: 5, users: 60, days: 40, quiet: true })
}

/// The logs of ten days with attacks, and of the weeks before.
fn all_logs(firm: &Firm) -> Vec<(String, Vec<u8>)> {
    firm.days().flat_map(|day| logs(&firm.day(day), &firm.date(day))).collect()
}

fn in_order(mut found: Vec<Detection>) -> Vec<Detection> {
    found.sort_by(|a, b| (a.first, &a.id, &a.title).cmp(&(b.first, &b.id, &b.title)));
    found
}

fn judge(files: &[(String, Vec<u8>)], options: Options) -> Vec<Detection> {
    let mut detectors = Detectors::new(options);
    let mut found = Vec::new();
    for (name, log) in files {
        observe_log(&mut detectors, log, name, &mut found);
    }
    detectors.finish(&mut |detection| found.push(detection));
    assert_eq!(detectors.counts().late, 0);
    in_order(found)
}

fn checkpoint(detectors: &Detectors) -> Vec<u8> {
    let mut bytes = Vec::new();
    detectors.checkpoint(&mut bytes).unwrap();
    bytes
}

#[test]
fn the_order_of_files_does_not_matter_nor_how_they_are_spread_over_threads() {
    let firm = firm();
    let mut files = all_logs(&firm);
    let expected = judge(&files, options(firm.places()));
    assert!(expected.len() > 10, "{}", expected.len());
    files.sort();
    assert_eq!(judge(&files, options(firm.places())), expected, "by name");
    files.reverse();
    assert_eq!(judge(&files, options(firm.places())), expected, "backwards");
    let mut parts: Vec<Detectors> = (0..3).map(|_| Detectors::new(options(firm.places()))).collect();
    let mut found = Vec::new();
    for (nth, (name, log)) in files.iter().enumerate() {
        observe_log(&mut parts[nth % 3], log, name, &mut found);
    }
    let mut whole = parts.pop().unwrap();
    parts.into_iter().for_each(|part| whole.unite(part));
    whole.finish(&mut |detection| found.push(detection));
    assert_eq!(in_order(found), expected, "united");
}

#[test]
fn a_restart_after_each_file_changes_nothing() {
    let firm = firm();
    let files = all_logs(&firm);
    let expected = judge(&files, options(firm.places()));
    let mut detectors = Detectors::new(options(firm.places()));
    let mut found = Vec::new();
    for (nth, (name, log)) in files.iter().enumerate() {
        observe_log(&mut detectors, log, name, &mut found);
        if nth % 25 == 0 {
            let bytes = checkpoint(&detectors);
            detectors = Detectors::restore(options(firm.places()), &bytes).unwrap();
            assert_eq!(checkpoint(&detectors), bytes);
        }
    }
    detectors.finish(&mut |detection| found.push(detection));
    assert_eq!(in_order(found), expected);
}

#[test]
fn logs_that_are_followed_say_the_same_as_logs_that_are_read_at_once() {
    let firm = firm();
    let expected = judge(&all_logs(&firm), options(firm.places()));
    let mut detectors = Detectors::new(options(firm.places()));
    let mut found = Vec::new();
    for day in firm.days() {
        for (name, log) in logs(&firm.day(day), &firm.date(day)) {
            observe_log(&mut detectors, &log, &name, &mut found);
        }
        // A working day ends when it has ended in America, too.
        let end: Timestamp = format!("{}T00:00:00Z", firm.date(day - 1)).parse().unwrap();
        detectors.advance(end, &mut |detection| found.push(detection));
        let bytes = checkpoint(&detectors);
        detectors = Detectors::restore(options(firm.places()), &bytes).unwrap();
    }
    detectors.finish(&mut |detection| found.push(detection));
    assert_eq!(detectors.counts().late, 0);
    assert_eq!(in_order(found), expected);
}

#[test]
fn what_does_not_fit_is_closed_early_and_what_then_comes_late_is_counted() {
    let firm = firm();
    let mut files = all_logs(&firm);
    let narrow = Options { facts_max: 2_000, ..options(firm.places()) };
    let mut detectors = Detectors::new(narrow.clone());
    let mut found = Vec::new();
    for (name, log) in &files {
        observe_log(&mut detectors, log, name, &mut found);
    }
    assert_eq!(detectors.counts().dropped, 0);
    let in_time = detectors.counts();
    assert!(in_time.late * 20 < in_time.sign_ins, "logs in the order of time are hardly late: {in_time:?}");
    files.reverse();
    let mut detectors = Detectors::new(narrow);
    for (name, log) in &files {
        observe_log(&mut detectors, log, name, &mut found);
    }
    assert!(detectors.counts().late > in_time.late, "backwards nearly all is");
    assert!(checkpoint(&detectors).len() < 2_000_000);
}

#[test]
fn a_checkpoint_that_is_none_is_refused() {
    let refused = |bytes: &[u8]| Detectors::restore(Options::default(), bytes).err();
    let bytes = checkpoint(&Detectors::new(Options::default()));
    assert!(refused(&bytes).is_none());
    assert_eq!(refused(b""), Some(CheckpointError::Other));
    assert_eq!(refused(b"something else"), Some(CheckpointError::Other));
    let mut newer = bytes.clone();
    newer[8] = 9;
    assert_eq!(refused(&newer), Some(CheckpointError::Version(9)));
    for at in 9..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert_eq!(refused(&damaged), Some(CheckpointError::Damaged), "byte {at}");
        assert!(refused(&bytes[..at]).is_some());
    }
}

proptest! {
    #[test]
    fn any_bytes_as_a_checkpoint_are_refused_or_restored(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Detectors::restore(Options::default(), &bytes);
        let mut begun = b"pdetect\0\x01".to_vec();
        begun.extend(bytes);
        let _ = Detectors::restore(Options::default(), &begun);
    }
}
