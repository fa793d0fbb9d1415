// SPDX-License-Identifier: Apache-2.0
//! What became of findings: a finding becomes a sighting only if a person or a rule approves it.
//!
//! Findings of one indicator and one value are looked at together, under one id. Where nothing is written
//! down they are new. All of it is local state: what is shared is the sighting.

use std::collections::{BTreeMap, BTreeSet};

use ledger::sql::{EngineError, Flow, Read, Row, Table, TableKind, Tx, Value};
use model::id::hex;
use model::marking::{Marking, Tlp};
use model::observable::{Observable, ObservableKind};
use model::time::Timestamp;
use sha2::{Digest as _, Sha256};

use super::words::{shortened, visible};
use crate::finding::Finding;
use crate::limits::{APPROVALS_MAX, REASON_CHARS_MAX};
use crate::quote::is_same;

/// The tables.
pub static TABLES: &[&Table] = &[&DRAFTS, &APPROVALS];

static DRAFTS: Table = Table {
    name: "hunt_drafts",
    kind: TableKind::Local,
    columns: &["id", "indicator", "kind", "value", "state", "reason", "community", "anonymous", "rule", "sighting", "changed"],
    sqlite: &["CREATE TABLE hunt_drafts (
            id TEXT NOT NULL PRIMARY KEY, indicator TEXT NOT NULL, kind INTEGER NOT NULL, value TEXT NOT NULL,
            state INTEGER NOT NULL, reason TEXT NOT NULL, community TEXT, anonymous INTEGER NOT NULL, rule INTEGER,
            sighting TEXT, changed INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID"],
    postgres: &[r#"CREATE TABLE hunt_drafts (
            id TEXT COLLATE "C" NOT NULL PRIMARY KEY, indicator TEXT COLLATE "C" NOT NULL, kind BIGINT NOT NULL,
            value TEXT COLLATE "C" NOT NULL, state BIGINT NOT NULL, reason TEXT COLLATE "C" NOT NULL,
            community TEXT COLLATE "C", anonymous BIGINT NOT NULL, rule BIGINT, sighting TEXT COLLATE "C",
            changed BIGINT NOT NULL
        )"#],
};

static APPROVALS: Table = Table {
    name: "hunt_approvals",
    kind: TableKind::Local,
    columns: &["id", "indicator", "author", "tlp_max", "community", "anonymous", "draft_only", "reason", "made"],
    sqlite: &["CREATE TABLE hunt_approvals (
            id INTEGER PRIMARY KEY, indicator TEXT, author TEXT, tlp_max INTEGER NOT NULL, community TEXT,
            anonymous INTEGER NOT NULL, draft_only INTEGER NOT NULL, reason TEXT NOT NULL, made INTEGER NOT NULL
        ) STRICT"],
    postgres: &[r#"CREATE TABLE hunt_approvals (
            id BIGINT PRIMARY KEY, indicator TEXT COLLATE "C", author TEXT COLLATE "C", tlp_max BIGINT NOT NULL,
            community TEXT COLLATE "C", anonymous BIGINT NOT NULL, draft_only BIGINT NOT NULL,
            reason TEXT COLLATE "C" NOT NULL, made BIGINT NOT NULL
        )"#],
};

/// What became of the findings of one indicator and value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nobody said anything yet.
    #[default]
    New,
    /// A person says that it is nothing, or not to be shared.
    Dismissed,
    /// A sighting is prepared and waits for a person.
    Drafted,
    /// A sighting was appended to the ledger.
    Shared,
}

/// State, stored number, name. Numbers are stored: append, never change one.
const STATES: &[(State, i64, &str)] = &[
    (State::New, 0, "new"),
    (State::Dismissed, 1, "dismissed"),
    (State::Drafted, 2, "drafted"),
    (State::Shared, 3, "shared"),
];

impl State {
    /// Its name.
    pub fn name(self) -> &'static str {
        STATES.iter().find(|(state, ..)| *state == self).map_or("", |(.., name)| *name)
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<State> {
        STATES.iter().find(|(.., known)| *known == name).map(|(state, ..)| *state)
    }

    fn code(self) -> i64 {
        STATES.iter().find(|(state, ..)| *state == self).map_or(0, |(_, code, _)| *code)
    }
}

/// What is written down of the findings of one indicator and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The id: see [`finding_id`].
    pub id: String,
    /// The indicator: its STIX id, or the entry of a list.
    pub indicator: String,
    /// Kind of the value.
    pub kind: ObservableKind,
    /// The value that was seen.
    pub value: String,
    /// What became of it.
    pub state: State,
    /// Why: of a person who dismissed it, of a rule that approved it.
    pub reason: String,
    /// The community that it is for; `None`: it stays in the own organisation.
    pub community: Option<String>,
    /// Whether the sighting names nobody.
    pub anonymous: bool,
    /// The rule that approved it, if no person did.
    pub rule: Option<i64>,
    /// Id of the sighting that was appended.
    pub sighting: Option<String>,
    /// When this was written down.
    pub changed: Timestamp,
}

