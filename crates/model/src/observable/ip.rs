// SPDX-License-Identifier: Apache-2.0
//! Addresses and networks, both families in one space of 128 bits.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Prefix length of the IPv4 space `::ffff:0:0/96` inside the IPv6 space.
const V4_PREFIX: u8 = 96;

/// Reads an IPv4 or IPv6 address as a number; IPv4 as `::ffff:a.b.c.d`.
///
/// Octets with leading zeros are refused: some programs read them as octal. Brackets and a zone (`%eth0`)
/// of an IPv6 address are dropped.
pub fn parse_address(text: &str) -> Option<u128> {
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Some(u128::from(v4.to_ipv6_mapped()));
    }
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let inner = match inner.split_once('%') {
        Some((address, zone)) if !zone.is_empty() && !zone.contains(char::is_whitespace) => address,
        Some(_) => return None,
        None => inner,
    };
    inner.parse::<Ipv6Addr>().ok().map(u128::from)
}

/// An address as people write it.
pub fn address_text(address: u128) -> String {
    match Ipv6Addr::from(address).to_ipv4_mapped() {
        Some(v4) => v4.to_string(),
        None => Ipv6Addr::from(address).to_string(),
    }
}

/// Ranges that are not on the internet, as (first 32 bits, prefix length): RFC 1122, 1918, 3927, 6598,
/// 5771, 6890. The ranges for documentation (RFC 5737) are left out on purpose: examples use them.
const INTERNAL_V4: &[(u32, u32)] = &[
    (0x0000_0000, 8),  // 0.0.0.0/8
    (0x0A00_0000, 8),  // 10.0.0.0/8
    (0x6440_0000, 10), // 100.64.0.0/10
    (0x7F00_0000, 8),  // 127.0.0.0/8
    (0xA9FE_0000, 16), // 169.254.0.0/16
    (0xAC10_0000, 12), // 172.16.0.0/12
    (0xC000_0000, 24), // 192.0.0.0/24
    (0xC0A8_0000, 16), // 192.168.0.0/16
    (0xC612_0000, 15), // 198.18.0.0/15
    (0xE000_0000, 3),  // 224.0.0.0/4 multicast, 240.0.0.0/4 reserved
];

/// Whether an address may be on the internet; see [`super::Observable::is_external`].
pub fn is_external(address: u128) -> bool {
    if let Some(v4) = Ipv6Addr::from(address).to_ipv4_mapped() {
        let v4 = u32::from(v4);
        return !INTERNAL_V4.iter().any(|(range, prefix)| (v4 ^ range) >> (32 - prefix) == 0);
    }
    let top = (address >> 112) as u16;
    // ::/96 with loopback and unspecified; fc00::/7 unique local; fe80::/10 link-local and fec0::/10
    // site-local; ff00::/8 multicast (RFC 4291, RFC 4193).
    !(address >> 32 == 0 || top & 0xFE00 == 0xFC00 || top & 0xFF80 == 0xFE80 || top & 0xFF00 == 0xFF00)
}

/// A network: all addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    first: u128,
    prefix: u8,
}

impl Network {
    /// From any address in it and the prefix length counted in 128 bits (IPv4: 96 more).
    pub fn new(address: u128, prefix: u8) -> Option<Network> {
        (prefix <= 128).then(|| Network { first: address & mask(prefix), prefix })
    }

    /// Reads `198.51.100.0/24` or `2001:db8::/32`; bits after the prefix are cleared.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, length) = text.split_once('/')?;
        // Only plain digits: `u8::from_str` would take `+8`.
        if length.is_empty() || length.len() > 3 || !length.bytes().all(|c| c.is_ascii_digit()) {
            return None;
        }
        let length: u8 = length.parse().ok()?;
        if let Ok(v4) = address.parse::<Ipv4Addr>() {
            let prefix = (length <= 32).then_some(length + V4_PREFIX)?;
            return Network::new(u128::from(v4.to_ipv6_mapped()), prefix);
        }
        Network::new(u128::from(address.parse::<Ipv6Addr>().ok()?), length)
    }

    /// Its first address.
    pub fn first(&self) -> u128 {
        self.first
    }

    /// Its last address.
    pub fn last(&self) -> u128 {
        self.first | !mask(self.prefix)
    }

    /// Prefix length counted in 128 bits.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Prefix length as it is written: in 32 bits for IPv4.
    pub fn written_prefix(&self) -> u8 {
        if self.is_v4() { self.prefix - V4_PREFIX } else { self.prefix }
    }

    /// Whether all its addresses are IPv4.
    pub fn is_v4(&self) -> bool {
        self.prefix >= V4_PREFIX && self.first >> 32 == 0xFFFF
    }

    /// Whether the address lies in it.
    pub fn contains(&self, address: u128) -> bool {
        address & mask(self.prefix) == self.first
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_v4() {
            write!(f, "{}/{}", address_text(self.first), self.written_prefix())
        } else {
            // Never the short form of a mapped address: `::ffff:0.0.0.0/90` is not an IPv4 network.
            write!(f, "{}/{}", Ipv6Addr::from(self.first), self.prefix)
        }
    }
}

/// The first `prefix` bits set.
fn mask(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}
