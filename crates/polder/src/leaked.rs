// SPDX-License-Identifier: Apache-2.0
//! `polder leaked`: which accounts have a password that stands in a list of leaked ones. Nothing is sent anywhere, and
//! no hash is shown.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use hunt::detection::Detection;
use hunt::detector::leak::{HashKind, PasswordHash, SortedHashes, count_in_range, leaked, read_hashes};
use hunt::limits::HASHES_BYTES_MAX;
use model::diagnostic::shown;
use serde_json::json;

use crate::cli::Leaked;
use crate::failure::{Exit, Failure};
use crate::out::say;

/// Largest file of one range; those that are handed out have about 30 KiB.
const RANGE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most bytes of ranges that are kept, so that accounts of one range read it once.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Runs the command.
pub fn run(args: &Leaked) -> Result<Exit, Failure> {
    let name = args.hashes.display().to_string();
    let mut bytes = Vec::new();
    let file = File::open(&args.hashes).map_err(|error| Failure::io("read", &args.hashes, &error))?;
    file.take(HASHES_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io("read", &args.hashes, &error))?;
    if bytes.len() > HASHES_BYTES_MAX {
        return Err(Failure::usage(format!("{name} is larger than {HASHES_BYTES_MAX} bytes; split it")));
    }
    let (accounts, diagnostics) = read_hashes(&bytes, &name);
    diagnostics.iter().for_each(|diagnostic| eprintln!("{diagnostic}"));
    let mut list = List::open(&args.list)?;
    let mut found = Vec::new();
    let mut count = |hash: &PasswordHash| list.count(hash);
    leaked(&accounts, &name, None, &mut count, &mut |detection| found.push(detection))
        .map_err(|error| Failure::io("read", &args.list, &error))?;
    found.iter().for_each(|detection| show(detection, args.json));
    let unasked = accounts.iter().filter(|account| list.lacks(account.hash.kind())).count();
    eprintln!("{} accounts, {} with a leaked or empty password", accounts.len(), found.len());
    if unasked > 0 {
        eprintln!(
            "polder: {unasked} accounts have hashes of another kind than the list; get the list of that kind"
        );
    }
    Ok(match (found.is_empty(), unasked > 0 || !diagnostics.is_empty()) {
        (_, true) => Exit::Partial,
        (true, false) => Exit::NotFound,
        (false, false) => Exit::Done,
    })
}

fn show(detection: &Detection, as_json: bool) {
    if !as_json {
        say!("{:<8} {}", detection.level.name(), shown(&detection.title));
        return;
    }
    let account = detection.about.iter().find(|(kind, _)| *kind == "account").map(|(_, name)| name.as_str());
    let line = json!({
        "v": 1,
        "type": "leaked",
        "account": account,
        "level": detection.level.name(),
        "title": detection.title,
        "line": detection.evidence.first().map(|evidence| evidence.place.line),
        "advice": detection.advice,
    });
    say!("{line}");
}

/// The list in either form.
enum List {
    Ranges { dir: PathBuf, kept: BTreeMap<String, Vec<u8>>, kind: Option<HashKind> },
    Sorted(SortedHashes<File>),
}

impl List {
    fn open(path: &Path) -> Result<List, Failure> {
        let fault = |error: io::Error| Failure::io("read", path, &error);
        if fs::metadata(path).map_err(fault)?.is_dir() {
            return Ok(List::Ranges { dir: path.to_owned(), kept: BTreeMap::new(), kind: None });
        }
        let sorted = SortedHashes::open(File::open(path).map_err(fault)?).map_err(fault)?;
        sorted.map(List::Sorted).ok_or_else(|| {
            Failure::usage(format!(
                "{} has no lines HASH:COUNT; give the list as it was handed out",
                path.display()
            ))
        })
    }

    /// Whether it says nothing of a kind of hash.
    fn lacks(&self, kind: HashKind) -> bool {
        match self {
            List::Sorted(sorted) => sorted.kind() != kind,
            List::Ranges { kind: held, .. } => held.is_some_and(|held| held != kind),
        }
    }

    fn count(&mut self, hash: &PasswordHash) -> io::Result<Option<u64>> {
        match self {
            List::Sorted(sorted) => sorted.count(hash),
            List::Ranges { dir, kept, kind } => {
                let prefix = hash.prefix().to_owned();
                if !kept.contains_key(&prefix) {
                    let range = read_range(dir, &prefix)?;
                    *kind = kind.or_else(|| kind_of(&range));
                    if kept.values().map(Vec::len).sum::<usize>() + range.len() > KEPT_BYTES_MAX {
                        kept.clear();
                    }
                    kept.insert(prefix.clone(), range);
                }
                Ok(kept.get(&prefix).and_then(|range| count_in_range(range, hash)))
            }
        }
    }
}

/// `00000.txt` or `00000`, as downloaders write them.
fn read_range(dir: &Path, prefix: &str) -> io::Result<Vec<u8>> {
    for name in [format!("{prefix}.txt"), prefix.to_owned(), prefix.to_lowercase()] {
        let fault = |error: io::Error| io::Error::new(error.kind(), format!("{name} in it: {error}"));
        match File::open(dir.join(&name)) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(RANGE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(fault)?;
                if bytes.len() as u64 > RANGE_BYTES_MAX {
                    let why =
                        format!("{name} in it has more than {RANGE_BYTES_MAX} bytes; it is no single range");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
                return Ok(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fault(error)),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        format!("there is no range {prefix} in it; download it whole"),
    ))
}

fn kind_of(range: &[u8]) -> Option<HashKind> {
    let digits = range.iter().take_while(|byte| byte.is_ascii_hexdigit()).count() + 5;
    [HashKind::Nt, HashKind::Sha1].into_iter().find(|kind| kind.digits() == digits)
}
