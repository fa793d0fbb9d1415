// SPDX-License-Identifier: Apache-2.0
//! A Parquet file whose pages are looked at before the library makes them: a header can claim any size, and a few
//! bytes of levels can stand for a row of two thousand million values.

use std::io::{BufReader, Read};

use parquet::basic::Encoding;
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;

use super::spool::Spool;
use crate::limits::{PARQUET_PAGE_BYTES_MAX, PARQUET_ROW_BYTES_MAX, PARQUET_ROW_VALUES_MAX};

/// A file whose pages are bounded.
pub(super) struct Bounded {
    inner: SerializedFileReader<Spool>,
    spool: Spool,
    /// Most values of one row in one column of lists: all of them share [`PARQUET_ROW_VALUES_MAX`].
    values_max: u64,
}

impl Bounded {
    /// Reads the footer.
    pub(super) fn new(spool: Spool) -> Result<Bounded> {
        let inner = SerializedFileReader::new(spool.clone())?;
        let schema = inner.metadata().file_metadata().schema_descr();
        let lists = schema.columns().iter().filter(|column| column.max_rep_level() > 0).count();
        let values_max = (PARQUET_ROW_VALUES_MAX / lists.max(1)).max(1) as u64;
        Ok(Bounded { inner, spool, values_max })
    }
}

impl FileReader for Bounded {
    fn metadata(&self) -> &ParquetMetaData {
        self.inner.metadata()
    }

    fn num_row_groups(&self) -> usize {
        self.inner.num_row_groups()
    }

    fn get_row_group(&self, nth: usize) -> Result<Box<dyn RowGroupReader + '_>> {
        Ok(Box::new(Group { inner: self.inner.get_row_group(nth)?, file: self }))
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_file(projection, self)
    }
}

struct Group<'a> {
    inner: Box<dyn RowGroupReader + 'a>,
    file: &'a Bounded,
}

impl RowGroupReader for Group<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.inner.metadata()
    }

    fn num_columns(&self) -> usize {
        self.inner.num_columns()
    }

    fn get_column_page_reader(&self, nth: usize) -> Result<Box<dyn PageReader>> {
        let column = self.inner.metadata().column(nth);
        let (at, left) = column.byte_range();
        let level_max = column.column_descr().max_rep_level();
        let rows = (level_max > 0).then(|| Rows {
            level_bits: bits_of(level_max),
            values: 0,
            values_max: self.file.values_max,
        });
        let inner = self.inner.get_column_page_reader(nth)?;
        Ok(Box::new(Watched { inner, headers: Headers { spool: self.file.spool.clone(), at, left }, rows }))
    }

    fn get_column_bloom_filter(&self, nth: usize) -> Option<&Sbbf> {
        self.inner.get_column_bloom_filter(nth)
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_row_group(projection, self)
    }
}

fn fault(what: String) -> ParquetError {
    ParquetError::General(what)
}

// --- sizes of pages ---

/// The headers of a column's pages, read ahead of the library.
struct Headers {
    spool: Spool,
    at: u64,
    left: u64,
}

/// What the library passes by (parquet-format, `PageType`).
const INDEX_PAGE: i64 = 1;

impl Headers {
    /// Looks at the page that the library will make next.
    fn check_next(&mut self) -> Result<()> {
        while self.left > 0 {
            let mut header = Header { input: BufReader::new(self.spool.reader(self.at)), read: 0 };
            let (kind, unpacked, packed) =
                header.sizes().ok_or_else(|| fault("a page has no header".to_owned()))?;
            if unpacked > PARQUET_PAGE_BYTES_MAX {
                let what = format!(
                    "a page of {unpacked} bytes is larger than {PARQUET_PAGE_BYTES_MAX}, the most that is read"
                );
                return Err(fault(what));
            }
            let bytes = header.read.saturating_add(packed);
            let left = self.left.checked_sub(bytes);
            self.left = left.ok_or_else(|| fault("a page is longer than its column".to_owned()))?;
            self.at += bytes;
            if kind != INDEX_PAGE {
                break;
            }
        }
        Ok(())
    }
}

/// A header of a page: a struct of Thrift's compact protocol (parquet-format, `PageHeader`).
struct Header<R> {
    input: R,
    /// Bytes that were read.
    read: u64,
}

