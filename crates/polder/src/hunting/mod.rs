// SPDX-License-Identifier: Apache-2.0
//! `polder hunt`.

pub mod coverage;
mod files;
mod follow;
mod gather;
mod live;
mod lost;
mod outputs;
mod pool;
mod progress;
mod record;
mod sought;
mod storing;
mod tail;
mod taking;
mod tidings;
mod unfinished;
mod waiting;
mod zones;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, UNIX_EPOCH};

use hunt::back;
use hunt::detection::{Detection, Means};
use hunt::finding::Finding;
use hunt::history::Observed;
use hunt::reader::{Input, read_logs};
use hunt::report::words::kind_name;
use hunt::report::{FileState, Hit, Summary, kept, told};
use hunt::rule::{self, RuleCount};
use hunt::run::{Hunt, Keeping, Lookout, Part, hunt_source};
use hunt::time::Clock;
use model::diagnostic::{Diagnostic, Severity, shown};
use model::time::Timestamp;
use serde_json::{Value, json};

use crate::cli;
use crate::failure::{Exit, Failure};
use crate::finding::approve::approve;
use crate::finding::{fill_indicators, set_dismissed_aside};
use crate::history::{Opened, worker};
use crate::node::{Node, now};
use crate::notify;

use files::Access;
use gather::{Gathered, Gathering};
use pool::Message;
use progress::Progress;
use record::Again;
use sought::Quarry;
use taking::{ReadFile, Taking};
use unfinished::{Identity, Keeper};
use zones::Zones;

pub use live::Listen;
pub use record::look_back;
pub use storing::{store_left_behind, with_findings_that_wait};
pub use unfinished::{Dropped as DroppedHunts, drop_all as drop_unfinished};
pub use waiting::drop_set_aside;

/// Why a file was not read that the hunt did not come to.
const STOPPED: &str = "the hunt was stopped";
/// What must be said where the history could not be written.
const NOT_RECORDED: &str =
    "not all of this could be recorded: the history lacks it until the same command has run again";
/// What must be said of indicators that are newer than a hunt that went on.
const NEWER_LOOK_BACK: &str = "indicators that arrived after it was begun are looked up in the history for the logs that were read until it was stopped: those of kinds that the history does not keep were not looked for in them";

/// What must be said where the ledger cannot be asked.
const NOT_ASKED: &str = "whether a pattern was withdrawn while it was hunted for is not known";

