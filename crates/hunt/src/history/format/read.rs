// SPDX-License-Identifier: Apache-2.0
//! Reading a run: one value by a page of each column, a range, or everything in order.

use std::ops::Bound;
use std::sync::Arc;

use model::observable::ObservableKind;
use parquet::column::page::{Page, PageReader};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{DataType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::statistics::Statistics;

use super::checked::{CheckedFile, damaged, guarded};
use super::delta::Values;
use super::{
    COUNT, DAYS, FIRST, FLAGS, FORMAT, GROUP_ROWS, KIND, LASTED, META_FORMAT, META_MONTH, META_SOURCE,
    RunFacts, RunHead, SOURCES, VALUE, end_days, filter,
};
use crate::event::SourceKind;
use crate::history::error::HistoryError;
use crate::history::folder::RunFolder;
use crate::history::month::Month;
use crate::history::row::{Flags, Row, Sources, Tally};

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 1_024;

/// Whether a run may hold a value, before any page of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It does not.
    No,
    /// It may.
    Maybe,
}

/// A run that is open.
pub struct OpenRun {
    name: String,
    head: RunHead,
    file: CheckedFile,
    meta: ParquetMetaData,
    /// Kind of the values of each row group.
    kinds: Vec<ObservableKind>,
}

impl OpenRun {
    /// Whether a run may hold a value between two (or one, where they are equal): one read of 32 bytes, where it
    /// has a filter.
    pub fn may_hold(
        folder: &dyn RunFolder,
        facts: &RunFacts,
        kind: ObservableKind,
        from: &[u8],
        to: &[u8],
    ) -> std::result::Result<Match, HistoryError> {
        let (at, bytes) = facts.filter;
        let key = if from == to { Some(from) } else { filter::prefix_of(kind, from, to) };
        let (Some(key), true) = (key, bytes > 0) else { return Ok(Match::Maybe) };
        let hash = filter::hash(kind, key);
        let file = checked(folder, facts)?;
        let block = file.bytes(at + filter::block_offset(bytes, hash), filter::BLOCK_BYTES);
        let block = block.map_err(|e| HistoryError::reading(&facts.name, e))?;
        let passes = block.as_ref().try_into().is_ok_and(|block| filter::passes(block, hash));
        Ok(if passes { Match::Maybe } else { Match::No })
    }

    /// Opens a run; one that is missing, cut or changed is [`HistoryError::Damaged`].
    pub fn open(folder: &dyn RunFolder, facts: &RunFacts) -> std::result::Result<Arc<OpenRun>, HistoryError> {
        let file = checked(folder, facts)?;
        let opened = guarded(|| {
            let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
            let meta = reader.parse_and_finish(&file)?;
            Ok((head_of(&meta)?, kinds_of(&meta)?, meta))
        });
        let (head, kinds, meta) = opened.map_err(|e| HistoryError::reading(&facts.name, e))?;
        Ok(Arc::new(OpenRun { name: facts.name.clone(), head, file, meta, kinds }))
    }

    /// Month and kind of log.
    pub fn head(&self) -> RunHead {
        self.head
    }

    /// The row of a value.
    pub fn row(
        self: &Arc<Self>,
        kind: ObservableKind,
        value: &[u8],
    ) -> std::result::Result<Option<Row>, HistoryError> {
        let mut rows = self.range(kind, Bound::Included(value), Bound::Included(value));
        rows.next_row()
    }

    /// Rows of one kind between two values.
    pub fn range(self: &Arc<Self>, kind: ObservableKind, from: Bound<&[u8]>, to: Bound<&[u8]>) -> RunRows {
        RunRows {
            run: Arc::clone(self),
            kind: Some(kind),
            from: from.map(<[u8]>::to_vec),
            to: to.map(<[u8]>::to_vec),
            group: 0,
            at: None,
        }
    }

    /// All rows, in the order of their keys.
    pub fn rows(self: &Arc<Self>) -> RunRows {
        RunRows {
            run: Arc::clone(self),
            kind: None,
            from: Bound::Unbounded,
            to: Bound::Unbounded,
            group: 0,
            at: None,
        }
    }

