// SPDX-License-Identifier: Apache-2.0
//! `polder backup`: one file with everything that a node is, made while it runs.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use model::id::hex;
use serde_json::json;

use crate::archive;
use crate::cli::Backup;
use crate::failure::{Exit, Failure};
use crate::history;
use crate::keys;
use crate::node::{Node, now};
use crate::out::say;

/// Runs the command.
pub fn run(args: &Backup) -> Result<Exit, Failure> {
    let node = Node::open(&args.data)?;
    let to = &args.file;
    if to.exists() {
        return Err(Failure::usage(format!("{} exists already; name a file that does not", to.display())));
    }
    let parent = keys::folder_of(to);
    let io = |what: &'static str| move |e: std::io::Error| Failure::io(what, parent, &e);
    let room =
        tempfile::Builder::new().prefix(".polder-backup-").tempdir_in(parent).map_err(io("write in"))?;

    // From here on no run is removed. What is written meanwhile may be named by the copy of the database, so the
    // runs are listed after it is made.
    let in_use = history::in_use(&node)?;

    // First the side file, then the database: the copy is never behind what the side file says.
    let published = room.path().join("published");
    node.dir.side_file().publish_held(&node.store, node.origin)?;
    let text = node.dir.side_file().newest()?.map(|checkpoint| checkpoint.print()).unwrap_or_default();
    std::fs::write(&published, text).map_err(|e| Failure::io("write", &published, &e))?;
    let database = room.path().join("polder.db");
    let logs = node.store.backup(&database)?;
    let mut parts: Vec<(String, PathBuf)> =
        vec![("polder.db".to_owned(), database), ("published".to_owned(), published)];
    let mut plain = 0;
    for path in keys::files(&node.dir.keys())? {
        plain += usize::from(!keys::is_sealed(&path)?);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        parts.push((format!("keys/{name}"), path));
    }
    parts.extend(in_use.parts()?);

    // Readable by its owner alone from its first byte (umask, and tempfile's own mode).
    let mut file = tempfile::NamedTempFile::new_in(parent).map_err(io("write in"))?;
    let mut out = BufWriter::with_capacity(1 << 20, file.as_file_mut());
    let manifest = archive::write(&mut out, node.member(), now(), logs, &parts)?;
    out.flush().map_err(|e| Failure::io("write", to, &e))?;
    drop(out);
    file.as_file().sync_all().map_err(|e| Failure::io("write", to, &e))?;
    let file: File = file.persist_noclobber(to).map_err(|e| Failure::io("write", to, &e.error))?;
    let bytes = file.metadata().map_err(|e| Failure::io("read", to, &e))?.len();
    keys::sync_parent(to)?;

    let newest = manifest.newest().copied();
    let (origin, size, root) =
        newest.map_or_else(Default::default, |log| (log.origin.to_string(), log.size, hex(&log.root)));
    if args.json {
        say!(
            "{}",
            json!({
                "file": to.display().to_string(), "bytes": bytes, "origin": origin, "size": size, "root": root,
                "keys_sealed": plain == 0,
            })
        );
    } else {
        say!("{}: {bytes} bytes, log {origin} of size {size}", to.display());
    }
    if plain > 0 {
        eprintln!(
            "warning: the backup holds {plain} keys that are not under a passphrase; whoever reads it has them \
             (`polder key passphrase`)"
        );
    }
    Ok(Exit::Done)
}
