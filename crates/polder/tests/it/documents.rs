// SPDX-License-Identifier: Apache-2.0
//! What the documents say of the program, held against the program: codes, commands, options.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::LazyLock;

use crate::support::PROGRAM;
use crate::tidy::{Faults, crate_of, is_comment, is_product, paths, product_lines, read, sources};

/// Crates that only tests use: what they name is no code of the program's.
const TESTS_ALONE: &[&str] = &["fuzzing", "loggen", "sim"];

/// How names of traces on an edge device begin: they stand where a code may stand, and are none.
const TRACE: &str = "edge-";

/// Options that `docs/commands.md` says of all commands together.
const COMMON: &[&str] = &["--data", "--help", "--json", "--passphrase-file"];

/// Options of other programs that the documents tell the reader to run.
const OF_OTHERS: &[&str] = &[
    "--auth",
    "--bench",
    "--encoding",
    "--example",
    "--locale",
    "--locked",
    "--no-deps",
    "--nocapture",
    "--path",
    "--release",
    "--scale",
    "--seed",
    "--test",
    "--username",
    "--workspace",
];

// --- codes ---

#[test]
fn each_diagnostic_code_stands_in_its_document() {
    let mut faults = Faults::default();
    let (made, told) = (codes_of_source(), codes_of_document());
    assert!(made.len() > 120, "only {} codes were found: this test no longer sees them, mend it", made.len());
    for (code, place) in &made {
        if !told.contains(code) {
            faults.add(format!("{place}: `{code}` is not in docs/diagnostics.md; add what it means"));
        }
    }
    for code in told.iter().filter(|code| !made.contains_key(*code)) {
        faults.add(format!("docs/diagnostics.md: nothing makes `{code}`; remove it, or mend this test"));
    }
    faults.check();
}

/// In each shape in which the code is written down somewhere.
#[test]
fn codes_are_seen_in_every_shape() {
    let seen = |text: &'static str| codes_in(text).into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    assert_eq!(seen("Diagnostic::error(\n    \"truncated\",\n    place)"), ["truncated"]);
    assert_eq!(seen("self.stop(\"truncated\", message)"), ["truncated"]);
    assert_eq!(seen("use model::Diagnostic; return Err(refused(\"rule-id\", message))"), ["rule-id"]);
    assert_eq!(seen("use model::Diagnostic; Problem { code: \"not-json\", message }"), ["not-json"]);
    assert_eq!(seen("use model::Diagnostic; .map(|nth| (nth, \"rule-circle\"))"), ["rule-circle"]);
    assert_eq!(seen("fn code(self) -> &'static str { match self { A => \"revoked\" } }"), ["revoked"]);
    assert_eq!(seen("return skip(tx, record.seq, \"client-form\");"), ["client-form"]);
    assert!(seen("fn name(self) -> &'static str { match self { A => \"revoked\" } }").is_empty());
    assert!(
        seen("use model::Diagnostic; \"domain-name\" => kind, self.trace(\"edge-process\", 1)").is_empty()
    );
}

/// Every code that a part of the program makes, and where.
fn codes_of_source() -> BTreeMap<String, String> {
    let mut codes = BTreeMap::new();
    for path in sources().filter(|path| is_product(path) && !TESTS_ALONE.contains(&crate_of(path))) {
        let text = read(path);
        let lines: Vec<&str> = text.lines().collect();
        let product: BTreeSet<usize> = product_lines(&lines).collect();
        let kept = |(nth, line): (usize, &&str)| match product.contains(&nth) && !is_comment(line) {
            true => (*line).to_owned() + "\n",
            false => "\n".to_owned(),
        };
        let text: String = lines.iter().enumerate().map(kept).collect();
        for (code, at) in codes_in(&text) {
            let line = text[..at].matches('\n').count() + 1;
            codes.entry(code.to_owned()).or_insert_with(|| format!("{path}:{line}"));
        }
    }
    codes
}

