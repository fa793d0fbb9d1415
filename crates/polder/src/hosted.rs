// SPDX-License-Identifier: Apache-2.0
//! `polder hosted` on the machine of a member that another hosts: its keys never leave it. What it says
//! goes to the host as files, by whatever way.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use exchange::intake::{Intake, Survey};
use exchange::recall::OwnRecords;
use ledger::checkpoint::Origin;
use ledger::draft::Draft;
use ledger::recall::{Act, EntryPlace, REASON_BYTES_MAX};
use ledger::root::Root;
use ledger::root::chain::Identity;
use ledger::root::said::Said;
use ledger::root::statement::{Authority, Link, Revoked, Saying};
use ledger::signed::{AuthorSignature, Drafts, SIGNED_DRAFTS_MAX, SignedDraft};
use model::diagnostic::Diagnostic;
use model::head::{Audience, Head};
use model::id::{CommunityId, MemberId};
use model::kind::Kind;
use model::marking::Marking;
use model::stix::{DRAFTS_MEMBER, Definitions, Item, Splitter};
use model::time::Timestamp;
use serde_json::{Value, json};
use trust::composite::PrivateKey;
use trust::member::fingerprint;
use trust::recovery::RecoveryKey;
use zeroize::Zeroizing;

use crate::cli::{HostedCommand, HostedInit, HostedRecall, HostedSign, Recipients};
use crate::datadir::DataDir;
use crate::failure::{Exit, Failure};
use crate::hosting::{self, read_said};
use crate::init::{check, salts};
use crate::input::{Input, read_small};
use crate::keys::{self, Protection};
use crate::node::{RECOVERY_KEY, ROOT_KEY, fill_random, named_recipients, now, random};
use crate::out::say;

/// What the member said of itself: the file that the host takes.
const STATEMENTS: &str = "statements.json";
/// What the host said of itself.
const HOST: &str = "host.json";
/// New keys, until the statement that names them is written.
const NEXT_ROOT_KEY: &str = "root-next.key";
const NEXT_RECOVERY_KEY: &str = "recovery-next.key";
/// Largest list of entries that is read.
const ENTRIES_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Runs the command.
pub fn run(command: &HostedCommand) -> Result<Exit, Failure> {
    match command {
        HostedCommand::Init(args) => init(args),
        HostedCommand::Sign(args) => sign(args),
        HostedCommand::Recall(args) => recall(args),
        HostedCommand::Rotate { dir, recovery_key } => rotate(dir, recovery_key.as_deref()),
        HostedCommand::Revoke { dir, recovery_key } => revoke(dir, recovery_key.as_deref()),
        HostedCommand::Seal { dir, new_passphrase_file, remove } => {
            // Only a directory that `hosted init` made: a node's keys must not change hands while it writes.
            let firm = Firm::open(dir)?;
            crate::key::change_passphrase(&firm.dir, new_passphrase_file.as_deref(), *remove)
        }
        HostedCommand::Accept { data, file, json } => hosting::accept(data, file, *json),
        HostedCommand::List { data, json } => hosting::list(data, *json),
        HostedCommand::End { data, member } => hosting::end(data, member),
        HostedCommand::Entries { data, member } => hosting::entries(data, member),
    }
}

/// The newest log of a host.
fn newest_log(host: &Identity) -> Option<Origin> {
    host.logs().iter().map(|log| log.origin).max_by_key(|origin| origin.log)
}

