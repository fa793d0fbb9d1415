// SPDX-License-Identifier: Apache-2.0
//! The one writer of a process: takes what waits, appends it in one transaction, answers each caller.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use ledger::append::{Appended, Circumstances, Outcome, Signer, append};
use ledger::draft::Draft;
use ledger::sql::EngineError;
use rusqlite::Connection;

use crate::engine::Engine;
use crate::open::{Place, Store, in_transaction, writer};
use crate::postgresql::Writing;
use crate::published::{PublishedError, SideFile};
use crate::turn::Turn;
use crate::views::Keeping;
use crate::wal::{WAL_BYTES_MAX, rein_in};

/// Most records that one transaction takes. The more, the fewer pages are written for each record: ids are
/// random, so that nearly every record of a batch lies on a page of its own in a large table.
pub const BATCH_RECORDS_MAX: usize = 20_000;
/// Most bytes of bodies that one transaction takes from several callers.
const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most submissions that wait for the writer; the next caller waits with them.
const WAITING_MAX: usize = 64;

/// A submission was not appended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubmitError {
    /// The engine failed; nothing of the submission was kept.
    #[error(transparent)]
    Engine(Arc<EngineError>),
    /// The side file could not be written. The records are kept, their checkpoint was not let out.
    #[error(transparent)]
    Published(Arc<PublishedError>),
    /// Too many submissions wait; nothing of this one was taken.
    #[error("too much waits to be written; try again in a moment")]
    Full,
    /// The writer has stopped after an earlier fault.
    #[error("the writer has stopped after an earlier fault; start polder again")]
    Stopped,
}

impl From<EngineError> for SubmitError {
    fn from(error: EngineError) -> SubmitError {
        SubmitError::Engine(Arc::new(error))
    }
}

struct Job {
    drafts: Vec<Draft>,
    answer: SyncSender<Result<Vec<Outcome>, SubmitError>>,
}

impl Job {
    fn bytes(&self) -> usize {
        self.drafts.iter().map(|draft| draft.body.len()).sum()
    }
}

/// The writer: drop it to stop it, when all that waits has been written.
pub struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// A submission on its way.
pub struct Pending(Receiver<Result<Vec<Outcome>, SubmitError>>);

impl Pending {
    /// Waits until the submission is durable, and answers what became of each draft.
    pub fn wait(self) -> Result<Vec<Outcome>, SubmitError> {
        self.0.recv().unwrap_or(Err(SubmitError::Stopped))
    }
}

impl Store {
    /// Starts the writer. `circumstances` gives time and randomness for each batch.
    pub fn writer(
        &self,
        signer: Signer,
        side_file: Option<SideFile>,
        circumstances: impl FnMut() -> Circumstances + Send + 'static,
    ) -> Result<Writer, EngineError> {
        let own = match &self.shared.place {
            Place::File { path, .. } => Own::File(writer(path)?),
            Place::Memory(_) => Own::Shared,
            Place::Postgresql(server) => Own::Postgresql(Box::new(Writing::new(server.address()))),
        };
        let (jobs, waiting) = sync_channel(WAITING_MAX);
        let state =
            State { store: self.clone(), own, signer, side_file, circumstances: Box::new(circumstances) };
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || state.run(&waiting))
            .map_err(|e| EngineError::Refused {
                operation: "start the writer".to_owned(),
                source: Box::new(e),
            })?;
        Ok(Writer { jobs: Some(jobs), thread: Some(thread) })
    }
}

impl Writer {
    /// Hands over drafts; they are appended in their order, in one transaction with what else waits.
    pub fn submit(&self, drafts: Vec<Draft>) -> Pending {
        let (answer, pending) = sync_channel(1);
        if let Some(jobs) = &self.jobs {
            // When the writer has stopped the answer's sender is dropped, and `wait` says so.
            let _ = jobs.send(Job { drafts, answer });
        }
        Pending(pending)
    }

