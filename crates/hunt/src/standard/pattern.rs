// SPDX-License-Identifier: Apache-2.0
//! STIX patterns that say nothing but "one of these values" (STIX 2.1 section 9).
//!
//! Compiled: `[path = 'x']`, `[path IN ('x', 'y')]`, `OR` between them inside and outside brackets, and
//! `[ipv4-addr:value ISSUBSET 'network']`. `=` is exact; `value = 'x' OR value LIKE '%.x'` of one domain
//! is the domain with its subdomains. Everything else (AND, FOLLOWEDBY, NOT, qualifiers, MATCHES, other
//! operators, paths that hold no observable) needs parsed events and is reported, never dropped in silence.

use model::observable::{Observable, ObservableKind};

use crate::indicator::{Mode, excerpt};
use crate::limits::{PATTERN_BYTES_MAX, PATTERN_DEPTH_MAX, PATTERN_VALUES_MAX};

/// A pattern, or a part of one, that is not compiled.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PatternError {
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
    /// A limit on patterns is passed.
    #[error("the pattern has more than {limit} {what}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// A part that cannot be matched against raw lines.
    #[error("`{part}` cannot be matched against a raw log")]
    Unsupported {
        /// The part.
        part: String,
    },
    /// The value is not what the path holds.
    #[error(transparent)]
    Value(#[from] model::observable::ObservableError),
}

/// A value of a pattern, and how it matches.
pub type Wanted = (Observable, Mode);

/// Compiles a pattern: the values of which any one is a match, and the alternatives that are not hunted
/// for. An error means that nothing of the pattern could be used.
pub fn compile(pattern: &str) -> Result<(Vec<Wanted>, Vec<PatternError>), PatternError> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(PatternError::TooLarge { what: "bytes", limit: PATTERN_BYTES_MAX });
    }
    let tokens = tokens(pattern)?;
    let mut parser =
        Parser { tokens: &tokens, at: 0, end: pattern.len(), terms: Vec::new(), lost: Vec::new() };
    parser.observations(0)?;
    parser.finish()
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// Keyword, operator, bracket, object path or number.
    Word(String),
    /// A string literal, unescaped.
    Text(String),
}

/// Cuts a pattern into tokens and their offsets.
fn tokens(pattern: &str) -> Result<Vec<(usize, Token)>, PatternError> {
    let mut tokens = Vec::new();
    let mut rest = pattern.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        if c.is_whitespace() {
            continue;
        }
        if c == '\'' {
            tokens.push((at, Token::Text(literal(at, &mut rest)?)));
            continue;
        }
        let mut word = String::from(c);
        let single = |c: char| matches!(c, '[' | ']' | '(' | ')' | ',');
        let operator = |c: char| matches!(c, '=' | '!' | '<' | '>');
        if operator(c) {
            while let Some((_, next)) = rest.next_if(|(_, next)| operator(*next)) {
                word.push(next);
            }
        } else if !single(c) {
            path(&mut word, &mut rest)?;
        }
        tokens.push((at, Token::Word(word)));
    }
    Ok(tokens)
}

type Chars<'a> = std::iter::Peekable<std::str::CharIndices<'a>>;

/// A string literal after its first quote: `\'` and `\\` are the only escapes (section 9.4).
fn literal(start: usize, rest: &mut Chars<'_>) -> Result<String, PatternError> {
    let mut text = String::new();
    while let Some((_, c)) = rest.next() {
        match c {
            '\'' => return Ok(text),
            '\\' => text.extend(rest.next().map(|(_, escaped)| escaped)),
            c => text.push(c),
        }
    }
    Err(PatternError::Grammar { at: start, found: "'".to_owned(), wanted: "a string that ends" })
}

