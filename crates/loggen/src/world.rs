// SPDX-License-Identifier: Apache-2.0
//! The firm and the networks around it. Nothing of it exists: addresses are of ranges for documentation and
//! benchmarks (RFC 5737, RFC 3849, RFC 2544), autonomous systems of those for documentation (RFC 5398), countries
//! of attackers are codes that ISO 3166 leaves to users.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::rng::Rng;
use crate::time::Summer;

/// A network with its place, as a geographic database tells it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Net {
    /// First address and length of the prefix.
    pub base: &'static str,
    /// Length of the prefix.
    pub prefix: u8,
    /// Autonomous system.
    pub asn: u32,
    /// Its holder.
    pub holder: &'static str,
    /// ISO 3166 code.
    pub country: &'static str,
    /// Degrees north and east.
    pub at: (f64, f64),
    /// How far off that may be, in kilometres.
    pub radius_km: u16,
}

const fn net(
    base: &'static str,
    prefix: u8,
    asn: u32,
    holder: &'static str,
    country: &'static str,
    at: (f64, f64),
    radius_km: u16,
) -> Net {
    Net { base, prefix, asn, holder, country, at, radius_km }
}

/// All networks; the constants below are places in it.
pub const NETS: &[Net] = &[
    net("192.0.2.0", 28, 64496, "Example Works", "NL", (51.44, 5.48), 5),
    net("192.0.2.16", 28, 64496, "Example Works", "DE", (48.14, 11.58), 5),
    net("192.0.2.32", 28, 64496, "Example Works", "US", (37.34, -121.89), 5),
    net("192.0.2.48", 28, 64496, "Example Works", "SG", (1.35, 103.82), 5),
    net("198.18.0.0", 17, 64500, "Example Cable", "NL", (52.1, 5.1), 100),
    net("198.18.128.0", 17, 64501, "Example Fibre", "NL", (51.5, 5.5), 50),
    net("198.19.0.0", 18, 64502, "Example Kabel", "DE", (48.3, 11.6), 100),
    net("198.19.64.0", 18, 64503, "Example Broadband", "US", (37.4, -122.0), 100),
    net("198.19.128.0", 18, 64504, "Example Lion Net", "SG", (1.3, 103.8), 20),
    net("2001:db8:1000::", 36, 64501, "Example Fibre", "NL", (51.5, 5.5), 50),
    net("198.51.100.0", 27, 64505, "Example Mobile", "NL", (52.3, 4.9), 200),
    net("198.51.100.32", 27, 64506, "Example Mobilfunk Wireless", "DE", (50.1, 8.7), 200),
    net("198.51.100.64", 27, 64507, "Example Cellular", "US", (39.0, -95.0), 1000),
    net("198.51.100.96", 27, 64508, "Example Lion Mobile", "SG", (1.3, 103.8), 20),
    net("203.0.113.0", 28, 64509, "Example Hotels", "FR", (48.86, 2.35), 20),
    net("203.0.113.16", 28, 64510, "Example Inns", "GB", (51.5, -0.12), 20),
    net("203.0.113.32", 28, 65536, "Example Motels", "US", (40.7, -74.0), 20),
    net("203.0.113.48", 28, 65537, "Example Ryokan", "JP", (35.7, 139.7), 20),
    net("203.0.113.64", 28, 65538, "Example Gasthuis", "BE", (50.85, 4.35), 20),
    net("203.0.113.80", 28, 65539, "Example Albergo", "IT", (45.46, 9.19), 20),
    net("203.0.113.128", 28, 65540, "Example Hosting", "XA", (-10.0, 60.0), 50),
    net("203.0.113.144", 28, 65541, "Example Cloud Servers", "XB", (20.0, -40.0), 50),
    net("203.0.113.160", 28, 65542, "Example Datacenter", "XC", (-45.0, 10.0), 50),
    net("198.51.100.128", 25, 65543, "Example Access Two", "XD", (60.0, 60.0), 300),
    net("2001:db8:bad0::", 44, 65544, "Example Access Six", "XE", (-30.0, 140.0), 300),
    net("203.0.113.176", 28, 65545, "Example Access", "XA", (-10.0, 60.0), 50),
    net("203.0.113.192", 26, 65546, "Example Noise", "XF", (0.0, -120.0), 500),
];

