// SPDX-License-Identifier: Apache-2.0
//! The composition root: the rooms' views and tables, the keys, the operator as a reader.

use exchange::token::{Credential, Rights};
use ledger::append::{Circumstances, Signer};
use ledger::audience::Heads;
use ledger::checkpoint::Origin;
use ledger::logs::own_logs;
use ledger::record;
use ledger::root::Root;
use ledger::root::chain::Identity;
use ledger::sql::{EngineError, Read};
use model::head::{Audience, Person};
use model::id::{CommunityId, MemberId};
use model::kind::Kind;
use model::limits::AUDIENCE_NAMES_MAX;
use model::marking::Tlp;
use model::time::Timestamp;
use policy::Reader;
use sha2::{Digest, Sha256};
use store::{Location, OpenError, Schema, Store, Writer};
use trust::log_key::LogKey;
use zeroize::Zeroizing;

use crate::cli::{Data, Recipients};
use crate::datadir::{DataDir, Held};
use crate::failure::Failure;
use crate::rebuild;

/// Name of the keys that sign the node's first log.
pub const LOG_KEY: &str = "log-1.key";
/// Name of the member's recovery key.
pub const RECOVERY_KEY: &str = "recovery.key";
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
    /// Its member's keys after all that was said of them since.
    pub identity: Identity,
    /// The newest of its logs, to which it appends.
    pub origin: Origin,
    /// Whether the store is on a server, where other processes write too.
    pub on_server: bool,
}

/// A writer together with the right to write.
pub struct Writing {
    // Dropped first: it writes what waits before the lock is let go.
    writer: Writer,
    held: Held,
}

impl Writing {
    /// The writer by itself; the right to write goes on as long as the second lives.
    pub fn into_parts(self) -> (Writer, Held) {
        (self.writer, self.held)
    }
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
    local.push(&hunt::detector::crown::CROWN);
    local.extend_from_slice(hunt::rule::TABLES);
    local.extend_from_slice(hunt::confirm::warning::TABLES);
    local.extend_from_slice(hunt::report::draft::TABLES);
    local.extend_from_slice(hunt::report::outbox::TABLES);
    local.extend_from_slice(hunt::report::kept::TABLES);
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
    /// Its views are whole: where they are not, this makes them so first.
    pub fn open(data: &Data) -> Result<Node, Failure> {
        let node = Node::open_stale(data)?;
        rebuild::bring_up(&node.store)?;
        Ok(node)
    }

    /// Opens a node whose views may have to be rebuilt before they can be asked.
    pub fn open_stale(data: &Data) -> Result<Node, Failure> {
        let node = Node::open_unchecked(data)?;
        node.dir.side_file().check(&node.store)?;
        Ok(node)
    }

    /// Opens a node without asking whether its database was rolled back.
    pub fn open_unchecked(data: &Data) -> Result<Node, Failure> {
        let dir = DataDir::new(&data.dir);
        let location = dir.location()?;
        let on_server = matches!(location, Location::Postgresql(_));
        let store = match Store::open(location.clone(), schema()) {
            Err(OpenError::Older { .. }) => {
                // A program of the earlier format that writes now would not know what the new one needs.
                let _held = dir.hold_writing_alone()?;
                Store::migrate(location.clone(), &mut rebuild::tell_migrating)?;
                Store::open(location, schema())?
            }
            opened => opened?,
        };
        let identity = identity_of(&store, &dir)?;
        let root = identity.root.clone();
        let newest = store.read(own_logs)?.last().map(|log| log.origin);
        let origin = newest.unwrap_or(root.origin);
        Ok(Node { dir, store, root, identity, origin, on_server })
    }

    /// The member whose node it is.
    pub fn member(&self) -> MemberId {
        self.root.member
    }

    /// The own organisation as an audience.
    pub fn own_audience(&self) -> Audience {
        Audience::Organisation(self.member())
    }

