// SPDX-License-Identifier: Apache-2.0
//! What a pattern says (STIX 2.1 section 9), and its one spelling.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::time::Timestamp;

/// Observation expressions (section 9.6). Operators of one kind are kept flat: `a AND b AND c` is one node.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// All, each by observations of its own (section 9.5, `AND`).
    All(Vec<Expression>),
    /// Any one (`OR`).
    Any(Vec<Expression>),
    /// Each no earlier than all before it (`FOLLOWEDBY`).
    Followed(Vec<Expression>),
    /// One observation, in brackets.
    Observation(Comparison),
    /// An expression with a qualifier (section 9.4).
    Qualified(Box<Expression>, Qualifier),
}

/// What further is asked of an expression's observations.
#[derive(Clone, Debug, PartialEq)]
pub enum Qualifier {
    /// So many times, by different observations.
    Repeats(u64),
    /// Not before the first time, and before the second.
    StartStop(Time, Time),
    /// All within so many seconds.
    Within(Number),
}

/// Comparison expressions (section 9.7), all of one object of the observation.
#[derive(Clone, Debug, PartialEq)]
pub enum Comparison {
    /// All of them.
    All(Vec<Comparison>),
    /// Any one of them.
    Any(Vec<Comparison>),
    /// One test of one path.
    Test(Test),
}

/// One test of the values that a path leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// Where the values are.
    pub path: Path,
    /// Whether the answer is turned round (`NOT`).
    pub negated: bool,
    /// What is asked of a value.
    pub operator: Operator,
}

/// What is asked of a value (section 9.6.1).
#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    /// `=`
    Equal(Literal),
    /// `EXISTS`
    Exists,
    /// `>`
    Greater(Literal),
    /// `>=`
    GreaterOrEqual(Literal),
    /// `IN`
    In(Vec<Literal>),
    /// `<`
    Less(Literal),
    /// `<=`
    LessOrEqual(Literal),
    /// `LIKE`
    Like(String),
    /// `MATCHES`
    Matches(String),
    /// `!=`
    NotEqual(Literal),
    /// `ISSUBSET`
    Subset(String),
    /// `ISSUPERSET`
    Superset(String),
}

/// The way from an object of an observation to values (section 9.7.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// Type of the object: `ipv4-addr`.
    pub object: String,
    /// Steps from the object; at least one, and the first is a key.
    pub steps: Vec<Step>,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Each element of a list: `[*]`.
    Each,
    /// An element of a list.
    Index(i64),
    /// A property; a reference leads on to the object that it names.
    Key(String),
}

/// A time as it was written. The grammar allows days that no month has, `2024-02-30`: such a pattern is
/// well formed, and cannot be matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    /// As written.
    pub text: String,
    /// Which time that is, if it is one.
    pub time: Option<Timestamp>,
}

/// A number as it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// With a decimal point.
    Float(f64),
    /// Without.
    Integer(i64),
}

impl Number {
    /// As a floating-point number.
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Float(number) => number,
            Number::Integer(number) => number as f64,
        }
    }
}

/// A constant (section 9.2).
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `h'…'` or `b'…'`
    Bytes(Vec<u8>),
    /// A number.
    Number(Number),
    /// `'…'`
    Text(String),
    /// `t'…'`
    Time(Time),
    /// `true` or `false`
    Truth(bool),
}

/// Words that are no property names without quotes.
pub(crate) const KEYWORDS: &[&str] = &[
    "AND",
    "EXISTS",
    "FOLLOWEDBY",
    "IN",
    "ISSUBSET",
    "ISSUPERSET",
    "LAST",
    "LIKE",
    "MATCHES",
    "NOT",
    "OR",
    "REPEATS",
    "SECONDS",
    "START",
    "STOP",
    "TIMES",
    "WITHIN",
    "false",
    "true",
];

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Observation(comparison) => write!(f, "[{comparison}]"),
            Expression::All(parts) => joined(f, parts, " AND ", &|part| {
                !matches!(part, Expression::Observation(_) | Expression::Qualified(..))
            }),
            Expression::Any(parts) => {
                joined(f, parts, " OR ", &|part| matches!(part, Expression::Any(_) | Expression::Followed(_)))
            }
            Expression::Followed(parts) => {
                joined(f, parts, " FOLLOWEDBY ", &|part| matches!(part, Expression::Followed(_)))
            }
            Expression::Qualified(inner, qualifier) => match **inner {
                Expression::Observation(_) => write!(f, "{inner} {qualifier}"),
                // Two qualifiers of a kind side by side are not valid in STIX 2.1, in parentheses they are.
                Expression::Qualified(_, ref other) if !same(other, qualifier) => {
                    write!(f, "{inner} {qualifier}")
                }
                _ => write!(f, "({inner}) {qualifier}"),
            },
        }
    }
}

