// SPDX-License-Identifier: Apache-2.0
//! A file that grows, is rotated or cut off.
//!
//! Who writes a log goes on writing to the old file until it is told to open the new one, so both are read: the old one
//! until it was quiet for a while.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hunt::limits::LINE_BYTES_MAX;

use super::files::{self, Access};
use super::live::{CHUNK_BYTES, Chunk, Place};

/// A file that was rotated is read until nothing came for so long.
const QUIET: Duration = Duration::from_secs(60);
/// Rotated files of one name that are read at once.
const RESTS_MAX: usize = 8;
/// So many of the bytes that were read last are compared, to tell a file that was written anew.
const COMPARED_BYTES: usize = 256;

/// Device and inode: another file under the same name is a new log.
type Identity = (u64, u64);

/// Whether a name is another file's now than when it was read. A file that was not read, or is not there, is none.
pub fn is_another(path: &Path, read: Option<&(u64, u64)>) -> bool {
    let now = std::fs::metadata(path).map(|facts| (facts.dev(), facts.ino()));
    read.zip(now.ok()).is_some_and(|(read, now)| *read != now)
}

/// Where a file ends by whole lines, of its first `read_to` bytes. What was reached comes with an error.
pub fn end_of(path: &Path, read_to: u64) -> Result<Place, (Place, io::Error)> {
    let (mut end, mut at) = (Place::default(), 0_u64);
    let mut file = match files::open(path, Access::Named) {
        Ok(file) => file.take(read_to),
        Err(error) => return Err((end, error)),
    };
    let mut buffer = vec![0; 1024 * 1024];
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => return Ok(end),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err((end, error)),
        };
        let part = buffer.get(..count).unwrap_or_default();
        end.lines += memchr::memchr_iter(b'\n', part).count() as u64;
        if let Some(newline) = memchr::memrchr(b'\n', part) {
            end.offset = at + newline as u64 + 1;
        }
        at += count as u64;
    }
}

/// An open file.
struct Reading {
    file: File,
    identity: Identity,
    /// How far it was handed on.
    at: Place,
    /// The beginning of a line whose end was not written yet.
    carry: Vec<u8>,
    /// The last bytes before those that are read next.
    last: Vec<u8>,
    /// The how many-th file of the name it is that was handed on from its beginning; `None` if nothing of it was handed on
    /// while it had the name.
    turn: Option<usize>,
}

impl Reading {
    /// Opens a file, from `at` on if it is still the one of that identity.
    fn open(
        path: &Path,
        access: Access,
        known: Option<(Identity, Place)>,
        turn: usize,
    ) -> io::Result<Reading> {
        let mut file = files::open(path, access)?;
        let facts = file.metadata()?;
        let identity = (facts.dev(), facts.ino());
        let at = known.filter(|(known, at)| *known == identity && at.offset <= facts.len());
        let at = at.map(|(_, at)| at).unwrap_or_default();
        let mut last = vec![0; COMPARED_BYTES.min(usize::try_from(at.offset).unwrap_or(COMPARED_BYTES))];
        let from = at.offset - last.len() as u64;
        file.read_exact_at(&mut last, from)?;
        file.seek(SeekFrom::Start(at.offset))?;
        let turn = (at.offset > 0).then_some(turn);
        Ok(Reading { file, identity, at, carry: Vec::new(), last, turn })
    }

    /// Reads what was added, where what was read before still stands before it. Answers whether there was anything, and
    /// whether the file was written anew: what is left of the old one is then in `carry`.
    fn read_on_unless_anew(&mut self) -> io::Result<(bool, bool)> {
        if self.is_anew() {
            return Ok((false, true));
        }
        let (held, before) = (self.carry.len(), (self.read_to(), self.last.clone()));
        let came = self.read_on()?;
        Ok((came, came && self.was_cut_off(held, before)))
    }

