// SPDX-License-Identifier: Apache-2.0
//! The one binary: command line, wiring, listeners. Everything else is in the crates below.

// First: its `eprintln!` stands before the one of the standard library in all modules that follow.
#[macro_use]
mod message;

mod archive;
mod backup;
mod cli;
mod client;
mod community;
mod contacts;
mod crown;
mod datadir;
mod doctor;
mod edge;
mod explain;
mod export;
mod failure;
mod finding;
mod history;
mod hosted;
mod hosting;
mod hunting;
mod identity;
mod import;
mod init;
mod input;
mod key;
mod keys;
mod leaked;
mod log;
mod node;
mod notify;
mod out;
mod pattern;
mod priority;
mod rebuild;
mod recall;
mod restore;
mod rules;
mod serving;
mod tiles;
mod token;
mod tour;
mod warninglists;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::failure::{Exit, Failure};

// Server threads allocate whole pages of objects: an allocator that gives memory back keeps `serve` small.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // What is written here is for its owner alone.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    ignore_file_size_signal();
    let cli = Cli::parse();
    keys::passphrase_file(cli.passphrase_file.as_deref());
    // A fault of the program has been told by the panic itself; it has an exit code of its own.
    match std::panic::catch_unwind(|| run(&cli.command)) {
        Err(_) => ExitCode::from(Exit::Internal as u8),
        Ok(Ok(exit)) => ExitCode::from(exit as u8),
        Ok(Err(Failure { exit, message })) => {
            // It may quote a name that somebody else chose.
            eprintln!("polder: {}", model::diagnostic::shown(&message));
            ExitCode::from(exit as u8)
        }
    }
}

fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => init::run(args),
        Command::Import(args) => import::run(args),
        Command::Export(args) => export::run(args),
        Command::Community(command) => community::run(command),
        Command::Client(command) => client::run(command),
        Command::Token(command) => token::run(command),
        Command::Share(args) => recall::share(args),
        Command::Recall(args) => recall::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Serve(args) => serving::run(args),
        Command::Hunt(args) => hunting::run(args),
        Command::Seen(args) => history::seen(args),
        Command::Forget(args) => history::forget(args),
        Command::History(command) => history::run(command),
        Command::Sources(command) => history::sources(command),
        Command::Finding(command) => finding::run(command),
        Command::Pattern(command) => pattern::run(command),
        Command::Warninglists(command) => warninglists::run(command),
        Command::Edge(command) => edge::run(command),
        Command::Notify(command) => notify::run(command),
        Command::Crown(command) => crown::run(command),
        Command::Leaked(args) => leaked::run(args),
        Command::Rules(command) => rules::run(command),
        Command::Ledger(command) => log::run(command),
        Command::Backup(args) => backup::run(args),
        Command::Restore(args) => restore::run(args),
        Command::Key(command) => key::run(command),
        Command::Hosted(command) => hosted::run(command),
        Command::Doctor(args) => doctor::run(args),
        Command::Rebuild(args) => rebuild::run(args),
        Command::Tour(args) => tour::run(args),
    }
}

/// A file that may not grow further is told as an error of the write, not by the death of the process.
fn ignore_file_size_signal() {
    let taken = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default());
    if let Err(error) = taken {
        eprintln!("polder: cannot catch SIGXFSZ ({error}); a file size limit will end the process at once");
    }
}
