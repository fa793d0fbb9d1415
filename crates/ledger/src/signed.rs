// SPDX-License-Identifier: Apache-2.0
//! What a hosted member signs itself (`docs/record.md`, signed drafts): its key stays in its own client, the
//! host's log carries the record, and the entry names the signature.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::head::{Audience, Head};
use model::id::{MemberId, hex, hex_decode, is_stix_id};
use model::kind::Kind;
use model::limits::BODY_BYTES_MAX;
use model::marking::Marking;
use model::time::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use trust::composite::{PrivateKey, Signature, Use};

use crate::checkpoint::Origin;
use crate::draft::Draft;
use crate::entry::{Commitments, Salts};
use crate::hosted::Hosted;
use crate::merkle::Hash;
use crate::recall::SUBJECT_TYPE;
use crate::root::chain::{ChainError, Delegated, Identity};

/// Most signed drafts of one file or envelope: their signatures, 4.5 kB each, stand in one member of it.
pub const SIGNED_DRAFTS_MAX: usize = 2_000;
/// How far ahead of the host's a member's clock may be, in microseconds.
pub const CLOCK_SKEW_MAX_US: i64 = 5 * 60 * 1_000_000;
const VERSION: u64 = 1;

/// A member's own signature of a record, as it is kept beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorSignature {
    /// When it was made, by its author's clock.
    pub signed: Timestamp,
    /// Whether the author meant that more may see it from now on.
    pub widens: bool,
    /// Composite, context `polder/record/v1`.
    pub bytes: Vec<u8>,
}

/// A signature that was found right for a draft, at a state of its author's keys. Only [`Hosted::admit`]
/// makes one.
#[derive(Clone, Debug)]
pub struct Verified {
    pub(crate) signature: AuthorSignature,
    pub(crate) log: Origin,
    pub(crate) as_of: i64,
}

/// A signed draft cannot be taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignatureError {
    /// The host takes nothing more of this author.
    #[error("its author is not hosted here any more")]
    Ended,
    /// Something differs from what was signed.
    #[error("its author's signature fails: it was changed after it was signed, or another signed it")]
    Forged,
    /// The author's clock.
    #[error("it was signed in the future, at {0}")]
    Future(Timestamp),
    /// The key did not count.
    #[error(transparent)]
    Keys(#[from] ChainError),
    /// The author has said something of its keys since.
    #[error("it was signed before its author changed its keys")]
    Outdated,
    /// It is for another host.
    #[error("it was signed for log {0}, not for this node's")]
    OtherLog(Origin),
}

impl SignatureError {
    /// Stable code of the diagnostic.
    pub fn code(&self) -> &'static str {
        match self {
            SignatureError::Ended => "hosting-ended",
            SignatureError::Forged => "signature-fails",
            SignatureError::Future(_) => "signed-in-future",
            SignatureError::Keys(_) => "author-key",
            SignatureError::Outdated => "signed-before-keys-changed",
            SignatureError::OtherLog(_) => "signed-for-other-log",
        }
    }

    /// What its author can do.
    pub fn fix(&self) -> &'static str {
        match self {
            SignatureError::Ended => "ask who runs the node",
            SignatureError::Forged => {
                "send the file as `polder hosted sign` wrote it; if its author has a new key, the host takes its newest \
                 statements.json with `polder hosted accept` first"
            }
            SignatureError::Future(_) => "set the clock of the machine that signs, and sign it again",
            SignatureError::Keys(_) => "sign it with the key that counts now",
            SignatureError::Outdated => "sign it again",
            SignatureError::OtherLog(_) => {
                "sign it for the log that `polder key statements` of this host shows"
            }
        }
    }
}

/// The bytes that are signed: RFC 8785 JSON, as an entry all ASCII without anything to escape. They name the
/// log, so that it cannot be moved to another host, and hold the salted hashes, not what they are of: the
/// signature of a record whose body was erased can still be checked.
pub fn message(
    head: &Head,
    commitments: &Commitments,
    log: &Origin,
    signed: Timestamp,
    widens: bool,
) -> Vec<u8> {
    let mut text = String::with_capacity(600);
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        r#"{{"audience":"{}","author":"{}","body":"{}","kind":"{}","log":"{log}","marking":"{}","signed":"{signed}","subject":"{}","v":{VERSION},"widens":{widens}}}"#,
        hex(&commitments.audience),
        head.author,
        hex(&commitments.body),
        head.kind.name(),
        head.marking,
        hex(&commitments.subject),
    );
    text.into_bytes()
}

