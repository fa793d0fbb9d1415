// SPDX-License-Identifier: Apache-2.0
//! Arguments of `polder seen`, `polder history`, `polder sources` and `polder forget`.

use clap::{Args, Subcommand};
use hunt::event::SourceKind;
use hunt::history::Cadence;
use model::observable::ObservableKind;

use super::Data;

/// `seen`.
#[derive(Debug, Args)]
pub struct Seen {
    #[command(flatten)]
    pub data: Data,
    /// Address, network, domain or hash; anything else with --kind
    pub value: String,
    /// What the value is, where its form does not say: account, email, url, user-agent, ja3, ja4 …
    #[arg(long, value_parser = observable_kind)]
    pub kind: Option<ObservableKind>,
    /// For a domain: its subdomains too
    #[arg(long)]
    pub subdomains: bool,
    /// Why you ask; it is noted with who asked, when and for what
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `forget`.
#[derive(Debug, Args)]
pub struct Forget {
    #[command(flatten)]
    pub data: Data,
    /// The value
    pub value: String,
    /// What the value is, where its form does not say
    #[arg(long, value_parser = observable_kind)]
    pub kind: Option<ObservableKind>,
    /// Erase the findings of it, too; from what other findings quote it is erased in any case
    #[arg(long)]
    pub findings: bool,
    /// Why; it is noted with who did it and when
    #[arg(long, value_name = "TEXT")]
    pub purpose: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `history`.
#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// Say what the history holds, keeps, and for how long
    Status {
        #[command(flatten)]
        data: Data,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Keep a kind of value from now on, or with --off no longer
    Keep {
        #[command(flatten)]
        data: Data,
        /// ip, domain, url, email, account, user-agent, md5, sha1, sha256, sha384, sha512, ja3, ja4
        #[arg(value_parser = observable_kind)]
        kind: ObservableKind,
        /// Under a hash with a key of the node: the only way in which accounts are kept
        #[arg(long)]
        hmac: bool,
        /// No longer
        #[arg(long, conflicts_with = "hmac")]
        off: bool,
    },
    /// Set for how many months values are kept; the most particular setting counts
    Retention {
        #[command(flatten)]
        data: Data,
        /// Kind of value; any when not given
        #[arg(long, value_parser = observable_kind)]
        kind: Option<ObservableKind>,
        /// Kind of log; any when not given
        #[arg(long, value_parser = source_kind)]
        source: Option<SourceKind>,
        /// Months, beside the present one
        #[arg(long, value_parser = clap::value_parser!(u16).range(0..=1200))]
        months: Option<u16>,
        /// Take the setting away
        #[arg(long, conflicts_with = "months")]
        off: bool,
    },
    /// Merge runs, drop what is over, remove what counts no more
    Tidy {
        #[command(flatten)]
        data: Data,
    },
    /// With a database on a server: say that a copied directory takes the place of one that is gone
    Adopt {
        #[command(flatten)]
        data: Data,
    },
    /// Say who asked for what, when and why
    Audit {
        #[command(flatten)]
        data: Data,
        /// From this day on
        #[arg(long, value_name = "DATE")]
        since: Option<String>,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
}

/// `sources`.
#[derive(Debug, Subcommand)]
pub enum SourcesCommand {
    /// Declare logs that are expected, so that their absence is told
    Declare {
        #[command(flatten)]
        data: Data,
        /// What to call it; a name that is there is changed
        name: String,
        /// Kind of log: vpn, dns, proxy, flow, endpoint, authentication …
        #[arg(long, value_parser = source_kind)]
        kind: SourceKind,
        /// Names of its files, with `*` and `?`; with a `/` the whole path
        #[arg(long = "match", value_name = "PATTERN")]
        pattern: String,
        /// How often it has lines: day, week or month
        #[arg(long, value_parser = cadence)]
        every: Cadence,
        /// From this day on; when not given from its first line on
        #[arg(long, value_name = "DATE")]
        since: Option<String>,
    },
    /// List them with what is missing
    List {
        #[command(flatten)]
        data: Data,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// Take a declaration away
    Remove {
        #[command(flatten)]
        data: Data,
        /// Its name
        name: String,
    },
}

fn observable_kind(text: &str) -> Result<ObservableKind, String> {
    let names = || ObservableKind::all().map(ObservableKind::name).collect::<Vec<_>>().join(", ");
    ObservableKind::from_name(text).ok_or_else(|| format!("one of {}", names()))
}

fn source_kind(text: &str) -> Result<SourceKind, String> {
    let names = || SourceKind::ALL.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
    SourceKind::from_name(text).ok_or_else(|| format!("one of {}", names()))
}

fn cadence(text: &str) -> Result<Cadence, String> {
    Cadence::from_name(text).ok_or_else(|| "one of day, week, month".to_owned())
}