/// Texts that stand where a code stands, each with its place in bytes.
fn codes_in(text: &str) -> Vec<(&str, usize)> {
    let mut codes = Vec::new();
    for (at, _) in text.match_indices('"') {
        let Some((word, after)) = text[at + 1..].split_once('"') else { continue };
        let is_word =
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b"-0123456789".contains(&b));
        let (before, after) = (text[..at].trim_end(), after.trim_start());
        let constructed =
            ["Diagnostic::error(", "Diagnostic::warning(", "self.stop(", "skip(tx, record.seq,"]
                .iter()
                .any(|call| before.ends_with(call));
        // Codes that a closure, a function or a tuple hands on.
        let handed_on = text.contains("Diagnostic")
            && word.contains('-')
            && !word.starts_with(TRACE)
            && (before.ends_with('(') && after.starts_with(',')
                || before.ends_with(',') && after.starts_with(')')
                || before.ends_with("code:"));
        let in_fn_code = before.ends_with("=>")
            && before.rsplit_once("fn ").is_some_and(|(_, function)| {
                function.starts_with("code(") && function.contains("-> &'static str")
            });
        if is_word && (constructed || handed_on || in_fn_code) {
            codes.push((word, at));
        }
    }
    codes
}

/// Codes in the first column of the document's tables.
fn codes_of_document() -> BTreeSet<String> {
    let page = read("docs/diagnostics.md");
    let cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
    cells.flat_map(|(cell, _)| quoted(&format!("`{cell}"))).collect()
}

// --- commands ---

/// `docs/commands.md` has each command with just the options that it takes.
#[test]
fn each_command_and_option_stands_in_its_document() {
    let mut faults = Faults::default();
    let page = read("docs/commands.md");
    let mut told: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').collect();
        let words = quoted(cells[1]).concat();
        let Some(name) = command_of(&words) else {
            faults.add(format!("docs/commands.md: there is no command `{words}`; remove it"));
            continue;
        };
        told.insert(name, options(cells[2]).map(str::to_owned).collect());
    }
    for (name, taken) in COMMANDS.iter() {
        let taken: BTreeSet<String> =
            taken.iter().filter(|option| !COMMON.contains(&option.as_str())).cloned().collect();
        let said = told.get(name.as_str()).cloned().unwrap_or_default();
        if !told.contains_key(name.as_str()) {
            faults.add(format!("docs/commands.md: `{name}` is missing; add a row for it"));
        }
        for option in taken.difference(&said) {
            faults.add(format!("docs/commands.md: `{name}` takes {option}, too; add it to its row"));
        }
        for option in said.difference(&taken) {
            faults.add(format!("docs/commands.md: `{name}` does not take {option}; remove it"));
        }
    }
    faults.check();
}

#[test]
fn no_document_names_an_option_that_does_not_exist() {
    let mut faults = Faults::default();
    let known: BTreeSet<&str> =
        COMMANDS.values().flatten().map(String::as_str).chain(["--version"]).collect();
    for path in paths().iter().filter(|path| path.ends_with(".md")) {
        let page = read(path);
        for option in options(&page).filter(|option| !known.contains(option) && !OF_OTHERS.contains(option)) {
            faults.add(format!(
                "{path}: no command takes {option}; correct it, or name it in OF_OTHERS of this test if it is \
                 another program's"
            ));
        }
        // What is quoted as a whole command is held against that command.
        for words in commands_in(&page) {
            let Some(name) = command_of(&words) else { continue };
            let taken = &COMMANDS[name];
            for option in options(&words).filter(|option| !taken.contains(*option)) {
                faults.add(format!("{path}: `polder {words}`: {name} does not take {option}; correct it"));
            }
        }
    }
    faults.check();
}

/// `docs/json.md` says what each command prints that knows `--json`.
#[test]
fn each_command_with_json_stands_in_its_document() {
    let mut faults = Faults::default();
    let page = read("docs/json.md");
    // Of a row what stands in front; the commands of `rules` have paragraphs.
    let front =
        page.lines().map(|line| line.strip_prefix("| ").map_or(line, |row| row.split(" |").next().unwrap()));
    let told: BTreeSet<String> = front.flat_map(quoted).collect();
    for (name, _) in COMMANDS.iter().filter(|(_, taken)| taken.contains("--json")) {
        if !told.contains(name) {
            faults.add(format!("docs/json.md: `{name}` takes --json; say which members it prints"));
        }
    }
    faults.check();
}

