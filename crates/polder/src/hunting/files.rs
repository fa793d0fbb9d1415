// SPDX-License-Identifier: Apache-2.0
//! Which logs are hunted in, and how they are opened.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use hunt::reader::HEAD_BYTES;
use model::diagnostic::shown;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::failure::Failure;

/// What is to be hunted in.
#[derive(Debug, Default)]
pub struct Listed {
    /// Files, those of a folder sorted, so that output has one order.
    pub paths: Vec<PathBuf>,
    /// What a person named that is neither a file nor a folder, as a pipe: it is read as it comes.
    pub streams: BTreeSet<PathBuf>,
    /// What could not be listed, and why: what lies in it is not hunted in.
    pub unlisted: Vec<(PathBuf, String)>,
}

/// All that persons named, and what lies below. A folder that cannot be listed is no error, unless nothing else was named.
pub fn collect(named: &[PathBuf]) -> Result<Listed, Failure> {
    let mut listed = Listed::default();
    for path in named {
        match fs::metadata(path) {
            Ok(facts) if facts.is_dir() => {
                listed.folder(path);
                if let ([_], [(folder, why), ..]) = (named, listed.unlisted.as_slice())
                    && folder == path
                {
                    return Err(Failure::machine(why.clone()));
                }
                continue;
            }
            Ok(facts) if !facts.is_file() => drop(listed.streams.insert(path.clone())),
            // What is not there is told when it is opened.
            Ok(_) | Err(_) => {}
        }
        listed.paths.push(path.clone());
    }
    Ok(listed)
}

impl Listed {
    /// The files below a folder.
    fn folder(&mut self, folder: &Path) {
        let mut entries: Vec<(PathBuf, bool)> = Vec::new();
        let all = match fs::read_dir(folder) {
            Ok(all) => all,
            Err(error) => return self.unlisted(folder, &error),
        };
        for entry in all {
            let kind = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
            match kind {
                // A link may lead round in a circle, a pipe may never end.
                Ok((path, kind)) if kind.is_dir() || kind.is_file() => entries.push((path, kind.is_dir())),
                Ok((path, _)) => {
                    let name = path.display().to_string();
                    eprintln!("{}: not a file, not read; name it to read it", shown(&name));
                }
                // It was rotated away meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    self.unlisted(folder, &error);
                    break;
                }
            }
        }
        entries.sort();
        for (path, is_folder) in entries {
            if is_folder { self.folder(&path) } else { self.paths.push(path) }
        }
    }

    fn unlisted(&mut self, folder: &Path, error: &io::Error) {
        self.unlisted.push((folder.to_owned(), Failure::io("list", folder, error).message));
    }
}

/// Through what a log is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A person named it: through links, too.
    Named,
    /// It was found in a folder, or in the register: its last parts, so many of them, through no link. Who may write there
    /// could lead anywhere.
    Found {
        /// How many parts of the path lie below the folder that a person named.
        below: usize,
    },
}

impl Access {
    /// Of what is in the register, where no link is in a path: all of its parts.
    pub const FOUND: Access = Access::Found { below: usize::MAX };

    /// How a path is opened where these were named.
    pub fn of(path: &Path, named: &[PathBuf]) -> Access {
        let below = named.iter().filter_map(|one| path.strip_prefix(one).ok());
        match below.map(|rest| rest.components().count()).min() {
            Some(0) => Access::Named,
            Some(below) => Access::Found { below },
            None => Access::FOUND,
        }
    }

    /// What a name stands for now.
    pub fn facts(self, path: &Path) -> io::Result<fs::Metadata> {
        let Access::Found { below } = self else { return fs::metadata(path) };
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match open_below(path, below, flags)? {
            Ok(file) => File::from(file).metadata(),
            Err(error) => Err(error.into()),
        }
    }
}

/// Opens a path of which the last parts, so many of them, lead through no link to another folder. That a folder on the way
/// is one is an error of the kind `InvalidInput`.
fn open_below(path: &Path, below: usize, flags: OFlags) -> io::Result<rustix::io::Result<OwnedFd>> {
    let parts: Vec<Component<'_>> = path.components().collect();
    // The root is no link.
    let is_part = |part: &&Component<'_>| matches!(part, Component::Normal(_));
    let below = parts.iter().rev().take_while(is_part).count().min(below);
    let (above, parts) = parts.split_at(parts.len() - below);
    let Some((last, folders)) = parts.split_last() else {
        return Ok(rustix::fs::open(path, flags, Mode::empty()));
    };
    let above: PathBuf = above.iter().collect();
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { &above };
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = rustix::fs::open(above, folder, Mode::empty())?;
    for part in folders {
        at = match rustix::fs::openat(&at, part.as_os_str(), folder | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(inner) => inner,
            Err(error) => {
                let facts = rustix::fs::statat(&at, part.as_os_str(), AtFlags::SYMLINK_NOFOLLOW);
                if facts.is_ok_and(|facts| FileType::from_raw_mode(facts.st_mode) == FileType::Symlink) {
                    let name = part.as_os_str().display();
                    let what =
                        format!("its folder {name} is a link, which is not followed; name it to read it");
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
                }
                return Err(error.into());
            }
        };
    }
    Ok(rustix::fs::openat(&at, last.as_os_str(), flags, Mode::empty()))
}

