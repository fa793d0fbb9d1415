// SPDX-License-Identifier: Apache-2.0
//! `polder pattern`: whether a pattern is valid, and what it matches.

use std::io::Read as _;
use std::path::Path;

use hunt::limits::{OBSERVED_DATA_BYTES_MAX, PATTERN_BYTES_MAX};
use hunt::pattern::{Dialect, Matcher, Pattern, PatternSet, read_observed};
use hunt::standard::compile;
use model::diagnostic::shown;
use serde_json::json;

use crate::cli::{PatternCommand, Spec};
use crate::failure::{Exit, Failure};
use crate::input::read_small;
use crate::out::say;

/// Runs `pattern`.
pub fn run(command: &PatternCommand) -> Result<Exit, Failure> {
    match command {
        PatternCommand::Check { pattern, spec, json } => check(&text(pattern)?, *spec, *json),
        PatternCommand::Test { pattern, file, spec, json } => test(&text(pattern)?, file, *spec, *json),
    }
}

fn text(argument: &str) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(PATTERN_BYTES_MAX as u64 + 1).read_to_string(&mut text);
    read.map_err(|e| Failure::io("read", Path::new("stdin"), &e))?;
    Ok(text.trim().to_owned())
}

fn dialect(spec: Option<Spec>) -> Dialect {
    match spec {
        None => Dialect::Lenient,
        Some(Spec::V20) => Dialect::V20,
        Some(Spec::V21) => Dialect::V21,
    }
}

fn check(pattern: &str, spec: Option<Spec>, as_json: bool) -> Result<Exit, Failure> {
    let faults = Pattern::faults(pattern, dialect(spec));
    let exit = if faults.is_empty() { Exit::Done } else { Exit::NotFound };
    let compiled = compile(pattern).unwrap_or_default();
    let values: Vec<String> = compiled.wanted.iter().map(|(o, _)| format!("{} {o}", o.kind())).collect();
    let every_line = compiled.rest.as_ref().is_some_and(PatternSet::asks_every_line_for);
    let rest = compiled.rest.map(|rest| rest.to_string());
    let meaning = rest.as_deref().and_then(|rest| Matcher::new(&Pattern::parse(rest).ok()?).err());
    let mut errors: Vec<String> = faults.iter().map(ToString::to_string).collect();
    errors.extend(meaning.map(|error| error.to_string()));
    if as_json {
        say!(
            "{}",
            json!({
                "valid": faults.is_empty(), "errors": errors, "values": values, "matched_on_events": rest,
                "reads_every_line": every_line,
            })
        );
        return Ok(exit);
    }
    errors.iter().for_each(|error| say!("{}", shown(error)));
    if faults.is_empty() {
        say!("the pattern is valid");
        values.iter().for_each(|value| say!("  looked for in every line: {}", shown(value)));
        rest.iter().for_each(|rest| say!("  matched against events: {}", shown(rest)));
        if every_line {
            say!(
                "  it does not say what its lines hold: a hunt with it reads every line into an event, and is six to twenty \
                 times slower; docs/patterns.md says what would name the lines"
            );
        }
    }
    Ok(exit)
}

fn test(pattern: &str, file: &Path, spec: Option<Spec>, as_json: bool) -> Result<Exit, Failure> {
    let bytes = read_small(file, OBSERVED_DATA_BYTES_MAX as u64)?;
    // What stops the match: the pattern's grammar, its meaning, or the data.
    let verdict = Pattern::parse_as(pattern, dialect(spec))
        .map_err(|error| ("invalid", error.to_string()))
        .and_then(|pattern| {
            let matcher = Matcher::new(&pattern).map_err(|error| ("error", error.to_string()))?;
            let named = read_observed(&bytes).map_err(|error| ("error", error.to_string()))?;
            let (names, observed): (Vec<_>, Vec<_>) = named.into_iter().unzip();
            let matched = matcher.matched(&observed).map_err(|error| ("error", error.to_string()))?;
            Ok((names, matched))
        });
    let (word, message, matched, exit) = match verdict {
        Err((word, message)) => (word, message, Vec::new(), Exit::Usage),
        Ok((_, None)) => ("no match", String::new(), Vec::new(), Exit::NotFound),
        Ok((names, Some(matched))) => {
            let named = |nth: &usize| (*nth, names.get(*nth).cloned().unwrap_or_default());
            ("match", String::new(), matched.iter().map(named).collect(), Exit::Done)
        }
    };
    if as_json {
        let matched: Vec<_> = matched.iter().map(|(nth, id)| json!({ "index": nth, "id": id })).collect();
        say!("{}", json!({ "verdict": word, "message": message, "matched": matched }));
        return Ok(exit);
    }
    match word {
        "match" => {
            say!("match");
            for (nth, id) in &matched {
                say!(
                    "  {}",
                    if id.is_empty() { format!("observed-data {}", nth + 1) } else { shown(id).into_owned() }
                );
            }
        }
        "no match" => say!("no match"),
        _ => return Err(Failure::usage(message)),
    }
    Ok(exit)
}
