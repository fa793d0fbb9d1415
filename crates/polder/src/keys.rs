// SPDX-License-Identifier: Apache-2.0
//! Key files: base64 that its owner alone may read, or sealed under a passphrase. The passphrase comes from
//! a file or a prompt, never from the command line, which every process of the machine can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use trust::passphrase::{Cost, PassphraseError, SEALED_BYTES_MAX, Sealed, WrappingKey};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::node::random;

/// Longest passphrase.
const PASSPHRASE_BYTES_MAX: u64 = 1024;

/// The file that `--passphrase-file` or `POLDER_PASSPHRASE_FILE` names, once for the process.
static PASSPHRASE_FILE: OnceLock<PathBuf> = OnceLock::new();
/// The wrapping key that opened the last sealed file: the files of a node have one salt, and the slow step is
/// done once.
static WRAPPING: Mutex<Option<WrappingKey>> = Mutex::new(None);

/// Notes where the passphrase is, before anything reads a key.
pub fn passphrase_file(path: Option<&Path>) {
    if let Some(path) = path {
        // A second call in one process keeps the first.
        let _ = PASSPHRASE_FILE.set(path.to_owned());
    }
}

/// What a key is for: a sealed file opens for its own role only.
fn role(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split(['-', '.']).next().unwrap_or_default().to_owned()
}

/// Reads a secret. Refuses a file that others may read, and one that does not open.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_as(path, &role(path))
}

/// [`read`] for a file outside the directory, which may have any name.
pub fn read_as(path: &Path, role: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let text = read_private(path, SEALED_BYTES_MAX as u64)?;
    if !Sealed::recognises(&text) {
        let bytes = STANDARD.decode(text.trim());
        return bytes.map(Zeroizing::new).map_err(|_| damaged(path));
    }
    let told = |error: PassphraseError| match error {
        PassphraseError::Wrong => Failure::authentication(format!(
            "{}: the passphrase is wrong, or the file was changed; try again, or restore the file from a backup",
            path.display()
        )),
        error => Failure::machine(format!("{}: {error}; update polder, or restore the file", path.display())),
    };
    let sealed = Sealed::parse(&text).map_err(told)?;
    let mut wrapping = WRAPPING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = wrapping.as_ref().filter(|key| key.fits(&sealed)) {
        return key.open(&sealed, role).map_err(told);
    }
    let passphrase = passphrase(&format!("passphrase for {}", path.display()))?.ok_or_else(|| {
        Failure::authentication(format!(
            "{} is sealed under a passphrase and there is no terminal to ask for it; name a file that holds it with \
             --passphrase-file or POLDER_PASSPHRASE_FILE",
            path.display()
        ))
    })?;
    let key = WrappingKey::derive(passphrase.as_bytes(), sealed.salt, sealed.cost).map_err(told)?;
    let secret = key.open(&sealed, role).map_err(told)?;
    *wrapping = Some(key);
    Ok(secret)
}

fn damaged(path: &Path) -> Failure {
    Failure::machine(format!("{} does not hold a key; restore it from a backup", path.display()))
}

/// Text of a file that nobody else may read.
fn read_private(path: &Path, bytes_max: u64) -> Result<Zeroizing<String>, Failure> {
    read_closed(path, bytes_max, 0o077)
}

/// Text of a file of whose mode none of these bits may be set.
fn read_closed(path: &Path, bytes_max: u64, open: u32) -> Result<Zeroizing<String>, Failure> {
    let file = File::open(path).map_err(|e| Failure::io("read", path, &e))?;
    let mode = file.metadata().map_err(|e| Failure::io("read", path, &e))?.permissions().mode();
    if mode & open != 0 {
        return Err(Failure::machine(format!(
            "{} may be read by others; run `chmod 600 {}`",
            path.display(),
            path.display()
        )));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(bytes_max).read_to_string(&mut text).map_err(|e| match e.kind() {
        io::ErrorKind::InvalidData => damaged(path),
        _ => Failure::io("read", path, &e),
    })?;
    Ok(text)
}

/// The passphrase: from the file that was named, else from the terminal, else none.
fn passphrase(what: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    match PASSPHRASE_FILE.get() {
        Some(path) => from_file(path).map(Some),
        None => prompt(what),
    }
}

/// The first line of a file that others may not read. A group may: systemd hands a service its credentials
/// with mode 0440.
fn from_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = read_closed(path, PASSPHRASE_BYTES_MAX, 0o027)?;
    let line = Zeroizing::new(text.lines().next().unwrap_or_default().to_owned());
    if line.is_empty() {
        return Err(Failure::usage(format!("{} is empty; its first line is the passphrase", path.display())));
    }
    Ok(line)
}

/// Asks on the terminal, without echo; nothing when there is none.
fn prompt(what: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    let fault = |e: io::Error| Failure::machine(format!("cannot ask for the passphrase: {e}"));
    let before = tcgetattr(&stdin).map_err(|e| fault(e.into()))?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    eprint!("{what}: ");
    tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(|e| fault(e.into()))?;
    let mut line = Zeroizing::new(String::new());
    let read = stdin.lock().take(PASSPHRASE_BYTES_MAX).read_line(&mut line);
    tcsetattr(&stdin, OptionalActions::Flush, &before).map_err(|e| fault(e.into()))?;
    eprintln!();
    read.map_err(fault)?;
    Ok(Some(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned())))
}

/// How the keys of a directory are kept.
pub enum Protection {
    /// Readable by their owner.
    Plain,
    /// Sealed under a passphrase.
    Sealed(WrappingKey),
}

