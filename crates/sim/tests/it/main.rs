// SPDX-License-Identifier: Apache-2.0
//! Histories from seeds, on every engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod seeds;
mod server;
