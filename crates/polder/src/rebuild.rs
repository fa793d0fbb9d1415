// SPDX-License-Identifier: Apache-2.0
//! `polder rebuild`, and views that are made whole before or while others ask them.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use ledger::sql::Flow;
use serde_json::json;
use store::{Migrating, Progress, Rebuilt, Store, ViewReport};

use crate::cli::Rebuild;
use crate::failure::{Exit, Failure};
use crate::node::Node;
use crate::out::say;

/// Progress is told each time so many percent are done.
const TOLD_EACH_PERCENT: u8 = 10;
/// How long `serve` waits before it looks at its views again, or tries again what failed.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Runs the command.
pub fn run(args: &Rebuild) -> Result<Exit, Failure> {
    let node = Node::open_stale(&args.data)?;
    let known: Vec<&str> = node.store.views().iter().map(|view| view.name()).collect();
    if let Some(unknown) = args.views.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Failure::usage(format!(
            "there is no view `{unknown}`; the views are {}",
            known.join(", ")
        )));
    }
    let wanted = known.iter().filter(|name| args.views.is_empty() || args.views.iter().any(|v| v == *name));
    let mut steps = Steps::default();
    for name in wanted {
        node.store.rebuild(name, &mut |progress| {
            steps.tell(progress);
            Flow::Continue
        })?;
        let report = node.store.view_reports()?.into_iter().find(|report| report.name == *name);
        if let Some(report) = report {
            tell(&node.store, &report, args.json)?;
        }
    }
    Ok(Exit::Done)
}

fn tell(store: &Store, report: &ViewReport, as_json: bool) -> Result<(), Failure> {
    let records = store.read(ledger::tree::size)?;
    if as_json {
        let skipped: Vec<_> = report
            .skipped
            .iter()
            .map(|(code, records)| json!({ "code": code, "records": records }))
            .collect();
        say!(
            "{}",
            json!({ "view": report.name, "version": report.version, "records": records, "skipped": skipped })
        );
    } else {
        say!("{}: {records} records, {}", report.name, skipped(report));
    }
    Ok(())
}

/// How many records a view could not use, in words.
pub fn skipped(report: &ViewReport) -> String {
    if report.skipped.is_empty() {
        return "none skipped".to_owned();
    }
    let codes: Vec<String> = report.skipped.iter().map(|(code, count)| format!("{code}: {count}")).collect();
    format!("skipped {}", codes.join(", "))
}

/// Makes all views whole before a command asks them, and tells it on stderr.
pub fn bring_up(store: &Store) -> Result<(), Failure> {
    let mut steps = Steps::default();
    store.bring_up(&mut |progress| {
        steps.tell(progress);
        Flow::Continue
    })?;
    Ok(())
}

/// Tells of a migration.
pub fn tell_migrating(at: Migrating) {
    let (done, of) = at.done;
    let percent = done.saturating_mul(100).checked_div(of).unwrap_or(0);
    eprintln!("bringing the database forward to format {}: {}, {percent} %", at.format, at.what);
}

/// What was told last.
#[derive(Default)]
struct Steps {
    last: Option<(&'static str, u8)>,
}

impl Steps {
    /// Whether this is worth telling.
    fn is_new(&mut self, progress: Progress) -> bool {
        let step = (progress.view, progress.percent() / TOLD_EACH_PERCENT);
        let new = self.last != Some(step);
        self.last = Some(step);
        new
    }

    fn tell(&mut self, progress: Progress) {
        if self.is_new(progress) {
            eprintln!("rebuilding {}, {} %", progress.view, progress.percent());
        }
    }
}

/// A thread that makes views whole while the server answers; it ends with this.
pub struct Background {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts it.
    pub fn start(store: Store) -> Result<Background, Failure> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("rebuild".to_owned())
            .spawn(move || keep_whole(&store, &stopped))
            .map_err(|e| Failure::machine(format!("cannot start the thread that rebuilds views: {e}")))?;
        Ok(Background { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been told already.
            let _ = thread.join();
        }
    }
}

fn keep_whole(store: &Store, stopped: &Receiver<()>) {
    let mut steps = Steps::default();
    loop {
        let whole = store.bring_up(&mut |progress| {
            if steps.is_new(progress) {
                tracing::info!(view = progress.view, percent = progress.percent(), "rebuilding");
            }
            let goes_on = stopped.recv_timeout(Duration::ZERO) == Err(RecvTimeoutError::Timeout);
            if goes_on { Flow::Continue } else { Flow::Stop }
        });
        match whole {
            Ok(Rebuilt::Stopped) => return,
            Ok(Rebuilt::Done) => {
                if let Some((view, _)) = steps.last.take() {
                    tracing::info!(view, "rebuilt");
                }
            }
            // Nothing is lost: it goes on where it stands.
            Err(error) => tracing::error!(%error, "a view cannot be rebuilt; trying again"),
        }
        if stopped.recv_timeout(LOOK_AGAIN) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}
