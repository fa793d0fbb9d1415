// SPDX-License-Identifier: Apache-2.0
//! What is stored of findings says as much as it did when they were found.

use ledger::sql::EngineError;
use serde_json::{Value, json};
use store::{Schema, Store};

use crate::engine::write_private;
use crate::support::*;

on_both_engines! {
    a_stored_finding_says_what_a_fresh_one_says,
    a_look_back_stores_what_a_hunt_would,
    findings_of_an_earlier_format_are_kept,
    dismissed_findings_are_not_reported_as_found,
    the_report_tells_of_files_what_the_register_does,
    a_report_made_later_tells_the_odd_times_of_the_hunt,
    a_report_made_later_goes_by_what_files_said_of_markings,
    what_a_file_says_now_does_not_loosen_what_was_found_before,
    what_the_ledger_said_of_an_object_outlasts_its_withdrawal,
    what_the_ledger_and_a_file_say_counts_once,
    a_report_made_later_tells_what_was_detected,
    a_forgotten_value_is_nowhere,
    forgotten_is_not_never,
    sharing_says_what_already_holds,
}

const LIST: &str = "203.0.113.7\n";
const LOG: &str = "date=2026-03-02 time=02:11:47 devname=\"gw1\" devid=\"FG1\" logid=\"0101039424\" type=\"event\" subtype=\"vpn\" \
     level=\"information\" user=\"engineer03\" remip=203.0.113.7 action=\"tunnel-up\"\n";
/// Members that tell of a finding where and why.
const ABOUT: [&str; 5] = ["host", "account", "source", "kept", "clipped"];

/// Takes the tables of findings, files and notices back to format 10.
const DROPPED: [&str; 19] = [
    "DROP INDEX hunt_findings_owed",
    "ALTER TABLE hunt_findings DROP COLUMN owed",
    "ALTER TABLE hunt_files DROP COLUMN kinds",
    "DROP INDEX hunt_files_head",
    "ALTER TABLE hunt_files DROP COLUMN times_asked",
    "ALTER TABLE hunt_files DROP COLUMN times_untimed",
    "ALTER TABLE hunt_files DROP COLUMN times_set_apart",
    "ALTER TABLE hunt_findings DROP COLUMN clipped",
    "ALTER TABLE hunt_findings DROP COLUMN host",
    "ALTER TABLE hunt_findings DROP COLUMN account",
    "ALTER TABLE hunt_findings DROP COLUMN source",
    "ALTER TABLE hunt_findings DROP COLUMN kept",
    "DROP INDEX hunt_files_held",
    "ALTER TABLE hunt_files DROP COLUMN content_sha256",
    "ALTER TABLE hunt_files DROP COLUMN content_size",
    "ALTER TABLE hunt_files DROP COLUMN packed_path",
    "ALTER TABLE hunt_outbox DROP COLUMN objects",
    "ALTER TABLE hunt_outbox DROP COLUMN bare_subject",
    "ALTER TABLE hunt_outbox DROP COLUMN bare",
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
    // Both were forgotten, but only one of them was there to be erased.
    bench.write("gone.log", "2024-02-01T10:00:00Z 8.8.8.8\n");
    bench.run(&["hunt", "--no-packs", "--data", "d", "gone.log"]).expect(1);
    for (value, code) in [("8.8.8.8", 0), ("9.9.9.9", 1)] {
        bench.run(&["forget", "--data", "d", value, "--purpose", "a request"]).expect(code);
    }
    let marked = if bench.is_on_server() {
        "UPDATE polder_format SET format = 10"
    } else {
        "PRAGMA user_version = 10"
    };
    let store = Store::open(bench.location("d"), Schema::default()).unwrap();
    for sql in DROPPED.iter().chain([
        &"DROP TABLE hunt_forgotten",
        &"DROP TABLE hunt_detections",
        &"DROP TABLE hunt_sought",
        &marked,
    ]) {
        store.local(|tx| tx.execute(sql, &[])).map_err(|e: EngineError| e).unwrap();
    }
    drop(store);
    let stored = listed(&bench);
    assert_eq!(stored.len(), 1);
    assert_eq!(about(&stored[0]), [json!(null), json!(null), json!("unknown"), json!(""), json!(false)]);
    bench.run(&["seen", "--data", "d", "8.8.8.8"]).expect(3).says(&["8.8.8.8 was erased on"]);
    bench.run(&["seen", "--data", "d", "9.9.9.9"]).expect(1).says(&["never"]);
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
    // What is found once more is as dismissed as before.
    bench.write("new.log", LOG.replace("02:11", "05:11"));
    let hunt = bench.run(&["hunt", "--no-packs", "--data", "d", "new.log"]).expect(1);
    hunt.says(&["Nothing was found", "1 finding more was dismissed"]);
    assert_eq!(listed(&bench).len(), 3);
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
            (
                "damaged",
                "it cannot be unpacked beyond byte 786432: incomplete frame; what came before was read"
            ),
            ("damaged", "what the history kept of it is damaged, not the file; hunt in it again"),
            ("not-read", "the disk was full"),
        ]
    );
    assert_eq!(files[0]["source"], "VPN");
    assert_eq!(files[1]["unread"], json!([{ "why": "no JSON object", "count": 1 }]));
    assert!(files[0]["sha256"].is_string() && files[0]["format"].is_null());
}

