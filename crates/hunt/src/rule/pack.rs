// SPDX-License-Identifier: Apache-2.0
//! Packs: rules that ship inside the program and run without anything being imported.
//!
//! A pack is a folder below `crates/hunt/packs` and one entry of [`PACKS`]. Its texts are our own, under the
//! project's licence.

use model::diagnostic::Diagnostic;

use super::load::{Rule, read_rules};

/// A set of rules that ships with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Its name, that of its folder.
    pub name: &'static str,
    /// Its version: the day on which its rules were last changed.
    pub version: &'static str,
    /// What it finds, in one line.
    pub description: &'static str,
    /// Its files: name and text.
    pub files: &'static [(&'static str, &'static str)],
}

/// Files of a folder below `crates/hunt/packs`.
macro_rules! files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../packs/", $folder, "/", $name)))),+]
    };
}

/// All packs.
pub static PACKS: &[Pack] = &[
    Pack {
        name: "account-takeover",
        version: "2026-11-28",
        description: "passwords tried on many accounts: Kerberos, NTLM, logons of Windows, PAM, Entra",
        files: files!("account-takeover":
            "entra.yml",
            "kerberos.yml",
            "ntlm.yml",
            "pam.yml",
            "windows-logon.yml",
        ),
    },
    Pack {
        name: "chimera",
        version: "2026-11-28",
        description: "the published behaviour of the group that robbed chip makers (MITRE G0114)",
        files: files!("chimera":
            "archive_with_password.yml",
            "leaked_credentials.yml",
            "log_cleared.yml",
            "lsass_module.yml",
            "mailbox_files_of_others.yml",
            "mailbox_of_another.yml",
            "mfa_phone.yml",
            "ntds_audit.yml",
            "okta_stuffing.yml",
            "remote_traces_of_users.yml",
            "renamed_programs.yml",
            "sharepoint_bulk.yml",
            "staging_on_share.yml",
            "storage_discovery.yml",
            "task_from_temp.yml",
            "time_of_file_changed.yml",
            "vpn_spray.yml",
        ),
    },
    Pack {
        name: "edge-device",
        version: "2026-11-28",
        description: "traces of an implant in FortiGates and of the way in (COATHANGER, MITRE S1105)",
        files: files!("edge-device":
            "administrator_added.yml",
            "configuration_taken.yml",
            "sslvpnd_crash.yml",
        ),
    },
];

/// The rules of a pack. That they are all good is a test's business; what is not is told all the same.
pub fn pack_rules(pack: &Pack) -> (Vec<Rule>, Vec<Diagnostic>) {
    let mut rules = Vec::new();
    let mut said = Vec::new();
    for (name, text) in pack.files {
        let loading = read_rules(text.as_bytes(), &format!("pack {} {name}", pack.name));
        rules.extend(loading.rules);
        said.extend(loading.diagnostics);
    }
    (rules, said)
}
