// SPDX-License-Identifier: Apache-2.0
//! One reader for each log: it knows how the log is written, and what of it depends on where a line stands.

use std::sync::Arc;

use memchr::{memchr, memchr_iter};
use model::time::Timestamp;

use crate::limits::RECOGNISE_LINES_MAX;
use crate::reader::Block;
use crate::time::{Clock, Years, line_time_in};

use super::json::{self, Shape};
use super::table::Header;
use super::w3c::Fields;
use super::when::{self, Unclear};
use super::zeek::Zeek;
use super::{Event, Format, Place, SourceClass, SourceKind, Unread};
use super::{cef, pairs, syslog, table, text, w3c, web, zeek};

/// Reads a log's lines into events, whatever the log's format.
///
/// Blocks are shown to it in order, once each; that is cheap, because only what changes how lines are read is
/// looked for. What it hands out for a block reads any of the block's lines, in any order and on any thread.
///
/// ```
/// use hunt::event::{Place, Reader};
/// use hunt::reader::Block;
/// use hunt::time::Clock;
///
/// let log = b"#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\n1600000000.5\tC1\t192.0.2.7\n";
/// let mut reader = Reader::new(log, "conn.log", Clock::default());
/// let block = Block { bytes: log.to_vec(), offset: 0, first_line: 1 };
/// let lines = reader.block(&block);
/// let mut events = Vec::new();
/// lines.events(&block, &mut |_, read| events.extend(read.unwrap()));
/// assert_eq!(events[0].text("id.orig_h").as_deref(), Some("192.0.2.7"));
/// assert_eq!(events[0].class.source.service, "conn");
/// ```
#[derive(Clone, Debug)]
pub struct Reader {
    layout: Arc<Layout>,
    format: Format,
    class: SourceClass,
    clock: Clock,
    years: Years,
}

/// How lines are read from some place in a log on.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) form: Form,
    /// The year, for times that lack one.
    pub(super) year: Option<i64>,
    pub(super) clock: Clock,
}

/// How lines are written, with what earlier lines said of later ones.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Cef,
    CombinedLog,
    Csv(Header),
    /// Each line is of the form that it tells by itself.
    Each,
    FortiGate,
    Json(Shape),
    KeyValue,
    Syslog,
    Text,
    W3c(Fields),
    Zeek(Zeek),
}

/// How values may differ from what stands in their line, escapes aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rewriting {
    /// `"ab"cd` in a table is `abcd`.
    DropsQuotes,
    /// They stand as they are.
    Nothing,
    /// `ab+cd` as IIS writes a header is `ab cd`, too.
    PlusIsSpace,
}

/// What a line came to: an event; `None` for a header, a comment or an empty line; or why it could not be read.
pub type Read = Result<Option<Event>, Unread>;

/// Reads the lines of one block.
#[derive(Clone, Debug)]
pub struct BlockReader {
    /// Offsets in the log from which each holds, ascending; never empty.
    layouts: Vec<(u64, Arc<Layout>)>,
    /// What the log was before it was unpacked into lines, where that is told.
    format: Option<Format>,
}

impl Reader {
    /// Recognises a log by its first lines, whole ones such as a block has; its name is no more than a hint.
    pub fn new(head: &[u8], name: &str, clock: Clock) -> Reader {
        Reader::of_form(recognise(head, name), head, clock)
    }

    /// For what many send to one listener: each line is read by the form that it tells by itself. No sender's lines, and no
    /// header of his, say how those of others are read.
    pub fn of_listener(head: &[u8], clock: Clock) -> Reader {
        Reader::of_form(Form::Each, head, clock)
    }

    fn of_form(form: Form, head: &[u8], clock: Clock) -> Reader {
        let format = form.format();
        let years = Years::new(&clock);
        let layout = Layout { form, year: None, clock: clock.clone() };
        let class = SourceClass { format, ..SourceClass::default() };
        let mut reader = Reader { layout: Arc::new(layout), format, class, clock, years };
        reader.class = reader.clone().class_of_head(head);
        reader
    }

