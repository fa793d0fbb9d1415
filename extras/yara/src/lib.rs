// SPDX-License-Identifier: Apache-2.0
//! YARA rules over files: rules are compiled, each file is scanned, each rule that holds is one finding with
//! the places where its texts stand.
//!
//! A finding has the members of `polder edge check --json`, so that both can be read by one program. Links are
//! not followed: those of a mounted image lead into the machine that looks at it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use yara_x::{Compiler, MetaValue, Rule, Rules, Scanner, SourceCode};

/// Largest file of rules.
pub const RULES_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Largest file that is scanned.
pub const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Most places of one rule in one file that are told.
pub const MATCHES_MAX: usize = 20;
/// Most bytes of a match that are told.
pub const MATCH_BYTES_MAX: usize = 64;
/// Longest time for one file, in seconds.
pub const FILE_SECONDS_MAX: u64 = 60;

/// What a run came to.
#[derive(Debug, Default)]
pub struct Tally {
    /// Files that were scanned.
    pub files: u64,
    /// Findings.
    pub findings: u64,
    /// What could not be used or read: where, and why.
    pub faults: Vec<String>,
}

/// Compiles rules of files, or of the `.yar` and `.yara` files of a folder. A file with an error is left out
/// and told; the others are used.
pub fn compile(path: &Path, faults: &mut Vec<String>) -> io::Result<Rules> {
    let mut compiler = Compiler::new();
    let mut files = Vec::new();
    if path.is_dir() {
        walk(path, &mut files, faults);
        files.retain(|file| {
            file.extension().is_some_and(|extension| extension == "yar" || extension == "yara")
        });
    } else {
        files.push(path.to_owned());
    }
    for file in &files {
        let name = file.display().to_string();
        if fs::metadata(file)?.len() > RULES_BYTES_MAX {
            faults.push(format!("{name}: more than {RULES_BYTES_MAX} bytes; split the file"));
            continue;
        }
        let text = fs::read(file)?;
        // Two files may have rules of the same name.
        compiler.new_namespace(&name);
        if let Err(error) = compiler.add_source(SourceCode::from(text.as_slice()).with_origin(&name)) {
            faults.push(format!("{name}: {}", first_line(&error.to_string())));
        }
    }
    Ok(compiler.build())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Scans files and all that lies below folders; each finding is handed on as one JSON object.
pub fn scan(rules: &Rules, paths: &[PathBuf], tally: &mut Tally, each: &mut dyn FnMut(&Value)) {
    let mut files = Vec::new();
    for path in paths {
        walk(path, &mut files, &mut tally.faults);
    }
    for file in files {
        match scan_file(rules, &file) {
            Ok(findings) => {
                tally.files += 1;
                tally.findings += findings.len() as u64;
                findings.iter().for_each(&mut *each);
            }
            Err(why) => tally.faults.push(format!("{}: {why}", file.display())),
        }
    }
}

/// Regular files at and below a path, sorted; no links.
fn walk(path: &Path, into: &mut Vec<PathBuf>, faults: &mut Vec<String>) {
    let mut fault = |error: io::Error| faults.push(format!("{}: {error}", path.display()));
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) => return fault(error),
    };
    if kind.is_file() {
        into.push(path.to_owned());
    }
    if !kind.is_dir() {
        return;
    }
    let mut entries = match fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => return fault(error),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        walk(&entry.path(), into, faults);
    }
}

fn scan_file(rules: &Rules, path: &Path) -> Result<Vec<Value>, String> {
    let metadata = fs::symlink_metadata(path).map_err(|e| e.to_string())?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!("not scanned: it has more than {FILE_BYTES_MAX} bytes"));
    }
    // Read whole: a file that shrinks while it is mapped would end the program.
    let bytes = fs::read(path).map_err(|e| e.to_string())?;
    let mut scanner = Scanner::new(rules);
    scanner.set_timeout(Duration::from_secs(FILE_SECONDS_MAX)).max_matches_per_pattern(MATCHES_MAX);
    let results = scanner.scan(&bytes).map_err(|e| e.to_string())?;
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let file = path.display().to_string();
    let of = |rule: Rule<'_, '_>| finding(&rule, &file, &digest, changed);
    Ok(results.matching_rules().map(of).collect())
}

fn finding(rule: &Rule<'_, '_>, file: &str, digest: &str, changed: Option<Duration>) -> Value {
    let meta = |name: &str| {
        rule.metadata().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| match value {
            MetaValue::String(text) => Some(text.to_owned()),
            _ => None,
        })
    };
    let mut evidence = Vec::new();
    let mut count = 0_u64;
    for pattern in rule.patterns() {
        for found in pattern.matches() {
            count += 1;
            if evidence.len() < MATCHES_MAX {
                let data = found.data();
                let shown = data.get(..MATCH_BYTES_MAX).unwrap_or(data).escape_ascii().to_string();
                evidence.push(json!({
                    "file": file, "line": 0, "offset": found.range().start, "time": null,
                    "text": format!("{} {shown}", pattern.identifier()),
                }));
            }
        }
    }
    let title = meta("description").unwrap_or_else(|| rule.identifier().to_owned());
    let time = changed.map(rfc_3339);
    let techniques: Vec<&str> =
        rule.tags().map(|tag| tag.identifier()).filter(|tag| tag.starts_with('T')).collect();
    json!({
        "id": rule.identifier(), "title": title, "level": "high", "techniques": techniques,
        "credit": meta("author").unwrap_or_default(),
        "about": [{ "kind": "file", "value": file }, { "kind": "sha256", "value": digest }],
        "first": time, "last": time, "count": count.max(1), "evidence": evidence,
        "threshold": format!("YARA rule {} holds", rule.identifier()), "baseline": "",
        "disproof": "the same file, by its SHA-256, in a clean image; or a copy of the rules themselves",
        "advice": "keep the file and the image, and have it looked at before the device is used again",
    })
}

/// Seconds since 1970 as RFC 3339, by the civil calendar (Howard Hinnant's days-to-civil).
fn rfc_3339(since: Duration) -> String {
    let seconds = since.as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60,
        since.subsec_micros()
    )
}
