// SPDX-License-Identifier: Apache-2.0
//! Summaries to print: an invented firm, addresses and names of RFC 5737 and RFC 2606.

use std::time::Duration;

use hunt::detection::{Detection, Evidence, Level, Means};
use hunt::event::{Format, Place, SourceKind, SourceKinds};
use hunt::finding::Finding;
use hunt::report::{
    CannotShow, Day, FileFacts, FileState, Gap, GapReason, Hit, IndicatorFacts, SourceCoverage, Summary,
};
use hunt::time::TimesTold;
use model::marking::{Marking, Tlp};
use model::observable::ObservableKind;
use model::time::Timestamp;

pub const DOMAIN_INDICATOR: &str = "indicator--5e1f0a6c-3b0d-4c57-9d3a-2f6f0f4f2a01";
pub const ADDRESS_INDICATOR: &str = "indicator--5e1f0a6c-3b0d-4c57-9d3a-2f6f0f4f2a02";
pub const PATTERN_INDICATOR: &str = "indicator--5e1f0a6c-3b0d-4c57-9d3a-2f6f0f4f2a03";
/// 2026-01-01.
const JANUARY: Day = 20_454;

pub fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub fn empty() -> Summary {
    Summary::new(time("2026-03-10T09:30:00Z"))
}

pub fn finding(file: &str, line: u64, at: &str, kind: ObservableKind, value: &str, text: &str) -> Finding {
    Finding {
        file: file.to_owned(),
        line,
        offset: line * 100,
        time: (!at.is_empty()).then(|| time(at)),
        kind,
        value: value.to_owned(),
        indicator: if kind == ObservableKind::Domain { DOMAIN_INDICATOR } else { ADDRESS_INDICATOR }
            .to_owned(),
        indicator_index: 0,
        text: text.to_owned(),
        lossy: text.contains('\u{fffd}'),
        clipped: false,
    }
}

/// A firm that looked through ten weeks of logs.
pub fn firm() -> Summary {
    let mut summary = empty();
    summary.organisation = "Voorbeeld Lasertechniek B.V.".to_owned();
    summary.hits = hits();
    indicators(&mut summary);
    summary.detections = vec![spray(), first_seen()];
    summary.files = files();
    coverage(&mut summary);
    sought(&mut summary);
    summary.left_out = [("the indicator had ceased to hold".to_owned(), 3)].into();
    summary.duration = Duration::from_millis(6_240);
    summary.bytes = 3_412_883_002;
    summary
}

fn hits() -> Vec<Hit> {
    let proxy = |line, at: &str, value: &str, host: &str, user: &str| {
        let clock = at.get(11..19).unwrap();
        let text = format!("{at} {host} {user} GET https://{value}/update?id={line} 200 {clock}");
        let finding = finding("proxy-2026-03.log.gz", line, at, ObservableKind::Domain, value, &text);
        Hit {
            host: Some(host.to_owned()),
            account: Some(user.to_owned()),
            source: SourceKind::Proxy,
            kept: "field url, within validity".to_owned(),
            ..Hit::of(finding)
        }
    };
    let vpn = finding(
        "vpn-2026-02.log",
        88,
        "2026-02-21T03:12:44Z",
        ObservableKind::Ip,
        "203.0.113.77",
        "date=2026-02-21 time=03:12:44 user=\"m.devries\" remip=203.0.113.77 action=\"tunnel-up\" msg=\"\u{202e}ok\u{1b}[31m\"",
    );
    vec![
        proxy(1204, "2026-03-02T08:14:09Z", "c2.evil.example", "WS-014", "j.bakker"),
        proxy(1377, "2026-03-02T08:44:10Z", "c2.evil.example", "WS-014", "j.bakker"),
        proxy(9001, "2026-03-05T22:01:59Z", "files.evil.example", "SRV-CAD-1", "svc-backup"),
        Hit { account: Some("m.devries".to_owned()), source: SourceKind::Vpn, ..Hit::of(vpn) },
        Hit::of(finding(
            "notes.txt",
            3,
            "",
            ObservableKind::Ip,
            "203.0.113.77",
            "<script>alert('203.0.113.77')</script> & \"quoted\" مرحبا 203.0.113.77",
        )),
    ]
}

