// SPDX-License-Identifier: Apache-2.0
//! `polder init`: keys, database, root statement.

use std::fs;

use ledger::append::Signer;
use ledger::checkpoint::Origin;
use ledger::draft::{Draft, Subject};
use ledger::entry::Salts;
use ledger::root::{NAME_BYTES_MAX, Root};
use model::head::Audience;
use model::id::MemberId;
use model::kind::Kind;
use model::marking::{Marking, Tlp};
use serde_json::json;
use store::{Store, SubmitError};
use trust::composite::PrivateKey;
use trust::member::fingerprint;
use zeroize::Zeroizing;

use crate::cli::Init;
use crate::datadir::DataDir;
use crate::failure::{Exit, Failure};
use crate::node::{LOG_KEY, NODE_SECRET, ROOT_KEY, circumstances, derived, now, random, schema};
use crate::out::say;

/// Runs the command.
pub fn run(args: &Init) -> Result<Exit, Failure> {
    check(&args.name, "name")?;
    check(&args.sector, "sector")?;
    let dir = DataDir::new(&args.data.dir);
    if dir.database().exists() || dir.key_path(ROOT_KEY).exists() {
        return Err(Failure::usage(format!(
            "{} holds a node already; choose another directory, or use the node that is there",
            dir.root().display()
        )));
    }
    let fresh = !dir.root().exists();
    dir.make()?;
    let made = make(args, &dir);
    if made.is_err() {
        // Nothing half made stays behind, but what was there before does.
        let _ = if fresh { fs::remove_dir_all(dir.root()) } else { clear(&dir) };
    }
    let member = made?;
    if args.json {
        say!("{}", json!({ "member": member.to_string(), "data": dir.root().display().to_string() }));
    } else {
        say!("member {member}");
        eprintln!(
            "{} is ready in {}. Others know you by this id: tell it to them by another way than this network.",
            args.name,
            dir.root().display()
        );
        eprintln!("Keep {} offline: whoever has it is you.", dir.key_path(ROOT_KEY).display());
    }
    Ok(Exit::Done)
}

fn check(text: &str, what: &str) -> Result<(), Failure> {
    let fits = (1..=NAME_BYTES_MAX).contains(&text.trim().len()) && !text.chars().any(char::is_control);
    if fits {
        Ok(())
    } else {
        Err(Failure::usage(format!("--{what} takes 1 to {NAME_BYTES_MAX} bytes of text")))
    }
}

fn clear(dir: &DataDir) -> std::io::Result<()> {
    for name in [ROOT_KEY, LOG_KEY, NODE_SECRET] {
        let _ = fs::remove_file(dir.key_path(name));
    }
    let database = dir.database();
    for suffix in ["", "-wal", "-shm"] {
        let mut path = database.clone().into_os_string();
        path.push(suffix);
        let _ = fs::remove_file(path);
    }
    Ok(())
}

fn make(args: &Init, dir: &DataDir) -> Result<MemberId, Failure> {
    let root_key = key(dir, ROOT_KEY)?;
    let log_key = key(dir, LOG_KEY)?;
    let secret = Zeroizing::new(random::<32>());
    dir.write_key(NODE_SECRET, &*secret)?;
    let member = MemberId(fingerprint(root_key.public_key()));
    let created = now();
    let root = Root {
        member,
        name: args.name.trim().to_owned(),
        country: args.country.clone(),
        sector: args.sector.trim().to_owned(),
        created,
        root_key: root_key.public_key().clone(),
        origin: Origin { member: member.0, log: 1 },
        log_key: log_key.public_key().clone(),
    };
    let body = root.sign(&root_key, random());
    let subject = Subject::document(format!("x-polder-member--{member}"), created);
    let salts = salts()?;
    // What a member says of itself is what it tells everybody.
    let marking = Marking::tlp(Tlp::Clear);
    let draft =
        Draft::new(Kind::MEMBER_ROOT, subject, body, member, Audience::Organisation(member), marking, salts);
    let store = Store::create(&dir.database(), schema())?;
    let tombstone_key = derived(&secret, "tombstones");
    let signer = Signer { origin: root.origin, key: log_key, tombstone_key: *tombstone_key };
    let writer = store.writer(signer, Some(dir.side_file()), circumstances)?;
    let outcome: Result<_, SubmitError> = writer.submit(vec![draft]).wait();
    outcome?;
    Ok(member)
}

/// A new composite key: fresh bytes, used for one purpose only.
fn key(dir: &DataDir, name: &str) -> Result<PrivateKey, Failure> {
    let bytes = Zeroizing::new(random::<64>());
    dir.write_key(name, &*bytes)?;
    Ok(PrivateKey::from_bytes(&bytes))
}

/// Salts for one record.
pub fn salts() -> Result<Salts, Failure> {
    Salts::from_bytes(&random::<48>()).ok_or_else(|| Failure::internal("48 bytes make salts"))
}