    /// Whether the file was cut off while it was read on. `held` is how much was left of before, and `before` how far that
    /// was and its last bytes. What came of the new file is dropped, for that is read from its beginning.
    fn was_cut_off(&mut self, held: usize, before: (u64, Vec<u8>)) -> bool {
        if self.holds(before.0, &before.1) != Some(false) {
            return false;
        }
        // It was cut off before it was read on if what came stands there now, and after it if not.
        let new = self.carry.get(held..).unwrap_or_default();
        if self.holds(self.read_to(), new) == Some(true) {
            self.carry.truncate(held);
        }
        true
    }

    /// How far it was read.
    fn read_to(&self) -> u64 {
        self.at.offset + self.carry.len() as u64
    }

    /// Whether these bytes end at this place of the file; `None` where it cannot be read.
    fn holds(&self, end: u64, bytes: &[u8]) -> Option<bool> {
        let mut now = vec![0; bytes.len()];
        match self.file.read_exact_at(&mut now, end.saturating_sub(bytes.len() as u64)) {
            Ok(()) => Some(now == bytes),
            Err(error) => (error.kind() == ErrorKind::UnexpectedEof).then_some(false),
        }
    }

    /// Reads what was added. Answers whether there was anything.
    fn read_on(&mut self) -> io::Result<bool> {
        let held = self.carry.len();
        (&mut self.file).take(CHUNK_BYTES as u64).read_to_end(&mut self.carry)?;
        let came = self.carry.get(held..).unwrap_or_default();
        self.last
            .extend_from_slice(came.get(came.len().saturating_sub(COMPARED_BYTES)..).unwrap_or_default());
        self.last.drain(..self.last.len().saturating_sub(COMPARED_BYTES));
        Ok(!came.is_empty())
    }

    /// Takes the whole lines out of what was read.
    fn lines(&mut self) -> Vec<u8> {
        let end = memchr::memrchr(b'\n', &self.carry).map_or(0, |newline| newline + 1);
        if end == 0 && self.carry.len() <= LINE_BYTES_MAX {
            return Vec::new();
        }
        let rest = if end > 0 { self.carry.split_off(end) } else { Vec::new() };
        std::mem::replace(&mut self.carry, rest)
    }

    /// Whether what was read of it does not stand in it any more: it was cut off, and perhaps written to since. It may be
    /// longer by then than it was.
    fn is_anew(&self) -> bool {
        self.holds(self.read_to(), &self.last) == Some(false)
    }

    /// Goes to its beginning.
    fn begin_anew(&mut self) -> io::Result<()> {
        (self.at, self.turn) = (Place::default(), None);
        self.carry.clear();
        self.last.clear();
        self.file.seek(SeekFrom::Start(0)).map(drop)
    }
}

/// What is left of a file that was rotated.
struct Rest {
    reading: Reading,
    /// When something came last.
    since: Instant,
}

/// A name of which the file is followed.
pub struct Tail {
    path: PathBuf,
    access: Access,
    /// The file that has the name; `None` if it is not open.
    present: Option<Reading>,
    /// Which file it was when it was last read, and how far.
    known: Option<(Identity, Place)>,
    /// Files that had the name, the oldest first.
    rests: Vec<Rest>,
    /// How long nothing comes of these before they are closed.
    quiet: Duration,
    /// How many files of the name were handed on from their beginning.
    turn: usize,
    /// Whether what had the name before is asked first: what is written to the one must not hold up the other.
    rests_first: bool,
    notice: Option<String>,
    /// Whether it was told that the file cannot be opened or read, and it still cannot.
    is_closed: bool,
}

impl Tail {
    /// A file that is read from a place on.
    pub fn new(path: &Path, access: Access, from: Place) -> Tail {
        let identity = access.facts(path).map(|facts| (facts.dev(), facts.ino()));
        Tail {
            path: path.to_owned(),
            access,
            present: None,
            known: identity.ok().map(|identity| (identity, from)),
            rests: Vec::new(),
            quiet: QUIET,
            turn: 0,
            rests_first: false,
            notice: None,
            is_closed: false,
        }
    }

