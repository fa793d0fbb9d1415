// SPDX-License-Identifier: Apache-2.0
//! Tests of the program as a person runs it, and of the tree's tidiness.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod attacks;
mod backup;
mod bad_input;
mod crash;
mod faults;
mod golden;
mod history;
mod hosted;
mod hunting;
mod keys;
mod ledger;
mod postgresql;
mod recalling;
mod sharing;
mod support;
mod tidy;