fn init(args: &HostedInit) -> Result<Exit, Failure> {
    check(&args.name, "name")?;
    check(&args.sector, "sector")?;
    let dir = DataDir::new(&args.dir);
    if [dir.database(), dir.root().join(STATEMENTS), dir.key_path(ROOT_KEY)].iter().any(|p| p.exists()) {
        return Err(Failure::usage(format!(
            "{} holds keys already; choose another directory",
            dir.root().display()
        )));
    }
    let host_said = read_said(&args.host)?;
    let host = host_said.verify().map_err(|e| Failure::not_found(format!("{}: {e}", args.host.display())))?;
    if let Some(expected) = &args.host_member {
        let expected = MemberId::parse(expected).map_err(|e| Failure::usage(e.to_string()))?;
        if expected != host.member() {
            return Err(Failure::not_found(format!(
                "{} is of member {}, not of {expected}",
                args.host.display(),
                host.member()
            )));
        }
    }
    let log = newest_log(&host).and_then(|origin| host.current(&origin));
    let log = log.ok_or_else(|| Failure::usage("the host has no log"))?;
    let protection = Protection::of_new()?;
    let fresh = !dir.root().exists();
    dir.make()?;
    let make = || -> Result<MemberId, Failure> {
        let root_bytes = Zeroizing::new(random::<64>());
        protection.write(&dir.key_path(ROOT_KEY), &*root_bytes)?;
        let root_key = PrivateKey::from_bytes(&root_bytes);
        let recovery = RecoveryKey::generate(&Zeroizing::new(random()));
        protection.write(&dir.key_path(RECOVERY_KEY), &*recovery.to_bytes())?;
        let root = Root {
            member: MemberId(fingerprint(root_key.public_key())),
            name: args.name.trim().to_owned(),
            country: args.country.clone(),
            sector: args.sector.trim().to_owned(),
            created: now(),
            root_key: root_key.public_key().clone(),
            origin: log.origin,
            log_keys: log.keys.clone(),
            recovery: Some(recovery.public_key().hash()),
        };
        let said = Said { root: root.sign(&root_key, random()), statements: Vec::new() };
        put(&dir, HOST, &host_said.print())?;
        put(&dir, STATEMENTS, &said.print())?;
        Ok(root.member)
    };
    let made = make();
    if made.is_err() && fresh {
        // Nothing half made stays behind.
        let _ = fs::remove_dir_all(dir.root());
    }
    let member = made?;
    if matches!(protection, Protection::Plain) {
        eprintln!("warning: the keys in {} are readable by whoever reads the files", dir.keys().display());
    }
    if args.json {
        say!("{}", json!({ "member": member.to_string(), "host": host.member().to_string() }));
    } else {
        say!("member {member}");
        let statements = dir.root().join(STATEMENTS);
        eprintln!(
            "Send {} to {}, and tell them this id by another way.",
            statements.display(),
            host.root.name
        );
        let recovery = dir.key_path(RECOVERY_KEY);
        eprintln!("Move {} to another place: it takes over when the root key is lost.", recovery.display());
    }
    Ok(Exit::Done)
}

/// Writes a file of the directory, whole or not at all.
fn put(dir: &DataDir, name: &str, text: &str) -> Result<(), Failure> {
    let path = dir.root().join(name);
    let written = tempfile::NamedTempFile::new_in(dir.root()).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|e| e.error)
    });
    written.map_err(|e| Failure::io("write", &path, &e))?;
    keys::sync_parent(&path)
}

/// A member on its own machine.
struct Firm {
    dir: DataDir,
    said: Said,
    identity: Identity,
    log: Origin,
}

impl Firm {
    fn open(root: &Path) -> Result<Firm, Failure> {
        let dir = DataDir::new(root);
        let said = read_said(&root.join(STATEMENTS))?;
        let host = read_said(&root.join(HOST))?;
        let damaged = |name: &str, e: &dyn std::fmt::Display| {
            Failure::machine(format!("{}: {e}; restore the file", root.join(name).display()))
        };
        let identity = said.verify().map_err(|e| damaged(STATEMENTS, &e))?;
        let host = host.verify().map_err(|e| damaged(HOST, &e))?;
        if !identity.is_hosted_by(&host) {
            return Err(damaged(HOST, &"it is of another host than the one that this member named"));
        }
        let log = newest_log(&host).ok_or_else(|| damaged(HOST, &"the host has no log"))?;
        Ok(Firm { dir, said, identity, log })
    }

