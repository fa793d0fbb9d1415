// SPDX-License-Identifier: Apache-2.0
//! Comparison expressions over one observation (STIX 2.1 sections 9.6 and 9.7).
//!
//! A comparison answers with the objects of the observation in which it holds: `AND` inside brackets speaks of
//! one object. Where a literal and a value are of kinds that cannot be compared, they are unequal and neither
//! is less.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use model::id::hex_decode;
use regex::bytes::{Regex as BytesRegex, RegexBuilder as BytesRegexBuilder};
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

use model::observable::parse_address;

use super::MatchError;
use super::ast::{Comparison, Literal, Number, Operator, Path, Step, Test};
use super::lex::{is_time, time, unbase64};
use super::observed::Observation;
use crate::indicator::excerpt;
use crate::limits::{REGEX_BYTES_MAX, REGEX_CACHE_BYTES_MAX};
use crate::regexes;

/// A comparison expression that is ready to be asked.
#[derive(Debug)]
pub(crate) enum Asked {
    All(Vec<Asked>),
    Any(Vec<Asked>),
    Test(Box<AskedTest>),
}

/// One test with its literal worked out.
#[derive(Debug)]
pub(crate) struct AskedTest {
    path: Path,
    negated: bool,
    question: Question,
}

#[derive(Debug)]
enum Question {
    Equal(Literal, bool),
    Exists,
    In(Vec<Literal>),
    Order(Literal, fn(Ordering) -> bool),
    /// A pattern over text, and the same over bytes where it is asked of bytes and has no character above U+00FF.
    Regex(Regex, Option<BytesRegex>),
    /// Whether the value lies in the network.
    Subset(String),
    /// Whether the network or address lies in the value.
    Superset(String),
}

/// Objects in which a comparison holds, by their ids.
type Roots<'a> = BTreeSet<&'a str>;

impl Asked {
    pub(crate) fn new(comparison: &Comparison) -> Result<Asked, MatchError> {
        let parts = |parts: &[Comparison]| parts.iter().map(Asked::new).collect::<Result<Vec<_>, _>>();
        Ok(match comparison {
            Comparison::All(of) => Asked::All(parts(of)?),
            Comparison::Any(of) => Asked::Any(parts(of)?),
            Comparison::Test(test) => Asked::Test(Box::new(AskedTest::new(test)?)),
        })
    }

    /// Whether it holds in any object of the observation.
    pub(crate) fn holds(&self, observation: &Observation) -> Result<bool, MatchError> {
        Ok(!self.roots(observation)?.is_empty())
    }

    fn roots<'a>(&self, observation: &'a Observation) -> Result<Roots<'a>, MatchError> {
        match self {
            Asked::Test(test) => test.roots(observation),
            Asked::All(parts) => {
                let mut all: Option<Roots<'a>> = None;
                for part in parts {
                    let roots = part.roots(observation)?;
                    all = Some(match all {
                        None => roots,
                        Some(all) => all.intersection(&roots).copied().collect(),
                    });
                }
                Ok(all.unwrap_or_default())
            }
            Asked::Any(parts) => {
                let mut any = Roots::new();
                for part in parts {
                    any.extend(part.roots(observation)?);
                }
                Ok(any)
            }
        }
    }
}

