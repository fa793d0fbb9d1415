// SPDX-License-Identifier: Apache-2.0
//! The history by the command line: what was seen, what 'never' rests on, what is kept, forgotten and noted.

use std::fs;
use std::io::Read as _;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::support::*;

pub fn seen(bench: &Bench, value: &str, more: &[&str], code: i32) -> Value {
    let args = [&["seen", "--data", "d", value, "--json"], more].concat();
    bench.run(&args).expect(code).json().remove(0)
}

/// Names of the runs in the folder.
fn runs(bench: &Bench) -> Vec<String> {
    let names = fs::read_dir(bench.path("d/history")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| name.ends_with(".parquet"));
    names.sort();
    names
}

#[test]
fn seen_answers_with_what_it_rests_on() {
    let bench = Bench::new();
    let logs = examples().join("logs");
    let logs = logs.to_str().unwrap();
    bench.run(&["seen", "--data", "d", "203.0.113.7"]).expect(1).says(&["never", "no log"]);
    bench.run(&["hunt", "--no-packs", "--data", "d", logs]).expect(1);
    for _ in 0..2 {
        // The same files again: counted once.
        bench.run(&["hunt", "--no-packs", "--data", "d", logs]).expect(1);
        let seen = seen(&bench, "203.0.113.7", &[], 0);
        assert_eq!((seen["seen"].as_bool(), seen["count"].as_u64()), (Some(true), Some(1)), "{seen}");
        assert_eq!(seen["first"], "2026-03-02T08:15:41.000000Z");
        assert_eq!(seen["sources"].as_array().unwrap().len(), 1);
        assert_eq!(seen["sources"][0]["count"].as_u64(), Some(1));
        assert_eq!(seen["coverage"]["files"].as_u64(), Some(4));
        // All of it merged: the same answer.
        bench.run(&["history", "tidy", "--data", "d"]).expect(0).says(&["bytes each"]);
    }
    assert_eq!(seen(&bench, "heketwe.com", &["--subdomains"], 0)["count"].as_u64(), Some(2));
    bench.run(&["seen", "--data", "d", "heketwe.com"]).expect(1);
    bench.run(&["seen", "--data", "d", "not a value"]).expect(2).says(&["--kind"]);
    let internal = bench.run(&["seen", "--data", "d", "10.0.0.1"]).expect(3);
    internal.says(&["does not keep such values"]);
}

/// A declared source that is missing makes 'never' partial, for the kinds that it could show.
#[test]
fn a_missing_source_is_told() {
    let bench = Bench::new();
    fs::create_dir(bench.path("logs")).unwrap();
    for day in ["01", "02", "05"] {
        let line = format!("2024-02-{day}T10:00:00Z 8.8.8.8\n");
        bench.write(&format!("logs/vpn-{day}.log"), line);
    }
    let declare = [
        "sources",
        "declare",
        "--data",
        "d",
        "gateway",
        "--kind",
        "vpn",
        "--match",
        "vpn*.log*",
        "--every",
        "day",
    ];
    bench.run(&declare).expect(0);
    bench.run(&[&declare[..], &["--since", "then"]].concat()).expect(2).says(&["2019-02-03"]);
    bench.run(&["hunt", "--data", "d", "logs"]).expect(1);
    let never = bench.run(&["seen", "--data", "d", "9.9.9.9"]).expect(3);
    never.says(&["never", "gateway, no vpn log 2024-02-03 to 2024-02-04"]);
    let coverage = &seen(&bench, "9.9.9.9", &[], 3)["coverage"];
    assert_eq!(coverage["missing"][0]["gaps"][0], serde_json::json!(["2024-02-03", "2024-02-04"]));
    assert_eq!(coverage["holes"], true);
    assert_eq!(seen(&bench, &"0".repeat(64), &[], 1)["coverage"]["missing"], serde_json::json!([]));
    let listed = bench.run(&["sources", "list", "--data", "d", "--json"]).expect(0).json().remove(0);
    assert_eq!((&listed["name"], listed["files"].as_u64()), (&"gateway".into(), Some(3)));
    bench.run(&["sources", "remove", "--data", "d", "gateway"]).expect(0);
    bench.run(&["sources", "remove", "--data", "d", "gateway"]).expect(1);
    bench.run(&["seen", "--data", "d", "9.9.9.9"]).expect(1);
}

