// SPDX-License-Identifier: Apache-2.0
//! Rules from their text: what is good, and one diagnostic for each that is not.

use std::collections::HashSet;
use std::sync::Arc;

use model::diagnostic::Diagnostic;
use model::id::hex;
use serde::Deserialize as _;
use sha2::{Digest as _, Sha256};

use super::expansion;
use super::header::Header;
use super::nesting;
use super::sigma::{self, Body};
use crate::limits::{
    RULE_BYTES_MAX, RULE_CONDITION_BYTES_MAX, RULE_CONDITION_DEPTH_MAX, RULE_FILE_BYTES_MAX,
    RULE_NAME_BYTES_MAX, RULES_PER_FILE_MAX, RULES_REGEX_BYTES_MAX,
};

/// One rule, correlation or filter, compiled.
#[derive(Clone)]
pub struct Rule {
    /// What it says of itself.
    pub header: Header,
    /// Its text, as it was read.
    pub text: Arc<str>,
    /// Whether its matches are told. One that is not only serves correlations that name it.
    pub told: bool,
    pub(super) body: Body,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rule").field("header", &self.header).field("told", &self.told).finish_non_exhaustive()
    }
}

/// What a file of rules came to: each of its documents is a rule or is refused.
#[derive(Debug, Default)]
pub struct Loading {
    /// Rules that can be used.
    pub rules: Vec<Rule>,
    /// Documents that cannot.
    pub refused: u64,
    /// Why not, and what else a person should look at.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loading {
    fn refuse(&mut self, diagnostic: Diagnostic) {
        self.refused += 1;
        self.diagnostics.push(diagnostic);
    }
}

/// What the regular expressions of rules may still take together, in bytes.
#[derive(Debug)]
pub struct RegexRoom(usize);

impl Default for RegexRoom {
    fn default() -> RegexRoom {
        RegexRoom(RULES_REGEX_BYTES_MAX)
    }
}

impl RegexRoom {
    /// Takes what a rule needs. The error says what is wrong with one for which there is no room.
    fn take(&mut self, rule: &Rule) -> Result<(), String> {
        let Body::Rule(compiled, _) = &rule.body else { return Ok(()) };
        match self.0.checked_sub(compiled.regex_bytes) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(format!(
                "`{}`: its regular expressions and those of the rules before it would take more than \
                 {RULES_REGEX_BYTES_MAX} bytes",
                short(&rule.header.title)
            )),
        }
    }
}

/// Reads the Sigma rules of one file: YAML documents, each with its own place in diagnostics.
///
/// ```
/// let text = b"title: A tool\nlogsource: {product: windows}\ndetection: {s: {Image: a.exe}, condition: s}\n---\ntitle: B\n";
/// let loading = hunt::rule::read_rules(text, "mine.yml");
/// assert_eq!((loading.rules.len(), loading.refused), (1, 1));
/// assert_eq!(loading.diagnostics[0].place, "mine.yml line 5");
/// ```
pub fn read_rules(bytes: &[u8], place: &str) -> Loading {
    read_rules_within(bytes, place, &mut RegexRoom::default())
}

/// The same for one file of several that are run together: what their regular expressions take is counted in `room`.
pub fn read_rules_within(bytes: &[u8], place: &str, room: &mut RegexRoom) -> Loading {
    let mut loading = Loading::default();
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.len() > RULE_FILE_BYTES_MAX {
        let message = format!("it has {} bytes; at most {RULE_FILE_BYTES_MAX} are read", bytes.len());
        loading.refuse(Diagnostic::error("rule-too-long", place, message).with_fix("split the file"));
        return loading;
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        loading.refuse(
            Diagnostic::error("rule-not-text", place, "it is no UTF-8 text").with_fix("save it as UTF-8"),
        );
        return loading;
    };
    let mut seen = HashSet::new();
    let mut documents = 0;
    for (line, document) in documents_of(text) {
        let place = format!("{place} line {line}");
        documents += 1;
        if documents > RULES_PER_FILE_MAX {
            let message = format!("the file has more than {RULES_PER_FILE_MAX} rules; this one is left out");
            loading.refuse(Diagnostic::error("rules-too-many", place, message).with_fix("split the file"));
            continue;
        }
        match read_document(document, &place, &mut loading.diagnostics) {
            Ok(rule) if !seen.insert(rule.header.id.to_ascii_lowercase()) => loading.refuse(
                Diagnostic::error("rule-again", place, format!("the id {} stands twice", rule.header.id))
                    .with_fix("give each rule an id of its own"),
            ),
            Ok(rule) => match room.take(&rule) {
                Ok(()) => loading.rules.push(rule),
                Err(message) => loading.refuse(
                    Diagnostic::error("rule-regexes-too-large", place, message)
                        .with_fix("repeat less in the regular expressions, or leave rules out"),
                ),
            },
            Err(diagnostic) => loading.refuse(diagnostic),
        }
    }
    loading
}

