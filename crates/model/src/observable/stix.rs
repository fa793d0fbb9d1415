// SPDX-License-Identifier: Apache-2.0
//! Which property of which STIX 2.1 cyber-observable object holds an observable (STIX 2.1 section 6).

use super::{Observable, ObservableError, ObservableKind};

impl Observable {
    /// The STIX object path of its value, as patterns write it. STIX has no property for JA3, JA4 and a
    /// plain User-Agent: the paths used for them are those of Polder and of the HTTP extension.
    pub fn stix_path(&self) -> &'static str {
        match self.kind {
            ObservableKind::Account => "user-account:account_login",
            ObservableKind::Cidr if self.network().is_some_and(|n| n.is_v4()) => "ipv4-addr:value",
            ObservableKind::Cidr => "ipv6-addr:value",
            ObservableKind::Domain => "domain-name:value",
            ObservableKind::Email => "email-addr:value",
            ObservableKind::Ip if self.address().is_some_and(|a| a >> 32 == 0xFFFF) => "ipv4-addr:value",
            ObservableKind::Ip => "ipv6-addr:value",
            ObservableKind::Ja3 => "network-traffic:x_ja3",
            ObservableKind::Ja4 => "network-traffic:x_ja4",
            ObservableKind::Md5 => "file:hashes.MD5",
            ObservableKind::Sha1 => "file:hashes.'SHA-1'",
            ObservableKind::Sha256 => "file:hashes.'SHA-256'",
            ObservableKind::Sha384 => "file:hashes.'SHA-384'",
            ObservableKind::Sha512 => "file:hashes.'SHA-512'",
            ObservableKind::Url => "url:value",
            ObservableKind::UserAgent => {
                "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'"
            }
        }
    }

    /// The type of the STIX object that holds it: `ipv4-addr`, `file`.
    pub fn stix_type(&self) -> &'static str {
        self.stix_path().split(':').next().unwrap_or_default()
    }

    /// Reads the value that a STIX object or pattern has at a path; `None` if the path holds no observable.
    /// Quotes in the path may be of either kind or missing.
    pub fn from_stix(path: &str, value: &str) -> Option<Result<Observable, ObservableError>> {
        let bare: String = path.chars().filter(|c| !matches!(c, '\'' | '"')).collect();
        let (object, property) = bare.split_once(':')?;
        let parse = |kind| Some(Observable::parse(kind, value));
        match (object, property) {
            ("ipv4-addr" | "ipv6-addr", "value") => parse(address_kind(value)),
            ("domain-name", "value") => parse(ObservableKind::Domain),
            ("url", "value") => parse(ObservableKind::Url),
            ("email-addr", "value") => parse(ObservableKind::Email),
            ("email-message", "from_ref.value" | "sender_ref.value" | "to_refs[*].value") => {
                parse(ObservableKind::Email)
            }
            ("network-traffic", "src_ref.value" | "dst_ref.value") => {
                let kind = address_kind(value);
                match Observable::parse(kind, value) {
                    Err(_) => parse(ObservableKind::Domain),
                    found => Some(found),
                }
            }
            ("network-traffic", "x_ja3") => parse(ObservableKind::Ja3),
            ("network-traffic", "x_ja4") => parse(ObservableKind::Ja4),
            ("network-traffic", p)
                if p.eq_ignore_ascii_case("extensions.http-request-ext.request_header.User-Agent") =>
            {
                parse(ObservableKind::UserAgent)
            }
            ("user-account", "account_login" | "user_id") => parse(ObservableKind::Account),
            ("artifact" | "file" | "x509-certificate", p) => {
                parse(kind_of_hash_name(p.strip_prefix("hashes.")?)?)
            }
            _ => None,
        }
    }
}

/// STIX lets an address object hold a network (STIX 2.1 sections 6.7 and 6.8).
fn address_kind(value: &str) -> ObservableKind {
    if value.contains('/') { ObservableKind::Cidr } else { ObservableKind::Ip }
}

/// Kind of a hash by the name that STIX and people give it: `SHA-256`, `sha256`.
pub fn kind_of_hash_name(name: &str) -> Option<ObservableKind> {
    let plain: String =
        name.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).map(|c| c.to_ascii_lowercase()).collect();
    ObservableKind::from_name(&plain).filter(|kind| kind.digest_bytes().is_some())
}
