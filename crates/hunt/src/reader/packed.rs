// SPDX-License-Identifier: Apache-2.0
//! From a file's bytes to unpacked ones: hashed and counted on the way.

use std::io::{self, BufRead, Read};

use crate::limits::ZSTD_WINDOW_LOG_MAX;
use flate2::bufread::MultiGzDecoder;

use super::hash::Hashing;
use super::{HEAD_BYTES, Packing};

/// A reader that counts and hashes what passes. As `Read` it reads straight into the buffer that it is given; as
/// `BufRead` into buffers of its own, from which a decoder takes them and which then are hashed, so that the
/// packed bytes are never copied.
pub(super) struct Tap<R> {
    /// `None` once all of it was read elsewhere.
    reader: Option<R>,
    /// Those handed on, and the head.
    pub(super) bytes: u64,
    pub(super) hash: Hashing,
    pub(super) head: Vec<u8>,
    /// How much of the head was handed on.
    handed: usize,
    /// What was read ahead, and how much of it there is; not hashed yet.
    part: Vec<u8>,
    filled: usize,
    /// How much of that was handed on.
    taken: usize,
    /// What came after the head instead of more.
    error: Option<io::Error>,
    /// Whether reading has failed: nothing more comes.
    failed: bool,
}

impl<R> Tap<R> {
    fn over(reader: Option<R>) -> Tap<R> {
        Tap {
            reader,
            bytes: 0,
            hash: Hashing::new(),
            head: Vec::new(),
            handed: 0,
            part: Vec::new(),
            filled: 0,
            taken: 0,
            error: None,
            failed: false,
        }
    }

    /// What was read and not handed on.
    fn waiting(&self) -> &[u8] {
        match self.head.get(self.handed..) {
            Some(head) if !head.is_empty() => head,
            _ => self.part.get(self.taken..self.filled).unwrap_or_default(),
        }
    }

    /// One whose bytes passed through another.
    pub(super) fn of_passed<S>(other: Tap<S>) -> Tap<R> {
        let Tap { bytes, hash, head, .. } = other;
        Tap { bytes, hash, handed: head.len(), head, ..Tap::over(None) }
    }

    /// The reader, when all of it has passed.
    pub(super) fn into_reader(self) -> (Option<R>, Tap<R>) {
        let reader = self.reader;
        (reader, Tap { reader: None, ..self })
    }
}

impl<R: Read> Tap<R> {
    pub(super) fn new(reader: R) -> Tap<R> {
        Tap::over(Some(reader))
    }

    /// Takes the first bytes. A failure comes in its place, when they have been read.
    pub(super) fn sniff(&mut self) {
        let Some(reader) = &mut self.reader else { return };
        self.error = reader.take(HEAD_BYTES as u64).read_to_end(&mut self.head).err();
        self.hash.update(&self.head);
        self.bytes = self.head.len() as u64;
    }

    /// Reads more behind what was read ahead, all of which was handed on. A part that is full is hashed before.
    fn read_ahead(&mut self) -> io::Result<()> {
        if self.filled == self.part.len() {
            self.hash_part();
            self.part.resize(self.hash.part_bytes(), 0);
        }
        let room = self.part.get_mut(self.filled..).unwrap_or_default();
        self.filled += read(&mut self.reader, &mut self.error, &mut self.failed, room)?;
        Ok(())
    }

    /// Hashes what was read ahead, all of which was handed on.
    fn hash_part(&mut self) {
        let mut part = std::mem::take(&mut self.part);
        part.truncate(self.filled);
        if !part.is_empty() {
            self.part = self.hash.update_part(part);
        }
        (self.filled, self.taken) = (0, 0);
    }

    /// Reads what is left, for the hash.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        while !self.failed {
            match self.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // After a failure nothing waits to be handed on.
        self.hash_part();
        Ok(())
    }
}

