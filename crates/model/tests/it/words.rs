// SPDX-License-Identifier: Apache-2.0
//! Times, ids, kinds, canonical JSON, STIX 2.0.

use model::head::Audience;
use model::id::{CommunityId, MemberId, SubjectKey, hex, hex_decode, is_stix_id, type_code, type_name};
use model::jcs::{canonical, same_content};
use model::kind::Kind;
use model::stix::version20::to_21;
use model::time::Timestamp;
use proptest::prelude::*;

#[test]
fn times_in_all_their_forms() {
    let micros = |text: &str| Timestamp::parse(text).map(Timestamp::micros);
    let base = micros("2024-02-29T12:34:56Z").unwrap();
    assert_eq!(base, 1_709_210_096_000_000);
    for (text, expected) in [
        ("2024-02-29T12:34:56.1Z", 100_000),
        ("2024-02-29T12:34:56.100Z", 100_000),
        ("2024-02-29T12:34:56.123456789Z", 123_456),
        ("2024-02-29t12:34:56z", 0),
        ("2024-02-29T13:34:56+01:00", 0),
        ("2024-02-29T12:34:56+00:00", 0),
        ("2024-02-29T12:34:56.000001-00:00", 1),
    ] {
        assert_eq!(micros(text), Ok(base + expected), "{text}");
    }
    for bad in [
        "",
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-02-29",
        "2024-02-29 12:34:56Z",
        "2024-02-29T12:34:56",
        "2024-02-29T24:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-02-29T12:34:56.Z",
        "2024-02-29T12:34:56.1234567891Z",
        "2024-02-29T12:34:56Z[UTC]",
        "now",
        "20240229T123456Z",
    ] {
        assert!(Timestamp::parse(bad).is_err(), "{bad}");
    }
    assert_eq!(Timestamp::from_micros(-1).to_string(), "1969-12-31T23:59:59.999999Z");
}

