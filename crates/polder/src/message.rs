// SPDX-License-Identifier: Apache-2.0
//! Messages to stderr.

use std::fmt::Arguments;

use model::diagnostic::shown;

/// Writes a message to stderr. It may hold names of files, of members of archives, of whoever wrote something down: what
/// could move a terminal's cursor, forge a line or change how others are shown is written as an escape, whatever the
/// message is made of. A line of progress makes room for it.
pub fn message(text: Arguments<'_>) {
    let _aside = crate::out::aside();
    ::std::eprintln!("{}", shown(&text.to_string()));
}

/// As the one of the standard library, by [`message`]. It has the same name so that no message goes another way.
macro_rules! eprintln {
    () => { $crate::message::message(format_args!("")) };
    ($($text:tt)*) => { $crate::message::message(format_args!($($text)*)) };
}
