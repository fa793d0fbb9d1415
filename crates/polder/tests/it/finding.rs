// SPDX-License-Identifier: Apache-2.0
//! What becomes of findings: looked at, dismissed, drafted, shared, approved by rule, reported.

use serde_json::{Value, json};

use crate::support::{Bench, Ran};

const AMBER: &str = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421";

/// A node with a community, indicators that were shared with it under AMBER, and findings of two of them.
pub struct Found {
    pub bench: Bench,
    pub ring: String,
}

impl Found {
    pub fn new() -> Found {
        let bench = Bench::new();
        let made =
            bench.run(&["community", "new", "--data", "d", "--name", "ring", "--json"]).expect(0).json();
        let ring = made[0]["community"].as_str().unwrap().to_owned();
        bench.write("list.txt", "203.0.113.7\nevil.example\n");
        bench.write(
            "a.log",
            "2026-03-01T10:00:00Z in 203.0.113.7\n2026-03-02T11:12:13Z in 203.0.113.7\n2026-03-02T11:13:00Z dns key.c2.evil.example\n",
        );
        bench.import("list.txt", &["--community", &ring, "--tlp", "amber"], 0);
        bench.run(&["hunt", "--data", "d", "a.log"]).expect(0);
        Found { bench, ring }
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        let mut all = vec!["finding"];
        all.extend(args);
        all.extend(["--data", "d"]);
        self.bench.run(&all)
    }

    pub fn list(&self) -> Vec<Value> {
        self.run(&["list", "--json"]).expect(0).json()
    }

    /// Id of the finding of a value.
    pub fn id(&self, value: &str) -> String {
        let all = self.list();
        let finding = all.iter().find(|finding| finding["value"] == value).unwrap();
        finding["finding"].as_str().unwrap().to_owned()
    }

    pub fn state(&self, value: &str) -> String {
        let all = self.list();
        let finding = all.iter().find(|finding| finding["value"] == value).unwrap();
        finding["state"].as_str().unwrap().to_owned()
    }

    /// An object of the export.
    fn object(&self, id: &str) -> Value {
        let bundle = self.bench.run(&["export", "--data", "d", "--format", "stix"]).expect(0);
        let bundle: Value = serde_json::from_str(&bundle.out).unwrap();
        let objects = bundle["objects"].as_array().unwrap();
        objects.iter().find(|object| object["id"] == id).unwrap_or_else(|| panic!("{id}")).clone()
    }
}

const NAME: &str = "key.c2.evil.example";

#[test]
fn a_finding_goes_its_way() {
    let found = Found::new();
    let address = found.id("203.0.113.7");
    assert_eq!(
        found.list().iter().filter(|f| f["finding"] == address.as_str()).count(),
        2,
        "one id for both lines"
    );
    assert_eq!(found.state("203.0.113.7"), "new");
    let shown = found.run(&["show", &address, "--json"]).expect(0).json().remove(0);
    assert_eq!(
        (&shown["count"], &shown["marking"], &shown["state"]),
        (&json!(2), &json!("TLP:AMBER"), &json!("new"))
    );
    assert_eq!(shown["first"], "2026-03-01T10:00:00.000000Z");
    assert_eq!(shown["objects"][2]["object_marking_refs"], json!([AMBER]));
    found.run(&["show", &address[..6]]).expect(0).says(&["TLP:AMBER", "A sighting would say"]);
    found.run(&["show", "0123456789abcdef"]).expect(1).says(&["finding list"]);

    found.run(&["dismiss", &address, "--reason", " "]).expect(2).says(&["--reason"]);
    found.run(&["dismiss", &address, "--reason", "own scanner"]).expect(0);
    assert_eq!((found.state("203.0.113.7"), found.state(NAME)), ("dismissed".into(), "new".into()));
    let only = found.run(&["list", "--state", "dismissed", "--json"]).expect(0).json();
    assert_eq!(only.len(), 2);
    found.run(&["list", "--state", "shared"]).expect(1);

    // A person may think better of it; first as a draft, which says where it goes.
    found.run(&["share", &address, "--community", &found.ring, "--draft"]).expect(0).says(&["TLP:AMBER"]);
    assert_eq!(found.state("203.0.113.7"), "drafted");
    let shared = found.run(&["share", &address, "--json"]).expect(0).json().remove(0);
    assert_eq!((&shared["marking"], &shared["count"]), (&json!("TLP:AMBER"), &json!(2)));
    assert_eq!(found.state("203.0.113.7"), "shared");
    let sighting = found.object(shared["sighting"].as_str().unwrap());
    assert_eq!(sighting["object_marking_refs"], json!([AMBER]), "the marking of the indicator travels");
    assert!(sighting["where_sighted_refs"].is_array());
    let shown = found.run(&["show", &address, "--json"]).expect(0).json().remove(0);
    assert_eq!((&shown["sighting"], &shown["community"]), (&shared["sighting"], &json!(found.ring)));
    found.run(&["dismiss", &address, "--reason", "late"]).expect(2).says(&["polder recall"]);
    let again =
        found.run(&["share", &address, "--community", &found.ring, "--json"]).expect(0).json().remove(0);
    assert_eq!(
        (&again["sighting"], &again["added"]),
        (&shared["sighting"], &json!(0)),
        "asked again it is known"
    );
    found.bench.verified("d");
}

