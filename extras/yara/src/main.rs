// SPDX-License-Identifier: Apache-2.0
//! `polder-yara RULES PATH…`: one JSON object for each file and rule that holds.
//!
//! Exit codes as of `polder`: 0 found, 1 nothing found, 2 wrong use, 3 partial.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use polder_yara::{Tally, compile, scan};

const FOUND: u8 = 0;
const NOT_FOUND: u8 = 1;
const USAGE: u8 = 2;
const PARTIAL: u8 = 3;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let rules = arguments.next();
    let paths: Vec<PathBuf> = arguments.collect();
    let (Some(rules), false) = (rules, paths.is_empty()) else {
        eprintln!(
            "usage: polder-yara RULES PATH…\n\nRULES is a file of YARA rules, or a folder with .yar files"
        );
        return ExitCode::from(USAGE);
    };
    ExitCode::from(run(&rules, &paths))
}

fn run(rules: &Path, paths: &[PathBuf]) -> u8 {
    let mut tally = Tally::default();
    let compiled = match compile(rules, &mut tally.faults) {
        Ok(compiled) => compiled,
        Err(error) => {
            eprintln!("polder-yara: cannot read {}: {error}", rules.display());
            return USAGE;
        }
    };
    if compiled.iter().len() == 0 {
        tally.faults.iter().for_each(|fault| eprintln!("polder-yara: {fault}"));
        eprintln!("polder-yara: there is no rule in {}", rules.display());
        return USAGE;
    }
    let mut stdout = std::io::stdout().lock();
    scan(&compiled, paths, &mut tally, &mut |finding| {
        // A reader that has gone ends the talking, not the work.
        let _ = writeln!(stdout, "{finding}");
    });
    tally.faults.iter().for_each(|fault| eprintln!("polder-yara: {fault}"));
    eprintln!("{} findings in {} files", tally.findings, tally.files);
    match (tally.faults.is_empty(), tally.findings) {
        (false, _) => PARTIAL,
        (true, 0) => NOT_FOUND,
        (true, _) => FOUND,
    }
}
