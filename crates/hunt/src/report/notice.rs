// SPDX-License-Identifier: Apache-2.0
//! What people are told at once: that something was found, where, and what to do. No line of a log is in it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use model::id::hex;
use model::marking::{Marking, Tlp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::advice::advice;
use super::group::{ByIndicator, by_indicator_of, by_level, named_by};
use super::kept;
use super::summary::{Hit, IndicatorFacts, Summary, is_of_object};
use super::table::{basis, verdict_on};
use super::words::{counted, second, second_or_dash, shortened, visible};
use crate::detection::{Detection, Level, Means};
use crate::limits::{NOTICE_BYTES_MAX, NOTICE_FINDINGS_MAX, NOTICE_OBJECTS_MAX};

/// Longest name, value or path in a notice, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// Whether an indicator's name, value and author stay on the node: RED is for persons by name, and of an unknown
/// marking nobody knows who may see it. Mail and webhooks reach whoever reads them.
pub fn is_withheld(facts: &IndicatorFacts) -> bool {
    !facts.shipped && (facts.marking.unknown || facts.marking.tlp == Some(Tlp::Red))
}

/// An indicator that a notice names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedObject {
    /// Its id.
    pub id: String,
    /// The marking that it had when the notice was made.
    pub marking: Marking,
    /// Whether the node's ledger held it then.
    pub held: bool,
}

/// What a notice tells: findings and detections that people were not told of before.
struct News<'a> {
    summary: &'a Summary,
    hits: Vec<&'a Hit>,
    /// Findings, those among them of which nothing but the number is held.
    hit_count: u64,
    /// Those of the level that is asked for, and graver, the gravest first.
    detections: Vec<&'a Detection>,
    /// Detections of any level.
    detection_count: u64,
    /// Findings and detections that are left out as they are known.
    left_out: (u64, u64),
}

impl<'a> News<'a> {
    fn of(summary: &'a Summary, level_min: Level) -> News<'a> {
        let hits: Vec<&Hit> = summary.hits.iter().filter(|hit| hit.known != Some(true)).collect();
        let is_new = |one: &&Detection| !summary.known_detections.contains(&kept::id_of(one));
        let new: Vec<&Detection> = by_level(summary).into_iter().filter(is_new).collect();
        News {
            summary,
            hit_count: hits.len() as u64 + summary.more_hits.saturating_sub(summary.more_known),
            left_out: (
                (summary.hits.len() - hits.len()) as u64 + summary.more_known,
                (summary.detections.len() - new.len()) as u64,
            ),
            hits,
            detection_count: new.len() as u64 + summary.more_detections,
            detections: new.into_iter().filter(|detection| detection.level >= level_min).collect(),
        }
    }

    fn by_indicator(&self) -> Vec<ByIndicator<'a>> {
        by_indicator_of(self.hits.iter().copied())
    }

    fn verdict(&self) -> String {
        let what = if self.left_out == (0, 0) { "" } else { "new " };
        verdict_on(self.summary, self.hit_count, self.detection_count, what)
    }

    /// What is left out: a sentence.
    fn left_out(&self) -> Option<String> {
        let said = match self.left_out {
            (0, 0) => return None,
            (findings, 0) => counted(findings, "finding"),
            (0, detections) => counted(detections, "detection"),
            (findings, detections) => {
                format!("{} and {}", counted(findings, "finding"), counted(detections, "detection"))
            }
        };
        let verb = if self.left_out.0 + self.left_out.1 == 1 { "is" } else { "are" };
        Some(format!("{said} of earlier hunts {verb} left out."))
    }
}

/// What a notice says of indicators.
struct Naming<'a> {
    news: &'a News<'a>,
    summary: &'a Summary,
    /// Whether it names none that is an object of somebody's: what is said once one may not be named any more.
    bare: bool,
    /// The indicators of which hosts and accounts are named.
    told: BTreeSet<&'a str>,
}

