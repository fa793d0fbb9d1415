// SPDX-License-Identifier: Apache-2.0
//! Cutting a stream into objects.

use std::io::{self, Read};

use model::limits::BODY_BYTES_MAX;
use model::stix::{Item, Splitter};
use proptest::prelude::*;

/// Gives a few bytes at a time, so that every boundary is met.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.len().min(self.1).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// Objects as text, then codes of what was bad.
fn split(bytes: &[u8], step: usize) -> (Vec<String>, Vec<&'static str>) {
    let mut splitter = Splitter::new(Dribble(bytes, step));
    let (mut objects, mut bad) = (Vec::new(), Vec::new());
    while let Some(item) = splitter.next_item().unwrap() {
        match item {
            Item::Object(bytes) => objects.push(String::from_utf8(bytes).unwrap()),
            Item::Drafts(bytes) => objects.push(format!("drafts {}", String::from_utf8(bytes).unwrap())),
            Item::Markings(bytes) => objects.push(format!("markings {}", String::from_utf8(bytes).unwrap())),
            Item::Bad { diagnostic, .. } => bad.push(diagnostic.code),
        }
    }
    (objects, bad)
}

fn every_step(bytes: &str) -> (Vec<String>, Vec<&'static str>) {
    let whole = split(bytes.as_bytes(), usize::MAX);
    for step in 1..9 {
        assert_eq!(split(bytes.as_bytes(), step), whole, "in steps of {step}");
    }
    whole
}

