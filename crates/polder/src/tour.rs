// SPDX-License-Identifier: Apache-2.0
//! `polder tour`: everything once, on samples that are part of the program.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::cli::Tour;
use crate::failure::{Exit, Failure};
use crate::out::say;

const INDICATORS: &str = include_str!("../../../examples/indicators.txt");
const BUNDLE: &str = include_str!("../../../examples/bundle.json");
const LOGS: [(&str, &[u8]); 4] = [
    ("dns.jsonl.gz", include_bytes!("../../../examples/logs/dns.jsonl.gz")),
    ("files.jsonl.zst", include_bytes!("../../../examples/logs/files.jsonl.zst")),
    ("proxy.jsonl", include_bytes!("../../../examples/logs/proxy.jsonl")),
    ("vpn.log", include_bytes!("../../../examples/logs/vpn.log")),
];
/// How long the tour waits for an answer of its own server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Runs the command.
pub fn run(args: &Tour) -> Result<Exit, Failure> {
    let room = tempfile::Builder::new().prefix("polder-tour-").tempdir();
    let room = room.map_err(|e| Failure::machine(format!("cannot make a directory for the tour: {e}")))?;
    let guide = Guide::new(room.path())?;
    let walked = walk(&guide);
    if args.keep {
        eprintln!("kept: {}", room.keep().display());
    }
    walked?;
    say!(
        "\nThat was the whole way: a file, the ledger, the gate, a client, a finding, a proof. README.md goes on."
    );
    Ok(Exit::Done)
}

fn walk(guide: &Guide) -> Result<(), Failure> {
    guide.say(
        "A node is a directory: two keys, one database, a root statement signed with ML-DSA-65 and Ed25519.",
    );
    let made = guide.polder(
        &[
            "init",
            "--data",
            "d",
            "--name",
            "Zuiderlicht Semiconductor",
            "--country",
            "NL",
            "--sector",
            "semiconductors",
        ],
        0,
    )?;
    let member = made.split_whitespace().nth(1).unwrap_or_default().to_owned();

    guide.say("Seven STIX objects under five different markings become records. Nothing is lost: the numbers add up.");
    guide.polder(&["import", "--data", "d", "bundle.json"], 0)?;
    guide.say("A list of indicators, one a line, may go to anyone in the community: TLP:GREEN for what says nothing.");
    guide.polder(&["import", "--data", "d", "indicators.txt", "--format", "text", "--tlp", "green"], 0)?;

    guide.say("A firewall or SIEM reads with a token. This one is given AMBER at most.");
    let token = guide.polder(&["token", "new", "--data", "d", "--name", "siem", "--max-tlp", "amber"], 0)?;
    guide.say("It asks over TAXII 2.1. The gate leaves out what is RED, and what nobody marked: unmarked is never CLEAR.");
    guide.read(token.trim())?;

    guide.say(
        "The same indicators, looked for in logs of four kinds, packed or not. Logs never leave the node.",
    );
    guide.polder(&["hunt", "--data", "d", "logs"], 0)?;
    guide.say(
        "Every address that stood in those logs is remembered, whether or not anybody warned of it yet.",
    );
    guide.polder(&["seen", "--data", "d", "198.51.100.19"], 0)?;

    guide.say("Every entry, every hash and the signed checkpoint are verified.");
    guide.polder(&["ledger", "verify", "--data", "d"], 0)?;
    guide.say("A proof of one object goes to a stranger, who needs no node and knows only the member's id.");
    let indicator = "indicator--9f0e7a52-1c9d-4b67-9d0b-2b8f0f6f1a01";
    let proof = guide.polder_to_file(&["ledger", "prove", "--data", "d", indicator], "p")?;
    guide.polder(&["ledger", "check", "--member", &member, "p"], 0)?;
    guide.say("One changed byte in it, and it proves nothing any more.");
    let changed = proof.replacen("\"body\": \"e", "\"body\": \"f", 1);
    guide.write("p", changed.as_bytes())?;
    guide.polder(&["ledger", "check", "--member", &member, "p"], 1)?;
    Ok(())
}

/// Runs the program itself, as a person would, and shows it.
struct Guide {
    room: PathBuf,
    program: PathBuf,
}

