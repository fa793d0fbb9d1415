// SPDX-License-Identifier: Apache-2.0
//! The register of log files: what was read, when, with what, and what of it could not be read.

use std::collections::BTreeMap;

use ledger::sql::{EngineError, Flow, Read, Row, Tx, Value};
use model::time::Timestamp;
use sha2::{Digest, Sha256};

use super::base::History;
use super::error::HistoryError;
use super::month::{DAY_SECONDS, day_of_time};
use super::runs::int;
use super::zones::zones;
use super::{READER_VERSION, SCANNER_VERSION};
use crate::event::{SourceClass, SourceKind, SourceKinds};
use crate::limits::SETTLED_SECONDS;
use crate::reader::{Content, Packing};
use crate::run::FileReport;
use crate::time::TimesTold;

/// What is known of a log file after it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// The file, by the one name that it has.
    pub path: String,
    /// SHA-256 of it as stored.
    pub sha256: [u8; 32],
    /// SHA-256 of its first [`crate::reader::HEAD_BYTES`] bytes.
    pub head_sha256: [u8; 32],
    /// These bytes.
    pub head: Vec<u8>,
    /// Bytes as stored.
    pub size: u64,
    /// Whether it is packed: what is packed does not grow.
    pub packed: bool,
    /// What it holds, where it is packed and was unpacked to its end.
    pub content: Option<Content>,
    /// What kind of log it is.
    pub class: SourceClass,
    /// What kinds of logs its lines are of, besides that.
    pub kinds: SourceKinds,
    /// Whether all of it was read.
    pub whole: bool,
    /// Why not; empty if nobody says.
    pub fault: String,
    /// Lines, the unread ones among them.
    pub lines: u64,
    /// Lines that could not be read, by reason (a short word).
    pub unread: BTreeMap<String, u64>,
    /// What the lines tell of their times that were asked for them.
    pub times: TimesTold,
    /// Time of its earliest line.
    pub first: Option<Timestamp>,
    /// Time of its latest line.
    pub last: Option<Timestamp>,
    /// Days since 1970 of which it holds lines, sorted; empty if nobody looked: then those between first and
    /// last, without the longest gap.
    pub days: Vec<u32>,
    /// The longest time between two lines: when it began, and its seconds.
    pub longest_gap: Option<(Timestamp, u64)>,
    /// By how many seconds its clock was seen to be wrong: positive where it is ahead.
    pub skew_seconds: i64,
    /// How often a line is of an earlier time than one before, beyond what reordering explains.
    pub backward_jumps: u64,
    /// Offset in the unpacked stream from which its observables were collected; 0: all of it.
    pub from: u64,
    /// Offset up to which they were.
    pub counted_to: u64,
    /// Whether it is a log of its own though its name and its head are those of a shorter one: somebody changed
    /// what was recorded of it.
    pub apart: bool,
    /// The recorded log that it is with more in it, where its name does not say so: whoever has the files knows that it
    /// begins with all of that, which lies under its own name no more.
    pub grown_from: Option<ShorterForm>,
    /// Whether what is recorded of it lies under its first name, too: then that one goes on to be told.
    pub is_copy: bool,
    /// The set of indicators that was hunted for, as the caller names it.
    pub set_version: String,
    /// The zone by which times that are written without one were read, as [`model::zone::Zone::parse`] reads it.
    pub zone: String,
    /// Whether all of it was read, and times that were recorded by another zone are to be told by this one.
    pub may_retime: bool,
}

impl FileFacts {
    /// What a report of a hunt tells. Days, gaps, skew and reasons are for the reader of lines to fill in.
    pub fn of_report(report: &FileReport, class: SourceClass) -> FileFacts {
        let mut unread = BTreeMap::new();
        if report.unread_lines > 0 {
            unread.insert("too-long".to_owned(), report.unread_lines);
        }
        FileFacts {
            path: report.file.clone(),
            sha256: report.sha256,
            head_sha256: report.head_sha256,
            head: report.head.clone(),
            size: report.bytes,
            packed: report.packing != Packing::Plain,
            content: report.content.clone(),
            class,
            kinds: report.kinds,
            whole: report.whole,
            fault: report.ended_by().unwrap_or_default().to_owned(),
            lines: report.lines,
            unread,
            times: report.times,
            first: report.first_time,
            last: report.last_time,
            counted_to: report.unpacked_bytes,
            ..FileFacts::default()
        }
    }