    /// Hands over drafts if there is room for them in the queue; never waits.
    pub fn try_submit(&self, drafts: Vec<Draft>) -> Result<Pending, SubmitError> {
        let (answer, pending) = sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or(SubmitError::Stopped)?;
        match jobs.try_send(Job { drafts, answer }) {
            Ok(()) => Ok(Pending(pending)),
            Err(TrySendError::Full(_)) => Err(SubmitError::Full),
            Err(TrySendError::Disconnected(_)) => Err(SubmitError::Stopped),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The connection on which the writer writes.
enum Own {
    File(Connection),
    Postgresql(Box<Writing>),
    /// In memory there is one for all.
    Shared,
}

struct State {
    store: Store,
    own: Own,
    signer: Signer,
    side_file: Option<SideFile>,
    circumstances: Box<dyn FnMut() -> Circumstances + Send>,
}

/// Whether a log of `size` has with its last `added` entries come past a thousand, ten thousand, and so on.
/// Plans that were made for a small database are bad for a large one, and a server finds out late by itself.
fn has_grown(size: u64, added: usize) -> bool {
    let before = size.saturating_sub(added as u64);
    size >= 1_000 && size.ilog10() > before.max(1).ilog10()
}

impl State {
    fn run(mut self, waiting: &Receiver<Job>) {
        let mut left_over = None;
        while let Some(first) = left_over.take().or_else(|| waiting.recv().ok()) {
            let (mut count, mut bytes) = (first.drafts.len(), first.bytes());
            let mut jobs = vec![first];
            while count < BATCH_RECORDS_MAX
                && let Ok(next) = waiting.try_recv()
            {
                count += next.drafts.len();
                bytes += next.bytes();
                if count > BATCH_RECORDS_MAX || bytes > BATCH_BYTES_MAX {
                    left_over = Some(next);
                    break;
                }
                jobs.push(next);
            }
            self.batch(jobs);
        }
    }

    fn batch(&mut self, jobs: Vec<Job>) {
        let (drafts, answers): (Vec<_>, Vec<_>) = jobs.into_iter().map(|j| (j.drafts, j.answer)).unzip();
        let sizes: Vec<usize> = drafts.iter().map(Vec::len).collect();
        let drafts: Vec<Draft> = drafts.into_iter().flatten().collect();
        let appended = self.append(&drafts);
        let mut outcomes = match &appended {
            Ok(appended) => appended.outcomes.iter().copied(),
            Err(_) => [].iter().copied(),
        };
        // The checkpoint is durable; the side file is synced before anyone is told of it.
        let published = match (&self.side_file, appended.as_ref().ok().and_then(|a| a.checkpoint.as_ref())) {
            (Some(side_file), Some(checkpoint)) => side_file.publish(checkpoint).map_err(Arc::new),
            _ => Ok(()),
        };
        self.rein_in_the_log();
        for (answer, size) in answers.into_iter().zip(sizes) {
            let result = match (&appended, &published) {
                (Err(error), _) => Err(SubmitError::Engine(Arc::clone(error))),
                (_, Err(error)) => Err(SubmitError::Published(Arc::clone(error))),
                _ => Ok(outcomes.by_ref().take(size).collect()),
            };
            // A caller that is gone does not want the answer.
            let _ = answer.send(result);
        }
    }

    /// Before the callers are answered, who would hand over more.
    fn rein_in_the_log(&self) {
        if let (Own::File(own), Place::File { path, .. }) = (&self.own, &self.store.shared.place) {
            // What is durable stays so; a fault of the disk shows with the next batch.
            let _ = rein_in(own, path, WAL_BYTES_MAX);
        }
    }

    fn append(&mut self, drafts: &[Draft]) -> Result<Appended, Arc<EngineError>> {
        let circumstances = (self.circumstances)();
        let (signer, shared) = (&self.signer, &self.store.shared);
        let work = |engine: &mut dyn Engine| {
            let keeping = Keeping::read(engine, shared)?;
            let appended = append(engine, signer, &keeping.views, drafts, &circumstances)?;
            keeping.note(engine)?;
            Ok(appended)
        };
        match (&mut self.own, &shared.place) {
            (Own::File(connection), place) => {
                let _turn = match place {
                    Place::File { path, .. } => Some(Turn::take(path)?),
                    _ => None,
                };
                in_transaction(connection, "BEGIN IMMEDIATE", work)
            }
            (Own::Postgresql(writing), _) => {
                let appended = writing.transaction(work)?;
                if appended.checkpoint.as_ref().is_some_and(|c| has_grown(c.size, drafts.len())) {
                    writing.analyze();
                }
                Ok(appended)
            }
            (Own::Shared, place) => place.write(work),
        }
        .map_err(Arc::new)
    }
}