#[test]
fn an_anonymous_sighting_names_nobody() {
    let found = Found::new();
    let (address, name) = (found.id("203.0.113.7"), found.id(NAME));
    let share = |id: &str| found.run(&["share", id, "--anonymous", "--json"]).expect(0).json().remove(0);
    let sighting = found.object(share(&address)["sighting"].as_str().unwrap());
    assert!(sighting.get("created_by_ref").is_none() && sighting.get("where_sighted_refs").is_none());
    assert_eq!(
        (&sighting["first_seen"], &sighting["count"]),
        (&json!("2026-03-01T00:00:00.000Z"), &json!(2))
    );
    // The whole name could hold what was carried out in it: only the indicator is named.
    let shared = share(&name);
    assert_eq!(shared["observed_data"], "");
    let bundle = found.bench.run(&["export", "--data", "d", "--format", "stix"]).expect(0).out;
    assert!(!bundle.contains(NAME), "{bundle}");
}

#[test]
fn a_finding_of_a_list_entry_has_nothing_to_refer_to() {
    let bench = Bench::new();
    bench.write("list.txt", "203.0.113.7\n");
    bench.write("a.log", "in 203.0.113.7\n");
    bench.run(&["hunt", "--data", "d", "--indicators", "list.txt", "a.log"]).expect(0);
    let all = bench.run(&["finding", "list", "--data", "d", "--json"]).expect(0).json();
    let id = all[0]["finding"].as_str().unwrap();
    bench.run(&["finding", "share", "--data", "d", id]).expect(2).says(&["polder import", "hunt again"]);
    bench.run(&["finding", "show", "--data", "d", id]).expect(0).says(&["no object"]);
}

