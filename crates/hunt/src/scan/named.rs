// SPDX-License-Identifier: Apache-2.0
//! Values without a shape of their own, accounts and user agents: only the field in which they stand tells them from
//! other text. Their bytes are looked for, however formats write them, and a line that holds them is read into fields.

use std::collections::BTreeMap;

use aho_corasick::AhoCorasick;
use model::observable::ObservableKind;

/// Values that only fields tell.
#[derive(Debug, Default)]
pub(crate) struct Named {
    finder: Option<AhoCorasick>,
    /// Of each text that is looked for, the value that it spells.
    spells: Vec<usize>,
    values: Vec<Value>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) kind: ObservableKind,
    text: Box<str>,
    /// Chain of its indicators.
    pub(super) chain: u32,
}

impl Value {
    /// What tells it from the others of its set.
    pub(crate) fn number(&self) -> u32 {
        self.chain
    }

    /// Whether a field holds it. Systems that log accounts take either case for the same.
    pub(crate) fn is(&self, field: &str) -> bool {
        let field = field.trim();
        match self.kind {
            // A letter may have a longer form in the other case, but not many times as long.
            ObservableKind::Account if field.len() > 4 * self.text.len() => false,
            ObservableKind::Account => field.to_lowercase() == self.text.to_lowercase(),
            _ => *field == *self.text,
        }
    }
}

/// Where the bytes of one stand.
pub(crate) struct Candidate<'a> {
    /// Offset in what was searched, and bytes.
    pub(crate) at: usize,
    pub(crate) len: usize,
    pub(crate) value: &'a Value,
}

impl Named {
    /// Of values with the chains of their indicators; `None` if they are too many to be looked for.
    pub(super) fn build(chains: BTreeMap<(ObservableKind, Box<str>), u32>) -> Option<Named> {
        let mut named = Named::default();
        let mut texts = Vec::new();
        for ((kind, text), chain) in chains {
            for spelling in spellings(&text) {
                named.spells.push(named.values.len());
                texts.push(spelling);
            }
            named.values.push(Value { kind, text, chain });
        }
        if !texts.is_empty() {
            named.finder = Some(AhoCorasick::builder().ascii_case_insensitive(true).build(texts).ok()?);
        }
        Some(named)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.finder.is_none()
    }

    /// Where the bytes of values stand, in their order.
    pub(crate) fn candidates<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Candidate<'a>> {
        let found = self.finder.iter().flat_map(move |finder| finder.find_overlapping_iter(bytes));
        found.filter_map(|found| {
            let value = self.values.get(*self.spells.get(found.pattern().as_usize())?)?;
            Some(Candidate { at: found.start(), len: found.len(), value })
        })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let texts: usize = self.values.iter().map(|value| size_of::<Value>() + value.text.len()).sum();
        texts
            + self.spells.len() * size_of::<usize>()
            + self.finder.as_ref().map_or(0, AhoCorasick::memory_usage)
    }
}

/// As it is and, where letters are no ASCII, in either case; in JSON, with and without its optional escapes; in CSV; in a
/// log in which spaces are plus signs.
pub(crate) fn spellings(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for text in [text, &text.to_lowercase(), &text.to_uppercase()] {
        // The finder takes ASCII in either case by itself.
        if !text.is_ascii() || all.is_empty() {
            let json = serde_json::to_string(text).unwrap_or_default();
            let json =
                json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(text).to_owned();
            all.push(escaped(&json));
            all.push(json.replace('/', "\\/"));
            all.extend([text.to_owned(), json, text.replace('"', "\"\""), text.replace(' ', "+")]);
        }
    }
    all.sort();
    all.dedup();
    all
}

/// JSON in ASCII, as many writers have it: also signs that mean something in HTML are escaped.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() && !matches!(letter, '\'' | '&' | '<' | '>') {
            text.push(letter);
        } else {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_looked_for_as_formats_write_it() {
        assert_eq!(spellings("anna"), ["anna"]);
        assert_eq!(spellings(r"CORP\anna"), [r"CORP\\anna", r"CORP\anna"]);
        assert_eq!(spellings("Ünal"), ["\\u00dcNAL", "\\u00dcnal", "\\u00fcnal", "ÜNAL", "Ünal", "ünal"]);
        assert_eq!(spellings("o'brien"), ["o'brien", "o\\u0027brien"]);
        assert_eq!(
            spellings(r#"a/1 "b""#),
            [r#"a/1 ""b"""#, r#"a/1 "b""#, r#"a/1 \"b\""#, r#"a/1+"b""#, r#"a\/1 \"b\""#]
        );
    }
}
