// SPDX-License-Identifier: Apache-2.0
//! Opening what is to be imported: a file or stdin, plain, gzip or zstd by content, read twice.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Bytes of output after which the ratio to the input is looked at.
const EXPANDED_BYTES_FREE: u64 = 256 * 1024 * 1024;
/// Largest ratio of output to input beyond that: real feeds compress 5 to 50 times.
const EXPANSION_RATIO_MAX: u64 = 1_000;
/// Largest window of a zstd frame, as a power of two: what a reader must hold in memory.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

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
        let magic = packed.fill_buf().map_err(fault)?.get(..4).unwrap_or_default().to_vec();
        if magic.starts_with(&[0x1F, 0x8B]) {
            let inner = Unpacked::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(packed)));
            return Ok(Box::new(Guarded { inner, expanded: 0 }));
        }
        if magic.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(fault)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(fault)?;
            return Ok(Box::new(Guarded { inner: Unpacked::Zstd(decoder), expanded: 0 }));
        }
        Ok(Box::new(packed))
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
        if self.expanded > EXPANDED_BYTES_FREE && self.expanded / packed.max(1) > EXPANSION_RATIO_MAX {
            let message =
                format!("the archive expands more than {EXPANSION_RATIO_MAX} times: a decompression bomb");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(count)
    }
}