    /// The class that most of the first lines have, unknown ones aside.
    fn class_of_head(mut self, head: &[u8]) -> SourceClass {
        let block = Block { bytes: first_lines(head).to_vec(), offset: 0, first_line: 1 };
        let mut classes: Vec<(SourceClass, usize)> = Vec::new();
        self.block(&block).events(&block, &mut |_, read| {
            let Ok(Some(event)) = read else { return };
            match classes.iter_mut().find(|(class, _)| *class == event.class) {
                Some((_, count)) => *count += 1,
                None => classes.push((event.class, 1)),
            }
        });
        // The first of equals, as most lines of a short log may be of as many kinds.
        let known = |class: &SourceClass| class.kind != SourceKind::Unknown;
        let most = classes.iter().rev().max_by_key(|(class, count)| (known(class), *count));
        most.map_or(self.class, |(class, _)| SourceClass { format: self.format, ..*class })
    }

    /// The same for a log whose lines were made from a binary format ([`crate::reader::Source::made_from`]).
    pub fn made_from(mut self, format: Format) -> Reader {
        self.format = format;
        self.class.format = format;
        self
    }

    /// How the log is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What the log is as far as its first lines tell; single events may be of another class.
    pub fn class(&self) -> SourceClass {
        self.class
    }

    /// Looks through a block, the next one of the log, for what changes how its lines are read.
    pub fn block(&mut self, block: &Block) -> BlockReader {
        let mut layouts = vec![(block.offset, Arc::clone(&self.layout))];
        match &self.layout.form {
            Form::Each | Form::Syslog | Form::Text => self.follow_years(block, &mut layouts),
            Form::W3c(_) | Form::Zeek(_) => self.follow_headers(block, &mut layouts),
            _ => {}
        }
        self.handed_out(layouts)
    }

    fn handed_out(&self, layouts: Vec<(u64, Arc<Layout>)>) -> BlockReader {
        let format = matches!(self.format, Format::Evtx | Format::Parquet).then_some(self.format);
        BlockReader { layouts, format }
    }

    fn change(&mut self, offset: u64, layout: Layout, layouts: &mut Vec<(u64, Arc<Layout>)>) {
        self.layout = Arc::new(layout);
        layouts.push((offset, Arc::clone(&self.layout)));
    }

    fn follow_headers(&mut self, block: &Block, layouts: &mut Vec<(u64, Arc<Layout>)>) {
        for (offset, line) in lines(block).filter(|(_, line)| line.first() == Some(&b'#')) {
            let form = match &self.layout.form {
                Form::W3c(fields) => fields.after(line).map(Form::W3c),
                Form::Zeek(zeek) => zeek.after(line).map(Form::Zeek),
                _ => None,
            };
            if let Some(form) = form {
                self.change(offset, Layout { form, ..Layout::clone(&self.layout) }, layouts);
            }
        }
    }

    fn follow_years(&mut self, block: &Block, layouts: &mut Vec<(u64, Arc<Layout>)>) {
        for (offset, line) in lines(block) {
            let Some((month, day)) = syslog::month_and_day(line) else { continue };
            let year = self.years.follow(month, day);
            if year != self.layout.year {
                self.change(offset, Layout { year, ..Layout::clone(&self.layout) }, layouts);
            }
        }
    }

    /// The clock that it was made with.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// Counts how often the year turns in a block, the next one of a log, for [`Clock::year_turns`]: a log of
/// several years has to be looked through once before it is read.
///
/// ```
/// use hunt::event::count_years;
/// use hunt::reader::Block;
/// use hunt::time::Years;
///
/// let bytes = b"Dec 31 23:59:59 gate app: x\nJan  1 00:00:01 gate app: y\n".to_vec();
/// let mut years = Years::counting();
/// count_years(&mut years, &Block { bytes, offset: 0, first_line: 1 });
/// assert_eq!(years.count(), 1);
/// ```
pub fn count_years(years: &mut Years, block: &Block) {
    for (month, day) in lines(block).filter_map(|(_, line)| syslog::month_and_day(line)) {
        years.follow(month, day);
    }
}

/// Lines without their newline, with their offset in the log.
fn lines(block: &Block) -> impl Iterator<Item = (u64, &[u8])> {
    let ends = memchr_iter(b'\n', &block.bytes).chain(std::iter::once(block.bytes.len()));
    ends.scan(0, move |start, end| {
        let begun = std::mem::replace(start, end + 1);
        Some((block.offset + begun as u64, block.bytes.get(begun..end).unwrap_or_default()))
    })
}

impl BlockReader {
    /// Reads one line of the block, without its newline. `None` for a header, a comment or an empty line.
    pub fn parse(&self, line: &[u8], place: Place) -> Read {
        let line = trimmed(line, place);
        if line.is_empty() {
            return Ok(None);
        }
        let Some(layout) = self.layout_at(place.offset) else { return Err(Unread::Header) };
        let mut event = match parse_as(layout, line) {
            Err(unread) => text::parse_any(line, layout).ok_or(unread)?,
            Ok(None) => return Ok(None),
            Ok(Some(event)) => event,
        };
        event.place = place;
        if let Some(format) = self.format {
            event.class.format = format;
        }
        Ok(Some(event))
    }

