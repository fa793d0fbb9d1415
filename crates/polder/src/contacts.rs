// SPDX-License-Identifier: Apache-2.0
//! Whom to call, from a TOML file: `[own_it]`, `[csirt]`, `[sector]`, `[police]`, each with `name`, `phone`,
//! and if wanted `mail` and `note`.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use hunt::report::{Contact, Contacts};
use serde::Deserialize;

use crate::failure::Failure;

/// Largest file of settings that is read.
pub const SETTINGS_BYTES_MAX: u64 = 64 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    own_it: Option<WrittenContact>,
    csirt: Option<WrittenContact>,
    sector: Option<WrittenContact>,
    police: Option<WrittenContact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenContact {
    name: String,
    phone: String,
    #[serde(default)]
    mail: String,
    #[serde(default)]
    note: String,
}

/// Reads the file.
pub fn read(path: &Path) -> Result<Contacts, Failure> {
    let written: Written = read_toml(path)?;
    let contact = |written: Option<WrittenContact>| {
        written.map(|WrittenContact { name, phone, mail, note }| Contact { name, phone, mail, note })
    };
    Ok(Contacts {
        own_it: contact(written.own_it),
        csirt: contact(written.csirt),
        sector: contact(written.sector),
        police: contact(written.police),
    })
}

/// Reads a TOML file of settings.
pub fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let file = File::open(path).map_err(|e| Failure::io("read", path, &e))?;
    let mut text = String::new();
    let read = file.take(SETTINGS_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|e| Failure::io("read", path, &e))?;
    if text.len() as u64 > SETTINGS_BYTES_MAX {
        return Err(Failure::usage(format!(
            "{} is larger than {SETTINGS_BYTES_MAX} bytes: it is not a file of settings",
            path.display()
        )));
    }
    toml::from_str(&text).map_err(|e| Failure::usage(fault(path, &text, &e)))
}

/// What is wrong with a file of settings, in one line: the drawing that the parser makes of it has several.
fn fault(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let what = error.message().lines().map(str::trim).collect::<Vec<_>>().join("; ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return format!("{}: {what}", path.display());
    };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{} line {line}, column {column}: {what}", path.display())
}
