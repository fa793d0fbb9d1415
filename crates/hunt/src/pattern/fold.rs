// SPDX-License-Identifier: Apache-2.0
//! Patterns in the spelling of observations: a log's event shows a hash in small letters and a name in
//! A-labels, a pattern may have it otherwise and means the same.

use model::observable::{Observable, ObservableKind};

use super::ast::{Comparison, Expression, Literal, Operator, Path, Test};

/// The same pattern with addresses, names and hashes in the spelling of [`super::observation`].
pub(crate) fn folded(expression: &Expression) -> Expression {
    let all = |parts: &[Expression]| parts.iter().map(folded).collect();
    match expression {
        Expression::All(parts) => Expression::All(all(parts)),
        Expression::Any(parts) => Expression::Any(all(parts)),
        Expression::Followed(parts) => Expression::Followed(all(parts)),
        Expression::Observation(comparison) => Expression::Observation(comparison_folded(comparison)),
        Expression::Qualified(inner, qualifier) => {
            Expression::Qualified(Box::new(folded(inner)), qualifier.clone())
        }
    }
}

fn comparison_folded(comparison: &Comparison) -> Comparison {
    let all = |parts: &[Comparison]| parts.iter().map(comparison_folded).collect();
    match comparison {
        Comparison::All(parts) => Comparison::All(all(parts)),
        Comparison::Any(parts) => Comparison::Any(all(parts)),
        Comparison::Test(test) => {
            let literal = |literal: &Literal| literal_folded(&test.path, literal);
            let operator = match &test.operator {
                Operator::Equal(value) => Operator::Equal(literal(value)),
                Operator::NotEqual(value) => Operator::NotEqual(literal(value)),
                Operator::In(values) => Operator::In(values.iter().map(literal).collect()),
                Operator::Like(text) if test.path.object == "domain-name" => {
                    Operator::Like(text.to_ascii_lowercase())
                }
                other => other.clone(),
            };
            Comparison::Test(Test { path: test.path.clone(), negated: test.negated, operator })
        }
    }
}

fn literal_folded(path: &Path, literal: &Literal) -> Literal {
    let Literal::Text(text) = literal else { return literal.clone() };
    let spelled = match Observable::from_stix(&path.to_string(), text) {
        Some(Ok(observable)) => match observable.kind() {
            ObservableKind::Domain
            | ObservableKind::Email
            | ObservableKind::Ip
            | ObservableKind::Ja3
            | ObservableKind::Ja4 => observable.display(),
            kind if kind.digest_bytes().is_some() => observable.display(),
            // A URL's canonical form has no scheme, an observation's has.
            _ => return literal.clone(),
        },
        _ => return literal.clone(),
    };
    Literal::Text(spelled)
}
