// SPDX-License-Identifier: Apache-2.0
//! The gate: everything planted is found, and hardly anything else is said.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hunt::detection::Detection;
use hunt::detector::{DETECTORS, Detectors};
use loggen::{DAY, Firm, HOUR, Plan, Planted};

use super::{observe, options};

/// How well one detector did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    pub planted: u64,
    pub found: u64,
    /// Detections that something planted explains.
    pub right: u64,
    /// Detections that nothing explains.
    pub wrong: u64,
}

fn times(detection: &Detection) -> (i64, i64) {
    let first = detection.first.map_or(0, model::time::Timestamp::micros);
    (first, detection.last.map_or(first, model::time::Timestamp::micros))
}

fn concerns(planted: &Planted, detection: &Detection, before: i64, after: i64) -> bool {
    let (first, last) = times(detection);
    let about =
        detection.about.iter().any(|(_, value)| planted.about.iter().any(|a| a.eq_ignore_ascii_case(value)));
    about && first <= planted.last + after && last >= planted.first - before
}

/// Compares what was said with what was planted.
pub fn score(firm: &Firm, found: &[Detection]) -> (BTreeMap<&'static str, Score>, String) {
    let mut scores: BTreeMap<&'static str, Score> = BTreeMap::new();
    let mut report = String::new();
    for planted in firm.planted().iter().filter(|planted| planted.must) {
        let hit = found.iter().any(|d| d.id == planted.what && concerns(planted, d, HOUR, DAY));
        let score = scores.entry(planted.what).or_default();
        score.planted += 1;
        score.found += u64::from(hit);
        if !hit {
            writeln!(
                report,
                "missed {} {:?} {}",
                planted.what,
                planted.about,
                model::time::Timestamp::from_micros(planted.first)
            )
            .unwrap();
        }
    }
    for detection in found {
        let explained = firm.planted().iter().any(|planted| concerns(planted, detection, DAY, 3 * DAY));
        let id = DETECTORS.iter().find(|detector| detector.id == detection.id).unwrap().id;
        let score = scores.entry(id).or_default();
        if explained {
            score.right += 1;
        } else {
            score.wrong += 1;
            writeln!(
                report,
                "false {}: {} {:?} {:?}",
                detection.id, detection.title, detection.first, detection.about
            )
            .unwrap();
        }
    }
    (scores, report)
}

pub fn run(plan: Plan) -> (Firm, Vec<Detection>, u64) {
    let firm = Firm::new(plan);
    let mut detectors = Detectors::new(options(&firm));
    let mut found = Vec::new();
    let mut events = 0;
    for day in firm.days() {
        let lines = firm.day(day);
        events += lines.len() as u64;
        observe(&mut detectors, &lines, &firm.date(day), &mut found);
    }
    detectors.finish(&mut |detection| found.push(detection));
    assert_eq!((detectors.counts().late, detectors.counts().dropped), (0, 0));
    (firm, found, events)
}

#[test]
fn all_that_is_planted_is_found_and_hardly_anything_else_is_said() {
    let days = 60;
    let (firm, found, _) = run(Plan { seed: 1, users: 150, days, quiet: true });
    let (scores, report) = score(&firm, &found);
    println!("{report}");
    for (id, score) in &scores {
        println!("{id}: {score:?}");
    }
    for (id, score) in &scores {
        assert_eq!(score.found, score.planted, "{id}: something planted was missed\n{report}");
        assert!(score.wrong <= days as u64 / 7, "{id}: more than one false alarm a week\n{report}");
    }
    for detection in &found {
        assert!(!detection.threshold.is_empty(), "{}: no threshold", detection.title);
        assert!(!detection.disproof.is_empty() && !detection.advice.is_empty(), "{}", detection.title);
        assert!(!detection.evidence.is_empty() && !detection.about.is_empty(), "{}", detection.title);
        assert!(detection.first <= detection.last, "{}", detection.title);
    }
}
