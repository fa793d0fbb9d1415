// SPDX-License-Identifier: Apache-2.0
//! A proof that stands alone: one file from which a stranger can tell that a record stands in a member's
//! log (`docs/proof.md`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::head::{Audience, Head};
use model::id::{MemberId, hex, hex_decode};
use model::kind::Kind;
use model::marking::Marking;
use model::stix::Object;
use model::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::checkpoint::Checkpoint;
use crate::entry::{
    Commitments, SALT_BYTES, Salts, audience_bytes, entry_bytes, signed_entry_bytes, subject_bytes,
};
use crate::merkle::{Hash, ProofError, leaf_hash, verify_inclusion};
use crate::root::Root;
use crate::root::chain::{ChainError, Identity, STATEMENTS_MAX};
use crate::signed::{AuthorSignature, SignatureError};

/// Largest proof file that is read: the largest body in base64 and what is around it.
pub const PROOF_BYTES_MAX: usize = 24 * 1024 * 1024;
const FORMAT: &str = "polder-proof/1";
const TLOG_HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Everything that a proof file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Bytes of the entry.
    pub entry: Vec<u8>,
    /// Salts of subject, body and audience.
    pub salts: Salts,
    /// What the node knows of the record, in plain.
    pub envelope: Envelope,
    /// Body as received.
    pub body: Vec<u8>,
    /// Place in the log.
    pub index: u64,
    /// Sibling hashes from leaf to root.
    pub path: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// Body of the member's root statement.
    pub root: Vec<u8>,
    /// Bodies of what the member said of its keys since, in the order in which it was logged.
    pub statements: Vec<Vec<u8>>,
    /// What the author signed itself, where it is hosted and its key is its own.
    pub author: Option<SignedBy>,
}

/// A hosted author's own signature, and who the author is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBy {
    /// The signature that the entry names.
    pub signature: AuthorSignature,
    /// Body of the author's root statement.
    pub root: Vec<u8>,
    /// Bodies of what the author said of its keys since.
    pub statements: Vec<Vec<u8>>,
}

impl SignedBy {
    fn to_json(&self) -> Value {
        let mut value = json!({
            "root": String::from_utf8_lossy(&self.root), "signature": STANDARD.encode(&self.signature.bytes),
            "signed": self.signature.signed.to_string(), "widens": self.signature.widens,
        });
        add_statements(&mut value, &self.statements);
        value
    }

    fn from_json(value: &Value) -> Result<SignedBy, CheckError> {
        let unreadable = || CheckError::Unreadable("author");
        let text = |name: &str| value.get(name).and_then(Value::as_str).ok_or_else(unreadable);
        Ok(SignedBy {
            signature: AuthorSignature {
                signed: Timestamp::parse(text("signed")?).map_err(|_| unreadable())?,
                widens: value.get("widens").and_then(Value::as_bool).ok_or_else(unreadable)?,
                bytes: STANDARD.decode(text("signature")?).map_err(|_| unreadable())?,
            },
            root: text("root")?.as_bytes().to_vec(),
            statements: read_statements(value.get("statements"))?,
        })
    }
}

/// A record's envelope: what its entry says in plain, and what it commits to besides the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Author, kind, marking and audience.
    pub head: Head,
    /// Id of the subject.
    pub id: String,
    /// Version of the subject.
    pub version: Timestamp,
    /// When it was appended.
    pub time: Timestamp,
}

impl Envelope {
    fn to_json(&self) -> Value {
        json!({
            "audience": self.head.audience.to_string(), "author": self.head.author.to_string(), "id": self.id,
            "kind": self.head.kind.name(), "marking": self.head.marking.to_string(),
            "time": self.time.to_string(), "version": self.version.to_string(),
        })
    }

    fn from_json(value: &Value) -> Option<Envelope> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let head = Head {
            author: MemberId::parse(text("author")?).ok()?,
            kind: Kind::from_name(text("kind")?)?,
            marking: Marking::parse(text("marking")?)?,
            audience: Audience::parse(text("audience")?)?,
        };
        let time = |name: &str| text(name).and_then(|t| Timestamp::parse(t).ok());
        Some(Envelope { head, id: text("id")?.to_owned(), version: time("version")?, time: time("time")? })
    }
}

/// What a proof that holds tells.
#[derive(Clone, Debug)]
pub struct Proved {
    /// The member who signed: to be compared with an id that was learned elsewhere.
    pub root: Root,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The author, where it is hosted by that member and signed the record itself.
    pub author: Option<Root>,
}

