// SPDX-License-Identifier: Apache-2.0
//! `polder rules`: Sigma rules as a person manages them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hunt::detection::{Detection, Level};
use hunt::event::Reader;
use hunt::limits::{EXCEPTIONS_MAX, RULE_FILE_BYTES_MAX};
use hunt::reader::Source;
use hunt::rule::{
    self, Choice, Engine, Exception, Kept, Loading, Options, PACKS, RegexRoom, Rule, Rules, pack_rules,
    read_rules_within,
};
use hunt::time::Clock;
use model::diagnostic::{Diagnostic, shown};
use model::time::Timestamp;
use serde_json::{Value, json};

use crate::cli::{self, RulesCommand};
use crate::failure::{Exit, Failure};
use crate::hunting::counted;
use crate::input::read_small;
use crate::node::{Node, now};
use crate::out::say;

/// Runs the command.
pub fn run(command: &RulesCommand) -> Result<Exit, Failure> {
    match command {
        RulesCommand::Import { data, paths, set, licence, json } => {
            import(&Node::open(data)?, paths, set.as_deref(), licence, *json)
        }
        RulesCommand::List { data, level, source, running, min_level, json } => {
            let filter = Filter { level: *level, source: source.as_deref(), running: *running };
            let choice = Choice { min_level: *min_level, ..Choice::default() };
            list(&Node::open(data)?, &filter, &choice, *json)
        }
        RulesCommand::Show { data, rule } => {
            let kept = find(&Node::open(data)?, rule)?;
            say!("{}", kept.rule.text.trim_end());
            Ok(Exit::Done)
        }
        RulesCommand::Test { data, rules, files, min_level, json } => {
            test(data, rules, files, *min_level, *json)
        }
        RulesCommand::Enable { data, rules } => switch(&Node::open(data)?, rules, true),
        RulesCommand::Disable { data, rules } => switch(&Node::open(data)?, rules, false),
        RulesCommand::Except { data, rule, conditions, reason, until, by } => {
            except(&Node::open(data)?, rule, conditions, reason, until, by)
        }
        RulesCommand::Exceptions { data, end, json } => exceptions(&Node::open(data)?, *end, *json),
        RulesCommand::Stats { data, json } => stats(&Node::open(data)?, *json),
    }
}

fn import(
    node: &Node,
    paths: &[PathBuf],
    set: Option<&str>,
    licence: &str,
    json: bool,
) -> Result<Exit, Failure> {
    let loading = load(paths)?;
    loading.diagnostics.iter().for_each(|diagnostic| eprintln!("{diagnostic}"));
    let first =
        paths.first().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    let set = set.map(str::to_owned).or(first).unwrap_or_default();
    let imported = node.store.local(|tx| rule::import(tx, &loading.rules, &set, licence, now()))?;
    let rule::Imported { added, changed, known } = imported;
    let (read, refused) = (added + changed + known + loading.refused, loading.refused);
    if json {
        let refusals: Vec<Value> = loading.diagnostics.iter().map(diagnostic_json).collect();
        let counts = json!({
            "set": set, "read": read, "added": added, "changed": changed, "known": known, "refused": refused,
            "diagnostics": refusals,
        });
        say!("{counts}");
    } else {
        say!("{read} rules read: {added} added, {changed} changed, {known} already known, {refused} refused");
        let high = loading.rules.iter().filter(|rule| rule.header.level >= Level::High).count();
        say!(
            "{high} of them {} of level high or above and run{} with the next hunt; --min-level changes that",
            if high == 1 { "is" } else { "are" },
            if high == 1 { "s" } else { "" }
        );
    }
    if licence.is_empty() && loading.rules.iter().any(|rule| rule.header.licence.is_empty()) {
        eprintln!(
            "some rules state no licence; --licence names that of the set, to be shown with each match"
        );
    }
    Ok(match (refused, read) {
        (0, 0) => Exit::NotFound,
        (0, _) => Exit::Done,
        _ => Exit::Partial,
    })
}

fn diagnostic_json(diagnostic: &Diagnostic) -> Value {
    json!({
        "code": diagnostic.code, "severity": diagnostic.severity.name(), "place": diagnostic.place,
        "message": diagnostic.message, "fix": diagnostic.fix,
    })
}

/// Rules of files and folders; of one id the first counts.
fn load(paths: &[PathBuf]) -> Result<Loading, Failure> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, true, &mut files)?;
    }
    let mut all = Loading::default();
    let mut room = RegexRoom::default();
    let mut seen = std::collections::HashSet::new();
    for path in &files {
        let bytes = read_small(path, RULE_FILE_BYTES_MAX as u64 + 1)?;
        let loading = read_rules_within(&bytes, &path.display().to_string(), &mut room);
        all.refused += loading.refused;
        all.diagnostics.extend(loading.diagnostics);
        for rule in loading.rules {
            if seen.insert(rule.header.id.to_ascii_lowercase()) {
                all.rules.push(rule);
                continue;
            }
            all.refused += 1;
            let message =
                format!("`{}`: a rule with the id {} was read before", rule.header.title, rule.header.id);
            let place = path.display().to_string();
            all.diagnostics.push(
                Diagnostic::error("rule-again", place, message).with_fix("give each rule an id of its own"),
            );
        }
    }
    Ok(all)
}

