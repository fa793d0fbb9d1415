// SPDX-License-Identifier: Apache-2.0
//! A pattern's text as tokens (the lexer's part of `STIXPattern.g4`).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use model::id::hex_decode;
use model::time::Timestamp;

use super::ast::{Literal, Number, Time};
use super::{Dialect, PatternError};

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A constant. `true` and `false` are words.
    Literal(Literal),
    /// Brackets, operators, punctuation.
    Symbol(&'static str),
    /// A keyword or a name; with hyphens only where the grammar allows an object type.
    Word(String),
}

/// A token and the byte at which it begins.
pub(crate) type Placed = (usize, Token);

/// Longest first, so that `<=` is not `<` and `=`.
const SYMBOLS: &[(&str, &str)] = &[
    ("==", "="),
    ("!=", "!="),
    ("<>", "!="),
    ("<=", "<="),
    (">=", ">="),
    ("=", "="),
    ("<", "<"),
    (">", ">"),
    ("[", "["),
    ("]", "]"),
    ("(", "("),
    (")", ")"),
    (",", ","),
    (":", ":"),
    (".", "."),
    ("*", "*"),
];

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Cuts a pattern into tokens.
pub(crate) fn tokens(pattern: &str, dialect: Dialect) -> Result<Vec<Placed>, PatternError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = pattern.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(length) = skipped(rest) {
            at += length;
            continue;
        }
        let (token, length) = token(rest, dialect).ok_or_else(|| PatternError::Grammar {
            at,
            found: crate::indicator::excerpt(rest.split_whitespace().next().unwrap_or(rest)),
            wanted: "a word, an operator or a value",
        })?;
        tokens.push((at, token));
        at += length;
    }
    Ok(tokens)
}

/// Length of white space or a comment.
fn skipped(rest: &str) -> Option<usize> {
    if let Some(comment) = rest.strip_prefix("/*") {
        return comment.find("*/").map(|end| end + 4);
    }
    if rest.starts_with("//") {
        return Some(rest.find(['\r', '\n']).unwrap_or(rest.len()));
    }
    let length = rest.len() - rest.trim_start_matches(is_space).len();
    (length > 0).then_some(length)
}

/// White space as the grammar lists it; U+202F is in it and U+0085 too.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{a0}' | '\u{1680}')
        || matches!(
            c,
            '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
        )
}

fn token(rest: &str, dialect: Dialect) -> Option<(Token, usize)> {
    let first = rest.chars().next()?;
    if first == '\'' {
        let (text, length) = text(rest, dialect)?;
        return Some((Token::Literal(Literal::Text(text)), length));
    }
    if let Some((number, length)) = number(rest) {
        return Some((Token::Literal(Literal::Number(number)), length));
    }
    if first.is_ascii_alphabetic() || first == '_' {
        // What looks like one and is none is a word and a string, which no rule of the grammar takes.
        if let Some((literal, length)) = prefixed(rest) {
            return Some((Token::Literal(literal), length));
        }
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')));
        let length = end.unwrap_or(rest.len());
        return Some((Token::Word(rest.get(..length)?.to_owned()), length));
    }
    let (written, symbol) = SYMBOLS.iter().find(|(written, _)| rest.starts_with(written))?;
    Some((Token::Symbol(symbol), written.len()))
}

/// A string literal and its length with both quotes. The grammar knows `\'` and `\\`; indicators in the wild
/// have others, in which the escaped character is meant.
pub(crate) fn text(rest: &str, dialect: Dialect) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Some((text, at + 1)),
            '\\' => {
                let (_, escaped) = chars.next()?;
                if dialect != Dialect::Lenient && !matches!(escaped, '\'' | '\\') {
                    return None;
                }
                text.push(escaped);
            }
            c => text.push(c),
        }
    }
    None
}

/// A number: `+1`, `-0`, `.5`, `7.25`. `01` is two numbers, `5.` a number and a dot.
fn number(rest: &str) -> Option<(Number, usize)> {
    let bytes = rest.as_bytes();
    let digits =
        |from: usize| bytes.get(from..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
    let sign = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = digits(sign);
    if bytes.get(sign + whole) == Some(&b'.') {
        let fraction = digits(sign + whole + 1);
        if fraction > 0 {
            let length = sign + whole + 1 + fraction;
            return Some((Number::Float(rest.get(..length)?.parse().ok()?), length));
        }
    }
    let whole = if bytes.get(sign) == Some(&b'0') { 1 } else { whole };
    let text = rest.get(..sign + whole).filter(|_| whole > 0)?;
    // Larger than any count that a log holds: compared as a floating-point number.
    let number = text.parse().map(Number::Integer).or_else(|_| text.parse().map(Number::Float)).ok()?;
    Some((number, sign + whole))
}

/// `h'…'`, `b'…'` and `t'…'`.
fn prefixed(rest: &str) -> Option<(Literal, usize)> {
    let mut chars = rest.chars();
    let prefix = chars.next().filter(|_| chars.next() == Some('\''))?;
    let body = rest.get(2..)?;
    let body = body.get(..body.find('\'')?)?;
    let length = body.len() + 3;
    let literal = match prefix {
        'h' => Literal::Bytes(hex_decode(body)?),
        'b' if !body.is_empty() => Literal::Bytes(BASE64.decode(body).ok()?),
        't' if is_time(body) => Literal::Time(time(body)),
        _ => return None,
    };
    Some((literal, length))
}

/// Bytes of base64.
pub(crate) fn unbase64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// A time that has the grammar's form.
pub(crate) fn time(text: &str) -> Time {
    // Sixty seconds are in the grammar, and no time; more than nine digits of a fraction change nothing here.
    let (head, fraction) = text.split_once('.').unwrap_or((text, "Z"));
    let digits: String = fraction.chars().filter(char::is_ascii_digit).take(6).collect();
    let plain = if digits.is_empty() {
        format!("{}Z", head.trim_end_matches('Z'))
    } else {
        format!("{head}.{digits}Z")
    };
    Time { text: text.to_owned(), time: Timestamp::parse(&plain).ok() }
}

/// Whether a text has the form of a time in a pattern (the grammar's `TimestampLiteral`).
pub(crate) fn is_time(text: &str) -> bool {
    let Some((head, rest)) = text.as_bytes().split_first_chunk::<19>() else { return false };
    let shaped = head.iter().enumerate().all(|(at, byte)| match at {
        4 | 7 => *byte == b'-',
        10 => *byte == b'T',
        13 | 16 => *byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let two = |at: usize| text.get(at..at + 2).and_then(|two| two.parse::<u8>().ok()).unwrap_or(u8::MAX);
    let fraction = match rest.strip_prefix(b".") {
        None => rest == b"Z",
        Some(rest) => rest
            .strip_suffix(b"Z")
            .is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)),
    };
    shaped
        && fraction
        && (1..=12).contains(&two(5))
        && (1..=31).contains(&two(8))
        && two(11) < 24
        && two(14) < 60
        && two(17) <= 60
}