impl Guide {
    fn new(room: &Path) -> Result<Guide, Failure> {
        let program = std::env::current_exe()
            .map_err(|e| Failure::machine(format!("cannot tell where the program itself is: {e}")))?;
        let guide = Guide { room: room.to_owned(), program };
        fs::create_dir(room.join("logs")).map_err(|e| Failure::io("make", &room.join("logs"), &e))?;
        guide.write("indicators.txt", INDICATORS.as_bytes())?;
        guide.write("bundle.json", BUNDLE.as_bytes())?;
        for (name, bytes) in LOGS {
            guide.write(&format!("logs/{name}"), bytes)?;
        }
        Ok(guide)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.room.join(name);
        fs::write(&path, bytes).map_err(|e| Failure::io("write", &path, &e))
    }

    fn say(&self, text: &str) {
        say!("\n# {text}");
    }

    fn command(&self, args: &[&str]) -> Command {
        let quoted: Vec<String> =
            args.iter().map(|a| if a.contains(' ') { format!("\"{a}\"") } else { (*a).to_owned() }).collect();
        say!("$ polder {}", quoted.join(" "));
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(&self.room).env_remove("POLDER_DATA").stdin(Stdio::null());
        command
    }

    fn polder(&self, args: &[&str], code: i32) -> Result<String, Failure> {
        let output = self.command(args).output().map_err(|e| Failure::io("run", &self.program, &e))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        print!("{text}");
        print!("{}", String::from_utf8_lossy(&output.stderr));
        if output.status.code() != Some(code) {
            return Err(Failure::internal(format!(
                "`polder {}` ended with {}, not {code}",
                args.join(" "),
                output.status
            )));
        }
        Ok(text)
    }

    fn polder_to_file(&self, args: &[&str], file: &str) -> Result<String, Failure> {
        let output = self.command(args).output().map_err(|e| Failure::io("run", &self.program, &e))?;
        print!("{}", String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            return Err(Failure::internal(format!(
                "`polder {}` ended with {}",
                args.join(" "),
                output.status
            )));
        }
        self.write(file, &output.stdout)?;
        say!("({} bytes, written to {file})", output.stdout.len());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Serves, reads every collection with the token, and stops serving.
    fn read(&self, token: &str) -> Result<(), Failure> {
        let (server, address) = self.serve()?;
        let collections = self.get(address, "/taxii2/root/collections/", token)?;
        for collection in collections["collections"].as_array().into_iter().flatten() {
            let id = collection["id"].as_str().unwrap_or_default();
            let path = format!("/taxii2/root/collections/{id}/objects/");
            say!(
                "$ curl -H \"Authorization: Bearer $TOKEN\" -H \"Accept: application/taxii+json;version=2.1\" http://{address}{path}"
            );
            let envelope = self.get(address, &path, token)?;
            let objects = envelope["objects"].as_array().map_or(&[][..], Vec::as_slice);
            say!("{} objects:", objects.len());
            for object in objects {
                let name =
                    object["name"].as_str().or(object["relationship_type"].as_str()).unwrap_or_default();
                say!("  {:<14} {name}", object["type"].as_str().unwrap_or_default());
            }
        }
        drop(server);
        Ok(())
    }

    fn serve(&self) -> Result<(Serving, SocketAddr), Failure> {
        let mut child = self
            .command(&["serve", "--data", "d", "--listen", "127.0.0.1:0", "--http"])
            .env("POLDER_LOG", "off")
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| Failure::io("run", &self.program, &e))?;
        let stderr = child.stderr.take();
        let serving = Serving(child);
        let mut line = String::new();
        let read = stderr.map(|stderr| BufReader::new(stderr).read_line(&mut line));
        let address =
            line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).and_then(|a| a.parse().ok());
        match (read, address) {
            (Some(Ok(_)), Some(address)) => Ok((serving, address)),
            _ => Err(Failure::internal(format!("`polder serve` did not say where it listens: {line}"))),
        }
    }

    fn get(&self, address: SocketAddr, path: &str, token: &str) -> Result<Value, Failure> {
        let failed = |e: std::io::Error| Failure::machine(format!("cannot read http://{address}{path}: {e}"));
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT).map_err(failed)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(failed)?;
        let request = format!(
            "GET {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Accept: application/taxii+json;version=2.1\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map_err(failed)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let ok = head.split_whitespace().nth(1) == Some("200");
        let parsed = serde_json::from_str(body).ok().filter(|_| ok);
        parsed.ok_or_else(|| {
            Failure::internal(format!("{path} answered: {}", head.lines().next().unwrap_or_default()))
        })
    }
}

/// A server that stops with the tour.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
