// SPDX-License-Identifier: Apache-2.0
//! Law 7: the scanner reports exactly what the slow reference reports, on any bytes and any block split.

use hunt::indicator::{Indicator, Mode};
use hunt::scan::{Hit, IndicatorSet, Scanner, reference};
use model::observable::{Observable, ObservableKind};
use proptest::prelude::*;

fn one(kind: ObservableKind, text: &str, mode: Mode) -> Indicator {
    Indicator {
        id: format!("{kind} {text}"),
        observable: Observable::parse(kind, text).unwrap(),
        mode,
        name: String::new(),
        valid_from: None,
        valid_until: None,
    }
}

const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
const SHA1: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
const JA4: &str = "t13d1516h2_8daaf6152771_e5627efa2ab1";

/// Few and short values, so that chance and mutation meet them.
pub(crate) fn indicators() -> Vec<Indicator> {
    use Mode::{Exact, WithSubdomains};
    use ObservableKind::*;
    vec![
        one(Ip, "1.2.3.4", Exact),
        one(Ip, "1::2", Exact),
        one(Ip, "1:2:3:4:5:6:7:8", Exact),
        one(Ip, "1:2:3:4:5:6:102:304", Exact),
        one(Cidr, "1.2.0.0/16", Exact),
        one(Cidr, "1::/48", Exact),
        one(Domain, "a.bc", WithSubdomains),
        one(Domain, "e.a.bc", Exact),
        one(Domain, "ü.de", WithSubdomains),
        one(Domain, "1.ü", WithSubdomains),
        one(Domain, "a_b.f.de", Exact),
        one(Email, "e@a.bc", Exact),
        one(Email, "e'e@a.bc", Exact),
        one(Url, "http://a.bc/e", Exact),
        one(Url, "http://a.bc/", Exact),
        one(Url, "a.bc:81/e?e=%20", Exact),
        one(Url, "https://1.2.3.4/e", Exact),
        one(Url, "http://[1::2]/e", Exact),
        one(Md5, MD5, Exact),
        one(Ja3, MD5, Exact),
        one(Sha1, SHA1, Exact),
        one(Ja4, JA4, Exact),
    ]
}

/// Whole values, near misses, and what stands around them in real logs.
const PARTS: &[&str] = &[
    "1.2.3.4",
    "1.2.3.45",
    "11.2.3.4",
    "01.2.3.4",
    "1.2.3",
    "1::2",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:1.2.3.4",
    "::ffff:1.2.3.4",
    "12:34:56",
    "a.bc",
    "A.BC",
    "e.a.bc",
    "xa.bc",
    "a.bcd",
    "e@a.bc",
    "e'e@a.bc",
    "http://a.bc/e",
    "a.bc:81/e?e=%20",
    "http:\\/\\/a.bc\\/e",
    "http://1.2.3.4/e",
    "[1::2]/e",
    "http://[1::2]:80/e",
    "ü.de",
    "1.ü",
    "xn--tda.de",
    "%C3%BC.de",
    "\\u00fc.de",
    "a_b.f.de",
    "4.3.2.1.in-addr.arpa",
    MD5,
    SHA1,
    JA4,
    "D41D8CD98F00B204E9800998ECF8427E",
    "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.ip6.arpa",
    "\\n",
    "\\t",
    "\\b",
    "\\f",
    "\\u0000",
    "\\u0041",
    "\\u002e",
    "\\u0025",
    "\\u0032",
    "\\ud83d\\ude00",
    "\\ud83d",
    "\\u00e9",
    "\\u2013",
    "\\",
    "\\\\",
    "\\\"",
    "\\/",
    "%2F",
    "%2e",
    "%41",
    "%25",
    "%",
    "%3A",
    "%3a%3a",
    "%C3",
    "%A9",
    "\\u003a",
    "%2",
    "E",
    ".",
    "..",
    "...",
    "-",
    "_",
    ":",
    "::",
    "/",
    "?",
    "#",
    "@",
    ",",
    ";",
    ")",
    "\"",
    "'",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\0",
    "ü",
    "é",
    "地",
    "。",
    "“",
    "\u{301}",
    "a",
    "b",
    "n",
    "u",
    "1",
    "2",
    "g",
    "[",
    "]",
    "://",
    "x+",
    "=",
    "&",
];

pub(crate) fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        12 => prop::sample::select(PARTS).prop_map(|p| p.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..3),
        1 => prop::sample::select(PARTS).prop_flat_map(|p| {
            // A value with one byte changed.
            (Just(p.as_bytes().to_vec()), any::<prop::sample::Index>(), any::<u8>())
        }).prop_map(|(mut part, at, byte)| { let at = at.index(part.len()); part[at] = byte; part }),
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

/// A thousand of each; `PROPTEST_CASES` may ask for more.
pub(crate) fn cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.max(1_000), failure_persistence: None, ..usual }
}

fn fast(set: &IndicatorSet, block: &[u8], offset: u64, line: u64) -> Vec<Hit> {
    let mut hits = Vec::new();
    Scanner::new(set).scan_block(block, offset, line, &mut |hit| hits.push(hit));
    hits
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn fast_scan_is_the_reference(block in bytes()) {
        let set = IndicatorSet::build(indicators());
        let expected = reference::scan(set.indicators(), &block, 7, 3);
        prop_assert_eq!(fast(&set, &block, 7, 3), expected, "{}", String::from_utf8_lossy(&block));
    }

    #[test]
    fn each_indicator_is_found_without_the_others(block in bytes(), which in any::<prop::sample::Index>()) {
        // Alone: the passes that other kinds need are off.
        let all = indicators();
        let set = IndicatorSet::build(vec![all[which.index(all.len())].clone()]);
        let expected = reference::scan(set.indicators(), &block, 0, 1);
        prop_assert_eq!(fast(&set, &block, 0, 1), expected, "{}", String::from_utf8_lossy(&block));
    }

    #[test]
    fn blocks_may_be_split_at_any_line(block in bytes(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5)) {
        let set = IndicatorSet::build(indicators());
        let whole = fast(&set, &block, 0, 1);
        let mut ends: Vec<usize> = block.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1).collect();
        if !ends.is_empty() {
            let kept: Vec<usize> = cuts.iter().map(|cut| ends[cut.index(ends.len())]).collect();
            ends.retain(|end| kept.contains(end));
        }
        ends.push(block.len());
        let (mut start, mut line, mut parts) = (0, 1, Vec::new());
        for end in ends {
            parts.extend(fast(&set, &block[start..end], start as u64, line));
            line += block[start..end].iter().filter(|b| **b == b'\n').count() as u64;
            start = end;
        }
        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn any_bytes_do_not_panic(block in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let set = IndicatorSet::build(indicators());
        let mut seen = 0;
        Scanner::new(&set).scan_block_seeing(&block, u64::MAX / 2, 1, &mut |_| {}, &mut |_| seen += 1);
        prop_assert_eq!(fast(&set, &block, 0, 1), reference::scan(set.indicators(), &block, 0, 1));
    }
}
