// SPDX-License-Identifier: Apache-2.0
//! `polder ledger`: verify, prove, check.

use std::io::{Read as _, Write as _};
use std::path::Path;

use ledger::audience::Heads;
use ledger::checkpoint::Checkpoint;
use ledger::consistency::{self, CONSISTENCY_BYTES_MAX, Consistency};
use ledger::logs::own_log;
use ledger::proof::{Envelope, PROOF_BYTES_MAX, Proof, SignedBy};
use ledger::record::{self, Stored};
use ledger::root::chain::Identity;
use ledger::root::said::Said;
use ledger::{hosted, signatures, tree, verify};
use model::id::{MemberId, SubjectKey, hex};
use model::marking::Tlp;
use model::time::Timestamp;
use policy::release;
use serde_json::json;
use store::Store;

use crate::cli::{Data, LedgerCommand};
use crate::failure::{Exit, Failure};
use crate::node::{Node, said_of_keys};
use crate::out::say;
use crate::tiles;

/// Runs the command.
pub fn run(command: &LedgerCommand) -> Result<Exit, Failure> {
    match command {
        LedgerCommand::Verify { data, json } => verify_log(data, *json),
        LedgerCommand::Prove { data, id, version, max_tlp } => prove(data, id, version.as_deref(), *max_tlp),
        LedgerCommand::Publish { data } => publish(data),
        LedgerCommand::Consistency { data, old, new } => consistency(data, *old, *new),
        LedgerCommand::Tiles { data, to, entries, max_tlp, json } => {
            tiles::run(data, to, entries.then_some(*max_tlp), *json)
        }
        LedgerCommand::Check { member, proof, json } => check(member.as_deref(), proof, *json),
    }
}

/// Verifies all own logs of a store against what its member said of its keys.
pub fn verified(store: &Store, identity: &Identity) -> Result<verify::Report, Failure> {
    let keys =
        |checkpoint: &Checkpoint| identity.keys_of(checkpoint).cloned().map_err(|error| error.to_string());
    Ok(store.read(|read| verify::verify_all(read, &keys))?)
}

