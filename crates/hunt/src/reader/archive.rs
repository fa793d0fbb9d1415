// SPDX-License-Identifier: Apache-2.0
//! An input as one log, or as several: the members of a zip archive.

use std::cell::Cell;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use model::diagnostic::Diagnostic;
use sha2::{Digest, Sha256};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use crate::limits::{
    ARCHIVE_MEMBERS_MAX, FILE_DIAGNOSTICS_MAX, SPOOL_BYTES_MAX, UNPACK_BYTES_MAX, UNPACK_RATIO_MAX,
};

use super::packed::Tap;
use super::spool::{ReadSeek, Spool};
use super::{Bomb, HEAD_BYTES, Packing, ReadFacts, Source, bomb};

/// Longest end of a central directory with its comment.
const ZIP_END_BYTES_MAX: u64 = 22 + 65_535;

/// What logs are read from.
pub enum Input<'a> {
    /// A file whose parts can be read in any order.
    File(Box<dyn ReadSeek>),
    /// What can only be read once, from front to back: a pipe, a socket.
    Stream(&'a mut dyn Read),
}

/// A log as [`read_logs`] hands it out.
pub type LogSource<'a> = Source<&'a mut dyn Read>;

/// Reads an input as one log, or, of a zip archive, as one log a member, which is called `archive!member`.
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

fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") || head.starts_with(b"PK\x07\x08")
}

fn read_file(
    mut file: Box<dyn ReadSeek>,
    name: &str,
    each: &mut dyn FnMut(&str, LogSource<'_>),
) -> Option<ReadFacts> {
    let mut head = Vec::new();
    let sniffed = (&mut file).take(8).read_to_end(&mut head).and_then(|_| file.seek(SeekFrom::Start(0)));
    let parquet = head.starts_with(b"PAR1");
    if sniffed.is_err() || !(is_zip(&head) || parquet) {
        // What fails here fails again where it is told.
        each(name, Source::new(&mut file, name));
        return None;
    }
    // Random access passes no bytes in order: they are hashed first.
    let mut tap = Tap::new(file);
    tap.sniff();
    let passed = tap.drain();
    let (Some(file), tap) = tap.into_reader() else { return None };
    let spool = passed.and_then(|()| Spool::of_file(file));
    match spool {
        Ok(spool) if parquet => {
            each(name, Source::of_parquet(spool, Tap::of_passed(tap), name));
            None
        }
        Ok(spool) => Some(read_zip(spool, facts(tap), name, each)),
        Err(error) => {
            let mut facts = facts(tap);
            let message = format!("it could not be read: {error}");
            miss(&mut facts, Diagnostic::error("read-failed", name, message));
            Some(facts)
        }
    }
}

fn read_stream(
    stream: &mut dyn Read,
    name: &str,
    each: &mut dyn FnMut(&str, LogSource<'_>),
) -> Option<ReadFacts> {
    let mut head = Vec::new();
    let failed = (&mut *stream).take(8).read_to_end(&mut head).err();
    let zip = is_zip(&head);
    let mut again = Cursor::new(head).chain(Failing(failed)).chain(stream);
    if !zip {
        each(name, Source::new(&mut again, name));
        return None;
    }
    let mut tap = Tap::new(&mut again as &mut dyn Read);
    tap.sniff();
    match Spool::read(&mut tap, SPOOL_BYTES_MAX) {
        Ok(spool) => Some(read_zip(spool, facts(tap), name, each)),
        Err(error) => {
            let mut facts = facts(tap);
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
fn facts<R>(mut tap: Tap<R>) -> ReadFacts {
    ReadFacts {
        bytes: tap.bytes,
        unpacked_bytes: 0,
        sha256: tap.hash.finish(),
        head_sha256: Sha256::digest(tap.head.get(..HEAD_BYTES).unwrap_or(&tap.head)).into(),
        head: tap.head,
        packing: Packing::Plain,
        made_from: None,
        lines: 0,
        unread_lines: 0,
        whole: true,
        diagnostics: Vec::new(),
    }
}

fn miss(facts: &mut ReadFacts, diagnostic: Diagnostic) {
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
    // The library keeps one of several members of one name.
    match members_listed(&spool) {
        Some(listed) if listed > archive.len() as u64 => {
            let hidden = listed - archive.len() as u64;
            let message =
                format!("{hidden} of its {listed} members have the name of another and were not read");
            let fix = "unpack it with another program, and hunt in the result";
            miss(&mut facts, Diagnostic::error("archive-names-twice", name, message).with_fix(fix));
        }
        _ => {}
    }
    let all = Cell::new(0);
    for nth in 0..archive.len() {
        if nth >= ARCHIVE_MEMBERS_MAX {
            let message = format!("it has more than {ARCHIVE_MEMBERS_MAX} members; the rest was not read");
            miss(&mut facts, Diagnostic::error("archive-too-large", name, message));
            break;
        }
        let before = all.get();
        if let Err(diagnostic) = read_member(&mut archive, nth, facts.bytes, &all, name, each) {
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

/// How many members the archive says that it has: the end of its central directory (APPNOTE section 4.3.16), or
/// `None` where that cannot be told.
fn members_listed(spool: &Spool) -> Option<u64> {
    let mut reader = spool.reader(0);
    let end = reader.seek(SeekFrom::End(0)).ok()?;
    reader.seek(SeekFrom::Start(end.saturating_sub(ZIP_END_BYTES_MAX))).ok()?;
    let mut tail = Vec::new();
    reader.take(ZIP_END_BYTES_MAX).read_to_end(&mut tail).ok()?;
    let at = memchr::memmem::rfind(&tail, b"PK\x05\x06")?;
    let count = tail.get(at + 10..at + 12)?;
    let count = u16::from_le_bytes(count.try_into().ok()?);
    // More members than fit are listed elsewhere.
    (count != u16::MAX).then_some(u64::from(count))
}

fn is_swollen(unpacked: u64, packed: u64) -> bool {
    unpacked > UNPACK_BYTES_MAX && unpacked / packed.max(1) > UNPACK_RATIO_MAX
}

/// Hands one member out, or says why not.
fn read_member<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    nth: usize,
    archive_bytes: u64,
    all: &Cell<u64>,
    name: &str,
    each: &mut dyn FnMut(&str, LogSource<'_>),
) -> Result<(), Diagnostic> {
    let place = match archive.by_index_data(nth) {
        Ok(entry) if entry.is_dir() => return Ok(()),
        Ok(entry) => {
            let place = format!("{name}!{}", String::from_utf8_lossy(entry.name_raw()));
            if entry.encrypted() {
                let fix = "unpack it with its password, and hunt in the result";
                let message = "it is encrypted and was not read";
                return Err(Diagnostic::error("archive-encrypted", place, message).with_fix(fix));
            }
            if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
                let message = format!("it is packed by {}, which is not read", entry.compression());
                let fix = "unpack it with another program, and hunt in the result";
                return Err(Diagnostic::error("archive-method-not-supported", place, message).with_fix(fix));
            }
            place
        }
        Err(error) => return Err(unread_member(format!("{name}!member {nth}"), &error)),
    };
    match archive.by_index(nth) {
        Ok(member) => {
            let packed = member.compressed_size();
            let mut bounded = Bounded { inner: member, unpacked: 0, packed, all, archive_bytes };
            each(&place, Source::new(&mut bounded as &mut dyn Read, &place).of_archive());
            Ok(())
        }
        Err(error) => Err(unread_member(place, &error)),
    }
}

fn unread_member(place: String, error: &ZipError) -> Diagnostic {
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
