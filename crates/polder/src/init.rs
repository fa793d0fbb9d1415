// SPDX-License-Identifier: Apache-2.0
//! `polder init`: keys, database, root statement.

use std::fs;
use std::path::Path;

use ledger::append::{Outcome, Signer};
use ledger::checkpoint::Origin;
use ledger::draft::{Draft, Subject};
use ledger::entry::Salts;
use ledger::root::{NAME_BYTES_MAX, Root};
use model::head::Audience;
use model::id::MemberId;
use model::kind::Kind;
use model::marking::{Marking, Tlp};
use model::time::Timestamp;
use serde_json::json;
use store::{Store, SubmitError};
use trust::composite::PrivateKey;
use trust::log_key::{LOG_KEY_BYTES, LogKey};
use trust::member::fingerprint;
use trust::recovery::RecoveryKey;
use zeroize::Zeroizing;

use crate::cli::Init;
use crate::datadir::DataDir;
use crate::failure::{Exit, Failure};
use crate::keys::Protection;
use crate::node::{
    LOG_KEY, NODE_SECRET, RECOVERY_KEY, ROOT_KEY, circumstances, derived, now, random, schema,
};
use crate::out::say;

/// Runs the command.
pub fn run(args: &Init) -> Result<Exit, Failure> {
    check(&args.name, "name")?;
    check(&args.sector, "sector")?;
    let dir = DataDir::new(&args.data.dir);
    if [dir.database(), dir.address_path(), dir.key_path(ROOT_KEY)].iter().any(|path| path.exists()) {
        return Err(Failure::usage(format!(
            "{} holds a node already; choose another directory, or use the node that is there",
            dir.root().display()
        )));
    }
    let protection = Protection::of_new()?;
    let fresh = !dir.root().exists();
    dir.make()?;
    let made = make(args, &dir, &protection);
    if made.is_err() {
        // Nothing half made stays behind, but what was there before does.
        let _ = if fresh { fs::remove_dir_all(dir.root()) } else { clear(&dir) };
    }
    let member = made?;
    if matches!(protection, Protection::Plain) {
        eprintln!(
            "warning: the keys in {} are readable by whoever reads the files; `polder key passphrase` seals them",
            dir.keys().display()
        );
    }
    if args.json {
        say!("{}", json!({ "member": member.to_string(), "data": dir.root().display().to_string() }));
    } else {
        say!("member {member}");
        eprintln!(
            "{} is ready in {}. Others know you by this id: tell it to them by another way than this network.",
            args.name,
            dir.root().display()
        );
        let (root, recovery) = (dir.key_path(ROOT_KEY), dir.key_path(RECOVERY_KEY));
        eprintln!("Keep {} offline: whoever has it is you.", root.display());
        eprintln!("Move {} to another place: it takes over when the root key is lost.", recovery.display());
    }
    Ok(Exit::Done)
}

/// Whether a text can stand in a root statement.
pub fn check(text: &str, what: &str) -> Result<(), Failure> {
    let fits = (1..=NAME_BYTES_MAX).contains(&text.trim().len()) && !text.chars().any(char::is_control);
    if fits {
        Ok(())
    } else {
        Err(Failure::usage(format!("--{what} takes 1 to {NAME_BYTES_MAX} bytes of text")))
    }
}

fn clear(dir: &DataDir) -> std::io::Result<()> {
    for name in [ROOT_KEY, LOG_KEY, NODE_SECRET, RECOVERY_KEY] {
        let _ = fs::remove_file(dir.key_path(name));
    }
    let _ = fs::remove_file(dir.address_path());
    let database = dir.database();
    for suffix in ["", "-wal", "-shm"] {
        let mut path = database.clone().into_os_string();
        path.push(suffix);
        let _ = fs::remove_file(path);
    }
    Ok(())
}

fn make(args: &Init, dir: &DataDir, protection: &Protection) -> Result<MemberId, Failure> {
    // Before any key is made: most that can be wrong is wrong here.
    let store = match &args.postgres {
        Some(file) => Store::create(dir.keep_address(file)?, schema())?,
        None => Store::create(&dir.database(), schema())?,
    };
    let root_bytes = Zeroizing::new(random::<64>());
    protection.write(&dir.key_path(ROOT_KEY), &*root_bytes)?;
    let root_key = PrivateKey::from_bytes(&root_bytes);
    let log_key = new_log_key(&dir.key_path(LOG_KEY), protection)?;
    let recovery = RecoveryKey::generate(&Zeroizing::new(random()));
    protection.write(&dir.key_path(RECOVERY_KEY), &*recovery.to_bytes())?;
    let secret = Zeroizing::new(random::<32>());
    protection.write(&dir.key_path(NODE_SECRET), &*secret)?;
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
        log_keys: log_key.public_key().clone(),
        recovery: Some(recovery.public_key().hash()),
    };
    let body = root.sign(&root_key, random());
    let draft = statement(member, Kind::MEMBER_ROOT, body, created)?;
    let tombstone_key = derived(&secret, "tombstones");
    let signer = Signer { origin: root.origin, key: log_key, tombstone_key: *tombstone_key };
    let writer = store.writer(signer, Some(dir.side_file()), circumstances)?;
    let outcome: Result<Vec<Outcome>, SubmitError> = writer.submit(vec![draft]).wait();
    match outcome?.as_slice() {
        [Outcome::Added { seq: 1, .. }] => Ok(member),
        _ => {
            Err(Failure::machine("another `polder init` made a node in the database meanwhile; use that one"))
        }
    }
}

/// A statement of a member about itself and its keys: what it tells everybody.
pub fn statement(member: MemberId, kind: Kind, body: Vec<u8>, created: Timestamp) -> Result<Draft, Failure> {
    let subject = Subject::document(format!("x-polder-member--{member}"), created);
    let (audience, marking) = (Audience::Organisation(member), Marking::tlp(Tlp::Clear));
    Ok(Draft::new(kind, subject, body, member, audience, marking, salts()?))
}

/// New keys for a log: fresh bytes, used for nothing else.
pub fn new_log_key(path: &Path, protection: &Protection) -> Result<LogKey, Failure> {
    let bytes = Zeroizing::new(random::<LOG_KEY_BYTES>());
    protection.write(path, &*bytes)?;
    LogKey::from_bytes(&*bytes).map_err(|e| Failure::internal(e.to_string()))
}

/// Salts for one record.
pub fn salts() -> Result<Salts, Failure> {
    Salts::from_bytes(&random::<48>()).ok_or_else(|| Failure::internal("48 bytes make salts"))
}
