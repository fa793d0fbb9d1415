// SPDX-License-Identifier: Apache-2.0
//! State as bytes and back, for checkpoints and for hunts that are to go on later. Numbers are LEB128, signed ones
//! zigzag; lengths stand before what they count. Bytes that do not say what they should are refused, never guessed at.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use model::observable::ObservableKind;
use model::time::Timestamp;

use crate::event::SourceKind;

/// The bytes are not a state of this version, or were damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

/// What is left to read.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.0.split_first().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*first)
    }

    /// How many elements follow.
    pub(crate) fn count(&mut self) -> Result<usize, Damaged> {
        let count = usize::try_from(u64::read(self)?).map_err(|_| Damaged)?;
        // Each element has at least one byte, so a length cannot ask for memory that the bytes do not back.
        if count > self.0.len() { Err(Damaged) } else { Ok(count) }
    }

    /// A text as it stands in the bytes.
    pub(crate) fn text(&mut self) -> Result<&'a str, Damaged> {
        let count = self.count()?;
        let (text, rest) = self.0.split_at_checked(count).ok_or(Damaged)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| Damaged)
    }
}

/// Where a state is written to: all of it is kept, or goes on to a writer a piece at a time, since the state of years
/// takes as much room again as what it is of. A fault of the writer is told at the end; what follows it is dropped.
pub(crate) struct Out<'w> {
    bytes: Vec<u8>,
    to: Option<&'w mut dyn Write>,
    fault: Option<io::Error>,
}

/// Bytes that go on to a writer at once.
const PIECE_BYTES: usize = 256 << 10;

impl<'w> Out<'w> {
    /// Keeps all, for [`Out::into_bytes`].
    pub(crate) fn kept() -> Out<'static> {
        Out { bytes: Vec::new(), to: None, fault: None }
    }

    /// Goes on to a writer, until [`Out::end`].
    pub(crate) fn to(writer: &'w mut dyn Write) -> Out<'w> {
        Out { bytes: Vec::with_capacity(PIECE_BYTES + 256), to: Some(writer), fault: None }
    }

    pub(crate) fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
        if self.bytes.len() >= PIECE_BYTES {
            self.hand_on();
        }
    }

    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= PIECE_BYTES {
            self.hand_on();
        }
    }

    fn hand_on(&mut self) {
        let Some(to) = &mut self.to else { return };
        if self.fault.is_none() {
            self.fault = to.write_all(&self.bytes).err();
        }
        self.bytes.clear();
    }

    /// What was kept.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Hands on what is left, and says what went wrong.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.hand_on();
        self.fault.map_or(Ok(()), Err)
    }
}