/// Times of sign-ins never reached the history: retention kept them for ever, and the days were guessed.
#[test]
fn sign_ins_have_their_days_in_the_history() {
    let bench = Bench::new();
    let lines = (1..8).step_by(3).map(|day| {
        format!(
            "{{\"actor\":{{\"id\":\"u\"}},\"client\":{{\"ipAddress\":\"8.8.8.8\"}},\"eventType\":\"user.session.start\",\
             \"published\":\"2024-02-0{day}T09:00:00Z\"}}\n"
        )
    });
    bench.write("okta.json", lines.collect::<String>());
    bench.run(&["hunt", "--data", "d", "okta.json"]).expect(1);
    let told = seen(&bench, "8.8.8.8", &[], 0);
    assert_eq!(
        (&told["first"], told["days"].as_u64()),
        (&"2024-02-01T09:00:00.000000Z".into(), Some(3)),
        "{told}"
    );
    let covered = serde_json::json!([
        ["2024-02-01", "2024-02-01"],
        ["2024-02-04", "2024-02-04"],
        ["2024-02-07", "2024-02-07"]
    ]);
    assert_eq!(told["coverage"]["shows"][0]["covered"], covered);
    let retention = ["history", "retention", "--data", "d", "--kind", "ip", "--months", "12"];
    bench.run(&retention).expect(0);
    bench.run(&["history", "tidy", "--data", "d"]).expect(0);
    bench.run(&["seen", "--data", "d", "8.8.8.8"]).expect(3).says(&["deleted by retention", "2024-02"]);
}

