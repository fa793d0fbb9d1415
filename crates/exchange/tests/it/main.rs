// SPDX-License-Identifier: Apache-2.0
//! Tests of the room over a store in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod acts;
mod communities;
mod law;
mod model_of_pages;
mod node;
mod pages;
mod parsers;
mod tokens;
mod view;
