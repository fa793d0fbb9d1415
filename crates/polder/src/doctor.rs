// SPDX-License-Identifier: Apache-2.0
//! `polder doctor`: what is wrong with a node, and what to do.
//!
//! A node that is sick does not open: each check looks at its own part and goes as far as it can.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ledger::logs::own_logs;
use ledger::sql::{EngineError, Flow};
use model::time::Timestamp;
use rustix::process::{Resource, getrlimit};
use serde_json::json;
use store::{Location, OpenError, Store};

use crate::cli::Doctor;
use crate::datadir::DataDir;
use crate::failure::{Exit, Failure};
use crate::keys::{files as key_files, is_sealed, read as read_key};
use crate::log::verified;
use crate::node::{NODE_SECRET, RECOVERY_KEY, ROOT_KEY, identity_of, now, schema};
use crate::out::say;
use crate::rebuild::skipped;

/// Free room below which a node should not write.
const FREE_BYTES_MIN: u64 = 1024 * 1024 * 1024;
/// What is written to see whether the disk takes it.
const PROBE_BYTES: usize = 64 * 1024;
/// Clocks may differ by this much before it is told, in microseconds.
const CLOCK_SKEW_MAX_US: i64 = 5 * 60 * 1_000_000;
/// Faults of the file that are told one by one.
const FAULTS_TOLD: usize = 3;
/// Rights of others on a file or a directory.
const OTHERS: u32 = 0o077;

/// What is wrong, and what to do.
struct Fault {
    what: String,
    fix: String,
}

struct Check {
    /// Stable: scripts ask for it.
    name: &'static str,
    place: String,
    /// What was seen of it.
    told: String,
    /// What is no fault yet, and what to do.
    warning: Option<String>,
    fault: Option<Fault>,
}

type Seen = Result<String, Fault>;

/// Runs the command.
pub fn run(args: &Doctor) -> Result<Exit, Failure> {
    let dir = DataDir::new(&args.data.dir);
    let location = dir.location()?;
    let on_server = matches!(location, Location::Postgresql(_));
    let database = location.to_string();
    let database = Path::new(&database);
    let mut checks = vec![
        check("directory", dir.root(), directory(&dir)),
        check("keys", &dir.key_path(""), keys(&dir)),
        recovery(&dir),
        check("disk", dir.root(), disk(&dir)),
    ];
    let mut exit = Exit::NotFound;
    match Store::open_as_found(location, schema()) {
        Ok(store) => {
            checks.extend([
                check("database", database, pages(&store, args.quick, on_server)),
                check("log", database, log(&store, &dir)),
                check("side-file", &dir.root().join("published"), side_file(&store, &dir)),
                check("views", database, views(&store)),
                check("builds", database, builds(&store)),
                check("clock", database, clock(&store)),
            ]);
        }
        Err(error) => {
            let fix = advice(&error).to_owned();
            let failure = Failure::from(error);
            exit = failure.exit;
            checks.push(check("database", database, Err(Fault { what: failure.message, fix })));
        }
    }
    checks.iter().for_each(|check| tell(check, args.json));
    let well = checks.iter().all(|check| check.fault.is_none());
    Ok(if well { Exit::Done } else { exit })
}

fn check(name: &'static str, place: &Path, seen: Seen) -> Check {
    let (told, fault) = match seen {
        Ok(told) => (told, None),
        Err(fault) => (String::new(), Some(fault)),
    };
    Check { name, place: place.display().to_string(), told, warning: None, fault }
}

fn tell(check: &Check, as_json: bool) {
    let Check { name, place, told, warning, fault } = check;
    if as_json {
        let (what, fix) = fault.as_ref().map(|fault| (&fault.what, &fault.fix)).unzip();
        say!(
            "{}",
            json!({
                "check": name, "ok": fault.is_none(), "place": place, "told": told, "warning": warning,
                "fault": what, "fix": fix,
            })
        );
        return;
    }
    match fault {
        None => match warning {
            None => say!("ok     {name:<9} {told}"),
            Some(warning) => say!("warn   {name:<9} {place}: {warning}"),
        },
        Some(Fault { what, fix }) => {
            say!("FAULT  {name:<9} {place}: {what}");
            say!("       {:<9} {fix}", "");
        }
    }
}

/// A check that could not be carried out is a fault too.
fn cannot_look<E: Into<Failure>>(error: E) -> Fault {
    let fix = "mend that, or restore the newest backup, then run `polder doctor` again".to_owned();
    Fault { what: error.into().message, fix }
}

fn advice(error: &OpenError) -> &'static str {
    match error {
        OpenError::Engine(EngineError::Corrupt(_)) => {
            "restore the newest backup, and keep this file to look into"
        }
        OpenError::Engine(
            EngineError::Denied(_)
            | EngineError::NoConnections(_)
            | EngineError::Unfit(_)
            | EngineError::Unreachable(_),
        ) => "look at the server and at the connection string in `postgres` of the data directory",
        OpenError::Engine(_) => "look whether the disk is full or read-only, then run `polder doctor` again",
        OpenError::Missing(_) => "name the right directory, or restore the newest backup",
        OpenError::Empty(_) | OpenError::Exists(_) | OpenError::NotOurs(_) => {
            "name the directory that `polder init` made"
        }
        OpenError::Newer { .. } => "update polder",
        OpenError::Older { .. } => "run any other polder command: it brings the database forward",
    }
}