const VALUE: &str = "198.51.100.9";

/// Not in findings of other values, not in a notice that waits, and the receipt says where it was.
/// A report of what is recorded said that no account needs a new password, after a hunt that had found some.
fn a_report_made_later_tells_what_was_detected(engine: &Engine) {
    let bench = Bench::on(engine);
    let sign_in = |nth: usize| {
        format!(
            "<86>1 2026-03-02T02:11:{:02}Z gate sshd 99 - - Failed password for user{} from 198.51.100.7 port 4 ssh2\n",
            nth,
            nth % 12
        )
    };
    bench.write("gate.log", (0..24).map(sign_in).collect::<String>());
    let report = |code| bench.run(&["finding", "report", "--data", "d", "--format", "json"]).expect(code);
    let detected = |text: &str| text.lines().filter(|line| line.contains("\"type\":\"detection\"")).count();
    report(1);
    let hunted = bench.run(&["hunt", "--data", "d", "gate.log", "--json"]).expect(0);
    let told = detected(&hunted.out);
    assert!(told > 0, "{}", hunted.out);
    assert_eq!(detected(&report(0).out), told);
    bench.run(&["hunt", "--data", "d", "gate.log"]).expect(0);
    assert_eq!(detected(&report(0).out), told, "the same is told once");
    let page = ["finding", "report", "--data", "d", "--format", "page-text", "--language", "nl"];
    bench.run(&page).expect(0).says(&["iets gevonden waar u vandaag iets aan moet doen"]);
    // Who is forgotten is forgotten there, too.
    let forget = ["forget", "--data", "d", "198.51.100.7", "--purpose", "a request", "--json"];
    let receipt = bench.run(&forget).expect(0).json().remove(0);
    assert_eq!(receipt["detections_erased"], told, "{receipt}");
    assert_eq!(detected(&report(1).out), 0);
    assert_eq!(bench.holding("d", b"user11"), Vec::<String>::new());
}

fn a_forgotten_value_is_nowhere(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("list.txt", format!("203.0.113.7\n{VALUE}\n"));
    bench.write("vpn.log", LOG.replace("action=", &format!("srcip={VALUE} action=")));
    let hunt = ["hunt", "--data", "d", "--indicators", "list.txt", "vpn.log"];
    bench.run(&hunt).expect(0);
    write_private(&bench.path("hook.secret"), "0123456789abcdef");
    // A port that nobody listens on: it was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = format!("[webhook]\nurl = \"http://{address}/\"\nsecret_file = \"hook.secret\"\n");
    bench.write("notify.toml", settings);
    bench.run(&["finding", "report", "--data", "d", "--notify", "notify.toml"]).expect(0);
    assert_ne!(bench.holding("d", VALUE.as_bytes()), Vec::<String>::new());

    let forget = ["forget", "--data", "d", VALUE, "--findings", "--purpose", "a request", "--json"];
    // A server keeps deleted bytes where no query reaches them: the receipt names the places.
    let told = bench.run(&forget).expect(0).json().remove(0);
    let counts = ["count", "findings_left", "findings_erased", "findings_redacted", "notices_erased"];
    assert_eq!(
        counts.map(|name| told[name].as_u64()),
        [Some(1), Some(0), Some(1), Some(1), Some(1)],
        "{told}"
    );
    assert_eq!(told["remains"].as_array().map(Vec::is_empty), Some(!engine.is_server()), "{told}");
    assert_eq!(bench.holding("d", VALUE.as_bytes()), Vec::<String>::new());
    let left = listed(&bench);
    assert_eq!((left.len(), &left[0]["value"]), (1, &json!("203.0.113.7")));
    assert!(left[0]["text"].as_str().unwrap().contains("srcip=[erased] action="), "{}", left[0]);
    let notices = bench.run(&["notify", "list", "--data", "d", "--json"]).expect(0).json();
    assert_eq!(notices[0]["state"], "erased");
    bench.run(&["notify", "retry", "--data", "d", "1"]).expect(1);
    // An account stands in a field of its own, too.
    let forget = ["forget", "--data", "d", "--kind", "account", "engineer03", "--purpose", "a request"];
    bench.run(&forget).expect(0).says(&["1 finding of other values quoted it"]);
    assert_eq!(listed(&bench)[0]["account"], "[erased]");
    assert_eq!(bench.holding("d", b"engineer03"), Vec::<String>::new());
}