/// A value on the way of a path.
#[derive(Clone, Debug)]
enum Found<'a> {
    Bytes(Vec<u8>),
    Json(&'a Value),
    /// The objects that a list of references names.
    List(Vec<&'a Value>),
}

impl AskedTest {
    fn new(test: &Test) -> Result<AskedTest, MatchError> {
        let literal = |literal: &Literal| match literal {
            Literal::Time(time) if time.time.is_none() => Err(MatchError::Time { text: time.text.clone() }),
            literal => Ok(literal.clone()),
        };
        let question = match &test.operator {
            Operator::Equal(value) => Question::Equal(literal(value)?, true),
            Operator::NotEqual(value) => Question::Equal(literal(value)?, false),
            Operator::Exists => Question::Exists,
            Operator::Greater(value) => Question::Order(literal(value)?, Ordering::is_gt),
            Operator::GreaterOrEqual(value) => Question::Order(literal(value)?, Ordering::is_ge),
            Operator::Less(value) => Question::Order(literal(value)?, Ordering::is_lt),
            Operator::LessOrEqual(value) => Question::Order(literal(value)?, Ordering::is_le),
            Operator::In(values) => {
                let values = values.iter().map(literal).collect::<Result<Vec<_>, _>>()?;
                let kind = values.first().map(std::mem::discriminant);
                if values.iter().any(|value| Some(std::mem::discriminant(value)) != kind) {
                    return Err(MatchError::MixedSet { path: test.path.to_string() });
                }
                Question::In(values)
            }
            Operator::Like(text) => regex(&like(text), true, is_of_bytes(test))?,
            Operator::Matches(text) => regex(&text.nfc().collect::<String>(), false, is_of_bytes(test))?,
            Operator::Subset(text) => Question::Subset(text.clone()),
            Operator::Superset(text) => Question::Superset(text.clone()),
        };
        Ok(AskedTest { path: test.path.clone(), negated: test.negated, question })
    }

    fn roots<'a>(&self, observation: &'a Observation) -> Result<Roots<'a>, MatchError> {
        let mut roots = Roots::new();
        for (id, object) in &observation.objects {
            if object.get("type").and_then(Value::as_str) != Some(&self.path.object) {
                continue;
            }
            let found = self.values(observation, object)?;
            let holds = match self.question {
                // An object of the type that lacks the property.
                Question::Exists => found.is_empty() == self.negated,
                _ => self.any(&found)?,
            };
            if holds {
                roots.insert(id);
            }
        }
        Ok(roots)
    }

    fn any(&self, found: &[Found<'_>]) -> Result<bool, MatchError> {
        for value in found {
            if self.asks(value)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The values to which the path leads from one object.
    fn values<'a>(
        &self,
        observation: &'a Observation,
        object: &'a Value,
    ) -> Result<Vec<Found<'a>>, MatchError> {
        let mut values = vec![Found::Json(object)];
        for step in &self.path.steps {
            let mut next = Vec::new();
            for value in values {
                take_step(observation, value, step, &mut next)?;
            }
            values = next;
        }
        Ok(values)
    }

    fn asks(&self, value: &Found<'_>) -> Result<bool, MatchError> {
        let holds = match &self.question {
            Question::Equal(literal, wanted) => equal(value, literal)? == *wanted,
            Question::In(literals) => {
                let mut any = false;
                for literal in literals {
                    any |= equal(value, literal)?;
                }
                any
            }
            // What cannot be ordered is neither before nor after, whatever NOT says.
            Question::Order(literal, holds) => match order(value, literal)? {
                Order::Of(ordering) => holds(ordering),
                Order::None => false,
                Order::Other => return Ok(false),
            },
            Question::Regex(regex, bytes) => match value {
                Found::Json(Value::String(text)) => matches_text(regex, text),
                Found::Bytes(value) => bytes.as_ref().is_some_and(|bytes| bytes.is_match(value)),
                _ => false,
            },
            Question::Subset(network) => match value {
                Found::Json(Value::String(text)) => lies_in(text, network)?,
                _ => false,
            },
            Question::Superset(network) => match value {
                Found::Json(Value::String(text)) => lies_in(network, text)?,
                _ => false,
            },
            Question::Exists => true,
        };
        Ok(holds != self.negated)
    }
}

/// One step from a value: nothing where it cannot be taken.
fn take_step<'a>(
    observation: &'a Observation,
    value: Found<'a>,
    step: &Step,
    into: &mut Vec<Found<'a>>,
) -> Result<(), MatchError> {
    match (step, value) {
        (Step::Key(key), Found::Json(Value::Object(object))) => {
            if let Some(value) = object.get(key) {
                into.extend(named(observation, key, value)?);
            }
        }
        (Step::Each, Found::Json(Value::Array(list))) => into.extend(list.iter().map(Found::Json)),
        (Step::Each, Found::List(list)) => into.extend(list.into_iter().map(Found::Json)),
        (Step::Index(index), value) => {
            let index = usize::try_from(*index).ok();
            let found = match &value {
                Found::Json(Value::Array(list)) => index.and_then(|index| list.get(index)),
                Found::List(list) => index.and_then(|index| list.get(index)).copied(),
                _ => None,
            };
            into.extend(found.map(Found::Json));
        }
        _ => {}
    }
    Ok(())
}

