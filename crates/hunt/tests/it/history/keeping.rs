// SPDX-License-Identifier: Apache-2.0
//! What is kept, for how long, what was taken away, who asked; and what 'never' rests on.

use hunt::event::SourceKind;
use hunt::history::{
    Act, Cadence, Declared, Flags, Keep, Kinds, Month, ReadFile, audit_name, day_text, parse_day,
};
use hunt::indicator::{Indicator, Mode};
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;

use super::support::{NOW, Node};
use super::{MONDAY, TUESDAY, merge_all};

const KEY: [u8; 32] = [7; 32];

fn audited(observable: &Observable, is_forgotten: bool) -> String {
    audit_name(observable, is_forgotten, || Ok::<_, ()>(KEY)).unwrap()
}

fn line(day: &str, what: &str) -> Vec<u8> {
    format!("{day}T10:00:00Z {what}\n").into_bytes()
}

fn never(node: &Node, kind: ObservableKind) -> hunt::history::Coverage {
    node.history().coverage(kind, &Keep::default(), NOW).unwrap()
}

#[test]
fn retention_drops_months_of_a_class_and_says_so() {
    let node = Node::new();
    for (day, name) in [("2023-10-05", "o"), ("2023-12-05", "d"), ("2024-02-05", "f")] {
        for kind in [SourceKind::Proxy, SourceKind::Dns] {
            let log = line(day, &format!("8.8.8.8 {name}.example.org {}", kind.name()));
            node.record_as(&format!("{name}-{}.log", kind.name()), &log, "", kind).unwrap();
        }
    }
    let history = node.history();
    assert_eq!(history.retain(NOW).unwrap(), 0, "nothing is set");
    history.set_retention(Some(ObservableKind::Domain), Some(SourceKind::Proxy), Some(3)).unwrap();
    history.set_retention(Some(ObservableKind::Domain), None, Some(36)).unwrap();
    // 2024-03 and the three months before it are kept.
    assert_eq!(history.retain(NOW).unwrap(), 1);
    assert_eq!(history.retain(NOW).unwrap(), 0);
    assert_eq!(node.count(ObservableKind::Domain, "o.example.org"), 1, "the other class");
    assert_eq!(node.count(ObservableKind::Domain, "d.example.org"), 2);
    assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), 6, "another kind");
    let coverage = never(&node, ObservableKind::Domain);
    assert!(coverage.has_holes());
    let [dropped] = coverage.dropped.as_slice() else { panic!("one class: {coverage:?}") };
    assert_eq!((dropped.source, dropped.rows), (SourceKind::Proxy, 1));
    assert_eq!(dropped.months, [Month::parse("2023-10").unwrap()].into());
    assert!(!never(&node, ObservableKind::Ip).has_holes());
    history.set_retention(None, None, Some(1)).unwrap();
    assert_eq!(history.retain(NOW).unwrap(), 4, "addresses of two months; names have settings of their own");
    merge_all(&node);
    node.restart();
}

