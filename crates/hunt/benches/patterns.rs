// SPDX-License-Identifier: Apache-2.0
//! How fast logs are hunted in for STIX patterns that are not equality alone, on one core.
//!
//! ```text
//! cargo bench -p hunt --bench patterns                   # logs and patterns of its own
//! cargo bench -p hunt --bench patterns -- eve            # of one of the logs: eve, zeek, combined
//! cargo bench -p hunt --bench patterns -- check          # and that no line is passed over that matters
//! cargo bench -p hunt --bench patterns -- observed DIR   # patterns and observed data for another matcher
//! ```
//!
//! Prints lines and MB (10^6 bytes) per second of processor time, best of three rounds, of whole passes over a log in
//! memory with its hash: Suricata's EVE in JSON, Zeek's `http.log` as TSV, a web server's combined log; with 0, 1, 100
//! and 10,000 patterns of eight kinds, none of them equality alone. Beside it the same patterns when every line is read
//! into an event, as it is where a pattern does not say what stands in its lines. One line in 10,000 matches a pattern.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a measurement that cannot go on stops"
)]

#[path = "made/clock.rs"]
mod clock;
#[path = "made/numbers.rs"]
mod numbers;

use std::fmt::Write as _;
use std::sync::atomic::AtomicBool;

use hunt::detection::Detection;
use hunt::event::Reader;
use hunt::pattern::{PatternIndicator, PatternRun, PatternSet, observation};
use hunt::reader::{Block, Source};
use hunt::run::{Lookout, hunt_source};
use hunt::scan::IndicatorSet;
use hunt::time::Clock;
use model::time::Timestamp;
use serde_json::{Value, json};

use clock::processor_seconds;
use numbers::Numbers;

const ROUNDS: usize = 3;
const LINES: usize = 200_000;
/// One of so many lines is made to match a pattern.
const LINES_PER_MATCH: usize = 10_000;
/// Objects that another matcher is given: it is slow.
const OBSERVED: usize = 2_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let logs = [("eve", eve as fn(&mut Numbers, usize, &mut String)), ("zeek", zeek), ("combined", combined)];
    if let [first, folder, ..] = arguments.as_slice()
        && first == "observed"
    {
        return write_observed(std::path::Path::new(folder), &log("eve", eve));
    }
    let check = arguments.iter().any(|argument| argument == "check");
    let named = |name: &str| arguments.iter().any(|argument| argument == name);
    let chosen = logs.iter().any(|(name, _)| named(name));
    for (name, line) in logs.into_iter().filter(|(name, _)| !chosen || named(name)) {
        let log = log(name, line);
        println!("{name}: {LINES} lines of {} bytes", log.len() / LINES);
        for count in [0, 1, 100, 10_000] {
            let mut set = PatternSet::build(Vec::new());
            let built = processor_seconds(&mut || set = patterns(count));
            assert_eq!((set.len(), set.diagnostics().len()), (count, 0));
            let (passed, found) = measured(name, &log, &set);
            if count == 0 {
                println!("{name}, no pattern: {}", rate(&log, passed));
                continue;
            }
            let set = set.asking_every_line();
            let (every, all_found) = measured(name, &log, &set);
            println!(
                "{name}, {count} patterns: {}; every line read: {}; {:.1} times as fast, {} found, set built in {built:.2} s",
                rate(&log, passed),
                rate(&log, every),
                every / passed,
                found.len(),
            );
            if check {
                assert_eq!(found, all_found, "{name}, {count} patterns");
                println!("{name}, {count} patterns: the same is found");
            }
        }
    }
}

fn rate(log: &[u8], seconds: f64) -> String {
    format!("{:.0} lines/s, {:.0} MB/s", LINES as f64 / seconds, log.len() as f64 / 1e6 / seconds)
}

fn measured(name: &str, log: &[u8], set: &PatternSet) -> (f64, Vec<Detection>) {
    let (values, stop) = (IndicatorSet::build(Vec::new()), AtomicBool::new(false));
    let lookout = Lookout {
        set: &values,
        confirm: None,
        patterns: Some(set),
        rules: None,
        detectors: None,
        stop: &stop,
    };
    let mut found = Vec::new();
    let seconds = best(|| {
        found.clear();
        let source = Source::new(log, name);
        let hunt = hunt_source(source, name, &Clock::default(), &lookout, 1, None, &mut |part| {
            found.extend(part.detections);
        });
        let mut all = PatternRun::new(set);
        hunt.left.patterns.into_iter().for_each(|run| all.merge(run));
        let (together, said) = all.finish();
        assert_eq!((said.len(), hunt.report.lines), (0, log.iter().filter(|b| **b == b'\n').count() as u64));
        found.extend(together);
    });
    (seconds, found)
}

fn best(mut round: impl FnMut()) -> f64 {
    (0..ROUNDS).map(|_| processor_seconds(&mut round)).fold(f64::MAX, f64::min)
}

// --- patterns ---