    fn damaged(&self, error: ParquetError) -> HistoryError {
        HistoryError::reading(&self.name, error)
    }

    /// The rows of a group that may lie between two values: whole pages.
    fn span(
        &self,
        group: usize,
        from: &Bound<Vec<u8>>,
        to: &Bound<Vec<u8>>,
    ) -> Result<Option<(usize, usize)>> {
        let index = self.meta.page_index_for_row_group(group);
        let rows = self.group_rows(group)?;
        let Some(ColumnIndexMetaData::BYTE_ARRAY(pages)) = index.column_index(VALUE) else {
            return Err(damaged("it has no index of its values"));
        };
        let places = self.pages(group, VALUE)?;
        let (mut start, mut end) = (None, rows);
        for (nth, place) in places.iter().enumerate() {
            let first_row = usize::try_from(place.first_row_index).unwrap_or(usize::MAX);
            let (least, most) = (pages.min_value(nth), pages.max_value(nth));
            // Bounds in the index may be cut short; that only ever widens them.
            let before = most.is_some_and(|most| match from {
                Bound::Included(from) => most < from.as_slice(),
                Bound::Excluded(from) => most <= from.as_slice(),
                Bound::Unbounded => false,
            });
            let after = least.is_some_and(|least| match to {
                Bound::Included(to) => least > to.as_slice(),
                Bound::Excluded(to) => least >= to.as_slice(),
                Bound::Unbounded => false,
            });
            if after {
                end = first_row;
                break;
            }
            if !before && start.is_none() {
                start = Some(first_row);
            }
        }
        Ok(start.filter(|start| *start < end).map(|start| (start, end)))
    }

    fn group_rows(&self, group: usize) -> Result<usize> {
        let rows = self.meta.row_groups().get(group).map(|group| group.num_rows()).unwrap_or(0);
        usize::try_from(rows)
            .ok()
            .filter(|rows| *rows <= GROUP_ROWS)
            .ok_or_else(|| damaged("a row group is too large"))
    }

    fn pages(&self, group: usize, column: usize) -> Result<Vec<PageLocation>> {
        let index = self.meta.page_index_for_row_group(group);
        let places = index.offset_index(column).map(|index| index.page_locations().clone());
        places.filter(|places| !places.is_empty()).ok_or_else(|| damaged("it has no index of its pages"))
    }

    fn page_reader(&self, group: usize, column: usize) -> Result<SerializedPageReader<CheckedFile>> {
        let chunk = self.meta.row_groups().get(group).and_then(|group| group.columns().get(column));
        let chunk = chunk.ok_or_else(|| damaged("it has no such column"))?;
        let file = Arc::new(self.file.clone());
        SerializedPageReader::new(file, chunk, self.group_rows(group)?, Some(self.pages(group, column)?))
    }

    fn column<T: DataType>(&self, group: usize, column: usize, from: usize) -> Result<ColumnReaderImpl<T>> {
        let schema = self.meta.file_metadata().schema_descr();
        let mut reader =
            ColumnReaderImpl::new(schema.column(column), Box::new(self.page_reader(group, column)?));
        if reader.skip_records(from)? != from {
            return Err(uneven());
        }
        Ok(reader)
    }
}

fn checked(folder: &dyn RunFolder, facts: &RunFacts) -> std::result::Result<CheckedFile, HistoryError> {
    let file = folder.open(&facts.name).map_err(|e| HistoryError::opening(&facts.name, e))?;
    if file.len() != facts.bytes {
        let what = format!("it has {} bytes, and was written with {}", file.len(), facts.bytes);
        return Err(HistoryError::Damaged { name: facts.name.clone(), what });
    }
    Ok(CheckedFile::new(file, &facts.checks))
}

