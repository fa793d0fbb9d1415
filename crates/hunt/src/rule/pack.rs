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
pub static PACKS: &[Pack] = &[Pack {
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
}];

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
