// SPDX-License-Identifier: Apache-2.0
//! Data from outside the repository, unpacked once; a test that lacks them says so.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::support::skipped;

/// The tests of one archive wait for each other.
static UNPACKING: Mutex<()> = Mutex::new(());

/// A folder with what a `.tar.zst` of `../shared` holds; `None`, and a line in the list of skips, without it.
pub fn unpacked(archive: &str, test: &str) -> Option<PathBuf> {
    let _turn = UNPACKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if !shared.is_dir() {
        skipped(test, "no folder ../shared");
        return None;
    }
    let name = Path::new(archive).file_stem()?.to_str()?.trim_end_matches(".tar").to_owned();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if !folder.join("whole").exists() {
        let packed = std::fs::File::open(shared.join(archive)).unwrap();
        tar::Archive::new(zstd::Decoder::new(packed).unwrap()).unpack(&folder).unwrap();
        std::fs::write(folder.join("whole"), "").unwrap();
    }
    Some(folder)
}

/// All files below a folder, in order.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => paths.extend(below(&path)),
            false => paths.push(path),
        }
    }
    paths.sort();
    paths
}
