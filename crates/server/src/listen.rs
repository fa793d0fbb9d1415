// SPDX-License-Identifier: Apache-2.0
//! Listening: connections in, requests to the router, an orderly end.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tower_service::Service;

use crate::limits::{
    CONNECTION_SECONDS_MAX, CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX, FIRST_HEAD_SECONDS_MAX,
    GRACE_SECONDS_MAX, HEAD_BYTES_MAX, HEAD_SECONDS_MAX, HEADERS_MAX,
};
use crate::rate::address_key;

/// Wait after the system refused a connection (too many open files), so as not to spin.
const REFUSED_WAIT: Duration = Duration::from_millis(100);

/// The address that a request came from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Serves plain HTTP on `listener` until `shutdown` is done; then no connection is taken any more, and
/// what is under way may end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let places = Places::default();
    let (stop, stopping) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        match accepted {
            Ok((stream, address, permit)) => match places.take(address_key(address)) {
                Some(place) => {
                    let held = (permit, place);
                    tokio::spawn(connection(stream, Peer(address), router.clone(), stopping.clone(), held));
                }
                // Closed without a word: whoever holds so many knows why.
                None => tracing::warn!(%address, "too many connections from one address"),
            },
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                sleep(REFUSED_WAIT).await;
            }
        }
    }
    drop((listener, stopping));
    // Every connection holds a receiver until it is closed.
    let _ = stop.send(());
    if timeout(Duration::from_secs(GRACE_SECONDS_MAX), stop.closed()).await.is_err() {
        tracing::warn!("connections were still open at the end and were cut off");
    }
    Ok(())
}

/// Open connections of each address: one alone may not take them all.
#[derive(Clone, Debug, Default)]
struct Places(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection's place; given back when it is dropped.
#[derive(Debug)]
struct HeldPlace {
    places: Places,
    address: IpAddr,
}

impl Places {
    fn take(&self, address: IpAddr) -> Option<HeldPlace> {
        // The counts are right after every step, so a panic elsewhere does not make them wrong.
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_insert(0);
        if *count >= CONNECTIONS_PER_ADDRESS_MAX {
            return None;
        }
        *count += 1;
        Some(HeldPlace { places: self.clone(), address })
    }
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        let mut open = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> io::Result<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address.ip(), permit))
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    mut stopping: watch::Receiver<()>,
    _held: (OwnedSemaphorePermit, HeldPlace),
) {
    // An answer's last piece must not wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let spoken = Arc::new(Notify::new());
    let speaks = Arc::clone(&spoken);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        speaks.notify_one();
        request.extensions_mut().insert(peer);
        // A router is always ready, so it may be called at once.
        router.clone().call(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_headers(HEADERS_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut end = pin!(sleep(Duration::from_secs(CONNECTION_SECONDS_MAX)));
    let mut first = pin!(sleep(Duration::from_secs(FIRST_HEAD_SECONDS_MAX)));
    let mut silent = true;
    loop {
        tokio::select! {
            result = connection.as_mut() => return note_end(result),
            _ = stopping.changed() => break,
            () = end.as_mut() => break,
            () = spoken.notified(), if silent => silent = false,
            () = first.as_mut(), if silent => return tracing::debug!("connection said nothing"),
        }
    }
    connection.as_mut().graceful_shutdown();
    if let Ok(result) = timeout(Duration::from_secs(GRACE_SECONDS_MAX), connection).await {
        note_end(result);
    }
}

fn note_end(result: hyper::Result<()>) {
    if let Err(error) = result {
        // Clients go away in mid-sentence all the time; that is for whoever looks for it.
        tracing::debug!(%error, "connection ended early");
    }
}
