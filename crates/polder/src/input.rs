// SPDX-License-Identifier: Apache-2.0
//! Opening what is to be imported: a file or stdin, plain, gzip or zstd by content, read twice.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use hunt::unpack::{UnpackError, Unpacked};

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
        match Unpacked::new(BufReader::with_capacity(256 * 1024, file)) {
            Ok(unpacked) => Ok(Box::new(unpacked)),
            Err(UnpackError::Read(error)) => Err(fault(error)),
            Err(foreign) => Err(Failure::usage(format!("{}: {foreign}", self.name))),
        }
    }
}

/// Reads a small file whole; `-` is stdin.
pub fn read_small(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let limit = bytes_max + 1;
    let read = if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|e| Failure::io("read", path, &e))?;
    if bytes.len() as u64 > bytes_max {
        return Err(Failure::usage(format!("{} is larger than {bytes_max} bytes", path.display())));
    }
    Ok(bytes)
}
