// SPDX-License-Identifier: Apache-2.0
//! Storing what is found in logs that are followed. While the database is away findings wait in memory, and beyond that in
//! a file; what a process could not store before it ended is stored by the next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use hunt::event::SourceClass;
use hunt::history::{Added, FileFacts, NOBODYS, day_of_time};
use hunt::limits::{FINDINGS_PER_FILE_MAX, FINDINGS_WAITING_BYTES_MAX, FINDINGS_WAITING_MAX};
use hunt::report::Hit;
use hunt::rule::RuleCount;
use hunt::run::{LiveLog, Stretch};
use hunt::waiting::Waiting;
use model::diagnostic::shown;
use sha2::{Digest as _, Sha256};

use super::live::Place;
use super::waiting::{WaitingFile, bytes_of, left_behind};
use super::{Job, counted};
use crate::failure::Failure;
use crate::history::{Opened, worker};
use crate::node::{Node, now};

/// How many findings wait in memory, and how many bytes of them; beyond that they wait in a file.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub findings: usize,
    pub bytes: usize,
}

impl Room {
    pub const LIVE: Room = Room { findings: FINDINGS_WAITING_MAX, bytes: FINDINGS_WAITING_BYTES_MAX };
}

/// Files that had a name before and whose numbers are known; more are not read on.
const FILES_BEFORE_MAX: usize = 16;

/// Which log of the register a file is.
#[derive(Clone, Copy, Debug, Default)]
enum Number {
    /// The database was away when that was asked.
    #[default]
    Unasked,
    /// Nothing of it is recorded.
    None,
    Of(i64),
}

/// What was found in a log and is not stored yet.
#[derive(Default)]
struct Waits {
    findings: Vec<Hit>,
    /// What was found in files that had the name before.
    before: Vec<(Number, Vec<Hit>)>,
    /// Which logs these files are, the newest last, whether anything was found in them or not: something may still be
    /// written to them.
    files_before: Vec<Number>,
    number: Number,
    /// Findings that had no room here: recording the file finds them again.
    found_again: u64,
    /// Whether another file took the name before it was known which log the one before is.
    was_rotated_unasked: bool,
    /// Of syslog: under which name what was received since it was recorded is recorded, where some of it waits in the
    /// file already.
    stretch: Option<String>,
}

impl Waits {
    /// Findings in memory, and their bytes.
    fn size(&self) -> (usize, usize) {
        let all = || self.before.iter().flat_map(|(_, findings)| findings).chain(&self.findings);
        (all().count(), all().map(bytes_of).sum())
    }
}

/// A log that is followed.
pub struct Followed<'f> {
    pub log: LiveLog<'f, 'f>,
    /// Its name in the register, if it is a file.
    path: String,
    /// Of syslog: what was received since it was recorded.
    pub received: Option<(Sha256, u64)>,
    /// Of syslog: how much of it came.
    pub at: Place,
    /// What was read of it before it was last recorded.
    pub before: Stretch,
    /// Of syslog: what rules came to since it was recorded, by their ids.
    pub counts: BTreeMap<String, RuleCount>,
    waits: Waits,
}

