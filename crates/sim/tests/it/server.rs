// SPDX-License-Identifier: Apache-2.0
//! Databases of the server that `POLDER_TEST_POSTGRES` names (CONTRIBUTING, "Skipping").

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread::{self, ThreadId};

/// The server's connection string, or a note that the test is skipped.
pub fn server(test: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "which server the tests use is said from outside")]
    let named = std::env::var("POLDER_TEST_POSTGRES").unwrap_or_default();
    if named.is_empty() {
        skipped(&format!("sim/{test}"), "POLDER_TEST_POSTGRES names no server");
        return None;
    }
    Some(named)
}

fn skipped(name: &str, reason: &str) {
    let line = format!("SKIPPED: {name}: {reason}\n");
    print!("{line}");
    if let Some(path) = std::env::var_os("POLDER_SKIPS") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes())).unwrap();
    }
}

/// One database for each thread; its next takes the place of the one before it.
#[derive(Default)]
pub struct Databases {
    made: Mutex<Vec<(ThreadId, String, String)>>,
}

impl Databases {
    /// Connection string of an empty database.
    pub fn fresh(&self, server: &str) -> String {
        let own = thread::current().id();
        let mut made = self.made.lock().unwrap();
        let before = made.iter().position(|(of, ..)| *of == own).map(|at| made.swap_remove(at));
        let name = match before {
            Some((_, _, name)) => {
                psql(server, &format!("DROP DATABASE {name} WITH (FORCE)"));
                name
            }
            None => format!("polder_sim_{}_{}", std::process::id(), made.len()),
        };
        psql(server, &format!("CREATE DATABASE {name} TEMPLATE template0"));
        let string = format!("{server} dbname={name}");
        made.push((own, server.to_owned(), name));
        string
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        for (_, server, name) in self.made.lock().unwrap().drain(..) {
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            let _ = Command::new("psql").args(["-X", "-q"]).arg(server).args(["-c", &sql]).output();
        }
    }
}

fn psql(server: &str, sql: &str) {
    let mut ran = Command::new("psql");
    ran.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]).arg(server);
    let output = ran.args(["-c", sql]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
