// SPDX-License-Identifier: Apache-2.0
//! What the tests of rules share.

use std::sync::Arc;

use hunt::detection::Detection;
use hunt::event::{Event, Format, LogSource, SourceClass};
use hunt::rule::{Engine, Options, Rules, read_rules};
use model::time::Timestamp;
use serde_json::{Map, Value};

use crate::support::skipped;

/// Rules that must all be good, put together.
pub fn rules(text: &str) -> Rules {
    let loading = read_rules(text.as_bytes(), "test");
    assert_eq!(loading.refused, 0, "{:?}", loading.diagnostics);
    let (rules, said) = Rules::new(loading.rules);
    assert!(said.is_empty(), "{said:?}");
    rules
}

/// An engine for an archive over such rules.
pub fn engine(text: &str) -> Engine {
    Engine::new(Arc::new(rules(text)), Options::archive(time("2026-06-01T00:00:00Z")))
}

/// A time.
pub fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// An event of a log source, from JSON; its time is the field `time`.
pub fn event(source: LogSource, json: &str) -> Event {
    let fields: Map<String, Value> = serde_json::from_str(json).unwrap();
    let time = fields.get("time").and_then(Value::as_str).map(time);
    Event {
        time,
        class: SourceClass { format: Format::Json, source, ..SourceClass::default() },
        fields,
        ..Event::default()
    }
}

/// What an engine tells of events that are observed in this order, all in one file.
pub fn run(engine: &mut Engine, events: &[Event]) -> Vec<Detection> {
    let mut found = Vec::new();
    for (nth, event) in events.iter().enumerate() {
        let mut event = event.clone();
        event.place.line = nth as u64 + 1;
        let line = Value::Object(event.fields.clone()).to_string();
        engine.observe(&event, line.as_bytes(), "log.json", &mut |detection| found.push(detection));
    }
    engine.finish(&mut |detection| found.push(detection));
    found
}

/// A log source of its parts.
pub fn source(product: &'static str, category: &'static str, service: &'static str) -> LogSource {
    LogSource { product, category, service }
}

/// Data that are too large for the repository; without them a test says that it was skipped.
pub fn shared(name: &str, test: &str) -> Option<std::path::PathBuf> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !folder.is_dir() {
        skipped(test, "no ../shared/data beside the clone");
        return None;
    }
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing from ../shared", path.display());
    Some(path)
}
