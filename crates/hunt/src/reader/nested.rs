// SPDX-License-Identifier: Apache-2.0
//! Columns of a Parquet file that hold lists and maps, as JSON.
//!
//! The library's rows are made whole before anything can look at them, and follow levels of one column into another
//! whose own may differ. Here each column is read a row at a time, and a row is put together from nothing else; what
//! is longer than a line may be is not written further.

use parquet::basic::{ConvertedType, Repetition};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::FileReader;
use parquet::record::Field;
use parquet::schema::types::{ColumnDescPtr, Type};

use super::pages::Bounded;
use super::parquet::{DEPTH_MAX, write_field, write_text};
use crate::limits::LINE_BYTES_MAX;

/// How values lie in one another.
enum Node {
    /// A column, by its place among those that are read.
    Leaf(usize),
    /// There from this definition level on.
    Optional(i16, Box<Node>),
    /// Has elements from this definition level on; this repetition level begins a further one.
    List(i16, i16, Box<Node>),
    /// A list of keys, each with its value.
    Map(i16, i16, Box<Node>, Box<Node>),
    Struct(Vec<(String, Node)>),
}

impl Node {
    /// The column that tells where it stands.
    fn first(&self) -> usize {
        match self {
            Node::Leaf(leaf) => *leaf,
            Node::Optional(_, inner) | Node::List(_, _, inner) | Node::Map(_, _, inner, _) => inner.first(),
            Node::Struct(parts) => parts.first().map_or(usize::MAX, |(_, part)| part.first()),
        }
    }
}

/// Makes nodes of a field of the schema, and notes its columns.
struct Builder {
    /// The next column of the file.
    column: usize,
    columns: Vec<usize>,
}

impl Builder {
    /// `None` for what has no columns, or is nested too deep.
    fn node(&mut self, field: &Type, def: i16, rep: i16, depth: usize) -> Option<Node> {
        let info = field.get_basic_info();
        match if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED } {
            Repetition::REQUIRED => self.content(field, def, rep, depth),
            Repetition::OPTIONAL => {
                Some(Node::Optional(def + 1, Box::new(self.content(field, def + 1, rep, depth)?)))
            }
            Repetition::REPEATED => self.list(field, def, rep, depth),
        }
    }

    /// A repeated field as the list of its content.
    fn list(&mut self, field: &Type, def: i16, rep: i16, depth: usize) -> Option<Node> {
        let inner = self.content(field, def + 1, rep + 1, depth + 1)?;
        Some(Node::List(def + 1, rep + 1, Box::new(inner)))
    }

    fn content(&mut self, field: &Type, def: i16, rep: i16, depth: usize) -> Option<Node> {
        if depth > DEPTH_MAX {
            return None;
        }
        if field.is_primitive() {
            self.columns.push(self.column);
            self.column += 1;
            return Some(Node::Leaf(self.columns.len() - 1));
        }
        let parts = field.get_fields();
        if let [only] = parts {
            let info = only.get_basic_info();
            let repeated = info.has_repetition() && info.repetition() == Repetition::REPEATED;
            match (field.get_basic_info().converted_type(), only.is_group().then(|| only.get_fields())) {
                (ConvertedType::LIST, Some([element])) if repeated && !is_element(field, only) => {
                    let inner = self.node(element, def + 1, rep + 1, depth + 1)?;
                    return Some(Node::List(def + 1, rep + 1, Box::new(inner)));
                }
                (ConvertedType::LIST, _) if repeated => return self.list(only, def, rep, depth),
                (ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE, Some([key, value])) if repeated => {
                    let key = self.node(key, def + 1, rep + 1, depth + 1)?;
                    let value = self.node(value, def + 1, rep + 1, depth + 1)?;
                    return Some(Node::Map(def + 1, rep + 1, Box::new(key), Box::new(value)));
                }
                (ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE, Some([key])) if repeated => {
                    let inner = self.node(key, def + 1, rep + 1, depth + 1)?;
                    return Some(Node::List(def + 1, rep + 1, Box::new(inner)));
                }
                _ => {}
            }
        }
        let parts: Option<Vec<_>> = parts
            .iter()
            .map(|part| Some((part.name().to_owned(), self.node(part, def, rep, depth + 1)?)))
            .collect();
        parts.filter(|parts| !parts.is_empty()).map(Node::Struct)
    }
}

/// Whether the repeated group of a list is its element rather than a layer around it (parquet-format,
/// `LogicalTypes.md`, backward compatibility).
fn is_element(list: &Type, repeated: &Type) -> bool {
    repeated.name() == "array" || repeated.name() == format!("{}_tuple", list.name())
}

/// A column, a row of it at a time.
trait Column {
    /// Reads the next row's levels and values; `false` at the end.
    fn read(&mut self, def: &mut Vec<i16>, rep: &mut Vec<i16>) -> Result<bool>;
    /// A value of the row.
    fn value(&self, nth: usize) -> Option<Result<Field>>;
}

struct Typed<T: DataType> {
    reader: ColumnReaderImpl<T>,
    descr: ColumnDescPtr,
    values: Vec<T::T>,
    field: fn(&ColumnDescPtr, &T::T) -> Result<Field>,
}

