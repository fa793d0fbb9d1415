// SPDX-License-Identifier: Apache-2.0
//! Logs of all kinds: from a file's bytes to lines, and from lines to events.

use std::io::Cursor;

use hunt::event::{Event, Format, Place, Reader, Unread};
use hunt::limits::{BLOCK_BYTES, COLUMNS_MAX, FIELDS_MAX, FILE_DIAGNOSTICS_MAX, LINE_BYTES_MAX};
use hunt::reader::{Block, Input, ReadFacts, read_logs};
use hunt::time::Clock;
use model::time::Timestamp;
use model::zone::Zone;

use crate::model::check_diagnostics;
use crate::{Dribble, must};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
/// Depth at which `serde_json` stops.
const JSON_DEPTH_MAX: usize = 127;
/// Most text of one log that is looked at: an archive may hold far more than it weighs.
const TEXT_BYTES_MAX: usize = 4 * BLOCK_BYTES;

// --- events ---

/// Logs of JSON lines: Zeek, Suricata, Windows, clouds.
pub(crate) fn event_json(data: &[u8]) {
    events(data);
}

/// Logs under a header: Zeek's tables, W3C, CSV.
pub(crate) fn event_table(data: &[u8]) {
    events(data);
}

/// Logs whose lines stand for themselves: syslog, CEF, web servers, pairs.
pub(crate) fn event_text(data: &[u8]) {
    events(data);
}

fn clock() -> Clock {
    let zone = must(Zone::parse("Europe/Amsterdam").ok(), "the zones are built in");
    Clock { zone, reference: Some(NOW), year_turns: None }
}

/// Each line is an event, a header or unread, wherever the blocks are cut and in whatever order it is read.
fn events(data: &[u8]) {
    let data = data.get(..64 * 1024).unwrap_or(data);
    let block = Block { bytes: data.to_vec(), offset: 0, first_line: 1 };
    let lines = Reader::new(data, "conn.log", clock()).block(&block);
    let mut read: Vec<(Place, &[u8], Result<Option<Event>, Unread>)> = Vec::new();
    let mut at = Place { line: 1, offset: 0 };
    let mut rest = data;
    lines.events(&block, &mut |line, result| {
        // The line as it stands in the input, which outlives the block.
        let (line, after) = rest.split_at(line.len());
        rest = after.strip_prefix(b"\n").unwrap_or(after);
        read.push((at, line, result));
        at = Place { line: at.line + 1, offset: at.offset + line.len() as u64 + 1 };
    });
    assert!(rest.is_empty(), "every line is told");
    for (place, line, result) in read.iter().rev() {
        assert_eq!(&lines.parse(line, *place), result, "the order of reading carries nothing");
        if let Ok(Some(event)) = result {
            check_event(event, *place);
        }
    }
    // Cut behind the line in the middle.
    let cut = read.get(read.len() / 2).map_or(0, |(place, ..)| place.offset as usize);
    let mut reader = Reader::new(data, "conn.log", clock());
    let mut again = Vec::new();
    let (head, tail) = data.split_at(cut.min(data.len()));
    for (bytes, offset, first_line) in [(head, 0, 1), (tail, cut as u64, read.len() as u64 / 2 + 1)] {
        let block = Block { bytes: bytes.to_vec(), offset, first_line };
        reader.block(&block).events(&block, &mut |_, result| again.push(result));
    }
    assert!(read.iter().map(|(_, _, result)| result).eq(&again), "where a block is cut carries nothing");
}

fn check_event(event: &Event, place: Place) {
    assert_eq!(event.place, place);
    assert!(event.fields.len() <= 2 * FIELDS_MAX.max(COLUMNS_MAX) + 16, "{} fields", event.fields.len());
    if let Some(time) = event.time {
        assert_eq!(Timestamp::parse(&time.to_string()), Ok(time), "{time} is no time");
    }
    assert!(!event.class.format.name().is_empty());
}

// --- logs ---

/// A log's name, its text as far as it is looked at, and what was read.
type Log = (String, Vec<u8>, ReadFacts);

fn logs(input: Input<'_>) -> (Vec<Log>, Option<ReadFacts>) {
    let mut logs: Vec<Log> = Vec::new();
    let archive = read_logs(input, "log", &mut |name, mut source| {
        let (mut text, mut buffer) = (Vec::new(), Vec::new());
        while text.len() < TEXT_BYTES_MAX
            && let Some(block) = source.next_block(std::mem::take(&mut buffer))
        {
            assert!(!block.bytes.is_empty() && block.bytes.len() <= BLOCK_BYTES + LINE_BYTES_MAX + 1);
            text.extend_from_slice(&block.bytes);
            buffer = block.bytes;
        }
        logs.push((name.to_owned(), text, source.finish()));
    });
    (logs, archive)
}

