// SPDX-License-Identifier: Apache-2.0
//! An input as one log, or as several: the members of an archive.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use model::diagnostic::Diagnostic;
use sha2::{Digest, Sha256};
use zip::{CompressionMethod, ZipArchive};

use crate::limits::{
    ARCHIVE_MEMBERS_MAX, FILE_DIAGNOSTICS_MAX, SPOOL_BYTES_MAX, UNPACK_BYTES_MAX, UNPACK_RATIO_MAX,
};

use super::members::{Member, listed};
use super::packed::Tap;
use super::spool::{ReadSeek, Spool};
use super::tar::read_tar;
use super::{Bomb, HEAD_BYTES, Packing, ReadFacts, Source, bomb};

/// What logs are read from.
pub enum Input<'a> {
    /// A file whose parts can be read in any order.
    File(Box<dyn ReadSeek>),
    /// What can only be read once, from front to back: a pipe, a socket.
    Stream(&'a mut dyn Read),
}

/// A log as [`read_logs`] hands it out.
pub type LogSource<'a> = Source<&'a mut dyn Read>;

/// Reads an input as one log, or, of a zip or tar archive, as one log a member, which is called `archive!member`; the second
/// of a name is called `archive!member#2`.
/// Each is handed out with its name, to be read and finished before the next one is.
///
/// Of an archive the facts of the archive itself are answered: its hash, and a diagnostic for each member that
/// is not read. Of anything else there is nothing besides what [`Source::finish`] tells.
///
/// ```
/// use hunt::reader::{Input, read_logs};
///
/// let mut names = Vec::new();
/// let archive = read_logs(Input::Stream(&mut &b"a line\n"[..]), "x.log", &mut |name, mut source| {
///     let block = source.next_block(Vec::new()).unwrap();
///     names.push((name.to_owned(), block.bytes, source.finish().lines));
/// });
/// assert!(archive.is_none());
/// assert_eq!(names, [("x.log".to_owned(), b"a line\n".to_vec(), 1)]);
/// ```
pub fn read_logs(
    input: Input<'_>,
    name: &str,
    each: &mut dyn FnMut(&str, LogSource<'_>),
) -> Option<ReadFacts> {
    match input {
        Input::File(file) => read_file(file, name, each),
        Input::Stream(stream) => read_stream(stream, name, each),
    }
}

/// Bytes that tell what an input is.
const HEAD_PEEKED: u64 = 8;

fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") || head.starts_with(b"PK\x07\x08")
}