/// Runs `hunt`.
pub fn run(args: &cli::Hunt) -> Result<Exit, Failure> {
    // A list says what to hunt for: a node that is only in the environment is left alone.
    let only_lists = !args.quarry.indicators.is_empty() || !args.quarry.rules.is_empty();
    let dir = args.dir.as_ref().or(args.default_dir.as_ref().filter(|_| !only_lists));
    let node = dir.map(|dir| Node::open(&cli::Data { dir: dir.clone() })).transpose()?;
    let settings = args.output.notify.as_deref().map(notify::settings).transpose()?;
    let place = node.as_ref().and_then(database_place);
    let history = node.as_ref().map(Opened::open).transpose()?;
    if let (Some(node), Some(history)) = (&node, &history) {
        store_left_behind(node, history)?;
    }
    let quarry = sought::quarry(&args.quarry, node.as_ref())?;
    let files::Listed { mut paths, streams, unlisted } = files::collect(&args.paths)?;
    let mut summary = Summary::new(now());
    summary.organisation = node.as_ref().map(|node| node.root.name.clone()).unwrap_or_default();
    summary.sought = quarry.sought.clone();
    let several = paths.len() + unlisted.len() > 1;
    let named = args.paths.iter().map(PathBuf::as_path).collect();
    let zones = Zones::of(args.reading.tz.as_ref(), history.as_ref())?;
    let job = Job {
        args,
        named: &named,
        history: history.as_ref(),
        quarry: &quarry,
        zones: &zones,
        several,
        stop: stop_when_told()?,
    };
    // All of them are followed, also those that are done.
    let to_follow = paths.clone();
    let mut newest = node.as_ref().map_or(Ok(0), |node| node.store.read(back::newest))?;
    let mut gathering = Gathering::new(summary, &quarry, args.quarry.min_level);
    let mut keeper = match &node {
        Some(node) => job.go_on(node, &mut newest, &mut paths, &mut gathering)?,
        None => None,
    };
    for (folder, why) in unlisted {
        if let Some(history) = &history {
            record::not_read(history, &folder, &why)?;
        }
        eprintln!("polder: {}; the other files are read all the same", shown(&why));
        let name = folder.display().to_string();
        // It may stand there already of before the hunt was stopped.
        gathering.summary.files.retain(|file| file.path != name);
        gathering.not_read(name, why);
    }
    let Gathered { mut summary, counts, onward, unrecorded } =
        job.hunt_all(&paths, &streams, gathering, keeper.as_mut())?;
    let mut settled = unrecorded.map_or(Ok(()), Err);
    if let (Some(node), true) = (&node, settled.is_ok()) {
        settled = is_still_there(node, place);
    }
    if let (Some(node), Some(history), true) = (&node, &history, settled.is_ok()) {
        let patterns = summary.detections.iter().filter(|one| one.means == Means::Pattern);
        settled = history
            .note(&quarry.said_of(patterns.map(|one| &one.id)))
            .and_then(|()| settle((node, history), &quarry, &counts, newest, &job.stop, &mut summary));
    }
    if let (Some(node), true) = (&node, summary.detections.iter().any(|one| one.means == Means::Pattern)) {
        // Another database than the hunt began with says nothing of what was withdrawn.
        let is_there = is_still_there(node, place);
        match is_there.and_then(|()| leave_out_withdrawn(node, &quarry, &mut summary.detections)) {
            Err(failure) if settled.is_ok() => settled = Err(failure),
            Err(failure) => eprintln!("polder: {failure}; {NOT_ASKED}"),
            Ok(()) => {}
        }
    }
    if let (Some(node), Err(_)) = (&node, &settled) {
        // What the ledger says of an indicator is then not known, and nor is who may see it.
        match fill_indicators(node, &mut summary) {
            Ok(()) => quarry.take_out_withdrawn_names(&mut summary),
            Err(failure) => {
                eprintln!(
                    "polder: {failure}; the report tells of indicators only what the hunt itself knows"
                );
            }
        }
        summary.sought.notes.push(NOT_RECORDED.to_owned());
    }
    if !args.paths.is_empty() {
        outputs::write(&args.output, node.as_ref(), &summary)?;
    }
    let is_unfinished = summary.stopped && keeper.as_ref().is_some_and(Keeper::is_kept);
    match (&node, &settings) {
        // It is told as one hunt: what was found so far is owed until then.
        (Some(_), Some(_)) if is_unfinished => {
            eprintln!("what was found is told by notice when the hunt has come to its end")
        }
        (Some(node), Some(settings)) => {
            tell(node, &mut summary, settings, settled.is_ok())?;
        }
        // It is printed, and that is how people are told.
        (Some(node), None) if settled.is_ok() && !summary.stopped => {
            node.store.local(|tx| told::mark(tx, &summary, Some(worker())))?;
        }
        _ => {}
    }
    // Found or not: what was read is not in the history.
    settled?;
    match keeper {
        Some(_) if is_unfinished => {
            eprintln!("stopped; the same command goes on from here");
        }
        Some(keeper) if !summary.stopped => keeper.finish()?,
        _ => {}
    }
    let mut found = summary.hit_count() + summary.detection_count() > 0;
    if job.goes_on() && !summary.stopped {
        // From where the files were read to: what was added since is followed, too.
        let followed = job.places(&to_follow, &summary, &onward.places);
        found |= job.follow(&followed, onward, node.as_ref(), settings.as_ref())?;
        return Ok(if found { Exit::Done } else { Exit::NotFound });
    }
    Ok(match (found, summary.is_partial()) {
        (_, true) => Exit::Partial,
        (false, false) => Exit::NotFound,
        (true, false) => Exit::Done,
    })
}

/// Tells people by notice of what a hunt found and they were not told before: of all of it where that is not known.
fn tell(
    node: &Node,
    summary: &mut Summary,
    settings: &notify::Settings,
    is_recorded: bool,
) -> Result<(), Failure> {
    if is_recorded {
        node.store.read(|read| told::look_up(read, summary, worker()))?;
    } else {
        summary.hits.iter_mut().for_each(|hit| hit.known = None);
    }
    notify::announce(node, summary, settings, Some(worker()))
}

/// Device and inode of the file that holds the records; `None` where a server does.
fn database_place(node: &Node) -> Option<(u64, u64)> {
    std::fs::metadata(node.dir.database()).ok().map(|facts| (facts.dev(), facts.ino()))
}

