// SPDX-License-Identifier: Apache-2.0
//! Bad input and a bad machine: a clear message, the exit code of the design, nothing lost or half written.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;

use crate::support::*;

on_both_engines! {
    a_truncated_bundle_keeps_whole_objects,
    wrong_types_do_not_take_the_rest_with_them,
    an_object_of_two_gigabytes,
    ten_thousand_nested_arrays,
    a_zstd_bomb,
    one_id_with_two_contents,
    modified_before_created,
    an_unknown_marking_stays_at_home,
    invalid_utf_8,
    what_is_not_there_or_not_ours,
    a_newer_database,
    a_busy_port,
    a_data_directory_in_use,
    keys_that_others_may_read,
    archives_that_are_not_read_are_named,
}

fn codes(report: &Value) -> Vec<&str> {
    report["diagnostics"].as_array().unwrap().iter().map(|d| d["code"].as_str().unwrap()).collect()
}

fn a_truncated_bundle_keeps_whole_objects(engine: &Engine) {
    let bench = Bench::on(engine);
    let whole = bundle(&(0..10).map(|n| tool(n, "")).collect::<Vec<_>>());
    bench.write("cut.json", &whole[..whole.len() - 40]);
    let report = bench.import("cut.json", &[], 3);
    assert_eq!((report["read"].as_u64(), report["added"].as_u64()), (Some(9), Some(9)));
    assert_eq!(codes(&report), ["truncated"]);
    assert_eq!(bench.verified("d"), 10);
    let packed = zstd::encode_all(whole.as_bytes(), 3).unwrap();
    bench.write("cut.json.zst", &packed[..packed.len() / 2]);
    let report = bench.import("cut.json.zst", &[], 3);
    assert!(
        codes(&report).iter().all(|c| ["truncated", "unreadable", "empty-input"].contains(c)),
        "{report}"
    );
}

