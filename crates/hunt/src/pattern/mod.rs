// SPDX-License-Identifier: Apache-2.0
//! STIX patterns (STIX 2.1 section 9; STIX 2.0 part 5): one parser for all of them.
//!
//! What a pattern says by equality alone is compiled into the typed scan ([`crate::standard::compile`]); the
//! rest is matched against events that were read into fields ([`PatternSet`]), which [`observation`] turns
//! into the objects that patterns speak of.
//!
//! The verdicts are those of the technical committee's matcher (`stix2-matcher` 3.0.0), which a test from
//! outside compares over the matcher's own rows. Where that program differs from the standard, the standard
//! holds here: `NOT EXISTS` is the contrary of `EXISTS`, `.` and `%` match a line end, networks may be IPv6.

mod ast;
mod check;
mod checkpoint;
mod compare;
mod event;
mod fold;
mod grams;
mod lex;
mod lines;
mod literal;
mod matching;
mod observed;
mod parse;
mod roles;
mod room;
mod search;
mod set;

pub use ast::{Comparison, Expression, Literal, Number, Operator, Path, Qualifier, Step, Test, Time};
pub use event::observation;
pub use matching::Matcher;
pub use observed::{NamedObservation, Observation, ObservedError, read_observed};
pub use set::{PatternIndicator, PatternRun, PatternSet};

/// Which grammar a pattern is held to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Either version's, with the liberties that indicators in the wild take: names with hyphens need no
    /// quotes, any character may be escaped.
    #[default]
    Lenient,
    /// STIX 2.0 part 5: no `EXISTS`; the times of `START` and `STOP` may be plain strings.
    V20,
    /// STIX 2.1 section 9.
    V21,
}

/// A pattern, or a part of one, that is wrong or not used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PatternError {
    /// A qualifier stands twice at one observation (STIX 2.1 section 9.4).
    #[error(
        "the pattern has a second qualifier of one kind at byte {at}; put parentheses around what it qualifies"
    )]
    Doubled {
        /// Offset in the pattern.
        at: usize,
    },
    /// Something follows or is missing where the grammar does not allow it.
    #[error("the pattern has `{found}` at byte {at} where {wanted} should be")]
    Grammar {
        /// Offset in the pattern.
        at: usize,
        /// What stands there.
        found: String,
        /// What was expected.
        wanted: &'static str,
    },
    /// A hash has not the form of its kind.
    #[error("`{value}` is no {name}")]
    Hash {
        /// Kind, as the pattern names it.
        name: String,
        /// The value.
        value: String,
    },
    /// It follows the grammar, and means nothing.
    #[error(transparent)]
    Meaning(#[from] MatchError),
    /// A limit on patterns is passed.
    #[error("the pattern has more than {limit} {what}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// The value is not what the path holds.
    #[error(transparent)]
    Value(#[from] model::observable::ObservableError),
}

/// A pattern that cannot be matched, or not against these values.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum MatchError {
    /// Values of several kinds in one set.
    #[error("the set that {path} is looked for in holds values of several kinds; write one kind")]
    MixedSet {
        /// The path.
        path: String,
    },
    /// Not an address or a network.
    #[error("`{text}` is no address or network")]
    Network {
        /// The text.
        text: String,
    },
    /// A regular expression that is none, or not of the kind that runs in linear time.
    #[error("the regular expression `{text}` cannot be used: {reason}")]
    Regex {
        /// The expression.
        text: String,
        /// Why.
        reason: String,
    },
    /// Not a time.
    #[error("`{text}` is no time")]
    Time {
        /// The text.
        text: String,
    },
    /// More repetitions than are looked for.
    #[error("the pattern repeats more than {limit} times")]
    TooManyRepeats {
        /// How many are allowed.
        limit: usize,
    },
    /// Its regular expressions are too large together.
    #[error(
        "its regular expressions would take more than {limit} bytes together; repeat less in them, or split it"
    )]
    RegexesTooLarge {
        /// How many are allowed.
        limit: usize,
    },
    /// The hunt was stopped before the answer was known.
    #[error("the hunt was stopped before it was known whether the pattern holds; hunt again")]
    Stopped,
    /// Combinations of observations were tried up to the limit, and the answer is not known.
    #[error(
        "combinations of observations were tried in {limit} steps, and whether one satisfies it is not known; narrow the \
         pattern"
    )]
    TooManyTries {
        /// How many steps are taken.
        limit: u64,
    },
    /// A property that is not of the kind that its name says.
    #[error("property {property} {what}")]
    Value {
        /// Its name.
        property: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Nothing is within no time, or repeated no times.
    #[error("{qualifier} needs more than zero")]
    Zero {
        /// `WITHIN` or `REPEATS`.
        qualifier: &'static str,
    },
}

/// A pattern.
///
/// ```
/// use hunt::pattern::Pattern;
///
/// let pattern = Pattern::parse("[file:name='a' OR (file:size>25)]FOLLOWEDBY[process:pid = 4]").unwrap();
/// assert_eq!(pattern.to_string(), "[file:name = 'a' OR file:size > 25] FOLLOWEDBY [process:pid = 4]");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    expression: Expression,
}

impl Pattern {
    /// Parses a pattern as it comes ([`Dialect::Lenient`]).
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        Pattern::parse_as(text, Dialect::Lenient)
    }

    /// Parses a pattern by one grammar.
    pub fn parse_as(text: &str, dialect: Dialect) -> Result<Pattern, PatternError> {
        Ok(Pattern { expression: parse::parse(text, dialect)?.expression })
    }

    /// What is wrong with a pattern by one grammar and the further checks of the committee's validator: hashes
    /// that are none, and in STIX 2.1 a qualifier that stands twice. Empty: it is valid.
    pub fn faults(text: &str, dialect: Dialect) -> Vec<PatternError> {
        match parse::parse(text, dialect) {
            Ok(parsed) => {
                let mut faults = check::faults(&parsed.expression);
                let doubled = parsed.doubled.filter(|_| dialect == Dialect::V21);
                faults.extend(doubled.map(|at| PatternError::Doubled { at }));
                faults
            }
            Err(error) => vec![error],
        }
    }

    /// A pattern of an expression.
    pub fn of(expression: Expression) -> Pattern {
        Pattern { expression }
    }

    /// About how many bytes its regular expressions take once they are compiled.
    pub(crate) fn regex_bytes(&self) -> usize {
        let mut sum = 0_usize;
        check::each_test(&self.expression, &mut |test| sum = sum.saturating_add(compare::regex_bytes(test)));
        sum
    }

    /// What it says.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.expression)
    }
}