/// Whoever asks for what was forgotten learns that, and what came since.
fn forgotten_is_not_never(engine: &Engine) {
    let bench = Bench::on(engine);
    let line = |time: &str| format!("2024-02-01T{time}:00Z {VALUE}\n");
    bench.write("a.log", line("10:00"));
    let hunt = |log: &str| bench.run(&["hunt", "--no-packs", "--data", "d", log]);
    let seen = |value: &str, more: &[&str], code| {
        bench.run(&[&["seen", "--data", "d", value], more].concat()).expect(code)
    };
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--tlp", "green"], 0);
    hunt("a.log").expect(1);
    seen("198.51.100.8", &[], 1).says(&["never"]);
    bench.run(&["forget", "--data", "d", VALUE, "--purpose", "a request"]).expect(0);
    for _ in 0..2 {
        let told =
            seen(VALUE, &[], 3).says(&["198.51.100.9 was erased on 2", "nothing of it was recorded since"]);
        assert!(!told.out.contains("never"), "{}", told.out);
        // The content is known: it is not recorded again.
        hunt("a.log").expect(1);
    }
    let json = seen(VALUE, &["--json"], 3).json().remove(0);
    assert_eq!((&json["seen"], &json["coverage"]["holes"]), (&json!(false), &json!(true)));
    assert!(json["coverage"]["forgotten"].is_string());
    // Another value of its network was never there, but of the network nobody can say so.
    seen("198.51.100.8", &[], 1).says(&["never"]);
    seen("198.51.100.0/24", &[], 3).says(&["1 value erased at somebody's wish"]);
    bench.write("b.log", line("11:00"));
    hunt("b.log").expect(1);
    seen(VALUE, &[], 0).says(&["was seen 1 time", "what was known of it before was erased on 2"]);
    // The audit holds the value from before in no line, not even of who asked after it was forgotten.
    let audit = bench.run(&["history", "audit", "--data", "d", "--json"]).expect(0);
    assert!(!audit.out.contains(VALUE), "{}", audit.out);
    let outcomes: Vec<Value> = audit.json().iter().map(|entry| entry["outcome"].clone()).collect();
    assert!(outcomes.contains(&json!("forgotten")));
}

