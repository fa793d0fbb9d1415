// SPDX-License-Identifier: Apache-2.0
//! Whole files.

use std::fmt::Write as _;
use std::sync::atomic::AtomicBool;

use hunt::detector::{self, Detectors};
use hunt::finding::Finding;
use hunt::indicator::read_list;
use hunt::limits::FINDING_TEXT_BYTES_MAX;
use hunt::reader::Block;
use hunt::run::{Hunt, LiveLog, Lookout, Options, hunt_input};
use hunt::scan::IndicatorSet;
use hunt::time::{Clock, TimesTold};
use model::time::Timestamp;

fn hunt(log: &[u8], set: &IndicatorSet, threads: usize, history: bool) -> (Vec<Finding>, Hunt<'static>) {
    let mut findings = Vec::new();
    let options = Options { history, threads };
    let hunt = hunt_input(&mut &*log, "a.log", set, &options, &mut |f| findings.push(f));
    assert_eq!(hunt.report.findings, findings.len() as u64);
    (findings, hunt)
}

fn set(list: &str) -> IndicatorSet {
    IndicatorSet::build(read_list(list.as_bytes(), "list").indicators)
}

/// About 5 MiB with a finding every thousandth line.
fn log() -> Vec<u8> {
    (0..60_000_u32)
        .flat_map(|n| {
            let address = if n % 1_000 == 7 {
                "203.0.113.7".to_owned()
            } else {
                format!("198.18.{}.{}", n / 256 % 256, n % 256)
            };
            format!(
                "{{\"ts\":{}.5,\"id.resp_h\":\"{address}\",\"query\":\"host{}.example.org\"}}\n",
                1_600_000_000 + n,
                n % 500
            )
            .into_bytes()
        })
        .collect()
}

#[test]
fn threads_change_nothing() {
    let (log, set) = (log(), set("203.0.113.7\nhost9.example.org"));
    let (one, hunt_one) = hunt(&log, &set, 1, true);
    assert_eq!(one.len(), 60 + 120);
    let observed = hunt_one.left.observed.sorted().unwrap();
    for threads in [2, 5, 1_000] {
        let (many, hunt_many) = hunt(&log, &set, threads, true);
        assert_eq!(many, one);
        assert_eq!(
            (hunt_many.report.first_time, hunt_many.report.last_time),
            (hunt_one.report.first_time, hunt_one.report.last_time)
        );
        assert_eq!(hunt_many.left.observed.sorted().unwrap(), observed);
    }
    assert_eq!(hunt_one.report.first_time.unwrap().to_string(), "2020-09-13T12:26:40.500000Z");
    assert_eq!(hunt_one.report.lines, 60_000);
    assert!(hunt(&log, &set, 1, false).1.left.observed.is_empty());
}

#[test]
fn the_history_keeps_external_values_with_times_and_counts() {
    let log = b"{\"ts\":1600000000,\"a\":\"8.8.8.8\",\"b\":\"10.0.0.1\",\"id.orig_h\":\"fe80::1\"}\n\
        {\"ts\":1600000001,\"a\":\"8.8.8.8\",\"b\":\"WWW.Example.org\",\"c\":\"index.php\"}\n\
        {\"ts\":1600100000,\"a\":\"8.8.8.8.in-addr.arpa\",\"b\":\"1.0.0.10.in-addr.arpa\"}\n\
        8.8.8.8 and no time, 2001:db8::7 2001:0DB8:0::7\n";
    let (_, hunt) = hunt(log, &set(""), 1, true);
    let told: Vec<String> = hunt
        .left
        .observed
        .sorted()
        .unwrap()
        .iter()
        .map(|(o, s)| {
            format!("{} {o} {} {} {:?}", o.kind(), s.count, s.days.len(), s.first.map(Timestamp::micros))
        })
        .collect();
    assert_eq!(
        told,
        [
            "ip 8.8.8.8 4 2 Some(1600000000000000)",
            "ip 2001:db8::7 2 0 None",
            "domain www.example.org 1 1 Some(1600000001000000)",
        ]
    );
}

