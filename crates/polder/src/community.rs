// SPDX-License-Identifier: Apache-2.0
//! `polder community`: who shares with whom.

use std::collections::BTreeSet;

use exchange::command;
use exchange::query;
use exchange::standard::terms::{Conditions, Terms};
use ledger::append::Outcome;
use ledger::draft::{Draft, Subject};
use model::id::{CommunityId, MemberId};
use model::marking::{Marking, Tlp};
use serde_json::json;

use crate::cli::CommunityCommand;
use crate::failure::{Exit, Failure};
use crate::init::salts;
use crate::node::{Node, now, random};
use crate::out::say;

/// Runs the command.
pub fn run(command: &CommunityCommand) -> Result<Exit, Failure> {
    match command {
        CommunityCommand::New { data, name, terms, json } => {
            let node = Node::open(data)?;
            let id = CommunityId(uuid::Builder::from_random_bytes(random()).into_uuid());
            let members = BTreeSet::from([node.member()]);
            let draft = command::new_community(id, name, members, terms).map_err(usage)?;
            append(&node, draft)?;
            told(*json, id, node.member(), &format!("community {id}"));
        }
        CommunityCommand::Add { data, community, member, json } => {
            let node = Node::open(data)?;
            let (id, current) = current(&node, community)?;
            let member = MemberId::parse(member).map_err(|e| Failure::usage(e.to_string()))?;
            append(&node, command::with_member(&current, member).map_err(usage)?)?;
            told(*json, id, member, &format!("{member} is a member of {id} now"));
        }
        CommunityCommand::Remove { data, community, member, json } => {
            let node = Node::open(data)?;
            let (id, current) = current(&node, community)?;
            let member = MemberId::parse(member).map_err(|e| Failure::usage(e.to_string()))?;
            append(&node, command::without_member(&current, member).map_err(usage)?)?;
            told(*json, id, member, &format!("{member} is no longer a member of {id}"));
        }
        CommunityCommand::Accept { data, community, member, evidence } => {
            let node = Node::open(data)?;
            let (id, current) = current(&node, community)?;
            let member = match member {
                Some(text) => MemberId::parse(text).map_err(|e| Failure::usage(e.to_string()))?,
                None => node.member(),
            };
            let evidence = evidence.as_deref().unwrap_or_default();
            append(&node, command::acceptance(&current, member, evidence).map_err(usage)?)?;
            say!("{member} accepts the terms of {id}");
        }
        CommunityCommand::Terms {
            data,
            community,
            text,
            legal_basis,
            permitted_use,
            country,
            retention_days,
            liability,
        } => {
            let node = Node::open(data)?;
            let (id, current) = current(&node, community)?;
            let text = match text {
                Some(path) => std::fs::read_to_string(path).map_err(|e| Failure::io("read", path, &e))?,
                None => String::new(),
            };
            let conditions = Conditions {
                legal_basis: legal_basis.clone(),
                permitted_use: permitted_use.clone(),
                countries: country.iter().cloned().collect(),
                retention_days: *retention_days,
                liability: liability.clone(),
            };
            let terms = Terms { version: 1, text, conditions };
            append(&node, command::with_terms(&current, terms).map_err(usage)?)?;
            say!("{id} has new terms");
            eprintln!("Its members read nothing of it until they accept them.");
        }
        CommunityCommand::List { data, json } => {
            let node = Node::open(data)?;
            for row in node.store.read(query::communities)? {
                let members: Vec<String> = row.members.iter().map(MemberId::to_string).collect();
                if *json {
                    let id = row.id.to_string();
                    say!("{}", json!({ "community": id, "name": row.name, "members": members }));
                } else {
                    say!("{}  {}", row.id, row.name);
                    members.iter().for_each(|member| say!("  {member}"));
                }
            }
        }
    }
    Ok(Exit::Done)
}

/// Id and newest document of a community.
fn current(node: &Node, community: &str) -> Result<(CommunityId, Vec<u8>), Failure> {
    let id = uuid::Uuid::try_parse(community)
        .map(CommunityId)
        .map_err(|_| Failure::usage(format!("`{community}` is not a community's id")))?;
    let document = node.store.read(|read| query::community_document(read, id))?;
    let unknown =
        || Failure::not_found(format!("no community {id} here; `polder community list` shows them"));
    Ok((id, document.ok_or_else(unknown)?))
}

fn usage(error: command::CommandError) -> Failure {
    Failure::usage(error.to_string())
}

fn told(as_json: bool, id: CommunityId, member: MemberId, text: &str) {
    if as_json {
        say!("{}", json!({ "community": id.to_string(), "member": member.to_string() }));
    } else {
        say!("{text}");
    }
}

/// Appends a document of the own organisation.
pub fn append(node: &Node, draft: command::Draft) -> Result<(), Failure> {
    let (author, id) = (node.member(), draft.subject);
    let subject = node.store.read(|read| Subject::next_document(read, author, id, now()))?;
    // Its members know who is in it; others need not.
    let marking = Marking::tlp(Tlp::AmberStrict);
    let draft = Draft::new(draft.kind, subject, draft.body, node.member(), draft.audience, marking, salts()?);
    let outcomes = node.write()?.submit(vec![draft]).wait()?;
    match outcomes.as_slice() {
        [Outcome::Added { .. }] => Ok(()),
        [Outcome::Known] => Err(Failure::usage("that is so already; nothing to do")),
        _ => Err(Failure::machine("the change was not taken: the clock stands before the last change")),
    }
}
