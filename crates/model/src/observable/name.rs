// SPDX-License-Identifier: Apache-2.0
//! Domain names and e-mail addresses.

use std::borrow::Cow;

/// Longest name and longest label in bytes (RFC 1035 section 2.3.4, without the root's length byte).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;
/// Longest local part of an e-mail address (RFC 5321 section 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;

/// A label in lower-case ASCII: A-label of a label with other letters (UTS 46, as browsers do).
/// `None` if it cannot stand in a name. Underscores are allowed: they are in use.
pub fn label_to_ascii(label: &str) -> Option<Cow<'_, str>> {
    let ascii: Cow<'_, str> = if !label.is_ascii() {
        Cow::Owned(idna::domain_to_ascii(label).ok()?)
    } else if label.bytes().any(|c| c.is_ascii_uppercase()) {
        Cow::Owned(label.to_ascii_lowercase())
    } else {
        Cow::Borrowed(label)
    };
    let plain = ascii.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
    (plain && (1..=LABEL_BYTES_MAX).contains(&ascii.len())).then_some(ascii)
}

/// A name of at least two labels in lower-case A-labels without the final dot. The last label begins with
/// a letter, as every top-level domain does: otherwise a mistyped address would be a name.
pub fn name_to_ascii(text: &str) -> Result<String, &'static str> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut name = String::with_capacity(text.len());
    let (mut labels, mut last_is_word) = (0, false);
    for label in text.split('.') {
        let ascii =
            label_to_ascii(label).ok_or("each label has 1 to 63 letters, digits, hyphens or underscores")?;
        if ascii.starts_with('-') || ascii.ends_with('-') {
            return Err("a label neither begins nor ends with a hyphen");
        }
        if labels > 0 {
            name.push('.');
        }
        name.push_str(&ascii);
        labels += 1;
        last_is_word = ascii.starts_with(|c: char| c.is_ascii_lowercase());
    }
    match () {
        () if labels < 2 => Err("a domain name has at least two labels"),
        () if !last_is_word => Err("the last label begins with a letter"),
        () if name.len() > NAME_BYTES_MAX => Err("a domain name has at most 253 bytes"),
        () => Ok(name),
    }
}

/// Labels in the opposite order: `vpn.nxp.nl` to `nl.nxp.vpn` and back.
pub fn reverse_labels(name: &str) -> String {
    let mut reversed = String::with_capacity(name.len());
    for label in name.rsplit('.') {
        if !reversed.is_empty() {
            reversed.push('.');
        }
        reversed.push_str(label);
    }
    reversed
}

/// `Local@Example.NL` to `nl.example.@local`.
pub(super) fn email_canonical(text: &str) -> Result<Vec<u8>, &'static str> {
    let text = text.strip_prefix("mailto:").unwrap_or(text);
    let (local, domain) = text.rsplit_once('@').ok_or("it has no @")?;
    // A colon is in no local part without quotes (RFC 5322 section 3.2.3), and would read as `mailto:` again.
    let plain =
        |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '@' | '"' | '<' | '>' | '/' | ':');
    // Some letters are longer in lower case.
    let local = local.to_lowercase();
    if local.is_empty() || local.len() > LOCAL_BYTES_MAX || !local.chars().all(plain) {
        return Err("the part before the @ has 1 to 64 bytes without quotes, colons, slashes or spaces");
    }
    let mut bytes = reverse_labels(&name_to_ascii(domain)?).into_bytes();
    bytes.extend_from_slice(b".@");
    bytes.extend_from_slice(local.as_bytes());
    Ok(bytes)
}

/// The way back.
pub(super) fn email_display(canonical: &str) -> String {
    match canonical.split_once(".@") {
        Some((domain, local)) => format!("{local}@{}", reverse_labels(domain)),
        None => canonical.to_owned(),
    }
}

/// Whether a non-ASCII character goes on with a word, or ends it: letters, digits and marks of all
/// scripts do, punctuation, symbols and spaces do not.
///
/// Stated as ranges of what is no word, because a mark that `char::is_alphanumeric` leaves out (the virama
/// of Indian scripts) stands inside names.
pub fn is_word_char(c: char) -> bool {
    let c = u32::from(c);
    !NO_WORD.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// Blocks of Unicode that hold no letters of names; the joiners U+200C and U+200D are words.
const NO_WORD: &[(u32, u32)] = &[
    (0x0080, 0x00A9),     // controls and Latin-1 punctuation before ª
    (0x00AB, 0x00B4),     // « to ´
    (0x00B6, 0x00B9),     // ¶ · ¸ ¹
    (0x00BB, 0x00BF),     // » to ¿
    (0x00D7, 0x00D7),     // ×
    (0x00F7, 0x00F7),     // ÷
    (0x060C, 0x060C),     // Arabic comma
    (0x061B, 0x061F),     // Arabic semicolon to question mark
    (0x1680, 0x1680),     // Ogham space
    (0x2000, 0x200B),     // spaces
    (0x200E, 0x2BFF),     // general punctuation, signs, arrows, mathematics, boxes, symbols
    (0x2E00, 0x2E7F),     // supplemental punctuation
    (0x3000, 0x3004),     // ideographic space, comma, full stop
    (0x3008, 0x3020),     // brackets
    (0x3030, 0x3030),     // wavy dash
    (0xD800, 0xF8FF),     // surrogates, private use
    (0xFE10, 0xFE1F),     // vertical forms
    (0xFE30, 0xFE6F),     // compatibility and small forms
    (0xFEFF, 0xFF0F),     // byte order mark, full-width punctuation
    (0xFF1A, 0xFF20),     // full-width colon to @
    (0xFF3B, 0xFF40),     // full-width brackets
    (0xFF5B, 0xFF65),     // full-width brackets, half-width full stop
    (0xFFE0, 0xFFFF),     // full-width signs, specials
    (0x1F000, 0x1FBFF),   // emoji and pictographs
    (0xE0000, 0x10_FFFF), // tags, private use
];