/// Offices' own addresses: what all who sit there share.
pub const OFFICES: [usize; 4] = [0, 1, 2, 3];
/// A second provider in the home country, with IPv6.
pub const FIBRE: usize = 5;
/// See [`FIBRE`].
pub const FIBRE6: usize = 9;
/// Where travellers sleep.
pub const HOTELS: [usize; 6] = [14, 15, 16, 17, 18, 19];
/// Rented servers.
pub const HOSTING: [usize; 3] = [20, 21, 22];
/// Hijacked home routers.
pub const PROXIES: usize = 23;
/// The same with IPv6.
pub const PROXIES6: usize = 24;
/// An attacker at home.
pub const RESIDENT: usize = 25;
/// Scanners of the whole internet.
pub const NOISE: usize = 26;

/// The network at a place of [`NETS`].
pub fn net_at(nth: usize) -> &'static Net {
    NETS.get(nth).unwrap_or(&NETS[0])
}

/// The `nth` address of a network.
pub fn address(nth_net: usize, nth: u64) -> IpAddr {
    let net = net_at(nth_net);
    match net.base.parse() {
        Ok(IpAddr::V4(base)) => {
            let size = 1_u64 << (32 - u64::from(net.prefix));
            let host = 1 + nth % (size - 2).max(1);
            IpAddr::V4(Ipv4Addr::from(u32::from(base).wrapping_add(host as u32)))
        }
        Ok(IpAddr::V6(base)) => {
            let room = 64 - u128::from(net.prefix);
            let subnet = u128::from(nth) % (1_u128 << room);
            IpAddr::V6(Ipv6Addr::from(u128::from(base) | subnet << 64 | 0x1234))
        }
        Err(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

/// An office: its network, its clock, and the networks that people there have at home and in their phones.
#[derive(Clone, Copy, Debug)]
pub struct Office {
    /// Hours east of Greenwich in winter.
    pub winter: i64,
    /// When clocks change.
    pub summer: Summer,
    /// Home network.
    pub home: usize,
    /// Mobile network.
    pub mobile: usize,
}

/// The four offices.
pub const OFFICE: [Office; 4] = [
    Office { winter: 1, summer: Summer::Europe, home: 4, mobile: 10 },
    Office { winter: 1, summer: Summer::Europe, home: 6, mobile: 11 },
    Office { winter: -8, summer: Summer::America, home: 7, mobile: 12 },
    Office { winter: 8, summer: Summer::None, home: 8, mobile: 13 },
];

/// Who works there.
#[derive(Clone, Debug)]
pub struct User {
    /// Account name.
    pub name: String,
    /// Number, from 0.
    pub nth: u64,
    /// Place in [`OFFICE`].
    pub office: usize,
    /// Whether at night.
    pub night: bool,
    /// Whether identity comes from Okta and not from Entra.
    pub okta: bool,
    /// Whether the mail program still speaks IMAP.
    pub imap: bool,
    /// Whether designs are worked on.
    pub engineer: bool,
    /// Home network.
    pub home: usize,
    /// First day.
    pub joined: i64,
    /// Days away: from, to, hotel network.
    pub travels: Vec<(i64, i64, usize)>,
    /// Days not worked at all: from, to.
    pub leave: Vec<(i64, i64)>,
    /// Day on which the laptop is replaced.
    pub replaced: i64,
    /// Day on which the password expires.
    pub expires: i64,
    /// Usual upload to the firm's own cloud, in bytes a day.
    pub upload: f64,
    /// Number of the browser program.
    pub browser: u64,
}

impl User {
    /// The device of a day.
    pub fn laptop(&self, day: i64) -> String {
        let generation = u64::from(day >= self.replaced);
        format!("5a17{:04x}-0000-4000-8000-{:012x}", generation, self.nth + 1)
    }

    /// The telephone.
    pub fn phone(&self) -> String {
        format!("f0fe0000-0000-4000-8000-{:012x}", self.nth + 1)
    }

    /// What the laptop's browser calls itself on a day: the version grows.
    pub fn agent(&self, day: i64) -> String {
        let version = 120 + day.div_euclid(28);
        match self.browser {
            0 => format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
            ),
            1 => format!(
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{}.1 Safari/605.1.15",
                version - 103
            ),
            _ => format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
            ),
        }
    }

    /// Where the user's desk is.
    pub fn desk(&self) -> String {
        format!("10.{}.{}.{}", self.office + 1, self.nth / 200, self.nth % 200 + 10)
    }

    /// Name of the computer there.
    pub fn computer(&self) -> String {
        format!("WS{:05}", self.nth)
    }

    /// The home address of a day: providers hand out new ones now and then.
    pub fn home_address(&self, day: i64) -> IpAddr {
        let lease = (day + self.nth as i64 % 31).div_euclid(31);
        address(self.home, self.nth * 17 + lease.rem_euclid(997) as u64 * 4_099)
    }
}

const FIRST: &[&str] =
    &["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu"];
const SECOND: &[&str] = &["lan", "ven", "dor", "mir", "tas", "rel", "nus", "kel", "zan", "pol"];
const FAMILY: &[&str] =
    &["arden", "brook", "calm", "dunmere", "ellow", "farrin", "gorse", "hollin", "ivers", "jarrow"];

/// The people of the firm for the given days of logs.
pub fn users(seed: u64, count: u64, days: i64) -> Vec<User> {
    (0..count).map(|nth| user(seed, nth, days)).collect()
}

fn user(seed: u64, nth: u64, days: i64) -> User {
    let mut rng = Rng::new(seed, &[1, nth]);
    let at = |list: &[&'static str], n: u64| list.get(n as usize % list.len()).copied().unwrap_or_default();
    let name = format!("{}{}.{}{}", at(FIRST, nth), at(SECOND, nth / 15), at(FAMILY, nth / 150), nth % 7);
    let office = match rng.below(10) {
        0..7 => 0,
        7 => 1,
        8 => 2,
        _ => 3,
    };
    let usual = OFFICE.get(office).map_or(4, |o| o.home);
    let home = match (office, rng.below(3)) {
        (0, 0) => FIBRE,
        (0, 1) => FIBRE6,
        _ => usual,
    };
    let travels = if rng.permille(250) {
        (0..1 + days / 60)
            .map(|_| {
                let from = rng.between(0, days.max(1));
                let hotel = rng.pick(&HOTELS).copied().unwrap_or(14);
                (from, from + rng.between(2, 6), hotel)
            })
            .collect()
    } else {
        Vec::new()
    };
    let holidays = if rng.permille(400) { 1 + days / 90 } else { 0 };
    let mut leave: Vec<(i64, i64)> = (0..holidays)
        .map(|_| {
            let from = rng.between(0, days.max(1));
            (from, from + rng.between(3, 16))
        })
        .collect();
    if rng.permille(10) {
        // A child was born.
        leave.push((5, 70));
    }
    User {
        name,
        nth,
        office,
        night: rng.permille(40),
        okta: rng.permille(300),
        imap: rng.permille(60),
        engineer: rng.permille(300),
        home,
        joined: if rng.permille(60) { rng.between(0, days.max(1)) } else { i64::MIN },
        travels,
        leave,
        replaced: if rng.permille(100) { rng.between(0, days.max(1)) } else { i64::MAX },
        expires: rng.between(0, 90),
        upload: rng.tailed(8e6, 1.5),
        browser: rng.below(5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_addresses_lie_in_their_networks() {
        let all: std::collections::BTreeSet<String> =
            users(1, 1_000, 90).into_iter().map(|u| u.name).collect();
        assert_eq!(all.len(), 1_000);
        assert_eq!(address(0, 0).to_string(), "192.0.2.1");
        assert_eq!(address(0, 13).to_string(), "192.0.2.14");
        assert_eq!(address(0, 14).to_string(), "192.0.2.1");
        assert!(address(24, 70_000).to_string().starts_with("2001:db8:bad"));
    }
}
