// SPDX-License-Identifier: Apache-2.0
//! `polder hunt`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use hunt::event::SourceClass;
use hunt::finding::Finding;
use hunt::history::{FileFacts, HistoryError, Observed};
use hunt::indicator::{Indicator, Reading, read_csv, read_list};
use hunt::limits::{FINDINGS_PER_FILE_MAX, LIST_BYTES_MAX};
use hunt::run::{FileReport, Hunt, Options, hunt_into};
use hunt::scan::IndicatorSet;
use hunt::standard::read_bundle;
use model::diagnostic::{Diagnostic, shown};
use serde_json::{Value, json};

use crate::cli;
use crate::failure::{Exit, Failure};
use crate::history::Opened;
use crate::input::Input;
use crate::node::Node;
use crate::out::say;

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
    let history = node.as_ref().map(Opened::open).transpose()?;
    // What is observed goes where the node's history is; without one nothing is collected.
    let observed = history.as_ref().map(Opened::observed).transpose()?.unwrap_or_default();
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
    hunt_all(&paths, &set, threads, (node.is_some(), &observed), &mut |result| {
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
        if let Some(history) = &history {
            record(history, &set, hunt, &found)?;
        }
        for finding in &found {
            let line = if args.json { finding_json(finding).to_string() } else { finding_line(finding) };
            say!("{line}");
        }
        Ok(())
    })?;
    if let Some(history) = &history {
        history.tidy_after_hunt()?;
    }
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

type FileResult = Result<(Hunt, Vec<Finding>), Failure>;

/// One file each for the threads; results are handed on in the order of the paths.
fn hunt_all(
    paths: &[PathBuf],
    set: &IndicatorSet,
    threads: usize,
    (history, observed): (bool, &Observed),
    each: &mut dyn FnMut(FileResult) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let workers = threads.min(paths.len()).max(1);
    // Threads that no file is left for scan blocks of the others.
    let options = Options { history, threads: (threads / workers).max(1) };
    if workers == 1 {
        return paths.iter().try_for_each(|path| each(hunt_file(path, set, &options, observed.another(), 0)));
    }
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (results, arriving) = channel();
        for _ in 0..workers {
            let (next, results) = (&next, results.clone());
            scope.spawn(move || {
                while let Some((nth, path)) = {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    paths.get(nth).map(|path| (nth, path))
                } {
                    if results.send((nth, hunt_file(path, set, &options, observed.another(), 0))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        let (mut waiting, mut wanted) = (BTreeMap::new(), 0);
        for (nth, result) in arriving {
            waiting.insert(nth, result);
            while let Some(result) = waiting.remove(&wanted) {
                wanted += 1;
                if let Err(failure) = each(result) {
                    // The others stop at their next file.
                    next.store(paths.len(), Ordering::Relaxed);
                    return Err(failure);
                }
            }
        }
        Ok(())
    })
}

fn hunt_file(
    path: &Path,
    set: &IndicatorSet,
    options: &Options,
    observed: Observed,
    from: u64,
) -> FileResult {
    let mut found = Vec::new();
    let name = path.display().to_string();
    let mut keep = |finding| found.push(finding);
    let hunt = if name == "-" {
        hunt_into(&mut io::stdin().lock(), "stdin", set, options, observed, from, &mut keep)
    } else {
        let mut file = File::open(path).map_err(|e| Failure::io("read", path, &e))?;
        hunt_into(&mut file, &name, set, options, observed, from, &mut keep)
    };
    Ok((hunt, found))
}

/// Register, history and findings of one file.
fn record(history: &Opened<'_>, set: &IndicatorSet, hunt: Hunt, found: &[Finding]) -> Result<(), Failure> {
    let name = hunt.report.file.clone();
    if found.len() > FINDINGS_PER_FILE_MAX {
        eprintln!(
            "{name}: {} findings, of which the first {FINDINGS_PER_FILE_MAX} are kept; an indicator that matches so much is \
             suspect",
            found.len()
        );
    }
    // One file has one name in the register, however it was named today.
    let path = fs::canonicalize(&name).map_or_else(|_| name.clone(), |path| path.display().to_string());
    let facts = |report: &FileReport| FileFacts {
        path: path.clone(),
        ..FileFacts::of_report(report, SourceClass::default())
    };
    match history.record(&facts(&hunt.report), hunt.observed, found) {
        // Its beginning is counted, together with other files: only what was added counts now.
        Err(HistoryError::Grown { from, .. }) => {
            let options = Options { history: true, threads: 1 };
            let (rest, _) = hunt_file(Path::new(&name), set, &options, history.observed()?, from)?;
            let facts = FileFacts { from, ..facts(&rest.report) };
            history.record(&facts, rest.observed, found)?;
        }
        // It is recorded all the same.
        Err(HistoryError::Taken { .. }) => {}
        recorded => drop(recorded?),
    }
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

/// `1 file`, `2 files`.
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
