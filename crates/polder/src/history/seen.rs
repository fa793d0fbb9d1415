// SPDX-License-Identifier: Apache-2.0
//! `polder seen`: whether a value was ever in the logs, and what the answer rests on.

use hunt::history::{
    Act, Coverage, Missing, OtherZone, Question, Seen, Sighted, Source, SourceCoverage, day_of_time,
    day_text, is_kept_by_place, other_kind,
};
use model::diagnostic::shown;
use model::observable::{Observable, ObservableKind, refang};
use model::time::Timestamp;
use serde_json::{Value, json};

use super::Opened;
use crate::cli;
use crate::failure::{Exit, Failure};
use crate::hunting::counted;
use crate::node::{Node, now};
use crate::out::say;

/// Sources, gaps and unread files that `seen` names on a terminal.
const SHOWN_MAX: usize = 10;

/// An answer with all that belongs to it.
struct Answer {
    observable: Observable,
    sighted: Sighted,
    sources: Vec<Source>,
    more_sources: u64,
    coverage: Coverage,
}

/// Runs `seen`.
pub fn seen(args: &cli::Seen) -> Result<Exit, Failure> {
    let node = Node::open(&args.data)?;
    let observable = observable(&args.value, args.kind)?;
    let opened = Opened::open(&node)?;
    let (history, keep) = (opened.history(), opened.keep_to_ask([observable.kind()])?);
    // Who asks is noted before he is answered.
    let purpose = args.purpose.as_deref().unwrap_or_default();
    let forgotten = opened.forgotten(&observable)?;
    // What was forgotten does not come back by being asked for.
    let entry = opened.audit(Act::Seen, &opened.audit_name(&observable, forgotten.is_some())?, purpose)?;
    let question = Question { observable, with_subdomains: args.subdomains };
    let mut sighted = history.seen(&question, &keep)?;
    for run in std::mem::take(&mut sighted.unread) {
        let files = history.set_aside(&run.name)?;
        eprintln!(
            "warning: run {} of the history ({} logs of {}) is damaged: {}. It was set aside, and {} must be hunted again",
            run.name,
            run.head.source.name(),
            run.head.month,
            run.reason,
            counted(files, "file")
        );
    }
    let (sources, more_sources) = history.sources(&sighted)?;
    let mut coverage = history.coverage(question.observable.kind(), &keep, now())?;
    if !question.observable.is_external() {
        (coverage.is_kept, coverage.unkept_since, coverage.unkept_files) = (false, None, 0);
    }
    coverage.is_kept_by_place = is_kept_by_place(&question.observable);
    coverage.forgotten = forgotten;
    coverage.forgotten_others = match question.observable.kind() {
        ObservableKind::Cidr => history.forgotten_of(ObservableKind::Ip)?,
        ObservableKind::Domain if args.subdomains => {
            let of_domains = history.forgotten_of(ObservableKind::Domain)?;
            of_domains.saturating_sub(u64::from(forgotten.is_some()))
        }
        _ => 0,
    };
    let exit = match (sighted.seen.count, coverage.has_holes()) {
        (0, false) => Exit::NotFound,
        (0, true) => Exit::Partial,
        _ => Exit::Done,
    };
    let outcome = match (sighted.seen.count, forgotten) {
        (0, None) if is_known_never(&coverage) => "never",
        (0, None) => "not known",
        (0, Some(_)) => "forgotten",
        _ => "seen",
    };
    history.audit_outcome(entry, outcome)?;
    if sighted.seen.count == 0 && !args.subdomains && question.observable.kind() == ObservableKind::Domain {
        let below = Question { with_subdomains: true, ..question.clone() };
        let below = history.seen(&below, &keep)?;
        if below.seen.count > 0 {
            eprintln!(
                "names below it were seen {}; --subdomains tells more",
                counted(below.seen.count, "time")
            );
        }
    }
    let answer = Answer { observable: question.observable, sighted, sources, more_sources, coverage };
    if args.json {
        say!("{}", answer.json());
    } else {
        answer.tell();
    }
    Ok(exit)
}

/// Whether the history keeps such values wherever they stand, so that it can say that there was none in what was read.
fn is_known_never(coverage: &Coverage) -> bool {
    coverage.is_kept && !coverage.is_kept_by_place && coverage.older_files == 0 && coverage.unkept_files == 0
}

