// SPDX-License-Identifier: Apache-2.0
//! Findings: matches in own logs. They stay home.

use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;

use crate::limits::FINDING_TEXT_BYTES_MAX;
use crate::scan::Hit;

/// An indicator's value in a line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The log, as it was named.
    pub file: String,
    /// Number of the line, from 1.
    pub line: u64,
    /// Offset of the match in the unpacked log.
    pub offset: u64,
    /// Time of the line, if it tells one.
    pub time: Option<Timestamp>,
    /// Kind of the value that was seen.
    pub kind: ObservableKind,
    /// The value that was seen: of a domain with its subdomains, the whole name.
    pub value: String,
    /// The indicator: its STIX id, or the entry of the list as it was written.
    pub indicator: String,
    /// Index of the indicator in the set.
    pub indicator_index: usize,
    /// The line, at most 4 KiB of it around the match, without its line end.
    pub text: String,
    /// Whether bytes of the line are no UTF-8 and were replaced in `text`.
    pub lossy: bool,
    /// Whether `text` is only a part of the line.
    pub clipped: bool,
}

impl Finding {
    /// The value in canonical form, for a sighting.
    pub fn observable(&self) -> Option<Observable> {
        Observable::parse(self.kind, &self.value).ok()
    }
}

/// The finding of a hit. `line` is the line without its newline.
pub(crate) fn finding(
    file: &str,
    line: &[u8],
    hit: Hit,
    indicator: &str,
    time: Option<Timestamp>,
) -> Finding {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let at = usize::try_from(hit.offset - hit.line_start).unwrap_or(0);
    let part = around(line, at, hit.len);
    let text = String::from_utf8_lossy(part);
    Finding {
        file: file.to_owned(),
        line: hit.line,
        offset: hit.offset,
        time,
        kind: hit.kind,
        value: hit.value,
        indicator: indicator.to_owned(),
        indicator_index: hit.indicator,
        lossy: std::str::from_utf8(part).is_err(),
        clipped: part.len() < line.len(),
        text: text.into_owned(),
    }
}

/// At most 4 KiB of a line with the match in the middle, whole characters at both ends.
fn around(line: &[u8], at: usize, len: usize) -> &[u8] {
    if line.len() <= FINDING_TEXT_BYTES_MAX {
        return line;
    }
    let room = FINDING_TEXT_BYTES_MAX.saturating_sub(len) / 2;
    let mut start = at.saturating_sub(room).min(line.len() - FINDING_TEXT_BYTES_MAX);
    let mut end = start + FINDING_TEXT_BYTES_MAX;
    let continues = |at: usize| line.get(at).is_some_and(|b| b & 0xC0 == 0x80);
    // Three continuation bytes at most belong to one character; more are no UTF-8 anyway.
    for _ in 0..3 {
        start += usize::from(continues(start));
        end -= usize::from(continues(end));
    }
    line.get(start..end).unwrap_or_default()
}
