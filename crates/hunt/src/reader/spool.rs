// SPDX-License-Identifier: Apache-2.0
//! Files whose parts are read in any order: on a disk, or taken into memory.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

/// A reader whose parts can be read in any order.
pub trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

/// A whole file.
#[derive(Clone)]
pub(super) enum Spool {
    File(Arc<Mutex<Box<dyn ReadSeek>>>, u64),
    Memory(Arc<Vec<u8>>),
}

/// A stream was not taken into memory.
#[derive(Debug)]
pub(super) enum SpoolError {
    Read(io::Error),
    TooLarge,
}

impl Spool {
    /// Takes a stream into memory.
    pub(super) fn read(reader: &mut dyn Read, bytes_max: u64) -> Result<Spool, SpoolError> {
        let mut bytes = Vec::new();
        reader.take(bytes_max + 1).read_to_end(&mut bytes).map_err(SpoolError::Read)?;
        if bytes.len() as u64 > bytes_max {
            Err(SpoolError::TooLarge)
        } else {
            Ok(Spool::Memory(Arc::new(bytes)))
        }
    }

    /// A file that lies somewhere.
    pub(super) fn of_file(mut file: Box<dyn ReadSeek>) -> io::Result<Spool> {
        let bytes = file.seek(SeekFrom::End(0))?;
        Ok(Spool::File(Arc::new(Mutex::new(file)), bytes))
    }

    pub(super) fn bytes(&self) -> u64 {
        match self {
            Spool::File(_, bytes) => *bytes,
            Spool::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Reads from a place on.
    pub(super) fn reader(&self, at: u64) -> SpoolReader {
        SpoolReader { spool: self.clone(), at }
    }
}

/// Reads a file from a place on.
pub(super) struct SpoolReader {
    spool: Spool,
    at: u64,
}

impl Read for SpoolReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &self.spool {
            Spool::File(file, _) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(self.at))?;
                file.read(buffer)?
            }
            Spool::Memory(bytes) => {
                let at = usize::try_from(self.at).unwrap_or(usize::MAX);
                let mut rest = bytes.get(at..).unwrap_or_default();
                rest.read(buffer)?
            }
        };
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for SpoolReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "a place before the file's beginning");
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => self.spool.bytes().checked_add_signed(by).ok_or_else(before)?,
            SeekFrom::Current(by) => self.at.checked_add_signed(by).ok_or_else(before)?,
        };
        Ok(self.at)
    }
}