/// The days of the first lines were lost below a header, and those of a log that is not in order.
#[test]
fn the_days_below_a_header_are_known() {
    let mut log = "#Software: IIS\n#Fields: date time c-ip\n".to_owned();
    for day in (1..28).step_by(3) {
        writeln!(log, "2024-02-{day:02} 09:00:00 8.8.4.4").unwrap();
    }
    for history in [false, true] {
        let (_, hunt) = hunt(log.as_bytes(), &set(""), 1, history);
        let report = hunt.report;
        assert_eq!(report.days.len(), 9, "{history}");
        assert_eq!(report.first_time.unwrap().to_string(), "2024-02-01T09:00:00.000000Z");
        assert_eq!((report.times.asked, report.times.untimed), (9, 0));
    }
    // So long that not each line is asked.
    let rows = (0..3_000).map(|n| format!("2024-02-{:02} 09:00:00 8.8.4.4\n", n / 1_000 * 5 + 1));
    let log = format!("#Software: IIS\n#Fields: date time c-ip\n{}", rows.collect::<String>());
    assert_eq!(hunt(log.as_bytes(), &set(""), 1, false).1.report.days.len(), 3);
}

/// Lines of 9999 stretched what a log covers; of those that tell no time nothing was said.
#[test]
fn times_that_cannot_be_are_counted_and_set_apart() {
    let log = "{\"time\":\"2026-13-45T99:99:99Z\",\"ip\":\"8.8.4.4\"}\n{\"time\":\"9999-12-31T23:59:59Z\",\"ip\":\"8.8.4.4\"}\n\
        {\"time\":\"1969-01-01T00:00:00Z\",\"ip\":\"8.8.4.4\"}\n{\"time\":\"2026-03-02T08:00:00+99:00\",\"ip\":\"8.8.4.4\"}\n\
        {\"time\":\"2026-03-02T08:00:00Z\",\"ip\":\"8.8.4.4\"}\n\n";
    for history in [false, true] {
        let (findings, hunt) = hunt(log.as_bytes(), &set("8.8.4.4"), 1, history);
        let report = hunt.report;
        assert_eq!(report.times, TimesTold { asked: 5, untimed: 2, set_apart: 2 }, "{history}");
        assert_eq!((report.first_time, report.days.len()), (findings[4].time, 1));
        assert_eq!(report.first_time, report.last_time);
        assert_eq!(findings[1].time.unwrap().to_string(), "9999-12-31T23:59:59.000000Z", "as it is written");
    }
}

#[test]
fn a_finding_carries_its_line() {
    let (findings, _) = hunt(
        b"x\r\n2024-01-02T03:04:05+01:00 caf\xE9 203.0.113.7 end\r\n",
        &set("203[.]0[.]113[.]7"),
        1,
        false,
    );
    let [f] = findings.as_slice() else { panic!("one finding") };
    assert_eq!(
        (f.line, f.offset, f.value.as_str(), f.indicator.as_str()),
        (2, 34, "203.0.113.7", "203[.]0[.]113[.]7")
    );
    assert_eq!(f.text, "2024-01-02T03:04:05+01:00 caf\u{FFFD} 203.0.113.7 end");
    assert_eq!((f.lossy, f.clipped), (true, false));
    assert_eq!(f.time.unwrap().to_string(), "2024-01-02T02:04:05.000000Z");
}

#[test]
fn a_long_line_is_clipped_around_the_match() {
    let pad = "é".repeat(50_000);
    for line in
        [format!("{pad} 203.0.113.7 {pad}"), format!("203.0.113.7 {pad}"), format!("{pad} 203.0.113.7")]
    {
        let (findings, _) = hunt(line.as_bytes(), &set("203.0.113.7"), 1, false);
        let text = &findings[0].text;
        assert!(text.len() <= FINDING_TEXT_BYTES_MAX && text.contains("203.0.113.7"), "{}", text.len());
        assert_eq!((findings[0].lossy, findings[0].clipped), (false, true));
    }
}