impl Draft {
    /// Of findings of which nothing is written down.
    pub fn new(indicator: &str, kind: ObservableKind, value: &str) -> Draft {
        Draft {
            id: finding_id(indicator, kind, value),
            indicator: indicator.to_owned(),
            kind,
            value: value.to_owned(),
            state: State::New,
            reason: String::new(),
            community: None,
            anonymous: false,
            rule: None,
            sighting: None,
            changed: Timestamp::EPOCH,
        }
    }
}

/// Id of the findings of one indicator and value: 16 hexadecimal digits that follow from them.
pub fn finding_id(indicator: &str, kind: ObservableKind, value: &str) -> String {
    let hash = Sha256::new()
        .chain_update(indicator)
        .chain_update([0])
        .chain_update(kind.name())
        .chain_update([0])
        .chain_update(value)
        .finalize();
    hex(hash.get(..8).unwrap_or_default())
}

/// The value of a finding in its one spelling, and the id of it and of all findings like it.
pub fn of_finding(finding: &Finding) -> Draft {
    let value = finding.observable().map_or_else(|| finding.value.clone(), |seen| seen.display());
    Draft::new(&finding.indicator, finding.kind, &value)
}

/// All that is written down, by id.
pub fn drafts(read: &mut dyn Read) -> Result<BTreeMap<String, Draft>, EngineError> {
    let mut all = BTreeMap::new();
    read.query(
        "SELECT id, indicator, kind, value, state, reason, community, anonymous, rule, sighting, changed FROM hunt_drafts",
        &[],
        &mut |row| {
            let draft = draft(row)?;
            all.insert(draft.id.clone(), draft);
            Ok(Flow::Continue)
        },
    )?;
    Ok(all)
}

fn draft(row: &dyn Row) -> Result<Draft, EngineError> {
    let (kind, state) = (row.int(2)?, row.int(4)?);
    let wrong = |what: &str, code: i64| EngineError::shape(format!("hunt_drafts.{what} is {code}"));
    Ok(Draft {
        id: row.text(0)?.to_owned(),
        indicator: row.text(1)?.to_owned(),
        kind: ObservableKind::from_code(kind).ok_or_else(|| wrong("kind", kind))?,
        value: row.text(3)?.to_owned(),
        state: STATES
            .iter()
            .find(|(_, code, _)| *code == state)
            .map(|(state, ..)| *state)
            .ok_or_else(|| wrong("state", state))?,
        reason: row.text(5)?.to_owned(),
        community: row.text_opt(6)?.map(str::to_owned),
        anonymous: row.int(7)? != 0,
        rule: row.int_opt(8)?,
        sighting: row.text_opt(9)?.map(str::to_owned),
        changed: Timestamp::from_micros(row.int(10)?),
    })
}

/// Writes down what became of findings, in the place of what stood there.
pub fn write_down(tx: &mut dyn Tx, draft: &Draft) -> Result<(), EngineError> {
    tx.execute("DELETE FROM hunt_drafts WHERE id = ?1", &[Value::Text(&draft.id)])?;
    tx.execute(
        "INSERT INTO hunt_drafts (id, indicator, kind, value, state, reason, community, anonymous, rule, sighting, changed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        &[
            Value::Text(&draft.id),
            Value::Text(&clean(&draft.indicator)),
            Value::Int(draft.kind.code()),
            Value::Text(&clean(&draft.value)),
            Value::Int(draft.state.code()),
            Value::Text(&reason(&draft.reason)),
            Value::text_or_null(draft.community.as_deref()),
            Value::Int(i64::from(draft.anonymous)),
            Value::int_or_null(draft.rule),
            Value::text_or_null(draft.sighting.as_deref()),
            Value::Int(draft.changed.micros()),
        ],
    )?;
    Ok(())
}

/// A reason as it is kept: at most [`REASON_CHARS_MAX`] characters, without what cannot be seen.
pub(super) fn reason(text: &str) -> String {
    shortened(&visible(text), REASON_CHARS_MAX).into_owned()
}

/// Text without NUL, which the engines do not take.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A rule that approves sightings in place of a person. All that it names must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Its number.
    pub id: i64,
    /// Only of this indicator.
    pub indicator: Option<String>,
    /// Only of indicators of this author, an identity's id.
    pub author: Option<String>,
    /// Only of indicators whose label is at most this strict; one without a label counts as AMBER+STRICT.
    pub tlp_max: Tlp,
    /// The community that the sightings are for; `None`: they stay in the own organisation.
    pub community: Option<String>,
    /// Whether the sightings name nobody.
    pub anonymous: bool,
    /// Whether the rule only prepares drafts, for a person to share.
    pub draft_only: bool,
    /// Why it was made.
    pub reason: String,
    /// When it was made.
    pub made: Timestamp,
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The indicator's STIX id.
    pub indicator: &'a str,
    /// The identity that made it, if it names one.
    pub author: Option<&'a str>,
    /// Its marking, all that marks it combined.
    pub marking: Marking,
}

