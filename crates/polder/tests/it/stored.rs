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
