// SPDX-License-Identifier: Apache-2.0
//! Rules as a person keeps them: import, levels, switches, exceptions, counts; and what is refused.

use std::sync::Arc;

use hunt::detection::Level;
use hunt::event::{Format, SourceClass};
use hunt::limits::{
    RULE_BYTES_MAX, RULE_CONDITION_DEPTH_MAX, RULE_FILE_BYTES_MAX, RULE_NAME_BYTES_MAX, RULES_PER_FILE_MAX,
};
use hunt::rule::{
    Choice, Engine, Exception, ExceptionError, Options, PACKS, RuleCount, Rules, add_exception, chosen,
    counts, exceptions, import, pack_rules, put_counts, read_rules, remove_exception, switch,
};
use store::{Schema, Store};

use super::support::{engine, event, rules, run, source, time};

fn store() -> Store {
    Store::memory(Schema { views: Vec::new(), local: hunt::rule::TABLES.to_vec() }).unwrap()
}

fn rule(id: u32, level: &str) -> String {
    format!(
        "title: rule {id}\nid: 00000000-0000-4000-8000-{id:012}\nauthor: A. Uthor\nlevel: {level}\n\
         falsepositives: [a test]\ntags: [attack.t1110.003, attack.persistence]\n\
         logsource: {{product: test}}\ndetection: {{s: {{f: v{id}}}, condition: s}}\n"
    )
}

