// SPDX-License-Identifier: Apache-2.0
//! `polder client`: whom TLP:AMBER may be passed on to.

use exchange::command;
use exchange::query::clients;
use exchange::standard::client::ClientOf;
use model::id::MemberId;
use serde_json::json;

use crate::cli::ClientCommand;
use crate::community::append;
use crate::failure::{Exit, Failure};
use crate::node::Node;
use crate::out::say;

/// Runs the command.
pub fn run(command: &ClientCommand) -> Result<Exit, Failure> {
    match command {
        ClientCommand::Add { data, member } => declare(&Node::open(data)?, member, false),
        ClientCommand::Remove { data, member } => declare(&Node::open(data)?, member, true),
        ClientCommand::List { data, json } => {
            let node = Node::open(data)?;
            for client in node.store.read(|read| clients(read, node.member()))? {
                if *json {
                    say!("{}", json!({ "client": client.to_string() }));
                } else {
                    say!("{client}");
                }
            }
            Ok(Exit::Done)
        }
    }
}

fn declare(node: &Node, member: &str, ended: bool) -> Result<Exit, Failure> {
    let client = MemberId::parse(member).map_err(|e| Failure::usage(e.to_string()))?;
    if client == node.member() {
        return Err(Failure::usage("the own organisation is not its own client"));
    }
    let held = node.store.read(|read| clients(read, node.member()))?.contains(&client);
    if held != ended {
        return Err(Failure::usage(format!(
            "{client} is {} a client; nothing to do",
            if held { "already" } else { "not" }
        )));
    }
    append(node, command::client(ClientOf { client, of: node.member(), ended }))?;
    say!("{client} is {} a client of {}", if ended { "no longer" } else { "now" }, node.root.name);
    Ok(Exit::Done)
}
