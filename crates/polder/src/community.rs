// SPDX-License-Identifier: Apache-2.0
//! `polder community`: who shares with whom.

use std::collections::BTreeSet;

use exchange::command;
use exchange::query;
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
            let id = uuid::Uuid::try_parse(community)
                .map(CommunityId)
                .map_err(|_| Failure::usage(format!("`{community}` is not a community's id")))?;
            let member = MemberId::parse(member).map_err(|e| Failure::usage(e.to_string()))?;
            let current = node.store.read(|read| query::community_document(read, id))?;
            let unknown =
                || Failure::not_found(format!("no community {id} here; `polder community list` shows them"));
            let draft = command::with_member(&current.ok_or_else(unknown)?, member).map_err(usage)?;
            append(&node, draft)?;
            told(*json, id, member, &format!("{member} is a member of {id} now"));
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

fn append(node: &Node, draft: command::Draft) -> Result<(), Failure> {
    let subject = Subject::document(draft.subject, now());
    // Its members know who is in it; others need not.
    let marking = Marking::tlp(Tlp::AmberStrict);
    let draft = Draft::new(draft.kind, subject, draft.body, node.member(), draft.audience, marking, salts()?);
    let outcomes = node.write()?.submit(vec![draft]).wait()?;
    match outcomes.as_slice() {
        [Outcome::Added { .. }] => Ok(()),
        _ => Err(Failure::machine(
            "the change was not taken: the clock stands before the community's last change",
        )),
    }
}
