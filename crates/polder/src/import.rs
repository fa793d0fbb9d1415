// SPDX-License-Identifier: Apache-2.0
//! `polder import`: files into the ledger. What was read is added, known or refused, and these add up.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use exchange::intake::{Intake, SignedDesk, Survey, Taken, narrowed, refusal, removed_by_steward};
use exchange::view::Removed;
use hunt::indicator::Indicator;
use hunt::limits::LIST_BYTES_MAX;
use hunt::query::held_under_guessable_ids;
use hunt::standard::{IndicatorAuthor, guessable_indicator_id, indicator_id, indicator_name};
use ledger::append::Outcome;
use ledger::draft::Draft;
use ledger::entry::Salts;
use model::diagnostic::{Diagnostic, Severity};
use model::head::Audience;
use model::limits::DIAGNOSTICS_MAX;
use model::marking::{Marking, Tlp};
use model::stix::{Item, Object, Splitter};
use serde_json::json;
use store::Pending;
use trust::mac::{mac, push_part};

use crate::cli::{Format, Import};
use crate::failure::{Exit, Failure};
use crate::hunting;
use crate::input::Input;
use crate::node::{Node, Writing, random};
use crate::out::say;
use crate::priority::stand_back;

/// Drafts that are handed over at once: one transaction, or several to one when the writer is behind.
const BATCH_DRAFTS: usize = 5_000;
/// Bytes after which a batch is handed over even if it is small.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// Batches on their way while the next is parsed.
const IN_FLIGHT_MAX: usize = 5;

/// What an import did with one file.
#[derive(Debug, Default)]
pub struct Report {
    /// The file.
    pub file: String,
    /// Objects met.
    pub read: u64,
    /// Of them new.
    pub added: u64,
    /// Of them there already.
    pub known: u64,
    /// Of them not taken.
    pub refused: u64,
    /// Why, and what else is worth a look.
    pub diagnostics: Vec<Diagnostic>,
    /// Diagnostics beyond the limit.
    pub more_diagnostics: u64,
}

impl Report {
    /// Notes a diagnostic, up to the limit.
    pub fn note(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < DIAGNOSTICS_MAX {
            self.diagnostics.push(diagnostic);
        } else {
            self.more_diagnostics += 1;
        }
    }

    fn is_partial(&self) -> bool {
        self.refused > 0 || self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }

    fn print(&self, as_json: bool) {
        let Report { file, read, added, known, refused, diagnostics, more_diagnostics } = self;
        if as_json {
            let diagnostics: Vec<_> = diagnostics.iter().map(diagnostic_json).collect();
            let line = json!({
                "file": file, "read": read, "added": added, "known": known, "refused": refused,
                "diagnostics": diagnostics, "more_diagnostics": more_diagnostics,
            });
            return say!("{line}");
        }
        diagnostics.iter().for_each(|diagnostic| eprintln!("{file}: {diagnostic}"));
        if *more_diagnostics > 0 {
            eprintln!("{file}: and {more_diagnostics} more diagnostics");
        }
        say!("{file}: read {read}, added {added}, known {known}, refused {refused}");
    }
}

/// One diagnostic as JSON.
pub fn diagnostic_json(diagnostic: &Diagnostic) -> serde_json::Value {
    json!({
        "code": diagnostic.code, "severity": diagnostic.severity.name(), "place": diagnostic.place,
        "message": diagnostic.message, "fix": diagnostic.fix,
    })
}

/// Runs the command.
pub fn run(args: &Import) -> Result<Exit, Failure> {
    let node = Node::open(&args.data)?;
    let audience = node.recipients(&args.recipients)?;
    let writing = node.write()?;
    let mut exit = Exit::Done;
    for path in &args.files {
        stand_back(&node.dir, args.nice);
        let mut input = Input::open(path, node.dir.root())?;
        let format = match args.format {
            Some(format) => format,
            None => guess(path, &mut input)?,
        };
        let mut importer = Importer::new(&node, &writing, audience.clone(), args.tlp, input.name.clone());
        let outcome = match format {
            Format::Stix => importer.stix(&mut input),
            Format::Csv | Format::Text => importer.list(&mut input, format),
        };
        let report = importer.finish(outcome)?;
        report.print(args.json);
        if report.is_partial() {
            exit = Exit::Partial;
        }
    }
    // The moment that they are there, new indicators are looked up in what was seen before.
    if let Some(told) = hunting::look_back(&node)?.in_words() {
        eprintln!("{told}");
    }
    Ok(exit)
}

