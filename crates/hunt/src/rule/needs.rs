// SPDX-License-Identifier: Apache-2.0
//! What must stand in an event before a rule can hold of it.
//!
//! A rule is turned into *needs*: clauses of literals, of each clause one literal at least must be there. They
//! are weaker than the rule, never stronger: an event that does not fill them cannot match, one that does is
//! then asked the rule itself. Negations, comparisons and whatever else says nothing of what is there need
//! nothing. Texts are compared in lower case, which makes every comparison weaker, and only their ASCII parts.

use std::collections::HashSet;
use std::sync::Arc;

use regex_syntax::hir::{Class, Hir, HirKind};

/// Most clauses that are kept of one rule: one bit each.
pub const CLAUSES_MAX: usize = 32;
/// Most literals of one clause; a longer one is no longer worth its look-ups.
const LITERALS_MAX: usize = 2_048;
/// Shortest text that is looked for inside of another: single characters stand in every event.
const TEXT_BYTES_MIN: usize = 2;

/// How a literal is looked for. Texts are in lower case, ASCII.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Test {
    /// Somewhere in the value.
    Contains(String),
    /// At its end.
    Ends(String),
    /// The value is this text.
    Equals(String),
    /// The value is this number.
    Number(i64),
    /// At its beginning.
    Starts(String),
}

impl Test {
    /// The text that must stand in the value, in some case.
    pub fn text(&self) -> Option<&str> {
        match self {
            Test::Contains(text) | Test::Ends(text) | Test::Equals(text) | Test::Starts(text) => Some(text),
            Test::Number(_) => None,
        }
    }
}

/// A test on a field; without a name, on any text of the event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Literal {
    /// The field, as the rule names it.
    pub field: Option<Arc<str>>,
    /// What its value must be.
    pub test: Test,
}

/// Clauses that must all hold; of each, one literal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The clauses.
    pub clauses: Vec<Vec<Literal>>,
}

impl Needs {
    /// Nothing is needed, or nothing is known of it.
    pub fn nothing() -> Needs {
        Needs::default()
    }

    /// One literal.
    pub fn literal(field: Option<&Arc<str>>, test: Test) -> Needs {
        Needs { clauses: vec![vec![Literal { field: field.cloned(), test }]] }
    }

    /// What the text of a value needs, from its ASCII parts.
    pub fn text(field: Option<&Arc<str>>, text: &str, starts: bool, ends: bool) -> Needs {
        if !text.is_ascii() {
            let longest = text.split(|c: char| !c.is_ascii()).max_by_key(|part| part.len());
            return Needs::text(field, longest.unwrap_or_default(), false, false);
        }
        let lower = text.to_ascii_lowercase();
        if lower.len() < TEXT_BYTES_MIN && !(starts && ends) {
            return Needs::nothing();
        }
        let test = match (starts, ends) {
            (true, true) => Test::Equals(lower),
            (true, false) => Test::Starts(lower),
            (false, true) => Test::Ends(lower),
            (false, false) => Test::Contains(lower),
        };
        Needs::literal(field, test)
    }

    /// All of these.
    pub fn all(parts: impl IntoIterator<Item = Needs>) -> Needs {
        let mut clauses: Vec<Vec<Literal>> = Vec::new();
        let mut known = HashSet::new();
        for clause in parts.into_iter().flat_map(|part| part.clauses) {
            if known.insert(clause.clone()) {
                clauses.push(clause);
            }
        }
        if clauses.len() > CLAUSES_MAX {
            clauses.sort_by_key(|clause| std::cmp::Reverse(rarity(clause)));
            clauses.truncate(CLAUSES_MAX);
        }
        Needs { clauses }
    }

