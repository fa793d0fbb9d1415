// SPDX-License-Identifier: Apache-2.0
//! The files in a tar archive (POSIX.1-1988 and later, which `ustar` marks), packed by gzip or zstd or not: each is a log.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, Read};

use model::diagnostic::Diagnostic;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::archive::{LogSource, facts, is_swollen, miss, unread_member};
use super::convert::Peek;
use super::packed::Unpack;
use super::{Bomb, ReadFacts, Source};
use crate::limits::{ARCHIVE_MEMBERS_MAX, TAR_NAME_BYTES_MAX};

/// Whether some bytes begin a tar archive.
pub(super) fn is_tar(head: &[u8]) -> bool {
    head.get(257..).is_some_and(|rest| rest.starts_with(b"ustar"))
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
    let (mut names, mut before, mut count) = (HashMap::<String, u64>::new(), Before::default(), 0);
    // Raw, for the library takes names of any length into memory.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName => before.name = Some(long_name(&mut entry)?),
            EntryType::XHeader => before.extend(&mut entry)?,
            EntryType::GNULongLink | EntryType::XGlobalHeader => {}
            _ => {
                let Before { name: long, sized } = std::mem::take(&mut before);
                let bytes = long.unwrap_or_else(|| entry.path_bytes().into_owned());
                let plain = String::from_utf8_lossy(&bytes).into_owned();
                let again = names.entry(plain.clone()).or_default();
                *again += 1;
                let shown = if *again == 1 { plain } else { format!("{plain}#{again}") };
                let place = format!("{name}!{shown}");
                if sized {
                    let why =
                        "its size stands in an extended header, which is not read; nor is what follows it";
                    told.push(unread_member(place, &why));
                    return Ok(());
                }
                match kind {
                    EntryType::Regular | EntryType::Continuous => {
                        count += 1;
                        if count > ARCHIVE_MEMBERS_MAX {
                            let message = format!(
                                "it has more than {ARCHIVE_MEMBERS_MAX} members; the rest was not read"
                            );
                            told.push(Diagnostic::error("archive-too-large", name, message));
                            return Ok(());
                        }
                        each(&place, Source::new(&mut entry as &mut dyn Read, &place).of_archive());
                    }
                    EntryType::GNUSparse => {
                        told.push(unread_member(place, &"it is sparse, which is not read"))
                    }
                    // Folders, links, devices.
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

/// A name that is longer than the header has room for.
fn long_name<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Vec<u8>> {
    let mut name = Vec::new();
    entry.take(TAR_NAME_BYTES_MAX).read_to_end(&mut name)?;
    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
    Ok(name)
}

impl Before {
    /// Takes in an extended header (POSIX.1-2001, pax): of its records only two matter.
    fn extend<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        let mut records = Vec::new();
        entry.take(TAR_NAME_BYTES_MAX).read_to_end(&mut records)?;
        for record in PaxExtensions::new(&records) {
            let Ok(record) = record else { break };
            match record.key_bytes() {
                b"path" => self.name = Some(record.value_bytes().to_vec()),
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
