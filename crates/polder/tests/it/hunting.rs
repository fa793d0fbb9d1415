// SPDX-License-Identifier: Apache-2.0
//! Hunting in the samples: exact lines, nothing else, the same with and without a node.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::notify::{SECRET, private, web};
use crate::support::*;

/// File, line, value and indicator of every finding that the samples hold for the list of indicators.
const EXPECTED: [(&str, u64, &str, &str); 8] = [
    ("dns.jsonl.gz", 1, "78276.ussdns02.heketwe.com", "heketwe[.]com"),
    ("dns.jsonl.gz", 3, "78276.ussdns01.heketwe.com", "heketwe[.]com"),
    (
        "files.jsonl.zst",
        1,
        "47501cebf0b4ffbf5171d811c1517ea4fce178d925fcc4a3b3057be211add88b",
        "47501cebf0b4ffbf5171d811c1517ea4fce178d925fcc4a3b3057be211add88b",
    ),
    ("proxy.jsonl", 3, "203.0.113.7", "203.0.113.7"),
    ("proxy.jsonl", 3, "static.update-cdn.example", "update-cdn.example"),
    (
        "proxy.jsonl",
        5,
        "https://files.supplier-portal.example/patch/install.bin",
        "hxxps://files[.]supplier-portal[.]example/patch/install.bin",
    ),
    ("vpn.log", 1, "198.51.100.9", "198.51.100.0/28"),
    ("vpn.log", 6, "2001:db8:bad:cafe::7", "2001:db8:bad:cafe::7"),
];

fn name_of(finding: &Value) -> &str {
    finding["file"].as_str().unwrap().rsplit('/').next().unwrap()
}

fn unpacked(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let mut out = Vec::new();
    match bytes.get(..2) {
        Some([0x1F, 0x8B]) => drop(flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut out).unwrap()),
        Some([0x28, 0xB5]) => out = zstd::decode_all(&bytes[..]).unwrap(),
        _ => out = bytes,
    }
    out
}

#[test]
fn the_samples_without_a_node() {
    let bench = Bench::bare();
    let (list, logs) = (examples().join("indicators.txt"), examples().join("logs"));
    let (list, logs) = (list.to_str().unwrap(), logs.to_str().unwrap());
    let findings =
        bench.run(&["hunt", "--indicators", list, "--threads", "1", logs, "--json"]).expect(0).findings();
    let got: Vec<_> = findings
        .iter()
        .map(|f| {
            let text = |name: &str| f[name].as_str().unwrap();
            (name_of(f), f["line"].as_u64().unwrap(), text("value"), text("indicator"))
        })
        .collect();
    let (got, expected): (BTreeSet<_>, BTreeSet<_>) =
        (got.into_iter().collect(), EXPECTED.into_iter().collect());
    assert_eq!(got, expected);
    assert_eq!(findings.len(), EXPECTED.len(), "one object for each line and indicator");
    for finding in &findings {
        let content = unpacked(&Path::new(logs).join(name_of(finding)));
        let offset = finding["offset"].as_u64().unwrap() as usize;
        let line = content[..offset].iter().filter(|b| **b == b'\n').count() as u64 + 1;
        assert_eq!(Some(line), finding["line"].as_u64(), "the offset lies in the line: {finding}");
        let there = String::from_utf8_lossy(&content[offset..]).to_lowercase();
        assert!(
            there.starts_with(&finding["value"].as_str().unwrap().to_lowercase()),
            "at the match: {finding}"
        );
        assert_eq!(finding["lossy"], Value::Bool(false));
        let time = finding["time"].as_str().unwrap();
        assert!(time.starts_with("2026-03-0") && time.ends_with('Z'), "{finding}");
    }
    let two = bench.run(&["hunt", "--indicators", list, "--threads", "2", logs, "--json"]).expect(0);
    assert_eq!(two.findings(), findings, "the same in the same order, however many threads");
}

/// A list that is imported hunts as the list itself does.
#[test]
fn the_samples_with_a_node() {
    let bench = Bench::new();
    let (list, logs) = (examples().join("indicators.txt"), examples().join("logs"));
    let (list, logs) = (list.to_str().unwrap(), logs.to_str().unwrap());
    let report = bench.import(list, &["--format", "text"], 0);
    assert_eq!((report["read"].as_u64(), report["added"].as_u64()), (Some(7), Some(7)));
    assert_eq!(bench.import(list, &["--format", "text"], 0)["known"].as_u64(), Some(7));
    let findings = bench.run(&["hunt", "--data", "d", logs, "--json"]).expect(0).findings();
    let got: BTreeSet<_> = findings
        .iter()
        .map(|f| (name_of(f), f["line"].as_u64().unwrap(), f["value"].as_str().unwrap()))
        .collect();
    assert_eq!(got, EXPECTED.iter().map(|(file, line, value, _)| (*file, *line, *value)).collect());
    assert!(findings.iter().all(|f| f["indicator"].as_str().unwrap().starts_with("indicator--")));
}

