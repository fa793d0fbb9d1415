// SPDX-License-Identifier: Apache-2.0
//! The command line.

mod community;
mod detect;
mod finding;
mod history;
mod hosted;
mod hunt;
mod judging;
mod rules;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use model::marking::Tlp;

pub use community::CommunityCommand;
pub use detect::{CrownCommand, Leaked};
pub use finding::{
    ApproveRuleCommand, FindingCommand, FindingReport, NotifyCommand, ReportFormat, ShareFinding,
};
pub use history::{Forget, HistoryCommand, Seen, SourcesCommand};
pub use hosted::{HostedCommand, HostedInit, HostedRecall, HostedSign};
pub use hunt::{Hunt, Output, Quarry};
pub use judging::{EdgeCommand, PatternCommand, Spec, WarninglistsCommand};
pub use rules::{OptionalData, RulesCommand};

/// Share threats, find them in your own logs, prove what was said.
#[derive(Debug, Parser)]
#[command(name = "polder", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done or found · 1 nothing found or verification failed · 2 wrong use · \
3 partial · 4 authentication or passphrase · 5 unreachable · 6 this machine (disk, lock, port, newer database) · \
70 internal · 130 ended by a second Ctrl-C"
)]
pub struct Cli {
    /// File whose first line is the passphrase of the keys; asked for on a terminal when not given
    #[arg(long, global = true, env = "POLDER_PASSPHRASE_FILE", value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
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
    /// Clients, to whom TLP:AMBER may be passed on
    #[command(subcommand)]
    Client(ClientCommand),
    /// Share an object of your own with more recipients, or under a looser label
    Share(Share),
    /// Take back what you shared: retract, narrow or withdraw it
    Recall(Recall),
    /// Say why a member can, or cannot, see an object
    Explain(Explain),
    /// Access tokens for TAXII clients
    #[command(subcommand)]
    Token(TokenCommand),
    /// Serve TAXII 2.1
    Serve(Serve),
    /// Hunt in logs: indicators, patterns, rules, taken-over accounts, data carried away
    Hunt(Hunt),
    /// Ask whether an observable was ever seen in the logs that were hunted
    Seen(Seen),
    /// Erase one value from the history
    Forget(Forget),
    /// The history: what it keeps, for how long, who asked
    #[command(subcommand)]
    History(HistoryCommand),
    /// Logs that are expected, so that 'never seen' says what is missing
    #[command(subcommand)]
    Sources(SourcesCommand),
    /// Findings of earlier hunts: look at them, report them, share or dismiss them
    #[command(subcommand)]
    Finding(FindingCommand),
    /// STIX patterns: check one, or try it on observed data
    #[command(subcommand)]
    Pattern(PatternCommand),
    /// Warning lists: values that are harmless, and never findings
    #[command(subcommand)]
    Warninglists(WarninglistsCommand),
    /// Files of an edge device: look for traces of an implant
    #[command(subcommand)]
    Edge(EdgeCommand),
    /// Notices of findings by mail and webhook: what was sent, what waits and why
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Crown jewels: shares whose loss would hurt most; what is detected on them counts for more
    #[command(subcommand)]
    Crown(CrownCommand),
    /// Find accounts whose password stands in a list of leaked ones, offline
    Leaked(Leaked),
    /// Sigma rules: what is looked for in logs beside indicators
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Verify the log, and prove what stands in it
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Write everything that the node is to one file, while it runs
    Backup(Backup),
    /// Make a node's directory from a backup
    Restore(Restore),
    /// Keys of the node and of its member
    #[command(subcommand)]
    Key(KeyCommand),
    /// Small members that another hosts: they sign on their own machine, its node keeps their records
    #[command(subcommand)]
    Hosted(HostedCommand),
    /// Look for what is wrong with a node, and say what to do
    Doctor(Doctor),
    /// Make views anew from the records, while the old ones answer
    Rebuild(Rebuild),
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
    #[command(flatten)]
    pub recipients: Recipients,
    /// How far reading and parsing stand back for other programs, as nice(1) counts; 10 while the directory is
    /// served, else 0
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u8).range(0..=19))]
    pub nice: Option<u8>,
    /// Print one JSON object for each file
    #[arg(long)]
    pub json: bool,
}

