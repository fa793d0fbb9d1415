// SPDX-License-Identifier: Apache-2.0
//! `polder restore`: a directory from a backup, verified; and never a second history of a log. The lost node
//! may have published more than the backup holds: then its log is closed for ever, and the next is opened.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use exchange::token;
use ledger::checkpoint::{Checkpoint, Origin};
use ledger::logs::{own_logs, row_of};
use ledger::merkle::EMPTY_ROOT;
use ledger::root::statement::{Authority, Reached, Saying};
use ledger::sql::{EngineError, Read};
use ledger::tree;
use model::id::hex;
use serde_json::json;
use store::published::SideFile;

use crate::archive::{self, Manifest};
use crate::cli::{Data, Restore};
use crate::datadir::DataDir;
use crate::failure::{Exit, Failure};
use crate::init::new_log_key;
use crate::key;
use crate::keys::{self, Protection};
use crate::log::verified;
use crate::node::{NODE_SECRET, Node, now};
use crate::out::say;

/// Largest checkpoint file that is read: a note with many signatures.
const CHECKPOINT_BYTES_MAX: u64 = 1024 * 1024;

/// Runs the command.
pub fn run(args: &Restore) -> Result<Exit, Failure> {
    let to = &args.data.dir;
    refuse_what_is_there(to)?;
    if args.published.is_empty() && args.witnessed.is_empty() && !args.newest {
        return Err(Failure::usage(
            "say how far the lost node had published its log, or it could be continued with another history: \
             --published with the file `published` of its directory, --witnessed with the newest checkpoint that \
             somebody else holds, or --newest if you are sure that nothing was published after this backup",
        ));
    }
    let parent = keys::folder_of(to);
    fs::create_dir_all(parent).map_err(|e| Failure::io("make", parent, &e))?;
    let room = tempfile::Builder::new().prefix(".polder-restore-").tempdir_in(parent);
    let room = room.map_err(|e| Failure::io("write in", parent, &e))?;
    let dir = DataDir::new(&room.path().join("d"));
    dir.make()?;
    let manifest = archive::unpack(&args.file, dir.root())?;
    let opened = open(&dir, &manifest, args)?;

    // Everything is verified and durable: now it gets its name. An empty directory may be in its place.
    keys::sync_parent(&dir.database())?;
    crate::history::sync(dir.root())?;
    fs::rename(dir.root(), to).map_err(|e| Failure::io("make", to, &e))?;
    keys::sync_parent(to)?;
    tell(args, &manifest, &opened);
    Ok(Exit::Done)
}

/// Only a place where nothing is: what is there may be all that is left of something.
fn refuse_what_is_there(to: &Path) -> Result<(), Failure> {
    let entries = match fs::read_dir(to) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::io("read", to, &error)),
        Ok(mut entries) => entries.next().is_none(),
    };
    if entries {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} is not empty; restore into a directory that is not there yet, then put it in the other's place",
        to.display()
    )))
}

/// The log that the restored node writes.
struct Opened {
    origin: Origin,
    size: u64,
    /// Tokens of the backup that are revoked now.
    revoked: usize,
}

fn open(dir: &DataDir, manifest: &Manifest, args: &Restore) -> Result<Opened, Failure> {
    let data = Data { dir: dir.root().to_owned() };
    let node = Node::open_unchecked(&data)?;
    let damaged = |what: &str| {
        Failure::not_found(format!(
            "{}: {what}; nothing was restored, take another backup",
            args.file.display()
        ))
    };
    let faults = verified(&node.store, &node.identity)?.faults;
    if let Some(first) = faults.first() {
        return Err(damaged(&format!("its log does not verify: {first}")));
    }
    let held = node.store.read(|read| held(read))?;
    if held != manifest.logs || manifest.member != node.member() {
        return Err(damaged("its database is not what its manifest says"));
    }
    let newest = held.last().copied().ok_or_else(|| damaged("it holds no log"))?;
    let mut known = Vec::new();
    for path in &args.published {
        known.push((path, read_published(path)?));
    }
    for path in &args.witnessed {
        known.push((path, read_witnessed(path, &node)?));
    }
    let mut beyond: Option<Checkpoint> = None;
    for (path, checkpoint) in known {
        if is_beyond(&node, path, &checkpoint, &newest)?
            && beyond.is_none_or(|other| order(&other) < order(&checkpoint))
        {
            beyond = Some(checkpoint);
        }
    }
    // The side file of the backup says less than its database may hold.
    let side_file = SideFile::new(dir.root().join("published"));
    let revoked = if args.keep_tokens { 0 } else { revoke_all(&node)? };
    if let Some(last) = beyond {
        return Ok(Opened { revoked, ..next_log(&node, args, &last, &newest)? });
    }
    side_file.publish_held(&node.store, newest.origin)?;
    Ok(Opened { origin: newest.origin, size: newest.size, revoked })
}

/// A token that was revoked after the backup works again in it, which no log tells. And where records were
/// lost, others take their numbers, so that a cursor of before would pass over them: cursors end with their
/// tokens.
fn revoke_all(node: &Node) -> Result<usize, Failure> {
    let time = now();
    Ok(node.store.local(|tx| {
        let mut revoked = 0;
        for token in token::list(tx.as_read())? {
            // By its id: a revoked token is not found again.
            revoked += usize::from(token::revoke(tx, &token.id, time)?.is_some());
        }
        Ok::<_, EngineError>(revoked)
    })?)
}

fn order(checkpoint: &Checkpoint) -> (u32, u64) {
    (checkpoint.origin.log, checkpoint.size)
}

