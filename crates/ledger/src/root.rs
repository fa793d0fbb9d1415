// SPDX-License-Identifier: Apache-2.0
//! A member's root statement: who it is, and which key signs its log (`docs/record.md`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::id::MemberId;
use model::jcs;
use model::time::Timestamp;
use serde_json::{Value, json};
use trust::composite::{PrivateKey, PublicKey, Signature, Use};
use trust::member::fingerprint;

use crate::checkpoint::Origin;

/// Longest name, country and sector of an organisation.
pub const NAME_BYTES_MAX: usize = 200;
/// Largest statement that is read.
pub const STATEMENT_BYTES_MAX: usize = 64 * 1024;
const VERSION: u64 = 1;

/// What a member says of itself, under its root key.
#[derive(Clone, Debug)]
pub struct Root {
    /// SHA-256 of the root public key.
    pub member: MemberId,
    /// Organisation.
    pub name: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// Sector, a word of the STIX vocabulary `industry-sector-ov` or the member's own.
    pub sector: String,
    /// When it was made.
    pub created: Timestamp,
    /// Root public key.
    pub root_key: PublicKey,
    /// The log that this key is delegated to.
    pub origin: Origin,
    /// Key that signs the log's checkpoints.
    pub log_key: PublicKey,
}

/// A root statement does not hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RootError {
    /// The member id is not the hash of the key.
    #[error("the member id is not the hash of the root key: the statement is forged")]
    NotTheMember,
    /// The signature fails.
    #[error("the root statement's signature fails: the statement is forged or damaged")]
    Signature,
    /// It has another form.
    #[error("the root statement cannot be read: {0}")]
    Unreadable(&'static str),
}

impl Root {
    /// The record's body: `{"signature":…,"statement":{…}}` in RFC 8785 form.
    pub fn sign(&self, key: &PrivateKey, randomness: [u8; 32]) -> Vec<u8> {
        let statement = self.statement();
        let signature = key.sign(&canonical(&statement), Use::Root, randomness);
        canonical(&json!({ "signature": STANDARD.encode(signature.as_bytes()), "statement": statement }))
    }

    fn statement(&self) -> Value {
        json!({
            "country": self.country,
            "created": self.created.to_string(),
            "log": { "origin": self.origin.to_string(), "public_key": STANDARD.encode(self.log_key.as_bytes()) },
            "member": self.member.to_string(),
            "name": self.name,
            "profile": "eu-hybrid",
            "public_key": STANDARD.encode(self.root_key.as_bytes()),
            "sector": self.sector,
            "v": VERSION,
        })
    }

    /// Reads and verifies a statement.
    pub fn verify(body: &[u8]) -> Result<Root, RootError> {
        if body.len() > STATEMENT_BYTES_MAX {
            return Err(RootError::Unreadable("it is too large"));
        }
        let value: Value =
            serde_json::from_slice(body).map_err(|_| RootError::Unreadable("it is not JSON"))?;
        let statement = value.get("statement").ok_or(RootError::Unreadable("`statement` is missing"))?;
        let text = |value: &Value, name: &'static str| {
            value.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(RootError::Unreadable(name))
        };
        let key = |value: &Value| -> Result<PublicKey, RootError> {
            let bytes = STANDARD
                .decode(text(value, "public_key")?)
                .map_err(|_| RootError::Unreadable("public_key"))?;
            PublicKey::from_bytes(&bytes).map_err(|_| RootError::Unreadable("public_key"))
        };
        // Who signs it may be hostile; what it says is shown to people.
        let shown = |name: &'static str| {
            let text = text(statement, name)?;
            let fits = (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
            if fits { Ok(text) } else { Err(RootError::Unreadable(name)) }
        };
        if statement.get("v").and_then(Value::as_u64) != Some(VERSION) {
            return Err(RootError::Unreadable("its version is not known; update polder"));
        }
        let log = statement.get("log").ok_or(RootError::Unreadable("log"))?;
        let member =
            MemberId::parse(&text(statement, "member")?).map_err(|_| RootError::Unreadable("member"))?;
        let root_key = key(statement)?;
        if fingerprint(&root_key) != member.0 {
            return Err(RootError::NotTheMember);
        }
        let signature =
            STANDARD.decode(text(&value, "signature")?).map_err(|_| RootError::Unreadable("signature"))?;
        let signature = Signature::from_bytes(&signature).map_err(|_| RootError::Unreadable("signature"))?;
        root_key.verify(&canonical(statement), Use::Root, &signature).map_err(|_| RootError::Signature)?;
        Ok(Root {
            member,
            name: shown("name")?,
            country: shown("country")?,
            sector: shown("sector")?,
            created: Timestamp::parse(&text(statement, "created")?)
                .map_err(|_| RootError::Unreadable("created"))?,
            root_key,
            origin: text(log, "origin")?.parse::<Origin>().map_err(|_| RootError::Unreadable("origin"))?,
            log_key: key(log)?,
        })
    }
}

fn canonical(value: &Value) -> Vec<u8> {
    // Serialising a Value to memory cannot fail, and its text is JSON.
    jcs::canonical(value.to_string().as_bytes()).unwrap_or_default()
}
