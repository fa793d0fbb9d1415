// SPDX-License-Identifier: Apache-2.0
//! How far a hunt has come, on a terminal: share, rate, time left.

use std::io::{self, IsTerminal as _, Read, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often the line is written anew.
const EVERY: Duration = Duration::from_millis(500);

/// What was read so far, of how much.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of all files, as they are stored.
    total: u64,
    read: AtomicU64,
    done: AtomicBool,
}

impl Progress {
    /// For files of so many bytes in all; 0 where that is not known (stdin).
    pub fn new(total: u64) -> Progress {
        Progress { total, ..Progress::default() }
    }

    /// A reader that counts.
    pub fn count<R: Read>(progress: &Arc<Progress>, reader: R) -> Counted<R> {
        Counted { reader, progress: Arc::clone(progress) }
    }

    /// The end: the line is taken away.
    pub fn finish(&self) {
        self.done.store(true, Ordering::Relaxed);
    }

    /// Writes the line until the end; nothing where stderr is no terminal.
    /// Says at once that a stop was heard.
    pub fn show(&self, stop: &AtomicBool) {
        let terminal = io::stderr().is_terminal();
        let begun = Instant::now();
        let mut shown = begun;
        while !self.done.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
            if stop.load(Ordering::Relaxed) {
                eprintln!("stopping; what was found is written. Ctrl-C again ends it at once");
                return;
            }
            if terminal && shown.elapsed() >= EVERY {
                shown = Instant::now();
                let line = line(self.read.load(Ordering::Relaxed), self.total, begun.elapsed());
                // A terminal that is gone is no reason to stop.
                let _ = write!(io::stderr(), "\r\x1B[K{line}");
                let _ = io::stderr().flush();
            }
        }
        if terminal {
            let _ = write!(io::stderr(), "\r\x1B[K");
        }
    }
}

/// Counts what passes.
pub struct Counted<R> {
    reader: R,
    progress: Arc<Progress>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.progress.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl<R: io::Seek> io::Seek for Counted<R> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.reader.seek(to)
    }
}

/// `43 %  1.2 GB of 2.8 GB  310 MB/s  5 s left`.
fn line(read: u64, total: u64, passed: Duration) -> String {
    let rate = read as f64 / passed.as_secs_f64().max(0.001);
    let speed = format!("{}/s", bytes(rate as u64));
    if total == 0 {
        return format!("  {}  {speed}", bytes(read));
    }
    let read = read.min(total);
    let left = (total - read) as f64 / rate.max(1.0);
    let share = u128::from(read) * 100 / u128::from(total);
    format!("  {share} %  {} of {}  {speed}  {} left", bytes(read), bytes(total), time(left as u64))
}

/// `1.2 GB`.
pub fn bytes(count: u64) -> String {
    let steps = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    for (size, unit) in steps {
        if count >= size {
            let tenths = u128::from(count) * 10 / u128::from(size);
            return if tenths >= 1_000 {
                format!("{} {unit}", tenths / 10)
            } else {
                format!("{}.{} {unit}", tenths / 10, tenths % 10)
            };
        }
    }
    format!("{count} bytes")
}

/// `2 h 5 min`, `3 min 20 s`, `8 s`.
pub fn time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_share_rate_and_time_left() {
        let told = line(1_200_000_000, 2_800_000_000, Duration::from_secs(4));
        assert_eq!(told, "  42 %  1.2 GB of 2.8 GB  300 MB/s  5 s left");
        assert_eq!(line(999, 0, Duration::from_secs(1)), "  999 bytes  999 bytes/s");
        assert_eq!(line(0, 10_000, Duration::ZERO), "  0 %  0 bytes of 10.0 kB  0 bytes/s  2 h 46 min left");
        assert_eq!(
            line(20, 10, Duration::from_secs(1)),
            "  100 %  10 bytes of 10 bytes  20 bytes/s  0 s left"
        );
        assert_eq!((time(7_505), time(200)), ("2 h 5 min".to_owned(), "3 min 20 s".to_owned()));
    }
}
