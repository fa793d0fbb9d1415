// SPDX-License-Identifier: Apache-2.0
//! The one place that knows `rsigma`: Sigma's text to our own rules, and one rule asked of one event.
//!
//! rsigma is young and moves fast. Nothing outside of this file names it, so that another library, or code of
//! our own, replaces it by writing this file anew. Sections are those of the Sigma specification 2.1.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rsigma_eval::{CompiledRule, Event as SigmaEvent, EventValue, compile_rule, compiler::eval_condition};
use rsigma_parser as sigma;
use serde_json::Value;
use sigma::ast::{
    ConditionExpr, Detection, DetectionItem, Detections, FilterRuleTarget, Modifier, Quantifier,
    SelectorPattern, SigmaCollection, SigmaRule,
};
use sigma::value::{SigmaString, SigmaValue, SpecialChar, StringPart};

use super::correlation::{Alias, Comparison, Condition, Correlation, Expression, Measure};
use super::header::{Header, Kind, Source};
use super::needs::{Needs, Test};
use super::view::View;
use crate::detection::Level;
use crate::limits::RULE_REGEX_BYTES_MAX;
use crate::regexes;

/// Answers whether a rule holds of an event.
pub trait Matcher: Send + Sync {
    /// Whether it does.
    fn matches(&self, view: &View<'_>) -> bool;
}

/// A rule that was compiled: what it needs, and itself.
pub struct Compiled {
    /// What an event must have before the rule is asked.
    pub needs: Needs,
    /// The rule.
    pub matcher: Box<dyn Matcher>,
    /// About how many bytes its regular expressions take.
    pub regex_bytes: usize,
}

/// What a document of Sigma is.
#[derive(Clone)]
pub(super) enum Body {
    Correlation(Arc<Correlation>),
    Filter(Arc<Filter>),
    Rule(Arc<Compiled>, Arc<Parsed>),
}

/// A rule as it was parsed, to which filters may be added.
pub(super) struct Parsed(SigmaRule);

/// A filter: conditions that are added to rules (Sigma filters specification).
pub(super) struct Filter {
    /// Ids or names of the rules; empty means all of its log source.
    pub rules: Vec<String>,
    detection: Detections,
}

/// Parses one document. The error says what is wrong with it; warnings are about parts that were left out.
pub(super) fn parse(text: &str) -> Result<(Header, Body, Vec<String>), String> {
    let SigmaCollection { rules, correlations, filters, mut errors } =
        sigma::parse_sigma_yaml(text).map_err(|error| error.to_string())?;
    let parsed = (rules.into_iter().next(), correlations.into_iter().next(), filters.into_iter().next());
    match parsed {
        (Some(rule), _, _) => {
            let compiled = Arc::new(compile(&rule)?);
            Ok((header_of_rule(&rule), Body::Rule(compiled, Arc::new(Parsed(rule))), errors))
        }
        (None, Some(correlation), _) => {
            let header = header_of_correlation(&correlation);
            Ok((header, Body::Correlation(Arc::new(of_correlation(correlation)?)), errors))
        }
        (None, None, Some(filter)) => {
            let header = header_of_filter(&filter);
            let rules = match filter.rules {
                FilterRuleTarget::Any => Vec::new(),
                FilterRuleTarget::Specific(rules) => rules,
            };
            Ok((header, Body::Filter(Arc::new(Filter { rules, detection: filter.detection })), errors))
        }
        (None, None, None) => Err(match errors.is_empty() {
            true => "there is no rule in it".to_owned(),
            false => errors.swap_remove(0),
        }),
    }
}

fn compile(rule: &SigmaRule) -> Result<Compiled, String> {
    if let Some(missing) = rule.detection.conditions.iter().find_map(|c| unknown_name(c, &rule.detection)) {
        return Err(format!("its condition names `{missing}`, which its detection does not have"));
    }
    let mut rule = rule.clone();
    rule.detection.named.values_mut().for_each(|detection| mend(detection, &spell_base64));
    let mut mended = rule.clone();
    mended.detection.named.values_mut().for_each(|detection| mend(detection, &mend_item));
    // rsigma compiles each up to its own limit of 10 MiB, however many there are.
    let regex_bytes = mended.detection.named.values().map(regex_bytes_of).fold(0, usize::saturating_add);
    if regex_bytes > RULE_REGEX_BYTES_MAX {
        return Err(format!(
            "its regular expressions would take some {regex_bytes} bytes; at most {RULE_REGEX_BYTES_MAX} are taken: repeat \
             less in them, or split the rule"
        ));
    }
    let compiled = compile_rule(&mended).map_err(|error| error.to_string())?;
    let needs = Needs::any(rule.detection.conditions.iter().map(|c| needs_of(c, &rule.detection)));
    let question = Question::Any(compiled.conditions.iter().map(|c| question(c, &rule.detection)).collect());
    Ok(Compiled { needs, matcher: Box::new(Asked { compiled, question }), regex_bytes })
}

/// rsigma 0.23.0 anchors a text with wildcards at the wrong end when `startswith` or `endswith` stands with it,
/// and its wildcards do not go across the end of a line, as those of scripts and command lines must. Such
/// texts are handed to it as the regular expressions that they mean.
fn mend(detection: &mut Detection, item: &dyn Fn(&mut DetectionItem)) {
    match detection {
        Detection::AllOf(items) => items.iter_mut().for_each(item),
        Detection::And(all) | Detection::AnyOf(all) => all.iter_mut().for_each(|one| mend(one, item)),
        Detection::ArrayMatch { body, .. } => mend(body, item),
        Detection::Conditional { named, .. } => named.values_mut().for_each(|one| mend(one, item)),
        Detection::Keywords(_) => {}
    }
}

/// Modifier `base64offset`: the text as it stands in Base64 at each of three offsets, without the characters that
/// what stands before and after it has a part in. rsigma 0.23.0 keeps the last of these, and so finds the text
/// only where nothing follows it.
fn spell_base64(item: &mut DetectionItem) {
    use Modifier as M;
    let modifiers = &item.field.modifiers;
    if !modifiers.contains(&M::Base64Offset) || modifiers.contains(&M::All) || modifiers.contains(&M::Base64)
    {
        return;
    }
    let mut spelt = Vec::new();
    for value in &item.values {
        let SigmaValue::String(text) = value else { return };
        let plain = text.as_plain().unwrap_or_else(|| text.original.clone());
        let utf_16 = || plain.encode_utf16();
        let bytes: Vec<u8> = if modifiers.contains(&M::Wide) {
            utf_16().flat_map(u16::to_le_bytes).collect()
        } else if modifiers.contains(&M::Utf16be) {
            utf_16().flat_map(u16::to_be_bytes).collect()
        } else if modifiers.contains(&M::Utf16) {
            [0xFF, 0xFE].into_iter().chain(utf_16().flat_map(u16::to_le_bytes)).collect()
        } else {
            plain.into_bytes()
        };
        spelt.extend([(0, 0), (1, 2), (2, 3)].into_iter().filter_map(|(offset, start)| {
            let encoded = BASE64_STANDARD.encode([vec![0; offset], bytes.clone()].concat());
            let shared = match (offset + bytes.len()) % 3 {
                0 => 0,
                1 => 3,
                _ => 2,
            };
            encoded
                .get(start..encoded.len() - shared)
                .filter(|text| !text.is_empty())
                .map(SigmaValue::from_raw_string)
        }));
    }
    let cased = modifiers.contains(&M::Cased);
    item.field.modifiers = [M::Contains].into_iter().chain(cased.then_some(M::Cased)).collect();
    item.values = spelt;
}

fn mend_item(item: &mut DetectionItem) {
    use Modifier as M;
    let plain = [M::All, M::Cased, M::Contains, M::EndsWith, M::StartsWith, M::WindAsh];
    let wild = |value: &SigmaValue| matches!(value, SigmaValue::String(text) if text.contains_wildcards());
    let is_text = |value: &SigmaValue| matches!(value, SigmaValue::String(_) | SigmaValue::Integer(_));
    if item.field.name.is_none()
        || !item.field.modifiers.iter().all(|modifier| plain.contains(modifier))
        || !item.values.iter().any(wild)
        || !item.values.iter().all(is_text)
    {
        return;
    }
    let modifiers = std::mem::take(&mut item.field.modifiers);
    item.field.modifiers.push(M::Re);
    item.field.modifiers.extend(modifiers.contains(&M::All).then_some(M::All));
    for value in &mut item.values {
        let text = match &*value {
            SigmaValue::String(text) => expression(text, &modifiers),
            other => expression(&SigmaString::from_raw(&other.to_string()), &modifiers),
        };
        *value = SigmaValue::from_raw_string(&text);
    }
}

/// About how many bytes the regular expressions of a detection take once they are compiled, and the spellings that
/// modifier `windash` makes of a text.
fn regex_bytes_of(detection: &Detection) -> usize {
    let sum = |sizes: &mut dyn Iterator<Item = usize>| sizes.fold(0, usize::saturating_add);
    match detection {
        Detection::AllOf(items) => sum(&mut items.iter().map(regex_bytes_of_item)),
        Detection::And(all) | Detection::AnyOf(all) => sum(&mut all.iter().map(regex_bytes_of)),
        Detection::ArrayMatch { body, .. } => regex_bytes_of(body),
        Detection::Conditional { named, .. } => sum(&mut named.values().map(regex_bytes_of)),
        Detection::Keywords(values) => {
            sum(&mut values.iter().map(|value| regex_bytes_of_value(value, &[Modifier::Contains])))
        }
    }
}

fn regex_bytes_of_item(item: &DetectionItem) -> usize {
    let sizes = item.values.iter().map(|value| regex_bytes_of_value(value, &item.field.modifiers));
    sizes.fold(0, usize::saturating_add)
}

fn regex_bytes_of_value(value: &SigmaValue, modifiers: &[Modifier]) -> usize {
    let SigmaValue::String(text) = value else { return 0 };
    if modifiers.contains(&Modifier::Re) {
        return regexes::size_of(&pattern_of(text, modifiers));
    }
    if text.contains_wildcards() {
        return regexes::size_of(&expression(text, modifiers));
    }
    if modifiers.contains(&Modifier::WindAsh) {
        let dashes = text.original.bytes().filter(|byte| *byte == b'-').count();
        let spellings = 5_usize.saturating_pow(u32::try_from(dashes).unwrap_or(u32::MAX));
        return spellings.saturating_mul(text.original.len() + std::mem::size_of::<String>());
    }
    0
}

/// The regular expression that a text with modifier `re` is, with its flags.
fn pattern_of(text: &SigmaString, modifiers: &[Modifier]) -> String {
    let flags: String = [(Modifier::IgnoreCase, 'i'), (Modifier::Multiline, 'm'), (Modifier::DotAll, 's')]
        .iter()
        .filter(|(modifier, _)| modifiers.contains(modifier))
        .map(|(_, flag)| *flag)
        .collect();
    let pattern = text.as_plain().unwrap_or_else(|| text.original.clone());
    if flags.is_empty() { pattern } else { format!("(?{flags}){pattern}") }
}

/// The regular expression that a text with wildcards means.
fn expression(text: &SigmaString, modifiers: &[Modifier]) -> String {
    let has = |modifier: Modifier| modifiers.contains(&modifier);
    let mut all = if has(Modifier::Cased) { "(?s)" } else { "(?is)" }.to_owned();
    if !has(Modifier::Contains) && !has(Modifier::EndsWith) {
        all.push('^');
    }
    for part in &text.parts {
        match part {
            StringPart::Plain(plain) if has(Modifier::WindAsh) => with_any_dash(plain, &mut all),
            StringPart::Plain(plain) => all.push_str(&regex_syntax::escape(plain)),
            StringPart::Special(SpecialChar::WildcardMulti) => all.push_str(".*"),
            StringPart::Special(SpecialChar::WildcardSingle) => all.push('.'),
        }
    }
    if !has(Modifier::Contains) && !has(Modifier::StartsWith) {
        all.push('$');
    }
    all
}

/// Modifier `windash`: the sign that begins an option may be any that Windows takes for one.
fn with_any_dash(text: &str, into: &mut String) {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if matches!(c, '-' | '/') && !is_word(before) && is_word(rest.peek().copied()) {
            into.push_str("[-/\u{2013}\u{2014}\u{2015}]");
        } else {
            into.push_str(&regex_syntax::escape(c.encode_utf8(&mut [0; 4])));
        }
        before = Some(c);
    }
}