    /// What was added since, to the file or to one that had its name before.
    pub fn next(&mut self) -> Option<Chunk> {
        self.rests_first = !self.rests_first;
        let chunk = if self.rests_first {
            self.next_of_rests().or_else(|| self.next_of_present())
        } else {
            self.next_of_present().or_else(|| self.next_of_rests())
        };
        // What is to be told waits for no line.
        chunk.or_else(|| self.notice.is_some().then(|| self.said()))
    }

    /// When following ends: what is left of a file that was rotated is its last line.
    pub fn last_of_rests(&mut self) -> Option<Chunk> {
        while !self.rests.is_empty() {
            let rest = self.rests.remove(0);
            if let Some(chunk) = self.close(rest) {
                return Some(chunk);
            }
        }
        None
    }

    fn next_of_present(&mut self) -> Option<Chunk> {
        let mut reading = match self.present.take() {
            Some(reading) => reading,
            None => self.open()?,
        };
        let (came, is_anew) = match reading.read_on_unless_anew() {
            Ok(read) => read,
            Err(error) => {
                // It is opened anew, where it was handed on to.
                self.known = Some((reading.identity, reading.at));
                if !std::mem::replace(&mut self.is_closed, true) {
                    self.tell(format!("{}: cannot be read on: {error}", self.path.display()));
                }
                return None;
            }
        };
        self.is_closed = false;
        if is_anew {
            let path = self.path.display();
            self.tell(format!("{path}: it was cut off or written anew; reading it from its beginning"));
            // Of a line whose end was not written yet this is the end, as where the file is rotated.
            let bytes = std::mem::take(&mut reading.carry);
            let chunk = (!bytes.is_empty()).then(|| self.chunk(&mut reading, bytes, true));
            // Where that fails it is opened anew.
            self.known = None;
            self.present = reading.begin_anew().is_ok().then_some(reading);
            return chunk;
        }
        if !came && self.is_rotated(reading.identity) {
            return self.rotate(reading);
        }
        let bytes = reading.lines();
        let chunk = (!bytes.is_empty()).then(|| self.chunk(&mut reading, bytes, true));
        self.present = Some(reading);
        chunk
    }

    fn next_of_rests(&mut self) -> Option<Chunk> {
        let rests = std::mem::take(&mut self.rests);
        let mut chunk = None;
        for mut rest in rests {
            if chunk.is_some() {
                self.rests.push(rest);
                continue;
            }
            match rest.reading.read_on() {
                Ok(false) if rest.since.elapsed() >= self.quiet => chunk = self.close(rest),
                Ok(came) => {
                    if came {
                        rest.since = Instant::now();
                    }
                    let bytes = rest.reading.lines();
                    if !bytes.is_empty() {
                        chunk = Some(self.chunk(&mut rest.reading, bytes, false));
                    }
                    self.rests.push(rest);
                }
                Err(error) => {
                    self.tell(format!(
                        "{}: what was rotated cannot be read on: {error}; hunt in it under its new name",
                        self.path.display()
                    ));
                    chunk = self.close(rest);
                }
            }
        }
        chunk
    }

    /// Nothing more comes: what is left is the last line.
    fn close(&mut self, mut rest: Rest) -> Option<Chunk> {
        let bytes = std::mem::take(&mut rest.reading.carry);
        (!bytes.is_empty()).then(|| self.chunk(&mut rest.reading, bytes, false))
    }

