// SPDX-License-Identifier: Apache-2.0
//! TLS to the server. The certificates of `tests/tls` are for `localhost` and for these tests alone.
#![cfg(feature = "tls")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use ledger::sql::{EngineError, Flow};
use store::postgresql::Address;
use store::{OpenError, Store};

use crate::sample::schema;
use crate::server::{OwnServer, binaries, server};

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");

fn open(string: &str) -> Result<Store, OpenError> {
    Store::open(Address::parse(string).unwrap(), schema())
}

fn is_encrypted(store: &Store) -> bool {
    let mut encrypted = 0;
    store
        .read(|read| {
            let sql = "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()";
            read.query(sql, &[], &mut |row| {
                encrypted = row.int(0)?;
                Ok(Flow::Stop)
            })
        })
        .map_err(|e: EngineError| e)
        .unwrap();
    encrypted == 1
}

#[test]
fn sslmode_means_what_libpq_says() {
    let Some(given) = server("store/tls/sslmode_means_what_libpq_says") else { return };
    let binaries = binaries(&given);
    let mut own = OwnServer::start(&given, &["fsync=off"]);
    own.kill();
    let data = own.path().join("data");
    let owner = fs::metadata(&data).unwrap();
    for name in ["server.pem", "server.key"] {
        let copy = data.join(name);
        fs::copy(Path::new(FILES).join(name), &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&copy, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    // The port is free a moment later still, or the server says so.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = "ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n";
    fs::write(data.join("postgresql.auto.conf"), settings).unwrap();
    own.listen(port);
    own.run(&binaries);
    let database = own.server().database("TEMPLATE template0");
    drop(database.create());

    let at = |host: &str, more: &str| {
        format!("host={host} port={port} user=polder dbname={} {more}", database.name())
    };
    let ca = format!("sslrootcert={FILES}/ca.pem");
    assert!(!is_encrypted(&open(&at("localhost", "")).unwrap()), "this machine needs no TLS");
    assert!(is_encrypted(&open(&at("localhost", "sslmode=require")).unwrap()));
    assert!(is_encrypted(&open(&at("127.0.0.1", "sslmode=require")).unwrap()), "no name is looked at");
    let full = open(&at("localhost", &format!("sslmode=verify-full {ca}"))).unwrap();
    assert!(is_encrypted(&full));
    for (host, roots) in
        [("127.0.0.1", ca.clone()), ("localhost", format!("sslrootcert={FILES}/other-ca.pem"))]
    {
        let refused = open(&at(host, &format!("sslmode=verify-full {roots}"))).err();
        assert!(
            matches!(refused, Some(OpenError::Engine(EngineError::Unreachable(_)))),
            "{host}: {refused:?}"
        );
    }
    let none =
        Address::parse(&at("localhost", &format!("sslmode=verify-full sslrootcert={FILES}/server.key")));
    assert!(none.is_err(), "a key is no certificate");
}

#[test]
fn a_server_without_tls_is_not_spoken_to_in_the_clear() {
    let Some(given) = server("store/tls/a_server_without_tls") else { return };
    let binaries = binaries(&given);
    let mut own = OwnServer::start(&given, &["fsync=off"]);
    own.kill();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    own.listen(port);
    own.run(&binaries);
    let refused =
        open(&format!("host=localhost port={port} user=polder dbname=postgres sslmode=require")).err();
    assert!(matches!(refused, Some(OpenError::Engine(EngineError::Unreachable(_)))), "{refused:?}");
}
