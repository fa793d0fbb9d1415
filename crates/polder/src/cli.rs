// SPDX-License-Identifier: Apache-2.0
//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use model::marking::Tlp;

/// Share threats, find them in your own logs, prove what was said.
#[derive(Debug, Parser)]
#[command(name = "polder", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done or found · 1 nothing found or verification failed · 2 wrong use · \
3 partial · 4 authentication · 5 unreachable · 6 this machine (disk, lock, port, newer database) · 70 internal"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The data directory.
#[derive(Clone, Debug, Args)]
pub struct Data {
    /// Data directory of the node
    #[arg(long = "data", env = "POLDER_DATA", value_name = "DIR")]
    pub dir: PathBuf,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a node: its keys, its database, its root statement
    Init(Init),
    /// Take STIX bundles or indicator lists into the ledger
    Import(Import),
    /// Write what the node holds as one STIX 2.1 bundle to stdout
    Export(Export),
    /// Communities: who shares with whom
    #[command(subcommand)]
    Community(CommunityCommand),
    /// Access tokens for TAXII clients
    #[command(subcommand)]
    Token(TokenCommand),
    /// Serve TAXII 2.1
    Serve(Serve),
    /// Find indicators in logs
    Hunt(Hunt),
    /// Ask whether an observable was ever seen in the logs that were hunted
    Seen(Seen),
    /// Findings of earlier hunts; share one as a STIX sighting
    #[command(subcommand)]
    Finding(FindingCommand),
    /// Verify the log, and prove what stands in it
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Look for what is wrong with a node, and say what to do
    Doctor(Doctor),
    /// See it all once on shipped samples: init, import, serve, read, hunt, verify
    Tour(Tour),
}

/// `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Where to make it
    #[command(flatten)]
    pub data: Data,
    /// Name of the organisation
    #[arg(long)]
    pub name: String,
    /// Its country, ISO 3166-1 alpha-2
    #[arg(long, value_parser = country)]
    pub country: String,
    /// Its sector
    #[arg(long)]
    pub sector: String,
    /// Keep records in a PostgreSQL database: a file that holds its connection string
    #[arg(long, value_name = "FILE")]
    pub postgres: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Format of a file to import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// CSV with a header line
    Csv,
    /// STIX 2.0 or 2.1: bundle, TAXII envelope, array, or objects one after another
    Stix,
    /// One indicator a line
    Text,
}

/// `import`.
#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    pub data: Data,
    /// Files, plain, gzip or zstd; `-` is stdin
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Format; found by content when it is not given (JSON is STIX)
    #[arg(long)]
    pub format: Option<Format>,
    /// Label for the objects, in the envelope; never loosens: the strictest wins
    #[arg(long, value_parser = tlp, value_name = "LABEL")]
    pub tlp: Option<Tlp>,
    /// Share with this community; otherwise they stay in the own organisation
    #[arg(long, value_name = "ID")]
    pub community: Option<String>,
    /// Print one JSON object for each file
    #[arg(long)]
    pub json: bool,
}

/// Format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One STIX 2.1 bundle
    Stix,
}

/// `export`.
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub data: Data,
    /// Format
    #[arg(long)]
    pub format: ExportFormat,
    /// Leave out what is marked stricter than this
    #[arg(long, value_parser = tlp, value_name = "LABEL", default_value = "amber+strict")]
    pub max_tlp: Tlp,
}

