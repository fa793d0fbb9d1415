// SPDX-License-Identifier: Apache-2.0
//! Tests of the shared words.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod object;
mod observable;
mod split;
mod words;
