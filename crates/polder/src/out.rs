// SPDX-License-Identifier: Apache-2.0
//! Lines to stdout. A reader that has gone (`| head`) ends the talking, not the work. And a line on a terminal that says how
//! far something has come, out of the way of what else is told there.

use std::fmt::Arguments;
use std::io::{self, StderrLock, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use model::diagnostic::json_shown;

static CLOSED: AtomicBool = AtomicBool::new(false);
/// Whether a line of progress stands on the terminal.
static IS_SHOWN: AtomicBool = AtomicBool::new(false);
/// Goes to the beginning of the line and takes away what stands in it.
const CLEAR: &str = "\r\x1B[K";

/// Shows on a terminal how far something has come, in place of what was shown of it before.
pub fn progress(line: &str) {
    let mut terminal = aside();
    // A terminal that is gone is no reason to stop.
    let _ = write!(terminal, "{line}").and_then(|()| terminal.flush());
    IS_SHOWN.store(true, Ordering::Relaxed);
}

/// Takes away what [`progress`] shows. Until the answer is dropped nobody else writes to stderr.
pub fn aside() -> StderrLock<'static> {
    let mut terminal = io::stderr().lock();
    if IS_SHOWN.swap(false, Ordering::Relaxed) {
        let _ = write!(terminal, "{CLEAR}");
    }
    terminal
}

/// Writes one line, while somebody reads. Most are JSON: what a terminal might obey, and JSON need not escape, is written
/// as an escape.
pub fn line(text: Arguments<'_>) {
    if CLOSED.load(Ordering::Relaxed) {
        return;
    }
    if let Err(error) = writeln!(io::stdout().lock(), "{}", json_shown(&text.to_string())) {
        CLOSED.store(true, Ordering::Relaxed);
        if error.kind() != io::ErrorKind::BrokenPipe {
            eprintln!("polder: cannot write to stdout: {error}; what follows is not shown");
        }
    }
}

/// As `println!`, by [`line`].
macro_rules! say {
    ($($text:tt)*) => { $crate::out::line(format_args!($($text)*)) };
}
pub(crate) use say;