fn directory(dir: &DataDir) -> Seen {
    let path = dir.root();
    let facts = fs::metadata(path).map_err(|e| cannot_look(Failure::io("look at", path, &e)))?;
    if !facts.is_dir() {
        let what = "it is not a directory".to_owned();
        return Err(Fault { what, fix: "name the directory that `polder init` made".to_owned() });
    }
    closed(path, facts.permissions().mode(), 700)?;
    Ok(path.display().to_string())
}

/// Refuses what others may enter or read.
fn closed(path: &Path, mode: u32, wanted: u32) -> Result<(), Fault> {
    if mode & OTHERS == 0 {
        return Ok(());
    }
    Err(Fault {
        what: format!("{} is open to others (mode {:o})", path.display(), mode & 0o777),
        fix: format!("run `chmod {wanted} {}`", path.display()),
    })
}

fn keys(dir: &DataDir) -> Seen {
    let folder = dir.key_path("");
    let facts = fs::metadata(&folder).map_err(|e| cannot_look(Failure::io("look at", &folder, &e)))?;
    closed(&folder, facts.permissions().mode(), 700)?;
    let root = dir.key_path(ROOT_KEY);
    if !dir.key_path(NODE_SECRET).exists() {
        return Err(Fault {
            what: format!("{} is not there", dir.key_path(NODE_SECRET).display()),
            fix: "restore it from the newest backup; tokens and cursors are nothing without it".to_owned(),
        });
    }
    let (mut plain, mut sealed) = (0, 0);
    for path in key_files(&folder).map_err(cannot_look)? {
        let facts = fs::metadata(&path).map_err(|e| cannot_look(Failure::io("look at", &path, &e)))?;
        closed(&path, facts.permissions().mode(), 600)?;
        // What is under a passphrase is not opened here: doctor asks for no secret.
        let read = match is_sealed(&path) {
            Ok(true) => {
                sealed += 1;
                Ok(())
            }
            Ok(false) => {
                plain += 1;
                read_key(&path).map(|_| ())
            }
            Err(failure) => Err(failure),
        };
        read.map_err(|failure| Fault {
            what: failure.message,
            fix: "restore it from the newest backup".to_owned(),
        })?;
    }
    let root = if root.exists() { "in the data directory; keep it offline" } else { "kept elsewhere" };
    Ok(format!("{sealed} under a passphrase, {plain} readable by their owner; the root key is {root}"))
}

/// Whoever has the recovery key takes the place of the root key: beside it, it is lost and stolen with it.
fn recovery(dir: &DataDir) -> Check {
    let path = dir.key_path(RECOVERY_KEY);
    let mut check = check("recovery", &path, Ok("the recovery key is kept elsewhere".to_owned()));
    if path.exists() {
        check.told = "the recovery key is in the data directory".to_owned();
        check.warning = Some(
            "the recovery key is where the keys are that it is to replace; move it to another place, and backups \
             that hold it too"
                .to_owned(),
        );
    }
    check
}

fn disk(dir: &DataDir) -> Seen {
    let room = "free some space before the next import; what was acknowledged is safe";
    let facts = rustix::fs::statvfs(dir.root()).map_err(|e| Fault {
        what: format!("cannot tell the free space: {e}"),
        fix: "look whether the disk is mounted".to_owned(),
    })?;
    let free = facts.f_bavail.saturating_mul(facts.f_frsize);
    if free < FREE_BYTES_MIN {
        let what = format!("{} MiB free", free / (1024 * 1024));
        return Err(Fault { what, fix: room.to_owned() });
    }
    let size = fs::metadata(dir.database()).map_or(0, |facts| facts.len());
    if let Some(limit) = getrlimit(Resource::Fsize).current
        && limit < size.saturating_add(FREE_BYTES_MIN)
    {
        return Err(Fault {
            what: format!("files may not grow beyond {limit} bytes (ulimit -f), and the database has {size}"),
            fix: "lift the limit for the account that polder runs under".to_owned(),
        });
    }
    probe(dir.root()).map_err(|e| Fault {
        what: format!("it cannot be written: {e}"),
        fix: "look at quota and permissions, and whether the disk is read-only".to_owned(),
    })?;
    Ok(format!("{} MiB free", free / (1024 * 1024)))
}

/// Quotas and read-only disks show only when something is written.
fn probe(folder: &Path) -> std::io::Result<()> {
    let mut file: File = tempfile::tempfile_in(folder)?;
    file.write_all(&[0; PROBE_BYTES])?;
    file.sync_all()
}

