// SPDX-License-Identifier: Apache-2.0
//! The file of a backup: a tar archive whose first entry names every part with its SHA-256, and whose last
//! holds the SHA-256 of all that stands before it. Every byte is covered: a file that was cut or changed
//! anywhere is refused before anything of it is used (`docs/backup.md`).

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ledger::checkpoint::{Checkpoint, Origin};
use model::id::{MemberId, hex, hex_decode};
use model::time::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// Name of the first entry.
const MANIFEST: &str = "manifest.json";
/// Name of the last entry.
const CHECKSUM: &str = "checksum";
const FORMAT: &str = "polder-backup/1";
const BLOCK_BYTES: usize = 512;
/// Header and content of the last entry, and the two empty blocks that end an archive.
const TAIL_BYTES: u64 = 4 * BLOCK_BYTES as u64;
/// Largest manifest that is read.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most parts of a backup.
const PARTS_MAX: usize = 200_000;

/// What a backup says of itself.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Whose node.
    pub member: MemberId,
    /// When it was made.
    pub created: Timestamp,
    /// How far each own log reaches, the oldest first.
    pub logs: Vec<Checkpoint>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    name: String,
    bytes: u64,
    sha256: [u8; 32],
}

impl Manifest {
    /// How far the newest log reaches.
    pub fn newest(&self) -> Option<&Checkpoint> {
        self.logs.last()
    }

    fn print(&self) -> String {
        let logs: Vec<Value> = self
            .logs
            .iter()
            .map(|log| json!({ "origin": log.origin.to_string(), "size": log.size, "root": hex(&log.root) }))
            .collect();
        let parts: Vec<Value> = self
            .parts
            .iter()
            .map(|part| json!({ "name": part.name, "bytes": part.bytes, "sha256": hex(&part.sha256) }))
            .collect();
        let manifest = json!({
            "format": FORMAT, "member": self.member.to_string(), "created": self.created.to_string(), "logs": logs,
            "parts": parts,
        });
        format!("{manifest:#}\n")
    }

    fn parse(text: &[u8]) -> Option<Manifest> {
        let value: Value = serde_json::from_slice(text).ok()?;
        let text = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
        let hash = |value: &Value, name: &str| hex_decode(&text(value, name)?)?.try_into().ok();
        if text(&value, "format")? != FORMAT {
            return None;
        }
        let logs = value.get("logs")?.as_array()?.iter().map(|log| {
            let origin: Origin = text(log, "origin")?.parse().ok()?;
            Some(Checkpoint { origin, size: log.get("size")?.as_u64()?, root: hash(log, "root")? })
        });
        let parts = value.get("parts")?.as_array()?.iter().map(|part| {
            let name = text(part, "name").filter(|name| is_part(name))?;
            Some(Part { name, bytes: part.get("bytes")?.as_u64()?, sha256: hash(part, "sha256")? })
        });
        let parts: Vec<Part> = parts.collect::<Option<_>>()?;
        Some(Manifest {
            member: MemberId::parse(&text(&value, "member")?).ok()?,
            created: Timestamp::parse(&text(&value, "created")?).ok()?,
            logs: logs.collect::<Option<_>>()?,
            parts: Some(parts).filter(|parts| parts.len() <= PARTS_MAX)?,
        })
    }
}

/// Names that a part may have: nothing leaves the directory that is restored.
fn is_part(name: &str) -> bool {
    let key = name.strip_prefix("keys/").and_then(|key| key.strip_suffix(".key"));
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let run = name.strip_prefix("history/").map(|run| run.strip_suffix(".parquet").unwrap_or(run));
    name == "polder.db" || name == "published" || key.is_some_and(plain) || run.is_some_and(plain)
}

/// Writes the archive. `parts` are names and the files that they come from.
pub fn write(
    to: &mut impl Write,
    member: MemberId,
    created: Timestamp,
    logs: Vec<Checkpoint>,
    parts: &[(String, PathBuf)],
) -> Result<Manifest, Failure> {
    let mut named = Vec::new();
    for (name, path) in parts {
        let mut file = open(path)?;
        let mut out = Hashing { to: io::sink(), hash: Sha256::new() };
        let bytes = io::copy(&mut file, &mut out).map_err(|e| Failure::io("read", path, &e))?;
        named.push(Part { name: name.clone(), bytes, sha256: out.hash.finalize().into() });
    }
    let manifest = Manifest { member, created, logs, parts: named };
    let mut out = Hashing { to: &mut *to, hash: Sha256::new() };
    let fault = |e: io::Error| Failure::io("write", Path::new("the backup"), &e);
    let text = manifest.print();
    let seconds = u64::try_from(created.micros() / 1_000_000).unwrap_or(0);
    entry(&mut out, MANIFEST, seconds, text.len() as u64, &mut text.as_bytes()).map_err(fault)?;
    for (part, (_, path)) in manifest.parts.iter().zip(parts) {
        let mut file = open(path)?;
        entry(&mut out, &part.name, seconds, part.bytes, &mut file).map_err(fault)?;
    }
    let hash = out.hash.finalize().into();
    to.write_all(&tail(&hash).map_err(fault)?).map_err(fault)?;
    Ok(manifest)
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|e| Failure::io("read", path, &e))
}

