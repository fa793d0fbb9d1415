// SPDX-License-Identifier: Apache-2.0
//! Tests of the program as a person runs it, and of the tree's tidiness.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod attacks;
mod bad_input;
mod crash;
mod hunting;
mod ledger;
mod recalling;
mod sharing;
mod support;
mod tidy;
