// SPDX-License-Identifier: Apache-2.0
//! Parquet's DELTA_BYTE_ARRAY, for the one column that every look-up decodes: into one buffer, without an
//! allocation for each value (Parquet, Encodings.md).

/// Most bytes of the values of a page: a page of the longest that there are.
const PAGE_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Values of a page, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Values {
    bytes: Vec<u8>,
    /// Where each value ends.
    ends: Vec<usize>,
}

impl Values {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The value at a place; empty beyond the last.
    pub(crate) fn at(&self, place: usize) -> &[u8] {
        let end = self.ends.get(place).copied().unwrap_or_default();
        let start =
            place.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// How many values are below one, if they are sorted.
    pub(crate) fn below(&self, value: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.at(middle) < value { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Decodes a page in place of what was there; `None` if it is none of that encoding or holds more than
    /// `values_max`.
    pub(crate) fn decode(&mut self, page: &[u8], values_max: usize) -> Option<()> {
        self.bytes.clear();
        self.ends.clear();
        let mut rest = page;
        let prefixes = integers(&mut rest, values_max)?;
        let suffixes = integers(&mut rest, values_max)?;
        if prefixes.len() != suffixes.len() {
            return None;
        }
        let mut last = 0..0;
        for (prefix, suffix) in prefixes.into_iter().zip(suffixes) {
            let (prefix, suffix) = (usize::try_from(prefix).ok()?, usize::try_from(suffix).ok()?);
            if prefix > last.len() {
                return None;
            }
            let start = self.bytes.len();
            if start + prefix + suffix > PAGE_BYTES_MAX {
                return None;
            }
            self.bytes.extend_from_within(last.start..last.start + prefix);
            self.bytes.extend_from_slice(rest.split_off(..suffix)?);
            last = start..self.bytes.len();
            self.ends.push(self.bytes.len());
        }
        Some(())
    }
}

/// DELTA_BINARY_PACKED: a header, then blocks of miniblocks of differences.
fn integers(rest: &mut &[u8], values_max: usize) -> Option<Vec<i64>> {
    let block = usize::try_from(varint(rest)?).ok()?;
    let miniblocks = usize::try_from(varint(rest)?).ok()?;
    let count = usize::try_from(varint(rest)?).ok()?;
    let mut value = zigzag(varint(rest)?);
    if miniblocks == 0 || block % miniblocks != 0 || count > values_max {
        return None;
    }
    let per_miniblock = block / miniblocks;
    let mut all = Vec::with_capacity(count);
    if count > 0 {
        all.push(value);
    }
    while all.len() < count {
        let least = zigzag(varint(rest)?);
        let widths = rest.split_off(..miniblocks)?;
        for width in widths {
            if all.len() == count {
                break;
            }
            let width = usize::from(*width);
            let packed = rest.split_off(..(per_miniblock * width).div_ceil(8))?;
            for place in 0..per_miniblock.min(count - all.len()) {
                value = value.wrapping_add(least).wrapping_add(unpack(packed, place * width, width)?);
                all.push(value);
            }
        }
    }
    Some(all)
}

/// The `width` bits that begin at a bit, the lowest first.
fn unpack(packed: &[u8], bit: usize, width: usize) -> Option<i64> {
    if width == 0 {
        return Some(0);
    }
    // Lengths of values need no more.
    if width > 32 {
        return None;
    }
    let bytes = packed.get(bit / 8..)?;
    let mut word = [0; 8];
    let taken = bytes.len().min(8);
    word.get_mut(..taken)?.copy_from_slice(bytes.get(..taken)?);
    let bits = u64::from_le_bytes(word) >> (bit % 8) & ((1 << width) - 1);
    i64::try_from(bits).ok()
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_pages_are_no_values() {
        let mut values = Values::default();
        for page in [&b""[..], b"\x80\x01\x04\x02\x00", b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", &[0; 64]]
        {
            assert!(values.decode(page, 100).is_none() || values.len() == 0, "{page:?}");
        }
    }
}
