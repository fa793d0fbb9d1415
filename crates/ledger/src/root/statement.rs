// SPDX-License-Identifier: Apache-2.0
//! What a member says of its keys after the root statement: delegation, rotation, revocation
//! (`docs/record.md`). Each names the statement before it, so that they form one chain.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::id::{MemberId, hex};
use model::kind::Kind;
use model::time::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use trust::composite::{PrivateKey, PublicKey, Signature, Use};
use trust::log_key::LogPublicKeys;
use trust::recovery::{RecoveryKey, RecoveryPublicKey};

use super::{
    RootError, base64, canonical, hash, log_from_json, log_to_json, public_key, read_signed, text, time,
};
use crate::checkpoint::{Checkpoint, Origin};
use crate::merkle::Hash;

const VERSION: u64 = 1;

/// What every statement of the chain has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whose keys.
    pub member: MemberId,
    /// SHA-256 of the body of the statement before it.
    pub previous: Hash,
    /// When it was made; never before the statement before it.
    pub created: Timestamp,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saying {
    /// The root key delegates to a log: a new one, or new keys for one that is there.
    Delegation {
        /// The log.
        origin: Origin,
        /// Keys that sign its checkpoints of more than `from` entries.
        keys: Box<LogPublicKeys>,
        /// How far it had come under the keys before; size 0 for a new log.
        from: Reached,
        /// For a log that takes the place of one that cannot go on: how far that one is known to have come.
        continues: Option<Checkpoint>,
    },
    /// Another key becomes the root key.
    Rotation {
        /// The new root key, which signs too.
        public_key: PublicKey,
        /// Hash of the recovery key from here on; only the recovery key may change it.
        recovery: Option<[u8; 32]>,
    },
    /// A key is worth nothing from a time on.
    Revocation {
        /// Which.
        key: Revoked,
        /// What was logged before it stays valid.
        effective: Timestamp,
    },
}

/// Size of a log, and its root at that size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Entries.
    pub size: u64,
    /// Root hash.
    pub root: Hash,
}

/// A key that is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The keys that sign the log now; what they signed beyond `reached` is refused.
    Log {
        /// The log.
        origin: Origin,
        /// The last state of the log that its owner stands for.
        reached: Reached,
    },
    /// The root key: only the recovery key can name another.
    Root,
}

/// Who signs.
pub enum Authority<'k> {
    /// The recovery key.
    Recovery(&'k RecoveryKey),
    /// The root key.
    Root(&'k PrivateKey),
}

/// Who signed, as the body says.
#[derive(Clone, Debug)]
pub enum Signed {
    /// The recovery key, which the body shows.
    Recovery(RecoveryPublicKey, Vec<u8>),
    /// The root key.
    Root(Signature),
}

/// A statement that was read; nothing is verified yet but that a new root key signed.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Its place.
    pub link: Link,
    /// What it says.
    pub saying: Saying,
    /// Who signed.
    pub signed: Signed,
    /// The bytes that are signed.
    pub message: Vec<u8>,
}

/// SHA-256 of a body, by which the next statement names it.
pub fn body_hash(body: &[u8]) -> Hash {
    Sha256::digest(body).into()
}

impl Saying {
    /// The kind of the record that carries it.
    pub fn kind(&self) -> Kind {
        match self {
            Saying::Delegation { .. } => Kind::MEMBER_DELEGATION,
            Saying::Revocation { .. } => Kind::MEMBER_REVOCATION,
            Saying::Rotation { .. } => Kind::MEMBER_ROTATION,
        }
    }

    /// The record's body. A rotation is signed by the new root key too, `new_key`, which proves that its
    /// maker has it.
    ///
    /// # Errors
    /// [`RootError::Signature`] when the recovery key does not sign.
    pub fn sign(
        &self,
        link: &Link,
        authority: &Authority<'_>,
        new_key: Option<&PrivateKey>,
        randomness: [u8; 32],
    ) -> Result<Vec<u8>, RootError> {
        let statement = self.to_json(link);
        let message = canonical(&statement);
        let mut body = Map::new();
        match authority {
            Authority::Recovery(key) => {
                let [hedge, _] = halves(&randomness);
                let signature = key.sign(&message, hedge).map_err(|_| RootError::Signature)?;
                body.insert("recovery_key".to_owned(), STANDARD.encode(key.public_key().as_bytes()).into());
                body.insert("signature".to_owned(), STANDARD.encode(signature).into());
            }
            Authority::Root(key) => {
                let signature = key.sign(&message, Use::Root, randomness);
                body.insert("signature".to_owned(), STANDARD.encode(signature.as_bytes()).into());
            }
        }
        if let Some(key) = new_key {
            let hedge = Sha256::new().chain_update(b"polder/new-root/v1").chain_update(randomness).finalize();
            let signature = key.sign(&message, Use::Root, hedge.into());
            body.insert("new_signature".to_owned(), STANDARD.encode(signature.as_bytes()).into());
        }
        body.insert("statement".to_owned(), statement);
        Ok(canonical(&Value::Object(body)))
    }

