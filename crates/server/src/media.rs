// SPDX-License-Identifier: Apache-2.0
//! Media types (RFC 9110 section 8.3.1 and 12.5.1; TAXII 2.1 section 1.6.8), parsed and never compared
//! as text.

use crate::limits::ACCEPT_RANGES_MAX;

/// What every answer is, in exactly this form: taxii2-client looks for each part of it.
pub(crate) const TAXII: &str = "application/taxii+json;version=2.1";
/// A STIX 2.1 object.
pub(crate) const STIX_21: &str = "application/stix+json;version=2.1";
/// A STIX 2.0 object.
pub(crate) const STIX_20: &str = "application/stix+json;version=2.0";

/// A media type or range: names in lower case, parameters in order.
#[derive(Debug, PartialEq, Eq)]
struct MediaRange {
    main: String,
    sub: String,
    parameters: Vec<(String, String)>,
}

impl MediaRange {
    fn parse(text: &str) -> Option<MediaRange> {
        let mut parts = split_outside_quotes(text, ';');
        let (main, sub) = parts.next()?.trim().split_once('/')?;
        if !is_token(main) || !is_token(sub) {
            return None;
        }
        let mut parameters = Vec::new();
        for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=')?;
            let (name, value) = (name.trim(), unquote(value.trim())?);
            if !is_token(name) {
                return None;
            }
            parameters.push((name.to_ascii_lowercase(), value));
        }
        Some(MediaRange { main: main.to_ascii_lowercase(), sub: sub.to_ascii_lowercase(), parameters })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How exactly the range names what the server speaks; `None` if it names something else.
    fn names_taxii_21(&self) -> Option<u8> {
        match (self.main.as_str(), self.sub.as_str(), self.parameter("version")) {
            ("application", "taxii+json", Some("2.1")) => Some(4),
            ("application", "taxii+json", None) => Some(3),
            // Clients that say only that they read JSON are answered (OpenCTI #4246).
            ("application", "json", _) => Some(2),
            ("application", "*", _) => Some(1),
            ("*", "*", _) => Some(0),
            _ => None,
        }
    }

    fn is_wanted(&self) -> bool {
        // A weight that is no number counts as none given.
        self.parameter("q").and_then(|q| q.parse::<f32>().ok()).is_none_or(|q| q > 0.0)
    }
}

/// Whether an `Accept` header (its lines in order) lets the server answer in TAXII 2.1. Without the
/// header it may not: the specification asks clients to send it.
pub fn accepts_taxii<'a>(lines: impl IntoIterator<Item = &'a str>) -> bool {
    let mut best: Option<(u8, bool)> = None;
    let ranges = lines.into_iter().flat_map(|line| split_outside_quotes(line, ','));
    for range in ranges.take(ACCEPT_RANGES_MAX).filter_map(MediaRange::parse) {
        let Some(rank) = range.names_taxii_21() else { continue };
        // The most exact range counts; among equals one that wants it is enough.
        best = best.max(Some((rank, range.is_wanted())));
    }
    best.is_some_and(|(_, wanted)| wanted)
}

/// Whether a `Content-Type` says that the body is a TAXII 2.1 envelope. The version may be left out.
pub fn is_taxii(line: &str) -> bool {
    MediaRange::parse(line).is_some_and(|range| {
        (range.main.as_str(), range.sub.as_str()) == ("application", "taxii+json")
            && range.parameter("version").is_none_or(|version| version == "2.1")
    })
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c))
}

fn unquote(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else { return is_token(text).then(|| text.to_owned()) };
    let inner = inner.strip_suffix('"')?;
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next()? } else { c });
    }
    Some(plain)
}

fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let outside = !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        outside && c == separator
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_is_accepted() {
        for accept in [
            "application/taxii+json;version=2.1",
            "application/taxii+json; version=2.1",
            "application/taxii+json ; version = 2.1",
            "application/taxii+json;version=\"2.1\"",
            "Application/TAXII+JSON;Version=2.1",
            "application/taxii+json",
            "application/taxii+json;version=2.1;q=0.5",
            "application/taxii+json;q=0.5;version=2.1",
            "application/taxii+json;version=2.1;charset=utf-8",
            "application/vnd.oasis.taxii+json;version=2.0, application/taxii+json;version=2.1",
            "application/json, text/plain, */*",
            "application/json",
            "text/html, */*;q=0.1",
            "*/*",
            "application/*",
            "application/taxii+json;version=2.0, application/taxii+json;version=2.1;q=0.1",
            "text/x; a=\"1,2\", application/taxii+json",
        ] {
            assert!(accepts_taxii([accept]), "{accept}");
        }
        assert!(accepts_taxii(["text/html", "application/taxii+json"]), "several lines are one header");
    }

    #[test]
    fn what_names_something_else_is_not() {
        for accept in [
            "",
            "application/vnd.oasis.taxii+json;version=2.0",
            "application/taxii+json;version=9.9",
            "application/taxii+json;version=2.0",
            "application/stix+json;version=2.1",
            "text/html",
            "text/*",
            "application/taxii+json;version=2.1;q=0",
            "*/*;q=0",
            "*/*, application/taxii+json;version=2.1;q=0.000",
            "application",
            "/",
            "application/taxii+json;version",
            "text/x; a=\"application/taxii+json, */*\"",
            "*/json",
        ] {
            assert!(!accepts_taxii([accept]), "{accept}");
        }
        assert!(!accepts_taxii([]), "no header at all");
    }

    #[test]
    fn bodies_are_taxii_or_nothing() {
        for good in [
            "application/taxii+json;version=2.1",
            "application/taxii+json; version=2.1",
            "application/taxii+json",
            "APPLICATION/Taxii+JSON;charset=utf-8",
            "application/taxii+json;version=\"2.1\"",
        ] {
            assert!(is_taxii(good), "{good}");
        }
        for bad in [
            "",
            "application/json",
            "application/taxii+json;version=2.0",
            "application/vnd.oasis.taxii+json;version=2.1",
            "application/stix+json;version=2.1",
            "*/*",
            "application/taxii+json;version",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!is_taxii(bad), "{bad}");
        }
    }

    #[test]
    fn only_so_many_ranges_are_looked_at() {
        let mut ranges = vec!["text/html"; ACCEPT_RANGES_MAX - 1];
        ranges.push("*/*");
        assert!(accepts_taxii([ranges.join(",").as_str()]));
        ranges.insert(0, "text/html");
        assert!(!accepts_taxii([ranges.join(",").as_str()]));
    }

    #[test]
    fn answers_have_a_type_that_the_parser_reads() {
        for own in [TAXII, STIX_21, STIX_20] {
            let range = MediaRange::parse(own).unwrap();
            assert_eq!(
                format!("{}/{};version={}", range.main, range.sub, range.parameter("version").unwrap()),
                own
            );
        }
        assert!(accepts_taxii([TAXII]));
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read(line in "[a-z/*;,=q0-9.\"\\\\ +]{0,80}", any in ".{0,80}") {
            accepts_taxii([line.as_str(), any.as_str()]);
            is_taxii(&line);
            is_taxii(&any);
        }
    }
}