/// Reads, unless that has failed.
fn read<R: Read>(
    reader: &mut Option<R>,
    error: &mut Option<io::Error>,
    failed: &mut bool,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let Some(reader) = reader else { return Ok(0) };
    let result = match error.take() {
        Some(error) => Err(error),
        None if *failed => Ok(0),
        None => reader.read(buffer),
    };
    result.inspect_err(|error| *failed |= error.kind() != io::ErrorKind::Interrupted)
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let waiting = self.waiting();
        let count = waiting.len().min(buffer.len());
        if !waiting.is_empty() {
            if let (Some(to), Some(from)) = (buffer.get_mut(..count), waiting.get(..count)) {
                to.copy_from_slice(from);
            }
            self.consume(count);
            return Ok(count);
        }
        // What was read ahead comes before.
        self.hash_part();
        let count = read(&mut self.reader, &mut self.error, &mut self.failed, buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }
}

impl<R: Read> BufRead for Tap<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.waiting().is_empty() {
            self.read_ahead()?;
        }
        Ok(self.waiting())
    }

    fn consume(&mut self, count: usize) {
        let of_head = count.min(self.head.len() - self.handed);
        self.handed += of_head;
        self.taken += count - of_head;
        self.bytes += (count - of_head) as u64;
    }
}

/// What a packed file holds: by it a log is known that was packed, or unpacked, since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Bytes, unpacked.
    pub bytes: u64,
    /// SHA-256 of them.
    pub sha256: [u8; 32],
    /// The first of them, at most [`HEAD_BYTES`].
    pub head: Vec<u8>,
}

/// The content as far as it was unpacked.
struct Passing {
    hash: Hashing,
    content: Content,
    /// Whether the end was reached.
    ended: bool,
}

pub(super) struct Unpack<R: Read> {
    packed: Packed<R>,
    /// Nothing of what is not packed.
    passing: Option<Passing>,
}

enum Packed<R: Read> {
    Gzip(Box<MultiGzDecoder<Tap<R>>>),
    Plain(Tap<R>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Tap<R>>>),
    /// The unpacker itself could not be made.
    Broken(Tap<R>, Option<io::Error>),
}

impl<R: Read> Unpack<R> {
    pub(super) fn new(tap: Tap<R>, packing: Packing) -> Unpack<R> {
        let passing = || Passing { hash: Hashing::new(), content: Content::default(), ended: false };
        Unpack { passing: (packing != Packing::Plain).then(passing), packed: Packed::new(tap, packing) }
    }

    pub(super) fn tap(&mut self) -> &mut Tap<R> {
        match &mut self.packed {
            Packed::Gzip(decoder) => decoder.get_mut(),
            Packed::Plain(tap) | Packed::Broken(tap, _) => tap,
            Packed::Zstd(decoder) => decoder.get_mut(),
        }
    }

    /// What a packed file held, once all of it was unpacked.
    pub(super) fn content(&mut self) -> Option<Content> {
        let mut passing = self.passing.take().filter(|passing| passing.ended)?;
        passing.content.sha256 = passing.hash.finish();
        Some(passing.content)
    }
}

impl<R: Read> Packed<R> {
    fn new(tap: Tap<R>, packing: Packing) -> Packed<R> {
        match packing {
            Packing::Gzip => Packed::Gzip(Box::new(MultiGzDecoder::new(tap))),
            Packing::Plain => Packed::Plain(tap),
            Packing::Zstd => match zstd::stream::read::Decoder::try_with_buffer(tap) {
                Ok(mut decoder) => match decoder.window_log_max(ZSTD_WINDOW_LOG_MAX) {
                    Ok(()) => Packed::Zstd(Box::new(decoder)),
                    Err(error) => Packed::Broken(decoder.finish(), Some(error)),
                },
                Err((tap, error)) => Packed::Broken(tap, Some(error)),
            },
        }
    }
}

impl Passing {
    fn pass(&mut self, bytes: &[u8]) {
        self.ended = bytes.is_empty();
        self.hash.update(bytes);
        self.content.bytes += bytes.len() as u64;
        let room = HEAD_BYTES.saturating_sub(self.content.head.len());
        self.content.head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
}

impl<R: Read> Read for Unpack<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.packed {
            Packed::Gzip(decoder) => decoder.read(buffer)?,
            Packed::Plain(tap) => tap.read(buffer)?,
            Packed::Zstd(decoder) => decoder.read(buffer)?,
            Packed::Broken(_, error) => error.take().map_or(Ok(0), Err)?,
        };
        if let Some(passing) = self.passing.as_mut().filter(|_| !buffer.is_empty()) {
            passing.pass(buffer.get(..count).unwrap_or_default());
        }
        Ok(count)
    }
}
