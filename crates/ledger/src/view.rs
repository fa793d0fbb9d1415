// SPDX-License-Identifier: Apache-2.0
//! Views: tables derived from records.

use model::head::Head;
use model::id::SubjectKey;
use model::time::Timestamp;

use crate::sql::{EngineError, Table, Tx};

/// A record's body, or that it was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// The author withdrew it.
    Erased,
    /// The bytes as received.
    Present(&'a [u8]),
}

/// A record as views see it.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The node's order of arrival: the cursor of everything. From 1.
    pub seq: i64,
    /// Time of arrival, strictly increasing with `seq`.
    pub time: Timestamp,
    /// Row of `audiences`: (author, marking, audience) of the head.
    pub audience_row: i64,
    /// What the gate decides by.
    pub head: &'a Head,
    /// What the entry commits to: the head at first, before it was narrowed.
    pub committed: &'a Head,
    /// Key of the subject.
    pub subject: SubjectKey,
    /// The subject's id as text.
    pub id: &'a str,
    /// The subject's version.
    pub version: Timestamp,
    /// Body.
    pub body: Body<'a>,
}

/// A view: tables that one room derives from records.
///
/// `apply` fails only for faults of the engine; a record that the view cannot use becomes a row of its
/// own `skipped` table with a code.
pub trait View: Send + Sync {
    /// Name, stored with the version.
    fn name(&self) -> &'static str;
    /// Raised whenever the tables or what goes into them change.
    fn version(&self) -> i64;
    /// The view's tables.
    fn tables(&self) -> &'static [&'static Table];
    /// Takes in a batch of records in the order of their `seq`.
    ///
    /// An erased record takes everything with it that this view derived from it, found by its `seq` alone:
    /// when a view is built anew neither subject nor id of it is known. A record whose head changed comes
    /// first as erased and then again, at its old `seq`, with the new head.
    fn apply(&self, tx: &mut dyn Tx, records: &[Record<'_>]) -> Result<(), EngineError>;
}
