// SPDX-License-Identifier: Apache-2.0
//! Writing a run, in bounded memory: one row group at a time.

use std::io::{self, Write};
use std::sync::Arc;

use model::id::hex;
use model::observable::ObservableKind;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr, WriterVersion};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnPath;
use sha2::{Digest, Sha256};

use super::{
    CHECK_BYTES, FORMAT, GROUP_ROWS, Kinds, META_FORMAT, META_MONTH, META_SOURCE, PAGE_ROWS, RunFacts,
    RunHead, checked, end_days, filter, schema,
};
use crate::history::error::HistoryError;
use crate::history::folder::{NewRun, RunFolder};
use crate::history::row::{Row, Sources};
use crate::limits::{FILTER_ROWS_MAX, GROUP_BYTES_MAX};

/// Level of zstd: the next ones take twice the time for a hundredth of the size.
const ZSTD_LEVEL: i32 = 3;

/// Writes rows in the order of their keys, each key once.
pub struct RunWriter {
    writer: SerializedFileWriter<Sink>,
    head: RunHead,
    group: Group,
    kinds: Kinds,
    rows: u64,
    /// Hashes of the values, while a filter is wanted.
    hashes: Option<Vec<u64>>,
    /// The value before, whose prefixes are in the filter already.
    last: Vec<u8>,
}

impl RunWriter {
    /// Begins a run. A filter is worth its byte a row when there are many runs to rule out.
    pub fn new(
        folder: &dyn RunFolder,
        head: RunHead,
        with_filter: bool,
    ) -> std::result::Result<RunWriter, HistoryError> {
        let new = folder.create().map_err(HistoryError::folder("make", "a run"))?;
        let sink = Sink {
            new,
            hash: Sha256::new(),
            checks: Vec::new(),
            part: Vec::with_capacity(CHECK_BYTES),
            bytes: 0,
        };
        let writer = schema().and_then(|schema| SerializedFileWriter::new(sink, schema, properties(&head)?));
        Ok(RunWriter {
            writer: writer.map_err(HistoryError::writing)?,
            head,
            group: Group::default(),
            kinds: Kinds::default(),
            rows: 0,
            hashes: with_filter.then(Vec::new),
            last: Vec::new(),
        })
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds a row, whose key is after that of the one before.
    pub fn push(&mut self, row: &Row) -> std::result::Result<(), HistoryError> {
        // A row group holds one kind, so that its pages are in the order of their values.
        if self.group.is_full() || self.group.kind.is_some_and(|kind| kind != row.kind) {
            self.write_group()?;
        }
        self.group.push(&self.head, row);
        self.kinds = self.kinds.with(Kinds::one(row.kind));
        self.rows += 1;
        if let Some(hashes) = &mut self.hashes {
            hashes.push(filter::hash(row.kind, &row.value));
            // In the order of the values those that share a prefix stand together.
            let new = filter::prefixes(row.kind, &row.value).filter(|prefix| !self.last.starts_with(prefix));
            hashes.extend(new.map(|prefix| filter::hash(row.kind, prefix)));
            self.last.clone_from(&row.value);
            if hashes.len() > FILTER_ROWS_MAX {
                self.hashes = None;
            }
        }
        Ok(())
    }

    fn write_group(&mut self) -> std::result::Result<(), HistoryError> {
        let group = std::mem::take(&mut self.group);
        if group.values.is_empty() {
            return Ok(());
        }
        self.writer
            .next_row_group()
            .and_then(|mut writer| {
                group.write(&mut writer)?;
                writer.close().map(|_| ())
            })
            .map_err(HistoryError::writing)
    }

    /// Ends the run, makes it durable under the name that follows from its content, and tells what is to be
    /// kept of it.
    pub fn finish(self) -> std::result::Result<RunFacts, HistoryError> {
        self.end(None)
    }

    /// Ends a run that is kept for a while only, under a name of its own.
    pub(crate) fn finish_as(self, name: String) -> std::result::Result<RunFacts, HistoryError> {
        self.end(Some(name))
    }

    fn end(mut self, name: Option<String>) -> std::result::Result<RunFacts, HistoryError> {
        self.write_group()?;
        let filter = self.hashes.as_deref().map(filter::build).unwrap_or_default();
        let filter_at = self.writer.bytes_written() as u64;
        // Other readers pass it by: nothing in the footer points there.
        self.writer.write_all(&filter).map_err(HistoryError::folder("write", "a run"))?;
        let sink = self.writer.into_inner().map_err(HistoryError::writing)?;
        let Sink { new, hash, mut checks, part, bytes } = sink;
        if !part.is_empty() {
            checks.extend_from_slice(&checked::check(&part));
        }
        let digest: [u8; 32] = hash.finalize().into();
        let name = name.unwrap_or_else(|| format!("{}.parquet", hex(&digest).get(..32).unwrap_or_default()));
        new.commit(&name).map_err(HistoryError::folder("keep", &name))?;
        let filter = (filter_at, filter.len() as u64);
        Ok(RunFacts { name, head: self.head, kinds: self.kinds, rows: self.rows, bytes, checks, filter })
    }
}

fn properties(head: &RunHead) -> Result<WriterPropertiesPtr> {
    let column = |name: &str| ColumnPath::from(name);
    let meta = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        // Not the library's: the same rows make the same bytes.
        .set_created_by(format!("polder history {FORMAT}"))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_sorting_columns(Some(
            [super::KIND, super::VALUE]
                .into_iter()
                .map(|column| SortingColumn {
                    column_idx: i32::try_from(column).unwrap_or(0),
                    descending: false,
                    nulls_first: false,
                })
                .collect(),
        ))
        .set_key_value_metadata(Some(vec![
            meta(META_FORMAT, FORMAT.to_owned()),
            meta(META_MONTH, head.month.to_string()),
            meta(META_SOURCE, head.source.name().to_owned()),
        ]));
    for name in ["first", "lasted", "count"] {
        properties = properties.set_column_encoding(column(name), Encoding::BYTE_STREAM_SPLIT);
    }
    for name in ["kind", "flags"] {
        properties = properties.set_column_dictionary_enabled(column(name), true);
    }
    let sources = ColumnPath::from(vec!["sources".to_owned(), "list".to_owned(), "element".to_owned()]);
    properties = properties
        .set_column_encoding(column("value"), Encoding::DELTA_BYTE_ARRAY)
        .set_column_statistics_enabled(column("kind"), EnabledStatistics::Chunk)
        .set_column_statistics_enabled(column("value"), EnabledStatistics::Page)
        .set_column_dictionary_enabled(sources, true);
    Ok(Arc::new(properties.build()))
}

/// Rows that wait to be written.
#[derive(Default)]
struct Group {
    kind: Option<ObservableKind>,
    values: Vec<ByteArray>,
    value_bytes: usize,
    first: Vec<i32>,
    lasted: Vec<i32>,
    count: Vec<i64>,
    days: Vec<i32>,
    flags: Vec<i32>,
    files: Vec<i64>,
    defined: Vec<i16>,
    repeated: Vec<i16>,
}

impl Group {
    fn is_full(&self) -> bool {
        self.values.len() >= GROUP_ROWS
            || self.value_bytes >= GROUP_BYTES_MAX
            || self.files.len() >= GROUP_BYTES_MAX / 8
    }

