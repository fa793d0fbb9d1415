// SPDX-License-Identifier: Apache-2.0
//! From a match to a finding: fields, validity, warning lists, conditions, the hit-rate cap.

use hunt::confirm::condition::Condition;
use hunt::confirm::rate::HitRate;
use hunt::confirm::warning::{WarningLists, read_warning_list};
use hunt::confirm::{Confirm, Verdict};
use hunt::event::{Event, Format};
use hunt::indicator::{Indicator, Mode};
use hunt::limits::{CONDITIONS_MAX, HIT_RATE_LINES_MIN, WARNING_LIST_BYTES_MAX, WARNING_LIST_ENTRIES_MAX};
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;
use proptest::prelude::ProptestConfig;
use serde_json::{Value, json};

use crate::support::skipped;

const JA3: &str = "339f6adf54e6076d069dcaac54fddc25";
const SHA256: &str = "66f13964c87fc6fe093a9d8cc0de0bf2b3bdaea9564210283fdb97a1dde9893b";

fn indicator(kind: ObservableKind, value: &str) -> Indicator {
    Indicator {
        id: "indicator--1".to_owned(),
        observable: Observable::parse(kind, value).unwrap(),
        mode: Mode::Exact,
        name: String::new(),
        valid_from: None,
        valid_until: None,
    }
}

fn event(fields: Value) -> Event {
    let Value::Object(fields) = fields else { panic!("{fields}") };
    let mut event = Event { fields, time: Timestamp::parse("2024-02-06T09:00:00Z").ok(), ..Event::default() };
    event.class.format = Format::Json;
    event
}

fn list(json: Value, name: &str) -> hunt::confirm::warning::WarningList {
    let (list, diagnostics) = read_warning_list(json.to_string().as_bytes(), name);
    assert_eq!(diagnostics, []);
    list.unwrap()
}

fn confirm(confirm: &Confirm, indicator: &Indicator, event: &Event) -> Verdict {
    confirm.confirm(indicator, &indicator.observable.display(), event)
}

#[test]
fn a_value_counts_in_a_field_of_its_kind() {
    let plain = Confirm::default();
    for (kind, value, fields, kept) in [
        (ObservableKind::Sha256, SHA256, json!({ "sha256": SHA256 }), true),
        (
            ObservableKind::Sha256,
            SHA256,
            json!({ "Hashes": format!("MD5={JA3},SHA256={}", SHA256.to_uppercase()) }),
            true,
        ),
        (ObservableKind::Sha256, SHA256, json!({ "session_id": SHA256 }), false),
        (ObservableKind::Sha256, SHA256, json!({ "url": format!("https://scan.example/{SHA256}") }), false),
        (
            ObservableKind::Sha256,
            SHA256,
            json!({ "session_id": SHA256, "file": { "hash": { "sha256": SHA256 } } }),
            true,
        ),
        (ObservableKind::Sha256, SHA256, json!({ "message": format!("quarantined {SHA256}") }), true),
        (ObservableKind::Md5, JA3, json!({ "ja3": JA3 }), false),
        (ObservableKind::Md5, JA3, json!({ "tls": { "ja3": { "hash": JA3 } } }), false),
        (ObservableKind::Md5, JA3, json!({ "Hashes": format!("SHA1=00,IMPHASH={JA3}") }), false),
        (ObservableKind::Md5, JA3, json!({ "Hashes": format!("MD5={JA3},IMPHASH={JA3}") }), true),
        (ObservableKind::Ja3, JA3, json!({ "ja3": JA3 }), true),
        (ObservableKind::Ja3, JA3, json!({ "tls": { "ja3": { "hash": JA3 } } }), true),
        (ObservableKind::Ja3, JA3, json!({ "ja3s": JA3 }), false),
        (ObservableKind::Ja3, JA3, json!({ "md5": JA3 }), false),
        (ObservableKind::Ip, "203.0.113.7", json!({ "url": "http://203.0.113.7/" }), true),
    ] {
        let verdict = confirm(&plain, &indicator(kind, value), &event(fields.clone()));
        assert_eq!(verdict.is_kept(), kept, "{kind} in {fields}: {}", verdict.reason());
    }
    let text = Event::default();
    assert_eq!(
        confirm(&plain, &indicator(ObservableKind::Md5, JA3), &text),
        Verdict::Keep("the line was not read into fields".to_owned())
    );
}

