// SPDX-License-Identifier: Apache-2.0
//! `polder serve`: TAXII 2.1 over plain HTTP on loopback.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use server::{Server, router};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::cli::Serve;
use crate::failure::{Exit, Failure};
use crate::node::Node;
use crate::rebuild::Background;

/// How often new indicators are looked for.
const LOOK_BACK_EVERY: Duration = Duration::from_millis(250);
/// Threads that take connections and write answers. Reading the database has threads of its own.
const NETWORK_THREADS: usize = 2;

/// Runs the command until it is told to stop.
pub fn run(args: &Serve) -> Result<Exit, Failure> {
    if !args.http {
        return Err(Failure::usage("this version serves plain HTTP on loopback only; say so with --http"));
    }
    if !args.listen.ip().is_loopback() {
        return Err(Failure::usage(format!(
            "{} is not a loopback address; plain HTTP is for this machine alone, use 127.0.0.1 or [::1] and put a proxy \
             with TLS before it",
            args.listen
        )));
    }
    let node = Node::open_stale(&args.data)?;
    let _held = node.dir.hold_serving()?;
    let (writer, _writing) = node.write()?.into_parts();
    logging();
    let _whole = Background::start(node.store.clone())?;
    let server = Server {
        store: node.store.clone(),
        writer,
        own: node.member(),
        title: node.root.name.clone(),
        cursor_key: *node.cursor_key()?,
        token_key: *node.token_key()?,
        now: crate::node::now,
        random: crate::node::fill_random,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(NETWORK_THREADS)
        .enable_all()
        .build()
        .map_err(|e| Failure::machine(format!("cannot start the server's threads: {e}")))?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| look_back_until(&node, &stop));
        let served = runtime.block_on(serve(args.listen, server));
        stop.store(true, Ordering::Relaxed);
        served
    })?;
    Ok(Exit::Done)
}

/// Looks new indicators up in the history of own logs, whoever appended them, until the server stops.
fn look_back_until(node: &Node, stop: &AtomicBool) {
    let mut revised = None;
    while !stop.load(Ordering::Relaxed) {
        match crate::hunting::look_back(node) {
            Ok(looked) => {
                if let Some(told) = looked.in_words() {
                    tracing::warn!(seen = looked.seen, findings = looked.findings, "{told}");
                }
            }
            // What is not looked up now is looked up the next time.
            Err(failure) => tracing::error!(%failure, "new indicators could not be looked up in the history"),
        }
        // Whoever took something back: notices that wait do not tell of it.
        let newest = node.store.read(crate::notify::newest_record).ok();
        if newest.is_none() || newest != revised {
            match crate::notify::revise(node) {
                Ok(_) => revised = newest,
                Err(failure) => tracing::error!(%failure, "notices that wait could not be looked through"),
            }
        }
        std::thread::sleep(LOOK_BACK_EVERY);
    }
}

async fn serve(address: SocketAddr, server: Server) -> Result<(), Failure> {
    let listener = TcpListener::bind(address).await.map_err(|e| cannot_listen(address, &e))?;
    let bound = listener.local_addr().map_err(|e| cannot_listen(address, &e))?;
    eprintln!("serving TAXII 2.1 at http://{bound}/taxii2/ (stop with Ctrl-C)");
    server::serve(listener, router(server), told_to_stop())
        .await
        .map_err(|e| Failure::machine(format!("the listener on {bound} failed: {e}")))
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there; stop it or choose another port with --listen"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 need rights; choose a higher one with --listen",
        _ => "choose another address with --listen",
    };
    Failure::machine(format!("cannot listen on {address}: {error}; {advice}"))
}

/// Ctrl-C, or the signal by which service managers stop a program.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            // Without the signal Ctrl-C still stops it.
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

fn logging() {
    let filter = EnvFilter::try_from_env("POLDER_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    // A second call in one process keeps the first subscriber.
    let _ = subscriber.try_init();
}
