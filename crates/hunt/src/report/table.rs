// SPDX-License-Identifier: Apache-2.0
//! A table for a terminal: read without colour, of bounded width; a long value goes on in the next line
//! rather than being cut.

use std::fmt::Write as _;

use super::except;
use super::fold::{Fault, Gaps, Repeated, faults, gaps, repeated};
use super::group::{by_host, by_indicator};
use super::kept::detection_id;
use super::summary::{EndedBy, FileFacts, FileState, Gap, Hit, Summary};
use super::words::{
    around, bytes, counted, counted_as, date, duration, grouped, kind_name, second, second_or_dash, visible,
};
use crate::detection::{Detection, Evidence};
use crate::limits::{REPORT_ROWS_MAX, TABLE_COLUMNS_MAX, TABLE_DETECTIONS_MAX, TABLE_FINDINGS_MAX};

/// Rows of a list that only says what could not be seen.
const LIST_ROWS_MAX: usize = 20;
/// Characters of a log line.
const LINE_CHARS: usize = 240;
/// Entries beyond the bound that are shown because an exception can be made for them.
const OFFERED_MAX: usize = 5;
/// So many gaps of one source for one reason have a line each; more are one.
const GAPS_APART_MAX: usize = 10;

/// What was found, what was looked at and what could not be looked at. Columns counts the characters of a
/// line, between 40 and [`TABLE_COLUMNS_MAX`].
pub fn table(summary: &Summary, columns: usize) -> String {
    let mut page = Page { text: String::new(), columns: columns.clamp(40, TABLE_COLUMNS_MAX) };
    found(&mut page, summary);
    detections(&mut page, summary);
    findings(&mut page, summary);
    by(&mut page, summary);
    looked_at(&mut page, summary);
    not_looked_at(&mut page, summary);
    looked_for(&mut page, summary);
    page.text
}

/// What a person reads first: one sentence.
pub fn verdict(summary: &Summary) -> String {
    verdict_on(summary, summary.hit_count(), summary.detection_count(), "")
}

/// As [`verdict`], on so many findings and detections of it; `which` stands before their nouns.
pub(super) fn verdict_on(summary: &Summary, findings: u64, detections: u64, which: &str) -> String {
    let (finding, detection) = (format!("{which}finding"), format!("{which}detection"));
    let limit = if summary.is_limited() { ", as far as could be looked" } else { "" };
    match (findings, detections) {
        _ if summary.sought.is_empty() && findings + detections == 0 => {
            "Nothing was looked for: there was no indicator, no rule and no detector".to_owned()
        }
        (0, 0) if summary.lines() == 0 => "No line of a log was read, so nothing can be said".to_owned(),
        (0, 0) => format!("Nothing was found{limit}"),
        (findings, 0) => format!("{} found", counted(findings, &finding)),
        (0, detections) => format!("{} found", counted(detections, &detection)),
        (findings, detections) => {
            format!("{} and {} found", counted(findings, &finding), counted(detections, &detection))
        }
    }
}

/// What the verdict rests on: a sentence.
pub fn basis(summary: &Summary) -> String {
    let period = match summary.period() {
        Some((first, last)) => format!(", from {} to {} UTC", second(first), second(last)),
        None => String::new(),
    };
    let unread = match summary.unread_lines() {
        0 if summary.stopped => "it was stopped before all was read".to_owned(),
        0 => "every line was read".to_owned(),
        unread => format!("{} could not be read", counted(unread, "line")),
    };
    let count = |is: &dyn Fn(&FileFacts) -> bool| summary.files.iter().filter(|file| is(file)).count() as u64;
    let broken = count(&|file| matches!(file.state, FileState::Damaged(_)));
    let unread = match broken {
        0 => unread,
        broken => format!("{unread}; {} could not be read to the end", counted(broken, "file")),
    };
    // Of a hunt that was stopped most of these are what it did not come to.
    let is_unread = |file: &FileFacts| matches!(file.state, FileState::NotRead(_)) && !summary.stopped;
    let unread = match count(&|file| file.is_garbage() || is_unread(file)) {
        0 => unread,
        nothing => format!("{unread}; of {} nothing could be made out", counted(nothing, "file")),
    };
    let missing: Vec<_> = summary.coverage.sources.iter().filter(|source| source.is_missing()).collect();
    let names: Vec<_> = missing.iter().take(3).map(|source| visible(&source.name)).collect();
    let others = missing.len().saturating_sub(names.len());
    let missing = match (missing.len(), others) {
        (0, _) => String::new(),
        (_, 0) => format!("; of {} nothing was had", names.join(", ")),
        (_, others) => format!("; of {} and {others} more sources nothing was had", names.join(", ")),
    };
    let files = match (summary.files.len() as u64, summary.files_with_lines()) {
        (all, with_lines) if all == with_lines => counted(all, "file"),
        (all, with_lines) => format!("{} of {}", grouped(with_lines), counted(all, "file")),
    };
    format!("This rests on {} in {files}{period}; {unread}{missing}.", counted(summary.lines(), "line"))
}