/// A property's value: of a reference the object that it names, of `_hex` and `_bin` the bytes.
fn named<'a>(
    observation: &'a Observation,
    key: &str,
    value: &'a Value,
) -> Result<Option<Found<'a>>, MatchError> {
    let wrong = |what| MatchError::Value { property: excerpt(key), what };
    let referred = |id: &Value| {
        let id = id.as_str().ok_or_else(|| wrong("is no reference"))?;
        Ok(observation.objects.get(id))
    };
    if key.ends_with("_hex") || key.ends_with("_bin") {
        let text = value.as_str().ok_or_else(|| wrong("is no text of bytes"))?;
        let bytes = if key.ends_with("_hex") { hex_decode(text) } else { unbase64(text) };
        return Ok(Some(Found::Bytes(bytes.ok_or_else(|| wrong("is neither hexadecimal nor base64"))?)));
    }
    if key.ends_with("_refs") {
        let list = value.as_array().ok_or_else(|| wrong("is no list of references"))?;
        let found = list.iter().map(referred).collect::<Result<Vec<_>, MatchError>>()?;
        let found: Vec<&Value> = found.into_iter().flatten().collect();
        return Ok((!found.is_empty()).then_some(Found::List(found)));
    }
    if key.ends_with("_ref") {
        return Ok(referred(value)?.map(Found::Json));
    }
    Ok(Some(Found::Json(value)))
}

fn equal(value: &Found<'_>, literal: &Literal) -> Result<bool, MatchError> {
    Ok(match (value, literal) {
        (Found::Json(Value::Bool(value)), Literal::Truth(truth)) => value == truth,
        _ => matches!(order(value, literal)?, Order::Of(Ordering::Equal)),
    })
}

/// How a value stands to a literal.
enum Order {
    Of(Ordering),
    /// Text that has no bytes against bytes: comparable kinds, and no order.
    None,
    /// Kinds that are not compared.
    Other,
}

fn order(value: &Found<'_>, literal: &Literal) -> Result<Order, MatchError> {
    Ok(match (value, literal) {
        (Found::Json(Value::Number(value)), Literal::Number(number)) => {
            numbers(value, *number).map_or(Order::None, Order::Of)
        }
        (Found::Json(Value::String(value)), Literal::Text(text)) => {
            Order::Of(value.as_str().cmp(text.as_str()))
        }
        (Found::Json(Value::String(value)), Literal::Bytes(bytes)) => {
            latin(value).map_or(Order::None, |value| Order::Of(value.as_slice().cmp(bytes)))
        }
        (Found::Bytes(value), Literal::Text(text)) => {
            latin(text).map_or(Order::None, |text| Order::Of(value.cmp(&text)))
        }
        (Found::Bytes(value), Literal::Bytes(bytes)) => Order::Of(value.cmp(bytes)),
        // A text where a time is asked for is meant as one: a wrong one is said, not passed by.
        (Found::Json(Value::String(value)), Literal::Time(wanted)) => {
            let found = Some(value).filter(|value| is_time(value)).and_then(|value| time(value).time);
            let found = found.ok_or_else(|| MatchError::Time { text: excerpt(value) })?;
            wanted.time.map_or(Order::Other, |wanted| Order::Of(found.cmp(&wanted)))
        }
        _ => Order::Other,
    })
}

fn numbers(value: &serde_json::Number, literal: Number) -> Option<Ordering> {
    match (value.as_i64(), literal) {
        (Some(value), Number::Integer(literal)) => Some(value.cmp(&literal)),
        _ => value.as_f64()?.partial_cmp(&literal.as_f64()),
    }
}

