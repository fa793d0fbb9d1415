// SPDX-License-Identifier: Apache-2.0
//! `polder history`, `polder sources` and `polder forget`: what is kept, for how long, which logs are expected,
//! who asked.

use std::collections::BTreeMap;

use hunt::history::{Act, Declared, Forgotten, Run, Zeal, day_of_time, day_text, keep_act};
use hunt::report::{draft, kept, outbox};
use ledger::sql::EngineError;
use model::diagnostic::shown;
use model::observable::ObservableKind;
use model::time::Timestamp;
use serde_json::json;
use store::Scrub;

use super::folder::FileFolder;
use super::{Opened, date, seen};
use crate::cli::{Data, Forget, HistoryCommand, SourcesCommand};
use crate::failure::{Exit, Failure};
use crate::hunting::{DroppedHunts, counted, drop_unfinished, store_left_behind, with_findings_that_wait};
use crate::node::{Node, now};
use crate::out::say;

/// Runs `history`.
pub fn run(command: &HistoryCommand) -> Result<Exit, Failure> {
    match command {
        HistoryCommand::Status { data, json } => status(data, *json),
        HistoryCommand::Keep { data, kind, hmac, off } => keep(data, *kind, *hmac, *off),
        HistoryCommand::Retention { data, kind, source, months, off } => {
            let node = Node::open(data)?;
            let opened = Opened::open(&node)?;
            if months.is_none() && !off {
                return Err(Failure::usage(
                    "say for how long: --months N, or --off to keep such values for ever",
                ));
            }
            let class =
                format!("{} {}", kind.map_or("any", |k| k.name()), source.map_or("any", |s| s.name()));
            let limit = months.map_or("off".to_owned(), |months| months.to_string());
            opened.audit(Act::Set, &format!("retention {class} {limit}"), "")?;
            opened.history().set_retention(*kind, *source, *months)?;
            eprintln!("it is applied after the next hunt, or by `polder history tidy`");
            Ok(Exit::Done)
        }
        HistoryCommand::Tidy { data } => {
            let node = Node::open(data)?;
            let opened = Opened::open(&node)?;
            opened.tidy(Zeal::All, || true)?;
            status_of(&opened, false)
        }
        HistoryCommand::Adopt { data } => {
            let node = Node::open(data)?;
            FileFolder::adopt(node.dir.root())?;
            Opened::open(&node)?.audit(Act::Set, "adopt", "")?;
            Ok(Exit::Done)
        }
        HistoryCommand::Audit { data, since, json } => audit(data, since.as_deref(), *json),
    }
}

fn keep(data: &Data, kind: ObservableKind, hmac: bool, off: bool) -> Result<Exit, Failure> {
    if kind == ObservableKind::Cidr {
        return Err(Failure::usage("networks are asked for, not kept; the addresses in them are `ip`"));
    }
    if kind == ObservableKind::Account && !hmac && !off {
        return Err(Failure::usage(
            "accounts are kept under a keyed hash only: say so with --hmac. See docs/history-privacy.md before you do",
        ));
    }
    if kind != ObservableKind::Account && hmac {
        return Err(Failure::usage("only accounts are kept under a keyed hash; leave --hmac out"));
    }
    let node = Node::open(data)?;
    let opened = Opened::open(&node)?;
    opened.audit(Act::Set, &keep_act(kind, !off), "")?;
    opened.history().set_keep(kind, !off)?;
    if off {
        eprintln!("what is there stays until retention or `polder forget` takes it away");
    }
    Ok(Exit::Done)
}

fn status(data: &Data, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    status_of(&Opened::open(&node)?, as_json)
}

