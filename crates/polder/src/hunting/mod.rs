// SPDX-License-Identifier: Apache-2.0
//! `polder hunt`.

mod coverage;
mod files;
mod follow;
mod gather;
mod live;
mod outputs;
mod pool;
mod progress;
mod record;
mod sought;
mod tidings;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, UNIX_EPOCH};

use hunt::back;
use hunt::finding::Finding;
use hunt::reader::{Input, read_logs};
use hunt::report::{Hit, Summary};
use hunt::rule;
use hunt::run::{Hunt, Keeping, Lookout, Part, hunt_source};
use hunt::time::Clock;
use model::diagnostic::shown;
use model::time::Timestamp;
use model::zone::Zone;
use serde_json::{Value, json};

use crate::cli;
use crate::failure::{Exit, Failure};
use crate::finding::approve::approve;
use crate::finding::fill_indicators;
use crate::history::Opened;
use crate::node::{Node, now};
use crate::notify;

use gather::{Gathered, Gathering};
use pool::Message;
use progress::Progress;
use sought::Quarry;

pub use live::Listen;
pub use record::look_back;

/// Bytes of findings of one file that are held until it ends; of more the number is told.
const HELD_BYTES_MAX: usize = 512 * 1024 * 1024;
/// About what a finding takes besides its line.
const HIT_BYTES: usize = 512;

/// Runs `hunt`.
pub fn run(args: &cli::Hunt) -> Result<Exit, Failure> {
    // A list says what to hunt for: a node that is only in the environment is left alone.
    let only_lists = !args.quarry.indicators.is_empty() || !args.quarry.rules.is_empty();
    let dir = args.dir.as_ref().or(args.default_dir.as_ref().filter(|_| !only_lists));
    let node = match dir {
        Some(dir) => Some(Node::open(&cli::Data { dir: dir.clone() })?),
        None => None,
    };
    let settings = args.output.notify.as_deref().map(notify::settings).transpose()?;
    let history = node.as_ref().map(Opened::open).transpose()?;
    let quarry = sought::quarry(&args.quarry, node.as_ref())?;
    let mut paths = Vec::new();
    for path in &args.paths {
        files::collect(path, &mut paths)?;
    }
    let mut summary = Summary::new(now());
    summary.organisation = node.as_ref().map(|node| node.root.name.clone()).unwrap_or_default();
    summary.sought = quarry.sought.clone();
    let job = Job { args, history: history.as_ref(), quarry: &quarry, stop: stop_when_told()? };
    let known = node.as_ref().map(|node| node.store.read(back::newest)).transpose()?;
    let Gathered { mut summary, partial, counts, onward } = job.hunt_all(&paths, summary)?;
    if let (Some(node), Some(history)) = (&node, &history) {
        node.store.local(|tx| rule::add_counts(tx, &counts))?;
        coverage::declared(history, &mut summary)?;
        fill_indicators(node, &mut summary)?;
        history.tidy_after_hunt()?;
        // Indicators that arrived meanwhile were looked up before these logs were in the history.
        node.store.local(|tx| back::look_back_from(tx, known.unwrap_or(0)))?;
        if let Some(told) = look_back(node)?.in_words() {
            eprintln!("{told}");
        }
        for approved in approve(node)? {
            eprintln!("{}", approved.in_words());
        }
    }
    if !paths.is_empty() {
        outputs::write(&args.output, node.as_ref(), &summary)?;
    }
    if let (Some(node), Some(settings)) = (&node, &settings) {
        notify::announce(node, &summary, settings)?;
    }
    let mut found = summary.hit_count() + summary.detection_count() > 0;
    if job.goes_on() && !summary.stopped {
        // From where the files were read to: what was added since is followed, too.
        let followed = job.places(&paths, &summary);
        found |= job.follow(&followed, onward, node.as_ref(), settings.as_ref())?;
        return Ok(if found { Exit::Done } else { Exit::NotFound });
    }
    // Of nothing that was read nothing can be said.
    let partial = partial || summary.stopped || summary.lines() == 0;
    Ok(match (found, partial) {
        (_, true) => Exit::Partial,
        (false, false) => Exit::NotFound,
        (true, false) => Exit::Done,
    })
}