/// A word that can be said, the same for the same number.
fn word(number: u64) -> String {
    let mut n = Numbers(number.wrapping_mul(77) + 5);
    let mut sound = |sounds: &str| sounds.as_bytes()[n.below(sounds.len() as u64) as usize] as char;
    (0..4).flat_map(|_| [sound("bcdfghjklmnpqrstvwxz"), sound("aeiou")]).collect()
}

fn address(number: u64) -> String {
    let n = Numbers(number + 900).next();
    format!("198.{}.{}.{}", 18 + n % 2, n >> 8 & 255, n >> 16 & 255)
}

fn pattern(number: u64) -> String {
    let (word, address) = (word(number), address(number));
    match number % 8 {
        0 => format!("[url:value LIKE '%/{word}/gate.php%']"),
        1 => format!(r"[process:command_line MATCHES '(?i){word}\\.exe +-[a-z]+ +https?:']"),
        2 => format!("[network-traffic:dst_port = 8443 AND network-traffic:dst_ref.value = '{address}']"),
        3 => format!(
            "([domain-name:value = '{word}.example'] FOLLOWEDBY [file:name = '{word}.scr']) WITHIN 300 SECONDS"
        ),
        4 => format!(
            "[file:name LIKE '{word}%' AND file:hashes.MD5 = '{:016x}{:016x}']",
            Numbers(number).next(),
            Numbers(number + 1).next()
        ),
        5 => format!("[email-message:subject LIKE 'Invoice {word}%']"),
        6 => format!(
            r"[windows-registry-key:key LIKE 'HKEY_LOCAL_MACHINE\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\{word}']"
        ),
        _ => format!(
            "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'Mozilla/4.0 (compatible; {word})' AND network-traffic:dst_port = 80]"
        ),
    }
}

fn patterns(count: usize) -> PatternSet {
    let one = |number: u64| {
        PatternIndicator::parse(&format!("indicator--{number}"), "n", &pattern(number)).unwrap()
    };
    PatternSet::build((0..count as u64).map(one).collect())
}

// --- logs ---

impl Numbers {
    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len() as u64) as usize]
    }

    fn inside(&mut self) -> String {
        format!("10.{}.{}.{}", self.below(4), self.below(250), self.below(250))
    }

    fn outside(&mut self) -> String {
        format!("203.{}.{}.{}", self.below(250), self.below(250), self.below(250))
    }

    fn host(&mut self) -> String {
        let number = self.below(20_000) + 1_000_000;
        format!("{}.{}.example", self.of(&["www", "cdn", "api", "static", "login"]), word(number))
    }

    /// A path and its query; of the `nth` line of a log now and then what pattern 0 looks for.
    fn path(&mut self, nth: usize) -> String {
        if nth % LINES_PER_MATCH == LINES_PER_MATCH / 2 {
            return format!("/{}/gate.php?id={nth}", word(0));
        }
        let folder = self.of(&["assets", "images", "wp-content/themes", "api/v2", "portal", "news"]);
        let name = self.of(&["index.html", "app.min.js", "style.css", "logo.png", "item.php", "search"]);
        match self.below(3) {
            0 => format!("/{folder}/{name}?q={:x}&page={}", self.next() >> 40, self.below(30)),
            _ => format!("/{folder}/{}/{name}", self.below(9_000)),
        }
    }
}

const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)",
];

fn log(name: &str, line: fn(&mut Numbers, usize, &mut String)) -> Vec<u8> {
    let mut text = String::new();
    if name == "zeek" {
        text.push_str(
            "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\thttp\n",
        );
        text.push_str("#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\ttrans_depth\tmethod\thost\turi\treferrer\tversion\tuser_agent\trequest_body_len\tresponse_body_len\tstatus_code\tstatus_msg\ttags\tresp_fuids\tresp_mime_types\n");
        text.push_str("#types\ttime\tstring\taddr\tport\taddr\tport\tcount\tstring\tstring\tstring\tstring\tstring\tstring\tcount\tcount\tcount\tstring\tset[enum]\tvector[string]\tvector[string]\n");
    }
    let mut n = Numbers(11);
    for nth in 0..LINES {
        line(&mut n, nth, &mut text);
        text.push('\n');
    }
    text.into_bytes()
}

