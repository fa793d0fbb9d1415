// SPDX-License-Identifier: Apache-2.0
//! What programs read.

use std::collections::BTreeMap;

use hunt::detection::Means;
use hunt::report::words::is_hidden;
use hunt::report::{
    COLUMNS, Hit, IndicatorFacts, csv, json_lines, ocsf, sighting_markings, stix, timesketch,
};
use hunt::standard::{SightingFacts, sighting_values};
use model::marking::{Marking, Tlp};
use model::observable::{Observable, ObservableKind};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{golden, sample};

const IDENTITY: &str = "identity--733c5838-34d9-4fbf-949c-62aba761184c";

fn identity() -> Value {
    json!({
        "type": "identity", "spec_version": "2.1", "id": IDENTITY, "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z", "name": "Voorbeeld Lasertechniek B.V.",
        "identity_class": "organization",
    })
}

fn named(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

fn printed(print: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    print(&mut bytes);
    bytes
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    bytes
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect()
}

#[test]
fn files_are_what_they_were() {
    let firm = sample::firm();
    golden("firm.jsonl", &printed(|out| json_lines(&firm, out).unwrap()));
    golden("firm.csv", &printed(|out| csv(&firm, out).unwrap()));
    golden("firm.ocsf.jsonl", &printed(|out| ocsf(&firm, out).unwrap()));
    golden("firm.timesketch.jsonl", &printed(|out| assert_eq!(timesketch(&firm, out).unwrap(), 1)));
    golden("firm.stix.json", &stix(&firm, Some(&identity()), &named).bytes);
    golden("anonymous.stix.json", &stix(&firm, None, &named).bytes);
    golden("empty.stix.json", &stix(&sample::empty(), Some(&identity()), &named).bytes);
}

#[test]
fn json_lines_begin_and_end() {
    let all = lines(&printed(|out| json_lines(&sample::hostile(), out).unwrap()));
    let (first, last) = (all.first().unwrap(), all.last().unwrap());
    assert_eq!(
        (&first["type"], &first["v"], &first["label"]),
        (&json!("report"), &json!(1), &json!("TLP:AMBER+STRICT"))
    );
    assert_eq!((&last["type"], &last["lines"]), (&json!("end"), &json!(all.len() - 1)));
    let count = |kind: &str| all.iter().filter(|line| line["type"] == kind).count();
    assert_eq!((count("finding"), count("detection"), count("file"), count("source")), (12, 2, 6, 5));
    let empty = lines(&printed(|out| json_lines(&sample::empty(), out).unwrap()));
    assert_eq!((empty.len(), &empty[0]["bytes_per_second"]), (2, &Value::Null));
}

#[test]
fn a_spreadsheet_takes_no_formula() {
    let bytes = printed(|out| csv(&sample::hostile(), out).unwrap());
    assert!(
        bytes.split(|b| *b == b'\n').all(|line| line.is_empty() || line.ends_with(b"\r")),
        "RFC 4180 ends in CRLF"
    );
    let mut reader = ::csv::Reader::from_reader(&bytes[..]);
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!((names.len(), &names[..18]), (19, &COLUMNS.map(str::to_owned)[..]));
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 12 + 2);
    for cell in rows.iter().flatten() {
        assert!(!cell.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
        assert!(!cell.chars().any(char::is_control), "{cell:?}");
    }
    assert!(rows.iter().flatten().any(|cell| cell == "'=cmd|' /C calc'!A0 203.0.113.77"));
}

#[test]
fn ocsf_has_what_the_class_requires() {
    let all = lines(&printed(|out| ocsf(&sample::hostile(), out).unwrap()));
    assert_eq!(all.len(), 14);
    let mut uids = std::collections::BTreeSet::new();
    for event in &all {
        let number = |member: &str| event[member].as_u64().unwrap_or_else(|| panic!("{member}: {event}"));
        assert_eq!((number("class_uid"), number("category_uid"), number("activity_id")), (2004, 2, 1));
        assert_eq!(number("type_uid"), 200_401);
        assert!((1..=5).contains(&number("severity_id")) && number("status_id") == 1);
        assert_eq!(number("time"), 1_773_135_000_000);
        assert_eq!(event["metadata"]["version"], "1.3.0");
        assert!(event["metadata"]["product"]["vendor_name"].is_string());
        assert!(event["finding_info"]["title"].is_string());
        assert!(
            uids.insert(event["finding_info"]["uid"].as_str().unwrap().to_owned()),
            "each has an id of its own"
        );
        assert!([1, 2].contains(&event["finding_info"]["analytic"]["type_id"].as_u64().unwrap()));
        for evidence in event["evidences"].as_array().into_iter().flatten() {
            let artefacts = ["data", "device", "src_endpoint", "user"];
            assert!(artefacts.iter().any(|name| evidence[*name].is_object()), "at least one artefact");
        }
        for observable in event["observables"].as_array().into_iter().flatten() {
            assert!(observable["name"].is_string() && observable["type_id"].is_u64());
        }
    }
    assert_eq!(all[12]["finding_info"]["attacks"][0]["sub_technique"]["uid"], "T1110.003");
    assert_eq!((&all[12]["severity"], &all[12]["severity_id"]), (&json!("Critical"), &json!(5)));
}

/// The values that a path of an event stands for; `[]` is every item of a list.
fn pointed_at<'e>(event: &'e Value, path: &str) -> Vec<&'e Value> {
    path.split('.').fold(vec![event], |found, step| {
        let members = found.into_iter().map(|value| &value[step.trim_end_matches("[]")]);
        match step.ends_with("[]") {
            true => members.flat_map(|list| list.as_array().into_iter().flatten()).collect(),
            false => members.collect(),
        }
    })
}

