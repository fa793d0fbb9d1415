// SPDX-License-Identifier: Apache-2.0
//! Making a view anew from the records, beside the one that answers.
//!
//! The new tables have [`NEXT`] behind their names. They take the records in batch by batch, each in a
//! transaction of its own that also moves the cursor, so that a build goes on after a crash where it stood,
//! and two processes that build the same view only help each other. The batch that reaches the newest
//! record switches: the old tables get [`OLD`] behind their names, the new ones the plain names. Each batch
//! takes its turn among those who write; readers see the old view or the new one.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use ledger::audience::Heads;
use ledger::record;
use ledger::sql::{EngineError, Flow, Tx};
use ledger::view::View;

use crate::engine::Engine;
use crate::names::{NEXT, Names, OLD, Renamed, index_name, kept, rewrite};
use crate::open::Store;
use crate::views::{Progress, Standing, forget, last_seq, missing, next_name, note, standing};

/// Most records of a batch: as many as the writer takes at once.
pub(crate) const BATCH_RECORDS_MAX: usize = crate::writer::BATCH_RECORDS_MAX;
/// Most bytes of records in a batch; one larger record is a batch of its own.
const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Batches that a turn takes in. An import adds at most one batch of the writer's in its turn: with two a
/// rebuild comes up with it.
const BATCHES_PER_TURN: usize = 2;

/// How often a switch is tried that readers are in the way of, and how long they are left alone after each.
const SWITCH_TRIES_MAX: u32 = 300;
const SWITCH_PAUSE: Duration = Duration::from_millis(200);

/// Told after each turn; `Stop` ends the build where it stands.
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
        self.appending(|engine| begin(engine, view))?;
        let batch = self.shared.batch.load(Ordering::Relaxed);
        let ended = self.step_by_step(told, &mut |engine| build(engine, view, names, batch))?;
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
    /// passed by take in what they lack; tables that were switched away go. Writes nothing when all is well.
    pub fn bring_up(&self, told: &mut Told<'_>) -> Result<Rebuilt, EngineError> {
        for report in self.standings()? {
            let Some(view) = self.views().iter().find(|view| view.name() == report.name) else { continue };
            let ended = if !report.answers() {
                self.rebuild(report.name, told)?
            } else if report.behind > 0 {
                let batch = self.shared.batch.load(Ordering::Relaxed);
                self.step_by_step(told, &mut |engine| catch_up(engine, view.as_ref(), batch))?
            } else {
                Rebuilt::Done
            };
            // A rebuild that ended before it had dropped them left them: they hold what is erased later.
            self.drop_tables(view.as_ref())?;
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
        step: &mut dyn FnMut(&mut dyn Engine) -> Result<Step, EngineError>,
    ) -> Result<Rebuilt, EngineError> {
        let mut tries = 0;
        loop {
            match self.appending(&mut *step) {
                Ok(Step::Done) => return Ok(Rebuilt::Done),
                Ok(Step::More(progress)) => {
                    tries = 0;
                    if told(progress) == Flow::Stop {
                        return Ok(Rebuilt::Stopped);
                    }
                }
                // Somebody reads a table that is to be switched, and others must not wait behind us for him.
                Err(EngineError::Busy) if self.shared.place.is_server() && tries < SWITCH_TRIES_MAX => {
                    tries += 1;
                    thread::sleep(SWITCH_PAUSE);
                }
                Err(error) => return Err(error),
            }
            self.shared.place.rein_in_the_log();
        }
    }

    /// Drops the tables that were switched away, each in a transaction of its own: freed pages are
    /// overwritten, and that takes its time.
    fn drop_tables(&self, view: &dyn View) -> Result<(), EngineError> {
        for table in view.tables() {
            let name = format!("{}{OLD}", table.name);
            if self.shared.place.read(|engine| engine.exists(&name))? {
                self.appending(|engine| drop_table(engine, &name))?;
            }
        }
        Ok(())
    }
}

fn drop_table(tx: &mut dyn Tx, name: &str) -> Result<(), EngineError> {
    tx.execute(kept(format!("DROP TABLE IF EXISTS {name}")), &[]).map(|_| ())
}