/// The rest of a word; an object path may hold quoted keys and list steps: `hashes.'SHA-256'`, `x[*].y`.
fn path(word: &mut String, rest: &mut Chars<'_>) -> Result<(), PatternError> {
    while let Some((at, c)) = rest.next_if(|(_, c)| {
        // A quote begins a quoted key after a dot only; else it is the next token: `t'2020-…'`.
        let quote = *c == '\'' && !word.ends_with('.');
        !c.is_whitespace() && !quote && !matches!(c, ']' | '(' | ')' | ',' | '=' | '!' | '<' | '>')
    }) {
        match c {
            '\'' => {
                word.push('\'');
                word.push_str(&literal(at, rest)?);
                word.push('\'');
            }
            '[' => {
                word.push('[');
                while let Some((_, c)) = rest.next_if(|(_, c)| *c == '*' || c.is_ascii_digit()) {
                    word.push(c);
                }
                if rest.next_if(|(_, c)| *c == ']').is_none() {
                    return Err(PatternError::Grammar { at, found: "[".to_owned(), wanted: "a list step" });
                }
                word.push(']');
            }
            c => word.push(c),
        }
    }
    Ok(())
}

/// One comparison that is part of a disjunction.
enum Term {
    Equal(Observable),
    /// A domain and all names under it, without the domain: `LIKE '%.x'`.
    Under(Observable, String),
}

struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    at: usize,
    end: usize,
    terms: Vec<Term>,
    lost: Vec<PatternError>,
}

impl Parser<'_> {
    fn peek_word(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some((_, Token::Word(word))) => Some(word),
            _ => None,
        }
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).map(|(_, token)| token.clone());
        self.at += usize::from(token.is_some());
        token
    }

    fn next_is(&mut self, word: &str) -> bool {
        let is = self.peek_word() == Some(word);
        self.at += usize::from(is);
        is
    }

    fn wanted(&self, wanted: &'static str) -> PatternError {
        let (at, found) = match self.tokens.get(self.at) {
            Some((at, token)) => (*at, excerpt(&token_text(token))),
            None => (self.end, "the end".to_owned()),
        };
        PatternError::Grammar { at, found, wanted }
    }

    fn unsupported(&self, part: impl Into<String>) -> PatternError {
        PatternError::Unsupported { part: excerpt(&part.into()) }
    }

    /// observation *(OR observation)
    fn observations(&mut self, depth: usize) -> Result<(), PatternError> {
        loop {
            self.observation(depth)?;
            match self.peek_word().map(str::to_owned).as_deref() {
                Some("OR") => self.at += 1,
                Some(word @ ("AND" | "FOLLOWEDBY" | "REPEATS" | "START" | "WITHIN")) => {
                    return Err(self.unsupported(word));
                }
                Some(")") if depth > 0 => return Ok(()),
                None if depth == 0 && self.at == self.tokens.len() => return Ok(()),
                _ => return Err(self.wanted("OR or the end")),
            }
        }
    }

    fn observation(&mut self, depth: usize) -> Result<(), PatternError> {
        if depth > PATTERN_DEPTH_MAX {
            return Err(PatternError::TooLarge { what: "nested parentheses", limit: PATTERN_DEPTH_MAX });
        }
        if self.next_is("(") {
            self.observations(depth + 1)?;
            return if self.next_is(")") { Ok(()) } else { Err(self.wanted("`)`")) };
        }
        if !self.next_is("[") {
            return Err(self.wanted("`[`"));
        }
        self.disjunction(0)?;
        if self.next_is("]") { Ok(()) } else { Err(self.wanted("OR or `]`")) }
    }

    /// comparison *(OR comparison)
    fn disjunction(&mut self, depth: usize) -> Result<(), PatternError> {
        loop {
            self.comparison(depth)?;
            if self.peek_word() == Some("AND") {
                return Err(self.unsupported("AND"));
            }
            if !self.next_is("OR") {
                return Ok(());
            }
        }
    }

    fn comparison(&mut self, depth: usize) -> Result<(), PatternError> {
        if depth > PATTERN_DEPTH_MAX {
            return Err(PatternError::TooLarge { what: "nested parentheses", limit: PATTERN_DEPTH_MAX });
        }
        if self.next_is("(") {
            self.disjunction(depth + 1)?;
            return if self.next_is(")") { Ok(()) } else { Err(self.wanted("`)`")) };
        }
        let Some(Token::Word(path)) = self.next() else {
            self.at = self.at.saturating_sub(1);
            return Err(self.wanted("an object path"));
        };
        if path == "EXISTS" {
            let of = self.next().map(|token| token_text(&token)).unwrap_or_default();
            self.lost.push(self.unsupported(format!("EXISTS {of}")));
            return Ok(());
        }
        if !path.contains(':') {
            self.at -= 1;
            return Err(self.wanted("an object path"));
        }
        let negated = self.next_is("NOT");
        let Some(Token::Word(operator)) = self.next() else { return Err(self.wanted("a comparison")) };
        let values = self.values()?;
        if self.terms.len() + values.len() > PATTERN_VALUES_MAX {
            return Err(PatternError::TooLarge { what: "values", limit: PATTERN_VALUES_MAX });
        }
        for value in values {
            match term(&path, &operator, negated, &value) {
                Ok(term) => self.terms.push(term),
                Err(error) => self.lost.push(error),
            }
        }
        Ok(())
    }

    /// A literal, or literals in parentheses.
    fn values(&mut self) -> Result<Vec<Token>, PatternError> {
        let list = self.next_is("(");
        let mut values = Vec::new();
        loop {
            let value = self.next().filter(|token| {
                !matches!(token, Token::Word(word) if matches!(word.as_str(), "(" | ")" | "[" | "]" | "," | "="))
            });
            match value {
                // `t'2020-…'`, `b'…'` and `h'…'` are a word and a string.
                Some(Token::Word(prefix)) if matches!(prefix.as_str(), "b" | "h" | "t") => {
                    values.push(Token::Word(prefix));
                    self.next();
                }
                Some(value) => values.push(value),
                None => {
                    self.at = self.at.saturating_sub(1);
                    return Err(self.wanted("a value"));
                }
            }
            match (list, self.next_is(",")) {
                (false, _) => return Ok(values),
                (true, true) => {}
                (true, false) if self.next_is(")") => return Ok(values),
                (true, false) => return Err(self.wanted("`,` or `)`")),
            }
        }
    }

    /// Joins each domain with its `LIKE '%.domain'`; one without the other is not supported.
    fn finish(mut self) -> Result<(Vec<Wanted>, Vec<PatternError>), PatternError> {
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut place = std::collections::HashMap::new();
        for term in &self.terms {
            if let Term::Equal(observable) = term
                && !place.contains_key(observable)
            {
                place.insert(observable.clone(), wanted.len());
                wanted.push((observable.clone(), Mode::Exact));
            }
        }
        for term in std::mem::take(&mut self.terms) {
            if let Term::Under(domain, part) = term {
                match place.get(&domain).and_then(|at| wanted.get_mut(*at)) {
                    Some((_, mode)) => *mode = Mode::WithSubdomains,
                    None => self.lost.push(PatternError::Unsupported { part }),
                }
            }
        }
        if wanted.is_empty() && !self.lost.is_empty() {
            return Err(self.lost.swap_remove(0));
        }
        Ok((wanted, self.lost))
    }
}

