// SPDX-License-Identifier: Apache-2.0
//! Arguments of `polder rules`.

use std::path::PathBuf;

use clap::Subcommand;
use hunt::detection::Level;

use super::Data;

/// `rules`.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Take Sigma rules in; those of level high and above run with the next hunt
    Import {
        #[command(flatten)]
        data: Data,
        /// Files, or folders of .yml and .yaml files
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Name of the set that they belong to; the last part of the first path when not given
        #[arg(long)]
        set: Option<String>,
        /// Licence of the set, which is shown with each match of a rule that states none
        #[arg(long, default_value = "")]
        licence: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List rules, those that ship with the program among them
    List {
        #[command(flatten)]
        data: Data,
        /// Only this level and above
        #[arg(long, value_parser = level)]
        level: Option<Level>,
        /// Only rules whose log source has this part: `windows`, `process_creation`, `sshd` …
        #[arg(long)]
        source: Option<String>,
        /// Only rules that run
        #[arg(long)]
        running: bool,
        /// Least level that runs, in place of high for imported rules and medium for those that ship
        #[arg(long, value_parser = level, value_name = "LEVEL")]
        min_level: Option<Level>,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// Show one rule as it was written
    Show {
        #[command(flatten)]
        data: Data,
        /// Its id, name or exact title
        rule: String,
    },
    /// Run rules over logs and say what they match; nothing is kept
    Test {
        #[command(flatten)]
        data: OptionalData,
        /// Rules to run, files or folders; the node's when not given, without a node those that ship
        #[arg(long = "rules", value_name = "PATH")]
        rules: Vec<PathBuf>,
        /// Logs
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Least level; with --rules all of them are run when it is not given
        #[arg(long, value_parser = level, value_name = "LEVEL")]
        min_level: Option<Level>,
        /// Print one JSON object for each detection
        #[arg(long)]
        json: bool,
    },
    /// Run a rule whatever its level
    Enable {
        #[command(flatten)]
        data: Data,
        /// Ids, names or exact titles
        #[arg(required = true, value_name = "RULE")]
        rules: Vec<String>,
    },
    /// Do not run a rule
    Disable {
        #[command(flatten)]
        data: Data,
        /// Ids, names or exact titles
        #[arg(required = true, value_name = "RULE")]
        rules: Vec<String>,
    },
    /// Make an exception: what it covers is counted and not told
    Except {
        #[command(flatten)]
        data: Data,
        /// Id, name or exact title of the rule; `*` for all
        rule: String,
        /// What the event must have, all of it; `*` in a value stands for anything
        #[arg(value_name = "FIELD=VALUE")]
        conditions: Vec<String>,
        /// Why it is nothing
        #[arg(long)]
        reason: String,
        /// Until when: a day, 2026-12-31, through to its end in UTC
        #[arg(long, value_name = "DAY")]
        until: String,
        /// Who says so; the user of this machine when not given
        #[arg(long, env = "USER", default_value = "unknown")]
        by: String,
    },
    /// List exceptions, or end one
    Exceptions {
        #[command(flatten)]
        data: Data,
        /// End the exception of this number
        #[arg(long, value_name = "NR")]
        end: Option<i64>,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// What each rule came to in all hunts
    Stats {
        #[command(flatten)]
        data: Data,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
}

/// A data directory that may be there.
#[derive(Clone, Debug, clap::Args)]
pub struct OptionalData {
    /// Data directory of the node
    #[arg(long = "data", env = "POLDER_DATA", value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

fn level(text: &str) -> Result<Level, String> {
    Level::from_name(text).ok_or_else(|| {
        let names: Vec<&str> = Level::ALL.iter().map(|(_, name)| *name).collect();
        format!("`{text}` is no level; write one of {}", names.join(", "))
    })
}
