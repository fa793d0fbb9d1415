// SPDX-License-Identifier: Apache-2.0
//! What a member said of itself and its keys, as one file: for whoever is hosted by it, hosts it or checks
//! what it signed (`docs/record.md`).

use serde_json::{Map, Value, json};

use super::chain::{ChainError, Identity};
use super::{RootError, STATEMENT_BYTES_MAX};
use crate::proof::{add_statements, read_statements};

/// Largest file that is read.
pub const SAID_BYTES_MAX: usize = 16 * STATEMENT_BYTES_MAX;
const FORMAT: &str = "polder-statements/1";

/// A root statement and what followed it, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Body of the root statement.
    pub root: Vec<u8>,
    /// Bodies of what was said since, in order.
    pub statements: Vec<Vec<u8>>,
}

impl Said {
    /// The file.
    pub fn print(&self) -> String {
        let mut file = json!({ "format": FORMAT, "root": String::from_utf8_lossy(&self.root) });
        add_statements(&mut file, &self.statements);
        format!("{file:#}\n")
    }

    /// Reads a file; nothing is verified yet.
    ///
    /// # Errors
    /// [`RootError::Unreadable`].
    pub fn parse(file: &[u8]) -> Result<Said, RootError> {
        if file.len() > SAID_BYTES_MAX {
            return Err(RootError::Unreadable("the file is too large"));
        }
        let file: Map<String, Value> =
            serde_json::from_slice(file).map_err(|_| RootError::Unreadable("the file is not JSON"))?;
        let text = |name| file.get(name).and_then(Value::as_str);
        if text("format") != Some(FORMAT) {
            return Err(RootError::Unreadable("the file has another format"));
        }
        let root = text("root").ok_or(RootError::Unreadable("`root` is missing"))?.as_bytes().to_vec();
        let statements =
            read_statements(file.get("statements")).map_err(|_| RootError::Unreadable("statements"))?;
        Ok(Said { root, statements })
    }

    /// The member's keys after all of it.
    ///
    /// # Errors
    /// [`ChainError`].
    pub fn verify(&self) -> Result<Identity, ChainError> {
        Identity::verify(&self.root, self.statements.iter().map(Vec::as_slice))
    }
}
