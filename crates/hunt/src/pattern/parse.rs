// SPDX-License-Identifier: Apache-2.0
//! The grammar of patterns (`STIXPattern.g4` of the technical committee; STIX 2.1 section 9, STIX 2.0 part 5).
//!
//! `FOLLOWEDBY` binds least, then `OR`, then `AND`, and a qualifier most.

use super::ast::{
    Comparison, Expression, KEYWORDS, Literal, Number, Operator, Path, Qualifier, Step, Test, Time,
};
use super::lex::{Placed, Token, is_time, time, tokens};
use super::{Dialect, PatternError};
use crate::indicator::excerpt;
use crate::limits::{
    PATTERN_BYTES_MAX, PATTERN_DEPTH_MAX, PATTERN_QUALIFIERS_MAX, PATTERN_STEPS_MAX, PATTERN_VALUES_MAX,
};

/// Parses a pattern.
pub(crate) fn parse(pattern: &str, dialect: Dialect) -> Result<Parsed, PatternError> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(PatternError::TooLarge { what: "bytes", limit: PATTERN_BYTES_MAX });
    }
    let tokens = tokens(pattern, dialect)?;
    let mut parser = Parser { pattern, tokens: &tokens, at: 0, values: 0, dialect, doubled: None };
    let expression = parser.followed(0)?;
    if parser.at < tokens.len() {
        return Err(parser.wanted("an operator or the end"));
    }
    Ok(Parsed { expression, doubled: parser.doubled })
}

/// A pattern that the grammar takes.
pub(crate) struct Parsed {
    /// What it says.
    pub(crate) expression: Expression,
    /// Byte at which a qualifier stands for the second time at one observation, without parentheses between.
    pub(crate) doubled: Option<usize>,
}

