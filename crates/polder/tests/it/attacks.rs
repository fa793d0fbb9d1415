// SPDX-License-Identifier: Apache-2.0
//! Ways round the gate, and ways to lose data, that reviews found: each shut, and kept shut.

use serde_json::Value;

use crate::support::*;

on_both_engines! {
    a_nested_bundle_hides_no_marking,
    a_list_of_markings_never_goes_unread,
    a_statement_that_says_tlp_is_no_statement,
    an_address_at_the_end_of_a_long_file_still_restricts,
    a_stricter_import_says_that_it_narrows,
    a_rotated_log_erases_nothing,
    a_lost_side_file_is_told,
    a_sighting_is_made_once,
    a_proof_says_what_its_body_says,
    a_directory_that_was_open_to_others_is_closed,
    text_from_outside_moves_no_cursor,
    a_closed_pipe_is_no_fault,
}

fn codes(report: &Value) -> Vec<&str> {
    report["diagnostics"].as_array().unwrap().iter().map(|d| d["code"].as_str().unwrap()).collect()
}

/// What a bundle inside of something else holds would be stored unread, under the label of its wrapping.
fn a_nested_bundle_hides_no_marking(engine: &Engine) {
    let bench = Bench::on(engine);
    let inner = bundle(&[marked(1, "red")]);
    for (name, text) in [
        ("array.json", format!("[{inner}]")),
        ("inside.json", bundle(std::slice::from_ref(&inner))),
        ("escaped.json", inner.replace("\"objects\"", "\"ob\\u006aects\"")),
    ] {
        bench.write(name, text);
        let report = bench.import(name, &["--tlp", "clear"], 3);
        assert_eq!((report["added"].as_u64(), codes(&report)), (Some(0), vec!["nested-bundle"]), "{name}");
    }
}

