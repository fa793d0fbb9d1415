// SPDX-License-Identifier: Apache-2.0
//! Where a text quotes a value: for what is kept beside the history when the value is forgotten.

use std::ops::Range;

use model::observable::Observable;

use crate::indicator::{Indicator, Mode};
use crate::scan::{IndicatorSet, Scanner};

/// What stands in a text in the place of a value that was erased.
pub const ERASED: &str = "[erased]";

/// Finds one value in texts: in any spelling that a hunt would find, and as it is written, whatever the case of its
/// ASCII letters. A longer value that holds it (`203.0.113.70`, `www.evil.example`) is another one.
#[derive(Debug)]
pub struct Quotes {
    written: String,
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
        Quotes { written: observable.display(), set: IndicatorSet::build(vec![indicator]) }
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
        let mut all = self.as_written(text);
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

    fn as_written(&self, text: &str) -> Vec<Range<usize>> {
        let (bytes, written) = (text.as_bytes(), self.written.as_bytes());
        if written.is_empty() {
            return Vec::new();
        }
        let is_it = |place: &Range<usize>| {
            bytes.get(place.clone()).is_some_and(|part| part.eq_ignore_ascii_case(written))
                && !goes_on(text.get(..place.start).unwrap_or_default().chars().rev())
                && !goes_on(text.get(place.end..).unwrap_or_default().chars())
        };
        // A place within a character has the bytes of no text.
        let starts = 0..(bytes.len() + 1).saturating_sub(written.len());
        starts.map(|start| start..start + written.len()).filter(is_it).collect()
    }
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
    use model::observable::ObservableKind;

    use super::*;

    fn erased(kind: ObservableKind, value: &str, text: &str) -> Option<String> {
        Quotes::of(&Observable::parse(kind, value).unwrap()).erased(text)
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
