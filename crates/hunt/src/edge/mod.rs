// SPDX-License-Identifier: Apache-2.0
//! Files of an edge device: traces of COATHANGER, the implant of 2023 on FortiGates (MITRE S1105), in a mounted
//! image of its file system, a list of its processes and its logs.
//!
//! What is looked for was published by the Dutch MIVD and JSCU (JSCU-NL/COATHANGER, commit 9ea1c95) and by MITRE;
//! the tables are in [`known`]. The file system comes in as a [`FileTree`]: this module opens nothing. An image
//! is better than the device: the implant hides itself from a system on which it runs.
//!
//! How sure a trace makes is its level: `critical` a known file, `high` a path that nothing else uses, `medium` a
//! hidden directory or a program that was changed late, `low` any other late change.

pub mod known;
mod live;
mod times;

pub use live::{check_log, check_processes};

use std::collections::BTreeMap;

use model::diagnostic::Diagnostic;
use model::time::Timestamp;

use crate::detection::{Detection, Evidence, Level, Means};
use crate::event::{Place, SourceKind};
use crate::limits::{EDGE_DEPTH_MAX, EDGE_FILE_BYTES_MAX, EDGE_FILES_MAX};
use known::{CREDIT, HIDDEN_ALLOWED, HIDDEN_IN, KNOWN_PATHS};

/// What an entry of a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link; not followed, as it may lead out of the image.
    Link,
    /// A device, a pipe, a socket.
    Other,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without the path.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// When it was last changed.
    pub modified: Option<Timestamp>,
    /// Its size in bytes.
    pub size: u64,
}

/// A file system below a root. Paths begin with `/` and have no links in them.
pub trait FileTree {
    /// Entries of a directory, or `None` where there is none. The error says why it cannot be read.
    fn list(&self, directory: &str) -> Result<Option<Vec<Entry>>, String>;
    /// SHA-256 of a file.
    fn sha256(&self, path: &str) -> Result<[u8; 32], String>;
    /// The last bytes of a file, at most `limit`.
    fn tail(&self, path: &str, limit: usize) -> Result<Vec<u8>, String>;
}

/// SHA-256 of files that are known to be bad, and what they are.
pub type KnownFiles = BTreeMap<[u8; 32], String>;

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EdgeReport {
    /// Traces.
    pub detections: Vec<Detection>,
    /// What could not be read.
    pub diagnostics: Vec<Diagnostic>,
    /// Files that were looked at.
    pub files: u64,
    /// Directories of a FortiGate that the image has; none means that it is no such image, or not whole.
    pub places: Vec<&'static str>,
}

/// Looks through a file system. `more` are known files besides the published ones.
pub fn check_tree(tree: &dyn FileTree, more: &KnownFiles) -> EdgeReport {
    let mut known = known::files();
    known.extend(more.iter().map(|(digest, name)| (*digest, name.clone())));
    let mut check = Check { tree, known, report: EdgeReport::default() };
    check.walk("", 0);
    let mut report = check.report;
    report.places =
        known::PLACES.iter().copied().filter(|place| matches!(tree.list(place), Ok(Some(_)))).collect();
    if report.places.is_empty() {
        let what = "the image has none of the directories of a FortiGate";
        let diagnostic = Diagnostic::warning("image-not-recognised", "/", what);
        report
            .diagnostics
            .push(diagnostic.with_fix("name the directory in which /bin, /data and /data2 lie"));
    }
    report.detections.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.title.cmp(&b.title)));
    report
}

struct Check<'a> {
    tree: &'a dyn FileTree,
    known: KnownFiles,
    report: EdgeReport,
}

