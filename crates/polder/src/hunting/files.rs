// SPDX-License-Identifier: Apache-2.0
//! Which logs are hunted in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use model::diagnostic::shown;

use crate::failure::Failure;

/// Files below a path, sorted, so that output has one order.
pub fn collect(path: &Path, into: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if path == Path::new("-") || !path.is_dir() {
        into.push(path.to_owned());
        return Ok(());
    }
    let fault = |e: io::Error| Failure::io("list", path, &e);
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(path).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let kind = entry.file_type().map_err(fault)?;
        // A link may lead round in a circle, a pipe may never end.
        if kind.is_dir() || kind.is_file() {
            entries.push(entry.path());
        } else {
            eprintln!(
                "{}: not a file, not read; name it to read it",
                shown(&entry.path().display().to_string())
            );
        }
    }
    entries.sort();
    entries.iter().try_for_each(|entry| collect(entry, into))
}

/// Bytes of all of them; 0 if that cannot be told.
pub fn total_bytes(paths: &[PathBuf]) -> u64 {
    if paths.iter().any(|path| path == Path::new("-")) {
        return 0;
    }
    paths.iter().filter_map(|path| fs::metadata(path).ok()).map(|facts| facts.len()).sum()
}