/// A rule with filters: it holds where the rule holds and each filter's condition too.
pub(super) fn filtered(parsed: &Parsed, filters: &[&Filter]) -> Result<Compiled, String> {
    let mut rule = parsed.0.clone();
    for (nth, filter) in filters.iter().enumerate() {
        // A name of the filter must not be one of the rule's, nor be found by the rule's `1 of …`; a leading
        // underscore keeps it out of `them`.
        let prefix = format!("_filter-{nth}-");
        let named = &filter.detection.named;
        rule.detection.named.extend(named.iter().map(|(name, d)| (format!("{prefix}{name}"), d.clone())));
        let added: Vec<ConditionExpr> =
            filter.detection.conditions.iter().map(|c| renamed(c, &prefix, &filter.detection)).collect();
        for condition in &mut rule.detection.conditions {
            let both = [std::slice::from_ref(condition), added.as_slice()].concat();
            *condition = ConditionExpr::And(both);
        }
    }
    compile(&rule)
}

/// The condition with the filter's names as they stand in the rule.
fn renamed(condition: &ConditionExpr, prefix: &str, of: &Detections) -> ConditionExpr {
    let each = |all: &[ConditionExpr]| all.iter().map(|c| renamed(c, prefix, of)).collect();
    match condition {
        ConditionExpr::And(all) => ConditionExpr::And(each(all)),
        ConditionExpr::Or(all) => ConditionExpr::Or(each(all)),
        ConditionExpr::Not(inner) => ConditionExpr::Not(Box::new(renamed(inner, prefix, of))),
        ConditionExpr::Identifier(name) => ConditionExpr::Identifier(format!("{prefix}{name}")),
        ConditionExpr::Selector { quantifier, pattern } => {
            let mut names: Vec<ConditionExpr> = of
                .named
                .keys()
                .filter(|name| pattern.matches_detection_name(name))
                .map(|name| ConditionExpr::Identifier(format!("{prefix}{name}")))
                .collect();
            names.sort_by_key(ToString::to_string);
            match (quantifier, pattern) {
                (Quantifier::All, _) => ConditionExpr::And(names),
                (Quantifier::Any, _) => ConditionExpr::Or(names),
                (Quantifier::Count(_), SelectorPattern::Pattern(glob)) => ConditionExpr::Selector {
                    quantifier: quantifier.clone(),
                    pattern: SelectorPattern::Pattern(format!("{prefix}{glob}")),
                },
                (Quantifier::Count(_), SelectorPattern::Them) => ConditionExpr::Selector {
                    quantifier: quantifier.clone(),
                    pattern: SelectorPattern::Pattern(format!("{prefix}*")),
                },
            }
        }
    }
}