/// How many findings were dismissed, where any was: a sentence.
pub(super) fn dismissed(summary: &Summary) -> Option<String> {
    let verb = if summary.dismissed == 1 { "was" } else { "were" };
    let count = counted(summary.dismissed, "finding");
    (summary.dismissed > 0)
        .then(|| format!("{count} more {verb} dismissed by a person, and not counted here."))
}

/// How many findings are of indicators that were revoked, where any is: a sentence.
pub(super) fn revoked(summary: &Summary) -> Option<String> {
    let of = match summary.revoked {
        0 => return None,
        1 => "is of an indicator that was",
        _ => "are of indicators that were",
    };
    let count = counted(summary.revoked, "finding");
    Some(format!("{count} more {of} revoked since, and not counted here."))
}

/// How many detections count no more, and why, where any does: a sentence.
pub(super) fn ended(summary: &Summary) -> Option<String> {
    let count = summary.ended.len() as u64;
    let why = EndedBy::ALL.into_iter().filter_map(|why| {
        let of_it = summary.ended.iter().filter(|ended| ended.why == why).count() as u64;
        (of_it > 0).then(|| format!("{} {}", grouped(of_it), why.words()))
    });
    let why: Vec<String> = why.collect();
    let verb = if count == 1 { "is" } else { "are" };
    (count > 0)
        .then(|| format!("{} more {verb} not counted here: {}.", counted(count, "detection"), why.join(", ")))
}

/// What is said of a finding that an earlier hunt recorded.
pub(super) const RECORDED_BEFORE: &str = "recorded by an earlier hunt";

/// How many findings an earlier hunt recorded, where any was: a sentence.
pub(super) fn known(summary: &Summary) -> Option<String> {
    let known = summary.known_hits();
    let verb = if known == 1 { "was" } else { "were" };
    match known {
        0 => None,
        1 if summary.hit_count() == 1 => Some(format!("It was {RECORDED_BEFORE}.")),
        _ if known == summary.hit_count() => Some(format!("All of them {verb} {RECORDED_BEFORE}.")),
        _ => Some(format!("{} {verb} {RECORDED_BEFORE}.", counted(known, "finding"))),
    }
}

/// Findings, those first that no earlier hunt recorded: what has no room is then what is known.
pub(super) fn new_first(hits: &[Hit]) -> impl Iterator<Item = &Hit> {
    let is_known = |hit: &&Hit| hit.known == Some(true);
    hits.iter().filter(move |hit| !is_known(hit)).chain(hits.iter().filter(is_known))
}

struct Page {
    text: String,
    columns: usize,
}

impl Page {
    fn heading(&mut self, text: &str) {
        let rule = "-".repeat(text.chars().count().min(self.columns));
        let _ = write!(self.text, "\n{text}\n{rule}\n");
    }

    /// A paragraph, folded; what follows the first line is set in by so many blanks.
    fn say(&mut self, text: &str, indent: usize) {
        let text = visible(text);
        let mut lines = fold(&text, self.columns, indent).into_iter();
        let first = lines.next().unwrap_or_default();
        let _ = writeln!(self.text, "{first}");
        for line in lines {
            let _ = writeln!(self.text, "{:indent$}{line}", "");
        }
    }

    /// `name  what`, both folded, the name in a column of its own.
    fn pair(&mut self, name: &str, what: &str) {
        self.say(&format!("  {name:<12} {what}"), 15);
    }