#[test]
fn a_time_has_the_shape_of_rfc_3339() {
    for text in [
        "2024-01-31T08:30:00,5Z",
        "2024-01-31T08Z",
        "2024-01-31T08:30Z",
        "2024-01-31T08:30:00.Z",
        "2024-01-31T08:30:00+01",
        "2024-01-31T08:30:00+01:00:30",
    ] {
        assert!(Timestamp::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_time_that_cannot_be_written_is_none() {
    assert_eq!(Timestamp::parse("0001-01-01T00:00:00Z"), Ok(Timestamp::MIN));
    assert_eq!(Timestamp::parse("9999-12-31T23:59:59.999999Z"), Ok(Timestamp::MAX));
    for text in ["0000-12-31T23:59:59Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"] {
        assert!(Timestamp::parse(text).is_err(), "{text}");
    }
}

#[test]
fn keys_of_ids() {
    let id = "x-mitre-tactic--4ca45d45-df4d-4613-8980-bac22d278fa5";
    assert_eq!(SubjectKey::of(id).id().as_deref(), Some(id));
    for other in [
        "x-acme-thing--4ca45d45-df4d-4613-8980-bac22d278fa5",
        "identity--4CA45D45-df4d-4613-8980-bac22d278fa5",
        "odd",
    ] {
        let key = SubjectKey::of(other);
        assert_eq!((key.type_code(), key.id()), (255, None), "{other}");
        assert_ne!(key, SubjectKey::of("odder"));
    }
    assert!(SubjectKey::of("url--c1477287-23ac-5971-a010-5c287877fa60").is_observable());
    assert!(!SubjectKey::of("sighting--c1477287-23ac-5971-a010-5c287877fa60").is_observable());
    assert!(!SubjectKey::of("marking-definition--c1477287-23ac-5971-a010-5c287877fa60").is_observable());
    assert!(
        is_stix_id(id) && !is_stix_id("odd") && !is_stix_id("Tool--4ca45d45-df4d-4613-8980-bac22d278fa5")
    );
    // Codes are stored: these may never change.
    for (code, name) in [
        (0, "attack-pattern"),
        (6, "indicator"),
        (19, "relationship"),
        (21, "artifact"),
        (28, "ipv4-addr"),
        (38, "x509-certificate"),
        (41, "marking-definition"),
        (50, "x-polder-member"),
    ] {
        assert_eq!((type_name(code), type_code(name)), (Some(name), Some(code)));
    }
}

#[test]
fn kinds_have_one_number_and_one_name() {
    for (code, name) in [(1, "member-root"), (2, "community"), (3, "stix-2.1"), (4, "stix-2.0")] {
        assert_eq!(Kind::from_name(name), Some(Kind::from_code(code)));
        assert_eq!(Kind::from_code(code).name(), name);
    }
    assert!(Kind::from_code(999).facts().is_none());
}

#[test]
fn audiences_survive_their_text() {
    let community = CommunityId(uuid::Uuid::from_u128(7));
    for audience in [Audience::Organisation(MemberId([9; 32])), Audience::Community(community)] {
        assert_eq!(Audience::parse(&audience.to_string()), Some(audience));
    }
    assert_eq!(Audience::parse("everyone"), None);
    assert_eq!(Audience::parse("organisation:12"), None);
}

/// RFC 8785 appendix B (numbers) and section 3.2.3 (order of names).
#[test]
fn canonical_json_of_rfc_8785() {
    for (text, expected) in [
        ("[0, -0, 4.50, 2e-3, 1E30, 0.000000000000000000000000001]", "[0,0,4.5,0.002,1e+30,1e-27]"),
        (
            "[9007199254740992, 333333333.33333329, 1e21, 1e20]",
            "[9007199254740992,333333333.3333333,1e+21,100000000000000000000]",
        ),
        ("[5e-324, -5e-324, 1.7976931348623157e308]", "[5e-324,-5e-324,1.7976931348623157e+308]"),
        (
            r#"{"b":1,"a":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/"}"#,
            "{\"a\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\",\"b\":1}",
        ),
        (
            "{\"\u{20ac}\":1,\"\\r\":2,\"\u{fb33}\":3,\"1\":4,\"\u{1f600}\":5,\"\u{80}\":6,\"\u{f6}\":7}",
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}",
        ),
    ] {
        assert_eq!(String::from_utf8(canonical(text.as_bytes()).unwrap()).unwrap(), expected);
    }
    assert!(same_content(b"{\"a\":1.0,\"b\":[]}", b"{ \"b\" : [ ] , \"a\":1 }"));
    assert!(!same_content(b"{\"a\":1}", b"{\"a\":2}"));
    assert!(!same_content(b"{", b"["));
}

#[test]
fn stix_2_0_becomes_2_1_and_says_so() {
    let indicator = br#"{"type":"indicator","id":"indicator--1","created":"2017-01-01T00:00:00.000Z","modified":"2017-01-01T00:00:00.000Z","labels":["malicious-activity"],"pattern":"[a:b = 'c']","valid_from":"2017-01-01T00:00:00Z","x_own":{"kept":1}}"#;
    let converted: serde_json::Value = serde_json::from_slice(&to_21(indicator).unwrap()).unwrap();
    assert_eq!(converted["spec_version"], "2.1");
    assert_eq!(converted["x_polder_converted_from"], "2.0");
    assert_eq!(converted["indicator_types"][0], "malicious-activity");
    assert_eq!(converted["pattern_type"], "stix");
    assert_eq!(converted["x_own"]["kept"], 1, "unknown properties survive");
    assert!(converted.get("labels").is_none());
    let malware = to_21(br#"{"type":"malware","id":"malware--1"}"#).unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&malware).unwrap()["is_family"], false);
    assert!(to_21(br#"{"type":"observed-data","objects":{}}"#).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn times_survive_their_text(micros in -62_135_596_800_000_000i64..253_402_300_799_999_999) {
        let time = Timestamp::from_micros(micros);
        prop_assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
    }

    #[test]
    fn hexadecimal_survives(bytes in prop::collection::vec(any::<u8>(), 0..40), text in "[0-9a-zA-Z]{0,9}") {
        prop_assert_eq!(hex_decode(&hex(&bytes)), Some(bytes));
        if let Some(bytes) = hex_decode(&text) { prop_assert_eq!(hex(&bytes), text.to_ascii_lowercase()); }
    }

    #[test]
    fn any_text_is_no_panic(text in ".{0,40}") {
        let _ = (Timestamp::parse(&text), MemberId::parse(&text), Audience::parse(&text), SubjectKey::of(&text), to_21(text.as_bytes()));
    }
}

/// The one form in which effective markings travel: TAXII, export and import all use it.
#[test]
fn runs_of_markings_survive() {
    use model::marking::{Marking, Pap, Tlp};
    use model::stix::runs;
    let restricted = Marking { pap: Some(Pap::Red), unknown: true, ..Marking::tlp(Tlp::Green) };
    let markings = [Marking::tlp(Tlp::Clear), Marking::tlp(Tlp::Clear), restricted, Marking::NONE];
    let printed = runs::print(&runs::collect(markings)).to_string();
    let read = runs::parse(printed.as_bytes()).unwrap();
    let again: Vec<_> = read.iter().map(|run| (run.marking.to_string(), run.first, run.last)).collect();
    let expected = [("TLP:CLEAR", 0, 1), ("TLP:GREEN PAP:RED unknown", 2, 2), ("TLP:AMBER+STRICT", 3, 3)];
    assert_eq!(again, expected.map(|(text, first, last)| (text.to_owned(), first, last)));
    for odd in [
        "",
        "{}",
        "[1]",
        r#"[{"marking":"TLP:CLEAR","first":1,"last":1}]"#,
        r#"[{"marking":"x","first":0,"last":1}]"#,
    ] {
        assert!(runs::parse(odd.as_bytes()).is_none(), "{odd}");
    }
}

/// One spelling for one audience, limits at and over the edge, and who lies within whom.
#[test]
fn audiences_have_one_spelling() {
    use model::head::{Audience, Person};
    use model::limits::{AUDIENCE_NAMES_MAX, PERSON_NAME_BYTES_MAX};
    let member = |n: u16| {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&n.to_be_bytes());
        MemberId(id)
    };
    let of = |count: u16| Audience::of_members((0..count).map(member).collect());
    assert_eq!(of(0), None);
    assert_eq!(of(1), Some(Audience::Organisation(member(0))));
    assert!(of(AUDIENCE_NAMES_MAX as u16).is_some() && of(AUDIENCE_NAMES_MAX as u16 + 1).is_none());
    let jo = Person::new(member(1), "jo").unwrap();
    for name in ["", "Jo", "j o", "j/o", &"j".repeat(PERSON_NAME_BYTES_MAX + 1)] {
        assert_eq!(Person::new(member(1), name), None, "{name}");
    }
    let persons = Audience::of_persons([jo.clone(), Person::new(member(0), "al").unwrap()].into()).unwrap();
    for audience in [of(1).unwrap(), of(3).unwrap(), persons.clone()] {
        assert_eq!(Audience::parse(&audience.to_string()), Some(audience));
    }
    let (a, b) = (member(0), member(1));
    for wrong in [
        format!("members:{b},{a}"),
        format!("members:{a},{a}"),
        format!("members:{a}"),
        format!("members:{a},"),
        "members:".to_owned(),
        "persons:".to_owned(),
        format!("persons:{a}"),
        format!("organisation:{a},{b}"),
    ] {
        assert_eq!(Audience::parse(&wrong), None, "{wrong}");
    }
    let ring = Audience::Community(CommunityId(model::uuid::Uuid::from_u128(1)));
    for (few, many, within) in [
        (of(2).unwrap(), of(3).unwrap(), true),
        (of(3).unwrap(), of(2).unwrap(), false),
        (of(1).unwrap(), of(2).unwrap(), true),
        (ring.clone(), ring.clone(), true),
        (of(2).unwrap(), ring, false),
        (persons.clone(), of(2).unwrap(), true),
        (of(2).unwrap(), persons, false),
    ] {
        assert_eq!(few.is_within(&many), within, "{few} in {many}");
    }
}
