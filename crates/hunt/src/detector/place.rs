// SPDX-License-Identifier: Apache-2.0
//! Where addresses are: from files in MaxMind's format, which the user brings.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use maxminddb::MaxMindDbError;
use maxminddb::geoip2::{Asn, City};
use model::diagnostic::Diagnostic;

use crate::indicator::excerpt;

/// What sort of network an address is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Rented servers, commercial VPNs: no person sits there.
    Hosting,
    /// A mobile carrier: its addresses come out far from where the telephone is.
    Mobile,
    /// Nothing special, or not known.
    #[default]
    Usual,
}

/// Where an address is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whereabouts {
    /// ISO 3166 code.
    pub country: Option<String>,
    /// Autonomous system.
    pub asn: Option<u32>,
    /// Its holder.
    pub holder: Option<String>,
    /// Degrees north and east.
    pub at: Option<(f64, f64)>,
    /// How far off that may be, in kilometres.
    pub radius_km: f64,
    /// What sort of network.
    pub network: Network,
}

/// Says where addresses are.
pub trait Places {
    /// `None` where nothing is known.
    fn find(&self, address: IpAddr) -> Option<Whereabouts>;

    /// What went wrong in looking up: each source of places says so once, however often it is asked.
    fn take_faults(&self) -> Vec<Diagnostic> {
        Vec::new()
    }
}

/// Files in MaxMind's format, asked one after another: one of cities or countries, one of autonomous systems, or one
/// with both. What an earlier one does not say, a later one may.
#[derive(Default)]
pub struct PlaceFiles {
    files: Vec<PlaceFile>,
    hosting: Vec<u32>,
    mobile: Vec<u32>,
}

struct PlaceFile {
    name: String,
    reader: maxminddb::Reader<Vec<u8>>,
    fault: Mutex<Fault>,
}

/// Look-ups that failed.
#[derive(Default)]
struct Fault {
    count: u64,
    /// Of the first: the address, and why.
    first: Option<(IpAddr, String)>,
    is_told: bool,
}

impl PlaceFile {
    /// What the file says of an address, in one of the shapes that are asked for; notes what cannot be read.
    fn read<T>(&self, address: IpAddr, read: Result<Option<T>, MaxMindDbError>) -> Option<T> {
        read.unwrap_or_else(|error| {
            self.note(address, &excerpt(&error.to_string()));
            None
        })
    }

    fn note(&self, address: IpAddr, why: &str) {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.count += 1;
        fault.first.get_or_insert_with(|| (address, why.to_owned()));
    }

    /// The country and the place that a file tells; what cannot be one is noted and left out, as the detectors would
    /// reckon with it.
    fn city(&self, address: IpAddr, city: &City<'_>) -> (Option<String>, Option<(f64, f64)>) {
        let country = city.country.iso_code.filter(|code| !code.is_empty());
        let at = city.location.latitude.zip(city.location.longitude);
        let is_code = |code: &&str| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
        let on_earth =
            |(north, east): &(f64, f64)| (-90.0..=90.0).contains(north) && (-180.0..=180.0).contains(east);
        if !country.iter().all(is_code) {
            self.note(address, "its country is no code of two letters");
        }
        if !at.iter().all(on_earth) {
            self.note(address, "its latitude and longitude are no place");
        }
        (country.filter(is_code).map(str::to_owned), at.filter(on_earth))
    }

    fn take_fault(&self) -> Option<Diagnostic> {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        let (address, why) = fault.first.clone().filter(|_| !fault.is_told)?;
        fault.is_told = true;
        let what = format!(
            "{} of an address failed, first of {address}: {why}; the detectors judge by its network alone",
            if fault.count == 1 { "1 look-up".to_owned() } else { format!("{} look-ups", fault.count) }
        );
        let fix = "get the file anew, and one that knows IPv6";
        Some(Diagnostic::warning("place-not-read", self.name.clone(), what).with_fix(fix))
    }
}

/// A file is not in MaxMind's format.
#[derive(Debug, thiserror::Error)]
#[error(
    "{name} is not a MaxMind file ({cause}); give a .mmdb file such as GeoLite2-City.mmdb or GeoLite2-ASN.mmdb"
)]
pub struct PlaceFileError {
    name: String,
    /// Quotes the file: it is cut.
    cause: String,
}

/// Words in the name of an autonomous system's holder that tell of rented servers.
const HOSTING_WORDS: &[&str] =
    &["hosting", "cloud", "datacenter", "data center", "server", "vps", "colo", "vpn"];
/// Words that tell of a mobile carrier.
const MOBILE_WORDS: &[&str] = &["mobile", "wireless", "cellular", "mobil", "gsm", "telecom mobile"];

