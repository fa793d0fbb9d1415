// SPDX-License-Identifier: Apache-2.0
//! The scanner's edge cases, each with its name. The reference must agree with every one.

use hunt::indicator::{Indicator, Mode, read_list};
use hunt::scan::{IndicatorSet, Scanner, reference};
use model::observable::{Observable, ObservableKind};

/// Values that a list finds in a text, by line: `(line, value)`.
fn found(list: &str, text: &str) -> Vec<(u64, String)> {
    found_by(read_list(list.as_bytes(), "list").indicators, text)
}

fn found_by(indicators: Vec<Indicator>, text: &str) -> Vec<(u64, String)> {
    let set = IndicatorSet::build(indicators);
    let mut hits = Vec::new();
    Scanner::new(&set).scan_block(text.as_bytes(), 0, 1, &mut |hit| hits.push(hit));
    assert_eq!(hits, reference::scan(set.indicators(), text.as_bytes(), 0, 1), "{text}");
    for hit in &hits {
        assert!(hit.offset as usize + hit.len <= text.len());
    }
    hits.into_iter().map(|hit| (hit.line, hit.value)).collect()
}

fn finds(list: &str, texts: &[&str]) {
    for text in texts {
        assert_eq!(found(list, text).len(), 1, "{list} should be in {text}");
    }
}

fn misses(list: &str, texts: &[&str]) {
    for text in texts {
        assert_eq!(found(list, text), [], "{list} should not be in {text}");
    }
}

const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
const SHA256: &str = "66f13964c87fc6fe093a9d8cc0de0bf2b3bdaea9564210283fdb97a1dde9893b";

#[test]
fn an_ipv4_address_is_never_part_of_another() {
    finds(
        "1.2.3.4",
        &[
            "1.2.3.4",
            "src=1.2.3.4:443",
            "(1.2.3.4)",
            "1.2.3.4.",
            "to 1.2.3.4...",
            "\"1.2.3.4\"",
            "1.2.3.4/24",
            "1.2.3.4,5",
        ],
    );
    misses(
        "1.2.3.4",
        &[
            "11.2.3.45",
            "1.2.3.45",
            "11.2.3.4",
            "1.2.3.4.5",
            "5.1.2.3.4",
            "1.2.3.4a",
            "v1.2.3.4",
            "1.2.3.4.example",
            "1.2.3",
        ],
    );
}

#[test]
fn octets_with_leading_zeros_are_no_address() {
    misses("1.2.3.4", &["01.2.3.4", "1.02.3.4", "1.2.3.004", "001.002.003.004"]);
    assert_eq!(read_list(b"010.1.2.3", "list").taken, 0);
}

#[test]
fn glued_addresses_are_cut() {
    finds(
        "1.2.3.4",
        &[
            "1.2.3.4-1.2.3.9",
            "1.2.3.0-1.2.3.4",
            "1.2.3.4_443",
            "eth0_1.2.3.4",
            "1.2.3.0..1.2.3.4",
            "a-1.2.3.4",
        ],
    );
    misses("1.2.3.4", &["1.2.3.4-static.example", "11.2.3.4-1.2.3.45"]);
}

#[test]
fn a_domain_matches_with_its_subdomains_at_label_boundaries() {
    finds(
        "evil.example",
        &[
            "evil.example",
            "c2.evil.example",
            "a.b.evil.example.",
            "http://evil.example/x",
            "u@evil.example",
            "EVIL.Example",
            "evil.example:443",
            "evil.example-",
        ],
    );
    misses(
        "evil.example",
        &[
            "notevil.example",
            "evil.example.com",
            "evil.examples",
            "evil-example",
            "evil.example_1",
            "my_evil.example",
        ],
    );
    assert_eq!(found("evil.example", "see C2.EVIL.example"), [(1, "c2.evil.example".to_owned())]);
}

#[test]
fn an_exact_domain_matches_only_itself() {
    let exact = || {
        vec![Indicator {
            id: "indicator--x".into(),
            observable: Observable::parse(ObservableKind::Domain, "evil.example").unwrap(),
            mode: Mode::Exact,
            name: String::new(),
            valid_from: None,
            valid_until: None,
        }]
    };
    assert_eq!(found_by(exact(), "evil.example").len(), 1);
    assert_eq!(found_by(exact(), "c2.evil.example").len(), 0);
}

