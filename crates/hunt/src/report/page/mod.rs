// SPDX-License-Identifier: Apache-2.0
//! One page for a small firm: what to reset, what to have checked, what could not be seen, whom to call.

mod words;

use std::fmt::Write as _;

use maud::{Markup, html};

use self::words::{Fixed, Verdict};
use super::except;
use super::group::{Named, named};
use super::html::{code, document, outside};
use super::summary::{FileState, Summary};
use super::words::{day_of, shortened, visible};
use crate::detection::Level;
use crate::limits::{PAGE_GAPS_MAX, PAGE_NAME_CHARS_MAX, PAGE_NAMES_MAX};

pub use self::words::Language;

/// Columns of the page as text.
const TEXT_COLUMNS: usize = 78;
/// Longest reason beside a name, in characters.
const REASON_CHARS_MAX: usize = 110;

/// Somebody to call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Name of a person or desk.
    pub name: String,
    /// Telephone number, as it is dialled.
    pub phone: String,
    /// Mail address; may be empty.
    pub mail: String,
    /// What else to know (`day and night`, a customer number); may be empty.
    pub note: String,
}

/// Whom to call. Who is not known gets a line to be filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contacts {
    /// Own IT or supplier.
    pub own_it: Option<Contact>,
    /// National centre or CSIRT.
    pub csirt: Option<Contact>,
    /// Sector body.
    pub sector: Option<Contact>,
    /// Police.
    pub police: Option<Contact>,
}

/// What stands on the page, in one language, before it is set.
struct Page<'a> {
    language: Language,
    fixed: &'static Fixed,
    urgent: bool,
    verdict: &'static str,
    basis: String,
    steps: &'static [&'static str],
    accounts: Names,
    devices: Names,
    nameless: u64,
    known: u64,
    dismissed: u64,
    repeated: Option<Repeated>,
    unseen: Vec<String>,
    unseen_more: usize,
    contacts: [(&'static str, Option<&'a Contact>); 4],
    footer: String,
}

/// What is told again and again, and how to except it.
struct Repeated {
    text: String,
    command: Vec<String>,
}

struct Names {
    rows: Vec<(String, String)>,
    more: usize,
}

/// The page as HTML, to be printed on one A4.
pub fn one_page_html(summary: &Summary, contacts: &Contacts, language: Language) -> String {
    let page = Page::of(summary, contacts, language);
    let title = match summary.organisation.as_str() {
        "" => page.fixed.title.to_owned(),
        name => format!("{}: {}", page.fixed.title, visible(&shortened(name, PAGE_NAME_CHARS_MAX))),
    };
    document(language.tag(), &title, &page.markup(summary))
}

/// The page as plain text of at most 78 columns, but for names that are longer.
pub fn one_page_text(summary: &Summary, contacts: &Contacts, language: Language) -> String {
    Page::of(summary, contacts, language).text(summary)
}

