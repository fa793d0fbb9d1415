// SPDX-License-Identifier: Apache-2.0
//! What regular expressions take in memory once they are compiled, told by their parts: before that, and whatever library
//! compiles them. Each has a limit of its own there; this is for the sum of many.

use regex_syntax::hir::{Class, Hir, HirKind};

/// About what an expression takes besides its states.
const EXPRESSION_BYTES: usize = 8 * 1024;
/// About what a state takes, forwards and backwards.
const STATE_BYTES: usize = 32;

/// About how many bytes an expression takes. What is no expression takes none: who compiles it says what is wrong.
pub(crate) fn size_of(pattern: &str) -> usize {
    let parsed = regex_syntax::ParserBuilder::new().utf8(false).build().parse(pattern);
    parsed.map_or(0, |hir| states(&hir).saturating_mul(STATE_BYTES).saturating_add(EXPRESSION_BYTES))
}

fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len() + 1,
        HirKind::Class(Class::Unicode(class)) => {
            class.iter().map(|range| of_range(range.start(), range.end())).sum::<usize>() + 1
        }
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(states).fold(1, usize::saturating_add)
        }
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or_else(|| repetition.min.max(1));
            let times = usize::try_from(times).unwrap_or(usize::MAX);
            states(&repetition.sub).saturating_add(1).saturating_mul(times).saturating_add(1)
        }
    }
}

/// States of a range of characters: one a byte that may stand there, more where their encodings differ in length.
fn of_range(start: char, end: char) -> usize {
    match (start.len_utf8(), end.len_utf8()) {
        (1, 1) => 1,
        (short, long) if short == long => 3,
        _ => 40,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes that were measured, with what an allocator counted.
    #[test]
    fn sizes_are_about_what_is_taken() {
        for (pattern, measured) in [
            (r"\w", 61_276),
            (r"\w{50}", 2_805_632),
            (r"(?i)(a|b|c){1,200}x\w{50}\w{30}", 4_524_782),
            ("(a|b|c){1,900}xyz", 193_040),
            ("(?s).{300}", 296_936),
            ("[^a]{200}", 206_936),
            ("(ab){1000}", 277_860),
            (r"(\w|x){40}", 2_250_704),
            ("a{5000}", 245_658),
            ("(?:a*){1000}", 101_336),
        ] {
            let told = size_of(pattern);
            assert!(told > measured / 2 && told < measured * 2, "{pattern}: {told} for {measured}");
        }
        assert_eq!(size_of("(["), 0);
        assert!(size_of("((((a{1000}){1000}){1000}){1000}){1000}") > 1 << 50);
    }
}
