// SPDX-License-Identifier: Apache-2.0
//! `cargo run -p loggen --example loggen -- years DIR --seed N --days N --scale small|medium|full`: years of mixed,
//! packed logs with gaps and damaged files, the truth beside them. An example, so that the workspace has one program
//! and `cargo run` needs no name.

use std::path::PathBuf;
use std::process::ExitCode;

use loggen::years::{Scale, write};

const USAGE: &str = "usage: loggen years DIR [--seed N] [--days N] [--scale small|medium|full]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((dir, seed, days, scale)) = parse(&args) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match write(&dir, seed, days, scale) {
        Ok(summary) => {
            eprintln!(
                "loggen: {} files, {} lines, {} bytes packed in {}; the truth is in truth.jsonl, what is missing or \
                 damaged in faults.jsonl",
                summary.files,
                summary.lines,
                summary.bytes,
                dir.display()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("loggen: cannot write into {}: {error}", dir.display());
            ExitCode::from(6)
        }
    }
}

fn parse(args: &[String]) -> Option<(PathBuf, u64, i64, Scale)> {
    let mut args = args.iter().map(String::as_str);
    if args.next()? != "years" {
        return None;
    }
    let dir = PathBuf::from(args.next().filter(|dir| !dir.starts_with('-'))?);
    let (mut seed, mut days, mut scale) = (1, 1_095, Scale::Small);
    while let Some(name) = args.next() {
        let value = args.next()?;
        match name {
            "--seed" => seed = value.parse().ok()?,
            "--days" => days = value.parse().ok().filter(|days| (40..=3_660).contains(days))?,
            "--scale" => scale = Scale::from_name(value)?,
            _ => return None,
        }
    }
    Some((dir, seed, days, scale))
}