/// What was shared is not shared twice, and who asks again learns when and by whom it was.
fn sharing_says_what_already_holds(engine: &Engine) {
    let bench = Bench::on(engine);
    let ring = bench.community("ring");
    bench.write("list.txt", format!("203.0.113.7\n{VALUE}\n"));
    bench.import("list.txt", &["--community", &ring, "--tlp", "amber"], 0);
    bench.write("vpn.log", format!("{LOG}{}", LOG.replace("203.0.113.7", VALUE)));
    bench.run(&["hunt", "--no-packs", "--data", "d", "vpn.log"]).expect(0);
    let ids: Vec<String> =
        listed(&bench).iter().map(|one| one["finding"].as_str().unwrap().to_owned()).collect();
    let finding = |args: &[&str]| bench.run(&[&["finding"], args, &["--data", "d"]].concat());
    let share = |id: &str, more: &[&str]| finding(&[&["share", id], more].concat());
    let show = |id: &str| finding(&["show", id, "--json"]).expect(0).json().remove(0);

    let to_ring = ["--community", ring.as_str()];
    share(&ids[0], &["--draft"]).expect(0).says(&["is drafted, TLP:AMBER"]);
    share(&ids[0], &["--draft"]).expect(0).says(&["is drafted since 2", "nothing to do"]);
    let first = share(&ids[0], &[&to_ring[..], &["--json"]].concat()).expect(0).json().remove(0);
    assert_eq!((&first["made"], &first["rule"]), (&json!(null), &json!(null)));
    assert!(first["added"].as_u64() > Some(0));
    let size = bench.verified("d");
    share(&ids[0], &to_ring).expect(0).says(&[
        "was made on 2",
        "nothing to do",
        first["sighting"].as_str().unwrap(),
    ]);
    // A draft of what is shared takes nothing back.
    share(&ids[0], &[&to_ring[..], &["--draft"]].concat()).expect(0).says(&["was made on 2"]);
    assert_eq!(show(&ids[0])["state"], "shared");
    let again = share(&ids[0], &[&to_ring[..], &["--json"]].concat()).expect(0).json().remove(0);
    for name in ["sighting", "observed_data", "count", "marking", "value"] {
        assert_eq!(first[name], again[name], "{name}");
    }
    assert!(again["made"].is_string() && again["added"] == 0);
    let indicator = show(&ids[0])["indicator"].as_str().unwrap().to_owned();
    finding(&[&["sight", &indicator], &to_ring[..]].concat()).expect(0).says(&["nothing to do"]);
    assert_eq!(bench.verified("d"), size, "nothing was appended");
    // Other recipients have not been told.
    let own = share(&ids[0], &["--json"]).expect(0).json().remove(0);
    assert_eq!((&own["sighting"], &own["made"]), (&first["sighting"], &json!(null)));
    assert!(own["added"].as_u64() > Some(0), "{own}");
    share(&ids[0], &["--anonymous"]).expect(0).says(&["told of less, or otherwise"]);

    let rule = [&["approve-rule", "add", "--reason", "agreed"], &to_ring[..]].concat();
    finding(&rule).expect(0);
    let draft = share(&ids[1], &[&to_ring[..], &["--draft"]].concat());
    draft.expect(0).says(&["rule 1 would have shared it"]);
    finding(&["dismiss", &ids[1], "--reason", "own scanner"]).expect(0);
    share(&ids[1], &to_ring).expect(0).says(&["rule 1 approves the same"]);

    // What a rule shared is told as that.
    let log = LOG.replace("203.0.113.7", "192.0.2.200");
    bench.write("more.txt", "192.0.2.200\n");
    bench.import("more.txt", &["--community", &ring, "--tlp", "amber"], 0);
    bench.write("more.log", log);
    bench.run(&["hunt", "--no-packs", "--data", "d", "more.log"]).expect(0).says(&["shared by rule 1"]);
    let by_rule = listed(&bench).into_iter().find(|one| one["value"] == "192.0.2.200").unwrap();
    share(by_rule["finding"].as_str().unwrap(), &to_ring)
        .expect(0)
        .says(&["by rule 1 for the same recipients"]);

    // What was retracted is not said to hold.
    let sighting = first["sighting"].as_str().unwrap();
    bench.run(&["recall", "--data", "d", sighting, "--retract"]).expect(0);
    share(&ids[0], &to_ring).expect(2).says(&["was retracted on 2"]);
}

/// The report on earlier hunts told bytes as they are packed, and none of the indicators of packs.
#[test]
fn a_report_made_later_counts_as_the_hunt_did() {
    let bench = Bench::new();
    bench.write("list.txt", LIST);
    bench.import("list.txt", &["--tlp", "green"], 0);
    std::fs::create_dir(bench.path("l")).unwrap();
    bench.write("l/vpn.log", LOG);
    bench.write(
        "l/old.log.zst",
        zstd::encode_all(LOG.replace("02:11", "03:11").repeat(500).as_bytes(), 1).unwrap(),
    );
    bench.write("l/empty.log", "");
    let first = |args: &[&str]| bench.run(args).expect(0).json().remove(0);
    let hunted = first(&["hunt", "--data", "d", "l", "--json"]);
    let reported = first(&["finding", "report", "--data", "d", "--format", "json"]);
    assert_eq!(hunted["bytes"], LOG.len() * 501);
    for member in ["bytes", "files", "lines", "findings"] {
        assert_eq!(hunted[member], reported[member], "{member}");
    }
    for member in ["indicators", "origins", "rules", "patterns", "detectors"] {
        assert_eq!(hunted["sought"][member], reported["sought"][member], "{member}");
    }
    let page = ["finding", "report", "--data", "d", "--format", "page-text", "--language", "en"];
    bench.run(&page).expect(0).says(&["501 lines in 2 of 3 files"]);
    // What an earlier program kept tells nothing of indicators: then the ledger is counted.
    let store = Store::open(bench.location("d"), Schema::default()).unwrap();
    let earlier = "UPDATE hunt_sought SET body = x'000500'";
    store.local(|tx| tx.execute(earlier, &[])).map_err(|e: EngineError| e).unwrap();
    drop(store);
    let reported = first(&["finding", "report", "--data", "d", "--format", "json"]);
    assert_eq!(
        (&reported["sought"]["rules"], &reported["sought"]["indicators"]),
        (&json!(5), &json!({ "ip": 1 }))
    );
}