impl<T: DataType> Column for Typed<T> {
    fn read(&mut self, def: &mut Vec<i16>, rep: &mut Vec<i16>) -> Result<bool> {
        self.values.clear();
        let (records, ..) = self.reader.read_records(1, Some(def), Some(rep), &mut self.values)?;
        Ok(records == 1)
    }

    fn value(&self, nth: usize) -> Option<Result<Field>> {
        self.values.get(nth).map(|value| (self.field)(&self.descr, value))
    }
}

fn typed(reader: ColumnReader, descr: ColumnDescPtr) -> Box<dyn Column> {
    fn of<T: DataType>(
        reader: ColumnReaderImpl<T>,
        descr: ColumnDescPtr,
        field: fn(&ColumnDescPtr, &T::T) -> Result<Field>,
    ) -> Box<dyn Column> {
        Box::new(Typed { reader, descr, values: Vec::new(), field })
    }
    match reader {
        ColumnReader::BoolColumnReader(r) => of(r, descr, |d, v| Ok(Field::convert_bool(d, *v))),
        ColumnReader::Int32ColumnReader(r) => of(r, descr, |d, v| Ok(Field::convert_int32(d, *v))),
        ColumnReader::Int64ColumnReader(r) => of(r, descr, |d, v| Ok(Field::convert_int64(d, *v))),
        ColumnReader::Int96ColumnReader(r) => of(r, descr, |d, v| Ok(Field::convert_int96(d, *v))),
        ColumnReader::FloatColumnReader(r) => of(r, descr, |d, v| Ok(Field::convert_float(d, *v))),
        ColumnReader::DoubleColumnReader(r) => of(r, descr, |d, v| Ok(Field::convert_double(d, *v))),
        ColumnReader::ByteArrayColumnReader(r) => {
            of(r, descr, |d, v| Field::convert_byte_array(d, v.clone()))
        }
        ColumnReader::FixedLenByteArrayColumnReader(r) => {
            of(r, descr, |d, v| Field::convert_byte_array(d, v.clone().into()))
        }
    }
}

/// A column and where in its row one stands.
struct Leaf {
    column: Box<dyn Column>,
    def_max: i16,
    def: Vec<i16>,
    rep: Vec<i16>,
    at: usize,
    value: usize,
}

impl Leaf {
    fn def(&self) -> Result<i16> {
        self.def.get(self.at).copied().ok_or_else(uneven)
    }

    fn pass(&mut self) -> Result<()> {
        self.value += usize::from(self.def()? == self.def_max);
        self.at += 1;
        Ok(())
    }
}

fn uneven() -> ParquetError {
    ParquetError::General("its lists do not agree with each other".to_owned())
}

/// The columns that hold lists.
pub(super) struct Lists {
    file: Bounded,
    /// By the place of the field in the schema.
    fields: Vec<(usize, Node)>,
    columns: Vec<usize>,
    group: usize,
    rows_left: u64,
    leaves: Vec<Leaf>,
}

impl Lists {
    /// Of fields of the schema by their places. Answers those besides that are nested too deep.
    pub(super) fn new(file: Bounded, wanted: &[usize]) -> (Lists, Vec<usize>) {
        let schema = file.metadata().file_metadata().schema_descr();
        let mut builder = Builder { column: 0, columns: Vec::new() };
        let (mut fields, mut deep) = (Vec::new(), Vec::new());
        for nth in wanted {
            let Some(field) = schema.root_schema().get_fields().get(*nth) else { continue };
            let first = (0..schema.num_columns()).find(|column| schema.get_column_root_idx(*column) == *nth);
            let kept = builder.columns.len();
            builder.column = first.unwrap_or(usize::MAX);
            match builder.node(field, 0, 0, 0) {
                Some(node) => fields.push((*nth, node)),
                None => {
                    builder.columns.truncate(kept);
                    deep.push(*nth);
                }
            }
        }
        let columns = builder.columns;
        (Lists { file, fields, columns, group: 0, rows_left: 0, leaves: Vec::new() }, deep)
    }

    /// Reads the next row; `false` after the last.
    pub(super) fn next_row(&mut self) -> Result<bool> {
        while self.rows_left == 0 {
            if self.group >= self.file.num_row_groups() {
                return Ok(false);
            }
            self.open()?;
        }
        self.rows_left -= 1;
        for leaf in &mut self.leaves {
            leaf.def.clear();
            leaf.rep.clear();
            (leaf.at, leaf.value) = (0, 0);
            if !leaf.column.read(&mut leaf.def, &mut leaf.rep)? {
                return Err(uneven());
            }
        }
        Ok(true)
    }

    fn open(&mut self) -> Result<()> {
        let group = self.file.get_row_group(self.group)?;
        self.group += 1;
        self.rows_left = u64::try_from(group.metadata().num_rows()).map_err(|_| uneven())?;
        self.leaves.clear();
        for column in &self.columns {
            let descr = group.metadata().column(*column).column_descr_ptr();
            let def_max = descr.max_def_level();
            let column = typed(group.get_column_reader(*column)?, descr);
            self.leaves.push(Leaf { column, def_max, def: Vec::new(), rep: Vec::new(), at: 0, value: 0 });
        }
        Ok(())
    }

