// SPDX-License-Identifier: Apache-2.0
//! Windows event logs ([MS-EVEN6], the file is a header of 4 KiB and chunks of 64 KiB) as one JSON object a
//! record, in the order of the records.

use std::io::{self, Read};

use evtx::{EvtxChunkData, EvtxParser, ParserSettings};
use model::diagnostic::Diagnostic;

use crate::limits::{EVTX_RENDER_BYTES_MAX, EVTX_WINDOW_BYTES};

use super::convert::{Made, Told};

const HEADER_BYTES: usize = 4 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks that are rendered at once: enough that a template is compiled seldom, few enough to bound memory.
const RENDER_CHUNKS: usize = 16;

/// A reader of an event log that yields JSON lines.
pub(super) struct EvtxLines<R> {
    inner: R,
    name: String,
    /// The file's header; empty before it was read.
    header: Vec<u8>,
    /// Chunks that wait, in the order of their records, the next one last.
    chunks: Vec<Vec<u8>>,
    /// Place of the next chunk in the file.
    offset: u64,
    made: Made,
    ended: bool,
    error: Option<io::Error>,
    pub(super) told: Told,
}

impl<R: Read> EvtxLines<R> {
    pub(super) fn new(inner: R, name: &str) -> EvtxLines<R> {
        EvtxLines {
            inner,
            name: name.to_owned(),
            header: Vec::new(),
            chunks: Vec::new(),
            offset: 0,
            made: Made::default(),
            ended: false,
            error: None,
            told: Told::default(),
        }
    }

    pub(super) fn inner(&mut self) -> &mut R {
        &mut self.inner
    }

    /// Renders some chunks more. A log that has wrapped around begins anywhere in the file: chunks are
    /// sorted within a window that holds a log of the usual size.
    fn make(&mut self) {
        if self.header.is_empty() {
            self.header = self.part(HEADER_BYTES);
            self.header.resize(HEADER_BYTES, 0);
        }
        if self.chunks.is_empty() {
            while self.chunks.len() * CHUNK_BYTES < EVTX_WINDOW_BYTES && !self.ended {
                self.next_chunk();
            }
            self.chunks.sort_by_key(|chunk| std::cmp::Reverse(first_record(chunk)));
        }
        let from = self.chunks.len().saturating_sub(RENDER_CHUNKS);
        let mut file = self.header.clone();
        for chunk in self.chunks.drain(from..).rev() {
            file.extend_from_slice(&chunk);
        }
        if file.len() > HEADER_BYTES {
            self.render(file);
        }
    }

    /// Up to so many bytes of the file; fewer at its end.
    fn part(&mut self, bytes: usize) -> Vec<u8> {
        let mut part = Vec::with_capacity(bytes);
        match (&mut self.inner).take(bytes as u64).read_to_end(&mut part) {
            Ok(count) => self.ended |= count < bytes,
            Err(error) => {
                self.ended = true;
                self.error = Some(error);
            }
        }
        self.offset += part.len() as u64;
        part
    }

    fn next_chunk(&mut self) {
        let at = self.offset;
        let chunk = self.part(CHUNK_BYTES);
        if chunk.iter().all(|byte| *byte == 0) {
            return;
        }
        let place = format!("{} byte {at}", self.name);
        if chunk.len() < CHUNK_BYTES {
            let message = "the last chunk is cut short and was not read; what came before was";
            let fix = "export the log again, for example with wevtutil epl";
            self.told.miss(Diagnostic::error("evtx-cut", place, message).with_fix(fix));
            return;
        }
        match EvtxChunkData::new(chunk.clone(), true) {
            Ok(_) => self.chunks.push(chunk),
            Err(error) if EvtxChunkData::new(chunk.clone(), false).is_ok() => {
                let message =
                    format!("a chunk is damaged ({error}); its records were read as far as they can be");
                self.told.cut = true;
                self.told.add(Diagnostic::warning("evtx-chunk-damaged", place, message));
                self.chunks.push(chunk);
            }
            Err(error) => {
                let message =
                    format!("64 KiB are no chunk of an event log and were not read: {}", told(&error));
                self.told.miss(Diagnostic::error("evtx-chunk-damaged", place, message));
            }
        }
    }

    fn render(&mut self, file: Vec<u8>) {
        let settings = ParserSettings::new().indent(false).validate_checksums(false).num_threads(1);
        let mut parser = match EvtxParser::from_buffer(file) {
            Ok(parser) => parser.with_configuration(settings),
            Err(error) => {
                let message = format!("its header is damaged: {}", told(&error));
                return self.told.miss(Diagnostic::error("evtx-header-damaged", self.name.clone(), message));
            }
        };
        for record in parser.records_json_bytes() {
            if self.made.bytes.len() > EVTX_RENDER_BYTES_MAX {
                let message = format!(
                    "a megabyte of it says more than {EVTX_RENDER_BYTES_MAX} bytes; the rest was not read"
                );
                let fix = "somebody may have made it so; look at it with another program on a machine apart";
                self.told.miss(Diagnostic::error("evtx-too-large", self.name.clone(), message).with_fix(fix));
                break;
            }
            match record {
                Ok(record) => {
                    push_line(&mut self.made.bytes, &record.data);
                    self.made.bytes.push(b'\n');
                }
                Err(error) => {
                    self.told.unread += 1;
                    let message = format!("a record could not be read: {}", told(&error));
                    self.told.add(Diagnostic::warning("evtx-record-damaged", self.name.clone(), message));
                }
            }
        }
    }
}

/// One line of a record's JSON. Line ends stand in it only between tokens; other control characters only in names
/// of a damaged record, which the library does not escape.
fn push_line(out: &mut Vec<u8>, json: &[u8]) {
    if !json.iter().any(|byte| *byte < b' ') {
        return out.extend_from_slice(json);
    }
    for byte in json {
        match byte {
            b'\n' | b'\r' | b'\t' => out.push(b' '),
            0..=31 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
}

/// An error with its causes, which the library keeps apart; it may quote the file.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let text: Vec<String> = causes.map(ToString::to_string).collect();
    text.join(": ").chars().take(300).collect()
}

/// Identifier of a chunk's first record, by its header.
fn first_record(chunk: &[u8]) -> u64 {
    chunk.get(24..32).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

impl<R: Read> Read for EvtxLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.made.is_empty() {
            if self.ended && self.chunks.is_empty() && !self.header.is_empty() {
                return self.error.take().map_or(Ok(0), Err);
            }
            self.made.clear();
            self.make();
        }
        Ok(self.made.hand(buffer))
    }
}
