// SPDX-License-Identifier: Apache-2.0
//! Databases of a PostgreSQL server for the tests.
//!
//! `POLDER_TEST_POSTGRES` holds the connection string (`key=value …`) of a superuser of a server on a Unix
//! socket; each test makes a database of its own. Without it these tests are skipped.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{fs, thread};

use postgres::config::Host;
use postgres::{Client, NoTls};
use store::Store;
use store::postgresql::Address;

use crate::sample::schema;

/// A server that is running.
#[derive(Clone)]
pub struct Server {
    string: String,
}

/// A database of its own, dropped with this.
pub struct Database {
    server: Server,
    name: String,
}

/// The server that the environment names, or a note that the test is skipped.
pub fn server(test: &str) -> Option<Server> {
    #[expect(clippy::disallowed_methods, reason = "which server the tests use is said from outside")]
    let named = std::env::var("POLDER_TEST_POSTGRES");
    match named {
        Ok(string) if !string.is_empty() => Some(Server { string }),
        _ => {
            skipped(test, "POLDER_TEST_POSTGRES names no server");
            None
        }
    }
}

/// A database on it.
pub fn database(test: &str) -> Option<Database> {
    server(test).map(|server| server.database("TEMPLATE template0"))
}

/// CONTRIBUTING, "Skipping".
fn skipped(name: &str, reason: &str) {
    let line = format!("SKIPPED: {name}: {reason}\n");
    print!("{line}");
    if let Some(path) = std::env::var_os("POLDER_SKIPS") {
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes())).unwrap();
    }
}

impl Server {
    /// A new database, made with these options.
    pub fn database(&self, options: &str) -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("polder_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.run(&format!("CREATE DATABASE {name} {options}"));
        Database { server: self.clone(), name }
    }

    /// Runs statements as the superuser.
    pub fn run(&self, sql: &str) {
        Client::connect(&self.string, NoTls).unwrap().batch_execute(sql).unwrap();
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        let config: postgres::Config = self.string.parse().unwrap();
        let [Host::Unix(folder), ..] = config.get_hosts() else { panic!("the server has no Unix socket") };
        folder.join(format!(".s.PGSQL.{}", config.get_ports().first().copied().unwrap_or(5432)))
    }
}

impl Database {
    /// Connection string with more settings, the last of which count.
    pub fn string(&self, more: &str) -> String {
        format!("{} dbname={} {more}", self.server.string, self.name)
    }

    /// Connection string to another host, which stands before the server.
    pub fn string_at(&self, host: &str, more: &str) -> String {
        let is_place = |setting: &&str| setting.starts_with("host=") || setting.starts_with("port=");
        let rest: Vec<_> = self.server.string.split_whitespace().filter(|s| !is_place(s)).collect();
        format!("host={host} {} dbname={} {more}", rest.join(" "), self.name)
    }

    pub fn address(&self) -> Address {
        Address::parse(&self.string("")).unwrap()
    }

    pub fn create(&self) -> Store {
        Store::create(self.address(), schema()).unwrap()
    }

    pub fn open(&self) -> Store {
        Store::open(self.address(), schema()).unwrap()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Runs statements in it as the superuser.
    pub fn run(&self, sql: &str) {
        Client::connect(&self.string(""), NoTls).unwrap().batch_execute(sql).unwrap();
    }

    /// Ends every other session in it, as an administrator may.
    pub fn end_sessions(&self) {
        self.run(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A test that failed tells more than a database that stays.
        if let Ok(mut client) = Client::connect(&self.server.string, NoTls) {
            let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        }
    }
}

/// A server of the test's own, to be killed.
pub struct OwnServer {
    dir: tempfile::TempDir,
    settings: &'static [&'static str],
    /// On the loopback address, besides the socket.
    port: Option<u16>,
    process: Option<Child>,
}

impl OwnServer {
    /// Made from the binaries that the server of the environment runs from.
    pub fn start(given: &Server, settings: &'static [&'static str]) -> OwnServer {
        let dir = tempfile::Builder::new().prefix("polder-pg-").tempdir_in("/tmp").unwrap();
        let mut own = OwnServer { dir, settings, port: None, process: None };
        // PostgreSQL refuses to run as root.
        if let Some(uid) = own.uid() {
            chown(own.dir.path(), Some(uid), None).unwrap();
        }
        let binaries = binaries(given);
        let made = own
            .command(&binaries.join("initdb"))
            .args(["--locale=C", "--encoding=UTF8", "--auth=trust", "--username=polder", "--no-sync", "-D"])
            .arg(own.dir.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        own.run(&binaries);
        own
    }

    pub fn server(&self) -> Server {
        let port = self.port.unwrap_or(5432);
        Server {
            string: format!("host={} port={port} user=polder dbname=postgres", self.dir.path().display()),
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// From the next run on it listens on the loopback address too.
    #[cfg(feature = "tls")]
    pub fn listen(&mut self, port: u16) {
        self.port = Some(port);
    }

    /// Kills the server without a word, as a crash of the machine's memory would.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Runs it, and waits until it answers. What a killed one left may have to end first.
    pub fn run(&mut self, binaries: &Path) {
        for _ in 0..60 {
            if self.process.as_mut().is_none_or(|process| process.try_wait().unwrap().is_some()) {
                let log = fs::File::create(self.dir.path().join("log")).unwrap();
                let mut command = self.command(&binaries.join("postgres"));
                command.arg("-D").arg(self.dir.path().join("data")).arg("-k").arg(self.dir.path());
                match self.port {
                    Some(port) => command.args(["-h", "127.0.0.1", "-p", &port.to_string()]),
                    None => command.args(["-c", "listen_addresses="]),
                };
                for setting in self.settings {
                    command.args(["-c", setting]);
                }
                let (out, err) = (log.try_clone().unwrap(), log);
                self.process = Some(command.stdout(out).stderr(err).spawn().unwrap());
            }
            if Client::connect(&self.server().string, NoTls).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(250));
        }
        panic!("{}", fs::read_to_string(self.dir.path().join("log")).unwrap_or_default());
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir.path()).stdin(Stdio::null()).env_clear();
        if let Some(uid) = self.uid() {
            command.uid(uid);
        }
        command
    }

    /// Someone who is not root, where the tests are.
    fn uid(&self) -> Option<u32> {
        const NOBODY: u32 = 65_534;
        use std::os::unix::fs::MetadataExt as _;
        let owner = fs::metadata("/proc/self").unwrap().uid();
        (owner == 0).then_some(NOBODY)
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Where the server's programs lie.
pub fn binaries(server: &Server) -> PathBuf {
    let mut client = Client::connect(&server.string, NoTls).unwrap();
    let sql = "SELECT setting FROM pg_config WHERE name = 'BINDIR'";
    PathBuf::from(client.query_one(sql, &[]).unwrap().get::<_, String>(0))
}
