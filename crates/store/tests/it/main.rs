// SPDX-License-Identifier: Apache-2.0
//! The contract suite: the same tests over each engine, and what is special to a file and to a server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod contract;
mod file;
mod hosted;
mod laws;
mod postgresql;
mod rebuild;
mod sample;
mod server;
mod tls;
mod tree;
mod verification;
