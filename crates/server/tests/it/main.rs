// SPDX-License-Identifier: Apache-2.0
//! Tests of the HTTP faces over a store in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod face;
#[path = "../../../exchange/tests/it/node.rs"]
#[allow(dead_code, reason = "the exchange's own tests use all of it")]
mod node;
mod post;
mod protocol;
mod sockets;