/// JSON is STIX; anything else is a list of indicators, a table if its name says so.
fn guess(path: &Path, input: &mut Input) -> Result<Format, Failure> {
    let mut head = Vec::new();
    // A damaged archive is told when it is read for good.
    let _ = input.reader()?.take(4_096).read_to_end(&mut head);
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head);
    let first = text.iter().find(|b| !b.is_ascii_whitespace());
    Ok(match first {
        Some(b'{' | b'[') | None => Format::Stix,
        Some(_) if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) => Format::Csv,
        Some(_) => Format::Text,
    })
}

/// Imports one file.
pub struct Importer<'n> {
    node: &'n Node,
    writing: &'n Writing,
    audience: Audience,
    envelope: Option<Tlp>,
    batch: Vec<Draft>,
    batch_bytes: usize,
    in_flight: std::collections::VecDeque<(Vec<String>, Pending)>,
    salts: SaltSource,
    /// What stewards took out of the collections that are imported into.
    removed: HashMap<Audience, Removed>,
    unmarked: u64,
    /// Objects that are marked stricter than `--tlp` says.
    stricter: u64,
    report: Report,
}

impl<'n> Importer<'n> {
    /// For one file, into one audience.
    pub fn new(
        node: &'n Node,
        writing: &'n Writing,
        audience: Audience,
        envelope: Option<Tlp>,
        file: String,
    ) -> Self {
        Importer {
            node,
            writing,
            audience,
            envelope,
            batch: Vec::new(),
            batch_bytes: 0,
            in_flight: std::collections::VecDeque::new(),
            salts: SaltSource::default(),
            removed: HashMap::new(),
            unmarked: 0,
            stricter: 0,
            report: Report { file, ..Report::default() },
        }
    }

    /// STIX: a first pass finds what marks the objects, wherever in the file it stands; a second takes them.
    pub fn stix(&mut self, input: &mut Input) -> Result<(), Failure> {
        let definitions =
            self.node.store.read(|read| ledger::definitions::of_author(read, self.node.member()))?;
        let envelope = self.envelope.map_or(Marking::NONE, Marking::tlp);
        let place = self.report.file.clone();
        let source = input.reader()?;
        let survey = Survey::of(source, &place, definitions, envelope, &mut |d| self.report.note(d));
        let mut signed = self.signed_desk(&survey)?;
        let mut splitter = Splitter::new(input.reader()?);
        loop {
            match splitter.next_item() {
                Ok(None) => return Ok(()),
                Ok(Some(Item::Object(bytes))) => match &mut signed {
                    None => self.object(bytes, splitter.objects(), &survey)?,
                    Some(desk) => self.signed(desk, bytes, splitter.objects())?,
                },
                Ok(Some(Item::Drafts(_) | Item::Markings(_))) => {}
                Ok(Some(Item::Bad { diagnostic, counts })) => {
                    self.report.read += u64::from(counts);
                    self.report.refused += u64::from(counts);
                    self.report.note(diagnostic);
                }
                Err(error) => {
                    let place = format!("after object {}", splitter.objects());
                    let fix = "fetch the file again; whole objects before this place were read";
                    self.report.note(Diagnostic::error("unreadable", place, error.to_string()).with_fix(fix));
                    return Ok(());
                }
            }
        }
    }

    fn object(&mut self, bytes: Vec<u8>, ordinal: u64, survey: &Survey) -> Result<(), Failure> {
        self.report.read += 1;
        let audience = self.audience.clone();
        let envelope = self.envelope.map_or(Marking::NONE, Marking::tlp);
        let intake = Intake { author: self.node.member(), audience: &audience, envelope, survey };
        let Some((object, marking)) = intake.object(&bytes, ordinal, &mut |d| self.report.note(d)) else {
            self.report.refused += 1;
            return Ok(());
        };
        let draft = intake.draft(object, marking, bytes, self.salts.next());
        self.add(draft)
    }

