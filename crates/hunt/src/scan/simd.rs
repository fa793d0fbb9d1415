// SPDX-License-Identifier: Apache-2.0
//! Classes of 64 bytes at a time, by what the processor has. The only module with `unsafe`.
//!
//! A [`Path`] exists only where the processor was asked and has the instructions: that is why its methods
//! may call functions that need them. No function here computes an address: each takes arrays of exactly
//! 64 bytes, or asks for memory to be fetched, which reads nothing.

#![allow(unsafe_code, reason = "instructions that only some processors have; each use says why it is sound")]

use super::class::{CLASSES, COLON, DIGIT, DOT, ESCAPE, GLUE, HEX, LETTER, WIDE};

/// Bytes that one word of masks tells of.
pub(super) const WORD_BYTES: usize = 64;

/// Which of 64 bytes are of which class: bit *i* tells of byte *i*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Masks {
    /// 0 to 9.
    pub digit: u64,
    /// ASCII letters, hyphen and underscore.
    pub worded: u64,
    /// The dot.
    pub dot: u64,
    /// Hexadecimal digits.
    pub hex: u64,
    /// The colon.
    pub colon: u64,
    /// `%` and `\`.
    pub escape: u64,
    /// `%`, `\` and bytes of characters beyond ASCII: a token beside one of them may not be what it seems.
    pub special: u64,
    /// The underscore.
    pub underscore: u64,
}

impl Masks {
    /// What a token consists of.
    #[inline(always)]
    pub(super) fn token(&self) -> u64 {
        self.digit | self.worded | self.dot
    }
}

/// A way to classify bytes that this processor has. All ways find the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path(Instructions);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instructions {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Portable,
}

impl Path {
    /// The ways that this processor has, the fastest first; the portable one is always among them.
    pub fn available() -> Vec<Path> {
        let mut paths = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let bits = is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt");
            if bits && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
                paths.push(Path(Instructions::Avx512));
            }
            if bits && is_x86_feature_detected!("avx2") {
                paths.push(Path(Instructions::Avx2));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            paths.push(Path(Instructions::Neon));
        }
        paths.push(Path::PORTABLE);
        paths
    }

    /// The way without any particular instructions.
    pub const PORTABLE: Path = Path(Instructions::Portable);

    /// The fastest way.
    pub fn fastest() -> Path {
        Path::available().first().copied().unwrap_or(Path::PORTABLE)
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => "avx2",
            #[cfg(target_arch = "aarch64")]
            Instructions::Neon => "neon",
            Instructions::Portable => "portable",
        }
    }

    /// Classes of each 64 bytes; as many as both slices have.
    pub(super) fn classify(self, bytes: &[[u8; WORD_BYTES]], masks: &mut [Masks]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the path exists, so the processor was found to have AVX-512 F and BW.
            Instructions::Avx512 => unsafe { x86::classify_avx512(bytes, masks) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the path exists, so the processor was found to have AVX2.
            Instructions::Avx2 => unsafe { x86::classify_avx2(bytes, masks) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: the path exists, so the processor was found to have NEON.
            Instructions::Neon => unsafe { arm::classify_neon(bytes, masks) },
            Instructions::Portable => classify_portable(bytes, masks),
        }
    }

    /// Does the work compiled for the path's instructions for counting bits.
    #[inline]
    pub(super) fn run(self, work: impl Work) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the path exists, so the processor was found to have BMI1, BMI2, LZCNT and POPCNT.
            Instructions::Avx512 | Instructions::Avx2 => unsafe { x86::run_with_bits(work) },
            _ => work.run(),
        }
    }
}

/// Work on masks, to be inlined where the instructions are known.
pub(super) trait Work {
    /// Does it; must be `#[inline(always)]`.
    fn run(self);
}

