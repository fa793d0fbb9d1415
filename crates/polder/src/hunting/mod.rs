// SPDX-License-Identifier: Apache-2.0
//! `polder hunt` and `polder seen`.

mod live;
mod pool;
mod progress;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hunt::finding::Finding;
use hunt::history::{self, record_file};
use hunt::indicator::{Indicator, Reading, read_csv, read_list};
use hunt::limits::{FINDINGS_PER_FILE_MAX, LIST_BYTES_MAX};
use hunt::run::{FileReport, Hunt, Options, hunt_input};
use hunt::scan::IndicatorSet;
use hunt::standard::read_bundle;
use model::diagnostic::{Diagnostic, shown};
use model::observable::{Observable, refang};
use model::time::Timestamp;
use serde_json::{Value, json};

use crate::cli;
use crate::failure::{Exit, Failure};
use crate::input::Input;
use crate::node::{Node, now};
use crate::out::say;

/// Sources that `seen` names on a terminal.
const SOURCES_SHOWN: usize = 10;

/// What became of all logs.
#[derive(Default)]
struct Tally {
    findings: u64,
    files: u64,
    lines: u64,
    unread_lines: u64,
    partial: bool,
}

/// Runs `hunt`.
pub fn run(args: &cli::Hunt) -> Result<Exit, Failure> {
    // A list says what to hunt for: a node that is only in the environment is left alone.
    let dir = args.dir.as_ref().or(args.default_dir.as_ref().filter(|_| args.indicators.is_empty()));
    if dir.is_none() && args.indicators.is_empty() {
        return Err(Failure::usage(
            "name what to hunt for: --data DIR for a node's indicators, --indicators FILE for a list",
        ));
    }
    let node = match dir {
        Some(dir) => Some(Node::open(&cli::Data { dir: dir.clone() })?),
        None => None,
    };
    let mut tally = Tally::default();
    let set = indicators(args, node.as_ref(), &mut tally)?;
    let mut paths = Vec::new();
    for path in &args.paths {
        collect(path, &mut paths)?;
    }
    let threads = match args.threads {
        Some(threads) => usize::from(threads),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    hunt_all(&paths, &set, threads, node.is_some(), &mut |result| {
        // A log that was rotated away, or may not be read, does not keep the others from being read.
        let (hunt, found) = match result {
            Ok(both) => both,
            Err(failure) if paths.len() > 1 => {
                eprintln!("polder: {failure}; the other files are read all the same");
                tally.partial = true;
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        tally.add(&hunt.report);
        if let Some(node) = &node {
            record(node, &hunt, &found)?;
        }
        for finding in &found {
            let line = if args.json { finding_json(finding).to_string() } else { finding_line(finding) };
            say!("{line}");
        }
        Ok(())
    })?;
    let Tally { findings, files, lines, unread_lines, partial } = tally;
    eprintln!(
        "{findings} hits of {} indicators in {files} files, {lines} lines, of them {unread_lines} could not be read",
        set.len()
    );
    Ok(match (findings, partial) {
        (_, true) => Exit::Partial,
        (0, false) => Exit::NotFound,
        _ => Exit::Done,
    })
}

impl Tally {
    fn add(&mut self, report: &FileReport) {
        self.findings += report.findings;
        self.files += 1;
        self.lines += report.lines;
        self.unread_lines += report.unread_lines;
        self.partial |= !report.whole || report.unread_lines > 0;
        report.diagnostics.iter().for_each(|d| eprintln!("{d}"));
        if report.expired > 0 {
            eprintln!(
                "{}: {} matches of indicators that had ceased to hold were left out",
                report.file, report.expired
            );
        }
    }
}

fn indicators(args: &cli::Hunt, node: Option<&Node>, tally: &mut Tally) -> Result<IndicatorSet, Failure> {
    let mut all: Vec<Indicator> = Vec::new();
    if let Some(node) = node {
        all.extend(node.store.read(hunt::query::indicators)?);
    }
    for path in &args.indicators {
        let reading = read_indicators(path)?;
        reading.diagnostics.iter().for_each(|d| eprintln!("{d}"));
        tally.partial |= reading.refused > 0;
        all.extend(reading.indicators);
    }
    // A node may hold no indicator yet and hunt for the sake of the history; a list without any is a mistake.
    if all.is_empty() && node.is_none() {
        return Err(Failure::usage("there is no indicator in what --indicators names; nothing was hunted"));
    }
    let set = IndicatorSet::build(all);
    set.diagnostics().iter().for_each(|d: &Diagnostic| eprintln!("{d}"));
    Ok(set)
}

fn read_indicators(path: &Path) -> Result<Reading, Failure> {
    let mut input = Input::open(path, &std::env::temp_dir())?;
    let mut bytes = Vec::new();
    let limit = LIST_BYTES_MAX as u64 + 1;
    input.reader()?.take(limit).read_to_end(&mut bytes).map_err(|e| Failure::io("read", path, &e))?;
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let is_json = matches!(text.iter().find(|b| !b.is_ascii_whitespace()), Some(b'{' | b'['));
    let is_csv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    Ok(match (is_json, is_csv) {
        (true, _) => read_bundle(&bytes, &input.name),
        (false, true) => read_csv(&bytes, &input.name),
        (false, false) => read_list(&bytes, &input.name),
    })
}

/// Files below a path, sorted, so that output has one order.
fn collect(path: &Path, into: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if path == Path::new("-") || !path.is_dir() {
        into.push(path.to_owned());
        return Ok(());
    }
    let fault = |e: io::Error| Failure::io("list", path, &e);
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(path).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let kind = entry.file_type().map_err(fault)?;
        // A link may lead round in a circle, a pipe may never end.
        if kind.is_dir() || kind.is_file() {
            entries.push(entry.path());
        } else {
            eprintln!(
                "{}: not a file, not read; name it to read it",
                shown(&entry.path().display().to_string())
            );
        }
    }
    entries.sort();
    entries.iter().try_for_each(|entry| collect(entry, into))
}

/// Hunts in one file.
fn hunt_file(
    path: &Path,
    lookout: &Lookout<'_>,
    options: &Options,
    progress: &Progress,
    on_part: &mut dyn FnMut(Part),
) -> Result<Hunt, Failure> {
    let name = path.display().to_string();
    if name == "-" {
        let source = Source::new(progress.count(io::stdin().lock()), "stdin");
        return Ok(hunt_source(source, "stdin", &Clock::default(), lookout, options, on_part));
    }
    let file = File::open(path).map_err(|e| Failure::io("read", path, &e))?;
    let source = Source::new(progress.count(file), &name);
    Ok(hunt_source(source, &name, &Clock::default(), lookout, options, on_part))
}

/// Raised by Ctrl-C and SIGTERM; a second one ends the program at once.
fn stop_when_told() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // In this order: at the first signal the flag is not raised yet.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(|e| Failure::machine(format!("cannot take signals: {e}")))?;
    }
    Ok(stop)
}