#[test]
fn ocsf_observables_point_to_what_the_event_holds() {
    for summary in [sample::firm(), sample::hostile()] {
        for event in lines(&printed(|out| ocsf(&summary, out).unwrap())) {
            for observable in event["observables"].as_array().into_iter().flatten() {
                let there = pointed_at(&event, observable["name"].as_str().unwrap());
                assert!(there.contains(&&observable["value"]), "{observable}: {event}");
            }
        }
    }
}

#[test]
fn ocsf_with_a_device_names_the_profile_that_has_it() {
    let events = lines(&printed(|out| ocsf(&sample::firm(), out).unwrap()));
    for event in &events {
        let wanted = if event["device"].is_object() { json!(["host"]) } else { Value::Null };
        assert_eq!(event["metadata"]["profiles"], wanted, "{event}");
    }
    assert!(events.iter().any(|event| event["device"].is_object()));
    assert!(events.iter().any(|event| event["device"].is_null()));
}

#[test]
fn timesketch_has_its_three_fields() {
    let bytes =
        printed(|out| assert_eq!(timesketch(&sample::firm(), out).unwrap(), 1, "one finding has no time"));
    let all = lines(&bytes);
    // Four findings with a time, two ends of one detection, one of the other.
    assert_eq!(all.len(), 4 + 2 + 1);
    for line in &all {
        assert!(line["message"].is_string() && line["timestamp_desc"].is_string());
        assert!(line["datetime"].as_str().unwrap().ends_with("+00:00"));
        let micros = sample::time(&line["datetime"].as_str().unwrap().replace("+00:00", "Z")).micros();
        assert_eq!(line["timestamp"], micros);
    }
}

#[test]
fn sightings_carry_the_marking_of_their_indicator() {
    let firm = sample::firm();
    let file = stix(&firm, Some(&identity()), &named);
    assert_eq!((file.sightings, file.left_out), (3, 0));
    let bundle: Value = serde_json::from_slice(&file.bytes).unwrap();
    let objects = bundle["objects"].as_array().unwrap();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for object in objects {
        *seen.entry(object["type"].as_str().unwrap()).or_default() += 1;
        if object["type"] == "sighting" {
            let tlp = match object["sighting_of_ref"].as_str().unwrap() {
                sample::DOMAIN_INDICATOR => Tlp::Amber,
                _ => Tlp::Green,
            };
            assert_eq!(object["object_marking_refs"], json!([tlp.stix_id()]));
            assert_eq!(object["where_sighted_refs"], json!([IDENTITY]));
        } else if object["type"] != "identity" {
            assert!(object["object_marking_refs"].is_array(), "{object}");
        }
    }
    let wanted =
        [("domain-name", 2), ("identity", 1), ("ipv4-addr", 1), ("observed-data", 3), ("sighting", 3)];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), wanted);
    // The entry of a list is no object; an indicator without a label is AMBER+STRICT.
    let mut other = sample::firm();
    other.hits[0].finding.indicator = "c2.evil.example".to_owned();
    other.indicators.values_mut().for_each(|facts| facts.marking = Marking::NONE);
    let file = stix(&other, None, &named);
    assert_eq!(file.left_out, 1);
    assert!(String::from_utf8(file.bytes).unwrap().contains(Tlp::AmberStrict.stix_id()));
    // Of an object of which nobody here knows the marking, or what it means, nothing goes out.
    let unknown = Marking { unknown: true, ..Marking::NONE };
    let mut other = sample::firm();
    other.indicators.values_mut().for_each(|facts| facts.marking = unknown);
    let mut none = sample::firm();
    none.indicators.clear();
    for summary in [other, none] {
        let file = stix(&summary, None, &named);
        assert_eq!((file.sightings, file.left_out), (0, summary.hit_count()));
        assert!(!String::from_utf8(file.bytes).unwrap().contains("sighting--"));
    }
}

