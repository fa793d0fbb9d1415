// SPDX-License-Identifier: Apache-2.0
//! `polder recall` and `polder share`: an author's acts on what he holds.

use exchange::intake::{Claim, Creators, copy_goes_further};
use exchange::recall::OwnRecords;
use ledger::append::{Outcome, Refused};
use ledger::audience::Heads;
use ledger::draft::Draft;
use ledger::recall::{Act, REASON_BYTES_MAX};
use ledger::record::{self, Stored};
use model::diagnostic::Diagnostic;
use model::head::{Audience, Head};
use model::id::SubjectKey;
use model::marking::{Marking, Tlp};
use model::stix::{Object, revoke};
use model::time::Timestamp;
use serde_json::json;
use store::Scrub;

use crate::cli::{self, RecallAct};
use crate::failure::{Exit, Failure};
use crate::hunting::counted;
use crate::init::salts;
use crate::node::{Node, fill_random, now};
use crate::notify;
use crate::out::say;

/// Runs `polder recall`.
pub fn run(args: &cli::Recall) -> Result<Exit, Failure> {
    let node = Node::open(&args.data)?;
    if args.reason.len() > REASON_BYTES_MAX {
        return Err(Failure::usage(format!("--reason takes at most {REASON_BYTES_MAX} bytes")));
    }
    match args.act.chosen() {
        RecallAct::Retract => retract(&node, args),
        RecallAct::Withdraw => recall(&node, args, Act::Withdraw),
        RecallAct::Narrow(tlp) => {
            let audience = args.own_only.then(|| node.own_audience());
            recall(&node, args, Act::Narrow { marking: Marking::tlp(tlp), audience })
        }
    }
}

/// Own records of an object that are not erased, with their heads, newest version first.
fn own_records(node: &Node, id: &str) -> Result<Vec<(Stored, Head)>, Failure> {
    let found = node.store.read(|read| {
        let heads = Heads::load(read)?;
        let rows = record::of_subject(read, SubjectKey::of(id))?;
        let mut own = Vec::new();
        for row in rows {
            let head = heads.of(row.audience_row)?;
            if head.author == node.member() && head.kind.is_stix() && row.id == id {
                own.push((row, head.clone()));
            }
        }
        Ok::<_, ledger::sql::EngineError>(own)
    })?;
    if found.is_empty() {
        return Err(none_held(id));
    }
    Ok(found)
}

fn none_held(id: &str) -> Failure {
    Failure::not_found(format!("no object {id} of your own is held here; `polder export` shows what is"))
}

/// It was wrong: a version that revokes it goes to everyone who has it.
fn retract(node: &Node, args: &cli::Recall) -> Result<Exit, Failure> {
    let own = own_records(node, &args.id)?;
    let newest = own.iter().map(|(row, _)| row.version).max().unwrap_or(Timestamp::EPOCH);
    let body = own.iter().find(|(row, _)| row.version == newest).and_then(|(row, _)| row.body.clone());
    let modified = now().max(Timestamp::from_micros(newest.micros() + 1));
    let revoked = body.and_then(|body| revoke::revoked(&body, modified)).ok_or_else(|| {
        Failure::usage(format!(
            "{} has no versions and so cannot be revoked (STIX 2.1 section 3.6); withdraw or narrow it instead",
            args.id
        ))
    })?;
    let mut heads: Vec<&Head> = Vec::new();
    for (_, head) in &own {
        if !heads.contains(&head) {
            heads.push(head);
        }
    }
    let drafts = heads.iter().map(|head| again(node, &revoked, &head.audience, head.marking));
    let outcomes = node.write()?.submit(drafts.collect::<Result<Vec<_>, _>>()?).wait()?;
    let added = outcomes.iter().filter(|o| matches!(o, Outcome::Added { .. })).count();
    if added == 0 {
        return Err(told_refusal(&args.id, &outcomes));
    }
    let notices = notify::revise(node)?;
    if args.json {
        say!(
            "{}",
            json!({
                "act": "retract", "id": args.id, "version": modified.to_string(), "records": added,
                "notices": notices,
            })
        );
    } else {
        tell_notices(notices);
        say!(
            "{} is revoked by version {modified}, in {added} records: one for each audience that had it",
            args.id
        );
    }
    Ok(Exit::Done)
}

