// SPDX-License-Identifier: Apache-2.0
//! The composition root: the rooms' views and tables, the keys, the operator as a reader.

use exchange::token::Credential;
use ledger::append::{Circumstances, Signer};
use ledger::record;
use ledger::root::Root;
use ledger::sql::EngineError;
use model::head::{Audience, Person};
use model::id::{CommunityId, MemberId};
use model::limits::AUDIENCE_NAMES_MAX;
use model::marking::Tlp;
use model::time::Timestamp;
use policy::Reader;
use sha2::{Digest, Sha256};
use store::{Schema, Store, Writer};
use trust::composite::PrivateKey;
use zeroize::Zeroizing;

use crate::cli::{Data, Recipients};
use crate::datadir::{DataDir, Held};
use crate::failure::Failure;

/// Name of the key that signs the node's first log.
pub const LOG_KEY: &str = "log-1.key";
/// Name of the member's root key.
pub const ROOT_KEY: &str = "root.key";
/// Name of the secret from which tokens and cursors are keyed.
pub const NODE_SECRET: &str = "node.key";

/// A node that is open.
pub struct Node {
    /// Its directory.
    pub dir: DataDir,
    /// Its store.
    pub store: Store,
    /// Its member's root statement.
    pub root: Root,
}

/// A writer together with the right to write.
pub struct Writing {
    // Dropped first: it writes what waits before the lock is let go.
    writer: Writer,
    _held: Held,
}

impl std::ops::Deref for Writing {
    type Target = Writer;
    fn deref(&self) -> &Writer {
        &self.writer
    }
}

/// What the rooms bring to the store.
pub fn schema() -> Schema {
    let mut local = Vec::new();
    local.extend_from_slice(exchange::token::LOCAL_TABLES);
    local.extend_from_slice(hunt::history::TABLES);
    Schema {
        views: vec![
            Box::new(ledger::definitions::DefinitionView),
            Box::new(exchange::view::CollectionView),
            Box::new(hunt::view::IndicatorView),
        ],
        local,
    }
}

impl Node {
    /// Opens a node. A database that was rolled back is refused here, before anything is written.
    pub fn open(data: &Data) -> Result<Node, Failure> {
        let node = Node::open_unchecked(data)?;
        node.dir.side_file().check(&node.store)?;
        Ok(node)
    }

    /// Opens a node without asking whether its database was rolled back.
    pub fn open_unchecked(data: &Data) -> Result<Node, Failure> {
        let dir = DataDir::new(&data.dir);
        let store = Store::open(&dir.database(), schema())?;
        let root = store.read(|read| {
            let first = record::after(read, 0, 1)?;
            let body = first.into_iter().next().and_then(|r| r.body);
            Ok::<_, EngineError>(body)
        })?;
        let missing = || {
            Failure::machine(format!(
                "{} has no root statement: `polder init` did not finish; remove the directory and run it again",
                dir.root().display()
            ))
        };
        let root = Root::verify(&root.ok_or_else(missing)?)
            .map_err(|e| Failure::machine(format!("{}: {e}; restore a backup", dir.root().display())))?;
        Ok(Node { dir, store, root })
    }

    /// The member whose node it is.
    pub fn member(&self) -> MemberId {
        self.root.member
    }

    /// The own organisation as an audience.
    pub fn own_audience(&self) -> Audience {
        Audience::Organisation(self.member())
    }

    /// Starts writing. Only one process may at a time.
    pub fn write(&self) -> Result<Writing, Failure> {
        let held = self.dir.hold_writing()?;
        let key = self.dir.read_key::<64>(LOG_KEY)?;
        let tombstone_key = *self.derived("tombstones")?;
        let signer = Signer { origin: self.root.origin, key: PrivateKey::from_bytes(&key), tombstone_key };
        let writer = self.store.writer(signer, Some(self.dir.side_file()), circumstances)?;
        Ok(Writing { writer, _held: held })
    }

    /// The operator, who sits at the machine, as the gate sees him.
    pub fn operator(&self, ceiling: Tlp) -> Result<Reader, Failure> {
        let (id, name) = ("operator".to_owned(), "operator".to_owned());
        let credential = Credential { id, name, member: self.member(), ceiling, person: None };
        Ok(self.store.read(|read| exchange::token::reader(read, &credential))?)
    }

    /// The audience that somebody chose.
    pub fn recipients(&self, chosen: &Recipients) -> Result<Audience, Failure> {
        if !chosen.to_member.is_empty() {
            let members = chosen.to_member.iter().map(|id| MemberId::parse(id));
            let members = members.collect::<Result<_, _>>().map_err(|e| Failure::usage(e.to_string()))?;
            return Audience::of_members(members).ok_or_else(|| {
                Failure::usage(format!("at most {AUDIENCE_NAMES_MAX} members are named at once"))
            });
        }
        if chosen.to_person.is_empty() {
            return self.audience(chosen.community.as_deref());
        }
        let person = |text: &String| {
            Person::parse(text).ok_or_else(|| {
                Failure::usage(format!(
                    "`{text}` is not a person: MEMBER/name, with a name of a-z, 0-9, `.`, `_`, `-`"
                ))
            })
        };
        let persons = chosen.to_person.iter().map(person).collect::<Result<_, _>>()?;
        Audience::of_persons(persons)
            .ok_or_else(|| Failure::usage(format!("at most {AUDIENCE_NAMES_MAX} persons are named at once")))
    }

    /// Audience of a community's id, which must be known here and have the own organisation as member.
    pub fn audience(&self, community: Option<&str>) -> Result<Audience, Failure> {
        let Some(text) = community else { return Ok(self.own_audience()) };
        let id = uuid::Uuid::try_parse(text).map(CommunityId).map_err(|_| {
            Failure::usage(format!("`{text}` is not a community's id; `polder community list` shows them"))
        })?;
        if self.operator(Tlp::AmberStrict)?.communities.contains(&id) {
            Ok(Audience::Community(id))
        } else {
            Err(Failure::usage(format!(
                "the own organisation is in no community {id}; `polder community list` shows them"
            )))
        }
    }

    /// Key under which tokens are kept.
    pub fn token_key(&self) -> Result<Zeroizing<[u8; 32]>, Failure> {
        self.derived("tokens")
    }

    /// Key of the cursors that TAXII clients are given.
    pub fn cursor_key(&self) -> Result<Zeroizing<[u8; 32]>, Failure> {
        self.derived("cursors")
    }

    /// A key of its own for each use, from the node's one secret.
    fn derived(&self, usage: &str) -> Result<Zeroizing<[u8; 32]>, Failure> {
        Ok(derived(&*self.dir.read_key::<32>(NODE_SECRET)?, usage))
    }
}

/// A key of its own for each use, from a node's one secret.
pub fn derived(secret: &[u8; 32], usage: &str) -> Zeroizing<[u8; 32]> {
    let hash = Sha256::new().chain_update(secret).chain_update(b"polder/derived/v1/").chain_update(usage);
    Zeroizing::new(hash.finalize().into())
}

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the one place where the program reads the clock")]
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Random bytes from the system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "without the system's randomness no key and no salt can be made")]
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// Time and randomness for a batch.
pub fn circumstances() -> Circumstances {
    Circumstances { now: now(), randomness: random() }
}