/// On request a finding becomes a sighting, which goes no further than its indicator.
#[test]
fn a_finding_becomes_a_sighting() {
    let bench = Bench::new();
    let bundle = examples().join("bundle.json");
    let logs = examples().join("logs");
    bench.import(bundle.to_str().unwrap(), &[], 0);
    bench.run(&["hunt", "--data", "d", logs.to_str().unwrap()]).expect(0);
    let findings = bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json();
    let amber = findings.iter().find(|f| f["value"] == "files.supplier-portal.example").unwrap();
    let id = amber["indicator"].as_str().unwrap();
    let sighted =
        bench.run(&["finding", "sight", "--data", "d", id, "--tlp", "clear", "--json"]).expect(0).json();
    assert_eq!(sighted.len(), 1, "one for each value");
    let exported = bench.exported("d");
    for name in ["sighting", "observed_data"] {
        let id = sighted[0][name].as_str().unwrap();
        assert_eq!(exported[id], "TLP:AMBER", "not looser than the indicator");
    }
    bench.run(&["finding", "sight", "--data", "d", "indicator--0"]).expect(1);
}

/// What nobody marked does not come out as AMBER+STRICT by what refers to it.
#[test]
fn a_sighting_of_what_is_unmarked_stays_at_home() {
    let bench = Bench::new();
    let made = bench.run(&["community", "new", "--data", "d", "--name", "ring", "--json"]).expect(0).json();
    let ring = made[0]["community"].as_str().unwrap();
    let other = bench.run(&["community", "new", "--data", "d", "--name", "other", "--json"]).expect(0).json();
    let other = other[0]["community"].as_str().unwrap();
    bench.write("list.txt", "203.0.113.7\n");
    bench.write("a.log", "day one 203.0.113.7\n");
    // Meant for the community, and held back from it: nobody marked it.
    bench.import("list.txt", &["--community", ring], 0);
    let findings = bench.run(&["hunt", "--data", "d", "a.log", "--json"]).expect(0).findings();
    let id = findings[0]["indicator"].as_str().unwrap();
    let sight = |more: &[&str], code| {
        bench.run(&[&["finding", "sight", "--data", "d", id, "--json"], more].concat()).expect(code)
    };
    sight(&["--community", ring], 2).says(&["carries no TLP", "mark the indicator"]);
    sight(&["--community", ring, "--tlp", "green"], 2).says(&["carries no TLP"]);
    assert_eq!(sight(&[], 0).json()[0]["marking"], "unmarked");
    // Marked and shared, its sighting goes where it went, and nowhere else.
    bench.write("b.txt", "203.0.113.8\n");
    bench.write("b.log", "day two 203.0.113.8\n");
    bench.import("b.txt", &["--community", ring, "--tlp", "amber"], 0);
    let findings = bench.run(&["hunt", "--data", "d", "b.log", "--json"]).expect(0).findings();
    let id = findings[0]["indicator"].as_str().unwrap();
    let sight = |community: &str, code| {
        let args = ["finding", "sight", "--data", "d", id, "--community", community, "--json"];
        bench.run(&args).expect(code)
    };
    sight(other, 2).says(&["was not shared with that community"]);
    assert_eq!(sight(ring, 0).json()[0]["marking"], "TLP:AMBER");
}

/// An id that follows from its value alone tells the value to whoever sees the id.
#[test]
fn ids_of_list_entries_cannot_be_guessed_from_their_values() {
    let bench = Bench::new();
    bench.init("e");
    bench.write("list.txt", "evil.example\n1.2.3.4\n");
    let ids = |data: &str| -> BTreeSet<String> {
        let all = bench.exported(data).into_keys();
        all.filter(|id| id.starts_with("indicator--")).collect()
    };
    let import = |data: &str| {
        bench.run(&["import", "--data", data, "list.txt", "--tlp", "green", "--json"]).expect(0).json()
    };
    for data in ["d", "e"] {
        import(data);
        assert_eq!(import(data)[0]["known"], 2, "the same list again finds the same objects");
    }
    let old = [
        "indicator--8c681047-8a03-5efc-8ef5-ff88cd017c39",
        "indicator--de9129d1-30b1-5d3f-bb61-eea71e199476",
    ];
    assert!(old.iter().all(|id| !ids("d").contains(*id)));
    assert!(ids("d").is_disjoint(&ids("e")), "each node's own");
    // What an earlier program made keeps its id, or it would be there twice.
    let earlier = format!(
        r#"{{"type":"indicator","spec_version":"2.1","id":"{}","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z","pattern":"[domain-name:value = 'evil.example' OR domain-name:value LIKE '%.evil.example']","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z"}}"#,
        old[0]
    );
    bench.init("f");
    bench.write("earlier.json", earlier);
    bench.run(&["import", "--data", "f", "earlier.json", "--tlp", "green"]).expect(0);
    let report = import("f").remove(0);
    assert_eq!((&report["known"], &report["added"]), (&1.into(), &1.into()), "{report}");
    assert!(ids("f").contains(old[0]) && ids("f").len() == 2);
}