fn wrong_types_do_not_take_the_rest_with_them(engine: &Engine) {
    let bench = Bench::on(engine);
    let objects = [
        tool(1, ""),
        tool(2, r#""revoked":"yes","#),
        "7".to_owned(),
        tool(3, ""),
        r#"{"type":5}"#.to_owned(),
    ];
    bench.write("b.json", bundle(&objects));
    let report = bench.import("b.json", &[], 3);
    assert_eq!((report["added"].as_u64(), report["refused"].as_u64()), (Some(2), Some(3)));
    assert_eq!(codes(&report), ["wrong-type", "not-an-object", "wrong-type"]);
    for diagnostic in report["diagnostics"].as_array().unwrap() {
        assert!(
            diagnostic["fix"].is_string() && diagnostic["place"].is_string(),
            "what, where, what to do: {diagnostic}"
        );
    }
}

/// Two gibibytes, as a file with a hole in it.
fn an_object_of_two_gigabytes(engine: &Engine) {
    let bench = Bench::on(engine);
    let path = bench.write("big.json", format!(r#"{{"objects":[{},{{"x":""#, tool(1, "")));
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.set_len(2 << 30).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(format!(r#""}},{}]}}"#, tool(2, "")).as_bytes()).unwrap();
    let report = bench.import("big.json", &[], 3);
    assert_eq!((report["read"].as_u64(), report["added"].as_u64()), (Some(3), Some(2)));
    assert_eq!(codes(&report), ["object-too-large"]);
}

fn ten_thousand_nested_arrays(engine: &Engine) {
    let bench = Bench::on(engine);
    let deep = tool(1, &format!(r#""x_a":{}{},"#, "[".repeat(10_000), "]".repeat(10_000)));
    bench.write("deep.json", bundle(&[deep, tool(2, "")]));
    let report = bench.import("deep.json", &[], 3);
    assert_eq!((report["added"].as_u64(), codes(&report)), (Some(1), vec!["nested-too-deep"]));
}

fn a_zstd_bomb(engine: &Engine) {
    let bench = Bench::on(engine);
    let file = File::create(bench.path("bomb.zst")).unwrap();
    let mut encoder = zstd::Encoder::new(file, 3).unwrap();
    encoder.write_all(bundle(&[tool(1, "")]).as_bytes()).unwrap();
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..600 {
        encoder.write_all(&spaces).unwrap();
    }
    encoder.finish().unwrap();
    let report = bench.import("bomb.zst", &[], 3);
    assert_eq!((report["added"].as_u64(), codes(&report)), (Some(1), vec!["unreadable"]));
    assert!(report["diagnostics"][0]["message"].as_str().unwrap().contains("bomb"), "{report}");
}

fn one_id_with_two_contents(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.json", bundle(&[tool(1, ""), tool(1, r#""x_a":1,"#)]));
    let report = bench.import("a.json", &[], 3);
    assert_eq!((report["added"].as_u64(), codes(&report)), (Some(1), vec!["version-conflict"]));
    bench.write("b.json", bundle(&[tool(1, r#""x_a":2,"#), tool(2, "")]));
    let report = bench.import("b.json", &[], 3);
    assert_eq!((report["added"].as_u64(), codes(&report)), (Some(1), vec!["version-conflict"]));
}

fn modified_before_created(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.json", bundle(&[tool(1, "").replace("2024-01-02", "2023-12-31")]));
    assert_eq!(codes(&bench.import("a.json", &[], 3)), ["modified-before-created"]);
}

fn an_unknown_marking_stays_at_home(engine: &Engine) {
    let bench = Bench::on(engine);
    let unknown = "marking-definition--11111111-1111-4111-8111-111111111111";
    bench.write("a.json", bundle(&[tool(1, &format!(r#""object_marking_refs":["{unknown}"],"#))]));
    let report = bench.import("a.json", &["--tlp", "clear"], 0);
    assert_eq!(codes(&report), ["marking-unknown"]);
    assert_eq!(bench.exported("d")[&tool_id(1)], "TLP:CLEAR unknown");
    // The definition may stand behind what it marks: a statement restricts nothing.
    let definition = format!(
        r#"{{"type":"marking-definition","spec_version":"2.1","id":"{unknown}","created":"2024-01-01T00:00:00Z","definition_type":"statement","definition":{{"statement":"(c)"}}}}"#
    );
    bench
        .write("b.json", bundle(&[tool(2, &format!(r#""object_marking_refs":["{unknown}"],"#)), definition]));
    assert!(codes(&bench.import("b.json", &["--tlp", "clear"], 0)).is_empty());
    assert_eq!(bench.exported("d")[&tool_id(2)], "TLP:CLEAR");
}

fn invalid_utf_8(engine: &Engine) {
    let bench = Bench::on(engine);
    let mut bytes = bundle(&[tool(1, ""), tool(2, ""), tool(3, "")]).into_bytes();
    let at = bytes.windows(6).position(|w| w == b"tool 2").unwrap();
    bytes[at] = 0xC3;
    bench.write("a.json", bytes);
    let report = bench.import("a.json", &[], 3);
    assert_eq!((report["added"].as_u64(), codes(&report)), (Some(2), vec!["not-utf-8"]));
}

fn what_is_not_there_or_not_ours(engine: &Engine) {
    let bench = Bench::bare_on(engine);
    bench.run(&["import", "--data", "d", "x.json"]).expect(2).says(&["d/polder.db", "polder init"]);
    bench.init("d");
    bench.run(&["import", "--data", "d", "x.json"]).expect(6).says(&["x.json", "check the name"]);
    bench.run(&["import", "--data", "d", "."]).expect(2).says(&["directory"]);
    let init = ["init", "--data", "d", "--name", "x", "--country", "NL", "--sector", "y"];
    bench.run(&init).expect(2).says(&["d holds a node already"]);
    bench.write("text.json", "this is prose");
    bench
        .run(&["import", "--data", "d", "text.json", "--format", "stix"])
        .expect(3)
        .says(&["not-json", "read 0"]);
    bench.run(&["init", "--data", "e", "--name", "", "--country", "NL", "--sector", "y"]).expect(2);
    assert!(!bench.path("e").exists(), "nothing half made");
    bench.run(&["init", "--data", "e", "--name", "x", "--country", "Holland", "--sector", "y"]).expect(2);
}

fn a_newer_database(engine: &Engine) {
    let bench = Bench::on(engine);
    if engine.is_server() {
        bench.database("d", |database| database.run("UPDATE polder_format SET format = 99"));
    } else {
        // `user_version` is the four bytes at 60 of SQLite's header.
        let path = bench.path("d/polder.db");
        fold_wal(&bench);
        let mut bytes = fs::read(&path).unwrap();
        bytes[60..64].copy_from_slice(&99u32.to_be_bytes());
        fs::write(&path, bytes).unwrap();
    }
    bench.write("a.json", bundle(&[tool(1, "")]));
    for args in [
        &["doctor", "--data", "d"][..],
        &["export", "--data", "d", "--format", "stix"],
        &["import", "--data", "d", "a.json"],
        &["serve", "--data", "d", "--listen", "127.0.0.1:0", "--http"],
    ] {
        bench.run(args).expect(6).says(&["newer polder", "format 99", "update"]);
    }
}

/// The write-ahead log is folded into the file when the last connection closes; make sure that it is gone.
fn fold_wal(bench: &Bench) {
    bench.verified("d");
    for suffix in ["-wal", "-shm"] {
        let side = bench.path(&format!("d/polder.db{suffix}"));
        assert!(fs::metadata(&side).map_or(true, |m| m.len() == 0) || fs::remove_file(&side).is_ok());
    }
}

/// A disk that fills up at some write: the batch is wholly absent, what was acknowledged stays, and the same
/// command goes on when there is room. The disk of a server is in `postgresql.rs`.
#[test]
fn a_full_disk() {
    let bench = Bench::new();
    bench.write("a.json", bundle(&(0..20).map(|n| tool(n, "")).collect::<Vec<_>>()));
    bench.import("a.json", &[], 0);
    let big: Vec<String> =
        (100..400).map(|n| tool(n, &format!(r#""description":"{}","#, "x".repeat(8_000)))).collect();
    bench.write("big.json", bundle(&big));
    // In blocks of 512 bytes in sh, 1,024 in bash: from less than a page to most of the batch.
    for blocks in [1, 40, 400, 1_200] {
        let script = format!("ulimit -f {blocks}; exec {PROGRAM} import --data d big.json");
        let output =
            Command::new("sh").arg("-c").arg(&script).current_dir(bench.dir.path()).output().unwrap();
        let ran = Ran::of(output).expect(6);
        ran.says(&["free some space"]);
        assert_eq!(bench.verified("d"), 21, "with {blocks} blocks");
    }
    let report = bench.import("big.json", &[], 0);
    assert_eq!(report["added"].as_u64(), Some(300));
    assert_eq!(bench.verified("d"), 321);
}

fn a_busy_port(engine: &Engine) {
    let bench = Bench::on(engine);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    bench.run(&["serve", "--data", "d", "--listen", &address, "--http"]).expect(6).says(&[
        &address,
        "another program listens there",
        "--listen",
    ]);
    bench.run(&["serve", "--data", "d", "--listen", "0.0.0.0:0", "--http"]).expect(2).says(&["loopback"]);
    bench.run(&["serve", "--data", "d"]).expect(2).says(&["--http"]);
}

fn a_data_directory_in_use(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.json", bundle(&[tool(1, "")]));
    for (lock, args, word) in [
        ("d/write.lock", &["import", "--data", "d", "a.json"][..], "being written"),
        ("d/serve.lock", &["serve", "--data", "d", "--listen", "127.0.0.1:0", "--http"], "being served"),
    ] {
        let path = bench.path(lock);
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&path).unwrap();
        file.lock().unwrap();
        file.write_all(b"4711\n").unwrap();
        bench.run(args).expect(6).says(&["d ", word, "process 4711"]);
    }
    bench.import("a.json", &[], 0);
}

fn keys_that_others_may_read(engine: &Engine) {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::on(engine);
    bench.write("a.json", bundle(&[tool(1, "")]));
    let key = bench.path("d/keys/log-1.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    bench.run(&["import", "--data", "d", "a.json"]).expect(6).says(&["log-1.key", "chmod 600"]);
    bench.run(&["doctor", "--data", "d"]).expect(1).says(&["FAULT  keys"]);
}

fn archives_that_are_not_read_are_named(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.zip", b"PK\x03\x04 and so on");
    bench.run(&["import", "--data", "d", "a.zip"]).expect(2).says(&["a.zip", "zip", "which is not read"]);
}
