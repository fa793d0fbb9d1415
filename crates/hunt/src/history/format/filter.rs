// SPDX-License-Identifier: Apache-2.0
//! A filter that rules most runs out: a split-block Bloom filter, as in Parquet's specification, with a hash
//! of our own and a number of blocks that need not be a power of two. It only ever says 'not here': what is
//! found is found in the rows.

use model::observable::ObservableKind;

/// Bytes of a block: one read of a look-up.
pub(crate) const BLOCK_BYTES: usize = 32;
/// Rows that share a block: 8 bits for each, which lets 3 of 100 absent values pass.
const ROWS_PER_BLOCK: usize = 32;

/// Salts of the eight words of a block (Parquet, BloomFilter.md).
const SALTS: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// The hash of a value: each 8 bytes little-endian, then the rest filled with zeros.
pub(crate) fn hash(kind: ObservableKind, value: &[u8]) -> u64 {
    let seed = 0x9E37_79B9_7F4A_7C15_u64 ^ (value.len() as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mut h = seed ^ u64::try_from(kind.code()).unwrap_or(0).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    let mut mix = |word: u64| {
        h = (h ^ word).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        h ^= h >> 32;
    };
    let (words, rest) = value.as_chunks::<8>();
    words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
    if !rest.is_empty() {
        mix(rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }
    h = h.wrapping_mul(0x94d0_49bb_1331_11eb);
    h ^ h >> 29
}

/// What a range of values has in common, as the filter holds it beside the values: of a name every name above it
/// that has two labels, with a dot at its end; of an address its /24, in IPv6 its /48. No value looks like that.
pub(crate) fn prefixes(kind: ObservableKind, value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let network = (kind == ObservableKind::Ip).then(|| value.get(..network_bytes(value))).flatten();
    let is_name = kind == ObservableKind::Domain;
    let dots = value.iter().enumerate().filter(move |(_, byte)| is_name && **byte == b'.');
    network.into_iter().chain(dots.skip(1).filter_map(|(dot, _)| value.get(..=dot)))
}

/// Bytes of the network of an address that the filter knows.
fn network_bytes(address: &[u8]) -> usize {
    if address.starts_with(&IPV4_MAPPED) { 15 } else { 6 }
}

/// How an address begins that is of IPv4.
const IPV4_MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF];

/// The prefix that all values of a range share, if the filter knows it.
pub(crate) fn prefix_of<'v>(kind: ObservableKind, from: &'v [u8], to: &[u8]) -> Option<&'v [u8]> {
    match kind {
        ObservableKind::Domain => Some(from).filter(|from| from.ends_with(b".")),
        ObservableKind::Ip => {
            let bytes = network_bytes(from);
            from.get(..bytes).filter(|prefix| to.starts_with(prefix))
        }
        _ => None,
    }
}

/// The bytes of a filter over hashes.
pub(crate) fn build(hashes: &[u64]) -> Vec<u8> {
    let blocks = hashes.len().div_ceil(ROWS_PER_BLOCK).max(1);
    let mut filter = vec![0; blocks * BLOCK_BYTES];
    for hash in hashes {
        let block = filter.get_mut(block_at(blocks as u64, *hash)..).unwrap_or_default();
        for (word, bit) in block.as_chunks_mut::<4>().0.iter_mut().zip(bits(*hash)) {
            *word = (u32::from_le_bytes(*word) | bit).to_le_bytes();
        }
    }
    filter
}

/// Where in a filter of so many bytes the block of a hash begins.
pub(crate) fn block_offset(filter_bytes: u64, hash: u64) -> u64 {
    block_at((filter_bytes / BLOCK_BYTES as u64).max(1), hash) as u64
}

fn block_at(blocks: u64, hash: u64) -> usize {
    // The upper half times the number of blocks, its upper half: no division.
    let block = (hash >> 32).wrapping_mul(blocks) >> 32;
    usize::try_from(block).unwrap_or(0) * BLOCK_BYTES
}

/// Whether a block lets a hash pass.
pub(crate) fn passes(block: &[u8; BLOCK_BYTES], hash: u64) -> bool {
    block.as_chunks::<4>().0.iter().zip(bits(hash)).all(|(word, bit)| u32::from_le_bytes(*word) & bit != 0)
}

fn bits(hash: u64) -> impl Iterator<Item = u32> {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is what is meant")]
    let low = hash as u32;
    SALTS.iter().map(move |salt| 1 << (low.wrapping_mul(*salt) >> 27))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_passes_and_little_else() {
        for rows in [1_u64, 31, 33, 1_000, 50_000] {
            let kind = ObservableKind::Domain;
            let of = |n: u64| hash(kind, format!("org.example.host{n}").as_bytes());
            let filter = build(&(0..rows).map(of).collect::<Vec<_>>());
            let passes = |hash| {
                let at = block_offset(filter.len() as u64, hash) as usize;
                passes(filter[at..at + BLOCK_BYTES].try_into().unwrap(), hash)
            };
            assert!((0..rows).all(|n| passes(of(n))));
            let wrong = (0..10_000).filter(|n| passes(of(rows + n))).count();
            assert!(wrong < 600, "{wrong} of 10,000 pass a filter over {rows}");
            let other =
                (0..10_000).filter(|n| passes(hash(ObservableKind::Ip, &n.to_string().into_bytes()))).count();
            assert!(other < 600);
        }
    }

    /// The hash is part of the format: what is written today must be found for ever.
    #[test]
    fn the_hash_is_fixed() {
        assert_eq!(hash(ObservableKind::Domain, b"nl.nxp.vpn"), HASH_OF_A_NAME);
        assert_eq!(hash(ObservableKind::Ip, &[0; 16]), HASH_OF_ZEROS);
    }

    const HASH_OF_A_NAME: u64 = 0xf39c_83c3_3bc9_a9d5;
    const HASH_OF_ZEROS: u64 = 0x95a3_3e26_391c_31bd;
}
