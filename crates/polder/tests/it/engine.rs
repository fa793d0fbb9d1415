// SPDX-License-Identifier: Apache-2.0
//! Where the nodes of the tests keep their records: on a file, or on the PostgreSQL server that
//! `POLDER_TEST_POSTGRES` names (CONTRIBUTING, "Skipping").

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use crate::support::skipped;

/// Each database has a locale that sorts otherwise than by bytes: no answer may depend on it.
const LOCALE: &str = "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C' TEMPLATE template0";
/// Nothing that is tested here is lost with the machine.
const SETTINGS: &[&str] = &["fsync=off", "listen_addresses="];

/// What a node keeps its records in.
#[derive(Clone, Debug)]
pub enum Engine {
    /// A file of its directory.
    File,
    /// A database of its own on the server with this connection string.
    Postgresql(String),
}

impl Engine {
    /// The server that the environment names, or a note that the test is skipped.
    pub fn postgresql(test: &str) -> Option<Engine> {
        #[expect(clippy::disallowed_methods, reason = "which server the tests use is said from outside")]
        let server = std::env::var("POLDER_TEST_POSTGRES").unwrap_or_default();
        if server.is_empty() {
            skipped(&format!("polder/{}", test.replace("::", "/")), "POLDER_TEST_POSTGRES names no server");
            return None;
        }
        Some(Engine::Postgresql(server))
    }

    pub fn is_server(&self) -> bool {
        matches!(self, Engine::Postgresql(_))
    }
}

/// Runs these tests, each a function of the engine, on a file and on PostgreSQL.
macro_rules! on_both_engines {
    ($($test:ident),+ $(,)?) => {
        mod file {
            $(#[test] fn $test() { super::$test(&crate::engine::Engine::File) })+
        }
        mod postgresql {
            $(#[test] fn $test() {
                let name = concat!(module_path!(), "::", stringify!($test));
                if let Some(engine) = crate::engine::Engine::postgresql(name.trim_start_matches("it::")) {
                    super::$test(&engine);
                }
            })+
        }
    };
}
pub(crate) use on_both_engines;

/// A database of its own, made and dropped with the server's own client.
#[derive(Debug)]
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    pub fn make(server: &str) -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let database = Database {
            server: server.to_owned(),
            name: format!("polder_it_{}_{number}", std::process::id()),
        };
        psql(server, &format!("CREATE DATABASE {} {LOCALE}", database.name));
        database
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connection string, with a password that the server does not ask for.
    pub fn string(&self) -> String {
        format!("{} dbname={} password='correct horse'", self.server, self.name)
    }

    /// Runs statements in it as the superuser.
    pub fn run(&self, sql: &str) -> String {
        psql(&self.string(), sql)
    }

    /// All that is in it, as text.
    pub fn dump(&self) -> String {
        let output = Command::new("pg_dump").args(["--inserts", "-d"]).arg(self.string()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Another database with what is in this one now.
    pub fn copied(&self) -> Database {
        let copy = Database { server: self.server.clone(), name: format!("{}_copy", self.name) };
        psql(&self.server, &format!("CREATE DATABASE {} TEMPLATE {}", copy.name, self.name));
        copy
    }

    /// Puts what the copy holds in the place of what is here.
    pub fn put_back(&self, copy: Database) {
        psql(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
        psql(&self.server, &format!("ALTER DATABASE {} RENAME TO {}", copy.name, self.name));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A test that failed tells more than a database that stays.
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let _ = Command::new("psql").args(["-X", "-q"]).arg(&self.server).args(["-c", &sql]).output();
    }
}

/// Runs statements; answers the rows, one a line.
pub fn psql(string: &str, sql: &str) -> String {
    let mut ran = Command::new("psql");
    ran.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]).arg(string);
    let output = ran.args(["-c", sql]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A server of the test's own, to be stopped, killed, harmed or followed by another.
pub struct OwnServer {
    dir: tempfile::TempDir,
    binaries: PathBuf,
    process: Option<Child>,
}

impl OwnServer {
    /// From the programs that the server of the environment runs from.
    pub fn start(given: &Engine) -> OwnServer {
        let mut own = OwnServer::prepare(given);
        let data = own.data();
        let mut command = own.command("initdb");
        command.args([
            "--locale=C",
            "--encoding=UTF8",
            "--auth=trust",
            "--username=polder",
            "--no-sync",
            "-D",
        ]);
        own.done(command.arg(data));
        own.run();
        own
    }

    /// A standby that follows another server, and can be read.
    pub fn follow(given: &Engine, primary: &OwnServer) -> OwnServer {
        let mut own = OwnServer::prepare(given);
        let data = own.data();
        let mut command = own.command("pg_basebackup");
        command.args(["-R", "--no-sync", "--checkpoint=fast", "-X", "stream", "-d"]).arg(primary.string());
        own.done(command.arg("-D").arg(data));
        own.run();
        own
    }

    fn prepare(given: &Engine) -> OwnServer {
        let Engine::Postgresql(server) = given else { panic!("a file has no server") };
        let binaries = psql(server, "SELECT setting FROM pg_config WHERE name = 'BINDIR'").into();
        let dir = tempfile::Builder::new().prefix("polder-pg-").tempdir_in("/tmp").unwrap();
        let own = OwnServer { dir, binaries, process: None };
        if let Some(uid) = uid() {
            chown(own.dir.path(), Some(uid), None).unwrap();
        }
        own
    }

    /// Its connection string.
    pub fn string(&self) -> String {
        format!("host={} user=polder dbname=postgres", self.dir.path().display())
    }

    /// The same as an engine.
    pub fn engine(&self) -> Engine {
        Engine::Postgresql(self.string())
    }

    /// Where its files lie.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Kills the server without a word, as the kernel does when memory runs out.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Stops the server: what it holds is in its files.
    pub fn stop(&mut self) {
        let data = self.data();
        let mut command = self.command("pg_ctl");
        self.done(command.args(["-m", "fast", "-w", "-s", "stop", "-D"]).arg(data));
        self.process.take().unwrap().wait().unwrap();
    }

    /// Runs it, and waits until it answers. What a killed one left may have to end first.
    pub fn run(&mut self) {
        let log = self.dir.path().join("log");
        for _ in 0..120 {
            if self.process.as_mut().is_none_or(|process| process.try_wait().unwrap().is_some()) {
                let out = fs::File::create(&log).unwrap();
                let mut command = self.command("postgres");
                command.arg("-D").arg(self.data()).arg("-k").arg(self.dir.path());
                for setting in SETTINGS {
                    command.args(["-c", setting]);
                }
                let (out, err) = (out.try_clone().unwrap(), out);
                self.process = Some(command.stdout(out).stderr(err).spawn().unwrap());
            }
            let mut asked = Command::new("psql");
            asked.args(["-X", "-q"]).arg(self.string()).args(["-c", "SELECT 1"]);
            if asked.output().unwrap().status.success() {
                return;
            }
            sleep(Duration::from_millis(250));
        }
        panic!("{}", fs::read_to_string(log).unwrap_or_default());
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        command.current_dir(self.dir.path()).stdin(Stdio::null()).env_clear();
        if let Some(uid) = uid() {
            command.uid(uid);
        }
        command
    }

    fn done(&self, command: &mut Command) {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
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

/// PostgreSQL refuses to run as root: someone who is not, where the tests are.
fn uid() -> Option<u32> {
    const NOBODY: u32 = 65_534;
    let owner = fs::metadata("/proc/self").unwrap().uid();
    (owner == 0).then_some(NOBODY)
}

/// Writes a file that its owner alone may read.
pub fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
