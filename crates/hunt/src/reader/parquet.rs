// SPDX-License-Identifier: Apache-2.0
//! Apache Parquet as one JSON object a row.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use model::diagnostic::Diagnostic;
use model::time::Timestamp;
use parquet::basic::Repetition;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader, Length};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

use super::convert::{Made, Told};
use super::nested::Lists;
use super::pages::Bounded;
use super::spool::{Spool, SpoolReader};

/// Bytes of text that are made at once.
const MAKE_BYTES: usize = 256 * 1024;
/// Deepest nesting of a row that is written.
pub(super) const DEPTH_MAX: usize = 32;

/// A reader of a Parquet file that yields JSON lines.
pub(super) struct ParquetLines {
    rows: Option<Rows>,
    name: String,
    row: u64,
    made: Made,
    pub(super) told: Told,
}

/// Rows: columns without lists as the library reads them, those with lists beside them.
struct Rows {
    plain: RowIter<'static>,
    lists: Option<Lists>,
    /// Names of the fields in the order of the schema, and whether they hold lists.
    fields: Vec<(String, bool)>,
}

impl ParquetLines {
    /// Opens it. What is wrong with its footer is told.
    pub(super) fn new(spool: Spool, name: &str, told: &mut Told) -> ParquetLines {
        let rows = match guarded(|| Rows::open(&spool)) {
            Ok((rows, deep)) => {
                if !deep.is_empty() {
                    let message = format!(
                        "columns that are nested deeper than {DEPTH_MAX} are not read: {}",
                        shortened(&deep.join(", "))
                    );
                    told.miss(Diagnostic::error("parquet-nested", name, message));
                }
                Some(rows)
            }
            Err(fault) => {
                let message = format!("it is no whole Parquet file: {fault}; nothing of it was read");
                let fix = "fetch the file again; it may have been cut short or still be written";
                told.miss(Diagnostic::error("parquet-damaged", name, message).with_fix(fix));
                None
            }
        };
        ParquetLines { rows, name: name.to_owned(), row: 0, made: Made::default(), told: Told::default() }
    }

    fn make(&mut self) {
        self.made.clear();
        while self.made.bytes.len() < MAKE_BYTES {
            let Some(rows) = &mut self.rows else { return };
            let before = self.made.bytes.len();
            let bytes = &mut self.made.bytes;
            // What is printed of a value may panic as well as what is read of it.
            match guarded(|| rows.write_next(bytes)) {
                Ok(false) => self.rows = None,
                Ok(true) => {
                    self.row += 1;
                    self.made.bytes.push(b'\n');
                }
                Err(fault) => {
                    self.made.bytes.truncate(before);
                    self.rows = None;
                    let place = format!("{} row {}", self.name, self.row + 1);
                    let message = format!("it is damaged: {fault}; what came before was read");
                    self.told.miss(Diagnostic::error("parquet-damaged", place, message));
                }
            }
        }
    }
}

impl Rows {
    /// Answers besides which columns are nested too deep.
    fn open(spool: &Spool) -> Result<(Rows, Vec<String>), ParquetError> {
        let file = Bounded::new(spool.clone())?;
        let schema = file.metadata().file_metadata().schema().clone();
        let fields = schema.get_fields();
        let wanted: Vec<usize> =
            fields.iter().enumerate().filter(|(_, field)| has_list(field, 0)).map(|(nth, _)| nth).collect();
        if wanted.is_empty() {
            let fields = fields.iter().map(|field| (field.name().to_owned(), false)).collect();
            let plain = RowIter::from_file_into(Box::new(file));
            return Ok((Rows { plain, lists: None, fields }, Vec::new()));
        }
        let is_wanted = |nth: &usize| wanted.contains(nth);
        let plain =
            fields.iter().enumerate().filter(|(nth, _)| !is_wanted(nth)).map(|(_, field)| field.clone());
        let plain = Type::group_type_builder(schema.name()).with_fields(plain.collect()).build()?;
        let plain = RowIter::from_file_into(Box::new(file)).project(Some(plain))?;
        let (lists, deep) = Lists::new(Bounded::new(spool.clone())?, &wanted);
        let names = |nth: &usize| fields.get(*nth).map(|field| field.name().to_owned());
        let deep = deep.iter().filter_map(names).collect();
        let fields = fields
            .iter()
            .enumerate()
            .map(|(nth, field)| (field.name().to_owned(), is_wanted(&nth)))
            .collect();
        Ok((Rows { plain, lists: Some(lists), fields }, deep))
    }

    /// Writes the next row; `false` after the last.
    fn write_next(&mut self, out: &mut Vec<u8>) -> Result<bool, ParquetError> {
        let row = self.plain.next().transpose()?;
        let Some(lists) = &mut self.lists else {
            return Ok(row.map(|row| write_row(out, &row, 0)).is_some());
        };
        let Some(row) = row else { return Ok(false) };
        if !lists.next_row()? {
            return Err(ParquetError::General("its lists have fewer rows than it has".to_owned()));
        }
        let mut plain = row.get_column_iter();
        let begin = out.len();
        out.push(b'{');
        for (nth, (name, is_list)) in self.fields.iter().enumerate() {
            let before = |out: &mut Vec<u8>| {
                if out.len() > begin + 1 {
                    out.push(b',');
                }
                write_text(out, name);
                out.push(b':');
            };
            if *is_list {
                lists.write(nth, &before, out)?;
            } else if let Some((_, field)) = plain.next().filter(|(_, field)| **field != Field::Null) {
                before(out);
                write_field(out, field, 1);
            }
        }
        out.push(b'}');
        lists.check()?;
        Ok(true)
    }
}

