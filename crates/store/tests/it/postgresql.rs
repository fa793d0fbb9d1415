// SPDX-License-Identifier: Apache-2.0
//! What is special to a server: it is killed, full, read-only, of another locale, or not ours.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ledger::append::Outcome;
use ledger::draft::Draft;
use ledger::record;
use ledger::sql::{EngineError, Flow, Value};
use ledger::verify::verify;
use store::postgresql::Address;
use store::{OpenError, Store, SubmitError, Writer};

use crate::sample::*;
use crate::server::{OwnServer, binaries, database, server};

fn held(store: &Store) -> usize {
    store.read(|read| record::after(read, 0, 10_000)).unwrap().len()
}

fn one(n: u32) -> Vec<Draft> {
    vec![green(&indicator(n, 0, "a"))]
}

/// What a submission that was not taken failed of.
fn failure(writer: &Writer, drafts: Vec<Draft>) -> Arc<EngineError> {
    match writer.submit(drafts).wait() {
        Err(SubmitError::Engine(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn whole(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(whole).unwrap_or_default();
    format!("{error}: {cause}")
}

#[test]
fn what_a_database_holds_is_told_apart() {
    let Some(database) = database("store/postgresql/what_a_database_holds_is_told_apart") else { return };
    let open = || Store::open(database.address(), schema()).err();
    let create = || Store::create(database.address(), schema()).err();
    assert!(matches!(open(), Some(OpenError::Empty(_))));
    database.run("CREATE TABLE customers (id BIGINT)");
    assert!(matches!(open(), Some(OpenError::NotOurs(_))));
    assert!(matches!(create(), Some(OpenError::NotOurs(_))));
    database.run("DROP TABLE customers");
    drop(database.create());
    assert!(create().is_none(), "a node that was not finished is begun again");
    submit(&writer(&database.open(), None), one(1));
    assert!(matches!(create(), Some(OpenError::Exists(_))));
    assert!(open().is_none());
    database.run("UPDATE polder_format SET format = 99");
    assert!(matches!(open(), Some(OpenError::Newer { found: 99, .. })));
    let known = Store::newest_format();
    database.run(&format!("UPDATE polder_format SET format = {known}; DROP TABLE definitions, scratch"));
    let store = Store::open(database.address(), schema()).unwrap();
    assert_eq!(store.missing_tables().unwrap(), ["definitions"], "local tables are made anew at once");
    store.bring_up(&mut |_| Flow::Continue).unwrap();
    assert_eq!(store.missing_tables().unwrap(), Vec::<&str>::new());
    store.rebuild_all(&mut |_| Flow::Continue).unwrap();
    assert_eq!(store.left_over_tables().unwrap(), Vec::<String>::new());
    database.run(&format!("UPDATE polder_format SET format = {}", known - 1));
    assert!(matches!(open(), Some(OpenError::Older { .. })));
}

#[test]
fn every_table_has_the_same_columns_on_both_engines() {
    let Some(database) = database("store/postgresql/every_table_has_the_same_columns") else { return };
    let store = database.create();
    for table in store.tables() {
        let mut columns = Vec::new();
        let sql = "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass(?1)
                   AND attnum > 0 ORDER BY attnum";
        store
            .read(|read| {
                read.query(sql, &[Value::Text(table.name)], &mut |row| {
                    columns.push(row.text(0)?.to_owned());
                    Ok(Flow::Continue)
                })
            })
            .map_err(|e: EngineError| e)
            .unwrap();
        assert_eq!(columns, table.columns, "{}", table.name);
    }
}

#[test]
fn a_store_goes_on_after_its_sessions_were_ended() {
    let Some(database) = database("store/postgresql/a_store_goes_on") else { return };
    let store = database.create();
    let writer = writer(&store, None);
    submit(&writer, one(1));
    // Several are idle; each is found dead.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| held(&store));
        }
    });
    database.end_sessions();
    assert_eq!(held(&store), 1);
    submit(&writer, one(2));
    database.end_sessions();
    store
        .local(|tx| tx.execute("INSERT INTO scratch (n) VALUES (1)", &[]))
        .map_err(|e: EngineError| e)
        .unwrap();
    submit(&writer, one(3));
    assert_eq!(held(&store), 3);
}

/// A session that ends in the middle of what it reads or writes is a fault, not a retry: half was done.
#[test]
fn work_that_was_cut_is_not_done_again() {
    let Some(database) = database("store/postgresql/work_that_was_cut") else { return };
    let store = database.create();
    let mut runs = 0;
    let cut: Result<(), EngineError> = store.local(|tx| {
        runs += 1;
        tx.execute("INSERT INTO scratch (n) VALUES (1)", &[])?;
        database.end_sessions();
        tx.execute("INSERT INTO scratch (n) VALUES (2)", &[]).map(|_| ())
    });
    assert!(matches!(cut, Err(EngineError::Unreachable(_))), "{cut:?}");
    assert_eq!(runs, 1);
    let rows = store.local(|tx| tx.execute("DELETE FROM scratch", &[])).map_err(|e: EngineError| e).unwrap();
    assert_eq!(rows, 0, "nothing of it is there");
}

#[test]
fn a_batch_that_is_killed_in_the_middle_is_wholly_absent() {
    let Some(database) = database("store/postgresql/a_batch_that_is_killed") else { return };
    let store = database.create();
    let writer = writer(&store, None);
    submit(&writer, one(1));
    database.run(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
         CREATE TRIGGER die BEFORE INSERT ON subjects FOR EACH ROW EXECUTE FUNCTION die()",
    );
    let batch = || (10..20).map(|n| green(&indicator(n, 0, "a"))).collect::<Vec<_>>();
    let error = failure(&writer, batch());
    assert!(matches!(*error, EngineError::Unreachable(_)), "{error:?}");
    assert_eq!(held(&store), 1);
    database.run("DROP TRIGGER die ON subjects");
    assert_eq!(added(&submit(&writer, batch())), 10, "the writer goes on");
    let report = store.read(|read| verify(read, &signer().origin, key().public_key())).unwrap();
    assert_eq!((report.records, report.faults), (11, Vec::new()));
}

/// The server stands between: what goes to it goes through here.
fn between(socket: &Path, upstream: std::path::PathBuf, cut: Arc<AtomicBool>) {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = UnixStream::connect(&upstream).unwrap();
            let committing = Arc::new(AtomicBool::new(false));
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (seen, armed) = (Arc::clone(&committing), Arc::clone(&cut));
            thread::spawn(move || {
                let mut bytes = [0; 65_536];
                while let Ok(n @ 1..) = from_client.read(&mut bytes) {
                    if armed.load(Ordering::SeqCst) && bytes[..n].windows(7).any(|w| w == b"COMMIT\0") {
                        seen.store(true, Ordering::SeqCst);
                    }
                    if to_server.write_all(&bytes[..n]).is_err() {
                        break;
                    }
                }
                let _ = to_server.shutdown(std::net::Shutdown::Both);
            });
            let (mut from_server, mut to_client) = (server, client);
            thread::spawn(move || {
                let mut bytes = [0; 65_536];
                while let Ok(n @ 1..) = from_server.read(&mut bytes) {
                    if committing.load(Ordering::SeqCst) || to_client.write_all(&bytes[..n]).is_err() {
                        break;
                    }
                }
                let _ = to_client.shutdown(std::net::Shutdown::Both);
                let _ = from_server.shutdown(std::net::Shutdown::Both);
            });
        }
    });
}