impl<'a> Naming<'a> {
    fn new(news: &'a News<'a>, bare: bool) -> Naming<'a> {
        let found = news.by_indicator().into_iter().map(|group| group.indicator).take(NOTICE_OBJECTS_MAX);
        let patterns = news.detections.iter().filter(|one| one.means == Means::Pattern);
        let told = found.chain(patterns.map(|one| one.id.as_str()).take(NOTICE_OBJECTS_MAX)).collect();
        Naming { news, summary: news.summary, bare, told }
    }

    /// The marking of an indicator that stays on the node, in words; empty where it is not told either.
    fn withheld(&self, id: &str) -> Option<String> {
        let facts = self.summary.facts(id);
        match (is_withheld(&facts), self.bare && !facts.shipped && is_of_object(id)) {
            (_, true) => Some(String::new()),
            (true, false) => Some(facts.marking.to_string()),
            (false, false) => None,
        }
    }

    /// The same of the indicator whose pattern a detection is of.
    fn withheld_pattern(&self, detection: &Detection) -> Option<String> {
        if detection.means == Means::Pattern { self.withheld(&detection.id) } else { None }
    }

    fn label(&self) -> &'static str {
        // How strict it has become is not known when it is written.
        let least = if self.bare { Tlp::Red } else { Tlp::Clear };
        self.summary.label().max(least).name()
    }

    /// The objects that are named.
    fn objects(&self) -> Vec<NamedObject> {
        let of = |id: &&str| {
            let IndicatorFacts { marking, held, shipped, .. } = self.summary.facts(id);
            let is_named = is_of_object(id) && !shipped && self.withheld(id).is_none();
            is_named.then(|| NamedObject { id: (*id).to_owned(), marking, held })
        };
        self.told.iter().filter_map(of).collect()
    }
}

/// What stands for an indicator that is not named.
fn unnamed(marking: &str) -> String {
    if marking.is_empty() {
        "an indicator that may not be named any more".to_owned()
    } else {
        format!("an indicator marked {marking}")
    }
}

/// A notice, for whatever way it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about: the same findings and detections have the same key, whenever they are told.
    pub key: String,
    /// One line, for a subject.
    pub subject: String,
    /// The text of a mail.
    pub text: String,
    /// The body of a webhook.
    pub json: Value,
    /// The objects of others that it names.
    pub objects: Vec<NamedObject>,
    /// The same without any of them: it goes out in its place where one may not be named any more.
    pub bare: Option<Bare>,
}

/// A notice that names no object of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bare {
    /// One line, for a subject.
    pub subject: String,
    /// The text of a mail.
    pub text: String,
    /// The body of a webhook.
    pub json: Value,
}

/// The notice of what is new in a summary, or nothing where nothing is: what people were told of before is filled in by
/// [`told::look_up`](super::told::look_up), and where it is not all is new. Detections below `level_min` are none of it.
/// It carries its label, is at most [`NOTICE_BYTES_MAX`] long, and holds no line of a log: neither a password
/// that a line may hold nor a link that somebody might click (values are written as `evil[.]example`).
pub fn notice(summary: &Summary, level_min: Level) -> Option<Notice> {
    let news = News::of(summary, level_min);
    if news.hit_count == 0 && news.detections.is_empty() {
        return None;
    }
    let worst = match news.detections.first() {
        Some(first) => format!("{}: ", first.level.name()),
        None => String::new(),
    };
    let organisation = match summary.organisation.as_str() {
        "" => String::new(),
        name => format!(" for {}", shown(name)),
    };
    let made = |naming: &Naming<'_>| Bare {
        subject: format!("[{}] {worst}{}{organisation}", naming.label(), news.verdict().to_lowercase()),
        text: text(naming),
        json: body(naming),
    };
    let naming = Naming::new(&news, false);
    let objects = naming.objects();
    let Bare { subject, text, json } = made(&naming);
    let bare = (!objects.is_empty()).then(|| made(&Naming { bare: true, ..naming }));
    Some(Notice { key: key(&news), subject, text, json, objects, bare })
}

/// The findings and detections, without when the report was made.
fn key(news: &News<'_>) -> String {
    let mut hash = Sha256::new();
    let mut lines: Vec<String> = news
        .hits
        .iter()
        .map(|Hit { finding: f, .. }| {
            // A log that was renamed keeps its number.
            let log = news.summary.logs.get(&f.file).map_or_else(|| f.file.clone(), i64::to_string);
            let time = f.time.map_or_else(String::new, |time| time.to_string());
            format!("f\n{log}\n{time}\n{}\n{}\n{}\n{}", f.text, f.offset, f.indicator, f.value)
        })
        .collect();
    lines.extend(
        news.detections.iter().map(|d| format!("d\n{}\n{:?}\n{:?}\n{:?}", d.id, d.first, d.last, d.about)),
    );
    lines.sort_unstable();
    lines.iter().for_each(|line| hash.update(format!("{}\n{line}", line.len())));
    let summary = news.summary;
    let more_hits = summary.more_hits.saturating_sub(summary.more_known);
    hash.update(format!("{more_hits} {}", summary.more_detections));
    if more_hits > 0 {
        // Of these nothing but their number, and what they were of, is held.
        hash.update(format!("{:?}", summary.beyond));
    }
    hex(&hash.finalize())
}

