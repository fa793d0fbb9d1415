// SPDX-License-Identifier: Apache-2.0
//! What a request's head says: target, query, media types, credentials.

use server::limits::{ACCEPT_RANGES_MAX, QUERY_PAIRS_MAX};
use server::media::{accepts_taxii, is_taxii};
use server::target::{Endpoint, query_pairs};

const TAXII: &str = "application/taxii+json;version=2.1";

pub(crate) fn media_type(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lines: Vec<&str> = text.split('\n').collect();
    let accepted = accepts_taxii(lines.iter().copied());
    // Letters' case carries nothing (RFC 9110 section 8.3.1), and so does a space at an end.
    assert_eq!(accepts_taxii(lines.iter().map(|line| line.trim())), accepted, "{text:?}");
    let upper: Vec<String> = lines.iter().map(|line| line.to_ascii_uppercase()).collect();
    assert_eq!(accepts_taxii(upper.iter().map(String::as_str)), accepted, "{text:?}");
    for (line, upper) in lines.iter().zip(&upper) {
        assert_eq!(is_taxii(line), is_taxii(upper), "{line:?}");
    }
    let ranges = text.matches([',', '\n']).count() + 1;
    if ranges < ACCEPT_RANGES_MAX {
        let asked = lines.iter().copied().chain([TAXII]);
        assert!(accepts_taxii(asked), "what asks for TAXII in a line of its own has it: {text:?}");
    }
}

pub(crate) fn request_target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    if let Some(endpoint) = Endpoint::parse(path) {
        assert_eq!(Endpoint::parse(path.strip_suffix('/').unwrap_or(path)), Some(endpoint.clone()));
        assert!(endpoint.methods().starts_with("GET, HEAD"));
        let parts: Vec<&str> = match &endpoint {
            Endpoint::Collection(a) | Endpoint::Manifest(a) | Endpoint::Objects(a) | Endpoint::Status(a) => {
                vec![a]
            }
            Endpoint::Object(a, b) | Endpoint::Versions(a, b) => vec![a, b],
            Endpoint::ApiRoot | Endpoint::Collections | Endpoint::Discovery => Vec::new(),
        };
        for part in parts {
            assert!(!part.is_empty() && part.len() <= path.len(), "decoding never grows");
        }
    }
    if let Ok(pairs) = query_pairs(query) {
        assert!(pairs.len() <= QUERY_PAIRS_MAX);
        let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(bytes <= query.len(), "decoding never grows");
        let encoded: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        assert_eq!(query_pairs(&encoded.join("&")), Ok(pairs), "{query:?}");
    }
}

fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

pub(crate) fn authorization(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(token) = server::auth::token(text) {
        assert!(token.len() < text.len(), "the token is a part of the line");
        let bearer = format!("Bearer {token}");
        if !token.is_empty() && token.trim() == token {
            assert_eq!(server::auth::token(&bearer), Some(token), "{text:?}");
        }
    }
}
