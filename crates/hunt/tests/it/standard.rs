// SPDX-License-Identifier: Apache-2.0
//! STIX in and out.

use hunt::command::import_list;
use hunt::indicator::{Indicator, Mode, read_csv, read_list};
use hunt::limits::PATTERN_DEPTH_MAX;
use hunt::report::{IndicatorFacts, is_of_object};
use hunt::standard::{
    Compiled, IndicatorAuthor, PatternError, SightingFacts, compile, guessable_indicator_id, indicator_id,
    indicator_name, read_bundle, read_indicator, sighting_objects,
};
use model::marking::Tlp;
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;
use serde_json::Value;

const IDENTITY: &str = "identity--733c5838-34d9-4fbf-949c-62aba761184c";

fn now() -> Timestamp {
    Timestamp::parse("2024-02-06T09:00:00.123456Z").unwrap()
}

/// `kind value`, with a `+` for subdomains; the lost parts as they print.
fn told(pattern: &str) -> Vec<String> {
    match compile(pattern) {
        Ok(Compiled { wanted, rest, bad }) => wanted
            .iter()
            .map(|(o, mode)| {
                format!("{}{} {o}", o.kind(), if *mode == Mode::WithSubdomains { "+" } else { "" })
            })
            .chain(rest.iter().map(|rest| format!("rest: {rest}")))
            .chain(bad.iter().map(|e| format!("bad: {e}")))
            .collect(),
        Err(error) => vec![format!("error: {error}")],
    }
}

