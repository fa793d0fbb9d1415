// SPDX-License-Identifier: Apache-2.0
//! A member's root statement: who it is, and which keys sign its log (`docs/record.md`).

pub mod chain;
pub mod said;
pub mod statement;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::id::MemberId;
use model::jcs;
use model::time::Timestamp;
use serde_json::{Value, json};
use trust::composite::{PrivateKey, PublicKey, Signature, Use};
use trust::log_key::LogPublicKeys;
use trust::member::{fingerprint, fingerprint_hex, parse_fingerprint};

use crate::checkpoint::Origin;

/// Longest name, country and sector of an organisation.
pub const NAME_BYTES_MAX: usize = 200;
/// Largest statement that is read.
pub const STATEMENT_BYTES_MAX: usize = 64 * 1024;
/// The log has the composite key alone, and there is no recovery key.
const FIRST_VERSION: u64 = 1;
const VERSION: u64 = 2;
/// The log is another member's: who hosts this one.
const HOSTED_VERSION: u64 = 3;

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
    /// Keys that sign the log's checkpoints.
    pub log_keys: LogPublicKeys,
    /// SHA-256 of the recovery public key; none in a statement of version 1.
    pub recovery: Option<[u8; 32]>,
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
        let mut statement = json!({
            "country": self.country,
            "created": self.created.to_string(),
            "log": log_to_json(&self.origin, &self.log_keys),
            "member": self.member.to_string(),
            "name": self.name,
            "profile": "eu-hybrid",
            "public_key": STANDARD.encode(self.root_key.as_bytes()),
            "sector": self.sector,
            "v": FIRST_VERSION,
        });
        if let (Some(recovery), Some(members)) = (&self.recovery, statement.as_object_mut()) {
            members.insert("recovery".to_owned(), fingerprint_hex(recovery).into());
            let version = if self.is_hosted() { HOSTED_VERSION } else { VERSION };
            members.insert("v".to_owned(), version.into());
        }
        statement
    }

    /// Whether the log is that of another member.
    pub fn is_hosted(&self) -> bool {
        self.origin.member != self.member.0
    }

    /// Reads and verifies a statement.
    pub fn verify(body: &[u8]) -> Result<Root, RootError> {
        let (statement, signature) = read_signed(body)?;
        let statement = &statement;
        let version = statement.get("v").and_then(Value::as_u64);
        if !version.is_some_and(|version| (FIRST_VERSION..=HOSTED_VERSION).contains(&version)) {
            return Err(RootError::Unreadable("its version is not known; update polder"));
        }
        let member =
            MemberId::parse(text(statement, "member")?).map_err(|_| RootError::Unreadable("member"))?;
        let root_key = public_key(statement, "public_key")?;
        if fingerprint(&root_key) != member.0 {
            return Err(RootError::NotTheMember);
        }
        let signature = Signature::from_bytes(&signature).map_err(|_| RootError::Unreadable("signature"))?;
        root_key.verify(&canonical(statement), Use::Root, &signature).map_err(|_| RootError::Signature)?;
        let (origin, log_keys) = log_from_json(statement.get("log").ok_or(RootError::Unreadable("log"))?)?;
        let recovery = match version {
            Some(FIRST_VERSION) => None,
            _ => Some(hash(statement, "recovery")?),
        };
        // Each version has one form.
        let hosted = origin.member != member.0;
        if hosted != (version == Some(HOSTED_VERSION)) || log_keys.others.is_some() != recovery.is_some() {
            return Err(RootError::Unreadable("log"));
        }
        Ok(Root {
            member,
            name: shown(statement, "name")?,
            country: shown(statement, "country")?,
            sector: shown(statement, "sector")?,
            created: time(statement, "created")?,
            root_key,
            origin,
            log_keys,
            recovery,
        })
    }
}

/// A text that is shown to people: who signs it may be hostile.
fn shown(statement: &Value, name: &'static str) -> Result<String, RootError> {
    let text = text(statement, name)?;
    let fits = (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(RootError::Unreadable(name)) }
}

/// The statement and the bytes of its signature; nothing is verified.
fn read_signed(body: &[u8]) -> Result<(Value, Vec<u8>), RootError> {
    if body.len() > STATEMENT_BYTES_MAX {
        return Err(RootError::Unreadable("it is too large"));
    }
    let mut value: Value =
        serde_json::from_slice(body).map_err(|_| RootError::Unreadable("it is not JSON"))?;
    let signature = base64(&value, "signature")?;
    let statement = value.get_mut("statement").ok_or(RootError::Unreadable("`statement` is missing"))?;
    Ok((statement.take(), signature))
}

fn text<'v>(value: &'v Value, name: &'static str) -> Result<&'v str, RootError> {
    value.get(name).and_then(Value::as_str).ok_or(RootError::Unreadable(name))
}

fn base64(value: &Value, name: &'static str) -> Result<Vec<u8>, RootError> {
    STANDARD.decode(text(value, name)?).map_err(|_| RootError::Unreadable(name))
}

fn hash(value: &Value, name: &'static str) -> Result<[u8; 32], RootError> {
    parse_fingerprint(text(value, name)?).map_err(|_| RootError::Unreadable(name))
}

fn time(value: &Value, name: &'static str) -> Result<Timestamp, RootError> {
    Timestamp::parse(text(value, name)?).map_err(|_| RootError::Unreadable(name))
}

fn public_key(value: &Value, name: &'static str) -> Result<PublicKey, RootError> {
    PublicKey::from_bytes(&base64(value, name)?).map_err(|_| RootError::Unreadable(name))
}

fn log_to_json(origin: &Origin, keys: &LogPublicKeys) -> Value {
    let mut log =
        json!({ "origin": origin.to_string(), "public_key": STANDARD.encode(keys.composite.as_bytes()) });
    if let (Some(others), Some(members)) = (&keys.others, log.as_object_mut()) {
        members.insert("ed25519".to_owned(), STANDARD.encode(others.ed25519.as_bytes()).into());
        members.insert("ml_dsa_44".to_owned(), STANDARD.encode(others.cosigner.as_bytes()).into());
    }
    log
}

fn log_from_json(log: &Value) -> Result<(Origin, LogPublicKeys), RootError> {
    let origin = text(log, "origin")?.parse::<Origin>().map_err(|_| RootError::Unreadable("origin"))?;
    let composite = base64(log, "public_key")?;
    let keys = if log.get("ed25519").is_none() && log.get("ml_dsa_44").is_none() {
        LogPublicKeys::composite_alone(&composite)
    } else {
        LogPublicKeys::all(&composite, &base64(log, "ed25519")?, &base64(log, "ml_dsa_44")?)
    };
    Ok((origin, keys.map_err(|_| RootError::Unreadable("the keys of the log"))?))
}

fn canonical(value: &Value) -> Vec<u8> {
    // Serialising a Value to memory cannot fail, and its text is JSON.
    jcs::canonical(value.to_string().as_bytes()).unwrap_or_default()
}
