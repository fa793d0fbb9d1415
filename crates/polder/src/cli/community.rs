// SPDX-License-Identifier: Apache-2.0
//! Arguments of `polder community`.

use std::path::PathBuf;

use clap::Subcommand;
use policy::Role;

use super::{Data, country};

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
    /// Give a community new terms in place of all earlier ones; members read nothing until they accept them
    Terms {
        #[command(flatten)]
        data: Data,
        /// The community's id
        community: String,
        /// File with the text
        #[arg(long)]
        text: Option<PathBuf>,
        /// On what law sharing rests
        #[arg(long)]
        legal_basis: Option<String>,
        /// What may be done with what is shared
        #[arg(long)]
        permitted_use: Option<String>,
        /// Country in which it may be held, ISO 3166-1 alpha-2; may stand several times
        #[arg(long, value_parser = country)]
        country: Vec<String>,
        /// After how many days it is to be deleted
        #[arg(long)]
        retention_days: Option<u32>,
        /// Who answers for damage
        #[arg(long)]
        liability: Option<String>,
        /// No terms any more: members read without accepting anything
        #[arg(long, conflicts_with_all = ["text", "legal_basis", "permitted_use", "country", "retention_days", "liability"])]
        none: bool,
    },
    /// Accept a community's present terms, for the own organisation or, as its steward, for a member
    Accept {
        #[command(flatten)]
        data: Data,
        /// The community's id
        community: String,
        /// The member who has accepted them on paper
        #[arg(long = "for", value_name = "MEMBER", requires = "evidence")]
        member: Option<String>,
        /// Where that paper is kept
        #[arg(long)]
        evidence: Option<String>,
    },
    /// Give a member another role: an observer adds nothing, a steward may take others' objects out
    Role {
        #[command(flatten)]
        data: Data,
        /// The community's id
        community: String,
        /// The member's id, 64 hexadecimal digits
        member: String,
        /// Its role from now on: contributor, observer or steward
        #[arg(value_parser = role)]
        role: Role,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Take a member out: it sees nothing more of the community
    Remove {
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
    /// As a steward: take an object out of the collection; its author goes on holding it
    RemoveObject {
        #[command(flatten)]
        data: Data,
        /// The community's id
        community: String,
        /// The object's STIX id
        id: String,
        /// Why, for the members
        #[arg(long)]
        reason: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show a community: its terms, its members, and who has accepted the terms
    Show {
        #[command(flatten)]
        data: Data,
        /// The community's id
        community: String,
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

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| Role::ALL.map(Role::name).join(", "))
}