impl<'f> Followed<'f> {
    pub fn new(log: LiveLog<'f, 'f>, path: String, is_received: bool) -> Followed<'f> {
        Followed {
            log,
            path,
            received: is_received.then(|| (Sha256::new(), 0)),
            at: Place::default(),
            before: Stretch::default(),
            counts: BTreeMap::new(),
            waits: Waits::default(),
        }
    }

    /// Which log of the register it is, where nobody asked yet.
    pub fn ask(&mut self, history: &Opened<'_>) -> Result<(), Failure> {
        let before =
            self.waits.before.iter_mut().map(|(number, _)| number).chain(&mut self.waits.files_before);
        let unasked =
            before.chain([&mut self.waits.number]).filter(|number| matches!(number, Number::Unasked));
        let mut unasked = unasked.peekable();
        if self.received.is_none() && unasked.peek().is_some() {
            let number = history.history().recorded_as(&self.path)?.map_or(Number::None, Number::Of);
            unasked.for_each(|one| *one = number);
        }
        Ok(())
    }

    /// The name is another file's from now on: what was found in the one before is stored as its own when that is due.
    pub fn part_with(&mut self, is_kept: bool) {
        let waits = &mut self.waits;
        let findings = std::mem::take(&mut waits.findings);
        let found_again = std::mem::take(&mut waits.found_again);
        let number = std::mem::replace(&mut waits.number, Number::None);
        waits.files_before.push(number);
        if waits.files_before.len() > FILES_BEFORE_MAX {
            waits.files_before.remove(0);
        }
        if !is_kept {
            return;
        }
        match number {
            Number::None => tell_not_stored(self.log.name(), found_again + findings.len() as u64),
            number => {
                waits.was_rotated_unasked |= matches!(number, Number::Unasked);
                if !findings.is_empty() {
                    waits.before.push((number, findings));
                }
            }
        }
    }

    /// What was found in a file that had the name before, and to which something was written since, is stored as its own.
    fn keep_of_before(&mut self, back: usize, hits: &[Hit]) {
        if hits.is_empty() {
            return;
        }
        let waits = &mut self.waits;
        let number =
            waits.files_before.iter().rev().nth(back.saturating_sub(1)).copied().unwrap_or(Number::None);
        match number {
            Number::None => tell_not_stored(self.log.name(), hits.len() as u64),
            Number::Unasked => waits.before.push((number, hits.to_vec())),
            Number::Of(file) => {
                match waits
                    .before
                    .iter_mut()
                    .find(|(known, _)| matches!(known, Number::Of(one) if *one == file))
                {
                    Some((_, findings)) => findings.extend(hits.iter().cloned()),
                    None => waits.before.push((number, hits.to_vec())),
                }
            }
        }
    }

    /// Writes what waits in memory to the file. Of what is not in the history it is only counted: recording the log finds
    /// it again.
    fn write_to(&mut self, file: &mut WaitingFile) -> Result<(), Failure> {
        let Waits { findings, before, number, found_again, stretch, .. } = &mut self.waits;
        let number_of = |number: &Number| match number {
            Number::Of(number) => Some(*number),
            Number::Unasked | Number::None => None,
        };
        while let Some((number, findings)) = before.last() {
            match number {
                Number::None => tell_not_stored(self.log.name(), findings.len() as u64),
                number => file.add(&self.path, number_of(number), false, findings)?,
            }
            before.pop();
        }
        if findings.is_empty() {
            return Ok(());
        }
        if self.received.is_some() {
            let name = stretch.get_or_insert_with(|| format!("{} from {}", self.log.name(), now()));
            file.add(name, None, true, findings)?;
        } else if matches!(number, Number::None) {
            *found_again += findings.len() as u64;
        } else {
            file.add(&self.path, number_of(number), false, findings)?;
        }
        findings.clear();
        Ok(())
    }
}

/// Stores what is found.
pub struct Storing<'f> {
    job: &'f Job<'f>,
    node: Option<&'f Node>,
    room: Room,
    /// What has no room in memory.
    file: Option<WaitingFile>,
    /// Numbers in the register of what was received by syslog and has findings in the file, by name.
    stretches: HashMap<String, i64>,
    /// Findings for which there was no room anywhere.
    lost: u64,
}