#[test]
fn messages_quote_only_the_beginning_of_what_is_long() {
    let long = "x".repeat(5_000);
    for object in [
        format!(r#"{{"type":"indicator","id":"{long}","pattern":"[x]"}}"#),
        format!(r#"{{"type":"indicator","pattern":"[{long}"}}"#),
        format!(r#"{{"type":"indicator","pattern":"[a:b MATCHES '({long}']"}}"#),
        format!(r#"{{"type":"indicator","pattern_type":"{long}","pattern":"x"}}"#),
    ] {
        let (_, diagnostics) = read_indicator(object.as_bytes());
        assert_eq!(diagnostics.len(), 1);
        assert!(diagnostics[0].to_string().len() < 1_000, "{}", diagnostics[0].to_string().len());
    }
}

#[test]
fn patterns_of_equality_compile() {
    for (pattern, expected) in [
        ("[ipv4-addr:value = '203.0.113.7']", vec!["ip 203.0.113.7"]),
        ("[ipv6-addr:value='2001:DB8::7']", vec!["ip 2001:db8::7"]),
        ("[ipv4-addr:value = '203.0.113.0/24']", vec!["cidr 203.0.113.0/24"]),
        ("[ipv4-addr:value ISSUBSET '203.0.113.0/24']", vec!["cidr 203.0.113.0/24"]),
        ("[domain-name:value = 'evil.example']", vec!["domain evil.example"]),
        (
            "[domain-name:value = 'evil.example' OR domain-name:value LIKE '%.evil.example']",
            vec!["domain+ evil.example"],
        ),
        (
            "[domain-name:value LIKE '%.b.example' OR domain-name:value IN ('a.example','b.example')]",
            vec!["domain a.example", "domain+ b.example"],
        ),
        (
            "[url:value = 'http://evil.example/a' OR url:value = 'https://evil.example/a']",
            vec!["url evil.example/a"],
        ),
        ("[email-message:from_ref.value = 'Eve@Evil.example']", vec!["email eve@evil.example"]),
        (
            "[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e'] OR ([file:hashes.'SHA-1' = 'da39a3ee5e6b4b0d3255bfef95601890afd80709'])",
            vec!["md5 d41d8cd98f00b204e9800998ecf8427e", "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709"],
        ),
        ("[(user-account:account_login = 'it\\'s\\\\me')]", vec!["account it's\\me"]),
        (
            "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'sly']",
            vec!["user-agent sly"],
        ),
    ] {
        assert_eq!(told(pattern), expected, "{pattern}");
    }
}

#[test]
fn what_needs_an_event_is_left_as_a_pattern() {
    for pattern in [
        "[ipv4-addr:value = '1.2.3.4' AND file:name = 'x']",
        "[ipv4-addr:value = '1.2.3.4'] AND [file:name = 'x']",
        "[ipv4-addr:value = '1.2.3.4'] FOLLOWEDBY [ipv4-addr:value = '1.2.3.5']",
        "[ipv4-addr:value = '1.2.3.4'] WITHIN 300 SECONDS",
        "[ipv4-addr:value != '1.2.3.4']",
        "[ipv4-addr:value NOT = '1.2.3.4']",
        "[file:name = 'x']",
        "[file:size > 25]",
        "[domain-name:value LIKE '%.evil.example']",
        "[domain-name:value MATCHES 'x']",
        "[process:created = t'2020-01-01T00:00:00Z']",
        "[EXISTS file:name]",
    ] {
        assert_eq!(told(pattern), [format!("rest: {pattern}")]);
    }
    assert!(matches!(compile("[ipv4-addr:value = 'x']"), Err(PatternError::Value(_))));
    assert_eq!(
        told("[ipv4-addr:value = '1.2.3.4' OR file:name = 'x' OR ipv4-addr:value = 'x'] OR [file:size > 1]"),
        [
            "ip 1.2.3.4",
            "rest: [file:name = 'x'] OR [file:size > 1]",
            "bad: `x` is not a value of kind ip: write it as 198.51.100.7, without leading zeros, or as 2001:db8::7",
        ]
    );
}

#[test]
fn what_is_no_pattern_is_said_with_its_place() {
    for pattern in [
        "",
        "[",
        "[]",
        "ipv4-addr:value = '1.2.3.4'",
        "[ipv4-addr:value = '1.2.3.4'",
        "[ipv4-addr:value = '1.2.3.4]",
        "[ipv4-addr:value = ]",
        "[ipv4-addr:value '1.2.3.4']",
        "[ipv4-addr:value = '1.2.3.4'] x",
        "[ipv4-addr:value IN ('1.2.3.4',)]",
        "([ipv4-addr:value = '1.2.3.4']",
        "[ipv4-addr:value = '1.2.3.4' OR]",
        "[x[y:z = 'a']",
    ] {
        assert!(
            matches!(compile(pattern), Err(PatternError::Grammar { .. })),
            "{pattern}: {:?}",
            told(pattern)
        );
    }
    let nested =
        |depth: usize| format!("{}[ipv4-addr:value = '1.2.3.4']{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(told(&nested(PATTERN_DEPTH_MAX)), ["ip 1.2.3.4"]);
    assert!(matches!(compile(&nested(PATTERN_DEPTH_MAX + 1)), Err(PatternError::TooLarge { .. })));
    assert!(compile(&"(".repeat(100_000)).is_err());
}

#[test]
fn an_indicator_is_read_with_its_validity() {
    let object = br#"{"type":"indicator","spec_version":"2.1","id":"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","name":"n",
        "pattern":"[ipv4-addr:value = '1.2.3.4']","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z","valid_until":"2024-02-01T00:00:00Z"}"#;
    let (indicators, diagnostics) = read_indicator(object);
    assert_eq!((indicators.len(), diagnostics.len()), (1, 0));
    assert_eq!(indicators[0].id, "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f");
    assert_eq!(indicators[0].valid_until.unwrap().to_string(), "2024-02-01T00:00:00.000000Z");
    for (from, to, code) in [
        ("\"stix\"", "\"sigma\"", Some("pattern-not-supported")),
        ("= '1.2.3.4'", "MATCHES '('", Some("pattern-not-supported")),
        ("\"name\":\"n\"", "\"revoked\":true", None),
        ("\"pattern\":", "\"x\":", Some("pattern-missing")),
        ("\"type\":\"indicator\"", "\"type\":\"tool\"", None),
        ("{\"type\"", "[\"type\"", Some("not-json")),
    ] {
        let changed = std::str::from_utf8(object).unwrap().replacen(from, to, 1);
        let (indicators, diagnostics) = read_indicator(changed.as_bytes());
        assert_eq!((indicators.len(), diagnostics.first().map(|d| d.code)), (0, code), "{to}");
    }
}

#[test]
fn a_bundle_is_read_object_by_object() {
    let bundle = br#"{"type":"bundle","objects":[{"type":"tool","id":"tool--1"},
        {"type":"indicator","id":"i1","pattern":"[domain-name:value = 'com' OR domain-name:value = 'evil.example']"},
        {"type":"indicator","id":"i2","pattern":"[file:name MATCHES '(']"},
        {"type":"indicator","id":"i3","pattern":"[domain-name:value = 'co.uk' OR domain-name:value LIKE '%.co.uk']"},
        {"type":"indicator","id":"i4","pattern":"[ipv4-addr:value = '1.2.3.4']"}]}"#;
    let reading = read_bundle(bundle, "b.json");
    assert_eq!((reading.entries, reading.taken, reading.refused), (4, 2, 2));
    let codes: Vec<_> = reading.diagnostics.iter().map(|d| (d.code, d.place.as_str())).collect();
    assert_eq!(
        codes,
        [("pattern-part-not-supported", "i1"), ("pattern-not-supported", "i2"), ("public-suffix", "i3")]
    );
    assert_eq!(read_bundle(b"{", "b.json").diagnostics[0].code, "truncated");
}

#[test]
fn an_imported_list_hunts_as_the_list_does() {
    let list = "1.2.3.4\n2001:db8::7\n203.0.113.0/24\n2001:db8::/40\nevil.example\nm\u{fc}ller.de\nhttps://evil.example:8443/a%20b?c='\n\
        eve@evil.example\nd41d8cd98f00b204e9800998ecf8427e\nda39a3ee5e6b4b0d3255bfef95601890afd80709\n\
        66f13964c87fc6fe093a9d8cc0de0bf2b3bdaea9564210283fdb97a1dde9893b\nt13d1516h2_8daaf6152771_e5627efa2ab1\n";
    let mut indicators = read_list(list.as_bytes(), "L").indicators;
    let table = "value,type\nit's\\me,account\nsly 'x',user-agent\nd41d8cd98f00b204e9800998ecf8427e,ja3\n";
    indicators.extend(read_csv(table.as_bytes(), "T").indicators);
    assert_eq!(indicators.len(), 15);
    let author = IndicatorAuthor { identity: IDENTITY, now: now() };
    let objects = import_list(&indicators, &author, &old_id);
    assert_eq!(objects.len(), indicators.len());
    for (indicator, (id, object)) in indicators.iter().zip(&objects) {
        let (read, diagnostics) = read_indicator(object);
        assert_eq!(diagnostics, [], "{}", indicator.id);
        let values: Vec<_> = read.iter().map(|i| (&i.observable, i.mode, i.id.as_str())).collect();
        assert_eq!(values, [(&indicator.observable, indicator.mode, id.as_str())]);
        let object: Value = serde_json::from_slice(object).unwrap();
        assert_eq!(object["created"], "2024-02-06T09:00:00.123Z");
        assert_eq!(object["created_by_ref"], IDENTITY);
        assert!(model::id::is_stix_id(object["id"].as_str().unwrap()));
    }
    let again = import_list(&[indicators.clone(), indicators].concat(), &author, &old_id);
    assert_eq!(again, objects, "the same entry is the same object, once");
}

#[test]
fn ids_of_indicators_never_change() {
    let indicators = read_list(b"evil.example\n1.2.3.4", "L").indicators;
    let author = IndicatorAuthor { identity: IDENTITY, now: now() };
    let objects = import_list(&indicators, &author, &old_id);
    let ids: Vec<String> = objects.into_iter().map(|(id, _)| id).collect();
    assert_eq!(
        ids,
        [
            "indicator--8c681047-8a03-5efc-8ef5-ff88cd017c39",
            "indicator--de9129d1-30b1-5d3f-bb61-eea71e199476"
        ]
    );
    let exact = Indicator { mode: Mode::Exact, ..indicators[0].clone() };
    assert_ne!(import_list(&[exact], &author, &old_id)[0].0, ids[0]);
}

fn old_id(indicator: &Indicator) -> String {
    guessable_indicator_id(&indicator.observable, indicator.mode)
}

#[test]
fn an_id_is_as_its_secret_and_looks_random() {
    let entry = &read_list(b"evil.example", "L").indicators[0];
    assert_eq!(indicator_name(&entry.observable, entry.mode)[..10], *b"domain\0exa");
    let id = indicator_id([0xab; 32]);
    assert_eq!(id, "indicator--abababab-abab-4bab-abab-abababababab");
    assert!(model::id::is_stix_id(&id));
}

#[test]
fn a_sighting_refers_to_what_was_seen() {
    let observable = Observable::parse(ObservableKind::Ip, "198.51.100.3").unwrap();
    let time = |text| Timestamp::parse(text).unwrap();
    let facts = SightingFacts {
        observable: &observable,
        indicator_id: "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
        identity: Some(IDENTITY),
        anonymous: false,
        marking_refs: &[],
        now: now(),
        count: 3,
        first: time("2024-01-02T00:00:00Z"),
        last: time("2024-01-03T00:00:00Z"),
        uuids: [uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2)],
    };
    let objects: Vec<Value> =
        sighting_objects(&facts).iter().map(|o| serde_json::from_slice(o).unwrap()).collect();
    // The id that the OASIS library stix2 makes. (Those of the examples in the standard are invented.)
    assert_eq!(objects[0]["id"], "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4");
    assert_eq!(objects[0]["value"], "198.51.100.3");
    assert_eq!(objects[1]["object_refs"][0], objects[0]["id"]);
    assert_eq!(objects[1]["number_observed"], 3);
    assert_eq!(objects[2]["observed_data_refs"][0], objects[1]["id"]);
    assert_eq!(objects[2]["sighting_of_ref"], facts.indicator_id);
    assert_eq!(objects[2]["first_seen"], "2024-01-02T00:00:00.000Z");
    let swapped = SightingFacts { first: facts.last, last: facts.first, count: 0, ..facts };
    let sighting: Value = serde_json::from_slice(&sighting_objects(&swapped)[2]).unwrap();
    assert_eq!((&sighting["first_seen"], &sighting["count"]), (&objects[2]["first_seen"], &Value::from(1)));
}

#[test]
fn ids_of_observables_are_those_of_the_oasis_library() {
    for (kind, value, id) in [
        (ObservableKind::Domain, "example.com", "domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7"),
        (
            ObservableKind::Sha256,
            "66f13964c87fc6fe093a9d8cc0de0bf2b3bdaea9564210283fdb97a1dde9893b",
            "file--750c21e9-e322-5f7e-9722-f9d0e80e5824",
        ),
        (ObservableKind::Account, "corp\\eve", "user-account--d38e8eb6-1604-5348-be45-6524dac7b550"),
    ] {
        let facts = SightingFacts {
            observable: &Observable::parse(kind, value).unwrap(),
            indicator_id: "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
            identity: Some(IDENTITY),
            anonymous: false,
            marking_refs: &[],
            now: now(),
            count: 1,
            first: now(),
            last: now(),
            uuids: [uuid::Uuid::nil(), uuid::Uuid::nil()],
        };
        let object: Value = serde_json::from_slice(&sighting_objects(&facts)[0]).unwrap();
        assert_eq!(object["id"], id);
    }
}

proptest::proptest! {
    #[test]
    fn any_pattern_does_not_panic(pattern in r#"(\[|\]|\(|\)|'|\\| |=|IN|OR|AND|LIKE|NOT|,|ipv4-addr:value|domain-name:value|'1\.2\.3\.4'|'%\.a\.bc'|t|EXISTS|\PC){0,20}"#) {
        let _ = compile(&pattern);
    }
}

/// A bundle tells the markings of its indicators; of those that nobody marked nothing is known, and an object without a
/// good id is not taken for the entry of a list, which nobody marks.
#[test]
fn a_file_of_indicators_keeps_its_markings() {
    let red = Tlp::Red.stix_id();
    let object = |id: &str, more: &str| {
        format!(r#"{{"type":"indicator","pattern":"[ipv4-addr:value = '192.0.2.1']"{id}{more}}}"#)
    };
    let id = |id: &str| format!(r#","id":"{id}""#);
    let refs = |to: &str| format!(r#","object_marking_refs":["{to}"]"#);
    let own = "marking-definition--0b1f7b43-9a1c-4e8b-a3a5-6a7a5d1a2f10";
    let uuid = "indicator--AAAAAAAA-0000-4000-8000-00000000000";
    let objects = [
        object(&id(&format!("{uuid}1")), &refs(red)),
        object("", &refs(red)),
        object(&id("i3"), ""),
        object(&id("i4"), &refs(own)),
        object(&id("i5"), &refs("marking-definition--11111111-2222-4333-8444-555555555555")),
        object(&id("i6"), r#","object_marking_refs":"TLP:CLEAR""#),
        object(&id("i7"), &format!(r#","granular_markings":[{{"lang":"nl"}},{{"marking_ref":"{red}"}}]"#)),
        object(&id("i8"), &refs(Tlp::Green.stix_id())),
        object(&id("i8"), &refs(Tlp::Amber.stix_id())),
        format!(
            r#"{{"type":"marking-definition","spec_version":"2.1","id":"{own}","created":"2024-01-01T00:00:00.000Z",
            "definition_type":"tlp","definition":{{"tlp":"amber"}}}}"#
        ),
    ];
    let bundle = format!(r#"{{"type":"bundle","objects":[{}]}}"#, objects.join(","));
    let reading = read_bundle(bundle.as_bytes(), "b.json");
    let told: Vec<String> = reading
        .indicators
        .iter()
        .map(|one| {
            assert!(is_of_object(&one.id), "{}", one.id);
            let said = reading.markings.of(&one.id).map_or("nothing".to_owned(), |(m, _)| m.to_string());
            format!("{}: {said}", one.id)
        })
        .collect();
    assert_eq!(
        told,
        [
            "indicator--aaaaaaaa-0000-4000-8000-000000000001: TLP:RED",
            "indicator--b.json object 2: TLP:RED",
            "indicator--i3: nothing",
            "indicator--i4: TLP:AMBER",
            "indicator--i5: unmarked unknown",
            "indicator--i6: unmarked unknown",
            "indicator--i7: TLP:RED",
            "indicator--i8: TLP:AMBER",
            "indicator--i8: TLP:AMBER",
        ]
    );
    assert!(IndicatorFacts::unmarked_or_unknown("indicator--i3").marking.unknown);
    assert!(!IndicatorFacts::unmarked_or_unknown("evil.example").marking.unknown);
    // What the list beside the objects says of none, or cannot say, is restricted.
    let beside = |list: &str| {
        let one = object(&id("i1"), &refs(Tlp::Clear.stix_id()));
        let bundle = format!(r#"{{"type":"bundle","x_polder_markings":{list},"objects":[{one}]}}"#);
        let reading = read_bundle(bundle.as_bytes(), "b.json");
        reading.markings.of("indicator--i1").map(|(marking, _)| marking.to_string())
    };
    assert_eq!(beside(r#"[{"marking":"TLP:RED","first":0,"last":0}]"#).as_deref(), Some("TLP:RED"));
    assert_eq!(beside("[]").as_deref(), Some("TLP:CLEAR unknown"));
    assert_eq!(beside("7").as_deref(), Some("TLP:CLEAR unknown"));
}