    /// When a line's event happened: what [`BlockReader::parse`] comes to, told without reading the line into fields
    /// wherever that can be. A line that cannot be read may still tell its time.
    pub fn time(&self, line: &[u8], place: Place) -> Option<Timestamp> {
        let line = trimmed(line, place);
        let layout = self.layout_at(place.offset).filter(|_| !line.is_empty())?;
        let zone = &layout.clock.zone;
        let told = match &layout.form {
            Form::CombinedLog => web::time(line, zone),
            Form::Csv(header) => table::time(header, line, layout),
            Form::Each => text::time_each(line, layout),
            Form::FortiGate => pairs::time(line, &layout.clock),
            Form::Json(shape) => when::time(line, *shape, zone),
            Form::Syslog => syslog::time(line, layout),
            Form::Text => text::time(line, zone),
            Form::W3c(fields) => w3c::time(fields, line, zone),
            Form::Zeek(zeek) => zeek::time(zeek, line),
            Form::Cef | Form::KeyValue => Err(Unclear),
        };
        told.unwrap_or_else(|Unclear| match self.parse(line, place) {
            Ok(event) => event.and_then(|event| event.time),
            Err(_) => line_time_in(line, zone),
        })
    }

    /// Whether a line is a header, a comment or empty: nothing happened that it tells of.
    pub fn is_header(&self, line: &[u8], place: Place) -> bool {
        let line = trimmed(line, place);
        line.is_empty()
            || self.layout_at(place.offset).is_some_and(|layout| match &layout.form {
                Form::Csv(header) => header.is(line),
                Form::W3c(_) | Form::Zeek(_) => line.first() == Some(&b'#'),
                _ => false,
            })
    }

    /// What a line's event will be of, told without reading it into fields; `None` if that cannot be told.
    pub fn class_of(&self, line: &[u8], place: Place) -> Option<SourceClass> {
        let mut class = match &self.layout_at(place.offset)?.form {
            Form::FortiGate => pairs::class_of(line)?,
            Form::Json(shape) => shape.class_of(line)?,
            form => form.class()?,
        };
        if let Some(format) = self.format {
            class.format = format;
        }
        Some(class)
    }

    /// How values of a line may differ from what stands in it, escapes aside.
    pub(crate) fn rewriting(&self, place: Place) -> Rewriting {
        match self.layout_at(place.offset).map(|layout| &layout.form) {
            Some(Form::Csv(_)) => Rewriting::DropsQuotes,
            Some(Form::W3c(_)) => Rewriting::PlusIsSpace,
            _ => Rewriting::Nothing,
        }
    }

    /// Reads every line of the block: calls back with the line and what it came to, headers and empty lines
    /// as `None`.
    pub fn events(&self, block: &Block, each: &mut dyn FnMut(&[u8], Read)) {
        let mut at = Place { line: block.first_line, offset: block.offset };
        let mut rest = block.bytes.as_slice();
        while !rest.is_empty() {
            let end = memchr(b'\n', rest).unwrap_or(rest.len());
            let line = rest.get(..end).unwrap_or_default();
            each(line, self.parse(line, at));
            rest = rest.get(end + 1..).unwrap_or_default();
            at = Place { line: at.line + 1, offset: at.offset + end as u64 + 1 };
        }
    }

    /// Whether a header names a column so, of a table that lines of the block belong to.
    pub(crate) fn has_column(&self, is_wanted: &dyn Fn(&str) -> bool) -> bool {
        let mut names = self.layouts.iter().flat_map(|(_, layout)| layout.form.columns());
        names.any(|name| is_wanted(name))
    }