/// A list of markings that is too large, too deep, or counts in another document restricts everything.
fn a_list_of_markings_never_goes_unread(engine: &Engine) {
    let list = r#"[{"marking":"TLP:CLEAR","first":0,"last":5}]"#;
    let wrapped = |list: &str, n: u64| {
        format!(r#"{{"type":"bundle","x_polder_markings":{list},"objects":[{}]}}"#, marked(n, "green"))
    };
    let large = format!("[{}]", " ".repeat(17 << 20));
    let deep = format!("{}{}", "[".repeat(80), "]".repeat(80));
    for (nth, text) in [
        wrapped(&large, 1),
        wrapped(&deep, 1),
        format!("{}\n{}", bundle(&[tool(2, "")]), wrapped(list, 1)),
        format!("{}\n{}", tool(2, &format!(r#""x_polder_markings":{list},"#)), marked(1, "green")),
    ]
    .into_iter()
    .enumerate()
    {
        let bench = Bench::on(engine);
        bench.write("a.json", text);
        let report = bench.import("a.json", &["--tlp", "clear"], 0);
        assert!(codes(&report).contains(&"markings-unreadable"), "{nth}: {report}");
        assert_eq!(bench.exported("d")[&tool_id(1)], "TLP:GREEN unknown", "{nth}");
    }
}

/// Labels that some tools write into properties of their own, or into a statement.
fn a_statement_that_says_tlp_is_no_statement(engine: &Engine) {
    for (said, expected) in [
        (r#""definition":{"statement":"x"},"x_opencti_definition":"TLP:AMBER+STRICT""#, "TLP:AMBER+STRICT"),
        (r#""definition":{"statement":"TLP:AMBER"}"#, "TLP:AMBER"),
        (r#""definition":{"statement":"x"},"x_own":{"level":"pap:red"}"#, "TLP:CLEAR PAP:RED"),
        (
            r#""definition":{"statement":"Copyright, see TLP:RED in the annex of the long agreement"}"#,
            "TLP:CLEAR",
        ),
    ] {
        let bench = Bench::on(engine);
        let id = "marking-definition--11111111-1111-4111-8111-111111111111";
        let definition = format!(
            r#"{{"type":"marking-definition","spec_version":"2.1","id":"{id}","created":"2024-01-01T00:00:00Z","definition_type":"statement",{said}}}"#
        );
        bench.write("a.json", bundle(&[tool(1, &format!(r#""object_marking_refs":["{id}"],"#)), definition]));
        bench.import("a.json", &["--tlp", "clear"], 0);
        assert_eq!(bench.exported("d")[&tool_id(1)], expected, "{said}");
    }
}

/// Law 1 does not depend on how far an address stands from what refers to it.
fn an_address_at_the_end_of_a_long_file_still_restricts(engine: &Engine) {
    let bench = Bench::on(engine);
    let address = "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd";
    let upper = "ipv4-addr--FF26C055-6336-5BC5-B98D-13D6226742DD";
    let mut objects = vec![
        tool(1, &format!(r#""object_marking_refs":["{}"],"x_seen_ref":"{address}","#, tlp("clear"))),
        tool(2, &format!(r#""object_marking_refs":["{}"],"x_seen_ref":"{upper}","#, tlp("clear"))),
    ];
    objects.extend((10..6_010).map(|n| marked(n, "clear")));
    objects.push(format!(
        r#"{{"type":"ipv4-addr","spec_version":"2.1","id":"{address}","value":"198.51.100.3","object_marking_refs":["{}"]}}"#,
        tlp("amber")
    ));
    bench.write("a.json", bundle(&objects));
    bench.import("a.json", &[], 0);
    let exported = bench.exported("d");
    assert_eq!(exported[&tool_id(1)], "TLP:AMBER");
    assert_eq!(exported[&tool_id(2)], "TLP:AMBER", "upper case is the same address");
    assert_eq!(exported[&tool_id(10)], "TLP:CLEAR");
    bench.write("b.json", format!(r#"{{"type":"ipv4-addr","id":"{upper}","value":"198.51.100.3"}}"#));
    assert_eq!(codes(&bench.import("b.json", &[], 3)), ["bad-id"], "one spelling for one id");
}

fn a_stricter_import_says_that_it_narrows(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.json", bundle(&[tool(1, "")]));
    bench.import("a.json", &["--tlp", "clear"], 0);
    assert_eq!(codes(&bench.import("a.json", &["--tlp", "amber"], 0)), ["marking-narrowed"]);
}

/// A log that is rotated keeps its name: what was found in the one before stays found.
fn a_rotated_log_erases_nothing(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("list.txt", "203.0.113.7\n");
    bench.run(&["import", "--data", "d", "list.txt", "--format", "text"]).expect(0);
    let count = || {
        let seen = bench.run(&["seen", "--data", "d", "203.0.113.7", "--json"]).expect(0).json().remove(0);
        let found = bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json().len();
        (seen["count"].as_u64().unwrap(), found)
    };
    bench.write("app.log", "day one 203.0.113.7\n");
    bench.run(&["hunt", "--data", "d", "app.log"]).expect(0);
    bench.write("app.log", "day two is quiet\nand longer than day one was\n");
    bench.run(&["hunt", "--data", "d", "app.log"]).expect(1);
    assert_eq!(count(), (1, 1));
    bench.write("app.log", "day two is quiet\nand longer than day one was\nuntil 203.0.113.7 came\n");
    bench.run(&["hunt", "--data", "d", "./app.log"]).expect(0);
    assert_eq!(count(), (2, 2), "grown, under another spelling of its name: counted once");
}

#[test]
fn one_log_that_cannot_be_read_stops_no_other() {
    let bench = Bench::bare();
    bench.write("list.txt", "203.0.113.7\n");
    bench.write("z.log", "203.0.113.7\n");
    let ran = bench.run(&["hunt", "--indicators", "list.txt", "absent.log", "z.log", "--json"]).expect(3);
    assert_eq!(ran.findings().len(), 1);
    ran.says(&["absent.log"]);
}

/// Without the side file a rolled-back database could not be told from the newest.
fn a_lost_side_file_is_told(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.json", bundle(&[tool(1, "")]));
    bench.import("a.json", &[], 0);
    std::fs::remove_file(bench.path("d/published")).unwrap();
    bench.run(&["import", "--data", "d", "a.json"]).expect(6).says(&["published", "polder ledger publish"]);
    bench.run(&["ledger", "publish", "--data", "d"]).expect(0).says(&["size 2"]);
    bench.import("a.json", &[], 0);
}

fn a_sighting_is_made_once(engine: &Engine) {
    let bench = Bench::on(engine);
    let (bundle, logs) = (examples().join("bundle.json"), examples().join("logs"));
    bench.import(bundle.to_str().unwrap(), &[], 0);
    bench.run(&["hunt", "--data", "d", logs.to_str().unwrap()]).expect(0);
    let indicator = "indicator--9f0e7a52-1c9d-4b67-9d0b-2b8f0f6f1a01";
    let sight =
        || bench.run(&["finding", "sight", "--data", "d", indicator, "--json"]).expect(0).json().remove(0);
    let (first, again) = (sight(), sight());
    assert_eq!(first["sighting"], again["sighting"]);
    assert_eq!(again["added"].as_u64(), Some(0));
}

/// Whoever makes a proof writes its subject: it is what the body says, and cannot forge a line.
fn a_proof_says_what_its_body_says(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.json", bundle(&[marked(1, "green")]));
    bench.import("a.json", &[], 0);
    let proof = bench.run(&["ledger", "prove", "--data", "d", &tool_id(1)]).expect(0).out;
    for id in [format!("{}\nsigned by somebody", tool_id(1)), tool_id(2)] {
        let mut changed: Value = serde_json::from_str(&proof).unwrap();
        changed["envelope"]["id"] = id.into();
        bench.write("p", changed.to_string());
        let ran = bench.run(&["ledger", "check", "p"]).expect(1);
        assert!(!ran.out.contains("signed by somebody"));
    }
}

fn a_directory_that_was_open_to_others_is_closed(engine: &Engine) {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::bare_on(engine);
    std::fs::create_dir_all(bench.path("d/keys")).unwrap();
    for name in ["d", "d/keys"] {
        std::fs::set_permissions(bench.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    bench.init("d");
    let records = if engine.is_server() { "d/postgres" } else { "d/polder.db" };
    for name in ["d", "d/keys", records, "d/published"] {
        let mode = std::fs::metadata(bench.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} is open to others");
    }
}

fn text_from_outside_moves_no_cursor(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.json", r#"{"type":"tool","id":"\u001b[2Jx\nread 1, added 1"}"#);
    let ran = bench.run(&["import", "--data", "d", "a.json"]).expect(3);
    assert!(!ran.err.contains('\u{1b}') && ran.err.lines().count() == 1, "{:?}", ran.err);
}

/// A reader that goes away ends the talking, not the work, and is no fault.
fn a_closed_pipe_is_no_fault(engine: &Engine) {
    use std::process::Stdio;
    let bench = Bench::on(engine);
    let logs = examples().join("logs");
    for args in
        [&["hunt", "--data", "d", logs.to_str().unwrap()][..], &["seen", "--data", "d", "203.0.113.7"]]
    {
        let mut child = bench.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert!([0, 1].contains(&ran.code) && !ran.err.contains("panicked"), "{}: {}", ran.code, ran.err);
    }
    let seen = bench.run(&["seen", "--data", "d", "203.0.113.7", "--json"]).expect(0).json().remove(0);
    assert_eq!(seen["coverage"]["files"].as_u64(), Some(4), "all files were read all the same");
}
