// SPDX-License-Identifier: Apache-2.0
//! Law 7 for each way to classify bytes, wherever a token stands in the words, parts and chunks that the
//! scan works in.

use hunt::indicator::{Indicator, read_list};
use hunt::scan::{Hit, IndicatorSet, Path, Scanner, Seen, reference};
use proptest::prelude::*;

use crate::laws::{bytes, cases, indicators};

/// Bytes of a few words of masks, of a part, and of a chunk; and how many places between two that are tried.
const STEPS: [(usize, usize); 3] = [(256, 1), (8 * 1024, 3), (64 * 1024, 13)];

fn hits(set: &IndicatorSet, path: Path, block: &[u8]) -> Vec<Hit> {
    let mut hits = Vec::new();
    Scanner::by_path(set, path).scan_block(block, 0, 1, &mut |hit| hits.push(hit));
    hits
}

fn seen(set: &IndicatorSet, path: Path, block: &[u8]) -> Vec<(usize, String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut on_seen =
        |s: Seen<'_>| all.push((s.line_start, s.kind.to_string(), s.token.to_ascii_lowercase()));
    Scanner::by_path(set, path).scan_block_seeing(block, 0, 1, &mut |_| {}, &mut on_seen);
    all.sort();
    all
}

#[test]
fn the_portable_path_is_always_there() {
    let paths = Path::available();
    assert_eq!(paths.last(), Some(&Path::PORTABLE));
    assert_eq!(paths.first(), Some(&Path::fastest()));
    if cfg!(target_arch = "aarch64") {
        assert!(paths.iter().any(|path| path.name() == "neon"));
    }
}

/// Tokens of each kind, and the line that holds them.
const LINES: &[&str] = &[
    "from 1.2.3.4 to 9.9.9.9",
    "x 203.0.113.200, y",
    "GET http://c2.evil.example/a",
    "mail evil.example.",
    "q 4.3.2.1.in-addr.arpa A",
    "a 2001:db8::7 b",
    "a 2001:db8:0:0:0:0:0:7 b",
    "a 0064:ff9b:0001:0002:0003:0004:192.0.2.33 b",
    "md5=d41d8cd98f00b204e9800998ecf8427e;",
    "sha256=66f13964c87fc6fe093a9d8cc0de0bf2b3bdaea9564210283fdb97a1dde9893b",
    "ja4 t13d1516h2_8daaf6152771_e5627efa2ab1 x",
    "esc %2Fevil.example and 1.2.3.4",
    "esc \\u0065vil.example",
    "word m\u{fc}ller.de",
    "range 1.2.3.0-1.2.3.4",
];
const LIST: &str = "1.2.3.4\n203.0.113.0/24\nevil.example\n2001:db8::7\n64:ff9b:1:2:3:4:c000:221\nd41d8cd98f00b204e9800998ecf8427e\n\
    66f13964c87fc6fe093a9d8cc0de0bf2b3bdaea9564210283fdb97a1dde9893b\n\
    t13d1516h2_8daaf6152771_e5627efa2ab1\nmüller.de\n";

#[test]
fn each_kind_is_found_at_each_place_of_a_word() {
    let set = IndicatorSet::build(read_list(LIST.as_bytes(), "list").indicators);
    for line in LINES {
        for before in 0..130 {
            let block = format!("{}{line}", " ".repeat(before));
            let wanted = reference::scan(set.indicators(), block.as_bytes(), 0, 1);
            assert!(!wanted.is_empty(), "{line}");
            for path in Path::available() {
                assert_eq!(hits(&set, path, block.as_bytes()), wanted, "{} {before} {line}", path.name());
            }
        }
    }
}