    fn push(&mut self, head: &RunHead, row: &Row) {
        let tally = &row.tally;
        self.kind = Some(row.kind);
        self.value_bytes += row.value.len();
        self.values.push(ByteArray::from(row.value.clone()));
        self.first.push(tally.first.cast_signed());
        self.lasted.push(tally.last.saturating_sub(tally.first).cast_signed());
        self.count.push(tally.count.cast_signed());
        self.days.push((tally.days & !end_days(head.month, tally.first, tally.last)).cast_signed());
        self.flags.push(i32::from(tally.flags.0));
        match &row.sources {
            Sources::Many => self.level(0, 0),
            Sources::Few(files) if files.is_empty() => self.level(1, 0),
            Sources::Few(files) => {
                self.files.extend_from_slice(files);
                (0..files.len()).for_each(|nth| self.level(2, i16::from(nth > 0)));
            }
        }
    }

    fn level(&mut self, defined: i16, repeated: i16) {
        self.defined.push(defined);
        self.repeated.push(repeated);
    }

    fn write(&self, group: &mut SerializedRowGroupWriter<'_, Sink>) -> Result<()> {
        let kind = self.kind.map_or(0, ObservableKind::code);
        let kinds = vec![i32::try_from(kind).unwrap_or(0); self.values.len()];
        let mut nth = 0;
        while let Some(mut column) = group.next_column()? {
            match (nth, column.untyped()) {
                (super::KIND, ColumnWriter::Int32ColumnWriter(to)) => to.write_batch(&kinds, None, None)?,
                (super::VALUE, ColumnWriter::ByteArrayColumnWriter(to)) => {
                    to.write_batch(&self.values, None, None)?
                }
                (super::FIRST, ColumnWriter::Int32ColumnWriter(to)) => {
                    to.write_batch(&self.first, None, None)?
                }
                (super::LASTED, ColumnWriter::Int32ColumnWriter(to)) => {
                    to.write_batch(&self.lasted, None, None)?
                }
                (super::COUNT, ColumnWriter::Int64ColumnWriter(to)) => {
                    to.write_batch(&self.count, None, None)?
                }
                (super::DAYS, ColumnWriter::Int32ColumnWriter(to)) => {
                    to.write_batch(&self.days, None, None)?
                }
                (super::FLAGS, ColumnWriter::Int32ColumnWriter(to)) => {
                    to.write_batch(&self.flags, None, None)?
                }
                (super::SOURCES, ColumnWriter::Int64ColumnWriter(to)) => {
                    to.write_batch(&self.files, Some(&self.defined), Some(&self.repeated))?
                }
                _ => return Err(ParquetError::General("the schema has another column here".to_owned())),
            };
            column.close()?;
            nth += 1;
        }
        Ok(())
    }
}

/// Passes bytes on, and keeps their hash and checksums.
struct Sink {
    new: Box<dyn NewRun>,
    hash: Sha256,
    checks: Vec<u8>,
    /// The part whose checksum is not full yet.
    part: Vec<u8>,
    bytes: u64,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.new.write(bytes)?;
        let mut rest = bytes.get(..written).unwrap_or_default();
        self.hash.update(rest);
        self.bytes += written as u64;
        while !rest.is_empty() {
            let (now, later) = rest.split_at((CHECK_BYTES - self.part.len()).min(rest.len()));
            self.part.extend_from_slice(now);
            rest = later;
            if self.part.len() == CHECK_BYTES {
                self.checks.extend_from_slice(&checked::check(&self.part));
                self.part.clear();
            }
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.new.flush()
    }
}