/// The report of a hunt told of times that are on no day, and the report on earlier hunts did not.
fn a_report_made_later_tells_the_odd_times_of_the_hunt(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("list.txt", LIST);
    bench.import("list.txt", &["--tlp", "green"], 0);
    let odd = |from: u32| {
        format!(
            "2026-03-02T08:00:00Z to 203.0.113.7\nno time to 198.51.100.{from}\n1970-01-02T00:00:00Z to 198.51.100.1\n"
        )
    };
    let ahead = "2090-01-01T00:00:00Z to 198.51.100.2\n";
    let times = |lines: &[Value]| -> Vec<(Value, Value, Value)> {
        let files = lines.iter().filter(|line| line["type"] == "file");
        files.map(|file| (file["times"].clone(), file["first"].clone(), file["last"].clone())).collect()
    };
    let hunt = |form: &str| {
        bench.run(&["hunt", "--no-packs", "--data", "d", "a.log", "b.log", "--format", form]).expect(0)
    };
    let odd_rows = |out: &str| -> Vec<String> {
        let text =
            out.split_once("What could not be looked at").unwrap().1.split_whitespace().collect::<Vec<_>>();
        let text = text.join(" ");
        ["on no day", "still to come"]
            .iter()
            .map(|what| format!("{what} {}", text.matches(what).count()))
            .collect()
    };
    bench.write("a.log", format!("{}{ahead}", odd(3)));
    bench.write("b.log", odd(4));
    for nth in 0..3 {
        let fresh = hunt("json").json();
        let (odd, wanted) = (times(&fresh), json!({"asked": 4, "untimed": 1, "set_apart": 1}));
        assert_eq!((odd.len(), nth > 0 || odd[0].0 == wanted), (2, true), "{odd:?}");
        assert_eq!(times(&report(&bench, 0)), odd, "round {nth}");
        let told = odd_rows(&hunt("table").out);
        let later = bench.run(&["finding", "report", "--data", "d", "--format", "table"]).expect(0).out;
        assert_eq!((&odd_rows(&later), told[1].as_str()), (&told, "still to come 1"));
        assert_ne!(told[0], "on no day 0");
        // What is merged and has grown is read again for what was added alone.
        bench.run(&["history", "tidy", "--data", "d"]).expect(0);
        for name in ["a.log", "b.log"] {
            let grown = std::fs::read_to_string(bench.path(name)).unwrap() + "no time to 198.51.100.9\n";
            bench.write(name, grown);
        }
    }
}