/// Documents with the number of their first line. A line of three dashes ends one, even in a block of text.
fn documents_of(text: &str) -> Vec<(usize, &str)> {
    let mut documents = Vec::new();
    let (mut start, mut first_line, mut at) = (0, 1, 0);
    for (nth, line) in text.split_inclusive('\n').enumerate() {
        let rest = line.strip_prefix("---");
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])) {
            documents.push((first_line, text.get(start..at).unwrap_or_default()));
            (start, first_line) = (at + line.len(), nth + 2);
        }
        at += line.len();
    }
    documents.push((first_line, text.get(start..).unwrap_or_default()));
    documents.retain(|(_, document)| document.lines().any(is_content));
    documents
}

fn is_content(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#') && line != "..."
}

fn read_document(text: &str, place: &str, diagnostics: &mut Vec<Diagnostic>) -> Result<Rule, Diagnostic> {
    let named = || match text.lines().find_map(|line| line.strip_prefix("title:")) {
        Some(title) => format!("`{}`: ", title.trim().chars().take(100).collect::<String>()),
        None => String::new(),
    };
    let refused =
        |code, message: String| Diagnostic::error(code, place, format!("{}{}", named(), short(&message)));
    if text.len() > RULE_BYTES_MAX {
        let message = format!("it has {} bytes; at most {RULE_BYTES_MAX} are read", text.len());
        return Err(refused("rule-too-long", message).with_fix("split its lists of values"));
    }
    if text.lines().any(|line| line.starts_with("action:")) {
        let message = "it uses `action:`, which the specification dropped with version 2".to_owned();
        return Err(refused("rule-action", message).with_fix("write each rule in full"));
    }
    nesting::check(text).map_err(|message| {
        refused("rule-nested", message).with_fix("nest less, and write lists one value a line")
    })?;
    expansion::check(text).map_err(|message| {
        refused("rule-anchors", message).with_fix("write out what the anchors (`&name`, `*name`) stand for")
    })?;
    check_conditions(text).map_err(|message| refused("rule-condition", message))?;
    let (mut header, body, warnings) =
        sigma::parse(text).map_err(|message| refused("rule-refused", message))?;
    for warning in warnings {
        diagnostics.push(Diagnostic::warning("rule-part", place, format!("{}{}", named(), short(&warning))));
    }
    if header.id.is_empty() {
        let hash = Sha256::digest(text.as_bytes());
        header.id = format!("sha256-{}", hex(hash.get(..16).unwrap_or_default()));
    }
    if header.id.len() > RULE_NAME_BYTES_MAX || header.name.len() > RULE_NAME_BYTES_MAX {
        let message = format!("its id or its name has more than {RULE_NAME_BYTES_MAX} bytes");
        return Err(refused("rule-id", message).with_fix("give it a UUID for an id"));
    }
    Ok(Rule { header, text: text.into(), told: true, body })
}

