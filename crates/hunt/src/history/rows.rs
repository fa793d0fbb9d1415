// SPDX-License-Identifier: Apache-2.0
//! Merging sorted rows: each key comes once, with all that its rows say.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Bound;

use model::observable::ObservableKind;

use super::error::HistoryError;
use super::folder::RunFolder;
use super::format::{OpenRun, RunFacts, RunRows};
use super::row::{Row, Sources};

/// Rows in the order of their keys.
pub(crate) enum Stream {
    Rows(std::vec::IntoIter<Row>),
    Run(Box<RunRows>),
    /// Rows that are of one file, whatever they say.
    OfFile(i64, Box<Merged>),
}

impl Stream {
    pub(crate) fn rows(rows: Vec<Row>) -> Stream {
        Stream::Rows(rows.into_iter())
    }

    /// Rows of one file of the register.
    pub(crate) fn of_file(file: i64, rows: Merged) -> Stream {
        Stream::OfFile(file, Box::new(rows))
    }

    pub(crate) fn run(folder: &dyn RunFolder, facts: &RunFacts) -> Result<Stream, HistoryError> {
        Ok(Stream::Run(Box::new(OpenRun::open(folder, facts)?.rows())))
    }

    /// Only the rows of one kind.
    pub(crate) fn run_of(
        folder: &dyn RunFolder,
        facts: &RunFacts,
        kind: ObservableKind,
    ) -> Result<Stream, HistoryError> {
        let run = OpenRun::open(folder, facts)?;
        Ok(Stream::Run(Box::new(run.range(kind, Bound::Unbounded, Bound::Unbounded))))
    }

    fn next(&mut self) -> Result<Option<Row>, HistoryError> {
        match self {
            Stream::Rows(rows) => Ok(rows.next()),
            Stream::Run(rows) => rows.next_row(),
            Stream::OfFile(file, rows) => {
                let row = rows.next_row()?;
                Ok(row.map(|row| Row { sources: Sources::one(*file), ..row }))
            }
        }
    }
}

/// Several streams as one.
pub(crate) struct Merged {
    streams: Vec<Stream>,
    heads: BinaryHeap<Head>,
}

struct Head {
    row: Row,
    stream: usize,
}

impl Ord for Head {
    /// The heap gives the greatest first: that is the least key, and of one key the first stream.
    fn cmp(&self, other: &Head) -> Ordering {
        (other.row.key(), other.stream).cmp(&(self.row.key(), self.stream))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Head) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

impl Merged {
    pub(crate) fn new(mut streams: Vec<Stream>) -> Result<Merged, HistoryError> {
        let mut heads = BinaryHeap::with_capacity(streams.len());
        for (stream, rows) in streams.iter_mut().enumerate() {
            heads.extend(rows.next()?.map(|row| Head { row, stream }));
        }
        Ok(Merged { streams, heads })
    }

    pub(crate) fn next_row(&mut self) -> Result<Option<Row>, HistoryError> {
        let Some(mut row) = self.pop()? else { return Ok(None) };
        while self.heads.peek().is_some_and(|head| head.row.key() == row.key()) {
            if let Some(other) = self.pop()? {
                row.merge(&other);
            }
        }
        Ok(Some(row))
    }

    fn pop(&mut self) -> Result<Option<Row>, HistoryError> {
        let Some(Head { row, stream }) = self.heads.pop() else { return Ok(None) };
        if let Some(rows) = self.streams.get_mut(stream) {
            self.heads.extend(rows.next()?.map(|row| Head { row, stream }));
        }
        Ok(Some(row))
    }
}