    fn root_key(&self) -> Result<PrivateKey, Failure> {
        let current = self.identity.root_key().ok_or_else(|| {
            Failure::usage(
                "the root key was revoked; name another with `polder hosted rotate --recovery-key`",
            )
        })?;
        // The new one of a rotation whose last step a crash prevented comes second.
        for name in [ROOT_KEY, NEXT_ROOT_KEY] {
            let path = self.dir.key_path(name);
            if name == NEXT_ROOT_KEY && !path.exists() {
                continue;
            }
            let bytes = keys::read_as(&path, "root")?;
            let bytes: Option<&[u8; 64]> = bytes.as_slice().try_into().ok();
            let key = bytes.map(PrivateKey::from_bytes);
            if let Some(key) = key.filter(|key| key.public_key() == current) {
                return Ok(key);
            }
        }
        let path = self.dir.key_path(ROOT_KEY);
        Err(Failure::usage(format!(
            "{} is not the root key of this member; restore the right one",
            path.display()
        )))
    }

    fn recovery_key(&self, path: &Path) -> Result<RecoveryKey, Failure> {
        let key = RecoveryKey::from_bytes(&keys::read_as(path, "recovery")?).ok();
        let right = |key: &RecoveryKey| Some(key.public_key().hash()) == self.identity.recovery();
        key.filter(right).ok_or_else(|| {
            Failure::usage(format!("{} is not the recovery key of this member", path.display()))
        })
    }

    /// Times of a member go on from what it said last.
    fn now(&self) -> Timestamp {
        now().max(Timestamp::from_micros(self.identity.time().micros() + 1))
    }

    fn link(&self) -> Link {
        Link { member: self.identity.member(), previous: self.identity.head(), created: self.now() }
    }

    /// Signs with the recovery key where it is named, and keeps the statement.
    fn say(
        &mut self,
        saying: &Saying,
        recovery: Option<&RecoveryKey>,
        new: Option<&PrivateKey>,
    ) -> Result<(), Failure> {
        let body = match recovery {
            Some(key) => crate::key::sign(saying, &self.link(), &Authority::Recovery(key), new)?,
            None => crate::key::sign(saying, &self.link(), &Authority::Root(&self.root_key()?), new)?,
        };
        self.identity.extend(&body).map_err(|e| Failure::internal(e.to_string()))?;
        self.said.statements.push(body);
        put(&self.dir, STATEMENTS, &self.said.print())?;
        let path = self.dir.root().join(STATEMENTS);
        eprintln!("Send {} to the host: until it has taken it there, the old word counts.", path.display());
        Ok(())
    }

    /// Writes objects with what was signed of them.
    fn print(&self, signed: Timestamp, all: Vec<(Draft, AuthorSignature)>) -> Result<(), Failure> {
        let mut objects = Vec::new();
        let mut drafts = Vec::new();
        for (draft, signature) in all {
            drafts.push(SignedDraft::of(&draft, signature));
            objects.push(draft.body);
        }
        let drafts = Drafts { author: self.identity.member(), log: self.log, signed, drafts };
        let mut out = std::io::stdout().lock();
        let mut write = || {
            write!(out, "{{\"{DRAFTS_MEMBER}\":{},\"objects\":[", drafts.print())?;
            for (nth, object) in objects.iter().enumerate() {
                out.write_all(if nth == 0 { b"" } else { b"," })?;
                out.write_all(object)?;
            }
            out.write_all(b"]}\n")?;
            out.flush()
        };
        write().map_err(|e| Failure::machine(format!("cannot write to stdout: {e}")))
    }
}