/// Law 3: a batch whose answer was lost may be there, and sending it again reports known.
#[test]
fn a_commit_whose_answer_is_lost_is_told_as_uncertain() {
    let Some(database) = database("store/postgresql/a_commit_whose_answer_is_lost") else { return };
    let direct = database.create();
    let dir = tempfile::tempdir().unwrap();
    let cut = Arc::new(AtomicBool::new(false));
    between(&dir.path().join(".s.PGSQL.5432"), database.server().socket(), Arc::clone(&cut));
    let string = database.string_at(&dir.path().display().to_string(), "");
    let store = Store::open(Address::parse(&string).unwrap(), schema()).unwrap();
    let writer = writer(&store, None);
    submit(&writer, one(1));
    cut.store(true, Ordering::SeqCst);
    let error = failure(&writer, one(2));
    assert!(matches!(*error, EngineError::Uncertain(_)), "{error:?}");
    cut.store(false, Ordering::SeqCst);
    assert_eq!(held(&direct), 2, "it is there");
    assert_eq!(submit(&writer, one(2)), [Outcome::Known]);
}

/// Killed again and again while batches come: what was acknowledged is there, and nothing by halves.
#[test]
fn a_server_that_is_killed_keeps_what_it_acknowledged() {
    const TEST: &str = "store/postgresql/a_server_that_is_killed";
    let Some(given) = server(TEST) else { return };
    let binaries = binaries(&given);
    // Nothing is turned off that a crash of the server alone could show.
    let mut own = OwnServer::start(&given, &["fsync=off"]);
    let database = own.server().database("TEMPLATE template0");
    let store = database.create();
    let writer = writer(&store, None);
    let (mut acknowledged, mut lost) = (0, 0);
    for round in 0..3u32 {
        let batches = thread::scope(|scope| {
            let submitting = scope.spawn(|| {
                let mut sure = 0;
                for batch in 0..10_000u32 {
                    let first = round * 1_000_000 + batch * 20;
                    let drafts = (first..first + 20).map(|n| green(&indicator(n, 0, "a"))).collect();
                    match writer.submit(drafts).wait() {
                        Ok(outcomes) => sure += added(&outcomes),
                        Err(_) => return (sure, 1),
                    }
                }
                panic!("the server was not killed")
            });
            thread::sleep(std::time::Duration::from_millis(400));
            own.kill();
            submitting.join().unwrap()
        });
        acknowledged += batches.0;
        lost += batches.1;
        assert!(matches!(*failure(&writer, one(9_999_999)), EngineError::Unreachable(_)));
        own.run(&binaries);
        assert_eq!(added(&submit(&writer, one(9_000_000 + round))), 1, "the writer finds the server again");
        acknowledged += 1;
    }
    let report = store.read(|read| verify(read, &signer().origin, key().public_key())).unwrap();
    let records = usize::try_from(report.records).unwrap();
    assert_eq!(report.faults, Vec::<String>::new());
    assert!(
        acknowledged <= records && records <= acknowledged + 20 * lost,
        "{acknowledged} {records} {lost}"
    );
    assert_eq!((records - acknowledged) % 20, 0, "a batch by halves");
}

