// SPDX-License-Identifier: Apache-2.0
//! The generator holds what it promises.

use std::collections::BTreeMap;

use loggen::{Family, Firm, Plan};
use serde_json::Value;

fn small(seed: u64) -> Firm {
    Firm::new(Plan { seed, users: 150, days: 60, quiet: true })
}

#[test]
fn the_same_seed_gives_the_same_logs_and_another_gives_others() {
    let (one, same, other) = (small(1), small(1), small(2));
    for day in [0, 31, 40] {
        assert_eq!(one.day(day), same.day(day));
        assert_ne!(one.day(day), other.day(day));
    }
    assert_eq!(one.planted(), same.planted());
}

#[test]
fn each_log_has_lines_of_its_form() {
    let firm = small(1);
    let mut counts: BTreeMap<Family, usize> = BTreeMap::new();
    for line in firm.days().take(12).flat_map(|day| firm.day(day)) {
        *counts.entry(line.family).or_default() += 1;
        match line.family {
            Family::Entra | Family::EntraAudit | Family::Okta | Family::Windows => {
                let value: Value = serde_json::from_str(&line.text).unwrap();
                assert!(value.is_object(), "{}", line.text);
            }
            Family::Http | Family::Dns | Family::Smb => {
                let names = line.family.header().lines().find(|l| l.starts_with("#fields")).unwrap();
                assert_eq!(names.split('\t').count() - 1, line.text.split('\t').count(), "{}", line.text);
            }
            Family::Vpn => assert!(line.text.contains("subtype=\"vpn\""), "{}", line.text),
            Family::Mail => assert!(line.text.contains("imap-login: "), "{}", line.text),
            Family::Web => assert!(line.text.contains("\"GET /"), "{}", line.text),
        }
        assert!(!line.text.contains('\n'));
    }
    let expected =
        [Family::Dns, Family::Entra, Family::Http, Family::Mail, Family::Okta, Family::Vpn, Family::Web];
    for family in expected {
        assert!(counts.get(&family).copied().unwrap_or_default() > 10, "{family:?}: {counts:?}");
    }
}

#[test]
fn lost_days_have_no_lines() {
    let firm = small(1);
    assert!(firm.is_missing(Family::Entra, 20));
    assert!(firm.day(20).iter().all(|line| line.family != Family::Entra));
    assert!(firm.day(20).iter().any(|line| line.family == Family::Windows));
}

#[test]
fn each_kind_of_attack_is_planted() {
    let firm = small(3);
    let kinds: std::collections::BTreeSet<&str> =
        firm.planted().iter().filter(|planted| planted.must).map(|planted| planted.what).collect();
    let expected = [
        "brute-force-success",
        "bulk-collection",
        "cloud-upload",
        "dormant-account",
        "first-seen",
        "hosting-vpn",
        "impossible-travel",
        "legacy-protocol",
        "mfa-fatigue",
        "mfa-method-change",
        "odd-hour",
        "renamed-archiver",
        "slow-exfiltration",
        "spray-distributed",
        "spray-one-source",
        "staging",
        "stuffing",
        "two-countries",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn the_places_are_read_by_the_usual_reader() {
    let places = small(1).places();
    let reader = maxminddb::Reader::from_source(places).unwrap();
    reader.verify().unwrap();
    let of = |address: &str| {
        let found = reader.lookup(address.parse().unwrap()).unwrap();
        let country: Option<String> = found
            .decode_path(&[maxminddb::PathElement::Key("country"), maxminddb::PathElement::Key("iso_code")])
            .unwrap();
        let asn: Option<u32> =
            found.decode_path(&[maxminddb::PathElement::Key("autonomous_system_number")]).unwrap();
        country.zip(asn)
    };
    assert_eq!(of("192.0.2.1"), Some(("NL".to_owned(), 64_496)));
    assert_eq!(of("2001:db8:bad7::1"), Some(("XE".to_owned(), 65_544)));
    assert_eq!(of("203.0.113.130"), Some(("XA".to_owned(), 65_540)));
    assert_eq!(of("10.0.0.1"), None);
}

#[test]
fn a_folder_of_years_has_gaps_and_damage_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let summary = loggen::years::write(dir.path(), 5, 120, loggen::years::Scale::Small).unwrap();
    assert!(summary.files > 800 && summary.lines > 50_000, "{summary:?}");
    let faults = std::fs::read_to_string(dir.path().join("faults.jsonl")).unwrap();
    let faults: Vec<Value> = faults.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for fault in &faults {
        let exists = dir.path().join(fault["file"].as_str().unwrap()).exists();
        assert_eq!(exists, fault["fault"] != "missing", "{fault}");
    }
    assert!(faults.iter().any(|fault| fault["fault"] == "missing"));
    let truth = std::fs::read_to_string(dir.path().join("truth.jsonl")).unwrap();
    assert!(truth.contains(loggen::years::PLANTED_NAME));
}