    fn layout_at(&self, offset: u64) -> Option<&Layout> {
        let after = self.layouts.partition_point(|(from, _)| *from <= offset);
        self.layouts.get(after.saturating_sub(1)).map(|(_, layout)| layout.as_ref())
    }
}

/// Without a carriage return, and without a byte order mark where the log begins.
fn trimmed(line: &[u8], place: Place) -> &[u8] {
    let line = match place.offset {
        0 => line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line),
        _ => line,
    };
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn parse_as(layout: &Layout, line: &[u8]) -> Result<Option<Event>, Unread> {
    match &layout.form {
        Form::Cef => cef::parse(line, layout).map(Some),
        Form::CombinedLog => web::parse(line, layout).map(Some),
        Form::Csv(header) => table::parse(header, line, layout),
        Form::Each => text::parse_each(line, layout).map(Some),
        Form::FortiGate => pairs::parse_fortigate(line, layout).map(Some),
        Form::Json(_) => json::parse(line, layout).map(Some),
        Form::KeyValue => pairs::parse(line, layout).map(Some),
        Form::Syslog => syslog::parse(line, layout).map(Some),
        Form::Text => text::parse(line, layout).map(Some),
        Form::W3c(fields) => w3c::parse(fields, line, layout),
        Form::Zeek(zeek) => zeek::parse(zeek, line),
    }
}

impl Form {
    fn format(&self) -> Format {
        match self {
            Form::Cef => Format::Cef,
            Form::CombinedLog => Format::CombinedLog,
            Form::Csv(_) => Format::Csv,
            Form::Each => Format::Syslog,
            Form::FortiGate => Format::FortiGate,
            Form::Json(_) => Format::Json,
            Form::KeyValue => Format::KeyValue,
            Form::Syslog => Format::Syslog,
            Form::Text => Format::Text,
            Form::W3c(_) => Format::W3c,
            Form::Zeek(_) => Format::ZeekTsv,
        }
    }

    /// The names that a header gives to the columns, if there is one.
    fn columns(&self) -> &[String] {
        match self {
            Form::Csv(header) => &header.names,
            Form::W3c(fields) => &fields.names,
            Form::Zeek(zeek) => &zeek.names,
            _ => &[],
        }
    }

    /// The class that all of its lines have, if they have one.
    fn class(&self) -> Option<SourceClass> {
        match self {
            Form::CombinedLog => Some(web::CLASS),
            Form::Csv(header) => Some(header.class()).filter(|_| header.is_of_one_class()),
            Form::Json(shape) => shape.class(),
            Form::W3c(_) => Some(w3c::CLASS),
            Form::Zeek(zeek) => Some(zeek.class()),
            Form::Cef | Form::Each | Form::FortiGate | Form::KeyValue | Form::Syslog | Form::Text => None,
        }
    }
}

// --- recognition ---

/// Formats of single lines, in the order in which they win a tie.
const VOTED: [Format; 6] =
    [Format::Json, Format::Cef, Format::FortiGate, Format::CombinedLog, Format::Syslog, Format::KeyValue];

/// What most of the first lines are.
fn recognise(head: &[u8], name: &str) -> Form {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    let lines: Vec<&[u8]> = first_lines(head)
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.trim_ascii().is_empty())
        .take(RECOGNISE_LINES_MAX)
        .collect();
    let Some(first) = lines.first() else { return Form::Text };
    let first = first.trim_ascii_end();
    if let Some(zeek) = Zeek::begin(first) {
        return Form::Zeek(zeek);
    }
    if let Some(fields) = Fields::begin(first) {
        return Form::W3c(fields);
    }
    let votes: Vec<Format> = lines.iter().filter_map(|line| text::sniff(line)).collect();
    let most =
        VOTED.iter().copied().map(|format| (votes.iter().filter(|vote| **vote == format).count(), format));
    // The first of equals.
    let (count, format) = most.rev().max_by_key(|(count, _)| *count).unwrap_or_default();
    if count * 2 <= lines.len() {
        return Header::recognise(&lines).map_or(Form::Text, Form::Csv);
    }
    match format {
        Format::Json => Form::Json(Shape::recognise(&lines, name)),
        Format::Cef => Form::Cef,
        Format::FortiGate => Form::FortiGate,
        Format::CombinedLog => Form::CombinedLog,
        Format::Syslog => Form::Syslog,
        Format::KeyValue => Form::KeyValue,
        _ => Form::Text,
    }
}

/// The first lines.
fn first_lines(head: &[u8]) -> &[u8] {
    let end = memchr_iter(b'\n', head).nth(RECOGNISE_LINES_MAX - 1).map_or(head.len(), |end| end + 1);
    head.get(..end).unwrap_or(head)
}