impl<'f> Storing<'f> {
    pub fn new(job: &'f Job<'f>, node: Option<&'f Node>, room: Room) -> Storing<'f> {
        Storing { job, node, room, file: None, stretches: HashMap::new(), lost: 0 }
    }

    /// Has findings of a log wait, or with `back` those of a file that had its name so many files before. Answers how
    /// many of the log wait in memory now.
    pub fn take(&self, followed: &mut Followed<'_>, back: usize, hits: &[Hit]) -> usize {
        match back {
            _ if self.job.history.is_none() => {}
            0 => followed.waits.findings.extend(hits.iter().cloned()),
            back => followed.keep_of_before(back, hits),
        }
        followed.waits.findings.len()
    }

    /// Moves what waits to the file if memory has no room for it. What that has no room for either is lost: it is told
    /// at once, and how much it was at the end.
    pub fn make_room(&mut self, logs: &mut HashMap<String, Followed<'_>>) {
        if self.over(logs) == (0, 0) {
            return;
        }
        if let Err(fault) = self.write_all(logs) {
            if self.lost == 0 {
                eprintln!(
                    "polder: {fault}; there is no more room for findings that wait, and those that come now are LOST: mend \
                     this, and hunt in these logs again"
                );
            }
            self.lose(logs);
        }
    }

    /// Findings that are lost so far.
    #[cfg(test)]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// By how many findings, and by how many bytes, memory holds too much.
    fn over(&self, logs: &HashMap<String, Followed<'_>>) -> (usize, usize) {
        let sizes = logs.values().map(|followed| followed.waits.size());
        let (findings, bytes) = sizes.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        (findings.saturating_sub(self.room.findings), bytes.saturating_sub(self.room.bytes))
    }

    fn write_all(&mut self, logs: &mut HashMap<String, Followed<'_>>) -> Result<(), Failure> {
        let Some(node) = self.node else { return Ok(()) };
        let mut file = match self.file.take() {
            Some(file) => file,
            None => WaitingFile::make(node)?,
        };
        let written = logs.values_mut().try_for_each(|followed| followed.write_to(&mut file));
        self.file = Some(file);
        written
    }

    /// Drops the newest findings of each log until the others have room.
    fn lose(&mut self, logs: &mut HashMap<String, Followed<'_>>) {
        let (mut findings, mut bytes) = self.over(logs);
        for followed in logs.values_mut() {
            while (findings, bytes) != (0, 0)
                && let Some(hit) = followed.waits.findings.pop()
            {
                findings = findings.saturating_sub(1);
                bytes = bytes.saturating_sub(bytes_of(&hit));
                self.lost += 1;
            }
        }
    }

    /// Records what listeners received.
    pub fn record(&mut self, logs: &mut HashMap<String, Followed<'_>>) -> Result<(), Failure> {
        let mut done = Ok(());
        for followed in logs.values_mut() {
            done = done.and(self.record_received(followed));
        }
        done
    }

    /// Stores all that waits; answers whether there was anything. What fails does not keep the rest from being stored.
    pub fn store(&mut self, logs: &mut HashMap<String, Followed<'_>>) -> (bool, Result<(), Failure>) {
        let Some(history) = self.job.history else { return (false, Ok(())) };
        let mut done = Ok(());
        for followed in logs.values_mut() {
            done = done.and(followed.ask(history));
            if followed.waits.stretch.is_some() {
                done = done.and(self.record_received(followed));
            }
        }
        // What lies in the file is older, and what a name stands for is asked before that is another log.
        let (mut stored, done) = match done.and_then(|()| self.store_file(history, logs)) {
            Ok(stored) => (stored, Ok(())),
            Err(fault) => (false, Err(fault)),
        };
        let may_record = done.is_ok();
        let mut done = done;
        for followed in logs.values_mut() {
            match self.store_log(followed, may_record) {
                Ok(some) => stored |= some,
                Err(fault) => done = done.and(Err(fault)),
            }
        }
        (stored, done)
    }

    /// Stores the findings of one log that wait in memory; answers whether there were any. A file that is not in the
    /// history yet is recorded first, where it may be.
    pub fn store_log(&mut self, followed: &mut Followed<'_>, may_record: bool) -> Result<bool, Failure> {
        let Some(history) = self.job.history else { return Ok(false) };
        let name = followed.log.name().to_owned();
        if followed.received.is_some() {
            let is_any = !followed.waits.findings.is_empty();
            return if is_any { self.record_received(followed).map(|()| true) } else { Ok(false) };
        }
        followed.ask(history)?;
        let waits = &mut followed.waits;
        let mut stored = false;
        while let Some((number, findings)) = waits.before.last() {
            match number {
                Number::Of(file) => {
                    tell_left(&name, history.history().add_findings_to(*file, findings, worker())?);
                    stored = true;
                }
                Number::Unasked | Number::None => tell_not_stored(&name, findings.len() as u64),
            }
            waits.before.pop();
        }
        if waits.findings.is_empty() && waits.found_again == 0 {
            return Ok(stored);
        }
        if matches!(waits.number, Number::None) {
            // Where what waits in the file may belong to an earlier log of the name that is not the time.
            if !may_record || self.file.is_some() {
                return Ok(stored);
            }
            self.job.record_files(std::iter::once(&PathBuf::from(&name)))?;
            // It may have been away when its name was asked for.
            followed.path = super::record::name_of(&PathBuf::from(&name));
            waits.number = history.history().recorded_as(&followed.path)?.map_or(Number::None, Number::Of);
        }
        match waits.number {
            Number::Of(file) => {
                tell_left(&name, history.history().add_findings_to(file, &waits.findings, worker())?);
                stored = true;
            }
            Number::Unasked | Number::None => {
                tell_not_stored(&name, waits.found_again + waits.findings.len() as u64);
            }
        }
        waits.findings.clear();
        waits.found_again = 0;
        Ok(stored)
    }

    /// Stores what lies in the file, and removes it.
    fn store_file(
        &mut self,
        history: &Opened<'_>,
        logs: &mut HashMap<String, Followed<'_>>,
    ) -> Result<bool, Failure> {
        let Some(file) = &self.file else { return Ok(false) };
        let mut of_nobody: BTreeMap<String, u64> = BTreeMap::new();
        let unread = file.each(&mut |waiting| {
            let known = self.stretches.get(&*waiting.log).copied();
            if store_part(history, &waiting, known)? == 0 {
                *of_nobody.entry(waiting.log.into_owned()).or_default() += waiting.findings.len() as u64;
            }
            Ok(())
        })?;
        for followed in logs.values_mut() {
            let was_rotated = std::mem::take(&mut followed.waits.was_rotated_unasked);
            let Some(findings) = of_nobody.remove(&followed.path) else { continue };
            if was_rotated {
                tell_not_stored(followed.log.name(), findings);
            } else {
                followed.waits.found_again += findings;
            }
        }
        if let Some(file) = self.file.take() {
            done_with(file, unread)?;
        }
        self.stretches.clear();
        Ok(true)
    }

    /// Puts what was received of a listener since the last time into the history, as a log of its own. Where that fails
    /// all of it waits.
    fn record_received(&mut self, followed: &mut Followed<'_>) -> Result<(), Failure> {
        let Some(history) = self.job.history else { return Ok(()) };
        let Some((hash, bytes)) = followed.received.clone().filter(|(_, bytes)| *bytes > 0) else {
            return Ok(());
        };
        let read = followed.log.read().clone();
        let sha256: [u8; 32] = hash.finalize().into();
        let (first, last) = (read.timeline.first, read.timeline.last);
        let name = || format!("{} from {}", followed.log.name(), first.or(last).unwrap_or_else(now));
        let facts = FileFacts {
            path: followed.waits.stretch.clone().unwrap_or_else(name),
            sha256,
            head_sha256: sha256,
            size: bytes,
            class: followed.log.class(),
            kinds: read.kinds,
            whole: true,
            lines: read.lines,
            times: read.times,
            unread: read
                .unparsed
                .iter()
                .map(|(reason, count, _)| (reason.name().to_owned(), count))
                .collect(),
            first,
            last,
            days: read.days.into_iter().collect(),
            backward_jumps: read.timeline.jumps_back,
            counted_to: bytes,
            zone: self.job.zones.of_file(Path::new(followed.log.name())).to_string(),
            ..FileFacts::default()
        };
        history.record_or_keep(&facts, followed.log.observed(), &followed.waits.findings)?;
        followed.received = Some((Sha256::new(), 0));
        followed.waits.findings.clear();
        followed.before.join(&followed.log.take_read());
        let stretch = followed.waits.stretch.take();
        if let Some(number) = history.history().number_of(&facts)? {
            // The findings that lie in the file are of this log.
            self.stretches.extend(stretch.map(|stretch| (stretch, number)));
            let counts: Vec<RuleCount> = followed.counts.values().cloned().collect();
            history.count(&[(number, counts)])?;
            followed.counts.clear();
        }
        Ok(())
    }

    /// Following ends: what could not be stored is kept for the next hunt, and what was lost is told.
    pub fn end(&mut self, logs: &mut HashMap<String, Followed<'_>>) -> Result<(), Failure> {
        let waits = |followed: &Followed<'_>| followed.waits.size().0 as u64;
        let mut kept = Ok(());
        if logs.values().any(|followed| waits(followed) > 0) {
            kept = self.write_all(logs);
            self.lost += logs.values().map(waits).sum::<u64>();
        }
        if let Some(file) = self.file.take().filter(|file| file.findings > 0) {
            eprintln!(
                "polder: {} could not be stored and wait in {}: the next hunt with this data directory stores them. What \
                 else came by syslog since it was last recorded is not in the history",
                counted(file.findings, "finding"),
                file.path().display()
            );
        }
        for followed in logs.values().filter(|followed| followed.waits.found_again > 0) {
            tell_not_stored(followed.log.name(), followed.waits.found_again);
        }
        if self.lost > 0 {
            let lost = counted(self.lost, "finding");
            eprintln!("polder: {lost} had no room to wait and are LOST: hunt in these logs again");
        }
        kept
    }
}

/// Stores what processes that are gone could not store.
pub fn store_left_behind(node: &Node, history: &Opened<'_>) -> Result<(), Failure> {
    let (files, _) = left_behind(node)?;
    for file in files {
        let mut stored = 0;
        let unread = file.each(&mut |waiting| {
            match store_part(history, &waiting, None)? {
                0 => tell_not_stored(&waiting.log, waiting.findings.len() as u64),
                some => stored += some,
            }
            Ok(())
        })?;
        done_with(file, unread)?;
        if stored > 0 {
            let stored = counted(stored, "finding");
            eprintln!("{stored} that an earlier hunt had left behind are stored");
        }
    }
    Ok(())
}

/// How many processes have findings that wait in a file.
pub fn with_findings_that_wait(node: &Node) -> Result<u64, Failure> {
    left_behind(node).map(|(_, under_way)| under_way)
}

/// Stores a part of the file; answers of how many findings it is known where they belong. `known` is the number of the
/// log, if that is sure.
fn store_part(history: &Opened<'_>, waiting: &Waiting<'_>, known: Option<i64>) -> Result<u64, Failure> {
    let rooms = history.history();
    // The database may be another than the one that gave the number, as after a restore.
    let told = waiting.number.map(|number| rooms.is_recorded_as(number, &waiting.log));
    let told = waiting.number.zip(told.transpose()?).and_then(|(number, is)| is.then_some(number));
    let mut number = known.or(told);
    if number.is_none() {
        number = rooms.recorded_as(&waiting.log)?;
    }
    if number.is_none() && waiting.is_received {
        let facts = facts_of_part(waiting);
        history.record(&facts, history.observed()?, &[])?;
        number = rooms.number_of(&facts)?;
    }
    let Some(number) = number else { return Ok(0) };
    // They may be of a process that is gone, and told none of it.
    tell_left(&waiting.log, rooms.add_findings_to(number, &waiting.findings, NOBODYS)?);
    Ok(waiting.findings.len() as u64)
}

/// What is known of a stretch of syslog of which nothing but findings is left. The same part makes the same log.
fn facts_of_part(waiting: &Waiting<'_>) -> FileFacts {
    let findings = || waiting.findings.iter();
    let bytes = waiting.to_bytes();
    let sha256: [u8; 32] = Sha256::digest(&bytes).into();
    let times = || findings().filter_map(|hit| hit.finding.time);
    let lines: BTreeSet<u64> = findings().map(|hit| hit.finding.line).collect();
    let days: BTreeSet<u32> = times().filter_map(day_of_time).collect();
    FileFacts {
        path: waiting.log.clone().into_owned(),
        sha256,
        head_sha256: sha256,
        size: bytes.len() as u64,
        class: SourceClass {
            kind: findings().next().map(|hit| hit.source).unwrap_or_default(),
            ..SourceClass::default()
        },
        whole: false,
        lines: lines.len() as u64,
        first: times().min(),
        last: times().max(),
        days: days.into_iter().collect(),
        ..FileFacts::default()
    }
}

/// What can be read of a file is stored; `unread` bytes cannot.
fn done_with(file: WaitingFile, unread: u64) -> Result<(), Failure> {
    if unread == 0 {
        return file.remove();
    }
    let aside = file.set_aside()?;
    eprintln!(
        "polder: {}: {unread} bytes of findings that waited cannot be read, so these findings are not stored: hunt again in \
         the logs that were followed, and remove this file",
        aside.display()
    );
    Ok(())
}

fn tell_left(name: &str, added: Added) {
    if added.left > 0 {
        eprintln!(
            "polder: {}: {} more than the {FINDINGS_PER_FILE_MAX} that are kept of a file; an indicator that matches so \
             much is suspect",
            shown(name),
            counted(added.left, "finding")
        );
    }
}

fn tell_not_stored(name: &str, findings: u64) {
    if findings > 0 {
        eprintln!(
            "polder: {}: {} are not stored, as nothing of the file is in the history; hunt in it again",
            shown(name),
            counted(findings, "finding")
        );
    }
}
