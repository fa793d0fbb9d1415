// SPDX-License-Identifier: Apache-2.0
//! Unpacking what is to be imported: plain, gzip or zstd by content, with a guard against archives that
//! grow without end.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;

use crate::limits::{UNPACK_BYTES_MAX, UNPACK_RATIO_MAX, ZSTD_WINDOW_LOG_MAX};
use crate::reader::{Foreign, Packing, recognise};

/// The content of a file, unpacked while it is read.
pub struct Unpacked<R: BufRead>(Inner<R>);

enum Inner<R: BufRead> {
    Gzip(Box<MultiGzDecoder<Counting<R>>>, u64),
    Plain(Counting<R>),
    Zstd(zstd::stream::read::Decoder<'static, Counting<R>>, u64),
}

/// The content cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Of a format that is not read.
    #[error("it is {}, which is not read; {}", .0.1, .0.2)]
    Foreign(&'static Foreign),
    /// Reading failed.
    #[error("it could not be read")]
    Read(#[from] io::Error),
}

impl<R: BufRead> Unpacked<R> {
    /// Looks at the first bytes and prepares to read.
    pub fn new(mut packed: R) -> Result<Unpacked<R>, UnpackError> {
        let (packing, foreign) = recognise(packed.fill_buf()?);
        if let Some(foreign) = foreign {
            return Err(UnpackError::Foreign(foreign));
        }
        let packed = Counting { inner: packed, count: 0 };
        Ok(Unpacked(match packing {
            Packing::Gzip => Inner::Gzip(Box::new(MultiGzDecoder::new(packed)), 0),
            Packing::Plain => Inner::Plain(packed),
            Packing::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Inner::Zstd(decoder, 0)
            }
        }))
    }
}

impl<R: BufRead> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (count, packed, expanded) = match &mut self.0 {
            Inner::Plain(plain) => return plain.read(buffer),
            Inner::Gzip(decoder, expanded) => (decoder.read(buffer)?, decoder.get_ref().count, expanded),
            Inner::Zstd(decoder, expanded) => (decoder.read(buffer)?, decoder.get_ref().count, expanded),
        };
        *expanded += count as u64;
        if *expanded > UNPACK_BYTES_MAX && *expanded / packed.max(1) > UNPACK_RATIO_MAX {
            let message =
                format!("the archive expands more than {UNPACK_RATIO_MAX} times: a decompression bomb");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(count)
    }
}

/// Counts what the decoder has taken.
struct Counting<R> {
    inner: R,
    count: u64,
}

impl<R: BufRead> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counting<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.inner.consume(count);
        self.count += count as u64;
    }
}
