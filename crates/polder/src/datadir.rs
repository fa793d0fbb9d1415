// SPDX-License-Identifier: Apache-2.0
//! The data directory: what lies where, and who holds it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use store::Location;
use store::postgresql::Address;
use store::published::SideFile;
use trust::log_key::LogKey;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::keys;

/// Longest connection string that is read.
const ADDRESS_BYTES_MAX: u64 = 16 * 1024;

/// Longer than it takes to look whether a directory is served, and how often that is waited.
const GLANCE: Duration = Duration::from_millis(10);
const GLANCES_MAX: usize = 10;

/// A node's directory.
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
}

/// A lock that is held as long as this lives; the system lets go of it when the process ends.
#[derive(Debug)]
pub struct Held {
    _file: File,
}

impl DataDir {
    /// A directory, there or not.
    pub fn new(root: &Path) -> DataDir {
        DataDir { root: root.to_owned() }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.root.join("polder.db")
    }

    /// The file with the connection string of a node whose database is on a server.
    pub fn address_path(&self) -> PathBuf {
        self.root.join("postgres")
    }

    /// Where the database is.
    pub fn location(&self) -> Result<Location, Failure> {
        let path = self.address_path();
        if !path.exists() {
            return Ok(Location::File(self.database()));
        }
        address(&secret(&path, ADDRESS_BYTES_MAX)?, &path).map(Location::from)
    }

    /// Keeps a copy of the connection string, readable by the owner alone: it may hold a password.
    pub fn keep_address(&self, from: &Path) -> Result<Address, Failure> {
        let text = secret(from, ADDRESS_BYTES_MAX)?;
        let address = address(&text, from)?;
        write_secret(&self.address_path(), &text)?;
        Ok(address)
    }

    /// The side file that keeps the log from forking.
    pub fn side_file(&self) -> SideFile {
        SideFile::new(self.root.join("published"))
    }

    /// Makes the directory, readable by its owner alone.
    pub fn make(&self) -> Result<(), Failure> {
        let keys = self.root.join("keys");
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&keys);
        made.map_err(|e| Failure::io("make", &keys, &e))?;
        // They may have been there before, open to others.
        for path in [&self.root, &keys] {
            let closed = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
            closed.map_err(|e| Failure::io("close to others", path, &e))?;
        }
        Ok(())
    }

    /// Path of a key file.
    pub fn key_path(&self, name: &str) -> PathBuf {
        self.root.join("keys").join(name)
    }

    /// The folder of the keys.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// Reads a secret of `N` bytes. Refuses a file that others may read.
    pub fn read_key<const N: usize>(&self, name: &str) -> Result<Zeroizing<[u8; N]>, Failure> {
        let path = self.key_path(name);
        let key: Option<[u8; N]> = keys::read(&path)?.as_slice().try_into().ok();
        key.map(Zeroizing::new).ok_or_else(|| {
            Failure::machine(format!(
                "{} does not hold a key of {N} bytes; restore it from a backup",
                path.display()
            ))
        })
    }

    /// Reads the keys of a log.
    pub fn read_log_key(&self, name: &str) -> Result<LogKey, Failure> {
        let path = self.key_path(name);
        LogKey::from_bytes(&keys::read(&path)?).map_err(|error| {
            Failure::machine(format!("{}: {error}; restore it from a backup", path.display()))
        })
    }

    /// Holds the right to write records for as long as the answer lives. Processes share it: `serve` writes
    /// beside an import, batch by batch in turn. Whoever must be alone takes the lock for himself.
    pub fn hold_writing(&self) -> Result<Held, Failure> {
        let (mut file, path) = self.lock_file("write.lock")?;
        let what = "is being written by another polder that must be alone";
        self.held(
            file.try_lock_shared(),
            &mut file,
            &path,
            what,
            "wait until it has ended, then run this again",
        )?;
        Ok(Held { _file: file })
    }

    /// Holds the right to write alone: nobody else writes meanwhile, whatever program it is.
    pub fn hold_writing_alone(&self) -> Result<Held, Failure> {
        let (mut file, path) = self.lock_file("write.lock")?;
        let what = "is being written by another polder";
        let advice = "wait until it has ended, or stop it, then run this again";
        self.held(file.try_lock(), &mut file, &path, what, advice)?;
        Ok(Held { _file: file })
    }

    /// Holds the right to serve this directory.
    pub fn hold_serving(&self) -> Result<Held, Failure> {
        let (mut file, path) = self.lock_file("serve.lock")?;
        let what = "is being served by another polder";
        let mut locked = file.try_lock();
        for _ in 0..GLANCES_MAX {
            // Somebody may be looking, for a moment, whether it is served.
            if !matches!(locked, Err(TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(GLANCE);
            locked = file.try_lock();
        }
        self.held(locked, &mut file, &path, what, "stop it first, or serve another directory")?;
        let text = format!("{}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(|e| Failure::io("write", &path, &e))?;
        Ok(Held { _file: file })
    }

    /// Whether somebody serves this directory right now.
    pub fn is_served(&self) -> bool {
        let lock = File::open(self.root.join("serve.lock"));
        lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    fn lock_file(&self, name: &str) -> Result<(File, PathBuf), Failure> {
        let path = self.root.join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|e| Failure::io("open", &path, &e))?;
        Ok((file, path))
    }

    fn held(
        &self,
        locked: Result<(), TryLockError>,
        file: &mut File,
        path: &Path,
        what: &str,
        advice: &str,
    ) -> Result<(), Failure> {
        match locked {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only to name the process: an empty or odd file names none.
                let _ = file.read_to_string(&mut holder);
                let holder = holder.trim();
                let process = if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
                Err(Failure::machine(format!("{} {what}{process}; {advice}", self.root.display())))
            }
            Err(TryLockError::Error(error)) => Err(Failure::io("lock", path, &error)),
        }
    }
}

fn address(text: &str, path: &Path) -> Result<Address, Failure> {
    Address::parse(text).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))
}

fn write_secret(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| Failure::io("make", path, &e))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| Failure::io("write", path, &e))
}

/// Reads a file that its owner alone may read.
fn secret(path: &Path, bytes_max: u64) -> Result<Zeroizing<String>, Failure> {
    let file = File::open(path).map_err(|e| Failure::io("read", path, &e))?;
    let mode = file.metadata().map_err(|e| Failure::io("read", path, &e))?.permissions().mode();
    if mode & 0o077 != 0 {
        let path = path.display();
        return Err(Failure::machine(format!("{path} may be read by others; run `chmod 600 {path}`")));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(bytes_max).read_to_string(&mut text).map_err(|e| Failure::io("read", path, &e))?;
    Ok(text)
}
