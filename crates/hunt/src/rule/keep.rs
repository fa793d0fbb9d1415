// SPDX-License-Identifier: Apache-2.0
//! Rules as a person keeps them: imported ones, which are on, exceptions, counts. Local state of a node.

use std::collections::HashMap;

use ledger::sql::{EngineError, Flow, Read, Row, Table, TableKind, Tx, Value};
use model::diagnostic::Diagnostic;
use model::time::Timestamp;

use super::engine::RuleCount;
use super::exception::Exception;
use super::load::{RegexRoom, Rule, read_rules_within};
use super::pack::{PACKS, pack_rules};
use crate::detection::Level;
use crate::limits::EXCEPTIONS_MAX;

/// The tables of rules.
pub static TABLES: &[&Table] = &[&RULES, &SWITCHES, &EXCEPTIONS, &COUNTS];

/// Imported rules. `origin` is the name of the set that they came with.
static RULES: Table = Table {
    name: "hunt_rules",
    kind: TableKind::Local,
    columns: &["id", "origin", "licence", "imported", "text"],
    sqlite: &["CREATE TABLE hunt_rules (
            id TEXT NOT NULL PRIMARY KEY, origin TEXT NOT NULL, licence TEXT NOT NULL, imported INTEGER NOT NULL,
            text BLOB NOT NULL
        ) STRICT"],
    postgres: &[r#"CREATE TABLE hunt_rules (
            id TEXT COLLATE "C" NOT NULL PRIMARY KEY, origin TEXT COLLATE "C" NOT NULL,
            licence TEXT COLLATE "C" NOT NULL, imported BIGINT NOT NULL, text BYTEA NOT NULL
        )"#],
};

/// Rules, imported or shipped, that a person switched on (1) or off (0); all others go by their level.
static SWITCHES: Table = Table {
    name: "hunt_rule_switches",
    kind: TableKind::Local,
    columns: &["rule", "enabled", "changed"],
    sqlite: &["CREATE TABLE hunt_rule_switches (
            rule TEXT NOT NULL PRIMARY KEY, enabled INTEGER NOT NULL, changed INTEGER NOT NULL
        ) STRICT"],
    postgres: &[r#"CREATE TABLE hunt_rule_switches (
            rule TEXT COLLATE "C" NOT NULL PRIMARY KEY, enabled BIGINT NOT NULL, changed BIGINT NOT NULL
        )"#],
};

/// Exceptions. `conditions` has one `field=value` a line.
static EXCEPTIONS: Table = Table {
    name: "hunt_rule_exceptions",
    kind: TableKind::Local,
    columns: &["nr", "rule", "conditions", "reason", "until", "author", "made"],
    sqlite: &["CREATE TABLE hunt_rule_exceptions (
            nr INTEGER PRIMARY KEY, rule TEXT NOT NULL, conditions TEXT NOT NULL, reason TEXT NOT NULL,
            until INTEGER NOT NULL, author TEXT NOT NULL, made INTEGER NOT NULL
        ) STRICT"],
    postgres: &[r#"CREATE TABLE hunt_rule_exceptions (
            nr BIGINT PRIMARY KEY, rule TEXT COLLATE "C" NOT NULL, conditions TEXT COLLATE "C" NOT NULL,
            reason TEXT COLLATE "C" NOT NULL, until BIGINT NOT NULL, author TEXT COLLATE "C" NOT NULL,
            made BIGINT NOT NULL
        )"#],
};

/// What each rule came to in each log, the last time that it was hunted in. Of correlations the log is that of the
/// last line.
static COUNTS: Table = Table {
    name: "hunt_rule_counts",
    kind: TableKind::Local,
    columns: &["rule", "file", "matches", "excepted", "last_time"],
    sqlite: &["CREATE TABLE hunt_rule_counts (
            rule TEXT NOT NULL, file INTEGER NOT NULL, matches INTEGER NOT NULL, excepted INTEGER NOT NULL,
            last_time INTEGER, PRIMARY KEY (file, rule)
        ) STRICT, WITHOUT ROWID"],
    postgres: &[r#"CREATE TABLE hunt_rule_counts (
            rule TEXT COLLATE "C" NOT NULL, file BIGINT NOT NULL, matches BIGINT NOT NULL, excepted BIGINT NOT NULL,
            last_time BIGINT, PRIMARY KEY (file, rule)
        )"#],
};

/// What an import came to; the three are all rules that were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Rules that were not there.
    pub added: u64,
    /// Rules that were there with another text, which is replaced.
    pub changed: u64,
    /// Rules that were there with this text.
    pub known: u64,
}

/// An imported rule.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The rule, with the licence of its set where it states none itself.
    pub rule: Rule,
    /// The set that it came with; of a shipped rule `pack` and its name.
    pub origin: String,
    /// When it was imported; `None` for a shipped rule.
    pub imported: Option<Timestamp>,
}

