// SPDX-License-Identifier: Apache-2.0
//! What must hold of rules whatever they are asked: the fast answer is the slow one; the order in which logs are
//! read, the number of threads and a restart in between change nothing.

use std::sync::Arc;

use hunt::detection::Detection;
use hunt::event::Event;
use hunt::rule::{CheckpointError, Engine, Options, Order, Rules};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::support::{engine, event, rules, source, time};

/// Texts that rules look for and events hold, near misses and odd cases among them.
const TEXTS: &[&str] = &[
    "",
    "a",
    "ab",
    "abc",
    "ABC",
    "xabcx",
    "abc\nabd",
    r"C:\Tools\abc.exe",
    r"\abc.exe",
    "abc*",
    "ünï abc",
    "ABCſ",
    "\u{212A}elvin",
    "kelvin",
    "ſmall",
    "small",
    "7",
    "7.0",
    "-7",
    "07",
    "true",
    "-abc",
    "/abc",
    "10.1.2.3",
    "é",
];

fn value() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(TEXTS).prop_map(Value::from);
    let other = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-8_i64..9).prop_map(Value::from),
        (-2.0_f64..8.0).prop_map(Value::from),
        text.clone(),
    ];
    prop_oneof![4 => text, 2 => other.clone(), 1 => prop::collection::vec(other, 0..3).prop_map(Value::from)]
}

