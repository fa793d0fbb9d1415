// SPDX-License-Identifier: Apache-2.0
//! What the fast scan found in a chunk, handed over line by line.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memrchr};
use model::observable::{ObservableKind, address_text, parse_address};

use super::fast::{Found, Pass, arpa_address};
use super::line::{self, LineHit};
use super::{Hit, Seen};

/// Where a chunk stands, and how far its block's lines are counted.
pub(super) struct Place {
    /// In the block.
    pub block_at: usize,
    /// In the unpacked stream.
    pub offset: u64,
}

/// Counts lines only as far as somebody asks: most blocks hold no hit.
pub(super) struct Lines<'a> {
    block: &'a [u8],
    counted: usize,
    number: u64,
}

impl<'a> Lines<'a> {
    /// Of a block whose first line has the number.
    pub(super) fn new(block: &'a [u8], first: u64) -> Lines<'a> {
        Lines { block, counted: 0, number: first }
    }

    /// Number of the line that begins at a place, which is not before the one asked for last.
    fn number_at(&mut self, start: usize) -> u64 {
        let passed = self.block.get(self.counted..start).unwrap_or_default();
        self.number += memchr_iter(b'\n', passed).count() as u64;
        self.counted = start.max(self.counted);
        self.number
    }
}

impl Pass<'_> {
    /// Hands over what the passes found, line by line.
    pub(super) fn report(
        &mut self,
        place: &Place,
        lines: &mut Lines<'_>,
        on_hit: &mut dyn FnMut(Hit),
        on_seen: &mut Option<&mut dyn FnMut(Seen<'_>)>,
    ) {
        let undecided = self.line_starts();
        if !self.found.is_empty() || !undecided.is_empty() {
            self.report_hits(place, lines, &undecided, on_hit, on_seen);
        }
        let Some(on_seen) = on_seen.as_mut() else { return };
        let seen = std::mem::take(&mut self.seen);
        let mut line = 0..0;
        for (kind, range) in &seen {
            if !line.contains(&range.start) {
                line = self.line_after(&line, range.start);
            }
            if undecided.is_empty() || undecided.binary_search(&line.start).is_err() {
                let token = self.slice(range.clone());
                on_seen(Seen { kind: *kind, token, line_start: place.block_at + line.start });
            }
        }
        self.seen = seen;
    }

    /// The line in which a place lies, which is mostly the line after another.
    fn line_after(&self, line: &Range<usize>, at: usize) -> Range<usize> {
        if at >= line.end
            && let Some(newline) = memchr(b'\n', self.slice(line.end..self.chunk.len()))
            && line.end + newline >= at
        {
            return line.end..line.end + newline + 1;
        }
        self.line_of(at)
    }

    /// Starts of the undecided lines, each once, in order.
    fn line_starts(&mut self) -> Vec<usize> {
        self.undecided.sort_unstable();
        let mut starts: Vec<usize> = Vec::new();
        let mut end = 0;
        for at in &self.undecided {
            if *at >= end || starts.is_empty() {
                let line = self.line_of(*at);
                end = line.end;
                starts.push(line.start);
            }
        }
        starts
    }

    /// The line, with its newline, in which a place lies.
    fn line_of(&self, at: usize) -> Range<usize> {
        let start = memrchr(b'\n', self.slice(0..at)).map_or(0, |newline| newline + 1);
        let end = memchr(b'\n', self.slice(at..self.chunk.len()));
        start..end.map_or(self.chunk.len(), |newline| at + newline + 1)
    }

    fn report_hits(
        &mut self,
        place: &Place,
        lines: &mut Lines<'_>,
        undecided: &[usize],
        on_hit: &mut dyn FnMut(Hit),
        on_seen: &mut Option<&mut dyn FnMut(Seen<'_>)>,
    ) {
        let mut found = std::mem::take(&mut self.found);
        found.sort_unstable_by_key(|f| f.range.start);
        let mut found = found.into_iter().peekable();
        let mut undecided = undecided.iter().copied().peekable();
        let mut hits: Vec<LineHit> = Vec::new();
        while let Some(at) = earliest(found.peek().map(|f| f.range.start), undecided.peek().copied()) {
            let line = self.line_of(at);
            hits.clear();
            while let Some(f) = found.next_if(|f| f.range.start < line.end) {
                hits.push(self.line_hit(&f, line.start));
            }
            if undecided.next_if_eq(&line.start).is_some() {
                hits.clear();
                self.decide(line.clone(), place, &mut hits, on_seen);
            }
            line::settle(&mut hits);
            if hits.is_empty() {
                continue;
            }
            let number = lines.number_at(place.block_at + line.start);
            let line_start = place.offset + line.start as u64;
            for hit in hits.drain(..) {
                on_hit(Hit {
                    line: number,
                    line_start,
                    offset: line_start + hit.start as u64,
                    len: hit.end - hit.start,
                    indicator: hit.indicator as usize,
                    kind: hit.kind,
                    value: hit.value,
                });
            }
        }
    }

    /// Gives a line to the exact matcher.
    fn decide(
        &self,
        line: Range<usize>,
        place: &Place,
        hits: &mut Vec<LineHit>,
        on_seen: &mut Option<&mut dyn FnMut(Seen<'_>)>,
    ) {
        let bytes = self.slice(line.clone());
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let mut tokens = Vec::new();
        line::scan(self.set, bytes, hits, on_seen.is_some().then_some(&mut tokens));
        if let Some(on_seen) = on_seen {
            for (kind, token) in &tokens {
                on_seen(Seen { kind: *kind, token, line_start: place.block_at + line.start });
            }
        }
    }

    fn line_hit(&self, found: &Found, line_start: usize) -> LineHit {
        let token = self.slice(found.range.clone());
        let lower = String::from_utf8_lossy(token).to_ascii_lowercase();
        let indicator = self.set.indicators().get(found.indicator as usize);
        let kind = indicator.map_or(ObservableKind::Ip, |i| i.observable.kind());
        let (kind, value) = match kind {
            ObservableKind::Cidr | ObservableKind::Ip => {
                let address = parse_address(&lower).or_else(|| arpa_address(token));
                (ObservableKind::Ip, address.map_or(lower, address_text))
            }
            kind => (kind, lower),
        };
        let (start, end) = (found.range.start - line_start, found.range.end - line_start);
        LineHit { indicator: found.indicator, start, end, kind, value }
    }
}

fn earliest(a: Option<usize>, b: Option<usize>) -> Option<usize> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
