// SPDX-License-Identifier: Apache-2.0
//! Register, history and findings of one log; and new indicators that are looked up in the history.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind::{InvalidInput, IsADirectory, NotFound};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use hunt::back;
use hunt::confirm::{Confirm, warning};
use hunt::history::{
    FileFacts, HistoryError, LogToRecord, LookedBack as Seen, NOBODYS, Observed, Recorded, ShorterForm,
};
use hunt::indicator::Indicator;
use hunt::limits::{
    FINDINGS_PER_FILE_MAX, LOOK_BACK_BYTES_MAX, LOOK_BACK_INDICATORS_MAX, LOOK_BACK_SOURCES_MAX,
};
use hunt::reader::{Input, read_logs};
use hunt::report::Hit;
use hunt::run::{FileReport, Hunt, Lookout, hunt_source};
use hunt::scan::IndicatorSet;
use hunt::time::Clock;
use hunt::unpack::Unpacked;
use model::diagnostic::Diagnostic;
use model::time::Timestamp;
use model::zone::Zone;
use sha2::{Digest as _, Sha256};

use super::files::{self, Access};
use super::waiting::bytes_of;
use crate::failure::Failure;
use crate::history::{Opened, worker};
use crate::node::Node;

/// One log of a file once more, for what it holds from some offset on; `None` if it is not there any more.
pub type Again<'w, 'q> = dyn Fn(&Path, &str, u64) -> Result<Option<Hunt<'q>>, Failure> + 'w;

/// One log that was hunted in, on its way into the history.
pub struct Recording<'r> {
    /// The file that holds it.
    path: &'r Path,
    name: &'r str,
    facts: FileFacts,
    observed: Observed,
    findings: &'r [Hit],
}

impl<'r> Recording<'r> {
    /// `zone` is that by which times that lack one were read; `may_retime`: what was recorded by another is told by it.
    pub fn new(
        path: &'r Path,
        report: &'r FileReport,
        observed: Observed,
        findings: &'r [Hit],
        zone: &Zone,
        may_retime: bool,
    ) -> Recording<'r> {
        let facts = FileFacts { zone: zone.to_string(), may_retime, ..facts(path, report) };
        Recording { path, name: &report.file, facts, observed, findings }
    }

    fn tell_left(&self) {
        eprintln!(
            "{}: another process records it, or it grows as it is read; it is not in the history yet, hunt in it again",
            self.name
        );
    }
}

/// What recording a log came to.
#[derive(Clone, Debug, Default)]
pub struct Logged {
    /// Its number in the register, if it is there.
    pub number: Option<i64>,
    /// Of each finding whether an earlier hunt recorded it; nothing where this hunt recorded the log before.
    pub known: Vec<bool>,
    /// Whether it was read by another zone before, and if so, whether the history counts it by this one now.
    pub retimed: Option<bool>,
    /// The zone by which it was recorded before, where its times are told by another here and stay as they were recorded.
    pub other_zone: Option<String>,
}