#[test]
fn a_rule_shares_what_it_may_and_drafts_what_the_gate_refuses() {
    let found = Found::new();
    let made =
        found.bench.run(&["community", "new", "--data", "d", "--name", "other", "--json"]).expect(0).json();
    let other = made[0]["community"].as_str().unwrap();
    let add = |more: &[&str], code| {
        let args = [&["approve-rule", "add", "--reason", "agreed in the board"], more].concat();
        found.run(&args).expect(code)
    };
    add(&["--max-tlp", "red"], 2).says(&["named persons"]);
    add(&["--community", "5e1f0a6c-3b0d-4c57-9d3a-2f6f0f4f2a01"], 2);
    found.run(&["approve-rule", "run"]).expect(1);
    add(&["--max-tlp", "green", "--community", &found.ring], 0);
    found.run(&["approve-rule", "run"]).expect(1).says(&[]);
    assert_eq!(found.state(NAME), "new", "AMBER is stricter than the rule goes");

    let shown = found.run(&["show", &found.id(NAME), "--json"]).expect(0).json().remove(0);
    let indicator = shown["indicator"].as_str().unwrap();
    add(&["--indicator", indicator, "--community", other], 0);
    add(&["--community", &found.ring, "--anonymous"], 0);
    let ran = found.run(&["approve-rule", "run", "--json"]).expect(3).json();
    assert_eq!(ran.len(), 2);
    let of = |state: &str| ran.iter().find(|one| one["state"] == state).unwrap();
    assert_eq!(of("shared")["rule"], 3);
    assert!(of("drafted")["refusal"].as_str().unwrap().contains("was not shared with that community"));
    let shown = found.run(&["show", &found.id(NAME), "--json"]).expect(0).json().remove(0);
    assert_eq!((&shown["state"], &shown["rule"]), (&json!("drafted"), &json!(2)));
    assert!(shown["reason"].as_str().unwrap().contains("was not shared"));
    found.run(&["approve-rule", "run"]).expect(1);

    let rules = found.run(&["approve-rule", "list", "--json"]).expect(0).json();
    assert_eq!(
        (rules.len(), &rules[2]["max_tlp"], &rules[2]["anonymous"]),
        (3, &json!("TLP:AMBER"), &json!(true))
    );
    found.run(&["approve-rule", "remove", "2"]).expect(0);
    found.run(&["approve-rule", "remove", "2"]).expect(1).says(&["approve-rule list"]);
}

/// Without `--findings` the findings of a forgotten value stay, so what a person decided of them stays, too.
#[test]
fn what_was_dismissed_is_not_shared_by_a_rule_once_its_value_is_forgotten() {
    let found = Found::new();
    let (address, name) = (found.id("203.0.113.7"), found.id(NAME));
    found.run(&["dismiss", &address, "--reason", "the scanner of p.visser"]).expect(0);
    found.run(&["share", &name, "--community", &found.ring, "--draft"]).expect(0);
    let forget = |value: &str, more: &[&str], code| {
        let args = [&["forget", "--data", "d", value, "--purpose", "request", "--json"], more].concat();
        found.bench.run(&args).expect(code).json().remove(0)
    };
    let told = forget("203.0.113.7", &[], 0);
    assert_eq!((&told["findings_left"], &told["notes_erased"]), (&json!(2), &json!(1)));
    assert_eq!(
        forget(NAME, &[], 1)["findings_left"],
        json!(1),
        "nothing is erased of it, and it stays drafted"
    );
    assert_eq!(forget("203.0.113.7", &[], 1)["notes_erased"], json!(0), "there was one reason");
    let rule =
        ["approve-rule", "add", "--reason", "agreed", "--max-tlp", "amber", "--community", &found.ring];
    found.run(&rule).expect(0);
    found.run(&["approve-rule", "run"]).expect(1);
    assert_eq!((found.state("203.0.113.7"), found.state(NAME)), ("dismissed".into(), "drafted".into()));
    let shown = found.run(&["show", &address, "--json"]).expect(0).json().remove(0);
    assert_eq!(shown["reason"], "", "a person's words are erased");
    assert_eq!(forget("203.0.113.7", &["--findings"], 0)["notes_erased"], json!(1));
    found.run(&["show", &address]).expect(1);
}

