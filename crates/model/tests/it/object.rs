// SPDX-License-Identifier: Apache-2.0
//! Checking one object, and what its markings mean.

use model::diagnostic::Diagnostic;
use model::marking::{Marking, Pap, Tlp};
use model::stix::{Definition, Definitions, Object, SpecVersion};
use model::time::Timestamp;
use proptest::prelude::*;

const MALWARE: &str = r#"{"type":"malware","spec_version":"2.1","id":"malware--0c242cc5-58d3-4fe3-a866-b00a4b6fb817","created":"2024-02-07T16:00:00.000Z","modified":"2025-04-15T19:00:00.1Z","name":"x","is_family":true}"#;

fn parse(json: &str) -> (Option<Object>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let object = Object::parse(json.as_bytes(), "object 1", &mut diagnostics);
    (object, diagnostics)
}

fn code(json: &str) -> &'static str {
    let (object, diagnostics) = parse(json);
    assert!(object.is_none(), "{json} was taken");
    assert!(diagnostics[0].fix.is_some(), "what to do: {}", diagnostics[0]);
    diagnostics[0].code
}

fn with(property: &str) -> String {
    MALWARE.replacen('{', &format!("{{{property},"), 1)
}

#[test]
fn the_common_properties() {
    let (object, diagnostics) = parse(MALWARE);
    let object = object.unwrap();
    assert!(diagnostics.is_empty());
    assert_eq!(object.id, "malware--0c242cc5-58d3-4fe3-a866-b00a4b6fb817");
    assert_eq!(object.key.id().as_deref(), Some(object.id.as_str()));
    assert_eq!(object.spec, SpecVersion::V21);
    assert_eq!(object.version, Timestamp::parse("2025-04-15T19:00:00.100000Z").unwrap());
    assert!(object.has_modified && !object.revoked);
}

#[test]
fn versions_of_objects_without_modified() {
    let marking = r#"{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--00000000-0000-4000-8000-000000000001","created":"2024-01-01T00:00:00Z","definition_type":"statement","definition":{"statement":"x"}}"#;
    assert_eq!(parse(marking).0.unwrap().version, Timestamp::parse("2024-01-01T00:00:00Z").unwrap());
    let address = r#"{"type":"ipv4-addr","id":"ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd","value":"198.51.100.3"}"#;
    let object = parse(address).0.unwrap();
    assert_eq!((object.version, object.spec), (Timestamp::EPOCH, SpecVersion::V21), "TAXII 2.1 section 3.4");
}

