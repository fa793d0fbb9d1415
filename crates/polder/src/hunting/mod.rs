// SPDX-License-Identifier: Apache-2.0
//! `polder hunt` and `polder seen`.

mod files;
mod gather;
mod live;
mod outputs;
mod pool;
mod progress;
mod sought;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hunt::detection::Level;
use hunt::finding::Finding;
use hunt::history::{self, record_file};
use hunt::limits::FINDINGS_PER_FILE_MAX;
use hunt::reader::Source;
use hunt::report::{Hit, Summary};
use hunt::run::{FileReport, Hunt, Lookout, Options, Part, hunt_source};
use hunt::time::Clock;
use model::diagnostic::shown;
use model::observable::{Observable, refang};
use model::time::Timestamp;
use serde_json::{Value, json};

use crate::cli;
use crate::failure::{Exit, Failure};
use crate::node::{Node, now};
use crate::out::say;

use gather::Gathering;
use pool::Message;
use progress::Progress;
use sought::Quarry;

/// Sources that `seen` names on a terminal.
const SOURCES_SHOWN: usize = 10;

/// Runs `hunt`.
pub fn run(args: &cli::Hunt) -> Result<Exit, Failure> {
    // A list says what to hunt for: a node that is only in the environment is left alone.
    let dir = args.dir.as_ref().or(args.default_dir.as_ref().filter(|_| args.indicators.is_empty()));
    let node = match dir {
        Some(dir) => Some(Node::open(&cli::Data { dir: dir.clone() })?),
        None => None,
    };
    let quarry = sought::quarry(args, node.as_ref())?;
    let mut paths = Vec::new();
    for path in &args.paths {
        files::collect(path, &mut paths)?;
    }
    let mut summary = Summary::new(now());
    summary.organisation = node.as_ref().map(|node| node.root.name.clone()).unwrap_or_default();
    summary.sought = quarry.sought.clone();
    let (summary, partial) = hunt_all(args, node.as_ref(), &quarry, &paths, summary)?;
    outputs::write(args, &summary)?;
    let found = summary.hit_count() + summary.detection_count() > 0;
    Ok(match (found, partial) {
        (_, true) => Exit::Partial,
        (false, false) => Exit::NotFound,
        (true, false) => Exit::Done,
    })
}

fn hunt_all(
    args: &cli::Hunt,
    node: Option<&Node>,
    quarry: &Quarry,
    paths: &[PathBuf],
    summary: Summary,
) -> Result<(Summary, bool), Failure> {
    let threads = match args.threads {
        Some(threads) => usize::from(threads),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let stop = stop_when_told()?;
    let lookout = Lookout {
        set: &quarry.set,
        confirm: Some(&quarry.confirm),
        patterns: Some(&quarry.patterns),
        rules: Some(&quarry.engine),
        detectors: quarry.detectors.as_ref(),
        stop: &stop,
    };
    // Threads that no file is left for scan blocks of the others.
    let workers = threads.min(paths.len()).max(1);
    let options = Options { history: node.is_some(), threads: (threads / workers).max(1) };
    let progress = Progress::new(files::total_bytes(paths));
    let mut gathering = Gathering::new(summary, quarry, args.min_level.unwrap_or(Level::Medium));
    let begun = stopwatch();
    std::thread::scope(|scope| {
        scope.spawn(|| progress.show());
        let done = hunt_each(node, paths, (&lookout, &options, &progress), workers, &mut gathering);
        progress.finish();
        done
    })?;
    gathering.summary.duration = begun.elapsed();
    Ok(gathering.finish())
}

/// Hunts in all files; takes what comes of them, in their order.
fn hunt_each<'q>(
    node: Option<&Node>,
    paths: &[PathBuf],
    (lookout, options, progress): (&Lookout<'q>, &Options, &Progress),
    workers: usize,
    gathering: &mut Gathering<'q>,
) -> Result<(), Failure> {
    let job = |nth: usize, on_part: &mut dyn FnMut(Part)| match paths.get(nth) {
        Some(path) => hunt_file(path, lookout, options, progress, on_part).map(|hunt| vec![hunt]),
        None => Ok(Vec::new()),
    };
    // Of the file whose turn it is: they are recorded when it ends.
    let mut found: Vec<Hit> = Vec::new();
    pool::run(paths.len(), workers, &job, &mut |nth, message| {
        let ended = match message {
            Message::Part(part) => {
                found.extend(part.hits);
                part.detections.into_iter().for_each(|detection| gathering.detection(detection));
                return Ok(());
            }
            Message::End(ended) => ended,
        };
        let found = std::mem::take(&mut found);
        match ended {
            Ok(hunts) => {
                for mut hunt in hunts {
                    tell(&hunt.report);
                    if let Some(node) = node.filter(|_| !hunt.report.stopped) {
                        record(node, &hunt, &found)?;
                    }
                    gathering.end(&hunt.report, &mut hunt.left);
                }
            }
            // A log that was rotated away, or may not be read, does not keep the others from being read.
            Err(failure) if paths.len() > 1 => {
                eprintln!("polder: {failure}; the other files are read all the same");
                let path = paths.get(nth).map(|path| path.display().to_string()).unwrap_or_default();
                gathering.not_read(path, failure.message);
            }
            Err(failure) => return Err(failure),
        }
        gathering.hits(found);
        Ok(())
    })
}

/// What went wrong with a log.
fn tell(report: &FileReport) {
    report.diagnostics.iter().for_each(|d| eprintln!("{d}"));
}

#[expect(clippy::disallowed_methods, reason = "how long a hunt takes is told to a person")]
fn stopwatch() -> std::time::Instant {
    std::time::Instant::now()
}

/// Hunts in one file.
fn hunt_file<'q>(
    path: &Path,
    lookout: &Lookout<'q>,
    options: &Options,
    progress: &Progress,
    on_part: &mut dyn FnMut(Part),
) -> Result<Hunt<'q>, Failure> {
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
fn record(node: &Node, hunt: &Hunt<'_>, found: &[Hit]) -> Result<(), Failure> {
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
    let found: Vec<Finding> = found.iter().map(|hit| hit.finding.clone()).collect();
    node.store.local(|tx| record_file(tx, &report, &hunt.left.observed, &found, now()))?;
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
