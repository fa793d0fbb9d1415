// SPDX-License-Identifier: Apache-2.0
//! Hunts that were stopped, as bytes. That the whole goes on as if it had not been stopped is tested by the command.

use std::borrow::Cow;

use hunt::detector::{Detectors, Options};
use hunt::pattern::{PatternIndicator, PatternRun, PatternSet};
use hunt::report::Summary;
use hunt::unfinished::{DetectorState, DoneFile, Unfinished, Unreadable};
use model::time::Timestamp;
use proptest::prelude::*;

use crate::report::sample;

fn unfinished(summary: &Summary) -> Unfinished<'_> {
    Unfinished {
        asked: [7; 32],
        begun: Timestamp::from_micros(-1),
        spent_millis: 1_234,
        newest: 99,
        done: Cow::Owned(vec![DoneFile {
            path: "a b\u{e9}.log".to_owned(),
            place: (1, u64::MAX),
            content: (0, i64::MIN),
            head_sha256: [9; 32],
        }]),
        logs: vec![("a.log".to_owned(), 3)],
        contents: vec![(([5; 32], 12), "a.log".to_owned())],
        partial: true,
        summary: Cow::Borrowed(summary),
        rules: Some(vec![0xFF; 300]),
        patterns: None,
        detectors: Some(DetectorState::Kept(vec![1, 2, 3])),
    }
}

fn bytes_of(unfinished: &Unfinished<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    unfinished.write_to(&mut bytes).unwrap();
    bytes
}

/// All that the printers show of the logs comes back.
#[test]
fn what_is_kept_comes_back() {
    let mut summary = sample::firm();
    summary.copies = vec![("a.log.gz".to_owned(), "a.log".to_owned())];
    (summary.hits[0].known, summary.hits[1].known) = (Some(true), Some(false));
    let bytes = bytes_of(&unfinished(&summary));
    let back = Unfinished::from_bytes(&bytes).unwrap();
    let (one, other) = (unfinished(&summary), &back);
    assert_eq!((one.asked, one.begun, one.spent_millis), (other.asked, other.begun, other.spent_millis));
    assert_eq!((&one.done, &one.logs, one.newest), (&other.done, &other.logs, other.newest));
    assert_eq!((&one.contents, &summary.copies), (&other.contents, &other.summary.copies));
    assert_eq!((&one.rules, &one.patterns), (&other.rules, &other.patterns));
    assert!(matches!(&other.detectors, Some(DetectorState::Kept(bytes)) if *bytes == [1, 2, 3]));
    assert_eq!(format!("{:?}", summary.hits), format!("{:?}", back.summary.hits));
    assert_eq!(summary.detections, back.summary.detections);
    assert_eq!(format!("{:?}", summary.files), format!("{:?}", back.summary.files));
    assert_eq!((&summary.left_out, &summary.days), (&back.summary.left_out, &back.summary.days));
    assert_eq!(bytes_of(&back), bytes);
}

/// What runs is written as what was kept of it.
#[test]
fn detectors_are_written_as_they_are() {
    let (summary, detectors) = (sample::firm(), Detectors::new(Options::default()));
    let mut kept = Vec::new();
    detectors.checkpoint(&mut kept).unwrap();
    let live = Unfinished { detectors: Some(DetectorState::Live(&detectors)), ..unfinished(&summary) };
    let bytes = bytes_of(&live);
    assert_eq!(
        bytes,
        bytes_of(&Unfinished { detectors: Some(DetectorState::Kept(kept)), ..unfinished(&summary) })
    );
    let none = Unfinished { detectors: None, ..unfinished(&summary) };
    assert!(Unfinished::from_bytes(&bytes_of(&none)).unwrap().detectors.is_none());
}

#[test]
fn what_is_damaged_or_no_hunt_is_refused() {
    let bytes = bytes_of(&unfinished(&sample::firm()));
    assert!(Unfinished::from_bytes(b"").is_err());
    let earlier = [b"PLDRHU01", &bytes[8..]].concat();
    assert_eq!(Unfinished::from_bytes(&earlier).err(), Some(Unreadable::OtherVersion));
    for at in (0..bytes.len()).step_by(bytes.len() / 97 + 1) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(Unfinished::from_bytes(&damaged).is_err(), "a bit at {at}");
        assert!(Unfinished::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert!(Unfinished::from_bytes(&[&bytes[..], b"x"].concat()).is_err());
}

fn set(patterns: &[(&str, &str)]) -> PatternSet {
    PatternSet::build(
        patterns.iter().map(|(id, text)| PatternIndicator::parse(id, "", text).unwrap()).collect(),
    )
}

/// Patterns that came since are counted, those that went are dropped, and what is no state is refused.
#[test]
fn patterns_go_on_by_their_indicator_and_text() {
    let one = "[ipv4-addr:value = '203.0.113.7'] FOLLOWEDBY [domain-name:value = 'a.example']";
    let set_of = set(&[("indicator--1", one), ("indicator--2", "[url:value = 'http://a.example/']")]);
    let bytes = PatternRun::new(&set_of).checkpoint();
    assert_eq!(PatternRun::restore(&set_of, &bytes).unwrap().1, 0);
    let other = set(&[("indicator--1", one), ("indicator--3", one)]);
    assert_eq!(PatternRun::restore(&other, &bytes).unwrap().1, 1);
    assert!(PatternRun::restore(&set_of, &bytes[..bytes.len() - 1]).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Unfinished::from_bytes(&[&b"PLDRHU04"[..], &bytes].concat());
        let set = set(&[("indicator--1", "[url:value = 'http://a.example/']")]);
        let _ = PatternRun::restore(&set, &bytes);
    }
}
