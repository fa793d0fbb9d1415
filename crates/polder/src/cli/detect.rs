// SPDX-License-Identifier: Apache-2.0
//! Arguments of what the detectors are told: crown jewels, leaked passwords.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Data;

/// `crown`.
#[derive(Debug, Subcommand)]
pub enum CrownCommand {
    /// Take a share into the register
    Add {
        #[command(flatten)]
        data: Data,
        /// \\server\share, or the share's name alone for that of any server
        share: String,
        /// Why it is a crown jewel
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// List the register
    List {
        #[command(flatten)]
        data: Data,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// Take a share out of the register
    Remove {
        #[command(flatten)]
        data: Data,
        /// As `crown list` shows it
        share: String,
    },
}

/// `leaked`.
#[derive(Debug, Args)]
pub struct Leaked {
    /// Accounts with hashes: user:HASH (NT or SHA-1), or user:rid:lm:nt::: as directory tools write it
    #[arg(value_name = "FILE")]
    pub hashes: PathBuf,
    /// Leaked passwords in the form of Have I Been Pwned: one sorted file, or a directory of ranges
    #[arg(long, value_name = "PATH")]
    pub list: PathBuf,
    /// Print one JSON object for each account
    #[arg(long)]
    pub json: bool,
}
