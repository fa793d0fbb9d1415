// SPDX-License-Identifier: Apache-2.0
//! Logs that were moved, or read by another zone, since they were recorded: what is told of them.

use std::fs;

use serde_json::{Value, json};

use crate::history::seen;
use crate::support::*;

/// After four weeks of rotation three logs were all told as `access.log`, with the numbers of lines of others.
#[test]
fn a_finding_tells_where_its_log_was_met_last() {
    let bench = Bench::new();
    fs::create_dir(bench.path("l")).unwrap();
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--format", "text"], 0);
    let log = |day: usize| format!("2026-03-{day:02}T08:00:01Z accepted 203.0.113.7 203.0.113.9\n");
    let hunt = || bench.run(&["hunt", "--no-packs", "--data", "d", "l"]).expect(0);
    let named = |value: &Value| {
        let name = |value: &Value| value.as_str().map(|name| name.rsplit('/').next().unwrap().to_owned());
        (name(&value["file"]).unwrap(), name(&value["was"]))
    };
    let list = || -> Vec<(String, Option<String>)> {
        let all = bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json();
        all.iter().map(named).collect()
    };
    let (plain, was) = (|name: &str| (name.to_owned(), None), Some("access.log".to_owned()));
    bench.write("l/access.log", log(1));
    hunt();
    // A copy is no move.
    bench.write("l/access-copy.log", log(1));
    hunt();
    assert_eq!(list(), [plain("access.log")]);
    fs::remove_file(bench.path("l/access-copy.log")).unwrap();
    fs::rename(bench.path("l/access.log"), bench.path("l/access.log.1")).unwrap();
    bench.write("l/access.log", log(2));
    hunt();
    assert_eq!(list(), [plain("access.log"), ("access.log.1".to_owned(), was.clone())]);
    fs::remove_file(bench.path("l/access.log.1")).unwrap();
    bench.write("l/access.log.2.zst", zstd::encode_all(log(1).as_bytes(), 1).unwrap());
    fs::rename(bench.path("l/access.log"), bench.path("l/access.log.1")).unwrap();
    bench.write("l/access.log", "2026-03-03T08:00:01Z accepted 203.0.113.8\n");
    hunt();
    let moved = [("access.log.1".to_owned(), was.clone()), ("access.log.2.zst".to_owned(), was)];
    assert_eq!(list(), moved);
    let seen = seen(&bench, "203.0.113.7", &[], 0);
    assert_eq!(seen["sources"].as_array().unwrap().iter().map(named).collect::<Vec<_>>(), moved);
    // A look-back tells the log that it opens.
    bench.write("more.txt", "203.0.113.9\n");
    bench.import("more.txt", &["--format", "text"], 0);
    assert_eq!(list(), [moved[0].clone(), moved[0].clone(), moved[1].clone(), moved[1].clone()]);
    bench
        .run(&["finding", "list", "--data", "d"])
        .expect(0)
        .says(&["access.log.2.zst:1 (was ", "l/access.log)"]);
    let table = bench.run(&["finding", "report", "--data", "d", "--format", "table"]).expect(0).out;
    assert!(table.split_whitespace().any(|word| word.ends_with("access.log.2.zst:1")), "{table}");
    // It came back.
    fs::remove_file(bench.path("l/access.log")).unwrap();
    fs::rename(bench.path("l/access.log.1"), bench.path("l/access.log")).unwrap();
    hunt();
    assert_eq!(list()[0], plain("access.log"));
}

