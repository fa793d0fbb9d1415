// SPDX-License-Identifier: Apache-2.0
//! Reports in all forms, to a file or stdout.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;

use hunt::detection::{Detection, Means};
use hunt::history::{files, findings};
use hunt::indicator::{Indicator, SHIPPED};
use hunt::limits::TABLE_COLUMNS_MAX;
use hunt::report::draft::{State, drafts, of_finding};
use hunt::report::kept::Dismissal;
use hunt::report::{
    Ended, EndedBy, Hit, IndicatorFacts, Summary, Witness, csv, html, json_lines, kept, ocsf, one_page_html,
    one_page_text, recorded_files, stix, table, timesketch,
};
use ledger::sql::{EngineError, Read};
use model::diagnostic::json_shown;
use uuid::Uuid;

use super::share::keyed_uuid;
use super::{Revoked, ended, identity_name, indicator_facts, said_facts};
use crate::cli::{FindingReport, ReportFormat};
use crate::failure::{Exit, Failure};
use crate::history::Opened;
use crate::hunting::{counted, coverage};
use crate::init::salts;
use crate::node::{Node, now};
use crate::{contacts, notify};
use exchange::standard::identity::NAMESPACE;
use hunt::report::Contacts;
use hunt::report::Language;

/// How a report is made.
pub struct Form<'a> {
    /// Its form.
    pub format: ReportFormat,
    /// Language of the page for a small firm.
    pub language: Language,
    /// Whom to call, for that page.
    pub contacts: &'a Contacts,
    /// STIX: the sightings name nobody.
    pub anonymous: bool,
}

/// Runs `finding report`.
pub fn run(args: &FindingReport) -> Result<Exit, Failure> {
    let contacts = args.contacts.as_deref().map(contacts::read).transpose()?.unwrap_or_default();
    let settings = args.notify.as_deref().map(notify::settings).transpose()?;
    let node = Node::open(&args.data)?;
    let summary = summary_of(&node)?;
    let form =
        Form { format: args.format, language: args.language, contacts: &contacts, anonymous: args.anonymous };
    write_report(Some(&node), &summary, &form, args.out.as_deref())?;
    if let Some(settings) = settings {
        notify::announce(&node, &summary, &settings, None)?;
    }
    // Days without a log are in the report; files that could not be read are a fault.
    Ok(match (summary.hit_count() + summary.detection_count(), summary.is_partial()) {
        (_, true) => Exit::Partial,
        (0, false) => Exit::NotFound,
        _ => Exit::Done,
    })
}

/// What earlier hunts found, as far as it is recorded.
fn summary_of(node: &Node) -> Result<Summary, Failure> {
    let mut summary = Summary::new(now());
    summary.organisation = node.root.name.clone();
    node.store.read(|read| {
        summary.hits = findings(read, None)?;
        set_dismissed_aside(read, &mut summary)?;
        set_revoked_aside(read, &mut summary)?;
        let recorded = files(read)?;
        summary.logs = recorded.iter().map(|file| (file.place().to_owned(), file.id)).collect();
        coverage::add_recorded(&mut summary, &recorded);
        // Unpacked, as a hunt tells them.
        summary.bytes = recorded.iter().map(|file| file.counted_to).sum();
        summary.files = recorded_files(recorded);
        let undecided = ended::tell(read, &mut summary)?;
        if let Some((last, sought)) = kept::sought(read)? {
            summary.sought = sought;
            let which = if summary.sought.origins.is_empty() { "rules" } else { "indicators, rules" };
            summary.sought.notes.push(format!(
                "{which}, patterns and detectors are those of the last hunt, of {} UTC",
                last.to_string()[..16].replace('T', " ")
            ));
        }
        if undecided > 0 {
            summary.sought.notes.push(format!(
                "{} may be covered by exceptions, which what is kept of them does not tell: `polder finding dismiss ID` ends \
                 one",
                counted(undecided, "detection")
            ));
        }
        if summary.sought.origins.is_empty() {
            let mut kinds = BTreeMap::<_, u64>::new();
            for indicator in hunt::query::indicators(read)? {
                *kinds.entry(indicator.observable.kind()).or_default() += 1;
            }
            summary.sought.indicators = kinds.into_iter().collect();
            summary.sought.origins.push("the node's ledger, as it is now".to_owned());
        }
        Ok::<_, EngineError>(())
    })?;
    summary.sought.notes.push(
        "this is what all hunts on this node recorded; what was looked for then may have been less"
            .to_owned(),
    );
    coverage::fill(&mut summary);
    coverage::declared(&Opened::open(node)?, &mut summary)?;
    fill_indicators(node, &mut summary)?;
    Ok(summary)
}

/// What persons have dismissed.
#[derive(Default)]
pub struct Dismissed {
    findings: BTreeSet<String>,
    detections: BTreeMap<String, Dismissal>,
}

