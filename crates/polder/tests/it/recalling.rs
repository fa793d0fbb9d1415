// SPDX-License-Identifier: Apache-2.0
//! An author's acts from the command line: share, narrow, retract, withdraw; and why somebody sees something.

use std::process::{Command, Stdio};

use crate::support::*;

on_both_engines! {
    what_is_withdrawn_is_nowhere,
    a_withdrawn_indicator_is_in_no_detection,
    a_pattern_that_is_withdrawn_while_it_is_hunted_for_is_in_no_detection,
    the_label_of_a_report_does_not_fall_when_an_indicator_is_withdrawn,
    narrowing_holds_against_a_nightly_import,
    a_later_stricter_address_narrows_what_refers_to_it,
    retracting_revokes_by_a_version,
    a_copy_is_shared_no_further_than_it_was_given,
    terms_and_clients_decide_with_the_label,
    red_is_for_named_persons,
}

const ADDRESS: &str = r#"{"type":"ipv4-addr","spec_version":"2.1","id":"ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd","value":"198.51.100.3"}"#;
const SECRET: &str = "kwikstaart-4711-geheim";

fn explain(bench: &Bench, id: &str, member: &str, more: &[&str], code: i32) -> Vec<serde_json::Value> {
    let mut args = vec!["explain", "--data", "d", id, "--for", member, "--json"];
    args.extend(more);
    bench.run(&args).expect(code).json()
}