#[test]
fn an_expired_indicator_finds_only_lines_of_its_time() {
    let mut indicators = read_list(b"203.0.113.7", "list").indicators;
    indicators[0].valid_from = Some(Timestamp::parse("2024-01-02T00:00:00Z").unwrap());
    indicators[0].valid_until = Some(Timestamp::parse("2024-02-01T00:00:00Z").unwrap());
    let log = b"2024-01-01T00:00:00Z 203.0.113.7\n2024-01-31T23:59:59Z 203.0.113.7\n2024-02-01T00:00:00Z 203.0.113.7\nno time 203.0.113.7\n";
    let (findings, hunt) = hunt(log, &IndicatorSet::build(indicators), 1, false);
    let lines: Vec<u64> = findings.iter().map(|f| f.line).collect();
    assert_eq!((lines, hunt.report.left_out.values().sum::<u64>()), (vec![1, 2, 4], 1));
}

/// Detectors see all live logs as one, and judge an hour when it is over.
#[test]
fn detectors_are_lent_to_live_logs() {
    let (set, stop) = (set("203.0.113.7"), AtomicBool::new(false));
    let lookout =
        Lookout { set: &set, confirm: None, patterns: None, rules: None, detectors: None, stop: &stop };
    let log = |name| LiveLog::new(name, b"", Clock::default(), &lookout, None);
    let (mut one, mut other) = (log("one.log"), log("other.log"));
    let mut detectors = Some(Detectors::new(detector::Options::default()));
    // Six accounts fail by each: neither alone is a spray.
    let lines = |users: std::ops::Range<u32>| -> Vec<u8> {
        let line = |user| {
            format!(
                "<86>1 2024-01-02T03:0{}:00Z gate sshd 9 - - Failed password for u{user} from 198.51.100.7 port 4 ssh2\n",
                user % 10
            )
        };
        users.map(line).collect::<String>().into_bytes()
    };
    let block = |bytes| Block { bytes, offset: 0, first_line: 1 };
    for (log, users) in [(&mut one, 0..6), (&mut other, 6..12)] {
        let part = log.take(block(lines(users)), None, &mut detectors);
        assert!(part.detections.is_empty());
        assert_eq!(log.read().lines, 6);
    }
    let mut detectors = detectors.unwrap();
    assert_eq!(detectors.counts().sign_ins, 12, "they come back");
    let mut found = Vec::new();
    let mut judged = |until: &str| {
        detectors.advance(until.parse().unwrap(), &mut |detection| found.push(detection.id));
        found.len()
    };
    assert_eq!(judged("2024-01-02T03:59:59Z"), 0, "the hour is open");
    judged("2024-01-02T04:00:00Z");
    assert_eq!(judged("2024-01-02T05:00:00Z"), 1, "nothing more of the spray can come");
    assert_eq!(found, ["spray-one-source"]);
}