pub fn indicators(summary: &mut Summary) {
    let facts = |name: &str, author: &str, tlp: Tlp| IndicatorFacts {
        name: name.to_owned(),
        author: author.to_owned(),
        marking: Marking::tlp(tlp),
        marking_refs: vec![tlp.stix_id().to_owned()],
        shipped: false,
        held: true,
    };
    summary.indicators = [
        (
            DOMAIN_INDICATOR.to_owned(),
            facts("Command server of a thief of designs", "Sector body (fictional)", Tlp::Amber),
        ),
        (
            ADDRESS_INDICATOR.to_owned(),
            facts("Address that tries passwords", "National centre (fictional)", Tlp::Green),
        ),
    ]
    .into();
}

pub fn spray() -> Detection {
    Detection {
        means: Means::Detector,
        id: "spray-one-source".to_owned(),
        title: "Passwords of 14 accounts were tried from one address, and one sign-in succeeded".to_owned(),
        level: Level::Critical,
        techniques: vec!["T1110.003".to_owned(), "T1078".to_owned()],
        credit: String::new(),
        source: SourceKind::Authentication,
        about: vec![("address", "203.0.113.77".to_owned()), ("account", "m.devries".to_owned())],
        first: Some(time("2026-02-21T02:51:00Z")),
        last: Some(time("2026-02-21T03:12:44Z")),
        count: 37,
        evidence: vec![Evidence {
            file: "entra-signin.json".to_owned(),
            place: Place { line: 512, offset: 90_112 },
            time: Some(time("2026-02-21T02:51:00Z")),
            text: r#"{"userPrincipalName":"a.jansen@voorbeeld.example","ipAddress":"203.0.113.77","status":{"errorCode":50126}}"#
                .to_owned(),
        }],
        threshold: "14 accounts in 21 minutes from one address; 10 in an hour are enough".to_owned(),
        baseline: "at most 2 accounts an hour from one address in the 28 days before".to_owned(),
        disproof: "the address is an own exit (office, VPN), or a test of the helpdesk was announced".to_owned(),
        advice: "reset the password of m.devries, end its sessions, and look at its second factor".to_owned(),
    }
}

pub fn first_seen() -> Detection {
    Detection {
        means: Means::Rule,
        id: "3f6a1c52-71d5-4c8e-8a35-0c1d4b1f9a10".to_owned(),
        title: "An archive was packed on a server under a false name".to_owned(),
        level: Level::Medium,
        techniques: vec!["T1560.001".to_owned()],
        credit: "Rule author (fictional), DRL 1.1".to_owned(),
        source: SourceKind::Endpoint,
        about: vec![("host", "SRV-CAD-1".to_owned())],
        first: Some(time("2026-03-05T21:40:00Z")),
        last: Some(time("2026-03-05T21:40:00Z")),
        count: 1,
        evidence: Vec::new(),
        threshold: "one event".to_owned(),
        baseline: String::new(),
        disproof: "the backup software packs under this name".to_owned(),
        advice: "ask who ran it; keep the archive".to_owned(),
    }
}

/// A firm whose own scanner tries many accounts each week, and is told each time; and one sign-in.
pub fn scanned(weeks: u64) -> Summary {
    let mut summary = firm();
    summary.hits.clear();
    let scan = |week: u64| {
        let start = time("2025-01-04T03:00:00Z").micros() + week as i64 * 7 * 86_400_000_000;
        Detection {
            means: Means::Rule,
            id: "c9f06993-efab-57e7-979f-4bf2135445b9".to_owned(),
            title: "Failed logons of many accounts from one address".to_owned(),
            level: Level::High,
            techniques: vec!["T1110.003".to_owned()],
            about: vec![("address", "10.0.0.250".to_owned())],
            first: Some(Timestamp::from_micros(start)),
            last: Some(Timestamp::from_micros(start + 420_000_000)),
            count: 23,
            evidence: vec![Evidence {
                file: format!("win-{week}.json"),
                place: Place { line: week + 1, offset: 0 },
                time: Some(Timestamp::from_micros(start)),
                text: r#"{"Computer":"SRV05","EventID":4625,"IpAddress":"10.0.0.250","TargetUserName":"a.jansen"}"#
                    .to_owned(),
            }],
            threshold: format!("10 accounts in an hour; reached: {}", 20 + week % 3),
            ..first_seen()
        }
    };
    // In the order of files, not of time.
    summary.detections = (0..weeks).rev().map(scan).collect();
    summary.detections.push(spray());
    summary
}