/// What is written to a file that was removed is lost without an error.
fn is_still_there(node: &Node, place: Option<(u64, u64)>) -> Result<(), Failure> {
    if place.is_none() || database_place(node) == place {
        return Ok(());
    }
    Err(Failure::machine(format!(
        "{}: the database was removed or replaced during the hunt; what was found is not recorded, hunt again with the one \
         that is to be used",
        node.dir.database().display()
    )))
}

/// All logs were read: what the node knows is filled in, and what came to it meanwhile looks back.
fn settle(
    (node, history): (&Node, &Opened<'_>),
    quarry: &Quarry,
    counts: &BTreeMap<(i64, String), RuleCount>,
    newest: i64,
    stop: &AtomicBool,
    summary: &mut Summary,
) -> Result<(), Failure> {
    node.store
        .local(|tx| counts.iter().try_for_each(|((log, _), count)| rule::put_count(tx, *log, count)))?;
    node.store.local(|tx| {
        kept::keep(tx, &summary.detections, &quarry.patterns_of_nobody, now())?;
        kept::keep_sought(tx, &summary.sought, now())
    })?;
    coverage::declared(history, summary)?;
    node.store.read(|read| set_dismissed_aside(read, summary))?;
    fill_indicators(node, summary)?;
    quarry.take_out_withdrawn_names(summary);
    history.tidy_after_hunt(stop)?;
    // Indicators that arrived meanwhile were looked up before these logs were in the history.
    node.store.local(|tx| back::look_back_from(tx, newest))?;
    if let Some(told) = look_back(node)?.in_words() {
        eprintln!("{told}");
    }
    for approved in approve(node)? {
        eprintln!("{}", approved.in_words());
    }
    Ok(())
}

/// What was withdrawn while it was hunted for, or while the hunt was stopped, is told no more.
fn leave_out_withdrawn(node: &Node, quarry: &Quarry, detections: &mut Vec<Detection>) -> Result<(), Failure> {
    let of_nobody = &quarry.patterns_of_nobody;
    let left_out = node.store.read(|read| kept::leave_out_withdrawn(read, detections, of_nobody))?;
    if left_out > 0 {
        let what = counted(left_out, "detection");
        eprintln!("{what} by patterns that were withdrawn since the hunt began; not told, and not kept");
    }
    Ok(())
}

/// A hunt that is under way.
struct Job<'j> {
    args: &'j cli::Hunt,
    /// The paths that were named.
    named: &'j HashSet<&'j Path>,
    history: Option<&'j Opened<'j>>,
    quarry: &'j Quarry,
    zones: &'j Zones,
    /// Whether more than one file is to be read: then one that cannot be keeps none of the others from it.
    several: bool,
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

    /// Takes up the hunt of these arguments if it was stopped: with the newest record that it began with, without the
    /// files that are done.
    fn go_on(
        &self,
        node: &Node,
        newest: &mut i64,
        paths: &mut Vec<PathBuf>,
        gathering: &mut Gathering<'_>,
    ) -> Result<Option<Keeper>, Failure> {
        let Some((keeper, stopped)) = Keeper::open(node, self.args, self.quarry, *newest)? else {
            return Ok(None);
        };
        let began_with = std::mem::replace(newest, keeper.begun.newest);
        if let Some(stopped) = stopped {
            gathering.go_on(stopped).map_err(|why| {
                Failure::machine(format!("{why}; the stopped hunt cannot go on, begin anew with --anew"))
            })?;
            keeper.leave_out_done(paths, gathering);
            if began_with > keeper.begun.newest {
                gathering.summary.sought.notes.push(NEWER_LOOK_BACK.to_owned());
            }
            let left = counted(paths.len() as u64, "file");
            eprintln!("going on with the hunt that was stopped; {left} left");
        }
        Ok(Some(keeper))
    }

    /// How a log is opened.
    fn access(&self, path: &Path) -> Access {
        // Thousands of files may be named.
        if self.named.contains(path) { Access::Named } else { Access::of(path, &self.args.paths) }
    }

    /// Where logs are recorded, and the zones by which they were read.
    fn recording(&self) -> Option<(&'j Opened<'j>, &'j Zones)> {
        self.history.map(|history| (history, self.zones))
    }

    fn hunt_all<'a>(
        &'a self,
        paths: &[PathBuf],
        streams: &BTreeSet<PathBuf>,
        mut gathering: Gathering<'a>,
        keeper: Option<&mut Keeper>,
    ) -> Result<Gathered, Failure> {
        let threads = match self.args.reading.threads {
            Some(threads) => usize::from(threads),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let lookout = self.lookout();
        // Threads that no file is left for scan blocks of the others.
        let workers = threads.min(paths.len()).max(1);
        let progress = Arc::new(Progress::new(files::total_bytes(paths)));
        let (opened, lost) = (Mutex::default(), Mutex::default());
        let observed = Mutex::new(self.history.map(Opened::observed).transpose()?);
        let each = Each {
            job: self,
            lookout: &lookout,
            threads: (threads / workers).max(1),
            progress: &progress,
            opened: &opened,
            lost: &lost,
            streams,
            observed: &observed,
        };
        let mut taking = Taking::new(&mut gathering, self.recording(), keeper);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| progress.show(&self.stop));
            let done = each.run(paths, workers, &mut taking);
            progress.finish();
            done
        })?;
        taking.tell_zones();
        let unrecorded = taking.unrecorded;
        gathering.summary.duration =
            taking.keeper.or(taking.stopped).map_or(begun.elapsed(), |keeper| keeper.begun.spent());
        let gathered = gathering.finish(self.goes_on().then(follow::open_since), &self.stop);
        Ok(Gathered { unrecorded, ..gathered })
    }
}