fn text(naming: &Naming<'_>) -> String {
    let (news, summary, label) = (naming.news, naming.summary, naming.label());
    let detections = &news.detections;
    let mut out = String::new();
    let _ = writeln!(out, "{label}\n\n{}.\n{}", news.verdict(), basis(summary));
    if let Some(left_out) = news.left_out() {
        let _ = writeln!(out, "{left_out}");
    }
    if !detections.is_empty() {
        let _ = writeln!(out, "\nDETECTIONS");
    }
    for detection in detections.iter().take(NOTICE_FINDINGS_MAX) {
        if let Some(marking) = naming.withheld_pattern(detection) {
            let _ = writeln!(out, "\n* {}: the pattern of {}", detection.level.name(), unnamed(&marking));
            let _ = writeln!(out, "  {} lines; the report on the node names it", detection.count);
            continue;
        }
        let about: Vec<String> =
            detection.about.iter().take(5).map(|(kind, value)| format!("{kind} {}", shown(value))).collect();
        let _ = writeln!(out, "\n* {}: {}", detection.level.name(), shown(&detection.title));
        let _ = writeln!(out, "  when: {}  about: {}", second_or_dash(detection.first), about.join(", "));
        let _ = writeln!(out, "  do: {}", shown(&detection.advice));
        let _ = writeln!(out, "  nothing if: {}", shown(&detection.disproof));
    }
    more(&mut out, detections.len(), "detections");
    let groups = news.by_indicator();
    if !groups.is_empty() {
        let _ = writeln!(out, "\nFINDINGS");
    }
    for group in groups.iter().take(NOTICE_FINDINGS_MAX) {
        let facts = summary.facts(group.indicator);
        if let Some(marking) = naming.withheld(group.indicator) {
            let _ = writeln!(out, "\n* {}: {}", group.kind.name(), unnamed(&marking));
            let _ = writeln!(out, "  {}; the report on the node names it", counted(group.count, "time"));
            continue;
        }
        let name = if facts.name.is_empty() { group.indicator } else { &facts.name };
        let value = group.values.first().copied().unwrap_or_default();
        let _ = writeln!(out, "\n* {} {}: {}", group.kind.name(), defanged(value), shown(name));
        let _ = writeln!(
            out,
            "  {}, {} to {}, {}",
            counted(group.count, "time"),
            second_or_dash(group.first),
            second_or_dash(group.last),
            facts.marking
        );
        let _ = writeln!(out, "  do: {}", advice(group.kind));
    }
    more(&mut out, groups.len(), "indicators");
    for (what, kind) in [("ACCOUNTS", "account"), ("HOSTS", "host")] {
        // Whom a withheld indicator was found with would tell of it.
        let is_open = |id: &str| naming.told.contains(id) && naming.withheld(id).is_none();
        let hits = news.hits.iter().copied().filter(|hit| is_open(&hit.finding.indicator));
        let open = news.detections.iter().copied();
        let open = open.filter(|one| one.means != Means::Pattern || is_open(&one.id));
        let names = named_by(hits, open, kind, Level::Medium);
        if !names.is_empty() {
            let shown: Vec<String> =
                names.iter().take(NOTICE_FINDINGS_MAX).map(|one| self::shown(one.name)).collect();
            let _ = writeln!(out, "\n{what} TO LOOK AT: {}", shown.join(", "));
            more(&mut out, names.len(), "names");
        }
    }
    let _ = writeln!(
        out,
        "\nMade by Polder at {} UTC. Times are UTC. The lines of the logs are in the report on the node.\n{label}",
        second(summary.made)
    );
    cut(out)
}

