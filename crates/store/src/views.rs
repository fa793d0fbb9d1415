// SPDX-License-Identifier: Apache-2.0
//! What is known of each view: its version, and how far it has taken records in.
//!
//! A row of `views` says that a view's tables are of this version and hold all records up to `cursor`. A
//! view that is built beside it has a row of its own, with [`NEXT`] behind the name. A process whose code
//! has another version leaves the tables alone, and the cursor shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ledger::sql::{EngineError, Flow, Read, Table, Tx, Value};
use ledger::view::{Record, View};

use crate::engine::Engine;
use crate::names::{NEXT, Names, OLD, Renamed, kept};
use crate::open::{Shared, Store};

/// Version of a view whose tables cannot be used: no program has it.
pub(crate) const UNUSABLE: i64 = 0;

/// A row of `views`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Version of the code that made the tables.
    pub(crate) version: i64,
    /// All records up to this `seq` are taken in.
    pub(crate) cursor: i64,
}

/// How far a view is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Name of the view.
    pub view: &'static str,
    /// Records taken in.
    pub done: u64,
    /// Records there are.
    pub of: u64,
}

impl Progress {
    /// Whole percent, at most 99 as long as something is missing.
    pub fn percent(&self) -> u8 {
        match self.of {
            0 => 0,
            of if self.done >= of => 100,
            of => u8::try_from(self.done.saturating_mul(100) / of).unwrap_or(99).min(99),
        }
    }
}

/// What a store finds out about one of its views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewReport {
    /// Name of the view.
    pub name: &'static str,
    /// Version that the program knows.
    pub version: i64,
    /// Version of the tables; `None` when nothing is known of them, or they were found unusable.
    pub found: Option<i64>,
    /// Tables that are not there.
    pub missing: Vec<&'static str>,
    /// Records that the tables have not taken in.
    pub behind: u64,
    /// Where a build beside the tables stands, if one was begun.
    pub build: Option<Progress>,
    /// Records that the view could not use, by code; empty for a view that cannot be read.
    pub skipped: Vec<(String, u64)>,
}

impl ViewReport {
    /// Whether questions to the view can be answered.
    pub fn answers(&self) -> bool {
        self.found == Some(self.version) && self.missing.is_empty()
    }
}

/// The row of a name, if there is one.
pub(crate) fn standing(read: &mut dyn Read, name: &str) -> Result<Option<Standing>, EngineError> {
    let mut found = None;
    read.query("SELECT version, cursor FROM views WHERE name = ?1", &[Value::Text(name)], &mut |row| {
        found = Some(Standing { version: row.int(0)?, cursor: row.int(1)? });
        Ok(Flow::Stop)
    })?;
    Ok(found)
}

/// Writes the row of a name.
pub(crate) fn note(tx: &mut dyn Tx, name: &str, standing: Standing) -> Result<(), EngineError> {
    tx.execute(
        "INSERT INTO views (name, version, cursor) VALUES (?1, ?2, ?3) \
         ON CONFLICT (name) DO UPDATE SET version = excluded.version, cursor = excluded.cursor",
        &[Value::Text(name), Value::Int(standing.version), Value::Int(standing.cursor)],
    )
    .map(|_| ())
}

/// Takes the row of a name away.
pub(crate) fn forget(tx: &mut dyn Tx, name: &str) -> Result<(), EngineError> {
    tx.execute("DELETE FROM views WHERE name = ?1", &[Value::Text(name)]).map(|_| ())
}

/// Name of the row of a view that is built.
pub(crate) fn next_name(view: &dyn View) -> &'static str {
    kept(format!("{}{NEXT}", view.name()))
}

/// The newest record's `seq`; 0 before the first.
pub(crate) fn last_seq(read: &mut dyn Read) -> Result<i64, EngineError> {
    let mut last = 0;
    read.query("SELECT seq FROM records ORDER BY seq DESC LIMIT 1", &[], &mut |row| {
        last = row.int(0)?;
        Ok(Flow::Stop)
    })?;
    Ok(last)
}

/// How far the build of a view is, if one was begun by this version of the code.
pub(crate) fn progress(read: &mut dyn Read, view: &dyn View) -> Result<Option<Progress>, EngineError> {
    let next = standing(read, next_name(view))?.filter(|next| next.version == view.version());
    let of = last_seq(read)?.unsigned_abs();
    Ok(next.map(|next| Progress { view: view.name(), done: next.cursor.unsigned_abs(), of }))
}

