// SPDX-License-Identifier: Apache-2.0
//! Credentials in a request: HTTP Basic (RFC 7617) and Bearer (RFC 6750).
//!
//! TAXII 2.1 section 8.1 asks for Basic; the password is a token and the user name does not matter, as
//! clients such as Sentinel insist on one.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::limits::AUTHORIZATION_BYTES_MAX;

/// What a client says about who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Nothing.
    Nothing,
    /// Something that is no token.
    Unreadable,
    /// The text of a token, still to be looked up.
    Token(String),
}

/// Reads the `Authorization` header.
pub(crate) fn shown(headers: &HeaderMap) -> Shown {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Shown::Nothing };
    if lines.next().is_some() || line.len() > AUTHORIZATION_BYTES_MAX {
        return Shown::Unreadable;
    }
    line.to_str().ok().and_then(token).map_or(Shown::Unreadable, Shown::Token)
}

/// The text of the token in an `Authorization` line, if there is one.
pub fn token(line: &str) -> Option<String> {
    let (scheme, rest) = line.trim().split_once(' ')?;
    let rest = rest.trim_start();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let plain = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        return plain.split_once(':').map(|(_, password)| password.to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Shown {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, line.parse().unwrap());
        }
        shown(&headers)
    }

    #[test]
    fn any_user_name_with_the_token_as_password() {
        for user in ["", "taxii", "polder", "Zoë"] {
            let line = format!("Basic {}", STANDARD.encode(format!("{user}:secret:with:colons")));
            assert_eq!(of(&[&line]), Shown::Token("secret:with:colons".into()));
        }
        assert_eq!(of(&["bearer  abc"]), Shown::Token("abc".into()));
        assert_eq!(of(&["Bearer abc"]), Shown::Token("abc".into()));
        assert_eq!(of(&[]), Shown::Nothing);
    }

    #[test]
    fn anything_else_is_unreadable() {
        let no_colon = format!("Basic {}", STANDARD.encode("nothing"));
        let no_text = format!("Basic {}", STANDARD.encode([0xff, b':']));
        for line in ["Basic", "Basic !!!", "Digest abc", "", "abc", &no_colon, &no_text] {
            assert_eq!(of(&[line]), Shown::Unreadable, "{line}");
        }
        assert_eq!(of(&["Bearer a", "Bearer b"]), Shown::Unreadable, "twice");
        let long = |n: usize| format!("Bearer {}", "a".repeat(n - 7));
        assert!(matches!(of(&[&long(AUTHORIZATION_BYTES_MAX)]), Shown::Token(_)));
        assert_eq!(of(&[&long(AUTHORIZATION_BYTES_MAX + 1)]), Shown::Unreadable);
    }
}