/// One file after the other.
struct Each<'e, 'q> {
    job: &'q Job<'q>,
    lookout: &'e Lookout<'q>,
    threads: usize,
    progress: &'e Arc<Progress>,
    /// What the files were when they were opened, by their number in the list.
    opened: &'e Mutex<HashMap<usize, Identity>>,
    /// Parts of archives that could not be read, by the archive's number in the list.
    lost: &'e Mutex<HashMap<usize, Vec<Diagnostic>>>,
    /// What is no file and was named: it is read as it comes.
    streams: &'e BTreeSet<PathBuf>,
    /// Of which what each log observes is another. What is kept is asked for once: the database may be away by the time
    /// that a log is opened.
    observed: &'e Mutex<Option<Observed>>,
}

impl<'q> Each<'_, 'q> {
    /// Hunts in all files; takes what comes of them, in their order.
    fn run(&self, paths: &[PathBuf], workers: usize, taking: &mut Taking<'_, 'q>) -> Result<(), Failure> {
        let hunt = |nth: usize, on_part: &mut dyn FnMut(Part)| match paths.get(nth) {
            Some(path) => self.file(path, Some(nth), 0, on_part),
            None => Ok(Vec::new()),
        };
        let again = |path: &Path, log: &str, from: u64| self.again(path, log, from);
        pool::run(paths.len(), workers, &hunt, &mut |nth, message| {
            let path = paths.get(nth).cloned().unwrap_or_default();
            match message {
                Message::Part(part) => {
                    taking.of_file.add(part);
                    Ok(())
                }
                Message::End(Ok(hunts)) => self.end(path, nth, hunts, taking, &again),
                // A log that was rotated away, or may not be read, does not keep the others from being read.
                Message::End(Err(failure)) if self.job.several => {
                    eprintln!("polder: {failure}; the other files are read all the same");
                    taking.not_read(path, self.opened(nth), failure.message, &again)
                }
                Message::End(Err(failure)) => Err(failure),
            }
        })?;
        taking.settle(&again)
    }

    /// What a file was when it was opened.
    fn opened(&self, nth: usize) -> Option<Identity> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).remove(&nth)
    }

    /// A file came to its end.
    fn end(
        &self,
        path: PathBuf,
        nth: usize,
        hunts: Vec<Hunt<'q>>,
        taking: &mut Taking<'_, 'q>,
        again: &Again<'_, 'q>,
    ) -> Result<(), Failure> {
        let of_file = std::mem::take(&mut taking.of_file);
        hunts.iter().flat_map(|hunt| &hunt.report.diagnostics).for_each(|d| eprintln!("{d}"));
        let not_begun = hunts.is_empty() && self.job.stop.load(Ordering::Relaxed);
        if not_begun || hunts.iter().any(|hunt| hunt.report.stopped) {
            taking.stop(again)?;
        }
        if not_begun {
            taking.gathering.summary.stopped = true;
            taking.gathering.not_read(path.display().to_string(), STOPPED.to_owned());
        }
        for told in self.lost.lock().unwrap_or_else(PoisonError::into_inner).remove(&nth).unwrap_or_default()
        {
            let state = match told.place == path.display().to_string() {
                true => FileState::Damaged(told.message),
                false => FileState::NotRead(told.message),
            };
            taking.part_not_read(told.place, state)?;
        }
        taking.read(ReadFile { path, opened: self.opened(nth), hunts, of_file }, again)
    }

    /// One log of a file again, for what it holds from some offset on.
    fn again(&self, path: &Path, log: &str, from: u64) -> Result<Option<Hunt<'q>>, Failure> {
        let hunts = self.file(path, None, from, &mut |_| {})?;
        Ok(hunts.into_iter().find(|hunt| hunt.report.file == log))
    }

    /// Hunts in one file: in it, or in each log that it packs. `nth` is its number in the list.
    fn file(
        &self,
        path: &Path,
        nth: Option<usize>,
        from: u64,
        on_part: &mut dyn FnMut(Part),
    ) -> Result<Vec<Hunt<'q>>, Failure> {
        let name = path.display().to_string();
        let zone = self.job.zones.of_file(path);
        let clock = Clock { zone, reference: Some(written(path)), year_turns: None };
        let mut hunts = Vec::new();
        if self.job.stop.load(Ordering::Relaxed) {
            return Ok(hunts);
        }
        // Locked where it is read alone: a thread that waits for its turn would keep all others from their files.
        let mut stdin;
        let (input, name) = if name == "-" {
            stdin = io::stdin().lock();
            (Input::Stream(&mut stdin), "stdin".to_owned())
        } else {
            let file = match self.streams.contains(path) {
                true => File::open(path),
                false => files::open(path, self.job.access(path)),
            };
            let file = file.map_err(|e| match e.kind() {
                io::ErrorKind::IsADirectory => {
                    Failure::usage(format!("{name} is a directory now; it is left out"))
                }
                _ => Failure::io("read", path, &e),
            })?;
            // What cannot be told from others, as a pipe, is read again.
            if let (Some(nth), Ok(identity)) = (nth, Identity::of(&file)) {
                self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(nth, identity);
            }
            (Input::File(Box::new(Progress::count(self.progress, file))), name)
        };
        let observed = || {
            let observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
            observed.as_ref().map(Observed::another)
        };
        let archive = read_logs(input, &name, &mut |name, source| {
            let keeping = observed().map(|observed| Keeping { observed, from });
            hunts.push(hunt_source(source, name, &clock, self.lookout, self.threads, keeping, on_part));
        });
        if let Some(archive) = archive {
            let told = archive.diagnostics.iter();
            if hunts.is_empty() && !archive.whole {
                // The one that is the reason is told as such.
                let is_why = |told: &&Diagnostic| told.severity == Severity::Error;
                told.clone().skip_while(|told| !is_why(told)).skip(1).for_each(|d| eprintln!("{d}"));
                let why = told.clone().find(is_why).map_or("it could not be read", |d| d.message.as_str());
                return Err(Failure::machine(format!("{name}: {why}")));
            }
            told.clone().for_each(|d| eprintln!("{d}"));
            if let (Some(nth), false) = (nth, archive.whole) {
                let lost = told.filter(|d| d.severity == Severity::Error).cloned().collect();
                self.lost.lock().unwrap_or_else(PoisonError::into_inner).insert(nth, lost);
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
pub fn finding_json(hit: &Hit) -> Value {
    let Hit { finding, host, account, source, kept, was, .. } = hit;
    json!({
        "file": finding.file, "line": finding.line, "offset": finding.offset,
        "time": finding.time.map(|t| t.to_string()), "kind": finding.kind.name(), "value": finding.value,
        "indicator": finding.indicator, "text": finding.text, "lossy": finding.lossy,
        "clipped": finding.clipped, "host": host, "account": account, "source": kind_name(*source), "kept": kept, "was": was,
    })
}

/// A finding for a person.
pub fn finding_line(hit: &Hit) -> String {
    let Hit { finding, host, account, was, .. } = hit;
    let time = finding.time.map_or_else(|| "-".to_owned(), |t| t.to_string()[..19].replace('T', " "));
    let Finding { file, line, value, indicator, .. } = finding;
    let (file, value, indicator) = (shown(file), shown(value), shown(indicator));
    let about = [("host", host), ("account", account)].into_iter();
    let about: String =
        about.filter_map(|(what, name)| Some(format!("  {what} {}", shown(name.as_deref()?)))).collect();
    let was = was.as_deref().map_or(String::new(), |was| format!(" (was {})", shown(was)));
    format!("{file}:{line}{was}  {time}  {} {value}  ({indicator}){about}", finding.kind.name())
}

/// `1 file`, `2 files`.
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