#[test]
fn a_hash_stands_alone_at_its_exact_length() {
    finds(
        MD5,
        &[
            &format!("md5={MD5}"),
            &format!("{MD5}."),
            &format!("\"{}\"", MD5.to_uppercase()),
            &format!("MD5:{MD5},SHA1:"),
        ],
    );
    misses(
        MD5,
        &[
            &format!("{MD5}0"),
            &format!("0{MD5}"),
            &format!("{MD5}g"),
            &format!("x{MD5}"),
            &format!("{MD5}_1"),
            &format!("{SHA256}{MD5}"),
        ],
    );
    finds(SHA256, &[&format!("Hashes=SHA256={SHA256},IMPHASH=0")]);
}

#[test]
fn ja3_and_ja4_are_found_by_their_shape() {
    let mut indicators = read_list(b"t13d1516h2_8daaf6152771_e5627efa2ab1", "list").indicators;
    indicators.push(Indicator {
        observable: Observable::parse(ObservableKind::Ja3, MD5).unwrap(),
        ..indicators[0].clone()
    });
    let text = format!(
        "{{\"ja3\":\"{MD5}\",\"ja4\":\"T13d1516h2_8daaf6152771_e5627efa2ab1\"}}\nxt13d1516h2_8daaf6152771_e5627efa2ab1"
    );
    assert_eq!(found_by(indicators, &text).len(), 2);
}

#[test]
fn ipv6_is_found_in_every_spelling() {
    let spellings = [
        "2001:db8::7",
        "2001:DB8:0:0:0:0:0:7",
        "[2001:0db8::0007]:443",
        "2001:db8::7%eth0",
        "addr 2001:db8::7.",
        "2001:db8::7/64",
        "ip:2001:db8:0:0:0:0:0:7",
    ];
    finds("2001:db8::7", &spellings);
    misses(
        "2001:db8::7",
        &["2001:db8::71", "12001:db8::7", "2001:db8::7:1", "x2001:db8::7", "12:34:56", "00:11:22:33:44:55"],
    );
    finds("1.2.3.4", &["::ffff:1.2.3.4", "::FFFF:102:304", "0:0:0:0:0:ffff:1.2.3.4"]);
    finds(
        "64:ff9b:1:2:3:4:c000:221",
        &["64:ff9b:1:2:3:4:192.0.2.33", "0064:ff9b:0001:0002:0003:0004:192.0.2.33"],
    );
}

#[test]
fn a_network_holds_its_addresses() {
    finds("203.0.113.0/24", &["203.0.113.0", "203.0.113.255", "203.0.113.9:80"]);
    misses("203.0.113.0/24", &["203.0.114.0", "203.0.112.255", "1203.0.113.9"]);
    finds("2001:db8::/32", &["2001:db8:ffff::1"]);
    misses("2001:db8::/32", &["2001:db9::1"]);
}

#[test]
fn reversed_names_are_the_addresses_they_stand_for() {
    finds("1.2.3.4", &["query 4.3.2.1.in-addr.arpa", "4.3.2.1.IN-ADDR.ARPA."]);
    misses("1.2.3.4", &["1.2.3.4.in-addr.arpa", "5.4.3.2.1.in-addr.arpa"]);
    let nibbles = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    assert_eq!(found("2001:db8::7", nibbles), [(1, "2001:db8::7".to_owned())]);
}

#[test]
fn escapes_before_a_token_are_seen_through() {
    finds(
        "evil.example",
        &[
            "\"a\\nevil.example\"",
            "\\tevil.example",
            "\\u0000evil.example",
            "%2Fevil.example",
            "https%3A%2F%2Fevil.example%2Fa",
            "\\u003devil.example\\u0026",
            "http:\\/\\/evil.example\\/",
        ],
    );
    finds("1.2.3.4", &["\\n1.2.3.4\\n", "%2F1.2.3.4%2F", "\\u00201.2.3.4"]);
    finds(
        MD5,
        &[&format!("\\n{MD5}"), &format!("\\b{MD5}"), &format!("%2F{MD5}"), &format!("\\\"{MD5}\\\"")],
    );
    finds("2001:db8::7", &["\\n2001:db8::7", "%2F2001:db8::7", "2001%3Adb8%3A%3A7"]);
    finds("evil.example", &["evil%2Eexample", "evil\\u002eexample", "ev%69l.example"]);
}