/// Of a hundred events 40 flows, 30 requests, 15 look-ups, 10 TLS, 5 files.
fn eve(n: &mut Numbers, nth: usize, into: &mut String) {
    let (seconds, micros) = (nth / 100 % 60, n.below(1_000_000));
    let (minute, flow) = (nth / 6_000 % 60, n.next() >> 12);
    let (source, target, port) = (n.inside(), n.outside(), 1_024 + n.below(60_000));
    let far_port = [443, 443, 80, 53, 8080][n.below(5) as usize];
    let _ = write!(
        into,
        r#"{{"timestamp":"2026-03-02T09:{minute:02}:{seconds:02}.{micros:06}+0000","flow_id":{flow},"in_iface":"eth1","#
    );
    let is_request = nth % LINES_PER_MATCH == LINES_PER_MATCH / 2;
    let ends = format!(
        r#""src_ip":"{source}","src_port":{port},"dest_ip":"{target}","dest_port":{far_port},"proto":"TCP""#
    );
    let _ = match if is_request { 40 } else { n.below(100) } {
        0..40 => write!(
            into,
            r#""event_type":"flow",{ends},"app_proto":"tls","flow":{{"pkts_toserver":{},"pkts_toclient":{},"bytes_toserver":{},"bytes_toclient":{},"start":"2026-03-02T09:00:01.000000+0000","end":"2026-03-02T09:00:09.000000+0000","age":8,"state":"closed","reason":"timeout","alerted":false}},"community_id":"1:{:x}"}}"#,
            n.below(90),
            n.below(90),
            n.below(90_000),
            n.below(900_000),
            n.next()
        ),
        40..70 => write!(
            into,
            r#""event_type":"http",{ends},"tx_id":0,"http":{{"hostname":"{}","url":"{}","http_user_agent":"{}","http_content_type":"text/html","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":{}}}}}"#,
            n.host(),
            n.path(nth).replace('/', "\\/"),
            n.of(&AGENTS).replace('/', "\\/"),
            n.below(90_000)
        ),
        70..85 => write!(
            into,
            r#""event_type":"dns",{ends},"dns":{{"type":"query","id":{},"rrname":"{}","rrtype":"A","tx_id":0,"opcode":0}}}}"#,
            n.below(65_000),
            n.host()
        ),
        85..95 => write!(
            into,
            r#""event_type":"tls",{ends},"tls":{{"subject":"CN={0}","issuerdn":"C=US, O=Some Authority, CN=R3","serial":"03:AB:{1:X}","sni":"{0}","version":"TLS 1.2","ja3":{{"hash":"{1:016x}{2:016x}"}}}}}}"#,
            n.host(),
            n.next(),
            n.next()
        ),
        _ => write!(
            into,
            r#""event_type":"fileinfo",{ends},"http":{{"hostname":"{}","url":"{}"}},"fileinfo":{{"filename":"/{}.zip","magic":"Zip archive data","state":"CLOSED","md5":"{:016x}{:016x}","stored":false,"size":{}}}}}"#,
            n.host(),
            n.path(nth),
            word(nth as u64 + 3_000_000),
            n.next(),
            n.next(),
            n.below(9_000_000)
        ),
    };
}

fn zeek(n: &mut Numbers, nth: usize, into: &mut String) {
    let (source, target, host, path) = (n.inside(), n.outside(), n.host(), n.path(nth));
    let agent = n.of(&AGENTS);
    let _ = write!(
        into,
        "{}.{:06}\tC{:x}\t{source}\t{}\t{target}\t80\t1\tGET\t{host}\t{path}\t-\t1.1\t{agent}\t0\t{}\t200\tOK\t(empty)\tF{:x}\ttext/html",
        1_772_442_000 + nth / 100,
        n.below(1_000_000),
        n.next(),
        1_024 + n.below(60_000),
        n.below(90_000),
        n.next()
    );
}

fn combined(n: &mut Numbers, nth: usize, into: &mut String) {
    let (client, path, size, agent) = (n.outside(), n.path(nth), n.below(90_000), n.of(&AGENTS));
    let (minute, seconds) = (nth / 6_000 % 60, nth / 100 % 60);
    // What pattern 0 looks for needs a URL as a proxy writes it.
    let host = if path.contains("gate.php") { "http://www.example" } else { "" };
    let _ = write!(
        into,
        r#"{client} - - [02/Mar/2026:09:{minute:02}:{seconds:02} +0000] "GET {host}{path} HTTP/1.1" 200 {size} "https://www.example/start" "{agent}""#
    );
}

// --- for another matcher ---

/// `patterns.txt`, one a line, and `observed.json`, a list of observed-data of STIX 2.0.
fn write_observed(folder: &std::path::Path, log: &[u8]) {
    let patterns: Vec<String> = (0..100).map(pattern).collect();
    std::fs::write(folder.join("patterns.txt"), patterns.join("\n")).unwrap();
    let block = Block { bytes: log.to_vec(), offset: 0, first_line: 1 };
    let mut reader = Reader::new(log, "eve", Clock::default());
    let mut observed: Vec<Value> = Vec::new();
    reader.block(&block).events(&block, &mut |_, read| {
        if observed.len() < OBSERVED
            && let Ok(Some(event)) = read
        {
            let seen = observation(&event, Timestamp::EPOCH);
            observed.push(json!({
                "type": "observed-data", "id": format!("observed-data--{}", observed.len()),
                "first_observed": seen.first.to_string(), "last_observed": seen.last.to_string(),
                "number_observed": 1, "objects": seen.objects,
            }));
        }
    });
    std::fs::write(folder.join("observed.json"), Value::from(observed).to_string()).unwrap();
}