/// Those of the tables that are not there.
pub(crate) fn missing(
    engine: &mut dyn Engine,
    tables: &[&'static Table],
) -> Result<Vec<&'static str>, EngineError> {
    let mut missing = Vec::new();
    for table in tables {
        if !engine.exists(table.name)? {
            missing.push(table.name);
        }
    }
    Ok(missing)
}

/// Tables of views into which the writer does not carry an erasure: those that were switched away, and those
/// that another version of the code made.
pub(crate) fn passed_by(
    engine: &mut dyn Engine,
    views: &[Box<dyn View>],
) -> Result<Vec<String>, EngineError> {
    let mut places = Vec::new();
    for view in views {
        let current = |found: Option<Standing>| found.is_some_and(|s| s.version == view.version());
        let answers = current(standing(engine, view.name())?);
        let built = current(standing(engine, next_name(view.as_ref()))?);
        for (suffix, keeps_up) in [("", answers), (NEXT, built), (OLD, false)] {
            for table in view.tables() {
                let name = format!("{}{suffix}", table.name);
                if !keeps_up && engine.exists(&name)? {
                    places.push(format!(
                        "table {name}, which this program does not keep up; run `polder rebuild`, which drops or \
                         makes it anew"
                    ));
                }
            }
        }
    }
    Ok(places)
}

impl Store {
    /// `None` when the view can be asked in this transaction, otherwise how far it is built. A view that the
    /// store does not have cannot be waited for.
    pub fn rebuilding(&self, read: &mut dyn Read, name: &str) -> Result<Option<Progress>, EngineError> {
        let Some(view) = self.views().iter().find(|view| view.name() == name) else { return Ok(None) };
        if standing(read, name)?.is_some_and(|standing| standing.version == view.version()) {
            return Ok(None);
        }
        let none = Progress { view: view.name(), done: 0, of: last_seq(read)?.unsigned_abs() };
        Ok(Some(progress(read, view.as_ref())?.unwrap_or(none)))
    }

    /// What there is to say of each view.
    pub fn view_reports(&self) -> Result<Vec<ViewReport>, EngineError> {
        self.shared.place.read(|engine| {
            let last = last_seq(engine)?;
            let mut reports = Vec::new();
            for view in self.views() {
                let mut report = report(engine, view.as_ref(), last)?;
                if let (true, Some(sql)) = (report.answers(), view.skipped()) {
                    engine.query(sql, &[], &mut |row| {
                        report.skipped.push((row.text(0)?.to_owned(), row.int(1)?.unsigned_abs()));
                        Ok(Flow::Continue)
                    })?;
                }
                reports.push(report);
            }
            Ok(reports)
        })
    }

    /// Views that cannot be asked until they are rebuilt.
    pub fn stale_views(&self) -> Result<Vec<&'static str>, EngineError> {
        let reports = self.standings()?;
        Ok(reports.iter().filter(|report| !report.answers()).map(|report| report.name).collect())
    }

    /// As [`Store::view_reports`], without what was skipped.
    pub(crate) fn standings(&self) -> Result<Vec<ViewReport>, EngineError> {
        self.shared.place.read(|engine| {
            let last = last_seq(engine)?;
            self.views().iter().map(|view| report(engine, view.as_ref(), last)).collect()
        })
    }
}

fn report(engine: &mut dyn Engine, view: &dyn View, last: i64) -> Result<ViewReport, EngineError> {
    let found = standing(engine, view.name())?.filter(|standing| standing.version != UNUSABLE);
    Ok(ViewReport {
        name: view.name(),
        version: view.version(),
        found: found.map(|standing| standing.version),
        missing: missing(engine, view.tables())?,
        behind: found.map_or(0, |standing| last.saturating_sub(standing.cursor).unsigned_abs()),
        build: progress(engine, view)?,
        skipped: Vec::new(),
    })
}

/// The views as one batch of the writer sees them.
pub(crate) struct Keeping {
    /// What `append` applies.
    pub(crate) views: Vec<Box<dyn View>>,
    /// Views that had taken in everything, and will have again.
    current: Vec<&'static str>,
    /// Builds by other versions of the code, and whether the batch changed a record that they have.
    foreign: Vec<(String, Arc<AtomicBool>)>,
}