#[test]
fn what_cannot_be_read_is_told() {
    let bench = Bench::bare();
    bench.write("list.txt", "203.0.113.7\nnot an indicator at all\n");
    bench.write("a.log", b"x \xFF\xFE 203.0.113.7\nplain\n");
    let ran = bench.run(&["hunt", "--indicators", "list.txt", "a.log", "--json"]).says(&["line 2"]);
    let findings = ran.findings();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0]["lossy"], Value::Bool(true));
    assert!(findings[0]["time"].is_null());
    let packed = zstd::encode_all(&vec![b'a'; 100_000][..], 1).unwrap();
    bench.write("cut.zst", &packed[..packed.len() - 5]);
    bench.write("good.txt", "203.0.113.9\n");
    bench.run(&["hunt", "--indicators", "good.txt", "cut.zst"]).expect(3).says(&["cut.zst"]);
    bench.run(&["hunt", "--indicators", "good.txt", "absent.log"]).expect(6).says(&["absent.log"]);
    bench.run(&["hunt", "--indicators", "good.txt", "a.log"]).expect(1);
    bench.run(&["hunt", "--no-packs", "a.log"]).expect(2).says(&["--data", "--indicators"]);
    // Without anything of one's own the packs run.
    bench.run(&["hunt", "a.log"]).expect(1).says(&["Nothing was found"]);
    bench.write("empty.txt", "# nothing\n");
    bench.run(&["hunt", "--indicators", "empty.txt", "a.log"]).expect(2).says(&["no indicator"]);
}

/// One folder that may not be listed ended the whole hunt.
#[test]
fn a_folder_that_cannot_be_listed_keeps_no_other_from_being_read() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--format", "text"], 0);
    // Whoever runs this may list all folders; none can list one whose name is longer than a path may be.
    let name = "n".repeat(200);
    let deep = |from: &str, levels| (0..levels).fold(bench.path(from), |path, _| path.join(&name));
    fs::create_dir_all(deep("logs", 9)).unwrap();
    fs::create_dir_all(deep("more", 12)).unwrap();
    fs::rename(bench.path("more"), deep("logs", 9).join("more")).unwrap();
    bench.write("logs/z.log", "2024-01-01T00:00:00Z to 203.0.113.7\n");
    bench.write("b.log", "nothing\n");
    let ran = bench.run(&["hunt", "--data", "d", "--no-packs", "logs", "b.log", "--json"]).expect(3);
    ran.says(&["cannot list", "the other files are read all the same"]);
    assert_eq!(bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json().len(), 1);
    // It stands in the register: what lies in it was not looked at.
    let seen = bench.run(&["seen", "--data", "d", "8.8.8.8", "--json"]).expect(3);
    assert!(seen.out.contains("cannot list"), "{}", seen.out);
}

