// SPDX-License-Identifier: Apache-2.0
//! `polder key`: what keys there are, how they are kept, and how one gives way to another. Each change is a
//! record of the ledger; the member id, the hash of the first root key, survives them all.

use std::fs;
use std::path::{Path, PathBuf};

use ledger::append::Outcome;
use ledger::checkpoint::Origin;
use ledger::root::chain::Identity;
use ledger::root::said;
use ledger::root::statement::{Authority, Link, Reached, Revoked, Saying};
use ledger::sql::EngineError;
use ledger::{logs, tree};
use model::id::hex;
use model::time::Timestamp;
use serde_json::json;
use trust::composite::PrivateKey;
use trust::log_key::LogKey;
use trust::member::fingerprint;
use trust::recovery::RecoveryKey;
use zeroize::Zeroizing;

use crate::cli::{Data, KeyCommand, RotateCommand};
use crate::datadir::{DataDir, Held};
use crate::failure::{Exit, Failure};
use crate::init::{new_log_key, statement};
use crate::keys::{self, Change, Protection};
use crate::log::print;
use crate::node::{NODE_SECRET, Node, RECOVERY_KEY, ROOT_KEY, now, random, said_of_keys};
use crate::out::say;

/// Runs the command.
pub fn run(command: &KeyCommand) -> Result<Exit, Failure> {
    match command {
        KeyCommand::Show { data, json } => show(data, *json),
        KeyCommand::Statements { data } => statements(data),
        KeyCommand::Rotate(RotateCommand::Log { data, root_key, revoked_from, json }) => {
            rotate_log(data, root_key.as_deref(), revoked_from.as_deref(), *json)
        }
        KeyCommand::Rotate(RotateCommand::Root { data, root_key, json }) => {
            rotate_root(data, root_key.as_deref(), *json)
        }
        KeyCommand::Recover { data, recovery_key, json } => recover(data, recovery_key.as_deref(), *json),
        KeyCommand::Revoke { data, recovery_key, root_key, json } => {
            revoke(data, recovery_key.as_deref(), root_key.as_deref(), *json)
        }
        KeyCommand::Passphrase { data, new_passphrase_file, remove } => {
            passphrase(data, new_passphrase_file.as_deref(), *remove)
        }
    }
}

/// Name of the file with the keys of a log.
pub fn log_key_name(origin: &Origin) -> String {
    format!("log-{}.key", origin.log)
}

/// Where new keys wait until the ledger says that they are the keys: a crash in between loses neither.
fn next_name(name: &str) -> String {
    format!("{}-next.key", name.trim_end_matches(".key"))
}

/// The keys that sign the node's log now, for who holds the right to write. New ones whose delegation is in
/// the ledger are put in their place.
pub fn log_key(node: &Node) -> Result<LogKey, Failure> {
    let (key, waits) = find_log_key(node)?;
    if waits {
        let name = log_key_name(&node.origin);
        let to = node.dir.key_path(&name);
        match fs::rename(node.dir.key_path(&next_name(&name)), &to) {
            // Another process that opened at the same moment has done it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::io("make", &to, &error)),
            Ok(()) => keys::sync_parent(&to)?,
        }
    }
    Ok(key)
}

/// The keys that sign the node's log now, and whether their file still waits to be put in its place.
pub fn find_log_key(node: &Node) -> Result<(LogKey, bool), Failure> {
    find_key_of(&node.dir, &node.identity, &node.origin)
}

/// [`find_log_key`] for a node that is not open.
pub fn find_key_of(dir: &DataDir, identity: &Identity, origin: &Origin) -> Result<(LogKey, bool), Failure> {
    let name = log_key_name(origin);
    let delegated = identity.current(origin).map(|log| &log.keys);
    for (name, waits) in [(next_name(&name), true), (name.clone(), false)] {
        if waits && !dir.key_path(&name).exists() {
            continue;
        }
        let key = dir.read_log_key(&name)?;
        if Some(key.public_key()) == delegated {
            return Ok((key, waits));
        }
    }
    Err(Failure::machine(format!(
        "{} is not the key to which the root key delegated log {}; restore the right one from a backup, or make a new \
         one with `polder key rotate log`",
        dir.key_path(&name).display(),
        origin
    )))
}

fn put_in_place(next: &Path, to: &Path) -> Result<(), Failure> {
    fs::rename(next, to).map_err(|e| Failure::io("make", to, &e))?;
    keys::sync_parent(to)
}