fn files() -> Vec<FileFacts> {
    let file = |path: &str, lines, kind, format, first: &str, last: &str| FileFacts {
        path: path.to_owned(),
        bytes: lines * 41,
        sha256: Some([7; 32]),
        lines,
        unread: Vec::new(),
        times: TimesTold::default(),
        first: Some(time(first)),
        last: Some(time(last)),
        kind,
        kinds: SourceKinds::default().of_log(kind),
        format: Some(format),
        by_record: false,
        state: FileState::Whole,
    };
    let (january, march) = ("2026-01-01T00:00:04Z", "2026-03-09T23:59:58Z");
    let mut files = vec![
        file("entra-signin.json", 48_211, SourceKind::Authentication, Format::Json, january, march),
        file(
            "proxy-2026-03.log.gz",
            12_904_551,
            SourceKind::Proxy,
            Format::Text,
            "2026-03-01T00:00:00Z",
            march,
        ),
        file(
            "vpn-2026-02.log",
            31_007,
            SourceKind::Vpn,
            Format::FortiGate,
            "2026-02-01T06:00:00Z",
            "2026-02-28T19:00:00Z",
        ),
        file(
            "firewall.log.zst",
            8_100_934,
            SourceKind::Flow,
            Format::FortiGate,
            january,
            "2026-02-27T11:05:09Z",
        ),
        file("notes.txt", 12, SourceKind::Unknown, Format::Text, march, march),
    ];
    files[0].unread = vec![("no JSON object".to_owned(), 12)];
    files[3].state = FileState::Damaged("the zstd frame ends in mid-block after 3.1 GB".to_owned());
    files.push(FileFacts {
        bytes: 0,
        lines: 0,
        sha256: None,
        first: None,
        last: None,
        state: FileState::NotRead("permission denied".to_owned()),
        ..file("mail/trace.csv", 0, SourceKind::Email, Format::Csv, january, march)
    });
    files
}

fn coverage(summary: &mut Summary) {
    let days = |from: Day, to: Day| (JANUARY + from..=JANUARY + to).collect::<Vec<_>>();
    let gap =
        |from: Day, to: Day, why| Gap { from: JANUARY + from, to: JANUARY + to, why, files: Vec::new() };
    let source = |name: &str, kind, days, gaps| SourceCoverage {
        name: name.to_owned(),
        kind,
        declared: Some("every day".to_owned()),
        days,
        gaps,
        expected_from: None,
    };
    let mut sign_ins = days(0, 20);
    sign_ins.extend(days(22, 67));
    summary.coverage.sources = vec![
        source(
            "Entra sign-ins",
            SourceKind::Authentication,
            sign_ins,
            vec![gap(21, 21, GapReason::NeverHad)],
        ),
        source("web proxy", SourceKind::Proxy, days(59, 67), vec![gap(0, 58, GapReason::Deleted)]),
        source(
            "VPN",
            SourceKind::Vpn,
            days(31, 58),
            vec![gap(0, 30, GapReason::NeverHad), gap(59, 67, GapReason::NeverHad)],
        ),
        source("firewall", SourceKind::Flow, days(0, 57), vec![gap(58, 67, GapReason::NotReadable)]),
        source("DNS", SourceKind::Dns, Vec::new(), Vec::new()),
    ];
    summary.coverage.cannot_show = vec![CannotShow {
        what: "hashes of files, programs that ran".to_owned(),
        why: "no log of hosts was given; Windows event logs with process creation would show them".to_owned(),
    }];
}

