// SPDX-License-Identifier: Apache-2.0
//! `polder community`: who shares with whom.

use std::collections::{BTreeMap, BTreeSet};

use exchange::command;
use exchange::intake::refusal;
use exchange::query::{self, Accepted, CommunityRow, Permitted, QueryError};
use exchange::recall::Standing;
use exchange::standard::community::Community;
use exchange::standard::terms::{Conditions, Terms};
use exchange::standing;
use ledger::append::Outcome;
use ledger::draft::{Draft, Subject};
use ledger::recall::REASON_BYTES_MAX;
use ledger::sql::EngineError;
use model::diagnostic::shown;
use model::id::{CommunityId, MemberId, hex};
use model::marking::{Marking, Tlp};
use policy::Role;
use serde_json::{Map, Value, json};

use crate::cli::CommunityCommand;
use crate::failure::{Exit, Failure};
use crate::init::salts;
use crate::node::{Node, fill_random, now, random};
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
        CommunityCommand::Role { data, community, member, role, json } => {
            let node = Node::open(data)?;
            let (id, current) = current(&node, community)?;
            let member = MemberId::parse(member).map_err(|e| Failure::usage(e.to_string()))?;
            append(&node, command::with_role(&current, member, *role).map_err(usage)?)?;
            told(*json, id, member, &format!("{member} is {} of {id} now", role.name()));
        }
        CommunityCommand::RemoveObject { data, community, id, reason, json } => {
            remove_object(data, community, id, reason, *json)?;
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
            none,
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
            if !none && text.trim().is_empty() && conditions == Conditions::default() {
                return Err(Failure::usage(
                    "these would be no terms; give --text FILE or a condition, or --none so that members read \
                     without accepting anything",
                ));
            }
            let terms = Terms { version: 1, text, conditions };
            append(&node, command::with_terms(&current, terms).map_err(usage)?)?;
            if *none {
                say!("{id} has no terms any more: its members read without accepting anything");
            } else {
                say!("{id} has new terms");
                eprintln!(
                    "Its members read nothing of it until they accept them: enter it with `polder community accept {id} \
                     --for MEMBER --evidence WHERE`."
                );
            }
        }
        CommunityCommand::Show { data, community, json } => {
            show(&Node::open(data)?, community, *json)?;
        }
        CommunityCommand::List { data, json } => {
            let node = Node::open(data)?;
            for row in node.store.read(query::communities)? {
                if *json {
                    let members: Vec<String> = row.members.iter().map(|(m, _)| m.to_string()).collect();
                    let roles: Map<String, Value> =
                        row.members.iter().map(|(m, role)| (m.to_string(), role.name().into())).collect();
                    let id = row.id.to_string();
                    let shown =
                        json!({ "community": id, "name": row.name, "members": members, "roles": roles });
                    say!("{shown}");
                } else {
                    say!("{}  {}", row.id, row.name);
                    row.members.iter().for_each(|(member, role)| say!("  {member}  {}", role.name()));
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

/// What a community's members agree to, and who has agreed.
fn show(node: &Node, community: &str, as_json: bool) -> Result<(), Failure> {
    let (id, document) = current(node, community)?;
    let document = Community::parse(&document).map_err(|e| Failure::internal(e.to_string()))?;
    let found = node.store.read(|read| {
        let Some(row) = query::community(read, id)? else { return Ok(None) };
        let accepted = query::acceptances(read, &row)?;
        Ok::<_, EngineError>(Some((row, accepted)))
    })?;
    let (row, accepted) = found.ok_or_else(|| Failure::internal("a community has no row in its view"))?;
    let terms = Some(&document.terms).filter(|terms| terms.ask());
    if as_json {
        say!("{}", shown_as_json(&row, terms, &accepted));
        return Ok(());
    }
    say!("{id}  {}", shown(&row.name));
    match terms {
        None => say!("no terms: its members read without accepting anything"),
        Some(terms) => show_terms(terms),
    }
    for (member, role) in &row.members {
        let state = match accepted.get(member) {
            _ if terms.is_none() => String::new(),
            _ if *member == row.author => "  wrote the terms".to_owned(),
            None => "  has not accepted the terms: it reads nothing".to_owned(),
            Some(Accepted { by, time, .. }) if by == member => format!("  accepted {time}"),
            Some(Accepted { time, evidence, .. }) => {
                format!("  accepted {time}, as the community's author says ({})", shown(evidence))
            }
        };
        say!("  {member}  {}{state}", role.name());
    }
    Ok(())
}

fn shown_as_json(
    row: &CommunityRow,
    terms: Option<&Terms>,
    accepted: &BTreeMap<MemberId, Accepted>,
) -> Value {
    let member = |(member, role): &(MemberId, Role)| {
        let said = accepted.get(member);
        // Whoever wrote the terms has accepted them.
        let reads = terms.is_none() || *member == row.author || said.is_some();
        json!({
            "member": member.to_string(), "role": role.name(), "reads": reads,
            "accepted": said.map(|said| said.time.to_string()),
            "accepted_by": said.map(|said| said.by.to_string()),
            "evidence": said.map(|said| said.evidence.as_str()).filter(|evidence| !evidence.is_empty()),
        })
    };
    let terms = terms.map(|terms| {
        json!({
            "version": terms.version, "sha256": hex(&terms.digest()), "text": terms.text,
            "conditions": terms.conditions.to_json(),
        })
    });
    json!({
        "community": row.id.to_string(), "name": row.name, "author": row.author.to_string(), "terms": terms,
        "members": row.members.iter().map(member).collect::<Vec<_>>(),
    })
}

fn show_terms(terms: &Terms) {
    let Conditions { legal_basis, permitted_use, countries, retention_days, liability } = &terms.conditions;
    say!("terms, version {}, SHA-256 {}", terms.version, hex(&terms.digest()));
    let countries = countries.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let said = [
        ("legal basis", legal_basis.clone()),
        ("permitted use", permitted_use.clone()),
        ("countries", Some(countries).filter(|countries| !countries.is_empty())),
        ("to be deleted", retention_days.map(|days| format!("after {days} days"))),
        ("liability", liability.clone()),
    ];
    for (name, text) in said {
        if let Some(text) = text {
            say!("  {name:<14} {}", shown(&text));
        }
    }
    terms.text.lines().for_each(|line| say!("  | {}", shown(line)));
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

/// As a steward: takes an object out of a collection.
fn remove_object(
    data: &crate::cli::Data,
    community: &str,
    id: &str,
    reason: &str,
    json: bool,
) -> Result<(), Failure> {
    if reason.len() > REASON_BYTES_MAX || reason.contains(char::is_control) {
        let most = format!("a reason has at most {REASON_BYTES_MAX} bytes and no control characters");
        return Err(Failure::usage(most));
    }
    let node = Node::open(data)?;
    let (community, _) = current(&node, community)?;
    let reader = node.operator(Tlp::AmberStrict)?;
    let found = node.store.read(|read| {
        let role = standing::role(read, community, node.member())?;
        let permitted = Permitted::ask(read, &reader)?;
        Ok::<_, QueryError>((role, Standing::of(read, &permitted, community, id)?))
    });
    let (role, standing) = found.map_err(|e| match e {
        QueryError::Engine(error) => Failure::from(error),
        told => Failure::usage(told.to_string()),
    })?;
    if !role.is_some_and(Role::may_remove) {
        return Err(Failure::usage(format!(
            "the own organisation is no steward of {community}; its author gives roles with `polder community role`"
        )));
    }
    let drafts = standing.removal(node.member(), reason, now(), &mut |bytes| fill_random(bytes));
    if drafts.is_empty() {
        return Err(Failure::not_found(format!(
            "no object {id} that the own organisation may see is in {community}"
        )));
    }
    let outcomes = node.write()?.submit(drafts).wait()?;
    for outcome in outcomes {
        if let Outcome::Refused(reason) = outcome {
            return Err(Failure::usage(refusal(id, reason).to_string()));
        }
    }
    if json {
        say!("{}", json!({ "community": community.to_string(), "id": id, "removed": true }));
    } else {
        say!("{id} is no longer in the collection of {community}; its author goes on holding it");
    }
    Ok(())
}
