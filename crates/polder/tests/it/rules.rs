// SPDX-License-Identifier: Apache-2.0
//! `polder rules`: what a person does with Sigma rules, on the real binary.

use crate::support::*;

const MINE: &str = "title: Shadow copies are deleted
id: 2b1f0c9a-5c1e-4c55-9a43-3a1b8f2d7e10
name: shadows
author: A. Uthor
level: high
logsource: {product: windows, category: process_creation}
detection: {tool: {Image|endswith: \\vssadmin.exe, CommandLine|contains|all: [delete, shadows]}, condition: tool}
falsepositives: [a backup program]
---
title: Somebody asks who he is
id: 5d0f4a1e-8c8e-4f0b-a7a5-6b1d6a3c2f11
level: low
logsource: {product: windows, category: process_creation}
detection: {tool: {Image|endswith: \\whoami.exe}, condition: tool}
---
title: Broken
level: high
logsource: {product: windows}
detection: {a: {f|re: '(['}, condition: a}
";

const LOG: &str = r##"{"Event":{"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon"}},"EventID":1,"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"ws-1.corp.example","TimeCreated":{"#attributes":{"SystemTime":"2026-03-01T10:00:00Z"}}},"EventData":{"Image":"C:\\Windows\\System32\\vssadmin.exe","CommandLine":"vssadmin delete shadows /all","User":"CORP\\anna"}}}
{"Event":{"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon"}},"EventID":1,"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"ws-1.corp.example","TimeCreated":{"#attributes":{"SystemTime":"2026-03-01T10:01:00Z"}}},"EventData":{"Image":"C:\\Windows\\System32\\whoami.exe","CommandLine":"whoami","User":"CORP\\anna"}}}
"##;

#[test]
fn rules_as_a_person_manages_them() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("mine")).unwrap();
    let rules = bench.write("mine/rules.yml", MINE);
    let log = bench.write("log.jsonl", LOG);
    let (rules, log) = (rules.to_str().unwrap(), log.to_str().unwrap());
    let folder = rules.trim_end_matches("/rules.yml");
    let data = ["--data", "d"];
    let with = |args: &[&'static str]| -> Vec<&str> { [args, &data[..]].concat() };

    let import = ["rules", "import", folder, "--licence", "CC0", "--data", "d", "--json"];
    let counts = &bench.run(&import).expect(3).json()[0];
    let count = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!((count("read"), count("added"), count("known"), count("refused")), (3, 2, 0, 1));
    assert_eq!(counts["diagnostics"][0]["code"], "rule-refused");
    assert!(counts["diagnostics"][0]["message"].as_str().unwrap().starts_with("`Broken`"));
    let counts = &bench.run(&import).expect(3).json()[0];
    assert_eq!((counts["known"].as_u64(), counts["added"].as_u64()), (Some(2), Some(0)));

    let listed = bench
        .run(&with(&["rules", "list", "--level", "low", "--source", "windows", "--json"]))
        .expect(0)
        .json();
    let mine: Vec<_> = listed.iter().filter(|rule| rule["set"] == "mine").collect();
    assert_eq!(mine.len(), 2);
    assert!(mine.iter().all(|rule| (rule["level"] == "high") == (rule["runs"] == true)));
    assert!(
        listed.iter().any(|rule| rule["set"].as_str().unwrap().starts_with("pack ")),
        "what ships is listed too"
    );
    bench.run(&with(&["rules", "show", "shadows"])).expect(0).says(&["vssadmin.exe"]);
    bench.run(&with(&["rules", "show", "nothing"])).expect(1).says(&["rules list"]);

    let test = ["rules", "test", log, "--data", "d", "--json"];
    let titles = |found: &[serde_json::Value]| -> Vec<String> {
        found.iter().map(|one| one["title"].as_str().unwrap().to_owned()).collect()
    };
    let found = bench.run(&test).expect(0).json();
    assert_eq!(titles(&found), ["Shadow copies are deleted"]);
    assert_eq!(found[0]["credit"], "A. Uthor (CC0)");
    assert_eq!(found[0]["disproof"], "a backup program");
    assert_eq!(found[0]["evidence"][0]["line"], 1);
    bench.run(&with(&["rules", "enable", "5d0f4a1e-8c8e-4f0b-a7a5-6b1d6a3c2f11"])).expect(0);
    assert_eq!(bench.run(&test).expect(0).json().len(), 2);
    bench.run(&with(&["rules", "disable", "shadows"])).expect(0);
    assert_eq!(titles(&bench.run(&test).expect(0).json()), ["Somebody asks who he is"]);

    let except = ["rules", "except", "*", "User=CORP\\an*", "--reason", "she tests", "--until"];
    bench.run(&with(&[&except[..], &["2001-01-01"]].concat())).expect(2).says(&["in the future"]);
    bench.run(&with(&[&except[..], &["9000-12-31"]].concat())).expect(0).says(&["exception 1"]);
    bench.run(&test).expect(1);
    bench.run(&with(&["rules", "exceptions"])).expect(0).says(&["she tests"]);
    bench.run(&with(&["rules", "exceptions", "--end", "1"])).expect(0);
    bench.run(&test).expect(0);
    bench.run(&with(&["rules", "stats"])).expect(1).says(&["no rule has matched"]);
}