fn status_of(opened: &Opened<'_>, as_json: bool) -> Result<Exit, Failure> {
    let history = opened.history();
    let (runs, keep, limits) = (history.runs()?, opened.keep()?, history.retentions()?);
    let (rows, bytes) = totals(runs.iter());
    let kinds: Vec<&str> = keep.kinds.each().map(ObservableKind::name).collect();
    let mut classes: BTreeMap<(&str, String), Vec<&Run>> = BTreeMap::new();
    for run in &runs {
        let kind = if run.facts.kinds.is_one() { run.facts.kinds.each().next() } else { None };
        let class =
            (run.facts.head.source.name(), kind.map_or("several".to_owned(), |kind| kind.name().to_owned()));
        classes.entry(class).or_default().push(run);
    }
    if as_json {
        let classes: Vec<_> = classes
            .iter()
            .map(|((source, kind), runs)| {
                let (rows, bytes) = totals(runs.iter().copied());
                let months: Vec<String> = runs.iter().map(|run| run.facts.head.month.to_string()).collect();
                json!({
                    "source": source, "kind": kind, "runs": runs.len(), "rows": rows, "bytes": bytes,
                    "first_month": months.iter().min(), "last_month": months.iter().max(),
                })
            })
            .collect();
        let limits: Vec<_> = limits
            .0
            .iter()
            .map(|l| json!({ "kind": l.kind.map(|k| k.name()), "source": l.source.map(|s| s.name()), "months": l.months }))
            .collect();
        say!(
            "{}",
            json!({ "runs": runs.len(), "rows": rows, "bytes": bytes, "kept": kinds, "retention": limits, "classes": classes })
        );
        return Ok(Exit::Done);
    }
    let each =
        if rows == 0 { String::new() } else { format!(", {:.1} bytes each", bytes as f64 / rows as f64) };
    say!("{} with {} in {bytes} bytes{each}", counted(runs.len() as u64, "run"), counted(rows, "row"));
    say!("kept: {}", kinds.join(", "));
    for ((source, kind), runs) in &classes {
        let (rows, _) = totals(runs.iter().copied());
        say!("  {source} logs, {kind}: {} in {}", counted(rows, "row"), counted(runs.len() as u64, "run"));
    }
    for limit in &limits.0 {
        let (kind, source) =
            (limit.kind.map_or("any value", |k| k.name()), limit.source.map_or("any", |s| s.name()));
        say!("retention: {kind} of {source} logs for {}", counted(u64::from(limit.months), "month"));
    }
    Ok(Exit::Done)
}

fn totals<'r>(runs: impl Iterator<Item = &'r Run>) -> (u64, u64) {
    runs.fold((0, 0), |(rows, bytes), run| (rows + run.facts.rows, bytes + run.facts.bytes))
}

fn audit(data: &Data, since: Option<&str>, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let opened = Opened::open(&node)?;
    let since = since.map_or(Ok(Timestamp::EPOCH), date)?;
    let all = opened.history().audited(since)?;
    for entry in &all {
        if as_json {
            say!(
                "{}",
                json!({
                    "id": entry.id, "time": entry.time.to_string(), "who": entry.who, "act": entry.act, "what": entry.what,
                    "purpose": entry.purpose, "outcome": entry.outcome,
                })
            );
        } else {
            let purpose = if entry.purpose.is_empty() {
                "no purpose stated".to_owned()
            } else {
                shown(&entry.purpose).to_string()
            };
            let (who, what) = (shown(&entry.who), shown(&entry.what));
            say!("{}  {who}  {} {what}  ({purpose})  {}", entry.time, entry.act, entry.outcome);
        }
    }
    Ok(if all.is_empty() { Exit::NotFound } else { Exit::Done })
}

