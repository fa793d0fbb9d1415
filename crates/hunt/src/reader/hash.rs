// SPDX-License-Identifier: Apache-2.0
//! The hash of a file while it is read: of a large one on a thread of its own, for it costs as much as the
//! scan, and more than a tenth of what unpacking does.

use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

/// Bytes from which on a file is hashed aside; a thread for a small one is not worth its while.
const ASIDE_BYTES_MIN: u64 = 512 * 1024;
/// Bytes that are handed over at once.
const PART_BYTES: usize = 256 * 1024;
/// Parts that wait.
const PARTS_MAX: usize = 8;

/// SHA-256 of what passes.
pub(super) struct Hashing {
    state: State,
    passed: u64,
}

enum State {
    Aside(Aside),
    Here(Sha256),
}

struct Aside {
    part: Vec<u8>,
    parts: SyncSender<Vec<u8>>,
    /// Parts that were hashed, to be filled again.
    done: Receiver<Vec<u8>>,
    thread: JoinHandle<Sha256>,
}

impl Hashing {
    pub(super) fn new() -> Hashing {
        Hashing { state: State::Here(Sha256::new()), passed: 0 }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.passed += bytes.len() as u64;
        match &mut self.state {
            State::Aside(aside) => aside.update(bytes),
            State::Here(hash) => {
                hash.update(bytes);
                if self.passed >= ASIDE_BYTES_MIN
                    && let Some(aside) = Aside::new(hash.clone())
                {
                    self.state = State::Aside(aside);
                }
            }
        }
    }

    /// The hash of all that has passed; the next one begins anew.
    pub(super) fn finish(&mut self) -> [u8; 32] {
        let state = std::mem::replace(&mut self.state, State::Here(Sha256::new()));
        self.passed = 0;
        match state {
            State::Aside(aside) => aside.finish(),
            State::Here(hash) => hash.finalize().into(),
        }
    }
}

impl Aside {
    /// Goes on from here on a thread; `None` if there can be no thread more.
    fn new(hash: Sha256) -> Option<Aside> {
        let (parts, waiting) = sync_channel::<Vec<u8>>(PARTS_MAX);
        let (back, done) = channel();
        let work = move || {
            let mut hash = hash;
            for part in waiting {
                hash.update(&part);
                // Nobody waits for an empty part at the end.
                let _ = back.send(part);
            }
            hash
        };
        let thread = std::thread::Builder::new().name("hash".to_owned()).spawn(work).ok()?;
        Some(Aside { part: Vec::with_capacity(PART_BYTES), parts, done, thread })
    }

    fn update(&mut self, bytes: &[u8]) {
        self.part.extend_from_slice(bytes);
        if self.part.len() >= PART_BYTES {
            let mut next = self.done.try_recv().unwrap_or_default();
            next.clear();
            let part = std::mem::replace(&mut self.part, next);
            // The thread ends only when this sender does.
            let _ = self.parts.send(part);
        }
    }

    fn finish(self) -> [u8; 32] {
        let Aside { part, parts, thread, .. } = self;
        let _ = parts.send(part);
        drop(parts);
        match thread.join() {
            Ok(hash) => hash.finalize().into(),
            // A fault of the program: go on falling, as if it had been hashed here.
            Err(fault) => std::panic::resume_unwind(fault),
        }
    }
}
