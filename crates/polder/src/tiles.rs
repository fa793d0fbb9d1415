// SPDX-License-Identifier: Apache-2.0
//! `polder ledger tiles`: the log as files of C2SP tlog-tiles.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ledger::audience::Heads;
use ledger::logs::own_log;
use ledger::sql::Read;
use ledger::tile::TILE_HASHES;
use ledger::{tile_files, tree, verify};
use model::marking::Tlp;
use policy::release;
use serde_json::json;

use crate::cli::Data;
use crate::failure::{Exit, Failure};
use crate::node::Node;
use crate::out::say;

/// What was written.
#[derive(Default)]
struct Written {
    tiles: u64,
    bundles: u64,
    left_out: u64,
}

/// Runs the command. `entries` is the strictest label of what the bundles may tell; none for no bundles.
pub fn run(data: &Data, dir: &Path, entries: Option<Tlp>, as_json: bool) -> Result<Exit, Failure> {
    let node = Node::open(data)?;
    let reader = entries.map(|ceiling| node.operator(ceiling)).transpose()?;
    // The checkpoint goes out: the side file must know it.
    node.dir.side_file().publish_held(&node.store, node.origin)?;
    let (size, written) = node.store.read(|read| {
        let log = own_log(read)?;
        let size = tree::size(read, log)?;
        let mut written = Written::default();
        tile_files::tiles(read, log, size, &mut |path, bytes| {
            written.tiles += 1;
            write(dir, &path, bytes)
        })?;
        if let Some(reader) = &reader {
            bundles(read, log, size, dir, reader, &mut written)?;
        }
        let note =
            verify::note_at(read, log, size)?.ok_or_else(|| Failure::machine("the log has no checkpoint"))?;
        // Last, so that it names no tile that is not there yet.
        write(dir, "checkpoint", note.as_bytes())?;
        Ok::<_, Failure>((size, written))
    })?;
    let Written { tiles, bundles, left_out } = written;
    if as_json {
        say!(
            "{}",
            json!({
                "origin": node.origin.to_string(), "size": size, "tiles": tiles, "bundles": bundles,
                "bundles_left_out": left_out, "dir": dir.display().to_string(),
            })
        );
    } else {
        say!("{tiles} tiles, {bundles} bundles of entries, size {size}, in {}", dir.display());
    }
    if bundles > 0 {
        eprintln!(
            "{} tells kind, marking and time of records to whoever reads it: keep it to yourself, publish the other \
             folders only",
            dir.join("tile/entries").display()
        );
    }
    if left_out > 0 {
        eprintln!("{left_out} bundles were left out: the gate does not release every record in them");
        return Ok(Exit::Partial);
    }
    Ok(Exit::Done)
}

/// A bundle goes out whole or not at all: with a hole it could not be compared with its tile.
fn bundles(
    read: &mut dyn Read,
    log: i64,
    size: u64,
    dir: &Path,
    reader: &policy::Reader,
    written: &mut Written,
) -> Result<(), Failure> {
    let heads = Heads::load(read)?;
    for index in 0..size.div_ceil(TILE_HASHES as u64) {
        let bundle = tile_files::bundle(read, log, index, size)?;
        let mut released = true;
        for row in &bundle.audiences {
            released &= release(heads.of(*row)?, reader, policy::Exit::Export).is_ok();
        }
        if released {
            write(dir, &bundle.path, &bundle.bytes)?;
            written.bundles += 1;
        } else {
            written.left_out += 1;
        }
    }
    Ok(())
}

/// Beside the name, then into place: whoever serves the folder never sees half a file.
fn write(dir: &Path, path: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path: PathBuf = dir.join(path);
    let parent = path.parent().unwrap_or(dir);
    fs::create_dir_all(parent).map_err(|e| Failure::io("make", parent, &e))?;
    let mut file =
        tempfile::NamedTempFile::new_in(parent).map_err(|e| Failure::io("write in", parent, &e))?;
    file.write_all(bytes).map_err(|e| Failure::io("write", &path, &e))?;
    file.persist(&path).map_err(|e| Failure::io("write", &path, &e.error))?;
    Ok(())
}
