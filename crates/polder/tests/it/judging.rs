// SPDX-License-Identifier: Apache-2.0
//! `pattern`, `warninglists` and `edge`, as a person runs them.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::*;

const OBSERVED: &str = r#"{"type":"observed-data","first_observed":"2024-01-31T08:30:00Z",
    "last_observed":"2024-01-31T08:30:00Z","number_observed":1,"objects":{"0":{"type":"url","value":"http://a.example/"}}}"#;

#[test]
fn a_pattern_is_checked_and_tried() {
    let bench = Bench::bare();
    bench.write("o.json", OBSERVED);
    let test = |pattern: &str| bench.run(&["pattern", "test", pattern, "o.json"]);
    test("[url:value LIKE 'http://%.example/']").expect(0).says(&["match"]);
    test("[url:value = 'x']").expect(1).says(&["no match"]);
    test("[url:value = ").expect(2).says(&["the pattern has `the end` at byte 13 where a value should be"]);
    test("[url:value MATCHES '(']").expect(2).says(&["the regular expression `(` cannot be used"]);
    let check = |args: &[&str]| bench.run(&[&["pattern", "check", "--json"], args].concat());
    let checked = check(&["[ipv4-addr:value = '203.0.113.7' OR file:size > 5]"]).expect(0).json();
    assert_eq!(checked[0]["values"], serde_json::json!(["ip 203.0.113.7"]));
    assert_eq!(checked[0]["matched_on_events"], "[file:size > 5]");
    assert_eq!(checked[0]["reads_every_line"], true, "a number below 256 names no lines");
    let hyphen = "[file:hashes.SHA-256 = 'f00']";
    assert_eq!(check(&[hyphen]).expect(1).json()[0]["errors"][0], "`f00` is no SHA-256");
    check(&[hyphen, "--spec", "2.1"]).expect(1);
    bench.write("bad.json", "[1]");
    bench.run(&["pattern", "test", "[a:b = 1]", "bad.json"]).expect(2).says(&["are not all objects"]);
}

/// A feed with one such pattern made a hunt twenty times slower, and nothing said which one it was.
#[test]
fn a_pattern_that_makes_every_line_be_read_is_named_as_such() {
    let bench = Bench::bare();
    let says = |pattern: &str| {
        let told = bench.run(&["pattern", "check", pattern]).expect(0).out;
        told.contains("it does not say what its lines hold: a hunt with it reads every line into an event")
    };
    assert!(says("[process:pid < 5000]") && says("[network-traffic:dst_port = 80]"));
    let half = "[process:name = 'rundll32.exe'] FOLLOWEDBY [network-traffic:dst_port > 0]";
    assert!(says(half), "one observation is enough");
    assert!(!says("[process:command_line LIKE '%-nologo -exec%']"), "its lines hold a text");
    assert!(!says("[network-traffic:dst_port = 80 AND process:name = 'rundll32.exe']"), "one part of an AND");
    assert!(!says("[ipv4-addr:value = '203.0.113.7']"), "the scan knows it");
}

#[test]
fn warning_lists_are_taken_in_listed_and_taken_out() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("lists/resolvers")).unwrap();
    fs::create_dir_all(bench.path("lists/broken")).unwrap();
    let list = |version: u32| {
        format!(
            r#"{{"name":"Resolvers","type":"cidr","version":{version},"list":["192.0.2.53","x"],"matching_attributes":["ip-dst"]}}"#
        )
    };
    bench.write("lists/resolvers/list.json", list(1));
    bench.write("lists/broken/list.json", "{");
    let import = |path: &str, code: i32| {
        bench.run(&["warninglists", "import", "--data", "d", path, "--json"]).expect(code)
    };
    let taken =
        import("lists", 3).says(&["error [not-json] broken", "warning [warning-list-entry] resolvers"]);
    assert_eq!(taken.json().len(), 1);
    bench.write("lists/resolvers/list.json", list(2));
    import("lists/resolvers", 0);
    import("lists/resolvers/list.json", 0);
    let held = bench.run(&["warninglists", "list", "--data", "d", "--json"]).expect(0).json();
    assert_eq!(
        (held.len(), &held[0]["name"], &held[0]["version"]),
        (1, &Value::from("resolvers"), &Value::from(2))
    );
    assert_eq!((&held[0]["entries"], &held[0]["kinds"]), (&Value::from(1), &serde_json::json!(["ip"])));
    let remove = |code: i32| bench.run(&["warninglists", "remove", "--data", "d", "resolvers"]).expect(code);
    remove(0);
    remove(1).says(&["there is no warning list `resolvers`"]);
    bench.run(&["warninglists", "list", "--data", "d"]).expect(1);
    fs::create_dir(bench.path("empty")).unwrap();
    import("empty", 2);
}