#[test]
fn without_spec_version_it_is_2_0() {
    assert_eq!(parse(&MALWARE.replace(r#""spec_version":"2.1","#, "")).0.unwrap().spec, SpecVersion::V20);
    assert_eq!(code(&MALWARE.replace("2.1\"", "9.9\"")), "bad-spec-version");
}

#[test]
fn what_is_wrong_is_told_by_code() {
    assert_eq!(code("[]"), "wrong-type");
    assert_eq!(code("{}"), "missing-property");
    assert_eq!(code("{\"type\":\"malware\""), "not-json");
    assert_eq!(code(&MALWARE.replace("malware--", "tool--")), "bad-id");
    assert_eq!(code(&MALWARE.replace("0c242cc5-", "0c242cc5")), "bad-id");
    assert_eq!(code(&MALWARE.replace("2024-02-07T16", "2024-02-30T16")), "bad-timestamp");
    assert_eq!(code(&MALWARE.replace(r#""created":"2024-02-07T16:00:00.000Z","#, "")), "missing-property");
    assert_eq!(code(&MALWARE.replace(r#""modified":"2025-04-15T19:00:00.1Z","#, "")), "missing-property");
    for wrong in [
        r#""revoked":"yes""#,
        r#""revoked":1"#,
        r#""object_marking_refs":"marking-definition--x""#,
        r#""object_marking_refs":[1]"#,
        r#""object_marking_refs":[["x"]]"#,
        r#""object_marking_refs":{"a":"b"}"#,
        r#""granular_markings":"x""#,
        r#""granular_markings":{"marking_ref":"x"}"#,
        r#""granular_markings":["x"]"#,
        r#""granular_markings":[{"marking_ref":7}]"#,
        r#""created_by_ref":{}"#,
    ] {
        let told = code(&with(wrong));
        assert!(told == "wrong-type" || told == "not-json", "{wrong}: {told}");
    }
    assert_eq!(
        code(&MALWARE.replace(r#""malware--0c"#, r#"7,"x":"malware--0c"#)),
        "wrong-type",
        "a number as id"
    );
}

/// RFC 7493: a name that stands twice would be read differently by different receivers.
#[test]
fn names_that_stand_twice() {
    assert_eq!(code(&with(r#""name":"y""#)), "duplicate-name");
    assert_eq!(code(&with(r#""a":{"b":{"c":1,"c":2}}"#)), "duplicate-name");
    let many: String = (0..40).map(|n| format!("\"k{n}\":1,")).collect();
    assert_eq!(code(&with(&format!("{many}\"k7\":2"))), "duplicate-name");
    assert!(parse(&with(many.trim_end_matches(','))).0.is_some());
    assert_eq!(code(&with(r#""\u006eame":"y""#)), "duplicate-name", "an escape does not hide it");
}

#[test]
fn text_that_is_no_text() {
    let mut bytes = MALWARE.as_bytes().to_vec();
    let at = bytes.iter().position(|b| *b == b'x').unwrap();
    bytes[at] = 0xFF;
    let mut diagnostics = Vec::new();
    assert!(Object::parse(&bytes, "object 9", &mut diagnostics).is_none());
    assert_eq!((diagnostics[0].code, diagnostics[0].place.as_str()), ("not-utf-8", "object 9"));
    assert_eq!(code(&with(r#""x_a":"\ud800""#)), "not-json", "a lone surrogate");
}

#[test]
fn integers_that_others_would_change() {
    let (object, diagnostics) = parse(&with(r#""x_n":9007199254740993"#));
    assert!(object.is_some());
    assert_eq!(diagnostics[0].code, "integer-not-exact");
    assert!(parse(&with(r#""x_n":9007199254740991"#)).1.is_empty());
}

#[test]
fn depth_has_a_limit() {
    let nested = |n: usize| with(&format!("\"x_a\":{}{}", "[".repeat(n), "]".repeat(n)));
    assert!(parse(&nested(63)).0.is_some());
    assert_eq!(code(&nested(64)), "nested-too-deep");
}

#[test]
fn references_to_observables_are_found_wherever_they_stand() {
    let json = with(
        r#""object_refs":["ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd","indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"],"x":{"deep_ref":"url--c1477287-23ac-5971-a010-5c287877fa60"}"#,
    );
    let refs: Vec<_> = parse(&json).0.unwrap().observable_refs.iter().map(|k| k.id().unwrap()).collect();
    assert_eq!(
        refs,
        ["ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd", "url--c1477287-23ac-5971-a010-5c287877fa60"]
    );
}

fn marked(property: &str, definitions: &Definitions) -> Marking {
    parse(&with(property)).0.unwrap().marking(definitions)
}

#[test]
fn labels_by_canonical_id_in_both_versions() {
    let none = Definitions::default();
    for tlp in Tlp::ALL {
        assert_eq!(
            marked(&format!(r#""object_marking_refs":["{}"]"#, tlp.stix_id()), &none),
            Marking::tlp(tlp)
        );
    }
    let amber_1 = r#""object_marking_refs":["marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"]"#;
    assert_eq!(marked(amber_1, &none), Marking::tlp(Tlp::Amber), "TLP 1 AMBER is AMBER");
    assert_eq!(parse(MALWARE).0.unwrap().marking(&none), Marking::NONE);
    assert_eq!(Marking::NONE.label(), Tlp::AmberStrict);
}

#[test]
fn granular_markings_count_for_the_whole_object() {
    let json = format!(
        r#""object_marking_refs":["{}"],"granular_markings":[{{"selectors":["name"],"marking_ref":"{}"}}]"#,
        Tlp::Green.stix_id(),
        Tlp::Red.stix_id()
    );
    assert_eq!(marked(&json, &Definitions::default()), Marking::tlp(Tlp::Red));
    let language = r#""granular_markings":[{"selectors":["name"],"lang":"de"}]"#;
    assert_eq!(marked(language, &Definitions::default()), Marking::NONE, "a language restricts nothing");
    let nothing = r#""granular_markings":[{"selectors":["name"]}]"#;
    assert!(marked(nothing, &Definitions::default()).unknown);
}

#[test]
fn what_is_not_defined_is_unknown() {
    let id = "marking-definition--00000000-0000-4000-8000-000000000001";
    let reference = format!(r#""object_marking_refs":["{id}"]"#);
    let mut definitions = Definitions::default();
    assert!(marked(&reference, &definitions).unknown);
    definitions.add(id, Definition::Statement);
    assert_eq!(marked(&reference, &definitions), Marking::NONE);
    definitions.add(id, Definition::Says(Marking::tlp(Tlp::Clear)));
    assert!(marked(&reference, &definitions).unknown, "two definitions that do not agree");
    let mut canonical = Definitions::default();
    canonical.add(Tlp::Red.stix_id(), Definition::Statement);
    assert_eq!(
        canonical.of(Tlp::Red.stix_id()),
        Definition::Says(Marking::tlp(Tlp::Red)),
        "cannot be redefined"
    );
}

/// Definitions as they are met in the wild.
#[test]
fn definitions_in_the_wild() {
    let definition = |rest: &str| {
        let json = format!(
            r#"{{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--00000000-0000-4000-8000-000000000001","created":"2024-01-01T00:00:00Z",{rest}}}"#
        );
        let (object, diagnostics) = parse(&json);
        (object.unwrap().definition.unwrap(), diagnostics.first().map(|d| d.code))
    };
    let says = |tlp| Definition::Says(Marking::tlp(tlp));
    let odd = Some("tlp-not-canonical");
    let extension = r#""extensions":{"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d":{"extension_type":"property-extension","tlp_2_0":"amber+strict"}}"#;
    assert_eq!(definition(extension), (says(Tlp::AmberStrict), odd));
    assert_eq!(
        definition(r#""definition_type":"tlp","definition":{"tlp":"amber+strict"}"#),
        (says(Tlp::AmberStrict), odd)
    );
    assert_eq!(
        definition(r#""definition_type":"TLP:GREEN","definition":{"TLP:GREEN":"x"}"#),
        (says(Tlp::Green), odd)
    );
    assert_eq!(
        definition(r#""name":"TLP:CLEAR","definition_type":"tlp","definition":{"tlp":"red"}"#),
        (says(Tlp::Red), odd)
    );
    assert_eq!(
        definition(r#""definition_type":"tlp","definition":{"tlp":"ex:chr"}"#),
        (says(Tlp::Red), odd),
        "unreadable"
    );
    assert_eq!(
        definition(r#""definition_type":"statement","definition":{"statement":"(c)"}"#),
        (Definition::Statement, None)
    );
    assert_eq!(definition(r#""definition_type":"iep","definition":{"id":"x"}"#), (Definition::Unknown, None));
    assert_eq!(
        definition(r#""extensions":{"extension-definition--3a65884d-005a-4290-8335-cb2d778a83ce":{"a":1}}"#),
        (Definition::Unknown, None)
    );
    let pap = Definition::Says(Marking { pap: Some(Pap::Amber), ..Marking::NONE });
    assert_eq!(
        definition(r#""name":"PAP:AMBER","definition_type":"pap","definition":{"pap":"amber"}"#),
        (pap, None)
    );
}

#[test]
fn two_definitions_of_one_id_say_no_less_than_each() {
    let red = Definition::Says(Marking::tlp(Tlp::Red));
    for other in [Definition::Statement, Definition::Unknown, Definition::Says(Marking::tlp(Tlp::Clear))] {
        for both in [[red, other], [other, red]] {
            let mut definitions = Definitions::default();
            both.into_iter().for_each(|definition| definitions.add("marking-definition--x", definition));
            assert_eq!(definitions.of("marking-definition--x").marking().tlp, Some(Tlp::Red), "{other:?}");
        }
    }
}

fn any_marking() -> impl Strategy<Value = Marking> {
    let tlp = prop::option::of(prop::sample::select(Tlp::ALL.to_vec()));
    let pap = prop::option::of(prop::sample::select(vec![Pap::Clear, Pap::Green, Pap::Amber, Pap::Red]));
    (tlp, pap, any::<bool>()).prop_map(|(tlp, pap, unknown)| Marking { tlp, pap, unknown })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn combining_never_widens(a in any_marking(), b in any_marking(), c in any_marking()) {
        let both = a.strictest(b);
        prop_assert_eq!(both, b.strictest(a));
        prop_assert_eq!(both.strictest(c), a.strictest(b.strictest(c)));
        prop_assert_eq!(a.strictest(a), a);
        prop_assert!(both.tlp >= a.tlp && both.pap >= a.pap && both.unknown >= a.unknown);
    }

    #[test]
    fn markings_survive_text_and_code(a in any_marking()) {
        prop_assert_eq!(Marking::parse(&a.to_string()), Some(a));
        prop_assert_eq!(Marking::from_code(a.code()), a);
    }

    /// A number that no marking has reads as one that restricts.
    #[test]
    fn odd_codes_restrict(code in any::<i64>()) {
        let marking = Marking::from_code(code);
        prop_assert!(marking.code() == code || marking.unknown);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        Object::parse(&bytes, "x", &mut Vec::new());
    }
}