/// Records logs for a hunt that was begun at some time. A log whose beginning is counted already, together with others,
/// is read `again` from where that ended.
pub fn record(
    history: &Opened<'_>,
    mut recordings: Vec<Recording<'_>>,
    begun: Timestamp,
    again: &Again<'_, '_>,
) -> Result<Vec<Logged>, Failure> {
    let mut all = Vec::new();
    let mut grown = BTreeSet::new();
    for Recording { path, name, facts, findings, .. } in &mut recordings {
        if findings.len() > FINDINGS_PER_FILE_MAX {
            eprintln!(
                "{name}: {} findings, of which the first {FINDINGS_PER_FILE_MAX} are kept; an indicator that matches so \
                 much is suspect",
                findings.len()
            );
        }
        let shorter = history.history().shorter_form(facts)?;
        if let Some(shorter) = &shorter
            && !begins_with(path, Access::Named, facts.packed, shorter)
        {
            // What lay under the name that it had before it was rotated may have been any other.
            if shorter.path == facts.path {
                eprintln!(
                    "{name}: what was recorded of it before has been changed since; it counts as another log, and what was \
                     found in the earlier one stays"
                );
            }
            facts.apart = true;
        }
        if let Some(known) = history.history().under_another_name(facts)? {
            facts.is_copy = is_still_whole(&known);
        }
        if (shorter.is_none() || facts.apart) && history.history().number_of(facts)?.is_none() {
            // Of two that have grown from one, one is it.
            facts.grown_from = renamed(history, path, facts)?.filter(|from| grown.insert(from.sha256));
        }
        let known =
            if findings.is_empty() { None } else { history.history().known_findings(facts, findings)? };
        let known = known.map(|log| if log.recorded < begun { log.findings } else { Vec::new() });
        let mut known = known.unwrap_or_else(|| vec![false; findings.len()]);
        // What there is no room for is not recorded, now or before.
        known.truncate(FINDINGS_PER_FILE_MAX);
        let other_zone = match facts.may_retime {
            true => None,
            false => history.history().recorded_by_another_zone(facts)?,
        };
        all.push(Logged { number: None, retimed: None, other_zone, known });
    }
    let mut logs: Vec<LogToRecord<'_>> = recordings
        .iter_mut()
        .map(|Recording { facts, observed, findings, .. }| LogToRecord {
            facts,
            observed: std::mem::take(observed),
            findings,
        })
        .collect();
    let outcomes = history.record_all(&mut logs)?;
    drop(logs);
    for ((recording, outcome), logged) in recordings.iter().zip(outcomes).zip(&mut all) {
        logged.number = match outcome {
            Ok((number, recorded)) => {
                if let Recorded::Retimed { is_counted, .. } = recorded {
                    logged.retimed = Some(is_counted);
                }
                Some(number)
            }
            Err(HistoryError::Grown { from, .. }) => record_rest(history, recording, from, again, logged)?,
            Err(HistoryError::Taken { .. }) => {
                // A member of an archive may be a copy of another: then what it holds is recorded by now.
                let (facts, findings) = (&recording.facts, recording.findings);
                if history.history().add_findings(facts, findings, worker())?.is_none() {
                    recording.tell_left();
                }
                history.history().number_of(&recording.facts)?
            }
            Err(fault) => return Err(fault.into()),
        };
    }
    Ok(all)
}

/// The recorded log that a file is under another name, with more in it: it begins with all of that, which lies where it
/// was recorded no more.
fn renamed(history: &Opened<'_>, path: &Path, facts: &FileFacts) -> Result<Option<ShorterForm>, Failure> {
    let of_heads = history.history().same_beginnings(facts)?;
    Ok(of_heads
        .into_iter()
        .find(|shorter| begins_with(path, Access::Named, facts.packed, shorter) && !is_still_there(shorter)))
}

/// As [`is_still_there`], of one that has not grown: what else has its name is then told by its size.
fn is_still_whole(log: &ShorterForm) -> bool {
    let is_of_size = |path: &Path| fs::metadata(path).is_ok_and(|facts| facts.len() == log.size);
    let path = Path::new(&log.path);
    (file_of(&log.path).is_some_and(|file| file != path) || is_of_size(path)) && is_still_there(log)
}

/// Whether a recorded log lies where it was recorded. Of what cannot be looked at that is taken for granted.
fn is_still_there(log: &ShorterForm) -> bool {
    match file_of(&log.path) {
        None => false,
        // In an archive.
        Some(file) if file != Path::new(&log.path) => true,
        Some(file) => {
            files::open(&file, Access::FOUND).is_err() || begins_with(&file, Access::FOUND, false, log)
        }
    }
}

/// Records what was added to a log since it was recorded.
fn record_rest(
    history: &Opened<'_>,
    recording: &Recording<'_>,
    from: u64,
    again: &Again<'_, '_>,
    logged: &mut Logged,
) -> Result<Option<i64>, Failure> {
    let Recording { path, name, facts, findings, .. } = recording;
    let Some(rest) = again(path, name, from)? else { return Ok(None) };
    let facts = FileFacts {
        from,
        zone: facts.zone.clone(),
        may_retime: facts.may_retime,
        // Of the whole log, while what is read again is asked from there on alone.
        times: facts.times,
        grown_from: facts.grown_from.clone(),
        ..self::facts(path, &rest.report)
    };
    match history.record(&facts, rest.left.observed, findings) {
        Err(HistoryError::Grown { .. } | HistoryError::Taken { .. }) => recording.tell_left(),
        recorded => {
            if let Recorded::Retimed { is_counted, .. } = recorded? {
                logged.retimed = Some(is_counted);
            }
        }
    }
    Ok(history.history().number_of(&facts)?)
}