fn audience(own: MemberId, chosen: &Recipients) -> Result<Audience, Failure> {
    if let Some(audience) = named_recipients(chosen)? {
        return Ok(audience);
    }
    let Some(text) = &chosen.community else { return Ok(Audience::Organisation(own)) };
    let id = uuid::Uuid::try_parse(text).map(CommunityId);
    id.map(Audience::Community).map_err(|_| Failure::usage(format!("`{text}` is not a community's id")))
}

/// Objects are marked as the host will find them marked: it takes none that says more of itself.
fn sign(args: &HostedSign) -> Result<Exit, Failure> {
    let firm = Firm::open(&args.dir)?;
    let (key, signed) = (firm.root_key()?, firm.now());
    let audience = audience(firm.identity.member(), &args.recipients)?;
    let envelope = args.tlp.map_or(Marking::NONE, Marking::tlp);
    let mut input = Input::open(&args.file, firm.dir.root())?;
    let place = input.name.clone();
    let mut faults = 0;
    let mut tell = |diagnostic: Diagnostic| eprintln!("{place}: {diagnostic}");
    let survey = Survey::of(input.reader()?, &place, Definitions::default(), envelope, &mut tell);
    let intake = Intake { author: firm.identity.member(), audience: &audience, envelope, survey: &survey };
    let mut splitter = Splitter::new(input.reader()?);
    let (mut all, mut unmarked) = (Vec::new(), 0);
    loop {
        match splitter.next_item() {
            Ok(None) => break,
            Ok(Some(Item::Object(bytes))) => {
                let Some((object, marking)) = intake.object(&bytes, splitter.objects(), &mut tell) else {
                    faults += 1;
                    continue;
                };
                if all.len() == SIGNED_DRAFTS_MAX {
                    return Err(Failure::usage(format!(
                        "{}: more than {SIGNED_DRAFTS_MAX} objects; sign it in parts",
                        input.name
                    )));
                }
                unmarked += usize::from(marking.tlp.is_none());
                let draft = intake.draft(object, marking, bytes, salts()?);
                let draft = Draft { widens: args.widen, ..draft };
                let signature = AuthorSignature::make(&key, &draft, &firm.log, signed, random());
                all.push((draft, signature));
            }
            Ok(Some(Item::Bad { diagnostic, .. })) => {
                faults += 1;
                tell(diagnostic);
            }
            Ok(Some(Item::Drafts(_) | Item::Markings(_))) => {}
            Err(error) => return Err(Failure::io("read", &args.file, &error)),
        }
    }
    if all.is_empty() {
        return Err(Failure::not_found(format!("{}: there is nothing to sign", input.name)));
    }
    if unmarked > 0 && audience != Audience::Organisation(firm.identity.member()) {
        eprintln!("warning: {unmarked} objects carry no TLP: they stay in the own organisation; give --tlp");
    }
    eprintln!("signed {} objects for {audience} in log {}", all.len(), firm.log);
    firm.print(signed, all)?;
    Ok(if faults > 0 { Exit::Partial } else { Exit::Done })
}

fn recall(args: &HostedRecall) -> Result<Exit, Failure> {
    if args.reason.len() > REASON_BYTES_MAX || args.reason.contains(char::is_control) {
        return Err(Failure::usage(format!(
            "--reason takes at most {REASON_BYTES_MAX} bytes without control characters"
        )));
    }
    let firm = Firm::open(&args.dir)?;
    let (key, signed, member) = (firm.root_key()?, firm.now(), firm.identity.member());
    let text = read_small(&args.entries, ENTRIES_BYTES_MAX)?;
    let mut records = Vec::new();
    for (nth, line) in text.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let entry = entry(line, member).ok_or_else(|| {
            Failure::usage(format!(
                "{}, line {}: not as `polder hosted entries` writes it",
                args.entries.display(),
                nth + 1
            ))
        })?;
        if entry.0 == args.id {
            records.push((entry.1, entry.2));
        }
    }
    if records.is_empty() {
        return Err(Failure::not_found(format!("{} names no record of {}", args.entries.display(), args.id)));
    }
    let act = match args.act.narrow {
        None => Act::Withdraw,
        Some(tlp) => {
            let audience = args.own_only.then_some(Audience::Organisation(member));
            Act::Narrow { marking: Marking::tlp(tlp), audience }
        }
    };
    let own = OwnRecords::named(member, records);
    let drafts = own.recall(&act, &args.reason, signed, &mut |bytes| fill_random(bytes));
    let sign = |draft: Draft| {
        let signature = AuthorSignature::make(&key, &draft, &firm.log, signed, random());
        (draft, signature)
    };
    firm.print(signed, drafts.into_iter().map(sign).collect())?;
    eprintln!("signed a recall of {} in {} records; send it to the host", args.id, own.count());
    Ok(Exit::Done)
}