impl<'a> Page<'a> {
    fn of(summary: &'a Summary, contacts: &'a Contacts, language: Language) -> Page<'a> {
        let fixed = language.fixed();
        let (accounts, devices) =
            (named(summary, "account", Level::Medium), named(summary, "host", Level::Medium));
        let verdict = verdict(summary);
        let steps = match verdict {
            Verdict::Look | Verdict::Now => fixed.steps_found,
            Verdict::Clean | Verdict::CleanSoFar => fixed.steps_clean,
            Verdict::Blind | Verdict::Nothing => fixed.steps_blind,
        };
        let period = summary.period().map(|(first, last)| (day_of(first), day_of(last)));
        let mut unseen = unseen(summary, language);
        let unseen_more = unseen.len().saturating_sub(PAGE_GAPS_MAX);
        unseen.truncate(PAGE_GAPS_MAX);
        Page {
            language,
            fixed,
            urgent: verdict == Verdict::Now,
            verdict: language.verdict(verdict),
            basis: language.basis(
                summary.lines(),
                (summary.files_with_lines(), summary.files.len() as u64),
                period,
            ),
            steps,
            accounts: Names::of(accounts, language),
            devices: Names::of(devices, language),
            nameless: nameless(summary),
            known: summary.known_hits(),
            dismissed: summary.dismissed,
            repeated: Repeated::of(summary, language),
            unseen,
            unseen_more,
            contacts: [
                (fixed.own_it, contacts.own_it.as_ref()),
                (fixed.csirt, contacts.csirt.as_ref()),
                (fixed.sector, contacts.sector.as_ref()),
                (fixed.police, contacts.police.as_ref()),
            ],
            footer: format!(
                "{}. {}. {}",
                language.made(day_of(summary.made)),
                summary.label().name(),
                fixed.footer
            ),
        }
    }

    fn markup(&self, summary: &Summary) -> Markup {
        html! {
            header.page {
                div.top {
                    span { @if !summary.organisation.is_empty() { (outside(&shortened(&summary.organisation, PAGE_NAME_CHARS_MAX))) } }
                    span.label { (summary.label().name()) }
                }
                h1 { (self.fixed.title) }
                p.verdict.urgent[self.urgent] { (self.verdict) }
                p.soft { (self.basis) }
            }
            main.page {
                section { h2 { (self.fixed.first) } ol { @for step in self.steps { li { (step) } } } }
                div.two {
                    (self.names(self.fixed.accounts, self.fixed.accounts_how, self.fixed.no_accounts, &self.accounts))
                    (self.names(self.fixed.devices, self.fixed.devices_how, self.fixed.no_devices, &self.devices))
                }
                @if self.nameless > 0 { p.small.soft { (self.language.nameless(self.nameless)) } }
                @if self.known > 0 { p.small.soft { (self.language.known(self.known)) } }
                @if self.dismissed > 0 { p.small.soft { (self.language.dismissed(self.dismissed)) } }
                @if let Some(repeated) = &self.repeated {
                    p.small { (outside(&repeated.text)) " " (code(&repeated.command.join(" "))) }
                }
                section {
                    h2 { (self.fixed.unseen) }
                    @if self.unseen.is_empty() { p { (self.fixed.nothing_unseen) } }
                    ul {
                        @for line in &self.unseen { li { (outside(line)) } }
                        @if self.unseen_more > 0 { li.soft { (self.language.more(self.unseen_more as u64)) } }
                    }
                }
                section {
                    h2 { (self.fixed.call) }
                    dl.facts { @for (who, contact) in &self.contacts { dt { (who) } dd { (self.contact(*contact)) } } }
                }
            }
            footer.page { p { (self.footer) } }
        }
    }

    fn names(&self, title: &str, how: &str, none: &str, names: &Names) -> Markup {
        html! {
            section {
                h2 { (title) }
                @if names.rows.is_empty() { p { (none) } } @else {
                    ul.names {
                        @for (name, reason) in &names.rows { li { b { (outside(name)) } ": " (outside(reason)) } }
                        @if names.more > 0 { li.soft { (self.language.more(names.more as u64)) } }
                    }
                    p.small { (how) }
                }
            }
        }
    }

    fn contact(&self, contact: Option<&Contact>) -> Markup {
        let Some(Contact { name, phone, mail, note }) = contact else {
            return html! { span.fill { (self.fixed.fill_in) } };
        };
        let rest: Vec<&String> = [mail, note].into_iter().filter(|text| !text.is_empty()).collect();
        html! {
            (outside(&shortened(name, PAGE_NAME_CHARS_MAX))) " " b { (outside(&shortened(phone, PAGE_NAME_CHARS_MAX))) }
            @for text in rest { " · " (outside(&shortened(text, PAGE_NAME_CHARS_MAX))) }
        }
    }

    fn text(&self, summary: &Summary) -> String {
        let mut out = String::new();
        let organisation = shortened(&summary.organisation, PAGE_NAME_CHARS_MAX);
        let _ = writeln!(out, "{}\n{}", self.fixed.title, "=".repeat(self.fixed.title.chars().count()));
        if !organisation.is_empty() {
            let _ = writeln!(out, "{}", visible(&organisation));
        }
        let _ = writeln!(out);
        paragraph(&mut out, "", self.verdict);
        paragraph(&mut out, "", &self.basis);
        heading(&mut out, self.fixed.first);
        for (nth, step) in (1..).zip(self.steps) {
            paragraph(&mut out, &format!("{nth}. "), step);
        }
        for (title, how, none, names) in [
            (self.fixed.accounts, self.fixed.accounts_how, self.fixed.no_accounts, &self.accounts),
            (self.fixed.devices, self.fixed.devices_how, self.fixed.no_devices, &self.devices),
        ] {
            heading(&mut out, title);
            for (name, reason) in &names.rows {
                paragraph(&mut out, "- ", &format!("{}: {}", visible(name), visible(reason)));
            }
            if names.more > 0 {
                paragraph(&mut out, "- ", &self.language.more(names.more as u64));
            }
            paragraph(&mut out, "", if names.rows.is_empty() { none } else { how });
        }
        if self.nameless > 0 {
            let _ = writeln!(out);
            paragraph(&mut out, "", &self.language.nameless(self.nameless));
        }
        if self.known > 0 {
            let _ = writeln!(out);
            paragraph(&mut out, "", &self.language.known(self.known));
        }
        if self.dismissed > 0 {
            let _ = writeln!(out);
            paragraph(&mut out, "", &self.language.dismissed(self.dismissed));
        }
        if let Some(Repeated { text, command }) = &self.repeated {
            let _ = writeln!(out);
            paragraph(&mut out, "", &visible(text));
            // A part that is wider than the page stands whole all the same: half a command is none.
            let lines = except::in_lines(command, TEXT_COLUMNS).unwrap_or_else(|| vec![command.join(" ")]);
            lines.iter().for_each(|line| out.extend([line.as_str(), "\n"]));
        }
        heading(&mut out, self.fixed.unseen);
        if self.unseen.is_empty() {
            paragraph(&mut out, "", self.fixed.nothing_unseen);
        }
        self.unseen.iter().for_each(|line| paragraph(&mut out, "- ", &visible(line)));
        if self.unseen_more > 0 {
            paragraph(&mut out, "- ", &self.language.more(self.unseen_more as u64));
        }
        heading(&mut out, self.fixed.call);
        for (who, contact) in &self.contacts {
            let line = match contact {
                Some(Contact { name, phone, mail, note }) => {
                    // A number is not broken at the end of a line.
                    let phone = &phone.replace(' ', "\u{a0}");
                    let parts = [name, phone, mail, note].into_iter().filter(|part| !part.is_empty());
                    let parts: Vec<_> = parts.map(|part| shortened(part, PAGE_NAME_CHARS_MAX)).collect();
                    visible(&parts.join(", ")).into_owned()
                }
                None => format!("______________________ ({})", self.fixed.fill_in),
            };
            paragraph(&mut out, "- ", &format!("{who}: {line}"));
        }
        let _ = writeln!(out);
        paragraph(&mut out, "", &self.footer);
        out
    }
}