/// For whom something is; the own organisation when nothing is given.
#[derive(Debug, Args)]
pub struct Recipients {
    /// Share with this community
    #[arg(long, value_name = "ID", conflicts_with_all = ["to_member", "to_person"])]
    pub community: Option<String>,
    /// Share with this member; may stand several times
    #[arg(long, value_name = "ID", conflicts_with = "to_person")]
    pub to_member: Vec<String>,
    /// Share with this person, MEMBER/name; may stand several times
    #[arg(long, value_name = "PERSON")]
    pub to_person: Vec<String>,
}

/// `share`.
#[derive(Debug, Args)]
pub struct Share {
    #[command(flatten)]
    pub data: Data,
    /// STIX id of the object
    pub id: String,
    #[command(flatten)]
    pub recipients: Recipients,
    /// Label in the envelope; what the object itself says holds all the same
    #[arg(long, value_parser = tlp, value_name = "LABEL")]
    pub tlp: Option<Tlp>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What a recall does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecallAct {
    /// Fewer may see it.
    Narrow(Tlp),
    /// It was wrong.
    Retract,
    /// It must not be held.
    Withdraw,
}

/// The three acts; exactly one.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Acts {
    /// It was wrong: it stays, revoked by a new version
    #[arg(long)]
    retract: bool,
    /// Fewer may see it from now on: at least as strict as this
    #[arg(long, value_parser = tlp, value_name = "LABEL")]
    narrow: Option<Tlp>,
    /// It must not be held: body, subject and salts are erased
    #[arg(long)]
    withdraw: bool,
}

impl Acts {
    /// The act that was chosen.
    pub fn chosen(&self) -> RecallAct {
        match (self.retract, self.narrow) {
            (true, _) => RecallAct::Retract,
            (_, Some(tlp)) => RecallAct::Narrow(tlp),
            (false, None) => RecallAct::Withdraw,
        }
    }
}

/// `recall`.
#[derive(Debug, Args)]
pub struct Recall {
    #[command(flatten)]
    pub data: Data,
    /// STIX id of the object
    pub id: String,
    #[command(flatten)]
    pub act: Acts,
    /// With --narrow: from now on only for the own organisation
    #[arg(long, conflicts_with_all = ["retract", "withdraw"])]
    pub own_only: bool,
    /// Why, for those who held it
    #[arg(long, default_value = "")]
    pub reason: String,
    /// Print the receipt as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    pub data: Data,
    /// STIX id of the object
    pub id: String,
    /// The member
    #[arg(long = "for", value_name = "MEMBER")]
    pub member: String,
    /// A person of that member, by name
    #[arg(long)]
    pub person: Option<String>,
    /// Ceiling of the credential; by default AMBER+STRICT for the own organisation, GREEN for others, RED for persons
    #[arg(long, value_parser = tlp, value_name = "LABEL")]
    pub max_tlp: Option<Tlp>,
    /// Print one JSON object for each record
    #[arg(long)]
    pub json: bool,
}

