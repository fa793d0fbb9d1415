// SPDX-License-Identifier: Apache-2.0
//! The packs that ship: each rule with a true and a false case, each indicator with its source.
//!
//! Beside `NAME.yml` lie `NAME.true.jsonl` and `NAME.false.jsonl`: lines of a log. A line of the form
//! `{"@repeat": n, "@line": "…{n}…"}` stands for n lines in which `{n}` counts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hunt::confirm::Confirm;
use hunt::confirm::warning::WarningLists;
use hunt::detection::{Detection, Level};
use hunt::event::{Event, Format, Reader};
use hunt::indicator::{Indicator, Mode, SHIPPED};
use hunt::pattern::{PatternRun, PatternSet};
use hunt::reader::Block;
use hunt::rule::{Engine, Options, PACKS, Rules, read_rules};
use hunt::scan::{IndicatorSet, Scanner};
use hunt::time::Clock;
use model::time::Timestamp;
use serde_json::{Value, json};

use crate::support::skipped;

const OURS: &[&str] = &["chimera", "edge-device"];

fn folder(pack: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packs").join(pack)
}

/// The lines of a case, each read as a log by itself: a case may mix logs.
fn events(path: &Path) -> Vec<(String, Event)> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut lines = Vec::new();
    for line in text.lines() {
        match serde_json::from_str::<Value>(line).ok().filter(|value| value.get("@repeat").is_some()) {
            Some(value) => {
                let pattern = value["@line"].as_str().unwrap();
                let count = value["@repeat"].as_u64().unwrap();
                lines.extend((0..count).map(|n| pattern.replace("{n}", &n.to_string())));
            }
            None => lines.push(line.to_owned()),
        }
    }
    let mut events = Vec::new();
    for line in lines {
        let mut reader = Reader::new(line.as_bytes(), "case", Clock::default());
        let block = Block { bytes: format!("{line}\n").into_bytes(), offset: 0, first_line: 1 };
        let lines = reader.block(&block);
        lines.events(&block, &mut |_, read| {
            let event = read.unwrap_or_else(|e| panic!("{}: {}: {line}", path.display(), e.name()));
            events.extend(event.map(|event| (line.clone(), event)));
        });
    }
    events
}

fn told(rules: &str, events: &[(String, Event)]) -> Vec<Detection> {
    let loading = read_rules(rules.as_bytes(), "test");
    assert_eq!(loading.refused, 0, "{:?}", loading.diagnostics);
    let (rules, said) = Rules::new(loading.rules);
    assert!(said.is_empty(), "{said:?}");
    let mut engine = Engine::new(Arc::new(rules), Options::archive(Timestamp::EPOCH));
    let mut found = Vec::new();
    for (nth, (line, event)) in events.iter().enumerate() {
        let mut event = event.clone();
        event.place.line = nth as u64 + 1;
        engine.observe(&event, line.as_bytes(), "case.log", &mut |detection| found.push(detection));
    }
    engine.finish(&mut |detection| found.push(detection));
    found.retain(|detection| detection.level > Level::Informational);
    found
}

#[test]
fn each_rule_holds_in_its_true_case_and_not_in_its_false_one() {
    let (mut rules_seen, mut techniques) = (0, BTreeSet::new());
    for pack in PACKS.iter().filter(|pack| OURS.contains(&pack.name)) {
        for (file, text) in pack.files {
            let case = |kind: &str| folder(pack.name).join(file.replace(".yml", &format!(".{kind}.jsonl")));
            let rules = read_rules(text.as_bytes(), file).rules;
            let wanted: BTreeSet<String> = rules
                .iter()
                // A rule with a name only serves the correlation that names it.
                .filter(|rule| rule.told && !rule.text.contains("\nname: "))
                .filter(|rule| rule.header.level > Level::Informational)
                .map(|rule| rule.header.id.clone())
                .collect();
            assert!(!wanted.is_empty(), "{file}");
            rules_seen += wanted.len();
            let found = told(text, &events(&case("true")));
            techniques.extend(found.iter().flat_map(|detection| detection.techniques.clone()));
            let ids: BTreeSet<String> = found.iter().map(|detection| detection.id.clone()).collect();
            assert_eq!(
                ids,
                wanted,
                "{} {file}: {:?}",
                pack.name,
                found.iter().map(|d| &d.title).collect::<Vec<_>>()
            );
            let lines = events(&case("false"));
            assert!(!lines.is_empty());
            // Each line is of a log that the rules look at, or the case would prove nothing.
            assert!(
                lines.iter().all(|(_, event)| !event.class.source.product.is_empty()),
                "{file}: {lines:?}"
            );
            let found = told(text, &lines);
            assert!(
                found.is_empty(),
                "{} {file}: {:?}",
                pack.name,
                found.iter().map(|d| &d.title).collect::<Vec<_>>()
            );
        }
    }
    assert!(rules_seen >= 25, "{rules_seen}");
    for technique in [
        "T1110.003",
        "T1110.004",
        "T1111",
        "T1114.002",
        "T1213.002",
        "T1556.001",
        "T1589.001",
        "T1074.002",
        "T1680",
        "T1070.001",
    ] {
        assert!(techniques.contains(technique), "no rule covers {technique}: {techniques:?}");
    }
}

#[test]
fn each_file_of_a_pack_ships() {
    for pack in PACKS.iter().filter(|pack| OURS.contains(&pack.name)) {
        let shipped: BTreeSet<String> = pack.files.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut there = BTreeSet::new();
        for entry in std::fs::read_dir(folder(pack.name)).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            there.extend(name.ends_with(".yml").then_some(name));
        }
        assert_eq!(shipped, there);
    }
}

