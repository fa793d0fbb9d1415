// SPDX-License-Identifier: Apache-2.0
//! The gate: everything planted is found, and hardly anything else is said.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hunt::detection::Detection;
use hunt::detector::DETECTORS;
use loggen::{DAY, Firm, HOUR, Plan, Planted};

use super::{options, watch};

/// How well one detector did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    pub planted: u64,
    pub found: u64,
    /// Detections that something planted explains.
    pub right: u64,
    /// Detections that nothing explains.
    pub wrong: u64,
    /// The most of these in a week.
    pub wrong_week: u64,
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
    let mut weeks: BTreeMap<(&str, i64), u64> = BTreeMap::new();
    for detection in found {
        let explained = firm.planted().iter().any(|planted| concerns(planted, detection, DAY, 3 * DAY));
        let id = DETECTORS.iter().find(|detector| detector.id == detection.id).unwrap().id;
        let score = scores.entry(id).or_default();
        if explained {
            score.right += 1;
        } else {
            score.wrong += 1;
            let week = weeks.entry((id, (times(detection).0 / DAY + 3) / 7)).or_default();
            *week += 1;
            score.wrong_week = score.wrong_week.max(*week);
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

#[test]
fn all_that_is_planted_is_found_and_hardly_anything_else_is_said() {
    // The whole gate, 1,000 people for 90 days: DETECT_PLAN=1,1000,90 cargo test --release -p hunt gate -- --nocapture
    let plan = std::env::var_os("DETECT_PLAN").and_then(|text| parse(text.to_str()?));
    let small = |seed| Plan { seed, users: 150, days: 60, quiet: true };
    for plan in plan.map_or_else(|| vec![small(1), small(2)], |plan| vec![plan]) {
        judge(plan);
    }
}

/// `spray-distributed` asked for ten accounts whatever the firm, and never spoke in one of twenty-five.
#[test]
fn small_firms_are_warned_of_what_is_planted_in_them() {
    let mut kinds = std::collections::BTreeSet::new();
    for (users, seeds) in [(10, 2..3), (25, 1..2), (25, 3..4), (30, 5..6), (60, 2..3), (60, 4..5)] {
        for seed in seeds {
            let scores = judge(Plan { seed, users, days: 90, quiet: true });
            kinds.extend(scores.iter().filter(|(_, score)| score.found > 0).map(|(id, _)| *id));
        }
    }
    // Only what needs a list of leaked passwords is not planted in any of them.
    let missing: Vec<_> = DETECTORS.iter().map(|d| d.id).filter(|id| !kinds.contains(id)).collect();
    assert_eq!(missing, ["leaked-password"]);
}

/// `seed,users,days`.
fn parse(text: &str) -> Option<Plan> {
    let mut numbers = text.split(',').map(|number| number.parse::<u64>().ok());
    let (seed, users, days) = (numbers.next()??, numbers.next()??, numbers.next()??);
    Some(Plan { seed, users, days: i64::try_from(days).ok()?, quiet: false })
}

fn judge(plan: Plan) -> BTreeMap<&'static str, Score> {
    let firm = Firm::new(plan);
    let (found, took) = watch(&firm, options(firm.places()), !plan.quiet);
    let (scores, report) = score(&firm, &found);
    println!("{plan:?}: {took:.1?}\n{report}");
    println!(
        "{:<22} {:>7} {:>6} {:>6} {:>6} {:>7} {:>10}",
        "", "planted", "found", "right", "wrong", "recall", "precision"
    );
    for (id, s) in &scores {
        let share = |part: u64, whole: u64| if whole == 0 { 1.0 } else { part as f64 / whole as f64 };
        println!(
            "{id:<22} {:>7} {:>6} {:>6} {:>6} {:>7.2} {:>10.2}",
            s.planted,
            s.found,
            s.right,
            s.wrong,
            share(s.found, s.planted),
            share(s.right, s.right + s.wrong)
        );
    }
    for (id, score) in &scores {
        assert_eq!(score.found, score.planted, "{id}: something planted was missed\n{report}");
        assert!(score.wrong_week <= 1, "{id}: more than one false alarm a week\n{report}");
    }
    for detection in &found {
        assert!(!detection.threshold.is_empty(), "{}: no threshold", detection.title);
        assert!(!detection.disproof.is_empty() && !detection.advice.is_empty(), "{}", detection.title);
        assert!(!detection.evidence.is_empty() && !detection.about.is_empty(), "{}", detection.title);
        assert!(detection.first <= detection.last, "{}", detection.title);
    }
    scores
}