/// `community`.
#[derive(Debug, Subcommand)]
pub enum CommunityCommand {
    /// Make a community with the own organisation as its first member
    New {
        #[command(flatten)]
        data: Data,
        /// Its name
        #[arg(long)]
        name: String,
        /// What its members agree to
        #[arg(long, default_value = "")]
        terms: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Add a member
    Add {
        #[command(flatten)]
        data: Data,
        /// The community's id
        community: String,
        /// The member's id, 64 hexadecimal digits
        member: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List communities and their members
    List {
        #[command(flatten)]
        data: Data,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
}

/// `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token; it is printed once and kept nowhere
    New {
        #[command(flatten)]
        data: Data,
        /// What it is for
        #[arg(long)]
        name: String,
        /// Member who reads with it; the own organisation when not given
        #[arg(long, value_name = "ID")]
        member: Option<String>,
        /// Strictest label that it may be given; AMBER+STRICT for the own organisation, GREEN for others
        #[arg(long, value_parser = tlp, value_name = "LABEL")]
        max_tlp: Option<Tlp>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List tokens
    List {
        #[command(flatten)]
        data: Data,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// Make a token useless at once
    Revoke {
        #[command(flatten)]
        data: Data,
        /// Its name
        #[arg(long)]
        name: String,
    },
}

/// `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    pub data: Data,
    /// Address and port
    #[arg(long, default_value = "127.0.0.1:8440")]
    pub listen: SocketAddr,
    /// Speak plain HTTP; for loopback alone
    #[arg(long)]
    pub http: bool,
}

/// `hunt`.
#[derive(Debug, Args)]
pub struct Hunt {
    /// Data directory: hunts with the node's indicators and keeps findings and history
    #[arg(long = "data", value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Counts when neither --data nor --indicators is given
    #[arg(long = "data-from-environment", env = "POLDER_DATA", hide = true)]
    pub default_dir: Option<PathBuf>,
    /// Indicators from a file (list, CSV or STIX); needs no node
    #[arg(long, value_name = "FILE")]
    pub indicators: Vec<PathBuf>,
    /// Logs: files and directories, plain, gzip or zstd; `-` is stdin
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Threads; one file each
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Print one JSON object for each line and indicator
    #[arg(long)]
    pub json: bool,
}

/// `seen`.
#[derive(Debug, Args)]
pub struct Seen {
    #[command(flatten)]
    pub data: Data,
    /// Address, domain or hash
    pub value: String,
    /// For a domain: its subdomains too
    #[arg(long)]
    pub subdomains: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `finding`.
#[derive(Debug, Subcommand)]
pub enum FindingCommand {
    /// List findings
    List {
        #[command(flatten)]
        data: Data,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// Make STIX sightings of what was found for an indicator, and append them to the ledger
    Sight {
        #[command(flatten)]
        data: Data,
        /// STIX id of the indicator
        indicator: String,
        /// Only of this value
        #[arg(long)]
        value: Option<String>,
        /// Share with this community; otherwise it stays in the own organisation
        #[arg(long, value_name = "ID")]
        community: Option<String>,
        /// Label, if it should be stricter than the indicator's
        #[arg(long, value_parser = tlp, value_name = "LABEL")]
        tlp: Option<Tlp>,
        /// Print one JSON object for each sighting
        #[arg(long)]
        json: bool,
    },
}

/// `ledger`.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Verify every entry, the tree and the newest checkpoint
    Verify {
        #[command(flatten)]
        data: Data,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write a proof of one object to stdout
    Prove {
        #[command(flatten)]
        data: Data,
        /// STIX id of the object
        id: String,
        /// The version with this `modified`; the newest when not given
        #[arg(long, value_name = "TIME")]
        version: Option<String>,
        /// Refuse what is marked stricter than this
        #[arg(long, value_parser = tlp, value_name = "LABEL", default_value = "amber+strict")]
        max_tlp: Tlp,
    },
    /// Write the side file `published` anew, if it was lost and this database is the newest there is
    Publish {
        #[command(flatten)]
        data: Data,
    },
    /// Check a proof that somebody else made; needs no node
    Check {
        /// Member whom you expect to have signed: the id you learned elsewhere
        #[arg(long, value_name = "ID")]
        member: Option<String>,
        /// The proof; `-` is stdin
        proof: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    pub data: Data,
    /// Print one JSON object for each check
    #[arg(long)]
    pub json: bool,
}

/// `tour`.
#[derive(Debug, Args)]
pub struct Tour {
    /// Keep the tour's data directory and say where it is
    #[arg(long)]
    pub keep: bool,
}

fn tlp(text: &str) -> Result<Tlp, String> {
    Tlp::parse(text).ok_or_else(|| "one of clear, green, amber, amber+strict, red".to_owned())
}

fn country(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    let two = upper.len() == 2 && upper.bytes().all(|b| b.is_ascii_uppercase());
    if two { Ok(upper) } else { Err("two letters, as in NL".to_owned()) }
}
