// SPDX-License-Identifier: Apache-2.0
//! The register of crown jewels: shares whose loss would hurt most. What happens on them counts for more.

use ledger::sql::{EngineError, Flow, Read, Table, TableKind, Tx, Value};
use model::time::Timestamp;

use super::movement::share_name;
use crate::limits::{CROWN_JEWELS_MAX, CROWN_TEXT_BYTES_MAX};

/// The register.
pub static CROWN: Table = Table {
    name: "hunt_crown",
    kind: TableKind::Local,
    columns: &["share", "reason", "added"],
    sqlite: &[
        "CREATE TABLE hunt_crown (share TEXT PRIMARY KEY, reason TEXT NOT NULL, added INTEGER NOT NULL) STRICT",
    ],
    postgres: &[
        r#"CREATE TABLE hunt_crown (share TEXT COLLATE "C" PRIMARY KEY, reason TEXT COLLATE "C" NOT NULL, added BIGINT NOT NULL)"#,
    ],
};

/// A share that is a crown jewel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crown {
    /// `server\share` in lower case; `*\share` on any server.
    pub share: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub added: Timestamp,
}

/// Why a share was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CrownError {
    /// The database.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There are too many.
    #[error(
        "the register holds {CROWN_JEWELS_MAX} shares, the most it can; remove some, where all is a jewel none is"
    )]
    Full,
    /// It cannot be the name of a share.
    #[error(
        "{0:?} is not the name of a share; write \\\\server\\share, or the share's name alone for any server"
    )]
    Name(String),
    /// The reason is too long.
    #[error("the reason is longer than {CROWN_TEXT_BYTES_MAX} bytes; shorten it")]
    Reason,
}

impl Crown {
    /// Reads `\\server\share`, `server\share`, or `share` for that of any server.
    pub fn parse(text: &str, reason: &str, added: Timestamp) -> Result<Crown, CrownError> {
        let fault = || CrownError::Name(text.chars().take(80).collect());
        let trimmed = text.trim();
        let bare = trimmed.trim_start_matches('\\').trim_end_matches('\\');
        let bad = bare.is_empty()
            || bare.len() > CROWN_TEXT_BYTES_MAX
            || bare.contains(['\0', '\n', '\r', '/', '"', '<', '>', '|', '?'])
            || bare.split('\\').any(str::is_empty);
        if bad {
            return Err(fault());
        }
        if reason.len() > CROWN_TEXT_BYTES_MAX || reason.contains('\0') {
            return Err(CrownError::Reason);
        }
        let share = share_name(&format!("\\\\{bare}"), "*");
        Ok(Crown { share, reason: reason.to_owned(), added })
    }
}

/// Whether a share is in a register.
pub(super) fn holds(register: &[Crown], share: &str) -> bool {
    let name = share.split_once('\\').map_or(share, |(_, name)| name);
    register.iter().any(|crown| match crown.share.split_once('\\') {
        Some(("*", wanted)) => wanted == name,
        _ => crown.share == share,
    })
}

/// Whether a command line names a share of a register: `\\fs1\designs\…`.
pub(super) fn named_in<'a>(register: &'a [Crown], command: &str) -> Option<&'a Crown> {
    let command = command.to_lowercase();
    register.iter().find(|crown| match crown.share.split_once('\\') {
        Some(("*", name)) => command.split('\\').any(|part| part.trim_matches(['"', ' ']) == name),
        _ => command.contains(&format!("\\\\{}", crown.share)),
    })
}

/// Takes a share into the register; one that is there gets the new reason. Says whether it is new.
pub fn add(tx: &mut dyn Tx, crown: &Crown) -> Result<bool, CrownError> {
    let held = list(tx)?;
    let known = held.iter().any(|other| other.share == crown.share);
    if !known && held.len() >= CROWN_JEWELS_MAX {
        return Err(CrownError::Full);
    }
    tx.execute(
        "INSERT INTO hunt_crown (share, reason, added) VALUES (?1, ?2, ?3)
         ON CONFLICT (share) DO UPDATE SET reason = excluded.reason",
        &[Value::Text(&crown.share), Value::Text(&crown.reason), Value::Int(crown.added.micros())],
    )?;
    Ok(!known)
}

/// Takes a share out. Says whether it was there.
pub fn remove(tx: &mut dyn Tx, share: &str) -> Result<bool, EngineError> {
    Ok(tx.execute("DELETE FROM hunt_crown WHERE share = ?1", &[Value::Text(share)])? > 0)
}

/// All of the register, by name.
pub fn list(read: &mut dyn Read) -> Result<Vec<Crown>, EngineError> {
    let mut all = Vec::new();
    read.query("SELECT share, reason, added FROM hunt_crown ORDER BY share", &[], &mut |row| {
        all.push(Crown {
            share: row.text(0)?.to_owned(),
            reason: row.text(1)?.to_owned(),
            added: Timestamp::from_micros(row.int(2)?),
        });
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crown(text: &str) -> Crown {
        Crown::parse(text, "", Timestamp::EPOCH).unwrap()
    }

    #[test]
    fn a_share_is_known_by_server_and_name_or_by_name_alone() {
        assert_eq!(crown("\\\\FS1\\Designs").share, "fs1\\designs");
        assert_eq!(crown("designs").share, "*\\designs");
        let register = [crown("\\\\fs1\\designs"), crown("masks")];
        for (share, held) in
            [("fs1\\designs", true), ("fs2\\designs", false), ("fs9\\masks", true), ("fs1\\masks2", false)]
        {
            assert_eq!(holds(&register, share), held, "{share}");
        }
        assert!(named_in(&register, "rar a x.rar \\\\FS1\\designs\\unit1").is_some());
        assert!(named_in(&register, "rar a x.rar \\\\fs3\\masks\\a").is_some());
        assert!(named_in(&register, "rar a x.rar d:\\other").is_none());
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "\\\\", "a\\\\b", "http://x/y", "a\nb", &"x".repeat(CROWN_TEXT_BYTES_MAX + 1)] {
            assert!(Crown::parse(text, "", Timestamp::EPOCH).is_err(), "{text:?}");
        }
        let long = "x".repeat(CROWN_TEXT_BYTES_MAX);
        assert!(Crown::parse("a", &long, Timestamp::EPOCH).is_ok());
        assert!(Crown::parse("a", &format!("{long}x"), Timestamp::EPOCH).is_err());
    }
}
