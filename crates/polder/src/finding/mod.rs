// SPDX-License-Identifier: Apache-2.0
//! `polder finding`: what earlier hunts found, and what becomes of it.

pub mod approve;
mod ended;
pub mod report;
pub mod share;

pub use report::{Dismissed, Form, fill_indicators, set_dismissed_aside, write_report};

use std::collections::BTreeMap;

use hunt::history::findings;
use hunt::report::draft::{self, Draft, State, drafts, of_finding, write_down};
use hunt::report::said;
use hunt::report::words::{second_or_dash, visible};
use hunt::report::{Hit, IndicatorFacts, kept};
use ledger::audience::Heads;
use ledger::record;
use ledger::sql::{EngineError, Read};
use model::id::SubjectKey;
use model::marking::Marking;
use model::time::Timestamp;
use serde_json::{Value, json};

use crate::cli::{Data, FindingCommand};
use crate::failure::{Exit, Failure};
use crate::hunting::{counted, finding_json, finding_line};
use crate::node::{Node, now};
use crate::out::say;

/// Lines that `show` names.
const LINES_SHOWN: usize = 20;

/// Runs the command.
pub fn run(command: &FindingCommand) -> Result<Exit, Failure> {
    match command {
        FindingCommand::ApproveRule(command) => approve::run(command),
        FindingCommand::Dismiss { data, id, reason, undo } => {
            dismiss(data, id, reason.as_deref().filter(|_| !undo))
        }
        FindingCommand::List { data, state, json } => list(data, *state, *json),
        FindingCommand::Report(args) => report::run(args),
        FindingCommand::Share(args) => share::run(args),
        FindingCommand::Show { data, id, json } => show(data, id, *json),
        FindingCommand::Sight { data, indicator, value, community, tlp, json } => {
            share::sight(data, indicator, value.as_deref(), community.as_deref(), *tlp, *json)
        }
    }
}

/// All findings of one indicator and value, and what became of them.
pub struct Group {
    /// What is written down of them.
    pub draft: Draft,
    /// The findings.
    pub findings: Vec<Hit>,
}

impl Group {
    fn times(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let times = || self.findings.iter().filter_map(|hit| hit.finding.time);
        (times().min(), times().max())
    }
}

/// The recorded findings, put together by indicator and value, by id.
pub fn groups(read: &mut dyn Read) -> Result<BTreeMap<String, Group>, EngineError> {
    let known = drafts(read)?;
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for hit in findings(read, None)? {
        let fresh = of_finding(&hit.finding);
        let group = groups.entry(fresh.id.clone()).or_insert_with(|| Group {
            draft: known.get(&fresh.id).cloned().unwrap_or(fresh),
            findings: Vec::new(),
        });
        group.findings.push(hit);
    }
    Ok(groups)
}

/// The findings of an id, or of its beginning if that is enough to tell which.
fn group_of(node: &Node, id: &str) -> Result<Group, Failure> {
    let mut all = node.store.read(groups)?;
    if let Some(group) = all.remove(id) {
        return Ok(group);
    }
    let mut like = all.into_iter().filter(|(known, _)| id.len() >= 4 && known.starts_with(id));
    match (like.next(), like.next()) {
        (Some((_, group)), None) => Ok(group),
        (None, _) => {
            Err(Failure::not_found(format!("there is no finding `{id}`; `polder finding list` shows them")))
        }
        _ => Err(Failure::usage(format!("several findings begin with `{id}`; write more of the id"))),
    }
}

/// What the ledger says of an indicator, all records of it combined; nothing where it is not held.
pub fn indicator_facts(read: &mut dyn Read, id: &str) -> Result<Option<IndicatorFacts>, EngineError> {
    let rows = record::of_subject(read, SubjectKey::of(id))?;
    if rows.is_empty() {
        return Ok(None);
    }
    let heads = Heads::load(read)?;
    let mut marking = Marking::NONE;
    for (nth, row) in rows.iter().enumerate() {
        let of_row = heads.of(row.audience_row)?.marking;
        marking = if nth == 0 { of_row } else { marking.as_strict_as(of_row) };
    }
    // The newest version comes first; one that was withdrawn has no body.
    let body = rows.iter().find_map(|row| row.body.as_deref());
    let body: Value = body.and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    let text = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    let refs = body.get("object_marking_refs").and_then(Value::as_array);
    Ok(Some(IndicatorFacts {
        name: text("name"),
        author: text("created_by_ref"),
        marking,
        marking_refs: refs.into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect(),
        shipped: false,
        held: true,
    }))
}