/// Opens a log, which is a file: whatever else has its name by now is refused, and waited for by nobody. The error of a
/// link, a pipe or a device is of the kind `InvalidInput`, that of a folder `IsADirectory`.
pub fn open(path: &Path, access: Access) -> io::Result<File> {
    let invalid = |what| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    // Without NONBLOCK a pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = match access {
        Access::Named => rustix::fs::open(path, flags, Mode::empty()),
        Access::Found { below } => open_below(path, below, flags | OFlags::NOFOLLOW)?,
    };
    let file = match opened {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::LOOP) if access != Access::Named => {
            return invalid("it is a link, which is not followed; name it to read it");
        }
        // A socket, or a device that nobody drives.
        Err(rustix::io::Errno::NXIO) => return invalid("it is not a file"),
        Err(error) => return Err(error.into()),
    };
    let facts = file.metadata()?;
    if facts.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    if facts.is_file() { Ok(file) } else { invalid("it is not a file") }
}

/// The beginning of a log, by which it is told how it is written. That it may be a link by now tells nobody anything.
pub fn head_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    open(path, Access::Named)?.take(HEAD_BYTES as u64 * 4).read_to_end(&mut head)?;
    Ok(head)
}

/// Bytes of all of them; 0 if that cannot be told.
pub fn total_bytes(paths: &[PathBuf]) -> u64 {
    if paths.iter().any(|path| path == Path::new("-")) {
        return 0;
    }
    paths.iter().filter_map(|path| fs::metadata(path).ok()).map(|facts| facts.len()).sum()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    /// A pipe in the place of a log was waited for, for ever.
    #[test]
    fn a_log_is_opened_only_if_it_is_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("a.log"), "line\n").unwrap();
        symlink(at("a.log"), at("link")).unwrap();
        assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let kind = |name: &str, access| open(&at(name), access).err().map(|error| error.kind());
        for access in [Access::Named, Access::FOUND] {
            assert_eq!(kind("a.log", access), None);
            assert_eq!(kind("pipe", access), Some(io::ErrorKind::InvalidInput));
            assert_eq!(kind("", access), Some(io::ErrorKind::IsADirectory));
            assert_eq!(kind("none", access), Some(io::ErrorKind::NotFound));
        }
        assert_eq!(kind("link", Access::Named), None);
        assert_eq!(kind("link", Access::FOUND), Some(io::ErrorKind::InvalidInput));
        assert_eq!(Access::of(&at("link"), &[at("link")]), Access::Named);
        assert_eq!(Access::of(&at("link"), &[at("")]), Access::Found { below: 1 });
    }

    /// What was found in a folder was followed through a link that was put in the place of a folder below it.
    #[test]
    fn no_folder_on_the_way_to_what_was_found_is_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["real/sub", "secret"] {
            std::fs::create_dir_all(at(folder)).unwrap();
            std::fs::write(at(folder).join("a.log"), "line\n").unwrap();
        }
        // The folder that a person named may be one.
        symlink(at("real"), at("named")).unwrap();
        let path = at("named/sub/a.log");
        let access = Access::of(&path, &[at("named"), at("other")]);
        assert_eq!(access, Access::Found { below: 2 });
        assert!(open(&path, access).is_ok() && access.facts(&path).unwrap().is_file());
        assert_eq!(Access::of(&path, &[at("named"), at("named/sub")]), Access::Found { below: 1 });
        std::fs::rename(at("real/sub"), at("real/away")).unwrap();
        let kind = |access: Access| open(&path, access).unwrap_err().kind();
        assert_eq!(kind(access), io::ErrorKind::NotFound);
        symlink(at("secret"), at("real/sub")).unwrap();
        assert_eq!(kind(access), io::ErrorKind::InvalidInput);
        assert_eq!(access.facts(&path).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(
            open(&path, Access::Found { below: 1 }).is_ok(),
            "whoever names the link reads what it leads to"
        );
        assert_eq!(kind(Access::FOUND), io::ErrorKind::InvalidInput);
        // A link in the last place is told as one.
        symlink(at("secret/a.log"), at("real/link")).unwrap();
        let path = at("named/link");
        assert!(Access::of(&path, &[at("named")]).facts(&path).unwrap().is_symlink());
        assert_eq!(open(Path::new("/"), Access::FOUND).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