impl Keeping {
    /// Reads where the views stand, in the batch's own transaction.
    pub(crate) fn read(read: &mut dyn Read, shared: &Arc<Shared>) -> Result<Keeping, EngineError> {
        let mut keeping = Keeping { views: Vec::new(), current: Vec::new(), foreign: Vec::new() };
        let last = last_seq(read)?;
        for (nth, view) in shared.schema.views.iter().enumerate() {
            let kept = |build, cursor, changed| {
                Box::new(Kept { shared: Arc::clone(shared), nth, build, cursor, last, changed })
            };
            let found = standing(read, view.name())?.filter(|s| s.version == view.version());
            if let Some(Standing { cursor, .. }) = found {
                if cursor == last {
                    keeping.current.push(view.name());
                }
                keeping.views.push(kept(false, cursor, None));
            }
            match standing(read, next_name(view.as_ref()))? {
                None => {}
                Some(next) if next.version == view.version() => {
                    keeping.views.push(kept(true, next.cursor, None));
                }
                Some(next) => {
                    let changed = Arc::new(AtomicBool::new(false));
                    keeping.views.push(kept(true, next.cursor, Some(Arc::clone(&changed))));
                    keeping.foreign.push((next_name(view.as_ref()).to_owned(), changed));
                }
            }
        }
        Ok(keeping)
    }

    /// Notes how far the views are now.
    pub(crate) fn note(self, tx: &mut dyn Tx) -> Result<(), EngineError> {
        let last = last_seq(tx.as_read())?;
        for name in self.current {
            tx.execute(
                "UPDATE views SET cursor = ?2 WHERE name = ?1",
                &[Value::Text(name), Value::Int(last)],
            )?;
        }
        for (name, changed) in self.foreign {
            if changed.load(Ordering::Relaxed) {
                // Only its own code could mend it: it begins again.
                note(tx, &name, Standing { version: UNUSABLE, cursor: 0 })?;
            }
        }
        Ok(())
    }
}

/// A view under the writer. Records that it has taken in may come again, erased or with other recipients;
/// new ones it takes in only if none before them is missing.
struct Kept {
    shared: Arc<Shared>,
    nth: usize,
    /// Whether it is the one that is built, not the one that answers.
    build: bool,
    cursor: i64,
    /// Newest record before the batch.
    last: i64,
    /// Set instead of applying anything.
    changed: Option<Arc<AtomicBool>>,
}

impl Kept {
    fn view(&self) -> Option<&dyn View> {
        self.shared.schema.views.get(self.nth).map(|view| &**view)
    }

    fn names(&self) -> Option<&Names> {
        self.shared.names.get(self.nth).filter(|_| self.build)
    }

    fn wants(&self, record: &Record<'_>) -> bool {
        record.seq <= self.cursor || !self.build && self.cursor == self.last
    }
}