/// Runs `sources`.
pub fn sources(command: &SourcesCommand) -> Result<Exit, Failure> {
    match command {
        SourcesCommand::Declare { data, name, kind, pattern, every, since } => {
            let since = since.as_deref().map(|text| date(text).map(day_of_time)).transpose()?.flatten();
            if name.trim().is_empty() || pattern.is_empty() {
                return Err(Failure::usage("a source has a name, and a pattern that its files fit"));
            }
            let node = Node::open(data)?;
            let opened = Opened::open(&node)?;
            let declared = Declared {
                name: name.clone(),
                source: *kind,
                pattern: pattern.clone(),
                cadence: *every,
                since,
            };
            opened.audit(Act::Set, &format!("source {name}"), "")?;
            opened.history().declare(&declared)?;
            Ok(Exit::Done)
        }
        SourcesCommand::List { data, json } => list_sources(data, *json),
        SourcesCommand::Remove { data, name } => {
            let node = Node::open(data)?;
            let opened = Opened::open(&node)?;
            opened.audit(Act::Set, &format!("source {name} removed"), "")?;
            if opened.history().undeclare(name)? {
                return Ok(Exit::Done);
            }
            Err(Failure::not_found(format!("no source {name} is declared; `polder sources list` shows them")))
        }
    }
}

fn list_sources(data: &Data, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let opened = Opened::open(&node)?;
    let (all, files) = (opened.history().declared()?, opened.history().files()?);
    let today = day_of_time(now()).unwrap_or(0);
    for source in &all {
        let (gaps, count) = source.gaps(&files, today);
        let (since, expected_from) =
            (source.since.map(day_text), source.expected_from(today).filter(|_| count == 0).map(day_text));
        if as_json {
            let gaps: Vec<_> =
                gaps.iter().map(|(first, last)| json!([day_text(*first), day_text(*last)])).collect();
            say!(
                "{}",
                json!({
                    "name": source.name, "kind": source.source.name(), "match": source.pattern,
                    "every": source.cadence.name(), "since": since, "files": count, "gaps": gaps,
                    "expected_from": expected_from,
                })
            );
            continue;
        }
        let (name, pattern) = (shown(&source.name), shown(&source.pattern));
        let since = since.map_or(String::new(), |day| format!(" since {day}"));
        let (kind, every) = (source.source.name(), source.cadence.name());
        let due =
            expected_from.map_or(String::new(), |day| format!("; none is due yet, expected from {day} on"));
        say!("{name}: {kind} logs {pattern}, every {every}{since}; {}{due}", counted(count, "file"));
        for (first, last) in &gaps {
            say!("  missing {} to {}", day_text(*first), day_text(*last));
        }
    }
    Ok(if all.is_empty() { Exit::NotFound } else { Exit::Done })
}

/// Runs `forget`.
pub fn forget(args: &Forget) -> Result<Exit, Failure> {
    let observable = seen::observable(&args.value, args.kind)?;
    if observable.kind() == ObservableKind::Cidr {
        return Err(Failure::usage("a network is no value; forget its addresses one by one"));
    }
    if args.purpose.trim().is_empty() {
        return Err(Failure::usage("say why: --purpose, as in --purpose 'request of 3 March'"));
    }
    let node = Node::open(&args.data)?;
    let opened = Opened::open(&node)?;
    // Findings that could not be stored quote lines: they are stored, and then erased with the others.
    store_left_behind(&node, &opened)?;
    let (plain, keyed) = (opened.audit_name(&observable, false)?, opened.audit_name(&observable, true)?);
    let entry = opened.audit(Act::Forget, &keyed, &args.purpose)?;
    let keep = hunt::history::Keep { account_key: Some(*opened.key()?), ..opened.keep()? };
    let forgotten = opened.history().forget(&observable, &keyed, &keep, args.findings, now())?;
    opened.history().veil_audit(&plain, &keyed)?;
    // What somebody noted of findings of it says the value, and so do notices that wait to be sent.
    let (notes, notices, detections) = node.store.local(|tx| {
        let notes = draft::forget(tx, &observable)?;
        let notices = outbox::forget(tx, &observable, now())?;
        Ok::<_, EngineError>((notes, notices, kept::forget(tx, &observable)?))
    })?;
    // A hunt that was stopped keeps lines of logs, and one under way will.
    let mut hunts = drop_unfinished(&node)?;
    hunts.under_way += with_findings_that_wait(&node)?;
    let swept = opened.sweep()?;
    let remains = match node.store.scrub()? {
        Scrub::Gone => Vec::new(),
        Scrub::Remains(places) => places,
    };
    opened.history().audit_outcome(entry, &counted(forgotten.count, "time"))?;
    let erased = Erased { forgotten, notes, notices, detections, hunts, swept, remains };
    erased.warn();
    if args.json {
        say!("{}", erased.json(observable.kind()));
    } else {
        erased.tell();
    }
    Ok(if erased.is_something() { Exit::Done } else { Exit::NotFound })
}

