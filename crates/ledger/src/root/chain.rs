// SPDX-License-Identifier: Apache-2.0
//! Which keys a member has, from its root statement and the statements that followed: pure, so that every
//! node that was shown the same chain comes to the same answer.
//!
//! Each statement names the one before it. The current root key extends the chain; the recovery key may
//! also take it up again at an earlier statement, and everything said since is void: that is how a member
//! gets its name back from a thief of the root key, who cannot change the recovery key.

use model::id::MemberId;
use model::time::Timestamp;
use trust::composite::{PublicKey, Use};
use trust::log_key::LogPublicKeys;

use super::statement::{Reached, Revoked, Saying, Signed, Statement, body_hash};
use super::{Root, RootError};
use crate::checkpoint::{Checkpoint, Origin};
use crate::merkle::{EMPTY_ROOT, Hash};

/// Most statements that one member's chain may have.
pub const STATEMENTS_MAX: usize = 1_000;

/// Why a statement does not extend a chain, or a key does not count.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChainError {
    /// The signer has no right to say this.
    #[error("statement {number}: {what}")]
    Authority {
        /// Which statement after the root statement, from 1.
        number: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// It does not follow on.
    #[error(
        "statement {number} does not follow the statement before it: one is missing, or it was made of a fork"
    )]
    Order {
        /// Which statement, from 1.
        number: usize,
    },
    /// It cannot be read, or a signature fails.
    #[error("statement {number}: {source}")]
    Root {
        /// Which statement, from 1.
        number: usize,
        /// What is wrong.
        source: RootError,
    },
    /// A record was signed by a root key that did not count.
    #[error("its author, member {member}, {what}")]
    RootKey {
        /// Whose key.
        member: MemberId,
        /// What is wrong.
        what: &'static str,
    },
    /// The member never delegated to this log, or not for this size.
    #[error("the member's root key has not delegated to log {0}")]
    NotDelegated(String),
    /// What is shown came after the log's key was revoked.
    #[error("the key of log {origin} was revoked: {what}")]
    Revoked {
        /// The log.
        origin: String,
        /// What came after.
        what: &'static str,
    },
}

/// Keys of a log, for a range of its sizes.
#[derive(Clone, Debug)]
pub struct Delegated {
    /// The log.
    pub origin: Origin,
    /// Keys that sign its checkpoints of more than `from.size` entries.
    pub keys: LogPublicKeys,
    /// How far the log had come under the keys before.
    pub from: Reached,
    /// What a new log goes on from.
    pub continues: Option<Checkpoint>,
    revoked: Option<(Reached, Timestamp)>,
}

impl Delegated {
    /// Whether the member that delegated has said that these keys are worth nothing any more.
    pub fn is_revoked(&self) -> bool {
        self.revoked.is_some()
    }
}

/// A member's keys after all that was said.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The root statement.
    pub root: Root,
    state: State,
    /// The state after each statement that counts, the root statement first.
    past: Vec<State>,
    seen: usize,
}

#[derive(Clone, Debug)]
struct State {
    head: Hash,
    time: Timestamp,
    root_key: Option<PublicKey>,
    /// From when on the root key is worth nothing, in the state that a revocation made.
    revoked: Option<Timestamp>,
    recovery: Option<[u8; 32]>,
    logs: Vec<Delegated>,
}