#[test]
fn the_time_of_an_indicator_counts() {
    let mut indicator = indicator(ObservableKind::Ip, "203.0.113.7");
    let event = event(json!({ "src": "203.0.113.7" }));
    indicator.valid_until = event.time;
    let verdict = confirm(&Confirm::default(), &indicator, &event);
    assert_eq!(verdict.reason(), "the indicator ceased to hold at 2024-02-06T09:00:00.000000Z");
    indicator.valid_until = Timestamp::parse("2024-02-06T09:00:00.000001Z").ok();
    indicator.valid_from = indicator.valid_until;
    let verdict = confirm(&Confirm::default(), &indicator, &event);
    assert!(
        verdict.is_kept() && verdict.reason().contains("is from before"),
        "a trace from before is a find"
    );
}

/// The JA3 of the FortiGate implant, with the condition that its publishers give.
fn model_case() -> Vec<Condition> {
    let condition = json!({
        "pattern": "[network-traffic:dst_port IN (541, 514)]", "source_in": ["own-fortigates"],
        "destination_in": ["fortinet"], "reason": "a FortiGate sends its logs with the same handshake",
    });
    vec![Condition::from_json(&condition, "indicator--1").unwrap()]
}

#[test]
fn the_model_case_of_a_condition() {
    let lists = || {
        WarningLists::new(vec![
            list(
                json!({ "name": "our FortiGates", "type": "cidr", "version": 1, "list": ["192.0.2.0/28"] }),
                "own-fortigates",
            ),
            list(
                json!({ "name": "vendor", "type": "cidr", "version": 1, "list": ["198.51.100.0/24", "192.0.2.200"] }),
                "fortinet",
            ),
        ])
    };
    let with_lists = Confirm::new(model_case(), lists());
    let without = Confirm::new(model_case(), WarningLists::default());
    let seen = |source: &str, port: u16, destination: &str| {
        event(
            json!({ "src_ip": source, "dest_ip": destination, "dest_port": port, "tls": { "ja3": { "hash": JA3 } } }),
        )
    };
    let ja3 = indicator(ObservableKind::Ja3, JA3);
    for (source, port, destination, kept) in [
        ("192.0.2.1", 541, "198.51.100.9", false),
        ("192.0.2.1", 514, "192.0.2.200", false),
        ("192.0.2.1", 443, "198.51.100.9", true),
        ("192.0.2.1", 541, "203.0.113.9", true),
        ("192.0.2.99", 541, "198.51.100.9", true),
    ] {
        let verdict = confirm(&with_lists, &ja3, &seen(source, port, destination));
        assert_eq!(verdict.is_kept(), kept, "{source} to {destination}:{port}: {}", verdict.reason());
    }
    let open = confirm(&without, &ja3, &seen("192.0.2.1", 541, "198.51.100.9"));
    assert!(open.is_kept(), "what cannot be judged stays");
    assert!(
        open.reason().contains("could be legitimate")
            && open.reason().contains("`own-fortigates` and `fortinet`"),
        "{}",
        open.reason()
    );
    let other = confirm(&without, &ja3, &seen("192.0.2.1", 443, "198.51.100.9"));
    assert_eq!(other.reason(), "field `tls.ja3.hash` holds it");
}

#[test]
fn a_condition_that_is_not_understood_excuses_nothing() {
    for (condition, error) in [
        (json!("x"), "it is no object"),
        (json!({ "reason": "because" }), "it asks for nothing"),
        (json!({ "pattern": "[a:b = 1]", "only_if": 1 }), "`only_if` is not known"),
        (json!({ "pattern": "[a:b = 1] AND [a:b = 2]" }), "its pattern asks for more than one observation"),
        (json!({ "source_in": [1] }), "source_in holds other than names of lists"),
    ] {
        assert_eq!(Condition::from_json(&condition, "i").unwrap_err(), error);
    }
    let object = json!({
        "type": "indicator", "id": "indicator--1", "pattern_type": "stix", "pattern": "[ipv4-addr:value = '203.0.113.7']",
        "x_polder_legitimate": [{ "pattern": "[a:b" }, { "source_in": ["x"], "reason": "r" }],
    });
    let reading = hunt::standard::read_object(object.to_string().as_bytes());
    assert_eq!((reading.indicators.len(), reading.conditions.len()), (1, 1));
    assert_eq!(reading.diagnostics[0].code, "condition-not-understood");
    let conditions = |n: usize| {
        let one = json!({ "source_in": ["x"], "reason": "r" });
        let object = json!({ "x_polder_legitimate": vec![one; n] });
        let (read, said) = hunt::confirm::condition::read_conditions(&object, "i");
        (read.len(), said.len())
    };
    assert_eq!(conditions(CONDITIONS_MAX), (CONDITIONS_MAX, 0));
    assert_eq!(conditions(CONDITIONS_MAX + 1), (CONDITIONS_MAX, 1));
    let condition = &reading.conditions[0];
    assert_eq!(Condition::from_json(&condition.to_json(), &condition.indicator).as_ref(), Ok(condition));
}

