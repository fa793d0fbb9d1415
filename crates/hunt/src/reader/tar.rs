// SPDX-License-Identifier: Apache-2.0
//! The files in a tar archive (POSIX.1-1988 and later, which `ustar` marks), packed by gzip or zstd or not: each is a log.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::io::{self, Read};

use model::diagnostic::Diagnostic;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::archive::{LogSource, facts, is_swollen, miss, unread_member};
use super::convert::Peek;
use super::packed::Unpack;
use super::{Bomb, ReadFacts, Source};
use crate::limits::{
    ARCHIVE_MEMBERS_MAX, FILE_DIAGNOSTICS_MAX, TAR_HEADER_BYTES_MAX, TAR_NAME_BYTES_MAX as NAME_BYTES,
};

/// Whether some bytes begin a tar archive: by the magic with the zero that ends it, since a line of text may say `ustar`
/// anywhere.
pub(super) fn is_tar(head: &[u8]) -> bool {
    head.get(257..).is_some_and(|rest| rest.starts_with(b"ustar\0") || rest.starts_with(b"ustar  \0"))
}

/// Hands out each file in the archive; answers the facts of the archive itself.
pub(super) fn read_tar<R: Read>(
    peek: Peek<Unpack<R>>,
    name: &str,
    each: &mut dyn FnMut(&str, LogSource<'_>),
) -> ReadFacts {
    let all = Cell::new(0);
    let mut archive = Archive::new(Counted { inner: peek, all: &all });
    let mut told = Vec::new();
    let ended = members(&mut archive, name, each, &mut told);
    let mut peek = archive.into_inner().inner;
    let tap = peek.inner.tap();
    // What is left behind the last member is in the hash; that it cannot be read is known by then, or of no matter.
    let drained = tap.drain();
    let mut facts = facts(tap);
    told.into_iter().for_each(|diagnostic| miss(&mut facts, diagnostic));
    if let Err(error) = ended.and(drained) {
        let fault = match error.get_ref() {
            Some(inner) if inner.is::<Bomb>() => super::bomb(name),
            _ => unread_member(name.to_owned(), &error),
        };
        miss(&mut facts, fault);
    }
    facts.unpacked_bytes = all.get();
    facts
}

/// What stands before a member and tells more of it than its header can.
#[derive(Default)]
struct Before {
    name: Option<Vec<u8>>,
    /// Whether its size stands there, too.
    sized: bool,
}

fn members<R: Read>(
    archive: &mut Archive<R>,
    name: &str,
    each: &mut dyn FnMut(&str, LogSource<'_>),
    told: &mut Vec<Diagnostic>,
) -> io::Result<()> {
    let (mut names, mut before, mut count) = (Names::default(), Before::default(), 0);
    // Archives stand behind each other where one was added to another.
    archive.set_ignore_zeros(true);
    // Raw, for the library takes names of any length into memory.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::GNULongName => before.name = Some(long_name(&mut entry)?),
            EntryType::XHeader => before.extend(&mut entry)?,
            EntryType::GNULongLink | EntryType::XGlobalHeader => {}
            kind => {
                let Before { name: long, sized } = std::mem::take(&mut before);
                count += 1;
                if count > ARCHIVE_MEMBERS_MAX {
                    let message =
                        format!("it has more than {ARCHIVE_MEMBERS_MAX} members; the rest was not read");
                    told.push(Diagnostic::error("archive-too-large", name, message));
                    return Ok(());
                }
                if !holds_content(kind) {
                    continue;
                }
                let bytes = long.unwrap_or_else(|| entry.path_bytes().into_owned());
                let place = format!("{name}!{}", names.fresh(&String::from_utf8_lossy(&bytes)));
                if sized {
                    let why =
                        "its size stands in an extended header, which is not read; nor is what follows it";
                    told.push(unread_member(place, &why));
                    return Ok(());
                }
                if kind == EntryType::GNUSparse {
                    if told.len() < FILE_DIAGNOSTICS_MAX {
                        told.push(unread_member(place, &"it is sparse, which is not read"));
                    }
                    continue;
                }
                let mut whole = Whole { left: entry.size(), inner: entry };
                each(&place, Source::new(&mut whole as &mut dyn Read, &place).of_archive());
            }
        }
    }
    Ok(())
}

/// Whether an entry holds a file's content. What is of a type that is not known is one (POSIX.1-1988, section 10.1.1).
fn holds_content(kind: EntryType) -> bool {
    !matches!(
        kind,
        EntryType::Link
            | EntryType::Symlink
            | EntryType::Char
            | EntryType::Block
            | EntryType::Directory
            | EntryType::Fifo
    ) && !matches!(kind.as_byte(), b'D' | b'V')
}

/// Names that members are shown under; no two have the same.
#[derive(Default)]
struct Names {
    taken: HashSet<String>,
    counts: HashMap<String, u64>,
}

impl Names {
    fn fresh(&mut self, name: &str) -> String {
        if self.taken.insert(name.to_owned()) {
            return name.to_owned();
        }
        let count = self.counts.entry(name.to_owned()).or_insert(1);
        loop {
            *count += 1;
            let shown = format!("{name}#{count}");
            if self.taken.insert(shown.clone()) {
                return shown;
            }
        }
    }
}

/// A member; one that ends before it has all its bytes was cut off.
struct Whole<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(count as u64);
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends within it"));
        }
        Ok(count)
    }
}

/// A name that is longer than the header has room for.
fn long_name<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Vec<u8>> {
    let mut name = Vec::new();
    entry.take(NAME_BYTES as u64).read_to_end(&mut name)?;
    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
    Ok(name)
}

impl Before {
    /// Takes in an extended header (POSIX.1-2001, pax): of its records only two matter.
    fn extend<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        let mut records = Vec::new();
        entry.take(TAR_HEADER_BYTES_MAX).read_to_end(&mut records)?;
        for record in PaxExtensions::new(&records) {
            let Ok(record) = record else { break };
            match record.key_bytes() {
                b"path" => self.name = Some(record.value_bytes().iter().copied().take(NAME_BYTES).collect()),
                b"size" => self.sized = true,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Counts what is unpacked, and does not unpack for ever.
struct Counted<'a, R: Read> {
    inner: Peek<Unpack<R>>,
    all: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.all.set(self.all.get() + count as u64);
        if is_swollen(self.all.get(), self.inner.inner.tap().bytes) {
            return Err(io::Error::other(Bomb));
        }
        Ok(count)
    }
}