fn same(a: &Qualifier, b: &Qualifier) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// Parts with an operator between them, in parentheses where they bind less.
fn joined<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    parts: &[T],
    operator: &str,
    binds_less: &dyn Fn(&T) -> bool,
) -> fmt::Result {
    for (nth, part) in parts.iter().enumerate() {
        if nth > 0 {
            f.write_str(operator)?;
        }
        if binds_less(part) {
            write!(f, "({part})")?;
        } else {
            write!(f, "{part}")?;
        }
    }
    Ok(())
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Qualifier::Repeats(times) => write!(f, "REPEATS {times} TIMES"),
            Qualifier::StartStop(start, stop) => write!(f, "START t'{}' STOP t'{}'", start.text, stop.text),
            Qualifier::Within(seconds) => write!(f, "WITHIN {seconds} SECONDS"),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Comparison::Test(test) => write!(f, "{test}"),
            Comparison::All(parts) => joined(f, parts, " AND ", &|part| !matches!(part, Comparison::Test(_))),
            Comparison::Any(parts) => joined(f, parts, " OR ", &|part| matches!(part, Comparison::Any(_))),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Test { path, negated, operator } = self;
        let not = if *negated { "NOT " } else { "" };
        match operator {
            Operator::Exists => write!(f, "{not}EXISTS {path}"),
            Operator::Equal(literal) => write!(f, "{path} {not}= {literal}"),
            Operator::NotEqual(literal) => write!(f, "{path} {not}!= {literal}"),
            Operator::Greater(literal) => write!(f, "{path} {not}> {literal}"),
            Operator::GreaterOrEqual(literal) => write!(f, "{path} {not}>= {literal}"),
            Operator::Less(literal) => write!(f, "{path} {not}< {literal}"),
            Operator::LessOrEqual(literal) => write!(f, "{path} {not}<= {literal}"),
            Operator::In(literals) => {
                write!(f, "{path} {not}IN (")?;
                joined(f, literals, ", ", &|_| false)?;
                f.write_str(")")
            }
            Operator::Like(text) => write!(f, "{path} {not}LIKE {}", quoted(text)),
            Operator::Matches(text) => write!(f, "{path} {not}MATCHES {}", quoted(text)),
            Operator::Subset(text) => write!(f, "{path} {not}ISSUBSET {}", quoted(text)),
            Operator::Superset(text) => write!(f, "{path} {not}ISSUPERSET {}", quoted(text)),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.object)?;
        for (nth, step) in self.steps.iter().enumerate() {
            match step {
                Step::Each => f.write_str("[*]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    let dot = if nth > 0 { "." } else { "" };
                    if is_bare(key) {
                        write!(f, "{dot}{key}")?;
                    } else {
                        write!(f, "{dot}{}", quoted(key))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a key may stand without quotes.
fn is_bare(key: &str) -> bool {
    let mut chars = key.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !KEYWORDS.contains(&key)
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Integer(number) => write!(f, "{number}"),
            // `{}` writes a whole number without its point, and it would come back as an integer.
            Number::Float(number) if number.fract() == 0.0 => write!(f, "{number:.1}"),
            Number::Float(number) => write!(f, "{number}"),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Bytes(bytes) if bytes.is_empty() => f.write_str("h''"),
            Literal::Bytes(bytes) => write!(f, "b'{}'", STANDARD.encode(bytes)),
            Literal::Number(number) => write!(f, "{number}"),
            Literal::Text(text) => f.write_str(&quoted(text)),
            Literal::Time(time) => write!(f, "t'{}'", time.text),
            Literal::Truth(truth) => write!(f, "{truth}"),
        }
    }
}

/// A string literal: `\'` and `\\` are the only escapes (section 9.2).
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
