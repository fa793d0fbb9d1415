// SPDX-License-Identifier: Apache-2.0
//! What a hunt came to, as plain data: whoever hunts fills it, the printers beside this file only read it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::id::is_stix_id;
use model::marking::{Marking, Tlp};
use model::observable::ObservableKind;
use model::time::Timestamp;

use super::beyond::Beyond;
use super::notice::is_withheld;
use crate::detection::{Detection, Means};
use crate::event::{Format, SourceKind, SourceKinds, Unread};
use crate::finding::Finding;
use crate::time::TimesTold;

/// How far a time may be ahead of the report: a day covers any time zone.
const AHEAD_MICROS_MAX: i64 = 26 * 3_600 * 1_000_000;

/// A day as days since 1970-01-01, UTC.
pub type Day = i32;

/// What a hunt came to.
#[derive(Clone, Debug)]
pub struct Summary {
    /// When the report is made.
    pub made: Timestamp,
    /// Whose logs they are, as a person names the organisation; may be empty.
    pub organisation: String,
    /// Findings, in the order of files and lines.
    pub hits: Vec<Hit>,
    /// Findings that a person dismissed. They are neither in `hits` nor counted elsewhere.
    pub dismissed: u64,
    /// Findings of indicators that were revoked since. They, too, are in no other number.
    pub revoked: u64,
    /// Findings that are not in `hits`, because whoever filled it kept no more.
    pub more_hits: u64,
    /// How many of these there are of each indicator and value.
    pub beyond: Beyond,
    /// What is known of the indicators that `hits` name, by [`Finding::indicator`].
    pub indicators: BTreeMap<String, IndicatorFacts>,
    /// What rules and detectors said.
    pub detections: Vec<Detection>,
    /// Detections that are not in `detections`.
    pub more_detections: u64,
    /// Detections that were told once and count no more. They are in no number.
    pub ended: Vec<Ended>,
    /// Of `more_hits` those that are recorded, each with its log.
    pub more_recorded: u64,
    /// Of `more_recorded` those that people were told of before, for a notice ([`told::look_up`](super::told::look_up)).
    pub more_known: u64,
    /// Numbers of the logs in the register, by their names.
    pub logs: BTreeMap<String, i64>,
    /// Of `detections` those that people were told of before, for a notice; empty where nobody looked.
    pub known_detections: BTreeSet<[u8; 32]>,
    /// The logs that were looked at, or should have been.
    pub files: Vec<FileFacts>,
    /// Logs that hold the same as another of `files`, packed or not, each with that one: they were read and count once.
    pub copies: Vec<(String, String)>,
    /// What the logs can tell of, and what not.
    pub coverage: Coverage,
    /// What was looked for.
    pub sought: Sought,
    /// Matches that were not kept as findings: why, and how many (`the indicator had ceased to hold`).
    pub left_out: BTreeMap<String, u64>,
    /// Days of which there are lines, by kind of log.
    pub days: BTreeMap<SourceKind, BTreeSet<Day>>,
    /// How long it took, without waiting for a person.
    pub duration: Duration,
    /// Bytes that were read, unpacked.
    pub bytes: u64,
    /// Whether it was stopped before all was read; what was not looked at is then in `files`.
    pub stopped: bool,
    /// Whether something else could not be looked at: no line of a log was read, entries of a list were refused, a
    /// pattern was given up.
    pub incomplete: bool,
}

impl Summary {
    /// A report of nothing, to be filled.
    pub fn new(made: Timestamp) -> Summary {
        Summary {
            made,
            organisation: String::new(),
            hits: Vec::new(),
            dismissed: 0,
            revoked: 0,
            more_hits: 0,
            beyond: Beyond::default(),
            indicators: BTreeMap::new(),
            detections: Vec::new(),
            more_detections: 0,
            ended: Vec::new(),
            more_recorded: 0,
            more_known: 0,
            logs: BTreeMap::new(),
            known_detections: BTreeSet::new(),
            files: Vec::new(),
            copies: Vec::new(),
            coverage: Coverage::default(),
            sought: Sought::default(),
            left_out: BTreeMap::new(),
            days: BTreeMap::new(),
            duration: Duration::ZERO,
            bytes: 0,
            stopped: false,
            incomplete: false,
        }
    }

