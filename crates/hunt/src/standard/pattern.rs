// SPDX-License-Identifier: Apache-2.0
//! What of a STIX pattern is equality alone (STIX 2.1 section 9), for the typed scan.
//!
//! Compiled: `[path = 'x']`, `[path IN ('x', 'y')]`, `OR` between them inside and outside brackets, and
//! `[ipv4-addr:value ISSUBSET 'network']`. `=` is exact; `value = 'x' OR value LIKE '%.x'` of one domain
//! is the domain with its subdomains. All other alternatives (AND, FOLLOWEDBY, NOT, qualifiers, MATCHES,
//! other operators, paths that hold no observable) are left as a pattern to be matched against events.

use std::collections::HashMap;

use model::observable::{Observable, ObservableKind};

use crate::indicator::Mode;
use crate::pattern::{Comparison, Expression, Literal, Operator, Pattern, PatternError, Test};

/// A value of a pattern, and how it matches.
pub type Wanted = (Observable, Mode);

/// A pattern, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compiled {
    /// Values of which any one is a match.
    pub wanted: Vec<Wanted>,
    /// The other alternatives, as one pattern.
    pub rest: Option<Pattern>,
    /// Alternatives that are no alternatives: what they ask for cannot be.
    pub bad: Vec<PatternError>,
}

/// Compiles a pattern. An error means that nothing of it can be used.
///
/// ```
/// use hunt::standard::compile;
///
/// let compiled = compile("[ipv4-addr:value = '203.0.113.7' OR file:name LIKE '%.scr']").unwrap();
/// assert_eq!(compiled.wanted[0].0.display(), "203.0.113.7");
/// assert_eq!(compiled.rest.unwrap().to_string(), "[file:name LIKE '%.scr']");
/// ```
pub fn compile(pattern: &str) -> Result<Compiled, PatternError> {
    let pattern = Pattern::parse(pattern)?;
    let mut parts = Parts::default();
    match pattern.expression() {
        Expression::Any(alternatives) => alternatives.iter().for_each(|part| parts.alternative(part)),
        one => parts.alternative(one),
    }
    parts.finish()
}

#[derive(Default)]
struct Parts {
    /// Values, and domains of which only what lies under them is asked for, in the order of the pattern.
    equal: Vec<Observable>,
    under: Vec<(Observable, Test)>,
    /// Comparisons of one bracket's alternatives each, and whole expressions.
    rest: Vec<Expression>,
    bad: Vec<PatternError>,
}

/// What one test comes to.
enum Term {
    /// The scan looks for these.
    Equal(Vec<Observable>),
    /// A domain and all names under it, without the domain: `LIKE '%.x'`.
    Under(Observable),
    /// It needs an event.
    Rest,
}

impl Parts {
    fn alternative(&mut self, part: &Expression) {
        let Expression::Observation(comparison) = part else {
            self.rest.push(part.clone());
            return;
        };
        let mut rest = Vec::new();
        match comparison {
            Comparison::Any(parts) => parts.iter().for_each(|part| self.comparison(part, &mut rest)),
            one => self.comparison(one, &mut rest),
        }
        if let Some(comparison) = one_of(rest, Comparison::Any) {
            self.rest.push(Expression::Observation(comparison));
        }
    }

    fn comparison(&mut self, comparison: &Comparison, rest: &mut Vec<Comparison>) {
        let Comparison::Test(test) = comparison else {
            rest.push(comparison.clone());
            return;
        };
        match term(test) {
            Ok(Term::Equal(observables)) => self.equal.extend(observables),
            Ok(Term::Under(domain)) => self.under.push((domain, test.clone())),
            Ok(Term::Rest) => rest.push(comparison.clone()),
            Err(error) => self.bad.push(error),
        }
    }

    /// Joins each domain with its `LIKE '%.domain'`; one alone stays a pattern.
    fn finish(mut self) -> Result<Compiled, PatternError> {
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut place = HashMap::new();
        for observable in self.equal {
            if !place.contains_key(&observable) {
                place.insert(observable.clone(), wanted.len());
                wanted.push((observable, Mode::Exact));
            }
        }
        for (domain, test) in self.under {
            match place.get(&domain).and_then(|at| wanted.get_mut(*at)) {
                Some((_, mode)) => *mode = Mode::WithSubdomains,
                None => self.rest.push(Expression::Observation(Comparison::Test(test))),
            }
        }
        let rest = one_of(self.rest, Expression::Any).map(Pattern::of);
        if wanted.is_empty() && rest.is_none() && !self.bad.is_empty() {
            return Err(self.bad.swap_remove(0));
        }
        Ok(Compiled { wanted, rest, bad: self.bad })
    }
}

/// One part alone, or a list of them.
fn one_of<T>(mut parts: Vec<T>, list: impl Fn(Vec<T>) -> T) -> Option<T> {
    match parts.len() {
        0 | 1 => parts.pop(),
        _ => Some(list(parts)),
    }
}

fn term(test: &Test) -> Result<Term, PatternError> {
    if test.negated {
        return Ok(Term::Rest);
    }
    let path = test.path.to_string();
    let observable = |text: &str| Observable::from_stix(&path, text).transpose();
    match &test.operator {
        Operator::Equal(literal) => values(std::slice::from_ref(literal), &observable),
        Operator::In(literals) if !literals.is_empty() => values(literals, &observable),
        Operator::Subset(text) => match observable(text)? {
            Some(network) if matches!(network.kind(), ObservableKind::Cidr | ObservableKind::Ip) => {
                Ok(Term::Equal(vec![network]))
            }
            _ => Ok(Term::Rest),
        },
        Operator::Like(text) if path == "domain-name:value" => {
            // `_` stands for any character; beside the same name as an equality it is meant as it stands.
            match text.strip_prefix("%.").filter(|domain| !domain.contains('%')) {
                Some(domain) if domain.contains('_') => {
                    let parsed = Observable::parse(ObservableKind::Domain, domain);
                    Ok(parsed.map_or(Term::Rest, Term::Under))
                }
                Some(domain) => Ok(Term::Under(Observable::parse(ObservableKind::Domain, domain)?)),
                None => Ok(Term::Rest),
            }
        }
        _ => Ok(Term::Rest),
    }
}

type Read<'a> = dyn Fn(&str) -> Result<Option<Observable>, model::observable::ObservableError> + 'a;

/// The observables of a set, if all of it are.
fn values(literals: &[Literal], observable: &Read<'_>) -> Result<Term, PatternError> {
    let mut found = Vec::with_capacity(literals.len());
    for literal in literals {
        let Literal::Text(text) = literal else { return Ok(Term::Rest) };
        match observable(text)? {
            Some(observable) => found.push(observable),
            None => return Ok(Term::Rest),
        }
    }
    Ok(Term::Equal(found))
}
