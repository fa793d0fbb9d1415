// SPDX-License-Identifier: Apache-2.0
//! Rules that approve sightings in place of a person.

use exchange::standard::identity::identity_id;
use hunt::report::draft::{Approval, Candidate, Draft, State, add_approval, remove_approval, write_down};
use hunt::report::words::visible;
use ledger::audience::Heads;
use ledger::record;
use ledger::sql::{EngineError, Read};
use model::id::{MemberId, SubjectKey};
use model::marking::Tlp;
use serde_json::json;

use super::share::{Terms, append, changed, marking, sight_of};
use super::{Group, approvals, groups, indicator_facts, is_revoked};
use crate::cli::{ApproveRuleCommand, Data};
use crate::failure::{Exit, Failure};
use crate::node::{Node, now};
use crate::out::say;
use hunt::limits::APPROVALS_MAX;

/// What a rule made of a finding.
pub struct Approved {
    /// Id of the finding.
    pub finding: String,
    /// The rule.
    pub rule: i64,
    /// `Shared`, or `Drafted` where the rule only drafts or the gate refused.
    pub state: State,
    /// The sighting that was appended.
    pub sighting: Option<String>,
    /// Why it was not shared, though the rule would have it.
    pub refusal: Option<String>,
}

/// Runs `finding approve-rule`.
pub fn run(command: &ApproveRuleCommand) -> Result<Exit, Failure> {
    match command {
        ApproveRuleCommand::Add {
            data,
            indicator,
            author,
            max_tlp,
            community,
            anonymous,
            draft,
            reason,
            json,
        } => {
            let rule = Approval {
                id: 0,
                indicator: indicator.clone(),
                author: author.clone(),
                tlp_max: *max_tlp,
                community: community.clone(),
                anonymous: *anonymous,
                draft_only: *draft,
                reason: reason.clone(),
                made: now(),
            };
            add(data, &rule, *json)
        }
        ApproveRuleCommand::List { data, json } => list(data, *json),
        ApproveRuleCommand::Remove { data, rule } => {
            let node = Node::open(data)?;
            if !node.store.local(|tx| remove_approval(tx, *rule))? {
                return Err(Failure::not_found(format!(
                    "there is no rule {rule}; `polder finding approve-rule list` shows them"
                )));
            }
            say!("rule {rule} is gone; what it approved stays");
            Ok(Exit::Done)
        }
        ApproveRuleCommand::Run { data, json } => apply(data, *json),
    }
}

fn add(data: &Data, rule: &Approval, as_json: bool) -> Result<Exit, Failure> {
    if rule.tlp_max == Tlp::Red {
        return Err(Failure::usage(
            "what is marked TLP:RED is for named persons: a person shares it, no rule",
        ));
    }
    if rule.reason.trim().is_empty() {
        return Err(Failure::usage("say with --reason why the rule is made"));
    }
    let node = Node::open(data)?;
    // The community must be known now; what the gate says is asked for each finding.
    node.audience(rule.community.as_deref())?;
    let Some(id) = node.store.local(|tx| add_approval(tx, rule))? else {
        return Err(Failure::usage(format!("there are {APPROVALS_MAX} rules already; remove one first")));
    };
    if as_json {
        say!("{}", json!({ "rule": id }));
    } else {
        say!("rule {id} is made; `polder finding approve-rule run` applies it to what is new");
    }
    Ok(Exit::Done)
}

fn list(data: &Data, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let all = approvals(&node)?;
    for rule in &all {
        if as_json {
            say!(
                "{}",
                json!({
                    "rule": rule.id, "indicator": rule.indicator, "author": rule.author,
                    "max_tlp": rule.tlp_max.name(), "community": rule.community, "anonymous": rule.anonymous,
                    "draft": rule.draft_only, "reason": rule.reason, "made": rule.made.to_string(),
                })
            );
            continue;
        }
        let any = |what: &Option<String>, word: &str| match what {
            Some(id) => format!("{word} {}", visible(id)),
            None => format!("any {word}"),
        };
        say!(
            "{}  {}, {}, at most {}: {} {}{} ({})",
            rule.id,
            any(&rule.indicator, "indicator"),
            any(&rule.author, "author"),
            rule.tlp_max,
            if rule.draft_only { "draft for" } else { "share with" },
            rule.community.as_deref().unwrap_or("the own organisation"),
            if rule.anonymous { ", anonymous" } else { "" },
            visible(&rule.reason)
        );
    }
    Ok(if all.is_empty() { Exit::NotFound } else { Exit::Done })
}

fn apply(data: &Data, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let all = approve(&node)?;
    for one in &all {
        if as_json {
            say!(
                "{}",
                json!({
                    "finding": one.finding, "rule": one.rule, "state": one.state.name(),
                    "sighting": one.sighting, "refusal": one.refusal,
                })
            );
        } else {
            say!("{}", one.in_words());
        }
    }
    Ok(match all.iter().any(|one| one.refusal.is_some()) {
        true => Exit::Partial,
        false if all.is_empty() => Exit::NotFound,
        false => Exit::Done,
    })
}

