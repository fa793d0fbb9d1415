// SPDX-License-Identifier: Apache-2.0
//! Making a view anew from the records, beside the one that answers.
//!
//! The new tables have [`NEXT`] behind their names. They take the records in batch by batch, each in a
//! transaction of its own that also moves the cursor, so that a build goes on after a crash where it stood,
//! and two processes that build the same view only help each other. The batch that reaches the newest
//! record switches: the old tables get [`OLD`] behind their names, the new ones the plain names. Writers
//! wait for a transaction like any other; readers see the old view or the new one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ledger::audience::Heads;
use ledger::record;
use ledger::sql::{EngineError, Flow, Read, Tx};
use ledger::view::View;

use crate::names::{NEXT, Names, OLD, Renamed, index_name, kept, rewrite};
use crate::open::Store;
use crate::views::{Progress, Standing, exists, forget, last_seq, missing, next_name, note, standing};

/// Most records of a batch.
pub(crate) const BATCH_RECORDS_MAX: usize = 10_000;
/// Most bytes of records in a batch; one larger record is a batch of its own.
const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Between two batches, so that whoever waits to write comes to it. Longer than a writer sleeps between two
/// attempts.
const PAUSE: Duration = Duration::from_millis(8);

/// Told after each batch; `Stop` ends the build where it stands.
pub type Told<'t> = dyn FnMut(Progress) -> Flow + 't;

/// How a rebuild ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebuilt {
    /// The new view answers.
    Done,
    /// It was told to stop; the next rebuild goes on from there.
    Stopped,
}

/// What a batch left to do.
enum Step {
    Done,
    More(Progress),
}

impl Store {
    /// Makes one view anew while the old one answers, or goes on with a build that was begun. A name that no
    /// view has changes nothing.
    pub fn rebuild(&self, name: &str, told: &mut Told<'_>) -> Result<Rebuilt, EngineError> {
        let Some(nth) = self.views().iter().position(|view| view.name() == name) else {
            return Ok(Rebuilt::Done);
        };
        let (Some(view), Some(names)) = (self.views().get(nth), self.shared.names.get(nth)) else {
            return Ok(Rebuilt::Done);
        };
        let view = view.as_ref();
        self.drop_tables(view)?;
        self.appending(|tx| begin(tx, view))?;
        let batch = self.shared.batch.load(Ordering::Relaxed);
        let ended = self.step_by_step(told, &mut |tx| build(tx, view, names, batch))?;
        if ended == Rebuilt::Done {
            self.drop_tables(view)?;
        }
        Ok(ended)
    }

    /// Makes every view anew, one after the other.
    pub fn rebuild_all(&self, told: &mut Told<'_>) -> Result<Rebuilt, EngineError> {
        for view in self.views() {
            if self.rebuild(view.name(), told)? == Rebuilt::Stopped {
                return Ok(Rebuilt::Stopped);
            }
        }
        Ok(Rebuilt::Done)
    }

    /// Makes all views whole: those that cannot be asked are rebuilt, those that another program's writer
    /// passed by take in what they lack. Writes nothing when all is well.
    pub fn bring_up(&self, told: &mut Told<'_>) -> Result<Rebuilt, EngineError> {
        for report in self.standings()? {
            let Some(view) = self.views().iter().find(|view| view.name() == report.name) else { continue };
            let ended = if !report.answers() {
                self.rebuild(report.name, told)?
            } else if report.behind > 0 {
                let batch = self.shared.batch.load(Ordering::Relaxed);
                self.step_by_step(told, &mut |tx| catch_up(tx, view.as_ref(), batch))?
            } else {
                Rebuilt::Done
            };
            if ended == Rebuilt::Stopped {
                return Ok(Rebuilt::Stopped);
            }
        }
        Ok(Rebuilt::Done)
    }

    /// From now on a rebuild takes so many records in at once: fewer leave more room for others who write.
    pub fn rebuild_in_batches_of(&self, records: usize) {
        self.shared.batch.store(records.clamp(1, BATCH_RECORDS_MAX), Ordering::Relaxed);
    }