/// `client`.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Declare a member your client: it may see what reaches you under TLP:AMBER or looser
    Add {
        #[command(flatten)]
        data: Data,
        /// The client's member id
        member: String,
    },
    /// End it
    Remove {
        #[command(flatten)]
        data: Data,
        /// The client's member id
        member: String,
    },
    /// List your clients
    List {
        #[command(flatten)]
        data: Data,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
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
        /// The person who alone uses it, by name; TLP:RED goes to such tokens only
        #[arg(long, value_name = "NAME")]
        person: Option<String>,
        /// Strictest label that it may be given; AMBER+STRICT for the own organisation, GREEN for others
        #[arg(long, value_parser = tlp, value_name = "LABEL")]
        max_tlp: Option<Tlp>,
        /// It may also add objects, and take back what its member added
        #[arg(long)]
        write: bool,
        /// It may only add: for a sensor that has nothing to fetch
        #[arg(long, requires = "write")]
        no_read: bool,
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
    /// Write a proof that the log of one size is the beginning of the log of a later size
    Consistency {
        #[command(flatten)]
        data: Data,
        /// The earlier size
        old: u64,
        /// The later size; the newest when not given
        new: Option<u64>,
    },
    /// Write the log as C2SP tiles: `checkpoint` and `tile/…`, which say nothing of what was logged
    Tiles {
        #[command(flatten)]
        data: Data,
        /// Where to write them
        #[arg(value_name = "DIR")]
        to: PathBuf,
        /// Write `tile/entries/…` too, for yourself: they tell kind, marking and time of every record. The gate
        /// is asked, and a bundle with an entry that it refuses is left out
        #[arg(long)]
        entries: bool,
        /// With --entries: refuse what is marked stricter than this
        #[arg(long, value_parser = tlp, value_name = "LABEL", default_value = "amber+strict")]
        max_tlp: Tlp,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Check a proof that somebody else made, of an object or of consistency; needs no node
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

/// `backup`.
#[derive(Debug, Args)]
pub struct Backup {
    #[command(flatten)]
    pub data: Data,
    /// The file to make; readable by you alone
    pub file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `restore`.
#[derive(Debug, Args)]
pub struct Restore {
    #[command(flatten)]
    pub data: Data,
    /// The backup
    pub file: PathBuf,
    /// File `published` of the lost node's directory: how far it had published its log
    #[arg(long, value_name = "FILE")]
    pub published: Vec<PathBuf>,
    /// Checkpoint of the lost node's log that somebody else holds, as newest as can be had
    #[arg(long, value_name = "FILE")]
    pub witnessed: Vec<PathBuf>,
    /// The root key, if the log cannot go on and the next must be opened; in the backup when not given
    #[arg(long, value_name = "FILE")]
    pub root_key: Option<PathBuf>,
    /// You are sure that nothing was published after this backup was made
    #[arg(long)]
    pub newest: bool,
    /// Leave the tokens of the backup valid: you are sure that none was revoked after it was made
    #[arg(long)]
    pub keep_tokens: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Show the keys, where they are and how they are kept; never a secret
    Show {
        #[command(flatten)]
        data: Data,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write what the member said of itself and its keys, for members that it hosts and whoever checks
    Statements {
        #[command(flatten)]
        data: Data,
    },
    /// Put new keys in the place of old ones, and say so in the ledger
    #[command(subcommand)]
    Rotate(RotateCommand),
    /// Name a new root key with the recovery key, when the root key is lost or stolen
    Recover {
        #[command(flatten)]
        data: Data,
        /// The recovery key; in the data directory when not given
        #[arg(long, value_name = "FILE")]
        recovery_key: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Say that the root key is worth nothing any more; only the recovery key can name another
    Revoke {
        #[command(flatten)]
        data: Data,
        /// Sign with the recovery key instead of the root key
        #[arg(long, value_name = "FILE", conflicts_with = "root_key")]
        recovery_key: Option<PathBuf>,
        /// The root key; in the data directory when not given
        #[arg(long, value_name = "FILE")]
        root_key: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Set, change or remove the passphrase under which the keys are kept
    Passphrase {
        #[command(flatten)]
        data: Data,
        /// File whose first line is the new passphrase; asked for on a terminal when not given
        #[arg(long, value_name = "FILE", conflicts_with = "remove")]
        new_passphrase_file: Option<PathBuf>,
        /// Keep the keys without passphrase, readable by their owner alone
        #[arg(long)]
        remove: bool,
    },
}

/// `key rotate`.
#[derive(Debug, Subcommand)]
pub enum RotateCommand {
    /// New keys for the log; the root key delegates to them
    Log {
        #[command(flatten)]
        data: Data,
        /// The root key; in the data directory when not given
        #[arg(long, value_name = "FILE")]
        root_key: Option<PathBuf>,
        /// The old keys were stolen: refuse what is logged with them from this time on
        #[arg(long, value_name = "TIME")]
        revoked_from: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// A new root key; the old one signs for it. The member id stays
    Root {
        #[command(flatten)]
        data: Data,
        /// The old root key; in the data directory when not given
        #[arg(long, value_name = "FILE")]
        root_key: Option<PathBuf>,
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
    /// Do not compare indexes with their tables
    #[arg(long)]
    pub quick: bool,
    /// Print one JSON object for each check
    #[arg(long)]
    pub json: bool,
}

/// `rebuild`.
#[derive(Debug, Args)]
pub struct Rebuild {
    #[command(flatten)]
    pub data: Data,
    /// Views; all of them when none is named
    #[arg(value_name = "VIEW")]
    pub views: Vec<String>,
    /// Print one JSON object for each view
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