/// A hunt that is under way.
struct Job<'j> {
    args: &'j cli::Hunt,
    history: Option<&'j Opened<'j>>,
    quarry: &'j Quarry,
    /// Raised by Ctrl-C.
    stop: Arc<AtomicBool>,
}

impl<'j> Job<'j> {
    fn lookout<'a>(&'a self) -> Lookout<'a> {
        Lookout {
            set: &self.quarry.set,
            confirm: Some(&self.quarry.confirm),
            patterns: Some(&self.quarry.patterns),
            rules: self.quarry.engine.as_ref(),
            detectors: self.quarry.detectors.as_ref(),
            stop: &self.stop,
        }
    }

    fn zone(&self) -> Zone {
        self.args.reading.tz.clone().unwrap_or(Zone::UTC)
    }

    fn hunt_all(&self, paths: &[PathBuf], summary: Summary) -> Result<Gathered, Failure> {
        let threads = match self.args.reading.threads {
            Some(threads) => usize::from(threads),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let lookout = self.lookout();
        // Threads that no file is left for scan blocks of the others.
        let workers = threads.min(paths.len()).max(1);
        let progress = Arc::new(Progress::new(files::total_bytes(paths)));
        let each =
            Each { job: self, lookout: &lookout, threads: (threads / workers).max(1), progress: &progress };
        let mut gathering = Gathering::new(summary, self.quarry, self.args.quarry.min_level);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| progress.show(&self.stop));
            let done = each.run(paths, workers, &mut gathering);
            progress.finish();
            done
        })?;
        gathering.summary.duration = begun.elapsed();
        Ok(gathering.finish(self.goes_on().then(follow::open_since)))
    }
}

/// One file after the other.
struct Each<'e, 'j> {
    job: &'e Job<'j>,
    lookout: &'e Lookout<'e>,
    threads: usize,
    progress: &'e Arc<Progress>,
}