/// A wrong or forgotten `--tz` of the first hunt stayed in findings, history and coverage for ever, and nothing said so.
#[test]
fn a_zone_that_was_wrong_is_mended_or_told() {
    let line = |user: &str| {
        format!(
            "date=2026-03-02 time=00:30:00 devname=\"gw1\" devid=\"FG1\" logid=\"0101039424\" type=\"event\" \
             subtype=\"vpn\" level=\"information\" user=\"{user}\" remip=203.0.113.7 action=\"tunnel-up\"\n"
        )
    };
    let (by_utc, by_amsterdam) = ("2026-03-02T00:30:00", "2026-03-01T23:30:00");
    // One log alone; two that share their runs; one of a history from which something was erased.
    for (logs, forgets) in [(1, false), (2, false), (1, true)] {
        let bench = Bench::new();
        fs::create_dir(bench.path("l")).unwrap();
        bench.write("list.txt", "203.0.113.7\n");
        bench.import("list.txt", &["--format", "text"], 0);
        for nth in 0..logs {
            bench.write(&format!("l/{nth}.log"), line(&format!("user{nth}")));
        }
        // Its lines tell a zone.
        bench.write("l/zoned.log", "2026-03-02T00:30:00Z accepted 203.0.113.9\n");
        let hunt =
            |zone: &str| bench.run(&["hunt", "--no-packs", "--data", "d", "l", "--tz", zone]).expect(0).err;
        let times = || -> Vec<String> {
            let all = bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json();
            all.iter().map(|one| one["time"].as_str().unwrap()[..19].to_owned()).collect()
        };
        let answer = |value: &str, code: i32| {
            let seen = seen(&bench, value, &[], code);
            (
                seen["first"].as_str().unwrap()[..19].to_owned(),
                seen["count"].clone(),
                seen["coverage"]["other_zones"].clone(),
            )
        };
        assert!(!hunt("UTC").contains("another zone"));
        assert_eq!(times(), vec![by_utc; logs]);
        if forgets {
            bench.write("other.log", "2026-03-02T00:30:00Z accepted 198.51.100.9\n");
            bench.run(&["hunt", "--no-packs", "--data", "d", "other.log"]).expect(1);
            bench.run(&["forget", "--data", "d", "198.51.100.9", "--purpose", "a request"]).expect(0);
        }
        let said = hunt("Europe/Amsterdam");
        assert_eq!(times(), vec![by_amsterdam; logs], "{said}");
        let is_mended = logs == 1 && !forgets;
        if is_mended {
            assert!(
                said.contains("1 log was read by another zone before: findings, coverage and history"),
                "{said}"
            );
            assert_eq!(answer("203.0.113.7", 0), (by_amsterdam.to_owned(), 1.into(), json!([])));
        } else {
            assert!(said.contains("counts them anew"), "{said}");
            let zones = json!([{ "counted": "UTC", "read": "Europe/Amsterdam", "files": logs }]);
            assert_eq!(answer("203.0.113.7", 0), (by_utc.to_owned(), logs.into(), zones));
            let told = bench.run(&["seen", "--data", "d", "203.0.113.7"]).expect(0);
            told.says(&["by UTC where they are read by Europe/Amsterdam now"]);
        }
        let seen_first = seen(&bench, "203.0.113.7", &[], 0)["coverage"]["first"].clone();
        assert_eq!(seen_first.as_str().unwrap()[..19], *by_amsterdam);
        assert_eq!(answer("203.0.113.9", 0).0, by_utc, "what tells its zone stays");
        assert!(!hunt("Europe/Amsterdam").contains("another zone"), "it is told once");
        // A look-back goes by the zone that is told.
        bench.write("more.txt", "203.0.113.0/29\n");
        bench.import("more.txt", &["--format", "text"], 0);
        assert_eq!(times(), vec![by_amsterdam; 2 * logs]);
        // And back.
        hunt("UTC");
        assert_eq!(times(), vec![by_utc; 2 * logs]);
        assert_eq!(answer("203.0.113.7", 0), (by_utc.to_owned(), logs.into(), json!([])));
    }
}

/// A line of a firewall, which tells no zone.
fn without_zone(user: &str, hour: u32) -> String {
    format!(
        "date=2026-03-02 time={hour:02}:30:00 devname=\"gw1\" devid=\"FG1\" logid=\"0101039424\" type=\"event\" \
         subtype=\"vpn\" level=\"information\" user=\"{user}\" remip=203.0.113.7 action=\"tunnel-up\"\n"
    )
}

/// A bench whose node seeks 203.0.113.7, and the times of what it has found, to the hour.
fn that_seeks() -> Bench {
    let bench = Bench::new();
    fs::create_dir(bench.path("l")).unwrap();
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--format", "text"], 0);
    bench
}

fn hours(bench: &Bench) -> Vec<String> {
    let all = bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json();
    all.iter().map(|one| one["time"].as_str().unwrap()[..13].to_owned()).collect()
}

const BY_AMSTERDAM: [&str; 7] = ["hunt", "--no-packs", "--data", "d", "l", "--tz", "Europe/Amsterdam"];
const WITHOUT_TZ: [&str; 6] = ["hunt", "--no-packs", "--data", "d", "l", "--json"];