impl Identity {
    /// Verifies a root statement and what followed it, in the order in which it was logged.
    ///
    /// # Errors
    /// [`ChainError`] for the first statement that does not hold.
    pub fn verify<'b>(
        root: &[u8],
        statements: impl IntoIterator<Item = &'b [u8]>,
    ) -> Result<Identity, ChainError> {
        let said = Root::verify(root).map_err(|source| ChainError::Root { number: 0, source })?;
        let first = Delegated {
            origin: said.origin,
            keys: said.log_keys.clone(),
            from: Reached { size: 0, root: EMPTY_ROOT },
            continues: None,
            revoked: None,
        };
        let state = State {
            head: body_hash(root),
            time: said.created,
            root_key: Some(said.root_key.clone()),
            revoked: None,
            recovery: said.recovery,
            logs: vec![first],
        };
        let mut identity = Identity { root: said, past: vec![state.clone()], state, seen: 0 };
        for body in statements {
            identity.extend(body)?;
        }
        Ok(identity)
    }

    /// Takes in the next statement, or leaves the chain as it was.
    ///
    /// # Errors
    /// [`ChainError`].
    pub fn extend(&mut self, body: &[u8]) -> Result<(), ChainError> {
        let number = self.seen + 1;
        if number > STATEMENTS_MAX {
            return Err(ChainError::Authority { number, what: "the chain is too long" });
        }
        let statement = Statement::read(body).map_err(|source| ChainError::Root { number, source })?;
        let refused = |what| Err(ChainError::Authority { number, what });
        if statement.link.member != self.root.member {
            return refused("it is of another member");
        }
        let by_recovery = matches!(statement.signed, Signed::Recovery(..));
        let at = self.past.iter().rposition(|state| state.head == statement.link.previous);
        let at = at.filter(|at| by_recovery || at + 1 == self.past.len());
        let (Some(at), Some(base)) = (at, at.and_then(|at| self.past.get(at))) else {
            return Err(ChainError::Order { number });
        };
        if statement.link.created < base.time {
            return refused("it is older than the statement before it");
        }
        let mut state = base.clone();
        // As of now, not as of the statement that is taken up again: a recovery key that was replaced must
        // not come back.
        state.recovery = self.state.recovery.or(base.recovery);
        check_authority(&statement, state.recovery, base.root_key.as_ref())
            .map_err(|what| ChainError::Authority { number, what })?;
        state
            .say(&statement.saying, by_recovery, self.root.member)
            .map_err(|what| ChainError::Authority { number, what })?;
        state.head = body_hash(body);
        state.time = statement.link.created;
        self.past.truncate(at + 1);
        self.past.push(state.clone());
        self.state = state;
        self.seen = number;
        Ok(())
    }

    /// The member.
    pub fn member(&self) -> MemberId {
        self.root.member
    }

    /// Statements that were taken in after the root statement.
    pub fn said(&self) -> usize {
        self.seen
    }

    /// Hash of the last statement that counts: what the next names as `previous`.
    pub fn head(&self) -> Hash {
        self.state.head
    }

    /// When the last statement was made.
    pub fn time(&self) -> Timestamp {
        self.state.time
    }

    /// The root key now; none while it is revoked.
    pub fn root_key(&self) -> Option<&PublicKey> {
        self.state.root_key.as_ref()
    }

    /// The root key that signed a record at `signed`, which was logged at `logged`: the one of that moment, by
    /// the member's own clock, unless it was revoked from before the record was logged. What the recovery key
    /// made void never was.
    ///
    /// # Errors
    /// [`ChainError::RootKey`].
    pub fn root_key_at(&self, signed: Timestamp, logged: Timestamp) -> Result<&PublicKey, ChainError> {
        let refused = |what| ChainError::RootKey { member: self.root.member, what };
        let at = self.past.iter().rposition(|state| state.time <= signed);
        let from =
            at.and_then(|at| self.past.get(at..)).ok_or(refused("had no key yet when it was signed"))?;
        let revoked = |state: &State| state.revoked.is_some_and(|effective| logged >= effective);
        let key = from.first().and_then(|state| state.root_key.as_ref());
        key.filter(|_| !from.iter().any(revoked)).ok_or(refused("had revoked its root key before"))
    }

    /// Whether the member's root statement delegates to a log of `host`, under keys that the host had there.
    pub fn is_hosted_by(&self, host: &Identity) -> bool {
        let (origin, keys) = (&self.root.origin, &self.root.log_keys);
        let of_host = host.logs().iter().any(|log| log.origin == *origin && log.keys == *keys);
        self.root.is_hosted() && origin.member == host.member().0 && of_host
    }

    /// Hash of the recovery key.
    pub fn recovery(&self) -> Option<[u8; 32]> {
        self.state.recovery
    }

    /// Everything that was delegated, in the order in which it was.
    pub fn logs(&self) -> &[Delegated] {
        &self.state.logs
    }

    /// What signs a log now.
    pub fn current(&self, origin: &Origin) -> Option<&Delegated> {
        self.state.logs.iter().rfind(|log| log.origin == *origin)
    }

    /// The keys that had to sign this checkpoint.
    ///
    /// # Errors
    /// [`ChainError::NotDelegated`]; [`ChainError::Revoked`] when the keys that would sign it were revoked
    /// before the log was this long, or when it contradicts what the member stood for.
    pub fn keys_of(&self, checkpoint: &Checkpoint) -> Result<&LogPublicKeys, ChainError> {
        let log = self.delegated(&checkpoint.origin, checkpoint.size.saturating_sub(1))?;
        let revoked = |what| ChainError::Revoked { origin: checkpoint.origin.to_string(), what };
        if log.revoked.is_some_and(|(reached, _)| checkpoint.size > reached.size) {
            return Err(revoked("the checkpoint is of a later size"));
        }
        let of_log = self.state.logs.iter().filter(|log| log.origin == checkpoint.origin);
        let known =
            of_log.flat_map(|log| [Some(log.from), log.revoked.map(|(reached, _)| reached)]).flatten();
        for reached in known {
            if reached.size == checkpoint.size && reached.root != checkpoint.root {
                return Err(revoked("the checkpoint is of another history than the member's"));
            }
        }
        Ok(&log.keys)
    }

    /// Whether an entry counts: it was logged while the log's key did.
    ///
    /// # Errors
    /// [`ChainError::NotDelegated`], [`ChainError::Revoked`].
    pub fn check_entry(&self, origin: &Origin, index: u64, time: Timestamp) -> Result<(), ChainError> {
        let log = self.delegated(origin, index)?;
        if log.revoked.is_some_and(|(reached, effective)| time >= effective || index >= reached.size) {
            let (origin, what) = (origin.to_string(), "the entry came after that");
            return Err(ChainError::Revoked { origin, what });
        }
        Ok(())
    }

    /// The delegation under which entry `index` was logged.
    ///
    /// A hosted member names its host's log, but does not vouch for it: what stands there in its name is what
    /// it signed.
    fn delegated(&self, origin: &Origin, index: u64) -> Result<&Delegated, ChainError> {
        if origin.member != self.root.member.0 {
            return Err(ChainError::NotDelegated(origin.to_string()));
        }
        let of_log = self.state.logs.iter().filter(|log| log.origin == *origin && log.from.size <= index);
        of_log.max_by_key(|log| log.from.size).ok_or_else(|| ChainError::NotDelegated(origin.to_string()))
    }
}

