// SPDX-License-Identifier: Apache-2.0
//! `polder crown`: the register of shares whose loss would hurt most. What is detected on them counts for more.

use hunt::detector::Crown;
use hunt::detector::crown::{self, CrownError};
use serde_json::json;

use crate::cli::CrownCommand;
use crate::failure::{Exit, Failure};
use crate::node::{Node, now};
use crate::out::say;

/// Runs the command.
pub fn run(command: &CrownCommand) -> Result<Exit, Failure> {
    match command {
        CrownCommand::Add { data, share, reason } => {
            let node = Node::open(data)?;
            let crown = Crown::parse(share, reason, now()).map_err(refused)?;
            let new = node.store.local(|tx| crown::add(tx, &crown)).map_err(refused)?;
            let what =
                if new { "is a crown jewel now" } else { "was one already; the reason is kept as given" };
            say!("{} {what}", crown.share);
            Ok(Exit::Done)
        }
        CrownCommand::List { data, json } => {
            let node = Node::open(data)?;
            let all = node.store.read(|read| crown::list(read))?;
            for crown in &all {
                if *json {
                    let line = json!({"v": 1, "type": "crown", "share": crown.share, "reason": crown.reason, "added": crown.added.to_string()});
                    say!("{line}");
                } else if crown.reason.is_empty() {
                    say!("{}  since {}", crown.share, crown.added);
                } else {
                    say!("{}  since {}  {}", crown.share, crown.added, crown.reason);
                }
            }
            Ok(if all.is_empty() { Exit::NotFound } else { Exit::Done })
        }
        CrownCommand::Remove { data, share } => {
            let node = Node::open(data)?;
            let crown = Crown::parse(share, "", now()).map_err(refused)?;
            if !node.store.local(|tx| crown::remove(tx, &crown.share))? {
                return Err(Failure::not_found(format!(
                    "{} is not in the register; `polder crown list` shows what is",
                    crown.share
                )));
            }
            say!("{} is no crown jewel any more", crown.share);
            Ok(Exit::Done)
        }
    }
}

fn refused(error: CrownError) -> Failure {
    match error {
        CrownError::Engine(error) => error.into(),
        CrownError::Full | CrownError::Name(_) | CrownError::Reason => Failure::usage(error.to_string()),
    }
}
