// SPDX-License-Identifier: Apache-2.0
//! The hash of a file while it is read: of a large one on a thread of its own, for it costs as much as the
//! scan, and more than a tenth of what unpacking does. The bytes of a packed file are handed over in the buffers
//! that they were read into; those of another are copied, for they were read into the block that is scanned.

use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

/// Bytes from which on a file is hashed aside; a thread for a small one is not worth its while.
const ASIDE_BYTES_MIN: u64 = 512 * 1024;
/// The same of a packed one, whose unpacking takes several times as long as reading it would.
const ASIDE_BYTES_MIN_PACKED: u64 = 128 * 1024;
/// Bytes that are handed over at once.
const PART_BYTES: usize = 256 * 1024;
/// The same while they are hashed here: more is not gained by more.
const PART_BYTES_HERE: usize = 32 * 1024;
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
    /// What was copied and not handed over yet.
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
                self.step_aside(ASIDE_BYTES_MIN);
            }
        }
    }

    /// The same with a whole buffer, which is not copied. Answers one to be filled: what it holds is of no use.
    pub(super) fn update_part(&mut self, part: Vec<u8>) -> Vec<u8> {
        self.passed += part.len() as u64;
        match &mut self.state {
            State::Aside(aside) => aside.update_part(part),
            State::Here(hash) => {
                hash.update(&part);
                self.step_aside(ASIDE_BYTES_MIN_PACKED);
                part
            }
        }
    }

    /// How large a buffer is best for [`Self::update_part`].
    pub(super) fn part_bytes(&self) -> usize {
        match self.state {
            State::Aside(_) => PART_BYTES,
            State::Here(_) => PART_BYTES_HERE,
        }
    }

    /// Goes on on a thread when so much has passed.
    fn step_aside(&mut self, from: u64) {
        if let State::Here(hash) = &self.state
            && self.passed >= from
            && let Some(aside) = Aside::new(hash.clone())
        {
            self.state = State::Aside(aside);
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
        Some(Aside { part: Vec::new(), parts, done, thread })
    }

    fn update(&mut self, bytes: &[u8]) {
        if self.part.is_empty() {
            self.part.reserve(PART_BYTES);
        }
        self.part.extend_from_slice(bytes);
        if self.part.len() >= PART_BYTES {
            self.hand_over();
        }
    }

    fn update_part(&mut self, part: Vec<u8>) -> Vec<u8> {
        // What was copied before comes before.
        if !self.part.is_empty() {
            self.hand_over();
        }
        self.send(part)
    }

    fn hand_over(&mut self) {
        let part = std::mem::take(&mut self.part);
        self.part = self.send(part);
        self.part.clear();
    }

    /// Answers a buffer whose bytes were hashed, or a new one.
    fn send(&self, part: Vec<u8>) -> Vec<u8> {
        let next = self.done.try_recv().unwrap_or_default();
        // The thread ends only when this sender does.
        let _ = self.parts.send(part);
        next
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