#[test]
fn without_a_node_the_rules_that_ship_are_tested() {
    let bench = Bench::bare();
    let mut log = String::new();
    for nth in 0..12 {
        log.push_str(&format!(
            "{{\"Channel\":\"Security\",\"Provider_Name\":\"Microsoft-Windows-Security-Auditing\",\"EventID\":4771,\
             \"Computer\":\"dc.corp.example\",\"TimeCreated\":\"2026-03-01T10:{nth:02}:00Z\",\"Status\":\"0x18\",\
             \"TargetUserName\":\"user{nth}\",\"IpAddress\":\"192.0.2.7\"}}\n"
        ));
    }
    let log = bench.write("security.jsonl", log);
    let ran = bench.run(&["rules", "test", log.to_str().unwrap()]).expect(0);
    ran.says(&["Wrong Kerberos passwords for many accounts from one address", "address 192.0.2.7"]);
    let rules = bench.write("mine.yml", MINE);
    let quiet = bench.write("quiet.jsonl", "{\"Channel\":\"Security\",\"EventID\":1}\n");
    let (rules, quiet) = (rules.to_str().unwrap(), quiet.to_str().unwrap());
    bench.run(&["rules", "test", quiet, "--rules", rules]).expect(3).says(&["`Broken`"]);
}

/// A person sees titles in the report: one is enough where no other rule has it.
#[test]
fn a_rule_is_named_by_its_title_if_only_one_has_it() {
    let bench = Bench::new();
    let twin = MINE.replace("Somebody asks who he is", "Shadow copies are deleted");
    let mine = bench.write("mine.yml", MINE.split("---\ntitle: Broken").next().unwrap());
    bench.run(&["rules", "import", "--data", "d", "--licence", "CC0", mine.to_str().unwrap()]).expect(0);
    let except = |title: &str| {
        let more = ["--reason", "our backup", "--until", "2099-12-31", "--data", "d"];
        bench.run(&[&["rules", "except", title, "User=x"], &more[..]].concat())
    };
    let listed = || bench.run(&["rules", "exceptions", "--data", "d", "--json"]).json();
    except("Shadow copies are deleted").expect(0);
    assert_eq!(listed()[0]["rule"], "2b1f0c9a-5c1e-4c55-9a43-3a1b8f2d7e10");
    except("Shadow copies").expect(1).says(&["rules list"]);
    let twin = bench.write("twin.yml", twin.split("---\ntitle: Broken").next().unwrap());
    bench.run(&["rules", "import", "--data", "d", "--licence", "CC0", twin.to_str().unwrap()]).expect(0);
    except("Shadow copies are deleted").expect(2).says(&[
        "2 rules have the title",
        "2b1f0c9a-5c1e-4c55-9a43-3a1b8f2d7e10",
        "5d0f4a1e-8c8e-4f0b-a7a5-6b1d6a3c2f11",
    ]);
    except("shadows").expect(0);
    assert_eq!(listed().len(), 2);
}