fn again(node: &Node, body: &[u8], audience: &Audience, marking: Marking) -> Result<Draft, Failure> {
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    let object = Object::parse(body, "the object", &mut diagnostics).ok_or_else(|| {
        let told = diagnostics.first().map(Diagnostic::to_string).unwrap_or_default();
        Failure::internal(format!("a held object does not parse: {told}"))
    })?;
    Ok(Draft::stix(object, body.to_vec(), node.member(), audience.clone(), marking, salts()?))
}

/// Withdraw or narrow: one record of the act for each audience that had the object.
fn recall(node: &Node, args: &cli::Recall, act: Act) -> Result<Exit, Failure> {
    let own = node.store.read(|read| OwnRecords::of(read, node.member(), &args.id))?;
    if own.count() == 0 {
        return Err(none_held(&args.id));
    }
    let drafts = own.recall(&act, &args.reason, now(), &mut |bytes| fill_random(bytes));
    let outcomes = node.write()?.submit(drafts).wait()?;
    if !outcomes.iter().all(|o| matches!(o, Outcome::Added { .. })) {
        return Err(told_refusal(&args.id, &outcomes));
    }
    // Before what is left is looked for: they would be.
    let notices = notify::revise(node)?;
    let remains = if act == Act::Withdraw { remains(node)? } else { Vec::new() };
    receipt(node, args, &act, own.count(), &remains, notices);
    Ok(if remains.is_empty() { Exit::Done } else { Exit::Partial })
}

/// Where the erased bytes may still be read on this machine.
fn remains(node: &Node) -> Result<Vec<String>, Failure> {
    Ok(match node.store.scrub()? {
        Scrub::Gone => Vec::new(),
        Scrub::Remains(places) => places,
    })
}

/// What became of notices that had not gone out.
fn tell_notices(notices: u64) {
    if notices > 0 {
        eprintln!(
            "{} that had not gone out named it or what goes no further now; what it said is erased, and it names nothing of \
             others any more",
            counted(notices, "notice")
        );
    }
}

/// The holder's statement, not a proof (DESIGN section 2).
fn receipt(node: &Node, args: &cli::Recall, act: &Act, records: usize, remains: &[String], notices: u64) {
    let (word, marking) = match act {
        Act::Remove { .. } => ("remove", None),
        Act::Withdraw => ("withdraw", None),
        Act::Narrow { marking, .. } => ("narrow", Some(marking.to_string())),
    };
    if args.json {
        return say!(
            "{}",
            json!({
                "act": word, "id": args.id, "records": records, "marking": marking, "holder": node.member().to_string(),
                "time": now().to_string(), "remains": remains, "reason": args.reason,
                "notices": notices,
            })
        );
    }
    tell_notices(notices);
    match marking {
        None => {
            say!("{} is withdrawn: body, subject and salts of {records} records are erased here", args.id);
            for place in remains {
                eprintln!("still readable: {place}");
            }
            eprintln!(
                "Backups made before now still hold it: delete them when you may. Findings in your own logs stay yours."
            );
        }
        Some(marking) => {
            say!("{} goes no further than {marking} from now on, in {records} records", args.id);
            eprintln!("Whoever has read it has it; what refers to it follows where its id tells its value.");
        }
    }
}

fn told_refusal(id: &str, outcomes: &[Outcome]) -> Failure {
    let refused = outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Refused(Refused::Gate(refusal)) => Some(format!("{refusal}; {}", refusal.fix())),
        Outcome::Refused(Refused::Recall(error)) => Some(error.to_string()),
        Outcome::Refused(Refused::RefersFurther) => {
            Some("it refers to an observable that you hold for other recipients only".to_owned())
        }
        Outcome::Refused(refused) => Some(exchange::intake::refusal(id, *refused).message),
        _ => None,
    });
    Failure::not_found(format!(
        "{id}: {}",
        refused.unwrap_or_else(|| "nothing to do, it is so already".into())
    ))
}

