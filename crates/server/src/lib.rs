// SPDX-License-Identifier: Apache-2.0
//! The HTTP faces: TAXII 2.1 over axum, authentication, content negotiation, rate limits.
//!
//! Must not know business rules: who may see what is asked of `exchange` and the gate below it. Time,
//! sockets and async live here; everything that reads the store runs on a bounded set of threads.
//!
//! ```no_run
//! # use model::{id::MemberId, time::Timestamp};
//! # async fn example(store: store::Store, writer: store::Writer, own: MemberId) -> std::io::Result<()> {
//! let server = server::Server {
//!     store,
//!     writer,
//!     own,
//!     title: "Example node".to_owned(),
//!     cursor_key: [1; 32],
//!     token_key: [2; 32],
//!     now: || Timestamp::from_micros(1_700_000_000_000_000),
//!     random: |bytes| bytes.fill(7),
//! };
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! server::serve(listener, server::router(server), std::future::pending()).await
//! # }
//! ```

pub mod auth;
mod body;
mod delete;
pub mod limits;
mod listen;
pub mod media;
mod post;
mod rate;
mod refusal;
pub mod target;
mod taxii;
mod upload;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONNECTION;
use axum::routing::get;
use model::id::MemberId;
use model::time::Timestamp;
use store::{Store, Writer};

pub use listen::{Peer, serve};

/// What the faces need to answer.
pub struct Server {
    /// The store, opened with the views and local tables of `exchange`.
    pub store: Store,
    /// Appends what clients post.
    pub writer: Writer,
    /// This node's own organisation.
    pub own: MemberId,
    /// What the node calls itself in discovery.
    pub title: String,
    /// Key of the cursors; it survives restarts and is shared by all processes on one database.
    pub cursor_key: [u8; 32],
    /// Key under which tokens are kept.
    pub token_key: [u8; 32],
    /// The time now.
    pub now: fn() -> Timestamp,
    /// Fills with random bytes.
    pub random: fn(&mut [u8]),
}

/// The router of all faces. Requests carry a [`Peer`] extension, which [`serve`] puts in.
pub fn router(server: Server) -> Router {
    let shared = Arc::new(taxii::Shared::new(server));
    // One handler reads the path itself: with and without the last slash, and every answer, also to
    // what does not exist, comes from behind authentication.
    Router::new()
        .route("/healthz", get(async || ([(CONNECTION, "close")], "ok\n")))
        .fallback(taxii::handle)
        .with_state(shared)
}