impl Repeated {
    fn of(summary: &Summary, language: Language) -> Option<Repeated> {
        let (repeated, command, others) = except::foremost(summary)?;
        let about: Vec<&str> = repeated.one.about.iter().map(|(_, value)| value.as_str()).collect();
        let text = language.repeated(
            repeated.count(),
            &shortened(&repeated.one.title, REASON_CHARS_MAX),
            &shortened(&about.join(", "), PAGE_NAME_CHARS_MAX),
            others,
        );
        Some(Repeated { text, command })
    }
}

impl Names {
    fn of(all: Vec<Named<'_>>, language: Language) -> Names {
        let more = all.len().saturating_sub(PAGE_NAMES_MAX);
        let row = |one: Named<'_>| {
            let reason = language.reason(&one.techniques, one.titles.first().copied(), one.findings);
            let name = shortened(one.name, PAGE_NAME_CHARS_MAX).into_owned();
            (name, shortened(&reason, REASON_CHARS_MAX).into_owned())
        };
        Names { rows: all.into_iter().take(PAGE_NAMES_MAX).map(row).collect(), more }
    }
}

fn verdict(summary: &Summary) -> Verdict {
    let detections = &summary.detections;
    let urgent = summary.hit_count() > 0 || detections.iter().any(|d| d.level >= Level::High);
    match () {
        () if urgent => Verdict::Now,
        () if summary.detection_count() > 0 => Verdict::Look,
        () if summary.sought.is_empty() => Verdict::Nothing,
        () if summary.lines() == 0 => Verdict::Blind,
        () if summary.is_partial() => Verdict::CleanSoFar,
        () => Verdict::Clean,
    }
}

