// SPDX-License-Identifier: Apache-2.0
//! Readers of lists: golden in and out.

use hunt::indicator::{Mode, Reading, read_csv, read_list};
use hunt::limits::LIST_LINE_BYTES_MAX;

/// One line for each indicator and diagnostic.
fn told(reading: &Reading) -> Vec<String> {
    assert_eq!(reading.entries, reading.taken + reading.refused);
    let taken = reading.indicators.iter().map(|i| {
        let mode = if i.mode == Mode::WithSubdomains { "+subdomains" } else { "" };
        format!("{}{mode} {} [{}] {}", i.observable.kind(), i.observable, i.id, i.name)
    });
    taken.chain(reading.diagnostics.iter().map(|d| format!("{} {}", d.code, d.place))).collect()
}

#[test]
fn a_plain_list() {
    let list = "\u{feff}# head\r\n1.2.3.4\r\n\r\n  hxxps://evil[.]example/a#b  # seen in March\n\
        evil(dot)example\n203.0.113.0/24\n203.0.113.7/32\nEve[at]Evil[.]example\nd41d8cd98f00b204e9800998ecf8427e\n\
        m\u{fc}ller.de\nco.uk\ncom\nappspot.com\nx.appspot.com\n1.2.3.4:80\n010.1.2.3\nwhat is this\n0.0.0.0/0\n2001[:]db8::1\n";
    assert_eq!(
        told(&read_list(list.as_bytes(), "L")),
        [
            "ip 1.2.3.4 [1.2.3.4] L line 2",
            "url evil.example/a [hxxps://evil[.]example/a#b] L line 4",
            "domain+subdomains evil.example [evil(dot)example] L line 5",
            "cidr 203.0.113.0/24 [203.0.113.0/24] L line 6",
            "ip 203.0.113.7 [203.0.113.7/32] L line 7",
            "email eve@evil.example [Eve[at]Evil[.]example] L line 8",
            "md5 d41d8cd98f00b204e9800998ecf8427e [d41d8cd98f00b204e9800998ecf8427e] L line 9",
            "domain+subdomains xn--mller-kva.de [müller.de] L line 10",
            "domain+subdomains x.appspot.com [x.appspot.com] L line 14",
            "ip 2001:db8::1 [2001[:]db8::1] L line 19",
            "public-suffix L line 11",
            "not-an-observable L line 12",
            "public-suffix L line 13",
            "not-an-observable L line 15",
            "not-an-observable L line 16",
            "not-an-observable L line 17",
            "network-too-wide L line 18",
        ]
    );
}

#[test]
fn lines_that_are_not_utf8_or_too_long_are_named() {
    let mut list = b"\xFF\xFE\n1.2.3.4\n".to_vec();
    list.extend(vec![b'a'; LIST_LINE_BYTES_MAX]);
    list.push(b'\n');
    list.extend(vec![b'a'; LIST_LINE_BYTES_MAX + 1]);
    let reading = read_list(&list, "L");
    assert_eq!(reading.taken, 1);
    let codes: Vec<_> = reading.diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["not-utf-8", "not-an-observable", "line-too-long"]);
}

#[test]
fn a_table_with_types_and_quotes() {
    let table = "\u{feff}id,Value,\"Type\",note\r\n1,1.2.3.4,ip-dst,x\r\n2,\"evil[.]example\",domain,\"a, \"\"b\"\"\nc\"\n\
        3,d41d8cd98f00b204e9800998ecf8427e,ja3,\n4,\"sly/1.0 (x, y)\",user-agent,\n5,corp\\eve,account,\n6,,ip,\n7,nothing,domain,\n8,1.2.3.4/8,,\n";
    assert_eq!(
        told(&read_csv(table.as_bytes(), "T")),
        [
            "ip 1.2.3.4 [1.2.3.4] T line 2",
            "domain+subdomains evil.example [evil[.]example] T line 3",
            "ja3 d41d8cd98f00b204e9800998ecf8427e [d41d8cd98f00b204e9800998ecf8427e] T line 5",
            "user-agent sly/1.0 (x, y) [sly/1.0 (x, y)] T line 6",
            "account corp\\eve [corp\\eve] T line 7",
            "cidr 1.0.0.0/8 [1.2.3.4/8] T line 10",
            "no-value T line 8",
            "not-an-observable T line 9",
        ]
    );
}

#[test]
fn other_separators_and_headers() {
    assert_eq!(told(&read_csv(b"ioc;x\n1.2.3.4;y\n", "T")), ["ip 1.2.3.4 [1.2.3.4] T line 2"]);
    assert_eq!(told(&read_csv(b"\n#indicator\tx\n1.2.3.4\ty", "T")), ["ip 1.2.3.4 [1.2.3.4] T line 3"]);
    let sha1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
    assert_eq!(told(&read_csv(format!("sha1,x\n{sha1},\nzz,\n").as_bytes(), "T")).len(), 2);
    assert_eq!(told(&read_csv(b"a,b\n1.2.3.4,c\n", "T")), ["no-value-column T"]);
    assert_eq!(told(&read_csv(b"", "T")), ["no-value-column T"]);
}

#[test]
fn a_quote_that_does_not_end_is_named() {
    assert_eq!(told(&read_csv(b"value\n\"1.2.3.4\n5.6.7.8\n", "T")), ["bad-quoting T line 2"]);
    assert_eq!(
        told(&read_csv(b"value\n\xFF\n5.6.7.8\n", "T")),
        ["ip 5.6.7.8 [5.6.7.8] T line 3", "bad-quoting T line 2"]
    );
}

proptest::proptest! {
    #[test]
    fn any_bytes_do_not_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        told(&read_list(&bytes, "L"));
        told(&read_csv(&[b"value,type\n", &*bytes].concat(), "L"));
    }
}
