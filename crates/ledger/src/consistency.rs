// SPDX-License-Identifier: Apache-2.0
//! A proof that stands alone, that a log of one size is the beginning of the same log of a later size: who
//! was shown both was not shown two histories (RFC 6962, section 2.1.2; `docs/proof.md`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::checkpoint::{Checkpoint, SignedError};
use crate::merkle::{Hash, verify_consistency};
use crate::proof::{CheckError, add_statements, identity, read_statements};
use crate::root::Root;
use crate::root::chain::Identity;

/// Largest file that is read: two checkpoints, a root statement, and hashes.
pub const CONSISTENCY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The `format` member of such a file.
pub const FORMAT: &str = "polder-consistency/1";
/// Most hashes of a proof: two for each level.
const PATH_MAX: usize = 128;

/// Everything that the file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    /// The earlier checkpoint: a signed note where one is kept, else its text alone.
    pub old: String,
    /// The later one.
    pub new: String,
    /// Hashes.
    pub path: Vec<Hash>,
    /// Body of the member's root statement.
    pub root: Vec<u8>,
    /// Bodies of what the member said of its keys since, in the order in which it was logged.
    pub statements: Vec<Vec<u8>>,
}

/// One end of a proof that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Whether the log's keys signed it. What is not signed must be compared with a checkpoint that was had
    /// from elsewhere.
    pub signed: bool,
}

/// What a proof that holds tells.
#[derive(Clone, Debug)]
pub struct Consistent {
    /// Whose log.
    pub root: Root,
    /// The beginning.
    pub old: End,
    /// What it became.
    pub new: End,
}

impl Consistency {
    /// The file.
    pub fn print(&self) -> String {
        let path: Vec<String> = self.path.iter().map(|hash| STANDARD.encode(hash)).collect();
        let mut file = json!({
            "format": FORMAT, "new": self.new, "old": self.old, "proof": path,
            "root": String::from_utf8_lossy(&self.root),
        });
        add_statements(&mut file, &self.statements);
        file.sort_all_objects();
        format!("{file:#}\n")
    }

    /// Reads a file; nothing is verified yet.
    ///
    /// # Errors
    /// [`CheckError::Unreadable`].
    pub fn parse(file: &[u8]) -> Result<Consistency, CheckError> {
        if file.len() > CONSISTENCY_BYTES_MAX {
            return Err(CheckError::Unreadable("it is too large"));
        }
        let file: Value =
            serde_json::from_slice(file).map_err(|_| CheckError::Unreadable("it is not JSON"))?;
        let text = |name: &'static str| {
            file.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(CheckError::Unreadable(name))
        };
        if text("format")? != FORMAT {
            return Err(CheckError::Unreadable("its format is not known"));
        }
        let hash = |value: &Value| STANDARD.decode(value.as_str()?).ok()?.try_into().ok();
        let path = file
            .get("proof")
            .and_then(Value::as_array)
            .filter(|path| path.len() <= PATH_MAX)
            .and_then(|path| path.iter().map(hash).collect::<Option<Vec<Hash>>>())
            .ok_or(CheckError::Unreadable("proof"))?;
        Ok(Consistency {
            old: text("old")?,
            new: text("new")?,
            path,
            root: text("root")?.into_bytes(),
            statements: read_statements(file.get("statements"))?,
        })
    }

    /// Verifies everything that can be verified without knowing whom to expect.
    ///
    /// # Errors
    /// [`CheckError`].
    pub fn check(&self) -> Result<Consistent, CheckError> {
        let identity = identity(&self.root, &self.statements)?;
        let (old, new) = (end(&self.old, &identity)?, end(&self.new, &identity)?);
        let (from, to) = (&old.checkpoint, &new.checkpoint);
        verify_consistency(from.size, &from.root, to.size, &to.root, &self.path)?;
        if from.origin != to.origin {
            return Err(CheckError::Unreadable("it is of two logs"));
        }
        Ok(Consistent { root: identity.root, old, new })
    }
}

fn end(text: &str, identity: &Identity) -> Result<End, CheckError> {
    let unreadable = |_| CheckError::Unreadable("a checkpoint");
    if !text.contains("\n\n") {
        let checkpoint = Checkpoint::parse(text).map_err(unreadable)?;
        identity.keys_of(&checkpoint)?;
        return Ok(End { checkpoint, signed: false });
    }
    let failed = |e: SignedError| CheckError::Signature(e.to_string());
    let (note, checkpoint) = Checkpoint::read_signed(text.as_bytes()).map_err(failed)?;
    checkpoint.verify(&note, identity.keys_of(&checkpoint)?).map_err(failed)?;
    Ok(End { checkpoint, signed: true })
}
