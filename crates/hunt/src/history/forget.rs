// SPDX-License-Identifier: Apache-2.0
//! Erasing one value from the history.

use ledger::sql::{EngineError, Flow, Read, Tx, Value};
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;

use super::base::History;
use super::error::HistoryError;
use super::format::{Match, OpenRun, RunWriter};
use super::observed::{Keep, other_kind};
use super::register::{clean, first_int};
use super::runs::{self, Run};
use crate::quote::{Quotes, is_same};

/// What erasing came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Runs that held the value and were written anew without it.
    pub runs: u64,
    /// Occurrences that the history no longer knows.
    pub count: u64,
    /// Findings of the value that are still there; `erase_findings` takes them away.
    pub findings: u64,
    /// Findings of it that were taken away.
    pub erased_findings: u64,
    /// Findings of other values whose line, host or account said the value: it stands there no more.
    pub redacted_findings: u64,
    /// Findings of other values that hold this one (a URL with its name): these values are still there.
    pub holding_findings: u64,
    /// Runs in folders of other processes of this node: they were not looked at, and may hold it.
    pub elsewhere: u64,
    /// Runs that could not be read: they may hold it. They are set aside, and what is hunted again for them
    /// brings back what the logs still hold.
    pub unread: Vec<String>,
}

impl History<'_> {
    /// Erases a value from every run: each that holds it is written anew without it, and all of them take the
    /// place of the old ones at once. The old files go with [`History::sweep`]; only then is it gone.
    ///
    /// Accounts are looked for under their keyed hash. Findings of other values lose it from what they quote. That
    /// something was erased, and when, is kept under `name` ([`audit_name`](super::audit_name) of what is
    /// forgotten), so that nobody takes it for never seen.
    ///
    /// Log files are not touched: hunted again in a grown or a new file, the value comes back.
    pub fn forget(
        &self,
        observable: &Observable,
        name: &str,
        keep: &Keep,
        erase_findings: bool,
        now: Timestamp,
    ) -> Result<Forgotten, HistoryError> {
        let mut forgotten = Forgotten::default();
        let (mut old, mut new) = (Vec::new(), Vec::new());
        // 32 digits stand under either kind that they may be.
        let other = other_kind(observable);
        let values: Vec<(ObservableKind, Vec<u8>)> = std::iter::once(observable)
            .chain(&other)
            .flat_map(|value| keep.stored_any(value).into_iter().map(|stored| (value.kind(), stored)))
            .collect();
        if !values.is_empty() {
            for run in self.runs()? {
                match self.without(&run, &values, now) {
                    Ok(None) => {}
                    Ok(Some((count, rewritten))) => {
                        forgotten.count += count;
                        old.push(run.facts.name);
                        new.extend(rewritten);
                    }
                    Err(HistoryError::Damaged { name, .. }) => {
                        self.set_aside(&name)?;
                        forgotten.unread.push(name);
                    }
                    Err(other) => return Err(other),
                }
            }
        }
        forgotten.runs = old.len() as u64;
        self.write(|tx| {
            for name in &old {
                if !runs::take(tx, self.folder.id(), name)? {
                    return Err(HistoryError::Taken { path: name.clone() });
                }
            }
            runs::add(tx, self.folder.id(), &new)?;
            forgotten.elsewhere = runs::elsewhere(tx.as_read(), self.folder.id())?;
            in_findings(tx, observable, erase_findings, &mut forgotten)?;
            if forgotten.count + forgotten.erased_findings + forgotten.redacted_findings > 0 {
                let args = [Value::Text(&clean(name)), Value::Int(now.micros())];
                tx.execute("DELETE FROM hunt_forgotten WHERE name = ?1", &args[..1])?;
                tx.execute("INSERT INTO hunt_forgotten (name, time) VALUES (?1, ?2)", &args)?;
            }
            Ok(())
        })?;
        Ok(forgotten)
    }

    /// When a value was erased last; `name` is what [`History::forget`] was given.
    pub fn forgotten(&self, name: &str) -> Result<Option<Timestamp>, HistoryError> {
        self.read(|read| {
            let sql = "SELECT time FROM hunt_forgotten WHERE name = ?1";
            Ok(first_int(read, sql, &[Value::Text(&clean(name))])?.map(Timestamp::from_micros))
        })
    }

    /// How many values of a kind were erased: a wide question cannot tell whether it is about one of them.
    pub fn forgotten_of(&self, kind: ObservableKind) -> Result<u64, HistoryError> {
        self.read(|read| {
            let sql = "SELECT count(*) FROM hunt_forgotten WHERE name LIKE ?1";
            let count = first_int(read, sql, &[Value::Text(&format!("{kind} %"))])?;
            Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
        })
    }

    /// A run written anew without the rows of a value, and how often it held it; `None` if it did not. A run with nothing
    /// else in it leaves none.
    fn without(
        &self,
        run: &Run,
        values: &[(ObservableKind, Vec<u8>)],
        now: Timestamp,
    ) -> Result<Option<(u64, Option<Run>)>, HistoryError> {
        let mut may_hold = Vec::new();
        for (kind, value) in values.iter().filter(|(kind, _)| run.has(*kind)) {
            if OpenRun::may_hold(self.folder, &run.facts, *kind, value, value)? != Match::No {
                may_hold.push((*kind, value));
            }
        }
        if may_hold.is_empty() {
            return Ok(None);
        }
        let open = self.open(&run.facts)?;
        let mut count = 0;
        let mut found = Vec::new();
        for (kind, value) in may_hold {
            if let Some(row) = open.row(kind, value)? {
                count += row.tally.count;
                found.push(row);
            }
        }
        if found.is_empty() {
            return Ok(None);
        }
        let with_filter = self.are_many(1)?;
        let mut writer = RunWriter::new(self.folder, run.facts.head, with_filter)?;
        let mut rows = open.rows();
        while let Some(row) = rows.next_row()? {
            if found.iter().all(|erased| erased.key() != row.key()) {
                writer.push(&row)?;
            }
        }
        let left = writer.rows() > 0;
        let rewritten = left.then(|| writer.finish()).transpose()?;
        let run = rewritten.map(|facts| Run { facts, level: run.level, files: run.files.clone(), made: now });
        Ok(Some((count, run)))
    }
}

