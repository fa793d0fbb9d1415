// SPDX-License-Identifier: Apache-2.0
//! URLs: scheme, user and fragment dropped, host reversed, path and query percent-decoded once.

use super::OBSERVABLE_BYTES_MAX;
use super::ip::parse_address;
use super::name::{name_to_ascii, reverse_labels};
use crate::id::hex;

/// Canonical bytes of `https://user@Host.example:443/a%62?q#f`: `example.host/ab?q`.
///
/// The default ports of both schemes go, because the scheme goes. A host without a path has the path `/`
/// (RFC 3986 section 6.2.3).
pub(super) fn canonical(text: &str) -> Result<Vec<u8>, &'static str> {
    let rest = without_scheme(text).ok_or("the scheme is not followed by //")?;
    let rest = rest.split('#').next().unwrap_or(rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = split_port(host_port)?;
    let mut bytes = match parse_address(host) {
        Some(_) if host.starts_with('[') != host.contains(':') => {
            return Err("an IPv6 host stands in brackets");
        }
        Some(address) if host.starts_with('[') => {
            format!("[{}]", std::net::Ipv6Addr::from(address)).into_bytes()
        }
        Some(_) => host.as_bytes().to_vec(),
        None => reverse_labels(&name_to_ascii(host)?).into_bytes(),
    };
    if !matches!(port, None | Some(80 | 443)) {
        bytes.extend_from_slice(format!(":{}", port.unwrap_or_default()).as_bytes());
    }
    if !path.starts_with('/') {
        bytes.push(b'/');
    }
    percent_decode(path.as_bytes(), &mut bytes);
    Ok(bytes)
}

/// The URL without its scheme; `display` reads back to the same canonical bytes.
pub(super) fn display(canonical: &[u8]) -> String {
    let end = canonical.iter().position(|c| *c == b'/').unwrap_or(canonical.len());
    let (host_port, path) = canonical.split_at(end);
    let host_port = String::from_utf8_lossy(host_port);
    let (host, port) = match host_port.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (&*host_port, None),
    };
    let mut text = if parse_address(host).is_some() { host.to_owned() } else { reverse_labels(host) };
    if let Some(port) = port {
        text.push(':');
        text.push_str(port);
    }
    for byte in path {
        match byte {
            b'"' | b'#' | b'%' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                escape(*byte, &mut text)
            }
            0x21..=0x7E => text.push(char::from(*byte)),
            _ => escape(*byte, &mut text),
        }
    }
    text
}

/// Whether the URL with a scheme before it is short enough to be read again: an escape is three bytes for one.
pub(super) fn can_be_written(canonical: &[u8]) -> bool {
    let bytes_max = OBSERVABLE_BYTES_MAX - "https://".len();
    canonical.len() * 3 <= bytes_max || display(canonical).len() <= bytes_max
}

fn escape(byte: u8, text: &mut String) {
    text.push('%');
    text.push_str(&hex(&[byte]).to_ascii_uppercase());
}

/// What follows `scheme://`, or the whole text if it has no scheme; `None` for `mailto:` and its like.
fn without_scheme(text: &str) -> Option<&str> {
    let Some((scheme, rest)) = text.split_once("://") else {
        // `host:8080/path` is a host with a port, `mailto:a@b` names no host at all.
        let (head, tail) = text.split_once(':').unwrap_or((text, "0"));
        let opaque =
            head.bytes().all(|c| c.is_ascii_alphabetic()) && !tail.starts_with(|c: char| c.is_ascii_digit());
        return (!opaque).then_some(text);
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'));
    // `host/path?u=http://other` has no scheme of its own.
    let is_path = scheme.contains(['/', '?', '#']);
    if is_scheme { Some(rest) } else { is_path.then_some(text) }
}

fn split_port(host_port: &str) -> Result<(&str, Option<u16>), &'static str> {
    match host_port.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let digits = !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit());
            let number = digits.then(|| port.parse().ok()).flatten();
            number.map(|n| (host, Some(n))).ok_or("the port is not a number from 0 to 65535")
        }
        _ => Ok((host_port, None)),
    }
}

/// Appends the bytes with each `%XX` decoded once; a `%` that no two hexadecimal digits follow stays.
fn percent_decode(text: &[u8], out: &mut Vec<u8>) {
    let digit = |c: &u8| char::from(*c).to_digit(16).map(|d| d as u8);
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        match (first, tail) {
            (b'%', [a, b, after @ ..]) if digit(a).is_some() && digit(b).is_some() => {
                out.push(digit(a).unwrap_or(0) << 4 | digit(b).unwrap_or(0));
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
}