fn read_file(
    mut file: Box<dyn ReadSeek>,
    name: &str,
    each: &mut dyn FnMut(&str, LogSource<'_>),
) -> Option<ReadFacts> {
    let mut head = Vec::new();
    let failed = (&mut file).take(HEAD_PEEKED).read_to_end(&mut head).err();
    if failed.is_some() || file.seek(SeekFrom::Start(0)).is_err() {
        // A pipe under the name of a file: what was looked at does not come again.
        return read_stream(&mut Cursor::new(head).chain(Failing(failed)).chain(file), name, each);
    }
    let parquet = head.starts_with(b"PAR1");
    if !(is_zip(&head) || parquet) {
        return read_one(&mut file, name, each);
    }
    // Random access passes no bytes in order: they are hashed first.
    let mut tap = Tap::new(file);
    tap.sniff();
    let passed = tap.drain();
    let (Some(file), mut tap) = tap.into_reader() else { return None };
    let spool = passed.and_then(|()| Spool::of_file(file));
    match spool {
        Ok(spool) if parquet => {
            each(name, Source::of_parquet(spool, Tap::of_passed(tap), name));
            None
        }
        Ok(spool) => Some(read_zip(spool, facts(&mut tap), name, each)),
        Err(error) => {
            let mut facts = facts(&mut tap);
            let message = format!("it could not be read: {error}");
            miss(&mut facts, Diagnostic::error("read-failed", name, message));
            Some(facts)
        }
    }
}

/// One log, unless it is a tar archive, which is known by what it unpacks to.
fn read_one(
    reader: &mut dyn Read,
    name: &str,
    each: &mut dyn FnMut(&str, LogSource<'_>),
) -> Option<ReadFacts> {
    match Source::unless_tar(reader, name) {
        Ok(source) => {
            each(name, source);
            None
        }
        Err(peek) => Some(read_tar(*peek, name, each)),
    }
}

fn read_stream(
    stream: &mut dyn Read,
    name: &str,
    each: &mut dyn FnMut(&str, LogSource<'_>),
) -> Option<ReadFacts> {
    let mut head = Vec::new();
    let failed = (&mut *stream).take(HEAD_PEEKED).read_to_end(&mut head).err();
    let zip = is_zip(&head);
    let mut again = Cursor::new(head).chain(Failing(failed)).chain(stream);
    if !zip {
        return read_one(&mut again, name, each);
    }
    let mut tap = Tap::new(&mut again as &mut dyn Read);
    tap.sniff();
    match Spool::read(&mut tap, SPOOL_BYTES_MAX) {
        Ok(spool) => Some(read_zip(spool, facts(&mut tap), name, each)),
        Err(error) => {
            let mut facts = facts(&mut tap);
            miss(&mut facts, error.diagnostic(name, "a zip archive"));
            Some(facts)
        }
    }
}

/// A failure that was met while looking ahead, in its place.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// What is known of an archive once all of it has passed.
pub(super) fn facts<R>(tap: &mut Tap<R>) -> ReadFacts {
    ReadFacts {
        bytes: tap.bytes,
        unpacked_bytes: 0,
        sha256: tap.hash.finish(),
        head_sha256: Sha256::digest(tap.head.get(..HEAD_BYTES).unwrap_or(&tap.head)).into(),
        head: std::mem::take(&mut tap.head),
        packing: Packing::Plain,
        content: None,
        made_from: None,
        by_record: false,
        lines: 0,
        unread_lines: 0,
        whole: true,
        diagnostics: Vec::new(),
    }
}

pub(super) fn miss(facts: &mut ReadFacts, diagnostic: Diagnostic) {
    facts.whole = false;
    if facts.diagnostics.len() < FILE_DIAGNOSTICS_MAX {
        facts.diagnostics.push(diagnostic);
    }
}

fn read_zip(
    spool: Spool,
    mut facts: ReadFacts,
    name: &str,
    each: &mut dyn FnMut(&str, LogSource<'_>),
) -> ReadFacts {
    let mut archive = match ZipArchive::new(io::BufReader::new(spool.reader(0))) {
        Ok(archive) => archive,
        Err(error) => {
            let message = format!("its list of members cannot be read: {error}; none of them was");
            let fix = "fetch the file again; it may have been cut short or still be written";
            miss(&mut facts, Diagnostic::error("archive-damaged", name, message).with_fix(fix));
            return facts;
        }
    };
    let members = match listed(&spool, archive.central_directory_start()) {
        Ok((members, again)) => {
            if again > 0 {
                let message =
                    format!("{again} of its members have the name of another; they are read as `name#2`");
                facts.diagnostics.push(Diagnostic::warning("archive-names-twice", name, message));
            }
            members
        }
        Err(error) => {
            miss(&mut facts, unread_member(name.to_owned(), &error));
            return facts;
        }
    };
    let kept: BTreeMap<u64, usize> = (0..archive.len())
        .filter_map(|nth| Some((archive.by_index_data(nth).ok()?.central_header_start(), nth)))
        .collect();
    if members.len() < kept.len().min(ARCHIVE_MEMBERS_MAX) {
        let what = "its list of members contradicts itself; some were not read";
        miss(&mut facts, unread_member(name.to_owned(), &what));
    }
    let all = Cell::new(0);
    for (nth, member) in members.iter().enumerate() {
        if nth >= ARCHIVE_MEMBERS_MAX {
            let message = format!("it has more than {ARCHIVE_MEMBERS_MAX} members; the rest was not read");
            miss(&mut facts, Diagnostic::error("archive-too-large", name, message));
            break;
        }
        let before = all.get();
        let mut reading = Reading { archive_bytes: facts.bytes, all: &all, name, each };
        let read = match kept.get(&member.at) {
            Some(nth) => reading.kept(&mut archive, *nth, &member.shown),
            None => reading.hidden(&spool, archive.offset(), member),
        };
        if let Err(diagnostic) = read {
            miss(&mut facts, diagnostic);
        }
        if is_swollen(all.get(), facts.bytes) && all.get() > before {
            miss(&mut facts, bomb(name));
            break;
        }
    }
    facts.unpacked_bytes = all.get();
    facts
}

pub(super) fn is_swollen(unpacked: u64, packed: u64) -> bool {
    unpacked > UNPACK_BYTES_MAX && unpacked / packed.max(1) > UNPACK_RATIO_MAX
}

/// Hands members out, or says why not.
struct Reading<'a> {
    archive_bytes: u64,
    all: &'a Cell<u64>,
    name: &'a str,
    each: &'a mut dyn FnMut(&str, LogSource<'_>),
}

impl Reading<'_> {
    /// A member that the library keeps.
    fn kept<R: Read + Seek>(
        &mut self,
        archive: &mut ZipArchive<R>,
        nth: usize,
        shown: &str,
    ) -> Result<(), Diagnostic> {
        let place = format!("{}!{shown}", self.name);
        match archive.by_index_data(nth) {
            Ok(entry) if entry.is_dir() => return Ok(()),
            Ok(entry) if entry.encrypted() => return Err(encrypted(place)),
            Ok(entry) => match entry.compression() {
                CompressionMethod::Stored | CompressionMethod::Deflated => {}
                method => return Err(foreign_method(place, &method)),
            },
            Err(error) => return Err(unread_member(place, &error)),
        }
        match archive.by_index(nth) {
            Ok(member) => {
                let packed = member.compressed_size();
                self.hand_out(&place, packed, member);
                Ok(())
            }
            Err(error) => Err(unread_member(place, &error)),
        }
    }

    /// A member whose name a later one has.
    fn hidden(&mut self, spool: &Spool, offset: u64, member: &Member) -> Result<(), Diagnostic> {
        let place = format!("{}!{}", self.name, member.shown);
        match member.method {
            _ if member.is_dir => Ok(()),
            _ if member.flags & 1 == 1 => Err(encrypted(place)),
            0 | 8 => {
                let content = member.open(spool, offset).map_err(|e| unread_member(place.clone(), &e))?;
                self.hand_out(&place, member.packed, content);
                Ok(())
            }
            method => Err(foreign_method(place, &format_args!("method {method}"))),
        }
    }

    fn hand_out(&mut self, place: &str, packed: u64, member: impl Read) {
        let mut bounded =
            Bounded { inner: member, unpacked: 0, packed, all: self.all, archive_bytes: self.archive_bytes };
        (self.each)(place, Source::new(&mut bounded as &mut dyn Read, place).of_archive());
    }
}

fn encrypted(place: String) -> Diagnostic {
    let fix = "unpack it with its password, and hunt in the result";
    Diagnostic::error("archive-encrypted", place, "it is encrypted and was not read").with_fix(fix)
}

fn foreign_method(place: String, method: &dyn Display) -> Diagnostic {
    let message = format!("it is packed by {method}, which is not read");
    let fix = "unpack it with another program, and hunt in the result";
    Diagnostic::error("archive-method-not-supported", place, message).with_fix(fix)
}

pub(super) fn unread_member(place: String, error: &dyn Display) -> Diagnostic {
    let message = format!("the member could not be read: {error}");
    Diagnostic::error("archive-damaged", place, message)
        .with_fix("fetch the archive again; it may have been cut short")
}

/// A member that is not read for ever.
struct Bounded<'a, R> {
    inner: R,
    unpacked: u64,
    packed: u64,
    /// Bytes of all members so far: the same bytes of an archive may be in many of them.
    all: &'a Cell<u64>,
    archive_bytes: u64,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.unpacked += count as u64;
        self.all.set(self.all.get() + count as u64);
        if is_swollen(self.unpacked, self.packed) || is_swollen(self.all.get(), self.archive_bytes) {
            return Err(io::Error::other(Bomb));
        }
        Ok(count)
    }
}
