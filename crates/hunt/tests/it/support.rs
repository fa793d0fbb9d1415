// SPDX-License-Identifier: Apache-2.0
//! What several tests need.

/// Says that a test cannot run here, and why.
pub fn skipped(name: &str, reason: &str) {
    let line = format!("SKIPPED: {name}: {reason}\n");
    print!("{line}");
    if let Some(path) = std::env::var_os("POLDER_SKIPS") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes())).unwrap();
    }
}

/// Files of a tar archive: names and contents.
pub fn untar(bytes: &[u8]) -> Vec<(String, &[u8])> {
    let mut files = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + 512).filter(|header| header[0] != 0) {
        let text = |range: std::ops::Range<usize>| {
            String::from_utf8_lossy(&header[range]).trim_end_matches(['\0', ' ']).to_owned()
        };
        let size = usize::from_str_radix(&text(124..136), 8).unwrap();
        let (prefix, name) = (text(345..500), text(0..100));
        let name = if prefix.is_empty() || header[257..262] != *b"ustar" {
            name
        } else {
            format!("{prefix}/{name}")
        };
        files.push((name, &bytes[at + 512..at + 512 + size]));
        at += 512 + size.div_ceil(512) * 512;
    }
    files
}
