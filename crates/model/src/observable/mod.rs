// SPDX-License-Identifier: Apache-2.0
//! Observables in canonical form: the one form that indicator sets, the scanner and the history share.
//!
//! | kind | canonical bytes | a range means |
//! |---|---|---|
//! | `ip` | 16 bytes big-endian, IPv4 as `::ffff:a.b.c.d` | a network |
//! | `cidr` | 16 bytes of the network, one byte of prefix length counted in 128 bits | |
//! | `domain` | A-labels, lower case, no final dot, labels reversed: `nl.nxp.vpn` | a domain and its subdomains: the name, and the prefix `nl.nxp.` |
//! | hashes | raw bytes | |
//! | `email` | reversed domain, `.@`, local part folded | all mail of a domain |
//! | `url` | scheme, user and fragment dropped; reversed host, port if not 80 or 443, path and query percent-decoded once | a host or a path prefix |
//! | `ja3`, `ja4` | lower case, trimmed | |
//! | `user-agent`, `account` | as is, trimmed | |
//!
//! ```
//! use model::observable::{Observable, ObservableKind, refang};
//!
//! let seen = Observable::guess(&refang("hxxps://VPN.nxp[.]nl/login#top")).unwrap();
//! assert_eq!(seen.kind(), ObservableKind::Url);
//! assert_eq!(seen.canonical(), b"nl.nxp.vpn/login");
//! assert_eq!(seen.display(), "vpn.nxp.nl/login");
//! assert!(Observable::guess("010.1.2.3").is_none(), "octal or decimal? nobody knows");
//! ```

mod ip;
mod name;
mod refang;
mod stix;
mod url;

use std::fmt;

pub use ip::{Network, address_text, is_external, parse_address};
pub use name::{is_word_char, label_to_ascii, name_to_ascii, reverse_labels};
pub use refang::refang;
pub use stix::kind_of_hash_name;

use crate::id::{hex, hex_decode};

/// Longest text of an observable, in bytes. Browsers and proxies cut URLs before this.
pub const OBSERVABLE_BYTES_MAX: usize = 8 * 1024;

/// What an observable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObservableKind {
    /// A login name.
    Account,
    /// A network of addresses.
    Cidr,
    /// A domain name of at least two labels.
    Domain,
    /// An e-mail address.
    Email,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A TLS client fingerprint, JA3.
    Ja3,
    /// A TLS client fingerprint, JA4.
    Ja4,
    /// MD5 of a file.
    Md5,
    /// SHA-1 of a file.
    Sha1,
    /// SHA-256 of a file.
    Sha256,
    /// SHA-384 of a file.
    Sha384,
    /// SHA-512 of a file.
    Sha512,
    /// A URL.
    Url,
    /// A client's User-Agent header.
    UserAgent,
}

/// Kind, stored code, name. Codes are stored: append, never change one.
const KINDS: &[(ObservableKind, i64, &str)] = &[
    (ObservableKind::Ip, 1, "ip"),
    (ObservableKind::Cidr, 2, "cidr"),
    (ObservableKind::Domain, 3, "domain"),
    (ObservableKind::Url, 4, "url"),
    (ObservableKind::Email, 5, "email"),
    (ObservableKind::Md5, 6, "md5"),
    (ObservableKind::Sha1, 7, "sha1"),
    (ObservableKind::Sha256, 8, "sha256"),
    (ObservableKind::Sha384, 9, "sha384"),
    (ObservableKind::Sha512, 10, "sha512"),
    (ObservableKind::Ja3, 11, "ja3"),
    (ObservableKind::Ja4, 12, "ja4"),
    (ObservableKind::UserAgent, 13, "user-agent"),
    (ObservableKind::Account, 14, "account"),
];

impl ObservableKind {
    /// All kinds, in the order of their codes.
    pub fn all() -> impl Iterator<Item = ObservableKind> {
        KINDS.iter().map(|(kind, _, _)| *kind)
    }

    /// The stored number.
    pub fn code(self) -> i64 {
        KINDS.iter().find(|(kind, _, _)| *kind == self).map_or(0, |(_, code, _)| *code)
    }

    /// Kind of a stored number.
    pub fn from_code(code: i64) -> Option<ObservableKind> {
        KINDS.iter().find(|(_, c, _)| *c == code).map(|(kind, _, _)| *kind)
    }