    fn open(&mut self) -> Option<Reading> {
        match Reading::open(&self.path, self.access, self.known, self.turn) {
            Ok(reading) => {
                self.known = None;
                // One that was rotated may be back.
                let back = self.rests.iter().position(|rest| rest.reading.identity == reading.identity);
                Some(back.map_or(reading, |nth| self.rests.remove(nth).reading))
            }
            // Between a rotation and the next line the name is nobody's.
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(_) if self.is_closed => None,
            Err(error) => {
                self.is_closed = true;
                let advice = match error.kind() {
                    ErrorKind::InvalidInput => "look who put it there",
                    _ => "let this account read it",
                };
                self.tell(format!(
                    "{}: it cannot be opened: {error}; its lines are read as soon as it can be: {advice}",
                    self.path.display()
                ));
                None
            }
        }
    }

    /// The name is another file's: the one that had it is read on beside that.
    fn rotate(&mut self, reading: Reading) -> Option<Chunk> {
        let path = self.path.display();
        let quiet = self.quiet.as_secs();
        self.tell(format!(
            "{path}: it was rotated; reading the new one, and the old one until nothing came for {quiet} s"
        ));
        self.known = None;
        let mut last = None;
        if self.rests.len() >= RESTS_MAX {
            let path = self.path.display();
            self.tell(format!(
                "{path}: it is rotated so often that more than {RESTS_MAX} old ones would be read; the oldest is read no \
                 more: hunt in it under its new name"
            ));
            let oldest = self.rests.remove(0);
            last = self.close(oldest);
        }
        self.rests.push(Rest { reading, since: Instant::now() });
        // What was written before the name was asked for comes before the new one.
        self.rests_first = false;
        last.or_else(|| self.next_of_rests())
    }

    /// Whether the name is another file's now.
    fn is_rotated(&self, identity: Identity) -> bool {
        self.access.facts(&self.path).is_ok_and(|facts| (facts.dev(), facts.ino()) != identity)
    }

    fn tell(&mut self, what: String) {
        let before = self.notice.take().map_or_else(String::new, |before| format!("{before}; "));
        self.notice = Some(before + &what);
    }

    fn chunk(&mut self, reading: &mut Reading, bytes: Vec<u8>, is_present: bool) -> Chunk {
        if is_present && reading.at.offset == 0 {
            self.turn += 1;
            reading.turn = Some(self.turn);
        }
        let at = reading.at;
        reading.at.offset += bytes.len() as u64;
        reading.at.lines += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        Chunk {
            offset: at.offset,
            first_line: at.lines + 1,
            back: reading.turn.map_or(usize::MAX, |turn| self.turn - turn),
            bytes,
            ..self.said()
        }
    }

