// SPDX-License-Identifier: Apache-2.0
//! `polder explain`: why a member can, or cannot, see an object. For the operator, who sees everything: what
//! it prints tells what is hidden.

use exchange::query::{Permitted, QueryError};
use exchange::standing::{Standing, of_member};
use ledger::audience::Heads;
use ledger::record;
use ledger::sql::EngineError;
use model::id::{MemberId, SubjectKey};
use model::marking::Tlp;
use policy::{Exit as Door, Grounds, Reader, release};
use serde_json::json;

use crate::cli;
use crate::failure::{Exit, Failure};
use crate::node::Node;
use crate::out::say;

/// Runs the command.
pub fn run(args: &cli::Explain) -> Result<Exit, Failure> {
    let node = Node::open(&args.data)?;
    let member = MemberId::parse(&args.member).map_err(|e| Failure::usage(e.to_string()))?;
    let default = if member == node.member() { Tlp::AmberStrict } else { Tlp::Green };
    let ceiling = args.max_tlp.unwrap_or(if args.person.is_some() { Tlp::Red } else { default });
    let (rows, reader, refused) = node.store.read(|read| {
        let reader = Reader { person: args.person.clone(), ..Reader::service(member, ceiling) };
        let reader = of_member(read, reader)?;
        let heads = Heads::load(read)?;
        let mut rows = Vec::new();
        for row in record::of_subject(read, SubjectKey::of(&args.id))?.into_iter().filter(|r| r.id == args.id)
        {
            let head = heads.of(row.audience_row)?.clone();
            let committed = heads.of(row.committed_row)?.clone();
            rows.push((row, head, committed));
        }
        let refused = match Permitted::ask(read, &reader) {
            Ok(_) => None,
            Err(QueryError::Engine(error)) => return Err(error),
            Err(told) => Some(told.to_string()),
        };
        Ok::<_, EngineError>((rows, reader, refused))
    })?;
    if rows.is_empty() {
        return Err(Failure::not_found(format!(
            "no object {} is held here: it never came, or it was withdrawn",
            args.id
        )));
    }
    let mut released = 0;
    for (row, head, committed) in &rows {
        let verdict = release(head, &reader, Door::Taxii);
        released += usize::from(verdict.is_ok());
        let standing = match Standing::of(&reader, &head.audience) {
            Standing::Member => "member",
            Standing::Client => "client",
            Standing::Stranger => "stranger",
        };
        let (sees, why) = match verdict {
            Ok(grounds) => (true, told(grounds).to_owned()),
            Err(reason) => (false, reason.to_string()),
        };
        let narrowed = head != committed;
        if args.json {
            say!(
                "{}",
                json!({
                    "id": args.id, "version": row.version.to_string(), "index": row.index, "added": row.time.to_string(),
                    "author": head.author.to_string(), "marking": head.marking.to_string(),
                    "audience": head.audience.to_string(), "narrowed": narrowed, "member": member.to_string(),
                    "standing": standing, "released": sees, "why": why,
                })
            );
        } else {
            let narrowed = if narrowed { ", narrowed since it was added" } else { "" };
            say!("{}  entry {}  {}  {}{narrowed}", row.version, row.index, head.marking, head.audience);
            say!(
                "  {}: {why} (it stands there as a {standing})",
                if sees { "may have it" } else { "may not" }
            );
        }
    }
    if let Some(refused) = refused {
        // Whatever is released to the reader, no page of it is answered.
        eprintln!("every request of {member} is refused: {refused}");
    }
    if !args.json {
        eprintln!(
            "asked for {member}, up to {ceiling}, by TAXII; a token that has read with less stays at that"
        );
    }
    Ok(if released > 0 { Exit::Done } else { Exit::NotFound })
}

fn told(grounds: Grounds) -> &'static str {
    match grounds {
        Grounds::Author => "it is the author's own",
        Grounds::Clear => "TLP:CLEAR may go to anyone",
        Grounds::Client => "it is the declared client of a recipient, and the label lets it pass on",
        Grounds::Community => "it is in the community that the record is for",
        Grounds::Person => "the record is for this person",
        Grounds::Recipient => "the record is for this organisation",
    }
}