#[test]
fn one_value_is_forgotten() {
    let node = Node::new();
    node.record("a.log", MONDAY, "8.8.8.8").unwrap();
    node.record("b.log", TUESDAY, "").unwrap();
    merge_all(&node);
    let value = Observable::guess("8.8.8.8").unwrap();
    let before: Vec<String> = node.history().runs().unwrap().into_iter().map(|run| run.facts.name).collect();
    let (name, other) = (audited(&value, true), audited(&Observable::guess("8.8.9.9").unwrap(), true));
    assert_eq!(node.history().forgotten(&name).unwrap(), None);
    let forgotten = node.history().forget(&value, &name, &Keep::default(), false, NOW).unwrap();
    assert_eq!(
        (node.history().forgotten(&name).unwrap(), node.history().forgotten(&other).unwrap()),
        (Some(NOW), None)
    );
    assert_eq!(node.history().forgotten_of(ObservableKind::Ip).unwrap(), 1);
    assert_eq!(node.history().forgotten_of(ObservableKind::Domain).unwrap(), 0);
    assert_eq!(
        (forgotten.count, forgotten.runs, forgotten.findings, forgotten.erased_findings),
        (3, 1, 2, 0)
    );
    assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), 0);
    assert_eq!(node.count(ObservableKind::Ip, "8.8.9.9"), 1);
    assert_eq!(node.count(ObservableKind::Domain, "example.org"), 1);
    node.restart();
    let bytes = value.canonical();
    for name in before {
        let run = node.folder.inner.bytes(&name).unwrap_or_default();
        assert!(!run.windows(bytes.len()).any(|part| part == bytes), "the old run is gone");
    }
    let later = Timestamp::from_micros(NOW.micros() + 1);
    let nothing = node.history().forget(&value, &name, &Keep::default(), false, later).unwrap();
    assert_eq!(
        (nothing.count, node.history().forgotten(&name).unwrap()),
        (0, Some(NOW)),
        "nothing was erased"
    );
    let again = node.history().forget(&value, &name, &Keep::default(), true, later).unwrap();
    assert_eq!(node.history().forgotten(&name).unwrap(), Some(later));
    assert_eq!((again.count, again.runs, again.findings, again.erased_findings), (0, 0, 0, 2));
    assert_eq!(
        node.record("a.log", MONDAY, "").unwrap().new_findings(),
        0,
        "the file is known, and not read again"
    );
    assert_eq!(node.count(ObservableKind::Ip, "8.8.8.8"), 0);
}

