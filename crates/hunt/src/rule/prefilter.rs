// SPDX-License-Identifier: Apache-2.0
//! Which rules of a log source an event may match: those whose needs it fills.
//!
//! For each field that a need names, one automaton over all texts that are looked for in it and one table each
//! of whole texts and of numbers. What is found sets bits of rules; a rule all of whose bits are set is asked.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use serde_json::Value;

use super::names::Names;
use super::needs::{Literal, Needs, Test, lowered};
use super::view::{View, scalar};

/// Most patterns for which the faster, larger automaton is built.
const DFA_PATTERNS_MAX: usize = 20_000;

/// A clause of a rule.
#[derive(Clone, Copy)]
struct Clause {
    rule: u32,
    bit: u32,
}

/// Needs of many rules, made ready to be looked for. Rules are numbered from 0 in the order given.
pub struct Prefilter {
    fields: Vec<(Arc<str>, Texts)>,
    /// Places in `fields` by name.
    by_name: HashMap<Arc<str>, usize, BuildHasherDefault<Short>>,
    /// Places of fields that may be there under another name, or inside of an object.
    elsewhere: Vec<usize>,
    anywhere: Option<Texts>,
    /// All bits of each rule.
    wanted: Vec<u32>,
    /// Rules that need nothing.
    always: Vec<u32>,
}

/// What is looked for in one field.
#[derive(Default)]
struct Texts {
    automaton: Option<AhoCorasick>,
    /// Of each pattern of the automaton: found anywhere, at the beginning, at the end.
    patterns: Vec<[Box<[Clause]>; 3]>,
    equals: HashMap<Box<str>, Box<[Clause]>>,
    numbers: HashMap<i64, Box<[Clause]>>,
    /// What no automaton could be built for: taken for filled by any text.
    unbuilt: Box<[Clause]>,
}

/// What one event has filled so far; kept between events so that nothing is allocated.
#[derive(Default)]
pub struct Filled {
    bits: Vec<u32>,
    touched: Vec<u32>,
    seen: Vec<bool>,
    buffer: String,
}

/// A hash for names of fields, which are short: FNV-1a. What is looked up comes from logs, but the table is made
/// of rules alone, so that no log can make it slow.
struct Short(u64);

impl Default for Short {
    fn default() -> Short {
        Short(0xCBF2_9CE4_8422_2325)
    }
}

impl Hasher for Short {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}

impl Filled {
    fn mark(&mut self, clauses: &[Clause]) {
        for clause in clauses {
            if let Some(bits) = self.bits.get_mut(clause.rule as usize) {
                if *bits == 0 {
                    self.touched.push(clause.rule);
                }
                *bits |= clause.bit;
            }
        }
    }
}

impl Prefilter {
    /// Makes the needs of rules ready, for logs that have these names.
    pub fn new<'a>(rules: impl Iterator<Item = &'a Needs>, names: &Names) -> Prefilter {
        let mut wanted = Vec::new();
        let mut always = Vec::new();
        let mut by_field: HashMap<Option<Arc<str>>, HashMap<Test, Vec<Clause>>> = HashMap::new();
        for (nth, needs) in rules.enumerate() {
            let rule = u32::try_from(nth).unwrap_or(u32::MAX);
            let mut bits = 0;
            for (clause, bit) in needs.clauses.iter().zip(0..u32::BITS) {
                bits |= 1 << bit;
                for Literal { field, test } in clause {
                    let tests = by_field.entry(field.clone()).or_default();
                    tests.entry(test.clone()).or_default().push(Clause { rule, bit: 1 << bit });
                }
            }
            if bits == 0 {
                always.push(rule);
            }
            wanted.push(bits);
        }
        let anywhere = by_field.remove(&None).map(Texts::new);
        let mut fields: Vec<(Arc<str>, Texts)> =
            by_field.into_iter().filter_map(|(field, tests)| Some((field?, Texts::new(tests)))).collect();
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        let by_name = fields.iter().enumerate().map(|(nth, (name, _))| (Arc::clone(name), nth)).collect();
        let is_elsewhere = |name: &str| name.contains('.') || !names.of(name).is_empty();
        let elsewhere = fields
            .iter()
            .enumerate()
            .filter(|(_, (name, _))| is_elsewhere(name))
            .map(|(nth, _)| nth)
            .collect();
        Prefilter { fields, by_name, elsewhere, anywhere, wanted, always }
    }

    /// Names each rule whose needs the event fills.
    pub fn candidates(&self, view: &View<'_>, filled: &mut Filled, found: &mut dyn FnMut(usize)) {
        if filled.bits.len() < self.wanted.len() {
            filled.bits.resize(self.wanted.len(), 0);
        }
        let mut seen = std::mem::take(&mut filled.seen);
        seen.clear();
        seen.resize(self.fields.len(), false);
        for (name, value) in &view.event.fields {
            if let Some(nth) = self.by_name.get(name.as_str())
                && let (Some((_, texts)), Some(seen)) = (self.fields.get(*nth), seen.get_mut(*nth))
            {
                *seen = true;
                texts.look_in_value(value, 0, filled);
            }
        }
        for nth in &self.elsewhere {
            if let (Some(false), Some((name, texts))) = (seen.get(*nth), self.fields.get(*nth)) {
                view.each_value(name, &mut |value| texts.look_in_value(value, 0, filled));
            }
        }
        filled.seen = seen;
        if let Some(texts) = &self.anywhere {
            view.each_text(&mut |text| texts.look_in(text, filled));
        }
        self.always.iter().for_each(|rule| found(*rule as usize));
        let mut touched = std::mem::take(&mut filled.touched);
        for rule in touched.drain(..).map(|rule| rule as usize) {
            let bits = filled.bits.get_mut(rule).map(std::mem::take);
            if bits == self.wanted.get(rule).copied() {
                found(rule);
            }
        }
        filled.touched = touched;
    }
}