#[test]
fn faults_are_told_by_who_must_act() {
    let Some(database) = database("store/postgresql/faults_are_told_by_who_must_act") else { return };
    let store = database.create();
    let writer = writer(&store, None);
    let fault = |state: &str| {
        database.run(&format!(
            "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'made to fail' USING ERRCODE = '{state}', DETAIL = 'Failing row contains (secret)';
             END $$;
             DROP TRIGGER IF EXISTS fail ON bodies;
             CREATE TRIGGER fail BEFORE INSERT ON bodies FOR EACH ROW EXECUTE FUNCTION fail()"
        ));
        failure(&writer, one(1))
    };
    assert!(matches!(*fault("53100"), EngineError::Full(_)));
    assert!(matches!(*fault("55P03"), EngineError::Busy));
    assert!(matches!(*fault("25006"), EngineError::ReadOnly(_)));
    assert!(matches!(*fault("XX001"), EngineError::Corrupt(_)));
    assert!(matches!(*fault("42501"), EngineError::Denied(_)));
    let other = fault("23505");
    assert!(matches!(*other, EngineError::Refused { .. }));
    let told = whole(&*other);
    assert!(told.contains("23505") && told.contains("made to fail"), "{told}");
    assert!(!told.contains("secret"), "the detail quotes whole rows: {told}");
    database.run("DROP TRIGGER fail ON bodies");
    assert_eq!((held(&store), added(&submit(&writer, one(1)))), (0, 1));
}

#[test]
fn a_read_only_database_is_read_and_says_so() {
    let Some(database) = database("store/postgresql/a_read_only_database") else { return };
    submit(&writer(&database.create(), None), one(1));
    database.run(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name()));
    let store = database.open();
    assert_eq!(held(&store), 1);
    let error = failure(&writer(&store, None), one(2));
    assert!(matches!(*error, EngineError::ReadOnly(_)), "{error:?}");
    let local = store.local(|tx| tx.execute("DELETE FROM scratch", &[])).map_err(|e: EngineError| e);
    assert!(matches!(local, Err(EngineError::ReadOnly(_))), "{local:?}");
}