impl Protection {
    /// For a new directory: asks on a terminal, takes the file that was named, and otherwise warns.
    pub fn of_new() -> Result<Protection, Failure> {
        Protection::new_from(passphrase_twice()?)
    }

    fn new_from(passphrase: Option<Zeroizing<String>>) -> Result<Protection, Failure> {
        let Some(passphrase) = passphrase.filter(|p| !p.is_empty()) else { return Ok(Protection::Plain) };
        let key = WrappingKey::derive(passphrase.as_bytes(), random(), Cost::RECOMMENDED);
        Ok(Protection::Sealed(key.map_err(|e| Failure::internal(e.to_string()))?))
    }

    /// As the other keys of the directory are kept, so that a new one is no weaker than they.
    pub fn of_existing(example: &Path) -> Result<Protection, Failure> {
        let text = read_private(example, SEALED_BYTES_MAX as u64)?;
        if !Sealed::recognises(&text) {
            return Ok(Protection::Plain);
        }
        // Opening it proves the passphrase and leaves the wrapping key.
        read(example)?;
        let wrapping = WRAPPING.lock().unwrap_or_else(PoisonError::into_inner).take();
        wrapping.map(Protection::Sealed).ok_or_else(|| Failure::internal("the wrapping key was not kept"))
    }

    /// Writes a secret, readable by its owner alone; never over one that is there.
    pub fn write(&self, path: &Path, secret: &[u8]) -> Result<(), Failure> {
        let text = match self {
            Protection::Plain => Zeroizing::new(format!("{}\n", STANDARD.encode(secret))),
            Protection::Sealed(key) => {
                let sealed = key.seal(secret, &role(path), random());
                Zeroizing::new(sealed.map_err(|e| Failure::internal(e.to_string()))?.print())
            }
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| Failure::io("make", path, &e))?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|e| Failure::io("write", path, &e))?;
        sync_parent(path)
    }
}

/// The folder of a file: the current one for a name alone.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A name is durable when its directory is.
pub fn sync_parent(path: &Path) -> Result<(), Failure> {
    let parent = folder_of(path);
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(|e| Failure::io("sync", parent, &e))
}

/// A new passphrase; asked for twice on a terminal.
fn passphrase_twice() -> Result<Option<Zeroizing<String>>, Failure> {
    if PASSPHRASE_FILE.get().is_some() {
        return passphrase("");
    }
    let Some(first) = prompt("passphrase for the keys (empty: none)")? else { return Ok(None) };
    if first.is_empty() {
        return Ok(Some(first));
    }
    match prompt("again")? {
        Some(second) if *second == *first => Ok(Some(first)),
        _ => Err(Failure::usage("the two passphrases differ; nothing was made, run it again")),
    }
}

/// What becomes of the passphrase of a directory.
pub enum Change<'p> {
    /// From a file, or asked for.
    Set(Option<&'p Path>),
    /// None any more.
    Remove,
}

/// Writes all keys of a directory anew, under another passphrase or none, and puts them in place at once:
/// a crash leaves the old keys or the new ones, never some of each.
pub fn change_passphrase(keys: &Path, change: &Change<'_>) -> Result<(usize, bool), Failure> {
    let mut secrets = Vec::new();
    for path in files(keys)? {
        secrets.push((path.file_name().unwrap_or_default().to_owned(), read(&path)?));
    }
    let protection = match change {
        Change::Remove => Protection::Plain,
        Change::Set(Some(file)) => Protection::new_from(Some(from_file(file)?))?,
        Change::Set(None) => {
            let first = prompt("new passphrase")?;
            let Some(first) = first.filter(|p| !p.is_empty()) else {
                return Err(Failure::usage(
                    "there is no new passphrase; name a file that holds it with --new-passphrase-file, or take it away \
                     with --remove",
                ));
            };
            if prompt("again")?.is_none_or(|again| *again != *first) {
                return Err(Failure::usage("the two passphrases differ; nothing was changed, run it again"));
            }
            Protection::new_from(Some(first))?
        }
    };
    let fresh = keys.with_extension("new");
    let _ = fs::remove_dir_all(&fresh);
    fs::DirBuilder::new().mode(0o700).create(&fresh).map_err(|e| Failure::io("make", &fresh, &e))?;
    for (name, secret) in &secrets {
        protection.write(&fresh.join(name), secret)?;
    }
    rustix::fs::renameat_with(
        rustix::fs::CWD,
        &fresh,
        rustix::fs::CWD,
        keys,
        rustix::fs::RenameFlags::EXCHANGE,
    )
    .map_err(|e| Failure::io("exchange", keys, &e.into()))?;
    sync_parent(keys)?;
    // The old files are under `fresh` now.
    fs::remove_dir_all(&fresh).map_err(|e| Failure::io("remove the old keys in", &fresh, &e))?;
    Ok((secrets.len(), matches!(protection, Protection::Sealed(_))))
}

/// The key files of a directory, by name.
pub fn files(keys: &Path) -> Result<Vec<PathBuf>, Failure> {
    let fault = |e: io::Error| Failure::io("read", keys, &e);
    let mut files = Vec::new();
    for entry in fs::read_dir(keys).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.extension().is_some_and(|extension| extension == "key") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a key file is sealed under a passphrase.
pub fn is_sealed(path: &Path) -> Result<bool, Failure> {
    read_private(path, SEALED_BYTES_MAX as u64).map(|text| Sealed::recognises(&text))
}