/// The root key that counts now, from the file that is named or from the data directory.
pub fn root_key(node: &Node, named: Option<&Path>) -> Result<PrivateKey, Failure> {
    let path = named.map_or_else(|| node.dir.key_path(ROOT_KEY), Path::to_owned);
    let current = node
        .identity
        .root_key()
        .ok_or_else(|| Failure::usage("the root key was revoked; name another with `polder key recover`"))?;
    // The new one of a rotation whose last step a crash prevented.
    let next = node.dir.key_path(&next_name(ROOT_KEY));
    for path in [&path, &next] {
        if path == &next && !next.exists() {
            continue;
        }
        let bytes = keys::read_as(path, "root")?;
        let bytes: Option<&[u8; 64]> = bytes.as_slice().try_into().ok();
        let key = bytes.map(PrivateKey::from_bytes);
        if let Some(key) = key.filter(|key| key.public_key() == current) {
            return Ok(key);
        }
    }
    Err(Failure::usage(format!(
        "{} is not the root key of this member; name the right file with --root-key",
        path.display()
    )))
}

fn recovery_key(node: &Node, named: Option<&Path>) -> Result<RecoveryKey, Failure> {
    let hash = node.identity.recovery().ok_or_else(|| {
        Failure::usage(
            "this member has no recovery key; `polder key rotate root` makes one while the root key is there",
        )
    })?;
    let path = named.map_or_else(|| node.dir.key_path(RECOVERY_KEY), Path::to_owned);
    let key = RecoveryKey::from_bytes(&keys::read_as(&path, "recovery")?);
    key.ok().filter(|key| key.public_key().hash() == hash).ok_or_else(|| {
        Failure::usage(format!(
            "{} is not the recovery key of this member; name the right file with --recovery-key",
            path.display()
        ))
    })
}

/// Where the next statement stands.
pub fn link(node: &Node) -> Link {
    let created = now().max(Timestamp::from_micros(node.identity.time().micros() + 1));
    Link { member: node.member(), previous: node.identity.head(), created }
}

/// How the node's other keys are kept: new ones are kept alike.
fn protection(dir: &DataDir) -> Result<Protection, Failure> {
    Protection::of_existing(&dir.key_path(NODE_SECRET))
}

/// Opens the node for a change of keys, which no other process may make or sign through.
fn open(data: &Data) -> Result<(Node, Held), Failure> {
    let held = DataDir::new(&data.dir).hold_writing_alone()?;
    Ok((Node::open(data)?, held))
}

/// A file of new keys that never came to count: a crash came before its record.
fn clear_next(node: &Node, name: &str) -> Result<PathBuf, Failure> {
    let path = node.dir.key_path(&next_name(name));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::io("remove", &path, &error))
        }
        _ => Ok(path),
    }
}

/// Appends statements, each of which the chain takes.
fn append(node: &Node, held: Held, key: LogKey, said: Vec<Said>) -> Result<(), Failure> {
    append_to(node, held, node.origin, key, said)
}

/// A statement, its place and its body.
type Said = (Saying, Link, Vec<u8>);

/// Appends statements to a log that may be new.
pub fn append_to(
    node: &Node,
    held: Held,
    origin: Origin,
    key: LogKey,
    said: Vec<Said>,
) -> Result<(), Failure> {
    let mut identity = node.identity.clone();
    let mut drafts = Vec::new();
    for (saying, link, body) in said {
        identity.extend(&body).map_err(|e| Failure::internal(e.to_string()))?;
        drafts.push(statement(node.member(), saying.kind(), body, link.created)?);
    }
    let writer = node.write_as(held, origin, key)?;
    let outcomes = writer.submit(drafts).wait()?;
    let added = outcomes.iter().all(|outcome| matches!(outcome, Outcome::Added { .. }));
    if added { Ok(()) } else { Err(Failure::internal("the ledger did not take the statement")) }
}