fn can_go_on(engine: &mut dyn Engine, view: &dyn View) -> Result<bool, EngineError> {
    if standing(engine, next_name(view))?.is_none_or(|next| next.version != view.version()) {
        return Ok(false);
    }
    for table in view.tables() {
        if !engine.exists(&format!("{}{NEXT}", table.name))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes the empty tables, unless a build is there that this code can go on with.
fn begin(engine: &mut dyn Engine, view: &dyn View) -> Result<(), EngineError> {
    if can_go_on(engine, view)? {
        return Ok(());
    }
    for table in view.tables() {
        let next = format!("{}{NEXT}", table.name);
        drop_table(engine, &next)?;
        for sql in engine.statements(table.sqlite, table.postgres) {
            // An index keeps its name when its table gets another: the two names take turns.
            let index = match index_name(sql) {
                Some(index) if engine.exists(index)? => Some((index, format!("{index}{NEXT}"))),
                _ => None,
            };
            let sql = rewrite(sql, |word| match &index {
                _ if word == table.name => Some(next.as_str()),
                Some((plain, other)) if word == *plain => Some(other.as_str()),
                _ => None,
            });
            engine.execute(kept(sql), &[])?;
        }
    }
    note(engine, next_name(view), Standing { version: view.version(), cursor: 0 })
}

/// One batch into the new tables; with the last one they are switched.
fn build(engine: &mut dyn Engine, view: &dyn View, names: &Names, batch: usize) -> Result<Step, EngineError> {
    let row = next_name(view);
    let next = match standing(engine, row)? {
        // Another process has finished it.
        None => return Ok(Step::Done),
        Some(next) if next.version == view.version() => next,
        // A record that it had taken in was changed by code that does not know these tables.
        Some(_) => {
            begin(engine, view)?;
            Standing { version: view.version(), cursor: 0 }
        }
    };
    let (cursor, last) = fold(engine, view, Some(names), next.cursor, batch)?;
    note(engine, row, Standing { cursor, ..next })?;
    if cursor < last {
        return Ok(Step::More(Progress {
            view: view.name(),
            done: cursor.unsigned_abs(),
            of: last.unsigned_abs(),
        }));
    }
    engine.give_up_soon()?;
    switch(engine, view, Standing { cursor, ..next })?;
    Ok(Step::Done)
}

/// One batch into a view that answers and lacks the newest records.
fn catch_up(engine: &mut dyn Engine, view: &dyn View, batch: usize) -> Result<Step, EngineError> {
    let Some(found) = standing(engine, view.name())?.filter(|s| s.version == view.version()) else {
        return Ok(Step::Done);
    };
    let (cursor, last) = fold(engine, view, None, found.cursor, batch)?;
    note(engine, view.name(), Standing { cursor, ..found })?;
    if cursor >= last {
        return Ok(Step::Done);
    }
    Ok(Step::More(Progress { view: view.name(), done: cursor.unsigned_abs(), of: last.unsigned_abs() }))
}

/// Takes in the next batches after `cursor`; answers how far it came, and how far it is to go.
fn fold(
    engine: &mut dyn Engine,
    view: &dyn View,
    names: Option<&Names>,
    mut cursor: i64,
    batch: usize,
) -> Result<(i64, i64), EngineError> {
    let last = last_seq(engine)?;
    for _ in 0..BATCHES_PER_TURN {
        cursor = fold_batch(engine, view, names, cursor, batch)?.unwrap_or(last);
        if cursor >= last {
            break;
        }
    }
    Ok((cursor, last))
}

/// Takes in one batch; answers the `seq` of its last record, or `None` when there is none after `cursor`.
fn fold_batch(
    engine: &mut dyn Engine,
    view: &dyn View,
    names: Option<&Names>,
    cursor: i64,
    batch: usize,
) -> Result<Option<i64>, EngineError> {
    let rows = record::batch_after(engine, cursor, batch, BATCH_BYTES_MAX)?;
    let Some(newest) = rows.last().map(|row| row.seq) else { return Ok(None) };
    let heads = Heads::load(engine)?;
    let records = rows
        .iter()
        .map(|row| Ok(row.view(heads.of(row.audience_row)?, heads.of(row.committed_row)?)))
        .collect::<Result<Vec<_>, EngineError>>()?;
    match names {
        Some(names) => view.apply(&mut Renamed::new(engine, names), &records)?,
        None => view.apply(engine, &records)?,
    }
    Ok(Some(newest))
}

fn switch(engine: &mut dyn Engine, view: &dyn View, standing: Standing) -> Result<(), EngineError> {
    let absent = missing(engine, view.tables())?;
    for name in view.tables().iter().map(|table| table.name) {
        if !absent.contains(&name) {
            drop_table(engine, &format!("{name}{OLD}"))?;
            engine.execute(kept(format!("ALTER TABLE {name} RENAME TO {name}{OLD}")), &[])?;
        }
        engine.execute(kept(format!("ALTER TABLE {name}{NEXT} RENAME TO {name}")), &[])?;
    }
    forget(engine, next_name(view))?;
    note(engine, view.name(), standing)
}