/// An indicator or, with LIKE, a pattern of a file, marked or not.
fn of_file(nth: u32, pattern: &str, label: Option<&str>) -> String {
    let marked = label.map_or(String::new(), |label| format!(r#""object_marking_refs":["{}"],"#, tlp(label)));
    format!(
        r#"{{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-{nth:012}",{marked}"created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z","pattern":"{pattern}","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z"}}"#
    )
}

fn hunt_with(bench: &Bench, list: &str, log: &str) -> Vec<Value> {
    bench.run(&["hunt", "--data", "d", "--no-packs", "--indicators", list, log, "--json"]).expect(0).json()
}

/// Markings of findings and detections by the value that they name, with the label of the report.
fn markings(lines: &[Value]) -> Vec<String> {
    let mut all: Vec<String> = lines
        .iter()
        .filter(|line| line["type"] == "finding" || line["type"] == "detection")
        .map(|line| format!("{}{} {}", line["value"], line["id"], line["marking"]))
        .collect();
    all.sort();
    all.push(lines[0]["label"].to_string());
    all
}

/// Of an object of one's own file, which the hunt told as TLP:RED, the report made later said that nobody knows.
fn a_report_made_later_goes_by_what_files_said_of_markings(engine: &Engine) {
    let bench = Bench::on(engine);
    let objects = [
        of_file(1, "[ipv4-addr:value = '203.0.113.7']", Some("red")),
        of_file(2, "[domain-name:value = 'evil.example']", Some("green")),
        of_file(3, "[ipv4-addr:value = '203.0.113.8']", None),
        of_file(4, "[file:name LIKE 'crow%.exe']", Some("amber")),
    ];
    bench.write("own.json", bundle(&objects));
    bench.write(
        "a.log",
        "2026-03-01T10:00:00Z in 203.0.113.7\n2026-03-02T11:13:00Z dns evil.example\n2026-03-02T11:14:00Z in 203.0.113.8\n",
    );
    bench.write("b.log", "{\"time\":\"2026-03-01T10:00:00Z\",\"filename\":\"crowbar.exe\"}\n");
    let mut fresh = hunt_with(&bench, "own.json", "a.log");
    let told = markings(&fresh);
    assert_eq!(
        told,
        [
            r#""203.0.113.7"null "TLP:RED""#,
            r#""203.0.113.8"null "unmarked unknown""#,
            r#""evil.example"null "TLP:GREEN""#,
            r#""TLP:RED""#
        ]
    );
    assert_eq!(markings(&report(&bench, 0)), told);
    let detections = hunt_with(&bench, "own.json", "b.log");
    fresh.extend(detections.into_iter().filter(|line| line["type"] == "detection"));
    assert_eq!(markings(&report(&bench, 0)), markings(&fresh));
    let red = listed(&bench).iter().find(|one| one["value"] == "203.0.113.7").unwrap()["finding"].clone();
    let shown =
        bench.run(&["finding", "show", "--data", "d", red.as_str().unwrap(), "--json"]).expect(0).json();
    assert_eq!(shown[0]["marking"], "TLP:RED");
    let refs = shown[0]["objects"].as_array().unwrap().iter().map(|object| &object["object_marking_refs"][0]);
    assert!(refs.clone().any(|id| id == tlp("red")), "{}", shown[0]);
    // A sighting is made of what is marked, as the hunt makes it.
    let stix = |args: &[&str]| {
        let out = bench.run(&[args, &["--data", "d", "--format", "stix"]].concat()).expect(0).out;
        let bundle: Value = serde_json::from_str(&out).unwrap();
        let all = bundle["objects"].as_array().unwrap();
        all.iter()
            .filter(|one| one["type"] == "sighting")
            .map(|one| one["object_marking_refs"].clone())
            .collect()
    };
    let made: Vec<Value> = stix(&["finding", "report"]);
    assert_eq!(made.len(), 2);
    assert_eq!(made, stix(&["hunt", "--no-packs", "--indicators", "own.json", "a.log"]));
}

/// Another file may say less of an object: what was found by the first is not told by the second.
fn what_a_file_says_now_does_not_loosen_what_was_found_before(engine: &Engine) {
    let bench = Bench::on(engine);
    let pattern = |value: &str| format!("[ipv4-addr:value = '{value}']");
    let both = "2026-03-01T10:00:00Z in 203.0.113.7\n2026-03-01T10:00:00Z in 203.0.113.8\n";
    for (name, [one, other]) in
        [("first.json", [Some("red"), None]), ("second.json", [Some("green"), Some("green")])]
    {
        let objects = [of_file(1, &pattern("203.0.113.7"), one), of_file(2, &pattern("203.0.113.8"), other)];
        bench.write(name, bundle(&objects));
    }
    bench.write("a.log", both);
    bench.write("b.log", both.replace("10:00", "11:00"));
    hunt_with(&bench, "first.json", "a.log");
    hunt_with(&bench, "second.json", "b.log");
    let told = [
        r#""203.0.113.7"null "TLP:RED""#,
        r#""203.0.113.7"null "TLP:RED""#,
        r#""203.0.113.8"null "TLP:GREEN unknown""#,
        r#""203.0.113.8"null "TLP:GREEN unknown""#,
        r#""TLP:RED""#,
    ];
    assert_eq!(markings(&report(&bench, 0)), told);
    // An earlier program wrote down nothing.
    let store = Store::open(bench.location("d"), Schema::default()).unwrap();
    store.local(|tx| tx.execute("DELETE FROM hunt_said", &[])).map_err(|e: EngineError| e).unwrap();
    drop(store);
    bench.write("c.log", both.replace("10:00", "12:00"));
    hunt_with(&bench, "second.json", "c.log");
    let known = markings(&report(&bench, 0));
    assert_eq!(known.iter().filter(|one| one.ends_with("unknown\"")).count(), 6, "{known:?}");
}

/// RED in the ledger and CLEAR in a file: after the object was withdrawn report and notice said TLP:CLEAR.
fn what_the_ledger_said_of_an_object_outlasts_its_withdrawal(engine: &Engine) {
    let code = if engine.is_server() { 3 } else { 0 };
    let of = |n: u32, level| of_file(n, &format!("[ipv4-addr:value = '203.0.113.{n}']"), level);
    // The last one is unmarked in the ledger: it is free to nobody for what a file says.
    let in_ledger = [of(7, Some("red")), of(8, Some("green")), of(9, None)];
    for first_by_file in [false, true] {
        let bench = Bench::on(engine);
        bench.write("ledger.json", bundle(&in_ledger));
        bench.write("file.json", bundle(&[7, 8, 9].map(|n| of(n, Some("clear")))));
        let line =
            |hour: u32| [7, 8, 9].map(|n| format!("2026-03-01T{hour:02}:00:00Z in 203.0.113.{n}\n")).concat();
        bench.write("a.log", line(10));
        bench.write("b.log", line(11));
        if first_by_file {
            hunt_with(&bench, "file.json", "a.log");
        }
        bench.import("ledger.json", &[], 0);
        hunt_with(&bench, "file.json", "b.log");
        let told = || markings(&report(&bench, 0));
        let before = told();
        let id = |n: u32| format!("indicator--00000000-0000-4000-8000-{n:012}");
        for n in [7, 8, 9] {
            bench.run(&["recall", "--data", "d", &id(n), "--withdraw"]).expect(code);
        }
        let after = told();
        let is_of = |n: u32| before.iter().filter(move |one| one.contains(&format!("203.0.113.{n}")));
        assert!(is_of(7).all(|one| one.contains("TLP:RED")) && is_of(7).count() > 0, "{before:?}");
        let is_restricted = |one: &&String| one.contains("203.0.113.9") && one.contains("unknown");
        assert_eq!(after.iter().filter(is_restricted).count(), is_of(9).count(), "{after:?}");
        let marked = |all: &[String]| -> Vec<String> {
            all.iter().filter(|one| !one.contains("203.0.113.9")).cloned().collect()
        };
        assert_eq!(marked(&after), marked(&before));
    }
}

/// Each line counted twice where the ledger and a file of the hunt held the same object, or the same value.
fn what_the_ledger_and_a_file_say_counts_once(engine: &Engine) {
    let pattern = "[ipv4-addr:value = '203.0.113.7']";
    let lists = [
        ("same.json", bundle(&[of_file(1, pattern, Some("green"))]), "TLP:GREEN"),
        ("other.json", bundle(&[of_file(2, pattern, Some("red"))]), "TLP:RED"),
        ("plain.txt", LIST.to_owned(), "TLP:AMBER+STRICT"),
    ];
    for (name, text, label) in lists {
        let bench = Bench::on(engine);
        bench.write("ledger.json", bundle(&[of_file(1, pattern, Some("green"))]));
        bench.import("ledger.json", &[], 0);
        bench.write(name, text);
        let line = |hour: u32| format!("2026-03-01T{hour:02}:00:00Z in 203.0.113.7\n");
        bench.write("a.log", [10, 11, 12].map(line).concat());
        let told = markings(&hunt_with(&bench, name, "a.log"));
        let mut wanted = vec![format!("\"203.0.113.7\"null \"{label}\""); 3];
        // Own lines stay at home, whatever the indicator says.
        wanted.push(format!("\"TLP:{}\"", if label == "TLP:RED" { "RED" } else { "AMBER+STRICT" }));
        assert_eq!(told, wanted, "{name}");
        assert_eq!(markings(&report(&bench, 0)), wanted, "{name}");
        assert!(listed(&bench).iter().all(|one| one["indicator"].as_str().unwrap().ends_with("01")));
    }
}