    fn step_by_step(
        &self,
        told: &mut Told<'_>,
        step: &mut dyn FnMut(&mut dyn Tx) -> Result<Step, EngineError>,
    ) -> Result<Rebuilt, EngineError> {
        loop {
            match self.appending(&mut *step)? {
                Step::Done => return Ok(Rebuilt::Done),
                Step::More(progress) => {
                    if told(progress) == Flow::Stop {
                        return Ok(Rebuilt::Stopped);
                    }
                }
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Drops the tables that were switched away, each in a transaction of its own: freed pages are
    /// overwritten, and that takes its time.
    fn drop_tables(&self, view: &dyn View) -> Result<(), EngineError> {
        for table in view.tables() {
            let name = format!("{}{OLD}", table.name);
            if self.read(|read| exists(read, &name))? {
                self.appending(|tx| drop_table(tx, &name))?;
            }
        }
        Ok(())
    }
}

fn drop_table(tx: &mut dyn Tx, name: &str) -> Result<(), EngineError> {
    tx.execute(kept(format!("DROP TABLE IF EXISTS {name}")), &[]).map(|_| ())
}

fn can_go_on(read: &mut dyn Read, view: &dyn View) -> Result<bool, EngineError> {
    if standing(read, next_name(view))?.is_none_or(|next| next.version != view.version()) {
        return Ok(false);
    }
    for table in view.tables() {
        if !exists(read, &format!("{}{NEXT}", table.name))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes the empty tables, unless a build is there that this code can go on with.
fn begin(tx: &mut dyn Tx, view: &dyn View) -> Result<(), EngineError> {
    if can_go_on(tx.as_read(), view)? {
        return Ok(());
    }
    for table in view.tables() {
        let next = format!("{}{NEXT}", table.name);
        drop_table(tx, &next)?;
        for sql in table.sqlite {
            // An index keeps its name when its table gets another: the two names take turns.
            let index = match index_name(sql) {
                Some(index) if exists(tx.as_read(), index)? => Some((index, format!("{index}{NEXT}"))),
                _ => None,
            };
            let sql = rewrite(sql, |word| match &index {
                _ if word == table.name => Some(next.as_str()),
                Some((plain, other)) if word == *plain => Some(other.as_str()),
                _ => None,
            });
            tx.execute(kept(sql), &[])?;
        }
    }
    note(tx, next_name(view), Standing { version: view.version(), cursor: 0 })
}

/// One batch into the new tables; with the last one they are switched.
fn build(tx: &mut dyn Tx, view: &dyn View, names: &Names, batch: usize) -> Result<Step, EngineError> {
    let row = next_name(view);
    let next = match standing(tx.as_read(), row)? {
        // Another process has finished it.
        None => return Ok(Step::Done),
        Some(next) if next.version == view.version() => next,
        // A record that it had taken in was changed by code that does not know these tables.
        Some(_) => {
            begin(tx, view)?;
            Standing { version: view.version(), cursor: 0 }
        }
    };
    let (cursor, last) = fold(tx, view, Some(names), next.cursor, batch)?;
    note(tx, row, Standing { cursor, ..next })?;
    if cursor < last {
        return Ok(Step::More(Progress {
            view: view.name(),
            done: cursor.unsigned_abs(),
            of: last.unsigned_abs(),
        }));
    }
    switch(tx, view, Standing { cursor, ..next })?;
    Ok(Step::Done)
}

/// One batch into a view that answers and lacks the newest records.
fn catch_up(tx: &mut dyn Tx, view: &dyn View, batch: usize) -> Result<Step, EngineError> {
    let Some(found) = standing(tx.as_read(), view.name())?.filter(|s| s.version == view.version()) else {
        return Ok(Step::Done);
    };
    let (cursor, last) = fold(tx, view, None, found.cursor, batch)?;
    note(tx, view.name(), Standing { cursor, ..found })?;
    if cursor >= last {
        return Ok(Step::Done);
    }
    Ok(Step::More(Progress { view: view.name(), done: cursor.unsigned_abs(), of: last.unsigned_abs() }))
}

/// Takes in the next batch after `cursor`; answers how far it came, and how far it is to go.
fn fold(
    tx: &mut dyn Tx,
    view: &dyn View,
    names: Option<&Names>,
    cursor: i64,
    batch: usize,
) -> Result<(i64, i64), EngineError> {
    let last = last_seq(tx.as_read())?;
    let rows = record::batch_after(tx.as_read(), cursor, batch, BATCH_BYTES_MAX)?;
    let Some(newest) = rows.last().map(|row| row.seq) else { return Ok((last, last)) };
    let heads = Heads::load(tx.as_read())?;
    let records = rows
        .iter()
        .map(|row| Ok(row.view(heads.of(row.audience_row)?, heads.of(row.committed_row)?)))
        .collect::<Result<Vec<_>, EngineError>>()?;
    match names {
        Some(names) => view.apply(&mut Renamed::new(tx, names), &records)?,
        None => view.apply(tx, &records)?,
    }
    Ok((newest, last))
}

fn switch(tx: &mut dyn Tx, view: &dyn View, standing: Standing) -> Result<(), EngineError> {
    let absent = missing(tx.as_read(), view.tables())?;
    for name in view.tables().iter().map(|table| table.name) {
        if !absent.contains(&name) {
            drop_table(tx, &format!("{name}{OLD}"))?;
            tx.execute(kept(format!("ALTER TABLE {name} RENAME TO {name}{OLD}")), &[])?;
        }
        tx.execute(kept(format!("ALTER TABLE {name}{NEXT} RENAME TO {name}")), &[])?;
    }
    forget(tx, next_name(view))?;
    note(tx, view.name(), standing)
}