/// Runs `polder share`: more may see the newest version of an object from now on.
pub fn share(args: &cli::Share) -> Result<Exit, Failure> {
    let node = Node::open(&args.data)?;
    let audience = node.recipients(&args.recipients)?;
    if audience == node.own_audience() {
        return Err(Failure::usage("say with whom: --community, --to-member or --to-person"));
    }
    let own = own_records(&node, &args.id)?;
    let newest = own.iter().map(|(row, _)| row.version).max().unwrap_or(Timestamp::EPOCH);
    let held: Vec<&(Stored, Head)> = own.iter().filter(|(row, _)| row.version == newest).collect();
    let Some(body) = held.iter().find_map(|(row, _)| row.body.as_deref()) else {
        return Err(Failure::not_found(format!("{} was withdrawn", args.id)));
    };
    let marking = match args.tlp {
        // What the bytes themselves say holds whatever the envelope says.
        Some(tlp) => Marking::tlp(tlp).strictest(own_marking(&node, body)?),
        None => {
            held.iter().map(|(_, head)| head.marking).reduce(Marking::as_strict_as).unwrap_or(Marking::NONE)
        }
    };
    let marking = passed_on(&node, body, &audience, marking)?;
    let draft = Draft { widens: true, ..again(&node, body, &audience, marking)? };
    let outcomes = node.write()?.submit(vec![draft]).wait()?;
    let Some(Outcome::Added { seq, index }) = outcomes.first() else {
        return Err(told_refusal(&args.id, &outcomes));
    };
    let head = node.store.read(|read| {
        let heads = Heads::load(read)?;
        let row = record::at(read, *seq)?.map_or(0, |record| record.audience_row);
        heads.of(row).cloned()
    })?;
    if args.json {
        say!(
            "{}",
            json!({
                "id": args.id, "index": index, "audience": head.audience.to_string(),
                "marking": head.marking.to_string(),
            })
        );
    } else {
        say!("{} is shared with {} under {}", args.id, head.audience, head.marking);
        if let Some(asked) = args.tlp.filter(|asked| *asked < head.marking.label()) {
            eprintln!(
                "{asked} was asked for and is not given: what marks the object, or shared it, is stricter."
            );
        }
        if head.marking.tlp.is_none() || head.marking.unknown {
            eprintln!(
                "It stays in the own organisation all the same: give --tlp with a label that is understood."
            );
        }
    }
    Ok(Exit::Done)
}

/// A copy of what another member shared goes no further than he let it go, also by its holder's own hand.
fn passed_on(node: &Node, body: &[u8], audience: &Audience, marking: Marking) -> Result<Marking, Failure> {
    let object = Object::parse(body, "the object", &mut Vec::new())
        .ok_or_else(|| Failure::internal("a held object does not parse"))?;
    let reader = node.operator(Tlp::AmberStrict)?;
    let claim = node
        .store
        .read(|read| Creators::of(read, &reader, node.member())?.claim(read, &object, body, audience))?;
    match claim {
        Claim::Copy(given) => Ok(marking.as_strict_as(given)),
        Claim::Further => {
            let Diagnostic { message, fix, .. } = copy_goes_further(&object.id);
            Err(Failure::usage(format!("{}: {message}; {}", object.id, fix.unwrap_or_default())))
        }
        // What came in by a file is as its importer marked it.
        Claim::Free | Claim::Others => Ok(marking),
    }
}

fn own_marking(node: &Node, body: &[u8]) -> Result<Marking, Failure> {
    let definitions = node.store.read(|read| ledger::definitions::of_author(read, node.member()))?;
    let object = Object::parse(body, "the object", &mut Vec::new())
        .ok_or_else(|| Failure::internal("a held object does not parse"))?;
    Ok(object.marking(&definitions))
}
