// SPDX-License-Identifier: Apache-2.0
//! Who asked the history for what, when and why. An answer is given only after the question is noted.

use ledger::sql::{EngineError, Flow, Value};
use model::id::hex;
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;

use super::base::History;
use super::error::HistoryError;
use super::observed::folded;
use super::register::{clean, first_int};

/// What was done with the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A value was erased.
    Forget,
    /// A setting was changed.
    Set,
    /// A value was asked for.
    Seen,
}

impl Act {
    /// Short name, as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Act::Forget => "forget",
            Act::Seen => "seen",
            Act::Set => "set",
        }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// Its number, from 1 without a gap.
    pub id: i64,
    /// When.
    pub time: Timestamp,
    /// Who, as the program knows him.
    pub who: String,
    /// What was done: `seen`, `forget`, `set`.
    pub act: String,
    /// With what: the value, or its keyed hash where the value itself is a person's.
    pub what: String,
    /// Why, as it was stated; empty if it was not.
    pub purpose: String,
    /// What came of it.
    pub outcome: String,
}

/// How a value stands in the audit: addresses, domains, hashes and fingerprints as they are; accounts, mail
/// addresses, URLs and user agents, and whatever was forgotten, as kind and keyed hash. Who knows the value and
/// the key can find its entries again. The key is asked for only where it is needed.
pub fn audit_name<E>(
    observable: &Observable,
    is_forgotten: bool,
    key: impl FnOnce() -> Result<[u8; 32], E>,
) -> Result<String, E> {
    use ObservableKind::{Account, Email, Url, UserAgent};
    let kind = observable.kind();
    if is_forgotten || matches!(kind, Account | Email | Url | UserAgent) {
        let mac = trust::mac::mac(&key()?, &[&kind.code().to_be_bytes(), &folded(observable)]);
        return Ok(format!("{kind} hmac:{}", hex(&mac).get(..32).unwrap_or_default()));
    }
    Ok(format!("{kind} {}", observable.display()))
}

impl History<'_> {
    /// Notes who did what; answers the number of the entry.
    pub fn audit(
        &self,
        who: &str,
        act: Act,
        what: &str,
        purpose: &str,
        now: Timestamp,
    ) -> Result<i64, HistoryError> {
        self.write(|tx| {
            let id = first_int(tx.as_read(), "SELECT coalesce(max(id), 0) + 1 FROM hunt_audit", &[])?.unwrap_or(1);
            tx.execute(
                "INSERT INTO hunt_audit (id, time, who, act, what, purpose, outcome) VALUES (?1, ?2, ?3, ?4, ?5, ?6, '')",
                &[
                    Value::Int(id),
                    Value::Int(now.micros()),
                    Value::Text(&clean(who)),
                    Value::Text(act.name()),
                    Value::Text(&clean(what)),
                    Value::Text(&clean(purpose)),
                ],
            )?;
            Ok(id)
        })
    }

    /// Puts the keyed name of a value in the place of the plain one: it was forgotten.
    pub fn veil_audit(&self, plain: &str, keyed: &str) -> Result<(), HistoryError> {
        self.write(|tx| {
            let args = [Value::Text(&clean(plain)), Value::Text(&clean(keyed))];
            tx.execute("UPDATE hunt_audit SET what = ?2 WHERE what = ?1", &args)?;
            Ok(())
        })
    }

    /// Notes what came of it.
    pub fn audit_outcome(&self, id: i64, outcome: &str) -> Result<(), HistoryError> {
        self.write(|tx| {
            let args = [Value::Int(id), Value::Text(&clean(outcome))];
            tx.execute("UPDATE hunt_audit SET outcome = ?2 WHERE id = ?1 AND outcome = ''", &args)?;
            Ok(())
        })
    }

    /// All entries since a time, the oldest first.
    pub fn audited(&self, since: Timestamp) -> Result<Vec<Audited>, HistoryError> {
        self.read(|read| {
            let mut all = Vec::new();
            let sql = "SELECT id, time, who, act, what, purpose, outcome FROM hunt_audit WHERE time >= ?1 ORDER BY id";
            read.query(sql, &[Value::Int(since.micros())], &mut |row| {
                let text = |column| row.text(column).map(str::to_owned);
                all.push(Audited {
                    id: row.int(0)?,
                    time: Timestamp::from_micros(row.int(1)?),
                    who: text(2)?,
                    act: text(3)?,
                    what: text(4)?,
                    purpose: text(5)?,
                    outcome: text(6)?,
                });
                Ok::<_, EngineError>(Flow::Continue)
            })?;
            Ok(all)
        })
    }
}
