// SPDX-License-Identifier: Apache-2.0
//! `polder finding`: what earlier hunts found; on request it becomes a STIX sighting.

use hunt::command::{Sight, sights};
use hunt::history::findings;
use ledger::append::Outcome;
use ledger::audience::Heads;
use ledger::draft::Draft;
use ledger::record;
use ledger::sql::EngineError;
use model::head::{Audience, Head};
use model::id::{MemberId, SubjectKey};
use model::marking::{Marking, Tlp};
use model::stix::Object;
use policy::{Reader, release};
use serde_json::json;
use uuid::Uuid;

use crate::cli::{Data, FindingCommand};
use crate::failure::{Exit, Failure};
use crate::hunting::{counted, finding_json, finding_line};
use crate::init::salts;
use crate::node::{Node, now};
use crate::out::say;
use exchange::standard::identity::NAMESPACE;

/// Runs the command.
pub fn run(command: &FindingCommand) -> Result<Exit, Failure> {
    match command {
        FindingCommand::List { data, json } => list(data, *json),
        FindingCommand::Sight { data, indicator, value, community, tlp, json } => {
            let node = Node::open(data)?;
            let audience = node.audience(community.as_deref())?;
            let found = node.store.read(|read| findings(read, Some(indicator)))?;
            let found: Vec<_> =
                found.into_iter().filter(|f| value.as_ref().is_none_or(|v| *v == f.value)).collect();
            let sights = sights(&found, now());
            if sights.is_empty() {
                return Err(Failure::not_found(format!(
                    "nothing was found for {indicator}; `polder finding list` shows what was"
                )));
            }
            let marking = marking(&node, indicator, &audience, *tlp)?;
            for sight in &sights {
                append(&node, sight, &audience, marking, *json)?;
            }
            Ok(Exit::Done)
        }
    }
}

fn list(data: &Data, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let all = node.store.read(|read| findings(read, None))?;
    for finding in &all {
        if as_json {
            say!("{}", finding_json(finding));
        } else {
            say!("{}", finding_line(finding));
        }
    }
    Ok(if all.is_empty() { Exit::NotFound } else { Exit::Done })
}

/// A sighting goes no further than the indicator: as strict as the strictest record of it, and to a
/// community only if the gate releases the indicator to its members too. A label brings out nothing that
/// somebody has not marked: what refers to it stays at home.
fn marking(node: &Node, indicator: &str, audience: &Audience, tlp: Option<Tlp>) -> Result<Marking, Failure> {
    let heads: Vec<Head> = node.store.read(|read| {
        let rows = record::of_subject(read, SubjectKey::of(indicator))?;
        let heads = Heads::load(read)?;
        rows.iter().map(|row| heads.of(row.audience_row).cloned()).collect::<Result<_, EngineError>>()
    })?;
    if heads.is_empty() {
        return Err(Failure::not_found(format!("no indicator {indicator} is held here")));
    }
    let strictest =
        heads.iter().map(|head| head.marking).reduce(Marking::as_strict_as).unwrap_or(Marking::NONE);
    let marking = tlp.map_or(strictest, |tlp| strictest.as_strict_as(Marking::tlp(tlp)));
    let Audience::Community(community) = audience else { return Ok(marking) };
    if marking.tlp.is_none() || marking.unknown {
        return Err(Failure::usage(format!(
            "a record of {indicator} carries no TLP, or a marking that is not understood, so a sighting of it stays in \
             the own organisation: leave --community out, or have its author mark the indicator first"
        )));
    }
    // Any member of the community who wrote none of it.
    let reader =
        Reader { communities: [*community].into(), ..Reader::service(MemberId([0; 32]), Tlp::AmberStrict) };
    if !heads.iter().any(|head| release(head, &reader, policy::Exit::Taxii).is_ok()) {
        return Err(Failure::usage(format!(
            "{indicator} was not shared with that community, so a sighting of it may not be either; share the indicator \
             first, if its marking allows it"
        )));
    }
    Ok(marking)
}

fn append(
    node: &Node,
    sight: &Sight,
    audience: &Audience,
    marking: Marking,
    as_json: bool,
) -> Result<(), Failure> {
    // The same findings make the same sighting: asked again, it is known.
    let uuids = ["sighting", "observed-data"].map(|kind| {
        let Sight { indicator, observable, count, last, .. } = sight;
        let name =
            format!("{kind}\n{}\n{indicator}\n{}\n{count}\n{last}", node.member(), observable.display());
        Uuid::new_v5(&NAMESPACE, name.as_bytes())
    });
    let mut drafts = vec![crate::identity::draft(node, audience, salts()?)?];
    let identity = drafts.first().map(|d| d.subject.id.clone()).unwrap_or_default();
    for body in sight.objects(&identity, now(), uuids) {
        let Some(object) = Object::parse(&body, "sighting", &mut Vec::new()) else {
            return Err(Failure::internal("a sighting of our own making does not parse"));
        };
        let draft = Draft::stix(object, body, node.member(), audience.clone(), marking, salts()?);
        drafts.push(Draft { only_if_new: true, ..draft });
    }
    let ids: Vec<String> = drafts.iter().map(|d| d.subject.id.clone()).collect();
    let outcomes = node.write()?.submit(drafts).wait()?;
    if let Some((id, _)) = ids.iter().zip(&outcomes).find(|(_, o)| matches!(o, Outcome::Refused(_))) {
        return Err(Failure::usage(format!(
            "{id} is held for other recipients only; share it with them first"
        )));
    }
    let added = outcomes.iter().filter(|o| matches!(o, Outcome::Added { .. })).count();
    let id = |kind: &str| ids.iter().find(|id| id.starts_with(kind)).cloned().unwrap_or_default();
    let (sighting, observed) = (id("sighting--"), id("observed-data--"));
    if as_json {
        say!(
            "{}",
            json!({
                "sighting": sighting, "observed_data": observed, "value": sight.observable.display(),
                "count": sight.count, "marking": marking.to_string(), "added": added,
            })
        );
    } else {
        say!("{sighting}: {} seen {}, {marking}", sight.observable.display(), counted(sight.count, "time"));
    }
    Ok(())
}