/// A proof does not hold.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Body, subject, audience or salts are not what the entry commits to.
    #[error("the {0} is not what the entry commits to: it was changed after it was logged")]
    Commitment(&'static str),
    /// The path does not lead to a checkpoint's root.
    #[error("the hashes do not lead to the root that was signed: {0}")]
    Inclusion(#[from] ProofError),
    /// The member's keys do not vouch for this log, size or entry.
    #[error(transparent)]
    Keys(#[from] ChainError),
    /// The checkpoint's signature fails.
    #[error("the checkpoint is not signed by the log's keys: {0}")]
    Signature(String),
    /// The author's own signature fails.
    #[error(transparent)]
    Author(#[from] SignatureError),
    /// The author's root statement names another log.
    #[error("the author's root statement does not delegate to this log")]
    NotItsHost,
    /// Not a proof file.
    #[error("not a proof file: {0}; make one with `polder ledger prove`")]
    Unreadable(&'static str),
}

impl Proof {
    /// The file: JSON, and inside it the C2SP tlog-proof.
    pub fn print(&self) -> String {
        let path: String = self.path.iter().map(|h| format!("{}\n", STANDARD.encode(h))).collect();
        let tlog = format!("{TLOG_HEADER}\nindex {}\n{path}\n{}", self.index, self.checkpoint);
        let salts = json!({
            "audience": hex(&self.salts.audience), "body": hex(&self.salts.body), "subject": hex(&self.salts.subject),
        });
        let mut file = json!({
            "format": FORMAT,
            "entry": String::from_utf8_lossy(&self.entry),
            "envelope": self.envelope.to_json(),
            "salts": salts,
            "body": STANDARD.encode(&self.body),
            "proof": tlog,
            "root": String::from_utf8_lossy(&self.root),
        });
        add_statements(&mut file, &self.statements);
        if let (Some(author), Some(members)) = (&self.author, file.as_object_mut()) {
            members.insert("author".to_owned(), author.to_json());
        }
        // Whatever order the library keeps: one proof has one form.
        file.sort_all_objects();
        format!("{file:#}\n")
    }

    /// Reads a file; nothing is verified yet.
    pub fn parse(file: &[u8]) -> Result<Proof, CheckError> {
        let unreadable = CheckError::Unreadable;
        if file.len() > PROOF_BYTES_MAX {
            return Err(unreadable("it is too large"));
        }
        let file: Map<String, Value> =
            serde_json::from_slice(file).map_err(|_| unreadable("it is not JSON"))?;
        let text = |map: &Map<String, Value>, name: &'static str| {
            map.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(CheckError::Unreadable(name))
        };
        if text(&file, "format")? != FORMAT {
            return Err(unreadable("its format is not known"));
        }
        let salts = file.get("salts").and_then(Value::as_object).ok_or(unreadable("salts"))?;
        let salt = |name: &'static str| -> Result<[u8; SALT_BYTES], CheckError> {
            hex_decode(&text(salts, name)?)
                .and_then(|b| b.try_into().ok())
                .ok_or(CheckError::Unreadable("salts"))
        };
        let statements = read_statements(file.get("statements"))?;
        let (index, path, checkpoint) = parse_tlog(&text(&file, "proof")?)?;
        Ok(Proof {
            entry: text(&file, "entry")?.into_bytes(),
            salts: Salts { subject: salt("subject")?, body: salt("body")?, audience: salt("audience")? },
            envelope: file
                .get("envelope")
                .and_then(Envelope::from_json)
                .ok_or(CheckError::Unreadable("its envelope, or its kind is of a newer polder"))?,
            body: STANDARD.decode(text(&file, "body")?).map_err(|_| unreadable("body"))?,
            index,
            path,
            checkpoint,
            root: text(&file, "root")?.into_bytes(),
            statements,
            author: file.get("author").map(SignedBy::from_json).transpose()?,
        })
    }

    /// Verifies everything that can be verified without knowing whom to expect.
    pub fn check(&self) -> Result<Proved, CheckError> {
        let identity = identity(&self.root, &self.statements)?;
        let (note, checkpoint) = Checkpoint::read_signed(self.checkpoint.as_bytes())
            .map_err(|e| CheckError::Signature(e.to_string()))?;
        let keys = identity.keys_of(&checkpoint)?;
        checkpoint.verify(&note, keys).map_err(|e| CheckError::Signature(e.to_string()))?;
        identity.check_entry(&checkpoint.origin, self.index, self.envelope.time)?;
        let author = self.author.as_ref().map(|by| self::identity(&by.root, &by.statements)).transpose()?;
        if author.as_ref().is_some_and(|author| !author.is_hosted_by(&identity)) {
            return Err(CheckError::NotItsHost);
        }
        let commitments = self.check_commitments(author.as_ref().unwrap_or(&identity).member())?;
        if let (Some(by), Some(author)) = (&self.author, &author) {
            let Envelope { head, time, .. } = &self.envelope;
            by.signature.check(author, head, &commitments, &checkpoint.origin, *time)?;
        }
        verify_inclusion(&leaf_hash(&self.entry), self.index, checkpoint.size, &self.path, &checkpoint.root)?;
        Ok(Proved { root: identity.root, checkpoint, author: author.map(|author| author.root) })
    }

    fn check_commitments(&self, member: MemberId) -> Result<Commitments, CheckError> {
        let Envelope { head, id, version, time } = &self.envelope;
        // Who makes a proof writes the subject: it is shown to people, and must be what the body says.
        if id.chars().any(char::is_control) {
            return Err(CheckError::Unreadable("its id has control characters"));
        }
        if head.kind.is_stix() {
            let object = Object::parse(&self.body, id, &mut Vec::new());
            if object.is_none_or(|object| object.id != *id || object.version != *version) {
                return Err(CheckError::Commitment("id or version of the body"));
            }
        }
        let (subject, audience) = (subject_bytes(id, *version), audience_bytes(&head.audience));
        let commitments = Commitments::new(&self.salts, &subject, &self.body, &audience);
        let sig = self.author.as_ref().map(|by| by.signature.hash());
        let expected = match &sig {
            None => entry_bytes(head, &commitments, *time),
            Some(sig) => signed_entry_bytes(head, &commitments, sig, *time),
        };
        if expected == self.entry && head.author == member {
            return Ok(commitments);
        }
        // The entry does not follow from the rest: say what differs.
        let entry: Map<String, Value> = serde_json::from_slice(&self.entry)
            .map_err(|_| CheckError::Unreadable("the entry is not JSON"))?;
        let pairs = [
            ("sig", sig.map_or_else(String::new, |sig| hex(&sig))),
            ("author", member.to_string()),
            ("subject", hex(&commitments.subject)),
            ("body", hex(&commitments.body)),
            ("audience", hex(&commitments.audience)),
            ("kind", head.kind.name().to_owned()),
            ("marking", head.marking.to_string()),
            ("time", time.to_string()),
        ];
        let says = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let differs = pairs.into_iter().find(|(name, value)| says(name) != value);
        Err(CheckError::Commitment(differs.map_or("form of the entry", |(name, _)| name)))
    }
}

fn parse_tlog(text: &str) -> Result<(u64, Vec<Hash>, String), CheckError> {
    let unreadable = CheckError::Unreadable("the tlog-proof inside it");
    let Some((head, checkpoint)) = text.split_once("\n\n") else { return Err(unreadable) };
    let mut lines = head.lines();
    if lines.next() != Some(TLOG_HEADER) {
        return Err(unreadable);
    }
    let mut lines = lines.filter(|line| !line.starts_with("extra "));
    let index = lines.next().and_then(|l| l.strip_prefix("index ")).and_then(|n| n.parse().ok());
    let Some(index) = index else { return Err(unreadable) };
    let path = lines
        .map(|line| STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok()))
        .collect::<Option<Vec<Hash>>>()
        .ok_or(CheckError::Unreadable("a hash of the tlog-proof inside it"))?;
    Ok((index, path, checkpoint.to_owned()))
}

/// The member's keys after all that the file says of them.
pub(crate) fn identity(root: &[u8], statements: &[Vec<u8>]) -> Result<Identity, CheckError> {
    Ok(Identity::verify(root, statements.iter().map(Vec::as_slice))?)
}

/// The member `statements` is there only where there are some: files of the first release had none.
pub(crate) fn add_statements(file: &mut Value, statements: &[Vec<u8>]) {
    if let (false, Some(members)) = (statements.is_empty(), file.as_object_mut()) {
        let all = statements.iter().map(|body| String::from_utf8_lossy(body).into_owned().into()).collect();
        members.insert("statements".to_owned(), Value::Array(all));
    }
}

pub(crate) fn read_statements(value: Option<&Value>) -> Result<Vec<Vec<u8>>, CheckError> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let all = value.as_array().filter(|all| all.len() <= STATEMENTS_MAX);
    let bytes = |body: &Value| body.as_str().map(|text| text.as_bytes().to_vec());
    all.and_then(|all| all.iter().map(bytes).collect()).ok_or(CheckError::Unreadable("statements"))
}