/// What a library says, on one line and not too long.
fn short(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(300) {
        Some((at, _)) => format!("{} …", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

/// The parser of conditions follows parentheses by recursion, so deep ones are refused before it sees them.
/// Only a text that could hold such a condition is looked at twice.
fn check_conditions(text: &str) -> Result<(), String> {
    let parentheses = text.bytes().filter(|byte| *byte == b'(').count();
    if parentheses <= RULE_CONDITION_DEPTH_MAX && text.len() <= RULE_CONDITION_BYTES_MAX {
        return Ok(());
    }
    for document in yaml_serde::Deserializer::from_str(text) {
        // What is no YAML is refused with a better message by the parser of rules.
        let Ok(value) = yaml_serde::Value::deserialize(document) else { return Ok(()) };
        check_value(&value, false)?;
    }
    Ok(())
}

fn check_value(value: &yaml_serde::Value, is_condition: bool) -> Result<(), String> {
    match value {
        yaml_serde::Value::String(text) if is_condition => check_condition(text),
        yaml_serde::Value::Sequence(values) => {
            values.iter().try_for_each(|value| check_value(value, is_condition))
        }
        yaml_serde::Value::Mapping(map) => map.iter().try_for_each(|(key, value)| {
            check_value(value, is_condition || key.as_str() == Some("condition"))
        }),
        _ => Ok(()),
    }
}

fn check_condition(text: &str) -> Result<(), String> {
    if text.len() > RULE_CONDITION_BYTES_MAX {
        return Err(format!("a condition of more than {RULE_CONDITION_BYTES_MAX} bytes"));
    }
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    match deepest > RULE_CONDITION_DEPTH_MAX {
        true => Err(format!("a condition with parentheses nested deeper than {RULE_CONDITION_DEPTH_MAX}")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(nth: usize, expression: &str, times: usize) -> String {
        let values = vec![format!("    - '{expression}'\n"); times].concat();
        format!(
            "title: R{nth}\nid: r{nth}\nlogsource: {{product: test}}\ndetection:\n  s:\n   f|re:\n{values}  condition: s\n"
        )
    }

    /// 18 KB of a rule took two gigabytes: each expression had a limit, and their sum had none.
    #[test]
    fn a_rule_of_many_costly_expressions_is_refused() {
        let loading = read_rules(rule(1, r"(?i)(a|b|c){1,200}x\w{50}\w{30}", 400).as_bytes(), "t");
        let codes: Vec<_> = loading.diagnostics.iter().map(|d| d.code).collect();
        assert_eq!((loading.rules.len(), loading.refused, codes), (0, 1, vec!["rule-refused"]));
        let message = &loading.diagnostics[0].message;
        assert!(message.starts_with("`R1`: its regular expressions would take some"), "{message}");
        assert_eq!(read_rules(rule(1, r"(?i)a\w+\d{3}", 30).as_bytes(), "t").refused, 0);
    }

    /// As many dashes as modifier `windash` takes are four hundred thousand spellings.
    #[test]
    fn a_rule_of_many_spellings_is_refused() {
        let text = |value: &str| {
            format!(
                "title: R\nlogsource: {{product: t}}\ndetection: {{s: {{f|windash|contains: '{value}'}}, condition: s}}\n"
            )
        };
        assert_eq!(read_rules(text(" -a -b -c").as_bytes(), "t").refused, 0);
        assert_eq!(
            read_rules(text(&format!(" -a -b -c -d -e -f -g -h{}", "x".repeat(500))).as_bytes(), "t").refused,
            1
        );
    }

    #[test]
    fn the_sum_of_the_expressions_of_all_rules_is_bounded() {
        let one = rule(1, r"\w{10}", 1);
        let read = read_rules(one.as_bytes(), "t");
        let size = read.rules.iter().map(|rule| match &rule.body {
            Body::Rule(compiled, _) => compiled.regex_bytes,
            _ => 0,
        });
        let mut room = RegexRoom(size.sum::<usize>() * 2 + 100_000);
        assert!(room.0 > 500_000, "{room:?}");
        let all = [one, rule(2, r"\w{10}", 1), rule(3, r"\w{10}", 1), rule(4, "a", 1)].join("---\n");
        let loading = read_rules_within(all.as_bytes(), "t", &mut room);
        let said: Vec<_> = loading.diagnostics.iter().map(|d| (d.code, d.place.as_str())).collect();
        assert_eq!(loading.rules.len(), 3, "{said:?}");
        assert_eq!(said, [("rule-regexes-too-large", "t line 19")]);
        let again = read_rules_within(rule(5, r"\w{10}", 1).as_bytes(), "u", &mut room);
        assert_eq!(
            (again.refused, again.diagnostics[0].code),
            (1, "rule-regexes-too-large"),
            "of another file, too"
        );
    }
}