impl<'e> Each<'e, '_> {
    /// Hunts in all files; takes what comes of them, in their order.
    fn run(&self, paths: &[PathBuf], workers: usize, gathering: &mut Gathering<'e>) -> Result<(), Failure> {
        let hunt = |nth: usize, on_part: &mut dyn FnMut(Part)| match paths.get(nth) {
            Some(path) => self.file(path, 0, on_part),
            None => Ok(Vec::new()),
        };
        // Of the file whose turn it is: they are recorded when it ends.
        let (mut found, mut held): (Vec<Hit>, usize) = (Vec::new(), 0);
        pool::run(paths.len(), workers, &hunt, &mut |nth, message| {
            let path = paths.get(nth).map_or(Path::new(""), PathBuf::as_path);
            match message {
                Message::Part(part) => {
                    let bytes: usize = part.hits.iter().map(|hit| hit.finding.text.len() + HIT_BYTES).sum();
                    if held.saturating_add(bytes) > HELD_BYTES_MAX {
                        gathering.summary.more_hits += part.hits.len() as u64;
                    } else {
                        held += bytes;
                        found.extend(part.hits);
                    }
                    part.detections.into_iter().for_each(|detection| gathering.detection(detection));
                    Ok(())
                }
                Message::End(Ok(hunts)) => {
                    held = 0;
                    self.end(path, hunts, std::mem::take(&mut found), gathering)
                }
                // A log that was rotated away, or may not be read, does not keep the others from being read.
                Message::End(Err(failure)) if paths.len() > 1 => {
                    eprintln!("polder: {failure}; the other files are read all the same");
                    gathering.not_read(path.display().to_string(), failure.message);
                    gathering.hits(std::mem::take(&mut found));
                    Ok(())
                }
                Message::End(Err(failure)) => Err(failure),
            }
        })
    }

    /// A file came to its end: each log in it is recorded.
    fn end(
        &self,
        path: &Path,
        hunts: Vec<Hunt<'e>>,
        found: Vec<Hit>,
        gathering: &mut Gathering<'e>,
    ) -> Result<(), Failure> {
        let mut of_logs: HashMap<&str, Vec<Finding>> = HashMap::new();
        for hit in found.iter().filter(|_| self.job.history.is_some()) {
            of_logs.entry(&hit.finding.file).or_default().push(hit.finding.clone());
        }
        for mut hunt in hunts {
            hunt.report.diagnostics.iter().for_each(|d| eprintln!("{d}"));
            if let Some(history) = self.job.history.filter(|_| !hunt.report.stopped) {
                let findings = of_logs.remove(hunt.report.file.as_str()).unwrap_or_default();
                let observed = std::mem::take(&mut hunt.left.observed);
                let zone = self.job.zone();
                let recording =
                    record::Recording { history, path, report: &hunt.report, findings: &findings, zone };
                recording.record(observed, &|from| self.again(path, &hunt.report.file, from))?;
            }
            gathering.end(&hunt.report, &mut hunt.left);
        }
        drop(of_logs);
        gathering.hits(found);
        Ok(())
    }

    /// One log of a file again, for what it holds from some offset on.
    fn again(&self, path: &Path, log: &str, from: u64) -> Result<Option<Hunt<'e>>, Failure> {
        let hunts = self.file(path, from, &mut |_| {})?;
        Ok(hunts.into_iter().find(|hunt| hunt.report.file == log))
    }

    /// Hunts in one file: in it, or in each log that it packs.
    fn file(&self, path: &Path, from: u64, on_part: &mut dyn FnMut(Part)) -> Result<Vec<Hunt<'e>>, Failure> {
        let name = path.display().to_string();
        let clock = Clock { zone: self.job.zone(), reference: Some(written(path)), year_turns: None };
        let mut hunts = Vec::new();
        let mut keeping = Vec::new();
        // Locked where it is read alone: a thread that waits for its turn would keep all others from their files.
        let mut stdin;
        let (input, name) = if name == "-" {
            stdin = io::stdin().lock();
            (Input::Stream(&mut stdin), "stdin".to_owned())
        } else {
            let file = File::open(path).map_err(|e| Failure::io("read", path, &e))?;
            if file.metadata().is_ok_and(|facts| facts.is_dir()) {
                return Err(Failure::usage(format!("{name} is a directory now; it is left out")));
            }
            (Input::File(Box::new(Progress::count(self.progress, file))), name)
        };
        // What is kept is asked for once, and may fail; inside the callback nothing can.
        keeping.extend(self.job.history.map(Opened::observed).transpose()?);
        let archive = read_logs(input, &name, &mut |name, source| {
            let keeping = keeping.first().map(|observed| Keeping { observed: observed.another(), from });
            hunts.push(hunt_source(source, name, &clock, self.lookout, self.threads, keeping, on_part));
        });
        if let Some(archive) = archive {
            archive.diagnostics.iter().for_each(|d| eprintln!("{d}"));
            if hunts.is_empty() && !archive.whole {
                let why = archive.diagnostics.first().map_or("it could not be read", |d| d.message.as_str());
                return Err(Failure::machine(format!("{name}: {why}")));
            }
        }
        Ok(hunts)
    }
}

/// About when a log's last line was written: when the file was changed last, or now.
fn written(path: &Path) -> Timestamp {
    let changed = std::fs::metadata(path).and_then(|facts| facts.modified()).ok();
    let since = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let micros = since.and_then(|since| i64::try_from(since.as_micros()).ok());
    micros.map_or_else(now, Timestamp::from_micros)
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