/// A log that was hunted in with the right `--tz`, and later without any, was told by UTC from then on.
#[test]
fn a_forgotten_tz_does_not_rewrite_right_times() {
    let bench = that_seeks();
    bench.write("l/vpn.log", without_zone("user1", 0));
    bench.run(&BY_AMSTERDAM).expect(0);
    let right = ["2026-03-01T23"];
    assert_eq!(hours(&bench), right);
    let of_hunt = |ran: Ran| {
        ran.findings().iter().map(|one| one["time"].as_str().unwrap()[..13].to_owned()).collect::<Vec<_>>()
    };
    let ran = bench.run(&WITHOUT_TZ).expect(0).says(&[
        "1 log was read by Europe/Amsterdam, the zone that is recorded of it, as --tz was not given",
    ]);
    assert_eq!(
        (of_hunt(ran), hours(&bench)),
        (right.map(str::to_owned).to_vec(), right.map(str::to_owned).to_vec())
    );
    // It was rotated, and has grown under its old name.
    fs::rename(bench.path("l/vpn.log"), bench.path("l/vpn.log.1")).unwrap();
    bench.run(&WITHOUT_TZ).expect(0);
    assert_eq!(hours(&bench), right);
    let grown = [without_zone("user1", 0), without_zone("user2", 12)].concat();
    bench.write("l/vpn.log.1", grown);
    bench.run(&WITHOUT_TZ).expect(0);
    assert_eq!(hours(&bench), ["2026-03-01T23", "2026-03-02T11"]);
    // A copy under a name that tells nothing of it.
    fs::create_dir(bench.path("m")).unwrap();
    fs::copy(bench.path("l/vpn.log.1"), bench.path("m/other.txt")).unwrap();
    let ran = bench.run(&["hunt", "--no-packs", "--data", "d", "m/other.txt"]).expect(0);
    ran.says(&[
        "1 log was recorded by Europe/Amsterdam before",
        "hunt in them again with --tz Europe/Amsterdam",
    ]);
    assert_eq!(hours(&bench), ["2026-03-01T23", "2026-03-02T11"]);
    // What is asked for counts.
    let ran = bench.run(&["hunt", "--no-packs", "--data", "d", "l", "--tz", "UTC"]).expect(0);
    ran.says(&["1 log was read by another zone before"]);
    assert_eq!(hours(&bench), ["2026-03-02T00", "2026-03-02T12"]);
    let ran = bench.run(&WITHOUT_TZ).expect(0);
    assert!(!ran.err.contains("--tz"), "{}", ran.err);
}

/// A log that had grown and was hunted in by another zone: half of its findings stayed in the old one, and nothing said so.
#[test]
fn a_log_that_has_grown_is_told_by_one_zone() {
    for shares_its_runs in [false, true] {
        let bench = that_seeks();
        bench.write("l/vpn.log", without_zone("user1", 0));
        if shares_its_runs {
            bench.write("l/web.log", "2026-03-02T00:30:00Z accepted 203.0.113.9\n");
            bench.write("l/gate.log", without_zone("user9", 0));
        }
        bench.run(&["hunt", "--no-packs", "--data", "d", "l", "--tz", "UTC"]).expect(0);
        if shares_its_runs {
            fs::remove_file(bench.path("l/gate.log")).unwrap();
        }
        bench.write("l/vpn.log", [without_zone("user1", 0), without_zone("user2", 12)].concat());
        let ran = bench.run(&BY_AMSTERDAM).expect(0);
        let mut wanted = vec!["2026-03-01T23", "2026-03-02T11"];
        let zones = |of: &str| seen(&bench, of, &[], 0)["coverage"]["other_zones"].clone();
        if shares_its_runs {
            ran.says(&["1 log was read by another zone before", "counts them anew"]);
            wanted.push("2026-03-02T00");
            let told =
                json!([{ "counted": "Europe/Amsterdam, UTC", "read": "Europe/Amsterdam", "files": 1 }]);
            assert_eq!(zones("203.0.113.7"), told);
        } else {
            ran.says(&["1 log was read by another zone before: findings, coverage and history"]);
            assert_eq!(zones("203.0.113.7"), json!([]));
        }
        let mut told = hours(&bench);
        told.sort();
        wanted.sort_unstable();
        assert_eq!(told, wanted);
    }
}
