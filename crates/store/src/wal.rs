// SPDX-License-Identifier: Apache-2.0
//! Keeping the write-ahead log of SQLite within bounds.
//!
//! SQLite copies the log back into the database after a commit as far as no reader still needs the older
//! state, and begins the log anew once all of it was copied. With readers that always overlap, one of them
//! is always on an older state at that moment, and the log grows as long as they read.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ledger::sql::EngineError;
use rusqlite::Connection;

use crate::sqlite::engine_error;

/// Pages of the log after which SQLite copies it back at the next commit: 256 MiB. The leaves of the tables
/// that are ordered by object change with nearly every batch of an import, and are copied once for many.
pub(crate) const WAL_CHECKPOINT_PAGES: i64 = 32_000;
/// Size at which readers are waited for, twice what SQLite lets it grow to by itself.
pub(crate) const WAL_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// How long readers are waited for. A page is read in far less; whoever reads longer, an export for
/// instance, is not waited for until he is done.
const WAIT_FOR_READERS: Duration = Duration::from_millis(500);

/// Begins the log anew if it is larger than `limit`: waits until those who read now are done; who begins
/// meanwhile reads on. Answers whether the log is within its limit.
pub(crate) fn rein_in(connection: &Connection, database: &Path, limit: u64) -> Result<bool, EngineError> {
    let mut log = database.to_owned().into_os_string();
    log.push("-wal");
    if fs::metadata(&log).map_or(0, |log| log.len()) <= limit {
        return Ok(true);
    }
    let fault = |e| engine_error("copy the write-ahead log back", e);
    let usual: i64 = connection.query_row("PRAGMA busy_timeout", [], |row| row.get(0)).map_err(fault)?;
    connection.busy_timeout(WAIT_FOR_READERS).map_err(fault)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    connection.busy_timeout(Duration::from_millis(usual.unsigned_abs())).map_err(fault)?;
    Ok(busy.map_err(fault)? == 0)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    fn size(database: &Path) -> u64 {
        fs::metadata(database.with_extension("db-wal")).unwrap().len()
    }

    #[test]
    fn readers_that_always_overlap_do_not_keep_the_log_growing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(100000))",
            )
            .unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for delay in [0, 10, 20] {
                let (path, stop) = (&path, &stop);
                scope.spawn(move || {
                    let reader = Connection::open(path).unwrap();
                    thread::sleep(Duration::from_millis(delay));
                    while !stop.load(Ordering::Relaxed) {
                        reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
                        thread::sleep(Duration::from_millis(30));
                        reader.execute_batch("COMMIT").unwrap();
                    }
                });
            }
            for _ in 0..10 {
                connection.execute_batch("INSERT INTO t VALUES (zeroblob(100000))").unwrap();
                assert!(size(&path) > 100_000);
                assert!(rein_in(&connection, &path, 50_000).unwrap());
                assert!(size(&path) <= 50_000);
            }
            stop.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_long_reader_is_not_waited_for_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        let connection = Connection::open(&path).unwrap();
        connection.busy_timeout(Duration::from_secs(30)).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x)").unwrap();
        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
        connection.execute_batch("INSERT INTO t VALUES (zeroblob(100000))").unwrap();
        assert!(!rein_in(&connection, &path, 50_000).unwrap());
        let usual: i64 = connection.query_row("PRAGMA busy_timeout", [], |row| row.get(0)).unwrap();
        assert_eq!(usual, 30_000, "other statements wait as before");
        reader.execute_batch("COMMIT").unwrap();
        assert!(rein_in(&connection, &path, 50_000).unwrap());
        assert!(rein_in(&connection, &path, u64::MAX).unwrap());
    }
}