/// Files of rules below a path, sorted. A file that is named is read whatever its name.
fn collect(path: &Path, named: bool, into: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        let is_rule =
            path.extension().is_some_and(|e| e.eq_ignore_ascii_case("yml") || e.eq_ignore_ascii_case("yaml"));
        if named || is_rule {
            into.push(path.to_owned());
        }
        return Ok(());
    }
    let fault = |error: io::Error| Failure::io("list", path, &error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let kind = entry.file_type().map_err(fault)?;
        if kind.is_dir() || kind.is_file() {
            entries.push(entry.path());
        }
    }
    entries.sort();
    entries.iter().try_for_each(|entry| collect(entry, false, into))
}

struct Filter<'a> {
    level: Option<Level>,
    source: Option<&'a str>,
    running: bool,
}

fn list(node: &Node, filter: &Filter<'_>, choice: &Choice, json: bool) -> Result<Exit, Failure> {
    let ((all, said), switches) = node
        .store
        .read(|read| Ok::<_, ledger::sql::EngineError>((rule::kept(read)?, rule::switches(read)?)))?;
    said.iter().for_each(|diagnostic| eprintln!("{diagnostic}"));
    let (mut listed, mut running) = (0_u64, 0_u64);
    for kept in &all {
        let header = &kept.rule.header;
        let switch = switches.get(&header.id).copied();
        let runs = choice.tells(kept, switch);
        let parts = [&header.source.product, &header.source.category, &header.source.service];
        let wanted = filter.level.is_none_or(|level| header.level >= level)
            && filter.source.is_none_or(|part| parts.iter().any(|of| of.eq_ignore_ascii_case(part)))
            && (runs || !filter.running);
        if !wanted {
            continue;
        }
        listed += 1;
        running += u64::from(runs);
        if json {
            say!("{}", rule_json(kept, runs, switch));
        } else {
            let state = match (runs, switch) {
                (_, Some(true)) => "on",
                (_, Some(false)) => "off",
                (true, None) => "runs",
                (false, None) => "below",
            };
            let source = header.source.to_string();
            say!("{}  {state:5}  {:13}  {source}  {}", header.id, header.level.name(), shown(&header.title));
        }
    }
    if !json {
        eprintln!(
            "{listed} rules, {running} of them run; `below` is below the level that runs (--min-level)"
        );
    }
    Ok(if listed == 0 { Exit::NotFound } else { Exit::Done })
}

fn rule_json(kept: &Kept, runs: bool, switch: Option<bool>) -> Value {
    let header = &kept.rule.header;
    json!({
        "id": header.id, "name": header.name, "title": header.title, "kind": header.kind.name(),
        "level": header.level.name(), "status": header.status, "version": header.version,
        "source": {
            "product": header.source.product, "category": header.source.category, "service": header.source.service,
        },
        "author": header.author, "licence": header.licence, "techniques": header.techniques, "set": kept.origin,
        "imported": kept.imported.map(|time| time.to_string()), "runs": runs, "switched": switch,
    })
}

/// The rule of an id or a name, or of the title that reports show, if only one has it.
fn find(node: &Node, name: &str) -> Result<Kept, Failure> {
    let (mut all, _) = node.store.read(rule::kept)?;
    if let Some(at) = all.iter().position(|kept| kept.rule.header.is_called(name)) {
        return Ok(all.swap_remove(at));
    }
    all.retain(|kept| kept.rule.header.title == name);
    let ids: Vec<String> = all.iter().map(|kept| kept.rule.header.id.clone()).collect();
    match (all.pop(), ids.len()) {
        (Some(kept), 1) => Ok(kept),
        (Some(_), count) => Err(Failure::usage(format!(
            "{count} rules have the title `{}`; name one by its id: {}",
            shown(name),
            ids.join(", ")
        ))),
        (None, _) => Err(Failure::not_found(format!(
            "there is no rule `{}`; `polder rules list` shows them",
            shown(name)
        ))),
    }
}

fn switch(node: &Node, names: &[String], on: bool) -> Result<Exit, Failure> {
    let found = names.iter().map(|name| find(node, name)).collect::<Result<Vec<_>, _>>()?;
    node.store.local(|tx| {
        found.iter().try_for_each(|kept| rule::switch(tx, &kept.rule.header.id, Some(on), now()))
    })?;
    for kept in found {
        let what = if on { "runs whatever its level" } else { "does not run" };
        say!("{} ({}) {what}", shown(&kept.rule.header.title), kept.rule.header.id);
    }
    Ok(Exit::Done)
}