/// A report of earlier hunts had no day with a log; one damaged log made all gaps "there, but not readable".
#[test]
fn a_report_of_earlier_hunts_has_its_days_and_gaps() {
    let bench = Bench::new();
    fs::create_dir(bench.path("logs")).unwrap();
    for day in ["01", "03", "05"] {
        let lines = format!("2024-02-{day}T10:00:00Z accepted 8.8.8.8\n");
        bench.write(&format!("logs/fw-{day}.log"), lines);
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let lines = (0..60_000_u32)
        .map(|n| format!("2024-02-07T10:{:02}:00Z {n} {}\n", n % 60, n.wrapping_mul(2_654_435_769)));
    std::io::Write::write_all(&mut packed, lines.collect::<String>().as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    bench.write("logs/fw-07.log.gz", &packed[..packed.len() / 2]);
    let declare =
        ["sources", "declare", "--data", "d", "fw", "--kind", "flow", "--match", "fw*", "--every", "day"];
    bench.run(&declare).expect(0);
    bench.run(&["hunt", "--data", "d", "logs"]).expect(3);
    let lines = bench.run(&["finding", "report", "--data", "d", "--format", "json"]).expect(3).json();
    let source =
        |name: &str| lines.iter().find(|line| line["type"] == "source" && line["name"] == name).unwrap();
    assert_eq!(source("fw")["days"].as_u64(), Some(4));
    let gaps = source("fw")["gaps"].as_array().unwrap();
    assert!(gaps.len() >= 4 && gaps.iter().all(|gap| gap["why"] == "never-had"), "{gaps:?}");
    let html = bench.run(&["finding", "report", "--data", "d", "--format", "html"]).expect(3).out;
    assert!(html.contains("<dt>days with a log</dt><dd>4</dd>"), "{html}");
}

#[test]
fn forgetting_leaves_nothing_in_the_folder_and_is_noted() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &[], 0);
    bench.write("a.log", "2024-02-01T10:00:00Z 203.0.113.7 8.8.8.8\n");
    bench.run(&["hunt", "--data", "d", "a.log"]).expect(0);
    let before = runs(&bench);
    bench.run(&["forget", "--data", "d", "203.0.113.7"]).expect(2);
    let purpose = ["--purpose", "request of 3 March"];
    let forget =
        |more: &[&'static str]| [&["forget", "--data", "d", "203.0.113.7"], &purpose[..], more].concat();
    let told = bench.run(&forget(&["--json"])).expect(0).says(&["1 finding of it left"]).json().remove(0);
    assert_eq!(
        (told["count"].as_u64(), told["runs"].as_u64(), told["files_removed"].as_bool()),
        (Some(1), Some(1), Some(true))
    );
    assert!(runs(&bench).iter().all(|name| !before.contains(name)), "the old run is removed");
    seen(&bench, "203.0.113.7", &["--purpose", "case 12"], 3);
    assert_eq!(seen(&bench, "8.8.8.8", &[], 0)["count"].as_u64(), Some(1));
    bench.run(&forget(&["--findings"])).expect(0).says(&["1 finding erased"]);
    bench.run(&["finding", "list", "--data", "d"]).expect(1);
    bench.run(&forget(&[])).expect(1);

    let audit = bench.run(&["history", "audit", "--data", "d", "--json"]).expect(0).json();
    let acts: Vec<&str> = audit.iter().map(|entry| entry["act"].as_str().unwrap()).collect();
    assert_eq!(acts, ["forget", "seen", "seen", "forget", "forget"]);
    assert!(
        audit
            .iter()
            .filter(|e| e["act"] == "forget")
            .all(|e| e["what"].as_str().unwrap().starts_with("ip hmac:"))
    );
    // What was forgotten stands under its keyed hash, also where it was asked for before.
    assert!(audit[1]["what"].as_str().unwrap().starts_with("ip hmac:"), "{}", audit[1]);
    assert_eq!(audit[1]["purpose"], "case 12");
    assert_eq!((&audit[1]["outcome"], &audit[2]["outcome"]), (&"forgotten".into(), &"seen".into()));
    assert!(audit[0]["who"].as_str().unwrap().contains("uid"));
    bench.run(&["history", "audit", "--data", "d", "--since", "2100-01-01"]).expect(1);
}

/// A hunt under way holds what it read in mind, and runs of other directories are not in reach: the receipt says so.
#[test]
fn forgetting_tells_of_hunts_under_way_and_of_other_directories() {
    let bench = Bench::new();
    bench.write("a.log", "2024-02-01T10:00:00Z 203.0.113.7\n");
    bench.run(&["hunt", "--data", "d", "a.log"]).expect(1);
    std::fs::create_dir_all(bench.path("d/unfinished")).unwrap();
    let lock = |name: &str| std::fs::File::create(bench.path(&format!("d/unfinished/{name}.lock"))).unwrap();
    let (running, _ended) = (lock("0011223344556677"), lock("8899aabbccddeeff"));
    running.lock().unwrap();
    bench.write("d/unfinished/8899aabbccddeeff", "of a hunt that was stopped");
    bench.write("d/unfinished/0011223344556677", "of the hunt under way");
    let args = ["forget", "--data", "d", "203.0.113.7", "--purpose", "request"];
    let forget =
        |code| bench.run(&[&args[..], &["--json"]].concat()).expect(code).says(&["1 hunt under way"]);
    let told = forget(0).json().remove(0);
    let of = |name: &str| told[name].as_u64();
    assert_eq!(
        [of("hunts_dropped"), of("hunts_under_way"), of("runs_elsewhere")],
        [Some(1), Some(1), Some(0)]
    );
    assert!(!bench.path("d/unfinished/0011223344556677").exists(), "what it has written is dropped, too");
    drop(running);
    let told = bench.run(&[&args[..], &["--json"]].concat()).expect(1).json().remove(0);
    assert_eq!(told["hunts_under_way"].as_u64(), Some(0));
}

#[test]
fn what_is_kept_is_a_setting() {
    let bench = Bench::new();
    bench.run(&["history", "keep", "--data", "d", "account"]).expect(2).says(&["--hmac"]);
    bench.run(&["history", "keep", "--data", "d", "email", "--hmac"]).expect(2).says(&["only accounts"]);
    bench.run(&["history", "keep", "--data", "d", "cidr"]).expect(2);
    bench.run(&["history", "keep", "--data", "d", "account", "--hmac"]).expect(0);
    bench.run(&["history", "keep", "--data", "d", "sha256", "--off"]).expect(0);
    bench.run(&["history", "retention", "--data", "d", "--kind", "domain"]).expect(2).says(&["--months"]);
    bench.run(&["history", "retention", "--data", "d", "--kind", "ip", "--months", "1"]).expect(0);
    let status = bench.run(&["history", "status", "--data", "d", "--json"]).expect(0).json().remove(0);
    let kept: Vec<&str> =
        status["kept"].as_array().unwrap().iter().map(|kind| kind.as_str().unwrap()).collect();
    assert!(kept.contains(&"account") && !kept.contains(&"sha256") && kept.contains(&"ip"), "{kept:?}");
    assert_eq!(status["retention"][0]["months"].as_u64(), Some(1));
    bench.write("a.log", "2019-02-01T10:00:00Z 8.8.8.8 www.example.org\n");
    bench.run(&["hunt", "--data", "d", "a.log"]).expect(1).says(&["older than they are kept"]);
    let never = bench.run(&["seen", "--data", "d", "8.8.8.8"]).expect(3);
    never.says(&["deleted by retention", "2019-02"]);
    assert_eq!(seen(&bench, "www.example.org", &[], 0)["count"].as_u64(), Some(1));
    assert_eq!(seen(&bench, &"0".repeat(64), &[], 3)["coverage"]["kept"], false);
}

/// `seen` said that the history knows nothing of what it held, once the kind was switched off.
#[test]
fn what_is_switched_off_is_still_told() {
    let bench = Bench::new();
    let keep = |kind: &str, more: &[&str]| {
        bench.run(&[&["history", "keep", "--data", "d", kind], more].concat()).expect(0);
    };
    keep("account", &["--hmac"]);
    let line = |user: &str| {
        format!(
            "date=2026-03-02 time=02:11:47 devname=\"gw1\" logid=\"0101039424\" type=\"event\" subtype=\"vpn\" \
             level=\"information\" user=\"{user}\" remip=203.0.113.7 action=\"tunnel-up\"\n"
        )
    };
    bench.write("vpn.log", line("engineer03"));
    bench.run(&["hunt", "--no-packs", "--data", "d", "vpn.log"]).expect(1);
    keep("account", &["--off"]);
    keep("ip", &["--off"]);
    let today =
        seen(&bench, "203.0.113.0/24", &[], 0)["coverage"]["unkept_since"].as_str().unwrap()[..10].to_owned();
    for (value, more) in [("203.0.113.7", &[][..]), ("engineer03", &["--kind", "account"])] {
        let told = seen(&bench, value, more, 0);
        assert_eq!((told["count"].as_u64(), &told["coverage"]["kept"]), (Some(1), &false.into()), "{told}");
        bench
            .run(&[&["seen", "--data", "d", value], more].concat())
            .expect(0)
            .says(&["no longer since", &today]);
    }
    bench.write("later.log", line("engineer04"));
    bench.run(&["hunt", "--no-packs", "--data", "d", "later.log"]).expect(1);
    let account = ["--kind", "account"];
    assert_eq!(seen(&bench, "engineer04", &account, 3)["coverage"]["unkept_files"].as_u64(), Some(1));
    keep("account", &["--hmac"]);
    // Kept again: of what came meanwhile the history cannot say that it was not there.
    let told = seen(&bench, "engineer04", &account, 3);
    assert_eq!(
        (&told["coverage"]["kept"], told["coverage"]["unkept_files"].as_u64()),
        (&true.into(), Some(1))
    );
    bench
        .run(&["seen", "--data", "d", "engineer04", "--kind", "account"])
        .expect(3)
        .says(&["knows nothing", "1 file came"]);
    // An indicator that arrives is looked up all the same.
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--format", "text"], 0);
    assert_eq!(bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json().len(), 1);
}

/// A log of Windows tells of several things; days of sign-ins were "never had" though each held some.
#[test]
fn a_log_of_several_kinds_has_its_days_for_each() {
    for more in [&["--no-packs"][..], &[]] {
        let bench = Bench::new();
        let event = |day: &str, id: u32, n: u32| {
            format!(
                "{{\"Channel\":\"Security\",\"EventID\":{id},\"TimeCreated\":\"2024-02-{day}T10:00:{n:02}Z\",\
                 \"Computer\":\"dc1\",\"IpAddress\":\"198.51.100.9\"}}\n"
            )
        };
        for (day, ids) in [("20", [4624, 4624, 4688]), ("21", [5145, 5145, 4624]), ("22", [4624, 4688, 4624])]
        {
            let lines = ids.iter().zip(0..).map(|(id, n)| event(day, *id, n)).collect::<String>();
            bench.write(&format!("dc1-2024-02-{day}.json"), lines);
        }
        let logs = ["dc1-2024-02-20.json", "dc1-2024-02-21.json", "dc1-2024-02-22.json"];
        let check = |lines: &[Value]| {
            let sign_ins =
                lines.iter().find(|line| line["type"] == "source" && line["name"] == "authentication");
            let sign_ins = sign_ins.unwrap();
            assert_eq!((sign_ins["days"].as_u64(), &sign_ins["gaps"]), (Some(3), &serde_json::json!([])));
        };
        check(
            &bench
                .run(&[&["hunt", "--data", "d", "--format", "json"], more, &logs].concat())
                .expect(1)
                .json(),
        );
        let told = bench.run(&["finding", "report", "--data", "d", "--format", "json"]).expect(1).json();
        check(&told);
        // On the 21st nothing of it happened: the log is there.
        let hosts = told.iter().find(|line| line["type"] == "source" && line["name"] == "endpoint").unwrap();
        assert_eq!((hosts["days"].as_u64(), &hosts["gaps"]), (Some(2), &serde_json::json!([])));
        let coverage = &seen(&bench, "anna", &["--kind", "account"], 3)["coverage"];
        let shows: Vec<(&str, Option<u64>)> = coverage["shows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|source| (source["kind"].as_str().unwrap(), source["days"].as_u64()))
            .collect();
        assert_eq!(shows, [("authentication", Some(3)), ("endpoint", Some(2)), ("file", Some(1))]);
        assert!(coverage["shows"][1]["gaps"].as_array().unwrap().is_empty(), "{coverage}");
        let page = ["finding", "report", "--data", "d", "--format", "page-text", "--language", "nl"];
        let page = bench.run(&page).expect(1).out;
        assert!(page.contains("internet") && !page.contains("computers zelf"), "{page}");
    }
}

/// A log that was handed in and cannot be read was "never had" where its source was not declared, or was garbage.
#[test]
fn a_log_that_cannot_be_read_is_not_told_as_never_had() {
    let bench = Bench::new();
    fs::create_dir(bench.path("logs")).unwrap();
    for day in ["01", "02", "05", "07"] {
        let line = format!(
            "date=2024-02-{day} time=02:11:47 devname=\"gw1\" logid=\"0000000013\" type=\"traffic\" subtype=\"forward\" \
             srcip=10.0.0.1 dstip=198.51.100.9 action=\"accept\"\n"
        );
        bench.write(&format!("logs/fw-2024-02-{day}.log"), line);
    }
    let garbage: Vec<u8> = (0..4_000_u32).map(|n| (n * 37 % 256) as u8).collect();
    bench.write("logs/fw-2024-02-03.log", &garbage);
    bench.write("logs/fw-2024-02-06.log.gz", [&[0x1F, 0x8B, 8, 0][..], &garbage].concat());
    // What has another name says nothing of it.
    bench.write("logs/readme-2024-02-04.txt", "what these logs are\n");
    let declare =
        ["sources", "declare", "--data", "d", "gate", "--kind", "flow", "--match", "fw*", "--every", "day"];
    bench.run(&declare).expect(0);
    let check = |lines: &[Value]| {
        for name in ["flow", "gate"] {
            let source = lines.iter().find(|line| line["type"] == "source" && line["name"] == name).unwrap();
            let gaps: Vec<(&str, &str, String)> = source["gaps"]
                .as_array()
                .unwrap()
                .iter()
                .take(3)
                .map(|gap| {
                    let file = gap["files"][0].as_str().unwrap_or("");
                    let file = file.rsplit('/').next().unwrap().to_owned();
                    (gap["from"].as_str().unwrap(), gap["why"].as_str().unwrap(), file)
                })
                .collect();
            assert_eq!(
                gaps,
                [
                    ("2024-02-03", "not-readable", "fw-2024-02-03.log".to_owned()),
                    ("2024-02-04", "never-had", String::new()),
                    ("2024-02-06", "not-readable", "fw-2024-02-06.log.gz".to_owned()),
                ],
                "{name}"
            );
        }
    };
    let hunt = |format: &str| bench.run(&["hunt", "--data", "d", "--format", format, "logs"]).expect(3);
    check(&hunt("json").json());
    hunt("table").says(&[
        "of 2 files nothing could be made out",
        "there, but not readable (",
        "fw-2024-02-03.log)",
    ]);
    hunt("page-text").says(&["there, but not readable (fw-2024-02-03.log)"]);
    check(&bench.run(&["finding", "report", "--data", "d", "--format", "json"]).expect(3).json());
}

/// Of a source that is declared from a day to come on "nothing was had".
#[test]
fn a_source_of_days_to_come_is_not_missing() {
    let bench = Bench::new();
    bench.write("a.log", "2024-02-01T10:00:00Z to 8.8.8.8\n");
    let declare =
        ["sources", "declare", "--data", "d", "gate", "--kind", "flow", "--match", "fw*", "--every", "day"];
    bench.run(&[&declare[..], &["--since", "2099-01-01"]].concat()).expect(0);
    bench
        .run(&["sources", "list", "--data", "d"])
        .expect(0)
        .says(&["none is due yet, expected from 2099-01-01 on"]);
    let told = bench.run(&["hunt", "--no-packs", "--data", "d", "a.log"]).expect(1);
    assert!(!told.out.contains("nothing was had"), "{}", told.out);
    told.says(&["none is due yet, expected from 2099-01-01 on", "Nothing that is known of"]);
    for (format, words) in [("html", "expected from 2099-01-01 on"), ("page-text", "from 1 January 2099 on")]
    {
        bench.run(&["finding", "report", "--data", "d", "--format", format]).expect(1).says(&[words]);
    }
    let never = seen(&bench, "9.9.9.9", &[], 1);
    assert_eq!(never["coverage"]["missing"], serde_json::json!([]));
}

/// A copy within an archive was told as if another process were recording it.
#[test]
fn a_copy_within_an_archive_counts_once_and_is_not_told_as_left() {
    let bench = Bench::new();
    let log = b"2026-03-02T02:11:47Z to 203.0.113.7\n";
    let other = b"2026-03-03T02:11:47Z to 203.0.113.7\n";
    let zip = loggen::years::zip_of(&[("a.log", log), ("copy.log", log), ("b.log", other)]).unwrap();
    bench.write("logs.zip", zip);
    bench.write("list.txt", "203.0.113.7\n");
    let hunt = ["hunt", "--no-packs", "--data", "d", "--indicators", "list.txt", "logs.zip"];
    for _ in 0..2 {
        let ran = bench.run(&hunt).expect(0);
        assert!(!ran.err.contains("another process"), "{}", ran.err);
        assert_eq!(seen(&bench, "203.0.113.7", &[], 0)["count"], 2);
        let found = bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json();
        assert_eq!(found.len(), 2, "{found:?}");
    }
}

/// A run that the disk damaged is named and set aside; the file, hunted again, brings it back.
#[test]
fn a_damaged_run_is_told_and_comes_back() {
    let bench = Bench::new();
    bench.write("a.log", "2024-02-01T10:00:00Z 8.8.8.8\n");
    bench.run(&["hunt", "--data", "d", "a.log"]).expect(1);
    let run = bench.path("d/history").join(&runs(&bench)[0]);
    let mut bytes = fs::read(&run).unwrap();
    bytes[6] ^= 1;
    fs::write(&run, bytes).unwrap();
    bench.run(&["seen", "--data", "d", "8.8.8.8"]).expect(3).says(&[
        "is damaged",
        "set aside",
        "to be hunted again",
    ]);
    assert!(runs(&bench).is_empty());
    bench.run(&["hunt", "--data", "d", "a.log"]).expect(1);
    assert_eq!(seen(&bench, "8.8.8.8", &[], 0)["count"].as_u64(), Some(1));
    bench.run(&["seen", "--data", "d", "8.8.4.4"]).expect(1);
}

/// What is in the backup answers after the restore.
#[test]
fn a_backup_holds_the_runs() {
    let bench = Bench::new();
    let logs = examples().join("logs");
    bench.run(&["hunt", "--no-packs", "--data", "d", logs.to_str().unwrap()]).expect(1);
    let before = seen(&bench, "203.0.113.7", &[], 0);
    bench.run(&["backup", "--data", "d", "b.tar"]).expect(0);
    bench.run(&["restore", "--data", "e", "b.tar", "--newest"]).expect(0);
    let after = bench.run(&["seen", "--data", "e", "203.0.113.7", "--json"]).expect(0).json().remove(0);
    assert_eq!((&before["count"], &before["sources"]), (&after["count"], &after["sources"]));
    assert_eq!(after["coverage"]["elsewhere"].as_u64(), Some(0));
    bench.run(&["hunt", "--no-packs", "--data", "e", logs.to_str().unwrap()]).expect(1);
    let again = bench.run(&["seen", "--data", "e", "203.0.113.7", "--json"]).expect(0).json().remove(0);
    assert_eq!(before["count"], again["count"], "nothing counts twice");
}

/// A log that grows is counted once, also when what it held is merged already.
#[test]
fn a_log_that_grows_counts_once() {
    let bench = Bench::new();
    let mut log = String::new();
    for (day, merged) in [("01", false), ("02", true), ("03", true)] {
        log.push_str(&format!("2024-02-{day}T10:00:00Z 8.8.8.8 from day {day}\n"));
        bench.write("a.log", &log);
        bench.run(&["hunt", "--data", "d", "a.log"]).expect(1);
        let seen = seen(&bench, "8.8.8.8", &[], 0);
        assert_eq!(
            (seen["count"].as_u64(), seen["days"].as_u64()),
            (Some(log.lines().count() as u64), seen["count"].as_u64())
        );
        if merged {
            bench.run(&["history", "tidy", "--data", "d"]).expect(0);
        }
    }
}

/// Killed at any moment and started again: the same history as of one undisturbed hunt, nothing counted twice, and
/// nothing left over.
#[test]
fn a_hunt_that_is_killed_again_and_again_counts_once() {
    const LOGS: u64 = 40;
    let bench = Bench::new();
    bench.init("e");
    fs::create_dir(bench.path("logs")).unwrap();
    for log in 0..LOGS {
        let line = |n: u64| {
            let (month, day, host) = (1 + (log + n) % 3, 1 + n % 28, (log * n) % 50);
            format!("2024-{month:02}-{day:02}T10:00:00Z 8.8.{}.{} h{host}.example.org\n", n % 7, log % 9)
        };
        bench.write(&format!("logs/{log}.log"), (0..400).map(line).collect::<String>());
    }
    bench.run(&["hunt", "--data", "e", "logs"]).expect(1);
    let args = ["hunt", "--data", "d", "logs"];
    let mut killed = 0;
    for round in 0..30_u64 {
        let mut child = bench.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(10 + round * 37 % 200));
        killed += u64::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(killed > 0, "every hunt ended before it could be killed");
    bench.run(&args).expect(1);
    for data in ["d", "e"] {
        bench.run(&["history", "tidy", "--data", data]).expect(0);
    }
    let status = |data: &str| {
        let mut status =
            bench.run(&["history", "status", "--data", data, "--json"]).expect(0).json().remove(0);
        status["bytes"].take();
        status["classes"].as_array_mut().unwrap().iter_mut().for_each(|class| drop(class["bytes"].take()));
        status
    };
    assert_eq!(status("d"), status("e"));
    assert_eq!(runs(&bench).len() as u64, status("d")["runs"].as_u64().unwrap(), "nothing is left over");
    for value in ["8.8.0.0/16", "8.8.3.4", "h7.example.org", "h0.example.org"] {
        let answer = |data: &str| {
            let args = ["seen", "--data", data, value, "--json"];
            let seen = bench.run(&args).expect(0).json().remove(0);
            ["count", "days", "first", "last", "values"].map(|name| seen[name].clone())
        };
        assert_eq!(answer("d"), answer("e"), "{value}");
    }
    let all = bench.run(&["seen", "--data", "d", "8.8.0.0/16", "--json"]).expect(0).json().remove(0);
    assert_eq!((all["count"].as_u64(), all["coverage"]["files"].as_u64()), (Some(LOGS * 400), Some(LOGS)));
}

/// `seen` said 'never' of names under no public suffix, which it did not keep.
#[test]
fn of_a_name_that_is_not_kept_seen_does_not_say_never() {
    let bench = Bench::new();
    fs::create_dir(bench.path("tl")).unwrap();
    bench.write("tl/a.log", "{\"time\":\"2026-03-02T08:00:01Z\",\"query\":\"c2.evil.corp\"}\n");
    bench.write("tl/b.log", "2026-03-02T08:00:01Z somebody wrote of text.evil.corp\n");
    bench.run(&["hunt", "--no-packs", "--data", "d", "tl"]).expect(1);
    assert_eq!(seen(&bench, "c2.evil.corp", &[], 0)["count"].as_u64(), Some(1));
    let unknown = bench.run(&["seen", "--data", "d", "text.evil.corp"]).expect(3);
    let unknown = unknown.says(&["knows nothing of", "under no public suffix"]);
    assert!(!unknown.out.contains("never"), "{}", unknown.out);
    bench.run(&["seen", "--data", "d", "evil.nl"]).expect(1).says(&["never"]);
    bench.write("l.txt", "c2.evil.corp\ntext.evil.corp\n");
    let told = bench.run(&["import", "--data", "d", "l.txt", "--format", "text"]).expect(0);
    told.says(&["1 of 2 new indicators were seen", "of 1 of 2 new indicators the history cannot say"]);
}

/// A log that logrotate packed between two hunts was counted twice, and so were its findings.
#[test]
fn a_log_that_logrotate_packs_is_counted_once() {
    let bench = Bench::new();
    let log = "2026-03-02T08:00:01Z accepted 203.0.113.7\n";
    fs::create_dir(bench.path("l")).unwrap();
    bench.write("l/fw.log", log);
    bench.write("list.txt", "203.0.113.7\n");
    bench.run(&["import", "--data", "d", "list.txt", "--format", "text"]).expect(0);
    let hunt = || bench.run(&["hunt", "--no-packs", "--data", "d", "l"]).expect(0);
    hunt();
    let packed = zstd::encode_all(log.as_bytes(), 1).unwrap();
    bench.write("l/fw.log.1.zst", packed);
    // The next log has the name by now.
    bench.write("l/fw.log", "2026-03-03T08:00:01Z accepted 203.0.113.8\n");
    hunt();
    assert_eq!(seen(&bench, "203.0.113.7", &[], 0)["count"].as_u64(), Some(1));
    let found = bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json();
    assert_eq!(found.len(), 1, "{found:?}");
    // What arrives later is looked up where the log lies now.
    bench.write("name.txt", "203.0.113.0/28\n");
    bench.run(&["import", "--data", "d", "name.txt", "--format", "text"]).expect(0).says(&["2 new findings"]);
}

/// The report gave the length of a line as the reason for a bomb, called xz damaged, and did not tell empty logs.
#[test]
fn a_report_says_why_a_file_was_not_read_and_which_are_empty() {
    let bench = Bench::new();
    fs::create_dir(bench.path("l")).unwrap();
    let bomb = zstd::encode_all(std::io::repeat(b'a').take(300_000_000), 1).unwrap();
    bench.write("l/bomb.zst", bomb);
    bench.write("l/a.xz", b"\xFD7zXZ\x00and so on");
    bench.write("l/cut.gz", b"\x1f\x8b\x08\x00");
    bench.write("l/empty.log", "");
    bench.write("l/array.json", "[{\"a\":\"203.0.113.9\"},{\"a\":\"203.0.113.7\"}]");
    bench.write("list.txt", "203.0.113.7\n");
    let args = ["hunt", "--no-packs", "--indicators", "list.txt", "--format", "table", "l"];
    let told = bench.run(&args).expect(3);
    let told = told.says(&[
        "bomb.zst: not read, it unpacks to more than",
        "a.xz: not read, it is an xz archive",
        "nothing of it was read",
        "empty.log: empty",
        "in 2 of 5 files",
        "array.json: its numbers are those of records",
        "array.json, record 2",
    ]);
    assert!(!told.out.contains("damaged"), "{}", told.out);
}

/// A log that was renamed and had grown was told as if all in it were new, and counted twice where its new name was not
/// one that logs are rotated to.
#[test]
fn a_log_that_was_renamed_and_has_grown_is_not_told_as_new() {
    let line = |day: usize| format!("2026-03-{day:02}T08:00:01Z accepted 203.0.113.7\n");
    // Shorter than what is kept of its head, and longer.
    for (lines, name) in [(1, "l/fw.log.1"), (1, "l/old"), (300, "l/old"), (300, "l/fw-2026.txt")] {
        let bench = Bench::new();
        fs::create_dir(bench.path("l")).unwrap();
        bench.write("list.txt", "203.0.113.7\n");
        bench.import("list.txt", &["--format", "text"], 0);
        let hunt = |found: usize| {
            let ran = bench.run(&["hunt", "--no-packs", "--data", "d", "l", "--json"]).expect(0);
            assert_eq!(ran.findings().len(), found, "{name}");
            let known = ran.findings().iter().filter(|one| one["known"] == true).count();
            assert_eq!(ran.json()[0]["known_findings"], known);
            assert!(ran.findings().iter().all(|one| one["known"].is_boolean()), "{}", ran.out);
            known
        };
        bench.write("l/fw.log", line(1).repeat(lines));
        assert_eq!((hunt(lines), hunt(lines)), (0, lines), "{name}");
        fs::remove_file(bench.path("l/fw.log")).unwrap();
        bench.write(name, line(1).repeat(lines) + &line(2));
        bench.write("l/fw.log", line(3));
        assert_eq!(hunt(lines + 2), lines, "{name}");
        assert_eq!(seen(&bench, "203.0.113.7", &[], 0)["count"], lines + 2, "{name}");
        let listed = bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json();
        assert_eq!(listed.len(), lines + 2, "{name}");
        // What is new comes first where there is no room for all.
        bench.write(name, line(1).repeat(lines) + &line(2) + &line(4));
        let told = bench.run(&["hunt", "--no-packs", "--data", "d", "l", "--format", "table"]).expect(0);
        let told = told.says(&[&format!("{} findings were recorded by an earlier hunt.", lines + 2)]);
        let (_, findings) = told.out.split_once("Findings\n").unwrap();
        assert!(findings.lines().nth(1).unwrap().starts_with("2026-03-04"), "{findings}");
    }
}

/// A copy that goes on otherwise is another log for as long as the first lies where it was.
#[test]
fn a_log_that_begins_as_one_that_lies_there_still_is_another() {
    let bench = Bench::new();
    fs::create_dir(bench.path("l")).unwrap();
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--format", "text"], 0);
    let one = "2026-03-01T08:00:01Z accepted 203.0.113.7\n";
    bench.write("l/a.log", one);
    let hunt = || bench.run(&["hunt", "--no-packs", "--data", "d", "l", "--json"]).expect(0).findings();
    hunt();
    bench.write("l/b.log", format!("{one}2026-03-02T08:00:01Z accepted 203.0.113.7\n"));
    for _ in 0..2 {
        assert_eq!(hunt().len(), 3);
        assert_eq!(seen(&bench, "203.0.113.7", &[], 0)["count"], 3);
        assert_eq!(bench.run(&["finding", "list", "--data", "d"]).expect(0).out.lines().count(), 3);
    }
}

/// No earlier hunt recorded what this one has read a moment ago; and a copy of it is told once.
#[test]
fn a_copy_in_the_same_hunt_is_not_told_as_known() {
    let bench = Bench::new();
    fs::create_dir(bench.path("l")).unwrap();
    bench.write("list.txt", "203.0.113.7\n");
    bench.import("list.txt", &["--format", "text"], 0);
    for name in ["a", "b"] {
        bench.write(&format!("l/{name}.log"), "2026-03-01T08:00:01Z accepted 203.0.113.7\n");
    }
    let found = bench.run(&["hunt", "--no-packs", "--data", "d", "l", "--json"]).expect(0).findings();
    let known: Vec<&Value> = found.iter().map(|one| &one["known"]).collect();
    assert_eq!(known, [&Value::Bool(false)]);
}