    /// Findings in all.
    pub fn hit_count(&self) -> u64 {
        self.hits.len() as u64 + self.more_hits
    }

    /// Of `hits` those that an earlier hunt recorded.
    pub fn known_hits(&self) -> u64 {
        self.hits.iter().filter(|hit| hit.known == Some(true)).count() as u64
    }

    /// Detections in all.
    pub fn detection_count(&self) -> u64 {
        self.detections.len() as u64 + self.more_detections
    }

    /// Lines in all, the unread ones among them.
    pub fn lines(&self) -> u64 {
        self.files.iter().map(|file| file.lines).sum()
    }

    /// Files in which there are lines.
    pub fn files_with_lines(&self) -> u64 {
        self.files.iter().filter(|file| file.lines > 0).count() as u64
    }

    /// Lines that could not be read.
    pub fn unread_lines(&self) -> u64 {
        self.files.iter().map(FileFacts::unread_lines).sum()
    }

    /// Unpacked bytes a second; nothing where no time was measured.
    pub fn rate(&self) -> Option<u64> {
        let micros = self.duration.as_micros();
        let rate = u128::from(self.bytes) * 1_000_000 / if micros == 0 { return None } else { micros };
        u64::try_from(rate).ok()
    }

    /// Time of the first and the last line, as the files tell it.
    pub fn period(&self) -> Option<(Timestamp, Timestamp)> {
        let first = self.files.iter().filter_map(|file| file.first).min()?;
        let last = self.files.iter().filter_map(|file| file.last).max()?;
        Some((first, last))
    }

    /// Whether something that was there to be looked at could not be: `partial` in JSON, and exit code 3.
    pub fn is_partial(&self) -> bool {
        self.stopped
            || self.incomplete
            || self.files.iter().any(|file| file.state != FileState::Whole || file.unread_lines() > 0)
    }

    /// Whether 'nothing was found' has a limit: something could not be looked at, or there are days without a log.
    pub fn is_limited(&self) -> bool {
        self.is_partial()
            || self.coverage.sources.iter().any(|source| !source.gaps.is_empty() || source.is_missing())
    }

    /// The label of a report that holds all of it. Lines of own logs are for the own organisation alone,
    /// and where an indicator is for named persons, so is what was found of it. One whose marking is unknown may be: it
    /// may have been withdrawn since.
    pub fn label(&self) -> Tlp {
        let found = self.hits.iter().map(|hit| &hit.finding.indicator);
        let matched = self.detections.iter().filter(|one| one.means == Means::Pattern).map(|one| &one.id);
        let ids: BTreeSet<&String> = found.chain(matched).collect();
        let label =
            |facts: IndicatorFacts| if is_withheld(&facts) { Tlp::Red } else { facts.marking.label() };
        ids.into_iter().map(|id| label(self.facts(id))).fold(Tlp::AmberStrict, Tlp::max)
    }

    /// What is known of an indicator, by its id. Of an object that nobody told anything of the marking is unknown,
    /// which is not unmarked: an entry of a list carries none, an object of somebody's may.
    pub fn facts(&self, indicator: &str) -> IndicatorFacts {
        let unknown = || IndicatorFacts::unmarked_or_unknown(indicator);
        self.indicators.get(indicator).cloned().unwrap_or_else(unknown)
    }

    /// The marking that a detection goes by: of a pattern that of its indicator; what rules and detectors say is of the
    /// own lines, for the own organisation alone.
    pub fn marking_of(&self, detection: &Detection) -> Marking {
        match detection.means {
            Means::Pattern => self.facts(&detection.id).marking,
            Means::Detector | Means::Rule => Marking::tlp(Tlp::AmberStrict),
        }
    }