/// A device whose firmware was written long ago.
fn image(bench: &Bench) {
    for path in ["bin/sh", "bin/init", "bin/newcli", "bin/smartctl", "lib/a.so", "data/.db/x", "data2/x"] {
        let path = bench.path("image").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "firmware").unwrap();
        touch(&path, "2022-06-01T00:00:00Z");
    }
}

fn touch(path: &std::path::Path, time: &str) {
    assert!(Command::new("touch").args(["-h", "-d", time]).arg(path).status().unwrap().success());
}

#[test]
fn an_image_is_looked_through_without_following_its_links() {
    let bench = Bench::bare();
    image(&bench);
    let check = |more: &[&str], code: i32| {
        bench.run(&[&["edge", "check", "image", "--json"], more].concat()).expect(code)
    };
    assert!(check(&[], 1).json().is_empty());
    touch(&bench.path("image/bin/smartctl"), "2022-06-29T00:00:01Z");
    fs::create_dir_all(bench.path("image/data2/.bd.key")).unwrap();
    bench.write("image/data2/.bd.key/httpsd", "not the real one");
    fs::create_dir_all(bench.path("image/etc")).unwrap();
    bench.write("image/etc/ld.so.preload", "/lib/liblog.so\n");
    // It would lead into this machine.
    std::os::unix::fs::symlink("/etc/passwd", bench.path("image/lib/liblog.so")).unwrap();
    let digest = "0000000000000000000000000000000000000000000000000000000000000000";
    bench.write("hashes.txt", format!("{digest}\nd41d8cd98f00b204e9800998ecf8427e\n"));
    bench.write("ps.txt", "PID GID COMMAND\n7 90 httpsd\n");
    bench.write(
        "crash.log",
        "logdesc=\"Application crashed\" msg=\"application:sslvpnd, Signal 11 received\"\n",
    );
    let ran = check(&["--hashes", "hashes.txt", "--processes", "ps.txt", "--logs", "crash.log"], 0);
    let traces: Vec<(String, String)> = ran
        .json()
        .iter()
        .map(|trace| (trace["id"].as_str().unwrap().to_owned(), trace["level"].as_str().unwrap().to_owned()))
        .collect();
    let mut wanted = [
        ("edge-known-path", "high"),
        ("edge-known-path", "high"),
        ("edge-known-path", "high"),
        ("edge-hidden-directory", "medium"),
        ("edge-late-change", "medium"),
        ("edge-process", "high"),
        ("edge-sslvpnd-crash", "medium"),
    ]
    .map(|(id, level)| (id.to_owned(), level.to_owned()));
    let mut traces = traces;
    traces.retain(|(id, level)| !(id == "edge-late-change" && level == "low"));
    traces.sort();
    wanted.sort();
    assert_eq!(traces, wanted);
    ran.says(&["no SHA-256 and were not compared: 1", "of which 4 of level high or more"]);
    let person = bench.run(&["edge", "check", "image"]).expect(0);
    person.says(&[
        "high",
        "/etc/ld.so.preload",
        "it loads: /lib/liblog.so",
        "do not update or reboot the device",
    ]);
    bench.run(&["edge", "check", "nowhere"]).expect(2);
    fs::create_dir(bench.path("other")).unwrap();
    bench.run(&["edge", "check", "other"]).expect(3).says(&["image-not-recognised"]);
}