#[test]
fn each_kind_is_found_where_parts_and_chunks_meet() {
    let set = IndicatorSet::build(read_list(LIST.as_bytes(), "list").indicators);
    for line in LINES {
        let alone = reference::scan(set.indicators(), line.as_bytes(), 0, 1);
        for (step, apart) in STEPS {
            for end in (step - 40..step + 40).step_by(apart) {
                // One line as long as that, and short lines that fill as much.
                let long = ".".repeat(end - line.len() - 1) + " ";
                let short =
                    "-\n".repeat((end - line.len()) / 2) + if end % 2 == line.len() % 2 { "" } else { " " };
                for filler in [long, short] {
                    let block = format!("{filler}{line}\nnothing");
                    let offset = filler.len() as u64;
                    for path in Path::available() {
                        let found = hits(&set, path, block.as_bytes());
                        let places: Vec<(u64, usize)> = found.iter().map(|h| (h.offset, h.len)).collect();
                        let wanted: Vec<_> = alone.iter().map(|h| (h.offset + offset, h.len)).collect();
                        assert_eq!(places, wanted, "{} at {offset}: {line}", path.name());
                    }
                }
            }
        }
    }
}

/// Indicators whose keys of 16 bytes are those of others.
fn alike() -> Vec<Indicator> {
    read_list(b"a-long-first-label.example\nb-long-first-label.example\nlabel.example\n", "list").indicators
}

#[test]
fn names_that_pass_the_filter_together_are_told_apart() {
    let set = IndicatorSet::build(alike());
    let text = "c-long-first-label.example x.b-long-first-label.example first-label.example label.example";
    for path in Path::available() {
        let values: Vec<String> =
            hits(&set, path, text.as_bytes()).into_iter().map(|hit| hit.value).collect();
        assert_eq!(values, ["x.b-long-first-label.example", "label.example"], "{}", path.name());
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn each_path_is_the_reference(block in bytes(), before in 0_usize..130) {
        let block = [vec![b' '; before], block].concat();
        let set = IndicatorSet::build(indicators());
        let expected = reference::scan(set.indicators(), &block, 0, 1);
        for path in Path::available() {
            let found = hits(&set, path, &block);
            prop_assert_eq!(&found, &expected, "{} {}", path.name(), String::from_utf8_lossy(&block));
        }
    }

    #[test]
    fn each_path_hands_over_the_same(block in bytes(), before in 0_usize..130) {
        let block = [vec![b' '; before], block].concat();
        let set = IndicatorSet::build(indicators());
        let expected = seen(&set, Path::PORTABLE, &block);
        for path in Path::available() {
            prop_assert_eq!(seen(&set, path, &block), expected.clone(), "{}", path.name());
        }
    }

    #[test]
    fn whether_all_is_handed_over_changes_no_hit(block in bytes()) {
        let set = IndicatorSet::build(indicators());
        let mut found = Vec::new();
        Scanner::new(&set).scan_block_seeing(&block, 0, 1, &mut |hit| found.push(hit), &mut |_| {});
        prop_assert_eq!(found, reference::scan(set.indicators(), &block, 0, 1));
    }
}

proptest! {
    // Each case is many lines.
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_of_one_block_do_not_touch_each_other(lines in prop::collection::vec(bytes(), 1..6), many in 0_usize..3) {
        // Long blocks: several parts and chunks, made of the same lines again and again.
        let set = IndicatorSet::build(indicators());
        let text: Vec<u8> = lines.concat();
        let line: Vec<u8> = text.into_iter().filter(|b| *b != b'\n').chain([b'\n']).collect();
        let times = [2, 40, 300][many];
        let block = line.repeat(times);
        let alone = reference::scan(set.indicators(), &line, 0, 1);
        for path in Path::available() {
            let found = hits(&set, path, &block);
            prop_assert_eq!(found.len(), alone.len() * times, "{}", path.name());
            for (nth, hit) in found.iter().enumerate() {
                let (time, model) = (nth / alone.len(), &alone[nth % alone.len()]);
                let start = (time * line.len()) as u64;
                prop_assert_eq!((hit.line, hit.line_start, hit.offset), (time as u64 + 1, start, start + model.offset));
                prop_assert_eq!((&hit.value, hit.indicator), (&model.value, model.indicator));
            }
        }
    }
}
