// SPDX-License-Identifier: Apache-2.0
//! PostgreSQL's errors, sorted by who must act.

use std::error::Error as _;

use ::postgres::Error;
use ::postgres::error::SqlState;
use ledger::sql::EngineError;

/// The server's word without its detail: that quotes whole rows, bodies among them.
#[derive(Debug, thiserror::Error)]
#[error("{message} (SQLSTATE {code})")]
struct Told {
    message: String,
    code: String,
}

/// Sorts an error of a connection that stands.
pub(super) fn engine_error(operation: &str, error: &Error) -> EngineError {
    let Some(db) = error.as_db_error() else {
        return match error.source().and_then(|e| e.downcast_ref::<std::io::Error>()) {
            Some(io) => EngineError::Unreachable(io.to_string()),
            None if error.is_closed() => EngineError::Unreachable("the connection is closed".to_owned()),
            None => refused(operation, error.to_string(), "none"),
        };
    };
    let (code, message) = (db.code(), db.message());
    match code {
        &SqlState::DISK_FULL => EngineError::Full(message.to_owned()),
        &SqlState::TOO_MANY_CONNECTIONS => EngineError::NoConnections(message.to_owned()),
        // A reader of two tables that are being switched may stand across their way.
        &SqlState::LOCK_NOT_AVAILABLE | &SqlState::T_R_DEADLOCK_DETECTED => EngineError::Busy,
        &SqlState::READ_ONLY_SQL_TRANSACTION => EngineError::ReadOnly(message.to_owned()),
        &SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED => EngineError::Corrupt(message.to_owned()),
        &SqlState::INSUFFICIENT_PRIVILEGE | &SqlState::UNDEFINED_DATABASE => {
            EngineError::Denied(message.to_owned())
        }
        // 08: the connection; 57P: the server goes down, comes up, or was told to end this session.
        _ if code.code().starts_with("08") || code.code().starts_with("57P") => {
            EngineError::Unreachable(message.to_owned())
        }
        _ if code.code().starts_with("28") => EngineError::Denied(message.to_owned()),
        _ => refused(operation, message.to_owned(), code.code()),
    }
}

/// Sorts an error of making a connection.
pub(super) fn connect_error(place: &str, error: &Error) -> EngineError {
    if error.as_db_error().is_some() {
        return match engine_error("connect", error) {
            EngineError::Unreachable(why) => EngineError::Unreachable(format!("{place}: {why}")),
            EngineError::Denied(why) => EngineError::Denied(format!("{place}: {why}")),
            other => other,
        };
    }
    // The library tells its kinds apart by their text alone.
    let cause = error.source().map(ToString::to_string);
    let told = [Some(place.to_owned()), Some(error.to_string()), cause]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(": ");
    let kind = error.to_string();
    match kind.starts_with("authentication error") || kind.starts_with("invalid configuration") {
        true => EngineError::Denied(told),
        false => EngineError::Unreachable(told),
    }
}

fn refused(operation: &str, message: String, code: &str) -> EngineError {
    let told = Told { message, code: code.to_owned() };
    EngineError::Refused { operation: operation.to_owned(), source: Box::new(told) }
}