/// The value that somebody asks about; kinds that look like another are named.
pub fn observable(text: &str, kind: Option<ObservableKind>) -> Result<Observable, Failure> {
    let refanged = refang(text);
    match kind {
        // A name may hold what looks defanged.
        Some(kind @ (ObservableKind::Account | ObservableKind::UserAgent)) => Observable::parse(kind, text),
        Some(kind) => Observable::parse(kind, &refanged),
        None => {
            return Observable::guess(&refanged).ok_or_else(|| {
                Failure::usage(format!(
                    "`{text}` is no address, network, domain or hash; --kind says what it is"
                ))
            });
        }
    }
    .map_err(|error| Failure::usage(error.to_string()))
}

fn time(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}

/// The day of a time, UTC.
fn day_of(time: Timestamp) -> String {
    day_of_time(time).map_or_else(|| time.to_string(), day_text)
}

fn stretches(days: impl Iterator<Item = (u32, u32)>) -> Vec<Value> {
    days.map(|(first, last)| json!([day_text(first), day_text(last)])).collect()
}

impl Answer {
    fn json(&self) -> Value {
        let Seen { first, last, count, days, flags } = &self.sighted.seen;
        let sources: Vec<Value> = self.sources.iter().map(source_json).collect();
        json!({
            "value": self.observable.display(), "kind": self.observable.kind().name(), "seen": *count > 0,
            "first": time(*first), "last": time(*last), "count": count, "days": days.len(),
            "values": self.sighted.values, "of_other_kind": self.sighted.of_other_kind, "flags": flags.names().collect::<Vec<_>>(),
            "sources": sources, "more_sources": self.more_sources, "coverage": coverage_json(&self.coverage),
        })
    }

    fn tell(&self) {
        let Seen { first, last, count, days, .. } = &self.sighted.seen;
        let name = self.observable.display();
        let name = shown(&name);
        let known = |t: Option<Timestamp>| time(t).unwrap_or_else(|| "an unknown time".to_owned());
        if *count > 0 {
            let days = counted(days.len() as u64, "day");
            say!(
                "{name} was seen {} on {days}, from {} to {}",
                counted(*count, "time"),
                known(*first),
                known(*last)
            );
            if self.sighted.values > 1 {
                say!("  as {} different values", self.sighted.values);
            }
            if let Some(other) = other_kind(&self.observable).filter(|_| self.sighted.of_other_kind > 0) {
                let of_other = counted(self.sighted.of_other_kind, "time");
                say!(
                    "  {of_other} of them as {}, which looks the same where no field tells them apart",
                    other.kind()
                );
            }
            for source in self.sources.iter().take(SHOWN_MAX) {
                let alone = source.seen.as_ref().map(|seen| counted(seen.count, "time"));
                let was = source.was.as_ref().map_or(String::new(), |was| format!(" (was {})", shown(was)));
                say!(
                    "  {}{was}  {}",
                    shown(&source.file),
                    alone.unwrap_or_else(|| "counted with others".to_owned())
                );
            }
            let more = self.sources.len().saturating_sub(SHOWN_MAX) as u64 + self.more_sources;
            if more > 0 {
                say!("  and {more} more files; --json names them");
            }
            if let Some(time) = self.coverage.forgotten {
                let day = day_of(time);
                say!(
                    "  what was known of it before was erased on {day}, at somebody's wish; this was recorded since"
                );
            }
        } else if let Some(time) = self.coverage.forgotten {
            say!(
                "{name} was erased on {}, at somebody's wish (`polder history audit`); nothing of it was recorded since",
                day_of(time)
            );
        } else if is_known_never(&self.coverage) {
            say!("{name} was never seen in what was read");
        } else {
            say!("the history knows nothing of {name}, and cannot say that it was not there");
        }
        tell_coverage(&self.coverage, self.observable.kind());
    }
}

fn source_json(source: &Source) -> Value {
    let seen = source.seen.as_ref();
    json!({
        "file": source.file, "was": source.was, "kind": source.kind.name(), "first": time(seen.and_then(|s| s.first)),
        "last": time(seen.and_then(|s| s.last)), "count": seen.map(|s| s.count),
    })
}