/// Findings and detections that name neither account nor device, those that were only counted among them.
fn nameless(summary: &Summary) -> u64 {
    let hits = summary.hits.iter().filter(|hit| hit.host.is_none() && hit.account.is_none()).count() as u64;
    let detections = summary
        .detections
        .iter()
        .filter(|detection| !detection.about.iter().any(|(kind, _)| matches!(*kind, "account" | "host")));
    hits + summary.more_hits + detections.count() as u64 + summary.more_detections
}

/// What could not be seen, the widest first.
fn unseen(summary: &Summary, language: Language) -> Vec<String> {
    let mut lines = Vec::new();
    if summary.stopped {
        lines.push(language.stopped().to_owned());
    }
    let sources = &summary.coverage.sources;
    let with_days = sources.iter().filter(|source| !source.days.is_empty()).map(|source| source.kind);
    let read = summary.files.iter().filter(|file| file.lines > 0).flat_map(|file| file.kinds.each());
    let had: Vec<_> = with_days.chain(read).collect();
    lines.extend(language.blind_to(&had).into_iter().map(|what| language.no_log_for(what)));
    for source in sources.iter().filter(|source| source.is_missing()) {
        lines.push(language.source_missing(&shortened(&source.name, PAGE_NAME_CHARS_MAX)));
    }
    for source in sources.iter().filter(|source| source.days.is_empty()) {
        let name = shortened(&source.name, PAGE_NAME_CHARS_MAX);
        lines.extend(source.expected_from.map(|day| language.not_due(&name, day)));
    }
    let mut gaps: Vec<_> = sources.iter().flat_map(|s| s.gaps.iter().map(move |gap| (s, gap))).collect();
    gaps.sort_by_key(|(_, gap)| std::cmp::Reverse(i64::from(gap.to) - i64::from(gap.from)));
    for (source, gap) in gaps {
        let name = shortened(&source.name, PAGE_NAME_CHARS_MAX);
        let file = gap.files.first().map(|path| path.rsplit('/').next().unwrap_or(path));
        let file = file.map_or(String::new(), |file| format!(" ({})", shortened(file, PAGE_NAME_CHARS_MAX)));
        lines.push(format!("{name} {}: {}{file}", language.days(gap.from, gap.to), language.gap(gap.why)));
    }
    let bad = summary.files.iter().filter(|file| file.state != FileState::Whole || file.is_garbage()).count()
        as u64;
    if bad > 0 {
        lines.push(language.bad_files(bad));
    }
    if summary.unread_lines() > 0 {
        lines.push(language.bad_lines(summary.unread_lines()));
    }
    lines
}

fn heading(out: &mut String, text: &str) {
    let _ = writeln!(out, "\n{text}\n{}", "-".repeat(text.chars().count()));
}

/// A paragraph of at most [`TEXT_COLUMNS`], broken at blanks, set in under its mark.
fn paragraph(out: &mut String, mark: &str, text: &str) {
    let indent = mark.len();
    let mut line = mark.to_owned();
    for word in text.split(' ') {
        let used = line.chars().count();
        if used > indent && used + 1 + word.chars().count() > TEXT_COLUMNS {
            let _ = writeln!(out, "{line}");
            line = " ".repeat(indent);
        }
        if line.chars().count() > indent {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "{line}");
}
