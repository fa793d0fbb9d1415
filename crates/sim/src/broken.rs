// SPDX-License-Identifier: Apache-2.0
//! That a law does not hold.

use std::fmt;

use exchange::query::QueryError;
use ledger::sql::EngineError;
use store::published::PublishedError;
use store::{OpenError, SubmitError};

/// What a step answers.
pub type Ran<T> = Result<T, Broken>;

/// A law of the design (section 7) that was broken; 0 is what no law speaks of: the node answered with an
/// error that nothing explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its number.
    pub law: u8,
    /// What was looked at.
    pub what: String,
    /// What should have been found.
    pub expected: String,
    /// What was found.
    pub got: String,
}

/// Laws in a few words.
const LAWS: &[(u8, &str)] = &[
    (1, "no reader receives, counts or infers what the gate refuses"),
    (2, "a view is the fold of all records"),
    (3, "what was acknowledged survives a crash, a batch is whole or absent, no node forks its log"),
    (4, "whoever follows the cursor sees each version once"),
    (6, "what was withdrawn is gone"),
];

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match LAWS.iter().find(|(law, _)| *law == self.law) {
            Some((law, text)) => writeln!(f, "broken: law {law} ({text})")?,
            None => writeln!(f, "broken: the node failed where nothing was laid")?,
        }
        writeln!(f, "  where:    {}", self.what)?;
        writeln!(f, "  expected: {}", self.expected)?;
        write!(f, "  got:      {}", self.got)
    }
}

/// Holds a law: both are the same, or it is broken.
pub fn same<T: fmt::Debug + PartialEq>(
    law: u8,
    what: impl FnOnce() -> String,
    expected: &T,
    got: &T,
) -> Ran<()> {
    if expected == got {
        return Ok(());
    }
    Err(Broken { law, what: what(), expected: format!("{expected:?}"), got: format!("{got:?}") })
}

/// Holds a law that is a question.
pub fn holds(law: u8, what: impl FnOnce() -> String, held: bool) -> Ran<()> {
    same(law, what, &true, &held)
}

fn failed(what: &str, error: &dyn fmt::Display) -> Broken {
    Broken { law: 0, what: what.to_owned(), expected: "an answer".to_owned(), got: error.to_string() }
}

impl From<EngineError> for Broken {
    fn from(error: EngineError) -> Broken {
        match &error {
            EngineError::Refused { source, .. } => failed(&error.to_string(), source),
            _ => failed("the engine", &error),
        }
    }
}

impl From<OpenError> for Broken {
    fn from(error: OpenError) -> Broken {
        failed("opening the store", &error)
    }
}

impl From<PublishedError> for Broken {
    fn from(error: PublishedError) -> Broken {
        failed("the side file", &error)
    }
}

impl From<SubmitError> for Broken {
    fn from(error: SubmitError) -> Broken {
        failed("submitting a batch", &error)
    }
}

impl From<QueryError> for Broken {
    fn from(error: QueryError) -> Broken {
        failed("a question", &error)
    }
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Broken {
        failed("a file", &error)
    }
}