    /// SHA-256, size and head of what it holds, packed or not; nothing where nobody knows.
    fn held(&self) -> Option<(&[u8; 32], u64, &[u8])> {
        match &self.content {
            Some(content) => Some((&content.sha256, content.bytes, &content.head)),
            None if self.packed => None,
            None => Some((&self.sha256, self.size, &self.head)),
        }
    }

    /// Lines that could not be read.
    pub fn unread_lines(&self) -> u64 {
        self.unread.values().sum()
    }

    /// Days of which it holds lines, as stored.
    pub(super) fn covered(&self) -> Vec<u32> {
        if !self.days.is_empty() {
            return self.days.clone();
        }
        let (Some(first), Some(last)) = (self.first.and_then(day_of_time), self.last.and_then(day_of_time))
        else {
            return Vec::new();
        };
        let gap = self.longest_gap.and_then(|(start, seconds)| {
            let first = day_of_time(start)?;
            let second = u64::try_from(start.micros() / 1_000_000).ok()?.saturating_add(seconds);
            Some(first + 1..u32::try_from(second / u64::from(DAY_SECONDS)).unwrap_or(u32::MAX))
        });
        (first..=last).filter(|day| !gap.as_ref().is_some_and(|gap| gap.contains(day))).collect()
    }
}

/// How far the work on a file has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It was read.
    Done,
    /// It was read; parts of it could not be.
    Partial,
    /// It is being read, or whoever read it was stopped.
    Running,
    /// It could not be recorded.
    Failed,
    /// It was read, and a run that held what it says is damaged: it is to be read again.
    Again,
}

/// State, stored code, name. Codes are stored: append, never change one; 0 was that of files that waited.
const STATES: &[(FileState, i64, &str)] = &[
    (FileState::Done, 1, "done"),
    (FileState::Partial, 2, "partial"),
    (FileState::Running, 3, "running"),
    (FileState::Failed, 4, "failed"),
    (FileState::Again, 5, "again"),
];

impl FileState {
    pub(super) fn code(self) -> i64 {
        STATES.iter().find(|(state, ..)| *state == self).map_or(0, |(_, code, _)| *code)
    }

    fn from_code(code: i64) -> FileState {
        STATES.iter().find(|(_, c, _)| *c == code).map_or(FileState::Failed, |(state, ..)| *state)
    }

    /// Short name.
    pub fn name(self) -> &'static str {
        STATES.iter().find(|(state, ..)| *state == self).map_or("", |(.., name)| *name)
    }
}

/// A file of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its id.
    pub id: i64,
    /// The path under which it was recorded.
    pub path: String,
    /// Where the same content, packed or not, was met last, where that is another; else empty.
    pub packed_path: String,
    /// How far the work has come.
    pub state: FileState,
    /// What kind of log it is: that of most of its first lines, by which retention goes.
    pub source: SourceKind,
    /// What kinds of logs its lines are of, that among them; of what an earlier program read, that alone.
    pub kinds: SourceKinds,
    /// Bytes as stored.
    pub size: u64,
    /// SHA-256 of them; nothing of a file whose content nobody has read.
    pub sha256: Option<[u8; 32]>,
    /// Lines, the unread ones among them.
    pub lines: u64,
    /// Lines that could not be read.
    pub unread_lines: u64,
    /// These by reason, as `too-long=3,not-json=5`.
    pub unread: String,
    /// What the lines tell of their times that were asked for them; nothing where an earlier program recorded it.
    pub times: TimesTold,
    /// Time of its earliest line.
    pub first: Option<Timestamp>,
    /// Time of its latest line.
    pub last: Option<Timestamp>,
    /// Days since 1970 of which it holds lines: ranges, both ends in.
    pub days: Vec<(u32, u32)>,
    /// The longest time between two lines, in seconds.
    pub gap_seconds: u64,
    /// By how many seconds its clock was seen to be wrong.
    pub skew_seconds: i64,
    /// How often its time went back.
    pub backward_jumps: u64,
    /// Offset in the unpacked stream up to which its observables count.
    pub counted_to: u64,
    /// When something of it was first recorded; the epoch if nothing was.
    pub recorded: Timestamp,
    /// What went wrong.
    pub fault: String,
    /// The zone by which its times are told, where its lines lack one; empty if nobody knows.
    pub zone: String,
    /// The one by which its values were counted: that one, but where another hunt read it by another since, and they could
    /// not be counted anew; of one that has grown meanwhile those of its parts, with `, ` between.
    pub counted_zone: String,
    pub(super) packed: bool,
    pub(super) merged: bool,
    pub(super) worker: i64,
}