fn unknown_name(condition: &ConditionExpr, of: &Detections) -> Option<String> {
    match condition {
        ConditionExpr::And(all) | ConditionExpr::Or(all) => all.iter().find_map(|c| unknown_name(c, of)),
        ConditionExpr::Not(inner) => unknown_name(inner, of),
        ConditionExpr::Identifier(name) => (!of.named.contains_key(name)).then(|| name.clone()),
        ConditionExpr::Selector { quantifier, pattern } => {
            (!of.named.keys().any(|name| pattern.matches_detection_name(name)))
                .then(|| format!("{quantifier} of {pattern}"))
        }
    }
}

struct Asked {
    compiled: CompiledRule,
    question: Question,
}

/// A condition whose selectors are spelt out. rsigma asks every detection that a selector names before it counts;
/// here the first that decides is the last that is asked.
enum Question {
    All(Vec<Question>),
    Any(Vec<Question>),
    AtLeast(u64, Vec<Question>),
    Detection(ConditionExpr),
    Not(Box<Question>),
}

fn question(condition: &ConditionExpr, of: &Detections) -> Question {
    match condition {
        ConditionExpr::And(all) => Question::All(all.iter().map(|c| question(c, of)).collect()),
        ConditionExpr::Or(all) => Question::Any(all.iter().map(|c| question(c, of)).collect()),
        ConditionExpr::Not(inner) => Question::Not(Box::new(question(inner, of))),
        ConditionExpr::Identifier(name) => Question::Detection(ConditionExpr::Identifier(name.clone())),
        ConditionExpr::Selector { quantifier, pattern } => {
            let names = of.named.keys().filter(|name| pattern.matches_detection_name(name));
            let mut names: Vec<&String> = names.collect();
            names.sort();
            let each =
                names.into_iter().map(|name| Question::Detection(ConditionExpr::Identifier(name.clone())));
            match quantifier {
                Quantifier::All => Question::All(each.collect()),
                Quantifier::Any => Question::Any(each.collect()),
                Quantifier::Count(count) => Question::AtLeast(*count, each.collect()),
            }
        }
    }
}

