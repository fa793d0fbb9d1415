// SPDX-License-Identifier: Apache-2.0
//! What the place of a value in its line tells: names under no public suffix, JA3 and JA4. And logs that were packed
//! since they were recorded.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use hunt::history::{Keep, Recorded, is_kept_by_place};
use hunt::indicator::{Indicator, Mode};
use model::observable::{Observable, ObservableKind};

use super::support::{NOW, Node};

const JA3: &str = "339f6adf54e6076d069dcaac54fddc25";
const JA4: &str = "t13d1516h2_8daaf6152771_b186095e22b6";

fn gz(log: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(log).unwrap();
    encoder.finish().unwrap()
}

/// `seen` said 'never' of a name that was found in the same log.
#[test]
fn a_name_under_no_public_suffix_is_kept_where_a_field_tells_it() {
    let node = Node::new();
    let lines = [
        r#"{"ts":"2024-02-03T10:00:00Z","query":"c2.evil.corp","Image":"c2.evil.corp"}"#,
        r#"{"ts":"2024-02-03T10:00:01Z","answers":["a.nl","c2.evil.corp"]}"#,
        r#"{"ts":"2024-02-03T10:00:02Z","message":"looked at c2.evil.corp"}"#,
        r#"{"ts":"2024-02-03T10:00:03Z","c2.evil.corp":1,"dns":{"question":{"name":"x.lan"}}}"#,
    ];
    node.record("dns.log", format!("{}\n", lines.join("\n")).as_bytes(), "").unwrap();
    // Once in each of the first two lines: the name of a program is no name of a host.
    assert_eq!(node.count(ObservableKind::Domain, "c2.evil.corp"), 2);
    assert_eq!(node.count(ObservableKind::Domain, "x.lan"), 1);
    let zeek = b"#separator \\x09\n#path\tdns\n#fields\tts\tuid\tquery\n1600000000.5\tC1\tHost.Lan\n";
    node.record("dns.tsv", zeek, "").unwrap();
    assert_eq!(node.count(ObservableKind::Domain, "host.lan"), 1);
    let [own, public] =
        ["c2.evil.corp", "a.nl"].map(|n| Observable::parse(ObservableKind::Domain, n).unwrap());
    assert!(is_kept_by_place(&own) && !is_kept_by_place(&public));
    // Of one that it does not hold the look-back does not say that it never was.
    let indicator = |name: &str| Indicator {
        id: name.to_owned(),
        observable: Observable::parse(ObservableKind::Domain, name).unwrap(),
        mode: Mode::WithSubdomains,
        name: String::new(),
        valid_from: None,
        valid_until: None,
    };
    let asked = ["evil.corp", "other.corp", "other.nl"].map(indicator);
    let looked = node.history().look_back(&asked, &Keep::default(), usize::MAX).unwrap();
    assert_eq!(looked.found.iter().map(|found| found.indicator).collect::<Vec<_>>(), [0]);
    assert_eq!(looked.in_part, [1]);
}

/// JA3 stood in the history as MD5, and JA4 not at all.
#[test]
fn ja3_and_ja4_are_kept_as_what_their_field_says() {
    let node = Node::new();
    let eve = format!(
        r#"{{"timestamp":"2024-02-03T10:00:00Z","event_type":"tls","tls":{{"ja3":{{"hash":"{JA3}"}},"ja4":"{JA4}"}}}}"#
    );
    let zeek = format!(
        "#separator \\x09\n#path\tssl\n#fields\tts\tuid\tja3\tja4\tja3s\n1706954400.5\tC1\t{}\t{JA4}\t{}\n",
        JA3.to_uppercase(),
        "0".repeat(32)
    );
    node.record("eve.json", format!("{eve}\n{eve}\n").as_bytes(), "").unwrap();
    node.record("ssl.log", zeek.as_bytes(), "").unwrap();
    let ja3 = node.ask(ObservableKind::Ja3, JA3, false);
    assert_eq!((ja3.seen.count, ja3.of_other_kind, ja3.values), (3, 0, 1));
    assert!(ja3.seen.first.is_some());
    assert_eq!(node.count(ObservableKind::Ja4, JA4), 3);
    // Who does not say the kind means an MD5, and is answered.
    let md5 = node.ask(ObservableKind::Md5, JA3, false);
    assert_eq!((md5.seen.count, md5.of_other_kind), (3, 3));
    assert_eq!(
        node.ask(ObservableKind::Md5, &"0".repeat(32), false).of_other_kind,
        0,
        "that of a server is no JA3"
    );
}