impl File {
    /// Where it was met last: under its first name another log may lie by now.
    pub fn place(&self) -> &str {
        if self.packed_path.is_empty() { &self.path } else { &self.packed_path }
    }
}

const SELECT_ALL: &str = "SELECT id, path, state, source, size, lines, unread_lines, unread, first_time, last_time, days, gap_seconds,
     skew_seconds, backward_jumps, counted_to, recorded, fault, packed, merged, worker, sha256, packed_path,
     times_asked, times_untimed, times_set_apart, kinds, zone FROM hunt_files ORDER BY id";
const SELECT_ONE: &str = "SELECT id, path, state, source, size, lines, unread_lines, unread, first_time, last_time, days, gap_seconds,
     skew_seconds, backward_jumps, counted_to, recorded, fault, packed, merged, worker, sha256, packed_path,
     times_asked, times_untimed, times_set_apart, kinds, zone FROM hunt_files WHERE id = ?1";

/// All files of the register, in the order in which they came.
pub fn files(read: &mut dyn Read) -> Result<Vec<File>, EngineError> {
    let mut all = Vec::new();
    read.query(SELECT_ALL, &[], &mut |row| {
        all.push(file_of(row)?);
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

/// How many files were recorded by a scan before this one.
pub(super) fn files_before(read: &mut dyn Read, scanner_version: i64) -> Result<u64, EngineError> {
    let sql = "SELECT count(*) FROM hunt_files WHERE recorded <> 0 AND scanner_version < ?1";
    let count = first_int(read, sql, &[Value::Int(scanner_version)])?;
    Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

/// One file.
pub(super) fn file(read: &mut dyn Read, id: i64) -> Result<Option<File>, EngineError> {
    let mut found = None;
    read.query(SELECT_ONE, &[Value::Int(id)], &mut |row| {
        found = Some(file_of(row)?);
        Ok(Flow::Stop)
    })?;
    Ok(found)
}

fn file_of(row: &dyn Row) -> Result<File, EngineError> {
    let unsigned = |column| row.int(column).map(|n| u64::try_from(n).unwrap_or(0));
    let time = |column| row.int_opt(column).map(|time| time.map(Timestamp::from_micros));
    let (zone, counted_zone) = zones(row.text(26)?);
    let (first, last) = (time(8)?, time(9)?);
    let mut days = ranges_of(row.blob(10)?);
    if days.is_empty()
        && let (Some(first), Some(last)) = (first.and_then(day_of_time), last.and_then(day_of_time))
    {
        // A file that an earlier program registered.
        days.push((first, last));
    }
    let source = SourceKind::from_code(row.int(3)?).unwrap_or_default();
    Ok(File {
        id: row.int(0)?,
        path: row.text(1)?.to_owned(),
        packed_path: row.text(21)?.to_owned(),
        state: FileState::from_code(row.int(2)?),
        source,
        kinds: SourceKinds::from_bits(row.int(25)?).of_log(source),
        size: unsigned(4)?,
        sha256: row.blob(20)?.try_into().ok(),
        lines: unsigned(5)?,
        unread_lines: unsigned(6)?,
        unread: row.text(7)?.to_owned(),
        times: TimesTold { asked: unsigned(22)?, untimed: unsigned(23)?, set_apart: unsigned(24)? },
        first,
        last,
        days,
        gap_seconds: unsigned(11)?,
        skew_seconds: row.int(12)?,
        backward_jumps: unsigned(13)?,
        counted_to: unsigned(14)?,
        recorded: Timestamp::from_micros(row.int(15)?),
        fault: row.text(16)?.to_owned(),
        zone: zone.to_owned(),
        counted_zone: counted_zone.to_owned(),
        packed: row.int(17)? != 0,
        merged: row.int(18)? != 0,
        worker: row.int(19)?,
    })
}

/// The file of this content, if it is registered: whatever became of it.
pub(super) fn of_content(tx: &mut dyn Read, facts: &FileFacts) -> Result<Option<File>, EngineError> {
    let sql = "SELECT id FROM hunt_files WHERE sha256 = ?1 AND size = ?2 AND state > 0";
    let mut id = first_int(tx, sql, &[Value::Blob(&facts.sha256), Value::Int(int(facts.size))])?;
    if let Some((sha256, size, _)) = facts.held().filter(|_| id.is_none()) {
        let sql = "SELECT id FROM hunt_files WHERE content_sha256 = ?1 AND content_size = ?2 AND state > 0 ORDER BY id";
        id = first_int(tx, sql, &[Value::Blob(sha256), Value::Int(int(size))])?;
    }
    id.map_or(Ok(None), |id| file(tx, id))
}

/// The name of a log, and those that it may have had before it was rotated and packed, as logrotate and others name
/// what they rotate: `vpn.log` of `vpn.log.1.gz`, of `vpn.log-20240302.zst` and of `vpn-20240302.log`.
///
/// ```
/// use hunt::history::names_before_rotation;
///
/// assert!(names_before_rotation("/l/vpn.log.1.gz").contains(&"/l/vpn.log".to_owned()));
/// assert!(names_before_rotation("/l/vpn-20240302.log").contains(&"/l/vpn.log".to_owned()));
/// assert_eq!(names_before_rotation("/l/vpn.log"), ["/l/vpn.log"]);
/// ```
pub fn names_before_rotation(path: &str) -> Vec<String> {
    let (folder, name) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
    let unpacked =
        [".gz", ".zst", ".zstd"].into_iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | '_');
    let mut names = vec![name.to_owned(), unpacked.to_owned(), unpacked.trim_end_matches(number).to_owned()];
    if let Some((stem, extension)) = unpacked.rsplit_once('.') {
        names.push(format!("{}.{extension}", stem.trim_end_matches(number)));
    }
    let mut known: Vec<String> = Vec::new();
    for name in names.into_iter().filter(|name| !name.is_empty()).map(|name| format!("{folder}{name}")) {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    known
}

/// The longest recorded file of this name, or of the one that it had before it was rotated, that the new one begins
/// with. A log that is rotated keeps its name but not its head; a recorded file that is no longer than the head is
/// compared whole.
pub(super) fn shorter_form(read: &mut dyn Read, facts: &FileFacts) -> Result<Option<File>, EngineError> {
    let Some((_, size, head)) = facts.held().filter(|_| !facts.apart) else { return Ok(None) };
    let head_sha256: [u8; 32] = if facts.packed { Sha256::digest(head).into() } else { facts.head_sha256 };
    let names = names_before_rotation(&facts.path);
    let name = |nth: usize| clean(names.get(nth).unwrap_or(&facts.path));
    let mut found = None;
    read.query(
        "SELECT id, size, sha256, head_sha256 FROM hunt_files WHERE path IN (?1, ?2, ?3, ?4) AND size < ?5
         AND recorded <> 0 AND packed = 0 ORDER BY size DESC, id",
        &[
            Value::Text(&name(0)),
            Value::Text(&name(1)),
            Value::Text(&name(2)),
            Value::Text(&name(3)),
            Value::Int(int(size)),
        ],
        &mut |row| {
            let size = usize::try_from(row.int(1)?).unwrap_or(usize::MAX);
            let same = match head.get(..size) {
                Some(head) => Sha256::digest(head).as_slice() == row.blob(2)?,
                None => row.blob(3)? == head_sha256,
            };
            found = same.then_some(row.int(0)?);
            Ok(if same { Flow::Stop } else { Flow::Continue })
        },
    )?;
    found.map_or(Ok(None), |id| file(read, id))
}

/// What a log has grown from: as it says, or by its name.
pub(super) fn grown_from(read: &mut dyn Read, facts: &FileFacts) -> Result<Option<File>, EngineError> {
    let Some(ShorterForm { size, sha256, .. }) = &facts.grown_from else { return shorter_form(read, facts) };
    let sql = "SELECT id FROM hunt_files WHERE sha256 = ?1 AND size = ?2 AND state > 0 AND recorded <> 0 AND packed = 0";
    let id = first_int(read, sql, &[Value::Blob(sha256), Value::Int(int(*size))])?;
    id.map_or(Ok(None), |id| file(read, id))
}

/// Ends of lines at which a short log is looked for that another begins with.
const LINE_ENDS_MAX: usize = 64;

/// Logs by the heads that they may have: as many as there are ends of lines, and one.
const OF_HEADS: &str = "SELECT path, size, sha256 FROM hunt_files
     WHERE head_sha256 IN
        (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
         ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, ?43, ?44,
         ?45, ?46, ?47, ?48, ?49, ?50, ?51, ?52, ?53, ?54, ?55, ?56, ?57, ?58, ?59, ?60, ?61, ?62, ?63, ?64, ?65)
     AND size < ?66 AND recorded <> 0 AND packed = 0 AND first_time IS NOT NULL ORDER BY size DESC, id LIMIT 8";

/// The heads of what a log of this head may have grown from, as SHA-256: this head, and for logs that were shorter than
/// one the parts of it that end with a line.
fn heads_before(head: &[u8]) -> Vec<[u8; 32]> {
    let mut all = vec![<[u8; 32]>::from(Sha256::digest(head))];
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', head).map(|at| at + 1).collect();
    let (mut hash, mut hashed) = (Sha256::new(), 0);
    for end in ends.get(ends.len().saturating_sub(LINE_ENDS_MAX)..).unwrap_or_default() {
        hash.update(head.get(hashed..*end).unwrap_or_default());
        hashed = *end;
        all.push(hash.clone().finalize().into());
    }
    all
}

/// A recorded log, not packed, that another has the head of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShorterForm {
    /// Its name.
    pub path: String,
    /// Its bytes, as stored.
    pub size: u64,
    /// SHA-256 of them.
    pub sha256: [u8; 32],
}

impl History<'_> {
    /// The recorded log that this one seems to have grown from, by name and head; whether it truly begins with it
    /// is for whoever has the file to tell ([`FileFacts::apart`]).
    pub fn shorter_form(&self, facts: &FileFacts) -> Result<Option<ShorterForm>, HistoryError> {
        self.read(|read| {
            let Some(file) = shorter_form(read, facts)? else { return Ok(None) };
            let shorter = |sha256| ShorterForm { path: file.path.clone(), size: file.size, sha256 };
            Ok(file.sha256.map(shorter))
        })
    }
}

impl History<'_> {
    /// The recorded log that this one holds the same as, where it was met under another name until now.
    pub fn under_another_name(&self, facts: &FileFacts) -> Result<Option<ShorterForm>, HistoryError> {
        self.read(|read| {
            let Some(file) = of_content(read, facts)? else { return Ok(None) };
            let File { size, sha256, packed_path, path, recorded, .. } = file;
            let is_other = recorded != Timestamp::EPOCH && path != facts.path && packed_path != facts.path;
            Ok(sha256.filter(|_| is_other).map(|sha256| ShorterForm { path, size, sha256 }))
        })
    }

    /// Recorded logs that this one begins with as far as their heads tell, whatever their names, the longest first: it
    /// may be one of them, renamed and grown since. Those without a line that tells its time are left out: what merely
    /// has the same header is another log.
    pub fn same_beginnings(&self, facts: &FileFacts) -> Result<Vec<ShorterForm>, HistoryError> {
        let Some((_, size, head)) = facts.held() else { return Ok(Vec::new()) };
        let heads = heads_before(head);
        let Some(whole) = heads.first() else { return Ok(Vec::new()) };
        let mut args: Vec<Value<'_>> = heads.iter().map(|head| Value::Blob(head)).collect();
        args.resize(LINE_ENDS_MAX + 1, Value::Blob(whole));
        args.push(Value::Int(int(size)));
        self.read(|read| {
            let mut found = Vec::new();
            read.query(OF_HEADS, &args, &mut |row| {
                let size = u64::try_from(row.int(1)?).unwrap_or(0);
                let (path, sha256) = (row.text(0)?.to_owned(), row.blob(2)?.try_into().ok());
                found.extend(sha256.map(|sha256| ShorterForm { path, size, sha256 }));
                Ok(Flow::Continue)
            })?;
            Ok(found)
        })
    }

    /// The number of what was recorded last under this name; `None` if nothing was.
    pub fn recorded_as(&self, path: &str) -> Result<Option<i64>, HistoryError> {
        self.read(|read| {
            let sql = "SELECT id FROM hunt_files WHERE path = ?1 AND recorded <> 0 ORDER BY recorded DESC, id DESC LIMIT 1";
            Ok(first_int(read, sql, &[Value::Text(&clean(path))])?)
        })
    }

    /// Whether the log of this number is recorded under this name.
    pub fn is_recorded_as(&self, number: i64, path: &str) -> Result<bool, HistoryError> {
        self.read(|read| {
            let sql = "SELECT id FROM hunt_files WHERE id = ?1 AND path = ?2 AND recorded <> 0";
            Ok(first_int(read, sql, &[Value::Int(number), Value::Text(&clean(path))])?.is_some())
        })
    }
}

/// Whether a log grows no more, as far as that can be known: it grows at its end, so that one that ends long ago, and
/// one that is packed, does not.
pub(super) fn is_settled(packed: bool, last: Option<Timestamp>, recorded: Timestamp, now: Timestamp) -> bool {
    let end = last.map_or(recorded, |last| last.min(recorded));
    packed || end.micros() <= now.micros().saturating_sub(SETTLED_SECONDS * 1_000_000)
}

/// Notes where the content of a file was met: under its first name another log may lie by now.
pub(super) fn note_place(tx: &mut dyn Tx, file: &File, facts: &FileFacts) -> Result<(), EngineError> {
    let place = if facts.is_copy || facts.path == file.path { "" } else { &facts.path };
    if place == file.packed_path {
        return Ok(());
    }
    let args = [Value::Int(file.id), Value::Text(&clean(place))];
    tx.execute("UPDATE hunt_files SET packed_path = ?2 WHERE id = ?1", &args).map(drop)
}

/// Notes what kinds of logs the lines of a file are of that was recorded before: an earlier program kept one.
pub(super) fn note_kinds(tx: &mut dyn Tx, file: &File, facts: &FileFacts) -> Result<(), EngineError> {
    let mut kinds = file.kinds;
    kinds.join(facts.kinds);
    if kinds == file.kinds {
        return Ok(());
    }
    let args = [Value::Int(file.id), Value::Int(kinds.of_log(file.source).bits())];
    tx.execute("UPDATE hunt_files SET kinds = ?2 WHERE id = ?1", &args).map(drop)
}

/// Notes that rows of a file stand in runs with those of others.
pub(super) fn mark_merged(tx: &mut dyn Tx, file: i64) -> Result<(), EngineError> {
    tx.execute("UPDATE hunt_files SET merged = 1 WHERE id = ?1", &[Value::Int(file)]).map(drop)
}

/// Registers a file on which work begins; answers its id.
pub(super) fn begin(tx: &mut dyn Tx, facts: &FileFacts, worker: i64) -> Result<i64, EngineError> {
    // What could not be read under this name can be now.
    let failed = "DELETE FROM hunt_files WHERE path = ?1 AND state = 4 AND recorded = 0";
    tx.execute(failed, &[Value::Text(&clean(&facts.path))])?;
    let id = next_id(tx)?;
    insert(tx, id, &facts.path, facts, FileState::Running, worker)?;
    Ok(id)
}

fn insert(
    tx: &mut dyn Tx,
    id: i64,
    path: &str,
    facts: &FileFacts,
    state: FileState,
    worker: i64,
) -> Result<(), EngineError> {
    tx.execute(
        "INSERT INTO hunt_files (id, path, sha256, head_sha256, size, state, lines, unread_lines, findings, scanner_version, recorded, worker)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, ?7, 0, ?8)",
        &[
            Value::Int(id),
            Value::Text(&clean(path)),
            Value::Blob(&facts.sha256),
            Value::Blob(&facts.head_sha256),
            Value::Int(int(facts.size)),
            Value::Int(state.code()),
            Value::Int(SCANNER_VERSION),
            Value::Int(worker),
        ],
    )?;
    Ok(())
}

fn next_id(tx: &mut dyn Tx) -> Result<i64, EngineError> {
    // Files that are gone may still be named by runs: an id is never used again.
    let last = first_int(tx.as_read(), "SELECT coalesce(max(id), 0) FROM hunt_files", &[])?.unwrap_or(0);
    let known = "SELECT coalesce(max(CAST(value AS BIGINT)), 0) FROM hunt_settings WHERE name = 'last-file'";
    let known = first_int(tx.as_read(), known, &[])?.unwrap_or(0);
    let id = last.max(known) + 1;
    super::settings::put(tx, "last-file", &id.to_string())?;
    Ok(id)
}

/// What the register says of a file that breaks off, or is damaged.
const NOT_WHOLE: &str = "it could not be read to its end";

/// Writes what is known of a file that was recorded.
pub(super) fn describe(
    tx: &mut dyn Tx,
    id: i64,
    facts: &FileFacts,
    counted_to: u64,
    now: Timestamp,
) -> Result<(), EngineError> {
    let unread: Vec<String> =
        facts.unread.iter().map(|(reason, lines)| format!("{reason}={lines}")).collect();
    let whole = facts.whole && facts.unread.is_empty();
    let state = if whole { FileState::Done } else { FileState::Partial };
    let time = |time: Option<Timestamp>| Value::int_or_null(time.map(Timestamp::micros));
    let (source, held) = (facts.class.source, facts.held());
    let fault = match facts.fault.as_str() {
        _ if facts.whole => "",
        "" => NOT_WHOLE,
        fault => fault,
    };
    let log_source = format!("{}/{}/{}", source.product, source.category, source.service);
    tx.execute(
        "UPDATE hunt_files SET path = ?2, sha256 = ?3, head_sha256 = ?4, size = ?5, state = ?6, lines = ?7, unread_lines = ?8,
         first_time = ?9, last_time = ?10, scanner_version = ?11, recorded = ?12, source = ?13, log_source = ?14,
         packed = ?15, counted_to = ?16, unread = ?17, days = ?18, gap_start = ?19, gap_seconds = ?20,
         skew_seconds = ?21, backward_jumps = ?22, reader_version = ?23, set_version = ?24, fault = ?25, zone = ?26,
         content_sha256 = ?27, content_size = ?28, times_asked = ?29, times_untimed = ?30, times_set_apart = ?31, kinds = ?32,
         packed_path = '', worker = 0
         WHERE id = ?1",
        &[
            Value::Int(id),
            Value::Text(&clean(&facts.path)),
            Value::Blob(&facts.sha256),
            Value::Blob(&facts.head_sha256),
            Value::Int(int(facts.size)),
            Value::Int(state.code()),
            Value::Int(int(facts.lines)),
            Value::Int(int(facts.unread_lines())),
            time(facts.first),
            time(facts.last),
            Value::Int(SCANNER_VERSION),
            Value::Int(now.micros().max(1)),
            Value::Int(facts.class.kind.code().into()),
            Value::Text(if log_source == "//" { "" } else { &log_source }),
            Value::Int(i64::from(facts.packed)),
            Value::Int(int(counted_to)),
            Value::Text(&clean(&unread.join(","))),
            Value::Blob(&ranges_blob(&facts.covered())),
            time(facts.longest_gap.map(|(start, _)| start)),
            Value::Int(int(facts.longest_gap.map_or(0, |(_, seconds)| seconds))),
            Value::Int(facts.skew_seconds),
            Value::Int(int(facts.backward_jumps)),
            Value::Int(READER_VERSION),
            Value::Text(&clean(&facts.set_version)),
            Value::Text(&clean(fault)),
            Value::Text(&clean(&facts.zone)),
            Value::Blob(held.map_or(&[], |(sha256, ..)| sha256.as_slice())),
            Value::Int(int(held.map_or(0, |(_, size, _)| size))),
            Value::Int(int(facts.times.asked)),
            Value::Int(int(facts.times.untimed)),
            Value::Int(int(facts.times.set_apart)),
            Value::Int(facts.kinds.of_log(facts.class.kind).bits()),
        ],
    )?;
    Ok(())
}

impl History<'_> {
    /// Notes that a file could not be read. What was recorded of it before still counts.
    pub fn fail(&self, path: &str, fault: &str) -> Result<(), HistoryError> {
        self.write(|tx| {
            let args = [Value::Text(&clean(path)), Value::Text(&clean(fault))];
            let known =
                "UPDATE hunt_files SET state = 4, worker = 0, fault = ?2 WHERE path = ?1 AND recorded = 0";
            if tx.execute(known, &args)? > 0 {
                return Ok(());
            }
            let id = next_id(tx)?;
            insert(tx, id, path, &FileFacts::default(), FileState::Failed, 0)?;
            // Its content is not known: it must not stand in the way of another.
            let args = [Value::Int(id), Value::Text(&clean(fault)), Value::Blob(&id.to_be_bytes())];
            tx.execute("UPDATE hunt_files SET fault = ?2, sha256 = ?3 WHERE id = ?1", &args)?;
            Ok(())
        })
    }

    /// The number in the register of the log of this content, if it is registered.
    pub fn number_of(&self, facts: &FileFacts) -> Result<Option<i64>, HistoryError> {
        self.read(|read| Ok(of_content(read, facts)?.map(|file| file.id)))
    }

    /// The register.
    pub fn files(&self) -> Result<Vec<File>, HistoryError> {
        self.read(|read| Ok(files(read)?))
    }
}