#[test]
fn a_bundle_an_array_one_object_and_json_lines() {
    for (text, count) in [
        (r#"{"type":"bundle","id":"b","objects":[{"a":1},{"b":"}]"}, {"c":[{}]}]}"#, 3),
        (r#" [ {"a":1} , {"a":2} ] "#, 2),
        (r#"{"type":"identity","objects":{"0":{}},"x":"\"}"}"#, 1),
        ("{\"a\":1}\n{\"a\":2}\n\n{\"objects\":[{\"a\":3}]}\n", 3),
        ("\u{feff}{\"a\":1}", 1),
        (r#"{"objects":[]}"#, 0),
    ] {
        let (objects, bad) = every_step(text);
        assert_eq!((objects.len(), bad.len()), (count, 0), "{text}: {objects:?} {bad:?}");
    }
}

#[test]
fn bytes_are_cut_out_as_they_came() {
    let (objects, _) =
        every_step("{\"objects\":[ {\"a\" : \"\\u00e9\\\\\" , \"n\":1.0}\n,\t{\"b\":[1,2]} ]}");
    assert_eq!(objects, ["{\"a\" : \"\\u00e9\\\\\" , \"n\":1.0}", "{\"b\":[1,2]}"]);
}

#[test]
fn markings_are_found_before_and_after_the_objects() {
    let (objects, bad) =
        every_step(r#"{"x_polder_markings":[1],"objects":[{"a":1}],"x_polder_markings":[2]}"#);
    assert_eq!(objects, ["markings [1]", r#"{"a":1}"#, "markings [2]"]);
    assert!(bad.is_empty());
}

#[test]
fn a_truncated_bundle_keeps_whole_objects() {
    let whole = r#"{"type":"bundle","objects":[{"a":"x"},{"b":"y"},{"c":"z"}]}"#;
    for cut in 1..whole.len() {
        let (objects, bad) = every_step(&whole[..cut]);
        assert_eq!(bad, ["truncated"], "cut at {cut}");
        let complete = [37, 47, 57].iter().filter(|end| **end <= cut).count();
        assert_eq!(objects.len(), complete, "cut at {cut}: {objects:?}");
    }
}

#[test]
fn what_is_not_an_object_is_told_and_the_rest_goes_on() {
    let (objects, bad) = every_step(r#"{"objects":[1,{"a":1},"text",[{}],null,{"b":2}]}"#);
    assert_eq!(objects, [r#"{"a":1}"#, r#"{"b":2}"#]);
    assert_eq!(bad, ["not-an-object"; 4]);
}

#[test]
fn ten_thousand_nested_arrays() {
    let deep = format!(r#"{{"objects":[{{"a":{}{}}},{{"b":1}}]}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let (objects, bad) = split(deep.as_bytes(), usize::MAX);
    assert_eq!((objects, bad), (vec![r#"{"b":1}"#.to_owned()], vec!["nested-too-deep"]));
    let alone = format!(r#"{{"a":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    assert_eq!(split(alone.as_bytes(), usize::MAX).1, ["nested-too-deep"], "told once, as what it is");
    let open = "[".repeat(100_000);
    assert_eq!(split(open.as_bytes(), usize::MAX).1, ["truncated"]);
}

/// Two gigabytes in one object: passed over in bounded memory.
#[test]
fn an_object_of_two_gigabytes() {
    let head: &[u8] = br#"{"objects":[{"a":1},{"big":""#;
    let tail: &[u8] = br#""},{"b":2}]}"#;
    let source = head.chain(io::repeat(b'x').take(2 << 30)).chain(tail);
    let mut splitter = Splitter::new(source);
    let mut told = Vec::new();
    while let Some(item) = splitter.next_item().unwrap() {
        told.push(match item {
            Item::Object(bytes) => String::from_utf8(bytes).unwrap(),
            Item::Drafts(_) => "drafts".to_owned(),
            Item::Markings(_) => "markings".to_owned(),
            Item::Bad { diagnostic, counts } => format!("{} {counts}", diagnostic.code),
        });
    }
    assert_eq!(told, [r#"{"a":1}"#, "object-too-large true", r#"{"b":2}"#]);
    assert_eq!(splitter.objects(), 3);
}

#[test]
fn the_largest_object_is_taken_and_one_byte_more_is_not() {
    for (extra, taken) in [(0, 1), (1, 0)] {
        let body = format!(r#"{{"a":"{}"}}"#, "x".repeat(BODY_BYTES_MAX - 8 + extra));
        assert_eq!(body.len(), BODY_BYTES_MAX + extra);
        let (objects, bad) = split(format!(r#"{{"objects":[{body}]}}"#).as_bytes(), usize::MAX);
        assert_eq!((objects.len(), bad.len()), (taken, 1 - taken));
        let (alone, bad) = split(body.as_bytes(), usize::MAX);
        assert_eq!((alone.len(), bad.len()), (taken, 1 - taken), "not in a bundle");
    }
}

/// White space and commas count: nothing larger than an object is kept, however it is stretched.
#[test]
fn an_object_that_is_stretched_with_nothing() {
    for stretch in [b' ', b','] {
        let source =
            (&b"{"[..]).chain(io::repeat(stretch).take(3 * BODY_BYTES_MAX as u64)).chain(&b"\"a\":1}"[..]);
        let mut splitter = Splitter::new(source);
        let Some(Item::Bad { diagnostic, .. }) = splitter.next_item().unwrap() else {
            panic!("it was taken")
        };
        assert_eq!(diagnostic.code, "object-too-large");
        assert_eq!(splitter.next_item().unwrap(), None);
    }
}

#[test]
fn what_is_no_json_at_all() {
    for text in ["hello", "<xml/>", "1,2", "}", "{\"objects\":[}", "{1:2}", "{\"a\" \"b\"}"] {
        assert_eq!(every_step(text).1, ["not-json"], "{text}");
    }
    assert_eq!(every_step("").1, ["empty-input"]);
    assert_eq!(every_step(" \n").1, ["empty-input"]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes: no panic, the same answer in any steps.
    #[test]
    fn any_bytes(text in r#"[\[\]{}":, a1\\\nobjects]{0,60}"#, step in 1usize..7) {
        prop_assert_eq!(split(text.as_bytes(), step), split(text.as_bytes(), usize::MAX));
    }

    /// What is put into a bundle comes out of it.
    #[test]
    fn what_went_in_comes_out(texts in prop::collection::vec(r#"[a-z"\\{}\[\]é]{0,20}"#, 0..12), step in 1usize..40) {
        let objects: Vec<String> = texts.iter().map(|t| serde_json::json!({ "a": t, "b": [t, {}] }).to_string()).collect();
        let bundle = format!(r#"{{"type":"bundle","objects":[{}]}}"#, objects.join(" ,"));
        prop_assert_eq!(split(bundle.as_bytes(), step), (objects, vec![]));
    }
}
