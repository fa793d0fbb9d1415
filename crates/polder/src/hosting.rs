// SPDX-License-Identifier: Apache-2.0
//! `polder hosted` on the host: which members it hosts, and what they said of their keys.

use std::path::Path;

use exchange::command;
use ledger::append::Outcome;
use ledger::draft::Draft;
use ledger::hosted::{self, Hosted, Hosting};
use ledger::root::said::{SAID_BYTES_MAX, Said};
use ledger::root::statement::Statement;
use ledger::signatures;
use model::id::{MemberId, hex};
use model::kind::Kind;
use serde_json::json;
use trust::member::fingerprint;

use crate::cli::Data;
use crate::community;
use crate::failure::{Exit, Failure};
use crate::init::statement;
use crate::input::read_small;
use crate::node::Node;
use crate::out::say;

/// Reads what a member said of itself.
pub fn read_said(path: &Path) -> Result<Said, Failure> {
    let bytes = read_small(path, SAID_BYTES_MAX as u64)?;
    Said::parse(&bytes).map_err(|e| {
        let path = path.display();
        Failure::usage(format!(
            "{path}: {e}; `polder key statements` or `polder hosted init` writes such a file"
        ))
    })
}

/// Takes what a member says of its keys: all that is not in the ledger yet.
pub fn accept(data: &Data, file: &Path, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let said = read_said(file)?;
    let told = |e: &dyn std::fmt::Display| Failure::not_found(format!("{}: {e}", file.display()));
    let identity = said.verify().map_err(|e| told(&e))?;
    let member = identity.member();
    if !identity.is_hosted_by(&node.identity) {
        return Err(told(
            &"it does not delegate to a log of this node; the member names this host with `polder \
                          hosted init --host`",
        ));
    }
    let held = node.store.read(|read| hosted::said_by(read, member))?;
    let mut chain = match &held {
        Some(held) if held.root != said.root => {
            return Err(told(&"another root statement of this member is held here"));
        }
        Some(held) => held.verify().map_err(|e| Failure::internal(e.to_string()))?,
        None => Said { root: said.root.clone(), statements: Vec::new() }.verify().map_err(|e| told(&e))?,
    };
    let mut drafts = Vec::new();
    if held.is_none() {
        drafts.push(statement(member, Kind::MEMBER_ROOT, said.root.clone(), identity.root.created)?);
    }
    let known = held.map(|held| held.statements).unwrap_or_default();
    for body in said.statements.iter().filter(|body| !known.contains(body)) {
        chain.extend(body).map_err(|e| told(&e))?;
        let read = Statement::read(body).map_err(|e| told(&e))?;
        drafts.push(statement(member, read.saying.kind(), body.clone(), read.link.created)?);
    }
    let news = drafts.len();
    append(&node, drafts)?;
    if of(&node, member)?.ended {
        end_or_begin(&node, member, false)?;
    }
    if as_json {
        say!("{}", json!({ "member": member.to_string(), "name": identity.root.name, "statements": news }));
    } else {
        say!("member {member} ({}) is hosted here; {news} statements were new", identity.root.name);
        eprintln!(
            "Compare the id with what the member tells you by another way: anybody can call himself so."
        );
    }
    Ok(Exit::Done)
}

fn append(node: &Node, drafts: Vec<Draft>) -> Result<(), Failure> {
    if drafts.is_empty() {
        return Ok(());
    }
    let outcomes = node.write()?.submit(drafts).wait()?;
    let taken = outcomes.iter().all(|o| matches!(o, Outcome::Added { .. } | Outcome::Known));
    if taken { Ok(()) } else { Err(Failure::internal("the ledger did not take the statement")) }
}

fn of(node: &Node, member: MemberId) -> Result<Hosted, Failure> {
    let own = node.member();
    node.store.read(|read| hosted::of(read, own, member))?.ok_or_else(|| {
        Failure::not_found(format!("no member {member} is hosted here; `polder hosted list` shows them"))
    })
}

fn end_or_begin(node: &Node, member: MemberId, ended: bool) -> Result<(), Failure> {
    community::append(
        node,
        command::Draft {
            kind: Kind::HOSTING,
            subject: hosted::subject_id(member),
            audience: node.own_audience(),
            body: Hosting { member, ended }.print(),
        },
    )
}

/// Takes nothing more of a member.
pub fn end(data: &Data, member: &str) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let member = MemberId::parse(member).map_err(|e| Failure::usage(e.to_string()))?;
    if of(&node, member)?.ended {
        return Err(Failure::usage(format!("hosting {member} has ended already; nothing to do")));
    }
    end_or_begin(&node, member, true)?;
    say!("{member} is not hosted any more: of what it signs only recalls are taken");
    eprintln!("What it has said stays valid; revoke its tokens with `polder token revoke`.");
    Ok(Exit::Done)
}

/// Lists the members that are hosted.
pub fn list(data: &Data, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let own = node.member();
    for member in node.store.read(|read| hosted::all(read, own))? {
        let Hosted { identity, ended, .. } = of(&node, member)?;
        let (root, key) = (&identity.root, identity.root_key().map(|key| hex(&fingerprint(key))));
        if as_json {
            say!(
                "{}",
                json!({
                    "member": member.to_string(), "name": root.name, "country": root.country, "sector": root.sector,
                    "root_key": key, "ended": ended,
                })
            );
            continue;
        }
        let state = match (ended, &key) {
            (true, _) => "ended",
            (false, None) => "its root key is revoked",
            (false, Some(_)) => "signs",
        };
        say!("{member}  {}  {}  {}  {state}", root.name, root.country, root.sector);
    }
    Ok(Exit::Done)
}

/// Where a member's records stand.
pub fn entries(data: &Data, member: &str) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let member = MemberId::parse(member).map_err(|e| Failure::usage(e.to_string()))?;
    of(&node, member)?;
    for entry in node.store.read(|read| signatures::places(read, member))? {
        say!(
            "{}",
            json!({
                "id": entry.id, "version": entry.version.to_string(), "log": entry.place.origin.to_string(),
                "index": entry.place.index, "audience": entry.head.audience.to_string(),
                "marking": entry.head.marking.to_string(),
            })
        );
    }
    Ok(Exit::Done)
}