/// What files of indicators said of one in earlier hunts: its marking.
pub fn said_facts(read: &mut dyn Read, id: &str) -> Result<Option<IndicatorFacts>, EngineError> {
    let unsaid = IndicatorFacts::unmarked_or_unknown(id);
    let said = said::said(read, id)?;
    Ok(said.map(|(marking, marking_refs)| IndicatorFacts { marking, marking_refs, ..unsaid }))
}

/// Whether the newest version of an object that is held here revokes it.
pub fn is_revoked(read: &mut dyn Read, id: &str) -> Result<bool, EngineError> {
    let rows = record::of_subject(read, SubjectKey::of(id))?;
    Ok(rows.iter().find_map(|row| row.body.as_deref()).is_some_and(|body| share::is_revoked(Some(body))))
}

/// Indicators that were asked whether they are revoked.
#[derive(Default)]
pub struct Revoked(BTreeMap<String, bool>);

impl Revoked {
    /// Whether an indicator is; the entry of a list never is.
    pub fn has(&mut self, read: &mut dyn Read, id: &str) -> Result<bool, EngineError> {
        if let Some(known) = self.0.get(id) {
            return Ok(*known);
        }
        let is_revoked = model::id::is_stix_id(id) && is_revoked(read, id)?;
        self.0.insert(id.to_owned(), is_revoked);
        Ok(is_revoked)
    }
}

/// The name of an identity, if it is held here; otherwise its id.
pub fn identity_name(read: &mut dyn Read, id: &str) -> Result<String, EngineError> {
    let rows = if id.is_empty() { Vec::new() } else { record::of_subject(read, SubjectKey::of(id))? };
    let body = rows.iter().find_map(|row| row.body.as_deref());
    let body: Value = body.and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    Ok(body.get("name").and_then(Value::as_str).unwrap_or(id).to_owned())
}

fn list(data: &Data, state: Option<State>, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let (all, known, revoked) = node.store.read(|read| {
        let (all, known) = (findings(read, None)?, drafts(read)?);
        let mut revoked = Revoked::default();
        let each = all.iter().map(|hit| revoked.has(read, &hit.finding.indicator));
        let revoked: Vec<bool> = each.collect::<Result<_, _>>()?;
        Ok::<_, EngineError>((all, known, revoked))
    })?;
    let mut any = false;
    for (hit, revoked) in all.iter().zip(revoked) {
        let fresh = of_finding(&hit.finding);
        let draft = known.get(&fresh.id).unwrap_or(&fresh);
        if state.is_some_and(|state| state != draft.state) {
            continue;
        }
        any = true;
        if as_json {
            let mut object = finding_json(hit);
            if let Value::Object(members) = &mut object {
                members.insert("finding".to_owned(), json!(draft.id));
                members.insert("state".to_owned(), json!(draft.state.name()));
                members.insert("revoked".to_owned(), json!(revoked));
            }
            say!("{object}");
        } else {
            let revoked = if revoked { ", indicator revoked" } else { "" };
            say!("{}  [{} {}{revoked}]", finding_line(hit), draft.id, draft.state.name());
        }
    }
    Ok(if any { Exit::Done } else { Exit::NotFound })
}

