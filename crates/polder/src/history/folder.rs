// SPDX-License-Identifier: Apache-2.0
//! The folder of runs in a data directory.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hunt::history::{ASIDE, NewRun, RunFile, RunFolder};
use model::id::hex;

use crate::failure::Failure;
use crate::keys;
use crate::node::{Node, random};

/// Name of the folder in a data directory.
const FOLDER: &str = "history";
/// The file that says which folder it is.
const ID: &str = "folder";
/// The file that all who use the folder hold.
const LOCK: &str = "lock";
/// How the name of a run begins that has no name yet.
const NEW: &str = "new-";
const BUFFER_BYTES: usize = 1 << 20;

/// A folder of runs on disk.
#[derive(Debug)]
pub struct FileFolder {
    root: PathBuf,
    id: String,
    fresh: AtomicU64,
}

/// The right to read and write runs, as long as this lives: nobody removes any meanwhile.
#[derive(Debug)]
pub struct InUse {
    file: File,
}

impl FileFolder {
    /// Opens the folder of a node; makes it where it is missing.
    ///
    /// Where several directories share a database, a folder that was copied is refused: the database would take
    /// two for one, and each would miss what the other writes.
    pub fn open(node: &Node) -> Result<FileFolder, Failure> {
        let folder = FileFolder::open_copied(node.dir.root())?;
        if node.on_server && folder.is_copy()? {
            let path = folder.root.display();
            return Err(Failure::machine(format!(
                "{path} was copied from another directory of this node. If that one is gone for ever, say so with `polder \
                 history adopt`; otherwise remove {path}, and this directory begins a history of its own"
            )));
        }
        Ok(folder)
    }

    /// Opens the folder of a data directory, though it may be a copy.
    fn open_copied(data: &Path) -> Result<FileFolder, Failure> {
        let root = data.join(FOLDER);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&root);
        made.map_err(|e| Failure::io("make", &root, &e))?;
        let path = root.join(ID);
        let id = match fs::read_to_string(&path) {
            Ok(id) => id,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                name_folder(&root).map_err(|e| Failure::io("write", &path, &e))?;
                fs::read_to_string(&path).map_err(|e| Failure::io("read", &path, &e))?
            }
            Err(error) => return Err(Failure::io("read", &path, &error)),
        };
        let id = id.split(' ').next().unwrap_or_default().trim().to_owned();
        Ok(FileFolder { root, id, fresh: AtomicU64::new(0) })
    }

    /// Whether the file with the id is not the one that was made: it tells its own number.
    fn is_copy(&self) -> Result<bool, Failure> {
        let path = self.root.join(ID);
        let fault = |e: io::Error| Failure::io("read", &path, &e);
        let (text, facts) = (fs::read_to_string(&path).map_err(fault)?, fs::metadata(&path).map_err(fault)?);
        Ok(text.split(' ').nth(1).map(str::trim) != Some(facts.ino().to_string().as_str()))
    }

    /// Makes a copied folder the one that the database means by its id.
    pub fn adopt(data: &Path) -> Result<(), Failure> {
        let folder = FileFolder::open_copied(data)?;
        let path = folder.root.join(ID);
        let fault = |e: io::Error| Failure::io("write", &path, &e);
        let made = new_id_file(&folder.root, &folder.id).map_err(fault)?;
        fs::rename(made, &path).map_err(fault)?;
        keys::sync_parent(&path)
    }

    /// Shares the folder with others who read and write it.
    pub fn share(&self) -> Result<InUse, Failure> {
        let path = self.root.join(LOCK);
        let fault = |e: io::Error| Failure::io("lock", &path, &e);
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = open.map_err(fault)?;
        // Whoever sweeps is soon done.
        file.lock_shared().map_err(fault)?;
        Ok(InUse { file })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Names and paths of all that belongs into a backup: the runs, and which folder it is.
    pub fn parts(&self) -> Result<Vec<(String, PathBuf)>, Failure> {
        let mut names = self.list().map_err(|e| Failure::io("list", &self.root, &e))?;
        names.retain(|name| name.ends_with(".parquet"));
        names.push(ID.to_owned());
        names.sort();
        Ok(names.into_iter().map(|name| (format!("{FOLDER}/{name}"), self.path(&name))).collect())
    }
}

impl InUse {
    /// Does something alone, if nobody else uses the folder; answers whether it did. Afterwards the folder is
    /// shared again.
    pub fn alone(&self, work: impl FnOnce() -> Result<(), Failure>) -> Result<bool, Failure> {
        let fault = |e: io::Error| Failure::io("lock", Path::new(LOCK), &e);
        self.file.unlock().map_err(fault)?;
        let done = match self.file.try_lock() {
            Ok(()) => work().map(|()| true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(fault(error)),
        };
        self.file.unlock().map_err(fault)?;
        self.file.lock_shared().map_err(fault)?;
        done
    }
}

/// Gives a folder its id; of several processes that try, one does.
fn name_folder(root: &Path) -> io::Result<()> {
    let made = new_id_file(root, &hex(&random::<16>()))?;
    match fs::hard_link(&made, root.join(ID)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::remove_file(&made)?;
    File::open(root)?.sync_all()
}

/// A file that holds an id, and its own number, which a copy of it does not have.
fn new_id_file(root: &Path, id: &str) -> io::Result<PathBuf> {
    let path = root.join(format!("{NEW}{}", hex(&random::<16>())));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let number = file.metadata()?.ino();
    writeln!(file, "{id} {number}")?;
    file.sync_all()?;
    Ok(path)
}

impl RunFolder for FileFolder {
    fn id(&self) -> &str {
        &self.id
    }

    fn fresh_name(&self) -> String {
        format!("part-{}-{}", hex(&random::<8>()), self.fresh.fetch_add(1, Ordering::Relaxed))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != ID && name != LOCK && !name.ends_with(ASIDE) {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn RunFile>> {
        let file = File::open(self.path(name))?;
        let bytes = file.metadata()?.len();
        Ok(Box::new(OnDisk { file, bytes }))
    }

    fn create(&self) -> io::Result<Box<dyn NewRun>> {
        let path = self.path(&format!("{NEW}{}", hex(&random::<16>())));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let root = self.root.clone();
        Ok(Box::new(Writing { out: BufWriter::with_capacity(BUFFER_BYTES, file), path: Some(path), root }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        there(fs::remove_file(self.path(name)))
    }

    fn set_aside(&self, name: &str) -> io::Result<()> {
        there(fs::rename(self.path(name), self.path(&format!("{name}{ASIDE}"))))
    }
}

/// What is not there needs nothing done to it.
fn there(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

struct OnDisk {
    file: File,
    bytes: u64,
}

impl RunFile for OnDisk {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, offset)
    }
}

struct Writing {
    out: BufWriter<File>,
    /// Where it lies until it has its name.
    path: Option<PathBuf>,
    root: PathBuf,
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl NewRun for Writing {
    fn commit(mut self: Box<Self>, name: &str) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        if let Some(path) = &self.path {
            fs::rename(path, self.root.join(name))?;
        }
        self.path = None;
        File::open(&self.root)?.sync_all()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What stays is swept later.
            let _ = fs::remove_file(path);
        }
    }
}

/// Makes the names in the folder durable after a restore.
pub fn sync(data: &Path) -> Result<(), Failure> {
    let id = data.join(FOLDER).join(ID);
    if id.exists() { keys::sync_parent(&id) } else { Ok(()) }
}
