// SPDX-License-Identifier: Apache-2.0
//! UTF-16 as UTF-8. What is no character becomes U+FFFD.

use std::io::{self, Read};

use super::convert::{Made, Told};

/// Which byte of a unit comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Big,
    Little,
}

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// A reader of UTF-16 that yields UTF-8.
pub(super) struct Utf8<R> {
    inner: R,
    order: Order,
    /// The first half of a unit.
    odd: Option<u8>,
    /// The first half of a pair.
    high: Option<u16>,
    made: Made,
    ended: bool,
    error: Option<io::Error>,
    pub(super) told: Told,
}

impl<R: Read> Utf8<R> {
    /// Drops the mark and makes at least so many bytes, if there are so many.
    pub(super) fn new(mut inner: R, order: Order, mark: u64, head_bytes: usize) -> Utf8<R> {
        let skipped = io::copy(&mut (&mut inner).take(mark), &mut io::sink());
        let mut text = Utf8 {
            inner,
            order,
            odd: None,
            high: None,
            made: Made::default(),
            ended: false,
            error: skipped.err(),
            told: Told::default(),
        };
        while text.made.bytes.len() < head_bytes && !text.ended && text.error.is_none() {
            text.error = text.make().err();
        }
        text
    }

    pub(super) fn inner(&mut self) -> &mut R {
        &mut self.inner
    }

    pub(super) fn head(&self) -> &[u8] {
        &self.made.bytes
    }

    pub(super) fn is_whole(&self) -> bool {
        self.ended
    }

    fn make(&mut self) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(READ_BYTES);
        let result = (&mut self.inner).take(READ_BYTES as u64).read_to_end(&mut bytes);
        for byte in &bytes {
            let Some(first) = self.odd.take() else {
                self.odd = Some(*byte);
                continue;
            };
            let pair = [first, *byte];
            let unit = match self.order {
                Order::Big => u16::from_be_bytes(pair),
                Order::Little => u16::from_le_bytes(pair),
            };
            self.unit(unit);
        }
        if result? < READ_BYTES {
            self.ended = true;
            if self.odd.take().is_some() | self.high.take().is_some() {
                self.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Ok(())
    }

    fn unit(&mut self, unit: u16) {
        let units = self.high.take().into_iter().chain([unit]);
        for read in char::decode_utf16(units) {
            match read {
                Ok(read) => self.push(read),
                Err(error)
                    if (0xD800..0xDC00).contains(&error.unpaired_surrogate())
                        && error.unpaired_surrogate() == unit =>
                {
                    self.high = Some(unit);
                }
                Err(_) => self.push(char::REPLACEMENT_CHARACTER),
            }
        }
    }

    fn push(&mut self, read: char) {
        self.made.bytes.extend_from_slice(read.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.made.is_empty() {
                return Ok(self.made.hand(buffer));
            }
            if let Some(error) = self.error.take() {
                self.ended = true;
                return Err(error);
            }
            if self.ended || buffer.is_empty() {
                return Ok(0);
            }
            self.made.clear();
            self.error = self.make().err();
        }
    }
}
