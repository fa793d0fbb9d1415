// SPDX-License-Identifier: Apache-2.0
//! What people read.

use std::collections::BTreeSet;
use std::path::Path;

use hunt::detection::{Level, Means};
use hunt::limits::{
    NOTICE_BYTES_MAX, PAGE_NAMES_MAX, REPORT_DETECTIONS_MAX, REPORT_FINDINGS_MAX, TABLE_COLUMNS_MAX,
    TABLE_FINDINGS_MAX,
};
use hunt::report::words::{around, bytes, date, grouped, shortened, visible};
use hunt::report::{
    Contact, Contacts, Day, FileFacts, FileState, Gap, GapReason, Hit, IndicatorFacts, Language, Summary,
    html, kept, notice, one_page_html, one_page_text, table, verdict,
};
use model::marking::{Marking, Tlp};
use model::observable::ObservableKind;
use proptest::prelude::*;

use super::{golden, sample};

fn contacts() -> Contacts {
    let contact = |name: &str, phone: &str| Contact {
        name: name.to_owned(),
        phone: phone.to_owned(),
        mail: String::new(),
        note: "day and night".to_owned(),
    };
    Contacts {
        own_it: Some(contact("Noorderlicht Beheer (fictional)", "+31 20 555 0100")),
        csirt: Some(Contact {
            note: String::new(),
            ..contact("Nationaal centrum (fictional)", "+31 70 555 0101")
        }),
        ..Contacts::default()
    }
}

#[test]
fn pages_are_what_they_were() {
    let firm = sample::firm();
    golden("firm.html", html(&firm).as_bytes());
    golden("empty.html", html(&sample::empty()).as_bytes());
    golden("firm.txt", table(&firm, 100).as_bytes());
    golden("empty.txt", table(&sample::empty(), 100).as_bytes());
    golden("page-nl.html", one_page_html(&firm, &contacts(), Language::Dutch).as_bytes());
    golden("page-nl.txt", one_page_text(&firm, &contacts(), Language::Dutch).as_bytes());
    golden("page-en.txt", one_page_text(&firm, &contacts(), Language::English).as_bytes());
    let told = notice(&firm, Level::Medium).unwrap();
    golden("notice.txt", format!("{}\n\n{}", told.subject, told.text).as_bytes());
    golden("notice.json", format!("{:#}\n", told.json).as_bytes());
    if let Some(folder) = std::env::var_os("HUNT_REPORT_FOLDER") {
        keep(Path::new(&folder));
    }
}

/// Pages to look at.
fn keep(folder: &Path) {
    let mut one = sample::firm();
    one.hits.truncate(1);
    one.detections.clear();
    let all = [
        ("crowded", sample::crowded()),
        ("empty", sample::empty()),
        ("firm", sample::firm()),
        ("hostile", sample::hostile()),
        ("many", sample::many()),
        ("one", one),
    ];
    for (name, summary) in all {
        std::fs::write(folder.join(format!("{name}.html")), html(&summary)).unwrap();
        std::fs::write(folder.join(format!("{name}.txt")), table(&summary, 100)).unwrap();
        for language in [Language::Dutch, Language::English] {
            let mut contacts = contacts();
            if name == "crowded" {
                let long = "Een lange naam van een afdeling ".repeat(5);
                let contact =
                    Contact { name: long.clone(), phone: long.clone(), mail: long.clone(), note: long };
                contacts.sector = Some(contact.clone());
                contacts.police = Some(contact);
            }
            let page = one_page_html(&summary, &contacts, language);
            std::fs::write(folder.join(format!("page-{name}-{}.html", language.tag())), page).unwrap();
        }
    }
}

/// The page's own tags; all that is between them is text.
fn tags(page: &str) -> Vec<&str> {
    page.split('<').skip(1).map(|rest| rest.split([' ', '>', '\n']).next().unwrap()).collect()
}