#[test]
fn markings_that_are_no_tlp_travel_and_tlp_is_one() {
    let other = "marking-definition--0b1f7b43-9a1c-4e8b-a3a5-6a7a5d1a2f10".to_owned();
    let facts = IndicatorFacts {
        marking: Marking::tlp(Tlp::Red),
        marking_refs: vec![Tlp::Green.stix_id().to_owned(), other.clone()],
        ..IndicatorFacts::default()
    };
    assert_eq!(sighting_markings(&facts), [other, Tlp::Red.stix_id().to_owned()]);
}

#[test]
fn an_anonymous_sighting_tells_little() {
    let observable = |kind, text| Observable::parse(kind, text).unwrap();
    let facts = |observable, count| SightingFacts {
        observable,
        indicator_id: sample::ADDRESS_INDICATOR,
        identity: None,
        marking_refs: &[],
        now: sample::time("2026-03-10T09:30:12Z"),
        count,
        first: sample::time("2026-03-01T11:22:33Z"),
        last: sample::time("2026-03-02T11:22:33Z"),
        uuids: [Uuid::nil(), Uuid::nil()],
    };
    let address = observable(ObservableKind::Ip, "203.0.113.7");
    let objects = sighting_values(&facts(&address, 3_456));
    let text = serde_json::to_string(&objects).unwrap();
    assert_eq!(objects.len(), 3);
    assert!(!text.contains("identity--") && !text.contains("created_by_ref") && !text.contains("11:22:33"));
    let sighting = &objects[2];
    assert_eq!(
        (&sighting["count"], &sighting["first_seen"]),
        (&json!(1_000), &json!("2026-03-01T00:00:00.000Z"))
    );
    assert_eq!(sighting["created"], "2026-03-10T00:00:00.000Z");
    for (count, told) in [(0, 1), (1, 1), (2, 2), (9, 2), (10, 10), (99, 10), (100, 100)] {
        assert_eq!(sighting_values(&facts(&address, count))[2]["count"], told, "{count}");
    }
    // A name under a domain can hold what was carried out through it.
    let name = observable(ObservableKind::Domain, "6b65793d.tunnel.evil.example");
    let objects = sighting_values(&facts(&name, 1));
    assert_eq!((objects.len(), &objects[0]["type"]), (1, &json!("sighting")));
    assert!(objects[0].get("observed_data_refs").is_none());
}

proptest! {
    #[test]
    fn any_cell_comes_back(text in "\\PC{0,40}|[=+@\"',;\r\n\t\u{0}-\u{1f} -]{0,20}") {
        let mut summary = sample::firm();
        summary.hits.truncate(1);
        summary.detections.clear();
        let Hit { finding, host, .. } = &mut summary.hits[0];
        (finding.text, finding.file, *host) = (text.clone(), text.clone(), Some(text.clone()));
        let bytes = printed(|out| csv(&summary, out).unwrap());
        let mut reader = ::csv::Reader::from_reader(&bytes[..]);
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        prop_assert_eq!(rows.len(), 1);
        let seen = hunt::report::words::visible(&text);
        for column in [4, 15, 17] {
            let cell = &rows[0][column];
            if !seen.contains(';') {
                prop_assert_eq!(cell.strip_prefix('\'').filter(|_| !seen.starts_with('\'')).unwrap_or(cell), &*seen);
            }
            prop_assert_eq!(cell.replace('\'', ""), seen.replace('\'', ""));
            prop_assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']));
            // Where the list separator is a semicolon a spreadsheet begins a cell after each.
            for part in cell.split(';').skip(1) {
                let begins = |c: char| c.is_whitespace() || c == '"';
                prop_assert!(!part.trim_start_matches(begins).starts_with(['=', '+', '-', '@']), "{}", cell);
            }
        }
        for line in lines(&printed(|out| json_lines(&summary, out).unwrap())) {
            if line["type"] == "finding" {
                prop_assert_eq!(line["text"].as_str().unwrap(), &text, "JSON keeps what was there");
            }
        }
    }
}