/// What was erased where: the receipt of `forget`.
struct Erased {
    forgotten: Forgotten,
    /// What persons noted of findings of it.
    notes: u64,
    /// Notices that were to be sent.
    notices: u64,
    /// Detections of earlier hunts that named or quoted it.
    detections: u64,
    /// Hunts that keep lines of logs.
    hunts: DroppedHunts,
    /// Whether the old files of runs are removed.
    swept: bool,
    /// Where erased bytes of the database may still be read on this machine.
    remains: Vec<String>,
}

impl Erased {
    fn is_something(&self) -> bool {
        let Forgotten { count, erased_findings, redacted_findings, .. } = self.forgotten;
        count + erased_findings + redacted_findings + self.notes + self.notices + self.detections > 0
    }

    /// Where the value still is.
    fn warn(&self) {
        for run in &self.forgotten.unread {
            eprintln!(
                "warning: run {run} is damaged and was set aside; what is hunted again for it may hold the value"
            );
        }
        if self.forgotten.findings > 0 {
            eprintln!("{} of it left; --findings erases them", counted(self.forgotten.findings, "finding"));
        }
        if self.forgotten.holding_findings > 0 {
            eprintln!(
                "{} of other values hold it; forget these values themselves",
                counted(self.forgotten.holding_findings, "finding")
            );
        }
        if !self.swept {
            eprintln!(
                "another process uses the history: the old files go with the next `polder history tidy`"
            );
        }
        if self.hunts.stopped > 0 {
            let dropped = counted(self.hunts.stopped, "stopped hunt");
            eprintln!("{dropped} dropped, for it may quote it: hunt again from the beginning");
        }
        if self.hunts.under_way > 0 {
            let under_way = counted(self.hunts.under_way, "hunt");
            eprintln!("{under_way} under way may still write it down: forget it again when they have ended");
        }
        if self.forgotten.elsewhere > 0 {
            eprintln!(
                "{} in other directories of the node may hold it: forget it there, too",
                counted(self.forgotten.elsewhere, "run")
            );
        }
        for place in &self.remains {
            eprintln!("still readable: {place}");
        }
        eprintln!("the logs themselves were not touched, nor backups that were made before");
    }

    fn json(&self, kind: ObservableKind) -> serde_json::Value {
        let Erased { forgotten, notes, notices, detections, hunts, swept, remains } = self;
        json!({
            "kind": kind.name(), "count": forgotten.count, "runs": forgotten.runs,
            "findings_left": forgotten.findings, "findings_erased": forgotten.erased_findings,
            "findings_redacted": forgotten.redacted_findings, "findings_holding": forgotten.holding_findings,
            "notes_erased": notes, "notices_erased": notices, "detections_erased": detections, "hunts_dropped": hunts.stopped,
            "hunts_under_way": hunts.under_way, "runs_elsewhere": forgotten.elsewhere, "files_removed": swept, "remains": remains,
        })
    }

    fn tell(&self) {
        let Forgotten { runs, count, erased_findings, redacted_findings, .. } = self.forgotten;
        let (runs, count) = (counted(runs, "run"), counted(count, "occurrence"));
        say!("erased from {runs}: {count}; {} erased", counted(erased_findings, "finding"));
        for (count, what, done) in [
            (redacted_findings, "finding", "of other values quoted it: [erased] stands there now"),
            (self.notes, "note", "on findings of it erased"),
            (self.notices, "notice", "that waited to be sent erased"),
            (self.detections, "detection", "of earlier hunts that named or quoted it erased"),
        ] {
            if count > 0 {
                say!("{} {done}", counted(count, what));
            }
        }
    }
}
