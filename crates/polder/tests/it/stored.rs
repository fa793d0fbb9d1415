// SPDX-License-Identifier: Apache-2.0
//! What is stored of findings says as much as it did when they were found.

use ledger::sql::EngineError;
use serde_json::{Value, json};
use store::{Schema, Store};

use crate::support::*;

on_both_engines! {
    a_stored_finding_says_what_a_fresh_one_says,
    a_look_back_stores_what_a_hunt_would,
    findings_of_an_earlier_format_are_kept,
    dismissed_findings_are_not_reported_as_found,
    the_report_tells_of_files_what_the_register_does,
}

const LIST: &str = "203.0.113.7\n";
const LOG: &str = "date=2026-03-02 time=02:11:47 devname=\"gw1\" devid=\"FG1\" logid=\"0101039424\" type=\"event\" subtype=\"vpn\" \
     level=\"information\" user=\"engineer03\" remip=203.0.113.7 action=\"tunnel-up\"\n";
/// Members that tell of a finding where and why.
const ABOUT: [&str; 5] = ["host", "account", "source", "kept", "clipped"];

/// Takes the table of findings back to format 8.
const DROPPED: [&str; 5] = [
    "ALTER TABLE hunt_findings DROP COLUMN clipped",
    "ALTER TABLE hunt_findings DROP COLUMN host",
    "ALTER TABLE hunt_findings DROP COLUMN account",
    "ALTER TABLE hunt_findings DROP COLUMN source",
    "ALTER TABLE hunt_findings DROP COLUMN kept",
];

fn about(finding: &Value) -> Vec<Value> {
    ABOUT.iter().map(|name| finding[*name].clone()).collect()
}

fn listed(bench: &Bench) -> Vec<Value> {
    bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json()
}

/// A finding far from both ends of a line that is too long to be kept whole.
fn long_line() -> String {
    let filler = "x ".repeat(4_000);
    LOG.replace("remip", &format!("msg=\"{filler}\" remip"))
        .replace("action=", &format!("msg=\"{filler}\" action="))
}

fn a_stored_finding_says_what_a_fresh_one_says(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("list.txt", LIST);
    bench.import("list.txt", &["--tlp", "green"], 0);
    bench.write("vpn.log", format!("{LOG}{}", long_line()));
    let fresh = bench.run(&["hunt", "--no-packs", "--data", "d", "vpn.log", "--json"]).expect(0).findings();
    let (host, account) = (&fresh[0]["host"], &fresh[0]["account"]);
    assert_eq!((host, account, &fresh[0]["source"]), (&json!("gw1"), &json!("engineer03"), &json!("VPN")));
    assert!(fresh[0]["kept"].as_str().is_some_and(|kept| !kept.is_empty()), "{}", fresh[0]);
    assert_eq!((&fresh[0]["clipped"], &fresh[1]["clipped"]), (&json!(false), &json!(true)));
    let stored = listed(&bench);
    assert_eq!(stored.iter().map(about).collect::<Vec<_>>(), fresh.iter().map(about).collect::<Vec<_>>());

    let report =
        |format: &str| bench.run(&["finding", "report", "--data", "d", "--format", format]).expect(0).out;
    let lines: Vec<Value> = report("json").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<Vec<Value>> = lines.iter().filter(|l| l["type"] == "finding").map(about).collect();
    assert_eq!(told, fresh.iter().map(about).collect::<Vec<_>>());
    for (format, words) in [("html", ["gw1", "engineer03"]), ("page-text", ["gw1", "engineer03"])] {
        let text = report(format);
        words.iter().for_each(|word| assert!(text.contains(word), "{format}: {word}"));
    }
    assert!(report("html").contains("The line is longer than what was kept of it."));
    bench.run(&["finding", "list", "--data", "d"]).expect(0).says(&["host gw1", "account engineer03"]);
}

/// Lines that are recovered when an indicator comes later tell the same.
fn a_look_back_stores_what_a_hunt_would(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("vpn.log", LOG);
    bench.run(&["hunt", "--no-packs", "--data", "d", "vpn.log"]).expect(1);
    bench.write("list.txt", LIST);
    bench.import("list.txt", &["--tlp", "green"], 0);
    let stored = listed(&bench);
    let fresh = bench.run(&["hunt", "--no-packs", "--data", "d", "vpn.log", "--json"]).expect(0).findings();
    assert_eq!(about(&stored[0])[..2], [json!("gw1"), json!("engineer03")]);
    assert_eq!(about(&stored[0]), about(&fresh[0]));
}