    fn more(&mut self, total: usize, shown: usize, noun: &str) {
        if total > shown {
            let more = counted_as((total - shown) as u64, noun, &format!("{noun}s"));
            // Counts and gaps have no row in a CSV, and what was held by nobody is in no file.
            let named = match noun {
                "finding" | "detection" => "`--format json` and `--format csv` name all that are kept",
                _ => "`--format json` names them all",
            };
            self.say(&format!("  and {more} more; {named}"), 2);
        }
    }
}

fn found(page: &mut Page, summary: &Summary) {
    page.say(&format!("{}.", verdict(summary)), 0);
    page.say(&basis(summary), 0);
    for said in [known(summary), dismissed(summary), revoked(summary), ended(summary)].into_iter().flatten() {
        page.say(&said, 0);
    }
    if summary.stopped {
        page.say("It was stopped before all was read.", 0);
    }
}

fn detections(page: &mut Page, summary: &Summary) {
    let all = repeated(summary);
    if all.is_empty() {
        return;
    }
    page.heading("Detections");
    // What can be excepted is shown wherever it stands: with it gone, there is room for the rest.
    let is_offered = |one: &&Repeated<'_>| except::command(summary, one).is_some();
    let also = || all.iter().skip(TABLE_DETECTIONS_MAX).filter(is_offered).take(OFFERED_MAX);
    let shown = || all.iter().take(TABLE_DETECTIONS_MAX).chain(also());
    shown().for_each(|one| one_detection(page, summary, one));
    let told = shown().map(|one| usize::try_from(one.count()).unwrap_or(usize::MAX)).sum();
    let total = usize::try_from(summary.detection_count()).unwrap_or(usize::MAX);
    page.more(total, told, "detection");
}

/// Where something stands: a line of a file, or a record.
fn place(summary: &Summary, file: &str, number: u64) -> String {
    match summary.number_word(file) {
        "line" => format!("{file}:{number}"),
        word => format!("{file}, {word} {number}"),
    }
}

fn one_detection(page: &mut Page, summary: &Summary, repeated: &Repeated<'_>) {
    let Detection { level, title, about, first, .. } = repeated.one;
    page.say(&format!("{:<13}  {title}", level.name().to_uppercase()), 15);
    let about: Vec<String> = about.iter().map(|(kind, value)| format!("{kind} {value}")).collect();
    let when = format!(
        "{} to {}, {}",
        second_or_dash(*first),
        second_or_dash(repeated.last()),
        counted(repeated.lines(), "line")
    );
    let at = |line: &Evidence| place(summary, &line.file, line.place.line);
    let latest = repeated.latest();
    let again = latest.map(|latest| {
        let title = if latest.title == *title { String::new() } else { format!(": {}", latest.title) };
        format!("{}; the latest at {}{title}", repeated.times(), second_or_dash(latest.first))
    });
    let lines = [Some(repeated.one.evidence.first()), latest.map(|latest| latest.evidence.first())];
    let evidence: Vec<String> = lines.into_iter().flatten().flatten().map(at).collect();
    for (name, what) in [
        ("about", about.join(", ")),
        ("when", when),
        ("repeated", again.unwrap_or_default()),
        ("threshold", repeated.one.threshold.clone()),
        ("usual here", repeated.one.baseline.clone()),
        ("evidence", evidence.join("; the latest ")),
        ("nothing if", repeated.one.disproof.clone()),
        ("do", repeated.one.advice.clone()),
        ("rule", format!("{} {}", repeated.one.id, repeated.one.credit)),
        ("id", detection_id(repeated.one)),
    ] {
        if !what.trim().is_empty() {
            page.pair(name, what.trim());
        }
    }
    let command = except::command(summary, repeated);
    if let Some(lines) = command.and_then(|parts| except::in_lines(&parts, page.columns.saturating_sub(4))) {
        page.pair("if known", "make an exception, with why and until when:");
        lines.iter().for_each(|line| page.say(&format!("    {line}"), 4));
    }
}