impl Check<'_> {
    fn unread(&mut self, path: &str, what: String) {
        self.report.diagnostics.push(Diagnostic::error("file-unread", path, what));
    }

    fn walk(&mut self, directory: &str, depth: usize) {
        if depth > EDGE_DEPTH_MAX {
            return self.unread(directory, format!("more than {EDGE_DEPTH_MAX} directories deep"));
        }
        let place = if directory.is_empty() { "/" } else { directory };
        let mut entries = match self.tree.list(place) {
            Ok(Some(entries)) => entries,
            Ok(None) => return,
            Err(what) => return self.unread(place, what),
        };
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let late = times::late(directory, &entries);
        self.report.detections.extend(late);
        for entry in &entries {
            let path = format!("{directory}/{}", entry.name);
            self.entry(directory, &path, entry);
            if entry.kind == EntryKind::Directory {
                self.walk(&path, depth + 1);
            }
        }
    }

    fn entry(&mut self, directory: &str, path: &str, entry: &Entry) {
        if entry.kind == EntryKind::Directory {
            let hidden = entry.name.starts_with('.') && HIDDEN_IN.contains(&directory);
            if hidden && !HIDDEN_ALLOWED.contains(&entry.name.as_str()) {
                self.report.detections.push(hidden_directory(path, entry));
            }
            return;
        }
        if let Some(known) = KNOWN_PATHS.iter().find(|known| known.matches(path)) {
            let note = self.content_note(path, entry);
            self.report.detections.push(known_path(known, path, entry, &note));
        }
        if entry.kind == EntryKind::File {
            self.hash(path, entry);
        }
    }

    /// What a found file says of itself: the libraries that `ld.so.preload` loads, the end of `preload.so`.
    fn content_note(&self, path: &str, entry: &Entry) -> String {
        if entry.kind != EntryKind::File {
            return String::new();
        }
        if path.ends_with("/ld.so.preload") {
            let tail = match self.tree.tail(path, 512) {
                Ok(tail) => tail,
                Err(error) => return format!("; what it loads could not be read: {error}"),
            };
            let text: String = String::from_utf8_lossy(&tail).chars().filter(|c| !c.is_control()).collect();
            return format!("; it loads: {text}");
        }
        if path.ends_with("/preload.so") {
            let tail = match self.tree.tail(path, known::CONFIGURATION_BYTES) {
                Ok(tail) => tail,
                Err(error) => return format!("; its end could not be read: {error}"),
            };
            let hex = model::id::hex(&tail);
            return format!("; its last {} bytes, where the configuration stands: {hex}", tail.len());
        }
        String::new()
    }

    fn hash(&mut self, path: &str, entry: &Entry) {
        self.report.files += 1;
        if self.report.files > EDGE_FILES_MAX {
            if self.report.files == EDGE_FILES_MAX + 1 {
                self.unread(path, format!("more than {EDGE_FILES_MAX} files; the rest is not hashed"));
            }
            return;
        }
        // An implant is small; a disk image inside the image is not.
        if entry.size > EDGE_FILE_BYTES_MAX {
            let what = format!("not hashed: it has more than {EDGE_FILE_BYTES_MAX} bytes");
            self.report.diagnostics.push(Diagnostic::warning("file-unread", path, what));
            return;
        }
        match self.tree.sha256(path) {
            Ok(digest) => {
                if let Some(name) = self.known.get(&digest) {
                    let detection = known_file(path, entry, name, &model::id::hex(&digest));
                    self.report.detections.push(detection);
                }
            }
            Err(what) => self.unread(path, what),
        }
    }
}

/// What all traces have in common.
fn trace(id: &str, level: Level, techniques: &[&str], path: &str, modified: Option<Timestamp>) -> Detection {
    Detection {
        means: Means::Detector,
        id: id.to_owned(),
        title: String::new(),
        level,
        techniques: techniques.iter().map(|technique| (*technique).to_owned()).collect(),
        credit: CREDIT.to_owned(),
        source: SourceKind::Endpoint,
        about: vec![("file", path.to_owned())],
        first: modified,
        last: modified,
        count: 1,
        evidence: vec![Evidence {
            file: path.to_owned(),
            place: Place::default(),
            time: modified,
            text: String::new(),
        }],
        threshold: String::new(),
        baseline: String::new(),
        disproof: String::new(),
        advice: ADVICE.to_owned(),
    }
}

const ADVICE: &str = "do not update or reboot the device: take it off the network, keep the image and the \
                      device's memory, call your national centre; replace the device and all keys and passwords that it held";

impl Detection {
    fn with_evidence(mut self, text: String) -> Detection {
        if let Some(evidence) = self.evidence.first_mut() {
            evidence.text = text;
        }
        self
    }
}

fn known_file(path: &str, entry: &Entry, name: &str, hex: &str) -> Detection {
    Detection {
        title: format!("{path} is a known file of COATHANGER: {name}"),
        threshold: "SHA-256 is one of the published or imported ones".to_owned(),
        disproof: "none: the file is byte for byte one that was found in the implant; only a copy kept for \
                   analysis on this image would be harmless"
            .to_owned(),
        ..trace("edge-known-file", Level::Critical, &["T1554"], path, entry.modified)
    }
    .with_evidence(format!("{hex}  {path}  {} bytes", entry.size))
}

fn known_path(known: &known::KnownPath, path: &str, entry: &Entry, note: &str) -> Detection {
    Detection {
        title: format!("{path}: {}", known.what),
        threshold: "the file exists".to_owned(),
        disproof: known.disproof.to_owned(),
        ..trace("edge-known-path", known.level, known.techniques, path, entry.modified)
    }
    .with_evidence(format!("{path}  {} bytes{note}", entry.size))
}

fn hidden_directory(path: &str, entry: &Entry) -> Detection {
    Detection {
        title: format!("{path} is a hidden directory that a FortiGate does not have"),
        threshold: format!(
            "a directory of /data or /data2 that begins with a dot, other than {}",
            HIDDEN_ALLOWED.join(", ")
        ),
        disproof: "the vendor's support names the directory as one of its own".to_owned(),
        ..trace("edge-hidden-directory", Level::Medium, &["T1564.001"], path, entry.modified)
    }
    .with_evidence(path.to_owned())
}
