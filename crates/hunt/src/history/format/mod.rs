// SPDX-License-Identifier: Apache-2.0
//! The file of a run: plain Parquet, sorted by kind and value, one month (`docs/history.md`).

mod checked;
mod delta;
mod filter;
mod read;
mod write;

use std::sync::Arc;

use model::observable::ObservableKind;
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::{Type, TypePtr};

use super::month::Month;
use crate::event::SourceKind;

pub(crate) use filter::hash;
pub use read::{Match, OpenRun, RunRows};
pub use write::RunWriter;

/// Version of the format; raised when a program that knows the one before would misread a run.
pub const FORMAT: &str = "1";
/// Rows of a row group.
pub const GROUP_ROWS: usize = 122_880;
/// Rows of a page.
pub const PAGE_ROWS: usize = 8_192;
/// Bytes of a run that have one checksum.
pub(crate) const CHECK_BYTES: usize = 16 * 1024;

/// Names in the metadata of a run.
const META_FORMAT: &str = "polder.history";
const META_MONTH: &str = "polder.month";
const META_SOURCE: &str = "polder.source";

/// Columns of a run, in their order.
const KIND: usize = 0;
const VALUE: usize = 1;
const FIRST: usize = 2;
const LASTED: usize = 3;
const COUNT: usize = 4;
const DAYS: usize = 5;
const FLAGS: usize = 6;
const SOURCES: usize = 7;

/// What all rows of a run share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunHead {
    /// The month.
    pub month: Month,
    /// What kind of log the values are from.
    pub source: SourceKind,
}

/// A set of kinds of observables: bit n stands for the kind with code n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kinds(pub i64);

impl Kinds {
    /// Only one.
    pub fn one(kind: ObservableKind) -> Kinds {
        Kinds(1 << kind.code())
    }

    /// Whether a kind is in it.
    pub fn has(self, kind: ObservableKind) -> bool {
        self.0 & Kinds::one(kind).0 != 0
    }

    /// Both.
    pub fn with(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    /// These without others.
    pub fn without(self, other: Kinds) -> Kinds {
        Kinds(self.0 & !other.0)
    }

    /// Its kinds, by code.
    pub fn each(self) -> impl Iterator<Item = ObservableKind> {
        ObservableKind::all().filter(move |kind| self.has(*kind))
    }

    /// Whether it is one kind.
    pub fn is_one(self) -> bool {
        self.0.count_ones() == 1
    }
}

impl FromIterator<ObservableKind> for Kinds {
    fn from_iter<I: IntoIterator<Item = ObservableKind>>(kinds: I) -> Kinds {
        kinds.into_iter().fold(Kinds::default(), |all, kind| all.with(Kinds::one(kind)))
    }
}

/// What is kept of a run beside it, in the node's database: with it a run is verified and found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFacts {
    /// Its name in the folder: the beginning of the SHA-256 of its bytes.
    pub name: String,
    /// Month and kind of log.
    pub head: RunHead,
    /// Kinds of its values.
    pub kinds: Kinds,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// Checksums of its parts: CRC-32 of each [`CHECK_BYTES`], four bytes little-endian.
    pub checks: Vec<u8>,
    /// Where its filter lies: offset and bytes; 0 bytes without one.
    pub filter: (u64, u64),
}

fn schema() -> Result<TypePtr, ParquetError> {
    let integer = |name: &str, physical, bits| {
        let logical = Some(LogicalType::integer(bits, false));
        let column = Type::primitive_type_builder(name, physical).with_repetition(Repetition::REQUIRED);
        column.with_logical_type(logical).build().map(Arc::new)
    };
    let value =
        Type::primitive_type_builder("value", Physical::BYTE_ARRAY).with_repetition(Repetition::REQUIRED);
    let file = Type::primitive_type_builder("element", Physical::INT64).with_repetition(Repetition::REQUIRED);
    let list = Type::group_type_builder("list").with_repetition(Repetition::REPEATED);
    let list = list.with_fields(vec![Arc::new(file.build()?)]).build()?;
    let sources = Type::group_type_builder("sources").with_repetition(Repetition::OPTIONAL);
    let sources =
        sources.with_logical_type(Some(LogicalType::List)).with_fields(vec![Arc::new(list)]).build()?;
    let root = Type::group_type_builder("observables").with_fields(vec![
        integer("kind", Physical::INT32, 8)?,
        Arc::new(value.build()?),
        integer("first", Physical::INT32, 32)?,
        integer("lasted", Physical::INT32, 32)?,
        integer("count", Physical::INT64, 64)?,
        integer("days_between", Physical::INT32, 32)?,
        integer("flags", Physical::INT32, 8)?,
        Arc::new(sources),
    ]);
    root.build().map(Arc::new)
}

/// Bits of the first and last day: they follow from the times, so the file does not hold them.
fn end_days(month: Month, first: u32, last: u32) -> u32 {
    let bit = |second: u32| {
        let day = (second / super::month::DAY_SECONDS).wrapping_sub(month.first_day());
        1_u32.checked_shl(day).unwrap_or(0)
    };
    if month == Month::NONE { 0 } else { bit(first) | bit(last) }
}