impl Approval {
    /// Whether the rule approves a sighting of an indicator. What is for named persons, and what somebody
    /// restricts in a way that is not understood, no rule approves.
    pub fn approves(&self, candidate: &Candidate<'_>) -> bool {
        let label = candidate.marking.label();
        let named = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        label <= self.tlp_max
            && label < Tlp::Red
            && !candidate.marking.unknown
            && named(&self.indicator, Some(candidate.indicator))
            && named(&self.author, candidate.author)
    }
}

/// The rules, oldest first: the first that approves decides.
pub fn approvals(read: &mut dyn Read) -> Result<Vec<Approval>, EngineError> {
    let mut all = Vec::new();
    read.query(
        "SELECT id, indicator, author, tlp_max, community, anonymous, draft_only, reason, made FROM hunt_approvals ORDER BY id",
        &[],
        &mut |row| {
            let rank = row.int(3)?;
            let tlp = usize::try_from(rank).ok().and_then(|rank| Tlp::ALL.get(rank).copied());
            all.push(Approval {
                id: row.int(0)?,
                indicator: row.text_opt(1)?.map(str::to_owned),
                author: row.text_opt(2)?.map(str::to_owned),
                tlp_max: tlp.ok_or_else(|| EngineError::shape(format!("hunt_approvals.tlp_max is {rank}")))?,
                community: row.text_opt(4)?.map(str::to_owned),
                anonymous: row.int(5)? != 0,
                draft_only: row.int(6)? != 0,
                reason: row.text(7)?.to_owned(),
                made: Timestamp::from_micros(row.int(8)?),
            });
            Ok(Flow::Continue)
        },
    )?;
    Ok(all)
}

/// Adds a rule, whose `id` is not looked at; answers its number, or nothing where [`APPROVALS_MAX`] are there.
pub fn add_approval(tx: &mut dyn Tx, approval: &Approval) -> Result<Option<i64>, EngineError> {
    let known = approvals(tx.as_read())?;
    if known.len() >= APPROVALS_MAX {
        return Ok(None);
    }
    let id = known.last().map_or(1, |last| last.id + 1);
    tx.execute(
        "INSERT INTO hunt_approvals (id, indicator, author, tlp_max, community, anonymous, draft_only, reason, made)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        &[
            Value::Int(id),
            Value::text_or_null(approval.indicator.as_deref()),
            Value::text_or_null(approval.author.as_deref()),
            Value::Int(i64::from(approval.tlp_max.rank())),
            Value::text_or_null(approval.community.as_deref()),
            Value::Int(i64::from(approval.anonymous)),
            Value::Int(i64::from(approval.draft_only)),
            Value::Text(&reason(&approval.reason)),
            Value::Int(approval.made.micros()),
        ],
    )?;
    Ok(Some(id))
}

/// Takes a rule away; whether there was one. What it approved stays.
pub fn remove_approval(tx: &mut dyn Tx, id: i64) -> Result<bool, EngineError> {
    Ok(tx.execute("DELETE FROM hunt_approvals WHERE id = ?1", &[Value::Int(id)])? > 0)
}

/// Erases what was noted of the findings of a value that is forgotten; answers how many notes. Where findings of it
/// are left only the reason goes, a person's words: without their state they would be new, and a rule might share
/// what a person dismissed.
pub fn forget(tx: &mut dyn Tx, observable: &Observable) -> Result<u64, EngineError> {
    let is_it = |kind: ObservableKind, value: &str| {
        kind == observable.kind() && Observable::parse(kind, value).is_ok_and(|one| is_same(&one, observable))
    };
    let known: Vec<Draft> = drafts(tx.as_read())?.into_values().collect();
    let left = ids_left(tx.as_read(), observable)?;
    let mut erased = 0;
    for draft in known.iter().filter(|draft| is_it(draft.kind, &draft.value)) {
        let sql = if left.contains(&draft.id) {
            "UPDATE hunt_drafts SET reason = '' WHERE id = ?1 AND reason <> ''"
        } else {
            "DELETE FROM hunt_drafts WHERE id = ?1"
        };
        erased += tx.execute(sql, &[Value::Text(&draft.id)])?;
    }
    Ok(erased)
}

/// Ids of the findings of a value that are there.
fn ids_left(read: &mut dyn Read, observable: &Observable) -> Result<BTreeSet<String>, EngineError> {
    let kind = observable.kind();
    let mut ids = BTreeSet::new();
    let sql = "SELECT DISTINCT indicator, value FROM hunt_findings WHERE kind = ?1";
    read.query(sql, &[Value::Int(kind.code())], &mut |row| {
        if let Ok(one) = Observable::parse(kind, row.text(1)?)
            && is_same(&one, observable)
        {
            ids.insert(finding_id(row.text(0)?, kind, &one.display()));
        }
        Ok(Flow::Continue)
    })?;
    Ok(ids)
}
