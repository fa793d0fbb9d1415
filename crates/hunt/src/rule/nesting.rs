// SPDX-License-Identifier: Apache-2.0
//! How deep a rule's YAML nests, told before a parser sees it: the parser needs time in the square of the depth.
//!
//! This is no parser. Quotes are taken for such where a value may begin, so that a bracket in a text counts as little as
//! may be; a text that makes them look otherwise hides its brackets from the depth, but not from their number.

use crate::limits::{RULE_BRACKETS_MAX, RULE_NESTING_MAX};

/// Refuses a text that nests too deep, or could.
pub(super) fn check(text: &str) -> Result<(), String> {
    let brackets = text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if brackets > RULE_BRACKETS_MAX {
        return Err(format!("it opens {brackets} brackets; at most {RULE_BRACKETS_MAX} are read"));
    }
    let blocks = blocks(text);
    if blocks + brackets > RULE_NESTING_MAX && blocks + flows(text) > RULE_NESTING_MAX {
        return Err(format!("lists or maps are nested in it deeper than {RULE_NESTING_MAX}"));
    }
    Ok(())
}

/// Deepest nesting by indentation, and by the signs of lists (`- - -`) and keys (`? ? ?`) that begin a line.
fn blocks(text: &str) -> usize {
    let mut open: Vec<usize> = Vec::new();
    let mut deepest = 0;
    for line in text.lines() {
        let indented = line.trim_start_matches(' ');
        if indented.is_empty() || indented.starts_with('#') {
            continue;
        }
        let indent = line.len() - indented.len();
        open.retain(|outer| *outer < indent);
        open.push(indent);
        let words = indented.split([' ', '\t']).filter(|word| !word.is_empty());
        let signs = words.take_while(|word| matches!(*word, "-" | "?" | ":")).count();
        deepest = deepest.max(open.len() + signs);
    }
    deepest
}

/// Deepest nesting by brackets outside of quotes.
fn flows(text: &str) -> usize {
    let (mut depth, mut deepest, mut quote, mut before) = (0_usize, 0, None, '\n');
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match quote {
            Some('"') if c == '\\' => drop(chars.next()),
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None => match c {
                '\'' | '"' if before.is_whitespace() || matches!(before, '[' | '{' | ',' | ':') => {
                    quote = Some(c)
                }
                '[' | '{' => depth += 1,
                ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            },
        }
        deepest = deepest.max(depth);
        before = c;
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rule of 200 KB of brackets took a minute and a half, and was read only then.
    #[test]
    fn a_rule_that_nests_deep_is_refused_before_it_is_parsed() {
        let list = |depth: usize| format!("a: {}{}\n", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(&list(RULE_NESTING_MAX - 1)), Ok(()));
        assert!(check(&list(RULE_NESTING_MAX)).is_err());
        assert!(check(&format!("a: {}", "{a: ".repeat(100))).is_err());
        assert!(check(&"- ".repeat(100)).is_err());
        assert!(check(&"? ".repeat(100)).is_err());
        let indented: String = (0..100).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert!(check(&indented).is_err());
        let hidden = format!("a: don 'x\nb: {}\n", "[\"]\", ".repeat(RULE_BRACKETS_MAX + 1));
        assert!(check(&hidden).is_err(), "what hides is too much");
    }

    #[test]
    fn brackets_in_texts_are_no_nesting() {
        let values: String = (0..200).map(|nth| format!("  - '[{nth}'\n  - \"{{\\\"{nth}\"\n")).collect();
        assert_eq!(check(&format!("a:\n{values}")), Ok(()));
        let maps: String = (0..200).map(|nth| format!("  - {{a: [{nth}], b: don't}}\n")).collect();
        assert_eq!(check(&format!("a:\n{maps}")), Ok(()));
    }
}