    /// Writes a field of the row, by its place in the schema, after `before`; a field that is none writes nothing.
    pub(super) fn write(
        &mut self,
        nth: usize,
        before: &dyn Fn(&mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        let Some((_, node)) = self.fields.iter().find(|(field, _)| *field == nth) else { return Ok(false) };
        let mut row = Row { leaves: &mut self.leaves, end: out.len() + LINE_BYTES_MAX };
        let there = !row.is_none(node)?;
        if there {
            before(out);
            row.write(node, out)?;
        } else {
            row.pass(node)?;
        }
        Ok(there)
    }

    /// Whether all of the row was written: else its columns do not agree.
    pub(super) fn check(&self) -> Result<()> {
        let whole = self.leaves.iter().all(|leaf| leaf.at == leaf.def.len());
        if whole { Ok(()) } else { Err(uneven()) }
    }
}

struct Row<'a> {
    leaves: &'a mut [Leaf],
    /// Where the line is longer than a line may be: it is unread in any case.
    end: usize,
}

impl Row<'_> {
    fn leaf(&mut self, leaf: usize) -> Result<&mut Leaf> {
        self.leaves.get_mut(leaf).ok_or_else(uneven)
    }

    fn is_none(&mut self, node: &Node) -> Result<bool> {
        let Node::Optional(def, _) = node else { return Ok(false) };
        Ok(self.leaf(node.first())?.def()? < *def)
    }

    /// Whether the list at hand goes on.
    fn goes_on(&mut self, first: usize, rep: i16) -> Result<bool> {
        let leaf = self.leaf(first)?;
        Ok(leaf.rep.get(leaf.at).is_some_and(|level| *level >= rep))
    }

    /// Passes what is not there: each of its columns has one level for it.
    fn pass(&mut self, node: &Node) -> Result<()> {
        match node {
            Node::Leaf(leaf) => self.leaf(*leaf)?.pass(),
            Node::Optional(_, inner) | Node::List(_, _, inner) => self.pass(inner),
            Node::Map(_, _, key, value) => {
                self.pass(key)?;
                self.pass(value)
            }
            Node::Struct(parts) => parts.iter().try_for_each(|(_, part)| self.pass(part)),
        }
    }

    fn write(&mut self, node: &Node, out: &mut Vec<u8>) -> Result<()> {
        match node {
            Node::Leaf(leaf) => self.write_value(*leaf, out),
            Node::Optional(_, inner) if self.is_none(node)? => {
                out.extend_from_slice(b"null");
                self.pass(inner)
            }
            Node::Optional(_, inner) => self.write(inner, out),
            Node::List(def, rep, inner) => {
                self.write_all(node, (*def, *rep), *b"[]", out, &mut |row, out| row.write(inner, out))
            }
            Node::Map(def, rep, key, value) => {
                self.write_all(node, (*def, *rep), *b"{}", out, &mut |row, out| {
                    row.write_key(key, out)?;
                    out.push(b':');
                    row.write(value, out)
                })
            }
            Node::Struct(parts) => {
                out.push(b'{');
                let mut nth = 0;
                for (name, part) in parts {
                    if self.is_none(part)? {
                        self.pass(part)?;
                        continue;
                    }
                    if nth > 0 && out.len() <= self.end {
                        out.push(b',');
                    }
                    nth += 1;
                    if out.len() <= self.end {
                        write_text(out, name);
                        out.push(b':');
                    }
                    self.write(part, out)?;
                }
                out.push(b'}');
                Ok(())
            }
        }
    }

    fn write_all(
        &mut self,
        node: &Node,
        (def, rep): (i16, i16),
        [open, close]: [u8; 2],
        out: &mut Vec<u8>,
        each: &mut dyn FnMut(&mut Self, &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        out.push(open);
        let first = node.first();
        if self.leaf(first)?.def()? < def {
            self.pass(node)?;
        } else {
            each(self, out)?;
            while self.goes_on(first, rep)? {
                out.push(b',');
                each(self, out)?;
            }
        }
        out.push(close);
        Ok(())
    }

    /// A key is a text in JSON, whatever it is here.
    fn write_key(&mut self, key: &Node, out: &mut Vec<u8>) -> Result<()> {
        if out.len() > self.end {
            return self.pass(key);
        }
        let mut bytes = Vec::new();
        self.write(key, &mut bytes)?;
        match bytes.first() {
            Some(b'"') => out.extend_from_slice(&bytes),
            _ => write_text(out, &String::from_utf8_lossy(&bytes)),
        }
        Ok(())
    }

    fn write_value(&mut self, leaf: usize, out: &mut Vec<u8>) -> Result<()> {
        let full = out.len() > self.end;
        let leaf = self.leaf(leaf)?;
        let there = leaf.def()? == leaf.def_max;
        match leaf.column.value(leaf.value) {
            _ if full => {}
            Some(value) if there => write_field(out, &value?, 0),
            None if there => return Err(uneven()),
            _ => out.extend_from_slice(b"null"),
        }
        leaf.pass()
    }
}