fn token_text(token: &Token) -> String {
    match token {
        Token::Word(word) => word.clone(),
        Token::Text(text) => format!("'{text}'"),
    }
}

fn term(path: &str, operator: &str, negated: bool, value: &Token) -> Result<Term, PatternError> {
    let part = || {
        let not = if negated { "NOT " } else { "" };
        let [path, operator] = [path, operator].map(excerpt);
        PatternError::Unsupported { part: format!("{path} {not}{operator} {}", excerpt(&token_text(value))) }
    };
    let Token::Text(text) = value else { return Err(part()) };
    if negated {
        return Err(part());
    }
    match operator {
        // `==` is not in the grammar of 2.1, but in that of 2.0.
        "=" | "==" | "IN" => Ok(Term::Equal(Observable::from_stix(path, text).ok_or_else(part)??)),
        "ISSUBSET" => {
            let observable = Observable::from_stix(path, text).ok_or_else(part)??;
            let is_network = matches!(observable.kind(), ObservableKind::Cidr | ObservableKind::Ip);
            if is_network { Ok(Term::Equal(observable)) } else { Err(part()) }
        }
        "LIKE" if path == "domain-name:value" => {
            let domain = text.strip_prefix("%.").filter(|d| !d.contains('%')).ok_or_else(part)?;
            let domain = Observable::parse(ObservableKind::Domain, domain)?;
            let PatternError::Unsupported { part } = part() else { return Err(part()) };
            Ok(Term::Under(domain, part))
        }
        _ => Err(part()),
    }
}
