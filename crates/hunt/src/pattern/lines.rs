// SPDX-License-Identifier: Apache-2.0
//! Which lines of a log need not be read into events for the sake of patterns.
//!
//! A line that holds none of the texts that patterns need ([`super::literal::in_line`]) cannot be part of any match. That
//! is told from its bytes where they say what its fields are: where no byte is beyond ASCII, and no escape stands for a
//! character by its number, as JSON (`\u0041`) and Zeek (`\x41`) have them.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use memchr::memchr;

use super::grams::{Grams, TEXT_BYTES_MIN};
use crate::event::Rewriting;

/// Most texts for which the faster, larger automaton is built, and which it finds faster than the grams do.
const DFA_TEXTS_MAX: usize = 1_000;

/// Tells the lines that patterns need.
#[derive(Debug, Default)]
pub(super) enum Lines {
    /// All: of some pattern it is not known what stands in its lines.
    #[default]
    Every,
    /// Those that hold one of the texts, in any case, or are not plain.
    Holding(Finder),
}

/// Finds texts, in any case.
#[derive(Debug, Default)]
pub(super) struct Finder {
    /// All of few texts; of many those that are too short for the grams.
    plain: Option<AhoCorasick>,
    /// The others; the automaton is asked where the grams say that one may be.
    long: Option<(Grams, AhoCorasick)>,
}

impl Finder {
    /// `None` if they are too many for any automaton.
    fn new(texts: &BTreeSet<String>) -> Option<Finder> {
        let is_long = |text: &&str| texts.len() > DFA_TEXTS_MAX && text.len() >= TEXT_BYTES_MIN;
        let (long, plain): (Vec<&str>, Vec<&str>) = texts.iter().map(String::as_str).partition(is_long);
        let mut finder = Finder::default();
        if !plain.is_empty() {
            finder.plain = Some(automaton(&plain)?);
        }
        if !long.is_empty() {
            finder.long = Some((Grams::of(&long), automaton(&long)?));
        }
        Some(finder)
    }

    fn finds(&self, line: &[u8]) -> bool {
        self.plain.as_ref().is_some_and(|automaton| automaton.is_match(line))
            || self
                .long
                .as_ref()
                .is_some_and(|(grams, automaton)| grams.may_stand_in(line) && automaton.is_match(line))
    }
}

fn automaton(texts: &[&str]) -> Option<AhoCorasick> {
    let kinds = match texts.len() {
        0..=DFA_TEXTS_MAX => &[AhoCorasickKind::DFA, AhoCorasickKind::ContiguousNFA][..],
        _ => &[AhoCorasickKind::ContiguousNFA, AhoCorasickKind::NoncontiguousNFA],
    };
    kinds.iter().find_map(|kind| {
        let mut builder = AhoCorasick::builder();
        builder.ascii_case_insensitive(true).match_kind(MatchKind::Standard).kind(Some(*kind));
        builder.build(texts).ok()
    })
}

impl Lines {
    /// Those that hold one of these texts, which are ASCII.
    pub(super) fn holding(texts: &BTreeSet<String>) -> Lines {
        Finder::new(texts).map_or(Lines::Every, Lines::Holding)
    }

    /// Whether a line may be part of a match.
    pub(super) fn may_match(&self, line: &[u8], rewriting: Rewriting) -> bool {
        let Lines::Holding(finder) = self else { return true };
        if !line.is_ascii() || has_numbered_escape(line) {
            return true;
        }
        finder.finds(line) || rewritten(line, rewriting).is_some_and(|line| finder.finds(&line))
    }
}

/// The line as its values may be, if that is not as it stands.
fn rewritten(line: &[u8], rewriting: Rewriting) -> Option<Vec<u8>> {
    let bytes = line.iter().copied();
    match rewriting {
        Rewriting::DropsQuotes if memchr(b'"', line).is_some() => {
            Some(bytes.filter(|byte| *byte != b'"').collect())
        }
        Rewriting::PlusIsSpace if memchr(b'+', line).is_some() => {
            Some(bytes.map(|byte| if byte == b'+' { b' ' } else { byte }).collect())
        }
        _ => None,
    }
}

/// Whether `\u` and four or `\x` and two hexadecimal digits stand in it, whatever stands before: what is JSON inside of
/// JSON has its backslashes twice.
fn has_numbered_escape(line: &[u8]) -> bool {
    let mut rest = line;
    while let Some(at) = memchr(b'\\', rest) {
        rest = rest.get(at + 1..).unwrap_or_default();
        let digits = match rest.first() {
            Some(b'u') => 4,
            Some(b'x') => 2,
            _ => continue,
        };
        if rest.get(1..=digits).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_may_match() {
        let lines = Lines::holding(&BTreeSet::from(["gate.php?".to_owned(), "evil".to_owned()]));
        for (line, wanted) in [
            (&b"GET /a/GATE.php?id=1"[..], true),
            (b"GET /gate.php", false),
            (b"{\"a\":\"\\u0065vil\"}", true),
            (b"{\"a\":\"C:\\\\users\\\\xavier\"}", false),
            (b"a\tb\\x65vil", true),
            ("é".as_bytes(), true),
            (b"\"ev\"il", false),
        ] {
            let found = lines.may_match(line, Rewriting::Nothing);
            assert_eq!(found, wanted, "{}", String::from_utf8_lossy(line));
        }
        assert!(lines.may_match(b"a,\"ev\"il", Rewriting::DropsQuotes));
        assert!(!lines.may_match(b"a,ev+il", Rewriting::PlusIsSpace));
        let spaced = Lines::holding(&BTreeSet::from(["e vil".to_owned()]));
        assert!(spaced.may_match(b"e+vil", Rewriting::PlusIsSpace));
        assert!(spaced.may_match(b"+e vil", Rewriting::PlusIsSpace));
        assert!(!spaced.may_match(b"e+vil", Rewriting::Nothing));
        assert!(!Lines::holding(&BTreeSet::new()).may_match(b"evil", Rewriting::Nothing));
        assert!(Lines::Every.may_match(b"", Rewriting::Nothing));
    }

    #[test]
    fn many_texts_are_found_as_few_are() {
        let texts: BTreeSet<String> = (0..DFA_TEXTS_MAX)
            .flat_map(|nth| [format!("{nth:04}word-{nth}.example"), format!("x{nth:03}y")])
            .collect();
        let lines = Lines::holding(&texts);
        for text in &texts {
            let line = format!("GET /{} HTTP/1.1", text.to_uppercase());
            assert!(lines.may_match(line.as_bytes(), Rewriting::Nothing), "{line}");
        }
        assert!(!lines.may_match(b"GET /10000word-.example HTTP/1.1", Rewriting::Nothing));
    }
}
