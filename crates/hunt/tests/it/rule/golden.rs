// SPDX-License-Identifier: Apache-2.0
//! Rules as Markdown: prose, rules, events and what is told, in one file that an analyst can review.

use std::collections::BTreeMap;
use std::sync::Arc;

use hunt::event::Event;
use hunt::rule::{Engine, Options};

use super::support::{event, rules, run, source, time};

#[derive(Default)]
struct Section {
    name: String,
    rules: String,
    events: Vec<Event>,
    told: Vec<String>,
}

fn sections(text: &'static str) -> Vec<Section> {
    let mut all: Vec<Section> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("## ") {
            all.push(Section { name: name.to_owned(), ..Section::default() });
        }
        let (Some(info), Some(section)) = (line.strip_prefix("```"), all.last_mut()) else { continue };
        let block: Vec<&'static str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
        match info.split_once(' ').unwrap_or((info, "")) {
            ("yaml", _) => section.rules = block.join("\n"),
            ("told", _) => section.told = block.iter().map(|line| (*line).to_owned()).collect(),
            ("jsonl", of) => {
                let parts: Vec<&'static str> = of.split('/').collect();
                let [product, category, service] = parts[..] else {
                    panic!("`{of}` is not product/category/service")
                };
                section
                    .events
                    .extend(block.iter().map(|line| event(source(product, category, service), line)));
            }
            (other, _) => panic!("a block of `{other}`"),
        }
    }
    all
}

fn check(text: &'static str) {
    for section in sections(text) {
        let options = Options { gather: false, ..Options::archive(time("2026-06-01T00:00:00Z")) };
        let mut engine = Engine::new(Arc::new(rules(&section.rules)), options);
        let found = run(&mut engine, &section.events);
        // Matches of single events are put together by rule, correlations stand for themselves.
        let mut single: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut told = Vec::new();
        for detection in &found {
            let lines: Vec<String> = detection.evidence.iter().map(|e| e.place.line.to_string()).collect();
            if detection.threshold == "one event" {
                single.entry(&detection.title).or_default().extend(lines);
            } else {
                told.push(format!("{}: {}", detection.title, lines.join(" ")));
            }
        }
        told.extend(single.iter().map(|(title, lines)| format!("{title}: {}", lines.join(" "))));
        let mut wanted = section.told.clone();
        wanted.sort();
        told.sort();
        assert_eq!(told, wanted, "section `{}`", section.name);
    }
}

#[test]
fn modifiers() {
    check(include_str!("../../golden/rules/modifiers.md"));
}

#[test]
fn conditions() {
    check(include_str!("../../golden/rules/conditions.md"));
}

#[test]
fn routing() {
    check(include_str!("../../golden/rules/routing.md"));
}

#[test]
fn correlations() {
    check(include_str!("../../golden/rules/correlations.md"));
}
