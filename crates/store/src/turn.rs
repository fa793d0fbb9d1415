// SPDX-License-Identifier: Apache-2.0
//! Turns: several processes that write to one file, each after the other.
//!
//! SQLite lets whoever finds the file free go first, so a process that writes batch after batch (an import)
//! would keep all others out. Two locks beside the database make a turnstile: whoever is next holds the
//! first while he waits for the second, and whoever has just written queues behind him. The locks go with
//! their process; a lost or deleted lock file costs fairness only, as SQLite still guards the file.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use ledger::sql::EngineError;

/// How often the locks are looked at.
const STEP: Duration = Duration::from_millis(1);
/// Steps after which a wait is given up: 30 s, as SQLite's own.
const STEPS_MAX: u32 = 30_000;

/// The right to write next; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _held: File,
}

impl Turn {
    /// Waits for the turn to write to the database at `path`.
    pub(crate) fn take(path: &Path) -> Result<Turn, EngineError> {
        let mut steps = 0;
        let next = locked(&beside(path, "-next"), &mut steps)?;
        let turn = locked(&beside(path, "-turn"), &mut steps)?;
        // Only now may another stand in front.
        drop(next);
        Ok(Turn { _held: turn })
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn locked(path: &Path, steps: &mut u32) -> Result<File, EngineError> {
    let refused = |source: std::io::Error| EngineError::Refused {
        operation: format!("lock {}", path.display()),
        source: Box::new(source),
    };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(refused)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(refused(error)),
            Err(TryLockError::WouldBlock) if *steps >= STEPS_MAX => return Err(EngineError::Busy),
            Err(TryLockError::WouldBlock) => {
                *steps += 1;
                sleep(STEP);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    #[test]
    fn a_busy_writer_lets_others_in() {
        let dir = std::env::temp_dir().join(format!("polder-turn-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("db");
        let (stop, turns) = (AtomicBool::new(false), AtomicU32::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _turn = Turn::take(&path).unwrap();
                    turns.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(5));
                }
            });
            while turns.load(Ordering::Relaxed) == 0 {
                sleep(STEP);
            }
            for _ in 0..20 {
                let before = turns.load(Ordering::Relaxed);
                let turn = Turn::take(&path).unwrap();
                // The batch at hand, and one whose turn it was before this one queued.
                assert!(turns.load(Ordering::Relaxed) - before <= 2, "one turn each");
                drop(turn);
            }
            stop.store(true, Ordering::Relaxed);
        });
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
