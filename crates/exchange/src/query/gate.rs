// SPDX-License-Identifier: Apache-2.0
//! What the gate releases to a reader, and verdicts that are kept from one request to the next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use ledger::audience::heads_after;
use ledger::sql::{EngineError, Flow, Read, Value};
use model::head::{Audience, Head};
use model::marking::Marking;
use policy::{Exit, Reader, release};
use sha2::{Digest, Sha256};

use super::QueryError;
use crate::limits::{AUDIENCES_PER_READER_MAX, GATE_READERS_MAX, GATE_ROWS_MAX};
use crate::token::Rights;
use crate::view::collections_of;

/// Permitted rows of `audiences` whose records stand in one collection, and their markings.
pub(crate) type Rows = BTreeMap<i64, Marking>;

/// What the gate releases to one reader, and what his credential is for.
#[derive(Clone, Debug)]
pub struct Permitted {
    verdicts: Arc<Verdicts>,
    pub(super) rights: Rights,
    pub(super) way: Way,
}

/// What the gate said of one reader: asked once for each distinct head.
#[derive(Clone, Debug)]
struct Verdicts {
    reader: Reader,
    /// Newest row of `audiences` that was asked about.
    newest: i64,
    /// Number and time of the newest record then.
    as_of: (i64, i64),
    /// Permitted rows of `audiences` by the audience of the collection in which their records stand.
    rows: BTreeMap<Audience, Rows>,
    /// Digests of the different audiences among them: one may name a thousand members.
    audiences: BTreeSet<[u8; 32]>,
}

/// How a page is found. The answer is the same; tests compare them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Whatever reads less.
    #[default]
    Cheapest,
    /// Along the order of the collection.
    Order,
    /// By the ranges of the permitted audiences.
    Ranges,
}

impl Permitted {
    /// Asks the gate about every head there is, at the TAXII door.
    pub fn ask(read: &mut dyn Read, reader: &Reader) -> Result<Permitted, QueryError> {
        Ok(Permitted::of_verdicts(Arc::new(Verdicts::ask(read, reader)?)))
    }

    fn of_verdicts(verdicts: Arc<Verdicts>) -> Permitted {
        Permitted { verdicts, rights: Rights::READ, way: Way::default() }
    }

    /// The same for a credential that may not only read, or not even that.
    #[must_use]
    pub fn with_rights(self, rights: Rights) -> Permitted {
        Permitted { rights, ..self }
    }

    /// The same, found in one way only.
    #[must_use]
    pub fn by(self, way: Way) -> Permitted {
        Permitted { way, ..self }
    }

    /// Who asks.
    pub fn reader(&self) -> &Reader {
        &self.verdicts.reader
    }

    /// Permitted rows of `audiences` whose records stand in the collection of an audience.
    pub(crate) fn of(&self, audience: &Audience) -> &Rows {
        static NONE: Rows = Rows::new();
        self.verdicts.rows.get(audience).unwrap_or(&NONE)
    }

    /// Audiences in whose collections something is released to the reader.
    pub(super) fn audiences(&self) -> impl Iterator<Item = &Audience> {
        self.verdicts.rows.keys()
    }
}

impl Verdicts {
    fn ask(read: &mut dyn Read, reader: &Reader) -> Result<Verdicts, QueryError> {
        let (rows, audiences) = (BTreeMap::new(), BTreeSet::new());
        let as_of = newest_record(read)?;
        Verdicts { reader: reader.clone(), newest: 0, as_of, rows, audiences }.with_newer(read)
    }

    /// Asks about the heads that are newer too.
    fn with_newer(mut self, read: &mut dyn Read) -> Result<Verdicts, QueryError> {
        self.as_of = newest_record(read)?;
        for (row, head) in heads_after(read, self.newest)? {
            self.newest = row;
            self.add(row, &head);
        }
        if self.audiences.len() > AUDIENCES_PER_READER_MAX {
            return Err(QueryError::TooManyAudiences);
        }
        Ok(self)
    }

    /// Whether the history in which they were asked is part of the one that this transaction sees. A database
    /// that went back (fail-over, restore) gives the same numbers again to other rows, but never the same time
    /// to the record of a number; and a row of `audiences` comes with a record.
    fn hold(&self, read: &mut dyn Read) -> Result<bool, EngineError> {
        let (seq, time) = self.as_of;
        let mut same = seq == 0;
        read.query("SELECT time FROM records WHERE seq = ?1", &[Value::Int(seq)], &mut |row| {
            same = row.int(0)? == time;
            Ok(Flow::Stop)
        })?;
        Ok(same)
    }

    fn add(&mut self, row: i64, head: &Head) {
        // Other kinds of record never stand in a collection.
        if !head.kind.is_stix() || release(head, &self.reader, Exit::Taxii).is_err() {
            return;
        }
        // Of what names several organisations only the reader's own collection can be his.
        let own = Audience::Organisation(self.reader.member);
        let placed_in = collections_of(&head.audience).into_iter();
        let open = placed_in.filter(|a| matches!(a, Audience::Community(_)) || *a == own);
        for audience in open {
            self.rows.entry(audience).or_default().insert(row, head.marking);
            self.audiences.insert(Sha256::digest(head.audience.to_string()).into());
        }
    }

    fn count(&self) -> usize {
        self.rows.values().map(BTreeMap::len).sum()
    }
}

/// Number and time of the newest record; zeros if there is none.
fn newest_record(read: &mut dyn Read) -> Result<(i64, i64), EngineError> {
    let mut newest = (0, 0);
    read.query("SELECT seq, time FROM records ORDER BY seq DESC LIMIT 1", &[], &mut |row| {
        newest = (row.int(0)?, row.int(1)?);
        Ok(Flow::Stop)
    })?;
    Ok(newest)
}

/// Keeps verdicts between requests.
///
/// They are sound because `policy::release` is pure: a verdict follows from the reader, which is read anew
/// in each request's transaction and is part of the key, and from a head, and a row of `audiences` never
/// changes. A new row is asked about by the first request that sees it. Whoever joins or leaves a community
/// is another [`Reader`] from then on. Where the database under a running node went back, rows may be others:
/// then everything is asked anew.
#[derive(Debug, Default)]
pub struct Gate {
    kept: Mutex<VecDeque<Arc<Verdicts>>>,
}

impl Gate {
    /// What [`Permitted::ask`] answers.
    pub fn ask(&self, read: &mut dyn Read, reader: &Reader) -> Result<Permitted, QueryError> {
        let newest = ledger::audience::newest(read)?;
        // Verdicts about rows that this transaction does not see yet are not used in it.
        let known = match self.find(reader).filter(|known| known.newest <= newest) {
            Some(known) if known.hold(read)? => Some(known),
            _ => None,
        };
        let verdicts = match known {
            Some(known) if known.newest == newest => known,
            Some(known) => Arc::new(Verdicts::clone(&known).with_newer(read)?),
            None => Arc::new(Verdicts::ask(read, reader)?),
        };
        self.keep(Arc::clone(&verdicts));
        Ok(Permitted::of_verdicts(verdicts))
    }

    fn find(&self, reader: &Reader) -> Option<Arc<Verdicts>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|verdicts| verdicts.reader == *reader).cloned()
    }

    /// Puts verdicts in front; the longest unused go.
    fn keep(&self, verdicts: Arc<Verdicts>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.reader != verdicts.reader);
        kept.push_front(verdicts);
        kept.truncate(GATE_READERS_MAX);
        while kept.len() > 1 && kept.iter().map(|v| v.count()).sum::<usize>() > GATE_ROWS_MAX {
            kept.pop_back();
        }
    }
}