    /// One of these at least. Every choice of one clause from each is needed; where that is too many, the
    /// rarest clause of each is taken.
    pub fn any(parts: impl IntoIterator<Item = Needs>) -> Needs {
        let parts: Vec<Needs> = parts.into_iter().collect();
        if parts.is_empty() || parts.iter().any(|part| part.clauses.is_empty()) {
            return Needs::nothing();
        }
        let choices = parts.iter().try_fold(1_usize, |n, part| n.checked_mul(part.clauses.len()));
        if choices.is_none_or(|choices| choices > CLAUSES_MAX / 2) {
            let rarest =
                parts.into_iter().filter_map(|part| part.clauses.into_iter().max_by_key(|c| rarity(c)));
            return Needs::of_clause(rarest.flatten().collect());
        }
        let mut clauses: Vec<Vec<Literal>> = vec![Vec::new()];
        for part in &parts {
            if let [only] = part.clauses.as_slice() {
                clauses.iter_mut().for_each(|clause| clause.extend_from_slice(only));
                if clauses.iter().all(|clause| clause.len() > LITERALS_MAX * 2) {
                    return Needs::nothing();
                }
                continue;
            }
            let longer = |clause: &Vec<Literal>| {
                let clause = clause.clone();
                part.clauses.iter().map(move |more| [clause.as_slice(), more.as_slice()].concat())
            };
            clauses = clauses.iter().flat_map(longer).collect();
        }
        Needs::all(clauses.into_iter().map(Needs::of_clause))
    }

    fn of_clause(mut clause: Vec<Literal>) -> Needs {
        clause.sort();
        clause.dedup();
        if clause.len() > LITERALS_MAX {
            return Needs::nothing();
        }
        Needs { clauses: vec![clause] }
    }

    /// What a regular expression needs of a field.
    pub fn regex(field: Option<&Arc<str>>, pattern: &str) -> Needs {
        match regex_syntax::ParserBuilder::new().nest_limit(100).build().parse(pattern) {
            Ok(hir) => of_hir(field, &hir),
            Err(_) => Needs::nothing(),
        }
    }
}

/// How rarely a clause is filled, by guess: as often as its commonest literal, more often the more there are.
fn rarity(clause: &[Literal]) -> usize {
    let of = |literal: &Literal| match &literal.test {
        Test::Contains(text) => text.len().min(24),
        Test::Ends(text) | Test::Starts(text) => text.len().min(24) + 2,
        Test::Equals(text) => text.len().min(8) + 12,
        Test::Number(_) => 16,
    };
    let least = clause.iter().map(of).min().unwrap_or(0) * 4;
    least.saturating_sub(clause.len().ilog2() as usize)
}

fn of_hir(field: Option<&Arc<str>>, hir: &Hir) -> Needs {
    match hir.kind() {
        HirKind::Alternation(choices) => Needs::any(choices.iter().map(|choice| of_hir(field, choice))),
        HirKind::Capture(capture) => of_hir(field, &capture.sub),
        HirKind::Class(_) | HirKind::Literal(_) => {
            text_of(hir).map_or_else(Needs::nothing, |text| Needs::text(field, &text, false, false))
        }
        HirKind::Concat(parts) => of_concat(field, parts),
        HirKind::Repetition(repetition) if repetition.min > 0 => of_hir(field, &repetition.sub),
        HirKind::Empty | HirKind::Look(_) | HirKind::Repetition(_) => Needs::nothing(),
    }
}

/// Neighbouring texts are one text.
fn of_concat(field: Option<&Arc<str>>, parts: &[Hir]) -> Needs {
    let mut needs = Vec::new();
    let mut run = String::new();
    for part in parts {
        if let Some(text) = text_of(part) {
            run.push_str(&text);
            continue;
        }
        needs.push(Needs::text(field, &std::mem::take(&mut run), false, false));
        needs.push(of_hir(field, part));
    }
    needs.push(Needs::text(field, &run, false, false));
    Needs::all(needs)
}

