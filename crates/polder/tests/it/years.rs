// SPDX-License-Identifier: Apache-2.0
//! A folder as archives look: mixed, packed in three ways, with days missing and files damaged.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use loggen::years::{PLANTED_NAME, Scale, write};
use serde_json::Value;

use crate::support::*;

const DAYS: i64 = 60;

fn archive(bench: &Bench) -> Vec<Value> {
    write(&bench.path("archive"), 5, DAYS, Scale::Small).unwrap();
    let faults = fs::read_to_string(bench.path("archive/faults.jsonl")).unwrap();
    faults.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// 'We have not seen it, and this is what we looked at, and this is what we could not look at.'
#[test]
fn a_report_says_what_was_looked_at_and_what_could_not_be() {
    let bench = Bench::new();
    let faults = archive(&bench);
    bench.write("list.txt", "never-seen.example\n");
    bench.import("list.txt", &["--format", "text"], 0);
    bench.run(&[
        "sources", "declare", "--data", "d", "vpn", "--kind", "vpn", "--match", "vpn-*", "--every", "day",
    ]);
    let declare = ["sources", "declare", "--data", "d", "entra", "--kind", "authentication"];
    bench.run(&[&declare[..], &["--match", "entra-2*", "--every", "day"]].concat());
    let args = ["hunt", "--data", "d", "--no-packs", "archive/logs", "--html", "report.html"];
    let ran = bench.run(&args).expect(3).says(&[
        "Nothing was found",
        "What was looked at",
        "What could not be looked at",
    ]);
    let page = fs::read_to_string(bench.path("report.html")).unwrap();
    let damaged: Vec<&str> = faults
        .iter()
        .filter(|fault| fault["fault"] != "missing")
        .map(|fault| fault["file"].as_str().unwrap().rsplit('/').next().unwrap())
        .collect();
    assert!(!damaged.is_empty(), "the archive has damaged files: {faults:?}");
    for name in damaged {
        assert!(ran.out.contains(name) || ran.err.contains(name), "{name} is not told\n{}", ran.out);
        assert!(page.contains(name), "{name} is not in the page");
    }
    // A day that is missing between others, of a source that was declared. The first of two has lines at its start,
    // of sessions that the file of the day before tells the end of; the last has none.
    let missing: Vec<&str> = faults
        .iter()
        .filter(|fault| fault["fault"] == "missing")
        .filter_map(|fault| fault["file"].as_str().unwrap().split("/entra-").nth(1)?.get(..10))
        .collect();
    let day = missing.last().expect("the archive lacks days of sign-ins");
    let gap =
        ran.out.lines().find(|line| line.starts_with("  entra: ") && line.contains(&format!(" to {day},")));
    assert!(gap.is_some(), "{day} is not told\n{}", ran.out);
    // The same is asked of the history alone, long after.
    bench.run(&["seen", "--data", "d", "never-seen.example"]).expect(3).says(&["never"]);
    // What does stand in it is found, on its one day.
    bench.write("found.txt", format!("{PLANTED_NAME}\n"));
    let args = ["hunt", "--indicators", "found.txt", "--no-packs", "archive/logs", "--json"];
    let found = bench.run(&args).expect(3).findings();
    let files: std::collections::BTreeSet<&str> = found.iter().map(|f| f["file"].as_str().unwrap()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
}

/// Stopped in the midst and run again, the history is as if nothing had happened.
#[test]
fn a_hunt_that_is_stopped_or_killed_counts_nothing_twice() {
    let bench = Bench::new();
    archive(&bench);
    bench.init("e");
    let hunt = |data: &str| bench.run(&["hunt", "--data", data, "--no-packs", "archive/logs"]);
    hunt("e").expect(3);
    let mut stopped = 0;
    for (signal, after) in [("-INT", 50), ("-KILL", 100), ("-INT", 200), ("-KILL", 400), ("-INT", 700)] {
        let mut running = bench
            .command(&["hunt", "--data", "d", "--no-packs", "archive/logs"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(after));
        // It may be done already.
        stopped += u32::from(running.try_wait().unwrap().is_none());
        let _ = Command::new("kill").args([signal, &running.id().to_string()]).status();
        running.wait().unwrap();
    }
    assert!(stopped > 0, "each hunt was done before it was to be stopped");
    hunt("d").expect(3);
    let of = |data: &str| {
        let values = [PLANTED_NAME, "203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "2001:db8::/32"];
        values.map(|value| {
            let seen = bench.run(&["seen", "--data", data, value, "--json"]).json().remove(0);
            (seen["count"].clone(), seen["values"].clone(), seen["first"].clone(), seen["last"].clone())
        })
    };
    let whole = of("e");
    assert!(whole.iter().any(|(count, ..)| count.as_u64().is_some_and(|count| count > 0)), "{whole:?}");
    assert_eq!(of("d"), whole);
}

/// Stopped and killed again and again, it goes on from where it was and reports in the end what one hunt reports; what
/// rules came to is counted once.
#[test]
fn a_hunt_that_is_stopped_goes_on_where_it_was() {
    let bench = Bench::new();
    archive(&bench);
    bench.init("e");
    bench.write("list.stix", PATTERNS);
    for data in ["d", "e"] {
        bench.run(&["import", "--data", data, "list.stix"]).expect(0);
    }
    let hunt = |data| {
        ["hunt", "--data", data, "--json", "--min-level", "informational", "--threads", "2", "archive/logs"]
    };
    let kept = || {
        let mut all = fs::read_dir(bench.path("d/unfinished")).ok()?.filter_map(Result::ok);
        all.find(|entry| entry.path().extension().is_none())?.metadata().ok()?.modified().ok()
    };
    let (mut begun, mut last) = (0, String::new());
    for round in 0..6_u64 {
        let (out, err) =
            (fs::File::create(bench.path("out")).unwrap(), fs::File::create(bench.path("err")).unwrap());
        let mut running = bench.command(&hunt("d")).stdout(out).stderr(err).spawn().unwrap();
        // It has come further than the last one, which the next is to know; and it may be done.
        let before = kept();
        while round < 5 && running.try_wait().unwrap().is_none() && kept() == before {
            std::thread::sleep(Duration::from_millis(20));
        }
        if round < 5 && running.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(37 * round));
            let signal = if round % 2 == 1 { "-KILL" } else { "-INT" };
            let _ = Command::new("kill").args([signal, &running.id().to_string()]).status();
        }
        running.wait().unwrap();
        begun += u32::from(fs::read_to_string(bench.path("err")).unwrap().contains("going on with the hunt"));
        last = fs::read_to_string(bench.path("out")).unwrap();
        if last.contains(r#""stopped":false"#) {
            break;
        }
    }
    assert!(begun > 0, "it never went on: each hunt was done before it was stopped");
    let whole = bench.run(&hunt("e")).expect(3);
    assert_eq!(comparable(&last), comparable(&whole.out));
    assert!(comparable(&last).len() > 50, "{last}");
    assert_eq!(fs::read_dir(bench.path("d/unfinished")).unwrap().count(), 0, "nothing is left of it");
    // Once more, on logs that are known: nothing is counted twice.
    let counts = |data| bench.run(&["rules", "stats", "--data", data, "--json"]).out;
    assert_eq!(counts("d"), counts("e"));
    assert!(counts("e").lines().count() > 3, "{}", counts("e"));
    let before = counts("e");
    bench.run(&hunt("e")).expect(3);
    assert_eq!(counts("e"), before);
}

/// A pattern of two observations that lie days apart, and the planted name.
const PATTERNS: &str = r#"{"type":"bundle","id":"bundle--5b4fb0a2-6cf1-4d2b-9d0d-0a6d0a3d7a11","objects":[
{"type":"indicator","spec_version":"2.1","id":"indicator--0f0f5b21-6b8f-4bb0-8d19-3d6c0ab9a001",
"created":"2024-01-01T00:00:00Z","modified":"2024-01-01T00:00:00Z","name":"planted","pattern_type":"stix",
"pattern":"[domain-name:value = 'c2.planted.example']","valid_from":"2020-01-01T00:00:00Z"},
{"type":"indicator","spec_version":"2.1","id":"indicator--0f0f5b21-6b8f-4bb0-8d19-3d6c0ab9a002",
"created":"2024-01-01T00:00:00Z","modified":"2024-01-01T00:00:00Z","name":"one after the other","pattern_type":"stix",
"pattern":"[domain-name:value = 'c2.planted.example'] FOLLOWEDBY [ipv4-addr:value ISSUBSET '0.0.0.0/0']",
"valid_from":"2020-01-01T00:00:00Z"}]}"#;