    /// What is known of the indicator of a finding.
    pub fn facts_of(&self, finding: &Finding) -> Option<&IndicatorFacts> {
        self.indicators.get(&finding.indicator)
    }
}

/// A detection that was told once and counts no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Id of the detection ([`super::kept::detection_id`]).
    pub id: String,
    /// Id of what detected.
    pub by: String,
    /// Why it counts no more.
    pub why: EndedBy,
    /// What a person said: why it is nothing, why the exception was made; empty where nobody is asked.
    pub reason: String,
}

/// Why a detection counts no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndedBy {
    /// A person dismissed it.
    Dismissed,
    /// An exception to its rule covers it.
    Exception,
    /// The indicator whose pattern it is was revoked.
    Revoked,
    /// Its rule was switched off.
    SwitchedOff,
}

impl EndedBy {
    /// All of them.
    pub const ALL: [EndedBy; 4] =
        [EndedBy::Dismissed, EndedBy::Exception, EndedBy::Revoked, EndedBy::SwitchedOff];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            EndedBy::Dismissed => "dismissed",
            EndedBy::Exception => "exception",
            EndedBy::Revoked => "revoked",
            EndedBy::SwitchedOff => "switched-off",
        }
    }

    /// In words, behind a number.
    pub fn words(self) -> &'static str {
        match self {
            EndedBy::Dismissed => "dismissed by a person",
            EndedBy::Exception => "covered by an exception",
            EndedBy::Revoked => "of patterns that were revoked",
            EndedBy::SwitchedOff => "of rules that were switched off",
        }
    }
}

/// A finding, and where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The match.
    pub finding: Finding,
    /// Host of one's own that the line is about, if it tells one.
    pub host: Option<String>,
    /// Account of one's own that the line is about, if it tells one.
    pub account: Option<String>,
    /// What kind of log it was in.
    pub source: SourceKind,
    /// Why it was kept: what the event confirmed (`field dst_ip, within validity, in no warning list`).
    pub kept: String,
    /// Whether an earlier hunt recorded it, under whatever name its log had then; `None` where nobody looked.
    pub known: Option<bool>,
    /// The name that its log had when it was recorded first, where the register knows it under another since.
    pub was: Option<String>,
}

impl Hit {
    /// A finding of which no more is known than its line.
    pub fn of(finding: Finding) -> Hit {
        Hit {
            finding,
            host: None,
            account: None,
            source: SourceKind::Unknown,
            kept: String::new(),
            known: None,
            was: None,
        }
    }
}

/// Whether what a finding names as its indicator is an object of somebody's, and not the entry of a list. An object need
/// not have a good id; earlier programs named one without any by its place.
pub fn is_of_object(indicator: &str) -> bool {
    let begins = indicator.get(..11).is_some_and(|head| head.eq_ignore_ascii_case("indicator--"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_place = || indicator.rsplit_once(" object ").is_some_and(|(_, nth)| is_number(nth));
    begins || is_stix_id(indicator) || is_place()
}

/// What is known of an indicator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndicatorFacts {
    /// Its name, for a person.
    pub name: String,
    /// Who made it: a name, or the id of an identity; empty if nobody says.
    pub author: String,
    /// Who may see it, all that marks it combined.
    pub marking: Marking,
    /// Its `object_marking_refs`, which a sighting of it carries on.
    pub marking_refs: Vec<String>,
    /// Whether it came with the program, so that everybody may know it.
    pub shipped: bool,
    /// Whether the node's ledger says so: then it says, too, when it is no longer so.
    pub held: bool,
}

impl IndicatorFacts {
    /// Of an indicator of which nothing but its id is known. An object of somebody's carries a marking that only a
    /// ledger tells, so it is unknown here; an entry of a list carries none.
    pub fn unmarked_or_unknown(indicator: &str) -> IndicatorFacts {
        let marking = Marking { unknown: is_of_object(indicator), ..Marking::NONE };
        IndicatorFacts { marking, ..IndicatorFacts::default() }
    }
}

impl Default for IndicatorFacts {
    fn default() -> IndicatorFacts {
        IndicatorFacts {
            name: String::new(),
            author: String::new(),
            marking: Marking::NONE,
            marking_refs: Vec::new(),
            shipped: false,
            held: false,
        }
    }
}

/// What became of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Read up to where it is broken, and what is broken.
    Damaged(String),
    /// Not read at all, and why.
    NotRead(String),
    /// Read to its end.
    Whole,
}