#[test]
fn a_report_has_every_form() {
    let found = Found::new();
    let report = |more: &[&str]| found.run(&[&["report"], more].concat()).expect(0).out;
    assert!(report(&[]).starts_with("3 findings found."));
    assert!(report(&["--format", "html"]).contains("<h1>3 findings found</h1>"));
    let lines = found.run(&["report", "--format", "json"]).expect(0).json();
    assert_eq!((&lines[0]["findings"], &lines.last().unwrap()["type"]), (&json!(3), &json!("end")));
    assert_eq!(report(&["--format", "csv"]).lines().count(), 1 + 3);
    assert_eq!(found.run(&["report", "--format", "ocsf"]).expect(0).json().len(), 3);
    assert_eq!(found.run(&["report", "--format", "timesketch"]).expect(0).json().len(), 3);
    let bundle: Value = serde_json::from_str(&report(&["--format", "stix"])).unwrap();
    assert_eq!(bundle["objects"][0]["name"], "Zuiderlicht");
    assert!(!report(&["--format", "stix", "--anonymous"]).contains("Zuiderlicht"));
    found.bench.write("contacts.toml", "[own_it]\nname = \"Beheer\"\nphone = \"+31 20 555 0100\"\n");
    let page = report(&["--format", "page-text", "--language", "nl", "--contacts", "contacts.toml"]);
    assert!(page.contains("Er is iets gevonden waar u vandaag iets aan moet doen."), "{page}");
    assert!(page.contains("Eigen IT of IT-leverancier: Beheer"), "{page}");
    assert!(report(&["--format", "page", "--out", "page.html"]).is_empty());
    let page = std::fs::read_to_string(found.bench.path("page.html")).unwrap();
    assert!(page.contains("<html lang=\"en\">") && page.contains("to be filled in"));

    found.bench.write("wrong.toml", "[own_it]\nname = \"Beheer\"\ntelephone = \"1\"\n");
    let args = ["report", "--format", "page", "--contacts", "wrong.toml"];
    let ran = found.run(&args).expect(2).says(&["wrong.toml line 3, column 1", "telephone"]);
    assert!(!ran.err.contains("\\n"), "one line, and no drawing of it: {}", ran.err);
    found.run(&["report", "--format", "page", "--language", "fr"]).expect(2).says(&["nl, en"]);
    Bench::new().run(&["finding", "report", "--data", "d"]).expect(1).says(&["Nothing was looked for"]);
}

/// A looser label than the indicator's is not given, and that is said.
#[test]
fn a_label_that_is_not_given_is_said() {
    let found = Found::new();
    let (id, words) = (found.id("203.0.113.7"), "TLP:CLEAR was asked for and is not given");
    found.run(&["share", &id, "--tlp", "clear"]).expect(0).says(&[words, "TLP:AMBER"]);
    let ran = found.run(&["share", &found.id(NAME), "--tlp", "red"]).expect(0);
    assert!(!ran.err.contains("is not given"), "{}", ran.err);
    let green = crate::support::marked(1, "green");
    found.bench.write("green.json", green);
    let report = found.bench.import("green.json", &["--tlp", "clear"], 0);
    assert_eq!(report["diagnostics"][0]["code"], "label-not-given", "{report}");
}

/// Who takes an indicator back takes back what was found of it: nobody is told to act on it, and nobody shares it.
#[test]
fn what_was_retracted_is_neither_counted_nor_shared() {
    let found = Found::new();
    let id = found.id("203.0.113.7");
    let shown = || found.run(&["show", &id, "--json"]).expect(0).json().remove(0);
    let indicator = shown()["indicator"].as_str().unwrap().to_owned();
    assert_eq!(shown()["revoked"], false);
    found.bench.run(&["recall", "--data", "d", &indicator, "--retract"]).expect(0);

    let revoked = |one: &Value| one["revoked"] == true;
    let all = found.list();
    assert_eq!((all.len(), all.iter().filter(|one| revoked(one)).count()), (3, 2));
    found.run(&["list"]).expect(0).says(&["new, indicator revoked]"]);
    assert!(revoked(&shown()) && shown()["objects"] == json!([]));
    found.run(&["show", &id]).expect(0).says(&["took the indicator back", "No sighting of it can be shared"]);

    let ran = found
        .run(&["report"])
        .expect(0)
        .says(&["1 finding found.", "2 findings more are of indicators that were revoked"]);
    assert!(!ran.out.contains("203.0.113.7"), "{}", ran.out);
    let head = found.run(&["report", "--format", "json"]).expect(0).json().remove(0);
    assert_eq!((&head["findings"], &head["revoked"]), (&json!(1), &json!(2)));
    let page = found.run(&["report", "--format", "page-text", "--language", "nl"]).expect(0).out;
    assert!(page.contains("2 vondsten tellen niet mee"), "{page}");
    assert!(found.run(&["report", "--format", "html"]).expect(0).out.contains("revoked since"));

    for args in [&["share", &id][..], &["share", &id, "--draft"], &["sight", &indicator]] {
        found.run(args).expect(2).says(&["was revoked", "finding dismiss"]);
    }
    let rule = ["approve-rule", "add", "--reason", "agreed", "--community", &found.ring];
    found.run(&rule).expect(0);
    assert_eq!(found.run(&["approve-rule", "run", "--json"]).expect(0).json().len(), 1, "the other one");
    assert_eq!((found.state("203.0.113.7"), found.state(NAME)), ("new".into(), "shared".into()));
}