fn head_of(meta: &ParquetMetaData) -> Result<RunHead> {
    let told = |key: &str| {
        let all = meta.file_metadata().key_value_metadata().into_iter().flatten();
        let mut values = all.filter(|pair| pair.key == key).filter_map(|pair| pair.value.as_deref());
        values.next().ok_or_else(|| damaged("it is no run of the history"))
    };
    if told(META_FORMAT)? != FORMAT {
        return Err(damaged("it is of a format that this program does not know; a newer one wrote it"));
    }
    let columns: Vec<&str> = meta.file_metadata().schema_descr().columns().iter().map(|c| c.name()).collect();
    if columns != ["kind", "value", "first", "lasted", "count", "days_between", "flags", "element"] {
        return Err(damaged("it has other columns"));
    }
    let month = Month::parse(told(META_MONTH)?).ok_or_else(|| damaged("its month cannot be read"))?;
    let source =
        SourceKind::from_name(told(META_SOURCE)?).ok_or_else(|| damaged("its source cannot be read"))?;
    Ok(RunHead { month, source })
}

fn kinds_of(meta: &ParquetMetaData) -> Result<Vec<ObservableKind>> {
    let kind = |group: &parquet::file::metadata::RowGroupMetaData| {
        let Some(Statistics::Int32(told)) = group.columns().get(KIND)?.statistics() else { return None };
        let code = *told.min_opt().filter(|least| told.max_opt() == Some(*least))?;
        ObservableKind::from_code(i64::from(code))
    };
    let kinds: Option<Vec<_>> = meta.row_groups().iter().map(kind).collect();
    kinds.ok_or_else(|| damaged("the kind of its values cannot be read"))
}

/// Goes over rows of a run.
pub struct RunRows {
    run: Arc<OpenRun>,
    kind: Option<ObservableKind>,
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    /// The next row group.
    group: usize,
    at: Option<GroupRows>,
}

impl RunRows {
    /// The next row; after the last, or an error, there is none.
    pub fn next_row(&mut self) -> std::result::Result<Option<Row>, HistoryError> {
        if self.advance()? { self.row().map(Some) } else { Ok(None) }
    }

    /// Goes to the next row and reads no more of it than its value; answers whether there is one.
    pub fn advance(&mut self) -> std::result::Result<bool, HistoryError> {
        let found = guarded(|| self.find_next());
        if !matches!(found, Ok(true)) {
            (self.group, self.at) = (usize::MAX, None);
        }
        found.map_err(|e| self.run.damaged(e))
    }

    /// The value of the row at hand; empty before the first and after the last.
    pub fn value(&self) -> &[u8] {
        self.at.as_ref().map_or(&[], |rows| rows.values.value())
    }

    /// The row at hand, once.
    pub fn row(&mut self) -> std::result::Result<Row, HistoryError> {
        let at = self.at.as_mut().ok_or_else(|| damaged("there is no row at hand"));
        let row = at.and_then(|rows| guarded(|| rows.row()));
        row.map_err(|e| {
            (self.group, self.at) = (usize::MAX, None);
            self.run.damaged(e)
        })
    }

    fn find_next(&mut self) -> Result<bool> {
        loop {
            if let Some(rows) = &mut self.at {
                if rows.advance(&self.to)? {
                    return Ok(true);
                }
                self.at = None;
            }
            let Some(kind) = self.run.kinds.get(self.group).copied() else { return Ok(false) };
            let group = self.group;
            self.group += 1;
            if self.kind.is_some_and(|wanted| wanted != kind) {
                continue;
            }
            if let Some((start, end)) = self.run.span(group, &self.from, &self.to)? {
                self.at = GroupRows::open(&self.run, group, kind, start..end, (&self.from, &self.to))?;
            }
        }
    }
}

/// The rows of one row group, from a place on.
struct GroupRows {
    kind: ObservableKind,
    month: Month,
    values: ValueColumn,
    first: ColumnReaderImpl<Int32Type>,
    lasted: ColumnReaderImpl<Int32Type>,
    count: ColumnReaderImpl<Int64Type>,
    days: ColumnReaderImpl<Int32Type>,
    flags: ColumnReaderImpl<Int32Type>,
    sources: ColumnReaderImpl<Int64Type>,
    batch: Batch,
    /// Rows whose values were passed, and nothing else of them.
    passed: usize,
    /// Rows whose values were not passed yet.
    left: usize,
}