/// One log.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// The log, as it was named.
    pub path: String,
    /// Bytes as stored.
    pub bytes: u64,
    /// SHA-256 of it as stored, if it was taken.
    pub sha256: Option<[u8; 32]>,
    /// Lines, the unread ones among them.
    pub lines: u64,
    /// Lines that could not be read: why, and how many.
    pub unread: Vec<(String, u64)>,
    /// What the lines tell of their times that were asked for them.
    pub times: TimesTold,
    /// Time of its first event.
    pub first: Option<Timestamp>,
    /// Time of its last event.
    pub last: Option<Timestamp>,
    /// What it tells about, as most of its first lines do.
    pub kind: SourceKind,
    /// What its lines tell about, that among it.
    pub kinds: SourceKinds,
    /// How it is written, if that is known.
    pub format: Option<Format>,
    /// Whether numbers of its lines are those of records, for it is not written one event a line.
    pub by_record: bool,
    /// What became of it.
    pub state: FileState,
}

impl FileFacts {
    /// Whether it was read to its end, and there was no line in it.
    pub fn is_empty(&self) -> bool {
        self.state == FileState::Whole && self.lines == 0
    }

    /// Whether nothing in it could be made out: of no kind that is known, without a line that tells its time, and no text.
    pub fn is_garbage(&self) -> bool {
        let binary = Unread::Binary.to_string();
        self.tells_nothing() && self.unread.iter().any(|(why, lines)| *why == binary && *lines > 0)
    }

    /// Whether it was read, is of no known kind, and no line of it tells its time: under the name of a log it is not what
    /// that should hold.
    pub fn tells_nothing(&self) -> bool {
        self.state == FileState::Whole
            && self.lines > 0
            && self.kind == SourceKind::Unknown
            && self.first.is_none()
    }

    /// What is wrong with the times of its lines, for a report that is made at this time: sentences.
    pub fn odd_times(&self, made: Timestamp) -> Vec<String> {
        let TimesTold { asked, untimed, set_apart } = self.times;
        let lines = |count: u64, tell: &str| {
            (count > 0).then(|| {
                let verb = if count == 1 { "tells" } else { "tell" };
                let lines = if asked == 1 { "line" } else { "lines" };
                format!(
                    "{count} of {asked} {lines} that were asked when they happened {verb} {tell}: on no day"
                )
            })
        };
        let ahead = self.last.filter(|last| last.micros() > made.micros().saturating_add(AHEAD_MICROS_MAX));
        let ahead = ahead.map(|last| {
            format!(
                "its last time, {} UTC, was still to come when this was written: a clock was wrong, or a date was misread",
                super::words::second(last)
            )
        });
        let untimed = lines(untimed, "no time that can be read");
        let set_apart = lines(set_apart, "a time before 1990 or after 2099");
        [untimed, set_apart, ahead].into_iter().flatten().collect()
    }

    /// Lines that could not be read, for whatever reason.
    pub fn unread_lines(&self) -> u64 {
        self.unread.iter().map(|(_, lines)| lines).sum()
    }
}

impl Summary {
    /// Files in which numbers of lines are those of records, though nothing but their content says so: an event log and
    /// Parquet have no lines.
    pub fn by_record(&self) -> impl Iterator<Item = &str> {
        let binary = |file: &&FileFacts| !matches!(file.format, Some(Format::Evtx | Format::Parquet));
        self.files.iter().filter(|file| file.by_record).filter(binary).map(|file| file.path.as_str())
    }
}

