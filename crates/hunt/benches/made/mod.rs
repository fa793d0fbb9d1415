// SPDX-License-Identifier: Apache-2.0
//! Lists and logs from a fixed sequence of numbers: the same in each run, and no test data of anybody's.

mod numbers;

use std::io::Write as _;

use numbers::Numbers;

fn value(kind: u64, of: u64) -> String {
    let n = Numbers(of).next();
    match kind {
        0 => format!("{}.{}.{}.{}", 11 + n % 90, n >> 8 & 255, n >> 16 & 255, n >> 24 & 255),
        1 => format!(
            "w{:x}.{}.example.{}",
            n & 0xFFFF,
            n >> 16 & 0xFFF,
            ["com", "net", "nl", "de", "tw"][(n >> 40) as usize % 5]
        ),
        2 => format!("{:016x}{n:016x}{:016x}{:016x}", n ^ 1, n ^ 2, n ^ 3),
        _ => format!("2001:db8:{:x}:{:x}::{:x}", n & 0xFFFF, n >> 16 & 0xFFFF, n >> 32 & 0xFFFF),
    }
}

/// A list of so many values of four kinds.
pub fn list(indicators: u64) -> Vec<u8> {
    (0..indicators).flat_map(|n| format!("{}\n", value(n % 4, n)).into_bytes()).collect()
}

/// A log of at least so many bytes, of lines of five kinds; 500,000 values of it are not on the list.
pub fn log(bytes: usize, indicators: u64) -> Vec<u8> {
    let mut n = Numbers(7);
    let mut log = Vec::with_capacity(bytes + 1024);
    let mut line = 0_u64;
    while log.len() < bytes {
        line += 1;
        // Every 20,000th line holds a value of the list; the others hold values beyond it.
        let of =
            if line.is_multiple_of(20_000) { n.below(indicators) } else { indicators + n.below(500_000) };
        let (kind, time) = (of % 4, 1_700_000_000 + line / 50);
        let text = match line % 5 {
            0 => format!(
                "{{\"ts\":{time}.25,\"uid\":\"C{:x}\",\"id.orig_h\":\"10.0.{}.{}\",\"id.resp_h\":\"{}\",\"id.resp_p\":443,\"proto\":\"tcp\"}}",
                n.next(),
                n.below(256),
                n.below(256),
                value(kind, of)
            ),
            1 => format!(
                "{{\"time\":\"2023-11-14T22:13:20Z\",\"url\":\"https:\\/\\/{}\\/a%20b?c={:x}\",\"agent\":\"Mozilla/5.0 (Windows NT 10.0; Win64)\"}}",
                value(kind, of),
                n.next()
            ),
            2 => format!(
                "10.1.{}.9 - user{} [14/Nov/2023:22:13:20 +0000] \"GET /{:x}.js?v=1.2.{} HTTP/1.1\" 200 {} \"{}\"",
                n.below(256),
                n.below(9_999),
                n.next(),
                n.below(99),
                n.below(99_999),
                value(kind, of)
            ),
            3 => format!(
                "{{\"EventID\":1,\"Image\":\"C:\\\\Windows\\\\System32\\\\svchost.exe\",\"Hashes\":\"SHA256={}\",\"CommandLine\":\"x -k {:x}\"}}",
                value(2, of - of % 4 + 2),
                n.next()
            ),
            _ => format!(
                "2023-11-14T22:13:20.123+00:00 fw-{} kernel: DROP SRC={} DST=192.168.{}.{} LEN=60 TTL=64 ID={} PROTO=TCP",
                n.below(9),
                value(kind, of),
                n.below(256),
                n.below(256),
                n.below(65_536)
            ),
        };
        writeln!(log, "{text}").unwrap();
    }
    log
}

/// A log in which every line holds what is rare in others.
pub fn wide_log(bytes: usize, indicators: u64) -> Vec<u8> {
    let mut n = Numbers(11);
    let mut log = Vec::with_capacity(bytes + 128 * 1024);
    let names = ["müller", "банк", "例え", "straße", "académie"];
    let mut line = 0_u64;
    while log.len() < bytes {
        line += 1;
        let of =
            if line.is_multiple_of(20_000) { n.below(indicators) } else { indicators + n.below(500_000) };
        let host = value(1, of);
        let (a, b) = (n.below(65_536), n.below(65_536));
        let text = match line % 8 {
            0 => format!(
                "{{\"ts\":\"2023-11-14T22:13:20.{:06}Z\",\"src\":\"fe80::{a:x}:{b:x}%eth0\",\"dst\":\"{}\",\"mac\":\"00:1b:{:02x}:{:02x}:33:44\",\"v6\":\"2001:DB8:{a:X}:0:0:{b:X}:0:9\"}}",
                n.below(1_000_000),
                value(3, of),
                n.below(256),
                n.below(256)
            ),
            1 => format!(
                "Nov 14 22:13:20 MAILHUB postfix/smtp[{b}]: to=<user{a}@{}>, relay=MX{}.{}[203.0.113.{}]:25, status=sent",
                host.to_uppercase(),
                a % 9,
                host.to_uppercase(),
                b % 256
            ),
            2 => {
                let name = names[(a % 5) as usize];
                format!(
                    "{{\"query\":\"www.{name}-{b:x}.de\",\"answer\":\"xn--{name}\",\"note\":\"„{host}“ – ok\"}}"
                )
            }
            3 => format!(
                "{{\"EventID\":4688,\"CommandLine\":\"cmd.exe \\/c \\\"curl http:\\/\\/{host}\\/a.bin\\\"\\n\\tC:\\\\Users\\\\u{a}\\\\x.exe\",\"n\":\"\\u003c{host}\\u003e\"}}"
            ),
            4 => format!(
                "10.0.{}.7 - - [14/Nov/2023:22:13:20 +0000] \"GET /r?u=https%3A%2F%2F{host}%2Fa%20b%3Fc%3D{a:x}&n=M%C3%BCnchen HTTP/1.1\" 302 - \"https://{host}/\"",
                a % 256
            ),
            5 => format!(
                "route {}.{}.1.0-{}.{}.1.255 via 192.0.2.{} ttl 64 v1.2.3-rc.{}",
                a % 223,
                b % 256,
                a % 223,
                b % 256,
                b % 256,
                a % 9
            ),
            6 => format!(
                "{{\"hashes\":\"MD5={:032X},SHA256={}\",\"ptr\":\"{}.{}.0.192.in-addr.arpa\"}}",
                u128::from(n.next()) << 64 | u128::from(n.next()),
                value(2, of),
                a % 256,
                b % 256
            ),
            // One line in some thousands is longer than any part.
            _ if line.is_multiple_of(4_095) => {
                format!("{{\"blob\":\"{}\",\"host\":\"{host}\"}}", "QUJD/+==.x-y_".repeat(6_000))
            }
            _ => format!(
                "{{\"k\":{a},\"f\":0.{b},\"url\":\"https://{host}/{a:x}/index.html?v=1.0.{b}\",\"m\":\"a@{host}\"}}"
            ),
        };
        writeln!(log, "{text}").unwrap();
    }
    log
}