/// What no field tells apart, as in the history of an earlier program, is asked for and forgotten under either kind.
#[test]
fn a_ja3_that_stands_as_md5_is_found_and_forgotten() {
    let node = Node::new();
    node.record("a.log", format!("2024-02-03T10:00:00Z client {JA3}\n").as_bytes(), "").unwrap();
    let of_ja3 = |kind| Indicator {
        id: JA3.to_owned(),
        observable: Observable::parse(kind, JA3).unwrap(),
        mode: Mode::Exact,
        name: String::new(),
        valid_from: None,
        valid_until: None,
    };
    assert_eq!(node.ask(ObservableKind::Ja3, JA3, false).of_other_kind, 1);
    let asked = vec![of_ja3(ObservableKind::Ja3); hunt::limits::LOOKUPS_MAX + 1];
    for asked in [&asked[..1], &asked] {
        let looked = node.history().look_back(asked, &Keep::default(), usize::MAX).unwrap();
        assert_eq!(looked.found.len(), asked.len());
    }
    let observable = Observable::parse(ObservableKind::Ja3, JA3).unwrap();
    let forgotten = node.history().forget(&observable, "ja3 x", &Keep::default(), false, NOW).unwrap();
    assert_eq!(forgotten.count, 1);
    assert_eq!(node.count(ObservableKind::Ja3, JA3), 0);
}

/// A log that logrotate packed counted twice.
#[test]
fn a_log_that_was_packed_since_is_the_same_log() {
    let log = b"2024-02-03T10:00:00Z accepted 203.0.113.7\n".repeat(200);
    let more = [&log[..], b"2024-02-03T11:00:00Z accepted 203.0.113.7\n"].concat();
    let count = |node: &Node| node.count(ObservableKind::Ip, "203.0.113.7");
    let node = Node::new();
    let list = "203.0.113.7";
    node.record("/l/fw.log", &log, list).unwrap();
    let known = node.record("/l/fw.log.1.gz", &gz(&log), list).unwrap();
    assert_eq!(known, Recorded::Known { new_findings: 0 });
    assert_eq!(count(&node), 200);
    let files = node.history().files().unwrap();
    assert_eq!(
        files.iter().map(|file| (&*file.path, &*file.packed_path)).collect::<Vec<_>>(),
        [("/l/fw.log", "/l/fw.log.1.gz")]
    );
    // Packed in another way, and unpacked again.
    let again = zstd::encode_all(&log[..], 1).unwrap();
    assert!(matches!(node.record("/old/fw.zst", &again, list).unwrap(), Recorded::Known { .. }));
    // It had grown before it was packed: only what is new counts, findings too.
    let node = Node::new();
    node.record("/l/fw.log", &log, list).unwrap();
    let grown = node.record("/l/fw.log-20240204.gz", &gz(&more), list).unwrap();
    assert!(matches!(grown, Recorded::Grown { .. }), "{grown:?}");
    assert_eq!(count(&node), 201);
    let [file] = &node.history().files().unwrap()[..] else { panic!("one log") };
    assert_eq!((&*file.path, file.lines), ("/l/fw.log-20240204.gz", 201));
    assert!(matches!(node.record("/l/fw.log.1", &more, list).unwrap(), Recorded::Known { .. }));
    assert_eq!(count(&node), 201);
    // One of another name is another log, though it begins the same.
    node.record("/l/gw.log.1.gz", &gz(&[&more[..], b"x\n"].concat()), list).unwrap();
    assert_eq!(count(&node), 402);
}
