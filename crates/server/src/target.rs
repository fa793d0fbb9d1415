// SPDX-License-Identifier: Apache-2.0
//! The request's target: which resource, and which query parameters.

use crate::limits::QUERY_PAIRS_MAX;

/// The one API root.
pub(crate) const API_ROOT: &str = "/taxii2/root/";

/// A resource of TAXII 2.1 (sections 4 and 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The API root.
    ApiRoot,
    /// One collection.
    Collection(String),
    /// All collections.
    Collections,
    /// Discovery.
    Discovery,
    /// Manifest of a collection.
    Manifest(String),
    /// One object of a collection.
    Object(String, String),
    /// The objects of a collection.
    Objects(String),
    /// Status of an earlier request.
    Status(String),
    /// Versions of one object of a collection.
    Versions(String, String),
}

impl Endpoint {
    /// The resource of a path; the slash at the end may be missing, as some clients lose their
    /// credentials when they are sent elsewhere.
    pub fn parse(path: &str) -> Option<Endpoint> {
        let path = path.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let parts: Vec<String> = path.split('/').map(decode).collect::<Option<_>>()?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        if parts.iter().any(|part| part.is_empty()) {
            return None;
        }
        let endpoint = match parts.as_slice() {
            ["taxii2"] => Endpoint::Discovery,
            ["taxii2", "root"] => Endpoint::ApiRoot,
            ["taxii2", "root", "status", id] => Endpoint::Status((*id).into()),
            ["taxii2", "root", "collections"] => Endpoint::Collections,
            ["taxii2", "root", "collections", c] => Endpoint::Collection((*c).into()),
            ["taxii2", "root", "collections", c, "manifest"] => Endpoint::Manifest((*c).into()),
            ["taxii2", "root", "collections", c, "objects"] => Endpoint::Objects((*c).into()),
            ["taxii2", "root", "collections", c, "objects", o] => Endpoint::Object((*c).into(), (*o).into()),
            ["taxii2", "root", "collections", c, "objects", o, "versions"] => {
                Endpoint::Versions((*c).into(), (*o).into())
            }
            _ => return None,
        };
        Some(endpoint)
    }

    /// The methods that the resource has.
    pub fn methods(&self) -> &'static str {
        match self {
            Endpoint::Object(..) => "GET, HEAD, DELETE",
            Endpoint::Objects(_) => "GET, HEAD, POST",
            _ => "GET, HEAD",
        }
    }
}

/// The query is not in the form of a URI's (400).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadQuery;

/// Decoded query parameters in their order. A plus sign is itself: no value of TAXII has spaces, and
/// clients send `+00:00` without encoding it.
pub fn query_pairs(query: &str) -> Result<Vec<(String, String)>, BadQuery> {
    let parts: Vec<&str> =
        query.split('&').filter(|part| !part.is_empty()).take(QUERY_PAIRS_MAX + 1).collect();
    if parts.len() > QUERY_PAIRS_MAX {
        return Err(BadQuery);
    }
    let pair = |part: &&str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Some((decode(name)?, decode(value)?))
    };
    parts.iter().map(pair).collect::<Option<_>>().ok_or(BadQuery)
}

/// Takes percent-encoding away; `None` if what is there is no encoding of text.
fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.extend(model::id::hex_decode(digits)?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_and_without_the_last_slash() {
        let paths = [
            ("/taxii2", Endpoint::Discovery),
            ("/taxii2/root", Endpoint::ApiRoot),
            ("/taxii2/root/status/7", Endpoint::Status("7".into())),
            ("/taxii2/root/collections", Endpoint::Collections),
            ("/taxii2/root/collections/c", Endpoint::Collection("c".into())),
            ("/taxii2/root/collections/c/manifest", Endpoint::Manifest("c".into())),
            ("/taxii2/root/collections/c/objects", Endpoint::Objects("c".into())),
            ("/taxii2/root/collections/c/objects/a%2d%2Db", Endpoint::Object("c".into(), "a--b".into())),
            ("/taxii2/root/collections/c/objects/o/versions", Endpoint::Versions("c".into(), "o".into())),
        ];
        for (path, endpoint) in paths {
            assert_eq!(Endpoint::parse(path).as_ref(), Some(&endpoint));
            assert_eq!(Endpoint::parse(&format!("{path}/")), Some(endpoint));
        }
        assert_eq!(Endpoint::parse(API_ROOT), Some(Endpoint::ApiRoot));
    }

    #[test]
    fn other_paths_are_nothing() {
        for path in [
            "",
            "/",
            "taxii2",
            "//taxii2",
            "/taxii2//",
            "/taxii2/other/",
            "/taxii2/root//collections",
            "/taxii2/root/collections//objects",
            "/taxii2/root/collections/c/objects/o/versions/x",
            "/taxii2/%zz",
            "/taxii2/root/collections/%ff/",
            "/taxii2/root/collections/%",
            "/TAXII2/",
            "/taxii2/root/status",
        ] {
            assert_eq!(Endpoint::parse(path), None, "{path}");
        }
    }

    #[test]
    fn queries_are_decoded_and_plus_is_plus() {
        let pairs = |query: &str| query_pairs(query).unwrap();
        let one = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        assert_eq!(pairs("match%5Btype%5D=a%2Cb"), one("match[type]", "a,b"));
        assert_eq!(pairs("match[type]=a,b"), one("match[type]", "a,b"));
        assert_eq!(
            pairs("added_after=2020-01-01T00:00:00+00:00"),
            one("added_after", "2020-01-01T00:00:00+00:00")
        );
        assert_eq!(pairs("&limit&"), one("limit", ""));
        assert_eq!(pairs("a=b=c"), one("a", "b=c"));
        assert_eq!(pairs(""), []);
        for bad in ["a=%", "a=%4", "a=%zz", "%ff=1", "a=%+1"] {
            assert_eq!(query_pairs(bad), Err(BadQuery), "{bad}");
        }
        assert_eq!(pairs(&vec!["a=b"; QUERY_PAIRS_MAX].join("&")).len(), QUERY_PAIRS_MAX);
        assert_eq!(query_pairs(&vec!["a=b"; QUERY_PAIRS_MAX + 1].join("&")), Err(BadQuery));
    }

    proptest::proptest! {
        #[test]
        fn any_target_is_read(path in "[/a-z%0-9.]{0,60}", query in "[a-z=&%0-9+]{0,60}", any in ".{0,60}") {
            for text in [path.as_str(), query.as_str(), any.as_str()] {
                let _ = Endpoint::parse(text);
                let _ = query_pairs(text);
            }
        }
    }
}
