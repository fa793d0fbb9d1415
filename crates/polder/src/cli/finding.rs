// SPDX-License-Identifier: Apache-2.0
//! `finding` and `notify` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use hunt::report::Language;
use hunt::report::draft::State;
use model::marking::Tlp;

use super::{Data, tlp};

/// `finding`.
#[derive(Debug, Subcommand)]
pub enum FindingCommand {
    /// List findings
    List {
        #[command(flatten)]
        data: Data,
        /// Only those in this state: new, dismissed, drafted or shared
        #[arg(long, value_parser = state)]
        state: Option<State>,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// Show all that is known of one finding, and what a sighting of it would say
    Show {
        #[command(flatten)]
        data: Data,
        /// Its id: `finding list` shows it
        id: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Approve a finding: append a STIX sighting of it to the ledger
    Share(ShareFinding),
    /// Say that a finding or a detection is nothing, or not to be shared
    Dismiss {
        #[command(flatten)]
        data: Data,
        /// Its id: `finding list` shows those of findings, reports those of detections
        id: String,
        /// Why
        #[arg(long, required_unless_present = "undo", conflicts_with = "undo")]
        reason: Option<String>,
        /// Let it count again
        #[arg(long)]
        undo: bool,
    },
    /// Rules that approve findings in place of a person
    #[command(subcommand)]
    ApproveRule(ApproveRuleCommand),
    /// Report on all that earlier hunts found
    Report(FindingReport),
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

/// `finding share`.
#[derive(Debug, Args)]
pub struct ShareFinding {
    #[command(flatten)]
    pub data: Data,
    /// Id of the finding: `finding list` shows it
    pub id: String,
    /// Share with this community; otherwise it stays in the own organisation, or goes where its draft says
    #[arg(long, value_name = "ID")]
    pub community: Option<String>,
    /// Label, if it should be stricter than the indicator's
    #[arg(long, value_parser = tlp, value_name = "LABEL")]
    pub tlp: Option<Tlp>,
    /// The sighting names nobody, its times are days and its count a span; the ledger still says who appended it
    #[arg(long)]
    pub anonymous: bool,
    /// Only prepare it: another `finding share` appends it
    #[arg(long)]
    pub draft: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `finding approve-rule`.
#[derive(Debug, Subcommand)]
pub enum ApproveRuleCommand {
    /// Make a rule: findings of which all that is named holds are shared without asking
    Add {
        #[command(flatten)]
        data: Data,
        /// Only of this indicator
        #[arg(long, value_name = "ID")]
        indicator: Option<String>,
        /// Only of indicators that this identity made
        #[arg(long, value_name = "ID")]
        author: Option<String>,
        /// Only of indicators that are marked at most this strict; never RED
        #[arg(long, value_parser = tlp, value_name = "LABEL", default_value = "amber")]
        max_tlp: Tlp,
        /// Share with this community; otherwise the sightings stay in the own organisation
        #[arg(long, value_name = "ID")]
        community: Option<String>,
        /// The sightings name nobody
        #[arg(long)]
        anonymous: bool,
        /// Only prepare drafts, for a person to share
        #[arg(long)]
        draft: bool,
        /// Why
        #[arg(long)]
        reason: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the rules
    List {
        #[command(flatten)]
        data: Data,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// Take a rule away; what it approved stays
    Remove {
        #[command(flatten)]
        data: Data,
        /// Its number
        rule: i64,
    },
    /// Apply the rules to all new findings
    Run {
        #[command(flatten)]
        data: Data,
        /// Print one JSON object for each finding that a rule approved
        #[arg(long)]
        json: bool,
    },
}

/// Form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// CSV, for a spreadsheet
    Csv,
    /// One HTML page that opens from disk and prints
    Html,
    /// JSON lines
    Json,
    /// OCSF Detection Findings, JSON lines
    Ocsf,
    /// One A4 for a small firm, HTML
    Page,
    /// The same as plain text
    PageText,
    /// A STIX 2.1 bundle of sightings
    Stix,
    /// A table for a terminal
    Table,
    /// JSON lines for Timesketch
    Timesketch,
}

/// `finding report`.
#[derive(Debug, Args)]
pub struct FindingReport {
    #[command(flatten)]
    pub data: Data,
    /// Form of the report
    #[arg(long, default_value = "table")]
    pub format: ReportFormat,
    /// Language of the page for a small firm: nl or en
    #[arg(long, value_parser = language, default_value = "en")]
    pub language: Language,
    /// Whom to call, for that page: a TOML file with [own_it], [csirt], [sector], [police]
    #[arg(long, value_name = "FILE")]
    pub contacts: Option<PathBuf>,
    /// STIX: the sightings name nobody
    #[arg(long)]
    pub anonymous: bool,
    /// Write it to this file; to stdout when not given
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Also tell people, as this TOML file says
    #[arg(long, value_name = "FILE")]
    pub notify: Option<PathBuf>,
}

/// `notify`.
#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// List notices: sent, waiting, given up, and why
    List {
        #[command(flatten)]
        data: Data,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// Send what waits
    Send {
        #[command(flatten)]
        data: Data,
        /// Where to send it: a TOML file with [mail], [webhook]
        #[arg(long, value_name = "FILE")]
        notify: PathBuf,
        /// Also what failed and should wait longer
        #[arg(long)]
        now: bool,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// Let a notice that was given up be tried again
    Retry {
        #[command(flatten)]
        data: Data,
        /// Its number
        notice: i64,
    },
}

fn state(text: &str) -> Result<State, String> {
    State::from_name(text).ok_or_else(|| "one of new, dismissed, drafted, shared".to_owned())
}

pub(super) fn language(text: &str) -> Result<Language, String> {
    Language::from_tag(text).ok_or_else(|| "one of nl, en".to_owned())
}
