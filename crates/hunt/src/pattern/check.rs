// SPDX-License-Identifier: Apache-2.0
//! What is wrong with a pattern that the grammar takes: the further checks of the technical committee's
//! validator.

use super::PatternError;
use super::ast::{Comparison, Expression, Literal, Operator, Step, Test};
use crate::indicator::excerpt;

/// Names of hashes without hyphens, and how many hexadecimal digits they have.
const HASH_DIGITS: &[(&str, usize)] = &[
    ("MD5", 32),
    ("RIPEMD160", 40),
    ("SHA1", 40),
    ("SHA224", 56),
    ("SHA256", 64),
    ("SHA384", 96),
    ("SHA512", 128),
    ("SHA3224", 56),
    ("SHA3256", 64),
    ("SHA3384", 96),
    ("SHA3512", 128),
    ("WHIRLPOOL", 128),
];

/// Hashes that are none.
pub(crate) fn faults(expression: &Expression) -> Vec<PatternError> {
    let mut faults = Vec::new();
    each_test(expression, &mut |test| hash_faults(test, &mut faults));
    faults
}

/// Calls back with each test of a pattern.
pub(crate) fn each_test(expression: &Expression, each: &mut dyn FnMut(&Test)) {
    match expression {
        Expression::All(parts) | Expression::Any(parts) | Expression::Followed(parts) => {
            parts.iter().for_each(|part| each_test(part, each));
        }
        Expression::Qualified(inner, _) => each_test(inner, each),
        Expression::Observation(comparison) => each_of(comparison, each),
    }
}

fn each_of(comparison: &Comparison, each: &mut dyn FnMut(&Test)) {
    match comparison {
        Comparison::All(parts) | Comparison::Any(parts) => parts.iter().for_each(|part| each_of(part, each)),
        Comparison::Test(test) => each(test),
    }
}

fn hash_faults(test: &Test, faults: &mut Vec<PatternError>) {
    let steps = &test.path.steps;
    let of_hashes = steps.iter().any(|step| matches!(step, Step::Key(key) if key == "hashes"));
    let Some(Step::Key(name)) = steps.last().filter(|_| of_hashes) else { return };
    let plain: String = name.chars().filter(|c| *c != '-').map(|c| c.to_ascii_uppercase()).collect();
    let Some((_, digits)) = HASH_DIGITS.iter().find(|(known, _)| *known == plain) else { return };
    let literals: &[Literal] = match &test.operator {
        Operator::Equal(literal) | Operator::NotEqual(literal) => std::slice::from_ref(literal),
        Operator::In(literals) => literals,
        _ => &[],
    };
    for literal in literals {
        let Literal::Text(text) = literal else { continue };
        if text.len() != *digits || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            faults.push(PatternError::Hash { name: excerpt(name), value: excerpt(text) });
        }
    }
}