impl Asked {
    fn holds(&self, question: &Question, event: &Shown<'_>, selections: &mut Vec<String>) -> bool {
        match question {
            Question::All(all) => all.iter().all(|one| self.holds(one, event, selections)),
            Question::Any(all) => all.iter().any(|one| self.holds(one, event, selections)),
            Question::AtLeast(0, _) => true,
            Question::AtLeast(count, all) => {
                let mut held = 0;
                all.iter().any(|one| {
                    held += u64::from(self.holds(one, event, selections));
                    held >= *count
                })
            }
            Question::Detection(name) => eval_condition(name, &self.compiled.detections, event, selections),
            Question::Not(inner) => !self.holds(inner, event, selections),
        }
    }
}

impl Matcher for Asked {
    fn matches(&self, view: &View<'_>) -> bool {
        self.holds(&self.question, &Shown(view), &mut Vec::new())
    }
}

/// An event as rsigma asks for it: borrowed, with the names that the log gives its fields.
struct Shown<'a>(&'a View<'a>);

impl SigmaEvent for Shown<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        let mut values = Vec::new();
        self.0.each_value(path, &mut |value| values.push(value));
        match values.as_slice() {
            [] => None,
            [value] => Some(EventValue::from(*value)),
            several => {
                Some(EventValue::Array(several.iter().map(|value| EventValue::from(*value)).collect()))
            }
        }
    }

    fn any_string_value(&self, holds: &dyn Fn(&str) -> bool) -> bool {
        let mut any = false;
        self.0.each_text(&mut |text| any = any || holds(text));
        any
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        let mut all = Vec::new();
        self.0.each_text(&mut |text| all.push(Cow::Owned(text.to_owned())));
        all
    }

    fn to_json(&self) -> Value {
        Value::Object(self.0.event.fields.clone())
    }
}