/// Where a pattern must stand, by its place in [`Texts::patterns`].
const ANYWHERE: usize = 0;
const AT_START: usize = 1;
const AT_END: usize = 2;

impl Texts {
    fn new(tests: HashMap<Test, Vec<Clause>>) -> Texts {
        let mut texts = Texts::default();
        let mut inside: HashMap<String, [Vec<Clause>; 3]> = HashMap::new();
        for (test, clauses) in tests {
            let (text, place) = match test {
                Test::Equals(text) => {
                    texts.equals.insert(text.into_boxed_str(), clauses.into_boxed_slice());
                    continue;
                }
                Test::Number(number) => {
                    texts.numbers.insert(number, clauses.into_boxed_slice());
                    continue;
                }
                Test::Contains(text) => (text, ANYWHERE),
                Test::Starts(text) => (text, AT_START),
                Test::Ends(text) => (text, AT_END),
            };
            if let Some(clauses_of) = inside.entry(text).or_default().get_mut(place) {
                clauses_of.extend(clauses);
            }
        }
        let mut inside: Vec<_> = inside.into_iter().collect();
        inside.sort_by(|(a, _), (b, _)| a.cmp(b));
        let kinds = match inside.len() {
            0 => return texts,
            1..=DFA_PATTERNS_MAX => &[AhoCorasickKind::DFA, AhoCorasickKind::ContiguousNFA][..],
            _ => &[AhoCorasickKind::ContiguousNFA, AhoCorasickKind::NoncontiguousNFA],
        };
        let build = |kind: &AhoCorasickKind| {
            let mut builder = AhoCorasick::builder();
            builder.match_kind(MatchKind::Standard).kind(Some(*kind));
            builder.build(inside.iter().map(|(text, _)| text)).ok()
        };
        texts.automaton = kinds.iter().find_map(build);
        if texts.automaton.is_none() {
            texts.unbuilt = inside.into_iter().flat_map(|(_, places)| places).flatten().collect();
            return texts;
        }
        let boxed = |[a, b, c]: [Vec<Clause>; 3]| [a.into(), b.into(), c.into()];
        texts.patterns = inside.into_iter().map(|(_, places)| boxed(places)).collect();
        texts
    }

    fn look_in_value(&self, value: &Value, depth: usize, filled: &mut Filled) {
        if let Value::Array(values) = value {
            if depth < 32 {
                values.iter().for_each(|value| self.look_in_value(value, depth + 1, filled));
            }
            return;
        }
        if !self.numbers.is_empty()
            && let Some(number) = whole(value)
            && let Some(clauses) = self.numbers.get(&number)
        {
            filled.mark(clauses);
        }
        if (self.automaton.is_some() || !self.equals.is_empty() || !self.unbuilt.is_empty())
            && let Some(text) = scalar(value)
        {
            self.look_in(&text, filled);
        }
    }

    fn look_in(&self, text: &str, filled: &mut Filled) {
        let mut buffer = std::mem::take(&mut filled.buffer);
        let text = lowered(text, &mut buffer);
        filled.mark(&self.unbuilt);
        if let Some(clauses) = self.equals.get(text) {
            filled.mark(clauses);
        }
        if let Some(automaton) = &self.automaton {
            for hit in automaton.find_overlapping_iter(text) {
                let Some(places) = self.patterns.get(hit.pattern().as_usize()) else { continue };
                let [anywhere, at_start, at_end] = places;
                filled.mark(anywhere);
                if hit.start() == 0 {
                    filled.mark(at_start);
                }
                if hit.end() == text.len() {
                    filled.mark(at_end);
                }
            }
        }
        filled.buffer = buffer;
    }
}

/// The whole number that a value is, however it is written: rules compare numbers by value.
fn whole(value: &Value) -> Option<i64> {
    let number = match value {
        Value::Number(number) => match number.as_i64() {
            Some(whole) => return Some(whole),
            None => number.as_f64()?,
        },
        // Most texts are no numbers: a look at the first byte spares the parser.
        Value::String(text) if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            text.parse::<f64>().ok()?
        }
        _ => return None,
    };
    let rounded = number.round();
    #[expect(clippy::cast_possible_truncation, reason = "out of range it is no number that a rule can name")]
    ((number - rounded).abs() < f64::EPSILON && rounded.abs() < 9e15).then_some(rounded as i64)
}