    /// Whether a steward took the object out of the collection that it is for.
    fn is_removed(&mut self, draft: &Draft) -> Result<bool, Failure> {
        if !self.removed.contains_key(&draft.audience) {
            let removed = self.node.store.read(|read| Removed::of(read, &draft.audience, |_| true))?;
            self.removed.insert(draft.audience.clone(), removed);
        }
        Ok(self.removed.get(&draft.audience).is_some_and(|removed| removed.contains(&draft.subject.key)))
    }

    /// For a file whose author signed its objects: they are that author's, and go where it said.
    fn signed_desk<'s>(
        &self,
        survey: &'s Survey,
    ) -> Result<Option<Result<SignedDesk<'s>, Diagnostic>>, Failure> {
        let Some(signed) = &survey.drafts else { return Ok(None) };
        if self.envelope.is_some() || self.audience != self.node.own_audience() {
            return Err(Failure::usage(format!(
                "{}: what its author signed says label and recipients; leave --tlp and the recipients out",
                self.report.file
            )));
        }
        let (own, now) = (self.node.member(), crate::node::now());
        let operator = self.node.operator(Tlp::AmberStrict)?;
        let desk =
            self.node.store.read(|read| SignedDesk::open(read, own, &operator, survey, signed, now))?;
        Ok(Some(desk))
    }

    fn signed(
        &mut self,
        desk: &mut Result<SignedDesk<'_>, Diagnostic>,
        bytes: Vec<u8>,
        ordinal: u64,
    ) -> Result<(), Failure> {
        self.report.read += 1;
        let mut notes = Vec::new();
        let taken = match desk {
            Err(reason) => Taken::Refused(reason.clone()),
            Ok(desk) => {
                self.node.store.read(|read| desk.take(read, bytes, ordinal, None, &mut |d| notes.push(d)))?
            }
        };
        notes.into_iter().for_each(|d| self.report.note(d));
        match taken {
            Taken::Draft(draft) => self.add(*draft),
            Taken::Refused(reason) => {
                self.report.refused += 1;
                self.report.note(reason);
                Ok(())
            }
        }
    }

    /// Indicator lists: each becomes a STIX indicator of the own organisation.
    pub fn list(&mut self, input: &mut Input, format: Format) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        if let Err(error) = input.reader()?.take(LIST_BYTES_MAX as u64 + 1).read_to_end(&mut bytes) {
            let fix = "fetch the list again; nothing of it was taken";
            self.report
                .note(Diagnostic::error("unreadable", input.name.clone(), error.to_string()).with_fix(fix));
            return Ok(());
        }
        let list = match format {
            Format::Csv => hunt::indicator::read_csv(&bytes, &input.name),
            Format::Text | Format::Stix => hunt::indicator::read_list(&bytes, &input.name),
        };
        self.report.read = list.entries;
        self.report.refused = list.refused;
        list.diagnostics.into_iter().for_each(|d| self.report.note(d));
        if list.indicators.is_empty() {
            return Ok(());
        }
        let identity = crate::identity::draft(self.node, &self.audience, self.salts.next())?;
        let identity_id = identity.subject.id.clone();
        // The identity is the node's own and not of the list: it does not count.
        let outcomes = self.writing.submit(vec![identity]).wait()?;
        if outcomes.iter().any(|o| matches!(o, Outcome::Refused(_))) {
            return Err(Failure::usage(format!(
                "{identity_id} is held with other content; nothing was imported"
            )));
        }
        let author = IndicatorAuthor { identity: &identity_id, now: crate::node::now() };
        // What an earlier program made keeps its id, or it would be there twice.
        let own = self.node.member();
        let earlier = self.node.store.read(|read| held_under_guessable_ids(read, own, &list.indicators))?;
        let key = self.node.indicator_key()?;
        let id_of = |indicator: &Indicator| {
            let old = guessable_indicator_id(&indicator.observable, indicator.mode);
            if earlier.contains(&old) {
                return old;
            }
            let mut name = Vec::new();
            push_part(&mut name, identity_id.as_bytes());
            push_part(&mut name, &indicator_name(&indicator.observable, indicator.mode));
            indicator_id(mac(&key, &[&name]))
        };
        let objects = hunt::command::import_list(&list.indicators, &author, &id_of);
        // An entry that stands twice in the list is one indicator.
        self.report.known = list.indicators.len().saturating_sub(objects.len()) as u64;
        for (id, body) in objects {
            let mut diagnostics = Vec::new();
            let Some(object) = Object::parse(&body, &id, &mut diagnostics) else {
                let told = diagnostics.first().map(Diagnostic::to_string).unwrap_or_default();
                return Err(Failure::internal(format!(
                    "an indicator of our own making does not parse: {told}"
                )));
            };
            let marking = self.envelope.map_or(Marking::NONE, Marking::tlp);
            let salts = self.salts.next();
            let draft = Draft::stix(object, body, self.node.member(), self.audience.clone(), marking, salts);
            self.add(Draft { only_if_new: true, ..draft })?;
        }
        Ok(())
    }

    fn add(&mut self, draft: Draft) -> Result<(), Failure> {
        if self.is_removed(&draft)? {
            self.report.refused += 1;
            self.report.note(removed_by_steward(&draft.subject.id));
            return Ok(());
        }
        self.unmarked += u64::from(draft.marking.tlp.is_none() && draft.signature.is_none());
        self.stricter += u64::from(self.envelope.is_some_and(|tlp| tlp < draft.marking.label()));
        self.batch_bytes += draft.body.len();
        self.batch.push(draft);
        if self.batch.len() >= BATCH_DRAFTS || self.batch_bytes >= BATCH_BYTES {
            self.hand_over()?;
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), Failure> {
        if self.batch.is_empty() {
            return Ok(());
        }
        while self.in_flight.len() >= IN_FLIGHT_MAX {
            self.take_answer()?;
        }
        self.batch_bytes = 0;
        let drafts = std::mem::take(&mut self.batch);
        let ids = drafts.iter().map(|d| d.subject.id.clone()).collect();
        self.in_flight.push_back((ids, self.writing.submit(drafts)));
        Ok(())
    }

    fn take_answer(&mut self) -> Result<(), Failure> {
        let Some((ids, pending)) = self.in_flight.pop_front() else { return Ok(()) };
        let outcomes = pending.wait()?;
        for (id, outcome) in ids.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Added { .. } => self.report.added += 1,
                Outcome::Known => self.report.known += 1,
                Outcome::Narrowed => {
                    self.report.known += 1;
                    self.report.note(narrowed(&id));
                }
                Outcome::Refused(refused) => {
                    self.report.refused += 1;
                    self.report.note(refusal(&id, refused));
                }
            }
        }
        Ok(())
    }

    /// Writes what is left and tells what became of all. A fault of this machine tells what was kept.
    pub fn finish(mut self, outcome: Result<(), Failure>) -> Result<Report, Failure> {
        let mut rest = outcome.and_then(|()| self.hand_over());
        // Also after a fault: what was on its way may have been appended, and is counted.
        while !self.in_flight.is_empty() {
            rest = self.take_answer().and(rest);
        }
        if self.unmarked > 0 && self.audience != self.node.own_audience() {
            let message =
                format!("{} objects carry no TLP: they stay in the own organisation", self.unmarked);
            let fix = "give --tlp with the label under which the community may have them";
            let place = self.report.file.clone();
            self.report.note(Diagnostic::warning("unmarked-stays", place, message).with_fix(fix));
        }
        if let Some(tlp) = self.envelope.filter(|_| self.stricter > 0) {
            let message =
                format!("{tlp} loosens nothing: {} of the objects are marked stricter", self.stricter);
            let place = self.report.file.clone();
            self.report.note(Diagnostic::warning("label-not-given", place, message));
        }
        match rest {
            Ok(()) => Ok(self.report),
            Err(failure) => Err(Failure {
                message: format!(
                    "{}: {}. {} objects of this file were added before and are kept; run the same command again \
                     afterwards, it goes on where this one stopped",
                    self.report.file, failure.message, self.report.added
                ),
                ..failure
            }),
        }
    }
}

/// Salts from the system's randomness, fetched many at once.
#[derive(Default)]
struct SaltSource {
    bytes: Vec<u8>,
}

impl SaltSource {
    fn next(&mut self) -> Salts {
        if self.bytes.is_empty() {
            self.bytes = random::<4_800>().to_vec();
        }
        let at = self.bytes.len() - 48;
        let salts = Salts::from_bytes(&self.bytes.split_off(at));
        #[expect(clippy::expect_used, reason = "48 bytes were split off, which is what salts are")]
        salts.expect("48 bytes make salts")
    }
}