/// Takes rules in. `licence` is that of the set, for rules that state none.
pub fn import(
    tx: &mut dyn Tx,
    rules: &[Rule],
    origin: &str,
    licence: &str,
    now: Timestamp,
) -> Result<Imported, EngineError> {
    let mut imported = Imported::default();
    for rule in rules {
        let mut held: Option<bool> = None;
        let args = [Value::Text(&rule.header.id)];
        tx.query("SELECT text FROM hunt_rules WHERE id = ?1", &args, &mut |row| {
            held = Some(row.blob(0)? == rule.text.as_bytes());
            Ok(Flow::Stop)
        })?;
        match held {
            Some(true) => imported.known += 1,
            Some(false) => imported.changed += 1,
            None => imported.added += 1,
        }
        if held == Some(true) {
            continue;
        }
        tx.execute(
            "INSERT INTO hunt_rules (id, origin, licence, imported, text) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET origin = excluded.origin, licence = excluded.licence,
                 imported = excluded.imported, text = excluded.text",
            &[
                Value::Text(&rule.header.id),
                Value::Text(origin),
                Value::Text(licence),
                Value::Int(now.micros()),
                Value::Blob(rule.text.as_bytes()),
            ],
        )?;
    }
    Ok(imported)
}

/// All rules: those that ship, then those that were imported. One that cannot be read any more is told.
pub fn kept(read: &mut dyn Read) -> Result<(Vec<Kept>, Vec<Diagnostic>), EngineError> {
    let mut all = Vec::new();
    let mut said = Vec::new();
    for pack in PACKS {
        let (rules, diagnostics) = pack_rules(pack);
        said.extend(diagnostics);
        let origin = format!("pack {}", pack.name);
        all.extend(rules.into_iter().map(|rule| Kept { rule, origin: origin.clone(), imported: None }));
    }
    let mut room = RegexRoom::default();
    let sql = "SELECT id, origin, licence, imported, text FROM hunt_rules ORDER BY id";
    read.query(sql, &[], &mut |row| {
        let place = format!("rule {}", row.text(0)?);
        let loading = read_rules_within(row.blob(4)?, &place, &mut room);
        said.extend(loading.diagnostics);
        for mut rule in loading.rules {
            if rule.header.licence.is_empty() {
                row.text(2)?.clone_into(&mut rule.header.licence);
            }
            let imported = Some(Timestamp::from_micros(row.int(3)?));
            all.push(Kept { rule, origin: row.text(1)?.to_owned(), imported });
        }
        Ok(Flow::Continue)
    })?;
    Ok((all, said))
}

/// Which rules are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The least level, in place of high for imported rules and medium for those that ship.
    pub min_level: Option<Level>,
    /// Whether the rules that ship are left out.
    pub without_packs: bool,
}

impl Choice {
    /// Whether a rule is told. A switch counts more than its level.
    pub fn tells(&self, kept: &Kept, switch: Option<bool>) -> bool {
        let shipped = kept.imported.is_none();
        let usual = if shipped { Level::Medium } else { Level::High };
        switch.unwrap_or_else(|| {
            kept.rule.header.level >= self.min_level.unwrap_or(usual) && !(shipped && self.without_packs)
        })
    }
}

/// Rules to be run, with what is said of them.
#[derive(Debug, Default)]
pub struct Chosen {
    /// The rules. Those that are not told are only run if a correlation counts them.
    pub rules: Vec<Rule>,
    /// Exceptions that hold.
    pub exceptions: Vec<Exception>,
    /// What a person should look at.
    pub diagnostics: Vec<Diagnostic>,
}

/// The rules that a hunt runs.
pub fn chosen(read: &mut dyn Read, choice: &Choice, now: Timestamp) -> Result<Chosen, EngineError> {
    let switches = switches(read)?;
    let (all, diagnostics) = kept(read)?;
    let exceptions = exceptions(read)?.into_iter().map(|(_, exception)| exception);
    let exceptions = exceptions.filter(|exception| exception.until > now).collect();
    let rules = all.into_iter().map(|mut one| {
        one.rule.told = choice.tells(&one, switches.get(&one.rule.header.id).copied());
        one.rule
    });
    Ok(Chosen { rules: rules.collect(), exceptions, diagnostics })
}

/// Switches a rule on or off, or with `None` lets it go by its level again.
pub fn switch(tx: &mut dyn Tx, rule: &str, on: Option<bool>, now: Timestamp) -> Result<(), EngineError> {
    match on {
        None => tx.execute("DELETE FROM hunt_rule_switches WHERE rule = ?1", &[Value::Text(rule)])?,
        Some(on) => tx.execute(
            "INSERT INTO hunt_rule_switches (rule, enabled, changed) VALUES (?1, ?2, ?3)
             ON CONFLICT (rule) DO UPDATE SET enabled = excluded.enabled, changed = excluded.changed",
            &[Value::Text(rule), Value::Int(i64::from(on)), Value::Int(now.micros())],
        )?,
    };
    Ok(())
}