#[test]
fn shipped_indicators_are_good_and_name_their_source() {
    for shipped in SHIPPED {
        let reading = shipped.read();
        assert_eq!(reading.diagnostics, [], "{}", shipped.pack);
        assert!(reading.refused == 0 && reading.taken >= 10);
        let set = PatternSet::build(reading.patterns);
        assert!(set.diagnostics().is_empty() && !set.is_empty());
        let bundle: Value = serde_json::from_slice(shipped.bundle()).unwrap();
        let objects = bundle["objects"].as_array().unwrap();
        let ids: BTreeSet<&str> = objects.iter().map(|object| object["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), objects.len());
        for object in objects {
            assert!(model::id::is_stix_id(object["id"].as_str().unwrap()));
            assert!(
                object["external_references"][0]["source_name"].as_str().is_some_and(|name| name.len() > 10)
            );
            assert_eq!(object["spec_version"], "2.1");
        }
    }
}

fn shipped_indicators() -> Vec<Indicator> {
    SHIPPED.iter().flat_map(|shipped| shipped.read().indicators).collect()
}

#[test]
fn each_published_value_is_found_and_shared_hosts_are_not() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/chimera/facts.csv");
    if !path.parent().unwrap().exists() {
        return skipped("packs::each_published_value", "no ../shared/data/chimera");
    }
    let set = IndicatorSet::build(shipped_indicators());
    let hits = |text: &str| {
        let mut hits = 0;
        Scanner::new(&set).scan_block(text.as_bytes(), 0, 1, &mut |_| hits += 1);
        hits
    };
    let facts = std::fs::read_to_string(path).unwrap();
    let mut seen = 0;
    for fact in facts.lines() {
        let mut cells = fact.split(',');
        let (kind, value) = (cells.nth(1).unwrap(), cells.next().unwrap());
        if matches!(kind, "md5" | "sha256" | "domain" | "domain-parent" | "ja3") {
            seen += 1;
            assert_eq!(hits(&format!("a {value} b\n")), 1, "{fact}");
        }
    }
    assert!(seen >= 17, "{seen}");
    assert_eq!(hits("rar a -m5 -hpfuckyou.google.com11 x.log\n"), 0, "the password is no name");
    for host in ["appspot.com", "other.appspot.com", "azureedge.net", "google.com", "notheketwe.com"] {
        assert_eq!(hits(&format!("a {host} b\n")), 0, "{host}");
    }
    assert_eq!(hits("a new.ussdns09.heketwe.com b\n"), 1);
    assert!(set_has(&set, "heketwe.com", Mode::WithSubdomains));
}

fn set_has(set: &IndicatorSet, value: &str, mode: Mode) -> bool {
    set.indicators().iter().any(|i| i.observable.display() == value && i.mode == mode)
}

#[test]
fn shipped_patterns_tell_a_malicious_place_from_the_right_one() {
    let patterns = SHIPPED.iter().flat_map(|shipped| shipped.read().patterns).collect();
    let set = PatternSet::build(patterns);
    let found = |fields: Value| {
        let Value::Object(fields) = fields else { panic!() };
        let event = Event { fields, time: Some(Timestamp::EPOCH), ..Event::default() };
        PatternRun::new(&set).event("f", "", &event).len()
    };
    for (fields, count) in [
        (json!({ "Image": "C:\\Users\\anna\\AppData\\Roaming\\GoogleUpdate.exe" }), 1),
        (json!({ "Image": "C:\\Program Files (x86)\\Google\\Update\\GoogleUpdate.exe" }), 0),
        (json!({ "TargetFilename": "C:\\Windows\\Temp\\RecordedTV.ms" }), 1),
        (json!({ "TargetFilename": "/data2/.bd.key/authd" }), 1),
        (json!({ "TargetFilename": "/usr/sbin/authd" }), 0),
        (json!({ "TargetFilename": "/data/etc/ld.so.preload" }), 1),
    ] {
        assert_eq!(found(fields.clone()), count, "{fields}");
    }
}

#[test]
fn the_shipped_handshake_is_dropped_only_where_it_is_legitimate() {
    let reading = SHIPPED.iter().find(|shipped| shipped.pack == "edge-device").unwrap().read();
    let ja3 = reading.indicators.iter().find(|i| i.observable.kind().name() == "ja3").unwrap();
    let list = |name: &str, network: &str| {
        let json = json!({ "name": name, "type": "cidr", "version": 1, "list": [network] }).to_string();
        hunt::confirm::warning::read_warning_list(json.as_bytes(), name).0.unwrap()
    };
    let lists = vec![
        list("own-fortigates", "192.0.2.1/32"),
        list("own-fortinet-devices", "192.0.2.9/32"),
        list("fortinet", "198.51.100.0/24"),
    ];
    let confirm = Confirm::new(reading.conditions.clone(), WarningLists::new(lists));
    let seen = |port: u16, destination: &str| {
        let fields = json!({ "id.orig_h": "192.0.2.1", "id.resp_h": destination, "id.resp_p": port, "ja3": ja3.observable.display() });
        let Value::Object(fields) = fields else { panic!() };
        let mut event = Event { fields, ..Event::default() };
        event.class.format = Format::Json;
        confirm.confirm(ja3, &ja3.observable.display(), &event).is_kept()
    };
    assert!(!seen(541, "192.0.2.9") && !seen(514, "198.51.100.7"));
    assert!(seen(443, "192.0.2.9") && seen(541, "203.0.113.5"));
}