/// Whether the file begins with all of what was recorded of it. Where that cannot be told it is another.
fn begins_with(path: &Path, access: Access, is_packed: bool, shorter: &ShorterForm) -> bool {
    let Ok(file) = files::open(path, access) else { return false };
    let content: Box<dyn Read> = match is_packed {
        false => Box::new(file),
        true => match Unpacked::new(BufReader::new(file)) {
            Ok(content) => Box::new(content),
            Err(_) => return false,
        },
    };
    let (mut hash, mut left) = (Sha256::new(), content.take(shorter.size));
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match left.read(&mut buffer) {
            Ok(0) => return <[u8; 32]>::from(hash.finalize()) == shorter.sha256,
            Ok(count) => hash.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

/// The one name that a file has in the register, however it was named today.
pub fn name_of(path: &Path) -> String {
    fs::canonicalize(path).as_deref().unwrap_or(path).display().to_string()
}

/// A file that could not be read: what it may hold was not looked at.
pub fn not_read(history: &Opened<'_>, path: &Path, why: &str) -> Result<(), Failure> {
    Ok(history.history().fail(&name_of(path), why)?)
}

/// What the register keeps of a log. A member of an archive keeps its name behind the archive's.
fn facts(path: &Path, report: &FileReport) -> FileFacts {
    let whole = path.display().to_string();
    let name = match report.file.strip_prefix(whole.as_str()) {
        Some(member) => format!("{}{member}", name_of(path)),
        None => report.file.clone(),
    };
    let mut facts = FileFacts { path: name, ..FileFacts::of_report(report, report.class) };
    facts.unread.extend(report.unparsed.iter().map(|(reason, count, _)| (reason.name().to_owned(), count)));
    facts.days.clone_from(&report.days);
    facts.backward_jumps = report.timeline.jumps_back;
    facts.longest_gap = report
        .timeline
        .gap
        .map(|(from, _)| (from, u64::try_from(report.timeline.longest_gap_seconds()).unwrap_or(0)));
    facts
}

/// What a look back came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookedBack {
    /// Indicators that are new since the last time.
    pub indicators: u64,
    /// Of these, how many were seen before.
    pub seen: u64,
    /// Of these, how many were not, though the history keeps such values only in part.
    pub in_part: u64,
    /// Findings that are new.
    pub findings: u64,
    /// Files that hold something and cannot be opened any more.
    pub gone: u64,
    /// Logs that may hold them and could not be read whole; each was told.
    pub unread: u64,
}

impl LookedBack {
    /// What a person should know of it, if anything.
    pub fn in_words(&self) -> Option<String> {
        let LookedBack { indicators, seen, in_part, findings, gone, unread } = *self;
        let in_part = (in_part > 0).then(|| {
            format!(
                "of {in_part} of {indicators} new indicators the history cannot say that they were not in own logs: names \
                 under no public suffix are kept only where a line says that they are names; `polder hunt` in the logs finds \
                 them"
            )
        });
        if seen == 0 {
            return in_part;
        }
        let in_part = in_part.map_or_else(String::new, |in_part| format!("; {in_part}"));
        let gone = match gone {
            0 => String::new(),
            gone => format!("; {gone} of the logs that may hold them are not there any more"),
        };
        let unread = match unread {
            0 => String::new(),
            unread => format!("; {unread} of these logs could not be read whole, see above"),
        };
        Some(format!(
            "{seen} of {indicators} new indicators were seen in own logs before: {findings} new findings, `polder finding \
             list` shows them{gone}{unread}{in_part}"
        ))
    }
}

/// Looks up in the history the indicators that were appended since the last time, and opens the files again that
/// hold them, to recover the lines. A node without a history has nothing to look up.
pub fn look_back(node: &Node) -> Result<LookedBack, Failure> {
    let mut all = LookedBack::default();
    loop {
        let (indicators, upto) =
            node.store.read(|read| back::new_indicators(read, LOOK_BACK_INDICATORS_MAX))?;
        let Some(upto) = upto else { return Ok(all) };
        let conditions = node.store.read(hunt::query::conditions)?;
        let (lists, said) = node.store.read(warning::load)?;
        said.iter().for_each(|diagnostic| eprintln!("{diagnostic}"));
        let history = Opened::open(node)?;
        let some = look_up(&history, &indicators, &Confirm::new(conditions, lists))?;
        all.indicators += indicators.len() as u64;
        all.seen += some.seen;
        all.in_part += some.in_part;
        all.findings += some.findings;
        all.gone += some.gone;
        all.unread += some.unread;
        node.store.local(|tx| back::looked_back(tx, upto))?;
    }
}

fn look_up(history: &Opened<'_>, indicators: &[Indicator], confirm: &Confirm) -> Result<LookedBack, Failure> {
    let kinds = indicators.iter().map(|indicator| indicator.observable.kind());
    let keep = history.keep_to_ask(kinds)?;
    let (mut told, mut rest) = (LookedBack::default(), indicators);
    while !rest.is_empty() {
        let looked = history.history().look_back(rest, &keep, LOOK_BACK_SOURCES_MAX)?;
        let (some, others) = rest.split_at(looked.asked.clamp(1, rest.len()));
        for unread in &looked.unread {
            let files = history.history().set_aside(&unread.name)?;
            eprintln!(
                "a run of the history is damaged ({}) and was set aside; {files} files are to be hunted again",
                unread.reason
            );
        }
        told.seen += looked.found.len() as u64;
        told.in_part += looked.in_part.len() as u64;
        open_again(history, some, &looked.found, confirm, &mut told)?;
        rest = others;
    }
    Ok(told)
}

/// Opens the files that hold what was seen, each once for all of it.
fn open_again(
    history: &Opened<'_>,
    indicators: &[Indicator],
    found: &[Seen],
    confirm: &Confirm,
    told: &mut LookedBack,
) -> Result<(), Failure> {
    let mut wanted: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for looked in found {
        for file in &looked.files {
            wanted.entry(file).or_default().insert(looked.indicator);
        }
    }
    let mut paths: BTreeMap<PathBuf, (BTreeSet<usize>, Zone)> = BTreeMap::new();
    for (name, numbers) in wanted {
        match file_of(name) {
            Some(path) => {
                let zone = zone_of(history, name)?;
                let (all, _) = paths.entry(path).or_insert_with(|| (BTreeSet::new(), zone));
                all.extend(numbers);
            }
            None => told.gone += 1,
        }
    }
    for (path, (numbers, zone)) in paths {
        let of_file = numbers.iter().filter_map(|nth| indicators.get(*nth).cloned()).collect();
        match recover(history, &path, zone, IndicatorSet::build(of_file), confirm)? {
            Recovered::Read { findings, whole } => {
                told.findings += findings;
                told.unread += u64::from(!whole);
            }
            Recovered::Gone => told.gone += 1,
        }
    }
    Ok(())
}

/// By which zone a registered log was read: UTC if that was not written down. A name that this program's database of
/// zones lacks is told.
fn zone_of(history: &Opened<'_>, name: &str) -> Result<Zone, Failure> {
    let zone = history.history().zone_of(name)?;
    if zone.is_empty() {
        return Ok(Zone::UTC);
    }
    Ok(Zone::parse(&zone).unwrap_or_else(|error| {
        eprintln!(
            "polder: {name}: it was hunted in by the zone {zone}: {error}; what is found in it is told in UTC"
        );
        Zone::UTC
    }))
}

/// The file that holds a registered log, which may be a member of an archive; `None` if there is none any more.
fn file_of(name: &str) -> Option<PathBuf> {
    let is_file = |path: &Path| Access::FOUND.facts(path).is_ok_and(|facts| facts.is_file());
    let whole = Path::new(name);
    // What came from stdin or a listener has no path.
    if !whole.is_absolute() {
        return None;
    }
    let archives = name.rmatch_indices('!').filter_map(|(at, _)| name.get(..at)).map(Path::new);
    std::iter::once(whole).chain(archives).find(|path| is_file(path)).map(Path::to_owned)
}

/// What became of a log that was looked for again.
enum Recovered {
    /// New findings, and whether all of it was read; what was not is told.
    Read { findings: u64, whole: bool },
    /// No file is there any more.
    Gone,
}

/// The lines of a file that hold the indicators of a set. Findings count only for
/// logs whose content is registered: what else now lies there was never hunted in, and is left to the next hunt.
fn recover(
    history: &Opened<'_>,
    path: &Path,
    zone: Zone,
    set: IndicatorSet,
    confirm: &Confirm,
) -> Result<Recovered, Failure> {
    let stop = AtomicBool::new(false);
    let lookout = Lookout {
        set: &set,
        confirm: Some(confirm),
        patterns: None,
        rules: None,
        detectors: None,
        stop: &stop,
    };
    let clock = Clock { zone, reference: Some(super::written(path)), year_turns: None };
    let (mut added, mut whole, mut from) = (0, true, Some(Begin::default()));
    while let Some(begin) = from {
        // Whoever writes logs may have put a link or a pipe there since.
        let file = match files::open(path, Access::FOUND) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), NotFound | InvalidInput | IsADirectory) => {
                return Ok(Recovered::Gone);
            }
            Err(error) => {
                eprintln!(
                    "polder: {}: it cannot be opened: {error}; new indicators were not looked up in its lines, hunt in it \
                     again",
                    path.display()
                );
                return Ok(Recovered::Read { findings: added, whole: false });
            }
        };
        let mut pass = Pass::of(path, file, begin, &clock, &lookout);
        if begin == Begin::default() {
            pass.diagnostics.iter().for_each(|diagnostic| eprintln!("{diagnostic}"));
        }
        whole &= pass.whole;
        from = pass.rest.take();
        for (report, findings) in pass.logs.iter().filter(|(_, findings)| !findings.is_empty()) {
            let facts = facts(path, report);
            added += history.history().add_findings(&facts, findings, NOBODYS)?.unwrap_or(0);
        }
    }
    Ok(Recovered::Read { findings: added, whole })
}