// --- needs ---

fn needs_of(condition: &ConditionExpr, of: &Detections) -> Needs {
    match condition {
        ConditionExpr::And(all) => Needs::all(all.iter().map(|c| needs_of(c, of))),
        ConditionExpr::Or(all) => Needs::any(all.iter().map(|c| needs_of(c, of))),
        ConditionExpr::Not(_) => Needs::nothing(),
        ConditionExpr::Identifier(name) => of.named.get(name).map_or_else(Needs::nothing, needs_of_detection),
        ConditionExpr::Selector { quantifier, pattern } => {
            let mut named: Vec<_> =
                of.named.iter().filter(|(name, _)| pattern.matches_detection_name(name)).collect();
            // Of a map in random order: the same rules must give the same needs.
            named.sort_by_key(|(name, _)| name.as_str());
            let needs = named.into_iter().map(|(_, detection)| needs_of_detection(detection));
            match quantifier {
                Quantifier::All => Needs::all(needs),
                Quantifier::Count(0) => Needs::nothing(),
                Quantifier::Any | Quantifier::Count(_) => Needs::any(needs),
            }
        }
    }
}

fn needs_of_detection(detection: &Detection) -> Needs {
    match detection {
        Detection::AllOf(items) => Needs::all(items.iter().map(needs_of_item)),
        Detection::And(all) => Needs::all(all.iter().map(needs_of_detection)),
        Detection::AnyOf(all) => Needs::any(all.iter().map(needs_of_detection)),
        Detection::Keywords(values) => Needs::any(values.iter().map(|value| match value {
            SigmaValue::String(text) => needs_of_text(None, text, &[Modifier::Contains]),
            _ => Needs::nothing(),
        })),
        Detection::ArrayMatch { .. } | Detection::Conditional { .. } => Needs::nothing(),
    }
}