/// Two branches that change one row leave both of them when they are merged line by line.
#[test]
fn no_row_of_a_reference_stands_twice() {
    let mut faults = Faults::default();
    let mut rows = 0;
    for path in ["docs/commands.md", "docs/diagnostics.md", "docs/json.md", "docs/report.md"] {
        let page = read(path);
        let mut seen = BTreeSet::new();
        for (nth, line) in page.lines().enumerate() {
            let Some((front, _)) = line.strip_prefix("| ").and_then(|row| row.split_once(" |")) else {
                seen.clear();
                continue;
            };
            for name in quoted(front) {
                rows += 1;
                if !seen.insert(name.clone()) {
                    faults.add(format!("{path}:{}: `{name}` has a row above; keep the true one", nth + 1));
                }
            }
        }
    }
    assert!(rows > 300, "only {rows} names were found in front of rows");
    faults.check();
}

/// Each command that does something, with its options, as `--help` tells them.
static COMMANDS: LazyLock<BTreeMap<String, BTreeSet<String>>> = LazyLock::new(|| {
    let mut commands = BTreeMap::new();
    let mut open = vec![Vec::new()];
    while let Some(words) = open.pop() {
        let output = Command::new(PROGRAM).args(&words).arg("--help").output().unwrap();
        assert!(output.status.success(), "polder {} --help", words.join(" "));
        let help = String::from_utf8(output.stdout).unwrap();
        let below: Vec<Vec<String>> = help
            .lines()
            .skip_while(|line| *line != "Commands:")
            .skip(1)
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_whitespace().next())
            .filter(|word| *word != "help")
            .map(|word| words.iter().cloned().chain([word.to_owned()]).collect())
            .collect();
        if below.is_empty() {
            let listed = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
            let names = listed.filter_map(|line| options(line).next()).map(str::to_owned);
            commands.insert(words.join(" "), names.collect());
        }
        open.extend(below);
    }
    assert!(commands.len() > 80, "only {} commands were found", commands.len());
    commands
});

/// The command with which a line of words begins.
fn command_of(words: &str) -> Option<&'static str> {
    let begins =
        |name: &str| words == name || words.strip_prefix(name).is_some_and(|rest| rest.starts_with(' '));
    COMMANDS.keys().map(String::as_str).filter(|name| begins(name)).max_by_key(|name| name.len())
}

/// What stands in a page as a call of the program, without its name: lines of fenced blocks, and quotes.
fn commands_in(page: &str) -> Vec<String> {
    let mut calls = Vec::new();
    let mut prose = String::new();
    let mut fenced = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced ^= true;
        } else if fenced {
            // A remark goes on to the end of the line.
            let call = line.split_once('#').map_or(line, |(call, _)| call);
            calls.push(call.trim().to_owned());
        } else {
            prose += line;
            prose.push('\n');
        }
    }
    calls.extend(quoted(&prose));
    calls.into_iter().filter_map(|call| call.strip_prefix("polder ").map(str::to_owned)).collect()
}

/// Text between backticks, on one line each, in paragraphs of Markdown.
fn quoted(text: &str) -> Vec<String> {
    let parts = |block: &str| {
        let words = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
        block.split('`').skip(1).step_by(2).map(words).collect::<Vec<_>>()
    };
    // A backtick that nobody closed spoils no more than its own paragraph or row.
    text.split("\n\n").flat_map(|block| block.split("\n|")).flat_map(parts).collect()
}

/// Options as `--name`, wherever they stand.
fn options(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("--").filter_map(|(at, _)| {
        let starts = text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '-');
        let rest = &text[at + 2..];
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-' && !c.is_ascii_digit());
        let name = &rest[..end.unwrap_or(rest.len())];
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase());
        (starts && is_name).then(|| &text[at..at + 2 + name.len()])
    })
}