/// Rules that a person switched on or off, by id.
pub fn switches(read: &mut dyn Read) -> Result<HashMap<String, bool>, EngineError> {
    let mut all = HashMap::new();
    read.query("SELECT rule, enabled FROM hunt_rule_switches", &[], &mut |row| {
        all.insert(row.text(0)?.to_owned(), row.int(1)? != 0);
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

/// Keeps an exception and answers its number, or nothing where [`EXCEPTIONS_MAX`] hold: an engine asks no more.
pub fn add_exception(
    tx: &mut dyn Tx,
    exception: &Exception,
    now: Timestamp,
) -> Result<Option<i64>, EngineError> {
    let mut holding = 0;
    let sql = "SELECT count(*) FROM hunt_rule_exceptions WHERE until > ?1";
    tx.query(sql, &[Value::Int(now.micros())], &mut |row| {
        holding = row.int(0)?;
        Ok(Flow::Stop)
    })?;
    if usize::try_from(holding).unwrap_or(usize::MAX) >= EXCEPTIONS_MAX {
        return Ok(None);
    }
    let mut nr = 1;
    tx.query("SELECT coalesce(max(nr), 0) + 1 FROM hunt_rule_exceptions", &[], &mut |row| {
        nr = row.int(0)?;
        Ok(Flow::Stop)
    })?;
    let conditions: Vec<String> =
        exception.conditions.iter().map(|(field, value)| format!("{field}={value}")).collect();
    tx.execute(
        "INSERT INTO hunt_rule_exceptions (nr, rule, conditions, reason, until, author, made)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &[
            Value::Int(nr),
            Value::Text(&exception.rule),
            Value::Text(&conditions.join("\n")),
            Value::Text(&exception.reason),
            Value::Int(exception.until.micros()),
            Value::Text(&exception.by),
            Value::Int(now.micros()),
        ],
    )?;
    Ok(Some(nr))
}

/// All exceptions with their numbers, those that have ended among them.
pub fn exceptions(read: &mut dyn Read) -> Result<Vec<(i64, Exception)>, EngineError> {
    let mut all = Vec::new();
    let sql = "SELECT nr, rule, conditions, reason, until, author FROM hunt_rule_exceptions ORDER BY nr";
    read.query(sql, &[], &mut |row| {
        all.push((row.int(0)?, exception(row)?));
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

fn exception(row: &dyn Row) -> Result<Exception, EngineError> {
    let conditions = row.text(2)?.lines().filter_map(|line| line.split_once('='));
    Ok(Exception {
        rule: row.text(1)?.to_owned(),
        conditions: conditions.map(|(field, value)| (field.to_owned(), value.to_owned())).collect(),
        reason: row.text(3)?.to_owned(),
        until: Timestamp::from_micros(row.int(4)?),
        by: row.text(5)?.to_owned(),
    })
}

/// Ends an exception; false if there is none of this number.
pub fn remove_exception(tx: &mut dyn Tx, nr: i64) -> Result<bool, EngineError> {
    Ok(tx.execute("DELETE FROM hunt_rule_exceptions WHERE nr = ?1", &[Value::Int(nr)])? > 0)
}

/// Says what rules came to in a log of the register, instead of what was said of it before: hunting in it again
/// counts nothing twice.
pub fn put_counts(tx: &mut dyn Tx, log: i64, counts: &[RuleCount]) -> Result<(), EngineError> {
    tx.execute("DELETE FROM hunt_rule_counts WHERE file = ?1", &[Value::Int(log)])?;
    counts.iter().try_for_each(|count| put_count(tx, log, count))
}

/// Says what a correlation came to in a log, after [`put_counts`] for all logs: correlations are judged when all are
/// read. What an exception covered is left as it was said then.
pub fn put_count(tx: &mut dyn Tx, log: i64, count: &RuleCount) -> Result<(), EngineError> {
    let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    tx.execute(
        "INSERT INTO hunt_rule_counts (rule, file, matches, excepted, last_time) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (file, rule) DO UPDATE SET matches = excluded.matches, last_time = excluded.last_time",
        &[
            Value::Text(&count.id),
            Value::Int(log),
            Value::Int(whole(count.matches)),
            Value::Int(whole(count.excepted)),
            Value::int_or_null(count.last.map(Timestamp::micros)),
        ],
    )?;
    Ok(())
}

/// What rules came to in all logs, the most matches first.
pub fn counts(read: &mut dyn Read) -> Result<Vec<RuleCount>, EngineError> {
    let mut all = Vec::new();
    let sql = "SELECT rule, CAST(sum(matches) AS BIGINT), CAST(sum(excepted) AS BIGINT), max(last_time)
         FROM hunt_rule_counts GROUP BY rule ORDER BY 2 DESC, rule";
    read.query(sql, &[], &mut |row| {
        all.push(RuleCount {
            id: row.text(0)?.to_owned(),
            matches: u64::try_from(row.int(1)?).unwrap_or(0),
            excepted: u64::try_from(row.int(2)?).unwrap_or(0),
            last: row.int_opt(3)?.map(Timestamp::from_micros),
        });
        Ok(Flow::Continue)
    })?;
    Ok(all)
}