#[test]
fn a_match_names_author_licence_and_what_else_it_may_be() {
    let found = run(
        &mut engine(&format!("{}license: DRL 1.1\n", rule(1, "high"))),
        &[event(source("test", "", ""), r#"{"f": "V1"}"#)],
    );
    let one = &found[0];
    assert_eq!(one.credit, "A. Uthor (DRL 1.1)");
    assert_eq!((one.level, one.count, one.disproof.as_str()), (Level::High, 1, "a test"));
    assert_eq!(one.techniques, ["T1110.003"]);
    assert_eq!(one.evidence[0].place.line, 1);
}

#[test]
fn imports_add_up_and_levels_decide_what_runs() {
    let store = store();
    let text = [rule(1, "high"), rule(2, "medium"), rule(3, "critical")].join("---\n");
    let loading = read_rules(text.as_bytes(), "set.yml");
    let now = time("2026-03-01T00:00:00Z");
    let imported = store.local(|tx| import(tx, &loading.rules, "set", "DRL 1.1", now)).unwrap();
    assert_eq!((imported.added, imported.changed, imported.known), (3, 0, 0));
    let text = [rule(1, "high"), rule(2, "low")].join("---\n");
    let again = read_rules(text.as_bytes(), "set.yml");
    let imported = store.local(|tx| import(tx, &again.rules, "set", "DRL 1.1", now)).unwrap();
    assert_eq!((imported.added, imported.changed, imported.known), (0, 1, 1));

    let told = |choice: Choice| -> Vec<u32> {
        let chosen = store.read(|read| chosen(read, &choice, now)).unwrap();
        assert!(chosen.diagnostics.is_empty(), "{:?}", chosen.diagnostics);
        let imported = chosen.rules.iter().filter(|rule| rule.header.id.starts_with("00000000") && rule.told);
        imported.map(|rule| rule.header.id[24..].parse().unwrap()).collect()
    };
    assert_eq!(told(Choice::default()), [1, 3]);
    assert_eq!(told(Choice { min_level: Some(Level::Low), ..Choice::default() }), [1, 2, 3]);
    let id = |nr: u32| format!("00000000-0000-4000-8000-{nr:012}");
    store.local(|tx| switch(tx, &id(2), Some(true), now)).unwrap();
    store.local(|tx| switch(tx, &id(1), Some(false), now)).unwrap();
    assert_eq!(told(Choice::default()), [2, 3]);
    store.local(|tx| switch(tx, &id(1), None, now)).unwrap();
    assert_eq!(told(Choice::default()), [1, 2, 3]);
    let all = store.read(|read| chosen(read, &Choice::default(), now)).unwrap();
    let one = all.rules.iter().find(|rule| rule.header.id == id(1)).unwrap();
    assert_eq!(one.header.credit(), "A. Uthor (DRL 1.1)", "the licence of the set");
    let packs = all.rules.iter().filter(|rule| rule.told && !rule.header.id.starts_with("00000000")).count();
    assert!(packs > 0, "what ships runs beside it");
    let without = Choice { without_packs: true, ..Choice::default() };
    let all = store.read(|read| chosen(read, &without, now)).unwrap();
    assert!(all.rules.iter().filter(|rule| rule.told).all(|rule| rule.header.id.starts_with("00000000")));
}

#[test]
fn exceptions_have_a_reason_and_an_end() {
    let now = time("2026-03-01T00:00:00Z");
    let until = time("2026-04-01T00:00:00Z");
    let make = |rule: &str, conditions: &[&str], reason: &str, until| {
        let conditions: Vec<String> = conditions.iter().map(|c| (*c).to_owned()).collect();
        Exception::new(rule, &conditions, reason, until, "me", now)
    };
    assert_eq!(make("*", &[], "r", until), Err(ExceptionError::Everything));
    assert_eq!(make("x", &[], " ", until), Err(ExceptionError::Reason));
    assert_eq!(make("x", &[], "r", now), Err(ExceptionError::Ended));
    assert_eq!(make("x", &["user"], "r", until), Err(ExceptionError::Condition("user".to_owned())));
    let store = store();
    let exception =
        make("00000000-0000-4000-8000-000000000001", &["user=svc-*", "f=v1"], "a backup", until).unwrap();
    let nr = store.local(|tx| add_exception(tx, &exception, now)).unwrap().unwrap();
    let held = store.read(exceptions).unwrap();
    assert_eq!(held, [(nr, exception.clone())]);

    let log = [
        event(source("test", "", ""), r#"{"f": "v1", "user": "SVC-backup"}"#),
        event(source("test", "", ""), r#"{"f": "v1", "user": "anna"}"#),
        event(source("test", "", ""), r#"{"f": "v1"}"#),
    ];
    let set = Arc::new(rules(&rule(1, "high")));
    let run_at = |now| {
        let options = Options { exceptions: vec![exception.clone()], gather: false, ..Options::archive(now) };
        let mut engine = Engine::new(Arc::clone(&set), options);
        let found = run(&mut engine, &log);
        (found.len(), engine.take_counts())
    };
    let (found, counted) = run_at(now);
    assert_eq!((found, counted[0].matches, counted[0].excepted), (2, 2, 1));
    assert_eq!(run_at(until).0, 3, "it has ended");
    // Two logs, one of them hunted in twice.
    for log in [1, 2, 1] {
        store.local(|tx| put_counts(tx, log, &counted)).unwrap();
    }
    let all: Vec<RuleCount> = store.read(counts).unwrap();
    assert_eq!((all.len(), all[0].matches, all[0].excepted), (1, 4, 2));
    assert!(store.local(|tx| remove_exception(tx, nr)).unwrap());
    assert!(!store.local(|tx| remove_exception(tx, nr)).unwrap());
}

#[test]
fn bad_rules_are_refused_by_name_and_the_rest_goes_on() {
    let good = rule(1, "high");
    let cases = [
        (
            "title: A\nlogsource: {product: x}\ndetection: {s: {f|re: '(['}, condition: s}\n",
            "rule-refused",
            "`A`",
        ),
        (
            "title: B\nlogsource: {product: x}\ndetection: {s: {f|re: '(?:(?:a{1000}){1000}){1000}'}, condition: s}\n",
            "rule-refused",
            "`B`",
        ),
        (
            "title: C\nlogsource: {product: x}\ndetection: {s: {f: 1}, condition: s and t}\n",
            "rule-refused",
            "`t`",
        ),
        (
            "title: D\nlogsource: {product: x}\ndetection: {s: {f|nonsense: 1}, condition: s}\n",
            "rule-refused",
            "nonsense",
        ),
        ("title: E\n", "rule-refused", "detection"),
        ("title: [\n", "rule-refused", "YAML"),
        ("title: F\naction: global\n", "rule-action", "action"),
        (
            "title: G\ncorrelation: {type: event_count, rules: [a], timespan: 0s, condition: {gte: 1}}\n",
            "rule-refused",
            "0s",
        ),
        (
            "title: H\ncorrelation: {type: value_count, rules: [a], timespan: 1h, condition: {gte: 1}}\n",
            "rule-refused",
            "field",
        ),
        (
            "title: I\ncorrelation: {type: event_count, rules: [a], timespan: 1h, condition: a and b}\n",
            "rule-refused",
            "temporal",
        ),
    ];
    for (bad, code, says) in cases {
        let loading = read_rules(format!("{bad}---\n{good}").as_bytes(), "f.yml");
        assert_eq!((loading.rules.len(), loading.refused), (1, 1), "{bad}: {:?}", loading.diagnostics);
        let diagnostic = &loading.diagnostics[0];
        assert_eq!(diagnostic.code, code, "{bad}: {diagnostic}");
        assert!(diagnostic.message.contains(says), "{bad}: {diagnostic}");
        assert_eq!(diagnostic.place, "f.yml line 1");
        assert!(diagnostic.message.len() < 600);
    }
    let loading = read_rules(b"\xFF\xFEtitle", "f.yml");
    assert_eq!((loading.refused, loading.diagnostics[0].code), (1, "rule-not-text"));
    let twice = read_rules(format!("{good}---\n{good}").as_bytes(), "f.yml");
    assert_eq!((twice.rules.len(), twice.refused, twice.diagnostics[0].code), (1, 1, "rule-again"));
    assert_eq!(read_rules(b"# nothing\n---\n\n", "f.yml").refused, 0);
}

#[test]
fn limits_of_rules_at_and_over_their_edges() {
    let padded = |len: usize| {
        let text = rule(1, "high");
        format!("{text}# {}\n", "x".repeat(len - text.len() - 3))
    };
    assert_eq!(read_rules(padded(RULE_BYTES_MAX).as_bytes(), "f").rules.len(), 1);
    assert_eq!(read_rules(padded(RULE_BYTES_MAX + 1).as_bytes(), "f").diagnostics[0].code, "rule-too-long");
    let long = vec![b'#'; RULE_FILE_BYTES_MAX + 1];
    assert_eq!(read_rules(&long[..RULE_FILE_BYTES_MAX], "f").refused, 0, "a file of one comment");
    assert_eq!(read_rules(&long, "f").diagnostics[0].code, "rule-too-long");
    let many = "title: x\n---\n".repeat(RULES_PER_FILE_MAX + 1);
    let loading = read_rules(many.as_bytes(), "f");
    assert_eq!(loading.diagnostics.iter().filter(|d| d.code == "rules-too-many").count(), 1);
    let nested = |depth: usize| {
        let condition = format!("{}s{}", "(".repeat(depth), ")".repeat(depth));
        let text = format!(
            "title: N\nlogsource: {{product: x}}\ndetection:\n  s: {{f: 1}}\n  condition: '{condition}'\n"
        );
        read_rules(text.as_bytes(), "f")
    };
    assert_eq!(nested(RULE_CONDITION_DEPTH_MAX).rules.len(), 1);
    assert_eq!(nested(RULE_CONDITION_DEPTH_MAX + 1).diagnostics[0].code, "rule-condition");
    assert_eq!(nested(30_000).diagnostics[0].code, "rule-condition");
    let named =
        |len: usize| read_rules(format!("name: {}\n{}", "n".repeat(len), rule(1, "high")).as_bytes(), "f");
    assert_eq!(named(RULE_NAME_BYTES_MAX).rules.len(), 1);
    assert_eq!(named(RULE_NAME_BYTES_MAX + 1).diagnostics[0].code, "rule-id");
}

#[test]
fn correlations_without_their_rules_and_circles_are_told() {
    let text = "title: A\nid: aa\nname: a\ncorrelation: {type: event_count, rules: [b], timespan: 1h, condition: {gte: 1}}\n---\n\
                title: B\nid: bb\nname: b\ncorrelation: {type: event_count, rules: [a], timespan: 1h, condition: {gte: 1}}\n---\n\
                title: C\nid: cc\ncorrelation: {type: event_count, rules: [gone], timespan: 1h, condition: {gte: 1}}\n";
    let (set, said) = Rules::new(read_rules(text.as_bytes(), "f").rules);
    assert_eq!(set.size().correlations, 0);
    let codes: Vec<&str> = said.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["rule-unresolved", "rule-circle", "rule-unresolved"]);
}

#[test]
fn only_logs_with_rules_are_read_into_fields() {
    let set = rules(
        "title: T\nlogsource: {product: zeek, service: dns}\ndetection: {s: {query: x}, condition: s}\n",
    );
    let class = |source| SourceClass { format: Format::Json, source, ..SourceClass::default() };
    assert!(set.needs(&class(source("zeek", "", "dns"))));
    assert!(!set.needs(&class(source("zeek", "", "conn"))));
    assert!(!set.needs(&class(source("windows", "", ""))));
    let windows = rules(
        "title: T\nlogsource: {product: windows, service: system}\ndetection: {s: {EventID: 1}, condition: s}\n",
    );
    assert!(windows.needs(&class(source("windows", "", ""))), "the channel is told by the event");
}

#[test]
fn matches_about_one_subject_are_gathered() {
    let log: Vec<_> = (0..50)
        .map(|nth| {
            event(
                source("test", "", ""),
                &format!(r#"{{"f": "v1", "user": "u{}", "time": "2026-03-01T10:{nth:02}:00Z"}}"#, nth % 2),
            )
        })
        .collect();
    let found = run(&mut engine(&rule(1, "high")), &log);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].count, found[0].evidence.len()), (25, hunt::limits::EVIDENCE_LINES_MAX));
    assert_eq!(found[0].first, Some(time("2026-03-01T10:00:00Z")));
    assert_eq!(found[0].last, Some(time("2026-03-01T10:48:00Z")));
    assert_eq!(found[0].about, [("account", "u0".to_owned())]);
}

#[test]
fn packs_are_good_by_themselves() {
    for pack in PACKS {
        let (all, said) = pack_rules(pack);
        assert!(said.is_empty(), "{said:?}");
        let (_, said) = Rules::new(all.clone());
        assert!(said.is_empty(), "{said:?}");
        for rule in &all {
            let head = &rule.header;
            let told = head.level >= Level::Low;
            let says = !head.falsepositives.is_empty() || pack.name != "account-takeover";
            assert!(!told || says, "{}: what else may look like it?", head.title);
            assert!(!head.id.starts_with("sha256"), "{} has no id", head.title);
        }
    }
}