/// Register, history and findings of one file, in one transaction.
fn record(node: &Node, hunt: &Hunt, found: &[Finding]) -> Result<(), Failure> {
    if found.len() > FINDINGS_PER_FILE_MAX {
        eprintln!(
            "{}: {} findings, of which the first {FINDINGS_PER_FILE_MAX} are kept; an indicator that matches so much is \
             suspect",
            hunt.report.file,
            found.len()
        );
    }
    // One file has one name in the register, however it was named today.
    let path = fs::canonicalize(&hunt.report.file);
    let file = path.map_or_else(|_| hunt.report.file.clone(), |path| path.display().to_string());
    let report = FileReport { file, ..hunt.report.clone() };
    node.store.local(|tx| record_file(tx, &report, &hunt.observed, found, now()))?;
    Ok(())
}

/// A finding as `docs/json.md` has it.
pub fn finding_json(finding: &Finding) -> Value {
    json!({
        "file": finding.file, "line": finding.line, "offset": finding.offset,
        "time": finding.time.map(|t| t.to_string()), "kind": finding.kind.name(), "value": finding.value,
        "indicator": finding.indicator, "text": finding.text, "lossy": finding.lossy,
    })
}

/// A finding for a person.
pub fn finding_line(finding: &Finding) -> String {
    let time = finding.time.map_or_else(|| "-".to_owned(), |t| t.to_string()[..19].replace('T', " "));
    let Finding { file, line, value, indicator, .. } = finding;
    let (file, value, indicator) = (shown(file), shown(value), shown(indicator));
    format!("{file}:{line}  {time}  {} {value}  ({indicator})", finding.kind.name())
}

/// Runs `seen`.
pub fn seen(args: &cli::Seen) -> Result<Exit, Failure> {
    let node = Node::open(&args.data)?;
    let text = refang(&args.value);
    let observable = Observable::guess(&text)
        .ok_or_else(|| Failure::usage(format!("`{}` is no address, network, domain or hash", args.value)))?;
    let (seen, coverage) = node.store.read(|read| {
        let seen = history::seen(read, &observable, args.subdomains)?;
        Ok::<_, ledger::sql::EngineError>((seen, history::coverage(read)?))
    })?;
    let exit = if seen.count > 0 { Exit::Done } else { Exit::NotFound };
    let time = |t: Option<Timestamp>| t.map(|t| t.to_string());
    if args.json {
        let sources: Vec<Value> = seen
            .sources
            .iter()
            .map(
                |s| json!({ "file": s.file, "first": time(s.first), "last": time(s.last), "count": s.count }),
            )
            .collect();
        say!(
            "{}",
            json!({
                "value": observable.display(), "kind": observable.kind().name(), "seen": seen.count > 0,
                "first": time(seen.first), "last": time(seen.last), "count": seen.count, "days": seen.days,
                "sources": sources, "more_sources": seen.more_sources,
                "coverage": {
                    "files": coverage.files, "partial_files": coverage.partial_files, "lines": coverage.lines,
                    "unread_lines": coverage.unread_lines, "first": time(coverage.first), "last": time(coverage.last),
                },
            })
        );
        return Ok(exit);
    }
    let known = |t: Option<Timestamp>| time(t).unwrap_or_else(|| "an unknown time".to_owned());
    if seen.count > 0 {
        say!(
            "{} was seen {} on {}, from {} to {}",
            observable.display(),
            counted(seen.count, "time"),
            counted(seen.days, "day"),
            known(seen.first),
            known(seen.last)
        );
        seen.sources
            .iter()
            .take(SOURCES_SHOWN)
            .for_each(|s| say!("  {}  {}", s.file, counted(s.count, "time")));
        let more = seen.sources.len().saturating_sub(SOURCES_SHOWN) as u64 + seen.more_sources;
        if more > 0 {
            say!("  and {more} more files; --json names them");
        }
    } else {
        say!("{} was never seen in what was read", observable.display());
    }
    if coverage.files == 0 {
        say!("no log has been hunted on this node yet; `polder hunt --data DIR PATH` reads them");
    } else {
        say!(
            "This rests on {} ({} of them in part), {}, from {} to {}; logs that were not hunted are not in it.",
            counted(coverage.files, "file"),
            coverage.partial_files,
            counted(coverage.lines, "line"),
            known(coverage.first),
            known(coverage.last)
        );
    }
    Ok(exit)
}

/// `1 file`, `2 files`.
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