/// What becomes of a finding when a value is forgotten.
enum Fate {
    /// It is of the value.
    Own,
    /// It quotes it: line, host and account as they are from now on.
    Redacted { text: String, host: Option<String>, account: Option<String> },
}

/// Findings that are looked at in one go.
const PAGE_ROWS: i64 = 1_000;

/// The primary key of a finding.
#[derive(Clone)]
struct Key {
    file: i64,
    offset: i64,
    indicator: String,
    value: String,
}

/// Takes a value out of the findings, and counts what was done.
fn in_findings(
    tx: &mut dyn Tx,
    observable: &Observable,
    erase_own: bool,
    forgotten: &mut Forgotten,
) -> Result<(), EngineError> {
    // Counted anew where the transaction is tried again.
    (forgotten.findings, forgotten.erased_findings) = (0, 0);
    (forgotten.redacted_findings, forgotten.holding_findings) = (0, 0);
    let quotes = Quotes::of(observable);
    let mut after =
        Some(Key { file: i64::MIN, offset: i64::MIN, indicator: String::new(), value: String::new() });
    while let Some(from) = after.take() {
        let page = fates(tx.as_read(), observable, &quotes, &from)?;
        forgotten.holding_findings += page.holding;
        carry_out(tx, page.fates, erase_own, forgotten)?;
        after = page.next;
    }
    Ok(())
}

/// Does to the findings of a page what becomes of them.
fn carry_out(
    tx: &mut dyn Tx,
    fates: Vec<(Key, Fate)>,
    erase_own: bool,
    forgotten: &mut Forgotten,
) -> Result<(), EngineError> {
    for (key, fate) in fates {
        let place = [
            Value::Int(key.file),
            Value::Int(key.offset),
            Value::Text(&key.indicator),
            Value::Text(&key.value),
        ];
        match fate {
            Fate::Own if erase_own => {
                forgotten.erased_findings += tx.execute(
                    "DELETE FROM hunt_findings WHERE file = ?1 AND byte_offset = ?2 AND indicator = ?3 AND value = ?4",
                    &place,
                )?;
            }
            Fate::Own => forgotten.findings += 1,
            Fate::Redacted { text, host, account } => {
                let [file, offset, indicator, value] = place;
                let (host, account) =
                    (Value::text_or_null(host.as_deref()), Value::text_or_null(account.as_deref()));
                forgotten.redacted_findings += tx.execute(
                    "UPDATE hunt_findings SET text = ?5, host = ?6, account = ?7
                     WHERE file = ?1 AND byte_offset = ?2 AND indicator = ?3 AND value = ?4",
                    &[file, offset, indicator, value, Value::Text(&text), host, account],
                )?;
            }
        }
    }
    Ok(())
}

/// The findings of one page that a value is in.
#[derive(Default)]
struct Page {
    fates: Vec<(Key, Fate)>,
    /// How many have a value of their own that holds it.
    holding: u64,
    /// The last finding that was looked at, if there may be more behind it.
    next: Option<Key>,
}

/// What becomes of the findings behind one, so many of them that their texts fit in memory.
fn fates(
    read: &mut dyn Read,
    observable: &Observable,
    quotes: &Quotes,
    from: &Key,
) -> Result<Page, EngineError> {
    let mut page = Page::default();
    let mut looked_at = 0;
    let other = other_kind(observable);
    let is_value = |kind: i64, value: &str| {
        std::iter::once(observable).chain(&other).any(|own| {
            kind == own.kind().code()
                && Observable::parse(own.kind(), value).is_ok_and(|of| is_same(&of, own))
        })
    };
    let sql = "SELECT file, byte_offset, indicator, value, kind, text, host, account FROM hunt_findings
         WHERE (file, byte_offset, indicator, value) > (?1, ?2, ?3, ?4)
         ORDER BY file, byte_offset, indicator, value LIMIT ?5";
    let args = [
        Value::Int(from.file),
        Value::Int(from.offset),
        Value::Text(&from.indicator),
        Value::Text(&from.value),
        Value::Int(PAGE_ROWS),
    ];
    read.query(sql, &args, &mut |row| {
        let value = row.text(3)?;
        let fate = if is_value(row.int(4)?, value) {
            Some(Fate::Own)
        } else {
            page.holding += u64::from(quotes.are_in(value));
            let texts = [Some(row.text(5)?), row.text_opt(6)?, row.text_opt(7)?];
            let erased = texts.map(|text| text.and_then(|text| quotes.erased(text)));
            erased.iter().any(Option::is_some).then(|| {
                let [text, host, account] = [0, 1, 2].map(|nth| {
                    let kept = || texts.get(nth).copied().flatten().map(str::to_owned);
                    erased.get(nth).cloned().flatten().or_else(kept)
                });
                Fate::Redacted { text: text.unwrap_or_default(), host, account }
            })
        };
        let (indicator, value) = (row.text(2)?.to_owned(), value.to_owned());
        let key = Key { file: row.int(0)?, offset: row.int(1)?, indicator, value };
        looked_at += 1;
        if looked_at == PAGE_ROWS {
            page.next = Some(key.clone());
        }
        if let Some(fate) = fate {
            page.fates.push((key, fate));
        }
        Ok(Flow::Continue)
    })?;
    Ok(page)
}