/// Accounts and user agents are found where a field is one, however the format writes it, and nowhere else.
#[test]
fn accounts_and_user_agents_are_found_in_their_fields() {
    let list = b"value,type\nCORP\\anna,account\nanna@firm.example,account\nevil \"x\"/1.0 (y),user-agent\n203.0.113.7,ip\n";
    let set = IndicatorSet::build(hunt::indicator::read_csv(list, "list").indicators);
    assert_eq!((set.len(), set.diagnostics().len()), (4, 0));
    let found = |log: &str, threads| -> Vec<(u64, String)> {
        let (findings, _) = hunt(log.as_bytes(), &set, threads, false);
        for finding in &findings {
            let at = usize::try_from(finding.offset).unwrap();
            assert_eq!(log[..at].matches('\n').count() as u64 + 1, finding.line, "{finding:?}");
        }
        findings.into_iter().map(|finding| (finding.line, finding.value)).collect()
    };
    let events = [
        r#"{"@timestamp":"2024-01-02T03:04:05Z","user":"bob","note":"CORP\\anna was here"}"#,
        r#"{"@timestamp":"2024-01-02T03:04:06Z","user":"corp\\Anna","src_ip":"203.0.113.7"}"#,
        r#"{"@timestamp":"2024-01-02T03:04:07Z","user":"CORP\\anna.b"}"#,
        r#"{"@timestamp":"2024-01-02T03:04:08Z","user":"bob","user_agent":"evil \"x\"\/1.0 (y)"}"#,
        r#"{"@timestamp":"2024-01-02T03:04:09Z","SubjectUserName":"anna@firm.example","TargetUserName":"bob"}"#,
    ];
    let expected = [
        (2, "corp\\Anna".to_owned()),
        (2, "203.0.113.7".to_owned()),
        (4, "evil \"x\"/1.0 (y)".to_owned()),
        (5, "anna@firm.example".to_owned()),
    ];
    assert_eq!(found(&(events.join("\n") + "\n"), 1), expected);
    // Many blocks, more threads than one.
    let filler = format!("{}\n", events[0]).repeat(30_000);
    let many = found(&(filler + &events.join("\n") + "\n"), 3);
    assert_eq!(many.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [30_002, 30_002, 30_004, 30_005]);
    let combined = "198.51.100.1 - CORP\\anna [02/Jan/2024:03:04:05 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"evil \\\"x\\\"/1.0 (y)\"\n";
    assert_eq!(found(combined, 1), [(1, "CORP\\anna".to_owned()), (1, "evil \"x\"/1.0 (y)".to_owned())]);
    let w3c = "#Fields: date time c-ip cs-username cs(User-Agent)\n2024-01-02 03:04:05 198.51.100.1 anna@firm.example evil+\"x\"/1.0+(y)\n";
    assert_eq!(found(w3c, 1), [(2, "anna@firm.example".to_owned()), (2, "evil \"x\"/1.0 (y)".to_owned())]);
}

/// Each match of a line has all fields of the line read, and a part of it copied: a list in one line stopped the hunt.
#[test]
fn a_line_that_is_a_list_of_indicators_does_not_stop_the_hunt() {
    let addresses: Vec<String> = (0..20_000_u32).map(|n| format!("198.{}.{}.9", n / 250, n % 250)).collect();
    let values = addresses.join("\",\"");
    let log = format!("{{\"list\":[\"{values}\"]}}\n2024-01-01T00:00:00Z from 198.0.0.9\n");
    let (findings, hunt) = hunt(log.as_bytes(), &set(&addresses.join("\n")), 1, false);
    assert_eq!((findings.len(), findings.last().unwrap().line), (1_001, 2));
    assert_eq!(hunt.report.unjudged, 19_000);
    let left_out: Vec<(&str, u64)> = hunt.report.left_out.iter().map(|(why, n)| (why.as_str(), *n)).collect();
    assert_eq!(left_out, [("not judged: a line holds more than 1,000 indicators", 19_000)]);
}

/// Of names in one line each was looked for among all of them.
#[test]
fn a_line_of_very_many_names_takes_no_longer_than_its_length() {
    let names: Vec<String> = (0..60_000).map(|n| format!("h{n}.corp")).collect();
    let log = format!("{{\"answers\":[\"{}\"]}}\n", names.join("\",\""));
    let (_, hunt) = hunt(log.as_bytes(), &set("203.0.113.7"), 1, true);
    assert_eq!(hunt.left.observed.len(), 60_000);
    let prints: String = (0..29_000_u32).map(|n| format!("\"{n:032x}\",")).collect();
    let log = format!("{{\"ja3\":[{}\"x\"]}}\n", prints);
    let (_, hunt) = self::hunt(log.as_bytes(), &set("203.0.113.7"), 1, true);
    assert_eq!(hunt.left.observed.len(), 29_000);
}