    fn to_json(&self, link: &Link) -> Value {
        let reached = |reached: &Reached| json!({ "root": hex(&reached.root), "size": reached.size });
        let mut statement = json!({
            "created": link.created.to_string(), "kind": self.kind().name(), "member": link.member.to_string(),
            "previous": hex(&link.previous), "v": VERSION,
        });
        let Some(members) = statement.as_object_mut() else { return statement };
        let mut add = |name: &str, value: Value| {
            members.insert(name.to_owned(), value);
        };
        match self {
            Saying::Delegation { origin, keys, from, continues } => {
                add("log", log_to_json(origin, keys));
                add("from", reached(from));
                if let Some(last) = continues {
                    let (origin, root) = (last.origin.to_string(), hex(&last.root));
                    add("continues", json!({ "origin": origin, "root": root, "size": last.size }));
                }
            }
            Saying::Rotation { public_key, recovery } => {
                add("public_key", STANDARD.encode(public_key.as_bytes()).into());
                if let Some(recovery) = recovery {
                    add("recovery", hex(recovery).into());
                }
            }
            Saying::Revocation { key, effective } => {
                add("effective", effective.to_string().into());
                if let Revoked::Log { origin, reached: last } = key {
                    add("origin", origin.to_string().into());
                    add("reached", reached(last));
                }
            }
        }
        statement
    }
}

fn halves(bytes: &[u8; 32]) -> [[u8; 16]; 2] {
    let part = |from: usize| std::array::from_fn(|at| bytes.get(from + at).copied().unwrap_or(0));
    [part(0), part(16)]
}

impl Statement {
    /// Reads a body. What it says must be spelled as [`Saying::sign`] spells it.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn read(body: &[u8]) -> Result<Statement, RootError> {
        let (value, signature) = read_signed(body)?;
        let whole: Value =
            serde_json::from_slice(body).map_err(|_| RootError::Unreadable("it is not JSON"))?;
        if value.get("v").and_then(Value::as_u64) != Some(VERSION) {
            return Err(RootError::Unreadable("its version is not known; update polder"));
        }
        let link = Link {
            member: MemberId::parse(text(&value, "member")?).map_err(|_| RootError::Unreadable("member"))?,
            previous: hash(&value, "previous")?,
            created: time(&value, "created")?,
        };
        let saying = read_saying(&value)?;
        let message = canonical(&saying.to_json(&link));
        // One spelling for each statement: no member that is signed but not understood.
        if message != canonical(&value) {
            return Err(RootError::Unreadable("it says more than this program understands; update polder"));
        }
        if let Saying::Rotation { public_key, .. } = &saying {
            let signature = Signature::from_bytes(&base64(&whole, "new_signature")?);
            let signature = signature.map_err(|_| RootError::Unreadable("new_signature"))?;
            public_key.verify(&message, Use::Root, &signature).map_err(|_| RootError::Signature)?;
        }
        let signed = if whole.get("recovery_key").is_some() {
            let key = base64(&whole, "recovery_key")?.try_into();
            let key = key.map_err(|_| RootError::Unreadable("recovery_key"))?;
            Signed::Recovery(RecoveryPublicKey::from_bytes(key), signature)
        } else {
            Signed::Root(Signature::from_bytes(&signature).map_err(|_| RootError::Unreadable("signature"))?)
        };
        Ok(Statement { link, saying, signed, message })
    }
}

fn read_saying(value: &Value) -> Result<Saying, RootError> {
    let member = |name: &'static str| value.get(name).ok_or(RootError::Unreadable(name));
    match Kind::from_name(text(value, "kind")?) {
        Some(Kind::MEMBER_DELEGATION) => {
            let (origin, keys) = log_from_json(member("log")?)?;
            let keys = Box::new(keys);
            let continues = value.get("continues").map(read_checkpoint).transpose()?;
            Ok(Saying::Delegation { origin, keys, from: read_reached(member("from")?)?, continues })
        }
        Some(Kind::MEMBER_REVOCATION) => {
            let key = match value.get("origin") {
                None => Revoked::Root,
                Some(_) => Revoked::Log {
                    origin: text(value, "origin")?.parse().map_err(|_| RootError::Unreadable("origin"))?,
                    reached: read_reached(member("reached")?)?,
                },
            };
            Ok(Saying::Revocation { key, effective: time(value, "effective")? })
        }
        Some(Kind::MEMBER_ROTATION) => {
            let recovery = value.get("recovery").map(|_| hash(value, "recovery")).transpose()?;
            Ok(Saying::Rotation { public_key: public_key(value, "public_key")?, recovery })
        }
        _ => Err(RootError::Unreadable("kind")),
    }
}

fn read_reached(value: &Value) -> Result<Reached, RootError> {
    let size = value.get("size").and_then(Value::as_u64).ok_or(RootError::Unreadable("size"))?;
    Ok(Reached { size, root: hash(value, "root")? })
}

fn read_checkpoint(value: &Value) -> Result<Checkpoint, RootError> {
    let Reached { size, root } = read_reached(value)?;
    let origin = text(value, "origin")?.parse().map_err(|_| RootError::Unreadable("origin"))?;
    Ok(Checkpoint { origin, size, root })
}
