// SPDX-License-Identifier: Apache-2.0
//! Lines that could not be read, by reason: never skipped in silence.

use std::collections::BTreeMap;
use std::fmt;

/// Why a line could not be read into fields. It was hunted in all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unread {
    /// It holds NUL or many control characters: it is no text.
    Binary,
    /// More or fewer values than the header has names.
    Columns,
    /// It is not in the form that the rest of the log has.
    Form,
    /// What tells the names of its values is missing or broken.
    Header,
    /// It is no JSON object.
    Json,
    /// It is longer than [`crate::limits::LINE_BYTES_MAX`]; the log's reader counts these.
    TooLong,
    /// It has more than [`crate::limits::FIELDS_MAX`] fields.
    TooManyFields,
}

impl Unread {
    /// All reasons with their names, and what they mean to a person.
    pub const ALL: [(Unread, &'static str, &'static str); 7] = [
        (Unread::Binary, "binary", "no text"),
        (Unread::Columns, "columns", "not as many values as the header has names"),
        (Unread::Form, "form", "not in the form of the rest of the log"),
        (Unread::Header, "header", "the header that names the values is missing or broken"),
        (Unread::Json, "json", "no JSON object"),
        (Unread::TooLong, "too-long", "longer than is read"),
        (Unread::TooManyFields, "too-many-fields", "more fields than are read"),
    ];

    /// Stable short name, as it is stored.
    pub fn name(self) -> &'static str {
        Unread::ALL.iter().find(|(unread, ..)| *unread == self).map_or("", |(_, name, _)| *name)
    }

    /// The reason of a name.
    pub fn from_name(name: &str) -> Option<Unread> {
        Unread::ALL.iter().find(|(_, n, _)| *n == name).map(|(unread, ..)| *unread)
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Unread::ALL.iter().find(|(unread, ..)| unread == self).map_or("", |(.., text)| *text))
    }
}

/// Lines of one log that could not be read, counted by reason, with the first of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnreadLines(BTreeMap<Unread, (u64, u64)>);

impl UnreadLines {
    /// One more, with the number of its line.
    pub fn add(&mut self, reason: Unread, line: u64) {
        let (count, first) = self.0.entry(reason).or_insert((0, line));
        *count += 1;
        *first = line.min(*first);
    }

    /// What another part of the log came to.
    pub fn join(&mut self, other: &UnreadLines) {
        for (reason, (more, line)) in &other.0 {
            let (count, first) = self.0.entry(*reason).or_insert((0, *line));
            *count += more;
            *first = (*first).min(*line);
        }
    }

    /// Reason, how many, and the number of the first line.
    pub fn iter(&self) -> impl Iterator<Item = (Unread, u64, u64)> + '_ {
        self.0.iter().map(|(reason, (count, line))| (*reason, *count, *line))
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.values().map(|(count, _)| count).sum()
    }
}
