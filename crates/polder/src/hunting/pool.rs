// SPDX-License-Identifier: Apache-2.0
//! Logs are hunted in one file a thread; what comes of them is taken in the order of the files.
//!
//! Each file has a short queue of its own. One thread takes from the queue of the first file until that is done,
//! then from the next: a file ahead of its turn waits when its queue is full. So memory is bounded, the output has
//! one order, and what counts over time sees the files one after the other, however many threads there are.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel, sync_channel};

use hunt::run::{Hunt, Part};

use crate::failure::Failure;

/// Parts of one file that wait for their turn.
const PARTS_WAITING_MAX: usize = 16;

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
    std::thread::scope(|scope| {
        let (queues, arriving) = channel::<(usize, Receiver<Message<'q>>)>();
        for _ in 0..threads.clamp(1, files.max(1)) {
            let (next, queues) = (&next, queues.clone());
            scope.spawn(move || {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= files {
                        return;
                    }
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
        let taken = take_in_order(files, &arriving, each);
        // The others stop at their next file.
        next.store(files, Ordering::Relaxed);
        drop(arriving);
        taken
    })
}

fn take_in_order<'q>(
    files: usize,
    arriving: &Receiver<(usize, Receiver<Message<'q>>)>,
    each: &mut dyn FnMut(usize, Message<'q>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut waiting: BTreeMap<usize, Receiver<Message<'q>>> = BTreeMap::new();
    for wanted in 0..files {
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
