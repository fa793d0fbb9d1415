// SPDX-License-Identifier: Apache-2.0
//! The gate: every rule of SigmaHQ loads, and every regression case matches, from the JSON and from the EVTX.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, LazyLock};

use hunt::event::Reader;
use hunt::reader::Source;
use hunt::rule::{Engine, Options, Order, Rule, Rules, read_rules};
use hunt::time::Clock;
use model::time::Timestamp;

use super::support::shared;

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

/// The ids of the rules that match in a log that is read as a hunt reads it.
fn told(engine: &mut Engine, name: &str, log: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut source = Source::new(log, name);
    let mut reader: Option<Reader> = None;
    while let Some(block) = source.next_block(Vec::new()) {
        let made_from = source.made_from();
        let reader = reader.get_or_insert_with(|| {
            let reader = Reader::new(&block.bytes, name, Clock::default());
            made_from.map_or_else(|| reader.clone(), |format| reader.clone().made_from(format))
        });
        reader.block(&block).events(&block, &mut |line, read| {
            if let Some(event) = read.unwrap_or_else(|unread| panic!("{name}: {}", unread.name())) {
                engine.observe(&event, line, name, &mut |detection| found.push(detection.id));
            }
        });
    }
    assert!(source.finish().whole, "{name}");
    found
}

fn checked(log_of: impl Fn(&Case) -> Vec<u8>) {
    let (Some(rules), Some(cases)) = (&*RULES, cases()) else { return };
    assert_eq!(cases.len(), 116);
    let options =
        Options { order: Order::Archive, gather: false, exceptions: Vec::new(), now: Timestamp::EPOCH };
    let mut engine = Engine::new(Arc::new(Rules::new(rules.clone()).0), options);
    let mut failed = Vec::new();
    for case in &cases {
        let found = told(&mut engine, &case.name, &log_of(case));
        if !found.contains(&case.rule) {
            failed.push(format!("{}: rule {} is not among {found:?}", case.name, case.rule));
        }
    }
    assert!(failed.is_empty(), "{} of {} cases fail:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

#[test]
fn all_cases_match_from_json() {
    checked(|case| {
        // The cases are printed over many lines; a log has one event a line.
        let text = case.json.as_deref().expect("each case has its event as JSON");
        let events = serde_json::Deserializer::from_slice(text).into_iter::<serde_json::Value>();
        events.map(|event| format!("{}\n", event.unwrap())).collect::<String>().into_bytes()
    });
}

#[test]
fn all_cases_match_from_evtx() {
    checked(|case| case.evtx.clone().expect("each case has its event as EVTX"));
}
