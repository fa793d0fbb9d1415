// SPDX-License-Identifier: Apache-2.0
//! Deterministic mutations of an input: the same seed gives the same bytes everywhere.

/// Numbers that look random, from a seed (xorshift64*).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Seeded; any seed will do.
    pub fn new(seed: u64) -> Random {
        Random((seed ^ 0x9E37_79B9_7F4A_7C15).max(1))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % (end.max(1) as u64)).unwrap_or(0)
    }
}

/// Bytes that parsers look at.
const TELLING: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\r\n",
    b"\"",
    b"\\",
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b",",
    b":",
    b";",
    b".",
    b"..",
    b"-",
    b"+",
    b"%",
    b"%00",
    b"/",
    b"//",
    b"://",
    b"@",
    b"=",
    b"&",
    b"#",
    b"0",
    b"00",
    b"-1",
    b"9999999999",
    b"18446744073709551615",
    b"1e999",
    b"null",
    b"true",
    b"\xFF",
    b"\xC0\x80",
    b"\xED\xA0\x80",
    b"\\ud800",
    b"\\u0000",
    b"\xEF\xBB\xBF",
    b"\xE2\x80\xAE",
    b"\xC4\xB0",
    b"xn--",
    b"\t",
    b" ",
    b"T",
    b"Z",
    b"+00:00",
];

/// The longest input that mutations make.
const BYTES_MAX: usize = 64 * 1024;

/// One to four changes: bits, bytes, cuts, repeats, telling bytes, and pieces of another input.
pub fn mutate(input: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = at + random.below(bytes.len() - at + 1);
        match random.below(9) {
            0 => flip(&mut bytes, at, 1 << random.below(8)),
            1 => flip(&mut bytes, at, random.below(256) as u8),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => drop(bytes.drain(at..end.min(at + 1 + random.below(4)))),
            5 => {
                let piece: Vec<u8> = bytes.drain(at..end).collect();
                let twice = [piece.as_slice(), &piece].concat();
                bytes.splice(at..at, twice);
            }
            6 => {
                let from = random.below(other.len() + 1);
                let to = from + random.below(other.len() - from + 1);
                bytes.splice(at..at, other.get(from..to).unwrap_or_default().iter().copied());
            }
            7 => {
                let from = random.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(other.get(from..).unwrap_or_default());
            }
            _ => {
                let telling = TELLING.get(random.below(TELLING.len())).copied().unwrap_or_default();
                let over = if random.below(2) == 0 { at } else { end.min(at + telling.len()) };
                bytes.splice(at..over, telling.iter().copied());
            }
        }
        bytes.truncate(BYTES_MAX);
    }
    bytes
}

fn flip(bytes: &mut [u8], at: usize, mask: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= mask;
    }
}