/// Format 8 had neither host nor account: its findings are there, and say that they do not know.
fn findings_of_an_earlier_format_are_kept(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("list.txt", LIST);
    bench.import("list.txt", &["--tlp", "green"], 0);
    bench.write("vpn.log", LOG);
    bench.run(&["hunt", "--no-packs", "--data", "d", "vpn.log"]).expect(0);
    let marked =
        if bench.is_on_server() { "UPDATE polder_format SET format = 8" } else { "PRAGMA user_version = 8" };
    let store = Store::open(bench.location("d"), Schema::default()).unwrap();
    for sql in DROPPED.iter().chain([&marked]) {
        store.local(|tx| tx.execute(sql, &[])).map_err(|e: EngineError| e).unwrap();
    }
    drop(store);
    let stored = listed(&bench);
    assert_eq!(stored.len(), 1);
    assert_eq!(about(&stored[0]), [json!(null), json!(null), json!("unknown"), json!(""), json!(false)]);
    // And what is found now is stored whole.
    bench.write("other.log", LOG.replace("02:11", "02:21"));
    bench.run(&["hunt", "--no-packs", "--data", "d", "other.log"]).expect(0);
    assert_eq!(about(&listed(&bench)[0])[..2], [json!("gw1"), json!("engineer03")]);
}

fn report(bench: &Bench, code: i32) -> Vec<Value> {
    bench.run(&["finding", "report", "--data", "d", "--format", "json"]).expect(code).json()
}

fn dismissed_findings_are_not_reported_as_found(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("list.txt", "203.0.113.7\n198.51.100.9\n");
    bench.import("list.txt", &["--tlp", "green"], 0);
    bench.write("vpn.log", format!("{LOG}{}", LOG.replace("203.0.113.7", "198.51.100.9")));
    bench.run(&["hunt", "--no-packs", "--data", "d", "vpn.log"]).expect(0);
    let dismiss = |nth: usize| {
        let id = listed(&bench)[nth]["finding"].as_str().unwrap().to_owned();
        bench.run(&["finding", "dismiss", "--data", "d", &id, "--reason", "own scanner"]).expect(0);
    };
    dismiss(0);
    let lines = report(&bench, 0);
    assert_eq!((&lines[0]["findings"], &lines[0]["dismissed"]), (&json!(1), &json!(1)));
    let told: Vec<&Value> = lines.iter().filter(|line| line["type"] == "finding").collect();
    assert_eq!((told.len(), &told[0]["value"]), (1, &json!("198.51.100.9")));
    dismiss(1);
    let table = bench.run(&["finding", "report", "--data", "d"]).expect(1);
    table.says(&["Nothing was found", "2 findings more were dismissed"]);
    assert_eq!(listed(&bench).len(), 2, "they are still there to be looked at");
}

/// What was not read whole, waits or failed is told as that, and what kind of log each file is.
fn the_report_tells_of_files_what_the_register_does(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("list.txt", LIST);
    bench.import("list.txt", &["--tlp", "green"], 0);
    // Then each line is read into an event.
    bench.run(&["history", "keep", "--data", "d", "url"]).expect(0);
    bench.write("a-vpn.log", LOG);
    bench.write("b-odd.jsonl", "{\"time\":\"2026-03-02T08:14:05Z\",\"dst_ip\":\"192.0.2.80\"}\n{broken\n");
    let packed = zstd::encode_all(LOG.repeat(5_000).as_bytes(), 1).unwrap();
    bench.write("c-cut.log.zst", &packed[..packed.len() - 5]);
    bench.write("d-lost.log", LOG.replace("02:11", "03:11"));
    bench.write("e-fail.log", LOG.replace("02:11", "04:11"));
    let logs = ["a-vpn.log", "b-odd.jsonl", "c-cut.log.zst", "d-lost.log", "e-fail.log"];
    let run = bench.run(&[&["hunt", "--no-packs", "--data", "d"], &logs[..]].concat());
    assert_eq!(run.code, 3, "{}", run.err);
    let store = Store::open(bench.location("d"), Schema::default()).unwrap();
    for sql in [
        "UPDATE hunt_files SET state = 5 WHERE path LIKE '%d-lost.log'",
        "UPDATE hunt_files SET state = 4, fault = 'the disk was full' WHERE path LIKE '%e-fail.log'",
    ] {
        store.local(|tx| tx.execute(sql, &[])).map_err(|e: EngineError| e).unwrap();
    }
    drop(store);
    let lines = report(&bench, 3);
    let files: Vec<&Value> = lines.iter().filter(|line| line["type"] == "file").collect();
    let told: Vec<(&str, &str)> =
        files.iter().map(|f| (f["state"].as_str().unwrap(), f["why"].as_str().unwrap_or(""))).collect();
    assert_eq!(
        told,
        [
            ("whole", ""),
            ("whole", ""),
            ("damaged", "it could not be read to its end"),
            ("damaged", "what the history kept of it is damaged, not the file; hunt in it again"),
            ("not-read", "the disk was full"),
        ]
    );
    assert_eq!(files[0]["source"], "VPN");
    assert_eq!(files[1]["unread"], json!([{ "why": "no JSON object", "count": 1 }]));
    assert!(files[0]["sha256"].is_string() && files[0]["format"].is_null());
}