impl AuthorSignature {
    /// Signs a draft for a log.
    pub fn make(
        key: &PrivateKey,
        draft: &Draft,
        log: &Origin,
        signed: Timestamp,
        randomness: [u8; 32],
    ) -> AuthorSignature {
        let message = message(&draft.head(), &draft.commitments, log, signed, draft.widens);
        let bytes = key.sign(&message, Use::Record, randomness).as_bytes().to_vec();
        AuthorSignature { signed, widens: draft.widens, bytes }
    }

    /// What the entry says of it: SHA-256 of the signature, which itself is too long for an entry.
    pub fn hash(&self) -> Hash {
        Sha256::digest(&self.bytes).into()
    }

    /// Whether it is the author's of this record, which was logged at `logged`: by the root key that the
    /// author had when it signed, if that had not been revoked before it was logged.
    ///
    /// # Errors
    /// [`SignatureError::Forged`], [`SignatureError::Keys`].
    pub fn check(
        &self,
        identity: &Identity,
        head: &Head,
        commitments: &Commitments,
        log: &Origin,
        logged: Timestamp,
    ) -> Result<(), SignatureError> {
        if head.author != identity.member() {
            return Err(SignatureError::Forged);
        }
        let key = identity.root_key_at(self.signed, logged)?;
        let signature = Signature::from_bytes(&self.bytes).map_err(|_| SignatureError::Forged)?;
        let message = message(head, commitments, log, self.signed, self.widens);
        key.verify(&message, Use::Record, &signature).map_err(|_| SignatureError::Forged)
    }
}

impl Hosted {
    /// The draft with its author's signature, if that holds now for the log of this node.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn admit(
        &self,
        draft: Draft,
        signature: AuthorSignature,
        signed_for: &Origin,
        log: &Origin,
        now: Timestamp,
    ) -> Result<Draft, SignatureError> {
        // Who is hosted no more may still take back what he said.
        let left = self.identity.logs().iter().any(Delegated::is_revoked);
        if (self.ended || left) && draft.kind != Kind::RECALL {
            return Err(SignatureError::Ended);
        }
        if signed_for != log {
            return Err(SignatureError::OtherLog(*signed_for));
        }
        if signature.signed.micros() > now.micros().saturating_add(CLOCK_SKEW_MAX_US) {
            return Err(SignatureError::Future(signature.signed));
        }
        // A key that gave way to another signs nothing new, whatever date it writes.
        if signature.signed < self.identity.time() {
            return Err(SignatureError::Outdated);
        }
        signature.check(&self.identity, &draft.head(), &draft.commitments, log, now)?;
        let (widens, log, as_of) = (signature.widens, *log, self.as_of);
        Ok(Draft { widens, signature: Some(Box::new(Verified { signature, log, as_of })), ..draft })
    }
}

/// What the member [`model::stix::DRAFTS_MEMBER`] of a file says of its objects, one draft for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drafts {
    /// Whose objects.
    pub author: MemberId,
    /// The log for which they were signed.
    pub log: Origin,
    /// When they were signed.
    pub signed: Timestamp,
    /// In the order of the objects.
    pub drafts: Vec<SignedDraft>,
}

/// What was signed of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedDraft {
    /// What the object is: STIX, or a recall.
    pub kind: Kind,
    /// Effective marking.
    pub marking: Marking,
    /// First recipients.
    pub audience: Audience,
    /// Salts of the entry.
    pub salts: Salts,
    /// Id of the subject, which a recall's document does not hold.
    pub id: Option<String>,
    /// Whether more may see it from now on.
    pub widens: bool,
    /// The signature.
    pub signature: Vec<u8>,
}