#[test]
fn escapes_that_are_letters_of_the_word_do_not_end_it() {
    misses("evil.example", &["\\u0041evil.example", "%41evil.example", "\\\\nevil.example"]);
    // As it stands, the name ends before the percent sign.
    finds("evil.example", &["C:\\\\evil.example", "evil.example%61"]);
}

#[test]
fn letters_beyond_ascii_belong_to_the_word() {
    misses("ller.de", &["müller.de", "m\\u00fcller.de", "m%C3%BCller.de"]);
    for list in ["müller.de", "xn--mller-kva.de"] {
        finds(
            list,
            &[
                "müller.de",
                "MÜLLER.DE",
                "xn--mller-kva.de",
                "m\\u00fcller.de",
                "m%C3%BCller.de",
                "www.müller.de",
            ],
        );
    }
    // Digits and a dot may be the beginning of a name, too.
    finds("7.рф", &["7.рф", "7.%D1%80%D1%84", "7.\\u0440\\u0444", "x 1.2.7.РФ"]);
    finds("evil.example", &["“evil.example”", "，evil.example。", "‘evil.example’"]);
    finds("1.2.3.4", &["地址1.2.3.4的", "IP：1.2.3.4，"]);
}

#[test]
fn bytes_that_are_no_utf8_end_a_word() {
    let set = IndicatorSet::build(read_list(b"evil.example", "list").indicators);
    let text = b"\xFF\xFEevil.example\xFF\n\x80evil.example\xC3";
    let mut hits = Vec::new();
    Scanner::new(&set).scan_block(text, 0, 1, &mut |hit| hits.push(hit));
    assert_eq!(hits.len(), 2);
    assert_eq!(hits, reference::scan(set.indicators(), text, 0, 1));
}

#[test]
fn a_url_is_compared_whole() {
    let list = "https://evil.example/a/b?x=1";
    finds(
        list,
        &[
            "GET http://evil.example/a/b?x=1 HTTP/1.1",
            "evil.example/a/b?x=1",
            "EVIL.example:443/a/b?x=1#top",
            "\"http:\\/\\/evil.example\\/a\\/b?x=1\"",
            "(https://evil.example/a/b?x=1).",
            "https://evil.example/a/b?x=1,200",
            "http%3A%2F%2Fevil.example%2Fa%2Fb%3Fx%3D1",
            "https://evil.example/a/%62?x=1",
        ],
    );
    misses(
        list,
        &[
            "evil.example",
            "evil.example/a/b",
            "evil.example/a/b?x=12",
            "www.evil.example/a/b?x=1",
            "evil.example:8443/a/b?x=1",
            "evil.example/A/b?x=1",
        ],
    );
    finds("http://evil.example:8443/", &["CONNECT https://evil.example:8443", "evil.example:8443/"]);
    finds("http://1.2.3.4/x", &["http://1.2.3.4/x"]);
    finds("http://[2001:db8::7]/x", &["http://[2001:DB8::7]/x"]);
    assert_eq!(
        found("http://evil.example/a", "u=HTTPS://evil.example/a"),
        [(1, "HTTPS://evil.example/a".to_owned())]
    );
}

#[test]
fn an_email_address_has_both_boundaries() {
    finds(
        "eve@evil.example",
        &["<Eve@Evil.Example>", "to=eve@evil.example", "mailto:eve@evil.example", "eve%40evil.example"],
    );
    misses(
        "eve@evil.example",
        &[
            "steve@evil.example",
            "eve@mail.evil.example",
            "evil.example",
            "eve@evil.example.com",
            "x.eve@evil.example",
        ],
    );
}

#[test]
fn a_line_and_indicator_are_reported_once_with_the_first_offset() {
    let set = IndicatorSet::build(read_list(b"evil.example\n1.2.3.4", "list").indicators);
    let mut hits = Vec::new();
    let text = b"none\na.evil.example b.evil.example 1.2.3.4 1.2.3.4\nevil.example";
    Scanner::new(&set).scan_block(text, 100, 7, &mut |hit| {
        hits.push((hit.line, hit.line_start, hit.offset, hit.indicator))
    });
    assert_eq!(hits, [(8, 105, 105, 0), (8, 105, 135, 1), (9, 151, 151, 0)]);
}