fn except(
    node: &Node,
    name: &str,
    conditions: &[String],
    reason: &str,
    until: &str,
    by: &str,
) -> Result<Exit, Failure> {
    let id = if name == "*" { name.to_owned() } else { find(node, name)?.rule.header.id };
    let end = Timestamp::parse(&format!("{until}T23:59:59.999999Z"))
        .map_err(|_| Failure::usage(format!("`{until}` is no day; write it as 2026-12-31")))?;
    let exception = Exception::new(&id, conditions, reason, end, by, now())
        .map_err(|error| Failure::usage(error.to_string()))?;
    let Some(nr) = node.store.local(|tx| rule::add_exception(tx, &exception, now()))? else {
        return Err(Failure::usage(format!(
            "{EXCEPTIONS_MAX} exceptions hold already, and no more are asked; end one with `polder rules exceptions --end \
             NUMBER`"
        )));
    };
    say!("exception {nr} holds until {until}; `polder rules exceptions --end {nr}` ends it");
    Ok(Exit::Done)
}

fn exceptions(node: &Node, end: Option<i64>, json: bool) -> Result<Exit, Failure> {
    if let Some(nr) = end {
        if !node.store.local(|tx| rule::remove_exception(tx, nr))? {
            return Err(Failure::not_found(format!(
                "there is no exception {nr}; leave --end out to see them"
            )));
        }
        say!("exception {nr} is ended");
        return Ok(Exit::Done);
    }
    let all = node.store.read(rule::exceptions)?;
    let now = now();
    for (nr, exception) in &all {
        let conditions: Vec<String> = exception.conditions.iter().map(|(f, v)| format!("{f}={v}")).collect();
        let holds = exception.until > now;
        if json {
            let one = json!({
                "nr": nr, "rule": exception.rule, "conditions": conditions, "reason": exception.reason,
                "until": exception.until.to_string(), "by": exception.by, "holds": holds,
            });
            say!("{one}");
        } else {
            let state = if holds { "until" } else { "ended" };
            let (conditions, reason, by) = (conditions.join(" "), &exception.reason, &exception.by);
            let (conditions, reason, by) = (shown(&conditions), shown(reason), shown(by));
            say!("{nr}  {}  {conditions}  {state} {}  {reason} ({by})", exception.rule, exception.until);
        }
    }
    Ok(if all.is_empty() { Exit::NotFound } else { Exit::Done })
}

fn stats(node: &Node, json: bool) -> Result<Exit, Failure> {
    let (counts, (kept, _)) = node
        .store
        .read(|read| Ok::<_, ledger::sql::EngineError>((rule::counts(read)?, rule::kept(read)?)))?;
    for count in &counts {
        let title =
            kept.iter().find(|kept| kept.rule.header.id == count.id).map(|k| k.rule.header.title.as_str());
        let last = count.last.map(|time| time.to_string());
        if json {
            let one = json!({
                "rule": count.id, "title": title, "matches": count.matches, "excepted": count.excepted, "last": last,
            });
            say!("{one}");
        } else {
            let (title, last) = (title.unwrap_or("no longer there"), last.unwrap_or_else(|| "-".to_owned()));
            say!(
                "{:>9}  {:>9} excepted  {last}  {}  {}",
                count.matches,
                count.excepted,
                count.id,
                shown(title)
            );
        }
    }
    if counts.is_empty() {
        eprintln!("no rule has matched in a hunt yet");
    }
    Ok(if counts.is_empty() { Exit::NotFound } else { Exit::Done })
}

// --- test ---

fn test(
    data: &cli::OptionalData,
    paths: &[PathBuf],
    files: &[PathBuf],
    min_level: Option<Level>,
    json: bool,
) -> Result<Exit, Failure> {
    let (rules, exceptions, mut partial) = rules_to_test(data, paths, min_level)?;
    let (rules, said) = Rules::new(rules);
    said.iter().for_each(|diagnostic| eprintln!("{diagnostic}"));
    partial |= said.iter().any(|diagnostic| diagnostic.severity == model::diagnostic::Severity::Error);
    let size = rules.size();
    eprintln!("{} rules and {} correlations are run; nothing is kept", size.rules, size.correlations);
    let options = Options { exceptions, ..Options::archive(now()) };
    let mut engine = Engine::new(Arc::new(rules), options);
    let mut found = 0_u64;
    let mut tell = |detection: Detection| {
        found += 1;
        if json {
            let mut told = crate::edge::detection_json(&detection);
            // No rule has one.
            told.as_object_mut().map(|fields| fields.remove("baseline"));
            say!("{told}");
        } else {
            tell_detection(&detection);
        }
    };
    for path in files {
        partial |= !test_file(path, &mut engine, &mut tell)?;
    }
    let summary = engine.finish(&mut tell);
    let lost = summary.lost;
    eprintln!(
        "{} in {}, {} of them of logs that no rule is for",
        counted(found, "detection"),
        counted(summary.events, "event"),
        summary.without_rules
    );
    let uncounted = lost.late + lost.untimed + lost.incomplete + lost.overflowed;
    if uncounted > 0 {
        eprintln!(
            "{uncounted} matches could not be correlated: {} without a time, {} without a field, {} late, {} too many",
            lost.untimed, lost.incomplete, lost.late, lost.overflowed
        );
    }
    Ok(match (found, partial) {
        (_, true) => Exit::Partial,
        (0, false) => Exit::NotFound,
        _ => Exit::Done,
    })
}