    /// Stable short name, as it is printed and read: `ip`, `sha256`.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, _, _)| *kind == self).map_or("", |(_, _, name)| *name)
    }

    /// Kind of a short name.
    pub fn from_name(name: &str) -> Option<ObservableKind> {
        KINDS.iter().find(|(_, _, n)| *n == name).map(|(kind, _, _)| *kind)
    }

    /// Bytes of a digest of this kind; `None` for what is not a file's hash.
    pub fn digest_bytes(self) -> Option<usize> {
        match self {
            ObservableKind::Md5 => Some(16),
            ObservableKind::Sha1 => Some(20),
            ObservableKind::Sha256 => Some(32),
            ObservableKind::Sha384 => Some(48),
            ObservableKind::Sha512 => Some(64),
            _ => None,
        }
    }

    /// Kind of a file's hash by its number of hexadecimal digits.
    pub fn of_digest_digits(digits: usize) -> Option<ObservableKind> {
        match digits {
            32 => Some(ObservableKind::Md5),
            40 => Some(ObservableKind::Sha1),
            64 => Some(ObservableKind::Sha256),
            96 => Some(ObservableKind::Sha384),
            128 => Some(ObservableKind::Sha512),
            _ => None,
        }
    }
}

impl fmt::Display for ObservableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text is not an observable of the kind.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not a value of kind {kind}: {reason}")]
pub struct ObservableError {
    /// The kind that was asked for.
    pub kind: ObservableKind,
    /// The text, at most 80 characters of it.
    pub text: String,
    /// Why not.
    pub reason: &'static str,
}

/// A value that is seen in logs, in the one form in which it is stored and compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Observable {
    kind: ObservableKind,
    canonical: Box<[u8]>,
}

impl Observable {
    /// Reads a value of a known kind, written as people and STIX write it. Does not refang.
    pub fn parse(kind: ObservableKind, text: &str) -> Result<Observable, ObservableError> {
        let text = text.trim();
        let refused =
            |reason| ObservableError { kind, text: text.chars().take(80).collect::<String>(), reason };
        if text.len() > OBSERVABLE_BYTES_MAX {
            return Err(refused("it is longer than 8192 bytes"));
        }
        let canonical = canonical(kind, text).map_err(refused)?;
        if kind == ObservableKind::Url && !url::can_be_written(&canonical) {
            return Err(refused("with its percent escapes it is longer than 8192 bytes"));
        }
        Ok(Observable { kind, canonical: canonical.into() })
    }

    /// What a line of a plain list is: address, network, hash, e-mail address, URL, domain or JA4, by its
    /// shape. 32 hexadecimal digits are an MD5, though a JA3 looks the same. Does not refang.
    ///
    /// An address or a name with a port is none of them: what the list means by it is not certain.
    pub fn guess(text: &str) -> Option<Observable> {
        use ObservableKind::{Cidr, Domain, Email, Ip, Ja4, Url};
        let text = text.trim();
        let parse = |kind| Observable::parse(kind, text).ok();
        if text.is_empty() || text.contains(char::is_whitespace) {
            return None;
        }
        if let Some(kind) = ObservableKind::of_digest_digits(text.len())
            && let Some(hash) = parse(kind)
        {
            return Some(hash);
        }
        if text.contains("://") {
            return parse(Url);
        }
        if let Some(cidr) = parse(Cidr) {
            return Some(cidr.single_address().unwrap_or(cidr));
        }
        parse(Ip).or_else(|| parse(Email)).or_else(|| parse(Domain)).or_else(|| parse(Ja4)).or_else(|| {
            // Without a scheme only a slash makes a URL.
            text.contains('/').then(|| parse(Url)).flatten()
        })
    }

    /// An address from its 16 bytes.
    pub fn from_address(address: u128) -> Observable {
        Observable { kind: ObservableKind::Ip, canonical: address.to_be_bytes().into() }
    }

    /// From stored bytes, which are trusted to be canonical.
    pub fn from_canonical(kind: ObservableKind, canonical: &[u8]) -> Observable {
        Observable { kind, canonical: canonical.into() }
    }

    /// What it is.
    pub fn kind(&self) -> ObservableKind {
        self.kind
    }

    /// The form in which it is stored and compared; its order is useful (see the module's table).
    pub fn canonical(&self) -> &[u8] {
        &self.canonical
    }

    /// The form for people; `parse` reads it back.
    pub fn display(&self) -> String {
        let text = || String::from_utf8_lossy(&self.canonical).into_owned();
        match self.kind {
            ObservableKind::Account
            | ObservableKind::Ja3
            | ObservableKind::Ja4
            | ObservableKind::UserAgent => text(),
            ObservableKind::Cidr => self.network().map_or_else(text, |n| n.to_string()),
            ObservableKind::Domain => reverse_labels(&text()),
            ObservableKind::Email => name::email_display(&text()),
            ObservableKind::Ip => self.address().map_or_else(text, address_text),
            ObservableKind::Md5
            | ObservableKind::Sha1
            | ObservableKind::Sha256
            | ObservableKind::Sha384
            | ObservableKind::Sha512 => hex(&self.canonical),
            ObservableKind::Url => url::display(&self.canonical),
        }
    }