/// One entry: header, content, and zeros up to the next block.
fn entry(
    out: &mut impl Write,
    name: &str,
    seconds: u64,
    bytes: u64,
    content: &mut impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(seconds);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    out.write_all(header.as_bytes())?;
    let copied = io::copy(&mut content.take(bytes), out)?;
    if copied != bytes {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("{name} changed while it was read"),
        ));
    }
    let padding = bytes.next_multiple_of(BLOCK_BYTES as u64) - bytes;
    out.write_all(&[0; BLOCK_BYTES][..padding as usize])
}

/// The end of an archive whose other bytes have this hash.
fn tail(hash: &[u8; 32]) -> io::Result<Vec<u8>> {
    let text = format!("{}\n", hex(hash));
    let mut tail = Vec::with_capacity(TAIL_BYTES as usize);
    entry(&mut tail, CHECKSUM, 0, text.len() as u64, &mut text.as_bytes())?;
    tail.resize(TAIL_BYTES as usize, 0);
    Ok(tail)
}

struct Hashing<W> {
    to: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        if let Some(bytes) = bytes.get(..written) {
            self.hash.update(bytes);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Verifies an archive as a whole and unpacks it into an empty directory, synced.
pub fn unpack(path: &Path, into: &Path) -> Result<Manifest, Failure> {
    let damaged = |what: &str| {
        Failure::not_found(format!(
            "{}: {what}; it was cut or changed, or is no backup of polder. Nothing was restored; take another backup",
            path.display()
        ))
    };
    let fault = |e: io::Error| Failure::io("read", path, &e);
    let mut file = open(path)?;
    let bytes = file.metadata().map_err(fault)?.len();
    let body = bytes.checked_sub(TAIL_BYTES).ok_or_else(|| damaged("it is too short"))?;
    let mut out = Hashing { to: io::sink(), hash: Sha256::new() };
    io::copy(&mut (&mut file).take(body), &mut out).map_err(fault)?;
    let mut end = Vec::new();
    file.read_to_end(&mut end).map_err(fault)?;
    if end != tail(&out.hash.finalize().into()).map_err(fault)? {
        return Err(damaged("its checksum fails"));
    }
    file.seek(SeekFrom::Start(0)).map_err(fault)?;
    let mut archive = tar::Archive::new(BufReader::new(file.take(body)));
    let mut entries = archive.entries().map_err(fault)?;
    let mut next = || entries.next().transpose().map_err(fault);

    let first = next()?.filter(|entry| entry.path_bytes() == MANIFEST.as_bytes());
    let first = first.filter(|entry| entry.size() <= MANIFEST_BYTES_MAX);
    let mut text = Vec::new();
    first.ok_or_else(|| damaged("it has no manifest"))?.read_to_end(&mut text).map_err(fault)?;
    let manifest = Manifest::parse(&text)
        .ok_or_else(|| damaged("its manifest is not of a format that this program reads"))?;
    for part in &manifest.parts {
        let entry = next()?.filter(|entry| {
            entry.path_bytes() == part.name.as_bytes()
                && entry.size() == part.bytes
                && entry.header().entry_type().is_file()
        });
        let mut entry = entry.ok_or_else(|| damaged(&format!("{} is missing", part.name)))?;
        if extract(&mut entry, &into.join(&part.name))? != part.sha256 {
            return Err(damaged(&format!("{} is not what the manifest says", part.name)));
        }
    }
    if next()?.is_some() || !manifest.parts.iter().any(|part| part.name == "polder.db") {
        return Err(damaged("its parts are not those of a backup"));
    }
    Ok(manifest)
}

/// Writes one part, for its owner alone; answers its hash.
fn extract(from: &mut impl Read, to: &Path) -> Result<[u8; 32], Failure> {
    let fault = |e: io::Error| Failure::io("write", to, &e);
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(|e| Failure::io("make", parent, &e))?;
    }
    let file = File::options().write(true).create_new(true).mode(0o600).open(to).map_err(fault)?;
    let mut out = Hashing { to: file, hash: Sha256::new() };
    io::copy(from, &mut out).map_err(fault)?;
    out.to.sync_all().map_err(fault)?;
    Ok(out.hash.finalize().into())
}
