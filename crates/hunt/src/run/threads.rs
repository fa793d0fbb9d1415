// SPDX-License-Identifier: Apache-2.0
//! Several threads on one log. Blocks go round: the caller reads them, a worker scans each, the caller hands the
//! parts on in order.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

use super::worker::{Scanned, Worker};
use super::{Blocks, Left, Part, Sum};
use crate::event::BlockReader;
use crate::reader::Block;

/// Blocks that wait or are worked on, for each thread.
const BLOCKS_PER_THREAD: usize = 3;

/// The number of a block, the block, and the way to read its lines.
type Task = (u64, Block, BlockReader);
/// The number of a block and what came of it; `None` from a worker that fell.
type Answer = Option<(u64, Scanned)>;

pub(super) fn scan<'a, R: Read>(
    blocks: &mut Blocks<'_, R>,
    threads: usize,
    worker: &Worker<'_, 'a>,
    sum: &mut Sum,
    on_part: &mut dyn FnMut(Part),
) -> Left<'a> {
    let (to_workers, tasks) = sync_channel::<Task>(threads * BLOCKS_PER_THREAD);
    let (to_caller, scanned) = channel::<Answer>();
    let tasks = Mutex::new(tasks);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (tasks, to_caller, worker) = (&tasks, to_caller.clone(), worker.another());
                scope.spawn(move || work(worker, tasks, &to_caller))
            })
            .collect();
        drop(to_caller);
        hand_round(blocks, &to_workers, &scanned, threads * BLOCKS_PER_THREAD, sum, on_part);
        drop(to_workers);
        let mut left = Left { observed: worker.nothing_observed(), ..Left::default() };
        for handle in workers {
            match handle.join() {
                Ok(part) => left.join(part),
                // A fault of the program: go on falling, as if the caller had scanned the block itself.
                Err(fault) => std::panic::resume_unwind(fault),
            }
        }
        left
    })
}

/// Tells the caller that a worker fell, or it would wait for its block for ever.
struct Alarm<'a>(&'a Sender<Answer>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Without a caller there is nobody to tell.
            let _ = self.0.send(None);
        }
    }
}

fn work<'a>(
    mut worker: Worker<'_, 'a>,
    tasks: &Mutex<Receiver<Task>>,
    to_caller: &Sender<Answer>,
) -> Left<'a> {
    let _alarm = Alarm(to_caller);
    loop {
        let next = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, block, lines)) = next else { return Left::by(worker) };
        if to_caller.send(Some((number, worker.scan(block, &lines)))).is_err() {
            return Left::by(worker);
        }
    }
}

fn hand_round<R: Read>(
    blocks: &mut Blocks<'_, R>,
    to_workers: &SyncSender<Task>,
    scanned: &Receiver<Answer>,
    in_flight_max: usize,
    sum: &mut Sum,
    on_part: &mut dyn FnMut(Part),
) {
    let mut waiting: BTreeMap<u64, Scanned> = BTreeMap::new();
    let mut buffers: Vec<Vec<u8>> = Vec::new();
    let (mut sent, mut done) = (0_u64, 0_u64);
    let mut at_end = false;
    while !at_end || done < sent {
        // Counting those that wait for an earlier block, too, bounds the memory.
        while !at_end && sent - done < in_flight_max as u64 {
            let next = blocks.next(buffers.pop().unwrap_or_default());
            match next.map(|(block, lines)| to_workers.send((sent, block, lines))) {
                Some(Ok(())) => sent += 1,
                _ => at_end = true,
            }
        }
        if done == sent {
            continue;
        }
        let Ok(Some((number, part))) = scanned.recv() else { return };
        waiting.insert(number, part);
        while let Some(part) = waiting.remove(&done) {
            buffers.push(sum.add(part, on_part));
            done += 1;
        }
    }
}