/// How far each own log reaches.
fn held(read: &mut dyn Read) -> Result<Vec<Checkpoint>, EngineError> {
    own_logs(read)?
        .into_iter()
        .map(|log| {
            let root = tree::root_at(read, row_of(&log.origin), log.size)?;
            Ok(Checkpoint { origin: log.origin, size: log.size, root })
        })
        .collect()
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(CHECKPOINT_BYTES_MAX).read_to_string(&mut text))
        .map_err(|e| Failure::io("read", path, &e))?;
    Ok(text)
}

fn read_published(path: &Path) -> Result<Checkpoint, Failure> {
    Checkpoint::parse(&text_of(path)?)
        .map_err(|e| Failure::usage(format!("{} is no file `published` of a node: {e}", path.display())))
}

/// A checkpoint that somebody else kept must be signed: anybody could write one.
fn read_witnessed(path: &Path, node: &Node) -> Result<Checkpoint, Failure> {
    let told = |e: &dyn std::fmt::Display| {
        Failure::not_found(format!("{} is no checkpoint that this member's log signed: {e}", path.display()))
    };
    let (note, checkpoint) = Checkpoint::read_signed(text_of(path)?.as_bytes()).map_err(|e| told(&e))?;
    // Keys of later statements, which the backup does not hold, cannot be known here.
    let keys = node.identity.keys_of(&checkpoint).map_err(|e| told(&e))?;
    checkpoint.verify(&note, keys).map_err(|e| told(&e))?;
    Ok(checkpoint)
}

/// Whether more was published than the backup holds. What it holds must be the same history.
fn is_beyond(node: &Node, path: &Path, known: &Checkpoint, newest: &Checkpoint) -> Result<bool, Failure> {
    if known.origin.member != newest.origin.member {
        return Err(Failure::usage(format!(
            "{} is of log {}, the backup of {}: name the right one",
            path.display(),
            known.origin,
            newest.origin
        )));
    }
    if order(known) > order(newest) {
        return Ok(true);
    }
    let same = node.store.read(|read| {
        let log = row_of(&known.origin);
        let holds = tree::size(read, log)? >= known.size;
        Ok::<_, EngineError>(holds && tree::root_at(read, log, known.size)? == known.root)
    })?;
    if same {
        return Ok(false);
    }
    Err(Failure::not_found(format!(
        "{}: at size {} of {} the backup has another history than the one that was published. Nothing was restored; \
         keep both as evidence",
        path.display(),
        known.size,
        known.origin
    )))
}

/// Opens the log after the one that cannot go on: fresh keys, delegated by the root key, and the first entry
/// says how far the last log is known to have come.
fn next_log(node: &Node, args: &Restore, last: &Checkpoint, held: &Checkpoint) -> Result<Opened, Failure> {
    let root = key::root_key(node, args.root_key.as_deref()).map_err(|failure| {
        let why = format!(
            "log {} was published up to size {}, the backup holds {} of {}: going on would fork it, so the next log must be \
             opened, which takes the root key (name it with --root-key). {}. Nothing was restored",
            last.origin, last.size, held.size, held.origin, failure.message
        );
        Failure { exit: failure.exit, message: why }
    })?;
    let number = last.origin.log.checked_add(1).ok_or_else(|| Failure::internal("no log number is left"))?;
    let origin = Origin { member: last.origin.member, log: number };
    let protection = Protection::of_existing(&node.dir.key_path(NODE_SECRET))?;
    let log_key = new_log_key(&node.dir.key_path(&key::log_key_name(&origin)), &protection)?;
    let keys = Box::new(log_key.public_key().clone());
    let from = Reached { size: 0, root: EMPTY_ROOT };
    let saying = Saying::Delegation { origin, keys, from, continues: Some(*last) };
    let place = key::link(node);
    let body = key::sign(&saying, &place, &Authority::Root(&root), None)?;
    let lock = node.dir.hold_writing_alone()?;
    key::append_to(node, lock, origin, log_key, vec![(saying, place, body)])?;
    Ok(Opened { origin, size: 1, revoked: 0 })
}

fn tell(args: &Restore, manifest: &Manifest, opened: &Opened) {
    let to = args.data.dir.display();
    let (size, root) = manifest.newest().map_or((0, String::new()), |log| (log.size, hex(&log.root)));
    if args.json {
        say!(
            "{}",
            json!({
                "data": to.to_string(), "member": manifest.member.to_string(), "made": manifest.created.to_string(),
                "held_size": size, "held_root": root, "origin": opened.origin.to_string(), "size": opened.size,
                "tokens_revoked": opened.revoked,
            })
        );
        return;
    }
    say!("restored {to} as of {}: log {} of size {}", manifest.created, opened.origin, opened.size);
    if manifest.newest().is_some_and(|held| held.origin != opened.origin) {
        eprintln!(
            "the log before it was published further than the backup holds and is closed: what was added to it since is \
             not here, import it again"
        );
    }
    if args.keep_tokens {
        eprintln!(
            "the tokens of the backup are valid: revoke again what was revoked since, and let clients that had read \
             further begin anew without their cursors"
        );
    } else if opened.revoked > 0 {
        eprintln!(
            "{} tokens are revoked, as one that was revoked after the backup would work again: give out new ones \
             (--keep-tokens leaves them)",
            opened.revoked
        );
    }
    eprintln!(
        "what was withdrawn, narrowed or removed after {} is back as it was then: do it again before you serve",
        manifest.created
    );
    eprintln!("see to it that the lost node never runs again: two nodes with one log fork it");
}