    /// No lines, but what is to be told.
    fn said(&mut self) -> Chunk {
        Chunk {
            name: self.path.display().to_string(),
            bytes: Vec::new(),
            offset: 0,
            first_line: 1,
            back: 0,
            is_received: false,
            notice: self.notice.take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    /// Lines and notices until nothing comes any more.
    fn all(tail: &mut Tail) -> (String, String, Vec<usize>) {
        let (mut lines, mut notices, mut back, mut quiet) = (String::new(), String::new(), Vec::new(), 0);
        while quiet < 3 {
            let Some(chunk) = tail.next() else {
                quiet += 1;
                continue;
            };
            lines += std::str::from_utf8(&chunk.bytes).unwrap();
            notices.extend(chunk.notice);
            if !chunk.bytes.is_empty() {
                back.push(chunk.back);
            }
        }
        (lines, notices, back)
    }

    fn appending(path: &Path) -> File {
        OpenOptions::new().append(true).create(true).open(path).unwrap()
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_told_once_and_read_when_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut tail = Tail::new(&path, Access::Named, Place::default());
        assert!(tail.next().is_none(), "it is not there yet");
        symlink(&path, &path).unwrap();
        let notice = tail.next().and_then(|chunk| chunk.notice).unwrap();
        assert!(notice.contains("a.log: it cannot be opened"), "{notice}");
        assert!(tail.next().is_none(), "once is enough");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "line\n").unwrap();
        assert_eq!(tail.next().unwrap().bytes, b"line\n");
    }

    #[test]
    fn a_file_that_grows_is_read_by_whole_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, "old\nhalf").unwrap();
        let mut tail = Tail::new(&path, Access::FOUND, Place { offset: 4, lines: 1 });
        assert!(tail.next().is_none());
        appending(&path).write_all(b" line\nsecond\nthi").unwrap();
        let chunk = tail.next().unwrap();
        assert_eq!((chunk.offset, chunk.first_line, chunk.back), (4, 2, 0));
        assert_eq!(chunk.bytes, b"half line\nsecond\n");
        appending(&path).write_all(b"rd\n").unwrap();
        assert_eq!(tail.next().map(|chunk| (chunk.first_line, chunk.bytes)), Some((4, b"third\n".to_vec())));
    }

    /// The old file was closed as soon as the name was another's: what its writer wrote to it until it was told to open the
    /// new one was lost, almost a third of all lines where it takes half a second.
    #[test]
    fn a_rotated_file_is_read_on_beside_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, "one\n").unwrap();
        let mut writer = appending(&path);
        let mut tail = Tail::new(&path, Access::FOUND, Place { offset: 4, lines: 1 });
        writer.write_all(b"two\n").unwrap();
        assert_eq!(all(&mut tail).0, "two\n");
        std::fs::rename(&path, dir.path().join("a.log.1")).unwrap();
        std::fs::write(&path, "").unwrap();
        let (lines, notice, _) = all(&mut tail);
        assert!(lines.is_empty() && notice.contains("a.log: it was rotated"), "{lines}{notice}");
        writer.write_all(b"three\n").unwrap();
        assert_eq!(all(&mut tail), ("three\n".to_owned(), String::new(), vec![0]), "still the newest");
        appending(&path).write_all(b"new\n").unwrap();
        assert_eq!(all(&mut tail), ("new\n".to_owned(), String::new(), vec![0]));
        writer.write_all(b"four\nlast").unwrap();
        let chunk = tail.next().or_else(|| tail.next()).unwrap();
        assert_eq!((chunk.bytes, chunk.back), (b"four\n".to_vec(), 1), "of the one before");
        assert_eq!((chunk.offset, chunk.first_line), (14, 4));
        tail.quiet = Duration::ZERO;
        assert_eq!(all(&mut tail), ("last".to_owned(), String::new(), vec![1]));
        writer.write_all(b" words\n").unwrap();
        assert_eq!(all(&mut tail).0, "", "it was quiet for long");
        assert_eq!(tail.rests.len(), 0);
    }

    #[test]
    fn only_so_many_rotated_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut tail = Tail::new(&path, Access::FOUND, Place::default());
        let mut told = String::new();
        for nth in 0..RESTS_MAX + 2 {
            std::fs::write(&path, format!("{nth}\n")).unwrap();
            let (lines, notices, back) = all(&mut tail);
            assert_eq!((lines, back), (format!("{nth}\n"), vec![0]));
            told += &notices;
            std::fs::rename(&path, dir.path().join(format!("a.log.{nth}"))).unwrap();
        }
        assert_eq!(tail.rests.len(), RESTS_MAX);
        assert!(told.contains("rotated so often"), "{told}");
    }

    /// Of a file that was copied and cut off, and that had grown beyond what was read of it by the next look, the beginning
    /// was not read, and nobody was told.
    #[test]
    fn a_file_that_was_cut_off_and_grew_again_is_read_from_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, "one\ntwo\n").unwrap();
        let mut tail = Tail::new(&path, Access::FOUND, Place { offset: 4, lines: 1 });
        assert_eq!(all(&mut tail).0, "two\n");
        for new in
            ["the first one\n", "now it is as\n", "short\n", "and longer than it ever was before\nhalf"]
        {
            // In place: the file stays the same.
            let mut file = OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
            file.write_all(new.as_bytes()).unwrap();
            let (lines, notice, _) = all(&mut tail);
            assert_eq!(lines, new.strip_suffix("half").unwrap_or(new));
            assert!(notice.contains("a.log: it was cut off"), "{notice}");
        }
    }

    /// Of a file that was copied and cut off, the half line that had been read was dropped; and where more was written to it
    /// by the next look than is compared, it was not seen at all that it was cut off.
    #[test]
    fn the_half_line_of_a_file_that_was_cut_off_is_handed_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, "one\nhalf of a li").unwrap();
        let mut tail = Tail::new(&path, Access::FOUND, Place::default());
        assert_eq!(all(&mut tail).0, "one\n");
        let anew = |text: &str| {
            let mut file = OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        anew("new\nthe ha");
        let chunk = tail.next().unwrap();
        assert_eq!((chunk.offset, chunk.first_line, chunk.back), (4, 2, 0), "of the old one");
        assert_eq!(chunk.bytes, b"half of a li");
        assert!(chunk.notice.is_some_and(|notice| notice.contains("a.log: it was cut off")));
        let chunk = tail.next().unwrap();
        assert_eq!((chunk.offset, chunk.first_line, chunk.back), (0, 1, 0), "of the new one");
        assert_eq!(chunk.bytes, b"new\n");
        let long = format!("{}\n", "longer than what is compared ".repeat(COMPARED_BYTES));
        anew(&long);
        let (lines, notice, _) = all(&mut tail);
        assert_eq!(lines, format!("the ha{long}"));
        assert!(notice.contains("a.log: it was cut off"), "{notice}");
    }

    /// Where a file was cut off just as it was read on, whole lines that had been read were dropped.
    #[test]
    fn lines_that_were_read_before_a_file_was_cut_off_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let (old, new) = ("one\ntwo\nthree\n", "other lines\nthan those\n");
        for (cut_before, is_short) in [(false, true), (false, false), (true, false)] {
            std::fs::write(&path, old).unwrap();
            let mut reading = Reading::open(
                &path,
                Access::FOUND,
                Some((identity_of(&path), Place { offset: 4, lines: 1 })),
                0,
            )
            .unwrap();
            let before = (reading.read_to(), reading.last.clone());
            let cut_off = || std::fs::write(&path, if is_short { "" } else { new }).unwrap();
            if cut_before {
                cut_off();
            }
            assert!(reading.read_on().unwrap());
            if !cut_before {
                cut_off();
            }
            assert!(reading.was_cut_off(0, before));
            let kept = if cut_before { "" } else { "two\nthree\n" };
            assert_eq!(std::str::from_utf8(&reading.carry).unwrap(), kept);
        }
    }

    fn identity_of(path: &Path) -> Identity {
        let facts = std::fs::metadata(path).unwrap();
        (facts.dev(), facts.ino())
    }

    /// What was found in a folder was followed through a link that was put in its place, and a pipe was waited for.
    #[test]
    fn neither_a_link_nor_a_pipe_is_followed_in_the_place_of_a_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "secret\n").unwrap();
        std::fs::write(&path, "one\n").unwrap();
        let mut tail = Tail::new(&path, Access::FOUND, Place::default());
        assert_eq!(all(&mut tail).0, "one\n");
        std::fs::remove_file(&path).unwrap();
        symlink(&secret, &path).unwrap();
        let (lines, notice, _) = all(&mut tail);
        assert!(
            lines.is_empty() && notice.contains("it is a link, which is not followed"),
            "{lines}{notice}"
        );
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "two\n").unwrap();
        assert_eq!(all(&mut tail).0, "two\n");
        std::fs::remove_file(&path).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (lines, notice, _) = all(&mut tail);
        assert!(lines.is_empty() && notice.contains("it is not a file"), "{lines}{notice}");
        // One that a person named may be a link, also to another file from some day on.
        std::fs::remove_file(&path).unwrap();
        symlink(&secret, &path).unwrap();
        let mut tail = Tail::new(&path, Access::Named, Place::default());
        assert_eq!(all(&mut tail).0, "secret\n");
    }
}