/// What an answer rests on, as `docs/json.md` has it.
pub fn coverage_json(coverage: &Coverage) -> Value {
    let kinds = |all: &[SourceCoverage]| all.iter().map(kind_json).collect::<Vec<_>>();
    let missing = |missing: &Missing| {
        let declared = &missing.declared;
        json!({
            "name": declared.name, "kind": declared.source.name(), "match": declared.pattern,
            "every": declared.cadence.name(), "files": missing.files, "gaps": stretches(missing.gaps.iter().copied()),
        })
    };
    let unread = coverage.unread.iter().map(|file| {
        json!({ "file": file.path, "state": file.state.name(), "unread": file.unread, "fault": file.fault })
    });
    let dropped = coverage.dropped.iter().map(|class| {
        let months: Vec<String> = class.months.iter().map(ToString::to_string).collect();
        json!({ "kind": class.source.name(), "months": months, "rows": class.rows })
    });
    let damaged = coverage.damaged.iter().map(|(head, files)| {
        json!({ "kind": head.source.name(), "month": head.month.to_string(), "files": files })
    });
    json!({
        "files": coverage.files, "partial_files": coverage.partial_files, "lines": coverage.lines,
        "unread_lines": coverage.unread_lines, "first": time(coverage.first), "last": time(coverage.last),
        "kept": coverage.is_kept, "unkept_since": time(coverage.unkept_since), "unkept_files": coverage.unkept_files, "kept_by_place": coverage.is_kept_by_place, "older_files": coverage.older_files, "holes": coverage.has_holes(), "shows": kinds(&coverage.shows),
        "cannot_show": kinds(&coverage.cannot_show), "unknown": coverage.unknown.as_ref().map(kind_json),
        "missing": coverage.missing.iter().map(missing).collect::<Vec<_>>(), "unread": unread.collect::<Vec<_>>(),
        "more_unread": coverage.more_unread, "dropped": dropped.collect::<Vec<_>>(),
        "damaged": damaged.collect::<Vec<_>>(), "elsewhere": coverage.elsewhere,
        "other_zones": coverage.other_zones.iter().map(|zones| {
            json!({ "counted": zones.counted, "read": zones.read, "files": zones.files })
        }).collect::<Vec<_>>(),
        "forgotten": time(coverage.forgotten), "forgotten_others": coverage.forgotten_others,
    })
}

fn kind_json(source: &SourceCoverage) -> Value {
    json!({
        "kind": source.source.name(), "files": source.files, "days": source.day_count(),
        "covered": stretches(source.days.iter().copied()), "gaps": stretches(source.gaps()),
    })
}

fn stretch(first: u32, last: u32) -> String {
    if first == last { day_text(first) } else { format!("{} to {}", day_text(first), day_text(last)) }
}

fn tell_coverage(coverage: &Coverage, kind: ObservableKind) {
    tell_unkept(coverage);
    if coverage.is_kept_by_place {
        say!(
            "It is under no public suffix. Such names are kept only where the line says that they are names (in a field for \
             names, a URL, a mail address), and not of logs that an earlier program read: `polder hunt` in the logs finds \
             it wherever it stands."
        );
    }
    if coverage.older_files > 0 {
        let files = counted(coverage.older_files, "file");
        say!(
            "An earlier program, which kept no such values, read {files}: `polder hunt` in the logs finds it there."
        );
    }
    if coverage.files == 0 {
        say!("no log has been hunted on this node yet; `polder hunt --data DIR PATH` reads them");
    } else {
        let known = |t: Option<Timestamp>| time(t).unwrap_or_else(|| "an unknown time".to_owned());
        say!(
            "This rests on {} ({} of them in part), {}, from {} to {}; logs that were not hunted are not in it.",
            counted(coverage.files, "file"),
            coverage.partial_files,
            counted(coverage.lines, "line"),
            known(coverage.first),
            known(coverage.last)
        );
    }
    for source in &coverage.shows {
        tell_source(source, &format!("can show {}", named(kind)));
    }
    if let Some(source) = &coverage.unknown {
        tell_source(source, "not known to tell about anything, searched as text");
    }
    for source in &coverage.cannot_show {
        say!(
            "  {} logs: {}, cannot show {}",
            source.source.name(),
            counted(source.files, "file"),
            named(kind)
        );
    }
    tell_missing(coverage);
}