fn body(naming: &Naming<'_>) -> Value {
    let (news, summary, label) = (naming.news, naming.summary, naming.label());
    let findings: Vec<Value> = news
        .by_indicator()
        .iter()
        .take(NOTICE_FINDINGS_MAX)
        .map(|group| {
            let facts = summary.facts(group.indicator);
            if let Some(marking) = naming.withheld(group.indicator) {
                return json!({
                    "indicator": null, "name": null, "author": null, "marking": told_marking(&marking),
                    "kind": group.kind.name(), "values": [], "count": group.count, "hosts": [],
                    "first": null, "last": null, "advice": advice(group.kind),
                });
            }
            json!({
                "indicator": shown(group.indicator), "name": shown(&facts.name), "author": shown(&facts.author),
                "marking": facts.marking.to_string(), "kind": group.kind.name(),
                "values": group.values.iter().take(5).map(|value| shown(value)).collect::<Vec<_>>(),
                "count": group.count,
                "hosts": group.hosts.iter().take(5).map(|host| shown(host)).collect::<Vec<_>>(),
                "first": group.first.map(|time| time.to_string()), "last": group.last.map(|time| time.to_string()),
                "advice": advice(group.kind),
            })
        })
        .collect();
    let told: Vec<Value> = news
        .detections
        .iter()
        .take(NOTICE_FINDINGS_MAX)
        .map(|detection| {
            if let Some(marking) = naming.withheld_pattern(detection) {
                return json!({
                    "id": null, "title": format!("the pattern of {}", unnamed(&marking)),
                    "marking": told_marking(&marking), "level": detection.level.name(), "about": [], "first": null, "last": null,
                    "count": detection.count, "techniques": [], "advice": shown(&detection.advice),
                    "disproof": shown(&detection.disproof),
                });
            }
            json!({
                "id": shown(&detection.id), "title": shown(&detection.title),
                "marking": summary.marking_of(detection).to_string(), "level": detection.level.name(),
                "about": detection.about.iter().take(5)
                    .map(|(kind, value)| json!({ "kind": kind, "value": shown(value) })).collect::<Vec<_>>(),
                "first": detection.first.map(|time| time.to_string()),
                "last": detection.last.map(|time| time.to_string()),
                "count": detection.count, "techniques": detection.techniques.iter().take(10).collect::<Vec<_>>(),
                "advice": shown(&detection.advice), "disproof": shown(&detection.disproof),
            })
        })
        .collect();
    let mut body = json!({
        "v": 1,
        "type": "hunt-notice",
        "made": summary.made.to_string(),
        "organisation": shown(&summary.organisation),
        "label": label,
        "verdict": news.verdict(),
        "findings_in_all": news.hit_count,
        "detections_in_all": news.detection_count,
        "known_findings": news.left_out.0,
        "known_detections": news.left_out.1,
        "partial": summary.is_partial(),
        "findings": findings,
        "detections": told,
    });
    // The counts say how much there is; what does not fit is left out from the end.
    for list in ["findings", "detections"] {
        while body.to_string().len() > NOTICE_BYTES_MAX {
            let rows = body.get_mut(list).and_then(Value::as_array_mut);
            if rows.is_none_or(|rows| rows.pop().is_none()) {
                break;
            }
        }
    }
    body
}

fn told_marking(marking: &str) -> Option<&str> {
    Some(marking).filter(|marking| !marking.is_empty())
}

/// `evil[.]example`: a mail program makes no link of it.
fn defanged(value: &str) -> String {
    shown(value).replace('.', "[.]").replace("://", "[://]")
}

/// The text of a mail with its values as they are.
pub(super) fn fanged(text: &str) -> String {
    text.replace("[.]", ".").replace("[://]", "://")
}

fn shown(text: &str) -> String {
    shortened(&visible(text), TEXT_CHARS_MAX).into_owned()
}

fn more(out: &mut String, total: usize, what: &str) {
    if total > NOTICE_FINDINGS_MAX {
        let _ = writeln!(out, "\nand {} more {what}; the report names them", total - NOTICE_FINDINGS_MAX);
    }
}

/// At most [`NOTICE_BYTES_MAX`] bytes, whole characters, and said where something is missing.
fn cut(text: String) -> String {
    const MARK: &str = "\n[cut here; the report has all of it]\n";
    if text.len() <= NOTICE_BYTES_MAX {
        return text;
    }
    let end = text.floor_char_boundary(NOTICE_BYTES_MAX - MARK.len());
    format!("{}{MARK}", text.get(..end).unwrap_or_default())
}