/// Exact tokens, never substrings.
#[test]
fn one_address_is_not_in_another() {
    let bench = Bench::bare();
    bench.write("list.txt", "1.2.3.4\nevil.example\n");
    let lines = [
        "11.2.3.45",
        "1.2.3.40",
        "x1.2.3.4",
        "notevil.example",
        "evil.example.org",
        "src=1.2.3.4:443",
        "a.evil.example.",
    ];
    bench.write("a.log", lines.join("\n"));
    let findings = bench.run(&["hunt", "--indicators", "list.txt", "a.log", "--json"]).expect(0).findings();
    let lines: Vec<u64> = findings.iter().map(|f| f["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [6, 7]);
}

/// STIX `=` matches exactly, a plain list with subdomains.
#[test]
fn stix_equality_is_exact() {
    let bench = Bench::new();
    let indicator = r#"{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-000000000001","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z","pattern":"[domain-name:value = 'evil.example']","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z"}"#;
    bench.write("i.json", indicator);
    bench.write("a.log", "a.evil.example\nevil.example\n");
    bench.import("i.json", &[], 0);
    let lines = |ran: Ran| ran.findings().iter().map(|f| f["line"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!(lines(bench.run(&["hunt", "--data", "d", "a.log", "--json"]).expect(0)), [2]);
    assert_eq!(lines(bench.run(&["hunt", "--indicators", "i.json", "a.log", "--json"]).expect(0)), [2]);
    bench.write("l.txt", "evil.example");
    assert_eq!(lines(bench.run(&["hunt", "--indicators", "l.txt", "a.log", "--json"]).expect(0)), [1, 2]);
}

/// A pattern that was not asked of all events said nothing, and the report said nothing of it.
#[test]
fn the_report_names_a_pattern_whose_events_were_left_out() {
    let bench = Bench::new();
    let id = "indicator--00000000-0000-4000-8000-000000000007";
    let indicator = format!(
        r#"{{"type":"indicator","spec_version":"2.1","id":"{id}","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z","pattern":"[domain-name:value = 'evil.example'] FOLLOWEDBY [domain-name:value = 'next.example']","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z"}}"#
    );
    bench.write("i.json", indicator);
    let notes = |log: &str| {
        bench.write("dns.log", log);
        let ran = bench.run(&["hunt", "--no-packs", "--indicators", "i.json", "dns.log", "--json"]);
        let all = ran.json();
        let found = all.iter().find_map(|one| one["sought"]["notes"].as_array().cloned());
        found.unwrap().iter().filter_map(|note| note.as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let timed = r#"{"ts":"2024-01-02T03:04:05Z","query":"evil.example","id.orig_h":"192.0.2.7"}"#;
    assert_eq!(notes(timed), Vec::<String>::new());
    let said = notes(r#"{"query":"evil.example","id.orig_h":"192.0.2.7"}"#);
    assert!(
        said.len() == 1 && said[0].contains(id) && said[0].contains("does not say that it never held"),
        "{said:?}"
    );
}

/// A look-back read times without a zone as UTC, whatever zone the log was hunted with.
fn a_look_back_reads_times_as_the_hunt_did(engine: &Engine) {
    let bench = Bench::on(engine);
    let log = |last: &str| format!("2024-07-01 12:00:00 to {last}\n2024-01-15 09:30:00 to {last}\n");
    bench.write("x.log", log("9.9.9.9"));
    bench.write("y.log", log("8.8.8.8"));
    for (file, zone) in [("x.log", "europe/amsterdam"), ("y.log", "-03:30")] {
        bench.run(&["hunt", "--no-packs", "--data", "d", file, "--tz", zone]).expect(1);
    }
    bench.write("list.txt", "9.9.9.9\n8.8.8.8\n");
    bench.run(&["import", "--data", "d", "list.txt", "--format", "text"]).expect(0).says(&["4 new findings"]);
    let mut times: Vec<String> = bench
        .run(&["finding", "list", "--data", "d", "--json"])
        .expect(0)
        .json()
        .iter()
        .map(|one| one["time"].as_str().unwrap()[..19].to_owned())
        .collect();
    times.sort();
    let expected =
        ["2024-01-15T08:30:00", "2024-01-15T13:00:00", "2024-07-01T10:00:00", "2024-07-01T15:30:00"];
    assert_eq!(times, expected);
    // The same as of a hunt with the indicators.
    let direct =
        ["hunt", "--indicators", "list.txt", "--no-packs", "--json", "--tz", "Europe/Amsterdam", "x.log"];
    let direct = bench.run(&direct).expect(0).findings();
    assert!(
        direct.iter().all(|one| times.contains(&one["time"].as_str().unwrap()[..19].to_owned())),
        "{direct:?}"
    );
}
on_both_engines! { a_look_back_reads_times_as_the_hunt_did }

/// A new indicator is looked up in what was hunted, and a log that has grown since loses nothing by it.
#[test]
fn a_look_back_takes_nothing_away() {
    let bench = Bench::new();
    bench.write("x.log", "2024-01-01T00:00:00Z to 8.8.8.8\n2024-01-01T00:00:01Z to 9.9.9.9\n");
    bench.run(&["hunt", "--no-packs", "--data", "d", "x.log"]).expect(1);
    bench.write("one.txt", "9.9.9.9\n");
    bench
        .run(&["import", "--data", "d", "one.txt", "--format", "text", "--tlp", "green"])
        .expect(0)
        .says(&["1 of 1 new indicators were seen", "1 new findings"]);
    assert_eq!(bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json()[0]["line"], 2);
    let mut log = fs::read(bench.path("x.log")).unwrap();
    log.extend_from_slice(b"2024-01-02T00:00:00Z to 8.8.4.4\n");
    bench.write("x.log", log);
    bench.write("two.txt", "8.8.8.8\n");
    bench
        .run(&["import", "--data", "d", "two.txt", "--format", "text", "--tlp", "green"])
        .expect(0)
        .says(&["1 of 1 new indicators were seen", "0 new findings"]);
    bench.run(&["seen", "--data", "d", "9.9.9.9"]).expect(0);
    bench.run(&["hunt", "--no-packs", "--data", "d", "x.log"]).expect(0);
    for value in ["8.8.8.8", "9.9.9.9", "8.8.4.4"] {
        let seen = bench.run(&["seen", "--data", "d", value, "--json"]).expect(0).json().remove(0);
        assert_eq!(seen["count"], 1, "{value}");
    }
}

/// A look back opens neither pipes nor links.
#[test]
fn a_look_back_opens_plain_files_alone() {
    let bench = Bench::new();
    for name in ["pipe.log", "link.log"] {
        bench.write(name, format!("2024-01-01T00:00:00Z {name} to 8.8.8.8\n"));
        bench.run(&["hunt", "--no-packs", "--data", "d", name]).expect(1);
        fs::remove_file(bench.path(name)).unwrap();
    }
    assert!(std::process::Command::new("mkfifo").arg(bench.path("pipe.log")).status().unwrap().success());
    bench.write("secret", "SECRET 8.8.8.8\n");
    std::os::unix::fs::symlink(bench.path("secret"), bench.path("link.log")).unwrap();
    bench.write("one.txt", "8.8.8.8\n");
    let ran =
        bench.run(&["import", "--data", "d", "one.txt", "--format", "text", "--tlp", "green"]).expect(0);
    ran.says(&["2 of the logs that may hold them are not there any more"]);
    bench.run(&["finding", "list", "--data", "d"]).expect(1);
}

/// All findings of a look back in one file were held in memory at once; beyond a limit the file is read again.
#[test]
fn a_look_back_holds_no_more_than_it_may() {
    let bench = Bench::new();
    // Lines that quote more than 64 MiB in all. One value in too many lines would be suspect.
    let (long, count) = ("x".repeat(4_000), 20_000);
    let value = |nth: usize| format!("8.8.{}.{}", nth % 1_000 / 250, nth % 250);
    let lines: String =
        (0..count).map(|nth| format!("2024-01-01T00:00:00Z {nth} to {} {long}\n", value(nth))).collect();
    bench.write("x.log.zst", zstd::encode_all(lines.as_bytes(), 1).unwrap());
    bench.run(&["hunt", "--no-packs", "--data", "d", "x.log.zst"]).expect(1);
    bench.write("all.txt", (0..1_000).map(|nth| value(nth) + "\n").collect::<String>());
    let ran = bench.run(&["import", "--data", "d", "all.txt", "--format", "text"]).expect(0);
    ran.says(&[&format!("1000 of 1000 new indicators were seen in own logs before: {count} new findings")]);
}

/// A log that cannot be read any more is told: the lines in it may be those that a new indicator is about.
#[test]
fn a_look_back_tells_what_it_could_not_read() {
    let bench = Bench::new();
    let lines: String =
        (0..5_000).map(|n| format!("2024-01-01T00:00:00Z {} to 8.8.8.8\n", n * 7_919)).collect();
    let mut packed = zstd::encode_all(lines.as_bytes(), 1).unwrap();
    bench.write("x.log.zst", &packed);
    bench.run(&["hunt", "--no-packs", "--data", "d", "x.log.zst"]).expect(1);
    packed.truncate(packed.len() / 2);
    bench.write("x.log.zst", &packed);
    bench.write("one.txt", "8.8.8.8\n");
    bench
        .run(&["import", "--data", "d", "one.txt", "--format", "text", "--tlp", "green"])
        .expect(0)
        .says(&["1 of these logs could not be read whole"]);
}

/// Who changes a line that was found does not take the finding away.
#[test]
fn a_log_that_was_changed_is_another_log() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--format", "text"], 0);
    let lines = |hit: &str| {
        let filler: String = (0..80).map(|n| format!("2024-01-01T00:00:00Z line {n:>60}\n")).collect();
        format!("{filler}2024-01-01T00:01:00Z {hit}\n")
    };
    bench.write("x.log", lines("to 203.0.113.7"));
    bench.run(&["hunt", "--data", "d", "x.log"]).expect(0);
    bench.write("x.log", lines("nothing whatever happened here"));
    bench.run(&["hunt", "--data", "d", "x.log"]).expect(1).says(&["has been changed since"]);
    assert_eq!(bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json().len(), 1);
    bench.run(&["seen", "--data", "d", "203.0.113.7"]).expect(0);
}

/// Of an object whose marking is not known here no sighting is printed.
#[test]
fn a_file_of_indicators_makes_no_sightings_of_others() {
    let bench = Bench::bare();
    let indicator = r#"{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-000000000001","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z","pattern":"[ipv4-addr:value = '203.0.113.7']","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z","object_marking_refs":["marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"]}"#;
    bench.write("red.json", indicator);
    bench.write("a.log", "to 203.0.113.7\n");
    let hunt = |file: &str, more: &[&str]| {
        bench.run(&[&["hunt", "--indicators", file, "a.log"], more].concat()).expect(0)
    };
    // A sighting of what somebody marked is marked as that; the label follows.
    let bundle: Value = serde_json::from_str(&hunt("red.json", &["--format", "stix"]).out).unwrap();
    let objects = bundle["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 3, "{bundle}");
    for object in objects {
        assert_eq!(object["object_marking_refs"], serde_json::json!([tlp("red")]), "{object}");
    }
    let lines = hunt("red.json", &["--json"]).json();
    assert_eq!((&lines[0]["label"], &lines[1]["marking"]), (&"TLP:RED".into(), &"TLP:RED".into()));
    // Of what nobody marked it is not known who may see it.
    let unmarked = indicator.split(",\"object_marking_refs").next().unwrap().to_owned() + "}";
    bench.write("unmarked.json", unmarked);
    let ran = hunt("unmarked.json", &["--format", "stix"]).says(&["that nobody marked"]);
    assert!(!ran.out.contains("sighting--"), "{}", ran.out);
}

/// An object with an odd id, or without one, is as secret as it is marked: it is no entry of a list.
#[test]
fn a_red_object_without_a_good_id_is_not_told_by_notice() {
    for id in [r#""id":"indicator--AAAAAAAA-0000-4000-8000-000000000001","#, r#""id":"evil.example","#, ""] {
        let bench = Bench::new();
        let red = tlp("red");
        bench.write(
            "red.json",
            format!(
                r#"{{"type":"indicator",{id}"name":"SECRET OPERATION","pattern":"[ipv4-addr:value = '203.0.113.7']","object_marking_refs":["{red}"]}}"#
            ),
        );
        bench.write("a.log", "2026-03-01T10:00:00Z host=gate-1 in 203.0.113.7\n");
        let (address, heard) = web(&["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"]);
        private(&bench, "hook.secret", SECRET);
        let settings = format!("[webhook]\nurl = \"http://{address}/\"\nsecret_file = \"hook.secret\"\n");
        bench.write("notify.toml", settings);
        let hunt = ["hunt", "--data", "d", "--indicators", "red.json", "a.log", "--format", "csv"];
        let ran = bench.run(&[&hunt[..], &["--notify", "notify.toml"]].concat()).expect(0);
        assert!(ran.out.contains(",TLP:RED,"), "{}", ran.out);
        let body = String::from_utf8(heard.recv().unwrap().1).unwrap();
        assert!(body.contains("\"label\":\"TLP:RED\""), "{body}");
        // What was recorded of it stays as secret.
        let report = ["finding", "report", "--data", "d", "--out", "r.txt", "--notify", "notify.toml"];
        bench.run(&report).expect(0);
        let later = heard.try_recv().map(|(_, body)| String::from_utf8(body).unwrap()).unwrap_or_default();
        for word in ["SECRET", "203.0.113.7", "gate-1", "evil.example"] {
            assert!(!body.contains(word) && !later.contains(word), "{word}: {body}{later}");
        }
    }
}

/// A name of a file moves no cursor, whatever message it stands in.
#[test]
fn a_name_in_a_message_moves_no_cursor() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &[], 0);
    let name = "x\u{1b}]0;P\u{7}a\u{1b}[2Jlog";
    let text = "2026-03-01T10:00:00Z in 203.0.113.7\n".repeat(300);
    bench.write(name, &text);
    bench.run(&["hunt", "--data", "d", name]).expect(0);
    bench.write(name, text.replacen("203.0.113.7\n", "203.0.113.8\n", 290).replace("113.8", "113.7"));
    let changed = format!("{}{}", &text[..text.len() - 40], "2026-03-01T10:00:00Z in 198.51.100.7 or so\n");
    bench.write(name, changed);
    let changed = bench.run(&["hunt", "--data", "d", name]);
    let missing = bench.run(&["hunt", "--data", "d", &format!("{name}.gone")]).expect(6);
    for ran in [changed, missing] {
        assert!(ran.err.contains("\\u{1b}[2J"), "it is named: {}", ran.err);
        assert!(!ran.err.contains(['\u{1b}', '\u{7}']), "{:?}", ran.err);
    }
}

/// What a line holds of what a terminal obeys is an escape in JSON, whichever command prints it.
#[test]
fn json_of_a_line_moves_no_cursor() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--tlp", "green", "--format", "text"], 0);
    let line = "2026-03-01T10:00:00Z in 203.0.113.7 \u{9b}31m \u{7f}\u{202e}";
    bench.write("a.log", format!("{line}\n"));
    for args in [
        &["hunt", "--no-packs", "a.log", "--json"][..],
        &["finding", "list", "--json"],
        &["finding", "report", "--format", "json"],
        &["finding", "report", "--format", "timesketch"],
        &["finding", "report", "--format", "ocsf"],
    ] {
        let ran = bench.run(&[args, &["--data", "d"]].concat()).expect(0);
        assert!(ran.out.contains(r"\u009b31m \u007f\u202e"), "{}", ran.out);
        assert!(!ran.out.contains(['\u{9b}', '\u{7f}', '\u{202e}']), "{:?}", ran.out);
        assert!(
            ran.json().iter().any(|one| one.to_string().contains("203.0.113.7 \u{9b}31m")),
            "{}",
            ran.out
        );
    }
}

/// What is written while the program runs, by a file and by syslog, is found and kept.
#[test]
fn what_arrives_is_hunted_in() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n198.51.100.9\n");
    bench.import("list.txt", &["--format", "text"], 0);
    let log = bench.write("f.log", "old line\n");
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = format!("udp:{free}");
    let args = ["hunt", "--data", "d", "f.log", "--follow", "--syslog", listen.as_str(), "--no-packs"];
    let said = |name: &str| fs::read_to_string(bench.path(name)).unwrap();
    let to = |name: &str| fs::File::create(bench.path(name)).unwrap();
    let mut running = bench.command(&args).stdout(to("out")).stderr(to("err")).spawn().unwrap();
    let wait = |name: &str, words: &str| {
        let is_said = (0..600).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            said(name).contains(words)
        });
        assert!(is_said, "{}\n{}", said("out"), said("err"));
    };
    wait("err", "stop with Ctrl-C");
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(b"<13>Nov 28 17:00:00 gw app: from 198.51.100.9", free).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(&log).unwrap();
    std::io::Write::write_all(&mut file, b"2024-01-01T00:00:00Z to 203.0.113.7\n").unwrap();
    wait("out", "198.51.100.9");
    wait("out", "203.0.113.7");
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &running.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    let ended = running.wait().unwrap();
    assert_eq!(ended.code(), Some(0), "{}\n{}", said("out"), said("err"));
    let kept = bench.run(&["finding", "list", "--data", "d"]).expect(0);
    assert!(kept.out.contains("203.0.113.7") && kept.out.contains("198.51.100.9"), "{}", kept.out);
}

/// A file ahead of its turn waits, and keeps no other from being read.
#[test]
fn many_files_of_many_blocks_on_many_threads() {
    let bench = Bench::bare();
    bench.write("list.txt", "203.0.113.7\n");
    // More blocks each than wait in a queue.
    let filler =
        "2024-01-01T00:00:00Z nothing to see here, move along, nothing at all to see here\n".repeat(250_000);
    for n in 0..3 {
        bench.write(&format!("{n}.log"), format!("{n}\n{filler}to 203.0.113.7\n"));
    }
    let args = ["hunt", "--indicators", "list.txt", "--no-packs", "--threads", "3", "--json"];
    let ran = bench.run(&[&args[..], &["0.log", "1.log", "2.log"]].concat()).expect(0);
    assert_eq!(ran.findings().len(), 3);
}

/// Hunts in a pipe, in `later.log` and in what is not there, and does something to the database when the hunt has begun.
pub fn hunt_while(bench: &Bench, form: &str, harm: impl FnOnce()) -> Ran {
    let pipe = bench.path("pipe");
    if !pipe.exists() {
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    }
    let mut command = Command::new(PROGRAM);
    command.args(["hunt", "--data", "d", "--no-packs", "pipe", "absent.log", "later.log", "--threads", "1"]);
    command.args(["--format", form]).current_dir(bench.dir.path()).stdin(Stdio::null());
    let hunting = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It is opened when the hunt reads it.
    let mut to = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    harm();
    to.write_all(b"2026-03-01T10:00:00Z to 203.0.113.7\n").unwrap();
    drop(to);
    Ran::of(hunting.wait_with_output().unwrap())
}

/// A node that looks for an address, and a log with it that is read after the pipe.
pub fn node_that_hunts(engine: &Engine) -> Bench {
    let bench = Bench::on(engine);
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--format", "text", "--tlp", "green"], 0);
    bench.write("later.log", "2026-03-02T10:00:00Z to 203.0.113.7\n");
    bench
}

/// What was found is told whatever became of the database, in each form, and the report says that it is not recorded.
pub fn tells_what_was_found_without_the_database(ran: &Ran, form: &str, code: i32, why: &str) {
    assert_eq!(ran.code, code, "{form}: {} {}", ran.out, ran.err);
    assert!(ran.err.contains(why), "{form}: {}", ran.err);
    match form {
        "json" => {
            assert_eq!(ran.findings().len(), 2, "{}", ran.out);
            assert!(ran.out.contains("the history lacks it"), "{}", ran.out);
            assert!(ran.findings().iter().all(|one| one["known"] != true), "{}", ran.out);
        }
        // Of what is not known to be marked no sighting is made.
        "stix" => assert!(ran.out.contains("\"bundle\""), "{}", ran.out),
        _ => assert!(
            ran.out.contains("203.0.113.7") && ran.out.contains("the history lacks it"),
            "{}",
            ran.out
        ),
    }
}

/// The logs that came after the database went away were not read, and what was found was told to nobody.
#[test]
fn a_database_that_is_damaged_under_a_hunt_keeps_no_finding_from_being_told() {
    let bench = node_that_hunts(&Engine::File);
    let sound = std::fs::read(bench.path("d/polder.db")).unwrap();
    for form in ["json", "table", "stix"] {
        let ran = hunt_while(&bench, form, || {
            for suffix in ["-wal", "-shm"] {
                let _ = std::fs::remove_file(bench.path(&format!("d/polder.db{suffix}")));
            }
            std::fs::write(bench.path("d/polder.db"), vec![0xA5; sound.len()]).unwrap();
        });
        tells_what_was_found_without_the_database(&ran, form, 6, "restore the newest backup");
        let report = bench.run(&["finding", "report", "--data", "d"]).expect(6);
        assert!(report.says(&["the database is damaged"]).out.is_empty());
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(bench.path(&format!("d/polder.db{suffix}")));
        }
        std::fs::write(bench.path("d/polder.db"), &sound).unwrap();
    }
    assert_eq!(hunt_while(&bench, "json", || {}).expect(3).findings().len(), 2);
    let report = bench.run(&["finding", "report", "--data", "d", "--format", "json"]).expect(3);
    assert_eq!(report.findings().len(), 2);
}