fn has_list(field: &Type, depth: usize) -> bool {
    let info = field.get_basic_info();
    let repeated = info.has_repetition() && info.repetition() == Repetition::REPEATED;
    repeated
        || depth > DEPTH_MAX
        || field.is_group() && field.get_fields().iter().any(|f| has_list(f, depth + 1))
}

/// The library's panics on damaged files, as the errors that they are.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(shortened(&error.to_string())),
        Err(_) => Err("its pages do not agree with its footer".to_owned()),
    }
}

/// The library quotes what it met.
fn shortened(message: &str) -> String {
    message.trim_start_matches("Parquet error: ").chars().take(200).collect()
}

impl Read for ParquetLines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.made.is_empty() && !buffer.is_empty() {
            self.make();
        }
        Ok(self.made.hand(buffer))
    }
}

// --- JSON ---

fn write_row(out: &mut Vec<u8>, row: &Row, depth: usize) {
    out.push(b'{');
    for (nth, (name, field)) in row.get_column_iter().filter(|(_, field)| **field != Field::Null).enumerate()
    {
        if nth > 0 {
            out.push(b',');
        }
        write_text(out, name);
        out.push(b':');
        write_field(out, field, depth + 1);
    }
    out.push(b'}');
}

pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    // Writing into memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

pub(super) fn write_field(out: &mut Vec<u8>, field: &Field, depth: usize) {
    if depth > DEPTH_MAX {
        return out.extend_from_slice(b"null");
    }
    match field {
        Field::Null => out.extend_from_slice(b"null"),
        Field::Bool(value) => write_shown(out, value),
        Field::Byte(value) => write_shown(out, value),
        Field::Short(value) => write_shown(out, value),
        Field::Int(value) => write_shown(out, value),
        Field::Long(value) => write_shown(out, value),
        Field::UByte(value) => write_shown(out, value),
        Field::UShort(value) => write_shown(out, value),
        Field::UInt(value) => write_shown(out, value),
        Field::ULong(value) => write_shown(out, value),
        Field::Float(value) => write_number(out, f64::from(*value)),
        Field::Double(value) => write_number(out, *value),
        Field::Str(text) => write_text(out, text),
        Field::Bytes(bytes) => write_bytes(out, bytes.data()),
        Field::TimestampMillis(millis) => write_time(out, millis.checked_mul(1_000)),
        Field::TimestampMicros(micros) => write_time(out, Some(*micros)),
        Field::Group(row) => write_row(out, row, depth),
        Field::ListInternal(list) => {
            out.push(b'[');
            for (nth, field) in list.elements().iter().enumerate() {
                if nth > 0 {
                    out.push(b',');
                }
                write_field(out, field, depth + 1);
            }
            out.push(b']');
        }
        Field::MapInternal(map) => {
            out.push(b'{');
            for (nth, (key, value)) in map.entries().iter().enumerate() {
                if nth > 0 {
                    out.push(b',');
                }
                match key {
                    Field::Str(text) => write_text(out, text),
                    other => write_text(out, &other.to_string()),
                }
                out.push(b':');
                write_field(out, value, depth + 1);
            }
            out.push(b'}');
        }
        // Dates, clock times, decimals: as they are shown.
        other => write_text(out, &other.to_string()),
    }
}

fn write_shown(out: &mut Vec<u8>, value: &dyn std::fmt::Display) {
    let _ = write!(out, "{value}");
}

/// JSON has no infinity.
fn write_number(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() { write_shown(out, &value) } else { out.extend_from_slice(b"null") }
}

/// Text that was declared as bytes, or else hexadecimal.
fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => write_text(out, text),
        Err(_) => {
            out.push(b'"');
            for byte in bytes {
                let _ = write!(out, "{byte:02x}");
            }
            out.push(b'"');
        }
    }
}

fn write_time(out: &mut Vec<u8>, micros: Option<i64>) {
    let time = micros.map(Timestamp::from_micros);
    match time.filter(|time| (Timestamp::MIN..=Timestamp::MAX).contains(time)) {
        Some(time) => write_text(out, &time.to_string()),
        None => out.extend_from_slice(b"null"),
    }
}

// --- input ---

impl Length for Spool {
    fn len(&self) -> u64 {
        self.bytes()
    }
}

impl ChunkReader for Spool {
    type T = io::BufReader<SpoolReader>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(io::BufReader::new(self.reader(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<bytes::Bytes> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.bytes());
        if end.is_none() {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} are beyond the file's end")));
        }
        let mut reader = self.reader(0);
        reader.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::with_capacity(length);
        reader.take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} are not all there")));
        }
        Ok(bytes.into())
    }
}