/// Law 6 on one node: not a byte of the body, the subject or the salts is left in any file, nor in a row of a
/// server's database.
fn what_is_withdrawn_is_nowhere(engine: &Engine) {
    let bench = Bench::on(engine);
    let secret = tool(7, &format!(r#""description":"{SECRET}","#));
    let others: Vec<String> = (100..400).map(|n| tool(n, "")).collect();
    bench.write("a.json", bundle(&[vec![secret], others, vec![ADDRESS.to_owned()]].concat()));
    bench.import("a.json", &["--tlp", "green"], 0);
    assert!(!bench.holding("d", SECRET.as_bytes()).is_empty());
    let told =
        bench.run(&["recall", "--data", "d", &tool_id(7), "--withdraw", "--reason", "wrong plant", "--json"]);
    // A server keeps deleted bytes where no query reaches them: the receipt names the places.
    let (code, remains) = if engine.is_server() { (3, 3) } else { (0, 0) };
    let receipt = told.expect(code).json().remove(0);
    assert_eq!((&receipt["act"], &receipt["records"]), (&"withdraw".into(), &1.into()), "{receipt}");
    assert_eq!(receipt["remains"].as_array().map(Vec::len), Some(remains), "{receipt}");
    assert_eq!(bench.holding("d", SECRET.as_bytes()), Vec::<String>::new());
    // The id of an address is its value: its bytes are gone too.
    let id = "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd";
    bench.run(&["recall", "--data", "d", id, "--withdraw"]).expect(code).says(&["is withdrawn", "Backups"]);
    let uuid =
        [0xff, 0x26, 0xc0, 0x55, 0x63, 0x36, 0x5b, 0xc5, 0xb9, 0x8d, 0x13, 0xd6, 0x22, 0x67, 0x42, 0xdd];
    assert_eq!(bench.holding("d", &uuid), Vec::<String>::new());
    assert_eq!(bench.holding("d", b"198.51.100.3"), Vec::<String>::new());
    // The log still verifies, the object is gone from every exit, and it is not taken again.
    bench.verified("d");
    assert!(!bench.exported("d").contains_key(&tool_id(7)));
    bench.run(&["ledger", "prove", "--data", "d", &tool_id(7)]).expect(1);
    bench.run(&["recall", "--data", "d", &tool_id(7), "--withdraw"]).expect(1).says(&["no object"]);
    let again = bench.import("a.json", &["--tlp", "green"], 3);
    assert_eq!((again["refused"].as_u64(), again["known"].as_u64()), (Some(2), Some(300)), "{again}");
    bench.run(&["import", "--data", "d", "a.json"]).expect(3).says(&["withdrawn"]);
}

/// What its pattern detected says the pattern and its name: it goes with the indicator.
fn a_withdrawn_indicator_is_in_no_detection(engine: &Engine) {
    let bench = Bench::on(engine);
    let indicator = |n: u32, marking: &str| {
        format!(
            r#"{{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-{n:012}","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z","name":"{SECRET}","pattern":"[file:name LIKE 'kwik%.exe']","pattern_type":"stix",{marking}"valid_from":"2024-01-01T00:00:00Z"}}"#
        )
    };
    bench.write("a.json", bundle(&[indicator(1, "")]));
    bench.import("a.json", &["--tlp", "green"], 0);
    bench.write("a.log", "{\"time\":\"2026-03-02T08:00:01Z\",\"filename\":\"kwikstaart.exe\"}\n");
    bench.run(&["hunt", "--data", "d", "--no-packs", "a.log"]).expect(0).says(&[SECRET]);
    let report = ["finding", "report", "--data", "d"];
    bench.run(&report).expect(0).says(&[SECRET]);
    let id = "indicator--00000000-0000-4000-8000-000000000001";
    let code = if engine.is_server() { 3 } else { 0 };
    bench.run(&["recall", "--data", "d", id, "--withdraw", "--reason", "wrong"]).expect(code);
    assert!(!bench.run(&report).expect(1).out.contains(SECRET));
    assert_eq!(bench.holding("d", SECRET.as_bytes()), Vec::<String>::new());
    // What no ledger held stays: nobody can take it back.
    bench.write("b.json", bundle(&[indicator(2, "")]));
    bench.run(&["hunt", "--data", "d", "--no-packs", "--indicators", "b.json", "a.log"]).expect(0);
    bench.write("c.json", bundle(&[tool(8, "")]));
    bench.import("c.json", &["--tlp", "green"], 0);
    bench.run(&["recall", "--data", "d", &tool_id(8), "--withdraw"]).expect(code);
    bench.run(&report).expect(0).says(&[SECRET]);
}

/// A pattern that was withdrawn while a hunt ran was written down when the hunt ended, as one that no ledger held: nothing
/// erased it any more.
fn a_pattern_that_is_withdrawn_while_it_is_hunted_for_is_in_no_detection(engine: &Engine) {
    let bench = Bench::on(engine);
    let id = |n: u32| format!("indicator--00000000-0000-4000-8000-{n:012}");
    let one = |n: u32, name: &str, pattern: &str| {
        format!(
            r#"{{"type":"indicator","spec_version":"2.1","id":"{}","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z","name":"{name}","pattern":"[{pattern}]","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z"}}"#,
            id(n)
        )
    };
    let indicator = |n: u32, name: &str| one(n, name, "file:name LIKE 'kwik%.exe'");
    let address = |n: u32, name: &str| one(n, name, &format!("ipv4-addr:value = '203.0.113.{n}'"));
    bench.write("a.json", bundle(&[indicator(1, SECRET), indicator(2, "that stays"), address(4, SECRET)]));
    bench.import("a.json", &["--tlp", "green"], 0);
    bench.write("b.json", bundle(&[indicator(3, "of a file"), address(5, "named by a file")]));
    bench.write(
        "a.log",
        "{\"time\":\"2026-03-02T08:00:01Z\",\"filename\":\"kwikstaart.exe\",\"to\":\"203.0.113.4 203.0.113.5\"}\n",
    );
    let pipe = bench.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let hunt = ["hunt", "--data", "d", "--no-packs", "--indicators", "b.json", "--format", "json"];
    let args = [&hunt[..], &["--threads", "1", "a.log", "pipe"]].concat();
    let mut command = bench.command(&args);
    let hunting = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It is opened when the first log was hunted in.
    let to = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let code = if engine.is_server() { 3 } else { 0 };
    for n in [1, 4] {
        bench.run(&["recall", "--data", "d", &id(n), "--withdraw", "--reason", "wrong"]).expect(code);
    }
    drop(to);
    let ran = Ran::of(hunting.wait_with_output().unwrap());
    assert!(ran.err.contains("1 detection by patterns that were withdrawn"), "{}", ran.err);
    let report = bench.run(&["finding", "report", "--data", "d", "--format", "json"]);
    for told in [&ran, &report] {
        assert!(!told.out.contains(SECRET) && !told.out.contains(&id(1)), "{}", told.out);
        assert!(told.out.contains(&id(2)) && told.out.contains(&id(3)), "{}", told.out);
    }
    // Findings stay, as their lines are one's own; what the ledger said of their indicators does not.
    assert_eq!(ran.findings().len(), 2, "{}", ran.out);
    assert!(ran.out.contains(&id(4)) && ran.out.contains("named by a file"), "{}", ran.out);
    assert_eq!(bench.holding("d", SECRET.as_bytes()), Vec::<String>::new());
    // What came from the ledger and is held still can be withdrawn, and what came from a file cannot.
    bench.run(&["recall", "--data", "d", &id(2), "--withdraw", "--reason", "wrong"]).expect(code);
    let report = bench.run(&["finding", "report", "--data", "d", "--format", "json"]);
    assert!(!report.out.contains(&id(2)) && report.out.contains(&id(3)), "{}", report.out);
}

/// Of what was for named persons nothing is known once it is withdrawn: the label of the report fell.
fn the_label_of_a_report_does_not_fall_when_an_indicator_is_withdrawn(engine: &Engine) {
    let bench = Bench::on(engine);
    let id = "indicator--00000000-0000-4000-8000-000000000001";
    let indicator = format!(
        r#"{{"type":"indicator","spec_version":"2.1","id":"{id}","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z","object_marking_refs":["{}"],"pattern":"[ipv4-addr:value = '203.0.113.7']","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z"}}"#,
        tlp("red")
    );
    bench.write("a.json", bundle(&[indicator]));
    bench.import("a.json", &[], 0);
    bench.write("a.log", "2026-03-01T10:00:00Z in 203.0.113.7\n");
    let label = |args: &[&str]| {
        let args = [args, &["--data", "d", "--format", "json"]].concat();
        bench.run(&args).expect(0).json()[0]["label"].clone()
    };
    assert_eq!(label(&["hunt", "--no-packs", "a.log"]), "TLP:RED");
    assert_eq!(label(&["finding", "report"]), "TLP:RED");
    let code = if engine.is_server() { 3 } else { 0 };
    bench.run(&["recall", "--data", "d", id, "--withdraw", "--reason", "wrong"]).expect(code);
    assert_eq!(label(&["finding", "report"]), "TLP:RED");
}

/// A repeated import narrows where it is stricter, and loosens nothing that was narrowed.
fn narrowing_holds_against_a_nightly_import(engine: &Engine) {
    let bench = Bench::on(engine);
    let other = bench.init("e");
    let ring = bench.community("ring");
    bench.run(&["community", "add", "--data", "d", &ring, &other]).expect(0);
    bench.write("a.json", bundle(&[tool(1, "")]));
    let nightly = ["--tlp", "green", "--community", &ring];
    bench.import("a.json", &nightly, 0);
    assert_eq!(
        explain(&bench, &tool_id(1), &other, &[], 0)[0]["why"],
        "it is in the community that the record is for"
    );
    let narrow = ["recall", "--data", "d", &tool_id(1), "--narrow", "amber+strict", "--own-only", "--json"];
    bench.run(&narrow).expect(0);
    let row = explain(&bench, &tool_id(1), &other, &["--max-tlp", "amber+strict"], 1).remove(0);
    assert_eq!((row["narrowed"].as_bool(), row["released"].as_bool()), (Some(true), Some(false)), "{row}");
    assert_eq!(bench.import("a.json", &["--tlp", "green"], 0)["known"].as_u64(), Some(1));
    explain(&bench, &tool_id(1), &other, &["--max-tlp", "amber+strict"], 1);
    bench.verified("d");
    // Stricter by import: narrowed at once.
    bench.write("b.json", bundle(&[tool(2, "")]));
    bench.import("b.json", &nightly, 0);
    explain(&bench, &tool_id(2), &other, &[], 0);
    bench.import("b.json", &["--tlp", "amber", "--community", &ring], 0);
    explain(&bench, &tool_id(2), &other, &[], 1);
    // And sharing is an act of its own.
    bench.run(&["share", "--data", "d", &tool_id(1), "--community", &ring, "--tlp", "green"]).expect(0);
    explain(&bench, &tool_id(1), &other, &[], 0);
    bench.verified("d");
}

/// An address that comes later under a stricter marking takes what refers to it along.
fn a_later_stricter_address_narrows_what_refers_to_it(engine: &Engine) {
    let bench = Bench::on(engine);
    let seen = r#"{"type":"observed-data","spec_version":"2.1","id":"observed-data--00000000-0000-4000-8000-000000000001","created":"2024-01-01T00:00:00Z","modified":"2024-01-01T00:00:00Z","first_observed":"2024-01-01T00:00:00Z","last_observed":"2024-01-01T00:00:00Z","number_observed":1,"object_refs":["ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd"]}"#;
    bench.write("a.json", bundle(&[seen.to_owned()]));
    bench.import("a.json", &["--tlp", "green"], 0);
    let id = "observed-data--00000000-0000-4000-8000-000000000001";
    assert_eq!(bench.exported("d")[id], "TLP:GREEN");
    bench.write("b.json", bundle(&[ADDRESS.to_owned()]));
    bench.import("b.json", &["--tlp", "amber"], 0);
    assert_eq!(bench.exported("d")[id], "TLP:AMBER");
    let address = "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd";
    bench.run(&["recall", "--data", "d", address, "--narrow", "amber+strict"]).expect(0);
    assert_eq!(bench.exported("d")[id], "TLP:AMBER+STRICT");
    bench.verified("d");
}

fn retracting_revokes_by_a_version(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.json", bundle(&[tool(1, ""), ADDRESS.to_owned()]));
    bench.import("a.json", &["--tlp", "green"], 0);
    bench.run(&["recall", "--data", "d", &tool_id(1), "--retract"]).expect(0).says(&["is revoked"]);
    let out = bench.run(&["export", "--data", "d", "--format", "stix"]).expect(0).out;
    assert!(out.contains(r#""revoked":true"#), "{out}");
    bench.run(&["recall", "--data", "d", &tool_id(1), "--retract"]).expect(1).says(&["revoked"]);
    let address = "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd";
    bench.run(&["recall", "--data", "d", address, "--retract"]).expect(2).says(&["no versions", "withdraw"]);
    bench.run(&["recall", "--data", "d", &tool_id(9), "--withdraw"]).expect(1).says(&["no object"]);
    bench.run(&["recall", "--data", "d", &tool_id(1)]).expect(2);
    bench.run(&["recall", "--data", "d", &tool_id(1), "--withdraw", "--retract"]).expect(2);
}

/// What another member gave goes no further by being one's own copy.
fn a_copy_is_shared_no_further_than_it_was_given(engine: &Engine) {
    let bench = Bench::on(engine);
    let author = bench.init("e");
    let (ring, other) = (bench.community("ring"), bench.community("ring"));
    bench.run(&["community", "add", "--data", "d", &ring, &author]).expect(0);
    let token = bench.token("d", "a", &["--member", &author, "--write"]);
    let serving = bench.serve("d");
    // CLEAR by its bytes, AMBER by what stands beside them.
    let amber = format!(
        r#"{{"x_polder_markings":[{{"marking":"TLP:AMBER","marking_ref":"{}","first":0,"last":0}}],"objects":[{}]}}"#,
        tlp("amber"),
        marked(1, "clear")
    );
    let path = format!("/taxii2/root/collections/{ring}/objects/");
    let (code, status) = serving.post(&path, &token, &amber);
    assert_eq!((code, &status["success_count"]), (202, &1.into()), "{status}");
    drop(serving);
    bench.write("a.json", bundle(&[marked(1, "clear")]));
    bench.import("a.json", &[], 0);
    let share = |to: &str, code| {
        let args = ["share", "--data", "d", &tool_id(1), "--community", to, "--tlp", "clear", "--json"];
        bench.run(&args).expect(code)
    };
    share(&other, 2).says(&["another member shared this object", "ask its author"]);
    let row = share(&ring, 0).json().remove(0);
    assert_eq!(row["marking"], "TLP:AMBER", "not looser than it was given");
}

/// Terms are accepted before anything is released; who is whose client counts for AMBER.
fn terms_and_clients_decide_with_the_label(engine: &Engine) {
    let bench = Bench::on(engine);
    let (partner, client) = (bench.init("e"), bench.init("f"));
    let ring = bench.community("ring");
    bench.run(&["community", "add", "--data", "d", &ring, &partner]).expect(0);
    for (n, label) in [(1, "green"), (2, "amber"), (3, "amber+strict")] {
        bench.write("a.json", bundle(&[tool(n, "")]));
        bench.import("a.json", &["--tlp", label, "--community", &ring], 0);
    }
    let strict = ["--max-tlp", "amber+strict"];
    (1..4).for_each(|n| drop(explain(&bench, &tool_id(n), &partner, &strict, 0)));
    bench.write("terms.txt", "For defence alone.");
    let terms = ["community", "terms", "--data", "d", &ring, "--text", "terms.txt", "--retention-days", "90"];
    bench.run(&terms).expect(0).says(&["new terms", "accept"]);
    bench.run(&terms).expect(2).says(&["present terms"]);
    let row = explain(&bench, &tool_id(1), &partner, &strict, 1).remove(0);
    assert_eq!(row["why"], "the reader has not accepted the present terms of the community");
    bench
        .run(&["community", "accept", "--data", "d", &ring, "--for", &partner])
        .expect(2)
        .says(&["--evidence"]);
    let accept = ["community", "accept", "--data", "d", &ring, "--for", &partner, "--evidence", "letter 12"];
    let show =
        || bench.run(&["community", "show", "--data", "d", &ring, "--json"]).expect(0).json().remove(0);
    let of_partner = |shown: &serde_json::Value| {
        let members = shown["members"].as_array().unwrap().clone();
        members.into_iter().find(|member| member["member"] == *partner).unwrap()
    };
    let before = show();
    assert_eq!((before["terms"]["version"].as_u64(), &before["name"]), (Some(2), &"ring".into()), "{before}");
    assert_eq!(before["terms"]["text"], "For defence alone.");
    assert_eq!(before["terms"]["conditions"]["retention_days"], 90);
    assert_eq!(
        (&of_partner(&before)["reads"], &of_partner(&before)["accepted"]),
        (&false.into(), &().into())
    );
    bench.run(&accept).expect(0);
    let after = of_partner(&show());
    assert_eq!((&after["reads"], &after["evidence"]), (&true.into(), &"letter 12".into()), "{after}");
    assert_eq!(after["accepted_by"], before["author"]);
    let told = ["For defence alone.", "after 90 days", "wrote the terms", "letter 12", "version 2"];
    bench.run(&["community", "show", "--data", "d", &ring]).expect(0).says(&told);
    explain(&bench, &tool_id(1), &partner, &strict, 0);
    // A client of the own organisation sees AMBER and GREEN, not AMBER+STRICT.
    (1..4).for_each(|n| drop(explain(&bench, &tool_id(n), &client, &strict, 1)));
    bench.run(&["client", "add", "--data", "d", &client]).expect(0);
    for (n, code) in [(1, 0), (2, 0), (3, 1)] {
        explain(&bench, &tool_id(n), &client, &strict, code);
    }
    assert_eq!(bench.run(&["client", "list", "--data", "d"]).expect(0).out.trim(), client);
    bench.run(&["client", "remove", "--data", "d", &client]).expect(0);
    explain(&bench, &tool_id(1), &client, &strict, 1);
    bench.run(&["community", "remove", "--data", "d", &ring, &partner]).expect(0);
    explain(&bench, &tool_id(1), &partner, &strict, 1);
}

/// RED goes to the persons that it names, and to nobody else of their organisation.
fn red_is_for_named_persons(engine: &Engine) {
    let bench = Bench::on(engine);
    let partner = bench.init("e");
    bench.write("a.json", bundle(&[tool(1, "")]));
    let jo = format!("{partner}/jo");
    bench.import("a.json", &["--tlp", "red", "--to-person", &jo], 0);
    explain(&bench, &tool_id(1), &partner, &["--person", "jo"], 0);
    explain(&bench, &tool_id(1), &partner, &["--person", "al"], 1);
    explain(&bench, &tool_id(1), &partner, &["--max-tlp", "red"], 1);
    let token = ["token", "new", "--data", "d", "--name", "x", "--member", &partner, "--max-tlp", "red"];
    bench.run(&token).expect(2).says(&["--person"]);
    bench.run(&[&token[..], &["--person", "jo"]].concat()).expect(0);
    bench.run(&["import", "--data", "d", "a.json", "--to-person", "jo"]).expect(2).says(&["MEMBER/name"]);
    // Several organisations by name.
    bench.write("b.json", bundle(&[tool(2, "")]));
    let other = "ab".repeat(32);
    bench.import("b.json", &["--tlp", "amber", "--to-member", &partner, "--to-member", &other], 0);
    explain(&bench, &tool_id(2), &partner, &["--max-tlp", "amber"], 0);
    explain(&bench, &tool_id(2), &"cd".repeat(32), &["--max-tlp", "amber"], 1);
}