fn fields() -> impl Strategy<Value = Map<String, Value>> {
    let name = prop::sample::select(&["f", "g", "h", "o.p", "m"][..]);
    prop::collection::vec((name, value()), 0..5)
        .prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A selection as YAML, which is JSON too.
fn selection() -> impl Strategy<Value = Value> {
    let modifiers = prop::sample::select(
        &[
            "",
            "|contains",
            "|startswith",
            "|endswith",
            "|contains|all",
            "|cased",
            "|re",
            "|re|i",
            "|windash|contains",
            "|cidr",
            "|gt",
            "|exists",
            "|neq",
            "|contains|cased",
        ][..],
    );
    let name = prop::sample::select(&["f", "g", "h", "o.p"][..]);
    let wild = prop::sample::select(&["a*c", "*abc", "?bc", "*.exe", r"C:\\*.exe", "k*n", "s*"][..]);
    let text = prop_oneof![3 => prop::sample::select(TEXTS), 1 => wild];
    let wanted = prop_oneof![4 => text.prop_map(Value::from), 1 => (-8_i64..9).prop_map(Value::from), 1 => Just(Value::Null)];
    let item =
        (name, modifiers, prop::collection::vec(wanted, 1..4)).prop_map(|(name, modifiers, values)| {
            let values: Value = match modifiers {
                "|exists" => json!(values.len() % 2 == 0),
                "|gt" => json!(values.len()),
                "|cidr" => json!("10.0.0.0/8"),
                "|re" | "|re|i" => json!(["abc", "k.l", "(?:ab|x)c", "^s"]),
                _ => Value::from(values),
            };
            (format!("{name}{modifiers}"), values)
        });
    let map = prop::collection::vec(item, 1..3)
        .prop_map(|items| Value::Object(items.into_iter().collect::<Map<String, Value>>()));
    let keywords = prop::collection::vec(prop::sample::select(&["abc", "a*c", "small", "kel"][..]), 1..3);
    prop_oneof![
        5 => map.clone(),
        2 => prop::collection::vec(map, 1..3).prop_map(Value::from),
        1 => keywords.prop_map(|all| json!(all)),
    ]
}

fn rule_text() -> impl Strategy<Value = String> {
    let condition = prop::sample::select(
        &[
            "a",
            "a and b",
            "a or b",
            "a and not b",
            "not a",
            "1 of them",
            "all of them",
            "2 of them",
            "(a or b) and not (a and b)",
        ][..],
    );
    (selection(), selection(), condition).prop_map(|(a, b, condition)| {
        let rule = json!({
            "title": "t", "logsource": {"product": "test"}, "detection": {"a": a, "b": b, "condition": condition},
        });
        rule.to_string()
    })
}

fn told(engine: &mut Engine, event: &Event) -> Vec<String> {
    let mut ids = Vec::new();
    engine.observe(event, b"", "log", &mut |detection| ids.push(detection.id));
    ids.sort();
    ids
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_prefilter_loses_nothing(
        texts in prop::collection::vec(rule_text(), 1..8),
        events in prop::collection::vec(fields(), 1..8),
    ) {
        let loaded = texts.iter().flat_map(|text| hunt::rule::read_rules(text.as_bytes(), "t").rules);
        let set = Arc::new(Rules::new(loaded.collect()).0);
        let options = Options { gather: false, ..Options::archive(time("2026-06-01T00:00:00Z")) };
        let mut engine = Engine::new(Arc::clone(&set), options);
        for fields in events {
            let mut event = event(source("test", "", ""), "{}");
            event.fields = fields;
            let mut asked = set.ask_all(&event, b"");
            asked.sort();
            prop_assert_eq!(told(&mut engine, &event), asked);
        }
    }
}

const COUNTING: &str = "
title: login
name: login
logsource: {product: test}
detection: {s: {e: login}, condition: s}
---
title: change
name: change
logsource: {product: test}
detection: {s: {e: change}, condition: s}
---
title: Three users
name: three
correlation: {type: value_count, rules: [login], group-by: [ip], timespan: 10m, condition: {gte: 3, field: user}}
---
title: Login, then change
correlation: {type: temporal_ordered, rules: [login, change], group-by: [user], timespan: 5m}
---
title: Three users, then change
correlation: {type: temporal_ordered, rules: [three, change], group-by: [ip], timespan: 1h, generate: true}
---
title: Median
correlation: {type: value_median, rules: [login], group-by: [ip], timespan: 10m, condition: {gt: 5, field: n}}
";

fn log() -> impl Strategy<Value = Vec<Vec<Event>>> {
    let line = (0..3_600_u32, any::<bool>(), 0..5_u8, 0..2_u8, 0..10_u8).prop_map(|(at, login, user, ip, n)| {
        let text = json!({
            "time": format!("2026-03-01T10:{:02}:{:02}Z", at / 60, at % 60), "e": if login { "login" } else { "change" },
            "user": format!("u{user}"), "ip": format!("192.0.2.{ip}"), "n": n,
        });
        event(source("test", "", ""), &text.to_string())
    });
    prop::collection::vec(prop::collection::vec(line, 1..25), 1..4)
}

fn observe_file(engine: &mut Engine, nth: usize, events: &[Event], found: &mut Vec<Detection>) {
    for (line, event) in events.iter().enumerate() {
        let mut event = event.clone();
        event.place.line = line as u64 + 1;
        engine.observe(&event, b"a line", &format!("{nth}.log"), &mut |detection| found.push(detection));
    }
    engine.end_file(&mut |detection| found.push(detection));
}

fn finished(mut engine: Engine, mut found: Vec<Detection>) -> Vec<String> {
    engine.finish(&mut |detection| found.push(detection));
    let mut all: Vec<String> = found.iter().map(|detection| format!("{detection:?}")).collect();
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn order_threads_and_restarts_change_nothing(files in log(), cut in 0..4_usize) {
        let (mut one, mut found) = (engine(COUNTING), Vec::new());
        for (nth, events) in files.iter().enumerate() {
            observe_file(&mut one, nth, events, &mut found);
        }
        let expected = finished(one, found);

        let (mut main, mut found) = (engine(COUNTING), Vec::new());
        let mut workers: Vec<Engine> = files.iter().map(|_| main.worker()).collect();
        for (nth, events) in files.iter().enumerate().rev() {
            observe_file(&mut workers[nth], nth, events, &mut found);
            main.absorb(&mut workers[nth], &mut |detection| found.push(detection));
        }
        prop_assert_eq!(&finished(main, found), &expected, "by workers, last file first");

        let (mut before, mut found) = (engine(COUNTING), Vec::new());
        for (nth, events) in files.iter().enumerate() {
            if nth == cut {
                let state = before.checkpoint();
                before = engine(COUNTING);
                before.restore(&state).unwrap();
                prop_assert_eq!(before.checkpoint(), state);
            }
            observe_file(&mut before, nth, events, &mut found);
        }
        prop_assert_eq!(&finished(before, found), &expected, "after a restart");
    }

    #[test]
    fn a_live_log_tells_the_same_bursts(files in log()) {
        let mut events: Vec<Event> = files.concat();
        events.sort_by_key(|event| event.time);
        let begun = |order: Order| {
            let options = Options { order, ..Options::archive(time("2026-06-01T00:00:00Z")) };
            let (mut engine, mut found) = (Engine::new(Arc::new(rules(COUNTING)), options), Vec::new());
            observe_file(&mut engine, 0, &events, &mut found);
            engine.finish(&mut |detection| found.push(detection));
            let mut all: Vec<_> = found.into_iter().map(|d| (d.id, d.about, d.first)).collect();
            all.sort();
            all
        };
        prop_assert_eq!(begun(Order::Live { lateness_micros: 30_000_000 }), begun(Order::Archive));
    }
}

#[test]
fn a_live_log_counts_what_is_late() {
    let options = Options {
        order: Order::Live { lateness_micros: 60_000_000 },
        ..Options::archive(time("2026-06-01T00:00:00Z"))
    };
    let mut engine = Engine::new(Arc::new(rules(COUNTING)), options);
    let at = |clock: &str, user: &str| {
        let text = json!({"time": format!("2026-03-01T{clock}Z"), "e": "login", "user": user, "ip": "192.0.2.1", "n": 1});
        event(source("test", "", ""), &text.to_string())
    };
    let mut found = Vec::new();
    let lines = [at("10:00:00", "a"), at("10:05:00", "b"), at("10:04:30", "c"), at("10:00:00", "d")];
    observe_file(&mut engine, 0, &lines, &mut found);
    let summary = engine.finish(&mut |detection| found.push(detection));
    assert_eq!(found.len(), 1, "the line of 10:04:30 came in time");
    // Of each of the three correlations that count logins.
    assert_eq!(summary.lost.late, 3, "that of 10:00:00 did not");
}

fn login(clock: &str, user: &str) -> Event {
    let text = json!({"time": format!("2026-03-01T{clock}Z"), "e": "login", "user": user, "ip": "192.0.2.1", "n": 1});
    event(source("test", "", ""), &text.to_string())
}

/// A live log that falls silent does not keep what it showed to itself.
#[test]
fn a_silent_live_log_tells_what_waits() {
    let options = Options {
        order: Order::Live { lateness_micros: 60_000_000 },
        ..Options::archive(time("2026-06-01T00:00:00Z"))
    };
    let (mut engine, mut found) = (Engine::new(Arc::new(rules(COUNTING)), options), Vec::new());
    let lines = [login("10:00:00", "a"), login("10:00:20", "b"), login("10:00:10", "c")];
    observe_file(&mut engine, 0, &lines, &mut found);
    assert!(found.is_empty() && engine.waiting() > 0, "others may come out of order");
    engine.settle(&mut |detection| found.push(detection));
    assert_eq!((found.len(), engine.waiting()), (1, 0));
    observe_file(&mut engine, 0, &[login("10:00:30", "d")], &mut found);
    assert_eq!(engine.finish(&mut |detection| found.push(detection)).lost.late, 0);
    assert_eq!(found.len(), 1, "the burst that goes on is told");
}

/// One line from a clock that was ahead made all that followed late: correlations saw nothing more.
#[test]
fn a_line_from_the_future_does_not_blind_a_live_log() {
    let options = Options {
        order: Order::Live { lateness_micros: 60_000_000 },
        ..Options::archive(time("2026-03-01T10:00:00Z"))
    };
    let (mut engine, mut found) = (Engine::new(Arc::new(rules(COUNTING)), options), Vec::new());
    observe_file(&mut engine, 0, &[login("23:00:00", "ahead")], &mut found);
    assert!(engine.ahead() > 0, "it can be told");
    engine.settle(&mut |detection| found.push(detection));
    assert!(engine.waiting() > 0, "its time has not come");
    engine.time_is(time("2026-03-01T10:05:00Z"));
    let lines =
        [login("10:00:00", "a"), login("10:00:10", "b"), login("10:00:20", "c"), login("10:04:00", "d")];
    observe_file(&mut engine, 0, &lines, &mut found);
    assert_eq!((found.len(), engine.summary().lost.late), (1, 0), "the burst is told");
    let waiting = engine.waiting();
    engine.time_is(time("2026-03-01T23:01:00Z"));
    engine.settle(&mut |detection| found.push(detection));
    assert!(waiting > 0 && engine.waiting() == 0, "its time has come");
    assert_eq!(engine.finish(&mut |detection| found.push(detection)).lost.late, 0);
}

/// What is followed counts together with what was in the files, also where one of their lines is ahead of time.
#[test]
fn a_live_log_goes_on_with_what_files_held() {
    let (mut files, mut found) = (engine(COUNTING), Vec::new());
    let mut lines = vec![login("10:00:00", "a"), login("10:01:00", "b")];
    lines.push(event(
        source("test", "", ""),
        r#"{"time": "2037-01-01T00:00:00Z", "e": "login", "user": "x", "ip": "192.0.2.9"}"#,
    ));
    observe_file(&mut files, 0, &lines, &mut found);
    let (since, now) = (time("2026-03-01T10:00:30Z"), time("2026-03-01T10:02:00Z"));
    let order = Order::Live { lateness_micros: 60_000_000 };
    let mut live = files.hand_on(since, now, order, &mut |detection| found.push(detection));
    files.finish(&mut |detection| found.push(detection));
    assert!(found.is_empty());
    observe_file(&mut live, 1, &[login("10:03:00", "c")], &mut found);
    assert_eq!(live.finish(&mut |detection| found.push(detection)).lost.late, 0);
    assert_eq!(found.len(), 1, "two in the file, one while it is followed");
}

#[test]
fn a_checkpoint_of_other_rules_or_with_a_fault_is_refused() {
    let one = engine(COUNTING);
    let state = one.checkpoint();
    let mut other = engine(&COUNTING.replace("timespan: 5m", "timespan: 6m"));
    assert_eq!(other.restore(&state), Err(CheckpointError::OtherRules));
    let mut same = engine(COUNTING);
    assert_eq!(same.restore(b"PLDRUL00"), Err(CheckpointError::Unreadable));
    let (mut with_hits, mut found) = (engine(COUNTING), Vec::new());
    let line = json!({"time": "2026-03-01T10:00:00Z", "e": "login", "user": "a", "ip": "192.0.2.1", "n": 1});
    observe_file(&mut with_hits, 0, &[event(source("test", "", ""), &line.to_string())], &mut found);
    let state = with_hits.checkpoint();
    for len in 0..state.len() {
        assert!(same.restore(&state[..len]).is_err(), "cut at {len}");
    }
    assert_eq!(same.restore(&[&state[..], b"x"].concat()), Err(CheckpointError::Unreadable));
    same.restore(&state).unwrap();
}
