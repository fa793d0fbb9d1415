// SPDX-License-Identifier: Apache-2.0
//! Members of a zip archive that have the name of another. The library keeps one of each name, the last; a writer that
//! adds to an archive, or a hand that hides something in one, leaves several.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use super::spool::{Spool, SpoolReader};
use crate::limits::ARCHIVE_MEMBERS_MAX;

/// A member as the central directory tells of it (APPNOTE section 4.3.12).
pub(super) struct Member {
    /// Its name, of the second of a name with `#2` and so on.
    pub(super) shown: String,
    /// Where its header in the directory begins: what the library knows it by.
    pub(super) at: u64,
    pub(super) flags: u16,
    /// How it is packed: 0 not at all, 8 by deflate.
    pub(super) method: u16,
    crc: u32,
    /// Bytes in the archive.
    pub(super) packed: u64,
    /// Where its own header begins, from the archive's beginning.
    header: u64,
    /// Whether it is a directory.
    pub(super) is_dir: bool,
}

/// Members as they are listed, at most one more than are read; and how many of them have the name of an earlier one.
pub(super) fn listed(spool: &Spool, directory: u64) -> io::Result<(Vec<Member>, usize)> {
    let mut input = io::BufReader::new(spool.reader(directory));
    let (mut at, mut members, mut names) = (directory, Vec::new(), Vec::new());
    while members.len() <= ARCHIVE_MEMBERS_MAX {
        let mut head = [0; 46];
        // Behind the last member stands something else, or nothing.
        if input.read_exact(&mut head).is_err() || !head.starts_with(b"PK\x01\x02") {
            break;
        }
        let (name_len, extra_len, comment_len) = (short(&head, 28), short(&head, 30), short(&head, 32));
        let mut rest = vec![0; usize::from(name_len) + usize::from(extra_len) + usize::from(comment_len)];
        input.read_exact(&mut rest)?;
        let (name, rest) = rest.split_at_checked(usize::from(name_len)).unwrap_or_default();
        let extra = rest.get(..usize::from(extra_len)).unwrap_or_default();
        let (packed, header) = large(&head, extra);
        members.push(Member {
            shown: String::new(),
            at,
            flags: short(&head, 8),
            method: short(&head, 10),
            crc: long(&head, 16),
            packed,
            header,
            is_dir: matches!(name.last(), Some(b'/' | b'\\')),
        });
        names.push(name.to_vec());
        at += 46 + u64::from(name_len) + u64::from(extra_len) + u64::from(comment_len);
    }
    let again = number(&mut members, &names);
    Ok((members, again))
}

/// Gives each member the name under which it is shown; no two have the same.
fn number(members: &mut [Member], names: &[Vec<u8>]) -> usize {
    let mut taken: BTreeSet<String> =
        names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let (mut counts, mut again) = (BTreeMap::<&[u8], u64>::new(), 0);
    for (member, name) in members.iter_mut().zip(names) {
        let plain = String::from_utf8_lossy(name);
        let count = counts.entry(name).or_default();
        *count += 1;
        member.shown = plain.clone().into_owned();
        if *count == 1 {
            continue;
        }
        again += 1;
        member.shown = format!("{plain}#{count}");
        while !taken.insert(member.shown.clone()) {
            *count += 1;
            member.shown = format!("{plain}#{count}");
        }
    }
    again
}

fn short(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

fn long(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Bytes in the archive and the place of the member's header; what does not fit stands in the extra field 1
/// (section 4.5.3), each of the numbers only where it does not fit.
fn large(head: &[u8], mut extra: &[u8]) -> (u64, u64) {
    let (unpacked, mut packed) = (long(head, 24), u64::from(long(head, 20)));
    let mut header = u64::from(long(head, 42));
    while let Some((field, rest)) = extra.split_at_checked(4) {
        let length = usize::from(short(field, 2)).min(rest.len());
        let (mut content, rest) = rest.split_at(length);
        extra = rest;
        if short(field, 0) != 1 {
            continue;
        }
        let mut next = || {
            let (number, rest) = content.split_first_chunk::<8>()?;
            content = rest;
            Some(u64::from_le_bytes(*number))
        };
        if unpacked == u32::MAX {
            next();
        }
        if packed == u64::from(u32::MAX) {
            packed = next().unwrap_or(packed);
        }
        if header == u64::from(u32::MAX) {
            header = next().unwrap_or(header);
        }
        break;
    }
    (packed, header)
}

impl Member {
    /// Opens it, in an archive that begins at `offset`.
    pub(super) fn open(&self, spool: &Spool, offset: u64) -> io::Result<Content> {
        let outside = || io::Error::new(io::ErrorKind::InvalidData, "its header is not where it should be");
        let at = offset.checked_add(self.header).ok_or_else(outside)?;
        let mut head = [0; 30];
        spool.reader(at).read_exact(&mut head)?;
        if !head.starts_with(b"PK\x03\x04") {
            return Err(outside());
        }
        let names = u64::from(short(&head, 26)) + u64::from(short(&head, 28));
        let begin = at.checked_add(30 + names).ok_or_else(outside)?;
        let packed = io::BufReader::new(spool.reader(begin).take(self.packed));
        let inner = match self.method {
            8 => Unpacked::Deflated(flate2::bufread::DeflateDecoder::new(packed)),
            _ => Unpacked::Stored(packed),
        };
        Ok(Content { inner, crc: flate2::Crc::new(), expected: self.crc })
    }
}

enum Unpacked {
    Deflated(flate2::bufread::DeflateDecoder<io::BufReader<io::Take<SpoolReader>>>),
    Stored(io::BufReader<io::Take<SpoolReader>>),
}

/// What a member holds; at its end the checksum is held against it.
pub(super) struct Content {
    inner: Unpacked,
    crc: flate2::Crc,
    expected: u32,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.inner {
            Unpacked::Deflated(inner) => inner.read(buffer)?,
            Unpacked::Stored(inner) => inner.read(buffer)?,
        };
        if count == 0 && !buffer.is_empty() && self.crc.sum() != self.expected {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "Invalid checksum"));
        }
        self.crc.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}