    /// Starts writing. Other processes may write too: each batch takes its turn.
    pub fn write(&self) -> Result<Writing, Failure> {
        let held = self.dir.hold_writing()?;
        if self.on_server {
            // What others have written since is noted in the side file: this node signs on from there.
            self.dir.side_file().publish_held(&self.store, self.origin)?;
        }
        // Another process may have changed the keys before this one got the lock.
        let (_, statements) = self.store.read(said_of_keys)?.unwrap_or_default();
        if statements.len() != self.identity.said() {
            return Err(Failure::machine("the keys of the log were changed just now; run this again"));
        }
        let key = crate::key::log_key(self)?;
        self.write_as(held, self.origin, key)
    }

    /// Starts writing with a log and keys of one's own choice: those to which the node passes.
    pub fn write_as(&self, held: Held, origin: Origin, key: LogKey) -> Result<Writing, Failure> {
        let signer = Signer { origin, key, tombstone_key: *self.derived("tombstones")? };
        let writer = self.store.writer(signer, Some(self.dir.side_file()), circumstances)?;
        Ok(Writing { writer, held })
    }

    /// The operator, who sits at the machine, as the gate sees him.
    pub fn operator(&self, ceiling: Tlp) -> Result<Reader, Failure> {
        let (id, name) = ("operator".to_owned(), "operator".to_owned());
        let rights = Rights::READ;
        let credential = Credential { id, name, member: self.member(), ceiling, person: None, rights };
        Ok(self.store.read(|read| exchange::token::reader(read, &credential))?)
    }

    /// The audience that somebody chose.
    pub fn recipients(&self, chosen: &Recipients) -> Result<Audience, Failure> {
        match named_recipients(chosen)? {
            Some(audience) => Ok(audience),
            None => self.audience(chosen.community.as_deref()),
        }
    }

    /// Audience of a community's id, which must be known here and have the own organisation as member.
    pub fn audience(&self, community: Option<&str>) -> Result<Audience, Failure> {
        let Some(text) = community else { return Ok(self.own_audience()) };
        let id = uuid::Uuid::try_parse(text).map(CommunityId).map_err(|_| {
            Failure::usage(format!("`{text}` is not a community's id; `polder community list` shows them"))
        })?;
        if !self.operator(Tlp::AmberStrict)?.communities.contains(&id) {
            return Err(Failure::usage(format!(
                "the own organisation is in no community {id}; `polder community list` shows them"
            )));
        }
        let role = self.store.read(|read| exchange::standing::role(read, id, self.member()))?;
        if !role.is_some_and(policy::Role::may_contribute) {
            return Err(Failure::usage(format!(
                "the own organisation is an observer of {id} and adds nothing to it; its author gives roles with \
                 `polder community role`"
            )));
        }
        Ok(Audience::Community(id))
    }

    /// Key under which tokens are kept.
    pub fn token_key(&self) -> Result<Zeroizing<[u8; 32]>, Failure> {
        self.derived("tokens")
    }

    /// Key of the cursors that TAXII clients are given.
    pub fn cursor_key(&self) -> Result<Zeroizing<[u8; 32]>, Failure> {
        self.derived("cursors")
    }

    /// Key of the ids of indicators that are made of lists: an id must not tell its value.
    pub fn indicator_key(&self) -> Result<Zeroizing<[u8; 32]>, Failure> {
        self.derived("indicators")
    }

    /// Key of the ids of anonymous sightings: an id must not tell who made it.
    pub fn sighting_key(&self) -> Result<Zeroizing<[u8; 32]>, Failure> {
        self.derived("sightings")
    }

    /// Key under which the history keeps accounts, and its audit persons' values.
    pub fn history_key(&self) -> Result<Zeroizing<[u8; 32]>, Failure> {
        self.derived("history")
    }

    /// A key of its own for each use, from the node's one secret.
    fn derived(&self, usage: &str) -> Result<Zeroizing<[u8; 32]>, Failure> {
        Ok(derived(&*self.dir.read_key::<32>(NODE_SECRET)?, usage))
    }
}