#[test]
fn what_is_a_persons_is_kept_only_when_switched_on() {
    let node = Node::new();
    let history = node.history();
    let values = [
        (ObservableKind::Account, "anna.dewit"),
        (ObservableKind::Email, "anna@example.org"),
        (ObservableKind::Url, "https://example.org/a"),
        (ObservableKind::UserAgent, "curl/8"),
        (ObservableKind::Ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1"),
        (ObservableKind::Ip, "10.0.0.1"),
        (ObservableKind::Ip, "203.0.113.7"),
        (ObservableKind::Domain, "example.org"),
        (ObservableKind::Domain, "id.orig_h"),
    ];
    let kept = |keep: &Keep| {
        let mut observed = hunt::history::Observed::new(
            keep.clone(),
            std::sync::Arc::default() as std::sync::Arc<hunt::history::MemoryFolder>,
        );
        for (kind, text) in values {
            if let Ok(value) = Observable::parse(kind, text) {
                observed.add_value(&value, None, Flags::ANSWERED);
            }
        }
        observed
            .sorted()
            .unwrap()
            .into_iter()
            .map(|(value, _)| (value.kind(), value.canonical().to_vec()))
            .collect::<Vec<_>>()
    };
    let by_default = history.keep(&KEY).unwrap();
    assert_eq!(by_default, Keep::default());
    let kinds: Vec<ObservableKind> = kept(&by_default).into_iter().map(|(kind, _)| kind).collect();
    let domain = ObservableKind::Domain;
    assert_eq!(
        kinds,
        [ObservableKind::Ip, domain, domain, ObservableKind::Ja4],
        "a field tells what is a name"
    );
    history.set_keep(ObservableKind::Account, true).unwrap();
    history.set_keep(ObservableKind::Email, true).unwrap();
    history.set_keep(ObservableKind::Domain, false).unwrap();
    let keep = history.keep(&KEY).unwrap();
    let all = kept(&keep);
    let kinds: Vec<ObservableKind> = all.iter().map(|(kind, _)| *kind).collect();
    use ObservableKind::{Account, Email, Ip, Ja4};
    assert_eq!(kinds, [Ip, Email, Ja4, Account]);
    let account = &all[3].1;
    assert!(account.len() == 32 && !account.windows(4).any(|part| part == b"anna"), "keyed, never the name");
    let other = Keep { account_key: Some([8; 32]), ..keep.clone() };
    assert_ne!(kept(&other)[3].1, *account);
    assert!(!format!("{keep:?}").contains('7'), "the key is not told");
    assert!(Kinds::one(Account).is_one());
}

/// Systems that log accounts take either case for the same, so a hunt and the history do.
#[test]
fn an_account_is_known_and_forgotten_whatever_its_case() {
    let node = Node::new();
    let history = node.history();
    history.set_keep(ObservableKind::Account, true).unwrap();
    let keep = history.keep(&KEY).unwrap();
    let account = |name: &str| Observable::parse(ObservableKind::Account, name).unwrap();
    let (facts, mut hunt, _) = node.hunt("a.log", b"x\n", "", SourceKind::Unknown, 0);
    let folder = std::sync::Arc::clone(&node.folder) as std::sync::Arc<dyn hunt::history::RunFolder>;
    hunt.left.observed = hunt::history::Observed::new(keep.clone(), folder);
    for name in [r"CORP\ANNA", r"corp\Anna", "ÜNAL"] {
        hunt.left.observed.add_value(&account(name), None, Flags::default());
    }
    history
        .record(&ReadFile { facts: &facts, findings: &[], worker: 1, now: NOW }, hunt.left.observed)
        .unwrap();
    let seen = |name: &str| {
        let question = hunt::history::Question { observable: account(name), with_subdomains: false };
        history.seen(&question, &keep).unwrap().seen.count
    };
    assert_eq!([seen(r"corp\anna"), seen(r"CORP\Anna"), seen("ünal"), seen("anna")], [2, 2, 1, 0]);
    let anna = account(r"corp\anna");
    assert_eq!(audited(&anna, true), audited(&account(r"CORP\ANNA"), true), "one name for what is forgotten");
    let told = history.forget(&anna, &audited(&anna, true), &keep, false, NOW).unwrap();
    assert_eq!((told.count, told.runs), (2, 1));
    assert_eq!([seen(r"CORP\ANNA"), seen("ünal")], [0, 1]);
}

/// Findings are looked at page by page, and none between two pages is passed by.
#[test]
fn a_value_is_forgotten_on_every_page_of_the_findings() {
    let node = Node::new();
    let log: String = (0..1_250).map(|n| format!("2024-02-01T10:00:00Z {n} 8.8.8.8 8.8.4.4\n")).collect();
    node.record("a.log", log.as_bytes(), "8.8.8.8\n8.8.4.4\n").unwrap();
    let value = Observable::guess("8.8.4.4").unwrap();
    let told = node.history().forget(&value, "ip x", &Keep::default(), true, NOW).unwrap();
    assert_eq!((told.erased_findings, told.redacted_findings, told.findings), (1_250, 1_250, 0));
    let left = node.store.read(|read| hunt::history::findings(read, None)).unwrap();
    assert_eq!(left.len(), 1_250);
    assert!(left.iter().all(|hit| hit.finding.text.ends_with("8.8.8.8 [erased]")));
}

#[test]
fn who_asked_is_noted_before_the_answer() {
    let node = Node::new();
    let history = node.history();
    let address = Observable::guess("203.0.113.7").unwrap();
    let person = Observable::parse(ObservableKind::Email, "anna@example.org").unwrap();
    let id = history.audit("anna", Act::Seen, &audited(&address, false), "case 12", NOW).unwrap();
    history.audit_outcome(id, "never").unwrap();
    history.audit_outcome(id, "changed").unwrap();
    history.audit("bert", Act::Seen, &audited(&person, false), "", NOW).unwrap();
    history.audit("bert", Act::Forget, &audited(&address, true), "request", NOW).unwrap();
    let all = history.audited(Timestamp::EPOCH).unwrap();
    assert_eq!(all.iter().map(|entry| entry.id).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(
        (all[0].what.as_str(), all[0].outcome.as_str(), all[0].purpose.as_str()),
        ("ip 203.0.113.7", "never", "case 12")
    );
    assert!(all[1].what.starts_with("email hmac:") && !all[1].what.contains("anna"));
    assert!(all[2].what.starts_with("ip hmac:"), "what is forgotten does not stand in the audit");
    assert_eq!(audited(&person, false), all[1].what, "who knows it finds it again");
    assert!(history.audited(Timestamp::from_micros(NOW.micros() + 1)).unwrap().is_empty());
}

/// 'Never' comes with the logs that could have shown it, their days, and what is missing.
#[test]
fn never_says_what_it_rests_on() {
    let node = Node::new();
    let history = node.history();
    let declare = |name: &str, source, pattern: &str, cadence, since: Option<&str>| {
        let since = since.map(|day| parse_day(day).unwrap());
        let declared = Declared { name: name.into(), source, pattern: pattern.into(), cadence, since };
        history.declare(&declared).unwrap();
    };
    declare("vpn", SourceKind::Vpn, "vpn*.log*", Cadence::Day, None);
    declare("hosts", SourceKind::Endpoint, "evtx/*", Cadence::Week, Some("2024-02-01"));
    declare("mail", SourceKind::Email, "mail*", Cadence::Month, Some("2023-12-15"));
    declare("gone", SourceKind::Dns, "x", Cadence::Day, None);
    assert!(history.undeclare("gone").unwrap() && !history.undeclare("gone").unwrap());
    for day in ["2024-02-20", "2024-02-21", "2024-02-24", "2024-02-29"] {
        node.record_as(&format!("/logs/vpn-{day}.log"), &line(day, "8.8.8.8"), "", SourceKind::Vpn).unwrap();
    }
    node.record_as("/logs/fw.log", &line("2024-02-20", "8.8.4.4"), "", SourceKind::Flow).unwrap();
    node.record("/logs/odd.log", &line("2024-02-20", "8.8.4.4 x"), "").unwrap();
    node.record_as("mail-1.log", &line("2024-02-01", "8.8.4.4 m"), "", SourceKind::Email).unwrap();

    let stretches = |days: &[(u32, u32)]| -> Vec<String> {
        days.iter().map(|(first, last)| format!("{}..{}", day_text(*first), day_text(*last))).collect()
    };
    let address = never(&node, ObservableKind::Ip);
    let shows: Vec<SourceKind> = address.shows.iter().map(|source| source.source).collect();
    assert_eq!(shows, [SourceKind::Email, SourceKind::Flow, SourceKind::Vpn]);
    let vpn = address.shows.iter().find(|source| source.source == SourceKind::Vpn).unwrap();
    assert_eq!((vpn.files, vpn.day_count()), (4, 4));
    assert_eq!(
        stretches(&vpn.gaps().collect::<Vec<_>>()),
        ["2024-02-22..2024-02-23", "2024-02-25..2024-02-28"]
    );
    assert_eq!(address.unknown.as_ref().map(|source| source.files), Some(1));
    let missing: Vec<(&str, Vec<String>)> =
        address.missing.iter().map(|m| (m.declared.name.as_str(), stretches(&m.gaps))).collect();
    let vpn_gaps = vec!["2024-02-22..2024-02-23".to_owned(), "2024-02-25..2024-02-28".to_owned()];
    let hosts = vec!["2024-02-01..2024-02-25".to_owned()];
    let mail = vec!["2023-12-15..2024-01-31".to_owned()];
    assert_eq!(missing, [("hosts", hosts), ("mail", mail), ("vpn", vpn_gaps)]);
    assert!(address.has_holes());

    let hash = never(&node, ObservableKind::Sha256);
    let cannot: Vec<SourceKind> = hash.cannot_show.iter().map(|source| source.source).collect();
    assert_eq!(cannot, [SourceKind::Flow, SourceKind::Vpn], "a firewall log cannot show a hash");
    let missing: Vec<&str> = hash.missing.iter().map(|m| m.declared.name.as_str()).collect();
    assert_eq!(missing, ["hosts", "mail"], "nor can a VPN log be missed for it");
    assert!(!never(&node, ObservableKind::Account).is_kept);
}

/// An indicator is looked up the moment that it is appended; of what is not kept the host leads to the files.
#[test]
fn a_new_indicator_looks_back() {
    let node = Node::new();
    node.record("a.log", MONDAY, "").unwrap();
    node.record("b.log", TUESDAY, "").unwrap();
    merge_all(&node);
    let indicator = |text: &str, mode| {
        let observable = Observable::guess(text).unwrap();
        Indicator {
            id: text.into(),
            name: text.into(),
            observable,
            mode,
            valid_from: None,
            valid_until: None,
        }
    };
    let indicators = [
        indicator("9.9.9.9", Mode::Exact),
        indicator("8.8.9.0/24", Mode::Exact),
        indicator("https://www.example.org/login", Mode::Exact),
        indicator("someone@example.org", Mode::Exact),
        indicator("org.example", Mode::WithSubdomains),
        indicator("http://8.8.9.9:8080/x", Mode::Exact),
    ];
    let found = node.history().look_back(&indicators, &Keep::default(), usize::MAX).unwrap().found;
    let told: Vec<(usize, u64, bool, String)> =
        found.iter().map(|l| (l.indicator, l.sighted.seen.count, l.exact, l.files.join("+"))).collect();
    let expected =
        [(1, 1, true, "b.log"), (2, 1, false, "a.log"), (3, 1, false, "a.log"), (5, 1, false, "b.log")];
    assert_eq!(told, expected.map(|(n, count, exact, files)| (n, count, exact, files.to_owned())));
}

/// What other findings quote of a forgotten value is erased there; findings of the value are another matter.
#[test]
fn forgetting_redacts_what_other_findings_quote() {
    let node = Node::new();
    let log = b"2024-02-01T10:00:00Z 8.8.8.8 asks evil.example\n2024-02-01T11:00:00Z https://evil.example/a to 8.8.4.4\n";
    node.record("a.log", log, "8.8.8.8\n8.8.4.4\nevil.example\nhttps://evil.example/a\n").unwrap();
    let texts = |value: &str| {
        let all = node.store.read(|read| hunt::history::findings(read, None)).unwrap();
        let of = all.into_iter().filter(|hit| hit.finding.value == value);
        of.map(|hit| hit.finding.text).collect::<Vec<_>>()
    };
    let value = Observable::parse(ObservableKind::Domain, "evil.example").unwrap();
    let forget = |erase| node.history().forget(&value, "domain x", &Keep::default(), erase, NOW).unwrap();
    let told = forget(false);
    assert_eq!((told.findings, told.erased_findings), (2, 0));
    assert_eq!((told.redacted_findings, told.holding_findings), (3, 1), "{told:?}");
    assert_eq!(texts("8.8.8.8"), ["2024-02-01T10:00:00Z 8.8.8.8 asks [erased]"]);
    assert_eq!(texts("8.8.4.4"), ["2024-02-01T11:00:00Z https://[erased]/a to 8.8.4.4"]);
    assert_eq!(texts("evil.example").len(), 2);
    let told = forget(true);
    assert_eq!((told.erased_findings, told.redacted_findings), (2, 0));
    assert!(texts("evil.example").is_empty() && texts("8.8.8.8").len() == 1);
}

/// Of a kind that was switched off, asking denied what the history held.
#[test]
fn what_is_no_longer_kept_is_still_found() {
    let node = Node::new();
    node.record("a.log", &line("2024-02-19", "198.51.100.10"), "").unwrap();
    let value = Observable::guess("198.51.100.9").unwrap();
    let log = line("2024-02-20", "198.51.100.9 www.example.org");
    node.record("b.log", &log, "").unwrap();
    let history = node.history();
    for kind in [ObservableKind::Ip, ObservableKind::Domain] {
        history.audit("anna", Act::Set, &hunt::history::keep_act(kind, false), "", NOW).unwrap();
        history.set_keep(kind, false).unwrap();
    }
    let keep = history.keep(&KEY).unwrap();
    assert!(keep.stored(&value).is_none(), "nothing more is put in");
    let seen = |text: &str| {
        let observable = Observable::guess(text).unwrap();
        let question = hunt::history::Question { observable, with_subdomains: true };
        history.seen(&question, &keep).unwrap().seen.count
    };
    assert_eq!([seen("198.51.100.9"), seen("198.51.100.0/24"), seen("example.org")], [1, 2, 1]);
    let indicator = Indicator {
        id: "i".into(),
        name: String::new(),
        observable: value,
        mode: Mode::Exact,
        valid_from: None,
        valid_until: None,
    };
    assert_eq!(history.look_back(&[indicator], &keep, usize::MAX).unwrap().found.len(), 1);
    let coverage = history.coverage(ObservableKind::Ip, &keep, NOW).unwrap();
    assert!(!coverage.is_kept && coverage.has_holes());
    assert_eq!((coverage.unkept_since, coverage.unkept_files), (Some(NOW), 2), "recorded at that very time");
    // What came meanwhile stays unknown when the kind is kept again.
    history
        .audit("anna", Act::Set, &hunt::history::keep_act(ObservableKind::Ip, true), "", later(1))
        .unwrap();
    history.set_keep(ObservableKind::Ip, true).unwrap();
    let keep = history.keep(&KEY).unwrap();
    let coverage = history.coverage(ObservableKind::Ip, &keep, NOW).unwrap();
    assert!(coverage.is_kept && coverage.has_holes());
    assert_eq!((coverage.unkept_since, coverage.unkept_files), (None, 2));
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_micros(NOW.micros() + seconds * 1_000_000)
}

/// A log had one kind, so that days of sign-ins were "never had" though each held many.
#[test]
fn a_log_of_several_kinds_covers_its_days_for_each() {
    let node = Node::new();
    let event = |day: &str, id: u32| {
        format!(
            "{{\"Channel\":\"Security\",\"EventID\":{id},\"TimeCreated\":\"{day}T10:00:00Z\",\"Computer\":\"dc1\",\
             \"IpAddress\":\"198.51.100.9\"}}\n"
        )
    };
    let log = |day: &str| [event(day, 5145), event(day, 5145), event(day, 5145), event(day, 4624)].concat();
    let history = node.history();
    for day in ["2024-02-20", "2024-02-21"] {
        let (facts, hunt, _) =
            node.hunt(&format!("{day}.json"), log(day).as_bytes(), "", SourceKind::File, 0);
        assert!(facts.kinds.each().eq([SourceKind::Authentication, SourceKind::File]), "{:?}", facts.kinds);
        // As an earlier program recorded it.
        let facts = hunt::history::FileFacts { kinds: hunt::event::SourceKinds::default(), ..facts };
        history
            .record(&ReadFile { facts: &facts, findings: &[], worker: 1, now: NOW }, hunt.left.observed)
            .unwrap();
    }
    let days = |kind: SourceKind| {
        let coverage = never(&node, ObservableKind::Ip);
        coverage.shows.iter().find(|source| source.source == kind).map_or(0, |source| source.day_count())
    };
    assert_eq!([days(SourceKind::File), days(SourceKind::Authentication)], [2, 0]);
    // Hunted in again it is known, and so are its kinds.
    node.record_as("2024-02-20.json", log("2024-02-20").as_bytes(), "", SourceKind::File).unwrap();
    assert_eq!([days(SourceKind::File), days(SourceKind::Authentication)], [2, 1]);
    assert!(history.files().unwrap().iter().all(|file| file.source == SourceKind::File));
}
