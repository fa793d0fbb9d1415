// SPDX-License-Identifier: Apache-2.0
//! Tests of the program as a person runs it, and of the tree's tidiness.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod attacks;
mod backup;
mod bad_input;
mod crash;
mod crown;
mod documents;
mod encrypted;
mod engine;
mod faults;
mod finding;
mod golden;
mod history;
mod hosted;
mod hunting;
mod judging;
mod keys;
mod ledger;
mod live;
mod notify;
mod packed;
mod places;
mod postgresql;
mod recalling;
mod rules;
mod sharing;
mod stored;
mod support;
mod tidy;
mod years;