#[test]
fn warning_lists_of_each_type() {
    let domains = json!(["domain", "hostname", "url", "email-src"]);
    let of = |kind: &str, entries: Value, attributes: &Value| {
        WarningLists::new(vec![list(
            json!({ "name": "n", "type": kind, "version": 1, "list": entries, "matching_attributes": attributes }),
            "n",
        )])
    };
    let warns = |lists: &WarningLists, text: &str| lists.warns(&Observable::guess(text).unwrap()).is_some();
    let hosts = of("hostname", json!(["known.example", ".dot.example"]), &domains);
    assert!(
        warns(&hosts, "known.example")
            && warns(&hosts, "a.b.known.example")
            && warns(&hosts, "x.dot.example")
    );
    assert!(!warns(&hosts, "unknown.example") && !warns(&hosts, "example.net"));
    assert!(warns(&hosts, "https://known.example/"), "a URL of the host alone");
    assert!(!warns(&hosts, "https://known.example/evil.exe"), "harmless hosts carry harmful files");
    let strings = of("string", json!(["Known.example"]), &domains);
    assert!(warns(&strings, "known.example") && !warns(&strings, "www.known.example"));
    let parts = of("substring", json!(["sandbox"]), &domains);
    assert!(warns(&parts, "my-sandbox-1.example") && !warns(&parts, "box.example"));
    let regex = of("regex", json!(["/^(security|abuse)\\@.*\\..*$/i"]), &domains);
    assert!(warns(&regex, "Abuse@firm.example") && !warns(&regex, "eve@firm.example"));
    let networks = of(
        "cidr",
        json!(["198.51.100.0/24", "2001:db8::/32", "203.0.113.7"]),
        &json!(["ip-src", "ip-dst|port"]),
    );
    for (text, is) in [
        ("198.51.100.255", true),
        ("198.51.101.0", false),
        ("2001:db8:ffff::1", true),
        ("203.0.113.7", true),
        ("203.0.113.8", false),
        ("198.51.100.128/25", true),
        ("198.51.100.0/23", false),
        ("known.example", false),
    ] {
        assert_eq!(warns(&networks, text), is, "{text}");
    }
    let silent = of("hostname", json!(["known.example"]), &json!([]));
    assert!(
        !warns(&silent, "known.example") && silent.holds("n", &Observable::guess("known.example").unwrap())
    );
}

#[test]
fn what_half_of_the_world_ends_with_is_no_indicator() {
    let list =
        hunt::indicator::read_list(b"com\n0.0.0.0/0\n::/0\nazureedge.net\nco.uk\nevil.azureedge.net\n", "l");
    assert_eq!((list.taken, list.refused), (1, 5));
    assert_eq!(list.indicators[0].id, "evil.azureedge.net");
}