/// A line of one of the logs of a file: the number of the log, that of the line, and how many findings of the log lie
/// before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Begin {
    log: usize,
    line: u64,
    before: usize,
}

/// What reading a file once came to.
struct Pass {
    logs: Vec<(FileReport, Vec<Hit>)>,
    diagnostics: Vec<Diagnostic>,
    /// Whether all of it was read.
    whole: bool,
    /// From where on findings had no room.
    rest: Option<Begin>,
}

impl Pass {
    /// Holds the findings from some line on, as far as there is room for them.
    fn of(path: &Path, file: fs::File, begin: Begin, clock: &Clock, lookout: &Lookout<'_>) -> Pass {
        let mut pass = Pass { logs: Vec::new(), diagnostics: Vec::new(), whole: true, rest: None };
        let (mut number, mut bytes) = (0, 0);
        let name = path.display().to_string();
        let archive = read_logs(Input::File(Box::new(file)), &name, &mut |name, source| {
            let mut findings: Vec<Hit> = Vec::new();
            let before = if number == begin.log { begin.before } else { 0 };
            let first = if number == begin.log { begin.line } else { 0 };
            let hunt = hunt_source(source, name, clock, lookout, 1, None, &mut |part| {
                for hit in
                    part.hits.into_iter().filter(|hit| number >= begin.log && hit.finding.line >= first)
                {
                    let is_next_line =
                        findings.last().is_none_or(|last| last.finding.line < hit.finding.line);
                    if bytes > LOOK_BACK_BYTES_MAX && is_next_line && pass.rest.is_none() {
                        let before = before + findings.len();
                        pass.rest = Some(Begin { log: number, line: hit.finding.line, before });
                    }
                    if pass.rest.is_none() && before + findings.len() < FINDINGS_PER_FILE_MAX {
                        bytes += bytes_of(&hit);
                        findings.push(hit);
                    }
                }
            });
            pass.whole &= hunt.report.whole;
            pass.diagnostics.extend(hunt.report.diagnostics.iter().cloned());
            pass.logs.push((hunt.report, findings));
            number += 1;
        });
        if let Some(facts) = archive {
            pass.diagnostics.splice(0..0, facts.diagnostics);
            pass.whole &= facts.whole;
        }
        pass
    }
}
