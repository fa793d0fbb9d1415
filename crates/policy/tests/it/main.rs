// SPDX-License-Identifier: Apache-2.0
//! The gate's rules, one by one and as laws.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod admit;
mod release;