/// What the history lacks because such values are not kept, or were not for a time.
fn tell_unkept(coverage: &Coverage) {
    match coverage.unkept_since {
        _ if coverage.is_kept => {}
        Some(since) => say!(
            "The history keeps such values no longer since {}: what it holds is of before (`polder history status`).",
            day_of(since)
        ),
        None => say!(
            "The history does not keep such values, so that it knows none says nothing (`polder history status`)."
        ),
    }
    if coverage.unkept_files > 0 && (coverage.is_kept || coverage.unkept_since.is_some()) {
        let files = counted(coverage.unkept_files, "file");
        say!("{files} came while such values were not kept: `polder hunt` in the logs finds it there.");
    }
}

fn tell_source(source: &SourceCoverage, what: &str) {
    let (name, files, days) = (source.source.name(), counted(source.files, "file"), source.day_count());
    say!("  {name} logs: {files}, {}, {what}", counted(days, "day"));
    let gaps: Vec<(u32, u32)> = source.gaps().collect();
    for (first, last) in gaps.iter().take(SHOWN_MAX) {
        say!("    no {name} log {}", stretch(*first, *last));
    }
    if gaps.len() > SHOWN_MAX {
        say!("    and {} more gaps; --json names them", gaps.len() - SHOWN_MAX);
    }
}

fn tell_missing(coverage: &Coverage) {
    for Missing { declared, files, gaps } in &coverage.missing {
        let (name, kind) = (shown(&declared.name), declared.source.name());
        if *files == 0 {
            say!("  missing: {name}, a declared source of {kind} logs: no file was ever hunted");
        }
        for (first, last) in gaps.iter().take(SHOWN_MAX) {
            say!("  missing: {name}, no {kind} log {}", stretch(*first, *last));
        }
        if gaps.len() > SHOWN_MAX {
            say!("  missing: {name}, {} more gaps; --json names them", gaps.len() - SHOWN_MAX);
        }
    }
    for class in &coverage.dropped {
        let (first, last) = (class.months.first(), class.months.last());
        if let (Some(first), Some(last)) = (first, last) {
            let source = class.source.name();
            say!(
                "  deleted by retention: {source} logs of {first} to {last}, {}; they were there",
                counted(class.rows, "value")
            );
        }
    }
    for (head, files) in &coverage.damaged {
        let (source, month) = (head.source.name(), head.month);
        say!("  damaged: {source} logs of {month}; {} to be hunted again", counted(*files, "file"));
    }
    for file in coverage.unread.iter().take(SHOWN_MAX) {
        let why: Vec<&str> =
            [file.unread.as_str(), file.fault.as_str()].into_iter().filter(|why| !why.is_empty()).collect();
        let why = if why.is_empty() { String::new() } else { format!(": {}", shown(&why.join(", "))) };
        say!("  not wholly read: {} ({}){why}", shown(&file.path), file.state.name());
    }
    let more = coverage.unread.len().saturating_sub(SHOWN_MAX) as u64 + coverage.more_unread;
    if more > 0 {
        say!("  and {more} more files that were not wholly read; --json names them");
    }
    for OtherZone { counted: by, read, files } in &coverage.other_zones {
        say!(
            "  counted by another zone: {}, by {by} where they are read by {read} now; first, last and days of what stands \
             in them may be off by the difference. A hunt with --data of a new directory counts them anew",
            counted(*files, "file")
        );
    }
    if coverage.forgotten_others > 0 {
        say!(
            "  {} erased at somebody's wish: whether any is among what was asked for cannot be told",
            counted(coverage.forgotten_others, "value")
        );
    }
    if coverage.elsewhere > 0 {
        say!(
            "  {} of other directories of this node were not asked: ask there",
            counted(coverage.elsewhere, "run")
        );
    }
}

/// A kind of value in a sentence.
fn named(kind: ObservableKind) -> &'static str {
    match kind {
        ObservableKind::Account => "accounts",
        ObservableKind::Cidr | ObservableKind::Ip => "addresses",
        ObservableKind::Domain => "domains",
        ObservableKind::Email => "mail addresses",
        ObservableKind::Ja3 | ObservableKind::Ja4 => "fingerprints of TLS clients",
        ObservableKind::Md5
        | ObservableKind::Sha1
        | ObservableKind::Sha256
        | ObservableKind::Sha384
        | ObservableKind::Sha512 => "hashes of files",
        ObservableKind::Url => "URLs",
        ObservableKind::UserAgent => "user agents",
    }
}
