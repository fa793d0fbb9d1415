// SPDX-License-Identifier: Apache-2.0
//! Proofs, and a database that was rolled back.

use std::fs;

use crate::support::*;

on_both_engines! {
    a_stranger_checks_a_proof,
    any_change_in_a_proof_shows,
    the_gate_is_asked_before_a_proof_leaves,
    a_database_that_was_rolled_back_is_refused,
    a_changed_database_does_not_verify,
    doctor_finds_nothing_on_a_sound_node,
    a_stranger_checks_that_a_log_only_grew,
    the_log_as_tiles_tells_nothing_and_bundles_are_behind_the_gate,
}

fn proved(bench: &Bench, id: &str) -> serde_json::Value {
    let proof = bench.run(&["ledger", "prove", "--data", "d", id]).expect(0).out;
    bench.write("p", &proof);
    serde_json::from_str(&proof).unwrap()
}

fn a_stranger_checks_a_proof(engine: &Engine) {
    let bench = Bench::bare_on(engine);
    let member = bench.init("d");
    bench.write("a.json", bundle(&(0..300).map(|n| marked(n, "green")).collect::<Vec<_>>()));
    bench.import("a.json", &[], 0);
    proved(&bench, &tool_id(217));
    bench.run(&["ledger", "check", "--member", &member, "p"]).expect(0).says(&[
        "proved",
        &tool_id(217),
        "pinned",
    ]);
    // Without the member it proves integrity, but not who.
    bench.run(&["ledger", "check", "p"]).expect(0).says(&["not pinned", "integrity, not who"]);
    let other = Bench::bare_on(engine);
    let stranger = other.init("d");
    bench.run(&["ledger", "check", "--member", &stranger, "p"]).expect(1).says(&["NOT proved", &member]);
}

fn any_change_in_a_proof_shows(engine: &Engine) {
    let bench = Bench::bare_on(engine);
    let member = bench.init("d");
    bench.write("a.json", bundle(&(0..40).map(|n| marked(n, "green")).collect::<Vec<_>>()));
    bench.import("a.json", &[], 0);
    let proof = proved(&bench, &tool_id(7));
    for name in ["entry", "body", "proof", "root"] {
        let text = proof[name].as_str().unwrap();
        // One character in the middle, to another of the same alphabet.
        for part in 1..6 {
            let at = text.len() * part / 6;
            let Some(old) = text[at..].chars().next().filter(char::is_ascii_alphanumeric) else { continue };
            let new = if old.is_ascii_digit() {
                char::from(b'0' + (old as u8 - b'0' + 1) % 10)
            } else {
                other(old)
            };
            let mut changed = proof.clone();
            changed[name] = format!("{}{new}{}", &text[..at], &text[at + 1..]).into();
            bench.write("q", changed.to_string());
            let ran = bench.run(&["ledger", "check", "--member", &member, "q"]);
            assert_eq!(ran.code, 1, "{name} at {at}: {old} to {new} was not noticed\n{}{}", ran.out, ran.err);
        }
    }
    for (name, other) in [
        ("author", "00".repeat(32)),
        ("kind", "stix-2.0".to_owned()),
        ("marking", "TLP:CLEAR".to_owned()),
        ("id", tool_id(8)),
        ("version", "2024-01-02T00:00:00.000001Z".to_owned()),
        ("audience", format!("organisation:{}", "11".repeat(32))),
        ("time", "2024-01-02T00:00:00.000001Z".to_owned()),
    ] {
        let mut changed = proof.clone();
        changed["envelope"][name] = other.into();
        bench.write("q", changed.to_string());
        bench.run(&["ledger", "check", "--member", &member, "q"]).expect(1).says(&["NOT proved"]);
    }
    for salt in ["subject", "body", "audience"] {
        let mut changed = proof.clone();
        changed["salts"][salt] = "00000000000000000000000000000000".into();
        bench.write("q", changed.to_string());
        bench
            .run(&["ledger", "check", "--member", &member, "q"])
            .expect(1)
            .says(&["not what the entry commits to"]);
    }
    bench.write("q", "{}");
    bench.run(&["ledger", "check", "q"]).expect(1).says(&["not a proof file"]);
}

fn other(letter: char) -> char {
    match letter {
        'z' => 'a',
        'Z' => 'A',
        letter => char::from(letter as u8 + 1),
    }
}

fn the_gate_is_asked_before_a_proof_leaves(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.json", bundle(&[marked(1, "red"), marked(2, "amber")]));
    bench.import("a.json", &[], 0);
    let red = bench.run(&["ledger", "prove", "--data", "d", &tool_id(1)]).expect(1).says(&["TLP:RED"]);
    assert!(red.out.is_empty());
    let amber = bench.run(&["ledger", "prove", "--data", "d", &tool_id(2), "--max-tlp", "green"]).expect(1);
    assert!(amber.out.is_empty());
    bench.run(&["ledger", "prove", "--data", "d", &tool_id(99)]).expect(1).says(&["no object"]);
}

/// `serve` refuses instead of signing a fork, and says what to do.
fn a_database_that_was_rolled_back_is_refused(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.json", bundle(&[tool(1, "")]));
    bench.write("b.json", bundle(&[tool(2, "")]));
    bench.import("a.json", &[], 0);
    let earlier = bench.keep("d");
    bench.import("b.json", &[], 0);
    bench.roll_back("d", earlier);
    for args in [
        &["serve", "--data", "d", "--listen", "127.0.0.1:0", "--http"][..],
        &["import", "--data", "d", "b.json"],
        &["ledger", "verify", "--data", "d"],
    ] {
        bench.run(args).expect(6).says(&[
            "d/published",
            "size 3",
            "holds 2",
            "rolled back",
            "Put the newer database back",
        ]);
    }
}