/// What two reports of the same logs have in common, without times of the clock and notes about stopping.
fn comparable(out: &str) -> Vec<Value> {
    let mut all: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for value in &mut all {
        let Some(object) = value.as_object_mut() else { continue };
        for clock in ["made", "duration_ms", "bytes_per_second"] {
            object.remove(clock);
        }
        if let Some(sought) = object.get_mut("sought").and_then(Value::as_object_mut) {
            sought.remove("notes");
        }
    }
    all
}

const ONE: &str = "2024-01-02T03:01:00Z accepted 203.0.113.7\n";
const HUNT: [&str; 7] = ["hunt", "--data", "d", "--threads", "1", "a.log", "later.log"];

/// A hunt that is done with `a.log` and stopped while it waits for `later.log`, which then is a log like others.
fn stopped_after_one() -> Bench {
    stopped_after(ONE)
}

fn stopped_after(log: &str) -> Bench {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--tlp", "green"], 0);
    bench.write("a.log", log);
    let pipe = bench.path("later.log");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut hunting = bench.command(&HUNT).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // It opens when the hunt has come to it.
    let writer = fs::File::options().write(true).open(&pipe).unwrap();
    assert!(Command::new("kill").args(["-INT", &hunting.id().to_string()]).status().unwrap().success());
    std::thread::sleep(Duration::from_millis(200));
    drop(writer);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut hunting.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(hunting.wait().unwrap().code(), Some(3), "{said}");
    assert!(said.contains("the same command goes on from here"), "{said}");
    fs::remove_file(&pipe).unwrap();
    bench.write("later.log", ONE.replace("03:01", "03:02"));
    bench
}