impl Dismissed {
    /// As the node knows it now.
    pub fn of(read: &mut dyn Read) -> Result<Dismissed, EngineError> {
        let all = drafts(read)?.into_values();
        let findings = all.filter(|draft| draft.state == State::Dismissed).map(|draft| draft.id).collect();
        Ok(Dismissed { findings, detections: kept::dismissed(read)? })
    }

    /// Whether a finding is of what was dismissed.
    pub fn has(&self, hit: &Hit) -> bool {
        !self.findings.is_empty() && self.findings.contains(&of_finding(&hit.finding).id)
    }

    /// What was said of a detection that was dismissed, and has not become graver since.
    pub fn of_detection(&self, detection: &Detection) -> Option<Ended> {
        if self.detections.is_empty() {
            return None;
        }
        let id = kept::detection_id(detection);
        let dismissal = self.detections.get(&id).filter(|said| said.level >= detection.level)?;
        let (by, reason) = (detection.id.clone(), dismissal.reason.clone());
        Some(Ended { id, by, why: EndedBy::Dismissed, reason })
    }
}

/// What a person has dismissed is counted and not told again.
pub fn set_dismissed_aside(read: &mut dyn Read, summary: &mut Summary) -> Result<(), EngineError> {
    let known = Dismissed::of(read)?;
    let (dismissed, hits): (Vec<Hit>, _) =
        std::mem::take(&mut summary.hits).into_iter().partition(|hit| known.has(hit));
    let beyond = summary.beyond.take_out(&|id| known.findings.contains(id));
    summary.more_hits = summary.more_hits.saturating_sub(beyond);
    (summary.dismissed, summary.hits) = (dismissed.len() as u64 + beyond, hits);
    for detection in std::mem::take(&mut summary.detections) {
        match known.of_detection(&detection) {
            Some(ended) => summary.ended.push(ended),
            None => summary.detections.push(detection),
        }
    }
    Ok(())
}

/// What was found of indicators that were revoked since is counted and not told: nobody stands for it any more.
fn set_revoked_aside(read: &mut dyn Read, summary: &mut Summary) -> Result<(), EngineError> {
    let mut revoked = Revoked::default();
    for hit in std::mem::take(&mut summary.hits) {
        if revoked.has(read, &hit.finding.indicator)? {
            summary.revoked += 1;
        } else {
            summary.hits.push(hit);
        }
    }
    Ok(())
}

/// Whether what was found under the id of an indicator is this one: somebody's list may use the id for other values, or
/// for a pattern.
fn is_all_of(summary: &Summary, indicator: &Indicator) -> bool {
    let value = indicator.observable.display();
    let is_below = |found: &str| {
        found.strip_suffix(value.as_str()).is_some_and(|head| head.is_empty() || head.ends_with('.'))
    };
    let is_pattern = |one: &Detection| one.means == Means::Pattern && one.id == indicator.id;
    let mut of_it = summary.hits.iter().filter(|hit| hit.finding.indicator == indicator.id);
    !summary.detections.iter().any(is_pattern)
        && of_it.all(|hit| hit.finding.kind == indicator.observable.kind() && is_below(&hit.finding.value))
}

/// Fills in what the ledger says of the indicators that were found. Of an object that it does not hold, and of which
/// nothing else is known, the marking is unknown.
pub fn fill_indicators(node: &Node, summary: &mut Summary) -> Result<(), Failure> {
    let ids: BTreeSet<String> = summary
        .hits
        .iter()
        .map(|hit| hit.finding.indicator.as_str())
        .chain(summary.beyond.indicators())
        .chain(summary.detections.iter().filter(|one| one.means == Means::Pattern).map(|one| one.id.as_str()))
        .filter(|id| model::id::is_stix_id(id))
        .map(str::to_owned)
        .collect();
    let known = node.store.read(|read| {
        let mut all = BTreeMap::new();
        for id in &ids {
            let said = said_facts(read, id)?;
            if let Some(facts) = indicator_facts(read, id)? {
                let author = identity_name(read, &facts.author)?;
                all.insert(id.clone(), (IndicatorFacts { author, ..facts }, said));
            } else if let Some(said) = said.filter(|_| !summary.indicators.contains_key(id)) {
                all.insert(id.clone(), (said, None));
            }
        }
        Ok::<_, EngineError>(all)
    })?;
    for (id, (mut facts, noted)) in known {
        // What files said of it holds as well, this time or before: their values may be those that were found.
        let said = summary
            .indicators
            .get(&id)
            .filter(|said| !said.held && (said.marking.tlp.is_some() || !said.marking_refs.is_empty()));
        for said in said.into_iter().chain(&noted) {
            facts.marking = facts.marking.as_strict_as(said.marking);
            let more = said.marking_refs.iter().filter(|one| !facts.marking_refs.contains(one)).cloned();
            facts.marking_refs.extend(more.collect::<Vec<_>>());
        }
        summary.indicators.insert(id, facts);
    }
    let mut left: BTreeSet<String> =
        ids.into_iter().filter(|id| !summary.indicators.contains_key(id)).collect();
    if !left.is_empty() {
        // What every copy of this program holds hides nothing, though the ledger does not have it.
        for shipped in SHIPPED.iter().flat_map(|pack| pack.read().indicators) {
            if left.contains(&shipped.id) && is_all_of(summary, &shipped) {
                left.remove(&shipped.id);
                let unknown = IndicatorFacts::unmarked_or_unknown(&shipped.id);
                let facts = IndicatorFacts { name: shipped.name, shipped: true, ..unknown };
                summary.indicators.insert(shipped.id, facts);
            }
        }
    }
    for id in left {
        let unknown = IndicatorFacts::unmarked_or_unknown(&id);
        summary.indicators.insert(id, unknown);
    }
    Ok(())
}