fn a_changed_database_does_not_verify(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.json", bundle(&(0..20).map(|n| tool(n, "")).collect::<Vec<_>>()));
    bench.import("a.json", &[], 0);
    bench.verified("d");
    if engine.is_server() {
        let sql = "UPDATE bodies SET body = overlay(body PLACING '9' FROM position('tool 13' IN body) + 5)
                   WHERE position('tool 13' IN body) > 0";
        bench.database("d", |database| database.run(sql));
    } else {
        let path = bench.path("d/polder.db");
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.windows(7).position(|w| w == b"tool 13").unwrap();
        bytes[at + 5] = b'9';
        fs::write(&path, bytes).unwrap();
    }
    bench.run(&["ledger", "verify", "--data", "d"]).expect(1).says(&[&tool_id(13), "do not agree"]);
    bench.run(&["doctor", "--data", "d"]).expect(1).says(&["FAULT  log", "restore"]);
}

fn doctor_finds_nothing_on_a_sound_node(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.run(&["doctor", "--data", "d"]).is_well().says(&["ok     log", "ok     keys", "ok     clock"]);
}

fn a_stranger_checks_that_a_log_only_grew(engine: &Engine) {
    let bench = Bench::bare_on(engine);
    let member = bench.init("d");
    for round in 0..4 {
        let tools: Vec<String> = (0..90).map(|n| marked(round * 100 + n, "green")).collect();
        bench.write("a.json", bundle(&tools));
        bench.import("a.json", &[], 0);
        if round == 1 {
            // Handed out, so kept: both ends will be signed.
            proved(&bench, &tool_id(17));
        }
    }
    let proof = bench.run(&["ledger", "consistency", "--data", "d", "181"]).expect(0).out;
    bench.write("p", &proof);
    let held = bench.run(&["ledger", "check", "--member", &member, "--json", "p"]).expect(0).json().remove(0);
    assert_eq!((&held["old"]["size"], &held["new"]["size"]), (&181.into(), &361.into()));
    assert_eq!((&held["old"]["signed"], &held["new"]["signed"]), (&true.into(), &true.into()));
    // Any two sizes; one that nobody was given is not signed, and that is said.
    let between = bench.run(&["ledger", "consistency", "--data", "d", "7", "300"]).expect(0).out;
    bench.write("q", &between);
    bench.run(&["ledger", "check", "q"]).expect(0).says(&["size 7", "size 300", "NOT signed"]);
    bench.run(&["ledger", "consistency", "--data", "d", "0"]).expect(0);
    bench.run(&["ledger", "consistency", "--data", "d", "362"]).expect(2).says(&["361"]);
    bench.run(&["ledger", "consistency", "--data", "d", "9", "8"]).expect(2);

    bench.run(&["ledger", "check", "--member", &"1".repeat(64), "p"]).expect(1).says(&[&member]);
    let proof: serde_json::Value = serde_json::from_str(&proof).unwrap();
    let altered = [
        ("old", proof["old"].as_str().unwrap().replacen("181", "180", 1).into()),
        ("new", proof["new"].as_str().unwrap().replacen("361", "360", 1).into()),
        ("new", proof["old"].clone()),
        ("root", proof["root"].as_str().unwrap().replacen("NL", "BE", 1).into()),
        ("proof", serde_json::json!([])),
        ("proof", serde_json::json!(vec![proof["proof"][0].clone(); 200])),
    ];
    for (name, value) in altered {
        let mut changed = proof.clone();
        changed[name] = value;
        bench.write("q", changed.to_string());
        bench.run(&["ledger", "check", "q"]).expect(1).says(&["NOT proved"]);
    }
}

fn the_log_as_tiles_tells_nothing_and_bundles_are_behind_the_gate(engine: &Engine) {
    let bench = Bench::on(engine);
    bench.write("a.json", bundle(&(0..300).map(|n| marked(n, "green")).collect::<Vec<_>>()));
    bench.import("a.json", &[], 0);
    let told = bench.run(&["ledger", "tiles", "--data", "d", "--json", "t"]).expect(0).json().remove(0);
    assert_eq!((&told["tiles"], &told["bundles"], &told["size"]), (&3.into(), &0.into(), &301.into()));
    for path in ["t/checkpoint", "t/tile/0/000", "t/tile/0/001.p/45", "t/tile/1/000.p/1"] {
        assert!(bench.path(path).is_file(), "{path}");
    }
    assert!(!bench.path("t/tile/entries").exists());
    assert_eq!(fs::metadata(bench.path("t/tile/0/000")).unwrap().len(), 8192);
    assert_eq!(fs::metadata(bench.path("t/tile/0/001.p/45")).unwrap().len(), 45 * 32);
    let checkpoint = fs::read_to_string(bench.path("t/checkpoint")).unwrap();
    assert_eq!(checkpoint.lines().filter(|line| line.starts_with("\u{2014} ")).count(), 3);

    bench
        .run(&["ledger", "tiles", "--data", "d", "--entries", "t"])
        .expect(0)
        .says(&["2 bundles", "keep it"]);
    assert!(bench.path("t/tile/entries/000").is_file() && bench.path("t/tile/entries/001.p/45").is_file());

    // One RED record: its bundle stays at home, the tiles do not change.
    bench.write("b.json", bundle(&[marked(900, "red")]));
    bench.import("b.json", &[], 0);
    bench
        .run(&["ledger", "tiles", "--data", "d", "--entries", "u"])
        .expect(3)
        .says(&["1 bundles", "left out"]);
    assert!(bench.path("u/tile/entries/000").is_file());
    assert!(!bench.path("u/tile/entries/001.p").exists());
    assert_eq!(fs::read(bench.path("t/tile/0/000")).unwrap(), fs::read(bench.path("u/tile/0/000")).unwrap());
}