/// Asks for a word of a table to be brought near; nothing happens if there is none of that number.
#[inline(always)]
pub(super) fn prefetch(table: &[u64], index: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch neither reads nor faults, whatever the address; SSE is part of x86-64.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(table.as_ptr().wrapping_add(index).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (table, index);
}

/// By the table of classes: eight bytes become a square of bits, which is turned over.
fn classify_portable(bytes: &[[u8; WORD_BYTES]], masks: &mut [Masks]) {
    for (bytes, masks) in bytes.iter().zip(masks) {
        let mut columns = [0_u64; 8];
        for (nth, eight) in bytes.as_chunks::<8>().0.iter().enumerate() {
            let square = u64::from_le_bytes(eight.map(|byte| CLASSES[usize::from(byte)]));
            for (column, bits) in columns.iter_mut().zip(turned(square).to_le_bytes()) {
                *column |= u64::from(bits) << (8 * nth);
            }
        }
        let of = |class: u8| columns[class.trailing_zeros() as usize & 7];
        *masks = Masks {
            digit: of(DIGIT),
            worded: of(LETTER) | of(GLUE),
            dot: of(DOT),
            hex: of(HEX),
            colon: of(COLON),
            escape: of(ESCAPE),
            special: of(ESCAPE) | of(WIDE),
            underscore: underscores(bytes, of(GLUE)),
        };
    }
}

/// Of hyphens and underscores the latter.
fn underscores(bytes: &[u8; WORD_BYTES], mut glue: u64) -> u64 {
    let mut found = 0;
    while glue != 0 {
        let at = glue.trailing_zeros();
        glue &= glue - 1;
        found |= u64::from(bytes[at as usize & 63] == b'_') << at;
    }
    found
}

/// A square of 8 by 8 bits, rows for columns (Hacker's Delight, section 7-3).
fn turned(square: u64) -> u64 {
    let swap = |x: u64, by: u32, mask: u64| {
        let t = (x ^ x >> by) & mask;
        x ^ t ^ t << by
    };
    let x = swap(square, 7, 0x00AA_00AA_00AA_00AA);
    let x = swap(x, 14, 0x0000_CCCC_0000_CCCC);
    swap(x, 28, 0x0000_0000_F0F0_F0F0)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Masks, WORD_BYTES, Work};

    #[target_feature(enable = "bmi1,bmi2,lzcnt,popcnt")]
    pub(super) fn run_with_bits(work: impl Work) {
        work.run();
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn classify_avx2(bytes: &[[u8; WORD_BYTES]], masks: &mut [Masks]) {
        for (bytes, masks) in bytes.iter().zip(masks) {
            let (low, high) = (half_avx2(bytes, 0), half_avx2(bytes, 1));
            let whole = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
            *masks = Masks {
                digit: whole(low[0], high[0]),
                worded: whole(low[1], high[1]),
                dot: whole(low[2], high[2]),
                hex: whole(low[3], high[3]),
                colon: whole(low[4], high[4]),
                escape: whole(low[5], high[5]),
                special: whole(low[6], high[6]),
                underscore: whole(low[7], high[7]),
            };
        }
    }

    /// The masks of one half of the bytes, in the order of the fields.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn half_avx2(bytes: &[u8; WORD_BYTES], half: usize) -> [u32; 8] {
        // SAFETY: 32 bytes from byte 0 or 32 on lie within the 64; the load needs no alignment.
        let v = unsafe { _mm256_loadu_si256(bytes.as_ptr().add(32 * (half & 1)).cast()) };
        let is = |byte: u8| _mm256_cmpeq_epi8(v, _mm256_set1_epi8(byte as i8));
        // At most `last` above the first: the smaller of the difference and `last` is the difference.
        let within = |from_first: __m256i, last: u8| {
            _mm256_cmpeq_epi8(_mm256_min_epu8(from_first, _mm256_set1_epi8(last as i8)), from_first)
        };
        let from_zero = _mm256_sub_epi8(v, _mm256_set1_epi8(b'0' as i8));
        let folded = _mm256_or_si256(v, _mm256_set1_epi8(0x20));
        let from_a = _mm256_sub_epi8(folded, _mm256_set1_epi8(b'a' as i8));
        let digit = within(from_zero, 9);
        let underscore = is(b'_');
        let glue = _mm256_or_si256(underscore, is(b'-'));
        let escape = _mm256_or_si256(is(b'%'), is(b'\\'));
        [
            bits_avx2(digit),
            bits_avx2(_mm256_or_si256(within(from_a, 25), glue)),
            bits_avx2(is(b'.')),
            bits_avx2(_mm256_or_si256(digit, within(from_a, 5))),
            bits_avx2(is(b':')),
            bits_avx2(escape),
            // The sign of a byte is what makes a bit of it.
            bits_avx2(_mm256_or_si256(escape, v)),
            bits_avx2(underscore),
        ]
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn bits_avx2(class: __m256i) -> u32 {
        _mm256_movemask_epi8(class) as u32
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn classify_avx512(bytes: &[[u8; WORD_BYTES]], masks: &mut [Masks]) {
        for (bytes, masks) in bytes.iter().zip(masks) {
            // SAFETY: the array has the 64 bytes that are loaded; the load needs no alignment.
            let v = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
            let is = |byte: u8| _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(byte as i8));
            let within = |from_first: __m512i, last: u8| {
                _mm512_cmple_epu8_mask(from_first, _mm512_set1_epi8(last as i8))
            };
            let from_zero = _mm512_sub_epi8(v, _mm512_set1_epi8(b'0' as i8));
            let folded = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
            let from_a = _mm512_sub_epi8(folded, _mm512_set1_epi8(b'a' as i8));
            let (digit, underscore) = (within(from_zero, 9), is(b'_'));
            let escape = is(b'%') | is(b'\\');
            *masks = Masks {
                digit,
                worded: within(from_a, 25) | underscore | is(b'-'),
                dot: is(b'.'),
                hex: digit | within(from_a, 5),
                colon: is(b':'),
                escape,
                special: escape | _mm512_movepi8_mask(v),
                underscore,
            };
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::*;

    use super::{Masks, WORD_BYTES};

    #[target_feature(enable = "neon")]
    pub(super) fn classify_neon(bytes: &[[u8; WORD_BYTES]], masks: &mut [Masks]) {
        for (bytes, masks) in bytes.iter().zip(masks) {
            // SAFETY: four loads of 16 bytes, at 0, 16, 32 and 48, lie within the 64 bytes of the array.
            let quarters = [0, 16, 32, 48].map(|at| unsafe { vld1q_u8(bytes.as_ptr().add(at)) });
            let digits = quarters.map(|v| within(v, b'0', 9));
            let underscores = quarters.map(|v| is(v, b'_'));
            let escapes = quarters.map(|v| vorrq_u8(is(v, b'%'), is(v, b'\\')));
            let folded = quarters.map(|v| vorrq_u8(v, vdupq_n_u8(0x20)));
            let hex = both(digits, folded.map(|v| within(v, b'a', 5)));
            let glue = both(underscores, quarters.map(|v| is(v, b'-')));
            let wide = quarters.map(|v| vcgeq_u8(v, vdupq_n_u8(0x80)));
            *masks = Masks {
                digit: mask(digits),
                worded: mask(both(folded.map(|v| within(v, b'a', 25)), glue)),
                dot: mask(quarters.map(|v| is(v, b'.'))),
                hex: mask(hex),
                colon: mask(quarters.map(|v| is(v, b':'))),
                escape: mask(escapes),
                special: mask(both(escapes, wide)),
                underscore: mask(underscores),
            };
        }
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn is(v: uint8x16_t, byte: u8) -> uint8x16_t {
        vceqq_u8(v, vdupq_n_u8(byte))
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn within(v: uint8x16_t, first: u8, last: u8) -> uint8x16_t {
        vcleq_u8(vsubq_u8(v, vdupq_n_u8(first)), vdupq_n_u8(last))
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn both(a: [uint8x16_t; 4], b: [uint8x16_t; 4]) -> [uint8x16_t; 4] {
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (a, b);
        [vorrq_u8(a0, b0), vorrq_u8(a1, b1), vorrq_u8(a2, b2), vorrq_u8(a3, b3)]
    }

    /// One bit of each byte that is all ones or all zeros: weights within eight bytes, then three pairwise
    /// sums, which keep the order of the bytes.
    #[target_feature(enable = "neon")]
    #[inline]
    fn mask(quarters: [uint8x16_t; 4]) -> u64 {
        let weights = vreinterpretq_u8_u64(vdupq_n_u64(0x8040_2010_0804_0201));
        let [a, b, c, d] = quarters.map(|v| vandq_u8(v, weights));
        let sums = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));
        vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the masks mean, byte by byte.
    fn plain(bytes: &[u8; WORD_BYTES]) -> Masks {
        let of = |is: fn(u8) -> bool| {
            (0..).zip(bytes).fold(0, |mask, (at, byte)| mask | u64::from(is(*byte)) << at)
        };
        Masks {
            digit: of(|b| b.is_ascii_digit()),
            worded: of(|b| b.is_ascii_alphabetic() || b == b'-' || b == b'_'),
            dot: of(|b| b == b'.'),
            hex: of(|b| b.is_ascii_hexdigit()),
            colon: of(|b| b == b':'),
            escape: of(|b| b == b'%' || b == b'\\'),
            special: of(|b| b == b'%' || b == b'\\' || !b.is_ascii()),
            underscore: of(|b| b == b'_'),
        }
    }

    #[test]
    fn every_byte_has_its_classes_in_every_place_and_path() {
        for path in Path::available() {
            for byte in 0..=255 {
                for at in 0..WORD_BYTES {
                    let mut bytes = [b' '; WORD_BYTES];
                    bytes[at] = byte;
                    let mut masks = [Masks::default()];
                    path.classify(&[bytes], &mut masks);
                    assert_eq!(masks, [plain(&bytes)], "{} byte {byte} at {at}", path.name());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn paths_agree_on_any_bytes(bytes in prop::collection::vec(any::<[u8; 32]>(), 2..9)) {
            let bytes = bytes.concat();
            let words = bytes.as_chunks::<WORD_BYTES>().0;
            for path in Path::available() {
                let mut masks = vec![Masks::default(); words.len()];
                path.classify(words, &mut masks);
                let wanted: Vec<Masks> = words.iter().map(plain).collect();
                prop_assert_eq!(masks, wanted, "{}", path.name());
            }
        }
    }
}