#[test]
fn two_indicators_with_one_value_are_both_reported() {
    let mut indicators = read_list(b"evil.example\nevil.example", "list").indicators;
    indicators[1].mode = Mode::Exact;
    assert_eq!(found_by(indicators, "evil.example").len(), 2);
}

#[test]
fn lines_longer_than_a_chunk_are_scanned_whole() {
    let long = "x".repeat(200_000);
    let text = format!("{long} 1.2.3.4 {long}\n{long}1.2.3.4\n1.2.3.4 {long}");
    assert_eq!(found("1.2.3.4", &text).iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn a_token_that_never_ends_costs_no_more_than_its_length() {
    let runs = format!("{MD5}_").repeat(20_000);
    let dots = "a.".repeat(300_000);
    let colons = ":".repeat(300_000);
    let set = IndicatorSet::build(
        read_list(format!("{MD5}\n1.2.3.4\n1::2\na.a.a.bc").as_bytes(), "list").indicators,
    );
    for text in [runs, dots, colons] {
        let mut hits = 0;
        Scanner::new(&set).scan_block(text.as_bytes(), 0, 1, &mut |_| hits += 1);
        assert_eq!(hits, 0);
    }
}

#[test]
fn kinds_without_a_shape_are_left_to_the_fields_of_events() {
    let mut indicators = read_list(b"1.2.3.4", "list").indicators;
    let agent = Observable::parse(ObservableKind::UserAgent, "evil/1.0").unwrap();
    indicators.push(Indicator { id: "agent".into(), observable: agent, ..indicators[0].clone() });
    let set = IndicatorSet::build(indicators);
    assert_eq!((set.len(), set.diagnostics().len()), (2, 0));
    let mut hits = Vec::new();
    Scanner::new(&set).scan_block(b"1.2.3.4 evil/1.0\n", 0, 1, &mut |hit| hits.push(hit.indicator));
    assert_eq!(hits, [0]);
}

#[test]
fn nothing_to_hunt_finds_nothing() {
    assert_eq!(found("", "1.2.3.4 evil.example"), []);
    assert_eq!(found("1.2.3.4", ""), []);
}

#[test]
fn what_is_seen_are_addresses_names_and_hashes() {
    let set = IndicatorSet::build(Vec::new());
    let text = format!("1.2.3.4 \\nwww.evil.example {MD5} 2001:db8::7\nm\\u00fcller.de");
    let mut seen = Vec::new();
    Scanner::new(&set).scan_block_seeing(text.as_bytes(), 0, 1, &mut |_| {}, &mut |s| {
        seen.push((s.kind, String::from_utf8_lossy(s.token).into_owned(), s.line_start));
    });
    seen.sort();
    let second = text.find('\n').unwrap() + 1;
    assert_eq!(
        seen,
        [
            (ObservableKind::Domain, "www.evil.example".to_owned(), 0),
            (ObservableKind::Domain, "xn--mller-kva.de".to_owned(), second),
            (ObservableKind::Ip, "1.2.3.4".to_owned(), 0),
            (ObservableKind::Ip, "2001:db8::7".to_owned(), 0),
            (ObservableKind::Md5, MD5.to_owned(), 0),
        ]
    );
}

#[test]
fn a_set_needs_a_hundred_bytes_an_indicator() {
    // The mix of the measured lists: four addresses, five domains, one SHA-256.
    let list: String = (0_u32..50_000)
        .map(|n| {
            let x = n.wrapping_mul(2_654_435_761);
            match n % 10 {
                0..4 => format!("{}.{}.{}.{}\n", 11 + n % 90, x >> 24, x >> 16 & 255, x >> 8 & 255),
                4..9 => format!("cdn.app{x:x}.nl\n"),
                _ => format!("{x:064x}\n"),
            }
        })
        .collect();
    let indicators = read_list(list.as_bytes(), "a list with a name").indicators;
    let set = IndicatorSet::build(indicators.clone());
    assert_eq!(set.len(), 50_000);
    let each = set.heap_bytes() as f64 / set.len() as f64;
    assert!(each < 100.0, "{each} bytes");
    assert_eq!(set.indicators(), indicators);
    assert_eq!(set.indicator(49_999), indicators.last().cloned());
    assert_eq!(set.indicator(50_000), None);
}