fn rotate_log(
    data: &Data,
    root: Option<&Path>,
    revoked_from: Option<&str>,
    as_json: bool,
) -> Result<Exit, Failure> {
    let effective =
        revoked_from.map(Timestamp::parse).transpose().map_err(|e| Failure::usage(e.to_string()))?;
    let (node, held) = open(data)?;
    // Keys that already count are put in their place before others are made.
    let name = log_key_name(&node.origin);
    if node.dir.key_path(&next_name(&name)).exists() {
        log_key(&node)?;
    }
    let root = root_key(&node, root)?;
    let next = clear_next(&node, &name)?;
    let key = new_log_key(&next, &protection(&node.dir)?)?;
    let reached = node.store.read(|read| {
        let log = logs::row_of(&node.origin);
        let size = tree::size(read, log)?;
        Ok::<_, EngineError>(Reached { size, root: tree::root_at(read, log, size)? })
    })?;
    let authority = Authority::Root(&root);
    let mut said = Vec::new();
    let mut place = link(&node);
    if let Some(effective) = effective {
        let saying = Saying::Revocation { key: Revoked::Log { origin: node.origin, reached }, effective };
        let body = sign(&saying, &place, &authority, None)?;
        let created = Timestamp::from_micros(place.created.micros() + 1);
        let after = Link { previous: ledger::root::statement::body_hash(&body), created, ..place };
        said.push((saying, place, body));
        place = after;
    }
    let keys = Box::new(key.public_key().clone());
    let shown = hex(&fingerprint(&keys.composite));
    let saying = Saying::Delegation { origin: node.origin, keys, from: reached, continues: None };
    let body = sign(&saying, &place, &authority, None)?;
    said.push((saying, place, body));
    append(&node, held, key, said)?;
    put_in_place(&next, &node.dir.key_path(&name))?;
    if as_json {
        say!("{}", json!({ "origin": node.origin.to_string(), "log_key": shown, "from_size": reached.size }));
    } else {
        say!("log {} has new keys from size {} on: {shown}", node.origin, reached.size);
    }
    Ok(Exit::Done)
}

/// The body of a statement.
pub fn sign(
    saying: &Saying,
    link: &Link,
    authority: &Authority<'_>,
    new: Option<&PrivateKey>,
) -> Result<Vec<u8>, Failure> {
    saying.sign(link, authority, new, random()).map_err(|e| Failure::internal(e.to_string()))
}

fn rotate_root(data: &Data, root: Option<&Path>, as_json: bool) -> Result<Exit, Failure> {
    let (node, held) = open(data)?;
    let old = root_key(&node, root)?;
    // A member of the first release has no recovery key: now it gets one.
    let new_recovery = node.identity.recovery().is_none();
    let told = replace_root(&node, held, &Authority::Root(&old), new_recovery, as_json)?;
    if let Some(named) = root {
        eprintln!("{} is worth nothing any more: destroy it", named.display());
    }
    Ok(told)
}

fn recover(data: &Data, recovery: Option<&Path>, as_json: bool) -> Result<Exit, Failure> {
    let (node, held) = open(data)?;
    let key = recovery_key(&node, recovery)?;
    // A recovery key was shown when it was used: the next time another is needed.
    let told = replace_root(&node, held, &Authority::Recovery(&key), true, as_json)?;
    if let Some(named) = recovery {
        eprintln!("{} is used up: destroy it, and move the new one to its place", named.display());
    }
    Ok(told)
}

fn replace_root(
    node: &Node,
    held: Held,
    authority: &Authority<'_>,
    with_recovery: bool,
    as_json: bool,
) -> Result<Exit, Failure> {
    let signer = log_key(node)?;
    let protection = protection(&node.dir)?;
    let next = clear_next(node, ROOT_KEY)?;
    let bytes = Zeroizing::new(random::<64>());
    protection.write(&next, &*bytes)?;
    let new = PrivateKey::from_bytes(&bytes);
    let next_recovery = clear_next(node, RECOVERY_KEY)?;
    let recovery = with_recovery.then(|| RecoveryKey::generate(&Zeroizing::new(random())));
    if let Some(recovery) = &recovery {
        protection.write(&next_recovery, &*recovery.to_bytes())?;
    }
    let hash = recovery.as_ref().map(|key| key.public_key().hash());
    let saying = Saying::Rotation { public_key: new.public_key().clone(), recovery: hash };
    let place = link(node);
    let body = sign(&saying, &place, authority, Some(&new))?;
    append(node, held, signer, vec![(saying, place, body)])?;
    put_in_place(&next, &node.dir.key_path(ROOT_KEY))?;
    if recovery.is_some() {
        put_in_place(&next_recovery, &node.dir.key_path(RECOVERY_KEY))?;
    }
    let shown = hex(&fingerprint(new.public_key()));
    if as_json {
        let recovery = hash.map(|hash| hex(&hash));
        say!(
            "{}",
            json!({ "member": node.member().to_string(), "root_key": shown, "recovery_key": recovery })
        );
    } else {
        say!("member {} has a new root key: {shown}", node.member());
    }
    eprintln!("Keep {} offline: whoever has it is you.", node.dir.key_path(ROOT_KEY).display());
    if recovery.is_some() {
        let path = node.dir.key_path(RECOVERY_KEY);
        eprintln!("Move {} to another place: it takes over when the root key is lost.", path.display());
    }
    Ok(Exit::Done)
}