/// Rules, exceptions, and whether some could not be read.
fn rules_to_test(
    data: &cli::OptionalData,
    paths: &[PathBuf],
    min_level: Option<Level>,
) -> Result<(Vec<Rule>, Vec<Exception>, bool), Failure> {
    if !paths.is_empty() {
        let loading = load(paths)?;
        loading.diagnostics.iter().for_each(|diagnostic| eprintln!("{diagnostic}"));
        let mut rules = loading.rules;
        rules
            .iter_mut()
            .for_each(|rule| rule.told = min_level.is_none_or(|level| rule.header.level >= level));
        return Ok((rules, Vec::new(), loading.refused > 0));
    }
    let choice = Choice { min_level, ..Choice::default() };
    let Some(dir) = &data.dir else {
        let rules = PACKS.iter().flat_map(|pack| {
            let origin = format!("pack {}", pack.name);
            let kept = |rule| Kept { rule, origin: origin.clone(), imported: None };
            pack_rules(pack).0.into_iter().map(kept).collect::<Vec<_>>()
        });
        let told = rules.map(|mut kept| {
            kept.rule.told = choice.tells(&kept, None);
            kept.rule
        });
        return Ok((told.collect(), Vec::new(), false));
    };
    let node = Node::open(&cli::Data { dir: dir.clone() })?;
    let chosen = node.store.read(|read| rule::chosen(read, &choice, now()))?;
    chosen.diagnostics.iter().for_each(|diagnostic| eprintln!("{diagnostic}"));
    Ok((chosen.rules, chosen.exceptions, !chosen.diagnostics.is_empty()))
}

/// Runs the rules over one log; whether all of it was read.
fn test_file(path: &Path, engine: &mut Engine, tell: &mut dyn FnMut(Detection)) -> Result<bool, Failure> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| Failure::io("read", path, &error))?;
    let mut source = Source::new(file, &name);
    let mut reader: Option<Reader> = None;
    let mut unread = 0_u64;
    while let Some(block) = source.next_block(Vec::new()) {
        let made_from = source.made_from();
        let reader = reader.get_or_insert_with(|| {
            let clock = Clock { reference: Some(now()), ..Clock::default() };
            let reader = Reader::new(&block.bytes, &name, clock);
            match made_from {
                Some(format) => reader.made_from(format),
                None => reader,
            }
        });
        reader.block(&block).events(&block, &mut |line, read| match read {
            Ok(Some(event)) => engine.observe(&event, line, &name, tell),
            Ok(None) => {}
            Err(_) => unread += 1,
        });
    }
    engine.end_file(tell);
    let facts = source.finish();
    facts.diagnostics.iter().for_each(|diagnostic| eprintln!("{diagnostic}"));
    if unread + facts.unread_lines > 0 {
        eprintln!("{}: {} lines could not be read", shown(&name), unread + facts.unread_lines);
    }
    Ok(facts.whole && unread + facts.unread_lines == 0)
}

fn tell_detection(detection: &Detection) {
    let Detection { title, level, count, credit, about, threshold, .. } = detection;
    let time = |time: Option<Timestamp>| time.map_or_else(|| "no time".to_owned(), |time| time.to_string());
    let about: Vec<String> = about.iter().map(|(kind, value)| format!("{kind} {}", shown(value))).collect();
    say!(
        "{}  {}  {}, {} to {}",
        level.name(),
        shown(title),
        counted(*count, "time"),
        time(detection.first),
        time(detection.last)
    );
    if !about.is_empty() {
        say!("    {}", about.join(", "));
    }
    if *count > 1 && threshold != "one event" {
        say!("    {}", shown(threshold));
    }
    if let Some(line) = detection.evidence.first() {
        say!("    {}:{}  {}", shown(&line.file), line.place.line, shown(&line.text));
    }
    if !credit.is_empty() {
        say!("    rule by {} ({})", shown(credit), detection.id);
    }
}
