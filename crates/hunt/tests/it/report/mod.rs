// SPDX-License-Identifier: Apache-2.0
//! What comes out of a hunt, against golden files. `HUNT_GOLDEN=write cargo test -p hunt report` writes them
//! anew; the difference is for a person to read. `HUNT_REPORT_FOLDER=DIR` keeps pages to look at.

mod local;
mod machines;
mod pages;
pub mod sample;

use std::path::Path;

/// Compares with a golden file.
fn golden(name: &str, bytes: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report/out").join(name);
    if std::env::var_os("HUNT_GOLDEN").is_some_and(|what| what == "write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    let wanted = std::fs::read(&path).unwrap_or_default();
    if wanted != bytes {
        let (wanted, got) = (String::from_utf8_lossy(&wanted), String::from_utf8_lossy(bytes));
        let line = wanted.lines().zip(got.lines()).position(|(a, b)| a != b).unwrap_or(0);
        panic!(
            "{name}:{} is not what the golden file holds; see the whole difference with `HUNT_GOLDEN=write` and \
             `git diff`\n{:.400}",
            line + 1,
            got.lines().nth(line).unwrap_or_default()
        );
    }
}
