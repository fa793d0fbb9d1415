// SPDX-License-Identifier: Apache-2.0
//! Refanging: analysts write indicators so that nobody clicks on them.

use std::borrow::Cow;

/// What is written, what is meant; longer ones first.
const FANGS: &[(&str, &str)] = &[
    ("[://]", "://"),
    ("[dot]", "."),
    ("(dot)", "."),
    ("{dot}", "."),
    ("[at]", "@"),
    ("(at)", "@"),
    ("[.]", "."),
    ("(.)", "."),
    ("{.}", "."),
    ("[:]", ":"),
    ("[@]", "@"),
    ("[/]", "/"),
    ("\\.", "."),
];

/// The text with `hxxp`, `hxxps`, `[.]`, `(.)`, `{.}`, `[dot]`, `(dot)`, `[:]`, `[://]`, `[@]`, `[at]` and
/// `\.` written out, in either case. Anything else stays as it is.
pub fn refang(text: &str) -> Cow<'_, str> {
    let hxxp = text.get(..4).is_some_and(|t| t.eq_ignore_ascii_case("hxxp"));
    if !hxxp && !text.contains(['[', '(', '{', '\\']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 1);
    let mut rest = text;
    if hxxp && let Some(after) = text.get(4..) {
        out.push_str("http");
        rest = after;
    }
    while let Some(c) = rest.chars().next() {
        let fang = FANGS
            .iter()
            .find(|(written, _)| rest.get(..written.len()).is_some_and(|t| t.eq_ignore_ascii_case(written)));
        let (taken, meant) = match fang {
            Some((written, meant)) => (written.len(), *meant),
            None => (c.len_utf8(), ""),
        };
        let (head, tail) = rest.split_at(taken);
        out.push_str(if fang.is_some() { meant } else { head });
        rest = tail;
    }
    Cow::Owned(out)
}