impl Approved {
    /// What became of the finding, for a person.
    pub fn in_words(&self) -> String {
        let why = self.refusal.as_ref().map_or(String::new(), |why| format!(": {why}"));
        format!("{} {} by rule {}{why}", self.finding, self.state.name(), self.rule)
    }
}

/// Applies the rules to all findings of which nothing is written down. What a rule would share and the gate
/// refuses becomes a draft with the reason, so that a person sees it.
pub fn approve(node: &Node) -> Result<Vec<Approved>, Failure> {
    let rules = approvals(node)?;
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let new = node.store.read(groups)?.into_values().filter(|group| group.draft.state == State::New);
    let mut all = Vec::new();
    for group in new {
        if let Some(rule) = deciding(node, &rules, &group.draft.indicator)? {
            all.push(by_rule(node, &group, rule)?);
        }
    }
    Ok(all)
}

/// The rule that decides on findings of an indicator: the first that approves; none where it is not held.
fn deciding<'r>(
    node: &Node,
    rules: &'r [Approval],
    indicator: &str,
) -> Result<Option<&'r Approval>, Failure> {
    let Some(facts) = node.store.read(|read| indicator_facts(read, indicator))? else { return Ok(None) };
    // Nobody stands for what was revoked: it is not even drafted.
    if node.store.read(|read| is_revoked(read, indicator))? {
        return Ok(None);
    }
    // Whoever signs a record may write anybody's identity into it: that of the signer counts, and what the
    // operator himself brought in.
    let signers = node.store.read(|read| signers(read, indicator))?;
    let vouched = |signer: &MemberId| *signer == node.member() || identity_id(*signer) == facts.author;
    let author =
        Some(facts.author.as_str()).filter(|author| !author.is_empty() && signers.iter().all(vouched));
    let candidate = Candidate { indicator, author, marking: facts.marking };
    Ok(rules.iter().find(|rule| rule.approves(&candidate)))
}

/// The rule that would share findings of an indicator just as a person does on these terms.
pub fn same(node: &Node, indicator: &str, terms: &Terms<'_>) -> Result<Option<i64>, Failure> {
    let rules = approvals(node)?;
    let rule = deciding(node, &rules, indicator)?.filter(|rule| {
        !rule.draft_only
            && rule.anonymous == terms.anonymous
            && rule.community.as_deref() == terms.community
            && terms.tlp.is_none()
    });
    Ok(rule.map(|rule| rule.id))
}

/// The members who signed the records of an object.
fn signers(read: &mut dyn Read, id: &str) -> Result<Vec<MemberId>, EngineError> {
    let heads = Heads::load(read)?;
    record::of_subject(read, SubjectKey::of(id))?
        .iter()
        .map(|row| heads.of(row.audience_row).map(|head| head.author))
        .collect()
}

fn by_rule(node: &Node, group: &Group, rule: &Approval) -> Result<Approved, Failure> {
    let approved = |state, sighting, refusal| Approved {
        finding: group.draft.id.clone(),
        rule: rule.id,
        state,
        sighting,
        refusal,
    };
    let done = shared(node, group, rule);
    let refusal = match done {
        Ok(Some(sighting)) => return Ok(approved(State::Shared, Some(sighting), None)),
        Ok(None) => None,
        // The gate's answer, or an indicator that is held for others: a person decides. A fault ends the run.
        Err(failure) if matches!(failure.exit, Exit::Usage | Exit::NotFound) => Some(failure.message),
        Err(failure) => return Err(failure),
    };
    let draft = Draft {
        state: State::Drafted,
        reason: refusal.clone().unwrap_or_default(),
        community: rule.community.clone(),
        anonymous: rule.anonymous,
        rule: Some(rule.id),
        changed: now(),
        ..group.draft.clone()
    };
    node.store.local(|tx| write_down(tx, &draft))?;
    Ok(approved(State::Drafted, None, refusal))
}

/// Shares what a rule approves; nothing for a rule that only drafts.
fn shared(node: &Node, group: &Group, rule: &Approval) -> Result<Option<String>, Failure> {
    let terms = Terms {
        audience: node.audience(rule.community.as_deref())?,
        community: rule.community.as_deref(),
        tlp: None,
        anonymous: rule.anonymous,
        rule: Some(rule.id),
    };
    let sight = sight_of(group)?;
    let marking = marking(node, &sight.indicator, &terms.audience, None)?;
    if rule.draft_only {
        let draft = Draft { state: State::Drafted, ..changed(&group.draft, &terms) };
        node.store.local(|tx| write_down(tx, &draft))?;
        return Ok(None);
    }
    Ok(Some(append(node, &sight, &terms, marking)?.sighting))
}
