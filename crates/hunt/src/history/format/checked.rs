// SPDX-License-Identifier: Apache-2.0
//! A run as the Parquet library reads it: every byte is held against its checksum before it is used.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use super::CHECK_BYTES;
use crate::history::folder::RunFile;

/// A file and its checksums.
#[derive(Clone)]
pub(crate) struct CheckedFile(Arc<Inner>);

struct Inner {
    file: Box<dyn RunFile>,
    checks: Vec<u8>,
}

impl CheckedFile {
    pub(crate) fn new(file: Box<dyn RunFile>, checks: &[u8]) -> CheckedFile {
        CheckedFile(Arc::new(Inner { file, checks: checks.to_vec() }))
    }

    /// Bytes from a place, verified.
    pub(crate) fn bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let Inner { file, checks } = &*self.0;
        let end = start.checked_add(length as u64).filter(|end| *end <= file.len());
        let end = end.ok_or_else(|| damaged("a part beyond its end is asked for"))?;
        let part_bytes = CHECK_BYTES as u64;
        let from = start / part_bytes * part_bytes;
        let to = end.next_multiple_of(part_bytes).min(file.len());
        let mut buffer = vec![0; usize::try_from(to - from).map_err(|_| damaged("a part is too large"))?];
        file.read_at(from, &mut buffer).map_err(|e| ParquetError::External(Box::new(e)))?;
        let first = usize::try_from(from / part_bytes).unwrap_or(usize::MAX);
        let mut expected = checks.as_chunks::<4>().0.iter().skip(first);
        for part in buffer.chunks(CHECK_BYTES) {
            if expected.next() != Some(&check(part)) {
                return Err(damaged("a checksum fails"));
            }
        }
        let skipped = usize::try_from(start - from).unwrap_or(0);
        Ok(Bytes::from(buffer).slice(skipped..skipped + length))
    }
}

/// The checksum of a part.
pub(crate) fn check(part: &[u8]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    crc.update(part);
    crc.sum().to_le_bytes()
}

/// The library's panics on metadata that contradict themselves, as the errors that they are. The sums keep them away
/// from what was damaged by chance, not from what was made so.
pub(crate) fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(damaged("its parts contradict each other")))
}

pub(crate) fn damaged(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

impl Length for CheckedFile {
    fn len(&self) -> u64 {
        self.0.file.len()
    }
}

impl ChunkReader for CheckedFile {
    type T = Reading;

    fn get_read(&self, start: u64) -> Result<Reading> {
        Ok(Reading { file: self.clone(), at: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.bytes(start, length)
    }
}

/// The same fault for who reads a stream.
fn as_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => {
            inner.downcast::<io::Error>().map_or_else(io::Error::other, |error| *error)
        }
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}

/// Reads on from a place.
pub(crate) struct Reading {
    file: CheckedFile,
    at: u64,
}

impl Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.file.len().saturating_sub(self.at);
        let length = into.len().min(CHECK_BYTES).min(usize::try_from(left).unwrap_or(usize::MAX));
        let bytes = self.file.bytes(self.at, length).map_err(as_io)?;
        into.get_mut(..length).unwrap_or_default().copy_from_slice(&bytes);
        self.at += length as u64;
        Ok(length)
    }
}
