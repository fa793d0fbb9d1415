// SPDX-License-Identifier: Apache-2.0
//! `polder ledger`: verify, prove, check.

use std::io::{Read as _, Write as _};
use std::path::Path;

use ledger::audience::Heads;
use ledger::proof::{Envelope, PROOF_BYTES_MAX, Proof};
use ledger::record::{self, Stored};
use ledger::{tree, verify};
use model::id::{MemberId, SubjectKey, hex};
use model::marking::Tlp;
use model::time::Timestamp;
use policy::release;
use serde_json::json;

use crate::cli::{Data, LedgerCommand};
use crate::failure::{Exit, Failure};
use crate::node::Node;
use crate::out::say;

/// Runs the command.
pub fn run(command: &LedgerCommand) -> Result<Exit, Failure> {
    match command {
        LedgerCommand::Verify { data, json } => verify_log(data, *json),
        LedgerCommand::Prove { data, id, version, max_tlp } => prove(data, id, version.as_deref(), *max_tlp),
        LedgerCommand::Publish { data } => publish(data),
        LedgerCommand::Check { member, proof, json } => check(member.as_deref(), proof, *json),
    }
}

fn verify_log(data: &Data, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let report = node.store.read(|read| verify::verify(read, &node.root.origin, &node.root.log_key))?;
    let holds = report.faults.is_empty();
    if as_json {
        say!(
            "{}",
            json!({
                "origin": node.root.origin.to_string(), "records": report.records, "erased": report.erased,
                "size": report.size, "root": hex(&report.root), "verified": holds, "faults": report.faults,
                "more_faults": report.more_faults,
            })
        );
    } else if holds {
        say!(
            "verified: {} records, size {}, root {}, checkpoint signed by {}",
            report.records,
            report.size,
            hex(&report.root),
            node.member()
        );
    } else {
        report.faults.iter().for_each(|fault| eprintln!("fault: {fault}"));
        if report.more_faults > 0 {
            eprintln!("and {} more faults", report.more_faults);
        }
        say!("NOT verified: {} faults in {} records", report.faults.len(), report.records);
        eprintln!(
            "stop using this copy; restore the newest backup that verifies, and keep this one as evidence"
        );
    }
    Ok(if holds { Exit::Done } else { Exit::NotFound })
}

/// For the operator who knows that no newer database exists: from here on nothing older is accepted.
fn publish(data: &Data) -> Result<Exit, Failure> {
    let node = Node::open_unchecked(data)?;
    if node.dir.side_file().newest()?.is_some() {
        node.dir.side_file().check(&node.store)?;
    }
    let checkpoint = node.dir.side_file().publish_held(&node.store, node.root.origin)?;
    say!("published: size {}, root {}", checkpoint.size, hex(&checkpoint.root));
    Ok(Exit::Done)
}

/// Writes a proof. The gate is asked: a proof holds the body and can be handed on.
fn prove(data: &Data, id: &str, version: Option<&str>, ceiling: Tlp) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let version = version.map(Timestamp::parse).transpose().map_err(|e| Failure::usage(e.to_string()))?;
    let reader = node.operator(ceiling)?;
    let proof = node.store.read(|read| {
        let rows = record::of_subject(read, SubjectKey::of(id))?;
        let heads = Heads::load(read)?;
        let mut refused = None;
        for row in rows.into_iter().filter(|row| version.is_none_or(|v| v == row.version)) {
            let head = heads.of(row.audience_row)?;
            let committed = heads.of(row.committed_row)?;
            match release(head, &reader, policy::Exit::Proof) {
                Ok(_) => return build(read, row, committed, &node),
                Err(reason) => refused = Some(reason),
            }
        }
        let told = match refused {
            // The operator's own records: the reason may be told.
            Some(reason) => format!("{id} may not leave in a proof: {reason}"),
            None => format!("no object {id} is held here; `polder export` shows what is"),
        };
        Err(Failure::not_found(told))
    })?;
    node.store.local(|tx| tree::keep_checkpoint(tx, proof.1))?;
    // A crash may have come between a commit and its side file: nothing is handed out that it does not know.
    node.dir.side_file().publish_held(&node.store, node.root.origin)?;
    let mut out = std::io::stdout().lock();
    out.write_all(proof.0.print().as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| Failure::machine(format!("cannot write to stdout: {e}")))?;
    Ok(Exit::Done)
}

fn build(
    read: &mut dyn ledger::sql::Read,
    row: Stored,
    head: &model::head::Head,
    node: &Node,
) -> Result<(Proof, u64), Failure> {
    let (Some(body), Some(salts)) = (row.body, row.salts) else {
        return Err(Failure::not_found(format!("{} was withdrawn; its body is gone", row.id)));
    };
    let note = verify::newest_note(read)?.ok_or_else(|| Failure::machine("the log has no checkpoint"))?;
    let size = tree::size(read)?;
    let root = record::after(read, 0, 1)?.into_iter().next().and_then(|first| first.body);
    let proof = Proof {
        path: tree::inclusion_proof(read, row.index, size)?,
        entry: row.entry,
        salts,
        envelope: Envelope { head: head.clone(), id: row.id, version: row.version, time: row.time },
        body,
        index: row.index,
        checkpoint: note,
        root: root.ok_or_else(|| {
            Failure::machine(format!("{} has no root statement", node.dir.root().display()))
        })?,
    };
    Ok((proof, size))
}

fn check(member: Option<&str>, path: &Path, as_json: bool) -> Result<Exit, Failure> {
    let member = member.map(MemberId::parse).transpose().map_err(|e| Failure::usage(e.to_string()))?;
    let mut bytes = Vec::new();
    let limit = PROOF_BYTES_MAX as u64 + 1;
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|e| Failure::io("read", path, &e))?;
    let checked = Proof::parse(&bytes).and_then(|proof| proof.check().map(|proved| (proof, proved)));
    let (proof, proved) = match checked {
        Ok(both) => both,
        Err(error) => {
            if as_json {
                say!("{}", json!({ "verified": false, "reason": error.to_string() }));
            }
            return Err(Failure::not_found(format!("NOT proved: {error}")));
        }
    };
    let signer = proved.root.member;
    let (id, version) = (&proof.envelope.id, proof.envelope.version.to_string());
    if let Some(expected) = member
        && expected != signer
    {
        if as_json {
            say!(
                "{}",
                json!({ "verified": false, "reason": "another member", "member": signer.to_string() })
            );
        }
        return Err(Failure::not_found(format!(
            "NOT proved: it is signed by member {signer}, not by {expected}"
        )));
    }
    let who = if member.is_some() { "pinned" } else { "not pinned" };
    if as_json {
        say!(
            "{}",
            json!({
                "verified": true, "member": signer.to_string(), "member_pinned": member.is_some(),
                "name": proved.root.name, "id": id, "version": version, "index": proof.index,
                "size": proved.checkpoint.size, "origin": proved.checkpoint.origin.to_string(),
            })
        );
        return Ok(Exit::Done);
    }
    say!("proved: {id} version {version} is entry {} of log {}", proof.index, proved.checkpoint.origin);
    say!("signed at size {} by member {signer} ({who})", proved.checkpoint.size);
    if member.is_none() {
        eprintln!(
            "This proves integrity, not who: anybody can make such a log and call it \"{}\". Give --member with the id \
             that you learned from them by another way.",
            proved.root.name
        );
    }
    Ok(Exit::Done)
}
