// SPDX-License-Identifier: Apache-2.0
//! Arguments of `polder hunt`.

use std::path::PathBuf;

use clap::Args;
use hunt::detection::Level;
use hunt::detector::Block;
use hunt::report::Language;
use model::zone::Zone;

use super::ReportFormat;
use super::finding::language;
use crate::hunting::Listen;

/// `hunt`.
#[derive(Debug, Args)]
pub struct Hunt {
    /// Data directory: hunts with the node's indicators and rules, and keeps findings and history; POLDER_DATA counts,
    /// too, where neither --indicators nor --rules is given
    #[arg(long = "data", value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Counts when neither --data nor --indicators is given
    #[arg(long = "data-from-environment", env = "POLDER_DATA", hide = true)]
    pub default_dir: Option<PathBuf>,
    /// Logs: files and directories, plain, gzip, zstd, zip, EVTX, Parquet; `-` is stdin
    #[arg(value_name = "PATH", required_unless_present = "syslog")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub quarry: Quarry,
    #[command(flatten)]
    pub reading: Reading,
    #[command(flatten)]
    pub output: Output,
}

/// What is looked for.
#[derive(Debug, Args)]
#[command(next_help_heading = "What to look for")]
pub struct Quarry {
    /// Indicators from a file (list, CSV or STIX); needs no node
    #[arg(long, value_name = "FILE")]
    pub indicators: Vec<PathBuf>,
    /// Sigma rules from a file or a directory, besides those that come with the program
    #[arg(long, value_name = "PATH")]
    pub rules: Vec<PathBuf>,
    /// Without the rules and detectors that come with the program
    #[arg(long)]
    pub no_packs: bool,
    /// Least level of what is told; without it medium, and high for imported rules
    #[arg(long, value_parser = level, value_name = "LEVEL")]
    pub min_level: Option<Level>,
    /// Where addresses are: files in MaxMind's format, for the detectors
    #[arg(long, value_name = "FILE")]
    pub places: Vec<PathBuf>,
    /// Exits of VPNs and proxies: who comes from there may be anywhere; address or network
    #[arg(long, value_parser = block, value_name = "NETWORK")]
    pub exits: Vec<Block>,
}

/// How logs are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "How to read")]
pub struct Reading {
    /// Zone of times that are written without one: UTC, +02:00, Europe/Amsterdam
    #[arg(long, value_parser = zone, value_name = "ZONE", allow_hyphen_values = true)]
    pub tz: Option<Zone>,
    /// Threads; one file each
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Begin anew though a hunt in the same logs for the same was stopped
    #[arg(long)]
    pub anew: bool,
    /// Then go on with what is written to these files, until Ctrl-C; findings are printed as they come
    #[arg(long)]
    pub follow: bool,
    /// Take syslog in, until Ctrl-C: udp:127.0.0.1:5514 or tcp:127.0.0.1:5514
    #[arg(long, value_parser = Listen::parse, value_name = "ADDRESS")]
    pub syslog: Vec<Listen>,
}

/// What comes out.
#[derive(Debug, Args)]
#[command(next_help_heading = "What comes out")]
pub struct Output {
    /// JSON lines: the report, findings, detections, files
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Form of what is printed
    #[arg(long)]
    pub format: Option<ReportFormat>,
    /// Also write the report as one HTML file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Also write one page for the management of a small firm, as HTML
    #[arg(long, value_name = "FILE")]
    pub page: Option<PathBuf>,
    /// Language of that page: nl or en
    #[arg(long, value_parser = language, default_value = "en")]
    pub language: Language,
    /// Whom to call, for that page: a TOML file with [own_it], [csirt], [sector], [police]
    #[arg(long, value_name = "FILE")]
    pub contacts: Option<PathBuf>,
    /// STIX: the sightings name nobody
    #[arg(long)]
    pub anonymous: bool,
    /// Also tell people, as this TOML file says; needs --data
    #[arg(long, value_name = "FILE", requires = "dir")]
    pub notify: Option<PathBuf>,
}

fn level(text: &str) -> Result<Level, String> {
    Level::from_name(text).ok_or_else(|| "one of informational, low, medium, high, critical".to_owned())
}

fn block(text: &str) -> Result<Block, String> {
    Block::parse(text).ok_or_else(|| "a network as in 192.0.2.0/28, or one address".to_owned())
}

fn zone(text: &str) -> Result<Zone, String> {
    Zone::parse(text).map_err(|e| e.to_string())
}