/// What is written to a database that was removed is lost without an error: that was not told.
#[test]
fn a_database_that_is_removed_under_a_hunt_is_told() {
    let bench = node_that_hunts(&Engine::File);
    let away = bench.path("d/away");
    std::fs::create_dir(&away).unwrap();
    let ran = hunt_while(&bench, "json", || {
        for name in ["polder.db", "polder.db-wal", "polder.db-shm"] {
            std::fs::rename(bench.path(&format!("d/{name}")), away.join(name)).unwrap();
        }
    });
    tells_what_was_found_without_the_database(&ran, "json", 6, "was removed or replaced during the hunt");
}

/// A line that holds a value is one finding, however often lists have it.
#[test]
fn a_value_that_stands_in_lists_twice_is_found_once() {
    let bench = Bench::new();
    bench.write("a.txt", "203.0.113.7\nevil[.]example\n203.0.113.7\n");
    bench.write("b.txt", "# theirs\nevil.example\n198.51.100.9\n");
    bench.write(
        "a.log",
        "2026-03-01T10:00:00Z in 203.0.113.7\n2026-03-01T10:00:01Z dns evil.example 198.51.100.9\n",
    );
    let lists = ["--indicators", "a.txt", "--indicators", "b.txt", "--indicators", "a.txt"];
    let hunt = [&["hunt", "--data", "d", "--json", "a.log"], &lists[..]].concat();
    let lines = bench.run(&hunt).expect(0).json();
    let found = lines.iter().filter(|line| line["type"] == "finding");
    let found: Vec<_> =
        found.map(|one| (one["value"].as_str().unwrap(), one["name"].as_str().unwrap())).collect();
    assert_eq!(
        found,
        [
            ("203.0.113.7", "a.txt line 1"),
            ("evil.example", "also in b.txt; a.txt line 2"),
            ("198.51.100.9", "b.txt line 3"),
        ]
    );
    assert_eq!(lines[0]["sought"]["indicators"], json!({ "ip": 2, "domain": 1 }));
    assert_eq!(bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json().len(), 3);
}

