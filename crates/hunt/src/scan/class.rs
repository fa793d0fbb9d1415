// SPDX-License-Identifier: Apache-2.0
//! Classes of bytes, and the escapes that change where a token begins or ends.

use model::observable::is_word_char;

/// 0 to 9.
pub(super) const DIGIT: u8 = 1;
/// 0 to 9, a to f, A to F.
pub(super) const HEX: u8 = 2;
/// ASCII letters.
pub(super) const LETTER: u8 = 4;
/// The dot.
pub(super) const DOT: u8 = 8;
/// Hyphen and underscore: part of names, glue between addresses.
pub(super) const GLUE: u8 = 16;
/// The colon.
pub(super) const COLON: u8 = 32;
/// Bytes of characters beyond ASCII.
pub(super) const WIDE: u8 = 64;
/// What begins an escape: `%` and the backslash.
pub(super) const ESCAPE: u8 = 128;
/// What a token consists of.
pub(super) const TOKEN: u8 = DIGIT | LETTER | DOT | GLUE;

/// Classes of each byte.
pub(super) static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT | HEX,
            b'a'..=b'f' | b'A'..=b'F' => LETTER | HEX,
            b'g'..=b'z' | b'G'..=b'Z' => LETTER,
            b'.' => DOT,
            b'-' | b'_' => GLUE,
            b':' => COLON,
            b'%' | b'\\' => ESCAPE,
            0x80.. => WIDE,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// Classes of a byte.
#[inline(always)]
pub(super) fn class(byte: u8) -> u8 {
    CLASSES[usize::from(byte)]
}

/// Whether the byte belongs to a token.
#[inline(always)]
pub(super) fn is_token(byte: u8) -> bool {
    class(byte) & TOKEN != 0
}

/// Value of a hexadecimal digit.
pub(super) fn hex_value(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|d| d as u8)
}

/// Value of two hexadecimal digits.
pub(super) fn hex_pair(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [a, b, ..] => Some(hex_value(*a)? << 4 | hex_value(*b)?),
        _ => None,
    }
}

/// Value of four hexadecimal digits.
pub(super) fn hex_quad(bytes: &[u8]) -> Option<u16> {
    match bytes {
        [a, b, c, d, ..] => Some(u16::from(hex_pair(&[*a, *b])?) << 8 | u16::from(hex_pair(&[*c, *d])?)),
        _ => None,
    }
}

/// The character at the start of the bytes and its length; `None` if they are no UTF-8.
pub(super) fn decode(bytes: &[u8]) -> Option<(char, usize)> {
    let first = *bytes.first()?;
    let length = match first {
        0..0x80 => return Some((char::from(first), 1)),
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    let c = std::str::from_utf8(bytes.get(..length)?).ok()?.chars().next()?;
    Some((c, length))
}

/// Whether bytes that begin beyond ASCII may go on with a word: they do unless a character stands there
/// that ends words. What is no UTF-8 may be the half of a character whose other half is percent-escaped.
fn word_may_follow(bytes: &[u8]) -> bool {
    decode(bytes).is_none_or(|(c, _)| is_word_char(c))
}

/// The same before a token, for bytes that end beyond ASCII.
fn word_may_precede(bytes: &[u8]) -> bool {
    let tail = bytes.get(bytes.len().saturating_sub(4)..).unwrap_or_default();
    // The character begins at the last byte that is no continuation byte, and ends where the bytes end.
    let start = tail.iter().rposition(|b| b & 0xC0 != 0x80).unwrap_or(0);
    let last = tail.get(start..).unwrap_or_default();
    decode(last).is_none_or(|(c, length)| length != last.len() || is_word_char(c))
}

/// What an escape before a token does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// The token begins where it seems to.
    Nothing,
    /// Its first bytes may belong to an escape: it may begin so many bytes later.
    Skip(usize),
    /// The escape stands for a character of the word itself: the line must be decoded.
    Decode,
}

/// Looks at the bytes before a token that begins at `start`.
#[inline]
pub(super) fn escape_before(bytes: &[u8], start: usize) -> Before {
    let (head, token) = bytes.split_at_checked(start).unwrap_or((bytes, &[]));
    match head.last() {
        Some(b'\\') => json_escape_before(head, token),
        Some(b'%') => match hex_pair(token) {
            Some(byte) if class(byte) & (TOKEN | WIDE) != 0 => Before::Decode,
            Some(_) => Before::Skip(2),
            None => Before::Nothing,
        },
        Some(0x80..) if word_may_precede(head) => Before::Decode,
        _ => Before::Nothing,
    }
}

fn json_escape_before(head: &[u8], token: &[u8]) -> Before {
    // Of an even number of backslashes each second one is itself escaped.
    let slashes = head.iter().rev().take_while(|b| **b == b'\\').count();
    match token.split_first() {
        Some((b'b' | b'f' | b'n' | b'r' | b't', _)) if slashes % 2 == 1 => Before::Skip(1),
        Some((b'u', digits)) if slashes % 2 == 1 => match hex_quad(digits) {
            Some(unit) if may_be_word(unit) => Before::Decode,
            Some(_) => Before::Skip(5),
            None => Before::Nothing,
        },
        _ => Before::Nothing,
    }
}

/// Whether an escape or a character after a token that ends at `end` goes on with its word.
#[inline]
pub(super) fn word_goes_on(bytes: &[u8], end: usize) -> bool {
    match bytes.get(end..).unwrap_or_default() {
        [b'%', digits @ ..] => hex_pair(digits).is_some_and(|byte| class(byte) & (TOKEN | WIDE) != 0),
        [b'\\', b'u', digits @ ..] => hex_quad(digits).is_some_and(may_be_word),
        rest @ [0x80..=0xFF, ..] => word_may_follow(rest),
        _ => false,
    }
}

/// Whether a UTF-16 unit is a character of a word, half of a character, or a percent sign, which may
/// itself begin an escape.
pub(super) fn may_be_word(unit: u16) -> bool {
    match u8::try_from(unit) {
        Ok(byte) if byte < 0x80 => is_token(byte) || byte == b'%',
        _ => char::from_u32(u32::from(unit)).is_none_or(is_word_char),
    }
}