/// Rows that were decoded, but for their values.
#[derive(Default)]
struct Batch {
    place: usize,
    rows: usize,
    first: Vec<i32>,
    lasted: Vec<i32>,
    count: Vec<i64>,
    days: Vec<i32>,
    flags: Vec<i32>,
    files: Vec<i64>,
    defined: Vec<i16>,
    repeated: Vec<i16>,
    /// Places in the lists of levels and files from which the next row goes on.
    level: usize,
    file: usize,
}

impl GroupRows {
    /// `None` if no value of these rows is within the bounds: then no other column is touched.
    fn open(
        run: &OpenRun,
        group: usize,
        kind: ObservableKind,
        rows: std::ops::Range<usize>,
        (from, to): (&Bound<Vec<u8>>, &Bound<Vec<u8>>),
    ) -> Result<Option<GroupRows>> {
        let mut values = ValueColumn::open(run, group, rows.start)?;
        let skipped = values.seek(from, rows.len())?;
        let start = rows.start + skipped;
        if start >= rows.end || !values.is_within(to) {
            return Ok(None);
        }
        Ok(Some(GroupRows {
            kind,
            month: run.head.month,
            values,
            first: run.column(group, FIRST, start)?,
            lasted: run.column(group, LASTED, start)?,
            count: run.column(group, COUNT, start)?,
            days: run.column(group, DAYS, start)?,
            flags: run.column(group, FLAGS, start)?,
            sources: run.column(group, SOURCES, start)?,
            batch: Batch::default(),
            passed: 0,
            left: rows.end - start,
        }))
    }

    fn advance(&mut self, to: &Bound<Vec<u8>>) -> Result<bool> {
        if self.left == 0 || !self.values.advance()? || !within(self.values.value(), to) {
            return Ok(false);
        }
        self.left -= 1;
        self.passed += 1;
        Ok(true)
    }

    /// The row at hand: what was passed without being asked for is skipped in the other columns.
    fn row(&mut self) -> Result<Row> {
        let skipped = self.passed.checked_sub(1).ok_or_else(|| damaged("a row was taken already"))?;
        self.passed = 0;
        let in_batch = skipped.min(self.batch.rows - self.batch.place);
        for _ in 0..in_batch {
            self.batch.take(self.month).ok_or_else(uneven)?;
        }
        if skipped > in_batch {
            self.skip(skipped - in_batch)?;
        }
        if self.batch.place == self.batch.rows {
            self.read_batch()?;
        }
        let (tally, sources) = self.batch.take(self.month).ok_or_else(uneven)?;
        Ok(Row { kind: self.kind, value: self.values.value().to_vec(), tally, sources })
    }

    fn skip(&mut self, rows: usize) -> Result<()> {
        self.batch = Batch::default();
        let skipped = [
            self.first.skip_records(rows)?,
            self.lasted.skip_records(rows)?,
            self.count.skip_records(rows)?,
            self.days.skip_records(rows)?,
            self.flags.skip_records(rows)?,
            self.sources.skip_records(rows)?,
        ];
        if skipped == [rows; 6] { Ok(()) } else { Err(uneven()) }
    }

    fn read_batch(&mut self) -> Result<()> {
        // A look-up wants one row, a merge all of them: it begins with few.
        let wanted = (self.batch.rows * 8).clamp(1, BATCH_ROWS).min(self.left + 1);
        let batch = &mut self.batch;
        *batch = Batch { rows: wanted, ..Batch::default() };
        read(&mut self.first, wanted, &mut batch.first)?;
        read(&mut self.lasted, wanted, &mut batch.lasted)?;
        read(&mut self.count, wanted, &mut batch.count)?;
        read(&mut self.days, wanted, &mut batch.days)?;
        read(&mut self.flags, wanted, &mut batch.flags)?;
        let (defined, repeated) = (&mut batch.defined, &mut batch.repeated);
        let (records, ..) =
            self.sources.read_records(wanted, Some(defined), Some(repeated), &mut batch.files)?;
        if records == wanted { Ok(()) } else { Err(uneven()) }
    }
}

fn uneven() -> ParquetError {
    damaged("its columns differ in length")
}

fn read<T: DataType>(column: &mut ColumnReaderImpl<T>, rows: usize, into: &mut Vec<T::T>) -> Result<()> {
    let (records, ..) = column.read_records(rows, None, None, into)?;
    if records == rows { Ok(()) } else { Err(uneven()) }
}

