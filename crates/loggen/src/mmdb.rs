// SPDX-License-Identifier: Apache-2.0
//! A small file in MaxMind's format (MaxMind DB file format specification, version 2.0): a binary search tree over
//! the bits of IPv6 addresses, IPv4 under `::/96`, and a data section.

use std::net::IpAddr;

use crate::world::Net;

/// Bits of a record of a node. 24 would do for a while; 32 is the simplest.
const RECORD_BITS: u16 = 32;

/// The file of a list of networks with country, autonomous system, and coordinates with radius: what GeoIP2 City
/// and GeoLite2 ASN say, in one record. Networks must not overlap.
pub fn database(nets: &[Net], built_seconds: u64) -> Vec<u8> {
    let mut nodes: Vec<[Link; 2]> = vec![[Link::None; 2]];
    let mut data = Vec::new();
    for net in nets {
        let Ok(base) = net.base.parse::<IpAddr>() else { continue };
        let (bits, prefix) = match base {
            IpAddr::V4(v4) => (u128::from(u32::from(v4)), 96 + u32::from(net.prefix)),
            IpAddr::V6(v6) => (u128::from(v6), u32::from(net.prefix)),
        };
        let offset = data.len();
        write_record(&mut data, net);
        insert(&mut nodes, bits, prefix, offset);
    }
    let count = nodes.len();
    let mut file = Vec::new();
    for link in nodes.iter().flatten() {
        let record = match link {
            Link::None => count,
            Link::Node(nth) => *nth,
            Link::Data(offset) => count + 16 + offset,
        };
        file.extend_from_slice(&(record as u32).to_be_bytes());
    }
    file.extend_from_slice(&[0; 16]);
    file.extend_from_slice(&data);
    file.extend_from_slice(b"\xAB\xCD\xEFMaxMind.com");
    write_metadata(&mut file, count, built_seconds);
    file
}

#[derive(Clone, Copy)]
enum Link {
    Data(usize),
    Node(usize),
    None,
}

fn insert(nodes: &mut Vec<[Link; 2]>, bits: u128, prefix: u32, offset: usize) {
    let mut node = 0;
    for depth in 0..prefix {
        let side = (bits >> (127 - depth) & 1) as usize;
        let next = nodes.len();
        let Some(link) = nodes.get_mut(node).and_then(|n| n.get_mut(side)) else { return };
        if depth + 1 == prefix {
            *link = Link::Data(offset);
            return;
        }
        match *link {
            Link::Node(nth) => node = nth,
            _ => {
                *link = Link::Node(next);
                nodes.push([Link::None; 2]);
                node = next;
            }
        }
    }
}

fn write_record(out: &mut Vec<u8>, net: &Net) {
    map(out, 4);
    text(out, "autonomous_system_number");
    number(out, 6, u64::from(net.asn));
    text(out, "autonomous_system_organization");
    text(out, net.holder);
    text(out, "country");
    map(out, 1);
    text(out, "iso_code");
    text(out, net.country);
    text(out, "location");
    map(out, 3);
    text(out, "accuracy_radius");
    number(out, 5, u64::from(net.radius_km));
    text(out, "latitude");
    double(out, net.at.0);
    text(out, "longitude");
    double(out, net.at.1);
}

fn write_metadata(out: &mut Vec<u8>, nodes: usize, built_seconds: u64) {
    map(out, 9);
    text(out, "binary_format_major_version");
    number(out, 5, 2);
    text(out, "binary_format_minor_version");
    number(out, 5, 0);
    text(out, "build_epoch");
    number(out, 9, built_seconds);
    text(out, "database_type");
    text(out, "loggen-City-ASN");
    text(out, "description");
    map(out, 1);
    text(out, "en");
    text(out, "Invented places of documentation addresses");
    text(out, "ip_version");
    number(out, 5, 6);
    text(out, "languages");
    control(out, 11, 0);
    text(out, "node_count");
    number(out, 6, nodes as u64);
    text(out, "record_size");
    number(out, 5, u64::from(RECORD_BITS));
}

/// Control byte: type in the upper three bits, or 0 and the type less 7 in a byte of its own; size in the lower five.
fn control(out: &mut Vec<u8>, kind: u8, size: usize) {
    let (short, extra) = if size < 29 { (size as u8, None) } else { (29, Some((size - 29) as u8)) };
    match kind {
        1..8 => out.push(kind << 5 | short),
        _ => out.extend_from_slice(&[short, kind - 7]),
    }
    out.extend(extra);
}

fn map(out: &mut Vec<u8>, pairs: usize) {
    control(out, 7, pairs);
}

fn text(out: &mut Vec<u8>, text: &str) {
    control(out, 2, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn double(out: &mut Vec<u8>, value: f64) {
    control(out, 3, 8);
    out.extend_from_slice(&value.to_be_bytes());
}

/// An unsigned number of type 5 (16 bits), 6 (32 bits) or 9 (64 bits), without leading zeros.
fn number(out: &mut Vec<u8>, kind: u8, value: u64) {
    let bytes = value.to_be_bytes();
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    control(out, kind, 8 - zeros);
    out.extend_from_slice(bytes.get(zeros..).unwrap_or_default());
}
