// SPDX-License-Identifier: Apache-2.0
//! Listening: connections in, requests to the router, an orderly end.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tower_service::Service;

use crate::limits::{
    CONNECTION_SECONDS_MAX, CONNECTIONS_MAX, GRACE_SECONDS_MAX, HEAD_BYTES_MAX, HEAD_SECONDS_MAX, HEADERS_MAX,
};

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
    let (stop, stopping) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        match accepted {
            Ok((stream, address, permit)) => {
                tokio::spawn(connection(stream, Peer(address), router.clone(), stopping.clone(), permit));
            }
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
    _permit: OwnedSemaphorePermit,
) {
    // An answer's last piece must not wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
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
    tokio::select! {
        result = connection.as_mut() => return note_end(result),
        _ = stopping.changed() => {}
        () = sleep(Duration::from_secs(CONNECTION_SECONDS_MAX)) => {}
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