/// Whoever hunts with a list of his own and no node is told what was seen, as in every other form.
#[test]
fn without_a_node_a_bundle_counts_as_the_other_forms_do() {
    let bench = Bench::bare();
    let indicator = r#"{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-000000000001","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z","pattern":"[ipv4-addr:value = '203.0.113.7']","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z","object_marking_refs":["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"]}"#;
    bench.write("set.json", indicator);
    let line = |nth: u32| format!("2026-03-01T10:00:{nth:02}Z in 203.0.113.7\n");
    bench.write("a.log", (0..50).map(line).collect::<String>());
    let sighting = |more: &[&str]| -> Value {
        let args = [&["hunt", "--indicators", "set.json", "--format", "stix", "a.log"], more].concat();
        let bundle: Value = serde_json::from_str(&bench.run(&args).expect(0).out).unwrap();
        let objects = bundle["objects"].as_array().unwrap();
        assert!(!objects.iter().any(|object| object["type"] == "identity"));
        objects.iter().find(|object| object["type"] == "sighting").unwrap().clone()
    };
    let told = sighting(&[]);
    assert_eq!((&told["count"], &told["last_seen"]), (&json!(50), &json!("2026-03-01T10:00:49.000Z")));
    let told = sighting(&["--anonymous"]);
    assert_eq!((&told["count"], &told["last_seen"]), (&json!(10), &json!("2026-03-01T00:00:00.000Z")));
}

/// `partial` in the lines is the exit code 3; days without a log are told as such, and are neither.
#[test]
fn partial_and_the_exit_code_say_the_same() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n");
    let log = |day: u32| {
        format!("{{\"ts\":\"2026-03-{day:02}T10:00:00Z\",\"query\":\"a.example\",\"qtype_name\":\"A\"}}\n")
    };
    bench.write("dns.log", [log(1), log(2), log(9)].concat());
    bench.write("bad.txt", "203.0.113.7\nno value at all\n");
    bench.write("none.log", "");
    for (list, path, partial, code) in [
        ("list.txt", "dns.log", false, 1),
        ("bad.txt", "dns.log", true, 3),
        ("list.txt", "none.log", true, 3),
    ] {
        let args = ["hunt", "--data", "d", "--no-packs", "--indicators", list, path, "--json"];
        let lines = bench.run(&args).expect(code).json();
        assert_eq!(lines[0]["partial"], partial, "{list} {path}");
        let report = bench.run(&["finding", "report", "--data", "d", "--format", "json"]).expect(1).json();
        assert_eq!(report[0]["partial"], false);
    }
}
