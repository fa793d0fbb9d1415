// SPDX-License-Identifier: Apache-2.0
//! A million objects: ATT&CK many times over, each copy with ids of its own.
//!
//! `cargo bench -p polder --bench million -- [import|pages]`; both parts without a word.
//! `POLDER_BENCH_COPIES` (41) says how many copies, `POLDER_BENCH_PAGES` (300) how many pages are read for
//! each line of the table, `POLDER_BENCH_DIR` where the nodes are made and kept for the next run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a measurement that cannot go on stops, and reads clock and environment"
)]

#[path = "../common/mod.rs"]
mod common;
mod import;
mod pages;

use std::fs;
use std::path::PathBuf;

/// What is measured, and where.
pub struct Plan {
    pub copies: u32,
    pub pages: usize,
    pub dir: PathBuf,
    pub keep: bool,
    /// ATT&CK's JSON.
    pub json: Vec<u8>,
}

fn main() {
    let Some(data) = common::attack() else { return };
    let number = |name: &str, default: usize| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let kept = std::env::var_os("POLDER_BENCH_DIR").map(PathBuf::from);
    let plan = Plan {
        copies: number("POLDER_BENCH_COPIES", 41) as u32,
        pages: number("POLDER_BENCH_PAGES", 300),
        keep: kept.is_some(),
        dir: kept
            .unwrap_or_else(|| std::env::temp_dir().join(format!("polder-million-{}", std::process::id()))),
        json: zstd::decode_all(fs::File::open(data).expect("the data can be read")).expect("zstd"),
    };
    fs::create_dir_all(&plan.dir).expect("a directory can be made");
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let all = wanted.is_empty();
    if all || wanted.iter().any(|w| w == "import") {
        import::run(&plan);
    }
    if all || wanted.iter().any(|w| w == "pages") {
        pages::run(&plan);
    }
    if !plan.keep {
        fs::remove_dir_all(&plan.dir).expect("the directory can be removed");
    }
}
