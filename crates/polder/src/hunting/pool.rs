// SPDX-License-Identifier: Apache-2.0
//! Logs are hunted in one file a thread; what comes of them is taken in the order of the files.
//!
//! Each file has a short queue of its own. One thread takes from the queue of the first file until that is done,
//! then from the next: a file ahead of its turn waits when its queue is full, and only so many are ahead. So memory is
//! bounded, the output has one order, what counts over time sees the files one after the other, however many threads
//! there are, and what is read is soon taken: who stops the hunt does not wait for what was read long ago.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::sync::{Condvar, Mutex, PoisonError};

use hunt::run::{Hunt, Part};

use crate::failure::Failure;

/// Parts of one file that wait for their turn.
const PARTS_WAITING_MAX: usize = 16;
/// Files that are read, or are being read, before their turn.
const FILES_AHEAD_MAX: usize = 64;

/// How many files were taken: those that come soon after may be read.
#[derive(Default)]
struct Turn {
    taken: Mutex<usize>,
    moved: Condvar,
}

impl Turn {
    fn wait_for(&self, nth: usize) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while nth > taken.saturating_add(FILES_AHEAD_MAX) {
            taken = self.moved.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn is_of(&self, nth: usize) {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = nth;
        self.moved.notify_all();
    }
}

/// Lets all go on when the taking ends, however it ends: who waits for a turn that never comes would keep the
/// program from ending.
struct Release<'t>(&'t Turn);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.is_of(usize::MAX);
    }
}

/// What comes of a file: parts, then the end.
pub enum Message<'q> {
    /// The file was read to its end, or could not be.
    End(Result<Vec<Hunt<'q>>, Failure>),
    /// A stretch of it.
    Part(Part),
}

/// What is done with the file of a number: its parts are handed on, its logs answered.
pub type Work<'w, 'q> = dyn Fn(usize, &mut dyn FnMut(Part)) -> Result<Vec<Hunt<'q>>, Failure> + Sync + 'w;

/// Runs `job` for each number below `files` on so many threads; `each` takes what comes of them. An error of
/// `each` ends it all.
pub fn run<'q>(
    files: usize,
    threads: usize,
    job: &Work<'_, 'q>,
    each: &mut dyn FnMut(usize, Message<'q>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let turn = Turn::default();
    std::thread::scope(|scope| {
        let release = Release(&turn);
        let (queues, arriving) = channel::<(usize, Receiver<Message<'q>>)>();
        for _ in 0..threads.clamp(1, files.max(1)) {
            let (next, turn, queues) = (&next, &turn, queues.clone());
            scope.spawn(move || {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= files {
                        return;
                    }
                    turn.wait_for(nth);
                    let (queue, messages) = sync_channel(PARTS_WAITING_MAX);
                    if queues.send((nth, messages)).is_err() {
                        return;
                    }
                    // Where nobody takes it any more, the rest of the file is for nothing, but short.
                    let end = job(nth, &mut |part| drop(queue.send(Message::Part(part))));
                    drop(queue.send(Message::End(end)));
                }
            });
        }
        drop(queues);
        let taken = take_in_order(files, &arriving, &turn, each);
        // The others stop at their next file.
        next.store(files, Ordering::Relaxed);
        drop(arriving);
        drop(release);
        taken
    })
}

fn take_in_order<'q>(
    files: usize,
    arriving: &Receiver<(usize, Receiver<Message<'q>>)>,
    turn: &Turn,
    each: &mut dyn FnMut(usize, Message<'q>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut waiting: BTreeMap<usize, Receiver<Message<'q>>> = BTreeMap::new();
    for wanted in 0..files {
        turn.is_of(wanted);
        let messages = loop {
            if let Some(messages) = waiting.remove(&wanted) {
                break messages;
            }
            match arriving.recv() {
                Ok((nth, messages)) => drop(waiting.insert(nth, messages)),
                // A thread fell; the scope passes its panic on.
                Err(_) => return Ok(()),
            }
        };
        for message in messages {
            each(wanted, message)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> Part {
        Part::default()
    }

    #[test]
    fn files_are_taken_in_their_order_whatever_the_threads() {
        for threads in [1, 3, 64] {
            let mut order = Vec::new();
            let job = |nth: usize, on_part: &mut dyn FnMut(Part)| {
                // More than fits in a queue, so that later files wait for their turn.
                (0..PARTS_WAITING_MAX * 3 + nth).for_each(|_| on_part(part()));
                Ok(Vec::new())
            };
            run(7, threads, &job, &mut |nth, message| {
                order.push((nth, matches!(message, Message::End(_))));
                Ok(())
            })
            .unwrap();
            let parts: usize = (0..7).map(|nth| PARTS_WAITING_MAX * 3 + nth + 1).sum();
            assert_eq!(order.len(), parts);
            assert!(order.is_sorted(), "{order:?}");
        }
    }

    /// Who reads does not run away from who writes down.
    #[test]
    fn only_so_many_files_are_read_before_their_turn() {
        let (begun, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let job = |_: usize, _: &mut dyn FnMut(Part)| {
            begun.fetch_add(1, Ordering::SeqCst);
            Ok(Vec::new())
        };
        let mut most = 0;
        run(FILES_AHEAD_MAX * 4, 3, &job, &mut |nth, _| {
            if nth == 0 {
                // Long enough for all to be read, if nothing kept them.
                std::thread::sleep(std::time::Duration::from_millis(300));
            }
            most = most.max(begun.load(Ordering::SeqCst) - taken.load(Ordering::SeqCst));
            taken.store(nth, Ordering::SeqCst);
            Ok(())
        })
        .unwrap();
        assert!(most <= FILES_AHEAD_MAX + 2, "{most}");
        assert_eq!(begun.load(Ordering::SeqCst), FILES_AHEAD_MAX * 4);
    }

    #[test]
    fn an_error_ends_it_all() {
        let job = |_: usize, on_part: &mut dyn FnMut(Part)| {
            (0..100).for_each(|_| on_part(part()));
            Ok(Vec::new())
        };
        let ended = run(50, 4, &job, &mut |nth, _| match nth {
            3 => Err(Failure::machine("full")),
            _ => Ok(()),
        });
        assert_eq!(ended.unwrap_err().message, "full");
        run(0, 4, &job, &mut |_, _| Ok(())).unwrap();
    }
}
