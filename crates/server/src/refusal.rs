// SPDX-License-Identifier: Apache-2.0
//! Refusals, and what a client is told of them: never whether a hidden thing exists.

use axum::http::StatusCode;
use axum::http::header::{ALLOW, CONNECTION, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use exchange::filter::FilterError;
use exchange::post::PostError;
use exchange::query::QueryError;
use ledger::sql::EngineError;
use store::SubmitError;

use crate::limits::{BUSY_SECONDS, CONTENT_BYTES_MAX, REBUILDING_SECONDS};

/// Why a request is not answered as asked, by who must act.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    // The sender misbehaved.
    #[error("{0}")]
    BadFilter(#[from] FilterError),
    #[error("a body is to be at most {CONTENT_BYTES_MAX} bytes; send the objects in several envelopes")]
    BodyTooLarge,
    #[error("the body came too slowly and was given up; send it again")]
    BodyTooSlow,
    #[error("the connection ended before the body did; send it again")]
    BodyBroken,
    #[error("the query has more parameters than anyone needs, or is not percent-encoded text")]
    BadQuery,
    #[error(
        "`next` was not given for this request; start again without it, or with the same filters as before"
    )]
    Cursor,
    #[error("{0}")]
    Envelope(PostError),
    #[error("send the body as application/taxii+json;version=2.1, without content encoding")]
    MediaType,
    #[error("this resource has the methods {0}")]
    Method(&'static str),
    #[error("say in Accept that you take application/taxii+json;version=2.1")]
    NotAcceptable,
    #[error("the request's target is too long; ask for less at once")]
    TargetTooLong,

    #[error("an object is withdrawn with all its versions; leave `match` out, or say match[version]=all")]
    VersionsTogether,

    // The caller is not permitted.
    #[error("this credential may not read the collection")]
    MayNotRead,
    #[error("this credential may not write to the collection")]
    MayNotWrite,
    #[error("only the member that added an object can take it back, or a steward of the community")]
    NotAuthor,
    #[error("this member signs what it says itself; send a signed recall (`polder hosted recall`)")]
    SignsItself,
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
    #[error("rebuilding, {0} %; try again in {REBUILDING_SECONDS} s")]
    Rebuilding(u8),
    #[error("the records could not be written")]
    Submit(SubmitError),
}

impl From<PostError> for Refusal {
    fn from(error: PostError) -> Refusal {
        match error {
            PostError::Engine(error) => Refusal::Engine(error),
            told => Refusal::Envelope(told),
        }
    }
}

impl From<SubmitError> for Refusal {
    fn from(error: SubmitError) -> Refusal {
        match error {
            SubmitError::Full => Refusal::Busy,
            SubmitError::Engine(engine) if passes(&engine) => Refusal::Busy,
            fault => Refusal::Submit(fault),
        }
    }
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

/// Whether the client may find it gone when he asks again.
fn passes(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Busy
            | EngineError::NoConnections(_)
            | EngineError::Uncertain(_)
            | EngineError::Unreachable(_)
    )
}

impl Refusal {
    /// The status line.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Refusal::BadFilter(_)
            | Refusal::BadQuery
            | Refusal::BodyBroken
            | Refusal::Cursor
            | Refusal::VersionsTogether => StatusCode::BAD_REQUEST,
            Refusal::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Refusal::Busy | Refusal::Rebuilding(_) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Engine(error) if passes(error) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Engine(_) | Refusal::Internal | Refusal::Submit(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Refusal::Envelope(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::MayNotRead
            | Refusal::MayNotWrite
            | Refusal::NotAuthor
            | Refusal::SignsItself
            | Refusal::Reader(_) => StatusCode::FORBIDDEN,
            Refusal::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
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
            Refusal::Busy => vec![(RETRY_AFTER, BUSY_SECONDS.to_string())],
            Refusal::Engine(error) if passes(error) => vec![(RETRY_AFTER, BUSY_SECONDS.to_string())],
            Refusal::BodyBroken | Refusal::BodyTooLarge | Refusal::BodyTooSlow => {
                vec![(CONNECTION, "close".to_owned())]
            }
            Refusal::Method(methods) => vec![(ALLOW, (*methods).to_owned())],
            Refusal::Rebuilding(_) => vec![(RETRY_AFTER, REBUILDING_SECONDS.to_string())],
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
            Refusal::Engine(_) | Refusal::Internal | Refusal::Submit(_) => None,
            told => Some(told.to_string()),
        }
    }
}