/// What can be written into a checkpoint.
pub(crate) trait State: Sized {
    fn write(&self, out: &mut Out<'_>);
    fn read(bytes: &mut Bytes<'_>) -> Result<Self, Damaged>;
}

impl State for u64 {
    fn write(&self, out: &mut Out<'_>) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<u64, Damaged> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = bytes.byte()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return Err(Damaged);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Damaged)
    }
}

impl State for i64 {
    fn write(&self, out: &mut Out<'_>) {
        ((self << 1 ^ self >> 63) as u64).write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<i64, Damaged> {
        let value = u64::read(bytes)?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

macro_rules! small {
    ($($kind:ty),*) => {$(
        impl State for $kind {
            fn write(&self, out: &mut Out<'_>) {
                u64::from(*self).write(out);
            }

            fn read(bytes: &mut Bytes<'_>) -> Result<$kind, Damaged> {
                <$kind>::try_from(u64::read(bytes)?).map_err(|_| Damaged)
            }
        }
    )*};
}
small!(u8, u16, u32);

impl State for bool {
    fn write(&self, out: &mut Out<'_>) {
        out.push(u8::from(*self));
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<bool, Damaged> {
        match bytes.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damaged),
        }
    }
}

impl State for i32 {
    fn write(&self, out: &mut Out<'_>) {
        i64::from(*self).write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<i32, Damaged> {
        i32::try_from(i64::read(bytes)?).map_err(|_| Damaged)
    }
}

impl State for f64 {
    fn write(&self, out: &mut Out<'_>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<f64, Damaged> {
        let (first, rest) = bytes.0.split_first_chunk::<8>().ok_or(Damaged)?;
        bytes.0 = rest;
        Ok(f64::from_le_bytes(*first))
    }
}

impl State for String {
    fn write(&self, out: &mut Out<'_>) {
        (self.len() as u64).write(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<String, Damaged> {
        bytes.text().map(str::to_owned)
    }
}

impl<T: State> State for Option<T> {
    fn write(&self, out: &mut Out<'_>) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Option<T>, Damaged> {
        Ok(if bool::read(bytes)? { Some(T::read(bytes)?) } else { None })
    }
}

impl State for Timestamp {
    fn write(&self, out: &mut Out<'_>) {
        self.micros().write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Timestamp, Damaged> {
        i64::read(bytes).map(Timestamp::from_micros)
    }
}

impl State for SourceKind {
    fn write(&self, out: &mut Out<'_>) {
        self.code().write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<SourceKind, Damaged> {
        SourceKind::from_code(u8::read(bytes)?.into()).ok_or(Damaged)
    }
}

impl State for ObservableKind {
    fn write(&self, out: &mut Out<'_>) {
        self.code().write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<ObservableKind, Damaged> {
        ObservableKind::from_code(i64::read(bytes)?).ok_or(Damaged)
    }
}

impl State for usize {
    fn write(&self, out: &mut Out<'_>) {
        (*self as u64).write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<usize, Damaged> {
        usize::try_from(u64::read(bytes)?).map_err(|_| Damaged)
    }
}

impl<const N: usize> State for [u8; N] {
    fn write(&self, out: &mut Out<'_>) {
        out.extend_from_slice(self);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<[u8; N], Damaged> {
        let (first, rest) = bytes.0.split_first_chunk::<N>().ok_or(Damaged)?;
        bytes.0 = rest;
        Ok(*first)
    }
}

/// Bytes as they are, such as another's checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Raw(pub(crate) Vec<u8>);

impl State for Raw {
    fn write(&self, out: &mut Out<'_>) {
        (self.0.len() as u64).write(out);
        out.extend_from_slice(&self.0);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Raw, Damaged> {
        let count = bytes.count()?;
        let (raw, rest) = bytes.0.split_at_checked(count).ok_or(Damaged)?;
        bytes.0 = rest;
        Ok(Raw(raw.to_vec()))
    }
}

impl<T: State> State for Vec<T> {
    fn write(&self, out: &mut Out<'_>) {
        (self.len() as u64).write(out);
        self.iter().for_each(|value| value.write(out));
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Vec<T>, Damaged> {
        let count = bytes.count()?;
        (0..count).map(|_| T::read(bytes)).collect()
    }
}

impl<T: State + Ord> State for BTreeSet<T> {
    fn write(&self, out: &mut Out<'_>) {
        (self.len() as u64).write(out);
        self.iter().for_each(|value| value.write(out));
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<BTreeSet<T>, Damaged> {
        let count = bytes.count()?;
        (0..count).map(|_| T::read(bytes)).collect()
    }
}

impl<K: State + Ord, V: State> State for BTreeMap<K, V> {
    fn write(&self, out: &mut Out<'_>) {
        (self.len() as u64).write(out);
        for (key, value) in self {
            key.write(out);
            value.write(out);
        }
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<BTreeMap<K, V>, Damaged> {
        let count = bytes.count()?;
        (0..count).map(|_| Ok((K::read(bytes)?, V::read(bytes)?))).collect()
    }
}

impl<const N: usize> State for [u32; N] {
    fn write(&self, out: &mut Out<'_>) {
        self.iter().for_each(|value| value.write(out));
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<[u32; N], Damaged> {
        let mut all = [0; N];
        for value in &mut all {
            *value = u32::read(bytes)?;
        }
        Ok(all)
    }
}

impl<A: State, B: State> State for (A, B) {
    fn write(&self, out: &mut Out<'_>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<(A, B), Damaged> {
        Ok((A::read(bytes)?, B::read(bytes)?))
    }
}

impl<A: State, B: State, C: State> State for (A, B, C) {
    fn write(&self, out: &mut Out<'_>) {
        self.0.write(out);
        self.1.write(out);
        self.2.write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<(A, B, C), Damaged> {
        Ok((A::read(bytes)?, B::read(bytes)?, C::read(bytes)?))
    }
}

impl<A: State, B: State, C: State, D: State> State for (A, B, C, D) {
    fn write(&self, out: &mut Out<'_>) {
        self.0.write(out);
        self.1.write(out);
        self.2.write(out);
        self.3.write(out);
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<(A, B, C, D), Damaged> {
        Ok((A::read(bytes)?, B::read(bytes)?, C::read(bytes)?, D::read(bytes)?))
    }
}

/// A struct is its fields one after another.
macro_rules! state {
    ($name:ty { $($field:ident),* $(,)? }) => {
        impl $crate::state::State for $name {
            fn write(&self, out: &mut $crate::state::Out<'_>) {
                $($crate::state::State::write(&self.$field, out);)*
            }

            fn read(
                bytes: &mut $crate::state::Bytes<'_>,
            ) -> Result<$name, $crate::state::Damaged> {
                Ok(Self { $($field: $crate::state::State::read(bytes)?,)* })
            }
        }
    };
}
pub(crate) use state;

#[cfg(test)]
mod tests {
    use super::*;

    fn round<T: State + PartialEq + std::fmt::Debug>(value: T) {
        let mut out = Out::kept();
        value.write(&mut out);
        let bytes = out.into_bytes();
        let mut left = Bytes(&bytes);
        assert_eq!(T::read(&mut left), Ok(value));
        assert!(left.0.is_empty());
        if let Some(cut) = bytes.len().checked_sub(1) {
            assert!(T::read(&mut Bytes(&bytes[..cut])).is_err());
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for value in [0, 1, 127, 128, u64::MAX] {
            round(value);
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            round(value);
        }
        round("é".to_owned());
        round(vec![(1_u32, Some(2.5_f64)), (7, None)]);
        round(BTreeMap::from([(3_u8, "x".to_owned())]));
        round([9_u32; 24]);
    }

    #[test]
    fn what_goes_to_a_writer_is_what_is_kept() {
        let value: Vec<String> = (0..40_000).map(|nth| format!("{nth}: a text")).collect();
        let (mut kept, mut written) = (Out::kept(), Vec::new());
        value.write(&mut kept);
        let mut out = Out::to(&mut written);
        value.write(&mut out);
        out.end().unwrap();
        assert!(written.len() > 2 * PIECE_BYTES);
        assert_eq!(kept.into_bytes(), written);
    }

    #[test]
    fn a_writer_that_is_full_is_told_of() {
        let mut room = [0_u8; 1_000];
        let mut full = room.as_mut_slice();
        let mut out = Out::to(&mut full);
        out.extend_from_slice(&vec![7; 3 * PIECE_BYTES]);
        out.push(1);
        assert_eq!(out.end().unwrap_err().kind(), io::ErrorKind::WriteZero);
    }

    #[test]
    fn a_length_that_the_bytes_do_not_back_is_refused() {
        assert_eq!(Vec::<u64>::read(&mut Bytes(&[0xFF, 0xFF, 0xFF, 0x7F, 0])), Err(Damaged));
        assert_eq!(u64::read(&mut Bytes(&[0xFF; 10])), Err(Damaged));
        assert_eq!(bool::read(&mut Bytes(&[2])), Err(Damaged));
    }
}
