// SPDX-License-Identifier: Apache-2.0
//! How a command ends when it does not end well: one sentence for a person, one exit code for a script.

use std::fmt;

use hunt::history::HistoryError;
use ledger::sql::EngineError;
use store::published::PublishedError;
use store::{OpenError, SubmitError};

/// Exit codes of DESIGN section 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or found.
    Done = 0,
    /// Nothing found, or verification failed.
    NotFound = 1,
    /// Wrong use.
    Usage = 2,
    /// Partial: some of the input could not be taken.
    Partial = 3,
    /// Authentication: a passphrase or a password is wrong or missing.
    Authentication = 4,
    /// A server cannot be reached.
    Unreachable = 5,
    /// This machine: disk, lock, port, newer database.
    Machine = 6,
    /// A fault of the program.
    Internal = 70,
}

/// A command that failed.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    /// What, where, and what to do.
    pub message: String,
}

impl Failure {
    /// Wrong use.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Usage, message: message.into() }
    }

    /// A passphrase is wrong or missing.
    pub fn authentication(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Authentication, message: message.into() }
    }

    /// Something about this machine.
    pub fn machine(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Machine, message: message.into() }
    }

    /// What was asked for is not there.
    pub fn not_found(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::NotFound, message: message.into() }
    }

    /// A fault of the program or of the stored data.
    pub fn internal(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Internal, message: message.into() }
    }

    /// Reading or writing a file failed.
    pub fn io(what: &str, path: &std::path::Path, error: &std::io::Error) -> Failure {
        let advice = match error.kind() {
            std::io::ErrorKind::NotFound => "; check the name",
            std::io::ErrorKind::PermissionDenied => "; check who may read and write it",
            std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::FileTooLarge
            | std::io::ErrorKind::QuotaExceeded => "; free some space and run the command again",
            _ => "",
        };
        Failure::machine(format!("cannot {what} {}: {error}{advice}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The message and all its causes.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn exit(error: &EngineError) -> Exit {
    match error {
        EngineError::Busy
        | EngineError::Corrupt(_)
        | EngineError::Full(_)
        | EngineError::NoConnections(_)
        | EngineError::ReadOnly(_)
        | EngineError::Refused { .. }
        | EngineError::Unfit(_) => Exit::Machine,
        EngineError::Denied(_) => Exit::Authentication,
        EngineError::Uncertain(_) | EngineError::Unreachable(_) => Exit::Unreachable,
        EngineError::Shape(_) => Exit::Internal,
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        Failure { exit: exit(&error), message: whole(&error) }
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Failure {
        match error {
            HistoryError::Engine(error) => error.into(),
            HistoryError::Damaged { .. }
            | HistoryError::Folder { .. }
            | HistoryError::Grown { .. }
            | HistoryError::Taken { .. } => Failure::machine(whole(&error)),
            HistoryError::Write(_) => Failure::internal(whole(&error)),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        match error {
            OpenError::Engine(error) => error.into(),
            OpenError::Empty(_) | OpenError::Missing(_) | OpenError::Exists(_) | OpenError::NotOurs(_) => {
                Failure::usage(whole(&error))
            }
            OpenError::Newer { .. } | OpenError::Older { .. } => Failure::machine(whole(&error)),
        }
    }
}

impl From<PublishedError> for Failure {
    fn from(error: PublishedError) -> Failure {
        match error {
            PublishedError::Engine(error) => error.into(),
            error => Failure::machine(whole(&error)),
        }
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Failure {
        match &error {
            SubmitError::Engine(engine) => Failure { exit: exit(engine), message: whole(&error) },
            _ => Failure::machine(whole(&error)),
        }
    }
}
