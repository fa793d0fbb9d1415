// SPDX-License-Identifier: Apache-2.0
//! Import and export: numbers that add up, markings that travel, nothing that loosens.

use crate::support::*;

on_both_engines! {
    the_strictest_marking_wins,
    effective_markings_survive_the_way_to_another_node,
    an_export_is_what_came_in_byte_for_byte,
    versions_and_stix_2_0,
    stdin_and_archives,
    tokens_are_shown_once_and_never_red,
    communities,
    roles_of_a_community,
    terms_are_not_taken_away_by_saying_nothing,
    an_import_stands_back_while_the_directory_is_served,
    an_indicator_of_a_list_does_not_tell_where_the_list_lay,
}

#[test]
fn attack_is_read_whole_and_known_again() {
    let Some(shared) = shared("attack_is_read_whole_and_known_again") else { return };
    let file = shared.join("data/attack/enterprise-attack-18.1.json.zst");
    let (bench, file) = (Bench::new(), file.to_str().unwrap());
    let args = ["import", "--data", "d", file, "--tlp", "clear"];
    bench.run(&args).expect(0).says(&["read 24771, added 24771, known 0, refused 0"]);
    bench.run(&args).expect(0).says(&["read 24771, added 0, known 24771, refused 0"]);
    assert_eq!(bench.verified("d"), 24_772);
    assert!(bench.exported("d").values().all(|marking| marking == "TLP:CLEAR"));
}

/// `--tlp` marks the envelope and never loosens.
fn the_strictest_marking_wins(engine: &Engine) {
    let bench = Bench::on(engine);
    let labels = ["clear", "green", "amber", "amber+strict"];
    for (row, envelope) in [None, Some("clear"), Some("green"), Some("amber")].into_iter().enumerate() {
        let base = row as u64 * 10;
        let mut objects: Vec<String> = (0..4).map(|n| marked(base + n, labels[n as usize])).collect();
        objects.push(tool(base + 4, ""));
        bench.write("a.json", bundle(&objects));
        let more: Vec<&str> = envelope.map_or(vec![], |label| vec!["--tlp", label]);
        bench.import("a.json", &more, 0);
        let exported = bench.exported("d");
        let rank = |label: &str| labels.iter().position(|l| *l == label).unwrap();
        for n in 0..5u64 {
            let own = labels.get(n as usize).copied();
            let expected = match (own, envelope) {
                (Some(own), Some(envelope)) if rank(envelope) > rank(own) => envelope,
                (Some(own), _) => own,
                (None, Some(envelope)) => envelope,
                (None, None) => "amber+strict",
            };
            let got = &exported[&tool_id(base + n)];
            assert_eq!(*got, format!("TLP:{}", expected.to_uppercase()), "{own:?} under {envelope:?}");
        }
    }
    // Again under a looser label: known, and as strict as before.
    bench.write("a.json", bundle(&[tool(4, "")]));
    assert_eq!(bench.import("a.json", &["--tlp", "clear"], 0)["known"].as_u64(), Some(1));
    assert_eq!(bench.exported("d")[&tool_id(4)], "TLP:AMBER+STRICT");
}