impl PlaceFiles {
    /// Takes one more file.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), PlaceFileError> {
        let reader = maxminddb::Reader::from_source(bytes)
            .map_err(|cause| PlaceFileError { name: name.to_owned(), cause: excerpt(&cause.to_string()) })?;
        self.files.push(PlaceFile { name: name.to_owned(), reader, fault: Mutex::default() });
        Ok(())
    }

    /// Autonomous systems that rent out servers, besides those whose holder's name says so.
    pub fn hosting(&mut self, asns: &[u32]) {
        self.hosting.extend_from_slice(asns);
    }

    /// Autonomous systems of mobile carriers, besides those whose holder's name says so.
    pub fn mobile(&mut self, asns: &[u32]) {
        self.mobile.extend_from_slice(asns);
    }

    fn network(&self, asn: Option<u32>, holder: Option<&str>) -> Network {
        let listed = |list: &[u32]| asn.is_some_and(|asn| list.contains(&asn));
        let holder = holder.unwrap_or_default().to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| holder.contains(word));
        if listed(&self.mobile) {
            Network::Mobile
        } else if listed(&self.hosting) {
            Network::Hosting
        } else if says(MOBILE_WORDS) {
            Network::Mobile
        } else if says(HOSTING_WORDS) {
            Network::Hosting
        } else {
            Network::Usual
        }
    }
}

impl Places for PlaceFiles {
    fn find(&self, address: IpAddr) -> Option<Whereabouts> {
        let mut found = Whereabouts::default();
        for file in &self.files {
            let Some(result) = file.read(address, file.reader.lookup(address).map(Some)) else { continue };
            // A file of another type has other members; those that it lacks are none.
            if let Some(city) = file.read(address, result.decode::<City<'_>>()) {
                let (country, at) = file.city(address, &city);
                found.country = found.country.or(country);
                if found.at.is_none() && at.is_some() {
                    found.at = at;
                    found.radius_km = city.location.accuracy_radius.map_or(0.0, f64::from);
                }
            }
            if let Some(asn) = file.read(address, result.decode::<Asn<'_>>()) {
                found.asn = found.asn.or(asn.autonomous_system_number);
                found.holder = found.holder.or_else(|| asn.autonomous_system_organization.map(str::to_owned));
            }
        }
        found.network = self.network(found.asn, found.holder.as_deref());
        (found.country.is_some() || found.asn.is_some() || found.at.is_some()).then_some(found)
    }

    fn take_faults(&self) -> Vec<Diagnostic> {
        self.files.iter().filter_map(PlaceFile::take_fault).collect()
    }
}

/// Kilometres between two points of the earth, by the haversine formula.
pub(super) fn distance_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    const EARTH_RADIUS_KM: f64 = 6371.0;
    let half = |x: f64, y: f64| ((y - x).to_radians() / 2.0).sin().powi(2);
    let (north, east) = (half(a.0, b.0), half(a.1, b.1));
    let chord = north + a.0.to_radians().cos() * b.0.to_radians().cos() * east;
    2.0 * EARTH_RADIUS_KM * chord.clamp(0.0, 1.0).sqrt().asin()
}

/// Whether an address belongs inside: private, shared by carriers, link-local.
pub(super) fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => {
            let first = v6.segments().first().copied().unwrap_or(0);
            first & 0xFE00 == 0xFC00 || first & 0xFFC0 == 0xFE80
        }
    }
}

/// A block of addresses, as an operator names his own: `192.0.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    base: IpAddr,
    prefix: u8,
}

impl Block {
    /// Reads `192.0.2.0/24`, or one address.
    pub fn parse(text: &str) -> Option<Block> {
        let (base, prefix) = match text.trim().split_once('/') {
            Some((base, prefix)) => (base, Some(prefix.parse::<u8>().ok()?)),
            None => (text.trim(), None),
        };
        let base: IpAddr = base.parse().ok()?;
        let bits = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        (prefix <= bits).then_some(Block { base, prefix })
    }

    /// Whether an address lies in it.
    pub fn holds(&self, address: IpAddr) -> bool {
        let differ = match (self.base, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(u32::from(a) ^ u32::from(b)) << 96,
            (IpAddr::V6(a), IpAddr::V6(b)) => u128::from(a) ^ u128::from(b),
            _ => return false,
        };
        self.prefix == 0 || differ >> (128 - u32::from(self.prefix)) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_what_lies_in_them() {
        let block = Block::parse("192.0.2.64/26").unwrap();
        for (address, inside) in
            [("192.0.2.64", true), ("192.0.2.127", true), ("192.0.2.63", false), ("::1", false)]
        {
            assert_eq!(block.holds(address.parse().unwrap()), inside, "{address}");
        }
        assert!(Block::parse("2001:db8::/32").unwrap().holds("2001:db8:1::1".parse().unwrap()));
        assert!(Block::parse("0.0.0.0/0").unwrap().holds("192.0.2.1".parse().unwrap()));
        assert_eq!(Block::parse("192.0.2.0/33"), None);
        assert_eq!(Block::parse("x/8"), None);
    }

    #[test]
    fn distances_are_those_of_the_earth() {
        let (amsterdam, singapore) = ((52.37, 4.89), (1.35, 103.82));
        let km = distance_km(amsterdam, singapore);
        assert!((10_400.0..10_600.0).contains(&km), "{km}");
        assert_eq!(distance_km(amsterdam, amsterdam), 0.0);
    }

    #[test]
    fn a_file_of_another_format_is_refused() {
        let error = PlaceFiles::default().add("places.mmdb", b"no".to_vec()).unwrap_err();
        assert!(error.to_string().starts_with("places.mmdb is not a MaxMind file"), "{error}");
    }
}