fn verify_log(data: &Data, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let report = verified(&node.store, &node.identity)?;
    let holds = report.faults.is_empty();
    if as_json {
        say!(
            "{}",
            json!({
                "origin": node.origin.to_string(), "records": report.records, "erased": report.erased,
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
    let checkpoint = node.dir.side_file().publish_held(&node.store, node.origin)?;
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
                Ok(_) => return build(read, row, committed),
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
    node.store.local(|tx| tree::keep_checkpoint(tx, proof.1, proof.2))?;
    // A crash may have come between a commit and its side file: nothing is handed out that it does not know.
    node.dir.side_file().publish_held(&node.store, node.origin)?;
    print(&proof.0.print())
}

fn build(
    read: &mut dyn ledger::sql::Read,
    row: Stored,
    head: &model::head::Head,
) -> Result<(Proof, i64, u64), Failure> {
    let (Some(body), Some(salts)) = (row.body, row.salts) else {
        return Err(Failure::not_found(format!("{} was withdrawn; its body is gone", row.id)));
    };
    // A log that gave way to a later one still proves what stands in it.
    let log = row.log;
    let note = verify::newest_note(read, log)?;
    let note = note.ok_or_else(|| Failure::machine("the log has no checkpoint"))?;
    let size = tree::size(read, log)?;
    let (root, statements) = said_of_keys(read)?.unwrap_or_default();
    let author =
        match signatures::at(read, row.seq)? {
            None => None,
            Some(signature) => hosted::said_by(read, head.author)?
                .map(|Said { root, statements }| SignedBy { signature, root, statements }),
        };
    let proof = Proof {
        author,
        path: tree::Proofs::of(log).inclusion(read, row.index, size)?,
        entry: row.entry,
        salts,
        envelope: Envelope { head: head.clone(), id: row.id, version: row.version, time: row.time },
        body,
        index: row.index,
        checkpoint: note,
        root,
        statements,
    };
    Ok((proof, log, size))
}

/// Sizes, roots and hashes say nothing of what was logged: no gate is asked.
fn consistency(data: &Data, old: u64, new: Option<u64>) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let proof = node.store.read(|read| {
        let log = own_log(read)?;
        let size = tree::size(read, log)?;
        let new = new.unwrap_or(size);
        if old > new || new > size {
            return Err(Failure::usage(format!(
                "the log has {size} entries: give an earlier size and a later one, at most that"
            )));
        }
        let mut proofs = tree::Proofs::of(log);
        let mut end = |read: &mut dyn ledger::sql::Read, size: u64| {
            let kept = verify::note_at(read, log, size)?;
            let root = proofs.root(read, size)?;
            let text = Checkpoint { origin: node.origin, size, root }.print();
            Ok::<_, Failure>(kept.unwrap_or(text))
        };
        let (old_text, new_text) = (end(read, old)?, end(read, new)?);
        let (root, statements) = said_of_keys(read)?.unwrap_or_default();
        let path = proofs.consistency(read, old, new)?;
        Ok(Consistency { old: old_text, new: new_text, path, root, statements })
    })?;
    // As for a proof: nothing is handed out that the side file does not know.
    node.dir.side_file().publish_held(&node.store, node.origin)?;
    print(&proof.print())
}

/// Writes a document to stdout.
pub fn print(text: &str) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| Failure::machine(format!("cannot write to stdout: {e}")))?;
    Ok(Exit::Done)
}

fn check_consistency(member: Option<MemberId>, file: &[u8], as_json: bool) -> Result<Exit, Failure> {
    let held = match Consistency::parse(file).and_then(|proof| proof.check()) {
        Ok(held) => held,
        Err(error) => return Err(refused(as_json, &error.to_string())),
    };
    let signer = held.root.member;
    if let Some(expected) = member.filter(|expected| *expected != signer) {
        return Err(refused(as_json, &format!("it is signed by member {signer}, not by {expected}")));
    }
    let ends = [("old", held.old), ("new", held.new)];
    if as_json {
        let [old, new] = ends.map(|(_, end)| {
            let (size, root) = (end.checkpoint.size, hex(&end.checkpoint.root));
            json!({ "size": size, "root": root, "signed": end.signed })
        });
        say!(
            "{}",
            json!({
                "verified": true, "member": signer.to_string(), "member_pinned": member.is_some(), "old": old,
                "new": new, "origin": held.new.checkpoint.origin.to_string(),
            })
        );
        return Ok(Exit::Done);
    }
    say!(
        "proved: log {} of size {} is the beginning of size {}",
        held.new.checkpoint.origin,
        held.old.checkpoint.size,
        held.new.checkpoint.size
    );
    for (name, end) in ends {
        let told =
            if end.signed { "signed" } else { "NOT signed: compare it with the checkpoint that you hold" };
        say!("{name}: size {}, root {}, {told}", end.checkpoint.size, hex(&end.checkpoint.root));
    }
    Ok(Exit::Done)
}

/// Says on stdout, for a script, what the failure says to a person.
fn refused(as_json: bool, reason: &str) -> Failure {
    if as_json {
        say!("{}", json!({ "verified": false, "reason": reason }));
    }
    Failure::not_found(format!("NOT proved: {reason}"))
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
    if is_consistency(&bytes) {
        return check_consistency(member, &bytes, as_json);
    }
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
    let (signer, author) = (proved.root.member, proved.author.as_ref());
    let (id, version) = (&proof.envelope.id, proof.envelope.version.to_string());
    if let Some(expected) = member
        && expected != signer
        && author.is_none_or(|author| author.member != expected)
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
                "signed_by_author": author.map(|author| author.member.to_string()),
                "author_name": author.map(|author| author.name.as_str()),
            })
        );
        return Ok(Exit::Done);
    }
    say!("proved: {id} version {version} is entry {} of log {}", proof.index, proved.checkpoint.origin);
    say!("signed at size {} by member {signer} ({who})", proved.checkpoint.size);
    if let Some(author) = author {
        say!("author {} ({}), who is hosted there, signed it itself", author.member, author.name);
    }
    if member.is_none() {
        eprintln!(
            "This proves integrity, not who: anybody can make such a log and call it \"{}\". Give --member with the id \
             that you learned from them by another way.",
            proved.root.name
        );
    }
    Ok(Exit::Done)
}

fn is_consistency(file: &[u8]) -> bool {
    let file: Option<serde_json::Value> =
        if file.len() > CONSISTENCY_BYTES_MAX { None } else { serde_json::from_slice(file).ok() };
    file.is_some_and(|file| file["format"] == consistency::FORMAT)
}
