// SPDX-License-Identifier: Apache-2.0
//! `pattern`, `warninglists` and `edge`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::Data;

/// A version of STIX.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Spec {
    /// STIX 2.0
    #[value(name = "2.0")]
    V20,
    /// STIX 2.1
    #[value(name = "2.1")]
    V21,
}

/// `pattern`.
#[derive(Debug, Subcommand)]
pub enum PatternCommand {
    /// Say whether a pattern is valid, and how it is hunted for
    Check {
        /// The pattern; `-` reads one from stdin
        pattern: String,
        /// Hold it to the grammar of one version
        #[arg(long)]
        spec: Option<Spec>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Match a pattern against observed data
    Test {
        /// The pattern; `-` reads one from stdin
        pattern: String,
        /// Observed data: objects of STIX 2.0, or bundles of STIX 2.1
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Hold the pattern to the grammar of one version
        #[arg(long)]
        spec: Option<Spec>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// `warninglists`.
#[derive(Debug, Subcommand)]
pub enum WarninglistsCommand {
    /// Take in lists in the format of MISP: a list.json, or a folder with NAME/list.json
    Import {
        #[command(flatten)]
        data: Data,
        /// File or folder
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// List what the node holds
    List {
        #[command(flatten)]
        data: Data,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// Take a list out
    Remove {
        #[command(flatten)]
        data: Data,
        /// Its name
        name: String,
    },
}

/// `edge`.
#[derive(Debug, Subcommand)]
pub enum EdgeCommand {
    /// Look through the mounted file system of a FortiGate for COATHANGER and what is like it
    Check {
        /// Root of the mounted image
        #[arg(value_name = "DIR")]
        image: PathBuf,
        /// Known bad hashes, as a list, CSV, or the published text file; may be given more than once
        #[arg(long, value_name = "FILE")]
        hashes: Vec<PathBuf>,
        /// A list of the running processes, as `ps` prints it with the columns PID, GID and COMMAND
        #[arg(long, value_name = "FILE")]
        processes: Option<PathBuf>,
        /// The device's crash log or event log
        #[arg(long, value_name = "FILE")]
        logs: Vec<PathBuf>,
        /// Print one JSON object for each trace
        #[arg(long)]
        json: bool,
    },
}
