// SPDX-License-Identifier: Apache-2.0
//! Opening what is to be imported: a file or stdin, plain, gzip or zstd by content, read twice.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use hunt::limits::{UNPACK_BYTES_MAX, UNPACK_RATIO_MAX, ZSTD_WINDOW_LOG_MAX};
use hunt::reader::{Packing, recognise};

use crate::failure::Failure;

/// Something to import, which can be read more than once.
pub struct Input {
    /// Its name, as it was given.
    pub name: String,
    file: File,
    path: PathBuf,
}

impl Input {
    /// Opens a file, or takes stdin whole into a file without a name in `spool`.
    pub fn open(path: &Path, spool: &Path) -> Result<Input, Failure> {
        let name = path.display().to_string();
        if name == "-" {
            let fault = |e: io::Error| Failure::io("spool stdin in", spool, &e);
            let mut file = tempfile::tempfile_in(spool).map_err(fault)?;
            io::copy(&mut io::stdin().lock(), &mut file).map_err(fault)?;
            return Ok(Input { name: "stdin".to_owned(), file, path: spool.to_owned() });
        }
        let file = File::open(path).map_err(|e| Failure::io("read", path, &e))?;
        let metadata = file.metadata().map_err(|e| Failure::io("read", path, &e))?;
        if metadata.is_dir() {
            return Err(Failure::usage(format!("{name} is a directory; name its files")));
        }
        Ok(Input { name, file, path: path.to_owned() })
    }

    /// The content from its beginning, unpacked.
    pub fn reader(&mut self) -> Result<Box<dyn Read + Send>, Failure> {
        let fault = |e: io::Error| Failure::io("read", &self.path, &e);
        let mut file = self.file.try_clone().map_err(fault)?;
        file.seek(SeekFrom::Start(0)).map_err(fault)?;
        let mut packed = BufReader::with_capacity(256 * 1024, Counting { inner: file, count: 0 });
        let (packing, foreign) = recognise(packed.fill_buf().map_err(fault)?);
        if let Some((_, what, fix)) = foreign {
            return Err(Failure::usage(format!("{} is {what}, which is not read; {fix}", self.name)));
        }
        let inner = match packing {
            Packing::Plain => return Ok(Box::new(packed)),
            Packing::Gzip => Unpacked::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(packed))),
            Packing::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(fault)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(fault)?;
                Unpacked::Zstd(decoder)
            }
        };
        Ok(Box::new(Guarded { inner, expanded: 0 }))
    }
}

struct Counting<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

type Packed = BufReader<Counting<File>>;

enum Unpacked {
    Gzip(Box<flate2::bufread::MultiGzDecoder<Packed>>),
    Zstd(zstd::stream::read::Decoder<'static, Packed>),
}

/// Stops an archive that grows without end.
struct Guarded {
    inner: Unpacked,
    expanded: u64,
}

impl Read for Guarded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (count, packed) = match &mut self.inner {
            Unpacked::Gzip(decoder) => (decoder.read(buffer), decoder.get_ref().get_ref().count),
            Unpacked::Zstd(decoder) => (decoder.read(buffer), decoder.get_ref().get_ref().count),
        };
        let count = count?;
        self.expanded += count as u64;
        if self.expanded > UNPACK_BYTES_MAX && self.expanded / packed.max(1) > UNPACK_RATIO_MAX {
            let message =
                format!("the archive expands more than {UNPACK_RATIO_MAX} times: a decompression bomb");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(count)
    }
}
