// SPDX-License-Identifier: Apache-2.0
//! From a file's bytes to unpacked ones: hashed and counted on the way.

use std::io::{self, BufReader, Read};

use crate::limits::ZSTD_WINDOW_LOG_MAX;
use flate2::read::MultiGzDecoder;

use super::hash::Hashing;
use super::{HEAD_BYTES, Packing};

/// A reader that counts and hashes what passes.
pub(super) struct Tap<R> {
    /// `None` once all of it was read elsewhere.
    reader: Option<R>,
    pub(super) bytes: u64,
    pub(super) hash: Hashing,
    pub(super) head: Vec<u8>,
    /// How much of the head was handed on.
    handed: usize,
    /// What came after the head instead of more.
    error: Option<io::Error>,
    /// Whether reading has failed: nothing more comes.
    failed: bool,
}

impl<R> Tap<R> {
    /// One whose bytes passed through another.
    pub(super) fn of_passed<S>(other: Tap<S>) -> Tap<R> {
        let Tap { bytes, hash, head, .. } = other;
        Tap { reader: None, bytes, hash, handed: head.len(), head, error: None, failed: false }
    }

    /// The reader, when all of it has passed.
    pub(super) fn into_reader(self) -> (Option<R>, Tap<R>) {
        let reader = self.reader;
        (reader, Tap { reader: None, ..self })
    }
}

impl<R: Read> Tap<R> {
    pub(super) fn new(reader: R) -> Tap<R> {
        Tap {
            reader: Some(reader),
            bytes: 0,
            hash: Hashing::new(),
            head: Vec::new(),
            handed: 0,
            error: None,
            failed: false,
        }
    }

    /// Takes the first bytes. A failure comes in its place, when they have been read.
    pub(super) fn sniff(&mut self) {
        let Some(reader) = &mut self.reader else { return };
        self.error = reader.take(HEAD_BYTES as u64).read_to_end(&mut self.head).err();
        self.hash.update(&self.head);
        self.bytes = self.head.len() as u64;
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
        Ok(())
    }
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let waiting = self.head.get(self.handed..).unwrap_or_default();
        if !waiting.is_empty() {
            let count = waiting.len().min(buffer.len());
            buffer.iter_mut().zip(waiting).for_each(|(to, from)| *to = *from);
            self.handed += count;
            return Ok(count);
        }
        let Some(reader) = &mut self.reader else { return Ok(0) };
        let read = match self.error.take() {
            Some(error) => Err(error),
            None if self.failed => Ok(0),
            None => reader.read(buffer),
        };
        let count = read.inspect_err(|error| self.failed |= error.kind() != io::ErrorKind::Interrupted)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }
}

pub(super) enum Unpack<R: Read> {
    Gzip(Box<MultiGzDecoder<Tap<R>>>),
    Plain(Tap<R>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Tap<R>>>>),
    /// The unpacker itself could not be made.
    Broken(Tap<R>, Option<io::Error>),
}

impl<R: Read> Unpack<R> {
    pub(super) fn new(tap: Tap<R>, packing: Packing) -> Unpack<R> {
        match packing {
            Packing::Gzip => Unpack::Gzip(Box::new(MultiGzDecoder::new(tap))),
            Packing::Plain => Unpack::Plain(tap),
            Packing::Zstd => match zstd::stream::read::Decoder::try_new(tap) {
                Ok(mut decoder) => match decoder.window_log_max(ZSTD_WINDOW_LOG_MAX) {
                    Ok(()) => Unpack::Zstd(Box::new(decoder)),
                    Err(error) => Unpack::Broken(decoder.finish().into_inner(), Some(error)),
                },
                Err((tap, error)) => Unpack::Broken(tap, Some(error)),
            },
        }
    }

    pub(super) fn tap(&mut self) -> &mut Tap<R> {
        match self {
            Unpack::Gzip(decoder) => decoder.get_mut(),
            Unpack::Plain(tap) | Unpack::Broken(tap, _) => tap,
            Unpack::Zstd(decoder) => decoder.get_mut().get_mut(),
        }
    }
}

impl<R: Read> Read for Unpack<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Unpack::Gzip(decoder) => decoder.read(buffer),
            Unpack::Plain(tap) => tap.read(buffer),
            Unpack::Zstd(decoder) => decoder.read(buffer),
            Unpack::Broken(_, error) => error.take().map_or(Ok(0), Err),
        }
    }
}