fn needs_of_item(item: &DetectionItem) -> Needs {
    use Modifier as M;
    let modifiers = &item.field.modifiers;
    // What these compare with is not the text that the rule holds.
    let opaque = [
        M::Base64,
        M::Base64Offset,
        M::Wide,
        M::Utf16be,
        M::Utf16,
        M::Cidr,
        M::Exists,
        M::Expand,
        M::FieldRef,
        M::Gt,
        M::Gte,
        M::Lt,
        M::Lte,
        M::Neq,
        M::Minute,
        M::Hour,
        M::Day,
        M::Week,
        M::Month,
        M::Year,
    ];
    if modifiers.iter().any(|modifier| opaque.contains(modifier)) {
        return Needs::nothing();
    }
    let field: Option<Arc<str>> = item.field.name.as_deref().map(Arc::from);
    let of_value = |value: &SigmaValue| needs_of_value(field.as_ref(), value, modifiers);
    if modifiers.contains(&M::All) {
        Needs::all(item.values.iter().map(of_value))
    } else {
        Needs::any(item.values.iter().map(of_value))
    }
}

fn needs_of_value(field: Option<&Arc<str>>, value: &SigmaValue, modifiers: &[Modifier]) -> Needs {
    let inside = [Modifier::Contains, Modifier::StartsWith, Modifier::EndsWith];
    match value {
        SigmaValue::String(text) if modifiers.contains(&Modifier::Re) => {
            Needs::regex(field, &pattern_of(text, modifiers))
        }
        SigmaValue::String(text) => needs_of_text(field, text, modifiers),
        SigmaValue::Integer(number) if modifiers.iter().any(|m| inside.contains(m)) => {
            needs_of_text(field, &SigmaString::from_raw(&number.to_string()), modifiers)
        }
        SigmaValue::Integer(number) if field.is_some() => Needs::literal(field, Test::Number(*number)),
        SigmaValue::Bool(_) | SigmaValue::Float(_) | SigmaValue::Integer(_) | SigmaValue::Null => {
            Needs::nothing()
        }
    }
}

/// Each plain part between wildcards must be there; the first and the last at the ends, if nothing loosens them.
fn needs_of_text(field: Option<&Arc<str>>, text: &SigmaString, modifiers: &[Modifier]) -> Needs {
    let has = |modifier: Modifier| modifiers.contains(&modifier);
    // A keyword stands anywhere in a text.
    let (starts, ends) = match field {
        None => (false, false),
        Some(_) => (
            !has(Modifier::Contains) && !has(Modifier::EndsWith),
            !has(Modifier::Contains) && !has(Modifier::StartsWith),
        ),
    };
    if has(Modifier::WindAsh) {
        // The dash may be any of several: what stands between dashes is there in any case.
        let pieces = text.parts.iter().filter_map(|part| match part {
            StringPart::Plain(plain) => Some(plain.split(['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'])),
            StringPart::Special(_) => None,
        });
        return Needs::all(pieces.flatten().map(|piece| Needs::text(field, piece, false, false)));
    }
    if text.parts.is_empty() {
        return Needs::text(field, "", starts, ends);
    }
    let last = text.parts.len() - 1;
    Needs::all(text.parts.iter().enumerate().map(|(nth, part)| match part {
        StringPart::Plain(plain) => Needs::text(field, plain, nth == 0 && starts, nth == last && ends),
        StringPart::Special(SpecialChar::WildcardMulti | SpecialChar::WildcardSingle) => Needs::nothing(),
    }))
}

// --- headers ---

/// A member that is a list of its kind of document alone.
macro_rules! header {
    ($from:expr, $kind:expr, $source:expr) => {
        Header {
            id: $from.id.clone().unwrap_or_default(),
            name: $from.name.clone().unwrap_or_default(),
            title: $from.title.clone(),
            kind: $kind,
            level: $from.level.map_or(Level::Informational, level),
            status: $from.status.map(|status| format!("{status:?}").to_lowercase()).unwrap_or_default(),
            version: $from.modified.clone().or_else(|| $from.date.clone()).unwrap_or_default(),
            description: $from.description.clone().unwrap_or_default(),
            author: $from.author.clone().unwrap_or_default(),
            licence: $from.license.clone().unwrap_or_default(),
            references: $from.references.clone(),
            techniques: techniques(&$from.tags),
            tags: $from.tags.clone(),
            falsepositives: $from.falsepositives.clone(),
            advice: $from
                .custom_attributes
                .get("advice")
                .and_then(|value| value.as_str())
                .unwrap_or_default()
                .to_owned(),
            source: $source,
        }
    };
}

