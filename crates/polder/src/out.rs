// SPDX-License-Identifier: Apache-2.0
//! Lines to stdout. A reader that has gone (`| head`) ends the talking, not the work.

use std::fmt::Arguments;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

static CLOSED: AtomicBool = AtomicBool::new(false);

/// Writes one line, while somebody reads.
pub fn line(text: Arguments<'_>) {
    if CLOSED.load(Ordering::Relaxed) {
        return;
    }
    if let Err(error) = writeln!(io::stdout().lock(), "{text}") {
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
