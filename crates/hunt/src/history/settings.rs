// SPDX-License-Identifier: Apache-2.0
//! What the history keeps, and for how many months: settings of the node.

use ledger::sql::{EngineError, Flow, Read, Tx, Value};
use model::observable::ObservableKind;
use model::time::Timestamp;

use super::base::History;
use super::error::HistoryError;
use super::format::Kinds;
use super::observed::Keep;
use crate::event::SourceKind;

/// For how many months a retention class is kept. The most particular setting counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Kind of value; `None`: any.
    pub kind: Option<ObservableKind>,
    /// Kind of log; `None`: any.
    pub source: Option<SourceKind>,
    /// Months that are kept beside the present one.
    pub months: u16,
}

/// All limits of retention.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retentions(pub Vec<Retention>);

impl Retentions {
    /// For how many months a class is kept; `None`: for ever. A setting for kind and source counts before one
    /// for the kind, that before one for the source, that before one for all.
    pub fn months(&self, kind: ObservableKind, source: SourceKind) -> Option<u16> {
        let fits = |r: &&Retention| r.kind.is_none_or(|k| k == kind) && r.source.is_none_or(|s| s == source);
        let rank = |r: &&Retention| (r.kind.is_some(), r.source.is_some());
        self.0.iter().filter(fits).max_by_key(rank).map(|retention| retention.months)
    }
}

/// A setting of the room.
pub(crate) fn setting(read: &mut dyn Read, name: &str) -> Result<Option<String>, EngineError> {
    let mut value = None;
    read.query("SELECT value FROM hunt_settings WHERE name = ?1", &[Value::Text(name)], &mut |row| {
        value = Some(row.text(0)?.to_owned());
        Ok(Flow::Stop)
    })?;
    Ok(value)
}

/// Sets a value.
pub(crate) fn put(tx: &mut dyn Tx, name: &str, value: &str) -> Result<(), EngineError> {
    let args = [Value::Text(name), Value::Text(value)];
    if tx.execute("UPDATE hunt_settings SET value = ?2 WHERE name = ?1", &args)? == 0 {
        tx.execute("INSERT INTO hunt_settings (name, value) VALUES (?1, ?2)", &args)?;
    }
    Ok(())
}

fn remove(tx: &mut dyn Tx, name: &str) -> Result<(), EngineError> {
    tx.execute("DELETE FROM hunt_settings WHERE name = ?1", &[Value::Text(name)]).map(|_| ())
}

pub(super) fn all(read: &mut dyn Read) -> Result<Vec<(String, String)>, EngineError> {
    let mut all = Vec::new();
    read.query("SELECT name, value FROM hunt_settings ORDER BY name", &[], &mut |row| {
        all.push((row.text(0)?.to_owned(), row.text(1)?.to_owned()));
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

/// What is kept: the default, changed by what was set. Accounts need the node's key.
pub(super) fn keep(read: &mut dyn Read, account_key: &[u8; 32]) -> Result<Keep, EngineError> {
    let mut keep = Keep::default();
    for (name, value) in all(read)? {
        let Some(kind) = name.strip_prefix("keep.").and_then(ObservableKind::from_name) else { continue };
        keep.kinds = match value.as_str() {
            "no" => keep.kinds.without(Kinds::one(kind)),
            _ => keep.kinds.with(Kinds::one(kind)),
        };
    }
    keep.account_key = keep.kinds.has(ObservableKind::Account).then_some(*account_key);
    Ok(keep)
}

/// When values of a kind were not kept, as the audit of the settings tells it: stretches, the last without an end where
/// they are not kept now. Nothing where the audit and the setting disagree: then nobody knows.
pub(super) fn unkept(
    read: &mut dyn Read,
    kind: ObservableKind,
    is_kept: bool,
) -> Result<Vec<(Timestamp, Option<Timestamp>)>, EngineError> {
    let by_default = Keep::default().kinds.has(kind);
    let mut spans = if by_default { Vec::new() } else { vec![(Timestamp::EPOCH, None)] };
    let (on, off) = (keep_act(kind, true), keep_act(kind, false));
    let sql = "SELECT time, what FROM hunt_audit WHERE act = 'set' AND (what = ?1 OR what = ?2) ORDER BY id";
    read.query(sql, &[Value::Text(&on), Value::Text(&off)], &mut |row| {
        let (time, is_on) = (Timestamp::from_micros(row.int(0)?), row.text(1)? == on);
        match spans.last_mut().filter(|(_, end)| end.is_none()) {
            Some((_, end)) if is_on => *end = Some(time),
            None if !is_on => spans.push((time, None)),
            _ => {}
        }
        Ok(Flow::Continue)
    })?;
    let is_open = spans.last().is_some_and(|(_, end)| end.is_none());
    Ok(if is_open == is_kept { Vec::new() } else { spans })
}

/// How the audit names that a kind is kept from now on, or no longer.
pub fn keep_act(kind: ObservableKind, kept: bool) -> String {
    format!("keep {} {}", kind.name(), if kept { "on" } else { "off" })
}

pub(super) fn retentions(read: &mut dyn Read) -> Result<Retentions, EngineError> {
    let mut limits = Vec::new();
    for (name, value) in all(read)? {
        let Some((kind, source)) = name.strip_prefix("retention.").and_then(|rest| rest.split_once('.'))
        else {
            continue;
        };
        let Ok(months) = value.parse() else { continue };
        let (kind, source) = (ObservableKind::from_name(kind), SourceKind::from_name(source));
        limits.push(Retention { kind, source, months });
    }
    Ok(Retentions(limits))
}

impl History<'_> {
    /// What is kept. `account_key` is the node's key for accounts; it is used only if accounts are kept.
    pub fn keep(&self, account_key: &[u8; 32]) -> Result<Keep, HistoryError> {
        self.read(|read| Ok(keep(read, account_key)?))
    }

    /// Switches a kind on or off, for what is recorded from now on. What is there stays; `retain` and `forget`
    /// take away.
    pub fn set_keep(&self, kind: ObservableKind, kept: bool) -> Result<(), HistoryError> {
        let name = format!("keep.{}", kind.name());
        self.write(|tx| Ok(put(tx, &name, if kept { "yes" } else { "no" })?))
    }

    /// Limits of retention.
    pub fn retentions(&self) -> Result<Retentions, HistoryError> {
        self.read(|read| Ok(retentions(read)?))
    }

    /// Sets for how many months a class is kept; `months` of `None` takes the setting away.
    pub fn set_retention(
        &self,
        kind: Option<ObservableKind>,
        source: Option<SourceKind>,
        months: Option<u16>,
    ) -> Result<(), HistoryError> {
        let name = format!(
            "retention.{}.{}",
            kind.map_or("any", ObservableKind::name),
            source.map_or("any", SourceKind::name)
        );
        self.write(|tx| {
            match months {
                Some(months) => put(tx, &name, &months.to_string())?,
                None => remove(tx, &name)?,
            }
            Ok(())
        })
    }
}