fn sought(summary: &mut Summary) {
    summary.sought.indicators =
        vec![(ObservableKind::Domain, 41_877), (ObservableKind::Ip, 9_120), (ObservableKind::Sha256, 1_003)];
    summary.sought.origins = vec!["the node's ledger".to_owned(), "pack chimera".to_owned()];
    summary.sought.patterns = 12;
    summary.sought.rules = 3_754;
    summary.sought.rules_refused = vec![("excepted until 2026-06-01: backup window".to_owned(), 2)];
    summary.sought.detectors = vec![
        ("spray-one-source".to_owned(), "many accounts tried from one address".to_owned()),
        ("impossible-travel".to_owned(), "two sign-ins too far apart for the time between".to_owned()),
    ];
    summary.sought.notes = vec!["times without a zone were taken for Europe/Amsterdam".to_owned()];
}

/// What logs can hold that a page must not be moved by.
pub fn hostile() -> Summary {
    let mut summary = firm();
    let texts = [
        "</div></body><script>alert(1)</script>203.0.113.77",
        "\" onmouseover=\"alert(1)\" 203.0.113.77 ' <img src=x onerror=alert(1)>",
        "\u{202e}txt.exe\u{202c} \u{200b}203.0.113.77\u{feff}",
        "\0\u{7}\u{1b}]0;title\u{7}\u{1b}[2J 203.0.113.77\r",
        "=cmd|' /C calc'!A0 203.0.113.77",
        "שלום עולם 203.0.113.77 مرحبا بالعالم",
    ];
    summary.organisation = "<b>Firm</b> & \u{202e}Sons".to_owned();
    for (nth, text) in (1..).zip(texts) {
        let mut hit = Hit::of(finding(
            "<i>.log",
            nth,
            "2026-03-01T00:00:00Z",
            ObservableKind::Ip,
            "203.0.113.77",
            text,
        ));
        hit.host = Some(text.to_owned());
        summary.hits.push(hit);
    }
    let long = format!("{}203.0.113.77{}", "a".repeat(2_000), "b".repeat(2_000));
    summary.hits.push(Hit::of(finding("long.log", 1, "", ObservableKind::Ip, "203.0.113.77", &long)));
    summary
}

/// Ten thousand findings on four hundred hosts over three years.
pub fn many() -> Summary {
    let mut summary = firm();
    summary.hits = (0..10_000_u64)
        .map(|nth| {
            let at =
                Timestamp::from_micros(time("2023-03-01T00:00:00Z").micros() + nth as i64 * 9_400_000_000);
            let text = format!("{at} connection to 203.0.113.77 from ws-{:03}", nth % 400);
            let mut hit =
                Hit::of(finding("firewall.log", nth + 1, "", ObservableKind::Ip, "203.0.113.77", &text));
            hit.finding.time = Some(at);
            hit.host = Some(format!("ws-{:03}", nth % 400));
            hit
        })
        .collect();
    summary.more_hits = 5_000;
    for source in &mut summary.coverage.sources {
        source.days = (JANUARY - 1_036..JANUARY + 60).filter(|day| day % 97 != 0).collect();
        source.gaps.clear();
    }
    summary
}

/// As much of everything as one page must hold, and more.
pub fn crowded() -> Summary {
    let mut summary = hostile();
    let wide = |nth: usize| format!("{nth}-{}", "een-heel-lange-naam-".repeat(6));
    for nth in 0..30 {
        let mut detection = spray();
        detection.about = vec![("account", wide(nth)), ("host", wide(nth))];
        (detection.techniques, detection.title) = (Vec::new(), "Iets met een lange titel ".repeat(12));
        summary.detections.push(detection);
        let source = summary.coverage.sources[2].clone();
        summary.coverage.sources.push(SourceCoverage { name: wide(nth), ..source });
    }
    summary
}