impl View for Kept {
    fn name(&self) -> &'static str {
        self.view().map_or("", View::name)
    }

    fn version(&self) -> i64 {
        self.view().map_or(UNUSABLE, View::version)
    }

    fn tables(&self) -> &'static [&'static Table] {
        self.view().map_or(&[], View::tables)
    }

    fn apply(&self, tx: &mut dyn Tx, records: &[Record<'_>]) -> Result<(), EngineError> {
        let some;
        let wanted = if records.iter().all(|record| self.wants(record)) {
            records
        } else {
            some = records.iter().filter(|record| self.wants(record)).cloned().collect::<Vec<_>>();
            &some
        };
        match (self.view(), self.names(), &self.changed) {
            _ if wanted.is_empty() => Ok(()),
            (_, _, Some(changed)) => {
                changed.store(true, Ordering::Relaxed);
                Ok(())
            }
            (Some(view), Some(names), None) => view.apply(&mut Renamed::new(tx, names), wanted),
            (Some(view), None, None) => view.apply(tx, wanted),
            (None, _, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use ledger::audience::Heads;
    use ledger::sql::TableKind;
    use ledger::view::Body;
    use model::head::{Audience, Head};
    use model::id::{MemberId, SubjectKey};
    use model::kind::Kind;
    use model::marking::{Marking, Tlp};
    use model::time::Timestamp;

    use super::*;
    use crate::{Rebuilt, Schema};

    static PLACES: Table = Table {
        name: "places",
        kind: TableKind::View,
        columns: &["seq"],
        sqlite: &["CREATE TABLE places (seq INTEGER PRIMARY KEY) STRICT"],
        postgres: &["CREATE TABLE places (seq BIGINT PRIMARY KEY)"],
    };

    struct Places(i64);

    impl View for Places {
        fn name(&self) -> &'static str {
            "places"
        }
        fn version(&self) -> i64 {
            self.0
        }
        fn tables(&self) -> &'static [&'static Table] {
            static TABLES: &[&Table] = &[&PLACES];
            TABLES
        }
        fn apply(&self, tx: &mut dyn Tx, records: &[Record<'_>]) -> Result<(), EngineError> {
            records.iter().try_for_each(|record| {
                let sql = match record.body {
                    Body::Erased => "DELETE FROM places WHERE seq = ?1",
                    Body::Present(_) => "INSERT INTO places (seq) VALUES (?1)",
                };
                tx.execute(sql, &[Value::Int(record.seq)]).map(|_| ())
            })
        }
    }

    fn schema(version: i64) -> Schema {
        Schema { views: vec![Box::new(Places(version))], local: Vec::new() }
    }

    fn head() -> Head {
        let member = MemberId([7; 32]);
        Head {
            author: member,
            kind: Kind::STIX_21,
            marking: Marking::tlp(Tlp::Green),
            audience: Audience::Organisation(member),
        }
    }

    /// A batch as `append` makes one: rows of records from 1 on, then what the views are told.
    fn batch(store: &Store, new: i64, erased: &[i64]) {
        let (head, time) = (head(), Timestamp::from_micros(0));
        let record = |seq, body| Record {
            seq,
            time,
            audience_row: 1,
            head: &head,
            committed: &head,
            subject: SubjectKey([0; 17]),
            id: "x",
            version: time,
            body,
        };
        store
            .local(|tx| {
                let keeping = Keeping::read(tx.as_read(), &store.shared)?;
                for seq in 1..=new {
                    let sql = "INSERT INTO records (seq, log, idx, time, audience, subject, id, version, salts, entry) \
                               VALUES (?1, 1, ?1, ?1, 1, ?2, 'x', 0, ?3, ?2)";
                    tx.execute(sql, &[Value::Int(seq), Value::Blob(&[0; 17]), Value::Blob(&[0; 48])])?;
                }
                for view in &keeping.views {
                    let added: Vec<_> = (1..=new).map(|seq| record(seq, Body::Present(b"x"))).collect();
                    view.apply(tx, &added)?;
                    let gone: Vec<_> = erased.iter().map(|seq| record(*seq, Body::Erased)).collect();
                    view.apply(tx, &gone)?;
                }
                for seq in erased {
                    tx.execute("DELETE FROM bodies WHERE seq = ?1", &[Value::Int(*seq)])?;
                }
                keeping.note(tx)
            })
            .unwrap();
    }

    fn places(store: &Store) -> Vec<i64> {
        let mut rows = Vec::new();
        store
            .read(|read| {
                read.query("SELECT seq FROM places ORDER BY seq", &[], &mut |row| {
                    rows.push(row.int(0)?);
                    Ok(Flow::Continue)
                })
            })
            .map_err(|e: EngineError| e)
            .unwrap();
        rows
    }

    /// What is erased behind the cursor of a build is erased in it as well. A build that the writer's code
    /// does not know begins again.
    #[test]
    fn an_erased_record_leaves_the_build_too() {
        for (version, batches) in [(1, 2), (2, 4)] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("polder.db");
            let store = Store::create(&path, schema(1)).unwrap();
            let row = store.local(|tx| Heads::load(tx.as_read())?.row(tx, &head()));
            assert_eq!(row.map_err(|e: EngineError| e).unwrap(), 1);
            batch(&store, 20, &[]);
            let fill = "INSERT INTO bodies SELECT seq, x'7b7d' FROM records";
            store.local(|tx| tx.execute(fill, &[])).map_err(|e: EngineError| e).unwrap();
            let builder = Store::open(&path, schema(version)).unwrap();
            builder.rebuild_in_batches_of(4);
            let told = Cell::new(0);
            let ended = builder.rebuild("places", &mut |_| {
                if told.get() == 0 {
                    batch(&store, 0, &[3]);
                }
                told.set(told.get() + 1);
                Flow::Continue
            });
            assert_eq!(ended.unwrap(), Rebuilt::Done);
            let expected: Vec<i64> = (1..=20).filter(|seq| *seq != 3).collect();
            assert_eq!(places(&builder), expected, "version {version}");
            assert_eq!(told.get(), batches - usize::from(version == 2), "version {version}");
            if version == 1 {
                assert_eq!(places(&store), expected);
            }
        }
    }
}