    /// The 16 bytes of an address as a number.
    pub fn address(&self) -> Option<u128> {
        let bytes = <[u8; 16]>::try_from(&*self.canonical).ok()?;
        (self.kind == ObservableKind::Ip).then(|| u128::from_be_bytes(bytes))
    }

    /// The network of a CIDR.
    pub fn network(&self) -> Option<Network> {
        let (address, length) = self.canonical.split_first_chunk::<16>()?;
        match (self.kind, length) {
            (ObservableKind::Cidr, [length]) => Network::new(u128::from_be_bytes(*address), *length),
            _ => None,
        }
    }

    /// Whether it may be on the internet: false only for addresses and networks that are private, local,
    /// shared (CGNAT), multicast or reserved. Addresses for documentation count as external, because
    /// examples are made of them.
    pub fn is_external(&self) -> bool {
        let address = self.address().or_else(|| self.network().map(|n| n.first()));
        address.is_none_or(is_external)
    }

    /// A network of one address is that address.
    fn single_address(&self) -> Option<Observable> {
        let network = self.network()?;
        (network.prefix() == 128).then(|| Observable::from_address(network.first()))
    }
}

impl fmt::Display for Observable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display())
    }
}

fn canonical(kind: ObservableKind, text: &str) -> Result<Vec<u8>, &'static str> {
    match kind {
        ObservableKind::Account | ObservableKind::UserAgent => match text {
            "" => Err("it is empty"),
            _ => Ok(text.as_bytes().to_vec()),
        },
        ObservableKind::Cidr => {
            let network = Network::parse(text).ok_or("write it as 198.51.100.0/24 or 2001:db8::/32")?;
            let mut bytes = network.first().to_be_bytes().to_vec();
            bytes.push(network.prefix());
            Ok(bytes)
        }
        ObservableKind::Domain => Ok(reverse_labels(&name_to_ascii(text)?).into_bytes()),
        ObservableKind::Email => name::email_canonical(text),
        ObservableKind::Ip => parse_address(text)
            .map(|address| address.to_be_bytes().to_vec())
            .ok_or("write it as 198.51.100.7, without leading zeros, or as 2001:db8::7"),
        ObservableKind::Ja3 => {
            let digits = text.len() == 32 && text.bytes().all(|c| c.is_ascii_hexdigit());
            digits.then(|| text.to_ascii_lowercase().into_bytes()).ok_or("a JA3 has 32 hexadecimal digits")
        }
        ObservableKind::Ja4 => {
            let lower = text.to_ascii_lowercase().into_bytes();
            if is_ja4(&lower) { Ok(lower) } else { Err("a JA4 is like t13d1516h2_8daaf6152771_e5627efa2ab1") }
        }
        ObservableKind::Md5
        | ObservableKind::Sha1
        | ObservableKind::Sha256
        | ObservableKind::Sha384
        | ObservableKind::Sha512 => hex_decode(text)
            .filter(|bytes| kind.digest_bytes() == Some(bytes.len()))
            .ok_or("an MD5 has 32, a SHA-1 40, a SHA-256 64, a SHA-384 96, a SHA-512 128 hexadecimal digits"),
        ObservableKind::Url => url::canonical(text),
    }
}

/// Whether lower-case bytes have the shape of a JA4: `t13d1516h2`, `_`, 12 hex digits, `_`, 12 hex digits.
pub fn is_ja4(lower: &[u8]) -> bool {
    let hex12 = |part: &[u8]| part.len() == 12 && part.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    let mut parts = lower.split(|c| *c == b'_');
    let (Some(a), Some(b), Some(c), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let [protocol, v1, v2, sni, n1, n2, n3, n4, alpn1, alpn2] = a else { return false };
    matches!(protocol, b'd' | b'q' | b't')
        && matches!(sni, b'd' | b'i')
        && [v1, v2].iter().all(|c| c.is_ascii_alphanumeric())
        && [n1, n2, n3, n4].iter().all(|c| c.is_ascii_digit())
        && [alpn1, alpn2].iter().all(|c| c.is_ascii_alphanumeric())
        && hex12(b)
        && hex12(c)
}
