// SPDX-License-Identifier: Apache-2.0
//! `polder edge check`: the mounted file system of an edge device, and what the running device told.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use hunt::detection::{Detection, Level};
use hunt::edge::{
    EdgeReport, Entry, EntryKind, FileTree, KnownFiles, check_log, check_processes, check_tree,
};
use hunt::indicator::read_list;
use hunt::limits::{EDGE_LIST_BYTES_MAX, EDGE_LOG_BYTES_MAX};
use model::diagnostic::{Severity, shown};
use model::observable::ObservableKind;
use model::time::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::cli::EdgeCommand;
use crate::failure::{Exit, Failure};
use crate::hunting::counted;
use crate::input::read_small;
use crate::out::say;

/// Bytes that are hashed at a time.
const HASH_BUFFER_BYTES: usize = 64 * 1024;

/// Runs `edge`.
pub fn run(command: &EdgeCommand) -> Result<Exit, Failure> {
    let EdgeCommand::Check { image, hashes, processes, logs, json } = command;
    if !image.is_dir() {
        return Err(Failure::usage(format!(
            "{} is no directory; mount the image and name where it is mounted",
            image.display()
        )));
    }
    let mut more = KnownFiles::new();
    for path in hashes {
        read_hashes(path, &mut more)?;
    }
    let mut report = check_tree(&Mounted { root: image.clone() }, &more);
    if let Some(path) = processes {
        let bytes = read_small(path, EDGE_LIST_BYTES_MAX)?;
        let (detections, diagnostics) = check_processes(&bytes, &path.display().to_string());
        report.detections.extend(detections);
        report.diagnostics.extend(diagnostics);
    }
    for path in logs {
        let bytes = read_small(path, EDGE_LOG_BYTES_MAX)?;
        report.detections.extend(check_log(&bytes, &path.display().to_string()));
    }
    Ok(tell(&report, *json))
}

/// SHA-256 of a list; what else it holds is said.
fn read_hashes(path: &Path, into: &mut KnownFiles) -> Result<(), Failure> {
    let bytes = read_small(path, EDGE_LIST_BYTES_MAX)?;
    let name = path.display().to_string();
    let list = read_list(&bytes, &name);
    let mut others = 0_u64;
    for indicator in &list.indicators {
        match <[u8; 32]>::try_from(indicator.observable.canonical()) {
            Ok(digest) if indicator.observable.kind() == ObservableKind::Sha256 => {
                into.insert(digest, indicator.name.clone());
            }
            _ => others += 1,
        }
    }
    if others + list.refused > 0 {
        eprintln!("{name}: entries that are no SHA-256 and were not compared: {}", others + list.refused);
    }
    Ok(())
}

fn tell(report: &EdgeReport, as_json: bool) -> Exit {
    report.diagnostics.iter().for_each(|d| eprintln!("{d}"));
    for detection in &report.detections {
        if as_json {
            say!("{}", detection_json(detection));
        } else {
            say!("{:<8}  {}", detection.level.name(), shown(&detection.title));
            let text = detection.evidence.first().map(|evidence| evidence.text.as_str()).unwrap_or_default();
            say!("          {}", shown(text));
            say!("          nothing, if: {}", shown(&detection.disproof));
        }
    }
    let sure = report.detections.iter().filter(|d| d.level >= Level::High).count() as u64;
    eprintln!(
        "{} looked at, {}, of which {sure} of level high or more",
        counted(report.files, "file"),
        counted(report.detections.len() as u64, "trace")
    );
    if let Some(advice) = report.detections.first().filter(|_| sure > 0 && !as_json).map(|d| &d.advice) {
        say!("{advice}");
    }
    let partial =
        report.diagnostics.iter().any(|d| d.severity == Severity::Error) || report.places.is_empty();
    match (report.detections.is_empty(), partial) {
        (_, true) => Exit::Partial,
        (true, false) => Exit::NotFound,
        (false, false) => Exit::Done,
    }
}

/// A detection as `docs/json.md` has it.
pub fn detection_json(detection: &Detection) -> Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let about: Vec<Value> =
        detection.about.iter().map(|(kind, value)| json!({ "kind": kind, "value": value })).collect();
    let evidence: Vec<Value> = detection
        .evidence
        .iter()
        .map(|e| {
            json!({
                "file": e.file, "line": e.place.line, "offset": e.place.offset, "time": time(e.time), "text": e.text,
            })
        })
        .collect();
    json!({
        "id": detection.id, "title": detection.title, "level": detection.level.name(),
        "techniques": detection.techniques, "credit": detection.credit, "about": about,
        "first": time(detection.first), "last": time(detection.last), "count": detection.count,
        "evidence": evidence, "threshold": detection.threshold, "baseline": detection.baseline,
        "disproof": detection.disproof, "advice": detection.advice,
    })
}

/// A mounted file system. Links are never followed: they would lead into this machine's own.
struct Mounted {
    root: PathBuf,
}

impl Mounted {
    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn open(&self, path: &str) -> io::Result<File> {
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits();
        let flags = i32::try_from(no_follow).unwrap_or_default();
        fs::OpenOptions::new().read(true).custom_flags(flags).open(self.path(path))
    }
}

impl FileTree for Mounted {
    fn list(&self, directory: &str) -> Result<Option<Vec<Entry>>, String> {
        let path = self.path(directory);
        let is_directory = |metadata: &Metadata| metadata.is_dir() || directory == "/";
        match fs::symlink_metadata(&path) {
            Ok(metadata) if is_directory(&metadata) => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(&path).map_err(|e| e.to_string())? {
            let entry = entry.map_err(|e| e.to_string())?;
            let metadata = entry.metadata().map_err(|e| e.to_string())?;
            entries.push(Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                kind: kind(&metadata),
                modified: modified(&metadata),
                size: metadata.len(),
            });
        }
        Ok(Some(entries))
    }

    fn sha256(&self, path: &str) -> Result<[u8; 32], String> {
        let mut file = self.open(path).map_err(|e| e.to_string())?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; HASH_BUFFER_BYTES];
        loop {
            let read = file.read(&mut buffer).map_err(|e| e.to_string())?;
            match buffer.get(..read) {
                Some([]) | None => break,
                Some(part) => hasher.update(part),
            }
        }
        Ok(hasher.finalize().into())
    }

    fn tail(&self, path: &str, limit: usize) -> Result<Vec<u8>, String> {
        let mut file = self.open(path).map_err(|e| e.to_string())?;
        let length = file.metadata().map_err(|e| e.to_string())?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(limit as u64))).map_err(|e| e.to_string())?;
        let mut bytes = Vec::new();
        file.take(limit as u64).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        Ok(bytes)
    }
}

fn kind(metadata: &Metadata) -> EntryKind {
    let kind = metadata.file_type();
    match (kind.is_dir(), kind.is_file(), kind.is_symlink()) {
        (true, ..) => EntryKind::Directory,
        (_, true, _) => EntryKind::File,
        (.., true) => EntryKind::Link,
        _ => EntryKind::Other,
    }
}

fn modified(metadata: &Metadata) -> Option<Timestamp> {
    let modified = metadata.modified().ok()?;
    let micros = match modified.duration_since(std::time::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).ok()?,
        Err(before) => -i64::try_from(before.duration().as_micros()).ok()?,
    };
    Some(Timestamp::from_micros(micros))
}