#[test]
fn a_server_out_of_connections_says_so() {
    let Some(database) = database("store/postgresql/a_server_out_of_connections") else { return };
    let role = format!("{}_few", database.name());
    drop(database.create());
    database.run(&format!(
        "CREATE ROLE {role} LOGIN CONNECTION LIMIT 1; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    let address = Address::parse(&database.string(&format!("user={role}"))).unwrap();
    let store = Store::open(address, schema()).unwrap();
    let error = failure(&writer(&store, None), one(1));
    assert!(matches!(*error, EngineError::NoConnections(_)), "{error:?}");
    assert_eq!(held(&store), 0, "the one that there is goes on reading");
    drop(store);
    database.end_sessions();
    database.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn whoever_is_not_let_in_is_told_so_without_the_string() {
    let Some(database) = database("store/postgresql/whoever_is_not_let_in") else { return };
    let failure = |string: String| {
        let address = Address::parse(&format!("{string} password=horse")).unwrap();
        match Store::open(address, schema()).err().unwrap() {
            OpenError::Engine(error) => error,
            other => panic!("{other:?}"),
        }
    };
    let nobody = failure(database.string("user=nobody_that_is_there"));
    assert!(matches!(nobody, EngineError::Denied(_)), "{nobody:?}");
    let nothing = failure(database.string("dbname=nothing_that_is_there"));
    assert!(matches!(nothing, EngineError::Denied(_)), "{nothing:?}");
    let nowhere = failure(database.string_at("/nowhere", ""));
    assert!(matches!(nowhere, EngineError::Unreachable(_)), "{nowhere:?}");
    for error in [nobody, nothing, nowhere] {
        assert!(error.to_string().contains("PostgreSQL database"), "{error}");
        assert!(!format!("{error} {error:?}").contains("horse"));
    }
}

#[test]
fn another_encoding_is_refused_and_another_locale_is_not() {
    const TEST: &str = "store/postgresql/another_encoding_is_refused";
    let Some(server) = server(TEST) else { return };
    let latin = server.database("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    let refused = Store::create(latin.address(), schema()).err().unwrap();
    assert!(matches!(refused, OpenError::Engine(EngineError::Unfit(_))), "{refused:?}");
    assert!(refused.to_string().contains("LATIN1") && refused.to_string().contains("UTF8"), "{refused}");
    let german = server
        .database("ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LOCALE 'C' TEMPLATE template0");
    let store = german.create();
    crate::contract::text_is_ordered_by_its_bytes(&store);
    submit(&writer(&store, None), one(1));
    assert_eq!(held(&store), 1);
}

/// What the server or the database says of commits is not taken for granted.
#[test]
fn a_commit_waits_for_the_disk_whatever_the_database_says() {
    let Some(database) = database("store/postgresql/a_commit_waits_for_the_disk") else { return };
    database.run(&format!("ALTER DATABASE {} SET synchronous_commit = off", database.name()));
    let store = database.create();
    let mut setting = String::new();
    store
        .read(|read| {
            read.query("SELECT current_setting('synchronous_commit')", &[], &mut |row| {
                row.text(0)?.clone_into(&mut setting);
                Ok(Flow::Stop)
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    assert_eq!(setting, "on");
}

#[test]
fn the_server_tells_what_is_wrong_with_it() {
    let Some(given) = server("store/postgresql/the_server_tells_what_is_wrong") else { return };
    let own = OwnServer::start(&given, &["fsync=off", "full_page_writes=off"]);
    let database = own.server().database("TEMPLATE template0");
    let store = database.create();
    database.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'scratch_pkey'::regclass");
    let faults = store.integrity(false).unwrap();
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults[0].starts_with("fsync is off") && faults[2].contains("scratch_pkey"), "{faults:?}");
    assert!(own.path().exists());
}

/// More at once than there are connections: they wait for each other.
#[test]
fn readers_beyond_the_pool_wait_their_turn() {
    let Some(database) = database("store/postgresql/readers_beyond_the_pool") else { return };
    let store = database.create();
    submit(&writer(&store, None), one(1));
    let counts: Vec<usize> = thread::scope(|scope| {
        let all: Vec<_> = (0..40).map(|_| scope.spawn(|| held(&store))).collect();
        all.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    assert!(counts.iter().all(|count| *count == 1));
    let panicked = thread::scope(|scope| {
        scope.spawn(|| store.read(|_| -> Result<(), EngineError> { panic!("a reader's own fault") })).join()
    });
    assert!(panicked.is_err());
    assert_eq!(held(&store), 1, "what it held is free again");
}