struct Parser<'a> {
    pattern: &'a str,
    tokens: &'a [Placed],
    at: usize,
    values: usize,
    dialect: Dialect,
    doubled: Option<usize>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(w)) if w == word)
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Some(Token::Symbol(s)) if *s == symbol)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        self.at += usize::from(is);
        is
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let is = self.is_symbol(symbol);
        self.at += usize::from(is);
        is
    }

    fn need_symbol(&mut self, symbol: &str, wanted: &'static str) -> Result<(), PatternError> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.wanted(wanted)) }
    }

    fn need_word(&mut self, word: &str, wanted: &'static str) -> Result<(), PatternError> {
        if self.take_word(word) { Ok(()) } else { Err(self.wanted(wanted)) }
    }

    fn wanted(&self, wanted: &'static str) -> PatternError {
        let place = |nth: usize| self.tokens.get(nth).map_or(self.pattern.len(), |(at, _)| *at);
        let (at, next) = (place(self.at), place(self.at + 1));
        let found = self.pattern.get(at..next).map(str::trim).filter(|found| !found.is_empty());
        PatternError::Grammar { at, found: excerpt(found.unwrap_or("the end")), wanted }
    }

    /// Whether the token that was taken last is this one.
    fn after(&self, symbol: &str) -> bool {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        matches!(last, Some((_, Token::Symbol(s))) if *s == symbol)
    }

    fn deeper(depth: usize) -> Result<usize, PatternError> {
        if depth >= PATTERN_DEPTH_MAX {
            return Err(PatternError::TooLarge { what: "nested parentheses", limit: PATTERN_DEPTH_MAX });
        }
        Ok(depth + 1)
    }

    /// `part *(operator part)`; one part alone is itself, parts of the same kind become one list.
    fn chain<T>(
        &mut self,
        operator: &str,
        part: &mut dyn FnMut(&mut Self) -> Result<T, PatternError>,
        list: &dyn Fn(Vec<T>) -> T,
    ) -> Result<T, PatternError> {
        let first = part(self)?;
        if !self.is_word(operator) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.take_word(operator) {
            parts.push(part(self)?);
        }
        Ok(list(parts))
    }

    fn followed(&mut self, depth: usize) -> Result<Expression, PatternError> {
        self.chain("FOLLOWEDBY", &mut |p| p.any(depth), &Expression::Followed)
    }

    fn any(&mut self, depth: usize) -> Result<Expression, PatternError> {
        self.chain("OR", &mut |p| p.all(depth), &|parts| {
            Expression::Any(flat(parts, &|part| match part {
                Expression::Any(parts) => Ok(parts),
                other => Err(other),
            }))
        })
    }

    fn all(&mut self, depth: usize) -> Result<Expression, PatternError> {
        self.chain("AND", &mut |p| p.qualified(depth), &|parts| {
            Expression::All(flat(parts, &|part| match part {
                Expression::All(parts) => Ok(parts),
                other => Err(other),
            }))
        })
    }

    fn qualified(&mut self, depth: usize) -> Result<Expression, PatternError> {
        let mut expression = if self.take_symbol("(") {
            let inner = self.followed(Self::deeper(depth)?)?;
            self.need_symbol(")", "an operator or `)`")?;
            inner
        } else if self.take_symbol("[") {
            let comparison = self.disjunction(0)?;
            self.need_symbol("]", "AND, OR or `]`")?;
            Expression::Observation(comparison)
        } else {
            return Err(self.wanted("`[`"));
        };
        let bare = matches!(expression, Expression::Observation(_)) && !self.after(")");
        let mut kinds = Vec::new();
        for _ in 0..=PATTERN_QUALIFIERS_MAX {
            let at = self.tokens.get(self.at).map_or(0, |(at, _)| *at);
            match self.qualifier()? {
                Some(qualifier) => {
                    let kind = std::mem::discriminant(&qualifier);
                    if bare && kinds.contains(&kind) {
                        self.doubled.get_or_insert(at);
                    }
                    kinds.push(kind);
                    expression = Expression::Qualified(Box::new(expression), qualifier);
                }
                None => return Ok(expression),
            }
        }
        Err(PatternError::TooLarge { what: "qualifiers in a row", limit: PATTERN_QUALIFIERS_MAX })
    }

    fn qualifier(&mut self) -> Result<Option<Qualifier>, PatternError> {
        if self.take_word("WITHIN") {
            let seconds = match self.peek() {
                Some(Token::Literal(Literal::Number(number))) if !self.is_signed_minus() => *number,
                _ => return Err(self.wanted("a number of seconds")),
            };
            self.at += 1;
            self.need_word("SECONDS", "SECONDS")?;
            return Ok(Some(Qualifier::Within(seconds)));
        }
        if self.take_word("REPEATS") {
            let times = match self.peek() {
                Some(Token::Literal(Literal::Number(Number::Integer(n)))) if !self.is_signed_minus() => {
                    u64::try_from(*n).ok()
                }
                _ => None,
            };
            let times = times.ok_or_else(|| self.wanted("how many times"))?;
            self.at += 1;
            self.need_word("TIMES", "TIMES")?;
            return Ok(Some(Qualifier::Repeats(times)));
        }
        if self.take_word("START") {
            let start = self.time()?;
            self.need_word("STOP", "STOP")?;
            let stop = self.time()?;
            return Ok(Some(Qualifier::StartStop(start, stop)));
        }
        Ok(None)
    }

    /// `-0` is a negative number in the grammar, whatever its value.
    fn is_signed_minus(&self) -> bool {
        self.tokens.get(self.at).is_some_and(|(at, _)| self.pattern.as_bytes().get(*at) == Some(&b'-'))
    }

    /// A time of START and STOP: STIX 2.0 part 5 wrote it as a plain string.
    fn time(&mut self) -> Result<Time, PatternError> {
        let time =
            match self.peek() {
                Some(Token::Literal(Literal::Time(time))) => time.clone(),
                Some(Token::Literal(Literal::Text(text))) if self.dialect != Dialect::V21 => {
                    if is_time(text) { time(text) } else { Time { text: text.clone(), time: None } }
                }
                _ => return Err(self.wanted("a time as t'2024-01-31T08:30:00Z'")),
            };
        self.at += 1;
        Ok(time)
    }

    fn disjunction(&mut self, depth: usize) -> Result<Comparison, PatternError> {
        self.chain("OR", &mut |p| p.conjunction(depth), &|parts| {
            Comparison::Any(flat(parts, &|part| match part {
                Comparison::Any(parts) => Ok(parts),
                other => Err(other),
            }))
        })
    }

    fn conjunction(&mut self, depth: usize) -> Result<Comparison, PatternError> {
        self.chain("AND", &mut |p| p.comparison(depth), &|parts| {
            Comparison::All(flat(parts, &|part| match part {
                Comparison::All(parts) => Ok(parts),
                other => Err(other),
            }))
        })
    }

    fn comparison(&mut self, depth: usize) -> Result<Comparison, PatternError> {
        if self.take_symbol("(") {
            let inner = self.disjunction(Self::deeper(depth)?)?;
            self.need_symbol(")", "AND, OR or `)`")?;
            return Ok(inner);
        }
        if self.dialect != Dialect::V20 && (self.is_word("NOT") || self.is_word("EXISTS")) {
            let negated = self.take_word("NOT");
            self.need_word("EXISTS", "EXISTS")?;
            return Ok(Comparison::Test(Test { path: self.path()?, negated, operator: Operator::Exists }));
        }
        let path = self.path()?;
        let negated = self.take_word("NOT");
        Ok(Comparison::Test(Test { path, negated, operator: self.operator()? }))
    }

    fn operator(&mut self) -> Result<Operator, PatternError> {
        let token = self.peek().cloned();
        let wrong = self.wanted("a comparison");
        self.at += 1;
        Ok(match token {
            Some(Token::Symbol("=")) => Operator::Equal(self.literal()?),
            Some(Token::Symbol("!=")) => Operator::NotEqual(self.literal()?),
            Some(Token::Symbol("<")) => Operator::Less(self.orderable()?),
            Some(Token::Symbol("<=")) => Operator::LessOrEqual(self.orderable()?),
            Some(Token::Symbol(">")) => Operator::Greater(self.orderable()?),
            Some(Token::Symbol(">=")) => Operator::GreaterOrEqual(self.orderable()?),
            Some(Token::Word(word)) => match word.as_str() {
                "IN" => Operator::In(self.set()?),
                "LIKE" => Operator::Like(self.string()?),
                "MATCHES" => Operator::Matches(self.string()?),
                "ISSUBSET" => Operator::Subset(self.string()?),
                "ISSUPERSET" => Operator::Superset(self.string()?),
                _ => return Err(wrong),
            },
            _ => return Err(wrong),
        })
    }

    fn set(&mut self) -> Result<Vec<Literal>, PatternError> {
        self.need_symbol("(", "`(`")?;
        let mut literals = Vec::new();
        if self.take_symbol(")") {
            return Ok(literals);
        }
        loop {
            literals.push(self.literal()?);
            if self.take_symbol(")") {
                return Ok(literals);
            }
            self.need_symbol(",", "`,` or `)`")?;
        }
    }

    fn literal(&mut self) -> Result<Literal, PatternError> {
        for truth in [false, true] {
            if self.take_word(if truth { "true" } else { "false" }) {
                return Ok(Literal::Truth(truth));
            }
        }
        self.orderable()
    }

    fn orderable(&mut self) -> Result<Literal, PatternError> {
        let Some(Token::Literal(literal)) = self.peek() else { return Err(self.wanted("a value")) };
        let literal = literal.clone();
        self.at += 1;
        self.values += 1;
        if self.values > PATTERN_VALUES_MAX {
            return Err(PatternError::TooLarge { what: "values", limit: PATTERN_VALUES_MAX });
        }
        Ok(literal)
    }

    fn string(&mut self) -> Result<String, PatternError> {
        match self.peek() {
            Some(Token::Literal(Literal::Text(_))) => {}
            _ => return Err(self.wanted("a string")),
        }
        match self.orderable()? {
            Literal::Text(text) => Ok(text),
            _ => Err(self.wanted("a string")),
        }
    }

    fn path(&mut self) -> Result<Path, PatternError> {
        let object = match self.peek() {
            Some(Token::Word(word)) if !KEYWORDS.contains(&word.as_str()) => word.clone(),
            _ => return Err(self.wanted("an object path")),
        };
        self.at += 1;
        self.need_symbol(":", "`:` after the object type")?;
        let mut steps = vec![Step::Key(self.key()?)];
        loop {
            if steps.len() > PATTERN_STEPS_MAX {
                return Err(PatternError::TooLarge { what: "steps of a path", limit: PATTERN_STEPS_MAX });
            }
            if self.take_symbol(".") {
                steps.push(Step::Key(self.key()?));
            } else if self.take_symbol("[") {
                steps.push(self.index()?);
                self.need_symbol("]", "`]`")?;
            } else {
                return Ok(Path { object, steps });
            }
        }
    }

    fn key(&mut self) -> Result<String, PatternError> {
        let key = match self.peek() {
            Some(Token::Literal(Literal::Text(text))) => text.clone(),
            // The grammar wants quotes around a hyphen; many feeds write `hashes.SHA-256`.
            Some(Token::Word(word))
                if !KEYWORDS.contains(&word.as_str())
                    && (self.dialect == Dialect::Lenient || !word.contains('-')) =>
            {
                word.clone()
            }
            _ => {
                return Err(
                    self.wanted("a property name, in quotes if it has other than letters, digits and `_`")
                );
            }
        };
        self.at += 1;
        Ok(key)
    }

    fn index(&mut self) -> Result<Step, PatternError> {
        let step = match self.peek() {
            Some(Token::Symbol("*")) => Step::Each,
            Some(Token::Literal(Literal::Number(Number::Integer(index)))) => Step::Index(*index),
            _ => return Err(self.wanted("a list step as `[0]` or `[*]`")),
        };
        self.at += 1;
        Ok(step)
    }
}

/// Puts the parts of nodes of the same kind in their place.
fn flat<T>(parts: Vec<T>, unwrap: &dyn Fn(T) -> Result<Vec<T>, T>) -> Vec<T> {
    let mut all = Vec::with_capacity(parts.len());
    for part in parts {
        match unwrap(part) {
            Ok(parts) => all.extend(parts),
            Err(part) => all.push(part),
        }
    }
    all
}