fn findings(page: &mut Page, summary: &Summary) {
    if summary.hits.is_empty() {
        return;
    }
    page.heading("Findings");
    for Hit { finding, host, known, was, .. } in new_first(&summary.hits).take(TABLE_FINDINGS_MAX) {
        let name = summary.facts_of(finding).map_or("", |facts| facts.name.as_str());
        let name = if name.is_empty() { String::new() } else { format!("  {name}") };
        let what = format!("{} {}", finding.kind.name(), finding.value);
        page.say(&format!("{}  {what}{name}", second_or_dash(finding.time)), 21);
        let host = host.as_deref().map_or(String::new(), |host| format!("  on {host}"));
        let known = if *known == Some(true) { format!("  ({RECORDED_BEFORE})") } else { String::new() };
        let was = was.as_deref().map_or(String::new(), |was| format!("  (was {was})"));
        page.say(&format!("  {}{was}{host}{known}", place(summary, &finding.file, finding.line)), 4);
        let part = around(&finding.text, &finding.value, LINE_CHARS);
        let dots = |left: u64| if left > 0 { "…" } else { "" };
        let line = format!(
            "  | {}{}{}{}{}",
            dots(part.skipped),
            part.before,
            part.matched,
            part.after,
            dots(part.cut)
        );
        page.say(&line, 4);
    }
    let total = usize::try_from(summary.hit_count()).unwrap_or(usize::MAX);
    page.more(total, summary.hits.len().min(TABLE_FINDINGS_MAX), "finding");
}

fn by(page: &mut Page, summary: &Summary) {
    let groups = by_indicator(summary);
    if !groups.is_empty() {
        page.heading("By indicator");
    }
    for group in groups.iter().take(LIST_ROWS_MAX) {
        let facts = summary.facts(group.indicator);
        let name = if facts.name.is_empty() { group.indicator } else { &facts.name };
        let hosts = match group.hosts.len() {
            0 => String::new(),
            hosts => format!(" on {}", counted(hosts as u64, "host")),
        };
        let author = if facts.author.is_empty() { String::new() } else { format!(", by {}", facts.author) };
        let text = format!("{:>9}  {name}{hosts}, {}{author}", grouped(group.count), facts.marking);
        page.say(&text, 11);
    }
    page.more(groups.len(), groups.len().min(LIST_ROWS_MAX), "indicator");
    let groups: Vec<_> = by_host(summary).into_iter().filter(|group| group.host.is_some()).collect();
    if !groups.is_empty() {
        page.heading("By host");
    }
    for group in groups.iter().take(LIST_ROWS_MAX) {
        let level = group.level.map_or(String::new(), |level| format!(", worst {}", level.name()));
        let text = format!(
            "{:>9}  {}: {}, {}{level}",
            grouped(group.findings + group.detections),
            group.host.unwrap_or_default(),
            counted(group.findings, "finding"),
            counted(group.detections, "detection")
        );
        page.say(&text, 11);
    }
    page.more(groups.len(), groups.len().min(LIST_ROWS_MAX), "host");
}

fn looked_at(page: &mut Page, summary: &Summary) {
    page.heading("What was looked at");
    let read = match summary.rate() {
        Some(rate) => format!(", read in {} ({} a second)", duration(summary.duration), bytes(rate)),
        None => String::new(),
    };
    let text = format!(
        "{}, {}, {}{read}.",
        counted(summary.files.len() as u64, "file"),
        counted(summary.lines(), "line"),
        bytes(summary.bytes)
    );
    page.say(&text, 0);
    for source in summary.coverage.sources.iter().take(LIST_ROWS_MAX) {
        let days = match (source.days.first(), source.days.last()) {
            (Some(first), Some(last)) => format!(
                "{} between {} and {}",
                counted(source.days.len() as u64, "day"),
                date(*first),
                date(*last)
            ),
            _ => match source.expected_from {
                Some(day) => format!("none is due yet, expected from {} on", date(day)),
                None => "nothing".to_owned(),
            },
        };
        let declared =
            source.declared.as_ref().map_or(String::new(), |cadence| format!(", expected {cadence}"));
        page.say(&format!("  {} ({}): {days}{declared}", source.name, kind_name(source.kind)), 4);
    }
    page.more(summary.coverage.sources.len(), LIST_ROWS_MAX, "source");
    for (copy, of) in summary.copies.iter().take(LIST_ROWS_MAX) {
        page.say(&format!("  {copy}: holds the same as {of}, and counts once with it"), 4);
    }
    page.more(summary.copies.len(), LIST_ROWS_MAX, "copied log");
    let by_record: Vec<&str> = summary.by_record().collect();
    for path in by_record.iter().take(LIST_ROWS_MAX) {
        page.say(
            &format!("  {path}: its numbers are those of records, for it is not written one event a line"),
            4,
        );
    }
    page.more(by_record.len(), LIST_ROWS_MAX, "file");
}

