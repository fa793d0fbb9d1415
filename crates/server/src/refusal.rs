// SPDX-License-Identifier: Apache-2.0
//! Refusals, and what a client is told of them: never whether a hidden thing exists.

use axum::http::StatusCode;
use axum::http::header::{ALLOW, CONNECTION, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use exchange::filter::FilterError;
use exchange::query::QueryError;
use ledger::sql::EngineError;

use crate::limits::BUSY_SECONDS;

/// Why a request is not answered as asked, by who must act.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    // The sender misbehaved.
    #[error("{0}")]
    BadFilter(#[from] FilterError),
    #[error("the query has more parameters than anyone needs, or is not percent-encoded text")]
    BadQuery,
    #[error(
        "`next` was not given for this request; start again without it, or with the same filters as before"
    )]
    Cursor,
    #[error("this resource has the methods {0}")]
    Method(&'static str),
    #[error("say in Accept that you take application/taxii+json;version=2.1")]
    NotAcceptable,
    #[error("the request's target is too long; ask for less at once")]
    TargetTooLong,

    // The caller is not permitted.
    #[error("this credential may not write to the collection")]
    Forbidden,
    #[error("there is no such thing, or this credential may not see it")]
    NotFound,
    #[error("too many failed attempts; wait {0} s")]
    TooManyFailures(u64),
    #[error("{0}")]
    Reader(QueryError),
    #[error("too many requests; wait {0} s")]
    TooManyRequests(u64),
    #[error("show a token as password of HTTP Basic with any user name, or as Bearer")]
    Unauthorized,

    // This machine is at fault.
    #[error("the server is busy; try again in {BUSY_SECONDS} s")]
    Busy,
    #[error("the store failed")]
    Engine(#[from] EngineError),
    #[error("the request could not be carried out")]
    Internal,
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Refusal {
        match error {
            QueryError::Cursor(_) => Refusal::Cursor,
            QueryError::Engine(error) => Refusal::Engine(error),
            QueryError::NotFound => Refusal::NotFound,
            told @ (QueryError::TermsNotAccepted | QueryError::TooManyAudiences) => Refusal::Reader(told),
        }
    }
}

impl Refusal {
    /// The status line.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Refusal::BadFilter(_) | Refusal::BadQuery | Refusal::Cursor => StatusCode::BAD_REQUEST,
            Refusal::Busy | Refusal::Engine(EngineError::Busy) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Engine(_) | Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Refusal::Forbidden | Refusal::Reader(_) => StatusCode::FORBIDDEN,
            Refusal::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Refusal::NotFound => StatusCode::NOT_FOUND,
            Refusal::TargetTooLong => StatusCode::URI_TOO_LONG,
            Refusal::TooManyFailures(_) | Refusal::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Unauthorized => StatusCode::UNAUTHORIZED,
        }
    }

    /// Header lines that go with the status.
    pub(crate) fn headers(&self) -> Vec<(HeaderName, String)> {
        match self {
            Refusal::Busy | Refusal::Engine(EngineError::Busy) => {
                vec![(RETRY_AFTER, BUSY_SECONDS.to_string())]
            }
            Refusal::Method(methods) => vec![(ALLOW, (*methods).to_owned())],
            Refusal::TooManyFailures(seconds) => {
                vec![(RETRY_AFTER, seconds.to_string()), (CONNECTION, "close".to_owned())]
            }
            Refusal::TooManyRequests(seconds) => vec![(RETRY_AFTER, seconds.to_string())],
            // Whoever is not known holds no connection: their number is limited.
            Refusal::Unauthorized => vec![
                (CONNECTION, "close".to_owned()),
                (WWW_AUTHENTICATE, "Basic realm=\"taxii\", charset=\"UTF-8\"".to_owned()),
                (WWW_AUTHENTICATE, "Bearer realm=\"taxii\"".to_owned()),
            ],
            _ => Vec::new(),
        }
    }

    /// What the client is told. Of this machine's faults it learns nothing.
    pub(crate) fn description(&self) -> Option<String> {
        match self {
            Refusal::Engine(_) | Refusal::Internal => None,
            told => Some(told.to_string()),
        }
    }
}