/// What one node exports the next reads with the markings that it had, wherever they stood.
fn effective_markings_survive_the_way_to_another_node(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.json", bundle(&[tool(1, ""), marked(2, "green"), tool(3, ""), marked(4, "red")]));
    bench.write("b.json", bundle(&[tool(5, "")]));
    bench.import("a.json", &["--tlp", "amber"], 0);
    bench.import("b.json", &["--tlp", "green"], 0);
    let out = bench.run(&["export", "--data", "d", "--format", "stix"]).expect(0).out;
    assert!(!out.contains(&tool_id(4)), "RED leaves in no file");
    bench.write("out.json", &out);
    bench.init("e");
    bench.run(&["import", "--data", "e", "out.json", "--tlp", "clear"]).expect(0);
    assert_eq!(bench.exported("e"), bench.exported("d"), "--tlp clear loosens nothing");
    // The list behind the objects, and a list that cannot be read.
    let mut value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let runs = value.as_object_mut().unwrap().remove("x_polder_markings").unwrap();
    let text = value.to_string();
    let text = text.trim_end().trim_end_matches('}');
    bench.write("behind.json", format!(r#"{text},"x_polder_markings":{runs}}}"#));
    bench.init("f");
    bench.run(&["import", "--data", "f", "behind.json", "--tlp", "clear"]).expect(0);
    assert_eq!(bench.exported("f"), bench.exported("d"));
    bench.write("broken.json", format!(r#"{text},"x_polder_markings":[{{"first":3}}]}}"#));
    bench.init("g");
    bench
        .run(&["import", "--data", "g", "broken.json", "--tlp", "clear"])
        .expect(0)
        .says(&["markings-unreadable"]);
    assert!(
        bench.exported("g").values().all(|marking| marking.ends_with("unknown")),
        "{:?}",
        bench.exported("g")
    );
}

fn an_export_is_what_came_in_byte_for_byte(engine: &Engine) {
    let bench = Bench::on(engine);
    let odd = tool(1, "\"x_n\" : 1.0e2, \"x_u\":\"\\u00e9\\/\", ");
    bench.write("a.json", bundle(std::slice::from_ref(&odd)));
    bench.import("a.json", &[], 0);
    let out = bench.run(&["export", "--data", "d", "--format", "stix"]).expect(0).out;
    assert!(out.contains(&odd));
    assert!(
        !bench
            .run(&["export", "--data", "d", "--format", "stix", "--max-tlp", "green"])
            .expect(0)
            .out
            .contains("objects")
    );
}

/// The newest version leaves, and STIX 2.0 only as 2.1 that says so.
fn versions_and_stix_2_0(engine: &Engine) {
    let bench = Bench::on(engine);
    let newer = tool(1, "").replace("2024-01-02", "2024-06-01").replace("tool 1", "newer");
    bench.write("a.json", bundle(&[newer, tool(1, "")]));
    bench.import("a.json", &[], 0);
    let old = r#"{"type":"malware","id":"malware--00000000-0000-4000-8000-000000000009","created":"2017-01-01T00:00:00.000Z","modified":"2017-01-01T00:00:00.000Z","name":"old","labels":["trojan"]}"#;
    bench.write("b.json", format!(r#"{{"type":"bundle","spec_version":"2.0","objects":[{old}]}}"#));
    bench.import("b.json", &[], 0);
    let out = bench.run(&["export", "--data", "d", "--format", "stix"]).expect(0).out;
    let out: serde_json::Value = serde_json::from_str(&out).unwrap();
    let objects = out["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0]["name"], "newer");
    assert_eq!(
        (&objects[1]["x_polder_converted_from"], &objects[1]["spec_version"]),
        (&"2.0".into(), &"2.1".into())
    );
    assert_eq!(objects[1]["malware_types"][0], "trojan");
}

fn stdin_and_archives(engine: &Engine) {
    use std::io::Write as _;
    use std::process::Stdio;
    let bench = Bench::on(engine);
    let text = bundle(&[tool(1, ""), tool(2, "")]);
    let mut child = bench
        .command(&["import", "--data", "d", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    Ran::of(child.wait_with_output().unwrap()).expect(0).says(&["stdin: read 2, added 2"]);
    bench.write("a.zst", zstd::encode_all(text.as_bytes(), 3).unwrap());
    assert_eq!(bench.import("a.zst", &[], 0)["known"].as_u64(), Some(2));
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    bench.write("a.json", gz.finish().unwrap());
    assert_eq!(bench.import("a.json", &[], 0)["known"].as_u64(), Some(2), "found by content, not by name");
    assert_eq!(bench.import("a.zst", &["--tlp", "green"], 0)["known"].as_u64(), Some(2));
}

fn tokens_are_shown_once_and_never_red(engine: &Engine) {
    let bench = Bench::on(engine);
    let token =
        bench.run(&["token", "new", "--data", "d", "--name", "siem", "--max-tlp", "amber"]).expect(0).out;
    assert!(token.starts_with("polder_"));
    // `polder_<id>_<secret>`, and a secret may hold the sign too.
    let secret = token.trim().splitn(3, '_').nth(2).unwrap();
    assert_eq!(bench.holding("d", secret.as_bytes()), Vec::<String>::new(), "the secret is kept");
    bench.run(&["token", "new", "--data", "d", "--name", "siem"]).expect(2);
    bench.run(&["token", "new", "--data", "d", "--name", "x", "--max-tlp", "red"]).expect(2).says(&["RED"]);
    bench.run(&["token", "list", "--data", "d"]).expect(0).says(&["siem", "TLP:AMBER"]);
    bench.run(&["token", "revoke", "--data", "d", "--name", "siem"]).expect(0);
    bench.run(&["token", "revoke", "--data", "d", "--name", "siem"]).expect(1);
}

fn communities(engine: &Engine) {
    let bench = Bench::on(engine);
    let other = Bench::bare().init("d");
    let community = bench.community("Ring");
    bench.run(&["community", "add", "--data", "d", &community, &other]).expect(0);
    bench.run(&["community", "add", "--data", "d", &community, &other]).expect(2).says(&["already"]);
    bench.run(&["community", "list", "--data", "d"]).expect(0).says(&["Ring", &other]);
    bench.write("a.json", bundle(&[marked(1, "green")]));
    bench.import("a.json", &[], 0);
    let report = bench.import("a.json", &["--community", &community], 0);
    assert_eq!(report["added"].as_u64(), Some(1), "for other recipients it is a record of its own");
    assert_eq!(bench.import("a.json", &["--community", &community], 0)["known"].as_u64(), Some(1));
    let stranger = "00000000-0000-4000-8000-000000000000";
    bench
        .run(&["import", "--data", "d", "a.json", "--community", stranger])
        .expect(2)
        .says(&["community list"]);
}

/// The README's first command.
#[test]
fn the_tour() {
    let bench = Bench::bare();
    let ran = bench.run(&["tour"]).expect(0);
    for word in ["member ", "added 7", "objects:", "findings found", "verified:", "proved:", "NOT proved"] {
        assert!(ran.out.contains(word), "`{word}` is not shown:\n{}\n{}", ran.out, ran.err);
    }
    assert!(!ran.out.contains("Which person first"), "RED was shown to a token");
    assert!(!ran.out.contains("Nobody marked this note"), "the unmarked was shown to an AMBER token");
    assert_eq!(std::fs::read_dir(bench.dir.path()).unwrap().count(), 0, "it cleans up");
}

/// A steward of the operator's own community, and an observer, by the command line.
fn roles_of_a_community(engine: &Engine) {
    let bench = Bench::on(engine);
    let other = Bench::bare().init("d");
    let community = &*bench.community("Ring");
    bench.run(&["community", "add", "--data", "d", community, &other]).expect(0);
    let role = |role: &str, code| {
        bench.run(&["community", "role", "--data", "d", community, &other, role]).expect(code)
    };
    role("observer", 0).says(&["observer"]);
    role("observer", 2).says(&["already"]);
    role("king", 2).says(&["contributor, observer, steward"]);
    let listed = bench.run(&["community", "list", "--data", "d", "--json"]).expect(0).json();
    assert_eq!(listed[0]["roles"][&other], "observer");
    bench.write("a.json", bundle(&[marked(1, "green"), marked(2, "green")]));
    bench.import("a.json", &["--community", community], 0);
    let remove = |id: &str, code| {
        let args = ["community", "remove-object", "--data", "d", community, id, "--reason", "not ours"];
        bench.run(&args).expect(code)
    };
    remove(&tool_id(1), 0).says(&["no longer"]);
    remove("tool--00000000-0000-4000-8000-000000000009", 1);
    let report = bench.import("a.json", &["--community", community], 3);
    assert_eq!((report["known"].as_u64(), report["refused"].as_u64()), (Some(1), Some(1)));
    assert_eq!(report["diagnostics"][0]["code"], "removed-by-steward");
    assert_eq!(bench.verified("d"), 7);
}

/// The bare command opened the community to who had accepted nothing.
fn terms_are_not_taken_away_by_saying_nothing(engine: &Engine) {
    let bench = Bench::on(engine);
    let community = &*bench.community("Ring");
    let show = || bench.run(&["community", "show", "--data", "d", community]);
    show().expect(0).says(&["no terms"]);
    bench.write("terms", "use it well\n\u{1b}[2Jand quietly");
    bench.write("empty", "\n");
    let terms = |more: &[&str], code| {
        bench.run(&[&["community", "terms", "--data", "d", community], more].concat()).expect(code)
    };
    terms(&["--text", "terms"], 0).says(&["--for MEMBER"]);
    let shown = show().expect(0).says(&["  | use it well", "  | \\u{1b}[2Jand quietly"]);
    assert!(!shown.out.contains('\u{1b}'), "text from outside moves no cursor");
    terms(&[], 2).says(&["--none"]);
    terms(&["--text", "empty"], 2).says(&["--none"]);
    terms(&["--none"], 0).says(&["without accepting"]);
}

/// The name of a file may be that of a victim.
fn an_indicator_of_a_list_does_not_tell_where_the_list_lay(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("customer-zuiderzee.txt", "203.0.113.9\n");
    bench.run(&["import", "--data", "d", "customer-zuiderzee.txt", "--tlp", "green"]).expect(0);
    let exported = bench.run(&["export", "--data", "d", "--format", "stix"]).expect(0);
    assert!(exported.out.contains("203.0.113.9") && !exported.out.contains("zuiderzee"), "{}", exported.out);
}

/// Priority of each thread of a process by its name, as nice(1) counts.
fn priorities(pid: u32) -> std::collections::BTreeMap<String, i64> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of = |task: std::io::Result<std::fs::DirEntry>| {
        // The name stands in brackets; priority is the 19th field of proc(5).
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
        let (name, fields) = stat.split_once('(').unwrap().1.rsplit_once(')').unwrap();
        (name.to_owned(), fields.split_whitespace().nth(16).unwrap().parse().unwrap())
    };
    tasks.map(of).collect()
}

/// Who reads and parses stands back for who is served; who writes does not, because others wait for him.
fn an_import_stands_back_while_the_directory_is_served(engine: &Engine) {
    use std::io::Write as _;
    use std::process::Stdio;
    let bench = Bench::on(engine);
    let mut objects = 0..;
    let mut import = |more: &[&str]| {
        let args = [&["import", "--data", "d", "-"], more].concat();
        let (stdin, stdout) = (Stdio::piped(), Stdio::piped());
        let mut child =
            bench.command(&args).stdin(stdin).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // More than a pipe holds: it has begun to read.
        stdin.write_all(&vec![b' '; 1 << 20]).unwrap();
        // A thread gives itself its name when it first runs.
        let named = |_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            Some(priorities(child.id())).filter(|found| found.contains_key("writer"))
        };
        let found = (0..1_000).find_map(named).unwrap();
        stdin.write_all(bundle(&[marked(objects.next().unwrap(), "green")]).as_bytes()).unwrap();
        drop(stdin);
        Ran::of(child.wait_with_output().unwrap()).expect(0).says(&["added 1"]);
        (found["polder"], found["writer"])
    };
    assert_eq!(import(&[]), (0, 0));
    assert_eq!(import(&["--nice", "3"]), (3, 0));
    let serving = bench.serve("d");
    assert_eq!(import(&[]), (10, 0));
    assert_eq!(import(&["--nice", "0"]), (0, 0));
    assert_eq!(import(&["--nice", "19"]), (19, 0));
    drop(serving);
    assert_eq!(import(&[]), (0, 0));
    bench.run(&["import", "--data", "d", "-", "--nice", "20"]).expect(2);
    assert_eq!(bench.verified("d"), 7);
}
