// SPDX-License-Identifier: Apache-2.0
//! What comes out of a hunt, against golden files. `HUNT_GOLDEN=write cargo test -p hunt report` writes them
//! anew; the difference is for a person to read.

mod sample;

use std::path::Path;

/// Compares with a golden file.
fn golden(name: &str, bytes: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report/out").join(name);
    if std::env::var("HUNT_GOLDEN").as_deref() == Ok("write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    let wanted = std::fs::read(&path).unwrap_or_default();
    assert!(
        wanted == bytes,
        "{name} is not what the golden file holds; see the difference with `HUNT_GOLDEN=write` and `git diff`\n{}",
        String::from_utf8_lossy(bytes).chars().take(4_000).collect::<String>()
    );
}

#[test]
fn pages() {
    golden("firm.html", hunt::report::html(&sample::firm()).as_bytes());
    golden("empty.html", hunt::report::html(&sample::empty()).as_bytes());
    golden("firm.txt", hunt::report::table(&sample::firm(), 100).as_bytes());
    if let Some(folder) = std::env::var_os("HUNT_REPORT_FOLDER") {
        let folder = Path::new(&folder);
        for (name, summary) in [
            ("hostile", sample::hostile()),
            ("many", sample::many()),
            ("firm", sample::firm()),
            ("empty", sample::empty()),
        ] {
            std::fs::write(folder.join(format!("{name}.html")), hunt::report::html(&summary)).unwrap();
            std::fs::write(folder.join(format!("{name}.txt")), hunt::report::table(&summary, 100)).unwrap();
        }
    }
}
