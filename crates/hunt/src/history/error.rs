// SPDX-License-Identifier: Apache-2.0
//! What can go wrong with the history.

use std::io;

use ledger::sql::EngineError;
use parquet::errors::ParquetError;

/// A failed operation of the history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A run is not what was written: it is set aside, and the rest answers.
    #[error("run {name} of the history is damaged: {what}")]
    Damaged {
        /// Its name.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// The database refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The folder refused: disk full, not permitted.
    #[error(
        "cannot {operation} {name} in the folder of the history ({source}); mend that, then run this again"
    )]
    Folder {
        /// What was tried.
        operation: &'static str,
        /// On which run.
        name: String,
        /// The system's own word.
        source: io::Error,
    },
    /// What was recorded of a file has been merged with other files, and the file has grown since: only what
    /// was added may be counted.
    #[error("{path} has grown since it was hunted; hunt in it from byte {from} on")]
    Grown {
        /// The file.
        path: String,
        /// Offset in the unpacked stream of the first byte that was not counted yet.
        from: u64,
    },
    /// Another process records the same file.
    #[error("{path} is being recorded by another process; what that one finds counts")]
    Taken {
        /// The file.
        path: String,
    },
    /// A run could not be made.
    #[error("a run of the history could not be written")]
    Write(#[source] ParquetError),
}

impl HistoryError {
    /// Whether it concerns the log that was to be recorded, and no other.
    pub(crate) fn is_of_one_log(&self) -> bool {
        matches!(self, HistoryError::Grown { .. } | HistoryError::Taken { .. })
    }

    /// A fault of the folder.
    pub(crate) fn folder(operation: &'static str, name: &str) -> impl FnOnce(io::Error) -> HistoryError {
        let name = name.to_owned();
        move |source| HistoryError::Folder { operation, name, source }
    }

    /// A fault while a run was read: what the disk did is told apart from what the run holds.
    pub(crate) fn reading(name: &str, error: ParquetError) -> HistoryError {
        let what = match error {
            ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(source) => return HistoryError::opening(name, *source),
                Err(other) => other.to_string(),
            },
            other => other.to_string(),
        };
        HistoryError::Damaged { name: name.to_owned(), what }
    }

    /// A fault while a run was opened or read from the folder.
    pub(crate) fn opening(name: &str, source: io::Error) -> HistoryError {
        let what = match source.kind() {
            io::ErrorKind::NotFound => "it is missing".to_owned(),
            io::ErrorKind::UnexpectedEof => "it is shorter than it was".to_owned(),
            io::ErrorKind::InvalidData => source.to_string(),
            _ => return HistoryError::Folder { operation: "read", name: name.to_owned(), source },
        };
        HistoryError::Damaged { name: name.to_owned(), what }
    }

    /// A fault while a run was written: a full disk is the folder's fault.
    pub(crate) fn writing(error: ParquetError) -> HistoryError {
        match error {
            ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(source) => HistoryError::folder("write a run", "")(*source),
                Err(other) => HistoryError::Write(ParquetError::External(other)),
            },
            other => HistoryError::Write(other),
        }
    }
}