const RULES: &str = "title: Shadow copies are deleted
id: 2b1f0c9a-5c1e-4c55-9a43-3a1b8f2d7e10
level: high
logsource: {product: windows, category: process_creation}
detection: {tool: {Image|endswith: \\vssadmin.exe}, condition: tool}
---
title: Somebody asks who he is
id: 5d0f4a1e-8c8e-4f0b-a7a5-6b1d6a3c2f11
level: high
logsource: {product: windows, category: process_creation}
detection: {tool: {Image|endswith: \\whoami.exe}, condition: tool}
";

/// What a person says of detections holds for what is kept of them, too.
#[test]
fn kept_detections_can_be_ended() {
    let bench = Bench::new();
    let event = |tool: &str, user: &str, second: u32| {
        format!(
            r##"{{"Event":{{"System":{{"Provider":{{"#attributes":{{"Name":"Microsoft-Windows-Sysmon"}}}},"EventID":1,"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"ws-1.corp.example","TimeCreated":{{"#attributes":{{"SystemTime":"2026-03-01T10:00:{second:02}Z"}}}}}},"EventData":{{"Image":"C:\\Windows\\System32\\{tool}.exe","CommandLine":"{tool} x","User":"CORP\\{user}"}}}}}}"##
        ) + "\n"
    };
    let log =
        [("vssadmin", "anna", 1), ("vssadmin", "bert", 2), ("whoami", "carl", 3), ("whoami", "dora", 4)];
    bench.write("log.jsonl", log.map(|(tool, user, second)| event(tool, user, second)).concat());
    bench.write("rules.yml", RULES);
    bench.run(&["rules", "import", "rules.yml", "--licence", "CC0", "--data", "d"]).expect(0);
    let of = |args: &[&str]| -> Vec<Value> {
        bench.run(args).json().into_iter().filter(|line| line["type"] != "file").collect()
    };
    let users = |lines: &[Value]| -> Vec<String> {
        let all = lines.iter().filter(|line| line["type"] == "detection");
        let mut all: Vec<String> = all
            .map(|one| {
                let about = one["about"].as_array().unwrap().iter();
                let account = about.filter(|one| one["kind"] == "account").map(|one| &one["value"]);
                account.map(|value| value.as_str().unwrap().rsplit('\\').next().unwrap()).collect()
            })
            .collect();
        all.sort();
        all
    };
    let hunt = ["hunt", "--data", "d", "log.jsonl", "--json"];
    let report = ["finding", "report", "--data", "d", "--format", "json"];
    assert_eq!(users(&of(&hunt)), ["anna", "bert", "carl", "dora"]);
    let kept = of(&report);
    assert_eq!(users(&kept), ["anna", "bert", "carl", "dora"]);
    let id = |user: &str| {
        let is_of = |line: &&Value| line["type"] == "detection" && line.to_string().contains(user);
        kept.iter().find(is_of).unwrap()["detection"].as_str().unwrap().to_owned()
    };

    // A person says that it is nothing: neither a report nor a later hunt tells it.
    let dismiss = |more: &[&str], code| {
        bench.run(&[&["finding", "dismiss", "--data", "d"], more].concat()).expect(code)
    };
    dismiss(&["0123456789abcdef", "--reason", "x"], 1).says(&["no detection", "finding report"]);
    dismiss(&[&id("anna"), "--reason", " "], 2).says(&["--reason"]);
    dismiss(&[&id("anna"), "--reason", "the backup"], 0).says(&["is dismissed", "Shadow copies"]);
    assert_eq!(users(&of(&report)), ["bert", "carl", "dora"]);
    assert_eq!(users(&of(&hunt)), ["bert", "carl", "dora"]);
    let ended = |lines: &[Value]| -> Vec<[String; 3]> {
        let all = lines.iter().filter(|line| line["type"] == "ended");
        all.map(|one| ["detection", "why", "reason"].map(|name| one[name].as_str().unwrap().to_owned()))
            .collect()
    };
    assert_eq!(ended(&of(&hunt)), [[id("anna"), "dismissed".into(), "the backup".into()]]);
    dismiss(&[&id("anna")[..8], "--undo"], 0).says(&["is new"]);
    assert_eq!(users(&of(&report)).len(), 4);

    // An exception that was made since covers what it names, a rule that is off all of its own.
    let except = ["rules", "except", "2b1f0c9a-5c1e-4c55-9a43-3a1b8f2d7e10", "User=CORP\\an*"];
    let more = ["--reason", "our backup", "--until", "2099-12-31", "--data", "d"];
    bench.run(&[&except[..], &more[..]].concat()).expect(0);
    assert_eq!(users(&of(&report)), ["bert", "carl", "dora"]);
    assert_eq!(ended(&of(&report)), [[id("anna"), "exception".into(), "our backup".into()]]);
    bench.run(&["rules", "disable", "5d0f4a1e-8c8e-4f0b-a7a5-6b1d6a3c2f11", "--data", "d"]).expect(0);
    assert_eq!(users(&of(&report)), users(&of(&hunt)), "the report tells what the hunt tells");
    let ran = bench.run(&["finding", "report", "--data", "d"]).expect(0);
    ran.says(&["1 detection found.", "3 detections more are not counted here", &id("bert")]);
    let html = bench.run(&["finding", "report", "--data", "d", "--format", "html"]).expect(0).out;
    assert!(html.contains(&id("bert")) && !html.contains(&id("carl")));
    bench.run(&["rules", "exceptions", "--end", "1", "--data", "d"]).expect(0);
    assert_eq!(users(&of(&report)), ["anna", "bert"], "an exception that has ended covers nothing");
}

/// What a sighting would say was shown of an indicator that was withdrawn, and `share` refused it then.
#[test]
fn no_sighting_is_shown_that_would_be_refused() {
    let found = Found::new();
    let all = found.list();
    let finding = all.iter().find(|one| one["value"] == "203.0.113.7").unwrap();
    let (id, indicator) = (finding["finding"].as_str().unwrap(), finding["indicator"].as_str().unwrap());
    let shown = || found.run(&["show", id, "--json"]).expect(0).json().remove(0);
    assert_eq!((shown()["objects"].as_array().unwrap().len(), &shown()["refused"]), (3, &Value::Null));
    found.bench.run(&["recall", "--data", "d", indicator, "--withdraw"]).expect(0);
    let refused = found.run(&["share", id]).expect(1);
    let shown = shown();
    assert_eq!(shown["objects"], json!([]));
    let why = shown["refused"].as_str().unwrap();
    assert!(refused.err.contains(why), "{why}: {}", refused.err);
    found.run(&["show", id]).expect(0).says(&["No sighting of it can be shared"]);
}