impl Batch {
    fn take(&mut self, month: Month) -> Option<(Tally, Sources)> {
        let at = self.place;
        self.place += 1;
        let first = self.first.get(at)?.cast_unsigned();
        let last = first.checked_add(self.lasted.get(at)?.cast_unsigned())?;
        let tally = Tally {
            first,
            last,
            count: self.count.get(at)?.cast_unsigned(),
            days: self.days.get(at)?.cast_unsigned() | end_days(month, first, last),
            flags: Flags(u8::try_from(*self.flags.get(at)?).ok()?),
        };
        let sources = match self.defined.get(self.level)? {
            0 => Sources::Many,
            1 => Sources::Few(Vec::new()),
            _ => {
                let more =
                    self.repeated.get(self.level + 1..)?.iter().take_while(|level| **level == 1).count();
                let files = self.files.get(self.file..self.file + 1 + more)?.to_vec();
                self.file += 1 + more;
                self.level += more;
                Sources::Few(files)
            }
        };
        self.level += 1;
        Some((tally, sources))
    }
}

fn within(value: &[u8], to: &Bound<Vec<u8>>) -> bool {
    match to {
        Bound::Included(to) => value <= to.as_slice(),
        Bound::Excluded(to) => value < to.as_slice(),
        Bound::Unbounded => true,
    }
}

/// The values of a row group, page by page.
struct ValueColumn {
    pages: SerializedPageReader<CheckedFile>,
    page: Values,
    place: usize,
}

impl ValueColumn {
    /// From the page on that begins with a row.
    fn open(run: &OpenRun, group: usize, row: usize) -> Result<ValueColumn> {
        let mut pages = run.page_reader(group, VALUE)?;
        for place in run.pages(group, VALUE)? {
            if usize::try_from(place.first_row_index).is_ok_and(|first| first >= row) {
                break;
            }
            pages.skip_next_page()?;
        }
        Ok(ValueColumn { pages, page: Values::default(), place: 0 })
    }

    /// Goes to the first value that is not below a bound; answers how many were passed, at most `rows`.
    fn seek(&mut self, from: &Bound<Vec<u8>>, rows: usize) -> Result<usize> {
        let (Bound::Included(value) | Bound::Excluded(value)) = from else { return Ok(0) };
        let mut passed = 0;
        while passed < rows && self.next_page()? {
            let mut below = self.page.below(value);
            if matches!(from, Bound::Excluded(_))
                && below < self.page.len()
                && self.page.at(below) == value.as_slice()
            {
                below += 1;
            }
            self.place = below;
            passed += below;
            if below < self.page.len() {
                break;
            }
        }
        Ok(passed)
    }

    /// Whether the value at hand is within an upper bound; without one at hand nobody knows yet.
    fn is_within(&self, to: &Bound<Vec<u8>>) -> bool {
        self.place >= self.page.len() || within(self.page.at(self.place), to)
    }

    fn next_page(&mut self) -> Result<bool> {
        self.place = 0;
        let (page, rows) = match self.pages.get_next_page()? {
            None => return Ok(false),
            Some(Page::DataPage {
                buf,
                num_values,
                encoding: parquet::basic::Encoding::DELTA_BYTE_ARRAY,
                ..
            }) => (buf, num_values as usize),
            Some(_) => return Err(damaged("its values are encoded otherwise")),
        };
        self.page.decode(&page, GROUP_ROWS).ok_or_else(|| damaged("its values cannot be decoded"))?;
        if self.page.len() == rows { Ok(true) } else { Err(damaged("a page holds another number of values")) }
    }

    /// Goes to the next value; answers whether there is one.
    fn advance(&mut self) -> Result<bool> {
        while self.place >= self.page.len() {
            if !self.next_page()? {
                return Ok(false);
            }
        }
        self.place += 1;
        Ok(true)
    }

    /// The value that was gone to.
    fn value(&self) -> &[u8] {
        self.place.checked_sub(1).map_or(&[], |at| self.page.at(at))
    }
}