/// Id, place and head of an entry as the host lists it.
fn entry(line: &[u8], author: MemberId) -> Option<(String, EntryPlace, Head)> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let place = EntryPlace { origin: text("log")?.parse().ok()?, index: value.get("index")?.as_u64()? };
    let (marking, audience) = (Marking::parse(text("marking")?)?, Audience::parse(text("audience")?)?);
    Some((text("id")?.to_owned(), place, Head { author, kind: Kind::STIX_21, marking, audience }))
}

fn rotate(dir: &Path, recovery: Option<&Path>) -> Result<Exit, Failure> {
    let mut firm = Firm::open(dir)?;
    let by = recovery.map(|path| firm.recovery_key(path)).transpose()?;
    let protection = Protection::of_existing(&firm.dir.key_path(ROOT_KEY))?;
    let [next, next_recovery] = [NEXT_ROOT_KEY, NEXT_RECOVERY_KEY].map(|name| firm.dir.key_path(name));
    if next.exists() && by.is_none() {
        // Left by a crash: it counts if the statement was written.
        let current = firm.root_key()?;
        let _ = if keys::read_as(&next, "root")?.as_slice() == current.as_bytes() {
            fs::rename(&next, firm.dir.key_path(ROOT_KEY))
        } else {
            fs::remove_file(&next)
        };
    }
    for path in [&next, &next_recovery] {
        let _ = fs::remove_file(path);
    }
    let bytes = Zeroizing::new(random::<64>());
    protection.write(&next, &*bytes)?;
    let new = PrivateKey::from_bytes(&bytes);
    // A recovery key was shown when it was used: the next time another is needed.
    let fresh = by.is_some().then(|| RecoveryKey::generate(&Zeroizing::new(random())));
    if let Some(fresh) = &fresh {
        protection.write(&next_recovery, &*fresh.to_bytes())?;
    }
    let hash = fresh.as_ref().map(|key| key.public_key().hash());
    let saying = Saying::Rotation { public_key: new.public_key().clone(), recovery: hash };
    firm.say(&saying, by.as_ref(), Some(&new))?;
    let put = |from: &Path, name: &str| {
        let to = firm.dir.key_path(name);
        fs::rename(from, &to).map_err(|e| Failure::io("make", &to, &e))?;
        keys::sync_parent(&to)
    };
    put(&next, ROOT_KEY)?;
    if fresh.is_some() {
        put(&next_recovery, RECOVERY_KEY)?;
        eprintln!("Move {} to another place.", firm.dir.key_path(RECOVERY_KEY).display());
    }
    say!("member {} has a new root key", firm.identity.member());
    Ok(Exit::Done)
}

fn revoke(dir: &Path, recovery: Option<&Path>) -> Result<Exit, Failure> {
    let mut firm = Firm::open(dir)?;
    let by = recovery.map(|path| firm.recovery_key(path)).transpose()?;
    let saying = Saying::Revocation { key: Revoked::Root, effective: firm.now() };
    firm.say(&saying, by.as_ref(), None)?;
    say!("the root key of member {} is revoked", firm.identity.member());
    Ok(Exit::Done)
}