fn check_authority(
    statement: &Statement,
    recovery: Option<[u8; 32]>,
    root_key: Option<&PublicKey>,
) -> Result<(), &'static str> {
    match &statement.signed {
        Signed::Recovery(key, signature) => {
            if recovery != Some(key.hash()) {
                return Err("it is signed by a key that is not the recovery key");
            }
            if key.verify(&statement.message, signature) { Ok(()) } else { Err("its signature fails") }
        }
        Signed::Root(signature) => {
            let key = root_key.ok_or("the root key was revoked; only the recovery key can go on")?;
            let valid = key.verify(&statement.message, Use::Root, signature);
            valid.map_err(|_| "it is not signed by the root key of its time")
        }
    }
}

impl State {
    fn say(&mut self, saying: &Saying, by_recovery: bool, member: MemberId) -> Result<(), &'static str> {
        match saying {
            Saying::Delegation { origin, keys, from, continues } => {
                if by_recovery {
                    return Err("the recovery key names root keys, it does not delegate");
                }
                self.delegate(origin, keys, from, continues.as_ref(), member)
            }
            Saying::Rotation { public_key, recovery } => {
                match (by_recovery, self.recovery, recovery) {
                    (true, _, None) => return Err("it names no recovery key"),
                    (false, Some(_), Some(_)) => return Err("only the recovery key may name another"),
                    (_, _, Some(_)) => self.recovery = *recovery,
                    (false, _, None) => {}
                }
                (self.root_key, self.revoked) = (Some(public_key.clone()), None);
                Ok(())
            }
            Saying::Revocation { key: Revoked::Root, effective } => {
                if self.recovery.is_none() {
                    return Err("without a recovery key nobody could go on");
                }
                (self.root_key, self.revoked) = (None, Some(*effective));
                Ok(())
            }
            Saying::Revocation { key: Revoked::Log { origin, reached }, effective } => {
                let log = self.logs.iter_mut().rfind(|log| log.origin == *origin);
                let log = log.ok_or("it revokes the key of a log that was never delegated to")?;
                if log.revoked.is_some() || reached.size < log.from.size {
                    return Err("it revokes a key that does not sign the log any more");
                }
                log.revoked = Some((*reached, *effective));
                Ok(())
            }
        }
    }

    fn delegate(
        &mut self,
        origin: &Origin,
        keys: &LogPublicKeys,
        from: &Reached,
        continues: Option<&Checkpoint>,
        member: MemberId,
    ) -> Result<(), &'static str> {
        if origin.member != member.0 || keys.others.is_none() {
            return Err("it delegates to a log of another member, or without all three keys");
        }
        if self.logs.iter().any(|log| log.keys.composite == keys.composite) {
            return Err("it delegates to keys that were used before");
        }
        let newest = self.logs.iter().map(|log| log.origin.log).max().unwrap_or(0);
        match self.logs.iter().rfind(|log| log.origin == *origin) {
            Some(before) => {
                // Sizes that the keys before may have signed stay theirs.
                let start = before.revoked.map_or(before.from, |(reached, _)| reached);
                if continues.is_some() || from.size < start.size || origin.log != newest {
                    return Err("it does not begin where the log had come to");
                }
            }
            None => {
                let from_newest = continues.is_some_and(|last| {
                    last.origin.member == member.0
                        && last.origin.log >= newest
                        && last.origin.log < origin.log
                });
                if !from_newest || from.size != 0 || from.root != EMPTY_ROOT {
                    return Err("it opens a log that does not go on from the newest");
                }
            }
        }
        let (origin, keys, from, continues) = (*origin, keys.clone(), *from, continues.copied());
        self.logs.push(Delegated { origin, keys, from, continues, revoked: None });
        Ok(())
    }
}