/// The text that an expression stands for, whatever its case.
fn text_of(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).ok(),
        HirKind::Class(Class::Unicode(class)) => {
            let mut folded =
                class.iter().map(|range| (range.start() == range.end()).then(|| fold(range.start())));
            let first = folded.next()??;
            folded.all(|other| other == Some(first)).then(|| first.to_string())
        }
        HirKind::Class(Class::Bytes(class)) => {
            let mut folded = class
                .iter()
                .map(|range| (range.start() == range.end()).then(|| range.start().to_ascii_lowercase()));
            let first = folded.next()??;
            (first.is_ascii() && folded.all(|other| other == Some(first)))
                .then(|| char::from(first).to_string())
        }
        _ => None,
    }
}

/// The long s and the Kelvin sign are cases of s and k.
fn fold(c: char) -> char {
    match c {
        '\u{17F}' => 's',
        '\u{212A}' => 'k',
        _ => c.to_ascii_lowercase(),
    }
}

/// A text as the needs are compared with it: in lower case, in `buffer` where it was not so already.
pub fn lowered<'a>(text: &'a str, buffer: &'a mut String) -> &'a str {
    if text.is_ascii() {
        if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return text;
        }
        buffer.clear();
        buffer.push_str(text);
        buffer.make_ascii_lowercase();
    } else {
        *buffer = text.to_lowercase().replace('\u{17F}', "s");
    }
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(text: &str) -> Vec<Literal> {
        vec![Literal { field: None, test: Test::Contains(text.to_owned()) }]
    }

    #[test]
    fn a_regex_needs_its_texts() {
        let needs = |pattern: &str| Needs::regex(None, pattern).clauses;
        assert_eq!(needs(r"foo\.exe$"), [contains("foo.exe")]);
        assert_eq!(needs(r"(?i)FOO[0-9]+bar"), [contains("foo"), contains("bar")]);
        assert_eq!(needs("(?i)kiss"), [contains("kiss")], "whatever Unicode calls a case of it");
        assert_eq!(needs("(?:abc|def)x"), [[contains("abc"), contains("def")].concat()]);
        assert_eq!(needs("(?:abc)*"), [] as [Vec<Literal>; 0]);
        assert_eq!(needs("(?:abc)+"), [contains("abc")]);
        assert_eq!(needs("(["), [] as [Vec<Literal>; 0], "no regular expression at all");
    }

    #[test]
    fn one_of_several_needs_every_choice() {
        let abcd = Needs::all(["ab", "cd"].map(|t| Needs::text(None, t, false, false)));
        let ef = Needs::text(None, "EF", false, false);
        let both = Needs::any([abcd.clone(), ef.clone()]).clauses;
        assert_eq!(
            both,
            [[contains("ab"), contains("ef")].concat(), [contains("cd"), contains("ef")].concat()]
        );
        assert_eq!(Needs::any([abcd, Needs::nothing()]), Needs::nothing());
    }

    /// The clause was copied for each part that was added to it: a rule of 87 kB took a minute.
    #[test]
    fn of_very_many_parts_nothing_is_needed_and_soon() {
        let part = |n: u32| Needs::text(None, &format!("text{n}"), false, false);
        assert_eq!(Needs::any((0..40_000).map(part)), Needs::nothing());
        assert_eq!(Needs::any((0..2_000).map(part)).clauses[0].len(), 2_000);
        assert_eq!(Needs::all((0..60_000).map(part)).clauses.len(), CLAUSES_MAX);
    }

    #[test]
    fn only_ascii_parts_are_needed() {
        assert_eq!(
            Needs::text(None, "C:\\Übung\\TOOL.exe", true, true).clauses,
            [contains("bung\\tool.exe")]
        );
        assert_eq!(Needs::text(None, "żż", true, true), Needs::nothing());
        assert_eq!(Needs::text(None, "x", false, true), Needs::nothing(), "too short to look for");
    }

    #[test]
    fn lower_case_of_any_text() {
        let mut buffer = String::new();
        assert_eq!(lowered("abc", &mut buffer), "abc");
        assert_eq!(lowered("AbC", &mut buffer), "abc");
        assert_eq!(lowered("Ünſ\u{212A}", &mut buffer), "ünsk");
    }
}