fn header_of_rule(rule: &SigmaRule) -> Header {
    header!(rule, Kind::Rule, source(&rule.logsource))
}

fn header_of_correlation(rule: &sigma::ast::CorrelationRule) -> Header {
    header!(rule, Kind::Correlation, Source::default())
}

fn header_of_filter(rule: &sigma::ast::FilterRule) -> Header {
    header!(rule, Kind::Filter, rule.logsource.as_ref().map(source).unwrap_or_default())
}

fn source(source: &sigma::ast::LogSource) -> Source {
    let part = |part: &Option<String>| part.as_deref().unwrap_or_default().to_ascii_lowercase();
    Source {
        product: part(&source.product),
        category: part(&source.category),
        service: part(&source.service),
    }
}

fn level(level: sigma::ast::Level) -> Level {
    Level::from_name(level.as_str()).unwrap_or_default()
}

/// `attack.t1110.003` says technique T1110.003.
fn techniques(tags: &[String]) -> Vec<String> {
    let of = |tag: &String| {
        let technique = tag.strip_prefix("attack.t").or_else(|| tag.strip_prefix("attack.T"))?;
        technique.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("T{technique}"))
    };
    tags.iter().filter_map(of).collect()
}

// --- correlations ---

fn of_correlation(rule: sigma::ast::CorrelationRule) -> Result<Correlation, String> {
    use sigma::ast::CorrelationType as T;
    if rule.window != sigma::ast::WindowMode::Sliding {
        return Err("windows other than sliding ones are no part of the specification".to_owned());
    }
    let (condition, fields, percentile) = match rule.condition {
        sigma::ast::CorrelationCondition::Threshold { predicates, field, percentile } => {
            let comparisons = predicates.into_iter().map(|(operator, value)| (comparison(operator), value));
            (Condition::Threshold(comparisons.collect()), field.unwrap_or_default(), percentile)
        }
        sigma::ast::CorrelationCondition::Extended(expression) => {
            (Condition::Rules(expression_of(&expression)?), Vec::new(), None)
        }
    };
    let measure = match rule.correlation_type {
        T::EventCount => Measure::EventCount,
        T::ValueCount => Measure::ValueCount,
        T::Temporal => Measure::Temporal,
        T::TemporalOrdered => Measure::TemporalOrdered,
        T::ValueSum => Measure::ValueSum,
        T::ValueAvg => Measure::ValueAvg,
        T::ValueMedian => Measure::ValuePercentile(50),
        T::ValuePercentile => match u8::try_from(percentile.unwrap_or(50)) {
            Ok(rank @ 0..=100) => Measure::ValuePercentile(rank),
            _ => return Err("its percentile is not between 0 and 100".to_owned()),
        },
    };
    let aliases = rule
        .aliases
        .into_iter()
        .map(|alias| Alias { name: alias.alias, fields: alias.mapping.into_iter().collect() });
    Correlation {
        measure,
        median: rule.correlation_type == T::ValueMedian,
        rules: rule.rules,
        group_by: rule.group_by,
        fields,
        timespan_seconds: rule.timespan.seconds,
        timespan: rule.timespan.original,
        condition,
        aliases: aliases.collect(),
        generate: rule.generate,
    }
    .checked()
}

fn comparison(operator: sigma::ast::ConditionOperator) -> Comparison {
    use sigma::ast::ConditionOperator as O;
    match operator {
        O::Lt => Comparison::Less,
        O::Lte => Comparison::LessOrEqual,
        O::Gt => Comparison::Greater,
        O::Gte => Comparison::GreaterOrEqual,
        O::Eq => Comparison::Equal,
        O::Neq => Comparison::Unequal,
    }
}

fn expression_of(condition: &ConditionExpr) -> Result<Expression, String> {
    let each = |all: &[ConditionExpr]| all.iter().map(expression_of).collect::<Result<Vec<_>, _>>();
    Ok(match condition {
        ConditionExpr::And(all) => Expression::All(each(all)?),
        ConditionExpr::Or(all) => Expression::Any(each(all)?),
        ConditionExpr::Not(inner) => Expression::Not(Box::new(expression_of(inner)?)),
        ConditionExpr::Identifier(name) => Expression::Rule(name.clone()),
        ConditionExpr::Selector { .. } => {
            return Err("its condition has `of`, where a correlation names its rules".to_owned());
        }
    })
}