/// A text as the bytes that its characters number, if none is above U+00FF (section 9.6.1, binary).
fn latin(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// `%` is any characters, `_` is one.
fn like(text: &str) -> String {
    let mut pattern = String::from("\\A");
    for c in text.nfc() {
        match c {
            '%' => pattern.push_str(".*"),
            '_' => pattern.push('.'),
            c => pattern.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    pattern.push_str("\\z");
    pattern
}

/// About how many bytes the regular expression of a test takes once it is compiled. One that is larger than a single one
/// may be is refused, by its name, when it is; until then it takes no more than that, forwards and backwards.
pub(super) fn regex_bytes(test: &Test) -> usize {
    let size = match &test.operator {
        Operator::Like(text) => regexes::size_of(&like(text)),
        Operator::Matches(text) => regexes::size_of(&text.nfc().collect::<String>()),
        _ => return 0,
    };
    let size = size.min(4 * REGEX_BYTES_MAX);
    if is_of_bytes(test) { 2 * size } else { size }
}

/// Whether the path leads to bytes.
fn is_of_bytes(test: &Test) -> bool {
    let is_bytes =
        |step: &Step| matches!(step, Step::Key(key) if key.ends_with("_hex") || key.ends_with("_bin"));
    test.path.steps.last().is_some_and(is_bytes)
}

/// Section 9.6.1 asks for DOTALL.
fn regex(pattern: &str, like: bool, of_bytes: bool) -> Result<Question, MatchError> {
    let wrong = |error: &regex::Error| {
        let reason = match error {
            regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
            error => error.to_string().lines().last().unwrap_or_default().trim().to_owned(),
        };
        MatchError::Regex { text: excerpt(pattern), reason: excerpt(&reason) }
    };
    let text = RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_CACHE_BYTES_MAX)
        .dot_matches_new_line(true)
        .build()
        .map_err(|e| wrong(&e))?;
    let narrow = || pattern.chars().all(|c| u32::from(c) < 256);
    let bytes = if of_bytes && narrow() {
        let raw = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\x{:02x}", u32::from(c)) };
        // Text in bytes is UTF-8 for LIKE; MATCHES speaks of the bytes themselves.
        let unicode = like;
        let pattern = if unicode { pattern.to_owned() } else { pattern.chars().map(raw).collect() };
        let built = BytesRegexBuilder::new(&pattern)
            .unicode(unicode)
            .size_limit(REGEX_BYTES_MAX)
            .dfa_size_limit(REGEX_CACHE_BYTES_MAX)
            .dot_matches_new_line(true)
            .build();
        Some(built.map_err(|e| wrong(&e))?)
    } else {
        None
    };
    Ok(Question::Regex(text, bytes))
}

/// Both sides of LIKE and MATCHES are compared in NFC.
fn matches_text(regex: &Regex, text: &str) -> bool {
    if text.is_ascii() {
        return regex.is_match(text);
    }
    regex.is_match(&text.nfc().collect::<String>())
}

/// Whether an address or network lies in a network (`ISSUBSET`).
fn lies_in(inner: &str, network: &str) -> Result<bool, MatchError> {
    let wrong = |text: &str| MatchError::Network { text: excerpt(text) };
    let (outer, outer_length) = network_of(network, false).ok_or_else(|| wrong(network))?;
    let (inner, inner_length) = network_of(inner, true).ok_or_else(|| wrong(inner))?;
    let shift = 128 - u32::from(outer_length);
    let same = outer.checked_shr(shift).unwrap_or(0) == inner.checked_shr(shift).unwrap_or(0);
    Ok(outer_length <= inner_length && same)
}

/// Address and length of the prefix, in IPv6; an IPv4 network is one of `::ffff:0:0/96`.
fn network_of(text: &str, alone: bool) -> Option<(u128, u8)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let mapped = parse_address(address)?;
    let is_v4 = !address.contains(':');
    let longest = if is_v4 { 32 } else { 128 };
    let length = match prefix {
        Some(prefix) if prefix.bytes().all(|b| b.is_ascii_digit()) => prefix.parse().ok()?,
        Some(_) => return None,
        None if alone => longest,
        None => return None,
    };
    let length: u8 = length;
    (length <= longest).then_some((mapped, if is_v4 { length + 96 } else { length }))
}
