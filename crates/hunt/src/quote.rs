// SPDX-License-Identifier: Apache-2.0
//! Where a text quotes a value: for what is kept beside the history when the value is forgotten.

use std::ops::Range;

use model::observable::{Observable, ObservableKind};

use crate::indicator::{Indicator, Mode};
use crate::scan::named::spellings;
use crate::scan::{IndicatorSet, Scanner};

/// What stands in a text in the place of a value that was erased.
pub const ERASED: &str = "[erased]";

/// Whether two observables are one value to the hunt: systems that log accounts take either case for the same.
pub(crate) fn is_same(one: &Observable, other: &Observable) -> bool {
    let folded = |account: &Observable| account.display().to_lowercase();
    one == other
        || (one.kind(), other.kind()) == (ObservableKind::Account, ObservableKind::Account)
            && folded(one) == folded(other)
}

/// Finds one value in texts: in any spelling that a hunt would find, and as formats write it, whatever the case of its
/// letters. A longer value that holds it (`203.0.113.70`, `www.evil.example`) is another one.
#[derive(Debug)]
pub struct Quotes {
    /// The value as formats write it.
    spellings: Vec<String>,
    set: IndicatorSet,
}

impl Quotes {
    /// Of this value.
    pub fn of(observable: &Observable) -> Quotes {
        let indicator = Indicator {
            id: String::new(),
            observable: observable.clone(),
            mode: Mode::Exact,
            name: String::new(),
            valid_from: None,
            valid_until: None,
        };
        let mut all = spellings(&observable.display());
        all.retain(|spelling| !spelling.is_empty());
        Quotes { spellings: all, set: IndicatorSet::build(vec![indicator]) }
    }

    /// Whether a text quotes it.
    pub fn are_in(&self, text: &str) -> bool {
        !self.places(text).is_empty()
    }

    /// The text with [`ERASED`] in the place of the value; nothing where it does not quote it.
    pub fn erased(&self, text: &str) -> Option<String> {
        let places = self.places(text);
        if places.is_empty() {
            return None;
        }
        let (mut out, mut at) = (String::with_capacity(text.len()), 0);
        for place in places {
            out.push_str(text.get(at..place.start).unwrap_or_default());
            out.push_str(ERASED);
            at = place.end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        Some(out)
    }

    /// Bytes of the text that are the value, in order, each once; they begin and end between characters.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        let each = self.spellings.iter().flat_map(|written| as_written(written, text));
        let mut all: Vec<Range<usize>> = each.collect();
        Scanner::new(&self.set).scan_block(text.as_bytes(), 0, 1, &mut |hit| {
            let start = usize::try_from(hit.offset).unwrap_or(usize::MAX);
            let place =
                text.floor_char_boundary(start)..text.ceil_char_boundary(start.saturating_add(hit.len));
            all.push(place);
        });
        all.sort_by_key(|place| place.start);
        let mut apart: Vec<Range<usize>> = Vec::new();
        for place in all {
            match apart.last_mut() {
                Some(last) if place.start < last.end => last.end = last.end.max(place.end),
                _ => apart.push(place),
            }
        }
        apart
    }
}

fn as_written(written: &str, text: &str) -> Vec<Range<usize>> {
    let (bytes, written) = (text.as_bytes(), written.as_bytes());
    let is_it = |place: &Range<usize>| {
        bytes.get(place.clone()).is_some_and(|part| part.eq_ignore_ascii_case(written))
            && !goes_on(text.get(..place.start).unwrap_or_default().chars().rev())
            && !goes_on(text.get(place.end..).unwrap_or_default().chars())
    };
    // A place within a character has the bytes of no text.
    let starts = 0..(bytes.len() + 1).saturating_sub(written.len());
    starts.map(|start| start..start + written.len()).filter(is_it).collect()
}

/// Whether what stands beside a value makes it a part of a longer one; a dot alone is the end of a sentence.
fn goes_on(mut beside: impl Iterator<Item = char>) -> bool {
    let is_of_a_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    match beside.next() {
        Some('.') => beside.next().is_some_and(is_of_a_word),
        Some(c) => is_of_a_word(c),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn erased(kind: ObservableKind, value: &str, text: &str) -> Option<String> {
        Quotes::of(&Observable::parse(kind, value).unwrap()).erased(text)
    }

    /// What a hunt finds by its field stands in the line as the format of the log writes it.
    #[test]
    fn accounts_and_user_agents_are_erased_as_formats_write_them() {
        use ObservableKind::{Account, UserAgent};
        for (kind, value, text, left) in [
            (Account, r"CORP\anna", r#"{"user":"CORP\\anna"}"#, Some(r#"{"user":"[erased]"}"#)),
            (Account, r"CORP\anna", r#"{"user":"corp\\Anna","n":1}"#, Some(r#"{"user":"[erased]","n":1}"#)),
            (Account, r"CORP\anna", r#"{"user":"CORP\\annabel"}"#, None),
            (Account, "Ünal", "user=ÜNAL ünal ünalan", Some("user=[erased] [erased] ünalan")),
            (Account, "Ünal", r#"{"user":"\u00fcnal"}"#, Some(r#"{"user":"[erased]"}"#)),
            (UserAgent, "a/1 \"b\"", "1,\"a/1 \"\"b\"\"\",2", Some("1,\"[erased]\",2")),
            (UserAgent, "a/1 (b; c)", "GET /x a/1+(b;+c) 200", Some("GET /x [erased] 200")),
            (UserAgent, "a/1 (b)", r#"{"ua":"a\/1 (b)"}"#, Some(r#"{"ua":"[erased]"}"#)),
        ] {
            assert_eq!(erased(kind, value, text).as_deref(), left, "{value} in {text}");
        }
    }

    #[test]
    fn a_value_is_erased_and_a_longer_one_is_not() {
        use ObservableKind::{Account, Domain, Email, Ip, Url, UserAgent};
        for (kind, value, text, left) in [
            (Ip, "203.0.113.7", "to 203.0.113.7, 203.0.113.70", Some("to [erased], 203.0.113.70")),
            (Ip, "203.0.113.7", "1203.0.113.7 203.0.113.7.9", None),
            (Ip, "203.0.113.7", "it was 203.0.113.7.", Some("it was [erased].")),
            (Ip, "2001:db8::7", "peer [2001:0DB8:0:0::0007]:443", Some("peer [[erased]]:443")),
            (Domain, "evil.example", "EVIL.example www.evil.example", Some("[erased] www.evil.example")),
            (Domain, "evil.example", "https://evil.example/a", Some("https://[erased]/a")),
            (Email, "anna@firm.example", "<Anna@firm.example>", Some("<[erased]>")),
            (Account, "anna", "user=anna host=anna-pc é anna", Some("user=[erased] host=anna-pc é [erased]")),
            (Account, "anna", "joanna annabel anna.dewit", None),
            (UserAgent, "curl/8", "\"curl/8\"", Some("\"[erased]\"")),
            (Url, "https://evil.example/x", "GET https://evil.example/x HTTP", Some("GET [erased] HTTP")),
        ] {
            assert_eq!(erased(kind, value, text).as_deref(), left, "{value} in {text}");
        }
        let quotes = Quotes::of(&Observable::guess("203.0.113.7").unwrap());
        assert!(quotes.are_in("a\nb 203.0.113.7\nc") && !quotes.are_in(""));
    }
}
