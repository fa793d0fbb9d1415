// SPDX-License-Identifier: Apache-2.0
//! `polder token`: access for TAXII clients.

use exchange::token::{self, IssueError, Order};
use model::id::MemberId;
use serde_json::json;

use crate::cli::TokenCommand;
use crate::failure::{Exit, Failure};
use crate::node::{Node, now, random};
use crate::out::say;

/// Runs the command.
pub fn run(command: &TokenCommand) -> Result<Exit, Failure> {
    match command {
        TokenCommand::New { data, name, member, person, max_tlp, json } => {
            let node = Node::open(data)?;
            let member = match member {
                Some(text) => MemberId::parse(text).map_err(|e| Failure::usage(e.to_string()))?,
                None => node.member(),
            };
            let order =
                Order { name, member, own: node.member(), ceiling: *max_tlp, person: person.as_deref() };
            let secret = node.token_key()?;
            let (id, token_secret) = (random(), random());
            let issued = node.store.local(|tx| token::issue(tx, &secret, &order, id, token_secret, now()));
            let text = issued.map_err(|error| match error {
                IssueError::Engine(error) => error.into(),
                other => Failure::usage(other.to_string()),
            })?;
            if *json {
                say!("{}", json!({ "token": text, "name": name, "member": member.to_string() }));
            } else {
                say!("{text}");
                eprintln!(
                    "This is shown once. Clients give it as Bearer token, or as password with any user name."
                );
            }
        }
        TokenCommand::List { data, json } => {
            let node = Node::open(data)?;
            for token in node.store.read(token::list)? {
                let revoked = token.revoked.map(|t| t.to_string());
                if *json {
                    say!(
                        "{}",
                        json!({
                            "id": token.id, "name": token.name, "member": token.member.to_string(),
                            "max_tlp": token.ceiling.name(), "person": token.person, "created": token.created.to_string(), "revoked": revoked,
                        })
                    );
                } else {
                    let state = revoked.map_or_else(|| "works".to_owned(), |t| format!("revoked {t}"));
                    say!(
                        "{}  {}  up to {}  member {}  {state}",
                        token.id,
                        token.name,
                        token.ceiling,
                        token.member
                    );
                }
            }
        }
        TokenCommand::Revoke { data, name } => {
            let node = Node::open(data)?;
            let revoked = node.store.local(|tx| token::revoke(tx, name, now()))?;
            let token = revoked.ok_or_else(|| {
                Failure::not_found(format!("no working token `{name}`; `polder token list` shows them"))
            })?;
            say!("{} ({}) is revoked", token.name, token.id);
        }
    }
    Ok(Exit::Done)
}