fn show(data: &Data, id: &str, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let group = group_of(&node, id)?;
    let (facts, author, revoked) = node.store.read(|read| {
        let id = &group.draft.indicator;
        let facts = match indicator_facts(read, id)? {
            None => said_facts(read, id)?,
            facts => facts,
        };
        let facts = facts.unwrap_or_else(|| IndicatorFacts::unmarked_or_unknown(id));
        let author = identity_name(read, &facts.author)?;
        Ok::<_, EngineError>((facts, author, Revoked::default().has(read, id)?))
    })?;
    let (first, last) = group.times();
    let draft = &group.draft;
    let refused = share::refusal(&node, &group)?;
    let objects = if revoked { Vec::new() } else { share::preview(&node, &group)? };
    let more = group.findings.len().saturating_sub(LINES_SHOWN);
    if as_json {
        let lines: Vec<Value> = group.findings.iter().take(LINES_SHOWN).map(finding_json).collect();
        say!(
            "{}",
            json!({
                "finding": draft.id, "state": draft.state.name(), "revoked": revoked, "reason": draft.reason,
                "indicator": draft.indicator, "name": facts.name, "author": author,
                "marking": facts.marking.to_string(), "kind": draft.kind.name(), "value": draft.value,
                "count": group.findings.len(), "first": first.map(|t| t.to_string()),
                "last": last.map(|t| t.to_string()), "community": draft.community,
                "anonymous": draft.anonymous, "rule": draft.rule, "sighting": draft.sighting,
                "lines": lines, "more_lines": more, "objects": objects, "refused": refused,
            })
        );
        return Ok(Exit::Done);
    }
    say!("{} {}  [{} {}]", draft.kind.name(), visible(&draft.value), draft.id, draft.state.name());
    say!("  indicator  {} {}", visible(&draft.indicator), visible(&facts.name));
    if revoked {
        say!("  revoked    its author took the indicator back: reports leave its findings out");
    }
    if !author.is_empty() {
        say!("  author     {}", visible(&author));
    }
    say!("  marking    {}", facts.marking);
    let count = counted(group.findings.len() as u64, "time");
    say!("  seen       {count}, {} to {}", second_or_dash(first), second_or_dash(last));
    if !draft.reason.is_empty() {
        say!("  reason     {}", visible(&draft.reason));
    }
    if let Some(rule) = draft.rule {
        say!("  rule       {rule}");
    }
    if let Some(sighting) = &draft.sighting {
        say!("  shared as  {sighting}");
    }
    say!("  to do      {}", hunt::report::advice(draft.kind));
    for hit in group.findings.iter().take(LINES_SHOWN) {
        say!("  {}", finding_line(hit));
        say!("    | {}", visible(&hit.finding.text));
    }
    if more > 0 {
        say!("  and {more} more lines; `polder finding list` names them");
    }
    if !objects.is_empty() {
        say!("  A sighting would say:");
        objects.iter().for_each(|object| say!("    {object}"));
    }
    match refused {
        Some(why) => say!("  No sighting of it can be shared: {}", visible(&why)),
        None if objects.is_empty() => {
            say!("  It is of an entry of a list: there is no object that a sighting could refer to")
        }
        None => {}
    }
    Ok(Exit::Done)
}

/// Writes down that a finding or a detection is nothing; without a reason that it counts again.
fn dismiss(data: &Data, id: &str, reason: Option<&str>) -> Result<Exit, Failure> {
    if reason.is_some_and(|reason| reason.trim().is_empty()) {
        return Err(Failure::usage("say with --reason why it is dismissed"));
    }
    let node = Node::open(data)?;
    let group = match (group_of(&node, id), ended::find(&node, id)?) {
        (Err(Failure { exit: Exit::NotFound, .. }), Some(kept)) => {
            ended::dismiss(&node, &kept.detection, reason)?;
            return Ok(Exit::Done);
        }
        (Err(Failure { exit: Exit::NotFound, .. }), None) => {
            return Err(Failure::not_found(format!(
                "there is no finding and no detection `{id}`; `polder finding list` shows findings, `polder finding report` \
                 detections"
            )));
        }
        (Ok(_), Some(kept)) if id.len() < 16 => {
            let other = kept::detection_id(&kept.detection);
            return Err(Failure::usage(format!(
                "a finding and the detection {other} begin with `{id}`; write more of the id"
            )));
        }
        (group, _) => group?,
    };
    if group.draft.state == State::Shared {
        return Err(Failure::usage(format!(
            "{} was shared as {}; take that back with `polder recall`",
            group.draft.id,
            group.draft.sighting.unwrap_or_default()
        )));
    }
    if reason.is_none() && group.draft.state != State::Dismissed {
        let Draft { id, state, .. } = group.draft;
        return Err(Failure::usage(format!(
            "{id} is {}, not dismissed: there is nothing to undo",
            state.name()
        )));
    }
    let dismissed = Draft {
        state: if reason.is_some() { State::Dismissed } else { State::New },
        reason: reason.unwrap_or_default().to_owned(),
        community: None,
        rule: None,
        changed: now(),
        ..group.draft
    };
    node.store.local(|tx| write_down(tx, &dismissed))?;
    let count = counted(group.findings.len() as u64, "finding");
    say!("{} is {}: {count}", dismissed.id, dismissed.state.name());
    Ok(Exit::Done)
}

/// Rules and drafts as they are kept: what their texts may hold.
fn approvals(node: &Node) -> Result<Vec<draft::Approval>, Failure> {
    Ok(node.store.read(draft::approvals)?)
}