/// From a file and from a pipe the same logs come, and what was read adds up.
fn read(data: &[u8]) -> (Vec<Log>, Option<ReadFacts>) {
    let (file, archive) = logs(Input::File(Box::new(Cursor::new(data.to_vec()))));
    let (pipe, packed) = logs(Input::Stream(&mut Dribble { data, step: 97 }));
    let plain = |logs: &[Log]| -> Vec<_> {
        logs.iter()
            .map(|(name, text, facts)| (name.clone(), text.clone(), facts.whole, facts.lines))
            .collect()
    };
    assert_eq!(plain(&file), plain(&pipe), "how the bytes arrive carries nothing");
    assert_eq!(archive.is_some(), packed.is_some());
    for facts in file.iter().map(|(_, _, facts)| facts).chain(&archive) {
        check_diagnostics(&facts.diagnostics);
        assert!(facts.unread_lines <= facts.lines && facts.diagnostics.len() <= FILE_DIAGNOSTICS_MAX + 3);
        assert!(facts.whole || !facts.diagnostics.is_empty(), "what is missing has a reason");
    }
    (file, archive)
}

/// One log that is not an archive.
fn one(data: &[u8]) -> Log {
    let (logs, archive) = read(data);
    assert!(archive.is_none() && logs.len() == 1);
    must(logs.into_iter().next(), "one log")
}

/// A short form of an event log: the file's header of 128 bytes, then chunks without the zeros at their end,
/// which would be most of each input.
pub(crate) fn evtx(data: &[u8]) {
    let (header, chunks) = data.split_at(data.len().min(128));
    let mut file = header.to_vec();
    file.resize(4 * 1024, 0);
    for chunk in chunks.chunks(64 * 1024) {
        file.extend_from_slice(chunk);
        file.resize(file.len().next_multiple_of(64 * 1024) + 4 * 1024, 0);
        file.truncate(file.len() - if file.len() % (64 * 1024) == 4 * 1024 { 0 } else { 4 * 1024 });
    }
    if !header.starts_with(b"ElfFile\0") {
        return;
    }
    let (_, text, facts) = one(&file);
    assert_eq!(facts.made_from, Some(Format::Evtx));
    let block = Block { bytes: text, offset: 0, first_line: 1 };
    let mut reader = Reader::new(&block.bytes, "log", clock()).made_from(Format::Evtx);
    reader.block(&block).events(&block, &mut |line, result| {
        // What is nested too deep for a reader of JSON is told as unread.
        let deep = line.iter().filter(|byte| matches!(byte, b'{' | b'[')).count() >= JSON_DEPTH_MAX;
        assert!(deep || !matches!(result, Err(Unread::Json)), "no JSON: {}", line.escape_ascii());
    });
}

/// Parquet, after its magic number.
pub(crate) fn parquet(data: &[u8]) {
    if !data.starts_with(b"PAR1") {
        return;
    }
    let (_, text, facts) = one(data);
    assert_eq!((facts.made_from, facts.bytes), (Some(Format::Parquet), data.len() as u64));
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let read = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line);
        assert!(read.is_ok(), "no JSON object: {}", line.escape_ascii());
    }
}

/// JSON that is not one object a line: the lines hold the values that another parser finds.
pub(crate) fn json_lines(data: &[u8]) {
    let (_, text, facts) = one(data);
    assert_eq!(facts.bytes, data.len() as u64);
    let Ok(serde_json::Value::Array(values)) = serde_json::from_slice(data) else { return };
    if !values.first().is_some_and(serde_json::Value::is_object) || text.len() >= TEXT_BYTES_MAX {
        return;
    }
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), values.len(), "an element is a line");
    for (line, value) in lines.iter().zip(&values) {
        assert_eq!(serde_json::from_slice::<serde_json::Value>(line).ok().as_ref(), Some(value));
    }
}

/// Zip archives: each member is a log, and all that is not read is told.
pub(crate) fn zip(data: &[u8]) {
    let (logs, archive) = read(data);
    let Some(archive) = archive else { return };
    assert_eq!(archive.bytes, data.len() as u64);
    for (name, _, _) in &logs {
        assert!(name.starts_with("log!"), "{name}");
    }
}
