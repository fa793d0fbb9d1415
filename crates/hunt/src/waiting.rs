// SPDX-License-Identifier: Apache-2.0
//! Findings that wait to be stored, as bytes: for a file that holds what memory has no room for.
//!
//! What one reads is all that one trusts: bytes that are damaged, or of another program, are refused as a whole.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use crate::report::Hit;
use crate::state::{Bytes, Damaged, Out, State};

/// What the bytes begin with; the last digit is their version.
const MAGIC: &[u8; 8] = b"PLDRWF01";

/// Findings of one log that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting<'w> {
    /// The log, by the name that it has in the register, or will have.
    pub log: Cow<'w, str>,
    /// Its number in the register, as far as anybody knows.
    pub number: Option<i64>,
    /// Whether a listener received it: nobody can read it once more.
    pub is_received: bool,
    /// What was found in it.
    pub findings: Cow<'w, [Hit]>,
}

/// The bytes are no findings that wait, or of another program, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("findings that waited to be stored cannot be read")]
pub struct Unreadable;

impl Waiting<'_> {
    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = Out::kept();
        self.log.len().write(&mut body);
        body.extend_from_slice(self.log.as_bytes());
        self.number.write(&mut body);
        self.is_received.write(&mut body);
        self.findings.len().write(&mut body);
        self.findings.iter().for_each(|hit| hit.write(&mut body));
        let body = body.into_bytes();
        let sum: [u8; 32] = Sha256::digest(&body).into();
        [MAGIC.as_slice(), &sum, &body].concat()
    }

    /// The findings that such bytes are of.
    pub fn from_bytes(bytes: &[u8]) -> Result<Waiting<'static>, Unreadable> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(Unreadable)?;
        let (sum, body) = rest.split_first_chunk::<32>().ok_or(Unreadable)?;
        if <[u8; 32]>::from(Sha256::digest(body)) != *sum {
            return Err(Unreadable);
        }
        let mut left = Bytes(body);
        let read = read(&mut left).map_err(|Damaged| Unreadable)?;
        if left.0.is_empty() { Ok(read) } else { Err(Unreadable) }
    }
}

fn read(bytes: &mut Bytes<'_>) -> Result<Waiting<'static>, Damaged> {
    Ok(Waiting {
        log: Cow::Owned(State::read(bytes)?),
        number: State::read(bytes)?,
        is_received: State::read(bytes)?,
        findings: Cow::Owned(State::read(bytes)?),
    })
}