fn not_looked_at(page: &mut Page, summary: &Summary) {
    page.heading("What could not be looked at");
    let mut rows = Vec::new();
    let missing = summary.coverage.sources.iter().filter(|source| source.is_missing());
    rows.extend(missing.map(|source| format!("  {}: no log of it was had", source.name)));
    gaps(summary).iter().for_each(|gaps| gap_rows(&mut rows, gaps));
    rows.extend(faults(summary).iter().map(fault_row));
    rows.extend(summary.coverage.cannot_show.iter().map(|c| format!("  {}: {}", c.what, c.why)));
    rows.extend(
        summary
            .left_out
            .iter()
            .map(|(why, n)| format!("  {} left out: {why}", counted_as(*n, "match", "matches"))),
    );
    if rows.is_empty() {
        page.say("Nothing that is known of. Logs that were not given are not in it.", 0);
    }
    for row in rows.iter().take(REPORT_ROWS_MAX) {
        page.say(row, 4);
    }
    page.more(rows.len(), rows.len().min(REPORT_ROWS_MAX), "line");
}

fn gap_rows(rows: &mut Vec<String>, all: &Gaps<'_>) {
    let Gaps { source, gaps, .. } = all;
    let span = |gap: &&Gap| format!("{} to {}", date(gap.from), date(gap.to));
    if gaps.len() <= GAPS_APART_MAX {
        rows.extend(gaps.iter().map(|gap| format!("  {}: {}, {}", source.name, span(gap), gap.words())));
        return;
    }
    let spans: Vec<String> = gaps.iter().take(LIST_ROWS_MAX).map(span).collect();
    let more = match gaps.len().saturating_sub(LIST_ROWS_MAX) {
        0 => String::new(),
        more => format!("; and {} more", counted(more as u64, "gap")),
    };
    rows.push(format!(
        "  {}: {} in {}, {}: {}{more}",
        source.name,
        counted(all.days(), "day"),
        counted(gaps.len() as u64, "gap"),
        all.words(),
        spans.join("; ")
    ));
}

fn fault_row(fault: &Fault<'_>) -> String {
    let path = fault.files.first().map_or("", |one| one.file.path.as_str());
    let why = match fault.unread() {
        0 => fault.why().to_owned(),
        lines => format!("{}, {}", counted(lines, "line"), fault.why()),
    };
    match fault.files.len() {
        0 | 1 => format!("  {path}: {why}"),
        files => {
            let likewise = if fault.differs() { "; in the others with other numbers" } else { "" };
            format!("  {path} and {}: {why}{likewise}", counted((files - 1) as u64, "other file"))
        }
    }
}

fn looked_for(page: &mut Page, summary: &Summary) {
    page.heading("What was looked for");
    let sought = &summary.sought;
    let kinds: Vec<String> =
        sought.indicators.iter().map(|(kind, n)| format!("{} {}", grouped(*n), kind.name())).collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    page.say(&format!("{}{kinds}", counted(sought.indicator_count(), "indicator")), 2);
    page.say(&format!("{}, {}", counted(sought.patterns, "pattern"), counted(sought.rules, "rule")), 2);
    for (why, count) in &sought.rules_refused {
        page.say(&format!("  {} not used: {why}", counted(*count, "rule")), 4);
    }
    for (name, what) in &sought.detectors {
        page.say(&format!("  {name}: {what}"), 4);
    }
    if !sought.origins.is_empty() {
        page.say(&format!("From {}.", sought.origins.join(", ")), 0);
    }
    for note in &sought.notes {
        page.say(&format!("  {note}"), 2);
    }
}

/// Lines of at most so many characters, broken at blanks where there are any; all but the first leave room
/// for an indent. Blanks at the start of the text stay.
fn fold(text: &str, columns: usize, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        let length = word.trim_end().chars().count();
        let room = if lines.is_empty() { columns } else { columns.saturating_sub(indent) };
        if used + length > room && !line.trim().is_empty() {
            lines.push(line.trim_end().to_owned());
            (line, used) = (String::new(), 0);
        }
        for c in word.chars() {
            let room = if lines.is_empty() { columns } else { columns.saturating_sub(indent) };
            if used == room && c != ' ' {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            if used < room {
                line.push(c);
                used += 1;
            }
        }
    }
    lines.push(line.trim_end().to_owned());
    lines
}