/// A page is safe when outside text adds no tag and no attribute: it has those that the same page has with
/// harmless text, and no other.
#[test]
fn no_log_gets_into_the_markup() {
    let pages = |summary: &Summary| {
        [
            html(summary),
            one_page_html(summary, &contacts(), Language::Dutch),
            one_page_html(summary, &Contacts::default(), Language::English),
        ]
    };
    for page in pages(&sample::hostile()) {
        for word in
            ["<script", "<img", "<b>Firm", "<i>", " onmouseover=\"", "\u{202e}", "\u{1b}", "\0", "\u{200b}"]
        {
            assert!(!page.contains(word), "{word:?} got into the page");
        }
        let known = [
            "!DOCTYPE",
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "header",
            "main",
            "footer",
            "section",
            "nav",
            "div",
            "span",
            "p",
            "h1",
            "h2",
            "h3",
            "ul",
            "ol",
            "li",
            "dl",
            "dt",
            "dd",
            "a",
            "b",
            "br",
            "bdi",
            "mark",
            "figure",
            "figcaption",
            "svg",
            "rect",
            "table",
            "caption",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "code",
            "details",
            "summary",
        ];
        for tag in tags(&page) {
            assert!(known.contains(&tag.trim_start_matches('/')), "<{tag}> is none of ours");
        }
        for outside in ["http://", "https://", "src=", "url(", "@import", "<link", "javascript:"] {
            let without_logs =
                page.replace("https://<mark>", "").replace("https://c2", "").replace("https://files", "");
            let mut harmless = without_logs.replace("src=x", "").replace("&lt;img ", "");
            harmless = harmless.replace("GET https://", "");
            assert!(!harmless.contains(outside), "{outside} in the page: it may load nothing");
        }
    }
}

#[test]
fn a_page_is_bounded_and_says_what_is_missing() {
    let many = sample::many();
    let page = html(&many);
    assert_eq!(page.matches("<li class=\"card\">").count(), REPORT_FINDINGS_MAX);
    assert!(page.contains("The first 500 of 15,000 findings"), "what is shown of how much");
    assert!(page.contains("And 14,500 findings more"));
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    let text = table(&many, 100);
    assert_eq!(text.matches("  | ").count(), TABLE_FINDINGS_MAX);
    assert!(text.contains("and 14,950 findings more"));
    let page = one_page_text(&many, &Contacts::default(), Language::English);
    assert_eq!(page.matches("- ws-").count(), PAGE_NAMES_MAX);
    assert!(page.lines().count() < 66, "one page: {}", page.lines().count());

    let mut detections = sample::firm();
    let of = |nth: usize| hunt::detection::Detection {
        about: vec![("account", format!("account-{nth}"))],
        ..sample::spray()
    };
    detections.detections = (0..=REPORT_DETECTIONS_MAX).map(of).collect();
    let page = html(&detections);
    assert_eq!(page.matches("<li class=\"card critical\">").count(), REPORT_DETECTIONS_MAX);
    assert!(page.contains("And 1 detection more"));
    detections.detections.pop();
    assert!(!html(&detections).contains("detection more"), "all are shown at the edge");
}