fn revoke(data: &Data, recovery: Option<&Path>, root: Option<&Path>, as_json: bool) -> Result<Exit, Failure> {
    let (node, held) = open(data)?;
    let signer = log_key(&node)?;
    let place = link(&node);
    let saying = Saying::Revocation { key: Revoked::Root, effective: place.created };
    let body = match recovery {
        Some(path) => sign(&saying, &place, &Authority::Recovery(&recovery_key(&node, Some(path))?), None)?,
        None => sign(&saying, &place, &Authority::Root(&root_key(&node, root)?), None)?,
    };
    if node.identity.recovery().is_none() {
        return Err(Failure::usage("this member has no recovery key: nobody could name another root key"));
    }
    append(&node, held, signer, vec![(saying, place, body)])?;
    if as_json {
        say!("{}", json!({ "member": node.member().to_string(), "revoked": "root" }));
    } else {
        say!("the root key of member {} is revoked; `polder key recover` names another", node.member());
    }
    Ok(Exit::Done)
}

fn statements(data: &Data) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let (root, statements) = node.store.read(said_of_keys)?.unwrap_or_default();
    print(&said::Said { root, statements }.print())
}

fn show(data: &Data, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let (identity, log_name) = (&node.identity, log_key_name(&node.origin));
    let mut kept = Vec::new();
    for name in [ROOT_KEY, RECOVERY_KEY, &log_name, NODE_SECRET] {
        let path = node.dir.key_path(name);
        let how = match path.exists() {
            false => "elsewhere",
            true if keys::is_sealed(&path)? => "under a passphrase",
            true => "readable by their owner",
        };
        kept.push((name, how));
    }
    let root_key = identity.root_key().map(|key| hex(&fingerprint(key)));
    let recovery = identity.recovery().map(|hash| hex(&hash));
    let log = identity.current(&node.origin);
    let log_key = log.map(|log| hex(&fingerprint(&log.keys.composite)));
    let lines = if log.is_some_and(|log| log.keys.others.is_some()) { 3 } else { 1 };
    if as_json {
        let files: serde_json::Map<String, serde_json::Value> =
            kept.iter().map(|(name, how)| ((*name).to_owned(), (*how).into())).collect();
        say!(
            "{}",
            json!({
                "member": node.member().to_string(), "root_key": root_key, "recovery_key": recovery,
                "origin": node.origin.to_string(), "log_key": log_key, "signature_lines": lines,
                "statements": identity.said(), "files": files,
            })
        );
        return Ok(Exit::Done);
    }
    say!("member       {}", node.member());
    say!("root key     {}", root_key.as_deref().unwrap_or("revoked"));
    say!("recovery key {}", recovery.as_deref().unwrap_or("none"));
    say!("log          {}", node.origin);
    say!("log key      {}, {lines} signature lines", log_key.as_deref().unwrap_or("none"));
    for (name, how) in kept {
        say!("{name:<12} {how}");
    }
    Ok(Exit::Done)
}

fn passphrase(data: &Data, file: Option<&Path>, remove: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    // No key may be read or made while they are exchanged.
    let _held = node.dir.hold_writing_alone()?;
    let exit = change_passphrase(&node.dir, file, remove)?;
    eprintln!("older backups hold the keys as they were when each was made");
    Ok(exit)
}

/// Keeps the keys of a directory under another passphrase, or none, and says so.
pub fn change_passphrase(dir: &DataDir, file: Option<&Path>, remove: bool) -> Result<Exit, Failure> {
    let change = if remove { Change::Remove } else { Change::Set(file) };
    let (count, sealed) = keys::change_passphrase(&dir.keys(), &change)?;
    let how = if sealed { "under the new passphrase" } else { "without passphrase, readable by their owner" };
    say!("{count} keys are kept {how}");
    if sealed {
        eprintln!(
            "without the passphrase the keys are lost: keep it in two places, neither of them this machine"
        );
    } else {
        eprintln!("warning: whoever reads the files in {} has the keys", dir.keys().display());
    }
    Ok(Exit::Done)
}