/// Days as ranges: first day and number of days, four bytes little-endian each.
pub(super) fn ranges_blob(days: &[u32]) -> Vec<u8> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for day in days {
        match ranges.last_mut() {
            Some((first, count)) if *first + *count == *day => *count += 1,
            Some((first, count)) if *day < *first + *count => {}
            _ => ranges.push((*day, 1)),
        }
    }
    ranges.iter().flat_map(|(first, count)| [first.to_le_bytes(), count.to_le_bytes()]).flatten().collect()
}

fn ranges_of(blob: &[u8]) -> Vec<(u32, u32)> {
    let numbers: Vec<u32> = blob.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    let pairs = numbers.as_chunks::<2>().0.iter();
    pairs.filter_map(|[first, count]| Some((*first, first.checked_add(count.checked_sub(1)?)?))).collect()
}

pub(super) fn first_int(
    read: &mut dyn Read,
    sql: &'static str,
    args: &[Value<'_>],
) -> Result<Option<i64>, EngineError> {
    let mut found = None;
    read.query(sql, args, &mut |row| {
        found = Some(row.int(0)?);
        Ok(Flow::Stop)
    })?;
    Ok(found)
}

/// Text without NUL, which the engines do not take.
pub(super) fn clean(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_kept_as_ranges() {
        assert_eq!(ranges_of(&ranges_blob(&[3, 4, 5, 9, 9, 11])), [(3, 5), (9, 9), (11, 11)]);
        assert!(ranges_of(&ranges_blob(&[])).is_empty());
    }

    #[test]
    fn without_days_the_longest_gap_is_left_out() {
        let time = |day: i64| Some(Timestamp::from_micros(day * 86_400_000_000 + 3_600_000_000));
        let facts = FileFacts { first: time(10), last: time(20), ..FileFacts::default() };
        assert_eq!(facts.covered(), (10..=20).collect::<Vec<_>>());
        let gap = time(12).map(|start| (start, 4 * 86_400));
        assert_eq!(FileFacts { longest_gap: gap, ..facts }.covered(), [10, 11, 12, 16, 17, 18, 19, 20]);
    }
}