/// The drafts of a file cannot be read: none of its objects is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` of `x_polder_drafts` is missing or has the wrong form")]
pub struct DraftsError(&'static str);

impl Drafts {
    /// The member's value.
    pub fn print(&self) -> Value {
        let drafts: Vec<Value> = self.drafts.iter().map(SignedDraft::to_json).collect();
        json!({
            "author": self.author.to_string(), "drafts": drafts, "log": self.log.to_string(),
            "signed": self.signed.to_string(), "v": VERSION,
        })
    }

    /// Reads the member's value; nothing is verified yet. Members that this program does not know are passed
    /// over: what counts is what was signed.
    ///
    /// # Errors
    /// [`DraftsError`] for the first thing that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Drafts, DraftsError> {
        if bytes.len() > BODY_BYTES_MAX {
            return Err(DraftsError("size"));
        }
        let value: Map<String, Value> = serde_json::from_slice(bytes).map_err(|_| DraftsError("document"))?;
        if value.get("v").and_then(Value::as_u64) != Some(VERSION) {
            return Err(DraftsError("v"));
        }
        let listed = value.get("drafts").and_then(Value::as_array).ok_or(DraftsError("drafts"))?;
        if listed.len() > SIGNED_DRAFTS_MAX {
            return Err(DraftsError("drafts"));
        }
        Ok(Drafts {
            author: MemberId::parse(text(&value, "author")?).map_err(|_| DraftsError("author"))?,
            log: text(&value, "log")?.parse().map_err(|_| DraftsError("log"))?,
            signed: Timestamp::parse(text(&value, "signed")?).map_err(|_| DraftsError("signed"))?,
            drafts: listed.iter().map(SignedDraft::from_json).collect::<Result<_, _>>()?,
        })
    }
}

impl SignedDraft {
    /// What is sent of a draft that was signed.
    pub fn of(draft: &Draft, signature: AuthorSignature) -> SignedDraft {
        SignedDraft {
            kind: draft.kind,
            marking: draft.marking,
            audience: draft.audience.clone(),
            salts: draft.salts,
            id: (draft.kind == Kind::RECALL).then(|| draft.subject.id.clone()),
            widens: draft.widens,
            signature: signature.bytes,
        }
    }

    fn to_json(&self) -> Value {
        let mut value = json!({
            "audience": self.audience.to_string(), "kind": self.kind.name(), "marking": self.marking.to_string(),
            "salts": hex(&self.salts.to_bytes()), "signature": STANDARD.encode(&self.signature),
        });
        if let Some(members) = value.as_object_mut() {
            members.extend(self.id.clone().map(|id| ("id".to_owned(), id.into())));
            members.extend(self.widens.then(|| ("widens".to_owned(), true.into())));
        }
        value
    }

    fn from_json(value: &Value) -> Result<SignedDraft, DraftsError> {
        let value = value.as_object().ok_or(DraftsError("drafts"))?;
        let kind = Kind::from_name(text(value, "kind")?);
        let kind = kind.filter(|kind| kind.is_stix() || *kind == Kind::RECALL).ok_or(DraftsError("kind"))?;
        let id = match value.get("id") {
            None => None,
            Some(id) => {
                let id = id.as_str().filter(|id| is_stix_id(id) && id.starts_with(SUBJECT_TYPE));
                Some(id.ok_or(DraftsError("id"))?.to_owned())
            }
        };
        if id.is_some() != (kind == Kind::RECALL) {
            return Err(DraftsError("id"));
        }
        let salts = hex_decode(text(value, "salts")?).and_then(|bytes| Salts::from_bytes(&bytes));
        Ok(SignedDraft {
            kind,
            marking: Marking::parse(text(value, "marking")?).ok_or(DraftsError("marking"))?,
            audience: Audience::parse(text(value, "audience")?).ok_or(DraftsError("audience"))?,
            salts: salts.ok_or(DraftsError("salts"))?,
            id,
            widens: match value.get("widens") {
                None => false,
                Some(widens) => widens.as_bool().ok_or(DraftsError("widens"))?,
            },
            signature: STANDARD.decode(text(value, "signature")?).map_err(|_| DraftsError("signature"))?,
        })
    }
}

fn text<'v>(value: &'v Map<String, Value>, name: &'static str) -> Result<&'v str, DraftsError> {
    value.get(name).and_then(Value::as_str).ok_or(DraftsError(name))
}
