// SPDX-License-Identifier: Apache-2.0
//! `hosted`: what a small member does on its own machine, and what its host does on the node.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use model::marking::Tlp;

use super::{Data, Recipients, country, tlp};

/// `hosted`.
#[derive(Debug, Subcommand)]
pub enum HostedCommand {
    /// Make the keys of a member that another hosts: on its own machine, without a node
    Init(HostedInit),
    /// Sign objects for the host: they become records of this member there
    Sign(HostedSign),
    /// Take back what was signed: narrow or withdraw it. (To retract, sign a version with `revoked`)
    Recall(HostedRecall),
    /// A new root key; the old one signs for it, or the recovery key
    Rotate {
        /// Directory of the member's keys
        dir: PathBuf,
        /// Sign with the recovery key instead of the root key
        #[arg(long, value_name = "FILE")]
        recovery_key: Option<PathBuf>,
    },
    /// Say that the root key is worth nothing any more; only the recovery key can name another
    Revoke {
        /// Directory of the member's keys
        dir: PathBuf,
        /// Sign with the recovery key instead of the root key
        #[arg(long, value_name = "FILE")]
        recovery_key: Option<PathBuf>,
    },
    /// Set, change or remove the passphrase under which the keys are kept
    Seal {
        /// Directory of the member's keys
        dir: PathBuf,
        /// File whose first line is the new passphrase; asked for on a terminal when not given
        #[arg(long, value_name = "FILE", conflicts_with = "remove")]
        new_passphrase_file: Option<PathBuf>,
        /// Keep the keys without passphrase, readable by their owner alone
        #[arg(long)]
        remove: bool,
    },
    /// On the host: take what a member says of its keys, first and after each change
    Accept {
        #[command(flatten)]
        data: Data,
        /// Its file `statements.json`
        file: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// On the host: list members that are hosted
    List {
        #[command(flatten)]
        data: Data,
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// On the host: take nothing more of a member, but recalls; what was logged stays
    End {
        #[command(flatten)]
        data: Data,
        /// The member's id
        member: String,
    },
    /// On the host: where a member's records stand, one JSON object for each; the member needs it for a recall
    Entries {
        #[command(flatten)]
        data: Data,
        /// The member's id
        member: String,
    },
}

/// `hosted init`.
#[derive(Debug, Args)]
pub struct HostedInit {
    /// Where to make the keys
    pub dir: PathBuf,
    /// Name of the organisation
    #[arg(long)]
    pub name: String,
    /// Its country, ISO 3166-1 alpha-2
    #[arg(long, value_parser = country)]
    pub country: String,
    /// Its sector
    #[arg(long)]
    pub sector: String,
    /// What the host says of itself: the file that its `polder key statements` wrote
    #[arg(long, value_name = "FILE")]
    pub host: PathBuf,
    /// The host's member id, learned by another way than the file
    #[arg(long, value_name = "ID")]
    pub host_member: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `hosted sign`.
#[derive(Debug, Args)]
pub struct HostedSign {
    /// STIX objects; `-` is stdin
    pub file: PathBuf,
    /// Directory of the member's keys
    #[arg(long)]
    pub dir: PathBuf,
    #[command(flatten)]
    pub recipients: Recipients,
    /// Label for the objects, in the envelope; never loosens: the strictest wins
    #[arg(long, value_parser = tlp, value_name = "LABEL")]
    pub tlp: Option<Tlp>,
    /// More may see them from now on than before under the same version
    #[arg(long)]
    pub widen: bool,
}

/// `hosted recall`.
#[derive(Debug, Args)]
pub struct HostedRecall {
    /// STIX id of the object
    pub id: String,
    /// Directory of the member's keys
    #[arg(long)]
    pub dir: PathBuf,
    /// What the host's `polder hosted entries` wrote
    #[arg(long, value_name = "FILE")]
    pub entries: PathBuf,
    #[command(flatten)]
    pub act: HostedAct,
    /// With --narrow: from now on only for the own organisation
    #[arg(long, conflicts_with = "withdraw")]
    pub own_only: bool,
    /// Why, for those who held it
    #[arg(long, default_value = "")]
    pub reason: String,
}

/// The act; exactly one.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct HostedAct {
    /// Fewer may see it from now on: at least as strict as this
    #[arg(long, value_parser = tlp, value_name = "LABEL")]
    pub narrow: Option<Tlp>,
    /// It must not be held: body, subject and salts are erased
    #[arg(long)]
    pub withdraw: bool,
}
