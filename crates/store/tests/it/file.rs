// SPDX-License-Identifier: Apache-2.0
//! What is special to a database on a file: roll-back, formats, other processes.

use std::fs;

use store::published::{PublishedError, SideFile};
use store::{OpenError, Store};

use crate::sample::*;

fn checkpointed(store: &Store) {
    store
        .local(|tx| tx.as_read().query("SELECT 1", &[], &mut |_| Ok(ledger::sql::Flow::Stop)))
        .map_err(|e: ledger::sql::EngineError| e)
        .unwrap();
}

/// The newer database is gone and an earlier copy lies in its place: signing on would fork the log.
#[test]
fn a_rolled_back_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (path, side) = (dir.path().join("polder.db"), SideFile::new(dir.path().join("published")));
    let copy = dir.path().join("copy.db");
    {
        let store = Store::create(&path, schema()).unwrap();
        let writer = writer(&store, Some(side.clone()));
        submit(&writer, vec![green(&indicator(1, 0, "a"))]);
        drop(writer);
        checkpointed(&store);
    }
    fs::copy(&path, &copy).unwrap();
    {
        let store = Store::open(&path, schema()).unwrap();
        side.check(&store).unwrap();
        let writer = writer(&store, Some(side.clone()));
        submit(&writer, vec![green(&indicator(2, 0, "a"))]);
    }
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", path.display()));
    }
    fs::copy(&copy, &path).unwrap();
    let store = Store::open(&path, schema()).unwrap();
    let error = side.check(&store).unwrap_err();
    assert!(matches!(error, PublishedError::Behind { published: 2, held: 1, .. }), "{error}");
    // A fork of equal size is another history.
    let writer = writer(&store, None);
    submit(&writer, vec![green(&indicator(3, 0, "a")), green(&indicator(4, 0, "a"))]);
    drop(writer);
    assert!(matches!(side.check(&store).unwrap_err(), PublishedError::Forked { size: 2, .. }));
}

#[test]
fn the_side_file_only_grows() {
    let dir = tempfile::tempdir().unwrap();
    let side = SideFile::new(dir.path().join("published"));
    let origin = signer().origin;
    let checkpoint = |size, byte| ledger::checkpoint::Checkpoint { origin, size, root: [byte; 32] };
    assert!(side.newest().unwrap().is_none());
    side.publish(&checkpoint(5, 5)).unwrap();
    side.publish(&checkpoint(3, 3)).unwrap();
    assert_eq!(side.newest().unwrap(), Some(checkpoint(5, 5)));
    fs::write(dir.path().join("published"), "nonsense").unwrap();
    assert!(matches!(side.newest(), Err(PublishedError::Unreadable { .. })));
}

#[test]
fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("polder.db");
    drop(Store::create(&path, schema()).unwrap());
    rusqlite_pragma(&path, "user_version", 99);
    assert!(matches!(Store::open(&path, schema()).err(), Some(OpenError::Newer { found: 99, .. })));
}

#[test]
fn something_elses_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("polder.db");
    assert!(matches!(Store::open(&path, schema()).err(), Some(OpenError::Missing(_))));
    rusqlite_pragma(&path, "user_version", 1);
    assert!(matches!(Store::open(&path, schema()).err(), Some(OpenError::Empty(_))));
    rusqlite_make(&path);
    assert!(matches!(Store::open(&path, schema()).err(), Some(OpenError::NotOurs(_))));
    fs::write(&path, b"this is no database at all, whatever its name says").unwrap();
    assert!(matches!(
        Store::open(&path, schema()).err(),
        Some(OpenError::Engine(ledger::sql::EngineError::Corrupt(_)))
    ));
    assert!(matches!(Store::create(&path, schema()).err(), Some(OpenError::Exists(_))));
}

fn rusqlite_pragma(path: &std::path::Path, name: &str, value: i64) {
    rusqlite::Connection::open(path).unwrap().pragma_update(None, name, value).unwrap();
}

fn rusqlite_make(path: &std::path::Path) {
    rusqlite::Connection::open(path).unwrap().execute_batch("CREATE TABLE x (y INTEGER)").unwrap();
}