impl Summary {
    /// What the number of a line in a file is of: `line`, or `record`.
    pub fn number_word(&self, file: &str) -> &'static str {
        if self.files.iter().any(|facts| facts.by_record && facts.path == file) { "record" } else { "line" }
    }
}

/// What the logs can tell of.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Sources that were declared or seen.
    pub sources: Vec<SourceCoverage>,
    /// What none of the sources can show.
    pub cannot_show: Vec<CannotShow>,
}

/// Of which days there are logs of one source.
#[derive(Clone, Debug, Default)]
pub struct SourceCoverage {
    /// Its name, as it was declared, or made of its kind.
    pub name: String,
    /// What it tells about.
    pub kind: SourceKind,
    /// Whether somebody declared it, and with what cadence (`every day`); `None` if it was only seen.
    pub declared: Option<String>,
    /// Days with at least one event, ascending, each once.
    pub days: Vec<Day>,
    /// Spans without events.
    pub gaps: Vec<Gap>,
    /// From which day on it is expected, where it was declared from a day on and none is due yet.
    pub expected_from: Option<Day>,
}

impl SourceCoverage {
    /// Whether nothing was had of it, though something is due.
    pub fn is_missing(&self) -> bool {
        self.days.is_empty() && self.expected_from.is_none()
    }
}

/// Days without events of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// First day.
    pub from: Day,
    /// Last day, itself a day without events.
    pub to: Day,
    /// Why there is nothing.
    pub why: GapReason,
    /// Logs that could not be read and may be of these days, some of them where there are many.
    pub files: Vec<String>,
}

impl Gap {
    /// Why there is nothing, with the logs that may be of these days.
    pub fn words(&self) -> String {
        let why = self.why.words();
        if self.files.is_empty() { why.to_owned() } else { format!("{why} ({})", self.files.join(", ")) }
    }
}

/// Why there is nothing of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapReason {
    /// It was there, and retention deleted it.
    Deleted,
    /// No log of these days was ever given to the program.
    NeverHad,
    /// The hunt was stopped before all logs were read: one of them may be of these days.
    NotReached,
    /// A log is there, and could not be read.
    NotReadable,
}

impl GapReason {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            GapReason::Deleted => "deleted when its time of keeping was over",
            GapReason::NeverHad => "never had",
            GapReason::NotReached => "not known, the hunt was stopped before all logs were read",
            GapReason::NotReadable => "there, but not readable",
        }
    }

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            GapReason::Deleted => "deleted",
            GapReason::NeverHad => "never-had",
            GapReason::NotReached => "not-reached",
            GapReason::NotReadable => "not-readable",
        }
    }
}

/// Something that no source at hand can show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotShow {
    /// What: a kind of value or of behaviour (`hashes of files`).
    pub what: String,
    /// Why not, and what would show it (`no log of hosts was given; Windows event logs would`).
    pub why: String,
}

/// What was looked for.
#[derive(Clone, Debug, Default)]
pub struct Sought {
    /// Indicators by kind; kinds without any are left out.
    pub indicators: Vec<(ObservableKind, u64)>,
    /// Where they are from (`the node's ledger`, `list.txt`, `pack chimera`).
    pub origins: Vec<String>,
    /// STIX patterns of more than one equality.
    pub patterns: u64,
    /// Sigma rules that were applied.
    pub rules: u64,
    /// Rules that could not be used: why, and how many.
    pub rules_refused: Vec<(String, u64)>,
    /// Detectors that ran: short name and what it looks for.
    pub detectors: Vec<(String, String)>,
    /// What must be said besides (`times without a zone were taken for Europe/Amsterdam`).
    pub notes: Vec<String>,
}

impl Sought {
    /// Indicators of all kinds.
    pub fn indicator_count(&self) -> u64 {
        self.indicators.iter().map(|(_, count)| count).sum()
    }

    /// Whether anything at all was looked for.
    pub fn is_empty(&self) -> bool {
        self.indicator_count() + self.patterns + self.rules == 0 && self.detectors.is_empty()
    }
}