/// A detection of a pattern goes by the marking of its indicator, in each form that a machine reads.
#[test]
fn a_detection_of_a_red_pattern_is_marked_red() {
    let mut summary = sample::firm();
    summary.hits.clear();
    let spray = sample::spray();
    let mut pattern = spray.clone();
    (pattern.means, pattern.id) = (Means::Pattern, "indicator--pattern".to_owned());
    let facts = IndicatorFacts { marking: Marking::tlp(Tlp::Red), ..IndicatorFacts::default() };
    summary.indicators.insert(pattern.id.clone(), facts);
    let mut unknown = pattern.clone();
    unknown.id = "indicator--other".to_owned();
    summary.detections = vec![pattern, unknown, spray];
    let wanted = ["TLP:RED", "unmarked unknown", "TLP:AMBER+STRICT"];
    let bytes = printed(|out| csv(&summary, out).unwrap());
    let mut reader = ::csv::Reader::from_reader(&bytes[..]);
    assert_eq!(reader.records().map(|row| row.unwrap()[13].to_owned()).collect::<Vec<_>>(), wanted);
    let of = |bytes: &[u8], is: &dyn Fn(&Value) -> bool, at: &str| {
        let all = lines(bytes).into_iter().filter(|line| is(line));
        all.map(|line| line.pointer(at).and_then(Value::as_str).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let json = printed(|out| json_lines(&summary, out).unwrap());
    assert_eq!(of(&json, &|line| line["type"] == "detection", "/marking"), wanted);
    assert_eq!(of(&printed(|out| ocsf(&summary, out).unwrap()), &|_| true, "/unmapped/marking"), wanted);
    let first = |line: &Value| line["timestamp_desc"] == "First line of a detection";
    let events = printed(|out| assert_eq!(timesketch(&summary, out).unwrap(), 0));
    assert_eq!(of(&events, &first, "/marking"), wanted);
}

/// A spreadsheet whose list separator is a semicolon splits lines there, also inside of cells.
/// Characters that a terminal obeys, or that change how others are shown, stood in JSON as they are.
#[test]
fn json_for_a_terminal_hides_nothing() {
    let hidden = "a\u{7f}b\u{9b}31mc\u{202e}d\u{e0041}e\u{e9}";
    let mut summary = sample::firm();
    for hit in &mut summary.hits {
        hidden.clone_into(&mut hit.finding.text);
    }
    for detection in &mut summary.detections {
        hidden.clone_into(&mut detection.title);
    }
    let timesketch = printed(|out| {
        timesketch(&summary, out).unwrap();
    });
    for bytes in [
        printed(|out| json_lines(&summary, out).unwrap()),
        printed(|out| ocsf(&summary, out).unwrap()),
        timesketch,
    ] {
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.contains("a\\u007fb\\u009b31mc\\u202ed\\udb40\\udc41e\u{e9}"), "{text}");
        assert!(!text.chars().any(|c| c != '\n' && is_hidden(c)), "{text}");
        let means_the_same = |line: &Value| line.to_string().contains(hidden);
        assert!(lines(&bytes).iter().any(means_the_same));
    }
}

#[test]
fn a_semicolon_in_a_cell_begins_no_formula() {
    for (text, cell) in [
        ("a;=HYPERLINK(1)", "a;'=HYPERLINK(1)"),
        ("a; \"@x\";-1;b=c", "a; \"'@x\";'-1;b=c"),
        (" =a;;+b", "' =a;;'+b"),
        ("a; b=1", "a; b=1"),
    ] {
        assert_eq!(hunt::report::csv_cell(text), cell);
    }
}