fn times(bench: &Bench, code: i32) -> Vec<String> {
    let found = bench.run(&[&HUNT[..], &["--json"]].concat()).expect(code).findings();
    found.iter().map(|finding| finding["time"].as_str().unwrap()[11..16].to_owned()).collect()
}

#[test]
fn a_log_that_took_the_name_of_one_that_is_done_is_read() {
    let bench = stopped_after_one();
    fs::remove_file(bench.path("a.log")).unwrap();
    bench.write("a.log", ONE.replace("03:01", "03:09"));
    assert_eq!(times(&bench, 0), ["03:01", "03:09", "03:02"], "what was found in the old one stays");
}

#[test]
fn a_log_that_is_done_is_known_on_another_disk_and_under_another_name() {
    let bench = stopped_after_one();
    let copy = Command::new("cp").args(["-p", "a.log", "b.log"]).current_dir(bench.path(".")).status();
    assert!(copy.unwrap().success());
    fs::rename(bench.path("b.log"), bench.path("a.log")).unwrap();
    assert_eq!(times(&bench, 0), ["03:01", "03:02"]);
}

#[test]
fn a_log_that_has_grown_since_it_was_done_is_told() {
    let bench = stopped_after_one();
    bench.write("a.log", format!("{ONE}{}", ONE.replace("03:01", "03:09")));
    let told = bench.run(&HUNT).expect(3);
    told.says(&["it has grown since it was read"]);
    // The next hunt reads it.
    assert_eq!(times(&bench, 0), ["03:01", "03:09", "03:02"]);
}

#[test]
fn a_log_that_cannot_be_read_does_not_keep_a_stopped_hunt_from_its_report() {
    let bench = stopped_after_one();
    fs::remove_file(bench.path("later.log")).unwrap();
    assert_eq!(times(&bench, 3), ["03:01"]);
    // That hunt is over: the next one begins anew.
    bench.write("later.log", ONE.replace("03:01", "03:02"));
    assert_eq!(times(&bench, 0), ["03:01", "03:02"]);
}

#[test]
fn a_log_that_was_empty_when_it_was_done_is_read() {
    let bench = stopped_after("");
    bench.write("a.log", ONE);
    assert_eq!(times(&bench, 0), ["03:01", "03:02"]);
}