fn pages(store: &Store, quick: bool, on_server: bool) -> Seen {
    let faults = store.integrity(quick).map_err(cannot_look)?;
    if on_server {
        return match faults.is_empty() {
            true => Ok("the server keeps its word; its files are for its administrator to check".to_owned()),
            false => Err(Fault { what: faults.join("; "), fix: "tell who runs the server".to_owned() }),
        };
    }
    if faults.is_empty() {
        let told =
            if quick { "pages are sound; indexes were not compared" } else { "pages and indexes are sound" };
        return Ok(told.to_owned());
    }
    let first: Vec<&str> = faults.iter().take(FAULTS_TOLD).map(String::as_str).collect();
    let of_views = |fault: &String| {
        let mut tables = store.views().iter().flat_map(|view| view.tables());
        fault.contains(" index ") && tables.any(|table| fault.contains(table.name))
    };
    let fix = if faults.iter().all(of_views) {
        "run `polder rebuild`: only what is derived from the records is broken"
    } else {
        "restore the newest backup, or export what can be read"
    };
    Err(Fault { what: format!("{} faults: {}", faults.len(), first.join("; ")), fix: fix.to_owned() })
}

fn log(store: &Store, dir: &DataDir) -> Seen {
    let identity = identity_of(store, dir).map_err(cannot_look)?;
    let report = verified(store, &identity).map_err(cannot_look)?;
    match report.faults.first() {
        None => Ok(format!("{} records, size {}, signed", report.records, report.size)),
        Some(first) => Err(Fault {
            what: format!("the log does not verify: {first}"),
            fix: "restore the newest backup that does, keep this copy as evidence".to_owned(),
        }),
    }
}

/// The side file keeps a database that was rolled back from signing a fork.
fn side_file(store: &Store, dir: &DataDir) -> Seen {
    let file = dir.side_file();
    file.check(store).map_err(|error| Fault {
        what: Failure::from(error).message,
        fix: "do not write before this is mended: a log that forks cannot be mended".to_owned(),
    })?;
    let logs = store.read(own_logs).map_err(cannot_look)?;
    let held = logs.last().map_or(0, |log| log.size);
    match file.newest().map_err(cannot_look)? {
        Some(published) if published.size < held => Err(Fault {
            what: format!(
                "it knows the log up to size {}, the database holds {held}: it is older, and guards less",
                published.size
            ),
            fix: "if nobody writes right now and this database is the newest, run `polder ledger publish`"
                .to_owned(),
        }),
        Some(published) => Ok(format!("published up to size {}", published.size)),
        None => Ok("nothing was published yet".to_owned()),
    }
}

fn views(store: &Store) -> Seen {
    let (mut faults, mut stale, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for report in store.view_reports().map_err(cannot_look)? {
        let name = report.name;
        if !report.missing.is_empty() {
            faults.push(format!("{name} lacks {}", report.missing.join(", ")));
        } else if let Some(found) = report.found.filter(|found| *found != report.version) {
            faults.push(format!("{name} is of version {found}, this program has {}", report.version));
        } else if report.found.is_none() {
            faults.push(format!("{name} was found unusable or was never made"));
        } else if report.behind > 0 {
            faults.push(format!("{name} lacks the newest {} records", report.behind));
        } else {
            told.push(format!("{name} ({})", skipped(&report)));
            continue;
        }
        stale.push(name);
    }
    if faults.is_empty() {
        return Ok(told.join(", "));
    }
    let fix = format!("run `polder rebuild {}`; it makes them anew from the records", stale.join(" "));
    Err(Fault { what: faults.join("; "), fix })
}

fn builds(store: &Store) -> Seen {
    let left_over = store.left_over_tables().map_err(cannot_look)?;
    if left_over.is_empty() {
        return Ok("no view is half built".to_owned());
    }
    let reports = store.view_reports().map_err(cannot_look)?;
    let half: Vec<String> = reports
        .iter()
        .filter_map(|report| report.build)
        .map(|build| format!("{} is half built, {} %", build.view, build.percent()))
        .collect();
    let what = if half.is_empty() { "tables are left over".to_owned() } else { half.join("; ") };
    Err(Fault {
        what: format!("{what} ({})", left_over.join(", ")),
        fix: "if no polder is rebuilding right now, run `polder rebuild`; it finishes and cleans up"
            .to_owned(),
    })
}

/// Times of arrival only grow: with a clock that is behind the newest record they run on by microseconds.
fn clock(store: &Store) -> Seen {
    let mut newest = None;
    store
        .read(|read| {
            read.query("SELECT time FROM records ORDER BY seq DESC LIMIT 1", &[], &mut |row| {
                newest = Some(Timestamp::from_micros(row.int(0)?));
                Ok(Flow::Stop)
            })
        })
        .map_err(|e: EngineError| cannot_look(e))?;
    let now = now();
    match newest.filter(|newest| newest.micros() > now.micros() + CLOCK_SKEW_MAX_US) {
        None => Ok(now.to_string()),
        Some(newest) => Err(Fault {
            what: format!("the newest record is of {newest}, the clock says {now}"),
            fix: "the clock went back, or was far ahead when that record came: set it right; records keep their \
                  order, and new ones are dated behind the newest until the clock has caught up"
                .to_owned(),
        }),
    }
}