/// Three years of a firm's own scanner, each week, were 155 printed pages of the same rule.
#[test]
fn what_repeats_is_one_entry() {
    let summary = sample::scanned(51);
    let page = html(&summary);
    assert_eq!(page.matches("<li class=\"card").count(), 2, "the scanner, and one sign-in");
    assert!(page.contains("What repeats is one entry: 52 detections in 2."), "none is lost from the count");
    assert!(page.contains("52 detections found") && !page.contains("detection more"));
    for words in [
        "51 times on 51 days, in 51 weeks; the latest at 2025-12-20 03:00:00",
        "2025-01-04 03:00:00 to 2025-12-20 03:07:00, 1,173 lines",
        "49 more between the first and the latest are not printed",
        "win-0.json",
        "win-1.json",
        "win-49.json",
        "win-50.json",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let text = table(&summary, 100);
    assert_eq!(text.matches("  about ").count(), 2, "{text}");
    assert!(
        text.contains("repeated     51 times on 51 days, in 51 weeks; the latest at 2025-12-20 03:00:00"),
        "{text}"
    );
    assert!(text.contains("evidence     win-0.json:1; the latest win-50.json:51"), "{text}");
    // Forms for machines hold each.
    let mut lines = Vec::new();
    hunt::report::json_lines(&summary, &mut lines).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    assert_eq!(lines.matches(r#""type":"detection""#).count(), 52);
}

/// Only what says the same of the same is one: another level, another account, another reason is another entry.
#[test]
fn what_differs_is_not_folded() {
    let mut summary = sample::scanned(2);
    let entries = |summary: &Summary| hunt::report::fold::repeated(summary).len();
    assert_eq!(entries(&summary), 2);
    let changes: [fn(&mut hunt::detection::Detection); 5] = [
        |one| one.level = Level::Critical,
        |one| one.about[0].1 = "10.0.0.25".to_owned(),
        |one| one.about.push(("account", "scan".to_owned())),
        |one| one.title.push_str(" and one signed in"),
        |one| one.means = Means::Pattern,
    ];
    for (nth, change) in changes.into_iter().enumerate() {
        let mut other = summary.detections[1].clone();
        change(&mut other);
        summary.detections.push(other);
        assert_eq!(entries(&summary), 3 + nth, "change {nth}");
    }
    let mut alike = summary.detections[0].clone();
    alike.title = "Failed logons of 24 accounts".to_owned();
    let mut same = alike.clone();
    same.title = "Failed logons of 7 accounts".to_owned();
    summary.detections = vec![alike, same];
    assert_eq!(entries(&summary), 1, "a number in the title is no other reason");
}

#[test]
fn what_a_rule_tells_again_and_again_can_be_excepted() {
    let command = "polder rules except c9f06993-efab-57e7-979f-4bf2135445b9 IpAddress=10.0.0.250 --data DIR --reason WHY \
                   --until 2026-06-08";
    let told = |summary: &Summary| {
        [
            html(summary),
            table(summary, 100).replace(" \\\n    ", " "),
            one_page_text(summary, &Contacts::default(), Language::English).replace(" \\\n", " "),
            one_page_html(summary, &Contacts::default(), Language::Dutch),
        ]
    };
    told(&sample::scanned(11)).iter().for_each(|page| assert!(page.contains(command), "{page}"));
    told(&sample::scanned(10)).iter().for_each(|page| assert!(!page.contains("rules except"), "ten are few"));
    // Behind more that is worse, a table shows it all the same, and counts it among what is shown.
    let mut crowded = sample::scanned(11);
    crowded.detections.extend((0..30).map(|nth| hunt::detection::Detection {
        about: vec![("account", format!("account-{nth}"))],
        ..sample::spray()
    }));
    let text = table(&crowded, 100);
    assert!(
        text.replace(" \\\n    ", " ").contains(command) && text.contains("and 11 detections more"),
        "{text}"
    );
    // What no exception can say is not offered: a detector has none; a value that is in no field of the line.
    let mut detector = sample::scanned(51);
    detector.detections.iter_mut().for_each(|one| one.means = Means::Detector);
    let mut elsewhere = sample::scanned(51);
    elsewhere.detections.iter_mut().for_each(|one| one.evidence[0].text = "{}".to_owned());
    // A command for a shell must not be what an attacker wrote into a log.
    let mut hostile = sample::scanned(51);
    for one in &mut hostile.detections {
        one.about[0].1 = "x' ; rm -rf '".to_owned();
        one.evidence[0].text = r#"{"IpAddress":"x' ; rm -rf '"}"#.to_owned();
    }
    for summary in [detector, elsewhere, hostile] {
        told(&summary).iter().for_each(|page| assert!(!page.contains("rules except"), "{page}"));
    }
}

/// Gaps and faults that are alike were a row each, thirty printed pages of them.
#[test]
fn gaps_and_faults_that_are_alike_are_one_row() {
    let mut summary = sample::firm();
    let gap = |day: Day| Gap { from: day, to: day, why: GapReason::NeverHad, files: Vec::new() };
    summary.coverage.sources[0].gaps = (0..30).map(|nth| gap(20_454 + nth * 2)).collect();
    let file = summary.files[3].clone();
    summary.files = (0..30)
        .map(|nth| FileFacts {
            path: format!("fw-{nth}.log.zst"),
            state: FileState::Damaged(format!("it ends at byte {nth}")),
            ..file.clone()
        })
        .collect();
    summary.files[0].unread = vec![("no JSON object".to_owned(), 2)];
    summary.files[9].unread = vec![("no JSON object".to_owned(), 40)];
    let text = table(&summary, 100);
    assert!(text.contains("fw-0.log.zst and 1 other file: 42 lines, no JSON object"), "{text}");
    assert!(
        text.contains("Entra sign-ins: 30 days in 30 gaps, never had: 2026-01-01 to 2026-01-01; "),
        "{text}"
    );
    assert!(text.contains("and 10 gaps more"), "{text}");
    let fault =
        "fw-0.log.zst and 29 other files: damaged, it ends at byte 0; in the others with other numbers";
    assert!(text.contains(fault), "{text}");
    let page = html(&summary);
    assert_eq!(page.matches("Entra sign-ins</bdi></th>").count(), 1);
    assert!(page.contains("2026-02-28"), "the last gap is in the page");
    for words in ["fw-29.log.zst", "it ends at byte 29", "and 27 files more"] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn lines_of_a_table_are_no_wider_than_asked() {
    for columns in [0, 40, 72, 100, 10_000] {
        for summary in [sample::firm(), sample::hostile(), sample::many()] {
            let wide = columns.clamp(40, TABLE_COLUMNS_MAX);
            for line in table(&summary, columns).lines() {
                assert!(line.chars().count() <= wide, "{columns}: {line}");
                assert!(!line.contains(['\u{1b}', '\u{202e}', '\0']), "{line:?}");
            }
        }
    }
    // What is long goes on: no character of it is lost.
    let mut summary = sample::firm();
    summary.hits[0].finding.file = "x".repeat(5_000);
    let text = table(&summary, 60);
    assert_eq!(text.matches('x').count() - table(&sample::firm(), 60).matches('x').count() + 1, 5_000);
}

#[test]
fn nothing_found_is_said_with_its_limits() {
    let mut summary = sample::firm();
    summary.hits.clear();
    summary.detections.clear();
    assert_eq!(verdict(&summary), "Nothing was found, as far as could be looked");
    let page = one_page_text(&summary, &Contacts::default(), Language::Dutch);
    assert!(page.contains("Er is niets verdachts gevonden, maar niet alles kon worden bekeken."), "{page}");
    assert!(notice(&summary, Level::Low).is_none(), "nobody is told of nothing");
    assert!(table(&summary, 100).contains("firewall: 2026-02-28 to 2026-03-09, there, but not readable"));

    for file in &mut summary.files {
        (file.state, file.unread) = (FileState::Whole, Vec::new());
    }
    summary.coverage.sources.retain(|source| !source.days.is_empty());
    summary.coverage.sources.iter_mut().for_each(|source| source.gaps.clear());
    assert_eq!(verdict(&summary), "Nothing was found");

    summary.files.clear();
    assert_eq!(verdict(&summary), "No line of a log was read, so nothing can be said");
    let empty = sample::empty();
    assert_eq!(verdict(&empty), "Nothing was looked for: there was no indicator, no rule and no detector");
    assert!(
        one_page_text(&empty, &Contacts::default(), Language::English).contains("Nothing was looked for")
    );
}

#[test]
fn whom_to_call_is_named_or_asked_for() {
    let page = one_page_text(&sample::firm(), &contacts(), Language::Dutch);
    assert!(page.contains("+31\u{a0}20\u{a0}555\u{a0}0100,"), "{page}");
    assert!(
        page.contains("- Politie: ______________________ (nog invullen: naam en telefoonnummer)\n"),
        "{page}"
    );
    let page = one_page_html(&sample::firm(), &contacts(), Language::English);
    assert_eq!(page.matches("class=\"fill\"").count(), 2);
}

/// Mail and webhooks reach whoever reads them: of what is RED, or marked in a way that nobody here knows, they say
/// that it is there, and the report on the node says what it is.
#[test]
fn a_notice_names_nothing_red_or_unknown() {
    let mut summary = sample::firm();
    let mut pattern = sample::spray();
    (pattern.means, pattern.id) = (Means::Pattern, "indicator--pattern".to_owned());
    pattern.title = "pattern of indicator: the name of a thief".to_owned();
    let id = summary.hits[0].finding.indicator.clone();
    summary.indicators.insert(pattern.id.clone(), summary.indicators[&id].clone());
    summary.detections.push(pattern);
    let value = summary.hits[0].finding.value.replace('.', "[.]");
    let told = |summary: &Summary| {
        let notice = notice(summary, Level::Low).unwrap();
        (notice.text, notice.json.to_string())
    };
    let (text, json) = told(&summary);
    for word in [value.as_str(), "name of a thief", "Command server"] {
        assert!(text.contains(word) && json.contains(&word.replace("[.]", ".")), "{word}: {text}");
    }
    for marking in [Marking::tlp(Tlp::Red), Marking { unknown: true, ..Marking::NONE }] {
        for id in [id.as_str(), "indicator--pattern"] {
            summary.indicators.get_mut(id).unwrap().marking = marking;
        }
        let (text, json) = told(&summary);
        for word in [value.as_str(), "name of a thief", "Command server", "indicator--pattern", id.as_str()] {
            assert!(
                !text.contains(word) && !json.contains(&word.replace("[.]", ".")),
                "{word}: {text}\n{json}"
            );
        }
        assert!(text.contains("the report on the node names it"), "{text}");
    }
    // What came with the program is known to everybody.
    summary.indicators.values_mut().for_each(|facts| facts.shipped = true);
    assert!(told(&summary).0.contains("name of a thief"));
}

/// An indicator of which nothing is known is no unmarked one: its object may be for nobody here.
#[test]
fn a_notice_names_no_indicator_of_which_nothing_is_known() {
    let mut summary = sample::firm();
    let mut pattern = sample::spray();
    (pattern.means, pattern.id) = (Means::Pattern, sample::PATTERN_INDICATOR.to_owned());
    pattern.title = "pattern of indicator: the name of a thief".to_owned();
    summary.detections = vec![pattern];
    summary.indicators.clear();
    let told = notice(&summary, Level::Low).unwrap();
    for word in ["evil", "203.0.113.77", "203[.]0[.]113[.]77", "a thief", "indicator--"] {
        assert!(!told.text.contains(word) && !told.json.to_string().contains(word), "{word}: {}", told.text);
    }
    // An entry of a list is no object that anybody marks.
    summary.hits.iter_mut().for_each(|hit| hit.finding.indicator = "list.txt:1".to_owned());
    assert!(notice(&summary, Level::Low).unwrap().text.contains("203[.]0[.]113[.]77"));
}

/// Whom a withheld indicator was found with would tell of it.
#[test]
fn a_notice_names_no_account_and_no_host_of_a_withheld_indicator() {
    let mut summary = sample::firm();
    let mut pattern = sample::spray();
    (pattern.means, pattern.id) = (Means::Pattern, sample::PATTERN_INDICATOR.to_owned());
    pattern.about = vec![("account", "p.pattern".to_owned()), ("host", "WS-PATTERN".to_owned())];
    summary.detections.push(pattern);
    let facts = summary.indicators[sample::DOMAIN_INDICATOR].clone();
    summary.indicators.insert(sample::PATTERN_INDICATOR.to_owned(), facts);
    let of_withheld = ["j.bakker", "WS-014", "p.pattern", "WS-PATTERN"];
    let text = |summary: &Summary| notice(summary, Level::Low).unwrap().text;
    assert!(of_withheld.iter().all(|name| text(&summary).contains(name)), "{}", text(&summary));
    for id in [sample::DOMAIN_INDICATOR, sample::PATTERN_INDICATOR] {
        summary.indicators.get_mut(id).unwrap().marking = Marking::tlp(Tlp::Red);
    }
    let told = text(&summary);
    assert!(!of_withheld.iter().any(|name| told.contains(name)), "{told}");
    assert!(told.contains("m.devries") && told.contains("SRV-CAD-1"), "what others tell stays: {told}");
}

/// The label of a report is as strict as the indicator of a pattern that matched.
#[test]
fn a_pattern_that_is_red_makes_the_report_red() {
    let mut summary = sample::firm();
    let mut pattern = sample::spray();
    (pattern.means, pattern.id) = (Means::Pattern, "indicator--pattern".to_owned());
    let facts = IndicatorFacts { marking: Marking::tlp(Tlp::Red), ..IndicatorFacts::default() };
    summary.indicators.insert(pattern.id.clone(), facts);
    assert_eq!(summary.label(), Tlp::AmberStrict);
    summary.detections.push(pattern);
    assert_eq!(summary.label(), Tlp::Red);
}

/// Of an object of somebody's that nobody knows the marking of any more, the report had the label of one without any.
#[test]
fn an_indicator_of_unknown_marking_makes_the_report_red() {
    let mut summary = Summary::new(sample::firm().made);
    summary.hits = sample::firm().hits.into_iter().take(1).collect();
    summary.hits[0].finding.indicator = "list.txt line 1".to_owned();
    assert_eq!(summary.label(), Tlp::AmberStrict, "an entry of a list carries no marking");
    let id = "indicator--00000000-0000-4000-8000-000000000001".to_owned();
    summary.hits[0].finding.indicator.clone_from(&id);
    assert_eq!(summary.label(), Tlp::Red, "nothing is known of it");
    let facts = IndicatorFacts { shipped: true, ..IndicatorFacts::unmarked_or_unknown(&id) };
    summary.indicators.insert(id.clone(), facts);
    assert_eq!(summary.label(), Tlp::AmberStrict, "everybody may know what comes with the program");
    summary.indicators.insert(id.clone(), IndicatorFacts::unmarked_or_unknown(&id));
    assert_eq!(summary.label(), Tlp::Red);
}

/// A log that was renamed made a notice of the same findings once more.
#[test]
fn findings_of_a_renamed_log_are_no_other_notice() {
    let key = |summary: &Summary| notice(summary, Level::Medium).unwrap().key;
    let (mut summary, mut renamed) = (sample::firm(), sample::firm());
    renamed.hits.iter_mut().for_each(|hit| hit.finding.file.push_str(".1"));
    // Of what is in no register only the name says which log it is of.
    assert_ne!(key(&summary), key(&renamed));
    let names = summary.hits.iter().map(|hit| hit.finding.file.clone()).collect::<BTreeSet<_>>();
    summary.logs = names.into_iter().zip(1..).collect();
    renamed.logs = summary.logs.iter().map(|(name, number)| (format!("{name}.1"), *number)).collect();
    assert_eq!(key(&summary), key(&renamed));
    // Another log with the same lines.
    let mut other = renamed.clone();
    other.logs.values_mut().for_each(|number| *number += 100);
    assert_ne!(key(&summary), key(&other));
    renamed.hits[0].finding.text.push('x');
    assert_ne!(key(&summary), key(&renamed));
    renamed.hits.iter_mut().for_each(|hit| hit.known = Some(true));
    renamed.hits[0].known = Some(false);
    assert!(html(&renamed).contains("4 findings were recorded by an earlier hunt."));
}

/// `finding report` has no `--json`, and no CSV has a row for a gap.
#[test]
fn a_table_says_which_form_names_what_it_has_no_room_for() {
    let mut summary = sample::many();
    summary.left_out = (0..1_000).map(|nth| (format!("reason {nth}"), 1)).collect();
    let page = table(&summary, 100);
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        page.contains("findings more; `--format json` and `--format csv` name all that are kept"),
        "{page}"
    );
    assert!(page.contains("lines more; `--format json` names them all"), "{page}");
    assert!(!page.contains("--json"), "{page}");
}

/// One new finding sent all old ones once more, and nothing told them apart.
#[test]
fn a_notice_tells_what_no_earlier_hunt_recorded() {
    let mut summary = sample::firm();
    let (findings, detections) = (summary.hits.len() as u64, summary.detections.len() as u64);
    assert!(findings > 1 && detections > 1);
    summary.hits.iter_mut().skip(1).for_each(|hit| hit.known = Some(true));
    let told = notice(&summary, Level::Informational).unwrap();
    assert_eq!(
        (&told.json["findings_in_all"], &told.json["known_findings"]),
        (&1.into(), &(findings - 1).into())
    );
    assert_eq!(told.json["findings"].as_array().unwrap().len(), 1);
    assert!(told.text.contains("1 new finding"), "{}", told.text);
    assert!(
        told.text.contains(&format!("{} findings of earlier hunts are left out.", findings - 1)),
        "{}",
        told.text
    );
    summary.known_detections = summary.detections.iter().skip(1).map(kept::id_of).collect();
    let told = notice(&summary, Level::Informational).unwrap();
    assert_eq!(
        (&told.json["detections_in_all"], &told.json["known_detections"]),
        (&1.into(), &(detections - 1).into())
    );
    let known = &summary.detections[1].title;
    assert!(!told.text.contains(known.as_str()), "{known}: {}", told.text);
    summary.hits[0].known = Some(true);
    summary.known_detections.insert(kept::id_of(&summary.detections[0]));
    assert!(notice(&summary, Level::Informational).is_none(), "nothing is new");
    // So it is of what has no room in the summary.
    (summary.more_hits, summary.more_known) = (7, 7);
    assert!(notice(&summary, Level::Informational).is_none(), "nothing is new beyond it");
    summary.more_known = 5;
    let told = notice(&summary, Level::Informational).unwrap();
    assert_eq!(
        (&told.json["findings_in_all"], &told.json["known_findings"]),
        (&2.into(), &(findings + 5).into())
    );
    (summary.more_hits, summary.more_known) = (0, 0);
    // Nobody looked.
    summary.hits[0].known = None;
    assert!(notice(&summary, Level::Informational).is_some());
}

#[test]
fn a_notice_holds_no_line_and_no_link() {
    let told = notice(&sample::hostile(), Level::Low).unwrap();
    for word in ["remip=", "GET ", "c2.evil.example", "https://"] {
        assert!(!told.text.contains(word), "{word}: {}", told.text);
    }
    assert!(told.text.contains("c2[.]evil[.]example"));
    assert!(told.text.starts_with("TLP:AMBER+STRICT\n") && told.text.ends_with("TLP:AMBER+STRICT\n"));
    assert!(!told.json.to_string().contains("remip="));
    assert_eq!(told.key, notice(&sample::hostile(), Level::Low).unwrap().key);
    assert_ne!(told.key, notice(&sample::firm(), Level::Low).unwrap().key);
    // What does not fit is left out, and the counts still tell.
    let mut long = sample::many();
    let wide = "\u{1F512}".repeat(200);
    let mut detection = sample::spray();
    (detection.title, detection.advice, detection.disproof) = (wide.clone(), wide.clone(), wide.clone());
    detection.about = vec![("account", wide.clone()); 5];
    long.detections = vec![detection; 50];
    long.hits = (0..50)
        .map(|nth| {
            let mut hit = Hit::of(sample::finding("f", nth, "", ObservableKind::Ip, "203.0.113.7", "x"));
            hit.finding.indicator = format!("{nth}{wide}");
            hit.host = Some(wide.clone());
            hit
        })
        .collect();
    let told = notice(&long, Level::Low).unwrap();
    assert!(told.text.len() <= NOTICE_BYTES_MAX && told.json.to_string().len() <= NOTICE_BYTES_MAX);
    assert_eq!(told.json["detections_in_all"], 50);
}

/// What a person dismissed is no finding; a reader learns how many there were.
#[test]
fn dismissed_findings_are_counted_apart() {
    let mut summary = sample::firm();
    let none = html(&summary);
    assert!(!none.contains("dismissed"));
    summary.dismissed = 3;
    let words = "3 findings more were dismissed by a person";
    assert!(table(&summary, 100).contains(words) && html(&summary).contains(words));
    assert_eq!(verdict_of(&html(&summary)), verdict_of(&none), "they count for nothing else");
    for (language, words) in [
        (Language::English, "3 findings were judged by somebody to be no threat"),
        (Language::Dutch, "3 vondsten zijn door iemand als onschuldig beoordeeld en tellen hier niet mee."),
    ] {
        let text = one_page_text(&summary, &Contacts::default(), language).replace('\n', " ");
        assert!(text.contains(words), "{text}");
        assert!(one_page_html(&summary, &Contacts::default(), language).contains(words));
    }
    summary.dismissed = 1;
    assert!(table(&summary, 100).contains("1 finding more was dismissed by a person, and not counted here."));
}

fn verdict_of(page: &str) -> &str {
    page.split_once("<h1>").and_then(|(_, rest)| rest.split_once("</h1>")).unwrap().0
}

#[test]
fn words_for_people() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!([0, 999, 1_500, 2_130_000_000].map(bytes), ["0 B", "999 B", "1.5 kB", "2.1 GB"]);
    assert_eq!(
        (date(0), date(-1), date(20_454)),
        ("1970-01-01".into(), "1969-12-31".into(), "2026-01-01".into())
    );
    assert_eq!(visible("a\u{202e}b\tc"), "a\\u{202e}b\\tc");
    assert_eq!((shortened("abcd", 4), shortened("abcde", 4)), ("abcd".into(), "abc…".into()));
    let part = around("0123456789", "5", 4);
    assert_eq!((part.skipped, part.before, part.matched, part.after, part.cut), (4, "4", "5", "67", 2));
    let part = around("xxEVIL.example", "evil.example", 100);
    assert_eq!((part.before, part.matched, part.after), ("xx", "EVIL.example", ""));
}

proptest! {
    #[test]
    fn any_part_of_a_line_adds_up(line in "\\PC{0,60}", value in "\\PC{0,6}", most in 0_usize..40) {
        let part = around(&line, &value, most);
        let shown = part.before.chars().count() + part.matched.chars().count() + part.after.chars().count();
        prop_assert!(shown <= most);
        prop_assert_eq!(shown as u64 + part.skipped + part.cut, line.chars().count() as u64);
        let text = format!("{}{}{}", part.before, part.matched, part.after);
        prop_assert!(line.contains(&text));
    }

    #[test]
    fn any_text_stays_text(text in "[<>&\"'=/a-z \u{0}-\u{1f}\u{202a}-\u{202e}\u{e9}]{0,80}", value in "[<>a-z]{1,4}") {
        let mut summary = sample::firm();
        summary.organisation = text.clone();
        summary.hits[0].finding.text = text.clone();
        summary.hits[0].finding.value = value.clone();
        summary.hits[0].finding.file = text.clone();
        summary.hits[0].host = Some(text.clone());
        summary.detections[0].title = text.clone();
        summary.detections[0].evidence[0].text = text.clone();
        summary.coverage.sources[0].name = text.clone();
        summary.sought.notes.push(text.clone());
        let mut plain = sample::firm();
        plain.sought.notes.push("x".to_owned());
        let contacts = |name: String| Contacts { own_it: Some(Contact { name, ..Contact::default() }), ..Contacts::default() };
        let pages = |summary: &Summary, name: &str| {
            [html(summary), one_page_html(summary, &contacts(name.to_owned()), Language::English)]
        };
        for (page, plain) in pages(&summary, &text).iter().zip(pages(&plain, "x")) {
            let mut known: BTreeSet<&str> = tags(&plain).into_iter().collect();
            // Marks of what was found, and of what is hidden or left out.
            known.extend(["mark", "/mark", "span", "/span", "div", "/div"]);
            let strange: Vec<&str> = tags(page).into_iter().filter(|tag| !known.contains(tag)).collect();
            prop_assert!(strange.is_empty(), "{:?}", strange);
            let hidden = page.chars().any(|c| c != '\n' && hunt::report::words::is_hidden(c));
            prop_assert!(!hidden);
        }
    }
}