/// Writes a report. Without a node the ids of a STIX file are random, and it names nobody.
pub fn write_report(
    node: Option<&Node>,
    summary: &Summary,
    form: &Form<'_>,
    to: Option<&Path>,
) -> Result<(), Failure> {
    let fault = |error: io::Error| match to {
        Some(path) => Failure::io("write", path, &error),
        None => Failure::machine(format!("cannot write the report to stdout: {error}")),
    };
    let written = match to {
        Some(path) => {
            let file = File::create(path).map_err(|e| Failure::io("make", path, &e))?;
            let mut out = BufWriter::new(file);
            print(node, summary, form, &mut out)?.and_then(|()| out.flush())
        }
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            print(node, summary, form, &mut out)?.and_then(|()| out.flush())
        }
    };
    match written {
        // A reader that has gone (`| head`) is no fault.
        Err(error) if to.is_none() && error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(fault),
    }
}

fn print(
    node: Option<&Node>,
    summary: &Summary,
    form: &Form<'_>,
    out: &mut dyn Write,
) -> Result<io::Result<()>, Failure> {
    Ok(match form.format {
        ReportFormat::Csv => csv(summary, out),
        ReportFormat::Html => out.write_all(html(summary).as_bytes()),
        ReportFormat::Json => json_lines(summary, out),
        ReportFormat::Ocsf => ocsf(summary, out),
        ReportFormat::Page => out.write_all(one_page_html(summary, form.contacts, form.language).as_bytes()),
        ReportFormat::PageText => {
            out.write_all(one_page_text(summary, form.contacts, form.language).as_bytes())
        }
        ReportFormat::Stix => {
            let bytes = stix_bytes(node, summary, form.anonymous)?;
            match std::str::from_utf8(&bytes) {
                Ok(json) => writeln!(out, "{}", json_shown(json)),
                Err(_) => out.write_all(&bytes).and_then(|()| out.write_all(b"\n")),
            }
        }
        ReportFormat::Table => out.write_all(table(summary, columns()).as_bytes()),
        ReportFormat::Timesketch => match timesketch(summary, out) {
            Ok(0) => Ok(()),
            Ok(timeless) => {
                eprintln!("{timeless} findings and detections without a time were left out");
                Ok(())
            }
            Err(error) => Err(error),
        },
    })
}

fn stix_bytes(node: Option<&Node>, summary: &Summary, anonymous: bool) -> Result<Vec<u8>, Failure> {
    let key = || match node {
        Some(node) => node.sighting_key().map(|key| *key),
        None => Ok(crate::node::random()),
    };
    let keyed = |witness| {
        let key = key()?;
        Ok::<_, Failure>(stix(summary, witness, &|name| keyed_uuid(&key, &format!("file\n{name}"))))
    };
    let file = match node {
        _ if anonymous => keyed(Witness::Anonymous)?,
        None => keyed(Witness::Unnamed)?,
        Some(node) => {
            let audience = node.own_audience();
            let draft = crate::identity::draft(node, &audience, salts()?)?;
            let identity = serde_json::from_slice(&draft.body)
                .map_err(|e| Failure::internal(format!("the own identity does not parse: {e}")))?;
            let member = node.member();
            stix(summary, Witness::Named(&identity), &|name| {
                Uuid::new_v5(&NAMESPACE, format!("file\n{member}\n{name}").as_bytes())
            })
        }
    };
    if file.left_out > 0 {
        eprintln!(
            "{} findings are of entries of lists, for which there is no object, of objects that nobody marked or whose \
             marking is not understood, or beyond the limit of a file: no sighting was made of them",
            file.left_out
        );
    }
    if file.uncounted > 0 {
        eprintln!(
            "{} of these were found when more indicators and values were found than are counted: sightings may state too \
             few for as many; hunt in fewer files at once, or ask `polder finding report` of a node",
            file.uncounted
        );
    }
    Ok(file.bytes)
}

/// Width of the terminal; that of a page where there is none.
fn columns() -> usize {
    if !io::stdout().is_terminal() {
        return TABLE_COLUMNS_MAX;
    }
    rustix::termios::tcgetwinsize(io::stdout()).map_or(TABLE_COLUMNS_MAX, |size| usize::from(size.ws_col))
}