/// Deepest nesting of a header, and the most elements of a list in it.
const HEADER_DEPTH_MAX: usize = 8;
const HEADER_ELEMENTS_MAX: u64 = 1_024;
/// Longest text in a header: the least and the greatest value of a page.
const HEADER_TEXT_BYTES_MAX: u64 = 16 * 1024 * 1024;

impl<R: Read> Header<R> {
    /// The type of the page, what it has unpacked, and what it has in the file.
    fn sizes(&mut self) -> Option<(i64, u64, u64)> {
        let (mut page, mut unpacked, mut packed) = (None, None, None);
        let mut id = 0_i64;
        while let Some(kind) = self.field(&mut id)? {
            match (id, kind) {
                (1, 4..=6) => page = Some(self.signed()?),
                (2 | 3, 4..=6) => {
                    let size = u64::try_from(self.signed()?).ok();
                    let held = if id == 2 { &mut unpacked } else { &mut packed };
                    // Of two statements the larger: whichever the library believes.
                    *held = (*held).max(Some(size?));
                }
                _ => self.skip(kind, 0)?,
            }
        }
        Some((page?, unpacked?, packed?))
    }

    /// The type of the next field, whose number goes into `id`; `Some(None)` at the end of the struct.
    fn field(&mut self, id: &mut i64) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *id = if byte >> 4 == 0 { self.signed()? } else { *id + i64::from(byte >> 4) };
        Some(Some(byte & 0x0F))
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > HEADER_DEPTH_MAX {
            return None;
        }
        match kind {
            1 | 2 => Some(()),
            3 => self.byte().map(drop),
            4..=6 => self.unsigned().map(drop),
            7 => self.pass(8),
            8 => {
                let bytes = self.unsigned()?;
                self.pass(bytes)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.unsigned()? } else { u64::from(head >> 4) };
                if count > HEADER_ELEMENTS_MAX {
                    return None;
                }
                // In a list a truth value is a byte.
                let kind = if matches!(head & 0x0F, 1 | 2) { 3 } else { head & 0x0F };
                (0..count).try_for_each(|_| self.skip(kind, depth + 1))
            }
            12 => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth + 1)?;
                }
                Some(())
            }
            // No header has a map.
            _ => None,
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.input.read_exact(&mut byte).ok()?;
        self.read += 1;
        let [byte] = byte;
        Some(byte)
    }

    fn pass(&mut self, bytes: u64) -> Option<()> {
        if bytes > HEADER_TEXT_BYTES_MAX {
            return None;
        }
        let passed = std::io::copy(&mut (&mut self.input).take(bytes), &mut std::io::sink()).ok()?;
        self.read += passed;
        (passed == bytes).then_some(())
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

// --- values of a row ---

fn bits_of(level_max: i16) -> u32 {
    16 - level_max.cast_unsigned().leading_zeros()
}

/// How many values the rows of a column have, by their repetition levels: 0 begins a row.
struct Rows {
    level_bits: u32,
    /// Values of the row at hand, which may have begun on an earlier page.
    values: u64,
    values_max: u64,
}

impl Rows {
    /// Looks at the levels of a page (RLE and bit-packing, parquet-format `Encodings.md`) and answers how many values
    /// the longest row has.
    fn look(&mut self, mut levels: &[u8], values: u32) -> Result<u64> {
        let (mut left, mut longest) = (u64::from(values), self.values);
        while left > 0 {
            let Some(head) = varint(&mut levels) else { break };
            if head & 1 == 0 {
                let count = (head >> 1).min(left);
                let (level, rest) = levels.split_at(levels.len().min(self.level_bits.div_ceil(8) as usize));
                levels = rest;
                left -= count;
                let begins = level.iter().all(|byte| *byte == 0);
                self.values = if !begins {
                    self.values + count
                } else if count > 0 {
                    1
                } else {
                    self.values
                };
                longest = longest.max(self.values);
            } else {
                let bytes = (head >> 1).saturating_mul(u64::from(self.level_bits));
                let packed = usize::try_from(bytes).unwrap_or(usize::MAX).min(levels.len());
                let (packed, rest) = levels.split_at(packed);
                levels = rest;
                let bit = |at: usize| packed.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
                let width = self.level_bits as usize;
                let count = ((packed.len() * 8 / width) as u64).min(left);
                for nth in 0..usize::try_from(count).unwrap_or(0) {
                    let begins = !(nth * width..(nth + 1) * width).any(bit);
                    self.values = if begins { 1 } else { self.values + 1 };
                    longest = longest.max(self.values);
                }
                left -= count;
                if count == 0 {
                    break;
                }
            }
        }
        if longest > self.values_max {
            let what =
                format!("a row has more than {} values in a list, the most that is read", self.values_max);
            return Err(fault(what));
        }
        Ok(longest)
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// The pages of a column.
struct Watched {
    inner: Box<dyn PageReader>,
    headers: Headers,
    /// Of a column with lists.
    rows: Option<Rows>,
}

impl Watched {
    fn look(&mut self, page: &Page) -> Result<()> {
        let Some(rows) = &mut self.rows else { return Ok(()) };
        let (levels, values, encoding) = match page {
            Page::DataPage { buf, num_values, encoding, rep_level_encoding: Encoding::RLE, .. } => {
                let length =
                    buf.split_first_chunk::<4>().map(|(length, rest)| (u32::from_le_bytes(*length), rest));
                let levels = length.map(|(length, rest)| rest.get(..length as usize).unwrap_or(rest));
                (levels.unwrap_or_default(), *num_values, encoding)
            }
            Page::DataPage { .. } => {
                return Err(fault("its lists are written in a way that was given up in 2013".to_owned()));
            }
            Page::DataPageV2 { buf, num_values, encoding, rep_levels_byte_len, .. } => {
                (buf.get(..*rep_levels_byte_len as usize).unwrap_or(buf), *num_values, encoding)
            }
            Page::DictionaryPage { .. } => return Ok(()),
        };
        let longest = rows.look(levels, values)?;
        // Of texts that share their beginnings each may be as long as the page, and is made whole.
        let shared = *encoding == Encoding::DELTA_BYTE_ARRAY;
        if shared && longest.saturating_mul(page.buffer().len() as u64) > PARQUET_ROW_BYTES_MAX {
            return Err(fault(format!(
                "a row may have more than {PARQUET_ROW_BYTES_MAX} bytes, the most that is read"
            )));
        }
        Ok(())
    }
}

impl PageReader for Watched {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.headers.check_next()?;
        let page = self.inner.get_next_page()?;
        page.iter().try_for_each(|page| self.look(page))?;
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.inner.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.inner.at_record_boundary()
    }
}

impl Iterator for Watched {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest(levels: &[u8], values: u32) -> Option<u64> {
        Rows { level_bits: 1, values: 0, values_max: 1_000 }.look(levels, values).ok()
    }

    #[test]
    fn the_longest_row_is_told_by_its_levels() {
        // Runs: one 0, nine 1; then bit-packed 0 1 1 0 0 0 0 0.
        assert_eq!(longest(&[2, 0, 18, 1, 3, 0b110], 18), Some(10));
        assert_eq!(longest(&[3, 0b0111_1110], 8), Some(7));
        assert_eq!(longest(&[2, 0, 0xCE, 0x0F, 1], 1_000), Some(1_000));
        assert_eq!(longest(&[2, 0, 0xD0, 0x0F, 1], 1_001), None, "one value more");
        assert_eq!(
            longest(&[2, 0, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F, 1], u32::MAX),
            None,
            "eight bytes of levels"
        );
        assert_eq!(longest(&[], 5), Some(0));
    }

    #[test]
    fn a_row_goes_on_over_pages() {
        let mut rows = Rows { level_bits: 1, values: 0, values_max: 15 };
        assert!(rows.look(&[2, 0, 18, 1], 10).is_ok_and(|longest| longest == 10));
        assert!(rows.look(&[12, 1], 6).is_err());
    }

    #[test]
    fn headers_are_read_as_thrift_says() {
        let sizes = |bytes: &[u8]| Header { input: bytes, read: 0 }.sizes();
        // type 0, 100 bytes, 50 bytes, a struct of one number.
        assert_eq!(sizes(&[0x15, 0, 0x15, 0xC8, 1, 0x15, 100, 0x2C, 0x15, 2, 0, 0]), Some((0, 100, 50)));
        // The same with numbers of fields written out, and another size before.
        assert_eq!(sizes(&[0x15, 0, 0x05, 4, 2, 0x05, 4, 0xC8, 1, 0x05, 6, 100, 0]), Some((0, 100, 50)));
        assert_eq!(sizes(&[0x15, 0, 0x15, 0xC8, 1, 0]), None, "one size is missing");
        assert_eq!(sizes(&[0x15, 0]), None);
        assert_eq!(sizes(&[0x1C; 40]), None, "too deep");
    }
}