#[test]
fn a_list_that_is_none_is_said() {
    // Each of them can be used, all together are too many.
    let expressions: Vec<String> = (0..120).map(|n| format!("x{n}\\w{{10}}")).collect();
    let wide = serde_json::json!({ "list": expressions, "type": "regex" }).to_string();
    for (bytes, code) in [
        ("{", "not-json"),
        ("{}", "warning-list-not-understood"),
        (r#"{"list":[],"type":"magic"}"#, "warning-list-not-understood"),
        (&wide, "list-too-large"),
    ] {
        let (list, diagnostics) = read_warning_list(bytes.as_bytes(), "n");
        assert!(list.is_none());
        assert_eq!(diagnostics[0].code, code);
    }
    let (list, diagnostics) = read_warning_list(br#"{"list":["192.0.2.0/24", "x", 7],"type":"cidr"}"#, "n");
    assert_eq!((list.unwrap().entries, diagnostics.len()), (1, 2));
    let spaces = |n: usize| read_warning_list(&vec![b' '; n], "n").1[0].code;
    assert_eq!(
        (spaces(WARNING_LIST_BYTES_MAX), spaces(WARNING_LIST_BYTES_MAX + 1)),
        ("not-json", "list-too-large")
    );
    let many = |n: usize| format!("{{\"list\":[{}],\"type\":\"string\"}}", vec!["1"; n].join(","));
    let codes = |n| read_warning_list(many(n).as_bytes(), "n").1[0].code;
    assert_eq!(codes(WARNING_LIST_ENTRIES_MAX), "warning-list-entry");
    assert_eq!(codes(WARNING_LIST_ENTRIES_MAX + 1), "list-too-long");
}

#[test]
fn a_warned_value_is_no_finding_whatever_the_indicator_says() {
    let lists = WarningLists::new(vec![list(
        json!({ "name": "n", "type": "hostname", "version": 1, "list": ["cdn.example"], "matching_attributes": ["domain"] }),
        "cdns",
    )]);
    let confirm = Confirm::new(Vec::new(), lists);
    let mut domain = indicator(ObservableKind::Domain, "example.net");
    domain.mode = Mode::WithSubdomains;
    let seen = event(json!({ "query": "a.cdn.example" }));
    let verdict = confirm.confirm(&domain, "a.cdn.example", &seen);
    assert_eq!(verdict.reason(), "warning list `cdns` names it");
    assert!(confirm.confirm(&domain, "a.example.net", &event(json!({ "query": "a.example.net" }))).is_kept());
}

#[test]
fn all_published_lists_are_read() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/misp/warninglists.tar.zst");
    if !path.parent().unwrap().exists() {
        return skipped("confirm::all_published_lists", "no ../shared/data/misp");
    }
    let bytes = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let (mut lists, mut said) = (Vec::new(), Vec::new());
    for (name, body) in crate::support::untar(&bytes) {
        let Some(folder) = name.strip_suffix("/list.json").and_then(|f| f.rsplit('/').next()) else {
            continue;
        };
        let (list, diagnostics) = read_warning_list(body, folder);
        lists.push(list.unwrap_or_else(|| panic!("{folder}: {diagnostics:?}")));
        said.extend(diagnostics.into_iter().map(|d| format!("{folder}: {}", d.message)));
    }
    assert_eq!(lists.len(), 136, "{said:#?}");
    assert!(lists.iter().map(|list| list.entries).sum::<usize>() > 500_000, "{said:#?}");
    let lists = WarningLists::new(lists);
    assert!(lists.warns(&Observable::guess("8.8.8.8").unwrap()).is_some());
    assert!(lists.warns(&Observable::guess("ussdns01.heketwe.com").unwrap()).is_none());
}

#[test]
fn an_indicator_that_matches_too_much_is_paused() {
    let mut rate = HitRate::default();
    rate.lines(HIT_RATE_LINES_MIN - 1);
    assert!((0..100).all(|_| rate.hit(0)), "too few lines to judge by");
    let mut rate = HitRate::default();
    rate.lines(HIT_RATE_LINES_MIN);
    let allowed = HIT_RATE_LINES_MIN as usize * 3 / 100;
    assert!((0..allowed).all(|_| rate.hit(0)), "3 % are allowed");
    assert_eq!(rate.suspects("s", &|_| String::new()), []);
    assert!(rate.hit(0), "the one that is too many is still told");
    assert!(!rate.hit(0) && rate.hit(1));
    let said = rate.suspects("proxy.log", &|_| "indicator--7".to_owned());
    assert_eq!(
        said[0].to_string(),
        "warning [indicator-suspect] proxy.log: indicator indicator--7 matched 32 of 1000 lines (3.2 %): it is suspect, and \
         paused for this source; tell its author, or take it out of the set"
    );
}

proptest::proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// No bytes make the reader of lists panic, and a list holds each network that it names.
    #[test]
    fn any_list_is_read(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), a in 0u32.., prefix in 8u8..=32) {
        let _ = read_warning_list(&bytes, "n");
        let network = format!("{}/{prefix}", std::net::Ipv4Addr::from(a));
        let list = list(json!({ "type": "cidr", "list": [network, "192.0.2.0/24"], "name": "n", "version": 1 }), "n");
        proptest::prop_assert!(list.holds(&Observable::guess(&std::net::Ipv4Addr::from(a).to_string()).unwrap()));
    }
}

/// Each expression of a list might take as much as ten times the limit, and a list might have two million of them.
#[test]
fn a_warning_list_of_costly_expressions_is_bounded() {
    let list = |expressions: Vec<&str>| {
        let json = json!({"type": "regex", "list": expressions, "matching_attributes": ["domain"]});
        read_warning_list(json.to_string().as_bytes(), "n")
    };
    let (read, said) = list(vec!["^a\\.example$", "\\w{60}"]);
    assert_eq!((read.unwrap().entries, said[0].code), (1, "warning-list-entry"), "{said:?}");
    let most = hunt::limits::WARNING_LIST_REGEXES_MAX;
    assert_eq!(list(vec!["a"; most]).0.unwrap().entries, most);
    assert_eq!(list(vec!["a"; most + 1]).1[0].code, "list-too-large");
}
