// SPDX-License-Identifier: Apache-2.0
//! The typed scan: which indicators stand in which lines.
//!
//! **What is a match.** A line is read as it stands, again with its JSON escapes undone, and again with
//! its percent escapes undone too; what stands in any of the three is a match, and is reported once for a
//! line and indicator, with the first offset.
//!
//! - A *word* is a longest run of ASCII letters, digits, `.`, `-`, `_` and letters of other scripts.
//!   Bytes that are no UTF-8 end a word. A *piece* is what two or more dots in a row leave of a word,
//!   without the dots and hyphens at its ends.
//! - A piece with a dot whose last label begins with a letter is a **name**: of at most 253 bytes, in any
//!   case, other letters as A-labels. An indicator matches the whole name or, if it says so, the end of
//!   the name after a dot. A name under `in-addr.arpa` or `ip6.arpa` is also the **address** that it
//!   stands for.
//! - Any other piece with a dot is cut at `-`, `_` and letters of other scripts; a part that is four
//!   octets without leading zeros is an **address**: `1.2.3.4` is in `1.2.3.4-1.2.3.9` and not in
//!   `11.2.3.45` or `1.2.3.4.5`.
//! - A longest run of hexadecimal digits, colons and dots, without the dots and the single colon at its
//!   ends, that reads as an IPv6 address and has no ASCII letter beside it is an **address**.
//! - A piece of 32, 40, 64, 96 or 128 hexadecimal digits is a **hash**; 32 digits are an MD5 and a JA3. A
//!   piece of the shape of a JA4 is one.
//! - A name or address that `/`, `?` or a port and one of these follow, or that `://` precedes, begins a
//!   **URL**; it goes on to a space, a quote, `<`, `>`, `\`, `^`, a backtick, a brace or `|`, and is
//!   compared whole, without punctuation at its end, and up to its first comma.
//! - A name that `@` precedes ends an **e-mail address**; its local part is a run of letters, digits and
//!   `.`, `_`, `+`, `-`, or of all characters that RFC 5322 allows without quotes.
//!
//! User agents and accounts have no shape by which to find them: [`IndicatorSet::diagnostics`] says which
//! indicators are not hunted for.
//!
//! [`mod@reference`] says the same in slow and plain code; a property test holds the two together.

mod class;
mod fast;
mod filter;
mod kept;
mod line;
pub(crate) mod named;
pub mod reference;
mod report;
mod set;
mod simd;
mod table;
mod walk;

use model::observable::ObservableKind;

pub(crate) use fast::arpa_address;
pub(crate) use named::Candidate;
pub use set::IndicatorSet;
pub use simd::Path;

/// A match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Number of the line, from the number that the block's first line was given.
    pub line: u64,
    /// Offset of the line's first byte in the unpacked stream.
    pub line_start: u64,
    /// Offset of the match in the unpacked stream.
    pub offset: u64,
    /// Bytes of the match as it stands in the line.
    pub len: usize,
    /// Index of the indicator in its set.
    pub indicator: usize,
    /// Kind of the value that was seen: an address, where the indicator is a network.
    pub kind: ObservableKind,
    /// The value that was seen: a whole name, where the indicator is a domain above it. Lower case, A-labels;
    /// a URL as it stands.
    pub value: String,
}

/// An observable that was seen, whether or not an indicator is about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Address, domain or hash.
    pub kind: ObservableKind,
    /// The token as it stands; a name may be one under `arpa`, which stands for an address.
    pub token: &'a [u8],
    /// Offset of its line's first byte in the block.
    pub line_start: usize,
}

/// Scans blocks for the indicators of a set. Cheap to make and to share between threads.
#[derive(Clone, Copy, Debug)]
pub struct Scanner<'s> {
    set: &'s IndicatorSet,
    path: Path,
}

impl<'s> Scanner<'s> {
    /// A scanner for a set.
    pub fn new(set: &'s IndicatorSet) -> Scanner<'s> {
        Scanner::by_path(set, Path::fastest())
    }

    /// A scanner that reads by another of the ways that this processor has. All find the same.
    pub fn by_path(set: &'s IndicatorSet, path: Path) -> Scanner<'s> {
        Scanner { set, path }
    }

    /// Scans a block of whole lines; the last one may lack its newline. `base_offset` is the place of the
    /// block in the unpacked stream, `first_line` the number of its first line. Hits come in the order of
    /// the lines, in a line in the order of their offsets.
    pub fn scan_block(&self, block: &[u8], base_offset: u64, first_line: u64, on_hit: &mut dyn FnMut(Hit)) {
        fast::scan(self.set, self.path, block, base_offset, first_line, on_hit, None);
    }

    /// The same, and hands over each address, domain and hash that the block holds, mostly line by line.
    pub fn scan_block_seeing(
        &self,
        block: &[u8],
        base_offset: u64,
        first_line: u64,
        on_hit: &mut dyn FnMut(Hit),
        on_seen: &mut dyn FnMut(Seen<'_>),
    ) {
        fast::scan(self.set, self.path, block, base_offset, first_line, on_hit, Some(on_seen));
    }
}