/// The members or persons that somebody named; `None` if he named none.
pub fn named_recipients(chosen: &Recipients) -> Result<Option<Audience>, Failure> {
    if !chosen.to_member.is_empty() {
        let members = chosen.to_member.iter().map(|id| MemberId::parse(id));
        let members = members.collect::<Result<_, _>>().map_err(|e| Failure::usage(e.to_string()))?;
        return Audience::of_members(members).map(Some).ok_or_else(|| {
            Failure::usage(format!("at most {AUDIENCE_NAMES_MAX} members are named at once"))
        });
    }
    if chosen.to_person.is_empty() {
        return Ok(None);
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
        .map(Some)
        .ok_or_else(|| Failure::usage(format!("at most {AUDIENCE_NAMES_MAX} persons are named at once")))
}

/// Bodies of the root statement and of what followed it, in the order in which they were logged.
pub type SaidOfKeys = (Vec<u8>, Vec<Vec<u8>>);

/// What the member said of its keys; nothing where there is no root statement.
pub fn said_of_keys(read: &mut dyn Read) -> Result<Option<SaidOfKeys>, EngineError> {
    let Some(first) = record::after(read, 0, 1)?.into_iter().next() else { return Ok(None) };
    let Some(root) = first.body else { return Ok(None) };
    let heads = Heads::load(read)?;
    let mut all = Vec::new();
    for row in record::of_subject(read, first.key)? {
        let kind = heads.of(row.audience_row)?.kind;
        let of_keys = [Kind::MEMBER_DELEGATION, Kind::MEMBER_ROTATION, Kind::MEMBER_REVOCATION];
        if of_keys.contains(&kind) {
            all.push((row.seq, row.body.unwrap_or_default()));
        }
    }
    all.sort_unstable_by_key(|(seq, _)| *seq);
    Ok(Some((root, all.into_iter().map(|(_, body)| body).collect())))
}

/// A key of its own for each use, from a node's one secret.
pub fn derived(secret: &[u8; 32], usage: &str) -> Zeroizing<[u8; 32]> {
    let hash = Sha256::new().chain_update(secret).chain_update(b"polder/derived/v1/").chain_update(usage);
    Zeroizing::new(hash.finalize().into())
}

/// Who the member is, by the root statement and what it said of its keys since.
pub fn identity_of(store: &Store, dir: &DataDir) -> Result<Identity, Failure> {
    let missing = || {
        Failure::machine(format!(
            "{} has no root statement: `polder init` did not finish; remove the directory and run it again",
            dir.root().display()
        ))
    };
    let (root, statements) = store.read(said_of_keys)?.ok_or_else(missing)?;
    Identity::verify(&root, statements.iter().map(Vec::as_slice))
        .map_err(|e| Failure::machine(format!("{}: {e}; restore a backup", dir.root().display())))
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
    fill_random(&mut bytes);
    bytes
}

/// Fills with random bytes from the system.
pub fn fill_random(bytes: &mut [u8]) {
    #[expect(clippy::expect_used, reason = "without the system's randomness no key and no salt can be made")]
    getrandom::fill(bytes).expect("the system gives random bytes");
}

/// Time and randomness for a batch.
pub fn circumstances() -> Circumstances {
    Circumstances { now: now(), randomness: random() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::schema;

    /// A view is built under other names by changing whole words in its statements: a column of the same
    /// name would be changed with them.
    #[test]
    fn no_column_has_the_name_of_a_table_or_index_of_a_view() {
        let schema = schema();
        let views: Vec<_> = schema.views.iter().flat_map(|view| view.tables()).copied().collect();
        let mut names: BTreeSet<&str> = views.iter().map(|table| table.name).collect();
        let statements = views.iter().flat_map(|table| table.sqlite);
        names.extend(statements.filter_map(|sql| sql.split("INDEX ").nth(1)?.split(' ').next()));
        assert!(names.len() > views.len(), "indexes were found");
        for table in views.iter().chain(ledger::schema::TABLES).chain(&schema.local) {
            for column in table.columns {
                assert!(!names.contains(column), "column {}.{column} has the name of a table", table.name);
            }
        }
    }
}
