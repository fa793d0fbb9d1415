// SPDX-License-Identifier: Apache-2.0
//! The gate: every rule of SigmaHQ loads, and every regression case matches, from the JSON and from the EVTX.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, LazyLock};

use hunt::event::{Event, Format, SourceClass};
use hunt::rule::{Engine, Options, Order, Rule, Rules, read_rules};
use model::time::Timestamp;
use serde_json::{Map, Value};

use super::support::{shared, source};

/// Files of a packed archive by name.
fn unpacked(path: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let file = std::fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).unwrap());
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.insert(name, bytes);
        }
    }
    files
}

/// SigmaHQ's rules; tests share them, as they take a while to compile without optimisation.
static RULES: LazyLock<Option<Vec<Rule>>> = LazyLock::new(|| {
    let path = shared("sigma/rules.tar.zst", "sigma")?;
    let mut all = Vec::new();
    for (name, bytes) in unpacked(&path).iter().filter(|(name, _)| name.ends_with(".yml")) {
        let loading = read_rules(bytes, name);
        assert_eq!(loading.refused, 0, "{:?}", loading.diagnostics);
        all.extend(loading.rules);
    }
    Some(all)
});

#[test]
fn all_rules_load() {
    let Some(all) = &*RULES else { return };
    assert_eq!(all.len(), 3_754);
    let (rules, said) = Rules::new(all.clone());
    assert!(said.is_empty(), "{said:?}");
    assert_eq!(rules.size().rules, 3_754);
    let unnamed: Vec<_> = all.iter().filter(|rule| rule.header.credit().is_empty()).collect();
    assert!(unnamed.is_empty(), "each match must name its author: {unnamed:?}");
}

/// A case: the id of its rule, and its files.
struct Case {
    name: String,
    rule: String,
    json: Option<Vec<u8>>,
    evtx: Option<Vec<u8>>,
}

fn cases() -> Option<Vec<Case>> {
    let files = unpacked(&shared("sigma/regression-a.tar.zst", "sigma")?);
    let mut cases = Vec::new();
    for (name, info) in files.iter().filter(|(name, _)| name.ends_with("/info.yml")) {
        let folder = name.trim_end_matches("info.yml");
        let info = String::from_utf8(info.clone()).unwrap();
        let metadata = info.split_once("rule_metadata:").unwrap().1;
        let rule = metadata.split_once("- id: ").unwrap().1.lines().next().unwrap().trim().to_owned();
        let of = |extension: &str| {
            let found = files.iter().find(|(name, _)| name.starts_with(folder) && name.ends_with(extension));
            found.map(|(_, bytes)| bytes.clone())
        };
        cases.push(Case { name: folder.to_owned(), rule, json: of(".json"), evtx: of(".evtx") });
    }
    Some(cases)
}

/// An event as its reader flattens it, in as far as the cases need it.
fn flattened(record: &Value) -> Event {
    fn lift(name: &str, value: &Value, into: &mut Map<String, Value>) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    match key.as_str() {
                        "#attributes" => {
                            for (attribute, value) in value.as_object().unwrap() {
                                into.insert(format!("{name}_{attribute}"), value.clone());
                            }
                        }
                        "#text" => {
                            into.insert(name.to_owned(), value.clone());
                        }
                        key => lift(key, value, into),
                    }
                }
            }
            value => {
                into.insert(name.to_owned(), value.clone());
                if name.contains(' ') {
                    into.insert(name.replace(' ', ""), value.clone());
                }
            }
        }
    }
    let mut fields = Map::new();
    let event = record.get("Event").unwrap_or(record);
    for (part, value) in event.as_object().unwrap() {
        if !part.starts_with('#') {
            lift(part, value, &mut fields);
        }
    }
    let class =
        SourceClass { format: Format::Evtx, source: source("windows", "", ""), ..SourceClass::default() };
    Event { class, fields, ..Event::default() }
}

fn fails(engine: &mut Engine, case: &Case, records: &[Value]) -> Option<String> {
    let mut found = Vec::new();
    for record in records {
        engine.observe(&flattened(record), b"", &case.name, &mut |detection| found.push(detection.id));
    }
    (!found.contains(&case.rule)).then(|| format!("{}: rule {} is not among {found:?}", case.name, case.rule))
}

fn checked(records_of: impl Fn(&Case) -> Vec<Value>) {
    let (Some(rules), Some(cases)) = (&*RULES, cases()) else { return };
    assert_eq!(cases.len(), 116);
    let options =
        Options { order: Order::Archive, gather: false, exceptions: Vec::new(), now: Timestamp::EPOCH };
    let mut engine = Engine::new(Arc::new(Rules::new(rules.clone()).0), options);
    let failed: Vec<String> =
        cases.iter().filter_map(|case| fails(&mut engine, case, &records_of(case))).collect();
    assert!(failed.is_empty(), "{} of {} cases fail:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

#[test]
fn all_cases_match_from_json() {
    checked(|case| {
        let text = case.json.as_deref().expect("each case has its event as JSON");
        serde_json::Deserializer::from_slice(text).into_iter().map(Result::unwrap).collect()
    });
}

#[test]
fn all_cases_match_from_evtx() {
    checked(|case| {
        let bytes = case.evtx.clone().expect("each case has its event as EVTX");
        let mut parser = evtx::EvtxParser::from_buffer(bytes).unwrap();
        parser.records_json_value().map(|record| record.unwrap().data).collect()
    });
}
